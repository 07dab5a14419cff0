/* effects.c - the thread that does to the world outside what a service's tables say is due, and has each recorded before the next.
 *
 * It owns nothing of the process but its ends: a socket pair, over which a command goes to the loop, from there to the writer
 * like any other, and back with its answer; and an eventfd, by which the loop tells that something was committed.
 *
 * An effect whose record failed for want of disk or memory is not done again: the record is tried again until it is made. One whose
 * record is refused would be due at once again: after that it waits, longer each time, or a mistake in a service would send
 * the same mail for ever as fast as it can. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/peers.h"
#include "common/process.h"

enum {
    FIRST_PAUSE_MS = 1000,
    LONGEST_PAUSE_MS = 10 * 60 * 1000,
    LONGEST_WAIT_MS = 60 * 1000, /* then it looks again: the wall clock may have been set */
    EFFECT_ARENA = 256 * 1024 * 1024,
};

int effects_open(struct service *s, struct err *err)
{
    struct effects *e = &s->effects;

    e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->wake_fd < 0)
        return err_set(err, errno, "cannot make an eventfd: %m");
    int r = bus_bind(s->bus, BUS_PAIR, "inproc://effects", 0, &e->ours, err);
    return r == 0 ? bus_connect(s->bus, BUS_PAIR, "inproc://effects", &e->theirs, err) : r;
}

void effects_close(struct service *s)
{
    if (!s->def->effect)
        return;
    bus_close(s->effects.theirs);
    bus_close(s->effects.ours);
    if (s->effects.wake_fd > 0)
        (void)close(s->effects.wake_fd); /* holds nothing */
}

