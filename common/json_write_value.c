/* json_write_value.c - single values as JSON: strings, numbers, bytes. */
#include "common/json_writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base64.h"

static uint8_t *put_escape(uint8_t *to, uint8_t c)
{
    static const char short_form[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    static const char digits[] = "0123456789abcdef";

    *to++ = '\\';
    for (size_t i = 0; i < sizeof(short_form) - 1; i += 2) {
        if ((uint8_t)short_form[i] == c) {
            *to++ = (uint8_t)short_form[i + 1];
            return to;
        }
    }
    memcpy(to, "u00", 3);
    to[3] = (uint8_t)digits[c >> 4];
    to[4] = (uint8_t)digits[c & 15];
    return to + 5;
}

/* Writes a JSON string. Invalid UTF-8 becomes U+FFFD when `repair`, else false. */
bool writer_string(struct buf *out, const uint8_t *s, size_t len, bool repair)
{
    const uint8_t *end = s + len;
    uint8_t *to = json_room(out, len + 10); /* quotes, and a word may be stored past the end */

    if (!to)
        return true;
    *to++ = '"';
    while (s < end) {
        size_t n = (size_t)(end - s) < 8 ? (size_t)(end - s) : 8;
        uint64_t word = n == 8 ? utf8_word(s) : json_part(s, n);
        uint64_t special = json_special(word);
        if (n < 8)
            special &= (1ull << 8 * n) - 1;
        memcpy(to, &word, 8);
        if (special)
            n = (size_t)__builtin_ctzll(special) / 8;
        s += n;
        to += n;
        if (!special)
            continue;
        if (*s >= 0x80) {
            size_t sequence = utf8_sequence(s, end);
            if (sequence) {
                memcpy(to, s, sequence);
                to += sequence;
                s += sequence;
                continue;
            }
            if (!repair)
                return false;
        }
        out->len = (size_t)(to - out->data);
        to = json_room(out, (size_t)(end - s) + 16);
        if (!to)
            return true;
        if (*s >= 0x80) {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        } else {
            to = put_escape(to, *s);
        }
        s++;
    }
    *to++ = '"';
    out->len = (size_t)(to - out->data);
    return true;
}

void json_string(struct buf *out, const char *text, size_t len)
{
    (void)writer_string(out, (const uint8_t *)text, len,
                        true); /* a repairing writer never refuses */
}

static const char two_digits[] = "0001020304050607080910111213141516171819"
                                 "2021222324252627282930313233343536373839"
                                 "4041424344454647484950515253545556575859"
                                 "6061626364656667686970717273747576777879"
                                 "8081828384858687888990919293949596979899";

/* Decimal digits, at most 20. */
void writer_digits(struct buf *out, uint64_t value, bool negative, bool quoted)
{
    char digits[24], *p = digits + sizeof(digits);

    if (quoted)
        *--p = '"';
    while (value >= 100) {
        p -= 2;
        memcpy(p, two_digits + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        p -= 2;
        memcpy(p, two_digits + 2 * value, 2);
    } else {
        *--p = (char)('0' + value);
    }
    if (negative)
        *--p = '-';
    if (quoted)
        *--p = '"';
    put_text(out, p, (size_t)(digits + sizeof(digits) - p));
}

void writer_signed(struct buf *out, int64_t value, bool quoted)
{
    writer_digits(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0, quoted);
}

/* The shortest of a few widths that reads back as the same number. */
void writer_real(struct buf *out, double value, bool single)
{
    char text[40];
    int len = 0;

    if (isnan(value)) {
        put_text(out, "\"NaN\"", 5);
        return;
    }
    if (isinf(value)) {
        put_text(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"", value < 0 ? 11 : 10);
        return;
    }
    if (fabs(value) < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value))) {
        writer_signed(out, (int64_t)value, false);
        return;
    }
    for (int precision = single ? 6 : 15; precision <= (single ? 9 : 17); precision++) {
        len = snprintf(text, sizeof(text), "%.*g", precision, value);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)value : back == value)
            break;
    }
    put_text(out, text, (size_t)len);
}

void writer_base64(struct buf *out, const uint8_t *p, size_t len)
{
    size_t size = base64_encoded_len(len) + 2;
    uint8_t *to = json_room(out, size);

    if (!to)
        return;
    *to++ = '"';
    to = base64_encode(to, p, len, true);
    *to = '"';
    out->len += size;
}
