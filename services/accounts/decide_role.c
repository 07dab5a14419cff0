/* decide_role.c - who may do what, and who may say so. Granting what is held, and withdrawing what is not, changes nothing. */
#include <errno.h>
#include <string.h>

#include "services/accounts/mails.h"
#include "services/accounts/persons.h"
#include "services/accounts/roles.h"
#include "services/accounts/sessions.h"

#define EDITOR   (1U << FOKUS__V1__ROLE__ROLE_EDITOR)
#define OPERATOR (1U << FOKUS__V1__ROLE__ROLE_OPERATOR)

/* Who may grant and withdraw which role. A role that is not here is granted by nobody: every account is a member. */
static const uint32_t granted_by[] = {
    [FOKUS__V1__ROLE__ROLE_REPRESENTATIVE] = EDITOR | OPERATOR,
    [FOKUS__V1__ROLE__ROLE_PROFESSIONAL] = EDITOR | OPERATOR,
    [FOKUS__V1__ROLE__ROLE_EDITOR] = OPERATOR,
    [FOKUS__V1__ROLE__ROLE_MODERATOR] = OPERATOR,
    [FOKUS__V1__ROLE__ROLE_JURY] = EDITOR | OPERATOR,
    [FOKUS__V1__ROLE__ROLE_PARTNER] = OPERATOR,
    [FOKUS__V1__ROLE__ROLE_OPERATOR] = OPERATOR,
};

bool role_may_be_granted(const struct caller *caller, int role, struct outcome *out)
{
    uint32_t by = role > 0 && (size_t)role < ARRAY_LEN(granted_by) ? granted_by[role] : 0;
    if (by != 0 && (caller->operator_socket || (caller->roles & by)))
        return true;
    if (by == 0)
        (void)outcome_violation(out, "role", "is not one that is granted"); /* returns 0 always */
    else
        (void)outcome_refuse(out, CODE_PERMISSION_DENIED, /* likewise */
                             by & EDITOR ? "only editors and the operator grant this role"
                                         : "only the operator grants this role");
    return false;
}

bool role_is_for_another(const struct caller *caller, const char *person, struct outcome *out)
{
    if (strcmp(caller->id, person) != 0)
        return true;
    (void)outcome_refuse(out, CODE_PERMISSION_DENIED, /* returns 0 always */
                         "nobody grants a role to herself: ask somebody else who may");
    return false;
}

static bool check_scope(int role, const char *scope, struct outcome *out)
{
    bool wanted = role_has_scope(role);
    if (wanted && !*scope)
        (void)outcome_violation(out, "scope", /* returns 0 always */
                                "must say for what: an organisation, a care unit, an award round");
    else if (!wanted && *scope)
        (void)outcome_violation(out, "scope", "must be empty: this role is held for everything");
    return wanted == (*scope != '\0');
}

int role_grant(const struct decide_in *in, struct outcome *out, const char *person,
               const PersonRow *row, int role, const char *scope, const char *reason)
{
    RoleGranted event = ROLE_GRANTED_INIT;
    MailContent notice = MAIL_CONTENT_INIT;
    struct role_at *roles;
    struct key k;
    size_t n;
    role_key(person, role, scope, &k);
    if (rd_has(in->state, &T_ROLE, &k))
        return 0;
    int r = roles_of(in->state, person, &roles, &n);
    if (r < 0)
        return r;
    if (n >= ROLES_MAX)
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED, "a person may hold %d roles, no more",
                              ROLES_MAX);
    char *record = role_text(in->arena, role, scope);
    if (!record)
        return -ENOMEM;
    event.person = (char *)person;
    event.role = (Fokus__V1__Role)role;
    event.scope = (char *)scope;
    event.granted_by = (char *)in->caller.id;
    r = seal_text(&SEALING(in), person, AT_REASON(record), reason, &event.sealed_reason);
    if (r == 0)
        r = emit_role_granted(out, person, &event);
    if (r == 0)
        r = callers_forget(in->state, out, person);
    if (r < 0 || !row)
        return r;
    notice.role = event.role;
    notice.scope = event.scope;
    notice.reason = (char *)reason;
    return mail_notice(in, out, person, row, MAIL_KIND_ROLE_GRANTED, &notice);
}

