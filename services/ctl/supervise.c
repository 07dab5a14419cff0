/* supervise.c - see supervise.h. */
#include "services/ctl/supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fokus/runtime/v1/runtime.pb-c.h"

static const char prefix[] = "fokus-";

const char *child_state_name(enum child_state state)
{
    switch (state) {
    case CHILD_STOPPED:
        return "stopped";
    case CHILD_STARTING:
        return "starting";
    case CHILD_SERVING:
        return "serving";
    case CHILD_STOPPING:
        return "stopping";
    case CHILD_WAITING:
        return "waiting";
    }
    return "unknown";
}

/* ---- finding ---- */

static int compare_children(const void *a, const void *b)
{
    const struct child *x = a, *y = b;
    return x->gateway != y->gateway ? (int)x->gateway - (int)y->gateway : strcmp(x->name, y->name);
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static int add_child(struct supervisor *s, const char *folder, const char *file)
{
    const char *name = file + sizeof(prefix) - 1;

    if (!ctl_name_valid(name))
        return 0;
    char *path = arena_printf(s->ctl->arena, "%s/%s", folder, file);
    char *admin = arena_printf(s->ctl->arena, "ipc://%s/run/%s.admin", s->ctl->home, name);
    if (!path || !admin)
        return ctl_fail(s->ctl, CTL_REFUSED, "out of memory");
    if (!is_program(path))
        return 0;
    if (s->n_children == CTL_MAX_SERVICES)
        return ctl_fail(s->ctl, CTL_REFUSED, "more than %d programs fokus-* stand in %s",
                        CTL_MAX_SERVICES, folder);
    struct child *c = &s->children[s->n_children++];
    *c = (struct child) { .path = path,
                          .admin = admin,
                          .output = -1,
                          .gateway = strcmp(name, "gateway") == 0,
                          .pause_ms = SUPERVISE_FIRST_PAUSE_MS };
    memcpy(c->name, name, strlen(name) + 1);
    return 0;
}

int supervise_find(struct supervisor *s, struct ctl *ctl, const char *folder)
{
    const struct dirent *entry;
    int code = 0;

    s->ctl = ctl;
    DIR *dir = opendir(folder);
    if (!dir)
        return ctl_fail(ctl, CTL_REFUSED, "cannot look into %s: %s", folder, strerror(errno));
    while (code == 0 && (entry = readdir(dir)))
        if (strncmp(entry->d_name, prefix, sizeof(prefix) - 1) == 0)
            code = add_child(s, folder, entry->d_name);
    closedir(dir);
    qsort(s->children, s->n_children, sizeof(s->children[0]), compare_children);
    if (code == 0 && s->n_children == 0)
        code =
            ctl_fail(ctl, CTL_REFUSED, "no program fokus-* stands beside fokusctl in %s", folder);
    return code;
}

struct child *supervise_child(struct supervisor *s, const char *name)
{
    for (size_t i = 0; i < s->n_children; i++)
        if (strcmp(s->children[i].name, name) == 0)
            return &s->children[i];
    return NULL;
}

/* ---- one process ---- */

static void say(const struct child *c, const char *what)
{
    fprintf(stderr, "fokusctl: %s %s\n", c->name, what);
}

/* In the child, between fork and exec: only what a forked thread may do. */
static void become(const struct child *c, int output, pid_t parent)
{
    sigset_t none;
    char *const argv[] = { c->path, NULL };

    /* A terminal's Ctrl-C reaches us only: the order of stopping is ours. */
    (void)setpgid(0, 0);
    /* Security: nobody is left behind with the store when we are killed. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Our standard output carries one line of JSON: nothing of a child's gets there. */
    if (dup2(output >= 0 ? output : STDERR_FILENO, STDOUT_FILENO) < 0)
        _exit(1);
    execv(c->path, argv);
    static const char problem[] = "fokusctl: the program cannot be executed\n";
    (void)!write(STDERR_FILENO, problem, sizeof(problem) - 1);
    _exit(127);
}

static void schedule_restart(struct child *c, int64_t now_ms)
{
    c->state = CHILD_WAITING;
    c->due_ms = now_ms + c->pause_ms;
    c->pause_ms =
        c->pause_ms > SUPERVISE_LAST_PAUSE_MS / 2 ? SUPERVISE_LAST_PAUSE_MS : c->pause_ms * 2;
}

/* The settings are in the environment: run.c put them there. */
static void spawn(struct child *c, int64_t now_ms)
{
    int pipe_fds[2] = { -1, -1 };
    pid_t self = getpid();

    c->line_len = 0;
    c->line_done = false;
    if (c->gateway && pipe2(pipe_fds, O_CLOEXEC) < 0) {
        fprintf(stderr, "fokusctl: cannot start %s: %s\n", c->name, strerror(errno));
        schedule_restart(c, now_ms);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(c, pipe_fds[1], self);
    int problem = errno;
    if (pipe_fds[1] >= 0)
        close(pipe_fds[1]);
    if (pid < 0) {
        if (pipe_fds[0] >= 0)
            close(pipe_fds[0]);
        fprintf(stderr, "fokusctl: cannot start %s: %s\n", c->name, strerror(problem));
        schedule_restart(c, now_ms);
        return;
    }
    if (pipe_fds[0] >= 0)
        (void)fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK); /* ours and new: cannot fail */
    c->output = pipe_fds[0];
    c->pid = pid;
    c->started_ms = now_ms;
    c->due_ms = now_ms;
    c->state = CHILD_STARTING;
}

void supervise_start(struct child *c, int64_t now_ms)
{
    if (c->state == CHILD_STOPPING)
        c->start_after_stop = true;
    else if (c->state == CHILD_STOPPED || c->state == CHILD_WAITING)
        spawn(c, now_ms);
}

static void drop_probe(struct child *c)
{
    if (c->probe)
        client_free(c->probe);
    c->probe = NULL;
    c->probing = false;
}

void supervise_stop(struct child *c, int64_t now_ms)
{
    c->start_after_stop = false;
    if (c->state == CHILD_WAITING)
        c->state = CHILD_STOPPED;
    if (c->state != CHILD_STARTING && c->state != CHILD_SERVING)
        return;
    drop_probe(c);
    kill(c->pid, SIGTERM);
    c->state = CHILD_STOPPING;
    c->due_ms = now_ms + SUPERVISE_STOP_MS;
}

static void say_end(const struct child *c, int status)
{
    char text[160];

    if (WIFSIGNALED(status))
        (void)snprintf(text, sizeof(text), "was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(text, sizeof(text), "ended with exit code %d", WEXITSTATUS(status));
    if (c->state == CHILD_WAITING)
        fprintf(stderr, "fokusctl: %s %s; starting it again\n", c->name, text);
    else if (status != 0)
        say(c, text);
}

static void child_ended(struct supervisor *s, struct child *c, int status, int64_t now_ms)
{
    drop_probe(c);
    if (c->output >= 0)
        close(c->output);
    c->output = -1;
    c->pid = 0;
    if (c->state == CHILD_STOPPING) {
        c->state = CHILD_STOPPED;
    } else {
        if (now_ms - c->started_ms >= SUPERVISE_STEADY_MS)
            c->pause_ms = SUPERVISE_FIRST_PAUSE_MS;
        c->restarts++;
        schedule_restart(c, now_ms);
    }
    say_end(c, status);
    if (c->state == CHILD_STOPPED && c->start_after_stop && !s->stopping) {
        c->start_after_stop = false;
        spawn(c, now_ms);
    }
}

static void reap(struct supervisor *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->n_children; i++) {
        struct child *c = &s->children[i];
        int status;
        if (c->pid > 0 && waitpid(c->pid, &status, WNOHANG) == c->pid)
            child_ended(s, c, status, now_ms);
    }
}

/* ---- does it answer? ---- */

static void status_came(void *arg, const struct client_reply *reply)
{
    struct child *c = arg;

    c->probing = false;
    if (reply->code != CODE_OK)
        return;
    Fokus__Runtime__V1__GetStatusResponse *status =
        fokus__runtime__v1__get_status_response__unpack(NULL, reply->body.len, reply->body.data);
    if (!status)
        return;
    /* One that takes no writes still answers; one that replays does not yet. */
    if (strcmp(status->state, "serving") == 0 || strcmp(status->state, "degraded") == 0)
        c->state = CHILD_SERVING;
    fokus__runtime__v1__get_status_response__free_unpacked(status, NULL);
}

static void probe(struct supervisor *s, struct child *c, int64_t now_ms)
{
    struct err err = { "" };

    if (!c->probe && ctl_bus(s->ctl) && ctl_socket_alive(c->admin + sizeof("ipc://") - 1))
        c->probe = client_new(s->ctl->bus,
                              &(struct client_config) {
                                  .service = c->name,
                                  .endpoints = (const char *const *)&c->admin,
                                  .n_endpoints = 1,
                              },
                              &err);
    if (c->probe && !c->probing && now_ms >= c->due_ms) {
        c->probing = client_call(c->probe,
                                 &(struct client_call) {
                                     .method = "fokus.runtime.v1.RuntimeService/GetStatus",
                                     .timeout_ms = 1000,
                                     .query = true },
                                 status_came, c) != 0;
    }
    if (now_ms >= c->due_ms)
        c->due_ms = now_ms + 50;
    if (c->probe)
        client_turn(c->probe, now_ms);
    if (c->state == CHILD_SERVING)
        drop_probe(c);
}

/* Takes the gateway's first line; whatever follows is passed on to standard error. */
static void read_line(struct child *c)
{
    char bytes[512];
    ssize_t n;

    while ((n = read(c->output, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (c->line_done)
                fputc(bytes[i], stderr);
            else if (bytes[i] == '\n')
                c->line_done = true;
            else if (c->line_len + 1 < sizeof(c->line))
                c->line[c->line_len++] = bytes[i];
        }
    }
    c->line[c->line_len] = '\0';
    if (n == 0) {
        close(c->output);
        c->output = -1;
    }
    if (c->line_done && c->state == CHILD_STARTING)
        c->state = CHILD_SERVING;
}

/* ---- the loop ---- */

static bool gateway_stopped(const struct supervisor *s)
{
    for (size_t i = 0; i < s->n_children; i++)
        if (s->children[i].gateway && s->children[i].state != CHILD_STOPPED)
            return false;
    return true;
}

/* The gateway goes first, so that nobody is let in any more; the services when it is gone. */
static void stop_next(struct supervisor *s, int64_t now_ms)
{
    for (size_t i = 0; i < s->n_children; i++) {
        struct child *c = &s->children[i];
        if (c->gateway || c->state == CHILD_WAITING)
            supervise_stop(c, now_ms);
    }
    for (size_t i = 0; i < s->n_children && gateway_stopped(s); i++)
        supervise_stop(&s->children[i], now_ms);
}

void supervise_stop_all(struct supervisor *s, int64_t now_ms)
{
    s->stopping = true;
    stop_next(s, now_ms);
}

void supervise_kill_all(struct supervisor *s)
{
    for (size_t i = 0; i < s->n_children; i++)
        if (s->children[i].pid > 0)
            kill(s->children[i].pid, SIGKILL);
}

bool supervise_all_serving(const struct supervisor *s)
{
    for (size_t i = 0; i < s->n_children; i++)
        if (s->children[i].state != CHILD_SERVING)
            return false;
    return true;
}

bool supervise_all_stopped(const struct supervisor *s)
{
    for (size_t i = 0; i < s->n_children; i++)
        if (s->children[i].state != CHILD_STOPPED)
            return false;
    return true;
}

static void child_turn(struct supervisor *s, struct child *c, int64_t now_ms)
{
    if (c->output >= 0)
        read_line(c);
    if (c->state == CHILD_STARTING && !c->gateway)
        probe(s, c, now_ms);
    else if (c->state == CHILD_WAITING && now_ms >= c->due_ms)
        spawn(c, now_ms);
    else if (c->state == CHILD_STOPPING && now_ms >= c->due_ms) {
        say(c, "did not stop in time and is killed");
        kill(c->pid, SIGKILL);
        c->due_ms = now_ms + SUPERVISE_STOP_MS;
    }
}

void supervise_turn(struct supervisor *s, int64_t now_ms)
{
    reap(s, now_ms);
    for (size_t i = 0; i < s->n_children; i++)
        child_turn(s, &s->children[i], now_ms);
    if (s->stopping)
        stop_next(s, now_ms);
}

size_t supervise_items(struct supervisor *s, struct bus_item *items, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_children; i++) {
        const struct child *c = &s->children[i];
        if (c->output >= 0 && n < room)
            items[n++] = (struct bus_item) { .fd = c->output };
        if (c->probe)
            n += client_items(c->probe, items + n, room - n);
    }
    return n;
}

int supervise_due_ms(const struct supervisor *s, int64_t now_ms)
{
    int64_t due = INT64_MAX;

    for (size_t i = 0; i < s->n_children; i++) {
        const struct child *c = &s->children[i];
        bool timed = (c->state == CHILD_STARTING && !c->gateway) || c->state == CHILD_WAITING ||
                     c->state == CHILD_STOPPING;
        if (timed && c->due_ms < due)
            due = c->due_ms;
        int client_due = c->probe ? client_due_ms(c->probe, now_ms) : -1;
        if (client_due >= 0 && now_ms + client_due < due)
            due = now_ms + client_due;
    }
    if (due == INT64_MAX)
        return -1;
    return due <= now_ms ? 0 : (int)(due - now_ms);
}

void supervise_close(struct supervisor *s)
{
    for (size_t i = 0; i < s->n_children; i++) {
        drop_probe(&s->children[i]);
        if (s->children[i].output >= 0)
            close(s->children[i].output);
    }
}
