/* status.h - how a call ends when it is not a success: a code of the Connect/gRPC canon, a message a person
 * can act on, and the fields that were wrong.
 *
 * A refusal ("no such organisation") is a normal answer and is not an error of ours: handlers return 0 with it.
 * A failure (a broken machine) is a negative errno from the handler; the runtime turns it into `internal`,
 * `unavailable` or `resource_exhausted` and logs it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"

enum code {
    CODE_OK = 0,
    CODE_CANCELED = 1,
    CODE_UNKNOWN = 2,
    CODE_INVALID_ARGUMENT = 3,
    CODE_DEADLINE_EXCEEDED = 4,
    CODE_NOT_FOUND = 5,
    CODE_ALREADY_EXISTS = 6,
    CODE_PERMISSION_DENIED = 7,
    CODE_RESOURCE_EXHAUSTED = 8,
    CODE_FAILED_PRECONDITION = 9,
    CODE_ABORTED = 10,
    CODE_OUT_OF_RANGE = 11,
    CODE_UNIMPLEMENTED = 12,
    CODE_INTERNAL = 13,
    CODE_UNAVAILABLE = 14,
    CODE_DATA_LOSS = 15,
    CODE_UNAUTHENTICATED = 16,
};

/* "not_found" and so on; "unknown" for a number outside the canon. */
const char *code_name(enum code code);
/* The HTTP status of the Connect protocol for the code; 200 for CODE_OK. */
int code_http(enum code code);

enum { STATUS_MAX_VIOLATIONS = 100 };

struct violation {
    const char *field;       /* path from the request: "rows[3].care_areas[0]" */
    const char *description; /* what is wrong and what would be right */
};

/* Texts live in `arena`. Start with `{ .arena = a }`. */
struct status {
    enum code code;
    const char *message;
    struct violation *violations;
    size_t n_violations;
    size_t n_dropped; /* violations past STATUS_MAX_VIOLATIONS, only counted */
    struct arena *arena;
};

/* Refuses with a code and a message. Returns 0, so that a handler ends with `return status_refuse(...)`.
 * A later call does not overwrite an earlier refusal. */
int status_refuse(struct status *s, enum code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a field violation and makes the status invalid_argument if it was OK. Returns 0. Several may be added: a person
 * should see every mistake at once. When the message is empty at the end, status_finish() writes one from the violations. */
int status_violation(struct status *s, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Fills the message from the violations if there is none: "name: must not be empty (and 2 more)". */
void status_finish(struct status *s);

/* A failure's story, for the log line. Written by whoever returns a negative errno. */
struct err {
    char text[256];
};
/* Writes the text and returns `-errnum` (give a positive errno). `err` may be NULL. */
int err_set(struct err *err, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
