/* Tokens made here, genuine and not. What is not looked at: whether a nonce was used before. Each sign-in has its own and the caller uses
 * an attempt once; here a nonce only has to be equal. */
#include <errno.h>

#include "services/accounts/oidc_testing.h"

static cjose_jwk_t *rsa, *other_rsa, *ec, *other_ec;
/* "rsa" and "ec" in the provider's set. */
static struct oidc_keys *keys;

static int make_keys(void **state)
{
    (void)state;
    if (oidc_json_ready())
        return -1;
    rsa = new_rsa(2048);
    other_rsa = new_rsa(2048);
    ec = new_ec();
    other_ec = new_ec();
    json_t *set[] = { jwk_json(rsa, false, "{\"kid\":\"rsa\"}"),
                      jwk_json(ec, false, "{\"kid\":\"ec\",\"use\":\"sig\",\"alg\":\"ES256\"}") };
    keys = keys_of(ARRAY_LEN(set), set);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    oidc_keys_free(keys);
    cjose_jwk_release(rsa);
    cjose_jwk_release(other_rsa);
    cjose_jwk_release(ec);
    cjose_jwk_release(other_ec);
    return 0;
}

static const char *why;

static int open_with(const struct oidc_keys *with, struct slice token)
{
    json_t *payload = NULL;

    why = NULL;
    int r = oidc_token_open(token, with, &payload, &why);
    assert_int_equal(r == 0, payload != NULL);
    assert_int_equal(r == 0, why == NULL);
    json_decref(payload);
    return r;
}

/* Opens and frees a token. */
static int opens(char *token)
{
    int r = open_with(keys, slice_of(token));

    free(token);
    return r;
}

#define PAYLOAD "{\"sub\":\"a\"}"

static void tokens_of_each_algorithm_open(void **state)
{
    json_t *payload;
    char *token = sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", PAYLOAD);

    (void)state;
    assert_int_equal(oidc_token_open(slice_of(token), keys, &payload, &why), 0);
    assert_string_equal(oidc_json_text(payload, "sub", 9), "a");
    json_decref(payload);
    free(token);
    assert_int_equal(
        opens(sign_with(rsa, "{\"alg\":\"PS256\",\"kid\":\"rsa\",\"typ\":\"JWT\"}", PAYLOAD)), 0);
    assert_int_equal(
        opens(sign_with(ec, "{\"alg\":\"ES256\",\"kid\":\"ec\",\"typ\":\"jwt\"}", PAYLOAD)), 0);
}

