/* mail_test.c - two messages whole, byte for byte; every value that could become a header; and any bytes in any field, of which
 * either nothing is written or a message whose every line is one that was meant. */
#include "common/mail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/mail_testing.h"

enum { RANDOM_ROUNDS = 50000 };

/* Saturday 28 November 2026, 12:34:56. */
static const struct mail plain = {
    .from = { "FOKUS", "fokus@fokus.example" },
    .to = { NULL, "anna@example.se" },
    .subject = "Your code",
    .text = "Your code is 123456.\n",
    .id = "0199-code",
    .date_ms = 1795869296000,
    .language = "en",
};

static const char english[] = "Date: Sat, 28 Nov 2026 12:34:56 +0000\r\n"
                              "From: \"FOKUS\" <fokus@fokus.example>\r\n"
                              "To: <anna@example.se>\r\n"
                              "Subject: Your code\r\n"
                              "Message-ID: <0199-code@fokus.example>\r\n"
                              "Auto-Submitted: auto-generated\r\n"
                              "Content-Language: en\r\n"
                              "MIME-Version: 1.0\r\n"
                              "Content-Type: text/plain; charset=utf-8\r\n"
                              "Content-Transfer-Encoding: quoted-printable\r\n"
                              "\r\n"
                              "Your code is 123456.\r\n";

static const struct mail_header further[] = { { "X-Fokus", "code" } };
static const struct mail full = {
    .from = { "FÖKUS", "fokus@fökus.example" },
    .to = { "Anna \"A\" Svensson", "Anna@Example.SE" },
    .reply_to = { "Stöd", "stod@example.se" },
    .subject = "Din kod för att logga in på FÖKUS gäller i tio minuter",
    .text = "Hej! \n\nDin kod är 123456. Den gäller i tio minuter, och bara i webbläsaren där du "
            "bad om "
            "den.\n.\nFrån oss\n",
    .html =
        "<!doctype html>\n<html lang=\"sv\"><body><p>Din kod är <b>123456</b>.</p></body></html>\n",
    .id = "0199-kod",
    .date_ms = 1795869296000,
    .language = "sv",
    .headers = further,
    .n_headers = 1,
};

static const char swedish[] =
    "Date: Sat, 28 Nov 2026 12:34:56 +0000\r\n"
    "From: =?utf-8?Q?F=C3=96KUS?= <fokus@xn--fkus-5qa.example>\r\n"
    "To: \"Anna \\\"A\\\" Svensson\" <Anna@example.se>\r\n"
    "Reply-To: =?utf-8?Q?St=C3=B6d?= <stod@example.se>\r\n"
    "Subject: =?utf-8?Q?Din_kod_f=C3=B6r_att_logga_in_p=C3=A5_F=C3=96KUS_g?=\r\n"
    " =?utf-8?Q?=C3=A4ller_i_tio_minuter?=\r\n"
    "Message-ID: <0199-kod@xn--fkus-5qa.example>\r\n"
    "X-Fokus: code\r\n"
    "Auto-Submitted: auto-generated\r\n"
    "Content-Language: sv\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/alternative;\r\n"
    " boundary=\"=_0199-kod\"\r\n"
    "\r\n"
    "--=_0199-kod\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "Hej!=20\r\n"
    "\r\n"
    "Din kod =C3=A4r 123456. Den g=C3=A4ller i tio minuter, och bara i webbl=\r\n"
    "=C3=A4saren d=C3=A4r du bad om den.\r\n"
    ".\r\n"
    "Fr=C3=A5n oss\r\n"
    "\r\n"
    "--=_0199-kod\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n"
    "\r\n"
    "<!doctype html>\r\n"
    "<html lang=3D\"sv\"><body><p>Din kod =C3=A4r <b>123456</b>.</p></body></html>\r\n"
    "\r\n"
    "--=_0199-kod--\r\n";

