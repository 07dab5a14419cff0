/* providers.c - see providers.h. The settings are read at the start and never change; each provider keeps its keys by itself. */
#include "services/accounts/providers.h"

#include <errno.h>

#include "common/clock.h"

enum { PROVIDER_WAIT_MS = 8000, COUNT_WAIT_MS = 3000 };

static struct oidc *opened;

static __attribute__((destructor)) void close_providers(void)
{
    oidc_close(opened);
}

int providers_open(const char *home, struct err *err)
{
    return opened ? 0 : oidc_open(&opened, home, err);
}

struct oidc *providers(void)
{
    return opened;
}

static void count(struct peers *peers, struct arena *arena,
                  const CountProviderAttemptRequest *request, struct client_reply *ret)
{
    const struct peers_ask ask = {
        .service = "accounts",
        .method = "fokus.accounts.v1.AccountsService/CountProviderAttempt",
        .request = &request->base,
        .timeout_ms = COUNT_WAIT_MS,
    };
    peers_call(peers, &ask, arena, ret);
}

static enum oidc_result discover(const char *provider, const char **ret_why)
{
    return oidc_discover(oidc_provider_find(opened, provider), clock_ms() + PROVIDER_WAIT_MS,
                         ret_why);
}

static enum oidc_result start(const char *provider, const struct oidc_attempt *attempt,
                              const char *locale, char ret_url[OIDC_MAX_START_URL],
                              const char **ret_why)
{
    const struct oidc_wish wish = { .locale = locale };
    return oidc_start(oidc_provider_find(opened, provider), attempt, &wish, ret_url, ret_why);
}

static enum oidc_result finish(const char *provider, const struct oidc_attempt *attempt,
                               const char *locale, const struct oidc_callback *callback,
                               int64_t now_ms, struct oidc_identity *ret, const char **ret_why)
{
    const struct oidc_wish wish = { .locale = locale };
    return oidc_finish(oidc_provider_find(opened, provider), attempt, &wish, callback, now_ms,
                       clock_ms() + PROVIDER_WAIT_MS, ret, ret_why);
}

static const struct provider_ways over_the_network = { count, discover, start, finish };
const struct provider_ways *provider_ways = &over_the_network;
