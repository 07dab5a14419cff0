/* mail_testing.h - for tests only: whether a composed message has the lines that were meant, and no other. */
#pragma once
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "common/mail.h"

/* The end of the line at `at`, or NULL: a line that is no line. */
static inline const char *mail_testing_line(const char *at, const char *end)
{
    for (const char *p = at; p < end; p++) {
        if (*p == '\0' || *p == '\n')
            return NULL;
        if (*p == '\r')
            return p + 1 < end && p[1] == '\n' ? p : NULL;
    }
    return NULL;
}

/* The next header that must come, in the order of mail.c; NULL after the last. */
static inline const char *mail_testing_header(const struct mail *m, size_t i)
{
    bool told = false;
    const char *all[13 + MAIL_HEADERS_MAX] = { "Date", "From", "To" };
    size_t n = 3;

    if (m->reply_to.address)
        all[n++] = "Reply-To";
    all[n++] = "Subject";
    all[n++] = "Message-ID";
    for (size_t h = 0; h < m->n_headers; h++) {
        all[n++] = m->headers[h].name;
        told = told || strcasecmp(m->headers[h].name, "Auto-Submitted") == 0;
    }
    if (!told)
        all[n++] = "Auto-Submitted";
    all[n++] = "Content-Language";
    all[n++] = "MIME-Version";
    all[n++] = "Content-Type";
    if (!m->html)
        all[n++] = "Content-Transfer-Encoding";
    return i < n ? all[i] : NULL;
}

static inline bool mail_testing_ascii(const char *from, const char *to)
{
    for (; from < to; from++)
        if (*from < ' ' || *from > '~')
            return false;
    return true;
}

/* NULL, or what is wrong with a message composed of `m`. */
static inline const char *mail_testing_problem(const struct mail *m, const struct buf *b)
{
    const char *at = (const char *)b->data, *end = at + b->len, *eol;
    size_t header = 0, boundaries = 0;

    for (; (eol = mail_testing_line(at, end)) && eol > at; at = eol + 2) {
        if (eol - at > 998 || !mail_testing_ascii(at, eol))
            return "a header line that is too long, or not ASCII";
        if (*at == ' ') {
            if (header == 0 || strspn(at, " ") >= (size_t)(eol - at))
                return "a folded line that continues nothing, or with nothing";
            continue;
        }
        const char *name = mail_testing_header(m, header++);
        size_t len = name ? strlen(name) : 0;
        if (!name || (size_t)(eol - at) < len + 2 || memcmp(at, name, len) != 0 || at[len] != ':' ||
            at[len + 1] != ' ')
            if (!name || (size_t)(eol - at) != len + 1 || at[len] != ':')
                return "a header that was not meant";
    }
    if (!eol || mail_testing_header(m, header))
        return "a header is missing, or a line in them has no end";
    for (at = eol + 2; at < end; at = eol + 2) {
        eol = mail_testing_line(at, end);
        if (!eol)
            return "a line has no end, or holds half of one";
        if (eol - at > 76)
            return "a line of a text is too long";
        if (eol > at && (eol[-1] == ' ' || eol[-1] == '\t'))
            return "a blank at the end of a line";
        boundaries += eol - at > 4 && memcmp(at, "--=_", 4) == 0;
    }
    return boundaries == (m->html ? 3 : 0) ? NULL : "a boundary too many, or too few";
}
