/* oidc_keys.h - keys as libcjose holds them, for the three files that sign or check: oidc_keys.c, oidc_token.c, oidc_signer.c. */
#pragma once
#include <cjose/jwk.h>

#include "services/accounts/oidc_internal.h"

struct oidc_key {
    cjose_jwk_t *jwk;
    char kid[256]; /* "": none */
    int alg;       /* the only one it may be used with; -1: any that its type fits */
    bool rsa;
    size_t signature_bytes;
};

struct oidc_keys {
    struct oidc_key each[OIDC_MAX_KEYS];
    size_t n;
};

/* Whether a token with this algorithm may be checked with the key. */
bool oidc_key_fits(const struct oidc_key *key, enum oidc_alg alg);
/* Whether the algorithm is one of the JWK's type. */
bool oidc_alg_fits(enum oidc_alg alg, const json_t *jwk);
/* NULL: not a key, or no memory. */
cjose_jwk_t *oidc_jwk_import(const json_t *jwk) must_check;
