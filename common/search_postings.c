/* search_postings.c - reads, changes and writes chunks of postings. The format is in the header. */
#include "common/search_postings.h"

#include <errno.h>
#include <string.h>

/* Reads a number. Only its shortest spelling counts, so that a chunk has one. */
static bool read_number(const uint8_t **p, const uint8_t *end, uint32_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 35 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = (uint32_t)value;
            return value <= UINT32_MAX && (byte != 0 || shift == 0);
        }
    }
    return false;
}

static uint8_t *write_number(uint8_t *to, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

bool postings_head(uint32_t first, const uint8_t *bytes, size_t len_bytes, struct chunk *ret)
{
    const uint8_t *p = bytes, *end = bytes + len_bytes;
    uint32_t n;

    if (len_bytes == 1) {
        *ret = (struct chunk) { bytes, 1, first, 1, bytes[0] };
        return bytes[0] > 0;
    }
    if (len_bytes > UINT32_MAX || !read_number(&p, end, &n) || n < 2 || end - p < 2)
        return false;
    uint8_t largest = *p++;
    *ret = (struct chunk) { p, (uint32_t)(end - p), first, n, largest };
    return largest > 0 && n <= ret->len_bytes / 2 + 1;
}

int postings_read(const struct chunk *c, struct posting *ret)
{
    const uint8_t *p = c->bytes, *end = c->bytes + c->len_bytes;
    uint64_t doc = c->first;
    uint8_t largest = *p;

    if (largest == 0)
        return -EBADMSG;
    ret[0] = (struct posting) { c->first, *p++ };
    for (uint32_t i = 1; i < c->n; i++) {
        if (end - p < 2)
            return -EBADMSG;
        uint32_t distance = *p;
        if (distance < 0x80)
            p++;
        else if (!read_number(&p, end, &distance) || p == end)
            return -EBADMSG;
        doc += (uint64_t)distance + 1;
        uint8_t impact = *p++;
        if (doc > UINT32_MAX || impact == 0)
            return -EBADMSG;
        largest = impact > largest ? impact : largest;
        ret[i] = (struct posting) { (uint32_t)doc, impact };
    }
    return p == end && largest == c->largest ? 0 : -EBADMSG;
}

size_t postings_write(const struct posting *postings, size_t n, uint8_t *to)
{
    uint8_t *p = to, largest = 0;

    if (n > 1) {
        for (size_t i = 0; i < n; i++)
            largest = postings[i].impact > largest ? postings[i].impact : largest;
        p = write_number(p, (uint32_t)n);
        *p++ = largest;
    }
    *p++ = postings[0].impact;
    for (size_t i = 1; i < n; i++) {
        p = write_number(p, postings[i].doc - postings[i - 1].doc - 1);
        *p++ = postings[i].impact;
    }
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
