/* core.c - opens a service's store, finds its methods, admits calls and answers queries.
 *
 * Commands are in core_commands.c, core_record.c and core_replies.c, the walk along the log in core_chain.c, folding and replay in
 * core_replay.c, damaged tables in core_rebuild.c, verify in core_verify.c, the vault's part in core_vault.c.
 *
 * Admission is the same for queries and commands, in this order: the access rule (so that a stranger learns nothing
 * of the request's rules), the deadline, the size, the bytes. Only then anything is unpacked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/core_internal.h"
#include "common/pack.h"
#include "common/packed.h"
#include "fokus/runtime/v1/runtime.fokus.h"
#include "fokus/v1/options.pb-c.h"

const struct table core_table_replies = { "_replies", &fokus__event__v1__stored_reply__descriptor };
const struct table core_table_expiry = { "_expiry", NULL };
const struct table core_table_meta = { "_meta", NULL };

/* ---- methods ---- */

static int compare_names(const void *a, const void *b)
{
    const struct method *const *left = a, *const *right = b;

    return strcmp((*left)->full_name, (*right)->full_name);
}

const struct method *core_method(const struct core *c, const char *full_name)
{
    const struct method wanted = { .full_name = full_name }, *key = &wanted;
    const struct method *const *found =
        bsearch(&key, c->by_name, c->n_methods, sizeof *c->by_name, compare_names);

    return found ? *found : NULL;
}

/* The request's shape. Methods lie in two arrays, so their place tells which it is without a search. */
static const struct schema_message *request_shape(const struct core *c, const struct method *m)
{
    const struct contract *own = c->def->contract;
    uintptr_t at = (uintptr_t)m, first = (uintptr_t)own->methods;

    if (at >= first && at < (uintptr_t)(own->methods + own->n_methods))
        return c->shapes[m - own->methods];
    return c->shapes[own->n_methods + (size_t)(m - runtime_contract.methods)];
}

static int add_methods(struct core *c, const struct contract *contract, const struct schema *schema,
                       struct err *err)
{
    for (size_t i = 0; i < contract->n_methods; i++) {
        const struct method *m = &contract->methods[i];
        const struct schema_method *shape = schema_method(schema, m->full_name);
        if (!shape)
            return err_set(err, EBADMSG, "%s is not in the service's descriptor set", m->full_name);
        c->by_name[c->n_methods] = m;
        c->shapes[c->n_methods++] = shape->input;
    }
    return 0;
}

static int open_contracts(struct core *c, struct err *err)
{
    const struct contract *own = c->def->contract;

    int r = schema_open(&c->schema, own->descriptor_set, own->descriptor_set_len, err);
    if (r < 0)
        return r;
    r = schema_open(&c->runtime_schema, runtime_contract.descriptor_set,
                    runtime_contract.descriptor_set_len, err);
    if (r < 0)
        return r;
    size_t n = own->n_methods + runtime_contract.n_methods;
    c->by_name = calloc(n, sizeof *c->by_name);
    c->shapes = calloc(n, sizeof *c->shapes);
    if (!c->by_name || !c->shapes)
        return err_set(err, ENOMEM, "no memory for the method table");
    r = add_methods(c, own, c->schema, err);
    if (r == 0)
        r = add_methods(c, &runtime_contract, c->runtime_schema, err);
    if (r < 0)
        return r;
    qsort(c->by_name, c->n_methods, sizeof *c->by_name, compare_names);
    return 0;
}

/* ---- opening ---- */

static const struct table *const log_tables[] = { &log_tables_log, &log_tables_index,
                                                  &log_tables_head };
static const struct table *const own_tables[] = { &core_table_replies, &core_table_expiry,
                                                  &core_table_meta };

static size_t service_table_count(const struct service_def *def)
{
    size_t n = 0;

    while (def->tables && def->tables[n])
        n++;
    return n;
}

const struct table **core_folded_tables(const struct service_def *def)
{
    size_t n = service_table_count(def);
    const struct table **all =
        calloc(n + ARRAY_LEN(own_tables) + ARRAY_LEN(log_tables) + 1, sizeof(struct table *));

    if (!all)
        return NULL;
    for (size_t i = 0; i < n; i++)
        all[i] = def->tables[i];
    for (size_t i = 0; i < ARRAY_LEN(own_tables); i++)
        all[n + i] = own_tables[i];
    return all;
}

