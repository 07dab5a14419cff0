/* search_test.c - the search over the directory: what becomes findable and what no longer, order, counts. */
#include "services/directory/search_testing.h"

/* ---- what is findable ---- */

static void given_term(const char *abbreviation, const char *name, const char *explanation)
{
    Term term = TERM_INIT;
    term.abbreviation = (char *)abbreviation;
    term.term_sv = (char *)name;
    term.explanation_sv = (char *)explanation;
    RECORDED(TermRecorded, TERM_RECORDED, term_recorded, TERM_RECORDED, term, &term);
}

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

TEST(who_an_abbreviation_stands_for_is_found_by_its_explanation)
{
    given_term("KVF", "Kvastförbundet", "Förbund för den som sopar.");
    Organisation o = an_organisation("kvast", "Kvastförbundet");
    o.short_name = "KVF";
    register_organisation(&o);
    then_ok();
    assert_true(finds("sopar", "kvast"));
    given_term("KVF", "Kvastförbundet", "Förbund för den som dammar.");
    assert_false(finds("sopar", "kvast"));
    assert_true(finds("dammar", "kvast"));
    given_term("KVF", "Kravallvargförbundet", "Förbund för den som ylar.");
    assert_false(finds("ylar", "kvast"));
    Organisation values = an_organisation("", "");
    values.short_name = "KF";
    revise("kvast", 1, "short_name", &values);
    then_ok();
    assert_false(finds("dammar", "kvast"));
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

TEST(those_of_patients_come_before_others_that_say_it_a_little_better)
{
    Organisation fund = an_organisation("fund", "Fonden");
    fund.kind = ORGANISATION_KIND_FOUNDATION;
    fund.description = "Kvastar, bara kvastar.";
    Organisation patients = an_organisation("patients", "Förbundet");
    patients.description = "För den som binder borstar, penslar, viskor, vippor och kvastar.";
    Organisation umbrella = an_organisation("umbrella", "Samverkan");
    umbrella.kind = ORGANISATION_KIND_UMBRELLA;
    umbrella.description = "För förbund kring borstar, penslar, viskor, vippor och kvastar.";
    register_organisation(&fund);
    register_organisation(&patients);
    register_organisation(&umbrella);
    then_ok();
    assert_int_equal(place_of(search("kvast"), "fund"), 3);
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

TESTS(&directory_service)
