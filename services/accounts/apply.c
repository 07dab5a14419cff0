/* apply.c - what each event does to the tables. Runs live and on replay; cannot refuse; opens no seal. */
#include "services/accounts/apply.h"

#include <errno.h>
#include <string.h>

#include "services/accounts/keys.h"
#include "services/accounts/limits.h"
#include "services/accounts/roles.h"

/* ---- signing in ---- */

static int count_uses(struct wr *wr, const struct fact *fact, LimitUse *const *uses, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = limit_count(wr, uses[i], fact->time_ms);
    return r;
}

static int sign_in_started(struct wr *wr, const struct fact *fact, const SignInStarted *e)
{
    SignIn row = SIGN_IN_INIT;
    struct key k;
    row.started_ms = fact->time_ms;
    row.expires_ms = e->expires_ms;
    row.browser = e->browser;
    row.sealed = e->sealed;
    row.known_device = e->known_device;
    wr_put(wr, &T_SIGN_IN, KEY_TEXT(e->sign_in), &row);
    key_at(e->expires_ms, e->sign_in, &k);
    wr_put_bytes(wr, &T_SIGN_IN_ENDS, &k, "", 0);
    return count_uses(wr, fact, e->uses, e->n_uses);
}

static int sign_in_tried(struct wr *wr, const struct fact *fact, const SignInTried *e)
{
    SignIn *row;
    int r = rd_get(wr_rd(wr), &T_SIGN_IN, KEY_TEXT(e->sign_in), &row);
    if (r < 0)
        return r;
    row->tries++;
    wr_put(wr, &T_SIGN_IN, KEY_TEXT(e->sign_in), row);
    return count_uses(wr, fact, e->uses, e->n_uses);
}

static int sign_in_ended(struct wr *wr, const struct fact *fact, const SignInEnded *e)
{
    SignIn *row;
    struct key k;
    int r = rd_get(wr_rd(wr), &T_SIGN_IN, KEY_TEXT(e->sign_in), &row);
    if (r < 0)
        return r;
    key_at(row->expires_ms, e->sign_in, &k);
    wr_delete(wr, &T_SIGN_IN_ENDS, &k);
    wr_delete(wr, &T_SIGN_IN, KEY_TEXT(e->sign_in));
    r = apply_drop_mails(wr, e->sign_in);
    if (r < 0 || e->why != SIGN_IN_END_TRIES)
        return r;
    SecurityRow security = SECURITY_ROW_INIT;
    security.kind = SECURITY_KIND_WRONG_CODES;
    return apply_security(wr, fact, e->person, &security);
}

/* ---- the person ---- */

static int account_opened(struct wr *wr, const struct fact *fact, const AccountOpened *e)
{
    PersonRow row = PERSON_ROW_INIT;
    row.sealed_profile = e->sealed_profile;
    row.sealed_pseudonym_key = e->sealed_pseudonym_key;
    row.opened_ms = fact->time_ms;
    wr_put(wr, &T_PERSON, KEY_TEXT(e->person), &row);
    if (e->lifts.len > 0)
        wr_delete(wr, &T_SUPPRESSED, KEY_BYTES(e->lifts));
    SecurityRow security = SECURITY_ROW_INIT;
    security.kind = SECURITY_KIND_OPENED;
    return apply_security(wr, fact, e->person, &security);
}

static int profile_revised(struct wr *wr, const ProfileRevised *e)
{
    PersonRow *row;
    int r = person_find(wr_rd(wr), e->person, &row);
    if (r < 0)
        return r;
    row->sealed_profile = e->sealed_profile;
    wr_put(wr, &T_PERSON, KEY_TEXT(e->person), row);
    return 0;
}

static int account_exported(struct wr *wr, const struct fact *fact, const AccountExported *e)
{
    SecurityRow security = SECURITY_ROW_INIT;
    security.kind = SECURITY_KIND_EXPORTED;
    return apply_security(wr, fact, e->person, &security);
}

/* ---- sessions ---- */

/* A browser that somebody else signed in with before is hers now. */
static int device_used(struct wr *wr, const struct fact *fact, char *person,
                       const ProtobufCBinaryData hash)
{
    Device device = DEVICE_INIT, *before;
    struct key k;
    if (hash.len == 0)
        return 0;
    int r = rd_get(wr_rd(wr), &T_DEVICE, KEY_BYTES(hash), &before);
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0) {
        key_of_bytes(before->person, slice_of(hash), &k);
        wr_delete(wr, &T_DEVICE_OF, &k);
    }
    device.person = person;
    device.used_ms = fact->time_ms;
    wr_put(wr, &T_DEVICE, KEY_BYTES(hash), &device);
    key_of_bytes(person, slice_of(hash), &k);
    wr_put_bytes(wr, &T_DEVICE_OF, &k, "", 0);
    return 0;
}

