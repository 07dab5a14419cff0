/* status.c - fokusctl status: what runs, from the supervisor's list and each service's own answer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "fokus/runtime/v1/runtime.pb-c.h"
#include "services/ctl/ctl.h"

enum { STATUS_MS = 3000 };

/* One line of the table: what the supervisor knows, and what the service says of itself, if it answers. */
struct line {
    char name[SERVICE_NAME_MAX + 1];
    char state[32];
    long pid;
    unsigned restarts;
    bool supervised, expected; /* expected: should answer */
    const Fokus__Runtime__V1__GetStatusResponse *said;
};

struct table {
    struct line lines[2 * CTL_MAX_SERVICES];
    size_t n;
};

static struct line *line_of(struct table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->lines[i].name, name) == 0)
            return &t->lines[i];
    if (t->n == ARRAY_LEN(t->lines))
        return NULL;
    struct line *l = &t->lines[t->n++];
    *l = (struct line) { .state = "down" };
    (void)snprintf(l->name, sizeof(l->name), "%s", name); /* names fit: they were checked */
    return l;
}

/* "directory serving 1234 0" a line; see control.h. */
static void take_supervisors_line(struct table *t, char *text)
{
    char name[SERVICE_NAME_MAX + 1], state[32];
    long pid;
    unsigned restarts;

    if (sscanf(text, "%40s %31s %ld %u", name, state, &pid, &restarts) != 4)
        return;
    struct line *l = line_of(t, name);
    if (!l)
        return;
    memcpy(l->state, state, sizeof(state));
    l->pid = pid;
    l->restarts = restarts;
    l->supervised = true;
    l->expected = strcmp(state, "stopped") != 0;
}

static bool ask_supervisor(struct ctl *ctl, struct table *t)
{
    struct buf text = BUF_INIT(64 * 1024);
    struct err err;
    char *rest = NULL;

    int r = control_ask(ctl, "list", &text, &err);
    buf_append_byte(&text, 0);
    for (char *at = r == 0 && !text.failed ? (char *)text.data : NULL; at && *at; at = rest) {
        rest = strchr(at, '\n');
        if (rest)
            *rest++ = '\0';
        take_supervisors_line(t, at);
    }
    buf_free(&text);
    return r == 0;
}

/* Silence is an answer here, so a failure is not told twice: the line says it. */
static void ask_service(struct ctl *ctl, struct line *l)
{
    Fokus__Runtime__V1__GetStatusRequest request = FOKUS__RUNTIME__V1__GET_STATUS_REQUEST__INIT;
    char *path = ctl_socket_path(ctl, l->name, "admin");
    struct remote r;

    if (!path || !ctl_socket_alive(path))
        return;
    if (remote_open(ctl, l->name, &r) == 0 &&
        remote_runtime(ctl, &r, "GetStatus", &request.base,
                       &fokus__runtime__v1__get_status_response__descriptor, STATUS_MS,
                       &l->said) == 0) {
        (void)snprintf(l->state, sizeof(l->state), "%s", l->said->state); /* a longer one is cut */
        l->pid = (long)l->said->pid;
    }
    remote_close(&r);
}

static const char *state_colour(const struct ctl *ctl, const struct line *l)
{
    if (strcmp(l->state, "serving") == 0)
        return ctl_green(ctl);
    return l->said || !l->expected ? ctl_yellow(ctl) : ctl_red(ctl);
}

static void print_line(const struct ctl *ctl, const struct line *l)
{
    char pid[24] = "-";

    if (l->pid > 0)
        (void)snprintf(pid, sizeof(pid), "%ld", l->pid); /* fits */
    printf("%-14s %-9s %8s %s%-10s%s", l->name, l->said ? l->said->version : "-", pid,
           state_colour(ctl, l), l->state, ctl_plain(ctl));
    if (l->said)
        printf(" %10" PRIu64 " %6" PRIu64 " %9.1f %9.3f", l->said->last_sequence,
               l->said->queue_depth, l->said->calls_per_second, l->said->p99_ms);
    else
        printf(" %10s %6s %9s %9s", "-", "-", "-", "-");
    if (l->restarts)
        printf("  restarted %u times", l->restarts);
    if (l->said && *l->said->reason)
        printf("  %s", l->said->reason);
    printf("\n");
}

