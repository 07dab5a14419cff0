/* process_testing.h - a toy service as a child process in a folder of its own, and short ways to call it over its sockets.
 * Included once by a test program, which defines TOY as the toy's short name before. */
#pragma once
/* Which toy: a test says so before it includes this. */
#ifndef TOY
#define TOY "notes"
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/bus.h"
#include "common/caller.h"
#include "common/clock.h"
#include "common/macros.h"
#include "fokus/runtime/v1/runtime.fokus.h"
#include "fokus/wire/v1/wire.pb-c.h"

#define RUNTIME "fokus.runtime.v1.RuntimeService/"

enum { PATIENCE_MS = 20000 };

struct process {
    char home[64], log[96], endpoint_call[96], endpoint_admin[96], endpoint_events[96];
    pid_t pid;
    struct bus *bus;
    struct bus_socket *call, *admin;
    struct arena *arena; /* requests and replies, until the test's end */
    uint64_t next_id;
};

/* An answer. Texts and body live in the arena. */
struct reply {
    const Fokus__Wire__V1__ReplyHeader *header;
    struct slice body;
};

static inline int64_t test_now_ms(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline void spawn(struct process *p)
{
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid > 0)
        return;
    int fd = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(99);
    (void)execl("toy/fokus-" TOY, "fokus-" TOY, "--home", p->home, (char *)NULL);
    _exit(98);
}

