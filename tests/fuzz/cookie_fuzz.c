/* cookie_fuzz.c - the headers that say who calls and from where: Cookie, Authorization, Origin, X-Forwarded-For. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "services/gateway/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* What was found lies in the header, is of our form, and becomes a cookie that is found again. */
static void check_token(const char *text, size_t len, struct slice token)
{
    char cookie[SESSION_COOKIE_MAX];
    struct cookies again;

    if (!token.len)
        return;
    check(token.data >= (const uint8_t *)text &&
          token.data + token.len <= (const uint8_t *)text + len);
    check(session_token_valid(token));
    session_set_cookie(token, 60, cookie);
    session_cookies(cookie, &again);
    check(again.session.len == token.len && memcmp(again.session.data, token.data, token.len) == 0);
}

static void check_network(const char *text)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    static const uint8_t zero[8];
    const struct proxies ours = { .list = { { [15] = 1 } }, .n = 1 };
    struct proxies read;
    struct err err;
    uint8_t network[CALLER_NETWORK_BYTES];

    session_network(&ours, ours.list[0], text, network);
    check(memcmp(network, mapped, sizeof(mapped)) == 0 ||
          memcmp(network + 8, zero, sizeof(zero)) == 0);
    if (session_read_proxies(text, &read, &err) == 0)
        check(read.n <= SESSION_MAX_PROXIES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    struct cookies cookies;
    struct slice key;

    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    session_cookies(text, &cookies);
    check(!cookies.session.len || cookies.session_named);
    check_token(text, len, cookies.session);
    check_token(text, len, cookies.browser);
    if (session_bearer(text, &key))
        check(key.len >= SESSION_KEY_MIN && key.len <= SESSION_KEY_MAX &&
              key.data + key.len == (const uint8_t *)text + strlen(text));
    /* The first line is a page's origin, the rest a Host. */
    char *host = strchr(text, '\n');
    if (host)
        *host++ = '\0';
    if (host && session_same_site(NULL, text, host))
        check(strncasecmp(text, "http", 4) == 0 && strlen(host) > 0);
    check_network(text);
    free(text);
    return 0;
}
