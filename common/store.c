/* store.c - the environment of a store: opened, grown, copied, closed. Reads are in store_read.c, writes in store_write.c.
 *
 * The environment lives behind a gate. Every snapshot (and a running copy) is in the list of live readers; what must
 * not happen under anyone's feet - moving the map when it grows, closing and opening the environment - closes the
 * gate, waits until the list is empty and nobody writes, and opens it again. A thread that already reads or writes may
 * pass a closed gate, or it would wait for itself.
 *
 * One process a store: an flock on the file "owner", which holds the process id for the message. A lock belongs to an
 * open file, so that it also keeps one process from opening a store twice, which LMDB forbids.
 *
 * LMDB knows no empty key; it is stored as one zero byte. So a table must not hold both. */
#include "common/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DEFAULT_MAP_BYTES = 256 * 1024 * 1024,
    SMALLEST_MAP_BYTES = 64 * 1024,
    MAX_SNAPSHOTS = 1024, /* reader slots of 64 bytes */
};

int store_errno(int rc)
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

int store_fail(struct err *err, int rc, const struct store *s, const char *what)
{
    int r = store_errno(rc);

    return err_set(err, -r, "store %s: %s: %s", s->path, what, mdb_strerror(rc));
}

/* ---- the gate ---- */

void store_link_live(struct store *s, struct rd *rd)
{
    rd->thread = pthread_self();
    rd->previous = NULL;
    rd->next = s->live;
    if (s->live)
        s->live->previous = rd;
    s->live = rd;
    s->n_live++;
}

void store_unlink_live(struct store *s, struct rd *rd)
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

int store_gate_pass(struct store *s)
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

int store_writer_begins(struct store *s)
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

void store_writer_ends(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    s->writing = false;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
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
        return store_fail(err, rc, s, "cannot open");
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
int store_grow(struct store *s, struct err *err)
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
                r = err_set(err, -store_errno(rc), "store %s: cannot grow the map to %zu bytes: %s",
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
        (void)store_grow(s, NULL); /* the long reader is still worth having */
}

void store_check_readers(struct store *s)
{
    int dead;

    pthread_mutex_lock(&s->lock);
    if (s->env)
        (void)mdb_reader_check(s->env, &dead); /* tried again in a moment */
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
    return store_errno(rc);
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
    int r = store_errno(mdb_env_copyfd2(s->env, fd, MDB_CP_COMPACT));
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
    r = store_gate_pass(s);
    if (r == 0)
        store_link_live(s, &copy);
    pthread_mutex_unlock(&s->lock);
    if (r < 0)
        return err_set(err, -r, "store %s: closed after a failed commit", s->path);
    r = copy_to(s, file, directory, err);
    pthread_mutex_lock(&s->lock);
    store_unlink_live(s, &copy);
    pthread_mutex_unlock(&s->lock);
    return r;
}
