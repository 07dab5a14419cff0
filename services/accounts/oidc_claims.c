/* oidc_claims.c - who it is. A claim in the ID token stands before the same one in UserInfo.
 *
 * What identifies (the numbers, and those of organisations) must be right or the sign-in is refused: the Swedish claims of oidc.se. What
 * only describes (name, e-mail address) is left out when it is not what it should be. */
#include <errno.h>
#include <string.h>

#include "common/format.h"
#include "common/personal_number.h"
#include "fokus/v1/options.pb-c.h"
#include "services/accounts/oidc_internal.h"

#define OIDC_SE "https://id.oidc.se/claim/"

struct reader {
    const json_t *token, *userinfo;
    const char **why;
};

static const json_t *claim(const struct reader *r, const char *name)
{
    const json_t *value = json_object_get(r->token, name);

    return value ? value : json_object_get(r->userinfo, name);
}

static const char *text(const struct reader *r, const char *name, size_t max)
{
    return oidc_json_text(json_object_get(r->token, name) ? r->token : r->userinfo, name, max);
}

/* Copies what was measured by text(). */
static void copy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
}

static bool is_level(const char *value, size_t len)
{
    (void)len;
    return strcmp(value, "confirmed") == 0 || strcmp(value, "probable") == 0 ||
           strcmp(value, "uncertain") == 0;
}

static bool is_affiliation(const char *value, size_t len)
{
    const char *at = strrchr(value, '@');

    return at && at > value && organisation_number_ok(at + 1, len - (size_t)(at + 1 - value));
}

static bool is_anything(const char *value, size_t len)
{
    (void)value;
    return len > 0;
}

static int read_exact(const struct reader *r, const char *name, char *to, size_t size,
                      bool ok(const char *, size_t))
{
    const char *value = text(r, name, size - 1);

    if (!claim(r, name))
        return 0;
    if (!value || !ok(value, strlen(value)))
        return oidc_bad(r->why, "the provider claims a number or organisation that is none");
    copy(to, value);
    return 0;
}

#define EXACT(name, field, ok) read_exact(r, OIDC_SE name, to->field, sizeof(to->field), ok)

static int read_swedish(const struct reader *r, struct oidc_identity *to)
{
    int e;

    if ((e = EXACT("personalIdentityNumber", personal_number, personal_number_ok)) ||
        (e = EXACT("coordinationNumber", coordination_number, coordination_number_ok)) ||
        (e = EXACT("previousCoordinationNumber", previous_coordination_number,
                   coordination_number_ok)) ||
        (e = EXACT("coordinationNumberLevel", coordination_level, is_level)) ||
        (e = EXACT("orgNumber", org_number, organisation_number_ok)) ||
        (e = EXACT("orgAffiliation", org_affiliation, is_affiliation)) ||
        (e = EXACT("authnProvider", authn_provider, is_anything)))
        return e;
    if (to->personal_number[0] && to->coordination_number[0])
        return oidc_bad(r->why, "the provider claims both a personnummer and a samordningsnummer");
    return 0;
}

static void read_described(const struct reader *r, struct oidc_identity *to)
{
    const char *name = text(r, "name", OIDC_MAX_NAME), *email = text(r, "email", OIDC_MAX_EMAIL);

    if (name)
        copy(to->name, name);
    if (email &&
        !format_problem(FOKUS__V1__STRING_FORMAT__STRING_FORMAT_EMAIL, email, strlen(email))) {
        copy(to->email, email);
        /* Of the same source as the address: another's word on it says nothing. */
        to->email_verified = json_is_true(json_object_get(
            json_object_get(r->token, "email") ? r->token : r->userinfo, "email_verified"));
    }
}

int oidc_claims_read(const json_t *token, const json_t *userinfo,
                     const struct oidc_settings *settings, struct oidc_identity *ret,
                     const char **ret_why)
{
    const struct reader r = { token, userinfo, ret_why };
    const char *acr = oidc_json_text(
        token, "acr", OIDC_MAX_TEXT); /* only the ID token's: it was checked for this sign-in */
    const char *sub = oidc_json_text(token, "sub", OIDC_MAX_SUBJECT);

    *ret = (struct oidc_identity) { .issuer = settings->issuer };
    if (!sub)
        return oidc_bad(ret_why, "the provider does not say who signed in");
    copy(ret->subject, sub);
    for (size_t i = 0; acr && i < settings->n_levels; i++)
        if (strcmp(settings->levels[i].acr, acr) == 0)
            ret->level = settings->levels[i].level;
    if (!oidc_json_time(token, "auth_time", &ret->auth_time_s))
        ret->auth_time_s = 0;
    read_described(&r, ret);
    return read_swedish(&r, ret);
}
