/* csv.h - reads CSV strictly as RFC 4180 says: commas, double quotes, one heading row, every row as wide as the heading.
 *
 * Bytes come in pieces of any size; each whole row goes to a callback. Text is UTF-8 (a byte order mark is skipped), nothing
 * is trimmed. Whatever is not such a file is refused with the row and what is wrong; memory is bounded whatever comes. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"

enum {
    CSV_MAX_CELL = 256 * 1024, /* bytes */
    CSV_MAX_ROW = 1024 * 1024, /* bytes */
    CSV_MAX_COLUMNS = 200,
};

struct csv_reader;

/* One row. `row` is 0 for the heading, then counts from 1. Views are valid during the callback. 0, or a negative errno
 * that stops the reading and is handed through. */
typedef int csv_row(void *arg, uint64_t row, const struct slice *cells, size_t n_cells,
                    struct err *err);

/* NULL without memory. */
struct csv_reader *csv_reader_new(csv_row *each, void *arg);
void csv_reader_free(struct csv_reader *r);
/* Takes the next bytes. 0; -EBADMSG: this is not such a file; or what the callback returned. An error is final. */
int csv_reader_feed(struct csv_reader *r, const void *bytes, size_t len,
                    struct err *err) must_check;
/* The file ends here. A last row without a line end counts. -ENODATA: there was not even a heading. */
int csv_reader_end(struct csv_reader *r, struct err *err) must_check;
