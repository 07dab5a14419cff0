/* The way out and back, without a network: the provider's document is put in by hand. */
#include <sodium.h>

#include "services/accounts/oidc_testing.h"

static struct oidc_level levels[] = {
    { "http://id.elegnamnden.se/loa/1.0/loa3", 3 },
    { "http://id.elegnamnden.se/loa/1.0/loa4", 4 },
    { "urn:x&y=z#?", 2 },
};

static struct oidc_provider provider = {
    .settings = {
        .id = "bankid",
        .issuer = ISSUER,
        .client_id = "fokus&scope=all",
        .redirect_uri = "https://fokus.example.se/sign-in/bankid?x=1&y=2",
        .scope = "openid https://id.oidc.se/scope/naturalPersonInfo",
        .levels = levels,
        .n_levels = ARRAY_LEN(levels),
    },
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .known = true,
    .document.authorization_endpoint = ISSUER "/auth",
};

static struct oidc_attempt attempt;
static char url[OIDC_MAX_START_URL];
static const char *why;

static int set_up(void **state)
{
    static const uint8_t seed[OIDC_SEED_BYTES] = { 1 };

    (void)state;
    oidc_attempt_of(seed, &attempt);
    return oidc_json_ready();
}

static enum oidc_result start(struct oidc_wish wish)
{
    return oidc_start(&provider, &attempt, &wish, url, &why);
}

/* The value of a parameter, decoded; NULL when it is not there exactly once. */
static char *parameter(const char *name)
{
    static char value[2048];
    char wanted[64], *at, *to = value;

    (void)snprintf(wanted, sizeof(wanted), "%s=", name);
    size_t len = strlen(wanted), found = 0;
    const char *from = NULL;
    for (at = strchr(url, '?'); at; at = strchr(at + 1, '&'))
        if (strncmp(at + 1, wanted, len) == 0) {
            from = at + 1 + len;
            found++;
        }
    if (found != 1)
        return NULL;
    for (; *from && *from != '&'; from++) {
        unsigned byte = (uint8_t)*from;
        if (*from == '%') {
            assert_int_equal(sscanf(from + 1, "%2x", &byte), 1);
            from += 2;
        }
        *to++ = (char)byte;
    }
    *to = '\0';
    return value;
}

static void an_attempt_is_its_seed_and_nothing_else(void **state)
{
    uint8_t seed[OIDC_SEED_BYTES];
    struct oidc_attempt one, again;

    (void)state;
    randombytes_buf(seed, sizeof(seed));
    oidc_attempt_of(seed, &one);
    oidc_attempt_of(seed, &again);
    assert_memory_equal(&one, &again, sizeof(one));
    assert_int_equal(strlen(one.state), 43);
    assert_int_equal(strlen(one.nonce), 43);
    assert_int_equal(strlen(one.verifier), 43);
    assert_string_not_equal(one.state, one.nonce);
    assert_string_not_equal(one.state, one.verifier);
    assert_string_not_equal(one.nonce, one.verifier);
    seed[31] ^= 1;
    oidc_attempt_of(seed, &again);
    assert_string_not_equal(one.state, again.state);
    assert_string_not_equal(one.nonce, again.nonce);
    assert_string_not_equal(one.verifier, again.verifier);
}

