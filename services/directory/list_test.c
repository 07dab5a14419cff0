/* list_test.c - lists, names, counts and duplicates. */
#include "services/directory/testing.h"

static ListOrganisationsResponse *list(OrganisationFilter *filter, uint32_t size, const char *token)
{
    ListOrganisationsRequest request = LIST_ORGANISATIONS_REQUEST_INIT;
    request.filter = filter;
    request.page_size = size;
    request.page_token = (char *)token;
    ListOrganisationsResponse *response;
    ask(anonymous(), "ListOrganisations", &request, &response);
    return response;
}

static uint64_t total(OrganisationFilter *filter)
{
    const ListOrganisationsResponse *response = list(filter, 1, "");
    then_ok();
    return response->total_size;
}

TEST(every_query_answers_in_an_empty_directory)
{
    const ListOrganisationsResponse *all = list(NULL, 0, "");
    assert_int_equal(all->n_organisations, 0);
    assert_int_equal(all->total_size, 0);
    assert_null(get_organisation("a"));
    then_refused(CODE_NOT_FOUND);
    static const struct {
        const char *method;
        const ProtobufCMessageDescriptor *request;
    } empty[] = {
        { "CountOrganisations", COUNT_ORGANISATIONS_REQUEST_DESCRIPTOR },
        { "FindDuplicates", FIND_DUPLICATES_REQUEST_DESCRIPTOR },
        { "LookUpTerms", LOOK_UP_TERMS_REQUEST_DESCRIPTOR },
        { "ListCareAreas", LIST_CARE_AREAS_REQUEST_DESCRIPTOR },
        { "ListRights", LIST_RIGHTS_REQUEST_DESCRIPTOR },
        { "ListRegions", LIST_REGIONS_REQUEST_DESCRIPTOR },
        { "ListHealthcareRegions", LIST_HEALTHCARE_REGIONS_REQUEST_DESCRIPTOR },
        { "ListMunicipalities", LIST_MUNICIPALITIES_REQUEST_DESCRIPTOR },
        { "ListHelplines", LIST_HELPLINES_REQUEST_DESCRIPTOR },
        { "ListSuggestions", LIST_SUGGESTIONS_REQUEST_DESCRIPTOR },
        { "ListErrorReports", LIST_ERROR_REPORTS_REQUEST_DESCRIPTOR },
    };
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        ProtobufCMessage *request = test_malloc(empty[i].request->sizeof_message);
        protobuf_c_message_init(empty[i].request, request);
        void *response;
        ask(editor(), empty[i].method, request, &response);
        then_ok();
        test_free(request);
    }
    FindByNameRequest find = FIND_BY_NAME_REQUEST_INIT;
    find.query = "a";
    FindByNameResponse *found;
    ask(anonymous(), "FindByName", &find, &found);
    then_ok();
    ListStaleRequest stale = LIST_STALE_REQUEST_INIT;
    stale.not_confirmed_since = "2026-01-01";
    ListStaleResponse *stales;
    ask(anonymous(), "ListStale", &stale, &stales);
    then_ok();
    ExportOrganisationsRequest export = EXPORT_ORGANISATIONS_REQUEST_INIT;
    export.format = EXPORT_FORMAT_JSON_LINES;
    ExportOrganisationsResponse *exported;
    ask(anonymous(), "ExportOrganisations", &export, &exported);
    then_ok();
    assert_string_equal(exported->content, "");
    GetRightRequest right = GET_RIGHT_REQUEST_INIT;
    GetRightResponse *rights;
    ask(anonymous(), "GetRight", &right, &rights);
    then_violation("number");
    right.number = 1;
    ask(anonymous(), "GetRight", &right, &rights);
    then_refused(CODE_NOT_FOUND);
    GetCareAreaRequest area = GET_CARE_AREA_REQUEST_INIT;
    area.slug = "a";
    GetCareAreaResponse *areas;
    ask(anonymous(), "GetCareArea", &area, &areas);
    then_refused(CODE_NOT_FOUND);
    GetSuggestionRequest suggestion = GET_SUGGESTION_REQUEST_INIT;
    suggestion.number = 1;
    GetSuggestionResponse *suggestions;
    ask(anonymous(), "GetSuggestion", &suggestion, &suggestions);
    then_refused(CODE_NOT_FOUND);
}

