/* mail_address.c - ICU does what is about Unicode: the domain's ASCII form and what it could be taken for. What is about mail is here,
 * and comes first: bytes that could end a header line or a command are refused before anything else sees them. */
#include "common/mail_address.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/uidna.h>
#include <unicode/uspoof.h>

#include "common/utf8.h"

enum { UNICODE_BYTES = 4 * MAIL_ADDRESS_MAX };

static const char no_unicode[] = "cannot be checked: ICU's tables are missing";

static pthread_once_t once = PTHREAD_ONCE_INIT;
static UIDNA *names;
static USpoofChecker *spoofs;

/* For the life of the process; both may be used by many threads at once. */
static void open_icu(void)
{
    UErrorCode status = U_ZERO_ERROR;
    USet *usual = uset_openEmpty();

    names = uidna_openUTS46(UIDNA_USE_STD3_RULES | UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
                                UIDNA_CHECK_CONTEXTO | UIDNA_NONTRANSITIONAL_TO_ASCII |
                                UIDNA_NONTRANSITIONAL_TO_UNICODE,
                            &status);
    spoofs = uspoof_open(&status);
    uspoof_setRestrictionLevel(spoofs, USPOOF_HIGHLY_RESTRICTIVE);
    uspoof_setChecks(spoofs,
                     USPOOF_RESTRICTION_LEVEL | USPOOF_INVISIBLE | USPOOF_CHAR_LIMIT |
                         USPOOF_MIXED_NUMBERS | USPOOF_HIDDEN_OVERLAY,
                     &status);
    if (U_SUCCESS(status) && usual) {
        uset_addAll(usual, uspoof_getRecommendedSet(&status));
        uset_addAll(usual, uspoof_getInclusionSet(&status));
        uspoof_setAllowedChars(spoofs, usual, &status);
    }
    uset_close(usual);
    if (U_FAILURE(status) || !usual) {
        uidna_close(names);
        names = NULL;
    }
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* What must not be in an address at all. */
static const char *check_bytes(const char *s, size_t len)
{
    size_t chars;

    if (memchr(s, '\0', len))
        return "must not hold NUL";
    if (memchr(s, '\r', len) || memchr(s, '\n', len))
        return "must not hold line breaks";
    if (len > MAIL_ADDRESS_MAX)
        return "must be at most 254 bytes";
    if (!utf8_check((const uint8_t *)s, len, &chars))
        return "must be UTF-8";
    for (size_t i = 0; i < len; i++) {
        if (s[i] == ' ')
            return "must not hold spaces";
        if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f)
            return "must not hold control characters";
        if (strchr("<>\"(),:;\\[]", s[i]))
            return "must be the address alone, such as anna@example.se, without <>, quotes, "
                   "brackets or lists";
    }
    return NULL;
}

static const char *check_local(const char *s, size_t len)
{
    if (len == 0)
        return "must have something before the @";
    if (len > MAIL_LOCAL_MAX)
        return "must have at most 64 bytes before the @";
    for (size_t i = 0; i < len; i++) {
        if ((uint8_t)s[i] >= 0x80)
            return "must have only letters a to z, digits and signs before the @: addresses with "
                   "other letters there cannot be delivered to everywhere";
        if (s[i] == '.' ? i == 0 || i == len - 1 || s[i + 1] == '.'
                        : !is_letter_or_digit(s[i]) && !strchr("!#$%&'*+-/=?^_`{|}~", s[i]))
            return "must have letters, digits and signs before the @, and dots only between them";
    }
    return NULL;
}

/* The letters of Western Europe, which everybody tells from those without a mark: ß to ÿ, and œ. */
static bool is_western(const char *label, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)label[i] >= 0x80) {
            uint8_t c = (uint8_t)label[i], d = (uint8_t)label[++i];
            if (!(c == 0xc3 && d >= 0x9f) && !(c == 0xc5 && d == 0x93))
                return false;
        }
    return true;
}

static bool is_ascii(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)s[i] >= 0x80)
            return false;
    return true;
}

/* Could the label be taken for another? It is valid UTF-8. */
static const char *check_look_alike(const char *label, size_t len)
{
    char bones[18 * UNICODE_BYTES]; /* one character may become 18 */
    UErrorCode status = U_ZERO_ERROR;

    if (is_ascii(label, len))
        return NULL;
    int32_t found = uspoof_check2UTF8(spoofs, label, (int32_t)len, NULL, &status);
    if (U_SUCCESS(status) && found != 0)
        return "must not have a domain that mixes scripts or holds unusual characters: it could be "
               "taken for another's";
    if (is_western(label, len))
        return NULL;
    int32_t n =
        uspoof_getSkeletonUTF8(spoofs, 0, label, (int32_t)len, bones, sizeof(bones), &status);
    if (U_FAILURE(status) || n > (int32_t)sizeof(bones) || is_ascii(bones, (size_t)n))
        return "must not have a domain whose letters look like others: it could be taken for "
               "another's";
    return NULL;
}

