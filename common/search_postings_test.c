#include "common/search_postings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void test_round_trip(void **state)
{
    (void)state;
    const struct posting in[] = { { 7, 1 },      { 8, 255 },         { 136, 9 },       { 265, 8 },
                                  { 100000, 7 }, { 4000000000U, 6 }, { UINT32_MAX, 5 } };
    struct posting out[ARRAY_LEN(in) + 4];
    uint8_t bytes[ARRAY_LEN(in) * POSTING_BYTES_MAX];

    size_t len = postings_write(in, ARRAY_LEN(in), bytes);
    assert_true(len <= sizeof(bytes));
    assert_true(postings_most(len) >= ARRAY_LEN(in));
    assert_int_equal(postings_read(7, bytes, len, out, ARRAY_LEN(out)), ARRAY_LEN(in));
    for (size_t i = 0; i < ARRAY_LEN(in); i++) {
        assert_int_equal(out[i].doc, in[i].doc);
        assert_int_equal(out[i].impact, in[i].impact);
    }
    /* Only so many as there is room for. */
    assert_int_equal(postings_read(7, bytes, len, out, 3), 3);
}

static void test_damaged_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t first;
    } bad[] = {
        { "", 0, 1 },                             /* nothing */
        { "\x00", 1, 1 },                         /* no impact */
        { "\x05\x01", 2, 1 },                     /* a document without its impact */
        { "\x05\x01\x00", 3, 1 },                 /* with impact 0 */
        { "\x05\x81", 2, 1 },                     /* a distance cut off */
        { "\x05\x81\x00\x07", 4, 1 },             /* a distance spelt too long */
        { "\x05\xff\xff\xff\xff\x1f\x07", 7, 1 }, /* a distance of 33 bits */
        { "\x05\xff\xff\xff\xff\xff\xff\x07", 8, 1 },
        { "\x05\x00\x07", 3, UINT32_MAX }, /* past the last document */
        { "\x05\xfe\xff\xff\xff\x0f\x07", 7, 2 },
    };
    struct posting out[16];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(postings_read(bad[i].first, (const uint8_t *)bad[i].bytes, bad[i].len, out,
                                       ARRAY_LEN(out)),
                         -EBADMSG);
}

static void test_changes(void **state)
{
    (void)state;
    const struct posting old[] = { { 2, 20 }, { 4, 40 }, { 6, 60 } };
    const struct posting changes[] = { { 1, 1 }, { 2, 0 }, { 3, 0 }, { 4, 44 }, { 9, 9 } };
    struct posting out[8];

    size_t n = postings_change(old, 3, changes, 5, out);
    assert_int_equal(n, 4);
    const struct posting expected[] = { { 1, 1 }, { 4, 44 }, { 6, 60 }, { 9, 9 } };
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out[i].doc, expected[i].doc);
        assert_int_equal(out[i].impact, expected[i].impact);
    }
}

/* Runs of any density are cut into chunks of a size that is neither tiny nor large. */
static void test_chunk_sizes(void **state)
{
    (void)state;
    static struct posting all[100000];

    for (uint32_t step = 1; step <= 7; step++) {
        size_t n = ARRAY_LEN(all), chunks = 0, largest = 0;
        for (uint32_t i = 0; i < n; i++)
            all[i] = (struct posting) { i * step + 1, 1 };
        for (size_t i = 0, len; i < n; i += len, chunks++) {
            len = postings_chunk(all + i, n - i);
            largest = len > largest ? len : largest;
            assert_true(i == 0 || postings_is_boundary(all[i].doc));
        }
        assert_in_range(n / chunks, 100, 160);
        assert_true(largest <= 1024);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damaged_bytes),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_chunk_sizes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
