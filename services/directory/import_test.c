/* import_test.c - imports and exports, with the real files. */
#include "services/directory/testing.h"

static const ImportOrganisationsResponse *import(OrganisationRow **rows, size_t n, bool dry_run)
{
    ImportOrganisationsRequest request = IMPORT_ORGANISATIONS_REQUEST_INIT;
    request.rows = rows;
    request.n_rows = n;
    request.dry_run = dry_run;
    when(editor(), "ImportOrganisations", &request);
    return then_response();
}

static OrganisationRow a_row(const char *slug, const char *name)
{
    OrganisationRow row = ORGANISATION_ROW_INIT;
    row.slug = (char *)slug;
    row.name = (char *)name;
    row.kind = ORGANISATION_KIND_NETWORK;
    row.level = ORGANISATION_LEVEL_NATIONAL;
    return row;
}

static bool is_reported(const ImportOrganisationsResponse *response, uint32_t row,
                        const char *field)
{
    for (size_t i = 0; i < response->n_reports; i++) {
        if (response->reports[i]->row == row && strcmp(response->reports[i]->field, field) == 0)
            return true;
    }
    return false;
}

TEST(the_real_files_are_imported_and_a_second_time_change_nothing)
{
    given_real_organisations();
    given_helplines();
    size_t n;
    void **rows = read_csv_file("organisations.csv", ORGANISATION_ROW_DESCRIPTOR, &n);
    assert_int_equal(n, 400);
    const ImportOrganisationsResponse *response = import((void *)rows, n, false);
    assert_true(response->accepted);
    assert_int_equal(response->unchanged, 400);
    then_no_event();
    given_reference_data();
    then_no_event();
    given_helplines();
    then_no_event();
}

TEST(a_dry_run_answers_what_the_real_run_does_and_stores_nothing)
{
    given_reference_data();
    size_t n;
    void **rows = read_csv_file("organisations.csv", ORGANISATION_ROW_DESCRIPTOR, &n);
    const ImportOrganisationsResponse *dry = import((void *)rows, n, true);
    then_no_event();
    assert_null(get_organisation("nsph"));
    const ImportOrganisationsResponse *real = import((void *)rows, n, false);
    assert_int_equal(then_event_count(), 400);
    assert_int_equal(dry->registered, 400);
    assert_int_equal(real->registered, dry->registered);
    assert_int_equal(real->accepted, dry->accepted);
    assert_int_equal(real->n_reports, dry->n_reports);
    assert_non_null(get_organisation("nsph"));
}

TEST(one_bad_row_stores_none_and_every_mistake_is_reported)
{
    given_reference_data();
    char *places[] = { "98", "12", "12" }, *areas[] = { "ingen" }, *municipalities[] = { "0000" };
    char long_name[201 * 2 + 1] = { 0 };
    for (int i = 0; i < 201; i++)
        memcpy(long_name + 2 * i, "å", 2);
    OrganisationRow good = a_row("good", "Good"), bad = a_row("Bad slug", long_name);
    OrganisationRow empty = ORGANISATION_ROW_INIT, again = a_row("good", "Good again");
    bad.region_code = places;
    bad.n_region_code = 3;
    bad.municipality_code = municipalities;
    bad.n_municipality_code = 1;
    bad.care_areas = areas;
    bad.n_care_areas = 1;
    bad.parent_slug = "ingen";
    bad.website = "exempel.example";
    bad.short_name = "two\nlines";
    OrganisationRow *rows[] = { &good, &bad, &empty, &again };
    const ImportOrganisationsResponse *response = import(rows, 4, false);
    assert_false(response->accepted);
    assert_int_equal(response->registered, 0);
    then_no_event();
    assert_null(get_organisation("good"));
    const char *const fields[] = { "slug",       "name",        "region_code", "municipality_code",
                                   "care_areas", "parent_slug", "website",     "short_name" };
    import(rows, 4, false);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!is_reported(response, 2, fields[i]))
            fail_msg("row 2: nothing about %s", fields[i]);
    }
    assert_true(is_reported(response, 3, "slug"));
    assert_true(is_reported(response, 3, "name"));
    assert_true(is_reported(response, 3, "kind"));
    assert_true(is_reported(response, 3, "level"));
    assert_true(is_reported(response, 4, "slug"));
    assert_false(is_reported(response, 1, "slug"));
    const ImportOrganisationsResponse *dry = import(rows, 4, true);
    assert_int_equal(dry->n_reports, response->n_reports);
}

