/* privacy_test.c - the end of an account, and what is seen of what happened to one. */
#include <dirent.h>
#include <errno.h>

#include "services/accounts/persons.h"
#include "services/accounts/testing.h"

static void erase(struct caller who)
{
    EraseAccountRequest request = ERASE_ACCOUNT_REQUEST_INIT;
    request.confirm = true;
    when(who, "EraseAccount", &request);
}

static const ListMySecurityEventsResponse *my_events(struct caller who, uint32_t size,
                                                     const char *token)
{
    ListMySecurityEventsRequest request = LIST_MY_SECURITY_EVENTS_REQUEST_INIT;
    ListMySecurityEventsResponse *response;
    request.page_size = size;
    request.page_token = (char *)token;
    ask(who, "ListMySecurityEvents", &request, &response);
    return response;
}

static const ListErasuresResponse *erasures(void)
{
    ListErasuresRequest request = LIST_ERASURES_REQUEST_INIT;
    ListErasuresResponse *response;
    ask(operator_caller(), "ListErasures", &request, &response);
    return response;
}

static void record_erasure(const char *erasure, bool complete)
{
    static char *done[] = { "directory" };
    RecordErasureRequest request = RECORD_ERASURE_REQUEST_INIT;
    request.erasure = (char *)erasure;
    request.done = done;
    request.n_done = 1;
    request.complete = complete;
    when(operator_caller(), "RecordErasure", &request);
    then_ok();
}

static bool suppressed(const char *address)
{
    CheckSuppressionRequest request = CHECK_SUPPRESSION_REQUEST_INIT;
    CheckSuppressionResponse *response;
    request.address = (char *)address;
    ask(house_caller("@newsletter"), "CheckSuppression", &request, &response);
    return response->suppressed;
}

/* Everything an account can have. */
static struct caller given_full_account(struct browser *b)
{
    static char *services[] = { "directory" };
    struct caller anna = given_signed_in(b, ANNA);
    GrantByAddressRequest grant = GRANT_BY_ADDRESS_REQUEST_INIT;
    grant.address = ANNA;
    grant.role = FOKUS__V1__ROLE__ROLE_EDITOR;
    grant.reason = "Redaktör.";
    when(operator_caller(), "GrantByAddress", &grant);
    then_ok();
    ClaimOrganisationRequest claim = CLAIM_ORGANISATION_REQUEST_INIT;
    claim.organisation = "exempelforbundet";
    claim.kind = CLAIM_KIND_MANDATE;
    claim.text = "Ordförande.";
    when(anna, "ClaimOrganisation", &claim);
    then_ok();
    MakeApiKeyRequest key = MAKE_API_KEY_REQUEST_INIT;
    key.name = "Kalendern";
    key.services = services;
    key.n_services = 1;
    key.days = 30;
    when(anna, "MakeApiKey", &key);
    then_ok();
    ConsentText text = CONSENT_TEXT_INIT, *rows[] = { &text };
    text.purpose = "nyhetsbrev";
    text.version = 1;
    text.title_sv = text.title_en = "T";
    text.text_sv = text.text_en = "T";
    text.services = services;
    text.n_services = 1;
    ImportConsentTextsRequest import = IMPORT_CONSENT_TEXTS_REQUEST_INIT;
    import.rows = rows;
    import.n_rows = 1;
    when(operator_caller(), "ImportConsentTexts", &import);
    then_ok();
    GiveConsentRequest give = GIVE_CONSENT_REQUEST_INIT;
    give.purpose = "nyhetsbrev";
    give.version = 1;
    when(anna, "GiveConsent", &give);
    then_ok();
    return anna;
}

