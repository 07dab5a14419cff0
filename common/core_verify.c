/* core_verify.c - proves that the tables are what the log says: walks the chain, replays it into a scratch store and
 * compares every table byte for byte.
 *
 * A live service goes on meanwhile. A long snapshot would keep its map from growing and its pages from being used
 * again, so the log as it stands at the start, which nobody changes any more, is read through short ones; then one
 * snapshot serves for what was appended since and for the comparison.
 *
 * The search's tables are replayed by a thread of their own (search_relay.h).
 *
 * The log's own index is compared while walking; its records are covered by the chain and its head by the walk's end. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core_internal.h"
#include "common/search_relay.h"

struct verify {
    const struct service_def *def;
    struct store *scratch;
    struct search_relay
        *relay; /* writes the search's tables, into a store beside; NULL: there are none */
    bool again; /* the transaction to come repeats one */
    const struct rd *live; /* the snapshot at hand */
    struct arena *record, *fold, *txn, *snapshot;
    struct log_head head, end; /* how far the walk is; where the log ends in this snapshot */
    struct scan index;         /* of the log's index, which walks beside the records */
    struct core_verdict *verdict;
    struct progress progress;
    struct err *err;
};

static void found(struct verify *v, const char *text)
{
    v->verdict->identical = false;
    if (!v->verdict->problem[0])
        (void)snprintf(v->verdict->problem, sizeof v->verdict->problem, "%s", text);
}

/* ---- the scratch store ---- */

static const char *const store_files[] = { "data.mdb", "lock.mdb", "owner" };

static void remove_scratch(const char *path)
{
    char file[4200];

    for (size_t i = 0; i < ARRAY_LEN(store_files); i++) {
        int n = snprintf(file, sizeof file, "%s/%s", path, store_files[i]);
        if (n > 0 && (size_t)n < sizeof file)
            (void)unlink(file); /* may not be there */
    }
    (void)rmdir(path); /* a folder with other things in it is not ours to remove */
}

static int open_relay(struct verify *v, const struct store_config *like, const char *path)
{
    struct store_config config = *like;

    config.path = path;
    remove_scratch(path);
    return search_relay_new(&v->relay, &config, v->err);
}

static int open_scratch(struct verify *v, struct store *live, const char *path,
                        const char *search_path, const struct table *const *tables)
{
    struct store_stats stats;

    int r = store_stats(live, &stats);
    if (r < 0)
        return err_set(v->err, -r, "cannot size the scratch store: %s", strerror(-r));
    const struct store_config config = {
        .path = path, .tables = tables, .map_bytes = stats.map_bytes, .no_sync = true
    };
    remove_scratch(path);
    r = store_open(&v->scratch, &config, v->err);
    return r == 0 && search_has_tables(tables) ? open_relay(v, &config, search_path) : r;
}

/* ---- the replay ---- */

/* The index has one row a record that holds events: its first sequence, then its number. */
static void check_index(struct verify *v, const Fokus__Event__V1__Record *record)
{
    struct key first = KEY_INIT, number = KEY_INIT;
    char text[128];

    if (!record->n_events)
        return;
    key_u64(&first, record->first_sequence);
    key_u64(&number, record->number);
    if (scan_next(&v->index) && v->index.key.len == first.len && v->index.value.len == number.len &&
        memcmp(v->index.key.data, first.bytes, first.len) == 0 &&
        memcmp(v->index.value.data, number.bytes, number.len) == 0)
        return;
    (void)snprintf(text, sizeof text, "the log's index does not point at record %" PRIu64,
                   record->number);
    found(v, text);
}

static int replay_one(struct verify *v, struct wr *wr, size_t *bytes)
{
    Fokus__Event__V1__Record *record;
    struct slice packed;

    arena_reset(v->record);
    int r = chain_next(v->live, &v->head, v->record, &record, &packed, v->err);
    if (r < 0)
        return r;
    *bytes += packed.len;
    v->verdict->records++;
    v->verdict->events += record->n_events;
    check_index(v, record);
    return fold_record(v->def, wr, record, v->fold, v->err);
}

