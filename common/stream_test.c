/* stream_test.c - publisher and follower against each other, over a log that a thread of this test plays.
 *
 * The test tells the thread what to do with orders over a PAIR and waits until each is done, so nothing depends on time. */
#include "common/stream.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/macros.h"
#include "fokus/runtime/v1/runtime.pb-c.h"
#include "fokus/wire/v1/wire.pb-c.h"

enum { MAX_EVENTS = 5000, PAGE = 7 };

/* ---- the log's thread ---- */

enum verb { APPEND, APPEND_SILENTLY, HEARTBEAT, FORGET, RENAME, QUIT };

struct order {
    enum verb verb;
    size_t n;
    Fokus__Event__V1__Event **events; /* APPEND: given away */
};

static struct {
    struct bus *bus;
    struct bus_socket *orders, *orders_end, *calls, *xpub;
    struct stream_publisher *publisher;
    atomic_uint n_dropped; /* how often all subscribers were */
    pthread_t thread;
    char folder[64], call[128], events[128];
    const char *log_id;
    Fokus__Event__V1__Event *log[MAX_EVENTS];
    size_t n_log;
    unsigned made; /* events, for their ids */
} t;

static bool wanted(const Fokus__Runtime__V1__ReadEventsRequest *r, const char *type)
{
    for (size_t i = 0; i < r->n_types; i++)
        if (strcmp(r->types[i], type) == 0)
            return true;
    return r->n_types == 0;
}

/* As the runtime's: the event before `from` is the one that the reader has read. */
static bool holds(const Fokus__Runtime__V1__ReadEventsRequest *r)
{
    return !*r->after_id ||
           (r->from - 2 < t.n_log && strcmp(t.log[r->from - 2]->id, r->after_id) == 0);
}

/* Answers with at most PAGE events, as a service whose answers are bounded. */
static void answer_read(const struct slice peer, const Fokus__Wire__V1__Call *call)
{
    Fokus__Runtime__V1__ReadEventsRequest *request =
        fokus__runtime__v1__read_events_request__unpack(NULL, call->body.len, call->body.data);
    Fokus__Runtime__V1__ReadEventsResponse response =
        FOKUS__RUNTIME__V1__READ_EVENTS_RESPONSE__INIT;
    Fokus__Event__V1__Event *events[PAGE];
    uint8_t body[8192], frame[16384];

    assert_non_null(request);
    size_t at = request->from ? (size_t)request->from - 1 : 0;
    for (; at < t.n_log && response.n_events < PAGE; at++)
        if (wanted(request, t.log[at]->type))
            events[response.n_events++] = t.log[at];
    response.events = events;
    response.next = at + 1;
    if (at > 0 && at <= t.n_log)
        response.after_id = t.log[at - 1]->id;
    response.last_sequence = t.n_log;
    response.log_id = (char *)t.log_id;

    Fokus__Wire__V1__ReplyHeader header = FOKUS__WIRE__V1__REPLY_HEADER__INIT;
    if (!holds(request)) {
        header.status = CODE_FAILED_PRECONDITION;
        header.message = (char *)"The log was put back.";
        response =
            (Fokus__Runtime__V1__ReadEventsResponse)FOKUS__RUNTIME__V1__READ_EVENTS_RESPONSE__INIT;
    }
    fokus__runtime__v1__read_events_request__free_unpacked(request, NULL);
    Fokus__Wire__V1__Reply reply = FOKUS__WIRE__V1__REPLY__INIT;
    Fokus__Wire__V1__Reply *list[] = { &reply };
    Fokus__Wire__V1__Replies replies = FOKUS__WIRE__V1__REPLIES__INIT;
    assert_true(fokus__runtime__v1__read_events_response__get_packed_size(&response) <=
                sizeof(body));
    header.call_id = call->header->call_id;
    reply.header = &header;
    reply.body.len = fokus__runtime__v1__read_events_response__pack(&response, body);
    reply.body.data = body;
    replies.n_replies = 1;
    replies.replies = list;
    size_t len = fokus__wire__v1__replies__pack(&replies, frame);
    assert_int_equal(bus_send(t.calls, (struct slice[]) { peer, { frame, len } }, 2), 0);
}

