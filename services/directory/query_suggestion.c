/* query_suggestion.c - what became of suggestions and error reports. The public sees a suggestion's state and reason, the editors all. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/page.h"
#include "services/directory/tables.h"

enum { MAX_EXAMINED = 5000 }; /* entries that one page looks at */

int directory_get_suggestion(const struct query_in *in, const GetSuggestionRequest *req,
                             GetSuggestionResponse *res, struct status *status)
{
    Suggestion *suggestion;
    int r = rd_get(in->state, &T_SUGGESTION, KEY_U64(req->number), &suggestion);
    if (r == -ENOENT)
        return status_refuse(status, CODE_NOT_FOUND, "number: there is no suggestion %" PRIu64,
                             req->number);
    if (r < 0)
        return r;
    res->state = suggestion->state;
    res->reason = suggestion->reason;
    res->slug = suggestion->slug;
    return 0;
}

/* Decides whether an entry belongs on the list. */
typedef bool wanted(const void *entry, int state);

static bool suggestion_wanted(const void *entry, int state)
{
    return state == SUGGESTION_STATE_UNSPECIFIED ||
           (int)((const Suggestion *)entry)->state == state;
}

static bool report_wanted(const void *entry, int include_resolved)
{
    return include_resolved || !((const ErrorReport *)entry)->resolved;
}

/* One page of a table by number. With `open`, an index of those that wait, only they are looked at. */
static int list_numbered(const struct query_in *in, const struct table *t, const struct table *open,
                         wanted *is_wanted, int state, const struct page *page, const char *scope,
                         void ***ret, size_t *ret_count, char **ret_next)
{
    void **all = arena_calloc(in->arena, page->size, sizeof(*all));
    if (!all)
        return -ENOMEM;
    struct key start, last = KEY_INIT;
    page_start(page, &start);
    size_t n = 0, examined = 0;
    bool more = false;
    struct scan s;
    for (scan_from(&s, in->state, open ? open : t, &start, NULL); scan_next(&s); examined++) {
        more = n == page->size || examined == MAX_EXAMINED;
        if (more)
            break;
        last.len = (uint16_t)s.key.len;
        memcpy(last.bytes, s.key.data, s.key.len);
        void *entry;
        int r = open ? rd_get(in->state, t, &last, &entry) : scan_message(&s, &entry);
        if (r < 0)
            return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
        if (is_wanted(entry, state))
            all[n++] = entry;
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

int directory_list_suggestions(const struct query_in *in, const ListSuggestionsRequest *req,
                               ListSuggestionsResponse *res, struct status *status)
{
    char *scope = arena_printf(in->arena, "suggestions/%d", (int)req->state);
    if (!scope)
        return -ENOMEM;
    struct page page;
    if (!page_read(req->page_size, req->page_token, scope, &page, status))
        return 0;
    const struct table *open = req->state == SUGGESTION_STATE_OPEN ? &T_SUGGESTION_OPEN : NULL;
    void **all = NULL;
    int r = list_numbered(in, &T_SUGGESTION, open, suggestion_wanted, (int)req->state, &page, scope,
                          &all, &res->n_suggestions, &res->next_page_token);
    res->suggestions = (Suggestion **)all;
    return r;
}

int directory_list_error_reports(const struct query_in *in, const ListErrorReportsRequest *req,
                                 ListErrorReportsResponse *res, struct status *status)
{
    const char *scope = req->include_resolved ? "reports/all" : "reports/open";
    struct page page;
    if (!page_read(req->page_size, req->page_token, scope, &page, status))
        return 0;
    const struct table *open = req->include_resolved ? NULL : &T_ERROR_REPORT_OPEN;
    void **all = NULL;
    int r = list_numbered(in, &T_ERROR_REPORT, open, report_wanted, req->include_resolved, &page,
                          scope, &all, &res->n_reports, &res->next_page_token);
    res->reports = (ErrorReport **)all;
    return r;
}
