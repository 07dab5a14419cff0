/* Frames of calls, as strangers may send them: whatever the bytes are, every view lies within the frame, and what the
 * frame's check promised (so many calls, none of them breaking the list) holds. */
#include <errno.h>
#include <stdlib.h>

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
        if (r < 0 && r != -EBADMSG)
            abort();
    }
    if (seen != promised || rest.len != 0)
        abort();
    return 0;
}