static void take_calls(void)
{
    struct bus_message m = BUS_MESSAGE_INIT;

    while (bus_receive(t.calls, &m) == 0) {
        Fokus__Wire__V1__Calls *calls = fokus__wire__v1__calls__unpack(
            NULL, m.parts[m.n_parts - 1].len, m.parts[m.n_parts - 1].data);
        assert_non_null(calls);
        for (size_t i = 0; i < calls->n_calls; i++)
            answer_read(m.parts[0], calls->calls[i]);
        fokus__wire__v1__calls__free_unpacked(calls, NULL);
    }
    bus_release(&m);
}

static bool obey(const struct order *o)
{
    switch (o->verb) {
    case APPEND:
    case APPEND_SILENTLY:
        for (size_t i = 0; i < o->n; i++) {
            assert_true(t.n_log < MAX_EVENTS);
            o->events[i]->sequence = t.n_log + 1;
            t.log[t.n_log++] = o->events[i];
        }
        if (o->verb == APPEND)
            stream_publish(t.publisher, o->events, o->n);
        return true;
    case HEARTBEAT:
        stream_heartbeat(t.publisher, t.log_id, t.n_log);
        return true;
    case FORGET:
        while (t.n_log > o->n)
            fokus__event__v1__event__free_unpacked(t.log[--t.n_log], NULL);
        return true;
    case RENAME:
        t.log_id = "another-log";
        return true;
    case QUIT:
        return false;
    }
    return false;
}

static void *log_thread(void *arg)
{
    struct err err = { "" };
    bool goes_on = true;

    (void)arg;
    assert_int_equal(bus_bind(t.bus, BUS_ROUTER, t.call, 0600, &t.calls, &err), 0);
    assert_int_equal(bus_bind(t.bus, BUS_XPUB, t.events, 0600, &t.xpub, &err), 0);
    t.publisher = stream_publisher_new("mill", t.xpub);
    assert_non_null(t.publisher);
    bus_give(t.orders_end, &t); /* ready */
    while (goes_on) {
        struct bus_item items[] = { { .socket = t.orders_end },
                                    { .socket = t.calls },
                                    { .socket = t.xpub } };
        (void)!bus_poll(items, ARRAY_LEN(items), -1);
        take_calls();
        if (stream_take_subscriptions(t.publisher))
            t.n_dropped++;
        struct order *o = bus_take(t.orders_end);
        if (!o)
            continue;
        goes_on = obey(o);
        bus_give(t.orders_end, o); /* done */
    }
    stream_publisher_free(t.publisher);
    bus_close(t.calls);
    bus_close(t.xpub);
    bus_close(t.orders_end);
    return NULL;
}

static void wait_for_thread(void)
{
    struct bus_item item = { .socket = t.orders };
    for (int i = 0; i < 100 && !bus_take(t.orders); i++)
        (void)!bus_poll(&item, 1, 100);
}

static void order(enum verb verb, size_t n, Fokus__Event__V1__Event **events)
{
    struct order o = { verb, n, events };
    bus_give(t.orders, &o);
    wait_for_thread();
}

static int set_up(void **state)
{
    struct err err = { "" };

    (void)state;
    memset(&t, 0, sizeof(t));
    t.log_id = "a-log";
    (void)snprintf(t.folder, sizeof(t.folder), "/tmp/stream-test-XXXXXX");
    assert_non_null(mkdtemp(t.folder));
    (void)snprintf(t.call, sizeof(t.call), "ipc://%s/call", t.folder);
    (void)snprintf(t.events, sizeof(t.events), "ipc://%s/events", t.folder);
    t.bus = bus_new();
    assert_int_equal(bus_bind(t.bus, BUS_PAIR, "inproc://orders", 0, &t.orders, &err), 0);
    assert_int_equal(bus_connect(t.bus, BUS_PAIR, "inproc://orders", &t.orders_end, &err), 0);
    assert_int_equal(pthread_create(&t.thread, NULL, log_thread, NULL), 0);
    wait_for_thread();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    order(FORGET, 0, NULL);
    order(QUIT, 0, NULL);
    pthread_join(t.thread, NULL);
    bus_close(t.orders);
    bus_free(t.bus);
    (void)unlink(t.call + strlen("ipc://"));
    (void)unlink(t.events + strlen("ipc://"));
    return rmdir(t.folder);
}

