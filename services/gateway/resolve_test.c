/* resolve_test.c - asking who somebody is, and when what is known counts: against a service that this test plays, on a clock of its own. */
#include "services/gateway/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/service.h"
#include "common/testing_tree.h"
#include "fokus/runtime/v1/runtime.fokus.h"
#include "fokus/wire/v1/wire.pb-c.h"
#include "services/gateway/follow.h"

enum { PATIENCE_MS = 20000, ROOM = 1 << 16, SECOND = 1000, EVENTS = 8 };

static const uint8_t house_key[CALLER_KEY_BYTES] = "the key of an invented house...";

/* The service, and the gateway's side of it. */
static struct {
    char folder[64], call[100], events[100];
    struct bus *bus;
    struct bus_socket *router, *xpub;
    struct registry *registry;
    struct resolver *resolver;
    struct arena *arena;
    int64_t ahead_ms; /* how far the gateway's clock is before the machine's */
    /* what the service says */
    const char *log_id;
    uint64_t sequence;
    unsigned lives;               /* how often the log was put back */
    const char *subjects[EVENTS]; /* of the gateway's events with these sequences */
    bool silent, unknown, disbelieves, rubbish;
    unsigned behind, resolved;
    char watch[32];
} t;

static int64_t now(void)
{
    return clock_ms() + t.ahead_ms;
}

/* ---- the service ---- */

static void pack(struct buf *to, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *at = buf_reserve(to, len + 1);

    assert_non_null(at);
    to->len += protobuf_c_message_pack(message, at);
}

static void describe(struct buf *body)
{
    Fokus__Runtime__V1__DescribeResponse r = FOKUS__RUNTIME__V1__DESCRIBE_RESPONSE__INIT;

    r.service = (char *)"porter";
    r.log_id = (char *)t.log_id;
    r.resolves_callers = true;
    /* Any schema will do: its methods are not called here. */
    r.descriptor_set.data = (uint8_t *)runtime_contract.descriptor_set;
    r.descriptor_set.len = runtime_contract.descriptor_set_len;
    pack(body, &r.base);
}

static void get_status(struct buf *body)
{
    Fokus__Runtime__V1__GetStatusResponse r = FOKUS__RUNTIME__V1__GET_STATUS_RESPONSE__INIT;

    r.state = (char *)"serving";
    r.started_ms = 1;
    r.pid = 1;
    pack(body, &r.base);
}

/* The id of the event before. */
static char *id_before(uint64_t sequence)
{
    char *id =
        arena_printf(t.arena, "018f0000-0000-7000-8000-%06u%06u", t.lives, (unsigned)sequence - 1);

    assert_non_null(id);
    return id;
}

static void read_events(const Fokus__Wire__V1__Call *call, Fokus__Wire__V1__ReplyHeader *header,
                        struct buf *body)
{
    const Fokus__Runtime__V1__ReadEventsRequest *ask =
        fokus__runtime__v1__read_events_request__unpack(arena_pb(t.arena), call->body.len,
                                                        call->body.data);
    Fokus__Runtime__V1__ReadEventsResponse r = FOKUS__RUNTIME__V1__READ_EVENTS_RESPONSE__INIT;
    Fokus__Event__V1__Event list[EVENTS], *events[EVENTS];

    for (uint64_t i = ask->from ? ask->from : 1; i <= t.sequence && i < EVENTS; i++) {
        events[r.n_events] = &list[r.n_events];
        list[r.n_events] = (Fokus__Event__V1__Event)FOKUS__EVENT__V1__EVENT__INIT;
        list[r.n_events].sequence = i;
        list[r.n_events].audience = FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_GATEWAY;
        list[r.n_events++].subject = (char *)(t.subjects[i] ? t.subjects[i] : "somebody");
    }
    r.events = events;
    r.next = r.last_sequence = t.sequence;
    r.next++;
    r.log_id = (char *)t.log_id;
    r.after_id = id_before(r.next);
    if (*ask->after_id &&
        (ask->from > r.next || strcmp(ask->after_id, id_before(ask->from)) != 0)) {
        header->status = CODE_FAILED_PRECONDITION;
        header->message = (char *)"The log was put back.";
    } else {
        pack(body, &r.base);
    }
}

