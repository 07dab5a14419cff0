/* events.c - fokusctl events: a service's log as JSON lines, each a CloudEvent (1.0, JSON form).
 *
 * Read over the admin socket, so events of every visibility are shown; with --follow the public stream is the bell. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json.h"
#include "common/packed.h"
#include "common/stream.h"
#include "services/ctl/ctl.h"

enum { LINE_MAX_BYTES = 128 * 1024 * 1024, TURN_MS = 1000, PAUSE_MS = 500, MAX_TYPES = 100 };
enum { SCRATCH_BYTES = 1024 * 1024 };

struct printer {
    struct ctl *ctl;
    const char *service;
    const struct schema_message *event; /* the service's Event, or NULL */
    struct arena *scratch;              /* for one event */
    struct buf line;
    bool failed; /* standard output is gone */
};

/* The service's own Event message: beside its methods, in the same package. */
static const struct schema_message *event_message(const struct schema *s)
{
    static const char runtime[] = "fokus.runtime.";
    char name[256];
    size_t n;

    const struct schema_method *methods = schema_methods(s, &n);
    for (size_t i = 0; i < n; i++) {
        if (strncmp(methods[i].full_name, runtime, sizeof(runtime) - 1) == 0)
            continue;
        size_t service = strcspn(methods[i].full_name, "/");
        size_t dot = service;
        while (dot > 0 && methods[i].full_name[dot] != '.')
            dot--;
        (void)snprintf(name, sizeof(name), "%.*s.Event", (int)dot, methods[i].full_name);
        const struct schema_message *m = schema_message(s, name);
        if (m)
            return m;
    }
    return NULL;
}

/* "fokus.directory.v1" of "fokus.directory.v1.Event". */
static int package_len(const struct schema_message *event)
{
    return (int)(strrchr(event->full_name, '.') - event->full_name);
}

/* 2026-11-21T12:00:00.123Z */
static void append_time(struct buf *out, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;

    if (!gmtime_r(&seconds, &t)) {
        buf_append_str(out, "null");
        return;
    }
    buf_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", t.tm_year + 1900, t.tm_mon + 1,
               t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(ms % 1000));
}

/* The Event has one arm set: its content is what happened. The whole Event when its shape is another. */
static void append_data(struct printer *p, ProtobufCBinaryData data)
{
    struct status status = { .arena = p->scratch };
    struct slice rest = { data.data, data.len };
    struct packed_field arm;

    if (!p->event || !schema_check(p->event, data.data, data.len, 0, &status)) {
        buf_append_str(&p->line, "null");
        return;
    }
    const struct schema_message *m = p->event;
    struct slice content = rest;
    if (packed_take(&rest, &arm) > 0 && rest.len == 0 && arm.type == PACKED_LEN) {
        const struct schema_field *f = schema_field_by_number(p->event, arm.number);
        if (f && f->kind == KIND_MESSAGE && f->oneof >= 0) {
            m = f->message;
            content = packed_bytes(&arm);
        }
    }
    if (json_from_wire(m, content.data, content.len, &p->line) < 0)
        p->line.failed = true;
}

static void append_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    json_string(out, text, strlen(text));
}

static bool print_event(void *arg, const Fokus__Event__V1__Event *e)
{
    static const char *const audiences[] = { "", "internal", "partner", "public", "gateway" };
    struct printer *p = arg;
    struct buf *out = &p->line;

    buf_clear(out);
    buf_append_str(out, "{\"specversion\":\"1.0\",\"id\":");
    json_string(out, e->id, strlen(e->id));
    buf_printf(out, ",\"source\":\"/fokus/%s\",\"type\":\"", p->service);
    if (p->event)
        buf_printf(out, "%.*s.", package_len(p->event), p->event->full_name);
    buf_printf(out, "%s\",\"time\":", e->type);
    append_time(out, e->time_ms);
    if (*e->subject)
        append_text(out, "subject", e->subject);
    buf_printf(out, ",\"sequence\":\"%020" PRIu64 "\"", e->sequence);
    append_text(out, "actor", e->actor);
    if ((size_t)e->audience < ARRAY_LEN(audiences))
        append_text(out, "audience", audiences[e->audience]);
    if (*e->trace_id)
        append_text(out, "traceid", e->trace_id);
    if (*e->cause)
        append_text(out, "cause", e->cause);
    buf_append_str(out, ",\"datacontenttype\":\"application/json\",\"data\":");
    append_data(p, e->data);
    buf_append_byte(out, '}');
    arena_reset(p->scratch);
    buf_append_byte(out, '\n');
    p->failed = out->failed || fwrite(out->data, 1, out->len, stdout) != out->len;
    return !p->failed;
}

static void pause_a_little(void)
{
    struct timespec t = { .tv_nsec = PAUSE_MS * 1000000L };
    nanosleep(&t, NULL);
}

