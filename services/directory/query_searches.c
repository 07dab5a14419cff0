/* query_searches.c - shows editors what people look for: what is recorded of a month, and of this month what waits in memory to be
 * recorded. Nothing of it was asked for less than ten times. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/directory/rules.h"
#include "services/directory/searches.h"

enum { LIMIT_DEFAULT = 100, MONTH_CHARS = 7, READ_MAX = 100000 };

struct counts {
    SearchedText **all;
    size_t n, n_recorded; /* the recorded ones are in order of text */
};

static int by_text(const void *text, const void *member)
{
    return strcmp(text, (*(SearchedText *const *)member)->text);
}

static int read_recorded(const struct query_in *in, const char *month, struct counts *c)
{
    struct scan s;
    size_t room = 0;
    for (scan_prefix(&s, in->state, &T_SEARCHES, KEY_TEXT(month)); scan_next(&s);)
        room++;
    int r = scan_end(&s);
    if (r < 0)
        return r;
    room = room < READ_MAX ? room : READ_MAX;
    c->all = arena_calloc(in->arena, room + 1, sizeof(*c->all));
    if (!c->all)
        return -ENOMEM;
    for (scan_prefix(&s, in->state, &T_SEARCHES, KEY_TEXT(month)); c->n < room && scan_next(&s);) {
        r = scan_message(&s, &c->all[c->n++]);
        if (r < 0)
            return scan_give_up(&s, r);
    }
    c->n_recorded = c->n;
    return scan_end(&s);
}

static int add_waiting(const struct query_in *in, struct counts *c)
{
    SearchedText **waiting;
    size_t n;
    int r = searches_often(in->arena, &waiting, &n);
    if (r < 0)
        return r;
    SearchedText **all = arena_calloc(in->arena, c->n + n + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    memcpy(all, c->all, c->n * sizeof(*all));
    c->all = all;
    for (size_t i = 0; i < n; i++) {
        SearchedText **same =
            bsearch(waiting[i]->text, all, c->n_recorded, sizeof(SearchedText *), by_text);
        if (same) {
            (*same)->asked += waiting[i]->asked;
            (*same)->found = waiting[i]->found;
        } else {
            all[c->n++] = waiting[i];
        }
    }
    return 0;
}

static bool is_month(const char *month)
{
    return strlen(month) == MONTH_CHARS && month[4] == '-' &&
           strspn(month, "0123456789-") == MONTH_CHARS;
}

int directory_list_searches(const struct query_in *in, const ListSearchesRequest *req,
                            ListSearchesResponse *res, struct status *status)
{
    if (*req->month && !is_month(req->month))
        return status_violation(status, "month", "must be a month such as 2026-01, or empty");
    char *this_month;
    int r = date_of(in->arena, in->now_ms, &this_month);
    if (r < 0)
        return r;
    this_month[MONTH_CHARS] = '\0';
    const char *month = *req->month ? req->month : this_month;
    struct counts c = { 0 };
    r = read_recorded(in, month, &c);
    if (r == 0 && strcmp(month, this_month) == 0)
        r = add_waiting(in, &c);
    if (r < 0)
        return r;
    searches_sort(c.all, c.n);
    size_t limit = req->limit ? req->limit : LIMIT_DEFAULT;
    res->counts = c.all;
    for (size_t i = 0; i < c.n && res->n_counts < limit; i++) {
        if (!req->not_found || c.all[i]->found == 0)
            res->counts[res->n_counts++] = c.all[i];
    }
    return 0;
}
