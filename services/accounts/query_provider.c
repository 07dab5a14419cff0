/* query_provider.c - identity providers, and which e-identification is whose. */
#include <errno.h>
#include <string.h>

#include "services/accounts/identities.h"
#include "services/accounts/persons.h"
#include "services/accounts/providers.h"

int identity_value(struct arena *arena, const char *issuer, const char *subject, struct slice *ret)
{
    char *value = arena_printf(arena, "%s\n%s", issuer, subject); /* an issuer holds no line feed */
    if (!value)
        return -ENOMEM;
    *ret = slice_text(value);
    return 0;
}

int identities_of(const struct sealing *s, const struct rd *rd, const char *person,
                  struct identity_at **ret, size_t *ret_n)
{
    struct identity_at *all = arena_calloc(s->arena, IDENTITIES_MAX, sizeof(*all));
    struct scan scan;
    size_t n = 0;
    if (!all)
        return -ENOMEM;
    for (scan_prefix(&scan, rd, &T_IDENTITY, KEY_TEXT(person)); scan_next(&scan); n++) {
        struct key_reader reader = { .rest = scan.key };
        char owner[ID_CHARS + 1], provider[128];
        IdentityRow *row;
        if (n == IDENTITIES_MAX || !key_read_text(&reader, owner, sizeof(owner)) ||
            !key_read_text(&reader, provider, sizeof(provider)))
            return scan_give_up(&scan, -EBADMSG);
        all[n].provider = arena_strdup(s->arena, provider);
        int r = all[n].provider ? scan_message(&scan, &row) : -ENOMEM;
        if (r == 0)
            r = open_message(s, person, AT_IDENTITY(provider), row->sealed, IDENTITY_DESCRIPTOR,
                             &all[n].identity);
        if (r < 0)
            return scan_give_up(&scan, r);
        all[n].linked_ms = row->linked_ms;
    }
    int r = scan_end(&scan);
    if (r == 0) {
        *ret = all;
        *ret_n = n;
    }
    return r;
}

/* The vault's look-up is a hint: what is sealed decides. */
int person_by_identity(const struct sealing *s, const struct rd *rd, const char *issuer,
                       const char *subject, char **ret_person, PersonRow **ret_row)
{
    struct identity_at *all;
    struct slice value;
    size_t n = 0;
    int r = identity_value(s->arena, issuer, subject, &value);
    if (r == 0)
        r = vault_find(s->vault, FIND_IDENTITY, value, s->key);
    if (r < 0)
        return r;
    char *person = arena_strdup(s->arena, seal_key_person(s->key));
    r = person ? person_find(rd, person, ret_row) : -ENOMEM;
    if (r == 0)
        r = identities_of(s, rd, person, &all, &n);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].identity->issuer, issuer) == 0 &&
            strcmp(all[i].identity->subject, subject) == 0) {
            *ret_person = person;
            return 0;
        }
    }
    return -ENOENT;
}

int accounts_list_providers(const struct query_in *in, const ListProvidersRequest *req,
                            ListProvidersResponse *res, struct status *status)
{
    (void)req;    /* asks nothing */
    (void)status; /* refuses nothing */
    size_t n = providers() ? oidc_provider_count(providers()) : 0;
    bool english = strcmp(in->locale, "en") == 0;
    res->providers = arena_calloc(in->arena, n + 1, sizeof(*res->providers));
    if (!res->providers)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct oidc_settings *settings =
            oidc_provider_settings(oidc_provider_at(providers(), i));
        Provider *shown = arena_alloc(in->arena, sizeof(*shown));
        if (!shown)
            return -ENOMEM;
        *shown = (Provider)PROVIDER_INIT;
        shown->provider = (char *)settings->id;
        shown->name = (char *)(english ? settings->name_en : settings->name_sv);
        res->providers[res->n_providers++] = shown;
    }
    return 0;
}

int accounts_list_my_providers(const struct query_in *in, const ListMyProvidersRequest *req,
                               ListMyProvidersResponse *res, struct status *status)
{
    (void)req;    /* asks nothing */
    (void)status; /* refuses nothing */
    struct identity_at *all;
    size_t n;
    int r = identities_of(&SEALING(in), in->state, in->caller.id, &all, &n);
    if (r < 0)
        return r == -ENOENT ? 0 : r; /* erased since the snapshot */
    res->providers = arena_calloc(in->arena, n + 1, sizeof(*res->providers));
    if (!res->providers)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        LinkedProvider *shown = arena_alloc(in->arena, sizeof(*shown));
        if (!shown)
            return -ENOMEM;
        *shown = (LinkedProvider)LINKED_PROVIDER_INIT;
        shown->provider = all[i].provider;
        shown->linked_ms = all[i].linked_ms;
        res->providers[res->n_providers++] = shown;
    }
    return 0;
}
