/* core_commands.c - one batch of commands: decided, appended, applied and committed together, then answered.
 *
 * A batch is one write transaction and one record. Each command sees what those before it did. What a command brings
 * goes into the record only when its decision was a success and its response and events fit; refusals leave no trace,
 * and a batch without events and stored replies writes nothing.
 *
 * What can go wrong after that has five ways out, and every one answers every call:
 *   the map was full          nothing was written; it has grown, the run is redone
 *   an event does not apply   nothing was written; the commands up to the culprit are redone one at a time
 *   the store refuses         nothing was written; the run's calls are `unavailable`
 *   a table is damaged        likewise, and the tables are rebuilt (core_rebuild.c)
 *   the commit's end is open  the store is reopened and the log's end tells which of the two it was
 * A run that has come to the end of its batch asks for what arrived meanwhile and goes on with it, so that a commit serves all who
 * are there and their commands are decided while the next ones are still read from the sockets.
 * A run too large for one record ends early, and the rest of the batch is a run of its own. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core_internal.h"

enum {
    RECORD_FULL = CORE_MAX_RECORD /
                  2,  /* past it the run ends, so that one more command always has room to try */
    MAP_GROWTHS = 40, /* of one run: doubling so often outgrows any disk */
};

static const size_t TO_THE_END = SIZE_MAX; /* of the batch, which may grow */

enum run_end {
    RUN_DONE,   /* every call is answered */
    RUN_REDO,   /* the map has grown */
    RUN_FAILED, /* the call at *ret_next could not be applied */
};

/* ---- one command ---- */

/* What a command added to the record, to be taken back when it does not fit. */
struct mark {
    size_t record, replies, n_events;
    uint64_t next_sequence;
    struct core_vault_mark vault;
};

static struct mark mark_here(const struct batch *b)
{
    return (struct mark) { b->c->record.len, b->c->replies.len, b->ret->n_events, b->next_sequence,
                           core_vault_mark(b->c) };
}

static void back_to(struct batch *b, const struct mark *m)
{
    b->c->record.len = m->record;
    b->c->replies.len = m->replies;
    b->ret->n_events = m->n_events;
    b->next_sequence = m->next_sequence;
    core_vault_back_to(b->c, &m->vault);
}

static void forget_answer(struct core_call *call)
{
    call->status = (struct status) { .arena = call->arena };
    call->reply = (struct slice) { 0 };
    call->session = (struct session_change) { 0 };
    call->repeated = false;
    call->failure = NULL;
}

/* Security: a session's token is written nowhere, so that a reply with one cannot be stored under an idempotency key. */
static bool keep_session_change(struct core_call *call, const struct method *m,
                                const struct outcome *out)
{
    if (!out->session.change)
        return true;
    if (!m->origin) {
        core_fail(call, EPROTO, "a session change by a method without the option origin");
        return false;
    }
    if (call->idempotency_key[0]) {
        status_violation(&call->status, "idempotency_key",
                         "must be left out: what changes a session is not stored to be repeated");
        status_finish(&call->status);
        return false;
    }
    call->session = out->session;
    call->session.token = arena_strdup(call->arena, out->session.token);
    if (!call->session.token)
        core_fail(call, ENOMEM, "keeping the session's token");
    return call->session.token != NULL;
}

/* Runs the handler. True: a success, whose response is packed. False: answered, or to be asked later. */
static bool decide(struct batch *b, const struct method *m, struct core_call *call,
                   struct outcome *out, bool *ret_later)
{
    struct arena *work = b->c->work;
    const void *request = call->request;
    void *response = core_new_message(work, m->response);

    call->request = NULL; /* a decision may have worked on it: a run redone begins with the bytes */
    if (!request)
        request =
            protobuf_c_message_unpack(m->request, arena_pb(work), call->body.len, call->body.data);

