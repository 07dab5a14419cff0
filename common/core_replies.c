/* core_replies.c - what a command with an idempotency key was answered: found again, and recorded.
 *
 * A reply may tell about a person, and a record is for ever. So in a service with personal data it is sealed, with the hash of its
 * request, which would confirm a guess: under the caller's own key if she is in the vault, else under a key of the runtime's
 * own in the vault, of which there is one a day. It is erased when the last reply under it has expired, with the first
 * command after that, or at the next start. Erasing the caller makes hers unreadable at once.
 *
 * Security: nobody can tell one anonymous caller from another, so that their keys count only together with the very request: who
 * guesses or happens to choose another's key learns nothing and is not hindered. With personal data that hash is keyed with
 * the day's key; a request from before midnight is looked for under yesterday's, too. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/core_internal.h"
#include "common/pack.h"
#include "common/sealed.h"

enum {
    RECORD_REPLIES = 7, /* field number of fokus.event.v1.Record */
    DAY_MS = 24 * 60 * 60 * 1000,
    KEPT_DAYS = 2, /* today's and yesterday's */
};

_Static_assert((int)CORE_IDEMPOTENCY_MS <= (KEPT_DAYS - 1) * DAY_MS, "a reply outlives its key");

/* ---- keys by the day ---- */

static int64_t day_of(int64_t ms)
{
    return ms >= 0 ? ms / DAY_MS : (ms - DAY_MS + 1) / DAY_MS;
}

/* No person's: hers are versions 7 and 8 with bits out of a clock or a hash. */
#define DAY_KEY "00000000-0000-8000-8000-"

static void day_id(int64_t day, char ret[ID_CHARS + 1])
{
    (void)snprintf(ret, ID_CHARS + 1, DAY_KEY "%012llx",
                   (unsigned long long)day & 0xffffffffffff); /* fits */
}

static bool read_day_id(const char *person, int64_t *ret)
{
    uint8_t id[ID_BYTES];

    if (strncmp(person, DAY_KEY, sizeof(DAY_KEY) - 1) != 0 || !id_read(person, id))
        return false;
    *ret = 0;
    for (size_t i = ID_BYTES - 6; i < ID_BYTES; i++)
        *ret = *ret << 8 | id[i];
    return true;
}

static void remember_day(struct core *c, int64_t day)
{
    for (size_t i = 0; i < c->reply_keys.n; i++)
        if (c->reply_keys.days[i] == day)
            return;
    if (c->reply_keys.n < ARRAY_LEN(c->reply_keys.days)) /* else the next start's sweep finds it */
        c->reply_keys.days[c->reply_keys.n++] = day;
}

bool reply_key_is_ours(struct core *c, const char *person, int64_t now_ms, bool *ret_expired)
{
    int64_t day;

    if (!read_day_id(person, &day))
        return false;
    *ret_expired = day <= day_of(now_ms) - KEPT_DAYS;
    if (!*ret_expired)
        remember_day(c, day);
    return true;
}

void reply_keys_expire(struct core *c, int64_t now_ms)
{
    struct err err = { "" };
    size_t kept = 0;

    for (size_t i = 0; i < c->reply_keys.n; i++) {
        int64_t day = c->reply_keys.days[i];
        char id[ID_CHARS + 1];
        day_id(day, id);
        /* One that cannot be erased stays for the next time. */
        if (day > day_of(now_ms) - KEPT_DAYS ||
            vault_erase(c->vault, (const char *const[]) { id }, 1, &err) < 0)
            c->reply_keys.days[kept++] = day;
    }
    c->reply_keys.n = kept;
}

/* Gets the day's key into c->key. -ENOENT: there is none. */
static int day_key(struct core *c, int64_t day)
{
    char id[ID_CHARS + 1];

    day_id(day, id);
    return vault_key(c->vault, id, c->key);
}

/* The same, made when there is none. */
static int make_day_key(struct core *c, int64_t day)
{
    struct err err = { "" };
    char id[ID_CHARS + 1];

    int r = day_key(c, day);
    if (r != -ENOENT)
        return r;
    day_id(day, id);
    r = vault_add(c->vault, id, NULL, 0, &err);
    if (r < 0)
        return r;
    remember_day(c, day);
    return day_key(c, day);
}

/* ---- whose keys a key is among ---- */

