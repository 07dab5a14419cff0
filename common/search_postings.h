/* search_postings.h - the bytes of a posting list: which documents hold a term, and how much each is worth for it.
 *
 * A list is cut into chunks. Where, depends on nothing but the documents in it: a document for which
 * postings_is_boundary() holds begins a chunk, and so does the list's first. One document in 512 is such a boundary, evenly
 * spread, so chunks are of about that many postings and a change touches one chunk or two; and whatever the order in
 * which a list came about, its chunks are the same, byte for byte.
 *
 *   chunk   (first document) -> impact, u16 checksum                                             of one posting; of more:
 *                               varint 2 * how many (+ 1: as bits), largest impact, most frequent impact,
 *                               { varint (document - previous - 1) } ..., without the first; or where that is shorter,
 *                               as bits: varint how many bytes, then a bit for each document from first + 1 on: it is in the list;
 *                               a bit for each posting: it has another impact; these impacts, u16 checksum
 *
 * An impact is 1 to 255; most words stand once in most texts, so that one impact in a chunk is by far the most frequent. A head
 * lets a reader count a chunk, or leave it out, without reading on. Bytes come from a disk: reading checks them, the checksum
 * (which covers the key's document too), and the head against what follows. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

struct posting {
    uint32_t doc;
    uint8_t impact; /* among changes: 0 takes the document out */
};

enum { POSTING_BYTES_MAX = 7, POSTINGS_HEAD_BYTES_MAX = 14 /* and the checksum */ };

/* Multiplying by the golden ratio spreads even a run of documents so that any 512 hold about one. */
static inline bool postings_is_boundary(uint32_t doc)
{
    return doc * UINT32_C(0x9e3779b1) >> 23 == 0;
}

/* A chunk as a table has it. */
struct chunk {
    const uint8_t *bytes;
    uint32_t len_bytes;
    uint32_t first; /* the document in its key */
    uint32_t n;
    uint32_t bits_len;       /* bytes of the documents as bits; 0: they are distances */
    uint8_t head;            /* bytes before the documents */
    uint8_t largest, common; /* impacts */
    bool sealed; /* the checksum has been found right, and need not be looked at again */
};

/* Reads a chunk's head. False: the bytes are no chunk. `n` then is no more than the bytes can hold. */
bool postings_head(uint32_t first, const uint8_t *bytes, size_t len_bytes,
                   struct chunk *ret) must_check;
/* Looks up one document, which is not before the chunk's first, without reading the others' postings; impact 0: it is not in the
 * chunk. 0, or -EBADMSG when the bytes are no chunk. */
int postings_find(struct chunk *c, uint32_t doc, uint8_t *ret_impact) must_check;
/* Reads its `n` postings. 0, or -EBADMSG when the bytes are no chunk. */
int postings_read(struct chunk *c, struct posting *ret) must_check;
/* The same of those that are worth at least so much, in order; `ret` has room for `n`. Quicker the fewer they are. */
int postings_read_from(struct chunk *c, uint8_t least, struct posting *ret,
                       uint32_t *ret_n) must_check;

/* Sets the bit of each document of the chunk, which are all below `past`: quicker than reading its postings. 0, or -EBADMSG when
 * the bytes are no chunk or a document is not below. */
int postings_mark(struct chunk *c, uint32_t past, uint64_t *bits) must_check;
/* Looks impacts up in a chunk without reading its postings. What was counted for a document serves those after it. */
struct impacts {
    const struct chunk *chunk;
    const uint8_t *others;  /* the bits that tell other impacts; NULL: there is one posting */
    uint64_t doc;           /* of a chunk of distances: the document that was reached */
    uint32_t docs_at, docs; /* up to this byte of the documents there are so many; */
    uint32_t bits_at, bits; /* and up to this one of the others' bits */
};
/* False: the bytes are no chunk. */
bool impacts_begin(struct impacts *in, struct chunk *c) must_check;
/* The impact of a document, which is not before the chunk's first; 0: it is not in the chunk. They are asked for in ascending order. */
uint8_t impacts_at(struct impacts *in, uint32_t doc);

/* Writes one chunk of `n` >= 1 postings in ascending order; `to` has room for the head and POSTING_BYTES_MAX each. */
size_t postings_write(const struct posting *postings, size_t n, uint8_t *to);
/* Writes the checksum at the end of a chunk's bytes. For tests that make chunks of their own. */
void postings_seal(uint32_t first, uint8_t *bytes, size_t len_bytes);

/* How many of the `n` postings belong to the chunk that begins with the first. */
size_t postings_chunk(const struct posting *postings, size_t n);

/* Folds changes into postings, both ascending with each document once. `ret` has room for both. Returns how many. */
size_t postings_change(const struct posting *postings, size_t n, const struct posting *changes,
                       size_t n_changes, struct posting *ret);
