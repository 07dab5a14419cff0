/* searches_test.c - counts of searches: what is seen from ten on, and that nothing is seen before. */
#include "services/directory/searches.h"

#include "services/directory/testing.h"

static struct arena *arena;

__attribute__((constructor)) static void make_arena(void)
{
    arena = arena_new(64 * 1024 * 1024);
}
__attribute__((destructor)) static void free_arena(void)
{
    arena_free(arena);
}

/* The text is searched for so many times, a second apart. */
static void given_searches(const char *text, int times, uint64_t found)
{
    for (int i = 0; i < times; i++) {
        given_time_passes(1000);
        searches_count(arena, text, strlen(text), found, given_now_ms());
    }
}

static const ListSearchesResponse *list(const char *month, bool not_found)
{
    ListSearchesRequest request = LIST_SEARCHES_REQUEST_INIT;
    request.month = (char *)month;
    request.not_found = not_found;
    ListSearchesResponse *response;
    ask(editor(), "ListSearches", &request, &response);
    return response;
}

static uint64_t asked(const ListSearchesResponse *response, const char *text)
{
    for (size_t i = 0; i < response->n_counts; i++) {
        if (strcmp(response->counts[i]->text, text) == 0)
            return response->counts[i]->asked;
    }
    return 0;
}

/* What the service does each hour. Whether there was anything to do. */
static bool chore_is_done(void)
{
    struct chore chore;
    if (!searches_chore(arena, given_now_ms(), &chore))
        return false;
    when(operator_caller(), "RecordSearches", chore.request);
    then_ok();
    return true;
}

TEST(from_ten_askings_on_a_text_is_seen)
{
    searches_forget();
    given_searches("migrän", 9, 4);
    assert_int_equal(list("", false)->n_counts, 0);
    assert_false(chore_is_done());
    given_searches("Migrän!", 1, 4); /* the same words */
    const ListSearchesResponse *response = list("", false);
    assert_int_equal(response->n_counts, 1);
    assert_string_equal(response->counts[0]->text, "migrän");
    assert_int_equal(response->counts[0]->asked, 10);
    assert_int_equal(response->counts[0]->found, 4);
}

TEST(only_counts_of_ten_and_more_are_recorded_and_then_begin_anew)
{
    searches_forget();
    given_searches("migrän", 12, 4);
    given_searches("sällsynt ord", 9, 0);
    assert_true(chore_is_done());
    const DirectoryEvent *event = then_event(0, "SearchesCounted");
    assert_int_equal(event->searches_counted->n_counts, 1);
    assert_string_equal(event->searches_counted->counts[0]->text, "migrän");
    assert_int_equal(event->searches_counted->counts[0]->asked, 12);
    assert_int_equal(asked(list("", false), "migrän"), 12);
    assert_int_equal(asked(list("", false), "sällsynt ord"), 0);

    given_searches("migrän", 9, 4); /* too few to be seen beside those that are */
    assert_int_equal(asked(list("", false), "migrän"), 12);
    assert_false(chore_is_done());
    given_searches("migrän", 1, 5);
    assert_int_equal(asked(list("", false), "migrän"), 22);
    assert_true(chore_is_done());
    assert_int_equal(asked(list("", false), "migrän"), 22);
    searches_forget(); /* as at a restart */
    assert_int_equal(asked(list("2026-01", false), "migrän"), 22);
    assert_int_equal(list("2025-12", false)->n_counts, 0);
}

TEST(the_same_text_counts_once_a_second)
{
    searches_forget();
    for (int i = 0; i < 50; i++) {
        given_time_passes(100);
        searches_count(arena, "tio gånger", strlen("tio gånger"), 0, given_now_ms());
    }
    assert_int_equal(list("", false)->n_counts, 0);
    given_searches("tio gånger", 5, 0);
    assert_int_equal(asked(list("", false), "tio gånger"), 10);
}

