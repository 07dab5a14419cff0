/* control.c - both ends of HOME/run/ctl.sock, and the commands that are only that: stop, start, restart. */
#include "services/ctl/control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- the supervisor's end ---- */

static int socket_address(struct ctl *ctl, const char *path, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(ret->sun_path))
        return ctl_fail(ctl, CTL_USAGE, "the home folder's path is too long for sockets: %s",
                        ctl->home);
    memcpy(ret->sun_path, path, strlen(path));
    return 0;
}

static char *control_path(struct ctl *ctl)
{
    return arena_printf(ctl->arena, "%s/run/ctl.sock", ctl->home);
}

int control_open(struct control *c, struct supervisor *s)
{
    struct ctl *ctl = s->ctl;
    struct sockaddr_un address;

    *c = (struct control) { .listener = -1, .supervisor = s, .path = control_path(ctl) };
    for (size_t i = 0; i < CONTROL_CONNECTIONS; i++)
        c->connections[i].fd = -1;
    if (!c->path)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    int code = socket_address(ctl, c->path, &address);
    if (code != 0)
        return code;
    (void)unlink(c->path); /* what cannot be removed makes bind fail */
    c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Security: the file is never open to others, not even between bind and chmod. */
    mode_t before = umask(0177);
    bool ok = c->listener >= 0 &&
              bind(c->listener, (struct sockaddr *)&address, sizeof(address)) == 0 &&
              listen(c->listener, CONTROL_CONNECTIONS) == 0;
    int problem = errno;
    (void)umask(before);
    if (!ok)
        return ctl_fail(ctl, CTL_REFUSED, "cannot listen on %s: %s", c->path, strerror(problem));
    return 0;
}

static void hang_up(struct control_connection *conn)
{
    close(conn->fd);
    *conn = (struct control_connection) { .fd = -1 };
}

void control_close(struct control *c)
{
    for (size_t i = 0; i < CONTROL_CONNECTIONS; i++)
        if (c->connections[i].fd >= 0)
            hang_up(&c->connections[i]);
    if (c->listener >= 0) {
        close(c->listener);
        (void)unlink(c->path); /* a file left behind is replaced at the next start */
    }
    c->listener = -1;
}

size_t control_items(struct control *c, struct bus_item *items, size_t room)
{
    size_t n = 0;

    if (room > 0)
        items[n++] = (struct bus_item) { .fd = c->listener };
    for (size_t i = 0; i < CONTROL_CONNECTIONS && n < room; i++)
        if (c->connections[i].fd >= 0)
            items[n++] = (struct bus_item) { .fd = c->connections[i].fd };
    return n;
}

__attribute__((format(printf, 2, 3))) static void answer(struct control_connection *conn,
                                                         const char *format, ...)
{
    char text[CTL_MAX_SERVICES * 100];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* Whoever asked may be gone; what was asked is done all the same. */
    if (len > 0)
        (void)!send(conn->fd, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1,
                    MSG_NOSIGNAL);
    hang_up(conn);
}

static void answer_list(struct control *c, struct control_connection *conn)
{
    struct buf list = BUF_INIT(CTL_MAX_SERVICES * 100);

    for (size_t i = 0; i < c->supervisor->n_children; i++) {
        const struct child *child = &c->supervisor->children[i];
        buf_printf(&list, "%s %s %d %u\n", child->name, child_state_name(child->state),
                   (int)child->pid, child->restarts);
    }
    answer(conn, "%.*s", (int)list.len, list.data ? (const char *)list.data : "");
    buf_free(&list);
}

static void obey(struct control *c, struct control_connection *conn, int64_t now_ms)
{
    struct supervisor *s = c->supervisor;
    char *name = strchr(conn->line, ' ');

    if (name)
        *name++ = '\0';
    if (strcmp(conn->line, "list") == 0) {
        answer_list(c, conn);
        return;
    }
    if (strcmp(conn->line, "stop") == 0 && !name) {
        supervise_stop_all(s, now_ms);
        conn->wants_all_stopped = true;
        return;
    }
    bool stops = strcmp(conn->line, "stop") == 0, starts = strcmp(conn->line, "start") == 0;
    bool restarts = strcmp(conn->line, "restart") == 0;
    if (!stops && !starts && !restarts) {
        answer(conn, "error this is no order: list, stop, start and restart are");
        return;
    }
    conn->child = name ? supervise_child(s, name) : NULL;
    if (!conn->child) {
        answer(conn, "error no program fokus-%s is part of this system", name ? name : "?");
        return;
    }
    if (s->stopping) {
        answer(conn, "error the system is stopping");
        return;
    }
    conn->restarts = conn->child->restarts;
    if (stops || restarts)
        supervise_stop(conn->child, now_ms);
    if (starts || restarts) {
        supervise_start(conn->child, now_ms);
        conn->wants_serving = true;
    }
    conn->wants_stopped = !conn->wants_serving;
}

