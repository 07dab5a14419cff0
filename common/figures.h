/* figures.h - what a service counts about itself: calls by method and code, commits, events; for GetStatus and GetMetrics.
 *
 * Belongs to the I/O thread: every reply leaves there, so nothing here is shared. Histograms are made at a method's first
 * reply with a code, so that a service that is idle holds none. */
#pragma once
#include <stdint.h>

#include "common/buf.h"
#include "common/metrics.h"
#include "common/service.h"

struct figures;

/* Methods are those of the service's contract and of the runtime's. NULL without memory. */
struct figures *figures_new(const struct service_def *def);
void figures_free(struct figures *f);

/* The method by its name as it came in, NULL for none. */
const struct method *figures_method(const struct figures *f, struct slice name);

/* A call was answered. `m` is NULL for a method that does not exist. */
void figures_answered(struct figures *f, const struct method *m, int code, uint64_t us,
                      int64_t now_ms);
void figures_committed(struct figures *f, size_t commands, uint64_t us);
void figures_published(struct figures *f, size_t events);
/* A frame that could not be read, or a reply whose peer was gone or took none any more. */
void figures_bad_frame(struct figures *f);
void figures_lost_reply(struct figures *f);

/* Over the last ten whole seconds. */
struct figures_recent {
    double calls_per_second, p99_ms;
    uint64_t calls_total;
};
void figures_recent(const struct figures *f, int64_t now_ms, struct figures_recent *ret);

/* What the page shows beside the counts. */
struct figures_gauges {
    uint64_t in_flight, queue_depth, last_sequence;
    uint64_t map_bytes, used_bytes, readers, oldest_reader_age_txns;
};
void figures_page(const struct figures *f, const struct figures_gauges *gauges, struct buf *out);
