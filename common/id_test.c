#include "common/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_is_uuid_v7(const char *id, uint64_t ms)
{
    char time[40];

    assert_int_equal(strlen(id), ID_CHARS);
    for (int i = 0; i < ID_CHARS; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23)
            assert_int_equal(id[i], '-');
        else
            assert_non_null(strchr("0123456789abcdef", id[i]));
    }
    assert_int_equal(id[14], '7');
    assert_non_null(strchr("89ab", id[19]));
    snprintf(time, sizeof(time), "%08" PRIx64 "-%04" PRIx64, ms >> 16, ms & 0xffff);
    assert_memory_equal(id, time, 13);
}

static void an_id_holds_version_variant_and_time(void **state)
{
    (void)state;
    struct id_source ids = { 0 };
    char id[ID_CHARS + 1];

    id_next(&ids, 1767268800000, id);
    assert_is_uuid_v7(id, 1767268800000);
    id_next(&ids, INT64_MAX, id);
    assert_is_uuid_v7(id, (UINT64_C(1) << 48) - 1);
}

/* Ten thousand in one millisecond pass the counter's end; then the clock steps back and forward. */
static void ids_increase_whatever_the_clock_does(void **state)
{
    (void)state;
    struct id_source ids = { 0 };
    char last[ID_CHARS + 1] = "", id[ID_CHARS + 1];

    for (int i = 0; i < 30000; i++) {
        int64_t now_ms = i < 10000 ? 1000 : i < 20000 ? 900 - i : i;
        id_next(&ids, now_ms, id);
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof(last));
    }
}

static void a_seed_makes_the_sequence_reproducible(void **state)
{
    (void)state;
    struct id_source one = { .seed = 42 }, two = { .seed = 42 }, other = { .seed = 43 };
    char a[ID_CHARS + 1], b[ID_CHARS + 1], c[ID_CHARS + 1];

    for (int i = 0; i < 100; i++) {
        id_next(&one, 1000 + i, a);
        id_next(&two, 1000 + i, b);
        id_next(&other, 1000 + i, c);
        assert_string_equal(a, b);
        assert_string_not_equal(a, c);
    }
}

static void two_sources_never_give_the_same(void **state)
{
    (void)state;
    struct id_source one = { 0 }, two = { 0 };
    char a[ID_CHARS + 1], b[ID_CHARS + 1];

    for (int i = 0; i < 100; i++) {
        id_next(&one, 1000, a);
        id_next(&two, 1000, b);
        assert_string_not_equal(a, b);
    }
}

static void text_and_bytes_are_the_same_id(void **state)
{
    static const char text[] = "01890a5d-ac96-774b-bcce-b302099a8057";
    static const uint8_t bytes[ID_BYTES] = { 0x01, 0x89, 0x0a, 0x5d, 0xac, 0x96, 0x77, 0x4b,
                                             0xbc, 0xce, 0xb3, 0x02, 0x09, 0x9a, 0x80, 0x57 };
    uint8_t read[ID_BYTES] = { 0 };
    char written[ID_CHARS + 1];

    (void)state;
    assert_true(id_read(text, read));
    assert_memory_equal(read, bytes, ID_BYTES);
    id_write(bytes, written);
    assert_string_equal(written, text);
}

static void what_is_no_uuid_is_not_read(void **state)
{
    static const char *const wrong[] = {
        "",
        "0",
        "01890a5d-ac96-774b-bcce-b302099a805",
        "01890a5d-ac96-774b-bcce-b302099a80577",
        "01890A5D-ac96-774b-bcce-b302099a8057",
        "01890a5dac96-774b-bcce-b302099a8057-",
        "01890a5d-ac96-774b-bcce-b302099a805g",
        "01890a5d-ac96-774b-bcce_b302099a8057",
    };
    uint8_t read[ID_BYTES] = { 7 };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(id_read(wrong[i], read));
    assert_int_equal(read[0], 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_holds_version_variant_and_time),
        cmocka_unit_test(ids_increase_whatever_the_clock_does),
        cmocka_unit_test(a_seed_makes_the_sequence_reproducible),
        cmocka_unit_test(two_sources_never_give_the_same),
        cmocka_unit_test(text_and_bytes_are_the_same_id),
        cmocka_unit_test(what_is_no_uuid_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