/* Whatever is changed, the whole is not genuine any more. */
static void every_changed_character_is_seen(void **state)
{
    char *tokens[] = {
        sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", PAYLOAD),
        sign_with(rsa, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", PAYLOAD),
        sign_with(ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}", PAYLOAD),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        size_t len = strlen(tokens[i]);
        assert_int_equal(open_with(keys, slice_of(tokens[i])), 0);
        for (size_t at = 0; at < len; at++) {
            static const char others[] =
                "AB=+\n~\x80"; /* over some of these libcjose would end the process */
            char had = tokens[i][at];
            for (size_t c = 0; c < sizeof(others); c++) {
                tokens[i][at] = others[c];
                struct slice bent = { (const uint8_t *)tokens[i], len };
                assert_int_equal(open_with(keys, bent) == 0, others[c] == had);
            }
            tokens[i][at] = had;
        }
        for (size_t shorter = 0; shorter < len; shorter++)
            assert_int_not_equal(
                open_with(keys, (struct slice) { (const uint8_t *)tokens[i], shorter }), 0);
        free(tokens[i]);
    }
}

static void a_signature_of_another_key_is_refused(void **state)
{
    (void)state;
    assert_int_equal(opens(sign_with(other_rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", PAYLOAD)),
                     -EBADMSG);
    assert_string_equal(why, "the token's signature is not the provider's");
    assert_int_equal(opens(sign_with(other_rsa, "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", PAYLOAD)),
                     -EBADMSG);
    assert_int_equal(opens(sign_with(other_ec, "{\"alg\":\"ES256\",\"kid\":\"ec\"}", PAYLOAD)),
                     -EBADMSG);
}

/* The attacker's key in the header is not looked at. */
static void a_key_in_the_header_is_not_used(void **state)
{
    json_t *jwk = jwk_json(other_rsa, false, NULL);
    json_t *header = json_pack("{s:s, s:s, s:o, s:s, s:s}", "alg", "RS256", "kid", "rsa", "jwk",
                               jwk, "jku", "https://evil.example/", "x5u", "https://evil.example/");
    char *text = json_dumps(header, 0);

    (void)state;
    assert_int_equal(opens(sign_with(other_rsa, text, PAYLOAD)), -EBADMSG);
    free(text);
    json_decref(header);
}

static void none_is_no_algorithm(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"None\"}",
        "{\"alg\":\"nOnE\",\"kid\":\"rsa\"}",
        "{\"alg\":\"\"}",
        "{\"alg\":null}",
        "{\"alg\":[\"RS256\"]}",
        "{\"kid\":\"rsa\"}",
        "{}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        assert_int_equal(opens(token_of(headers[i], PAYLOAD, "", 0)), -EBADMSG);
        assert_string_equal(why, "the token is not signed with an algorithm that is allowed");
        assert_int_equal(opens(token_of(headers[i], PAYLOAD, "x", 1)), -EBADMSG);
    }
    /* Nor does an algorithm that is allowed come without a signature. */
    assert_int_equal(opens(token_of("{\"alg\":\"RS256\",\"kid\":\"rsa\"}", PAYLOAD, "", 0)),
                     -EBADMSG);
    assert_int_equal(opens(token_of("{\"alg\":\"ES256\",\"kid\":\"ec\"}", PAYLOAD, "", 0)),
                     -EBADMSG);
    static const uint8_t zeros[64];
    assert_int_equal(
        opens(token_of("{\"alg\":\"ES256\",\"kid\":\"ec\"}", PAYLOAD, zeros, sizeof(zeros))),
        -EBADMSG);
}

/* Everybody knows the public key: with it as the secret of HS256 anybody could sign. */
static void a_public_key_is_not_a_secret(void **state)
{
    char *shown[] = { cjose_jwk_to_json(rsa, false, NULL), cjose_jwk_to_json(ec, false, NULL) };
    static const char *const headers[] = { "{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
                                           "{\"alg\":\"HS256\",\"kid\":\"ec\"}",
                                           "{\"alg\":\"HS256\"}" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        cjose_jwk_t *secret =
            cjose_jwk_create_oct_spec((const uint8_t *)shown[i], strlen(shown[i]), NULL);
        for (size_t h = 0; h < ARRAY_LEN(headers); h++) {
            assert_int_equal(opens(sign_with(secret, headers[h], PAYLOAD)), -EBADMSG);
            assert_string_equal(why, "the token is not signed with an algorithm that is allowed");
        }
        cjose_jwk_release(secret);
        free(shown[i]);
    }
}

static void other_algorithms_are_refused_though_the_signature_is_good(void **state)
{
    static const char *const algs[] = { "RS384", "RS512", "PS384", "PS512" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
        char header[64];
        (void)snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"rsa\"}", algs[i]);
        assert_int_equal(opens(sign_with(rsa, header, PAYLOAD)), -EBADMSG);
    }
    assert_int_equal(opens(sign_with(ec, "{\"alg\":\"ES384\",\"kid\":\"ec\"}", PAYLOAD)), -EBADMSG);
}

static void a_key_of_another_type_or_use_is_none(void **state)
{
    (void)state;
    assert_int_equal(opens(sign_with(ec, "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", PAYLOAD)), -ENOKEY);
    assert_int_equal(opens(sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"ec\"}", PAYLOAD)), -ENOKEY);
    /* The set says what a key is for. */
    json_t *set[] = { jwk_json(rsa, false, "{\"kid\":\"k\",\"alg\":\"RS256\"}") };
    struct oidc_keys *only_rs = keys_of(1, set);
    char *token = sign_with(rsa, "{\"alg\":\"PS256\",\"kid\":\"k\"}", PAYLOAD);
    assert_int_equal(open_with(only_rs, slice_of(token)), -ENOKEY);
    free(token);
    oidc_keys_free(only_rs);
}

