/* service.c - the process: its options, its start, its one loop, its end.
 *
 * The loop owns the sockets and everything in struct service. Beside it run the writer and the pool (workers.c) and
 * ZeroMQ's own thread. The store is opened first: its lock refuses a second process before that could take over the
 * first one's sockets.
 *
 * On SIGTERM nothing new is taken, what was taken is finished, and the process ends with 0. What five seconds do not
 * finish is left to its caller's deadline: nothing was acknowledged that is not durable. */
#include "common/service.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/dump.h"
#include "common/home.h"
#include "common/notify.h"
#include "common/process.h"

enum {
    HEARTBEAT_US = 1000 * 1000,
    CHECK_READERS_US = 5 * 1000 * 1000, /* a dead reader's slot keeps old pages from reuse */
    CHORE_S = 60 * 60,
    TELL_US = 60 * 1000 * 1000, /* between two lines about the same */
    COMMIT_US = 1000,           /* mostly enough for one */
    STACK_BYTES = 1024 * 1024,
    CALLER_ARENA = 256 * 1024,
    BAR_WIDTH = 40,
};
static const char BAR[BAR_WIDTH + 1] = "========================================";

/* ---- options ---- */

struct options {
    const char *home, *call, *admin, *events;
    char default_home[PATH_MAX];
    char default_call[PATH_MAX], default_admin[PATH_MAX], default_events[PATH_MAX];
};

static void print_usage(FILE *to, const char *name)
{
    (void)fprintf(to,
                  "Usage: fokus-%s [OPTION]...\n"
                  "Runs the %s service until SIGTERM.\n\n"
                  "  --home DIR         where store and sockets are (default $FOKUS_HOME, else "
                  "var/ in the clone)\n"
                  "  --call ENDPOINT    calls from everybody (default ipc://HOME/run/%s.call)\n"
                  "  --admin ENDPOINT   calls from the operator (default ipc://HOME/run/%s.admin)\n"
                  "  --events ENDPOINT  published events (default ipc://HOME/run/%s.events)\n"
                  "  --version          print the version and exit\n"
                  "  --help             print this and exit\n\n"
                  "$FOKUS_LOG is error, warning, info (default) or debug.\n",
                  name, name, name, name, name);
}

/* A path that is cut here is far beyond what a socket may have, and binding it says so. */
static const char *default_endpoint(char to[PATH_MAX], const char *home, const char *name,
                                    const char *socket)
{
    int len = snprintf(to, PATH_MAX, "ipc://%s/run/%s.%s", home, name, socket);
    return len < 0 ? "" : to;
}

/* Returns -1 to go on, else the exit code. */
static int read_options(struct options *o, const char *name, int argc, char **argv)
{
    static const struct option known[] = {
        { "home", required_argument, NULL, 'h' },
        { "call", required_argument, NULL, 'c' },
        { "admin", required_argument, NULL, 'a' },
        { "events", required_argument, NULL, 'e' },
        { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, '?' + 1 },
        { NULL, 0, NULL, 0 },
    };
    const char **targets[] = {
        ['h'] = &o->home, ['c'] = &o->call, ['a'] = &o->admin, ['e'] = &o->events
    };
    int letter;

    optind = 1;
    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (letter == 'v') {
            (void)printf("fokus-%s %s\n", name,
                         FOKUS_VERSION); /* a closed stdout is its owner's wish */
            return 0;
        }
        if (letter == '?' + 1) {
            print_usage(stdout, name);
            return 0;
        }
        if (letter == '?') {
            print_usage(stderr, name);
            return 2;
        }
        *targets[letter] = optarg;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "fokus-%s takes no argument such as '%s'.\n\n", name, argv[optind]);
        print_usage(stderr, name);
        return 2;
    }
    if (!o->home)
        o->home = home_default(o->default_home);
    if (!o->call)
        o->call = default_endpoint(o->default_call, o->home, name, "call");
    if (!o->admin)
        o->admin = default_endpoint(o->default_admin, o->home, name, "admin");
    if (!o->events)
        o->events = default_endpoint(o->default_events, o->home, name, "events");
    return -1;
}

/* ---- start ---- */

static int make_folder(const char *path, mode_t mode, struct err *err)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    int problem = errno;
    return err_set(err, problem, "cannot make the folder %.180s: %s", path, strerror(problem));
}

