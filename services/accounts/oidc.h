/* oidc.h - sign-in through an identity provider: OpenID Connect, authorization code flow with PKCE. BankID, Freja and SITHS come
 * this way, through the provider that the operator has chosen; several stand side by side.
 *
 * How a sign-in goes, and what the caller keeps:
 *
 *     1. 32 random bytes, one use, kept with the provider's id and the wish, bound to the browser: the attempt.
 *     2. oidc_start() makes the URL to send the browser to. It reads only memory. OIDC_NOT_READY: oidc_discover() first, on the pool.
 *     3. The browser comes back to the provider's own redirect URI with state and code, or an error. The caller finds the attempt of
 *        that browser and takes it: an attempt is used once, whatever comes of it. (That is what makes a replayed nonce worthless: every
 *        attempt has its own, and here it is only compared.) oidc_callback_check() tells at once whether they belong together.
 *     4. oidc_finish() on the pool thread exchanges the code and gives who it is: everything that a token must fulfil was checked.
 *
 * Threads: any may call anything. What asks the network says so; it holds no lock while it waits and ends by its deadline.
 *
 * Security: nothing here trusts what came from outside before it was checked; every refusal is a constant text, without anything of
 * the person, the token or the provider's answer, so it may be logged. Secrets and answers are wiped when they are given back.
 *
 * Standards: OpenID Connect Core 1.0 (3.1.2, 3.1.3, 5), Discovery 1.0, RFC 6749, 7515, 7517, 7523, 7636, 8725, 9207, 9700; the Swedish
 * profile of oidc.se. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/macros.h"
#include "common/status.h"

enum {
    OIDC_SEED_BYTES = 32,
    OIDC_MAX_SUBJECT = 255, /* OpenID Connect Core 1.0, 2 */
    OIDC_MAX_NAME = 200,
    OIDC_MAX_EMAIL = 254,
    OIDC_MAX_TEXT = 255, /* any other claim */
    OIDC_MAX_START_URL = 4096,
};

/* ---- providers: what the operator says ---- */

struct oidc_level {
    const char *acr; /* "http://id.elegnamnden.se/loa/1.0/loa3" */
    unsigned level;  /* of assurance: 1 to 4 */
};

/* How the provider recognises us. */
enum oidc_client_auth {
    OIDC_CLIENT_PUBLIC, /* not at all: PKCE alone */
    OIDC_CLIENT_SECRET_BASIC,
    OIDC_CLIENT_SECRET_POST,
    OIDC_CLIENT_PRIVATE_KEY_JWT, /* as the Swedish profile wants */
};

struct oidc_signer;

/* One provider's settings; services/accounts/identity-providers.md shows the file. Never changed after it was read. */
struct oidc_settings {
    const char *id; /* a slug, also for web addresses */
    const char *name_sv, *name_en;
    const char *issuer, *client_id, *redirect_uri;
    const char *scope; /* separated by spaces, openid among them */
    enum oidc_client_auth client_auth;
    const char *client_secret;  /* in libsodium's memory */
    struct oidc_signer *signer; /* our key, of OIDC_CLIENT_PRIVATE_KEY_JWT */
    struct oidc_level *levels;  /* in the operator's order of preference */
    size_t n_levels;
    const char *claims; /* the `claims` parameter, JSON; NULL: none is asked for by name */
    bool
        userinfo; /* whether claims that the ID token lacks are asked for at the UserInfo endpoint */
    const char *ca_file;
    int64_t max_token_lifetime_s;
};

struct oidc;
struct oidc_provider;

/* Reads the file named by FOKUS_OIDC, else HOME/oidc.json when there is one; without any there are no providers. -ENOENT: the named
 * file is missing. -EINVAL: as `err` says, with the field's path: "oidc.json: providers[1].issuer: must begin with https://". */
int oidc_open(struct oidc **ret, const char *home, struct err *err) must_check;
/* NULL is fine. */
void oidc_close(struct oidc *oidc);

size_t oidc_provider_count(const struct oidc *oidc);
struct oidc_provider *oidc_provider_at(struct oidc *oidc, size_t i);
/* NULL: there is none with this id. */
struct oidc_provider *oidc_provider_find(struct oidc *oidc, const char *id);
const struct oidc_settings *oidc_provider_settings(const struct oidc_provider *p);

/* ---- how it ends ---- */

