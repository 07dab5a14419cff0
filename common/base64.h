/* base64.h - bytes as text (RFC 4648): base64 both ways, and the digits of hexadecimal. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* Characters that `len` bytes become, padding included. */
static inline size_t base64_encoded_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* Writes the standard alphabet, padded to whole groups or not; returns the place after it. */
uint8_t *base64_encode(uint8_t *to, const uint8_t *bytes, size_t len, bool padded);

enum base64_kind {
    BASE64_ANY, /* the standard or the URL-safe alphabet */
    BASE64_URL, /* the URL-safe one only, and no bits set that mean nothing: one text for each bytes */
};

/* Bytes that `len` characters become at most. */
static inline size_t base64_decoded_max(size_t len)
{
    return len / 4 * 3 + 3;
}

/* Decodes padded or unpadded text; `to` may be where the text stands. Returns the bytes written, or -1. */
ptrdiff_t base64_decode(struct slice text, enum base64_kind kind, uint8_t *to);

/* The value of a hexadecimal digit in either case, or -1. */
static inline int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
