/* oidc_finish.c - the code becomes a person: token request (RFC 6749, 4.1.3), ID token, UserInfo when the settings want it. Everything that
 * passes through here is a secret or personal and is wiped on every way out. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/base64.h"
#include "services/accounts/oidc_internal.h"

enum { MAX_FORM = 16 * 1024, MAX_HEADER = 8 * 1024 };

/* One exchange, from the code on. */
struct exchange {
    struct oidc_call call;
    const struct oidc_attempt *attempt;
    const struct oidc_wish *wish;
    const char *code;
    int64_t now_s;
    struct oidc_document document;
};

static const struct oidc_settings *settings_of(const struct exchange *x)
{
    return &x->call.provider->settings;
}

/* ---- who we are to the provider (RFC 6749, 2.3.1; OpenID Connect Core 1.0, 9) ---- */

static void put_basic(const struct oidc_settings *settings, struct buf *header)
{
    struct buf pair = oidc_secret_buf(MAX_HEADER / 2);

    oidc_put_encoded(&pair, settings->client_id);
    buf_append_byte(&pair, ':');
    oidc_put_encoded(&pair, settings->client_secret);
    buf_append_str(header, "Authorization: Basic ");
    uint8_t *at = pair.failed ? NULL : buf_reserve(header, base64_encoded_len(pair.len));
    if (at)
        header->len += (size_t)(base64_encode(at, pair.data, pair.len, true) - at);
    header->failed = header->failed || pair.failed;
    oidc_wipe(&pair);
}

