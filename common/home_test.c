/* home_test.c - one rule says where a system is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/home.h"

static void the_environment_goes_first(void **state)
{
    char home[PATH_MAX];

    (void)state;
    assert_int_equal(setenv("FOKUS_HOME", "/srv/two", 1), 0);
    assert_string_equal(home_default(home), "/srv/two");
}

static void without_it_the_programs_own_clone_is_taken_wherever_one_stands(void **state)
{
    char home[PATH_MAX], real[PATH_MAX];

    (void)state;
    assert_non_null(realpath(FOKUS_SOURCE_DIR, real));
    assert_int_equal(unsetenv("FOKUS_HOME"), 0);
    assert_string_equal(home_default(home) + strlen(real), "/var");
    assert_memory_equal(home, real, strlen(real));
    assert_int_equal(setenv("FOKUS_HOME", "", 1), 0);
    assert_string_equal(home_default(home) + strlen(real), "/var");
}

static void a_program_elsewhere_has_no_clone(void **state)
{
    static const char *const elsewhere[] = { "",
                                             "fokusctl",
                                             "/fokusctl",
                                             "/usr/bin/fokusctl",
                                             "/usr/local/bin/fokusctl",
                                             "build/release/bin/fokusctl",
                                             "/rebuild/release/bin/fokusctl",
                                             "/x/build/bin/fokusctl" };
    char home[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++)
        assert_false(home_of_program(elsewhere[i], home));
    assert_true(home_of_program("/x/build/release/bin/fokusctl", home));
    assert_string_equal(home, "/x/var");
    assert_true(home_of_program("/build/dev/toy/fokus-notes", home));
    assert_string_equal(home, "/var");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_goes_first),
        cmocka_unit_test(without_it_the_programs_own_clone_is_taken_wherever_one_stands),
        cmocka_unit_test(a_program_elsewhere_has_no_clone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