static void the_key_is_found_by_kid_or_because_there_is_one(void **state)
{
    json_t *one[] = { jwk_json(rsa, false, NULL) },
           *two[] = { jwk_json(rsa, false, NULL), jwk_json(other_rsa, false, NULL) };
    json_t *twice[] = { jwk_json(other_rsa, false, "{\"kid\":\"k\"}"),
                        jwk_json(rsa, false, "{\"kid\":\"k\"}") };
    struct oidc_keys *single = keys_of(1, one), *several = keys_of(2, two),
                     *same_kid = keys_of(2, twice);
    char *unnamed = sign_with(rsa, "{\"alg\":\"RS256\"}", PAYLOAD),
         *forged = sign_with(other_rsa, "{\"alg\":\"RS256\"}", PAYLOAD);
    char *named = sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"k\"}", PAYLOAD);

    (void)state;
    assert_int_equal(open_with(single, slice_of(unnamed)), 0);
    assert_int_equal(open_with(keys, slice_of(unnamed)),
                     0); /* one RSA key beside the other type's */
    assert_int_equal(open_with(several, slice_of(unnamed)), -ENOKEY);
    assert_int_equal(open_with(single, slice_of(forged)), -ENOKEY); /* newer keys might fit it */
    assert_int_equal(open_with(single, slice_of(named)), -ENOKEY);
    assert_int_equal(open_with(keys, slice_of(named)), -ENOKEY);
    assert_string_equal(why, "the token's key is not one of the provider's");
    assert_int_equal(open_with(same_kid, slice_of(named)), 0); /* both are tried */
    free(unnamed);
    free(forged);
    free(named);
    oidc_keys_free(single);
    oidc_keys_free(several);
    oidc_keys_free(same_kid);
}

static void headers_that_want_more_are_refused(void **state)
{
    (void)state;
    /* libcjose itself will not sign a `crit` it does not know; the header is refused before the signature is looked at. */
    static const char *const crits[] = {
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[]}"
    };
    for (size_t i = 0; i < ARRAY_LEN(crits); i++) {
        assert_int_equal(opens(token_of(crits[i], PAYLOAD, "x", 1)), -EBADMSG);
        assert_string_equal(why, "the token's header has a critical extension");
    }
    assert_int_equal(
        opens(sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"alg\"]}", PAYLOAD)),
        -EBADMSG);
    /* Tokens of other kinds that the same provider signs (RFC 8725, 3.11). */
    static const char *const typs[] = { "\"at+jwt\"", "\"logout+jwt\"", "\"JWE\"", "\"\"", "1",
                                        "null" };
    for (size_t i = 0; i < ARRAY_LEN(typs); i++) {
        char header[80];
        (void)snprintf(header, sizeof(header), "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":%s}",
                       typs[i]);
        assert_int_equal(opens(sign_with(rsa, header, PAYLOAD)), -EBADMSG);
        assert_string_equal(why, "the token is of another type");
    }
    assert_int_equal(opens(sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":7}", PAYLOAD)), -EBADMSG);
    assert_int_equal(opens(token_of("{\"alg\":\"RS256\",\"alg\":\"none\"}", PAYLOAD, "x", 1)),
                     -EBADMSG);
    assert_string_equal(why, "the token's header is not JSON");
}

static void what_is_no_compact_token_is_refused(void **state)
{
    char *token = sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", PAYLOAD), *bent;
    static const char *const garbage[] = {
        "",
        ".",
        "..",
        "...",
        "....",
        "a",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "a.b.c.d.e",
        "e30.e30.",
        "e30..",
        ".e30.",
        "bnVsbA.e30.x",
        "W10.e30.x",
        "{\"payload\":\"e30\",\"signatures\":[]}",
        "\xff\xfe.\xff.\xff",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++)
        assert_int_equal(open_with(keys, slice_of(garbage[i])), -EBADMSG);
    /* Five parts are encrypted; anything around or within it is not of it. */
    static const char *const forms[] = {
        "%s.x.y", ".%s", "%s.", " %s", "%s ", "%s=", "%s\n", "%sA"
    };
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        assert_true(asprintf(&bent, forms[i], token) > 0);
#pragma GCC diagnostic pop
        assert_int_equal(opens(bent), -EBADMSG);
    }
    assert_int_equal(open_with(keys, (struct slice) { (const uint8_t *)token, strlen(token) + 1 }),
                     -EBADMSG); /* a NUL at the end */
    free(token);
}

