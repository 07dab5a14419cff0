/* run.c - fokusctl run: one whole system on one machine.
 *
 * The home folder belongs to one supervisor: it holds a lock on HOME/run/ctl.lock while it lives. The services start together, the
 * gateway when all of them answer, or after GATEWAY_PATIENCE_MS: one service that does not come up does not keep the others from
 * being used. Standard output gets exactly one line, when everything answers. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "services/ctl/address.h"
#include "services/ctl/control.h"
#include "services/ctl/supervise.h"

enum { GATEWAY_PATIENCE_MS = 10000, MAX_ITEMS = 120 };

struct run {
    struct ctl *ctl;
    struct supervisor supervisor;
    struct control control;
    int lock, signals;
    bool gateway_started, told;
    int64_t begun_ms;
};

/* ---- before anything starts ---- */

/* Makes the folder and those above it. */
static int make_folder(const char *path, mode_t mode)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len >= sizeof(part))
        return -ENAMETOOLONG;
    memcpy(part, path, len + 1);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST)
            return -errno;
        *p = '/';
    }
    return mkdir(part, mode) < 0 && errno != EEXIST ? -errno : 0;
}

static int take_lock(struct run *run)
{
    struct ctl *ctl = run->ctl;
    char text[32] = "";

    char *folder = arena_printf(ctl->arena, "%s/run", ctl->home);
    char *path = arena_printf(ctl->arena, "%s/run/ctl.lock", ctl->home);
    if (!folder || !path)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    int r = make_folder(folder, 0750);
    if (r < 0)
        return ctl_fail(ctl, CTL_REFUSED, "cannot make the folder %s: %s", folder, strerror(-r));
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (run->lock < 0)
        return ctl_fail(ctl, CTL_REFUSED, "cannot open %s: %s", path, strerror(errno));
    if (flock(run->lock, LOCK_EX | LOCK_NB) < 0) {
        ssize_t n = pread(run->lock, text, sizeof(text) - 1, 0);
        text[n > 0 ? strcspn(text, "\n") : 0] = '\0';
        return ctl_fail(ctl, CTL_REFUSED,
                        "a system already runs in %s (fokusctl process %s); stop it with "
                        "\"fokusctl stop\" or choose another --home",
                        ctl->home, *text ? text : "unknown");
    }
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(run->lock, 0) < 0 || pwrite(run->lock, text, (size_t)len, 0) != len)
        return ctl_fail(ctl, CTL_REFUSED, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

/* The longest socket path must fit, and it is better said here than by each service. */
static int check_home_length(struct run *run)
{
    size_t longest = strlen(run->ctl->home) + sizeof("/run/ctl.sock");

    for (size_t i = 0; i < run->supervisor.n_children; i++) {
        size_t len = strlen(run->ctl->home) + sizeof("/run/.events") +
                     strlen(run->supervisor.children[i].name);
        longest = len > longest ? len : longest;
    }
    if (longest <= 108)
        return 0;
    return ctl_fail(run->ctl, CTL_USAGE,
                    "the home folder's path is %zu characters too long for sockets: %s",
                    longest - 108, run->ctl->home);
}

static int own_folder(struct ctl *ctl, char ret[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
    if (n < 0)
        return ctl_fail(ctl, CTL_REFUSED, "cannot tell where fokusctl stands: %s", strerror(errno));
    ret[n] = '\0';
    *strrchr(ret, '/') = '\0';
    return 0;
}

/* The settings go to the children by environment, the same for all. */
static int choose_settings(struct ctl *ctl, const char *http, const char *admin)
{
    char beside[ADDRESS_MAX];

    if (!http)
        http = getenv("FOKUS_HTTP");
    if (!http || !*http)
        http = "127.0.0.1:8080";
    if (!admin)
        admin = getenv("FOKUS_ADMIN");
    if (!address_valid(http))
        return ctl_usage(ctl, "run", "\"%s\" is no address to listen on; say 127.0.0.1:8080", http);
    if (!admin || !*admin) {
        if (!address_beside(http, beside))
            return ctl_usage(ctl, "run", "there is no port beside %s; say --admin ADDR:PORT", http);
        admin = beside;
    }
    if (!address_valid(admin))
        return ctl_usage(ctl, "run", "\"%s\" is no address to listen on; say 127.0.0.1:8081",
                         admin);
    if (setenv("FOKUS_HOME", ctl->home, 1) < 0 || setenv("FOKUS_HTTP", http, 1) < 0 ||
        setenv("FOKUS_ADMIN", admin, 1) < 0)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    return 0;
}

/* Signals come as a descriptor. Blocked before the bus makes its threads, which inherit that. */
static int take_signals(struct run *run)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signal(SIGPIPE, SIG_IGN);
    if (run->signals < 0)
        return ctl_fail(run->ctl, CTL_REFUSED, "cannot take signals: %s", strerror(errno));
    return 0;
}

/* ---- ready ---- */

static void append_service(struct buf *out, const struct ctl *ctl, const struct child *c,
                           bool first)
{
    static const char *const sockets[] = { "call", "admin", "events" };

    buf_append_str(out, first ? "" : ",");
    json_string(out, c->name, strlen(c->name));
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        char endpoint[PATH_MAX];
        int len = snprintf(endpoint, sizeof(endpoint), "ipc://%s/run/%s.%s", ctl->home, c->name,
                           sockets[i]);
        buf_printf(out, "%s\"%s\":", i ? "," : ":{", sockets[i]);
        json_string(out, endpoint, (size_t)len);
    }
    buf_append_byte(out, '}');
}

