/* oidc.c - the providers there are, as a whole, and the results in words. */
#include "services/accounts/oidc.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "services/accounts/oidc_internal.h"

enum { SETTINGS_BYTES = 4 * 1024 * 1024 };

/* ---- providers ---- */

int oidc_open(struct oidc **ret, const char *home, struct err *err)
{
    const char *named = getenv("FOKUS_OIDC");
    char path[PATH_MAX];
    struct oidc *oidc = calloc(1, sizeof(*oidc));
    int e = oidc_json_ready();

    if (named && !*named)
        named = NULL; /* as every setting that is empty */
    if (e == 0 && (!oidc || !(oidc->arena = arena_new(SETTINGS_BYTES))))
        e = -ENOMEM;
    if (e) {
        oidc_close(oidc);
        return err_set(err, -e, "no memory, or no libsodium, for identity providers");
    }
    int len = named ? snprintf(path, sizeof(path), "%s", named)
                    : snprintf(path, sizeof(path), "%s/oidc.json", home);
    if (len < 0 || (size_t)len >= sizeof(path))
        e = err_set(err, ENAMETOOLONG, "the path of the identity providers' settings is too long");
    else if ((e = oidc_settings_read(oidc, path, err)) == -ENOENT && !named)
        e = 0; /* no file, no providers */
    if (e)
        oidc_close(oidc);
    else
        *ret = oidc;
    return e;
}

void oidc_close(struct oidc *oidc)
{
    if (!oidc)
        return;
    for (size_t i = 0; i < oidc->n; i++) {
        oidc_keys_free(oidc->providers[i].keys);
        oidc_settings_wipe(&oidc->providers[i].settings);
        (void)pthread_mutex_destroy(&oidc->providers[i].lock); /* nobody holds it any more */
    }
    free(oidc->providers);
    arena_free(oidc->arena);
    free(oidc);
}

size_t oidc_provider_count(const struct oidc *oidc)
{
    return oidc->n;
}

struct oidc_provider *oidc_provider_at(struct oidc *oidc, size_t i)
{
    return i < oidc->n ? &oidc->providers[i] : NULL;
}

struct oidc_provider *oidc_provider_find(struct oidc *oidc, const char *id)
{
    for (size_t i = 0; i < oidc->n; i++)
        if (strcmp(oidc->providers[i].settings.id, id) == 0)
            return &oidc->providers[i];
    return NULL;
}

const struct oidc_settings *oidc_provider_settings(const struct oidc_provider *p)
{
    return &p->settings;
}

/* ---- results in words ---- */

static const struct {
    const char *name;
    enum code code;
} RESULTS[] = {
    [OIDC_OK] = { "ok", CODE_OK },
    [OIDC_NOT_READY] = { "not_ready", CODE_UNAVAILABLE },
    [OIDC_UNAVAILABLE] = { "unavailable", CODE_UNAVAILABLE },
    [OIDC_DECLINED] = { "declined", CODE_PERMISSION_DENIED },
    [OIDC_STALE] = { "stale", CODE_FAILED_PRECONDITION },
    [OIDC_TOO_LOW] = { "too_low", CODE_FAILED_PRECONDITION },
    [OIDC_FORGED] = { "forged", CODE_UNAUTHENTICATED },
    [OIDC_BROKEN] = { "broken", CODE_UNAVAILABLE },
    [OIDC_FAILED] = { "failed", CODE_INTERNAL },
};

const char *oidc_result_name(enum oidc_result result)
{
    return RESULTS[result].name;
}

enum code oidc_result_code(enum oidc_result result)
{
    return RESULTS[result].code;
}
