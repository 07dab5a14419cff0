/* base64.c - see base64.h. */
#include "common/base64.h"

uint8_t *base64_encode(uint8_t *to, const uint8_t *p, size_t len, bool padded)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (; len >= 3; len -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *to++ = (uint8_t)digits[v >> 18];
        *to++ = (uint8_t)digits[v >> 12 & 63];
        *to++ = (uint8_t)digits[v >> 6 & 63];
        *to++ = (uint8_t)digits[v & 63];
    }
    if (len) {
        uint32_t v = (uint32_t)p[0] << 16 | (len == 2 ? (uint32_t)p[1] << 8 : 0);
        *to++ = (uint8_t)digits[v >> 18];
        *to++ = (uint8_t)digits[v >> 12 & 63];
        if (len == 2)
            *to++ = (uint8_t)digits[v >> 6 & 63];
        for (size_t i = len; padded && i < 3; i++)
            *to++ = '=';
    }
    return to;
}

static int digit_of(uint8_t c, enum base64_kind kind)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-' || (c == '+' && kind == BASE64_ANY))
        return 62;
    if (c == '_' || (c == '/' && kind == BASE64_ANY))
        return 63;
    return -1;
}

ptrdiff_t base64_decode(struct slice text, enum base64_kind kind, uint8_t *to)
{
    const uint8_t *start = to;
    size_t n = text.len, padding = 0;
    uint32_t bits = 0;

    while (n && padding < 2 && text.data[n - 1] == '=') {
        n--;
        padding++;
    }
    if (n % 4 == 1 || (padding && (n + padding) % 4 != 0))
        return -1;
    for (size_t i = 0; i < n; i++) {
        int digit = digit_of(text.data[i], kind);
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 3) {
            *to++ = (uint8_t)(bits >> 16);
            *to++ = (uint8_t)(bits >> 8);
            *to++ = (uint8_t)bits;
        }
    }
    unsigned unused = n % 4 == 2 ? 4 : n % 4 == 3 ? 2 : 0;
    if (kind == BASE64_URL && (bits & ((1u << unused) - 1)))
        return -1;
    if (unused == 4) {
        *to++ = (uint8_t)(bits >> 4);
    } else if (unused == 2) {
        *to++ = (uint8_t)(bits >> 10);
        *to++ = (uint8_t)(bits >> 2);
    }
    return to - start;
}
