/* search_postings.c - reads, changes and writes chunks of postings. The format is in the header. */
#include "common/search_postings.h"

#include <errno.h>
#include <string.h>

#include "common/bits.h"
#include "common/packed.h"

enum { CHECK_BYTES = 2 };

static uint64_t mix(uint64_t h, uint64_t eight)
{
    h = (h ^ eight) * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

/* Eight bytes a step, and four steps that do not wait for one another: a chunk is checked whenever it is read, so this has to be
 * much cheaper than reading it. */
static uint16_t checksum(uint32_t first, const uint8_t *bytes, size_t len)
{
    uint64_t h = (uint64_t)first << 32 | len, a = h, b = h, c = h;

    for (; len >= 32; bytes += 32, len -= 32) {
        h = mix(h, packed_load64(bytes));
        a = mix(a, packed_load64(bytes + 8));
        b = mix(b, packed_load64(bytes + 16));
        c = mix(c, packed_load64(bytes + 24));
    }
    h = mix(mix(mix(h, a), b), c);
    for (; len >= 8; bytes += 8, len -= 8)
        h = mix(h, packed_load64(bytes));
    for (; len > 0; bytes++, len--)
        h = mix(h, *bytes);
    return (uint16_t)(h ^ h >> 16);
}

void postings_seal(uint32_t first, uint8_t *bytes, size_t len_bytes)
{
    uint16_t check = checksum(first, bytes, len_bytes - CHECK_BYTES);
    bytes[len_bytes - 2] = (uint8_t)check;
    bytes[len_bytes - 1] = (uint8_t)(check >> 8);
}

/* Reads the rest of a number that does not end with its second byte. Only its shortest spelling counts, so that a chunk has one. */
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

/* Most numbers have one byte or two. */
static inline bool take_number(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    if (*p == end)
        return false;
    *ret = *(*p)++;
    if (*ret < 0x80)
        return true;
    if (*p == end || **p >= 0x80)
        return read_number(p, end, ret);
    const uint64_t second = *(*p)++;
    *ret = (*ret & 0x7f) | second << 7;
    return second != 0;
}

/* Takes four distances from eight bytes, if each has one byte or two: without branches, since which has how many nobody can foretell.
 * Returns how many bytes they had, or 0; `docs`: where they lead from `doc`. */
static inline unsigned take_four(uint64_t eight, uint64_t doc, uint64_t docs[4])
{
    const uint64_t high = UINT64_C(0x8080808080808080), more = eight & high;
    const uint64_t zero = ~((eight & ~high) + ~high) & ~eight & high;
    unsigned bits = 0;

    if (more << 8 & (more | zero)) /* a third byte, or a second one that should not be */
        return 0;
    for (unsigned k = 0; k < 4; k++) {
        const unsigned two = eight >> 7 & 1, len = 8U << two;
        doc += ((eight & 0x7f) | (eight >> 1 & (0U - two) & 0x3f80)) + 1;
        docs[k] = doc;
        eight >>= len;
        bits += len;
    }
    return bits / 8;
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
    const uint8_t *p = bytes;
    uint64_t n, bits_len = 0;

    *ret = (struct chunk) { .bytes = bytes, .len_bytes = (uint32_t)len_bytes, .first = first };
    if (len_bytes == 1 + CHECK_BYTES) {
        ret->n = 1;
        ret->largest = ret->common = bytes[0];
        return bytes[0] > 0;
    }
    if (len_bytes < 1 + 2 + 2 + CHECK_BYTES || len_bytes > UINT32_MAX)
        return false;
    const uint8_t *end = bytes + len_bytes - CHECK_BYTES;
    if (!take_number(&p, end, &n) || end - p < 2)
        return false;
    ret->largest = *p++;
    ret->common = *p++;
    if (n & 1 && (!take_number(&p, end, &bits_len) || bits_len == 0))
        return false;
    n /= 2;
    uint64_t left = (uint64_t)(end - p), others_len = (n + 7) / 8;
    if (n < 2 || bits_len > left || others_len > left - bits_len)
        return false;
    if (n - 1 > (bits_len ? bits_len * 8 : left - others_len))
        return false;
    ret->n = (uint32_t)n;
    ret->bits_len = (uint32_t)bits_len;
    ret->head = (uint8_t)(p - bytes);
    return ret->largest > 0 && ret->common > 0;
}

static bool is_sealed(struct chunk *c)
{
    const uint8_t *check = c->bytes + c->len_bytes - CHECK_BYTES;

    if (!c->sealed)
        c->sealed = ((unsigned)check[0] | (unsigned)check[1] << 8) ==
                    checksum(c->first, c->bytes, c->len_bytes - CHECK_BYTES);
    return c->sealed;
}

/* Eight bytes from this one on, or those that are left. */
static inline uint64_t load_some(const uint8_t *bytes, size_t at, size_t len)
{
    const size_t left = len - at;
    uint64_t some = 0;

    if (left >= 8)
        return packed_load64(bytes + at);
    if (len >= 8 && left > 0)
        return packed_load64(bytes + len - 8) >> 8 * (8 - left);
    for (size_t i = 0; i < left; i++)
        some |= (uint64_t)bytes[at + i] << 8 * i;
    return some;
}

/* The last document of bits; past UINT32_MAX: there is none such. Their last byte is not 0, so that a chunk has one spelling. */
static uint64_t last_of_bits(const struct chunk *c)
{
    uint8_t last = c->bytes[c->head + c->bits_len - 1];

    return last ? c->first + (uint64_t)c->bits_len * 8 - ((unsigned)__builtin_clz(last) - 24)
                : UINT64_MAX;
}

/* As read_documents(), of bits. */
static const uint8_t *read_bits(const struct chunk *c, struct posting *ret)
{
    uint32_t i = 1;

    ret[0] = (struct posting) { c->first, c->common };
    if (last_of_bits(c) > UINT32_MAX)
        return NULL;
    for (uint32_t at = 0; at < c->bits_len; at += 8) {
        uint64_t bits = load_some(c->bytes + c->head, at, c->bits_len);
        if (bits_count(bits) > c->n - i)
            return NULL;
        for (; bits; bits &= bits - 1) {
            uint32_t doc = c->first + 1 + at * 8 + (uint32_t)__builtin_ctzll(bits);
            ret[i++] = (struct posting) { doc, c->common };
        }
    }
    return i == c->n ? c->bytes + c->head + c->bits_len : NULL;
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
        uint64_t docs[4], distance;
        const unsigned len =
            c->n - i >= 4 && end - p >= 8 ? take_four(packed_load64(p), doc, docs) : 0;
        if (len > 0) {
            for (unsigned k = 0; k < 4; k++)
                ret[i++] = (struct posting) { (uint32_t)docs[k], impact };
            doc = docs[3];
            p += len;
            continue;
        }
        if (!take_number(&p, end, &distance))
            return NULL;
        doc += distance + 1;
        ret[i++] = (struct posting) { (uint32_t)doc, impact };
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

int postings_read(struct chunk *c, struct posting *ret)
{
    const uint8_t *end = c->bytes + c->len_bytes - CHECK_BYTES;

    if (!is_sealed(c))
        return -EBADMSG;
    if (c->n == 1) {
        ret[0] = (struct posting) { c->first, c->largest };
        return 0;
    }
    const uint8_t *p =
        c->bits_len > 0 ? read_bits(c, ret) : read_documents(c, c->bytes + c->head, end, ret);
    return p ? read_others(c, p, end, ret) : -EBADMSG;
}

static uint32_t keep_from(struct posting *postings, uint32_t n, uint8_t least)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        postings[kept] = postings[i];
        kept += postings[i].impact >= least;
    }
    return kept;
}

