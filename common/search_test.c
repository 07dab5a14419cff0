/* search_test.c - what a service gives the index and gets: filters, counts, boosts, order, edits, marks, and whatever anybody may write. */
#include "common/search_testing.h"

static uint32_t count_of(struct fixture *f, uint8_t column, const char *value)
{
    for (size_t i = 0; i < f->result.n_counts; i++)
        if (f->result.counts[i].facet.column == column &&
            strcmp(f->result.counts[i].facet.value, value) == 0)
            return f->result.counts[i].documents;
    return 0;
}

static void test_facets(void **state)
{
    struct fixture *f = *state;
    const uint8_t columns[] = { REGION, KIND };
    struct search_facet filters[] = { { REGION, "01" }, { REGION, "12" }, { KIND, "patient" } };
    struct search_request r = { .text = "förbund",
                                .len = strlen("förbund"),
                                .limit = 10,
                                .count_columns = columns,
                                .n_count_columns = 2 };

    put_some(f);
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.total, 6);
    assert_int_equal(count_of(f, REGION, "01"), 4);
    assert_int_equal(count_of(f, REGION, "08"), 1);
    assert_int_equal(count_of(f, REGION, "12"), 0);
    assert_int_equal(count_of(f, KIND, "patient"), 5);

    r.filters = filters;
    r.n_filters = 1;
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.total, 4);
    assert_int_equal(f->result.n_hits, 4);
    assert_int_equal(count_of(f, REGION, "08"), 1); /* what another choice would give */
    assert_int_equal(count_of(f, KIND, "patient"), 4);
    assert_int_equal(count_of(f, KIND, "anhorig"), 0);

    /* Without a word all that pass. */
    r.text = "...";
    r.len = 3;
    r.n_filters = 3;
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.total, 5);
    assert_int_equal(count_of(f, REGION, "12"), 1);
    assert_int_equal(count_of(f, REGION, "14"), 1);
    assert_int_equal(count_of(f, REGION, "08"), 0);

    /* A value that nothing has. */
    filters[0].value = "99";
    r.n_filters = 1;
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.total, 0);

    /* An edit takes the document from one value to another. */
    struct wr *wr = begin(f);
    put_in(wr, "brost", "Bröstcancerförbundet", "", "99", NULL);
    commit(f, wr);
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.total, 1);
    assert_int_equal(count_of(f, KIND, "patient"), 0);
}

static void test_boosts(void **state)
{
    struct fixture *f = *state;
    struct search_boost boost = { { REGION, "02" }, 150 };
    struct search_request r = {
        .text = "diabetes", .len = 8, .limit = 10, .boosts = &boost, .n_boosts = 1
    };

    struct wr *wr = begin(f);
    put_in(wr, "a", "Diabetes", "", "01", NULL);
    put_in(wr, "b", "Diabetes", "", "02", NULL);
    commit(f, wr);
    expect(f, "diabetes", "a b");
    assert_int_equal(ask_for(f, &r), 0);
    assert_string_equal(hit(f, 0), "b");
    assert_int_equal(f->result.hits[0].boosts, 1);
    r.offset = 1;
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.n_hits, 1);
    assert_string_equal(hit(f, 0), "a");
    assert_int_equal(f->result.hits[0].boosts, 0);
    assert_int_equal(f->result.total, 2);
}

static void test_order(void **state)
{
    struct fixture *f = *state;

    struct wr *wr = begin(f);
    put_in(wr, "long", "Förening",
           "Migrän och mycket annat som tar plats och plats och plats och mer plats.", NULL, NULL);
    put_in(wr, "text", "Förening", "Migrän.", NULL, NULL);
    put_in(wr, "name", "Migrän", "Förening.", NULL, NULL);
    put_in(wr, "both", "Astma", "Allergi", NULL, NULL);
    put_in(wr, "one", "Astma", "Astma", NULL, NULL);
    commit(f, wr);
    expect(f, "migrän", "name text long");
    expect(f, "astma allergi", "both one");
}

static void test_edits_and_deletes(void **state)
{
    struct fixture *f = *state;

    put(f, "a", "Hund", "katt");
    put(f, "b", "Hund", "fisk");
    put(f, "a", "Häst", "katt");
    expect(f, "hund", "b");
    expect(f, "häst", "a");
    struct wr *wr = begin(f);
    search_delete(wr, text_slice("a"));
    search_delete(wr, text_slice("no such"));
    commit(f, wr);
    expect(f, "katt", "");
    wr = begin(f);
    search_delete(wr, text_slice("b"));
    commit(f, wr);

    /* Nothing is left but the numbers given out. */
    struct rd *rd;
    assert_int_equal(rd_begin(f->store, f->arena, &rd), 0);
    for (size_t i = 0; TABLES[i]; i++)
        assert_int_equal(rd_count(rd, TABLES[i]), TABLES[i] == &T_SEARCH_META ? 2 : 0);
    rd_end(rd);
}

