/* mail_pipe.c - composing and sending mail as a filter, for tests in other languages.
 *
 *   mail-pipe compose                  answers: '+' and the message, or '-' and why not
 *   mail-pipe send HOME TIMEOUT_MS     answers: RESULT CODE ENHANCED TEXT, where a tab stands between; the first, without a
 *                                      request, is where mail goes. SIGTERM stops what is under way
 *
 * Requests on stdin, answers on stdout, until the end of stdin: each u32 length of the rest (little-endian), then the rest. A request
 * is "name=value" strings with a NUL after each: from, from_name, to, to_name, reply_to, reply_to_name, subject, text, html, id,
 * language, date_ms, header (NAME:VALUE). What is missing is a good default. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail_send.h"

enum { REQUEST_MAX = 16 * 1024 * 1024 };

static struct mail_transport *transport;

static void stop(int signal)
{
    (void)signal;
    if (transport)
        mail_transport_stop(transport);
}

static bool answer(const void *bytes, size_t len)
{
    uint32_t n = (uint32_t)len;

    return fwrite(&n, sizeof(n), 1, stdout) == 1 && fwrite(bytes, 1, len, stdout) == len &&
           fflush(stdout) == 0;
}

/* Fills the mail with pointers into the request. */
static void read_request(char *at, const char *end, struct mail *m, struct mail_header *headers)
{
    const struct {
        const char *name;
        const char **value;
    } fields[] = {
        { "from", &m->from.address },
        { "from_name", &m->from.name },
        { "to", &m->to.address },
        { "to_name", &m->to.name },
        { "reply_to", &m->reply_to.address },
        { "reply_to_name", &m->reply_to.name },
        { "subject", &m->subject },
        { "text", &m->text },
        { "html", &m->html },
        { "id", &m->id },
        { "language", &m->language },
    };

    for (char *next; at < end; at = next) {
        next = at + strlen(at) + 1;
        char *value = strchr(at, '=');
        if (!value)
            continue;
        *value++ = '\0';
        for (size_t i = 0; i < ARRAY_LEN(fields); i++)
            if (strcmp(at, fields[i].name) == 0)
                *fields[i].value = value;
        if (strcmp(at, "date_ms") == 0)
            m->date_ms = strtoll(value, NULL, 10);
        char *colon = strchr(value, ':');
        if (strcmp(at, "header") == 0 && colon && m->n_headers <= MAIL_HEADERS_MAX) {
            *colon = '\0';
            headers[m->n_headers++] = (struct mail_header) { value, colon + 1 };
        }
    }
    m->headers = headers;
}

static bool compose(const struct mail *m)
{
    struct buf b = BUF_INIT(MAIL_MAX + 1);
    struct err err;

    buf_append_byte(&b, '+');
    if (mail_compose(m, &b, &err) < 0) {
        buf_clear(&b);
        buf_printf(&b, "-%s", err.text);
    }
    bool ok = answer(b.data, b.len);
    buf_free(&b);
    return ok;
}

static bool send(const struct mail *m)
{
    struct mail_report report;
    struct err err;
    char text[600];

    if (mail_send(transport, m, &report, &err) < 0)
        (void)snprintf(text, sizeof(text), "invalid\t0\t\t%s", err.text);
    else
        (void)snprintf(text, sizeof(text), "%s\t%d\t%s\t%s", mail_result_name(report.result),
                       report.code, report.enhanced, report.text);
    return answer(text, strlen(text));
}

static bool serve(const char *from)
{
    uint32_t len;

    while (fread(&len, sizeof(len), 1, stdin) == 1 && len <= REQUEST_MAX) {
        char *request = calloc(1, (size_t)len + 1);
        struct mail_header headers[MAIL_HEADERS_MAX + 1];
        struct mail m = {
            .from.address = from,
            .to.address = "anna@example.se",
            .subject = "subject",
            .text = "text\n",
            .id = "id",
            .language = "en",
        };
        bool ok = request && fread(request, 1, len, stdin) == len;
        if (ok) {
            read_request(request, request + len, &m, headers);
            ok = transport ? send(&m) : compose(&m);
        }
        free(request);
        if (!ok)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct err err;

    if (argc == 2 && strcmp(argv[1], "compose") == 0)
        return serve("fokus@example.se") ? 0 : 1;
    if (argc != 4 || strcmp(argv[1], "send") != 0) {
        fprintf(stderr, "usage: mail-pipe compose | send HOME TIMEOUT_MS\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* as every service does; valid arguments */
    struct mail_settings settings = mail_settings_given(argv[2]);
    settings.timeout_ms = (int)strtol(argv[3], NULL, 10);
    if (mail_transport_open(&transport, &settings, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)signal(SIGTERM, stop); /* likewise */
    const char *where = mail_transport_where(transport);
    bool ok = answer(where, strlen(where)) && serve(NULL);
    mail_transport_close(transport);
    return ok ? 0 : 1;
}
