/* text.c - folding, sort keys and formats of text. All of it works on bounded buffers on the stack, since apply() runs
 * it for every row of an import. */
#include "services/directory/text.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/ucol.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

enum { UNITS_IN = 512, UNITS_OUT = 2048 };

/* Opened once and only read afterwards: opening a collator takes a hundred times as long as using it. */
static UCollator *swedish;
static const UNormalizer2 *decomposer;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static void open_icu(void)
{
    UErrorCode status = U_ZERO_ERROR;
    swedish = ucol_open("sv", &status);
    decomposer = unorm2_getNFDInstance(&status);
}

/* Longer text is cut: no name is, since the proto bounds them. */
static int32_t to_units(const char *text, UChar units[UNITS_IN])
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t len = 0;
    u_strFromUTF8WithSub(units, UNITS_IN, &len, text, -1, 0xfffd, NULL, &status);
    return len < UNITS_IN ? len : UNITS_IN;
}

/* The next code point. (ICU's macros do this, but not without sign conversions.) */
static uint32_t next_code_point(const UChar *units, int32_t n, int32_t *at)
{
    uint32_t c = units[(*at)++];
    if (c >= 0xd800 && c < 0xdc00 && *at < n && units[*at] >= 0xdc00 && units[*at] < 0xe000)
        c = 0x10000 + ((c - 0xd800) << 10) + (units[(*at)++] - 0xdc00U);
    return c;
}

/* Returns false when the code point no longer fits. */
static bool put(struct text_folded *f, size_t *len, uint32_t c)
{
    uint8_t bytes[U8_MAX_LENGTH];
    int32_t n = 0;
    U8_APPEND_UNSAFE(bytes, n, c);
    if (*len + (size_t)n > TEXT_FOLD_MAX)
        return false;
    memcpy(f->text + *len, bytes, (size_t)n);
    *len += (size_t)n;
    return true;
}

void text_fold(const char *name, struct text_folded *ret)
{
    *ret = (struct text_folded) { 0 };
    pthread_once(&opened, open_icu);

    UChar in[UNITS_IN], lower[UNITS_OUT], out[UNITS_OUT];
    UErrorCode status = U_ZERO_ERROR;
    int32_t n = to_units(name, in);
    n = u_strFoldCase(lower, UNITS_OUT, in, n, U_FOLD_CASE_DEFAULT, &status);
    if (U_FAILURE(status))
        return;
    n = unorm2_normalize(decomposer, lower, n, out, UNITS_OUT, &status);
    if (U_FAILURE(status))
        return;

    size_t len = 0;
    bool space = false, word = true;
    for (int32_t i = 0; i < n;) {
        uint32_t c = next_code_point(out, n, &i);
        uint32_t category = U_MASK(u_charType((UChar32)c));
        if (category & U_GC_M_MASK)
            continue;
        if (category & (U_GC_P_MASK | U_GC_S_MASK | U_GC_C_MASK)) {
            word = true;
            continue;
        }
        if (category & U_GC_Z_MASK) {
            space = word = true;
            continue;
        }
        if (space && len > 0 && !put(ret, &len, ' '))
            break;
        space = false;
        size_t at = len;
        if (!put(ret, &len, c))
            break;
        if (word && ret->n_words < TEXT_WORDS_MAX)
            ret->words[ret->n_words++] = (uint16_t)at;
        word = false;
    }
    ret->text[len] = '\0';
}

size_t text_sort_key(const char *name, uint8_t ret[TEXT_SORT_MAX])
{
    pthread_once(&opened, open_icu);
    UChar units[UNITS_IN];
    int32_t n = to_units(name, units);
    uint8_t key[UNITS_OUT * 2];
    int32_t len = ucol_getSortKey(swedish, units, n, key, sizeof(key));
    if (len <= 0)
        return 0;
    len--; /* its closing zero */
    size_t take = len < TEXT_SORT_MAX ? (size_t)len : TEXT_SORT_MAX;
    memcpy(ret, key, take);
    return take;
}

