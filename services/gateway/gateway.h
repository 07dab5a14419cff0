/* gateway.h - what the gateway's parts share: one loop, one thread, no locks. */
#pragma once
#include <stdint.h>

#include "common/arena.h"
#include "common/metrics.h"
#include "services/gateway/http.h"
#include "services/gateway/registry.h"
#include "services/gateway/resolve.h"
#include "services/gateway/session.h"
#include "services/gateway/zip.h"

struct gateway {
    struct registry *registry;
    struct resolver *resolver;
    struct proxies proxies;
    struct http *http, *admin;
    struct arena *arena; /* reset after each call's reading and answering */
    struct buf packed;   /* a request's message, on its way to the client */
    struct buf unzipped;
    struct buf nobody, origin; /* a call's caller and origin, likewise */
    struct zip *zip;
    bool draining;
    /* figures */
    uint64_t refused_other_site;
    uint64_t answered[CODE_UNAUTHENTICATED + 1];
    struct metrics_histogram duration;
};

/* call.c: an exchange on the public listener becomes a call of a service. `arg` is the gateway. */
void call_handle(void *arg, struct exchange *e);
/* page.c: health and metrics, on the operator's listener. */
void page_handle(void *arg, struct exchange *e);
/* Appends one valid page made of several texts in Prometheus' format: families together, HELP and TYPE once, each sample
 * labelled with the service it came from. */
struct page_source {
    const char *service;
    struct slice text;
};
void page_merge(const struct page_source *sources, size_t n_sources, struct buf *out);
