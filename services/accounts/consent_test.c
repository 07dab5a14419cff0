/* consent_test.c - consents: texts that never change, given and withdrawn with their wording, and "may I?". */
#include "services/accounts/testing.h"

static ConsentText a_text(uint32_t version, const char *words)
{
    static char *services[] = { "newsletter" };
    ConsentText text = CONSENT_TEXT_INIT;
    text.purpose = "nyhetsbrev";
    text.version = version;
    text.title_sv = "Nyhetsbrev";
    text.text_sv = (char *)words;
    text.title_en = "Newsletter";
    text.text_en = "You may write to me.";
    text.services = services;
    text.n_services = 1;
    return text;
}

static const ImportConsentTextsResponse *import(ConsentText *text, size_t n, bool dry_run)
{
    ConsentText *rows[4];
    ImportConsentTextsRequest request = IMPORT_CONSENT_TEXTS_REQUEST_INIT;
    for (size_t i = 0; i < n; i++)
        rows[i] = &text[i];
    request.rows = rows;
    request.n_rows = n;
    request.dry_run = dry_run;
    when(operator_caller(), "ImportConsentTexts", &request);
    return then_response();
}

static void given_text(uint32_t version, const char *words)
{
    ConsentText text = a_text(version, words);
    assert_true(import(&text, 1, false)->accepted);
}

static void give(struct caller who, const char *purpose, uint32_t version)
{
    GiveConsentRequest request = GIVE_CONSENT_REQUEST_INIT;
    request.purpose = (char *)purpose;
    request.version = version;
    when(who, "GiveConsent", &request);
}

static void withdraw(struct caller who, const char *purpose)
{
    WithdrawConsentRequest request = WITHDRAW_CONSENT_REQUEST_INIT;
    request.purpose = (char *)purpose;
    when(who, "WithdrawConsent", &request);
    then_ok();
}

static const ListMyConsentsResponse *mine(struct caller who)
{
    ListMyConsentsRequest request = LIST_MY_CONSENTS_REQUEST_INIT;
    ListMyConsentsResponse *response;
    ask(who, "ListMyConsents", &request, &response);
    return response;
}

static const CheckConsentResponse *check(const char *service, const char *person)
{
    CheckConsentRequest request = CHECK_CONSENT_REQUEST_INIT;
    CheckConsentResponse *response;
    request.person = (char *)person;
    request.purpose = "nyhetsbrev";
    ask(house_caller(service), "CheckConsent", &request, &response);
    return response;
}

TEST(a_consent_is_given_and_withdrawn_with_time_and_wording)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    given_text(1, "Ni får skriva till mig.");
    give(anna, "nyhetsbrev", 1);
    then_event(0, "ConsentGiven");
    int64_t given_ms = given_now_ms();
    give(anna, "nyhetsbrev", 1);
    then_ok();
    then_no_event();
    given_time_passes(DAY_MS);
    withdraw(anna, "nyhetsbrev");
    then_event(0, "ConsentWithdrawn");
    withdraw(anna, "nyhetsbrev");
    then_no_event();
    give(anna, "nyhetsbrev", 1);
    then_event(0, "ConsentGiven");
    const ListMyConsentsResponse *all = mine(anna);
    assert_int_equal(all->n_consents, 2);
    assert_int_equal(all->consents[0]->withdrawn_ms, 0);
    assert_int_equal(all->consents[1]->given_ms, given_ms);
    assert_int_equal(all->consents[1]->withdrawn_ms, given_now_ms());
    assert_string_equal(all->consents[1]->text->text_sv, "Ni får skriva till mig.");
}

