/* registry.c - see registry.h. Routes stand in one open-addressed table, made anew whenever a service described itself. */
#include "services/gateway/registry.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/trace.h"
#include "fokus/runtime/v1/runtime.pb-c.h"

enum {
    ASK_EVERY_MS = 1000,
    ASK_AGAIN_MS = 100, /* while it is not ready */
    ASK_TIMEOUT_MS = 900,
    DESCRIBE_TIMEOUT_MS = 5000,
    SCAN_EVERY_MS = 1000,
    SCAN_AGAIN_MS = 100, /* while no service is known */
    MAX_IN_FLIGHT = 20000,
    ANSWER_ARENA = 4 << 20,
};

struct registry {
    struct bus *bus;
    char *run_folder;
    uint8_t key[CALLER_KEY_BYTES];
    struct service *services[REGISTRY_MAX_SERVICES];
    size_t n_services;
    struct route *table; /* a power of two of places, at most half full */
    size_t n_places;
    int64_t now_ms, next_scan_ms;
    struct arena *arena;
    bool complained;
};

/* ---- names ---- */

static struct service *service_named(const struct registry *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->n_services; i++)
        if (strlen(r->services[i]->name) == len && memcmp(r->services[i]->name, name, len) == 0)
            return r->services[i];
    return NULL;
}

static const char PACKAGE[] = "fokus.";

struct service *registry_service_of(const struct registry *r, const char *path, size_t len)
{
    size_t prefix = sizeof(PACKAGE) - 1;

    if (len <= prefix || memcmp(path, PACKAGE, prefix) != 0)
        return NULL;
    const char *dot = memchr(path + prefix, '.', len - prefix);
    const char *slash = memchr(path, '/', len);
    if (!dot || !slash || slash < dot)
        return NULL;
    return service_named(r, path + prefix, (size_t)(dot - path) - prefix);
}

/* ---- routes ---- */

static size_t hash_of(const char *text, size_t len)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)text[i]) * 1099511628211u;
    return (size_t)(hash ^ hash >> 32);
}

const struct route *registry_route(const struct registry *r, const char *path, size_t len)
{
    if (!r->n_places)
        return NULL;
    for (size_t at = hash_of(path, len);; at++) {
        const struct route *route = &r->table[at & (r->n_places - 1)];
        if (!route->path)
            return NULL;
        if (strncmp(route->path, path, len) == 0 && !route->path[len])
            return route;
    }
}

/* Only what is in the service's own package can be called: not what every service answers to operators. */
static bool is_own_method(const struct service *s, const struct schema_method *m)
{
    return registry_service_of(s->registry, m->full_name, strlen(m->full_name)) == s;
}

static void build_routes(struct registry *r)
{
    size_t n = 0, n_places = 16, n_methods;

    for (size_t i = 0; i < r->n_services; i++)
        if (r->services[i]->schema) {
            (void)schema_methods(r->services[i]->schema, &n_methods);
            n += n_methods;
        }
    while (n_places < 2 * n)
        n_places *= 2;
    struct route *table = calloc(n_places, sizeof(*table));
    free(r->table);
    r->table = table;
    r->n_places = table ? n_places : 0;
    if (!table) {
        trace_log(TRACE_ERROR, "no memory for the routes", NULL);
        return;
    }
    for (size_t i = 0; i < r->n_services; i++) {
        struct service *s = r->services[i];
        const struct schema_method *methods = NULL;
        n_methods = 0;
        if (s->schema)
            methods = schema_methods(s->schema, &n_methods);
        for (size_t k = 0; k < n_methods; k++) {
            if (!is_own_method(s, &methods[k]))
                continue;
            size_t at = hash_of(methods[k].full_name, strlen(methods[k].full_name));
            while (table[at & (n_places - 1)].path)
                at++;
            table[at & (n_places - 1)] = (struct route) { methods[k].full_name, s, &methods[k] };
        }
    }
}

/* ---- asking a service ---- */

static void not_ready(struct service *s, const char *why)
{
    (void)snprintf(s->why, sizeof(s->why), "%s", why);
}

