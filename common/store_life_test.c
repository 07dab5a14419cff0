/* A store's life: it grows, has one owner, is copied, fails and is reopened. */
#include "common/store_testing.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- the map grows ---- */

struct walker {
    struct fixture *f;
    struct arena *arena;
    atomic_bool stop;
};

/* Reads "fixed" over and over, each time from two snapshots that overlap: neither may wait for the gate that the other
 * keeps from closing. */
static void *read_until_stopped(void *arg)
{
    struct walker *w = arg;
    struct key k = text_key("fixed");

    while (!atomic_load(&w->stop)) {
        struct rd *one, *two;
        struct slice a, b;

        if (rd_begin(w->f->store, w->arena, &one) != 0 || rd_get_bytes(one, &T_RAW, &k, &a) != 0 ||
            rd_begin(w->f->store, w->arena, &two) != 0 || rd_get_bytes(two, &T_RAW, &k, &b) != 0 ||
            a.len != 5 || memcmp(a.data, "value", 5) != 0 || b.len != 5 ||
            memcmp(b.data, "value", 5) != 0)
            abort();
        rd_end(one);
        rd_end(two);
    }
    return NULL;
}

/* One transaction, redone as the runtime does when the map grew. Returns how often it was. */
static unsigned put_big(struct fixture *f, uint64_t number)
{
    static const uint8_t value[20000];
    unsigned redone = 0;

    for (;;) {
        struct key k = KEY_INIT;
        key_u64(key_text(&k, "big"), number);
        struct wr *wr = begin(f);
        wr_put_bytes(wr, &T_RAW, &k, value, sizeof(value));
        int r = commit(f, wr);
        if (r == 0)
            return redone;
        assert_int_equal(r, -EAGAIN);
        assert_true(++redone < 20);
    }
}

static void a_full_map_grows_under_readers(void **state)
{
    struct fixture *f = *state;
    struct walker w = { .f = f, .arena = arena_new(1000) };
    struct store_stats before, after;
    pthread_t thread;
    unsigned redone = 0;

    struct wr *wr = begin(f);
    put_text(wr, "fixed", "value");
    assert_int_equal(commit(f, wr), 0);
    assert_int_equal(store_stats(f->store, &before), 0);
    pthread_create(&thread, NULL, read_until_stopped, &w);
    for (uint64_t i = 0; i < 200; i++)
        redone += put_big(f, i);
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    arena_free(w.arena);

    assert_true(redone >= 5);
    assert_int_equal(store_stats(f->store, &after), 0);
    assert_true(after.map_bytes >= 200 * 20000 && after.map_bytes % before.map_bytes == 0);
    assert_true(after.used_bytes >= 200 * 20000 && after.used_bytes <= after.map_bytes);
    struct rd *rd = snapshot(f);
    assert_int_equal(rd_count(rd, &T_RAW), 201);
    rd_end(rd);
}

/* While a copy runs the map cannot grow. */
static void a_copy_begins_with_half_the_map_free(void **state)
{
    struct fixture *f = *state;
    struct store_stats before, after;
    char path[80];

    uint64_t number = 0;
    do {
        put_big(f, number++);
        assert_int_equal(store_stats(f->store, &before), 0);
    } while (before.used_bytes <= before.map_bytes / 2);
    snprintf(path, sizeof(path), "%s/copy", f->path);
    assert_return_code(mkdir(path, 0700), errno);
    assert_int_equal(store_copy(f->store, path, &f->err), 0);
    assert_int_equal(store_stats(f->store, &after), 0);
    assert_int_equal(after.map_bytes, before.map_bytes * 2);
}

struct counters {
    struct fixture *f;
    pthread_barrier_t start;
};

/* Adds one to a counter in the table, many times. */
static void *count_up(void *arg)
{
    struct counters *c = arg;
    struct fixture *f = c->f;
    struct key k = text_key("counter");

    pthread_barrier_wait(&c->start);
    for (int i = 0; i < 200; i++) {
        struct slice found;
        struct rd *rd;
        struct wr *wr;
        uint32_t n = 0;
        bool unknown;

        if (wr_begin(f->store, NULL, &wr) != 0)
            abort();
        /* The gate may close between any two of these, and must not hold up the one it waits for. */
        for (int j = 0; j < 5; j++) {
            if (rd_begin(f->store, NULL, &rd) != 0)
                abort();
            rd_end(rd);
            sched_yield();
        }
        if (rd_get_bytes(wr_rd(wr), &T_RAW, &k, &found) == 0)
            memcpy(&n, found.data, sizeof(n));
        n++;
        wr_put_bytes(wr, &T_RAW, &k, &n, sizeof(n));
        if (wr_commit(wr, &unknown, NULL) != 0)
            abort();
    }
    return NULL;
}