/* Makes HOME with its parents, HOME/run and HOME/store. */
static int make_home(struct service *s, const char *home, struct err *err)
{
    char path[PATH_MAX];

    if (strlen(home) == 0 || strlen(home) > PATH_MAX - 256)
        return err_set(err, ENAMETOOLONG, "the home folder's path is empty or too long");
    (void)snprintf(s->home, sizeof(s->home), "%s", home); /* fits */
    for (char *slash = strchr(s->home + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int r = make_folder(s->home, 0755, err);
        *slash = '/';
        if (r < 0)
            return r;
    }
    int r = make_folder(s->home, 0750, err);
    (void)snprintf(path, sizeof(path), "%.3800s/run", home); /* fits */
    if (r == 0)
        r = make_folder(path, 0750, err);
    (void)snprintf(path, sizeof(path), "%.3800s/store", home); /* fits */
    if (r == 0)
        r = make_folder(path, 0700, err);
    (void)snprintf(s->store_path, sizeof(s->store_path), "%.3800s/store/%.100s", home,
                   s->def->name); /* fits */
    return r;
}

/* The log being read anew at the start: after an upgrade that lays out the tables in another way, or a loss of them. */
struct reading {
    const char *service;
    int64_t last_us;
    bool terminal;
};

static void draw_bar(const struct reading *r, unsigned percent, bool done)
{
    int full = (int)percent * BAR_WIDTH / 100;

    fprintf(stderr, "\r%-20.20s reading the log [%.*s%*s] %3u %%%s", r->service, full, BAR,
            BAR_WIDTH - full, "", percent, done ? "\n" : "");
}

/* A bar for who looks on; a line a second for a journal; for systemd, so that it waits on. */
static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    struct reading *r = arg;
    unsigned percent = total ? (unsigned)(100.0 * (double)done / (double)total) : 100;
    char message[128], text[16];

    if (r->terminal)
        draw_bar(r, percent, done >= total);
    if (clock_us() - r->last_us < 1000000)
        return;
    r->last_us = clock_us();
    (void)snprintf(text, sizeof(text), "%u", percent); /* fits */
    (void)snprintf(message, sizeof(message),
                   "STATUS=reading the log, %s %%\nEXTEND_TIMEOUT_USEC=30000000", text); /* fits */
    (void)notify_send(message); /* systemd's absence changes nothing */
    if (!r->terminal)
        trace_log(TRACE_INFO, "reading the log", "percent", text, NULL);
}

static void tell_vault_start(const char *message, uint64_t n)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n); /* fits */
    if (n > 0)
        trace_log(TRACE_WARNING, message, "n", text, NULL);
}

static int open_core(struct service *s, struct err *err)
{
    struct log_head head;
    struct rd *rd;
    struct reading reading = { s->def->name, clock_us(), isatty(STDERR_FILENO) };

    int r = core_open(&s->core, s->def, s->store_path, 0, show_progress, &reading, err);
    if (r == 0)
        r = core_open_vault(s->core, s->home, getenv("CREDENTIALS_DIRECTORY"), err);
    if (r < 0)
        return r;
    struct core_vault_start start = core_vault_started(s->core);
    tell_vault_start("erased since the backup of this store, and now anew", start.anew);
    tell_vault_start("in the vault and unknown to the store: erased from it", start.swept);
    s->scratch = arena_new(CORE_CALL_ARENA);
    s->who = arena_new(CALLER_ARENA);
    s->key = s->def->personal ? seal_key_new() : NULL;
    if (!s->scratch || !s->who || (s->def->personal && !s->key))
        return err_set(err, ENOMEM, "no memory for the queries' arena");
    r = rd_begin(core_store(s->core), s->scratch, &rd);
    if (r < 0)
        return err_set(err, -r, "cannot read the store: %s", strerror(-r));
    if (log_head(rd, &head) == LOG_OK) {
        s->last_sequence = head.next_sequence - 1;
        s->last_record = head.record;
    }
    rd_end(rd);
    return 0;
}

static int open_caller_key(struct service *s, struct err *err)
{
    uint8_t key[CALLER_KEY_BYTES];

    int r = caller_key_open(s->home, getenv("CREDENTIALS_DIRECTORY"), key, err);
    if (r == 0)
        caller_key_of(key, s->def->name, s->caller_key);
    sodium_memzero(key, sizeof(key));
    return r;
}

static int open_pair(struct service *s, size_t i, struct pool_thread *t, struct err *err)
{
    char endpoint[40];

    t->s = s;
    (void)snprintf(endpoint, sizeof(endpoint), "inproc://pool-%zu", i); /* fits */
    int r = bus_bind(s->bus, BUS_PAIR, endpoint, 0, &t->ours, err);
    return r == 0 ? bus_connect(s->bus, BUS_PAIR, endpoint, &t->theirs, err) : r;
}

