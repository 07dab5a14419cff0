/* wire.h - reads frames of calls and writes frames of replies (proto/fokus/wire/v1/wire.proto) without a copy.
 *
 * This is each call's way in and out, and bytes from strangers: every read is bounds-checked, views point into the frame,
 * nothing is allocated. As a protobuf library does, it skips unknown fields and keeps the last value of a field given twice. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"

enum { WIRE_MAX_CALLS = 1024 };

/* Views into the frame; absent fields are empty. `caller`, `origin` and `proof` are as sent: see the rule in intake.c. */
struct wire_call {
    uint64_t call_id, min_sequence;
    uint32_t timeout_ms;
    bool has_call_id;
    struct slice method, locale, traceparent, idempotency_key, body;
    struct slice caller, origin, proof; /* packed messages; a `data` that is NULL: absent */
};

/* Whether the frame is a sound list, and of how many calls; the calls themselves may still be malformed. 0 or -EBADMSG. */
int wire_count_calls(struct slice frame, size_t *ret_count) must_check;
/* Takes the next call of a sound frame. 1: read; 0: the end; -EBADMSG: the call is malformed: what was read before the
 * fault is in `ret`, and the next call can be taken. */
int wire_next_call(struct slice *rest, struct wire_call *ret) must_check;

/* Packed messages for field 1 of a reply's body, mostly a repeated one: each with its length before it, as it lies somewhere
 * else (the log). They are copied once, into the frame. */
struct wire_pieces {
    const struct slice *counted;
    size_t n, bytes; /* `bytes`: of all together */
    struct slice
        whole; /* instead: the one message of a field 1 that is not repeated, without its length; data NULL: none */
    struct slice fields; /* instead: any fields, as they were packed before */
};
/* Bytes they take as fields. */
size_t wire_pieces_len(const struct wire_pieces *pieces);
/* Writes them as fields; returns the byte behind. */
uint8_t *wire_put_pieces(uint8_t *to, const struct wire_pieces *pieces);

struct wire_reply {
    uint64_t call_id, log_sequence;
    enum code status;
    bool repeated;
    const char *message; /* NULL: none */
    const struct violation *violations;
    size_t n_violations;
    const char *session_token; /* NULL: no session change; "": the session has ended */
    int64_t session_max_age_s;
    struct slice body;
    struct wire_pieces pieces; /* stand behind `body` */
};
/* Appends the reply to a packed Replies. */
void wire_put_reply(struct buf *frame, const struct wire_reply *reply);