static void writers_wait_for_each_other_and_for_a_reopening(void **state)
{
    struct fixture *f = *state;
    struct key k = text_key("counter");
    struct counters c = { .f = f };
    pthread_t threads[3];
    struct slice found;
    uint32_t n;

    pthread_barrier_init(&c.start, NULL, ARRAY_LEN(threads) + 1);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_create(&threads[i], NULL, count_up, &c);
    pthread_barrier_wait(&c.start);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(store_reopen(f->store, &f->err), 0);
        sched_yield();
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&c.start);
    struct rd *rd = snapshot(f);
    assert_int_equal(rd_get_bytes(rd, &T_RAW, &k, &found), 0);
    memcpy(&n, found.data, sizeof(n));
    assert_int_equal(n, 200 * ARRAY_LEN(threads));
    rd_end(rd);
}

static void an_aborted_transaction_grows_the_map_too(void **state)
{
    struct fixture *f = *state;
    static const uint8_t value[200000];
    struct key k = text_key("big");

    for (int tries = 0;; tries++) {
        assert_true(tries < 10);
        struct wr *wr = begin(f);
        wr_put_bytes(wr, &T_RAW, &k, value, sizeof(value));
        int r = wr_status(wr);
        if (r == 0) {
            assert_true(tries > 0);
            assert_int_equal(commit(f, wr), 0);
            return;
        }
        assert_int_equal(r, -EAGAIN);
        wr_abort(wr);
    }
}

/* The writer would wait for its own snapshot for ever. */
static void who_holds_a_snapshot_cannot_wait_for_all_readers(void **state)
{
    struct fixture *f = *state;
    static const uint8_t value[200000];
    struct key k = text_key("big");

    struct rd *rd = snapshot(f);
    assert_int_equal(store_reopen(f->store, &f->err), -EDEADLK);
    struct wr *wr = begin(f);
    wr_put_bytes(wr, &T_RAW, &k, value, sizeof(value));
    assert_int_equal(commit(f, wr), -EDEADLK);
    rd_end(rd);
    wr = begin(f);
    assert_int_equal(store_reopen(f->store, &f->err), -EBUSY);
    wr_abort(wr);
    assert_int_equal(store_reopen(f->store, &f->err), 0);
}

/* ---- one owner ---- */

static int open_as_second(const char *path, const char *owner)
{
    struct store_config config = { .path = path, .tables = TABLES };
    struct store *store;
    struct err err = { "" };

    int r = store_open(&store, &config, &err);
    if (r == -EBUSY && strstr(err.text, owner) && strstr(err.text, path))
        return 0;
    fprintf(stderr, "a second open gave %d: %s\n", r, err.text);
    return 1;
}

static void a_second_process_is_refused(void **state)
{
    struct fixture *f = *state;
    char owner[32];
    int status;

    snprintf(owner, sizeof(owner), "process %ld ", (long)getpid());
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "store_test", "second", f->path, owner, (char *)NULL);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(open_as_second(f->path, owner), 0); /* nor may this one open it twice */

    store_close(f->store);
    f->store = NULL;
    assert_int_equal(open_in(f, 0), 0);
}

/* Writes, keeps a snapshot and a write transaction open, says so, and waits to be killed. */
static int open_and_hang(const char *path)
{
    struct fixture f = { .arena = arena_new(1000) };

    snprintf(f.path, sizeof(f.path), "%s", path);
    if (open_in(&f, 0) != 0)
        return 1;
    struct wr *wr = begin(&f);
    put_text(wr, "acknowledged", "yes");
    if (commit(&f, wr) != 0)
        return 1;
    (void)snapshot(&f);
    put_text(begin(&f), "acknowledged", "half");
    if (write(STDOUT_FILENO, "!", 1) != 1)
        return 1;
    for (;;)
        pause();
}

