/* store.h - one service's tables in one LMDB environment. The only module that includes lmdb.h.
 *
 * `struct rd` reads a snapshot, `struct wr` writes in the one write transaction. decide and query get a
 * `const struct rd *`, apply a `struct wr *`: who may write is then checked by the compiler.
 *
 * Errors in a write transaction are sticky: after the first one puts and deletes do nothing, and wr_status()
 * (which wr_commit() also asks) tells what it was. So tables' code is a straight list with one check at its end.
 *
 * Lifetimes: a slice out of a table is valid until the next write or the end of the transaction. A message from
 * rd_get() lives in the transaction's arena.
 *
 * Reader slots of dead processes are cleared at open and each minute; a store that another process has open is
 * refused (-EBUSY); a full map grows by itself (-EAGAIN from wr_commit(): redo the transaction).
 *
 * An empty key is a key like others (stored as one zero byte, and so shown by a scan); a table holds it or u8 0, not both. */
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/key.h"
#include "common/status.h"

/* A table. Declared once, as static const; names that begin with '_' are the runtime's. */
struct table {
    const char *name;
    const ProtobufCMessageDescriptor
        *type; /* what values are; NULL: raw bytes, may be empty (an index) */
};

struct store;
struct rd;
struct wr;

struct store_config {
    const char *path;                  /* a folder; made (0700) when missing */
    const struct table *const *tables; /* opened together, once; NULL-terminated list */
    size_t map_bytes;                  /* first map size; 0: 256 MiB. Grows by doubling. */
    bool no_sync;                      /* scratch stores only: a crash may lose or corrupt it */
};

/* Opens. -EBUSY: another process has it. -EIO, -ENOSPC, -EACCES ...: as `err` says. */
int store_open(struct store **ret, const struct store_config *config, struct err *err) must_check;
/* All transactions must have ended. */
void store_close(struct store *s);
/* After a failed commit LMDB refuses everything until the environment is reopened. Waits until no reader or writer is
 * active; those that begin meanwhile wait. On failure the store stays closed, and this may be tried again. */
int store_reopen(struct store *s, struct err *err) must_check;
/* Clears the slots of dead readers. Called by the runtime each minute. */
void store_check_readers(struct store *s);

struct store_stats {
    size_t map_bytes, used_bytes;
    uint64_t last_txn, oldest_reader_age_txns;
    unsigned readers;
};
int store_stats(struct store *s, struct store_stats *ret) must_check;
/* Grows the map if less than half of it is free. For whoever is about to read for long (seconds: a check of the whole
 * store): while a snapshot lives the map cannot grow, and when it must, everybody waits for that snapshot's end. Waits for
 * short readers and the writer's commit; does nothing for a thread that reads or writes already. */
void store_make_room(struct store *s);
/* A compact copy into an existing empty folder while others go on, synced to disk. */
int store_copy(struct store *s, const char *directory, struct err *err) must_check;

/* ---- reading ---- */

/* Begins a snapshot. Any thread may have several; each ends in the thread that began it. Keep it short: never across a wait. */
int rd_begin(struct store *s, struct arena *arena, struct rd **ret) must_check;
void rd_end(struct rd *rd);
/* A snapshot may serve several calls: gives it the arena that the next call's messages go to. */
void rd_set_arena(struct rd *rd, struct arena *arena);
struct arena *rd_arena(const struct rd *rd);
/* The number of the last commit that the snapshot sees. After a commit that failed another one may get the same. */
uint64_t rd_commit(const struct rd *rd);

/* Looks up. 0 and the message in *ret (pass the address of a typed pointer); -ENOENT; -EBADMSG: the bytes are not such
 * a message; -ENOMEM: arena at its cap; -EOVERFLOW: key too long. */
int rd_get(const struct rd *rd, const struct table *t, const struct key *k, void *ret) must_check;
int rd_get_bytes(const struct rd *rd, const struct table *t, const struct key *k,
                 struct slice *ret) must_check;
bool rd_has(const struct rd *rd, const struct table *t, const struct key *k);
/* Entries in the table. */
uint64_t rd_count(const struct rd *rd, const struct table *t);

/* Walks a table in key order. Usage:
 *
 *     struct scan s;
 *     for (scan_prefix(&s, rd, &T_BY_AREA, key); scan_next(&s);)
 *         ... s.key, s.value, scan_message(&s, &msg) ...
 *     if (scan_end(&s) < 0) ...
 *
 * scan_end() may be called early and more than once; it is due for every scan. In a write transaction the table
 * walked must not be written meanwhile. */
