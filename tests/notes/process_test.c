/* The process around the core: what only shows with real sockets, threads and signals. */
#include "tests/notes/process_testing.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "fokus/event/v1/event.pb-c.h"

static void calls_of_one_frame_are_each_answered(void **state)
{
    struct process *p = *state;
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    GetNoteRequest get = GET_NOTE_REQUEST_INIT;
    CountNotesRequest count = COUNT_NOTES_REQUEST_INIT;
    uint32_t status[5] = { 99, 99, 99, 99, 99 };
    size_t n = 0;

    get.slug = "absent";
    uint64_t first = add_call(p, &frame, NULL, NOTES "AddNote", note(p, "one"));
    add_call(p, &frame, NULL, NOTES "GetNote", &get);
    add_call(p, &frame, NULL, NOTES "CountNotes", &count); /* runs on the pool */
    add_call(p, &frame, NULL, NOTES "AddNote", note(p, "one"));
    add_call(p, &frame, NULL, NOTES "AddNote", note(p, "Not A Slug"));
    send_frame(p->call, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
    while (n < 5) {
        const Fokus__Wire__V1__Replies *replies = next_replies(p, p->call, PATIENCE_MS);
        assert_non_null(replies);
        for (size_t i = 0; i < replies->n_replies; i++, n++) {
            const Fokus__Wire__V1__ReplyHeader *h = replies->replies[i]->header;
            assert_in_range(h->call_id - first, 0, 4);
            status[h->call_id - first] = h->status;
        }
    }
    assert_int_equal(status[0], CODE_OK);
    assert_int_equal(status[1], CODE_NOT_FOUND);
    assert_int_equal(status[2], CODE_OK);
    assert_int_equal(status[3], CODE_ALREADY_EXISTS);
    assert_int_equal(status[4], CODE_INVALID_ARGUMENT);
}

static void queries_of_one_frame_are_answered_in_one_message(void **state)
{
    struct process *p = *state;
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    ListNotesRequest list = LIST_NOTES_REQUEST_INIT;

    for (int i = 0; i < 100; i++)
        add_call(p, &frame, NULL, NOTES "ListNotes", &list);
    send_frame(p->call, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
    const Fokus__Wire__V1__Replies *replies = next_replies(p, p->call, PATIENCE_MS);
    assert_non_null(replies);
    assert_int_equal(replies->n_replies, 100);
}

static void a_method_that_is_not_there_is_named_in_the_refusal(void **state)
{
    struct process *p = *state;
    ListNotesRequest none = LIST_NOTES_REQUEST_INIT;

    expect_refusal(call(p, p->call, NOTES "Sing", &none), CODE_UNIMPLEMENTED,
                   "has no method fokus.notes.v1.NotesService/Sing");
    expect_refusal(call(p, p->call, "", &none), CODE_UNIMPLEMENTED, "must be a full name");
    expect_refusal(call(p, p->call, "\x01\xff", &none), CODE_UNIMPLEMENTED, "must be a full name");
}

static const char *metrics_text(struct process *p)
{
    GetMetricsRequest ask = GET_METRICS_REQUEST_INIT;
    const GetMetricsResponse *page =
        respond(p, p->call, RUNTIME "GetMetrics", &ask, GET_METRICS_RESPONSE_DESCRIPTOR);
    return page->text;
}

static void malformed_frames_are_dropped_counted_and_harm_nobody(void **state)
{
    struct process *p = *state;
    struct slice two[] = { SLICE_STR("a"), SLICE_STR("b") };

    send_frame(p->call, SLICE_STR("\xff\xff\xff"));
    send_frame(p->call, SLICE_STR("\x0a\x7f"));
    send_frame(p->call, SLICE_STR(""));
    assert_int_equal(bus_send(p->call, two, 2), 0);
    /* A sound list with a broken call of number 7. */
    send_frame(p->call, SLICE_STR("\x0a\x08\x0a\x06\x10\x07\x0a\x7f\x00\x00"));
    const Fokus__Wire__V1__Replies *replies = next_replies(p, p->call, PATIENCE_MS);
    assert_non_null(replies);
    assert_int_equal(replies->replies[0]->header->call_id, 7);
    expect_refusal(reply_of(replies->replies[0]), CODE_INVALID_ARGUMENT, "could not be read");
    assert_non_null(strstr(metrics_text(p), "fokus_frames_refused_total{service=\"notes\"} 4\n"));
}

static void a_frame_with_too_many_calls_is_refused(void **state)
{
    struct process *p = *state;
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    size_t n = 0;

    for (int i = 0; i < 1025; i++)
        add_call(p, &frame, NULL, NOTES "AddNote", note(p, "never"));
    send_frame(p->call, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
    while (n < 1024) {
        const Fokus__Wire__V1__Replies *replies = next_replies(p, p->call, PATIENCE_MS);
        assert_non_null(replies);
        for (size_t i = 0; i < replies->n_replies; i++, n++)
            expect_refusal(reply_of(replies->replies[i]), CODE_INVALID_ARGUMENT, "At most 1,024");
    }
    assert_false(note_exists(p, "never"));
}

static void a_body_past_the_limit_is_refused_with_the_limit(void **state)
{
    struct process *p = *state;
    AddNoteRequest *request = (AddNoteRequest *)note(p, "large");

    request->text = arena_calloc(p->arena, 1, 15 * 1024 * 1024 + 1);
    assert_non_null(request->text);
    memset(request->text, 'x', 15 * 1024 * 1024);
    expect_refusal(call(p, p->call, NOTES "AddNote", request), CODE_RESOURCE_EXHAUSTED,
                   "at most 15728640 bytes");
}

static void nobody_gives_himself_a_role_on_the_call_socket(void **state)
{
    struct process *p = *state;
    Fokus__Wire__V1__Caller caller = FOKUS__WIRE__V1__CALLER__INIT;
    Fokus__Wire__V1__CallHeader header = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    ReviseNoteRequest revise = REVISE_NOTE_REQUEST_INIT;
    SignNoteRequest sign = SIGN_NOTE_REQUEST_INIT;
    AddManyNotesRequest many = ADD_MANY_NOTES_REQUEST_INIT;
    VerifyRequest verify = VERIFY_REQUEST_INIT;

    caller.id = "operator";
    caller.roles = (char *[]) { "ROLE_EDITOR", "ROLE_OPERATOR", "editor" };
    caller.n_roles = 3;
    header.caller = &caller;
    revise.slug = sign.slug = many.prefix = "x";
    expect_refusal(call_with(p, p->call, &header, NOTES "ReviseNote", &revise),
                   CODE_PERMISSION_DENIED, "Only");
    expect_refusal(call_with(p, p->call, &header, NOTES "SignNote", &sign), CODE_UNAUTHENTICATED,
                   "Sign in");
    expect_refusal(call_with(p, p->call, &header, NOTES "AddManyNotes", &many),
                   CODE_PERMISSION_DENIED, "operator");
    expect_refusal(call_with(p, p->call, &header, RUNTIME "Verify", &verify),
                   CODE_PERMISSION_DENIED, "operator");
    many.count = 1;
    assert_int_equal(call(p, p->admin, NOTES "AddManyNotes", &many).header->status, CODE_OK);
}

static void a_command_with_a_key_is_done_once(void **state)
{
    struct process *p = *state;
    Fokus__Wire__V1__CallHeader header = FOKUS__WIRE__V1__CALL_HEADER__INIT;

    header.idempotency_key = "key-1";
    struct reply first = call_with(p, p->call, &header, NOTES "AddNote", note(p, "once"));
    struct reply again = call_with(p, p->call, &header, NOTES "AddNote", note(p, "once"));
    assert_int_equal(first.header->status, CODE_OK);
    assert_false(first.header->repeated);
    assert_int_equal(again.header->status, CODE_OK);
    assert_true(again.header->repeated);
    assert_int_equal(again.body.len, first.body.len);
    assert_memory_equal(again.body.data, first.body.data, first.body.len);

    header.idempotency_key = "not visible: \x7f";
    struct reply bad = call_with(p, p->call, &header, NOTES "AddNote", note(p, "twice"));
    expect_refusal(bad, CODE_INVALID_ARGUMENT, "idempotency_key");
    assert_string_equal(bad.header->violations[0]->field, "idempotency_key");
}

static void a_sequence_the_log_has_not_reached_is_unavailable(void **state)
{
    struct process *p = *state;
    Fokus__Wire__V1__CallHeader header = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    ListNotesRequest list = LIST_NOTES_REQUEST_INIT;

    struct reply added = call(p, p->call, NOTES "AddNote", note(p, "one"));
    header.min_sequence = added.header->log_sequence;
    assert_int_equal(call_with(p, p->call, &header, NOTES "ListNotes", &list).header->status, 0);
    header.min_sequence++;
    expect_refusal(call_with(p, p->call, &header, NOTES "ListNotes", &list), CODE_UNAVAILABLE,
                   "min_sequence");
}

/* Gives the writer some tenths of a second of work and returns once it is at it. */
static uint64_t occupy_writer(struct process *p, struct bus_socket *s)
{
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    AddManyNotesRequest many = ADD_MANY_NOTES_REQUEST_INIT;

    many.prefix = "busy";
    many.count = 20000;
    many.text_len = 300;
    uint64_t id = add_call(p, &frame, NULL, NOTES "AddManyNotes", &many);
    send_frame(s, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
    return id;
}

static void work_whose_time_has_passed_is_not_begun(void **state)
{
    struct process *p = *state;
    Fokus__Wire__V1__CallHeader header = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    struct bus_socket *other;
    struct err err;

    assert_int_equal(bus_connect(p->bus, BUS_DEALER, p->endpoint_admin, &other, &err), 0);
    (void)occupy_writer(p, other);
    while (get_status(p)->queue_depth == 0)
        ;
    header.timeout_ms = 1;
    expect_refusal(call_with(p, p->call, &header, NOTES "AddNote", note(p, "late")),
                   CODE_DEADLINE_EXCEEDED, "");
    assert_false(note_exists(p, "late"));
    bus_close(other);
}

enum { FLOOD = 12000, FLOOD_FRAME = 1000 };

static struct buf flood_frames[FLOOD / FLOOD_FRAME];

/* Makes FLOOD commands in frames; slugs are flood-N for the Nth. Returns the id of the first. */
static uint64_t make_flood(struct process *p)
{
    uint64_t first = p->next_id + 1;
    char slug[32];

    for (int i = 0; i < FLOOD; i++) {
        struct buf *frame = &flood_frames[i / FLOOD_FRAME];
        if (i % FLOOD_FRAME == 0)
            *frame = BUF_INIT(BUS_MAX_FRAME);
        (void)snprintf(slug, sizeof(slug), "flood-%d", i);
        add_call(p, frame, NULL, NOTES "AddNote", note(p, slug));
    }
    return first;
}

static void send_flood(struct process *p)
{
    for (size_t i = 0; i < ARRAY_LEN(flood_frames); i++) {
        send_frame(p->call, (struct slice) { flood_frames[i].data, flood_frames[i].len });
        buf_free(&flood_frames[i]);
    }
}

static uint64_t flood(struct process *p)
{
    uint64_t first = make_flood(p);
    send_flood(p);
    return first;
}

/* Counts the answers of a flood by code until all came or none comes any more. Marks the acknowledged ones. */
static size_t gather(struct process *p, uint64_t first, size_t by_code[20], bool *acknowledged,
                     int quiet_ms)
{
    const Fokus__Wire__V1__Replies *replies;
    size_t n = 0;

    while (n < FLOOD && (replies = next_replies(p, p->call, quiet_ms))) {
        for (size_t i = 0; i < replies->n_replies; i++, n++) {
            const Fokus__Wire__V1__ReplyHeader *h = replies->replies[i]->header;
            assert_in_range(h->status, 0, 16);
            by_code[h->status]++;
            if (acknowledged && h->status == CODE_OK)
                acknowledged[h->call_id - first] = true;
        }
    }
    return n;
}

static void a_full_queue_says_so_at_once_and_nothing_is_dropped(void **state)
{
    struct process *p = *state;
    size_t by_code[20] = { 0 };

    struct bus_socket *other;
    struct err err;

    assert_int_equal(bus_connect(p->bus, BUS_DEALER, p->endpoint_admin, &other, &err), 0);
    uint64_t first = make_flood(p);
    (void)occupy_writer(p, other);
    while (get_status(p)->queue_depth == 0)
        ;
    send_flood(p);
    assert_int_equal(gather(p, first, by_code, NULL, PATIENCE_MS), FLOOD);
    assert_int_equal(by_code[CODE_OK] + by_code[CODE_RESOURCE_EXHAUSTED], FLOOD);
    assert_in_range(by_code[CODE_RESOURCE_EXHAUSTED], 1, FLOOD);
    assert_non_null(next_replies(p, other, PATIENCE_MS));
    assert_int_equal(get_status(p)->queue_depth, 0);
    bus_close(other);
}

static void expect_all_kept(struct process *p, const bool *acknowledged)
{
    char slug[32];
    for (int i = 0; i < FLOOD; i++) {
        (void)snprintf(slug, sizeof(slug), "flood-%d", i);
        if (acknowledged[i] && !note_exists(p, slug))
            fail_msg("%s was acknowledged and is lost", slug);
    }
}

static void stopping_under_load_loses_nothing_acknowledged(void **state)
{
    struct process *p = *state;
    static bool acknowledged[FLOOD];
    size_t by_code[20] = { 0 };

    memset(acknowledged, 0, sizeof(acknowledged));
    uint64_t first = flood(p);
    assert_non_null(next_replies(p, p->call, PATIENCE_MS)); /* it has begun */
    int64_t before = test_now_ms();
    assert_int_equal(stop(p, SIGTERM), 0);
    assert_in_range(test_now_ms() - before, 0, 8000);
    (void)gather(p, first, by_code, acknowledged, 1000);
    assert_int_equal(by_code[CODE_INTERNAL] + by_code[CODE_UNKNOWN], 0);
    assert_in_range(by_code[CODE_OK], 1, FLOOD);
    disconnect(p);
    start(p);
    expect_all_kept(p, acknowledged);
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
    struct process *p = *state;
    static bool acknowledged[FLOOD];
    size_t by_code[20] = { 0 };
    VerifyRequest verify = VERIFY_REQUEST_INIT;

    memset(acknowledged, 0, sizeof(acknowledged));
    uint64_t first = flood(p);
    assert_non_null(next_replies(p, p->call, PATIENCE_MS)); /* it has begun */
    assert_int_equal(stop(p, SIGKILL), -1);
    (void)gather(p, first, by_code, acknowledged, 300);
    disconnect(p);
    start(p); /* replaces the dead one's socket files */
    expect_all_kept(p, acknowledged);
    const VerifyResponse *verdict =
        respond(p, p->admin, RUNTIME "Verify", &verify, VERIFY_RESPONSE_DESCRIPTOR);
    assert_string_equal(verdict->problem, "");
    assert_true(verdict->identical);
}

/* ---- events ---- */

static struct bus_socket *subscribe(struct process *p, const char *topic)
{
    struct bus_socket *sub;
    struct err err;
    assert_int_equal(bus_connect(p->bus, BUS_SUB, p->endpoint_events, &sub, &err), 0);
    assert_int_equal(bus_subscribe(sub, topic), 0);
    return sub;
}

/* The next message on the topic; waits. */
static struct slice next_message(struct process *p, struct bus_socket *sub, const char *topic)
{
    struct bus_message m = BUS_MESSAGE_INIT;
    struct bus_item item = { .socket = sub };

    for (;;) {
        int r = bus_receive(sub, &m);
        if (r == -EAGAIN) {
            assert_int_equal(bus_poll(&item, 1, PATIENCE_MS), 1);
            continue;
        }
        assert_int_equal(r, 0);
        assert_int_equal(m.n_parts, 2);
        if (m.parts[0].len == strlen(topic) && memcmp(m.parts[0].data, topic, m.parts[0].len) == 0)
            break;
    }
    struct slice copy = { arena_memdup(p->arena, m.parts[1].data, m.parts[1].len), m.parts[1].len };
    bus_release(&m);
    return copy;
}

/* Heartbeats arrive: whoever subscribed before is known to the publisher. */
static void wait_subscribed(struct process *p, struct bus_socket *sub)
{
    assert_int_equal(bus_subscribe(sub, "notes.heartbeat."), 0);
    (void)next_message(p, sub, "notes.heartbeat.");
}

static const Fokus__Event__V1__EventBatch *next_batch(struct process *p, struct bus_socket *sub)
{
    struct slice s = next_message(p, sub, "notes.NoteAdded.");
    const Fokus__Event__V1__EventBatch *batch =
        fokus__event__v1__event_batch__unpack(arena_pb(p->arena), s.len, s.data);
    assert_non_null(batch);
    return batch;
}

static void events_follow_their_commit_and_chain_over_a_restart(void **state)
{
    struct process *p = *state;
    struct bus_socket *sub = subscribe(p, "notes.NoteAdded.");

    wait_subscribed(p, sub);
    struct reply one = call(p, p->call, NOTES "AddNote", note(p, "one"));
    const Fokus__Event__V1__EventBatch *batch = next_batch(p, sub);
    assert_int_equal(batch->previous, 0);
    assert_int_equal(batch->n_events, 1);
    assert_int_equal(batch->events[0]->sequence, one.header->log_sequence);
    assert_string_equal(batch->events[0]->subject, "one");
    assert_int_equal(strlen(batch->events[0]->trace_id), 32);

    (void)call(p, p->call, NOTES "AddNote", note(p, "two"));
    batch = next_batch(p, sub);
    assert_int_equal(batch->previous, 1);
    assert_int_equal(batch->events[0]->sequence, 2);
    bus_close(sub);

    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    start(p);
    sub = subscribe(p, "notes.NoteAdded.");
    wait_subscribed(p, sub);
    (void)call(p, p->call, NOTES "AddNote", note(p, "three"));
    batch = next_batch(p, sub);
    assert_int_equal(batch->previous, 2);
    assert_int_equal(batch->events[0]->sequence, 3);
    bus_close(sub);
}

static void a_heartbeat_tells_the_logs_end(void **state)
{
    struct process *p = *state;

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    const char *log_id = get_status(p)->log_id;
    struct bus_socket *sub = subscribe(p, "notes.heartbeat.");
    struct slice s = next_message(p, sub, "notes.heartbeat.");
    const Fokus__Event__V1__Heartbeat *beat =
        fokus__event__v1__heartbeat__unpack(arena_pb(p->arena), s.len, s.data);
    assert_non_null(beat);
    assert_int_equal(beat->last_sequence, 1);
    assert_string_equal(beat->log_id, log_id);
    bus_close(sub);
}

static const ReadEventsResponse *read_events(struct process *p, struct bus_socket *s,
                                             const ReadEventsRequest *request)
{
    return respond(p, s, RUNTIME "ReadEvents", request, READ_EVENTS_RESPONSE_DESCRIPTOR);
}

static void read_events_shows_each_what_he_may_see(void **state)
{
    struct process *p = *state;
    ReadEventsRequest read = READ_EVENTS_REQUEST_INIT;
    ReviseNoteRequest revise = REVISE_NOTE_REQUEST_INIT;

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    revise.slug = "one";
    revise.text = "for partners only";
    assert_int_equal(call(p, p->admin, NOTES "ReviseNote", &revise).header->status, CODE_OK);
    (void)call(p, p->call, NOTES "AddNote", note(p, "two"));
    revise.text = "again";
    assert_int_equal(call(p, p->admin, NOTES "ReviseNote", &revise).header->status, CODE_OK);

    const ReadEventsResponse *r = read_events(p, p->call, &read);
    assert_int_equal(r->n_events, 2);
    assert_string_equal(r->events[0]->type, "NoteAdded");
    assert_int_equal(r->events[1]->sequence, 3);
    assert_int_equal(r->next, 5); /* past what was passed over, too */
    assert_int_equal(r->last_sequence, 4);
    assert_string_equal(r->log_id, get_status(p)->log_id);

    r = read_events(p, p->admin, &read);
    assert_int_equal(r->n_events, 4);
    assert_string_equal(r->events[1]->actor, "operator");
    read.types = (char *[]) { "NoteRevised", "Nonsense" };
    read.n_types = 2;
    read.from = 3;
    r = read_events(p, p->admin, &read);
    assert_int_equal(r->n_events, 1);
    assert_int_equal(r->events[0]->sequence, 4);
    read.n_types = 0;
    read.from = 1;
    read.limit = 3;
    r = read_events(p, p->admin, &read);
    assert_int_equal(r->n_events, 3);
    assert_int_equal(r->next, 4);
    read.from = 1000;
    r = read_events(p, p->admin, &read);
    assert_int_equal(r->n_events, 0);
    assert_int_equal(r->next, 5);
}

static void read_events_goes_on_in_the_middle_of_a_large_record(void **state)
{
    struct process *p = *state;
    AddManyNotesRequest many = ADD_MANY_NOTES_REQUEST_INIT;
    ReadEventsRequest read = READ_EVENTS_REQUEST_INIT;
    uint64_t expected = 1, answers = 0;

    many.prefix = "many";
    many.count = 300;
    many.text_len = 10000;
    assert_int_equal(call(p, p->admin, NOTES "AddManyNotes", &many).header->status, CODE_OK);
    read.limit = 10000;
    for (read.from = 1; read.from <= 300; answers++) {
        const ReadEventsResponse *r = read_events(p, p->call, &read);
        for (size_t i = 0; i < r->n_events; i++)
            assert_int_equal(r->events[i]->sequence, expected++);
        read.from = r->next;
    }
    assert_int_equal(expected, 301);
    assert_in_range(answers, 11, 14); /* about 256 KiB each */
}

static void records_leave_as_they_are_stored(void **state)
{
    struct process *p = *state;
    ReadRecordsRequest read = READ_RECORDS_REQUEST_INIT;

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    (void)call(p, p->call, NOTES "AddNote", note(p, "two"));
    const ReadRecordsResponse *r =
        respond(p, p->admin, RUNTIME "ReadRecords", &read, READ_RECORDS_RESPONSE_DESCRIPTOR);
    assert_int_equal(r->n_records, 2);
    assert_int_equal(r->next, 3);
    const Fokus__Event__V1__Record *record =
        fokus__event__v1__record__unpack(arena_pb(p->arena), r->records[1].len, r->records[1].data);
    assert_non_null(record);
    assert_int_equal(record->number, 2);
    assert_string_equal(record->events[0]->subject, "two");
}

/* ---- status, metrics, logs ---- */

static void status_tells_how_the_service_is(void **state)
{
    struct process *p = *state;

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    const GetStatusResponse *s = get_status(p);
    assert_string_equal(s->service, "notes");
    assert_string_equal(s->version, FOKUS_VERSION);
    assert_string_equal(s->state, "serving");
    assert_string_equal(s->reason, "");
    assert_int_equal(s->last_sequence, 1);
    assert_int_equal(s->last_record, 1);
    assert_int_equal(strlen(s->log_id), 36);
    assert_in_range(s->calls_total, 2, 10);
    assert_in_range(s->store_bytes, 1, 1 << 20);
    assert_int_equal(s->queue_depth, 0);
}

static void describe_carries_the_schema(void **state)
{
    struct process *p = *state;
    DescribeRequest ask = DESCRIBE_REQUEST_INIT;
    const DescribeResponse *r =
        respond(p, p->call, RUNTIME "Describe", &ask, DESCRIBE_RESPONSE_DESCRIPTOR);

    assert_string_equal(r->service, "notes");
    assert_int_equal(r->descriptor_set.len, notes_contract.descriptor_set_len);
    assert_memory_equal(r->descriptor_set.data, notes_contract.descriptor_set,
                        notes_contract.descriptor_set_len);
}

static void the_metrics_page_is_what_prometheus_wants(void **state)
{
    struct process *p = *state;
    ListNotesRequest none = LIST_NOTES_REQUEST_INIT;

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    (void)call(p, p->call, "made/Up\"\\", &none);
    const char *text = metrics_text(p);
    assert_non_null(strstr(text, "fokus_rpc_server_duration_seconds_count{service=\"notes\",method="
                                 "\"fokus.notes.v1.NotesService/AddNote\",code=\"ok\"} 1\n"));
    assert_non_null(strstr(text, "method=\"unknown\",code=\"unimplemented\"} 1\n"));
    assert_null(strstr(text, "made"));
    assert_non_null(
        strstr(text, "fokus_commands_per_commit_bucket{service=\"notes\",le=\"1\"} 1\n"));
    assert_non_null(strstr(text, "fokus_log_sequence{service=\"notes\"} 1\n"));
    assert_non_null(strstr(text, "fokus_events_published_total{service=\"notes\"} 1\n"));
    if (access("/usr/bin/promtool", X_OK) != 0)
        skip();
    FILE *promtool = popen("/usr/bin/promtool check metrics", "w");
    assert_non_null(promtool);
    assert_int_equal(fwrite(text, 1, strlen(text), promtool), strlen(text));
    assert_int_equal(pclose(promtool), 0);
}

static void log_lines_never_hold_what_a_call_carried(void **state)
{
    struct process *p = *state;
    Fokus__Wire__V1__Caller caller = FOKUS__WIRE__V1__CALLER__INIT;
    Fokus__Wire__V1__CallHeader header = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    AddNoteRequest *request = (AddNoteRequest *)note(p, "canary-slug");
    static const char *const titles[] = { "canary title", "decide-fails", "apply-fails" };

    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    assert_int_equal(setenv("FOKUS_LOG", "debug", 1), 0);
    start(p);
    assert_int_equal(unsetenv("FOKUS_LOG"), 0);
    caller.id = "canary-caller";
    header.caller = &caller;
    header.idempotency_key = "canary-key";
    header.locale = "canary-locale";
    header.traceparent = "canary-trace";
    request->text = "canary text";
    request->tags = (char *[]) { "canary tag" };
    request->n_tags = 1;
    for (size_t i = 0; i < 3; i++) {
        request->title = (char *)titles[i];
        (void)call_with(p, p->call, &header, NOTES "AddNote", request);
    }
    (void)call_with(p, p->call, &header, "canary.v1.Method/Name", request);
    request->slug = "Canary Refused";
    (void)call_with(p, p->call, &header, NOTES "AddNote", request);
    const char *log = log_text(p);
    assert_non_null(strstr(log, "\"rpc\":\"fokus.notes.v1.NotesService/AddNote\",\"code\":\"ok\""));
    assert_non_null(strstr(log, "\"code\":\"invalid_argument\""));
    assert_non_null(strstr(log, "\"code\":\"unimplemented\""));
    assert_null(strstr(log, "canary"));
    assert_null(strstr(log, "Canary"));
}

static unsigned mode_of(const struct process *p, const char *file)
{
    char path[200];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", p->home, file); /* short */
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

/* Whatever the umask of whoever started it. */
static void only_who_may_reaches_sockets_and_store(void **state)
{
    struct process *p = *state;
    mode_t mask = umask(0);

    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    start(p);
    (void)umask(mask);
    assert_int_equal(mode_of(p, "run") & 0007, 0);
    assert_int_equal(mode_of(p, "run/notes.admin"), 0600);
    assert_int_equal(mode_of(p, "run/notes.call"), 0660);
    assert_int_equal(mode_of(p, "run/notes.events"), 0660);
    assert_int_equal(mode_of(p, "store"), 0700);
    assert_int_equal(mode_of(p, "store/notes"), 0700);
    assert_int_equal(mode_of(p, "store/notes/data.mdb"), 0600);
    assert_int_equal(mode_of(p, "store/notes/lock.mdb"), 0600);
    assert_int_equal(mode_of(p, "store/notes/owner"), 0600);
}

/* ---- the operator's long calls ---- */

static void a_backup_can_be_read_and_says_what_it_is(void **state)
{
    struct process *p = *state;
    BackupRequest backup = BACKUP_REQUEST_INIT;
    char folder[100], file[120], text[1000] = "";

    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    backup.directory = "relative";
    expect_refusal(call(p, p->admin, RUNTIME "Backup", &backup), CODE_INVALID_ARGUMENT, "absolute");
    (void)snprintf(folder, sizeof(folder), "%s/backup", p->home);
    backup.directory = folder;
    expect_refusal(call(p, p->admin, RUNTIME "Backup", &backup), CODE_INVALID_ARGUMENT,
                   "cannot be opened");
    assert_int_equal(mkdir(folder, 0700), 0);
    const BackupResponse *r =
        respond(p, p->admin, RUNTIME "Backup", &backup, BACKUP_RESPONSE_DESCRIPTOR);
    assert_int_equal(r->last_sequence, 1);
    assert_int_equal(r->last_record, 1);
    assert_int_equal(strlen(r->checksum), 64);
    assert_string_equal(r->log_id, get_status(p)->log_id);
    expect_refusal(call(p, p->admin, RUNTIME "Backup", &backup), CODE_INVALID_ARGUMENT,
                   "must be empty");

    (void)snprintf(file, sizeof(file), "%s/backup.json", folder);
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof(text), f));
    assert_int_equal(fclose(f), 0);
    assert_non_null(strstr(text, r->checksum));
    assert_non_null(strstr(text, "\"service\":\"notes\""));
    (void)snprintf(file, sizeof(file), "%s/data.mdb", folder);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, r->size_bytes);
    assert_int_equal(mode_of(p, "backup/data.mdb"), 0600);
    assert_int_equal(mode_of(p, "backup/backup.json"), 0600);

    size_t files = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir));)
        files += e->d_name[0] != '.';
    assert_int_equal(closedir(dir), 0);
    assert_int_equal(files, 2); /* no lock, no trace of the look into it */
}

