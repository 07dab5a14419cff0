/* rows.h - CSV cells as messages: the heading names fields of a row's message, the cells become its packed bytes.
 *
 * A cell is the field's value as text; "|" stands between several values of a repeated field; an enum's value is its name without
 * the type's prefix, in small letters ("patient_association"); a bool is ja, nej, true or false; an empty cell is an absent field. */
#pragma once
#include "common/schema.h"
#include "common/status.h"
#include "services/ctl/csv.h"

struct rows_shape {
    const struct schema_message *message;
    const struct schema_field *columns[CSV_MAX_COLUMNS];
    size_t n_columns;
};

/* Reads the heading. -EINVAL: an unknown column (the text lists the known ones), one that is there twice, or one of a kind that a
 * cell cannot hold. */
int rows_heading(struct rows_shape *ret, const struct schema_message *message,
                 const struct slice *cells, size_t n_cells, struct err *err);

/* Called for each bad cell. */
typedef void rows_problem(void *arg, const char *column, const char *what);

/* Appends the packed row to `out`; returns how many cells were bad, which are left out. */
size_t rows_pack(const struct rows_shape *shape, const struct slice *cells, struct buf *out,
                 rows_problem *problem, void *arg);
