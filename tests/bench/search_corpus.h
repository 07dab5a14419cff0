/* search_corpus.h - an invented corpus for search benches: organisations with a compound for a name and sixty words of text,
 * drawn by Zipf's law from 200,000 Swedish words; the same for every run. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { CORPUS_NAME_BYTES = 256, CORPUS_TEXT_BYTES = 4096, CORPUS_WORDS = 200000 };

struct corpus;

/* Reads the words of the installed hunspell dictionary. NULL: it is missing. */
struct corpus *corpus_new(const char *dictionary);
void corpus_free(struct corpus *c);
/* Document `number`: both closed by NUL. `edition` changes a few words of the text. */
void corpus_document(const struct corpus *c, uint32_t number, uint32_t edition,
                     char name[CORPUS_NAME_BYTES], char text[CORPUS_TEXT_BYTES]);
/* A word that one of the first `documents` has in its text; the same for the same `number`. */
const char *corpus_word(const struct corpus *c, uint32_t documents, uint64_t number);
uint64_t corpus_random(uint64_t *state);
