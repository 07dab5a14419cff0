/* apply_key.c - what the events of API keys and e-identifications do to the tables. */
#include <errno.h>

#include "services/accounts/apply.h"
#include "services/accounts/keys.h"

int apply_key_made(struct wr *wr, const struct fact *fact, const KeyMade *e)
{
    KeyRow row = KEY_ROW_INIT;
    struct key k;
    row.person = e->person;
    row.key = e->key;
    row.watch = e->watch;
    row.sealed_name = e->sealed_name;
    row.services = e->services;
    row.n_services = e->n_services;
    row.queries_only = e->queries_only;
    row.made_ms = fact->time_ms;
    row.expires_ms = e->expires_ms;
    wr_put(wr, &T_KEY, KEY_BYTES(e->token_hash), &row);
    key_of(e->person, e->key, &k);
    wr_put_bytes(wr, &T_KEY_OF, &k, e->token_hash.data, e->token_hash.len);
    key_at_bytes(e->expires_ms, slice_of(e->token_hash), &k);
    wr_put_bytes(wr, &T_KEY_ENDS, &k, "", 0);
    return 0;
}

int apply_key_gone(struct wr *wr, struct slice token_hash)
{
    KeyRow *row;
    struct key k;
    int r = key_find(wr_rd(wr), token_hash, &row);
    if (r < 0)
        return r;
    key_of(row->person, row->key, &k);
    wr_delete(wr, &T_KEY_OF, &k);
    key_at_bytes(row->expires_ms, token_hash, &k);
    wr_delete(wr, &T_KEY_ENDS, &k);
    wr_delete(wr, &T_KEY, KEY_BYTES(token_hash));
    return 0;
}

int apply_key_used(struct wr *wr, const Use *use)
{
    KeyRow *row;
    int r = key_find(wr_rd(wr), slice_of(use->token_hash), &row);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* gone meanwhile */
    if (use->used_ms <= row->used_ms)
        return 0;
    row->used_ms = use->used_ms;
    wr_put(wr, &T_KEY, KEY_BYTES(use->token_hash), row);
    return 0;
}

int apply_identity_linked(struct wr *wr, const struct fact *fact, const IdentityLinked *e)
{
    IdentityRow row = IDENTITY_ROW_INIT;
    SecurityRow security = SECURITY_ROW_INIT;
    struct key k;
    row.sealed = e->sealed;
    row.linked_ms = fact->time_ms;
    key_of(e->person, e->provider, &k);
    wr_put(wr, &T_IDENTITY, &k, &row);
    security.kind = SECURITY_KIND_PROVIDER_LINKED;
    security.record = e->provider;
    return apply_security(wr, fact, e->person, &security);
}

int apply_identity_unlinked(struct wr *wr, const struct fact *fact, const IdentityUnlinked *e)
{
    SecurityRow security = SECURITY_ROW_INIT;
    struct key k;
    key_of(e->person, e->provider, &k);
    wr_delete(wr, &T_IDENTITY, &k);
    security.kind = SECURITY_KIND_PROVIDER_UNLINKED;
    security.record = e->provider;
    return apply_security(wr, fact, e->person, &security);
}
