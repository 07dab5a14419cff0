/* core_chain.c - walks the chain of the log's records.
 *
 * A record's hash is one of its own bytes alone, and the next record holds it. So a long log is checked from its start and from its
 * middle at the same time, by two threads; the first ends where the second began, and both must have the same there. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "common/core_internal.h"

enum { ALONE_RECORDS = 32 }; /* so few are not worth a thread */

/* ---- record by record ---- */

static int read_record(const struct rd *rd, uint64_t number, struct arena *arena,
                       Fokus__Event__V1__Record **ret, struct slice *ret_bytes, struct err *err)
{
    enum log_rc rc = log_read(rd, number, ret_bytes);

    if (rc == LOG_BROKEN)
        return err_set(err, EIO, "record %" PRIu64 " cannot be read", number);
    if (rc != LOG_OK)
        return err_set(err, EBADMSG, "record %" PRIu64 " is missing (%s)", number, log_rc_name(rc));
    *ret = fokus__event__v1__record__unpack(arena_pb(arena), ret_bytes->len, ret_bytes->data);
    if (*ret)
        return 0;
    if (arena_failed(arena))
        return err_set(err, ENOMEM, "no memory to read record %" PRIu64, number);
    return err_set(err, EBADMSG, "record %" PRIu64 " holds no record", number);
}

int chain_prime(const struct rd *rd, const struct log_head *end, uint64_t from, struct arena *arena,
                struct log_head *ret, struct err *err)
{
    struct log_head head = { .next_sequence = 1 };
    Fokus__Event__V1__Record *before;
    struct slice bytes;

    memcpy(head.log_id, end->log_id, sizeof head.log_id);
    if (from > 1) {
        int r = read_record(rd, from - 1, arena, &before, &bytes, err);
        if (r < 0)
            return r;
        head.record = from - 1;
        head.next_sequence = before->first_sequence + before->n_events;
        log_hash(bytes.data, bytes.len, head.hash);
    }
    *ret = head;
    return 0;
}

int chain_next(const struct rd *rd, struct log_head *head, struct arena *arena,
               Fokus__Event__V1__Record **ret, struct slice *ret_bytes, struct err *err)
{
    int r = read_record(rd, head->record + 1, arena, ret, ret_bytes, err);

    if (r < 0)
        return r;
    struct err why = { "" };
    enum log_rc rc = log_check(head, *ret, ret_bytes->data, ret_bytes->len, &why);
    if (rc != LOG_OK)
        return err_set(err, EBADMSG, "record %" PRIu64 " does not fit the chain: %s",
                       head->record + 1, why.text[0] ? why.text : log_rc_name(rc));
    return 0;
}

int chain_end(const struct rd *rd, const struct log_head *walked, const struct log_head *end,
              struct err *err)
{
    struct slice beyond;

    if (memcmp(walked->hash, end->hash, sizeof end->hash) != 0)
        return err_set(err, EBADMSG,
                       "record %" PRIu64 " is not the one that was stored: its hash is another",
                       end->record);
    if (walked->next_sequence != end->next_sequence)
        return err_set(err, EBADMSG,
                       "after record %" PRIu64 " the next event is %" PRIu64
                       ", but the log's head says %" PRIu64,
                       end->record, walked->next_sequence, end->next_sequence);
    if (log_read(rd, end->record + 1, &beyond) == LOG_OK)
        return err_set(err, EBADMSG, "record %" PRIu64 " lies beyond the log's head",
                       end->record + 1);
    return 0;
}

/* ---- all of them ---- */

/* One thread's way: the records after head.record up to `last`. */
struct walk {
    struct store *store;
    const struct log_head *end;
    uint64_t last;
    struct log_head first, head; /* where it began; where it is */
    struct progress *progress;   /* NULL: the other walk shows it */
    struct arena *arena;
    int r;
    struct err err;
};

static void walk(struct walk *w, const struct rd *rd, uint64_t from)
{
    w->r = chain_prime(rd, w->end, from, w->arena, &w->head, &w->err);
    w->first = w->head;
    while (w->r == 0 && w->head.record < w->last) {
        Fokus__Event__V1__Record *record;
        struct slice bytes;
        arena_reset(w->arena);
        w->r = chain_next(rd, &w->head, w->arena, &record, &bytes, &w->err);
        if (w->progress)
            progress_show(w->progress, w->head.record - from + 1, w->last - from + 1);
    }
}

/* The second half, on a snapshot of its own thread's. */
static void *walk_beside(void *arg)
{
    struct walk *w = arg;
    struct rd *rd;

    w->r = rd_begin(w->store, w->arena, &rd);
    if (w->r < 0) {
        (void)err_set(&w->err, -w->r, "cannot read the store: %s", strerror(-w->r)); /* as w->r */
        return NULL;
    }
    walk(w, rd, w->first.record + 1);
    rd_end(rd);
    return NULL;
}

static bool meet(const struct walk *a, const struct walk *b)
{
    return a->head.record == b->first.record && a->head.next_sequence == b->first.next_sequence &&
           memcmp(a->head.hash, b->first.hash, sizeof a->head.hash) == 0;
}

/* What the two walks came to. The earlier fault is the one to tell. */
static int join_walks(const struct walk *a, const struct walk *b, struct err *err)
{
    if (a->r < 0)
        return err_set(err, -a->r, "%s", a->err.text);
    if (b->r < 0)
        return err_set(err, -b->r, "%s", b->err.text);
    return meet(a, b) ? 0
                      : err_set(err, EBADMSG, "record %" PRIu64 " does not fit the chain",
                                b->first.record + 1);
}

static int check_in_two(struct walk *a, struct walk *b, const struct rd *rd, uint64_t from,
                        struct err *err)
{
    pthread_t thread;

    a->last = from + (b->last - from) / 2;
    b->first.record = a->last;
    int problem = pthread_create(&thread, NULL, walk_beside, b);
    if (problem)
        return err_set(err, problem, "cannot start a thread: %s", strerror(problem));
    walk(a, rd, from);
    (void)pthread_join(thread, NULL); /* it is ours, and not this one */
    return join_walks(a, b, err);
}

int chain_check(struct store *store, const struct rd *rd, const struct log_head *end, uint64_t from,
                struct progress *p, struct err *err)
{
    struct walk a = { .store = store, .end = end, .last = end->record, .progress = p }, b = a;
    bool alone = end->record - from + 1 < ALONE_RECORDS;
    int r;

    a.arena = arena_new(CORE_REPLAY_ARENA);
    b.arena = arena_new(CORE_REPLAY_ARENA);
    b.progress = NULL;
    if (!a.arena || !b.arena) {
        r = err_set(err, ENOMEM, "no memory to check the log");
    } else if (alone) {
        walk(&a, rd, from);
        r = a.r < 0 ? err_set(err, -a.r, "%s", a.err.text) : 0;
    } else {
        r = check_in_two(&a, &b, rd, from, err);
    }
    if (r == 0)
        r = chain_end(rd, alone ? &a.head : &b.head, end, err);
    arena_free(a.arena);
    arena_free(b.arena);
    return r;
}
