#include "common/search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/search_internal.h"

enum { REGION = 1, KIND = 2, AREA = 3 };

static const struct table *const TABLES[] = { SEARCH_TABLES, NULL };

struct fixture {
    char path[64];
    struct store *store;
    struct arena *arena;
    struct search_result result;
    struct err err;
};

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->path, sizeof(f->path), "search-test-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    f->arena = arena_new(16 << 20);
    *state = f;
    return store_open(&f->store,
                      &(struct store_config) { .path = f->path, .tables = TABLES, .no_sync = true },
                      &f->err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    nftw(f->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    arena_free(f->arena);
    free(f);
    return 0;
}

static struct slice text_slice(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

static struct wr *begin(struct fixture *f)
{
    struct wr *wr;

    assert_int_equal(wr_begin(f->store, f->arena, &wr), 0);
    return wr;
}

static void commit(struct fixture *f, struct wr *wr)
{
    bool unknown;

    assert_int_equal(wr_status(wr), 0);
    assert_int_equal(wr_commit(wr, &unknown, &f->err), 0);
}

static void put_in(struct wr *wr, const char *key, const char *name, const char *text,
                   const char *region, const char *kind)
{
    const struct search_field fields[] = { { name, strlen(name), 300, 4 },
                                           { text, strlen(text), 100, 60 } };
    struct search_facet facets[2];
    size_t n = 0;

    if (region)
        facets[n++] = (struct search_facet) { REGION, region };
    if (kind)
        facets[n++] = (struct search_facet) { KIND, kind };
    search_put(wr, &(struct search_document) { .key = text_slice(key),
                                               .fields = fields,
                                               .n_fields = 2,
                                               .facets = facets,
                                               .n_facets = n });
}

static void put(struct fixture *f, const char *key, const char *name, const char *text)
{
    struct wr *wr = begin(f);

    put_in(wr, key, name, text, NULL, NULL);
    commit(f, wr);
}

static int ask_for(struct fixture *f, const struct search_request *request)
{
    struct rd *rd;

    assert_int_equal(rd_begin(f->store, f->arena, &rd), 0);
    int r = search_query(rd, f->arena, request, &f->result);
    rd_end(rd);
    return r;
}

static void ask(struct fixture *f, const char *text)
{
    assert_int_equal(
        ask_for(f, &(struct search_request) { .text = text, .len = strlen(text), .limit = 50 }), 0);
}

static const char *hit(struct fixture *f, size_t i)
{
    assert_true(i < f->result.n_hits);
    return arena_strndup(f->arena, (const char *)f->result.hits[i].key.data,
                         f->result.hits[i].key.len);
}

/* The keys found for a text, in order, with blanks between. */
static void expect(struct fixture *f, const char *text, const char *keys)
{
    struct buf found = BUF_INIT(4096);

    ask(f, text);
    for (size_t i = 0; i < f->result.n_hits; i++) {
        buf_append_str(&found, i ? " " : "");
        buf_append_str(&found, hit(f, i));
    }
    buf_append_byte(&found, 0);
    if (strcmp((char *)found.data, keys) != 0)
        print_error("\"%s\" found \"%s\", not \"%s\"\n", text, (char *)found.data, keys);
    assert_string_equal((char *)found.data, keys);
    buf_free(&found);
}

/* A few organisations as a directory has them; the names are of kinds, not of anybody. */
static void put_some(struct fixture *f)
{
    struct wr *wr = begin(f);

    put_in(wr, "brost", "Bröstcancerförbundet", "För dig som har eller har haft sjukdomen.", "01",
           "patient");
    put_in(wr, "prostata", "Prostatacancerförbundet", "Män och deras närstående.", "01", "patient");
    put_in(wr, "reuma-skane", "Reumatikerdistriktet Skåne", "Reumatism och värk i leder.", "12",
           "patient");
    put_in(wr, "reuma", "Reumatikerförbundet", "Hela landet.", "01", "patient");
    put_in(wr, "celiaki", "Celiakiförbundet", "Glutenfri mat.", "01", "patient");
    put_in(wr, "skold", "Sköldkörtelförbundet", "Ämnesomsättning.", "14", "patient");
    put_in(wr, "anhorig", "Anhörigas riksförbund", "Stöd till den som vårdar.", "08", "anhorig");
    commit(f, wr);
}

static void test_words(void **state)
{
    struct fixture *f = *state;

    put_some(f);
    expect(f, "bröstcancerförbundet", "brost");
    expect(f, "Bröstcancerförbundets", "brost");
    expect(f, "brostcancerforbundet", "brost");
    expect(f, "glutenfri", "celiaki");
    expect(f, "glutenfria maten", "celiaki");
    expect(f, "finnsintealls", "");
    put(f, "cafe", "Café Lidén", "");
    expect(f, "cafe", "cafe");
    expect(f, "liden", "cafe");
}

/* Words that say nothing, from both ends of the list and its middle. */
static void test_fillers(void **state)
{
    struct fixture *f = *state;

    put_some(f);
    put(f, "words", "Att och över", "");
    expect(f, "alla", "");
    expect(f, "a celiaki", "celiaki");
    expect(f, "var finns det en celiaki över alla", "celiaki");
    ask(f, "och över"); /* there is nothing else to look for */
    assert_string_equal(hit(f, 0), "words");
}

static void test_parts(void **state)
{
    struct fixture *f = *state;

    put_some(f);
    ask(f, "cancer");
    assert_int_equal(f->result.total, 2);
    expect(f, "bröstcancer", "brost");
    expect(f, "brostcancer", "brost");
    ask(f, "bröst cancer");
    assert_string_equal(hit(f, 0), "brost");
    put(f, "natverk", "Nätverket mot cancer", "");
    ask(f, "cancernätverk");
    assert_string_equal(hit(f, 0), "natverk");
    assert_int_equal(f->result.n_corrections, 0);
}

/* Who writes a compound as its parts means the word that they are together. */
static void test_runs(void **state)
{
    struct fixture *f = *state;
    struct wr *wr = begin(f);

    put_in(wr, "prostata", "Prostatacancerfonden", "", NULL, NULL);
    put_in(wr, "barn", "Barncancerfonden", "", NULL, NULL);
    put_in(wr, "cancer", "Cancerfonden", "", NULL, NULL);
    put_in(wr, "halsa", "E-hälsomyndigheten", "", NULL, NULL);
    put_in(wr, "myndighet", "Myndigheten för hälsa", "", NULL, NULL);
    commit(f, wr);
    ask(f, "cancer fonden");
    assert_string_equal(hit(f, 0), "cancer");
    assert_int_equal(f->result.total, 3);
    ask(f, "prostata cancer fonden");
    assert_string_equal(hit(f, 0), "prostata");
    ask(f, "hälso myndigheten");
    assert_string_equal(hit(f, 0), "halsa");
}

static void test_typos(void **state)
{
    struct fixture *f = *state;

    put_some(f);
    ask(f, "vid bröstcanser");
    assert_string_equal(hit(f, 0), "brost");
    assert_int_equal(f->result.n_corrections, 1);
    assert_string_equal(f->result.corrections[0].word, "bröstcancer");
    assert_int_equal(f->result.corrections[0].start, strlen("vid "));
    assert_int_equal(f->result.corrections[0].end, strlen("vid bröstcanser"));
    expect(f, "celaiki", "celiaki"); /* two letters changed places */
    expect(f, "clutenfri", "celiaki");
    expect(f, "skoldkortelforbunet", "skold");
    expect(f, "xap", "");   /* too short to guess */
    expect(f, "leker", ""); /* a word of the language is no misspelt "leder" */
    expect(f, "leeder", "reuma-skane");
    ask(f, "anhörigasriksförbund"); /* two words written as one */
    assert_string_equal(hit(f, 0), "anhorig");
    ask(f, "prost"); /* not finished, and no mistake */
    assert_string_equal(hit(f, 0), "prostata");
    assert_int_equal(f->result.n_corrections, 0);
}

/* A word of the language was meant as it stands; and dots that are there were meant, too. */
static void test_no_typos(void **state)
{
    struct fixture *f = *state;

    put(f, "report", "Rappa ord", "Den som har tid.");
    put(f, "epilepsi", "Epilepsiförbundet", "");
    for (int i = 0; i < 8; i++)
        put(f, (const char *[]) { "a", "b", "c", "d", "e", "f", "g", "h" }[i], "Barn", "");
    expect(f, "pappa", "");
    assert_int_equal(f->result.n_corrections, 0);
    expect(f, "hår", "");
    ask(f, "epilepsianfall barn"); /* nothing has "anfall" */
    assert_string_equal(hit(f, 0), "epilepsi");
}

/* "Förening" tells nobody which, unless it belongs to the word before it. */
static void test_generic_words(void **state)
{
    struct fixture *f = *state;

    put(f, "local", "Lokalförening för nerver", "En förening");
    put(f, "nerve", "Nervernas riksförbund", "");
    put(f, "diabetes", "Diabetesföreningen", "");
    put(f, "sugar", "Diabetes Sverige", "");
    ask(f, "nerver föreningen");
    assert_int_equal(f->result.total, 2);
    ask(f, "diabetes föreningen");
    assert_string_equal(hit(f, 0), "diabetes");
    ask(f, "en förening");
    assert_string_equal(hit(f, 0), "local");
}

static void test_type_ahead(void **state)
{
    struct fixture *f = *state;
    struct search_request r = { .text = "reu", .len = 3, .limit = 10, .type_ahead = true };

    put_some(f);
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.n_hits, 2);
    r.text = "hela reumati";
    r.len = strlen(r.text);
    assert_int_equal(ask_for(f, &r), 0);
    assert_string_equal(hit(f, 0), "reuma");
    r.text = "br";
    r.len = 2;
    assert_int_equal(ask_for(f, &r), 0);
    assert_string_equal(hit(f, 0), "brost");
    r.text = "br "; /* finished */
    r.len = 3;
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.n_hits, 0);
}

