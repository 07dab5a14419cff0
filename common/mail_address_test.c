/* mail_address_test.c - which texts are addresses, in what form they come out, and that no look-alike comes through. */
#include "common/mail_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void taken(const char *text, const char *to, const char *key)
{
    struct mail_address a, again;
    const char *problem = mail_address_read(text, strlen(text), &a);

    if (problem)
        fail_msg("%s: %s", text, problem);
    assert_string_equal(a.to, to);
    assert_string_equal(a.key, key);
    assert_null(mail_address_read(a.to, strlen(a.to), &again));
    assert_memory_equal(&again, &a, sizeof(a));
    assert_null(mail_address_read(a.key, strlen(a.key), &again));
    assert_string_equal(again.to, a.key);
    assert_string_equal(again.key, a.key);
}

static void refused_bytes(const char *text, size_t len, const char *says)
{
    struct mail_address a, untouched;

    memset(&a, 7, sizeof(a));
    memset(&untouched, 7, sizeof(untouched));
    const char *problem = mail_address_read(text, len, &a);
    if (!problem)
        fail_msg("%s was taken as %s", text, a.to);
    if (!strstr(problem, says))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, problem, says);
    assert_memory_equal(&a, &untouched, sizeof(a));
}

static void refused(const char *text, const char *says)
{
    refused_bytes(text, strlen(text), says);
}

static void plain_addresses(void **state)
{
    (void)state;
    taken("anna@example.se", "anna@example.se", "anna@example.se");
    taken("Anna.Svensson+fokus@Mail.Example.SE", "Anna.Svensson+fokus@mail.example.se",
          "anna.svensson+fokus@mail.example.se");
    taken("a!#$%&'*+-/=?^_`{|}~z@x-y.example", "a!#$%&'*+-/=?^_`{|}~z@x-y.example",
          "a!#$%&'*+-/=?^_`{|}~z@x-y.example");
    taken("1@2.example", "1@2.example", "1@2.example");
}

/* No dot or tag is taken away: they are other people's at some hosts. */
static void dots_and_tags_stay(void **state)
{
    (void)state;
    taken("a.b+c@example.se", "a.b+c@example.se", "a.b+c@example.se");
    taken("ab@example.se", "ab@example.se", "ab@example.se");
}

static void domains_beyond_ascii(void **state)
{
    (void)state;
    taken("info@reumatikerförbundet.example", "info@xn--reumatikerfrbundet-n3b.example",
          "info@xn--reumatikerfrbundet-n3b.example");
    /* The same letter composed and not, in upper case, full-width, with an ideographic full stop. */
    taken("info@reumatikerfo\xcc\x88rbundet.example", "info@xn--reumatikerfrbundet-n3b.example",
          "info@xn--reumatikerfrbundet-n3b.example");
    taken("info@REUMATIKERFÖRBUNDET.example", "info@xn--reumatikerfrbundet-n3b.example",
          "info@xn--reumatikerfrbundet-n3b.example");
    taken("info@ｅｘａｍｐｌｅ。se", "info@example.se", "info@example.se");
    taken("info@XN--reumatikerfrbundet-n3b.example", "info@xn--reumatikerfrbundet-n3b.example",
          "info@xn--reumatikerfrbundet-n3b.example");
    taken("a@straße.example", "a@xn--strae-oqa.example", "a@xn--strae-oqa.example");
    taken("a@træ.example", "a@xn--tr-2ia.example", "a@xn--tr-2ia.example");
    taken("a@cœur.example", "a@xn--cur-fya.example", "a@xn--cur-fya.example");
    taken("a@пример.example", "a@xn--e1afmkfd.example", "a@xn--e1afmkfd.example");
    taken("a@日本.example", "a@xn--wgv71a.example", "a@xn--wgv71a.example");
}

static void injections(void **state)
{
    static const char *const ends[] = {
        "\r\nBcc: eve@example.net", "\nBcc: eve@example.net", "\rX: y", "\n", "\r", "\r\n"
    };
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        (void)snprintf(text, sizeof(text), "anna@example.se%s", ends[i]);
        refused(text, "line breaks");
        (void)snprintf(text, sizeof(text), "anna%s@example.se", ends[i]);
        refused(text, "line breaks");
        (void)snprintf(text, sizeof(text), "%sanna@example.se", ends[i]);
        refused(text, "line breaks");
    }
    refused_bytes("anna@example.se\0.net", 20, "NUL");
    refused_bytes("\0", 1, "NUL");
    refused("anna@example.se> SIZE=1", "alone");
    refused("<anna@example.se>", "alone");
    refused("Anna<anna@example.se>", "alone");
    refused("anna@example.se,eve@example.net", "alone");
    refused("\"anna\"@example.se", "alone");
    refused("\"a b\"@example.se", "alone");
    refused("anna(x)@example.se", "alone");
    refused("a\tb@example.se", "control");
    refused("anna\x7f@example.se", "control");
    refused("anna@exam\x01ple.se", "control");
    refused("anna @example.se", "spaces");
    refused("anna@example.se ", "spaces");
    refused("anna@exa\xc2\xa0mple.se", "DNS");
    refused("anna@ex\xff.se", "UTF-8");
    refused("anna@ex\xc0\xae.se", "UTF-8");
    refused("anna@exam\xe2\x80\xa8ple.se", "DNS");
}

