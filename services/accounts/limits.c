/* limits.c - see limits.h. A limit is so many in a time that begins with the first; a clock that jumps back by less than that time
 * goes on counting, one that jumps further begins anew, so that a clock that was ahead locks nobody out when it is put right.
 *
 * A new key makes all counting begin anew: once a week somebody may ask twice as often for an hour, or a day. A clock that jumps back
 * to before the key was made makes a new one too (counts_now()), so that none lasts longer than its week. What was counted under the
 * key before runs out in the tables by its time. */
#include "services/accounts/limits.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

static const struct {
    uint32_t most;
    int64_t window_ms;
} limits[LIMIT_KINDS] = {
    [LIMIT_NETWORK] = { 100, HOUR_MS },      [LIMIT_ADDRESS_NETWORK] = { 5, HOUR_MS },
    [LIMIT_ADDRESS] = { 8, HOUR_MS },        [LIMIT_ADDRESS_DAY] = { 20, DAY_MS },
    [LIMIT_DEVICE] = { 10, HOUR_MS },        [LIMIT_GUESSES] = { 20, DAY_MS },
    [LIMIT_DEVICE_GUESSES] = { 50, DAY_MS }, [LIMIT_ANSWER] = { 1, HOUR_MS },
    [LIMIT_PROVIDER] = { 100, HOUR_MS },     [LIMIT_PROVIDER_DEVICE] = { 40, HOUR_MS },
};
#define KEY_LASTS_MS (7 * DAY_MS)
enum {
    SWEPT_AT_ONCE = 4
}; /* entries that ran out, taken away with each new one: the table does not grow */

/* ---- the key ---- */

/* The key that counts, or did until its time was over. -ENOENT: there is none. */
static int find_key(const struct decide_in *in, char **ret_slot, LimitKey **ret)
{
    struct scan s;
    scan_from(&s, in->state, &T_LIMIT_KEY, &KEY_INIT, NULL);
    if (!scan_next(&s)) {
        int r = scan_end(&s);
        return r < 0 ? r : -ENOENT;
    }
    struct key_reader reader = { .rest = s.key };
    char *slot = arena_alloc(in->arena, ID_CHARS + 1);
    if (!slot)
        return scan_give_up(&s, -ENOMEM);
    int r = key_read_text(&reader, slot, ID_CHARS + 1) ? scan_message(&s, ret) : -EBADMSG;
    if (r < 0)
        return scan_give_up(&s, r);
    *ret_slot = slot;
    return scan_end(&s);
}

static int make_key(const struct decide_in *in, struct outcome *out, char *replaces,
                    uint8_t ret[VAULT_SECRET_BYTES])
{
    LimitKeyMade event = LIMIT_KEY_MADE_INIT;
    struct err err;
    event.slot = arena_alloc(in->arena, ID_CHARS + 1);
    if (!event.slot)
        return -ENOMEM;
    id_next(in->ids, in->now_ms, event.slot);
    event.replaces = replaces;
    event.ends_ms = in->now_ms + KEY_LASTS_MS;
    randombytes_buf(ret, VAULT_SECRET_BYTES);
    int r = vault_add_secret(in->vault, event.slot, ret, &err);
    if (r == 0)
        r = emit_limit_key_made(out, "", &event);
    return r < 0 || !*replaces ? r : outcome_erase_person(out, replaces);
}

static int key_now(const struct decide_in *in, struct outcome *out, uint8_t ret[VAULT_SECRET_BYTES])
{
    char *slot = "";
    LimitKey *row;
    int r = find_key(in, &slot, &row);
    if (r == 0)
        r = counts_now(row->from_ms, row->ends_ms, in->now_ms)
                ? vault_secret(in->vault, slot, in->key, ret)
                : -ENOENT;
    return r == -ENOENT ? make_key(in, out, slot, ret) : r;
}

int limit_key_renew(const struct decide_in *in, struct outcome *out)
{
    uint8_t key[VAULT_SECRET_BYTES];
    int r = rd_count(in->state, &T_LIMIT_KEY) > 0 ? key_now(in, out, key) : 0;
    sodium_memzero(key, sizeof(key));
    return r;
}

void limit_key_made(struct wr *wr, const struct fact *fact, const LimitKeyMade *e)
{
    LimitKey row = LIMIT_KEY_INIT;
    row.from_ms = fact->time_ms;
    row.ends_ms = e->ends_ms;
    if (*e->replaces)
        wr_delete(wr, &T_LIMIT_KEY, KEY_TEXT(e->replaces));
    wr_put(wr, &T_LIMIT_KEY, KEY_TEXT(e->slot), &row);
}

/* ---- what is counted ---- */

