/* http.c - see http.h. What libmicrohttpd 0.9.75 lets through and we do not: Content-Length beside Transfer-Encoding, a second
 * Content-Length, transfer encodings other than chunked, methods it has never heard of, bodies of GET requests, escapes in the
 * path (it decodes %2F and %00 before we look, so the path is taken raw, from its URI callback).
 *
 * A refusal that leaves doubt where the next request begins is queued in the handler's first call: the library then closes the
 * connection. Every other answer is queued in a later call, which keeps the connection.
 *
 * Its own timeout begins anew with each byte. So there is a second one here: a request must be whole, and its response taken,
 * within a time of its own. Such a connection is shut down; the library notices and ends it. */
#include "services/gateway/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "services/gateway/connect.h"

enum {
    POOL_BYTES =
        8 *
        1024, /* of a connection: request line, headers, a piece of the body, response headers */
    MAX_QUERY = POOL_BYTES,
    BACKLOG = 1024,
    SWEEP_MS = 500,
    KEPT_BYTES = 2048, /* a buffer up to this size is kept for the connection's next request */
    LOOKS = 32,        /* at a connection that waits, before it is suspended */
    LOOK_MS = 5,       /* from one to the next while nothing else happens */
    HELD_MAX = 256 * 1024 * 1024, /* of what clients have not yet sent whole or not yet taken */
    HELD_ALWAYS = 64 * 1024,      /* of one connection, however much the others hold */
};

enum conn_state {
    CONN_IDLE,     /* between requests */
    CONN_BEGUN,    /* the request line is there */
    CONN_READING,  /* headers are checked, the body comes */
    CONN_WAITING,  /* the handler answers later */
    CONN_ANSWERED, /* the answer is made, not yet queued */
    CONN_SENDING,
};

struct conn {
    struct exchange e; /* first: an exchange is its connection */
    struct http *http;
    struct conn *prev, *next;
    struct MHD_Connection *mhd;
    int fd;
    enum conn_state state;
    int64_t deadline_ms;
    size_t n_body;
    size_t held;         /* bytes of its body and answer, as part of http's */
    const char *refusal; /* the request cannot be trusted: why */
    int refusal_status;
    bool in_handler;
    bool suspended; /* while it waits */
    unsigned looks; /* since it waits */
    struct MHD_Response *response;
    int status;
};

struct http {
    struct http_config config;
    struct MHD_Daemon *daemon;
    int fd;
    char address[INET6_ADDRSTRLEN + 16];
    struct conn *conns;
    size_t n_conns, under_way;
    size_t held;
    size_t n_waiting, n_awake; /* those that wait; of these, those not suspended */
    uint64_t cut_off;
    int64_t now_ms, next_sweep_ms;
    struct id_source ids;
    bool answered, stopping;
    bool stirred; /* in this turn a connection or a request began or ended */
};

/* ---- one request ---- */

static bool path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/';
}

static bool path_is_plain(const char *path, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!path_char(path[i]))
            return false;
        if (i && path[i] == path[i - 1] && (path[i] == '/' || path[i] == '.'))
            return false;
    }
    return true;
}

static void keep_small(struct buf *b)
{
    if (b->room > KEPT_BYTES)
        buf_free(b);
    buf_clear(b);
}

bool http_hold(struct exchange *e, size_t bytes)
{
    struct conn *c = (struct conn *)e;
    struct http *h = c->http;

    if (c->held + bytes > HELD_ALWAYS && h->held + bytes > HELD_MAX)
        return false;
    c->held += bytes;
    h->held += bytes;
    return true;
}

static void let_go(struct conn *c)
{
    c->http->held -= c->held;
    c->held = 0;
}

static void drop_body(struct conn *c)
{
    buf_free(&c->e.body);
    buf_clear(&c->e.body);
    let_go(c);
}

