/* core_vault_test.c - a service's vault and its log, kept in step: within a batch, and at a start with what does not belong together.
 * Through failures and kills: core_vault_faults_test.c. */
#include "common/core_vault_testing.h"

/* ---- batches ---- */

static void a_batch_sees_what_its_earlier_commands_did_to_the_vault(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");
    struct core_call *calls[] = {
        erasing(f, siv),
        registering(f, "siv@post.example", "Another Siv"),
        registering(f, "siv@post.example", "Somebody Else"),
        registering(f, "tor@post.example", "refused"),
        registering(f, "tor@post.example", "Tor"),
    };

    run(f, calls, 5);
    assert_int_equal(calls[0]->status.code, CODE_OK);
    assert_int_equal(calls[1]->status.code, CODE_OK);
    assert_int_equal(calls[2]->status.code, CODE_ALREADY_EXISTS);
    assert_int_equal(calls[3]->status.code, CODE_FAILED_PRECONDITION);
    assert_int_equal(calls[4]->status.code, CODE_OK);
    assert_false(has_key(f, siv));
    assert_string_equal(found(f, "siv@post.example"), writer_of(f, calls[1]));
    assert_int_equal(f->commit.n_events, 3);
    then_in_step(f);
}

static void an_address_given_up_and_taken_back_in_one_batch_stays(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");
    struct core_call *calls[] = { moving(f, siv, "siv@ny.example"),
                                  moving(f, siv, "siv@post.example") };

    run(f, calls, 2);
    assert_int_equal(calls[1]->status.code, CODE_OK);
    assert_string_equal(found(f, "siv@post.example"), siv);
    assert_null(found(f, "siv@ny.example"));
    then_in_step(f);
}

static void whoever_fails_to_apply_takes_nobody_along(void **state)
{
    struct fixture *f = *state;
    struct core_call *calls[] = { registering(f, "siv@post.example", "Siv"),
                                  registering(f, "tor@post.example", "apply-fails"),
                                  registering(f, "kim@post.example", "Kim") };

    run(f, calls, 3);
    assert_int_equal(calls[0]->status.code, CODE_OK);
    assert_int_equal(calls[1]->status.code, CODE_UNAVAILABLE);
    assert_int_equal(calls[2]->status.code, CODE_OK);
    assert_int_equal(persons(f), 2);
    then_in_step(f);
}

/* ---- at the start ---- */

static void the_vault_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");

    restart(f);
    assert_string_equal(found(f, "siv@post.example"), siv);
    then_in_step(f);
}

static void expect_refused_start(struct fixture *f, int errnum, const char *part)
{
    assert_int_equal(try_open(f), -errnum);
    if (!strstr(f->err.text, part))
        fail_msg("expected \"%s\", got: %s", part, f->err.text);
}

static void a_start_without_its_vault_is_refused_and_makes_none(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");

    close_core(f);
    move_file(f->vault, beside(f, f->vault));
    expect_refused_start(f, ENOENT, "it is missing");
    assert_int_equal(access(f->vault, F_OK), -1);
    move_file(beside(f, f->vault), f->vault);
    open_core(f);
    assert_string_equal(found(f, "siv@post.example"), siv);
}

static void a_start_with_an_older_vault_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");

    copy_file(f->vault, beside(f, f->vault));
    const char *tor = registered(f, "tor@post.example");
    close_core(f);
    move_file(f->vault, arena_printf(f->arena, "%s-true", f->vault));
    move_file(beside(f, f->vault), f->vault);
    expect_refused_start(f, ESTALE, "older copy");
    move_file(arena_printf(f->arena, "%s-true", f->vault), f->vault);
    open_core(f);
    assert_true(has_key(f, siv) && has_key(f, tor));
}

static void a_start_with_another_master_key_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");
    const char *master = arena_printf(f->arena, "%s/master.key", f->home);

    close_core(f);
    move_file(master, beside(f, master));
    expect_refused_start(f, ENOENT, "master");
    assert_int_equal(access(master, F_OK), -1);
    assert_int_equal(master_make_file(master, &f->err), 0);
    expect_refused_start(f, EKEYREJECTED, "put the right one back");
    assert_int_equal(unlink(master), 0);
    move_file(beside(f, master), master);
    open_core(f);
    assert_true(has_key(f, siv));
}