/* What tells one request from another under the same key. */
static void hash_request(const struct core_call *call, uint8_t ret[LOG_HASH_BYTES])
{
    crypto_generichash_state state;

    /* These fail only for a wrong length, which is a constant here. */
    (void)crypto_generichash_init(&state, NULL, 0, LOG_HASH_BYTES);
    (void)crypto_generichash_update(&state, (const uint8_t *)call->method,
                                    strlen(call->method) + 1);
    (void)crypto_generichash_update(&state, call->body.data, call->body.len);
    (void)crypto_generichash_final(&state, ret, LOG_HASH_BYTES);
}

/* An anonymous one's: with personal data, the key to be hashed with is in c->key. NULL without memory. */
static const char *anonymous_owner(const struct core *c, const struct core_call *call,
                                   const uint8_t hash[LOG_HASH_BYTES])
{
    char hex[2 * LOG_HASH_BYTES + 1];
    uint8_t keyed[SEAL_HASH_BYTES];

    memcpy(keyed, hash, sizeof(keyed));
    if (c->vault &&
        seal_hash(c->key, "request", (struct slice) { hash, LOG_HASH_BYTES }, keyed) < 0)
        return NULL;
    return arena_printf(call->arena, "anonymous:%s",
                        sodium_bin2hex(hex, sizeof(hex), keyed, sizeof(keyed)));
}

/* ---- finding ---- */

static const struct seal_place *place_of(const struct core_call *call, struct seal_place *ret)
{
    *ret = (struct seal_place) { "_replies", call->idempotency_key };
    return ret;
}

/* What is stored, opened if it is sealed: the hash of its request and the reply. -ENOENT: the key is gone. */
static int open_stored(struct core *c, struct core_call *call,
                       const Fokus__Event__V1__StoredReply *stored, struct slice *ret_hash,
                       struct slice *ret_body)
{
    struct seal_place place;
    struct slice opened;

    *ret_hash = (struct slice) { stored->request_hash.data, stored->request_hash.len };
    *ret_body = (struct slice) { stored->body.data, stored->body.len };
    if (!stored->sealed_for[0])
        return 0;
    if (!c->vault)
        return -ENOENT;
    int r = vault_key(c->vault, stored->sealed_for, c->key);
    if (r == 0)
        r = opened_bytes(call->arena, c->key, place_of(call, &place), stored->body, &opened);
    if (r == 0 && opened.len < LOG_HASH_BYTES)
        r = -EBADMSG;
    if (r < 0)
        return r;
    *ret_hash = (struct slice) { opened.data, LOG_HASH_BYTES };
    *ret_body = (struct slice) { opened.data + LOG_HASH_BYTES, opened.len - LOG_HASH_BYTES };
    return 0;
}

/* 1: answered; 0: not seen before. */
static int recall_of(struct batch *b, struct core_call *call, const char *owner,
                     const uint8_t hash[LOG_HASH_BYTES])
{
    const Fokus__Event__V1__StoredReply *stored;
    struct slice stored_hash = { 0 }, stored_body = { 0 };
    struct key k = KEY_INIT;

    int r = rd_get(wr_rd(b->wr), &core_table_replies, reply_key(&k, owner, call->idempotency_key),
                   &stored);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        r = open_stored(b->c, call, stored, &stored_hash, &stored_body);
    if (r == -ENOENT) {
        status_violation(
            &call->status, "idempotency_key",
            "was used before, for what has been erased; a new request needs a new key");
        return 1;
    }
    if (r < 0)
        return r;
    if (stored_hash.len != LOG_HASH_BYTES || memcmp(stored_hash.data, hash, LOG_HASH_BYTES) != 0) {
        status_violation(&call->status, "idempotency_key",
                         "was used for another request before; a new request needs a new key");
        return 1;
    }
    void *body = arena_memdup(call->arena, stored_body.data, stored_body.len);
    if (!body && stored_body.len)
        return -ENOMEM;
    call->reply = (struct slice) { body, stored_body.len };
    call->log_sequence = stored->log_sequence;
    call->repeated = true;
    return 1;
}

