/* search_guess.h - guesses at a word of the query: private to search_meaning.c, which knows when to guess. */
#pragma once
#include "common/search_meaning.h"

/* Words, or else words with synonyms, that begin with the folded letters. */
int guess_begun(struct query *q, size_t at, const char *folded) must_check;
/* The words that this one was most easily written for, at a cost (search_likeness.h) of no more than so much, and what these are
 * synonyms of. Tells the query's result what it took the word for. */
int guess_alike(struct query *q, size_t at, unsigned cost) must_check;
/* How many letters of the word may be wrong. */
unsigned guess_letters(const char *folded);
