/* client_test.c - against a ROUTER that this test plays itself. */
#include "common/caller.h"
#include "common/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fokus/wire/v1/wire.pb-c.h"

enum { FRAMES = 64 };

static struct {
    struct bus *bus;
    struct bus_socket *router[2];
    struct client *client;
    char folder[64], endpoint[2][128];
    struct {
        char peer[64];
        size_t peer_len;
        Fokus__Wire__V1__Calls *calls;
        size_t router;
    } frames[FRAMES];
    size_t n_frames;
} t;

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void router_up(size_t i)
{
    struct err err = { "" };

    assert_null(t.router[i]);
    /* A socket closed just before goes away in the library's own time. */
    int r = bus_bind(t.bus, BUS_ROUTER, t.endpoint[i], 0600, &t.router[i], &err);
    for (int64_t limit_ms = now_ms() + 5000; r == -EADDRINUSE && now_ms() < limit_ms;) {
        assert_int_equal(bus_poll(NULL, 0, 5), 0);
        r = bus_bind(t.bus, BUS_ROUTER, t.endpoint[i], 0600, &t.router[i], &err);
    }
    if (r < 0)
        fail_msg("bind: %s", err.text);
}

static void router_down(size_t i)
{
    bus_close(t.router[i]);
    t.router[i] = NULL;
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    (void)snprintf(t.folder, sizeof(t.folder), "/tmp/client-test-XXXXXX");
    assert_non_null(mkdtemp(t.folder));
    for (size_t i = 0; i < 2; i++)
        (void)snprintf(t.endpoint[i], sizeof(t.endpoint[i]), "ipc://%s/%zu", t.folder, i);
    t.bus = bus_new();
    assert_non_null(t.bus);
    return 0;
}

static void forget_frames(void)
{
    for (size_t i = 0; i < t.n_frames; i++)
        fokus__wire__v1__calls__free_unpacked(t.frames[i].calls, NULL);
    t.n_frames = 0;
}

static int tear_down(void **state)
{
    (void)state;
    forget_frames();
    client_free(t.client);
    for (size_t i = 0; i < 2; i++) {
        router_down(i);
        (void)unlink(t.endpoint[i] + strlen("ipc://"));
    }
    bus_free(t.bus);
    return rmdir(t.folder);
}

static void make_client(size_t n_endpoints, size_t max_in_flight)
{
    const char *endpoints[2] = { t.endpoint[0], t.endpoint[1] };
    struct err err = { "" };

    t.client = client_new(t.bus,
                          &(struct client_config) { .service = "mill",
                                                    .endpoints = endpoints,
                                                    .n_endpoints = n_endpoints,
                                                    .max_in_flight = max_in_flight },
                          &err);
    if (!t.client)
        fail_msg("client: %s", err.text);
}

/* What the callback saw. */
struct seen {
    unsigned times;
    enum code code;
    char message[256], field[64], body[64];
    size_t n_violations;
    uint64_t log_sequence;
    bool repeated;
};

static void see(void *arg, const struct client_reply *reply)
{
    struct seen *s = arg;

    s->times++;
    s->code = reply->code;
    s->n_violations = reply->n_violations;
    s->log_sequence = reply->log_sequence;
    s->repeated = reply->repeated;
    (void)snprintf(s->message, sizeof(s->message), "%s", reply->message);
    (void)snprintf(s->body, sizeof(s->body), "%.*s", (int)reply->body.len,
                   reply->body.data ? (const char *)reply->body.data : "");
    if (reply->n_violations)
        (void)snprintf(s->field, sizeof(s->field), "%s", reply->violations[0].field);
}

static void router_take(size_t i)
{
    struct bus_message m = BUS_MESSAGE_INIT;

    while (t.router[i] && t.n_frames < FRAMES && bus_receive(t.router[i], &m) == 0) {
        assert_int_equal(m.n_parts, 2);
        memcpy(t.frames[t.n_frames].peer, m.parts[0].data, m.parts[0].len);
        t.frames[t.n_frames].peer_len = m.parts[0].len;
        t.frames[t.n_frames].router = i;
        t.frames[t.n_frames].calls =
            fokus__wire__v1__calls__unpack(NULL, m.parts[1].len, m.parts[1].data);
        assert_non_null(t.frames[t.n_frames].calls);
        t.n_frames++;
    }
    bus_release(&m);
}