static void the_url_says_what_a_code_flow_with_pkce_must(void **state)
{
    char challenge[44];
    uint8_t hash[32];

    (void)state;
    assert_int_equal(start((struct oidc_wish) { 0 }), OIDC_OK);
    assert_int_equal(strncmp(url, ISSUER "/auth?response_type=code&",
                             strlen(ISSUER "/auth?response_type=code&")),
                     0);
    assert_string_equal(parameter("response_type"), "code");
    assert_string_equal(parameter("state"), attempt.state);
    assert_string_equal(parameter("nonce"), attempt.nonce);
    assert_string_equal(parameter("code_challenge_method"), "S256");
    crypto_hash_sha256(hash, (const uint8_t *)attempt.verifier, strlen(attempt.verifier));
    sodium_bin2base64(challenge, sizeof(challenge), hash, sizeof(hash),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    assert_string_equal(parameter("code_challenge"), challenge);
    assert_null(strstr(url, attempt.verifier));
    assert_null(parameter("prompt"));
    assert_null(parameter("max_age"));
    assert_null(parameter("ui_locales"));
    assert_null(parameter("claims"));
}

/* Each value arrives as it is, and brings no parameter along. */
static void no_value_can_bring_a_parameter(void **state)
{
    (void)state;
    assert_int_equal(start((struct oidc_wish) { .locale = "sv&prompt=none#x y" }), OIDC_OK);
    assert_string_equal(parameter("client_id"), provider.settings.client_id);
    assert_string_equal(parameter("redirect_uri"), provider.settings.redirect_uri);
    assert_string_equal(parameter("scope"), provider.settings.scope);
    assert_string_equal(parameter("ui_locales"), "sv&prompt=none#x y");
    assert_null(parameter("prompt"));
    assert_null(parameter("y"));
    for (const char *p = url; *p; p++)
        assert_true(*p > ' ' && *p < 0x7f && *p != '#');
}

static void levels_that_are_enough_are_asked_for_in_order(void **state)
{
    (void)state;
    assert_int_equal(start((struct oidc_wish) { .min_level = 3 }), OIDC_OK);
    assert_string_equal(
        parameter("acr_values"),
        "http://id.elegnamnden.se/loa/1.0/loa3 http://id.elegnamnden.se/loa/1.0/loa4");
    assert_int_equal(start((struct oidc_wish) { .min_level = 4 }), OIDC_OK);
    assert_string_equal(parameter("acr_values"), "http://id.elegnamnden.se/loa/1.0/loa4");
    assert_int_equal(start((struct oidc_wish) { .min_level = 0 }), OIDC_OK);
    assert_string_equal(
        parameter("acr_values"),
        "http://id.elegnamnden.se/loa/1.0/loa3 http://id.elegnamnden.se/loa/1.0/loa4 urn:x&y=z#?");
    assert_int_equal(start((struct oidc_wish) { .min_level = 5 }), OIDC_TOO_LOW);
}

static void wishes_are_passed_on(void **state)
{
    (void)state;
    assert_int_equal(
        start((struct oidc_wish) {
            .prompt = OIDC_PROMPT_LOGIN, .fresh = true, .max_age_s = 0, .locale = "sv" }),
        OIDC_OK);
    assert_string_equal(parameter("prompt"), "login");
    assert_string_equal(parameter("max_age"), "0");
    assert_string_equal(parameter("ui_locales"), "sv");
    assert_int_equal(start((struct oidc_wish) { .prompt = OIDC_PROMPT_NONE, .max_age_s = 5 }),
                     OIDC_OK);
    assert_string_equal(parameter("prompt"), "none");
    assert_null(parameter("max_age"));
    provider.settings.claims =
        "{\"id_token\":{\"https://id.oidc.se/claim/personalIdentityNumber\":null}}";
    assert_int_equal(start((struct oidc_wish) { 0 }), OIDC_OK);
    assert_string_equal(parameter("claims"), provider.settings.claims);
    provider.settings.claims = NULL;
}

static void an_endpoint_with_a_query_keeps_it(void **state)
{
    (void)state;
    (void)snprintf(provider.document.authorization_endpoint,
                   sizeof(provider.document.authorization_endpoint), "%s/auth?tenant=1", ISSUER);
    assert_int_equal(start((struct oidc_wish) { 0 }), OIDC_OK);
    assert_string_equal(parameter("tenant"), "1");
    assert_string_equal(parameter("response_type"), "code");
    (void)snprintf(provider.document.authorization_endpoint,
                   sizeof(provider.document.authorization_endpoint), "%s/auth", ISSUER);
}

static void what_cannot_be_written_is_said(void **state)
{
    static char scope[OIDC_MAX_START_URL];
    const char *had = provider.settings.scope;

    (void)state;
    memset(scope, 'x', sizeof(scope) - 1);
    provider.settings.scope = scope;
    assert_int_equal(start((struct oidc_wish) { 0 }), OIDC_BROKEN);
    provider.settings.scope = had;
    provider.known = false;
    assert_int_equal(start((struct oidc_wish) { 0 }), OIDC_NOT_READY);
    provider.known = true;
}

/* ---- back ---- */

static struct oidc_callback good_callback(void)
{
    return (struct oidc_callback) {
        .provider = "bankid", .state = attempt.state, .code = "c0de", .iss = ISSUER
    };
}

static enum oidc_result back(struct oidc_callback callback)
{
    return oidc_callback_check(&provider, &attempt, &callback, &why);
}

static void a_callback_belongs_to_its_attempt(void **state)
{
    struct oidc_callback callback = good_callback();
    char other[44];

    (void)state;
    assert_int_equal(back(callback), OIDC_OK);
    callback.iss = NULL; /* a provider that does not promise it */
    assert_int_equal(back(callback), OIDC_OK);
    callback.state = NULL;
    assert_int_equal(back(callback), OIDC_FORGED);
    callback.state = "";
    assert_int_equal(back(callback), OIDC_FORGED);
    memcpy(other, attempt.state, sizeof(other));
    other[42] = other[42] == 'A' ? 'B' : 'A';
    callback.state = other;
    assert_int_equal(back(callback), OIDC_FORGED);
    assert_string_equal(why, "the callback's state is not the attempt's");
    other[42] = '\0';
    assert_int_equal(back(callback), OIDC_FORGED);
    callback.state = attempt.nonce;
    assert_int_equal(back(callback), OIDC_FORGED);
}

/* Mix-up (RFC 9207): an answer of one provider for an attempt at another. */
static void a_callback_of_another_provider_is_refused(void **state)
{
    struct oidc_callback callback = good_callback();

    (void)state;
    callback.provider = "freja";
    assert_int_equal(back(callback), OIDC_FORGED);
    callback.provider = NULL;
    assert_int_equal(back(callback), OIDC_FORGED);
    callback = good_callback();
    callback.iss = "https://evil.example";
    assert_int_equal(back(callback), OIDC_FORGED);
    assert_string_equal(why, "the callback does not come from the provider's issuer");
    callback.iss = ISSUER "/";
    assert_int_equal(back(callback), OIDC_FORGED);
    callback.iss = "";
    assert_int_equal(back(callback), OIDC_FORGED);
    callback.iss = NULL;
    provider.document.names_itself = true; /* then a missing one was taken away */
    assert_int_equal(back(callback), OIDC_FORGED);
    callback.error = "access_denied";
    assert_int_equal(back(callback), OIDC_FORGED);
    provider.document.names_itself = false;
}

static void a_callback_brings_a_code_or_an_error(void **state)
{
    struct oidc_callback callback = good_callback();
    static char long_code[FETCH_MAX_URL + 2];
    static const struct {
        const char *error;
        enum oidc_result result;
    } errors[] = {
        { "access_denied", OIDC_DECLINED },
        { "login_required", OIDC_DECLINED },
        { "interaction_required", OIDC_DECLINED },
        { "temporarily_unavailable", OIDC_UNAVAILABLE },
        { "server_error", OIDC_UNAVAILABLE },
        { "unmet_authentication_requirements", OIDC_TOO_LOW },
        { "invalid_scope", OIDC_BROKEN },
        { "", OIDC_BROKEN },
        { "<script>", OIDC_BROKEN },
    };

    (void)state;
    callback.code = NULL;
    assert_int_equal(back(callback), OIDC_FORGED);
    callback.code = "";
    assert_int_equal(back(callback), OIDC_FORGED);
    memset(long_code, 'x', FETCH_MAX_URL + 1);
    callback.code = long_code;
    assert_int_equal(back(callback), OIDC_FORGED);
    callback = good_callback();
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        callback.error = errors[i].error;
        assert_int_equal(back(callback), errors[i].result);
        callback.state = "forged"; /* an error must belong to the attempt, too */
        assert_int_equal(back(callback), OIDC_FORGED);
        callback.state = attempt.state;
    }
}

