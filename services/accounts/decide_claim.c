/* decide_claim.c - claims to an organisation: somebody says that she represents it, or belongs to it, and an editor decides.
 *
 * Whether there is such an organisation is the directory's to know; the editor sees it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "services/accounts/claims.h"
#include "services/accounts/mails.h"
#include "services/accounts/persons.h"
#include "services/accounts/roles.h"
#include "services/accounts/sessions.h"

enum {
    CLAIMS_OPEN_MAX = 5000,
    CLAIMS_OPEN_OF_ONE_MAX = 10,
};

int claim_record(struct arena *arena, uint64_t number, char **ret)
{
    *ret = arena_printf(arena, "%" PRIu64, number);
    return *ret ? 0 : -ENOMEM;
}

/* The next number; also how many open claims the person has, and the one that is the same. */
static int look_through_claims(const struct decide_in *in, const ClaimOrganisationRequest *req,
                               size_t *ret_open, uint64_t *ret_same)
{
    struct scan s;
    *ret_open = 0;
    *ret_same = 0;
    for (scan_prefix(&s, in->state, &T_CLAIM_OF, KEY_TEXT(in->caller.id)); scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        char person[ID_CHARS + 1];
        uint64_t number;
        ClaimRow *claim;
        if (!key_read_text(&reader, person, sizeof(person)) || !key_read_u64(&reader, &number))
            return scan_give_up(&s, -EBADMSG);
        int r = rd_get(in->state, &T_CLAIM, KEY_U64(number), &claim);
        if (r < 0)
            return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
        if (claim->state != CLAIM_STATE_OPEN)
            continue;
        (*ret_open)++;
        if (claim->kind == req->kind && strcmp(claim->organisation, req->organisation) == 0)
            *ret_same = number;
    }
    return scan_end(&s);
}

static int next_number(const struct rd *rd, uint64_t *ret)
{
    struct scan s;
    uint64_t last = 0;
    scan_backwards(&s, rd, &T_CLAIM, &KEY_INIT);
    if (scan_next(&s)) {
        struct key_reader reader = { .rest = s.key };
        if (!key_read_u64(&reader, &last))
            return scan_give_up(&s, -EBADMSG);
    }
    *ret = last + 1;
    return scan_end(&s);
}

int accounts_claim_organisation(const struct decide_in *in, const ClaimOrganisationRequest *req,
                                ClaimOrganisationResponse *res, struct outcome *out)
{
    OrganisationClaimed event = ORGANISATION_CLAIMED_INIT;
    PersonRow *row;
    size_t open;
    uint64_t same;
    char *record;
    if (!came_in_person(in, out))
        return 0;
    if (req->kind != CLAIM_KIND_MANDATE && req->kind != CLAIM_KIND_OWN_RIGHT)
        return outcome_violation(out, "kind", "must say in which capacity");
    int r = caller_person(&SEALING(in), in->state, in->caller.id, &row, &out->status);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = look_through_claims(in, req, &open, &same);
    if (r < 0 || same > 0) {
        res->number = same;
        return r;
    }
    if (open >= CLAIMS_OPEN_OF_ONE_MAX || rd_count(in->state, &T_CLAIM_OPEN) >= CLAIMS_OPEN_MAX)
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED,
                              "too many claims wait for an editor already: try again in some days");
    r = next_number(in->state, &event.number);
    if (r == 0)
        r = claim_record(in->arena, event.number, &record);
    if (r == 0)
        r = seal_text(&SEALING(in), in->caller.id, AT_CLAIM(record), req->text, &event.sealed_text);
    event.person = (char *)in->caller.id;
    event.organisation = req->organisation;
    event.kind = req->kind;
    res->number = event.number;
    return r < 0 ? r : emit_organisation_claimed(out, in->caller.id, &event);
}

static const char *state_word(ClaimState state)
{
    return state == CLAIM_STATE_ACCEPTED   ? "accepted"
           : state == CLAIM_STATE_DECLINED ? "declined"
                                           : "taken back";
}

