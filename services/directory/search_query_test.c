/* search_query_test.c - the search over the directory: what a query was taken to mean, help, type-ahead, bad input. */
#include "services/directory/search_testing.h"

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