static int use_of(struct arena *arena, struct slice key, const struct limit_of *of, LimitUse **ret)
{
    const uint8_t kind = (uint8_t)of->kind, between = 0;
    crypto_generichash_state state;
    uint8_t *hash = arena_alloc(arena, VAULT_HASH_BYTES);
    LimitUse *use = arena_alloc(arena, sizeof(*use));
    if (!use || !hash)
        return -ENOMEM;
    crypto_generichash_init(&state, key.data, key.len, VAULT_HASH_BYTES);
    crypto_generichash_update(&state, &kind, 1);
    crypto_generichash_update(&state, of->a.data, of->a.len);
    crypto_generichash_update(&state, &between, 1);
    crypto_generichash_update(&state, of->b.data, of->b.len);
    crypto_generichash_final(&state, hash, VAULT_HASH_BYTES);
    sodium_memzero(&state, sizeof(state));
    *use = (LimitUse)LIMIT_USE_INIT;
    use->kind = kind;
    use->who = (ProtobufCBinaryData) { VAULT_HASH_BYTES, hash };
    *ret = use;
    return 0;
}

int limit_uses(const struct decide_in *in, struct outcome *out, const struct limit_of *of, size_t n,
               LimitUse ***ret)
{
    uint8_t key[VAULT_SECRET_BYTES];
    LimitUse **uses = arena_calloc(in->arena, n, sizeof(*uses));
    int r = uses ? key_now(in, out, key) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = use_of(in->arena, (struct slice) { key, sizeof(key) }, &of[i], &uses[i]);
    sodium_memzero(key, sizeof(key));
    *ret = uses;
    return r;
}

int limit_use_of_random(struct arena *arena, enum limit_kind kind, struct slice random,
                        LimitUse **ret)
{
    return use_of(arena, (struct slice) { 0 }, &(struct limit_of) { kind, random, { 0 } }, ret);
}

/* ---- counting ---- */

static void count_key(const LimitUse *use, struct key *ret)
{
    *ret = KEY_INIT;
    key_bytes(key_u8(ret, (uint8_t)use->kind), use->who.data, use->who.len);
}

static void ends_key(const LimitUse *use, int64_t ends_ms, struct key *ret)
{
    *ret = KEY_INIT;
    key_bytes(key_u8(key_i64(ret, ends_ms), (uint8_t)use->kind), use->who.data, use->who.len);
}

/* What is counted now, or NULL when nothing is. */
static int find_count(const struct rd *rd, const LimitUse *use, int64_t now_ms, LimitCount **ret,
                      LimitCount **ret_old)
{
    struct key k;
    LimitCount *count;
    count_key(use, &k);
    int r = rd_get(rd, &T_LIMIT, &k, &count);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_old = r == 0 ? count : NULL;
    bool now = r == 0 && now_ms < count->ends_ms &&
               now_ms > count->from_ms - (count->ends_ms - count->from_ms);
    *ret = now ? count : NULL;
    return 0;
}

int limit_left(const struct rd *rd, const LimitUse *use, int64_t now_ms, bool *ret)
{
    LimitCount *count, *old;
    int r = find_count(rd, use, now_ms, &count, &old);
    if (r == 0)
        *ret = !count || count->used < limits[use->kind].most;
    return r;
}

/* Entries are gathered before any is deleted: a table is not written while it is walked. */
static int sweep(struct wr *wr, int64_t now_ms)
{
    struct key ended[SWEPT_AT_ONCE];
    size_t n = 0;
    struct scan s;
    for (scan_from(&s, wr_rd(wr), &T_LIMIT_ENDS, &KEY_INIT, NULL);
         n < SWEPT_AT_ONCE && scan_next(&s); n++) {
        struct key_reader reader = { .rest = s.key };
        int64_t ends_ms;
        if (!key_read_i64(&reader, &ends_ms))
            return scan_give_up(&s, -EBADMSG);
        if (ends_ms > now_ms)
            break;
        ended[n] = KEY_INIT;
        ended[n].len = (uint16_t)s.key.len;
        memcpy(ended[n].bytes, s.key.data, s.key.len);
    }
    int r = scan_end(&s);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct key k = KEY_INIT;
        k.len = (uint16_t)(ended[i].len - sizeof(int64_t));
        memcpy(k.bytes, ended[i].bytes + sizeof(int64_t), k.len);
        wr_delete(wr, &T_LIMIT_ENDS, &ended[i]);
        wr_delete(wr, &T_LIMIT, &k);
    }
    return r;
}

int limit_count(struct wr *wr, const LimitUse *use, int64_t now_ms)
{
    LimitCount fresh = LIMIT_COUNT_INIT, *count = NULL, *old = NULL;
    struct key k;
    if (use->kind == 0 || use->kind >= LIMIT_KINDS)
        return -EBADMSG;
    int r = sweep(wr, now_ms);
    if (r == 0)
        r = find_count(wr_rd(wr), use, now_ms, &count, &old);
    if (r < 0)
        return r;
    if (!count) {
        if (old) {
            ends_key(use, old->ends_ms, &k);
            wr_delete(wr, &T_LIMIT_ENDS, &k);
        }
        fresh.from_ms = now_ms;
        fresh.ends_ms = now_ms + limits[use->kind].window_ms;
        count = &fresh;
        ends_key(use, fresh.ends_ms, &k);
        wr_put_bytes(wr, &T_LIMIT_ENDS, &k, "", 0);
    }
    count->used++;
    count_key(use, &k);
    wr_put(wr, &T_LIMIT, &k, count);
    return 0;
}
