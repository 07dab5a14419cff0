/* core_test.c - batches, idempotency, access and admission; core_replay_test.c has the log's side, core_faults_test.c the faults. */
#include "tests/notes/core_testing.h"

#include "common/packed.h"
#include "fokus/v1/options.pb-c.h"

/* ---- one command ---- */

static void a_success_changes_tables_and_answers(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *call = add_note(f, "a", "Title");

    run(f);
    assert_int_equal(call->status.code, CODE_OK);
    const AddNoteResponse *res = reply_of(f, call);
    assert_string_equal(res->note->title, "Title");
    assert_int_equal(call->log_sequence, 1);
    assert_int_equal(f->commit.record, 1);
    assert_int_equal(f->commit.last_sequence, 1);
    assert_true(note_exists(f, "a"));
}

static void an_event_carries_its_outer_facts(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *call = add_note(f, "a", "Title");

    call->caller = (struct caller) { .id = "somebody" };
    run(f);
    assert_int_equal(f->commit.n_events, 1);
    const Fokus__Event__V1__Event *e = f->commit.events[0];
    assert_int_equal(e->sequence, 1);
    assert_int_equal(strlen(e->id), ID_CHARS);
    assert_string_equal(e->type, "NoteAdded");
    assert_int_equal(e->time_ms, f->now_ms);
    assert_string_equal(e->actor, "somebody");
    assert_string_equal(e->subject, "a");
    assert_string_equal(e->trace_id, call->trace_id);
    assert_int_equal(e->audience, FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PUBLIC);
}

static void an_event_without_visibility_is_internal(void **state)
{
    struct core_fixture *f = *state;

    add_note(f, "a", "Title");
    run(f);
    revise_note(f, "a", "other");
    sign_note(f, "a", "somebody");
    run(f);
    assert_int_equal(f->commit.n_events, 2);
    assert_int_equal(f->commit.events[0]->audience, FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PARTNER);
    assert_int_equal(f->commit.events[1]->audience, FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_INTERNAL);
}

/* Two more calls, once: they lie behind the first already. */
static size_t two_more(void *arg, size_t n)
{
    bool *fed = arg;
    size_t all = *fed ? n : n + 2;

    *fed = true;
    return all;
}

static void a_batch_grows_by_what_arrives_while_it_runs(void **state)
{
    struct core_fixture *f = *state;
    bool fed = false;
    struct core_call *first = add_note(f, "a", "Title"), *same = add_note(f, "a", "Other"),
                     *last = add_note(f, "b", "Title");

    core_feed(f->core, two_more, &fed);
    f->n_calls = 1;
    run(f);
    core_feed(f->core, NULL, NULL);
    assert_int_equal(first->status.code, CODE_OK);
    assert_int_equal(same->status.code, CODE_ALREADY_EXISTS);
    assert_int_equal(last->status.code, CODE_OK);
    assert_int_equal(last->log_sequence, 2);
    assert_int_equal(last_record(f), 1);
    assert_true(note_exists(f, "a") && note_exists(f, "b"));
}

static void a_refusal_writes_nothing(void **state)
{
    struct core_fixture *f = *state;

    add_note(f, "a", "Title");
    run(f);
    struct core_call *again = add_note(f, "a", "Other");
    run(f);
    assert_int_equal(again->status.code, CODE_ALREADY_EXISTS);
    assert_non_null(strstr(again->status.message, "\"a\""));
    assert_int_equal(again->reply.len, 0);
    assert_int_equal(f->commit.n_events, 0);
    assert_int_equal(last_record(f), 1);
}

static void a_success_without_events_writes_no_record(void **state)
{
    struct core_fixture *f = *state;

    add_note(f, "a", "Title");
    revise_note(f, "a", "text");
    run(f);
    struct core_call *again = revise_note(f, "a", "text");
    run(f);
    assert_int_equal(again->status.code, CODE_OK);
    assert_int_equal(again->log_sequence, 2);
    assert_int_equal(last_record(f), 1);
}