/* The raw request line, before the library decodes it. */
static void *uri_came(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    struct conn *c =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct http *h = arg;

    if (!c)
        return NULL;
    struct exchange *e = &c->e;
    size_t len = strcspn(uri, "?#");
    const char *query = uri[len] == '?' ? uri + len + 1 : "";

    c->mhd = mhd;
    c->state = CONN_BEGUN;
    c->deadline_ms = h->now_ms + (int64_t)h->config.request_s * 1000;
    c->n_body = 0;
    c->refusal = NULL;
    h->under_way++;
    e->too_long = e->crowded = false;
    e->gone = NULL;
    e->begun_us = clock_us();
    buf_append(&e->query, query, strcspn(query, "#"));
    e->path_ok = uri[0] == '/' && len - 1 <= HTTP_MAX_PATH && path_is_plain(uri + 1, len - 1);
    e->path_len = e->path_ok ? len - 1 : 0;
    if (e->path_len)
        memcpy(e->path, uri + 1, e->path_len);
    e->path[e->path_len] = '\0';
    return c;
}

static void refuse(struct conn *c, int status, const char *why)
{
    if (c->refusal)
        return;
    c->refusal = why;
    c->refusal_status = status;
}

static enum http_name name_of(const char *name, size_t len)
{
    static const char *const names[HTTP_NAMES] = {
        [HTTP_ACCEPT_ENCODING] = "accept-encoding",
        [HTTP_ACCEPT_LANGUAGE] = "accept-language",
        [HTTP_AUTHORIZATION] = "authorization",
        [HTTP_CONNECT_PROTOCOL_VERSION] = "connect-protocol-version",
        [HTTP_CONNECT_TIMEOUT_MS] = "connect-timeout-ms",
        [HTTP_CONTENT_ENCODING] = "content-encoding",
        [HTTP_CONTENT_LENGTH] = "content-length",
        [HTTP_CONTENT_TYPE] = "content-type",
        [HTTP_COOKIE] = "cookie",
        [HTTP_EXPECT] = "expect",
        [HTTP_HOST] = "host",
        [HTTP_IDEMPOTENCY_KEY] = "idempotency-key",
        [HTTP_IF_NONE_MATCH] = "if-none-match",
        [HTTP_ORIGIN] = "origin",
        [HTTP_SEC_FETCH_SITE] = "sec-fetch-site",
        [HTTP_TRACEPARENT] = "traceparent",
        [HTTP_TRANSFER_ENCODING] = "transfer-encoding",
        [HTTP_X_FORWARDED_FOR] = "x-forwarded-for",
        [HTTP_X_REQUEST_ID] = "x-request-id",
    };
    static const uint8_t lengths[HTTP_NAMES] = { 15, 15, 13, 24, 18, 16, 14, 12, 6, 6,
                                                 4,  15, 13, 6,  14, 11, 17, 15, 12 };

    for (enum http_name i = 0; i < HTTP_NAMES; i++)
        if (lengths[i] == len && strcasecmp(names[i], name) == 0)
            return i;
    return HTTP_NAMES;
}

static enum MHD_Result header_came(void *arg, enum MHD_ValueKind kind, const char *key,
                                   size_t key_len, const char *value, size_t value_len)
{
    struct conn *c = arg;
    (void)kind; /* we asked for headers */

    enum http_name name = name_of(key, key_len);
    if (name == HTTP_NAMES)
        return MHD_YES;
    if (!value || strlen(value) != value_len) {
        refuse(c, 400, "A header holds a zero byte.");
        return MHD_NO;
    }
    /* Of lists over several lines the last line counts. */
    if (c->e.headers[name] && name != HTTP_ACCEPT_ENCODING && name != HTTP_ACCEPT_LANGUAGE &&
        name != HTTP_IF_NONE_MATCH && name != HTTP_X_FORWARDED_FOR) {
        refuse(c, 400,
               "A header that may stand once stands twice (such as Content-Length or Host).");
        return MHD_NO;
    }
    c->e.headers[name] = value;
    return MHD_YES;
}

