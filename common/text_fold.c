/* text_fold.c - one normalisation and one fold for all text: ICU's NFKC with case folding, which also drops what cannot be
 * seen (soft hyphens, joiners), and for `diacritics` the decomposed text without its marks. Letters that Unicode does not
 * decompose but people type without their stroke have a table. */
#include "common/text_internal.h"

#include <pthread.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "common/utf8.h"

enum {
    UNITS_OUT = TEXT_CASEFOLD_MAX * 18
}; /* NFKC makes at most 18 units of one, and NFD no more of what it made */

static const UNormalizer2 *folder, *decomposer;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static void open_icu(void)
{
    UErrorCode status = U_ZERO_ERROR;
    folder = unorm2_getNFKCCasefoldInstance(&status);
    decomposer = unorm2_getNFDInstance(&status);
}

static const struct {
    uint32_t letter;
    const char *plain;
} strokes[] = {
    { 0x00e6, "ae" }, { 0x00f0, "d" }, { 0x00f8, "o" }, { 0x00fe, "th" }, { 0x0111, "d" },
    { 0x0127, "h" },  { 0x0131, "i" }, { 0x0142, "l" }, { 0x0153, "oe" },
};

uint32_t text_code_point_long(const char *text, size_t len, size_t *at)
{
    const uint8_t *p = (const uint8_t *)text + *at;

    size_t n = utf8_sequence(p, (const uint8_t *)text + len);
    *at += n ? n : 1;
    switch (n) {
    case 2:
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    case 3:
        return (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    case 4:
        return (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
    }
    return TEXT_NO_CHARACTER;
}

/* What is in nearly every Swedish text: ASCII, and the letters of Latin-1 that are their own composed form. */
static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x80)
            continue;
        if (c != 0xc3 || i + 1 == len)
            return false;
        unsigned char next = (unsigned char)text[++i];
        if (next < 0x80 || next > 0xbf || next == 0x9f || next == 0x97 || next == 0xb7) /* ß × ÷ */
            return false;
    }
    return true;
}

/* The letter without its diacritics, of those in U+00E0..U+00FF; "" where the letter has a stroke or is none. */
static const char latin1[] = "aaaaaa\0ceeeeiiii\0nooooo\0\0uuuuy\0y";

static size_t append(char *to, size_t room, size_t at, const char *bytes, size_t n)
{
    if (at + n > room)
        return 0;
    memcpy(to + at, bytes, n);
    return n;
}

static const char *plain_letter(uint32_t letter)
{
    for (size_t i = 0; i < ARRAY_LEN(strokes); i++) {
        if (strokes[i].letter == letter)
            return strokes[i].plain;
    }
    return NULL;
}

static size_t fold_plain(const char *text, size_t len, bool diacritics, char *to, size_t room)
{
    size_t n = 0, added = 1;

    for (size_t i = 0; i < len && added > 0; n += added) {
        unsigned char c = (unsigned char)text[i++];
        if (c < 0x80) {
            char lower = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
            added = append(to, room, n, &lower, 1);
            continue;
        }
        /* U+00C0..U+00DE are the capitals of U+00E0..U+00FE. */
        unsigned char low = (unsigned char)((unsigned char)text[i++] | 0x20);
        if (!diacritics) {
            added = append(to, room, n, (const char[]) { (char)c, (char)low }, 2);
        } else if (latin1[low - 0xa0]) {
            added = append(to, room, n, &latin1[low - 0xa0], 1);
        } else {
            const char *plain = plain_letter(0x40u + low);
            added = append(to, room, n, plain, strlen(plain));
        }
    }
    return n;
}

/* The next code point of valid UTF-16. (ICU's macros do this, but not without sign conversions.) */
static uint32_t next_unit(const UChar *units, int32_t n, int32_t *at)
{
    uint32_t c = units[(*at)++];
    if (c >= 0xd800 && c < 0xdc00 && *at < n)
        c = 0x10000 + ((c - 0xd800) << 10) + (units[(*at)++] - 0xdc00u);
    return c;
}

/* Writes folded text as UTF-8; without its marks when it was decomposed to lose them. */
static size_t write_units(const UChar *units, int32_t len, bool diacritics, char *to, size_t room)
{
    size_t n = 0, added = 1;

    for (int32_t i = 0; i < len && added > 0; n += added) {
        uint32_t c = next_unit(units, len, &i);
        while (diacritics && i < len && U_MASK(u_charType((UChar32)c)) & U_GC_M_MASK)
            c = next_unit(units, len, &i);
        if (diacritics && U_MASK(u_charType((UChar32)c)) & U_GC_M_MASK)
            break; /* the last was a mark */
        uint8_t bytes[4];
        const char *plain = diacritics ? plain_letter(c) : NULL;
        if (plain)
            added = append(to, room, n, plain, strlen(plain));
        else
            added = append(to, room, n, (const char *)bytes, utf8_encode(c, bytes));
    }
    return n;
}

static size_t fold_any(const char *text, size_t len, bool diacritics, char *to, size_t room)
{
    UChar in[TEXT_CASEFOLD_MAX], folded[UNITS_OUT], decomposed[UNITS_OUT];
    UErrorCode status = U_ZERO_ERROR;
    int32_t n = 0;

    u_strFromUTF8WithSub(in, TEXT_CASEFOLD_MAX, &n, text, (int32_t)len, 0xfffd, NULL, &status);
    n = unorm2_normalize(folder, in, n, folded, UNITS_OUT, &status);
    if (diacritics)
        n = unorm2_normalize(decomposer, folded, n, decomposed, UNITS_OUT, &status);
    if (U_FAILURE(status))
        return 0; /* only without memory: the buffers are as large as Unicode's tables can ask for */
    return write_units(diacritics ? decomposed : folded, n, diacritics, to, room);
}

/* Most words. False: it is not ASCII to the end, or too long. */
static bool fold_ascii(const char *text, size_t len, char *to, size_t room)
{
    if (len > room)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80)
            return false;
        to[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    return true;
}

size_t text_casefold(const char *text, size_t len, bool diacritics, char *to, size_t room)
{
    if (len > TEXT_CASEFOLD_MAX) {
        len = TEXT_CASEFOLD_MAX;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    if (fold_ascii(text, len, to, room))
        return len;
    if (is_plain(text, len))
        return fold_plain(text, len, diacritics, to, room);
    pthread_once(&opened, open_icu);
    return fold_any(text, len, diacritics, to, room);
}