static void violations_name_every_bad_field(void **state)
{
    struct core_fixture *f = *state;
    AddNoteRequest req = ADD_NOTE_REQUEST_INIT;

    req.slug = "Not A Slug";
    req.title = "";
    struct core_call *call = command(f, anyone(), "AddNote", &req, "");
    run(f);
    assert_int_equal(call->status.code, CODE_INVALID_ARGUMENT);
    assert_int_equal(call->status.n_violations, 2);
    assert_non_null(call->status.message);
    assert_int_equal(last_record(f), 0);
}

static void bytes_that_are_no_message_are_refused(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *call = add_note(f, "a", "Title");

    call->body = SLICE_STR("\x0a\xff\xff\xff\xff\x7f");
    run(f);
    assert_int_equal(call->status.code, CODE_INVALID_ARGUMENT);
    call = add_note(f, "a", "Title");
    call->body.len = (size_t)CORE_MAX_BODY + 1;
    run(f);
    assert_int_equal(call->status.code, CODE_RESOURCE_EXHAUSTED);
}

static void an_unknown_command_or_a_query_is_unimplemented(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *unknown = add_note(f, "a", "Title");
    struct core_call *query = add_note(f, "a", "Title");

    unknown->method = "fokus.notes.v1.NotesService/Nothing";
    query->method = "fokus.notes.v1.NotesService/GetNote";
    run(f);
    assert_int_equal(unknown->status.code, CODE_UNIMPLEMENTED);
    assert_int_equal(query->status.code, CODE_UNIMPLEMENTED);
    assert_int_equal(last_record(f), 0);
}

static void a_call_whose_deadline_passed_is_not_begun(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *late = add_note(f, "late", "Title");
    struct core_call *early = add_note(f, "early", "Title");

    late->deadline_ms = f->now_ms;
    early->deadline_ms = f->now_ms + 1;
    run(f);
    assert_int_equal(late->status.code, CODE_DEADLINE_EXCEEDED);
    assert_int_equal(early->status.code, CODE_OK);
    assert_false(note_exists(f, "late"));
}

static void a_failing_decision_is_told_without_its_inside(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *bad = add_note(f, "bad", "decide-fails");
    struct core_call *good = add_note(f, "good", "Title");

    run(f);
    assert_int_equal(bad->status.code, CODE_UNAVAILABLE);
    assert_non_null(bad->failure);
    assert_null(strstr(bad->status.message, "Input/output"));
    assert_int_equal(good->status.code, CODE_OK);
    assert_int_equal(last_record(f), 1);
}

