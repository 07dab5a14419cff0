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

/* The same of a word whose stem is known. */
void search_stem_key(const char *stem, struct key *ret, size_t *ret_folded_len);

/* The prefix of terms whose folded stem is the folded word itself. */
void search_plain_key(const char *word, struct key *ret);

/* ---- highlights (search_highlight.c) ---- */

/* Of the first `len` bytes of a folded stem that outlives it. */
struct search_stem search_stem_make(const char *folded, size_t len, bool prefix);

/* ---- the dictionary (search_dictionary.c) ---- */

enum {
    DICTIONARY_FOLDED_BYTES = SEARCH_WORD_BYTES + 40
}; /* folding may lengthen: "ae" for the letter for both */

/* A block of search_word and the word it is at. */
struct dictionary_block {
    const uint8_t *at, *end; /* equal: there are no more words in it */
    uint32_t number, documents;
    size_t folded_len;
    uint32_t shared;        /* with the word before */
    uint32_t before, after; /* how much of the folded word's start and end the word has, */
    struct slice inside;    /* and what is between them; */
    bool differs;           /* if it is another than the folded word */
    uint8_t folded[DICTIONARY_FOLDED_BYTES + 1];
};
/* The first word of an entry, then the next one while at < end. False: damaged. */
bool dictionary_block_begin(struct dictionary_block *b, struct slice key,
                            struct slice value) must_check;
bool dictionary_block_next(struct dictionary_block *b) must_check;
/* The current word as written, normalised. Returns its length. */
size_t dictionary_block_word(const struct dictionary_block *b,
                             char ret[DICTIONARY_FOLDED_BYTES + 1]);
/* Looks up a word's number, and roughly how many documents have it, by search_word_key(). -ENOENT, -EBADMSG. */
int dictionary_find(const struct rd *rd, const struct key *key, uint32_t *ret_number,
                    uint32_t *ret_documents) must_check;

/* What the dictionary is to say of a word; number 0: nothing. */
struct dictionary_entry {
    struct slice key;
    uint32_t number, documents;
};
/* The texts of words by number, TEXT_BLOCK_WORDS to an entry of search_word_text: u8 length, bytes; 0 where nobody has the
 * number, and nothing after the last that somebody has. */
enum {
    TEXT_BLOCK_WORDS = 32,
    TEXT_BLOCK_BYTES = TEXT_BLOCK_WORDS * (1 + SEARCH_WORD_BYTES),
};
bool word_text_read(struct slice bytes, struct slice ret[TEXT_BLOCK_WORDS]) must_check;
size_t word_text_write(const struct slice texts[TEXT_BLOCK_WORDS], uint8_t to[TEXT_BLOCK_BYTES]);
/* -ENOENT: nobody has the number; -EBADMSG. */
int word_text_find(const struct rd *rd, uint32_t number,
                   char ret[SEARCH_WORD_BYTES + 1]) must_check;

/* What the dictionary is to say for so many documents, if it says `said`: the same as long as that is less than an eighth off, so that
 * most edits leave it as it is. */
uint32_t word_roughly(uint32_t said, uint32_t documents);

/* How many documents have the words of COUNT_BLOCK_WORDS numbers, as varints; 0 where nobody has the number, and nothing after the
 * last that somebody has (search_counts.c). */
enum {
    COUNT_BLOCK_WORDS = 64,
    COUNT_BLOCK_BYTES = COUNT_BLOCK_WORDS * 5,
};
bool word_counts_read(struct slice bytes, uint32_t ret[COUNT_BLOCK_WORDS]) must_check;
size_t word_counts_write(const uint32_t counts[COUNT_BLOCK_WORDS], uint8_t to[COUNT_BLOCK_BYTES]);

/* By how much the number of documents that have a word differs from what the block says. */
struct recent_count {
    uint32_t number;
    int64_t difference; /* not 0, when stored */
};
enum {
    RECENT_COUNTS = 512, /* so many at most, in about a kilobyte, before the blocks are written */
    RECENT_COUNTS_BYTES = RECENT_COUNTS * 10,
};
bool recent_counts_read(struct slice bytes, struct recent_count ret[RECENT_COUNTS],
                        size_t *ret_n) must_check;
size_t recent_counts_write(const struct recent_count *recent, size_t n,
                           uint8_t to[RECENT_COUNTS_BYTES]);

/* Writes changes, ascending by key and each key once. `room` is used and emptied. */
int dictionary_write(struct wr *wr, struct arena *room, const struct dictionary_entry *changes,
                     size_t n) must_check;

/* ---- words that are like others (search_words.c) ---- */

/* Words of the dictionary that a query's word may have meant; copies in the arena. */
struct candidate {
    const char *word;
    uint32_t documents;
    uint8_t cost; /* as in search_likeness.h */
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
enum { NEAR_SLACK = 1 }; /* who is so little farther than the nearest counts too */
/* The `max` words, the most frequent of equals, for which `folded` was written most easily, at a cost as in search_likeness.h. */
int dictionary_near(const struct rd *rd, const struct table *dictionary, struct arena *a,
                    const char *folded, unsigned cost, bool same_start, size_t max,
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

/* ---- words that say little (search_fillers.c) ---- */

/* Whether the word helps to tell one phrase from another. */
bool search_tells(const char *word);
struct phrase {
    const struct text_token *words;
    const bool *tells; /* each of them */
    size_t n;
};
/* The words that a phrase is known by, in order. `ret` has room for all. */
size_t search_phrase_words(const struct phrase *p, const char **ret);
/* Whether the phrase is no shorter one with words around it that do not tell it from that. */
bool search_phrase_is_whole(const struct phrase *p);
/* Whether a compound's last part, given as its folded stem, says no more than that something is wrong, or for whom: "minnesproblem" and
 * "minnessvårigheter" are one. */
bool search_is_vague(const char *folded_stem);

/* Key of a phrase in search_synonym, given as the folded stems of its words. -EINVAL: they leave nothing, or too much. */
int search_synonym_key(const struct slice *folded, size_t n, struct key *ret) must_check;
