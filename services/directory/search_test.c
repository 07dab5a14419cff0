/* search_test.c - the search over the directory: what becomes findable and what no longer, places in queries, counts, order, help. */
#include "services/directory/findable.h"
#include "services/directory/testing.h"

/* ---- asking ---- */

static const SearchDirectoryResponse *search_with(const char *query, SearchFilter *filter,
                                                  uint32_t limit, uint32_t offset)
{
    SearchDirectoryRequest request = SEARCH_DIRECTORY_REQUEST_INIT;
    request.query = (char *)query;
    request.filter = filter;
    request.limit = limit;
    request.offset = offset;
    SearchDirectoryResponse *response;
    ask(anonymous(), "SearchDirectory", &request, &response);
    then_ok();
    return response;
}

static const SearchDirectoryResponse *search(const char *query)
{
    return search_with(query, NULL, 0, 0);
}

/* The place of an entry among the hits, from 1; 0: it is not there. */
static size_t place_of(const SearchDirectoryResponse *res, const char *key)
{
    for (size_t i = 0; i < res->n_hits; i++)
        if (strcmp(res->hits[i]->key, key) == 0)
            return i + 1;
    return 0;
}

static bool finds(const char *query, const char *key)
{
    return place_of(search(query), key) > 0;
}

static void assert_first(const char *query, const char *key)
{
    const SearchDirectoryResponse *res = search(query);
    if (place_of(res, key) != 1)
        fail_msg("'%s' finds '%s' first, not '%s'", query, res->n_hits > 0 ? res->hits[0]->key : "",
                 key);
}

static uint64_t count_of(SearchCount **counts, size_t n, const char *value)
{
    for (size_t i = 0; i < n; i++)
        if (!counts[i]->nationwide && strcmp(counts[i]->value, value) == 0)
            return counts[i]->count;
    return 0;
}

static const CompleteSearchResponse *complete(const char *query)
{
    CompleteSearchRequest request = COMPLETE_SEARCH_REQUEST_INIT;
    request.query = (char *)query;
    CompleteSearchResponse *response;
    ask(anonymous(), "CompleteSearch", &request, &response);
    then_ok();
    return response;
}

/* ---- entries straight into the log, in any order ---- */

#define RECORDED(Body, BODY, arm, ARM, field, message)                                             \
    do {                                                                                           \
        Body body = BODY##_INIT;                                                                   \
        body.field = (message);                                                                    \
        DirectoryEvent event = DIRECTORY_EVENT_INIT;                                               \
        event.body_case = DIRECTORY_EVENT_##ARM;                                                   \
        event.arm = &body;                                                                         \
        given(&event, "x");                                                                        \
    } while (0)

static void given_area(const char *slug, const char *name)
{
    CareArea area = CARE_AREA_INIT;
    area.slug = (char *)slug;
    area.name_sv = (char *)name;
    RECORDED(CareAreaRecorded, CARE_AREA_RECORDED, care_area_recorded, CARE_AREA_RECORDED,
             care_area, &area);
}

static void given_region(const char *code, const char *name, const char *healthcare)
{
    char *slugs[] = { (char *)healthcare };
    Region region = REGION_INIT;
    region.code = (char *)code;
    region.name = (char *)name;
    region.healthcare_region = slugs;
    region.n_healthcare_region = 1;
    RECORDED(RegionRecorded, REGION_RECORDED, region_recorded, REGION_RECORDED, region, &region);
}

static void given_municipality(const char *code, const char *name, const char *healthcare)
{
    Municipality m = MUNICIPALITY_INIT;
    m.code = (char *)code;
    m.name = (char *)name;
    m.region_code = "12";
    m.healthcare_region = (char *)healthcare;
    RECORDED(MunicipalityRecorded, MUNICIPALITY_RECORDED, municipality_recorded,
             MUNICIPALITY_RECORDED, municipality, &m);
}

