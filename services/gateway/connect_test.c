/* connect_test.c - what headers, query strings and errors of the Connect protocol come to. */
#include "services/gateway/connect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/gateway/gateway.h"

static void content_types(void **state)
{
    (void)state;
    static const char *const json[] = { "application/json", "Application/JSON",
                                        "application/json; charset=utf-8",
                                        "application/json;charset=UTF8" };
    static const char *const neither[] = { "",
                                           "text/plain",
                                           "application/jsonx",
                                           "application/json;",
                                           "application/json;  charset=utf-8",
                                           "application/json; charset=latin1",
                                           "application/proto; charset=utf-8",
                                           "application/connect+json",
                                           "application/x-www-form-urlencoded" };

    for (size_t i = 0; i < ARRAY_LEN(json); i++)
        assert_int_equal(connect_content_type(json[i]), ENCODING_JSON);
    for (size_t i = 0; i < ARRAY_LEN(neither); i++)
        assert_int_equal(connect_content_type(neither[i]), ENCODING_NONE);
    assert_int_equal(connect_content_type(NULL), ENCODING_NONE);
    assert_int_equal(connect_content_type("application/proto"), ENCODING_PROTO);
}

static void timeouts(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "-1", "+1", "1s", "1.5", " 1", "12345678901", "0x10" };
    uint32_t ms = 7;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(connect_timeout(bad[i], &ms));
    assert_int_equal(ms, 7);
    assert_true(connect_timeout("250", &ms));
    assert_int_equal(ms, 250);
    assert_true(connect_timeout("9999999999", &ms));
    assert_int_equal(ms, CONNECT_MAX_TIMEOUT_MS);
    assert_true(connect_timeout("0", &ms));
    assert_int_equal(ms, 1);
}

static void compressions(void **state)
{
    (void)state;
    assert_true(connect_accepts_gzip("gzip"));
    assert_true(connect_accepts_gzip("br, gzip;q=0.5"));
    assert_true(connect_accepts_gzip("deflate,GZIP"));
    assert_false(connect_accepts_gzip("gzip;q=0"));
    assert_false(connect_accepts_gzip("gzip; q=0.000"));
    assert_false(connect_accepts_gzip("br, xgzip, gzipx"));
    assert_false(connect_accepts_gzip(""));
    assert_false(connect_accepts_gzip(NULL));
    assert_int_equal(connect_compression(NULL), COMPRESSION_NONE);
    assert_int_equal(connect_compression("identity"), COMPRESSION_NONE);
    assert_int_equal(connect_compression("gzip"), COMPRESSION_GZIP);
    assert_int_equal(connect_compression("br"), COMPRESSION_UNKNOWN);
}

static void entity_tags(void **state)
{
    (void)state;
    const char *tag = "W/\"abc-12\"";

    assert_true(connect_etag_matches("W/\"abc-12\"", tag));
    assert_true(connect_etag_matches("\"abc-12\"", tag));
    assert_true(connect_etag_matches("\"x\", W/\"abc-12\" , \"y\"", tag));
    assert_true(connect_etag_matches("*", tag));
    assert_false(connect_etag_matches("W/\"abc-1\"", tag));
    assert_false(connect_etag_matches("W/\"abc-123\"", tag));
    assert_false(connect_etag_matches("", tag));
}

static void request_ids(void **state)
{
    (void)state;
    assert_true(connect_request_id_sane("a.B_c-9"));
    assert_false(connect_request_id_sane(""));
    assert_false(connect_request_id_sane("a b"));
    assert_false(connect_request_id_sane("a\"b"));
    char longest[66];
    memset(longest, 'x', sizeof(longest));
    longest[64] = '\0';
    assert_true(connect_request_id_sane(longest));
    longest[64] = 'x';
    longest[65] = '\0';
    assert_false(connect_request_id_sane(longest));
}

