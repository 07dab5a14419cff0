/* store_write.c - the one write transaction: its sticky status, and how it ends.
 *
 * Every table that is read or put into keeps a cursor until the transaction's end. LMDB looks first whether a key belongs into
 * the page where the cursor stands, and most do, since commands put new things at the ends of tables and what was read is put
 * next: so it need not come down from the root, at each step searching its list of changed pages. A cursor is given up before
 * an entry is deleted, so that none stands in a page that goes.
 *
 * After a commit that failed in an unknown way the environment refuses all until store_reopen(): LMDB itself does so
 * only when it could not write its meta page, but one rule for all such failures is easier to keep right. */
#include "common/store_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/fault.h"
#include "common/pack.h"

int wr_begin(struct store *s, struct arena *arena, struct wr **ret)
{
    MDB_txn *txn;

    pthread_mutex_lock(&s->lock);
    int r = store_writer_begins(s);
    pthread_mutex_unlock(&s->lock);
    if (r < 0)
        return r;
    r = store_errno(mdb_txn_begin(s->env, NULL, 0, &txn));
    if (r < 0) {
        store_writer_ends(s);
        return r;
    }
    s->wr = (struct wr) { .rd = { .store = s, .txn = txn, .arena = arena, .wr = &s->wr } };
    *ret = &s->wr;
    return 0;
}

struct rd *wr_rd(struct wr *wr)
{
    return &wr->rd;
}

int wr_fail(struct wr *wr, int errnum)
{
    if (wr->status == 0)
        wr->status = -errnum;
    return -errnum;
}

int wr_status(const struct wr *wr)
{
    return wr->status;
}

/* Checks what every write begins with. False: the transaction has failed. */
static bool ready(struct wr *wr, const struct table *t, const struct key *k, MDB_dbi *ret)
{
    if (wr->status < 0)
        return false;
    if (fault_hit(FAULT_PUT))
        wr->status = -EIO;
    else if (k->failed)
        wr->status = -EOVERFLOW;
    else
        wr->status = store_dbi(wr->rd.store, t, ret);
    return wr->status == 0;
}

static int put(struct wr *wr, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags)
{
    MDB_cursor **cursor = &wr->cursors[dbi];

    int rc = *cursor ? 0 : mdb_cursor_open(wr->rd.txn, dbi, cursor);
    return store_errno(rc ? rc : mdb_cursor_put(*cursor, key, value, flags));
}

/* Cursors that are still there at the transaction's end are LMDB's to close. */
static void drop_cursor(struct wr *wr, MDB_dbi dbi)
{
    if (wr->cursors[dbi])
        mdb_cursor_close(wr->cursors[dbi]);
    wr->cursors[dbi] = NULL;
}

/* A message that is not small is packed straight into the page. */
void wr_put(struct wr *wr, const struct table *t, const struct key *k, const void *message)
{
    const ProtobufCMessage *m = message;
    MDB_dbi dbi;

    if (!ready(wr, t, k, &dbi))
        return;
    if (m->descriptor != t->type) {
        wr->status = -EINVAL;
        return;
    }
    uint8_t room[PACK_ROOM];
    struct slice small;
    MDB_val key = key_val(k), value;
    if (pack_small(m, room, &small)) {
        value = (MDB_val) { small.len, (void *)small.data };
        wr->status = put(wr, dbi, &key, &value, 0);
        return;
    }
    value = (MDB_val) { protobuf_c_message_get_packed_size(m), NULL };
    wr->status = put(wr, dbi, &key, &value, MDB_RESERVE);
    if (wr->status == 0)
        (void)protobuf_c_message_pack(m, value.mv_data); /* as many bytes as asked for above */
}

static void put_bytes(struct wr *wr, const struct table *t, const struct key *k, const void *bytes,
                      size_t len, unsigned flags)
{
    MDB_dbi dbi;

    if (!ready(wr, t, k, &dbi))
        return;
    MDB_val key = key_val(k), value = { len, len ? (void *)bytes : "" };
    wr->status = put(wr, dbi, &key, &value, flags);
}

