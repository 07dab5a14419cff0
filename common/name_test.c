#include "common/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/macros.h"

static void names_are_those_of_packages(void **state)
{
    static const char *const good[] = { "a", "directory", "web2", "care_areas",
                                        "abcdefghijabcdefghijabcdefghijabcdefghij" };
    static const char *const bad[] = {
        "",         ".",         "..",
        "../x",     "a/b",       "/a",
        "a b",      "A",         "aB",
        "-x",       "a-b",       "_a",
        "2a",       "a.b",       "a\n",
        "a\"",      "a{b}",      "a%2fb",
        "\xc3\xa5", "a\xc3\xa5", "abcdefghijabcdefghijabcdefghijabcdefghijk"
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!service_name_valid(good[i], strlen(good[i])))
            fail_msg("\"%s\" is refused", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (service_name_valid(bad[i], strlen(bad[i])))
            fail_msg("\"%s\" passes", bad[i]);
    assert_false(service_name_valid("a\0b", 3));
    assert_true(service_name_valid("a/b", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(names_are_those_of_packages) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
