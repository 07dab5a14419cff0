/* schema.c - builds a schema from a FileDescriptorSet and finds things in it.
 *
 * Everything lives in one arena that belongs to the schema; nothing in it changes after schema_open(). The set comes
 * from a service, so it is checked like any input: names are plain identifiers (they are written into JSON as they
 * are), every type named exists, and nothing outside google.protobuf nests in itself. protobuf-c has no depth limit,
 * so the only recursion a descriptor set has (nested_type) is measured before it is unpacked. */
#include "common/schema_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"

/* Whether the bytes are well formed and message declarations nest at most MAX_NESTING deep. */
static bool nesting_ok(const uint8_t *p, size_t len, uint32_t descend, unsigned depth)
{
    const uint8_t *end = p + len;
    struct packed_field f;

    while (p < end) {
        if (!packed_next(&p, end, &f))
            return false;
        if (f.number != descend || f.type != PACKED_LEN)
            continue;
        if (depth == MAX_NESTING)
            return false;
        if (!nesting_ok(f.data, f.len, descend == 1 ? 4 : 3, depth + 1))
            return false;
    }
    return true;
}

static int read_set(struct builder *b, const uint8_t *bytes, size_t len)
{
    if (len > MAX_SET_BYTES)
        return err_set(b->err, EBADMSG, "a descriptor set may hold %d bytes, this one has %zu",
                       MAX_SET_BYTES, len);
    if (!nesting_ok(bytes, len, 1, 0))
        return err_set(
            b->err, EBADMSG,
            "these bytes are no google.protobuf.FileDescriptorSet with at most %d levels",
            MAX_NESTING);
    const Google__Protobuf__FileDescriptorSet *set =
        google__protobuf__file_descriptor_set__unpack(arena_pb(b->scratch), len, bytes);
    if (!set)
        return err_set(b->err, EBADMSG, "these bytes are no google.protobuf.FileDescriptorSet");
    int rc = schema_gather(b, set);
    return rc ? rc : schema_build(b);
}

int schema_open(struct schema **ret, const uint8_t *set, size_t len, struct err *err)
{
    struct arena *keep = arena_new(4 * (size_t)MAX_SET_BYTES);
    struct arena *scratch = arena_new(16 * (size_t)MAX_SET_BYTES);
    struct schema *s = keep ? arena_calloc(keep, 1, sizeof(*s)) : NULL;
    int rc = s && scratch ? 0 : err_set(err, ENOMEM, "no memory for the schema");

    if (!rc) {
        s->arena = keep;
        rc = read_set(
            &(struct builder) { .schema = s, .keep = keep, .scratch = scratch, .err = err }, set,
            len);
    }
    arena_free(scratch);
    if (rc) {
        arena_free(keep);
        return rc;
    }
    *ret = s;
    return 0;
}

void schema_close(struct schema *s)
{
    if (s)
        arena_free(s->arena); /* the schema itself stands in it */
}
