/* csv.c - Debian's libcsv in its strict mode, with what it leaves open: sizes, UTF-8, equal widths.
 *
 * libcsv calls back for each cell and each row end; the cells of a row are gathered in one buffer and handed on together. */
#include "services/ctl/csv.h"

#include <csv.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

struct csv_reader {
    struct csv_parser parser;
    csv_row *each;
    void *arg;
    struct buf text; /* the row's cells, one behind the other */
    size_t ends[CSV_MAX_COLUMNS];
    size_t n_cells, n_columns;
    uint64_t row;
    unsigned bom_at; /* bytes of a byte order mark seen at the very beginning */
    bool begun;      /* past the byte order mark, or there was none */
    int failed;
    struct err *err; /* of the call in hand */
};

static const uint8_t bom[3] = { 0xef, 0xbb, 0xbf };

/* "the heading" or "row 17". */
static const char *row_name(const struct csv_reader *r, char ret[32])
{
    if (r->row == 0)
        return "the heading";
    (void)snprintf(ret, 32, "row %llu", (unsigned long long)r->row); /* fits */
    return ret;
}

static void on_cell(void *text, size_t len, void *arg)
{
    struct csv_reader *r = arg;
    char name[32];
    size_t chars;

    if (r->failed)
        return;
    if (r->n_cells == CSV_MAX_COLUMNS) {
        r->failed = err_set(r->err, EBADMSG, "%s has more than %d cells", row_name(r, name),
                            CSV_MAX_COLUMNS);
        return;
    }
    if (!utf8_check(text, len, &chars)) {
        r->failed = err_set(r->err, EBADMSG,
                            "%s, cell %zu is not UTF-8 text; save the file as \"CSV UTF-8\"",
                            row_name(r, name), r->n_cells + 1);
        return;
    }
    buf_append(&r->text, text, len);
    if (r->text.failed) {
        r->failed =
            err_set(r->err, EBADMSG, "%s is longer than %d bytes", row_name(r, name), CSV_MAX_ROW);
        return;
    }
    r->ends[r->n_cells++] = r->text.len;
}

static void on_row(int end, void *arg)
{
    struct csv_reader *r = arg;
    struct slice cells[CSV_MAX_COLUMNS];
    char name[32];
    size_t from = 0;

    (void)end; /* which character ended the row: we do not mind */
    if (r->failed)
        return;
    if (r->row == 0)
        r->n_columns = r->n_cells;
    if (r->n_cells != r->n_columns) {
        r->failed = err_set(r->err, EBADMSG, "%s has %zu cells, the heading has %zu",
                            row_name(r, name), r->n_cells, r->n_columns);
        return;
    }
    for (size_t i = 0; i < r->n_cells; i++) {
        cells[i] = (struct slice) { r->text.len ? r->text.data + from : (const uint8_t *)"",
                                    r->ends[i] - from };
        from = r->ends[i];
    }
    r->failed = r->each(r->arg, r->row, cells, r->n_cells, r->err);
    r->row++;
    r->n_cells = 0;
    buf_clear(&r->text);
}

/* libcsv gathers a cell before it calls back: here its memory meets a bound. */
static void *bounded_realloc(void *at, size_t size)
{
    return size > CSV_MAX_CELL + 1024 ? NULL : realloc(at, size);
}

static int no_space(unsigned char c)
{
    (void)c; /* nothing is a space to be trimmed */
    return 0;
}

struct csv_reader *csv_reader_new(csv_row *each, void *arg)
{
    struct csv_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->each = each;
    r->arg = arg;
    r->text = BUF_INIT(CSV_MAX_ROW);
    if (csv_init(&r->parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
        free(r);
        return NULL;
    }
    csv_set_realloc_func(&r->parser, bounded_realloc);
    csv_set_space_func(&r->parser, no_space);
    return r;
}

void csv_reader_free(struct csv_reader *r)
{
    if (!r)
        return;
    csv_free(&r->parser);
    buf_free(&r->text);
    free(r);
}

static int parser_problem(struct csv_reader *r)
{
    char name[32];

    switch (csv_error(&r->parser)) {
    case CSV_EPARSE:
        return err_set(r->err, EBADMSG,
                       "%s, cell %zu: a double quote stands where none may; a cell that holds "
                       "one is quoted as a whole and the quote doubled",
                       row_name(r, name), r->n_cells + 1);
    case CSV_ENOMEM:
    case CSV_ETOOBIG:
        return err_set(r->err, EBADMSG,
                       "%s, cell %zu is longer than %d bytes; is a closing quote missing?",
                       row_name(r, name), r->n_cells + 1, CSV_MAX_CELL);
    default: /* libcsv knows no other */
        return err_set(r->err, EBADMSG, "%s cannot be read", row_name(r, name));
    }
}

static int parse(struct csv_reader *r, const void *bytes, size_t len)
{
    if (r->failed || len == 0)
        return r->failed;
    if (csv_parse(&r->parser, bytes, len, on_cell, on_row, r) != len && !r->failed)
        r->failed = parser_problem(r);
    return r->failed;
}

/* Skips the mark, which may come in pieces. Bytes that only began like one are given to the parser after all. */
static int skip_bom(struct csv_reader *r, const uint8_t **bytes, size_t *len)
{
    while (!r->begun && *len && r->bom_at < sizeof(bom) && **bytes == bom[r->bom_at]) {
        r->bom_at++;
        (*bytes)++;
        (*len)--;
    }
    if (r->begun || (*len == 0 && r->bom_at < sizeof(bom)))
        return 0;
    r->begun = true;
    return r->bom_at < sizeof(bom) ? parse(r, bom, r->bom_at) : 0;
}

int csv_reader_feed(struct csv_reader *r, const void *bytes, size_t len, struct err *err)
{
    const uint8_t *at = bytes;

    r->err = err;
    if (r->failed)
        return r->failed;
    int bad = skip_bom(r, &at, &len);
    return bad < 0 ? bad : parse(r, at, len);
}

int csv_reader_end(struct csv_reader *r, struct err *err)
{
    r->err = err;
    if (!r->failed && !r->begun && r->bom_at < sizeof(bom))
        (void)parse(r, bom, r->bom_at); /* its outcome is in r->failed */
    if (r->failed)
        return r->failed;
    if (csv_fini(&r->parser, on_cell, on_row, r) != 0 && !r->failed) {
        char name[32];
        r->failed = err_set(err, EBADMSG, "%s ends inside a quoted cell", row_name(r, name));
    }
    if (!r->failed && r->row == 0)
        r->failed = err_set(err, ENODATA, "the file is empty: not even a heading");
    return r->failed;
}
