/* apply.c - what each event does to the tables. Runs live and on replay; cannot refuse; opens no seal. */
#include "services/accounts/apply.h"

#include <errno.h>
#include <string.h>

#include "services/accounts/limits.h"

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

static int sign_in_ended(struct wr *wr, const SignInEnded *e)
{
    SignIn *row;
    struct key k;
    int r = rd_get(wr_rd(wr), &T_SIGN_IN, KEY_TEXT(e->sign_in), &row);
    if (r < 0)
        return r;
    key_at(row->expires_ms, e->sign_in, &k);
    wr_delete(wr, &T_SIGN_IN_ENDS, &k);
    wr_delete(wr, &T_SIGN_IN, KEY_TEXT(e->sign_in));
    return apply_drop_mails(wr, e->sign_in);
}

/* ---- the person ---- */

static int account_opened(struct wr *wr, const struct fact *fact, const AccountOpened *e)
{
    PersonRow row = PERSON_ROW_INIT;
    row.sealed_profile = e->sealed_profile;
    row.sealed_pseudonym_key = e->sealed_pseudonym_key;
    row.opened_ms = fact->time_ms;
    wr_put(wr, &T_PERSON, KEY_TEXT(e->person), &row);
    return 0;
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

/* ---- sessions ---- */

static void device_used(struct wr *wr, const struct fact *fact, const SessionStarted *e)
{
    Device device = DEVICE_INIT;
    struct key k;
    if (e->device.len == 0)
        return;
    device.person = e->person;
    device.used_ms = fact->time_ms;
    wr_put(wr, &T_DEVICE, KEY_BYTES(e->device), &device);
    key_of_bytes(e->person, slice_of(e->device), &k);
    wr_put_bytes(wr, &T_DEVICE_OF, &k, "", 0);
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
    device_used(wr, fact, e);
    return 0;
}

static int session_ended(struct wr *wr, const SessionEnded *e)
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
    return 0;
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
    return 0;
}

static int apply_event(struct wr *wr, const struct fact *fact, const AccountsEvent *e)
{
    switch (e->body_case) {
    case ACCOUNTS_EVENT_SIGN_IN_STARTED:
        return sign_in_started(wr, fact, e->sign_in_started);
    case ACCOUNTS_EVENT_SIGN_IN_TRIED:
        return sign_in_tried(wr, fact, e->sign_in_tried);
    case ACCOUNTS_EVENT_SIGN_IN_ENDED:
        return sign_in_ended(wr, e->sign_in_ended);
    case ACCOUNTS_EVENT_ACCOUNT_OPENED:
        return account_opened(wr, fact, e->account_opened);
    case ACCOUNTS_EVENT_PROFILE_REVISED:
        return profile_revised(wr, e->profile_revised);
    case ACCOUNTS_EVENT_SESSION_STARTED:
        return session_started(wr, fact, e->session_started);
    case ACCOUNTS_EVENT_SESSION_ENDED:
        return session_ended(wr, e->session_ended);
    case ACCOUNTS_EVENT_USES_RECORDED:
        return uses_recorded(wr, e->uses_recorded);
    case ACCOUNTS_EVENT_CALLER_FORGOTTEN:
        return 0; /* for the gateway */
    case ACCOUNTS_EVENT_MAIL_QUEUED:
        return apply_mail_queued(wr, fact, e->mail_queued);
    case ACCOUNTS_EVENT_ROLE_GRANTED:
        return apply_role_granted(wr, fact, e->role_granted);
    case ACCOUNTS_EVENT_ROLE_WITHDRAWN:
        return apply_role_withdrawn(wr, e->role_withdrawn);
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