static void json_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    json_string(out, text, strlen(text));
}

static void append_line(struct buf *out, const struct line *l)
{
    buf_append_str(out, "{\"service\":");
    json_string(out, l->name, strlen(l->name));
    json_text(out, "state", l->state);
    buf_printf(out, ",\"pid\":%ld,\"answers\":%s", l->pid, l->said ? "true" : "false");
    if (l->supervised)
        buf_printf(out, ",\"restarts\":%u", l->restarts);
    if (l->said) {
        const Fokus__Runtime__V1__GetStatusResponse *s = l->said;
        json_text(out, "version", s->version);
        json_text(out, "reason", s->reason);
        json_text(out, "log_id", s->log_id);
        buf_printf(out,
                   ",\"sequence\":%" PRIu64 ",\"record\":%" PRIu64 ",\"queue\":%" PRIu64
                   ",\"calls_per_second\":%.3f,\"p99_ms\":%.3f,\"calls_total\":%" PRIu64
                   ",\"schema\":%u,\"store_bytes\":%" PRIu64 ",\"started_ms\":%" PRIu64,
                   s->last_sequence, s->last_record, s->queue_depth, s->calls_per_second, s->p99_ms,
                   s->calls_total, s->schema, s->store_bytes, s->started_ms);
    }
    buf_append_byte(out, '}');
}

static int print_json(struct ctl *ctl, const struct table *t)
{
    struct buf out = BUF_INIT(1024 * 1024);

    buf_append_str(&out, "{\"home\":");
    json_string(&out, ctl->home, strlen(ctl->home));
    buf_append_str(&out, ",\"services\":[");
    for (size_t i = 0; i < t->n; i++) {
        buf_append_str(&out, i ? "," : "");
        append_line(&out, &t->lines[i]);
    }
    buf_append_str(&out, "]}");
    int code = ctl_print_json(ctl, &out);
    buf_free(&out);
    return code;
}

static void print_table(const struct ctl *ctl, const struct table *t)
{
    printf("%-14s %-9s %8s %-10s %10s %6s %9s %9s\n", "SERVICE", "VERSION", "PID", "STATE",
           "SEQUENCE", "QUEUE", "CALLS/S", "P99 MS");
    for (size_t i = 0; i < t->n; i++)
        print_line(ctl, &t->lines[i]);
}

int ctl_status(struct ctl *ctl, int argc, char **argv)
{
    static const char *const none[] = { NULL };
    char names[CTL_MAX_SERVICES][SERVICE_NAME_MAX + 1];
    struct table t = { 0 };
    bool silent = false;

    argc = ctl_options(ctl, argc, argv, none, NULL);
    if (argc < 0)
        return CTL_USAGE;
    if (argc > 1)
        return ctl_usage(ctl, "status", "status takes no arguments");
    bool supervised = ask_supervisor(ctl, &t);
    size_t n = ctl_services(ctl, names);
    for (size_t i = 0; i < n; i++) {
        struct line *l = line_of(&t, names[i]);
        if (!l)
            continue;
        ask_service(ctl, l);
        /* A socket that nobody listens on was left by a service that was to run. */
        l->expected = l->expected || !supervised;
        silent = silent || (l->expected && !l->said);
    }
    if (t.n == 0)
        return ctl_fail(ctl, CTL_UNREACHABLE, "no system runs in %s; fokusctl run starts one",
                        ctl->home);
    int code = CTL_OK;
    if (ctl->json)
        code = print_json(ctl, &t);
    else
        print_table(ctl, &t);
    return code == CTL_OK && silent ? CTL_UNREACHABLE : code;
}