static void shapes(void **state)
{
    (void)state;
    refused("", "empty");
    refused("anna", "one @");
    refused("@example.se", "before the @");
    refused("anna@", "one @");
    refused("anna@eve@example.se", "one @");
    refused(".anna@example.se", "dots only between");
    refused("anna.@example.se", "dots only between");
    refused("an..na@example.se", "dots only between");
    refused("åsa@example.se", "a to z");
    refused("\xe2\x84\xaa@example.se", "a to z"); /* the Kelvin sign, which NFC makes a K */
    refused("anna@localhost", "whole domain");
    refused("anna@example.se.", "whole domain");
    refused("anna@.example.se", "DNS");
    refused("anna@exa_mple.se", "DNS");
    refused("anna@-example.se", "DNS");
    refused("anna@example-.se", "DNS");
    refused("anna@192.0.2.1", "network address");
    refused("anna@[192.0.2.1]", "alone");
    refused("anna@xn--a.example", "DNS");                  /* no label in ASCII form */
    refused("anna@\xf0\x9f\x98\x80.example", "taken for"); /* an emoji */
}

static void lengths(void **state)
{
    char text[400], label[64];

    (void)state;
    memset(label, 'a', 63);
    label[63] = '\0';
    (void)snprintf(text, sizeof(text), "%s1@example.se", label);
    taken(text, text, text); /* 64 */
    (void)snprintf(text, sizeof(text), "%s12@example.se", label);
    refused(text, "64 bytes");
    (void)snprintf(text, sizeof(text), "a@%s.se", label);
    taken(text, text, text);
    (void)snprintf(text, sizeof(text), "a@%sa.se", label);
    refused(text, "DNS"); /* a label of 64 */
    (void)snprintf(text, sizeof(text), "%s@%s.%s.%.59s.se", label, label, label, label);
    assert_int_equal(strlen(text), 254);
    taken(text, text, text);
    (void)snprintf(text, sizeof(text), "%s@%s.%s.%.60s.se", label, label, label, label);
    refused(text, "254 bytes");
    /* It becomes too long only in ASCII. */
    (void)snprintf(text, sizeof(text), "%s@%s.%s.%.53söö.se", label, label, label, label);
    assert_true(strlen(text) <= 254);
    refused(text, "254 bytes, its domain");
}

static void look_alikes(void **state)
{
    (void)state;
    refused("a@ex\xd0\xb0mple.se", "mixes scripts"); /* Cyrillic а */
    refused("a@аррӏе.example", "letters look like");
    refused("a@xn--80ak6aa92e.example", "letters look like"); /* the same in ASCII */
    refused("a@g\xc4\xb1thub.example", "letters look like");  /* a dotless i */
    refused("a@mail.ех\xd0\xb0mple.se", "mixes scripts");
    refused("a@exαmple.se", "mixes scripts");     /* Greek */
    refused("a@i\xcc\x87nfo.example", "unusual"); /* a second dot on the i, unseen */
}

static void trimming(void **state)
{
    struct mail_address a;
    static const char typed[] = " \t\xc2\xa0\xe3\x80\x80"
                                "Anna@Example.se \xe2\x80\x89 ";

    (void)state;
    assert_null(mail_normalise_address(typed, strlen(typed), &a));
    assert_string_equal(a.to, "Anna@example.se");
    assert_string_equal(a.key, "anna@example.se");
    assert_non_null(mail_normalise_address("anna@example.se\n", 16, &a));
    assert_non_null(mail_normalise_address("an na@example.se", 16, &a));
    assert_non_null(mail_normalise_address("  ", 2, &a));
    assert_non_null(mail_normalise_address("", 0, &a));
    assert_non_null(mail_normalise_address("\xc2", 1, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_addresses),
        cmocka_unit_test(dots_and_tags_stay),
        cmocka_unit_test(domains_beyond_ascii),
        cmocka_unit_test(injections),
        cmocka_unit_test(shapes),
        cmocka_unit_test(lengths),
        cmocka_unit_test(look_alikes),
        cmocka_unit_test(trimming),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
