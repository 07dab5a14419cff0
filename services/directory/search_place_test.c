/* search_place_test.c - the search over the directory: places in queries. */
#include "services/directory/search_testing.h"

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

TESTS(&directory_service)