TEST(what_could_point_to_a_person_never_counts)
{
    static const char *const texts[] = {
        "fornamn.efternamn@exempel.example",
        "fornamn＠exempel", /* another at sign */
        "070-123 45 67",
        "0701234567",
        "19121212-1212",
        "121212-1212",
        "１２１２１２１２１２", /* other digits */
        "٠٧٠١٢٣٤٥٦٧",
        "en mycket lång fråga som berättar allt om hur det är med mig just nu",
        "a b c d e f g h i j k l m",
        "",
        "?!",
        "\xff\xfe",
    };
    searches_forget();
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        given_searches(texts[i], 20, 1);
    assert_int_equal(list("", false)->n_counts, 0);
    assert_false(chore_is_done());
    given_searches("covid19", 10, 1);
    assert_int_equal(list("", false)->n_counts, 1);
}

TEST(what_is_not_found_can_be_asked_for_alone_most_often_first)
{
    searches_forget();
    given_searches("finns", 30, 3);
    given_searches("saknas ofta", 20, 0);
    given_searches("saknas", 10, 0);
    const ListSearchesResponse *response = list("", true);
    assert_int_equal(response->n_counts, 2);
    assert_string_equal(response->counts[0]->text, "saknas ofta");
    assert_string_equal(response->counts[1]->text, "saknas");
    assert_string_equal(list("", false)->counts[0]->text, "finns");
}

TEST(after_thirty_days_a_text_begins_anew)
{
    searches_forget();
    given_searches("sällan", 9, 1);
    given_time_passes((int64_t)31 * 24 * 3600 * 1000);
    given_searches("sällan", 9, 1);
    assert_int_equal(list("", false)->n_counts, 0);
    given_searches("sällan", 1, 1);
    assert_int_equal(list("", false)->n_counts, 1);
}

TEST(the_memory_is_bounded_and_keeps_what_is_asked_for_most)
{
    searches_forget();
    given_searches("ofta", 10, 1);
    for (int i = 0; i < 20000; i++) {
        char text[40];
        (void)snprintf(text, sizeof(text), "brus %c%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
                       'a' + i / 676 % 26, 'a' + i / 17576);
        searches_count(arena, text, strlen(text), 0, given_now_ms());
        arena_reset(arena);
    }
    assert_int_equal(list("", false)->n_counts, 1);
    assert_int_equal(asked(list("", false), "ofta"), 10);
}

static SearchedText a_count(const char *text, uint64_t n)
{
    SearchedText count = SEARCHED_TEXT_INIT;
    count.text = (char *)text;
    count.asked = n;
    return count;
}

TEST(nobody_can_record_less_than_ten_or_what_must_not_be_known)
{
    given_real_organisations();
    given_helplines();
    IMPORT_FILE("ImportCrisisWords", IMPORT_CRISIS_WORDS, ImportCrisisWordsRequest,
                ImportCrisisWordsResponse, "crisis_words.csv", CRISIS_WORD);
    searches_forget();
    SearchedText few = a_count("fåtal", 9), crisis = a_count("vill dö", 10),
                 number = a_count("121212-1212", 10), raw = a_count("Stora Bokstäver", 10),
                 good = a_count("migrän", 10);
    RecordSearchesRequest request = RECORD_SEARCHES_REQUEST_INIT;
    request.counts = (SearchedText *[]) { &few };
    request.n_counts = 1;
    when(operator_caller(), "RecordSearches", &request);
    then_violation("counts[0].asked");

    request.counts = (SearchedText *[]) { &crisis, &number, &raw, &good };
    request.n_counts = 4;
    when(editor(), "RecordSearches", &request);
    then_refused(CODE_PERMISSION_DENIED);
    when(operator_caller(), "RecordSearches", &request);
    const RecordSearchesResponse *response = then_response();
    assert_int_equal(response->recorded, 1);
    const DirectoryEvent *event = then_event(0, "SearchesCounted");
    assert_int_equal(event->searches_counted->n_counts, 1);
    request.n_counts = 3;
    when(operator_caller(), "RecordSearches", &request);
    then_no_event();
}

TEST(only_editors_see_the_counts)
{
    ListSearchesRequest request = LIST_SEARCHES_REQUEST_INIT;
    ListSearchesResponse *response;
    ask(anonymous(), "ListSearches", &request, &response);
    then_refused(CODE_PERMISSION_DENIED);
    request.month = "januari";
    ask(editor(), "ListSearches", &request, &response);
    then_violation("month");
}

TESTS(&directory_service)
