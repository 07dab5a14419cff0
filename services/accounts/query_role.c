/* query_role.c - who holds which role, and claims. Who was erased since the snapshot was taken is passed over. */
#include <errno.h>
#include <string.h>

#include "common/page.h"
#include "services/accounts/claims.h"
#include "services/accounts/roles.h"

static int remember_key(const struct scan *s, struct key *ret)
{
    if (s->key.len > KEY_MAX)
        return -EBADMSG;
    ret->len = (uint16_t)s->key.len;
    memcpy(ret->bytes, s->key.data, s->key.len);
    return 0;
}

/* Names a token goes on after, when there is more. */
static int next_page(struct arena *arena, const char *scope, const struct key *last, bool more,
                     char **ret)
{
    if (!more)
        return 0;
    *ret = page_token(arena, scope, (struct slice) { last->bytes, last->len });
    return *ret ? 0 : -ENOMEM;
}

/* ---- roles ---- */

static int show_holder(const struct query_in *in, const struct key *k, RoleHolder **ret)
{
    const struct sealing *s = &SEALING(in);
    struct key_reader reader = { .rest = { k->bytes, k->len } };
    char scope[CALLER_MAX_SCOPE * 4 + 1], person[ID_CHARS + 1];
    RoleHolder *holder = arena_alloc(in->arena, sizeof(*holder));
    uint8_t role;
    struct role_at at;
    RoleHeld *held;
    PersonRow *row;
    Profile *profile;
    struct key of;
    if (!holder)
        return -ENOMEM;
    if (!key_read_u8(&reader, &role) || !key_read_text(&reader, scope, sizeof(scope)) ||
        !key_read_text(&reader, person, sizeof(person)))
        return -EBADMSG;
    *holder = (RoleHolder)ROLE_HOLDER_INIT;
    holder->person = arena_strdup(in->arena, person);
    at = (struct role_at) { role, arena_strdup(in->arena, scope), NULL };
    if (!holder->person || !at.scope)
        return -ENOMEM;
    role_key(person, role, scope, &of);
    int r = rd_get(in->state, &T_ROLE, &of, &at.row);
    if (r == 0)
        r = person_find(in->state, person, &row);
    if (r == 0)
        r = person_profile(s, person, row, &profile);
    if (r == 0)
        r = role_show(s, person, &at, &held);
    if (r < 0)
        return r;
    holder->display_name = profile->display_name;
    holder->scope = held->scope;
    holder->reason = held->reason;
    holder->granted_ms = held->granted_ms;
    holder->granted_by = at.row->granted_by;
    *ret = holder;
    return 0;
}

int accounts_list_role_holders(const struct query_in *in, const ListRoleHoldersRequest *req,
                               ListRoleHoldersResponse *res, struct status *status)
{
    struct page page;
    struct key start, prefix = KEY_INIT, last = KEY_INIT;
    struct scan s;
    bool more = false;
    char *scope = arena_printf(in->arena, "roles/%d/%s", (int)req->role, req->scope);
    if (!scope)
        return -ENOMEM;
    if (!page_read(req->page_size, req->page_token, scope, &page, status))
        return 0;
    key_u8(&prefix, (uint8_t)req->role);
    if (*req->scope)
        key_text(&prefix, req->scope);
    page_start(&page, &start);
    res->holders = arena_calloc(in->arena, page.size, sizeof(*res->holders));
    if (!res->holders)
        return -ENOMEM;
    for (scan_from(&s, in->state, &T_ROLE_HOLDER, start.len ? &start : &prefix, &prefix);
         scan_next(&s);) {
        more = res->n_holders == page.size;
        if (more)
            break;
        int r = remember_key(&s, &last);
        if (r == 0)
            r = show_holder(in, &last, &res->holders[res->n_holders]);
        if (r < 0 && r != -ENOENT)
            return scan_give_up(&s, r);
        res->n_holders += r == 0;
    }
    int r = scan_end(&s);
    return r < 0 ? r : next_page(in->arena, scope, &last, more, &res->next_page_token);
}