static void given_local(const char *slug, const char *name, const char *region,
                        const char *municipality, const char *area, const char *parent)
{
    char *regions[] = { (char *)region }, *municipalities[] = { (char *)municipality };
    char *areas[] = { (char *)area };
    Organisation o = an_organisation(slug, name);
    o.level = ORGANISATION_LEVEL_LOCAL;
    o.state = ORGANISATION_STATE_ACTIVE;
    o.revision = 1;
    o.region_codes = regions;
    o.n_region_codes = *region ? 1 : 0;
    o.municipality_codes = municipalities;
    o.n_municipality_codes = *municipality ? 1 : 0;
    o.care_areas = areas;
    o.n_care_areas = *area ? 1 : 0;
    o.parent_slug = (char *)parent;
    RECORDED(OrganisationRegistered, ORGANISATION_REGISTERED, organisation_registered,
             ORGANISATION_REGISTERED, organisation, &o);
}

static void given_words(void)
{
    IMPORT_FILE("ImportSynonyms", IMPORT_SYNONYMS, ImportSynonymsRequest, ImportSynonymsResponse,
                "synonyms.csv", SYNONYM);
}

/* ---- what is findable ---- */

TEST(an_organisation_is_found_by_its_names_and_its_description)
{
    char *former[] = { "Gamla Kvastbindarna" };
    Organisation o = an_organisation("kvast", "Kvastförbundet");
    o.short_name = "KVF";
    o.former_names = former;
    o.n_former_names = 1;
    o.description = "Stöd till den som binder kvastar och borstar.";
    register_organisation(&o);
    then_ok();
    assert_first("kvastförbundet", "kvast");
    assert_first("KVASTFORBUNDET", "kvast");
    assert_first("kvf", "kvast");
    assert_first("borste", "kvast");
    const SearchDirectoryResponse *res = search("gamla kvastbindarna");
    assert_int_equal(place_of(res, "kvast"), 1);
    assert_false(finds("fiske", "kvast"));
}

TEST(a_former_name_is_shown_when_it_alone_says_why)
{
    char *former[] = { "Piassavaklubben" };
    Organisation o = an_organisation("kvast", "Kvastförbundet");
    o.former_names = former;
    o.n_former_names = 1;
    register_organisation(&o);
    then_ok();
    assert_string_equal(search("piassavaklubben")->hits[0]->former_name, "Piassavaklubben");
    assert_string_equal(search("kvastförbundet")->hits[0]->former_name, "");
}

TEST(a_revision_is_found_by_the_new_words_and_no_longer_by_the_old)
{
    given_organisation("a", "Kvastförbundet");
    Organisation values = an_organisation("", "Borstförbundet");
    revise("a", 1, "name", &values);
    then_ok();
    assert_true(finds("borstförbundet", "a"));
    assert_false(finds("kvast", "a"));
}

TEST(closed_and_merged_ones_are_not_found_and_an_unmerged_one_is)
{
    given_organisation("a", "Kvastförbundet");
    given_organisation("b", "Sopborstförbundet");
    merge("a", "b");
    then_ok();
    assert_false(finds("kvastförbundet", "a"));
    unmerge("a");
    then_ok();
    assert_true(finds("kvastförbundet", "a"));
    close_organisation("a", "Slut");
    then_ok();
    assert_false(finds("kvastförbundet", "a"));
}

TEST(a_dormant_one_is_found_and_marked)
{
    given_organisation("a", "Kvastförbundet");
    given_organisation("b", "Kvastförbundet");
    Organisation values = an_organisation("", "");
    values.state = ORGANISATION_STATE_DORMANT;
    revise("a", 1, "state", &values);
    then_ok();
    const SearchDirectoryResponse *res = search("kvast");
    assert_int_equal(place_of(res, "b"), 1);
    assert_int_equal(place_of(res, "a"), 2);
    assert_int_equal(res->hits[1]->state, ORGANISATION_STATE_DORMANT);
}

