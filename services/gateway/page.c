/* page.c - what an operator and his monitoring ask: does it live, can it serve, what does it count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "fokus/runtime/v1/runtime.pb-c.h"
#include "services/gateway/gateway.h"

enum {
    MAX_PAGE = 32 * 1024 * 1024,
    MAX_FAMILIES = 4096,
    METRICS_TIMEOUT_MS = 1000,
};

static const char TEXT[] = "text/plain; charset=utf-8";
static const char PROMETHEUS[] = "text/plain; version=0.0.4; charset=utf-8";

/* ---- health ---- */

static void answer_text(struct exchange *e, int http, const char *text)
{
    struct buf body = BUF_INIT(MAX_PAGE);
    const struct http_header fresh = { "Cache-Control", "no-store" };

    buf_append_str(&body, text);
    http_answer(e, http, TEXT, &body, &fresh, 1);
}

static void add_reason(struct buf *body, size_t n, const char *service, const char *reason)
{
    buf_append_str(body, n ? ",{\"service\":" : "{\"service\":");
    json_string(body, service, strlen(service));
    buf_append_str(body, ",\"reason\":");
    json_string(body, reason, strlen(reason));
    buf_append_byte(body, '}');
}

static void answer_readyz(const struct gateway *g, struct exchange *e)
{
    struct buf body = BUF_INIT(MAX_PAGE), reasons = BUF_INIT(MAX_PAGE);
    const struct http_header fresh = { "Cache-Control", "no-store" };
    size_t n = 0;

    if (g->draining)
        add_reason(&reasons, n++, "gateway", "it is stopping");
    if (registry_count(g->registry) == 0)
        add_reason(&reasons, n++, "gateway", "no service was found yet");
    for (size_t i = 0; i < registry_count(g->registry); i++) {
        const struct service *s = registry_at(g->registry, i);
        if (!service_ready(s))
            add_reason(&reasons, n++, s->name,
                       s->up && !s->schema ? "it has not described itself yet" : s->why);
    }
    buf_printf(&body, "{\"ready\":%s,\"notReady\":[", n ? "false" : "true");
    buf_append(&body, reasons.data, reasons.len);
    buf_append_str(&body, "]}\n");
    buf_free(&reasons);
    http_answer(e, n ? 503 : 200, "application/json", &body, &fresh, 1);
}

/* ---- merging pages ---- */

/* One family: its HELP and TYPE from whoever told first, the samples of all. */
struct family {
    struct slice name, help, type;
    struct buf samples;
};

struct families {
    struct family list[MAX_FAMILIES];
    size_t n;
};

static bool same(struct slice a, struct slice b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static struct family *family_of(struct families *all, struct slice name)
{
    for (size_t i = 0; i < all->n; i++)
        if (same(all->list[i].name, name))
            return &all->list[i];
    if (all->n == MAX_FAMILIES)
        return NULL;
    all->list[all->n] = (struct family) { .name = name, .samples = BUF_INIT(MAX_PAGE) };
    return &all->list[all->n++];
}

static size_t word_len(struct slice line)
{
    size_t len = 0;

    while (len < line.len && line.data[len] != ' ' && line.data[len] != '{')
        len++;
    return len;
}

/* "# HELP name text" or "# TYPE name type"; other comments are dropped. */
static struct family *take_comment(struct families *all, struct slice line, struct family *current)
{
    if (line.len < 8 ||
        (memcmp(line.data, "# HELP ", 7) != 0 && memcmp(line.data, "# TYPE ", 7) != 0))
        return current;
    struct slice rest = { line.data + 7, line.len - 7 };
    struct slice name = { rest.data, word_len(rest) };
    struct family *f = family_of(all, name);
    if (!f)
        return NULL;
    struct slice *place = line.data[2] == 'H' ? &f->help : &f->type;
    if (!place->data)
        *place = line;
    return f;
}

/* A sample belongs to the family before it if its name begins with that one's (a histogram's _bucket, _sum, _count). */
static void take_sample(struct families *all, struct slice line, struct family *current,
                        const char *service)
{
    struct slice name = { line.data, word_len(line) };
    struct family *f = current;

    if (!f || name.len < f->name.len || memcmp(name.data, f->name.data, f->name.len) != 0)
        f = family_of(all, name);
    if (!f || name.len == 0 || name.len == line.len)
        return;
    struct slice rest = { line.data + name.len, line.len - name.len };
    bool labelled = rest.data[0] == '{';
    bool named = false;
    const char *const label = "service=\"";
    if (labelled)
        named = memmem(rest.data, rest.len, label, strlen(label)) != NULL;
    buf_append(&f->samples, name.data, name.len);
    if (named) {
        buf_append(&f->samples, rest.data, rest.len);
    } else {
        buf_printf(&f->samples, "{service=\"%s\"", service);
        if (labelled && rest.len > 1 && rest.data[1] != '}')
            buf_append_byte(&f->samples, ',');
        if (!labelled)
            buf_append_byte(&f->samples, '}');
        buf_append(&f->samples, rest.data + labelled, rest.len - labelled);
    }
    buf_append_byte(&f->samples, '\n');
}

static void take_text(struct families *all, const struct page_source *source)
{
    struct slice rest = source->text;
    struct family *current = NULL;

    while (rest.len) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        struct slice line = { rest.data, end ? (size_t)(end - rest.data) : rest.len };
        if (line.len && line.data[0] == '#')
            current = take_comment(all, line, current);
        else if (line.len)
            take_sample(all, line, current, source->service);
        size_t taken = line.len + (end != NULL);
        rest = (struct slice) { rest.data + taken, rest.len - taken };
    }
}