static void verify_finds_a_sound_store_identical(void **state)
{
    struct process *p = *state;
    VerifyRequest verify = VERIFY_REQUEST_INIT;

    for (int i = 0; i < 20; i++) {
        char slug[16];
        (void)snprintf(slug, sizeof(slug), "n-%d", i);
        (void)call(p, p->call, NOTES "AddNote", note(p, slug));
    }
    const VerifyResponse *r =
        respond(p, p->admin, RUNTIME "Verify", &verify, VERIFY_RESPONSE_DESCRIPTOR);
    assert_string_equal(r->problem, "");
    assert_true(r->identical);
    assert_int_equal(r->events, 20);
    assert_int_equal(r->records, 20);
    assert_in_range(r->n_tables, 2, 64);
}

/* ---- start ---- */

/* Runs the program to its end and returns its exit code; what it wrote is in the log. */
static int run_program(struct process *p, const char *option, const char *value)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
            _exit(99);
        (void)execl("toy/fokus-notes", "fokus-notes", option, value, (char *)NULL);
        _exit(98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void options_are_explained(void **state)
{
    struct process *p = *state;

    assert_int_equal(run_program(p, "--version", NULL), 0);
    assert_non_null(strstr(log_text(p), "fokus-notes " FOKUS_VERSION "\n"));
    assert_int_equal(run_program(p, "--help", NULL), 0);
    assert_non_null(strstr(log_text(p), "--home DIR"));
    assert_int_equal(run_program(p, "--nonsense", NULL), 2);
    assert_int_equal(run_program(p, "argument", NULL), 2);
    assert_non_null(strstr(log_text(p), "takes no argument such as 'argument'"));
}

static void a_second_process_on_the_same_store_is_refused(void **state)
{
    struct process *p = *state;

    assert_int_equal(run_program(p, "--home", p->home), 1);
    assert_non_null(strstr(log_text(p), "\"msg\":\"cannot serve\""));
    assert_string_equal(get_status(p)->state, "serving"); /* its sockets were left alone */
    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    assert_true(note_exists(p, "one"));
}

static void a_home_too_deep_for_a_socket_is_refused_with_the_reason(void **state)
{
    struct process *p = *state;
    char home[200];

    (void)snprintf(home, sizeof(home), "%s/%0100d", p->home, 0);
    assert_int_equal(run_program(p, "--home", home), 1);
    assert_non_null(strstr(log_text(p), "choose a shorter home folder"));
}

/* Reads what systemd would get until a message begins so; waits. */
static void expect_notice(int fd, const char *begin)
{
    char text[200];
    do {
        ssize_t len = recv(fd, text, sizeof(text) - 1, 0);
        assert_true(len > 0);
        text[len] = '\0';
    } while (strncmp(text, begin, strlen(begin)) != 0);
}

static void systemd_is_told_of_start_life_and_end(void **state)
{
    struct process *p = *state;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

    assert_int_equal(stop(p, SIGTERM), 0);
    disconnect(p);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", p->home);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "200000", 1), 0);
    start(p);
    assert_int_equal(unsetenv("NOTIFY_SOCKET") + unsetenv("WATCHDOG_USEC"), 0);
    expect_notice(fd, "READY=1\nSTATUS=serving");
    expect_notice(fd, "WATCHDOG=1");
    expect_notice(fd, "WATCHDOG=1");
    assert_int_equal(stop(p, SIGTERM), 0);
    expect_notice(fd, "STOPPING=1");
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS(calls_of_one_frame_are_each_answered),
        PROCESS(queries_of_one_frame_are_answered_in_one_message),
        PROCESS(a_method_that_is_not_there_is_named_in_the_refusal),
        PROCESS(malformed_frames_are_dropped_counted_and_harm_nobody),
        PROCESS(a_frame_with_too_many_calls_is_refused),
        PROCESS(a_body_past_the_limit_is_refused_with_the_limit),
        PROCESS(nobody_gives_himself_a_role_on_the_call_socket),
        PROCESS(a_command_with_a_key_is_done_once),
        PROCESS(a_sequence_the_log_has_not_reached_is_unavailable),
        PROCESS(work_whose_time_has_passed_is_not_begun),
        PROCESS(a_full_queue_says_so_at_once_and_nothing_is_dropped),
        PROCESS(stopping_under_load_loses_nothing_acknowledged),
        PROCESS(what_was_acknowledged_survives_kill_9),
        PROCESS(events_follow_their_commit_and_chain_over_a_restart),
        PROCESS(a_heartbeat_tells_the_logs_end),
        PROCESS(read_events_shows_each_what_he_may_see),
        PROCESS(read_events_goes_on_in_the_middle_of_a_large_record),
        PROCESS(records_leave_as_they_are_stored),
        PROCESS(status_tells_how_the_service_is),
        PROCESS(describe_carries_the_schema),
        PROCESS(the_metrics_page_is_what_prometheus_wants),
        PROCESS(log_lines_never_hold_what_a_call_carried),
        PROCESS(only_who_may_reaches_sockets_and_store),
        PROCESS(a_backup_can_be_read_and_says_what_it_is),
        PROCESS(verify_finds_a_sound_store_identical),
        PROCESS(systemd_is_told_of_start_life_and_end),
        PROCESS(options_are_explained),
        PROCESS(a_second_process_on_the_same_store_is_refused),
        PROCESS(a_home_too_deep_for_a_socket_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
