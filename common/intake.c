/* intake.c - a call's way in and its answer's way out.
 *
 * A turn reads what waits at a door and does with each call what can be done at once: a query is answered on the turn's
 * one snapshot, a command is copied into the turn's parcel, a long query goes to the pool (or one that turns out to take time), a call
 * that cannot be served is refused with a sentence. At the end of the turn each peer gets one message with its replies; what grows long
 * leaves earlier.
 *
 * What a stranger sends is bounded here: frames, calls a frame, commands waiting, their bytes. Nobody waits for a
 * commit in this file. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/process.h"
#include "fokus/runtime/v1/runtime.fokus.h"

enum {
    CHECK_BYTES = 64 * 1024, /* a body up to this is checked here: the writer has most to do */
    UNPACK_BYTES = 4 * 1024, /* and up to this unpacked: an enemy's may take fifty times its size */
    SEND_BYTES = 8 * 1024,   /* a letter this long leaves: its peer works on it meanwhile */
    KEEP_BYTES = 64 * 1024,  /* a letter's buffer past this goes back to the system */
};

/* ---- letters ---- */

static void letter_send(struct service *s, struct door *d, struct letter *l)
{
    const struct slice peer = { l->peer, l->peer_len };

    if (l->frame.len == 0)
        return;
    /* A peer that went away, or that does not read its answers, loses them; its deadline tells it. */
    if (bus_send_buf(d->socket, &peer, 1, &l->frame) < 0)
        figures_lost_reply(s->figures);
    if (l->frame.room > KEEP_BYTES)
        buf_free(&l->frame);
    else
        buf_clear(&l->frame);
}

static void door_flush(struct service *s, struct door *d)
{
    for (size_t i = 0; i < d->n_letters; i++)
        letter_send(s, d, &d->letters[i]);
    d->n_letters = 0;
}

void door_close(struct door *d)
{
    for (size_t i = 0; i < d->room; i++)
        buf_free(&d->letters[i].frame);
    free(d->letters);
    bus_close(d->socket);
}

/* Doubles the room; the new letters are empty. */
static bool door_grow(struct door *d)
{
    size_t room = d->room ? d->room * 2 : 4;
    struct letter *letters = realloc(d->letters, room * sizeof(*letters));

    if (!letters)
        return false;
    d->letters = letters;
    for (; d->room < room; d->room++)
        letters[d->room] = (struct letter) { .frame = BUF_INIT(BUS_MAX_FRAME) };
    return true;
}

/* The peer's letter of this turn; NULL without memory. */
static struct letter *door_letter(struct door *d, struct slice peer)
{
    for (size_t i = d->n_letters; i > 0; i--) {
        struct letter *l = &d->letters[i - 1];
        if (l->peer_len == peer.len && memcmp(l->peer, peer.data, peer.len) == 0)
            return l;
    }
    if (d->n_letters == d->room && !door_grow(d))
        return NULL;
    struct letter *l = &d->letters[d->n_letters++];
    memcpy(l->peer, peer.data, peer.len);
    l->peer_len = (uint8_t)peer.len;
    return l;
}

/* ---- answers ---- */

/* Whom an answer is for and what is known of the call. */
struct asker {
    struct door *door;
    struct slice peer;
    uint64_t call_id;
    const struct method *method; /* NULL: none of ours */
    const char *trace;           /* or NULL */
    int64_t received_us;
    struct caller caller; /* once found */
    struct origin origin;
};

static void put_reply(struct service *s, const struct asker *a, const struct wire_reply *reply)
{
    if (!a->door->socket)
        return; /* nobody waits for the answer to a chore */
    struct letter *l = door_letter(a->door, a->peer);

    if (!l) {
        figures_lost_reply(s->figures);
        return;
    }
    wire_put_reply(&l->frame, reply);
    if (l->frame.failed) {
        figures_lost_reply(s->figures);
        l->frame.failed = false;
    }
    if (l->frame.len >= SEND_BYTES)
        letter_send(s, a->door, l);
}

