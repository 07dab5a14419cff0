/* search_lists.h - lists of documents in memory, and their union in order of worth: private to search_query.c and search_meaning.c (which decide
 * what to look for), search_lists.c (which reads and combines) and search_rank.c (which counts and ranks). */
#pragma once
#include "common/search_internal.h"

/* Documents in ascending order, each with its impact: chunks as they are in the table, read only when they are needed, or
 * postings that were made of others. */
struct list {
    struct chunk *chunks;
    size_t n_chunks;
    struct posting *postings; /* when there are no chunks */
    uint32_t n;               /* postings in all */
    uint32_t documents;       /* these and the variants', at most so many */
    uint32_t most;            /* postings of the largest chunk */
    uint32_t percent;         /* what an impact counts; a term with other dots counts for less */
    float factor;             /* what an impact of 1 is worth */
    struct list *variant;     /* the next one of the same word, with other dots; not empty */
};

/* A word of the query: a document is worth for it what the best of its lists gives. */
struct group {
    struct list *lists;
    size_t n, room;
    bool aside; /* a document without it has no fewer of the words */
};

/* A word and its terms, which a query comes upon again and again. */
struct term {
    const char *word;
    struct slice key;    /* in search_term, without the document */
    struct slice folded; /* of that: the folded stem. A zero follows. */
    bool is_read;
    struct list list;
};
enum { TERMS_KEPT = 64 };

struct lists {
    const struct rd *rd;
    struct arena *work;
    uint32_t documents;     /* in the index */
    uint32_t next_document; /* no document has this number or a higher one */
    uint32_t postings_left; /* how many more this query may read, */
    uint32_t terms_left;    /* and of how many terms */
    bool cut;               /* one of these ran out */
    struct scan terms;      /* of the table of terms, from word to word; ended by lists_end() */
    bool scanning;
    struct term *kept[TERMS_KEPT]; /* the latest word of each hash */
};

/* Ends what reading began. */
void lists_end(struct lists *ls);
/* The word's terms; NULL: no memory. `stem`: the word's, or NULL if nobody knows it yet. */
struct term *list_term(struct lists *ls, const char *word, const char *stem);
/* Reads a word's postings, and as its variants those of terms that differ from it only in their dots; they count for less,
 * unless it has none. An unknown word has an empty list. */
int list_read(struct lists *ls, const char *word, struct list *ret) must_check;
/* Documents in all of the lists, worth their average there. */
int list_intersect(struct lists *ls, const struct list *lists, size_t n,
                   struct list *ret) must_check;
/* The first document that cannot be in the list's chunk of this number. */
uint32_t list_chunk_end(const struct lists *ls, const struct list *l, size_t chunk);
/* Reads the postings of a chunk, as many as it says. */
int list_chunk_read(const struct lists *ls, const struct list *l, size_t chunk,
                    struct posting *ret) must_check;
/* The same of those that are worth at least so much. */
int list_chunk_read_from(const struct lists *ls, const struct list *l, size_t chunk, uint8_t least,
                         struct posting *ret, uint32_t *ret_n) must_check;

/* Looks documents up in a list, in ascending order. All but the list begins as 0. */
struct reader {
    const struct list *list;
    size_t at;              /* chunk or posting where the last document was or would have been */
    struct impacts impacts; /* of that chunk */
};
/* *ret: the document's impact, 0 if it is not in the list. */
int reader_impact(struct reader *r, uint32_t doc, uint8_t *ret) must_check;

/* How telling it is that a document is among so many (BM25's idf). */
float list_rarity(const struct lists *ls, double documents);

/* What to rank: documents of any group, that are in `pass` (NULL: all). Without groups: those of `pass`. */
struct ranking {
    const struct group *groups;
    size_t n_groups;
    const struct document_set *pass;
    const struct document_set *boost_sets; /* one for each of request.boosts */
    const struct search_boost *boosts;
    size_t n_boosts;
    struct document_set
        *matches;  /* NULL, or gets all documents of any group, whether they pass or not */
    size_t wanted; /* the best so many */
};

struct ranked {
    float score;
    uint32_t doc;
};

/* The best first; equals in document order. `ret` has room for `wanted`. */
int list_rank(struct lists *ls, const struct ranking *ranking, struct ranked *ret, size_t *ret_n,
              uint32_t *ret_total) must_check;
/* An empty set with room for all documents. */
int document_set_make(struct lists *ls, struct document_set *ret) must_check;
static inline bool document_set_has(const struct document_set *set, uint32_t doc)
{
    return set->bits[doc / 64] >> doc % 64 & 1;
}
static inline void document_set_add(struct document_set *set, uint32_t doc)
{
    set->bits[doc / 64] |= UINT64_C(1) << doc % 64;
}
/* Adds the documents of a list. */
int list_mark(const struct lists *ls, const struct list *l, struct document_set *set) must_check;