static void a_killed_owner_leaves_the_store_free_and_whole(void **state)
{
    struct fixture *f = *state;
    int ready[2];
    char byte;

    store_close(f->store);
    f->store = NULL;
    assert_return_code(pipe(ready), errno);
    pid_t child = fork();
    if (child == 0) {
        dup2(ready[1], STDOUT_FILENO);
        execl("/proc/self/exe", "store_test", "hang", f->path, (char *)NULL);
        _exit(2);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);

    assert_int_equal(open_in(f, 0), 0);
    assert_store_holds(f, "acknowledged", "yes");
    struct wr *wr = begin(f); /* the dead one's lock is no hindrance */
    put_text(wr, "acknowledged", "again");
    assert_int_equal(commit(f, wr), 0);
    store_check_readers(f->store);
    assert_store_holds(f, "acknowledged", "again");
}

static void what_cannot_be_opened_says_why(void **state)
{
    struct fixture *f = *state;
    static const struct table twin = { "raw", NULL };
    static const struct table *const twins[] = { &T_RAW, &twin, NULL };
    char path[80];
    struct store *store;
    struct err err;

    snprintf(path, sizeof(path), "%s/missing/deeper", f->path);
    struct store_config config = { .path = path, .tables = TABLES, .no_sync = true };
    assert_int_equal(store_open(&store, &config, &err), -ENOENT);
    assert_non_null(strstr(err.text, "missing/deeper"));

    snprintf(path, sizeof(path), "%s/inner", f->path);
    config.tables = twins;
    assert_int_equal(store_open(&store, &config, &err), -EINVAL);
    assert_non_null(strstr(err.text, "declared twice"));

    config.tables = TABLES;
    assert_int_equal(store_open(&store, &config, &err), 0);
    store_close(store);
    snprintf(path, sizeof(path), "%s/inner/data.mdb", f->path);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 4096; i++)
        fputs("this is no store", file);
    fclose(file);
    assert_int_equal(store_open(&store, &config, &err), -ENOTDIR); /* path is the file itself */
    snprintf(path, sizeof(path), "%s/inner", f->path);
    assert_int_equal(store_open(&store, &config, &err), -EUCLEAN);
}

/* ---- copies ---- */

static void assert_same_table(const struct rd *a, const struct rd *b, const struct table *t)
{
    struct scan sa, sb;

    scan_prefix(&sa, a, t, NULL);
    scan_prefix(&sb, b, t, NULL);
    while (scan_next(&sa)) {
        assert_true(scan_next(&sb));
        assert_int_equal(sa.key.len, sb.key.len);
        assert_memory_equal(sa.key.data, sb.key.data, sa.key.len);
        assert_int_equal(sa.value.len, sb.value.len);
        assert_memory_equal(sa.value.data, sb.value.data, sa.value.len);
    }
    assert_false(scan_next(&sb));
    assert_int_equal(scan_end(&sa), 0);
    assert_int_equal(scan_end(&sb), 0);
}

static void a_copy_opens_and_equals(void **state)
{
    struct fixture *f = *state;
    char path[80], file[96];
    struct store *copy;
    struct rd *theirs;

    for (uint64_t i = 0; i < 100; i++)
        put_big(f, i);
    snprintf(path, sizeof(path), "%s/copy", f->path);
    assert_int_equal(store_copy(f->store, path, &f->err), -ENOENT);
    assert_return_code(mkdir(path, 0700), errno);
    struct rd *ours = snapshot(f);
    struct wr *wr = begin(f);
    put_text(wr, "not", "committed");
    assert_int_equal(store_copy(f->store, path, &f->err), 0);
    assert_int_equal(commit(f, wr), 0);
    assert_int_equal(store_copy(f->store, path, &f->err), -ENOTEMPTY);
    assert_non_null(strstr(f->err.text, "not empty"));

    struct store_config config = { .path = path, .tables = TABLES };
    assert_int_equal(store_open(&copy, &config, &f->err), 0);
    assert_int_equal(rd_begin(copy, f->arena, &theirs), 0);
    for (size_t i = 0; TABLES[i]; i++)
        assert_same_table(ours, theirs, TABLES[i]);
    rd_end(theirs);
    rd_end(ours);
    store_close(copy);

    snprintf(path, sizeof(path), "%s/half", f->path);
    assert_return_code(mkdir(path, 0700), errno);
    snprintf(file, sizeof(file), "%s/data.mdb", path);
    struct rlimit limit, before;
    assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
    limit = (struct rlimit) { 100000, before.rlim_max };
    assert_return_code(setrlimit(RLIMIT_FSIZE, &limit), errno);
    int r = store_copy(f->store, path, &f->err);
    assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
    assert_int_equal(r, -EFBIG);
    assert_int_equal(access(file, F_OK), -1); /* half a copy is removed */
}