static void append_line(struct buf *out, struct slice line)
{
    if (!line.data)
        return;
    buf_append(out, line.data, line.len);
    buf_append_byte(out, '\n');
}

void page_merge(const struct page_source *sources, size_t n_sources, struct buf *out)
{
    struct families *all = calloc(1, sizeof(*all));

    if (!all) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < n_sources; i++)
        take_text(all, &sources[i]);
    for (size_t i = 0; i < all->n; i++) {
        struct family *f = &all->list[i];
        if (f->samples.len) {
            append_line(out, f->help);
            append_line(out, f->type);
            buf_append(out, f->samples.data, f->samples.len);
        }
        buf_free(&f->samples);
    }
    free(all);
}

/* ---- /metrics ---- */

/* Waits until every service has told its figures, or not. */
struct gathering {
    struct gateway *gateway;
    struct exchange *exchange; /* NULL: the asker has gone */
    size_t n_waiting, n;
    struct asked {
        struct gathering *gathering;
        const char *service;
        struct buf text;
        bool failed;
    } asked[REGISTRY_MAX_SERVICES];
};

static void session_figures(const struct gateway *g, struct buf *out)
{
    const struct resolver_figures f = resolver_figures(g->resolver);
    static const char questions[] = "fokus_gateway_resolutions_total";
    const char *const known[] = { "outcome", "known", NULL };
    const char *const unknown[] = { "outcome", "unknown", NULL };
    const char *const failed[] = { "outcome", "failed", NULL };

    metrics_family(out, questions, "counter",
                   "Times it was asked who a session or an API key stands for.");
    metrics_sample(out, questions, known, (double)f.known);
    metrics_sample(out, questions, unknown, (double)f.unknown);
    metrics_sample(out, questions, failed, (double)f.failed);
    metrics_family(out, "fokus_gateway_resolved_from_memory_total", "counter",
                   "Signed-in calls whose caller was known.");
    metrics_sample(out, "fokus_gateway_resolved_from_memory_total", NULL, (double)f.from_memory);
    metrics_family(out, "fokus_gateway_known_callers", "gauge",
                   "Sessions and API keys kept in memory.");
    metrics_sample(out, "fokus_gateway_known_callers", NULL, (double)f.entries);
    metrics_family(out, "fokus_gateway_callers_waiting", "gauge",
                   "Calls that wait for that answer.");
    metrics_sample(out, "fokus_gateway_callers_waiting", NULL, (double)f.waiting);
    metrics_family(out, "fokus_gateway_known_callers_bytes", "gauge", "What they take.");
    metrics_sample(out, "fokus_gateway_known_callers_bytes", NULL, (double)f.bytes);
    metrics_family(out, "fokus_gateway_forgotten_callers_total", "counter",
                   "Dropped because an event said so or the log was another one.");
    metrics_sample(out, "fokus_gateway_forgotten_callers_total", NULL, (double)f.forgotten);
    metrics_family(out, "fokus_gateway_evicted_callers_total", "counter",
                   "Dropped because there was no room.");
    metrics_sample(out, "fokus_gateway_evicted_callers_total", NULL, (double)f.evicted);
    metrics_family(out, "fokus_gateway_callers_fresh", "gauge",
                   "Whether what is known of callers counts now.");
    metrics_sample(out, "fokus_gateway_callers_fresh", NULL, f.fresh ? 1 : 0);
    metrics_family(out, "fokus_gateway_refused_other_site_total", "counter",
                   "Requests refused because a page of another site sent them.");
    metrics_sample(out, "fokus_gateway_refused_other_site_total", NULL,
                   (double)g->refused_other_site);
}

