/* raw_lmdb.c - LMDB without us. Uses lmdb.h directly: what it is compared with must not go through our own code. */
#include "tests/bench/raw_lmdb.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_TABLES = 64 };

struct put {
    unsigned table;
    size_t key_len, value_len;
    uint8_t *bytes; /* key, then value */
    struct put *next;
};

struct raw_sample {
    char *tables[MAX_TABLES];
    unsigned n_tables, log_table;
    struct put **commands;
    size_t n_commands, n_puts, n_bytes;
    size_t log_bytes; /* a command's share */
};

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool failed(const char *what, int rc)
{
    if (rc != 0)
        fprintf(stderr, "raw lmdb: %s: %s\n", what, mdb_strerror(rc));
    return rc != 0;
}

static MDB_env *open_env(const char *dir, unsigned flags)
{
    MDB_env *env = NULL;

    if (failed("create", mdb_env_create(&env)))
        return NULL;
    mdb_env_set_mapsize(env, (size_t)16 << 30);
    mdb_env_set_maxdbs(env, MAX_TABLES);
    if (failed(dir, mdb_env_open(env, dir, flags, 0600))) {
        mdb_env_close(env);
        return NULL;
    }
    return env;
}

/* The number behind "bench-" in the bytes, or -1. */
static long command_of(const MDB_val *v, size_t n_commands)
{
    const char *at = memmem(v->mv_data, v->mv_size, "bench-", 6);
    char digits[10] = "";

    if (!at || (size_t)(at - (char *)v->mv_data) + 15 > v->mv_size)
        return -1;
    memcpy(digits, at + 6, 9);
    char *end;
    long number = strtol(digits, &end, 10);
    return *end == 0 && number >= 0 && (size_t)number < n_commands ? number : -1;
}

static bool add_put(struct raw_sample *s, unsigned table, const MDB_val *k, const MDB_val *v)
{
    long number = command_of(k, s->n_commands);

    if (number < 0)
        number = command_of(v, s->n_commands);
    if (number < 0)
        return true;
    struct put *p = malloc(sizeof *p);
    if (!p || !(p->bytes = malloc(k->mv_size + v->mv_size + 1)))
        return false;
    p->table = table;
    p->key_len = k->mv_size;
    p->value_len = v->mv_size;
    memcpy(p->bytes, k->mv_data, k->mv_size);
    memcpy(p->bytes + k->mv_size, v->mv_data, v->mv_size);
    p->next = s->commands[number];
    s->commands[number] = p;
    s->n_puts++;
    s->n_bytes += k->mv_size + v->mv_size;
    return true;
}

/* The same table of the store as it was before, and as it is. */
struct tables {
    MDB_txn *before, *after;
    MDB_dbi dbi_before, dbi_after;
};

static bool was_there(const struct tables *t, MDB_val *k, const MDB_val *v)
{
    MDB_val old;

    return mdb_get(t->before, t->dbi_before, k, &old) == 0 && old.mv_size == v->mv_size &&
           memcmp(old.mv_data, v->mv_data, v->mv_size) == 0;
}

static bool read_table(struct raw_sample *s, struct tables *t, unsigned table)
{
    MDB_cursor *cursor;
    MDB_val k, v;
    const char *name = s->tables[table];
    bool log = strcmp(name, "_log") == 0, ok = true;

    if (failed(name, mdb_dbi_open(t->before, name, 0, &t->dbi_before)) ||
        failed(name, mdb_dbi_open(t->after, name, 0, &t->dbi_after)) ||
        failed(name, mdb_cursor_open(t->after, t->dbi_after, &cursor)))
        return false;
    while (ok && mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
        if ((name[0] == '_' && !log) || was_there(t, &k, &v))
            continue;
        if (log)
            s->log_bytes += v.mv_size;
        else
            ok = add_put(s, table, &k, &v);
    }
    mdb_cursor_close(cursor);
    if (log)
        s->log_table = table;
    return ok;
}

static bool read_stores(struct raw_sample *s, MDB_env *before, MDB_env *after)
{
    struct tables t;
    MDB_dbi main_dbi;
    MDB_cursor *cursor;
    MDB_val k, v;

    if (failed("begin", mdb_txn_begin(before, NULL, MDB_RDONLY, &t.before)) ||
        failed("begin", mdb_txn_begin(after, NULL, MDB_RDONLY, &t.after)))
        return false;
    bool ok = !failed("main", mdb_dbi_open(t.after, NULL, 0, &main_dbi)) &&
              !failed("main", mdb_cursor_open(t.after, main_dbi, &cursor));
    if (ok) {
        while (s->n_tables < MAX_TABLES && mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0)
            s->tables[s->n_tables++] = strndup(k.mv_data, k.mv_size);
        mdb_cursor_close(cursor);
    }
    for (unsigned i = 0; ok && i < s->n_tables; i++)
        ok = read_table(s, &t, i);
    mdb_txn_abort(t.before);
    mdb_txn_abort(t.after);
    return ok;
}

struct raw_sample *raw_sample_read(const char *before, const char *after, size_t n_commands)
{
    struct raw_sample *s = calloc(1, sizeof *s);
    MDB_env *env_before = open_env(before, MDB_RDONLY), *env_after = open_env(after, MDB_RDONLY);