struct scan {
    struct slice key, value;
    const struct rd *rd;
    const struct table *table;
    struct key prefix;
    void *cursor;
    int status;
    bool started, backwards, bounded;
};
/* All entries whose key begins with `prefix`. */
void scan_prefix(struct scan *s, const struct rd *rd, const struct table *t,
                 const struct key *prefix);
/* Those from `from` (inclusive; NULL: the first) on that still begin with `prefix` (NULL: to the end of the table). */
void scan_from(struct scan *s, const struct rd *rd, const struct table *t, const struct key *from,
               const struct key *prefix);
/* As scan_prefix, from the last entry to the first. */
void scan_backwards(struct scan *s, const struct rd *rd, const struct table *t,
                    const struct key *prefix);
/* Forwards from the last entry at or before `from` that begins with `prefix`, or if there is none, from the first that does:
 * the piece that holds `from`, of a value cut into pieces by where each begins. */
void scan_from_piece(struct scan *s, const struct rd *rd, const struct table *t,
                     const struct key *from, const struct key *prefix);
/* Backwards from the last entry at or before `from` that begins with `prefix` (NULL: to the start of the table). */
void scan_backwards_from(struct scan *s, const struct rd *rd, const struct table *t,
                         const struct key *from, const struct key *prefix);
bool scan_next(struct scan *s);
/* Moves a forward scan to the first entry at or after `to` that begins with its prefix; then s->key and s->value are that
 * entry, and scan_next() goes to the one after it. False, and the scan is at its end, when there is none. Cheaper than
 * another scan. */
bool scan_seek(struct scan *s, const struct key *to);
/* The same to the piece that holds `to`, as scan_from_piece. */
bool scan_seek_piece(struct scan *s, const struct key *to);
int scan_message(struct scan *s, void *ret) must_check; /* as rd_get */
int scan_end(struct scan *s);

/* ---- writing ---- */

/* Begins the one write transaction; waits for nobody in a service, since only its writer thread writes. -EIO after a
 * commit of unknown outcome, until store_reopen(). The writer's thread must have no snapshot of the store when it ends the
 * transaction or reopens, since both may have to wait for all readers. */
int wr_begin(struct store *s, struct arena *arena, struct wr **ret) must_check;
/* The same transaction as a reader, so that the second command of a batch sees the first. Ends with `wr`. */
struct rd *wr_rd(struct wr *wr);

void wr_put(struct wr *wr, const struct table *t, const struct key *k, const void *message);
void wr_put_bytes(struct wr *wr, const struct table *t, const struct key *k, const void *bytes,
                  size_t len);
/* Puts at the end of the table: the key must sort after all others. */
void wr_append_bytes(struct wr *wr, const struct table *t, const struct key *k, const void *bytes,
                     size_t len);
/* Deletes; an absent entry is no error. */
void wr_delete(struct wr *wr, const struct table *t, const struct key *k);
/* Empties the table: for a replay, never in apply(). */
void wr_clear(struct wr *wr, const struct table *t);
/* Marks the transaction failed, for code that finds state it cannot go on from. Returns `errnum` negated. */
int wr_fail(struct wr *wr, int errnum);
/* 0, or the first error since begin. -EAGAIN: the map is full; wr_commit() or wr_abort() grows it, then redo. */
int wr_status(const struct wr *wr) must_check;

/* What a module puts off to the end of the transaction, to write it sorted and once. Its part in a table must not be looked
 * at before, and what it writes must not depend on where transactions end, or a replay would give other tables.
 * One of an owner at a time; it is dropped exactly once, whether the transaction commits or not. */
struct wr_deferred {
    const void *owner;
    void (*finish)(struct wr *wr,
                   struct wr_deferred *d); /* just before the commit; fails by wr_fail() */
    void (*drop)(struct wr_deferred *d);
    struct wr_deferred *next;
};
void wr_defer(struct wr *wr, struct wr_deferred *d);
/* The owner's, or NULL. */
struct wr_deferred *wr_deferred(const struct wr *wr, const void *owner);

/* Commits and ends. 0: durable. -EAGAIN: nothing was written, the map was full and has grown: redo. Any error of an earlier
 * put: nothing was written. -EIO/-ENOSPC from the commit itself: outcome UNKNOWN: store_reopen(), then read the log's end. */
int wr_commit(struct wr *wr, bool *ret_unknown, struct err *err) must_check;
void wr_abort(struct wr *wr);
