/* core_rebuild_test.c - damaged tables: noted by whoever meets the damage, rebuilt from the log, and what happens when that
 * cannot be. */
#include <errno.h>
#include <pthread.h>

#include "common/fault.h"
#include "tests/notes/core_testing.h"

static void put_bytes(struct core_fixture *f, const struct table *t, const struct key *k,
                      const char *bytes, size_t len)
{
    struct wr *wr;
    bool unknown;

    assert_int_equal(wr_begin(core_store(f->core), f->work, &wr), 0);
    wr_put_bytes(wr, t, k, bytes, len);
    assert_int_equal(wr_commit(wr, &unknown, NULL), 0);
}

static void fill(struct core_fixture *f, int records)
{
    char slug[20];

    for (int i = 0; i < records; i++) {
        (void)snprintf(slug, sizeof slug, "n-%d", i);
        struct core_call *call = add_note(f, slug, "Title");
        run(f);
        assert_int_equal(call->status.code, CODE_OK);
    }
}

/* No message begins so. */
static void damage_note(struct core_fixture *f, const char *slug)
{
    struct key k = KEY_INIT;

    put_bytes(f, &notes_table, key_text(&k, slug), "\xff\xff\xff", 3);
}

static struct core_call *get_note(struct core_fixture *f, const char *slug)
{
    GetNoteRequest req = GET_NOTE_REQUEST_INIT;

    req.slug = (char *)slug;
    return query(f, anyone(), "GetNote", &req);
}

static enum core_tables state_of(struct core_fixture *f, const char *why)
{
    char text[300] = "";
    enum core_tables state = core_tables_state(f->core, text, sizeof text);

    if (!strstr(text, why))
        fail_msg("\"%s\" is not in \"%s\"", why, text);
    return state;
}

static int rebuild(struct core_fixture *f)
{
    struct err err = { "" };

    core_take_damage(f->core);
    return core_rebuild(f->core, NULL, NULL, &err);
}

static void what_a_query_meets_is_rebuilt(void **state)
{
    struct core_fixture *f = *state;

    fill(f, 5);
    assert_int_equal(state_of(f, ""), CORE_TABLES_SOUND);
    damage_note(f, "n-2");
    assert_int_equal(get_note(f, "n-1")->status.code, CODE_OK);
    assert_int_equal(state_of(f, ""), CORE_TABLES_SOUND);
    struct core_call *call = get_note(f, "n-2");
    assert_int_equal(call->status.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(call->status.message, "try again"));
    assert_non_null(call->failure);
    assert_int_equal(state_of(f, "rebuilt from the log"), CORE_TABLES_DAMAGED);
    assert_int_equal(rebuild(f), 0);
    assert_int_equal(state_of(f, ""), CORE_TABLES_SOUND);
    assert_int_equal(get_note(f, "n-2")->status.code, CODE_OK);
    then_identical(f);
}

static void what_a_command_meets_is_rebuilt(void **state)
{
    struct core_fixture *f = *state;

    fill(f, 5);
    damage_note(f, "n-2");
    struct core_call *call = revise_note(f, "n-2", "text"), *other = add_note(f, "n-9", "Title");
    run(f);
    assert_int_equal(call->status.code, CODE_UNAVAILABLE);
    assert_int_equal(other->status.code, CODE_OK);
    assert_int_equal(state_of(f, "rebuilt"), CORE_TABLES_DAMAGED);
    assert_int_equal(rebuild(f), 0);
    call = revise_note(f, "n-2", "text");
    run(f);
    assert_int_equal(call->status.code, CODE_OK);
    then_identical(f);
}

/* An apply that finds damage only when the transaction ends, as an index that is written there does. */
static bool late_damage;

static void finish_damaged(struct wr *wr, struct wr_deferred *d)
{
    (void)d;
    if (late_damage)
        (void)wr_fail(wr, EBADMSG);
}

static void drop_nothing(struct wr_deferred *d)
{
    (void)d;
}

static int apply_late(struct wr *wr, const struct fact *fact, const void *event)
{
    static struct wr_deferred deferred;

    if (!wr_deferred(wr, "test")) {
        deferred = (struct wr_deferred) { .owner = "test",
                                          .finish = finish_damaged,
                                          .drop = drop_nothing };
        wr_defer(wr, &deferred);
    }
    return notes_apply(wr, fact, event);
}