static void count_answer(struct service *s, const struct asker *a, enum code code)
{
    /* One look at the clock a call: the end of this one is the next one's receipt. */
    s->now_us = clock_us();
    int64_t took_us = s->now_us - a->received_us;
    uint64_t us = took_us > 0 ? (uint64_t)took_us : 0;

    figures_answered(s->figures, a->method, (int)code, us, s->turn_us / 1000);
    trace_call(&(struct trace_call) {
        .method = a->method ? a->method->full_name : NULL,
        .traceparent = a->trace,
        .call_id = a->call_id,
        .code = (int)code,
        .micros = us,
    });
}

static void refuse(struct service *s, const struct asker *a, enum code code, const char *message)
{
    put_reply(s, a,
              &(struct wire_reply) {
                  .call_id = a->call_id,
                  .status = code,
                  .message = message,
                  .log_sequence = s->last_sequence,
              });
    count_answer(s, a, code);
}

static void answer(struct service *s, const struct asker *a, const struct core_call *call)
{
    const struct status *status = &call->status;

    put_reply(s, a,
              &(struct wire_reply) {
                  .call_id = a->call_id,
                  .status = status->code,
                  .message = status->code == CODE_OK ? NULL : status->message,
                  .violations = status->violations,
                  .n_violations = status->n_violations,
                  .log_sequence = call->log_sequence,
                  .repeated = call->repeated,
                  .session_token =
                      call->session.change && status->code == CODE_OK ? call->session.token : NULL,
                  .session_max_age_s = call->session.max_age_s,
                  .body = status->code == CODE_OK ? call->reply : (struct slice) { 0 },
                  .pieces = status->code == CODE_OK ? call->pieces : (struct wire_pieces) { 0 },
              });
    count_answer(s, a, status->code);
    if (call->failure)
        trace_log(TRACE_ERROR, "a call failed", "rpc", call->method, "err", call->failure, NULL);
}

/* ---- what a call says of itself ---- */

/* Finds out who calls. False: refused; taking an unproven caller for an anonymous one would hide that something is wrong. */
static bool find_caller(struct service *s, struct asker *a, const struct wire_call *w)
{
    if (caller_of_call(s, a->door, a->method, w, &a->caller, &a->origin))
        return true;
    refuse(s, a, CODE_UNAUTHENTICATED,
           "The call's caller is not proven, or no longer. Sign in again.");
    return false;
}

static bool slice_is(struct slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static const char *locale_of(const struct wire_call *w)
{
    bool english =
        slice_is(w->locale, "en") || (w->locale.len > 3 && memcmp(w->locale.data, "en-", 3) == 0);
    return english ? "en" : "sv";
}

static int64_t deadline_of(const struct wire_call *w, int64_t now_ms)
{
    int64_t timeout = w->timeout_ms ? w->timeout_ms : DEFAULT_TIMEOUT_MS;
    return now_ms + (timeout < MAX_TIMEOUT_MS ? timeout : MAX_TIMEOUT_MS);
}

static bool visible_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] > '~')
            return false;
    }
    return true;
}

/* Enough of a slice for trace_parent_valid() to judge it. */
enum { TRACE_ROOM = TRACE_PARENT_CHARS + 9 };
static void copy_trace(struct slice traceparent, char ret[TRACE_ROOM])
{
    size_t len = traceparent.len < TRACE_ROOM - 1 ? traceparent.len : TRACE_ROOM - 1;
    if (len > 0)
        memcpy(ret, traceparent.data, len);
    ret[len] = '\0';
}

/* ---- calls for another thread ---- */

static char *copy_text(struct arena *arena, struct slice text)
{
    return arena_strndup(arena, text.len ? (const char *)text.data : "", text.len);
}

static bool copy_slice(struct arena *arena, struct slice from, struct slice *ret)
{
    *ret = (struct slice) { 0 };
    if (from.len == 0)
        return true;
    *ret = (struct slice) { arena_memdup(arena, from.data, from.len), from.len };
    return ret->data != NULL;
}