static void a_start_with_a_damaged_vault_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");
    struct stat st;

    close_core(f);
    copy_file(f->vault, beside(f, f->vault));
    assert_int_equal(stat(f->vault, &st), 0);
    int fd = open(f->vault, O_WRONLY);
    assert_true(fd >= 0);
    for (off_t at = 512 * 2; at + 100 < st.st_size; at += 64)
        assert_int_equal(pwrite(fd, "damage", 6, at), 6);
    assert_int_equal(close(fd), 0);
    expect_refused_start(f, EBADMSG, "damaged");
    move_file(beside(f, f->vault), f->vault);
    open_core(f);
    assert_true(has_key(f, siv));
}

/* Security: else a mistake with the store would destroy every key. */
static void a_start_with_a_new_store_erases_nobody(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");

    close_core(f);
    move_file(f->store, beside(f, f->store));
    expect_refused_start(f, EUCLEAN, "1 persons of whom this store's log knows nothing");
    assert_return_code(testing_remove_tree(f->store), errno);
    move_file(beside(f, f->store), f->store);
    open_core(f);
    assert_string_equal(found(f, "siv@post.example"), siv);
}

/* A crash between the commit and the vault: as if the vault had been put back to the moment before. */
static void an_erasure_that_a_crash_cut_off_is_made_good(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example"), *tor = registered(f, "tor@post.example");
    struct core_call *erase = erasing(f, siv);

    copy_file(f->vault, beside(f, f->vault));
    run(f, &erase, 1);
    close_core(f);
    move_file(beside(f, f->vault), f->vault);
    open_core(f);
    assert_false(has_key(f, siv));
    assert_string_equal(found(f, "tor@post.example"), tor);
    then_in_step(f);
}

static void persons_who_came_after_a_restored_store_are_erased(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");

    close_core(f);
    assert_int_equal(mkdir(beside(f, f->store), 0700), 0);
    copy_file(arena_printf(f->arena, "%s/data.mdb", f->store),
              arena_printf(f->arena, "%s/data.mdb", beside(f, f->store)));
    open_core(f);
    const char *tor = registered(f, "tor@post.example");
    struct core_call *erase = erasing(f, siv);
    run(f, &erase, 1);
    close_core(f);
    assert_return_code(testing_remove_tree(f->store), errno);
    move_file(beside(f, f->store), f->store);
    open_core(f);
    assert_false(has_key(f, tor)); /* no event tells of her */
    assert_false(
        has_key(f, siv)); /* erased before: what the backup holds of her stays unreadable */
    assert_null(found(f, "siv@post.example"));
    assert_int_equal(writers(f), 0); /* core_restored_test.c */
    assert_int_equal(persons(f), 0);
}

/* ---- another master key ---- */

static void a_rotation_goes_on_between_commands(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");
    struct master *master;
    bool done = false;

    assert_int_equal(core_rotate_vault(f->core, &done, &f->err), 0);
    assert_true(done); /* there is no next key */
    assert_int_equal(master_open(&master, f->home, NULL, &f->err), 0);
    assert_int_equal(master_rotate(master, &f->err), 0);
    master_close(master);
    assert_int_equal(core_rotate_vault(f->core, &done, &f->err), 0);
    assert_true(done); /* few slots: one slice */
    const char *tor = registered(f, "tor@post.example");
    assert_int_equal(master_open(&master, f->home, NULL, &f->err), 0);
    assert_int_equal(master_rotated(master, &f->err), 0);
    master_close(master);
    restart(f);
    assert_true(has_key(f, siv) && has_key(f, tor));
    then_in_step(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VAULT_TEST(a_batch_sees_what_its_earlier_commands_did_to_the_vault),
        VAULT_TEST(an_address_given_up_and_taken_back_in_one_batch_stays),
        VAULT_TEST(whoever_fails_to_apply_takes_nobody_along),
        VAULT_TEST(the_vault_is_there_after_a_restart),
        VAULT_TEST(a_start_without_its_vault_is_refused_and_makes_none),
        VAULT_TEST(a_start_with_an_older_vault_is_refused),
        VAULT_TEST(a_start_with_another_master_key_is_refused),
        VAULT_TEST(a_start_with_a_damaged_vault_is_refused),
        VAULT_TEST(a_start_with_a_new_store_erases_nobody),
        VAULT_TEST(an_erasure_that_a_crash_cut_off_is_made_good),
        VAULT_TEST(persons_who_came_after_a_restored_store_are_erased),
        VAULT_TEST(a_rotation_goes_on_between_commands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