/* ---- claims ---- */

static int show_claim(const struct query_in *in, uint64_t number, bool for_editor, Claim **ret)
{
    const struct sealing *s = &SEALING(in);
    Claim *claim = arena_alloc(in->arena, sizeof(*claim));
    ClaimRow *row;
    PersonRow *person;
    Profile *profile;
    char *record;
    if (!claim)
        return -ENOMEM;
    int r = rd_get(in->state, &T_CLAIM, KEY_U64(number), &row);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    *claim = (Claim)CLAIM_INIT;
    claim->number = number;
    claim->organisation = row->organisation;
    claim->kind = row->kind;
    claim->state = row->state;
    claim->claimed_ms = row->claimed_ms;
    claim->decided_ms = row->closed_ms;
    r = claim_record(in->arena, number, &record);
    if (r == 0)
        r = open_text(s, row->person, AT_CLAIM(record), row->sealed_text, &claim->text);
    if (r == 0)
        r = open_text(s, row->person, AT_ANSWER(record), row->sealed_reason, &claim->reason);
    *ret = claim;
    if (r < 0 || !for_editor)
        return r;
    r = person_find(in->state, row->person, &person);
    if (r == 0)
        r = person_profile(s, row->person, person, &profile);
    if (r < 0)
        return r;
    claim->person = row->person;
    claim->display_name = profile->display_name;
    claim->address = profile->address;
    return 0;
}

int accounts_list_claims(const struct query_in *in, const ListClaimsRequest *req,
                         ListClaimsResponse *res, struct status *status)
{
    const char *scope = req->include_closed ? "claims/all" : "claims/open";
    struct page page;
    struct key start, last = KEY_INIT;
    struct scan s;
    bool more = false;
    if (!page_read(req->page_size, req->page_token, scope, &page, status))
        return 0;
    page_start(&page, &start);
    res->claims = arena_calloc(in->arena, page.size, sizeof(*res->claims));
    if (!res->claims)
        return -ENOMEM;
    for (scan_from(&s, in->state, req->include_closed ? &T_CLAIM : &T_CLAIM_OPEN, &start, NULL);
         scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        uint64_t number;
        more = res->n_claims == page.size;
        if (more)
            break;
        int r = remember_key(&s, &last);
        if (r == 0 && !key_read_u64(&reader, &number))
            r = -EBADMSG;
        if (r == 0)
            r = show_claim(in, number, true, &res->claims[res->n_claims]);
        if (r < 0 && r != -ENOENT)
            return scan_give_up(&s, r);
        res->n_claims += r == 0;
    }
    int r = scan_end(&s);
    return r < 0 ? r : next_page(in->arena, scope, &last, more, &res->next_page_token);
}

int accounts_list_my_claims(const struct query_in *in, const ListMyClaimsRequest *req,
                            ListMyClaimsResponse *res, struct status *status)
{
    enum { SHOWN = 100 };
    (void)req;    /* asks nothing */
    (void)status; /* refuses nothing */
    struct scan s;
    res->claims = arena_calloc(in->arena, SHOWN, sizeof(*res->claims));
    if (!res->claims)
        return -ENOMEM;
    for (scan_backwards(&s, in->state, &T_CLAIM_OF, KEY_TEXT(in->caller.id));
         res->n_claims < SHOWN && scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        char person[ID_CHARS + 1];
        uint64_t number;
        if (!key_read_text(&reader, person, sizeof(person)) || !key_read_u64(&reader, &number))
            return scan_give_up(&s, -EBADMSG);
        int r = show_claim(in, number, false, &res->claims[res->n_claims]);
        if (r < 0 && r != -ENOENT)
            return scan_give_up(&s, r);
        res->n_claims += r == 0;
    }
    return scan_end(&s);
}