/* Whatever came first, and however often the names changed, the documents are those of the last state. */
TEST(the_order_of_imports_does_not_matter)
{
    given_local("early", "Tidiga klubben", "12", "1281", "kvastar", "");
    given_local("branch", "Grenen", "12", "", "", "late");
    given_municipality("1281", "Påhittköping", "sodra");
    given_region("12", "Hittepå län", "sodra");
    given_area("kvastar", "Kvastsjukdomar");
    assert_true(finds("kvastsjukdomar", "early"));
    assert_true(finds("klubben", "early"));

    given_area("kvastar", "Borstbesvär");
    assert_false(finds("kvastsjukdomar", "early"));
    assert_true(finds("borstbesvär", "early"));

    Organisation late = an_organisation("late", "Sena förbundet");
    late.state = ORGANISATION_STATE_ACTIVE;
    late.description = "Arbetar med trassliga rep.";
    RECORDED(OrganisationRegistered, ORGANISATION_REGISTERED, organisation_registered,
             ORGANISATION_REGISTERED, organisation, &late);
    assert_true(finds("rep", "branch"));
    late.description = "Arbetar med knutar.";
    late.revision = 2;
    RECORDED(OrganisationRevised, ORGANISATION_REVISED, organisation_revised, ORGANISATION_REVISED,
             organisation, &late);
    assert_false(finds("rep", "branch"));
    assert_true(finds("knutar", "branch"));

    /* Names of places: the new one is known, the old one forgotten. */
    assert_int_equal(search("klubben i Påhittköping")->n_places, 1);
    given_municipality("1281", "Nyhittköping", "norra");
    assert_int_equal(search("klubben i Påhittköping")->n_places, 0);
    assert_int_equal(search("klubben i Nyhittköping")->n_places, 1);
    char *healthcare[] = { "norra" };
    SearchFilter filter = SEARCH_FILTER_INIT;
    filter.healthcare_regions = healthcare;
    filter.n_healthcare_regions = 1;
    assert_int_equal(place_of(search_with("klubben", &filter, 0, 0), "early"), 1);
}

TEST(an_organisation_with_every_municipality_is_stored_and_found)
{
    char *codes[290], text[290][5];
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        (void)snprintf(text[i], sizeof(text[i]), "%04zu", 1000 + i);
        codes[i] = text[i];
    }
    Organisation o = an_organisation("overallt", "Överalltförbundet");
    o.state = ORGANISATION_STATE_ACTIVE;
    o.municipality_codes = codes;
    o.n_municipality_codes = ARRAY_LEN(codes);
    RECORDED(OrganisationRegistered, ORGANISATION_REGISTERED, organisation_registered,
             ORGANISATION_REGISTERED, organisation, &o);
    assert_first("överalltförbundet", "overallt");
}

/* ---- places ---- */

static void assert_place(const char *query, EntryType type, const char *key, const char *text)
{
    const SearchDirectoryResponse *res = search(query);
    if (res->n_places != 1)
        fail_msg("'%s' names %zu places", query, res->n_places);
    assert_string_equal(res->places[0]->key, key);
    assert_int_equal(res->places[0]->entry_type, type);
    assert_string_equal(res->places[0]->text, text);
}

