/* tables.h - every table of accounts, how its keys are laid out, and how to find what is in it.
 *
 * A person is named by her id here (a UUIDv7, her slot in the vault). What tables say of her is sealed, or says nothing without what
 * is sealed. Finders read into the transaction's arena and answer 0, -ENOENT or another negative errno. Only apply writes. */
#pragma once
#include <stdint.h>
#include <string.h>

#include "common/service.h"
#include "common/store.h"
#include "fokus/accounts/v1/accounts.fokus.h"
#include "fokus/v1/options.pb-c.h"

/*   person              (person)                        -> PersonRow
 *   sign_in             (sign-in)                       -> SignIn
 *   sign_in_ends        (i64 expires, sign-in)          -> nothing
 *   identity            (person, provider)              -> IdentityRow
 *   session             (bytes token hash)              -> SessionRow
 *   session_of          (person, session)               -> token hash: UUIDv7, so oldest first
 *   session_ends        (i64 expires, bytes token hash) -> nothing
 *   device              (bytes keyed hash)              -> Device: browsers that have signed in to an address, or with a provider
 *   device_of           (person, bytes keyed hash)      -> nothing
 *   limit               (u8 kind, bytes hash)           -> LimitCount
 *   limit_ends          (i64 ends, u8 kind, bytes hash) -> nothing
 *   limit_key           (slot)                          -> LimitKey: the one that counts, at most
 *   role                (person, u8 role, scope)        -> RoleRow
 *   role_holder         (u8 role, scope, person)        -> nothing
 *   claim               (u64 number)                    -> ClaimRow
 *   claim_open          (u64 number)                    -> nothing
 *   claim_of            (person, u64 number)            -> nothing
 *   key                 (bytes token hash)              -> KeyRow
 *   key_of              (person, key)                   -> token hash
 *   key_ends            (i64 expires, bytes token hash) -> nothing
 *   consent_text        (purpose, u64 version)          -> ConsentText
 *   consent             (person, u64 event sequence)    -> ConsentRow: all she gave
 *   consent_now         (person, purpose)               -> u64 event sequence of the one that holds
 *   consent_check       (bytes keyed hash)              -> ConsentCheck: what services that ask get
 *   security            (person, u64 event sequence)    -> SecurityRow
 *   security_all        (u64 event sequence)            -> SecurityRow, without details
 *   erasure             (erasure)                       -> ErasureRow
 *   erasure_due         (i64 due, erasure)              -> nothing
 *   suppressed          (bytes keyed hash of an address) -> SuppressedRow
 *   mail                (mail)                          -> MailRow
 *   mail_due            (i64 due, mail)                 -> nothing
 *   mail_of             (slot, mail)                    -> nothing */
extern const struct table T_PERSON, T_SIGN_IN, T_SIGN_IN_ENDS, T_IDENTITY, T_SESSION, T_SESSION_OF,
    T_SESSION_ENDS, T_DEVICE, T_DEVICE_OF, T_LIMIT, T_LIMIT_ENDS, T_LIMIT_KEY, T_ROLE,
    T_ROLE_HOLDER, T_CLAIM, T_CLAIM_OPEN, T_CLAIM_OF, T_KEY, T_KEY_OF, T_KEY_ENDS, T_CONSENT_TEXT,
    T_CONSENT, T_CONSENT_NOW, T_CONSENT_CHECK, T_SECURITY, T_SECURITY_ALL, T_ERASURE, T_ERASURE_DUE,
    T_SUPPRESSED, T_MAIL, T_MAIL_DUE, T_MAIL_OF;
extern const struct table *const accounts_tables[];

extern const struct service_def accounts_service;
int accounts_apply(struct wr *wr, const struct fact *fact, const void *event);
int accounts_resolve(const struct query_in *in, const Fokus__Runtime__V1__ResolveCallerRequest *req,
                     Fokus__Runtime__V1__ResolveCallerResponse *res, struct status *status);
int accounts_export_person(const struct query_in *in, const char *person, struct person_export *to);
int accounts_erase_person(const struct decide_in *in, const char *slot, struct outcome *out);
extern const struct effect accounts_effect;
/* Reads the settings of mail and of identity providers. */
int accounts_start(const char *home, struct err *err) must_check;

/* What the vault finds persons by, and what it makes keyed hashes of (vault.h). Fixed for ever: hashes stand in the log. */
enum {
    FIND_ADDRESS = 1,  /* e-mail address in its one form */
    FIND_IDENTITY = 2, /* a provider's name of itself and of her */
    HASH_DEVICE = 20,  /* address, browser */
    /* 21 was of limits, which have a key of their own */
    HASH_CONSENT = 22,    /* service, her id there, purpose */
    HASH_SUPPRESSED = 23, /* address */
};

enum { TOKEN_HASH_BYTES = CALLER_HASH_BYTES };

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* A key of one text, of one run of bytes. */
#define KEY_TEXT(text)   key_text(&KEY_INIT, (text))
#define KEY_U64(number)  key_u64(&KEY_INIT, (number))
#define KEY_BYTES(bytes) key_bytes(&KEY_INIT, (bytes).data, (bytes).len)

/* What began and ends at these times counts now. Security: with both bounds, so that a clock that jumps back makes nothing last
 * longer; a minute is granted to a clock that is put right. */
static inline bool counts_now(int64_t from_ms, int64_t ends_ms, int64_t now_ms)
{
    return now_ms >= from_ms - MINUTE_MS && now_ms < ends_ms;
}

static inline struct slice slice_of(ProtobufCBinaryData bytes)
{
    return (struct slice) { bytes.data, bytes.len };
}
static inline struct slice slice_text(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

int person_find(const struct rd *rd, const char *person, PersonRow **ret) must_check;
/* The consent that holds for the purpose, and the sequence it is kept under. */
int consent_find(const struct rd *rd, const char *person, const char *purpose, ConsentRow **ret,
                 uint64_t *ret_sequence) must_check;
int session_find(const struct rd *rd, struct slice token_hash, SessionRow **ret) must_check;

/* Keys of two parts. */
void key_of(const char *owner, const char *what, struct key *ret);
void key_of_bytes(const char *owner, struct slice what, struct key *ret);
void key_at(int64_t time_ms, const char *what, struct key *ret);
void key_at_bytes(int64_t time_ms, struct slice what, struct key *ret);
void role_key(const char *person, int role, const char *scope, struct key *ret);
void role_holder_key(int role, const char *scope, const char *person, struct key *ret);
void key_of_u64(const char *owner, uint64_t number, struct key *ret);

/* Ends a scan that met trouble and answers the trouble. */
int scan_give_up(struct scan *s, int r);