TEST(a_service_asks_by_its_own_id_of_the_person_and_only_those_named_get_a_yes)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    char in_newsletter[ID_CHARS + 1], in_forum[ID_CHARS + 1];
    caller_person_id(resolve(&b)->pseudonym_key.data, "newsletter", in_newsletter);
    caller_person_id(resolve(&b)->pseudonym_key.data, "forum", in_forum);
    given_text(1, "Ni får skriva till mig.");
    assert_false(check("@newsletter", in_newsletter)->given);
    give(anna, "nyhetsbrev", 1);
    const CheckConsentResponse *yes = check("@newsletter", in_newsletter);
    assert_true(yes->given);
    assert_int_equal(yes->version, 1);
    assert_int_equal(yes->given_ms, given_now_ms());
    assert_false(check("@forum", in_forum)->given);
    assert_false(check("@forum", in_newsletter)->given);
    assert_false(check("@newsletter", anna.id)->given);
    withdraw(anna, "nyhetsbrev");
    assert_false(check("@newsletter", in_newsletter)->given);
    CheckConsentRequest request = CHECK_CONSENT_REQUEST_INIT;
    CheckConsentResponse *response;
    request.person = in_newsletter;
    request.purpose = "nyhetsbrev";
    ask(anna, "CheckConsent", &request, &response);
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(a_new_wording_is_a_new_version_that_is_consented_to_anew)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    char id[ID_CHARS + 1];
    caller_person_id(resolve(&b)->pseudonym_key.data, "newsletter", id);
    given_text(1, "Ett.");
    give(anna, "nyhetsbrev", 1);
    given_text(2, "Två.");
    assert_true(mine(anna)->consents[0]->newer);
    assert_int_equal(check("@newsletter", id)->version, 1);
    give(anna, "nyhetsbrev", 1);
    then_refused(CODE_FAILED_PRECONDITION);
    give(anna, "nyhetsbrev", 2);
    then_ok();
    assert_int_equal(check("@newsletter", id)->version, 2);
    assert_int_equal(mine(anna)->n_consents, 2);
    assert_false(mine(anna)->consents[0]->newer);
    give(anna, "annat", 1);
    then_refused(CODE_NOT_FOUND);
}

TEST(recorded_words_never_change)
{
    ConsentText text = a_text(1, "Ett.");
    const ImportConsentTextsResponse *response = import(&text, 1, true);
    assert_int_equal(response->registered, 1);
    then_no_event();
    assert_int_equal(import(&text, 1, false)->registered, 1);
    then_event(0, "ConsentTextRecorded");
    assert_int_equal(import(&text, 1, false)->unchanged, 1);
    then_no_event();
    text.text_sv = "Annat.";
    response = import(&text, 1, false);
    assert_false(response->accepted);
    assert_string_equal(response->reports[0]->field, "version");
    then_no_event();
    text.version = 0;
    assert_false(import(&text, 1, false)->accepted);
}

TEST(an_import_of_texts_is_whole_or_nothing)
{
    ConsentText rows[3] = { a_text(1, "Ett."), a_text(1, "Två."), a_text(2, "") };
    const ImportConsentTextsResponse *response = import(rows, 3, false);
    assert_false(response->accepted);
    assert_int_equal(response->n_reports, 2);
    assert_int_equal(response->reports[0]->row, 2);
    assert_string_equal(response->reports[1]->field, "text_sv");
    then_no_event();
    rows[1] = a_text(2, "Två.");
    rows[1].purpose = "Inte En Slug";
    assert_string_equal(import(rows, 2, false)->reports[0]->field, "purpose");
    static char *services[] = { "no-service" };
    rows[1] = a_text(2, "Två.");
    rows[1].services = services;
    assert_string_equal(import(rows, 2, false)->reports[0]->field, "services");
}

TEST(everybody_may_read_the_texts)
{
    given_text(1, "Ett.");
    given_text(2, "Två.");
    ListConsentTextsRequest request = LIST_CONSENT_TEXTS_REQUEST_INIT;
    ListConsentTextsResponse *response;
    ask(anonymous(), "ListConsentTexts", &request, &response);
    assert_int_equal(response->n_texts, 1);
    assert_string_equal(response->texts[0]->text_sv, "Två.");
    request.include_old = true;
    ask(anonymous(), "ListConsentTexts", &request, &response);
    assert_int_equal(response->n_texts, 2);
    ImportConsentTextsRequest importing = IMPORT_CONSENT_TEXTS_REQUEST_INIT;
    when(signed_in("0190163d-8694-739b-aea5-966c26f8ad91"), "ImportConsentTexts", &importing);
    then_refused(CODE_PERMISSION_DENIED);
}

TESTS(&accounts_service)
