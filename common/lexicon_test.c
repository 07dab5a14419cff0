#include "common/lexicon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/lexicon/automaton.h"
#include "common/lexicon/forms.h"
#include "common/lexicon/hunspell.h"
#include "common/lexicon/lists.h"
#include "common/macros.h"

static uint16_t flags_of(const char *word)
{
    const struct lexicon_value *v = lexicon_find(word, strlen(word));
    return v ? v->flags : 0;
}

static void assert_edit(const char *form, bool linking, const char *expected)
{
    char to[64];
    const struct lexicon_value *v = lexicon_find(form, strlen(form));
    assert_non_null(v);
    size_t n = lexicon_edit(form, strlen(form), linking ? v->base_strip : v->lemma_strip,
                            linking ? v->base_add : v->lemma_add, to, sizeof to);
    assert_int_equal(n, strlen(to));
    assert_string_equal(to, expected);
}

static void has_words_with_their_places(void **state)
{
    (void)state; /* needs none */
    assert_int_equal(flags_of("xyzzy"), 0);
    assert_int_equal(flags_of(""), 0);
    assert_int_equal(flags_of("förenin"), 0);
    assert_true(flags_of("föreningarnas") & LEXICON_LAST);
    assert_true(flags_of("föreningarnas") & LEXICON_TAIL);
    assert_true(flags_of("hälso") & LEXICON_FIRST);
    assert_false(flags_of("hälso") & LEXICON_WORD);
    assert_true(flags_of("språk") &
                LEXICON_WEAK_FIRST); /* nothing marks it, but many words show it */
    assert_true(flags_of("ut") & LEXICON_NEVER_FIRST);
    assert_true(flags_of("dom") & LEXICON_NEVER_LAST);
    assert_true(flags_of("falköping") & LEXICON_PLACE);
    assert_true(flags_of("el") & LEXICON_SHORT_FIRST);
}

static void knows_the_way_back(void **state)
{
    char to[4];
    (void)state; /* needs none */

    assert_edit("föreningarnas", false, "förening");
    assert_edit("foreningarnas", false, "forening");
    assert_edit("böckerna", false, "bok");
    assert_edit("vården", false, "vård"); /* not "vår" and not "vårda" */
    assert_edit("hälso", true, "hälsa");
    assert_edit("hjärn", true, "hjärna");
    assert_edit("sjukvårds", true, "sjukvård");
    assert_edit("barn", true, "barn");
    assert_int_equal(lexicon_edit("abcd", 4, 0, 0, to, sizeof to), 0); /* no room */
    assert_int_equal(lexicon_edit("abcd", 4, 1, 0, to, sizeof to), 3);
    assert_int_equal(lexicon_edit("ab", 2, 3, 0, to, sizeof to), 0); /* nothing to strip */
}

/* ---- the compiler's parts ---- */

/* Walks the automaton as the lexicon does. */
static bool accepts(const uint32_t *edges, uint32_t node, const char *word, uint32_t value)
{
    for (;; word++) {
        const uint32_t *edge = edges + node;
        while (*edge >> 24 < (uint8_t)*word && !(*edge & LEXICON_LAST_SIBLING))
            edge++;
        if (*edge >> 24 != (uint8_t)*word)
            return false;
        node = *edge & LEXICON_TARGET;
        if (*word == '\0')
            return node == value;
    }
}

static void automaton_is_minimal(void **state)
{
    static const char *const words[] = { "a",    "ab",  "abc",  "abd", "bar",
                                         "bara", "car", "cara", "dbc", "dbd" };
    struct automaton *a = automaton_new();
    const uint32_t *edges;
    uint32_t n, root;
    (void)state; /* needs none */

    assert_non_null(a);
    assert_int_equal(automaton_add(a, "", 1), -EINVAL);
    for (uint32_t i = 0; i < ARRAY_LEN(words); i++)
        assert_int_equal(automaton_add(a, words[i], i < 4 ? i : 7), 0);
    assert_int_equal(automaton_add(a, "dbd", 7), -EINVAL); /* again */
    assert_int_equal(automaton_add(a, "dbc", 7), -EINVAL); /* out of order */
    assert_int_equal(automaton_finish(a, &edges, &n, &root), 0);
    for (uint32_t i = 0; i < ARRAY_LEN(words); i++)
        assert_true(accepts(edges, root, words[i], i < 4 ? i : 7));
    assert_false(accepts(edges, root, "ba", 7));
    assert_false(accepts(edges, root, "abcd", 7));
    assert_false(accepts(edges, root, "d", 7));
    /* What is after b and c is one path: without sharing there would be eight edges more. */
    assert_true(n <= 24);
    automaton_free(a);
}