static int recall_anonymous(struct batch *b, struct core_call *call,
                            const uint8_t hash[LOG_HASH_BYTES])
{
    struct core *c = b->c;
    int r = 0;

    for (int64_t ago = 0; r == 0 && ago < (c->vault ? KEPT_DAYS : 1); ago++) {
        int have = c->vault ? day_key(c, day_of(b->now_ms) - ago) : 0;
        if (have == -ENOENT)
            continue;
        const char *owner = have == 0 ? anonymous_owner(c, call, hash) : NULL;
        r = owner ? recall_of(b, call, owner, hash) : have < 0 ? have : -ENOMEM;
    }
    return r;
}

int reply_recall(struct batch *b, struct core_call *call)
{
    uint8_t hash[LOG_HASH_BYTES];

    hash_request(call, hash);
    int r = call->caller.id[0] ? recall_of(b, call, call->caller.id, hash)
                               : recall_anonymous(b, call, hash);
    if (b->c->key)
        seal_key_wipe(b->c->key);
    return r;
}

/* ---- recording ---- */

/* By an event that is being committed. */
static bool is_leaving(const struct core *c, const char *person)
{
    for (size_t i = 0; i < c->n_leavings; i++)
        if (c->leavings[i]->kind == 0 && strcmp(c->leavings[i]->person, person) == 0)
            return true;
    return false;
}

/* The key to seal a reply under: c->key is filled. Whoever erases herself may ask again what came of it. */
static int sealing_key(struct core *c, const struct core_call *call, int64_t now_ms)
{
    uint8_t id[ID_BYTES];

    if (id_read(call->caller.id, id) && !is_leaving(c, call->caller.id)) {
        int r = vault_key(c->vault, call->caller.id, c->key);
        if (r != -ENOENT)
            return r;
    }
    return make_day_key(c, day_of(now_ms));
}

static int seal_stored(struct core *c, const struct core_call *call,
                       const uint8_t hash[LOG_HASH_BYTES], Fokus__Event__V1__StoredReply *stored)
{
    size_t len = LOG_HASH_BYTES + call->reply.len;
    uint8_t *plain = arena_alloc(call->arena, len);
    struct seal_place place;

    if (!plain)
        return -ENOMEM;
    memcpy(plain, hash, LOG_HASH_BYTES);
    if (call->reply.len > 0)
        memcpy(plain + LOG_HASH_BYTES, call->reply.data, call->reply.len);
    stored->sealed_for = arena_strdup(call->arena, seal_key_person(c->key));
    if (!stored->sealed_for)
        return -ENOMEM;
    return sealed_bytes(call->arena, c->key, place_of(call, &place), (struct slice) { plain, len },
                        &stored->body);
}

/* Fills in owner, hash and body. */
static int fill_stored(struct batch *b, const struct core_call *call, uint8_t hash[LOG_HASH_BYTES],
                       Fokus__Event__V1__StoredReply *stored)
{
    struct core *c = b->c;

    int r = c->vault ? sealing_key(c, call, b->now_ms) : 0;
    if (r < 0)
        return r;
    stored->caller =
        (char *)(call->caller.id[0] ? call->caller.id
                                    : anonymous_owner(c, call, hash)); /* only packed */
    if (!stored->caller)
        return -ENOMEM;
    if (c->vault)
        return seal_stored(c, call, hash, stored);
    stored->request_hash = (ProtobufCBinaryData) { LOG_HASH_BYTES, hash };
    stored->body = (ProtobufCBinaryData) { call->reply.len, (uint8_t *)call->reply.data };
    return 0;
}

int reply_record(struct batch *b, struct core_call *call, struct reply_place *ret)
{
    Fokus__Event__V1__StoredReply stored = FOKUS__EVENT__V1__STORED_REPLY__INIT;
    struct buf *replies = &b->c->replies;
    uint8_t hash[LOG_HASH_BYTES];

    hash_request(call, hash);
    int r = fill_stored(b, call, hash, &stored);
    if (b->c->key)
        seal_key_wipe(b->c->key);
    if (r < 0)
        return r;
    stored.key = (char *)call->idempotency_key; /* only packed */
    stored.log_sequence = b->next_sequence - 1;
    size_t len = fokus__event__v1__stored_reply__get_packed_size(&stored);
    if (!pack_append(replies, RECORD_REPLIES, &stored.base))
        return -ENOMEM;
    *ret = (struct reply_place) { stored.caller, { replies->data + replies->len - len, len } };
    return 0;
}