static void what_is_signed_must_be_one_object(void **state)
{
    static const char *const payloads[] = { "[]",
                                            "\"a\"",
                                            "1",
                                            "null",
                                            "{",
                                            "",
                                            "{\"a\":1,\"a\":2}",
                                            "{\"a\":\"\\u0000\"}",
                                            "{\"a\":\"\xff\"}",
                                            "{} {}" };
    char *inner = sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", PAYLOAD);
    char *large = malloc(OIDC_MAX_TOKEN), *deep = malloc(8001);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++)
        assert_int_equal(opens(sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", payloads[i])),
                         -EBADMSG);
    /* A token in a token. */
    assert_int_equal(
        opens(sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"cty\":\"JWT\"}", inner)),
        -EBADMSG);
    free(inner);
    memset(deep, '[', 8000);
    memcpy(deep, "{\"a\":", 5);
    deep[8000] = '\0';
    assert_int_equal(opens(sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", deep)), -EBADMSG);
    free(deep);
    memset(large, ' ', OIDC_MAX_TOKEN - 1);
    memcpy(large, "{}", 2);
    large[OIDC_MAX_TOKEN - 1] = '\0';
    assert_int_equal(opens(sign_with(rsa, "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", large)), -EBADMSG);
    assert_string_equal(why, "the token is not a compact JWS");
    free(large);
}

/* ---- what an ID token says ---- */

enum { NOW = 1767268800 };

static const struct oidc_expect EXPECT = {
    .issuer = ISSUER,
    .client_id = CLIENT_ID,
    .nonce = NONCE,
    .access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
    .now_s = NOW,
    .max_lifetime_s = 300,
};

static json_t *good_claims(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:i}", "iss", ISSUER, "sub", "a", "aud", CLIENT_ID,
                     "nonce", NONCE, "iat", NOW, "exp", NOW + 300);
}

/* The claims with members added or replaced; those that are null are left out. */
static int check_with(const char *changes, const struct oidc_expect *expect)
{
    json_t *claims = good_claims(), *changed = json_loads(changes, 0, NULL), *value;
    const char *name;
    int r;

    assert_non_null(changed);
    json_object_foreach(changed, name, value)(void)(
        json_is_null(value)
            ? json_object_del(claims, name)
            : json_object_set(claims, name, value)); /* memory does not end in a test */
    why = NULL;
    r = oidc_token_check(claims, expect, &why);
    json_decref(changed);
    json_decref(claims);
    assert_int_equal(r == 0, why == NULL);
    return r;
}

static void accepted(const char *changes)
{
    if (check_with(changes, &EXPECT))
        fail_msg("%s: %s", changes, why);
}

static void refused(const char *changes, const char *because)
{
    assert_int_equal(check_with(changes, &EXPECT), -EBADMSG);
    if (strcmp(why, because) != 0)
        fail_msg("%s: %s", changes, why);
}

static void a_token_for_us_is_accepted(void **state)
{
    (void)state;
    accepted("{}");
    accepted("{\"aud\":[\"fokus\"]}");
    accepted("{\"aud\":[\"fokus\"],\"azp\":\"fokus\"}");
    accepted("{\"aud\":[\"other\",\"fokus\"],\"azp\":\"fokus\"}");
    accepted("{\"iat\":1767268800.75}");
    accepted("{\"nbf\":1767268800}");
    accepted("{\"unknown\":{\"x\":1}}");
}

static void another_issuer_is_refused(void **state)
{
    static const char *const issuers[] = { "{\"iss\":null}",
                                           "{\"iss\":\"https://evil.example\"}",
                                           "{\"iss\":\"https://idp.example.se/\"}",
                                           "{\"iss\":\"HTTPS://idp.example.se\"}",
                                           "{\"iss\":[\"https://idp.example.se\"]}",
                                           "{\"iss\":\"\"}" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(issuers); i++)
        refused(issuers[i], "the ID token is from another issuer");
}

