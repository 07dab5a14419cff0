/* organisation_test.c - one organisation's life: registered, revised, merged, closed, confirmed. */
#include "services/directory/testing.h"

TEST(registering_puts_an_organisation_into_the_directory)
{
    Organisation o = an_organisation("exempelforbundet", "Exempelförbundet");
    o.website = "https://www.exempel.example";
    o.revision = 77; /* the directory's own fields are not the caller's to set */
    o.state = ORGANISATION_STATE_CLOSED;
    o.last_confirmed = "2020-01-01";
    register_organisation(&o);
    const DirectoryEvent *event = then_event(0, "OrganisationRegistered");
    assert_int_equal(event->organisation_registered->organisation->revision, 1);
    const Organisation *got = get_organisation("exempelforbundet")->organisation;
    assert_string_equal(got->name, "Exempelförbundet");
    assert_int_equal(got->state, ORGANISATION_STATE_ACTIVE);
    assert_string_equal(got->last_confirmed, "");
    assert_string_equal(got->website, "https://www.exempel.example");
}

TEST(registering_the_same_again_changes_nothing)
{
    given_organisation("a", "A");
    given_organisation("a", "A");
    then_no_event();
    assert_int_equal(get_organisation("a")->organisation->revision, 1);
}

TEST(registering_another_under_a_taken_slug_is_refused)
{
    given_organisation("a", "A");
    Organisation o = an_organisation("a", "Another");
    register_organisation(&o);
    then_refused(CODE_ALREADY_EXISTS);
    then_no_event();
}

TEST(every_mistake_of_a_registration_is_told_at_once)
{
    Organisation o = ORGANISATION_INIT;
    char *places[] = { "99" }, *areas[] = { "ingen-sadan", "ingen-sadan" };
    char *municipalities[] = { "9999" }, *former[] = { "" };
    o.slug = "x";
    o.region_codes = places;
    o.n_region_codes = 1;
    o.municipality_codes = municipalities;
    o.n_municipality_codes = 1;
    o.care_areas = areas;
    o.n_care_areas = 2;
    o.parent_slug = "ingen";
    o.former_names = former;
    o.n_former_names = 1;
    register_organisation(&o);
    then_refused(CODE_INVALID_ARGUMENT);
    then_violation("organisation.name");
    then_violation("organisation.kind");
    then_violation("organisation.level");
    then_violation("organisation.region_codes");
    then_violation("organisation.municipality_codes");
    then_violation("organisation.care_areas");
    then_violation("organisation.parent_slug");
    then_violation("organisation.former_names");
    assert_null(get_organisation("x"));
    then_refused(CODE_NOT_FOUND);
}

TEST(only_editors_change_the_directory)
{
    Organisation o = an_organisation("a", "A");
    RegisterOrganisationRequest request = REGISTER_ORGANISATION_REQUEST_INIT;
    request.organisation = &o;
    when(anonymous(), "RegisterOrganisation", &request);
    assert_null(get_organisation("a"));
    when(operator_caller(), "RegisterOrganisation", &request);
    then_ok();
    assert_non_null(get_organisation("a"));
}

TEST(revising_changes_the_fields_of_the_mask_only)
{
    given_organisation("a", "A");
    Organisation values = ORGANISATION_INIT;
    values.name = "Not asked for";
    values.website = "https://a.example";
    revise("a", 1, "website", &values);
    const DirectoryEvent *event = then_event(0, "OrganisationRevised");
    assert_int_equal(event->organisation_revised->n_changed_fields, 1);
    assert_string_equal(event->organisation_revised->changed_fields[0], "website");
    const Organisation *got = get_organisation("a")->organisation;
    assert_string_equal(got->name, "A");
    assert_string_equal(got->website, "https://a.example");
    assert_int_equal(got->revision, 2);
}

TEST(revising_to_what_it_is_changes_nothing)
{
    given_organisation("a", "A");
    Organisation values = ORGANISATION_INIT;
    values.description = "Gör gott.";
    revise("a", 1, "description", &values);
    revise("a", 1, "description", &values); /* also when repeated with the revision read before */
    then_ok();
    then_no_event();
}

TEST(a_stale_revision_is_refused)
{
    given_organisation("a", "A");
    Organisation values = ORGANISATION_INIT;
    values.description = "Gör gott.";
    revise("a", 1, "description", &values);
    values.description = "Gör annat.";
    revise("a", 1, "description", &values);
    then_refused(CODE_ABORTED);
    then_no_event();
    revise("a", 2, "description", &values);
    then_ok();
}

