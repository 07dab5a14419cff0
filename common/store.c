/* store.c - tables over LMDB.
 *
 * The environment lives behind a gate. Every snapshot (and a running copy) is in the list of live readers; what must
 * not happen under anyone's feet - moving the map when it grows, closing and opening the environment - closes the
 * gate, waits until the list is empty and nobody writes, and opens it again. A thread that already reads or writes may
 * pass a closed gate, or it would wait for itself.
 *
 * A snapshot's LMDB transaction is not ended but reset and pooled: renewing one costs a fraction of beginning one.
 *
 * One process a store: an flock on the file "owner", which holds the process id for the message. A lock belongs to an
 * open file, so that it also keeps one process from opening a store twice, which LMDB forbids.
 *
 * After a commit that failed in an unknown way the environment refuses all until store_reopen(): LMDB itself does so
 * only when it could not write its meta page, but one rule for all such failures is easier to keep right.
 *
 * LMDB knows no empty key; it is stored as one zero byte. So a table must not hold both. */
#include "common/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"

enum {
    DEFAULT_MAP_BYTES = 256 * 1024 * 1024,
    SMALLEST_MAP_BYTES = 64 * 1024,
    MAX_SNAPSHOTS = 1024, /* reader slots of 64 bytes */
    MAX_TABLES = 256,
    SLOTS = 2 * MAX_TABLES, /* of the hash from table to handle; a power of two */
};

struct rd {
    struct store *store;
    MDB_txn *txn; /* NULL for a copy, which has one of its own inside LMDB */
    struct arena *arena;
    const struct wr *wr; /* the write transaction that this is the reading side of, or NULL */
    pthread_t thread;
    struct rd *next, *previous;
};

struct wr {
    struct rd rd;
    int status;
    struct wr_deferred *deferred;
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
static int errno_of(int rc)
{
    switch (rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return -ENOENT;
    case MDB_KEYEXIST:
        return -EEXIST;
    case MDB_MAP_FULL:
        return -EAGAIN;
    case MDB_BAD_VALSIZE:
        return -EOVERFLOW;
    case MDB_TXN_FULL:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
        return -E2BIG;
    case MDB_DBS_FULL:
    case MDB_READERS_FULL:
        return -EMFILE;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return -EUCLEAN;
    case MDB_INCOMPATIBLE:
    case MDB_BAD_DBI:
    case MDB_BAD_TXN:
        return -EINVAL;
    case MDB_PANIC:
        return -EIO;
    default:
        return rc > 0 ? -rc : -EIO;
    }
}

static int fail(struct err *err, int rc, const struct store *s, const char *what)
{
    int r = errno_of(rc);

    return err_set(err, -r, "store %s: %s: %s", s->path, what, mdb_strerror(rc));
}

/* ---- the gate ---- */

static void link_live(struct store *s, struct rd *rd)
{
    rd->thread = pthread_self();
    rd->previous = NULL;
    rd->next = s->live;
    if (s->live)
        s->live->previous = rd;
    s->live = rd;
    s->n_live++;
}

static void unlink_live(struct store *s, struct rd *rd)
{
    if (rd->previous)
        rd->previous->next = rd->next;
    else
        s->live = rd->next;
    if (rd->next)
        rd->next->previous = rd->previous;
    if (--s->n_live == 0 && s->gate_closed)
        pthread_cond_broadcast(&s->changed);
}

static bool thread_writes(const struct store *s)
{
    return s->writing && pthread_equal(s->writer, pthread_self());
}

static bool thread_reads(const struct store *s)
{
    for (const struct rd *rd = s->live; rd; rd = rd->next)
        if (pthread_equal(rd->thread, pthread_self()))
            return true;
    return false;
}

/* With the lock held: waits for the gate. */
static int gate_pass(struct store *s)
{
    while (s->gate_closed && !thread_reads(s) && !thread_writes(s))
        pthread_cond_wait(&s->changed, &s->lock);
    return s->env && !s->broken ? 0 : -EIO;
}

/* With the lock held: returns once no reader is live and nobody writes; none begins until gate_open(). */
static int gate_close(struct store *s, struct err *err)
{
    if (thread_writes(s))
        return err_set(err, EBUSY, "store %s: this thread has a write transaction open", s->path);
    if (thread_reads(s))
        return err_set(err, EDEADLK,
                       "store %s: this thread has a snapshot open and would wait for itself",
                       s->path);
    while (s->gate_closed)
        pthread_cond_wait(&s->changed, &s->lock);
    s->gate_closed = true;
    while (s->n_live > 0 || s->writing)
        pthread_cond_wait(&s->changed, &s->lock);
    return 0;
}

static void gate_open(struct store *s)
{
    s->gate_closed = false;
    pthread_cond_broadcast(&s->changed);
}

/* ---- opening ---- */

static int sync_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int r = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static int own(struct store *s, struct err *err)
{
    char name[4096], pid[32] = "";

    if (snprintf(name, sizeof(name), "%s/owner", s->path) >= (int)sizeof(name))
        return err_set(err, ENAMETOOLONG, "store %s: the path is too long", s->path);
    s->owner_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->owner_fd < 0)
        return err_set(err, errno, "store %s: cannot open %s: %m", s->path, name);
    if (flock(s->owner_fd, LOCK_EX | LOCK_NB) < 0) {
        int errnum = errno;
        if (errnum != EWOULDBLOCK)
            return err_set(err, errnum, "store %s: cannot lock %s: %s", s->path, name,
                           strerror(errnum));
        if (pread(s->owner_fd, pid, sizeof(pid) - 1, 0) <= 0)
            memcpy(pid, "unknown", sizeof("unknown"));
        return err_set(
            err, EBUSY,
            "store %s: process %s has it open (this is process %ld); stop that one first", s->path,
            pid, (long)getpid());
    }
    int len = snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    /* The number only serves the message above: a full disk must not keep a store from being read. A failure leaves an
     * old number or none. */
    if (pwrite(s->owner_fd, pid, (size_t)len, 0) == len)
        (void)!ftruncate(s->owner_fd, len);
    return 0;
}

