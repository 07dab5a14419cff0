/* supervise.h - the processes of one system: starts them, sees when they answer, starts again what dies, stops them.
 *
 * One thread, one loop: the owner polls what supervise_items() lists and calls supervise_turn(). Children get the system's settings by
 * environment, their standard error is ours, and they are asked to stop when we die, however we die. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "services/ctl/ctl.h"

enum child_state {
    CHILD_STOPPED,  /* by the operator, or not yet started */
    CHILD_STARTING, /* runs, does not answer yet */
    CHILD_SERVING,
    CHILD_STOPPING, /* was sent SIGTERM */
    CHILD_WAITING,  /* died; will be started again */
};
const char *child_state_name(enum child_state state);

enum {
    SUPERVISE_FIRST_PAUSE_MS = 100, /* before a child that died is started again; doubles ... */
    SUPERVISE_LAST_PAUSE_MS = 5000, /* ... up to this */
    SUPERVISE_STEADY_MS = 10000, /* a child that ran this long begins with the first pause again */
    SUPERVISE_STOP_MS = 10000,   /* from SIGTERM to SIGKILL */
    SUPERVISE_LINE_MAX = 1024,   /* of the gateway's line */
};

struct child {
    char name[SERVICE_NAME_MAX + 1]; /* "directory" of fokus-directory */
    char *path;                      /* the program */
    char *admin;                     /* endpoint of the admin socket */
    bool gateway; /* prints its addresses on standard output instead of answering GetStatus */
    enum child_state state;
    pid_t pid;
    unsigned restarts;
    bool start_after_stop;
    int64_t due_ms; /* WAITING: the next start. STOPPING: SIGKILL. STARTING: the next question. */
    int64_t started_ms;
    int pause_ms;
    struct client *probe; /* STARTING: asks for the status */
    bool probing;
    int output; /* the gateway's standard output, else -1 */
    char line[SUPERVISE_LINE_MAX];
    size_t line_len;
    bool line_done;
};

struct supervisor {
    struct ctl *ctl;
    struct child children[CTL_MAX_SERVICES]; /* in the order of starting: the gateway last */
    size_t n_children;
    bool stopping;
};

/* Finds the programs fokus-* in `folder`. 0, or the exit code with the reason said. */
int supervise_find(struct supervisor *s, struct ctl *ctl, const char *folder);
struct child *supervise_child(struct supervisor *s, const char *name);
/* Starts a child that does not run; one that is stopping is started when it has stopped. */
void supervise_start(struct child *c, int64_t now_ms);
/* Asks a child to stop; it is killed when it does not. */
void supervise_stop(struct child *c, int64_t now_ms);
/* Stops everything: the gateway first, then the services. */
void supervise_stop_all(struct supervisor *s, int64_t now_ms);
/* Kills what still runs. */
void supervise_kill_all(struct supervisor *s);
bool supervise_all_serving(const struct supervisor *s);
bool supervise_all_stopped(const struct supervisor *s);

/* Takes ended children, answers and due times. */
void supervise_turn(struct supervisor *s, int64_t now_ms);
size_t supervise_items(struct supervisor *s, struct bus_item *items, size_t room);
int supervise_due_ms(const struct supervisor *s, int64_t now_ms);
void supervise_close(struct supervisor *s);
