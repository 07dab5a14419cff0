/* http.h - HTTP/1.1 by libmicrohttpd, driven from outside in the gateway's one loop. The only module that includes
 * microhttpd.h. It reads a whole request within its limits, refuses what could be read in two ways by two servers, and
 * hands the rest to a handler, which answers at once or later. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/id.h"
#include "common/status.h"
#include "common/trace.h"

enum {
    HTTP_MAX_PATH = 255,
    HTTP_MAX_BODY = 1024 * 1024,
    /* A body up to this size is read to its end before it is refused, so that the client hears why. */
    HTTP_MAX_DISCARD = 8 * 1024 * 1024,
    HTTP_REQUEST_ID = 64,
};

/* Headers a handler may look at. */
enum http_name {
    HTTP_ACCEPT_ENCODING,
    HTTP_ACCEPT_LANGUAGE,
    HTTP_AUTHORIZATION,
    HTTP_CONNECT_PROTOCOL_VERSION,
    HTTP_CONNECT_TIMEOUT_MS,
    HTTP_CONTENT_ENCODING,
    HTTP_CONTENT_LENGTH,
    HTTP_CONTENT_TYPE,
    HTTP_COOKIE,
    HTTP_EXPECT,
    HTTP_HOST,
    HTTP_IDEMPOTENCY_KEY,
    HTTP_IF_NONE_MATCH,
    HTTP_ORIGIN,
    HTTP_SEC_FETCH_SITE,
    HTTP_TRACEPARENT,
    HTTP_TRANSFER_ENCODING,
    HTTP_X_FORWARDED_FOR,
    HTTP_X_REQUEST_ID,
    HTTP_NAMES,
};

enum http_method { HTTP_GET, HTTP_POST, HTTP_OTHER };

struct http;
struct exchange;
/* Must end in http_answer() or http_wait(). */
typedef void http_handler(void *arg, struct exchange *e);

struct http_config {
    const char *address; /* "127.0.0.1:8080", "[::1]:0"; port 0 is a free one */
    http_handler *handler;
    void *arg;
    unsigned connections, connections_an_address;
    unsigned idle_s;    /* a connection without traffic is closed */
    unsigned request_s; /* a request must have come in whole, a response have been taken */
};

/* A request under way. */
struct exchange {
    enum http_method method;
    char path[HTTP_MAX_PATH + 1]; /* as sent, without the leading slash */
    size_t path_len;
    bool path_ok;     /* nothing but letters, digits and . _ - / in it */
    struct buf query; /* as sent, without the question mark */
    struct buf body;
    bool too_long;                   /* the body was above HTTP_MAX_BODY and is not here */
    bool crowded;                    /* there was no room for the body and it is not here */
    const char *headers[HTTP_NAMES]; /* NULL: absent */
    char request_id[HTTP_REQUEST_ID + 1];
    char traceparent[TRACE_PARENT_CHARS + 1];
    int64_t begun_us;
    /* The handler's: */
    void (*gone)(struct exchange
                     *e); /* the client went away while the handler waited; NULL: nothing to do */
    void *owner, *target;
    uint64_t number;
    int encoding;
    bool gzip;
    struct resolver_wait *waiting; /* who calls is being found out; NULL: not */
    int64_t asked_us;              /* when that began; 0: it was known */
    bool origin;                   /* the method begins, changes or ends a sign-in */
    bool personal;                 /* the answer is for this caller alone: nobody keeps it */
    bool forget_session;           /* the browser's session is none */
    char new_browser[44];          /* its cookie, when it had none; else "" */
};

int http_new(const struct http_config *config, struct http **ret, struct err *err) must_check;
/* Ends every connection; those still waiting are `gone`. */
void http_free(struct http *h);
/* "127.0.0.1:40123" */
const char *http_address(const struct http *h);
/* The descriptor to poll. */
int http_fd(const struct http *h);
/* Reads, handles and writes whatever can be. */
void http_turn(struct http *h, int64_t now_ms);
/* Milliseconds until http_turn() is due, -1 for nothing. */
int http_due_ms(const struct http *h, int64_t now_ms);
/* Accepts no more connections; requests under way go on. */
void http_stop_listening(struct http *h);
size_t http_connections(const struct http *h);
/* Exchanges whose request has begun and whose response is not yet sent. */
size_t http_under_way(const struct http *h);
/* Connections ended because they took too long. */
uint64_t http_cut_off(const struct http *h);

/* Bytes of bodies and answers kept for all connections. */
size_t http_held(const struct http *h);

/* Whether there is room for an answer of so many bytes, which is the exchange's then, until it is over. A small one has room always. */
bool http_hold(struct exchange *e, size_t bytes) must_check;

/* The address of the connection's other end, IPv4 as ::ffff:a.b.c.d. False: it has none. */
bool http_peer(const struct exchange *e, uint8_t ret[16]) must_check;

/* The handler answers later: from another turn, with http_answer(). */
void http_wait(struct exchange *e);

struct http_header {
    const char *name, *value;
};
/* Answers; takes the body over and leaves it empty. `type` is NULL for no body. */
void http_answer(struct exchange *e, int status, const char *type, struct buf *body,
                 const struct http_header *headers, size_t n_headers);
