/* store_read.c - snapshots, single reads and scans.
 *
 * A snapshot's LMDB transaction is not ended but reset and pooled: renewing one costs a fraction of beginning one. */
#include "common/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* With the lock held: a snapshot from the pool, or a new one; else NULL and why in *ret_why. */
static struct rd *take_snapshot(struct store *s, int *ret_why)
{
    struct rd *rd = s->idle;
    int rc = rd ? mdb_txn_renew(rd->txn) : 0;

    if (rd && !rc) {
        s->idle = rd->next;
        return rd;
    }
    if (!rd) {
        rd = calloc(1, sizeof(*rd));
        rc = rd ? mdb_txn_begin(s->env, NULL, MDB_RDONLY, &rd->txn) : ENOMEM;
        if (!rc) {
            rd->store = s;
            return rd;
        }
        free(rd);
    }
    *ret_why = store_errno(rc);
    return NULL;
}

int rd_begin(struct store *s, struct arena *arena, struct rd **ret)
{
    pthread_mutex_lock(&s->lock);
    int r = store_gate_pass(s);
    struct rd *rd = r == 0 ? take_snapshot(s, &r) : NULL;
    if (rd) {
        rd->arena = arena;
        store_link_live(s, rd);
        *ret = rd;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

void rd_end(struct rd *rd)
{
    struct store *s = rd->store;

    mdb_txn_reset(rd->txn);
    pthread_mutex_lock(&s->lock);
    store_unlink_live(s, rd);
    rd->next = s->idle;
    s->idle = rd;
    pthread_mutex_unlock(&s->lock);
}

void rd_set_arena(struct rd *rd, struct arena *arena)
{
    rd->arena = arena;
}

struct arena *rd_arena(const struct rd *rd)
{
    return rd->arena;
}

uint64_t rd_commit(const struct rd *rd)
{
    return mdb_txn_id(rd->txn);
}

/* The same table declared in two places has two addresses: then its name decides. */
static int dbi_by_name(const struct store *s, const struct table *t, MDB_dbi *ret)
{
    for (size_t i = 0; i < s->n_tables; i++) {
        if (strcmp(s->tables[i]->name, t->name) == 0) {
            *ret = s->dbis[i];
            return 0;
        }
    }
    return -EINVAL;
}

int store_dbi(const struct store *s, const struct table *t, MDB_dbi *ret)
{
    for (size_t at = slot_of(t); s->slots[at].table; at = (at + 1) & (SLOTS - 1)) {
        if (s->slots[at].table == t) {
            *ret = s->slots[at].dbi;
            return 0;
        }
    }
    return dbi_by_name(s, t, ret);
}

enum { LINE_BYTES = 64, SOON_BYTES = 512 };

/* Whoever looks a value up reads it next, and it is rarely in the processor's cache: its lines are asked for side by side. */
static void fetch(const MDB_val *value)
{
    const char *at = value->mv_data;

    for (size_t i = 0; i < value->mv_size && i < SOON_BYTES; i += LINE_BYTES)
        __builtin_prefetch(at + i);
}

/* Within a write transaction the table's cursor looks: it often stands at the key already, since what is decided on is what
 * changes, and a change reads again what the decision had read. */
static int get(const struct rd *rd, MDB_dbi dbi, MDB_val *key, MDB_val *value)
{
    MDB_cursor **cursor = rd->wr ? &rd->wr->cursors[dbi] : NULL;

    if (!cursor)
        return mdb_get(rd->txn, dbi, key, value);
    int rc = *cursor ? 0 : mdb_cursor_open(rd->txn, dbi, cursor);
    return rc ? rc : mdb_cursor_get(*cursor, key, value, MDB_SET);
}

int rd_get_bytes(const struct rd *rd, const struct table *t, const struct key *k, struct slice *ret)
{
    MDB_dbi dbi;
    MDB_val value;

    if (k->failed)
        return -EOVERFLOW;
    if (rd->wr && rd->wr->status < 0)
        return rd->wr->status;
    int r = store_dbi(rd->store, t, &dbi);
    if (r < 0)
        return r;
    MDB_val key = key_val(k);
    r = store_errno(get(rd, dbi, &key, &value));
    if (r < 0)
        return r;
    fetch(&value);
    *ret = (struct slice) { value.mv_data, value.mv_size };
    return 0;
}

/* `ret` is the address of a pointer of the message's own type, hence the memcpy. */
static int unpack(const struct rd *rd, const struct table *t, struct slice bytes, void *ret)
{
    if (!t->type || !rd->arena)
        return -EINVAL;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(t->type, arena_pb(rd->arena), bytes.len, bytes.data);
    if (!message)
        return arena_failed(rd->arena) ? -ENOMEM : -EBADMSG;
    memcpy(ret, &message, sizeof(message));
    return 0;
}

int rd_get(const struct rd *rd, const struct table *t, const struct key *k, void *ret)
{
    struct slice bytes;

    int r = rd_get_bytes(rd, t, k, &bytes);
    return r < 0 ? r : unpack(rd, t, bytes, ret);
}

bool rd_has(const struct rd *rd, const struct table *t, const struct key *k)
{
    struct slice bytes;

    return rd_get_bytes(rd, t, k, &bytes) == 0;
}

uint64_t rd_count(const struct rd *rd, const struct table *t)
{
    MDB_dbi dbi;
    MDB_stat stat;

    if (store_dbi(rd->store, t, &dbi) < 0 || mdb_stat(rd->txn, dbi, &stat) != 0)
        return 0;
    return stat.ms_entries;
}

/* ---- scans ---- */

static void scan_stop(struct scan *s, int status)
{
    if (s->cursor)
        mdb_cursor_close(s->cursor);
    s->cursor = NULL;
    s->status = status;
}

/* Moves the cursor; past the prefix or the table's end the scan stops. */
static bool scan_move(struct scan *s, MDB_val *key, MDB_cursor_op op)
{
    MDB_val value;

    int rc = mdb_cursor_get(s->cursor, key, &value, op);
    if (rc || (s->bounded && (key->mv_size < s->prefix.len ||
                              memcmp(key->mv_data, s->prefix.bytes, s->prefix.len) != 0))) {
        scan_stop(s, rc == MDB_NOTFOUND ? 0 : store_errno(rc));
        return false;
    }
    s->key = (struct slice) { key->mv_data, key->mv_size };
    s->value = (struct slice) { value.mv_data, value.mv_size };
    return true;
}

/* Sets all but the position. False when the scan is over before it began; then the status says why. */
static bool scan_begin(struct scan *s, const struct rd *rd, const struct table *t,
                       const struct key *prefix, bool backwards)
{
    MDB_dbi dbi;
    MDB_cursor *cursor;

    s->key = s->value = (struct slice) { 0 };
    s->rd = rd;
    s->table = t;
    s->cursor = NULL;
    s->started = false;
    s->backwards = backwards;
    s->bounded = prefix && prefix->len > 0;
    s->prefix.len = s->bounded ? prefix->len : 0;
    s->prefix.failed = false;
    if (s->bounded)
        memcpy(s->prefix.bytes, prefix->bytes, prefix->len);

    s->status = prefix && prefix->failed       ? -EOVERFLOW
                : rd->wr && rd->wr->status < 0 ? rd->wr->status
                                               : store_dbi(rd->store, t, &dbi);
    if (s->status < 0)
        return false;
    s->status = store_errno(mdb_cursor_open(rd->txn, dbi, &cursor));
    if (s->status < 0)
        return false;
    s->cursor = cursor;
    return true;
}

void scan_prefix(struct scan *s, const struct rd *rd, const struct table *t,
                 const struct key *prefix)
{
    if (!scan_begin(s, rd, t, prefix, false))
        return;
    MDB_val key = { s->prefix.len, s->prefix.bytes };
    scan_move(s, &key, s->bounded ? MDB_SET_RANGE : MDB_FIRST);
}

static int compare_keys(const struct key *a, const struct key *b)
{
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

    return order ? order : (int)a->len - (int)b->len;
}

void scan_from(struct scan *s, const struct rd *rd, const struct table *t, const struct key *from,
               const struct key *prefix)
{
    if (!scan_begin(s, rd, t, prefix, false))
        return;
    if (from && from->failed) {
        scan_stop(s, -EOVERFLOW);
        return;
    }
    /* Before the prefix there is nothing that begins with it. */
    const struct key *start = from && compare_keys(from, &s->prefix) > 0 ? from : &s->prefix;
    MDB_val key = { start->len, (void *)start->bytes };
    scan_move(s, &key, start->len > 0 ? MDB_SET_RANGE : MDB_FIRST);
}

void scan_backwards(struct scan *s, const struct rd *rd, const struct table *t,
                    const struct key *prefix)
{
    uint8_t past[KEY_MAX]; /* the first key after all that begin with the prefix */
    MDB_val key, value;

    if (!scan_begin(s, rd, t, prefix, true))
        return;
    size_t len = s->prefix.len;
    memcpy(past, s->prefix.bytes, len);
    while (len > 0 && past[len - 1] == 0xff)
        len--;
    if (len == 0) { /* the whole table, or a prefix of 0xff only: nothing sorts after those */
        scan_move(s, &key, MDB_LAST);
        return;
    }
    past[len - 1]++;
    key = (MDB_val) { len, past };
    int rc = mdb_cursor_get(s->cursor, &key, &value, MDB_SET_RANGE);
    if (rc && rc != MDB_NOTFOUND) {
        scan_stop(s, store_errno(rc));
        return;
    }
    scan_move(s, &key, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
}

void scan_backwards_from(struct scan *s, const struct rd *rd, const struct table *t,
                         const struct key *from, const struct key *prefix)
{
    MDB_val key = { from->len, (void *)from->bytes }, value;

    /* Past the prefix, all that begin with it lie before. */
    if (prefix && !from->failed && compare_keys(from, prefix) > 0 &&
        (from->len < prefix->len || memcmp(from->bytes, prefix->bytes, prefix->len) != 0)) {
        scan_backwards(s, rd, t, prefix);
        return;
    }
    if (!scan_begin(s, rd, t, prefix, true))
        return;
    if (from->failed || from->len == 0) {
        scan_stop(s, from->failed ? -EOVERFLOW : 0);
        return;
    }
    int rc = mdb_cursor_get(s->cursor, &key, &value, MDB_SET_RANGE);
    if (rc && rc != MDB_NOTFOUND)
        scan_stop(s, store_errno(rc));
    else if (rc == MDB_NOTFOUND)
        scan_move(s, &key, MDB_LAST);
    else if (key.mv_size == from->len && memcmp(key.mv_data, from->bytes, from->len) == 0)
        scan_move(s, &key, MDB_GET_CURRENT);
    else
        scan_move(s, &key, MDB_PREV);
}

bool scan_next(struct scan *s)
{
    MDB_val key;

    if (!s->cursor)
        return false;
    if (!s->started) {
        s->started = true;
        return true;
    }
    return scan_move(s, &key, s->backwards ? MDB_PREV : MDB_NEXT);
}

/* Whether the cursor may move: the scan goes forward, has not ended badly, and the key is one. An end of the table or of the
 * prefix closed the cursor; a seek goes back from there. */
static bool scan_seekable(struct scan *s, const struct key *to)
{
    if (s->status == 0 && to->failed)
        scan_stop(s, -EOVERFLOW);
    if (s->status == 0 && s->backwards)
        scan_stop(s, -EINVAL);
    if (s->status < 0)
        return false;
    if (s->cursor)
        return true;
    struct key prefix = s->prefix;
    return scan_begin(s, s->rd, s->table, &prefix, false);
}

bool scan_seek(struct scan *s, const struct key *to)
{
    if (!scan_seekable(s, to))
        return false;
    const struct key *start = compare_keys(to, &s->prefix) > 0 ? to : &s->prefix;
    MDB_val key = { start->len, (void *)start->bytes };
    s->started = true;
    return scan_move(s, &key, start->len > 0 ? MDB_SET_RANGE : MDB_FIRST);
}

/* Moves the cursor to the last entry at or before `from` within the prefix, or to the prefix's first. */
static bool scan_move_to_piece(struct scan *s, const struct key *from)
{
    MDB_val key = { from->len, (void *)from->bytes }, value;

    if (from->failed || from->len == 0) {
        scan_stop(s, from->failed ? -EOVERFLOW : -EINVAL);
        return false;
    }
    int rc = mdb_cursor_get(s->cursor, &key, &value, MDB_SET_RANGE);
    bool there =
        rc == 0 && key.mv_size == from->len && memcmp(key.mv_data, from->bytes, from->len) == 0;
    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(s->cursor, &key, &value, MDB_LAST);
    else if (rc == 0 && !there)
        rc = mdb_cursor_get(s->cursor, &key, &value, MDB_PREV);
    if (rc == 0 && key.mv_size >= s->prefix.len &&
        memcmp(key.mv_data, s->prefix.bytes, s->prefix.len) == 0)
        return scan_move(s, &key, MDB_GET_CURRENT);
    if (rc && rc != MDB_NOTFOUND) {
        scan_stop(s, store_errno(rc));
        return false;
    }
    key = (MDB_val) { s->prefix.len, s->prefix.bytes };
    return scan_move(s, &key, s->bounded ? MDB_SET_RANGE : MDB_FIRST);
}

void scan_from_piece(struct scan *s, const struct rd *rd, const struct table *t,
                     const struct key *from, const struct key *prefix)
{
    if (scan_begin(s, rd, t, prefix, false))
        (void)scan_move_to_piece(s, from); /* the scan says it */
}

bool scan_seek_piece(struct scan *s, const struct key *to)
{
    if (!scan_seekable(s, to))
        return false;
    s->started = true;
    return scan_move_to_piece(s, to);
}

int scan_message(struct scan *s, void *ret)
{
    return unpack(s->rd, s->table, s->value, ret);
}

int scan_end(struct scan *s)
{
    scan_stop(s, s->status);
    return s->status;
}
