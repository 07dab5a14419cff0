/* text_internal.h - what the files behind text.h share. */
#pragma once
#include "common/text.h"

enum { TEXT_NO_CHARACTER = 0x110000 };

/* Of a character that is not ASCII. */
uint32_t text_code_point_long(const char *text, size_t len, size_t *at);

/* The code point at `*at`, which is below `len`; moves past it. A byte that is not UTF-8 is TEXT_NO_CHARACTER. */
static inline uint32_t text_code_point(const char *text, size_t len, size_t *at)
{
    if ((unsigned char)text[*at] < 0x80)
        return (unsigned char)text[(*at)++];
    return text_code_point_long(text, len, at);
}

/* The forms of one word in the arena: `word` itself must already be there and normalised. */
struct text_forms {
    const char *folded;
    const char *stem;
    const char *folded_stem;
};
int text_make_forms(struct arena *a, const char *word, struct text_forms *ret) must_check;

/* A number for what the stemmer makes of a fixed list of words. */
uint32_t text_stemmer_digest(void);
