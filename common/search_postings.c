/* search_postings.c - reads, changes and writes chunks of postings. The format is in the header. */
#include "common/search_postings.h"

#include <errno.h>
#include <string.h>

#include "common/packed.h"

enum { CHECK_BYTES = 2 };

/* Eight bytes a step: a chunk is checked whenever it is read, so this has to be much cheaper than reading it. */
static uint16_t checksum(uint32_t first, const uint8_t *bytes, size_t len)
{
    uint64_t h = (uint64_t)first << 32 | len;

    for (; len >= 8; bytes += 8, len -= 8)
        h = (h ^ packed_load64(bytes)) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 32;
    for (; len > 0; bytes++, len--)
        h = (h ^ *bytes) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 32;
    return (uint16_t)(h ^ h >> 16);
}

void postings_seal(uint32_t first, uint8_t *bytes, size_t len_bytes)
{
    uint16_t check = checksum(first, bytes, len_bytes - CHECK_BYTES);
    bytes[len_bytes - 2] = (uint8_t)check;
    bytes[len_bytes - 1] = (uint8_t)(check >> 8);
}

/* Reads the rest of a number that does not end with its first byte. Only its shortest spelling counts, so that a chunk has one. */
static bool read_number(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = *ret & 0x7f;

    for (unsigned shift = 7; shift < 35 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return byte != 0;
        }
    }
    return false;
}

