/* words_test.c - synonyms and words of crisis: imported, listed, withdrawn. */
#include "common/search.h"
#include "services/directory/testing.h"

static const ImportSynonymsResponse *import_synonyms(Synonym **rows, size_t n, bool dry_run)
{
    ImportSynonymsRequest request = IMPORT_SYNONYMS_REQUEST_INIT;
    request.rows = rows;
    request.n_rows = n;
    request.dry_run = dry_run;
    when(editor(), "ImportSynonyms", &request);
    return then_response();
}

static const ImportCrisisWordsResponse *import_crisis_words(CrisisWord **rows, size_t n)
{
    ImportCrisisWordsRequest request = IMPORT_CRISIS_WORDS_REQUEST_INIT;
    request.rows = rows;
    request.n_rows = n;
    when(editor(), "ImportCrisisWords", &request);
    return then_response();
}

static const ListSynonymsResponse *list_synonyms(uint32_t page_size, const char *token)
{
    ListSynonymsRequest request = LIST_SYNONYMS_REQUEST_INIT;
    request.page_size = page_size;
    request.page_token = (char *)token;
    ListSynonymsResponse *response;
    ask(editor(), "ListSynonyms", &request, &response);
    return response;
}

static Synonym a_synonym(const char *word, char **synonyms, size_t n)
{
    Synonym s = SYNONYM_INIT;
    s.word = (char *)word;
    s.synonyms = synonyms;
    s.n_synonyms = n;
    return s;
}

static bool is_reported(RowReport **reports, size_t n, uint32_t row, const char *field)
{
    for (size_t i = 0; i < n; i++) {
        if (reports[i]->row == row && strcmp(reports[i]->field, field) == 0)
            return true;
    }
    return false;
}

static void given_words(void)
{
    IMPORT_FILE("ImportSynonyms", IMPORT_SYNONYMS, ImportSynonymsRequest, ImportSynonymsResponse,
                "synonyms.csv", SYNONYM);
    IMPORT_FILE("ImportCrisisWords", IMPORT_CRISIS_WORDS, ImportCrisisWordsRequest,
                ImportCrisisWordsResponse, "crisis_words.csv", CRISIS_WORD);
}

TEST(the_real_files_are_imported_and_a_second_time_change_nothing)
{
    given_real_organisations();
    given_helplines();
    given_words();
    assert_true(then_event_count() > 100);
    given_words();
    then_no_event();
    size_t n;
    (void)read_csv_file("synonyms.csv", SYNONYM_DESCRIPTOR, &n);
    assert_int_equal(list_synonyms(0, "")->total_size, n);
}

TEST(a_synonym_is_recorded_revised_and_withdrawn)
{
    char *first[] = { "celiaki" }, *second[] = { "celiaki", "mage" };
    Synonym row = a_synonym("glutenintolerans", first, 1);
    Synonym *rows[] = { &row };
    assert_int_equal(import_synonyms(rows, 1, true)->registered, 1);
    then_no_event();
    assert_int_equal(import_synonyms(rows, 1, false)->registered, 1);
    const DirectoryEvent *event = then_event(0, "SynonymRecorded");
    assert_string_equal(event->synonym_recorded->synonym->word, "glutenintolerans");
    assert_int_equal(import_synonyms(rows, 1, false)->unchanged, 1);
    then_no_event();

    row = a_synonym("glutenintolerans", second, 2);
    assert_int_equal(import_synonyms(rows, 1, false)->revised, 1);
    const ListSynonymsResponse *list = list_synonyms(0, "");
    assert_int_equal(list->n_synonyms, 1);
    assert_int_equal(list->synonyms[0]->n_synonyms, 2);

    /* Another inflection is the same word. */
    row = a_synonym("glutenintoleransen", NULL, 0);
    assert_int_equal(import_synonyms(rows, 1, true)->revised, 1);
    then_no_event();
    assert_int_equal(import_synonyms(rows, 1, false)->revised, 1);
    then_event(0, "SynonymWithdrawn");
    assert_int_equal(list_synonyms(0, "")->n_synonyms, 0);
    assert_int_equal(import_synonyms(rows, 1, false)->unchanged, 1);
    then_no_event();
}