static void describe_done(void *arg, const struct client_reply *reply)
{
    struct service *s = arg;
    struct registry *r = s->registry;
    struct schema *schema = NULL;
    struct err err = { "" };

    s->describing = false;
    if (reply->code != CODE_OK) {
        not_ready(s, reply->message);
        return;
    }
    Fokus__Runtime__V1__DescribeResponse *d = fokus__runtime__v1__describe_response__unpack(
        arena_pb(r->arena), reply->body.len, reply->body.data);
    if (!d || schema_open(&schema, d->descriptor_set.data, d->descriptor_set.len, &err) < 0) {
        not_ready(s, "it describes itself in a way that cannot be read");
        trace_log(TRACE_ERROR, "a service's description cannot be read", "service", s->name, "err",
                  err.text, NULL);
        arena_reset(r->arena);
        return;
    }
    size_t len = strlen(d->log_id);
    size_t tag = REGISTRY_LOG_TAG - 1;
    (void)snprintf(s->log_tag, sizeof(s->log_tag), "%s", d->log_id + (len > tag ? len - tag : 0));
    for (char *c = s->log_tag; *c; c++)
        if (*c < '!' || *c > '~' || *c == '"')
            *c = '-'; /* it goes into a header */
    schema_close(s->schema);
    s->schema = schema;
    s->resolves = d->resolves_callers;
    s->described_ms = s->started_ms;
    build_routes(r);
    trace_log(TRACE_INFO, "a service described itself", "service", s->name, "version", d->version,
              NULL);
    arena_reset(r->arena);
}

/* Returns whether an answer will come. */
static bool ask(struct service *s, const char *method, uint32_t timeout_ms, client_done *done)
{
    struct client_call call = { .method = method, .timeout_ms = timeout_ms, .query = true };

    return client_call(s->client, &call, done, s) != 0;
}

static void status_done(void *arg, const struct client_reply *reply)
{
    struct service *s = arg;
    struct registry *r = s->registry;

    s->asked = false;
    s->next_ask_ms = r->now_ms + (service_ready(s) ? ASK_EVERY_MS : ASK_AGAIN_MS);
    Fokus__Runtime__V1__GetStatusResponse *status = NULL;
    if (reply->code == CODE_OK)
        status = fokus__runtime__v1__get_status_response__unpack(arena_pb(r->arena),
                                                                 reply->body.len, reply->body.data);
    s->up = status != NULL;
    if (!status) {
        not_ready(s, reply->code == CODE_OK ? "its status cannot be read" : reply->message);
        arena_reset(r->arena);
        return;
    }
    if (status->started_ms != s->started_ms || status->pid != s->pid) {
        s->started_ms = status->started_ms;
        s->pid = status->pid;
        s->described_ms = 0;
    }
    (void)snprintf(s->state, sizeof(s->state), "%s", status->state);
    (void)snprintf(s->why, sizeof(s->why), "%s%s%s", status->state, status->reason[0] ? ": " : "",
                   status->reason);
    arena_reset(r->arena);
    if (s->described_ms != s->started_ms && !s->describing) {
        s->describing =
            ask(s, "fokus.runtime.v1.RuntimeService/Describe", DESCRIBE_TIMEOUT_MS, describe_done);
    }
    s->next_ask_ms = r->now_ms + (service_ready(s) ? ASK_EVERY_MS : ASK_AGAIN_MS);
}

bool service_ready(const struct service *s)
{
    return s->up && s->schema && strcmp(s->state, "serving") == 0;
}

/* ---- finding services ---- */

/* A service's sockets stand side by side: NAME.call and NAME.events. Of another endpoint nothing can be told; NULL then. */
static char *events_endpoint(const char *call)
{
    static const char suffix[] = ".call";
    size_t len = strlen(call), stem = len - (sizeof(suffix) - 1);
    char *events = NULL;

    if (len < sizeof(suffix) || strncmp(call, "ipc://", 6) != 0 ||
        strcmp(call + stem, suffix) != 0 || asprintf(&events, "%.*s.events", (int)stem, call) < 0)
        return NULL;
    return events;
}

static void service_free(struct service *s)
{
    schema_close(s->schema);
    free(s->events);
    free(s);
}

int registry_add(struct registry *r, const char *name, const char *endpoint, struct err *err)
{
    if (!service_name_valid(name, strlen(name)))
        return err_set(err, EINVAL,
                       "'%.60s' is not a service's name: a-z first, then a-z, 0-9 and _", name);
    if (service_named(r, name, strlen(name)))
        return 0;
    if (r->n_services == REGISTRY_MAX_SERVICES)
        return err_set(err, ENOSPC, "more than %d services", REGISTRY_MAX_SERVICES);
    struct service *s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, ENOMEM, "no memory for the service %.40s", name);
    memcpy(s->name, name, strlen(name));
    s->registry = r;
    s->index = r->n_services;
    s->events = events_endpoint(endpoint);
    caller_key_of(r->key, s->name, s->caller_key);
    not_ready(s, "it has not answered yet");
    s->client = client_new(r->bus,
                           &(struct client_config) { .service = s->name,
                                                     .endpoints = &endpoint,
                                                     .n_endpoints = 1,
                                                     .max_in_flight = MAX_IN_FLIGHT },
                           err);
    if (!s->client) {
        service_free(s);
        return -EIO;
    }
    r->services[r->n_services++] = s;
    trace_log(TRACE_INFO, "found a service", "service", s->name, NULL);
    return 0;
}

