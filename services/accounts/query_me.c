/* query_me.c - what a person sees of her own account. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "services/accounts/networks.h"
#include "services/accounts/persons.h"
#include "services/accounts/roles.h"
#include "services/accounts/sessions.h"
#include "services/accounts/uses.h"

/* ---- the account ---- */

int accounts_get_me(const struct query_in *in, const GetMeRequest *req, GetMeResponse *res,
                    struct status *status)
{
    (void)req; /* asks nothing */
    struct role_at *roles;
    PersonRow *row;
    Profile *profile;
    size_t n = 0;
    int r = caller_person(&SEALING(in), in->state, in->caller.id, &row, status);
    if (r == 0)
        r = person_profile(&SEALING(in), in->caller.id, row, &profile);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    res->person = (char *)in->caller.id;
    res->address = profile->address;
    res->display_name = profile->display_name;
    res->language = profile->language;
    res->opened_ms = row->opened_ms;
    r = roles_of(in->state, in->caller.id, &roles, &n);
    if (r < 0)
        return r;
    res->roles = arena_calloc(in->arena, n + 1, sizeof(*res->roles));
    if (!res->roles)
        return -ENOMEM;
    for (; r == 0 && res->n_roles < n; res->n_roles++)
        r = role_show(&SEALING(in), in->caller.id, &roles[res->n_roles], &res->roles[res->n_roles]);
    return r;
}

/* ---- her sessions ---- */

char *network_text(struct arena *arena, struct slice network)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (network.len != sizeof(address))
        return arena_strdup(arena, "");
    memcpy(&address, network.data, sizeof(address));
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        return inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof(text))
                   ? arena_strdup(arena, text)
                   : NULL;
    }
    return inet_ntop(AF_INET6, &address, text, sizeof(text)) ? arena_printf(arena, "%s/64", text)
                                                             : NULL;
}

static int show_session(const struct query_in *in, const struct session_at *at, Session *ret)
{
    struct slice network;
    int64_t noted_ms = uses_last(USES_SESSION, at->token_hash);
    ret->session = at->row->session;
    ret->current = at->token_hash.len == in->origin->session.len &&
                   memcmp(at->token_hash.data, in->origin->session.data, at->token_hash.len) == 0;
    ret->method = at->row->method;
    ret->level = at->row->level;
    ret->provider = at->row->provider;
    ret->started_ms = at->row->started_ms;
    ret->used_ms = noted_ms > at->row->used_ms ? noted_ms : at->row->used_ms;
    ret->used_ms -= ret->used_ms % HOUR_MS;
    ret->expires_ms = at->row->expires_ms;
    int r = open_bytes(&SEALING(in), in->caller.id, AT_NETWORK(at->row->session),
                       at->row->sealed_network, &network);
    if (r < 0)
        return r;
    ret->network = network_text(in->arena, network);
    return ret->network ? 0 : -ENOMEM;
}

int accounts_list_sessions(const struct query_in *in, const ListSessionsRequest *req,
                           ListSessionsResponse *res, struct status *status)
{
    (void)req;    /* asks nothing */
    (void)status; /* refuses nothing */
    struct session_at *sessions;
    struct role_at *roles;
    size_t n, n_roles;
    int r = sessions_of(in->state, in->caller.id, &sessions, &n);
    if (r == 0)
        r = roles_of(in->state, in->caller.id, &roles, &n_roles);
    if (r < 0)
        return r;
    bool trusted = roles_are_trusted(roles, n_roles);
    res->sessions = arena_calloc(in->arena, n + 1, sizeof(*res->sessions));
    if (!res->sessions)
        return -ENOMEM;
    while (r == 0 && n-- > 0) {
        int64_t noted_ms = uses_last(USES_SESSION, sessions[n].token_hash);
        if (!session_counts(sessions[n].row, noted_ms, trusted, in->now_ms))
            continue;
        Session *shown = arena_alloc(in->arena, sizeof(*shown));
        if (!shown)
            return -ENOMEM;
        *shown = (Session)SESSION_INIT;
        res->sessions[res->n_sessions++] = shown;
        r = show_session(in, &sessions[n], shown);
    }
    /* Erased since the snapshot: then there is nothing to show. */
    if (r == -ENOENT)
        res->n_sessions = 0;
    return r == -ENOENT ? 0 : r;
}