TEST(one_bad_synonym_stores_none_and_every_mistake_is_reported)
{
    char *good[] = { "celiaki" }, *twice[] = { "mage", "mage" }, *itself[] = { "tarm" };
    char *bad[] = { "!", "", "två\nrader" }, *many[SEARCH_EXPANSIONS_MAX + 1];
    char long_word[200];
    memset(long_word, 'a', sizeof(long_word) - 1);
    long_word[sizeof(long_word) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (char *)"celiaki";
    Synonym all[] = {
        a_synonym("gluten", good, 1),
        a_synonym("!", good, 1),
        a_synonym("ett två tre fyra fem", good, 1),
        a_synonym(long_word, good, 1),
        a_synonym("mage", twice, 2),
        a_synonym("tarm", itself, 1),
        a_synonym("bukont", bad, 3),
        a_synonym("magont", many, ARRAY_LEN(many)),
        a_synonym("glutens", good, 1),
        a_synonym("", good, 1),
    };
    Synonym *rows[ARRAY_LEN(all)];
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        rows[i] = &all[i];
    const ImportSynonymsResponse *response = import_synonyms(rows, ARRAY_LEN(all), false);
    assert_false(response->accepted);
    then_no_event();
    static const struct {
        uint32_t row;
        const char *field;
    } expected[] = { { 2, "word" },     { 3, "word" },     { 4, "word" },
                     { 5, "synonyms" }, { 6, "synonyms" }, { 7, "synonyms" },
                     { 9, "word" },     { 8, "synonyms" }, { 10, "word" } };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        if (!is_reported(response->reports, response->n_reports, expected[i].row,
                         expected[i].field))
            fail_msg("row %u: nothing about %s", expected[i].row, expected[i].field);
    }
    assert_false(is_reported(response->reports, response->n_reports, 1, "word"));
    assert_int_equal(list_synonyms(0, "")->n_synonyms, 0);
}

TEST(synonyms_are_listed_page_by_page_for_editors_alone)
{
    char *to[] = { "celiaki" };
    Synonym a = a_synonym("ärta", to, 1), b = a_synonym("böna", to, 1), c = a_synonym("cp", to, 1);
    Synonym *rows[] = { &a, &b, &c };
    import_synonyms(rows, 3, false);
    const ListSynonymsResponse *page = list_synonyms(2, "");
    assert_int_equal(page->n_synonyms, 2);
    assert_int_equal(page->total_size, 3);
    assert_string_equal(page->synonyms[0]->word, "ärta");
    page = list_synonyms(2, page->next_page_token);
    assert_int_equal(page->n_synonyms, 1);
    assert_string_equal(page->synonyms[0]->word, "cp");
    assert_string_equal(page->next_page_token, "");

    ListSynonymsRequest request = LIST_SYNONYMS_REQUEST_INIT;
    ListSynonymsResponse *none;
    ask(anonymous(), "ListSynonyms", &request, &none);
    then_refused(CODE_PERMISSION_DENIED);
    ImportSynonymsRequest import = IMPORT_SYNONYMS_REQUEST_INIT;
    when(anonymous(), "ImportSynonyms", &import);
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(words_of_crisis_are_checked_recorded_and_withdrawn)
{
    given_real_organisations();
    given_helplines();
    char *lines[] = { "sos-alarm", "bris" }, *unknown[] = { "ingen" },
         *twice[] = { "bris", "bris" };
    CrisisWord words[8];
    CrisisWord *rows[8];
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        words[i] = (CrisisWord)CRISIS_WORD_INIT;
        words[i].word = "hotad";
        words[i].kind = CRISIS_KIND_VIOLENCE;
        words[i].helplines = lines;
        words[i].n_helplines = 2;
        rows[i] = &words[i];
    }
    words[1].word = "";
    words[2].word = "ett två tre fyra fem sex sju";
    words[3].kind = 99;
    words[4].kind = CRISIS_KIND_UNSPECIFIED;
    words[5].helplines = unknown;
    words[5].n_helplines = 1;
    words[6].helplines = twice;
    words[7].kind = CRISIS_KIND_NO_CRISIS;
    const ImportCrisisWordsResponse *response = import_crisis_words(rows, 8);
    assert_false(response->accepted);
    then_no_event();
    static const struct {
        uint32_t row;
        const char *field;
    } expected[] = { { 2, "word" },      { 3, "word" },      { 4, "kind" }, { 5, "kind" },
                     { 6, "helplines" }, { 7, "helplines" }, { 7, "word" }, { 8, "helplines" } };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        if (!is_reported(response->reports, response->n_reports, expected[i].row,
                         expected[i].field))
            fail_msg("row %u: nothing about %s", expected[i].row, expected[i].field);
    }

    assert_int_equal(import_crisis_words(rows, 1)->registered, 1);
    then_event(0, "CrisisWordRecorded");
    assert_int_equal(import_crisis_words(rows, 1)->unchanged, 1);
    words[0] = (CrisisWord)CRISIS_WORD_INIT;
    words[0].word = "hotad";
    assert_int_equal(import_crisis_words(rows, 1)->revised, 1);
    then_event(0, "CrisisWordWithdrawn");
    ListCrisisWordsRequest request = LIST_CRISIS_WORDS_REQUEST_INIT;
    ListCrisisWordsResponse *list;
    ask(editor(), "ListCrisisWords", &request, &list);
    assert_int_equal(list->n_crisis_words, 0);
}

TESTS(&directory_service)