static int session_started(struct wr *wr, const struct fact *fact, const SessionStarted *e)
{
    SessionRow row = SESSION_ROW_INIT;
    PersonRow *person;
    struct key k;
    int r = person_find(wr_rd(wr), e->person, &person);
    if (r < 0)
        return r;
    person->signed_in_ms = fact->time_ms;
    wr_put(wr, &T_PERSON, KEY_TEXT(e->person), person);
    row.person = e->person;
    row.session = e->session;
    row.watch = e->watch;
    row.method = e->method;
    row.level = e->level;
    row.provider = e->provider;
    row.sealed_network = e->sealed_network;
    row.started_ms = row.used_ms = fact->time_ms;
    row.expires_ms = e->expires_ms;
    wr_put(wr, &T_SESSION, KEY_BYTES(e->token_hash), &row);
    key_of(e->person, e->session, &k);
    wr_put_bytes(wr, &T_SESSION_OF, &k, e->token_hash.data, e->token_hash.len);
    key_at_bytes(e->expires_ms, slice_of(e->token_hash), &k);
    wr_put_bytes(wr, &T_SESSION_ENDS, &k, "", 0);
    r = device_used(wr, fact, e->person, e->device);
    if (r == 0)
        r = device_used(wr, fact, e->person, e->provider_device);
    if (r < 0)
        return r;
    SecurityRow security = SECURITY_ROW_INIT;
    security.kind = e->new_device ? SECURITY_KIND_NEW_DEVICE : SECURITY_KIND_SIGNED_IN;
    security.sealed = e->sealed_network;
    security.record = e->session;
    return apply_security(wr, fact, e->person, &security);
}

static int session_ended(struct wr *wr, const struct fact *fact, const SessionEnded *e)
{
    SessionRow *row;
    struct key k;
    int r = session_find(wr_rd(wr), slice_of(e->token_hash), &row);
    if (r < 0)
        return r;
    key_of(row->person, row->session, &k);
    wr_delete(wr, &T_SESSION_OF, &k);
    key_at_bytes(row->expires_ms, slice_of(e->token_hash), &k);
    wr_delete(wr, &T_SESSION_ENDS, &k);
    wr_delete(wr, &T_SESSION, KEY_BYTES(e->token_hash));
    if (e->why != SESSION_END_ENDED)
        return 0;
    SecurityRow security = SECURITY_ROW_INIT;
    security.kind = SECURITY_KIND_SESSION_ENDED;
    return apply_security(wr, fact, e->person, &security);
}

/* What ended meanwhile is passed over. */
static int uses_recorded(struct wr *wr, const UsesRecorded *e)
{
    for (size_t i = 0; i < e->n_sessions; i++) {
        const Use *use = e->sessions[i];
        SessionRow *row;
        int r = session_find(wr_rd(wr), slice_of(use->token_hash), &row);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        if (use->used_ms <= row->used_ms)
            continue;
        row->used_ms = use->used_ms;
        wr_put(wr, &T_SESSION, KEY_BYTES(use->token_hash), row);
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < e->n_keys; i++)
        r = apply_key_used(wr, e->keys[i]);
    return r;
}

/* ---- roles and keys, and what the person sees of them ---- */

static int role_granted(struct wr *wr, const struct fact *fact, const RoleGranted *e)
{
    SecurityRow security = SECURITY_ROW_INIT;
    security.kind = SECURITY_KIND_ROLE_GRANTED;
    security.role = e->role;
    security.scope = e->scope;
    security.sealed = e->sealed_reason;
    security.record = role_text(rd_arena(wr_rd(wr)), (int)e->role, e->scope);
    int r = security.record ? apply_role_granted(wr, fact, e) : -ENOMEM;
    return r < 0 ? r : apply_security(wr, fact, e->person, &security);
}

static int role_withdrawn(struct wr *wr, const struct fact *fact, const RoleWithdrawn *e)
{
    SecurityRow security = SECURITY_ROW_INIT;
    security.kind = SECURITY_KIND_ROLE_WITHDRAWN;
    security.role = e->role;
    security.scope = e->scope;
    security.sealed = e->sealed_reason;
    security.record = role_text(rd_arena(wr_rd(wr)), (int)e->role, e->scope);
    int r = security.record ? apply_role_withdrawn(wr, e) : -ENOMEM;
    return r < 0 ? r : apply_security(wr, fact, e->person, &security);
}

static int key_made(struct wr *wr, const struct fact *fact, const KeyMade *e)
{
    SecurityRow security = SECURITY_ROW_INIT;
    security.kind = SECURITY_KIND_KEY_MADE;
    security.sealed = e->sealed_name;
    security.record = e->key;
    int r = apply_key_made(wr, fact, e);
    return r < 0 ? r : apply_security(wr, fact, e->person, &security);
}

static int key_revoked(struct wr *wr, const struct fact *fact, const KeyRevoked *e)
{
    SecurityRow security = SECURITY_ROW_INIT;
    KeyRow *row;
    int r = key_find(wr_rd(wr), slice_of(e->token_hash), &row);
    if (r == 0)
        r = apply_key_gone(wr, slice_of(e->token_hash));
    if (r < 0 || e->expired)
        return r;
    security.kind = SECURITY_KIND_KEY_REVOKED;
    security.sealed = row->sealed_name;
    security.record = row->key;
    return apply_security(wr, fact, e->person, &security);
}

