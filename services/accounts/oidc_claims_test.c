/* Who it is. Only numbers published for tests. */
#include <errno.h>

#include "services/accounts/oidc_testing.h"

#define SE "https://id.oidc.se/claim/"

static struct oidc_level levels[] = { { "loa2", 2 },
                                      { "http://id.elegnamnden.se/loa/1.0/loa3", 3 } };
static const struct oidc_settings SETTINGS = { .issuer = ISSUER,
                                               .levels = levels,
                                               .n_levels = ARRAY_LEN(levels) };
static struct oidc_identity who;
static const char *why;

static int read_both(const char *token, const char *userinfo)
{
    json_t *a = json_loads(token, 0, NULL), *b = userinfo ? json_loads(userinfo, 0, NULL) : NULL;

    assert_non_null(a);
    int r = oidc_claims_read(a, b, &SETTINGS, &who, &why);
    json_decref(a);
    json_decref(b);
    return r;
}

static void the_least_is_a_subject(void **state)
{
    (void)state;
    assert_int_equal(read_both("{\"sub\":\"a\"}", NULL), 0);
    assert_string_equal(who.issuer, ISSUER);
    assert_string_equal(who.subject, "a");
    assert_int_equal(who.level, 0);
    assert_string_equal(who.name, "");
    assert_string_equal(who.personal_number, "");
    assert_false(who.email_verified);
    assert_int_equal(read_both("{}", NULL), -EBADMSG);
}

static void all_of_it_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_both("{\"sub\":\"a\",\"acr\":\"http://id.elegnamnden.se/loa/1.0/"
                               "loa3\",\"auth_time\":7,\"name\":\"Påhittad Person\","
                               "\"email\":\"a@a.example\",\"email_verified\":true,"
                               "\"" SE "personalIdentityNumber\":\"195704289999\",\"" SE
                               "previousCoordinationNumber\":\"197010632391\","
                               "\"" SE "coordinationNumberLevel\":\"confirmed\",\"" SE
                               "orgNumber\":\"8020000009\","
                               "\"" SE "orgAffiliation\":\"a@b@8020000009\",\"" SE
                               "authnProvider\":\"https://bankid.example\"}",
                               NULL),
                     0);
    assert_int_equal(who.level, 3);
    assert_int_equal(who.auth_time_s, 7);
    assert_string_equal(who.name, "Påhittad Person");
    assert_string_equal(who.email, "a@a.example");
    assert_true(who.email_verified);
    assert_string_equal(who.personal_number, "195704289999");
    assert_string_equal(who.previous_coordination_number, "197010632391");
    assert_string_equal(who.coordination_level, "confirmed");
    assert_string_equal(who.org_number, "8020000009");
    assert_string_equal(who.org_affiliation, "a@b@8020000009");
    assert_string_equal(who.authn_provider, "https://bankid.example");
}

static void what_identifies_must_be_right(void **state)
{
    static const char *const wrong[] = {
        "\"" SE "personalIdentityNumber\":\"195704289998\"",
        "\"" SE "personalIdentityNumber\":\"5704289999\"",
        "\"" SE "personalIdentityNumber\":195704289999",
        "\"" SE "personalIdentityNumber\":\"\"",
        "\"" SE "personalIdentityNumber\":null",
        "\"" SE "personalIdentityNumber\":[\"195704289999\"]",
        "\"" SE "personalIdentityNumber\":\"1957042899990\"",
        "\"" SE "personalIdentityNumber\":\"197010632391\"",
        "\"" SE "coordinationNumber\":\"195704289999\"",
        "\"" SE "previousCoordinationNumber\":\"197010632392\"",
        "\"" SE "coordinationNumberLevel\":\"sure\"",
        "\"" SE "orgNumber\":\"8020000008\"",
        "\"" SE "orgNumber\":\"802000-0009\"",
        "\"" SE "orgAffiliation\":\"8020000009\"",
        "\"" SE "orgAffiliation\":\"@8020000009\"",
        "\"" SE "orgAffiliation\":\"a@8020000008\"",
        "\"" SE "orgAffiliation\":\"a@\"",
        "\"" SE "authnProvider\":7",
    };
    char claims[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        (void)snprintf(claims, sizeof(claims), "{\"sub\":\"a\",%s}", wrong[i]);
        if (read_both(claims, NULL) != -EBADMSG)
            fail_msg("read: %s", claims);
        assert_null(strstr(why, "1957")); /* nothing personal */
        (void)snprintf(claims, sizeof(claims), "{%s}", wrong[i]);
        assert_int_equal(read_both("{\"sub\":\"a\"}", claims), -EBADMSG);
    }
}