static size_t pool_size(const struct contract *contract)
{
    for (size_t i = 0; i < contract->n_methods; i++)
        if (contract->methods[i].prepare)
            return POOL_THREADS;
    return 1;
}

static int open_sockets(struct service *s, const struct options *o, struct err *err)
{
    s->bus = bus_new();
    if (!s->bus)
        return err_set(err, ENOMEM, "no memory for the sockets");
    int r = bus_bind(s->bus, BUS_ROUTER, o->call, 0660, &s->call.socket, err);
    if (r == 0)
        r = bus_bind(s->bus, BUS_ROUTER, o->admin, 0600, &s->admin.socket, err);
    if (r == 0)
        r = bus_bind(s->bus, BUS_XPUB, o->events, 0660, &s->events, err);
    if (r == 0)
        r = bus_bind(s->bus, BUS_PAIR, "inproc://writer", 0, &s->writer, err);
    if (r == 0)
        r = bus_connect(s->bus, BUS_PAIR, "inproc://writer", &s->writer_end, err);
    for (size_t i = 0; r == 0 && i < s->n_pool; i++)
        r = open_pair(s, i, &s->pool[i], err);
    if (r == 0 && s->def->effect)
        r = effects_open(s, err);
    s->admin.admin = true;
    return r;
}

static int start_thread(pthread_t *ret, void *(*run)(void *), void *arg, struct err *err)
{
    pthread_attr_t attributes;

    (void)pthread_attr_init(&attributes);                      /* cannot fail on Linux */
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES); /* a valid size */
    int r = pthread_create(ret, &attributes, run, arg);
    (void)pthread_attr_destroy(&attributes); /* cannot fail on Linux */
    return r ? err_set(err, r, "cannot start a thread: %s", strerror(r)) : 0;
}

/* ---- the loop ---- */

struct loop {
    struct service *s;
    int signals;
    int64_t heartbeat_us, readers_us, chore_us, watchdog_us, watchdog_every_us; /* next due */
    int64_t tell_us; /* of dropped subscribers, again */
    bool stop, drained;
};

static void due(int64_t now_us, int64_t *at_us, int64_t every_us, bool *ret)
{
    *ret = now_us >= *at_us;
    if (*ret)
        *at_us = now_us + every_us;
}

static void run_timers(struct loop *l)
{
    struct service *s = l->s;
    bool beat, readers, chore, watchdog = false;

    due(s->turn_us, &l->heartbeat_us, HEARTBEAT_US, &beat);
    due(s->turn_us, &l->readers_us, CHECK_READERS_US, &readers);
    due(s->turn_us, &l->chore_us, CHORE_S * (int64_t)1000000, &chore);
    if (l->watchdog_every_us)
        due(s->turn_us, &l->watchdog_us, l->watchdog_every_us, &watchdog);
    /* What a heartbeat tells of has left; and nothing is kept by a service that stops. */
    publish_kept(s, beat || s->drain_until_us);
    if (beat)
        stream_heartbeat(s->publisher, core_log_id(s->core), s->last_sequence);
    if (chore)
        intake_chore(s);
    if (readers)
        store_check_readers(core_store(s->core));
    if (watchdog)
        (void)notify_send("WATCHDOG=1"); /* systemd notices by itself what does not reach it */
}

/* Until the next thing is due that comes by itself. */
static int64_t wait_us(const struct loop *l)
{
    int64_t next_us = l->heartbeat_us < l->readers_us ? l->heartbeat_us : l->readers_us;

    if (l->watchdog_every_us && l->watchdog_us < next_us)
        next_us = l->watchdog_us;
    if (l->s->drain_until_us && l->s->drain_until_us < next_us)
        next_us = l->s->drain_until_us;
    if (l->s->unpublished && l->s->publish_at_us < next_us)
        next_us = l->s->publish_at_us;
    int64_t left_us = next_us - clock_us();
    return left_us < 0 ? 0 : left_us;
}

/* A commit takes hardly longer than to fall asleep and be woken does: who waits for one is answered by somebody awake. */
static int await(const struct loop *l, struct bus_item *items, size_t n)
{
    int64_t left_us = wait_us(l);

    if (l->s->commands_waiting > 0) {
        int r = bus_look_out(items, n, left_us < COMMIT_US ? left_us : COMMIT_US);
        if (r != 0)
            return r;
        left_us = wait_us(l);
    }
    return bus_poll(items, n, left_us == 0 ? 0 : (int)(left_us / 1000 + 1));
}

