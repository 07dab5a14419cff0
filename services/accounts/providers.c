/* providers.c - see providers.h. The settings are read at the start and never change; each provider keeps its keys by itself. */
#include "services/accounts/providers.h"

#include <errno.h>

#include "common/clock.h"

enum { PROVIDER_WAIT_MS = 8000 };

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

static enum oidc_result start(const char *provider, const struct oidc_attempt *attempt,
                              const char *locale, char ret_url[OIDC_MAX_START_URL],
                              const char **ret_why)
{
    const struct oidc_wish wish = { .locale = locale };
    struct oidc_provider *p = oidc_provider_find(opened, provider);
    enum oidc_result result = oidc_start(p, attempt, &wish, ret_url, ret_why);
    if (result != OIDC_NOT_READY)
        return result;
    result = oidc_discover(p, clock_ms() + PROVIDER_WAIT_MS, ret_why);
    return result == OIDC_OK ? oidc_start(p, attempt, &wish, ret_url, ret_why) : result;
}

static enum oidc_result finish(const char *provider, const struct oidc_attempt *attempt,
                               const char *locale, const struct oidc_callback *callback,
                               int64_t now_ms, struct oidc_identity *ret, const char **ret_why)
{
    const struct oidc_wish wish = { .locale = locale };
    return oidc_finish(oidc_provider_find(opened, provider), attempt, &wish, callback, now_ms,
                       clock_ms() + PROVIDER_WAIT_MS, ret, ret_why);
}

static const struct provider_ways over_the_network = { start, finish };
const struct provider_ways *provider_ways = &over_the_network;
