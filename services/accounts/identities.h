/* identities.h - e-identifications that belong to accounts. */
#pragma once
#include "services/accounts/seals.h"

enum { IDENTITIES_MAX = VAULT_LOOKUPS }; /* of a person */

struct identity_at {
    char *provider;
    Identity *identity;
    int64_t linked_ms;
};
int identities_of(const struct sealing *s, const struct rd *rd, const char *person,
                  struct identity_at **ret, size_t *ret_n) must_check;
/* What the vault finds it by. 0 or -ENOMEM. */
int identity_value(struct arena *arena, const char *issuer, const char *subject,
                   struct slice *ret) must_check;
/* Whose it is. -ENOENT: nobody's. */
int person_by_identity(const struct sealing *s, const struct rd *rd, const char *issuer,
                       const char *subject, char **ret_person, PersonRow **ret_row) must_check;