/* Copies the call, which may_queue() let pass, with all it needs into the parcel. False without memory. */
static bool parcel_add(struct parcel *p, const struct asker *a, const struct wire_call *w,
                       int64_t now_ms)
{
    size_t used = arena_used(p->arena);
    struct command *c = arena_calloc(p->arena, 1, sizeof(*c));
    char *key = copy_text(p->arena, w->idempotency_key);
    if (!c || !key || !copy_slice(p->arena, a->peer, &c->peer) ||
        !copy_slice(p->arena, w->body, &c->call.body))
        return false;

    if (trace_parent_valid(a->trace))
        (void)snprintf(c->trace, sizeof(c->trace), "%.55s", a->trace); /* always fits */
    else
        trace_parent_next(NULL, c->trace);
    c->call.trace_id = arena_strndup(p->arena, c->trace + 3, 32);
    if (!c->call.trace_id)
        return false;
    c->method = a->method;
    c->door = a->door;
    c->call_id = a->call_id;
    c->received_us = a->received_us;
    c->call.method = a->method->full_name;
    if (!caller_copy(p->arena, &a->caller, &c->call.caller) ||
        !copy_slice(p->arena, a->origin.network, &c->call.origin.network) ||
        !copy_slice(p->arena, a->origin.browser, &c->call.origin.browser) ||
        !copy_slice(p->arena, a->origin.session, &c->call.origin.session))
        return false;
    c->call.locale = locale_of(w);
    c->call.idempotency_key = key;
    c->call.deadline_ms = deadline_of(w, now_ms);
    c->call.arena = p->arena;
    c->call.checked = w->body.len <= CHECK_BYTES;
    if (a->method->command && w->body.len <= UNPACK_BYTES)
        c->call.request = protobuf_c_message_unpack(a->method->request, arena_pb(p->arena),
                                                    w->body.len, c->call.body.data);

    *p->end = c;
    p->end = &c->next;
    p->n++;
    p->bytes += arena_used(p->arena) - used;
    return true;
}

/* Both ways commands travel in portions, small ones first: what is given on early is worked on while the rest follows, here, in
 * the sockets' threads and at the peer. Large ones later: each costs a wake-up. */
static size_t next_portion(size_t portion)
{
    return portion < PARCEL_COMMANDS ? portion * 2 : PARCEL_COMMANDS;
}

static void give_to_writer(struct service *s)
{
    if (!s->parcel)
        return;
    if (s->parcel->n > 0)
        bus_give(s->writer, s->parcel);
    else
        parcel_free(s->parcel);
    s->parcel = NULL;
}

/* Refuses what can be refused before it is copied: what is left to the writer is what only the tables can tell. */
static bool may_queue(struct service *s, const struct asker *a, const struct wire_call *w)
{
    struct core_call refused = {
        .method = a->method->full_name,
        .status = { .arena = s->scratch },
        .log_sequence = s->last_sequence,
    };

    bool good = false;

    if (!core_allowed(a->method, &a->caller, &refused.status))
        status_finish(&refused.status);
    else if (w->idempotency_key.len > CORE_MAX_IDEMPOTENCY_KEY ||
             !visible_ascii(w->idempotency_key))
        status_violation(&refused.status, "idempotency_key",
                         "must be 1 to %d visible ASCII characters", CORE_MAX_IDEMPOTENCY_KEY);
    else if (w->body.len > CORE_MAX_BODY)
        status_refuse(&refused.status, CODE_RESOURCE_EXHAUSTED,
                      "The request is too large: at most %d bytes are taken.", CORE_MAX_BODY);
    else
        good =
            w->body.len > CHECK_BYTES || core_check(s->core, a->method, w->body, &refused.status);
    if (!good) {
        status_finish(&refused.status);
        answer(s, a, &refused);
    }
    arena_reset(s->scratch);
    return good;
}

