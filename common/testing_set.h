/* testing_set.h - for tests only: the schema of the testing messages (tests/journeys/proto) and wire bytes by hand.
 * Test programs run in the build folder, where the descriptor set is made. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/packed.h"
#include "common/schema.h"

static inline void testing_read(const char *path, struct buf *to)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        abort();
    }
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        buf_append(to, part, n);
    fclose(f);
}

static inline struct schema *testing_schema(void)
{
    struct buf set = BUF_INIT(1 << 20);
    struct schema *s;
    struct err err;

    testing_read("gen/testing.fds", &set);
    if (schema_open(&s, set.data, set.len, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    buf_free(&set);
    return s;
}

static inline void put_varint(struct buf *b, uint64_t value)
{
    uint8_t bytes[PACKED_VARINT_MAX];
    buf_append(b, bytes, (size_t)(packed_put_varint(bytes, value) - bytes));
}

static inline void put_number(struct buf *b, uint32_t field, uint64_t value)
{
    put_varint(b, field << 3 | PACKED_VARINT);
    put_varint(b, value);
}

static inline void put_bytes(struct buf *b, uint32_t field, const void *bytes, size_t len)
{
    put_varint(b, field << 3 | PACKED_LEN);
    put_varint(b, len);
    buf_append(b, bytes, len);
}

static inline void put_text(struct buf *b, uint32_t field, const char *text)
{
    put_bytes(b, field, text, strlen(text));
}
