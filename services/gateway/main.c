/* main.c - the gateway's process: options, one loop around HTTP and ZeroMQ, and an orderly end. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/caller.h"
#include "common/clock.h"
#include "common/dump.h"
#include "common/home.h"
#include "common/notify.h"
#include "common/trace.h"
#include "services/gateway/connect.h"
#include "services/gateway/gateway.h"

enum {
    EXIT_USAGE = 2,
    DRAIN_MS = 5000,
    TELL_MS = 3000,
    CONNECTIONS = 2048,
    CONNECTIONS_AN_ADDRESS = 1024,
    ADMIN_CONNECTIONS = 64,
    CALL_ARENA = 16 << 20,
    MAX_PACKED = 15 << 20,
    MAX_NAMED = REGISTRY_MAX_SERVICES,
};

static const char HELP[] =
    "fokus-gateway - the Connect protocol over HTTP in front of all services\n"
    "\n"
    "  --home DIR               where services' sockets are, in DIR/run (default $FOKUS_HOME, else "
    "var/ in the clone)\n"
    "  --http ADDRESS:PORT      the public listener (default $FOKUS_HTTP, else 127.0.0.1:8080)\n"
    "  --admin ADDRESS:PORT     /livez /readyz /metrics (default $FOKUS_ADMIN, else 127.0.0.1 and "
    "the port after)\n"
    "  --service NAME=ENDPOINT  a service elsewhere, such as NAME=tcp://10.0.0.7:7001; may be "
    "repeated\n"
    "  --idle-seconds N         a connection without traffic is closed (default 15)\n"
    "  --request-seconds N      a request must have come in whole, its answer be taken (default "
    "20)\n"
    "  --version, --help\n"
    "\n"
    "Port 0 is a free one. When it listens and reaches the services, one line on stdout tells the "
    "addresses:\n"
    "  {\"http\":\"127.0.0.1:8080\",\"admin\":\"127.0.0.1:8081\"}\n";

struct options {
    const char *home, *http, *admin;
    char admin_beside[300];
    char *services[MAX_NAMED];
    size_t n_services;
    unsigned idle_s, request_s;
};

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

/* The admin listener stands beside the public one, on loopback: its port plus one, or a free one. */
static void place_admin(struct options *o)
{
    const char *colon = strrchr(o->http, ':');
    long port = colon ? strtol(colon + 1, NULL, 10) : 0;

    (void)snprintf(o->admin_beside, sizeof(o->admin_beside), "127.0.0.1:%ld",
                   port > 0 && port < 65535 ? port + 1 : 0);
    o->admin = setting("FOKUS_ADMIN", o->admin_beside);
}

static bool read_seconds(const char *text, unsigned *ret)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end || value < 1 || value > 3600)
        return false;
    *ret = (unsigned)value;
    return true;
}

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        { "home", required_argument, NULL, 'd' },
        { "http", required_argument, NULL, 'p' },
        { "admin", required_argument, NULL, 'a' },
        { "service", required_argument, NULL, 's' },
        { "idle-seconds", required_argument, NULL, 'i' },
        { "request-seconds", required_argument, NULL, 'r' },
        { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    bool ok = true;

    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'd':
            o->home = optarg;
            break;
        case 'p':
            o->http = optarg;
            break;
        case 'a':
            o->admin = optarg;
            break;
        case 's':
            ok = ok && strchr(optarg, '=') && o->n_services < MAX_NAMED;
            if (ok)
                o->services[o->n_services++] = optarg;
            break;
        case 'i':
            ok = ok && read_seconds(optarg, &o->idle_s);
            break;
        case 'r':
            ok = ok && read_seconds(optarg, &o->request_s);
            break;
        case 'v':
            puts("fokus-gateway " FOKUS_VERSION);
            return 0;
        case 'h':
            (void)fputs(HELP, stdout); /* there is nowhere to say that stdout is gone */
            return 0;
        default:
            return EXIT_USAGE; /* getopt has said why */
        }
    }
    if (!ok || optind < argc) {
        (void)fputs("fokus-gateway: an option's value or an argument makes no sense; see --help\n",
                    stderr); /* as above */
        return EXIT_USAGE;
    }
    if (!o->admin)
        place_admin(o);
    return -1;
}

