#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The limits of the hand-judged set, in tests/search/compounds.tsv. */
#define PRECISION_LEAST 0.97
#define RECALL_LEAST    0.90

static int set_up(void **state)
{
    *state = arena_new(1 << 20);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

/* The word with + between its smallest parts. */
static const char *divide(struct arena *a, const char *word)
{
    struct text_part *p;
    size_t n;
    const char *joined = NULL;

    arena_reset(a);
    assert_int_equal(text_compound(a, word, &p, &n), 0);
    for (size_t i = 0; i < n && p[i].leaf; i++)
        joined = arena_printf(a, "%s%s%.*s", joined ? joined : "", joined ? "+" : "",
                              p[i].end - p[i].start, word + p[i].start);
    return joined ? joined : word;
}

static void divides(void **state)
{
    static const char *const divided[] = {
        "bröst+cancer",         "folk+hälso+arbete",  "sjuk+sköterske+utbildning",
        "ungdoms+mottagningen", "mag+tarm+sjukdomar", "språk+grupp",
        "vetenskaps+rådet",     "lymf+ödem",          "sorge+grupp",
        "hjärte+gruppen",
    };
    for (size_t i = 0; i < ARRAY_LEN(divided); i++) {
        char word[64], *to = word;
        for (const char *p = divided[i]; *p; p++) {
            if (*p != '+')
                *to++ = *p;
        }
        *to = '\0';
        assert_string_equal(divide(*state, word), divided[i]);
    }
}

static void leaves_whole(void **state)
{
    static const char *const whole[] = {
        /* suffixes and particles */
        "sjukdomar",
        "regionalt",
        "diabetes",
        "utbildning",
        "oberoende",
        "motverkar",
        "föreningar",
        "vetenskap",
        /* inflections that look like compounds */
        "forskar",
        "akademiska",
        "allvarliga",
        /* places and other names */
        "göteborg",
        "östergötlands",
        "smedjebacken",
        "kristianstad",
        "örnsköldsvik",
        "stockholms",
        /* chance, and what is no Swedish word */
        "kontakt",
        "program",
        "xyzzyxyzzy",
        "",
        "a",
        "12345678",
    };
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        assert_string_equal(divide(*state, whole[i]), whole[i]);
}

static void says_the_parts(void **state)
{
    struct text_part *p;
    size_t n;

    assert_int_equal(text_compound(*state, "folkhälsoarbetets", &p, &n), 0);
    assert_int_equal(n, 5);
    assert_string_equal(p[0].word, "folk");
    assert_string_equal(p[1].word, "hälsa"); /* not "hälso" */
    assert_string_equal(p[1].folded, "halsa");
    assert_string_equal(p[2].word, "arbetets");
    assert_string_equal(p[2].stem, "arbet");
    assert_true(p[2].leaf);
    assert_string_equal(p[3].word, "folkhälsa");
    assert_false(p[3].leaf);
    assert_int_equal(p[3].end, strlen("folkhälso"));
    assert_string_equal(p[4].word, "hälsoarbetets");
    assert_int_equal(p[4].start, strlen("folk"));
}

static void divides_without_diacritics(void **state)
{
    assert_string_equal(divide(*state, "brostcancer"), "brost+cancer");
    assert_string_equal(divide(*state, "sjukvardsregionen"), "sjuk+vards+regionen");
    assert_string_equal(divide(*state, "halsovarden"), "halso+varden");
}

/* "Addison" is in no dictionary, but what it stands before is. */
static void divides_after_an_unknown_part(void **state)
{
    assert_string_equal(divide(*state, "quuxbarföreningarna"), "quuxbar+föreningarna");
    assert_string_equal(divide(*state, "zzzzsyndromet"), "zzzz+syndromet");
    assert_string_equal(divide(*state, "zzzsyndromet"),
                        "zzzsyndromet");                           /* three letters are too few */
    assert_string_equal(divide(*state, "zzzzbilen"), "zzzzbilen"); /* a car is not such a word */
}

/* Words of the greatest length, of which every piece is a word, and longer: bounded work, whole pieces. */
static void bears_long_words(void **state)
{
    char word[2 * TEXT_WORD_BYTES + 1];
    struct text_part *p;
    size_t n;

    for (size_t i = 0; i + 4 < sizeof word; i += 4)
        memcpy(word + i, "barn", 5);
    word[4 * (TEXT_WORD_MAX / 4)] = '\0';
    assert_int_equal(text_compound(*state, word, &p, &n), 0);
    assert_true(n <= 3 * TEXT_PARTS_MAX);
    for (size_t i = 0; i + 4 < sizeof word; i += 4)
        memcpy(word + i, "barn", 5);
    assert_int_equal(text_compound(*state, word, &p, &n), 0);
    for (size_t i = 0; i < n; i++)
        assert_true(p[i].start < p[i].end && p[i].end <= TEXT_WORD_BYTES);

    struct arena *small = arena_new(64);
    assert_non_null(small);
    assert_int_equal(text_compound(small, "bröstcancerförbundet", &p, &n), -ENOMEM);
    arena_free(small);
}

/* ---- the set judged by hand ---- */

struct score {
    unsigned words, divided, right, compounds, found;
};

static void judge(struct arena *a, char *line, struct score *s)
{
    char *tab = strchr(line, '\t');
    if (line[0] == '#')
        return;
    assert_non_null(tab);
    *tab = '\0';
    const char *ours = divide(a, line);
    bool right = false, may_be_whole = false;
    char *rest = tab + 1;
    for (char *choice = strsep(&rest, "|"); choice; choice = strsep(&rest, "|")) {
        right = right || strcmp(choice, ours) == 0;
        may_be_whole = may_be_whole || strcmp(choice, line) == 0;
    }
    bool divided = strcmp(ours, line) != 0;
    s->words++;
    s->divided += divided;
    s->right += divided && right;
    s->compounds += !may_be_whole;
    s->found += !may_be_whole && right;
    if (!right)
        print_message("%s instead of %s\n", ours, tab + 1);
}

static void agrees_with_judgement(void **state)
{
    char line[512];
    struct score s = { 0 };
    FILE *f = fopen(JUDGED_COMPOUNDS, "r");

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        judge(*state, line, &s);
    }
    fclose(f);
    double precision = (double)s.right / s.divided, recall = (double)s.found / s.compounds;
    print_message("%u words, %u compounds, %u divided: precision %.3f, recall %.3f\n", s.words,
                  s.compounds, s.divided, precision, recall);
    assert_true(s.words > 800);
    assert_true(precision >= PRECISION_LEAST);
    assert_true(recall >= RECALL_LEAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(divides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_the_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(divides_without_diacritics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(divides_after_an_unknown_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bears_long_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(agrees_with_judgement, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
