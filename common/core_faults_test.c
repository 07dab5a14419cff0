/* core_faults_test.c - the nth allocation, put and commit of a scenario fails, for every n; stores that cannot be reopened.
 *
 * After each: what was acknowledged is there, what was refused as unsaved is not, and the log's replay is identical. */
#include <errno.h>

#include "common/fault.h"
#include "tests/notes/core_testing.h"

#ifdef FOKUS_FAULTS

enum { SCENARIO_CALLS = 9 };

/* Three batches: notes with and without a key, a refusal, a revision, a repeated key. */
struct scenario {
    struct core_call *calls[SCENARIO_CALLS];
    const char *slugs[SCENARIO_CALLS]; /* of the note that the call adds, or NULL */
};

static void prepare(struct core_fixture *f, struct scenario *s)
{
    static const char *const slugs[SCENARIO_CALLS] = { "a",  "b", "c",  NULL, "d",
                                                       NULL, "e", NULL, NULL };

    for (int i = 0; i < SCENARIO_CALLS; i++) {
        s->slugs[i] = slugs[i];
        s->calls[i] = slugs[i] ? add_note(f, slugs[i], "Title") : revise_note(f, "a", "text");
    }
    s->calls[1]->idempotency_key = "k1";
    s->calls[6]->idempotency_key = "k2";
    s->calls[7] = sign_note(f, "b", "somebody");
    s->calls[8] = sign_note(f, "nothing", "somebody");
    f->n_calls = 0;
}

static void play(struct core_fixture *f, struct scenario *s)
{
    struct err err = { "" };

    for (size_t i = 0; i < SCENARIO_CALLS; i += 3) {
        struct core_commit commit;
        int r =
            core_commands(f->core, s->calls + i, 3, f->now_ms, &f->ids, f->arena, &commit, &err);
        if (r < 0)
            fail_msg("%s", err.text);
    }
}

static void judge(struct core_fixture *f, const struct scenario *s, unsigned long nth)
{
    for (int i = 0; i < SCENARIO_CALLS; i++) {
        const struct core_call *call = s->calls[i];
        if (call->status.code == CODE_OK && call->reply.len == 0)
            fail_msg("n=%lu, call %d: success without a reply", nth, i);
        if (s->slugs[i] && note_exists(f, s->slugs[i]) != (call->status.code == CODE_OK))
            fail_msg("n=%lu, call %d: answered %s, but the note is %s", nth, i,
                     code_name(call->status.code),
                     note_exists(f, s->slugs[i]) ? "there" : "not there");
    }
}

static void start_anew(struct core_fixture *f)
{
    close_core(f);
    remove_store(f->path);
    arena_reset(f->arena);
    open_core(f, &notes_service);
}

static void every_nth_fails(struct core_fixture *f, enum fault_point point)
{
    struct scenario s;

    for (unsigned long nth = 1; nth < 100000; nth++) {
        start_anew(f);
        prepare(f, &s);
        fault_arm(point, nth);
        play(f, &s);
        unsigned long passed = fault_count(point);
        fault_arm(point, 0);
        judge(f, &s, nth);
        restart(f, &notes_service);
        judge(f, &s, nth);
        then_identical(f);
        if (passed < nth)
            return;
    }
    fail_msg("the scenario has no end");
}

static void every_allocation_may_fail(void **state)
{
    every_nth_fails(*state, FAULT_ARENA);
}

static void every_put_may_fail(void **state)
{
    every_nth_fails(*state, FAULT_PUT);
}

static void every_commit_may_fail(void **state)
{
    every_nth_fails(*state, FAULT_COMMIT);
}

static void every_commit_may_succeed_unheard(void **state)
{
    struct core_fixture *f = *state;
    struct scenario s;

    for (unsigned long nth = 1; nth <= 3; nth++) {
        start_anew(f);
        prepare(f, &s);
        fault_arm(FAULT_COMMITTED, nth);
        play(f, &s);
        fault_arm(FAULT_COMMITTED, 0);
        for (int i = 0; i < 8; i++)
            assert_int_equal(s.calls[i]->status.code, CODE_OK);
        judge(f, &s, nth);
        then_identical(f);
    }
}

/* ---- degraded ---- */