    if (s)
        s->commands = calloc(n_commands, sizeof *s->commands);
    if (!s || !s->commands || !env_before || !env_after)
        return NULL;
    s->n_commands = n_commands;
    bool ok = read_stores(s, env_before, env_after);
    mdb_env_close(env_before);
    mdb_env_close(env_after);
    s->log_bytes /= n_commands;
    s->n_puts += n_commands;
    s->n_bytes += n_commands * (s->log_bytes + 8);
    if (!ok || s->n_puts == n_commands) {
        fprintf(stderr, "raw lmdb: %s holds no more of bench- organisations than %s\n", after,
                before);
        raw_sample_free(s);
        return NULL;
    }
    return s;
}

void raw_sample_free(struct raw_sample *s)
{
    for (size_t i = 0; i < s->n_commands; i++)
        for (struct put *p = s->commands[i], *next; p; p = next) {
            next = p->next;
            free(p->bytes);
            free(p);
        }
    for (unsigned i = 0; i < s->n_tables; i++)
        free(s->tables[i]);
    free(s->commands);
    free(s);
}

double raw_sample_puts(const struct raw_sample *s)
{
    return (double)s->n_puts / (double)s->n_commands;
}

double raw_sample_bytes(const struct raw_sample *s)
{
    return (double)s->n_bytes / (double)s->n_commands;
}

static int put_command(const struct raw_sample *s, MDB_txn *txn, const MDB_dbi *dbis, size_t number,
                       const uint8_t *log)
{
    uint8_t key[9] = { 0xff }; /* behind all numbers of records */

    for (size_t i = 0; i < 8; i++)
        key[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    MDB_val k = { sizeof key, key }, v = { s->log_bytes, (void *)(uintptr_t)log };
    int rc = mdb_put(txn, dbis[s->log_table], &k, &v, MDB_APPEND);
    for (const struct put *p = s->commands[number]; p && rc == 0; p = p->next) {
        k = (MDB_val) { p->key_len, p->bytes };
        v = (MDB_val) { p->value_len, p->bytes + p->key_len };
        rc = mdb_put(txn, dbis[p->table], &k, &v, 0);
    }
    return rc;
}

/* The service has had its store open for a while: the first touch of a page is not part of a commit. */
static void warm_up(const struct raw_sample *s, MDB_txn *txn, const MDB_dbi *dbis)
{
    MDB_cursor *cursor;
    MDB_val k, v;
    volatile uint8_t sink = 0;

    for (unsigned i = 0; i < s->n_tables; i++) {
        if (mdb_cursor_open(txn, dbis[i], &cursor) != 0)
            continue;
        while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0)
            if (v.mv_size > 0)
                sink ^= *(const uint8_t *)v.mv_data;
        mdb_cursor_close(cursor);
    }
    (void)sink;
}

static int put_all(const struct raw_sample *s, MDB_env *env, size_t first, size_t calls,
                   size_t per_commit, double *ret_begin)
{
    MDB_dbi dbis[MAX_TABLES];
    MDB_txn *txn;
    uint8_t *log = calloc(1, s->log_bytes + 1);
    int rc = mdb_txn_begin(env, NULL, 0, &txn);

    for (unsigned i = 0; i < s->n_tables && rc == 0; i++)
        rc = mdb_dbi_open(txn, s->tables[i], MDB_CREATE, &dbis[i]);
    if (rc == 0)
        warm_up(s, txn, dbis);
    *ret_begin = now_s();
    for (size_t i = 0; i < calls && rc == 0; i++) {
        rc = put_command(s, txn, dbis, first + i, log);
        if (rc == 0 && ((i + 1) % per_commit == 0 || i + 1 == calls)) {
            rc = mdb_txn_commit(txn);
            txn = NULL;
            if (rc == 0)
                rc = mdb_txn_begin(env, NULL, 0, &txn);
        }
    }
    if (txn)
        mdb_txn_abort(txn);
    free(log);
    return rc;
}

double raw_lmdb_run(const struct raw_sample *s, const char *dir, size_t first, size_t calls,
                    size_t per_commit)
{
    if (first + calls > s->n_commands) {
        fprintf(stderr, "raw lmdb: the sample has only %zu commands\n", s->n_commands);
        return -1;
    }
    MDB_env *env = open_env(dir, 0);
    if (!env)
        return -1;
    double begin;
    int rc = put_all(s, env, first, calls, per_commit, &begin);
    double seconds = now_s() - begin;
    mdb_env_close(env);
    return failed("put", rc) ? -1 : (double)calls / seconds;
}

double raw_lmdb_walk_log(const char *store, uint64_t n_events)
{
    MDB_env *env = open_env(store, MDB_RDONLY);
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val k, v;
    static uint8_t copy[1 << 26];

    if (!env || failed("begin", mdb_txn_begin(env, NULL, MDB_RDONLY, &txn)))
        return -1;
    if (failed("_log", mdb_dbi_open(txn, "_log", 0, &dbi)) ||
        failed("_log", mdb_cursor_open(txn, dbi, &cursor)))
        return -1;
    double begin = now_s();
    while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0)
        memcpy(copy, v.mv_data, v.mv_size < sizeof copy ? v.mv_size : sizeof copy);
    double seconds = now_s() - begin;
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return (double)n_events / seconds;
}
