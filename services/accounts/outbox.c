/* outbox.c - what accounts does to the world outside: sends the mails that its events queued (service.h's effects).
 *
 * A mail may go out twice when the process dies between sending and recording; its Message-ID is the same then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail_send.h"
#include "common/trace.h"
#include "services/accounts/providers.h"
#include "services/accounts/seals.h"
#include "services/accounts/wording.h"

struct job {
    char *mail;
    MailKind kind;
    MailContent *content; /* NULL: it is too late, or its key is gone */
    int64_t queued_ms;
};

/* ---- finding what is due ---- */

/* The first entry of a table by time. -ENOENT: it is empty. */
static int first_due(const struct query_in *in, const struct table *t, int64_t *ret_due_ms,
                     char **ret_id)
{
    struct scan s;
    int r = -ENOENT;
    scan_from(&s, in->state, t, &KEY_INIT, NULL);
    if (scan_next(&s)) {
        struct key_reader reader = { .rest = s.key };
        *ret_id = arena_alloc(in->arena, ID_CHARS + 1);
        r = !*ret_id ? -ENOMEM
            : key_read_i64(&reader, ret_due_ms) && key_read_text(&reader, *ret_id, ID_CHARS + 1)
                ? 0
                : -EBADMSG;
    }
    int ended = scan_end(&s);
    return ended < 0 ? ended : r;
}

static int read_mail(const struct query_in *in, struct job *job)
{
    MailRow *row;
    int r = rd_get(in->state, &T_MAIL, KEY_TEXT(job->mail), &row);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    job->kind = row->kind;
    job->queued_ms = row->queued_ms;
    if (in->now_ms >= row->expires_ms)
        return 0;
    r = open_message(&SEALING(in), row->slot, AT_MAIL(job->mail), row->sealed,
                     MAIL_CONTENT_DESCRIPTOR, &job->content);
    return r == -ENOENT ? 0 : r;
}

static int next(const struct query_in *in, void **ret_job, int64_t *ret_due_ms)
{
    struct job *job = arena_calloc(in->arena, 1, sizeof(*job));
    if (!job)
        return -ENOMEM;
    *ret_job = NULL;
    *ret_due_ms = INT64_MAX;
    int r = first_due(in, &T_MAIL_DUE, ret_due_ms, &job->mail);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (*ret_due_ms > in->now_ms)
        return 0;
    r = read_mail(in, job);
    if (r == 0)
        *ret_job = job;
    return r;
}

/* ---- doing it ---- */

/* Where people reach us; NULL without memory. */
static const char *site(struct arena *arena)
{
    const char *given = getenv("FOKUS_SITE"), *http = getenv("FOKUS_HTTP");
    if (given && *given)
        return given;
    return arena_printf(arena, "http://%s", http && *http ? http : "127.0.0.1:8080");
}

/* Made at the start; belongs then to the effects' thread, which sends one mail after the other over the same connection. */
static struct mail_transport *transport;

static __attribute__((destructor)) void close_transport(void)
{
    mail_transport_close(transport);
}

static int open_transport(const char *home, struct err *err)
{
    struct mail_settings settings = mail_settings_given(home);
    return transport ? 0 : mail_transport_open(&transport, &settings, err);
}

int accounts_start(const char *home, struct err *err)
{
    int r = open_transport(home, err);
    if (r == 0)
        r = providers_open(home, err);
    if (r == 0)
        trace_log(TRACE_INFO, "mail goes out", "where", mail_transport_where(transport), NULL);
    return r;
}

static MailResult send_mail(const struct effect_in *in, const struct job *job, uint32_t *ret_code)
{
    struct mail mail = { .from = { .name = "Fokus" }, .id = job->mail, .date_ms = job->queued_ms };
    struct mail_report report = { .result = MAIL_RETRY };
    struct err err = { "" };
    if (!job->content)
        return MAIL_RESULT_REFUSED;
    if (open_transport(in->home, &err) < 0) {
        trace_log(TRACE_ERROR, "mail cannot be sent", "why", err.text, NULL);
        return MAIL_RESULT_DEFERRED;
    }
    mail.to.address = job->content->address;
    const char *link = site(in->arena);
    int r = link ? wording_of(in->arena, job->kind, job->content, link, &mail) : -ENOMEM;
    if (r == 0)
        r = mail_send(transport, &mail, &report, &err);
    if (r < 0) {
        trace_log(TRACE_ERROR, "a mail cannot be written", "mail", job->mail, "why", err.text,
                  NULL);
        return r == -EINVAL ? MAIL_RESULT_REFUSED : MAIL_RESULT_DEFERRED;
    }
    *ret_code = report.code > 0 ? (uint32_t)report.code : 0;
    if (report.result != MAIL_SENT)
        trace_log(TRACE_WARNING, "a mail was not sent", "mail", job->mail, "result",
                  mail_result_name(report.result), "why", report.text, NULL);
    return report.result == MAIL_SENT      ? MAIL_RESULT_SENT
           : report.result == MAIL_REFUSED ? MAIL_RESULT_REFUSED
                                           : MAIL_RESULT_DEFERRED;
}

static void carry_out(const struct effect_in *in, void *arg, struct chore *ret)
{
    static RecordMailRequest none = RECORD_MAIL_REQUEST_INIT;
    const struct job *job = arg;
    RecordMailRequest *request = arena_memdup(in->arena, &none, sizeof(none));
    *ret = (struct chore) { "fokus.accounts.v1.AccountsService/RecordMail",
                            request ? &request->base : &none.base };
    if (!request)
        return; /* refused, since it names no mail: tried again later */
    request->mail = job->mail;
    request->result = send_mail(in, job, &request->reply_code);
}

const struct effect accounts_effect = { .next = next, .carry_out = carry_out };
