/* utf8.c - the check of text, eight bytes at a time while it is ASCII. */
#include "common/utf8.h"

size_t utf8_sequence(const uint8_t *p, const uint8_t *end)
{
    size_t left = (size_t)(end - p);

    if (p[0] < 0xc2) /* a continuation byte, or an over-long form of ASCII */
        return 0;
    if (p[0] < 0xe0)
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (p[0] < 0xf0) {
        if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
            return 0;
        if (p[0] == 0xe0 && p[1] < 0xa0) /* over-long */
            return 0;
        if (p[0] == 0xed && p[1] >= 0xa0) /* a surrogate */
            return 0;
        return 3;
    }
    if (p[0] > 0xf4 || left < 4)
        return 0;
    if ((p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80)
        return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90)) /* over-long; too large */
        return 0;
    return 4;
}

bool utf8_check(const uint8_t *text, size_t len, size_t *ret_chars)
{
    const uint8_t *p = text, *end = text + len;
    size_t continuation = 0;

    while (p < end) {
        while (end - p >= 8 && !utf8_below_or_high(utf8_word(p), 1))
            p += 8;
        while (p < end && *p && *p < 0x80) {
            p++;
            if (end - p >= 8 && !utf8_below_or_high(utf8_word(p), 1))
                break;
        }
        if (p == end)
            break;
        if (*p == 0)
            return false;
        while (p < end && *p >= 0x80) {
            size_t n = utf8_sequence(p, end);
            if (n == 0)
                return false;
            continuation += n - 1;
            p += n;
        }
    }
    *ret_chars = len - continuation;
    return true;
}

char *utf8_mend(char *text)
{
    if (!text)
        return NULL;
    uint8_t *to = (uint8_t *)text;
    const uint8_t *p = to, *end = to + strlen(text);

    while (p < end) {
        size_t n = *p < 0x80 ? 1 : utf8_sequence(p, end);
        if (n == 0)
            p++;
        for (; n > 0; n--)
            *to++ = *p++;
    }
    *to = '\0';
    return text;
}

size_t utf8_encode(uint32_t c, uint8_t to[4])
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xc0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}
