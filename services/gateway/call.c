/* call.c - one Connect call: who sends it is found out (identity.h), it is read from the exchange, sent to the service, and its reply written
 * back.
 *
 * JSON is turned into wire bytes here, over the schema the service described; the service checks limits. A binary
 * body is passed on as it came: the service checks that too. Every error has a sentence a person can act on. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/trace.h"
#include "services/gateway/connect.h"
#include "services/gateway/gateway.h"
#include "services/gateway/identity.h"

enum {
    MAX_ANSWER = 16 * 1024 * 1024 * 4, /* JSON of the longest frame */
    ZIP_ABOVE = 1024,
    ETAG_ROOM = REGISTRY_LOG_TAG + 48, /* two numbers, and what stands around them */
    MARGIN_MS =
        20, /* of a long deadline: the answer must reach the client before its own clock runs out */
};

static const char JSON[] = "application/json";

/* ---- answering ---- */

static void finish(struct gateway *g, struct exchange *e, enum code code)
{
    uint64_t us = (uint64_t)(clock_us() - e->begun_us);

    g->answered[code]++;
    metrics_observe_us(&g->duration, us);
    /* A path that leads nowhere is a stranger's text and stays out of the log. */
    trace_call(&(struct trace_call) { .method = e->target ? e->path : NULL,
                                      .traceparent = e->traceparent,
                                      .call_id = e->number,
                                      .code = (int)code,
                                      .micros = us });
    arena_reset(g->arena);
}

/* What the service said. `m` is the request's type or NULL. */
static void answer_reply_error(struct gateway *g, struct exchange *e,
                               const struct client_reply *reply, const struct schema_message *m)
{
    struct buf body = BUF_INIT(MAX_ANSWER);
    struct answer_headers headers = { .n = 0 };

    identity_headers(e, reply, &headers);
    connect_error(&body, reply->code, reply->message, reply->violations, reply->n_violations, m);
    http_answer(e, code_http(reply->code), JSON, &body, headers.list, headers.n);
    finish(g, e, reply->code);
}

static void answer_error_as(struct gateway *g, struct exchange *e, int http, enum code code,
                            const char *message, const struct violation *violations,
                            size_t n_violations, const struct schema_message *m,
                            const struct http_header *header)
{
    struct buf body = BUF_INIT(MAX_ANSWER);
    struct answer_headers headers = { .n = 0 };

    if (header)
        answer_add(&headers, header->name, header->value);
    identity_headers(e, NULL, &headers);
    connect_error(&body, code, message, violations, n_violations, m);
    http_answer(e, http, JSON, &body, headers.list, headers.n);
    finish(g, e, code);
}

static void answer_error(struct gateway *g, struct exchange *e, enum code code, const char *message)
{
    answer_error_as(g, e, code_http(code), code, message, NULL, 0, NULL, NULL);
}

static const struct refusal CROWDED = {
    429, CODE_RESOURCE_EXHAUSTED,
    "There is no room for this right now: others take their answers slowly. Try again in a moment."
};

static void answer_refusal(struct gateway *g, struct exchange *e, const struct refusal *why)
{
    static const struct http_header types = { "Accept-Post",
                                              "application/json, application/proto" };
    static const struct http_header bearer = { "WWW-Authenticate", "Bearer realm=\"FOKUS\"" };

    answer_error_as(g, e, why->http, why->code, why->message, NULL, 0, NULL,
                    why->http == 415   ? &types
                    : why->http == 401 ? &bearer
                                       : NULL);
}

static void answer_status(struct gateway *g, struct exchange *e, const struct status *status,
                          const struct schema_message *m)
{
    answer_error_as(g, e, code_http(status->code), status->code,
                    status->message ? status->message : "The request cannot be read.",
                    status->violations, status->n_violations, m, NULL);
}

/* Says how others may keep the answer to a GET. True: the asker has it already. */
static bool add_caching(const struct exchange *e, const struct service *s, uint64_t log_sequence,
                        char etag[ETAG_ROOM], struct answer_headers *h)
{
    if (e->method != HTTP_GET || e->personal)
        return false;
    /* A program that was started anew may answer otherwise from the same log. */
    (void)snprintf(etag, ETAG_ROOM, "W/\"%s-%" PRIx64 "-%" PRIu64 "\"", s->log_tag, s->started_ms,
                   log_sequence); /* fits */
    answer_add(h, "ETag", etag);
    answer_add(h, "Cache-Control", "no-cache");
    answer_add(h, "Vary", "Accept-Encoding, Accept-Language, Authorization, Cookie");
    return e->headers[HTTP_IF_NONE_MATCH] &&
           connect_etag_matches(e->headers[HTTP_IF_NONE_MATCH], etag);
}