static void too_many_events_are_refused_whole(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *many = add_many(f, "m", OUTCOME_MAX_EVENTS + 1, 0);
    struct core_call *most = add_many(f, "n", OUTCOME_MAX_EVENTS, 0);

    run(f);
    assert_int_equal(many->status.code, CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(most->status.code, CODE_OK);
    assert_int_equal(most->log_sequence, OUTCOME_MAX_EVENTS);
    assert_false(note_exists(f, "m-1"));
}

static void a_command_too_large_for_a_record_is_refused(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *large = add_many(f, "m", 700, 100000);
    struct core_call *small = add_note(f, "small", "Title");

    run(f);
    assert_int_equal(large->status.code, CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(small->status.code, CODE_OK);
    assert_false(note_exists(f, "m-1"));
    assert_true(note_exists(f, "small"));
    assert_int_equal(small->log_sequence, 1);
}

/* ---- batches ---- */

static void a_batch_is_one_record_and_sees_itself(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *first = add_note(f, "a", "Title");
    struct core_call *second = add_note(f, "a", "Other");
    struct core_call *third = revise_note(f, "a", "text");

    run(f);
    assert_int_equal(first->status.code, CODE_OK);
    assert_int_equal(second->status.code, CODE_ALREADY_EXISTS);
    assert_int_equal(third->status.code, CODE_OK);
    assert_int_equal(third->log_sequence, 2);
    assert_int_equal(last_record(f), 1);
    assert_int_equal(f->commit.n_events, 2);
    assert_string_equal(f->commit.events[1]->type, "NoteRevised");
}

static void of_a_hundred_only_the_culprit_fails(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *calls[100];
    char slug[20];

    for (int i = 0; i < 100; i++) {
        (void)snprintf(slug, sizeof slug, "n-%d", i);
        calls[i] = add_note(f, slug, i == 37 ? "apply-fails" : "Title");
    }
    run(f);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(slug, sizeof slug, "n-%d", i);
        assert_int_equal(calls[i]->status.code, i == 37 ? CODE_INTERNAL : CODE_OK);
        assert_int_equal(note_exists(f, slug), i != 37);
    }
    assert_non_null(calls[37]->failure);
    assert_int_equal(f->commit.n_events, 99);
    assert_int_equal(f->commit.last_sequence, 99);
    for (uint64_t i = 0; i < 99; i++)
        assert_int_equal(f->commit.events[i]->sequence, i + 1);
}

static void a_batch_past_a_record_and_past_the_map_is_stored_whole(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *calls[5];
    char prefix[20];
    struct store_stats before, after;

    assert_int_equal(store_stats(core_store(f->core), &before), 0);
    for (int i = 0; i < 5; i++) {
        (void)snprintf(prefix, sizeof prefix, "p%d", i);
        calls[i] = add_many(f, prefix, 300, 100000);
    }
    run(f);
    for (int i = 0; i < 5; i++)
        assert_int_equal(calls[i]->status.code, CODE_OK);
    assert_int_equal(f->commit.n_events, 1500);
    assert_int_equal(f->commit.last_sequence, 1500);
    assert_true(last_record(f) > 1);
    assert_int_equal(store_stats(core_store(f->core), &after), 0);
    assert_true(after.map_bytes > before.map_bytes);
    assert_true(note_exists(f, "p4-300"));
}

/* ---- idempotency ---- */

static struct core_call *add_with_key(struct core_fixture *f, const char *slug, const char *key)
{
    struct core_call *call = add_note(f, slug, "Title");

    call->caller.id = "somebody";
    call->idempotency_key = key;
    return call;
}

static void the_same_key_gets_the_same_reply(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *first = add_with_key(f, "a", "k1");

    run(f);
    f->now_ms += 1000;
    struct core_call *again = add_with_key(f, "a", "k1");
    run(f);
    assert_false(first->repeated);
    assert_int_equal(again->status.code, CODE_OK);
    assert_true(again->repeated);
    assert_int_equal(again->log_sequence, 1);
    assert_int_equal(again->reply.len, first->reply.len);
    assert_memory_equal(again->reply.data, first->reply.data, first->reply.len);
    assert_int_equal(last_record(f), 1);
}

static void a_key_is_the_callers_own(void **state)
{
    struct core_fixture *f = *state;

    add_with_key(f, "a", "k1")->caller.id = "one";
    struct core_call *other = add_with_key(f, "b", "k1");
    other->caller.id = "two";
    run(f);
    assert_int_equal(other->status.code, CODE_OK);
    assert_false(other->repeated);
}

/* Nobody can tell one anonymous caller from another: neither learns of the other's key, or is in its way. */
static void an_anonymous_key_counts_with_its_request_only(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *one = add_with_key(f, "a", "k1");
    struct core_call *other = add_with_key(f, "b", "k1");
    struct core_call *again = add_with_key(f, "a", "k1");
    struct core_call *known = add_with_key(f, "c", "k1");

    one->caller.id = other->caller.id = again->caller.id = "";
    run(f);
    assert_int_equal(other->status.code, CODE_OK);
    assert_false(other->repeated);
    assert_true(note_exists(f, "b"));
    assert_true(again->repeated);
    assert_memory_equal(again->reply.data, one->reply.data, one->reply.len);
    assert_int_equal(known->status.code, CODE_OK);

    f->now_ms += CORE_IDEMPOTENCY_MS;
    revise_note(f, "a", "text");
    run(f);
    assert_int_equal(entries(f, "_replies"), 0);
    assert_int_equal(entries(f, "_expiry"), 0);
}

static void a_key_with_another_request_is_refused(void **state)
{
    struct core_fixture *f = *state;

    add_with_key(f, "a", "k1");
    run(f);
    struct core_call *other = add_with_key(f, "b", "k1");
    run(f);
    assert_int_equal(other->status.code, CODE_INVALID_ARGUMENT);
    assert_string_equal(other->status.violations[0].field, "idempotency_key");
    assert_false(note_exists(f, "b"));
}

static void a_key_with_another_method_is_refused(void **state)
{
    struct core_fixture *f = *state;
    SignNoteRequest sign = SIGN_NOTE_REQUEST_INIT;
    RemoveNoteRequest removal = REMOVE_NOTE_REQUEST_INIT;

    add_note(f, "a", "Title");
    run(f);
    sign.slug = removal.slug = "a";
    struct core_call *first = command(f, person("p"), "SignNote", &sign, "k1");
    run(f);
    struct core_call *other = command(f, person("p"), "RemoveNote", &removal, "k1");
    run(f);
    assert_int_equal(first->body.len, other->body.len);
    assert_int_equal(other->status.code, CODE_INVALID_ARGUMENT);
    assert_true(note_exists(f, "a"));
}

static void in_one_batch_the_second_repeats_the_first(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *first = add_with_key(f, "a", "k1");
    struct core_call *second = add_with_key(f, "a", "k1");

    run(f);
    assert_int_equal(first->status.code, CODE_OK);
    assert_int_equal(second->status.code, CODE_OK);
    assert_true(second->repeated);
    assert_int_equal(f->commit.n_events, 1);
}

static void a_key_lives_across_a_restart(void **state)
{
    struct core_fixture *f = *state;

    add_with_key(f, "a", "k1");
    run(f);
    restart(f, &notes_service);
    struct core_call *again = add_with_key(f, "a", "k1");
    run(f);
    assert_int_equal(again->status.code, CODE_OK);
    assert_true(again->repeated);
}

static void a_key_ends_after_a_day(void **state)
{
    struct core_fixture *f = *state;

    add_with_key(f, "a", "k1");
    run(f);
    f->now_ms += CORE_IDEMPOTENCY_MS - 1;
    struct core_call *in_time = add_with_key(f, "a", "k1");
    run(f);
    f->now_ms += 1;
    struct core_call *too_late = add_with_key(f, "b", "k1");
    run(f);
    assert_true(in_time->repeated);
    assert_int_equal(too_late->status.code, CODE_OK);
    assert_false(too_late->repeated);
    assert_int_equal(entries(f, "_replies"), 1);
    assert_int_equal(entries(f, "_expiry"), 1);
}

static void due_keys_leave_in_bounded_numbers(void **state)
{
    struct core_fixture *f = *state;
    char slug[20], *keys[150];

    for (int i = 0; i < 150; i++) {
        (void)snprintf(slug, sizeof slug, "n-%d", i);
        keys[i] = arena_printf(f->arena, "key-%d", i);
        add_with_key(f, slug, keys[i]);
    }
    run(f);
    assert_int_equal(entries(f, "_replies"), 150);
    f->now_ms += CORE_IDEMPOTENCY_MS;
    revise_note(f, "n-1", "text");
    run(f);
    assert_int_equal(entries(f, "_replies"), 150 - 64);
    assert_int_equal(entries(f, "_expiry"), 150 - 64);
}

static void a_refusal_is_not_stored(void **state)
{
    struct core_fixture *f = *state;
    SignNoteRequest sign = SIGN_NOTE_REQUEST_INIT;

    sign.slug = "a";
    struct core_call *refused = command(f, person("p"), "SignNote", &sign, "k1");
    run(f);
    add_note(f, "a", "Title");
    run(f);
    struct core_call *again = command(f, person("p"), "SignNote", &sign, "k1");
    run(f);
    assert_int_equal(refused->status.code, CODE_NOT_FOUND);
    assert_int_equal(again->status.code, CODE_OK);
    assert_false(again->repeated);
}

static void a_keyed_success_without_events_is_recorded(void **state)
{
    struct core_fixture *f = *state;
    SignNoteRequest sign = SIGN_NOTE_REQUEST_INIT;

    add_note(f, "a", "Title");
    sign_note(f, "a", "p");
    run(f);
    sign.slug = "a";
    struct core_call *call = command(f, person("p"), "SignNote", &sign, "k1");
    run(f);
    assert_int_equal(call->status.code, CODE_OK);
    assert_int_equal(f->commit.n_events, 0);
    assert_int_equal(last_record(f), 2);
    struct core_call *again = command(f, person("p"), "SignNote", &sign, "k1");
    run(f);
    assert_true(again->repeated);
    assert_int_equal(last_record(f), 2);
}

static void a_bad_key_is_refused(void **state)
{
    struct core_fixture *f = *state;
    char longest[CORE_MAX_IDEMPOTENCY_KEY + 2];

    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct core_call *bad[] = { add_with_key(f, "a", "two words"), add_with_key(f, "b", "\xc3\xa5"),
                                add_with_key(f, "c", longest) };
    struct core_call *good = add_with_key(f, "d", longest + 1);
    run(f);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(bad[i]->status.code, CODE_INVALID_ARGUMENT);
        assert_string_equal(bad[i]->status.violations[0].field, "idempotency_key");
    }
    assert_int_equal(good->status.code, CODE_OK);
}

