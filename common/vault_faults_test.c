/* vault_faults_test.c - a scenario is cut off before each of its system calls: by an error, by a kill, by a power cut that loses
 * any of what was not synced. After each, what was durable is there and what was erased is not, and the sweep finds the rest. */
#include <signal.h>
#include <sys/wait.h>

#include "common/disk.h"
#include "common/vault_file.h"
#include "common/vault_testing.h"

#ifdef FOKUS_FAULTS

enum {
    OLD = 1000,  /* the first of those who are there before */
    N_OLD = 253, /* all slots of the first room but three */
    FOLK = 12,   /* persons of the scenario: 1 to 11 */
    ALL_POINTS = 300,
    WRITES_MAX = 400,
    STEPS_MAX = 40,
};

enum act { ADD, ADD_NUMBER, COMMIT, DROP, ERASE, REMOVE_NUMBER, ROTATE };

struct step {
    enum act act;
    unsigned n;
};

/* Additions, one of them past the file's end; changes; erasures; commits that fail. */
static const struct step changes[] = {
    { ADD, 1 },    { ADD, 2 },           { COMMIT, 0 },     { ADD_NUMBER, 1 }, { ADD, 3 },
    { COMMIT, 0 }, { ADD, 4 },           { ADD, 5 },        { COMMIT, 0 },     { ERASE, 2 },
    { ADD, 6 },    { ADD_NUMBER, 6 },    { ADD_NUMBER, 3 }, { COMMIT, 0 },     { REMOVE_NUMBER, 1 },
    { ADD, 7 },    { ADD_NUMBER, 4 },    { DROP, 0 },       { ADD, 2 },        { COMMIT, 0 },
    { ERASE, 3 },  { REMOVE_NUMBER, 6 }, { ADD, 8 },        { ERASE, 1 },      { ADD, 9 },
    { COMMIT, 0 }, { ERASE, 9 }, /* whoever was added last */
};
static const struct step rotation[] = {
    { ROTATE, 100 },  { ADD, 1 },        { ADD, 2 },   { COMMIT, 0 }, { ERASE, 2 },
    { ROTATE, 60 },   { ADD_NUMBER, 1 }, { ADD, 4 },   { COMMIT, 0 }, { ADD, 5 },
    { COMMIT, 0 },    { ROTATE, 60 },    { ERASE, 1 }, { ADD, 6 },    { DROP, 0 },
    { ROTATE, 2000 }, { ERASE, 4 },      { ADD, 7 },   { COMMIT, 0 },
};

struct scenario {
    struct vault_fixture *f;
    const struct step *steps;
    size_t n;
    uint8_t *before; /* the file at its start */
    size_t before_len;
    uint64_t recorded[STEPS_MAX + 1]; /* what the log knows, by how many steps were done */
};

static const char *number_of(unsigned n)
{
    return text_of("number", n);
}

static int do_step(struct vault_fixture *f, const struct step *s)
{
    struct slice number = text_slice(number_of(s->n));
    bool done;
    int r;

    switch (s->act) {
    case ADD:
        return add(f, s->n);
    case ADD_NUMBER:
        return vault_add_lookup(f->vault, person(s->n), NUMBER, number, &f->err);
    case COMMIT:
    case DROP:
        r = vault_sync(f->vault, &f->err);
        return r < 0 ? r : vault_settle(f->vault, s->act == COMMIT, &f->err);
    case ERASE:
        return erase(f, s->n);
    case REMOVE_NUMBER:
        return vault_remove_lookup(f->vault, person(s->n), NUMBER, number, &f->err);
    case ROTATE:
        return vault_rotate(f->vault, f->master, s->n, &done, &f->err);
    }
    return -EINVAL;
}

/* ---- what must be, once `done` steps were done and the next perhaps half ---- */

enum there { NO, MAYBE, YES };

struct expected {
    enum there person, number;
};

