/* oidc_discovery.c - what is known of a provider: its discovery document and its keys, fetched when needed, kept as long as the provider
 * says within our bounds.
 *
 * Nobody can make us hammer a provider: a key that is not known makes us fetch the keys anew at most once in KEYS_PAUSE_MS, and a provider
 * that let us wait is left alone as long as it let us wait, so that it takes at most half of the time of the thread that
 * asks, and sign-ins elsewhere go on. */
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "services/accounts/oidc_internal.h"

enum {
    KEEP_MIN_S = 300,
    KEEP_UNSAID_S = 3600,
    KEEP_MAX_S = 24 * 3600,
    KEYS_PAUSE_MS = 60 * 1000,
};

/* ---- the document ---- */

/* Copies an endpoint. Security: a provider on the network cannot send us to this machine's own ports. */
static bool read_endpoint(const json_t *document, const char *name, const char *issuer,
                          char to[OIDC_MAX_URL + 1])
{
    const char *url = oidc_json_text(document, name, OIDC_MAX_URL);

    if (!url || fetch_url_problem(url) || (fetch_url_is_local(url) && !fetch_url_is_local(issuer)))
        return false;
    memcpy(to, url, strlen(url) + 1);
    return true;
}

static int read_document(const json_t *document, const char *issuer, struct oidc_document *to,
                         const char **ret_why)
{
    const char *named = json_string_value(json_object_get(document, "issuer"));
    const json_t *methods = json_object_get(document, "code_challenge_methods_supported");

    if (!named || strcmp(named, issuer) != 0)
        return oidc_bad(ret_why, "the discovery document is another issuer's");
    if (!read_endpoint(document, "authorization_endpoint", issuer, to->authorization_endpoint) ||
        !read_endpoint(document, "token_endpoint", issuer, to->token_endpoint) ||
        !read_endpoint(document, "jwks_uri", issuer, to->jwks_uri))
        return oidc_bad(ret_why, "the discovery document lacks an endpoint that may be asked");
    if (json_object_get(document, "userinfo_endpoint") &&
        !read_endpoint(document, "userinfo_endpoint", issuer, to->userinfo_endpoint))
        return oidc_bad(ret_why, "the discovery document's userinfo_endpoint may not be asked");
    if (methods && !oidc_json_names(document, "code_challenge_methods_supported", "S256"))
        return oidc_bad(ret_why, "the provider does not support PKCE with S256");
    to->names_itself =
        json_is_true(json_object_get(document, "authorization_response_iss_parameter_supported"));
    return 0;
}

int oidc_document_read(struct slice json, const char *issuer, struct oidc_document *ret,
                       const char **ret_why)
{
    json_t *document = oidc_json_object(json, OIDC_MAX_DOCUMENT);
    struct oidc_document read = { 0 };
    int r;

    if (!document)
        return oidc_bad(ret_why, "the discovery document is not JSON");
    r = read_document(document, issuer, &read, ret_why);
    json_decref(document);
    if (r == 0)
        *ret = read;
    return r;
}

int64_t oidc_keep_ms(int64_t max_age_s)
{
    int64_t s = max_age_s < 0 ? KEEP_UNSAID_S : max_age_s;

    return (s < KEEP_MIN_S ? KEEP_MIN_S : s > KEEP_MAX_S ? KEEP_MAX_S : s) * 1000;
}

/* ---- asking ---- */

static enum oidc_result not_answered(int error, const char **why)
{
    switch (error) {
    case -ETIMEDOUT:
        return oidc_because(OIDC_UNAVAILABLE, why, "the provider did not answer in time");
    case -EHOSTUNREACH:
        return oidc_because(OIDC_UNAVAILABLE, why, "nobody answers at the provider");
    case -EMSGSIZE:
        return oidc_because(OIDC_BROKEN, why, "the provider's answer is too long");
    case -ENOMEM:
        return oidc_because(OIDC_FAILED, why, "no memory");
    case -EINVAL:
        return oidc_because(OIDC_BROKEN, why, "the provider wants to be asked as it may not");
    default:
        return oidc_because(
            OIDC_BROKEN, why,
            "the provider's TLS or HTTP is not as it must be, or its certificate is not trusted");
    }
}

enum oidc_result oidc_ask(const struct oidc_call *call, struct fetch_request request,
                          struct fetch_answer *ret)
{
    struct oidc_provider *p = call->provider;
    int64_t began = clock_ms();

    pthread_mutex_lock(&p->lock);
    bool rests = began < p->rests_until_ms;
    pthread_mutex_unlock(&p->lock);
    if (rests)
        return oidc_because(OIDC_UNAVAILABLE, call->why,
                            "the provider kept us waiting a moment ago");
    if (began >= call->deadline_ms)
        return oidc_because(OIDC_UNAVAILABLE, call->why, "no time is left to ask the provider");
    request.timeout_ms = call->deadline_ms - began;
    request.max_bytes = OIDC_MAX_DOCUMENT;
    request.ca_file = p->settings.ca_file;
    int r = fetch(&request, ret, NULL);

    if (r == -ETIMEDOUT) {
        int64_t now = clock_ms();
        pthread_mutex_lock(&p->lock);
        p->rests_until_ms = now + (now - began);
        pthread_mutex_unlock(&p->lock);
    }
    return r ? not_answered(r, call->why) : OIDC_OK;
}

