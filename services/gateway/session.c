/* session.c - see session.h. Nothing here allocates, and every text is read to its end at most once. */
#include "services/gateway/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    TOKEN_BYTES = 32,
    NETWORK_BITS = 64, /* what is kept of an IPv6 address: what a household or a company gets */
    HOP_CHARS = INET6_ADDRSTRLEN,
};

static const char SESSION_COOKIE[] = "__Host-fokus";
static const char BROWSER_COOKIE[] = "__Host-fokus-browser";

/* ---- cookies ---- */

/* Of 258 bits in 43 characters two mean nothing: the last character is one of those that leave them out, so that there is one text for each
 * 32 bytes. */
bool session_token_valid(struct slice token)
{
    static const char last[] = "AEIMQUYcgkosw048";
    bool good = token.len == SESSION_TOKEN_CHARS && memchr(last, token.data[token.len - 1], 16);

    for (size_t i = 0; good && i < token.len; i++) {
        uint8_t c = token.data[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    }
    return good;
}

static bool is_named(const char *name, size_t len, const char *wanted, size_t wanted_len)
{
    return len == wanted_len && memcmp(name, wanted, len) == 0;
}

/* A second one of the name takes the first one's place away, too: which of them is the site's own cannot be told. */
static void take_cookie(struct slice value, unsigned *n, struct slice *ret)
{
    *ret = ++*n == 1 && session_token_valid(value) ? value : (struct slice) { 0 };
}

void session_cookies(const char *header, struct cookies *ret)
{
    unsigned n_sessions = 0, n_browsers = 0;

    *ret = (struct cookies) { 0 };
    while (header && *header) {
        header += strspn(header, " \t;");
        size_t len = strcspn(header, ";");
        const char *equals = memchr(header, '=', len);
        size_t name_len = equals ? (size_t)(equals - header) : len;
        struct slice value = { 0 };
        if (equals)
            value = (struct slice) { (const uint8_t *)equals + 1, len - name_len - 1 };
        while (value.len && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t'))
            value.len--;
        if (is_named(header, name_len, SESSION_COOKIE, sizeof(SESSION_COOKIE) - 1))
            take_cookie(value, &n_sessions, &ret->session);
        else if (is_named(header, name_len, BROWSER_COOKIE, sizeof(BROWSER_COOKIE) - 1))
            take_cookie(value, &n_browsers, &ret->browser);
        header += len;
    }
    ret->session_named = n_sessions > 0;
}

bool session_bearer(const char *header, struct slice *ret)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789-._~+/";
    static const char scheme[] = "Bearer ";

    if (strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
        return false;
    header += sizeof(scheme) - 1;
    size_t len = strspn(header, allowed);
    bool long_enough = len >= SESSION_KEY_MIN;
    len += strspn(header + len, "=");
    if (header[len] || !long_enough || len > SESSION_KEY_MAX)
        return false;
    *ret = (struct slice) { (const uint8_t *)header, len };
    return true;
}

void session_new_browser(char ret[SESSION_TOKEN_CHARS + 1])
{
    uint8_t bytes[TOKEN_BYTES];

    randombytes_buf(bytes, sizeof(bytes));
    (void)sodium_bin2base64(ret, SESSION_TOKEN_CHARS + 1, bytes, sizeof(bytes),
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING); /* returns `ret` */
}

static void set_cookie(const char *name, struct slice token, int64_t max_age_s,
                       char ret[SESSION_COOKIE_MAX])
{
    if (max_age_s > SESSION_MAX_AGE_S)
        max_age_s = SESSION_MAX_AGE_S;
    (void)snprintf(ret, SESSION_COOKIE_MAX,
                   "%s=%.*s; Path=/; Max-Age=%lld; Secure; HttpOnly; SameSite=Lax", name,
                   (int)token.len, token.len ? (const char *)token.data : "",
                   (long long)(max_age_s > 0 ? max_age_s : 0)); /* fits */
}

void session_set_cookie(struct slice token, int64_t max_age_s, char ret[SESSION_COOKIE_MAX])
{
    set_cookie(SESSION_COOKIE, token, token.len ? max_age_s : 0, ret);
}

void session_set_browser(const char *token, char ret[SESSION_COOKIE_MAX])
{
    set_cookie(BROWSER_COOKIE, (struct slice) { (const uint8_t *)token, strlen(token) },
               SESSION_MAX_AGE_S, ret);
}

/* ---- the same site ---- */

/* An authority without its scheme's usual port, in Host as in Origin. */
static size_t bare_len(const char *authority, const char *usual_port)
{
    size_t len = strlen(authority), port_len = strlen(usual_port);

    if (len > port_len && strcmp(authority + len - port_len, usual_port) == 0)
        len -= port_len;
    return len;
}

bool session_same_site(const char *sec_fetch_site, const char *origin, const char *host)
{
    const char *port;

    if (sec_fetch_site)
        return strcmp(sec_fetch_site, "same-origin") == 0 || strcmp(sec_fetch_site, "none") == 0;
    if (!origin)
        return true;
    if (strncasecmp(origin, "https://", 8) == 0) {
        origin += 8;
        port = ":443";
    } else if (strncasecmp(origin, "http://", 7) == 0) {
        origin += 7;
        port = ":80";
    } else {
        return false; /* "null", for one */
    }
    size_t len = bare_len(origin, port);
    return host && len > 0 && len == bare_len(host, port) && strncasecmp(origin, host, len) == 0;
}

/* ---- where from ---- */

static bool read_address(const char *text, uint8_t ret[CALLER_NETWORK_BYTES])
{
    uint8_t mapped[CALLER_NETWORK_BYTES] = { [10] = 0xff, [11] = 0xff };

    if (inet_pton(AF_INET6, text, ret) == 1)
        return true;
    if (inet_pton(AF_INET, text, mapped + 12) != 1)
        return false;
    memcpy(ret, mapped, CALLER_NETWORK_BYTES);
    return true;
}

/* One address of a list, without the blanks around it. */
static bool read_hop(const char *text, size_t len, uint8_t ret[CALLER_NETWORK_BYTES])
{
    char hop[HOP_CHARS];

    while (len && (*text == ' ' || *text == '\t')) {
        text++;
        len--;
    }
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len == 0 || len >= sizeof(hop))
        return false;
    memcpy(hop, text, len);
    hop[len] = '\0';
    return read_address(hop, ret);
}

int session_read_proxies(const char *text, struct proxies *ret, struct err *err)
{
    *ret = (struct proxies) { 0 };
    while (*text) {
        size_t len = strcspn(text, ",");
        if (ret->n == SESSION_MAX_PROXIES)
            return err_set(err, E2BIG, "FOKUS_PROXY: more than %d addresses", SESSION_MAX_PROXIES);
        if (!read_hop(text, len, ret->list[ret->n++]))
            return err_set(err, EINVAL,
                           "FOKUS_PROXY: '%.*s' is no address. Give IP addresses with commas "
                           "between them, as in 127.0.0.1,::1",
                           (int)(len < 60 ? len : 60), text);
        text += len;
        text += *text == ',';
    }
    return 0;
}

static bool is_proxy(const struct proxies *proxies, const uint8_t peer[CALLER_NETWORK_BYTES])
{
    for (size_t i = 0; i < proxies->n; i++)
        if (memcmp(proxies->list[i], peer, CALLER_NETWORK_BYTES) == 0)
            return true;
    return false;
}

void session_network(const struct proxies *proxies, const uint8_t peer[CALLER_NETWORK_BYTES],
                     const char *forwarded, uint8_t ret[CALLER_NETWORK_BYTES])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    memcpy(ret, peer, CALLER_NETWORK_BYTES);
    if (forwarded && is_proxy(proxies, peer)) {
        const char *comma = strrchr(forwarded, ',');
        const char *hop = comma ? comma + 1 : forwarded;
        if (!read_hop(hop, strlen(hop), ret))
            memcpy(ret, peer, CALLER_NETWORK_BYTES); /* it does not say: the proxy's own */
    }
    if (memcmp(ret, mapped, sizeof(mapped)) != 0)
        memset(ret + NETWORK_BITS / 8, 0, CALLER_NETWORK_BYTES - NETWORK_BITS / 8);
}