void text_host(const char *url, char ret[TEXT_FOLD_MAX + 1])
{
    ret[0] = '\0';
    const char *host = strstr(url, "://");
    if (!host)
        return;
    host += 3;
    if (strncasecmp(host, "www.", 4) == 0)
        host += 4;
    size_t len = strcspn(host, "/?#:");
    if (len > TEXT_FOLD_MAX)
        return;
    for (size_t i = 0; i < len; i++)
        ret[i] = (char)tolower((unsigned char)host[i]);
    ret[len] = '\0';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_is_slug(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > 100 || text[0] == '-' || text[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '-' ? text[i + 1] == '-' : !is_lower(text[i]) && !is_digit(text[i]))
            return false;
    }
    return true;
}

bool text_is_url(const char *text)
{
    const char *rest = NULL;
    if (strncmp(text, "http://", 7) == 0)
        rest = text + 7;
    if (strncmp(text, "https://", 8) == 0)
        rest = text + 8;
    if (!rest)
        return false;
    size_t host = strcspn(rest, "/?#");
    if (host == 0 || memchr(rest, '@', host))
        return false;
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '"' || *p == '<' || *p == '>' ||
            *p == '\\')
            return false;
    }
    return true;
}

bool text_is_line(const char *text)
{
    bool visible = false;
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return false;
        if ((unsigned char)*p == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0)
            return false;
        visible = visible || *p != ' ';
    }
    return visible;
}

bool text_is_digits(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(text[i]))
            return false;
    }
    return text[count] == '\0';
}

bool text_is_phone(const char *text)
{
    bool digits = false;
    for (const char *p = text; *p; p++) {
        digits = digits || is_digit(*p);
        if (!is_digit(*p) && !strchr(" -()", *p) && !(*p == '+' && p == text))
            return false;
    }
    return digits;
}

size_t text_length(const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p; p++)
        n += ((unsigned char)*p & 0xc0) != 0x80;
    return n;
}

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* given.family, also given-name.family and given.m.family: letters on both sides of a dot. */
static bool is_personal_local_part(const char *text, size_t len)
{
    bool dot = false;
    size_t letters = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.') {
            if (letters == 0)
                return false;
            dot = true;
            letters = 0;
        } else if (is_letter(text[i])) {
            letters++;
        } else if (text[i] != '-') {
            return false;
        }
    }
    return dot && letters > 0;
}

bool text_is_personal_email(const char *email)
{
    const char *at = strchr(email, '@');
    return at && is_personal_local_part(email, (size_t)(at - email));
}

bool text_has_personal_email(const char *text)
{
    for (const char *at = strchr(text, '@'); at; at = strchr(at + 1, '@')) {
        const char *start = at;
        while (start > text && (is_letter(start[-1]) || is_digit(start[-1]) || start[-1] == '.' ||
                                start[-1] == '-' || start[-1] == '_'))
            start--;
        if (is_personal_local_part(start, (size_t)(at - start)))
            return true;
    }
    return false;
}

/* Month 1-12 and day 1-31, or 61-91 in a coordination number, then four digits. */
static bool is_personal_number(const char *yymmdd, const char *last_four)
{
    int month = (yymmdd[2] - '0') * 10 + (yymmdd[3] - '0');
    int day = (yymmdd[4] - '0') * 10 + (yymmdd[5] - '0');
    if (day > 60)
        day -= 60;
    return month >= 1 && month <= 12 && day >= 1 && day <= 31 && text_is_digits(last_four, 4);
}

bool text_has_personal_number(const char *text)
{
    for (const char *p = text; *p;) {
        if (!is_digit(*p)) {
            p++;
            continue;
        }
        size_t n = strspn(p, "0123456789");
        const char *after = p + n;
        char last[5] = { 0 };
        if (n == 10 || n == 12) {
            memcpy(last, after - 4, 4);
            if (is_personal_number(after - 10, last))
                return true;
        }
        if ((n == 6 || n == 8) && (*after == '-' || *after == '+') &&
            strspn(after + 1, "0123456789") == 4) {
            memcpy(last, after + 1, 4);
            if (is_personal_number(after - 6, last))
                return true;
        }
        p = after;
    }
    return false;
}
