/* search_postings.c - reads, changes and writes chunks of postings. The format is in the header. */
#include "common/search_postings.h"

#include <errno.h>
#include <string.h>

/* Reads the distance to the next document. Only its shortest spelling counts, so that a chunk has one. */
static bool read_distance(const uint8_t **p, const uint8_t *end, uint32_t *ret)
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

int postings_read(uint32_t first, const uint8_t *bytes, size_t len, struct posting *ret,
                  size_t room)
{
    const uint8_t *p = bytes, *end = bytes + len;
    uint64_t doc = first;
    size_t n = 0;

    if (len == 0 || *p == 0)
        return -EBADMSG;
    if (room > 0)
        ret[n++] = (struct posting) { first, *p };
    p++;
    while (p < end && n < room) {
        uint32_t distance = *p;
        if (distance < 0x80)
            p++;
        else if (!read_distance(&p, end, &distance))
            return -EBADMSG;
        doc += (uint64_t)distance + 1;
        if (doc > UINT32_MAX || p == end || *p == 0)
            return -EBADMSG;
        ret[n++] = (struct posting) { (uint32_t)doc, *p++ };
    }
    return (int)n;
}

size_t postings_write(const struct posting *postings, size_t n, uint8_t *to)
{
    uint8_t *p = to;

    *p++ = postings[0].impact;
    for (size_t i = 1; i < n; i++) {
        uint32_t distance = postings[i].doc - postings[i - 1].doc - 1;
        while (distance >= 0x80) {
            *p++ = (uint8_t)(distance | 0x80);
            distance >>= 7;
        }
        *p++ = (uint8_t)distance;
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