TEST(lists_are_in_swedish_alphabetical_order)
{
    const char *const names[] = { "Östra", "Zebra", "Ärlig", "apan", "Ångström", "Apan", "Bo" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char slug[] = { 's', (char)('0' + i), 0 };
        given_organisation(slug, names[i]);
    }
    const ListOrganisationsResponse *all = list(NULL, 0, "");
    const char *const sorted[] = { "apan", "Apan", "Bo", "Zebra", "Ångström", "Ärlig", "Östra" };
    assert_int_equal(all->n_organisations, ARRAY_LEN(sorted));
    for (size_t i = 0; i < ARRAY_LEN(sorted); i++)
        assert_string_equal(all->organisations[i]->name, sorted[i]);
}

TEST(pages_show_each_organisation_once_whatever_comes_meanwhile)
{
    for (int i = 0; i < 50; i++) {
        char slug[16];
        (void)snprintf(slug, sizeof(slug), "o%02d", i);
        given_organisation(slug, slug);
    }
    int seen[50] = { 0 };
    const char *token = "";
    int pages = 0;
    do {
        const ListOrganisationsResponse *page = list(NULL, 7, token);
        then_ok();
        for (size_t i = 0; i < page->n_organisations; i++) {
            int number = -1;
            if (sscanf(page->organisations[i]->slug, "o%d", &number) == 1)
                seen[number]++;
        }
        token = page->next_page_token;
        /* One before and one after the place reached. */
        char before[16], after[16];
        (void)snprintf(before, sizeof(before), "a%02d", pages);
        (void)snprintf(after, sizeof(after), "z%02d", pages);
        if (pages++ < 5) {
            given_organisation(before, before);
            given_organisation(after, after);
        }
    } while (*token);
    for (int i = 0; i < 50; i++)
        assert_int_equal(seen[i], 1);
    assert_true(pages > 7);
    assert_int_equal(total(NULL), 60);
}

TEST(pages_of_a_filter_cover_all_that_fit_once)
{
    given_real_organisations();
    OrganisationFilter filter = ORGANISATION_FILTER_INIT;
    OrganisationKind kinds[] = { ORGANISATION_KIND_NETWORK, ORGANISATION_KIND_AUTHORITY };
    filter.kinds = kinds;
    filter.n_kinds = 2;
    char *slugs[100];
    size_t n = 0;
    const char *token = "";
    do {
        const ListOrganisationsResponse *page = list(&filter, 10, token);
        then_ok();
        assert_int_equal(page->total_size, 22 + 31);
        for (size_t i = 0; i < page->n_organisations; i++) {
            for (size_t j = 0; j < n; j++)
                assert_string_not_equal(slugs[j], page->organisations[i]->slug);
            slugs[n++] = page->organisations[i]->slug;
        }
        token = page->next_page_token;
    } while (*token);
    assert_int_equal(n, 22 + 31);
}

TEST(a_page_token_of_another_filter_is_refused)
{
    given_organisation("a", "A");
    given_organisation("b", "B");
    const char *token = list(NULL, 1, "")->next_page_token;
    assert_true(*token);
    OrganisationFilter filter = ORGANISATION_FILTER_INIT;
    OrganisationLevel level = ORGANISATION_LEVEL_NATIONAL;
    filter.levels = &level;
    filter.n_levels = 1;
    list(&filter, 1, token);
    then_violation("page_token");
    list(NULL, 1, "not a token");
    then_violation("page_token");
    list(NULL, 1, "AAAA");
    then_violation("page_token");
    const ListOrganisationsResponse *last = list(NULL, 1, token);
    then_ok();
    assert_string_equal(last->organisations[0]->slug, "b");
    assert_string_equal(last->next_page_token, "");
}