/* ---- queries ---- */

static void a_query_answers_from_its_snapshot(void **state)
{
    struct core_fixture *f = *state;
    GetNoteRequest req = GET_NOTE_REQUEST_INIT;

    add_note(f, "a", "Title");
    run(f);
    req.slug = "a";
    struct core_call *call = query(f, anyone(), "GetNote", &req);
    assert_int_equal(call->status.code, CODE_OK);
    const GetNoteResponse *res = reply_of(f, call);
    assert_string_equal(res->note->title, "Title");
    assert_int_equal(call->log_sequence, 1);
    req.slug = "b";
    call = query(f, anyone(), "GetNote", &req);
    assert_int_equal(call->status.code, CODE_NOT_FOUND);
    req.slug = "";
    call = query(f, anyone(), "GetNote", &req);
    assert_int_equal(call->status.code, CODE_INVALID_ARGUMENT);
    assert_string_equal(call->status.violations[0].field, "slug");
}

static void a_query_keeps_the_access_rule(void **state)
{
    struct core_fixture *f = *state;
    ListSignersRequest req = LIST_SIGNERS_REQUEST_INIT;

    req.slug = "a";
    assert_int_equal(query(f, person("p"), "ListSigners", &req)->status.code,
                     CODE_PERMISSION_DENIED);
    struct caller editor = person("p");
    editor.roles = 1u << FOKUS__V1__ROLE__ROLE_EDITOR;
    assert_int_equal(query(f, editor, "ListSigners", &req)->status.code, CODE_OK);
}

