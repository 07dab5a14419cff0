/* identity.h - who a call comes from, between its arrival and its leaving for a service; and what its answer tells the browser to keep.
 *
 * An API key counts before a cookie. Without either a call is anonymous, at no cost. A session that is unknown, ended, forged or cut off is
 * no session: the call goes on as anonymous, and the browser forgets the cookie. A key that is unknown is refused (401). */
#pragma once
#include "services/gateway/connect.h"
#include "services/gateway/gateway.h"
#include "services/gateway/session.h"

/* Who calls. */
struct identity {
    struct person *person;        /* NULL: anonymous */
    struct credential credential; /* what she proved it with */
};

enum identity_state { IDENTITY_FOUND, IDENTITY_WAITS, IDENTITY_REFUSED };

/* A request begins: nothing is known of its sender. */
void identity_begin(struct exchange *e);
/* Says who calls a method, as far as is known from memory, or lets `done` be told with the exchange (e->waiting can be cancelled). */
enum identity_state identity_find(struct gateway *g, struct exchange *e, const struct route *route,
                                  uint32_t timeout_ms, resolver_done *done, struct identity *ret,
                                  struct refusal *ret_why);
/* The same from what `done` was told. True: found. */
bool identity_take(struct exchange *e, const struct resolution *how, struct identity *ret,
                   struct refusal *ret_why);
/* Whether an API key may be used for the method. */
bool identity_may(const struct identity *who, const struct route *route, struct arena *arena,
                  struct refusal *ret_why);
/* Adds the caller to the call, its origin if the method is to know it, and the proof of both. -ENOMEM. */
int identity_add(struct gateway *g, struct exchange *e, const struct route *route,
                 const struct identity *who, struct client_call *call,
                 uint8_t proof[CALLER_PROOF_BYTES]) must_check;

/* An answer's headers, and room for the cookies among them. */
struct answer_headers {
    struct http_header list[8];
    size_t n;
    char session[SESSION_COOKIE_MAX], browser[SESSION_COOKIE_MAX];
};
void answer_add(struct answer_headers *h, const char *name, const char *value);
/* What the caller alone is to keep or to forget. `reply` is the service's, or NULL when it was not asked. */
void identity_headers(const struct exchange *e, const struct client_reply *reply,
                      struct answer_headers *h);