static bool one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* Refuses requests whose end two servers could see in two places. */
static void check_framing(struct conn *c, const char *method, const char *version)
{
    static const char *const methods[] = { "GET",   "POST",    "HEAD",  "PUT",     "DELETE",
                                           "PATCH", "OPTIONS", "TRACE", "CONNECT", NULL };
    const char *const *headers = c->e.headers;
    const char *length = headers[HTTP_CONTENT_LENGTH], *coding = headers[HTTP_TRANSFER_ENCODING];

    c->e.method = strcmp(method, "POST") == 0  ? HTTP_POST
                  : strcmp(method, "GET") == 0 ? HTTP_GET
                                               : HTTP_OTHER;
    if (c->e.method == HTTP_OTHER && !one_of(method, methods))
        refuse(c, 400, "There is no such HTTP method. Use POST, or GET for queries.");
    if (length && coding)
        refuse(c, 400, "Content-Length and Transfer-Encoding must not stand together.");
    if (coding && (strcasecmp(coding, "chunked") != 0 || strcmp(version, "HTTP/1.1") != 0))
        refuse(c, 400, "The only transfer encoding is chunked, in HTTP/1.1.");
    if (length && (!*length || length[strspn(length, "0123456789")]))
        refuse(c, 400, "Content-Length must be a number.");
    if (c->e.method == HTTP_GET && (coding || (length && length[strspn(length, "0")])))
        refuse(c, 400, "A GET request must have no body.");
    if (!length || c->refusal)
        return;
    /* A client that asks before sending is told at once; one that sends a little too much is read to its end. */
    unsigned long long announced = strlen(length) < 19 ? strtoull(length, NULL, 10) : ~0ull;
    if (announced > HTTP_MAX_DISCARD || (announced > HTTP_MAX_BODY && headers[HTTP_EXPECT]))
        refuse(c, 413, "The body is above the limit of 1 MiB.");
}

static void take_ids(struct conn *c)
{
    struct exchange *e = &c->e;
    const char *id = e->headers[HTTP_X_REQUEST_ID];

    if (id && connect_request_id_sane(id))
        memcpy(e->request_id, id, strlen(id) + 1);
    else
        id_next(&c->http->ids, wall_ms(), e->request_id);
    trace_parent_next(e->headers[HTTP_TRACEPARENT], e->traceparent);
}

static void take_body(struct conn *c, const char *bytes, size_t len)
{
    struct exchange *e = &c->e;

    c->n_body += len;
    e->too_long = c->n_body > HTTP_MAX_BODY;
    e->crowded = e->crowded || !http_hold(e, len);
    if (!e->too_long && !e->crowded)
        buf_append(&e->body, bytes, len);
    else
        drop_body(c);
    if (c->n_body > HTTP_MAX_DISCARD)
        (void)shutdown(c->fd, SHUT_RDWR); /* chunked and endless; it may be gone already */
}

static enum MHD_Result queue_answer(struct conn *c)
{
    enum MHD_Result r = MHD_queue_response(c->mhd, (unsigned)c->status, c->response);

    MHD_destroy_response(c->response);
    c->response = NULL;
    c->state = CONN_SENDING;
    c->deadline_ms = c->http->now_ms + (int64_t)c->http->config.request_s * 1000;
    return r;
}

static enum MHD_Result refuse_and_close(struct conn *c)
{
    struct buf body = BUF_INIT(4096);
    const struct http_header close_after = { "Connection", "close" };

    buf_append_str(&body, c->refusal_status == 413 ? "{\"code\":\"resource_exhausted\""
                                                   : "{\"code\":\"invalid_argument\"");
    buf_printf(&body, ",\"message\":\"%s\"}", c->refusal); /* constant texts without quotes */
    http_answer(&c->e, c->refusal_status, "application/json", &body, &close_after, 1);
    return c->response ? queue_answer(c) : MHD_NO;
}