/* Answers those whose wish came true, or cannot. */
static void settle(struct control *c, struct control_connection *conn)
{
    const struct child *child = conn->child;

    if (conn->wants_all_stopped && supervise_all_stopped(c->supervisor))
        answer(conn, "ok\n");
    else if (conn->wants_stopped && child->state == CHILD_STOPPED)
        answer(conn, "ok\n");
    else if (conn->wants_serving && child->state == CHILD_SERVING)
        answer(conn, "ok\n");
    else if (conn->wants_serving && child->restarts != conn->restarts)
        answer(conn,
               "error %s ended before it answered; the last lines of the log say why. It is "
               "started again and again until it is stopped",
               child->name);
    else if (conn->wants_serving && child->state == CHILD_STOPPED)
        answer(conn, "error %s was stopped meanwhile", child->name);
}

static void take_line(struct control *c, struct control_connection *conn, int64_t now_ms)
{
    ssize_t n =
        recv(conn->fd, conn->line + conn->len, sizeof(conn->line) - 1 - conn->len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* gone, or the line is too long */
        hang_up(conn);
        return;
    }
    conn->len += (size_t)n;
    conn->line[conn->len] = '\0';
    char *end = memchr(conn->line, '\n', conn->len);
    if (!end)
        return;
    *end = '\0';
    obey(c, conn, now_ms);
}

static void take_connections(struct control *c)
{
    for (size_t i = 0; i < CONTROL_CONNECTIONS; i++) {
        if (c->connections[i].fd >= 0)
            continue;
        int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        c->connections[i] = (struct control_connection) { .fd = fd };
    }
}

void control_turn(struct control *c, int64_t now_ms)
{
    take_connections(c);
    for (size_t i = 0; i < CONTROL_CONNECTIONS; i++) {
        struct control_connection *conn = &c->connections[i];
        if (conn->fd >= 0)
            take_line(c, conn, now_ms);
        if (conn->fd >= 0)
            settle(c, conn);
    }
}

/* ---- the operator's end ---- */

int control_ask(struct ctl *ctl, const char *line, struct buf *ret, struct err *err)
{
    struct sockaddr_un address;
    char *path = control_path(ctl);

    if (!path || socket_address(ctl, path, &address) != 0)
        return -ENOENT;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, errno, "cannot make a socket");
    int r = 0;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        r = errno == ENOENT || errno == ECONNREFUSED
                ? -ENOENT
                : err_set(err, errno, "cannot connect to %s: %s", path, strerror(errno));
    if (r == 0 &&
        (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 || send(fd, "\n", 1, MSG_NOSIGNAL) < 0))
        r = err_set(err, errno, "cannot ask the supervisor: %s", strerror(errno));
    while (r == 0) {
        uint8_t *to = buf_reserve(ret, 1024);
        ssize_t n = to ? recv(fd, to, 1024, 0) : -1;
        if (n < 0 && to && errno == EINTR)
            continue;
        if (n < 0)
            r = err_set(err, EIO, "cannot read the supervisor's answer");
        if (n <= 0)
            break;
        ret->len += (size_t)n;
    }
    close(fd);
    return r;
}

/* Sends one order and tells how it went. */
static int order(struct ctl *ctl, const char *verb, const char *service)
{
    struct buf text = BUF_INIT(64 * 1024);
    struct err err = { "" };
    char line[CONTROL_LINE_MAX];

    if (service && !ctl_name_valid(service))
        return ctl_usage(ctl, verb, "\"%s\" is no service's name", service);
    (void)snprintf(line, sizeof(line), "%s%s%s", verb, service ? " " : "", service ? service : "");
    int r = control_ask(ctl, line, &text, &err);
    buf_append_byte(&text, 0);
    const char *said = text.failed ? "" : (const char *)text.data;
    int code;
    if (r == -ENOENT)
        code = ctl_fail(ctl, CTL_UNREACHABLE, "no system runs in %s", ctl->home);
    else if (r < 0)
        code = ctl_fail(ctl, CTL_REFUSED, "%s", err.text);
    else if (strncmp(said, "ok", 2) == 0)
        code = CTL_OK;
    else
        code = ctl_fail(ctl, CTL_REFUSED, "%s",
                        strncmp(said, "error ", 6) == 0 ? said + 6 : "the supervisor hung up");
    if (code == CTL_OK && ctl->json)
        printf("{\"done\":\"%s\",\"service\":\"%s\"}\n", verb, service ? service : "");
    buf_free(&text);
    return code;
}

static int order_command(struct ctl *ctl, int argc, char **argv, bool needs_service)
{
    static const char *const none[] = { NULL };

    argc = ctl_options(ctl, argc, argv, none, NULL);
    if (argc < 0)
        return CTL_USAGE;
    if (argc > 2 || (needs_service && argc < 2))
        return ctl_usage(ctl, argv[0], "%s takes one service", argv[0]);
    return order(ctl, argv[0], argc == 2 ? argv[1] : NULL);
}

int ctl_stop(struct ctl *ctl, int argc, char **argv)
{
    return order_command(ctl, argc, argv, false);
}

int ctl_start(struct ctl *ctl, int argc, char **argv)
{
    return order_command(ctl, argc, argv, true);
}

int ctl_restart(struct ctl *ctl, int argc, char **argv)
{
    return order_command(ctl, argc, argv, true);
}