static void a_person_has_one_number(void **state)
{
    (void)state;
    assert_int_equal(read_both("{\"sub\":\"a\",\"" SE "coordinationNumber\":\"197010632391\",\"" SE
                               "coordinationNumberLevel\":\"probable\"}",
                               NULL),
                     0);
    assert_string_equal(who.coordination_number, "197010632391");
    assert_int_equal(read_both("{\"sub\":\"a\",\"" SE "coordinationNumber\":\"197010632391\",\"" SE
                               "personalIdentityNumber\":\"195704289999\"}",
                               NULL),
                     -EBADMSG);
    assert_int_equal(read_both("{\"sub\":\"a\",\"" SE "coordinationNumber\":\"197010632391\"}",
                               "{\"" SE "personalIdentityNumber\":\"195704289999\"}"),
                     -EBADMSG);
}

static void what_only_describes_is_left_out_when_it_is_wrong(void **state)
{
    static const char *const wrong[] = { "7",
                                         "\"\"",
                                         "null",
                                         "\"a\\nb\"",
                                         "[\"a@a.example\"]",
                                         "\"not an address\"",
                                         "\"a@a.example\\r\\nBcc: b@b.example\"" };
    char claims[300], name[OIDC_MAX_NAME + 40];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        (void)snprintf(claims, sizeof(claims),
                       "{\"sub\":\"a\",\"email\":%s,\"email_verified\":true}", wrong[i]);
        assert_int_equal(read_both(claims, NULL), 0);
        assert_string_equal(who.email, "");
        assert_false(who.email_verified);
    }
    (void)snprintf(name, sizeof(name), "{\"sub\":\"a\",\"name\":\"%0*d\"}", OIDC_MAX_NAME, 1);
    assert_int_equal(read_both(name, NULL), 0);
    assert_int_equal(strlen(who.name), OIDC_MAX_NAME);
    (void)snprintf(name, sizeof(name), "{\"sub\":\"a\",\"name\":\"%0*d\"}", OIDC_MAX_NAME + 1, 1);
    assert_int_equal(read_both(name, NULL), 0);
    assert_string_equal(who.name, "");
}

static void an_address_is_verified_by_whoever_gave_it(void **state)
{
    (void)state;
    assert_int_equal(read_both("{\"sub\":\"a\",\"email\":\"a@a.example\"}",
                               "{\"sub\":\"a\",\"email\":\"b@b.example\",\"email_verified\":true}"),
                     0);
    assert_string_equal(who.email, "a@a.example");
    assert_false(who.email_verified);
    assert_int_equal(read_both("{\"sub\":\"a\",\"email_verified\":true}",
                               "{\"sub\":\"a\",\"email\":\"b@b.example\"}"),
                     0);
    assert_string_equal(who.email, "b@b.example");
    assert_false(who.email_verified);
    assert_int_equal(read_both("{\"sub\":\"a\"}",
                               "{\"sub\":\"a\",\"email\":\"b@b.example\",\"email_verified\":true}"),
                     0);
    assert_true(who.email_verified);
    assert_int_equal(
        read_both("{\"sub\":\"a\",\"email\":\"a@a.example\",\"email_verified\":\"true\"}", NULL),
        0);
    assert_false(who.email_verified);
}

static void the_level_is_what_the_id_token_says_and_the_settings_know(void **state)
{
    (void)state;
    assert_int_equal(read_both("{\"sub\":\"a\",\"acr\":\"loa2\"}", NULL), 0);
    assert_int_equal(who.level, 2);
    assert_int_equal(read_both("{\"sub\":\"a\",\"acr\":\"loa4\"}", NULL), 0);
    assert_int_equal(who.level, 0);
    assert_int_equal(read_both("{\"sub\":\"a\",\"acr\":4}", NULL), 0);
    assert_int_equal(who.level, 0);
    assert_int_equal(read_both("{\"sub\":\"a\"}", "{\"sub\":\"a\",\"acr\":\"loa2\"}"), 0);
    assert_int_equal(who.level, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_is_a_subject),
        cmocka_unit_test(all_of_it_is_read),
        cmocka_unit_test(what_identifies_must_be_right),
        cmocka_unit_test(a_person_has_one_number),
        cmocka_unit_test(what_only_describes_is_left_out_when_it_is_wrong),
        cmocka_unit_test(an_address_is_verified_by_whoever_gave_it),
        cmocka_unit_test(the_level_is_what_the_id_token_says_and_the_settings_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
