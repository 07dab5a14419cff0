/* utf8.h - text from outside: is it UTF-8, and how many characters is it? */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether the bytes are UTF-8 (RFC 3629: no over-long forms, no surrogates, nothing past U+10FFFF) without a NUL.
 * `ret_chars` gets the number of code points. */
bool utf8_check(const uint8_t *text, size_t len, size_t *ret_chars);

/* Length in bytes of the one valid multi-byte sequence at `p`, or 0 when there is none. `*p` is 0x80 or above. */
size_t utf8_sequence(const uint8_t *p, const uint8_t *end);

/* Takes out of a text, in place, what is not UTF-8: printf's "%.100s" counts bytes and may cut a character of a quoted text in two.
 * Returns the text; NULL stays NULL. */
char *utf8_mend(char *text);

/* Writes a code point (not a surrogate, at most U+10FFFF) and returns how many of the four bytes it took. */
size_t utf8_encode(uint32_t code_point, uint8_t to[4]);

/* Eight bytes at once, for the loops over plain ASCII. */
static inline uint64_t utf8_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

#define UTF8_ONES  0x0101010101010101ull
#define UTF8_HIGHS 0x8080808080808080ull

/* Exact only as a yes or no: is a byte of `word` below `limit` (at most 128), or is one 0x80 or above? */
static inline bool utf8_below_or_high(uint64_t word, uint8_t limit)
{
    return ((word | (word - UTF8_ONES * limit)) & UTF8_HIGHS) != 0;
}

/* Exact only as a yes or no, for words without high bytes: does the word hold `byte` (below 128)? */
static inline bool utf8_holds(uint64_t word, uint8_t byte)
{
    return (((word ^ (UTF8_ONES * byte)) - UTF8_ONES) & UTF8_HIGHS) != 0;
}
