/* core_vault_faults_test.c - a service's vault and its log, kept in step through failures of each, and through a kill at any moment. */
#include "common/core_vault_testing.h"

#ifdef FOKUS_FAULTS

/* ---- every nth failure ---- */

/* What was acknowledged, so that it can be looked for: by step. */
struct played {
    const char *siv, *tor, *other_tor; /* NULL: not registered */
    bool moved, erased, back;
};

/* Registers three (one of whom is refused), moves one away and back, erases one, whose address another takes: together and alone. */
static void play(struct fixture *f, struct played *p, int ack_fd)
{
    struct core_call *calls[3];

    *p = (struct played) { 0 };
    calls[0] = registering(f, "siv@post.example", "Siv");
    calls[0]->idempotency_key = "key-1";
    calls[1] = registering(f, "kim@post.example", "refused");
    calls[2] = registering(f, "tor@post.example", "Tor");
    run(f, calls, 3);
    p->siv = calls[0]->status.code == CODE_OK ? writer_of(f, calls[0]) : NULL;
    p->tor = calls[2]->status.code == CODE_OK ? writer_of(f, calls[2]) : NULL;
    if (ack_fd >= 0 && p->siv && p->tor)
        assert_int_equal(dprintf(ack_fd, "%s%s", p->siv, p->tor), 2 * ID_CHARS);
    if (!p->siv || !p->tor)
        return;
    calls[0] = moving(f, p->siv, "siv@ny.example");
    run(f, calls, 1);
    p->moved = calls[0]->status.code == CODE_OK;
    if (ack_fd >= 0 && p->moved)
        assert_int_equal(dprintf(ack_fd, "m"), 1);
    calls[0] = erasing(f, p->tor);
    calls[1] = moving(f, p->siv, "siv@post.example");
    calls[2] = registering(f, "tor@post.example", "Another Tor");
    run(f, calls, 3);
    p->erased = calls[0]->status.code == CODE_OK;
    p->back = calls[1]->status.code == CODE_OK;
    p->other_tor = calls[2]->status.code == CODE_OK ? writer_of(f, calls[2]) : NULL;
    if (ack_fd >= 0 && p->erased && p->back && p->other_tor)
        assert_int_equal(dprintf(ack_fd, "e%s", p->other_tor), 1 + ID_CHARS);
}

static void expect_found(struct fixture *f, const char *address, const char *id, unsigned long nth)
{
    const char *who = found(f, address);

    if (!who || strcmp(who, id) != 0)
        fail_msg("n=%lu: %s finds %s, not %s", nth, address, who ? who : "nobody", id);
}

/* What was answered holds, as far as it was answered. */
static void judge(struct fixture *f, const struct played *p, unsigned long nth)
{
    if (p->siv) {
        if (!has_key(f, p->siv))
            fail_msg("n=%lu: siv was acknowledged and has no key", nth);
        if (p->back || !p->moved)
            expect_found(f, "siv@post.example", p->siv, nth);
        else
            expect_found(f, "siv@ny.example", p->siv, nth);
    }
    if (p->tor && p->erased && has_key(f, p->tor))
        fail_msg("n=%lu: tor was erased and can be read", nth);
    if (p->other_tor)
        expect_found(f, "tor@post.example", p->other_tor, nth);
    if (found(f, "kim@post.example"))
        fail_msg("n=%lu: kim was refused and is there", nth);
}

static void start_anew(struct fixture *f)
{
    close_core(f);
    assert_return_code(testing_remove_tree(f->home), errno);
    arena_reset(f->arena);
    f->used = 0;
    f->ids = (struct id_source) { 0 };
    make_home(f);
    open_core(f);
}

