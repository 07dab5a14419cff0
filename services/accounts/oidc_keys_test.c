#include <errno.h>

#include "services/accounts/oidc_testing.h"

static cjose_jwk_t *rsa, *ec;

static int make_keys(void **state)
{
    (void)state;
    if (oidc_json_ready())
        return -1;
    rsa = new_rsa(2048);
    ec = new_ec();
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    cjose_jwk_release(rsa);
    cjose_jwk_release(ec);
    return 0;
}

/* How many keys of a set are taken. */
static size_t taken(size_t n, json_t **jwks)
{
    struct oidc_keys *read = NULL;
    char *text = key_set(n, jwks);
    int r = oidc_keys_read(&read, slice_of(text));
    size_t count = r == 0 ? read->n : 0;

    assert_true(r == 0 || r == -EBADMSG);
    oidc_keys_free(read);
    free(text);
    return count;
}

static void keys_that_are_not_for_us_are_passed_over(void **state)
{
    static const char *const unfit[] = {
        "{\"use\":\"enc\"}",
        "{\"use\":1}",
        "{\"key_ops\":[\"encrypt\"]}",
        "{\"key_ops\":[]}",
        "{\"alg\":\"HS256\"}",
        "{\"alg\":\"none\"}",
        "{\"alg\":\"ES256\"}",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "{\"kty\":\"EC\"}",
        "{\"kty\":null}",
        "{\"kid\":7}",
        "{\"n\":\"AQAB\"}",
        "{\"e\":\"AQ\"}",
        "{\"e\":\"AA\"}",
        "{\"e\":\"BA\"}",
        "{\"e\":\"AQAAAAAB\"}",
        "{\"n\":\"=\"}",
        "{\"n\":null}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(unfit); i++) {
        json_t *set[] = { jwk_json(rsa, false, unfit[i]) };
        if (taken(1, set) != 0)
            fail_msg("taken: %s", unfit[i]);
    }
    static const char *const fit[] = { "{}", "{\"use\":\"sig\"}", "{\"key_ops\":[\"verify\"]}",
                                       "{\"alg\":\"PS256\"}", "{\"x\":1}" };
    for (size_t i = 0; i < ARRAY_LEN(fit); i++) {
        json_t *set[] = { jwk_json(rsa, false, fit[i]), json_null(), json_true() };
        assert_int_equal(taken(ARRAY_LEN(set), set), 1);
    }
}

static void weak_keys_and_other_curves_are_passed_over(void **state)
{
    cjose_jwk_t *weak = new_rsa(1024), *p384 = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, NULL);
    json_t *set[] = {
        jwk_json(weak, false, NULL), jwk_json(p384, false, NULL),
        jwk_json(ec, false, "{\"crv\":\"P-384\"}"), jwk_json(ec, false, "{\"x\":\"AAAA\"}"),
        jwk_json(ec, false, "{\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}")
    };

    (void)state;
    assert_int_equal(taken(ARRAY_LEN(set), set), 0);
    cjose_jwk_release(weak);
    cjose_jwk_release(p384);
}

/* libcjose ends the process over some of these; ours must not be ended by a provider's key. */
static void numbers_that_are_no_base64_are_passed_over(void **state)
{
    static const char *const names[] = { "x", "y" };
    static const char others[] = "=+/ ~.";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t at = 0; at < 43; at++)
            for (size_t c = 0; others[c]; c++) {
                json_t *jwk = jwk_json(ec, false, NULL);
                char *text = strdup(json_string_value(json_object_get(jwk, names[i])));
                text[at] = others[c];
                assert_int_equal(json_object_set_new(jwk, names[i], json_pack("s", text)), 0);
                free(text);
                assert_int_equal(taken(1, &jwk), 0);
            }
}

static void what_is_no_key_set_is_refused_and_a_long_one_is_cut(void **state)
{
    static const char *const wrong[] = { "",
                                         "{}",
                                         "[]",
                                         "{\"keys\":{}}",
                                         "{\"keys\":[]}",
                                         "{\"keys\":[1,null,\"x\",[]]}",
                                         "{\"keys\":[{}],\"keys\":[{}]}" };
    struct oidc_keys *read;
    json_t *many[OIDC_MAX_KEYS + 8];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(oidc_keys_read(&read, slice_of(wrong[i])), -EBADMSG);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = jwk_json(rsa, false, NULL);
    assert_int_equal(taken(ARRAY_LEN(many), many), OIDC_MAX_KEYS);
}

/* A provider that shows its private key by mistake is not made worse by us. */
static void only_the_public_part_is_kept(void **state)
{
    json_t *set[] = { jwk_json(rsa, true, "{\"kid\":\"rsa\"}") };
    struct oidc_keys *read = keys_of(1, set);
    json_t *kept = jwk_json(read->each[0].jwk, true, NULL);

    (void)state;
    assert_null(json_object_get(kept, "d"));
    assert_null(json_object_get(kept, "p"));
    json_decref(kept);
    oidc_keys_free(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_are_not_for_us_are_passed_over),
        cmocka_unit_test(weak_keys_and_other_curves_are_passed_over),
        cmocka_unit_test(numbers_that_are_no_base64_are_passed_over),
        cmocka_unit_test(what_is_no_key_set_is_refused_and_a_long_one_is_cut),
        cmocka_unit_test(only_the_public_part_is_kept),
    };

    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
