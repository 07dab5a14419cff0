/* mail.c - checks every value, then writes.
 *
 * Not libcurl's curl_mime, though libcurl sends: it gives its bytes only to a connection (a maildir needs them, and so does a test),
 * draws its boundary by chance, passes CR and LF in headers through, and has no encoded words at all. What is left is short.
 *
 * The boundary begins with "=_", which no quoted-printable text can hold: there two hexadecimal digits or a line's end follow
 * each "=" (RFC 2045, 6.7, says so). */
#include "common/mail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/format.h"
#include "common/utf8.h"
#include "fokus/v1/options.pb-c.h"

enum {
    LINE_CHARS =
        76, /* of quoted-printable (RFC 2045, 6.7) and of lines with encoded words (RFC 2047, 2) */
    QUOTED_CHARS = 60, /* of a name in quotes, which cannot be folded everywhere */
    FIELD_CHARS = 40,
};

static const char plain_type[] = "text/plain", html_type[] = "text/html";

/* The addresses as they go out. */
struct addresses {
    struct mail_address from, to, reply_to;
};

/* ---- checks ---- */

/* The bidirectional controls U+202A to U+202E and U+2066 to U+2069. */
static bool turns_direction(const char *s)
{
    for (; (s = strstr(s, "\xe2")); s++) {
        uint8_t middle = (uint8_t)s[1], last = middle ? (uint8_t)s[2] : 0;
        if (middle == 0x80 ? last >= 0xaa && last <= 0xae
                           : middle == 0x81 && last >= 0xa6 && last <= 0xa9)
            return true;
    }
    return false;
}

static int check_text(const char *field, const char *value, size_t max, int format, struct err *err)
{
    size_t len, chars;

    if (!value)
        return err_set(err, EINVAL, "%s: must be given", field);
    len = strnlen(value, max + 1);
    if (len > max)
        return err_set(err, EINVAL, "%s: must be at most %zu bytes", field, max);
    if (!utf8_check((const uint8_t *)value, len, &chars))
        return err_set(err, EINVAL, "%s: must be UTF-8", field);
    const char *problem = format_problem(format, value, len);
    return problem ? err_set(err, EINVAL, "%s: %s", field, problem) : 0;
}

static int check_line(const char *field, const char *value, size_t max, struct err *err)
{
    int r = check_text(field, value, max, FOKUS__V1__STRING_FORMAT__STRING_FORMAT_LINE, err);

    if (r == 0 && turns_direction(value))
        r = err_set(err, EINVAL, "%s: must not turn the direction of text", field);
    return r;
}

static int check_party(const char *field, const struct mail_party *p, struct mail_address *ret,
                       struct err *err)
{
    char name[FIELD_CHARS];

    (void)snprintf(name, sizeof(name), "%s.name", field);
    int r = p->name ? check_line(name, p->name, MAIL_NAME_MAX, err) : 0;
    if (r < 0)
        return r;
    if (!p->address)
        return err_set(err, EINVAL, "%s.address: must be given", field);
    const char *problem = mail_address_read(p->address, strlen(p->address), ret);
    return problem ? err_set(err, EINVAL, "%s.address: %s", field, problem) : 0;
}

/* Of these characters only. */
static int check_word(const char *field, const char *value, size_t max, const char *also,
                      struct err *err)
{
    size_t n = value ? strnlen(value, max + 1) : 0;
    bool good = n > 0 && n <= max;

    for (size_t i = 0; good && i < n; i++)
        good = (value[i] >= 'a' && value[i] <= 'z') || (value[i] >= 'A' && value[i] <= 'Z') ||
               (value[i] >= '0' && value[i] <= '9') || strchr(also, value[i]);
    return good ? 0
                : err_set(err, EINVAL, "%s: must be 1 to %zu of a-z, A-Z, 0-9 and %s", field, max,
                          also);
}

/* Security: a list of what may be, so that nothing can address a copy, replace what is written here, or speak for a relay. */
static bool is_further_header(const char *name)
{
    static const char *const whole[] = { "Auto-Submitted", "Feedback-ID", "In-Reply-To",
                                         "Precedence", "References" };

    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        if (strcasecmp(name, whole[i]) == 0)
            return true;
    return strncasecmp(name, "List-", 5) == 0 || strncasecmp(name, "X-", 2) == 0;
}

static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if ((uint8_t)*s >= 0x80)
            return false;
    return true;
}

static int check_header(const struct mail_header *h, size_t i, struct err *err)
{
    char field[FIELD_CHARS];

    (void)snprintf(field, sizeof(field), "headers[%zu].name", i);
    int r = check_word(field, h->name, 60, "-", err);
    if (r == 0 && !is_further_header(h->name))
        r = err_set(err, EINVAL, "%s: is not among those that may be added", field);
    (void)snprintf(field, sizeof(field), "headers[%zu].value", i);
    if (r == 0)
        r = check_line(field, h->value, MAIL_VALUE_MAX, err);
    if (r == 0 && (!h->value[strspn(h->value, " ")] || !is_ascii(h->value)))
        r = err_set(err, EINVAL, "%s: must be ASCII, and not empty", field);
    return r;
}

