/* metrics.c - counts of durations, and the text that Prometheus reads.
 *
 * Counting is a few relaxed additions: figures of one page may be some calls apart, which a scrape cannot tell. A page shows
 * every fourth edge between 32 µs and 8 s only; finer or further ones cost lines and teach nobody anything. */
#include "common/metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_SHOWN = 10, LAST_SHOWN = 46, SHOWN_STEP = 4 };

/* Bucket i holds what is above edge i-1 and up to edge i, which is 2^(i/2) µs; the last one all the rest. */
static double edge_us(unsigned bucket)
{
    double edge = (double)(1ull << (bucket / 2));
    return bucket % 2 ? edge * M_SQRT2 : edge;
}

unsigned metrics_bucket(uint64_t us)
{
    if (us <= 1)
        return 0;
    unsigned log2 = 63 - (unsigned)__builtin_clzll(us);
    unsigned bucket = 2 * log2;
    if (bucket >= METRICS_BUCKETS)
        return METRICS_BUCKETS - 1;
    while (bucket < METRICS_BUCKETS - 1 && (double)us > edge_us(bucket))
        bucket++;
    return bucket;
}

void metrics_observe_us(struct metrics_histogram *h, uint64_t us)
{
    atomic_fetch_add_explicit(&h->buckets[metrics_bucket(us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
}

uint64_t metrics_quantile_us(const struct metrics_histogram *h, double q)
{
    uint64_t seen = 0, total = 0;

    /* Not h->count: others may count meanwhile. */
    for (unsigned i = 0; i < METRICS_BUCKETS; i++)
        total += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
    if (total == 0)
        return 0;
    uint64_t wanted = (uint64_t)ceil(q * (double)total);
    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        seen += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        if (seen >= wanted && seen > 0)
            return (uint64_t)edge_us(i);
    }
    return (uint64_t)edge_us(METRICS_BUCKETS - 1);
}

void metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s ", name);
    for (const char *c = help; *c; c++) {
        if (*c == '\\' || *c == '\n')
            buf_append_byte(out, '\\');
        buf_append_byte(out, *c == '\n' ? 'n' : (uint8_t)*c);
    }
    buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

static void append_label(struct buf *out, const char *name, const char *value)
{
    buf_append_str(out, name);
    buf_append_str(out, "=\"");
    for (const char *c = value; *c; c++) {
        if (*c == '\\' || *c == '"' || *c == '\n')
            buf_append_byte(out, '\\');
        buf_append_byte(out, *c == '\n' ? 'n' : (uint8_t)*c);
    }
    buf_append_byte(out, '"');
}

/* `le` is the histogram's own label, NULL for none. */
static void append_labels(struct buf *out, const char *const *labels, const char *le)
{
    bool any = false;

    for (size_t i = 0; labels && labels[i] && labels[i + 1]; i += 2) {
        buf_append_byte(out, any ? ',' : '{');
        append_label(out, labels[i], labels[i + 1]);
        any = true;
    }
    if (le) {
        buf_append_byte(out, any ? ',' : '{');
        append_label(out, "le", le);
        any = true;
    }
    if (any)
        buf_append_byte(out, '}');
}

static void append_value(struct buf *out, double value)
{
    if (isnan(value))
        buf_append_str(out, " NaN\n");
    else if (isinf(value))
        buf_append_str(out, value > 0 ? " +Inf\n" : " -Inf\n");
    else if (value == floor(value) && fabs(value) < 9007199254740992.0)
        buf_printf(out, " %.0f\n", value);
    else
        buf_printf(out, " %.10g\n", value);
}

void metrics_sample(struct buf *out, const char *name, const char *const *labels, double value)
{
    buf_append_str(out, name);
    append_labels(out, labels, NULL);
    append_value(out, value);
}

static void bucket_sample(struct buf *out, const char *name, const char *const *labels,
                          const char *le, uint64_t count)
{
    buf_append_str(out, name);
    buf_append_str(out, "_bucket");
    append_labels(out, labels, le);
    buf_printf(out, " %llu\n", (unsigned long long)count);
}

void metrics_histogram_samples(struct buf *out, const char *name, const char *const *labels,
                               const struct metrics_histogram *h)
{
    uint64_t seen = 0;
    char le[32];

    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        seen += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        if (i < FIRST_SHOWN || i > LAST_SHOWN || (i - FIRST_SHOWN) % SHOWN_STEP != 0)
            continue;
        (void)snprintf(le, sizeof(le), "%.9g", edge_us(i) / 1e6); /* always fits */
        bucket_sample(out, name, labels, le, seen);
    }
    bucket_sample(out, name, labels, "+Inf", seen);
    buf_append_str(out, name);
    buf_append_str(out, "_sum");
    append_labels(out, labels, NULL);
    append_value(out, (double)atomic_load_explicit(&h->sum_us, memory_order_relaxed) / 1e6);
    buf_append_str(out, name);
    buf_append_str(out, "_count");
    append_labels(out, labels, NULL);
    /* The same number as the +Inf bucket, or the page contradicts itself. */
    buf_printf(out, " %llu\n", (unsigned long long)seen);
}

/* ---- the process's own figures, read from /proc/self; what cannot be read is left out ---- */

static void gauge(struct buf *out, const char *const *labels, const char *name, const char *help,
                  double value)
{
    metrics_family(out, name, "gauge", help);
    metrics_sample(out, name, labels, value);
}

static void process_memory(struct buf *out, const char *const *labels)
{
    unsigned long pages_virtual, pages_resident;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return;
    int n = fscanf(f, "%lu %lu", &pages_virtual, &pages_resident);
    (void)fclose(f); /* only read */
    if (n != 2)
        return;
    double page_bytes = (double)sysconf(_SC_PAGESIZE);
    gauge(out, labels, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
          (double)pages_virtual * page_bytes);
    gauge(out, labels, "process_resident_memory_bytes", "Resident memory size in bytes.",
          (double)pages_resident * page_bytes);
}

static void process_files(struct buf *out, const char *const *labels)
{
    struct rlimit limit;
    double open_fds = 0;

    DIR *dir = opendir("/proc/self/fd");
    if (dir) {
        for (const struct dirent *e; (e = readdir(dir));)
            open_fds += e->d_name[0] != '.';
        (void)closedir(dir); /* only read */
        /* One of them was the folder itself. */
        gauge(out, labels, "process_open_fds", "Number of open file descriptors.", open_fds - 1);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        gauge(out, labels, "process_max_fds", "Maximum number of open file descriptors.",
              (double)limit.rlim_cur);
}

static double clock_seconds(clockid_t clock)
{
    struct timespec t = { 0 };
    (void)clock_gettime(clock, &t); /* cannot fail for these clocks */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void process_start(struct buf *out, const char *const *labels)
{
    char line[1024];
    unsigned long long start_ticks;
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return;
    const char *read = fgets(line, sizeof(line), f);
    (void)fclose(f); /* only read */
    /* The second field is the program's name in parentheses and may hold anything; the start is the 20th after it. */
    const char *rest = read ? strrchr(line, ')') : NULL;
    if (!rest || sscanf(rest + 1,
                        " %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %llu",
                        &start_ticks) != 1)
        return;
    double booted = clock_seconds(CLOCK_REALTIME) - clock_seconds(CLOCK_BOOTTIME);
    double started = booted + (double)start_ticks / (double)sysconf(_SC_CLK_TCK);
    gauge(out, labels, "process_start_time_seconds",
          "Start time of the process since the Unix epoch in seconds.", round(started * 100) / 100);
}

void metrics_process(struct buf *out, const char *const *labels)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
        metrics_family(out, "process_cpu_seconds_total", "counter",
                       "Total user and system CPU time spent in seconds.");
        metrics_sample(out, "process_cpu_seconds_total", labels, seconds);
    }
    process_memory(out, labels);
    process_files(out, labels);
    process_start(out, labels);
}
