#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/macros.h"

/* Every text is also checked behind and before plain ASCII of each length, where the eight-byte steps begin and end. */
static bool good(const char *text, size_t len, size_t want_chars)
{
    size_t sound = 0;

    for (size_t before = 0; before < 18; before++) {
        for (size_t after = 0; after < 10; after++) {
            size_t all = before + len + after, chars = 0;
            uint8_t *bytes = malloc(all ? all : 1);
            memset(bytes, 'x', all);
            memcpy(bytes + before, text, len);
            if (utf8_check(bytes, all, &chars)) {
                assert_int_equal(chars, before + want_chars + after);
                sound++;
            }
            free(bytes);
        }
    }
    assert_true(sound == 0 || sound == 18 * 10); /* never a matter of where it stands */
    return sound > 0;
}

static void text_is_counted_in_characters(void **state)
{
    (void)state;
    assert_true(good("", 0, 0));
    assert_true(good("Malmö", 6, 5));
    assert_true(good("\xe2\x82\xac", 3, 1));
    assert_true(good("\xf0\x9f\x8c\xbb\xc3\xa5", 6, 2));
    assert_true(good("\xf4\x8f\xbf\xbf", 4, 1));
    assert_true(good("\xed\x9f\xbf\xee\x80\x80", 6, 2)); /* on both sides of the surrogates */
}

static void what_is_not_utf8_is_refused(void **state)
{
    static const char *const bad[] = {
        "\x80",         "\xbf",         "\xc0\xaf",         "\xc1\xbf",         "\xc3",
        "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",     "\xed\xbf\xbf",     "\xe2\x82",
        "\xe2\x28\xa1", "\xf0\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",         "\xfe",         "\xf0\x9f\x8c",     "\xc3\xa5\xa5",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (good(bad[i], strlen(bad[i]), 0))
            fail_msg("text %zu passed", i);
    assert_false(good("\0", 1, 1));
    assert_false(good("\xc3\xa5\0", 3, 2));
}

static void every_code_point_comes_back(void **state)
{
    (void)state;
    for (uint32_t c = 1; c <= 0x10ffff; c++) {
        uint8_t bytes[4];
        size_t chars, n = utf8_encode(c, bytes);
        bool surrogate = c >= 0xd800 && c <= 0xdfff;
        if (utf8_check(bytes, n, &chars) == surrogate || (!surrogate && chars != 1))
            fail_msg("U+%04X", c);
        if (c >= 0x80 && !surrogate && utf8_sequence(bytes, bytes + n) != n)
            fail_msg("U+%04X", c);
    }
}

static void a_text_cut_by_printf_is_mended(void **state)
{
    static const char long_text[] = "\xc3\xa5\xe2\x82\xac\xf0\x9f\x8c\xbb.";
    (void)state;
    for (int cut = 0; cut <= (int)strlen(long_text); cut++) {
        char text[64];
        size_t chars;
        (void)snprintf(text, sizeof(text), "'%.*s' is no slug", cut, long_text);
        assert_ptr_equal(utf8_mend(text), text);
        assert_true(utf8_check((const uint8_t *)text, strlen(text), &chars));
        size_t whole = cut < 2 ? 0 : cut < 5 ? 2 : cut < 9 ? 5 : (size_t)cut;
        assert_int_equal(strlen(text), strlen("'' is no slug") + whole);
    }
    char odd[] = "\xff"
                 "a\x80"
                 "b\xe2\x82";
    assert_string_equal(utf8_mend(odd), "ab");
    assert_null(utf8_mend(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_counted_in_characters),
        cmocka_unit_test(what_is_not_utf8_is_refused),
        cmocka_unit_test(every_code_point_comes_back),
        cmocka_unit_test(a_text_cut_by_printf_is_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