static void own_figures(const struct gateway *g, const struct gathering *all, struct buf *out)
{
    metrics_family(out, "fokus_gateway_requests_total", "counter",
                   "Calls answered, by Connect code.");
    for (unsigned i = 0; i <= CODE_UNAUTHENTICATED; i++) {
        const char *const labels[] = { "code", i ? code_name((enum code)i) : "ok", NULL };
        if (g->answered[i])
            metrics_sample(out, "fokus_gateway_requests_total", labels, (double)g->answered[i]);
    }
    metrics_family(out, "fokus_gateway_request_duration_seconds", "histogram",
                   "From the request line to the answer.");
    metrics_histogram_samples(out, "fokus_gateway_request_duration_seconds", NULL, &g->duration);
    metrics_family(out, "fokus_gateway_connections", "gauge", "Open HTTP connections.");
    metrics_sample(out, "fokus_gateway_connections", NULL, (double)http_connections(g->http));
    metrics_family(out, "fokus_gateway_in_flight", "gauge", "Requests under way.");
    metrics_sample(out, "fokus_gateway_in_flight", NULL, (double)http_under_way(g->http));
    metrics_family(out, "fokus_gateway_held_bytes", "gauge",
                   "Bodies and answers kept until they have come, or were taken.");
    metrics_sample(out, "fokus_gateway_held_bytes", NULL, (double)http_held(g->http));
    metrics_family(
        out, "fokus_gateway_cut_off_total", "counter",
        "Connections ended because a request or the taking of its answer took too long.");
    metrics_sample(out, "fokus_gateway_cut_off_total", NULL, (double)http_cut_off(g->http));
    metrics_family(out, "fokus_gateway_service_up", "gauge",
                   "Whether a service answered when it was last asked.");
    for (size_t i = 0; i < registry_count(g->registry); i++) {
        const struct service *s = registry_at(g->registry, i);
        const char *const labels[] = { "service", s->name, NULL };
        metrics_sample(out, "fokus_gateway_service_up", labels, service_ready(s) ? 1 : 0);
    }
    metrics_family(out, "fokus_gateway_service_figures", "gauge",
                   "Whether a service told its figures for this page.");
    for (size_t i = 0; i < all->n; i++) {
        const char *const labels[] = { "service", all->asked[i].service, NULL };
        metrics_sample(out, "fokus_gateway_service_figures", labels, all->asked[i].failed ? 0 : 1);
    }
    session_figures(g, out);
    metrics_process(out, NULL);
}

static void gathering_end(struct gathering *all)
{
    struct page_source sources[REGISTRY_MAX_SERVICES + 1];
    struct buf own = BUF_INIT(MAX_PAGE), body = BUF_INIT(MAX_PAGE);
    const struct http_header fresh = { "Cache-Control", "no-store" };

    if (all->exchange) {
        own_figures(all->gateway, all, &own);
        sources[0] = (struct page_source) { "gateway", { own.data, own.len } };
        for (size_t i = 0; i < all->n; i++)
            sources[i + 1] =
                (struct page_source) { all->asked[i].service,
                                       { all->asked[i].text.data, all->asked[i].text.len } };
        page_merge(sources, all->n + 1, &body);
        all->exchange->gone = NULL;
        http_answer(all->exchange, body.failed ? 500 : 200, PROMETHEUS, &body, &fresh, 1);
    }
    for (size_t i = 0; i < all->n; i++)
        buf_free(&all->asked[i].text);
    buf_free(&own);
    free(all);
}

static void figures_came(void *arg, const struct client_reply *reply)
{
    struct asked *a = arg;
    struct gathering *all = a->gathering;
    struct gateway *g = all->gateway;

    Fokus__Runtime__V1__GetMetricsResponse *m = NULL;
    if (reply->code == CODE_OK)
        m = fokus__runtime__v1__get_metrics_response__unpack(arena_pb(g->arena), reply->body.len,
                                                             reply->body.data);
    a->failed = !m;
    if (m)
        buf_append_str(&a->text, m->text);
    arena_reset(g->arena);
    if (--all->n_waiting == 0)
        gathering_end(all);
}

static void asker_gone(struct exchange *e)
{
    struct gathering *all = e->owner;

    all->exchange = NULL; /* the answers still come */
}

static void answer_metrics(struct gateway *g, struct exchange *e)
{
    const struct client_call call = { .method = "fokus.runtime.v1.RuntimeService/GetMetrics",
                                      .timeout_ms = METRICS_TIMEOUT_MS,
                                      .query = true };
    struct gathering *all = calloc(1, sizeof(*all));

    if (!all) {
        answer_text(e, 503, "There is no memory for the page.\n");
        return;
    }
    all->gateway = g;
    all->exchange = e;
    e->owner = all;
    e->gone = asker_gone;
    http_wait(e);
    for (size_t i = 0; i < registry_count(g->registry); i++) {
        struct service *s = registry_at(g->registry, i);
        struct asked *a = &all->asked[all->n++];
        *a = (struct asked) { all, s->name, BUF_INIT(MAX_PAGE), true };
        if (client_call(s->client, &call, figures_came, a))
            all->n_waiting++;
    }
    if (all->n_waiting == 0)
        gathering_end(all);
}

void page_handle(void *arg, struct exchange *e)
{
    struct gateway *g = arg;

    if (e->method != HTTP_GET)
        answer_text(e, 405, "Only GET here.\n");
    else if (e->path_ok && strcmp(e->path, "livez") == 0)
        answer_text(e, 200, "alive\n");
    else if (e->path_ok && strcmp(e->path, "readyz") == 0)
        answer_readyz(g, e);
    else if (e->path_ok && strcmp(e->path, "metrics") == 0)
        answer_metrics(g, e);
    else
        answer_text(e, 404, "There are /livez, /readyz and /metrics.\n");
}