static int open_store(struct core *c, const char *path, bool scratch, struct err *err)
{
    c->tables = core_folded_tables(c->def);
    if (!c->tables)
        return err_set(err, ENOMEM, "no memory for the list of tables");
    size_t n = service_table_count(c->def) + ARRAY_LEN(own_tables);
    for (size_t i = 0; i < ARRAY_LEN(log_tables); i++)
        c->tables[n + i] = log_tables[i];

    const struct store_config config = { .path = path, .tables = c->tables, .no_sync = scratch };
    return store_open(&c->store, &config, err);
}

static int create_log(struct core *c, struct err *err)
{
    struct id_source ids = { 0 };
    struct wr *wr;

    id_next(&ids, wall_ms(), c->log_id);

    int r = wr_begin(c->store, c->work, &wr);
    if (r < 0)
        return err_set(err, -r, "cannot begin the store's first transaction: %s", strerror(-r));
    enum log_rc rc = log_create(wr, c->log_id);
    if (rc != LOG_OK) {
        wr_abort(wr);
        return err_set(err, EIO, "cannot create the log: %s", log_rc_name(rc));
    }
    r = meta_put_schema(wr, service_schema(c->def));
    if (r < 0) {
        wr_abort(wr);
        return err_set(err, -r, "cannot write the schema number: %s", strerror(-r));
    }
    bool unknown = false;
    return wr_commit(wr, &unknown, err);
}

/* Checks the last `count` records (0: all) up to the stored head. */
static int check_chain(struct core *c, const struct rd *rd, uint64_t count, struct progress *p,
                       struct err *err)
{
    struct log_head end;

    enum log_rc rc = log_head(rd, &end);
    if (rc != LOG_OK)
        return err_set(err, EBADMSG, "the log's head cannot be read: %s", log_rc_name(rc));
    memcpy(c->log_id, end.log_id, sizeof c->log_id);
    uint64_t from = count && count < end.record ? end.record - count + 1 : 1;
    return chain_check(c->store, rd, &end, from, p, err);
}

/* The log's state: made when new, else its chain checked. */
static int open_log(struct core *c, uint64_t check_records, core_progress *progress, void *arg,
                    struct err *err)
{
    struct progress p = { progress, arg, 0 };
    struct log_head head;
    struct rd *rd;

    int r = rd_begin(c->store, c->work, &rd);
    if (r < 0)
        return err_set(err, -r, "cannot read the store: %s", strerror(-r));
    bool is_new = log_head(rd, &head) == LOG_EMPTY;
    if (!is_new)
        r = check_chain(c, rd, check_records, &p, err);
    rd_end(rd);
    return is_new ? create_log(c, err) : r;
}

