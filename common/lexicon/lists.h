/* lists.h - what is not in the dictionary: words.txt, and the names of places. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/lexicon/forms.h"

struct listed {
    char word[64];
    char base[64]; /* of an irregular form */
    uint16_t flag; /* enum lexicon_flag; 0 for irregular */
};

struct lists {
    struct listed *all;
    size_t n;
};

/* Reads words.txt. Says on standard error which line is wrong. */
int lists_read(const char *path, struct lists *ret) must_check;
void lists_free(struct lists *l);
/* The flags of a word: those that hold for all its inflections, or those for this spelling alone. */
uint16_t lists_flags(const struct lists *l, const char *word);
/* The base form of an irregular form, or NULL. */
const char *lists_irregular(const struct lists *l, const char *form);

/* Adds the words of the column `name` of a CSV file as places. */
int places_add(struct forms *f, const char *csv_path) must_check;
