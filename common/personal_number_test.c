/* Only numbers published for tests: nobody has them. */
#include "common/personal_number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/macros.h"

static const char *const PERSONS[] = { "195704289999", "190905271474", "200002292399" };
static const char COORDINATION[] = "197010632391";
static const char ORGANISATION[] = "8020000009";

static void published_test_numbers_are_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(PERSONS); i++) {
        assert_true(personal_number_ok(PERSONS[i], 12));
        assert_false(coordination_number_ok(PERSONS[i], 12));
    }
    assert_true(coordination_number_ok(COORDINATION, 12));
    assert_false(personal_number_ok(COORDINATION, 12));
    assert_true(organisation_number_ok(ORGANISATION, 10));
}

static void every_single_wrong_digit_is_seen(void **state)
{
    char number[13];

    (void)state;
    /* The century is outside the check digit: the calendar alone guards it. */
    for (size_t i = 0; i < ARRAY_LEN(PERSONS); i++)
        for (size_t at = 2; at < 12; at++)
            for (char digit = '0'; digit <= '9'; digit++) {
                memcpy(number, PERSONS[i], sizeof(number));
                number[at] = digit;
                assert_int_equal(personal_number_ok(number, 12), digit == PERSONS[i][at]);
            }
    for (size_t at = 0; at < 10; at++)
        for (char digit = '0'; digit <= '9'; digit++) {
            memcpy(number, ORGANISATION, sizeof(ORGANISATION));
            number[at] = digit;
            assert_int_equal(organisation_number_ok(number, 10), digit == ORGANISATION[at]);
        }
}

static void other_shapes_are_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "570428-9999",
        "5704289999",
        "19570428-9999",
        "19570428999",
        "1957042899990",
        "19570428999x",
        " 195704289999",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_false(personal_number_ok(wrong[i], strlen(wrong[i])));
        assert_false(coordination_number_ok(wrong[i], strlen(wrong[i])));
        assert_false(organisation_number_ok(wrong[i], strlen(wrong[i])));
    }
    assert_false(organisation_number_ok("195704289999", 12));
}

/* With check digits that would be right: what is wrong is the day, the birth number, or the third digit. */
static void days_that_are_not_and_numbers_never_given_are_refused(void **state)
{
    char number[] = "190002292390";

    (void)state;
    for (char c = '0'; c <= '9'; c++) {
        number[11] = c;
        assert_false(personal_number_ok(number, 12)); /* 1900 had no 29 February */
    }
    memcpy(number, "000102302390", 12);
    for (char c = '0'; c <= '9'; c++) {
        number[11] = c;
        assert_false(personal_number_ok(number, 12)); /* nor is there a year 0 */
    }
    memcpy(number, "195704280000", 12);
    for (char c = '0'; c <= '9'; c++) {
        number[11] = c;
        assert_false(personal_number_ok(number, 12)); /* birth number 000 */
    }
    memcpy(number, "197010602390", 12);
    for (char c = '0'; c <= '9'; c++) {
        number[11] = c;
        assert_false(coordination_number_ok(number, 12)); /* day 60 is day 0 */
    }
    memcpy(number, "8010000000", 10);
    for (char c = '0'; c <= '9'; c++) {
        number[9] = c;
        assert_false(organisation_number_ok(number, 10)); /* third digit below 2 */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_test_numbers_are_right),
        cmocka_unit_test(every_single_wrong_digit_is_seen),
        cmocka_unit_test(other_shapes_are_refused),
        cmocka_unit_test(days_that_are_not_and_numbers_never_given_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
