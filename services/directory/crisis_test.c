/* crisis_test.c - what is taken for a crisis and what is not, with the real words and helplines of deploy/data. */
#include "services/directory/crisis.h"

#include <errno.h>
#include <unistd.h>

#include "services/directory/testing.h"

#include "common/testing_tree.h"

static char folder[] = "crisis-test-XXXXXX";
static struct store *store;
static struct arena *arena;

static void put_words(struct wr *wr)
{
    size_t n;
    CrisisWord **words =
        (CrisisWord **)read_csv_file("crisis_words.csv", CRISIS_WORD_DESCRIPTOR, &n);
    for (size_t i = 0; i < n; i++) {
        char *identity;
        assert_int_equal(crisis_identity(arena, words[i]->word, words[i]->language, &identity), 0);
        wr_put(wr, &T_CRISIS_WORD, KEY_TEXT(identity), words[i]);
    }
    Helpline **lines = (Helpline **)read_csv_file("helplines.csv", HELPLINE_DESCRIPTOR, &n);
    for (size_t i = 0; i < n; i++)
        wr_put(wr, &T_HELPLINE, KEY_TEXT(lines[i]->slug), lines[i]);
}

static int setup(void **state)
{
    (void)state; /* the store is the program's */
    struct err err;
    struct wr *wr;
    bool unknown;
    if (!mkdtemp(folder))
        return -1;
    arena = arena_new(64 * 1024 * 1024);
    struct store_config config = { .path = folder, .tables = directory_tables, .no_sync = true };
    assert_int_equal(store_open(&store, &config, &err), 0);
    assert_int_equal(wr_begin(store, arena, &wr), 0);
    put_words(wr);
    return wr_commit(wr, &unknown, &err);
}

static int teardown(void **state)
{
    (void)state; /* as above */
    store_close(store);
    arena_free(arena);
    return testing_remove_tree(folder);
}

/* The slugs of the lines with spaces between; "" for no crisis. */
static const char *help_for(const char *text, size_t len)
{
    static char slugs[2000];
    struct rd *rd;
    Helpline **lines;
    size_t n;
    arena_reset(arena);
    assert_int_equal(rd_begin(store, arena, &rd), 0);
    assert_int_equal(crisis_help(rd, arena, text, len, &lines, &n), 0);
    slugs[0] = '\0';
    for (size_t i = 0, at = 0; i < n; i++)
        at +=
            (size_t)snprintf(slugs + at, sizeof(slugs) - at, "%s%s", i ? " " : "", lines[i]->slug);
    rd_end(rd);
    return slugs;
}

/* 112 comes first, 1177 second, this one somewhere behind them. */
static void expect(const char *text, const char *line)
{
    static const char first[] = "sos-alarm vardguiden-1177";
    const char *slugs = help_for(text, strlen(text));
    if (strncmp(slugs, first, sizeof(first) - 1) != 0 || !strstr(slugs, line))
        fail_msg("\"%s\": help should begin with %s and hold %s, is: %s", text, first, line, slugs);
}

static void expect_none(const char *text)
{
    const char *slugs = help_for(text, strlen(text));
    if (*slugs)
        fail_msg("\"%s\" is no crisis, but shows %s", text, slugs);
}

static void words_of_crisis_show_112_then_1177_then_the_fitting_lines(void **state)
{
    (void)state; /* as above */
    expect("självmord", "sjalvmordslinjen");
    expect("ORKAR INTE LEVA", "sjalvmordslinjen");
    expect("jag vill dö", "sjalvmordslinjen");
    expect("våld", "kvinnofridslinjen");
    expect("pappa slår mig", "bris");
    expect("förgiftad av svamp", "giftinformation-akut");
    expect("min bror tog livet av sig", "spes-telefonjour");
    expect("hon andas inte", "");
    expect("behöver någon att prata med i natt", "jourhavande-medmanniska");
}

static void inflections_missing_dots_typos_and_torn_words_are_understood(void **state)
{
    (void)state; /* as above */
    expect("självmordet", "sjalvmordslinjen");
    expect("sjalvmordstankar", "sjalvmordslinjen");
    expect("sjelvmord", "sjalvmordslinjen");
    expect("sjävmord", "sjalvmordslinjen");
    expect("själv mord", "sjalvmordslinjen");
    expect("valdtakt", "kvinnofridslinjen");
    expect("vald", "kvinnofridslinjen");
    expect("vill do", "sjalvmordslinjen");
    expect("ätstörningar", "bris");
    expect("MISSHANDLADE", "kvinnofridslinjen");
    expect("missandel", "kvinnofridslinjen");
    expect("sja\xcc\x88lvmord", "sjalvmordslinjen"); /* a combining mark */
}

static void compounds_that_hold_a_word_of_crisis_are_one(void **state)
{
    (void)state; /* as above */
    expect("våldsutsatt", "kvinnofridslinjen");
    expect("självmordsprevention", "sjalvmordslinjen");
    expect("självmordsrisk hos äldre", "sjalvmordslinjen");
    expect("svampförgiftning", "giftinformation");
    expect("partnervåldet", "kvinnofridslinjen");
}

