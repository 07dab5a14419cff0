/* core_replay_test.c - the log's side of a core: schema changes, killed replays, broken chains, verify. */
#include <errno.h>
#include <pthread.h>

#include "common/fault.h"
#include "tests/notes/core_testing.h"

/* ---- another schema ---- */

/* The toy's next version: signs every added note by "robot" too. */
static int apply_v2(struct wr *wr, const struct fact *fact, const void *event)
{
    const NotesEvent *e = event;
    struct key k = KEY_INIT;

    if (e->event_case == NOTES_EVENT_NOTE_ADDED)
        wr_put_bytes(wr, &signers_table, key_text(key_text(&k, e->note_added->slug), "robot"), NULL,
                     0);
    return notes_apply(wr, fact, event);
}

static struct service_def version_two(void)
{
    struct service_def def = notes_service;

    def.schema = 2;
    def.apply = apply_v2;
    return def;
}

static bool robot_signed(struct core_fixture *f, const char *slug)
{
    struct rd *rd;

    arena_reset(f->work);
    assert_int_equal(rd_begin(core_store(f->core), f->work, &rd), 0);
    bool found = note_is_signed(rd, slug, "robot");
    rd_end(rd);
    return found;
}

static void fill(struct core_fixture *f, int records)
{
    char slug[20];

    for (int i = 0; i < records; i++) {
        (void)snprintf(slug, sizeof slug, "n-%d", i);
        struct core_call *call = add_note(f, slug, "Title");
        call->idempotency_key = i % 10 == 0 ? "a-key" : "";
        call->caller.id = arena_strdup(f->arena, slug);
        run(f);
        assert_int_equal(call->status.code, CODE_OK);
    }
}

static void another_schema_number_replays_the_log(void **state)
{
    struct core_fixture *f = *state;
    static struct service_def two;

    two = version_two();
    fill(f, 30);
    assert_false(robot_signed(f, "n-7"));
    restart(f, &two);
    assert_true(robot_signed(f, "n-7"));
    assert_int_equal(entries(f, "signers"), 30);
    assert_int_equal(entries(f, "_replies"), 3);
    then_identical(f);
    restart(f, &notes_service);
    assert_false(robot_signed(f, "n-7"));
}

static void a_replay_shows_how_far_it_is(void *arg, uint64_t done, uint64_t total)
{
    uint64_t *last = arg;

    assert_true(done <= total && done >= *last);
    *last = done;
}

static void the_progress_ends_at_the_end(void **state)
{
    struct core_fixture *f = *state;
    struct service_def two = version_two();
    struct err err;
    uint64_t last = 0;

    fill(f, 20);
    close_core(f);
    assert_int_equal(
        core_open(&f->core, &two, f->path, 1, a_replay_shows_how_far_it_is, &last, &err), 0);
    assert_int_equal(last, 20);
    f->def = &two;
    then_identical(f);
    close_core(f);
}

#ifdef FOKUS_FAULTS
/* 2,500 records are three transactions of a replay and one that empties the tables. */
static void a_killed_replay_is_resumed(void **state)
{
    struct core_fixture *f = *state;
    static struct service_def two;
    struct err err;

    two = version_two();
    fill(f, 2500);
    for (unsigned long nth = 1; nth <= 4; nth++) {
        close_core(f);
        fault_arm(FAULT_COMMIT, nth);
        assert_true(core_open_scratch(&f->core, &two, f->path, &err) < 0);
        fault_arm(FAULT_COMMIT, 0);
        open_core(f, &two);
        assert_int_equal(entries(f, "signers"), 2500);
        then_identical(f);
        restart(f, &notes_service);
    }
    /* Killed, and then started by the old version: its own replay begins anew. */
    close_core(f);
    fault_arm(FAULT_COMMIT, 3);
    assert_true(core_open_scratch(&f->core, &two, f->path, &err) < 0);
    fault_arm(FAULT_COMMIT, 0);
    open_core(f, &notes_service);
    assert_int_equal(entries(f, "signers"), 0);
    then_identical(f);
}

static uint64_t passages_of_a_replay(struct core_fixture *f, const struct service_def *def)
{
    close_core(f);
    fault_arm(FAULT_COMMIT, 1000);
    open_core(f, def);
    unsigned long n = fault_count(FAULT_COMMIT);
    fault_arm(FAULT_COMMIT, 0);
    return n;
}