/* Parses, expects success, and compares the message. */
static void expect_get(const char *query, enum encoding encoding, const char *message, size_t len)
{
    struct buf out = BUF_INIT(CONNECT_MAX_BODY);
    struct connect_get get;
    const struct refusal *why = connect_get_parse(query, strlen(query), &out, &get);

    if (why)
        fail_msg("%s: %s", query, why->message);
    assert_int_equal(get.encoding, encoding);
    assert_int_equal(out.len, len);
    if (len)
        assert_memory_equal(out.data, message, len);
    buf_free(&out);
}

static void expect_refused(const char *query, int http)
{
    struct buf out = BUF_INIT(CONNECT_MAX_BODY);
    struct connect_get get;
    const struct refusal *why = connect_get_parse(query, strlen(query), &out, &get);

    if (!why)
        fail_msg("not refused: %s", query);
    assert_int_equal(why->http, http);
    buf_free(&out);
}

static void get_queries(void **state)
{
    (void)state;
    expect_get("connect=v1&encoding=json&message=%7B%22a%22%3A1%7D", ENCODING_JSON, "{\"a\":1}", 7);
    expect_get("message=%7b%7D&other=x&encoding=json", ENCODING_JSON, "{}", 2);
    expect_get("encoding=json&message={\"a\":+1}", ENCODING_JSON, "{\"a\": 1}", 8);
    expect_get("base64=1&encoding=proto&message=AP-_", ENCODING_PROTO, "\x00\xff\xbf", 3);
    expect_get("base64=1&encoding=proto&message=AA%3D%3D", ENCODING_PROTO, "\0", 1);
    expect_get("base64=1&encoding=proto&message=AA", ENCODING_PROTO, "\0", 1);
    expect_get("encoding=proto", ENCODING_PROTO, "", 0);
    expect_get("encoding=proto&base64=1&message=", ENCODING_PROTO, "", 0);
    expect_get("encoding=json&message=a%00b", ENCODING_JSON, "a\0b", 3);
    expect_get("encoding=json&base64=yes&message=AA", ENCODING_JSON, "AA", 2);

    expect_refused("", 415);
    expect_refused("message=%7B%7D", 415);
    expect_refused("encoding=xml&message=%7B%7D", 415);
    expect_refused("encoding=json&message=%", 400);
    expect_refused("encoding=json&message=%2", 400);
    expect_refused("encoding=json&message=%zz", 400);
    expect_refused("encoding=json&message=1&message=2", 400);
    expect_refused("connect=v2&encoding=json", 400);
    expect_refused("base64=1&encoding=proto&message=A", 400);
    expect_refused("base64=1&encoding=proto&message=AA=", 400);
    expect_refused("base64=1&encoding=proto&message=AB==", 400); /* bits that mean nothing */
    expect_refused("base64=1&encoding=proto&message=A%2BAA", 400);
    expect_refused("encoding=proto&message=AA", 400);
    expect_refused("encoding=json&compression=br&message=%7B%7D", 501);
    expect_refused("encoding=json&compression=gzip&message=%7B%7D", 400);
}

static void expect_error(const struct violation *violations, size_t n, const char *message,
                         const char *json)
{
    struct buf out = BUF_INIT(65536);

    connect_error(&out, CODE_INVALID_ARGUMENT, message, violations, n, NULL);
    buf_append_byte(&out, '\0');
    assert_false(out.failed);
    assert_string_equal((const char *)out.data, json);
    buf_free(&out);
}

static void errors_tell_every_field(void **state)
{
    (void)state;
    const struct violation violations[] = { { "rows[3].care_areas[0]", "must be \"known\"" },
                                            { "name", "must not be empty" } };

    expect_error(NULL, 0, "No \"such\" thing.",
                 "{\"code\":\"invalid_argument\",\"message\":\"No \\\"such\\\" thing.\"}");
    expect_error(
        violations, 2, "rows[3].care_areas[0]: must be \"known\" (and 1 more)",
        "{\"code\":\"invalid_argument\",\"message\":\"rows[3].careAreas[0]: must be \\\"known\\\" "
        "(and 1 more)\",\"details\":[{\"type\":\"google.rpc.BadRequest\",\"value\":"
        "\"CicKFHJvd3NbM10uY2FyZUFyZWFzWzBdEg9tdXN0IGJlICJrbm93biIKGQoEbmFtZRIRbXVzdCBub3QgYmUgZW1w"
        "dHk\",\"debug\":{\"fieldViolations\":[{\"field\":\"rows[3].careAreas[0]\",\"description\":"
        "\"must be \\\"known\\\"\"},{\"field\":\"name\",\"description\":\"must not be "
        "empty\"}]}}]}");
}

