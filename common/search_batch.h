/* search_batch.h - what a write transaction has gathered for the index and not yet written: private to search_index.c (which
 * gathers), search_batch.c (which keeps), and search_write.c, search_counts.c and search_dictionary.c (which write). */
#pragma once
#include "common/search_internal.h"

/* A growing set of things with names of their own. Each thing begins with its name. */
struct name {
    const uint8_t *bytes;
    uint32_t len;
};
struct names {
    struct name **slots;
    uint32_t *hashes; /* of the names in the slots; in the same block of memory */
    size_t n, room;
};

/* The changes to a term's postings or to a facet value's documents. */
struct changes {
    struct name name;     /* the key in its table, without document or block */
    uint32_t number;      /* in batch.changed, */
    uint32_t n;           /* if there are any */
    uint32_t first;       /* where batch_write() has put them */
    uint64_t put;         /* the document being put: its number among the batch's puts, and */
    uint64_t weight;      /* how much the term weighs in it so far */
    struct changes *next; /* of its terms */
};

struct word {
    struct name name;                 /* as written, closed by NUL */
    struct slice key;                 /* in search_word */
    uint32_t number, stored_number;   /* 0: no document has it */
    uint32_t said, stored_said;       /* documents by the dictionary, as it is to be and is */
    uint32_t settled, stored_settled; /* documents by the blocks of counts */
    uint32_t documents;               /* how many have it */
    bool counted;                     /* `documents` and `settled` are known: batch_count() */
    uint64_t put;                     /* as in struct changes */
    uint64_t own; /* the put whose document has it in its text, not only as a part of a compound */
    uint64_t old; /* the put that found it in what its document was before */
    struct changes *term;
    struct word_part *parts;
    size_t n_parts;
    bool divided; /* parts are known */
};

/* A part of a compound, and what it weighs in hundredths of the compound. */
struct word_part {
    struct word *word;
    uint32_t percent;
};

/* A document's number by the service's key. */
struct document {
    struct name name;               /* the key in search_key */
    uint32_t number, stored_number; /* 0: none */
};

/* One change to the list of that number in batch.changed. */
struct change {
    uint32_t list : 24;
    uint32_t impact : 8; /* 0: taken out */
    uint32_t doc;
};

struct batch {
    struct wr_deferred deferred;
    struct arena *memory;  /* all names and things below; emptied when they are written */
    struct arena *scratch; /* the analysis of one document */
    struct names words, terms, facets, documents;
    struct word **
        by_number; /* those given a number since the last writing, in order; NULL: taken away again */
    size_t n_by_number, room_by_number;
    struct change *log;
    size_t n_log, room_log;
    struct changes **changed; /* those of terms and facets that have any */
    size_t n_changed, room_changed;
    struct word **document; /* words of the document being put, and their parts, each once */
    size_t n_document, room_document;
    struct word **gone; /* those it no longer has */
    size_t n_gone, room_gone;
    struct changes *touched;                   /* its terms */
    struct recent_count recent[RECENT_COUNTS]; /* as stored, ascending; 0: now its word knows it */
    size_t n_recent;
    struct word **differ; /* those whose documents the blocks do not say, or did not for a while */
    size_t n_listed, room_differ;
    size_t n_differ; /* numbers whose documents the blocks do not say, of this batch or not */
    bool settled;    /* since the last writing, the blocks are to say all */
    uint64_t puts;
    uint32_t next_document, next_word; /* numbers to give */
    uint32_t first_word;               /* number of by_number[0] */
};

/* The transaction's batch, made at need. NULL: the transaction has failed. */
struct batch *batch_of(struct wr *wr);
/* Writes everything gathered if there is much of it: call between documents. */
void batch_ease(struct wr *wr, struct batch *b);
/* The word as the tables hold it; NULL: the transaction has failed. Gives it a number when it has none. */
struct word *batch_word(struct wr *wr, struct batch *b, const char *word);
/* Nobody has the word any more. */
void batch_drop_word(struct batch *b, struct word *w);
/* The word that was given this number before the document at hand. NULL: the transaction has failed. */
struct word *batch_word_numbered(struct wr *wr, struct batch *b, uint32_t number);
struct document *batch_document(struct wr *wr, struct batch *b, struct slice key);
struct changes *batch_facet(struct wr *wr, struct batch *b, uint8_t column, struct slice value);
void batch_change(struct wr *wr, struct batch *b, struct changes *c, uint32_t doc, uint8_t impact);
/* Writes it all and begins anew (search_write.c). */
int batch_write(struct wr *wr, struct batch *b) must_check;

/* The words' exact counts (search_counts.c): what is stored when the batch begins, */
int counts_begin(struct wr *wr, struct batch *b) must_check;
/* how many documents have the word, */
int batch_count(struct wr *wr, struct batch *b, struct word *w) must_check;
/* that it is one more or one fewer, */
void batch_recount(struct wr *wr, struct batch *b, struct word *w, int by);
/* that it is none, and that the word loses its number. */
void batch_uncount(struct batch *b, struct word *w);
/* After each document: has the blocks written if too many counts differ from them. */
void batch_settle(struct batch *b);
int counts_write(struct wr *wr, struct batch *b) must_check;

/* All things of a set, in order; to be freed. NULL with *ret_n == 0: none; with another: no memory. */
void *names_sorted(const struct names *set, int (*compare)(const void *, const void *),
                   size_t *ret_n);
void names_empty(struct names *set);
int compare_names(const struct name *a, const struct name *b);
/* Makes room for one more in an array of malloc()ed elements. False: no memory, the transaction has failed. */
bool batch_room(struct wr *wr, void *array, size_t *room, size_t n, size_t size);
