/* apply_role.c - what the events of roles and claims do to the tables. */
#include <errno.h>

#include "services/accounts/apply.h"

int apply_role_granted(struct wr *wr, const struct fact *fact, const RoleGranted *e)
{
    RoleRow row = ROLE_ROW_INIT;
    struct key k;
    row.sealed_reason = e->sealed_reason;
    row.granted_ms = fact->time_ms;
    row.granted_by = e->granted_by;
    role_key(e->person, (int)e->role, e->scope, &k);
    wr_put(wr, &T_ROLE, &k, &row);
    role_holder_key((int)e->role, e->scope, e->person, &k);
    wr_put_bytes(wr, &T_ROLE_HOLDER, &k, "", 0);
    return 0;
}

int apply_role_withdrawn(struct wr *wr, const RoleWithdrawn *e)
{
    struct key k;
    role_key(e->person, (int)e->role, e->scope, &k);
    wr_delete(wr, &T_ROLE, &k);
    role_holder_key((int)e->role, e->scope, e->person, &k);
    wr_delete(wr, &T_ROLE_HOLDER, &k);
    return 0;
}

int apply_organisation_claimed(struct wr *wr, const struct fact *fact, const OrganisationClaimed *e)
{
    ClaimRow row = CLAIM_ROW_INIT;
    struct key k;
    row.person = e->person;
    row.organisation = e->organisation;
    row.kind = e->kind;
    row.state = CLAIM_STATE_OPEN;
    row.sealed_text = e->sealed_text;
    row.claimed_ms = fact->time_ms;
    wr_put(wr, &T_CLAIM, KEY_U64(e->number), &row);
    wr_put_bytes(wr, &T_CLAIM_OPEN, KEY_U64(e->number), "", 0);
    key_of_u64(e->person, e->number, &k);
    wr_put_bytes(wr, &T_CLAIM_OF, &k, "", 0);
    return 0;
}

int apply_claim_closed(struct wr *wr, const struct fact *fact, const ClaimClosed *e)
{
    ClaimRow *row;
    int r = rd_get(wr_rd(wr), &T_CLAIM, KEY_U64(e->number), &row);
    if (r < 0)
        return r;
    row->state = e->state;
    row->sealed_reason = e->sealed_reason;
    row->closed_ms = fact->time_ms;
    wr_put(wr, &T_CLAIM, KEY_U64(e->number), row);
    wr_delete(wr, &T_CLAIM_OPEN, KEY_U64(e->number));
    return 0;
}