/* ---- access ---- */

static void access_follows_audience_and_caller(void **state)
{
    enum { NOBODY, ANONYMOUS, PERSON, EDITOR, JURY, HOUSE, OPERATOR, CALLERS };
    const struct caller callers[CALLERS] = {
        [NOBODY] = { .id = "" },
        [ANONYMOUS] = { .id = "" },
        [PERSON] = { .id = "p" },
        [EDITOR] = { .id = "p", .roles = 1u << FOKUS__V1__ROLE__ROLE_EDITOR },
        [JURY] = { .id = "p", .roles = 1u << FOKUS__V1__ROLE__ROLE_JURY },
        [HOUSE] = { .id = "@gateway" },
        [OPERATOR] = { .id = "operator", .roles = UINT32_MAX, .operator_socket = true },
    };
    const enum code no = CODE_PERMISSION_DENIED, sign_in = CODE_UNAUTHENTICATED;
    const enum code expected[][CALLERS] = {
        [FOKUS__V1__AUDIENCE__AUDIENCE_UNSPECIFIED] = { no, no, no, no, no, no, no },
        [FOKUS__V1__AUDIENCE__AUDIENCE_PUBLIC] = { 0 },
        [FOKUS__V1__AUDIENCE__AUDIENCE_SIGNED_IN] = { sign_in, sign_in, 0, 0, 0, sign_in, 0 },
        [FOKUS__V1__AUDIENCE__AUDIENCE_ROLE] = { no, no, no, 0, no, no, 0 },
        [FOKUS__V1__AUDIENCE__AUDIENCE_HANDLER] = { 0 },
        [FOKUS__V1__AUDIENCE__AUDIENCE_OPERATOR] = { no, no, no, no, no, no, 0 },
        [FOKUS__V1__AUDIENCE__AUDIENCE_HOUSE] = { no, no, no, no, no, 0, 0 },
        [FOKUS__V1__AUDIENCE__AUDIENCE_HOUSE + 1] = { no, no, no, no, no, no, no },
    };
    struct core_fixture *f = *state;

    for (size_t audience = 0; audience < ARRAY_LEN(expected); audience++)
        for (size_t who = 0; who < CALLERS; who++) {
            const struct method m = { .audience = (int)audience,
                                      .roles = 1u << FOKUS__V1__ROLE__ROLE_EDITOR |
                                               1u << FOKUS__V1__ROLE__ROLE_MODERATOR };
            struct status status = { .arena = f->arena };
            bool allowed = core_allowed(&m, &callers[who], &status);
            assert_int_equal(status.code, expected[audience][who]);
            assert_int_equal(allowed, status.code == CODE_OK);
            if (audience == FOKUS__V1__AUDIENCE__AUDIENCE_ROLE && !allowed)
                assert_string_equal(status.message, "Only an editor or a moderator may do this.");
        }
}