/* Finds one after the other of the bits that are set, by how many are set before it. */
struct bit_finder {
    const uint8_t *bits;
    size_t len, at; /* the eight bytes at `at` are looked at; */
    uint32_t before;
    uint64_t eight;
};

static void finder_begin(struct bit_finder *f, const uint8_t *bits, size_t len)
{
    *f = (struct bit_finder) { .bits = bits, .len = len, .eight = load_some(bits, 0, len) };
}

/* They are asked for in ascending order. UINT32_MAX: so many are not set. */
static uint32_t finder_find(struct bit_finder *f, uint32_t number)
{
    for (uint32_t here; f->before + (here = bits_count(f->eight)) <= number; f->before += here) {
        if (f->len - f->at <= 8)
            return UINT32_MAX;
        f->at += 8;
        f->eight = load_some(f->bits, f->at, f->len);
    }
    return (uint32_t)f->at * 8 + bits_place(f->eight, number - f->before);
}

/* Which of eight impacts are at least so much: the highest bit of each byte. */
static uint64_t at_least(uint64_t eight, uint8_t least)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    const uint64_t low = (eight | high) - (least & 0x7f) * UINT64_C(0x0101010101010101);

    return (least & 0x80 ? eight & low : eight | low) & high;
}

/* Of a chunk of bits, where the most frequent impact is too little: looks for the other impacts that are enough, and only then for
 * whose they are. */
