#include "common/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/macros.h"

static ptrdiff_t decode(const char *text, enum base64_kind kind, uint8_t *to)
{
    return base64_decode((struct slice) { (const uint8_t *)text, strlen(text) }, kind, to);
}

static void bytes_come_back(void **state)
{
    uint8_t bytes[70], text[100], back[100];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 151 + 7);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        for (int padded = 0; padded < 2; padded++) {
            size_t n = (size_t)(base64_encode(text, bytes, len, padded) - text);
            assert_int_equal(n, padded ? base64_encoded_len(len) : (len * 8 + 5) / 6);
            assert_in_range(base64_decoded_max(n), len, len + 5);
            assert_int_equal(base64_decode((struct slice) { text, n }, BASE64_ANY, back), len);
            assert_memory_equal(back, bytes, len);
            assert_int_equal(base64_decode((struct slice) { text, n }, BASE64_ANY, text), len);
            assert_memory_equal(text, bytes, len); /* in place */
        }
    }
}

static void the_alphabets_are_those_of_the_rfc(void **state)
{
    uint8_t text[9], bytes[8];

    (void)state;
    *base64_encode(text, (const uint8_t *)"\xfb\xff\xfe\x00", 4, true) = '\0';
    assert_string_equal((char *)text, "+//+AA==");
    assert_int_equal(decode("+//+AA", BASE64_ANY, bytes), 4);
    assert_int_equal(decode("-__-AA==", BASE64_ANY, bytes), 4);
    assert_memory_equal(bytes, "\xfb\xff\xfe\x00", 4);
    assert_int_equal(decode("-__-AA", BASE64_URL, bytes), 4);
    assert_int_equal(decode("+//+AA", BASE64_URL, bytes), -1);
}

static void other_text_is_refused(void **state)
{
    static const char *const bad[] = { "A",     "AAAAA", "AA=",        "A===", "AAAA=", "AA=A",
                                       "A A A", "AAA!",  "AA\xc3\xa5", "====", "AAA\n" };
    uint8_t bytes[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (decode(bad[i], BASE64_ANY, bytes) >= 0 || decode(bad[i], BASE64_URL, bytes) >= 0)
            fail_msg("\"%s\" passed", bad[i]);
    }
    assert_int_equal(decode("AB", BASE64_ANY, bytes), 1); /* bits that mean nothing */
    assert_int_equal(decode("AB", BASE64_URL, bytes), -1);
    assert_int_equal(decode("AAB", BASE64_URL, bytes), -1);
}

static void hexadecimal_digits_are_read_in_both_cases(void **state)
{
    static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    int known = 0;

    (void)state;
    for (int i = 0; i < 16; i++) {
        assert_int_equal(hex_digit((uint8_t)digits[i]), i);
        assert_int_equal(hex_digit((uint8_t)upper[i]), i);
    }
    for (int c = 0; c < 256; c++)
        known += hex_digit((uint8_t)c) >= 0;
    assert_int_equal(known, 22);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(the_alphabets_are_those_of_the_rfc),
        cmocka_unit_test(other_text_is_refused),
        cmocka_unit_test(hexadecimal_digits_are_read_in_both_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
