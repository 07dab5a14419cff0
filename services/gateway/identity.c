/* identity.c - see identity.h. */
#include "services/gateway/identity.h"

#include <assert.h>
#include <errno.h>

#include "common/clock.h"

static const struct refusal OTHER_SITE = { 403, CODE_PERMISSION_DENIED,
                                           "This request was sent by a page of another site, so it "
                                           "was not carried out. If it was meant, do "
                                           "it on our own page." };
static const struct refusal NOT_BEARER = {
    401, CODE_UNAUTHENTICATED,
    "The header Authorization must be the word Bearer and an API key, or be left out."
};
static const struct refusal UNKNOWN_KEY = {
    401, CODE_UNAUTHENTICATED,
    "There is no such API key, or no longer. Make a new one, or call without."
};
static const struct refusal ONLY_ASKS = { 403, CODE_PERMISSION_DENIED,
                                          "This API key may only ask, not change anything." };
static const struct refusal NOT_YET = {
    503, CODE_UNAVAILABLE,
    "The services have not all started, so who you are cannot be said yet. Try again in a moment."
};
static const struct refusal TOO_MANY = { 429, CODE_RESOURCE_EXHAUSTED,
                                         "Too many calls wait already. Try again later." };
static const struct refusal NOBODY_KNOWS = {
    401, CODE_UNAUTHENTICATED,
    "No service here knows API keys. Call without the header Authorization."
};

/* ---- finding out ---- */

/* The credential that counts. False: there is none, or why not is in `ret_why`. */
static bool read_credential(struct exchange *e, const struct cookies *cookies,
                            struct credential *ret, const struct refusal **ret_why)
{
    struct slice token = cookies->session;

    ret->kind = CREDENTIAL_SESSION;
    if (e->headers[HTTP_AUTHORIZATION]) {
        ret->kind = CREDENTIAL_KEY;
        if (!session_bearer(e->headers[HTTP_AUTHORIZATION], &token)) {
            *ret_why = &NOT_BEARER;
            return false;
        }
    } else if (!token.len) {
        e->forget_session = cookies->session_named;
        return false;
    }
    caller_hash_token(token, ret->hash);
    return true;
}

/* Security: another site's page can make a browser send a request with our cookies, and sign it in as somebody else; with a header
 * Authorization it cannot, since that takes our leave (CORS), which nobody gets. */
static bool same_site(const struct exchange *e, const struct route *route,
                      const struct cookies *cookies)
{
    bool matters = route->method->origin || (e->method == HTTP_POST && cookies->session_named);

    return !matters || e->headers[HTTP_AUTHORIZATION] ||
           session_same_site(e->headers[HTTP_SEC_FETCH_SITE], e->headers[HTTP_ORIGIN],
                             e->headers[HTTP_HOST]);
}

static enum identity_state refuse(const struct refusal *why, struct refusal *ret_why)
{
    *ret_why = *why;
    return IDENTITY_REFUSED;
}

/* Nobody can be asked. */
static enum identity_state without_resolver(const struct identity *who, bool certain,
                                            struct refusal *ret_why)
{
    if (!certain)
        return refuse(&NOT_YET, ret_why);
    if (who->credential.kind == CREDENTIAL_KEY)
        return refuse(&NOBODY_KNOWS, ret_why);
    return IDENTITY_FOUND; /* where nobody signs in, everybody is anonymous, whatever an old cookie says */
}

void identity_begin(struct exchange *e)
{
    static_assert(sizeof(e->new_browser) == SESSION_TOKEN_CHARS + 1, "a token and its NUL");
    e->waiting = NULL;
    e->asked_us = 0;
    e->origin = e->personal = e->forget_session = false;
    e->new_browser[0] = '\0';
}

enum identity_state identity_find(struct gateway *g, struct exchange *e, const struct route *route,
                                  uint32_t timeout_ms, resolver_done *done, struct identity *ret,
                                  struct refusal *ret_why)
{
    const struct refusal *why = NULL;
    struct cookies cookies;
    bool certain;

    ret->person = NULL;
    e->origin = route->method->origin;
    e->personal = e->origin || e->headers[HTTP_AUTHORIZATION];
    if (!e->headers[HTTP_COOKIE] && !e->personal)
        return IDENTITY_FOUND;
    session_cookies(e->headers[HTTP_COOKIE], &cookies);
    e->personal |= cookies.session_named;
    if (!same_site(e, route, &cookies)) {
        g->refused_other_site++;
        return refuse(&OTHER_SITE, ret_why);
    }
    if (!read_credential(e, &cookies, &ret->credential, &why))
        return why ? refuse(why, ret_why) : IDENTITY_FOUND;
    if (!resolver_ready(g->resolver, &certain))
        return without_resolver(ret, certain, ret_why);
    ret->person = resolver_find(g->resolver, &ret->credential);
    if (ret->person)
        return IDENTITY_FOUND;
    e->asked_us = clock_us();
    e->waiting = resolver_ask(g->resolver, &ret->credential, timeout_ms, done, e);
    return e->waiting ? IDENTITY_WAITS : refuse(&TOO_MANY, ret_why);
}

