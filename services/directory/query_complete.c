/* query_complete.c - type-ahead: what a person may be about to write. Asked for with every letter, so it counts nothing and reads only
 * what it shows. */
#include <errno.h>
#include <string.h>

#include "services/directory/answer.h"

enum { ENTRIES_DEFAULT = 8, LETTERS_MIN = 2, COMPLETIONS_MAX = 6, NAME_WORDS = 12 };

/* ---- entries ---- */

static int make_entry(const struct seek *s, const struct search_hit *hit, CompletedEntry **ret)
{
    struct entry e;
    SearchHit whole = SEARCH_HIT_INIT;
    CompletedEntry *entry = arena_alloc(s->in->arena, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    int r = findable_entry(s->in->state, hit->key, &e);
    if (r == 0)
        r = answer_show(s, &e, &whole);
    *entry = (CompletedEntry)COMPLETED_ENTRY_INIT;
    entry->entry_type = e.type;
    entry->key = whole.key;
    entry->name = whole.name;
    if (r == 0)
        r = answer_highlight(s, entry->name, &entry->name_highlights, &entry->n_name_highlights);
    *ret = entry;
    return r;
}

/* ---- completions ---- */

static bool is_given(const CompleteSearchResponse *res, const char *text)
{
    for (size_t i = 0; i < res->n_completions; i++)
        if (strcmp(res->completions[i], text) == 0)
            return true;
    return false;
}

static bool begins_so(const char *word, const char *folded)
{
    char own[TEXT_CASEFOLD_MAX * 3];
    size_t len = strlen(folded);
    size_t own_len = text_casefold(word, strlen(word), true, own, sizeof(own));
    return own_len >= len && memcmp(own, folded, len) == 0;
}

/* Words of a name that begin as the last word of the query does, in its place. */
static int complete_from(const struct seek *s, const char *name, CompleteSearchResponse *res)
{
    const struct text_token *last = &s->tokens[s->n_tokens - 1];
    struct text_token *tokens;
    size_t n;
    int r = text_words(s->in->arena, name, strlen(name), NAME_WORDS, &tokens, &n);
    for (size_t i = 0; r == 0 && i < n && res->n_completions < COMPLETIONS_MAX; i++) {
        if (!begins_so(tokens[i].word, last->folded))
            continue;
        char *text =
            arena_printf(s->in->arena, "%.*s%s", (int)last->start, s->text, tokens[i].word);
        if (!text)
            return -ENOMEM;
        if (!is_given(res, text))
            res->completions[res->n_completions++] = text;
    }
    return r;
}

/* ---- all together ---- */

static int look(struct seek *s, uint32_t limit)
{
    int r = text_tokens(s->in->arena, s->text,
                        s->len < SEARCH_QUERY_BYTES ? s->len : SEARCH_QUERY_BYTES,
                        SEARCH_QUERY_WORDS, &s->tokens, &s->n_tokens);
    if (r < 0)
        return r;
    /* One letter begins too much to tell anything. */
    if (s->n_tokens == 0 || (s->n_tokens == 1 && text_length(s->tokens[0].word) < LETTERS_MIN)) {
        s->n_tokens = 0;
        return 0;
    }
    r = search_query(s->in->state, s->in->arena,
                     &(struct search_request) {
                         .text = s->text, .len = s->len, .limit = limit, .type_ahead = true },
                     &s->result);
    s->hits = s->result.hits;
    s->n_hits = s->result.n_hits;
    return r;
}

int directory_complete_search(const struct query_in *in, const CompleteSearchRequest *req,
                              CompleteSearchResponse *res, struct status *status)
{
    (void)status; /* whatever the query is, it is answered */
    struct query_in as = *in;
    struct seek s = { .in = &as, .text = req->query, .len = strlen(req->query) };

    if (*req->locale)
        as.locale = req->locale;
    int r = answer_crisis(in, req->query, &res->crisis);
    if (r == 0)
        r = look(&s, req->limit ? req->limit : ENTRIES_DEFAULT);
    if (r < 0)
        return r;
    res->entries = arena_calloc(in->arena, s.n_hits + 1, sizeof(*res->entries));
    res->completions = arena_calloc(in->arena, COMPLETIONS_MAX, sizeof(*res->completions));
    if (!res->entries || !res->completions)
        return -ENOMEM;
    for (size_t i = 0; i < s.n_hits && r == 0; i++) {
        r = make_entry(&s, &s.hits[i], &res->entries[i]);
        if (r == 0)
            r = complete_from(&s, res->entries[i]->name, res);
        res->n_entries += r == 0;
    }
    return r;
}
