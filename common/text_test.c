#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
    *state = arena_new(4 << 20);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

/* The words of a text, each followed by a bar. */
static const char *words_of(struct arena *a, const char *text, size_t len)
{
    struct text_token *t;
    size_t n;
    const char *joined = "";

    arena_reset(a);
    assert_int_equal(text_tokens(a, text, len, 100, &t, &n), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(t[i].start < t[i].end && t[i].end <= len);
        assert_true(i == 0 || t[i].start >= t[i - 1].end);
        joined = arena_printf(a, "%s%s|", joined, t[i].word);
        assert_non_null(joined);
    }
    return joined;
}

#define assert_words(a, text, expected)                                                            \
    assert_string_equal(words_of(a, text, sizeof(text) - 1), expected)

static void cuts_words(void **state)
{
    struct arena *a = *state;

    assert_words(a, "", "");
    assert_words(a, " .,-\n", "");
    assert_words(a, "Hälso- och SJUKVÅRD", "hälso|och|sjukvård|");
    assert_words(a, "Ehlers-Danlos (typ 3), covid-19", "ehlers|danlos|typ|3|covid|19|");
    assert_words(a, "22q11, B12 och H2O", "22q11|b12|och|h2o|");
    assert_words(a, "S.P.E.S. i Skåne. P.S", "spes|i|skåne|ps|");
    assert_words(a, "t.ex. A.B c. d", "t|ex|ab|c|d|");
    assert_words(a, "TLV:s, RSMH:are och 1:a; LSS:insats", "tlv|rsmh|och|1|lss|insats|");
    assert_words(a, "www.exempel.se/om?x=1", "www|exempel|se|om|x|1|");
}

static void normalises(void **state)
{
    struct arena *a = *state;

    assert_words(a, "A\xcc\x8angest", "ångest|");            /* A and a ring above: one letter */
    assert_words(a, "sjuk\xc2\xadv\xc3\xa5rd", "sjukvård|"); /* a soft hyphen */
    assert_words(a, "\xef\xac\x81kus", "fikus|");            /* the ligature fi */
    assert_words(a, "\xef\xbc\xb4\xef\xbc\xac\xef\xbc\xb6", "tlv|"); /* full-width letters */
    assert_words(a,
                 "STRASSE Stra\xc3\x9f"
                 "e",
                 "strasse|strasse|");
    assert_words(a, "\xd0\x9f\xd0\xa0\xd0\x98 \xe5\x8c\xbb\xe7\x94\x9f",
                 "\xd0\xbf\xd1\x80\xd0\xb8|\xe5\x8c\xbb\xe7\x94\x9f|");
}

static void bears_hostile_text(void **state)
{
    struct arena *a = *state;

    assert_words(a, "sj\xffuk\xc3", "sj|uk|");        /* bytes that are not UTF-8 separate */
    assert_words(a, "v\xc3\xa5rd\0hem", "vård|hem|"); /* so does a NUL */
    assert_words(a, "\xcc\x88\xcc\x88 a", "a|");      /* marks without a letter */
    assert_words(a, "\xf0\x9f\x98\x80vård\xf0\x9f\x8f\xbd", "vård|");
    assert_words(a, "\xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80 ok",
                 "ok|"); /* surrogate, over-long, too large */

    /* One letter with ten thousand marks, and ten thousand letters: the first 64 characters count, the rest is passed over. */
    char *long_text = malloc(20003);
    assert_non_null(long_text);
    long_text[0] = 'q';
    for (size_t i = 0; i < 10000; i++)
        memcpy(long_text + 1 + 2 * i, "\xcc\xa7", 2);
    memcpy(long_text + 20001, " x", 2);
    const char *words = words_of(a, long_text, 20003);
    assert_true(strlen(words) < 2 * TEXT_WORD_MAX + 4);
    assert_string_equal(words + strlen(words) - 3, "|x|");
    memset(long_text, 'q', 20001);
    words = words_of(a, long_text, 20003);
    assert_int_equal(strspn(words, "q"), TEXT_WORD_MAX);
    assert_string_equal(words + TEXT_WORD_MAX, "|x|");
    free(long_text);
}