/* What finish refuses before anything is fetched: there is no network in this test. */
static void nothing_is_sent_for_a_forged_callback(void **state)
{
    struct oidc_callback callback = good_callback();
    struct oidc_identity identity;
    struct oidc_wish wish = { 0 };

    (void)state;
    callback.state = "forged";
    assert_int_equal(
        oidc_finish(&provider, &attempt, &wish, &callback, 0, INT64_MAX, &identity, &why),
        OIDC_FORGED);
    callback = good_callback();
    assert_int_equal(oidc_finish(&provider, &attempt, &wish, &callback, 0, 0, &identity, &why),
                     OIDC_UNAVAILABLE);
    assert_string_equal(why, "no time is left to ask the provider");
}

static void every_result_has_a_name_and_a_code(void **state)
{
    (void)state;
    for (int i = OIDC_OK; i <= OIDC_FAILED; i++) {
        assert_true(strlen(oidc_result_name((enum oidc_result)i)) > 0);
        assert_int_equal(oidc_result_code((enum oidc_result)i) == CODE_OK, i == OIDC_OK);
    }
    assert_string_equal(oidc_result_name(OIDC_FORGED), "forged");
    assert_int_equal(oidc_result_code(OIDC_FORGED), CODE_UNAUTHENTICATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_is_its_seed_and_nothing_else),
        cmocka_unit_test(the_url_says_what_a_code_flow_with_pkce_must),
        cmocka_unit_test(no_value_can_bring_a_parameter),
        cmocka_unit_test(levels_that_are_enough_are_asked_for_in_order),
        cmocka_unit_test(wishes_are_passed_on),
        cmocka_unit_test(an_endpoint_with_a_query_keeps_it),
        cmocka_unit_test(what_cannot_be_written_is_said),
        cmocka_unit_test(a_callback_belongs_to_its_attempt),
        cmocka_unit_test(a_callback_of_another_provider_is_refused),
        cmocka_unit_test(a_callback_brings_a_code_or_an_error),
        cmocka_unit_test(nothing_is_sent_for_a_forged_callback),
        cmocka_unit_test(every_result_has_a_name_and_a_code),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
