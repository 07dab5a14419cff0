/* The discovery document, and how often a provider is asked. Asking itself is tests/journeys/oidc.test's. */
#include <errno.h>

#include "services/accounts/oidc_testing.h"

static struct oidc_document document;
static const char *why;

#define GOOD                                                                                       \
    "\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"" ISSUER                               \
    "/auth\",\"token_endpoint\":\"" ISSUER "/token\",\"jwks_uri\":\"" ISSUER "/jwks\""

static int read_it(const char *json)
{
    return oidc_document_read(slice_of(json), ISSUER, &document, &why);
}

static void a_document_of_the_issuer_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_it("{" GOOD "}"), 0);
    assert_string_equal(document.authorization_endpoint, ISSUER "/auth");
    assert_string_equal(document.token_endpoint, ISSUER "/token");
    assert_string_equal(document.jwks_uri, ISSUER "/jwks");
    assert_string_equal(document.userinfo_endpoint, "");
    assert_false(document.names_itself);
    assert_int_equal(read_it("{" GOOD ",\"userinfo_endpoint\":\"https://other.example/"
                             "me\",\"authorization_response_iss_parameter_supported\":true,"
                             "\"code_challenge_methods_supported\":[\"plain\",\"S256\"]}"),
                     0);
    assert_string_equal(document.userinfo_endpoint, "https://other.example/me");
    assert_true(document.names_itself);
}

static void another_issuer_s_document_is_refused(void **state)
{
    static const char *const issuers[] = {
        "\"https://evil.example\"", "\"" ISSUER "/\"", "\"\"", "null", "7", "[\"" ISSUER "\"]"
    };
    char json[600];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(issuers); i++) {
        (void)snprintf(json, sizeof(json),
                       "{\"issuer\":%s,\"authorization_endpoint\":\"%s\",\"token_endpoint\":\"%s\","
                       "\"jwks_uri\":\"%s\"}",
                       issuers[i], ISSUER, ISSUER, ISSUER);
        assert_int_equal(read_it(json), -EBADMSG);
        assert_string_equal(why, "the discovery document is another issuer's");
    }
    assert_int_equal(read_it("{" GOOD ",\"issuer\":\"" ISSUER "\"}"), -EBADMSG); /* twice */
    assert_int_equal(read_it("[]"), -EBADMSG);
    assert_int_equal(read_it(""), -EBADMSG);
    assert_int_equal(read_it("<html>"), -EBADMSG);
}

/* A provider on the network may not send us to this machine, into the clear, or to another protocol. */
static void endpoints_that_may_not_be_asked_are_refused(void **state)
{
    static const char *const urls[] = {
        "http://idp.example.se/x",
        "https://127.0.0.1/x",
        "http://localhost:8080/x",
        "https://[::1]/x",
        "file:///etc/passwd",
        "gopher://x/",
        "https://user@idp.example.se/x",
        "https://idp.example.se/#x",
        "https://idp.example.se/å",
        "https://idp.example.se/x\\r\\n",
        "",
        "/relative",
        "https://0x7f.1/x",
        "https://2130706433/x",
    };
    static const char *const names[] = { "authorization_endpoint", "token_endpoint", "jwks_uri",
                                         "userinfo_endpoint" };
    char json[900];

    (void)state;
    for (size_t n = 0; n < ARRAY_LEN(names); n++)
        for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
            int len = snprintf(json, sizeof(json), "{\"issuer\":\"%s\"", ISSUER);
            for (size_t m = 0; m < ARRAY_LEN(names); m++)
                len += snprintf(json + len, sizeof(json) - (size_t)len, ",\"%s\":\"%s\"", names[m],
                                m == n ? urls[i] : "https://idp.example.se/x");
            (void)snprintf(json + len, sizeof(json) - (size_t)len, "}");
            if (read_it(json) != -EBADMSG)
                fail_msg("read: %s", json);
        }
    assert_int_equal(read_it("{\"issuer\":\"" ISSUER "\"}"), -EBADMSG);
    assert_int_equal(read_it("{" GOOD ",\"userinfo_endpoint\":7}"), -EBADMSG);
    /* One on this machine may be on this machine, in the clear. */
    assert_int_equal(
        oidc_document_read(
            slice_of("{\"issuer\":\"http://127.0.0.1:1\",\"authorization_endpoint\":\"http://"
                     "127.0.0.1:1/a\","
                     "\"token_endpoint\":\"http://127.0.0.1:1/t\",\"jwks_uri\":\"http://"
                     "localhost:1/j\"}"),
            "http://127.0.0.1:1", &document, &why),
        0);
}

static void a_provider_without_pkce_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_it("{" GOOD ",\"code_challenge_methods_supported\":[\"plain\"]}"),
                     -EBADMSG);
    assert_int_equal(read_it("{" GOOD ",\"code_challenge_methods_supported\":[]}"), -EBADMSG);
    assert_string_equal(why, "the provider does not support PKCE with S256");
}

static void an_answer_is_kept_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(oidc_keep_ms(-1), 3600 * 1000);
    assert_int_equal(oidc_keep_ms(0), 300 * 1000);
    assert_int_equal(oidc_keep_ms(299), 300 * 1000);
    assert_int_equal(oidc_keep_ms(301), 301 * 1000);
    assert_int_equal(oidc_keep_ms(24 * 3600 + 1), 24 * 3600 * 1000);
    assert_int_equal(oidc_keep_ms(INT32_MAX), 24 * 3600 * 1000);
}

/* However many tokens with keys nobody knows come, the keys are fetched anew once a minute. */
static void forged_kids_cannot_make_us_hammer_a_provider(void **state)
{
    struct oidc_provider p = { .lock = PTHREAD_MUTEX_INITIALIZER };
    size_t fetched = 0;

    (void)state;
    for (int64_t now_ms = 1000000; now_ms < 1000000 + 10 * 60000; now_ms += 10)
        fetched += oidc_keys_may_be_anew(&p, now_ms);
    assert_int_equal(fetched, 10);
    assert_true(oidc_keys_may_be_anew(&p, 1000000 + 10 * 60000));
    assert_false(oidc_keys_may_be_anew(&p, 1000000 + 10 * 60000 + 59999));
    assert_true(oidc_keys_may_be_anew(&p, 1000000 + 11 * 60000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_of_the_issuer_is_read),
        cmocka_unit_test(another_issuer_s_document_is_refused),
        cmocka_unit_test(endpoints_that_may_not_be_asked_are_refused),
        cmocka_unit_test(a_provider_without_pkce_is_refused),
        cmocka_unit_test(an_answer_is_kept_within_bounds),
        cmocka_unit_test(forged_kids_cannot_make_us_hammer_a_provider),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
