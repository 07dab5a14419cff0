/* search_internal.h - what the parts of common/search share: keys of the tables, facet blocks, the dictionary. */
#pragma once
#include "common/key.h"
#include "common/search.h"
#include "common/search_postings.h"
#include "common/text.h"

/* ---- words (search_words.c) ---- */

/* A word as the tables hold it: cut to SEARCH_WORD_BYTES, whole characters. Returns the length in bytes. */
size_t search_word_len(const char *word);
/* Key of a word in search_word. */
void search_word_key(const char *word, struct key *ret);
/* Key of a word's term in search_term, without the document. `ret_folded_len`: how much of it is the folded stem and the zero
 * after it, the prefix that all terms share which differ only in their dots. */
void search_term_key(const char *word, struct key *ret, size_t *ret_folded_len);

/* The prefix of terms whose folded stem is the folded word itself. */
void search_plain_key(const char *word, struct key *ret);

/* A word of the dictionary, read from search_word. */
struct dictionary_word {
    uint32_t number, documents;
    struct slice folded;
    struct slice word; /* as written, normalised */
};
/* Reads an entry of search_word. False: damaged. */
bool dictionary_read(struct slice key, struct slice value, struct dictionary_word *ret);

/* Words of the dictionary that a query's word may have meant; copies in the arena. */
struct candidate {
    const char *word;
    uint32_t documents;
    uint8_t distance;
};
/* How many steps through the dictionary a query may still take; a seek counts as SEEK_STEPS. */
struct dictionary_budget {
    uint32_t steps;
    bool cut;
};
enum { SEEK_STEPS = 8 };
enum { CANDIDATES_MAX = 48 };
/* The most frequent `max` words (at most CANDIDATES_MAX) that begin with `prefix` (folded). `dictionary` is T_SEARCH_WORD, or
 * T_SEARCH_SYNONYM for the words that have synonyms: then of the folded stems. */
int dictionary_prefix(const struct rd *rd, const struct table *dictionary, struct arena *a,
                      const char *prefix, size_t max, struct dictionary_budget *budget,
                      struct candidate *ret, size_t *ret_n) must_check;
/* The most frequent `max` words at the least Damerau-Levenshtein distance from `folded` up to `distance`, in bytes. */
int dictionary_near(const struct rd *rd, const struct table *dictionary, struct arena *a,
                    const char *folded, unsigned distance, size_t max,
                    struct dictionary_budget *budget, struct candidate *ret,
                    size_t *ret_n) must_check;

/* ---- facets (search_facets.c) ---- */

enum {
    FACET_BLOCK_DOCUMENTS = 8192,
    FACET_BLOCK_WORDS = FACET_BLOCK_DOCUMENTS / 64,
    FACET_BLOCK_BYTES = FACET_BLOCK_DOCUMENTS / 8,
    FACET_ALL = 255, /* the column of which every document has the one value "*" */
};
/* Key of a value in search_facet, without the block. */
void facet_key(uint8_t column, const char *value, size_t len, struct key *ret);
/* A block's bytes: its members as u16 in order while that is shorter, else the bits. Empty blocks are not stored. */
bool facet_block_read(struct slice bytes, uint64_t ret[FACET_BLOCK_WORDS]);
size_t facet_block_write(const uint64_t bits[FACET_BLOCK_WORDS], uint8_t to[FACET_BLOCK_BYTES]);

/* A set of documents as bits. */
struct document_set {
    uint64_t *bits;
    uint32_t n_words; /* a multiple of FACET_BLOCK_WORDS */
};
/* ORs the documents that have the value into `set`. */
int facet_add(const struct rd *rd, uint8_t column, const char *value,
              struct document_set *set) must_check;
/* Counts, for each value of a column, the documents in `set`; appends to `ret` those that are not 0. */
int facet_count(const struct rd *rd, struct arena *a, uint8_t column,
                const struct document_set *set, struct search_result *ret, size_t *room) must_check;

/* ---- documents (search_index.c) ---- */

/* The service's key of a document's entry in search_document; the facets follow it. False: damaged. */
bool document_read_key(struct slice value, struct slice *ret_key, struct slice *ret_facets,
                       uint8_t *ret_n_facets);

/* Key of a phrase in search_synonym. -EINVAL: its words leave nothing, or too much. */
int search_synonym_key(const struct text_token *tokens, size_t n, struct key *ret) must_check;
