/* stream.h - the public part of a log as a stream (architecture, section 7).
 *
 * Publishing: two frames, topic "directory.OrganisationRegistered." and a packed fokus.event.v1.EventBatch; once a second
 * "directory.heartbeat." and a packed Heartbeat. Only committed events are published, and only public ones leave on the events socket.
 *
 * Following: the stream is a doorbell, the log the truth. A follower keeps a cursor (which event it has dealt with last), reads on
 * with ReadEvents whenever the bell rings or a heartbeat shows a later sequence, and so gets each event in order, once. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/bus.h"
#include "common/client.h"
#include "common/id.h"
#include "common/status.h"
#include "fokus/event/v1/event.pb-c.h"

/* ---- the service's side ---- */

/* Bytes of a published message. A larger commit leaves in several; an event that is larger by itself is not sent but shows as a gap,
 * which the log fills. */
enum { STREAM_MAX_MESSAGE = 64 * 1024 };

/* What subscribers may ask for in all, since the socket was opened: bytes of topics, and so many for each topic. ZeroMQ keeps
 * subscriptions in a tree that takes up to 32 bytes a byte, or 2 KiB a topic, without a bound of its own: this one keeps it below
 * about 5 MB. Who leaves is not counted back, for that may be feigned. */
enum { STREAM_MAX_SUBSCRIBED = 128 * 1024, STREAM_SUBSCRIPTION_COST = 64 };

struct stream_publisher;

/* Does not own the socket, but is the only one to read it. */
struct stream_publisher *stream_publisher_new(const char *service,
                                              struct bus_socket *xpub) must_check;
void stream_publisher_free(struct stream_publisher *p);
/* At start: a public event that is already in the log, so that `previous` is right from the first message on. */
void stream_publisher_seed(struct stream_publisher *p, const char *type, uint64_t sequence);
/* Security: takes the subscriptions that wait, a bounded number a time, and counts them: to be called when the socket is readable. Past
 * STREAM_MAX_SUBSCRIBED all subscribers are dropped, which frees what they asked for; returns true then. The next heartbeat opens the
 * socket anew: so a flood is taken in once a second at most. Honest subscribers reconnect by themselves, and the log has what they missed. */
bool stream_take_subscriptions(struct stream_publisher *p);
/* The events of one commit, in order; those not public are passed over. Never waits; a slow subscriber misses some and replays. */
void stream_publish(struct stream_publisher *p, Fokus__Event__V1__Event *const *events,
                    size_t n_events);
void stream_heartbeat(struct stream_publisher *p, const char *log_id, uint64_t last_sequence);

/* ---- the follower's side ---- */

struct stream_follower;

/* Up to where a log was read: what a follower stores, in the transaction of what the events caused. One that was stored without an id
 * counts as well, but does not show that the log was put back. */
struct stream_cursor {
    uint64_t next;               /* first sequence wanted; 0 is the same as 1 */
    char after_id[ID_CHARS + 1]; /* ReadEvents' name for the event before it, "" for none known */
};

struct stream_follow_config {
    const char *service;
    const char *call_endpoint;   /* where ReadEvents is asked: the call or the admin socket */
    const char *events_endpoint; /* the doorbell; NULL: read to the end once, then stop */
    struct stream_cursor from;
    const char *const *types; /* NULL-terminated, or NULL for all */
};

/* Returns whether to go on; false stops the follower before the next event. */
typedef bool stream_each(void *arg, const Fokus__Event__V1__Event *event);

int stream_follower_new(struct bus *bus, const struct stream_follow_config *config,
                        struct stream_follower **ret, struct err *err) must_check;
void stream_follower_free(struct stream_follower *f);
/* Waits up to `timeout_ms` for the bell and delivers all that is new. Returns how many events, 0 at the timeout, -ESHUTDOWN when `each`
 * said stop, -ECANCELED when it is another history (another log, or one put back by a restore): what was read is void from an unknown event on, so that
 * whoever follows starts over from 1, or stops and says so, -EHOSTUNREACH when the service cannot be read. */
int stream_follower_turn(struct stream_follower *f, int timeout_ms, stream_each *each, void *arg,
                         struct err *err) must_check;
/* Behind the last event that was delivered and, after a turn, behind those that were not wanted. */
const struct stream_cursor *stream_follower_cursor(const struct stream_follower *f);
/* True once everything up to the log's end as last heard of was delivered. */
bool stream_follower_caught_up(const struct stream_follower *f);
