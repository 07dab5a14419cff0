/* decide_searches.c - records counts of searches. Whoever gives the command, only what may be known leaves for the log: the count of a
 * text that was asked for ten times (the proto's rule), that is no word of a crisis and does not look like a person's. */
#include <errno.h>
#include <string.h>

#include "services/directory/crisis.h"
#include "services/directory/searches.h"

/* A text that became a word of crisis since it was counted is left out, too. */
static int may_record(const struct decide_in *in, const SearchedText *count, bool *ret)
{
    char text[SEARCHES_TEXT_BYTES + 1];
    Helpline **lines;
    size_t n = 0;
    size_t len = strlen(count->text);
    *ret = false;
    if (!searches_text(in->arena, count->text, len, text) || strcmp(text, count->text) != 0)
        return 0;
    int r = crisis_help(in->state, in->arena, count->text, len, &lines, &n);
    *ret = n == 0;
    return r;
}

int directory_record_searches(const struct decide_in *in, const RecordSearchesRequest *req,
                              RecordSearchesResponse *res, struct outcome *out)
{
    SearchesCounted event = SEARCHES_COUNTED_INIT;
    event.counts = arena_calloc(in->arena, req->n_counts + 1, sizeof(*event.counts));
    if (!event.counts)
        return -ENOMEM;
    for (size_t i = 0; i < req->n_counts; i++) {
        bool may;
        int r = may_record(in, req->counts[i], &may);
        if (r < 0)
            return r;
        if (may)
            event.counts[event.n_counts++] = req->counts[i];
    }
    res->recorded = (uint32_t)event.n_counts;
    return event.n_counts > 0 ? emit_searches_counted(out, "searches", &event) : 0;
}
