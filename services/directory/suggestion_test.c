/* suggestion_test.c - what the public proposes and reports, and what becomes of it. */
#include "services/directory/testing.h"

static uint64_t suggest(Organisation *o)
{
    SuggestOrganisationRequest request = SUGGEST_ORGANISATION_REQUEST_INIT;
    request.organisation = o;
    when(anonymous(), "SuggestOrganisation", &request);
    return ((const SuggestOrganisationResponse *)then_response())->number;
}

static void accept(uint64_t number, const char *slug, Organisation *corrections, char **paths,
                   size_t n_paths)
{
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    mask.paths = paths;
    mask.n_paths = n_paths;
    AcceptSuggestionRequest request = ACCEPT_SUGGESTION_REQUEST_INIT;
    request.number = number;
    request.slug = (char *)slug;
    request.organisation = corrections;
    request.update_mask = n_paths ? &mask : NULL;
    when(editor(), "AcceptSuggestion", &request);
}

static void decline(uint64_t number, const char *reason)
{
    DeclineSuggestionRequest request = DECLINE_SUGGESTION_REQUEST_INIT;
    request.number = number;
    request.reason = (char *)reason;
    when(editor(), "DeclineSuggestion", &request);
}

static const GetSuggestionResponse *get_suggestion(uint64_t number)
{
    GetSuggestionRequest request = GET_SUGGESTION_REQUEST_INIT;
    request.number = number;
    GetSuggestionResponse *response;
    ask(anonymous(), "GetSuggestion", &request, &response);
    return response;
}

TEST(suggestions_get_numbers_in_order_and_the_same_one_the_same)
{
    Organisation a = an_organisation("", "A"), b = an_organisation("", "B");
    assert_int_equal(suggest(&a), 1);
    then_event(0, "OrganisationSuggested");
    assert_int_equal(suggest(&b), 2);
    assert_int_equal(suggest(&a), 1);
    then_no_event();
    assert_int_equal(get_suggestion(1)->state, SUGGESTION_STATE_OPEN);
    decline(1, "Finns redan.");
    assert_int_equal(suggest(&a), 3); /* once decided it may be suggested anew */
}

TEST(an_accepted_suggestion_is_in_the_directory_with_the_editors_corrections)
{
    Organisation o = ORGANISATION_INIT;
    o.name = "Förslaget";
    o.state = ORGANISATION_STATE_CLOSED; /* not the submitter's to say */
    uint64_t number = suggest(&o);
    Organisation corrections = an_organisation("", "Rättat namn");
    char *paths[] = { "name", "kind", "level" };
    accept(number, "forslaget", NULL, NULL, 0);
    then_violation("organisation.kind");
    then_no_event();
    accept(number, "forslaget", &corrections, paths, 3);
    then_ok();
    then_event(0, "OrganisationRegistered");
    then_event(1, "SuggestionAccepted");
    const Organisation *got = get_organisation("forslaget")->organisation;
    assert_string_equal(got->name, "Rättat namn");
    assert_int_equal(got->state, ORGANISATION_STATE_ACTIVE);
    assert_int_equal(got->revision, 1);
    assert_int_equal(get_suggestion(number)->state, SUGGESTION_STATE_ACCEPTED);
    assert_string_equal(get_suggestion(number)->slug, "forslaget");
    accept(number, "forslaget", &corrections, paths, 3);
    then_ok();
    then_no_event();
    accept(number, "annan-slug", &corrections, paths, 3);
    then_refused(CODE_FAILED_PRECONDITION);
    decline(number, "Nej");
    then_refused(CODE_FAILED_PRECONDITION);
}