static void a_role_counts_for_its_scope_only(void **state)
{
    const struct held_role held[] = { { FOKUS__V1__ROLE__ROLE_JURY, "" },
                                      { FOKUS__V1__ROLE__ROLE_REPRESENTATIVE, "bris" } };
    const struct caller hers = { .id = "p",
                                 .roles = 1u << FOKUS__V1__ROLE__ROLE_REPRESENTATIVE,
                                 .held = held,
                                 .n_held = ARRAY_LEN(held) };
    const struct held_role edits[] = { { FOKUS__V1__ROLE__ROLE_EDITOR, "" } };
    const struct caller editor = {
        .id = "e", .roles = 1u << FOKUS__V1__ROLE__ROLE_EDITOR, .held = edits, .n_held = 1
    };
    const struct method m = { .audience = FOKUS__V1__AUDIENCE__AUDIENCE_ROLE,
                              .roles = 1u << FOKUS__V1__ROLE__ROLE_EDITOR |
                                       1u << FOKUS__V1__ROLE__ROLE_REPRESENTATIVE,
                              .scope_field = 2 };
    struct core_fixture *f = *state;
    struct buf body = BUF_INIT(100);

    struct status status = { .arena = f->arena };
    assert_false(core_in_scope(&m, &hers, (struct slice) { 0 }, &status)); /* names nothing */
    assert_int_equal(status.code, CODE_PERMISSION_DENIED);
    packed_append_bytes(&body, 1, "bris", 4);
    packed_append_bytes(&body, 2, "brisk", 5);
    assert_false(core_in_scope(&m, &hers, (struct slice) { body.data, body.len }, &status));
    packed_append_bytes(&body, 2, "bris", 4); /* the last one counts, for the handler too */
    assert_true(core_in_scope(&m, &hers, (struct slice) { body.data, body.len }, &status));
    packed_append_bytes(&body, 2, "bri", 3);
    assert_false(core_in_scope(&m, &hers, (struct slice) { body.data, body.len }, &status));
    assert_true(core_in_scope(&m, &editor, (struct slice) { body.data, body.len }, &status));
    buf_free(&body);
}

