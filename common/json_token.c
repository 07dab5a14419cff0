/* json_token.c - strings and numbers of JSON text, and values nobody wants. */
#include "common/json_token.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/json_text.h"

static bool wrong(struct json_cursor *c, const char *what)
{
    c->wrong = what;
    return false;
}

void json_blanks_long(struct json_cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
        c->p++;
}

/* ---- strings ---- */

/* Four hexadecimal digits, or -1. */
static int32_t hex_unit(const uint8_t *p, const uint8_t *end)
{
    int32_t unit = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* The code point of the escape at `p` (a backslash) and its length in the text; 0 length: no sound escape. */
static size_t escape_at(const uint8_t *p, const uint8_t *end, uint32_t *ret)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

    if (end - p < 2)
        return 0;
    if (p[1] != 'u') {
        const char *at = p[1] ? strchr(from, p[1]) : NULL;
        if (!at)
            return 0;
        *ret = (uint8_t)to[at - from];
        return 2;
    }
    int32_t unit = hex_unit(p + 2, end);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return 0;
    *ret = (uint32_t)unit;
    if (unit < 0xd800 || unit > 0xdbff)
        return 6;
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return 0;
    int32_t low = hex_unit(p + 8, end);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *ret = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
    return 12;
}

bool json_read_text(struct json_cursor *c, struct json_text *ret)
{
    const uint8_t *p = c->p + 1, *end = c->end;
    size_t saved = 0; /* how much shorter escapes become */
    uint8_t scratch[4];

    *ret = (struct json_text) { .raw = p };
    for (;;) {
        while (end - p >= 8) {
            uint64_t special = json_special(utf8_word(p));
            if (special) {
                p += __builtin_ctzll(special) / 8;
                break;
            }
            p += 8;
        }
        c->p = p;
        if (p == end)
            return wrong(c, "a string without its closing quote");
        if (*p == '"')
            break;
        if (*p >= 0x80) {
            size_t n = utf8_sequence(p, end);
            if (n == 0)
                return wrong(c, "text that is not valid UTF-8");
            p += n;
        } else if (*p == '\\') {
            uint32_t code_point;
            size_t n = escape_at(p, end, &code_point);
            if (n == 0)
                return wrong(c, "an escape that does not exist or half a surrogate pair");
            ret->escaped = true;
            ret->nul |= code_point == 0;
            saved += n - utf8_encode(code_point, scratch);
            p += n;
        } else if (*p < 0x20) {
            return wrong(c, "a control character in a string; write it as an escape");
        } else {
            p++;
        }
    }
    ret->raw_len = (size_t)(p - ret->raw);
    ret->len = ret->raw_len - saved;
    c->p = p + 1;
    return true;
}

void json_resolve(const struct json_text *t, uint8_t *to)
{
    const uint8_t *p = t->raw, *end = p + t->raw_len;

    if (!t->escaped) {
        memcpy(to, p, t->raw_len);
        return;
    }
    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
            continue;
        }
        uint32_t code_point;
        p += escape_at(p, end, &code_point); /* sound: read before */
        to += utf8_encode(code_point, to);   /* an escape is longer than what it stands for */
    }
}

/* ---- numbers ---- */

enum { EXPONENT_LIMIT = 100000 };

