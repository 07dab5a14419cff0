/* client.h - calls another service.
 *
 * Queries are retried while the deadline allows (another endpoint first, then after 20, 40, 80 ... ms); commands only when
 * they carry an idempotency key, so that a retry never does a thing twice. When a service cannot be reached the
 * answer is `unavailable` with the service's name, within the deadline; at once when it has been away for two seconds. A service that
 * does not answer in time is `unavailable` too.
 *
 * Asynchronous at heart: made for the gateway's single loop. client_call_wait() wraps it for tools. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/bus.h"
#include "common/status.h"

struct client;

struct client_config {
    const char *service;          /* its name, for messages: "directory" */
    const char *const *endpoints; /* one or more; the first that answers is preferred */
    size_t n_endpoints;
    size_t max_in_flight; /* 0: 10,000; beyond: client_call() refuses */
};

struct client *client_new(struct bus *bus, const struct client_config *config,
                          struct err *err) must_check;
/* Calls in flight are answered `canceled`. */
void client_free(struct client *c);

struct client_call {
    const char *method;          /* "fokus.directory.v1.DirectoryService/GetOrganisation" */
    struct slice body;           /* copied */
    uint32_t timeout_ms;         /* 0: 10,000 */
    bool query;                  /* safe to repeat */
    const char *idempotency_key; /* NULL: none */
    const char *traceparent;     /* NULL: none */
    const char *locale;          /* NULL: "sv" */
    struct slice caller, origin; /* packed (caller.h), copied; empty: anonymous */
    struct slice proof;          /* of the two, for this service; copied */
    uint64_t min_sequence;
};

/* Views are valid during the callback only. */
struct client_reply {
    enum code code;
    const char *message;
    const struct violation *violations;
    size_t n_violations;
    uint64_t log_sequence;
    bool repeated;
    bool session_changed;
    struct slice session_token; /* then: the new one, or empty for none any more */
    int64_t session_max_age_s;
    struct slice body;
};
typedef void client_done(void *arg, const struct client_reply *reply);

/* Queues a call; `done` runs exactly once, from client_turn() or client_free(), never from here. Returns a number for client_cancel(),
 * or 0 when too many are in flight or the body is above 15 MiB: `done` then never runs, and the caller answers resource_exhausted. */
uint64_t client_call(struct client *c, const struct client_call *call, client_done *done,
                     void *arg);
/* The callback will not run any more. */
void client_cancel(struct client *c, uint64_t number);

/* One turn of the caller's loop: takes replies, lets deadlines and retries fall due, sends what is queued in one frame an endpoint.
 * `now_ms` is CLOCK_MONOTONIC's; a call's time runs from its first turn. */
void client_turn(struct client *c, int64_t now_ms);
/* The sockets to poll for reading, at most `room`; returns how many. */
size_t client_items(struct client *c, struct bus_item *items, size_t room);
/* Milliseconds until client_turn() has something to do, -1 for nothing due. */
int client_due_ms(const struct client *c, int64_t now_ms);
size_t client_in_flight(const struct client *c);

/* Calls and waits. The reply's texts and body live in `arena`. */
void client_call_wait(struct client *c, const struct client_call *call, struct arena *arena,
                      struct client_reply *ret);
