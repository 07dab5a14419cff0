/* oidc_internal.h - what the files of the OpenID Connect client share. The only header with jansson (libcjose stands on it); nothing
 * outside these files sees it. */
#pragma once
#include <errno.h>
#include <jansson.h>
#include <pthread.h>

#include "common/arena.h"
#include "common/fetch.h"
#include "services/accounts/oidc.h"

/* common/ has functions of these names, which the linker would take. json_pack() makes the same values. */
#pragma GCC poison json_string json_integer json_real

enum {
    OIDC_MAX_DOCUMENT = 256 * 1024, /* bytes of any answer */
    OIDC_MAX_TOKEN = 16 * 1024,     /* bytes of a signed token */
    OIDC_MAX_URL = 512,             /* characters of an endpoint */
    OIDC_MAX_KEYS = 32,             /* looked at in a key set */
    OIDC_LEEWAY_S = 60,             /* that two clocks may differ */
    OIDC_FRESH_S = 300,             /* a token just asked for was made at most so long ago */
};

/* ---- JSON, base64 and forms (oidc_json.c) ---- */

/* From then on jansson and libcjose overwrite what they give back. 0, or -EIO. */
int oidc_json_ready(void) must_check;
/* An object without duplicate names; NULL for anything else, also for more than `max` bytes. json_decref() it. */
json_t *oidc_json_object(struct slice text, size_t max) must_check;
/* The text of a member: 1 to `max` bytes without control characters; NULL for anything else. */
const char *oidc_json_text(const json_t *object, const char *name, size_t max);
/* Whether a member is the text, or a list with it. */
bool oidc_json_names(const json_t *object, const char *name, const char *text);
/* Seconds since 1970 (NumericDate, RFC 7519). False: missing, not a number, not a time. */
bool oidc_json_time(const json_t *object, const char *name, int64_t *ret_s);

/* Unpadded base64 for URLs, and back: NULL for what is not exactly that. The caller wipes and frees. */
uint8_t *oidc_unbase64(struct slice text, size_t *ret_len) must_check;
void oidc_put_base64(struct buf *to, struct slice bytes);

/* "&name=value", the value percent-encoded (RFC 3986's unreserved characters stay); without the & at the start of `to`. */
void oidc_put_parameter(struct buf *to, const char *name, const char *value);
void oidc_put_encoded(struct buf *to, const char *text);
/* A buf of one block, so that wiping it leaves no copy. buf->failed without memory. */
struct buf oidc_secret_buf(size_t max);
void oidc_wipe(struct buf *secret);

/* Equal, in a time that does not tell where they differ. NULL equals nothing. */
bool oidc_same(const char *a, const char *b);

/* ---- signatures (oidc_keys.c, oidc_signer.c, oidc_token.c) ---- */

/* The only algorithms there are: none, and every one with a shared secret, is refused by not being here. */
enum oidc_alg { OIDC_RS256, OIDC_PS256, OIDC_ES256, OIDC_ALGS };

/* -1: none of them. */
int oidc_alg_of(const char *name);
const char *oidc_alg_name(enum oidc_alg alg);

/* A provider's public keys. */
struct oidc_keys;
/* Takes the keys that can check one of our algorithms and passes over the others. -EBADMSG: no key set, or nothing in it for us. */
int oidc_keys_read(struct oidc_keys **ret, struct slice json) must_check;
void oidc_keys_free(struct oidc_keys *keys);

/* Opens a compact JWS signed with one of the keys and gives its payload. -ENOKEY: no key for it, which newer keys may change.
 * -EBADMSG: not genuine. `kind` is the header's `typ` that is fine besides "JWT" and none; NULL: no other. */
int oidc_token_open(struct slice token, const struct oidc_keys *keys, json_t **ret_payload,
                    const char **ret_why) must_check;

/* What an ID token must say. */
struct oidc_expect {
    const char *issuer, *client_id, *nonce;
    const char *access_token; /* for at_hash */
    int64_t now_s, max_lifetime_s;
    bool fresh;
    int64_t max_age_s;
};
/* 0, or -EBADMSG. */
int oidc_token_check(const json_t *payload, const struct oidc_expect *expect,
                     const char **ret_why) must_check;

