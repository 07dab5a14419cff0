/* query_organisation.c - one organisation, lists of them, and what happened to them. */
#include <errno.h>
#include <string.h>

#include "common/packed.h"
#include "common/page.h"
#include "services/directory/filter.h"

enum { FIND_DEFAULT = 20, FIND_MAX_EXAMINED = 1000, SLUG_ROOM = 101 };

static int refuse_unknown(struct status *status, const char *slug)
{
    return status_refuse(status, CODE_NOT_FOUND, "slug: there is no organisation '%s'", slug);
}

enum { FIELD_STATE = 16 }; /* of Organisation */

/* Whether a stored organisation stands for itself. One that was merged does not; for one that is damaged the answer is no as
 * well, since who unpacks it then finds that out. */
static bool stands_for_itself(struct slice stored)
{
    struct packed_field field = { 0 };
    bool merged = false;
    int r;

    while ((r = packed_take(&stored, &field)) > 0)
        if (field.number == FIELD_STATE)
            merged = field.value == ORGANISATION_STATE_MERGED;
    return r == 0 && !merged;
}

/* The one query that everybody makes: what is stored is the answer. */
int directory_get_organisation(const struct query_in *in, const GetOrganisationRequest *req,
                               GetOrganisationResponse *res, struct status *status)
{
    struct slice stored;
    int r = rd_get_bytes(in->state, &T_ORGANISATION, KEY_TEXT(req->slug), &stored);
    if (r == -ENOENT)
        return refuse_unknown(status, req->slug);
    if (r < 0)
        return r;
    if (stands_for_itself(stored)) {
        query_answer_stored(in, stored);
        return 0;
    }
    r = organisation_resolve(in->state, req->slug, &res->organisation);
    if (r == 0)
        res->redirected_from = req->slug;
    return r;
}

/* ---- lists ---- */

/* One page of organisations under way. */
struct listing {
    Organisation **organisations;
    size_t n, room;
    struct slice last; /* key of the last one on the page */
    bool more;
    uint64_t total;
};

static int list_one(const struct query_in *in, struct slice key, struct listing *l)
{
    uint8_t sort[TEXT_SORT_MAX];
    size_t len;
    char slug[SLUG_ROOM];
    struct key_reader reader = { .rest = key };
    if (!key_read_bytes(&reader, sort, sizeof(sort), &len) ||
        !key_read_text(&reader, slug, sizeof(slug)))
        return -EBADMSG;
    int r = organisation_find(in->state, slug, &l->organisations[l->n]);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    l->last = key;
    l->n++;
    return 0;
}

static bool comes_after(struct slice key, const struct key *start)
{
    size_t len = key.len < start->len ? key.len : start->len;
    int order = memcmp(key.data, start->bytes, len);
    return order > 0 || (order == 0 && key.len >= start->len);
}

/* Without limits the walk begins where the page does and ends with it; else it counts everything that fits, too. */
static int walk(const struct query_in *in, const struct filter *f, const struct page *page,
                struct listing *l)
{
    struct key start;
    page_start(page, &start);
    bool whole = !filter_is_empty(f);
    struct scan s;
    for (scan_from(&s, in->state, &T_ORGANISATION_ORDER, whole ? &KEY_INIT : &start, NULL);
         (whole || !l->more) && scan_next(&s);) {
        bool fits;
        int r = filter_fits(f, s.value, &fits);
        if (r < 0)
            return scan_give_up(&s, r);
        if (!fits)
            continue;
        l->total++;
        if (!comes_after(s.key, &start))
            continue;
        if (l->n == l->room) {
            l->more = true;
            continue;
        }
        r = list_one(in, s.key, l);
        if (r < 0)
            return scan_give_up(&s, r);
    }
    if (!whole)
        l->total = live_count(in->state, "");
    return scan_end(&s);
}

static int list(const struct query_in *in, const OrganisationFilter *wanted,
                const char *confirmed_before, uint32_t page_size, const char *token,
                struct listing *l, char **ret_next, struct status *status)
{
    struct filter f;
    int r = filter_make(in->state, in->arena, wanted, confirmed_before, &f);
    if (r < 0)
        return r;
    struct page page;
    if (!page_read(page_size, token, f.hash, &page, status))
        return 0;
    *l = (struct listing) { .room = page.size };
    l->organisations = arena_calloc(in->arena, page.size, sizeof(*l->organisations));
    if (!l->organisations)
        return -ENOMEM;
    r = walk(in, &f, &page, l);
    if (r < 0 || !l->more)
        return r;
    *ret_next = page_token(in->arena, f.hash, l->last);
    return *ret_next ? 0 : -ENOMEM;
}

int directory_list_organisations(const struct query_in *in, const ListOrganisationsRequest *req,
                                 ListOrganisationsResponse *res, struct status *status)
{
    struct listing l = { 0 };
    int r = list(in, req->filter, "", req->page_size, req->page_token, &l, &res->next_page_token,
                 status);
    res->organisations = l.organisations;
    res->n_organisations = l.n;
    res->total_size = l.total;
    return r;
}

