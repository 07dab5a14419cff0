/* bus.h - ZeroMQ, wrapped once. The only module that includes zmq.h.
 *
 * Sockets belong to the thread that made them. Nothing blocks but bus_poll(). Threads of one process talk over PAIR
 * sockets that carry pointers: the sender gives the object away, the receiver owns it (ThreadSanitizer is told so). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"

struct bus;
struct bus_socket;

enum bus_kind { BUS_ROUTER, BUS_DEALER, BUS_XPUB, BUS_SUB, BUS_PAIR };

enum {
    BUS_MAX_FRAME =
        16 * 1024 * 1024, /* bytes of one frame; a peer that sends more is disconnected */
    BUS_PUB_QUEUE = 1000, /* messages kept for a slow subscriber; then it misses some and replays */
};

/* A hint to malloc: a large message's memory is kept for the next one, a few MiB of it. What comes fresh from the system costs several
 * times what it does to fill it. Of the whole process; bus_new() does it. */
void bus_keep_memory(void);
/* One context a process. NULL without memory. */
struct bus *bus_new(void);
/* All sockets must be closed. */
void bus_free(struct bus *b);

/* Endpoints are "ipc://PATH", "tcp://HOST:PORT" or "inproc://NAME". `mode` is that of an ipc file (0600, 0660); 0 leaves it. A stale
 * ipc file of a dead process is replaced. */
int bus_bind(struct bus *b, enum bus_kind kind, const char *endpoint, unsigned mode,
             struct bus_socket **ret, struct err *err) must_check;
/* Connects in the background and reconnects by itself (100 ms to 2 s apart). */
int bus_connect(struct bus *b, enum bus_kind kind, const char *endpoint, struct bus_socket **ret,
                struct err *err) must_check;
void bus_close(struct bus_socket *s);
/* Drops all connections of a bound socket, with all that it holds for them. The library gives the address free some time later: until
 * bus_rebind() succeeds the socket may be used, to nobody. Peers reconnect by themselves. 0, or -errno and nothing was done. */
int bus_drop_peers(struct bus_socket *s) must_check;
int bus_rebind(struct bus_socket *s, struct err *err) must_check;
/* How many connections this connecting socket has lost so far. A peer that was killed and restarted shows here even when
 * no send failed in between; what was sent before may be lost. */
uint64_t bus_losses(struct bus_socket *s);
/* SUB: messages whose topic begins with `prefix`. */
int bus_subscribe(struct bus_socket *s, const char *prefix) must_check;

enum { BUS_MAX_PARTS = 8 };

/* A received message. Views are valid until bus_release() or the next bus_receive() into it. */
struct bus_message {
    struct slice parts[BUS_MAX_PARTS];
    size_t n_parts;
    void *owned; /* the library's frames */
};
#define BUS_MESSAGE_INIT ((struct bus_message) { 0 })

/* Takes a waiting message. 0; -EAGAIN: none waits; -EMSGSIZE: it had more than BUS_MAX_PARTS parts and was dropped. */
int bus_receive(struct bus_socket *s, struct bus_message *m) must_check;
void bus_release(struct bus_message *m);
/* Sends the parts as one message. 0; -EAGAIN: the queue is full or the peer is not there, not yet or no longer (nothing was sent);
 * -EHOSTUNREACH: a ROUTER knows no such peer. */
int bus_send(struct bus_socket *s, const struct slice *parts, size_t n_parts) must_check;
/* The same without copying the last part: takes over `last->data` and leaves the buffer empty. */
int bus_send_buf(struct bus_socket *s, const struct slice *parts, size_t n_parts,
                 struct buf *last) must_check;

/* PAIR: gives `object` (not NULL) to the other thread; never fails below 1,000,000 waiting. */
void bus_give(struct bus_socket *s, void *object);
/* PAIR: takes the next object, or NULL when none waits. */
void *bus_take(struct bus_socket *s);

struct bus_item {
    struct bus_socket *socket; /* or NULL and */
    int fd;
    bool readable; /* out */
};
/* Waits until something is readable, at most `timeout_ms` (-1: for ever). Returns how many are, 0 at the timeout, -EINTR. After
 * a socket was readable, drain it with bus_receive() until -EAGAIN: never poll once a message. */
int bus_poll(struct bus_item *items, size_t n_items, int timeout_ms) must_check;
/* The same for at most `us` without sleeping, for whoever is about to get something: to wake up takes longer than most work does.
 * Whoever else wants the processor goes first. */
int bus_look_out(struct bus_item *items, size_t n_items, int64_t us) must_check;