TEST(a_field_that_is_not_for_editing_is_refused)
{
    given_organisation("a", "A");
    Organisation values = ORGANISATION_INIT;
    revise("a", 1, "slug", &values);
    then_violation("update_mask");
    values.state = ORGANISATION_STATE_MERGED;
    revise("a", 1, "state", &values);
    then_violation("organisation.state");
    revise("b", 1, "name", &values);
    then_refused(CODE_NOT_FOUND);
    revise("a", 1, "name", &values);
    then_violation("organisation.name");
}

TEST(a_revision_without_fields_is_a_mistake)
{
    given_organisation("a", "A");
    Organisation values = an_organisation("a", "Lost otherwise");
    Google__Protobuf__FieldMask nothing = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    ReviseOrganisationRequest request = REVISE_ORGANISATION_REQUEST_INIT;
    request.slug = "a";
    request.revision = 1;
    request.organisation = &values;
    request.update_mask = &nothing;
    when(editor(), "ReviseOrganisation", &request);
    then_refused(CODE_INVALID_ARGUMENT);
    then_violation("update_mask");
}

TEST(an_empty_value_makes_a_field_unknown)
{
    Contact contact = CONTACT_INIT;
    contact.email = "info@a.example";
    Organisation o = an_organisation("a", "A");
    o.contact = &contact;
    register_organisation(&o);
    assert_non_null(get_organisation("a")->organisation->contact);
    Organisation nothing = ORGANISATION_INIT;
    revise("a", 1, "contact", &nothing);
    then_ok();
    assert_null(get_organisation("a")->organisation->contact);
}

TEST(renaming_moves_an_organisation_in_the_alphabet_and_among_the_names)
{
    given_organisation("a", "Alfa");
    given_organisation("b", "Beta");
    Organisation values = ORGANISATION_INIT;
    values.name = "Zeta";
    revise("a", 1, "name", &values);
    ListOrganisationsRequest list = LIST_ORGANISATIONS_REQUEST_INIT;
    ListOrganisationsResponse *listed;
    ask(anonymous(), "ListOrganisations", &list, &listed);
    assert_int_equal(listed->n_organisations, 2);
    assert_string_equal(listed->organisations[1]->slug, "a");
    FindByNameRequest find = FIND_BY_NAME_REQUEST_INIT;
    find.query = "alfa";
    FindByNameResponse *found;
    ask(anonymous(), "FindByName", &find, &found);
    assert_int_equal(found->n_matches, 0);
    find.query = "zet";
    ask(anonymous(), "FindByName", &find, &found);
    assert_int_equal(found->n_matches, 1);
}

TEST(nobody_is_above_itself)
{
    given_organisation("a", "A");
    Organisation b = an_organisation("b", "B");
    b.parent_slug = "a";
    register_organisation(&b);
    then_ok();
    Organisation values = ORGANISATION_INIT;
    values.parent_slug = "b";
    revise("a", 1, "parent_slug", &values);
    then_violation("organisation.parent_slug");
    values.parent_slug = "a";
    revise("a", 1, "parent_slug", &values);
    then_violation("organisation.parent_slug");
}

static void given_branch(const char *slug, const char *parent)
{
    Organisation o = an_organisation(slug, slug);
    o.parent_slug = (char *)parent;
    register_organisation(&o);
    then_ok();
}

TEST(a_merge_puts_nobody_above_itself)
{
    given_branch("a", "");
    given_branch("b", "a");
    given_branch("c", "b");
    merge("a", "c");
    then_refused(CODE_FAILED_PRECONDITION);
    then_no_event();
    merge("b", "c");
    then_refused(CODE_FAILED_PRECONDITION);
    merge("c", "a");
    then_ok();
}

TEST(undoing_a_merge_puts_nobody_above_itself)
{
    given_branch("p", "");
    given_branch("a", "p");
    given_branch("x", "");
    merge("a", "x");
    Organisation values = ORGANISATION_INIT;
    values.parent_slug = "a";
    revise("p", 1, "parent_slug", &values);
    then_ok();
    unmerge("a");
    then_refused(CODE_FAILED_PRECONDITION);
    then_no_event();
    values.parent_slug = "";
    revise("p", 2, "parent_slug", &values);
    unmerge("a");
    then_ok();
}

