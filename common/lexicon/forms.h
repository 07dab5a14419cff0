/* forms.h - the forms of all words, collected in any order, then sorted and merged into one value for each spelling. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

/* One reason for a spelling to be in the lexicon. */
struct form {
    const char *key;   /* case folded */
    const char *lemma; /* what it is an inflection of; NULL when only a linking form */
    const char *plain; /* the lemma with its diacritics, where the key has lost them */
    const char *base;  /* what it is a linking form of; NULL for none */
    uint16_t flags;    /* enum lexicon_flag */
    bool folded;       /* the key has lost its diacritics */
    uint32_t
        weight; /* the lemma with the greatest decides; equal ones in the order of their letters */
};

struct forms;

struct forms *forms_new(void);
void forms_free(struct forms *f);

/* Adds a form and, where it has diacritics, the same without. Copies the strings. Text that is more than letters is ignored.
 * `base` and `lemma` may be NULL. */
int forms_add(struct forms *f, const char *key, const char *lemma, const char *base, uint16_t flags,
              uint32_t weight) must_check;

/* Sorts and merges; afterwards each key is there once. */
int forms_merge(struct forms *f) must_check;

size_t forms_count(const struct forms *f);
const struct form *forms_at(const struct forms *f, size_t i);
/* After merging: the form with this key, or NULL. */
const struct form *forms_find(const struct forms *f, const char *key);