static void applies_suffix_rules(void **state)
{
    static const struct suffix_rule rules[] = {
        { 'G', "a", "or", "", "a" },         { 'C', "mel", "let", "", "mel" },
        { 'C', "er", "ret", "", "[^m]er" },  { 'F', "", "nen", "", "[^e]n" },
        { 'K', "a", "de", "", "[eyåäö]da" }, { 'A', "", "s", "", "." },
    };
    static const struct {
        size_t rule;
        const char *word, *form; /* "" where the rule does not fit */
    } cases[] = {
        { 0, "flicka", "flickor" }, { 0, "katt", "" },          { 1, "vimmel", "vimlet" },
        { 1, "kakel", "" },         { 2, "socker", "sockret" }, { 2, "nummer", "" },
        { 3, "ton", "tonnen" },     { 3, "tecken", "" },        { 4, "råda", "rådde" },
        { 4, "rida", "" },          { 5, "Göran", "Görans" },   { 2, "er", "" },
    };
    char form[32];
    (void)state; /* needs none */

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t n = suffix_apply(&rules[cases[i].rule], cases[i].word, form, sizeof form);
        assert_int_equal(n, strlen(cases[i].form));
        if (n > 0)
            assert_string_equal(form, cases[i].form);
    }
    assert_int_equal(suffix_apply(&rules[0], "flicka", form, 4), 0); /* no room */
}

