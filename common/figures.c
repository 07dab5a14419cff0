/* figures.c - methods by name, and the counts kept beside each.
 *
 * The names' table is open addressing over a name's length and last eight bytes, in which methods differ. Only our own
 * names are in it, so a stranger can make look-ups miss but not slow. Counting goes by the method's place in its contract. */
#include "common/figures.h"

#include <stdlib.h>
#include <string.h>

#include "common/status.h"
#include "fokus/runtime/v1/runtime.fokus.h"

enum {
    CODES = CODE_UNAUTHENTICATED + 1,
    RECENT_SECONDS = 10,
    SECONDS_KEPT = RECENT_SECONDS + 2, /* the second that runs, and the one being overwritten */
    BATCH_EDGES = 11,                  /* 1, 2, 4 ... 1,024 commands in a commit */
};

struct row {
    const struct method *method; /* NULL in the row of unknown names, and in free slots */
    size_t name_len;
    struct metrics_histogram *by_code[CODES];
};

struct second {
    int64_t at;
    uint32_t calls;
    uint32_t buckets[METRICS_BUCKETS];
};

struct figures {
    const char *service;
    const struct contract *contract;
    struct row *rows; /* a power of two of them, at most half of them taken */
    size_t n_rows;
    struct row **places; /* rows of the contract's methods, then of the runtime's */
    struct row unknown;
    struct second seconds[SECONDS_KEPT];
    struct metrics_histogram commit;
    uint64_t batches[BATCH_EDGES + 1], commands, commits;
    uint64_t calls, published, bad_frames, lost_replies;
};

static size_t hash_name(const uint8_t *name, size_t len)
{
    uint64_t tail = 0;

    if (len > 0)
        memcpy(&tail, len < sizeof(tail) ? name : name + len - sizeof(tail),
               len < sizeof(tail) ? len : sizeof(tail));
    return (size_t)(((tail ^ len) * 0x9e3779b97f4a7c15u) >> 32);
}

/* The name's row, or the free slot where it would go. */
static struct row *row_of(const struct figures *f, const uint8_t *name, size_t len)
{
    size_t at = hash_name(name, len) & (f->n_rows - 1);
    for (;; at = (at + 1) & (f->n_rows - 1)) {
        struct row *row = &f->rows[at];
        if (!row->method)
            return row;
        if (row->name_len == len && memcmp(row->method->full_name, name, len) == 0)
            return row;
    }
}

/* Methods lie in two arrays. */
static size_t place_of(const struct figures *f, const struct method *m)
{
    const struct contract *own = f->contract;
    uintptr_t at = (uintptr_t)m, first = (uintptr_t)own->methods;

    if (at >= first && at < (uintptr_t)(own->methods + own->n_methods))
        return (size_t)(m - own->methods);
    return own->n_methods + (size_t)(m - runtime_contract.methods);
}

static void add_methods(struct figures *f, const struct contract *contract)
{
    for (size_t i = 0; i < contract->n_methods; i++) {
        const struct method *m = &contract->methods[i];
        size_t len = strlen(m->full_name);
        struct row *row = row_of(f, (const uint8_t *)m->full_name, len);
        row->method = m;
        row->name_len = len;
        f->places[place_of(f, m)] = row;
    }
}

struct figures *figures_new(const struct service_def *def)
{
    size_t methods = def->contract->n_methods + runtime_contract.n_methods;
    struct figures *f = calloc(1, sizeof(*f));
    if (!f)
        return NULL;
    f->service = def->name;
    f->contract = def->contract;
    for (f->n_rows = 16; f->n_rows < 2 * methods;)
        f->n_rows *= 2;
    f->rows = calloc(f->n_rows, sizeof(*f->rows));
    f->places = calloc(methods, sizeof(struct row *));
    if (!f->rows || !f->places) {
        free(f->places);
        free(f->rows);
        free(f);
        return NULL;
    }
    add_methods(f, def->contract);
    add_methods(f, &runtime_contract);
    return f;
}

static void row_free(struct row *row)
{
    for (size_t i = 0; i < CODES; i++)
        free(row->by_code[i]);
}

void figures_free(struct figures *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n_rows; i++)
        row_free(&f->rows[i]);
    row_free(&f->unknown);
    free(f->places);
    free(f->rows);
    free(f);
}

const struct method *figures_method(const struct figures *f, struct slice name)
{
    return row_of(f, name.data, name.len)->method;
}

static void count_second(struct figures *f, uint64_t us, int64_t now_ms)
{
    int64_t now = now_ms / 1000;
    struct second *s = &f->seconds[now % SECONDS_KEPT];

    if (s->at != now)
        *s = (struct second) { .at = now };
    s->calls++;
    s->buckets[metrics_bucket(us)]++;
}

void figures_answered(struct figures *f, const struct method *m, int code, uint64_t us,
                      int64_t now_ms)
{
    struct row *row = m ? f->places[place_of(f, m)] : &f->unknown;
    struct metrics_histogram **h = &row->by_code[code >= 0 && code < CODES ? code : CODE_UNKNOWN];

    f->calls++;
    count_second(f, us, now_ms);
    /* Without memory for the histogram the call is missing on the page only. */
    if (!*h)
        *h = calloc(1, sizeof(**h));
    if (*h)
        metrics_observe_us(*h, us);
}

