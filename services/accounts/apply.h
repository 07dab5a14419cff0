/* apply.h - what the files of apply share. Each answers 0 or a negative errno; -ENOENT is a broken store. */
#pragma once
#include "services/accounts/tables.h"

int apply_mail_queued(struct wr *wr, const struct fact *fact, const MailQueued *e) must_check;
int apply_mail_deferred(struct wr *wr, const MailDeferred *e) must_check;
int apply_mail_gone(struct wr *wr, const char *mail) must_check;
/* Takes away the mails that are sealed for the slot. */
int apply_drop_mails(struct wr *wr, const char *slot) must_check;

int apply_role_granted(struct wr *wr, const struct fact *fact, const RoleGranted *e) must_check;
int apply_role_withdrawn(struct wr *wr, const RoleWithdrawn *e) must_check;
int apply_organisation_claimed(struct wr *wr, const struct fact *fact,
                               const OrganisationClaimed *e) must_check;
int apply_claim_closed(struct wr *wr, const struct fact *fact, const ClaimClosed *e) must_check;

int apply_consent_text(struct wr *wr, const ConsentText *text) must_check;
int apply_consent_given(struct wr *wr, const struct fact *fact, const ConsentGiven *e) must_check;
int apply_consent_withdrawn(struct wr *wr, const struct fact *fact,
                            const ConsentWithdrawn *e) must_check;
int apply_drop_consents(struct wr *wr, const char *person) must_check;

int apply_key_made(struct wr *wr, const struct fact *fact, const KeyMade *e) must_check;
int apply_key_gone(struct wr *wr, struct slice token_hash) must_check;
int apply_key_used(struct wr *wr, const Use *use) must_check;

int apply_identity_linked(struct wr *wr, const struct fact *fact,
                          const IdentityLinked *e) must_check;
int apply_identity_unlinked(struct wr *wr, const struct fact *fact,
                            const IdentityUnlinked *e) must_check;

/* Keeps what happened to an account: for the person, unless that is "", and without details for the operator. Fills in the time. */
int apply_security(struct wr *wr, const struct fact *fact, const char *person,
                   SecurityRow *row) must_check;
int apply_person_erased(struct wr *wr, const struct fact *fact, const PersonErased *e) must_check;
int apply_erasure_followed(struct wr *wr, const ErasureFollowed *e) must_check;
int apply_erasure_completed(struct wr *wr, const ErasureCompleted *e) must_check;

/* The key a scan stands at. */
void apply_copy_key(const struct scan *s, struct key *ret);
/* Takes away all entries of an index that begin with the prefix; before that, `each` is told of them (NULL: nobody). */
int apply_drop_prefix(struct wr *wr, const struct table *index, const struct key *prefix,
                      int (*each)(struct wr *wr, const struct key *k,
                                  struct slice value)) must_check;
