/* metrics.h - counters, gauges and histograms in Prometheus' text format 0.0.4 (names and labels: protocols, section 6.2).
 *
 * Values are atomic: any thread may count. Labels are of bounded sets only; never a person, a path or a message text. */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "common/buf.h"

/* Durations in buckets: 64 of them, each a factor of sqrt(2) wide, from 1 µs on. */
enum { METRICS_BUCKETS = 64 };
struct metrics_histogram {
    _Atomic uint64_t count, sum_us;
    _Atomic uint64_t buckets[METRICS_BUCKETS];
};
/* The bucket a duration falls into. */
unsigned metrics_bucket(uint64_t us);
void metrics_observe_us(struct metrics_histogram *h, uint64_t us);
/* The upper edge of the bucket that holds the `q` quantile (0 to 1), in microseconds; 0 when empty. */
uint64_t metrics_quantile_us(const struct metrics_histogram *h, double q);

/* Writers. A family's HELP and TYPE come once, before its samples. */
void metrics_family(struct buf *out, const char *name, const char *type, const char *help);
/* `labels` is an alternating NULL-terminated list of names and values, or NULL. Values are escaped. */
void metrics_sample(struct buf *out, const char *name, const char *const *labels, double value);
void metrics_histogram_samples(struct buf *out, const char *name, const char *const *labels,
                               const struct metrics_histogram *h);
/* process_cpu_seconds_total and its kin, as the Prometheus conventions name them. `labels` as above: a page of several
 * processes tells them apart by one. */
void metrics_process(struct buf *out, const char *const *labels);
