/* json_text.h - what the JSON reader and writer share: room to write, and runs of characters that need no care. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "common/buf.h"
#include "common/utf8.h"

/* buf_reserve() without a call while there is room. */
static inline uint8_t *json_room(struct buf *b, size_t n)
{
    if (!b->failed && n <= b->room - b->len && b->data)
        return b->data + b->len;
    return buf_reserve(b, n);
}

/* 1 to 7 bytes as the low bytes of a word, without reading past them. */
static inline uint64_t json_part(const uint8_t *s, size_t n)
{
    if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, s, 4);
        memcpy(&high, s + n - 4, 4);
        return low | (uint64_t)high << 8 * (n - 4);
    }
    return s[0] | (uint64_t)s[n >> 1] << 8 * (n >> 1) | (uint64_t)s[n - 1] << 8 * (n - 1);
}

/* Marks the bytes of a word that cannot stand in a JSON string as they are, or need a look: below 0x20, quote,
 * backslash, 0x80 and above. The lowest mark is exact; those above it may be false. */
static inline uint64_t json_special(uint64_t word)
{
    return ((word - UTF8_ONES * 0x20) | ((word ^ UTF8_ONES * '"') - UTF8_ONES) |
            ((word ^ UTF8_ONES * '\\') - UTF8_ONES) | word) &
           UTF8_HIGHS;
}