static void expect_step(struct expected *e, struct expected *pending, const struct step *s,
                        unsigned n)
{
    if (s->act == ADD && s->n == n)
        pending->person = YES;
    if (s->act == ADD_NUMBER && s->n == n)
        pending->number = YES;
    if (s->act == COMMIT) {
        e->person = pending->person ? YES : e->person;
        e->number = pending->number ? YES : e->number;
    }
    if (s->act == COMMIT || s->act == DROP)
        *pending = (struct expected) { 0 };
    if (s->act == ERASE && s->n == n)
        *e = *pending = (struct expected) { 0 };
    if (s->act == REMOVE_NUMBER && s->n == n)
        e->number = pending->number = NO;
}

static enum there between(enum there before, enum there after)
{
    return before == after ? before : MAYBE;
}

static struct expected expect(const struct scenario *s, size_t done, unsigned n)
{
    struct expected e = { 0 }, pending = { 0 };

    for (size_t i = 0; i < done; i++)
        expect_step(&e, &pending, &s->steps[i], n);
    /* What is added but not committed may be there or not; so may what the next step does. */
    struct expected either = e;
    either.person = pending.person ? between(e.person, YES) : e.person;
    either.number = pending.number ? between(e.number, YES) : e.number;
    if (done < s->n) {
        struct expected later = e;
        expect_step(&later, &pending, &s->steps[done], n);
        either.person = between(either.person, pending.person ? MAYBE : later.person);
        either.number = between(either.number, pending.number ? MAYBE : later.number);
    }
    return either;
}

static void check_one(struct vault_fixture *f, const struct expected *e, unsigned n,
                      const char *when)
{
    bool there = has(f, n), by_mail = finds(f, MAIL, mail(n)) == n;
    bool by_number = finds(f, NUMBER, number_of(n)) == n;

    if ((e->person == YES && !there) || (e->person == NO && there) || by_mail != there)
        fail_msg("%s: person %u is %s, by mail %s", when, n, there ? "there" : "not there",
                 by_mail ? "there" : "not");
    if ((e->number == YES && !by_number) || (e->number == NO && by_number))
        fail_msg("%s: the number of person %u is %s", when, n, by_number ? "there" : "not there");
}

struct judging {
    const struct scenario *s;
    size_t done;
};

static bool log_knows(void *arg, const char *id)
{
    const struct judging *j = arg;

    for (unsigned n = 1; n < FOLK; n++)
        if (strcmp(id, person(n)) == 0)
            return expect(j->s, j->done, n).person == YES;
    return true;
}

/* Opens what is left and looks. */
static void judge(struct scenario *s, size_t done, const char *when)
{
    struct vault_fixture *f = s->f;
    struct judging j = { s, done };
    uint64_t erased;

    f->recorded = s->recorded[done];
    if (try_open(f) < 0)
        fail_msg("%s: %s", when, f->err.text);
    f->recorded = 0;
    for (unsigned n = 1; n < FOLK; n++) {
        struct expected e = expect(s, done, n);
        check_one(f, &e, n, when);
    }
    for (unsigned i = 0; i < N_OLD; i += 51)
        if (!has(f, OLD + i))
            fail_msg("%s: person %u, who was there before, is not", when, OLD + i);
    must(f, vault_sweep(f->vault, log_knows, &j, &erased, &f->err));
    uint64_t known = N_OLD;
    for (unsigned n = 1; n < FOLK; n++) {
        bool should = expect(s, done, n).person == YES;
        known += should;
        if (has(f, n) != should)
            fail_msg("%s: after the sweep person %u is wrong", when, n);
    }
    struct vault_stats stats;
    vault_stats(f->vault, &stats);
    assert_int_equal(stats.persons, known);
    add_durably(f, FOLK); /* and it goes on */
    vault_close(f->vault);
    f->vault = NULL;
}

static void restore(struct scenario *s)
{
    char next[160];

    (void)snprintf(next, sizeof(next), "%s.next", s->f->path);
    (void)unlink(next);
    (void)unlink(s->f->path);
    write_whole(s->f->path, s->before, s->before_len);
}

static struct scenario begin(struct vault_fixture *f, const struct step *steps, size_t n)
{
    struct scenario s = { .f = f, .steps = steps, .n = n };

