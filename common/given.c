/* given.c - the vocabulary of rule tests over a core without sockets.
 *
 * Each test has a core of its own on a scratch store in a temporary folder. Ids and clock are reproducible. What a
 * test asks for lives until its end. After the test's last line the log is replayed and every table compared, so that each
 * rule's test is a test of replay as well. */
#include "common/given.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_TESTS = 2000,
    MAX_HELD = 256,                  /* callers with a role that are remembered at a time */
    TEST_ARENA = 1024 * 1024 * 1024, /* all that one test asks for */
};

static const int64_t first_ms = 1767268800000; /* 2026-01-01T12:00:00Z */

static struct {
    const char *name;
    given_test *test;
} registered[MAX_TESTS];
static size_t n_registered;

/* The test that runs. */
static struct {
    const struct service_def *def;
    char folder[64];
    struct core *core;
    struct seal_key *key, *query_key; /* of a service with personal data */
    struct arena *arena, *scratch;
    struct id_source ids;
    int64_t now_ms;
    struct origin origin;        /* of the calls from now on */
    const struct method *method; /* the last asked for */
    struct core_call call;
    struct core_commit commit;
} g;

void given_register(const char *name, given_test *test)
{
    if (n_registered == MAX_TESTS) {
        (void)fprintf(stderr, "at most %d tests in a program\n", MAX_TESTS);
        abort();
    }
    registered[n_registered].name = name;
    registered[n_registered++].test = test;
}

/* ---- clock and callers ---- */

int64_t given_now_ms(void)
{
    return g.now_ms;
}

void given_time_passes(int64_t ms)
{
    g.now_ms += ms;
}

struct caller anonymous(void)
{
    return (struct caller) { .id = "" };
}

struct caller operator_caller(void)
{
    return (struct caller) { .id = "operator", .roles = UINT32_MAX, .operator_socket = true };
}

struct caller with_role(const char *id, int role)
{
    return with_role_for(id, role, "");
}

struct caller with_role_for(const char *id, int role, const char *scope)
{
    /* Not from the arena: where memory ends is for the calls to find. */
    static struct held_role pool[MAX_HELD];
    static size_t next;
    struct held_role *held = &pool[next++ % MAX_HELD];

    *held = (struct held_role) { (uint8_t)role, scope };
    return (struct caller) { .id = id, .roles = 1u << role, .held = held, .n_held = 1 };
}

struct caller signed_in(const char *id)
{
    return (struct caller) { .id = id };
}

struct caller house_caller(const char *name)
{
    return (struct caller) { .id = name };
}

void given_origin(const struct origin *origin)
{
    g.origin = *origin;
}

/* ---- given, when, ask ---- */

void given(const void *event, const char *subject)
{
    struct err err = { "" };

    if (core_append(g.core, event, subject, g.now_ms, &g.ids, g.arena, &err) < 0)
        fail_msg("given event about \"%s\": %s", subject, err.text);
}

void given_person(const char *person, const struct vault_lookup *lookups, size_t n)
{
    struct vault *vault = given_vault();
    struct err err = { "" };

    if (vault_add(vault, person, lookups, n, &err) < 0 || vault_sync(vault, &err) < 0 ||
        vault_settle(vault, true, &err) < 0)
        fail_msg("given person %s: %s", person, err.text);
}

struct vault *given_vault(void)
{
    struct vault *vault = core_vault(g.core);

    if (!vault)
        fail_msg("%s keeps no personal data", g.def->name);
    return vault;
}

struct seal_key *given_key(void)
{
    return g.key;
}

/* By full name, or by the method's own when that is enough. */
static const struct method *find_method(const char *name)
{
    const struct contract *contract = g.def->contract;

    if (strchr(name, '/'))
        return core_method(g.core, name);
    for (size_t i = 0; i < contract->n_methods; i++) {
        const char *slash = strchr(contract->methods[i].full_name, '/');
        if (slash && strcmp(slash + 1, name) == 0)
            return &contract->methods[i];
    }
    return NULL;
}

/* Packs the request and prepares the call. */
static void prepare(struct caller who, const char *name, const void *request, const char *key,
                    bool command)
{
    const ProtobufCMessage *message = request;

    g.method = find_method(name);
    if (!g.method)
        fail_msg("there is no method %s", name);
    if (g.method->command != command)
        fail_msg("%s is a %s", name, command ? "query: use ask()" : "command: use when()");
    if (message->descriptor != g.method->request)
        fail_msg("%s takes a %s, not a %s", name, g.method->request->name,
                 message->descriptor->name);
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *body = arena_alloc(g.arena, len ? len : 1);
    assert_non_null(body);
    protobuf_c_message_pack(message, body);
    g.call = (struct core_call) {
        .method = g.method->full_name,
        .body = { body, len },
        .caller = who,
        .locale = "sv",
        .idempotency_key = key,
        .trace_id = "0123456789abcdef0123456789abcdef",
        .arena = g.arena,
        .key = g.query_key,
    };
    if (g.method->origin)
        g.call.origin = g.origin;
    g.commit = (struct core_commit) { 0 };
}

