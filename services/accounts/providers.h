/* providers.h - the identity providers of this process, and how they are asked. */
#pragma once
#include "common/peers.h"
#include "services/accounts/oidc.h"
#include "services/accounts/tables.h"

#define PROVIDER_LASTS_MS (10 * MINUTE_MS) /* from sending the browser away until it is back */

/* Reads the settings, once, at the start of the process. */
int providers_open(const char *home, struct err *err) must_check;
/* NULL before providers_open() and without settings. */
struct oidc *providers(void);

/* How providers are asked; tests put something else in its place. `why` is for the caller, when it does not end in OIDC_OK. */
struct provider_ways {
    /* Tells accounts itself, before one of the two below that use the network. */
    void (*count)(struct peers *peers, struct arena *arena,
                  const CountProviderAttemptRequest *request, struct client_reply *ret);
    enum oidc_result (*discover)(const char *provider, const char **ret_why);
    /* OIDC_NOT_READY: discover() first. Reads only memory. */
    enum oidc_result (*start)(const char *provider, const struct oidc_attempt *attempt,
                              const char *locale, char ret_url[OIDC_MAX_START_URL],
                              const char **ret_why);
    enum oidc_result (*finish)(const char *provider, const struct oidc_attempt *attempt,
                               const char *locale, const struct oidc_callback *callback,
                               int64_t now_ms, struct oidc_identity *ret, const char **ret_why);
};
extern const struct provider_ways *provider_ways;