    if (!request || !response) {
        core_fail(call, arena_failed(work) ? ENOMEM : EBADMSG, "unpacking the request");
        return false;
    }
    const struct decide_in in = {
        .state = wr_rd(b->wr),
        .arena = work,
        .caller = call->caller,
        .now_ms = b->now_ms,
        .ids = b->ids,
        .locale = call->locale,
        .origin = &call->origin,
        .vault = b->c->vault,
        .key = b->c->key,
        .uncommitted = b->next_sequence != b->head.next_sequence,
        .prepared = call->prepared,
        .core = b->c,
        .def = b->c->def,
    };
    int r = m->decide(&in, request, response, out);
    if (b->c->key)
        seal_key_wipe(b->c->key);
    if (r == -EAGAIN && in.uncommitted) {
        *ret_later = true;
        return false;
    }
    if (r == -E2BIG) {
        status_refuse(&call->status, CODE_RESOURCE_EXHAUSTED,
                      "The command changes too much at once: at most %d changes. Split it.",
                      OUTCOME_MAX_EVENTS);
        return false;
    }
    if (r < 0) {
        core_fail_reading(b->c, call, -r, "the decision");
        return false;
    }
    if (out->status.code != CODE_OK) {
        status_finish(&out->status);
        call->status = out->status;
        return false;
    }
    return keep_session_change(call, m, out) && core_pack_reply(call, response);
}

/* Answers one call. Negative: its events could not be applied, the transaction is lost. *ret_later: it is not answered, and to
 * be decided once those before it are committed. */
static int step(struct batch *b, const struct method *m, struct core_call *call, bool *ret_later)
{
    struct core *c = b->c;
    const struct mark before = mark_here(b);
    bool keyed = call->idempotency_key[0] != '\0';
    struct reply_place place = { 0 };

    forget_answer(call);
    arena_reset(c->work);
    rd_set_arena(wr_rd(b->wr), c->work);
    call->log_sequence = b->next_sequence - 1;
    if (keyed) {
        int r = reply_recall(b, call);
        if (r < 0)
            core_fail_reading(c, call, -r, "reading the stored reply");
        if (call->status.code != CODE_OK)
            status_finish(&call->status);
        if (r != 0)
            return 0;
    }

    struct outcome out = { .status = { .arena = call->arena } };
    if (!decide(b, m, call, &out, ret_later)) {
        back_to(b, &before);
        return 0;
    }
    /* What no event tells of is not there. */
    if (out.n_events == 0)
        core_vault_back_to(c, &before.vault);
    int r = batch_record_events(b, &out, call->caller.id, call->trace_id);
    if (r == 0)
        r = core_vault_keep_leavings(c, &out);
    if (r == 0 && keyed)
        r = reply_record(b, call, &place);
    if (c->record.len + c->replies.len > CORE_MAX_RECORD)
        r = -ENOMEM;
    if (r < 0) {
        back_to(b, &before);
        core_fail(call, -r, "recording the events");
        return 0;
    }
    r = batch_apply_events(b, &out);
    if (r < 0)
        return r;
    call->log_sequence = b->next_sequence - 1;
    if (keyed)
        fold_reply(b->wr, b->now_ms, place.owner, call->idempotency_key, place.packed.data,
                   place.packed.len);
    return wr_status(b->wr);
}

/* ---- one run: one transaction ---- */

static int begin_run(struct batch *b)
{
    struct core *c = b->c;

    arena_reset(c->work);
    int r = wr_begin(c->store, c->work, &b->wr);
    if (r < 0)
        return r;
    enum log_rc rc = log_head(wr_rd(b->wr), &b->head);
    r = rc == LOG_OK ? batch_put_head(b) : -EIO;
    if (r < 0) {
        wr_abort(b->wr);
        return r;
    }
    b->next_sequence = b->head.next_sequence;
    b->first_event = b->ret->n_events;
    fold_expire(b->wr, b->now_ms);
    return 0;
}

static const char cannot_save[] =
    "The service cannot save right now. Nothing was changed; try again.";
static const char cannot_tell[] = "The service cannot save right now, and cannot yet tell whether "
                                  "this was saved. Look before you try again.";

/* Answers the run's calls, whose transaction came to nothing (or to nobody knows what). */
static void answer_unsaved(struct batch *b, size_t from, size_t to, const char *message,
                           const char *why)
{
    b->ret->n_events = b->first_event;
    for (size_t i = from; i < to; i++) {
        if (!b->c->todo[i])
            continue;
        forget_answer(b->calls[i]);
        b->calls[i]->log_sequence = 0;
        b->calls[i]->failure = arena_strdup(b->calls[i]->arena, why);
        status_refuse(&b->calls[i]->status, CODE_UNAVAILABLE, "%s", message);
    }
}

static void set_degraded(struct core *c, const char *what, const char *why)
{
    (void)snprintf(c->degraded, sizeof c->degraded, "%s%s%s", what, why[0] ? ": " : "", why);
}

