/* search_meaning_test.c - which documents a text finds: words in any form, compounds and their parts, runs, typos, beginnings, synonyms. */
#include "common/search_testing.h"

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

/* What a compound is about stands before its last part: a march for the dead is less about mourning than mourning is. */
static void test_far_parts(void **state)
{
    struct fixture *f = *state;

    put(f, "far", "Sorgmarschföreningen", "");
    put(f, "near", "Sorgföreningen", "");
    put(f, "whole", "Sorg föreningen", "");
    expect(f, "sorg", "whole near far");
}

/* Two words written as one, though somebody else's text has that word too. */
static void test_joined(void **state)
{
    struct fixture *f = *state;

    put(f, "chance", "Kören", "Vi sjunger gulakvasten.");
    put(f, "both", "Gula kvasten", "");
    ask(f, "gulakvasten");
    assert_int_equal(f->result.total, 2);
}

/* Who it is about, and that it is help, is worth less than what is looked for, however rare; alone it is looked for as any word. */
static void test_asides(void **state)
{
    struct fixture *f = *state;

    put_some(f);
    put(f, "who", "Klubben", "Stöd till vuxna.");
    put(f, "what", "Laget", "Kvastar.");
    put(f, "more", "Skaran", "Kvastar och borstar.");
    expect(f, "kvast vuxen", "what more who");
    expect(f, "stöd kvast", "what more who anhorig");
    expect(f, "vuxen", "who");
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

/* What sounds the same is nearer than any other mistake, and comes before words that only begin so and parts met by chance. */
static void test_sounds(void **state)
{
    struct fixture *f = *state;
    const char *const rheumatic[] = { "reumatiker" };

    put_some(f);
    put(f, "schizo", "Schizofreniförbundet", "");
    put(f, "head", "Huvudvärksförbundet", "");
    put(f, "chance", "Föreningen för bakhuvud", "Ett handverk.");
    put(f, "diabetes", "Diabetesförbundet", "");
    put(f, "begins", "Diabetiska föreningen", "");
    put(f, "mention", "Kören", "En sångare har fibromyalgi.");
    ask(f, "skitzofreni");
    assert_string_equal(hit(f, 0), "schizo");
    ask(f, "huvudverk");
    assert_string_equal(hit(f, 0), "head");
    ask(f, "diabetis");
    assert_string_equal(hit(f, 0), "diabetes");
    /* The right word's synonyms count as if it had been written. */
    struct wr *wr = begin(f);
    search_synonym_put(wr, "fibromyalgi", rheumatic, 1);
    commit(f, wr);
    ask(f, "fibromyalgy");
    assert_int_equal(f->result.total, 3);
    assert_int_equal(f->result.n_corrections, 1);
    assert_string_equal(f->result.corrections[0].word, "fibromyalgi");
    assert_int_equal(f->result.n_meanings, 1);
}

/* What is a little farther than the nearest may be meant as well, of words that documents have and of those that have synonyms. */
static void test_nearly_as_near(void **state)
{
    struct fixture *f = *state;
    const char *const other[] = { "reumatiker" }, *const another[] = { "celiaki" };

    put_some(f);
    put(f, "sound", "Vyksolum", "");
    put(f, "slip", "Vyxolun", "");
    put(f, "letter", "Vyxolumt", "");
    expect(f, "vyxolum", "sound slip");
    struct wr *wr = begin(f);
    search_synonym_put(wr, "vyksolum", other, 1);
    search_synonym_put(wr, "vyxoluk", another, 1);
    search_synonym_put(wr, "vyxolumt", another, 1);
    commit(f, wr);
    ask(f, "vyxolum");
    assert_int_equal(f->result.n_meanings, 2);
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

/* A phrase is no ending of its first word, unless more may be written; and a word that says nothing stands for nothing, though it is
 * spelled like the stem of one that does. */
static void test_synonyms_of_phrases(void **state)
{
    struct fixture *f = *state;
    const char *const celiac[] = { "celiaki" };
    struct search_request r = { .text = "son", .len = 3, .limit = 10, .type_ahead = true };

    put_some(f);
    struct wr *wr = begin(f);
    search_synonym_put(wr, "son magont", celiac, 1);
    search_synonym_put(wr, "mens", celiac, 1);
    commit(f, wr);
    expect(f, "son magont", "celiaki");
    expect(f, "son", "");
    assert_int_equal(ask_for(f, &r), 0);
    assert_string_equal(hit(f, 0), "celiaki");
    expect(f, "mens", "celiaki");
    ask(f, "men reumatiker");
    assert_int_equal(f->result.n_meanings, 0);
}

/* A phrase is told by its words, not by what holds them together or by whom it is about; who turns it round means another. */
static void test_words_of_phrases(void **state)
{
    struct fixture *f = *state;
    const char *const celiac[] = { "celiaki" };
    char *one, *other;

    put_some(f);
    struct wr *wr = begin(f);
    search_synonym_put(wr, "ont i magen", celiac, 1);
    search_synonym_put(wr, "sover inte gott", celiac, 1);
    search_synonym_put(wr, "skadar sig själv", celiac, 1);
    commit(f, wr);
    expect(f, "ont i magen", "celiaki");
    expect(f, "jag har så ont i min mage", "celiaki");
    assert_int_equal(f->result.meanings[0].start, strlen("jag har så "));
    expect(f, "skadar mig själv", "celiaki");
    ask(f, "sover gott");
    assert_int_equal(f->result.n_meanings, 0);
    ask(f, "ont i ryggen och magen"); /* another word is between */
    assert_int_equal(f->result.n_meanings, 0);
    arena_reset(f->arena);
    assert_int_equal(search_synonym_identity(f->arena, "ont i magen", &one), 0);
    assert_int_equal(search_synonym_identity(f->arena, "ont på mina magar", &other), 0);
    assert_string_equal(one, other);
}

/* What a compound says may be said in several words. */
static void test_told_apart(void **state)
{
    struct fixture *f = *state;
    const char *const celiac[] = { "celiaki" };

    put_some(f);
    put(f, "barn", "Barncancerfonden", "");
    struct wr *wr = begin(f);
    search_synonym_put(wr, "magont", celiac, 1);
    commit(f, wr);
    ask(f, "cancer i bröstet");
    assert_string_equal(hit(f, 0), "brost");
    ask(f, "barn med cancer");
    assert_string_equal(hit(f, 0), "barn");
    expect(f, "ont i magen", "celiaki");
}

/* Words derived from one another mean the same, and so do compounds that differ in a last part that says little. */
static void test_akin(void **state)
{
    struct fixture *f = *state;
    const char *const celiac[] = { "celiaki" };

    put_some(f);
    put(f, "chance", "Klubben", "Hetsäter och väntar.");
    put(f, "ill", "Sällskapet", "En sjukdom.");
    put(f, "seat", "Laget", "Hemmasittarna.");
    struct wr *wr = begin(f);
    search_synonym_put(wr, "hetsätning", celiac, 1);
    search_synonym_put(wr, "minnesproblem", celiac, 1);
    commit(f, wr);
    expect(f, "hetsäter", "chance celiaki");
    expect(f, "minnessjukdom", "celiaki");
    expect(f, "minnessvårigheter", "celiaki");
    expect(f, "minneslek", ""); /* its last part says what it is */
    ask(f, "trollsjukdom");     /* nobody has another part of it */
    assert_string_equal(hit(f, 0), "ill");
}

/* Who looks for a kind of association looks for what it is about. */
static void test_named_by_subject(void **state)
{
    struct fixture *f = *state;

    put(f, "branch", "Celiakiföreningen i Skara", "");
    put(f, "federation", "Förbundet", "Om celiaki.");
    ask(f, "celiakiförening");
    assert_int_equal(f->result.total, 2);
}

/* That somebody needs help, an answer need not say. */
static void test_help(void **state)
{
    struct fixture *f = *state;

    put(f, "name", "Kvastarnas förbund", "");
    put(f, "text", "Skaran", "Den ger stöd till kvastar och borstar i hela landet.");
    put(f, "others", "Laget", "Stöd.");
    put(f, "more", "Gänget", "Stöd.");
    ask(f, "stöd för kvastar");
    assert_string_equal(hit(f, 0), "name");
}

/* Who has the word and what it stands for is meant more than who has one of them. */
static void test_agreement(void **state)
{
    struct fixture *f = *state;
    const char *const headache[] = { "huvudvärk" };
    struct wr *wr = begin(f);

    put_in(wr, "word", "Migrän", "", NULL, NULL);
    put_in(wr, "meaning", "Huvudvärk", "", NULL, NULL);
    put_in(wr, "both", "Migrän", "Huvudvärk av många slag och annat som hör dit.", NULL, NULL);
    put_in(wr, "other", "Något annat", "", NULL, NULL);
    search_synonym_put(wr, "migrän", headache, 1);
    commit(f, wr);
    ask(f, "migrän");
    assert_int_equal(f->result.total, 3);
    assert_string_equal(hit(f, 0), "both");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEARCH_TEST(test_words),
        SEARCH_TEST(test_fillers),
        SEARCH_TEST(test_parts),
        SEARCH_TEST(test_far_parts),
        SEARCH_TEST(test_joined),
        SEARCH_TEST(test_asides),
        SEARCH_TEST(test_runs),
        SEARCH_TEST(test_typos),
        SEARCH_TEST(test_sounds),
        SEARCH_TEST(test_nearly_as_near),
        SEARCH_TEST(test_no_typos),
        SEARCH_TEST(test_generic_words),
        SEARCH_TEST(test_type_ahead),
        SEARCH_TEST(test_synonyms_of_parts),
        SEARCH_TEST(test_synonyms),
        SEARCH_TEST(test_synonyms_of_phrases),
        SEARCH_TEST(test_agreement),
        SEARCH_TEST(test_words_of_phrases),
        SEARCH_TEST(test_told_apart),
        SEARCH_TEST(test_akin),
        SEARCH_TEST(test_named_by_subject),
        SEARCH_TEST(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
