/* text.c - folding, sort keys, and what the public must not write. All of it works on bounded buffers on the stack, since apply() runs
 * it for every row of an import. */
#include "services/directory/text.h"

#include <ctype.h>
#include <pthread.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/ucol.h>
#include <unicode/ustring.h>

#include "common/personal_number.h"
#include "common/text.h"
#include "common/utf8.h"

enum { UNITS_IN = 512, SORT_ROOM = 4096 };

/* Opened once and only read afterwards: opening a collator takes a hundred times as long as using it. */
static UCollator *swedish;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

/* Longer text is cut: no name is, since the proto bounds them. */
static int32_t to_units(const char *text, UChar units[UNITS_IN])
{
    UErrorCode status = U_ZERO_ERROR;
    int32_t len = 0;
    u_strFromUTF8WithSub(units, UNITS_IN, &len, text, -1, 0xfffd, NULL, &status);
    return len < UNITS_IN ? len : UNITS_IN;
}

static void open_icu(void)
{
    UErrorCode status = U_ZERO_ERROR;
    swedish = ucol_open("sv", &status);
}

/* What a code point does in a folded name. */
enum role { ROLE_OF_LETTER, ROLE_OF_MARK, ROLE_OF_BREAK, ROLE_OF_SPACE };

static enum role role_of(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return ROLE_OF_LETTER;
    uint32_t category = U_MASK(u_charType((UChar32)c));
    if (category & U_GC_M_MASK)
        return ROLE_OF_MARK;
    if (category & (U_GC_P_MASK | U_GC_S_MASK | U_GC_C_MASK))
        return ROLE_OF_BREAK;
    return category & U_GC_Z_MASK ? ROLE_OF_SPACE : ROLE_OF_LETTER;
}

/* The code point at `p`, in UTF-8 that is known to be right. Returns how many bytes it takes. */
static size_t decode(const char *p, uint32_t *ret)
{
    uint8_t lead = (uint8_t)p[0];
    size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((uint8_t)p[i] & 0x3fu);
    *ret = c;
    return n;
}

/* Appends a code point's bytes. False: they no longer fit. */
static bool put(struct text_folded *f, size_t *len, const char *bytes, size_t n)
{
    if (*len + n > TEXT_FOLD_MAX)
        return false;
    memcpy(f->text + *len, bytes, n);
    *len += n;
    return true;
}

/* The fold is common/text's; left out here is what tells no two names apart: punctuation, and all spaces but one. */
void text_fold(const char *name, struct text_folded *ret)
{
    char folded[TEXT_CASEFOLD_MAX * 3];
    size_t n = text_casefold(name, strnlen(name, TEXT_CASEFOLD_MAX), true, folded, sizeof(folded));
    size_t len = 0, next = 0;
    bool space = false, word = true;

    ret->n_words = 0;
    for (size_t i = 0; i < n; i = next) {
        uint32_t c;
        next = i + decode(folded + i, &c);
        enum role role = role_of(c);
        if (role == ROLE_OF_MARK)
            continue;
        if (role != ROLE_OF_LETTER) {
            word = true;
            space = space || role == ROLE_OF_SPACE;
            continue;
        }
        if (space && len > 0 && !put(ret, &len, " ", 1))
            break;
        space = false;
        size_t at = len;
        if (!put(ret, &len, folded + i, next - i))
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
    uint8_t key[SORT_ROOM];
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

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_same_list(char *const *a, size_t n_a, char *const *b, size_t n_b)
{
    bool same = n_a == n_b;
    for (size_t i = 0; i < n_a && same; i++)
        same = strcmp(a[i], b[i]) == 0;
    return same;
}

bool text_is_blank(const char *text)
{
    return text[strspn(text, " ")] == '\0';
}

bool text_is_digits(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(text[i]))
            return false;
    }
    return text[count] == '\0';
}

size_t text_length(const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t len = strlen(text), continuation = 0, i = 0;

    /* A byte that only goes on with a character is 10xxxxxx. */
    for (; len - i >= 8; i += 8) {
        uint64_t word = utf8_word(p + i);
        continuation += (size_t)(((word >> 7) & ~(word >> 6) & UTF8_ONES) * UTF8_ONES >> 56);
    }
    for (; i < len; i++)
        continuation += (p[i] & 0xc0) == 0x80;
    return len - continuation;
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

/* Nothing but the check digit tells ten digits in a row from a telephone number such as 0702234567. */
static bool has_check_digit(const char *yymmdd, const char *last_four)
{
    char number[PERSONAL_NUMBER_DIGITS];
    bool right = false;
    memcpy(number + 2, yymmdd, 6);
    memcpy(number + 8, last_four, 4);
    for (size_t i = 0; i < 2 && !right; i++) {
        memcpy(number, i == 0 ? "19" : "20", 2);
        right = personal_number_ok(number, sizeof(number)) ||
                coordination_number_ok(number, sizeof(number));
    }
    return right;
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
            if (n == 10 ? has_check_digit(after - 10, last) : is_personal_number(after - 10, last))
                return true;
        }
        if ((n == 6 || n == 8) && *after && strchr("-+ ", *after) &&
            strspn(after + 1, "0123456789") == 4) {
            memcpy(last, after + 1, 4);
            if (*after == ' ' ? has_check_digit(after - 6, last)
                              : is_personal_number(after - 6, last))
                return true;
        }
        p = after;
    }
    return false;
}