/* What a request's own fields may not hold, a file may not bring in. */
TEST(rows_have_the_formats_of_requests)
{
    OrganisationRow row = a_row("a", "A");
    OrganisationRow *rows[] = { &row };
    row.website = "https://:99999";
    assert_true(is_reported(import(rows, 1, false), 1, "website"));
    row.website = "HTTPS://a.example";
    assert_true(import(rows, 1, true)->accepted);
    row.description = "Skriv\x1b[31m";
    assert_true(is_reported(import(rows, 1, false), 1, "description"));
    row.description = "Två\nrader";
    assert_true(import(rows, 1, true)->accepted);
    row.source = "två\u2028rader";
    assert_true(is_reported(import(rows, 1, false), 1, "source"));
    row.source = "  ";
    assert_true(is_reported(import(rows, 1, false), 1, "source"));
}

TEST(rows_may_point_to_each_other_in_any_order_but_not_in_a_circle)
{
    OrganisationRow child = a_row("child", "Child"), parent = a_row("parent", "Parent");
    child.parent_slug = "parent";
    OrganisationRow *rows[] = { &child, &parent };
    assert_true(import(rows, 2, true)->accepted);
    parent.parent_slug = "child";
    const ImportOrganisationsResponse *response = import(rows, 2, false);
    assert_false(response->accepted);
    assert_true(is_reported(response, 1, "parent_slug"));
    assert_true(is_reported(response, 2, "parent_slug"));
    parent.parent_slug = "";
    assert_true(import(rows, 2, false)->accepted);
}

TEST(a_row_revises_its_columns_and_keeps_what_has_no_column)
{
    Contact contact = CONTACT_INIT;
    contact.phone = "08-000 00 00";
    char *former[] = { "Förr" };
    Organisation o = an_organisation("a", "A");
    o.contact = &contact;
    o.former_names = former;
    o.n_former_names = 1;
    o.website = "https://a.example";
    register_organisation(&o);
    then_ok();
    OrganisationRow row = a_row("a", "A");
    row.kind = ORGANISATION_KIND_PATIENT_ASSOCIATION;
    OrganisationRow other = a_row("b", "B");
    OrganisationRow *rows[] = { &row, &other };
    const ImportOrganisationsResponse *response = import(rows, 2, false);
    assert_int_equal(response->revised, 1);
    assert_int_equal(response->registered, 1);
    const DirectoryEvent *event = then_event(0, "OrganisationRevised");
    assert_int_equal(event->organisation_revised->n_changed_fields, 1);
    assert_string_equal(event->organisation_revised->changed_fields[0], "website");
    const Organisation *got = get_organisation("a")->organisation;
    assert_string_equal(got->website, ""); /* an empty cell: unknown */
    assert_string_equal(got->contact->phone, "08-000 00 00");
    assert_int_equal(got->n_former_names, 1);
    assert_int_equal(got->revision, 2);
}

TEST(a_row_about_a_merged_organisation_is_reported)
{
    given_organisation("a", "A");
    given_organisation("b", "B");
    merge("a", "b");
    OrganisationRow row = a_row("a", "A");
    OrganisationRow *rows[] = { &row };
    assert_true(is_reported(import(rows, 1, false), 1, "slug"));
}