/* Goes on until the end of the log, or for ever. A service that is away is waited for when following. */
static int follow(struct ctl *ctl, struct stream_follower *f, struct printer *p, bool for_ever)
{
    bool away = false;

    for (;;) {
        struct err err = { "" };
        int r = stream_follower_turn(f, TURN_MS, print_event, p, &err);
        if (fflush(stdout) != 0 || p->failed)
            return CTL_REFUSED;
        if (r == -EHOSTUNREACH && for_ever) {
            if (!away)
                fprintf(stderr, "fokusctl: %s; waiting for it\n", err.text);
            away = true;
            pause_a_little();
            continue;
        }
        if (r < 0)
            return ctl_fail(ctl, r == -EHOSTUNREACH ? CTL_UNREACHABLE : CTL_REFUSED, "%s: %s",
                            p->service, *err.text ? err.text : strerror(-r));
        away = false;
        if (!for_ever && stream_follower_caught_up(f))
            return CTL_OK;
    }
}

/* "A,B" as a NULL-terminated list in the arena. */
static const char **split_types(struct ctl *ctl, const char *text)
{
    char *copy = arena_strdup(ctl->arena, text);
    const char **list = arena_calloc(ctl->arena, MAX_TYPES + 1, sizeof(*list));
    size_t n = 0;

    while (copy && list && *copy && n < MAX_TYPES) {
        size_t len = strcspn(copy, ",");
        bool last = copy[len] == '\0';
        copy[len] = '\0';
        if (len)
            list[n++] = copy;
        copy += len + (last ? 0 : 1);
    }
    return copy && list && !*copy && n > 0 ? list : NULL;
}

/* A type that the service does not have would never come: a typing mistake is told at once. */
static int check_types(struct ctl *ctl, const struct printer *p, const char *const *types)
{
    for (; types && *types && p->event; types++) {
        bool known = false;
        for (size_t i = 0; i < p->event->n_fields && !known; i++) {
            const struct schema_field *f = &p->event->fields[i];
            const char *dot = f->message ? strrchr(f->message->full_name, '.') : NULL;
            known = dot && strcmp(dot + 1, *types) == 0;
        }
        if (!known)
            return ctl_usage(ctl, "events", "%s has no events of type %s", p->service, *types);
    }
    return 0;
}

static int events_of(struct ctl *ctl, struct remote *r, uint64_t from, const char *const *types,
                     bool for_ever)
{
    struct printer p = { .ctl = ctl, .service = r->name, .event = event_message(r->schema) };
    struct stream_follower *f;
    struct err err = { "" };

    p.line = BUF_INIT(LINE_MAX_BYTES);
    int code = check_types(ctl, &p, types);
    char *bell = arena_printf(ctl->arena, "ipc://%s", ctl_socket_path(ctl, r->name, "events"));
    if (code != 0)
        return code;
    p.scratch = arena_new(SCRATCH_BYTES);
    if (!p.scratch || !bell || arena_failed(ctl->arena))
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    int rc = stream_follower_new(ctl->bus,
                                 &(struct stream_follow_config) {
                                     .service = r->name,
                                     .call_endpoint = r->endpoint,
                                     .events_endpoint = for_ever ? bell : NULL,
                                     .from = { .next = from },
                                     .types = types,
                                 },
                                 &f, &err);
    if (rc < 0)
        return ctl_fail(ctl, CTL_UNREACHABLE, "%s: %s", r->name, err.text);
    code = follow(ctl, f, &p, for_ever);
    stream_follower_free(f);
    buf_free(&p.line);
    arena_free(p.scratch);
    return code;
}

int ctl_events(struct ctl *ctl, int argc, char **argv)
{
    static const char *const options[] = { "--from=", "--follow", "--types=", NULL };
    const char *values[3] = { NULL };
    const char **types = NULL;
    uint64_t from = 1;
    struct remote r;

    argc = ctl_options(ctl, argc, argv, options, values);
    if (argc < 0)
        return CTL_USAGE;
    if (argc != 2)
        return ctl_usage(ctl, "events", "events takes one service");
    if (values[0]) {
        char *end;
        from = strtoull(values[0], &end, 10);
        if (*end || strspn(values[0], "0123456789") == 0)
            return ctl_usage(ctl, "events", "--from is a sequence number, 1 for all");
    }
    if (values[2] && !(types = split_types(ctl, values[2])))
        return ctl_usage(ctl, "events", "--types is 1 to %d types with commas between", MAX_TYPES);
    int code = remote_open(ctl, argv[1], &r);
    if (code == 0)
        code = remote_describe(ctl, &r);
    if (code == 0)
        code = events_of(ctl, &r, from, types, values[1] != NULL);
    remote_close(&r);
    return code;
}