TEST(places_are_read_as_people_write_them)
{
    given_reference_data();
    assert_place("reumatism i Skåne", ENTRY_TYPE_REGION, "12", "Skåne");
    assert_place("reumatism skane", ENTRY_TYPE_REGION, "12", "skane");
    assert_place("Skånes reumatiker", ENTRY_TYPE_REGION, "12", "Skånes");
    assert_place("stöd i Skåne län", ENTRY_TYPE_REGION, "12", "Skåne län");
    assert_place("stöd i Stockholms län", ENTRY_TYPE_REGION, "01", "Stockholms län");
    assert_place("region stockholm", ENTRY_TYPE_REGION, "01", "region stockholm");
    assert_place("stöd stockholm", ENTRY_TYPE_MUNICIPALITY, "0180", "stockholm");
    assert_place("Göteborgs kommun", ENTRY_TYPE_MUNICIPALITY, "1480", "Göteborgs kommun");
    assert_place("västra götaland", ENTRY_TYPE_REGION, "14", "västra götaland");
    assert_place("Västra Götalandsregionen", ENTRY_TYPE_REGION, "14", "Västra Götalandsregionen");
    assert_place("sörmland", ENTRY_TYPE_REGION, "04", "sörmland");
    assert_place("Västerås", ENTRY_TYPE_MUNICIPALITY, "1980", "Västerås");
    assert_place("upplands väsby", ENTRY_TYPE_MUNICIPALITY, "0114", "upplands väsby");
    assert_place("norra sjukvårdsregionen", ENTRY_TYPE_HEALTHCARE_REGION, "norra",
                 "norra sjukvårdsregionen");
    assert_place("sjukvårdsregion mellansverige", ENTRY_TYPE_HEALTHCARE_REGION, "mellansverige",
                 "sjukvårdsregion mellansverige");
}

TEST(words_that_are_also_names_of_places_need_a_sign)
{
    given_reference_data();
    assert_int_equal(search("hur ska jag vara")->n_places, 0);
    assert_int_equal(search("ange ett namn")->n_places, 0);
    assert_int_equal(search("mark och miljö")->n_places, 0);
    assert_int_equal(search("ont i norra delen")->n_places, 0);
    assert_place("stöd i Vara", ENTRY_TYPE_MUNICIPALITY, "1470", "Vara");
    assert_place("stöd i lund", ENTRY_TYPE_MUNICIPALITY, "1281", "lund");
    assert_place("sjukhus lund", ENTRY_TYPE_MUNICIPALITY, "1281", "lund");
    assert_place("habo", ENTRY_TYPE_MUNICIPALITY, "0643", "habo");
    assert_place("håbo", ENTRY_TYPE_MUNICIPALITY, "0305", "håbo");
}

TEST(a_place_narrows_and_the_nearest_come_first)
{
    given_real_organisations();
    given_words();
    const SearchDirectoryResponse *res = search("reumatism i Skåne");
    assert_int_equal(place_of(res, "reumatikerdistriktet-skane"), 1);
    assert_int_equal(res->hits[0]->closeness, CLOSENESS_REGION);
    assert_int_equal(place_of(res, "reumatikerdistriktet-i-jamtlands-lan"), 0);
    assert_true(place_of(res, "reumatikerforbundet") > 1);
    for (size_t i = 1; i < res->n_hits; i++)
        assert_int_not_equal(res->hits[i]->closeness, CLOSENESS_HEALTHCARE_REGION);
    assert_first("adhd Göteborg", "attention-i-goteborg");
    assert_first("autism Luleå", "autism-norrbotten");
    assert_first("migrän i Lund", "huvudvarksforbundet");
}

TEST(a_place_can_be_taken_back)
{
    given_real_organisations();
    char *plain[] = { "skåne" };
    SearchDirectoryRequest request = SEARCH_DIRECTORY_REQUEST_INIT;
    request.query = "reumatiker i Skåne";
    request.limit = 50;
    request.plain_words = plain;
    request.n_plain_words = 1;
    SearchDirectoryResponse *res;
    ask(anonymous(), "SearchDirectory", &request, &res);
    then_ok();
    assert_int_equal(res->n_places, 0);
    assert_true(place_of(res, "reumatikerdistriktet-i-jamtlands-lan") > 0);
    assert_true(res->total > search("reumatiker i Skåne")->total);
}

TEST(a_place_of_the_filter_overrides_that_of_the_text)
{
    given_real_organisations();
    char *codes[] = { "23" };
    SearchFilter filter = SEARCH_FILTER_INIT;
    filter.region_codes = codes;
    filter.n_region_codes = 1;
    const SearchDirectoryResponse *res = search_with("reumatiker i Skåne", &filter, 0, 0);
    assert_int_equal(place_of(res, "reumatikerdistriktet-i-jamtlands-lan"), 1);
    assert_int_equal(place_of(res, "reumatikerdistriktet-skane"), 0);
    assert_int_equal(place_of(res, "reumatikerforbundet"), 0);
    assert_true(res->places[0]->overridden);
    filter.include_national = true;
    res = search_with("reumatiker i Skåne", &filter, 0, 0);
    assert_true(place_of(res, "reumatikerforbundet") > 0);
}