TEST(an_erased_person_is_gone_from_vault_and_tables)
{
    struct browser b = a_browser(1), other = a_browser(2);
    struct vault_stats stats;
    struct caller berta = given_signed_in(&other, BERTA);
    struct caller anna = given_full_account(&b);
    from(&b);
    erase(anna);
    then_ok();
    assert_int_equal(then_events_of("CallerForgotten"), 2); /* of the session, of the key */
    then_event(2, "PersonErased");
    assert_string_equal(then_session()->token, "");
    assert_null(resolve(&b));
    assert_non_null(resolve(&other));
    assert_int_equal(vault_key(given_vault(), anna.id, given_key()), -ENOENT);
    vault_stats(given_vault(), &stats);
    assert_int_equal(stats.persons,
                     3); /* Berta, the erasure that others have to follow, the key of limits */
    assert_int_equal(my_events(anna, 0, "")->n_events, 0);
    ListClaimsRequest claims = LIST_CLAIMS_REQUEST_INIT;
    ListClaimsResponse *listed;
    claims.include_closed = true;
    ask(operator_caller(), "ListClaims", &claims, &listed);
    assert_int_equal(listed->n_claims, 0);
    erase(anna);
    then_refused(CODE_FAILED_PRECONDITION); /* there is no such account */
    from(&other);
    ClaimOrganisationRequest claim = CLAIM_ORGANISATION_REQUEST_INIT;
    claim.organisation = "exempelforbundet";
    claim.kind = CLAIM_KIND_MANDATE;
    when(berta, "ClaimOrganisation", &claim);
    assert_int_equal(((const ClaimOrganisationResponse *)then_response())->number, 2);
}

TEST(mails_to_an_erased_person_are_not_sent)
{
    struct browser b = a_browser(1);
    struct caller anna = given_full_account(&b);
    erase(anna);
    ListOutboxRequest request = LIST_OUTBOX_REQUEST_INIT;
    ListOutboxResponse *response;
    ask(operator_caller(), "ListOutbox", &request, &response);
    assert_int_equal(response->waiting, 0);
}

TEST(an_erasure_waits_until_every_service_has_followed)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    struct vault_stats stats;
    erase(anna);
    const ListErasuresResponse *waiting = erasures();
    assert_int_equal(waiting->n_erasures, 1);
    assert_int_equal(waiting->erasures[0]->due_ms, given_now_ms());
    const char *erasure = waiting->erasures[0]->erasure;
    record_erasure(erasure, false);
    then_event(0, "ErasureFollowed");
    assert_int_equal(erasures()->erasures[0]->due_ms, given_now_ms() + 15 * SECOND_MS);
    assert_string_equal(erasures()->erasures[0]->done[0], "directory");
    record_erasure(erasure, true);
    then_event(0, "ErasureCompleted");
    assert_int_equal(erasures()->n_erasures, 0);
    vault_stats(given_vault(), &stats);
    assert_int_equal(stats.persons, 1); /* the key of limits */
    record_erasure(erasure, true);
    then_no_event();
}

TEST(an_erased_address_is_not_written_to_unasked)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    assert_false(suppressed(ANNA));
    erase(anna);
    assert_true(suppressed("Anna@Example.se"));
    assert_false(suppressed(BERTA));
    GrantByAddressRequest grant = GRANT_BY_ADDRESS_REQUEST_INIT;
    grant.address = ANNA;
    grant.role = FOKUS__V1__ROLE__ROLE_EDITOR;
    grant.reason = "Redaktör.";
    when(operator_caller(), "GrantByAddress", &grant);
    then_ok();
    assert_int_equal(then_events_of("MailQueued"), 0);
    assert_true(suppressed(ANNA));
}

