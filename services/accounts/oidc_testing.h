/* oidc_testing.h - for tests only: keys and tokens made on the spot, and a provider without a network. */
#pragma once
#include <cjose/jws.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "services/accounts/oidc_keys.h"

#define ISSUER    "https://idp.example.se"
#define CLIENT_ID "fokus"
#define NONCE     "n-0S6_WzA2Mj"

static inline struct slice slice_of(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

static inline cjose_jwk_t *new_rsa(size_t bits)
{
    static const uint8_t exponent[] = { 1, 0, 1 };
    cjose_jwk_t *jwk = cjose_jwk_create_RSA_random(bits, exponent, sizeof(exponent), NULL);

    assert_non_null(jwk);
    return jwk;
}

static inline cjose_jwk_t *new_ec(void)
{
    cjose_jwk_t *jwk = cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, NULL);

    assert_non_null(jwk);
    return jwk;
}

/* The key as JSON, with members added or replaced: `more` is an object or NULL. */
static inline json_t *jwk_json(const cjose_jwk_t *jwk, bool private, const char *more)
{
    char *text = cjose_jwk_to_json(jwk, private, NULL);
    json_t *object = json_loads(text, 0, NULL), *others = json_loads(more ? more : "{}", 0, NULL);

    assert_non_null(object);
    assert_non_null(others);
    assert_int_equal(json_object_update(object, others), 0);
    json_decref(others);
    free(text);
    return object;
}

/* A key set of what jwk_json() gives; takes them over. */
static inline char *key_set(size_t n, json_t **jwks)
{
    json_t *set = json_pack("{s:[]}", "keys");

    for (size_t i = 0; i < n; i++)
        assert_int_equal(json_array_append_new(json_object_get(set, "keys"), jwks[i]), 0);
    char *text = json_dumps(set, 0);
    json_decref(set);
    assert_non_null(text);
    return text;
}

static inline struct oidc_keys *keys_of(size_t n, json_t **jwks)
{
    struct oidc_keys *keys = NULL;
    char *text = key_set(n, jwks);

    assert_int_equal(oidc_keys_read(&keys, slice_of(text)), 0);
    free(text);
    return keys;
}

/* Text in base64 for URLs; the caller frees. */
static inline char *base64url(const void *bytes, size_t len)
{
    struct buf to = BUF_INIT(1 << 20);

    oidc_put_base64(&to, (struct slice) { bytes, len });
    buf_append_byte(&to, '\0');
    assert_false(to.failed);
    return (char *)to.data;
}

/* A token out of three parts, as they are. */
static inline char *token_of(const char *header, const char *payload, const void *signature,
                             size_t len)
{
    char *h = base64url(header, strlen(header)), *p = base64url(payload, strlen(payload)),
         *s = base64url(signature, len), *token;

    assert_true(asprintf(&token, "%s.%s.%s", h, p, s) > 0);
    free(h);
    free(p);
    free(s);
    return token;
}

/* A token truly signed with the key. `header` is the whole header, with alg. */
static inline char *sign_with(const cjose_jwk_t *jwk, const char *header, const char *payload)
{
    json_t *members = json_loads(header, 0, NULL);
    cjose_jws_t *jws =
        cjose_jws_sign(jwk, members, (const uint8_t *)payload, strlen(payload), NULL);
    const char *text = NULL;

    assert_non_null(jws);
    assert_true(cjose_jws_export(jws, &text, NULL));
    char *token = strdup(text);
    cjose_jws_release(jws);
    json_decref(members);
    return token;
}
