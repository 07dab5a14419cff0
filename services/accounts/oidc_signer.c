/* oidc_signer.c - our own key, with which we tell a provider who we are (private_key_jwt: RFC 7523, OpenID Connect Core 1.0, 9). */
#include <cjose/jws.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "services/accounts/oidc_keys.h"

enum { ASSERTION_LIFETIME_S = 60 };

struct oidc_signer {
    cjose_jwk_t *jwk;
    cjose_header_t *header;
};

static cjose_header_t *header_of(const char *alg, const char *kid)
{
    cjose_header_t *header = cjose_header_new(NULL);

    if (header && cjose_header_set(header, "alg", alg, NULL) &&
        cjose_header_set(header, "typ", "JWT", NULL) &&
        (!kid || cjose_header_set(header, "kid", kid, NULL)))
        return header;
    cjose_header_release(header);
    return NULL;
}

static int read_jwk(struct oidc_signer *signer, const json_t *jwk, const char **ret_why)
{
    const char *name = oidc_json_text(jwk, "alg", 8);
    int alg = oidc_alg_of(name);

    if (alg < 0 || !oidc_alg_fits((enum oidc_alg)alg, jwk))
        return oidc_bad(ret_why, "must have an alg that fits its kty: ES256, PS256 or RS256");
    if (alg == OIDC_ES256 && !oidc_json_names(jwk, "crv", "P-256"))
        return oidc_bad(ret_why, "must be of the curve P-256");
    if (!oidc_json_text(jwk, "d", OIDC_MAX_TOKEN))
        return oidc_bad(ret_why, "must be a private key, with d");
    signer->jwk = oidc_jwk_import(jwk);
    signer->header = header_of(name, oidc_json_text(jwk, "kid", OIDC_MAX_TEXT));
    if (!signer->jwk || !signer->header)
        return oidc_bad(ret_why, "must be a whole JWK");
    return 0;
}

int oidc_signer_read(struct oidc_signer **ret, struct slice json, const char **ret_why)
{
    json_t *jwk = oidc_json_object(json, OIDC_MAX_TOKEN);
    struct oidc_signer *signer = calloc(1, sizeof(*signer));
    struct buf probe = oidc_secret_buf(OIDC_MAX_TOKEN);
    int r = signer ? 0 : oidc_bad(ret_why, "could not be read: no memory");

    if (r == 0)
        r = jwk ? read_jwk(signer, jwk, ret_why) : oidc_bad(ret_why, "must be a JWK, in JSON");
    /* A key that cannot sign is refused now, not at the first sign-in. */
    if (r == 0 && oidc_signer_assert(signer, "x", "x", 0, &probe))
        r = oidc_bad(ret_why, "must be a key that can sign");
    oidc_wipe(&probe);
    json_decref(jwk);
    if (r)
        oidc_signer_free(signer);
    else
        *ret = signer;
    return r;
}

void oidc_signer_free(struct oidc_signer *signer)
{
    if (!signer)
        return;
    cjose_header_release(signer->header);
    cjose_jwk_release(signer->jwk);
    free(signer);
}

static bool sign(const struct oidc_signer *signer, const char *claims, struct buf *to)
{
    cjose_jws_t *jws =
        cjose_jws_sign(signer->jwk, signer->header, (const uint8_t *)claims, strlen(claims), NULL);
    const char *text = NULL;
    bool good = jws && cjose_jws_export(jws, &text, NULL) && text;

    if (good)
        buf_append_str(to, text);
    cjose_jws_release(jws);
    return good && !to->failed;
}

int oidc_signer_assert(const struct oidc_signer *signer, const char *client_id,
                       const char *audience, int64_t now_s, struct buf *to)
{
    uint8_t random[16];
    char id[sizeof(random) * 2 + 1];

    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(id, sizeof(id), random, sizeof(random));
    json_int_t issued = now_s, expires = issued + ASSERTION_LIFETIME_S;
    json_t *claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "iss", client_id, "sub", client_id,
                               "aud", audience, "jti", id, "iat", issued, "exp", expires);
    char *text = claims ? json_dumps(claims, JSON_COMPACT) : NULL;
    bool good = text && sign(signer, text, to);

    free(text);
    json_decref(claims);
    return good ? 0 : -EIO;
}