static void resolve(Fokus__Wire__V1__ReplyHeader *header, struct buf *body)
{
    Fokus__Runtime__V1__ResolveCallerResponse r = FOKUS__RUNTIME__V1__RESOLVE_CALLER_RESPONSE__INIT;
    static uint8_t pseudonym_key[CALLER_KEY_BYTES];

    t.resolved++;
    if (t.behind > 0 && t.behind--)
        header->log_sequence--;
    if (t.unknown) {
        header->status = CODE_UNAUTHENTICATED;
        header->message = (char *)"Sign in first.";
        return;
    }
    r.id = (char *)(t.rubbish ? "somebody" : "018f0000-0000-7000-8000-000000000001");
    r.pseudonym_key = (ProtobufCBinaryData) { sizeof(pseudonym_key), pseudonym_key };
    r.watch = t.watch;
    r.expires_ms = wall_ms() + 60 * SECOND;
    pack(body, &r.base);
}

/* As the runtime: only the house, proven, may ask. */
static bool is_gateway(const Fokus__Wire__V1__CallHeader *h)
{
    uint8_t key[CALLER_KEY_BYTES], caller[256];

    if (!h->caller || strcmp(h->caller->id, "@gateway") != 0)
        return false;
    caller_key_of(house_key, "porter", key);
    size_t len = fokus__wire__v1__caller__pack(h->caller, caller);
    return caller_proven(key, (struct slice) { caller, len }, (struct slice) { 0 },
                         (struct slice) { h->proof.data, h->proof.len });
}

static void answer(const Fokus__Wire__V1__Call *call, struct slice peer)
{
    Fokus__Wire__V1__ReplyHeader header = FOKUS__WIRE__V1__REPLY_HEADER__INIT;
    Fokus__Wire__V1__Reply reply = FOKUS__WIRE__V1__REPLY__INIT, *list[] = { &reply };
    Fokus__Wire__V1__Replies replies = FOKUS__WIRE__V1__REPLIES__INIT;
    struct buf body = BUF_INIT(1 << 20), frame = BUF_INIT(1 << 20);
    const char *method = strchr(call->header->method, '/') + 1;

    header.call_id = call->header->call_id;
    header.log_sequence = t.sequence;
    bool own = strcmp(method, "ReadEvents") == 0 || strcmp(method, "ResolveCaller") == 0;
    if (own && (t.silent || (!t.disbelieves && !is_gateway(call->header)))) {
        assert_true(t.silent);
        return;
    }
    if (own && t.disbelieves)
        header.status = CODE_UNAUTHENTICATED;
    else if (strcmp(method, "Describe") == 0)
        describe(&body);
    else if (strcmp(method, "GetStatus") == 0)
        get_status(&body);
    else if (strcmp(method, "ReadEvents") == 0)
        read_events(call, &header, &body);
    else
        resolve(&header, &body);
    reply.header = &header;
    reply.body = (ProtobufCBinaryData) { body.len, body.data };
    replies.n_replies = 1;
    replies.replies = list;
    pack(&frame, &replies.base);
    assert_int_equal(bus_send(t.router, (struct slice[]) { peer, { frame.data, frame.len } }, 2),
                     0);
    buf_free(&frame);
    buf_free(&body);
}

static void serve(void)
{
    struct bus_message m = BUS_MESSAGE_INIT;

    while (bus_receive(t.router, &m) == 0) {
        const Fokus__Wire__V1__Calls *calls =
            fokus__wire__v1__calls__unpack(arena_pb(t.arena), m.parts[1].len, m.parts[1].data);
        assert_non_null(calls);
        for (size_t i = 0; i < calls->n_calls; i++)
            answer(calls->calls[i], m.parts[0]);
        arena_reset(t.arena);
    }
    bus_release(&m);
}

static void ring(void)
{
    Fokus__Event__V1__Heartbeat beat = FOKUS__EVENT__V1__HEARTBEAT__INIT;
    struct buf body = BUF_INIT(1024);

    beat.last_sequence = t.sequence;
    beat.log_id = (char *)t.log_id;
    pack(&body, &beat.base);
    assert_int_equal(
        bus_send(t.xpub,
                 (struct slice[]) { SLICE_STR("porter.heartbeat."), { body.data, body.len } }, 2),
        0);
    buf_free(&body);
}

/* An event for the gateway. */
static void happen(const char *subject)
{
    t.sequence++;
    if (t.sequence < EVENTS)
        t.subjects[t.sequence] = subject;
}

/* ---- the gateway's loop ---- */

static void turn(void)
{
    struct bus_item items[8] = { { .socket = t.router } };
    size_t n = 1 + registry_items(t.registry, items + 1, 4);

    n += resolver_item(t.resolver, &items[n]);
    assert_true(bus_poll(items, n, 2) >= 0);
    serve();
    resolver_turn(t.resolver, now());
    registry_turn(t.registry, now());
}

