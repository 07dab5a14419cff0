/* Files as an operator may hand them over: read in pieces, packed as messages of every kind of field. Pieces of any size give
 * the same rows, and what is packed is always a message that the service's own check can read. */
#include <stdlib.h>
#include <string.h>

#include "common/testing_set.h"
#include "services/ctl/csv.h"
#include "services/ctl/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
    const struct schema_message *message;
    struct rows_shape shape;
    struct buf packed; /* all rows */
    size_t bad;
    uint64_t rows;
};

static struct schema *schema;

static void ignore(void *arg, const char *column, const char *what)
{
    (void)arg;
    if (!*column || !*what)
        abort();
}

static int take_row(void *arg, uint64_t row, const struct slice *cells, size_t n_cells,
                    struct err *err)
{
    struct reading *r = arg;
    if (row != r->rows++)
        abort();
    if (row == 0)
        return rows_heading(&r->shape, r->message, cells, n_cells, err);
    if (n_cells != r->shape.n_columns)
        abort();
    size_t before = r->packed.len;
    size_t bad = rows_pack(&r->shape, cells, &r->packed, ignore, NULL);
    r->bad += bad;
    struct status status = { .arena = arena_new(1024 * 1024) };
    if (!r->packed.failed && r->packed.len > before &&
        !schema_check(r->message, r->packed.data + before, r->packed.len - before, 0, &status))
        abort();
    arena_free(status.arena);
    return 0;
}

static int read_in_pieces(struct reading *r, const uint8_t *data, size_t size, size_t step)
{
    struct err err = { "" };
    struct csv_reader *csv = csv_reader_new(take_row, r);
    int rc = 0;

    for (size_t at = 0; at < size && rc == 0; at += step)
        rc = csv_reader_feed(csv, data + at, size - at < step ? size - at : step, &err);
    if (rc == 0)
        rc = csv_reader_end(csv, &err);
    if (rc < 0 && !*err.text)
        abort(); /* a refusal without words */
    csv_reader_free(csv);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!schema)
        schema = testing_schema();
    const struct schema_message *m = schema_message(schema, "fokus.testing.v1.AllKinds");
    struct reading whole = { .message = m, .packed = BUF_INIT(1 << 24) };
    struct reading pieces = { .message = m, .packed = BUF_INIT(1 << 24) };
    size_t step = size ? (size_t)data[0] % 16 + 1 : 1;

    int a = read_in_pieces(&whole, data, size, size ? size : 1);
    int b = read_in_pieces(&pieces, data, size, step);
    if (a != b || whole.rows != pieces.rows || whole.bad != pieces.bad ||
        whole.packed.len != pieces.packed.len ||
        (whole.packed.len && memcmp(whole.packed.data, pieces.packed.data, whole.packed.len) != 0))
        abort();
    buf_free(&whole.packed);
    buf_free(&pieces.packed);
    return 0;
}
