/* role_test.c - roles: who may grant what, that nobody raises herself, and claims. */
#include "services/accounts/testing.h"

#define R(role) FOKUS__V1__ROLE__ROLE_##role

static struct browser desk; /* of whoever decides */

/* Somebody signed in who holds a role, as the gateway says. */
static struct caller given_holder(const char *address, int role)
{
    desk = a_browser(50);
    struct caller who = given_signed_in(&desk, address);
    return with_role(who.id, role);
}

static void grant(struct caller who, const char *person, int role, const char *scope)
{
    GrantRoleRequest request = GRANT_ROLE_REQUEST_INIT;
    request.person = (char *)person;
    request.role = (Fokus__V1__Role)role;
    request.scope = (char *)scope;
    request.reason = "Vald på årsmötet.";
    when(who, "GrantRole", &request);
}

static void withdraw(struct caller who, const char *person, int role, const char *scope)
{
    WithdrawRoleRequest request = WITHDRAW_ROLE_REQUEST_INIT;
    request.person = (char *)person;
    request.role = (Fokus__V1__Role)role;
    request.scope = (char *)scope;
    request.reason = "Uppdraget är slut.";
    when(who, "WithdrawRole", &request);
}

static const GrantByAddressResponse *grant_by_address(const char *address, int role)
{
    GrantByAddressRequest request = GRANT_BY_ADDRESS_REQUEST_INIT;
    request.address = (char *)address;
    request.role = (Fokus__V1__Role)role;
    request.reason = "Driver platsen.";
    when(operator_caller(), "GrantByAddress", &request);
    return then_response();
}

static const GetMeResponse *get_me(struct caller who)
{
    GetMeRequest request = GET_ME_REQUEST_INIT;
    GetMeResponse *response;
    ask(signed_in(who.id), "GetMe", &request, &response);
    return response;
}

TEST(the_first_operator_is_granted_by_address_before_she_ever_signed_in)
{
    const GrantByAddressResponse *granted = grant_by_address(" Anna@Example.se", R(OPERATOR));
    assert_true(granted->opened);
    then_event(0, "AccountOpened");
    then_event(1, "RoleGranted");
    assert_string_equal(last_mail()->address, ANNA);
    assert_int_equal(last_mail()->role, R(OPERATOR));
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    assert_string_equal(anna.id, granted->person);
    assert_string_equal(resolve(&b)->roles[1], "operator");
    const GetMeResponse *me = get_me(anna);
    assert_int_equal(me->n_roles, 1);
    assert_string_equal(me->roles[0]->reason, "Driver platsen.");
    assert_false(grant_by_address(ANNA, R(OPERATOR))->opened);
    then_no_event();
}

TEST(a_role_counts_at_once_and_the_gateway_is_told)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    struct caller editor = given_holder(BERTA, R(EDITOR));
    grant(editor, anna.id, R(REPRESENTATIVE), "exempelforbundet");
    const AccountsEvent *event = then_event(0, "RoleGranted");
    assert_string_equal(event->role_granted->granted_by, editor.id);
    assert_null(memmem(event->role_granted->sealed_reason.data,
                       event->role_granted->sealed_reason.len, "Vald", 4));
    then_event(1, "CallerForgotten");
    assert_string_equal(last_mail()->reason, "Vald på årsmötet.");
    assert_string_equal(last_mail()->scope, "exempelforbundet");
    assert_string_equal(resolve(&b)->roles[1], "representative:exempelforbundet");
    assert_string_equal(get_me(anna)->roles[0]->scope, "exempelforbundet");

    grant(editor, anna.id, R(REPRESENTATIVE), "exempelforbundet");
    then_ok();
    then_no_event();
    withdraw(editor, anna.id, R(REPRESENTATIVE), "annat-forbund");
    then_ok();
    then_no_event();
    withdraw(editor, anna.id, R(REPRESENTATIVE), "exempelforbundet");
    then_event(0, "RoleWithdrawn");
    then_event(1, "CallerForgotten");
    assert_string_equal(last_mail()->reason, "Uppdraget är slut.");
    assert_int_equal(resolve(&b)->n_roles, 1);
    assert_int_equal(get_me(anna)->n_roles, 0);
}