/* As after a backup from before the erasure was restored: her rows are there again, her key is not. */
TEST(whose_key_is_gone_is_not_there_whatever_the_tables_say)
{
    struct browser b = a_browser(1), desk = a_browser(2);
    struct caller anna = given_full_account(&b), berta = given_signed_in(&desk, BERTA);
    struct caller editor = with_role(berta.id, FOKUS__V1__ROLE__ROLE_EDITOR);
    const char *persons[] = { anna.id };
    struct err err = { "" };
    assert_int_equal(vault_erase(given_vault(), persons, 1, &err), 0);
    assert_null(resolve(&b));
    then_refused(CODE_UNAUTHENTICATED);
    GetMeRequest me = GET_ME_REQUEST_INIT;
    GetMeResponse *response;
    ask(anna, "GetMe", &me, &response);
    then_refused(CODE_FAILED_PRECONDITION);
    from(&desk);
    AcceptClaimRequest accept = ACCEPT_CLAIM_REQUEST_INIT;
    accept.number = 1;
    accept.reason = "Ja.";
    when(editor, "AcceptClaim", &accept);
    then_refused(CODE_FAILED_PRECONDITION);
    GrantRoleRequest grant = GRANT_ROLE_REQUEST_INIT;
    grant.person = (char *)anna.id;
    grant.role = FOKUS__V1__ROLE__ROLE_JURY;
    grant.scope = "runda-2026";
    grant.reason = "Ja.";
    when(editor, "GrantRole", &grant);
    then_refused(CODE_NOT_FOUND);
    ListClaimsRequest claims = LIST_CLAIMS_REQUEST_INIT;
    ListClaimsResponse *listed;
    ask(editor, "ListClaims", &claims, &listed);
    assert_int_equal(listed->n_claims, 0);
    ListRoleHoldersRequest holders = LIST_ROLE_HOLDERS_REQUEST_INIT;
    ListRoleHoldersResponse *held;
    holders.role = FOKUS__V1__ROLE__ROLE_EDITOR;
    ask(editor, "ListRoleHolders", &holders, &held);
    assert_int_equal(held->n_holders, 0);
    assert_true(when_effects_run() > 0); /* her mails cannot be read, and are dropped */
    b.signed_in = false;
    assert_string_not_equal(given_signed_in(&b, ANNA).id, anna.id);
}

static void erase_anew(struct caller who, const char *slot)
{
    Fokus__Runtime__V1__ErasePersonRequest request = FOKUS__RUNTIME__V1__ERASE_PERSON_REQUEST__INIT;
    request.person = (char *)slot;
    when(who, "fokus.runtime.v1.RuntimeService/ErasePerson", &request);
}

TEST(whoever_a_restored_store_still_knows_is_erased_anew)
{
    struct browser b = a_browser(1), other = a_browser(2), third = a_browser(3);
    struct caller anna = given_full_account(&b), berta = given_signed_in(&other, BERTA);
    struct caller cilla = given_signed_in(&third, "cilla@example.se");
    const char *sign_in = start(&b, ANNA)->sign_in;
    from(&third);
    erase(cilla);
    const char *erasure = erasures()->erasures[0]->erasure;
    const char *gone[] = { anna.id, sign_in, erasure };
    struct err err = { "" };
    assert_int_equal(vault_erase(given_vault(), gone, ARRAY_LEN(gone), &err), 0);
    erase_anew(operator_caller(), anna.id);
    assert_int_equal(then_events_of("CallerForgotten"), 2);
    const AccountsEvent *event = then_event(2, "PersonErased");
    assert_string_equal(event->person_erased->erasure, "");
    assert_int_equal(then_entries(&T_ROLE) + then_entries(&T_ROLE_HOLDER), 0);
    assert_int_equal(then_entries(&T_PERSON), 1);
    assert_int_equal(erasures()->n_erasures, 1); /* no other: every service has followed hers */
    erase_anew(operator_caller(), sign_in);
    then_event(0, "SignInEnded");
    erase_anew(operator_caller(), erasure);
    then_event(0, "ErasureCompleted");
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        erase_anew(operator_caller(), gone[i]);
        then_ok();
        then_no_event();
    }
    /* Security: who can be read is not erased by others. */
    erase_anew(operator_caller(), berta.id);
    then_refused(CODE_FAILED_PRECONDITION);
    erase_anew(house_caller("@directory"), berta.id);
    then_refused(CODE_FAILED_PRECONDITION);
    assert_non_null(resolve(&other));
}

