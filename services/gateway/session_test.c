/* session_test.c - what cookies, keys, pages' origins and proxies' headers come to, and what a browser is told. */
#include "services/gateway/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* 32 bytes of 0x00 to 0x1f, and of 0xff. */
#define TOKEN "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define OTHER "__________________________________________8"

static void expect(struct slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.data, text, s.len);
}

static void a_cookie_is_found_among_others(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "__Host-fokus=" TOKEN,
        "a=b; __Host-fokus=" TOKEN,
        "__Host-fokus=" TOKEN "; a=b",
        ";; a;b ;c=d=e;__Host-fokus=" TOKEN ";",
        " \t__Host-fokus=" TOKEN " \t; x",
        "__Host-fokus2=" OTHER "; __host-fokus=" OTHER "; __Host-fokus=" TOKEN,
    };
    struct cookies c;

    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        session_cookies(headers[i], &c);
        expect(c.session, TOKEN);
        assert_true(c.session_named);
        assert_int_equal(c.browser.len, 0);
    }
    session_cookies("__Host-fokus-browser=" OTHER "; __Host-fokus=" TOKEN, &c);
    expect(c.session, TOKEN);
    expect(c.browser, OTHER);
}

static void a_cookie_of_another_form_is_none(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "__Host-fokus",
        "__Host-fokus=",
        "__Host-fokus=x",
        "__Host-fokus=\"" TOKEN "\"",
        "__Host-fokus=" TOKEN "=",
        "__Host-fokus=" TOKEN "A",
        "__Host-fokus= " TOKEN,
        "__Host-fokus=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", /* bits that mean nothing */
        "__Host-fokus=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+", /* the other alphabet */
        "__Host-fokus=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh",
        "__Host-fokus=" TOKEN "; __Host-fokus=" TOKEN,
        "__Host-fokus=" TOKEN "; __Host-fokus=" OTHER "; __Host-fokus=" TOKEN,
        "__Host-fokus=x; __Host-fokus=" TOKEN,
        "__Host-fokus=" TOKEN ";__Host-fokus",
    };
    static const char *const not_ours[] = { NULL,
                                            "",
                                            ";",
                                            "=",
                                            "__Host-foku=" TOKEN,
                                            "__Host-fokus =" TOKEN,
                                            "=__Host-fokus",
                                            "a=__Host-fokus=" TOKEN };
    struct cookies c;

    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        session_cookies(headers[i], &c);
        assert_int_equal(c.session.len, 0);
        assert_true(c.session_named);
    }
    for (size_t i = 0; i < ARRAY_LEN(not_ours); i++) {
        session_cookies(not_ours[i], &c);
        assert_false(c.session_named);
        assert_int_equal(c.session.len + c.browser.len, 0);
    }
}

static void bearer_keys(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "Bearer",
        "Bearer ",
        "Bearer short",
        "Basic " TOKEN,
        TOKEN,
        "Bearer  " TOKEN,
        "Bearer " TOKEN " ",
        "Bearer\t" TOKEN,
        "Bearer " TOKEN ",x",
        "Bearer=" TOKEN,
        "Bearer " TOKEN "\n",
        "Bearer =========================",
    };
    char text[8 + SESSION_KEY_MAX + 2] = "Bearer ";
    struct slice key;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(session_bearer(bad[i], &key));
    assert_true(session_bearer("Bearer " TOKEN, &key));
    expect(key, TOKEN);
    assert_true(session_bearer("bEARER a.b-c_d~e+f/0123456789==", &key));
    expect(key, "a.b-c_d~e+f/0123456789==");
    memset(text + 7, 'x', SESSION_KEY_MAX);
    assert_true(session_bearer(text, &key));
    text[7 + SESSION_KEY_MAX] = 'x';
    assert_false(session_bearer(text, &key));
}