/* ---- the loop ---- */

struct process {
    struct gateway g;
    struct bus *bus;
    int signals;
    int64_t drain_until_ms, next_watchdog_ms;
    int64_t tell_by_ms; /* 0: it has told that it is ready */
};

static int soonest(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

static int due_ms(const struct process *p, int64_t now)
{
    int due = soonest(http_due_ms(p->g.http, now), http_due_ms(p->g.admin, now));

    due = soonest(due, registry_due_ms(p->g.registry, now));
    due = soonest(due, resolver_due_ms(p->g.resolver, now));
    if (p->g.draining || p->tell_by_ms)
        due = soonest(due, 20);
    if (notify_watchdog_ms())
        due = soonest(due, (int)(p->next_watchdog_ms > now ? p->next_watchdog_ms - now : 0));
    return due;
}

static void begin_draining(struct process *p, int64_t now)
{
    struct signalfd_siginfo info;

    if (read(p->signals, &info, sizeof(info)) != sizeof(info) || p->g.draining)
        return;
    p->g.draining = true;
    p->drain_until_ms = now + DRAIN_MS;
    http_stop_listening(p->g.http);
    (void)notify_send("STOPPING=1"); /* systemd sees the end anyhow */
    trace_log(TRACE_INFO, "stopping: finishing what is under way", NULL);
}

static void keep_watchdog(struct process *p, int64_t now)
{
    int64_t every_ms = notify_watchdog_ms();

    if (!every_ms || now < p->next_watchdog_ms)
        return;
    p->next_watchdog_ms = now + every_ms;
    (void)notify_send("WATCHDOG=1"); /* a lost one is made up for by the next */
}

static bool reaches_all(const struct registry *r)
{
    for (size_t i = 0; i < registry_count(r); i++)
        if (!service_ready(registry_at(r, i)))
            return false;
    return true;
}

/* Whoever waits for us to be ready wants to call the services: it is told once they can be called. One that is away holds nobody
 * up for long. */
static void tell_ready(struct process *p, int64_t now)
{
    if (!p->tell_by_ms || (now < p->tell_by_ms && !reaches_all(p->g.registry)))
        return;
    p->tell_by_ms = 0;
    printf("{\"http\":\"%s\",\"admin\":\"%s\"}\n", http_address(p->g.http),
           http_address(p->g.admin));
    (void)fflush(stdout);         /* whoever started us may not listen */
    (void)notify_send("READY=1"); /* without systemd it does nothing */
}

static int run(struct process *p)
{
    struct gateway *g = &p->g;

    for (;;) {
        struct bus_item items[4 + REGISTRY_MAX_SERVICES] = { { .fd = p->signals },
                                                             { .fd = http_fd(g->http) },
                                                             { .fd = http_fd(g->admin) } };
        size_t n = 3 + registry_items(g->registry, items + 3, REGISTRY_MAX_SERVICES);
        n += resolver_item(g->resolver, &items[n]);
        int r = bus_poll(items, n, due_ms(p, clock_ms()));
        if (r < 0 && r != -EINTR)
            return r;
        int64_t now = clock_ms();
        if (items[0].readable)
            begin_draining(p, now);
        /* First what may no longer count of what is known; then replies, so that their connections are taken up in this turn; then what came in; then out with the calls. */
        resolver_turn(g->resolver, now);
        registry_turn(g->registry, now);
        http_turn(g->http, now);
        if (items[2].readable || http_due_ms(g->admin, now) == 0)
            http_turn(g->admin, now);
        registry_turn(g->registry, now);
        tell_ready(p, now);
        keep_watchdog(p, now);
        if (g->draining && (http_under_way(g->http) == 0 || now >= p->drain_until_ms))
            return 0;
    }
}

/* ---- start and end ---- */

/* Whoever starts first, the gateway or a service, makes the folder that the caller key lies in. */
static int make_home(const char *home, struct err *err)
{
    if (mkdir(home, 0750) < 0 && errno != EEXIST)
        return err_set(err, errno, "cannot make the home folder %.150s: %m", home);
    return 0;
}

static int start(struct process *p, const struct options *o, struct err *err)
{
    struct gateway *g = &p->g;
    char run_folder[400];
    uint8_t key[CALLER_KEY_BYTES];
    struct http_config config = { .address = o->http,
                                  .handler = call_handle,
                                  .arg = g,
                                  .connections = CONNECTIONS,
                                  .connections_an_address = CONNECTIONS_AN_ADDRESS,
                                  .idle_s = o->idle_s,
                                  .request_s = o->request_s };

    if ((size_t)snprintf(run_folder, sizeof(run_folder), "%s/run", o->home) >= sizeof(run_folder))
        return err_set(err, ENAMETOOLONG, "the home folder's path is too long");
    g->packed = BUF_INIT(MAX_PACKED);
    g->unzipped = BUF_INIT(CONNECT_MAX_BODY + 1);
    g->nobody = g->origin = BUF_INIT(1024);
    g->arena = arena_new(CALL_ARENA);
    g->zip = zip_new();
    p->bus = bus_new();
    if (!g->arena || !g->zip || !p->bus)
        return err_set(err, ENOMEM, "no memory to begin with");
    int r = make_home(o->home, err);
    if (r == 0)
        r = session_read_proxies(setting("FOKUS_PROXY", ""), &g->proxies, err);
    if (r == 0)
        r = caller_key_open(o->home, getenv("CREDENTIALS_DIRECTORY"), key, err);
    if (r == 0)
        r = registry_new(p->bus, run_folder, key, &g->registry, err);
    sodium_memzero(key, sizeof(key));
    if (r == 0)
        r = resolver_new(p->bus, g->registry, &g->resolver, err);
    for (size_t i = 0; r == 0 && i < o->n_services; i++) {
        char *equals = strchr(o->services[i], '=');
        *equals = '\0';
        r = registry_add(g->registry, o->services[i], equals + 1, err);
    }
    if (r == 0)
        r = http_new(&config, &g->http, err);
    config.address = o->admin;
    config.handler = page_handle;
    config.connections = config.connections_an_address = ADMIN_CONNECTIONS;
    if (r == 0)
        r = http_new(&config, &g->admin, err);
    return r;
}

static void stop(struct process *p)
{
    struct gateway *g = &p->g;

    http_free(g->http);
    http_free(g->admin);
    resolver_free(g->resolver);
    registry_free(g->registry);
    bus_free(p->bus);
    zip_free(g->zip);
    arena_free(g->arena);
    buf_free(&g->packed);
    buf_free(&g->unzipped);
    buf_free(&g->nobody);
    buf_free(&g->origin);
}

/* Each connection is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer connections then */
}

static int take_signals(void)
{
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail for a signal that exists */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
    static char home[PATH_MAX];
    struct options o = { .home = home_default(home),
                         .http = setting("FOKUS_HTTP", "127.0.0.1:8080"),
                         .idle_s = 15,
                         .request_s = 20 };
    static struct process p;
    struct err err = { "" };

    int code = read_options(argc, argv, &o);
    if (code >= 0)
        return code;
    trace_init("gateway");
    leave_no_core();
    /* Without fast bins: they are emptied all at once whenever a longer answer is freed, which costs more than they give. */
    (void)mallopt(M_MXFAST, 0);
    raise_descriptor_limit();
    p.signals = take_signals();
    int r = p.signals < 0 ? err_set(&err, errno, "cannot take signals") : start(&p, &o, &err);
    if (r == 0) {
        p.tell_by_ms = clock_ms() + TELL_MS;
        r = run(&p);
        if (r < 0)
            (void)err_set(&err, -r, "cannot wait for requests: %s", strerror(-r));
    }
    if (r < 0)
        trace_log(TRACE_ERROR, "the gateway cannot go on", "err", err.text, NULL);
    stop(&p);
    return r < 0 ? 1 : 0;
}
