/* decide_key.c - API keys: made, listed, ended. What a key opens with is shown once and kept as its hash. */
#include "services/accounts/keys.h"

#include <errno.h>
#include <string.h>

#include "common/name.h"
#include "services/accounts/mails.h"
#include "services/accounts/persons.h"
#include "services/accounts/sessions.h"
#include "services/accounts/uses.h"

/* Security: what a key begins with lets programs that look for leaked secrets find one. */
#define KEY_PREFIX "fokus_"

int key_find(const struct rd *rd, struct slice token_hash, KeyRow **ret)
{
    return rd_get(rd, &T_KEY, KEY_BYTES(token_hash), ret);
}

int keys_of(const struct rd *rd, const char *person, struct key_at **ret, size_t *ret_n)
{
    struct key_at *all = arena_calloc(rd_arena(rd), KEYS_MAX, sizeof(*all));
    struct scan s;
    size_t n = 0;
    if (!all)
        return -ENOMEM;
    for (scan_prefix(&s, rd, &T_KEY_OF, KEY_TEXT(person)); scan_next(&s);) {
        if (n == KEYS_MAX)
            return scan_give_up(&s, -EBADMSG);
        all[n].token_hash = s.value;
        int r = key_find(rd, s.value, &all[n++].row);
        if (r < 0)
            return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
    }
    int r = scan_end(&s);
    if (r == 0) {
        *ret = all;
        *ret_n = n;
    }
    return r;
}

static int show_key(const struct sealing *s, const struct key_at *at, ApiKey **ret)
{
    ApiKey *key = arena_alloc(s->arena, sizeof(*key));
    int64_t noted_ms = uses_last(USES_KEY, at->token_hash);
    if (!key)
        return -ENOMEM;
    *key = (ApiKey)API_KEY_INIT;
    key->key = at->row->key;
    key->services = at->row->services;
    key->n_services = at->row->n_services;
    key->queries_only = at->row->queries_only;
    key->made_ms = at->row->made_ms;
    key->used_ms = noted_ms > at->row->used_ms ? noted_ms : at->row->used_ms;
    key->used_ms -= key->used_ms % DAY_MS;
    key->expires_ms = at->row->expires_ms;
    *ret = key;
    return open_text(s, at->row->person, AT_KEY_NAME(at->row->key), at->row->sealed_name,
                     &key->name);
}

int accounts_list_api_keys(const struct query_in *in, const ListApiKeysRequest *req,
                           ListApiKeysResponse *res, struct status *status)
{
    (void)req;    /* asks nothing */
    (void)status; /* refuses nothing */
    struct key_at *keys;
    size_t n;
    int r = keys_of(in->state, in->caller.id, &keys, &n);
    if (r < 0)
        return r;
    res->keys = arena_calloc(in->arena, n + 1, sizeof(*res->keys));
    if (!res->keys)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (counts_now(keys[i].row->made_ms, keys[i].row->expires_ms, in->now_ms))
            r = show_key(&SEALING(in), &keys[i], &res->keys[res->n_keys++]);
    if (r == -ENOENT) /* erased since the snapshot */
        res->n_keys = 0;
    return r == -ENOENT ? 0 : r;
}

static bool check_services(const MakeApiKeyRequest *req, struct outcome *out)
{
    for (size_t i = 0; i < req->n_services; i++)
        if (!service_name_valid(req->services[i], strlen(req->services[i])))
            (void)outcome_violation(out, "services", /* returns 0 always */
                                    "'%s' is no name of a service, such as directory",
                                    req->services[i]);
    return out->status.code == CODE_OK;
}

static int fill_key(const struct decide_in *in, const MakeApiKeyRequest *req, KeyMade *event)
{
    char *names = arena_alloc(in->arena, 2 * (ID_CHARS + 1));
    if (!names)
        return -ENOMEM;
    event->key = names;
    event->watch = names + ID_CHARS + 1;
    id_next(in->ids, in->now_ms, event->key);
    id_next(in->ids, in->now_ms, event->watch);
    event->person = (char *)in->caller.id;
    event->services = req->services;
    event->n_services = req->n_services;
    event->queries_only = req->queries_only;
    event->expires_ms = in->now_ms + req->days * DAY_MS;
    return seal_text(&SEALING(in), in->caller.id, AT_KEY_NAME(event->key), req->name,
                     &event->sealed_name);
}