TEST(nobody_raises_herself)
{
    for (int role = R(MEMBER); role <= R(OPERATOR); role++) {
        struct caller anna = given_holder(ANNA, role);
        for (int wanted = R(MEMBER); wanted <= R(OPERATOR); wanted++) {
            grant(anna, anna.id, wanted, role_has_scope(wanted) ? "x" : "");
            then_no_event();
            if (wanted != R(MEMBER))
                then_refused(CODE_PERMISSION_DENIED);
        }
        given_time_passes(2 * HOUR_MS);
    }
}

/* Every role with every role. */
TEST(who_may_grant_what)
{
    static const bool editor_may[] = { [R(REPRESENTATIVE)] = true,
                                       [R(PROFESSIONAL)] = true,
                                       [R(JURY)] = true };
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    for (int role = R(MEMBER); role <= R(OPERATOR); role++) {
        struct caller berta = given_holder(BERTA, role);
        for (int wanted = R(MEMBER); wanted <= R(OPERATOR); wanted++) {
            const char *scope = role_has_scope(wanted) ? "x" : "";
            bool may = wanted != R(MEMBER) &&
                       (role == R(OPERATOR) ||
                        (role == R(EDITOR) && wanted <= R(JURY) && editor_may[wanted]));
            grant(berta, anna.id, wanted, scope);
            if (may)
                then_event(0, "RoleGranted");
            else
                then_no_event();
            if (!may && wanted != R(MEMBER))
                then_refused(CODE_PERMISSION_DENIED);
            withdraw(berta, anna.id, wanted, scope);
            if (may)
                then_event(0, "RoleWithdrawn");
            else
                then_no_event();
        }
        given_time_passes(2 * HOUR_MS);
    }
    grant(anonymous(), anna.id, R(EDITOR), "");
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(what_one_may_not_grant_one_may_not_withdraw_from_others_but_lay_down)
{
    struct browser b = a_browser(1);
    const char *berta = grant_by_address(BERTA, R(MODERATOR))->person;
    struct caller anna = given_signed_in(&b, ANNA);
    withdraw(with_role(anna.id, R(EDITOR)), berta, R(MODERATOR), "");
    then_refused(CODE_PERMISSION_DENIED);
    withdraw(anna, berta, R(MODERATOR), "");
    then_refused(CODE_PERMISSION_DENIED);
    struct caller herself = given_holder(BERTA, R(MODERATOR));
    withdraw(herself, berta, R(MODERATOR), "");
    then_event(0, "RoleWithdrawn");
    assert_int_equal(then_events_of("MailQueued"), 0); /* she knows */
}

TEST(a_scope_is_given_where_one_belongs)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    struct caller boss = given_holder(BERTA, R(OPERATOR));
    grant(boss, anna.id, R(REPRESENTATIVE), "");
    then_violation("scope");
    grant(boss, anna.id, R(EDITOR), "exempelforbundet");
    then_violation("scope");
    grant(boss, anna.id, R(REPRESENTATIVE), "Inte En Slug");
    then_violation("scope");
    grant(boss, anna.id, 99, "");
    then_refused(CODE_INVALID_ARGUMENT);
    grant(boss, anna.id, R(MEMBER), "");
    then_violation("role");
    grant(boss, "0190163d-8694-739b-aea5-966c26f8ad91", R(EDITOR), "");
    then_refused(CODE_NOT_FOUND);
}

TEST(a_program_with_an_editors_key_grants_nothing)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    struct caller editor = given_holder(BERTA, R(EDITOR));
    given_origin(&(struct origin) { 0 });
    grant(editor, anna.id, R(JURY), "runda-2026");
    then_refused(CODE_PERMISSION_DENIED);
    withdraw(editor, anna.id, R(JURY), "runda-2026");
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(sessions_of_who_may_change_what_others_see_last_half_a_day_idle)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    grant_by_address(ANNA, R(EDITOR));
    given_time_passes(12 * HOUR_MS - 1);
    assert_non_null(resolve(&b));
    given_time_passes(12 * HOUR_MS);
    assert_null(resolve(&b));
    withdraw(operator_caller(), anna.id, R(EDITOR), "");
    assert_non_null(resolve(&b)); /* as a member a week */
}

static const ListRoleHoldersResponse *list_holders(struct caller who, int role, const char *scope,
                                                   uint32_t size, const char *token)
{
    ListRoleHoldersRequest request = LIST_ROLE_HOLDERS_REQUEST_INIT;
    request.role = (Fokus__V1__Role)role;
    request.scope = (char *)scope;
    request.page_size = size;
    request.page_token = (char *)token;
    ListRoleHoldersResponse *response;
    ask(who, "ListRoleHolders", &request, &response);
    return response;
}