/* "A" a public event of type A, "a" an internal one. `data_bytes` of content each. */
static void append(enum verb verb, const char *types, size_t data_bytes)
{
    Fokus__Event__V1__Event *events[1000];
    size_t n = strlen(types);

    for (size_t i = 0; i < n; i++) {
        Fokus__Event__V1__Event *e = events[i] = malloc(sizeof(*e));
        fokus__event__v1__event__init(e);
        char type[2] = { types[i] >= 'a' ? (char)(types[i] - 32) : types[i], '\0' };
        e->type = strdup(type);
        assert_true(asprintf(&e->id, "018f0000-0000-7000-8000-%012u", ++t.made) == ID_CHARS);
        e->audience = types[i] >= 'a' ? FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_INTERNAL
                                      : FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PUBLIC;
        e->data.len = data_bytes;
        e->data.data = data_bytes ? calloc(1, data_bytes) : NULL;
    }
    order(verb, n, events);
}

/* ---- a plain subscriber, as a partner writes one ---- */

static struct bus_socket *subscriber(const char *prefix)
{
    struct bus_socket *sub;
    struct bus_message m = BUS_MESSAGE_INIT;
    struct err err = { "" };

    assert_int_equal(bus_connect(t.bus, BUS_SUB, t.events, &sub, &err), 0);
    assert_int_equal(bus_subscribe(sub, prefix), 0);
    assert_int_equal(bus_subscribe(sub, "mill.heartbeat."), 0);
    /* Subscribed once a heartbeat comes through. */
    struct bus_item item = { .socket = sub };
    for (int i = 0; i < 500 && bus_receive(sub, &m) != 0; i++) {
        order(HEARTBEAT, 0, NULL);
        (void)!bus_poll(&item, 1, 20);
    }
    while (bus_receive(sub, &m) == 0)
        ;
    bus_release(&m);
    return sub;
}