static int read_others_from(const struct chunk *c, uint8_t least, struct posting *ret,
                            uint32_t *ret_n)
{
    const uint8_t *docs = c->bytes + c->head, *bits = docs + c->bits_len;
    const size_t bits_len = ((size_t)c->n + 7) / 8;
    const uint8_t *impacts = bits + bits_len, *end = c->bytes + c->len_bytes - CHECK_BYTES;
    struct bit_finder other, doc;
    uint32_t n = 0;

    if (last_of_bits(c) > UINT32_MAX)
        return -EBADMSG;
    finder_begin(&other, bits, bits_len);
    finder_begin(&doc, docs, c->bits_len);
    for (size_t at = 0; at < (size_t)(end - impacts); at += 8) {
        uint64_t enough = at_least(load_some(impacts, at, (size_t)(end - impacts)), least);
        for (; enough; enough &= enough - 1) {
            const uint32_t number = (uint32_t)at + (uint32_t)__builtin_ctzll(enough) / 8;
            const uint32_t i = finder_find(&other, number);
            const uint32_t place = i > 0 && i < c->n ? finder_find(&doc, i - 1) : 0;
            if (i >= c->n || place == UINT32_MAX)
                return -EBADMSG;
            ret[n++] =
                (struct posting) { i > 0 ? c->first + 1 + place : c->first, impacts[number] };
        }
    }
    *ret_n = n;
    return 0;
}

int postings_read_from(struct chunk *c, uint8_t least, struct posting *ret, uint32_t *ret_n)
{
    *ret_n = 0;
    if (c->largest < least)
        return 0;
    if (c->common < least && c->bits_len > 0)
        return is_sealed(c) ? read_others_from(c, least, ret, ret_n) : -EBADMSG;
    int r = postings_read(c, ret);
    if (r == 0)
        *ret_n = keep_from(ret, c->n, least);
    return r;
}

static void mark(uint64_t *bits, uint64_t doc)
{
    bits[doc / 64] |= UINT64_C(1) << doc % 64;
}

/* Marks the eight documents after `doc` at once if they are so near that their places fit into one word. Returns the last, or `doc`. */
static uint64_t mark_near(uint64_t *bits, uint64_t doc, uint64_t eight)
{
    /* Each byte holds the sum of the distances up to it, which the limit of each keeps from overflowing; place k is k further. */
    const uint64_t ends = eight * UINT64_C(0x0101010101010101);
    const unsigned span = (unsigned)(ends >> 56) + 8;
    uint64_t near = 0;

    if (eight & UINT64_C(0xe0e0e0e0e0e0e0e0) || span > 64)
        return doc;
    for (unsigned k = 0; k < 8; k++)
        near |= UINT64_C(1) << ((ends >> 8 * k & 0xff) + k);
    const uint64_t at = doc + 1;
    bits[at / 64] |= near << at % 64;
    if (at % 64 + span > 64)
        bits[at / 64 + 1] |= near >> (64 - at % 64);
    return doc + span;
}

static int mark_bits(const struct chunk *c, uint32_t past, uint64_t *bits)
{
    const uint64_t from = (uint64_t)c->first + 1, shift = from % 64;
    uint64_t *to = bits + from / 64;

    if (last_of_bits(c) >= past)
        return -EBADMSG;
    for (uint32_t at = 0; at < c->bits_len; at += 8, to++) {
        uint64_t some = load_some(c->bytes + c->head, at, c->bits_len),
                 rest = shift ? some >> (64 - shift) : 0;
        to[0] |= some << shift;
        if (rest)
            to[1] |= rest;
    }
    return 0;
}