TEST(filters_narrow_each_other_down)
{
    given_real_organisations();
    assert_int_equal(total(NULL), 400);
    OrganisationFilter filter = ORGANISATION_FILTER_INIT;
    OrganisationLevel local = ORGANISATION_LEVEL_LOCAL;
    filter.levels = &local;
    filter.n_levels = 1;
    assert_int_equal(total(&filter), 33);

    char *skane[] = { "12" };
    OrganisationFilter region = ORGANISATION_FILTER_INIT;
    region.region_codes = skane;
    region.n_region_codes = 1;
    uint64_t in_skane = total(&region);
    assert_int_equal(in_skane, 11);
    region.include_national = true;
    assert_int_equal(total(&region), 11 + 277);
    region.include_national = false;
    region.levels = &local;
    region.n_levels = 1;
    assert_true(total(&region) < in_skane);

    OrganisationFilter unknown = ORGANISATION_FILTER_INIT;
    UnknownField fields[] = { UNKNOWN_FIELD_CARE_AREAS, UNKNOWN_FIELD_WEBSITE };
    unknown.unknown = fields;
    unknown.n_unknown = 1;
    assert_int_equal(total(&unknown), 80);
    unknown.n_unknown = 2;
    assert_true(total(&unknown) <= 80);

    OrganisationFilter parent = ORGANISATION_FILTER_INIT;
    parent.parent_slug = "ingen-sadan";
    assert_int_equal(total(&parent), 0);
    parent.parent_slug = "funktionsratt-sverige";
    assert_true(total(&parent) > 10);
}

TEST(a_care_area_is_counted_as_it_is_listed)
{
    given_real_organisations();
    ListCareAreasRequest request = LIST_CARE_AREAS_REQUEST_INIT;
    ListCareAreasResponse *areas;
    ask(anonymous(), "ListCareAreas", &request, &areas);
    assert_int_equal(areas->n_care_areas, 25);
    for (size_t i = 0; i < areas->n_care_areas; i++) {
        OrganisationFilter filter = ORGANISATION_FILTER_INIT;
        char *slugs[] = { areas->care_areas[i]->care_area->slug };
        filter.care_areas = slugs;
        filter.n_care_areas = 1;
        assert_int_equal(total(&filter), areas->care_areas[i]->organisation_count);
        GetCareAreaRequest one = GET_CARE_AREA_REQUEST_INIT;
        one.slug = slugs[0];
        GetCareAreaResponse *got;
        ask(anonymous(), "GetCareArea", &one, &got);
        assert_int_equal(got->organisation_count, areas->care_areas[i]->organisation_count);
    }
}

/* Halland is divided: Kungsbacka (1384) belongs to the western healthcare region, Halmstad (1380) to the southern. */
TEST(a_municipality_decides_the_healthcare_region_before_its_region_does)
{
    given_reference_data();
    char *halland[] = { "13" }, *kungsbacka[] = { "1384" }, *halmstad[] = { "1380" };
    Organisation o = an_organisation("halland", "Halland");
    o.level = ORGANISATION_LEVEL_REGIONAL;
    o.region_codes = halland;
    o.n_region_codes = 1;
    register_organisation(&o);
    o.slug = "kungsbacka";
    o.municipality_codes = kungsbacka;
    o.n_municipality_codes = 1;
    register_organisation(&o);
    o.slug = "halmstad";
    o.municipality_codes = halmstad;
    o.n_region_codes = 0;
    register_organisation(&o);
    then_ok();

    OrganisationFilter filter = ORGANISATION_FILTER_INIT;
    char *vastra[] = { "vastra" }, *sodra[] = { "sodra" }, *norra[] = { "norra" };
    filter.n_healthcare_regions = 1;
    filter.healthcare_regions = vastra;
    assert_int_equal(total(&filter), 2);
    filter.healthcare_regions = sodra;
    assert_int_equal(total(&filter), 2);
    filter.healthcare_regions = norra;
    assert_int_equal(total(&filter), 0);

    OrganisationFilter place = ORGANISATION_FILTER_INIT;
    place.region_codes = halland;
    place.n_region_codes = 1;
    assert_int_equal(total(&place), 3); /* a municipality lies in its region */
    place.n_region_codes = 0;
    place.municipality_codes = kungsbacka;
    place.n_municipality_codes = 1;
    assert_int_equal(total(&place), 1);
}

