/* peers.h - calls the other services of the house as this one, "@accounts": for threads that may wait, a preparation's or an
 * effect's.
 *
 * Belongs to one thread. It connects to a service when it is first asked, and stays connected. Others take its word because it
 * has the house's caller key (caller.h): methods with AUDIENCE_HOUSE are open to it, and it speaks for nobody else. */
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/bus.h"
#include "common/client.h"

enum { PEERS_MAX = 64 };

struct peers;

/* Does nothing yet. `name` is this service's. NULL without memory. */
struct peers *peers_new(struct bus *bus, const char *home, const char *name);
/* Wipes the key. NULL is fine. */
void peers_free(struct peers *p);

/* The services that have a call socket in HOME/run, running or not, without this one, in order of their names. 0; -ENOMEM; or why the
 * folder cannot be read. */
int peers_list(struct peers *p, struct arena *arena, const char *const **ret,
               size_t *ret_n) must_check;

struct peers_ask {
    const char *service, *method; /* "directory", "fokus.runtime.v1.RuntimeService/ErasePerson" */
    const ProtobufCMessage *request;
    uint32_t timeout_ms; /* 0: 10,000 */
    bool query;
    const char
        *idempotency_key; /* of a command that is to be repeated when no answer comes; NULL: none */
};

/* Calls and waits. The reply's texts and body live in the arena; whatever is in the way is its code and message. */
void peers_call(struct peers *p, const struct peers_ask *ask, struct arena *arena,
                struct client_reply *ret);
