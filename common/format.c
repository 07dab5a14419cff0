/* format.c - one small function for each shape of text.
 *
 * Letters beyond ASCII are allowed where people write them: in e-mail addresses and web addresses too, since
 * organisations publish them so (IDN). What a text means is not judged here, only its shape. */
#include "common/format.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "common/macros.h"
#include "common/utf8.h"
#include "fokus/v1/options.pb-c.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z');
}

/* ASCII letters and digits, and every byte of a character beyond ASCII. */
static bool is_word(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || (uint8_t)c >= 0x80;
}

static bool is_slug(const char *s, size_t len)
{
    if (len < 1 || len > 100 || s[0] == '-' || s[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_lower_alnum(s[i]) && !(s[i] == '-' && s[i - 1] != '-'))
            return false;
    return true;
}

static int number_at(const char *s, size_t digits)
{
    int n = 0;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit(s[i]))
            return -1;
        n = n * 10 + (s[i] - '0');
    }
    return n;
}

static bool is_date(const char *s, size_t len)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (len != 10 || s[4] != '-' || s[7] != '-')
        return false;
    int year = number_at(s, 4), month = number_at(s + 5, 2), day = number_at(s + 8, 2);
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

/* No C0 or C1 control character, no DEL; a line also holds no Unicode line or paragraph separator. */
static bool has_control(const char *text, size_t len, bool line)
{
    const uint8_t *s = (const uint8_t *)text;

    for (size_t i = 0; i < len; i++) {
        if (len - i >= 8) {
            uint64_t word = utf8_word(s + i);
            if (!utf8_below_or_high(word, 0x20) && !utf8_holds(word, 0x7f)) {
                i += 7;
                continue;
            }
        }
        if (s[i] < 0x20 && (line || (s[i] != '\n' && s[i] != '\t')))
            return true;
        if (s[i] == 0x7f || (s[i] == 0xc2 && s[i + 1] < 0xa0))
            return true;
        if (line && s[i] == 0xe2 && s[i + 1] == 0x80 && (s[i + 2] == 0xa8 || s[i + 2] == 0xa9))
            return true;
    }
    return false;
}

/* Labels of letters, digits and inner hyphens, with single dots between. */
static bool is_domain(const char *s, size_t len, size_t *ret_labels)
{
    size_t labels = 0, start = 0;

    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && s[i] != '.') {
            if (!is_word(s[i]) && s[i] != '-' && s[i] != '_')
                return false;
            continue;
        }
        size_t n = i - start;
        if (n == 0 || n > 63 || s[start] == '-' || s[i - 1] == '-')
            return false;
        labels++;
        start = i + 1;
    }
    *ret_labels = labels;
    return true;
}

static bool is_host(const char *s, size_t len)
{
    size_t labels;

    if (len > 2 && s[0] == '[') { /* an IPv6 address: its characters are enough here */
        if (s[len - 1] != ']')
            return false;
        for (size_t i = 1; i < len - 1; i++)
            if (!strchr("0123456789abcdefABCDEF:.", s[i]))
                return false;
        return true;
    }
    return is_domain(s, len, &labels);
}

static bool is_port(const char *s, size_t len)
{
    if (len < 1 || len > 5)
        return false;
    int port = number_at(s, len);
    return port >= 1 && port <= 65535;
}

static bool is_url(const char *s, size_t len)
{
    size_t chars;

    if (!utf8_check((const uint8_t *)s, len, &chars) || chars < 8 || chars > 2000)
        return false;
    if (has_control(s, len, true))
        return false;
    for (size_t i = 0; i < len; i++)
        if (strchr(" <>\"\\", s[i]))
            return false;
    size_t scheme = strncasecmp(s, "http://", 7) == 0    ? 7
                    : strncasecmp(s, "https://", 8) == 0 ? 8
                                                         : 0;
    if (scheme == 0)
        return false;

    const char *authority = s + scheme;
    size_t n = 0;
    while (scheme + n < len && !strchr("/?#", authority[n]))
        n++;
    if (n == 0 ||
        memchr(authority, '@', n)) /* Security: a user name makes an address look like another's. */
        return false;
    const char *bracket = memchr(authority, ']', n);
    const char *from = bracket ? bracket : authority;
    const char *colon = memchr(from, ':', n - (size_t)(from - authority));
    size_t host = colon ? (size_t)(colon - authority) : n;
    if (colon && !is_port(colon + 1, n - host - 1))
        return false;
    return is_host(authority, host);
}

static bool is_email(const char *s, size_t len)
{
    const char *at = memchr(s, '@', len);
    size_t labels;

    if (!at || at == s || len > 254 || at - s > 64 || has_control(s, len, true))
        return false;
    size_t local = (size_t)(at - s);
    if (s[0] == '.' || s[local - 1] == '.')
        return false;
    for (size_t i = 0; i < local; i++) {
        if (s[i] == '.' && s[i + 1] == '.')
            return false;
        if (!is_word(s[i]) && !strchr("!#$%&'*+-/=?^_`{|}~.", s[i]))
            return false;
    }
    return is_domain(at + 1, len - local - 1, &labels) && labels >= 2;
}

static bool is_phone(const char *s, size_t len)
{
    size_t digits = 0;

    if (len > 40)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (is_digit(s[i]))
            digits++;
        else if (!strchr(" -()", s[i]) && !(s[i] == '+' && i == 0))
            return false;
    }
    return digits >= 2 && digits <= 15;
}

static bool is_uuid(const char *s, size_t len)
{
    if (len != 36)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? s[i] != '-' : !(is_digit(s[i]) || (s[i] >= 'a' && s[i] <= 'f')))
            return false;
    }
    return true;
}

const char *format_problem(int format, const char *s, size_t len)
{
    switch ((Fokus__V1__StringFormat)format) {
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_SLUG:
        return is_slug(s, len) ? NULL
                               : "must be a slug: 1 to 100 of a-z, 0-9 and single hyphens inside, "
                                 "such as reumatikerforbundet";
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_URL:
        return is_url(s, len) ? NULL
                              : "must be a web address of at most 2000 characters that begins with "
                                "https:// or http:// and holds no user name or spaces";
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_DATE:
        return is_date(s, len) ? NULL : "must be a calendar date, YYYY-MM-DD";
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_EMAIL:
        return is_email(s, len) ? NULL : "must be an e-mail address, such as info@example.se";
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_PHONE:
        return is_phone(s, len) ? NULL
                                : "must be a telephone number: 2 to 15 digits with spaces, hyphens "
                                  "or parentheses between, a plus sign only first";
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_LINE:
        return has_control(s, len, true)
                   ? "must be one line of text without control characters or line breaks"
                   : NULL;
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_TEXT:
        return has_control(s, len, false)
                   ? "must be text without control characters other than line feed and tab"
                   : NULL;
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_UUID:
        return is_uuid(s, len) ? NULL : "must be a UUID in lower-case hexadecimal with hyphens";
    case FOKUS__V1__STRING_FORMAT__STRING_FORMAT_UNSPECIFIED:
        PB_SENTINEL(FOKUS__V1__STRING_FORMAT) : break;
    }
    return NULL;
}