/* ---- waiting ----
 *
 * To suspend a connection and take it up again costs three system calls, a fifth of what a quick call costs here. So a connection
 * first waits awake: the library calls us in each turn, and we have no answer yet. It also notices then when the client breaks off. */

static void wait_begin(struct conn *c)
{
    c->looks = 0;
    c->http->n_waiting++;
    c->http->n_awake++;
}

/* One more turn without an answer. */
static void wait_on(struct conn *c)
{
    if (++c->looks < LOOKS)
        return;
    c->suspended = true;
    c->http->n_awake--;
    MHD_suspend_connection(c->mhd);
}

static void wait_end(struct conn *c)
{
    c->http->n_waiting--;
    if (c->suspended)
        MHD_resume_connection(c->mhd);
    else
        c->http->n_awake--;
    c->suspended = false;
}

static enum MHD_Result request_came(void *arg, struct MHD_Connection *mhd, const char *url,
                                    const char *method, const char *version, const char *bytes,
                                    size_t *len, void **request)
{
    struct conn *c = *request;
    struct http *h = arg;
    (void)url; /* decoded: the path was taken raw */

    if (!c)
        return MHD_NO;
    switch (c->state) {
    case CONN_BEGUN:
        c->state = CONN_READING;
        memset(c->e.headers, 0, sizeof(c->e.headers));
        (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, header_came, c); /* counts them */
        check_framing(c, method, version);
        take_ids(c);
        return c->refusal ? refuse_and_close(c) : MHD_YES;
    case CONN_READING:
        if (*len) {
            take_body(c, bytes, *len);
            *len = 0;
            return MHD_YES;
        }
        c->in_handler = true;
        h->config.handler(h->config.arg, &c->e);
        c->in_handler = false;
        if (c->state == CONN_WAITING) {
            wait_begin(c);
            return MHD_YES;
        }
        return c->response ? queue_answer(c) : MHD_NO;
    case CONN_WAITING:
        wait_on(c);
        return MHD_YES;
    case CONN_ANSWERED:
        return c->response ? queue_answer(c) : MHD_NO;
    case CONN_IDLE:
    case CONN_SENDING:
        break;
    }
    return MHD_NO;
}

static void request_ended(void *arg, struct MHD_Connection *mhd, void **request,
                          enum MHD_RequestTerminationCode how)
{
    struct conn *c = *request;
    struct http *h = arg;
    (void)mhd;
    (void)how; /* sent, or not: it is over */

    *request = NULL;
    if (!c || c->state == CONN_IDLE)
        return;
    if (c->state == CONN_WAITING) {
        wait_end(c);
        if (c->e.gone)
            c->e.gone(&c->e);
    }
    if (c->response)
        MHD_destroy_response(c->response);
    c->response = NULL;
    keep_small(&c->e.body);
    keep_small(&c->e.query);
    let_go(c);
    c->state = CONN_IDLE;
    c->deadline_ms = h->now_ms + (int64_t)h->config.request_s * 1000;
    h->under_way--;
    h->stirred = true;
}

bool http_peer(const struct exchange *e, uint8_t ret[16])
{
    const struct conn *c = (const struct conn *)e;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (address && address->sa_family == AF_INET6) {
        memcpy(ret, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        return true;
    }
    if (!address || address->sa_family != AF_INET)
        return false;
    memcpy(ret, mapped, sizeof(mapped));
    memcpy(ret + sizeof(mapped), &((const struct sockaddr_in *)address)->sin_addr, 4);
    return true;
}

/* ---- answering ---- */

void http_wait(struct exchange *e)
{
    ((struct conn *)e)->state = CONN_WAITING;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value); /* without memory it goes without */
}