TEST(a_merged_slug_answers_the_one_it_went_into)
{
    given_organisation("a", "A");
    given_organisation("b", "B");
    given_organisation("c", "C");
    merge("a", "b");
    then_event(0, "OrganisationsMerged");
    merge("b", "c");
    then_ok();
    const GetOrganisationResponse *got = get_organisation("a");
    assert_string_equal(got->organisation->slug, "c");
    assert_string_equal(got->redirected_from, "a");
    assert_string_equal(get_organisation("c")->redirected_from, "");
    merge("b", "c");
    then_ok();
    then_no_event();
}

TEST(unmerging_restores_what_was)
{
    given_organisation("a", "A");
    given_organisation("b", "B");
    Organisation values = ORGANISATION_INIT;
    values.state = ORGANISATION_STATE_DORMANT;
    revise("a", 1, "state", &values);
    then_ok();
    merge("a", "b");
    unmerge("a");
    then_event(0, "OrganisationsUnmerged");
    const GetOrganisationResponse *got = get_organisation("a");
    assert_string_equal(got->organisation->slug, "a");
    assert_int_equal(got->organisation->state, ORGANISATION_STATE_DORMANT);
    assert_string_equal(got->organisation->merged_into, "");
    assert_int_equal(got->organisation->revision, 4);
    unmerge("a");
    then_ok();
    then_no_event();
    unmerge("x");
    then_refused(CODE_NOT_FOUND);
}

TEST(what_cannot_be_merged_is_refused)
{
    given_organisation("a", "A");
    given_organisation("b", "B");
    given_organisation("c", "C");
    merge("a", "a");
    then_violation("into");
    merge("x", "a");
    then_refused(CODE_NOT_FOUND);
    merge("a", "x");
    then_refused(CODE_NOT_FOUND);
    merge("a", "b");
    merge("a", "c");
    then_refused(CODE_FAILED_PRECONDITION);
    merge("c", "a");
    then_refused(CODE_FAILED_PRECONDITION);
    Organisation child = an_organisation("d", "D");
    child.parent_slug = "c";
    register_organisation(&child);
    merge("c", "d");
    then_refused(CODE_FAILED_PRECONDITION);

    MergeOrganisationsRequest stale = MERGE_ORGANISATIONS_REQUEST_INIT;
    stale.slug = "d";
    stale.into = "b";
    stale.revision = 9;
    when(editor(), "MergeOrganisations", &stale);
    then_refused(CODE_ABORTED);
}

TEST(a_merged_organisation_is_changed_where_it_went)
{
    given_organisation("a", "A");
    given_organisation("b", "B");
    merge("a", "b");
    Organisation values = an_organisation("a", "Ny");
    revise("a", 2, "name", &values);
    then_refused(CODE_FAILED_PRECONDITION);
    close_organisation("a", "Slut");
    then_refused(CODE_FAILED_PRECONDITION);
    ConfirmOrganisationRequest confirm = CONFIRM_ORGANISATION_REQUEST_INIT;
    confirm.slug = "a";
    when(editor(), "ConfirmOrganisation", &confirm);
    then_refused(CODE_FAILED_PRECONDITION);
    Organisation same = an_organisation("a", "A");
    register_organisation(&same);
    then_refused(CODE_ALREADY_EXISTS);
}

TEST(closing_keeps_an_organisation_with_date_and_reason)
{
    given_organisation("a", "A");
    close_organisation("a", "Uppgick i en annan förening.");
    then_event(0, "OrganisationClosed");
    const Organisation *got = get_organisation("a")->organisation;
    assert_int_equal(got->state, ORGANISATION_STATE_CLOSED);
    assert_string_equal(got->closed_on, "2025-12-31");
    assert_string_equal(got->closing_reason, "Uppgick i en annan förening.");
    close_organisation("a", "Uppgick i en annan förening.");
    then_ok();
    then_no_event();
    close_organisation("x", "Finns inte");
    then_refused(CODE_NOT_FOUND);

    CloseOrganisationRequest stale = CLOSE_ORGANISATION_REQUEST_INIT;
    stale.slug = "a";
    stale.reason = "Annat";
    stale.revision = 1;
    when(editor(), "CloseOrganisation", &stale);
    then_refused(CODE_ABORTED);

    Organisation values = ORGANISATION_INIT;
    values.state = ORGANISATION_STATE_ACTIVE;
    revise("a", 2, "state", &values);
    then_ok();
    got = get_organisation("a")->organisation;
    assert_int_equal(got->state, ORGANISATION_STATE_ACTIVE);
    assert_string_equal(got->closing_reason, "");
}