/* Folds the next records, as many as one transaction should hold. */
static int replay_some(struct verify *v, struct wr *wr)
{
    struct key from = KEY_INIT;
    size_t bytes = 0;
    int r = 0;

    scan_from(&v->index, v->live, &log_tables_index, key_u64(&from, v->head.next_sequence), NULL);
    for (unsigned n = 0; r == 0 && v->head.record < v->end.record && n < CORE_REPLAY_RECORDS &&
                         bytes < CORE_REPLAY_BYTES;
         n++)
        r = replay_one(v, wr, &bytes);
    if (r == 0 && v->head.record == v->end.record) {
        if (scan_next(&v->index))
            found(v, "the log's index points past the log's end");
        r = meta_put_schema(wr, service_schema(v->def));
    }
    int index_r = scan_end(&v->index);
    return r < 0 ? r : index_r;
}

/* One transaction of the replay. When the scratch map has to grow, all is as before: -EAGAIN. */
static int replay_batch(struct verify *v)
{
    const struct log_head head = v->head;
    const struct core_verdict verdict = *v->verdict;
    struct wr *wr;
    bool unknown = false;

    arena_reset(v->txn);
    int r = wr_begin(v->scratch, v->txn, &wr);
    if (r < 0)
        return err_set(v->err, -r, "cannot write the scratch store: %s", strerror(-r));
    if (v->relay)
        search_relay_attach(v->relay, wr, v->again);
    r = replay_some(v, wr);
    if (r == 0 || wr_status(wr) < 0)
        r = wr_commit(wr, &unknown, v->err);
    else
        wr_abort(wr);
    v->again = r == -EAGAIN;
    if (v->again) {
        v->head = head;
        *v->verdict = verdict;
    }
    return r;
}

/* ---- the comparison ---- */

static bool same_entry(const struct scan *a, const struct scan *b)
{
    return a->key.len == b->key.len && a->value.len == b->value.len &&
           memcmp(a->key.data, b->key.data, a->key.len) == 0 &&
           (a->value.len == 0 || memcmp(a->value.data, b->value.data, a->value.len) == 0);
}

static int compare_table(struct verify *v, const struct rd *replayed, const struct table *t)
{
    size_t at = v->verdict->n_tables++;
    struct scan a, b;
    struct key all = KEY_INIT;
    uint64_t n = 0;
    bool more_a, more_b, same = true;

    scan_prefix(&a, v->live, t, &all);
    scan_prefix(&b, replayed, t, &all);
    while (more_a = scan_next(&a), more_b = scan_next(&b), more_a && more_b && same) {
        same = same_entry(&a, &b);
        n += same;
    }
    int r = scan_end(&a), r2 = scan_end(&b);
    if (r == 0)
        r = r2;
    if (r < 0)
        return err_set(v->err, -r, "table %s cannot be read: %s", t->name, strerror(-r));
    v->verdict->tables[at].table = t->name;
    v->verdict->tables[at].entries = rd_count(v->live, t);
    v->verdict->tables[at].identical = same && !more_a && !more_b;
    if (!v->verdict->tables[at].identical) {
        char text[200];
        (void)snprintf(text, sizeof text,
                       "table %s differs from the log's replay after %" PRIu64 " equal entries",
                       t->name, n);
        found(v, text);
    }
    return 0;
}

/* Compares the tables that are the search's, or those that are not, with what the store has of them. */
static int compare_share(struct verify *v, struct store *store, const struct table *const *tables,
                         bool searchs)
{
    struct rd *replayed;

    arena_reset(v->txn);
    int r = rd_begin(store, v->txn, &replayed);
    if (r < 0)
        return err_set(v->err, -r, "cannot read the scratch store: %s", strerror(-r));
    for (size_t i = 0; r == 0 && tables[i]; i++)
        if (search_is_table(tables[i]) == searchs)
            r = compare_table(v, replayed, tables[i]);
    rd_end(replayed);
    return r;
}

/* The search's tables are compared last: meanwhile the other thread may end. */
static int compare_all(struct verify *v, const struct table *const *tables)
{
    int r = compare_share(v, v->scratch, tables, false);
    if (r < 0 || !v->relay)
        return r;
    r = search_relay_finish(v->relay, v->err);
    return r < 0 ? r : compare_share(v, search_relay_store(v->relay), tables, true);
}

/* ---- the whole ---- */

static int read_end(struct verify *v)
{
    enum log_rc rc = log_head(v->live, &v->end);

    return rc == LOG_OK
               ? 0
               : err_set(v->err, EBADMSG, "the log's head cannot be read: %s", log_rc_name(rc));
}