static int answer_key(struct arena *arena, const KeyMade *event, const char *name, int64_t now_ms,
                      ApiKey **ret)
{
    ApiKey *key = arena_alloc(arena, sizeof(*key));
    if (!key)
        return -ENOMEM;
    *key = (ApiKey)API_KEY_INIT;
    key->key = event->key;
    key->name = (char *)name;
    key->services = event->services;
    key->n_services = event->n_services;
    key->queries_only = event->queries_only;
    key->made_ms = now_ms;
    key->expires_ms = event->expires_ms;
    *ret = key;
    return 0;
}

int accounts_make_api_key(const struct decide_in *in, const MakeApiKeyRequest *req,
                          MakeApiKeyResponse *res, struct outcome *out)
{
    KeyMade event = KEY_MADE_INIT;
    MailContent notice = MAIL_CONTENT_INIT;
    struct key_at *keys;
    PersonRow *row;
    size_t n = 0;
    if (!came_in_person(in, out) || !check_services(req, out))
        return 0;
    int r = caller_person(&SEALING(in), in->state, in->caller.id, &row, &out->status);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = keys_of(in->state, in->caller.id, &keys, &n);
    if (r == 0 && n >= KEYS_MAX)
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED,
                              "one has %d keys at most: revoke one first", KEYS_MAX);
    if (r == 0)
        r = token_make(in->arena, KEY_PREFIX, &res->token, &event.token_hash);
    if (r == 0)
        r = fill_key(in, req, &event);
    if (r == 0)
        r = answer_key(in->arena, &event, req->name, in->now_ms, &res->key);
    if (r == 0)
        r = emit_key_made(out, in->caller.id, &event);
    if (r < 0)
        return r;
    notice.name = req->name;
    return mail_notice(in, out, in->caller.id, row, MAIL_KIND_KEY_MADE, &notice);
}

static int revoke(struct outcome *out, const struct key_at *at, bool expired)
{
    KeyRevoked event = KEY_REVOKED_INIT;
    event.token_hash = (ProtobufCBinaryData) { at->token_hash.len, (uint8_t *)at->token_hash.data };
    event.person = at->row->person;
    event.expired = expired;
    int r = emit_key_revoked(out, at->row->person, &event);
    return r < 0 ? r : caller_forget(out, at->row->watch);
}

int accounts_revoke_api_key(const struct decide_in *in, const RevokeApiKeyRequest *req,
                            RevokeApiKeyResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    struct key_at at;
    struct key k;
    if (!came_in_person(in, out))
        return 0;
    key_of(in->caller.id, req->key, &k);
    int r = rd_get_bytes(in->state, &T_KEY_OF, &k, &at.token_hash);
    if (r == 0)
        r = key_find(in->state, at.token_hash, &at.row);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return revoke(out, &at, false);
}

int keys_sweep(const struct decide_in *in, struct outcome *out, size_t most)
{
    struct scan s;
    size_t n = 0;
    for (scan_from(&s, in->state, &T_KEY_ENDS, &KEY_INIT, NULL); n < most && scan_next(&s); n++) {
        struct key_reader reader = { .rest = s.key };
        uint8_t *hash = arena_alloc(in->arena, TOKEN_HASH_BYTES);
        struct key_at at = { .token_hash = { hash, TOKEN_HASH_BYTES } };
        int64_t ends_ms;
        if (!hash)
            return scan_give_up(&s, -ENOMEM);
        if (!key_read_i64(&reader, &ends_ms) ||
            !key_read_bytes(&reader, hash, TOKEN_HASH_BYTES, &at.token_hash.len))
            return scan_give_up(&s, -EBADMSG);
        if (ends_ms > in->now_ms)
            break;
        int r = key_find(in->state, at.token_hash, &at.row);
        if (r == 0)
            r = revoke(out, &at, true);
        if (r < 0)
            return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
    }
    return scan_end(&s);
}
