/* resolve.c - who a session stands for: asked by the gateway, which then remembers the answer for a while (RuntimeService/ResolveCaller).
 *
 * Security: what does not count any more, and what never was, get the same answer. */
#include <errno.h>

#include "services/accounts/keys.h"
#include "services/accounts/roles.h"
#include "services/accounts/sessions.h"
#include "services/accounts/uses.h"

#define REMEMBERED_MS (10 * MINUTE_MS)

static int refuse(struct status *status)
{
    return status_refuse(status, CODE_UNAUTHENTICATED, "Sign in first, then try again.");
}

static int name_roles(struct arena *arena, const struct role_at *roles, size_t n,
                      Fokus__Runtime__V1__ResolveCallerResponse *res)
{
    res->roles = arena_calloc(arena, n + 1, sizeof(*res->roles));
    if (!res->roles)
        return -ENOMEM;
    /* Who has an account is a member. */
    res->roles[0] = role_text(arena, FOKUS__V1__ROLE__ROLE_MEMBER, "");
    if (!res->roles[0])
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        res->roles[i + 1] = role_text(arena, roles[i].role, roles[i].scope);
        if (!res->roles[i + 1])
            return -ENOMEM;
    }
    res->n_roles = n + 1;
    return 0;
}

static int fill_person(const struct query_in *in, const char *person, const struct role_at *roles,
                       size_t n_roles, Fokus__Runtime__V1__ResolveCallerResponse *res)
{
    PersonRow *row;
    struct slice key;
    int r = person_find(in->state, person, &row);
    if (r == 0)
        r = open_bytes(&SEALING(in), person, AT_PSEUDONYM_KEY, row->sealed_pseudonym_key, &key);
    if (r == 0)
        r = name_roles(in->arena, roles, n_roles, res);
    if (r < 0)
        return r;
    res->id = (char *)person;
    res->pseudonym_key = (ProtobufCBinaryData) { key.len, (uint8_t *)key.data };
    return 0;
}

static int resolve_session(const struct query_in *in, struct slice token_hash,
                           Fokus__Runtime__V1__ResolveCallerResponse *res, struct status *status)
{
    struct role_at *roles;
    size_t n_roles;
    SessionRow *row;
    int r = session_find(in->state, token_hash, &row);
    if (r == 0)
        r = roles_of(in->state, row->person, &roles, &n_roles);
    if (r == 0 && !session_counts(row, uses_last(USES_SESSION, token_hash),
                                  roles_are_trusted(roles, n_roles), in->now_ms))
        r = -ENOENT;
    if (r == 0)
        r = fill_person(in, row->person, roles, n_roles, res);
    if (r < 0)
        return r == -ENOENT ? refuse(status) : r;
    uses_note(USES_SESSION, token_hash, in->now_ms);
    int64_t remembered_ms = in->now_ms + REMEMBERED_MS;
    res->watch = row->watch;
    res->expires_ms = row->expires_ms < remembered_ms ? row->expires_ms : remembered_ms;
    return 0;
}

/* A key gives what its owner may, within what it is for. */
static int resolve_key(const struct query_in *in, struct slice token_hash,
                       Fokus__Runtime__V1__ResolveCallerResponse *res, struct status *status)
{
    struct role_at *roles;
    size_t n_roles;
    KeyRow *row;
    int r = key_find(in->state, token_hash, &row);
    if (r == 0 && !counts_now(row->made_ms, row->expires_ms, in->now_ms))
        r = -ENOENT;
    if (r == 0)
        r = roles_of(in->state, row->person, &roles, &n_roles);
    if (r == 0)
        r = fill_person(in, row->person, roles, n_roles, res);
    if (r < 0)
        return r == -ENOENT ? refuse(status) : r;
    uses_note(USES_KEY, token_hash, in->now_ms);
    int64_t remembered_ms = in->now_ms + REMEMBERED_MS;
    res->watch = row->watch;
    res->expires_ms = row->expires_ms < remembered_ms ? row->expires_ms : remembered_ms;
    res->queries_only = row->queries_only;
    res->services = row->services;
    res->n_services = row->n_services;
    return 0;
}

int accounts_resolve(const struct query_in *in, const Fokus__Runtime__V1__ResolveCallerRequest *req,
                     Fokus__Runtime__V1__ResolveCallerResponse *res, struct status *status)
{
    return req->session.len > 0 ? resolve_session(in, slice_of(req->session), res, status)
                                : resolve_key(in, slice_of(req->key), res, status);
}
