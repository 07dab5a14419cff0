/* id.c - UUIDv7 with a counter in rand_a (RFC 9562, section 6.2, method 1).
 *
 *   48 bits  milliseconds since 1970    4 bits  version 7    12 bits  counter
 *    2 bits  variant 10                62 bits  random
 *
 * When the clock stands still or steps back, the counter goes on from the last id; past its end it borrows a
 * millisecond from the future. So ids of one source strictly increase whatever the clock does. */
#include "common/id.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { COUNTER_END = 1 << 12 };

/* The longest time that fits its 48 bits: the year 10889. */
static const uint64_t LAST_MS = (UINT64_C(1) << 48) - 1;

/* One step of splitmix64: the seed is its state, and 0 is never a state, since it means "not seeded". */
static uint64_t seeded_word(uint64_t *seed)
{
    const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *seed + golden;

    if (z == 0)
        z = golden;
    *seed = z;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t random_word(struct id_source *ids)
{
    if (ids->n_pool == 0) {
        ssize_t n;

        do
            n = getrandom(ids->pool, sizeof(ids->pool), 0);
        while (n < 0 && errno == EINTR);
        /* Up to 256 bytes come whole or not at all. A system without random numbers can give no safe id. */
        if (n != (ssize_t)sizeof(ids->pool))
            abort();
        ids->n_pool = ID_POOL;
    }
    uint64_t word = ids->pool[--ids->n_pool];
    ids->pool[ids->n_pool] =
        0; /* Security: an id handed out is not found again in a memory dump. */
    return word;
}

static void advance(struct id_source *ids, int64_t now_ms)
{
    uint64_t now = now_ms > 0 ? (uint64_t)now_ms : 0;

    if (now > LAST_MS)
        now = LAST_MS;
    if (now > ids->last_ms) {
        ids->last_ms = now;
        ids->counter = 0;
    } else if (++ids->counter == COUNTER_END) {
        ids->last_ms++;
        ids->counter = 0;
    }
}

static void write_halves(uint64_t high, uint64_t low, char ret[ID_CHARS + 1])
{
    static const char digits[] = "0123456789abcdef";

    char *to = ret;
    for (int digit = 0; digit < 32; digit++) {
        if (digit == 8 || digit == 12 || digit == 16 || digit == 20)
            *to++ = '-';
        uint64_t half = digit < 16 ? high : low;
        *to++ = digits[half >> (60 - 4 * (digit % 16)) & 0xf];
    }
    *to = '\0';
}

void id_next(struct id_source *ids, int64_t now_ms, char ret[ID_CHARS + 1])
{
    advance(ids, now_ms);
    uint64_t random = ids->seed ? seeded_word(&ids->seed) : random_word(ids);
    write_halves(ids->last_ms << 16 | UINT64_C(7) << 12 | ids->counter,
                 UINT64_C(2) << 62 | random >> 2, ret);
}

/* ---- any UUID ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool id_read(const char *text, uint8_t ret[ID_BYTES])
{
    uint8_t id[ID_BYTES];
    size_t n = 0;

    for (int i = 0; i < ID_CHARS; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int high = hex_digit(text[i]);
        int low = high < 0 ? -1 : hex_digit(text[++i]);
        if (low < 0)
            return false;
        id[n++] = (uint8_t)(high << 4 | low);
    }
    if (text[ID_CHARS] != '\0')
        return false;
    memcpy(ret, id, sizeof(id));
    return true;
}

void id_make_custom(uint8_t id[ID_BYTES])
{
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x80); /* version 8 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80); /* variant 10 */
}

void id_write(const uint8_t id[ID_BYTES], char ret[ID_CHARS + 1])
{
    uint64_t high, low;

    memcpy(&high, id, sizeof(high));
    memcpy(&low, id + sizeof(high), sizeof(low));
    write_halves(__builtin_bswap64(high), __builtin_bswap64(low), ret);
}
