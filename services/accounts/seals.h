/* seals.h - messages sealed under a person's key, on their way into an event or out of a table. */
#pragma once
#include "common/seal.h"
#include "common/vault.h"
#include "services/accounts/tables.h"

/* What sealing needs, of a decision or a query. */
struct sealing {
    struct vault *vault;
    struct seal_key *key;
    struct arena *arena;
};
#define SEALING(in) ((struct sealing) { (in)->vault, (in)->key, (in)->arena })

/* Where what stands (struct seal_place). Fixed for ever. */
#define AT_PROFILE          (&(struct seal_place) { "profile", "" })
#define AT_PSEUDONYM_KEY    (&(struct seal_place) { "pseudonym_key", "" })
#define AT_SIGN_IN          (&(struct seal_place) { "sign_in", "" })
#define AT_NETWORK(record)  (&(struct seal_place) { "network", (record) })
#define AT_MAIL(record)     (&(struct seal_place) { "mail", (record) })
#define AT_REASON(record)   (&(struct seal_place) { "role_reason", (record) })
#define AT_CLAIM(record)    (&(struct seal_place) { "claim", (record) })
#define AT_KEY_NAME(record) (&(struct seal_place) { "key_name", (record) })
#define AT_IDENTITY(record) (&(struct seal_place) { "identity", (record) })
#define AT_ANSWER(record)   (&(struct seal_place) { "claim_answer", (record) })

/* Seals for the person. 0; -ENOENT: there is no such person; -ENOMEM; else as vault_key() and seal_close(). */
int seal_bytes(const struct sealing *s, const char *person, const struct seal_place *at,
               struct slice plain, ProtobufCBinaryData *ret) must_check;
int seal_text(const struct sealing *s, const char *person, const struct seal_place *at,
              const char *text, ProtobufCBinaryData *ret) must_check;
int seal_message(const struct sealing *s, const char *person, const struct seal_place *at,
                 const ProtobufCMessage *message, ProtobufCBinaryData *ret) must_check;
/* Opens. -ENOENT: the person is erased, though the snapshot may still hold her; else as vault_key() and seal_open(). */
int open_bytes(const struct sealing *s, const char *person, const struct seal_place *at,
               ProtobufCBinaryData sealed, struct slice *ret) must_check;
/* Pass the address of a typed pointer. */
int open_message(const struct sealing *s, const char *person, const struct seal_place *at,
                 ProtobufCBinaryData sealed, const ProtobufCMessageDescriptor *type,
                 void *ret) must_check;
/* A text; "" for an empty field. */
int open_text(const struct sealing *s, const char *person, const struct seal_place *at,
              ProtobufCBinaryData sealed, char **ret) must_check;

/* The person behind an address in its one form: her id goes into the arena. -ENOENT: nobody's. */
int person_by_address(const struct sealing *s, const struct rd *rd, const char *address,
                      char **ret_person, PersonRow **ret_row) must_check;
int person_profile(const struct sealing *s, const char *person, const PersonRow *row,
                   Profile **ret) must_check;