TEST(nothing_is_closed_before_its_day)
{
    given_organisation("a", "A");
    CloseOrganisationRequest request = CLOSE_ORGANISATION_REQUEST_INIT;
    request.slug = "a";
    request.reason = "Slut";
    request.closed_on = "2026-01-03";
    when(editor(), "CloseOrganisation", &request);
    then_refused(CODE_INVALID_ARGUMENT);
    then_violation("closed_on");
    request.closed_on = "2026-01-01"; /* today */
    when(editor(), "CloseOrganisation", &request);
    then_ok();
}

TEST(confirming_notes_the_day_once)
{
    given_organisation("a", "A");
    ConfirmOrganisationRequest request = CONFIRM_ORGANISATION_REQUEST_INIT;
    request.slug = "a";
    when(editor(), "ConfirmOrganisation", &request);
    then_event(0, "OrganisationConfirmed");
    assert_string_equal(get_organisation("a")->organisation->last_confirmed, "2026-01-01");
    when(editor(), "ConfirmOrganisation", &request);
    then_ok();
    then_no_event();
    given_time_passes(24 * 3600 * 1000);
    when(editor(), "ConfirmOrganisation", &request);
    then_event(0, "OrganisationConfirmed");
    assert_string_equal(get_organisation("a")->organisation->last_confirmed, "2026-01-02");
    request.slug = "x";
    when(editor(), "ConfirmOrganisation", &request);
    then_refused(CODE_NOT_FOUND);
}

TEST(a_representative_changes_and_confirms_her_own_only)
{
    static const char id[] = "0190a1b2-c3d4-8e5f-8a6b-0123456789ab";
    const struct caller hers = with_role_for(id, FOKUS__V1__ROLE__ROLE_REPRESENTATIVE, "a");
    ConfirmOrganisationRequest request = CONFIRM_ORGANISATION_REQUEST_INIT;

    given_organisation("a", "A");
    given_organisation("b", "B");
    request.slug = "a";
    when(hers, "ConfirmOrganisation", &request);
    then_ok();
    request.slug = "b";
    when(hers, "ConfirmOrganisation", &request);
    then_refused(CODE_PERMISSION_DENIED);
    then_no_event();

    Organisation o = ORGANISATION_INIT;
    o.website = "https://a.example";
    char *paths[] = { "website" };
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    mask.n_paths = 1;
    mask.paths = paths;
    ReviseOrganisationRequest revise = REVISE_ORGANISATION_REQUEST_INIT;
    revise.slug = "b";
    revise.revision = 1;
    revise.organisation = &o;
    revise.update_mask = &mask;
    when(hers, "ReviseOrganisation", &revise);
    then_refused(CODE_PERMISSION_DENIED);
    revise.slug = "a";
    revise.revision = get_organisation("a")->organisation->revision;
    when(hers, "ReviseOrganisation", &revise);
    then_ok();
    assert_string_equal(get_organisation("a")->organisation->website, "https://a.example");
}

TEST(history_tells_who_changed_what_newest_first)
{
    given_organisation("a", "A");
    given_organisation("ab", "AB");
    Organisation values = ORGANISATION_INIT;
    values.website = "https://a.example";
    revise("a", 1, "website", &values);
    close_organisation("a", "Slut");

    GetHistoryRequest request = GET_HISTORY_REQUEST_INIT;
    request.slug = "a";
    request.page_size = 2;
    GetHistoryResponse *page;
    ask(anonymous(), "GetHistory", &request, &page);
    then_ok();
    assert_int_equal(page->n_entries, 2);
    assert_string_equal(page->entries[0]->type, "OrganisationClosed");
    assert_string_equal(page->entries[1]->type, "OrganisationRevised");
    assert_string_equal(page->entries[1]->changed_fields[0], "website");
    assert_string_equal(page->entries[1]->actor, "editor-1");
    assert_true(page->entries[0]->sequence > page->entries[1]->sequence);
    assert_int_equal(page->entries[0]->time_ms, given_now_ms());

    request.page_token = page->next_page_token;
    ask(anonymous(), "GetHistory", &request, &page);
    assert_int_equal(page->n_entries, 1);
    assert_string_equal(page->entries[0]->type, "OrganisationRegistered");
    assert_string_equal(page->next_page_token, "");

    request.slug = "ab";
    ask(anonymous(), "GetHistory", &request, &page);
    then_violation("page_token");
    request.slug = "x";
    ask(anonymous(), "GetHistory", &request, &page);
    then_refused(CODE_NOT_FOUND);
}

TESTS(&directory_service)
