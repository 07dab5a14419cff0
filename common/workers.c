/* workers.c - the threads beside the loop: the writer, where commits happen, and the pool, for what takes long.
 *
 * The writer takes everything that waits, decides and commits it at once, and gives it back with its replies: whoever
 * came while a commit ran is in the next one, and whoever comes while commands are decided is still in theirs. After a large
 * commit more callers are about to send, so it stays awake for them and gathers a little longer (measured at 64
 * callers: a quarter more commands by gathering, some more by staying awake; nothing lost at one).
 *
 * The writer also rebuilds damaged tables, before it decides what waits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/peers.h"
#include "common/process.h"

enum {
    GATHER_AFTER = 8, /* commands in a usual batch */
    USUAL_FADES = 8,  /* by such a part with each smaller batch */
    GATHER_ROUNDS = 6,
    GATHER_US = 50,
    LOOK_OUT_US = 400, /* mostly enough for the next command after a large commit */
    GATHER_ALL_EVERY =
        8, /* so often it does not stop when as many are there as usual: there may be more */
};

struct parcel *parcel_new(void)
{
    struct parcel *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->arena = arena_new(PARCEL_ARENA);
    if (!p->arena) {
        free(p);
        return NULL;
    }
    p->end = &p->first;
    return p;
}

void parcel_free(struct parcel *p)
{
    if (!p)
        return;
    arena_free(p->arena);
    free(p);
}

void commit_free(struct commit *c)
{
    while (c->parcels) {
        struct parcel *next = c->parcels->next;
        parcel_free(c->parcels);
        c->parcels = next;
    }
    arena_free(c->arena);
    free(c);
}

/* ---- the writer ---- */

struct writer {
    struct service *s;
    struct id_source ids;
    struct commit *commit; /* in hand */
    size_t usual_batch;    /* the largest lately */
    unsigned n_gathered;
    int looks_left;
    bool stop, mend;
    struct core_call *calls[COMMIT_COMMANDS + PARCEL_COMMANDS];
};

static void take_parcel(struct writer *w, struct commit *c, struct parcel *p)
{
    if (p->stop) {
        w->stop = true;
        parcel_free(p);
        return;
    }
    w->mend = w->mend || p->mend;
    for (struct command *command = p->first; command; command = command->next)
        w->calls[c->n++] = &command->call;
    /* Replies leave in the order of receipt. */
    struct parcel **end = &c->parcels;
    while (*end)
        end = &(*end)->next;
    *end = p;
}

/* Takes what waits; returns whether there was anything. */
static bool take_waiting(struct writer *w, struct commit *c)
{
    struct parcel *p;
    bool any = false;

    while (!w->stop && c->n < COMMIT_COMMANDS && (p = bus_take(w->s->writer_end))) {
        take_parcel(w, c, p);
        any = true;
    }
    return any;
}

/* Waits until something is given. After a large batch its callers are about to send again, and each thread on the way to them and
 * back takes longer to wake than to do its work: so the last one on this way stays awake for as long as that usually takes. */
static int await(const struct writer *w)
{
    struct bus_item item = { .socket = w->s->writer_end };
    int r = w->usual_batch < GATHER_AFTER ? 0 : bus_look_out(&item, 1, LOOK_OUT_US);

    return r ? r : bus_poll(&item, 1, -1);
}

/* The core has decided on all that were there. */
static size_t gather_more(void *writer, size_t n)
{
    struct writer *w = writer;
    struct commit *c = w->commit;

    if (w->usual_batch < GATHER_AFTER || take_waiting(w, c))
        return c->n;
    /* As many callers as lately are usually all there are: nobody else is waited for. */
    size_t enough = w->n_gathered % GATHER_ALL_EVERY ? w->usual_batch : COMMIT_COMMANDS;
    if (n < enough && n < COMMIT_COMMANDS && !w->stop && w->looks_left-- > 0) {
        struct bus_item item = { .socket = w->s->writer_end };
        if (bus_look_out(&item, 1, GATHER_US) > 0)
            (void)take_waiting(w, c); /* nothing: the gathering ends */
    }
    return c->n;
}

static void commit_batch(struct writer *w, struct commit *c)
{
    struct err err = { "" };
    int64_t begun_us = clock_us();

    w->commit = c;
    w->n_gathered++;
    w->looks_left = GATHER_ROUNDS;
    int r = core_commands(w->s->core, w->calls, c->n, wall_ms(), &w->ids, c->arena, &c->made, &err);
    if (r < 0)
        trace_log(TRACE_ERROR, "a batch of commands failed", "err", err.text, NULL);
    c->us = (uint64_t)(clock_us() - begun_us);
    size_t faded = w->usual_batch - w->usual_batch / USUAL_FADES;
    w->usual_batch = c->n > faded ? c->n : faded;
    const char *degraded = core_degraded(w->s->core);
    (void)snprintf(c->degraded, sizeof(c->degraded), "%s", degraded ? degraded : "");
}

