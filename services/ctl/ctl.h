/* ctl.h - what the commands of fokusctl share: options, a service on its admin socket, output for people and programs.
 *
 * One file a command, each with one entry in main.c's table. Nothing here names a service: what there is to call, to import and
 * to show is read from each service's Describe. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/bus.h"
#include "common/client.h"
#include "common/name.h"
#include "common/schema.h"
#include "common/status.h"

/* How fokusctl ends. */
enum {
    CTL_OK = 0,
    CTL_REFUSED = 1,     /* refused, or failed */
    CTL_USAGE = 2,       /* the command line is wrong */
    CTL_UNREACHABLE = 3, /* the service, or the system, does not answer */
};

enum {
    CTL_MAX_SERVICES = 32,
    CTL_ARENA_BYTES = 256 * 1024 * 1024,
    CTL_CALL_MS = 10000,
    CTL_LONG_MS = 3600 * 1000, /* backup, verify, import of a batch: as long as it takes */
};

struct ctl {
    const char *home; /* absolute */
    bool json;
    bool colour_out, colour_err;
    struct bus *bus;     /* NULL until ctl_bus() */
    struct arena *arena; /* as long as the command runs */
};

struct command {
    const char *name;
    const char *arguments; /* "SERVICE DIR" */
    const char *summary;   /* one line */
    const char *help;      /* what it does, its options, examples */
    /* argv[0] is the command's name; options common to all are gone. Returns the exit code. */
    int (*run)(struct ctl *ctl, int argc, char **argv);
};

int ctl_run(struct ctl *ctl, int argc, char **argv);
int ctl_status(struct ctl *ctl, int argc, char **argv);
int ctl_call(struct ctl *ctl, int argc, char **argv);
int ctl_import(struct ctl *ctl, int argc, char **argv);
int ctl_events(struct ctl *ctl, int argc, char **argv);
int ctl_backup(struct ctl *ctl, int argc, char **argv);
int ctl_restore(struct ctl *ctl, int argc, char **argv);
int ctl_verify(struct ctl *ctl, int argc, char **argv);
int ctl_access(struct ctl *ctl, int argc, char **argv);
int ctl_grant(struct ctl *ctl, int argc, char **argv);
int ctl_keys(struct ctl *ctl, int argc, char **argv);
int ctl_stop(struct ctl *ctl, int argc, char **argv);
int ctl_start(struct ctl *ctl, int argc, char **argv);
int ctl_restart(struct ctl *ctl, int argc, char **argv);

/* ---- saying things ---- */

/* Says what went wrong on stderr and returns `code`. */
int ctl_fail(const struct ctl *ctl, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A wrong command line: says so, points to the command's help and returns CTL_USAGE. */
int ctl_usage(const struct ctl *ctl, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Tells of a reply that is not OK: code, message, violations. Returns the exit code that fits. */
int ctl_refused(const struct ctl *ctl, const char *service, const struct client_reply *reply);
/* Takes the options out of argv, wherever they stand; returns how many arguments are left, argv[0] counted, or -1 for a
 * wrong one (said already). `options` is a NULL-terminated list of those allowed; `values` receives what was given for each: one
 * that ends with '=' takes a value, another is set to "". "--" ends the options. */
int ctl_options(const struct ctl *ctl, int argc, char **argv, const char *const *options,
                const char **values);
/* Writes out JSON that was built, and a line end. Returns CTL_OK, or CTL_REFUSED when stdout is gone. */
int ctl_print_json(const struct ctl *ctl, struct buf *json);
/* The text or number `name` of a flat JSON object as we write them, such as {"http":"127.0.0.1:8080"}, without its quotes. False when
 * there is none, or when it does not fit or needs unescaping. */
bool ctl_json_member(const char *json, const char *name, char *ret, size_t size);
/* Switches the colour of stdout, when it is a terminal. */
const char *ctl_green(const struct ctl *ctl);
const char *ctl_red(const struct ctl *ctl);
const char *ctl_yellow(const struct ctl *ctl);
const char *ctl_plain(const struct ctl *ctl);

/* ---- services ---- */

/* The process's one bus, made at the first call; NULL without memory. */
struct bus *ctl_bus(struct ctl *ctl);
/* Whether the text may be a service's name: a-z, 0-9, inner hyphens. */
bool ctl_name_valid(const char *name);
/* "HOME/run/directory.admin" and so on, in the arena; NULL without memory. */
char *ctl_socket_path(struct ctl *ctl, const char *service, const char *socket);
/* Whether somebody listens on the UNIX socket at `path`. */
bool ctl_socket_alive(const char *path);
/* The services that have an admin socket in the home, sorted, alive or not; returns how many. */
size_t ctl_services(struct ctl *ctl, char names[CTL_MAX_SERVICES][SERVICE_NAME_MAX + 1]);

/* A service on its admin socket. */
struct remote {
    char name[SERVICE_NAME_MAX + 1];
    char *endpoint; /* in the arena */
    struct client *client;
    struct schema *schema;  /* after remote_describe(): its own */
    struct schema *runtime; /* and what every service answers */
};

/* 0, or the exit code with the reason said. remote_close() is due in any case. */
int remote_open(struct ctl *ctl, const char *service, struct remote *ret);
void remote_close(struct remote *r);
/* Calls and waits. The reply is in the arena; it may be a refusal. */
void remote_call(struct ctl *ctl, struct remote *r, const struct client_call *call,
                 struct client_reply *ret);
/* The same for a method of the runtime ("GetStatus") and typed messages: the unpacked response in *ret. 0, or the exit code with the
 * reason said. */
int remote_runtime(struct ctl *ctl, struct remote *r, const char *method,
                   const ProtobufCMessage *request, const ProtobufCMessageDescriptor *response,
                   uint32_t timeout_ms, void *ret);
/* Fetches the schema. 0, or the exit code with the reason said. */
int remote_describe(struct ctl *ctl, struct remote *r);

/* ---- the supervisor of a running system, asked over HOME/run/ctl.sock ---- */

/* Sends one line ("stop directory") and reads the answer to its end into `answer`. 0, -ENOENT when no system runs in the home, or
 * another negative errno. */
int control_ask(struct ctl *ctl, const char *line, struct buf *answer, struct err *err);