/* Lets time pass until the condition holds; fails after ten seconds. */
#define run_until(condition)                                                                       \
    do {                                                                                           \
        for (int64_t limit_ms = now_ms() + 10000; !(condition);) {                                 \
            if (now_ms() > limit_ms)                                                               \
                fail_msg("never: %s", #condition);                                                 \
            run_turn();                                                                            \
        }                                                                                          \
    } while (0)

static void run_turn(void)
{
    struct bus_item items[4];

    client_turn(t.client, now_ms());
    router_take(0);
    router_take(1);
    size_t n = client_items(t.client, items, 2);
    for (size_t i = 0; i < 2; i++)
        if (t.router[i])
            items[n++] = (struct bus_item) { .socket = t.router[i] };
    int due_ms = client_due_ms(t.client, now_ms());
    if (bus_poll(items, n, due_ms < 0 || due_ms > 20 ? 20 : due_ms) < 0)
        fail_msg("poll");
}

static void send_raw(size_t frame, const void *bytes, size_t len)
{
    struct slice parts[] = { { (const uint8_t *)t.frames[frame].peer, t.frames[frame].peer_len },
                             { bytes, len } };

    assert_int_equal(bus_send(t.router[t.frames[frame].router], parts, 2), 0);
}

static void send_replies(size_t frame, Fokus__Wire__V1__Reply **replies, size_t n)
{
    uint8_t packed[65536];
    Fokus__Wire__V1__Replies all = FOKUS__WIRE__V1__REPLIES__INIT;

    all.replies = replies;
    all.n_replies = n;
    assert_true(fokus__wire__v1__replies__get_packed_size(&all) <= sizeof(packed));
    send_raw(frame, packed, fokus__wire__v1__replies__pack(&all, packed));
}

static void answer(size_t frame, size_t call, unsigned status, const char *text)
{
    Fokus__Wire__V1__ReplyHeader header = FOKUS__WIRE__V1__REPLY_HEADER__INIT;
    Fokus__Wire__V1__Reply reply = FOKUS__WIRE__V1__REPLY__INIT, *replies[] = { &reply };

    header.call_id = t.frames[frame].calls->calls[call]->header->call_id;
    header.status = status;
    header.log_sequence = 42;
    if (status)
        header.message = (char *)text;
    else
        reply.body = (ProtobufCBinaryData) { strlen(text), (uint8_t *)text };
    reply.header = &header;
    send_replies(frame, replies, 1);
}

static struct client_call query(const char *body)
{
    return (struct client_call) { .method = "fokus.mill.v1.MillService/Grind",
                                  .body = { (const uint8_t *)body, strlen(body) },
                                  .query = true };
}

/* Where in the first frame a body stands: calls that had to rest leave in no particular order. */
static size_t call_with(const char *body)
{
    const Fokus__Wire__V1__Calls *calls = t.frames[0].calls;

    for (size_t i = 0; i < calls->n_calls; i++)
        if (calls->calls[i]->body.len == strlen(body) &&
            (!body[0] || memcmp(calls->calls[i]->body.data, body, strlen(body)) == 0))
            return i;
    fail_msg("no call with the body %s", body);
    return 0;
}

static void calls_of_one_turn_leave_in_one_frame(void **state)
{
    (void)state;
    static struct seen seen[3]; /* outlives the client */
    struct client_call call = query("rye");

    router_up(0);
    make_client(1, 0);
    struct buf caller = BUF_INIT(200), origin = BUF_INIT(200);
    const uint8_t network[CALLER_NETWORK_BYTES] = { 1 };
    caller_put(&caller, "someone", (const char *const[]) { "editor" }, 1, 5);
    origin_put(&origin, &(struct origin) { .network = { network, sizeof(network) } });
    struct client_call full = { .method = "fokus.mill.v1.MillService/Order",
                                .body = SLICE_STR("oats"),
                                .timeout_ms = 700,
                                .idempotency_key = "key-1",
                                .traceparent = "00-trace",
                                .locale = "en",
                                .caller = { caller.data, caller.len },
                                .origin = { origin.data, origin.len },
                                .proof = SLICE_STR("proof"),
                                .min_sequence = 300 };
    assert_int_not_equal(client_call(t.client, &call, see, &seen[0]), 0);
    assert_int_not_equal(client_call(t.client, &full, see, &seen[1]), 0);
    call.body.len = 0;
    assert_int_not_equal(client_call(t.client, &call, see, &seen[2]), 0);
    assert_int_equal(client_in_flight(t.client), 3);
    assert_int_equal(client_due_ms(t.client, now_ms()), 0);
    run_until(t.n_frames == 1);

    Fokus__Wire__V1__Calls *calls = t.frames[0].calls;
    assert_int_equal(calls->n_calls, 3);
    size_t rye = call_with("rye"), oats = call_with("oats"), nothing = call_with("");
    assert_string_equal(calls->calls[rye]->header->method, "fokus.mill.v1.MillService/Grind");
    assert_null(calls->calls[rye]->header->caller);
    assert_in_range(calls->calls[rye]->header->timeout_ms, 9000, 10000);
    Fokus__Wire__V1__CallHeader *header = calls->calls[oats]->header;
    assert_string_equal(header->idempotency_key, "key-1");
    assert_string_equal(header->traceparent, "00-trace");
    assert_string_equal(header->locale, "en");
    assert_string_equal(header->caller->id, "someone");
    assert_string_equal(header->caller->roles[0], "editor");
    assert_int_equal(header->caller->expires_ms, 5);
    assert_int_equal(header->origin->network.len, sizeof(network));
    assert_int_equal(header->proof.len, 5);
    buf_free(&caller);
    buf_free(&origin);
    assert_int_equal(header->min_sequence, 300);
    assert_in_range(header->timeout_ms, 1, 700);

    answer(0, nothing, 0, "flour 2");
    answer(0, rye, 0, "flour 0");
    answer(0, oats, CODE_NOT_FOUND, "There are no oats.");
    run_until(client_in_flight(t.client) == 0);
    assert_string_equal(seen[0].body, "flour 0");
    assert_int_equal(seen[0].log_sequence, 42);
    assert_int_equal(seen[1].code, CODE_NOT_FOUND);
    assert_string_equal(seen[1].message, "There are no oats.");
    assert_string_equal(seen[2].body, "flour 2");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(seen[i].times, 1);
    assert_int_equal(client_due_ms(t.client, now_ms()), -1);
}

static void violations_come_through(void **state)
{
    (void)state;
    static struct seen seen; /* outlives the client */
    struct client_call call = query("x");
    Fokus__Wire__V1__ReplyHeader header = FOKUS__WIRE__V1__REPLY_HEADER__INIT;
    Fokus__Wire__V1__Reply reply = FOKUS__WIRE__V1__REPLY__INIT, *replies[] = { &reply };
    Fokus__Wire__V1__FieldViolation violation = FOKUS__WIRE__V1__FIELD_VIOLATION__INIT;
    Fokus__Wire__V1__FieldViolation *violations[] = { &violation, &violation };

    router_up(0);
    make_client(1, 0);
    client_call(t.client, &call, see, &seen);
    run_until(t.n_frames == 1);
    violation.field = "rows[3].name";
    violation.description = "must not be empty";
    header.call_id = t.frames[0].calls->calls[0]->header->call_id;
    header.status = CODE_INVALID_ARGUMENT;
    header.violations = violations;
    header.n_violations = 2;
    header.repeated = 1;
    reply.header = &header;
    send_replies(0, replies, 1);
    run_until(seen.times == 1);
    assert_int_equal(seen.n_violations, 2);
    assert_string_equal(seen.field, "rows[3].name");
    assert_true(seen.repeated);
}

static void a_large_crowd_is_split_into_frames(void **state)
{
    (void)state;
    static struct seen seen[2100];
    struct client_call call = query("grain");
    size_t n_calls = 0;

    memset(seen, 0, sizeof(seen));
    router_up(0);
    make_client(1, 0);
    for (size_t i = 0; i < 2100; i++)
        assert_int_not_equal(client_call(t.client, &call, see, &seen[i]), 0);
    run_until(t.n_frames == 3);
    for (size_t f = 0; f < 3; f++) {
        assert_true(t.frames[f].calls->n_calls <= 1024);
        n_calls += t.frames[f].calls->n_calls;
        for (size_t i = 0; i < t.frames[f].calls->n_calls; i++)
            answer(f, i, 0, "ok");
    }
    assert_int_equal(n_calls, 2100);
    run_until(client_in_flight(t.client) == 0);
    for (size_t i = 0; i < 2100; i++)
        assert_int_equal(seen[i].times, 1);
}

static void long_bodies_close_a_frame(void **state)
{
    (void)state;
    static struct seen seen[3]; /* outlives the client */
    size_t len = 700 * 1024;
    char *long_body = malloc(len);

    assert_non_null(long_body);
    memset(long_body, 'x', len);
    router_up(0);
    make_client(1, 0);
    struct client_call call = query("");
    call.body = (struct slice) { (const uint8_t *)long_body, len };
    for (size_t i = 0; i < 3; i++)
        client_call(t.client, &call, see, &seen[i]);
    run_until(t.n_frames == 3);
    assert_int_equal(t.frames[2].calls->calls[0]->body.len, len);
    call.body.len = 16 * 1024 * 1024;
    free(long_body);
    long_body = calloc(1, call.body.len);
    call.body.data = (const uint8_t *)long_body;
    assert_int_equal(client_call(t.client, &call, see, &seen[0]), 0);
    free(long_body);
}

static void past_the_limit_calls_are_refused(void **state)
{
    (void)state;
    static struct seen seen[3]; /* outlives the client */
    struct client_call call = query("one");

    router_up(0);
    make_client(1, 2);
    assert_int_not_equal(client_call(t.client, &call, see, &seen[0]), 0);
    call.body = SLICE_STR("two");
    uint64_t second = client_call(t.client, &call, see, &seen[1]);
    assert_int_equal(client_call(t.client, &call, see, &seen[2]), 0);
    run_until(t.n_frames == 1);
    client_cancel(t.client, second);
    assert_int_not_equal(client_call(t.client, &call, see, &seen[2]), 0);
    client_cancel(t.client, second); /* a number from the past does nothing */
    assert_int_equal(client_in_flight(t.client), 2);
    run_until(t.n_frames == 2);
    answer(0, call_with("two"), 0, "late");
    answer(0, call_with("one"), 0, "first");
    answer(1, 0, 0, "third");
    run_until(seen[2].times == 1 && seen[0].times == 1);
    assert_int_equal(seen[1].times, 0);
    assert_string_equal(seen[2].body, "third");
}

static void a_cancelled_call_is_not_heard_of_again(void **state)
{
    (void)state;
    static struct seen seen[2]; /* outlives the client */
    struct client_call call = query("x");

    router_up(0);
    make_client(1, 0);
    uint64_t number = client_call(t.client, &call, see, &seen[0]);
    client_cancel(t.client, number);
    client_cancel(t.client, number);
    client_call(t.client, &call, see, &seen[1]);
    run_until(t.n_frames == 1);
    assert_int_equal(t.frames[0].calls->n_calls, 1);
    answer(0, 0, 0, "ok");
    run_until(seen[1].times == 1);
    assert_int_equal(seen[0].times, 0);
}

static void silence_ends_at_the_deadline(void **state)
{
    (void)state;
    static struct seen seen[40]; /* outlives the client */
    struct client_call call = query("x");
    int64_t start_ms = now_ms();

    router_up(0);
    make_client(1, 0);
    for (size_t i = 0; i < 40; i++) {
        call.timeout_ms = (uint32_t)(60 + (i * 37) % 200);
        client_call(t.client, &call, see, &seen[i]);
    }
    run_until(client_in_flight(t.client) == 0);
    assert_in_range(now_ms() - start_ms, 255, 10000);
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(seen[i].times, 1);
        assert_int_equal(seen[i].code, CODE_UNAVAILABLE);
        assert_non_null(strstr(seen[i].message, "mill"));
    }
    answer(0, 0, 0, "too late"); /* finds nobody */
    for (size_t i = 0; i < 5; i++)
        run_turn();
    assert_int_equal(seen[0].times, 1);
}