/* Who occupies the place of the pending record? */
static int pending_is_stored(struct core *c, struct arena *arena, bool *ret)
{
    struct log_head head;
    struct rd *rd;

    int r = rd_begin(c->store, arena, &rd);
    if (r < 0)
        return r;
    enum log_rc rc = log_head(rd, &head);
    rd_end(rd);
    if (rc != LOG_OK)
        return -EIO;
    *ret = head.record == c->pending_record &&
           memcmp(head.hash, c->pending_hash, sizeof head.hash) == 0;
    return 0;
}

/* Opens the store again after a commit of unknown outcome and learns how it ended. Negative: still unknown. */
static int settle(struct core *c, struct arena *arena, bool *ret_stored)
{
    struct err err = { "" };

    int r = store_reopen(c->store, &err);
    if (r == 0)
        r = pending_is_stored(c, arena, ret_stored);
    if (r < 0) {
        set_degraded(c, "the store cannot be reopened", err.text[0] ? err.text : strerror(-r));
        return r;
    }
    c->needs_reopen = false;
    c->pending_record = 0;
    core_vault_after_commit(c, *ret_stored);
    return 0;
}

static void committed(struct batch *b)
{
    b->c->degraded[0] = '\0';
    b->ret->record = b->head.record + 1;
    b->ret->last_sequence = b->next_sequence - 1;
}

static enum run_end end_unknown(struct batch *b, size_t from, size_t to, const struct err *err)
{
    struct core *c = b->c;
    bool stored = false;

    set_degraded(c, "a commit failed", err->text);
    c->needs_reopen = true;
    c->pending_record = b->head.record + 1;
    log_hash(c->record.data, c->record.len, c->pending_hash);
    if (settle(c, c->fold, &stored) < 0)
        answer_unsaved(b, from, to, cannot_tell, c->degraded);
    else if (!stored)
        answer_unsaved(b, from, to, cannot_save, c->degraded);
    else
        committed(b);
    return RUN_DONE;
}

/* Appends the record and commits. */
static enum run_end commit_run(struct batch *b, size_t from, size_t to)
{
    struct core *c = b->c;
    struct err err = { "" };
    bool unknown = false;

    buf_append(&c->record, c->replies.data, c->replies.len);
    if (core_vault_before_commit(c, &err) < 0) {
        wr_abort(b->wr);
        core_vault_after_commit(c, false);
        set_degraded(c, "the vault takes no changes", err.text);
        answer_unsaved(b, from, to, cannot_save, c->degraded);
        return RUN_DONE;
    }
    enum log_rc rc = LOG_BROKEN;
    if (!c->record.failed)
        rc = log_append(b->wr, b->head.record, c->record.data, c->record.len,
                        b->next_sequence - b->head.next_sequence);
    if (rc != LOG_OK && wr_status(b->wr) == 0)
        (void)wr_fail(b->wr, EIO); /* wr_commit() tells it and writes nothing */
    int r = wr_commit(b->wr, &unknown, &err);
    if (r < 0 && unknown)
        return end_unknown(b, from, to, &err);
    core_vault_after_commit(c, r == 0);
    if (r == -EAGAIN) {
        b->ret->n_events = b->first_event;
        return RUN_REDO;
    }
    if (r < 0 && core_note_damage(c, -r)) {
        answer_unsaved(b, from, to, core_damaged_message, err.text);
        return RUN_DONE;
    }
    if (r < 0) {
        set_degraded(c, "the store refused a write", err.text[0] ? err.text : strerror(-r));
        answer_unsaved(b, from, to, cannot_save, c->degraded);
        return RUN_DONE;
    }
    committed(b);
    return RUN_DONE;
}

/* Leaves the transaction after an event that did not apply: a full map grows and the run is redone. */
static enum run_end leave_failed(struct batch *b)
{
    bool unknown = false;

    b->ret->n_events = b->first_event;
    core_vault_after_commit(b->c, false);
    if (wr_status(b->wr) == 0) {
        wr_abort(b->wr);
        return RUN_FAILED;
    }
    return wr_commit(b->wr, &unknown, NULL) == -EAGAIN ? RUN_REDO : RUN_FAILED;
}