TEST(closed_and_merged_are_listed_when_asked_for)
{
    given_organisation("a", "A");
    given_organisation("b", "B");
    given_organisation("c", "C");
    close_organisation("a", "Slut");
    merge("b", "c");
    assert_int_equal(total(NULL), 1);
    OrganisationFilter filter = ORGANISATION_FILTER_INIT;
    OrganisationState states[] = { ORGANISATION_STATE_CLOSED, ORGANISATION_STATE_MERGED };
    filter.states = states;
    filter.n_states = 2;
    assert_int_equal(total(&filter), 2);
}

TEST(children_of_a_duplicate_count_under_where_it_went)
{
    given_organisation("old", "Old");
    given_organisation("new", "New");
    given_organisation("newer", "Newer");
    Organisation child = an_organisation("child", "Child");
    child.parent_slug = "old";
    register_organisation(&child);
    merge("old", "new");
    merge("new", "newer");
    OrganisationFilter filter = ORGANISATION_FILTER_INIT;
    filter.parent_slug = "newer";
    assert_int_equal(total(&filter), 1);
    filter.parent_slug = "old";
    assert_int_equal(total(&filter), 1);
    unmerge("new");
    filter.parent_slug = "newer";
    assert_int_equal(total(&filter), 0);
}

TEST(stale_ones_are_those_not_confirmed_since_a_day)
{
    given_organisation("a", "A");
    given_organisation("b", "B");
    ConfirmOrganisationRequest confirm = CONFIRM_ORGANISATION_REQUEST_INIT;
    confirm.slug = "a"; /* on 2026-01-01 */
    when(editor(), "ConfirmOrganisation", &confirm);
    ListStaleRequest request = LIST_STALE_REQUEST_INIT;
    ListStaleResponse *response;
    request.not_confirmed_since = "2026-01-01";
    ask(anonymous(), "ListStale", &request, &response);
    assert_int_equal(response->total_size, 1);
    assert_string_equal(response->organisations[0]->slug, "b");
    request.not_confirmed_since = "2026-01-02";
    request.page_size = 1;
    ask(anonymous(), "ListStale", &request, &response);
    assert_int_equal(response->total_size, 2);
    request.page_token = response->next_page_token;
    ask(anonymous(), "ListStale", &request, &response);
    assert_string_equal(response->organisations[0]->slug, "b");
}

/* ---- by name ---- */

static const FindByNameResponse *find(const char *query)
{
    FindByNameRequest request = FIND_BY_NAME_REQUEST_INIT;
    request.query = (char *)query;
    FindByNameResponse *response;
    ask(anonymous(), "FindByName", &request, &response);
    return response;
}