static int begin_snapshot(struct verify *v, struct store *live, struct rd **ret)
{
    arena_reset(v->snapshot);
    int r = rd_begin(live, v->snapshot, ret);
    if (r < 0)
        return err_set(v->err, -r, "cannot read the store: %s", strerror(-r));
    v->live = *ret;
    r = read_end(v);
    if (r < 0)
        rd_end(*ret);
    return r;
}

/* Replays what the log holds at the start, a short snapshot a transaction. */
static int replay_past(struct verify *v, struct store *live)
{
    uint64_t last = 0;
    struct rd *rd;
    int r;

    do {
        r = begin_snapshot(v, live, &rd);
        if (r < 0)
            return r;
        last = last ? last : v->end.record;
        r = replay_batch(v);
        progress_show(&v->progress, v->head.record, v->end.record);
        rd_end(rd);
    } while (r == -EAGAIN || (r == 0 && v->head.record < last));
    return r;
}

/* Replays what was appended meanwhile and compares, on one snapshot. */
static int replay_and_compare(struct verify *v, struct store *live,
                              const struct table *const *tables)
{
    struct rd *rd;

    store_make_room(live);
    int r = begin_snapshot(v, live, &rd);
    if (r < 0)
        return r;
    while (v->head.record < v->end.record && (r == 0 || r == -EAGAIN))
        r = replay_batch(v);
    progress_show(&v->progress, v->head.record, v->end.record);
    if (r == 0)
        r = chain_end(v->live, &v->head, &v->end, v->err);
    if (r == 0)
        r = compare_all(v, tables);
    rd_end(rd);
    return r;
}

/* A broken chain is a verdict, not a failure. */
static int verify_all(struct verify *v, struct store *live, const struct table *const *tables)
{
    struct err problem = { "" }, *outer = v->err;
    struct rd *rd;

    v->err = &problem;
    int r = begin_snapshot(v, live, &rd);
    if (r == 0) {
        r = chain_prime(v->live, &v->end, 1, v->record, &v->head, v->err);
        rd_end(rd);
    }
    if (r == 0)
        r = replay_past(v, live);
    if (r == 0)
        r = replay_and_compare(v, live, tables);
    v->err = outer;
    if (r == -EBADMSG) {
        found(v, problem.text);
        return 0;
    }
    return r < 0 ? err_set(outer, -r, "%s", problem.text[0] ? problem.text : strerror(-r)) : 0;
}

static void free_text(char **text)
{
    free(*text);
}

static int verify_with(struct verify *v, struct store *live, const char *scratch_path,
                       const struct table *const *tables)
{
    if (!v->record || !v->fold || !v->txn || !v->snapshot)
        return err_set(v->err, ENOMEM, "no memory to verify");
    AUTO(free_text) char *search_path = NULL;
    if (asprintf(&search_path, "%s.search", scratch_path) < 0) {
        search_path = NULL;
        return err_set(v->err, ENOMEM, "no memory to verify");
    }
    int r = open_scratch(v, live, scratch_path, search_path, tables);
    if (r == 0)
        r = verify_all(v, live, tables);
    search_relay_free(v->relay);
    store_close(v->scratch);
    remove_scratch(scratch_path);
    remove_scratch(search_path);
    return r;
}

int core_verify(const struct service_def *def, struct store *store, const char *scratch_path,
                struct core_verdict *ret, core_progress *progress, void *progress_arg,
                struct err *err)
{
    const struct table **tables = core_folded_tables(def);
    struct verify v = {
        .def = def,
        .record = arena_new(CORE_REPLAY_ARENA),
        .fold = arena_new(CORE_REPLAY_ARENA),
        .txn = arena_new(CORE_REPLAY_ARENA),
        .snapshot = arena_new(CORE_REPLAY_ARENA),
        .verdict = ret,
        .progress = { progress, progress_arg, 0 },
        .err = err,
    };
    size_t n = 0;
    int r;

    *ret = (struct core_verdict) { .identical = true };
    while (tables && tables[n])
        n++;
    if (!tables)
        r = err_set(err, ENOMEM, "no memory to verify");
    else if (n > ARRAY_LEN(ret->tables))
        r = err_set(err, E2BIG, "a service has at most %zu tables", ARRAY_LEN(ret->tables));
    else
        r = verify_with(&v, store, scratch_path, tables);
    arena_free(v.record);
    arena_free(v.fold);
    arena_free(v.txn);
    arena_free(v.snapshot);
    free(tables);
    return r;
}