/* A document of the provider's that anybody may read. */
static enum oidc_result get(const struct oidc_call *call, const char *url, struct fetch_answer *ret)
{
    static const char *const headers[] = { "Accept: application/json" };
    enum oidc_result result = oidc_ask(
        call, (struct fetch_request) { .url = url, .headers = headers, .n_headers = 1 }, ret);
    int status = result == OIDC_OK ? ret->status : 0;

    if (result != OIDC_OK || status == 200)
        return result;
    fetch_answer_wipe(ret);
    if (status == 429 || status >= 500)
        return oidc_because(OIDC_UNAVAILABLE, call->why, "the provider cannot answer now");
    if (status >= 300 && status < 400)
        return oidc_because(OIDC_BROKEN, call->why,
                            "the provider's document is not where it must be: a redirect");
    return oidc_because(OIDC_BROKEN, call->why, "the provider has no document where it must be");
}

static enum oidc_result fetch_document(const struct oidc_call *call, struct oidc_document *ret)
{
    struct oidc_provider *p = call->provider;
    char url[FETCH_MAX_URL];
    size_t len = strlen(p->settings.issuer);
    struct fetch_answer answer;

    if (p->settings.issuer[len - 1] == '/')
        len--;
    (void)snprintf(url, sizeof(url), "%.*s/.well-known/openid-configuration", (int)len,
                   p->settings.issuer); /* fits: OIDC_MAX_URL */
    enum oidc_result result = get(call, url, &answer);
    if (result != OIDC_OK)
        return result;
    int r = oidc_document_read((struct slice) { answer.body.data, answer.body.len },
                               p->settings.issuer, ret, call->why);
    fetch_answer_wipe(&answer);
    if (r)
        return OIDC_BROKEN;
    pthread_mutex_lock(&p->lock);
    p->document = *ret;
    p->document_until_ms = clock_ms() + oidc_keep_ms(answer.max_age_s);
    p->known = true;
    pthread_mutex_unlock(&p->lock);
    return OIDC_OK;
}

enum oidc_result oidc_know_document(const struct oidc_call *call, struct oidc_document *ret)
{
    struct oidc_provider *p = call->provider;

    pthread_mutex_lock(&p->lock);
    bool good = p->known && clock_ms() < p->document_until_ms;
    if (good)
        *ret = p->document;
    pthread_mutex_unlock(&p->lock);
    return good ? OIDC_OK : fetch_document(call, ret);
}

/* ---- keys ---- */

static enum oidc_result fetch_keys(const struct oidc_call *call)
{
    struct oidc_provider *p = call->provider;
    struct oidc_document document;
    struct fetch_answer answer;
    struct oidc_keys *keys, *old;
    enum oidc_result result = oidc_know_document(call, &document);

    if (result != OIDC_OK || (result = get(call, document.jwks_uri, &answer)) != OIDC_OK)
        return result;
    int r = oidc_keys_read(&keys, (struct slice) { answer.body.data, answer.body.len });
    fetch_answer_wipe(&answer);
    if (r)
        return oidc_because(r == -ENOMEM ? OIDC_FAILED : OIDC_BROKEN, call->why,
                            "the provider has no key that can be used");
    pthread_mutex_lock(&p->lock);
    old = p->keys;
    p->keys = keys;
    p->keys_until_ms = clock_ms() + oidc_keep_ms(answer.max_age_s);
    pthread_mutex_unlock(&p->lock);
    oidc_keys_free(old);
    return OIDC_OK;
}

enum oidc_result oidc_know_keys(const struct oidc_call *call)
{
    struct oidc_provider *p = call->provider;

    pthread_mutex_lock(&p->lock);
    bool good = p->keys && clock_ms() < p->keys_until_ms;
    pthread_mutex_unlock(&p->lock);
    return good ? OIDC_OK : fetch_keys(call);
}

bool oidc_keys_may_be_anew(struct oidc_provider *p, int64_t now_ms)
{
    bool may;

    pthread_mutex_lock(&p->lock);
    may = now_ms >= p->keys_anew_ms;
    if (may)
        p->keys_anew_ms = now_ms + KEYS_PAUSE_MS;
    pthread_mutex_unlock(&p->lock);
    return may;
}

static int open_with_keys(const struct oidc_call *call, struct slice token, json_t **ret_payload)
{
    struct oidc_provider *p = call->provider;

    pthread_mutex_lock(&p->lock);
    int r = p->keys ? oidc_token_open(token, p->keys, ret_payload, call->why) : -ENOKEY;
    pthread_mutex_unlock(&p->lock);
    return r;
}

enum oidc_result oidc_open_token(const struct oidc_call *call, struct slice token,
                                 json_t **ret_payload)
{
    enum oidc_result result = oidc_know_keys(call);

    if (result != OIDC_OK)
        return result;
    int r = open_with_keys(call, token, ret_payload);
    if (r == -ENOKEY && oidc_keys_may_be_anew(call->provider, clock_ms())) {
        if ((result = fetch_keys(call)) != OIDC_OK)
            return result;
        r = open_with_keys(call, token, ret_payload);
    }
    return r ? OIDC_FORGED : OIDC_OK;
}

enum oidc_result oidc_discover(struct oidc_provider *p, int64_t deadline_ms, const char **ret_why)
{
    const struct oidc_call call = { p, deadline_ms, ret_why };
    struct oidc_document document;
    enum oidc_result result = oidc_know_document(&call, &document);

    return result == OIDC_OK ? oidc_know_keys(&call) : result;
}
