/* core_rebuild.c - tables that were found damaged are made again from the log, while the service goes on.
 *
 * Tables are derived: everything in them follows from the log, and the log is what the hash chain protects. So whoever meets a
 * value that cannot be what was written (a message that does not unpack, a chunk of postings whose checksum is wrong) notes it,
 * and the writer thread empties all tables and folds the log into them again.
 *
 * That is one transaction, unlike the replay for a new schema number, which nobody is served during: readers keep the tables as
 * they were until the new ones are there whole, a kill leaves the old ones, and nobody ever sees half of either. Commands are
 * refused meanwhile, since they could not be decided before its end.
 *
 * A rebuild that does not help, because the log is damaged too or what was taken for damage is our own mistake, must not be
 * tried again and again: after one there is none for AGAIN_AFTER_MS. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/core_internal.h"

enum {
    AGAIN_AFTER_MS = 10 * 60 * 1000,
    REBUILD_GROWTHS = 40, /* of the map: doubling so often outgrows any disk */
};

const char core_damaged_message[] =
    "The service found damage in its tables and is rebuilding them from its log. "
    "Nothing was changed; try again in a moment.";

/* ---- noting ---- */

bool core_note_damage(struct core *c, int errnum)
{
    int sound = CORE_TABLES_SOUND, lost = CORE_TABLES_LOST;

    if (errnum != EBADMSG && errnum != EUCLEAN)
        return false;
    int64_t mended_ms = atomic_load(&c->mended_ms);
    bool soon = mended_ms && clock_ms() - mended_ms < AGAIN_AFTER_MS;
    /* Where it is noted, taken or lost already, nothing has to be done. */
    if (!atomic_compare_exchange_strong(&c->damage, &sound,
                                        soon ? CORE_TABLES_LOST : CORE_TABLES_DAMAGED) &&
        !soon)
        (void)atomic_compare_exchange_strong(&c->damage, &lost, CORE_TABLES_DAMAGED);
    return true;
}

void core_fail_reading(struct core *c, struct core_call *call, int errnum, const char *what)
{
    core_fail(call, errnum, what);
    if (!core_note_damage(c, errnum))
        return;
    call->status = (struct status) { .arena = call->arena };
    status_refuse(&call->status, CODE_UNAVAILABLE, "%s", core_damaged_message);
}

void core_take_damage(struct core *c)
{
    int damaged = CORE_TABLES_DAMAGED;

    (void)atomic_compare_exchange_strong(&c->damage, &damaged,
                                         CORE_TABLES_TAKEN); /* else nothing is to be taken */
}

enum core_tables core_tables_state(const struct core *c, char *ret_why, size_t room)
{
    enum core_tables state = (enum core_tables)atomic_load(&c->damage);

    switch (state) {
    case CORE_TABLES_SOUND:
        break;
    case CORE_TABLES_DAMAGED:
    case CORE_TABLES_TAKEN:
        (void)snprintf(ret_why, room, "its tables are damaged and are rebuilt from the log: %u %%",
                       atomic_load(&c->rebuilt_percent)); /* a text cut short is as true */
        break;
    case CORE_TABLES_LOST:
        (void)snprintf(ret_why, room, "its tables are damaged, %s",
                       c->not_rebuilt[0] ? c->not_rebuilt
                                         : "again soon after they were rebuilt"); /* likewise */
        break;
    }
    return state;
}

/* ---- rebuilding ---- */

/* Shows how far it is to whoever asks for the status, and to the caller. */
struct rebuild {
    struct core *c;
    struct progress progress;
    struct err *err;
};

static int fold_all(struct rebuild *b, struct wr *wr, const struct log_head *end,
                    struct arena *arena)
{
    struct core *c = b->c;
    struct log_head walked;
    uint64_t next = 1;
    int r = 0;

    while (r == 0 && next <= end->record) {
        r = replay_fold(c, wr, &next, end->record, arena, b->err);
        atomic_store(&c->rebuilt_percent, (unsigned)(100 * (next - 1) / end->record));
        progress_show(&b->progress, next - 1, end->record);
    }
    if (r == 0) {
        arena_reset(arena);
        r = chain_prime(wr_rd(wr), end, end->record + 1, arena, &walked, b->err);
    }
    return r < 0 ? r : chain_end(wr_rd(wr), &walked, end, b->err);
}

/* -EAGAIN: the map has grown, once more. */
static int rebuild_once(struct rebuild *b, struct arena *arena)
{
    struct core *c = b->c;
    struct log_head end;
    struct wr *wr;
    bool unknown = false;

    arena_reset(c->work);
    int r = wr_begin(c->store, c->work, &wr);
    if (r < 0)
        return err_set(b->err, -r, "no transaction can begin: %s", strerror(-r));
    enum log_rc rc = log_head(wr_rd(wr), &end);
    if (rc != LOG_OK)
        r = err_set(b->err, EBADMSG, "the log's head cannot be read: %s", log_rc_name(rc));
    if (r == 0)
        r = replay_begin(c, wr);
    if (r == 0)
        r = fold_all(b, wr, &end, arena);
    if (r == 0)
        r = replay_end(c, wr);
    if (r < 0 && wr_status(wr) == 0) {
        wr_abort(wr);
        return r;
    }
    /* A commit of unknown end needs no settling: both ends are tables of this log. But the store must be opened again. */
    r = wr_commit(wr, &unknown, b->err);
    if (unknown)
        c->needs_reopen = true;
    return r;
}

int core_rebuild(struct core *c, core_progress *progress, void *progress_arg, struct err *err)
{
    struct err why = { "" };
    struct rebuild b = { .c = c, .progress = { progress, progress_arg, 0 }, .err = &why };
    struct arena *arena = arena_new(CORE_REPLAY_ARENA);
    int r = arena ? -EAGAIN : err_set(&why, ENOMEM, "no memory to read the log");

    atomic_store(&c->rebuilt_percent, 0);
    atomic_store(&c->damage, CORE_TABLES_TAKEN);
    store_make_room(c->store);
    for (int i = 0; r == -EAGAIN && i < REBUILD_GROWTHS; i++)
        r = rebuild_once(&b, arena);
    if (arena)
        arena_free(arena);
    atomic_store(&c->mended_ms, clock_ms());
    c->not_rebuilt[0] = '\0';
    if (r < 0)
        (void)snprintf(c->not_rebuilt, sizeof c->not_rebuilt, "and cannot be rebuilt: %.200s",
                       why.text[0] ? why.text : strerror(-r)); /* fits */
    atomic_store(&c->damage, r < 0 ? CORE_TABLES_LOST : CORE_TABLES_SOUND);
    return r < 0 ? err_set(err, -r, "%s", why.text[0] ? why.text : strerror(-r)) : 0;
}
