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

#include "common/utf8.h"

enum {
    UNITS_IN = 512,
    UNITS_OUT = 2048,
    POINTS_KNOWN = 0x250, /* Latin with all its letters, each of which two bytes encode */
    FOLDED_MAX = 4,       /* code points that one of them folds to */
};

/* What a code point does in a folded name. */
enum role { ROLE_OF_LETTER, ROLE_OF_MARK, ROLE_OF_BREAK, ROLE_OF_SPACE };

/* Opened once and only read afterwards: opening a collator takes a hundred times as long as using it. */
static UCollator *swedish;
static const UNormalizer2 *decomposer;
static struct folded_point {
    uint8_t n;
    uint16_t points[FOLDED_MAX];
    uint8_t roles[FOLDED_MAX];
} folded_points
    [POINTS_KNOWN]; /* what each of the first code points folds to: nearly every name is made of these */
static pthread_once_t opened = PTHREAD_ONCE_INIT;

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

static enum role role_of(uint32_t c)
{
    uint32_t category = U_MASK(u_charType((UChar32)c));

    if (category & U_GC_M_MASK)
        return ROLE_OF_MARK;
    if (category & (U_GC_P_MASK | U_GC_S_MASK | U_GC_C_MASK))
        return ROLE_OF_BREAK;
    return category & U_GC_Z_MASK ? ROLE_OF_SPACE : ROLE_OF_LETTER;
}

/* A name on its way into its folded form. */
struct folding {
    struct text_folded *to;
    size_t len;
    bool space, word, full;
};

static void fold_point(struct folding *f, uint32_t c, enum role role)
{
    if (role == ROLE_OF_MARK || f->full)
        return;
    if (role != ROLE_OF_LETTER) {
        f->word = true;
        f->space = f->space || role == ROLE_OF_SPACE;
        return;
    }
    if (f->space && f->len > 0 && !put(f->to, &f->len, ' ')) {
        f->full = true;
        return;
    }
    f->space = false;
    size_t at = f->len;
    if (!put(f->to, &f->len, c)) {
        f->full = true;
        return;
    }
    if (f->word && f->to->n_words < TEXT_WORDS_MAX)
        f->to->words[f->to->n_words++] = (uint16_t)at;
    f->word = false;
}

/* Case folding first, then decomposition: both look at one code point at a time, but for the order of marks, which are dropped. */
static int32_t fold_units(const UChar *in, int32_t n, UChar out[UNITS_OUT])
{
    UChar lower[UNITS_OUT];
    UErrorCode status = U_ZERO_ERROR;

    n = u_strFoldCase(lower, UNITS_OUT, in, n, U_FOLD_CASE_DEFAULT, &status);
    if (U_SUCCESS(status))
        n = unorm2_normalize(decomposer, lower, n, out, UNITS_OUT, &status);
    return U_SUCCESS(status) ? n : 0;
}

static void fold_any(const char *name, struct folding *f)
{
    UChar in[UNITS_IN], out[UNITS_OUT];

    int32_t n = fold_units(in, to_units(name, in), out);
    for (int32_t i = 0; i < n;) {
        uint32_t c = next_code_point(out, n, &i);
        fold_point(f, c, role_of(c));
    }
}

/* The code point at *at if it is among those known; else 0, as at the end. */
static uint32_t known_point(const uint8_t **at)
{
    const uint8_t *p = *at;

    if (p[0] < 0x80) {
        *at = p + 1;
        return p[0];
    }
    if (p[0] < 0xc2 || p[0] > 0xc8 || (p[1] & 0xc0) != 0x80)
        return 0;
    uint32_t c = (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    *at = p + 2;
    return c;
}

/* False when the name holds more than that, or is so long that fold_any() would cut it. */
static bool fold_known(const char *name, struct folding *f)
{
    const uint8_t *p = (const uint8_t *)name, *end = p + strnlen(name, UNITS_IN);

    if (*end)
        return false;
    while (p < end) {
        uint32_t c = known_point(&p);
        if (c == 0 || c >= POINTS_KNOWN)
            return false;
        const struct folded_point *folded = &folded_points[c];
        for (int i = 0; i < folded->n; i++)
            fold_point(f, folded->points[i], folded->roles[i]);
    }
    return true;
}

static void learn_points(void)
{
    for (uint32_t c = 1; c < POINTS_KNOWN; c++) {
        struct folded_point *folded = &folded_points[c];
        UChar in[1] = { (UChar)c }, out[UNITS_OUT];
        int32_t n = fold_units(in, 1, out);
        for (int32_t i = 0; i < n && i < FOLDED_MAX; i++) {
            folded->points[i] = out[i]; /* none is beyond the sixteen bits of a unit */
            folded->roles[i] = (uint8_t)role_of(out[i]);
            folded->n++;
        }
    }
}

static void open_icu(void)
{
    UErrorCode status = U_ZERO_ERROR;
    swedish = ucol_open("sv", &status);
    decomposer = unorm2_getNFDInstance(&status);
    learn_points();
}

void text_fold(const char *name, struct text_folded *ret)
{
    struct folding f = { .to = ret, .word = true };

    pthread_once(&opened, open_icu);
    ret->n_words = 0;
    if (!fold_known(name, &f)) {
        f = (struct folding) { .to = ret, .word = true };
        ret->n_words = 0;
        fold_any(name, &f);
    }
    ret->text[f.len] = '\0';
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