TEST(names_are_found_whatever_the_case_accents_and_dots)
{
    char *former[] = { "Förbundet för Påhitt" };
    Organisation o = an_organisation("spes", "S.P.E.S. i Skåne");
    o.short_name = "SPÉS";
    o.former_names = former;
    o.n_former_names = 1;
    register_organisation(&o);
    then_ok();
    const char *const queries[] = { "spes",    "S.P.E.S", "Spes I Ska",   "skåne",       "SKANE",
                                    "förbund", "pahitt",  "fo\xcc\x88rb", "  i   skåne " };
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        const FindByNameResponse *found = find(queries[i]);
        if (!found || found->n_matches != 1)
            fail_msg("'%s' finds %zu", queries[i], found ? found->n_matches : 0);
    }
    assert_string_equal(find("påh")->matches[0]->matched_name, "Förbundet för Påhitt");
    assert_int_equal(find("kåne")->n_matches, 0);
    assert_int_equal(find("spess")->n_matches, 0);
    find("...");
    then_violation("query");
}

TEST(names_that_begin_so_come_before_words_that_do)
{
    given_organisation("b", "Alfa Hjärta");
    given_organisation("a", "Hjärta och lunga");
    given_organisation("c", "Hjärt-Lunga");
    const FindByNameResponse *found = find("hjärt");
    assert_int_equal(found->n_matches, 3);
    assert_string_equal(found->matches[2]->organisation->slug, "b");
    assert_int_equal(find("lunga")->n_matches, 2);      /* also after a hyphen */
    assert_int_equal(find("hjartlunga")->n_matches, 1); /* and without it */
}

TEST(the_name_of_a_duplicate_finds_where_it_went)
{
    given_organisation("old", "Gamla namnet");
    given_organisation("new", "Nya namnet");
    merge("old", "new");
    const FindByNameResponse *found = find("gamla");
    assert_int_equal(found->n_matches, 1);
    assert_string_equal(found->matches[0]->organisation->slug, "new");
    assert_int_equal(find("namnet")->n_matches, 1);
}

TEST(real_names_are_found)
{
    given_real_organisations();
    const FindByNameResponse *found = find("brostcancer");
    assert_true(found->n_matches >= 1);
    found = find("nsph");
    assert_string_equal(found->matches[0]->organisation->slug, "nsph");
    assert_true(find("forbundet")->n_matches <= 20);
}

/* ---- counts ---- */

static const CountOrganisationsResponse *count(CountDimension *by, size_t n,
                                               OrganisationFilter *filter)
{
    CountOrganisationsRequest request = COUNT_ORGANISATIONS_REQUEST_INIT;
    request.group_by = by;
    request.n_group_by = n;
    request.filter = filter;
    CountOrganisationsResponse *response;
    ask(anonymous(), "CountOrganisations", &request, &response);
    return response;
}

static uint64_t sum(const CountOrganisationsResponse *counts)
{
    uint64_t n = 0;
    for (size_t i = 0; i < counts->n_cells; i++)
        n += counts->cells[i]->count;
    return n;
}

TEST(counts_list_every_cell_also_the_empty_and_the_unknown)
{
    given_real_organisations();
    CountDimension by[] = { COUNT_DIMENSION_KIND, COUNT_DIMENSION_LEVEL };
    const CountOrganisationsResponse *counts = count(by, 2, NULL);
    assert_int_equal(counts->n_cells, 9 * 3);
    assert_int_equal(sum(counts), 400);
    assert_int_equal(counts->total, 400);

    CountDimension region[] = { COUNT_DIMENSION_REGION };
    counts = count(region, 1, NULL);
    assert_int_equal(counts->n_cells, 22);
    assert_string_equal(counts->cells[0]->region_code, "");
    assert_int_equal(counts->cells[0]->count, 290);
    assert_int_equal(sum(counts), 400);

    CountDimension all[] = { COUNT_DIMENSION_REGION, COUNT_DIMENSION_CARE_AREA,
                             COUNT_DIMENSION_LEVEL, COUNT_DIMENSION_KIND };
    counts = count(all, 4, NULL);
    assert_int_equal(counts->n_cells, 22 * 26 * 3 * 9);
    assert_int_equal(counts->total, 400);
    assert_true(sum(counts) > 400); /* several areas count in each */

    CountDimension area[] = { COUNT_DIMENSION_CARE_AREA };
    counts = count(area, 1, NULL);
    assert_int_equal(counts->cells[0]->count, 80);
    bool empty = false;
    for (size_t i = 0; i < counts->n_cells; i++)
        empty = empty || counts->cells[i]->count == 0;
    assert_true(empty);

    assert_int_equal(count(NULL, 0, NULL)->total, 400);
    assert_int_equal(count(NULL, 0, NULL)->n_cells, 0);
    CountDimension none[] = { COUNT_DIMENSION_UNSPECIFIED };
    count(none, 1, NULL);
    then_violation("group_by");
}

