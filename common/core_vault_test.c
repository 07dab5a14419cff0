/* core_vault_test.c - a service's vault and its log, kept in step: through failures of each, through a kill at any moment, and at a
 * start with what does not belong together.
 *
 * After each: whoever was acknowledged is there and can be read, whoever was erased cannot, the vault holds nobody whom the
 * tables do not know, nobody is found by an address that is not hers, and the log's replay is identical. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core.h"
#include "common/fault.h"
#include "common/testing_tree.h"
#include "tests/letters/tables.h"

struct fixture {
    char home[64], store[96], vault[96], scratch[96];
    struct core *core;
    struct arena *arena, *work;
    struct seal_key *key;
    struct id_source ids;
    int64_t now_ms;
    struct core_commit commit;
    struct err err;
    /* What a test itself needs while faults are armed. */
    _Alignas(max_align_t) char room[64 * 1024];
    size_t used;
};

/* ---- a core and its calls ---- */

static int try_open(struct fixture *f)
{
    f->core = NULL;
    int r = core_open_scratch(&f->core, &letters_service, f->store, &f->err);
    if (r == 0)
        r = core_open_vault(f->core, f->home, NULL, &f->err);
    if (r < 0) {
        core_close(f->core);
        f->core = NULL;
    }
    return r;
}

static void open_core(struct fixture *f)
{
    if (try_open(f) < 0)
        fail_msg("%s", f->err.text);
}

static void close_core(struct fixture *f)
{
    core_close(f->core);
    f->core = NULL;
}

static void restart(struct fixture *f)
{
    close_core(f);
    open_core(f);
}

static void make_home(struct fixture *f)
{
    bool in_memory =
        access("/dev/shm", W_OK) == 0; /* what is asked is the order, thousands of times */

    (void)snprintf(f->home, sizeof(f->home), "%s/core-vault-XXXXXX",
                   in_memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(f->home));
    (void)snprintf(f->store, sizeof(f->store), "%s/store", f->home);
    (void)snprintf(f->vault, sizeof(f->vault), "%s/vault/letters.vault", f->home);
    (void)snprintf(f->scratch, sizeof(f->scratch), "%s/scratch", f->home);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->arena = arena_new((size_t)1 << 30);
    f->work = arena_new(CORE_CALL_ARENA);
    f->key = seal_key_new();
    assert_true(f->arena && f->work && f->key);
    f->now_ms = 1767268800000;
    make_home(f);
    open_core(f);
    *state = f;
    return 0;
}

static void then_identical(struct fixture *f)
{
    struct core_verdict verdict;

    if (core_verify(&letters_service, core_store(f->core), f->scratch, &verdict, NULL, NULL,
                    &f->err) < 0)
        fail_msg("%s", f->err.text);
    if (!verdict.identical)
        fail_msg("%s", verdict.problem);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

#ifdef FOKUS_FAULTS
    for (int point = 0; point < FAULT_POINTS; point++)
        fault_arm((enum fault_point)point, 0);
#endif
    if (f->core)
        then_identical(f);
    close_core(f);
    arena_free(f->arena);
    arena_free(f->work);
    seal_key_free(f->key);
    assert_return_code(testing_remove_tree(f->home), errno);
    free(f);
    return 0;
}

#define VAULT_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void *take(struct fixture *f, size_t size)
{
    void *ret = f->room + f->used;

    f->used += (size + 15) / 16 * 16;
    assert_true(f->used <= sizeof(f->room));
    return memset(ret, 0, size);
}

static struct core_call *command(struct fixture *f, const char *name, const void *request)
{
    struct core_call *call = take(f, sizeof(*call));
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *body = take(f, len);
    char *method = take(f, 100);

    protobuf_c_message_pack(request, body);
    (void)snprintf(method, 100, "fokus.letters.v1.LettersService/%s", name); /* fits */
    call->method = method;
    call->body = (struct slice) { body, len };
    call->caller.id = "";
    call->locale = "sv";
    call->idempotency_key = "";
    call->trace_id = "0123456789abcdef0123456789abcdef";
    call->arena = f->arena;
    return call;
}

static struct core_call *registering(struct fixture *f, const char *address, const char *name)
{
    RegisterWriterRequest req = REGISTER_WRITER_REQUEST_INIT;

    req.address = (char *)address;
    req.name = (char *)name;
    return command(f, "RegisterWriter", &req);
}

static struct core_call *moving(struct fixture *f, const char *id, const char *address)
{
    MoveWriterRequest req = MOVE_WRITER_REQUEST_INIT;

    req.writer = (char *)id;
    req.address = (char *)address;
    return command(f, "MoveWriter", &req);
}

static struct core_call *erasing(struct fixture *f, const char *id)
{
    EraseWriterRequest req = ERASE_WRITER_REQUEST_INIT;

    req.writer = (char *)id;
    return command(f, "EraseWriter", &req);
}