static void answer_message(struct gateway *g, struct exchange *e, const struct service *s,
                           bool is_query, struct buf *body, const struct client_reply *reply)
{
    struct answer_headers headers = { .n = 0 };
    char etag[ETAG_ROOM];

    identity_headers(e, reply, &headers);
    if (add_caching(e, s, reply->log_sequence, etag, &headers)) {
        buf_free(body);
        http_answer(e, 304, NULL, NULL, headers.list, headers.n);
        finish(g, e, CODE_OK);
        return;
    }
    struct buf packed = BUF_INIT(MAX_ANSWER);
    if (e->gzip && body->len > ZIP_ABOVE && zip_pack(g->zip, body->data, body->len, &packed) == 0) {
        buf_free(body);
        *body = packed;
        answer_add(&headers, "Content-Encoding", "gzip");
    } else {
        buf_free(&packed);
    }
    /* What a command did is done: its answer is not refused. */
    if (!http_hold(e, body->len) && is_query) {
        buf_free(body);
        answer_refusal(g, e, &CROWDED);
        return;
    }
    http_answer(e, 200, e->encoding == ENCODING_JSON ? JSON : "application/proto", body,
                headers.list, headers.n);
    finish(g, e, CODE_OK);
}

/* Security: what becomes a cookie is exactly a token, whatever the service says. */
static bool session_is_sane(const struct exchange *e, const struct client_reply *reply)
{
    return !e->origin || !reply->session_changed || !reply->session_token.len ||
           session_token_valid(reply->session_token);
}

static void call_done(void *arg, const struct client_reply *reply)
{
    struct exchange *e = arg;
    struct gateway *g = e->owner;
    struct service *s = e->target;
    /* The service may have described itself anew meanwhile. */
    const struct route *route = registry_route(g->registry, e->path, e->path_len);
    struct buf body = BUF_INIT(MAX_ANSWER);

    e->gone = NULL;
    if (reply->code != CODE_OK) {
        answer_reply_error(g, e, reply, route ? route->method->input : NULL);
        return;
    }
    bool is_query = route && route->method->no_side_effects;
    if (!is_query)
        resolver_saw(g->resolver, s, reply->log_sequence);
    int r = -EBADMSG;
    if (!session_is_sane(e, reply)) {
        trace_log(TRACE_ERROR, "a service gave a session that is none", "service", s->name, NULL);
    } else if (e->encoding == ENCODING_PROTO) {
        buf_append(&body, reply->body.data, reply->body.len);
        r = body.failed ? -ENOSPC : 0;
    } else if (route && buf_reserve(&body, reply->body.len * 2 + 256)) {
        r = json_from_wire(route->method->output, reply->body.data, reply->body.len, &body);
    }
    if (r == 0) {
        answer_message(g, e, s, is_query, &body, reply);
        return;
    }
    buf_free(&body);
    if (r == -EBADMSG)
        answer_error(g, e, CODE_INTERNAL, "The service's answer cannot be read. It was not you.");
    else
        answer_error(g, e, CODE_RESOURCE_EXHAUSTED,
                     "The answer is too large. Ask for less at a time.");
}

static void call_gone(struct exchange *e)
{
    struct service *s = e->target;

    client_cancel(s->client, e->number);
}

/* ---- reading ---- */

static void answer_no_route(struct gateway *g, struct exchange *e)
{
    const struct service *s =
        e->path_ok ? registry_service_of(g->registry, e->path, e->path_len) : NULL;
    const char *message;

    if (s && !s->schema) {
        message = arena_printf(g->arena,
                               "The service %s cannot be reached right now. Try again in a moment.",
                               s->name);
        answer_error(g, e, CODE_UNAVAILABLE, message ? message : "");
    } else if (s) {
        message =
            arena_printf(g->arena, "The service %s has no such method: /%s", s->name, e->path);
        answer_error_as(g, e, 404, CODE_UNIMPLEMENTED, message ? message : "", NULL, 0, NULL, NULL);
    } else {
        answer_error_as(g, e, 404, CODE_NOT_FOUND,
                        "There is nothing at this address. Calls go to "
                        "/fokus.SERVICE.v1.SERVICEService/METHOD, as POST with a JSON body.",
                        NULL, 0, NULL, NULL);
    }
}