static void write_file(const char *folder, const char *name, const char *text, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void reads_dictionaries(void **state)
{
    char folder[] = "/tmp/fokus-lexicon-XXXXXX", aff[256], dic[256], long_dic[256], line[1024];
    struct dictionary d = { 0 };
    (void)state; /* needs none */

    assert_non_null(mkdtemp(folder));
    write_file(folder, "x.aff", "SET UTF-8\n# a comment\nSFX z N 2\nSFX z a 0/WXZ a\nSFX z 0 s .\n",
               aff);
    write_file(folder, "x.dic", "3\nhjärna/zAY\nbil\nbåt/A\tmore\n", dic);
    assert_int_equal(dictionary_read(aff, dic, &d), 0);
    assert_int_equal(d.n_rules, 2);
    assert_string_equal(d.rules[0].add, "");
    assert_string_equal(d.rules[0].flags, "WXZ");
    assert_int_equal(d.n_words, 3);
    assert_string_equal(d.words[0].text, "hjärna");
    assert_string_equal(d.words[0].flags, "zAY");
    assert_string_equal(d.words[1].flags, "");
    assert_string_equal(d.words[2].flags, "A");
    dictionary_free(&d);

    memset(line, 'a', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    line[sizeof line - 1] = '\0';
    memcpy(line, "1\n", 2);
    write_file(folder, "long.dic", line, long_dic);
    assert_int_equal(dictionary_read(aff, long_dic, &d), -E2BIG);
    assert_int_equal(unlink(dic), 0);
    assert_int_equal(dictionary_read(aff, dic, &d), -ENOENT);
    assert_int_equal(unlink(aff) | unlink(long_dic) | rmdir(folder), 0);
}

static void reads_lists(void **state)
{
    char folder[] = "/tmp/fokus-lexicon-XXXXXX", good[256], bad[256];
    struct lists l = { 0 };
    static const char *const wrong[] = { "tail\n", "tails bil\n", "tail bil båt\n",
                                         "irregular män\n", "link sorge\n" };
    (void)state; /* needs none */

    assert_non_null(mkdtemp(folder));
    write_file(folder, "good",
               "# a comment\n\nirregular män man\ntail förening\nnever-last förening\n"
               "link sorge sorg\n",
               good);
    assert_int_equal(lists_read(good, &l), 0);
    assert_int_equal(l.n, 4);
    assert_string_equal(l.all[3].base, "sorg");
    assert_string_equal(lists_irregular(&l, "män"), "man");
    assert_null(lists_irregular(&l, "förening"));
    assert_int_equal(lists_flags(&l, "förening"), LEXICON_TAIL | LEXICON_NEVER_LAST);
    assert_int_equal(lists_flags(&l, "män"), 0);
    lists_free(&l);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        write_file(folder, "bad", wrong[i], bad);
        assert_int_equal(lists_read(bad, &l), -EINVAL);
    }
    assert_int_equal(unlink(good) | unlink(bad), 0);
    assert_int_equal(lists_read(good, &l), -ENOENT);
    assert_int_equal(rmdir(folder), 0);
}

static void reads_places(void **state)
{
    char folder[] = "/tmp/fokus-lexicon-XXXXXX", csv[256];
    struct forms *f = forms_new();
    (void)state; /* needs none */

    assert_non_null(f);
    assert_non_null(mkdtemp(folder));
    write_file(folder, "x.csv",
               "code,name,region\n1,Tingsborg,a\n2,\"Östra Båtnäs\",b\n3,Storborgs län,c\n", csv);
    assert_int_equal(places_add(f, csv), 0);
    assert_int_equal(forms_merge(f), 0);
    assert_true(forms_find(f, "tingsborg")->flags & LEXICON_FIRST);
    assert_true(forms_find(f, "tingsborgs")->flags & LEXICON_PLACE);
    assert_string_equal(forms_find(f, "tingsborgs")->lemma, "tingsborg");
    assert_false(forms_find(f, "östra")->flags & LEXICON_FIRST);
    assert_true(forms_find(f, "batnas")->flags & LEXICON_PLACE);
    assert_non_null(forms_find(f, "storborg"));
    assert_null(forms_find(f, "län"));
    write_file(folder, "x.csv", "code,namn\n1,Tingsborg\n", csv);
    assert_int_equal(places_add(f, csv), -EBADMSG);
    assert_int_equal(unlink(csv) | rmdir(folder), 0);
    assert_int_equal(places_add(f, csv), -ENOENT);
    forms_free(f);
}

static void merges_forms(void **state)
{
    struct forms *f = forms_new();
    (void)state; /* needs none */

    assert_non_null(f);
    assert_int_equal(forms_merge(f), -EINVAL); /* nothing there */
    assert_int_equal(forms_add(f, "vården", "vår", NULL, LEXICON_WORD, 5), 0);
    assert_int_equal(forms_add(f, "vården", "vård", NULL, LEXICON_LAST, 9), 0);
    assert_int_equal(forms_add(f, "varden", "varde", NULL, LEXICON_NAME, 1), 0);
    assert_int_equal(forms_add(f, "Hälso", NULL, "hälsa", LEXICON_FIRST, 1), 0);
    assert_int_equal(forms_add(f, "3:e", "3", NULL, LEXICON_WORD, 1), 0); /* no letters: left out */
    assert_int_equal(forms_merge(f), 0);
    assert_int_equal(forms_count(f), 4);
    assert_string_equal(forms_find(f, "vården")->lemma, "vård"); /* the weightier */
    assert_int_equal(forms_find(f, "vården")->flags, LEXICON_WORD | LEXICON_LAST);
    /* What is spelled so goes before what only lost its diacritics. */
    assert_string_equal(forms_find(f, "varden")->lemma, "varde");
    assert_int_equal(forms_find(f, "varden")->flags, LEXICON_NAME);
    assert_string_equal(forms_find(f, "hälso")->base, "hälsa");
    assert_string_equal(forms_find(f, "halso")->base, "halsa");
    forms_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_words_with_their_places),
        cmocka_unit_test(knows_the_way_back),
        cmocka_unit_test(automaton_is_minimal),
        cmocka_unit_test(applies_suffix_rules),
        cmocka_unit_test(reads_dictionaries),
        cmocka_unit_test(reads_lists),
        cmocka_unit_test(reads_places),
        cmocka_unit_test(merges_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