static void add_file(struct registry *r, const char *file)
{
    static const char suffix[] = ".call";
    size_t len = strlen(file);
    char name[SERVICE_NAME_MAX + 1], endpoint[512];
    struct err err = { "" };

    if (len < sizeof(suffix) || strcmp(file + len - (sizeof(suffix) - 1), suffix) != 0)
        return;
    len -= sizeof(suffix) - 1;
    if (!service_name_valid(file, len) || service_named(r, file, len))
        return;
    memcpy(name, file, len);
    name[len] = '\0';
    int n = snprintf(endpoint, sizeof(endpoint), "ipc://%s/%s", r->run_folder, file);
    if (n > 0 && (size_t)n < sizeof(endpoint) && registry_add(r, name, endpoint, &err) == 0)
        return;
    if (!r->complained)
        trace_log(TRACE_ERROR, "a service that was found cannot be used", "service", name, "err",
                  err.text, NULL);
    r->complained = true;
}

static void scan_folder(struct registry *r)
{
    r->next_scan_ms = r->now_ms + (r->n_services ? SCAN_EVERY_MS : SCAN_AGAIN_MS);
    DIR *folder = r->run_folder ? opendir(r->run_folder) : NULL;
    if (!folder)
        return; /* it comes with the first service */
    for (struct dirent *entry; (entry = readdir(folder));)
        add_file(r, entry->d_name);
    (void)closedir(folder); /* only read from */
}

/* ---- the loop's side ---- */

int registry_new(struct bus *bus, const char *run_folder, const uint8_t key[CALLER_KEY_BYTES],
                 struct registry **ret, struct err *err)
{
    struct registry *r = calloc(1, sizeof(*r));

    if (r)
        r->arena = arena_new(ANSWER_ARENA);
    if (r && run_folder)
        r->run_folder = strdup(run_folder);
    if (r && r->arena && (r->run_folder || !run_folder)) {
        r->bus = bus;
        memcpy(r->key, key, sizeof(r->key));
        *ret = r;
        return 0;
    }
    registry_free(r);
    return err_set(err, ENOMEM, "no memory for the list of services");
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_services; i++)
        client_free(r->services[i]->client); /* what is in flight still looks at services */
    for (size_t i = 0; i < r->n_services; i++)
        service_free(r->services[i]);
    arena_free(r->arena);
    free(r->run_folder);
    free(r->table);
    free(r);
}

void registry_turn(struct registry *r, int64_t now_ms)
{
    r->now_ms = now_ms;
    if (now_ms >= r->next_scan_ms)
        scan_folder(r);
    for (size_t i = 0; i < r->n_services; i++) {
        struct service *s = r->services[i];
        if (!s->asked && now_ms >= s->next_ask_ms) {
            s->next_ask_ms = now_ms + ASK_EVERY_MS;
            s->asked =
                ask(s, "fokus.runtime.v1.RuntimeService/GetStatus", ASK_TIMEOUT_MS, status_done);
        }
        client_turn(s->client, now_ms);
    }
}

size_t registry_items(struct registry *r, struct bus_item *items, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_services; i++)
        n += client_items(r->services[i]->client, items + n, room - n);
    return n;
}

int registry_due_ms(const struct registry *r, int64_t now_ms)
{
    int64_t due_ms = r->next_scan_ms - now_ms;

    for (size_t i = 0; i < r->n_services; i++) {
        const struct service *s = r->services[i];
        int client_ms = client_due_ms(s->client, now_ms);
        if (client_ms >= 0 && client_ms < due_ms)
            due_ms = client_ms;
        if (!s->asked && s->next_ask_ms - now_ms < due_ms)
            due_ms = s->next_ask_ms - now_ms;
    }
    return due_ms < 0 ? 0 : (int)due_ms;
}

size_t registry_count(const struct registry *r)
{
    return r->n_services;
}

struct service *registry_at(const struct registry *r, size_t i)
{
    return r->services[i];
}

bool registry_all_described(const struct registry *r)
{
    for (size_t i = 0; i < r->n_services; i++)
        if (!r->services[i]->schema)
            return false;
    return true;
}
