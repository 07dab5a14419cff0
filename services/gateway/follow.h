/* follow.h - follows one service's log for what is meant for the gateway, within its loop: common/stream.h's follower waits, this one does
 * not. Nothing is kept over a restart: it begins at the log's end, and who listens begins with nothing.
 *
 * The heartbeat is the bell: it rings each second and, from the runtime, at once after an event for the gateway. What is new is then read
 * with ReadEvents. Without a bell (a service that was named by its call endpoint only) the log is asked four times a second. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/bus.h"
#include "common/client.h"

enum {
    FOLLOW_FRESH_MS = 3000
}; /* as long as that after the last word from it, what is known counts */

struct follower;

struct follow_config {
    const char *service;   /* its name; copied */
    struct client *client; /* its call socket; the caller gives it its turns */
    const char *events;    /* the endpoint of its bell, or NULL */
    /* Makes a call the gateway's own: caller and proof. */
    void (*sign)(void *arg, struct client_call *call);
    /* An event for the gateway came. */
    void (*event)(void *arg, const char *subject);
    /* What happened before is unknown: it begins to follow, or the log is another one. */
    void (*restarted)(void *arg);
    void *arg;
};

int follower_new(struct bus *bus, const struct follow_config *config, struct follower **ret,
                 struct err *err) must_check;
void follower_free(struct follower *f);
/* Hears the bell and asks for what is new. */
void follower_turn(struct follower *f, int64_t now_ms);
/* Whether it has a socket to poll, then in `ret`. */
bool follower_item(const struct follower *f, struct bus_item *ret);
int follower_due_ms(const struct follower *f, int64_t now_ms);

/* Whether it has dealt with all it heard of, and heard of it lately. */
bool follower_fresh(const struct follower *f, int64_t now_ms);
/* The last sequence it heard of; what an answer with an earlier one says may be out of date. */
uint64_t follower_heard(const struct follower *f);
/* Whether it knows where the log ends: the service has answered it, and so believes the gateway. */
bool follower_follows(const struct follower *f);
/* Something does not fit what it knows: it asks, and until then it is not fresh. */
void follower_doubt(struct follower *f);
/* A reply told of a later sequence: that is as good as the bell. */
void follower_tell(struct follower *f, uint64_t sequence);