static void expect_marks(struct fixture *f, const char *query, const char *text, const char *marked)
{
    struct search_span *spans;
    struct buf out = BUF_INIT(4096);
    uint32_t at = 0;
    size_t n;

    ask(f, query);
    assert_int_equal(search_highlight(f->arena, &f->result, text, strlen(text), 10, &spans, &n), 0);
    for (size_t i = 0; i < n; i++) {
        buf_append(&out, text + at, spans[i].start - at);
        buf_append_byte(&out, '[');
        buf_append(&out, text + spans[i].start, spans[i].end - spans[i].start);
        buf_append_byte(&out, ']');
        at = spans[i].end;
    }
    buf_append_str(&out, text + at);
    buf_append_byte(&out, 0);
    assert_string_equal((char *)out.data, marked);
    buf_free(&out);
}

static void test_highlights(void **state)
{
    struct fixture *f = *state;

    put_some(f);
    expect_marks(f, "bröst cancer", "Om Bröstcancerförbundet: cancern.",
                 "Om [Bröstcancer]förbundet: [cancern].");
    expect_marks(f, "celaiki", "CELIAKI är vanligt", "[CELIAKI] är vanligt");
    expect_marks(f, "finnsinte", "finns inte", "finns inte");
    put(f, "single", "Enskilda", "");
    expect_marks(f, "enskild", "Ett enskilt hem",
                 "Ett [enskilt] hem"); /* not its stem's last letter */
}

static void test_bad_input(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "",
        " ",
        "å",
        "\"",
        "AND OR NOT",
        "\"bröst\" -cancer*",
        "och i på av",
        "(((((",
        "\xff\xfe\xfd",
        "br\xc3",
        "🙂🙂🙂",
        "a\xcc\x88\xcc\x88\xcc\x88",
        "рак груди",
        "سرطان",
        "乳癌",
        "\x01\x02",
        "%s%n",
        "а́а́а́",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    };

    put_some(f);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct search_request r = {
            .text = texts[i], .len = strlen(texts[i]), .limit = 10, .type_ahead = i % 2
        };
        assert_int_equal(ask_for(f, &r), 0);
    }
    char *large = malloc(100000);
    memset(large, 'a', 100000);
    struct search_request r = { .text = large, .len = 100000, .limit = 10 };
    assert_int_equal(ask_for(f, &r), 0);
    for (size_t i = 0; i < 100000; i += 7)
        large[i] = ' ';
    assert_int_equal(ask_for(f, &r), 0);
    r.limit = SEARCH_HITS_MAX;
    r.offset = 1;
    assert_int_equal(ask_for(f, &r), -EINVAL);
    free(large);
}

/* A document of bytes that are no text, of one huge word, of nothing. */
static void test_bad_documents(void **state)
{
    struct fixture *f = *state;
    size_t len = 1 << 20;
    char *large = malloc(len + 1);

    memset(large, 'x', len);
    large[len] = '\0';
    put(f, "huge", large, "");
    put(f, "bytes", "\xff\xc3(\xf0\x90", "\x80\x80");
    put(f, "nothing", "", "");
    for (size_t i = 0; i < len; i += 2)
        large[i] = (char)('0' + i / 2 % 10);
    for (size_t i = 1; i < len; i += 2)
        large[i] = ' ';
    put(f, "many", large, "");
    char shorter[200];
    memset(shorter, 'x', 199);
    shorter[199] = '\0';
    expect(f, shorter, "huge"); /* the first so many letters count */
    free(large);
    struct wr *wr = begin(f);
    search_delete(wr, text_slice("huge"));
    search_delete(wr, text_slice("bytes"));
    search_delete(wr, text_slice("nothing"));
    search_delete(wr, text_slice("many"));
    commit(f, wr);
}

static void expect_refused(struct fixture *f, const struct search_document *d)
{
    struct wr *wr = begin(f);

    search_put(wr, d);
    assert_int_equal(wr_status(wr), -EINVAL);
    wr_abort(wr);
}

static void test_bad_calls(void **state)
{
    struct fixture *f = *state;
    const char *const word[] = { "x" };
    struct search_field field = { "a", 1, 0, 0 };
    struct search_facet facet = { 1, "" };

    expect_refused(f, &(struct search_document) { .key = { 0 } });
    expect_refused(
        f, &(struct search_document) { .key = SLICE_STR("k"), .fields = &field, .n_fields = 1 });
    expect_refused(
        f, &(struct search_document) { .key = SLICE_STR("k"), .facets = &facet, .n_facets = 1 });
    facet = (struct search_facet) { FACET_ALL, "x" };
    expect_refused(
        f, &(struct search_document) { .key = SLICE_STR("k"), .facets = &facet, .n_facets = 1 });
    struct wr *wr = begin(f);
    search_synonym_put(wr, "...", word, 1);
    assert_int_equal(wr_status(wr), -EINVAL);
    wr_abort(wr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEARCH_TEST(test_facets),        SEARCH_TEST(test_boosts),
        SEARCH_TEST(test_order),         SEARCH_TEST(test_edits_and_deletes),
        SEARCH_TEST(test_highlights),    SEARCH_TEST(test_bad_input),
        SEARCH_TEST(test_bad_documents), SEARCH_TEST(test_bad_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