TEST(a_declined_suggestion_tells_why_and_nothing_else)
{
    Organisation o = an_organisation("", "A");
    uint64_t number = suggest(&o);
    decline(number, "Är ett företag.");
    then_event(0, "SuggestionDeclined");
    const GetSuggestionResponse *got = get_suggestion(number);
    assert_int_equal(got->state, SUGGESTION_STATE_DECLINED);
    assert_string_equal(got->reason, "Är ett företag.");
    decline(number, "Är ett företag.");
    then_ok();
    then_no_event();
    decline(number, "Annat.");
    then_refused(CODE_FAILED_PRECONDITION);
    accept(number, "a", NULL, NULL, 0);
    then_refused(CODE_FAILED_PRECONDITION);
    decline(99, "Nej");
    then_refused(CODE_NOT_FOUND);
    accept(99, "a", NULL, NULL, 0);
    then_refused(CODE_NOT_FOUND);
}

TEST(a_suggestion_is_not_accepted_under_a_taken_slug)
{
    given_organisation("a", "A");
    Organisation o = an_organisation("", "B");
    accept(suggest(&o), "a", NULL, NULL, 0);
    then_refused(CODE_ALREADY_EXISTS);
}

static void suggest_badly(Organisation *o, const char *field)
{
    SuggestOrganisationRequest request = SUGGEST_ORGANISATION_REQUEST_INIT;
    request.organisation = o;
    when(anonymous(), "SuggestOrganisation", &request);
    then_refused(CODE_INVALID_ARGUMENT);
    then_violation(field);
    then_no_event();
}

TEST(personal_data_is_refused_before_it_reaches_the_log)
{
    Contact contact = CONTACT_INIT;
    Organisation o = an_organisation("", "A");
    o.contact = &contact;
    contact.email = "fornamn.efternamn@a.example";
    suggest_badly(&o, "organisation.contact.email");
    contact.email = "";
    contact.postal_address = "c/o 19900101-0000";
    suggest_badly(&o, "organisation.contact.postal_address");
    contact.postal_address = "";
    o.description = "Skriv till fornamn.efternamn@a.example eller ring.";
    suggest_badly(&o, "organisation.description");
    o.description = "";
    o.name = "";
    suggest_badly(&o, "organisation.name");
    o.name = "A";
    contact.email = "kansli@a.example";
    contact.phone = "0702234567";
    assert_int_equal(suggest(&o), 1);
}

TEST(editors_read_suggestions_page_by_page)
{
    for (int i = 0; i < 5; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "Namn %d", i);
        Organisation o = an_organisation("", name);
        suggest(&o);
    }
    decline(2, "Nej");
    ListSuggestionsRequest request = LIST_SUGGESTIONS_REQUEST_INIT;
    ListSuggestionsResponse *response;
    request.page_size = 3;
    request.state = SUGGESTION_STATE_OPEN;
    ask(editor(), "ListSuggestions", &request, &response);
    assert_int_equal(response->n_suggestions, 3);
    assert_int_equal(response->suggestions[1]->number, 3);
    assert_string_equal(response->suggestions[1]->organisation->name, "Namn 2");
    request.page_token = response->next_page_token;
    ask(editor(), "ListSuggestions", &request, &response);
    assert_int_equal(response->n_suggestions, 1);
    assert_string_equal(response->next_page_token, "");
    request.page_token = "";
    request.state = SUGGESTION_STATE_DECLINED;
    ask(editor(), "ListSuggestions", &request, &response);
    assert_int_equal(response->n_suggestions, 1);
    request.page_token = "x";
    ask(editor(), "ListSuggestions", &request, &response);
    then_violation("page_token");
    request.page_token = "";
    ask(anonymous(), "ListSuggestions", &request, &response);
    assert_null(response);
}

/* ---- error reports ---- */

static uint64_t report(EntryType type, const char *key, const char *text)
{
    ReportErrorRequest request = REPORT_ERROR_REQUEST_INIT;
    request.entry_type = type;
    request.key = (char *)key;
    request.text = (char *)text;
    when(anonymous(), "ReportError", &request);
    const ReportErrorResponse *response = then_response();
    return response->number;
}