static void a_failed_commit_degrades_until_the_next_success(void **state)
{
    struct core_fixture *f = *state;

    fault_arm(FAULT_COMMIT, 1);
    struct core_call *lost = add_note(f, "a", "Title");
    run(f);
    fault_arm(FAULT_COMMIT, 0);
    assert_int_equal(lost->status.code, CODE_UNAVAILABLE);
    assert_string_equal(lost->status.message,
                        "The service cannot save right now. Nothing was changed; try again.");
    assert_non_null(lost->failure);
    assert_int_equal(f->commit.n_events, 0);
    assert_non_null(core_degraded(f->core));
    struct core_call *again = add_note(f, "a", "Title");
    run(f);
    assert_int_equal(again->status.code, CODE_OK);
    assert_null(core_degraded(f->core));
}

static void a_commit_unheard_but_stored_is_told_like_any_other(void **state)
{
    struct core_fixture *f = *state;
    struct core_call *call = add_note(f, "a", "Title");

    fault_arm(FAULT_COMMITTED, 1);
    run(f);
    fault_arm(FAULT_COMMITTED, 0);
    assert_int_equal(call->status.code, CODE_OK);
    assert_int_equal(f->commit.record, 1);
    assert_int_equal(f->commit.last_sequence, 1);
    assert_int_equal(f->commit.n_events, 1);
    assert_null(core_degraded(f->core));
}

static void hide_store(struct core_fixture *f, bool hide)
{
    char hidden[100];

    (void)snprintf(hidden, sizeof hidden, "%s-hidden", f->path);
    assert_int_equal(hide ? rename(f->path, hidden) : rename(hidden, f->path), 0);
}

/* The store's folder is away when a commit's outcome is unknown, and comes back later. */
static struct core_call *lose_sight(struct core_fixture *f, enum fault_point point)
{
    struct core_call *call = add_note(f, "a", "Title");

    fault_arm(point, 1);
    hide_store(f, true);
    run(f);
    fault_arm(point, 0);
    assert_int_equal(call->status.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(call->status.message, "cannot yet tell"));
    assert_non_null(core_degraded(f->core));
    assert_int_equal(f->commit.n_events, 0);

    struct core_call *meanwhile = add_note(f, "b", "Title");
    run(f);
    assert_int_equal(meanwhile->status.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(meanwhile->status.message, "Nothing was changed"));
    hide_store(f, false);
    return call;
}

static void a_commit_found_late_is_published_late(void **state)
{
    struct core_fixture *f = *state;

    add_note(f, "first", "Title");
    run(f);
    lose_sight(f, FAULT_COMMITTED);
    struct core_call *next = add_note(f, "c", "Title");
    run(f);
    assert_int_equal(next->status.code, CODE_OK);
    assert_null(core_degraded(f->core));
    assert_int_equal(f->commit.n_events, 2);
    assert_string_equal(f->commit.events[0]->subject, "a");
    assert_int_equal(f->commit.events[0]->sequence, 2);
    assert_string_equal(f->commit.events[1]->subject, "c");
    assert_int_equal(f->commit.last_sequence, 3);
    assert_true(note_exists(f, "a"));
    assert_false(note_exists(f, "b"));
}

static void a_commit_that_was_lost_leaves_no_trace(void **state)
{
    struct core_fixture *f = *state;

    lose_sight(f, FAULT_COMMIT);
    struct core_call *next = add_note(f, "c", "Title");
    run(f);
    assert_int_equal(next->status.code, CODE_OK);
    assert_int_equal(f->commit.n_events, 1);
    assert_int_equal(f->commit.last_sequence, 1);
    assert_false(note_exists(f, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(every_allocation_may_fail),
        CORE_TEST(every_put_may_fail),
        CORE_TEST(every_commit_may_fail),
        CORE_TEST(every_commit_may_succeed_unheard),
        CORE_TEST(a_failed_commit_degrades_until_the_next_success),
        CORE_TEST(a_commit_unheard_but_stored_is_told_like_any_other),
        CORE_TEST(a_commit_found_late_is_published_late),
        CORE_TEST(a_commit_that_was_lost_leaves_no_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* without fault points there is nothing to arm */
}

#endif