/* The person whom a command is about. */
static int find_person(const struct decide_in *in, const char *person, PersonRow **ret,
                       struct outcome *out)
{
    int r = person_there(&SEALING(in), in->state, person, ret);
    if (r == -ENOENT)
        (void)outcome_refuse(out, CODE_NOT_FOUND, /* returns 0 always */
                             "person: there is no account with this number");
    return r;
}

int accounts_grant_role(const struct decide_in *in, const GrantRoleRequest *req,
                        GrantRoleResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    PersonRow *row;
    if (!came_in_person(in, out) || !role_may_be_granted(&in->caller, (int)req->role, out) ||
        !role_is_for_another(&in->caller, req->person, out) ||
        !check_scope((int)req->role, req->scope, out))
        return 0;
    int r = find_person(in, req->person, &row, out);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return role_grant(in, out, req->person, row, (int)req->role, req->scope, req->reason);
}

static int is_suppressed(const struct decide_in *in, const char *address, bool *ret)
{
    ProtobufCBinaryData hash;
    int r = suppression_hash(&SEALING(in), address, &hash);
    if (r == 0)
        *ret = rd_has(in->state, &T_SUPPRESSED, KEY_BYTES(hash));
    return r;
}

int accounts_grant_by_address(const struct decide_in *in, const GrantByAddressRequest *req,
                              GrantByAddressResponse *res, struct outcome *out)
{
    PersonRow fresh, *row = &fresh;
    char *address = NULL, *person;
    bool suppressed = false;
    int r = address_read(in->arena, req->address, &address, &out->status);
    if (r < 0)
        return r;
    if (!role_may_be_granted(&in->caller, (int)req->role, out) ||
        !check_scope((int)req->role, req->scope, out) || !address)
        return 0;
    r = person_by_address(&SEALING(in), in->state, address, &person, &row);
    if (r == -ENOENT) {
        const struct vault_lookup lookup = { FIND_ADDRESS, slice_text(address) };
        Profile profile = PROFILE_INIT;
        profile.address = address;
        profile.language = "sv"; /* the operator's tool speaks English; what she speaks, she says */
        r = is_suppressed(in, address, &suppressed);
        if (r < 0)
            return r;
        r = person_open(in, out, &profile, &lookup, 1, false, &person, &fresh);
        row = &fresh;
        res->opened = true;
    }
    if (r < 0)
        return r;
    res->person = person;
    return role_grant(in, out, person, suppressed ? NULL : row, (int)req->role, req->scope,
                      req->reason);
}

int accounts_withdraw_role(const struct decide_in *in, const WithdrawRoleRequest *req,
                           WithdrawRoleResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    RoleWithdrawn event = ROLE_WITHDRAWN_INIT;
    MailContent notice = MAIL_CONTENT_INIT;
    PersonRow *row;
    struct key k;
    bool own = strcmp(in->caller.id, req->person) == 0;
    if (!came_in_person(in, out) ||
        (!own && !role_may_be_granted(&in->caller, (int)req->role, out)))
        return 0;
    int r = find_person(in, req->person, &row, out);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    role_key(req->person, (int)req->role, req->scope, &k);
    if (!rd_has(in->state, &T_ROLE, &k))
        return 0;
    char *record = role_text(in->arena, (int)req->role, req->scope);
    if (!record)
        return -ENOMEM;
    event.person = req->person;
    event.role = req->role;
    event.scope = req->scope;
    event.withdrawn_by = (char *)in->caller.id;
    r = seal_text(&SEALING(in), req->person, AT_REASON(record), req->reason, &event.sealed_reason);
    if (r == 0)
        r = emit_role_withdrawn(out, req->person, &event);
    if (r == 0)
        r = callers_forget(in->state, out, req->person);
    if (r < 0 || own)
        return r;
    notice.role = req->role;
    notice.scope = req->scope;
    notice.reason = req->reason;
    return mail_notice(in, out, req->person, row, MAIL_KIND_ROLE_WITHDRAWN, &notice);
}