int directory_list_stale(const struct query_in *in, const ListStaleRequest *req,
                         ListStaleResponse *res, struct status *status)
{
    struct listing l = { 0 };
    int r = list(in, NULL, req->not_confirmed_since, req->page_size, req->page_token, &l,
                 &res->next_page_token, status);
    res->organisations = l.organisations;
    res->n_organisations = l.n;
    res->total_size = l.total;
    return r;
}

/* ---- by name ---- */

static bool is_found(const FindByNameResponse *res, const char *slug)
{
    for (size_t i = 0; i < res->n_matches; i++) {
        if (strcmp(res->matches[i]->organisation->slug, slug) == 0)
            return true;
    }
    return false;
}

static int add_match(const struct query_in *in, const struct scan *s, FindByNameResponse *res)
{
    uint8_t rank;
    char folded[TEXT_FOLD_MAX + 1], slug[SLUG_ROOM];
    struct key_reader reader = { .rest = s->key };
    if (!key_read_u8(&reader, &rank) || !key_read_text(&reader, folded, sizeof(folded)) ||
        !key_read_text(&reader, slug, sizeof(slug)))
        return -EBADMSG;
    if (is_found(res, slug))
        return 0;
    Organisation *o;
    int r = organisation_resolve(in->state, slug, &o);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    if (is_found(res, o->slug))
        return 0;

    NameMatch *match = arena_alloc(in->arena, sizeof(*match));
    char *name = arena_strndup(in->arena, (const char *)s->value.data, s->value.len);
    if (!match || !name)
        return -ENOMEM;
    *match = (NameMatch)NAME_MATCH_INIT;
    match->organisation = o;
    match->matched_name = name;
    res->matches[res->n_matches++] = match;
    return 0;
}

static int find_ranked(const struct query_in *in, uint8_t rank, const char *folded, uint32_t limit,
                       FindByNameResponse *res)
{
    struct key prefix = KEY_INIT;
    key_text_prefix(key_u8(&prefix, rank), folded);
    struct scan s;
    int examined = 0;
    for (scan_prefix(&s, in->state, &T_ORGANISATION_NAME, &prefix);
         res->n_matches < limit && examined < FIND_MAX_EXAMINED && scan_next(&s); examined++) {
        int r = add_match(in, &s, res);
        if (r < 0)
            return scan_give_up(&s, r);
    }
    return scan_end(&s);
}

int directory_find_by_name(const struct query_in *in, const FindByNameRequest *req,
                           FindByNameResponse *res, struct status *status)
{
    struct text_folded query;
    text_fold(req->query, &query);
    if (!*query.text)
        return status_violation(status, "query", "must hold a letter or a digit");
    uint32_t limit = req->limit ? req->limit : FIND_DEFAULT;
    res->matches = arena_calloc(in->arena, limit, sizeof(*res->matches));
    if (!res->matches)
        return -ENOMEM;
    int r = find_ranked(in, NAME_WHOLE, query.text, limit, res);
    if (r == 0)
        r = find_ranked(in, NAME_FROM_WORD, query.text, limit, res);
    return r;
}

/* ---- history ---- */

int directory_get_history(const struct query_in *in, const GetHistoryRequest *req,
                          GetHistoryResponse *res, struct status *status)
{
    if (!rd_has(in->state, &T_ORGANISATION, KEY_TEXT(req->slug)))
        return refuse_unknown(status, req->slug);
    char *scope = arena_printf(in->arena, "history/%s", req->slug);
    if (!scope)
        return -ENOMEM;
    struct page page;
    if (!page_read(req->page_size, req->page_token, scope, &page, status))
        return 0;
    res->entries = arena_calloc(in->arena, page.size, sizeof(*res->entries));
    if (!res->entries)
        return -ENOMEM;

    struct key prefix = KEY_INIT;
    key_text(&prefix, req->slug);
    struct scan s;
    struct slice last = { 0 };
    bool more = false;
    if (page.after.len > 0)
        scan_backwards_from(&s, in->state, &T_HISTORY, &page.after, &prefix);
    else
        scan_backwards(&s, in->state, &T_HISTORY, &prefix);
    while (!more && scan_next(&s)) {
        bool shown_before =
            s.key.len == page.after.len && memcmp(s.key.data, page.after.bytes, s.key.len) == 0;
        if (shown_before)
            continue;
        if (res->n_entries == page.size) {
            more = true;
            continue;
        }
        int r = scan_message(&s, &res->entries[res->n_entries]);
        if (r < 0)
            return scan_give_up(&s, r);
        last = s.key;
        res->n_entries++;
    }
    int r = scan_end(&s);
    if (r < 0 || !more)
        return r;
    res->next_page_token = page_token(in->arena, scope, last);
    return res->next_page_token ? 0 : -ENOMEM;
}
