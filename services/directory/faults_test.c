/* faults_test.c - memory ends and puts fail at each place in turn: the call fails whole, nothing of it is stored, and the same call
 * afterwards is right. After every test the log is replayed, so a half-stored change would show. */
#include "common/fault.h"
#include "services/directory/testing.h"

#ifdef FOKUS_FAULTS

/* Runs a command with the nth passage of the fault point failing, for each n from `first` on, until one run meets none. The
 * last run changes the directory as it should. */
static void walk(enum fault_point point, unsigned long first, const char *method,
                 const void *request, size_t events)
{
    for (unsigned long n = first;; n++) {
        fault_arm(point, n);
        when(editor(), method, request);
        bool met = fault_count(point) >= n;
        fault_arm(point, 0);
        if (!met) {
            then_ok();
            assert_int_equal(then_event_count(), events);
            return;
        }
        if (then_event_count() > 0) { /* the batch was redone without the fault */
            assert_int_equal(then_event_count(), events);
            return;
        }
        assert_true(n < 100000);
    }
}

static OrganisationRow a_row(const char *slug, const char *parent)
{
    static char *places[] = { "12" }, *areas[] = { "akut-vard" };
    OrganisationRow row = ORGANISATION_ROW_INIT;
    row.slug = (char *)slug;
    row.name = (char *)slug;
    row.parent_slug = (char *)parent;
    row.kind = ORGANISATION_KIND_NETWORK;
    row.level = ORGANISATION_LEVEL_REGIONAL;
    row.region_code = places;
    row.n_region_code = 1;
    row.care_areas = areas;
    row.n_care_areas = 1;
    return row;
}

/* The first allocation belongs to the test itself, which packs the request. */
static void walk_all_points(const char *method, const void *request, size_t events)
{
    walk(FAULT_ARENA, 2, method, request, events);
}

TEST(an_import_without_memory_is_refused_whole)
{
    given_reference_data();
    OrganisationRow a = a_row("a", "b"), b = a_row("b", "");
    OrganisationRow *rows[] = { &a, &b };
    ImportOrganisationsRequest request = IMPORT_ORGANISATIONS_REQUEST_INIT;
    request.rows = rows;
    request.n_rows = 2;
    walk_all_points("ImportOrganisations", &request, 2);
    assert_non_null(get_organisation("a"));
    b.website = "https://b.example";
    walk_all_points("ImportOrganisations", &request, 1);
}

TEST(reports_without_memory_are_refused_whole)
{
    OrganisationRow a = a_row("A", "b");
    OrganisationRow *rows[] = { &a };
    ImportOrganisationsRequest request = IMPORT_ORGANISATIONS_REQUEST_INIT;
    request.rows = rows;
    request.n_rows = 1;
    walk_all_points("ImportOrganisations", &request, 0);
}

TEST(reference_data_without_memory_is_refused_whole)
{
    Term term = TERM_INIT;
    term.abbreviation = "PÅH";
    term.term_sv = "Påhitt";
    Term *terms[] = { &term };
    ImportGlossaryRequest request = IMPORT_GLOSSARY_REQUEST_INIT;
    request.rows = terms;
    request.n_rows = 1;
    walk_all_points("ImportGlossary", &request, 1);
    term.source = "påhittad";
    walk_all_points("ImportGlossary", &request, 1);
}

TEST(an_organisations_life_without_memory_leaves_nothing_half)
{
    Organisation o = an_organisation("a", "A");
    RegisterOrganisationRequest registering = REGISTER_ORGANISATION_REQUEST_INIT;
    registering.organisation = &o;
    walk_all_points("RegisterOrganisation", &registering, 1);
    given_organisation("b", "B");

    char *paths[] = { "name" };
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    mask.paths = paths;
    mask.n_paths = 1;
    Organisation values = an_organisation("", "Ny");
    ReviseOrganisationRequest revising = REVISE_ORGANISATION_REQUEST_INIT;
    revising.slug = "a";
    revising.revision = 1;
    revising.organisation = &values;
    revising.update_mask = &mask;
    walk_all_points("ReviseOrganisation", &revising, 1);

    ConfirmOrganisationRequest confirming = CONFIRM_ORGANISATION_REQUEST_INIT;
    confirming.slug = "a";
    walk_all_points("ConfirmOrganisation", &confirming, 1);
    MergeOrganisationsRequest merging = MERGE_ORGANISATIONS_REQUEST_INIT;
    merging.slug = "a";
    merging.into = "b";
    walk_all_points("MergeOrganisations", &merging, 1);
    UnmergeOrganisationsRequest unmerging = UNMERGE_ORGANISATIONS_REQUEST_INIT;
    unmerging.slug = "a";
    walk_all_points("UnmergeOrganisations", &unmerging, 1);
    CloseOrganisationRequest closing = CLOSE_ORGANISATION_REQUEST_INIT;
    closing.slug = "a";
    closing.reason = "Slut";
    walk_all_points("CloseOrganisation", &closing, 1);
}

TEST(a_suggestions_life_without_memory_leaves_nothing_half)
{
    Organisation o = an_organisation("", "A");
    SuggestOrganisationRequest suggesting = SUGGEST_ORGANISATION_REQUEST_INIT;
    suggesting.organisation = &o;
    walk_all_points("SuggestOrganisation", &suggesting, 1);
    AcceptSuggestionRequest accepting = ACCEPT_SUGGESTION_REQUEST_INIT;
    accepting.number = 1;
    accepting.slug = "a";
    walk_all_points("AcceptSuggestion", &accepting, 2);
    ReportErrorRequest reporting = REPORT_ERROR_REQUEST_INIT;
    reporting.entry_type = ENTRY_TYPE_ORGANISATION;
    reporting.key = "a";
    reporting.text = "Fel namn";
    walk_all_points("ReportError", &reporting, 1);
    ResolveErrorReportRequest resolving = RESOLVE_ERROR_REPORT_REQUEST_INIT;
    resolving.number = 1;
    resolving.resolution = "Rättat";
    walk_all_points("ResolveErrorReport", &resolving, 1);
}

/* Another organisation each time, so that every place of apply() is reached, also where the batch is then redone and succeeds. */
static void register_one_after_the_other(enum fault_point point, unsigned long first)
{
    for (unsigned long n = first;; n++) {
        char slug[32];
        (void)snprintf(slug, sizeof(slug), "o%lu", n);
        Organisation o = an_organisation(slug, "Ett namn med flera ord");
        fault_arm(point, n);
        register_organisation(&o);
        bool met = fault_count(point) >= n;
        fault_arm(point, 0);
        bool stored = then_event_count() == 1;
        const GetOrganisationResponse *got = get_organisation(slug);
        assert_int_equal(got != NULL, stored);
        if (!met) {
            assert_true(stored);
            return;
        }
        assert_true(n < 100000);
    }
}

TEST(a_put_that_fails_leaves_nothing_half)
{
    register_one_after_the_other(FAULT_PUT, 1);
}

TEST(an_allocation_that_fails_leaves_nothing_half)
{
    register_one_after_the_other(FAULT_ARENA, 2);
}

#else

TEST(fault_points_are_not_compiled_in)
{
    /* The presets for tests compile them in; a release build has none to arm. */
}

#endif

TESTS(&directory_service)
