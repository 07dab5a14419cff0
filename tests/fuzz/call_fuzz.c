/* Frames of calls, as strangers may send them: whatever the bytes are, every view lies within the frame, and what the
 * frame's check promised (so many calls, none of them breaking the list) holds. */
#include <errno.h>
#include <stdlib.h>

#include "common/caller.h"
#include "common/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

/* Touches the ends, so that AddressSanitizer sees a view that leaves the frame. */
static void touch(struct slice frame, struct slice view)
{
    if (view.len == 0)
        return;
    if (view.data < frame.data || view.data + view.len > frame.data + frame.len)
        abort();
    sink = view.data[0];
    sink = view.data[view.len - 1];
}

/* A caller that is read can be written and read again, and is never the operator. */
static void touch_caller(const struct wire_call *call)
{
    struct arena *arena = arena_new(1024 * 1024);
    struct origin origin;
    struct caller caller;
    int64_t expires_ms;

    if (!arena)
        abort();
    if (caller_read(call->caller, arena, &caller, &expires_ms) == 0) {
        if (caller.operator_socket || caller.n_held > CALLER_MAX_ROLES)
            abort();
        for (size_t i = 0; i < caller.n_held; i++)
            if (role_has_scope(caller.held[i].role) != (caller.held[i].scope[0] != '\0'))
                abort();
    }
    if (origin_read(call->origin, &origin) == 0 &&
        ((origin.network.len && origin.network.len != CALLER_NETWORK_BYTES) ||
         (origin.session.len && origin.session.len != CALLER_HASH_BYTES)))
        abort();
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice frame = { data, size };
    struct slice rest = frame;
    struct wire_call call;
    size_t promised, seen = 0;
    int r;

    if (wire_count_calls(frame, &promised) < 0)
        return 0;
    while ((r = wire_next_call(&rest, &call)) != 0) {
        seen++;
        touch(frame, call.method);
        touch(frame, call.locale);
        touch(frame, call.traceparent);
        touch(frame, call.idempotency_key);
        touch(frame, call.body);
        touch(frame, call.caller);
        touch(frame, call.origin);
        touch(frame, call.proof);
        touch_caller(&call);
        if (r < 0 && r != -EBADMSG)
            abort();
    }
    if (seen != promised || rest.len != 0)
        abort();
    return 0;
}