/* The next message must be this; heartbeats are passed over. Returns how many bytes it had. */
static size_t next_is(struct bus_socket *sub, const char *topic, uint64_t previous, size_t n,
                      const uint64_t *sequences)
{
    struct bus_message m = BUS_MESSAGE_INIT;
    struct bus_item item = { .socket = sub };
    bool found = false;

    for (int i = 0; i < 100 && !found; i++) {
        if (bus_receive(sub, &m) != 0)
            (void)!bus_poll(&item, 1, 100);
        else
            found = m.parts[0].len != strlen("mill.heartbeat.") ||
                    memcmp(m.parts[0].data, "mill.heartbeat.", m.parts[0].len) != 0;
    }
    assert_true(found);
    assert_int_equal(m.n_parts, 2);
    assert_int_equal(m.parts[0].len, strlen(topic));
    assert_memory_equal(m.parts[0].data, topic, strlen(topic));
    Fokus__Event__V1__EventBatch *batch =
        fokus__event__v1__event_batch__unpack(NULL, m.parts[1].len, m.parts[1].data);
    assert_non_null(batch);
    assert_int_equal(batch->previous, previous);
    assert_int_equal(batch->n_events, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(batch->events[i]->sequence, sequences[i]);
    size_t len = m.parts[1].len;
    fokus__event__v1__event_batch__free_unpacked(batch, NULL);
    bus_release(&m);
    return len;
}

#define SEQUENCES(...)                                                                             \
    sizeof((uint64_t[]) { __VA_ARGS__ }) / sizeof(uint64_t), (uint64_t[])                          \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void a_commit_leaves_in_one_message_a_topic(void **state)
{
    (void)state;
    struct bus_socket *sub = subscriber("mill.");
    append(APPEND, "ABAcB", 10);
    append(APPEND, "CA", 10);
    next_is(sub, "mill.A.", 0, SEQUENCES(1, 3));
    next_is(sub, "mill.B.", 0, SEQUENCES(2, 5));
    next_is(sub, "mill.C.", 0, SEQUENCES(6));
    next_is(sub, "mill.A.", 3, SEQUENCES(7));
    bus_close(sub);
}

static void only_public_events_leave(void **state)
{
    (void)state;
    struct bus_socket *sub = subscriber("mill.");
    append(APPEND, "aab", 10);
    append(APPEND, "aAb", 10);
    next_is(sub, "mill.A.", 0, SEQUENCES(5));
    bus_close(sub);
}

static void a_large_commit_leaves_in_several_messages_that_form_a_chain(void **state)
{
    (void)state;
    struct bus_socket *sub = subscriber("mill.");
    append(APPEND, "AAAA", 30 * 1000);
    assert_in_range(next_is(sub, "mill.A.", 0, SEQUENCES(1, 2)), 60 * 1000, STREAM_MAX_MESSAGE);
    assert_in_range(next_is(sub, "mill.A.", 2, SEQUENCES(3, 4)), 60 * 1000, STREAM_MAX_MESSAGE);
    append(APPEND, "A", 10);
    next_is(sub, "mill.A.", 4, SEQUENCES(5));
    bus_close(sub);
}

static void an_event_larger_than_a_message_is_seen_as_a_gap(void **state)
{
    (void)state;
    struct bus_socket *sub = subscriber("mill.");
    append(APPEND, "A", 10);
    append(APPEND, "A", STREAM_MAX_MESSAGE);
    append(APPEND, "AA", 10);
    next_is(sub, "mill.A.", 0, SEQUENCES(1));
    next_is(sub, "mill.A.", 2, SEQUENCES(3, 4));
    bus_close(sub);
}

static void many_types_have_a_topic_each(void **state)
{
    (void)state;
    struct bus_socket *sub = subscriber("mill.");
    for (char type = 'A'; type <= 'Z'; type++)
        append(APPEND, (char[]) { type, type, '\0' }, 1);
    for (char type = 'A'; type <= 'Z'; type++) {
        uint64_t at = (uint64_t)(type - 'A') * 2;
        next_is(sub, (char[]) { 'm', 'i', 'l', 'l', '.', type, '.', '\0' }, 0,
                SEQUENCES(at + 1, at + 2));
    }
    bus_close(sub);
}

static void seeds_make_previous_right_from_the_first_message_on(void **state)
{
    (void)state;
    struct bus_socket *sub = subscriber("mill.");
    char type[16];
    /* More types than the first table has room for. */
    for (unsigned i = 0; i < 300; i++) {
        (void)snprintf(type, sizeof(type), "T%u", i);
        stream_publisher_seed(t.publisher, type, i + 1);
    }
    stream_publisher_seed(t.publisher, "A", 7);
    stream_publisher_seed(t.publisher, "A", 5); /* an older one changes nothing */
    append(APPEND, "BA", 10);
    next_is(sub, "mill.B.", 0, SEQUENCES(1));
    next_is(sub, "mill.A.", 7, SEQUENCES(2));
    bus_close(sub);
}

/* Only an event of after the drop is looked for, so it comes over a new connection. */
static bool hears_an_event(struct bus_socket *sub)
{
    struct bus_message m = BUS_MESSAGE_INIT;
    struct bus_item item = { .socket = sub };
    bool heard = false;

    append(APPEND, "A", 1);
    order(HEARTBEAT, 0, NULL);
    (void)!bus_poll(&item, 1, 20);
    while (!heard && bus_receive(sub, &m) == 0)
        heard = m.parts[0].len == strlen("mill.A.") &&
                memcmp(m.parts[0].data, "mill.A.", strlen("mill.A.")) == 0;
    bus_release(&m);
    return heard;
}

static void who_subscribes_without_end_is_dropped_and_the_others_hear_on(void **state)
{
    (void)state;
    struct bus_socket *hostile, *honest = subscriber("mill.");
    struct err err = { "" };
    char topic[201];

    assert_int_equal(bus_connect(t.bus, BUS_SUB, t.events, &hostile, &err), 0);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(topic, sizeof(topic), "%0200u", i);
        assert_int_equal(bus_subscribe(hostile, topic), 0);
    }
    for (int i = 0; i < 1000 && t.n_dropped == 0; i++) {
        (void)!bus_poll(NULL, 0, 10);
        order(HEARTBEAT, 0, NULL);
    }
    assert_true(t.n_dropped > 0);
    bus_close(hostile);
    bool heard = false;
    for (int i = 0; i < 1000 && !heard; i++)
        heard = hears_an_event(honest);
    assert_true(heard);
    bus_close(honest);
}

static void who_subscribes_little_but_often_is_not_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        bus_close(subscriber("mill.OrganisationRegistered."));
    assert_int_equal(t.n_dropped, 0);
}

/* ---- following ---- */

struct list {
    uint64_t sequences[MAX_EVENTS];
    size_t n, stop_at;
};

static bool collect(void *arg, const Fokus__Event__V1__Event *e)
{
    struct list *l = arg;
    if (l->stop_at && l->n == l->stop_at)
        return false;
    l->sequences[l->n++] = e->sequence;
    return true;
}