static void put_assertion(const struct exchange *x, struct buf *form)
{
    struct buf assertion = oidc_secret_buf(MAX_HEADER);
    const struct oidc_settings *settings = settings_of(x);

    if (oidc_signer_assert(settings->signer, settings->client_id, settings->issuer, x->now_s,
                           &assertion))
        assertion.failed = true;
    buf_append_byte(&assertion, '\0');
    oidc_put_parameter(form, "client_assertion_type",
                       "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    if (assertion.failed)
        form->failed = true;
    else
        oidc_put_parameter(form, "client_assertion", (const char *)assertion.data);
    oidc_wipe(&assertion);
}

static void put_client(const struct exchange *x, struct buf *form, struct buf *header)
{
    const struct oidc_settings *settings = settings_of(x);

    if (settings->client_auth == OIDC_CLIENT_SECRET_BASIC) {
        put_basic(settings, header);
        return;
    }
    oidc_put_parameter(form, "client_id", settings->client_id);
    if (settings->client_auth == OIDC_CLIENT_SECRET_POST)
        oidc_put_parameter(form, "client_secret", settings->client_secret);
    else if (settings->client_auth == OIDC_CLIENT_PRIVATE_KEY_JWT)
        put_assertion(x, form);
}

/* ---- the token endpoint ---- */

/* RFC 6749, 5.2. */
static enum oidc_result refused(const struct fetch_answer *answer, const char **why)
{
    json_t *object =
        oidc_json_object((struct slice) { answer->body.data, answer->body.len }, OIDC_MAX_DOCUMENT);
    bool grant = oidc_json_names(object, "error", "invalid_grant"),
         client = oidc_json_names(object, "error", "invalid_client");

    json_decref(object);
    if (answer->status == 429 || answer->status >= 500)
        return oidc_because(OIDC_UNAVAILABLE, why, "the provider cannot exchange codes now");
    if (grant)
        return oidc_because(OIDC_STALE, why, "the code is used, too old or another sign-in's");
    if (client)
        return oidc_because(OIDC_BROKEN, why,
                            "the provider does not know us by what the settings say");
    return oidc_because(OIDC_BROKEN, why, "the provider does not exchange the code");
}

/* Gives the answer's object. */
static enum oidc_result read_tokens(const struct fetch_answer *answer, const char **why,
                                    json_t **ret)
{
    json_t *object;
    const char *type;

    if (answer->status != 200)
        return refused(answer, why);
    if (strcmp(answer->content_type, "application/json") != 0)
        return oidc_because(OIDC_BROKEN, why, "the provider's answer to the code is not JSON");
    if (!(object = oidc_json_object((struct slice) { answer->body.data, answer->body.len },
                                    OIDC_MAX_DOCUMENT)))
        return oidc_because(OIDC_BROKEN, why, "the provider's answer to the code is not JSON");
    type = oidc_json_text(object, "token_type", 16);
    if (!type || strcasecmp(type, "Bearer") != 0 ||
        !oidc_json_text(object, "access_token", MAX_HEADER / 2) ||
        !json_is_string(json_object_get(object, "id_token"))) {
        json_decref(object);
        return oidc_because(OIDC_BROKEN, why, "the provider's answer to the code lacks a token");
    }
    *ret = object;
    return OIDC_OK;
}

static enum oidc_result ask_for_tokens(const struct exchange *x, json_t **ret)
{
    struct buf form = oidc_secret_buf(MAX_FORM), header = oidc_secret_buf(MAX_HEADER);
    struct fetch_answer answer;
    enum oidc_result result;

    oidc_put_parameter(&form, "grant_type", "authorization_code");
    oidc_put_parameter(&form, "code", x->code);
    oidc_put_parameter(&form, "redirect_uri", settings_of(x)->redirect_uri);
    oidc_put_parameter(&form, "code_verifier", x->attempt->verifier);
    put_client(x, &form, &header);
    buf_append_byte(&header, '\0');
    if (form.failed || header.failed) {
        result =
            oidc_because(OIDC_FAILED, x->call.why, "the request for tokens could not be written");
    } else {
        const char *const headers[] = { "Accept: application/json", (const char *)header.data };
        struct fetch_request request = {
            .url = x->document.token_endpoint,
            .headers = headers,
            .n_headers = header.len > 1 ? 2 : 1,
            .content_type = "application/x-www-form-urlencoded",
            .body = { form.data, form.len },
        };
        result = oidc_ask(&x->call, request, &answer);
        if (result == OIDC_OK) {
            result = read_tokens(&answer, x->call.why, ret);
            fetch_answer_wipe(&answer);
        }
    }
    oidc_wipe(&form);
    oidc_wipe(&header);
    return result;
}

/* ---- UserInfo (OpenID Connect Core 1.0, 5.3) ---- */

/* Plain JSON that TLS vouches for, or signed, then also by whom and for whom. */
static enum oidc_result read_userinfo(const struct exchange *x, const struct fetch_answer *answer,
                                      json_t **ret)
{
    const struct oidc_settings *settings = settings_of(x);
    struct slice body = { answer->body.data, answer->body.len };
    bool busy = answer->status == 429 || answer->status >= 500;
    json_t *object = NULL;

    if (answer->status != 200)
        return oidc_because(busy ? OIDC_UNAVAILABLE : OIDC_BROKEN, x->call.why,
                            "the provider does not tell who it is at UserInfo");
    if (strcmp(answer->content_type, "application/jwt") == 0) {
        enum oidc_result result = oidc_open_token(&x->call, body, &object);
        if (result != OIDC_OK)
            return result;
        if (!oidc_json_names(object, "iss", settings->issuer) ||
            !oidc_json_names(object, "aud", settings->client_id)) {
            json_decref(object);
            return oidc_because(OIDC_FORGED, x->call.why,
                                "UserInfo is signed by or for somebody else");
        }
    } else if (strcmp(answer->content_type, "application/json") == 0) {
        object = oidc_json_object(body, OIDC_MAX_DOCUMENT);
    }
    if (!object)
        return oidc_because(OIDC_BROKEN, x->call.why,
                            "UserInfo is neither JSON nor a signed token");
    *ret = object;
    return OIDC_OK;
}

static enum oidc_result ask_at_userinfo(const struct exchange *x, const char *access_token,
                                        struct fetch_answer *ret)
{
    struct buf header = oidc_secret_buf(MAX_HEADER);
    enum oidc_result result;

    buf_append_str(&header, "Authorization: Bearer ");
    buf_append_str(&header, access_token);
    buf_append_byte(&header, '\0');
    if (header.failed) {
        result = oidc_because(OIDC_FAILED, x->call.why, "no memory");
    } else {
        const char *const headers[] = { "Accept: application/json, application/jwt",
                                        (const char *)header.data };
        result =
            oidc_ask(&x->call,
                     (struct fetch_request) {
                         .url = x->document.userinfo_endpoint, .headers = headers, .n_headers = 2 },
                     ret);
    }
    oidc_wipe(&header);
    return result;
}

static enum oidc_result know_userinfo(const struct exchange *x, const char *access_token,
                                      const char *subject, json_t **ret)
{
    struct fetch_answer answer;
    json_t *object;
    enum oidc_result result;

    if (!x->document.userinfo_endpoint[0])
        return oidc_because(OIDC_BROKEN, x->call.why, "the provider has no UserInfo endpoint");
    result = ask_at_userinfo(x, access_token, &answer);
    if (result != OIDC_OK)
        return result;
    result = read_userinfo(x, &answer, &object);
    fetch_answer_wipe(&answer);
    if (result != OIDC_OK)
        return result;
    /* Without this anybody's UserInfo could be put in place of another's (5.3.2). */
    if (!oidc_same(oidc_json_text(object, "sub", OIDC_MAX_SUBJECT), subject)) {
        json_decref(object);
        return oidc_because(OIDC_FORGED, x->call.why, "UserInfo is somebody else's");
    }
    *ret = object;
    return OIDC_OK;
}

/* ---- all of it ---- */

static enum oidc_result check_token(const struct exchange *x, const json_t *tokens,
                                    json_t **ret_payload)
{
    const char *id_token = json_string_value(json_object_get(tokens, "id_token"));
    const struct oidc_expect expect = {
        .issuer = settings_of(x)->issuer,
        .client_id = settings_of(x)->client_id,
        .nonce = x->attempt->nonce,
        .access_token = json_string_value(json_object_get(tokens, "access_token")),
        .now_s = x->now_s,
        .max_lifetime_s = settings_of(x)->max_token_lifetime_s,
        .fresh = x->wish->fresh,
        .max_age_s = x->wish->max_age_s,
    };
    const struct slice token = { (const uint8_t *)id_token, strlen(id_token) };
    json_t *payload;
    enum oidc_result result = oidc_open_token(&x->call, token, &payload);

    if (result != OIDC_OK)
        return result;
    if (oidc_token_check(payload, &expect, x->call.why)) {
        json_decref(payload);
        return OIDC_FORGED;
    }
    *ret_payload = payload;
    return OIDC_OK;
}

static enum oidc_result read_identity(const struct exchange *x, const json_t *payload,
                                      const json_t *tokens, struct oidc_identity *ret)
{
    const struct oidc_settings *settings = settings_of(x);
    struct oidc_identity identity = { 0 };
    json_t *userinfo = NULL;
    enum oidc_result result = OIDC_OK;

    if (settings->userinfo)
        result = know_userinfo(x, json_string_value(json_object_get(tokens, "access_token")),
                               json_string_value(json_object_get(payload, "sub")), &userinfo);
    if (result == OIDC_OK && oidc_claims_read(payload, userinfo, settings, &identity, x->call.why))
        result = OIDC_BROKEN;
    if (result == OIDC_OK && identity.level < x->wish->min_level)
        result = oidc_because(OIDC_TOO_LOW, x->call.why,
                              "the person signed in at a lower level than was asked for");
    if (result == OIDC_OK)
        *ret = identity;
    json_decref(userinfo);
    sodium_memzero(&identity, sizeof(identity));
    return result;
}

static enum oidc_result exchange(const struct exchange *x, struct oidc_identity *ret)
{
    json_t *tokens = NULL, *payload = NULL;
    enum oidc_result result = ask_for_tokens(x, &tokens);

    if (result != OIDC_OK)
        return result;
    result = check_token(x, tokens, &payload);
    if (result == OIDC_OK) {
        result = read_identity(x, payload, tokens, ret);
        json_decref(payload);
    }
    json_decref(tokens);
    return result;
}

enum oidc_result oidc_finish(struct oidc_provider *p, const struct oidc_attempt *attempt,
                             const struct oidc_wish *wish, const struct oidc_callback *callback,
                             int64_t now_ms, int64_t deadline_ms, struct oidc_identity *ret,
                             const char **ret_why)
{
    struct exchange x = {
        .call = { p, deadline_ms, ret_why },
        .attempt = attempt,
        .wish = wish,
        .code = callback->code,
        .now_s = now_ms / 1000,
    };
    enum oidc_result result = oidc_callback_check(p, attempt, callback, ret_why);

    if (result == OIDC_OK)
        result = oidc_know_document(&x.call, &x.document);
    if (result == OIDC_OK)
        result = oidc_know_keys(&x.call);
    /* Again, now that it is known whether the callback must name its issuer; before the code goes anywhere. */
    if (result == OIDC_OK)
        result = oidc_callback_check(p, attempt, callback, ret_why);
    return result == OIDC_OK ? exchange(&x, ret) : result;
}
