/* oidc_start.c - the way out (the URL the browser is sent to) and what is looked at when it comes back. Only memory. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/format.h"
#include "services/accounts/oidc_internal.h"

/* ---- an attempt ---- */

static void derive(const uint8_t seed[OIDC_SEED_BYTES], uint64_t which, char ret[44])
{
    uint8_t bytes[32];

    _Static_assert(OIDC_SEED_BYTES == crypto_kdf_KEYBYTES, "the seed is a key of crypto_kdf");
    (void)crypto_kdf_derive_from_key(bytes, sizeof(bytes), which, "oidcflow",
                                     seed); /* fails only for other lengths */
    sodium_bin2base64(ret, 44, bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof(bytes));
}

void oidc_attempt_of(const uint8_t seed[OIDC_SEED_BYTES], struct oidc_attempt *ret)
{
    derive(seed, 1, ret->state);
    derive(seed, 2, ret->nonce);
    derive(seed, 3, ret->verifier);
}

/* ---- out ---- */

/* PKCE (RFC 7636): the provider sees the hash now and the verifier only with the code. */
static void challenge_of(const char *verifier, char ret[44])
{
    uint8_t hash[crypto_hash_sha256_BYTES];

    crypto_hash_sha256(hash, (const uint8_t *)verifier, strlen(verifier));
    sodium_bin2base64(ret, 44, hash, sizeof(hash), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* The levels that are enough, in the operator's order, separated by spaces. */
static bool put_levels(struct buf *url, const struct oidc_settings *settings, unsigned min_level)
{
    size_t n = 0;

    for (size_t i = 0; i < settings->n_levels; i++) {
        if (settings->levels[i].level < min_level)
            continue;
        buf_append_str(url, n++ ? "%20" : "&acr_values=");
        oidc_put_encoded(url, settings->levels[i].acr);
    }
    return n > 0 || min_level == 0;
}

static void put_wish(struct buf *url, const struct oidc_wish *wish)
{
    static const char *const prompts[] = {
        [OIDC_PROMPT_NONE] = "none",
        [OIDC_PROMPT_LOGIN] = "login",
        [OIDC_PROMPT_CONSENT] = "consent",
        [OIDC_PROMPT_SELECT_ACCOUNT] = "select_account",
    };
    char age[24];

    if (wish->prompt != OIDC_PROMPT_UNSAID)
        oidc_put_parameter(url, "prompt", prompts[wish->prompt]);
    if (wish->fresh) {
        (void)snprintf(age, sizeof(age), "%lld", (long long)wish->max_age_s);
        oidc_put_parameter(url, "max_age", age);
    }
    if (wish->locale)
        oidc_put_parameter(url, "ui_locales", wish->locale);
}

static enum oidc_result put_url(struct buf *url, const struct oidc_settings *settings,
                                const char *endpoint, const struct oidc_attempt *attempt,
                                const struct oidc_wish *wish, const char **ret_why)
{
    char challenge[44];

    challenge_of(attempt->verifier, challenge);
    buf_append_str(url, endpoint);
    buf_append_str(url, strchr(endpoint, '?') ? "&response_type=code" : "?response_type=code");
    oidc_put_parameter(url, "client_id", settings->client_id);
    oidc_put_parameter(url, "redirect_uri", settings->redirect_uri);
    oidc_put_parameter(url, "scope", settings->scope);
    oidc_put_parameter(url, "state", attempt->state);
    oidc_put_parameter(url, "nonce", attempt->nonce);
    oidc_put_parameter(url, "code_challenge", challenge);
    oidc_put_parameter(url, "code_challenge_method", "S256");
    if (settings->claims)
        oidc_put_parameter(url, "claims", settings->claims);
    if (!put_levels(url, settings, wish->min_level))
        return oidc_because(OIDC_TOO_LOW, ret_why, "the provider has no level that is high enough");
    put_wish(url, wish);
    buf_append_byte(url, '\0');
    return url->failed ? oidc_because(OIDC_BROKEN, ret_why,
                                      "the address to send the browser to is too long")
                       : OIDC_OK;
}

enum oidc_result oidc_start(struct oidc_provider *p, const struct oidc_attempt *attempt,
                            const struct oidc_wish *wish, char ret_url[OIDC_MAX_START_URL],
                            const char **ret_why)
{
    char endpoint[OIDC_MAX_URL + 1];
    struct buf url = BUF_INIT(OIDC_MAX_START_URL);

    pthread_mutex_lock(&p->lock);
    bool known = p->known;
    memcpy(endpoint, p->document.authorization_endpoint, sizeof(endpoint));
    pthread_mutex_unlock(&p->lock);
    if (!known)
        return oidc_because(OIDC_NOT_READY, ret_why,
                            "the provider's discovery document is not known yet");
    enum oidc_result result = put_url(&url, &p->settings, endpoint, attempt, wish, ret_why);
    if (result == OIDC_OK)
        memcpy(ret_url, url.data, url.len);
    buf_free(&url);
    return result;
}

/* ---- back ---- */

/* RFC 6749, 4.1.2.1; OpenID Connect Core 1.0, 3.1.2.6; RFC 9470. */
static enum oidc_result declined(const char *error, const char **ret_why)
{
    static const struct {
        const char *error;
        enum oidc_result result;
        const char *why;
    } errors[] = {
        { "access_denied", OIDC_DECLINED, "the person or the provider said no" },
        { "login_required", OIDC_DECLINED, "the person is not signed in at the provider" },
        { "consent_required", OIDC_DECLINED, "the person has not agreed at the provider" },
        { "interaction_required", OIDC_DECLINED, "the provider wants to ask the person something" },
        { "account_selection_required", OIDC_DECLINED,
          "the person has not chosen an account at the provider" },
        { "unmet_authentication_requirements", OIDC_TOO_LOW,
          "the provider could not reach the level that was asked for" },
        { "temporarily_unavailable", OIDC_UNAVAILABLE, "the provider asks us to come later" },
        { "server_error", OIDC_UNAVAILABLE, "the provider failed" },
    };

    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        if (strcmp(errors[i].error, error) == 0)
            return oidc_because(errors[i].result, ret_why, errors[i].why);
    return oidc_because(OIDC_BROKEN, ret_why, "the provider refuses how we ask it");
}

enum oidc_result oidc_callback_check(struct oidc_provider *p, const struct oidc_attempt *attempt,
                                     const struct oidc_callback *callback, const char **ret_why)
{
    pthread_mutex_lock(&p->lock);
    bool names_itself = p->known && p->document.names_itself;
    pthread_mutex_unlock(&p->lock);

    if (!callback->provider || strcmp(callback->provider, p->settings.id) != 0)
        return oidc_because(OIDC_FORGED, ret_why,
                            "the callback is another provider's than the attempt");
    if (!oidc_same(callback->state, attempt->state))
        return oidc_because(OIDC_FORGED, ret_why, "the callback's state is not the attempt's");
    if (callback->iss ? strcmp(callback->iss, p->settings.issuer) != 0 : names_itself)
        return oidc_because(OIDC_FORGED, ret_why,
                            "the callback does not come from the provider's issuer");
    if (callback->error)
        return declined(callback->error, ret_why);
    size_t len = callback->code ? strnlen(callback->code, FETCH_MAX_URL + 1) : 0;
    if (len == 0 || len > FETCH_MAX_URL)
        return oidc_because(OIDC_FORGED, ret_why, "the callback brings no code");
    return OIDC_OK;
}