TEST(an_error_may_be_reported_on_any_entry)
{
    given_real_organisations();
    given_helplines();
    assert_int_equal(report(ENTRY_TYPE_ORGANISATION, "nsph", "Fel webbplats"), 1);
    then_event(0, "ErrorReported");
    assert_int_equal(report(ENTRY_TYPE_CARE_AREA, "akut-vard", "Fel namn"), 2);
    assert_int_equal(report(ENTRY_TYPE_PATIENT_RIGHT, "ratten-till-information", "Fel lag"), 3);
    assert_int_equal(report(ENTRY_TYPE_TERM, "tlv", "Fel ord"), 4);
    assert_int_equal(report(ENTRY_TYPE_REGION, "12", "Fel region"), 5);
    assert_int_equal(report(ENTRY_TYPE_MUNICIPALITY, "0114", "Fel kommun"), 6);
    assert_int_equal(report(ENTRY_TYPE_HEALTHCARE_REGION, "norra",
                            "Fel"
                            " gräns"),
                     7);
    assert_int_equal(report(ENTRY_TYPE_HELPLINE, "bris", "Fel nummer"), 8);
    assert_int_equal(report(ENTRY_TYPE_ORGANISATION, "nsph", "Fel webbplats"), 1);
    then_no_event();

    ReportErrorRequest request = REPORT_ERROR_REQUEST_INIT;
    request.text = "Fel";
    const EntryType types[] = { ENTRY_TYPE_ORGANISATION,
                                ENTRY_TYPE_CARE_AREA,
                                ENTRY_TYPE_PATIENT_RIGHT,
                                ENTRY_TYPE_TERM,
                                ENTRY_TYPE_REGION,
                                ENTRY_TYPE_MUNICIPALITY,
                                ENTRY_TYPE_HEALTHCARE_REGION,
                                ENTRY_TYPE_HELPLINE };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        request.entry_type = types[i];
        request.key = "finns-inte";
        when(anonymous(), "ReportError", &request);
        then_refused(CODE_NOT_FOUND);
    }
    request.entry_type = 99;
    when(anonymous(), "ReportError", &request);
    then_refused(CODE_INVALID_ARGUMENT);
    request.entry_type = ENTRY_TYPE_ORGANISATION;
    request.key = "nsph";
    request.text = "Ring 900101-0000";
    when(anonymous(), "ReportError", &request);
    then_violation("text");
}

TEST(a_resolved_report_leaves_the_list_of_those_that_wait)
{
    given_organisation("a", "A");
    report(ENTRY_TYPE_ORGANISATION, "a", "Fel ett");
    report(ENTRY_TYPE_ORGANISATION, "a", "Fel två");
    ResolveErrorReportRequest request = RESOLVE_ERROR_REPORT_REQUEST_INIT;
    request.number = 1;
    request.resolution = "Rättat.";
    when(editor(), "ResolveErrorReport", &request);
    then_event(0, "ErrorReportResolved");
    when(editor(), "ResolveErrorReport", &request);
    then_ok();
    then_no_event();
    request.resolution = "Annat.";
    when(editor(), "ResolveErrorReport", &request);
    then_refused(CODE_FAILED_PRECONDITION);
    request.number = 9;
    when(editor(), "ResolveErrorReport", &request);
    then_refused(CODE_NOT_FOUND);

    ListErrorReportsRequest list = LIST_ERROR_REPORTS_REQUEST_INIT;
    ListErrorReportsResponse *listed;
    ask(editor(), "ListErrorReports", &list, &listed);
    assert_int_equal(listed->n_reports, 1);
    assert_int_equal(listed->reports[0]->number, 2);
    list.include_resolved = true;
    list.page_size = 1;
    ask(editor(), "ListErrorReports", &list, &listed);
    assert_string_equal(listed->reports[0]->resolution, "Rättat.");
    assert_int_equal(listed->reports[0]->resolved_ms, given_now_ms());
    assert_true(*listed->next_page_token);
    list.page_token = "x";
    ask(editor(), "ListErrorReports", &list, &listed);
    then_violation("page_token");
}

TESTS(&directory_service)