static void turn_until(bool (*reached)(void))
{
    for (int64_t until_ms = clock_ms() + PATIENCE_MS; !reached(); turn())
        if (clock_ms() > until_ms)
            fail_msg("waited in vain");
}

static bool is_fresh(void)
{
    return resolver_figures(t.resolver).fresh;
}

static bool is_not_fresh(void)
{
    return !is_fresh();
}

static int set_up(void **state)
{
    struct err err = { "" };

    (void)state;
    memset(&t, 0, sizeof(t));
    t.log_id = "018f0000-0000-7000-8000-00000000000a";
    t.sequence = 3;
    (void)snprintf(t.watch, sizeof(t.watch), "a-watch");
    (void)snprintf(t.folder, sizeof(t.folder), "/tmp/resolve-test-XXXXXX");
    assert_non_null(mkdtemp(t.folder));
    (void)snprintf(t.call, sizeof(t.call), "ipc://%s/porter.call", t.folder);
    (void)snprintf(t.events, sizeof(t.events), "ipc://%s/porter.events", t.folder);
    t.bus = bus_new();
    t.arena = arena_new(1 << 20);
    assert_true(t.bus && t.arena);
    assert_int_equal(bus_bind(t.bus, BUS_ROUTER, t.call, 0600, &t.router, &err), 0);
    assert_int_equal(bus_bind(t.bus, BUS_XPUB, t.events, 0600, &t.xpub, &err), 0);
    assert_int_equal(registry_new(t.bus, NULL, house_key, &t.registry, &err), 0);
    assert_int_equal(registry_add(t.registry, "porter", t.call, &err), 0);
    assert_int_equal(resolver_new(t.bus, t.registry, &t.resolver, &err), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    resolver_free(t.resolver);
    registry_free(t.registry);
    bus_close(t.router);
    bus_close(t.xpub);
    bus_free(t.bus);
    arena_free(t.arena);
    return testing_remove_tree(t.folder);
}

/* What a waiting call was told. */
struct told {
    unsigned times;
    enum code code;
    char message[200];
    bool somebody;
};

static void tell(void *arg, const struct resolution *how)
{
    struct told *told = arg;

    told->times++;
    told->code = how->code;
    told->somebody = how->person != NULL;
    if (how->message)
        (void)snprintf(told->message, sizeof(told->message), "%s", how->message);
}

static const struct credential session = { CREDENTIAL_SESSION, { 1, 2, 3 } };

static struct told ask(uint32_t timeout_ms)
{
    struct told told = { 0 };

    assert_non_null(resolver_ask(t.resolver, &session, timeout_ms, tell, &told));
    for (int64_t until_ms = clock_ms() + PATIENCE_MS; told.times == 0; turn())
        if (clock_ms() > until_ms)
            fail_msg("waited in vain");
    return told;
}

static bool is_known(void)
{
    return resolver_find(t.resolver, &session) != NULL;
}

static bool is_forgotten(void)
{
    return is_fresh() && !is_known();
}

/* ---- tests ---- */

static void it_is_asked_once_and_then_known(void **state)
{
    (void)state;
    struct told told[3] = { 0 };
    bool certain = true;

    assert_false(resolver_ready(t.resolver, &certain));
    assert_false(certain); /* it has not described itself yet */
    turn_until(is_fresh);
    assert_true(resolver_ready(t.resolver, &certain));
    assert_false(is_known());
    for (size_t i = 0; i < 3; i++)
        assert_non_null(resolver_ask(t.resolver, &session, 10 * SECOND, tell, &told[i]));
    struct resolver_wait *leaves = resolver_ask(t.resolver, &session, 10 * SECOND, tell, NULL);
    assert_int_equal(resolver_figures(t.resolver).waiting, 4);
    resolver_cancel(leaves);
    turn_until(is_known);
    assert_int_equal(t.resolved, 1);
    for (size_t i = 0; i < 3; i++)
        assert_true(told[i].times == 1 && told[i].code == CODE_OK && told[i].somebody);
    assert_int_equal(resolver_figures(t.resolver).waiting, 0);
    t.unknown = true; /* what is known is not asked again */
    assert_true(is_known());
}

static void an_event_ends_what_is_known(void **state)
{
    (void)state;
    turn_until(is_fresh);
    assert_true(ask(10 * SECOND).somebody);
    happen("another-watch");
    ring();
    turn_until(is_not_fresh); /* not read yet: nothing counts */
    turn_until(is_fresh);
    assert_true(is_known());
    happen("a-watch");
    resolver_saw(t.resolver, registry_at(t.registry, 0), t.sequence); /* as good as the bell */
    assert_false(is_fresh());
    turn_until(is_forgotten);
    assert_int_equal(resolver_figures(t.resolver).forgotten, 1);
    t.unknown = true;
    struct told told = ask(10 * SECOND);
    assert_int_equal(told.code, CODE_UNAUTHENTICATED);
    assert_false(told.somebody || is_known());
}

static void an_answer_that_is_behind_is_asked_for_again(void **state)
{
    (void)state;
    turn_until(is_fresh);
    t.behind = 3;
    assert_true(ask(10 * SECOND).somebody);
    assert_int_equal(t.resolved, 4);
    t.behind = 1000;
    struct told told = ask(10 * SECOND);
    assert_int_equal(told.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(told.message, "porter"));
}

static void nothing_counts_after_three_silent_seconds(void **state)
{
    (void)state;
    turn_until(is_fresh);
    assert_true(ask(10 * SECOND).somebody);
    t.silent = true;
    t.ahead_ms += FOLLOW_FRESH_MS - 500;
    turn();
    t.ahead_ms += 1000;
    turn_until(is_not_fresh);
    assert_false(is_known());
    struct told told = ask(100);
    assert_int_equal(told.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(told.message, "porter"));
    assert_non_null(strstr(told.message, "100 ms"));
    t.silent = false;
    t.ahead_ms += 10 * SECOND; /* what was not answered is asked again */
    turn_until(is_fresh);
    assert_true(is_known()); /* it was heard of again before anything happened: the log says so */
}

static void another_log_ends_everything(void **state)
{
    (void)state;
    turn_until(is_fresh);
    assert_true(ask(10 * SECOND).somebody);
    t.log_id = "018f0000-0000-7000-8000-00000000000b";
    ring();
    turn_until(is_forgotten);
    assert_true(ask(10 * SECOND).somebody);
    t.sequence -= 2; /* put back to an earlier day */
    ring();
    turn_until(is_forgotten);
    assert_true(ask(10 * SECOND).somebody);
    t.lives++; /* likewise, and gone on beyond where it was */
    happen("somebody");
    ring();
    turn_until(is_forgotten);
    assert_true(ask(10 * SECOND).somebody);
    assert_int_equal(resolver_figures(t.resolver).forgotten, 3);
}

static void a_gateway_that_is_not_believed_signs_nobody_out(void **state)
{
    (void)state;
    bool certain;

    t.disbelieves = true;
    while (!resolver_ready(t.resolver, &certain))
        turn();
    assert_int_equal(ask(10 * SECOND).code, CODE_UNAVAILABLE);
    t.disbelieves = false;
    t.unknown = true;
    turn_until(is_fresh);
    assert_int_equal(ask(10 * SECOND).code, CODE_UNAUTHENTICATED);
    t.unknown = false;
    t.rubbish = true;
    assert_int_equal(ask(10 * SECOND).code, CODE_INTERNAL);
    assert_false(is_known());
}

static void waiting_is_bounded(void **state)
{
    (void)state;
    struct credential c = session;
    struct told told = { 0 };
    size_t n = 0;

    turn_until(is_fresh);
    t.silent = true;
    for (; n < RESOLVE_QUESTIONS; n++) {
        memcpy(c.hash, &n, sizeof(n));
        assert_non_null(resolver_ask(t.resolver, &c, 50, tell, &told));
    }
    c.hash[8] = 1;
    assert_null(resolver_ask(t.resolver, &c, 50, tell, &told));
    c.hash[8] = 0; /* a question that is out already */
    for (; n < RESOLVE_WAITS; n++)
        assert_non_null(resolver_ask(t.resolver, &c, 50, tell, &told));
    assert_null(resolver_ask(t.resolver, &c, 50, tell, &told));
    for (int64_t until_ms = clock_ms() + PATIENCE_MS; told.times < n && clock_ms() < until_ms;)
        turn();
    assert_int_equal(told.times, n);
}

#define GATEWAY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        GATEWAY(it_is_asked_once_and_then_known),
        GATEWAY(an_event_ends_what_is_known),
        GATEWAY(an_answer_that_is_behind_is_asked_for_again),
        GATEWAY(nothing_counts_after_three_silent_seconds),
        GATEWAY(another_log_ends_everything),
        GATEWAY(a_gateway_that_is_not_believed_signs_nobody_out),
        GATEWAY(waiting_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