static void another_audience_is_refused(void **state)
{
    (void)state;
    refused("{\"aud\":null}", "the ID token is for somebody else");
    refused("{\"aud\":\"other\"}", "the ID token is for somebody else");
    refused("{\"aud\":\"Fokus\"}", "the ID token is for somebody else");
    refused("{\"aud\":\"fokus \"}", "the ID token is for somebody else");
    refused("{\"aud\":[]}", "the ID token is for somebody else");
    refused("{\"aud\":[\"other\"]}", "the ID token is for somebody else");
    refused("{\"aud\":[[\"fokus\"]]}", "the ID token is for somebody else");
    refused("{\"aud\":{\"fokus\":1}}", "the ID token is for somebody else");
}

static void another_authorized_party_is_refused(void **state)
{
    (void)state;
    refused("{\"azp\":\"other\"}", "the ID token was issued to somebody else");
    refused("{\"azp\":[\"fokus\"]}", "the ID token was issued to somebody else");
    refused("{\"azp\":1}", "the ID token was issued to somebody else");
    refused("{\"aud\":[\"fokus\",\"other\"]}", "the ID token was issued to somebody else");
    refused("{\"aud\":[\"fokus\",\"other\"],\"azp\":\"other\"}",
            "the ID token was issued to somebody else");
}

static void another_nonce_is_refused(void **state)
{
    static const char *const nonces[] = { "{\"nonce\":null}",
                                          "{\"nonce\":\"\"}",
                                          "{\"nonce\":\"n-0S6_WzA2M\"}",
                                          "{\"nonce\":\"n-0S6_WzA2Mjx\"}",
                                          "{\"nonce\":\"N-0S6_WzA2Mj\"}",
                                          "{\"nonce\":[\"n-0S6_WzA2Mj\"]}" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(nonces); i++)
        refused(nonces[i], "the ID token belongs to another sign-in: its nonce differs");
}

static void at(int64_t now_s, const char *claim, int64_t value, bool good, const char *because)
{
    struct oidc_expect expect = EXPECT;
    char changes[64];

    expect.now_s = now_s;
    (void)snprintf(changes, sizeof(changes), "{\"%s\":%lld}", claim, (long long)value);
    int r = check_with(changes, &expect);
    if (good != (r == 0) || (r && strcmp(why, because) != 0))
        fail_msg("%s at %lld: %s", changes, (long long)now_s, why ? why : "accepted");
}

static void a_token_has_its_time_with_a_minute_of_leeway(void **state)
{
    (void)state;
    at(NOW + 359, "exp", NOW + 300, true, NULL);
    at(NOW + 360, "exp", NOW + 300, false, "the ID token has expired");
    at(NOW - 60, "iat", NOW, true, NULL);
    at(NOW - 61, "iat", NOW, false, "the ID token is from the future");
    at(NOW, "nbf", NOW + 60, true, NULL);
    at(NOW, "nbf", NOW + 61, false, "the ID token is not valid yet");
    at(NOW, "exp", NOW + 301, false, "the ID token lives longer than its provider may let it");
    at(NOW, "exp", NOW, false, "the ID token lives longer than its provider may let it");
    at(NOW, "auth_time", NOW + 61, false, "the ID token's auth_time is not a time that was");
    /* One that lives long is still only good for the sign-in it was made for. */
    struct oidc_expect patient = EXPECT;
    patient.max_lifetime_s = 3600;
    patient.now_s = NOW + 360;
    assert_int_equal(check_with("{\"exp\":1767272400}", &patient), 0);
    patient.now_s = NOW + 361;
    assert_int_equal(check_with("{\"exp\":1767272400}", &patient), -EBADMSG);
    assert_string_equal(why, "the ID token was not issued for this sign-in: it is too old");
}