static void begin_drain(struct loop *l)
{
    struct signalfd_siginfo info;

    if (read(l->signals, &info, sizeof(info)) != (ssize_t)sizeof(info) || l->s->drain_until_us)
        return;
    intake_chore(l->s);
    l->s->drain_until_us = clock_us() + DRAIN_MS * 1000;
    if (l->s->effects.running)
        effects_stop(l->s);
    (void)notify_send("STOPPING=1\nSTATUS=finishing what was begun"); /* as above */
    trace_log(TRACE_INFO, "stopping", NULL);
}

static void take_commits(struct service *s)
{
    for (struct commit *c; (c = bus_take(s->writer));)
        intake_committed(s, c);
}

static void take_jobs(struct service *s)
{
    for (size_t i = 0; i < s->n_pool; i++)
        for (struct parcel *p; (p = bus_take(s->pool[i].ours));)
            intake_job_done(s, &s->pool[i], p);
}

static void check_drained(struct loop *l)
{
    struct service *s = l->s;

    if (!s->drain_until_us)
        return;
    char why[DEGRADED_CHARS];
    bool mending = core_tables_state(s->core, why, sizeof(why)) == CORE_TABLES_TAKEN;
    l->drained =
        s->commands_waiting == 0 && s->jobs_waiting == 0 && !s->effects.running && !mending;
    l->stop = l->drained || clock_us() >= s->drain_until_us;
}

static void take_subscriptions(struct loop *l)
{
    bool tell = false;

    if (stream_take_subscriptions(l->s->publisher))
        due(l->s->turn_us, &l->tell_us, TELL_US, &tell);
    if (tell)
        trace_log(TRACE_WARNING, "too many subscriptions, all subscribers were dropped", NULL);
}

static bool any_readable(const struct bus_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (items[i].readable)
            return true;
    return false;
}

static void run_loop(struct loop *l)
{
    struct service *s = l->s;
    struct bus_item items[5 + POOL_THREADS + 1] = {
        { .socket = s->writer }, { .socket = s->call.socket }, { .socket = s->admin.socket },
        { .socket = s->events }, { .fd = l->signals },
    };
    size_t n = 5;

    for (size_t i = 0; i < s->n_pool; i++)
        items[n++].socket = s->pool[i].ours;
    if (s->def->effect)
        items[n++].socket = s->effects.ours;

    while (!l->stop) {
        int r = await(l, items, n);
        s->turn_us = s->now_us = clock_us();
        s->turn_ms = wall_ms();
        if (r > 0) {
            /* Asking a socket where nothing waits is a system call. */
            if (items[0].readable)
                take_commits(s);
            if (any_readable(items + 5, s->n_pool))
                take_jobs(s);
            if (s->def->effect && items[n - 1].readable)
                effects_turn(s);
            if (items[1].readable)
                intake_turn(s, &s->call);
            if (items[2].readable)
                intake_turn(s, &s->admin);
            intake_end_turn(s);
            if (items[3].readable)
                take_subscriptions(l);
            if (items[4].readable)
                begin_drain(l);
        }
        intake_mend(s);
        run_timers(l);
        check_drained(l);
    }
    /* Whoever sent in the last moment learns that it was too late. */
    intake_turn(s, &s->call);
    intake_turn(s, &s->admin);
    intake_end_turn(s);
}

static void say_ready(struct service *s, const struct options *o)
{
    char pid[16], sequence[24], message[128];

    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid()); /* fits */
    (void)snprintf(sequence, sizeof(sequence), "%llu",
                   (unsigned long long)s->last_sequence); /* fits */
    trace_log(TRACE_INFO, "serving", "version", FOKUS_VERSION, "pid", pid, "call", o->call, "admin",
              o->admin, "events", o->events, "log_id", core_log_id(s->core), "sequence", sequence,
              NULL);
    (void)snprintf(message, sizeof(message), "READY=1\nSTATUS=serving from sequence %s",
                   sequence); /* fits */
    if (notify_send(message) < 0)
        trace_log(TRACE_WARNING, "systemd could not be told that the service is ready", NULL);
}

static bool stop_thread(struct bus_socket *end)
{
    struct parcel *p = parcel_new();
    if (!p)
        return false;
    p->stop = true;
    bus_give(end, p);
    return true;
}

