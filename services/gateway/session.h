/* session.h - what a request says of who sends it and from where, and what a browser is told to keep. Words only: what they stand for
 * is resolve.h's. All texts here come from strangers.
 *
 *   __Host-fokus            the session's token: 32 random bytes, base64url, made by the service that signs people in
 *   __Host-fokus-browser    32 random bytes, base64url, made here: the browser, whoever sits before it; kept between sign-ins
 *   Authorization: Bearer   an API key, of a program
 *
 * The prefix __Host- has a browser refuse such a cookie from a subdomain, over plain HTTP (but from localhost) or for another path. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/caller.h"

enum {
    SESSION_TOKEN_CHARS = 43, /* base64url of 32 bytes */
    SESSION_KEY_MIN = 20,     /* characters of an API key */
    SESSION_KEY_MAX = 200,
    SESSION_MAX_AGE_S = 400 * 86400, /* the longest that browsers keep a cookie */
    SESSION_COOKIE_MAX = 160,        /* characters of a Set-Cookie header's value and its NUL */
    SESSION_MAX_PROXIES = 16,
};

/* What the Cookie header holds of ours; views into it, empty when absent. A cookie that is not exactly of the form above, or that
 * stands twice, is as good as none. */
struct cookies {
    struct slice session, browser;
    bool session_named; /* a session's cookie was there, in whatever form */
};
/* `header` may be NULL. */
void session_cookies(const char *header, struct cookies *ret);

/* The key in an Authorization header: RFC 6750's "Bearer" and a token of 20 to 200 characters. False: it is something else. */
bool session_bearer(const char *header, struct slice *ret);

/* Security (CSRF, login CSRF): whether the request comes from a page of this site, or from no page at all. A browser that knows
 * Sec-Fetch-Site says so; an older one sends Origin with every POST, which must then be the authority in Host (the scheme is not compared:
 * TLS ends before us). What sends neither is no browser. Each may be NULL. */
bool session_same_site(const char *sec_fetch_site, const char *origin, const char *host);

/* A fresh token for a browser, with a NUL. */
void session_new_browser(char ret[SESSION_TOKEN_CHARS + 1]);
/* Whether a token has the form that goes into a cookie. */
bool session_token_valid(struct slice token);
/* Set-Cookie for a session, or with an empty token to forget it; and for the browser's cookie. */
void session_set_cookie(struct slice token, int64_t max_age_s, char ret[SESSION_COOKIE_MAX]);
void session_set_browser(const char *token, char ret[SESSION_COOKIE_MAX]);

/* ---- where from ---- */

/* The addresses whose X-Forwarded-For is believed, as ::ffff:a.b.c.d for IPv4. */
struct proxies {
    uint8_t list[SESSION_MAX_PROXIES][CALLER_NETWORK_BYTES];
    size_t n;
};
/* "127.0.0.1, 2001:db8::7". -EINVAL: `err` names what is no address; -E2BIG. */
int session_read_proxies(const char *text, struct proxies *ret, struct err *err) must_check;
/* The network the request comes from: `peer` is the connection's address, `forwarded` the last X-Forwarded-For header or NULL. Only its
 * last hop counts, and only from a proxy of ours: whatever stands before was written by the client. */
void session_network(const struct proxies *proxies, const uint8_t peer[CALLER_NETWORK_BYTES],
                     const char *forwarded, uint8_t ret[CALLER_NETWORK_BYTES]);
