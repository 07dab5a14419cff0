/* oidc_token.c - a signed token (JWS, compact: RFC 7515) and what an ID token must say (OpenID Connect Core 1.0, 3.1.3.7).
 *
 * Security: which algorithm is used stands with us, not in the header: the header may only name one of oidc_alg, and a key of that type.
 * The form is judged before libcjose sees it (three parts, each the one base64 text of its bytes, no `crit`, no other kind of token),
 * so that there is one reading of it. Keys in the header (jwk, jku, x5c, x5u) are not looked at. */
#include <cjose/jws.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "services/accounts/oidc_keys.h"

struct parts {
    struct slice header, payload, signature;
};

static bool split(struct slice token, struct parts *ret)
{
    const uint8_t *end = token.data + token.len;
    const uint8_t *first = memchr(token.data, '.', token.len);
    const uint8_t *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;

    if (!second || memchr(second + 1, '.', (size_t)(end - second - 1)))
        return false;
    *ret = (struct parts) {
        { token.data, (size_t)(first - token.data) },
        { first + 1, (size_t)(second - first - 1) },
        { second + 1, (size_t)(end - second - 1) },
    };
    return true;
}

/* The JSON object that a part is the base64 of. */
static json_t *open_part(struct slice part)
{
    size_t len;
    uint8_t *text = oidc_unbase64(part, &len);
    json_t *object;

    if (!text)
        return NULL;
    object = oidc_json_object((struct slice) { text, len }, OIDC_MAX_TOKEN);
    sodium_memzero(text, len);
    free(text);
    return object;
}

/* How many bytes a part is the base64 of; 0 also when it is none. */
static size_t decoded_len(struct slice part)
{
    size_t len = 0;
    uint8_t *bytes = oidc_unbase64(part, &len);

    if (bytes)
        sodium_memzero(bytes, len);
    free(bytes);
    return len;
}

static int judge_header(const json_t *header, enum oidc_alg *ret_alg, const char **ret_why)
{
    int alg = oidc_alg_of(oidc_json_text(header, "alg", 16));
    const char *typ = oidc_json_text(header, "typ", 64);

    if (alg < 0)
        return oidc_bad(ret_why, "the token is not signed with an algorithm that is allowed");
    if (json_object_get(header, "crit"))
        return oidc_bad(ret_why, "the token's header has a critical extension");
    if (json_object_get(header, "typ") && (!typ || strcasecmp(typ, "JWT") != 0))
        return oidc_bad(ret_why, "the token is of another type");
    if (json_object_get(header, "kid") && !json_is_string(json_object_get(header, "kid")))
        return oidc_bad(ret_why, "the token's kid is not text");
    *ret_alg = (enum oidc_alg)alg;
    return 0;
}

/* NULL: none, or several and no kid to choose by. */
static const struct oidc_key *next_key(const struct oidc_keys *keys, enum oidc_alg alg,
                                       const char *kid, size_t *at)
{
    size_t suited = 0;

    for (size_t i = 0; !kid && i < keys->n; i++)
        suited += oidc_key_fits(&keys->each[i], alg);
    while (*at < keys->n && suited <= 1) {
        const struct oidc_key *key = &keys->each[(*at)++];
        if (oidc_key_fits(key, alg) && (!kid || strcmp(key->kid, kid) == 0))
            return key;
    }
    return NULL;
}

static bool verifies(struct slice token, size_t signature_bytes, const struct oidc_key *key)
{
    if (signature_bytes != key->signature_bytes)
        return false;
    cjose_jws_t *jws = cjose_jws_import((const char *)token.data, token.len, NULL);
    bool good = jws && cjose_jws_verify(jws, key->jwk, NULL);

    cjose_jws_release(jws);
    return good;
}

static int check_signature(struct slice token, struct slice signature, const json_t *header,
                           const struct oidc_keys *keys, const char **ret_why)
{
    const char *kid = json_string_value(json_object_get(header, "kid"));
    const struct oidc_key *key;
    enum oidc_alg alg;
    size_t at = 0, tried = 0, len = decoded_len(signature);
    int r = judge_header(header, &alg, ret_why);

    if (r)
        return r;
    while ((key = next_key(keys, alg, kid, &at))) {
        if (verifies(token, len, key))
            return 0;
        tried++;
    }
    if (tried && kid)
        return oidc_bad(ret_why, "the token's signature is not the provider's");
    *ret_why = kid ? "the token's key is not one of the provider's"
                   : "the token does not say which key, and the provider's one does not fit";
    return -ENOKEY;
}