/* ---- order ---- */

TEST(who_writes_a_name_whole_means_that_one)
{
    given_real_organisations();
    assert_first("Neuro", "neuroforbundet");
    assert_first("HjärtLung Kiruna", "hjartlung-kiruna");
    assert_first("region skåne", "region-skane");
    assert_first("NPF", "NPF");
    assert_first("Vad betyder NPF?", "NPF");
}

TEST(words_of_an_area_lead_to_the_area_then_to_its_organisations)
{
    given_real_organisations();
    const SearchDirectoryResponse *res = search("cancer");
    assert_int_equal(res->hits[0]->entry_type, ENTRY_TYPE_CARE_AREA);
    assert_string_equal(res->hits[0]->key, "cancersjukdomar");
    for (size_t i = 1; i < 5; i++)
        assert_int_equal(res->hits[i]->level, ORGANISATION_LEVEL_NATIONAL);
    assert_first("öron näsa hals", "oron-nas-och-halssjukdomar");
    assert_first("rorelseorganen", "rorelseorganens-sjukdomar");
    assert_int_not_equal(search("barn cancer")->hits[0]->entry_type, ENTRY_TYPE_CARE_AREA);
    assert_int_not_equal(search("cancer i Skåne")->hits[0]->entry_type, ENTRY_TYPE_CARE_AREA);
}

/* Words that stand for an area's lead there too, or to organisations whose own word they are; and to these before others. */
TEST(words_that_stand_for_an_area_lead_to_it)
{
    given_real_organisations();
    given_words();
    assert_first("psykisk ohälsa", "psykisk-halsa");
    assert_first("deppig", "psykisk-halsa");
    assert_first("lungvård", "lung-och-allergisjukdomar");
    assert_first("celiaki", "svenska-celiakiforbundet");
    assert_first("onkologi", "svensk-onkologisk-forening");
    assert_first("handikappförbund i Sollefteå", "hso-solleftea");
}

TEST(pages_fit_together)
{
    given_real_organisations();
    const SearchDirectoryResponse *whole = search_with("cancer", NULL, 50, 0);
    assert_true(whole->total > 20);
    for (uint32_t offset = 0; offset < 21; offset += 7) {
        const SearchDirectoryResponse *page = search_with("cancer", NULL, 7, offset);
        assert_int_equal(page->total, whole->total);
        assert_int_equal(page->n_hits, 7);
        for (size_t i = 0; i < page->n_hits; i++)
            assert_string_equal(page->hits[i]->key, whole->hits[offset + i]->key);
    }
    assert_int_equal(search_with("cancer", NULL, 50, 900)->n_hits, 0);
}

/* Past the documents put in order by hand the index's own order goes on: every entry once. */
TEST(all_pages_together_hold_every_entry_once)
{
    given_real_organisations();
    const SearchDirectoryResponse *first = search_with("", NULL, 50, 0);
    uint64_t total = first->total, seen = 0;
    static char keys[1000][120];
    assert_true(total > 500 && total < 900);
    for (uint32_t offset = 0; offset < total; offset += 50) {
        const SearchDirectoryResponse *page = search_with("", NULL, 50, offset);
        for (size_t i = 0; i < page->n_hits; i++) {
            (void)snprintf(keys[seen], sizeof(keys[seen]), "%d %.40s %.60s",
                           page->hits[i]->entry_type, page->hits[i]->key,
                           page->hits[i]->short_name);
            for (size_t j = 0; j < seen; j++)
                assert_string_not_equal(keys[j], keys[seen]);
            seen++;
        }
    }
    assert_int_equal(seen, total);
}

