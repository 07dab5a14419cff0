/* text_test.c - folding, sort keys and formats. */
#include "common/text.h"
#include "services/directory/testing.h"

static const char *fold(const char *text)
{
    static struct text_folded folded;
    text_fold(text, &folded);
    return folded.text;
}

TEST(folding_drops_case_accents_and_punctuation)
{
    assert_string_equal(fold("S.P.E.S. i Skåne"), "spes i skane");
    assert_string_equal(fold("  Astma- och   Allergi\tförbundet "), "astma och allergiforbundet");
    assert_string_equal(fold("Lund/Malmö (1380)"), "lundmalmo 1380");
    assert_string_equal(fold("STRASSE Straße É"), "strasse strasse e");
    assert_string_equal(fold("...–!"), "");
    assert_string_equal(fold(""), "");
    assert_string_equal(fold("患者"), "患者");
    assert_string_equal(fold("\xf0\x9f\x98\x80 ok"), "ok"); /* a symbol outside the first plane */
    assert_string_equal(fold("\xf0\xa0\x80\x80"), "\xf0\xa0\x80\x80");
}

/* A name is found by what the search makes of it: of letters both make the same. */
TEST(names_and_words_fold_alike)
{
    static const char *const names[] = {
        "Åsele",  "SØREN", "Ængelholm", "É", "ﬁnland", "Ｋｖａｓｔ", "Kvastfo\xcc\x88rbundet",
        "Straße", "患者"
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char word[200];
        size_t n = text_casefold(names[i], strlen(names[i]), true, word, sizeof(word));
        assert_int_equal(strlen(fold(names[i])), n);
        assert_memory_equal(fold(names[i]), word, n);
    }
    assert_string_equal(fold("Søren Æ"), "soren ae");
}

TEST(folding_is_bounded_at_a_whole_code_point)
{
    char text[1001] = { 0 };
    for (int i = 0; i + 3 <= 999; i += 3)
        memcpy(text + i, "患", 3);
    struct text_folded folded;
    text_fold(text, &folded);
    assert_int_equal(strlen(folded.text), TEXT_FOLD_MAX / 3 * 3);
    memset(text, 'a', 1000);
    text_fold(text, &folded);
    assert_int_equal(strlen(folded.text), TEXT_FOLD_MAX);
    for (int i = 1; i < 1000; i += 2)
        text[i] = ' ';
    text_fold(text, &folded);
    assert_int_equal(folded.n_words, TEXT_WORDS_MAX);
}

TEST(sort_keys_sort_in_swedish)
{
    const char *const sorted[] = { "", "a", "A", "á", "ab", "b", "v", "z", "å", "ä", "ö" };
    for (size_t i = 1; i < ARRAY_LEN(sorted); i++) {
        uint8_t a[TEXT_SORT_MAX], b[TEXT_SORT_MAX];
        size_t n_a = text_sort_key(sorted[i - 1], a), n_b = text_sort_key(sorted[i], b);
        int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
        if (order > 0 || (order == 0 && n_a >= n_b))
            fail_msg("'%s' does not sort before '%s'", sorted[i - 1], sorted[i]);
    }
}

TEST(hosts_are_taken_from_addresses)
{
    char host[TEXT_FOLD_MAX + 1];
    text_host("https://www.Exempel.example:8080/a?b#c", host);
    assert_string_equal(host, "exempel.example");
    text_host("", host);
    assert_string_equal(host, "");
    char url[300] = "https://";
    memset(url + 8, 'a', 200);
    text_host(url, host);
    assert_string_equal(host, "");
}

TEST(blanks_digits_and_letters_are_told_apart)
{
    assert_true(text_is_blank(""));
    assert_true(text_is_blank("   "));
    assert_false(text_is_blank(" å"));
    assert_true(text_is_digits("0114", 4));
    assert_false(text_is_digits("011", 4));
    assert_false(text_is_digits("01145", 4));
    assert_int_equal(text_length("åäö"), 3);
}

TEST(personal_data_is_recognised)
{
    assert_true(text_is_personal_email("given.family@a.example"));
    assert_true(text_is_personal_email("given-second.family@a.example"));
    assert_false(text_is_personal_email("info@a.example"));
    assert_false(text_is_personal_email("info.2@a.example"));
    assert_false(text_is_personal_email(".info@a.example"));
    assert_false(text_is_personal_email("info.@a.example"));
    assert_true(text_has_personal_email("Fråga given.family@a.example om det"));
    assert_false(text_has_personal_email("Fråga info@a.example om det, www.a.example"));
    assert_true(text_has_personal_number("nr 19900101-0000."));
    assert_true(text_has_personal_number("1212121212"));
    assert_true(text_has_personal_number("19121212 1212"));
    assert_false(text_has_personal_number("0702234567, 0911123456")); /* telephone numbers */
    assert_true(text_has_personal_number("900161+0000"));             /* a coordination number */
    assert_false(text_has_personal_number("802400-0000")); /* an organisation's: month 40 */
    assert_false(text_has_personal_number("08-123 45 67, 2025-12-31, 1234567890123"));
}

TESTS(&directory_service)