    for (unsigned i = 0; i < N_OLD; i++)
        must(f, add(f, OLD + i));
    must(f, vault_sync(f->vault, &f->err));
    vault_close(f->vault);
    f->vault = NULL;
    if (steps == rotation)
        must(f, master_rotate(f->master, &f->err));
    s.before = read_whole(f->path, &s.before_len);
    return s;
}

/* How many system calls of ours the whole scenario takes. */
static unsigned long count_points(struct scenario *s)
{
    must(s->f, try_open(s->f));
    fault_arm(FAULT_DISK, 0);
    assert_true(s->n <= STEPS_MAX);
    for (size_t i = 0; i < s->n; i++) {
        must(s->f, do_step(s->f, &s->steps[i]));
        s->recorded[i + 1] =
            s->steps[i].act == COMMIT ? vault_generation(s->f->vault) : s->recorded[i];
    }
    unsigned long n = fault_count(FAULT_DISK);
    vault_close(s->f->vault);
    s->f->vault = NULL;
    judge(s, s->n, "uninterrupted");
    return n;
}

/* The point after `nth`: all of them in a short scenario, else all at both ends and some between. */
static unsigned long next_point(unsigned long nth, unsigned long points)
{
    return points <= ALL_POINTS || nth < 20 || nth + 70 > points ? nth + 1 : nth + 37;
}

/* ---- errors ---- */

static void every_call_may_fail(struct vault_fixture *f, const struct step *steps, size_t n)
{
    struct scenario s = begin(f, steps, n);
    unsigned long points = count_points(&s);
    char when[64];

    for (unsigned long nth = 1; nth <= points; nth = next_point(nth, points)) {
        size_t done = 0;
        restore(&s);
        must(f, try_open(f));
        fault_arm(FAULT_DISK, nth);
        while (done < n && do_step(f, &steps[done]) == 0)
            done++;
        fault_arm(FAULT_DISK, 0);
        (void)snprintf(when, sizeof(when), "call %lu failed in step %zu", nth, done);
        struct vault_stats stats;
        vault_stats(f->vault, &stats);
        if (done < n && stats.broken) /* it goes on reading, but changes nothing */
            assert_int_equal(add(f, FOLK), -EIO);
        assert_true(has(f, OLD));
        vault_close(f->vault);
        f->vault = NULL;
        judge(&s, done, when);
    }
    free(s.before);
}

static void every_call_of_a_change_may_fail(void **state)
{
    every_call_may_fail(*state, changes, ARRAY_LEN(changes));
}

static void every_call_of_a_rotation_may_fail(void **state)
{
    every_call_may_fail(*state, rotation, ARRAY_LEN(rotation));
}

/* ---- kills ---- */

