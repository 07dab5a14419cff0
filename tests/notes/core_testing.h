/* core_testing.h - a core with the toy service on a scratch store, and short ways to call it. For the core's tests.
 *
 * Commands are collected by command() and its kin, and run as one batch by run(). After every test the log is replayed and
 * compared. Included once by a test program. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core.h"
#include "fokus/runtime/v1/runtime.fokus.h"
#include "tests/notes/tables.h"

enum { FIXTURE_CALLS = 1000 };

struct core_fixture {
    char folder[64], path[80], scratch[80];
    const struct service_def *def;
    struct core *core;
    struct arena *arena; /* requests, replies and events, until the test's end */
    struct arena *work;
    struct id_source ids;
    int64_t now_ms;
    struct core_call *calls[FIXTURE_CALLS]; /* of the batch at hand */
    size_t n_calls;
    struct core_commit commit; /* of the last batch */
};

static inline void open_core(struct core_fixture *f, const struct service_def *def)
{
    struct err err = { "" };

    f->def = def;
    if (core_open_scratch(&f->core, def, f->path, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void close_core(struct core_fixture *f)
{
    core_close(f->core);
    f->core = NULL;
}

static inline void restart(struct core_fixture *f, const struct service_def *def)
{
    close_core(f);
    open_core(f, def);
}

static inline int fixture_open(void **state)
{
    struct core_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    f->now_ms = 1767268800000;
    f->ids.seed = 1;
    f->arena = arena_new((size_t)1 << 30);
    f->work = arena_new(CORE_CALL_ARENA);
    assert_true(f->arena && f->work);
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/core-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof f->path, "%s/store", f->folder);
    (void)snprintf(f->scratch, sizeof f->scratch, "%s/scratch", f->folder);
    open_core(f, &notes_service);
    return 0;
}

static inline void remove_store(const char *path)
{
    static const char *const files[] = { "data.mdb", "lock.mdb", "owner" };
    char file[120];

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        (void)snprintf(file, sizeof file, "%s/%s", path, files[i]);
        (void)unlink(file);
    }
    (void)rmdir(path);
}

static inline struct core_verdict verdict_of(struct core_fixture *f)
{
    struct core_verdict verdict;
    struct err err = { "" };

    if (core_verify(f->def, core_store(f->core), f->scratch, &verdict, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return verdict;
}

static inline void then_identical(struct core_fixture *f)
{
    struct core_verdict verdict = verdict_of(f);

    if (!verdict.identical)
        fail_msg("%s", verdict.problem);
    assert_int_not_equal(access(f->scratch, F_OK), 0);
}

/* A test that leaves a broken store behind closes the core. */
static inline int fixture_close(void **state)
{
    struct core_fixture *f = *state;
    struct core_verdict verdict = { .identical = true };
    struct err err = { "" };
    int r = 0;

    if (f->core)
        r = core_verify(f->def, core_store(f->core), f->scratch, &verdict, NULL, NULL, &err);
    if (r < 0 || !verdict.identical) {
        print_message("verify: %s%s\n", err.text, verdict.problem);
        r = -1;
    }
    core_close(f->core);
    arena_free(f->arena);
    arena_free(f->work);
    remove_store(f->path);
    remove_store(f->scratch);
    (void)rmdir(f->folder);
    free(f);
    return r;
}

#define CORE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_open, fixture_close)

/* ---- callers ---- */

static inline struct caller anyone(void)
{
    return (struct caller) { .id = "" };
}

static inline struct caller person(const char *id)
{
    return (struct caller) { .id = id };
}

static inline struct caller the_operator(void)
{
    return (struct caller) { .id = "operator", .roles = UINT32_MAX, .operator_socket = true };
}

/* ---- calls ---- */

static inline struct core_call *new_call(struct core_fixture *f, struct caller who,
                                         const char *name, const void *request, const char *key)
{
    struct core_call *call = arena_calloc(f->arena, 1, sizeof *call);
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *body = arena_alloc(f->arena, len + 1);

    assert_true(call && body);
    protobuf_c_message_pack(request, body);
    call->method = arena_printf(f->arena, "fokus.notes.v1.NotesService/%s", name);
    call->body = (struct slice) { body, len };
    call->caller = who;
    call->locale = "sv";
    call->idempotency_key = key;
    call->trace_id = "0123456789abcdef0123456789abcdef";
    call->arena = f->arena;
    return call;
}

/* Puts a command into the batch at hand. */
static inline struct core_call *command(struct core_fixture *f, struct caller who, const char *name,
                                        const void *request, const char *key)
{
    assert_true(f->n_calls < FIXTURE_CALLS);
    return f->calls[f->n_calls++] = new_call(f, who, name, request, key);
}

static inline struct core_call *add_note(struct core_fixture *f, const char *slug,
                                         const char *title)
{
    AddNoteRequest req = ADD_NOTE_REQUEST_INIT;

    req.slug = (char *)slug;
    req.title = (char *)title;
    return command(f, anyone(), "AddNote", &req, "");
}

static inline struct core_call *add_many(struct core_fixture *f, const char *prefix, uint32_t count,
                                         uint32_t text_len)
{
    AddManyNotesRequest req = ADD_MANY_NOTES_REQUEST_INIT;

    req.prefix = (char *)prefix;
    req.count = count;
    req.text_len = text_len;
    return command(f, the_operator(), "AddManyNotes", &req, "");
}

static inline struct core_call *revise_note(struct core_fixture *f, const char *slug,
                                            const char *text)
{
    ReviseNoteRequest req = REVISE_NOTE_REQUEST_INIT;

    req.slug = (char *)slug;
    req.text = (char *)text;
    return command(f, the_operator(), "ReviseNote", &req, "");
}

static inline struct core_call *sign_note(struct core_fixture *f, const char *slug,
                                          const char *signer)
{
    SignNoteRequest req = SIGN_NOTE_REQUEST_INIT;

    req.slug = (char *)slug;
    return command(f, person(signer), "SignNote", &req, "");
}

/* Runs the batch. */
static inline void run(struct core_fixture *f)
{
    struct err err = { "" };
    size_t n = f->n_calls;

    f->n_calls = 0;
    if (core_commands(f->core, f->calls, n, f->now_ms, &f->ids, f->arena, &f->commit, &err) < 0)
        fail_msg("%s", err.text);
}

static inline struct core_call *query(struct core_fixture *f, struct caller who, const char *name,
                                      const void *request)
{
    struct core_call *call = new_call(f, who, name, request, "");
    const struct method *m = core_method(f->core, call->method);
    struct rd *rd;

    assert_non_null(m);
    arena_reset(f->work);
    assert_int_equal(rd_begin(core_store(f->core), f->work, &rd), 0);
    core_query(f->core, m, rd, f->work, f->now_ms, NULL, call);
    rd_end(rd);
    return call;
}

static inline const void *reply_of(struct core_fixture *f, const struct core_call *call)
{
    const void *message =
        protobuf_c_message_unpack(core_method(f->core, call->method)->response, arena_pb(f->arena),
                                  call->reply.len, call->reply.data);

    assert_non_null(message);
    return message;
}

/* ---- looking ---- */

static inline bool note_exists(struct core_fixture *f, const char *slug)
{
    struct rd *rd;
    Note *note;

    arena_reset(f->work);
    assert_int_equal(rd_begin(core_store(f->core), f->work, &rd), 0);
    int r = note_find(rd, slug, &note);
    rd_end(rd);
    return r == 0;
}

static inline uint64_t last_record(struct core_fixture *f)
{
    struct log_head head;
    struct rd *rd;

    assert_int_equal(rd_begin(core_store(f->core), f->work, &rd), 0);
    assert_int_equal(log_head(rd, &head), LOG_OK);
    rd_end(rd);
    return head.record;
}

/* Entries of a table, as verify counts them. */
static inline uint64_t entries(struct core_fixture *f, const char *table)
{
    struct core_verdict verdict = verdict_of(f);

    for (size_t i = 0; i < verdict.n_tables; i++)
        if (strcmp(verdict.tables[i].table, table) == 0)
            return verdict.tables[i].entries;
    fail_msg("there is no table %s", table);
    return 0;
}

/* Appends one empty event of every arm. */
static inline void every_arm_applies(struct core_fixture *f, const struct contract *contract)
{
    const ProtobufCMessageDescriptor *type = contract->event;
    struct err err = { "" };

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *arm = &type->fields[i];
        const ProtobufCMessageDescriptor *body_type = arm->descriptor;
        char *event = arena_alloc(f->arena, type->sizeof_message);
        void *body = arena_alloc(f->arena, body_type->sizeof_message);
        int number = (int)arm->id;
        assert_true(event && body);
        protobuf_c_message_init(type, event);
        protobuf_c_message_init(body_type, body);
        memcpy(event + arm->offset, &body, sizeof body);
        memcpy(event + contract->event_case_offset, &number, sizeof number);
        if (core_append(f->core, (ProtobufCMessage *)event, "", f->now_ms, &f->ids, f->arena,
                        &err) < 0)
            fail_msg("%s: %s", arm->name, err.text);
    }
}