static const struct refusal NOT_A_TYPE = {
    415, CODE_INVALID_ARGUMENT,
    "The header Content-Type must be application/json or application/proto."
};
static const struct refusal BAD_COMPRESSION = {
    501, CODE_UNIMPLEMENTED, "The header Content-Encoding must be gzip or identity, or be left out."
};
static const struct refusal BAD_GZIP = { 400, CODE_INVALID_ARGUMENT,
                                         "The message is not valid gzip." };
static const struct refusal TOO_LONG = { 413, CODE_RESOURCE_EXHAUSTED,
                                         "The body is above the limit of 1 MiB." };
static const struct refusal BAD_VERSION = {
    400, CODE_INVALID_ARGUMENT, "The header Connect-Protocol-Version must be 1, or be left out."
};
static const struct refusal BAD_TIMEOUT = {
    400, CODE_INVALID_ARGUMENT, "The header Connect-Timeout-Ms must be 1 to 10 digits."
};
static const struct refusal BAD_KEY = {
    400, CODE_INVALID_ARGUMENT,
    "The header Idempotency-Key must be 1 to 64 visible ASCII characters."
};
static const struct refusal EMPTY_JSON = { 400, CODE_INVALID_ARGUMENT,
                                           "The body is empty. Send a JSON object, at least {}." };

static bool key_is_sane(const char *key)
{
    size_t len = 0;

    while (key[len] >= '!' && key[len] <= '~')
        len++;
    return len >= 1 && len <= 64 && !key[len];
}

/* Finds the message's bytes and how they are written. */
static const struct refusal *read_message(struct gateway *g, struct exchange *e,
                                          struct slice *ret_message)
{
    enum compression compression;

    if (e->too_long)
        return &TOO_LONG;
    if (e->crowded)
        return &CROWDED;
    if (e->method == HTTP_GET) {
        struct connect_get get;
        const struct refusal *why =
            connect_get_parse((const char *)e->query.data, e->query.len, &e->body, &get);
        if (why)
            return why;
        e->encoding = (int)get.encoding;
        compression = get.compression;
    } else {
        e->encoding = (int)connect_content_type(e->headers[HTTP_CONTENT_TYPE]);
        compression = connect_compression(e->headers[HTTP_CONTENT_ENCODING]);
        if (e->encoding == ENCODING_NONE)
            return &NOT_A_TYPE;
        if (compression == COMPRESSION_UNKNOWN)
            return &BAD_COMPRESSION;
    }
    *ret_message = (struct slice) { e->body.data, e->body.len };
    if (compression == COMPRESSION_GZIP && e->body.len) {
        buf_clear(&g->unzipped);
        int r = zip_unpack(e->body.data, e->body.len, &g->unzipped);
        if (r == -EFBIG || g->unzipped.len > CONNECT_MAX_BODY)
            return &TOO_LONG;
        if (r < 0)
            return &BAD_GZIP;
        *ret_message = (struct slice) { g->unzipped.data, g->unzipped.len };
    }
    return e->encoding == ENCODING_JSON && ret_message->len == 0 ? &EMPTY_JSON : NULL;
}

static const struct refusal *read_headers(const struct exchange *e, struct client_call *call)
{
    const char *version = e->headers[HTTP_CONNECT_PROTOCOL_VERSION];
    const char *timeout = e->headers[HTTP_CONNECT_TIMEOUT_MS];
    const char *key = e->headers[HTTP_IDEMPOTENCY_KEY];
    const char *language = e->headers[HTTP_ACCEPT_LANGUAGE];

    if (version && strcmp(version, "1") != 0)
        return &BAD_VERSION;
    call->timeout_ms = CONNECT_DEFAULT_TIMEOUT_MS;
    if (timeout && !connect_timeout(timeout, &call->timeout_ms))
        return &BAD_TIMEOUT;
    if (call->timeout_ms > 5 * MARGIN_MS)
        call->timeout_ms -= MARGIN_MS;
    if (key && !key_is_sane(key))
        return &BAD_KEY;
    call->idempotency_key = key;
    if (language && strncasecmp(language, "en", 2) == 0)
        call->locale = "en";
    return NULL;
}

