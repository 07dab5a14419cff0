/* outbox.c - what accounts does to the world outside (service.h's effects): sends the mails that its events queued, and has other services
 * follow erasures.
 *
 * A mail may go out twice when the process dies between sending and recording; its Message-ID is the same then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mail_send.h"
#include "common/peers.h"
#include "common/trace.h"
#include "services/accounts/providers.h"
#include "services/accounts/seals.h"
#include "services/accounts/wording.h"

enum { FOLLOW_MS = 3000, FOLLOWERS_MAX = 100 };

/* One of the two. */
struct job {
    char *mail;
    MailKind kind;
    MailContent *content; /* NULL: it is too late, or its key is gone */
    int64_t queued_ms;

    char *erasure;
    ErasureRow *row;
    struct slice pseudonym_key; /* empty: its key is gone */
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

static int kept_pseudonym_key(const struct query_in *in, struct job *job)
{
    uint8_t *key = arena_alloc(in->arena, VAULT_SECRET_BYTES);
    int r = key ? vault_secret(in->vault, job->erasure, in->key, key) : -ENOMEM;
    if (r == 0)
        job->pseudonym_key = (struct slice) { key, VAULT_SECRET_BYTES };
    return r;
}

static int read_erasure(const struct query_in *in, struct job *job)
{
    int r = rd_get(in->state, &T_ERASURE, KEY_TEXT(job->erasure), &job->row);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    if (job->row->sealed_pseudonym_key.len > 0) /* begun by an older version */
        r = open_bytes(&SEALING(in), job->erasure, AT_PSEUDONYM_KEY, job->row->sealed_pseudonym_key,
                       &job->pseudonym_key);
    else
        r = kept_pseudonym_key(in, job);
    return r == -ENOENT ? 0 : r;
}

/* Mails first: somebody waits for hers. */
static int next(const struct query_in *in, void **ret_job, int64_t *ret_due_ms)
{
    struct job *job = arena_calloc(in->arena, 1, sizeof(*job));
    char *mail, *erasure;
    int64_t mail_ms = INT64_MAX, erasure_ms = INT64_MAX;
    if (!job)
        return -ENOMEM;
    int r = first_due(in, &T_MAIL_DUE, &mail_ms, &mail);
    if (r == 0 || r == -ENOENT)
        r = first_due(in, &T_ERASURE_DUE, &erasure_ms, &erasure);
    if (r < 0 && r != -ENOENT)
        return r;
    *ret_due_ms = mail_ms < erasure_ms ? mail_ms : erasure_ms;
    *ret_job = *ret_due_ms <= in->now_ms ? job : NULL;
    if (!*ret_job)
        return 0;
    if (mail_ms <= in->now_ms) {
        job->mail = mail;
        return read_mail(in, job);
    }
    job->erasure = erasure;
    return read_erasure(in, job);
}

/* ---- doing it ---- */

/* Where people reach the pages that links in mails lead to. "" unless the operator says it: the gateway has no pages, so that a link
 * would lead nowhere. NULL without memory. */
static const char *site(struct arena *arena)
{
    const char *given = getenv("FOKUS_SITE");
    size_t len = given ? strlen(given) : 0;
    while (len > 0 && given[len - 1] == '/')
        len--;
    return len > 0 ? arena_strndup(arena, given, len) : "";
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
    const char *pages = site(in->arena);
    if (!job->content)
        return MAIL_RESULT_REFUSED;
    if (open_transport(in->home, &err) < 0) {
        trace_log(TRACE_ERROR, "mail cannot be sent", "why", err.text, NULL);
        return MAIL_RESULT_DEFERRED;
    }
    mail.to.address = job->content->address;
    int r = pages ? wording_of(in->arena, job->kind, job->content, pages, &mail) : -ENOMEM;
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

static void carry_out_mail(const struct effect_in *in, const struct job *job, struct chore *ret)
{
    static RecordMailRequest none = RECORD_MAIL_REQUEST_INIT;
    RecordMailRequest *request = arena_memdup(in->arena, &none, sizeof(none));
    *ret = (struct chore) { "fokus.accounts.v1.AccountsService/RecordMail",
                            request ? &request->base : &none.base };
    if (!request)
        return; /* refused, since it names no mail: tried again later */
    request->mail = job->mail;
    request->result = send_mail(in, job, &request->reply_code);
}

/* ---- erasures ---- */

static bool has_followed(const struct job *job, const char *service)
{
    for (size_t i = 0; i < job->row->n_done; i++)
        if (strcmp(job->row->done[i], service) == 0)
            return true;
    return false;
}

/* Whether the service has erased her, or has nothing that could be. */
static bool follow(const struct effect_in *in, const struct job *job, const char *service)
{
    Fokus__Runtime__V1__ErasePersonRequest request = FOKUS__RUNTIME__V1__ERASE_PERSON_REQUEST__INIT;
    char person[ID_CHARS + 1];
    struct client_reply reply;
    caller_person_id(job->pseudonym_key.data, service, person);
    request.person = person;
    const struct peers_ask ask = { .service = service,
                                   .method = "fokus.runtime.v1.RuntimeService/ErasePerson",
                                   .request = &request.base,
                                   .timeout_ms = FOLLOW_MS,
                                   .idempotency_key = job->erasure };
    peers_call(in->peers, &ask, in->arena, &reply);
    if (reply.code != CODE_OK)
        trace_log(TRACE_WARNING, "a service has not followed an erasure", "service", service,
                  "erasure", job->erasure, "why", reply.message ? reply.message : "", NULL);
    return reply.code == CODE_OK;
}

/* Asks those that have not followed yet; whether all have now. */
static bool follow_all(const struct effect_in *in, const struct job *job,
                       RecordErasureRequest *request)
{
    const char *const *names;
    size_t n;
    bool all = true;
    request->done = arena_calloc(in->arena, FOLLOWERS_MAX, sizeof(*request->done));
    if (!in->peers || !request->done || peers_list(in->peers, in->arena, &names, &n) < 0)
        return false;
    for (size_t i = 0; i < n && i < FOLLOWERS_MAX; i++) {
        bool stopping = atomic_load(in->stopping);
        if (has_followed(job, names[i]) || (!stopping && follow(in, job, names[i])))
            request->done[request->n_done++] = (char *)names[i];
        else
            all = false;
    }
    return all;
}

static void carry_out_erasure(const struct effect_in *in, const struct job *job, struct chore *ret)
{
    static RecordErasureRequest none = RECORD_ERASURE_REQUEST_INIT;
    RecordErasureRequest *request = arena_memdup(in->arena, &none, sizeof(none));
    *ret = (struct chore) { "fokus.accounts.v1.AccountsService/RecordErasure",
                            request ? &request->base : &none.base };
    if (!request)
        return; /* as above */
    request->erasure = job->erasure;
    /* Without the key nobody can tell who she was elsewhere: there is nothing more to do. */
    request->complete = job->pseudonym_key.len != CALLER_KEY_BYTES || follow_all(in, job, request);
}

static void carry_out(const struct effect_in *in, void *job, struct chore *ret)
{
    if (((const struct job *)job)->mail)
        carry_out_mail(in, job, ret);
    else
        carry_out_erasure(in, job, ret);
}

const struct effect accounts_effect = { .next = next, .carry_out = carry_out };