/* Each label of a domain in ASCII, as people see it. */
static const char *check_labels(const char *domain, size_t len)
{
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode status = U_ZERO_ERROR;
    char seen[UNICODE_BYTES];

    int32_t n =
        uidna_nameToUnicodeUTF8(names, domain, (int32_t)len, seen, sizeof(seen), &info, &status);
    if (U_FAILURE(status) || info.errors)
        return "must have a domain that can be in DNS, such as example.se";
    for (const char *at = seen, *end = seen + n; at < end;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        size_t label = (size_t)((dot ? dot : end) - at);
        const char *problem = check_look_alike(at, label);
        if (problem)
            return problem;
        at += label + 1;
    }
    return NULL;
}

/* The domain in lower-case ASCII, at most `room` bytes. */
static const char *read_domain(const char *s, size_t len, char *ret, size_t room, size_t *ret_len)
{
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode status = U_ZERO_ERROR;
    char ascii[MAIL_ADDRESS_MAX + 1] = { 0 };

    if (len == 0 || memchr(s, '@', len))
        return "must have one @ and a domain after it";
    int32_t n =
        uidna_nameToASCII_UTF8(names, s, (int32_t)len, ascii, MAIL_ADDRESS_MAX, &info, &status);
    if (status == U_BUFFER_OVERFLOW_ERROR || (U_SUCCESS(status) && n > (int32_t)room))
        return "must be at most 254 bytes, its domain written in ASCII (xn--...)";
    if (U_FAILURE(status) || info.errors || n == 0 || !is_ascii(ascii, (size_t)n))
        return "must have a domain that can be in DNS, such as example.se";
    const char *last = memrchr(ascii, '.', (size_t)n);
    if (!last || last == ascii + n - 1)
        return "must have a whole domain after the @, such as example.se";
    size_t tail = (size_t)(ascii + n - last - 1);
    if (strspn(last + 1, "0123456789") >= tail)
        return "must have a domain after the @, not a network address";
    const char *problem = check_labels(ascii, (size_t)n);
    if (problem)
        return problem;
    memcpy(ret, ascii, (size_t)n);
    *ret_len = (size_t)n;
    return NULL;
}

const char *mail_address_read(const char *text, size_t len, struct mail_address *ret)
{
    struct mail_address a = { 0 };
    size_t domain_len;

    if (pthread_once(&once, open_icu) != 0 || !names)
        return no_unicode;
    if (len == 0)
        return "must not be empty";
    const char *problem = check_bytes(text, len);
    if (problem)
        return problem;
    const char *at = memchr(text, '@', len);
    if (!at)
        return "must have one @ and a domain after it";
    size_t local = (size_t)(at - text);
    problem = check_local(text, local);
    if (problem)
        return problem;
    problem = read_domain(at + 1, len - local - 1, a.to + local + 1, MAIL_ADDRESS_MAX - local - 1,
                          &domain_len);
    if (problem)
        return problem;
    memcpy(a.to, text, local + 1);
    memcpy(a.key, a.to, local + 1 + domain_len);
    for (size_t i = 0; i < local; i++)
        if (a.key[i] >= 'A' && a.key[i] <= 'Z')
            a.key[i] = (char)(a.key[i] + ('a' - 'A'));
    *ret = a;
    return NULL;
}

/* Bytes of the blank at the text's beginning or end; 0: none there. */
static size_t blank_at(const char *text, size_t len, bool end)
{
    int32_t at = 0, n = len > MAIL_ADDRESS_MAX * 8 ? 0 : (int32_t)len;
    UChar32 c = -1;

    if (n == 0)
        return 0;
    if (end) {
        at = n;
        U8_PREV((const uint8_t *)text, 0, at, c);
        at = n - at;
    } else {
        U8_NEXT((const uint8_t *)text, at, n, c);
    }
    return c == '\t' || (c >= 0 && u_charType(c) == U_SPACE_SEPARATOR) ? (size_t)at : 0;
}

const char *mail_normalise_address(const char *typed, size_t len, struct mail_address *ret)
{
    size_t n;

    while ((n = blank_at(typed, len, false)) > 0) {
        typed += n;
        len -= n;
    }
    while ((n = blank_at(typed, len, true)) > 0)
        len -= n;
    return mail_address_read(typed, len, ret);
}
