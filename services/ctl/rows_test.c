/* rows_test.c - cells of every kind, and the words for those that are wrong. */
#include "services/ctl/rows.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/packed.h"
#include "common/testing_set.h"

static int open_testing(void **state)
{
    *state = testing_schema();
    return 0;
}

static int close_testing(void **state)
{
    schema_close(*state);
    return 0;
}

static struct slice text(const char *s)
{
    return (struct slice) { (const uint8_t *)s, strlen(s) };
}

static int heading(const struct schema *s, struct rows_shape *shape, const char *const *names,
                   size_t n, struct err *err)
{
    struct slice cells[CSV_MAX_COLUMNS];
    for (size_t i = 0; i < n; i++)
        cells[i] = text(names[i]);
    return rows_heading(shape, schema_message(s, "fokus.testing.v1.AllKinds"), cells, n, err);
}

static void note_problem(void *arg, const char *column, const char *what)
{
    buf_printf(arg, "%s: %s\n", column, what);
}

/* Packs one cell and reads the fields back: "number=value" each. */
static void cell_is(const struct schema *s, const char *column, const char *cell, const char *want)
{
    struct rows_shape shape;
    struct err err = { "" };
    struct buf out = BUF_INIT(10000), said = BUF_INIT(10000);
    struct slice value = text(cell);

    assert_int_equal(heading(s, &shape, &column, 1, &err), 0);
    size_t bad = rows_pack(&shape, &value, &out, note_problem, &said);
    struct slice rest = { out.data, out.len };
    struct packed_field f;
    while (bad == 0 && rest.len) {
        assert_int_equal(packed_take(&rest, &f), 1);
        if (f.type == PACKED_LEN)
            buf_printf(&said, "%u=%.*s ", f.number, (int)f.len, (const char *)f.data);
        else
            buf_printf(&said, "%u=%lld ", f.number, (long long)f.value);
    }
    struct status status = { .arena = arena_new(100000) };
    if (!schema_check(shape.message, out.data, out.len, 0, &status))
        fail_msg("%s: %s", column, status.violations[0].description);
    arena_free(status.arena);
    buf_append_byte(&said, 0);
    assert_string_equal((char *)said.data, want);
    buf_free(&out);
    buf_free(&said);
}

static void every_kind_of_value_is_packed(void **state)
{
    cell_is(*state, "a_string", " Å|\"x ", "9= Å|\"x  ");
    cell_is(*state, "a_bool", "ja", "8=1 ");
    cell_is(*state, "a_bool", "true", "8=1 ");
    cell_is(*state, "a_bool", "nej", "8=0 ");
    cell_is(*state, "an_int32", "-2147483648", "5=-2147483648 ");
    cell_is(*state, "an_int64", "9223372036854775807", "3=9223372036854775807 ");
    cell_is(*state, "a_uint32", "4294967295", "13=4294967295 ");
    cell_is(*state, "a_uint64", "007", "4=7 ");
    cell_is(*state, "an_sint32", "-1", "17=1 ");
    cell_is(*state, "an_sint64", "-9223372036854775808", "18=-1 ");
    cell_is(*state, "an_sint64", "5", "18=10 ");
    cell_is(*state, "a_fixed32", "9", "7=9 ");
    cell_is(*state, "a_fixed64", "9", "6=9 ");
    cell_is(*state, "an_sfixed32", "-1", "15=4294967295 ");
    cell_is(*state, "an_sfixed64", "-1", "16=-1 ");
    cell_is(*state, "a_double", "1.5", "1=4609434218613702656 ");
    cell_is(*state, "a_float", "-1.5e0", "2=3217031168 ");
}

static void several_values_stand_with_bars_between(void **state)
{
    cell_is(*state, "strings", "a|b c|d", "29=a 29=b c 29=d ");
    cell_is(*state, "strings", "a", "29=a ");
    cell_is(*state, "int32s", "1|-1|3", "25=1 25=-1 25=3 ");
    cell_is(*state, "bools", "ja|nej", "28=1 28=0 ");
    cell_is(*state, "strings", "a||b", "strings: has an empty value beside a \"|\"\n");
    cell_is(*state, "strings", "a|", "strings: has an empty value beside a \"|\"\n");
    cell_is(*state, "strings", "|", "strings: has an empty value beside a \"|\"\n");
}

static void an_empty_cell_is_an_absent_field(void **state)
{
    cell_is(*state, "a_string", "", "");
    cell_is(*state, "an_int32", "", "");
    cell_is(*state, "strings", "", "");
}