/* Takes an address from the gateway's line as a URL. Port 0 was any port: a gateway that is started again takes the same one. */
static bool keep_address(const char *line, const char *member, const char *setting,
                         char ret_url[ADDRESS_MAX + 8])
{
    char said[ADDRESS_MAX + 8];

    return ctl_json_member(line, member, said, sizeof(said)) && address_as_url(said, ret_url) &&
           setenv(setting, ret_url + strlen("http://"), 1) == 0;
}

/* {"http":"http://127.0.0.1:8080","admin":...,"home":...,"services":{"directory":{"call":...,"admin":...,"events":...}}} */
static void tell_ready(struct run *run)
{
    struct buf out = BUF_INIT(1024 * 1024);
    char http[ADDRESS_MAX + 8] = "", admin[ADDRESS_MAX + 8] = "";
    bool first = true;

    for (size_t i = 0; i < run->supervisor.n_children; i++) {
        const struct child *c = &run->supervisor.children[i];
        if (!c->gateway)
            continue;
        if (!keep_address(c->line, "http", "FOKUS_HTTP", http) ||
            !keep_address(c->line, "admin", "FOKUS_ADMIN", admin))
            fprintf(stderr, "fokusctl: the gateway's line has no addresses: %s\n", c->line);
    }
    buf_append_str(&out, "{\"http\":");
    json_string(&out, http, strlen(http));
    buf_append_str(&out, ",\"admin\":");
    json_string(&out, admin, strlen(admin));
    buf_append_str(&out, ",\"home\":");
    json_string(&out, run->ctl->home, strlen(run->ctl->home));
    buf_append_str(&out, ",\"services\":{");
    for (size_t i = 0; i < run->supervisor.n_children; i++) {
        if (run->supervisor.children[i].gateway)
            continue;
        append_service(&out, run->ctl, &run->supervisor.children[i], first);
        first = false;
    }
    buf_append_str(&out, "}}");
    (void)ctl_print_json(run->ctl, &out); /* nobody listens: the system runs all the same */
    buf_free(&out);
    run->told = true;
}

/* ---- the loop ---- */

