/* core_restored_test.c - a store that is put back from a backup: whoever was erased since is erased anew, by events like any others;
 * through failures, and through a kill at any moment. */
#include "common/core_vault_testing.h"

enum { MANY = 600 }; /* more than are erased at once */

/* The store as it is now, beside. */
static void back_up(struct fixture *f)
{
    close_core(f);
    assert_int_equal(mkdir(beside(f, f->store), 0700), 0);
    copy_file(arena_printf(f->arena, "%s/data.mdb", f->store),
              arena_printf(f->arena, "%s/data.mdb", beside(f, f->store)));
    open_core(f);
}

/* To be opened. */
static void put_back(struct fixture *f)
{
    close_core(f);
    assert_return_code(testing_remove_tree(f->store), errno);
    move_file(beside(f, f->store), f->store);
}

static void erase_now(struct fixture *f, const char *id)
{
    struct core_call *erase = erasing(f, id);

    run(f, &erase, 1);
    assert_int_equal(erase->status.code, CODE_OK);
}

static uint64_t last_record(struct fixture *f)
{
    struct rd *rd = look(f);
    struct log_head head;

    assert_int_equal(log_head(rd, &head), LOG_OK);
    rd_end(rd);
    return head.record;
}

static void whoever_was_erased_since_the_backup_is_erased_anew(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example"), *tor = registered(f, "tor@post.example");

    back_up(f);
    erase_now(f, siv);
    put_back(f);
    open_core(f);
    assert_int_equal(core_vault_started(f->core).anew, 1);
    assert_int_equal(writers(f), 1);
    assert_string_equal(found(f, "tor@post.example"), tor);
    then_in_step(f);
    then_identical(f);
    /* It is done once. */
    uint64_t record = last_record(f);
    restart(f);
    assert_int_equal(core_vault_started(f->core).anew, 0);
    assert_int_equal(last_record(f), record);
    /* Her address is anybody's. */
    assert_string_not_equal(registered(f, "siv@post.example"), siv);
    then_in_step(f);
}

static void many_are_erased_anew_among_many(void **state)
{
    struct fixture *f = *state;
    const char **ids = calloc(2 * MANY, sizeof(*ids));

    assert_non_null(ids);
    for (int i = 0; i < 2 * MANY; i++) {
        f->used = 0;
        ids[i] =
            arena_strdup(f->arena, registered(f, arena_printf(f->arena, "w%d@post.example", i)));
    }
    back_up(f);
    for (int i = 0; i < 2 * MANY; i += 2) {
        f->used = 0;
        erase_now(f, ids[i]);
    }
    put_back(f);
    open_core(f);
    assert_int_equal(core_vault_started(f->core).anew, MANY);
    assert_int_equal(writers(f), MANY);
    then_in_step(f);
    free(ids);
}

#ifdef FOKUS_FAULTS

/* What a home consists of. */
static const char *const FILES[] = { "store/data.mdb", "vault/letters.vault", "master.key" };

static void copy_home(struct fixture *f, const char *from, const char *to)
{
    (void)mkdir(to, 0700); /* one of the two is there */
    assert_return_code(mkdir(arena_printf(f->arena, "%s/store", to), 0700), errno);
    assert_return_code(mkdir(arena_printf(f->arena, "%s/vault", to), 0700), errno);
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++)
        copy_file(arena_printf(f->arena, "%s/%s", from, FILES[i]),
                  arena_printf(f->arena, "%s/%s", to, FILES[i]));
}

/* A backup is put back, of before two of three persons were erased and one came. Returns who stays. It is kept, for again(). */
static const char *given_restored(struct fixture *f)
{
    const char *tor = arena_strdup(f->arena, registered(f, "tor@post.example"));
    const char *siv = registered(f, "siv@post.example"), *kim = registered(f, "kim@post.example");

    assert_non_null(tor);
    back_up(f);
    erase_now(f, siv);
    erase_now(f, kim);
    (void)registered(f, "eva@post.example");
    put_back(f);
    copy_home(f, f->home, arena_printf(f->arena, "%s/kept", f->home));
    return tor;
}

/* The same once more. */
static void again(struct fixture *f)
{
    close_core(f);
    assert_return_code(testing_remove_tree(f->store), errno);
    assert_return_code(testing_remove_tree(arena_printf(f->arena, "%s/vault", f->home)), errno);
    f->used = 0;
    f->ids = (struct id_source) { 0 };
    copy_home(f, arena_printf(f->arena, "%s/kept", f->home), f->home);
}

static void then_erased(struct fixture *f, const char *stays)
{
    open_core(f);
    assert_int_equal(writers(f), 1);
    assert_string_equal(found(f, "tor@post.example"), stays);
    then_in_step(f);
    then_identical(f);
}

/* Opens what was put back, with a fault once the vault's turn comes. */
static int open_with_fault(struct fixture *f, enum fault_point point, unsigned long nth)
{
    f->core = NULL;
    assert_int_equal(core_open_scratch(&f->core, &letters_service, f->store, &f->err), 0);
    fault_arm(point, nth);
    return core_open_vault(f->core, f->home, NULL, &f->err);
}

static void every_nth_fails(struct fixture *f, enum fault_point point)
{
    const char *stays = given_restored(f);

    for (unsigned long nth = 1; nth < 100000; nth++) {
        again(f);
        int r = open_with_fault(f, point, nth);
        unsigned long passed = fault_count(point);
        fault_arm(point, 0);
        close_core(f);
        then_erased(f, stays);
        if (passed < nth) {
            assert_int_equal(r, 0);
            return;
        }
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
    every_nth_fails(*state, FAULT_COMMITTED);
}

static void every_system_call_of_the_vault_may_fail(void **state)
{
    every_nth_fails(*state, FAULT_DISK);
}

static bool killed_at(struct fixture *f, unsigned long nth)
{
    int status;
    pid_t child = fork();

    assert_return_code(child, errno);
    if (child == 0) {
        _exit(open_with_fault(f, FAULT_CRASH, nth) < 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    else
        assert_int_equal(WTERMSIG(status), SIGKILL);
    return WIFSIGNALED(status);
}

static void a_kill_at_any_moment_leaves_the_rest_to_the_next_start(void **state)
{
    struct fixture *f = *state;
    const char *stays = given_restored(f);

    for (unsigned long nth = 1; nth < 100000; nth++) {
        again(f);
        bool killed = killed_at(f, nth);
        then_erased(f, stays);
        if (!killed) {
            assert_true(nth > 2); /* commits, and the vault's writes */
            return;
        }
    }
    fail_msg("the scenario has no end");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        VAULT_TEST(whoever_was_erased_since_the_backup_is_erased_anew),
        VAULT_TEST(many_are_erased_anew_among_many),
#ifdef FOKUS_FAULTS
        VAULT_TEST(every_allocation_may_fail),
        VAULT_TEST(every_put_may_fail),
        VAULT_TEST(every_commit_may_fail),
        VAULT_TEST(every_commit_may_succeed_unheard),
        VAULT_TEST(every_system_call_of_the_vault_may_fail),
        VAULT_TEST(a_kill_at_any_moment_leaves_the_rest_to_the_next_start),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