static void stats_tell_of_old_readers(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;

    struct rd *old = snapshot(f);
    for (int i = 0; i < 3; i++) {
        struct wr *wr = begin(f);
        put_text(wr, "k", "v");
        assert_int_equal(commit(f, wr), 0);
    }
    struct rd *fresh = snapshot(f);
    assert_int_equal(store_stats(f->store, &stats), 0);
    assert_int_equal(stats.readers, 2);
    assert_int_equal(stats.oldest_reader_age_txns, 3);
    rd_end(old);
    assert_int_equal(store_stats(f->store, &stats), 0);
    assert_int_equal(stats.readers, 1);
    assert_int_equal(stats.oldest_reader_age_txns, 0);
    rd_end(fresh);
}

/* ---- failures ---- */

/* A real one: the file may not grow, so that the pages of the commit cannot be written. */
static void after_a_failed_commit_the_store_is_reopened(void **state)
{
    struct fixture *f = *state;
    static const uint8_t value[2000000];
    struct key k = text_key("big");
    struct rlimit limit, before;
    struct stat st;
    struct rd *rd;
    struct wr *wr;
    char file[80];
    bool unknown = false;

    wr = begin(f);
    put_text(wr, "kept", "1");
    assert_int_equal(commit(f, wr), 0);
    snprintf(file, sizeof(file), "%s/data.mdb", f->path);
    assert_return_code(stat(file, &st), errno);
    assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
    limit = (struct rlimit) { (rlim_t)st.st_size, before.rlim_max };

    wr = begin(f);
    wr_put_bytes(wr, &T_RAW, &k, value, sizeof(value));
    put_text(wr, "kept", "2");
    assert_return_code(setrlimit(RLIMIT_FSIZE, &limit), errno);
    int r = wr_commit(wr, &unknown, &f->err);
    assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
    assert_int_equal(r, -EFBIG);
    assert_true(unknown);
    assert_int_equal(rd_begin(f->store, f->arena, &rd), -EIO);
    assert_int_equal(wr_begin(f->store, f->arena, &wr), -EIO);
    assert_int_equal(store_copy(f->store, f->path, &f->err), -ENOTEMPTY);

    assert_int_equal(store_reopen(f->store, &f->err), 0);
    assert_store_holds(f, "kept", "1");
    wr = begin(f);
    put_text(wr, "kept", "3");
    assert_int_equal(commit(f, wr), 0);
    assert_store_holds(f, "kept", "3");
}

static void a_reopening_that_fails_may_be_tried_again(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;
    struct rd *rd;
    char file[80], aside[80];

    struct wr *wr = begin(f);
    put_text(wr, "kept", "1");
    assert_int_equal(commit(f, wr), 0);
    snprintf(file, sizeof(file), "%s/data.mdb", f->path);
    snprintf(aside, sizeof(aside), "%s/aside", f->path);
    assert_return_code(rename(file, aside), errno);
    assert_return_code(mkdir(file, 0700), errno);
    assert_int_equal(store_reopen(f->store, &f->err), -EISDIR);
    assert_int_equal(rd_begin(f->store, f->arena, &rd), -EIO);
    assert_int_equal(wr_begin(f->store, f->arena, &wr), -EIO);
    assert_int_equal(store_stats(f->store, &stats), -EIO);
    store_check_readers(f->store);
    assert_return_code(rmdir(file), errno);
    assert_return_code(rename(aside, file), errno);
    assert_int_equal(store_reopen(f->store, &f->err), 0);
    assert_store_holds(f, "kept", "1");
}

#ifdef FOKUS_FAULTS
enum { STEPS = 6 };