static void nobody_there_is_unavailable_with_the_name(void **state)
{
    (void)state;
    static struct seen seen; /* outlives the client */
    struct client_call call = query("x");
    int64_t start_ms = now_ms();

    make_client(1, 0);
    call.timeout_ms = 200;
    client_call(t.client, &call, see, &seen);
    run_until(seen.times == 1);
    assert_in_range(now_ms() - start_ms, 150, 1800); /* not its patience, which is two seconds */
    assert_int_equal(seen.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(seen.message, "mill"));

    /* Away for longer than its patience: the next is refused at once. */
    call.timeout_ms = 10000;
    client_call(t.client, &call, see, &seen);
    run_until(seen.times == 2);
    assert_in_range(now_ms() - start_ms, 1900, 9000); /* nor the deadline */
    start_ms = now_ms();
    client_call(t.client, &call, see, &seen);
    run_until(seen.times == 3);
    assert_in_range(now_ms() - start_ms, 0, 1500);
}

static void a_command_that_never_left_waits_for_a_restart(void **state)
{
    (void)state;
    static struct seen seen; /* outlives the client */
    struct client_call call = query("x");

    call.query = false;
    make_client(1, 0);
    client_call(t.client, &call, see, &seen);
    run_turn();
    run_turn();
    router_up(0);
    run_until(t.n_frames == 1);
    answer(0, 0, 0, "done");
    run_until(seen.times == 1);
    assert_int_equal(seen.code, CODE_OK);
}