bool identity_take(struct exchange *e, const struct resolution *how, struct identity *ret,
                   struct refusal *ret_why)
{
    *ret = (struct identity) { how->person, *how->credential };
    if (how->code == CODE_OK)
        return true;
    if (how->code != CODE_UNAUTHENTICATED) {
        *ret_why = (struct refusal) { code_http(how->code), how->code, how->message };
        return false;
    }
    if (how->credential->kind == CREDENTIAL_KEY) {
        *ret_why = UNKNOWN_KEY;
        return false;
    }
    e->forget_session = true;
    return true;
}

bool identity_may(const struct identity *who, const struct route *route, struct arena *arena,
                  struct refusal *ret_why)
{
    const char *name = route->service->name;

    if (!who->person)
        return true;
    if (known_only_asks(who->person) && !route->method->no_side_effects) {
        *ret_why = ONLY_ASKS;
        return false;
    }
    if (known_may_call(who->person, name))
        return true;
    const char *message = arena_printf(arena, "This API key is not for the service %s.", name);
    *ret_why = (struct refusal) { 403, CODE_PERMISSION_DENIED, message ? message : "" };
    return false;
}

/* ---- telling the service ---- */

static void put_origin(struct gateway *g, struct exchange *e, const struct identity *who)
{
    uint8_t peer[CALLER_NETWORK_BYTES], network[CALLER_NETWORK_BYTES], browser[CALLER_HASH_BYTES];
    struct origin origin = { .browser = { browser, sizeof(browser) } };
    struct cookies cookies;

    if (http_peer(e, peer)) {
        session_network(&g->proxies, peer, e->headers[HTTP_X_FORWARDED_FOR], network);
        origin.network = (struct slice) { network, sizeof(network) };
    }
    session_cookies(e->headers[HTTP_COOKIE], &cookies);
    if (!cookies.browser.len) {
        session_new_browser(e->new_browser);
        cookies.browser = (struct slice) { (const uint8_t *)e->new_browser, SESSION_TOKEN_CHARS };
    }
    caller_hash_token(cookies.browser, browser);
    if (who->person && who->credential.kind == CREDENTIAL_SESSION)
        origin.session = (struct slice) { who->credential.hash, CALLER_HASH_BYTES };
    buf_clear(&g->origin);
    origin_put(&g->origin, &origin);
}

int identity_add(struct gateway *g, struct exchange *e, const struct route *route,
                 const struct identity *who, struct client_call *call,
                 uint8_t proof[CALLER_PROOF_BYTES])
{
    const struct service *s = route->service;

    if (who->person) {
        int r = resolver_caller(g->resolver, who->person, s, &call->caller, &call->proof);
        if (r < 0)
            return r;
    }
    if (!route->method->origin)
        return 0;
    if (!who->person) { /* nobody: what is proven is where from, and for how long */
        buf_clear(&g->nobody);
        caller_put(&g->nobody, "", NULL, 0, wall_ms() + KNOWN_PROOF_MS);
        call->caller = (struct slice) { g->nobody.data, g->nobody.len };
    }
    put_origin(g, e, who);
    if (g->nobody.failed || g->origin.failed)
        return -ENOMEM;
    call->origin = (struct slice) { g->origin.data, g->origin.len };
    caller_prove(s->caller_key, call->caller, call->origin, proof);
    call->proof = (struct slice) { proof, CALLER_PROOF_BYTES };
    return 0;
}

/* ---- telling the browser ---- */

void answer_add(struct answer_headers *h, const char *name, const char *value)
{
    h->list[h->n++] = (struct http_header) { name, value };
}

void identity_headers(const struct exchange *e, const struct client_reply *reply,
                      struct answer_headers *h)
{
    static const char set_cookie[] = "Set-Cookie";

    if (e->personal)
        answer_add(h, "Cache-Control", "private, no-store");
    if (reply && e->new_browser[0]) {
        session_set_browser(e->new_browser, h->browser);
        answer_add(h, set_cookie, h->browser);
    }
    if (reply && e->origin && reply->session_changed)
        session_set_cookie(reply->session_token, reply->session_max_age_s, h->session);
    else if (e->forget_session)
        session_set_cookie((struct slice) { 0 }, 0, h->session);
    else
        return;
    answer_add(h, set_cookie, h->session);
}