static uint8_t *write_number(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

bool postings_head(uint32_t first, const uint8_t *bytes, size_t len_bytes, struct chunk *ret)
{
    const uint8_t *p = bytes, *end = bytes + len_bytes;

    *ret = (struct chunk) { .bytes = bytes, .len_bytes = (uint32_t)len_bytes, .first = first };
    if (len_bytes == 1 + CHECK_BYTES) {
        ret->n = 1;
        ret->largest = ret->common = bytes[0];
        return bytes[0] > 0;
    }
    if (len_bytes < 1 + 2 + 2 + CHECK_BYTES || len_bytes > UINT32_MAX)
        return false;
    uint64_t n = *p++;
    if (n >= 0x80 && !read_number(&p, end, &n))
        return false;
    if (n < 2 || end - p < 2 + CHECK_BYTES || n > (uint64_t)(end - p) - 2 - CHECK_BYTES)
        return false;
    ret->n = (uint32_t)n;
    ret->largest = *p++;
    ret->common = *p++;
    ret->head = (uint8_t)(p - bytes);
    return ret->largest > 0 && ret->common > 0;
}

static bool is_sealed(const struct chunk *c)
{
    const uint8_t *check = c->bytes + c->len_bytes - CHECK_BYTES;

    return ((unsigned)check[0] | (unsigned)check[1] << 8) ==
           checksum(c->first, c->bytes, c->len_bytes - CHECK_BYTES);
}

/* Reads the documents, each with the most frequent impact. Returns the place after them, or NULL. */
static const uint8_t *read_documents(const struct chunk *c, const uint8_t *p, const uint8_t *end,
                                     struct posting *ret)
{
    const uint8_t impact = c->common;
    uint64_t doc = c->first;
    uint32_t i = 1;

    ret[0] = (struct posting) { c->first, impact };
    while (i < c->n) {
        /* In the long lists, which cost the time, most distances have one byte: eight of them are eight additions. */
        while (c->n - i >= 8 && end - p >= 8) {
            uint64_t eight = packed_load64(p);
            if (eight & UINT64_C(0x8080808080808080))
                break;
            for (unsigned k = 0; k < 8; k++, eight >>= 8) {
                doc += (eight & 0x7f) + 1;
                ret[i + k] = (struct posting) { (uint32_t)doc, impact };
            }
            p += 8;
            i += 8;
        }
        for (uint32_t stop = c->n - i > 8 ? i + 8 : c->n; i < stop; i++) {
            if (p == end)
                return NULL;
            uint64_t distance = *p++;
            if (distance >= 0x80 && !read_number(&p, end, &distance))
                return NULL;
            doc += distance + 1;
            ret[i] = (struct posting) { (uint32_t)doc, impact };
        }
    }
    return doc <= UINT32_MAX ? p : NULL;
}

/* Reads which postings have another impact, and these. */
static int read_others(const struct chunk *c, const uint8_t *p, const uint8_t *end,
                       struct posting *ret)
{
    const size_t len = ((size_t)c->n + 7) / 8;
    const uint8_t *impacts = p + len;
    uint8_t largest = 0;
    uint32_t others = 0;

    if ((size_t)(end - p) < len)
        return -EBADMSG;
    for (uint32_t at = 0; at < c->n; at += 8) {
        for (unsigned bits = *p++; bits; bits &= bits - 1, others++) {
            uint32_t i = at + (unsigned)__builtin_ctz(bits);
            if (i >= c->n || impacts == end || *impacts == 0 || *impacts == c->common)
                return -EBADMSG;
            ret[i].impact = *impacts;
            largest = *impacts > largest ? *impacts : largest;
            impacts++;
        }
    }
    if (others < c->n && c->common > largest)
        largest = c->common;
    return impacts == end && largest == c->largest ? 0 : -EBADMSG;
}

int postings_read(const struct chunk *c, struct posting *ret)
{
    const uint8_t *end = c->bytes + c->len_bytes - CHECK_BYTES;

    if (!is_sealed(c))
        return -EBADMSG;
    if (c->n == 1) {
        ret[0] = (struct posting) { c->first, c->largest };
        return 0;
    }
    const uint8_t *p = read_documents(c, c->bytes + c->head, end, ret);
    return p ? read_others(c, p, end, ret) : -EBADMSG;
}

/* The impact that most of the postings have; of several the smallest. */
static uint8_t most_frequent(const struct posting *postings, size_t n)
{
    uint32_t counts[UINT8_MAX + 1] = { 0 };
    uint8_t best = 0;

    for (size_t i = 0; i < n; i++)
        counts[postings[i].impact]++;
    for (unsigned i = 1; i <= UINT8_MAX; i++)
        if (counts[i] > counts[best])
            best = (uint8_t)i;
    return best;
}

static uint8_t *write_others(const struct posting *postings, size_t n, uint8_t common, uint8_t *to)
{
    uint8_t *bits = to, *p = to + (n + 7) / 8;

    memset(bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++) {
        if (postings[i].impact == common)
            continue;
        bits[i / 8] |= (uint8_t)(1 << i % 8);
        *p++ = postings[i].impact;
    }
    return p;
}

size_t postings_write(const struct posting *postings, size_t n, uint8_t *to)
{
    uint8_t *p = to, largest = 0;

    if (n == 1) {
        *p++ = postings[0].impact;
    } else {
        uint8_t common = most_frequent(postings, n);
        for (size_t i = 0; i < n; i++)
            largest = postings[i].impact > largest ? postings[i].impact : largest;
        p = write_number(p, n);
        *p++ = largest;
        *p++ = common;
        for (size_t i = 1; i < n; i++)
            p = write_number(p, postings[i].doc - postings[i - 1].doc - 1);
        p = write_others(postings, n, common, p);
    }
    p += CHECK_BYTES;
    postings_seal(postings[0].doc, to, (size_t)(p - to));
    return (size_t)(p - to);
}

size_t postings_chunk(const struct posting *postings, size_t n)
{
    size_t i = 1;

    while (i < n && !postings_is_boundary(postings[i].doc))
        i++;
    return i;
}

size_t postings_change(const struct posting *postings, size_t n, const struct posting *changes,
                       size_t n_changes, struct posting *ret)
{
    size_t i = 0, j = 0, out = 0;

    while (i < n || j < n_changes) {
        if (j == n_changes || (i < n && postings[i].doc < changes[j].doc)) {
            ret[out++] = postings[i++];
            continue;
        }
        if (i < n && postings[i].doc == changes[j].doc)
            i++;
        if (changes[j].impact > 0)
            ret[out++] = changes[j];
        j++;
    }
    return out;
}