void http_answer(struct exchange *e, int status, const char *type, struct buf *body,
                 const struct http_header *headers, size_t n_headers)
{
    struct conn *c = (struct conn *)e;
    struct MHD_Response *response;

    if (body && body->len && !body->failed) {
        response = MHD_create_response_from_buffer_with_free_callback(body->len, body->data, free);
        if (response)
            *body = BUF_INIT(body->max);
    } else {
        response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    }
    if (body)
        buf_free(body);
    if (response) {
        if (type)
            add_header(response, "Content-Type", type);
        for (size_t i = 0; i < n_headers; i++)
            add_header(response, headers[i].name, headers[i].value);
        add_header(response, "X-Request-Id", e->request_id);
        add_header(response, "X-Content-Type-Options", "nosniff");
        add_header(response, "Cross-Origin-Resource-Policy", "same-origin");
        if (c->http->stopping)
            add_header(response, "Connection", "close");
    }
    c->response = response; /* NULL: the connection is closed */
    c->status = status;
    bool waited = c->state == CONN_WAITING && !c->in_handler;
    c->state = CONN_ANSWERED;
    if (waited) {
        wait_end(c);
        c->http->answered = true;
    }
}

/* ---- connections ---- */

static void connection_changed(void *arg, struct MHD_Connection *mhd, void **context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http *h = arg;
    struct conn *c = *context;

    h->stirred = true;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        c = calloc(1, sizeof(*c));
        *context = c;
        if (!c)
            return; /* its requests are refused */
        c->http = h;
        c->mhd = mhd;
        c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        c->deadline_ms = h->now_ms + (int64_t)h->config.request_s * 1000;
        c->e.query = BUF_INIT(MAX_QUERY);
        c->e.body = BUF_INIT(HTTP_MAX_BODY);
        c->next = h->conns;
        if (h->conns)
            h->conns->prev = c;
        h->conns = c;
        h->n_conns++;
        return;
    }
    *context = NULL;
    if (!c)
        return;
    if (c->prev)
        c->prev->next = c->next;
    else
        h->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    h->n_conns--;
    buf_free(&c->e.body);
    buf_free(&c->e.query);
    free(c);
}

/* Ends connections whose time is up; those that wait for the handler have the call's deadline. */
static void sweep(struct http *h)
{
    h->next_sweep_ms = h->now_ms + SWEEP_MS;
    for (struct conn *c = h->conns; c; c = c->next) {
        if (c->state == CONN_WAITING || c->state == CONN_ANSWERED || h->now_ms < c->deadline_ms)
            continue;
        h->cut_off++;
        c->deadline_ms = INT64_MAX;
        (void)shutdown(c->fd, SHUT_RDWR); /* it may be gone already */
    }
}

/* ---- the listener ---- */

static int open_listener(const char *address, struct err *err)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *info = NULL;

    if (!colon || !colon[1] || len == 0 || len >= sizeof(host))
        return err_set(err, EINVAL,
                       "'%.100s' is no address to listen on: give ADDRESS:PORT, as in "
                       "127.0.0.1:8080 or [::1]:8080",
                       address);
    if (address[0] == '[' && address[len - 1] == ']') {
        memcpy(host, address + 1, len - 2);
        host[len - 2] = '\0';
    } else {
        memcpy(host, address, len);
        host[len] = '\0';
    }
    int r =
        getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, colon + 1, &hints, &info);
    if (r != 0)
        return err_set(err, EINVAL, "'%.100s' is no address to listen on: %s", address,
                       gai_strerror(r));
    int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        r = err_set(err, errno, "cannot make a socket");
    } else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
               bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        r = errno;
        (void)close(fd); /* it carried nothing */
        fd = -1;
        r = err_set(err, r, "cannot listen on %.100s: %s", address, strerror(r));
    }
    freeaddrinfo(info);
    return fd < 0 ? r : fd;
}