static int open_core(struct core **ret, const struct service_def *def, const char *store_path,
                     bool scratch, uint64_t check_records, core_progress *progress,
                     void *progress_arg, struct err *err)
{
    struct core *c = calloc(1, sizeof *c);

    if (!c)
        return err_set(err, ENOMEM, "no memory to open the service");
    c->def = def;
    c->record = BUF_INIT(CORE_MAX_RECORD);
    c->replies = BUF_INIT(CORE_MAX_RECORD);
    c->work = arena_new(CORE_CALL_ARENA);
    c->fold = arena_new(CORE_REPLAY_ARENA);
    int r = c->work && c->fold ? 0 : err_set(err, ENOMEM, "no memory to open the service");
    if (r == 0)
        r = open_contracts(c, err);
    if (r == 0)
        r = open_store(c, store_path, scratch, err);
    if (r == 0)
        r = open_log(c, check_records, progress, progress_arg, err);
    if (r == 0)
        r = core_bring_up(c, progress, progress_arg, err);
    if (r < 0) {
        core_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

int core_open(struct core **ret, const struct service_def *def, const char *store_path,
              uint64_t check_records, core_progress *progress, void *progress_arg, struct err *err)
{
    return open_core(ret, def, store_path, false, check_records, progress, progress_arg, err);
}

int core_open_scratch(struct core **ret, const struct service_def *def, const char *store_path,
                      struct err *err)
{
    return open_core(ret, def, store_path, true, 0, NULL, NULL, err);
}

void core_close(struct core *c)
{
    if (!c)
        return;
    core_vault_close(c);
    if (c->store)
        store_close(c->store);
    if (c->schema)
        schema_close(c->schema);
    if (c->runtime_schema)
        schema_close(c->runtime_schema);
    if (c->work)
        arena_free(c->work);
    if (c->fold)
        arena_free(c->fold);
    buf_free(&c->record);
    buf_free(&c->replies);
    free(c->by_name);
    free(c->shapes);
    free(c->tables);
    free(c->todo);
    free(c);
}

struct store *core_store(struct core *c)
{
    return c->store;
}

const struct schema *core_schema(const struct core *c)
{
    return c->schema;
}

const char *core_log_id(const struct core *c)
{
    return c->log_id;
}

/* ---- access ---- */

static const char *const role_names[] = {
    [FOKUS__V1__ROLE__ROLE_MEMBER] = "a member",
    [FOKUS__V1__ROLE__ROLE_REPRESENTATIVE] = "an organisation's representative",
    [FOKUS__V1__ROLE__ROLE_PROFESSIONAL] = "a care professional",
    [FOKUS__V1__ROLE__ROLE_EDITOR] = "an editor",
    [FOKUS__V1__ROLE__ROLE_MODERATOR] = "a moderator",
    [FOKUS__V1__ROLE__ROLE_JURY] = "a jury member",
    [FOKUS__V1__ROLE__ROLE_PARTNER] = "a partner",
    [FOKUS__V1__ROLE__ROLE_OPERATOR] = "an operator",
};

/* "Only an editor or a moderator may do this." */
static void refuse_role(uint32_t roles, struct status *status)
{
    char text[300] = "";
    size_t len = 0;

    for (size_t i = 1; i < ARRAY_LEN(role_names); i++)
        if (roles & (1u << i)) {
            int n =
                snprintf(text + len, sizeof text - len, "%s%s", len ? " or " : "", role_names[i]);
            len += n > 0 ? (size_t)n : 0; /* all names together fit */
        }
    status_refuse(status, CODE_PERMISSION_DENIED, "Only %s may do this.",
                  len ? text : "nobody listed");
}

bool core_allowed(const struct method *m, const struct caller *caller, struct status *status)
{
    /* Security: the house speaks for nobody; it may what is said to be for it, and what everybody may. */
    bool person = caller->id[0] && !caller_is_house(caller);

    switch (m->audience) {
    case FOKUS__V1__AUDIENCE__AUDIENCE_PUBLIC:
    case FOKUS__V1__AUDIENCE__AUDIENCE_HANDLER:
        return true;
    case FOKUS__V1__AUDIENCE__AUDIENCE_SIGNED_IN:
        if (caller->operator_socket || person)
            return true;
        status_refuse(status, CODE_UNAUTHENTICATED, "Sign in first, then try again.");
        return false;
    case FOKUS__V1__AUDIENCE__AUDIENCE_ROLE:
        if (caller->operator_socket || (person && (caller->roles & m->roles)))
            return true;
        refuse_role(m->roles, status);
        return false;
    case FOKUS__V1__AUDIENCE__AUDIENCE_HOUSE:
        if (caller->operator_socket || caller_is_house(caller))
            return true;
        status_refuse(status, CODE_PERMISSION_DENIED, "Only the house's own services may do this.");
        return false;
    case FOKUS__V1__AUDIENCE__AUDIENCE_OPERATOR:
        if (caller->operator_socket)
            return true;
        status_refuse(status, CODE_PERMISSION_DENIED,
                      "Only the operator may do this, with fokusctl on the service's machine.");
        return false;
    }
    /* Security: no rule, or one this build does not know, means nobody, not even the operator. */
    status_refuse(status, CODE_PERMISSION_DENIED, "Nobody may do this: it has no access rule.");
    return false;
}

/* The text of a string field in checked bytes; the last one counts. */
static struct slice field_text(struct slice body, uint32_t number)
{
    struct packed_field field = { 0 };
    struct slice text = { 0 };

    while (packed_take(&body, &field) > 0)
        if (field.number == number && field.type == PACKED_LEN)
            text = packed_bytes(&field);
    return text;
}

bool core_in_scope(const struct method *m, const struct caller *caller, struct slice body,
                   struct status *status)
{
    if (m->audience != FOKUS__V1__AUDIENCE__AUDIENCE_ROLE || !m->scope_field ||
        caller->operator_socket)
        return true;
    const struct slice wanted = field_text(body, m->scope_field);
    for (size_t i = 0; i < caller->n_held; i++) {
        const struct held_role *held = &caller->held[i];
        if ((m->roles & (1U << held->role)) &&
            (!role_has_scope(held->role) || (strlen(held->scope) == wanted.len &&
                                             memcmp(held->scope, wanted.data, wanted.len) == 0)))
            return true;
    }
    status_refuse(status, CODE_PERMISSION_DENIED, "Your role is for another than this one.");
    return false;
}

/* ---- admission ---- */

static bool idempotency_key_valid(const char *key)
{
    size_t len = strnlen(key, CORE_MAX_IDEMPOTENCY_KEY + 1);

    if (len > CORE_MAX_IDEMPOTENCY_KEY)
        return false;
    for (size_t i = 0; i < len; i++)
        if (key[i] <= ' ' || key[i] > '~')
            return false;
    return true;
}

static bool admit_key(const struct method *m, struct core_call *call)
{
    if (!m->command || !call->idempotency_key[0])
        return true;
    if (!idempotency_key_valid(call->idempotency_key)) {
        status_violation(&call->status, "idempotency_key",
                         "must be 1 to %d visible ASCII characters", CORE_MAX_IDEMPOTENCY_KEY);
        return false;
    }
    struct key k = KEY_INIT;
    if (!expiry_key(&k, 0, call->caller.id, call->idempotency_key)->failed)
        return true;
    status_refuse(&call->status, CODE_INVALID_ARGUMENT, "The caller's id is too long.");
    return false;
}

bool core_check(struct core *c, const struct method *m, struct slice body, struct status *status)
{
    return schema_check(request_shape(c, m), body.data, body.len, SCHEMA_LIMITS, status);
}

bool core_admit(struct core *c, const struct method *m, int64_t now_ms, struct core_call *call)
{
    call->status = (struct status) { .arena = call->arena };
    call->reply = (struct slice) { 0 };
    call->pieces = (struct wire_pieces) { 0 };
    call->session = (struct session_change) { 0 };
    call->repeated = false;
    call->failure = NULL;
    if (!core_allowed(m, &call->caller, &call->status))
        return false;
    if (call->deadline_ms && now_ms >= call->deadline_ms) {
        status_refuse(&call->status, CODE_DEADLINE_EXCEEDED,
                      "The time allowed for this call ran out before it could begin. Try again.");
        return false;
    }
    if (call->body.len > CORE_MAX_BODY) {
        status_refuse(&call->status, CODE_RESOURCE_EXHAUSTED,
                      "The request is too large: at most %d bytes are taken.", CORE_MAX_BODY);
        return false;
    }
    bool good = admit_key(m, call) &&
                (call->checked || core_check(c, m, call->body, &call->status)) &&
                core_in_scope(m, &call->caller, call->body, &call->status);
    if (!good)
        status_finish(&call->status);
    return good;
}

void core_fail(struct core_call *call, int errnum, const char *what)
{
    call->reply = (struct slice) { 0 };
    call->status = (struct status) { .arena = call->arena };
    call->failure = arena_printf(call->arena, "%s: %s", what, strerror(errnum));
    if (!call->failure)
        call->failure = what;
    if (errnum == ENOMEM)
        status_refuse(&call->status, CODE_RESOURCE_EXHAUSTED,
                      "The call needs more memory than one call may take. Ask for less at a time.");
    else if (errnum == EIO || errnum == ENOSPC)
        status_refuse(
            &call->status, CODE_UNAVAILABLE,
            "The service cannot use its store right now. Nothing was changed; try again.");
    else
        status_refuse(&call->status, CODE_INTERNAL,
                      "The service failed on this call and has recorded why. Nothing was changed.");
}

void *core_new_message(struct arena *arena, const ProtobufCMessageDescriptor *type)
{
    void *message = arena_alloc(arena, type->sizeof_message);

    if (message)
        protobuf_c_message_init(type, message);
    return message;
}

bool core_pack_reply(struct core_call *call, const ProtobufCMessage *response)
{
    if (pack_in(call->arena, response, CORE_MAX_BODY, &call->reply))
        return true;
    status_refuse(&call->status, CODE_RESOURCE_EXHAUSTED,
                  "The answer is too large. Ask for less at a time.");
    return false;
}

/* ---- queries ---- */

static uint64_t last_sequence(const struct rd *state)
{
    struct log_head head;

    return log_head(state, &head) == LOG_OK ? head.next_sequence - 1 : 0;
}

/* For callers that want the answer in one. */
static bool join_pieces(struct core_call *call)
{
    size_t len = call->reply.len + wire_pieces_len(&call->pieces);
    uint8_t *bytes = len <= CORE_MAX_BODY ? arena_alloc(call->arena, len ? len : 1) : NULL;

    if (!bytes)
        return false;
    if (call->reply.len > 0)
        memcpy(bytes, call->reply.data, call->reply.len);
    (void)wire_put_pieces(bytes + call->reply.len, &call->pieces); /* the end is known */
    call->reply = (struct slice) { bytes, len };
    call->pieces = (struct wire_pieces) { 0 };
    return true;
}

void query_answer_stored(const struct query_in *in, struct slice packed)
{
    in->pieces->whole = packed;
}

void query_answer_packed(const struct query_in *in, struct slice response)
{
    in->pieces->fields = response;
}

void core_query(struct core *c, const struct method *m, const struct rd *state,
                struct arena *scratch, int64_t now_ms, struct service *service,
                struct core_call *call)
{
    if (!call->log_sequence)
        call->log_sequence = last_sequence(state);
    if (!core_admit(c, m, now_ms, call))
        return;

    const void *request =
        protobuf_c_message_unpack(m->request, arena_pb(scratch), call->body.len, call->body.data);
    void *response = core_new_message(scratch, m->response);
    if (!request || !response) {
        core_fail(call, arena_failed(scratch) ? ENOMEM : EBADMSG, "unpacking the request");
        return;
    }
    const struct query_in in = {
        .state = state,
        .arena = scratch,
        .caller = call->caller,
        .now_ms = now_ms,
        .locale = call->locale,
        .origin = &call->origin,
        .def = c->def,
        .core = c,
        .service = service,
        .pieces = &call->pieces,
        .may_pass_on = call->may_pass_on,
        .vault = c->vault,
        .key = call->key,
    };
    int r = m->query(&in, request, response, &call->status);
    if (call->key)
        seal_key_wipe(call->key);
    call->passed_on = r == QUERY_PASS_ON && call->may_pass_on;
    if (call->passed_on)
        return;
    if (r < 0)
        core_fail_reading(c, call, -r, "the query");
    else if (call->status.code != CODE_OK)
        status_finish(&call->status);
    else if (!core_pack_reply(call, response))
        call->failure = "the response is too large";
    else if (!call->takes_pieces && wire_pieces_len(&call->pieces) > 0 && !join_pieces(call))
        core_fail(call, ENOMEM, "joining the answer");
}

/* ---- preparing ---- */

void core_prepare(struct core *c, const struct method *m, int64_t now_ms, struct peers *peers,
                  struct core_call *call)
{
    if (!core_admit(c, m, now_ms, call))
        return;
    const void *request = protobuf_c_message_unpack(m->request, arena_pb(call->arena),
                                                    call->body.len, call->body.data);
    if (!request) {
        core_fail(call, arena_failed(call->arena) ? ENOMEM : EBADMSG, "unpacking the request");
        return;
    }
    const struct prepare_in in = {
        .arena = call->arena,
        .caller = call->caller,
        .now_ms = now_ms,
        .deadline_ms = call->deadline_ms,
        .locale = call->locale,
        .origin = &call->origin,
        .vault = c->vault,
        .key = call->key,
        .peers = peers,
    };
    int r = m->prepare(&in, request, &call->prepared, &call->status);
    if (call->key)
        seal_key_wipe(call->key);
    if (r < 0)
        core_fail(call, -r, "the preparation");
    else if (call->status.code != CODE_OK)
        status_finish(&call->status);
    call->is_prepared = call->status.code == CODE_OK;
}