void wr_put_bytes(struct wr *wr, const struct table *t, const struct key *k, const void *bytes,
                  size_t len)
{
    put_bytes(wr, t, k, bytes, len, 0);
}

void wr_append_bytes(struct wr *wr, const struct table *t, const struct key *k, const void *bytes,
                     size_t len)
{
    put_bytes(wr, t, k, bytes, len, MDB_APPEND);
}

void wr_delete(struct wr *wr, const struct table *t, const struct key *k)
{
    MDB_dbi dbi;

    if (!ready(wr, t, k, &dbi))
        return;
    MDB_val key = key_val(k);
    drop_cursor(wr, dbi);
    int rc = mdb_del(wr->rd.txn, dbi, &key, NULL);
    wr->status = rc == MDB_NOTFOUND ? 0 : store_errno(rc);
}

void wr_clear(struct wr *wr, const struct table *t)
{
    const struct key none = KEY_INIT;
    MDB_dbi dbi;

    if (!ready(wr, t, &none, &dbi))
        return;
    drop_cursor(wr, dbi);
    wr->status = store_errno(mdb_drop(wr->rd.txn, dbi, 0));
}

void wr_defer(struct wr *wr, struct wr_deferred *d)
{
    d->next = wr->deferred;
    wr->deferred = d;
}

struct wr_deferred *wr_deferred(const struct wr *wr, const void *owner)
{
    struct wr_deferred *d = wr->deferred;

    while (d && d->owner != owner)
        d = d->next;
    return d;
}

static void drop_deferred(struct wr *wr)
{
    while (wr->deferred) {
        struct wr_deferred *d = wr->deferred;
        wr->deferred = d->next;
        d->drop(d);
    }
}

static int failed_before_commit(struct store *s, int status, struct err *err)
{
    if (status == -EAGAIN) {
        int r = store_grow(s, err);
        if (r < 0)
            return r;
        return err_set(err, EAGAIN, "store %s: the map was full and has grown", s->path);
    }
    return err_set(err, -status, "store %s: a write failed: %s", s->path, strerror(-status));
}

void wr_abort(struct wr *wr)
{
    struct store *s = wr->rd.store;
    bool full = wr->status == -EAGAIN;

    drop_deferred(wr);
    mdb_txn_abort(wr->rd.txn);
    store_writer_ends(s);
    if (full)
        (void)store_grow(s,
                         NULL); /* if it cannot grow now, the next transaction's commit says so */
}

/* LMDB's commit, or a failure that a test armed. */
static int commit_txn(MDB_txn *txn)
{
    if (fault_hit(FAULT_CRASH))
        (void)raise(SIGKILL);
    if (fault_hit(FAULT_COMMIT)) {
        mdb_txn_abort(txn);
        return EIO;
    }
    int rc = mdb_txn_commit(txn);
    return !rc && fault_hit(FAULT_COMMITTED) ? EIO : rc;
}

int wr_commit(struct wr *wr, bool *ret_unknown, struct err *err)
{
    struct store *s = wr->rd.store;

    for (struct wr_deferred *d = wr->deferred; d && wr->status == 0; d = d->next)
        d->finish(wr, d);
    drop_deferred(wr);
    int status = wr->status;

    *ret_unknown = false;
    if (status < 0) {
        mdb_txn_abort(wr->rd.txn);
        store_writer_ends(s);
        return failed_before_commit(s, status, err);
    }
    int rc = commit_txn(wr->rd.txn);
    bool unknown = rc && rc != MDB_MAP_FULL;
    if (unknown) {
        pthread_mutex_lock(&s->lock);
        s->broken = true;
        pthread_mutex_unlock(&s->lock);
    }
    store_writer_ends(s);
    if (!rc)
        return 0;
    if (!unknown) /* met while saving the list of free pages, before anything was written */
        return failed_before_commit(s, -EAGAIN, err);
    *ret_unknown = true;
    return store_fail(err, rc, s, "the commit failed, its outcome is unknown");
}
