/* search_guess.h - guesses at a word of the query: private to search_meaning.c, which knows when to guess. */
#pragma once
#include "common/search_likeness.h"
#include "common/search_meaning.h"

/* Words, or else words with synonyms, that begin with the folded letters; `unfinished`: phrases with synonyms, too. */
int guess_begun(struct query *q, size_t at, const char *folded, bool unfinished) must_check;
/* What words with synonyms stand for that differ from the word only in how it is derived, or in its vague last part, if it has one. */
int guess_akin(struct query *q, size_t at, const struct text_part *vague) must_check;
enum { AKIN_LETTERS = 5 }; /* of a stem that words derived from one another share; bytes */
enum { GUESSED_WORDS = 4, GUESSED_SYNONYMS = 2 };

/* The words that one of the query was most easily written for. */
struct guess {
    unsigned cost; /* as in search_likeness.h; LIKENESS_FAR: there are none */
    size_t n, n_lay;
    struct candidate words[GUESSED_WORDS + GUESSED_SYNONYMS]; /* `n` that documents have, */
    struct candidate lay[GUESSED_SYNONYMS];                   /* and some that have synonyms */
};
/* Looks for them up to a cost. */
int guess_find(struct query *q, size_t at, unsigned cost, struct guess *ret) must_check;
/* Takes the word for them: adds what has them, and what they are synonyms of, and tells so in the query's result. */
int guess_take(struct query *q, size_t at, struct guess *g) must_check;
/* How many letters of the word may be wrong. */
unsigned guess_letters(const char *folded);