static void queue_command(struct service *s, const struct asker *a, const struct wire_call *w)
{
    char why[DEGRADED_CHARS];

    if (core_tables_state(s->core, why, sizeof(why)) == CORE_TABLES_TAKEN) {
        refuse(s, a, CODE_UNAVAILABLE,
               "The service is rebuilding its tables from its log. Nothing was changed; try again "
               "in a moment.");
        return;
    }
    if (s->commands_waiting >= MAX_COMMANDS_WAITING ||
        s->bytes_waiting + w->body.len > MAX_BYTES_WAITING) {
        refuse(s, a, CODE_RESOURCE_EXHAUSTED,
               "Too many commands wait already. Nothing was changed; try again in a moment.");
        return;
    }
    if (!s->parcel)
        s->parcel = parcel_new();
    size_t bytes = s->parcel ? s->parcel->bytes : 0;
    if (!s->parcel || !parcel_add(s->parcel, a, w, s->turn_ms)) {
        refuse(s, a, CODE_RESOURCE_EXHAUSTED,
               "The service is short of memory. Nothing was changed; try again in a moment.");
        return;
    }
    s->commands_taken++;
    s->commands_waiting++;
    s->bytes_waiting += s->parcel->bytes - bytes;
    if (s->parcel->n >= s->portion) {
        give_to_writer(s);
        s->portion = next_portion(s->portion);
    }
}

void intake_chore(struct service *s)
{
    struct arena *arena = s->def->chore ? arena_new(CORE_CALL_ARENA) : NULL;
    struct asker a = {
        .door = &s->own,
        .received_us = s->turn_us,
        .caller = { .id = "service", .roles = UINT32_MAX, .operator_socket = true },
    };
    struct wire_call w = { 0 };
    struct chore chore;

    if (!arena)
        return;
    if (s->def->chore(arena, s->turn_ms, &chore)) {
        size_t len = protobuf_c_message_get_packed_size(chore.request);
        uint8_t *bytes = arena_alloc(arena, len);
        a.method = core_method(s->core, chore.method);
        w.body = (struct slice) { bytes, len };
        if (bytes && a.method && protobuf_c_message_pack(chore.request, bytes) == len &&
            may_queue(s, &a, &w))
            queue_command(s, &a, &w);
    }
    arena_free(arena);
    intake_end_turn(s);
}

/* The preparing thread with the fewest, or the one for queries. */
static struct pool_thread *pool_thread_for(struct service *s, const struct method *m)
{
    struct pool_thread *best = &s->pool[m->prepare ? 1 : 0];

    for (size_t i = 2; m->prepare && i < s->n_pool; i++)
        if (s->pool[i].waiting < best->waiting)
            best = &s->pool[i];
    return best;
}

static void queue_job(struct service *s, const struct asker *a, const struct wire_call *w)
{
    struct pool_thread *t = pool_thread_for(s, a->method);
    struct parcel *p = t->waiting < MAX_JOBS_WAITING ? parcel_new() : NULL;

    if (!p || !parcel_add(p, a, w, s->turn_ms)) {
        parcel_free(p);
        refuse(s, a, CODE_RESOURCE_EXHAUSTED,
               "Too many long calls wait already. Try again in a moment.");
        return;
    }
    p->first->passed_on = !a->method->command && !a->method->long_running;
    s->passed_on += p->first->passed_on;
    s->jobs_waiting++;
    t->waiting++;
    bus_give(t->ours, p);
}

/* ---- queries ---- */

/* Begins the turn's snapshot. */
static bool open_snapshot(struct service *s)
{
    struct log_head head;

    if (s->snapshot)
        return true;
    if (rd_begin(core_store(s->core), s->scratch, &s->snapshot) < 0) {
        s->snapshot = NULL;
        return false;
    }
    if (log_head(s->snapshot, &head) == LOG_OK)
        s->snapshot_sequence = head.next_sequence - 1;
    return true;
}