static void every_nth_fails(struct fixture *f, enum fault_point point)
{
    struct played p;

    for (unsigned long nth = 1; nth < 100000; nth++) {
        start_anew(f);
        fault_arm(point, nth);
        play(f, &p, -1);
        unsigned long passed = fault_count(point);
        fault_arm(point, 0);
        restart(f);
        judge(f, &p, nth);
        then_in_step(f);
        then_identical(f);
        if (passed < nth) {
            assert_true(p.siv && p.moved && p.erased && p.back && p.other_tor);
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

/* ---- a kill at every moment ---- */

/* What the child could say before it was killed. */
static void read_played(struct fixture *f, int fd, struct played *p)
{
    char text[512] = "";
    size_t len = 0;

    for (ssize_t n; (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0;)
        len += (size_t)n;
    *p = (struct played) { 0 };
    if (len < 2 * ID_CHARS)
        return;
    p->siv = arena_strndup(f->arena, text, ID_CHARS);
    p->tor = arena_strndup(f->arena, text + ID_CHARS, ID_CHARS);
    p->moved = text[2 * ID_CHARS] == 'm';
    p->back = p->erased = p->moved && text[2 * ID_CHARS + 1] == 'e';
    if (p->back)
        p->other_tor = arena_strndup(f->arena, text + 2 * ID_CHARS + 2, ID_CHARS);
}

static bool killed_at(struct fixture *f, unsigned long nth, struct played *p)
{
    int pipes[2], status;

    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_return_code(child, errno);
    if (child == 0) {
        close(pipes[0]);
        open_core(f);
        f->ids = (struct id_source) { 0 }; /* others than the parent's */
        fault_arm(FAULT_CRASH, nth);
        play(f, p, pipes[1]);
        _exit(0);
    }
    close(pipes[1]);
    read_played(f, pipes[0], p);
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    else
        assert_int_equal(WTERMSIG(status), SIGKILL);
    return WIFSIGNALED(status);
}

/* Where an acknowledgement is missing, either of both is right; then_in_step() says that it is one of both. */
static void judge_killed(struct fixture *f, const struct played *p, unsigned long nth)
{
    if (p->siv && !has_key(f, p->siv))
        fail_msg("n=%lu: siv was acknowledged and has no key", nth);
    if (p->back)
        judge(f, p, nth);
    else if (p->siv && !found(f, "siv@post.example") && !found(f, "siv@ny.example"))
        fail_msg("n=%lu: siv is found by neither address", nth);
    if (found(f, "kim@post.example"))
        fail_msg("n=%lu: kim was refused and is there", nth);
}

static void a_kill_at_any_moment_leaves_vault_and_log_in_step(void **state)
{
    struct fixture *f = *state;
    struct played p;

    for (unsigned long nth = 1; nth < 100000; nth++) {
        start_anew(f);
        close_core(f);
        bool killed = killed_at(f, nth, &p);
        open_core(f);
        judge_killed(f, &p, nth);
        then_in_step(f);
        then_identical(f);
        /* And it goes on from there. */
        (void)registered(f, "kim@post.example");
        then_in_step(f);
        if (!killed) {
            assert_true(p.back);
            return;
        }
    }
    fail_msg("the scenario has no end");
}

/* ---- an outcome known late ---- */

static struct core_call *lose_sight(struct fixture *f, struct core_call *call,
                                    enum fault_point point)
{
    fault_arm(point, 1);
    move_file(f->store, beside(f, f->store));
    run(f, &call, 1);
    fault_arm(point, 0);
    assert_int_equal(call->status.code, CODE_UNAVAILABLE);
    assert_non_null(strstr(call->status.message, "cannot yet tell"));
    struct core_call *meanwhile = registering(f, "kim@post.example", "Kim");
    run(f, &meanwhile, 1);
    assert_int_equal(meanwhile->status.code, CODE_UNAVAILABLE);
    move_file(beside(f, f->store), f->store);
    return call;
}

static void the_vault_waits_until_an_outcome_is_known(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");

    (void)lose_sight(f, erasing(f, siv), FAULT_COMMIT);
    assert_true(has_key(f, siv));
    (void)registered(f, "tor@post.example");
    assert_true(has_key(f, siv)); /* nothing was committed */
    (void)lose_sight(f, erasing(f, siv), FAULT_COMMITTED);
    assert_true(has_key(f, siv));
    (void)registered(f, "kim@post.example");
    assert_false(has_key(f, siv));
    (void)lose_sight(f, registering(f, "eva@post.example", "Eva"), FAULT_COMMIT);
    assert_int_equal(persons(f), 3); /* she waits, too */
    (void)registered(f, "siv@post.example");
    assert_null(found(f, "eva@post.example"));
    (void)lose_sight(f, registering(f, "eva@post.example", "Eva"), FAULT_COMMITTED);
    (void)registered(f, "bo@post.example");
    assert_non_null(found(f, "eva@post.example"));
    then_in_step(f);
}

static void a_vault_that_takes_no_writes_stops_commands_and_not_queries(void **state)
{
    struct fixture *f = *state;
    const char *siv = registered(f, "siv@post.example");
    struct core_call *erase = erasing(f, siv), *more = registering(f, "tor@post.example", "Tor");

    /* The commit comes off, and then the zeros cannot be written. */
    fault_arm(FAULT_DISK, 2);
    run(f, &erase, 1);
    fault_arm(FAULT_DISK, 0);
    assert_int_equal(erase->status.code, CODE_OK);
    assert_non_null(core_degraded(f->core));
    assert_non_null(strstr(core_degraded(f->core), "until the service is started again"));
    run(f, &more, 1);
    assert_int_equal(more->status.code, CODE_UNAVAILABLE);
    assert_null(found(f, "siv@post.example"));
    assert_false(has_key(f, siv));
    restart(f);
    assert_false(has_key(f, siv));
    assert_null(core_degraded(f->core));
    run(f, &more, 1);
    assert_int_equal(more->status.code, CODE_OK);
    then_in_step(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VAULT_TEST(every_allocation_may_fail),
        VAULT_TEST(every_put_may_fail),
        VAULT_TEST(every_commit_may_fail),
        VAULT_TEST(every_commit_may_succeed_unheard),
        VAULT_TEST(every_system_call_of_the_vault_may_fail),
        VAULT_TEST(a_kill_at_any_moment_leaves_vault_and_log_in_step),
        VAULT_TEST(the_vault_waits_until_an_outcome_is_known),
        VAULT_TEST(a_vault_that_takes_no_writes_stops_commands_and_not_queries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* without fault points there is nothing to arm */
}

#endif