static int check(const struct mail *m, struct addresses *ret, struct err *err)
{
    static const int64_t last_ms = 253402300799999; /* the year 9999 ends */

    int r = check_party("from", &m->from, &ret->from, err);
    if (r == 0)
        r = check_party("to", &m->to, &ret->to, err);
    if (r == 0 && m->reply_to.address)
        r = check_party("reply_to", &m->reply_to, &ret->reply_to, err);
    if (r == 0)
        r = check_line("subject", m->subject, MAIL_SUBJECT_MAX, err);
    if (r == 0 && !m->subject[0])
        r = err_set(err, EINVAL, "subject: must not be empty");
    if (r == 0)
        r = check_text("text", m->text, MAIL_TEXT_MAX, FOKUS__V1__STRING_FORMAT__STRING_FORMAT_TEXT,
                       err);
    if (r == 0 && m->html)
        r = check_text("html", m->html, MAIL_TEXT_MAX, FOKUS__V1__STRING_FORMAT__STRING_FORMAT_TEXT,
                       err);
    if (r == 0)
        r = check_word("id", m->id, MAIL_ID_MAX, "-_", err);
    if (r == 0)
        r = check_word("language", m->language, 35, "-", err);
    if (r == 0 && (m->date_ms < 0 || m->date_ms > last_ms))
        r = err_set(err, EINVAL, "date_ms: must be in the years 1970 to 9999");
    if (r == 0 && m->n_headers > MAIL_HEADERS_MAX)
        r = err_set(err, EINVAL, "headers: must be at most %d", MAIL_HEADERS_MAX);
    for (size_t i = 0; r == 0 && i < m->n_headers; i++)
        r = check_header(&m->headers[i], i, err);
    return r;
}

/* ---- headers ---- */

/* Bytes of the character at `s`, which is valid UTF-8. */
static size_t char_len(const char *s)
{
    const uint8_t *p = (const uint8_t *)s;

    return *p < 0x80 ? 1 : utf8_sequence(p, p + strnlen(s, 4));
}

static void write_escape(struct buf *b, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";
    const char escape[3] = { '=', digits[byte >> 4], digits[byte & 15] };

    buf_append(b, escape, sizeof(escape));
}

/* The characters that stand for themselves in an encoded word also in a name (RFC 2047, 5). */
static bool is_plain_in_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("!*+-/", c);
}

/* Encoded words, whole characters in each, on lines of their own but for the first, which stands at `column`. Something is before
 * each on its line, so that none is longer than the 75 characters it may have. Returns the column after them. */
static size_t write_encoded(struct buf *b, const char *text, size_t column)
{
    static const char begin[] = "=?utf-8?Q?", end[] = "?=";
    bool open = false;

    while (*text) {
        size_t n = char_len(text);
        size_t need = n == 1 && (is_plain_in_word(*text) || *text == ' ') ? 1 : 3 * n;
        if (open && column + need + strlen(end) > LINE_CHARS) {
            buf_append_str(b, "?=\r\n ");
            column = 1;
            open = false;
        }
        if (!open) {
            buf_append_str(b, begin);
            column += strlen(begin);
            open = true;
        }
        if (need > 1)
            for (size_t i = 0; i < n; i++)
                write_escape(b, (uint8_t)text[i]);
        else
            buf_append_byte(b, *text == ' ' ? '_' : (uint8_t)*text);
        text += n;
        column += need;
    }
    buf_append_str(b, end);
    return column + strlen(end);
}

/* Whether the text can stand as it is: ASCII, without what a reader would decode, and with spaces only where a line may be folded. */
static bool is_plain(const char *text)
{
    size_t len = strlen(text), word = 0;

    if (!is_ascii(text) || strstr(text, "=?") || strstr(text, "  ") || text[0] == ' ' ||
        text[len - 1] == ' ')
        return false;
    for (size_t i = 0; i < len; i++) {
        word = text[i] == ' ' ? 0 : word + 1;
        if (word >= LINE_CHARS)
            return false;
    }
    return true;
}

/* A header of words with spaces between; lines are folded at them. */
static void write_words(struct buf *b, const char *name, const char *value)
{
    size_t column = strlen(name) + 1;
    bool first = true;

    buf_printf(b, "%s:", name);
    while (*value) {
        size_t n = strcspn(value, " ");
        if (n > 0 && !first && column + 1 + n > LINE_CHARS) {
            buf_append_str(b, "\r\n");
            column = 0;
        }
        if (n > 0) {
            buf_append_byte(b, ' ');
            buf_append(b, value, n);
            column += 1 + n;
            first = false;
        }
        value += n + (value[n] == ' ');
    }
    buf_append_str(b, "\r\n");
}

