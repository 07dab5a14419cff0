/* core_vault_testing.h - what the tests of a service's vault share: a core of the toy with personal data and its vault in a temporary
 * FOKUS_HOME, its commands, and what holds after each of them.
 *
 * After each: whoever was acknowledged is there and can be read, whoever was erased cannot, the vault holds nobody whom the
 * tables do not know, nobody is found by an address that is not hers, and the log's replay is identical. */
#pragma once
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

static inline int try_open(struct fixture *f)
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

static inline void open_core(struct fixture *f)
{
    if (try_open(f) < 0)
        fail_msg("%s", f->err.text);
}

static inline void close_core(struct fixture *f)
{
    core_close(f->core);
    f->core = NULL;
}

static inline void restart(struct fixture *f)
{
    close_core(f);
    open_core(f);
}

static inline void make_home(struct fixture *f)
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

static inline int setup(void **state)
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

static inline void then_identical(struct fixture *f)
{
    struct core_verdict verdict;

    if (core_verify(&letters_service, core_store(f->core), f->scratch, &verdict, NULL, NULL,
                    &f->err) < 0)
        fail_msg("%s", f->err.text);
    if (!verdict.identical)
        fail_msg("%s", verdict.problem);
}

static inline int teardown(void **state)
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

static inline void *take(struct fixture *f, size_t size)
{
    void *ret = f->room + f->used;

    f->used += (size + 15) / 16 * 16;
    assert_true(f->used <= sizeof(f->room));
    return memset(ret, 0, size);
}

static inline struct core_call *command(struct fixture *f, const char *name, const void *request)
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

static inline struct core_call *registering(struct fixture *f, const char *address,
                                            const char *name)
{
    RegisterWriterRequest req = REGISTER_WRITER_REQUEST_INIT;

    req.address = (char *)address;
    req.name = (char *)name;
    return command(f, "RegisterWriter", &req);
}

static inline struct core_call *moving(struct fixture *f, const char *id, const char *address)
{
    MoveWriterRequest req = MOVE_WRITER_REQUEST_INIT;

    req.writer = (char *)id;
    req.address = (char *)address;
    return command(f, "MoveWriter", &req);
}

static inline struct core_call *erasing(struct fixture *f, const char *id)
{
    EraseWriterRequest req = ERASE_WRITER_REQUEST_INIT;

    req.writer = (char *)id;
    return command(f, "EraseWriter", &req);
}

static inline void run(struct fixture *f, struct core_call *const *calls, size_t n)
{
    if (core_commands(f->core, calls, n, f->now_ms, &f->ids, f->arena, &f->commit, &f->err) < 0)
        fail_msg("%s", f->err.text);
}

static inline const char *writer_of(struct fixture *f, const struct core_call *call)
{
    RegisterWriterResponse *res = fokus__letters__v1__register_writer_response__unpack(
        NULL, call->reply.len, call->reply.data);
    char *id = take(f, ID_CHARS + 1);

    assert_non_null(res);
    (void)snprintf(id, ID_CHARS + 1, "%s", res->writer); /* fits */
    fokus__letters__v1__register_writer_response__free_unpacked(res, NULL);
    return id;
}

static inline const char *registered(struct fixture *f, const char *address)
{
    struct core_call *call = registering(f, address, "Siv Andersdotter");

    run(f, &call, 1);
    assert_int_equal(call->status.code, CODE_OK);
    return writer_of(f, call);
}

/* ---- looking ---- */

static inline struct rd *look(struct fixture *f)
{
    struct rd *rd;

    arena_reset(f->work);
    assert_int_equal(rd_begin(core_store(f->core), f->work, &rd), 0);
    return rd;
}

/* Whom the address finds; NULL for nobody. */
static inline const char *found(struct fixture *f, const char *address)
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

static inline bool has_key(struct fixture *f, const char *id)
{
    int r = vault_key(core_vault(f->core), id, f->key);

    assert_true(r == 0 || r == -ENOENT);
    return r == 0;
}

static inline uint64_t persons(struct fixture *f)
{
    struct vault_stats stats;

    vault_stats(core_vault(f->core), &stats);
    return stats.persons;
}

static inline uint64_t writers(struct fixture *f)
{
    struct rd *rd = look(f);
    uint64_t n = rd_count(rd, &writers_table);

    rd_end(rd);
    return n;
}

/* The key under which the runtime sealed the day's stored replies. */
static inline bool has_days_key(struct fixture *f)
{
    char id[ID_CHARS + 1];

    (void)snprintf(id, sizeof(id), "00000000-0000-8000-8000-%012llx",
                   (unsigned long long)(f->now_ms / (24 * 60 * 60 * 1000))); /* fits */
    return has_key(f, id);
}

/* Everybody in the tables can be read, and there are no others in the vault. */
static inline void then_in_step(struct fixture *f)
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

/* ---- files ---- */

static inline void move_file(const char *from, const char *to)
{
    if (rename(from, to) < 0)
        fail_msg("%s to %s: %s", from, to, strerror(errno));
}

static inline const char *beside(struct fixture *f, const char *path)
{
    const char *other = arena_printf(f->arena, "%s-beside", path);

    assert_non_null(other);
    return other;
}

static inline void copy_file(const char *from, const char *to)
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