/* Reads our own private key: a JWK with kty, alg (one of ours) and, for the provider to find it by, kid. -EBADMSG. */
int oidc_signer_read(struct oidc_signer **ret, struct slice json, const char **ret_why) must_check;
void oidc_signer_free(struct oidc_signer *signer);
/* Appends a signed JWT (RFC 7523) that says who we are to the provider, for a minute. */
int oidc_signer_assert(const struct oidc_signer *signer, const char *client_id,
                       const char *audience, int64_t now_s, struct buf *to) must_check;

/* ---- claims (oidc_claims.c) ---- */

/* Reads who it is out of a checked ID token and, where that is silent, of UserInfo (NULL: none). -EBADMSG: a number that is none, or
 * numbers that exclude each other. *ret is zeroed first. */
int oidc_claims_read(const json_t *token, const json_t *userinfo,
                     const struct oidc_settings *settings, struct oidc_identity *ret,
                     const char **ret_why) must_check;

/* ---- discovery (oidc_discovery.c) ---- */

struct oidc_document {
    char authorization_endpoint[OIDC_MAX_URL + 1];
    char token_endpoint[OIDC_MAX_URL + 1];
    char jwks_uri[OIDC_MAX_URL + 1];
    char userinfo_endpoint[OIDC_MAX_URL + 1]; /* "": none */
    bool names_itself;                        /* every callback has `iss` (RFC 9207) */
};
/* -EBADMSG: not a discovery document of this issuer. */
int oidc_document_read(struct slice json, const char *issuer, struct oidc_document *ret,
                       const char **ret_why) must_check;

/* How long an answer may be kept: what it says, within bounds. */
int64_t oidc_keep_ms(int64_t max_age_s);

struct oidc_provider {
    struct oidc_settings settings;
    pthread_mutex_t lock; /* of all below; never held while the network is waited for */
    bool known;           /* `document` is one */
    struct oidc_document document;
    int64_t document_until_ms; /* clock_ms() */
    struct oidc_keys *keys;    /* NULL: none yet */
    int64_t keys_until_ms;
    int64_t keys_anew_ms;   /* before this no unknown key makes us fetch again */
    int64_t rests_until_ms; /* before this a slow provider is not asked */
};

/* Times and tokens of one call on the network. */
struct oidc_call {
    struct oidc_provider *provider;
    int64_t deadline_ms;
    const char **why;
};

/* Fetches something of the provider's; 200 or not. Anything but OIDC_OK leaves nothing to wipe. */
enum oidc_result oidc_ask(const struct oidc_call *call, struct fetch_request request,
                          struct fetch_answer *ret) must_check;
/* The document, fetched when it is not known or too old. */
enum oidc_result oidc_know_document(const struct oidc_call *call,
                                    struct oidc_document *ret) must_check;
enum oidc_result oidc_know_keys(const struct oidc_call *call) must_check;
/* Whether keys may be fetched anew because one is not known; if so, not again for a while. */
bool oidc_keys_may_be_anew(struct oidc_provider *p, int64_t now_ms);
/* Opens a token with the provider's keys; an unknown key makes us fetch them anew, but not often. */
enum oidc_result oidc_open_token(const struct oidc_call *call, struct slice token,
                                 json_t **ret_payload) must_check;

/* ---- settings (oidc_settings.c) ---- */

struct oidc {
    struct arena *arena; /* of the settings' texts */
    struct oidc_provider *providers;
    size_t n;
};

/* Reads the settings of all providers in a file. */
int oidc_settings_read(struct oidc *oidc, const char *path, struct err *err) must_check;
void oidc_settings_wipe(struct oidc_settings *settings);

/* Gives `result`, with why. */
static inline enum oidc_result oidc_because(enum oidc_result result, const char **ret_why,
                                            const char *why)
{
    *ret_why = why;
    return result;
}

static inline int oidc_bad(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -EBADMSG;
}
