/* csv_test.c - what is read, what is refused and with which words. */
#include "services/ctl/csv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

/* Rows as text: cells in [brackets], one row a line. */
static int write_down(void *arg, uint64_t row, const struct slice *cells, size_t n_cells,
                      struct err *err)
{
    struct buf *out = arg;
    (void)err; /* nothing here fails */
    buf_printf(out, "%llu", (unsigned long long)row);
    for (size_t i = 0; i < n_cells; i++)
        buf_printf(out, "[%.*s]", (int)cells[i].len, (const char *)cells[i].data);
    buf_append_byte(out, '\n');
    return 0;
}

/* Reads `text` in pieces of `step` bytes. */
static int read_in_steps(const char *text, size_t len, size_t step, struct buf *out,
                         struct err *err)
{
    struct csv_reader *r = csv_reader_new(write_down, out);
    assert_non_null(r);
    int rc = 0;
    for (size_t at = 0; at < len && rc == 0; at += step)
        rc = csv_reader_feed(r, text + at, len - at < step ? len - at : step, err);
    if (rc == 0)
        rc = csv_reader_end(r, err);
    csv_reader_free(r);
    return rc;
}

static void reads_as(const char *text, const char *want)
{
    for (size_t step = 1; step <= strlen(text) + 1; step++) {
        struct buf out = BUF_INIT(100000);
        struct err err = { "" };
        int rc = read_in_steps(text, strlen(text), step, &out, &err);
        buf_append_byte(&out, 0);
        assert_string_equal(err.text, "");
        assert_int_equal(rc, 0);
        assert_string_equal((char *)out.data, want);
        buf_free(&out);
    }
}

static void refused_bytes(const char *text, size_t len, int code, const char *words)
{
    struct buf out = BUF_INIT(10000000);
    struct err err = { "" };
    assert_int_equal(read_in_steps(text, len, 7, &out, &err), -code);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" says nothing of \"%s\"", err.text, words);
    buf_free(&out);
}

static void refused(const char *text, int code, const char *words)
{
    refused_bytes(text, strlen(text), code, words);
}

static void rows_come_cell_by_cell_in_pieces_of_any_size(void **state)
{
    (void)state;
    reads_as("a,b\n1,2\n3,4\n", "0[a][b]\n1[1][2]\n2[3][4]\n");
    reads_as("a,b\r\n1,2\r\n3,4", "0[a][b]\n1[1][2]\n2[3][4]\n");
    reads_as("a,b\n,\n\"\",x\n", "0[a][b]\n1[][]\n2[][x]\n");
}

static void quoted_cells_hold_commas_quotes_and_line_ends(void **state)
{
    (void)state;
    reads_as("a\n\"x,\"\"y\"\"\nz\"\n", "0[a]\n1[x,\"y\"\nz]\n");
}

static void nothing_is_trimmed(void **state)
{
    (void)state;
    reads_as(" a ,b\n x,\ty \n", "0[ a ][b]\n1[ x][\ty ]\n");
}

static void a_byte_order_mark_is_skipped_at_the_beginning_only(void **state)
{
    (void)state;
    reads_as("\xef\xbb\xbf"
             "a,b\n\xc3\xa5,\xef\xbb\xbf\n",
             "0[a][b]\n1[\xc3\xa5][\xef\xbb\xbf]\n");
}

static void what_is_no_csv_is_refused_with_its_row(void **state)
{
    (void)state;
    refused("", ENODATA, "not even a heading");
    refused("\xef\xbb\xbf", ENODATA, "not even a heading");
    refused("\xef\xbb", EBADMSG, "UTF-8");
    refused("a,b\n1\n", EBADMSG, "row 1 has 1 cells, the heading has 2");
    refused("a,b\n1,2\n1,2,3\n", EBADMSG, "row 2 has 3 cells");
    refused("a\nx\"y\n", EBADMSG, "row 1, cell 1: a double quote");
    refused("a\n\"x\"y\n", EBADMSG, "row 1, cell 1: a double quote");
    refused("a\n\"x\n", EBADMSG, "row 1 ends inside a quoted cell");
    refused("a\n\xc3\n", EBADMSG, "row 1, cell 1 is not UTF-8");
    refused("a\n\xed\xa0\x80\n", EBADMSG, "not UTF-8");
    refused("a\n\xc0\xaf\n", EBADMSG, "not UTF-8");
    refused("a\n\xf5\x80\x80\x80\n", EBADMSG, "not UTF-8");
    refused_bytes("a\nx\0y\n", 6, EBADMSG, "not UTF-8");
}

static void what_is_too_large_is_refused_before_it_is_kept(void **state)
{
    (void)state;
    size_t len = 3 * CSV_MAX_ROW;
    char *text = malloc(len);
    assert_non_null(text);

    memset(text, 'x', len);
    refused_bytes(text, len, EBADMSG, "longer than");
    for (size_t i = 0; i < len; i++)
        text[i] = i % (CSV_MAX_CELL - 10) == 0 ? ',' : 'x';
    refused_bytes(text, len, EBADMSG, "the heading is longer than");
    memset(text, ',', len);
    refused_bytes(text, len, EBADMSG, "more than 200 cells");
    free(text);
}

static int stop(void *arg, uint64_t row, const struct slice *cells, size_t n_cells, struct err *err)
{
    (void)arg;
    (void)cells;
    (void)n_cells;
    return row == 1 ? err_set(err, EDOM, "enough") : 0;
}

static void what_the_callback_says_ends_the_reading(void **state)
{
    (void)state;
    struct err err = { "" };
    struct csv_reader *r = csv_reader_new(stop, NULL);
    assert_int_equal(csv_reader_feed(r, "a\n1\n2\n", 6, &err), -EDOM);
    assert_string_equal(err.text, "enough");
    assert_int_equal(csv_reader_feed(r, "3\n", 2, &err), -EDOM);
    assert_int_equal(csv_reader_end(r, &err), -EDOM);
    csv_reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_cell_by_cell_in_pieces_of_any_size),
        cmocka_unit_test(quoted_cells_hold_commas_quotes_and_line_ends),
        cmocka_unit_test(nothing_is_trimmed),
        cmocka_unit_test(a_byte_order_mark_is_skipped_at_the_beginning_only),
        cmocka_unit_test(what_is_no_csv_is_refused_with_its_row),
        cmocka_unit_test(what_is_too_large_is_refused_before_it_is_kept),
        cmocka_unit_test(what_the_callback_says_ends_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
