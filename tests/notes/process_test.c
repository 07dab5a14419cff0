/* How calls are taken and answered: what only shows with real sockets, threads and signals. */
#include "tests/notes/process_testing.h"

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

/* Whoever asked for much at once has the first answers while the others are made. */
static void long_answers_of_one_frame_leave_in_portions(void **state)
{
    struct process *p = *state;
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    AddNoteRequest *add = (AddNoteRequest *)note(p, "long");
    GetNoteRequest get = GET_NOTE_REQUEST_INIT;
    uint64_t id = 0;
    size_t n = 0;

    add->text = arena_calloc(p->arena, 1, 1000 + 1);
    assert_non_null(add->text);
    memset(add->text, 'x', 1000);
    assert_int_equal(call(p, p->call, NOTES "AddNote", add).header->status, CODE_OK);
    get.slug = "long";
    for (int i = 0; i < 100; i++)
        id = add_call(p, &frame, NULL, NOTES "GetNote", &get);
    send_frame(p->call, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
    while (n < 100) {
        const Fokus__Wire__V1__Replies *replies = next_replies(p, p->call, PATIENCE_MS);
        assert_non_null(replies);
        assert_in_range(replies->n_replies, 1, 8); /* about 8 KiB */
        for (size_t i = 0; i < replies->n_replies; i++, n++) {
            assert_int_equal(replies->replies[i]->header->call_id, id - 99 + n);
            assert_true(replies->replies[i]->body.len > 1000);
        }
    }
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
    GetStatusRequest status = GET_STATUS_REQUEST_INIT;
    uint8_t proof[CALLER_PROOF_BYTES];

    caller.id = "operator";
    caller.roles = (char *[]) { "ROLE_EDITOR", "ROLE_OPERATOR", "editor" };
    caller.n_roles = 3;
    header.caller = &caller;
    revise.slug = sign.slug = many.prefix = "x";
    expect_refusal(call_with(p, p->call, &header, NOTES "ReviseNote", &revise),
                   CODE_UNAUTHENTICATED, "not proven");
    expect_refusal(call_with(p, p->call, &header, RUNTIME "GetStatus", &status),
                   CODE_UNAUTHENTICATED, "not proven");
    /* Proven, it is still neither the operator nor of a role that its words do not name. */
    caller.id = "0190a1b2-c3d4-8e5f-8a6b-0123456789ab";
    caller.n_roles = 2;
    prove(p, &header, proof);
    expect_refusal(call_with(p, p->call, &header, NOTES "ReviseNote", &revise),
                   CODE_PERMISSION_DENIED, "Only");
    expect_refusal(call_with(p, p->call, &header, NOTES "SignNote", &sign), CODE_NOT_FOUND, "x");
    expect_refusal(call_with(p, p->call, &header, NOTES "AddManyNotes", &many),
                   CODE_PERMISSION_DENIED, "operator");
    expect_refusal(call_with(p, p->call, &header, RUNTIME "Verify", &verify),
                   CODE_PERMISSION_DENIED, "operator");
    caller.n_roles = 3;
    prove(p, &header, proof);
    expect_refusal(call_with(p, p->call, &header, NOTES "ReviseNote", &revise), CODE_NOT_FOUND,
                   "x");
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

/* Gives the writer some tenths of a second of work, under another prefix each time. */
static void occupy_writer(struct process *p, struct bus_socket *s, int round)
{
    struct buf frame = BUF_INIT(BUS_MAX_FRAME);
    AddManyNotesRequest many = ADD_MANY_NOTES_REQUEST_INIT;
    char prefix[32];

    (void)snprintf(prefix, sizeof(prefix), "busy-%d", round);
    many.prefix = prefix;
    many.count = 20000;
    many.text_len = 300;
    (void)add_call(p, &frame, NULL, NOTES "AddManyNotes", &many);
    send_frame(s, (struct slice) { frame.data, frame.len });
    buf_free(&frame);
}

/* Returns once the writer is at work: on a slow machine one round may be over before it is seen. */
static void hold_writer(struct process *p, struct bus_socket *s, int *round)
{
    for (int i = 0; i < 50; i++) {
        occupy_writer(p, s, (*round)++);
        if (get_status(p)->queue_depth > 0)
            return;
    }
    fail_msg("the writer was never seen at work");
}

static void work_whose_time_has_passed_is_not_begun(void **state)
{
    struct process *p = *state;
    Fokus__Wire__V1__CallHeader header = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    struct bus_socket *other;
    struct err err;
    int round = 0;
    struct reply r;
    char slug[32];

    assert_int_equal(bus_connect(p->bus, BUS_DEALER, p->endpoint_admin, &other, &err), 0);
    header.timeout_ms = 1;
    /* A writer that was done just before the call came begins it in time: that is no answer to this test. */
    do {
        assert_in_range(round, 0, 100);
        hold_writer(p, other, &round);
        (void)snprintf(slug, sizeof(slug), "late-%d", round);
        r = call_with(p, p->call, &header, NOTES "AddNote", note(p, slug));
    } while (r.header->status == CODE_OK);
    expect_refusal(r, CODE_DEADLINE_EXCEEDED, "");
    assert_false(note_exists(p, slug));
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
    int round = 0;
    hold_writer(p, other, &round);
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
    assert_in_range(test_now_ms() - before, 0, 15000);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS(calls_of_one_frame_are_each_answered),
        PROCESS(queries_of_one_frame_are_answered_in_one_message),
        PROCESS(long_answers_of_one_frame_leave_in_portions),
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
