/* What subscribers hear and readers of the log get from a running process. */
#include "tests/notes/process_testing.h"

#include "fokus/event/v1/event.pb-c.h"

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

enum { CALLERS = 48 };

/* Just after a heartbeat so many callers send at once, and then nothing: how long it takes until all their events are heard. */
static int64_t ms_to_hear_callers(struct process *p, struct bus_socket *sub, int round)
{
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    char slug[32];

    for (int i = 0; i < CALLERS; i++) {
        (void)snprintf(slug, sizeof(slug), "round-%d-%d", round, i); /* fits */
        (void)add_call(p, &frame, NULL, NOTES "AddNote", note(p, slug));
    }
    (void)next_message(p, sub, "notes.heartbeat.");
    int64_t begin = test_now_ms();
    send_frame(p->call, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
    uint64_t sequence = (uint64_t)round * CALLERS;
    for (size_t heard = 0; heard < CALLERS;) {
        const Fokus__Event__V1__EventBatch *batch = next_batch(p, sub);
        assert_int_equal(batch->previous, sequence);
        for (size_t i = 0; i < batch->n_events; i++)
            assert_int_equal(batch->events[i]->sequence, ++sequence);
        heard += batch->n_events;
    }
    int64_t took_ms = test_now_ms() - begin;
    for (size_t n = 0; n < CALLERS;) {
        const Fokus__Wire__V1__Replies *replies = next_replies(p, p->call, PATIENCE_MS);
        assert_non_null(replies);
        n += replies->n_replies;
    }
    return took_ms;
}

/* A large commit's events wait for its callers' next commands, but not for long: here none come, and the next heartbeat is a
 * second away. */
static void events_of_many_callers_wait_for_nobody(void **state)
{
    struct process *p = *state;
    struct bus_socket *sub = subscribe(p, "notes.NoteAdded.");
    int64_t best_ms = INT64_MAX;

    wait_subscribed(p, sub);
    for (int round = 0; round < 3; round++) {
        int64_t ms = ms_to_hear_callers(p, sub, round);
        best_ms = ms < best_ms ? ms : best_ms;
    }
    bus_close(sub);
    assert_in_range(best_ms, 0, 500);
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

static void refused(struct process *p, struct bus_socket *s, const ReadEventsRequest *request,
                    enum code code)
{
    struct reply r = call(p, s, RUNTIME "ReadEvents", request);

    assert_int_equal(r.header->status, code);
    assert_int_equal(r.header->n_violations, 1);
    assert_string_equal(r.header->violations[0]->field, "after_id");
}

static void read_events_goes_on_only_in_the_log_that_was_read(void **state)
{
    struct process *p = *state;
    ReadEventsRequest read = READ_EVENTS_REQUEST_INIT;
    ReviseNoteRequest revise = REVISE_NOTE_REQUEST_INIT;

    assert_string_equal(read_events(p, p->call, &read)->after_id, "");
    (void)call(p, p->call, NOTES "AddNote", note(p, "one"));
    revise.slug = "one";
    revise.text = "for partners only";
    assert_int_equal(call(p, p->admin, NOTES "ReviseNote", &revise).header->status, CODE_OK);
    const ReadEventsResponse *all = read_events(p, p->admin, &read);
    char *one = all->events[0]->id, *two = all->events[1]->id;
    assert_string_equal(all->after_id, two);

    const ReadEventsResponse *r = read_events(p, p->call, &read);
    assert_int_equal(r->next, 3);
    assert_string_not_equal(r->after_id, two); /* which tells when it happened */
    read.from = 3;
    for (int i = 0; i < 2; i++) {
        read.after_id = i ? two : r->after_id; /* wherever the cursor comes from */
        assert_string_equal(read_events(p, p->call, &read)->after_id, r->after_id);
        assert_string_equal(read_events(p, p->admin, &read)->after_id, two);
    }
    read.from = 2;
    refused(p, p->call, &read, CODE_FAILED_PRECONDITION);
    read.after_id = one;
    assert_int_equal(read_events(p, p->admin, &read)->n_events, 1);
    assert_int_equal(read_events(p, p->call, &read)->next, 3);
    read.from = 3;
    refused(p, p->call, &read, CODE_FAILED_PRECONDITION);
    read.from = 4; /* past the end */
    refused(p, p->call, &read, CODE_FAILED_PRECONDITION);
    read.from = 1;
    refused(p, p->call, &read, CODE_INVALID_ARGUMENT);
}

static void read_events_goes_on_in_the_middle_of_a_large_record(void **state)
{
    struct process *p = *state;
    AddManyNotesRequest many = ADD_MANY_NOTES_REQUEST_INIT;
    ReadEventsRequest read = READ_EVENTS_REQUEST_INIT;
    uint64_t expected = 1, answers = 0;

    many.prefix = "many";
    many.count = 1200;
    many.text_len = 10000;
    assert_int_equal(call(p, p->admin, NOTES "AddManyNotes", &many).header->status, CODE_OK);
    read.limit = 10000;
    for (read.from = 1; read.from <= 1200; answers++) {
        const ReadEventsResponse *r = read_events(p, p->call, &read);
        for (size_t i = 0; i < r->n_events; i++)
            assert_int_equal(r->events[i]->sequence, expected++);
        read.from = r->next;
        read.after_id = r->after_id;
    }
    assert_int_equal(expected, 1201);
    assert_in_range(answers, 11, 14); /* about 1 MiB each */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS(events_follow_their_commit_and_chain_over_a_restart),
        PROCESS(a_heartbeat_tells_the_logs_end),
        PROCESS(events_of_many_callers_wait_for_nobody),
        PROCESS(read_events_shows_each_what_he_may_see),
        PROCESS(read_events_goes_on_only_in_the_log_that_was_read),
        PROCESS(read_events_goes_on_in_the_middle_of_a_large_record),
        PROCESS(records_leave_as_they_are_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