static void a_query_survives_the_death_of_its_service(void **state)
{
    (void)state;
    static struct seen query_seen, keyed_seen, command_seen; /* outlives the client */
    struct client_call call = query("x");

    router_up(0);
    make_client(1, 0);
    client_call(t.client, &call, see, &query_seen);
    call.query = false;
    client_call(t.client, &call, see, &command_seen);
    call.idempotency_key = "k";
    client_call(t.client, &call, see, &keyed_seen);
    run_until(t.n_frames == 1);
    router_down(0);
    router_up(0);
    run_until(t.n_frames == 2);
    assert_int_equal(t.frames[1].calls->n_calls,
                     2); /* all but the command that might be done twice */
    answer(1, 0, 0, "again");
    answer(1, 1, 0, "again");
    run_until(query_seen.times && keyed_seen.times && command_seen.times);
    assert_int_equal(query_seen.code, CODE_OK);
    assert_int_equal(keyed_seen.code, CODE_OK);
    assert_int_equal(command_seen.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(command_seen.message, "mill"));
}

static void another_endpoint_takes_over(void **state)
{
    (void)state;
    static struct seen seen[3]; /* outlives the client */
    struct client_call call = query("x");

    router_up(1);
    make_client(2, 0);
    client_call(t.client, &call, see, &seen[0]);
    run_until(t.n_frames == 1);
    assert_int_equal(t.frames[0].router, 1);
    router_up(0);
    answer(0, 0, 0, "ok");
    run_until(seen[0].times == 1);
    client_call(t.client, &call, see, &seen[1]);
    run_until(t.n_frames == 2);
    assert_int_equal(t.frames[1].router, 1); /* the one that answered is preferred */
    /* A service that says it is unavailable: the other one is asked. */
    answer(1, 0, CODE_UNAVAILABLE, "draining");
    run_until(t.n_frames == 3);
    answer(2, 0, 0, "from the other");
    run_until(seen[1].times == 1);
    assert_int_equal(seen[1].code, CODE_OK);
}