/* One transaction of the scenario. Returns the first error. */
static int try_step(struct fixture *f, uint64_t step, bool *ret_unknown)
{
    Fokus__Event__V1__Event event = FOKUS__EVENT__V1__EVENT__INIT, *before;
    struct key last = KEY_INIT, this = KEY_INIT, index = KEY_INIT;
    struct wr *wr;

    *ret_unknown = false;
    arena_reset(f->arena);
    int r = wr_begin(f->store, f->arena, &wr);
    if (r < 0)
        return r;
    key_u64(&last, step - 1);
    r = step == 1 ? -ENOENT : rd_get(wr_rd(wr), &T_EVENTS, &last, &before);
    if (r < 0 && r != -ENOENT) {
        wr_abort(wr);
        return r;
    }
    event.sequence = step;
    event.time_ms = r == 0 ? before->time_ms * 3 : 1; /* a wrong redo shows */
    event.subject = (char *)"subject";
    wr_put(wr, &T_EVENTS, key_u64(&this, step), &event);
    wr_append_bytes(wr, &T_RAW, &this, "xxxxxxxx", step);
    wr_put_bytes(wr, &T_EMPTY, key_i64(&index, -(int64_t)step), NULL, 0);
    wr_delete(wr, &T_RAW, &last);
    return wr_commit(wr, ret_unknown, &f->err);
}

/* As the runtime would: an unknown outcome is settled by looking, anything else is tried again. */
static void run_scenario(struct fixture *f)
{
    for (uint64_t step = 1; step <= STEPS;) {
        struct key k = KEY_INIT;
        bool unknown;

        int r = try_step(f, step, &unknown);
        assert_true(r == 0 || r == -EIO || r == -ENOMEM);
        if (unknown) {
            assert_int_equal(store_reopen(f->store, &f->err), 0);
            struct rd *rd = snapshot(f);
            if (rd_has(rd, &T_EVENTS, key_u64(&k, step)))
                r = 0;
            rd_end(rd);
        }
        if (r == 0)
            step++;
    }
}

static void any_single_failure_ends_in_the_same_tables(void **state)
{
    struct fixture *f = *state;

    run_scenario(f);
    for (int point = 0; point <= FAULT_COMMITTED; point++) { /* those in the store's way */
        unsigned long nth = 1;
        for (bool fired = true; fired; nth++) {
            void *other_state;
            struct rd *ours, *theirs;

            if (setup(&other_state) != 0) {
                fail();
                return;
            }
            struct fixture *other = other_state;
            fault_arm((enum fault_point)point, nth);
            run_scenario(other);
            fired = fault_count((enum fault_point)point) >= nth;
            fault_arm((enum fault_point)point, 0);
            ours = snapshot(f);
            theirs = snapshot(other);
            for (size_t i = 0; TABLES[i]; i++)
                assert_same_table(ours, theirs, TABLES[i]);
            rd_end(theirs);
            rd_end(ours);
            teardown(&other_state);
        }
        assert_true(nth > STEPS); /* each point was met in each transaction, or nearly */
    }
}
#endif

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "second") == 0)
        return open_as_second(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "hang") == 0)
        return open_and_hang(argv[2]);
    signal(SIGXFSZ, SIG_IGN); /* a write past RLIMIT_FSIZE is then an error */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_map_grows_under_readers, setup_tiny, teardown),
        cmocka_unit_test_setup_teardown(a_copy_begins_with_half_the_map_free, setup_tiny, teardown),
        cmocka_unit_test_setup_teardown(writers_wait_for_each_other_and_for_a_reopening, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_aborted_transaction_grows_the_map_too, setup_tiny,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_holds_a_snapshot_cannot_wait_for_all_readers,
                                        setup_tiny, teardown),
        cmocka_unit_test_setup_teardown(a_second_process_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_owner_leaves_the_store_free_and_whole, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_opens_and_equals, setup, teardown),
        cmocka_unit_test_setup_teardown(stats_tell_of_old_readers, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_failed_commit_the_store_is_reopened, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_reopening_that_fails_may_be_tried_again, setup, teardown),
#ifdef FOKUS_FAULTS
        cmocka_unit_test_setup_teardown(any_single_failure_ends_in_the_same_tables, setup,
                                        teardown),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