/* ---- counts ---- */

TEST(counts_add_up_and_the_unknown_have_cells_of_their_own)
{
    given_real_organisations();
    const SearchDirectoryResponse *res = search("");
    uint64_t kinds = 0, levels = 0, types = 0;
    uint64_t organisations =
        count_of(res->counts->entry_types, res->counts->n_entry_types, "ENTRY_TYPE_ORGANISATION");
    for (size_t i = 0; i < res->counts->n_entry_types; i++)
        types += res->counts->entry_types[i]->count;
    for (size_t i = 0; i < res->counts->n_kinds; i++)
        kinds += res->counts->kinds[i]->count;
    for (size_t i = 0; i < res->counts->n_levels; i++)
        levels += res->counts->levels[i]->count;
    assert_int_equal(organisations, 400);
    assert_int_equal(types, res->total);
    assert_int_equal(kinds, 400);
    assert_int_equal(levels, 400);
    assert_int_equal(count_of(res->counts->care_areas, res->counts->n_care_areas, ""), 80);
    assert_true(count_of(res->counts->regions, res->counts->n_regions, "") > 0);
    bool nationwide = false;
    for (size_t i = 0; i < res->counts->n_regions; i++)
        if (res->counts->regions[i]->nationwide) {
            nationwide = true;
            assert_int_equal(res->counts->regions[i]->count, 277);
        }
    assert_true(nationwide);
}

TEST(a_count_is_what_choosing_the_value_gives)
{
    given_real_organisations();
    const SearchDirectoryResponse *all = search("cancer");
    for (size_t i = 0; i < all->counts->n_regions; i++) {
        SearchFilter filter = SEARCH_FILTER_INIT;
        char *codes[] = { all->counts->regions[i]->value };
        filter.region_codes = codes;
        filter.n_region_codes = 1;
        if (!*codes[0])
            continue;
        assert_string_not_equal(all->counts->regions[i]->name, "");
        const SearchDirectoryResponse *some = search_with("cancer", &filter, 0, 0);
        assert_int_equal(some->total, all->counts->regions[i]->count);
        /* The others' counts stay, so that another region can be chosen. */
        assert_int_equal(some->counts->n_regions, all->counts->n_regions);
    }
    SearchFilter filter = SEARCH_FILTER_INIT;
    EntryType types[] = { ENTRY_TYPE_CARE_AREA };
    filter.entry_types = types;
    filter.n_entry_types = 1;
    const SearchDirectoryResponse *areas = search_with("cancer", &filter, 0, 0);
    assert_int_equal(areas->total, count_of(all->counts->entry_types, all->counts->n_entry_types,
                                            "ENTRY_TYPE_CARE_AREA"));
    for (size_t i = 0; i < areas->n_hits; i++)
        assert_int_equal(areas->hits[i]->entry_type, ENTRY_TYPE_CARE_AREA);
}

/* ---- what a query was taken to mean ---- */

TEST(abbreviations_are_explained)
{
    given_real_organisations();
    const SearchDirectoryResponse *res = search("TLV");
    assert_true(res->n_meanings > 0);
    assert_true(res->meanings[0]->abbreviation);
    assert_string_equal(res->meanings[0]->text, "TLV");
    assert_string_equal(res->meanings[0]->stands_for, "Tandvårds- och läkemedelsförmånsverket");
    assert_true(place_of(res, "tandvards-och-lakemedelsformansverket") > 0);
    res = search("vad är lex maria");
    assert_string_equal(res->meanings[0]->text, "lex maria");
}

TEST(everyday_words_find_what_is_called_otherwise)
{
    given_real_organisations();
    given_words();
    const SearchDirectoryResponse *res = search("glutenintolerans");
    assert_int_equal(place_of(res, "svenska-celiakiforbundet"), 1);
    assert_string_equal(res->meanings[0]->stands_for, "celiaki");
    assert_false(res->meanings[0]->abbreviation);
}