TEST(reports_are_bounded_and_the_rest_is_counted)
{
    static OrganisationRow rows[600];
    OrganisationRow *all[600];
    for (size_t i = 0; i < 600; i++) {
        rows[i] = (OrganisationRow)ORGANISATION_ROW_INIT;
        all[i] = &rows[i];
    }
    const ImportOrganisationsResponse *response = import(all, 600, false);
    assert_int_equal(response->n_reports, 1000);
    assert_true(response->reports_dropped >= 1000);
}

TEST(overlong_slugs_are_reported_and_fail_nothing)
{
    char slug[150 * 4 + 1] = { 0 };
    for (size_t i = 0; i + 4 < sizeof(slug); i += 4)
        memcpy(slug + i, "\xf0\x9f\x98\x80", 4); /* 600 bytes: longer than any key */
    OrganisationRow row = a_row(slug, "A"), other = a_row("b", "B");
    other.parent_slug = slug;
    row.care_areas = (char *[]) { slug };
    row.n_care_areas = 1;
    OrganisationRow *rows[] = { &row, &other };
    const ImportOrganisationsResponse *response = import(rows, 2, false);
    assert_true(is_reported(response, 1, "slug"));
    assert_true(is_reported(response, 1, "care_areas"));
    assert_true(is_reported(response, 2, "parent_slug"));
}

TEST(a_municipality_lies_in_a_region_stated)
{
    given_reference_data();
    char *region[] = { "12" }, *municipality[] = { "0114" };
    OrganisationRow row = a_row("a", "A");
    row.region_code = region;
    row.n_region_code = 1;
    row.municipality_code = municipality;
    row.n_municipality_code = 1;
    OrganisationRow *rows[] = { &row };
    assert_true(is_reported(import(rows, 1, false), 1, "municipality_code"));
    row.n_region_code = 0;
    assert_true(import(rows, 1, false)->accepted);
}

TEST(no_rows_are_right_and_change_nothing)
{
    const ImportOrganisationsResponse *response = import(NULL, 0, false);
    assert_true(response->accepted);
    then_no_event();
}

/* ---- reference data ---- */

TEST(reference_data_is_checked_and_points_to_what_is_known)
{
    Region region = REGION_INIT;
    char *healthcare[] = { "ingen" };
    region.code = "1";
    region.name = "Län";
    region.region_name = "Region";
    region.healthcare_region = healthcare;
    region.n_healthcare_region = 1;
    Region none = REGION_INIT;
    Region *regions[] = { &region, &none };
    ImportRegionsRequest request = IMPORT_REGIONS_REQUEST_INIT;
    request.rows = regions;
    request.n_rows = 2;
    when(editor(), "ImportRegions", &request);
    const ImportRegionsResponse *response = then_response();
    assert_false(response->accepted);
    then_no_event();
    assert_string_equal(response->reports[0]->field, "code");
    assert_string_equal(response->reports[1]->field, "healthcare_region");
    assert_int_equal(response->reports[2]->row, 2);

    given_reference_data();
    Municipality municipality = MUNICIPALITY_INIT;
    municipality.code = "1299";
    municipality.name = "Påhittad";
    municipality.region_code = "13";
    municipality.healthcare_region = "sodra";
    Municipality *municipalities[] = { &municipality, &municipality };
    ImportMunicipalitiesRequest places = IMPORT_MUNICIPALITIES_REQUEST_INIT;
    places.rows = municipalities;
    places.n_rows = 2;
    when(editor(), "ImportMunicipalities", &places);
    const ImportMunicipalitiesResponse *answer = then_response();
    assert_false(answer->accepted);
    assert_string_equal(answer->reports[0]->field, "region_code");
    assert_string_equal(answer->reports[1]->field, "code"); /* the same code twice */
}

