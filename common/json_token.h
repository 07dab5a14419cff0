/* json_token.h - the smallest parts of JSON text (RFC 8259), read strictly: white space, strings, numbers.
 *
 * A cursor says what went wrong and where, and stays at the place; the reader turns it into a violation. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

struct json_cursor {
    const uint8_t *p, *end, *start;
    const char *wrong; /* NULL, or what is wrong with the text at p */
};

/* The content of a string, between its quotes. */
struct json_text {
    const uint8_t *raw;
    size_t raw_len;
    size_t len;   /* once escapes are resolved */
    bool escaped; /* raw and resolved text differ */
    bool nul;     /* holds \u0000 */
};

struct json_number {
    bool negative;
    bool exact; /* the value is mantissa * 10^exponent; else more digits than fit */
    uint64_t mantissa;
    int exponent;
    const uint8_t *from;
};

void json_blanks_long(struct json_cursor *c);

static inline void json_blanks(struct json_cursor *c)
{
    if (c->p < c->end && *c->p <= ' ')
        json_blanks_long(c);
}

/* The next character after blanks, or 0 at the end. */
static inline uint8_t json_peek(struct json_cursor *c)
{
    json_blanks(c);
    return c->p < c->end ? *c->p : 0;
}

/* Reads a string; the cursor stands on its opening quote. Checks UTF-8, escapes, surrogates. */
bool json_read_text(struct json_cursor *c, struct json_text *ret) must_check;
/* Writes the resolved text, t->len bytes. */
void json_resolve(const struct json_text *t, uint8_t *to);
/* Reads a number; what follows must end it. `in_quotes`: the cursor stands behind an opening quote and ends behind the
 * closing one. */
bool json_read_number(struct json_cursor *c, bool in_quotes, struct json_number *ret) must_check;
/* The number as an integer's magnitude. False when it has a fraction or needs more than 64 bits. */
bool json_integer(const struct json_number *n, uint64_t *ret_magnitude) must_check;
double json_real(const struct json_number *n);
/* Reads a literal such as "true". */
bool json_read_word(struct json_cursor *c, const char *word) must_check;
/* Reads past any one value nested at most `depth` levels deep. */
bool json_skip(struct json_cursor *c, unsigned depth) must_check;
