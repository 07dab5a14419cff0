/* search_likeness.h - how easily one word is written for another: private to search_words.c, which walks a dictionary with it.
 *
 * A cost is in quarters of a letter. What sounds alike in Swedish costs half a letter, so that "skitzofreni" is one letter from
 * "schizofreni" and "fibromyalgy" half of one from "fibromyalgi"; a slip of the finger costs three quarters; anything else is an edit. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

enum {
    LIKENESS_EDIT = 4,  /* a letter put in, left out, or another one */
    LIKENESS_SLIP = 3,  /* neighbours exchanged, or the key beside the right one */
    LIKENESS_SOUND = 2, /* letters that sound the same, or a letter doubled or not */
    LIKENESS_FAR = 200, /* as good as any other word */
    LIKENESS_QUERY_MAX = 64,
    LIKENESS_ROWS = LIKENESS_QUERY_MAX + 6,
    LIKENESS_LETTERS = 26,
};

/* The rows of a Damerau-Levenshtein matrix, of which those that two words share are computed once. */
struct likeness {
    const uint8_t *query;
    unsigned len, limit, band;
    bool same_start;
    unsigned rows;                               /* row[0..rows] are right for word[0..rows) */
    uint8_t word[LIKENESS_ROWS];                 /* that the rows are of */
    uint8_t best[LIKENESS_ROWS + 1];             /* the least of each row */
    uint64_t query_ends[LIKENESS_QUERY_MAX + 1]; /* which groups of letters end there */
    uint64_t groups_by_end[LIKENESS_LETTERS];    /* those whose last letter it is */
    uint64_t groups;                             /* those that the query has the other side of */
    uint32_t inside;                             /* letters that stand before the last of these */
    uint8_t exchange[LIKENESS_QUERY_MAX][LIKENESS_LETTERS];
    uint8_t row[LIKENESS_ROWS + 1][LIKENESS_QUERY_MAX + 2];
};

/* `query` is folded and outlives `l`. Costs above `limit` are not told apart. `same_start`: only words that begin with the same
 * sound. False: the query is too long to be compared. */
bool likeness_begin(struct likeness *l, const char *query, unsigned limit,
                    bool same_start) must_check;
/* Where the next word that may be near stands at the earliest: it has `same` bytes with this one and then a byte of `letter` or
 * above, which may be 256. `letter` 0: it may be the very next word. */
struct likeness_next {
    size_t same;
    unsigned letter;
};
/* What it costs to have written the query for this word, or LIKENESS_FAR. Quick for words in order, of which each begins like the one
 * before. */
unsigned likeness_cost(struct likeness *l, const uint8_t *word, size_t len,
                       struct likeness_next *ret_next);
