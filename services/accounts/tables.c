/* tables.c - declares the tables and finds what is in them. */
#include "services/accounts/tables.h"

#include <errno.h>
#include <string.h>

#include "services/accounts/uses.h"

#define TABLE(constant, text, message)                                                             \
    const struct table constant = { .name = (text),                                                \
                                    .type = &fokus__accounts__v1__##message##__descriptor }
#define INDEX(constant, text) const struct table constant = { .name = (text) }

TABLE(T_PERSON, "person", person_row);
TABLE(T_SIGN_IN, "sign_in", sign_in);
INDEX(T_SIGN_IN_ENDS, "sign_in_ends");
TABLE(T_IDENTITY, "identity", identity_row);
TABLE(T_SESSION, "session", session_row);
INDEX(T_SESSION_OF, "session_of");
INDEX(T_SESSION_ENDS, "session_ends");
TABLE(T_DEVICE, "device", device);
INDEX(T_DEVICE_OF, "device_of");
TABLE(T_LIMIT, "limit", limit_count);
INDEX(T_LIMIT_ENDS, "limit_ends");
TABLE(T_LIMIT_KEY, "limit_key", limit_key);
TABLE(T_ROLE, "role", role_row);
INDEX(T_ROLE_HOLDER, "role_holder");
TABLE(T_CLAIM, "claim", claim_row);
INDEX(T_CLAIM_OPEN, "claim_open");
INDEX(T_CLAIM_OF, "claim_of");
TABLE(T_KEY, "key", key_row);
INDEX(T_KEY_OF, "key_of");
INDEX(T_KEY_ENDS, "key_ends");
TABLE(T_CONSENT_TEXT, "consent_text", consent_text);
TABLE(T_CONSENT, "consent", consent_row);
INDEX(T_CONSENT_NOW, "consent_now");
TABLE(T_CONSENT_CHECK, "consent_check", consent_check);
TABLE(T_SECURITY, "security", security_row);
TABLE(T_SECURITY_ALL, "security_all", security_row);
TABLE(T_ERASURE, "erasure", erasure_row);
INDEX(T_ERASURE_DUE, "erasure_due");
TABLE(T_SUPPRESSED, "suppressed", suppressed_row);
TABLE(T_MAIL, "mail", mail_row);
INDEX(T_MAIL_DUE, "mail_due");
INDEX(T_MAIL_OF, "mail_of");

const struct table *const accounts_tables[] = {
    &T_PERSON,       &T_SIGN_IN,      &T_SIGN_IN_ENDS,
    &T_IDENTITY,     &T_SESSION,      &T_SESSION_OF,
    &T_SESSION_ENDS, &T_DEVICE,       &T_DEVICE_OF,
    &T_LIMIT,        &T_LIMIT_ENDS,   &T_LIMIT_KEY,
    &T_ROLE,         &T_ROLE_HOLDER,  &T_CLAIM,
    &T_CLAIM_OPEN,   &T_CLAIM_OF,     &T_KEY,
    &T_KEY_OF,       &T_KEY_ENDS,     &T_CONSENT_TEXT,
    &T_CONSENT,      &T_CONSENT_NOW,  &T_CONSENT_CHECK,
    &T_SECURITY,     &T_SECURITY_ALL, &T_ERASURE,
    &T_ERASURE_DUE,  &T_SUPPRESSED,   &T_MAIL,
    &T_MAIL_DUE,     &T_MAIL_OF,      NULL,
};

static const struct table *const slots[] = { &T_PERSON, &T_SIGN_IN, &T_ERASURE, &T_LIMIT_KEY,
                                             NULL };

/* Another number replays the log: to be raised with every change of the layout above or of apply. */
enum { LAYOUT = 2 };

const struct service_def accounts_service = {
    .name = "accounts",
    .schema = LAYOUT,
    .contract = &accounts_contract,
    .tables = accounts_tables,
    .apply = accounts_apply,
    .chore = uses_chore,
    .effect = &accounts_effect,
    .start = accounts_start,
    .personal = true,
    .slots = slots,
    .export_person = accounts_export_person,
    .erase_person = accounts_erase_person,
    .resolve = accounts_resolve,
};

int person_find(const struct rd *rd, const char *person, PersonRow **ret)
{
    return rd_get(rd, &T_PERSON, KEY_TEXT(person), ret);
}

int session_find(const struct rd *rd, struct slice token_hash, SessionRow **ret)
{
    return rd_get(rd, &T_SESSION, KEY_BYTES(token_hash), ret);
}

int consent_find(const struct rd *rd, const char *person, const char *purpose, ConsentRow **ret,
                 uint64_t *ret_sequence)
{
    struct slice at;
    struct key k;
    key_of(person, purpose, &k);
    int r = rd_get_bytes(rd, &T_CONSENT_NOW, &k, &at);
    if (r < 0)
        return r;
    struct key_reader reader = { .rest = at };
    if (!key_read_u64(&reader, ret_sequence))
        return -EBADMSG;
    key_of_u64(person, *ret_sequence, &k);
    r = rd_get(rd, &T_CONSENT, &k, ret);
    return r == -ENOENT ? -EBADMSG : r;
}

void key_of(const char *owner, const char *what, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(key_text(ret, owner), what);
}

void key_of_bytes(const char *owner, struct slice what, struct key *ret)
{
    *ret = KEY_INIT;
    key_bytes(key_text(ret, owner), what.data, what.len);
}

void key_at(int64_t time_ms, const char *what, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(key_i64(ret, time_ms), what);
}

void key_at_bytes(int64_t time_ms, struct slice what, struct key *ret)
{
    *ret = KEY_INIT;
    key_bytes(key_i64(ret, time_ms), what.data, what.len);
}

void role_key(const char *person, int role, const char *scope, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(key_u8(key_text(ret, person), (uint8_t)role), scope);
}

void role_holder_key(int role, const char *scope, const char *person, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(key_text(key_u8(ret, (uint8_t)role), scope), person);
}

void key_of_u64(const char *owner, uint64_t number, struct key *ret)
{
    *ret = KEY_INIT;
    key_u64(key_text(ret, owner), number);
}

int scan_give_up(struct scan *s, int r)
{
    (void)scan_end(s); /* the trouble that was met first counts */
    return r;
}