TEST(a_misspelt_word_is_corrected_and_the_query_with_it)
{
    given_real_organisations();
    const SearchDirectoryResponse *res = search("hjälp vid bröstcanser 🙂");
    assert_true(place_of(res, "brostcancerforbundet") > 0);
    assert_int_equal(res->n_corrections, 1);
    assert_string_equal(res->corrections[0]->text, "bröstcanser");
    assert_int_equal(res->corrections[0]->span->start, 10);
    assert_int_equal(res->corrections[0]->span->end, 21);
    assert_string_equal(res->corrected_query, "hjälp vid bröstcancer 🙂");
}

TEST(what_fits_is_marked_in_utf_16_units)
{
    given_organisation("a", "🙂 Bröstcancerföreningen");
    const SearchDirectoryResponse *res = search("cancer");
    assert_int_equal(res->hits[0]->n_name_highlights, 1);
    assert_int_equal(res->hits[0]->name_highlights[0]->start, 8);
    assert_int_equal(res->hits[0]->name_highlights[0]->end, 14);
}

TEST(names_are_in_the_language_asked_for)
{
    given_reference_data();
    SearchDirectoryRequest request = SEARCH_DIRECTORY_REQUEST_INIT;
    request.query = "dental care";
    request.locale = "en";
    SearchDirectoryResponse *res;
    ask(anonymous(), "SearchDirectory", &request, &res);
    then_ok();
    assert_string_equal(res->hits[0]->name, "Dental care");
    assert_string_equal(search("dental care")->hits[0]->name, "Tandvård");
}

/* ---- help ---- */

TEST(an_empty_answer_says_that_one_may_suggest)
{
    given_real_organisations();
    const SearchDirectoryResponse *res = search("qqqzzzxxx");
    assert_int_equal(res->n_hits, 0);
    assert_non_null(res->help);
    assert_true(res->help->may_suggest);
    assert_null(search("cancer")->help);
}

TEST(a_place_without_anything_near_leads_to_the_neighbours_and_the_federation)
{
    given_real_organisations();
    /* Blekinge has none of its own; Skåne, of the same healthcare region, has. */
    const SearchDirectoryResponse *res = search("stamning i Blekinge");
    assert_non_null(res->help);
    assert_string_equal(res->help->nearest[0]->key, "skanes-stamningsforening");
    SearchFilter filter = SEARCH_FILTER_INIT;
    char *codes[] = { "10" };
    filter.region_codes = codes;
    filter.n_region_codes = 1;
    res = search_with("stamning", &filter, 0, 0);
    assert_int_equal(res->n_hits, 0);
    assert_string_equal(res->help->nearest[0]->key, "skanes-stamningsforening");
    assert_string_equal(res->help->parents[0]->key, "stamningsforbundet");
}

TEST(words_of_a_crisis_put_help_above_everything)
{
    given_real_organisations();
    given_helplines();
    IMPORT_FILE("ImportCrisisWords", IMPORT_CRISIS_WORDS, ImportCrisisWordsRequest,
                ImportCrisisWordsResponse, "crisis_words.csv", CRISIS_WORD);
    const SearchDirectoryResponse *res = search("orkar inte leva");
    assert_non_null(res->crisis);
    assert_string_equal(res->crisis->helplines[0]->phone, "112");
    assert_string_equal(res->crisis->helplines[1]->phone, "1177");
    assert_true(res->crisis->n_helplines > 2);
    assert_null(search("migrän")->crisis);
    assert_non_null(complete("självmord")->crisis);
}

/* ---- type-ahead ---- */

TEST(the_second_letter_brings_entries_and_completions)
{
    given_real_organisations();
    assert_int_equal(complete("")->n_entries, 0);
    assert_int_equal(complete("h")->n_entries, 0);
    assert_true(complete("hu")->n_entries > 0);
    const CompleteSearchResponse *res = complete("föreningar för huvudv");
    assert_true(res->n_entries > 0);
    bool found = false;
    for (size_t i = 0; i < res->n_completions; i++)
        found = found || strcmp(res->completions[i], "föreningar för huvudvärksförbundet") == 0;
    assert_true(found);
    res = complete("brostc");
    assert_string_equal(res->entries[0]->key, "brostcancerforbundet");
    assert_true(res->entries[0]->n_name_highlights > 0);
}

