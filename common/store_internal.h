/* store_internal.h - what the three parts of the store share, and LMDB with them; nobody else includes this.
 *
 * store.c opens, grows, copies and closes the environment and keeps the gate; store_read.c reads snapshots and scans;
 * store_write.c writes and commits. */
#pragma once
#include <lmdb.h>
#include <pthread.h>

#include "common/store.h"

enum {
    MAX_TABLES = 256,
    MAX_HANDLES = MAX_TABLES + 2, /* LMDB keeps the first two for itself */
    SLOTS = 2 * MAX_TABLES,       /* of the hash from table to handle; a power of two */
};

struct rd {
    struct store *store;
    MDB_txn *txn; /* NULL for a copy, which has one of its own inside LMDB */
    struct arena *arena;
    struct wr *wr; /* the write transaction that this is the reading side of, or NULL */
    pthread_t thread;
    struct rd *next, *previous;
};

struct wr {
    struct rd rd;
    int status;
    struct wr_deferred *deferred;
    MDB_cursor *cursors[MAX_HANDLES]; /* by handle: where it last read or put in a table, or NULL */
};

struct slot {
    const struct table *table;
    MDB_dbi dbi;
};

struct store {
    char *path;
    const struct table *const *tables;
    size_t n_tables;
    struct slot slots[SLOTS];
    MDB_dbi dbis[MAX_TABLES];
    size_t map_bytes;
    unsigned flags;
    int owner_fd;
    struct wr wr; /* used by whoever holds LMDB's write lock */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    MDB_env *env; /* NULL: closed by a store_reopen() that failed */
    bool broken;  /* a commit failed: refuse until reopened */
    bool gate_closed;
    bool writing;
    pthread_t writer;
    struct rd *live, *idle;
    unsigned n_live;
};

/* The one place where LMDB's codes become ours. */
int store_errno(int rc);
/* Fills `err` with what LMDB said; returns the code as ours. */
int store_fail(struct err *err, int rc, const struct store *s, const char *what);

/* These three with the lock held. A snapshot waits for the gate, then stands in the list of live readers. */
int store_gate_pass(struct store *s);
void store_link_live(struct store *s, struct rd *rd);
void store_unlink_live(struct store *s, struct rd *rd);

/* With the lock held: waits until nobody writes and the gate is open, as LMDB's own lock would. */
int store_writer_begins(struct store *s);
/* After LMDB's transaction has ended; takes the lock itself. */
void store_writer_ends(struct store *s);
/* Doubles the map. */
int store_grow(struct store *s, struct err *err);

/* LMDB's handle of a table, or -EINVAL. */
int store_dbi(const struct store *s, const struct table *t, MDB_dbi *ret);

static inline size_t slot_of(const struct table *t)
{
    return (size_t)(((uintptr_t)t >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (SLOTS - 1);
}

static inline MDB_val key_val(const struct key *k)
{
    static const uint8_t empty_key[1] = { 0 };

    if (k->len == 0)
        return (MDB_val) { sizeof(empty_key), (void *)empty_key };
    return (MDB_val) { k->len, (void *)k->bytes };
}
