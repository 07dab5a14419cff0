/* json_pipe.c - the JSON codec as a filter, for tests in other languages.
 *
 *   json-pipe DESCRIPTOR_SET MESSAGE
 *
 * Requests on stdin, answers on stdout, until the end of stdin:
 *   request  u32 length of the rest (little-endian), 'w' or 'j', then a packed message or its JSON
 *   answer   u32 length of the rest, '+' and the other form, or '-' and why not */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

enum { MAX_BYTES = 16 * 1024 * 1024 };

static bool read_file(const char *path, struct buf *to)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof(part), f)) > 0)
        buf_append(to, part, n);
    fclose(f);
    return !to->failed;
}

/* Appends the answer to one request, without its length. */
static void answer(const struct schema_message *m, const uint8_t *request, size_t len,
                   struct arena *arena, struct buf *out)
{
    struct status status = { .arena = arena };
    size_t from = out->len;
    bool ok;

    buf_append_byte(out, '+');
    if (request[0] == 'w')
        ok = schema_check(m, request + 1, len - 1, 0, &status) &&
             json_from_wire(m, request + 1, len - 1, out) == 0;
    else
        ok = json_to_wire(m, (const char *)request + 1, len - 1, out, &status) &&
             schema_check(m, out->data + from + 1, out->len - from - 1, 0, &status);
    if (ok && !out->failed)
        return;
    out->len = from;
    out->failed = false;
    status_finish(&status);
    buf_append_byte(out, '-');
    buf_append_str(out, status.message ? status.message : "these bytes cannot be written as JSON");
}

static bool serve(const struct schema_message *m, struct arena *arena, uint8_t *request,
                  struct buf *out)
{
    uint32_t len;

    while (fread(&len, sizeof(len), 1, stdin) == 1) {
        if (len < 1 || len > MAX_BYTES || fread(request, 1, len, stdin) != len)
            return false;
        arena_reset(arena);
        buf_clear(out);
        answer(m, request, len, arena, out);
        uint32_t size = (uint32_t)out->len;
        if (fwrite(&size, sizeof(size), 1, stdout) != 1 ||
            fwrite(out->data, 1, size, stdout) != size)
            return false;
    }
    return fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    struct buf set = BUF_INIT(MAX_BYTES), out = BUF_INIT(MAX_BYTES);
    struct schema *schema;
    struct err err;

    if (argc != 3) {
        fprintf(stderr, "usage: json-pipe DESCRIPTOR_SET MESSAGE\n");
        return 2;
    }
    if (!read_file(argv[1], &set)) {
        perror(argv[1]);
        return 1;
    }
    if (schema_open(&schema, set.data, set.len, &err)) {
        fprintf(stderr, "json-pipe: %s: %s\n", argv[1], err.text);
        return 1;
    }
    const struct schema_message *m = schema_message(schema, argv[2]);
    struct arena *arena = arena_new(MAX_BYTES);
    uint8_t *request = malloc(MAX_BYTES);
    bool ok = false;
    if (m && arena && request)
        ok = serve(m, arena, request, &out);
    else
        fprintf(stderr, "json-pipe: no message %s, or no memory\n", argv[2]);
    free(request);
    arena_free(arena);
    schema_close(schema);
    buf_free(&set);
    buf_free(&out);
    return ok ? 0 : 1;
}
