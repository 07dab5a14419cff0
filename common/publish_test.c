/* publish_test.c - commits of a service that does not run, and what its subscriber hears after each step.
 *
 * A heartbeat stands for "now": what has not come before it had not left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/macros.h"
#include "common/process.h"

enum { WAIT_MS = 5000 };

static const struct contract no_methods = { 0 };
static const struct service_def mill = { .name = "mill", .contract = &no_methods };

static struct {
    struct service s;
    struct bus_socket *subscriber;
    uint64_t sequence, beats;
} t;

/* What the next message tells: its first event's sequence, or 0 for a heartbeat. */
static uint64_t next_message(int wait_ms)
{
    struct bus_item item = { .socket = t.subscriber };
    struct bus_message m = BUS_MESSAGE_INIT;

    if (bus_poll(&item, 1, wait_ms) <= 0)
        return UINT64_MAX;
    assert_int_equal(bus_receive(t.subscriber, &m), 0);
    assert_int_equal(m.n_parts, 2);
    uint64_t first = 0;
    if (m.parts[0].len == strlen("mill.Ground.")) {
        Fokus__Event__V1__EventBatch *batch =
            fokus__event__v1__event_batch__unpack(NULL, m.parts[1].len, m.parts[1].data);
        assert_non_null(batch);
        first = batch->events[0]->sequence;
        fokus__event__v1__event_batch__free_unpacked(batch, NULL);
    }
    bus_release(&m);
    return first;
}

static void beat(void)
{
    stream_heartbeat(t.s.publisher, "a-log", ++t.beats);
}

/* Nothing but what was heard already has left. */
static void silence(void)
{
    beat();
    assert_int_equal(next_message(WAIT_MS), 0);
}

static int set_up(void **state)
{
    struct err err = { "" };

    (void)state;
    memset(&t, 0, sizeof(t));
    t.s.def = &mill;
    t.s.bus = bus_new();
    t.s.figures = figures_new(&mill);
    assert_non_null(t.s.bus);
    assert_int_equal(bus_bind(t.s.bus, BUS_XPUB, "inproc://events", 0, &t.s.events, &err), 0);
    assert_int_equal(bus_connect(t.s.bus, BUS_SUB, "inproc://events", &t.subscriber, &err), 0);
    assert_int_equal(bus_subscribe(t.subscriber, "mill."), 0);
    t.s.publisher = stream_publisher_new("mill", t.s.events);
    assert_non_null(t.s.publisher);
    do
        beat();
    while (next_message(10) != 0); /* until the subscription has arrived */
    while (next_message(0) == 0)
        ;
    t.s.turn_us = 1000000;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    publish_kept(&t.s, true);
    stream_publisher_free(t.s.publisher);
    figures_free(t.s.figures);
    bus_close(t.subscriber);
    bus_close(t.s.events);
    bus_free(t.s.bus);
    return 0;
}

/* A commit of so many commands with one event. */
static void commit(size_t n)
{
    struct commit *c = calloc(1, sizeof(*c));
    Fokus__Event__V1__Event *event;

    assert_non_null(c);
    c->arena = arena_new(1024 * 1024);
    c->n = n;
    c->made.n_events = 1;
    c->made.events = arena_alloc(c->arena, sizeof(event));
    event = arena_alloc(c->arena, sizeof(*event));
    assert_non_null(event);
    fokus__event__v1__event__init(event);
    event->type = "Ground";
    event->audience = FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PUBLIC;
    event->sequence = c->made.last_sequence = t.s.last_sequence = ++t.sequence;
    c->made.events[0] = event;
    publish_commit(&t.s, c);
}

static void take_commands(uint64_t n)
{
    t.s.commands_taken += n;
    publish_kept(&t.s, false);
}

static void a_small_commit_leaves_at_once(void **state)
{
    (void)state;
    commit(7);
    assert_int_equal(next_message(WAIT_MS), 1);
    silence();
    assert_null(t.s.unpublished);
}

static void a_large_one_leaves_when_as_many_commands_have_come(void **state)
{
    (void)state;
    take_commands(100);
    commit(8);
    silence();
    take_commands(7);
    silence();
    take_commands(1);
    assert_int_equal(next_message(WAIT_MS), 1);
    take_commands(100);
    silence();
}

static void or_after_a_millisecond(void **state)
{
    (void)state;
    commit(64);
    t.s.turn_us += 999;
    take_commands(0);
    silence();
    t.s.turn_us += 1;
    take_commands(0);
    assert_int_equal(next_message(WAIT_MS), 1);
    silence();
}

static void or_before_the_next_one(void **state)
{
    (void)state;
    commit(64);
    commit(64);
    assert_int_equal(next_message(WAIT_MS), 1);
    silence();
    commit(1);
    assert_int_equal(next_message(WAIT_MS), 2);
    assert_int_equal(next_message(WAIT_MS), 3);
    silence();
}

static void or_anyway(void **state)
{
    (void)state;
    commit(64);
    publish_kept(&t.s, true);
    assert_int_equal(next_message(WAIT_MS), 1);
    publish_kept(&t.s, true);
    silence();
}

#define PUBLISH_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PUBLISH_TEST(a_small_commit_leaves_at_once),
        PUBLISH_TEST(a_large_one_leaves_when_as_many_commands_have_come),
        PUBLISH_TEST(or_after_a_millisecond),
        PUBLISH_TEST(or_before_the_next_one),
        PUBLISH_TEST(or_anyway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