static bool is_digit(const struct json_cursor *c)
{
    return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

/* Takes digits into the mantissa. Returns how many were read. Zeros wait in `zeros` until a digit follows them, so that
 * "1.000..." stays exact however long it is. */
static int take_digits(struct json_cursor *c, struct json_number *n, int *zeros)
{
    const uint8_t *from = c->p;

    for (; is_digit(c); c->p++) {
        if (*c->p == '0') {
            ++*zeros;
            continue;
        }
        for (; n->exact && *zeros > 0 && n->mantissa; --*zeros)
            if (__builtin_mul_overflow(n->mantissa, 10, &n->mantissa))
                n->exact = false;
        *zeros = 0;
        if (__builtin_mul_overflow(n->mantissa, 10, &n->mantissa) ||
            __builtin_add_overflow(n->mantissa, (uint64_t)(*c->p - '0'), &n->mantissa))
            n->exact = false;
    }
    return (int)(c->p - from); /* texts are bounded far below INT_MAX */
}

static bool read_exponent(struct json_cursor *c, int *ret)
{
    bool negative = false;
    int exponent = 0;

    c->p++;
    if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
        negative = *c->p++ == '-';
    if (!is_digit(c))
        return wrong(c, "a number without digits in its exponent");
    for (; is_digit(c); c->p++)
        if (exponent < EXPONENT_LIMIT)
            exponent = exponent * 10 + (*c->p - '0');
    *ret = negative ? -exponent : exponent;
    return true;
}

static bool ends_number(const struct json_cursor *c, bool in_quotes)
{
    if (c->p == c->end)
        return false;
    return in_quotes ? *c->p == '"' : strchr(" \n\r\t,]}", *c->p) && *c->p;
}

bool json_read_number(struct json_cursor *c, bool in_quotes, struct json_number *ret)
{
    int zeros = 0, fraction = 0, exponent = 0;

    *ret = (struct json_number) { .exact = true, .from = c->p };
    if (c->p < c->end && *c->p == '-') {
        ret->negative = true;
        c->p++;
    }
    if (!is_digit(c))
        return wrong(c, "no JSON number");
    if (*c->p == '0') {
        c->p++;
        if (is_digit(c))
            return wrong(c, "a number with a leading zero");
    } else {
        (void)take_digits(c, ret, &zeros); /* only the fraction's count matters */
    }
    if (c->p < c->end && *c->p == '.') {
        c->p++;
        fraction = take_digits(c, ret, &zeros);
        if (fraction == 0)
            return wrong(c, "a number without digits after its point");
    }
    if (c->p < c->end && (*c->p == 'e' || *c->p == 'E') && !read_exponent(c, &exponent))
        return false;
    if (!ends_number(c, in_quotes))
        return wrong(c, "a number with something behind it");
    if (in_quotes)
        c->p++;
    ret->exponent = exponent - fraction + zeros;
    return true;
}

bool json_integer(const struct json_number *n, uint64_t *ret)
{
    uint64_t value = n->mantissa;
    int exponent = n->exponent;

    if (!n->exact)
        return false;
    if (value == 0) {
        *ret = 0;
        return true;
    }
    for (; exponent > 0; exponent--)
        if (__builtin_mul_overflow(value, 10, &value))
            return false;
    for (; exponent < 0 && value % 10 == 0; exponent++)
        value /= 10;
    if (exponent < 0)
        return false;
    *ret = value;
    return true;
}

double json_real(const struct json_number *n)
{
    static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    double value;

    /* Both operands are exact doubles, so one rounding is right. */
    if (n->exact && n->mantissa <= 1ull << 53 && n->exponent >= -22 && n->exponent <= 22) {
        value = (double)n->mantissa;
        value = n->exponent < 0 ? value / powers[-n->exponent] : value * powers[n->exponent];
        return n->negative ? -value : value;
    }
    return strtod((const char *)n->from, NULL); /* ends where the number does: checked when read */
}

/* ---- the rest ---- */

bool json_read_word(struct json_cursor *c, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(c->end - c->p) < len || memcmp(c->p, word, len) != 0)
        return wrong(c, "no JSON value");
    c->p += len;
    return true;
}

static bool skip_members(struct json_cursor *c, uint8_t close, unsigned depth)
{
    struct json_text key;

    c->p++;
    if (json_peek(c) == close) {
        c->p++;
        return true;
    }
    for (;;) {
        if (close == '}') {
            if (json_peek(c) != '"')
                return wrong(c, "an object key that is no string");
            if (!json_read_text(c, &key))
                return false;
            if (json_peek(c) != ':')
                return wrong(c, "a key without a colon behind it");
            c->p++;
        }
        if (!json_skip(c, depth - 1))
            return false;
        uint8_t next = json_peek(c);
        if (next != close && next != ',')
            return wrong(c, close == '}' ? "no comma or closing brace after a value"
                                         : "no comma or closing bracket after a value");
        c->p++;
        if (next == close)
            return true;
    }
}

bool json_skip(struct json_cursor *c, unsigned depth)
{
    struct json_text text;
    struct json_number number;

    switch (json_peek(c)) {
    case '"':
        return json_read_text(c, &text);
    case '{':
    case '[':
        if (depth == 0)
            return wrong(c, "nesting that is too deep");
        return skip_members(c, *c->p == '{' ? '}' : ']', depth);
    case 't':
        return json_read_word(c, "true");
    case 'f':
        return json_read_word(c, "false");
    case 'n':
        return json_read_word(c, "null");
    case 0:
        if (c->p == c->end)
            return wrong(c, "an end where a value should be");
        return wrong(c, "no JSON value");
    default:
        if (*c->p != '-' && (*c->p < '0' || *c->p > '9'))
            return wrong(c, "no JSON value");
        return json_read_number(c, false, &number);
    }
}
