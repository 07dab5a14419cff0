/* trace.h - one JSON object a line on stderr: what a service did, never for whom or with what content.
 *
 * Under systemd each line begins with its priority (<3> to <7>). Bodies, query strings, names and addresses never come here; a test
 * plants canaries in every field of a request and greps for them. */
#pragma once
#include <stdint.h>

enum trace_level { TRACE_ERROR = 3, TRACE_WARNING = 4, TRACE_INFO = 6, TRACE_DEBUG = 7 };

/* Lines past this level are not written. $FOKUS_LOG: error, warning, info (default), debug. */
void trace_init(const char *service);

/* A line about the process. `message` is constant text; the pairs are alternating NULL-terminated names and values. */
void trace_log(enum trace_level level, const char *message, ...) __attribute__((sentinel));

/* A line about a call. */
struct trace_call {
    const char *method, *traceparent;
    uint64_t call_id;
    int code;
    uint64_t micros;
};
void trace_call(const struct trace_call *call);

enum { TRACE_PARENT_CHARS = 55 };
/* Whether the text is a valid W3C traceparent (version 00, or a higher one that begins like it). */
int trace_parent_valid(const char *text);
/* A fresh traceparent, or a child of `parent` if that is valid: same trace id, new span id. Writes a closing NUL. */
void trace_parent_next(const char *parent, char ret[TRACE_PARENT_CHARS + 1]);
