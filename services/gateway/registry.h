/* registry.h - which services there are, what they can do and how they are.
 *
 * A service is found by its socket's file HOME/run/NAME.call, or named on the command line. Once found it is
 * never forgotten: when it is away its methods answer `unavailable` with its name. It is asked how it is once a
 * second; when it was restarted, it describes itself again, so that a new method needs nothing here. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/bus.h"
#include "common/caller.h"
#include "common/client.h"
#include "common/name.h"
#include "common/schema.h"

enum {
    REGISTRY_MAX_SERVICES = 60,
    REGISTRY_LOG_TAG = 9, /* the log id's end, with the closing NUL */
};

struct service {
    char name[SERVICE_NAME_MAX + 1];
    size_t index; /* among all services, for ever */
    struct client *client;
    char *events; /* the endpoint of its events socket, or NULL: not known */
    uint8_t caller_key[CALLER_KEY_BYTES]; /* for proofs to it */
    struct schema *schema;                /* NULL until it has described itself */
    bool resolves;                        /* it says that it signs people in */
    char log_tag[REGISTRY_LOG_TAG];
    bool up;                  /* it answered when last asked */
    char state[24], why[160]; /* "serving", or what it says instead; why it is not ready */
    /* how its present process is known */
    uint64_t started_ms, described_ms;
    uint32_t pid;
    bool asked, describing;
    int64_t next_ask_ms;
    struct registry *registry;
};

/* A method that can be called from outside. */
struct route {
    const char *path; /* without the leading slash: the method's full name */
    struct service *service;
    const struct schema_method *method;
};

struct registry;

/* `run_folder` is looked through once a second; NULL for none. `key` is the house's caller key; copied. */
int registry_new(struct bus *bus, const char *run_folder, const uint8_t key[CALLER_KEY_BYTES],
                 struct registry **ret, struct err *err) must_check;
void registry_free(struct registry *r);
/* Adds a service, or does nothing when it is known. -EINVAL: no such name can be; -ENOSPC: too many. */
int registry_add(struct registry *r, const char *name, const char *endpoint,
                 struct err *err) must_check;

/* Looks for services, asks those that are due, gives every client its turn. */
void registry_turn(struct registry *r, int64_t now_ms);
/* The sockets to poll, and when registry_turn() is due at the latest. */
size_t registry_items(struct registry *r, struct bus_item *items, size_t room);
int registry_due_ms(const struct registry *r, int64_t now_ms);

/* NULL when there is none. A route is valid until the next registry_turn(). */
const struct route *registry_route(const struct registry *r, const char *path, size_t len);
/* The service that a path "fokus.NAME.v1.X/Y" would belong to; NULL when none of that name was ever seen. */
struct service *registry_service_of(const struct registry *r, const char *path, size_t len);

size_t registry_count(const struct registry *r);
struct service *registry_at(const struct registry *r, size_t i);
/* Whether each of them has said what it is. */
bool registry_all_described(const struct registry *r);
/* Whether it can be called; else `why` says what is missing. */
bool service_ready(const struct service *s);