static void unavailable_is_passed_on_in_the_end(void **state)
{
    (void)state;
    static struct seen seen[2]; /* outlives the client */
    struct client_call call = query("x");
    size_t answered = 0;

    router_up(0);
    make_client(1, 0);
    client_call(t.client, &call, see, &seen[0]);
    while (!seen[0].times) {
        run_until(t.n_frames > answered || seen[0].times);
        for (; answered < t.n_frames; answered++)
            answer(answered, 0, CODE_UNAVAILABLE, "The disk is full.");
    }
    assert_true(answered > 1);
    assert_string_equal(seen[0].message, "The disk is full.");

    call.query = false;
    client_call(t.client, &call, see, &seen[1]);
    size_t before = answered;
    run_until(t.n_frames > answered);
    answer(answered, 0, CODE_UNAVAILABLE, "The disk is full.");
    run_until(seen[1].times);
    assert_int_equal(t.n_frames, before + 1); /* a command is not sent twice */
}

static void rubbish_hurts_nobody(void **state)
{
    (void)state;
    static struct seen seen; /* outlives the client */
    struct client_call call = query("x");
    static const struct slice rubbish[] = {
        SLICE_STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        SLICE_STR("\x0a\x7f"),
        SLICE_STR("\x0a\x02\x0a\x05"),
        SLICE_STR("\x0b\x0c"),
        SLICE_STR("\x08\x01"),
        SLICE_STR("\x0a\x06\x0a\x04\x22\x02\x0a\x09"),
        SLICE_STR(""),
        SLICE_STR("\x09\x01"),
    };

    router_up(0);
    make_client(1, 0);
    client_call(t.client, &call, see, &seen);
    run_until(t.n_frames == 1);
    for (size_t i = 0; i < ARRAY_LEN(rubbish); i++) {
        send_raw(0, rubbish[i].data, rubbish[i].len);
        run_turn();
        run_turn();
    }
    run_until(t.n_frames >= 1);
    answer(t.n_frames - 1, 0, 77, "a code outside the canon");
    run_until(seen.times == 1);
    assert_int_equal(seen.code, CODE_UNKNOWN);
}