/* Runs `play` in a child that is killed before its nth call; how many bytes it wrote goes to *ret_done. True if it was killed. */
static bool killed_at(unsigned long nth, void (*play)(void *arg, int ack_fd), void *arg,
                      size_t *ret_done)
{
    uint8_t acks[256];
    int pipes[2], status;

    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_return_code(child, errno);
    if (child == 0) {
        close(pipes[0]);
        fault_arm(FAULT_CRASH, nth);
        play(arg, pipes[1]);
        _exit(0);
    }
    close(pipes[1]);
    *ret_done = 0;
    for (ssize_t got; (got = read(pipes[0], acks, sizeof(acks))) > 0;)
        *ret_done += (size_t)got;
    close(pipes[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    else
        assert_int_equal(WTERMSIG(status), SIGKILL);
    return WIFSIGNALED(status);
}

static void acknowledge(int fd)
{
    if (write(fd, "", 1) != 1)
        _exit(3);
}

static void play_steps(void *arg, int ack_fd)
{
    struct scenario *s = arg;

    if (try_open(s->f) < 0)
        _exit(2);
    for (size_t i = 0; i < s->n; i++) {
        if (do_step(s->f, &s->steps[i]) < 0)
            _exit(2);
        acknowledge(ack_fd);
    }
}

static void every_call_may_be_the_last(struct vault_fixture *f, const struct step *steps, size_t n)
{
    struct scenario s = begin(f, steps, n);
    unsigned long points = count_points(&s) + 4; /* and those of opening */
    char when[64];

    for (unsigned long nth = 1;; nth = next_point(nth, points)) {
        size_t done;
        restore(&s);
        bool killed = killed_at(nth, play_steps, &s, &done);
        (void)snprintf(when, sizeof(when), "killed before call %lu in step %zu", nth, done);
        judge(&s, done, when);
        if (!killed) {
            assert_int_equal(done, n);
            break;
        }
    }
    free(s.before);
}

static void every_call_of_a_change_may_be_the_last(void **state)
{
    every_call_may_be_the_last(*state, changes, ARRAY_LEN(changes));
}

static void every_call_of_a_rotation_may_be_the_last(void **state)
{
    every_call_may_be_the_last(*state, rotation, ARRAY_LEN(rotation));
}

/* A first start, whole: master key and vault. */
static void play_first_start(void *arg, int ack_fd)
{
    struct vault_fixture *f = arg;

    if (master_open(&f->master, f->home, NULL, &f->err) < 0 || try_open(f) < 0)
        _exit(2);
    acknowledge(ack_fd);
    if (add(f, 1) < 0 || vault_sync(f->vault, &f->err) < 0)
        _exit(2);
    acknowledge(ack_fd);
}

static void a_first_start_may_end_anywhere(void **state)
{
    bool killed = true;
    size_t done;

    (void)state;
    for (unsigned long nth = 1; killed; nth++) {
        struct vault_fixture f = { .key = seal_key_new() };
        make_home(&f);
        killed = killed_at(nth, play_first_start, &f, &done);
        open_master(&f);
        must(&f, try_open(&f));
        if (done == 2)
            assert_true(has(&f, 1));
        vault_close(f.vault);
        master_close(f.master);
        seal_key_free(f.key);
        remove_home(&f);
    }
    assert_int_equal(done, 2);
}

/* The master key changes, whole: two keys, the vault, one key. */
static void play_new_master(void *arg, int ack_fd)
{
    struct vault_fixture *f = arg;
    bool done = false;

    if (master_open(&f->master, f->home, NULL, &f->err) < 0 || try_open(f) < 0 ||
        master_rotate(f->master, &f->err) < 0)
        _exit(2);
    while (!done)
        if (vault_rotate(f->vault, f->master, 5000, &done, &f->err) < 0)
            _exit(2);
    if (master_rotated(f->master, &f->err) < 0)
        _exit(2);
    acknowledge(ack_fd);
}

static void a_new_master_key_may_be_cut_off_anywhere(void **state)
{
    struct vault_fixture *f = *state;
    size_t len, key_len, done;
    char key[128], next[160];
    bool killed = true, whole;

    add_durably(f, 1);
    uint8_t *vault = read_whole(f->path, &len);
    (void)snprintf(key, sizeof(key), "%s/master.key", f->home);
    (void)snprintf(next, sizeof(next), "%s.next", key);
    uint8_t *master = read_whole(key, &key_len);
    for (unsigned long nth = 1; killed; nth = next_point(nth, 580)) {
        vault_close(f->vault);
        master_close(f->master);
        f->vault = NULL;
        f->master = NULL;
        (void)unlink(next);
        (void)unlink(key); /* a new file: the old one's bytes are overwritten at the end */
        write_whole(key, master, key_len);
        write_whole(f->path, vault, len);
        killed = killed_at(nth, play_new_master, f, &done);
        open_master(f);
        must(f, try_open(f));
        assert_true(has(f, 1));
        /* Doing it again goes on and ends it. */
        if (done == 0) {
            must(f, master_rotate(f->master, &f->err));
            must(f, vault_rotate(f->vault, f->master, 5000, &whole, &f->err));
            assert_true(whole);
            must(f, master_rotated(f->master, &f->err));
        }
        assert_null(master_next(f->master));
        reopen(f);
        assert_true(has(f, 1));
    }
    assert_int_equal(done, 1);
    free(vault);
    free(master);
}

/* ---- power cuts ---- */

struct written {
    bool sync;
    uint64_t at; /* of a sync: the file's length */
    size_t len;
    uint8_t bytes[SLOT_BYTES];
    size_t done; /* steps done before it */
};

struct recorder {
    struct written all[WRITES_MAX];
    size_t n, done;
};

static void on_write(void *arg, int fd, const void *bytes, size_t len, uint64_t at)
{
    struct recorder *r = arg;
    struct written *w = &r->all[r->n++];

    (void)fd; /* the scenario has one file */
    assert_true(r->n < WRITES_MAX && len <= sizeof(w->bytes));
    *w = (struct written) { .at = at, .len = len, .done = r->done };
    memcpy(w->bytes, bytes, len);
}

static void on_sync(void *arg, int fd)
{
    struct recorder *r = arg;
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    assert_true(r->n + 1 < WRITES_MAX);
    r->all[r->n++] = (struct written) { .sync = true, .at = (uint64_t)st.st_size, .done = r->done };
}

static void apply_write(uint8_t *image, const struct written *w, size_t len)
{
    memcpy(image + w->at, w->bytes, len);
}

/* The power is cut after `n` writes and syncs: all up to the last sync is there; of what came after, those whose bit is set, the
 * header among them perhaps in part. */
static void cut_power(struct scenario *s, const struct recorder *r, size_t n, unsigned bits,
                      bool torn)
{
    size_t room = s->before_len + 2 * 1024 * 1024, len = s->before_len, from = 0;
    uint8_t *image = calloc(1, room);
    char when[80];

    memcpy(image, s->before, len);
    for (size_t i = 0; i < n; i++) {
        if (!r->all[i].sync)
            continue;
        for (; from < i; from++)
            if (!r->all[from].sync)
                apply_write(image, &r->all[from], r->all[from].len);
        len = r->all[i].at;
    }
    for (size_t i = from; i < n; i++)
        if (!r->all[i].sync && (bits >> (i - from) % 32 & 1))
            apply_write(image, &r->all[i], torn && r->all[i].at < SLOTS_AT ? 130 : r->all[i].len);
    write_whole(s->f->path, image, len);
    free(image);
    (void)snprintf(when, sizeof(when), "power cut after %zu writes, with those of %x%s", n, bits,
                   torn ? ", torn" : "");
    judge(s, n == r->n ? s->n : r->all[n].done, when);
}

static size_t pending_at(const struct recorder *r, size_t n)
{
    size_t pending = 0;

    while (n > 0 && !r->all[n - 1].sync) {
        pending++;
        n--;
    }
    return pending;
}

static bool header_pending(const struct recorder *r, size_t n)
{
    for (; n > 0 && !r->all[n - 1].sync; n--)
        if (r->all[n - 1].at < SLOTS_AT)
            return true;
    return false;
}

static void a_power_cut_loses_any_of_what_was_not_synced(void **state)
{
    static struct recorder r;
    struct disk_watch watch = { on_write, on_sync, &r };
    struct vault_fixture *f = *state;
    struct scenario s = begin(f, changes, ARRAY_LEN(changes));

    (void)count_points(&s); /* learns what is recorded */
    restore(&s);
    r = (struct recorder) { .n = 0 };
    must(f, try_open(f));
    disk_set_watch(&watch);
    for (; r.done < s.n; r.done++)
        must(f, do_step(f, &s.steps[r.done]));
    disk_set_watch(NULL);
    vault_close(f->vault);
    f->vault = NULL;
    for (size_t n = 0; n <= r.n; n++) {
        size_t pending = pending_at(&r, n);
        assert_true(pending < 10);
        for (unsigned bits = 0; bits < 1u << pending; bits++) {
            cut_power(&s, &r, n, bits, false);
            if (header_pending(&r, n))
                cut_power(&s, &r, n, bits, true);
        }
    }
    free(s.before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VAULT_TEST(every_call_of_a_change_may_fail),
        VAULT_TEST(every_call_of_a_rotation_may_fail),
        VAULT_TEST(every_call_of_a_change_may_be_the_last),
        VAULT_TEST(every_call_of_a_rotation_may_be_the_last),
        cmocka_unit_test(a_first_start_may_end_anywhere),
        VAULT_TEST(a_new_master_key_may_be_cut_off_anywhere),
        VAULT_TEST(a_power_cut_loses_any_of_what_was_not_synced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0; /* without fault points there is nothing to arm */
}

#endif
