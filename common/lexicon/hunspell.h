/* hunspell.h - reads a hunspell dictionary as data: its words with their flags, and its suffix rules.
 *
 * Only what Swedish uses: suffixes (SFX) with flags of one byte, and no prefixes. */
#pragma once
#include <stddef.h>

#include "common/macros.h"

struct suffix_rule {
    char flag;
    char strip[24];
    char add[24];
    char flags[8];      /* of the form it makes: W X U Z */
    char condition[64]; /* such as "[^m]el"; "." holds always */
};

struct word {
    char *text;
    char *flags; /* "" for none */
};

struct dictionary {
    struct suffix_rule *rules;
    size_t n_rules;
    struct word *words;
    size_t n_words;
};

/* Reads both files. On failure says which line was wrong on standard error and returns a negative errno. */
int dictionary_read(const char *aff_path, const char *dic_path, struct dictionary *ret) must_check;
void dictionary_free(struct dictionary *d);

/* Applies the rule to a word, whose form goes to `to`. Returns its length, or 0 when the rule does not fit. */
size_t suffix_apply(const struct suffix_rule *rule, const char *word, char *to, size_t size);
