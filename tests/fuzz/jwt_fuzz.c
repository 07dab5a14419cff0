/* jwt_fuzz.c - what an identity provider may send: the first byte says what it is. No answer may crash, read past its end or leak; and no token
 * may open, since nobody signed one with the keys below. */
#include <stdlib.h>
#include <string.h>

#include "services/accounts/oidc_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The public keys of RFC 7515, A.2 and A.3. */
static const char KEYS[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"rsa\",\"e\":\"AQAB\",\"n\":"
    "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"
    "4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT"
    "-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
    "bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
    "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5"
    "IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"},{\"kty\":"
    "\"EC\",\"kid\":\"ec\",\"crv\":\"P-256\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_"
    "tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

static void open_token(const struct oidc_keys *keys, struct slice input)
{
    json_t *payload;
    const char *why;

    if (oidc_token_open(input, keys, &payload, &why) == 0)
        abort();
}

static void read_keys(struct slice input)
{
    struct oidc_keys *keys;

    if (oidc_keys_read(&keys, input) == 0)
        oidc_keys_free(keys);
}

static void read_document(struct slice input)
{
    struct oidc_document document;
    const char *why;

    if (oidc_document_read(input, "https://idp.example.se", &document, &why) == 0 &&
        fetch_url_is_local(document.token_endpoint))
        abort();
}

/* As if a provider had signed it. */
static void read_claims(struct slice input)
{
    static const struct oidc_expect expect = {
        .issuer = "https://idp.example.se",
        .client_id = "fokus",
        .nonce = "nonce",
        .access_token = "token",
        .now_s = 1767268800,
        .max_lifetime_s = 300,
        .fresh = true,
        .max_age_s = 60,
    };
    static struct oidc_level levels[] = { { "loa3", 3 } };
    static const struct oidc_settings settings = { .issuer = "https://idp.example.se",
                                                   .levels = levels,
                                                   .n_levels = 1 };
    json_t *claims = oidc_json_object(input, OIDC_MAX_TOKEN);
    struct oidc_identity who;
    const char *why;

    if (!claims)
        return;
    (void)oidc_token_check(claims, &expect, &why); /* any answer is fine */
    if (oidc_claims_read(claims, NULL, &settings, &who, &why) == 0 &&
        (!who.subject[0] || (who.personal_number[0] && who.coordination_number[0])))
        abort();
    json_decref(claims);
}

static void read_signer(struct slice input)
{
    struct oidc_signer *signer;
    const char *why;

    if (oidc_signer_read(&signer, input, &why) == 0)
        oidc_signer_free(signer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct oidc_keys *keys;
    struct slice input = { data + 1, len - 1 };

    if (!keys && (oidc_json_ready() || oidc_keys_read(&keys, SLICE_STR(KEYS))))
        abort();
    if (len == 0)
        return 0;
    switch (data[0] % 5) {
    case 0:
        open_token(keys, input);
        break;
    case 1:
        read_keys(input);
        break;
    case 2:
        read_document(input);
        break;
    case 3:
        read_claims(input);
        break;
    default:
        read_signer(input);
    }
    return 0;
}