static void answer_query(struct service *s, const struct asker *a, const struct wire_call *w)
{
    int64_t now_ms = s->turn_ms + (a->received_us - s->turn_us) / 1000;
    struct core_call call = {
        .method = a->method->full_name,
        .body = w->body,
        .caller = a->caller,
        .origin = a->origin,
        .locale = locale_of(w),
        .idempotency_key = "",
        .trace_id = "",
        .deadline_ms = deadline_of(w, now_ms),
        .arena = s->scratch,
        .key = s->key,
        /* To a thread that does nothing long. */
        .may_pass_on = s->pool[0].waiting == s->passed_on && s->passed_on < MAX_PASSED_ON,
        .takes_pieces = true, /* the turn's snapshot outlives the answer's packing */
    };

    if (!open_snapshot(s)) {
        refuse(s, a, CODE_UNAVAILABLE, "The service cannot read its store right now. Try again.");
        return;
    }
    /* Here is where commands are decided: what this log does not hold yet does not exist. */
    if (w->min_sequence > s->snapshot_sequence) {
        refuse(s, a, CODE_UNAVAILABLE,
               "The log has not reached the sequence number asked for (min_sequence).");
        return;
    }
    call.log_sequence = s->snapshot_sequence;
    core_query(s->core, a->method, s->snapshot, s->scratch, now_ms, s, &call);
    if (call.passed_on)
        queue_job(s, a, w);
    else
        answer(s, a, &call);
    arena_reset(s->scratch);
}

/* ---- frames ---- */

static void refuse_unknown_method(struct service *s, const struct asker *a,
                                  const struct wire_call *w)
{
    char message[300];
    bool readable = w->method.len > 0 && w->method.len <= 200 && visible_ascii(w->method);

    if (readable)
        (void)snprintf(message, sizeof(message),
                       "%s has no method %.*s; Describe lists those it has.", s->def->name,
                       (int)w->method.len, (const char *)w->method.data);
    else
        (void)snprintf(message, sizeof(message),
                       "The call names no method: it must be a full name such as "
                       "fokus.runtime.v1.RuntimeService/Describe, without a slash before it.");
    refuse(s, a, CODE_UNIMPLEMENTED, message);
}

/* While draining, tools may still ask how it goes. */
static bool is_stopping_for(const struct service *s, const struct method *m)
{
    bool own =
        m >= runtime_contract.methods && m < runtime_contract.methods + runtime_contract.n_methods;
    return s->drain_until_us && !(own && !m->long_running && !m->command);
}

static void take_call(struct service *s, struct door *d, struct slice peer,
                      const struct wire_call *w)
{
    char trace[TRACE_ROOM];

    copy_trace(w->traceparent, trace);
    struct asker a = {
        .door = d,
        .peer = peer,
        .call_id = w->call_id,
        .method = figures_method(s->figures, w->method),
        .trace = trace,
        .received_us = s->now_us,
    };
    if (!a.method)
        refuse_unknown_method(s, &a, w);
    else if (is_stopping_for(s, a.method))
        refuse(s, &a, CODE_UNAVAILABLE, "The service is stopping. Try again in a moment.");
    else if (!find_caller(s, &a, w))
        return;
    else if (!a.method->command && !a.method->long_running)
        answer_query(s, &a, w);
    else if (!may_queue(s, &a, w))
        return;
    else if (a.method->command && !a.method->prepare)
        queue_command(s, &a, w);
    else
        queue_job(s, &a, w);
}

static void refuse_call(struct service *s, struct door *d, struct slice peer,
                        const struct wire_call *w, const char *message)
{
    const struct asker a = {
        .door = d, .peer = peer, .call_id = w->call_id, .received_us = s->now_us
    };

    if (w->has_call_id)
        refuse(s, &a, CODE_INVALID_ARGUMENT, message);
}

static void take_frame(struct service *s, struct door *d, struct slice peer, struct slice frame)
{
    struct wire_call w;
    size_t n, taken = 0;
    int r;

    if (wire_count_calls(frame, &n) < 0) {
        figures_bad_frame(s->figures);
        return;
    }
    if (n > WIRE_MAX_CALLS)
        figures_bad_frame(s->figures);
    /* Of a frame with too many calls only so many are even refused, or refusing would be the attack. */
    while (taken++ < WIRE_MAX_CALLS && (r = wire_next_call(&frame, &w)) != 0) {
        if (r < 0)
            figures_bad_frame(s->figures);
        if (n > WIRE_MAX_CALLS)
            refuse_call(s, d, peer, &w, "At most 1,024 calls travel in one frame. Send several.");
        else if (r < 0)
            refuse_call(s, d, peer, &w, "The call could not be read: it is no fokus.wire.v1.Call.");
        else
            take_call(s, d, peer, &w);
    }
}