TEST(a_count_is_of_what_the_filter_lets_through)
{
    given_real_organisations();
    OrganisationFilter filter = ORGANISATION_FILTER_INIT;
    OrganisationKind kind = ORGANISATION_KIND_UMBRELLA;
    filter.kinds = &kind;
    filter.n_kinds = 1;
    CountDimension by[] = { COUNT_DIMENSION_LEVEL };
    const CountOrganisationsResponse *counts = count(by, 1, &filter);
    assert_int_equal(counts->total, 19);
    assert_int_equal(sum(counts), 19);
}

/* ---- duplicates ---- */

TEST(what_looks_alike_is_paired_once_by_its_surest_reason)
{
    Organisation o = an_organisation("a", "Exempelföreningen");
    o.website = "https://www.exempel.example/om";
    o.short_name = "EX";
    register_organisation(&o);
    o = an_organisation("b", "EXEMPEL-FORENINGEN");
    o.website = "http://exempel.example";
    o.short_name = "E.X.";
    register_organisation(&o);
    o = an_organisation("c", "Exempelföreningen i Sverige");
    o.website = "https://exempel.example/c";
    register_organisation(&o);
    o = an_organisation("d", "Ännu något");
    o.short_name = "ex";
    register_organisation(&o);
    given_organisation("e", "Ensam");
    FindDuplicatesRequest request = FIND_DUPLICATES_REQUEST_INIT;
    FindDuplicatesResponse *response;
    ask(anonymous(), "FindDuplicates", &request, &response);
    then_ok();
    assert_int_equal(response->n_pairs, 3);
    assert_int_equal(response->pairs[0]->reason, DUPLICATE_REASON_NAME);
    assert_string_equal(response->pairs[0]->slug, "a");
    assert_string_equal(response->pairs[0]->other_slug, "b");
    assert_int_equal(response->pairs[1]->reason, DUPLICATE_REASON_WEBSITE);
    assert_string_equal(response->pairs[1]->other_slug, "c");
    assert_int_equal(response->pairs[2]->reason, DUPLICATE_REASON_SHORT_NAME);
    assert_string_equal(response->pairs[2]->other_slug, "d");
    assert_false(response->more);

    merge("b", "a");
    request.limit = 1;
    ask(anonymous(), "FindDuplicates", &request, &response);
    assert_int_equal(response->n_pairs, 1);
    assert_string_equal(response->pairs[0]->other_slug, "c");
    assert_true(response->more);
}

TEST(a_shared_website_alone_makes_no_pair)
{
    const char *names[] = { "Exempelcentrum norr", "Exempelcentrum syd", "Exempelcentrum",
                            "Annat" };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char slug[] = { (char)('a' + i), '\0' };
        Organisation o = an_organisation(slug, names[i]);
        o.website = "https://exempel.example";
        if (i == 2)
            o.level = ORGANISATION_LEVEL_REGIONAL; /* whose branches the first two would be */
        register_organisation(&o);
    }
    FindDuplicatesRequest request = FIND_DUPLICATES_REQUEST_INIT;
    FindDuplicatesResponse *response;
    ask(anonymous(), "FindDuplicates", &request, &response);
    then_ok();
    assert_int_equal(response->n_pairs, 0);
}

TESTS(&directory_service)