/* Marks the next eight documents or four, of so many that are left, if none is at `past` or beyond. Returns how many, and moves on. */
static uint32_t mark_some(uint64_t *bits, uint32_t past, uint32_t n, const uint8_t **p,
                          uint64_t *doc)
{
    const uint64_t eight = packed_load64(*p);
    uint64_t docs[4];

    if (n >= 8 && !(eight & UINT64_C(0x8080808080808080)) && past - *doc > 1024) {
        uint64_t last = mark_near(bits, *doc, eight), left = eight;
        for (unsigned k = last > *doc ? 8 : 0; k < 8; k++, left >>= 8)
            mark(bits, last += (left & 0x7f) + 1);
        *doc = last;
        *p += 8;
        return 8;
    }
    const unsigned len = take_four(eight, *doc, docs);
    if (len == 0 || docs[3] >= past)
        return 0;
    for (unsigned k = 0; k < 4; k++)
        mark(bits, docs[k]);
    *doc = docs[3];
    *p += len;
    return 4;
}

static int mark_distances(const struct chunk *c, uint32_t past, uint64_t *bits)
{
    const uint8_t *p = c->bytes + c->head, *end = c->bytes + c->len_bytes - CHECK_BYTES;
    uint64_t doc = c->first, distance;

    for (uint32_t i = 1, some; i < c->n; i += some) {
        some = c->n - i >= 4 && end - p >= 8 ? mark_some(bits, past, c->n - i, &p, &doc) : 0;
        if (some > 0)
            continue;
        if (!take_number(&p, end, &distance))
            return -EBADMSG;
        doc += distance + 1;
        if (doc >= past)
            return -EBADMSG;
        mark(bits, doc);
        some = 1;
    }
    return 0;
}

int postings_mark(struct chunk *c, uint32_t past, uint64_t *bits)
{
    if (!is_sealed(c) || c->first >= past)
        return -EBADMSG;
    mark(bits, c->first);
    return c->bits_len > 0 ? mark_bits(c, past, bits) : mark_distances(c, past, bits);
}

/* How many of the first `n` bits are set, from what was counted up to byte *at. */
static uint32_t count_to(const uint8_t *bits, size_t len, uint32_t n, uint32_t *at,
                         uint32_t *counted)
{
    for (; n - *at * 8 > 64; *at += 8)
        *counted += bits_count(load_some(bits, *at, len));
    unsigned rest = n - *at * 8;
    uint64_t some = rest > 0 ? load_some(bits, *at, len) << (64 - rest) : 0;
    return *counted + bits_count(some);
}

/* The place after the distances: how many end, their bytes below 0x80 tell, eight of them at a time. NULL: there are too few. */
static const uint8_t *skip_distances(const struct chunk *c)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    const uint8_t *p = c->bytes + c->head, *end = c->bytes + c->len_bytes - CHECK_BYTES;
    uint32_t left = c->n - 1;

    for (; left >= 8 && end - p >= 8; p += 8)
        left -= (uint32_t)(((~packed_load64(p) & high) >> 7) * ones >> 56);
    for (; left > 0 && p < end; p++)
        left -= *p < 0x80;
    return left == 0 ? p : NULL;
}

bool impacts_begin(struct impacts *in, struct chunk *c)
{
    const uint8_t *end = c->bytes + c->len_bytes - CHECK_BYTES;

    *in = (struct impacts) { .chunk = c, .doc = c->first };
    if (!is_sealed(c))
        return false;
    if (c->n > 1)
        in->others = c->bits_len > 0 ? c->bytes + c->head + c->bits_len : skip_distances(c);
    return c->n == 1 || (in->others && (size_t)(end - in->others) >= ((size_t)c->n + 7) / 8);
}

/* How many documents stand before this one among bits. UINT32_MAX: it is not there. */
static uint32_t number_by_bits(struct impacts *in, uint32_t doc)
{
    const struct chunk *c = in->chunk;
    const uint8_t *docs = c->bytes + c->head;
    const uint32_t place =
        doc - c->first; /* of its bit, and one more: they begin after the first document */

    if (place > 0 &&
        ((place - 1) / 8 >= c->bits_len || !(docs[(place - 1) / 8] >> (place - 1) % 8 & 1)))
        return UINT32_MAX;
    /* The bits up to a document's own are as many as stand before it. */
    return count_to(docs, c->bits_len, place, &in->docs_at, &in->docs);
}