/* The message as text, to be freed. */
static char *composed(const struct mail *m)
{
    struct buf b = BUF_INIT(MAIL_MAX);
    struct err err;

    int r = mail_compose(m, &b, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    const char *problem = mail_testing_problem(m, &b);
    if (problem)
        fail_msg("%s in: %.*s", problem, (int)b.len, (char *)b.data);
    buf_append_byte(&b, 0);
    return (char *)b.data;
}

static void must_be(const struct mail *m, const char *wanted)
{
    char *text = composed(m);

    assert_string_equal(text, wanted);
    free(text);
}

static void must_hold(const struct mail *m, const char *wanted)
{
    char *text = composed(m);

    if (!strstr(text, wanted))
        fail_msg("\"%s\" is not in: %s", wanted, text);
    free(text);
}

static void refused(const struct mail *m, const char *says)
{
    struct buf b = BUF_INIT(MAIL_MAX);
    struct err err = { "" };

    assert_int_equal(mail_compose(m, &b, &err), -EINVAL);
    assert_int_equal(b.len, 0);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    buf_free(&b);
}

static void golden(void **state)
{
    (void)state;
    must_be(&plain, english);
    must_be(&full, swedish);
}

static void it_appends(void **state)
{
    struct buf b = BUF_INIT(MAIL_MAX), small = BUF_INIT(300);

    (void)state;
    buf_append_str(&b, "before");
    assert_int_equal(mail_compose(&plain, &b, NULL), 0);
    assert_int_equal(b.len, strlen("before") + strlen(english));
    assert_memory_equal(b.data, "beforeDate", 10);
    assert_int_equal(mail_compose(&plain, &small, NULL), -ENOMEM);
    buf_free(&b);
    buf_free(&small);
}

/* ---- headers ---- */

static void subjects(void **state)
{
    struct mail m = plain;

    (void)state;
    m.subject =
        "A subject of many words is folded at a space before its line is longer than it may be, "
        "and stays as it is";
    must_hold(&m, "Subject: A subject of many words is folded at a space before its line is\r\n"
                  " longer than it may be, and stays as it is\r\n");
    m.subject = "looks like =?utf-8?Q?=0D=0A?=";
    must_hold(&m, "Subject: =?utf-8?Q?looks_like_=3D=3Futf-8=3FQ=3F=3D0D=3D0A=3F=3D?=\r\n");
    m.subject = " two  blanks ";
    must_hold(&m, "Subject: =?utf-8?Q?_two__blanks_?=\r\n");
    m.subject = "ååååååååååååå";
    must_hold(&m, "Subject: =?utf-8?Q?=C3=A5=C3=A5=C3=A5=C3=A5=C3=A5=C3=A5=C3=A5=C3=A5=C3=A5?=\r\n"
                  " =?utf-8?Q?=C3=A5=C3=A5=C3=A5=C3=A5?=\r\n");
    m.subject = "😀😀😀😀😀";
    must_hold(&m, "Subject: =?utf-8?Q?=F0=9F=98=80=F0=9F=98=80=F0=9F=98=80=F0=9F=98=80?=\r\n"
                  " =?utf-8?Q?=F0=9F=98=80?=\r\n");
    m.subject =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    must_hold(&m, "Subject: =?utf-8?Q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?=\r\n"
                  " =?utf-8?Q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?=\r\n");
}

static void names_and_long_addresses(void **state)
{
    char address[255], name[201];
    struct mail m = plain;

    (void)state;
    memset(address, 'a', sizeof(address));
    memcpy(address + 64, "@b.", 3);
    memcpy(address + 130, ".", 1);
    address[65 + 63] = '.';
    memcpy(address + 190, ".example", 9);
    m.to = (struct mail_party) { "Anna", address };
    must_hold(&m, "To: \"Anna\"\r\n <aaaa");
    memset(name, 'n', sizeof(name));
    name[200] = '\0';
    m.to = (struct mail_party) { name, "anna@example.se" };
    must_hold(&m, "To: =?utf-8?Q?nnnnnnn");
    m.to.name = "";
    must_hold(&m, "To: <anna@example.se>\r\n");
    m.to.name = "=?utf-8?Q?=0D=0A?=";
    must_hold(&m, "To: =?utf-8?Q?=3D=3Futf-8=3FQ=3F=3D0D=3D0A=3F=3D?= <anna@example.se>\r\n");
    m.to.name = "eve@example.net, \\";
    must_hold(&m, "To: \"eve@example.net, \\\\\" <anna@example.se>\r\n");
}

static void further_headers(void **state)
{
    static const struct mail_header replied[] = { { "auto-submitted", "auto-replied" },
                                                  { "In-Reply-To", "<a@b.example>" } };
    static const char *const never[] = { "Bcc",          "To",           "cc",
                                         "Content-Type", "Sender",       "Date",
                                         "Subject",      "Resent-To",    "DKIM-Signature",
                                         "From",         "MIME-Version", "Return-Path",
                                         "Received" };
    struct mail m = plain;

    (void)state;
    m.headers = replied;
    m.n_headers = 2;
    must_hold(&m, "auto-submitted: auto-replied\r\nIn-Reply-To: <a@b.example>\r\nContent-Language");
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        struct mail_header h = { never[i], "x" };
        m.headers = &h;
        m.n_headers = 1;
        refused(&m, "headers[0].name: is not among");
    }
    static const struct mail_header wrong[] = {
        { "X-A\r\nBcc", "x" }, { "X-A: b", "x" }, { "", "x" },       { "X-A", "b\r\nBcc: c" },
        { "X-A", "b\nc" },     { "X-A", "å" },    { "X-A", "b\rc" }, { "X-A", " " },
        { "X-A", "" },         { "X A", "b" },    { NULL, "x" },     { "X-A", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        m.headers = &wrong[i];
        m.n_headers = 1;
        refused(&m, "headers[0].");
    }
    struct mail_header many[MAIL_HEADERS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct mail_header) { "X-A", "b" };
    m.headers = many;
    m.n_headers = ARRAY_LEN(many);
    refused(&m, "headers: ");
    m.n_headers--;
    must_hold(&m, "X-A: b\r\n");
}

/* ---- what is refused ---- */

/* Each place of a message where a value from outside may stand. */
struct place {
    const char *field;
    const char **value;
};

enum { PLACES = 11 };

static void find_places(struct mail *m, struct mail_header *h, struct place ret[PLACES])
{
    const struct place all[PLACES] = {
        { "from.name", &m->from.name },
        { "from.address", &m->from.address },
        { "to.name", &m->to.name },
        { "to.address", &m->to.address },
        { "reply_to.name", &m->reply_to.name },
        { "reply_to.address", &m->reply_to.address },
        { "subject", &m->subject },
        { "id", &m->id },
        { "language", &m->language },
        { "headers[0].name", &h->name },
        { "headers[0].value", &h->value },
    };
    memcpy(ret, all, sizeof(all));
}

static void injections(void **state)
{
    static const char *const bad[] = {
        "\r\nBcc: eve@example.net",
        "\nBcc: eve@example.net",
        "\rBcc: eve@example.net",
        "\r\n",
        "\n",
        "\r",
        "\r\n\r\nAnother body",
        "\x1b[2J",
        "\x7f",
        "\x01",
        "\xc2\x85X: y",
        "\xe2\x80\xa8X: y",
        "\xff",
        "\xc0\x8d\xc0\x8a",
        "\xed\xa0\x80",
        "\xe2\x80\xaetxt",
        "\xe2\x81\xa6x",
    };
    char text[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        for (size_t p = 0; p < PLACES; p++) {
            struct mail m = full;
            struct mail_header h = { "X-A", "b" };
            struct place places[PLACES];
            m.headers = &h;
            m.n_headers = 1;
            find_places(&m, &h, places);
            const char *good = *places[p].value;
            for (int at = 0; at < 3; at++) {
                size_t half = at == 1 ? strlen(good) / 2 : 0;
                if (at == 1)
                    while (((uint8_t)good[half] & 0xc0) == 0x80)
                        half--;
                (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at == 2 ? strlen(good) : half),
                               good, bad[i], at == 2 ? "" : good + half);
                *places[p].value = text;
                refused(&m, places[p].field);
                *places[p].value = good;
            }
        }
}

/* A refusal says which field, never what is in it: it is logged. */
static void refusals_do_not_tell(void **state)
{
    struct buf b = BUF_INIT(MAIL_MAX);
    struct err err;
    struct mail m = plain;

    (void)state;
    m.to.address = "secret@@example.se";
    assert_int_equal(mail_compose(&m, &b, &err), -EINVAL);
    assert_null(strstr(err.text, "secret"));
    m = plain;
    m.subject = "secret\n";
    assert_int_equal(mail_compose(&m, &b, &err), -EINVAL);
    assert_null(strstr(err.text, "secret"));
}

static void limits(void **state)
{
    static char large[MAIL_TEXT_MAX + 2];
    struct mail m = plain;

    (void)state;
    memset(large, ' ', MAIL_TEXT_MAX + 1);
    m.text = m.html = large;
    refused(&m, "text: must be at most");
    m.text = plain.text;
    refused(&m, "html: must be at most");
    large[MAIL_TEXT_MAX] = '\0';
    m.text = large;
    must_hold(&m, "=20\r\n");
    memset(large, '=', MAIL_TEXT_MAX);
    must_hold(&m, "=3D=3D"); /* the largest there can be fits */
    memset(large, 's', MAIL_SUBJECT_MAX + 1);
    large[MAIL_SUBJECT_MAX + 1] = '\0';
    m = plain;
    m.subject = large;
    refused(&m, "subject: must be at most");
    large[MAIL_SUBJECT_MAX] = '\0';
    must_hold(&m, "ssss");
    m.subject = plain.subject;
    m.to.name = large;
    refused(&m, "to.name: must be at most");
    m.to.name = NULL;
    m.id = large;
    refused(&m, "id: must be 1 to 64");
    m.id = plain.id;
    m.language = large;
    refused(&m, "language");
    m.language = plain.language;
    m.date_ms = -1;
    refused(&m, "date_ms");
    m.date_ms = INT64_MAX;
    refused(&m, "date_ms");
    m.date_ms = 0;
    must_hold(&m, "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n");
    m.date_ms = 253402300799999;
    must_hold(&m, "Date: Fri, 31 Dec 9999 23:59:59 +0000\r\n");
}

static void what_is_missing(void **state)
{
    struct mail m = plain;

    (void)state;
    m.from.address = NULL;
    refused(&m, "from.address: must be given");
    m = plain;
    m.to.address = NULL;
    refused(&m, "to.address: must be given");
    m = plain;
    m.subject = NULL;
    refused(&m, "subject: must be given");
    m.subject = "";
    refused(&m, "subject: must not be empty");
    m = plain;
    m.text = NULL;
    refused(&m, "text: must be given");
    m = plain;
    m.id = NULL;
    refused(&m, "id");
    m = plain;
    m.language = NULL;
    refused(&m, "language");
}

/* ---- texts ---- */

static void texts(void **state)
{
    struct mail m = plain;

    (void)state;
    m.text = "";
    must_hold(&m, "quoted-printable\r\n\r\n\r\n");
    m.text = "no end";
    must_hold(&m, "\r\n\r\nno end\r\n");
    m.text = "a = b\t\n \n\tc";
    must_hold(&m, "\r\n\r\na =3D b=09\r\n=20\r\n\tc\r\n");
    m.text = "--=_0199-code\n--=_0199-code--\n";
    m.html = m.text;
    must_hold(&m, "--=3D_0199-code\r\n--=3D_0199-code--\r\n");
    m.html = NULL;
    /* 76 characters fit; of 77, one character and its soft break go to the next line. */
    m.text = "1234567890123456789012345678901234567890123456789012345678901234567890123456\n";
    must_hold(
        &m,
        "\r\n\r\n1234567890123456789012345678901234567890123456789012345678901234567890123456\r\n");
    m.text = "12345678901234567890123456789012345678901234567890123456789012345678901234567\n";
    must_hold(&m, "\r\n\r\n123456789012345678901234567890123456789012345678901234567890123456789012"
                  "345=\r\n67\r\n");
    m.text = "a\rb";
    refused(&m, "text");
    m.text = "a\x01";
    refused(&m, "text");
    m.text = "\xff";
    refused(&m, "text");
}

/* ---- any bytes ---- */

/* xorshift64*: the same sequence each time. */
static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717u;
}