enum { SHOW_REBUILD_MS = 1000 };

static void show_rebuild(void *shown_ms, uint64_t done, uint64_t total)
{
    int64_t now_ms = clock_ms(), *last_ms = shown_ms;
    char percent[16];

    if (now_ms - *last_ms < SHOW_REBUILD_MS)
        return;
    *last_ms = now_ms;
    (void)snprintf(percent, sizeof(percent), "%u",
                   total ? (unsigned)(100.0 * (double)done / (double)total) : 0); /* fits */
    trace_log(TRACE_INFO, "rebuilding the tables", "percent", percent, NULL);
}

static void mend(struct writer *w)
{
    int64_t begun_ms = clock_ms(), shown_ms = begun_ms;
    struct err err = { "" };
    char ms[24];

    w->mend = false;
    trace_log(TRACE_ERROR, "the tables are damaged, rebuilding them from the log", NULL);
    int r = core_rebuild(w->s->core, show_rebuild, &shown_ms, &err);
    (void)snprintf(ms, sizeof(ms), "%lld", (long long)(clock_ms() - begun_ms)); /* fits */
    if (r < 0)
        trace_log(TRACE_ERROR, "the tables cannot be rebuilt", "err", err.text, "ms", ms, NULL);
    else
        trace_log(TRACE_WARNING, "the tables are rebuilt", "ms", ms, NULL);
}

static struct commit *commit_new(void)
{
    struct commit *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->arena = arena_new(2 * (size_t)CORE_MAX_RECORD + CORE_CALL_ARENA);
    if (!c->arena) {
        free(c);
        return NULL;
    }
    return c;
}

void *writer_run(void *service)
{
    struct writer w = { .s = service };

    core_feed(w.s->core, gather_more, &w);
    while (!w.stop) {
        if (await(&w) < 0)
            continue; /* interrupted */
        struct commit *c = commit_new();
        if (!c) {
            /* What waits goes on waiting: memory may come back. */
            (void)nanosleep(&(struct timespec) { .tv_nsec = 10 * 1000 * 1000 }, NULL);
            continue;
        }
        (void)take_waiting(&w, c); /* c->n tells */
        if (w.mend)
            mend(&w);
        if (c->n == 0) {
            commit_free(c);
            continue;
        }
        commit_batch(&w, c);
        bus_give(w.s->writer_end, c);
        if (w.mend)
            mend(&w); /* asked for while the batch ran */
    }
    core_feed(w.s->core, NULL, NULL);
    return NULL;
}

/* ---- the pool ---- */

static void run_job(struct service *s, struct command *job, struct arena *scratch,
                    struct seal_key *key, struct peers *peers)
{
    struct rd *state;

    job->call.key = key;
    if (job->method->prepare) {
        core_prepare(s->core, job->method, wall_ms(), peers, &job->call);
        return;
    }
    int r = rd_begin(core_store(s->core), scratch, &state);
    if (r < 0) {
        job->call.status = (struct status) { .arena = job->call.arena };
        status_refuse(&job->call.status, CODE_UNAVAILABLE,
                      "The service cannot read its store right now. Try again.");
        return;
    }
    core_query(s->core, job->method, state, scratch, wall_ms(), s, &job->call);
    rd_end(state);
}

void *pool_run(void *pool_thread)
{
    struct pool_thread *t = pool_thread;
    struct service *s = t->s;
    struct arena *scratch = arena_new(CORE_CALL_ARENA);
    struct seal_key *key = s->def->personal ? seal_key_new() : NULL;
    struct peers *peers = peers_new(s->bus, s->home, s->def->name);

    for (bool stop = !scratch || !peers || (s->def->personal && !key); !stop;) {
        struct bus_item item = { .socket = t->theirs };
        if (bus_poll(&item, 1, -1) < 0)
            continue; /* interrupted */
        for (struct parcel *p; !stop && (p = bus_take(t->theirs));) {
            stop = p->stop;
            if (stop) {
                parcel_free(p);
                break;
            }
            run_job(s, p->first, scratch, key, peers);
            arena_reset(scratch);
            bus_give(t->theirs, p);
        }
    }
    peers_free(peers);
    seal_key_free(key);
    if (scratch)
        arena_free(scratch);
    return NULL;
}