static void wake(struct service *s)
{
    const uint64_t one = 1;

    /* Full means that it is awake for long. */
    if (write(s->effects.wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        trace_log(TRACE_ERROR, "the effects' thread cannot be woken", "err", strerror(errno), NULL);
}

void effects_stop(struct service *s)
{
    atomic_store(&s->effects.stop, true);
    wake(s);
}

void effects_turn(struct service *s)
{
    char why[DEGRADED_CHARS];

    for (struct parcel *p; (p = bus_take(s->effects.ours));) {
        if (p->stop) {
            s->effects.running = false;
            parcel_free(p);
            continue;
        }
        struct command *c = p->first;
        c->door = &s->own;
        c->received_us = s->now_us;
        if (core_tables_state(s->core, why, sizeof(why)) == CORE_TABLES_TAKEN) {
            status_refuse(&c->call.status, CODE_UNAVAILABLE, "The tables are being rebuilt.");
            bus_give(s->effects.ours, p);
            continue;
        }
        s->commands_waiting++;
        s->bytes_waiting += p->bytes;
        bus_give(s->writer, p);
    }
}

void effects_committed(struct service *s, struct commit *c)
{
    for (struct parcel **at = &c->parcels; *at;) {
        struct parcel *p = *at;
        if (!p->effect) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        p->next = NULL;
        bus_give(s->effects.ours, p);
    }
    if (c->made.n_events > 0)
        wake(s);
}

/* ---- the thread ---- */

struct worker {
    struct service *s;
    struct effects *e;
    struct arena *arena, *scratch;
    struct seal_key *key;
    struct peers *peers;
    int pause_ms; /* the next one after a failure */
};

static bool stopping(const struct worker *w)
{
    return atomic_load(&w->e->stop);
}

/* Until something is committed, or the time is up. */
static void wait_for_wake(const struct worker *w, int64_t ms)
{
    struct pollfd fd = { .fd = w->e->wake_fd, .events = POLLIN };
    uint64_t n;

    if (poll(&fd, 1, ms > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : (int)ms) > 0)
        (void)!read(w->e->wake_fd, &n, sizeof(n)); /* how often does not matter */
}

/* Whatever is committed meanwhile. */
static void pause_for_failure(struct worker *w)
{
    int64_t until_ms = clock_ms() + w->pause_ms, left_ms;

    w->pause_ms = w->pause_ms < LONGEST_PAUSE_MS / 2 ? 2 * w->pause_ms : LONGEST_PAUSE_MS;
    while (!stopping(w) && (left_ms = until_ms - clock_ms()) > 0)
        wait_for_wake(w, left_ms);
}

static int find_next(struct worker *w, void **ret_job, int64_t *ret_due_ms)
{
    struct core *core = w->s->core;
    struct rd *state;

    arena_reset(w->scratch);
    arena_reset(w->arena);
    int r = rd_begin(core_store(core), w->scratch, &state);
    if (r < 0)
        return r;
    const struct query_in in = {
        .state = state,
        .arena = w->arena,
        .caller = { .id = "service", .roles = UINT32_MAX, .operator_socket = true },
        .now_ms = wall_ms(),
        .locale = "sv",
        .service = w->s,
        .vault = core_vault(core),
        .key = w->key,
    };
    r = w->s->def->effect->next(&in, ret_job, ret_due_ms);
    rd_end(state);
    (void)core_note_damage(core, -r); /* or it was something else */
    if (w->key)
        seal_key_wipe(w->key);
    return r;
}

/* The command in a parcel of its own. NULL without memory, or for what is no command of ours. */
static struct parcel *wrap(const struct worker *w, const struct chore *chore)
{
    const struct method *m = chore->method ? core_method(w->s->core, chore->method) : NULL;
    struct parcel *p = m && m->command && !m->prepare ? parcel_new() : NULL;
    struct command *c = p ? arena_calloc(p->arena, 1, sizeof(*c)) : NULL;
    size_t len = c ? protobuf_c_message_get_packed_size(chore->request) : 0;
    uint8_t *body = c ? arena_alloc(p->arena, len + 1) : NULL;

    if (!body) {
        parcel_free(p);
        return NULL;
    }
    protobuf_c_message_pack(chore->request, body);
    trace_parent_next(NULL, c->trace);
    c->method = m;
    c->call = (struct core_call) {
        .method = m->full_name,
        .body = { body, len },
        .caller = { .id = "service", .roles = UINT32_MAX, .operator_socket = true },
        .locale = "sv",
        .idempotency_key = "",
        .trace_id = arena_strndup(p->arena, c->trace + 3, 32),
        .status = { .arena = p->arena },
        .arena = p->arena,
    };
    p->first = c;
    p->end = &c->next;
    p->n = 1;
    p->bytes = len;
    p->effect = true;
    if (c->call.trace_id)
        return p;
    parcel_free(p);
    return NULL;
}

/* Gives the command and waits for its answer. */
static enum code give(struct worker *w, const struct chore *chore)
{
    struct bus_item item = { .socket = w->e->theirs };
    struct parcel *p = wrap(w, chore);

    if (!p)
        return CODE_RESOURCE_EXHAUSTED;
    bus_give(w->e->theirs, p);
    while (!(p = bus_take(w->e->theirs)))
        if (bus_poll(&item, 1, -1) < 0)
            continue; /* interrupted */
    enum code code = p->first->call.status.code;
    parcel_free(p);
    return code;
}

static bool may_try_again(enum code code)
{
    return code == CODE_UNAVAILABLE || code == CODE_RESOURCE_EXHAUSTED ||
           code == CODE_DEADLINE_EXCEEDED;
}

static void carry_out(struct worker *w, void *job)
{
    const struct effect_in in = {
        .arena = w->arena,
        .now_ms = wall_ms(),
        .home = w->s->home,
        .vault = core_vault(w->s->core),
        .key = w->key,
        .peers = w->peers,
        .stopping = &w->e->stop,
    };
    struct chore record = { 0 };

    w->s->def->effect->carry_out(&in, job, &record);
    if (w->key)
        seal_key_wipe(w->key);
    enum code code = give(w, &record);
    while (may_try_again(code) && !stopping(w)) {
        pause_for_failure(w);
        code = give(w, &record);
    }
    if (code == CODE_OK) {
        w->pause_ms = FIRST_PAUSE_MS;
        return;
    }
    trace_log(TRACE_ERROR, "an effect was not recorded", "rpc", record.method ? record.method : "",
              "code", code_name(code), NULL);
    pause_for_failure(w);
}

static void look_and_act(struct worker *w)
{
    int64_t due_ms = INT64_MAX;
    void *job = NULL;

    int r = find_next(w, &job, &due_ms);
    if (r < 0) {
        trace_log(TRACE_ERROR, "the next effect cannot be found", "err", strerror(-r), NULL);
        pause_for_failure(w);
    } else if (job) {
        carry_out(w, job);
    } else {
        int64_t now_ms = wall_ms();
        wait_for_wake(w, due_ms > now_ms ? due_ms - now_ms : 0);
    }
}

void *effects_run(void *service)
{
    struct service *s = service;
    struct worker w = {
        .s = s,
        .e = &s->effects,
        .arena = arena_new(EFFECT_ARENA),
        .scratch = arena_new(CORE_CALL_ARENA),
        .key = s->def->personal ? seal_key_new() : NULL,
        .peers = peers_new(s->bus, s->home, s->def->name),
        .pause_ms = FIRST_PAUSE_MS,
    };
    bool able = w.arena && w.scratch && w.peers && (w.key || !s->def->personal);

    if (!able)
        trace_log(TRACE_ERROR, "no memory for effects: none is carried out", NULL);
    while (able && !stopping(&w))
        look_and_act(&w);
    peers_free(w.peers);
    seal_key_free(w.key);
    if (w.arena)
        arena_free(w.arena);
    if (w.scratch)
        arena_free(w.scratch);
    struct parcel *last = parcel_new();
    if (last) {
        last->stop = true;
        bus_give(s->effects.theirs, last);
    }
    return NULL;
}