static int find_claim(const struct rd *rd, uint64_t number, ClaimRow **ret, struct outcome *out)
{
    int r = rd_get(rd, &T_CLAIM, KEY_U64(number), ret);
    if (r == -ENOENT)
        (void)outcome_refuse(out, CODE_NOT_FOUND, /* returns 0 always */
                             "number: there is no claim %" PRIu64, number);
    return r;
}

/* True when there is something to do: false when it is closed so already, or otherwise and that is refused. */
static bool is_open(const ClaimRow *claim, ClaimState wanted, uint64_t number, struct outcome *out)
{
    if (claim->state == CLAIM_STATE_OPEN)
        return true;
    if (claim->state != wanted)
        (void)outcome_refuse(out, CODE_FAILED_PRECONDITION, /* returns 0 always */
                             "claim %" PRIu64 " was %s already", number, state_word(claim->state));
    return false;
}

int accounts_withdraw_claim(const struct decide_in *in, const WithdrawClaimRequest *req,
                            WithdrawClaimResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    ClaimClosed event = CLAIM_CLOSED_INIT;
    ClaimRow *claim;
    int r = find_claim(in->state, req->number, &claim, out);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    /* Security: another's claim is as one that is not there. */
    if (strcmp(claim->person, in->caller.id) != 0)
        return outcome_refuse(out, CODE_NOT_FOUND, "number: there is no claim %" PRIu64,
                              req->number);
    if (!is_open(claim, CLAIM_STATE_WITHDRAWN, req->number, out))
        return 0;
    event.number = req->number;
    event.state = CLAIM_STATE_WITHDRAWN;
    return emit_claim_closed(out, in->caller.id, &event);
}

static int close_claim(const struct decide_in *in, struct outcome *out, uint64_t number,
                       ClaimState state, const char *reason)
{
    ClaimClosed event = CLAIM_CLOSED_INIT;
    MailContent notice = MAIL_CONTENT_INIT;
    PersonRow *row;
    ClaimRow *claim;
    char *record;
    int r = find_claim(in->state, number, &claim, out);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (!came_in_person(in, out) || !role_is_for_another(&in->caller, claim->person, out) ||
        !is_open(claim, state, number, out))
        return 0;
    r = person_there(&SEALING(in), in->state, claim->person, &row);
    if (r == -ENOENT)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "whoever made claim %" PRIu64 " has erased her account", number);
    if (r == 0)
        r = claim_record(in->arena, number, &record);
    if (r == 0)
        r = seal_text(&SEALING(in), claim->person, AT_ANSWER(record), reason, &event.sealed_reason);
    if (r < 0)
        return r;
    event.number = number;
    event.state = state;
    r = emit_claim_closed(out, claim->person, &event);
    if (r < 0)
        return r;
    if (state == CLAIM_STATE_ACCEPTED && claim->kind == CLAIM_KIND_MANDATE)
        return role_grant(in, out, claim->person, row, FOKUS__V1__ROLE__ROLE_REPRESENTATIVE,
                          claim->organisation, reason);
    notice.scope = claim->organisation;
    notice.reason = (char *)reason;
    return mail_notice(in, out, claim->person, row,
                       state == CLAIM_STATE_ACCEPTED ? MAIL_KIND_CLAIM_ACCEPTED
                                                     : MAIL_KIND_CLAIM_DECLINED,
                       &notice);
}

int accounts_accept_claim(const struct decide_in *in, const AcceptClaimRequest *req,
                          AcceptClaimResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    return close_claim(in, out, req->number, CLAIM_STATE_ACCEPTED, req->reason);
}

int accounts_decline_claim(const struct decide_in *in, const DeclineClaimRequest *req,
                           DeclineClaimResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    return close_claim(in, out, req->number, CLAIM_STATE_DECLINED, req->reason);
}