void intake_turn(struct service *s, struct door *d)
{
    struct bus_message *m = &s->message;

    for (int i = 0; i < FRAMES_A_TURN; i++) {
        int r = bus_receive(d->socket, m);
        if (r == -EAGAIN)
            return;
        if (r < 0 || m->n_parts != 2 || m->parts[0].len > MAX_PEER_ID)
            figures_bad_frame(s->figures);
        else
            take_frame(s, d, m->parts[0], m->parts[1]);
    }
}

void intake_end_turn(struct service *s)
{
    give_to_writer(s);
    s->portion = FIRST_PORTION;
    if (s->snapshot) {
        rd_end(s->snapshot);
        s->snapshot = NULL;
    }
    door_flush(s, &s->call);
    door_flush(s, &s->admin);
}

/* ---- what comes back ---- */

static void answer_parcel(struct service *s, const struct parcel *p)
{
    for (const struct command *c = p->first; c; c = c->next) {
        const struct asker a = {
            .door = c->door,
            .peer = c->peer,
            .call_id = c->call_id,
            .method = c->method,
            .trace = c->trace,
            .received_us = c->received_us,
        };
        answer(s, &a, &c->call);
    }
}

static void note_degraded(struct service *s, const char *degraded)
{
    if (strcmp(s->degraded, degraded) == 0)
        return;
    if (degraded[0])
        trace_log(TRACE_ERROR, "the store takes no writes", "err", degraded, NULL);
    else
        trace_log(TRACE_INFO, "the store takes writes again", NULL);
    (void)snprintf(s->degraded, sizeof(s->degraded), "%s", degraded);
}

void intake_committed(struct service *s, struct commit *c)
{
    size_t n_unsent = 0, portion = FIRST_PORTION;

    for (const struct parcel *p = c->parcels; p; p = p->next) {
        answer_parcel(s, p);
        n_unsent += p->n;
        if (n_unsent >= portion) {
            /* Whoever has the first replies can send the next calls while the others are written. */
            door_flush(s, &s->call);
            door_flush(s, &s->admin);
            (void)sched_yield(); /* ZeroMQ's thread may wait for this processor; cannot fail */
            n_unsent = 0;
            portion = next_portion(portion);
        }
        s->commands_waiting -= p->n;
        s->bytes_waiting -= p->bytes;
    }
    if (c->made.last_sequence > s->last_sequence)
        s->last_sequence = c->made.last_sequence;
    if (c->made.record > s->last_record)
        s->last_record = c->made.record;
    note_degraded(s, c->degraded);
    figures_committed(s->figures, c->n, c->us);

    door_flush(s, &s->call);
    door_flush(s, &s->admin);
    publish_commit(s, c);
}

/* The writer waits at its socket: an empty parcel wakes it. Without memory for one the next turn tries again. */
void intake_mend(struct service *s)
{
    char why[DEGRADED_CHARS];

    if (core_tables_state(s->core, why, sizeof(why)) != CORE_TABLES_DAMAGED)
        return;
    struct parcel *p = parcel_new();
    if (!p)
        return;
    core_take_damage(s->core);
    p->mend = true;
    bus_give(s->writer, p);
}

void intake_job_done(struct service *s, struct pool_thread *from, struct parcel *p)
{
    s->jobs_waiting--;
    s->passed_on -= p->first->passed_on;
    from->waiting--;
    if (p->first->call.is_prepared) {
        s->commands_waiting++;
        s->bytes_waiting += p->bytes;
        bus_give(s->writer, p);
        return;
    }
    if (!p->first->call.log_sequence)
        p->first->call.log_sequence = s->last_sequence; /* refused before the state was looked at */
    answer_parcel(s, p);
    parcel_free(p);
}
