/* query_words.c - shows editors the words that the search knows besides: synonyms and words of crisis. */
#include <errno.h>
#include <string.h>

#include "common/page.h"
#include "services/directory/tables.h"

/* One page of a table, in order of key. */
static int list_words(const struct query_in *in, const struct table *t, const struct page *page,
                      const char *scope, void ***ret, size_t *ret_count, char **ret_next)
{
    void **all = arena_calloc(in->arena, page->size, sizeof(*all));
    if (!all)
        return -ENOMEM;
    struct key start, last = KEY_INIT;
    page_start(page, &start);
    size_t n = 0;
    bool more = false;
    struct scan s;
    for (scan_from(&s, in->state, t, &start, NULL); scan_next(&s);) {
        more = n == page->size;
        if (more)
            break;
        last.len = (uint16_t)s.key.len;
        memcpy(last.bytes, s.key.data, s.key.len);
        int r = scan_message(&s, &all[n++]);
        if (r < 0)
            return scan_give_up(&s, r);
    }
    int r = scan_end(&s);
    if (r < 0)
        return r;
    *ret = all;
    *ret_count = n;
    if (!more)
        return 0;
    *ret_next = page_token(in->arena, scope, (struct slice) { last.bytes, last.len });
    return *ret_next ? 0 : -ENOMEM;
}

int directory_list_synonyms(const struct query_in *in, const ListSynonymsRequest *req,
                            ListSynonymsResponse *res, struct status *status)
{
    struct page page;
    if (!page_read(req->page_size, req->page_token, "synonyms", &page, status))
        return 0;
    void **all = NULL;
    int r = list_words(in, &T_SYNONYM, &page, "synonyms", &all, &res->n_synonyms,
                       &res->next_page_token);
    res->synonyms = (Synonym **)all;
    res->total_size = rd_count(in->state, &T_SYNONYM);
    return r;
}

int directory_list_crisis_words(const struct query_in *in, const ListCrisisWordsRequest *req,
                                ListCrisisWordsResponse *res, struct status *status)
{
    struct page page;
    if (!page_read(req->page_size, req->page_token, "crisis-words", &page, status))
        return 0;
    void **all = NULL;
    int r = list_words(in, &T_CRISIS_WORD, &page, "crisis-words", &all, &res->n_crisis_words,
                       &res->next_page_token);
    res->crisis_words = (CrisisWord **)all;
    res->total_size = rd_count(in->state, &T_CRISIS_WORD);
    return r;
}
