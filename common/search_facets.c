/* search_facets.c - which documents have which values: plain bits, in blocks of 8192 documents.
 *
 * Plain bits were measured against compressed bitmaps at 3,000 to 1,000,000 documents: several times quicker to count and no
 * larger for the columns a directory has. A value that few documents have (a municipality) is a short list instead. */
#include <errno.h>
#include <string.h>

#include "common/bits.h"
#include "common/search_internal.h"

void facet_key(uint8_t column, const char *value, size_t len, struct key *ret)
{
    ret->len = 0;
    ret->failed = false;
    key_bytes(key_u8(ret, column), value, len);
}

enum { FACET_LIST_BYTES = 2 };

bool facet_block_read(struct slice bytes, uint64_t ret[FACET_BLOCK_WORDS])
{
    if (bytes.len == FACET_BLOCK_BYTES) {
        memcpy(ret, bytes.data, FACET_BLOCK_BYTES);
        return true;
    }
    if (bytes.len == 0 || bytes.len % FACET_LIST_BYTES != 0 || bytes.len > FACET_BLOCK_BYTES)
        return false;
    memset(ret, 0, FACET_BLOCK_BYTES);
    for (size_t i = 0; i < bytes.len; i += FACET_LIST_BYTES) {
        unsigned member = (unsigned)bytes.data[i] | (unsigned)bytes.data[i + 1] << 8;
        if (member >= FACET_BLOCK_DOCUMENTS)
            return false;
        ret[member / 64] |= UINT64_C(1) << member % 64;
    }
    return true;
}

size_t facet_block_write(const uint64_t bits[FACET_BLOCK_WORDS], uint8_t to[FACET_BLOCK_BYTES])
{
    const size_t members = bits_count_both(bits, bits, FACET_BLOCK_WORDS);
    size_t len = 0;

    if (members * FACET_LIST_BYTES >= FACET_BLOCK_BYTES) {
        memcpy(to, bits, FACET_BLOCK_BYTES);
        return FACET_BLOCK_BYTES;
    }
    for (unsigned i = 0; i < FACET_BLOCK_WORDS; i++) {
        for (uint64_t left = bits[i]; left; left &= left - 1) {
            unsigned member = i * 64 + (unsigned)__builtin_ctzll(left);
            to[len++] = (uint8_t)member;
            to[len++] = (uint8_t)(member >> 8);
        }
    }
    return len;
}

/* Splits an entry's key after the column: the value and the block. */
static bool read_key(struct slice key, struct slice *ret_value, uint32_t *ret_block)
{
    const size_t tail = 2 + sizeof(uint32_t); /* the two bytes that close the value, the block */

    if (key.len < 1 + tail || memcmp(key.data + key.len - tail, "\0", 2) != 0)
        return false;
    uint32_t big_endian;
    memcpy(&big_endian, key.data + key.len - sizeof(big_endian), sizeof(big_endian));
    *ret_block = __builtin_bswap32(big_endian);
    *ret_value = (struct slice) { key.data + 1, key.len - 1 - tail };
    return memchr(ret_value->data, 0, ret_value->len) == NULL;
}

int facet_add(const struct rd *rd, uint8_t column, const char *value, struct document_set *set)
{
    uint64_t bits[FACET_BLOCK_WORDS];
    struct key prefix;
    struct slice text;
    struct scan s;
    uint32_t block;
    int r = 0;

    facet_key(column, value, strlen(value), &prefix);
    for (scan_prefix(&s, rd, &T_SEARCH_FACET, &prefix); r == 0 && scan_next(&s);) {
        if (!read_key(s.key, &text, &block) || !facet_block_read(s.value, bits) ||
            block >= set->n_words / FACET_BLOCK_WORDS) {
            r = -EBADMSG;
            break;
        }
        uint64_t *to = set->bits + (size_t)block * FACET_BLOCK_WORDS;
        for (size_t i = 0; i < FACET_BLOCK_WORDS; i++)
            to[i] |= bits[i];
    }
    int scan_r = scan_end(&s);
    return r < 0 ? r : scan_r;
}

static uint32_t count_common(struct slice bytes, const uint64_t *set, bool *ret_sound)
{
    uint32_t n = 0;

    *ret_sound = true;
    if (bytes.len == FACET_BLOCK_BYTES)
        return bits_count_both(set, bytes.data, FACET_BLOCK_WORDS);
    *ret_sound =
        bytes.len > 0 && bytes.len % FACET_LIST_BYTES == 0 && bytes.len < FACET_BLOCK_BYTES;
    for (size_t i = 0; *ret_sound && i < bytes.len; i += FACET_LIST_BYTES) {
        unsigned member = (unsigned)bytes.data[i] | (unsigned)bytes.data[i + 1] << 8;
        if (member >= FACET_BLOCK_DOCUMENTS)
            *ret_sound = false;
        else
            n += (uint32_t)(set[member / 64] >> member % 64 & 1);
    }
    return n;
}

/* The count of `value`, the last one's if that is the same. */
static int count_of(struct arena *a, uint8_t column, struct slice value, struct search_result *ret,
                    size_t first, size_t *room, struct search_count **ret_count)
{
    if (ret->n_counts > first) {
        struct search_count *last = &ret->counts[ret->n_counts - 1];
        if (strlen(last->facet.value) == value.len &&
            memcmp(last->facet.value, value.data, value.len) == 0) {
            *ret_count = last;
            return 0;
        }
    }
    if (ret->n_counts == *room) {
        size_t more = *room ? *room * 2 : 64;
        struct search_count *grown = arena_calloc(a, more, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        if (ret->n_counts > 0)
            memcpy(grown, ret->counts, ret->n_counts * sizeof(*grown));
        ret->counts = grown;
        *room = more;
    }
    char *text = arena_strndup(a, (const char *)value.data, value.len);
    if (!text)
        return -ENOMEM;
    *ret_count = &ret->counts[ret->n_counts++];
    **ret_count = (struct search_count) { .facet = { column, text } };
    return 0;
}

int facet_count(const struct rd *rd, struct arena *a, uint8_t column,
                const struct document_set *set, struct search_result *ret, size_t *room)
{
    const size_t first = ret->n_counts;
    struct key prefix = KEY_INIT;
    struct search_count *count;
    struct slice value;
    struct scan s;
    uint32_t block;
    bool sound;
    int r = 0;

    key_u8(&prefix, column);
    for (scan_prefix(&s, rd, &T_SEARCH_FACET, &prefix); r == 0 && scan_next(&s);) {
        if (!read_key(s.key, &value, &block) || block >= set->n_words / FACET_BLOCK_WORDS) {
            r = -EBADMSG;
            break;
        }
        uint32_t n = count_common(s.value, set->bits + (size_t)block * FACET_BLOCK_WORDS, &sound);
        if (!sound)
            r = -EBADMSG;
        if (!sound || n == 0)
            continue;
        r = count_of(a, column, value, ret, first, room, &count);
        if (r == 0)
            count->documents += n;
    }
    int scan_r = scan_end(&s);
    return r < 0 ? r : scan_r;
}