static void what_a_commit_meets_is_rebuilt(void **state)
{
    struct core_fixture *f = *state;
    static struct service_def late;

    late = notes_service;
    late.apply = apply_late;
    restart(f, &late);
    fill(f, 3);
    late_damage = true;
    struct core_call *call = add_note(f, "n-9", "Title");
    run(f);
    late_damage = false;
    assert_int_equal(call->status.code, CODE_UNAVAILABLE);
    assert_null(core_degraded(f->core));
    assert_int_equal(state_of(f, "rebuilt"), CORE_TABLES_DAMAGED);
    assert_int_equal(rebuild(f), 0);
    assert_false(note_exists(f, "n-9"));
    then_identical(f);
}

static void a_damaged_log_is_said_and_changes_nothing(void **state)
{
    struct core_fixture *f = *state;
    struct key k = KEY_INIT;

    fill(f, 5);
    damage_note(f, "n-2");
    put_bytes(f, &log_tables_log, key_u64(&k, 3), "x", 1);
    assert_int_equal(get_note(f, "n-2")->status.code, CODE_UNAVAILABLE);
    assert_int_equal(rebuild(f), -EBADMSG);
    assert_int_equal(state_of(f, "cannot be rebuilt: record 3"), CORE_TABLES_LOST);
    assert_int_equal(get_note(f, "n-4")->status.code, CODE_OK);
    assert_int_equal(get_note(f, "n-2")->status.code, CODE_UNAVAILABLE);
    assert_int_equal(state_of(f, "cannot be rebuilt"),
                     CORE_TABLES_LOST); /* not tried at once again */
    close_core(f);
}

static void damage_soon_after_a_rebuild_is_not_rebuilt_at_once(void **state)
{
    struct core_fixture *f = *state;

    fill(f, 5);
    damage_note(f, "n-2");
    assert_int_equal(get_note(f, "n-2")->status.code, CODE_UNAVAILABLE);
    assert_int_equal(rebuild(f), 0);
    damage_note(f, "n-3");
    assert_int_equal(get_note(f, "n-3")->status.code, CODE_UNAVAILABLE);
    assert_int_equal(state_of(f, "soon after"), CORE_TABLES_LOST);
    close_core(f);
}

static void readers_keep_what_they_see(void **state)
{
    struct core_fixture *f = *state;
    struct rd *rd;
    Note *note;

    fill(f, 5);
    arena_reset(f->work);
    damage_note(f, "n-2");
    struct arena *arena = arena_new(CORE_CALL_ARENA);
    assert_int_equal(rd_begin(core_store(f->core), arena, &rd), 0);
    assert_int_equal(rebuild(f), 0);
    assert_int_equal(note_find(rd, "n-1", &note), 0);
    assert_int_equal(note_find(rd, "n-2", &note), -EBADMSG);
    rd_end(rd);
    arena_free(arena);
    assert_true(note_exists(f, "n-2"));
}

#ifdef FOKUS_FAULTS
static void a_rebuild_that_fails_leaves_all_as_it_was(void **state)
{
    struct core_fixture *f = *state;

    fill(f, 5);
    damage_note(f, "n-2");
    for (unsigned long nth = 1; nth <= 3; nth++) {
        fault_arm(FAULT_PUT, nth);
        assert_true(rebuild(f) < 0);
        fault_arm(FAULT_PUT, 0);
        assert_true(note_exists(f, "n-1"));
        assert_false(note_exists(f, "n-2"));
    }
    fault_arm(FAULT_COMMIT, 1);
    assert_true(rebuild(f) < 0);
    fault_arm(FAULT_COMMIT, 0);
    struct core_call *call = add_note(f, "n-9", "Title"); /* which opens the store again */
    run(f);
    assert_int_equal(call->status.code, CODE_OK);
    assert_true(note_exists(f, "n-1"));
    assert_int_equal(rebuild(f), 0);
    then_identical(f);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(what_a_query_meets_is_rebuilt),
        CORE_TEST(what_a_command_meets_is_rebuilt),
        CORE_TEST(what_a_commit_meets_is_rebuilt),
        CORE_TEST(a_damaged_log_is_said_and_changes_nothing),
        CORE_TEST(damage_soon_after_a_rebuild_is_not_rebuilt_at_once),
        CORE_TEST(readers_keep_what_they_see),
#ifdef FOKUS_FAULTS
        CORE_TEST(a_rebuild_that_fails_leaves_all_as_it_was),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
