/* schema_fuzz.c - any bytes as a packed message, and as a descriptor set. Bytes that pass the check can be written as
 * JSON unless they hold what JSON has no form for, and that JSON can be read. */
#include <errno.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/testing_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct schema_message *m, const uint8_t *data, size_t size,
                  struct arena *arena)
{
    struct status status = { .arena = arena };
    struct buf json = BUF_INIT(1 << 22), wire = BUF_INIT(1 << 22);

    arena_reset(arena);
    bool ok = schema_check(m, data, size, SCHEMA_LIMITS, &status);
    if (ok != (status.code == CODE_OK))
        abort();
    int rc = json_from_wire(m, data, size, &json);
    if (rc != 0 && rc != -EBADMSG && rc != -ENOSPC)
        abort();
    if (ok && rc == 0 && !json_to_wire(m, (const char *)json.data, json.len, &wire, &status) &&
        status.code != CODE_RESOURCE_EXHAUSTED)
        abort();
    buf_free(&json);
    buf_free(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct schema *schema;
    static struct arena *arena;
    struct schema *other;

    if (!schema) {
        schema = testing_schema();
        arena = arena_new(1 << 24);
    }
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        check(schema_message(schema, "fokus.testing.v1.AllKinds"), data + 1, size - 1, arena);
    else if (data[0] % 3 == 1)
        check(schema_message(schema, "fokus.testing.v1.Limits"), data + 1, size - 1, arena);
    else if (schema_open(&other, data + 1, size - 1, NULL) == 0)
        schema_close(other);
    return 0;
}