static void times_that_are_none_are_refused(void **state)
{
    static const char *const none[] = { "null", "\"1767268800\"", "-1", "1e300", "true",
                                        "[]",   "999999999999999" };
    char changes[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        (void)snprintf(changes, sizeof(changes), "{\"exp\":%s}", none[i]);
        refused(changes, "the ID token does not say when it was issued and expires");
        (void)snprintf(changes, sizeof(changes), "{\"iat\":%s}", none[i]);
        refused(changes, "the ID token does not say when it was issued and expires");
        if (i == 0)
            continue;
        (void)snprintf(changes, sizeof(changes), "{\"nbf\":%s}", none[i]);
        refused(changes, "the ID token is not valid yet");
    }
}

static void how_long_ago_the_person_signed_in_is_looked_at_when_asked(void **state)
{
    struct oidc_expect fresh = EXPECT;

    (void)state;
    fresh.fresh = true;
    fresh.max_age_s = 30;
    assert_int_equal(check_with("{\"auth_time\":1767268710}", &fresh),
                     0); /* 90 s: the minute of leeway */
    assert_int_equal(check_with("{\"auth_time\":1767268709}", &fresh), -EBADMSG);
    assert_int_equal(check_with("{}", &fresh), -EBADMSG);
    assert_string_equal(why, "the person did not sign in at the provider recently enough");
    accepted("{\"auth_time\":1}");
}

static void somebody_must_have_signed_in(void **state)
{
    char long_sub[OIDC_MAX_SUBJECT + 32];

    (void)state;
    refused("{\"sub\":null}", "the ID token does not say who signed in");
    refused("{\"sub\":\"\"}", "the ID token does not say who signed in");
    refused("{\"sub\":1}", "the ID token does not say who signed in");
    refused("{\"sub\":\"a\\nb\"}", "the ID token does not say who signed in");
    (void)snprintf(long_sub, sizeof(long_sub), "{\"sub\":\"%0*d\"}", OIDC_MAX_SUBJECT, 1);
    accepted(long_sub);
    (void)snprintf(long_sub, sizeof(long_sub), "{\"sub\":\"%0*d\"}", OIDC_MAX_SUBJECT + 1, 1);
    refused(long_sub, "the ID token does not say who signed in");
}

/* The access token and at_hash of OpenID Connect Core 1.0, A.3 and A.4. */
static void the_access_token_is_the_one_it_came_with(void **state)
{
    (void)state;
    accepted("{\"at_hash\":\"77QmUPtjPfzWtF2AnpK9RQ\"}");
    refused("{\"at_hash\":\"77QmUPtjPfzWtF2AnpK9RA\"}",
            "the ID token belongs to another access token");
    refused("{\"at_hash\":\"77QmUPtjPfzWtF2AnpK9R\"}",
            "the ID token belongs to another access token");
    refused("{\"at_hash\":\"\"}", "the ID token belongs to another access token");
    refused("{\"at_hash\":7}", "the ID token belongs to another access token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_of_each_algorithm_open),
        cmocka_unit_test(every_changed_character_is_seen),
        cmocka_unit_test(a_signature_of_another_key_is_refused),
        cmocka_unit_test(a_key_in_the_header_is_not_used),
        cmocka_unit_test(none_is_no_algorithm),
        cmocka_unit_test(a_public_key_is_not_a_secret),
        cmocka_unit_test(other_algorithms_are_refused_though_the_signature_is_good),
        cmocka_unit_test(a_key_of_another_type_or_use_is_none),
        cmocka_unit_test(the_key_is_found_by_kid_or_because_there_is_one),
        cmocka_unit_test(headers_that_want_more_are_refused),
        cmocka_unit_test(what_is_no_compact_token_is_refused),
        cmocka_unit_test(what_is_signed_must_be_one_object),
        cmocka_unit_test(a_token_for_us_is_accepted),
        cmocka_unit_test(another_issuer_is_refused),
        cmocka_unit_test(another_audience_is_refused),
        cmocka_unit_test(another_authorized_party_is_refused),
        cmocka_unit_test(another_nonce_is_refused),
        cmocka_unit_test(a_token_has_its_time_with_a_minute_of_leeway),
        cmocka_unit_test(times_that_are_none_are_refused),
        cmocka_unit_test(how_long_ago_the_person_signed_in_is_looked_at_when_asked),
        cmocka_unit_test(somebody_must_have_signed_in),
        cmocka_unit_test(the_access_token_is_the_one_it_came_with),
    };

    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