/* Finds the methods of the calls from `from` on and refuses at the door what can be. -ENOMEM: none of them was looked at. */
static int admit_from(struct batch *b, size_t from)
{
    struct core *c = b->c;

    if (b->n > c->todo_room) {
        const struct method **grown = realloc(c->todo, b->n * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        c->todo = grown;
        c->todo_room = b->n;
    }
    for (size_t i = from; i < b->n; i++) {
        struct core_call *call = b->calls[i];
        const struct method *m = core_method(c, call->method);
        c->todo[i] = NULL;
        if (m && m->command) {
            call->log_sequence = 0;
            if (!core_admit(c, m, b->now_ms, call))
                continue;
            if (m->prepare && !call->is_prepared)
                core_fail(call, EPROTO, "a long command that was not prepared");
            else
                c->todo[i] = m;
            continue;
        }
        forget_answer(call);
        status_refuse(&call->status, CODE_UNIMPLEMENTED, "There is no such command.");
    }
    return 0;
}

/* Lets the batch grow by what arrived meanwhile. False: nothing did. */
static bool take_more(struct batch *b)
{
    struct core *c = b->c;
    size_t before = b->n;

    if (c->feeder)
        b->n = c->feeder(c->feeder_arg, before);
    if (b->n == before || admit_from(b, before) == 0)
        return b->n > before;
    for (size_t i = before; i < b->n; i++)
        core_fail(b->calls[i], ENOMEM, "a batch's growth");
    b->n = before;
    return false;
}

/* Runs the calls from `from` on, up to `to` or until the record is full; *ret_next is the first not run, or the culprit. */
static enum run_end run(struct batch *b, size_t from, size_t to, size_t *ret_next, int *ret_why)
{
    struct core *c = b->c;
    bool open = to == TO_THE_END, later = false;

    int r = begin_run(b);
    if (r < 0) {
        b->first_event = b->ret->n_events;
        set_degraded(c, "no transaction can begin", strerror(-r));
        *ret_next = open ? b->n : to;
        answer_unsaved(b, from, *ret_next, cannot_save, c->degraded);
        return RUN_DONE;
    }
    size_t i = from;
    for (; c->record.len + c->replies.len < RECORD_FULL; i++) {
        if (i == (open ? b->n : to) && !(open && take_more(b)))
            break;
        if (!c->todo[i])
            continue;
        r = step(b, c->todo[i], b->calls[i], &later);
        if (later)
            break;
        if (r < 0) {
            *ret_next = i;
            *ret_why = -r;
            return leave_failed(b);
        }
    }
    *ret_next = i;
    if (b->next_sequence == b->head.next_sequence && c->replies.len == 0) {
        wr_abort(b->wr); /* nothing happened: no record */
        return RUN_DONE;
    }
    return commit_run(b, from, i);
}

/* A run, redone while the map grows. */
static enum run_end run_growing(struct batch *b, size_t from, size_t to, size_t *ret_next,
                                int *ret_why)
{
    for (int i = 0; i < MAP_GROWTHS; i++) {
        enum run_end end = run(b, from, to, ret_next, ret_why);
        if (end != RUN_REDO)
            return end;
    }
    set_degraded(b->c, "the store's map does not grow", "");
    *ret_next = to == TO_THE_END ? b->n : to;
    answer_unsaved(b, from, *ret_next, cannot_save, b->c->degraded);
    return RUN_DONE;
}

static void run_singly(struct batch *b, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        size_t next;
        int why = EIO;
        if (!b->c->todo[i])
            continue;
        if (run_growing(b, i, i + 1, &next, &why) == RUN_FAILED)
            core_fail_reading(b->c, b->calls[i], why, "applying the events");
    }
}

/* ---- the batch ---- */

/* The events of a commit that turned out well only now are still to be published. */
static int deliver_late(struct batch *b, uint64_t number)
{
    struct core *c = b->c;
    struct slice bytes;
    struct rd *rd;

    int r = rd_begin(c->store, b->arena, &rd);
    if (r < 0)
        return r;
    Fokus__Event__V1__Record *record = NULL;
    if (log_read(rd, number, &bytes) == LOG_OK)
        record = fokus__event__v1__record__unpack(arena_pb(b->arena), bytes.len, bytes.data);
    rd_end(rd);
    if (!record)
        return -EIO;
    for (size_t i = 0; r == 0 && i < record->n_events; i++)
        r = batch_keep_event(b, record->events[i]);
    b->ret->record = number;
    b->ret->last_sequence = record->first_sequence + record->n_events - 1;
    return r;
}

/* Tries to take writes again. Negative: not yet. */
static int recover(struct batch *b)
{
    struct core *c = b->c;
    uint64_t number = c->pending_record;
    bool stored = false;

    int r = settle(c, c->fold, &stored);
    if (r == 0 && stored)
        r = deliver_late(b, number);
    return r;
}

