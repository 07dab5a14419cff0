/* decide_person.c - accounts, and what a person says of herself. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/mail_address.h"
#include "services/accounts/persons.h"
#include "services/accounts/sessions.h"

int address_read(struct arena *arena, const char *address, char **ret, struct status *status)
{
    struct mail_address read;
    const char *problem = mail_normalise_address(address, strlen(address), &read);
    if (problem)
        return status_violation(status, "address", "%s", problem);
    *ret = arena_strdup(arena, read.key);
    return *ret ? 0 : -ENOMEM;
}

int lookups_free(const struct decide_in *in, const struct vault_lookup *lookups, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int r = vault_find(in->vault, lookups[i].kind, lookups[i].value, in->key);
        if (r == 0)
            r = lookup_free(in, seal_key_person(in->key), lookups[i].kind, lookups[i].value);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

int person_open(const struct decide_in *in, struct outcome *out, const Profile *profile,
                const struct vault_lookup *lookups, size_t n_lookups, bool asked, char **ret_person,
                PersonRow *ret_row)
{
    AccountOpened event = ACCOUNT_OPENED_INIT;
    uint8_t pseudonym_key[CALLER_KEY_BYTES];
    struct err err;
    char *id = arena_alloc(in->arena, ID_CHARS + 1);
    if (!id)
        return -ENOMEM;
    id_next(in->ids, in->now_ms, id);
    int r = lookups_free(in, lookups, n_lookups);
    if (r == 0)
        r = vault_add(in->vault, id, lookups, n_lookups, &err);
    if (r < 0)
        return r;
    event.person = id;
    r = seal_message(&SEALING(in), id, AT_PROFILE, &profile->base, &event.sealed_profile);
    randombytes_buf(pseudonym_key, sizeof(pseudonym_key));
    if (r == 0)
        r = seal_bytes(&SEALING(in), id, AT_PSEUDONYM_KEY,
                       (struct slice) { pseudonym_key, sizeof(pseudonym_key) },
                       &event.sealed_pseudonym_key);
    sodium_memzero(pseudonym_key, sizeof(pseudonym_key));
    if (r == 0 && asked && *profile->address)
        r = suppression_hash(&SEALING(in), profile->address, &event.lifts);
    if (r < 0)
        return r;
    if (event.lifts.len > 0 && !rd_has(in->state, &T_SUPPRESSED, KEY_BYTES(event.lifts)))
        event.lifts.len = 0; /* the log says nothing of an address that it need not */
    *ret_row = (PersonRow)PERSON_ROW_INIT;
    ret_row->sealed_profile = event.sealed_profile;
    ret_row->sealed_pseudonym_key = event.sealed_pseudonym_key;
    ret_row->opened_ms = in->now_ms;
    *ret_person = id;
    return emit_account_opened(out, id, &event);
}

int person_there(const struct sealing *s, const struct rd *rd, const char *person, PersonRow **ret)
{
    int r = person_find(rd, person, ret);
    return r < 0 ? r : vault_key(s->vault, person, s->key);
}

int caller_person(const struct sealing *s, const struct rd *rd, const char *person, PersonRow **ret,
                  struct status *status)
{
    int r = person_there(s, rd, person, ret);
    if (r == -ENOENT)
        (void)status_refuse(status, CODE_FAILED_PRECONDITION, /* returns 0 always */
                            "this is about one's own account, and the caller has none");
    return r;
}

int accounts_revise_profile(const struct decide_in *in, const ReviseProfileRequest *req,
                            ReviseProfileResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    ProfileRevised event = PROFILE_REVISED_INIT;
    PersonRow *row;
    Profile *profile;
    if (!came_in_person(in, out))
        return 0;
    if (strcmp(req->language, "sv") != 0 && strcmp(req->language, "en") != 0)
        return outcome_violation(out, "language", "must be sv or en");
    int r = caller_person(&SEALING(in), in->state, in->caller.id, &row, &out->status);
    if (r == 0)
        r = person_profile(&SEALING(in), in->caller.id, row, &profile);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (strcmp(profile->display_name, req->display_name) == 0 &&
        strcmp(profile->language, req->language) == 0)
        return 0;
    profile->display_name = req->display_name;
    profile->language = req->language;
    event.person = (char *)in->caller.id;
    r = seal_message(&SEALING(in), in->caller.id, AT_PROFILE, &profile->base,
                     &event.sealed_profile);
    return r < 0 ? r : emit_profile_revised(out, in->caller.id, &event);
}