static void stops_at_limits(void **state)
{
    struct text_token *t;
    size_t n;
    struct arena *small = arena_new(4096);
    char text[2048];

    assert_int_equal(text_tokens(*state, "a b c", 5, 2, &t, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(text_tokens(*state, "a b c", 5, 0, &t, &n), 0);
    assert_int_equal(n, 0);
    assert_non_null(small);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 ? ' ' : 'a';
    assert_int_equal(text_tokens(small, text, sizeof text, sizeof text, &t, &n), -ENOMEM);
    arena_free(small);
}

static void marks_where_words_stand(void **state)
{
    static const char text[] = "\xc3\x84r TLV:s S.P.E.S. klar?";
    struct text_token *t;
    size_t n;

    assert_int_equal(text_tokens(*state, text, strlen(text), 10, &t, &n), 0);
    assert_int_equal(n, 4);
    assert_int_equal(t[0].start, 0);
    assert_int_equal(t[0].end, 3);
    assert_memory_equal(text + t[1].start, "TLV:s", t[1].end - t[1].start);
    assert_int_equal(t[1].end - t[1].start, 5);
    assert_int_equal(t[2].end - t[2].start, 7);
    assert_memory_equal(text + t[3].start, "klar?", 5);
}

static void folds(void **state)
{
    struct text_token *t;
    size_t n;
    char to[16];

    static const char text[] = "Brösten idé smør cancer";
    assert_int_equal(text_tokens(*state, text, strlen(text), 10, &t, &n), 0);
    assert_int_equal(n, 4);
    assert_string_equal(t[0].folded, "brosten");
    assert_string_equal(t[0].folded_stem, "brost");
    assert_string_equal(t[1].folded, "ide");
    assert_string_equal(t[2].folded, "smor");
    assert_ptr_equal(t[3].folded, t[3].word);
    assert_ptr_equal(t[3].folded_stem, t[3].stem);

    assert_int_equal(text_casefold("ÅÄÖ Øst-Ære", 16, true, to, sizeof to), 12);
    assert_memory_equal(to, "aao ost-aere", 12);
    /* Whole characters only, in what fits. */
    assert_int_equal(text_casefold("ÅÄÖ", 6, false, to, 5), 4);
    assert_memory_equal(to, "åä", 4);
    /* The quick way for Latin-1 and ICU's give the same: the second text has a letter beyond it. */
    for (unsigned c = 0xc0; c <= 0xff; c++) {
        char plain[2] = { (char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f)) }, quick[8], slow[8];
        char beyond[4] = { plain[0], plain[1], (char)0xc4, (char)0x8d };
        for (int diacritics = 0; diacritics < 2; diacritics++) {
            size_t len = text_casefold(plain, 2, diacritics, quick, sizeof quick);
            size_t slow_len = text_casefold(beyond, 4, diacritics, slow, sizeof slow);
            assert_int_equal(slow_len, len + (diacritics ? 1 : 2));
            assert_memory_equal(slow, quick, len);
        }
    }
}

/* Each row is one word in several inflections: one stem, and one folded stem without diacritics. */
static void stems_inflections_alike(void **state)
{
    static const char *const rows[][6] = {
        { "förbund", "förbundet", "förbundets", "förbunden", "förbundens", "förbunds" },
        { "råd", "rådet", "rådets", "råden", "rådens", "råds" },
        { "sjukhus", "sjukhuset", "sjukhusets", "sjukhusen", "sjukhusens", "sjukhus" },
        { "sällskap", "sällskapet", "sällskapets", "sällskapen", "sällskapens", "sällskaps" },
        { "center", "centret", "centrets", "centren", "centrens", "centers" },
        { "flicka", "flickan", "flickor", "flickorna", "flickornas", "flickas" },
        { "hand", "handen", "händer", "händerna", "händernas", "hands" },
        { "man", "mannen", "män", "männen", "männens", "mannens" },
        { "nationell", "nationellt", "nationella", "nationells", "nationellas", "nationell" },
        { "förälder", "föräldern", "föräldrar", "föräldrarna", "föräldrarnas", "förälderns" },
        { "vård", "vården", "vårdens", "vårds", "vård", "vård" },
        { "anhörig", "anhöriga", "anhörigas", "anhörigt", "anhörig", "anhöriga" },
        /* compounds that no dictionary has */
        { "hyperhidrosförening", "hyperhidrosföreningen", "hyperhidrosföreningar",
          "hyperhidrosföreningarna", "hyperhidrosföreningarnas", "hyperhidrosförenings" },
        { "glaukomförbund", "glaukomförbundet", "glaukomförbundets", "glaukomförbunden",
          "glaukomförbundens", "glaukomförbunds" },
    };
    char first[TEXT_WORD_BYTES + 1], stem[TEXT_WORD_BYTES + 1], folded[TEXT_WORD_BYTES + 1];
    (void)state; /* needs none */

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char first_folded[TEXT_WORD_BYTES + 1];
        for (size_t j = 0; j < ARRAY_LEN(rows[i]); j++) {
            const char *word = rows[i][j];
            folded[text_casefold(word, strlen(word), true, folded, TEXT_WORD_BYTES)] = '\0';
            size_t n = text_stem(word, j ? stem : first);
            assert_int_equal(n, strlen(j ? stem : first));
            char folded_stem[TEXT_WORD_BYTES + 1];
            text_stem(folded, folded_stem);
            if (j == 0)
                strncpy(first_folded, folded_stem, sizeof first_folded);
            else
                assert_string_equal(stem, first);
            assert_string_equal(folded_stem, first_folded);
        }
    }
}