static void phrases_bear_two_other_words_but_no_negation(void **state)
{
    (void)state; /* as above */
    expect("jag vill verkligen inte leva längre", "sjalvmordslinjen");
    expect("vill bara helst dö", "sjalvmordslinjen");
    expect("kan jag få någon att prata lite med", "jourhavande-medmanniska");
    expect("vill bara få dö", "sjalvmordslinjen");
    expect_none("vill att mormor får dö i fred");
    expect_none("jag vill inte dö");
    expect_none("leva med diabetes, orkar inte träna");
    expect_none("vill leva");
    expect_none("den som vill att alla människor ska få dö i sitt hem");
}

static void phrases_may_be_misspelt_or_have_their_negation_before_them(void **state)
{
    (void)state; /* as above */
    expect("mår så dåligt att jag inte orkar leva", "sjalvmordslinjen");
    expect("jag inte längre orkar leva", "sjalvmordslinjen");
    expect("vil inte leva", "sjalvmordslinjen");
    expect("vill inte lefa", "sjalvmordslinjen");
    expect("jag vill dööö", "sjalvmordslinjen");
    expect("har skurit mej", "sjalvmordslinjen");
    expect("tagit för många sömntabletter", "giftinformation-akut");
    expect_none("vil inte lefa"); /* two mistakes */
    expect_none("inte trött, vill bo hemma");
    expect_none("inte tagit tabletter");
}

static void the_longest_phrase_comes_first(void **state)
{
    (void)state; /* as above */
    assert_string_equal(help_for("tog livet av sig efter våld", 28),
                        "sos-alarm vardguiden-1177 spes-telefonjour sjalvmordslinjen "
                        "jourhavande-prast hjalplinjen kvinnofridslinjen bris "
                        "jourhavande-medmanniska");
}

static void other_languages_count_as_they_stand(void **state)
{
    (void)state; /* as above */
    expect("i want to kill myself", "sjalvmordslinjen");
    expect("my husband beats me", "kvinnofridslinjen");
    expect("rape", "kvinnofridslinjen");
    expect("انتحار", "sjalvmordslinjen");
    expect_none("bebisen rapar"); /* the same stem in Swedish */
}

static void what_only_looks_like_a_crisis_is_none(void **state)
{
    (void)state; /* as above */
    static const char *const plain[] = {
        "hjärtattack",
        "hjärtinfarkt",
        "stroke",
        "diabetes",
        "väldigt ont i ryggen",
        "väldig trötthet",
        "jag valde fel vårdcentral",
        "omvald ordförande",
        "havandeskapsförgiftning",
        "livshotande sjukdom",
        "utrotningshotad",
        "klimathot",
        "vårdtagare",
        "kväveoxid",
        "läkarslarv",
        "Bröstcancerförbundet",
        "vill byta läkare",
        "ensam förälder",
        "slår vakt om rättigheter",
        "hotell för anhöriga",
        "giftermål",
        "depression",
        "skärgården",
        "röster från patienter",
        "prata med en sjuksköterska",
        "dövblind",
        "TLV",
        "NSPH",
    };
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        expect_none(plain[i]);
    /* Sepsis is acute, but no poisoning. */
    assert_string_equal(help_for("blodförgiftning", strlen("blodförgiftning")),
                        "sos-alarm vardguiden-1177");
}

static void hostile_texts_are_looked_at_with_bounded_work(void **state)
{
    (void)state; /* as above */
    static char text[40000];
    assert_string_equal(help_for("", 0), "");
    assert_string_equal(help_for("\xff\xfe\x80\0x", 5), "");
    assert_string_equal(help_for("\xff"
                                 "självmord"
                                 "\xff",
                                 12),
                        help_for("självmord", 10));
    memset(text, 'x', sizeof(text));
    assert_string_equal(help_for(text, sizeof(text)), "");
    for (size_t i = 7; i < sizeof(text); i += 8)
        text[i] = ' ';
    assert_string_equal(help_for(text, sizeof(text)), "");
    for (size_t i = 0; i + 6 < sizeof(text); i += 6)
        memcpy(text + i, "panik ", 6);
    expect("panik", "hjalplinjen");
    assert_true(strlen(help_for(text, sizeof(text))) > 0);
}

static void without_recorded_helplines_112_and_1177_are_told_all_the_same(void **state)
{
    (void)state; /* as above */
    struct rd *rd;
    struct wr *wr;
    Helpline **lines;
    size_t n;
    arena_reset(arena);
    assert_int_equal(wr_begin(store, arena, &wr), 0);
    wr_clear(wr, &T_HELPLINE);
    rd = wr_rd(wr);
    assert_int_equal(crisis_help(rd, arena, "våld", strlen("våld"), &lines, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(lines[0]->phone, "112");
    assert_string_equal(lines[1]->phone, "1177");
    assert_true(protobuf_c_message_check(&lines[0]->base));
    wr_abort(wr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_crisis_show_112_then_1177_then_the_fitting_lines),
        cmocka_unit_test(inflections_missing_dots_typos_and_torn_words_are_understood),
        cmocka_unit_test(compounds_that_hold_a_word_of_crisis_are_one),
        cmocka_unit_test(phrases_bear_two_other_words_but_no_negation),
        cmocka_unit_test(phrases_may_be_misspelt_or_have_their_negation_before_them),
        cmocka_unit_test(the_longest_phrase_comes_first),
        cmocka_unit_test(other_languages_count_as_they_stand),
        cmocka_unit_test(what_only_looks_like_a_crisis_is_none),
        cmocka_unit_test(hostile_texts_are_looked_at_with_bounded_work),
        cmocka_unit_test(without_recorded_helplines_112_and_1177_are_told_all_the_same),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