static void send_call(struct gateway *g, struct exchange *e, const struct route *route,
                      struct client_call *call)
{
    e->gzip = connect_accepts_gzip(e->headers[HTTP_ACCEPT_ENCODING]);
    call->method = route->path;
    call->query = route->method->no_side_effects;
    call->traceparent = e->traceparent;
    e->number = client_call(route->service->client, call, call_done, e);
    if (!e->number) {
        const char *message = arena_printf(
            g->arena, "Too many calls of the service %s are under way. Try again later.",
            route->service->name);
        answer_error(g, e, CODE_RESOURCE_EXHAUSTED, message ? message : "");
        return;
    }
    e->gone = call_gone;
    http_wait(e);
}

/* Reads the message and sends the call, of whom it comes from. */
static void go_on(struct gateway *g, struct exchange *e, const struct route *route,
                  const struct identity *who)
{
    struct client_call call = { 0 };
    struct slice message;
    struct refusal why;
    uint8_t proof[CALLER_PROOF_BYTES];

    if (!identity_may(who, route, g->arena, &why)) {
        answer_refusal(g, e, &why);
        return;
    }
    const struct refusal *unread = read_message(g, e, &message);
    if (!unread)
        unread = read_headers(e, &call);
    if (unread) {
        answer_refusal(g, e, unread);
        return;
    }
    if (e->asked_us) { /* finding out who calls took some of its time */
        int64_t left_ms = call.timeout_ms - (clock_us() - e->asked_us) / 1000;
        call.timeout_ms = left_ms > 1 ? (uint32_t)left_ms : 1;
    }
    if (e->encoding == ENCODING_PROTO) {
        call.body = message;
    } else {
        struct status status = { .arena = g->arena };
        buf_clear(&g->packed);
        if (!json_to_wire(route->method->input, (const char *)message.data, message.len, &g->packed,
                          &status)) {
            status_finish(&status);
            answer_status(g, e, &status, route->method->input);
            return;
        }
        call.body = (struct slice) { g->packed.data, g->packed.len };
    }
    if (identity_add(g, e, route, who, &call, proof) < 0)
        answer_error(g, e, CODE_RESOURCE_EXHAUSTED, "There is no memory for this call.");
    else
        send_call(g, e, route, &call);
}

static void identity_came(void *arg, const struct resolution *how)
{
    struct exchange *e = arg;
    struct gateway *g = e->owner;
    /* The service may have described itself anew meanwhile. */
    const struct route *route = registry_route(g->registry, e->path, e->path_len);
    struct identity who;
    struct refusal why;

    e->gone = NULL;
    e->waiting = NULL;
    if (!route)
        answer_no_route(g, e);
    else if (identity_take(e, how, &who, &why))
        go_on(g, e, route, &who);
    else
        answer_refusal(g, e, &why);
}

static void identity_gone(struct exchange *e)
{
    resolver_cancel(e->waiting);
}

/* Refuses what the method is not called with. True: refused. */
static bool refuse_verb(struct gateway *g, struct exchange *e, const struct route *route)
{
    bool query = route->method->no_side_effects;
    const struct http_header allow = { "Allow", query ? "GET, POST" : "POST" };

    if (route->method->streaming)
        answer_error(g, e, CODE_UNIMPLEMENTED, "This method streams; only unary calls are served.");
    else if (e->method != HTTP_POST && !(e->method == HTTP_GET && query))
        answer_error_as(g, e, 405, CODE_UNIMPLEMENTED,
                        query ? "Use POST or GET for this method." : "Use POST for this method.",
                        NULL, 0, NULL, &allow);
    else
        return false;
    return true;
}

void call_handle(void *arg, struct exchange *e)
{
    struct gateway *g = arg;
    const struct route *route =
        e->path_ok ? registry_route(g->registry, e->path, e->path_len) : NULL;
    struct client_call limits;
    struct identity who;
    struct refusal why;

    e->owner = g;
    e->target = route ? route->service : NULL;
    e->number = 0;
    identity_begin(e);
    if (!route) {
        answer_no_route(g, e);
        return;
    }
    if (refuse_verb(g, e, route))
        return;
    const struct refusal *unread = read_headers(e, &limits);
    if (unread) {
        answer_refusal(g, e, unread);
        return;
    }
    switch (identity_find(g, e, route, limits.timeout_ms, identity_came, &who, &why)) {
    case IDENTITY_FOUND:
        go_on(g, e, route, &who);
        break;
    case IDENTITY_WAITS:
        e->gone = identity_gone;
        http_wait(e);
        break;
    case IDENTITY_REFUSED:
        answer_refusal(g, e, &why);
        break;
    }
}
