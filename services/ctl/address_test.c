/* address_test.c - addresses to listen on, and names of what is imported. */
#include "services/ctl/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "services/ctl/find.h"

static void a_host_and_a_port_are_an_address(void **state)
{
    static const char *const good[] = { "127.0.0.1:8080", "localhost:0", "0.0.0.0:65535",
                                        "[::1]:80", "a-b.example:1" };
    static const char *const bad[] = { "",          ":80",     "127.0.0.1",   "127.0.0.1:",
                                       "x:65536",   "x:-1",    "x:80 ",       "x y:80",
                                       "[]:80",     "::1:80",  "http://x:80", "x:999999",
                                       "x:80/path", "[::1:80", "[::1]x:80",   "x:8O" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!address_valid(good[i]))
            fail_msg("%s is one", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (address_valid(bad[i]))
            fail_msg("%s is none", bad[i]);
}

static void the_port_beside_is_the_next_one_on_loopback(void **state)
{
    char beside[ADDRESS_MAX];
    (void)state;
    assert_true(address_beside("0.0.0.0:8080", beside));
    assert_string_equal(beside, "127.0.0.1:8081");
    assert_true(address_beside("127.0.0.1:0", beside));
    assert_string_equal(beside, "127.0.0.1:0");
    assert_false(address_beside("x:65535", beside));
    assert_false(address_beside("x", beside));
}

static void the_gateways_line_is_read(void **state)
{
    static const char line[] =
        "{\"http\": \"127.0.0.1:4711\",\"admin\":\"http://[::1]:4712\",\"n\":7}";
    char said[ADDRESS_MAX + 8], url[ADDRESS_MAX + 8];
    (void)state;
    assert_true(ctl_json_member(line, "http", said, sizeof(said)));
    assert_true(address_as_url(said, url));
    assert_string_equal(url, "http://127.0.0.1:4711");
    assert_true(ctl_json_member(line, "admin", said, sizeof(said)));
    assert_true(address_as_url(said, url));
    assert_string_equal(url, "http://[::1]:4712");
    assert_true(ctl_json_member(line, "n", said, sizeof(said)));
    assert_string_equal(said, "7");
    assert_false(ctl_json_member(line, "other", said, sizeof(said)));
    assert_false(ctl_json_member("{\"http\":\"cut", "http", said, sizeof(said)));
    assert_false(ctl_json_member("{\"http\":\"a\\\"b\"}", "http", said, sizeof(said)));
    assert_false(ctl_json_member("{\"http\":\"toolong\"}", "http", said, 5));
    assert_false(address_as_url("nonsense", url));
}

static void kinds_are_named_in_any_of_the_usual_ways(void **state)
{
    char name[32];
    (void)state;
    static const char *const ways[] = { "care-areas", "care_areas", "CareAreas", "careAreas" };
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        assert_true(find_pascal(ways[i], name, sizeof(name)));
        assert_string_equal(name, "CareAreas");
    }
    assert_true(find_kebab("CareAreas", name, sizeof(name)));
    assert_string_equal(name, "care-areas");
    assert_false(find_pascal("", name, sizeof(name)));
    assert_false(find_pascal("a/b", name, sizeof(name)));
    assert_false(find_pascal("abc", name, 3));
    assert_false(find_kebab("AbcDef", name, 7));
}

static void names_of_services_are_short_and_plain(void **state)
{
    (void)state;
    assert_true(ctl_name_valid("directory"));
    assert_true(ctl_name_valid("a_2"));
    assert_false(ctl_name_valid(""));
    assert_false(ctl_name_valid("../x"));
    assert_false(ctl_name_valid("-x"));
    assert_false(ctl_name_valid("X"));
    assert_false(ctl_name_valid("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_and_a_port_are_an_address),
        cmocka_unit_test(the_port_beside_is_the_next_one_on_loopback),
        cmocka_unit_test(the_gateways_line_is_read),
        cmocka_unit_test(kinds_are_named_in_any_of_the_usual_ways),
        cmocka_unit_test(names_of_services_are_short_and_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