static uint64_t sum_of_bytes(uint64_t eight)
{
    const uint64_t low = UINT64_C(0x00ff00ff00ff00ff), pairs = (eight & low) + (eight >> 8 & low);

    return pairs * UINT64_C(0x0001000100010001) >> 48;
}

/* The same among distances: eight that do not lead past it are one addition. */
static uint32_t number_by_distances(struct impacts *in, uint32_t doc)
{
    const uint8_t *from = in->chunk->bytes + in->chunk->head, *p = from + in->docs_at;
    uint64_t docs[4], distance;

    while (in->doc < doc && p < in->others) {
        const uint64_t eight = in->others - p >= 8 ? packed_load64(p) : UINT64_MAX;
        const bool short_ones = !(eight & UINT64_C(0x8080808080808080));
        const unsigned len = short_ones ? 8 : take_four(eight, in->doc, docs);
        const uint64_t last = short_ones ? in->doc + sum_of_bytes(eight) + 8 : docs[3];
        if (len > 0 && last <= doc) {
            in->doc = last;
            in->docs += short_ones ? 8 : 4;
            p += len;
            continue;
        }
        for (unsigned k = 0; k < 8 && in->doc < doc && take_number(&p, in->others, &distance);
             k++) {
            in->doc += distance + 1;
            in->docs++;
        }
    }
    in->docs_at = (uint32_t)(p - from);
    return in->doc == doc ? in->docs : UINT32_MAX;
}

uint8_t impacts_at(struct impacts *in, uint32_t doc)
{
    const struct chunk *c = in->chunk;
    const uint8_t *end = c->bytes + c->len_bytes - CHECK_BYTES;

    uint32_t i = c->bits_len > 0 ? number_by_bits(in, doc) : number_by_distances(in, doc);
    if (i >= c->n)
        return 0;
    if (!in->others || !(in->others[i / 8] >> i % 8 & 1))
        return c->common;
    const size_t len = ((size_t)c->n + 7) / 8;
    uint32_t other = count_to(in->others, len, i, &in->bits_at, &in->bits);
    return other < end - in->others - (ptrdiff_t)len ? in->others[len + other] : c->common;
}

int postings_find(struct chunk *c, uint32_t doc, uint8_t *ret_impact)
{
    struct impacts in;

    if (!impacts_begin(&in, c))
        return -EBADMSG;
    *ret_impact = impacts_at(&in, doc);
    return 0;
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

static unsigned number_len(uint64_t value)
{
    unsigned len = 1;

    for (; value >= 0x80; value >>= 7)
        len++;
    return len;
}

static uint8_t *write_bits(const struct posting *postings, size_t n, uint32_t bits_len, uint8_t *to)
{
    const uint32_t from = postings[0].doc + 1;

    to = write_number(to, bits_len);
    memset(to, 0, bits_len);
    for (size_t i = 1; i < n; i++)
        to[(postings[i].doc - from) / 8] |= (uint8_t)(1 << (postings[i].doc - from) % 8);
    return to + bits_len;
}

static uint8_t *write_distances(const struct posting *postings, size_t n, uint8_t *to)
{
    for (size_t i = 1; i < n; i++)
        to = write_number(to, postings[i].doc - postings[i - 1].doc - 1);
    return to;
}

size_t postings_write(const struct posting *postings, size_t n, uint8_t *to)
{
    uint8_t *p = to, largest = 0;

    if (n == 1) {
        *p++ = postings[0].impact;
    } else {
        uint8_t common = most_frequent(postings, n);
        size_t distances_len = 0;
        for (size_t i = 0; i < n; i++)
            largest = postings[i].impact > largest ? postings[i].impact : largest;
        for (size_t i = 1; i < n; i++)
            distances_len += number_len(postings[i].doc - postings[i - 1].doc - 1);
        uint32_t bits_len = (postings[n - 1].doc - postings[0].doc - 1) / 8 + 1;
        bool as_bits = bits_len + number_len(bits_len) < distances_len;
        p = write_number(p, n * 2 + as_bits);
        *p++ = largest;
        *p++ = common;
        p = as_bits ? write_bits(postings, n, bits_len, p) : write_distances(postings, n, p);
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