TEST(a_changed_entry_is_revised_and_a_dry_run_stores_nothing)
{
    given_reference_data();
    CareArea area = CARE_AREA_INIT;
    area.slug = "akut-vard";
    area.name_sv = "Akutvård";
    area.name_en = "Emergency care";
    CareArea *areas[] = { &area };
    ImportCareAreasRequest request = IMPORT_CARE_AREAS_REQUEST_INIT;
    request.rows = areas;
    request.n_rows = 1;
    request.dry_run = true;
    when(editor(), "ImportCareAreas", &request);
    assert_int_equal(((const ImportCareAreasResponse *)then_response())->revised, 1);
    then_no_event();
    request.dry_run = false;
    when(editor(), "ImportCareAreas", &request);
    then_event(0, "CareAreaRecorded");
    GetCareAreaRequest get = GET_CARE_AREA_REQUEST_INIT;
    get.slug = "akut-vard";
    GetCareAreaResponse *got;
    ask(anonymous(), "GetCareArea", &get, &got);
    assert_string_equal(got->care_area->name_sv, "Akutvård");
    area.slug = "";
    area.name_en = "";
    when(editor(), "ImportCareAreas", &request);
    assert_false(((const ImportCareAreasResponse *)then_response())->accepted);
}

TEST(each_kind_of_reference_data_refuses_what_is_not_right)
{
    PatientRight right = PATIENT_RIGHT_INIT;
    PatientRight *rights[] = { &right };
    ImportPatientRightsRequest r = IMPORT_PATIENT_RIGHTS_REQUEST_INIT;
    r.rows = rights;
    r.n_rows = 1;
    when(editor(), "ImportPatientRights", &r);
    assert_int_equal(((const ImportPatientRightsResponse *)then_response())->n_reports, 5);

    Term term = TERM_INIT;
    Term *terms[] = { &term };
    ImportGlossaryRequest g = IMPORT_GLOSSARY_REQUEST_INIT;
    g.rows = terms;
    g.n_rows = 1;
    when(editor(), "ImportGlossary", &g);
    assert_int_equal(((const ImportGlossaryResponse *)then_response())->n_reports, 2);

    HealthcareRegion region = HEALTHCARE_REGION_INIT;
    char *codes[] = { "1", "12" };
    region.slug = "norr";
    region.name = "Norr";
    region.official_name = "Norr";
    region.region_codes = codes;
    region.n_region_codes = 2;
    HealthcareRegion *regions[] = { &region };
    ImportHealthcareRegionsRequest h = IMPORT_HEALTHCARE_REGIONS_REQUEST_INIT;
    h.rows = regions;
    h.n_rows = 1;
    when(editor(), "ImportHealthcareRegions", &h);
    assert_int_equal(((const ImportHealthcareRegionsResponse *)then_response())->n_reports, 1);

    Helpline line = HELPLINE_INIT;
    line.slug = "linjen";
    line.name_sv = "Linjen";
    line.phone = "ring oss";
    line.for_whom_sv = "Alla";
    line.organisation_slug = "ingen";
    Helpline *lines[] = { &line };
    ImportHelplinesRequest l = IMPORT_HELPLINES_REQUEST_INIT;
    l.rows = lines;
    l.n_rows = 1;
    when(editor(), "ImportHelplines", &l);
    assert_int_equal(((const ImportHelplinesResponse *)then_response())->n_reports, 2);
}