/* Ends the child and returns its exit code, or -1 when the signal ended it. */
static inline int stop(struct process *p, int sig)
{
    int status;
    assert_int_equal(kill(p->pid, sig), 0);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    p->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline const char *log_text(const struct process *p)
{
    char *text = arena_calloc(p->arena, 1, 1 << 20);
    int fd = open(p->log, O_RDONLY);
    assert_non_null(text);
    assert_true(fd >= 0);
    assert_true(read(fd, text, (1 << 20) - 1) >= 0);
    (void)close(fd); /* only read */
    return text;
}

/* Sends a packed Calls; waits while the connection is being made. */
static inline void send_frame(struct bus_socket *s, struct slice frame)
{
    int64_t until = test_now_ms() + PATIENCE_MS;
    int r;

    while ((r = bus_send(s, &frame, 1)) == -EAGAIN && test_now_ms() < until)
        (void)usleep(2000);
    assert_int_equal(r, 0);
}

/* Appends a call to a Calls in `frame`. `header` may preset fields; method and id are filled in. Returns the id. */
static inline uint64_t add_call(struct process *p, struct buf *frame,
                                Fokus__Wire__V1__CallHeader *header, const char *method,
                                const void *request)
{
    Fokus__Wire__V1__CallHeader plain = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    Fokus__Wire__V1__Call call = FOKUS__WIRE__V1__CALL__INIT;
    Fokus__Wire__V1__Calls calls = FOKUS__WIRE__V1__CALLS__INIT;
    Fokus__Wire__V1__Call *list[] = { &call };

    call.header = header ? header : &plain;
    call.header->method = (char *)method;
    call.header->call_id = ++p->next_id;
    call.body.len = protobuf_c_message_get_packed_size(request);
    call.body.data = malloc(call.body.len + 1);
    assert_non_null(call.body.data);
    protobuf_c_message_pack(request, call.body.data);
    calls.calls = list;
    calls.n_calls = 1;
    uint8_t *to = buf_reserve(frame, fokus__wire__v1__calls__get_packed_size(&calls));
    assert_non_null(to);
    frame->len += fokus__wire__v1__calls__pack(&calls, to);
    free(call.body.data);
    return call.header->call_id;
}

/* The next message of replies, or NULL when none comes in time. */
static inline const Fokus__Wire__V1__Replies *next_replies(struct process *p, struct bus_socket *s,
                                                           int timeout_ms)
{
    struct bus_message m = BUS_MESSAGE_INIT;
    struct bus_item item = { .socket = s };

    int r = bus_receive(s, &m);
    if (r == -EAGAIN && bus_poll(&item, 1, timeout_ms) > 0)
        r = bus_receive(s, &m);
    if (r < 0)
        return NULL;
    assert_int_equal(m.n_parts, 1);
    const Fokus__Wire__V1__Replies *replies =
        fokus__wire__v1__replies__unpack(arena_pb(p->arena), m.parts[0].len, m.parts[0].data);
    assert_non_null(replies);
    bus_release(&m);
    return replies;
}

static inline struct reply reply_of(const Fokus__Wire__V1__Reply *r)
{
    return (struct reply) { r->header, { r->body.data, r->body.len } };
}

/* One call and its answer. */
static inline struct reply call_with(struct process *p, struct bus_socket *s,
                                     Fokus__Wire__V1__CallHeader *header, const char *method,
                                     const void *request)
{
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    uint64_t id = add_call(p, &frame, header, method, request);

    send_frame(s, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
    const Fokus__Wire__V1__Replies *replies = next_replies(p, s, PATIENCE_MS);
    if (!replies)
        fail_msg("%s was not answered", method);
    assert_int_equal(replies->n_replies, 1);
    assert_int_equal(replies->replies[0]->header->call_id, id);
    return reply_of(replies->replies[0]);
}

static inline struct reply call(struct process *p, struct bus_socket *s, const char *method,
                                const void *request)
{
    return call_with(p, s, NULL, method, request);
}

/* The response of a call that must succeed. */
static inline void *respond(struct process *p, struct bus_socket *s, const char *method,
                            const void *request, const ProtobufCMessageDescriptor *type)
{
    struct reply r = call(p, s, method, request);
    if (r.header->status != CODE_OK)
        fail_msg("%s: %s", method, r.header->message);
    void *response = protobuf_c_message_unpack(type, arena_pb(p->arena), r.body.len, r.body.data);
    assert_non_null(response);
    return response;
}

/* Proves the header's caller for the toy, as the gateway would. `proof` is what it then points to. */
static inline void prove(const struct process *p, Fokus__Wire__V1__CallHeader *header,
                         uint8_t proof[CALLER_PROOF_BYTES])
{
    uint8_t key[CALLER_KEY_BYTES], of_service[CALLER_KEY_BYTES];
    uint8_t packed[1024];
    struct err err = { "" };

    header->caller->expires_ms = wall_ms() + 60000;
    assert_in_range(fokus__wire__v1__caller__get_packed_size(header->caller), 1, sizeof(packed));
    size_t len = fokus__wire__v1__caller__pack(header->caller, packed);
    assert_int_equal(caller_key_open(p->home, NULL, key, &err), 0);
    caller_key_of(key, TOY, of_service);
    caller_prove(of_service, (struct slice) { packed, len }, (struct slice) { 0 }, proof);
    header->proof = (ProtobufCBinaryData) { CALLER_PROOF_BYTES, proof };
}

static inline void expect_refusal(struct reply r, enum code code, const char *part)
{
    if (r.header->status != (uint32_t)code || !strstr(r.header->message, part))
        fail_msg("expected %s with \"%s\", got %u: %s", code_name(code), part, r.header->status,
                 r.header->message);
    assert_int_equal(r.body.len, 0);
}

static inline const GetStatusResponse *get_status(struct process *p)
{
    GetStatusRequest ask = GET_STATUS_REQUEST_INIT;
    return respond(p, p->admin, RUNTIME "GetStatus", &ask, GET_STATUS_RESPONSE_DESCRIPTOR);
}

static inline void connect_to(struct process *p)
{
    struct err err = { "" };
    assert_int_equal(bus_connect(p->bus, BUS_DEALER, p->endpoint_call, &p->call, &err), 0);
    assert_int_equal(bus_connect(p->bus, BUS_DEALER, p->endpoint_admin, &p->admin, &err), 0);
}

static inline void disconnect(struct process *p)
{
    bus_close(p->call);
    bus_close(p->admin);
    p->call = p->admin = NULL;
}

/* Starts the child and waits until it answers. */
static inline void start(struct process *p)
{
    spawn(p);
    connect_to(p);
    assert_int_equal(get_status(p)->pid, p->pid);
}

static inline int process_open(void **state)
{
    struct process *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    (void)snprintf(p->home, sizeof(p->home), "/tmp/fokus-process-XXXXXX");
    assert_non_null(mkdtemp(p->home));
    (void)snprintf(p->log, sizeof(p->log), "%s/log", p->home);
    (void)snprintf(p->endpoint_call, sizeof(p->endpoint_call), "ipc://%s/run/" TOY ".call",
                   p->home);
    (void)snprintf(p->endpoint_admin, sizeof(p->endpoint_admin), "ipc://%s/run/" TOY ".admin",
                   p->home);
    (void)snprintf(p->endpoint_events, sizeof(p->endpoint_events), "ipc://%s/run/" TOY ".events",
                   p->home);
    p->bus = bus_new();
    p->arena = arena_new((size_t)1 << 30);
    assert_true(p->bus && p->arena);
    start(p);
    *state = p;
    return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path); /* what stays is seen in /tmp */
    return 0;
}

static inline int process_close(void **state)
{
    struct process *p = *state;
    int code = p->pid ? stop(p, SIGTERM) : 0;

    if (code != 0)
        (void)fprintf(stderr, "%s", log_text(p));
    disconnect(p);
    bus_free(p->bus);
    (void)nftw(p->home, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* as above */
    arena_free(p->arena);
    free(p);
    return code; /* a sanitiser's finding is one, too */
}

#define PROCESS(test) cmocka_unit_test_setup_teardown(test, process_open, process_close)

static inline const char *metrics_text(struct process *p)
{
    GetMetricsRequest ask = GET_METRICS_REQUEST_INIT;
    const GetMetricsResponse *page =
        respond(p, p->call, RUNTIME "GetMetrics", &ask, GET_METRICS_RESPONSE_DESCRIPTOR);
    return page->text;
}