static struct stream_follower *follower_from(struct stream_cursor from, const char *const *types,
                                             bool bell)
{
    struct stream_follower *f;
    struct err err = { "" };
    int r = stream_follower_new(t.bus,
                                &(struct stream_follow_config) {
                                    .service = "mill",
                                    .call_endpoint = t.call,
                                    .events_endpoint = bell ? t.events : NULL,
                                    .from = from,
                                    .types = types,
                                },
                                &f, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    return f;
}

static struct stream_follower *follower(uint64_t from, const char *const *types, bool bell)
{
    return follower_from((struct stream_cursor) { .next = from }, types, bell);
}

/* Turns until `n` events came. */
static void turn_until(struct stream_follower *f, struct list *l, size_t n)
{
    struct err err = { "" };
    for (int i = 0; i < 100 && l->n < n; i++)
        if (stream_follower_turn(f, 100, collect, l, &err) < 0)
            fail_msg("%s", err.text);
    assert_int_equal(l->n, n);
}

static void in_order_from(const struct list *l, uint64_t first)
{
    for (size_t i = 0; i < l->n; i++)
        assert_int_equal(l->sequences[i], first + i);
}

static void a_follower_without_a_bell_reads_to_the_end_over_many_pages(void **state)
{
    (void)state;
    struct list l = { 0 };
    struct err err = { "" };
    char types[101];
    memset(types, 'A', 100);
    types[100] = '\0';
    append(APPEND, types, 10);
    struct stream_follower *f = follower(38, NULL, false);
    assert_false(stream_follower_caught_up(f));
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), 63);
    assert_true(stream_follower_caught_up(f));
    assert_int_equal(stream_follower_cursor(f)->next, 101);
    in_order_from(&l, 38);
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), 0);
    stream_follower_free(f);
}

static void only_the_types_asked_for_come(void **state)
{
    (void)state;
    struct list l = { 0 };
    append(APPEND, "AAABBBAAABBBAAABBBAAABC", 10);
    struct stream_follower *f = follower(1, (const char *const[]) { "B", "C", NULL }, true);
    turn_until(f, &l, 11);
    assert_int_equal(l.sequences[0], 4);
    assert_int_equal(l.sequences[10], 23);
    assert_int_equal(stream_follower_cursor(f)->next, 24);
    append(APPEND, "AAAB", 10);
    turn_until(f, &l, 12);
    assert_int_equal(l.sequences[11], 27);
    stream_follower_free(f);
}

static void what_is_published_rings_the_bell(void **state)
{
    (void)state;
    struct list l = { 0 };
    append(APPEND, "AB", 10);
    struct stream_follower *f = follower(1, NULL, true);
    turn_until(f, &l, 2);
    for (size_t i = 0; i < 20; i++) {
        append(APPEND, "ABa", 10);
        turn_until(f, &l, 2 + 3 * (i + 1));
    }
    in_order_from(&l, 1);
    stream_follower_free(f);
}

static void a_heartbeat_tells_of_a_lost_tail(void **state)
{
    (void)state;
    struct list l = { 0 };
    struct err err = { "" };
    append(APPEND, "A", 10);
    struct stream_follower *f = follower(1, NULL, true);
    turn_until(f, &l, 1);
    append(APPEND_SILENTLY, "AAA", 10);
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), 0);
    for (int i = 0; i < 100 && l.n < 4; i++) {
        order(HEARTBEAT, 0, NULL);
        assert_true(stream_follower_turn(f, 20, collect, &l, &err) >= 0);
    }
    assert_int_equal(l.n, 4);
    in_order_from(&l, 1);
    stream_follower_free(f);
}

static void whoever_takes_the_events_may_stop_and_go_on_elsewhere(void **state)
{
    (void)state;
    struct list l = { .stop_at = 5 };
    struct err err = { "" };
    append(APPEND, "AAAAAAAAAA", 10);
    struct stream_follower *f = follower(1, NULL, false);
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), -ESHUTDOWN);
    assert_int_equal(l.n, 5);
    struct stream_cursor cursor = *stream_follower_cursor(f);
    assert_int_equal(cursor.next, 6);
    assert_string_equal(cursor.after_id, "018f0000-0000-7000-8000-000000000005");
    stream_follower_free(f);
    l.stop_at = 0;
    f = follower_from(cursor, NULL, false);
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), 5);
    in_order_from(&l, 1);
    stream_follower_free(f);
}