TEST(a_helpline_is_confirmed_until_its_number_changes)
{
    Helpline line = HELPLINE_INIT;
    line.slug = "linjen";
    line.name_sv = "Linjen";
    line.phone = "08-000 00 00";
    line.for_whom_sv = "Alla";
    line.last_confirmed = "1999-01-01"; /* a file cannot confirm */
    Helpline *lines[] = { &line };
    ImportHelplinesRequest request = IMPORT_HELPLINES_REQUEST_INIT;
    request.rows = lines;
    request.n_rows = 1;
    when(editor(), "ImportHelplines", &request);
    ListHelplinesRequest list = LIST_HELPLINES_REQUEST_INIT;
    ListHelplinesResponse *listed;
    ask(anonymous(), "ListHelplines", &list, &listed);
    assert_string_equal(listed->helplines[0]->last_confirmed, "");

    ConfirmHelplineRequest confirm = CONFIRM_HELPLINE_REQUEST_INIT;
    confirm.slug = "linjen";
    when(editor(), "ConfirmHelpline", &confirm);
    then_event(0, "HelplineConfirmed");
    when(editor(), "ConfirmHelpline", &confirm);
    then_ok();
    then_no_event();
    when(editor(), "ImportHelplines", &request);
    then_no_event();
    ask(anonymous(), "ListHelplines", &list, &listed);
    assert_string_equal(listed->helplines[0]->last_confirmed, "2026-01-01");
    line.phone = "08-000 00 01";
    when(editor(), "ImportHelplines", &request);
    then_event(0, "HelplineRecorded");
    ask(anonymous(), "ListHelplines", &list, &listed);
    assert_string_equal(listed->helplines[0]->last_confirmed, "");
    confirm.slug = "ingen";
    when(editor(), "ConfirmHelpline", &confirm);
    then_refused(CODE_NOT_FOUND);
}

TEST(reference_data_is_read_back)
{
    given_reference_data();
    ListRightsRequest rights = LIST_RIGHTS_REQUEST_INIT;
    ListRightsResponse *all;
    ask(anonymous(), "ListRights", &rights, &all);
    assert_int_equal(all->n_rights, 14);
    assert_int_equal(all->rights[13]->number, 14);
    GetRightRequest right = GET_RIGHT_REQUEST_INIT;
    right.slug = "ratten-till-information";
    GetRightResponse *one;
    ask(anonymous(), "GetRight", &right, &one);
    assert_int_equal(one->right->number, 3);
    ListRegionsRequest regions = LIST_REGIONS_REQUEST_INIT;
    ListRegionsResponse *all_regions;
    ask(anonymous(), "ListRegions", &regions, &all_regions);
    assert_int_equal(all_regions->n_regions, 21);
    ListHealthcareRegionsRequest healthcare = LIST_HEALTHCARE_REGIONS_REQUEST_INIT;
    ListHealthcareRegionsResponse *all_healthcare;
    ask(anonymous(), "ListHealthcareRegions", &healthcare, &all_healthcare);
    assert_int_equal(all_healthcare->n_healthcare_regions, 6);
    ListMunicipalitiesRequest municipalities = LIST_MUNICIPALITIES_REQUEST_INIT;
    ListMunicipalitiesResponse *all_municipalities;
    ask(anonymous(), "ListMunicipalities", &municipalities, &all_municipalities);
    assert_int_equal(all_municipalities->n_municipalities, 290);
    municipalities.region_code = "13";
    ask(anonymous(), "ListMunicipalities", &municipalities, &all_municipalities);
    assert_int_equal(all_municipalities->n_municipalities, 6);
    municipalities.region_code = "99";
    ask(anonymous(), "ListMunicipalities", &municipalities, &all_municipalities);
    then_refused(CODE_NOT_FOUND);
}

TEST(a_term_is_looked_up_whatever_the_case_with_all_its_meanings)
{
    given_reference_data();
    LookUpTermsRequest request = LOOK_UP_TERMS_REQUEST_INIT;
    LookUpTermsResponse *response;
    request.query = "tlv";
    ask(anonymous(), "LookUpTerms", &request, &response);
    assert_int_equal(response->n_terms, 1);
    assert_string_equal(response->terms[0]->abbreviation, "TLV");
    request.query = "Ra";
    ask(anonymous(), "LookUpTerms", &request, &response);
    assert_string_equal(response->terms[0]->abbreviation, "RA");
    assert_true(response->n_terms >= 2); /* RAG begins so */
    Term term = TERM_INIT;
    term.abbreviation = "RA";
    term.term_sv = "Påhittad andra betydelse";
    Term *terms[] = { &term };
    ImportGlossaryRequest import = IMPORT_GLOSSARY_REQUEST_INIT;
    import.rows = terms;
    import.n_rows = 1;
    when(editor(), "ImportGlossary", &import);
    then_event(0, "TermRecorded");
    request.limit = 2;
    ask(anonymous(), "LookUpTerms", &request, &response);
    assert_string_equal(response->terms[0]->abbreviation, "RA");
    assert_string_equal(response->terms[1]->abbreviation, "RA");
    request.query = "";
    request.limit = 200;
    ask(anonymous(), "LookUpTerms", &request, &response);
    assert_int_equal(response->n_terms, 150);
    request.query = "!";
    ask(anonymous(), "LookUpTerms", &request, &response);
    then_violation("query");
}

