#include "common/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void appended_parts_stand_in_order(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    buf_append(&b, "ab", 2);
    buf_append_str(&b, "cd");
    buf_append_byte(&b, 'e');
    buf_printf(&b, "%d-%s", 42, "x");
    assert_false(b.failed);
    assert_int_equal(b.len, 9);
    assert_memory_equal(b.data, "abcde42-x", 9);
    buf_free(&b);
}

static void past_the_maximum_nothing_is_written_any_more(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(4);
    buf_append(&b, "abcd", 4);
    assert_false(b.failed);
    buf_append_byte(&b, 'e');
    assert_true(b.failed);
    assert_int_equal(b.len, 4);
    buf_append(&b, "", 0);
    assert_null(buf_reserve(&b, 0));
    buf_clear(&b);
    buf_append_str(&b, "wxyz");
    assert_false(b.failed);
    assert_memory_equal(b.data, "wxyz", 4);
    buf_free(&b);
}

static void growth_keeps_what_was_there(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    for (int i = 0; i < 100000; i++)
        buf_append_byte(&b, (uint8_t)i);
    assert_false(b.failed);
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.data[i], (uint8_t)i);
    buf_append_byte(&b, 0);
    assert_true(b.failed);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_parts_stand_in_order),
        cmocka_unit_test(past_the_maximum_nothing_is_written_any_more),
        cmocka_unit_test(growth_keeps_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