/* A part of a compound has its synonyms too, and a word has those of the words that it is akin to. */
static void test_synonyms_of_parts(void **state)
{
    struct fixture *f = *state;
    const char *const gynaecological[] = { "gynekologisk" },
                      *const hindered[] = { "rörelsehinder" },
                      *const exhaustion[] = { "me-patienter" };
    struct wr *wr = begin(f);

    put_in(wr, "gyn", "Nätverket mot gynekologisk cancer", "", NULL, NULL);
    put_in(wr, "blod", "Blodcancerförbundet", "", NULL, NULL);
    put_in(wr, "hinder", "Föreningen för rörelsehinder", "", NULL, NULL);
    put_in(wr, "me", "Riksförbundet för ME-patienter", "", NULL, NULL);
    search_synonym_put(wr, "äggstock", gynaecological, 1);
    search_synonym_put(wr, "rullstol", hindered, 1);
    search_synonym_put(wr, "utmattning", exhaustion, 1);
    commit(f, wr);
    expect(f, "äggstockscancer",
           "gyn blod"); /* just one has it all, so others with a part follow */
    expect(f, "rullstolsburen", "hinder");
    expect(f, "utmattad hela tiden", "me");
}

static void test_synonyms(void **state)
{
    struct fixture *f = *state;
    const char *const celiac[] = { "celiaki" };
    const char *const relatives[] = { "anhöriga", "stöd för den som vårdar" };

    put_some(f);
    struct wr *wr = begin(f);
    search_synonym_put(wr, "glutenintolerans", celiac, 1);
    search_synonym_put(wr, "ta hand om", relatives, 2);
    commit(f, wr);
    expect(f, "glutenintolerans", "celiaki");
    expect(f, "glutenintoleransen", "celiaki");
    assert_int_equal(f->result.n_meanings, 1);
    assert_string_equal(f->result.meanings[0].expansion, "celiaki");
    assert_int_equal(f->result.meanings[0].end, strlen("glutenintoleransen"));
    expect(f, "glutenintollerans", "celiaki"); /* misspelt, */
    assert_int_equal(f->result.n_corrections, 1);
    assert_string_equal(f->result.corrections[0].word, "glutenintolerans");
    expect(f, "glutenint", "celiaki"); /* or begun */
    expect(f, "att ta hand om", "anhorig");
    wr = begin(f);
    search_synonym_put(wr, "glutenintolerans", NULL, 0);
    commit(f, wr);
    ask(f, "glutenintolerans");
    assert_int_equal(f->result.n_meanings, 0);
}

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
    r.offset = 1;
    assert_int_equal(ask_for(f, &r), 0);
    assert_int_equal(f->result.n_hits, 1);
    assert_string_equal(hit(f, 0), "a");
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