static void write_address(struct http *h, int fd)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t len = sizeof(bound);
    char host[INET6_ADDRSTRLEN] = "", port[8] = "";

    (void)getsockname(fd, (struct sockaddr *)&bound, &len); /* it is bound */
    (void)getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), port, sizeof(port),
                      NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(h->address, sizeof(h->address),
                   bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int http_new(const struct http_config *config, struct http **ret, struct err *err)
{
    struct http *h = calloc(1, sizeof(*h));

    if (!h)
        return err_set(err, ENOMEM, "no memory for a listener");
    h->config = *config;
    h->fd = open_listener(config->address, err);
    if (h->fd < 0) {
        int r = h->fd;
        free(h);
        return r;
    }
    write_address(h, h->fd);
    h->now_ms = clock_ms();
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, request_came, h,
        MHD_OPTION_LISTEN_SOCKET, h->fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
        MHD_OPTION_CONNECTION_LIMIT, config->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        config->connections_an_address, MHD_OPTION_CONNECTION_TIMEOUT, config->idle_s,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, uri_came, h,
        MHD_OPTION_NOTIFY_COMPLETED, request_ended, h, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, h, MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)BACKLOG, MHD_OPTION_END);
    if (!h->daemon) {
        (void)close(h->fd); /* it carried nothing */
        free(h);
        return err_set(err, ENOMEM, "cannot start the HTTP listener on %.100s", config->address);
    }
    *ret = h;
    return 0;
}

void http_stop_listening(struct http *h)
{
    /* Who already stands in the queue is let in: closing would reset them. */
    (void)MHD_run(h->daemon); /* as in http_turn() */
    h->stopping = true;
    int fd = MHD_quiesce_daemon(h->daemon);
    if (fd >= 0)
        (void)close(fd); /* nothing was written to it */
}

void http_free(struct http *h)
{
    if (!h)
        return;
    /* A daemon that stops with suspended connections aborts the process. */
    for (struct conn *c = h->conns; c; c = c->next) {
        if (c->state != CONN_WAITING)
            continue;
        if (c->e.gone)
            c->e.gone(&c->e);
        wait_end(c);
        c->response = NULL;
        c->state = CONN_ANSWERED; /* without a response: it is closed */
    }
    (void)MHD_run(h->daemon); /* takes the resumed ones up */
    MHD_stop_daemon(h->daemon);
    assert(h->n_waiting == 0 && h->n_awake == 0);
    free(h);
}

const char *http_address(const struct http *h)
{
    return h->address;
}

int http_fd(const struct http *h)
{
    return MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void http_turn(struct http *h, int64_t now_ms)
{
    h->now_ms = now_ms;
    h->answered = h->stirred = false;
    if (h->n_conns && now_ms >= h->next_sweep_ms)
        sweep(h);
    (void)MHD_run(h->daemon); /* fails only for other kinds of daemon */
}

int http_due_ms(const struct http *h, int64_t now_ms)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    int64_t due_ms = -1;

    if (h->answered)
        return 0;
    if (MHD_get_timeout(h->daemon, &timeout_ms) == MHD_YES)
        due_ms = timeout_ms < 60000 ? (int64_t)timeout_ms : 60000;
    /* The library wants to look at those that wait awake again at once. */
    if (due_ms == 0 && h->n_awake && h->n_waiting == h->under_way && !h->stirred)
        due_ms = LOOK_MS;
    if (h->n_conns) {
        int64_t sweep_ms = h->next_sweep_ms > now_ms ? h->next_sweep_ms - now_ms : 0;
        if (due_ms < 0 || sweep_ms < due_ms)
            due_ms = sweep_ms;
    }
    return (int)due_ms;
}

size_t http_connections(const struct http *h)
{
    return h->n_conns;
}

size_t http_held(const struct http *h)
{
    return h->held;
}

size_t http_under_way(const struct http *h)
{
    return h->under_way;
}

uint64_t http_cut_off(const struct http *h)
{
    return h->cut_off;
}
