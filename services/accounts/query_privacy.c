/* query_privacy.c - what happened to accounts, erasures under way, and addresses not to be written to. */
#include <errno.h>
#include <string.h>

#include "common/page.h"
#include "services/accounts/networks.h"
#include "services/accounts/persons.h"

/* The place that a kind's detail is sealed for; NULL: it has none. */
static const struct seal_place *place_of(const SecurityRow *row, struct seal_place *room)
{
    static const char *const fields[] = {
        [SECURITY_KIND_SIGNED_IN] = "network",
        [SECURITY_KIND_NEW_DEVICE] = "network",
        [SECURITY_KIND_ROLE_GRANTED] = "role_reason",
        [SECURITY_KIND_ROLE_WITHDRAWN] = "role_reason",
        [SECURITY_KIND_KEY_MADE] = "key_name",
        [SECURITY_KIND_KEY_REVOKED] = "key_name",
    };
    size_t kind = (size_t)row->kind;
    if (kind >= ARRAY_LEN(fields) || !fields[kind] || row->sealed.len == 0)
        return NULL;
    *room = (struct seal_place) { fields[kind], row->record };
    return room;
}

static int show_event(const struct query_in *in, const char *person, const SecurityRow *row,
                      SecurityEvent **ret)
{
    struct seal_place room;
    struct slice detail = { 0 };
    SecurityEvent *shown = arena_alloc(in->arena, sizeof(*shown));
    if (!shown)
        return -ENOMEM;
    *shown = (SecurityEvent)SECURITY_EVENT_INIT;
    shown->kind = row->kind;
    shown->time_ms = row->time_ms;
    shown->role = row->role;
    shown->scope = row->scope;
    *ret = shown;
    if (person && (row->kind == SECURITY_KIND_PROVIDER_LINKED ||
                   row->kind == SECURITY_KIND_PROVIDER_UNLINKED))
        shown->detail = row->record;
    const struct seal_place *at = person ? place_of(row, &room) : NULL;
    if (!at)
        return 0;
    int r = open_bytes(&SEALING(in), person, at, row->sealed, &detail);
    if (r < 0)
        return r;
    shown->detail = strcmp(at->field, "network") == 0
                        ? network_text(in->arena, detail)
                        : arena_strndup(in->arena, (const char *)detail.data, detail.len);
    return shown->detail ? 0 : -ENOMEM;
}

/* A page from the newest on. `person` NULL: of all. */
static int list_events(const struct query_in *in, const struct page *page, const char *person,
                       const char *scope, SecurityEvent ***ret, size_t *ret_n, char **ret_next)
{
    const struct table *t = person ? &T_SECURITY : &T_SECURITY_ALL;
    struct key prefix = KEY_INIT, last = KEY_INIT;
    struct scan s;
    size_t n = 0;
    bool more = false;
    SecurityEvent **all = arena_calloc(in->arena, page->size, sizeof(SecurityEvent *));
    if (!all)
        return -ENOMEM;
    if (person)
        key_text(&prefix, person);
    if (page->after.len > 0)
        scan_backwards_from(&s, in->state, t, &page->after, &prefix);
    else
        scan_backwards(&s, in->state, t, &prefix);
    while (scan_next(&s)) {
        SecurityRow *row;
        if (s.key.len == page->after.len && memcmp(s.key.data, page->after.bytes, s.key.len) == 0)
            continue; /* the last one shown */
        more = n == page->size;
        if (more)
            break;
        last.len = (uint16_t)s.key.len;
        memcpy(last.bytes, s.key.data, s.key.len);
        int r = scan_message(&s, &row);
        if (r == 0)
            r = show_event(in, person, row, &all[n++]);
        if (r < 0)
            return scan_give_up(&s, r);
    }
    int r = scan_end(&s);
    if (r < 0)
        return r;
    *ret = all;
    *ret_n = n;
    if (!more)
        return 0;
    *ret_next = page_token(in->arena, scope, (struct slice) { last.bytes, last.len });
    return *ret_next ? 0 : -ENOMEM;
}

int accounts_list_my_security_events(const struct query_in *in,
                                     const ListMySecurityEventsRequest *req,
                                     ListMySecurityEventsResponse *res, struct status *status)
{
    struct page page;
    char *scope = arena_printf(in->arena, "security/%s", in->caller.id);
    if (!scope)
        return -ENOMEM;
    if (!page_read(req->page_size, req->page_token, scope, &page, status))
        return 0;
    int r = list_events(in, &page, in->caller.id, scope, &res->events, &res->n_events,
                        &res->next_page_token);
    return r == -ENOENT ? 0 : r; /* erased since the snapshot */
}

int accounts_list_security_events(const struct query_in *in, const ListSecurityEventsRequest *req,
                                  ListSecurityEventsResponse *res, struct status *status)
{
    static const char scope[] = "security";
    struct page page;
    if (!page_read(req->page_size, req->page_token, scope, &page, status))
        return 0;
    return list_events(in, &page, NULL, scope, &res->events, &res->n_events, &res->next_page_token);
}

int accounts_list_erasures(const struct query_in *in, const ListErasuresRequest *req,
                           ListErasuresResponse *res, struct status *status)
{
    enum { SHOWN = 100 };
    (void)req;    /* asks nothing */
    (void)status; /* refuses nothing */
    struct scan s;
    res->erasures = arena_calloc(in->arena, SHOWN, sizeof(*res->erasures));
    if (!res->erasures)
        return -ENOMEM;
    for (scan_from(&s, in->state, &T_ERASURE_DUE, &KEY_INIT, NULL);
         res->n_erasures < SHOWN && scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        Erasure *erasure = arena_alloc(in->arena, sizeof(*erasure));
        char *id = arena_alloc(in->arena, ID_CHARS + 1);
        ErasureRow *row;
        int64_t due_ms;
        if (!erasure || !id)
            return scan_give_up(&s, -ENOMEM);
        if (!key_read_i64(&reader, &due_ms) || !key_read_text(&reader, id, ID_CHARS + 1))
            return scan_give_up(&s, -EBADMSG);
        int r = rd_get(in->state, &T_ERASURE, KEY_TEXT(id), &row);
        if (r < 0)
            return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
        *erasure = (Erasure)ERASURE_INIT;
        erasure->erasure = id;
        erasure->erased_ms = row->erased_ms;
        erasure->done = row->done;
        erasure->n_done = row->n_done;
        erasure->due_ms = row->due_ms;
        erasure->tries = row->tries;
        res->erasures[res->n_erasures++] = erasure;
    }
    return scan_end(&s);
}

int accounts_check_suppression(const struct query_in *in, const CheckSuppressionRequest *req,
                               CheckSuppressionResponse *res, struct status *status)
{
    ProtobufCBinaryData hash;
    char *address = NULL;
    int r = address_read(in->arena, req->address, &address, status);
    if (r < 0 || !address)
        return r;
    r = suppression_hash(&SEALING(in), address, &hash);
    if (r == 0)
        res->suppressed = rd_has(in->state, &T_SUPPRESSED, KEY_BYTES(hash));
    return r;
}