static int open_tables_in(struct store *s, unsigned txn_flags, unsigned dbi_flags)
{
    MDB_txn *txn;

    int rc = mdb_txn_begin(s->env, NULL, txn_flags, &txn);
    if (rc)
        return rc;
    for (size_t i = 0; i < s->n_tables && !rc; i++)
        rc = mdb_dbi_open(txn, s->tables[i]->name, dbi_flags, &s->dbis[i]);
    if (!rc)
        return mdb_txn_commit(txn); /* a reader's too: handles outlive a commit, not an abort */
    mdb_txn_abort(txn);
    return rc;
}

/* Writes only if a table is missing, so that a store on a full disk still opens. */
static int open_tables(struct store *s)
{
    int rc = open_tables_in(s, MDB_RDONLY, 0);

    if (rc != MDB_NOTFOUND)
        return rc;
    rc = open_tables_in(s, 0, MDB_CREATE);
    while (rc == MDB_MAP_FULL) {
        s->map_bytes *= 2;
        rc = mdb_env_set_mapsize(s->env, s->map_bytes);
        if (!rc)
            rc = open_tables_in(s, 0, MDB_CREATE);
    }
    return rc;
}

static size_t slot_of(const struct table *t)
{
    return (size_t)(((uintptr_t)t >> 3) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (SLOTS - 1);
}

static void fill_slots(struct store *s)
{
    memset(s->slots, 0, sizeof(s->slots));
    for (size_t i = 0; i < s->n_tables; i++) {
        size_t at = slot_of(s->tables[i]);
        while (s->slots[at].table)
            at = (at + 1) & (SLOTS - 1);
        s->slots[at] = (struct slot) { s->tables[i], s->dbis[i] };
    }
}

static void close_env(struct store *s)
{
    while (s->idle) {
        struct rd *rd = s->idle;
        s->idle = rd->next;
        mdb_txn_abort(rd->txn);
        free(rd);
    }
    if (s->env)
        mdb_env_close(s->env);
    s->env = NULL;
}

static int open_env(struct store *s, struct err *err)
{
    MDB_envinfo info;
    int dead;

    int rc = mdb_env_create(&s->env);
    if (!rc)
        rc =
            mdb_env_set_maxdbs(s->env, (MDB_dbi)s->n_tables + 1); /* each costs every transaction */
    if (!rc)
        rc = mdb_env_set_maxreaders(s->env, MAX_SNAPSHOTS);
    if (!rc)
        rc = mdb_env_set_mapsize(s->env, s->map_bytes);
    if (!rc)
        rc = mdb_env_open(s->env, s->path, s->flags, 0600);
    if (!rc)
        rc = mdb_reader_check(s->env, &dead);
    if (!rc)
        rc = mdb_env_info(s->env, &info);
    if (!rc) {
        s->map_bytes = info.me_mapsize; /* LMDB takes more when the file is larger */
        rc = open_tables(s);
    }
    if (rc) {
        close_env(s);
        return fail(err, rc, s, "cannot open");
    }
    fill_slots(s);
    s->broken = false;
    return 0;
}

static int check_tables(const struct store *s, struct err *err)
{
    if (s->n_tables > MAX_TABLES)
        return err_set(err, EINVAL, "store %s: %zu tables, at most %d are possible", s->path,
                       s->n_tables, MAX_TABLES);
    for (size_t i = 0; i < s->n_tables; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(s->tables[i]->name, s->tables[j]->name) == 0)
                return err_set(err, EINVAL, "store %s: table \"%s\" is declared twice", s->path,
                               s->tables[i]->name);
    return 0;
}

static void store_free(struct store *s)
{
    close_env(s);
    if (s->owner_fd >= 0)
        close(s->owner_fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
}

static int open_all(struct store *s, struct err *err)
{
    int r = check_tables(s, err);
    if (r < 0)
        return r;
    if (mkdir(s->path, 0700) < 0 && errno != EEXIST)
        return err_set(err, errno, "store %s: cannot make the folder: %m", s->path);
    r = own(s, err);
    if (r < 0)
        return r;
    r = open_env(s, err);
    if (r < 0 || (s->flags & MDB_NOSYNC))
        return r;
    /* LMDB syncs its file, not the folder's entry for it. */
    r = sync_directory(s->path);
    if (r < 0)
        return err_set(err, -r, "store %s: cannot sync the folder: %s", s->path, strerror(-r));
    return 0;
}

int store_open(struct store **ret, const struct store_config *config, struct err *err)
{
    struct store *s = calloc(1, sizeof(*s));
    char *path = strdup(config->path);

    if (!s || !path) {
        free(s);
        free(path);
        return err_set(err, ENOMEM, "store %s: out of memory", config->path);
    }
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t map = config->map_bytes ? config->map_bytes : DEFAULT_MAP_BYTES;
    if (map < SMALLEST_MAP_BYTES)
        map = SMALLEST_MAP_BYTES;
    s->path = path;
    s->tables = config->tables;
    while (s->tables[s->n_tables])
        s->n_tables++;
    s->map_bytes = (map + page - 1) / page * page;
    s->flags = MDB_NOTLS | (config->no_sync ? MDB_NOSYNC : 0);
    s->owner_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);

    int r = open_all(s, err);
    if (r < 0) {
        store_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void store_close(struct store *s)
{
    if (s)
        store_free(s);
}

int store_reopen(struct store *s, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    int r = gate_close(s, err);
    if (r == 0) {
        close_env(s);
        r = open_env(s, err);
        gate_open(s);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* Doubles the map. If the system has no room for the larger one, the environment is opened anew as it was. */
static int grow(struct store *s, struct err *err)
{
    pthread_mutex_lock(&s->lock);
    int r = gate_close(s, err);
    if (r == 0 && !s->env) {
        r = err_set(err, EIO, "store %s: closed after a failed commit", s->path);
        gate_open(s);
    } else if (r == 0) {
        size_t before = s->map_bytes;
        int rc = mdb_env_set_mapsize(s->env, before * 2);
        if (rc == 0) {
            s->map_bytes = before * 2;
        } else {
            close_env(s);
            r = open_env(s, err);
            if (r == 0)
                r = err_set(err, -errno_of(rc), "store %s: cannot grow the map to %zu bytes: %s",
                            s->path, before * 2, mdb_strerror(rc));
        }
        gate_open(s);
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

void store_make_room(struct store *s)
{
    struct store_stats stats = { 0 };

    if (store_stats(s, &stats) == 0 && stats.used_bytes > stats.map_bytes / 2)
        (void)grow(s, NULL); /* the long reader is still worth having */
}

void store_check_readers(struct store *s)
{
    int dead;

    pthread_mutex_lock(&s->lock);
    if (s->env)
        (void)mdb_reader_check(s->env, &dead); /* tried again in a minute */
    pthread_mutex_unlock(&s->lock);
}

int store_stats(struct store *s, struct store_stats *ret)
{
    MDB_envinfo info;
    MDB_stat stat;

    pthread_mutex_lock(&s->lock);
    int rc = s->env ? mdb_env_info(s->env, &info) : MDB_PANIC;
    if (!rc)
        rc = mdb_env_stat(s->env, &stat);
    if (!rc) {
        *ret = (struct store_stats) {
            .map_bytes = info.me_mapsize,
            .used_bytes = (info.me_last_pgno + 1) * stat.ms_psize,
            .last_txn = info.me_last_txnid,
            .readers = s->n_live,
        };
        for (const struct rd *rd = s->live; rd; rd = rd->next) {
            uint64_t age = rd->txn ? info.me_last_txnid - mdb_txn_id(rd->txn) : 0;
            if (age > ret->oldest_reader_age_txns)
                ret->oldest_reader_age_txns = age;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return errno_of(rc);
}

/* ---- copy ---- */

static int check_empty(const char *directory, struct err *err)
{
    DIR *dir = opendir(directory);
    const struct dirent *entry;

    if (!dir)
        return err_set(err, errno, "cannot open the folder %s for the copy: %m", directory);
    do
        entry = readdir(dir);
    while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    bool empty = !entry;
    closedir(dir);
    return empty ? 0
                 : err_set(err, ENOTEMPTY,
                           "the folder %s is not empty; give an empty one for the copy", directory);
}

static int copy_to(struct store *s, const char *file, const char *directory, struct err *err)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set(err, errno, "cannot make %s: %m", file);
    int r = errno_of(mdb_env_copyfd2(s->env, fd, MDB_CP_COMPACT));
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    if (r == 0)
        r = sync_directory(directory);
    if (r == 0)
        return 0;
    (void)unlink(file); /* half a copy must not pass for one */
    return err_set(err, -r, "cannot copy the store %s to %s: %s", s->path, file, strerror(-r));
}

int store_copy(struct store *s, const char *directory, struct err *err)
{
    struct rd copy = { .store = s };
    char file[4096];

    if (snprintf(file, sizeof(file), "%s/data.mdb", directory) >= (int)sizeof(file))
        return err_set(err, ENAMETOOLONG, "the path %s is too long", directory);
    int r = check_empty(directory, err);
    if (r < 0)
        return r;
    store_make_room(s);

    pthread_mutex_lock(&s->lock);
    r = gate_pass(s);
    if (r == 0)
        link_live(s, &copy);
    pthread_mutex_unlock(&s->lock);
    if (r < 0)
        return err_set(err, -r, "store %s: closed after a failed commit", s->path);
    r = copy_to(s, file, directory, err);
    pthread_mutex_lock(&s->lock);
    unlink_live(s, &copy);
    pthread_mutex_unlock(&s->lock);
    return r;
}

/* ---- reading ---- */

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
    *ret_why = errno_of(rc);
    return NULL;
}

int rd_begin(struct store *s, struct arena *arena, struct rd **ret)
{
    pthread_mutex_lock(&s->lock);
    int r = gate_pass(s);
    struct rd *rd = r == 0 ? take_snapshot(s, &r) : NULL;
    if (rd) {
        rd->arena = arena;
        link_live(s, rd);
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
    unlink_live(s, rd);
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

static int dbi_of(const struct store *s, const struct table *t, MDB_dbi *ret)
{
    for (size_t at = slot_of(t); s->slots[at].table; at = (at + 1) & (SLOTS - 1)) {
        if (s->slots[at].table == t) {
            *ret = s->slots[at].dbi;
            return 0;
        }
    }
    return dbi_by_name(s, t, ret);
}

static MDB_val key_val(const struct key *k)
{
    static const uint8_t empty_key[1] = { 0 };

    if (k->len == 0)
        return (MDB_val) { sizeof(empty_key), (void *)empty_key };
    return (MDB_val) { k->len, (void *)k->bytes };
}

int rd_get_bytes(const struct rd *rd, const struct table *t, const struct key *k, struct slice *ret)
{
    MDB_dbi dbi;
    MDB_val value;

    if (k->failed)
        return -EOVERFLOW;
    if (rd->wr && rd->wr->status < 0)
        return rd->wr->status;
    int r = dbi_of(rd->store, t, &dbi);
    if (r < 0)
        return r;
    MDB_val key = key_val(k);
    r = errno_of(mdb_get(rd->txn, dbi, &key, &value));
    if (r < 0)
        return r;
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

    if (dbi_of(rd->store, t, &dbi) < 0 || mdb_stat(rd->txn, dbi, &stat) != 0)
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
        scan_stop(s, rc == MDB_NOTFOUND ? 0 : errno_of(rc));
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
                                               : dbi_of(rd->store, t, &dbi);
    if (s->status < 0)
        return false;
    s->status = errno_of(mdb_cursor_open(rd->txn, dbi, &cursor));
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
        scan_stop(s, errno_of(rc));
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
        scan_stop(s, errno_of(rc));
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

void scan_from_piece(struct scan *s, const struct rd *rd, const struct table *t,
                     const struct key *from, const struct key *prefix)
{
    MDB_val key = { from->len, (void *)from->bytes }, value;

    if (!scan_begin(s, rd, t, prefix, false))
        return;
    if (from->failed || from->len == 0) {
        scan_stop(s, from->failed ? -EOVERFLOW : -EINVAL);
        return;
    }
    int rc = mdb_cursor_get(s->cursor, &key, &value, MDB_SET_RANGE);
    bool there =
        rc == 0 && key.mv_size == from->len && memcmp(key.mv_data, from->bytes, from->len) == 0;
    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(s->cursor, &key, &value, MDB_LAST);
    else if (rc == 0 && !there)
        rc = mdb_cursor_get(s->cursor, &key, &value, MDB_PREV);
    if (rc == 0 && key.mv_size >= s->prefix.len &&
        memcmp(key.mv_data, s->prefix.bytes, s->prefix.len) == 0) {
        scan_move(s, &key, MDB_GET_CURRENT);
        return;
    }
    if (rc && rc != MDB_NOTFOUND) {
        scan_stop(s, errno_of(rc));
        return;
    }
    key = (MDB_val) { s->prefix.len, s->prefix.bytes };
    scan_move(s, &key, s->bounded ? MDB_SET_RANGE : MDB_FIRST);
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

/* ---- writing ---- */

/* With the lock held: waits until nobody writes and the gate is open, as LMDB's own lock would. */
static int become_writer(struct store *s)
{
    if (thread_writes(s))
        return -EDEADLK;
    while (s->writing || (s->gate_closed && !thread_reads(s)))
        pthread_cond_wait(&s->changed, &s->lock);
    if (!s->env || s->broken)
        return -EIO;
    s->writing = true;
    s->writer = pthread_self();
    return 0;
}

/* After LMDB's transaction has ended. */
static void writing_ends(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    s->writing = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

int wr_begin(struct store *s, struct arena *arena, struct wr **ret)
{
    MDB_txn *txn;

    pthread_mutex_lock(&s->lock);
    int r = become_writer(s);
    pthread_mutex_unlock(&s->lock);
    if (r < 0)
        return r;
    r = errno_of(mdb_txn_begin(s->env, NULL, 0, &txn));
    if (r < 0) {
        writing_ends(s);
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
        wr->status = dbi_of(wr->rd.store, t, ret);
    return wr->status == 0;
}

/* The message is packed straight into the page. */
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
    MDB_val key = key_val(k), value = { protobuf_c_message_get_packed_size(m), NULL };
    wr->status = errno_of(mdb_put(wr->rd.txn, dbi, &key, &value, MDB_RESERVE));
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
    wr->status = errno_of(mdb_put(wr->rd.txn, dbi, &key, &value, flags));
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
    int rc = mdb_del(wr->rd.txn, dbi, &key, NULL);
    wr->status = rc == MDB_NOTFOUND ? 0 : errno_of(rc);
}

void wr_clear(struct wr *wr, const struct table *t)
{
    const struct key none = KEY_INIT;
    MDB_dbi dbi;

    if (ready(wr, t, &none, &dbi))
        wr->status = errno_of(mdb_drop(wr->rd.txn, dbi, 0));
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
        int r = grow(s, err);
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
    writing_ends(s);
    if (full)
        (void)grow(s, NULL); /* if it cannot grow now, the next transaction's commit says so */
}

/* LMDB's commit, or a failure that a test armed. */
static int commit_txn(MDB_txn *txn)
{
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
        writing_ends(s);
        return failed_before_commit(s, status, err);
    }
    int rc = commit_txn(wr->rd.txn);
    bool unknown = rc && rc != MDB_MAP_FULL;
    if (unknown) {
        pthread_mutex_lock(&s->lock);
        s->broken = true;
        pthread_mutex_unlock(&s->lock);
    }
    writing_ends(s);
    if (!rc)
        return 0;
    if (!unknown) /* met while saving the list of free pages, before anything was written */
        return failed_before_commit(s, -EAGAIN, err);
    *ret_unknown = true;
    return fail(err, rc, s, "the commit failed, its outcome is unknown");
}