static void another_log_is_another_history(void **state)
{
    (void)state;
    struct list l = { 0 };
    struct err err = { "" };
    append(APPEND, "AAA", 10);
    struct stream_follower *f = follower(1, NULL, true);
    turn_until(f, &l, 3);
    order(RENAME, 0, NULL);
    int r = 0;
    for (int i = 0; i < 100 && r == 0; i++) {
        order(HEARTBEAT, 0, NULL);
        r = stream_follower_turn(f, 20, collect, &l, &err);
    }
    assert_int_equal(r, -ECANCELED);
    assert_non_null(strstr(err.text, "another log"));
    stream_follower_free(f);
}

static void a_log_that_went_back_is_another_history(void **state)
{
    (void)state;
    struct list l = { 0 };
    struct err err = { "" };
    append(APPEND, "AAA", 10);
    struct stream_follower *f = follower(1, NULL, true);
    turn_until(f, &l, 3);
    order(FORGET, 1, NULL);
    int r = 0;
    for (int i = 0; i < 100 && r == 0; i++) {
        order(HEARTBEAT, 0, NULL);
        r = stream_follower_turn(f, 20, collect, &l, &err);
    }
    assert_int_equal(r, -ECANCELED);
    assert_string_equal(err.text, "The log was put back.");
    stream_follower_free(f);
    f = follower(4, NULL, false); /* a cursor without an id */
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), -ECANCELED);
    assert_non_null(strstr(err.text, "the log ends at 1"));
    stream_follower_free(f);
}

static void a_log_that_went_back_and_on_is_another_history(void **state)
{
    (void)state;
    struct list l = { 0 };
    struct err err = { "" };
    append(APPEND, "AABB", 10);
    struct stream_follower *f = follower(1, (const char *const[]) { "A", NULL }, true);
    turn_until(f, &l, 2);
    struct stream_cursor cursor = *stream_follower_cursor(f);
    assert_int_equal(cursor.next, 5); /* behind events that it never got */
    order(FORGET, 2, NULL);
    append(APPEND_SILENTLY, "AAAA", 10);
    int r = 0;
    for (int i = 0; i < 100 && r == 0; i++) {
        order(HEARTBEAT, 0, NULL);
        r = stream_follower_turn(f, 20, collect, &l, &err);
    }
    assert_int_equal(r, -ECANCELED);
    assert_string_equal(err.text, "The log was put back.");
    stream_follower_free(f);
    f = follower_from(cursor, NULL, false);
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), -ECANCELED);
    assert_int_equal(l.n, 2);
    stream_follower_free(f);
    cursor.after_id[0] = '\0'; /* as it was stored before there were ids */
    f = follower_from(cursor, NULL, false);
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), 2);
    stream_follower_free(f);
}

static void a_service_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct list l = { 0 };
    struct err err = { "" };
    struct stream_follower *f;
    assert_int_equal(stream_follower_new(
                         t.bus,
                         &(struct stream_follow_config) {
                             .service = "mill", .call_endpoint = "ipc:///tmp/nobody-listens-here" },
                         &f, &err),
                     0);
    assert_int_equal(stream_follower_turn(f, 0, collect, &l, &err), -EHOSTUNREACH);
    assert_non_null(strstr(err.text, "mill"));
    stream_follower_free(f);
}

#define STREAM_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_commit_leaves_in_one_message_a_topic),
        STREAM_TEST(only_public_events_leave),
        STREAM_TEST(a_large_commit_leaves_in_several_messages_that_form_a_chain),
        STREAM_TEST(an_event_larger_than_a_message_is_seen_as_a_gap),
        STREAM_TEST(many_types_have_a_topic_each),
        STREAM_TEST(seeds_make_previous_right_from_the_first_message_on),
        STREAM_TEST(who_subscribes_without_end_is_dropped_and_the_others_hear_on),
        STREAM_TEST(who_subscribes_little_but_often_is_not_dropped),
        STREAM_TEST(a_follower_without_a_bell_reads_to_the_end_over_many_pages),
        STREAM_TEST(only_the_types_asked_for_come),
        STREAM_TEST(what_is_published_rings_the_bell),
        STREAM_TEST(a_heartbeat_tells_of_a_lost_tail),
        STREAM_TEST(whoever_takes_the_events_may_stop_and_go_on_elsewhere),
        STREAM_TEST(another_log_is_another_history),
        STREAM_TEST(a_log_that_went_back_is_another_history),
        STREAM_TEST(a_log_that_went_back_and_on_is_another_history),
        STREAM_TEST(a_service_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
