/* text.h - how names are compared and sorted: by ICU, in the Swedish way.
 *
 * Folded and sort keys end up in table keys, so they are a function of the name and of ICU's version; a new
 * ICU belongs to the schema number (tables.c). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

enum {
    TEXT_FOLD_MAX = 160, /* bytes of a folded name that count */
    TEXT_WORDS_MAX = 12, /* words of a name that can be found by */
    TEXT_SORT_MAX = 160, /* bytes of a sort key that count; the slug decides between equals */
};

/* A name as common/text folds it (no case, no accents), without punctuation and with single spaces: "S.P.E.S. i Skåne" is
 * "spes i skane". */
struct text_folded {
    char text[TEXT_FOLD_MAX + 1];
    uint16_t words[TEXT_WORDS_MAX]; /* where each word begins; one begins after punctuation, too */
    size_t n_words;
};
void text_fold(const char *name, struct text_folded *ret);

/* Bytes that sort as the names do in Swedish: å, ä, ö last, case and accents only between equals. Returns how many. */
size_t text_sort_key(const char *name, uint8_t ret[TEXT_SORT_MAX]);

/* The host of a web address in lower case, without "www."; "" for none. */
void text_host(const char *url, char ret[TEXT_FOLD_MAX + 1]);

/* Whether two lists hold the same texts in the same order. */
bool text_same_list(char *const *a, size_t n_a, char *const *b, size_t n_b);

/* Nothing, or spaces only. */
bool text_is_blank(const char *text);
/* So many digits and nothing else. */
bool text_is_digits(const char *text, size_t count);
/* Code points in valid UTF-8. */
size_t text_length(const char *text);

/* Security: what must not come in from the public. An address such as given.family@ is a person's; twelve
 * digits with a month and a day in them are a personal identity number, ten in a row if the check digit is right. */
bool text_is_personal_email(const char *email);
bool text_has_personal_number(const char *text);
/* An e-mail address somewhere in the text that is a person's. */
bool text_has_personal_email(const char *text);