/* Damage in any table is told, not fallen over. */
static void damage(struct fixture *f, const struct table *t, const char *bytes, size_t len)
{
    const struct key all = KEY_INIT;
    struct scan s;
    struct wr *wr = begin(f);
    struct key keys[64];
    size_t n = 0;

    for (scan_prefix(&s, wr_rd(wr), t, &all); n < ARRAY_LEN(keys) && scan_next(&s); n++) {
        keys[n].failed = false;
        keys[n].len = (uint16_t)s.key.len;
        memcpy(keys[n].bytes, s.key.data, s.key.len);
    }
    assert_int_equal(scan_end(&s), 0);
    for (size_t i = 0; i < n; i++)
        wr_put_bytes(wr, t, &keys[i], bytes, len);
    commit(f, wr);
}

static void test_damage(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const struct table *table;
        const char *bytes;
        size_t len;
    } damages[] = {
        { &T_SEARCH_TERM, "\x05\x81", 2 },
        { &T_SEARCH_TERM, "\x02\x05\x05\xf0\xff\x03\x05", 7 }, /* a document there never was */
        { &T_SEARCH_TERM, "", 0 },
        { &T_SEARCH_DOCUMENT, "\x00\xff\xff", 3 },
        { &T_SEARCH_DOCUMENT, "", 0 },
        { &T_SEARCH_FACET, "\xff\xff", 2 },
        { &T_SEARCH_FACET, "\x01", 1 },
        { &T_SEARCH_WORD, "\x80", 1 },
        { &T_SEARCH_META, "\x01", 1 },
        { &T_SEARCH_SYNONYM, "abc", 3 },
    };
    const uint8_t column = KIND;
    const char *const expansions[] = { "celiaki" };

    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct wr *wr = begin(f);
        for (size_t t = 0; TABLES[t]; t++)
            wr_clear(wr, TABLES[t]);
        commit(f, wr);
        put_some(f);
        wr = begin(f);
        search_synonym_put(wr, "cancer", expansions, 1);
        commit(f, wr);
        damage(f, damages[i].table, damages[i].bytes, damages[i].len);
        const char *text = "cancer reumatismm";
        int r = ask_for(f, &(struct search_request) { .text = text,
                                                      .len = strlen(text),
                                                      .limit = 10,
                                                      .count_columns = &column,
                                                      .n_count_columns = 1 });
        assert_int_equal(r, -EBADMSG);
    }
    /* Writing finds it, too. */
    struct wr *wr = begin(f);
    for (size_t t = 0; TABLES[t]; t++)
        wr_clear(wr, TABLES[t]);
    commit(f, wr);
    put_some(f);
    damage(f, &T_SEARCH_TERM, "\x05\x81", 2);
    wr = begin(f);
    put_in(wr, "brost", "Cancer", "", NULL, NULL);
    bool unknown;
    assert_int_equal(wr_commit(wr, &unknown, &f->err), -EBADMSG);
}

