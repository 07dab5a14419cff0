/* mail_fuzz.c - any bytes in any field of a mail: nothing is written, or a message with the lines that were meant and no other; and
 * any bytes as an address: refused, or in two forms that are addresses again and come out as they went in.
 *
 * The input is the fields, in the order of `places`, with a NUL after each; the first is read as an address with its NULs. */
#include "common/mail.h"

#include <stdlib.h>
#include <string.h>

#include "common/mail_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_address(const char *text, size_t len)
{
    struct mail_address a, again;

    if (mail_normalise_address(text, len, &a) != NULL)
        return;
    size_t n = strlen(a.to);
    check(n <= MAIL_ADDRESS_MAX && strlen(a.key) == n && !strpbrk(a.to, "<>\"(),:;\\[] \r\n\t"));
    check(mail_testing_ascii(a.to, a.to + n));
    check(strcasecmp(a.to, a.key) == 0 && strcmp(strchr(a.to, '@'), strchr(a.key, '@')) == 0);
    check(mail_normalise_address(a.to, n, &again) == NULL);
    check(memcmp(&again, &a, sizeof(a)) == 0);
    check(mail_normalise_address(a.key, n, &again) == NULL);
    check(strcmp(again.to, a.key) == 0 && strcmp(again.key, a.key) == 0);
}

/* The next field, or `otherwise` at the end and for one that says "=". */
static const char *take(const char **at, const char *end, const char *otherwise)
{
    if (*at >= end)
        return otherwise;
    const char *field = *at;
    *at += strlen(field) + 1;
    return strcmp(field, "=") == 0 ? otherwise : field;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);
    struct buf b = BUF_INIT(MAIL_MAX);

    check(text != NULL);
    if (len)
        memcpy(text, data, len);
    text[len] = '\0';
    check_address(text, len);
    check_address(text, strlen(text));

    const char *at = text, *end = text + len;
    struct mail m = { 0 };
    m.to.address = take(&at, end, "anna@example.se");
    m.to.name = take(&at, end, NULL);
    m.subject = take(&at, end, "subject");
    m.text = take(&at, end, "text");
    m.html = take(&at, end, NULL);
    m.from.address = take(&at, end, "fokus@example.se");
    m.from.name = take(&at, end, NULL);
    m.reply_to.address = take(&at, end, NULL);
    m.reply_to.name = take(&at, end, NULL);
    m.id = take(&at, end, "id");
    m.language = take(&at, end, "sv");
    m.date_ms = (int64_t)len * 1000000000;
    struct mail_header headers[3];
    while (m.n_headers < ARRAY_LEN(headers) && at < end) {
        headers[m.n_headers].name = take(&at, end, "X-A");
        headers[m.n_headers++].value = take(&at, end, "b");
    }
    m.headers = headers;
    int r = mail_compose(&m, &b, NULL);
    check(r == 0 || b.len == 0);
    check(r < 0 || mail_testing_problem(&m, &b) == NULL);
    buf_free(&b);
    free(text);
    return 0;
}
