/* resolve.h - finds out who a session or an API key stands for: from memory (known.h) while that counts, else by asking the service that
 * signs people in, whichever says of itself that it resolves callers.
 *
 * What is known counts while that service's log is followed closely (follow.h): its events name what no longer holds. When it was not
 * heard of for three seconds, or something new was heard of but not read yet, each call asks anew; and when it does not answer, signed-in
 * calls are `unavailable`: nobody is taken for somebody who may have been turned out. Calls that need the same answer wait for it together. */
#pragma once
#include "services/gateway/known.h"
#include "services/gateway/registry.h"

enum {
    RESOLVE_QUESTIONS = 4096, /* under way at a time */
    RESOLVE_WAITS = 16384,    /* calls that wait for them */
    RESOLVE_TIMEOUT_MS = 5000,
};

struct resolver;

/* Both outlive it. */
int resolver_new(struct bus *bus, struct registry *registry, struct resolver **ret,
                 struct err *err) must_check;
/* Before the registry. Calls that wait are not told. */
void resolver_free(struct resolver *r);
/* Before registry_turn(), which sends what is asked. */
void resolver_turn(struct resolver *r, int64_t now_ms);
/* Whether it has a socket to poll, then in `ret`. */
bool resolver_item(const struct resolver *r, struct bus_item *ret);
int resolver_due_ms(const struct resolver *r, int64_t now_ms);

/* Whether there is a service to ask. If not, `ret_certain` tells whether there is none: some may not have described themselves yet. */
bool resolver_ready(const struct resolver *r, bool *ret_certain);

/* Who a token stands for, from memory; NULL: ask. Valid until this turn's next call of resolver_... */
struct person *resolver_find(struct resolver *r, const struct credential *c);

struct resolution {
    enum code
        code; /* OK; unauthenticated: nobody; else `message` says to a person why it is not known */
    const char *message;
    struct person *person;
    const struct credential *credential;
};
/* Views and person are valid during the callback only. */
typedef void resolver_done(void *arg, const struct resolution *resolution);

struct resolver_wait;
/* `done` runs exactly once, from resolver_turn() or registry_turn(), never from here. NULL: too many wait. */
struct resolver_wait *resolver_ask(struct resolver *r, const struct credential *c,
                                   uint32_t timeout_ms, resolver_done *done, void *arg);
/* The callback will not run any more. */
void resolver_cancel(struct resolver_wait *w);

/* The packed caller for a service with its proof. -ENOMEM. As known_caller(). */
int resolver_caller(struct resolver *r, struct person *p, const struct service *to,
                    struct slice *ret_caller, struct slice *ret_proof) must_check;
/* A command of this service was answered: if it is the one that is followed, what is known counts again once that was read. */
void resolver_saw(struct resolver *r, const struct service *s, uint64_t log_sequence);

struct resolver_figures {
    uint64_t from_memory;            /* calls */
    uint64_t known, unknown, failed; /* questions, by how they ended */
    uint64_t forgotten, evicted;     /* entries */
    size_t entries, bytes, waiting;
    bool ready, fresh;
};
struct resolver_figures resolver_figures(const struct resolver *r);