/* A store from before an erasure that not every service has followed yet: the vault knows who she was there. */
TEST(an_erasure_that_a_restored_store_has_forgotten_goes_on)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    const char *gone[] = { anna.id };
    uint8_t kept[VAULT_SECRET_BYTES], pseudonym_key[CALLER_KEY_BYTES];
    struct err err = { "" };
    memcpy(pseudonym_key, resolve(&b)->pseudonym_key.data, sizeof(pseudonym_key));
    const char *erasure = erasure_of(test_arena, anna.id);
    assert_non_null(erasure);
    assert_int_equal(vault_add_secret(given_vault(), erasure, pseudonym_key, &err), 0);
    assert_int_equal(vault_sync(given_vault(), &err), 0);
    assert_int_equal(vault_settle(given_vault(), true, &err), 0);
    assert_int_equal(vault_erase(given_vault(), gone, 1, &err), 0);
    erase_anew(operator_caller(), anna.id);
    const AccountsEvent *event = then_event(1, "PersonErased");
    assert_string_equal(event->person_erased->erasure, erasure);
    assert_string_equal(erasures()->erasures[0]->erasure, erasure);
    assert_int_equal(vault_secret(given_vault(), erasure, given_key(), kept), 0);
    assert_memory_equal(kept, pseudonym_key, sizeof(kept));
}

TEST(an_erasure_keeps_who_she_was_elsewhere_and_nothing_of_it_in_the_log)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    uint8_t kept[VAULT_SECRET_BYTES], pseudonym_key[CALLER_KEY_BYTES];
    memcpy(pseudonym_key, resolve(&b)->pseudonym_key.data, sizeof(pseudonym_key));
    erase(anna);
    const AccountsEvent *event = then_event(1, "PersonErased");
    assert_string_equal(event->person_erased->erasure, erasure_of(test_arena, anna.id));
    assert_int_equal(event->person_erased->sealed_pseudonym_key.len, 0);
    assert_int_equal(vault_secret(given_vault(), event->person_erased->erasure, given_key(), kept),
                     0);
    assert_memory_equal(kept, pseudonym_key, sizeof(kept));
}

static const AccountOpened *opened(struct browser *b, const char *address)
{
    const StartSignInResponse *started = start(b, address);
    finish(b, started->sign_in, last_mail()->code, "");
    take_session(b);
    const AccountsEvent *event = then_event(1, "AccountOpened");
    return event->account_opened;
}

TEST(who_comes_back_is_another_person_and_may_be_written_to)
{
    struct browser b = a_browser(1);
    /* The log has a hash of her address only when there is something to lift. */
    const AccountOpened *first = opened(&b, ANNA);
    assert_int_equal(first->lifts.len, 0);
    from(&b);
    erase(signed_in(first->person));
    then_ok();
    const AccountOpened *second = opened(&b, ANNA);
    assert_int_equal(second->lifts.len, VAULT_HASH_BYTES);
    struct caller again = signed_in(second->person);
    assert_string_not_equal(again.id, first->person);
    assert_false(suppressed(ANNA));
}

TEST(erasing_is_confirmed_and_done_in_person)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    EraseAccountRequest request = ERASE_ACCOUNT_REQUEST_INIT;
    when(anna, "EraseAccount", &request);
    then_violation("confirm");
    given_origin(&(struct origin) { 0 });
    erase(anna);
    then_refused(CODE_PERMISSION_DENIED);
    erase(operator_caller());
    then_refused(CODE_FAILED_PRECONDITION);
    erase(anonymous());
    then_refused(CODE_UNAUTHENTICATED);
}

/* ---- what is seen of what happened ---- */