static void pages_of_the_same_site(void **state)
{
    (void)state;
    static const struct {
        const char *fetch, *origin, *host;
        bool same;
    } cases[] = {
        { NULL, NULL, NULL, true },
        { "same-origin", NULL, NULL, true },
        { "none", "https://other.example", "our.example", true },
        { "same-site", NULL, "our.example", false },
        { "cross-site", "https://our.example", "our.example", false },
        { "", NULL, NULL, false },
        { "none ", NULL, NULL, false },
        { NULL, "https://our.example", "our.example", true },
        { NULL, "HTTP://Our.Example", "our.example", true },
        { NULL, "https://our.example:443", "our.example", true },
        { NULL, "https://our.example", "our.example:443", true },
        { NULL, "http://our.example:80", "our.example:80", true },
        { NULL, "http://our.example:443", "our.example", false },
        { NULL, "https://our.example:80", "our.example", false },
        { NULL, "http://our.example:8080", "our.example:8080", true },
        { NULL, "http://our.example:8080", "our.example", false },
        { NULL, "https://our.example/", "our.example", false },
        { NULL, "https://our.example@evil.example", "our.example", false },
        { NULL, "https://sub.our.example", "our.example", false },
        { NULL, "https://[2001:db8::1]:443", "[2001:db8::1]", true },
        { NULL, "null", "null", false },
        { NULL, "", "", false },
        { NULL, "https://", "", false },
        { NULL, "https://:443", "", false },
        { NULL, "https://our.example", NULL, false },
        { NULL, "file://our.example", "our.example", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (session_same_site(cases[i].fetch, cases[i].origin, cases[i].host) != cases[i].same)
            fail_msg("case %zu", i);
}

static void what_a_browser_is_told(void **state)
{
    (void)state;
    char text[SESSION_COOKIE_MAX], browser[SESSION_TOKEN_CHARS + 1], again[SESSION_TOKEN_CHARS + 1];

    session_set_cookie(SLICE_STR(TOKEN), 3600, text);
    assert_string_equal(text, "__Host-fokus=" TOKEN
                              "; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax");
    session_set_cookie((struct slice) { 0 }, 3600, text);
    assert_string_equal(text, "__Host-fokus=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax");
    session_set_cookie(SLICE_STR(TOKEN), INT64_MAX, text);
    assert_non_null(strstr(text, "Max-Age=34560000;"));
    session_set_cookie(SLICE_STR(TOKEN), INT64_MIN, text);
    assert_non_null(strstr(text, "Max-Age=0;"));
    session_new_browser(browser);
    session_new_browser(again);
    assert_true(session_token_valid((struct slice) { (uint8_t *)browser, strlen(browser) }));
    assert_string_not_equal(browser, again);
    session_set_browser(browser, text);
    assert_int_equal(strlen(text),
                     strlen("__Host-fokus-browser=" TOKEN
                            "; Path=/; Max-Age=34560000; Secure; HttpOnly; SameSite=Lax"));
    assert_true(strlen(text) < SESSION_COOKIE_MAX);
}

static void expect_network(const struct proxies *proxies, const char *peer, const char *forwarded,
                           const char *wanted)
{
    struct proxies both;
    struct err err;
    char list[200];
    uint8_t network[CALLER_NETWORK_BYTES];

    /* The list's reader is the only one of addresses here. */
    (void)snprintf(list, sizeof(list), "%s,%s", peer, wanted);
    assert_int_equal(session_read_proxies(list, &both, &err), 0);
    session_network(proxies, both.list[0], forwarded, network);
    if (memcmp(network, both.list[1], sizeof(network)) != 0)
        fail_msg("%s, %s: not %s", peer, forwarded ? forwarded : "-", wanted);
}

static void networks(void **state)
{
    (void)state;
    struct proxies none = { 0 }, ours;
    struct err err;

    assert_int_equal(session_read_proxies("127.0.0.1, 2001:db8:9::9\t", &ours, &err), 0);
    assert_int_equal(ours.n, 2);
    expect_network(&none, "192.0.2.7", NULL, "192.0.2.7");
    expect_network(&none, "2001:db8:1:2:3:4:5:6", NULL, "2001:db8:1:2::");
    expect_network(&none, "::1", NULL, "::");
    expect_network(&none, "127.0.0.1", "192.0.2.7", "127.0.0.1");
    expect_network(&ours, "192.0.2.8", "192.0.2.7", "192.0.2.8");
    expect_network(&ours, "127.0.0.1", NULL, "127.0.0.1");
    expect_network(&ours, "127.0.0.1", "192.0.2.7", "192.0.2.7");
    expect_network(&ours, "2001:db8:9::9", "x, 192.0.2.7", "192.0.2.7");
    expect_network(&ours, "127.0.0.1", "192.0.2.7,2001:db8:1:2:3::", "2001:db8:1:2::");
    expect_network(&ours, "127.0.0.1", "::ffff:192.0.2.7", "192.0.2.7");
    expect_network(&ours, "127.0.0.1", "192.0.2.7,", "127.0.0.1");
    expect_network(&ours, "127.0.0.1", "192.0.2.7, unknown", "127.0.0.1");
    expect_network(&ours, "127.0.0.1", "", "127.0.0.1");
    assert_int_equal(session_read_proxies("", &ours, &err), 0);
    assert_int_equal(ours.n, 0);
    assert_int_equal(session_read_proxies("localhost", &ours, &err), -EINVAL);
    assert_int_equal(session_read_proxies("127.0.0.1,,127.0.0.1", &ours, &err), -EINVAL);
    assert_int_equal(
        session_read_proxies("::,::,::,::,::,::,::,::,::,::,::,::,::,::,::,::,::", &ours, &err),
        -E2BIG);
    assert_non_null(strstr(err.text, "FOKUS_PROXY"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cookie_is_found_among_others),
        cmocka_unit_test(a_cookie_of_another_form_is_none),
        cmocka_unit_test(bearer_keys),
        cmocka_unit_test(pages_of_the_same_site),
        cmocka_unit_test(what_a_browser_is_told),
        cmocka_unit_test(networks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