void when_with_key(struct caller who, const char *method, const void *request,
                   const char *idempotency_key)
{
    struct core_call *calls[] = { &g.call };
    struct err err = { "" };

    prepare(who, method, request, idempotency_key, true);
    if (g.method->prepare)
        core_prepare(g.core, g.method, g.now_ms, NULL, &g.call);
    if (g.call.failure)
        print_message("%s failed: %s\n", method, g.call.failure);
    if (g.method->prepare && !g.call.is_prepared)
        return;
    if (core_commands(g.core, calls, 1, g.now_ms, &g.ids, g.arena, &g.commit, &err) < 0)
        fail_msg("%s: %s", method, err.text);
    if (g.call.failure)
        print_message("%s failed: %s\n", method, g.call.failure);
}

void when(struct caller who, const char *method, const void *request)
{
    when_with_key(who, method, request, "");
}

const char *given_home(void)
{
    return g.folder;
}

static void *next_effect(void)
{
    int64_t due_ms;
    void *job = NULL;
    struct rd *rd;

    arena_reset(g.scratch);
    assert_int_equal(rd_begin(core_store(g.core), g.scratch, &rd), 0);
    const struct query_in in = {
        .state = rd,
        .arena = g.arena,
        .caller = operator_caller(),
        .now_ms = g.now_ms,
        .locale = "sv",
        .vault = core_vault(g.core),
        .key = g.query_key,
    };
    int r = g.def->effect->next(&in, &job, &due_ms);
    rd_end(rd);
    assert_int_equal(r, 0);
    return job;
}

size_t when_effects_run(void)
{
    static const atomic_bool stopping;
    const struct effect_in in = {
        .arena = g.arena,
        .now_ms = g.now_ms,
        .home = g.folder,
        .vault = core_vault(g.core),
        .key = g.query_key,
        .stopping = &stopping,
    };
    size_t n = 0;

    for (void *job; (job = next_effect()); n++) {
        struct chore record = { 0 };
        g.def->effect->carry_out(&in, job, &record);
        if (!record.method)
            fail_msg("an effect was not recorded");
        when(operator_caller(), record.method, record.request);
        then_ok();
    }
    return n;
}

static void *unpack_reply(void)
{
    void *response = protobuf_c_message_unpack(g.method->response, arena_pb(g.arena),
                                               g.call.reply.len, g.call.reply.data);

    assert_non_null(response);
    return response;
}

void ask(struct caller who, const char *method, const void *request, void *ret)
{
    struct rd *rd;

    prepare(who, method, request, "", false);
    arena_reset(g.scratch);
    assert_int_equal(rd_begin(core_store(g.core), g.scratch, &rd), 0);
    core_query(g.core, g.method, rd, g.scratch, g.now_ms, NULL, &g.call);
    rd_end(rd);
    if (g.call.failure)
        print_message("%s failed: %s\n", method, g.call.failure);
    void *response = g.call.status.code == CODE_OK ? unpack_reply() : NULL;
    memcpy(ret, &response, sizeof response); /* `ret` is the address of a typed pointer */
}

const struct session_change *then_session(void)
{
    return &g.call.session;
}

/* ---- then ---- */

static void print_status(void)
{
    const struct status *s = &g.call.status;

    print_message("status %s: %s\n", code_name(s->code), s->message ? s->message : "");
    for (size_t i = 0; i < s->n_violations; i++)
        print_message("    %s: %s\n", s->violations[i].field, s->violations[i].description);
}

void then_ok(void)
{
    if (g.call.status.code == CODE_OK)
        return;
    print_status();
    fail_msg("expected ok, got %s", code_name(g.call.status.code));
}

const void *then_response(void)
{
    then_ok();
    return unpack_reply();
}

void then_refused(enum code code)
{
    if (g.call.status.code == code)
        return;
    print_status();
    fail_msg("expected %s, got %s", code_name(code), code_name(g.call.status.code));
}

void then_violation(const char *field)
{
    const struct status *s = &g.call.status;

    for (size_t i = 0; i < s->n_violations; i++)
        if (strcmp(s->violations[i].field, field) == 0)
            return;
    print_status();
    fail_msg("expected a violation of %s, got %zu others", field, s->n_violations);
}

static void print_events(void)
{
    for (size_t i = 0; i < g.commit.n_events; i++)
        print_message("event %zu: %s about \"%s\"\n", i, g.commit.events[i]->type,
                      g.commit.events[i]->subject);
}

void then_no_event(void)
{
    if (g.commit.n_events == 0)
        return;
    print_events();
    fail_msg("expected no event, got %zu", g.commit.n_events);
}

size_t then_event_count(void)
{
    return g.commit.n_events;
}

size_t then_events_of(const char *type)
{
    size_t n = 0;

    for (size_t i = 0; i < g.commit.n_events; i++)
        n += strcmp(g.commit.events[i]->type, type) == 0;
    return n;
}

uint64_t then_entries(const struct table *t)
{
    struct rd *rd;

    arena_reset(g.scratch);
    assert_int_equal(rd_begin(core_store(g.core), g.scratch, &rd), 0);
    uint64_t n = rd_count(rd, t);
    rd_end(rd);
    return n;
}