TEST(editors_see_who_holds_a_role_page_by_page)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    struct caller editor = given_holder(BERTA, R(EDITOR));
    grant(editor, anna.id, R(REPRESENTATIVE), "b-forbundet");
    grant(editor, anna.id, R(REPRESENTATIVE), "a-forbundet");
    grant(editor, anna.id, R(JURY), "runda-2026");
    const ListRoleHoldersResponse *page = list_holders(editor, R(REPRESENTATIVE), "", 1, "");
    assert_int_equal(page->n_holders, 1);
    assert_string_equal(page->holders[0]->scope, "a-forbundet");
    assert_string_equal(page->holders[0]->person, anna.id);
    assert_string_equal(page->holders[0]->granted_by, editor.id);
    page = list_holders(editor, R(REPRESENTATIVE), "", 1, page->next_page_token);
    assert_string_equal(page->holders[0]->scope, "b-forbundet");
    assert_string_equal(page->next_page_token, "");
    page = list_holders(editor, R(REPRESENTATIVE), "b-forbundet", 0, "");
    assert_int_equal(page->n_holders, 1);
    assert_int_equal(list_holders(editor, R(MODERATOR), "", 0, "")->n_holders, 0);
    assert_null(list_holders(anna, R(JURY), "", 0, ""));
    then_refused(CODE_PERMISSION_DENIED);
}

/* ---- claims ---- */

static uint64_t claim(struct caller who, const char *organisation, ClaimKind kind)
{
    ClaimOrganisationRequest request = CLAIM_ORGANISATION_REQUEST_INIT;
    request.organisation = (char *)organisation;
    request.kind = kind;
    request.text = "Jag är ordförande.";
    when(who, "ClaimOrganisation", &request);
    return ((const ClaimOrganisationResponse *)then_response())->number;
}

static void accept(struct caller who, uint64_t number)
{
    AcceptClaimRequest request = ACCEPT_CLAIM_REQUEST_INIT;
    request.number = number;
    request.reason = "Står i protokollet.";
    when(who, "AcceptClaim", &request);
}

static void decline(struct caller who, uint64_t number)
{
    DeclineClaimRequest request = DECLINE_CLAIM_REQUEST_INIT;
    request.number = number;
    request.reason = "Protokollet saknas.";
    when(who, "DeclineClaim", &request);
}

static void take_back(struct caller who, uint64_t number)
{
    WithdrawClaimRequest request = WITHDRAW_CLAIM_REQUEST_INIT;
    request.number = number;
    when(who, "WithdrawClaim", &request);
}

static const ListMyClaimsResponse *my_claims(struct caller who)
{
    ListMyClaimsRequest request = LIST_MY_CLAIMS_REQUEST_INIT;
    ListMyClaimsResponse *response;
    ask(who, "ListMyClaims", &request, &response);
    return response;
}

static const ListClaimsResponse *list_claims(struct caller who, bool closed, uint32_t size,
                                             const char *token)
{
    ListClaimsRequest request = LIST_CLAIMS_REQUEST_INIT;
    request.include_closed = closed;
    request.page_size = size;
    request.page_token = (char *)token;
    ListClaimsResponse *response;
    ask(who, "ListClaims", &request, &response);
    return response;
}

TEST(an_accepted_claim_with_a_mandate_makes_a_representative)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    uint64_t number = claim(anna, "exempelforbundet", CLAIM_KIND_MANDATE);
    assert_int_equal(number, 1);
    const AccountsEvent *event = then_event(0, "OrganisationClaimed");
    assert_null(memmem(event->organisation_claimed->sealed_text.data,
                       event->organisation_claimed->sealed_text.len, "ordf", 4));
    assert_int_equal(claim(anna, "exempelforbundet", CLAIM_KIND_MANDATE), 1);
    then_no_event();

    struct caller editor = given_holder(BERTA, R(EDITOR));
    const ListClaimsResponse *claims = list_claims(editor, false, 0, "");
    assert_int_equal(claims->n_claims, 1);
    assert_string_equal(claims->claims[0]->text, "Jag är ordförande.");
    assert_string_equal(claims->claims[0]->address, ANNA);
    accept(editor, number);
    then_event(0, "ClaimClosed");
    then_event(1, "RoleGranted");
    assert_string_equal(resolve(&b)->roles[1], "representative:exempelforbundet");
    assert_int_equal(list_claims(editor, false, 0, "")->n_claims, 0);
    assert_int_equal(list_claims(editor, true, 0, "")->n_claims, 1);
    accept(editor, number);
    then_ok();
    then_no_event();
    decline(editor, number);
    then_refused(CODE_FAILED_PRECONDITION);
    from(&b);
    take_back(anna, number);
    then_refused(CODE_FAILED_PRECONDITION);
    const ListMyClaimsResponse *mine = my_claims(anna);
    assert_int_equal(mine->claims[0]->state, CLAIM_STATE_ACCEPTED);
    assert_string_equal(mine->claims[0]->reason, "Står i protokollet.");
    assert_string_equal(mine->claims[0]->address, "");
}