/* Runs between the start of the threads and their end. */
static int serve(struct service *s, const struct options *o, int signals, struct err *err)
{
    int64_t now_us = clock_us();
    struct loop l = {
        .s = s,
        .signals = signals,
        .heartbeat_us = now_us,
        .readers_us = now_us + CHECK_READERS_US,
        .chore_us = now_us + CHORE_S * (int64_t)1000000,
        .watchdog_us = now_us,
        .watchdog_every_us = notify_watchdog_ms() * 1000,
    };
    pthread_t writer;
    size_t n_started = 0;

    int r = start_thread(&writer, writer_run, s, err);
    if (r < 0)
        return r;
    while (r == 0 && n_started < s->n_pool) {
        r = start_thread(&s->pool[n_started].thread, pool_run, &s->pool[n_started], err);
        n_started += r == 0;
    }
    if (r == 0 && s->def->effect) {
        r = start_thread(&s->effects.thread, effects_run, s, err);
        s->effects.running = r == 0;
    }
    if (r == 0) {
        say_ready(s, o);
        run_loop(&l);
    }
    if (r == 0 && !l.drained) {
        trace_log(TRACE_WARNING, "stopped before everything was finished", NULL);
        _exit(0); /* a thread is still at work: its memory cannot be given back under it */
    }
    if (r == 0 && s->def->effect)
        (void)pthread_join(s->effects.thread, NULL); /* made above, and told to end */
    if (!stop_thread(s->writer))
        _exit(1);                     /* without memory for a goodbye */
    (void)pthread_join(writer, NULL); /* made above */
    for (size_t i = 0; i < n_started; i++) {
        if (!stop_thread(s->pool[i].ours))
            _exit(1);                                /* likewise */
        (void)pthread_join(s->pool[i].thread, NULL); /* made above */
    }
    take_commits(s);
    publish_kept(s, true);
    take_jobs(s);
    return r;
}

static void close_service(struct service *s)
{
    stream_publisher_free(s->publisher);
    figures_free(s->figures);
    bus_release(&s->message);
    door_close(&s->call);
    door_close(&s->admin);
    bus_close(s->events);
    bus_close(s->writer_end);
    bus_close(s->writer);
    effects_close(s);
    for (size_t i = 0; i < s->n_pool; i++) {
        bus_close(s->pool[i].theirs);
        bus_close(s->pool[i].ours);
    }
    bus_free(s->bus);
    core_close(s->core);
    seal_key_free(s->key);
    if (s->scratch)
        arena_free(s->scratch);
    if (s->who)
        arena_free(s->who);
    sodium_memzero(s->caller_key, sizeof(s->caller_key));
    free(s);
}

/* Signals arrive on a descriptor, in the loop; threads made later inherit that. -1 on failure. */
static int take_signals(void)
{
    sigset_t set;

    (void)signal(SIGPIPE, SIG_IGN); /* valid arguments */
    (void)signal(
        SIGXFSZ,
        SIG_IGN); /* valid; a write past a limit of the system is an error like a full disk */
    (void)sigemptyset(&set);        /* valid arguments */
    (void)sigaddset(&set, SIGTERM); /* valid arguments */
    (void)sigaddset(&set, SIGINT);  /* valid arguments */
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(struct service *s, const struct options *o, int signals, struct err *err)
{
    int r = make_home(s, o->home, err);
    if (r == 0 && s->def->start)
        r = s->def->start(s->home, err);
    if (r == 0)
        r = open_core(s, err);
    if (r == 0)
        r = open_caller_key(s, err);
    if (r == 0)
        r = open_sockets(s, o, err);
    if (r == 0)
        r = publish_open(s, err);
    if (r == 0)
        r = serve(s, o, signals, err);
    return r;
}

int service_main(const struct service_def *def, int argc, char **argv)
{
    struct options o = { 0 };
    struct err err = { "" };

    int code = read_options(&o, def->name, argc, argv);
    if (code >= 0)
        return code;
    trace_init(def->name);
    leave_no_core();
    (void)mallopt(M_ARENA_MAX, 2); /* a hint: a few threads need no arena each */
    int signals = take_signals();
    struct service *s = calloc(1, sizeof(*s));
    if (!s || signals < 0) {
        trace_log(TRACE_ERROR, "cannot start", "err", "no memory or no signals", NULL);
        free(s);
        return 1;
    }
    s->def = def;
    s->n_pool = pool_size(def->contract);
    s->started_ms = wall_ms();
    s->portion = FIRST_PORTION;

    int r = run(s, &o, signals, &err);
    close_service(s);
    (void)close(signals); /* only read */
    if (r < 0) {
        trace_log(TRACE_ERROR, "cannot serve", "err", err.text, NULL);
        return 1;
    }
    trace_log(TRACE_INFO, "stopped", NULL);
    return 0;
}
