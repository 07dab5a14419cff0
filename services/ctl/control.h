/* control.h - how the operator's commands reach a running supervisor: lines over the UNIX socket HOME/run/ctl.sock (0600).
 *
 * One line in ("stop directory", "start directory", "restart directory", "stop", "list"), an answer out when it is done, then the
 * connection closes: "ok" or "error WHY", after "list" one line a child: name, state, pid, restarts. */
#pragma once
#include "services/ctl/supervise.h"

enum { CONTROL_CONNECTIONS = 8, CONTROL_LINE_MAX = 128 };

struct control_connection {
    int fd; /* -1: free */
    char line[CONTROL_LINE_MAX];
    size_t len;
    struct child *child; /* what is waited for */
    bool wants_stopped, wants_serving, wants_all_stopped;
    unsigned restarts; /* of the child when the waiting began */
};

struct control {
    int listener;
    char *path;
    struct control_connection connections[CONTROL_CONNECTIONS];
    struct supervisor *supervisor;
};

/* Listens. The caller holds the home's lock, so a socket file that is there is a dead one's. 0, or the exit code with the reason said. */
int control_open(struct control *c, struct supervisor *s);
void control_close(struct control *c);
size_t control_items(struct control *c, struct bus_item *items, size_t room);
/* Takes connections and lines, answers what is done. */
void control_turn(struct control *c, int64_t now_ms);
