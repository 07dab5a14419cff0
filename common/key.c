/* key.c - writes and reads order-preserving tuple keys. The layout is in key.h. */
#include "common/key.h"

#include <string.h>

static void append(struct key *k, const void *bytes, size_t len)
{
    if (k->failed || len == 0)
        return;
    if (len > (size_t)(KEY_MAX - k->len)) {
        k->failed = true;
        return;
    }
    memcpy(k->bytes + k->len, bytes, len);
    k->len = (uint16_t)(k->len + len);
}

/* Everything up to a zero byte goes over in one piece; names rarely hold one. */
static void append_escaped(struct key *k, const uint8_t *bytes, size_t len)
{
    while (len > 0 && !k->failed) {
        const uint8_t *zero = memchr(bytes, 0, len);
        size_t plain = zero ? (size_t)(zero - bytes) : len;

        append(k, bytes, plain);
        if (!zero)
            return;
        append(k, "\x00\xff", 2);
        bytes += plain + 1;
        len -= plain + 1;
    }
}

struct key *key_u8(struct key *k, uint8_t value)
{
    append(k, &value, 1);
    return k;
}

struct key *key_u32(struct key *k, uint32_t value)
{
    uint32_t big_endian = __builtin_bswap32(value);

    append(k, &big_endian, sizeof(big_endian));
    return k;
}

struct key *key_u64(struct key *k, uint64_t value)
{
    uint64_t big_endian = __builtin_bswap64(value);

    append(k, &big_endian, sizeof(big_endian));
    return k;
}

struct key *key_i64(struct key *k, int64_t value)
{
    return key_u64(k, (uint64_t)value ^ (UINT64_C(1) << 63));
}

struct key *key_bytes(struct key *k, const void *bytes, size_t len)
{
    append_escaped(k, bytes, len);
    append(k, "\x00\x00", 2);
    return k;
}

struct key *key_text(struct key *k, const char *text)
{
    append(k, text, strlen(text));
    append(k, "\x00\x00", 2);
    return k;
}

struct key *key_text_prefix(struct key *k, const char *text)
{
    append(k, text, strlen(text));
    return k;
}

static bool take(struct key_reader *r, void *ret, size_t len)
{
    if (r->failed || r->rest.len < len) {
        r->failed = true;
        return false;
    }
    memcpy(ret, r->rest.data, len);
    r->rest.data += len;
    r->rest.len -= len;
    return true;
}

bool key_read_u8(struct key_reader *r, uint8_t *ret)
{
    return take(r, ret, 1);
}

bool key_read_u64(struct key_reader *r, uint64_t *ret)
{
    uint64_t big_endian;

    if (!take(r, &big_endian, sizeof(big_endian)))
        return false;
    *ret = __builtin_bswap64(big_endian);
    return true;
}

bool key_read_i64(struct key_reader *r, int64_t *ret)
{
    uint64_t flipped;

    if (!key_read_u64(r, &flipped))
        return false;
    *ret = (int64_t)(flipped ^ (UINT64_C(1) << 63));
    return true;
}

bool key_read_bytes(struct key_reader *r, uint8_t *ret, size_t size, size_t *ret_len)
{
    size_t len = 0;

    while (!r->failed && r->rest.len >= 1) {
        const uint8_t *at = r->rest.data;
        size_t step = 1;

        if (at[0] == 0) {
            if (r->rest.len < 2)
                break;
            step = 2;
            if (at[1] == 0) {
                r->rest.data += 2;
                r->rest.len -= 2;
                *ret_len = len;
                return true;
            }
            if (at[1] != 0xff)
                break;
        }
        if (len == size)
            break;
        ret[len++] = at[0];
        r->rest.data += step;
        r->rest.len -= step;
    }
    r->failed = true;
    return false;
}

bool key_read_text(struct key_reader *r, char *ret, size_t size)
{
    size_t len;

    if (size == 0) {
        r->failed = true;
        return false;
    }
    if (!key_read_bytes(r, (uint8_t *)ret, size - 1, &len))
        return false;
    if (memchr(ret, 0, len)) {
        r->failed = true;
        return false;
    }
    ret[len] = '\0';
    return true;
}