static void a_resumed_replay_does_not_begin_anew(void **state)
{
    struct core_fixture *f = *state;
    static struct service_def two;
    struct err err;

    two = version_two();
    fill(f, 2500);
    assert_int_equal(passages_of_a_replay(f, &two), 4);
    restart(f, &notes_service);
    close_core(f);
    fault_arm(FAULT_COMMIT, 4);
    assert_true(core_open_scratch(&f->core, &two, f->path, &err) < 0);
    fault_arm(FAULT_COMMIT, 0);
    assert_int_equal(passages_of_a_replay(f, &two), 1);
}
#endif

/* ---- a broken log ---- */

/* Changes one byte of a stored record, near its end. */
static void tamper(struct core_fixture *f, uint64_t record)
{
    struct slice bytes;
    struct key k = KEY_INIT;
    struct wr *wr;
    bool unknown;

    assert_int_equal(wr_begin(core_store(f->core), f->work, &wr), 0);
    assert_int_equal(log_read(wr_rd(wr), record, &bytes), LOG_OK);
    uint8_t *changed = arena_memdup(f->arena, bytes.data, bytes.len);
    assert_non_null(changed);
    /* The title's last letter: still a record, still an event. */
    uint8_t *title = memmem(changed, bytes.len, "Title", 5);
    assert_non_null(title);
    title[4] = 'E';
    wr_put_bytes(wr, &log_tables_log, key_u64(&k, record), changed, bytes.len);
    assert_int_equal(wr_commit(wr, &unknown, NULL), 0);
}

static void a_tampered_record_is_found_at_start(void **state)
{
    struct core_fixture *f = *state;
    struct core *core;

    for (uint64_t record = 1; record <= 5; record += 2) {
        struct err err = { "" };
        if (record == 1)
            fill(f, 5);
        else
            open_core(f, &notes_service);
        tamper(f, record);
        close_core(f);
        assert_int_equal(core_open_scratch(&core, &notes_service, f->path, &err), -EBADMSG);
        assert_non_null(strstr(err.text, record < 5 ? "does not fit the chain" : "record 5"));
        remove_store(f->path);
        open_core(f, &notes_service);
        fill(f, 5);
        close_core(f);
    }
}

/* Two threads check it, from the start and from the middle. */
static void a_tampered_record_of_a_long_log_is_found_wherever_it_is(void **state)
{
    static const uint64_t records[] = { 1, 2, 50, 51, 52, 100, 101 };
    struct core_fixture *f = *state;
    struct core *core;

    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        struct err err = { "" };
        char name[40];
        fill(f, 101);
        tamper(f, records[i]);
        close_core(f);
        assert_int_equal(core_open_scratch(&core, &notes_service, f->path, &err), -EBADMSG);
        /* It is the next one that tells, and of the last the head. */
        (void)snprintf(name, sizeof name, "record %d ",
                       (int)(records[i] < 101 ? records[i] + 1 : 101));
        assert_non_null(strstr(err.text, name));
        remove_store(f->path);
        open_core(f, &notes_service);
    }
    fill(f, 101);
    restart(f, &notes_service);
    close_core(f);
}

static void only_the_last_records_are_checked_when_so_asked(void **state)
{
    struct core_fixture *f = *state;
    struct err err = { "" };
    struct core *core;

    fill(f, 5);
    tamper(f, 2);
    close_core(f);
    assert_int_equal(core_open(&core, &notes_service, f->path, 2, NULL, NULL, &err), 0);
    core_close(core);
    assert_int_equal(core_open(&core, &notes_service, f->path, 4, NULL, NULL, &err), -EBADMSG);
    assert_int_equal(core_open(&core, &notes_service, f->path, 0, NULL, NULL, &err), -EBADMSG);
}

static void a_tampered_record_is_found_by_verify(void **state)
{
    struct core_fixture *f = *state;

    fill(f, 5);
    tamper(f, 3);
    struct core_verdict verdict = verdict_of(f);
    assert_false(verdict.identical);
    assert_non_null(strstr(verdict.problem, "record 4"));
    close_core(f);
}

static void a_gap_is_found(void **state)
{
    struct core_fixture *f = *state;
    struct err err = { "" };
    struct key k = KEY_INIT;
    struct core *core;
    struct wr *wr;
    bool unknown;

    fill(f, 5);
    assert_int_equal(wr_begin(core_store(f->core), f->work, &wr), 0);
    wr_delete(wr, &log_tables_log, key_u64(&k, 3));
    assert_int_equal(wr_commit(wr, &unknown, NULL), 0);
    struct core_verdict verdict = verdict_of(f);
    assert_false(verdict.identical);
    assert_non_null(strstr(verdict.problem, "record 3"));
    close_core(f);
    assert_int_equal(core_open_scratch(&core, &notes_service, f->path, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "record 3"));
}

/* ---- verify ---- */