TEST(a_person_sees_what_happened_to_her_account_newest_first)
{
    struct browser b = a_browser(1), stranger = a_browser(7);
    struct caller anna = given_full_account(&b);
    const StartSignInResponse *started = start(&stranger, ANNA);
    const char *code = last_mail()->code;
    for (int i = 0; i < 5; i++)
        finish(&stranger, started->sign_in, not_code(code), "");
    const ListMySecurityEventsResponse *events = my_events(anna, 0, "");
    assert_int_equal(events->n_events, 5);
    assert_int_equal(events->events[0]->kind, SECURITY_KIND_WRONG_CODES);
    assert_int_equal(events->events[1]->kind, SECURITY_KIND_KEY_MADE);
    assert_string_equal(events->events[1]->detail, "Kalendern");
    assert_int_equal(events->events[2]->kind, SECURITY_KIND_ROLE_GRANTED);
    assert_int_equal(events->events[2]->role, FOKUS__V1__ROLE__ROLE_EDITOR);
    assert_string_equal(events->events[2]->detail, "Redaktör.");
    assert_int_equal(events->events[3]->kind, SECURITY_KIND_NEW_DEVICE);
    assert_string_equal(events->events[3]->detail, "192.0.2.1");
    assert_int_equal(events->events[4]->kind, SECURITY_KIND_OPENED);

    events = my_events(anna, 2, "");
    assert_int_equal(events->n_events, 2);
    events = my_events(anna, 2, events->next_page_token);
    assert_int_equal(events->events[0]->kind, SECURITY_KIND_ROLE_GRANTED);
    events = my_events(anna, 2, events->next_page_token);
    assert_int_equal(events->n_events, 1);
    assert_string_equal(events->next_page_token, "");
}

TEST(the_operator_sees_what_happened_but_not_to_whom)
{
    struct browser b = a_browser(1), stranger = a_browser(7);
    given_signed_in(&b, ANNA);
    const StartSignInResponse *started = start(&stranger, BERTA); /* nobody's address */
    const char *code = last_mail()->code;
    for (int i = 0; i < 5; i++)
        finish(&stranger, started->sign_in, not_code(code), "");
    ListSecurityEventsRequest request = LIST_SECURITY_EVENTS_REQUEST_INIT;
    ListSecurityEventsResponse *response;
    ask(operator_caller(), "ListSecurityEvents", &request, &response);
    assert_int_equal(response->n_events, 3);
    assert_int_equal(response->events[0]->kind, SECURITY_KIND_WRONG_CODES);
    assert_int_equal(response->events[1]->kind, SECURITY_KIND_NEW_DEVICE);
    assert_string_equal(response->events[1]->detail, "");
    ask(signed_in("0190163d-8694-739b-aea5-966c26f8ad91"), "ListSecurityEvents", &request,
        &response);
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(what_happened_is_forgotten_after_four_hundred_days)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    assert_int_equal(my_events(anna, 0, "")->n_events, 2);
    given_time_passes(401 * DAY_MS);
    given_signed_in(&b, ANNA);
    assert_int_equal(my_events(anna, 0, "")->n_events, 1);
}

/* ---- what she can take out ---- */

static const Fokus__Runtime__V1__ExportPersonResponse *export_of(const char *person)
{
    Fokus__Runtime__V1__ExportPersonRequest request =
        FOKUS__RUNTIME__V1__EXPORT_PERSON_REQUEST__INIT;
    Fokus__Runtime__V1__ExportPersonResponse *response;
    request.person = (char *)person;
    ask(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/ExportPerson", &request,
        &response);
    return response;
}

static bool exported(const Fokus__Runtime__V1__ExportPersonResponse *all, const char *what,
                     const char *part)
{
    for (size_t i = 0; i < all->n_items; i++)
        if (strstr(all->items[i], what) && strstr(all->items[i], part))
            return true;
    return false;
}

