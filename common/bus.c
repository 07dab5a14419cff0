/* bus.c - ZeroMQ with the settings that were measured to be right, and nothing else of it.
 *
 * A ROUTER says when it cannot deliver (ROUTER_MANDATORY) instead of dropping in silence. What one peer may make us hold is
 * bounded in messages; its senders feel back-pressure, never loss. A DEALER hands messages only to a finished
 * connection, so that "nobody is there" is known at once and a failover can be made. */
#include "common/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"

/* Debian's libzmq is not instrumented, so ThreadSanitizer does not see that a PAIR orders what two threads do. */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#else
#define __tsan_acquire(address) ((void)(address))
#define __tsan_release(address) ((void)(address))
#endif

enum {
    ROUTER_QUEUE = 100000,     /* messages either way for one peer; see bus_send() for what then */
    SUBSCRIPTION_MAX = 256,    /* bytes of a subscription that a stranger sends us */
    COPY_BELOW = 4096,         /* bytes below which copying costs less than passing ownership on */
    FLUSH_MS = 1000,           /* how long closing waits until replies and events have left */
    CONNECT_TIMEOUT_MS = 5000, /* tcp */
    KEEP_FREE_BYTES = 4 * 1024 * 1024
};

struct bus {
    void *context;
};

struct bus_socket {
    void *zmq;
    void *context;
    enum bus_kind kind;
    char *endpoint; /* where it is bound, or shall be; NULL: it connects */
    unsigned mode;
    void *monitor; /* DEALER: tells of lost connections */
    uint64_t losses;
};

void bus_keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_FREE_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
}

struct bus *bus_new(void)
{
    struct bus *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    bus_keep_memory();
    b->context = zmq_ctx_new();
    if (!b->context) {
        free(b);
        return NULL;
    }
    return b;
}

void bus_free(struct bus *b)
{
    if (!b)
        return;
    while (zmq_ctx_term(b->context) < 0 && zmq_errno() == EINTR)
        ;
    free(b);
}

static int zmq_kind(enum bus_kind kind)
{
    switch (kind) {
    case BUS_ROUTER:
        return ZMQ_ROUTER;
    case BUS_DEALER:
        return ZMQ_DEALER;
    case BUS_XPUB:
        return ZMQ_XPUB;
    case BUS_SUB:
        return ZMQ_SUB;
    case BUS_PAIR:
        return ZMQ_PAIR;
    }
    return -1;
}

/* Options are constants of ours, valid for their kind of socket: setting them fails for a bug only, and then the bind says so. */
static void set_int(void *zmq, int option, int value)
{
    (void)zmq_setsockopt(zmq, option, &value, sizeof(value));
}

static void set_frame_limit(void *zmq, int64_t bytes)
{
    (void)zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &bytes, sizeof(bytes));
}

static void configure(void *zmq, enum bus_kind kind)
{
    set_frame_limit(zmq, BUS_MAX_FRAME);
    set_int(zmq, ZMQ_LINGER, 0);
    set_int(zmq, ZMQ_IPV6, 1);
    set_int(zmq, ZMQ_TCP_KEEPALIVE, 1);
    set_int(zmq, ZMQ_RECONNECT_IVL, 100);
    set_int(zmq, ZMQ_RECONNECT_IVL_MAX, 2000);
    set_int(zmq, ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS);

    switch (kind) {
    case BUS_ROUTER:
        set_int(zmq, ZMQ_ROUTER_MANDATORY, 1);
        set_int(zmq, ZMQ_SNDHWM, ROUTER_QUEUE);
        set_int(zmq, ZMQ_RCVHWM, ROUTER_QUEUE);
        set_int(zmq, ZMQ_LINGER, FLUSH_MS);
        break;
    case BUS_DEALER:
        set_int(zmq, ZMQ_IMMEDIATE, 1);
        set_int(zmq, ZMQ_SNDHWM, 0); /* client.h bounds what is in flight */
        set_int(zmq, ZMQ_RCVHWM, 0);
        break;
    case BUS_XPUB:
        /* Without VERBOSE a second subscriber to the same topic is not passed up. */
        set_int(zmq, ZMQ_XPUB_VERBOSE, 1);
        set_int(zmq, ZMQ_SNDHWM, BUS_PUB_QUEUE);
        set_int(zmq, ZMQ_LINGER, FLUSH_MS);
        /* Security: subscriptions come from strangers; a topic of ours is short. Whichever call the library is in, it takes them in
         * until none waits, which a flood puts off for ever; its thread brings them one by one, so that soon none does. */
        set_frame_limit(zmq, SUBSCRIPTION_MAX);
        set_int(zmq, ZMQ_RCVHWM, 1);
        break;
    case BUS_SUB:
        set_int(zmq, ZMQ_RCVHWM, BUS_PUB_QUEUE);
        break;
    case BUS_PAIR:
        set_int(zmq, ZMQ_SNDHWM, 0); /* queues between threads are bounded by who fills them */
        set_int(zmq, ZMQ_RCVHWM, 0);
        break;
    }
}