static void run_all(struct batch *b)
{
    size_t from = 0;

    while (from < b->n) {
        size_t next;
        int why = EIO;
        if (run_growing(b, from, TO_THE_END, &next, &why) == RUN_FAILED) {
            next++;
            run_singly(b, from, next);
        }
        from = next;
        if (b->c->needs_reopen)
            break;
    }
    b->first_event = b->ret->n_events;
    answer_unsaved(b, from, b->n, cannot_save, b->c->degraded);
}

int core_commands(struct core *c, struct core_call *const *calls, size_t n, int64_t now_ms,
                  struct id_source *ids, struct arena *batch_arena, struct core_commit *ret,
                  struct err *err)
{
    struct batch b = {
        .c = c,
        .calls = calls,
        .n = n,
        .now_ms = now_ms,
        .ids = ids,
        .arena = batch_arena,
        .ret = ret,
    };

    *ret = (struct core_commit) { 0 };
    int r = admit_from(&b, 0);
    if (r < 0)
        return err_set(err, -r, "no memory for a batch of %zu commands", n);
    if (!c->needs_reopen)
        reply_keys_expire(c, now_ms);
    if ((c->needs_reopen && recover(&b) < 0) || c->vault_broken[0]) {
        b.first_event = ret->n_events;
        answer_unsaved(&b, 0, n, cannot_save, core_degraded(c));
        return 0;
    }
    run_all(&b);
    return 0;
}

void core_feed(struct core *c, core_feeder *feeder, void *arg)
{
    c->feeder = feeder;
    c->feeder_arg = arg;
}

const char *core_degraded(const struct core *c)
{
    if (c->vault_broken[0])
        return c->vault_broken;
    return c->degraded[0] ? c->degraded : NULL;
}

/* ---- an event without a command ---- */

static int event_case(const struct contract *contract, const ProtobufCMessage *event)
{
    int kind;

    memcpy(&kind, (const char *)event + contract->event_case_offset, sizeof kind);
    return kind;
}

/* One record of these events, or of none. -EAGAIN: the map has grown, once more. */
static int append_once(struct core *c, const struct outcome *out, int64_t now_ms,
                       struct id_source *ids, struct arena *batch_arena, struct err *err)
{
    struct core_commit commit = { 0 };
    struct batch b = { .c = c, .now_ms = now_ms, .ids = ids, .arena = batch_arena, .ret = &commit };
    bool unknown = false;

    int r = begin_run(&b);
    if (r < 0)
        return err_set(err, -r, "cannot begin: %s", strerror(-r));
    r = batch_record_events(&b, out, "", "");
    if (r == 0)
        r = batch_apply_events(&b, out);
    if (r < 0)
        (void)err_set(err, -r, "the event cannot be recorded or applied: %s", strerror(-r));
    else
        r = core_vault_before_commit(c, err);
    if (r < 0 && wr_status(b.wr) == 0) {
        wr_abort(b.wr);
        return r;
    }
    if (r == 0 &&
        log_append(b.wr, b.head.record, c->record.data, c->record.len, out->n_events) != LOG_OK)
        (void)wr_fail(b.wr, EIO); /* told by the commit */
    return wr_commit(b.wr, &unknown, err);
}

static int append_growing(struct core *c, const struct outcome *out, int64_t now_ms,
                          struct id_source *ids, struct arena *batch_arena, struct err *err)
{
    int r = -EAGAIN;

    for (int i = 0; r == -EAGAIN && i < MAP_GROWTHS; i++)
        r = append_once(c, out, now_ms, ids, batch_arena, err);
    return r;
}

int core_append(struct core *c, const ProtobufCMessage *event, const char *subject, int64_t now_ms,
                struct id_source *ids, struct arena *batch_arena, struct err *err)
{
    struct outcome out = { .status = { .arena = batch_arena } };

    int r = outcome_emit(&out, event_case(c->def->contract, event), subject, event);
    if (r < 0)
        return err_set(err, -r, "cannot begin: %s", strerror(-r));
    return append_growing(c, &out, now_ms, ids, batch_arena, err);
}

int core_append_nothing(struct core *c, int64_t now_ms, struct err *err)
{
    const struct outcome none = { 0 };

    return append_growing(c, &none, now_ms, NULL, c->fold, err);
}