TEST(a_person_can_take_out_all_that_is_held)
{
    struct browser b = a_browser(1), other = a_browser(2);
    given_signed_in(&other, BERTA);
    struct caller anna = given_full_account(&b);
    const Fokus__Runtime__V1__ExportPersonResponse *all = export_of(anna.id);
    assert_int_equal(all->next, 0);
    assert_true(exported(all, "\"what\":\"account\"", ANNA));
    assert_true(exported(all, "\"what\":\"account\"", "Redaktör."));
    assert_true(exported(all, "\"what\":\"sessions\"", "192.0.2.1"));
    assert_true(exported(all, "\"what\":\"api_keys\"", "Kalendern"));
    assert_true(exported(all, "\"what\":\"claims\"", "Ordförande."));
    assert_true(exported(all, "\"what\":\"consents\"", "nyhetsbrev"));
    assert_true(exported(all, "\"what\":\"device\"", "usedMs"));
    assert_true(exported(all, "\"what\":\"mail_waiting\"", "Redaktör."));
    assert_true(exported(all, "\"what\":\"security_events\"", "SECURITY_KIND_KEY_MADE"));
    assert_true(exported(all, "\"kind\":\"event\"", "RoleGranted"));
    assert_false(exported(all, "", BERTA));
    assert_false(exported(all, "\"kind\":\"event\"", "sealed"));
    erase(anna);
    assert_false(exported(export_of(anna.id), "\"kind\":\"record\"", ""));
}

TEST(the_key_to_her_other_ids_is_told_to_nobody_else)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    GetPseudonymKeyRequest request = GET_PSEUDONYM_KEY_REQUEST_INIT;
    GetPseudonymKeyResponse *response;
    request.person = (char *)anna.id;
    ask(house_caller("@accounts"), "GetPseudonymKey", &request, &response);
    assert_int_equal(response->pseudonym_key.len, CALLER_KEY_BYTES);
    ask(house_caller("@gateway"), "GetPseudonymKey", &request, &response);
    then_refused(CODE_PERMISSION_DENIED);
    ask(house_caller("@newsletter"), "GetPseudonymKey", &request, &response);
    then_refused(CODE_PERMISSION_DENIED);
    ask(anna, "GetPseudonymKey", &request, &response);
    then_refused(CODE_PERMISSION_DENIED);
    erase(anna);
    ask(house_caller("@accounts"), "GetPseudonymKey", &request, &response);
    assert_int_equal(response->pseudonym_key.len, 0);
}

TEST(taking_it_out_is_done_in_person_and_seen)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    ExportAccountRequest request = EXPORT_ACCOUNT_REQUEST_INIT;
    when(anna, "ExportAccount", &request);
    then_refused(CODE_UNAVAILABLE); /* a test has no other services to ask */
    given_origin(&(struct origin) { 0 });
    when(anna, "ExportAccount", &request);
    then_refused(CODE_PERMISSION_DENIED);
    AccountExported exported_event = ACCOUNT_EXPORTED_INIT;
    AccountsEvent event = ACCOUNTS_EVENT_INIT;
    exported_event.person = (char *)anna.id;
    event.body_case = ACCOUNTS_EVENT_ACCOUNT_EXPORTED;
    event.account_exported = &exported_event;
    given(&event, anna.id);
    assert_int_equal(my_events(anna, 0, "")->events[0]->kind, SECURITY_KIND_EXPORTED);
}

TEST(an_erasure_that_nobody_can_follow_now_is_tried_again)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    erase(anna);
    assert_int_equal(when_effects_run(), 1);
    assert_int_equal(erasures()->erasures[0]->tries, 1);
    assert_int_equal(erasures()->erasures[0]->due_ms, given_now_ms() + 15 * SECOND_MS);
    assert_int_equal(when_effects_run(), 0);
    given_time_passes(15 * SECOND_MS);
    assert_int_equal(when_effects_run(), 1);
    assert_int_equal(erasures()->erasures[0]->tries, 2);
}

/* ---- what is sent ---- */

static size_t mails_in(const char *folder)
{
    char path[256];
    size_t n = 0;
    (void)snprintf(path, sizeof(path), "%s/mail/%s", given_home(), folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

TEST(queued_mails_go_out)
{
    struct browser b = a_browser(1);
    start(&b, ANNA);
    assert_int_equal(when_effects_run(), 1);
    assert_int_equal(mails_in("new"), 1);
    assert_int_equal(when_effects_run(), 0);
    start(&b, ANNA);
    given_time_passes(10 * MINUTE_MS); /* too late: nobody could use the code */
    assert_int_equal(when_effects_run(), 1);
    assert_int_equal(mails_in("new"), 1);
}

TESTS(&accounts_service)
