/* limits.c - see limits.h. A limit is so many in a time that begins with the first; a clock that jumps back by less than that time
 * goes on counting, one that jumps further begins anew, so that a clock that was ahead locks nobody out when it is put right. */
#include "services/accounts/limits.h"

#include <errno.h>
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
enum {
    SWEPT_AT_ONCE = 4
}; /* entries that ran out, taken away with each new one: the table does not grow */

int limit_use(const struct sealing *s, enum limit_kind kind, struct slice a, struct slice b,
              LimitUse **ret)
{
    uint8_t *text = arena_alloc(s->arena, a.len + b.len + 2);
    uint8_t *hash = arena_alloc(s->arena, VAULT_HASH_BYTES);
    LimitUse *use = arena_alloc(s->arena, sizeof(*use));
    if (!text || !hash || !use)
        return -ENOMEM;
    size_t len = 0;
    text[len++] = (uint8_t)kind;
    if (a.len > 0)
        memcpy(text + len, a.data, a.len);
    len += a.len;
    text[len++] = '\0';
    if (b.len > 0)
        memcpy(text + len, b.data, b.len);
    len += b.len;
    vault_hash(s->vault, HASH_LIMIT, (struct slice) { text, len }, hash);
    *use = (LimitUse)LIMIT_USE_INIT;
    use->kind = kind;
    use->who = (ProtobufCBinaryData) { VAULT_HASH_BYTES, hash };
    *ret = use;
    return 0;
}

static void limit_key(const LimitUse *use, struct key *ret)
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
    limit_key(use, &k);
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
    limit_key(use, &k);
    wr_put(wr, &T_LIMIT, &k, count);
    return 0;
}