static void a_method_without_a_rule_is_for_nobody(void **state)
{
    struct core_fixture *f = *state;
    ForgetRuleRequest req = FORGET_RULE_REQUEST_INIT;
    struct caller operator_caller = { .id = "operator",
                                      .roles = UINT32_MAX,
                                      .operator_socket = true };
    struct core_call *call = command(f, operator_caller, "ForgetRule", &req, "");

    run(f);
    assert_int_equal(call->status.code, CODE_PERMISSION_DENIED);
}

/* ---- what holds for every contract ---- */

static void runtime_methods_are_found_and_all_have_rules(void **state)
{
    struct core_fixture *f = *state;

    const struct method *m = core_method(f->core, "fokus.runtime.v1.RuntimeService/Describe");
    assert_non_null(m);
    assert_false(m->command);
    assert_null(core_method(f->core, "fokus.runtime.v1.RuntimeService/Nothing"));
    for (size_t i = 0; i < runtime_contract.n_methods; i++)
        assert_true(runtime_contract.methods[i].audience > 0);
}

static void every_event_survives_apply_on_an_empty_store(void **state)
{
    struct core_fixture *f = *state;

    every_arm_applies(f, &notes_contract);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(a_success_changes_tables_and_answers),
        CORE_TEST(an_event_carries_its_outer_facts),
        CORE_TEST(an_event_without_visibility_is_internal),
        CORE_TEST(a_batch_grows_by_what_arrives_while_it_runs),
        CORE_TEST(a_refusal_writes_nothing),
        CORE_TEST(a_success_without_events_writes_no_record),
        CORE_TEST(violations_name_every_bad_field),
        CORE_TEST(bytes_that_are_no_message_are_refused),
        CORE_TEST(an_unknown_command_or_a_query_is_unimplemented),
        CORE_TEST(a_call_whose_deadline_passed_is_not_begun),
        CORE_TEST(a_failing_decision_is_told_without_its_inside),
        CORE_TEST(too_many_events_are_refused_whole),
        CORE_TEST(a_command_too_large_for_a_record_is_refused),
        CORE_TEST(a_batch_is_one_record_and_sees_itself),
        CORE_TEST(of_a_hundred_only_the_culprit_fails),
        CORE_TEST(a_batch_past_a_record_and_past_the_map_is_stored_whole),
        CORE_TEST(the_same_key_gets_the_same_reply),
        CORE_TEST(a_key_is_the_callers_own),
        CORE_TEST(an_anonymous_key_counts_with_its_request_only),
        CORE_TEST(a_key_with_another_request_is_refused),
        CORE_TEST(a_key_with_another_method_is_refused),
        CORE_TEST(in_one_batch_the_second_repeats_the_first),
        CORE_TEST(a_key_lives_across_a_restart),
        CORE_TEST(a_key_ends_after_a_day),
        CORE_TEST(due_keys_leave_in_bounded_numbers),
        CORE_TEST(a_refusal_is_not_stored),
        CORE_TEST(a_keyed_success_without_events_is_recorded),
        CORE_TEST(a_bad_key_is_refused),
        CORE_TEST(a_query_answers_from_its_snapshot),
        CORE_TEST(a_query_keeps_the_access_rule),
        CORE_TEST(access_follows_audience_and_caller),
        CORE_TEST(a_role_counts_for_its_scope_only),
        CORE_TEST(a_method_without_a_rule_is_for_nobody),
        CORE_TEST(runtime_methods_are_found_and_all_have_rules),
        CORE_TEST(every_event_survives_apply_on_an_empty_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