void figures_committed(struct figures *f, size_t commands, uint64_t us)
{
    size_t edge = 0;
    while (edge < BATCH_EDGES && commands > (size_t)1 << edge)
        edge++;
    f->batches[edge]++;
    f->commands += commands;
    f->commits++;
    metrics_observe_us(&f->commit, us);
}

void figures_published(struct figures *f, size_t events)
{
    f->published += events;
}

void figures_bad_frame(struct figures *f)
{
    f->bad_frames++;
}

void figures_lost_reply(struct figures *f)
{
    f->lost_replies++;
}

void figures_recent(const struct figures *f, int64_t now_ms, struct figures_recent *ret)
{
    struct metrics_histogram sum = { 0 };
    uint64_t calls = 0;
    int64_t now = now_ms / 1000;

    for (size_t i = 0; i < SECONDS_KEPT; i++) {
        const struct second *s = &f->seconds[i];
        if (s->at >= now || s->at < now - RECENT_SECONDS)
            continue;
        calls += s->calls;
        for (size_t b = 0; b < METRICS_BUCKETS; b++)
            sum.buckets[b] += s->buckets[b];
    }
    *ret = (struct figures_recent) {
        .calls_per_second = (double)calls / RECENT_SECONDS,
        .p99_ms = (double)metrics_quantile_us(&sum, 0.99) / 1000,
        .calls_total = f->calls,
    };
}

/* ---- the page ---- */

static void row_samples(const struct figures *f, const struct row *row, struct buf *out)
{
    for (int code = 0; code < CODES; code++) {
        if (!row->by_code[code])
            continue;
        const char *const labels[] = {
            "service", f->service,
            "method",  row->method ? row->method->full_name : "unknown",
            "code",    code_name((enum code)code),
            NULL,
        };
        metrics_histogram_samples(out, "fokus_rpc_server_duration_seconds", labels,
                                  row->by_code[code]);
    }
}

static void rpc_family(const struct figures *f, struct buf *out)
{
    if (f->calls == 0)
        return;
    metrics_family(out, "fokus_rpc_server_duration_seconds", "histogram",
                   "Time from a call's receipt to its reply.");
    for (size_t i = 0; i < f->n_rows; i++)
        row_samples(f, &f->rows[i], out);
    row_samples(f, &f->unknown, out);
}

static void one(const struct figures *f, struct buf *out, const char *name, const char *type,
                const char *help, double value)
{
    const char *const labels[] = { "service", f->service, NULL };

    metrics_family(out, name, type, help);
    metrics_sample(out, name, labels, value);
}

static void commit_families(const struct figures *f, struct buf *out)
{
    const char *const labels[] = { "service", f->service, NULL };
    static const char *const edges[BATCH_EDGES + 1] = { "1",  "2",   "4",   "8",   "16",   "32",
                                                        "64", "128", "256", "512", "1024", "+Inf" };
    uint64_t seen = 0;

    if (f->commits == 0)
        return;
    metrics_family(out, "fokus_commit_seconds", "histogram",
                   "Time to decide, append, apply and commit one batch of commands.");
    metrics_histogram_samples(out, "fokus_commit_seconds", labels, &f->commit);

    metrics_family(out, "fokus_commands_per_commit", "histogram", "Commands in one commit.");
    for (size_t i = 0; i <= BATCH_EDGES; i++) {
        const char *const with_edge[] = { "service", f->service, "le", edges[i], NULL };
        seen += f->batches[i];
        metrics_sample(out, "fokus_commands_per_commit_bucket", with_edge, (double)seen);
    }
    metrics_sample(out, "fokus_commands_per_commit_sum", labels, (double)f->commands);
    metrics_sample(out, "fokus_commands_per_commit_count", labels, (double)seen);
}

void figures_page(const struct figures *f, const struct figures_gauges *gauges, struct buf *out)
{
    const char *const build[] = { "service", f->service, "version", FOKUS_VERSION, NULL };
    const char *const labels[] = { "service", f->service, NULL };

    metrics_family(out, "fokus_build_info", "gauge", "The running version.");
    metrics_sample(out, "fokus_build_info", build, 1);
    rpc_family(f, out);
    commit_families(f, out);
    one(f, out, "fokus_rpc_in_flight", "gauge", "Calls taken and not yet answered.",
        (double)gauges->in_flight);
    one(f, out, "fokus_queue_depth", "gauge", "Commands that wait for their commit.",
        (double)gauges->queue_depth);
    one(f, out, "fokus_events_published_total", "counter", "Events handed to the event socket.",
        (double)f->published);
    one(f, out, "fokus_log_sequence", "gauge", "Sequence of the log's last event.",
        (double)gauges->last_sequence);
    one(f, out, "fokus_frames_refused_total", "counter", "Frames that could not be read.",
        (double)f->bad_frames);
    one(f, out, "fokus_replies_lost_total", "counter",
        "Replies whose caller was gone or did not read.", (double)f->lost_replies);
    one(f, out, "fokus_lmdb_map_size_bytes", "gauge", "Size of the store's map.",
        (double)gauges->map_bytes);
    one(f, out, "fokus_lmdb_map_used_bytes", "gauge", "Used part of the store's map.",
        (double)gauges->used_bytes);
    one(f, out, "fokus_lmdb_readers", "gauge", "Snapshots in use.", (double)gauges->readers);
    one(f, out, "fokus_lmdb_oldest_reader_age_txns", "gauge",
        "Transactions since the oldest snapshot in use.", (double)gauges->oldest_reader_age_txns);
    metrics_process(out, labels);
}