static void draw(uint64_t *seed, char *to, size_t max)
{
    static const char *const pieces[] = {
        "\r",
        "\n",
        "\r\n",
        " ",
        "  ",
        "=?",
        "?=",
        "å",
        "😀",
        ":",
        "@",
        ".",
        "\"",
        "<",
        ">",
        "a",
        "B",
        "9",
        "-",
        "=",
        "\t",
        "\xff",
        "\xe2\x80\xa8",
        "--=_",
        "example.se",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    };
    size_t n = next(seed) % 12, len = 0;
    bool tame = next(seed) % 4; /* mostly texts that may pass */

    to[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        char byte[2] = { (char)(tame ? ' ' + (int)(next(seed) % 95) : (int)(next(seed) % 256)),
                         '\0' };
        const char *piece =
            next(seed) % 2 ? pieces[tame ? 3 + next(seed) % 17 : next(seed) % ARRAY_LEN(pieces)]
                           : byte;
        if (len + strlen(piece) >= max)
            break;
        memcpy(to + len, piece, strlen(piece) + 1);
        len += strlen(piece);
    }
}

static void any_bytes_in_any_field(void **state)
{
    char drawn[PLACES][1000], text[1000], html[1000];
    uint64_t seed = 88172645463325252u;
    size_t written = 0;
    struct buf b = BUF_INIT(MAIL_MAX);

    (void)state;
    for (size_t round = 0; round < RANDOM_ROUNDS; round++) {
        struct mail m = full;
        struct mail_header h = { "X-A", "b" };
        struct place places[PLACES];
        m.headers = &h;
        m.n_headers = 1;
        find_places(&m, &h, places);
        for (size_t p = 0; p < PLACES; p++)
            if (next(&seed) % 4 == 0) {
                draw(&seed, drawn[p], sizeof(drawn[p]));
                *places[p].value = drawn[p];
            }
        draw(&seed, text, sizeof(text));
        draw(&seed, html, sizeof(html));
        m.text = text;
        m.html = next(&seed) % 2 ? html : NULL;
        buf_clear(&b);
        int r = mail_compose(&m, &b, NULL);
        if (r < 0) {
            assert_int_equal(r, -EINVAL);
            assert_int_equal(b.len, 0);
            continue;
        }
        written++;
        const char *problem = mail_testing_problem(&m, &b);
        if (problem)
            fail_msg("round %zu: %s in: %.*s", round, problem, (int)b.len, (char *)b.data);
    }
    assert_in_range(written, RANDOM_ROUNDS / 100, RANDOM_ROUNDS - 1);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),
        cmocka_unit_test(it_appends),
        cmocka_unit_test(subjects),
        cmocka_unit_test(names_and_long_addresses),
        cmocka_unit_test(further_headers),
        cmocka_unit_test(injections),
        cmocka_unit_test(refusals_do_not_tell),
        cmocka_unit_test(limits),
        cmocka_unit_test(what_is_missing),
        cmocka_unit_test(texts),
        cmocka_unit_test(any_bytes_in_any_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