static void change_table(struct core_fixture *f, const struct table *t, const char *key, bool put)
{
    struct key k = KEY_INIT;
    struct wr *wr;
    bool unknown;

    assert_int_equal(wr_begin(core_store(f->core), f->work, &wr), 0);
    key_text(&k, key);
    if (put)
        wr_put_bytes(wr, t, &k, "x", 1);
    else
        wr_delete(wr, t, &k);
    assert_int_equal(wr_commit(wr, &unknown, NULL), 0);
}

static void then_differs(struct core_fixture *f, const char *table)
{
    struct core_verdict verdict = verdict_of(f);

    assert_false(verdict.identical);
    assert_non_null(strstr(verdict.problem, table));
    for (size_t i = 0; i < verdict.n_tables; i++)
        assert_int_equal(verdict.tables[i].identical, strcmp(verdict.tables[i].table, table) != 0);
}

static void verify_finds_a_changed_a_missing_and_a_surplus_entry(void **state)
{
    struct core_fixture *f = *state;

    fill(f, 5);
    then_identical(f);
    change_table(f, &notes_table, "n-2", true);
    then_differs(f, "notes");
    change_table(f, &notes_table, "n-2", false);
    then_differs(f, "notes");
    restart(f, &notes_service);
    change_table(f, &signers_table, "zzz", true);
    change_table(f, &notes_table, "n-9", true);
    assert_false(verdict_of(f).identical);
    close_core(f);
}

static void verify_counts_what_it_walked(void **state)
{
    struct core_fixture *f = *state;

    fill(f, 5);
    revise_note(f, "n-1", "text");
    sign_note(f, "n-1", "somebody");
    run(f);
    struct core_verdict verdict = verdict_of(f);
    assert_true(verdict.identical);
    assert_int_equal(verdict.records, 6);
    assert_int_equal(verdict.events, 7);
    assert_int_equal(entries(f, "notes"), 5);
    assert_int_equal(entries(f, "signers"), 1);
}

struct beside {
    struct core_fixture *f;
    _Atomic bool done;
    bool identical;
    uint64_t records;
};

static void *verify_beside(void *arg)
{
    struct beside *b = arg;
    struct core_verdict verdict;

    b->identical = true;
    for (int i = 0; i < 5 && b->identical; i++) {
        int r = core_verify(&notes_service, core_store(b->f->core), b->f->scratch, &verdict, NULL,
                            NULL, NULL);
        b->identical = r == 0 && verdict.identical && verdict.records >= b->records;
        b->records = verdict.records;
    }
    b->done = true;
    return NULL;
}

static void verify_runs_beside_the_writer(void **state)
{
    struct core_fixture *f = *state;
    struct beside b = { .f = f };
    pthread_t thread;
    char slug[20];

    fill(f, 1500);
    assert_int_equal(pthread_create(&thread, NULL, verify_beside, &b), 0);
    for (int i = 0; !b.done; i++) {
        (void)snprintf(slug, sizeof slug, "m-%d", i);
        add_note(f, slug, "Title");
        run(f);
    }
    pthread_join(thread, NULL);
    assert_true(b.identical);
    assert_true(b.records > 1500);
}

static void an_empty_log_is_identical(void **state)
{
    struct core_fixture *f = *state;
    struct core_verdict verdict = verdict_of(f);

    assert_true(verdict.identical);
    assert_int_equal(verdict.records, 0);
}

static void a_store_keeps_its_log_id(void **state)
{
    struct core_fixture *f = *state;
    char id[LOG_ID_CHARS + 1];

    memcpy(id, core_log_id(f->core), sizeof id);
    assert_int_equal(strlen(id), LOG_ID_CHARS);
    restart(f, &notes_service);
    assert_string_equal(core_log_id(f->core), id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CORE_TEST(another_schema_number_replays_the_log),
        CORE_TEST(the_progress_ends_at_the_end),
#ifdef FOKUS_FAULTS
        CORE_TEST(a_killed_replay_is_resumed),
        CORE_TEST(a_resumed_replay_does_not_begin_anew),
#endif
        CORE_TEST(a_tampered_record_is_found_at_start),
        CORE_TEST(a_tampered_record_of_a_long_log_is_found_wherever_it_is),
        CORE_TEST(only_the_last_records_are_checked_when_so_asked),
        CORE_TEST(a_tampered_record_is_found_by_verify),
        CORE_TEST(a_gap_is_found),
        CORE_TEST(verify_finds_a_changed_a_missing_and_a_surplus_entry),
        CORE_TEST(verify_counts_what_it_walked),
        CORE_TEST(verify_runs_beside_the_writer),
        CORE_TEST(an_empty_log_is_identical),
        CORE_TEST(a_store_keeps_its_log_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