const void *then_event(size_t n, const char *type)
{
    if (n >= g.commit.n_events) {
        print_status();
        fail_msg("expected event %zu to be %s, got %zu events", n, type, g.commit.n_events);
    }
    const Fokus__Event__V1__Event *event = g.commit.events[n];
    if (strcmp(event->type, type) != 0) {
        print_events();
        fail_msg("expected event %zu to be %s, got %s", n, type, event->type);
    }
    const void *message = protobuf_c_message_unpack(g.def->contract->event, arena_pb(g.arena),
                                                    event->data.len, event->data.data);
    assert_non_null(message);
    return message;
}

/* ---- running ---- */

static void then_replay_is_identical(void)
{
    struct core_verdict verdict;
    struct err err = { "" };
    char scratch[sizeof g.folder + 16];

    (void)snprintf(scratch, sizeof scratch, "%s/verify", g.folder);
    if (core_verify(g.def, core_store(g.core), scratch, &verdict, NULL, NULL, &err) < 0)
        fail_msg("the log cannot be replayed: %s", err.text);
    if (!verdict.identical)
        fail_msg("replaying the log gives other tables: %s", verdict.problem);
}

/* The next start would erase nobody. */
static bool is_in_tables(void *rd, const char *person)
{
    if (core_person_exists(g.core, rd, g.now_ms, person) < 0)
        fail_msg("%s is in the vault, but not in the tables", person);
    return true;
}

static void then_vault_fits_tables(void)
{
    struct err err = { "" };
    uint64_t erased;
    struct rd *rd;

    if (!core_vault(g.core))
        return;
    assert_int_equal(rd_begin(core_store(g.core), g.scratch, &rd), 0);
    int r = vault_sweep(core_vault(g.core), is_in_tables, rd, &erased, &err);
    rd_end(rd);
    if (r < 0)
        fail_msg("the vault cannot be read: %s", err.text);
}

static void run_one(void **state)
{
    given_test *test;

    memcpy(&test, state,
           sizeof test); /* a function's address does not fit a data pointer by the letter */
    test();
    then_vault_fits_tables();
    then_replay_is_identical();
}

static int set_up(void **state)
{
    struct err err = { "" };
    const char *tmp = getenv("TMPDIR");

    (void)state; /* the test's own address */
    g.now_ms = first_ms;
    g.origin = (struct origin) { 0 };
    g.ids = (struct id_source) { .seed = 1 };
    int n = snprintf(g.folder, sizeof g.folder, "%s/given-XXXXXX", tmp ? tmp : "/tmp");
    if (n < 0 || (size_t)n >= sizeof g.folder || !mkdtemp(g.folder)) {
        print_message("cannot make the temporary folder %s: %s\n", g.folder, strerror(errno));
        return -1;
    }
    char path[sizeof g.folder + 16];
    (void)snprintf(path, sizeof path, "%s/store", g.folder);
    g.arena = arena_new(TEST_ARENA);
    g.scratch = arena_new(CORE_CALL_ARENA);
    g.key = g.def->personal ? seal_key_new() : NULL;
    g.query_key = g.def->personal ? seal_key_new() : NULL;
    if (!g.arena || !g.scratch || core_open_scratch(&g.core, g.def, path, &err) < 0 ||
        core_open_vault(g.core, g.folder, NULL, &err) < 0) {
        print_message("cannot open a core: %s\n", err.text);
        return -1;
    }
    return 0;
}

static void remove_folder(const char *path)
{
    DIR *dir = opendir(path);

    for (struct dirent *e; dir && (e = readdir(dir));) {
        char inner[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int n = snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (n > 0 && (size_t)n < sizeof inner && unlink(inner) < 0)
            remove_folder(inner);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path); /* what cannot be removed is left to the system's own cleaning */
}

static int tear_down(void **state)
{
    (void)state; /* the test's own address */
    core_close(g.core);
    g.core = NULL;
    seal_key_free(g.key);
    seal_key_free(g.query_key);
    g.key = g.query_key = NULL;
    arena_free(g.arena);
    arena_free(g.scratch);
    g.arena = g.scratch = NULL;
    remove_folder(g.folder);
    return 0;
}

int given_main(const struct service_def *def, int argc, char **argv)
{
    static struct CMUnitTest tests[MAX_TESTS];
    size_t n = 0;

    g.def = def;
    for (size_t i = 0; i < n_registered; i++) {
        if (argc > 1 && strcmp(argv[1], registered[i].name) != 0)
            continue;
        tests[n] = (struct CMUnitTest) { .name = registered[i].name,
                                         .test_func = run_one,
                                         .setup_func = set_up,
                                         .teardown_func = tear_down };
        memcpy(&tests[n].initial_state, &registered[i].test, sizeof(given_test *));
        n++;
    }
    if (n == 0) {
        (void)fprintf(stderr, "%s: there is no test %s\n", argv[0], argc > 1 ? argv[1] : "");
        return 2;
    }
    return _cmocka_run_group_tests(def->name, tests, n, NULL, NULL);
}
