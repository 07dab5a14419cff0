/* answers_test.c - kept answers: the same as made ones, found until something changes, counted as others are, and never of a crisis. */
#include "services/directory/answers.h"

#include "services/directory/searches.h"
#include "services/directory/testing.h"

static SearchDirectoryRequest a_request(const char *query)
{
    SearchDirectoryRequest request = SEARCH_DIRECTORY_REQUEST_INIT;
    request.query = (char *)query;
    return request;
}

static const SearchDirectoryResponse *search_after(int64_t ms,
                                                   const SearchDirectoryRequest *request)
{
    SearchDirectoryResponse *response;
    given_time_passes(ms);
    ask(anonymous(), "SearchDirectory", request, &response);
    then_ok();
    return response;
}

static const SearchDirectoryResponse *search(const SearchDirectoryRequest *request)
{
    return search_after(SEARCHES_ONCE_MS, request);
}

static const SearchDirectoryResponse *search_for(const char *query)
{
    const SearchDirectoryRequest request = a_request(query);
    return search(&request);
}

/* Whether another asking adds no answer to those kept: it was answered from them, or is not to be kept. */
static bool is_kept(const SearchDirectoryRequest *request)
{
    size_t before = answers_kept();
    (void)search(request);
    return answers_kept() == before;
}

static void assert_same(const SearchDirectoryResponse *a, const SearchDirectoryResponse *b)
{
    uint8_t x[ANSWERS_BYTES], y[ANSWERS_BYTES];
    size_t len = protobuf_c_message_get_packed_size(&a->base);
    assert_in_range(len, 1, ANSWERS_BYTES);
    assert_int_equal(protobuf_c_message_get_packed_size(&b->base), len);
    (void)protobuf_c_message_pack(&a->base, x); /* as long as was said */
    (void)protobuf_c_message_pack(&b->base, y);
    assert_memory_equal(x, y, len);
}

TEST(asked_again_the_answer_is_the_same)
{
    given_organisation("a", "Kvastförbundet");
    size_t before = answers_kept();
    const SearchDirectoryResponse *first = search_for("kvast");
    assert_int_equal(answers_kept(), before + 1);
    assert_same(first, search_for("kvast"));
    assert_int_equal(answers_kept(), before + 1);
}

TEST(whatever_differs_in_the_request_is_another)
{
    given_organisation("a", "Kvastförbundet");
    SearchDirectoryRequest plain = a_request("kvast"), other;
    (void)search(&plain);
    assert_true(is_kept(&plain));
    other = a_request("kvasten");
    assert_false(is_kept(&other));
    other = plain;
    other.limit = 1;
    assert_false(is_kept(&other));
    other = plain;
    other.offset = 1;
    assert_false(is_kept(&other));
    other = plain;
    other.locale = "en";
    assert_false(is_kept(&other));
    SearchFilter filter = SEARCH_FILTER_INIT;
    filter.include_national = true;
    other = plain;
    other.filter = &filter;
    assert_false(is_kept(&other));
}

TEST(a_change_is_seen_at_once)
{
    given_organisation("a", "Kvastförbundet");
    assert_int_equal(search_for("kvast")->total, 1);
    given_organisation("b", "Kvastföreningen");
    assert_int_equal(search_for("kvast")->total, 2);
    assert_int_equal(search_for("kvast")->total, 2);
}

TEST(each_asking_counts)
{
    SearchedText **counts;
    size_t n;
    struct arena *arena = arena_new(1 << 20);

    searches_forget();
    given_organisation("a", "Kvastförbundet");
    for (int i = 0; i < SEARCHES_LEAST; i++)
        (void)search_for("kvast");
    assert_int_equal(searches_often(arena, &counts, &n), 0);
    assert_int_equal(n, 1);
    assert_string_equal(counts[0]->text, "kvast");
    assert_int_equal(counts[0]->asked, SEARCHES_LEAST);
    assert_int_equal(counts[0]->found, 1);
    arena_free(arena);
}

TEST(it_counts_once_a_second)
{
    const SearchDirectoryRequest request = a_request("kvast");
    SearchedText **counts;
    size_t n;
    struct arena *arena = arena_new(1 << 20);

    searches_forget();
    given_organisation("a", "Kvastförbundet");
    for (int i = 0; i < 2 * SEARCHES_LEAST; i++)
        (void)search_after(SEARCHES_ONCE_MS / 2, &request);
    assert_int_equal(searches_often(arena, &counts, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(counts[0]->asked, SEARCHES_LEAST);
    arena_free(arena);
}

TEST(leafing_counts_no_more_than_before)
{
    SearchedText **counts;
    size_t n;
    struct arena *arena = arena_new(1 << 20);

    searches_forget();
    given_organisation("a", "Kvastförbundet");
    SearchDirectoryRequest next = a_request("kvast");
    next.offset = 10;
    for (int i = 0; i < 2 * SEARCHES_LEAST; i++)
        (void)search(&next);
    assert_int_equal(searches_often(arena, &counts, &n), 0);
    assert_int_equal(n, 0);
    arena_free(arena);
}

TEST(words_of_a_crisis_are_not_kept)
{
    given_real_organisations();
    given_helplines();
    IMPORT_FILE("ImportCrisisWords", IMPORT_CRISIS_WORDS, ImportCrisisWordsRequest,
                ImportCrisisWordsResponse, "crisis_words.csv", CRISIS_WORD);
    size_t before = answers_kept();
    const SearchDirectoryResponse *first = search_for("självmord");
    assert_non_null(first->crisis);
    assert_int_equal(answers_kept(), before);
    assert_same(first, search_for("självmord"));
    assert_int_equal(answers_kept(), before);
}

TEST(what_is_long_is_not_kept)
{
    static char text[ANSWERS_REQUEST_BYTES + 1];
    given_organisation("a", "Kvastförbundet");
    memset(text, 'x', ANSWERS_REQUEST_BYTES);
    size_t before = answers_kept();
    (void)search_for(text);
    assert_int_equal(answers_kept(), before);
}

TEST(the_memory_is_bounded)
{
    char query[32];
    given_organisation("a", "Kvastförbundet");
    for (int i = 0; i < 2 * ANSWERS_PLACES; i++) {
        (void)snprintf(query, sizeof(query), "kvast %d", i);
        (void)search_for(query);
    }
    assert_in_range(answers_kept(), ANSWERS_PLACES / 2, ANSWERS_PLACES);
    SearchDirectoryRequest last = a_request(query);
    assert_true(is_kept(&last));
}

TESTS(&directory_service)
