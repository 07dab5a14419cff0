/* json_fuzz.c - any text as JSON of a message with every kind of field; what is accepted must pass the schema check and
 * come back the same way. */
#include <stdlib.h>

#include "common/json.h"
#include "common/testing_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct schema_message *m;
    static struct arena *arena;

    if (!m) {
        m = schema_message(testing_schema(), "fokus.testing.v1.AllKinds");
        arena = arena_new(1 << 24);
    }
    arena_reset(arena);
    struct buf wire = BUF_INIT(1 << 22), json = BUF_INIT(1 << 22), again = BUF_INIT(1 << 22);
    struct status status = { .arena = arena };
    if (json_to_wire(m, (const char *)data, size, &wire, &status)) {
        if (!schema_check(m, wire.data, wire.len, 0, &status))
            abort();
        if (json_from_wire(m, wire.data, wire.len, &json))
            abort();
        if (!json_to_wire(m, (const char *)json.data, json.len, &again, &status))
            abort();
    } else if (status.code == CODE_OK) {
        abort();
    }
    buf_free(&wire);
    buf_free(&json);
    buf_free(&again);
    return 0;
}
