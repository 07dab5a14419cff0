/* oidc_keys.c - a provider's key set (RFC 7517): the public keys that can check one of our algorithms. Everything else in the set is
 * passed over: other types and curves, shared secrets, keys for encryption, RSA below 2048 bits or so large that checking
 * would keep us busy. Only the public members are handed to libcjose. */
#include <cjose/jwk.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "services/accounts/oidc_keys.h"

enum {
    MIN_RSA_BITS = 2048,
    MAX_RSA_BITS = 8192,
    MAX_NUMBER = MAX_RSA_BITS / 6 + 4,
    EC_BYTES = 32,
    MAX_KID = 255
};

static const struct {
    const char *name, *kty;
} ALGS[OIDC_ALGS] = {
    [OIDC_RS256] = { "RS256", "RSA" },
    [OIDC_PS256] = { "PS256", "RSA" },
    [OIDC_ES256] = { "ES256", "EC" },
};

int oidc_alg_of(const char *name)
{
    for (int i = 0; name && i < OIDC_ALGS; i++)
        if (strcmp(ALGS[i].name, name) == 0)
            return i;
    return -1;
}

const char *oidc_alg_name(enum oidc_alg alg)
{
    return ALGS[alg].name;
}

bool oidc_alg_fits(enum oidc_alg alg, const json_t *jwk)
{
    const char *kty = oidc_json_text(jwk, "kty", 8);

    return kty && strcmp(kty, ALGS[alg].kty) == 0;
}

/* Bits of an unpadded big-endian number in base64; 0 when it is none. `ret_low` gets the lowest byte. */
static size_t bits_of(const json_t *jwk, const char *name, size_t max_chars, uint8_t *ret_low)
{
    const char *text = oidc_json_text(jwk, name, max_chars);
    size_t len = 0, at = 0, bits = 0;

    if (!text)
        return 0;
    uint8_t *bytes = oidc_unbase64((struct slice) { (const uint8_t *)text, strlen(text) }, &len);
    if (!bytes)
        return 0;
    while (at < len && bytes[at] == 0)
        at++;
    if (at < len) {
        bits = (len - at) * 8;
        for (uint8_t top = bytes[at]; top < 0x80; top = (uint8_t)(top << 1))
            bits--;
        *ret_low = bytes[len - 1];
    }
    free(bytes);
    return bits;
}

static size_t rsa_bits(const json_t *jwk)
{
    uint8_t n_low = 0, e_low = 0;
    size_t n = bits_of(jwk, "n", MAX_NUMBER, &n_low);
    size_t e = bits_of(jwk, "e", 8, &e_low);

    /* Both are odd; an exponent of 1 signs nothing. */
    if (n < MIN_RSA_BITS || n > MAX_RSA_BITS || !(n_low & 1) || e < 2 || e > 32 || !(e_low & 1))
        return 0;
    return n;
}

/* Of its members, only those that a public key has. */
static json_t *public_part(const json_t *jwk, bool rsa)
{
    json_t *kty = json_object_get(jwk, "kty");

    if (rsa)
        return json_pack("{s:O, s:O, s:O}", "kty", kty, "n", json_object_get(jwk, "n"), "e",
                         json_object_get(jwk, "e"));
    return json_pack("{s:O, s:O?, s:O?, s:O?}", "kty", kty, "crv", json_object_get(jwk, "crv"), "x",
                     json_object_get(jwk, "x"), "y", json_object_get(jwk, "y"));
}

/* Security: libcjose ends the process (assert) over text that is not base64, so it sees none. */
static bool has_whole_numbers(const json_t *jwk)
{
    static const char *const names[] = { "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y" };
    bool rsa = oidc_json_names(jwk, "kty", "RSA");

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *text = oidc_json_text(jwk, names[i], MAX_NUMBER);
        size_t len = 0;
        if (!json_object_get(jwk, names[i]))
            continue;
        uint8_t *bytes =
            text ? oidc_unbase64((struct slice) { (const uint8_t *)text, strlen(text) }, &len)
                 : NULL;
        if (bytes)
            sodium_memzero(bytes, len);
        free(bytes);
        if (!bytes || len == 0 || (!rsa && len != EC_BYTES))
            return false;
    }
    return true;
}

cjose_jwk_t *oidc_jwk_import(const json_t *jwk)
{
    char *text = has_whole_numbers(jwk) ? json_dumps(jwk, JSON_COMPACT) : NULL;
    cjose_jwk_t *key = text ? cjose_jwk_import(text, strlen(text), NULL) : NULL;

    free(text);
    return key;
}

static bool is_for_signatures(const json_t *jwk)
{
    const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");

    return (!use || oidc_json_names(jwk, "use", "sig")) &&
           (!ops || oidc_json_names(jwk, "key_ops", "verify"));
}

/* False: not for us. */
static bool take(struct oidc_keys *keys, const json_t *jwk)
{
    struct oidc_key key = { .alg = -1 };
    const char *kid = oidc_json_text(jwk, "kid", MAX_KID);

    if (!json_is_object(jwk) || !is_for_signatures(jwk) || (json_object_get(jwk, "kid") && !kid))
        return false;
    key.rsa = oidc_json_names(jwk, "kty", "RSA");
    if (key.rsa)
        key.signature_bytes = (rsa_bits(jwk) + 7) / 8;
    else if (oidc_json_names(jwk, "kty", "EC") && oidc_json_names(jwk, "crv", "P-256"))
        key.signature_bytes = (size_t)2 * EC_BYTES;
    if (key.signature_bytes == 0)
        return false;
    if (json_object_get(jwk, "alg")) {
        key.alg = oidc_alg_of(oidc_json_text(jwk, "alg", 8));
        if (key.alg < 0 || !oidc_alg_fits((enum oidc_alg)key.alg, jwk))
            return false;
    }
    json_t *shown = public_part(jwk, key.rsa);
    key.jwk = shown ? oidc_jwk_import(shown) : NULL;
    json_decref(shown);
    if (!key.jwk)
        return false;
    (void)snprintf(key.kid, sizeof(key.kid), "%s", kid ? kid : ""); /* its length was checked */
    keys->each[keys->n++] = key;
    return true;
}

int oidc_keys_read(struct oidc_keys **ret, struct slice json)
{
    json_t *set = oidc_json_object(json, OIDC_MAX_DOCUMENT), *jwk;
    struct oidc_keys *keys = calloc(1, sizeof(*keys));
    size_t i;

    if (!keys) {
        json_decref(set);
        return -ENOMEM;
    }
    json_array_foreach(json_object_get(set, "keys"), i, jwk)
    {
        if (keys->n == OIDC_MAX_KEYS)
            break;
        (void)take(keys, jwk); /* what is not for us is passed over */
    }
    json_decref(set);
    if (keys->n == 0) {
        oidc_keys_free(keys);
        return -EBADMSG;
    }
    *ret = keys;
    return 0;
}

void oidc_keys_free(struct oidc_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->n; i++)
        cjose_jwk_release(keys->each[i].jwk);
    free(keys);
}

bool oidc_key_fits(const struct oidc_key *key, enum oidc_alg alg)
{
    return key->rsa == (alg != OIDC_ES256) && (key->alg < 0 || key->alg == (int)alg);
}
