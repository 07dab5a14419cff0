#include "common/status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

static void codes_are_those_of_the_connect_protocol(void **state)
{
    static const struct {
        enum code code;
        const char *name;
        int http;
    } canon[] = {
        { CODE_OK, "ok", 200 },
        { CODE_CANCELED, "canceled", 499 },
        { CODE_UNKNOWN, "unknown", 500 },
        { CODE_INVALID_ARGUMENT, "invalid_argument", 400 },
        { CODE_DEADLINE_EXCEEDED, "deadline_exceeded", 504 },
        { CODE_NOT_FOUND, "not_found", 404 },
        { CODE_ALREADY_EXISTS, "already_exists", 409 },
        { CODE_PERMISSION_DENIED, "permission_denied", 403 },
        { CODE_RESOURCE_EXHAUSTED, "resource_exhausted", 429 },
        { CODE_FAILED_PRECONDITION, "failed_precondition", 400 },
        { CODE_ABORTED, "aborted", 409 },
        { CODE_OUT_OF_RANGE, "out_of_range", 400 },
        { CODE_UNIMPLEMENTED, "unimplemented", 501 },
        { CODE_INTERNAL, "internal", 500 },
        { CODE_UNAVAILABLE, "unavailable", 503 },
        { CODE_DATA_LOSS, "data_loss", 500 },
        { CODE_UNAUTHENTICATED, "unauthenticated", 401 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(canon); i++) {
        assert_int_equal(canon[i].code, i);
        assert_string_equal(code_name(canon[i].code), canon[i].name);
        assert_int_equal(code_http(canon[i].code), canon[i].http);
    }
    assert_string_equal(code_name((enum code)17), "unknown");
    assert_int_equal(code_http((enum code)17), 500);
}

static void the_first_refusal_stands(void **state)
{
    struct status s = { .arena = arena_new(10000) };

    (void)state;
    assert_int_equal(status_refuse(&s, CODE_NOT_FOUND, "no %s", "such thing"), 0);
    assert_int_equal(status_refuse(&s, CODE_INTERNAL, "later"), 0);
    status_finish(&s);
    assert_int_equal(s.code, CODE_NOT_FOUND);
    assert_string_equal(s.message, "no such thing");
    arena_free(s.arena);
}

static void violations_are_listed_bounded_and_summed_up(void **state)
{
    struct status s = { .arena = arena_new(100000) };

    (void)state;
    for (int i = 0; i < STATUS_MAX_VIOLATIONS + 5; i++)
        assert_int_equal(status_violation(&s, "rows", "row %d is bad", i), 0);
    assert_int_equal(s.code, CODE_INVALID_ARGUMENT);
    assert_int_equal(s.n_violations, STATUS_MAX_VIOLATIONS);
    assert_int_equal(s.n_dropped, 5);
    for (size_t i = 0; i < s.n_violations; i++) {
        char want[40];
        (void)snprintf(want, sizeof(want), "row %zu is bad", i); /* short */
        assert_string_equal(s.violations[i].field, "rows");
        assert_string_equal(s.violations[i].description, want);
    }
    status_finish(&s);
    assert_string_equal(s.message, "rows: row 0 is bad (and 104 more)");
    arena_free(s.arena);

    struct status one = { .arena = arena_new(10000) };
    assert_int_equal(status_violation(&one, "", "must be an object"), 0);
    status_finish(&one);
    assert_string_equal(one.message, "must be an object");
    arena_free(one.arena);
}

static void a_refusal_outlives_its_words(void **state)
{
    struct status s = { .arena = arena_new(1) };
    char *long_text = calloc(1, 100001);

    (void)state;
    memset(long_text, 'x', 100000);
    assert_int_equal(status_refuse(&s, CODE_ABORTED, "%s", long_text), 0);
    assert_int_equal(s.code, CODE_ABORTED);
    assert_non_null(s.message);
    assert_true(strlen(s.message) > 0 && strlen(s.message) < 1000);
    struct status v = { .arena = s.arena };
    for (int i = 0; i < 3; i++)
        assert_int_equal(status_violation(&v, "name", "%s", long_text), 0);
    status_finish(&v);
    assert_int_equal(v.code, CODE_INVALID_ARGUMENT);
    assert_true(strlen(v.message) > 0);
    arena_free(s.arena);
    free(long_text);
}

static void a_failure_keeps_its_story(void **state)
{
    struct err err;
    char long_text[1000];

    (void)state;
    assert_int_equal(err_set(&err, EIO, "store %s", "x"), -EIO);
    assert_string_equal(err.text, "store x");
    assert_int_equal(err_set(NULL, ENOMEM, "nobody listens"), -ENOMEM);
    memset(long_text, 'y', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    assert_int_equal(err_set(&err, EIO, "%s", long_text), -EIO);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_those_of_the_connect_protocol),
        cmocka_unit_test(the_first_refusal_stands),
        cmocka_unit_test(violations_are_listed_bounded_and_summed_up),
        cmocka_unit_test(a_refusal_outlives_its_words),
        cmocka_unit_test(a_failure_keeps_its_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