/* What a transaction that ends in nothing gathered is gone. */
static void test_abort(void **state)
{
    struct fixture *f = *state;

    put_some(f);
    struct wr *wr = begin(f);
    put_in(wr, "new", "Glutenfri", "", NULL, NULL);
    wr_abort(wr);
    expect(f, "glutenfri", "celiaki");
    put(f, "next", "Glutenfri", "");
    expect(f, "glutenfri", "next celiaki");
}

#ifdef FOKUS_FAULTS
/* Whichever write or allocation fails, the transaction fails as a whole. */
static void test_faults(void **state)
{
    struct fixture *f = *state;
    static const enum fault_point points[] = { FAULT_PUT, FAULT_ARENA };

    put_some(f);
    for (size_t p = 0; p < ARRAY_LEN(points); p++) {
        for (unsigned long nth = 1;; nth++) {
            struct wr *wr = begin(f);
            bool unknown;
            fault_arm(points[p], nth);
            put_in(wr, "brost", "Reumatiker och gluten", "Lungcancer", "05", "x");
            search_delete(wr, text_slice("celiaki"));
            int r = wr_commit(wr, &unknown, &f->err);
            bool done = fault_count(points[p]) < nth;
            fault_arm(points[p], 0);
            if (done) {
                assert_int_equal(r, 0);
                break;
            }
            assert_true(r < 0);
            expect(f, "celiaki", "celiaki");
        }
        struct wr *wr = begin(f);
        put_in(wr, "celiaki", "Celiakiförbundet", "Glutenfri mat.", "01", "patient");
        commit(f, wr);
    }
    for (unsigned long nth = 1;; nth++) {
        struct rd *rd;
        assert_int_equal(rd_begin(f->store, f->arena, &rd), 0);
        const uint8_t column = KIND;
        fault_arm(FAULT_ARENA, nth);
        int r = search_query(rd, f->arena,
                             &(struct search_request) { .text = "celaiki lungor",
                                                        .len = 14,
                                                        .limit = 10,
                                                        .count_columns = &column,
                                                        .n_count_columns = 1 },
                             &f->result);
        bool done = fault_count(FAULT_ARENA) < nth;
        fault_arm(FAULT_ARENA, 0);
        rd_end(rd);
        if (done) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        arena_reset(f->arena);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fillers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_typos, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_typos, setup, teardown),
        cmocka_unit_test_setup_teardown(test_generic_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_type_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_synonyms, setup, teardown),
        cmocka_unit_test_setup_teardown(test_synonyms_of_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_facets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_boosts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_edits_and_deletes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_highlights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_input, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_documents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort, setup, teardown),
#ifdef FOKUS_FAULTS
        cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