static void a_value_of_another_kind_is_told_with_what_is_right(void **state)
{
    cell_is(*state, "a_bool", "yes", "a_bool: must be ja, nej, true or false\n");
    cell_is(*state, "an_int32", "2147483648",
            "an_int32: must be a whole number from -2147483648 to 2147483647\n");
    cell_is(*state, "an_int32", " 1",
            "an_int32: must be a whole number from -2147483648 to 2147483647\n");
    cell_is(*state, "an_int32", "-",
            "an_int32: must be a whole number from -2147483648 to 2147483647\n");
    cell_is(*state, "a_uint32", "-1", "a_uint32: must be a whole number from 0 to 4294967295\n");
    cell_is(*state, "a_uint64", "18446744073709551616",
            "a_uint64: must be a whole number from 0 to 18446744073709551615\n");
    cell_is(*state, "a_double", "1,5", "a_double: must be a number such as 1.5\n");
    cell_is(*state, "a_double", "1e999", "a_double: must be a number such as 1.5\n");
    cell_is(*state, "a_double", "nan", "a_double: must be a number such as 1.5\n");
    cell_is(*state, "an_int32",
            "111111111111111111111111111111111111111111111111111111111111111111111111111111",
            "an_int32: must be a whole number from -2147483648 to 2147483647\n");
}

static void an_enum_is_its_name_in_small_letters_without_the_prefix(void **state)
{
    const struct schema_field *f =
        schema_field_by_name(schema_message(*state, "fokus.testing.v1.AllKinds"), "colour", 6);
    char cell[100], want[100];
    unsigned known = 0;

    for (size_t i = 0; i < f->enumeration->n_values; i++) {
        const struct schema_enum_value *v = &f->enumeration->values[i];
        if (strncmp(v->name, "COLOUR_", 7) != 0)
            continue;
        size_t len = strlen(v->name + 7);
        for (size_t k = 0; k <= len; k++)
            cell[k] = (char)(v->name[7 + k] >= 'A' && v->name[7 + k] <= 'Z' ? v->name[7 + k] + 32
                                                                            : v->name[7 + k]);
        (void)snprintf(want, sizeof(want), "14=%d ", v->number);
        cell_is(*state, "colour", cell, want);
        known++;
    }
    assert_true(known > 1);
}

static void an_unknown_enum_value_lists_the_known_ones(void **state)
{
    struct rows_shape shape;
    struct err err = { "" };
    struct buf out = BUF_INIT(10000), said = BUF_INIT(10000);
    struct slice value = text("COLOUR_NO_SUCH");

    assert_int_equal(heading(*state, &shape, (const char *[]) { "colour" }, 1, &err), 0);
    assert_int_equal(rows_pack(&shape, &value, &out, note_problem, &said), 1);
    buf_append_byte(&said, 0);
    assert_non_null(strstr((char *)said.data, "colour: must be one of "));
    buf_free(&out);
    buf_free(&said);
}

static void headings_that_cannot_be_used_are_refused(void **state)
{
    struct rows_shape shape;
    struct err err = { "" };

    assert_int_equal(heading(*state, &shape, (const char *[]) { "a_bool", "colur" }, 2, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "no column \"colur\"; known are a_double, a_float"));
    assert_int_equal(heading(*state, &shape, (const char *[]) { "" }, 1, &err), -EINVAL);
    assert_int_equal(heading(*state, &shape, (const char *[]) { "a_branch" }, 1, &err), -EINVAL);
    assert_non_null(strstr(err.text, "a_branch"));
    assert_int_equal(heading(*state, &shape, (const char *[]) { "some_bytes" }, 1, &err), -EINVAL);
    assert_int_equal(heading(*state, &shape, (const char *[]) { "string_map" }, 1, &err), -EINVAL);
    assert_int_equal(heading(*state, &shape, (const char *[]) { "a_bool", "a_bool" }, 2, &err),
                     -EINVAL);
    assert_non_null(strstr(err.text, "twice"));
}

static void all_bad_cells_of_a_row_are_told(void **state)
{
    struct rows_shape shape;
    struct err err = { "" };
    struct buf out = BUF_INIT(10000), said = BUF_INIT(10000);
    struct slice cells[] = { text("x"), text("fine"), text("1.x") };

    assert_int_equal(
        heading(*state, &shape, (const char *[]) { "a_bool", "a_string", "a_float" }, 3, &err), 0);
    assert_int_equal(rows_pack(&shape, cells, &out, note_problem, &said), 2);
    buf_append_byte(&said, 0);
    assert_string_equal((char *)said.data, "a_bool: must be ja, nej, true or false\n"
                                           "a_float: must be a number such as 1.5\n");
    buf_free(&out);
    buf_free(&said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_packed),
        cmocka_unit_test(several_values_stand_with_bars_between),
        cmocka_unit_test(an_empty_cell_is_an_absent_field),
        cmocka_unit_test(a_value_of_another_kind_is_told_with_what_is_right),
        cmocka_unit_test(an_enum_is_its_name_in_small_letters_without_the_prefix),
        cmocka_unit_test(an_unknown_enum_value_lists_the_known_ones),
        cmocka_unit_test(headings_that_cannot_be_used_are_refused),
        cmocka_unit_test(all_bad_cells_of_a_row_are_told),
    };
    return cmocka_run_group_tests(tests, open_testing, close_testing);
}