/* ---- bad input ---- */

/* Whatever it is, it is answered, by both methods. */
static const SearchDirectoryResponse *survive(const char *query)
{
    (void)complete(query);
    return search(query);
}

TEST(empty_queries_answer_everything)
{
    given_organisation("a", "Kvastförbundet");
    assert_int_equal(survive("")->total, 1);
    assert_int_equal(survive("   ")->total, 1);
    assert_int_equal(survive("?!.,:;")->total, 1);
}

TEST(one_letter_is_a_word)
{
    given_organisation("a", "A och O");
    given_organisation("b", "Kvastförbundet");
    assert_int_equal(place_of(survive("o"), "a"), 1);
}

TEST(ten_thousand_letters_are_answered)
{
    static char query[10001];
    given_real_organisations();
    memset(query, 'a', sizeof(query) - 1);
    survive(query);
    for (size_t i = 0; i + 7 < sizeof(query); i += 7)
        memcpy(query + i, "cancer ", 7);
    assert_string_equal(survive(query)->hits[0]->key, "cancersjukdomar");
}

TEST(words_that_say_nothing_are_looked_for_when_there_is_no_other)
{
    given_organisation("a", "Att vara och finnas till");
    survive("och att det för i");
    assert_int_equal(place_of(survive("att och"), "a"), 1);
}

TEST(quotes_and_operators_are_no_syntax)
{
    given_organisation("a", "Kvastförbundet");
    const char *const queries[] = { "\"kvastförbundet\"", "kvastförbundet*",
                                    "(kvastförbundet",    "-kvastförbundet",
                                    "kvast AND NOT",      "name:kvastförbundet",
                                    "kvastförbundet^3~2", "'; DROP TABLE kvast;--" };
    for (size_t i = 0; i < ARRAY_LEN(queries); i++)
        if (place_of(survive(queries[i]), "a") != 1)
            fail_msg("%s", queries[i]);
}

TEST(other_scripts_marks_and_emoji_are_answered)
{
    Organisation o = an_organisation("a", "Kvastförbundet");
    o.description = "Метла 掃帚 مكنسة 🧹";
    register_organisation(&o);
    then_ok();
    assert_int_equal(place_of(survive("метла"), "a"), 1);
    assert_int_equal(place_of(survive("МЕТЛА kvast"), "a"), 1);
    assert_int_equal(place_of(survive("Kvastfo\xcc\x88rbundet"), "a"), 1);
    survive("🧹🧹🧹");
    survive("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7");
    survive("a\xcc\x88\xcc\x88\xcc\x88\xcc\x88\xcc\x88\xcc\x88\xcc\x88\xcc\x88");
    survive("\xe2\x80\xae"
            "tsavk");
}

TEST(text_that_is_no_utf_8_is_refused_by_name)
{
    SearchDirectoryRequest request = SEARCH_DIRECTORY_REQUEST_INIT;
    request.query = "kvast\xff\xfe";
    SearchDirectoryResponse *res;
    ask(anonymous(), "SearchDirectory", &request, &res);
    then_refused(CODE_INVALID_ARGUMENT);
    then_violation("query");
}

TEST(limits_past_the_bounds_are_refused_by_name)
{
    SearchDirectoryRequest request = SEARCH_DIRECTORY_REQUEST_INIT;
    request.limit = 51;
    request.offset = 901;
    SearchDirectoryResponse *res;
    ask(anonymous(), "SearchDirectory", &request, &res);
    then_refused(CODE_INVALID_ARGUMENT);
    then_violation("limit");
    then_violation("offset");
}

TESTS(&directory_service)