static struct bus_socket *socket_new(struct bus *b, enum bus_kind kind, struct err *err)
{
    struct bus_socket *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->context = b->context;
    s->kind = kind;
    s->zmq = zmq_socket(b->context, zmq_kind(kind));
    if (!s->zmq) {
        (void)err_set(err, zmq_errno(), "cannot make a socket: %s", zmq_strerror(zmq_errno()));
        free(s);
        return NULL;
    }
    configure(s->zmq, kind);
    return s;
}

void bus_close(struct bus_socket *s)
{
    if (!s)
        return;
    if (s->monitor) {
        (void)zmq_socket_monitor(s->zmq, NULL, 0); /* as zmq_close() */
        (void)zmq_close(s->monitor);
    }
    (void)zmq_close(s->zmq); /* fails only for what is no socket */
    free(s->endpoint);
    free(s);
}

/* Lets the library tell of this socket's lost connections, over a pair of its own. Its name is used once only: the library
 * gives a closed socket's name free some time later, so one made of an address may still be taken. */
static int watch_losses(struct bus *b, struct bus_socket *s, struct err *err)
{
    static atomic_ulong n_watched;
    char name[64];

    (void)snprintf(name, sizeof(name), "inproc://losses-%lu", atomic_fetch_add(&n_watched, 1));
    if (zmq_socket_monitor(s->zmq, name, ZMQ_EVENT_DISCONNECTED) < 0)
        return err_set(err, zmq_errno(), "cannot watch a connection: %s",
                       zmq_strerror(zmq_errno()));
    s->monitor = zmq_socket(b->context, ZMQ_PAIR);
    if (!s->monitor)
        return err_set(err, zmq_errno(), "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    set_int(s->monitor, ZMQ_LINGER, 0);
    if (zmq_connect(s->monitor, name) < 0)
        return err_set(err, zmq_errno(), "cannot watch a connection: %s",
                       zmq_strerror(zmq_errno()));
    return 0;
}

static const char *ipc_path(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", 6) == 0 ? endpoint + 6 : NULL;
}

/* libzmq reports a path that is too long with a number nobody can act on. */
static int check_ipc_path(const char *path, struct err *err)
{
    struct sockaddr_un address;

    if (strlen(path) < sizeof(address.sun_path))
        return 0;
    return err_set(err, ENAMETOOLONG,
                   "the socket path is %zu characters long, at most %zu are possible; choose a "
                   "shorter home folder: %.120s",
                   strlen(path), sizeof(address.sun_path) - 1, path);
}

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* a socket that carried nothing */
}