enum oidc_result {
    OIDC_OK,
    OIDC_NOT_READY,   /* oidc_start: oidc_discover() first */
    OIDC_UNAVAILABLE, /* the provider is down, slow or asks us to wait: later */
    OIDC_DECLINED,    /* the person or the provider said no: anew, if the person wants */
    OIDC_STALE,       /* the code is used or too old, or belongs to another attempt: anew */
    OIDC_TOO_LOW,     /* signed in, at a lower level of assurance than was asked for */
    OIDC_FORGED,      /* something does not belong together or is not genuine: a security event */
    OIDC_BROKEN, /* the provider answers as no provider may, or its settings do not fit: the operator's */
    OIDC_FAILED, /* a failure of ours: no memory */
};

/* "unavailable", ... for logs and events. */
const char *oidc_result_name(enum oidc_result result);
/* The code of the answer to the person's call; CODE_OK for OIDC_OK. */
enum code oidc_result_code(enum oidc_result result);

/* ---- one sign-in ---- */

/* What goes over the wire of an attempt: each 256 bits, none of which tells another or the seed. */
struct oidc_attempt {
    char state[44], nonce[44], verifier[44];
};

/* The same seed gives the same, so that the caller keeps the seed alone (sealed, or in memory). Wipe it when done. */
void oidc_attempt_of(const uint8_t seed[OIDC_SEED_BYTES], struct oidc_attempt *ret);

enum oidc_prompt {
    OIDC_PROMPT_UNSAID,
    OIDC_PROMPT_NONE,
    OIDC_PROMPT_LOGIN,
    OIDC_PROMPT_CONSENT,
    OIDC_PROMPT_SELECT_ACCOUNT
};

/* What the caller wants of a sign-in. The same at start and finish. */
struct oidc_wish {
    unsigned min_level; /* of assurance; 0: any, also an unknown one */
    bool fresh;         /* the person must have signed in at the provider at most max_age_s ago */
    int64_t max_age_s;
    enum oidc_prompt prompt;
    const char *locale; /* "sv", "en"; NULL: unsaid */
};

/* What the browser brought back; NULL where a parameter is missing. */
struct oidc_callback {
    const char *provider; /* whose redirect URI was called */
    const char *state, *code, *iss, *error;
};

/* Fetches the provider's discovery document and keys, unless they are known and not too old. Network. `deadline_ms` is clock_ms()'s. */
enum oidc_result oidc_discover(struct oidc_provider *p, int64_t deadline_ms,
                               const char **ret_why) must_check;

/* The URL to send the browser to. */
enum oidc_result oidc_start(struct oidc_provider *p, const struct oidc_attempt *attempt,
                            const struct oidc_wish *wish, char ret_url[OIDC_MAX_START_URL],
                            const char **ret_why) must_check;

/* Whether a callback belongs to the attempt and brings a code. Reads only memory. */
enum oidc_result oidc_callback_check(struct oidc_provider *p, const struct oidc_attempt *attempt,
                                     const struct oidc_callback *callback,
                                     const char **ret_why) must_check;

/* Who signed in. All but issuer, subject and level may be empty. Personal throughout: wipe it (sodium_memzero) when done. */
struct oidc_identity {
    const char *
        issuer; /* with `subject`, the person's name at the provider; lives as long as the provider */
    char subject[OIDC_MAX_SUBJECT + 1];
    unsigned level;      /* 0: the provider said none that the settings know */
    int64_t auth_time_s; /* when the person signed in at the provider; 0: unsaid */
    char name[OIDC_MAX_NAME + 1];
    char email[OIDC_MAX_EMAIL + 1];
    bool email_verified;
    char personal_number[13];     /* personnummer */
    char coordination_number[13]; /* samordningsnummer; never beside a personnummer */
    char previous_coordination_number
        [13];                    /* beside a personnummer: to find the account it had before */
    char coordination_level[12]; /* "confirmed", "probable", "uncertain" */
    char org_number[11];
    char org_affiliation[OIDC_MAX_TEXT + 1]; /* "id@organisationsnummer" */
    char authn_provider[OIDC_MAX_TEXT + 1];
};

/* Checks the callback, exchanges the code, checks the ID token and all that is claimed. Network. `now_ms` is the wall clock's,
 * `deadline_ms` clock_ms()'s. *ret is written only on OIDC_OK. */
enum oidc_result oidc_finish(struct oidc_provider *p, const struct oidc_attempt *attempt,
                             const struct oidc_wish *wish, const struct oidc_callback *callback,
                             int64_t now_ms, int64_t deadline_ms, struct oidc_identity *ret,
                             const char **ret_why) must_check;