static int apply_event(struct wr *wr, const struct fact *fact, const AccountsEvent *e)
{
    switch (e->body_case) {
    case ACCOUNTS_EVENT_SIGN_IN_STARTED:
        return sign_in_started(wr, fact, e->sign_in_started);
    case ACCOUNTS_EVENT_SIGN_IN_TRIED:
        return sign_in_tried(wr, fact, e->sign_in_tried);
    case ACCOUNTS_EVENT_SIGN_IN_ENDED:
        return sign_in_ended(wr, fact, e->sign_in_ended);
    case ACCOUNTS_EVENT_ACCOUNT_OPENED:
        return account_opened(wr, fact, e->account_opened);
    case ACCOUNTS_EVENT_PROFILE_REVISED:
        return profile_revised(wr, e->profile_revised);
    case ACCOUNTS_EVENT_SESSION_STARTED:
        return session_started(wr, fact, e->session_started);
    case ACCOUNTS_EVENT_SESSION_ENDED:
        return session_ended(wr, fact, e->session_ended);
    case ACCOUNTS_EVENT_USES_RECORDED:
        return uses_recorded(wr, e->uses_recorded);
    case ACCOUNTS_EVENT_CALLER_FORGOTTEN:
        return 0; /* for the gateway */
    case ACCOUNTS_EVENT_MAIL_QUEUED:
        return apply_mail_queued(wr, fact, e->mail_queued);
    case ACCOUNTS_EVENT_ROLE_GRANTED:
        return role_granted(wr, fact, e->role_granted);
    case ACCOUNTS_EVENT_ROLE_WITHDRAWN:
        return role_withdrawn(wr, fact, e->role_withdrawn);
    case ACCOUNTS_EVENT_ORGANISATION_CLAIMED:
        return apply_organisation_claimed(wr, fact, e->organisation_claimed);
    case ACCOUNTS_EVENT_CLAIM_CLOSED:
        return apply_claim_closed(wr, fact, e->claim_closed);
    case ACCOUNTS_EVENT_MAIL_SENT:
        return apply_mail_gone(wr, e->mail_sent->mail);
    case ACCOUNTS_EVENT_MAIL_DEFERRED:
        return apply_mail_deferred(wr, e->mail_deferred);
    case ACCOUNTS_EVENT_MAIL_DROPPED:
        return apply_mail_gone(wr, e->mail_dropped->mail);
    case ACCOUNTS_EVENT_KEY_MADE:
        return key_made(wr, fact, e->key_made);
    case ACCOUNTS_EVENT_KEY_REVOKED:
        return key_revoked(wr, fact, e->key_revoked);
    case ACCOUNTS_EVENT_CONSENT_TEXT_RECORDED:
        return apply_consent_text(wr, e->consent_text_recorded->text);
    case ACCOUNTS_EVENT_CONSENT_GIVEN:
        return apply_consent_given(wr, fact, e->consent_given);
    case ACCOUNTS_EVENT_CONSENT_WITHDRAWN:
        return apply_consent_withdrawn(wr, fact, e->consent_withdrawn);
    case ACCOUNTS_EVENT_PERSON_ERASED:
        return apply_person_erased(wr, fact, e->person_erased);
    case ACCOUNTS_EVENT_ERASURE_FOLLOWED:
        return apply_erasure_followed(wr, e->erasure_followed);
    case ACCOUNTS_EVENT_ERASURE_COMPLETED:
        return apply_erasure_completed(wr, e->erasure_completed);
    case ACCOUNTS_EVENT_IDENTITY_LINKED:
        return apply_identity_linked(wr, fact, e->identity_linked);
    case ACCOUNTS_EVENT_IDENTITY_UNLINKED:
        return apply_identity_unlinked(wr, fact, e->identity_unlinked);
    case ACCOUNTS_EVENT_PROVIDER_ANSWER_USED:
        return count_uses(wr, fact, e->provider_answer_used->uses, e->provider_answer_used->n_uses);
    case ACCOUNTS_EVENT_PROVIDER_ATTEMPTED:
        return count_uses(wr, fact, e->provider_attempted->uses, e->provider_attempted->n_uses);
    case ACCOUNTS_EVENT_ACCOUNT_EXPORTED:
        return account_exported(wr, fact, e->account_exported);
    case ACCOUNTS_EVENT_LIMIT_KEY_MADE:
        limit_key_made(wr, fact, e->limit_key_made);
        return 0;
    case ACCOUNTS_EVENT_NOT_SET:
    case ACCOUNTS_EVENT_SENTINEL:
        return -EBADMSG;
    }
    return -EBADMSG;
}

int accounts_apply(struct wr *wr, const struct fact *fact, const void *event)
{
    int r = apply_event(wr, fact, event);
    if (r < 0)
        return wr_fail(wr, r == -ENOENT ? EBADMSG : -r);
    return wr_status(wr);
}