static void take_signal(struct run *run, int64_t now_ms)
{
    struct signalfd_siginfo info;

    while (read(run->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            continue; /* supervise_turn() looks */
        if (run->supervisor.stopping && info.ssi_signo != SIGHUP)
            supervise_kill_all(&run->supervisor);
        supervise_stop_all(&run->supervisor, now_ms);
    }
}

static bool services_serving(const struct supervisor *s)
{
    for (size_t i = 0; i < s->n_children; i++)
        if (!s->children[i].gateway && s->children[i].state != CHILD_SERVING)
            return false;
    return true;
}

static void start_gateway_when_due(struct run *run, int64_t now_ms)
{
    struct supervisor *s = &run->supervisor;

    if (run->gateway_started || s->stopping)
        return;
    if (!services_serving(s) && now_ms - run->begun_ms < GATEWAY_PATIENCE_MS)
        return;
    run->gateway_started = true;
    for (size_t i = 0; i < s->n_children; i++)
        if (s->children[i].gateway)
            supervise_start(&s->children[i], now_ms);
}

static int wait_ms(const struct run *run, int64_t now_ms)
{
    int due = supervise_due_ms(&run->supervisor, now_ms);
    int64_t patience = run->begun_ms + GATEWAY_PATIENCE_MS - now_ms;

    if (!run->gateway_started && (due < 0 || patience < due))
        due = patience < 0 ? 0 : (int)patience;
    return due;
}

static int loop(struct run *run)
{
    struct bus_item items[MAX_ITEMS];

    for (;;) {
        int64_t now = clock_ms();
        take_signal(run, now);
        supervise_turn(&run->supervisor, now);
        start_gateway_when_due(run, now);
        control_turn(&run->control, now);
        if (!run->told && supervise_all_serving(&run->supervisor))
            tell_ready(run);
        if (run->supervisor.stopping && supervise_all_stopped(&run->supervisor))
            return CTL_OK;
        size_t n = 0;
        items[n++] = (struct bus_item) { .fd = run->signals };
        n += control_items(&run->control, items + n, MAX_ITEMS - n);
        n += supervise_items(&run->supervisor, items + n, MAX_ITEMS - n);
        int r = bus_poll(items, n, wait_ms(run, now));
        if (r < 0 && r != -EINTR)
            return ctl_fail(run->ctl, CTL_REFUSED, "cannot wait: %s", strerror(-r));
    }
}

static int run_system(struct run *run, const char *http, const char *admin)
{
    char folder[PATH_MAX];

    int code = choose_settings(run->ctl, http, admin);
    if (code == 0)
        code = own_folder(run->ctl, folder);
    if (code == 0)
        code = supervise_find(&run->supervisor, run->ctl, folder);
    if (code == 0)
        code = check_home_length(run);
    if (code == 0)
        code = take_lock(run);
    if (code == 0)
        code = take_signals(run);
    if (code == 0 && !ctl_bus(run->ctl))
        code = ctl_fail(run->ctl, CTL_REFUSED, "out of memory");
    if (code == 0)
        code = control_open(&run->control, &run->supervisor);
    if (code != 0)
        return code;
    run->begun_ms = clock_ms();
    for (size_t i = 0; i < run->supervisor.n_children; i++)
        if (!run->supervisor.children[i].gateway)
            supervise_start(&run->supervisor.children[i], run->begun_ms);
    return loop(run);
}

int ctl_run(struct ctl *ctl, int argc, char **argv)
{
    static const char *const options[] = { "--http=", "--admin=", NULL };
    const char *values[2] = { NULL };

    argc = ctl_options(ctl, argc, argv, options, values);
    if (argc < 0)
        return CTL_USAGE;
    if (argc > 1)
        return ctl_usage(ctl, "run", "run takes no arguments, but got %s", argv[1]);

    struct run *run = calloc(1, sizeof(*run));
    if (!run)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    *run = (struct run) { .ctl = ctl, .lock = -1, .signals = -1 };
    run->control.listener = -1;
    int code = run_system(run, values[0], values[1]);
    supervise_close(&run->supervisor);
    control_close(&run->control);
    if (run->signals >= 0)
        close(run->signals);
    if (run->lock >= 0)
        close(run->lock);
    free(run);
    return code;
}