static void gzip_there_and_back(void **state)
{
    (void)state;
    struct zip *zip = zip_new();
    struct buf packed = BUF_INIT(1 << 20), back = BUF_INIT(100001);
    static uint8_t text[100000];

    assert_non_null(zip);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * i % 251);
    for (unsigned round = 0; round < 3; round++) {
        buf_clear(&packed);
        buf_clear(&back);
        assert_int_equal(zip_pack(zip, text, sizeof(text), &packed), 0);
        assert_true(packed.len < sizeof(text));
        assert_int_equal(zip_unpack(packed.data, packed.len, &back), 0);
        assert_int_equal(back.len, sizeof(text));
        assert_memory_equal(back.data, text, sizeof(text));
    }
    buf_clear(&back);
    assert_int_equal(zip_unpack(packed.data, packed.len - 1, &back), -EBADMSG);
    buf_clear(&back);
    assert_int_equal(zip_unpack(packed.data + 1, packed.len - 1, &back), -EBADMSG);
    buf_append_byte(&packed, 'x');
    buf_clear(&back);
    assert_int_equal(zip_unpack(packed.data, packed.len, &back), -EBADMSG);
    struct buf small = BUF_INIT(50000);
    assert_int_equal(zip_unpack(packed.data, packed.len, &small), -EFBIG);
    buf_free(&small);
    buf_free(&packed);
    buf_free(&back);
    zip_free(zip);
}

static void pages_become_one(void **state)
{
    (void)state;
    static const char one[] =
        "# HELP a_total As.\n# TYPE a_total counter\na_total 1\n"
        "# HELP h_seconds Hs.\n# TYPE h_seconds histogram\n"
        "h_seconds_bucket{le=\"+Inf\"} 2\nh_seconds_sum 0.5\nh_seconds_count 2\n"
        "# EOF\nlonely{} 3\n";
    static const char two[] = "# HELP h_seconds Other words.\n# TYPE h_seconds histogram\n"
                              "h_seconds_bucket{service=\"two\",le=\"+Inf\"} 4\n"
                              "# HELP a_total As.\n# TYPE a_total counter\na_total{x=\"y\"} 7";
    static const char both[] =
        "# HELP a_total As.\n# TYPE a_total counter\na_total{service=\"one\"} 1\n"
        "a_total{service=\"two\",x=\"y\"} 7\n"
        "# HELP h_seconds Hs.\n# TYPE h_seconds histogram\n"
        "h_seconds_bucket{service=\"one\",le=\"+Inf\"} 2\nh_seconds_sum{service=\"one\"} 0.5\n"
        "h_seconds_count{service=\"one\"} 2\nh_seconds_bucket{service=\"two\",le=\"+Inf\"} 4\n"
        "lonely{service=\"one\"} 3\n";
    const struct page_source sources[] = { { "one", SLICE_STR(one) }, { "two", SLICE_STR(two) } };
    struct buf out = BUF_INIT(65536);

    page_merge(sources, 2, &out);
    buf_append_byte(&out, '\0');
    assert_string_equal((const char *)out.data, both);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_types),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(compressions),
        cmocka_unit_test(entity_tags),
        cmocka_unit_test(request_ids),
        cmocka_unit_test(get_queries),
        cmocka_unit_test(errors_tell_every_field),
        cmocka_unit_test(gzip_there_and_back),
        cmocka_unit_test(pages_become_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
