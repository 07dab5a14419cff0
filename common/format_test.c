#include "common/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/macros.h"
#include "fokus/v1/options.pb-c.h"

#define FORMAT(name) FOKUS__V1__STRING_FORMAT__STRING_FORMAT_##name

struct examples {
    int format;
    const char *good[10], *bad[24];
};

/* Each text stands at the end of its own memory, so that a read past it is seen. */
static const char *problem_of(int format, const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len + 1);
    memcpy(copy, text, len + 1);
    const char *problem = format_problem(format, copy, len);
    free(copy);
    return problem;
}

static void shapes_are_told_apart(void **state)
{
    static const struct examples all[] = {
        { FORMAT(SLUG),
          { "a", "x-1", "reumatikerforbundet" },
          { "", "-a", "a-", "a--b", "A", "å", "a b", "a/b", "../a" } },
        { FORMAT(URL),
          { "http://a.se", "https://a.se/x?y=1#z", "HTTPS://A.SE", "https://a.se:8080/",
            "https://[::1]:80/", "https://å.se" },
          { "",
            "a.se",
            "ftp://a.se",
            "https://",
            "https:///x",
            "https://u@a.se",
            "https://u:p@a.se/",
            "https://a b.se",
            "https://a.se:0",
            "https://a.se:65536",
            "https://a.se:x",
            "https://-a.se",
            "https://a..se",
            "https://a.se/\"",
            "https://a.se/\\",
            "https://a.se/\x01",
            "https://a.se/\n",
            "javascript:alert(1)",
            "https://[::1",
            "https://[x]" } },
        { FORMAT(DATE),
          { "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31" },
          { "", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "2024-04-31",
            "24-01-01", "2024/01/01", "2024-01-01T00:00:00Z", "0000-01-01", "2024-1-1",
            "2024-01-0x" } },
        { FORMAT(EMAIL),
          { "a@b.se", "a.b+c@d.e.se", "å@ö.se" },
          { "", "a", "@b.se", "a@", "a@b", "a@b..se", ".a@b.se", "a.@b.se", "a..b@c.se", "a b@c.se",
            "a@b@c.se", "a@-b.se", "a@b.se\n", "<a@b.se>" } },
        { FORMAT(PHONE),
          { "112", "+46 8 123 45 67", "(08) 12-34" },
          { "", "1", "08+1", "1234567890123456", "08 x", "tel:112", "112\n" } },
        { FORMAT(LINE),
          { "", "En rad", "tab-less", "å €" },
          { "a\nb", "a\tb", "a\r", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "12345678\x1b[31m" } },
        { FORMAT(TEXT),
          { "", "two\nlines\tand a tab", "\xe2\x80\xa8" },
          { "a\rb", "\x01", "\x7f", "\xc2\x9f", "1234567\x08" } },
        { FORMAT(UUID),
          { "0192d3f4-5a6b-7c8d-9e0f-1a2b3c4d5e6f" },
          { "", "0192d3f45a6b7c8d9e0f1a2b3c4d5e6f", "0192D3F4-5a6b-7c8d-9e0f-1a2b3c4d5e6f",
            "0192d3f4-5a6b-7c8d-9e0f-1a2b3c4d5e6", "0192d3f4-5a6b-7c8d-9e0f_1a2b3c4d5e6f",
            "g192d3f4-5a6b-7c8d-9e0f-1a2b3c4d5e6f" } },
        { FORMAT(UNSPECIFIED), { "", "anything\n" }, { NULL } },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const struct examples *e = &all[i];
        for (size_t k = 0; k < ARRAY_LEN(e->good) && e->good[k]; k++)
            if (problem_of(e->format, e->good[k]))
                fail_msg("\"%s\": %s", e->good[k], problem_of(e->format, e->good[k]));
        for (size_t k = 0; k < ARRAY_LEN(e->bad) && e->bad[k]; k++)
            if (!problem_of(e->format, e->bad[k]))
                fail_msg("\"%s\" passed as format %d", e->bad[k], e->format);
    }
}

/* What comes back is the end of "FIELD ...": it says what would be right. */
static void a_problem_says_what_would_be_right(void **state)
{
    (void)state;
    for (int format = 1; format_problem(format, "\x01", 1); format++)
        assert_int_equal(strncmp(format_problem(format, "\x01", 1), "must be ", 8), 0);
    assert_null(format_problem(12345, "\x01", 1));
}

static void lengths_are_bounded(void **state)
{
    char text[2101];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_null(format_problem(FORMAT(SLUG), text, 100));
    assert_non_null(format_problem(FORMAT(SLUG), text, 101));
    memcpy(text, "https://a.se/", 13);
    assert_null(format_problem(FORMAT(URL), text, 2000));
    assert_non_null(format_problem(FORMAT(URL), text, 2001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_told_apart),
        cmocka_unit_test(a_problem_says_what_would_be_right),
        cmocka_unit_test(lengths_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
