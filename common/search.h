/* search.h - full-text search in Swedish for any service, in tables of the service's own store.
 *
 * A service declares the tables with its own, and its apply() says what can be found and by which words:
 *
 *     static const struct table *const tables[] = { &T_THREAD, SEARCH_TABLES, NULL };
 *
 *     search_put(wr, &(struct search_document) {
 *         .key = slice of the slug,
 *         .fields = (struct search_field[]) { { name, name_len, 300, 4 }, { text, text_len, 100, 60 } }, .n_fields = 2,
 *         .facets = (struct search_facet[]) { { COLUMN_REGION, "01" }, { COLUMN_KIND, "patient" } }, .n_facets = 2,
 *     });
 *     search_delete(wr, slug);
 *
 * and its queries ask:
 *
 *     r = search_query(in->state, in->arena, &(struct search_request) { .text = q, .len = q_len, .limit = 20 }, &result);
 *     for (size_t i = 0; i < result.n_hits; i++) ... result.hits[i].key ...
 *
 * What is found. A word is found by any inflection, with or without its dots, by any part of a compound ("cancer" finds
 * Bröstcancerförbundet), by words that the service gave as synonyms, and, if nothing else has it, by words that differ in
 * one letter or two, by what it begins, or by some of its own parts. Documents that match more of the words, in heavier
 * fields, by rarer words, come first (BM25); equals in the order in which they were first put.
 *
 * Determinism. The tables are a function of the sequence of puts, deletes and synonyms and of text_version(), not of where
 * transactions end: a replay writes the same bytes. text_version() and SEARCH_VERSION belong to the service's schema number.
 *
 * Writing is put off to the end of the transaction (a batch of documents is written sorted, once). So within a write
 * transaction search_query() does not yet see its documents: it is for queries, not for decisions.
 *
 * Errors. Those of writing are sticky in the transaction, like those of wr_put(). search_query() answers -EBADMSG when the
 * tables are damaged: replay the log. Nothing in a query's text is an error.
 *
 * Bounds. A word counts with its first SEARCH_WORD_BYTES bytes, a document with its first SEARCH_DOCUMENT_WORDS words, a query
 * with its first SEARCH_QUERY_BYTES bytes and SEARCH_QUERY_WORDS words. A query looks at a bounded number of postings and
 * dictionary words, whatever its text; where that cuts something off, `result.cut` says so. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/store.h"

enum {
    SEARCH_VERSION = 6, /* of the tables' layout and of what search_put() makes of a document */
    SEARCH_KEY_MAX = 400,
    SEARCH_FACET_MAX = 200,  /* bytes of a facet's value */
    SEARCH_FACETS_MAX = 200, /* of a document */
    SEARCH_WORD_BYTES = 160,
    SEARCH_DOCUMENT_WORDS = 20000,
    SEARCH_QUERY_BYTES = 1000,
    SEARCH_QUERY_WORDS = 16,
    SEARCH_EXPANSIONS_MAX = 16, /* of a synonym */
    SEARCH_EXPANSION_BYTES = 300,
    SEARCH_SYNONYM_WORDS = 4, /* that a synonym is of */
    SEARCH_HITS_MAX = 1000,   /* offset + limit */
};

/* The tables. Keys without further words are as in key.h; where they are not, no part can hold a zero byte.
 *
 *   search_meta       ("next_document"), ("next_word")         -> u32: numbers given out so far, never given again;
 *                    ("recent_counts")                       -> what search_word_count does not say yet (search_counts.c)
 *   search_key        (the service's key)                      -> u32 document
 *   search_document   (u32 document)                           -> u8 facets, the service's key, facets: what a hit needs; then the
 *                                                                 numbers of its text's words, ascending, as varint distances
 *   search_term       folded stem, 0, its dots if any, 0, u32 first document -> a chunk (search_postings.h)
 *   search_word       folded word, 0, word if different        -> the words from this one to the next entry's, each with its number
 *                                                                 and roughly how many documents have it (search_dictionary.c)
 *   search_word_text  (u32 number / 32)                        -> the words of 32 numbers (search_dictionary.c)
 *   search_word_count (u32 number / 64)                        -> how many documents have them, not quite up to date (search_counts.c)
 *   search_facet      (u8 column, text value, u32 block)       -> which of the block's 8192 documents have it
 *   search_synonym    (folded stems with spaces between)       -> the words as given, then what they stand for,
 *                                                                 each closed by a zero byte */
extern const struct table T_SEARCH_META, T_SEARCH_KEY, T_SEARCH_DOCUMENT, T_SEARCH_TERM,
    T_SEARCH_WORD, T_SEARCH_WORD_TEXT, T_SEARCH_WORD_COUNT, T_SEARCH_FACET, T_SEARCH_SYNONYM;
#define SEARCH_TABLES                                                                              \
    &T_SEARCH_META, &T_SEARCH_KEY, &T_SEARCH_DOCUMENT, &T_SEARCH_TERM, &T_SEARCH_WORD,             \
        &T_SEARCH_WORD_TEXT, &T_SEARCH_WORD_COUNT, &T_SEARCH_FACET, &T_SEARCH_SYNONYM