int oidc_token_open(struct slice token, const struct oidc_keys *keys, json_t **ret_payload,
                    const char **ret_why)
{
    struct parts parts;
    json_t *header, *payload;
    int r;

    /* Security: libcjose ends the process (assert) over text that is not base64, so it sees none. */
    if (token.len > OIDC_MAX_TOKEN || !split(token, &parts) || decoded_len(parts.payload) == 0)
        return oidc_bad(ret_why, "the token is not a compact JWS");
    if (!(header = open_part(parts.header)))
        return oidc_bad(ret_why, "the token's header is not JSON");
    r = check_signature(token, parts.signature, header, keys, ret_why);
    json_decref(header);
    if (r)
        return r;
    if (!(payload = open_part(parts.payload)))
        return oidc_bad(ret_why, "what the token signs is not a JSON object");
    *ret_payload = payload;
    return 0;
}

/* ---- what an ID token says ---- */

static int check_audience(const json_t *payload, const char *client_id, const char **ret_why)
{
    const json_t *aud = json_object_get(payload, "aud"), *azp = json_object_get(payload, "azp");

    if (!oidc_json_names(payload, "aud", client_id))
        return oidc_bad(ret_why, "the ID token is for somebody else");
    if (azp ? !oidc_json_names(payload, "azp", client_id) || !json_is_string(azp)
            : json_array_size(aud) > 1)
        return oidc_bad(ret_why, "the ID token was issued to somebody else");
    return 0;
}

static int check_times(const json_t *payload, const struct oidc_expect *expect,
                       const char **ret_why)
{
    int64_t exp, iat, nbf, auth_time, now = expect->now_s;

    if (!oidc_json_time(payload, "exp", &exp) || !oidc_json_time(payload, "iat", &iat))
        return oidc_bad(ret_why, "the ID token does not say when it was issued and expires");
    if (now >= exp + OIDC_LEEWAY_S)
        return oidc_bad(ret_why, "the ID token has expired");
    if (iat > now + OIDC_LEEWAY_S)
        return oidc_bad(ret_why, "the ID token is from the future");
    if (iat < now - OIDC_FRESH_S - OIDC_LEEWAY_S)
        return oidc_bad(ret_why, "the ID token was not issued for this sign-in: it is too old");
    if (exp <= iat || exp - iat > expect->max_lifetime_s)
        return oidc_bad(ret_why, "the ID token lives longer than its provider may let it");
    if (json_object_get(payload, "nbf") &&
        (!oidc_json_time(payload, "nbf", &nbf) || nbf > now + OIDC_LEEWAY_S))
        return oidc_bad(ret_why, "the ID token is not valid yet");
    bool told = oidc_json_time(payload, "auth_time", &auth_time);
    if (json_object_get(payload, "auth_time") && (!told || auth_time > now + OIDC_LEEWAY_S))
        return oidc_bad(ret_why, "the ID token's auth_time is not a time that was");
    if (expect->fresh && (!told || now - auth_time > expect->max_age_s + OIDC_LEEWAY_S))
        return oidc_bad(ret_why, "the person did not sign in at the provider recently enough");
    return 0;
}

/* at_hash: the left half of the access token's SHA-256, which all our algorithms use. */
static bool is_hash_of(const char *at_hash, const char *access_token)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char text[32];
    struct buf half = BUF_INIT(24);
    bool same = false;

    if (!at_hash || !access_token ||
        EVP_Digest(access_token, strlen(access_token), hash, NULL, EVP_sha256(), NULL) != 1)
        return false;
    oidc_put_base64(&half, (struct slice) { hash, 16 });
    if (!half.failed) {
        memcpy(text, half.data, half.len);
        text[half.len] = '\0';
        same = oidc_same(text, at_hash);
    }
    buf_free(&half);
    return same;
}

int oidc_token_check(const json_t *payload, const struct oidc_expect *expect, const char **ret_why)
{
    const json_t *iss = json_object_get(payload, "iss");
    int r;

    if (!json_is_string(iss) || !oidc_json_names(payload, "iss", expect->issuer))
        return oidc_bad(ret_why, "the ID token is from another issuer");
    if ((r = check_audience(payload, expect->client_id, ret_why)) ||
        (r = check_times(payload, expect, ret_why)))
        return r;
    if (!oidc_same(oidc_json_text(payload, "nonce", OIDC_MAX_TEXT), expect->nonce))
        return oidc_bad(ret_why, "the ID token belongs to another sign-in: its nonce differs");
    if (!oidc_json_text(payload, "sub", OIDC_MAX_SUBJECT))
        return oidc_bad(ret_why, "the ID token does not say who signed in");
    if (json_object_get(payload, "at_hash") &&
        !is_hash_of(oidc_json_text(payload, "at_hash", OIDC_MAX_TEXT), expect->access_token))
        return oidc_bad(ret_why, "the ID token belongs to another access token");
    return 0;
}