static void run(struct fixture *f, struct core_call *const *calls, size_t n)
{
    if (core_commands(f->core, calls, n, f->now_ms, &f->ids, f->arena, &f->commit, &f->err) < 0)
        fail_msg("%s", f->err.text);
}

static const char *writer_of(struct fixture *f, const struct core_call *call)
{
    RegisterWriterResponse *res = fokus__letters__v1__register_writer_response__unpack(
        NULL, call->reply.len, call->reply.data);
    char *id = take(f, ID_CHARS + 1);

    assert_non_null(res);
    (void)snprintf(id, ID_CHARS + 1, "%s", res->writer); /* fits */
    fokus__letters__v1__register_writer_response__free_unpacked(res, NULL);
    return id;
}

static const char *registered(struct fixture *f, const char *address)
{
    struct core_call *call = registering(f, address, "Siv Andersdotter");

    run(f, &call, 1);
    assert_int_equal(call->status.code, CODE_OK);
    return writer_of(f, call);
}

/* ---- looking ---- */

static struct rd *look(struct fixture *f)
{
    struct rd *rd;

    arena_reset(f->work);
    assert_int_equal(rd_begin(core_store(f->core), f->work, &rd), 0);
    return rd;
}

/* Whom the address finds; NULL for nobody. */
static const char *found(struct fixture *f, const char *address)
{
    struct rd *rd = look(f);
    const char *stale, *id = NULL;
    Writer *writer;

    int r = writer_with_address(rd, f->work, core_vault(f->core), f->key, address, &writer, &stale);
    if (r == 0)
        id = arena_strdup(f->arena, writer->id);
    rd_end(rd);
    assert_true(r == 0 || r == -ENOENT);
    return id;
}

static bool has_key(struct fixture *f, const char *id)
{
    int r = vault_key(core_vault(f->core), id, f->key);

    assert_true(r == 0 || r == -ENOENT);
    return r == 0;
}

static uint64_t persons(struct fixture *f)
{
    struct vault_stats stats;

    vault_stats(core_vault(f->core), &stats);
    return stats.persons;
}

static uint64_t writers(struct fixture *f)
{
    struct rd *rd = look(f);
    uint64_t n = rd_count(rd, &writers_table);

    rd_end(rd);
    return n;
}

/* The key under which the runtime sealed the day's stored replies. */
static bool has_days_key(struct fixture *f)
{
    char id[ID_CHARS + 1];

    (void)snprintf(id, sizeof(id), "00000000-0000-8000-8000-%012llx",
                   (unsigned long long)(f->now_ms / (24 * 60 * 60 * 1000))); /* fits */
    return has_key(f, id);
}

/* Everybody in the tables can be read, and there are no others in the vault. */
static void then_in_step(struct fixture *f)
{
    struct key all = KEY_INIT;
    struct rd *rd = look(f);
    struct scan s;
    uint64_t n = 0;

    for (scan_prefix(&s, rd, &writers_table, &all); scan_next(&s); n++) {
        Writer *writer;
        char *address;
        assert_int_equal(scan_message(&s, &writer), 0);
        assert_int_equal(vault_key(core_vault(f->core), writer->id, f->key), 0);
        assert_int_equal(opened_text(f->work, f->key, &letters_address, writer->address, &address),
                         0);
        assert_int_equal(vault_find(core_vault(f->core), KIND_ADDRESS,
                                    (struct slice) { (uint8_t *)address, strlen(address) }, f->key),
                         0);
        assert_string_equal(seal_key_person(f->key), writer->id);
    }
    assert_int_equal(scan_end(&s), 0);
    rd_end(rd);
    assert_int_equal(persons(f), n + has_days_key(f));
}

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

static void move_file(const char *from, const char *to)
{
    if (rename(from, to) < 0)
        fail_msg("%s to %s: %s", from, to, strerror(errno));
}

static const char *beside(struct fixture *f, const char *path)
{
    const char *other = arena_printf(f->arena, "%s-beside", path);

    assert_non_null(other);
    return other;
}

static void copy_file(const char *from, const char *to)
{
    char bytes[4096];
    ssize_t n;
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, bytes, sizeof(bytes))) > 0)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    assert_int_equal(n, 0);
    assert_int_equal(close(in) | close(out), 0);
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
    assert_int_equal(writers(f), 1);
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

#endif

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
#ifdef FOKUS_FAULTS
        VAULT_TEST(every_allocation_may_fail),
        VAULT_TEST(every_put_may_fail),
        VAULT_TEST(every_commit_may_fail),
        VAULT_TEST(every_commit_may_succeed_unheard),
        VAULT_TEST(every_system_call_of_the_vault_may_fail),
        VAULT_TEST(a_kill_at_any_moment_leaves_vault_and_log_in_step),
        VAULT_TEST(the_vault_waits_until_an_outcome_is_known),
        VAULT_TEST(a_vault_that_takes_no_writes_stops_commands_and_not_queries),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