/* ---- writing ---- */

struct search_field {
    const char *text;
    size_t len;
    uint32_t weight; /* in hundredths: a word here counts as much as weight/100 words; 1 to 10000 */
    /* Words that such a field usually has, 1 to 10000; 0: 60. A word in a shorter field counts for more, in a longer one for
     * less. A constant, not the mean of the documents: with that, each document put would change the worth of all others. */
    uint32_t usual_words;
};

/* A value of one of the service's columns (0 to 254): a document may have several in a column. Closed by NUL, not empty. */
struct search_facet {
    uint8_t column;
    const char *value;
};

struct search_document {
    struct slice key; /* 1 to SEARCH_KEY_MAX bytes */
    const struct search_field *fields;
    size_t n_fields;
    const struct search_facet *facets;
    size_t n_facets;
};

/* Makes the document findable, in place of what was put under its key before. */
void search_put(struct wr *wr, const struct search_document *document);
/* Takes it out; an absent one is no error. */
void search_delete(struct wr *wr, struct slice key);

/* What tells one synonym from another, whatever the inflection and the dots: the stems of its words. -EINVAL: the words cannot
 * have synonyms, for they are nothing but punctuation, or too many or too long. */
int search_synonym_identity(struct arena *arena, const char *words, char **ret) must_check;
/* From now on a query for `words` (up to SEARCH_SYNONYM_WORDS; in any inflection) also finds what holds one of the expansions
 * (all words of it). Replaces earlier ones of the same identity; none takes the synonym out. One direction only. Words
 * without identity, and expansions past the bounds above, are an error, -EINVAL. */
void search_synonym_put(struct wr *wr, const char *words, const char *const *expansions,
                        size_t n_expansions);

/* ---- asking ---- */

struct search_boost {
    struct search_facet facet;
    uint32_t percent; /* 120: documents with this value are worth a fifth more; at most 1000 */
};

struct search_request {
    const char *
        text; /* may be any bytes; without a word in it all documents that pass the filters match */
    size_t len;
    const struct search_facet *filters; /* values of one column: any of them; columns: all */
    size_t n_filters;
    const struct search_boost *boosts;
    size_t n_boosts;
    const uint8_t *count_columns; /* whose values are to be counted among the matches */
    size_t n_count_columns;
    uint32_t limit, offset; /* together at most SEARCH_HITS_MAX */
    bool type_ahead;        /* the last word may be unfinished, unless a blank follows */
    bool without_keys; /* hits come without their keys: search_key() reads those that are needed */
};

struct search_hit {
    struct slice key; /* in the arena; empty: not read yet */
    uint32_t document;
    uint32_t boosts; /* bit n: it has the value of the request's boost n, of the first 32 */
    float score;
};

/* The counts of a column leave aside the filters of that column, so that they tell what choosing another would give. */
struct search_count {
    struct search_facet facet;
    uint32_t documents;
};

/* "menade du": nothing has the word at bytes [start, end) of the text, so this one was taken. */
struct search_correction {
    uint32_t start, end;
    const char *word;
};

/* A synonym that the query met: bytes [start, end) of the text stand for this. */
struct search_meaning {
    uint32_t start, end;
    const char *expansion;
};

/* A stem that made documents match, for highlights. A word that has not all of its letters is none of its inflections. */
struct search_stem {
    const char *folded_stem;
    size_t len;
    uint32_t letters;
    bool prefix; /* any word that begins so, folded */
};

struct search_result {
    struct search_hit *hits;
    size_t n_hits;
    uint32_t total; /* matches in all */
    bool cut;       /* not everything was looked at: `total` and counts are at least so many */
    struct search_count
        *counts; /* by column as asked for, then by value; without those of no match */
    size_t n_counts;
    struct search_correction *corrections;
    size_t n_corrections;
    struct search_meaning *meanings;
    size_t n_meanings;
    struct search_stem *stems;
    size_t n_stems;
};

/* 0; -EINVAL: limits above are passed; -EBADMSG: the tables are damaged; -ENOMEM. */
int search_query(const struct rd *rd, struct arena *arena, const struct search_request *request,
                 struct search_result *ret) must_check;

/* Reads a hit's key, of the same snapshot, unless it is there. 0; -EBADMSG: the tables are damaged; -ENOMEM. */
int search_key(const struct rd *rd, struct arena *arena, struct search_hit *hit) must_check;
/* The document that was put under the key. -ENOENT: there is none; -EBADMSG. */
int search_document_of(const struct rd *rd, struct slice key, uint32_t *ret) must_check;

/* Whether a word, as in text_token.word, is of no help in telling documents apart: a query looks for it only if it has no other. */
bool search_is_filler(const char *word);

/* Bytes [start, end) of a text. */
struct search_span {
    uint32_t start, end;
};

/* Where the words of a document's text are that `result` matched by, at most `max`, in order. Of a compound only the part, if
 * only a part is meant. */
int search_highlight(struct arena *arena, const struct search_result *result, const char *text,
                     size_t len, size_t max, struct search_span **ret, size_t *ret_n) must_check;