/* libzmq unlinks whatever stands at the path, also the socket of a living process or a file that is no socket. */
static int clear_stale_ipc(const char *path, struct err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_set(err, errno, "cannot look at %.200s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, EEXIST, "%.200s stands in the way and is not a socket", path);

    AUTO(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set(err, errno, "cannot make a socket");
    memcpy(address.sun_path, path, strlen(path));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
        return err_set(err, EADDRINUSE, "another process listens on %.200s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set(err, errno, "cannot remove the stale socket %.200s", path);
    return 0;
}

static int bind_ipc(struct bus_socket *s, struct err *err)
{
    const char *path = ipc_path(s->endpoint);
    unsigned mode = s->mode;

    int r = check_ipc_path(path, err);
    if (r < 0)
        return r;
    r = clear_stale_ipc(path, err);
    if (r < 0)
        return r;
    /* Security: the file must not be open to others between bind and chmod. */
    mode_t before = mode ? umask((mode_t)(~mode & 0777)) : 0;
    r = zmq_bind(s->zmq, s->endpoint) < 0 ? zmq_errno() : 0;
    if (mode)
        (void)umask(before);
    if (r != 0)
        return err_set(err, r, "cannot listen on %.180s: %s", s->endpoint, zmq_strerror(r));
    if (mode && chmod(path, (mode_t)mode) < 0)
        return err_set(err, errno, "cannot set the mode of %.200s", path);
    return 0;
}

int bus_rebind(struct bus_socket *s, struct err *err)
{
    if (ipc_path(s->endpoint))
        return bind_ipc(s, err);
    if (zmq_bind(s->zmq, s->endpoint) < 0)
        return err_set(err, zmq_errno(), "cannot listen on %.180s: %s", s->endpoint,
                       zmq_strerror(zmq_errno()));
    return 0;
}

int bus_bind(struct bus *b, enum bus_kind kind, const char *endpoint, unsigned mode,
             struct bus_socket **ret, struct err *err)
{
    struct bus_socket *s = socket_new(b, kind, err);
    if (!s)
        return -ENOMEM;

    s->mode = mode;
    s->endpoint = strdup(endpoint);
    int r = s->endpoint ? bus_rebind(s, err) : err_set(err, ENOMEM, "no memory for a socket");
    if (r < 0) {
        bus_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

int bus_connect(struct bus *b, enum bus_kind kind, const char *endpoint, struct bus_socket **ret,
                struct err *err)
{
    const char *path = ipc_path(endpoint);
    int r = path ? check_ipc_path(path, err) : 0;
    if (r < 0)
        return r;

    struct bus_socket *s = socket_new(b, kind, err);
    if (!s)
        return -ENOMEM;
    r = kind == BUS_DEALER ? watch_losses(b, s, err) : 0;
    if (r < 0) {
        bus_close(s);
        return r;
    }
    if (zmq_connect(s->zmq, endpoint) < 0) {
        r = err_set(err, zmq_errno(), "cannot connect to %.180s: %s", endpoint,
                    zmq_strerror(zmq_errno()));
        bus_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

int bus_drop_peers(struct bus_socket *s)
{
    void *fresh = zmq_socket(s->context, zmq_kind(s->kind));
    if (!fresh)
        return -zmq_errno();
    configure(fresh, s->kind);
    set_int(s->zmq, ZMQ_LINGER, 0);
    (void)zmq_close(s->zmq); /* as in bus_close() */
    s->zmq = fresh;
    return 0;
}

uint64_t bus_losses(struct bus_socket *s)
{
    uint8_t event[64];

    /* Each event is two parts: number and value, then the endpoint's name. */
    while (s->monitor) {
        int len = zmq_recv(s->monitor, event, sizeof(event), ZMQ_DONTWAIT);
        if (len < 0 && zmq_errno() != EINTR)
            break;
        int more = 0;
        size_t size = sizeof(more);
        if (len >= 0 && zmq_getsockopt(s->monitor, ZMQ_RCVMORE, &more, &size) == 0 && more)
            s->losses++;
    }
    return s->losses;
}

int bus_subscribe(struct bus_socket *s, const char *prefix)
{
    if (zmq_setsockopt(s->zmq, ZMQ_SUBSCRIBE, prefix, strlen(prefix)) < 0)
        return -zmq_errno();
    return 0;
}

/* ---- messages ---- */

struct frames {
    zmq_msg_t parts[BUS_MAX_PARTS];
    size_t n;
};

static void frames_close(struct frames *f)
{
    for (size_t i = 0; i < f->n; i++)
        (void)zmq_msg_close(&f->parts[i]); /* fails only for what is no message */
    f->n = 0;
}

static int receive_part(struct bus_socket *s, zmq_msg_t *part)
{
    (void)zmq_msg_init(part); /* cannot fail */
    while (zmq_msg_recv(part, s->zmq, ZMQ_DONTWAIT) < 0) {
        int problem = zmq_errno();
        if (problem == EINTR)
            continue;
        (void)zmq_msg_close(part);
        return -problem;
    }
    return 0;
}

/* Takes the rest of a message that has too many parts, so that the next one begins at its first. */
static int drop_rest(struct bus_socket *s)
{
    zmq_msg_t part;
    bool more = true;

    while (more && receive_part(s, &part) == 0) {
        more = zmq_msg_more(&part);
        (void)zmq_msg_close(&part);
    }
    return -EMSGSIZE;
}

int bus_receive(struct bus_socket *s, struct bus_message *m)
{
    struct frames *f = m->owned;
    if (!f)
        f = m->owned = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    frames_close(f);
    m->n_parts = 0;

    for (;;) {
        zmq_msg_t *part = &f->parts[f->n];
        int r = receive_part(s, part);
        if (r < 0) {
            bus_release(m); /* whoever got nothing has nothing to release */
            return r;
        }
        f->n++;
        m->parts[m->n_parts++] = (struct slice) { zmq_msg_data(part), zmq_msg_size(part) };
        if (!zmq_msg_more(part))
            return 0;
        if (f->n == BUS_MAX_PARTS) {
            bus_release(m);
            return drop_rest(s);
        }
    }
}

void bus_release(struct bus_message *m)
{
    if (!m->owned)
        return;
    frames_close(m->owned);
    free(m->owned);
    *m = BUS_MESSAGE_INIT;
}

static int send_part(struct bus_socket *s, struct slice part, bool more)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);

    while (zmq_send(s->zmq, part.data, part.len, flags) < 0) {
        if (zmq_errno() != EINTR)
            return -zmq_errno();
    }
    return 0;
}

/* Only the first part can be refused: ZeroMQ takes a message whole or not at all. */
static int send_parts(struct bus_socket *s, const struct slice *parts, size_t n_parts, bool more)
{
    for (size_t i = 0; i < n_parts; i++) {
        int r = send_part(s, parts[i], more || i + 1 < n_parts);
        if (r < 0)
            return r;
    }
    return 0;
}

int bus_send(struct bus_socket *s, const struct slice *parts, size_t n_parts)
{
    return n_parts == 0 ? -EINVAL : send_parts(s, parts, n_parts, false);
}

/* zmq_msg_close() runs the free function also for a message that was not sent; then the buffer is still ours. */
static _Thread_local bool not_sent;

static void free_sent(void *data, void *hint)
{
    (void)hint; /* we have none */
    if (!not_sent)
        free(data);
}

static int send_owned(struct bus_socket *s, struct buf *last)
{
    zmq_msg_t msg;

    if (zmq_msg_init_data(&msg, last->data, last->len, free_sent, NULL) < 0)
        return -zmq_errno();
    while (zmq_msg_send(&msg, s->zmq, ZMQ_DONTWAIT) < 0) {
        int problem = zmq_errno();
        if (problem == EINTR)
            continue;
        not_sent = true;
        (void)zmq_msg_close(&msg);
        not_sent = false;
        return -problem;
    }
    *last = BUF_INIT(last->max);
    return 0;
}

int bus_send_buf(struct bus_socket *s, const struct slice *parts, size_t n_parts, struct buf *last)
{
    int r = send_parts(s, parts, n_parts, true);
    if (r < 0)
        return r;
    if (last->len >= COPY_BELOW)
        return send_owned(s, last);
    r = send_part(s, (struct slice) { last->data, last->len }, false);
    if (r == 0)
        buf_clear(last);
    return r;
}

/* ---- between threads ---- */

void bus_give(struct bus_socket *s, void *object)
{
    __tsan_release(object);
    /* The queue has no bound and both ends live as long as their threads: a failure is a bug of ours. */
    if (send_part(s, (struct slice) { (const uint8_t *)&object, sizeof(object) }, false) < 0)
        abort();
}

void *bus_take(struct bus_socket *s)
{
    void *object = NULL;

    while (zmq_recv(s->zmq, &object, sizeof(object), ZMQ_DONTWAIT) < 0) {
        if (zmq_errno() != EINTR)
            return NULL;
    }
    __tsan_acquire(object);
    return object;
}

/* ---- waiting ---- */

enum { POLL_MAX = 128 };

int bus_poll(struct bus_item *items, size_t n_items, int timeout_ms)
{
    zmq_pollitem_t zmq_items[POLL_MAX];

    if (n_items > POLL_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n_items; i++) {
        zmq_items[i] = (zmq_pollitem_t) {
            .socket = items[i].socket ? items[i].socket->zmq : NULL,
            .fd = items[i].fd,
            .events = ZMQ_POLLIN,
        };
        items[i].readable = false;
    }
    int n = zmq_poll(zmq_items, (int)n_items, timeout_ms);
    if (n < 0)
        return -zmq_errno();
    for (size_t i = 0; i < n_items; i++)
        items[i].readable = zmq_items[i].revents != 0;
    return n;
}

int bus_look_out(struct bus_item *items, size_t n_items, int64_t us)
{
    int64_t until_us = clock_us() + us;
    int r;

    while ((r = bus_poll(items, n_items, 0)) == 0 && clock_us() < until_us)
        (void)sched_yield(); /* cannot fail */
    return r;
}
