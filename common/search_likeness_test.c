/* search_likeness_test.c - what it costs to write one word for another; and that words in order, of which the rows are shared and beginnings
 * given up, cost what each costs alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/search_likeness.h"

static unsigned cost(const char *query, const char *word, unsigned limit, bool same_start)
{
    struct likeness l;
    struct likeness_next next;

    assert_true(likeness_begin(&l, query, limit, same_start));
    return likeness_cost(&l, (const uint8_t *)word, strlen(word), &next);
}

static void test_costs(void **state)
{
    static const struct {
        const char *query, *word;
        unsigned cost;
    } pairs[] = {
        { "njure", "njure", 0 },
        { "njurw", "njure", LIKENESS_SLIP },              /* the key beside it */
        { "nujre", "njure", LIKENESS_SLIP },              /* exchanged */
        { "njupe", "njure", LIKENESS_EDIT },              /* another letter, */
        { "njre", "njure", LIKENESS_EDIT },               /* one less, */
        { "njurtet", "njuret", LIKENESS_EDIT },           /* one more */
        { "njuure", "njure", LIKENESS_SOUND },            /* doubled, */
        { "reumatism", "reummatism", LIKENESS_SOUND },    /* or not */
        { "siropraktor", "ciropraktor", LIKENESS_SOUND }, /* the same sound */
        { "kromosom", "chromosom", LIKENESS_SOUND },
        { "fosfat", "phosphat", 2 * LIKENESS_SOUND },
        { "sjema", "schema", LIKENESS_SOUND },
        { "skema", "schema", LIKENESS_SOUND },
        { "schock", "skock", LIKENESS_SOUND },
        { "rytm", "rhythm", 2 * LIKENESS_SOUND },
        { "taxi", "taksi", LIKENESS_SOUND },
        { "jikt", "gikt", LIKENESS_SOUND },
        { "lepra", "tyfus", LIKENESS_FAR },
        { "a", "", LIKENESS_EDIT },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        unsigned got = cost(pairs[i].query, pairs[i].word, 2 * LIKENESS_EDIT, false);
        if (got != pairs[i].cost)
            print_error("\"%s\" for \"%s\"\n", pairs[i].query, pairs[i].word);
        assert_int_equal(got, pairs[i].cost);
    }
}

static void test_limits(void **state)
{
    char long_word[LIKENESS_QUERY_MAX + 2];
    struct likeness l;

    (void)state;
    assert_int_equal(cost("njupe", "njure", LIKENESS_EDIT, false), LIKENESS_EDIT);
    assert_int_equal(cost("njupe", "njure", LIKENESS_SLIP, false), LIKENESS_FAR);
    assert_int_equal(cost("ljure", "njure", LIKENESS_EDIT, false), LIKENESS_EDIT);
    assert_int_equal(cost("ljure", "njure", LIKENESS_EDIT, true), LIKENESS_FAR);
    assert_int_equal(cost("kancer", "cancer", LIKENESS_EDIT, true), LIKENESS_SOUND);
    memset(long_word, 'a', sizeof(long_word));
    long_word[LIKENESS_QUERY_MAX + 1] = '\0';
    assert_false(likeness_begin(&l, long_word, LIKENESS_EDIT, false));
    assert_int_equal(cost("a", long_word, LIKENESS_EDIT, false), LIKENESS_FAR);
    long_word[LIKENESS_QUERY_MAX] = '\0';
    assert_int_equal(cost(long_word, long_word, LIKENESS_EDIT, false), 0);
    assert_false(likeness_begin(&l, "", LIKENESS_EDIT, false));
}

enum { WORDS = 400, WORD_BYTES = 12, QUERIES = 60 };

static uint32_t draw(uint64_t *random, uint32_t below)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*random >> 33) % below;
}

/* Of letters that are in groups, so that many words are near each other. */
static void make_word(uint64_t *random, char to[WORD_BYTES])
{
    static const char letters[] = "schkjtzf";
    uint32_t len = 1 + draw(random, WORD_BYTES - 2);

    for (uint32_t i = 0; i < len; i++)
        to[i] = letters[draw(random, sizeof(letters) - 1)];
    to[len] = '\0';
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Whether a word that comes after `from` may be near, by what was said of that one. */
static bool may_be_near(const char *word, const char *from, struct likeness_next next)
{
    return strncmp(word, from, next.same) != 0 || (uint8_t)word[next.same] >= next.letter;
}

static void test_words_in_order(void **state)
{
    static char words[WORDS][WORD_BYTES];
    uint64_t random = 11;
    size_t near = 0, passed = 0;

    (void)state;
    for (size_t i = 0; i < WORDS; i++)
        make_word(&random, words[i]);
    qsort(words, WORDS, WORD_BYTES, compare);
    for (unsigned q = 0; q < QUERIES; q++) {
        const unsigned limit = LIKENESS_SOUND + q % 8;
        char query[WORD_BYTES];
        const char *from = "";
        struct likeness l;
        struct likeness_next next = { 0 };
        make_word(&random, query);
        assert_true(likeness_begin(&l, query, limit, false));
        for (size_t i = 0; i < WORDS; i++) {
            /* What the limit does not reach may cost anything above it; nothing within it is lost with a beginning. */
            unsigned alone = cost(query, words[i], 12 * LIKENESS_EDIT, false);
            unsigned expected = alone <= limit ? alone : LIKENESS_FAR;
            if (!may_be_near(words[i], from, next)) {
                assert_int_equal(expected, LIKENESS_FAR);
                passed++;
                continue;
            }
            unsigned got = likeness_cost(&l, (const uint8_t *)words[i], strlen(words[i]), &next);
            assert_int_equal(got, expected);
            near += got <= limit;
            from = words[i];
        }
    }
    assert_true(near > 100);
    assert_true(passed > WORDS * QUERIES / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_costs),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_words_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