/* ---- exports ---- */

/* All pages, one after the other. */
static char *export_all(ExportFormat format, size_t *ret_pages)
{
    static char content[8 * 1024 * 1024];
    ExportOrganisationsRequest request = EXPORT_ORGANISATIONS_REQUEST_INIT;
    request.format = format;
    size_t len = 0;
    *ret_pages = 0;
    do {
        ExportOrganisationsResponse *page;
        ask(anonymous(), "ExportOrganisations", &request, &page);
        then_ok();
        size_t n = strlen(page->content);
        assert_true(n < 1024 * 1024 && len + n < sizeof(content));
        memcpy(content + len, page->content, n + 1);
        len += n;
        request.page_token = page->next_page_token;
        (*ret_pages)++;
    } while (*request.page_token);
    return content;
}

TEST(an_export_imported_again_changes_nothing)
{
    given_real_organisations();
    Organisation o = an_organisation("citat", "Namn, med \"citat\"");
    o.description = "Två\nrader, och | streck";
    register_organisation(&o);
    then_ok();
    given_organisation("gammal", "Gammal");
    merge("gammal", "citat");
    size_t pages, n;
    char *csv = export_all(EXPORT_FORMAT_CSV, &pages);
    assert_int_equal(pages, 1);
    void **rows = read_csv(csv, strlen(csv), ORGANISATION_ROW_DESCRIPTOR, &n);
    assert_int_equal(n, 401); /* the merged one cannot be said in a row */
    const ImportOrganisationsResponse *response = import((void *)rows, n, false);
    assert_true(response->accepted);
    assert_int_equal(response->unchanged, 401);
    then_no_event();
}

TEST(json_lines_hold_every_organisation)
{
    given_real_organisations();
    size_t pages, lines = 0;
    char *json = export_all(EXPORT_FORMAT_JSON_LINES, &pages);
    for (char *p = json; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 400);
    assert_non_null(strstr(json, "{\"slug\":\"nsph\""));
}

TEST(a_large_export_comes_in_pages_of_whole_lines)
{
    static char text[3500];
    memset(text, 'x', sizeof(text) - 1);
    static OrganisationRow rows[400];
    static char slugs[400][16];
    OrganisationRow *all[400];
    for (size_t i = 0; i < 400; i++) {
        (void)snprintf(slugs[i], sizeof(slugs[i]), "o%03zu", i);
        rows[i] = a_row(slugs[i], slugs[i]);
        rows[i].description = text;
        all[i] = &rows[i];
    }
    assert_true(import(all, 400, false)->accepted);
    size_t pages, n;
    char *csv = export_all(EXPORT_FORMAT_CSV, &pages);
    assert_int_equal(pages, 2);
    void **read = read_csv(csv, strlen(csv), ORGANISATION_ROW_DESCRIPTOR, &n);
    assert_int_equal(import((void *)read, n, false)->unchanged, 400);
    ExportOrganisationsRequest request = EXPORT_ORGANISATIONS_REQUEST_INIT;
    request.format = EXPORT_FORMAT_CSV;
    request.page_token = "zzzz";
    ExportOrganisationsResponse *page;
    ask(anonymous(), "ExportOrganisations", &request, &page);
    then_violation("page_token");
    request.format = 77;
    ask(anonymous(), "ExportOrganisations", &request, &page);
    then_refused(CODE_INVALID_ARGUMENT);
}

TESTS(&directory_service)