TEST(who_speaks_for_herself_gets_no_role)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    uint64_t number = claim(anna, "exempelforbundet", CLAIM_KIND_OWN_RIGHT);
    struct caller editor = given_holder(BERTA, R(EDITOR));
    accept(editor, number);
    then_event(0, "ClaimClosed");
    assert_int_equal(then_events_of("RoleGranted"), 0);
    assert_string_equal(last_mail()->scope, "exempelforbundet");
    assert_int_equal(resolve(&b)->n_roles, 1);
    assert_int_equal(my_claims(anna)->claims[0]->kind, CLAIM_KIND_OWN_RIGHT);
}

TEST(a_declined_claim_tells_why_and_may_be_made_anew)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    uint64_t number = claim(anna, "exempelforbundet", CLAIM_KIND_MANDATE);
    struct caller editor = given_holder(BERTA, R(EDITOR));
    decline(editor, number);
    then_event(0, "ClaimClosed");
    assert_string_equal(last_mail()->reason, "Protokollet saknas.");
    assert_int_equal(resolve(&b)->n_roles, 1);
    from(&b);
    assert_int_equal(claim(anna, "exempelforbundet", CLAIM_KIND_MANDATE), 2);
    take_back(anna, 2);
    then_event(0, "ClaimClosed");
    take_back(anna, 2);
    then_ok();
    then_no_event();
    const ListMyClaimsResponse *mine = my_claims(anna);
    assert_int_equal(mine->n_claims, 2);
    assert_int_equal(mine->claims[0]->state, CLAIM_STATE_WITHDRAWN);
    assert_int_equal(mine->claims[1]->state, CLAIM_STATE_DECLINED);
}

TEST(an_editor_does_not_decide_her_own_claim_and_nobody_takes_back_anothers)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    uint64_t number = claim(anna, "exempelforbundet", CLAIM_KIND_MANDATE);
    accept(with_role(anna.id, R(EDITOR)), number);
    then_refused(CODE_PERMISSION_DENIED);
    accept(anna, number);
    then_refused(CODE_PERMISSION_DENIED);
    struct caller berta = given_holder(BERTA, R(MEMBER));
    take_back(berta, number);
    then_refused(CODE_NOT_FOUND);
    accept(with_role(berta.id, R(EDITOR)), 99);
    then_refused(CODE_NOT_FOUND);
    assert_null(list_claims(berta, false, 0, ""));
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(a_person_has_ten_open_claims_at_most_and_editors_page_through_them)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    char slug[32];
    for (int i = 0; i < 10; i++) {
        (void)snprintf(slug, sizeof(slug), "forbund-%d", i);
        claim(anna, slug, CLAIM_KIND_MANDATE);
    }
    ClaimOrganisationRequest request = CLAIM_ORGANISATION_REQUEST_INIT;
    request.organisation = "forbund-10";
    request.kind = CLAIM_KIND_MANDATE;
    when(anna, "ClaimOrganisation", &request);
    then_refused(CODE_RESOURCE_EXHAUSTED);
    struct caller editor = given_holder(BERTA, R(EDITOR));
    const ListClaimsResponse *page = list_claims(editor, false, 6, "");
    assert_int_equal(page->n_claims, 6);
    page = list_claims(editor, false, 6, page->next_page_token);
    assert_int_equal(page->n_claims, 4);
    assert_int_equal(page->claims[3]->number, 10);
    assert_string_equal(page->next_page_token, "");
}

TESTS(&accounts_service)
