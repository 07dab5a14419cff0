/* site_test.c - the operator's word goes first, then the gateway's; what nobody knows is said to be so. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/site.h"
#include "common/testing_tree.h"

static char home[64];

static int set_up(void **state)
{
    char run[80];

    (void)state;
    (void)snprintf(home, sizeof(home), "/tmp/fokus-site-XXXXXX");
    if (!mkdtemp(home))
        return -1;
    (void)snprintf(run, sizeof(run), "%s/run", home);
    return mkdir(run, 0700) + unsetenv("FOKUS_SITE");
}

static int tear_down(void **state)
{
    (void)state;
    return testing_remove_tree(home) + unsetenv("FOKUS_SITE");
}

static void found(const char *wanted)
{
    char site[SITE_MAX] = "untouched";

    site_find(home, site);
    assert_string_equal(site, wanted);
}

static void told(const char *address)
{
    struct err err = { "" };

    if (site_tell(home, address, &err) < 0)
        fail_msg("%s", err.text);
}

static void the_gateway_says_where_it_listens(void **state)
{
    (void)state;
    found(""); /* it was never up */
    told("127.0.0.1:43211");
    found("http://127.0.0.1:43211");
    told("[::1]:8080"); /* another one, elsewhere */
    found("http://[::1]:8080");
    told("fokus.example:8080");
    found("http://fokus.example:8080");
}

static void every_address_of_a_machine_is_none(void **state)
{
    static const char *const everywhere[] = { "0.0.0.0:8080", "[::]:8080",     "0:80",
                                              "[0:0::0]:1",   "[::0.0.0.0]:1", "" };

    (void)state;
    for (size_t i = 0; i < sizeof(everywhere) / sizeof(*everywhere); i++) {
        told(everywhere[i]);
        found("");
    }
}

static void the_operator_goes_first(void **state)
{
    char too_long[SITE_MAX + 1] = "https://";

    (void)state;
    told("127.0.0.1:43211");
    assert_int_equal(setenv("FOKUS_SITE", "https://fokus.example", 1), 0);
    found("https://fokus.example");
    assert_int_equal(setenv("FOKUS_SITE", "https://fokus.example//", 1), 0);
    found("https://fokus.example");
    assert_int_equal(setenv("FOKUS_SITE", "", 1), 0);
    found("http://127.0.0.1:43211");
    memset(too_long + strlen(too_long), 'x', SITE_MAX - strlen(too_long));
    assert_int_equal(setenv("FOKUS_SITE", too_long, 1), 0);
    found("http://127.0.0.1:43211");
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    struct err err = { "" };

    (void)state;
    assert_int_equal(site_tell("/nowhere", "127.0.0.1:1", &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/run/gateway.http"));
}

#define WITH_HOME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOME(the_gateway_says_where_it_listens),
        WITH_HOME(every_address_of_a_machine_is_none),
        WITH_HOME(the_operator_goes_first),
        WITH_HOME(a_folder_that_is_not_there_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