static void make_another(void *arg, const struct client_reply *reply)
{
    struct client_call call = query("again");

    assert_int_equal(reply->code, CODE_OK);
    client_call(t.client, &call, see, arg);
}

static void a_callback_may_call(void **state)
{
    (void)state;
    static struct seen seen; /* outlives the client */
    struct client_call call = query("x");

    router_up(0);
    make_client(1, 1); /* the slot is free again when the callback runs */
    client_call(t.client, &call, make_another, &seen);
    run_until(t.n_frames == 1);
    answer(0, 0, 0, "ok");
    run_until(t.n_frames == 2);
    answer(1, 0, 0, "ok again");
    run_until(seen.times == 1);
    assert_string_equal(seen.body, "ok again");
}

static void freeing_cancels(void **state)
{
    (void)state;
    static struct seen seen[2]; /* outlives the client */
    struct client_call call = query("x");

    router_up(0);
    make_client(1, 0);
    client_call(t.client, &call, see, &seen[0]);
    run_until(t.n_frames == 1);
    client_call(t.client, &call, see, &seen[1]);
    client_free(t.client);
    t.client = NULL;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(seen[i].times, 1);
        assert_int_equal(seen[i].code, CODE_CANCELED);
    }
}

static void waiting_for_nobody_ends(void **state)
{
    (void)state;
    struct client_reply reply;
    struct client_call call = query("x");
    struct arena *arena = arena_new(1 << 20);

    make_client(1, 0);
    call.timeout_ms = 100;
    client_call_wait(t.client, &call, arena, &reply);
    assert_int_equal(reply.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(reply.message, "mill"));
    arena_free(arena);
}

#define TEST_OF(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF(calls_of_one_turn_leave_in_one_frame),
        TEST_OF(violations_come_through),
        TEST_OF(a_large_crowd_is_split_into_frames),
        TEST_OF(long_bodies_close_a_frame),
        TEST_OF(past_the_limit_calls_are_refused),
        TEST_OF(a_cancelled_call_is_not_heard_of_again),
        TEST_OF(silence_ends_at_the_deadline),
        TEST_OF(nobody_there_is_unavailable_with_the_name),
        TEST_OF(a_command_that_never_left_waits_for_a_restart),
        TEST_OF(a_query_survives_the_death_of_its_service),
        TEST_OF(another_endpoint_takes_over),
        TEST_OF(unavailable_is_passed_on_in_the_end),
        TEST_OF(rubbish_hurts_nobody),
        TEST_OF(a_callback_may_call),
        TEST_OF(freeing_cancels),
        TEST_OF(waiting_for_nobody_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