static void keeps_other_words_apart(void **state)
{
    static const char *const pairs[][2] = {
        { "universitet", "univers" }, { "planet", "plan" },     { "paket", "pack" },
        { "magnet", "magn" },         { "förbund", "förband" }, { "får", "far" },
        { "cancer", "cancan" },       { "vård", "värd" },
    };
    char a[TEXT_WORD_BYTES + 1], b[TEXT_WORD_BYTES + 1];
    (void)state; /* needs none */

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        text_stem(pairs[i][0], a);
        text_stem(pairs[i][1], b);
        assert_string_not_equal(a, b);
    }
}

static void knows_words_and_places(void **state)
{
    (void)state; /* needs none */
    assert_true(text_is_known("föreningarna"));
    assert_true(text_is_known("foreningarna"));
    assert_false(text_is_known("föreninjen"));
    assert_false(text_is_known(""));
    assert_true(text_is_place("göteborg"));
    assert_true(text_is_place("goteborgs"));
    assert_true(text_is_place("jönköpings"));
    assert_true(text_is_place("borås"));
    assert_false(text_is_place("förening"));
    assert_false(text_is_place("län"));
}

static void *stem_in_thread(void *result)
{
    text_stem("föreningarna", result);
    return NULL;
}

static void works_in_threads(void **state)
{
    pthread_t threads[4];
    char stems[4][TEXT_WORD_BYTES + 1];
    (void)state; /* needs none */

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, stem_in_thread, stems[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_string_equal(stems[i], "förening");
    }
    assert_int_equal(text_version(), text_version());
    assert_int_not_equal(text_version(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cuts_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(normalises, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bears_hostile_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_at_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(marks_where_words_stand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(folds, set_up, tear_down),
        cmocka_unit_test(stems_inflections_alike),
        cmocka_unit_test(keeps_other_words_apart),
        cmocka_unit_test(knows_words_and_places),
        cmocka_unit_test(works_in_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