static void write_subject(struct buf *b, const char *subject)
{
    static const char begin[] = "Subject: ";

    if (is_plain(subject)) {
        write_words(b, "Subject", subject);
        return;
    }
    buf_append_str(b, begin);
    (void)write_encoded(b, subject, strlen(begin)); /* nothing follows on its line */
    buf_append_str(b, "\r\n");
}

static void write_party(struct buf *b, const char *header, const char *name, const char *address)
{
    size_t column = strlen(header) + 2;

    buf_printf(b, "%s: ", header);
    if (name && name[0]) {
        if (is_ascii(name) && !strstr(name, "=?") && strlen(name) <= QUOTED_CHARS) {
            buf_append_byte(b, '"');
            for (const char *p = name; *p; p++, column++) {
                if (*p == '"' || *p == '\\') {
                    buf_append_byte(b, '\\');
                    column++;
                }
                buf_append_byte(b, (uint8_t)*p);
            }
            buf_append_byte(b, '"');
            column += 2;
        } else {
            column = write_encoded(b, name, column);
        }
        buf_append_str(b, column + strlen(address) + 3 > LINE_CHARS ? "\r\n <" : " <");
    } else {
        buf_append_byte(b, '<');
    }
    buf_printf(b, "%s>\r\n", address);
}

/* In UTC, without locales. */
static void write_date(struct buf *b, int64_t date_ms)
{
    static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = date_ms / 1000;
    struct tm t;

    if (!gmtime_r(&seconds, &t)) { /* only for years past an int */
        b->failed = true;
        return;
    }
    buf_printf(b, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[t.tm_wday], t.tm_mday,
               months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static void write_headers(struct buf *b, const struct mail *m, const struct addresses *a)
{
    bool told = false; /* that no person wrote it */

    write_date(b, m->date_ms);
    write_party(b, "From", m->from.name, a->from.to);
    write_party(b, "To", m->to.name, a->to.to);
    if (m->reply_to.address)
        write_party(b, "Reply-To", m->reply_to.name, a->reply_to.to);
    write_subject(b, m->subject);
    buf_printf(b, "Message-ID: <%s%s>\r\n", m->id, strchr(a->from.to, '@'));
    for (size_t i = 0; i < m->n_headers; i++) {
        write_words(b, m->headers[i].name, m->headers[i].value);
        told = told || strcasecmp(m->headers[i].name, "Auto-Submitted") == 0;
    }
    if (!told)
        buf_append_str(b, "Auto-Submitted: auto-generated\r\n");
    buf_printf(b, "Content-Language: %s\r\nMIME-Version: 1.0\r\n", m->language);
}

/* ---- texts ---- */

/* Quoted-printable (RFC 2045, 6.7). No line is broken within a character. */
static void write_text(struct buf *b, const char *text)
{
    size_t column = 0;

    while (*text) {
        if (*text == '\n') {
            buf_append_str(b, "\r\n");
            column = 0;
            text++;
            continue;
        }
        size_t n = char_len(text);
        bool last = text[n] == '\n' || text[n] == '\0';
        bool blank = *text == ' ' || *text == '\t';
        bool plain = blank ? !last : *text > ' ' && *text <= '~' && *text != '=';
        size_t need = plain ? 1 : 3 * n;
        if (column + need > (last ? LINE_CHARS : LINE_CHARS - 1)) {
            buf_append_str(b, "=\r\n");
            column = 0;
        }
        if (plain)
            buf_append_byte(b, (uint8_t)*text);
        else
            for (size_t i = 0; i < n; i++)
                write_escape(b, (uint8_t)text[i]);
        text += n;
        column += need;
    }
}

/* A part's headers and its text, and the end of its last line. */
static void write_part(struct buf *b, const char *type, const char *text)
{
    buf_printf(b,
               "Content-Type: %s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               type);
    write_text(b, text);
}

static void write_body(struct buf *b, const struct mail *m)
{
    if (!m->html) {
        size_t len = strlen(m->text);
        write_part(b, plain_type, m->text);
        if (len == 0 || m->text[len - 1] != '\n')
            buf_append_str(b, "\r\n");
        return;
    }
    buf_printf(b, "Content-Type: multipart/alternative;\r\n boundary=\"=_%s\"\r\n\r\n", m->id);
    buf_printf(b, "--=_%s\r\n", m->id);
    write_part(b, plain_type, m->text);
    buf_printf(b, "\r\n--=_%s\r\n", m->id);
    write_part(b, html_type, m->html);
    buf_printf(b, "\r\n--=_%s--\r\n", m->id);
}

int mail_compose(const struct mail *m, struct buf *ret, struct err *err)
{
    struct addresses a;

    int r = check(m, &a, err);
    if (r < 0)
        return r;
    write_headers(ret, m, &a);
    write_body(ret, m);
    return ret->failed ? err_set(err, ENOMEM, "the message does not fit into memory") : 0;
}
