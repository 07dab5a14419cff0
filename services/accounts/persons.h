/* persons.h - accounts: how one is opened, and who asks. */
#pragma once
#include "services/accounts/seals.h"

/* What these values still find in the vault is nobody's any more: takes it away, so that they can be somebody's. As lookup_free(). */
int lookups_free(const struct decide_in *in, const struct vault_lookup *lookups,
                 size_t n) must_check;
/* Opens an account. `lookups` are what she is found by. When she asked for it herself, her address may be written to again even if
 * she was erased before. The row is as apply will make it. */
int person_open(const struct decide_in *in, struct outcome *out, const Profile *profile,
                const struct vault_lookup *lookups, size_t n_lookups, bool asked, char **ret_person,
                PersonRow *ret_row) must_check;
/* Keyed hash of an address that is not to be written to unasked. 0 or -ENOMEM. */
int suppression_hash(const struct sealing *s, const char *address,
                     ProtobufCBinaryData *ret) must_check;
/* The name of her erasure: of its slot in the vault. NULL without memory. */
char *erasure_of(struct arena *arena, const char *person) must_check;
/* The person, if she is in the tables and in the vault. -ENOENT: she is not, or was erased since a backup that was restored was made. */
int person_there(const struct sealing *s, const struct rd *rd, const char *person,
                 PersonRow **ret) must_check;
/* The same of who calls; -ENOENT is refused. */
int caller_person(const struct sealing *s, const struct rd *rd, const char *person, PersonRow **ret,
                  struct status *status) must_check;
/* An address in the one form in which it is kept, compared and written to (mail_address.h's key); *ret is left alone, and a violation
 * told, when it is none. Security: mail goes to the same form that is looked up, so that who gets another mailbox with the same key
 * ("Anna" beside "anna") gets no code for it. 0 or -ENOMEM. */
int address_read(struct arena *arena, const char *address, char **ret,
                 struct status *status) must_check;
