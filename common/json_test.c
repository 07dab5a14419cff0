#include "common/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/testing_set.h"

static struct {
    struct schema *schema;
    const struct schema_message *all;
    struct arena *arena;
    struct status status;
    struct buf wire, json;
} t;

static int open_testing(void **state)
{
    (void)state;
    t.schema = testing_schema();
    t.all = schema_message(t.schema, "fokus.testing.v1.AllKinds");
    t.arena = arena_new(16 << 20);
    t.wire = BUF_INIT(1 << 20);
    t.json = BUF_INIT(1 << 20);
    return t.arena ? 0 : -1;
}

static int close_testing(void **state)
{
    (void)state;
    schema_close(t.schema);
    arena_free(t.arena);
    buf_free(&t.wire);
    buf_free(&t.json);
    return 0;
}

static bool read_exactly(const char *json, size_t len)
{
    char *exact = malloc(len ? len : 1); /* so that ASan sees a byte too far */
    memcpy(exact, json, len);
    arena_reset(t.arena);
    t.status = (struct status) { .arena = t.arena };
    buf_clear(&t.wire);
    bool ok = json_to_wire(t.all, exact, len, &t.wire, &t.status);
    free(exact);
    assert_int_equal(ok, t.status.code == CODE_OK);
    return ok;
}

static const char *written(void)
{
    buf_clear(&t.json);
    assert_int_equal(json_from_wire(t.all, t.wire.data, t.wire.len, &t.json), 0);
    buf_append_byte(&t.json, 0);
    return (const char *)t.json.data;
}

/* `json` is accepted and comes back as `canonical`. */
static void becomes(const char *json, const char *canonical)
{
    bool ok = read_exactly(json, strlen(json));
    if (!ok)
        print_error("%s: %s: %s\n", json, t.status.violations[0].field,
                    t.status.violations[0].description);
    assert_true(ok);
    arena_reset(t.arena);
    t.status = (struct status) { .arena = t.arena };
    assert_true(schema_check(t.all, t.wire.data, t.wire.len, 0, &t.status));
    assert_string_equal(written(), canonical);
}

static void stays(const char *json)
{
    becomes(json, json);
}

static void refused(const char *json, const char *field)
{
    bool ok = read_exactly(json, strlen(json));
    if (ok)
        print_error("accepted: %s\n", json);
    assert_false(ok);
    assert_int_equal(t.status.code, CODE_INVALID_ARGUMENT);
    assert_int_equal(t.status.n_violations, 1);
    if (strcmp(t.status.violations[0].field, field) != 0)
        print_error("%s: %s\n", json, t.status.violations[0].description);
    assert_string_equal(t.status.violations[0].field, field);
}

static void every_kind_of_number_survives(void **state)
{
    (void)state;
    stays("{}");
    stays("{\"aDouble\":1.5,\"aFloat\":-0.1,\"anInt64\":\"-9223372036854775808\",\"aUint64\":"
          "\"18446744073709551615\",\"anInt32\":-2147483648,\"aFixed64\":\"1\",\"aFixed32\":"
          "4294967295,"
          "\"aBool\":true,\"aUint32\":4294967295,\"anSfixed32\":-1,\"anSfixed64\":\"-1\","
          "\"anSint32\":"
          "-2147483648,\"anSint64\":\"9223372036854775807\"}");
    becomes(
        "{\"anInt64\":12,\"aUint64\":\"1e2\",\"anInt32\":1.0,\"aUint32\":\"12\",\"anSint32\":-1e1}",
        "{\"anInt64\":\"12\",\"aUint64\":\"100\",\"anInt32\":1,\"aUint32\":12,\"anSint32\":-10}");
    becomes("{\"anInt32\":0,\"aDouble\":0,\"aString\":\"\",\"someBytes\":\"\",\"aBool\":false,"
            "\"int32s\":[]}",
            "{}");
    becomes("{\"anInt32\":100000000000000000000e-20}", "{\"anInt32\":1}");
    becomes("{\"anInt32\":1.00000000000000000000000000000000}", "{\"anInt32\":1}");
    refused("{\"anInt32\":1.5}", "anInt32");
    refused("{\"anInt32\":2147483648}", "anInt32");
    refused("{\"anInt32\":-2147483649}", "anInt32");
    refused("{\"anInt32\":1e99999999999}", "anInt32");
    refused("{\"anInt32\":\"\"}", "anInt32");
    refused("{\"anInt32\":\" 1\"}", "anInt32");
    refused("{\"anInt32\":\"1 \"}", "anInt32");
    refused("{\"anInt32\":true}", "anInt32");
    refused("{\"anInt32\":[1]}", "anInt32");
    refused("{\"aUint32\":-1}", "aUint32");
    refused("{\"aUint64\":18446744073709551616}", "aUint64");
    refused("{\"anInt64\":\"9223372036854775808\"}", "anInt64");
    refused("{\"aBool\":\"true\"}", "aBool");
    refused("{\"aBool\":1}", "aBool");
}

static void reals_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    stays("{\"aDouble\":0.1}");
    stays("{\"aDouble\":-0}");
    stays("{\"aDouble\":1.7976931348623157e+308}");
    stays("{\"aDouble\":4.94065645841247e-324}");
    stays("{\"aDouble\":\"NaN\",\"aFloat\":\"-Infinity\"}");
    stays("{\"aDouble\":\"Infinity\"}");
    stays("{\"aFloat\":3.4028235e+38}");
    becomes("{\"aDouble\":1e3}", "{\"aDouble\":1000}");
    becomes("{\"aDouble\":\"2.5\"}", "{\"aDouble\":2.5}");
    becomes("{\"aFloat\":0.10000000149011612}", "{\"aFloat\":0.1}");
    refused("{\"aDouble\":1e309}", "aDouble");
    refused("{\"aFloat\":1e39}", "aFloat");
    refused("{\"aDouble\":\"nan\"}", "aDouble");
    refused("{\"aDouble\":\"+Infinity\"}", "aDouble");
    refused("{\"aDouble\":\"0x10\"}", "aDouble");
}

static void text_keeps_every_character(void **state)
{
    (void)state;
    stays("{\"aString\":\"räksmörgås \\\" \\\\ \\n\\t\\r\\b\\f\\u0001 \xf0\x9f\x98\x80/\"}");
    becomes("{\"aString\":\"\\u00e5\\ud83d\\ude00\\/\"}", "{\"aString\":\"å\xf0\x9f\x98\x80/\"}");
    stays("{\"strings\":[\"\",\"a\",\"ab\",\"abc\",\"abcd\",\"abcde\",\"abcdef\",\"abcdefg\","
          "\"abcdefgh\","
          "\"abcdefghi\\\"\",\"\\\"bcdefgh\",\"abcdefg\\\\\",\"\\n\"]}");
    refused("{\"aString\":\"\\ud83d\"}", "aString");
    refused("{\"aString\":\"\\ude00\\ud83d\"}", "aString");
    refused("{\"aString\":\"\\u12g4\"}", "aString");
    refused("{\"aString\":\"\\x\"}", "aString");
    refused("{\"aString\":\"\xff\"}", "aString");
    refused("{\"aString\":\"\xed\xa0\x80\"}", "aString");
    refused("{\"aString\":\"a\nb\"}", "aString");
    refused("{\"strings\":[\"a\",\"b\\u0000\"]}", "strings[1]");
    refused("{\"aString\":1}", "aString");
    refused("{\"aString\":\"abc", "aString");
}

static void bytes_are_base64_of_either_kind(void **state)
{
    (void)state;
    stays("{\"someBytes\":\"AA==\"}");
    stays("{\"bytesList\":[\"\",\"AQ==\",\"AQI=\",\"AQID\",\"+/+/\"]}");
    becomes("{\"someBytes\":\"-_-_AQ\"}", "{\"someBytes\":\"+/+/AQ==\"}");
    becomes("{\"someBytes\":\"+\\/+\\/\"}", "{\"someBytes\":\"+/+/\"}");
    refused("{\"someBytes\":\"A\"}", "someBytes");
    refused("{\"someBytes\":\"AA=\"}", "someBytes");
    refused("{\"someBytes\":\"A A=\"}", "someBytes");
    refused("{\"someBytes\":\"====\"}", "someBytes");
}

static void enums_go_by_name(void **state)
{
    (void)state;
    stays(
        "{\"colour\":\"COLOUR_FAR\",\"colours\":[\"COLOUR_UNSPECIFIED\",\"COLOUR_NEGATIVE\",77]}");
    becomes("{\"colour\":2}", "{\"colour\":\"COLOUR_GREEN\"}");
    refused("{\"colour\":\"colour_red\"}", "colour");
    refused("{\"colour\":\"\"}", "colour");
    refused("{\"colour\":2147483648}", "colour");
}

static void maps_have_keys_of_every_kind(void **state)
{
    (void)state;
    stays(
        "{\"stringMap\":{\"\":\"\",\"å\\\"\":\"b\"},\"leafMap\":{\"-2\":{},\"0\":{\"name\":\"x\"}},"
        "\"int64Map\":"
        "{\"-5\":1.5},\"uint32Map\":{\"7\":\"AQ==\"},\"uint64Map\":{\"18446744073709551615\":"
        "\"COLOUR_RED\"},"
        "\"boolMap\":{\"false\":\"1970-01-01T00:00:00Z\",\"true\":\"2026-11-21T10:00:00.500Z\"}}");
    becomes("{\"stringMap\":{\"a\":\"1\",\"b\":\"2\",\"a\":\"3\"}}",
            "{\"stringMap\":{\"b\":\"2\",\"a\":\"3\"}}");
    refused("{\"leafMap\":{\"x\":{}}}", "leafMap[\"x\"]");
    refused("{\"leafMap\":{\"1\":{\"count\":\"x\"}}}", "leafMap[\"1\"].count");
    refused("{\"boolMap\":{\"1\":\"2026-11-21T10:00:00Z\"}}", "boolMap[\"1\"]");
    refused("{\"stringMap\":{\"a\":null}}", "stringMap[\"a\"]");
    refused("{\"stringMap\":{a:\"b\"}}", "stringMap");
    refused("{\"stringMap\":[]}", "stringMap");
    /* More keys than are compared one by one. */
    struct buf big = BUF_INIT(100000);
    buf_append_str(&big, "{\"stringMap\":{");
    for (int i = 0; i < 200; i++)
        buf_printf(&big, "%s\"k%03d\":\"%d\"", i ? "," : "", i % 100, i);
    buf_append_str(&big, "}}");
    assert_true(read_exactly((char *)big.data, big.len));
    const char *json = written();
    assert_non_null(strstr(json, "\"k000\":\"100\""));
    assert_null(strstr(json, "\"k000\":\"0\""));
    buf_free(&big);
}

static void of_a_oneof_one_member_is_given(void **state)
{
    (void)state;
    stays("{\"chosenString\":\"\"}");
    stays("{\"chosenInt64\":\"0\"}");
    stays("{\"chosenLeaf\":{}}");
    stays("{\"chosenEmpty\":{}}");
    becomes("{\"chosenString\":null,\"chosenBool\":false}", "{\"chosenBool\":false}");
    refused("{\"chosenString\":\"a\",\"chosenBool\":true}", "chosenBool");
    stays("{\"optionalInt32\":0,\"optionalString\":\"\"}");
}

static void well_known_messages_have_their_own_form(void **state)
{
    (void)state;
    stays("{\"aTimestamp\":\"2026-11-21T23:59:59.123456789Z\",\"aDuration\":\"-1.500s\","
          "\"aFieldMask\":"
          "\"name,careAreas.x\",\"anEmpty\":{}}");
    stays("{\"timestamps\":[\"0001-01-01T00:00:00Z\",\"9999-12-31T23:59:59.999999999Z\",\"1969-12-"
          "31T23:59:59.999Z\","
          "\"2000-02-29T00:00:00.000001Z\"],\"durations\":[\"0s\",\"315576000000s\",\"-0."
          "000000001s\"]}");
    becomes("{\"aTimestamp\":\"2026-11-21T01:00:00.5+02:00\"}",
            "{\"aTimestamp\":\"2026-11-20T23:00:00.500Z\"}");
    stays("{\"doubleValue\":0,\"int64Value\":\"0\",\"boolValue\":false,\"stringValue\":\"\","
          "\"bytesValue\":\"\","
          "\"stringValues\":[\"\",\"a\"]}");
    stays("{\"aStruct\":{\"a\":[1,\"x\",null,true,{}],\"b\":{\"c\":-0.5}},\"aValue\":null,"
          "\"aListValue\":[[]],"
          "\"values\":[null,1]}");
    stays("{\"aFieldMask\":\"\"}");
    refused("{\"aTimestamp\":\"2026-02-29T00:00:00Z\"}", "aTimestamp");
    refused("{\"aTimestamp\":\"2026-11-21t00:00:00z\"}", "aTimestamp");
    refused("{\"aTimestamp\":\"2026-11-21T24:00:00Z\"}", "aTimestamp");
    refused("{\"aTimestamp\":\"2026-11-21T00:00:00\"}", "aTimestamp");
    refused("{\"aTimestamp\":\"2026-11-21T00:00:00.Z\"}", "aTimestamp");
    refused("{\"aTimestamp\":\"2026-11-21T00:00:00.1234567890Z\"}", "aTimestamp");
    refused("{\"aTimestamp\":\"0000-01-01T00:00:00Z\"}", "aTimestamp");
    refused("{\"timestamps\":[\"0001-01-01T00:00:00+01:00\"]}", "timestamps[0]");
    refused("{\"aDuration\":\"1\"}", "aDuration");
    refused("{\"aDuration\":\"315576000001s\"}", "aDuration");
    refused("{\"aDuration\":\"s\"}", "aDuration");
    refused("{\"aFieldMask\":\"care_areas\"}", "aFieldMask");
    refused("{\"aFieldMask\":\"a,,b\"}", "aFieldMask");
    refused("{\"aStruct\":[]}", "aStruct");
    refused("{\"aListValue\":{}}", "aListValue");
    refused("{\"values\":[1,tru]}", "values[1]");
}

static void names_and_places_are_as_the_format_says(void **state)
{
    (void)state;
    becomes(" { \"an_int32\" : 1 , \"odd__name_2x\":\"a\", \"@other-name\":\"b\" } ",
            "{\"anInt32\":1,\"oddName2x\":\"a\",\"@other-name\":\"b\"}");
    becomes("{\"a\\u0042ool\":true,\"farAway\":1,\"an\\u0049nt32\":2}",
            "{\"anInt32\":2,\"aBool\":true,\"farAway\":1}");
    becomes("{\"nobody\":{\"a\":[1,{\"b\":\"\\u0000\"},null,true,1e5]},\"anInt32\":null,\"int32s\":"
            "[1,2]}",
            "{\"int32s\":[1,2]}");
    stays("{\"aBranch\":{\"leaf\":{\"name\":\"a\",\"tags\":[\"x\",\"y\"]},\"leaves\":[{},{"
          "\"count\":1}],\"big\":\"7\"}}");
    stays("{\"unpacked\":[1,0,2]}");
    refused("{\"anInt32\":1,\"anInt32\":2}", "anInt32");
    refused("{\"anInt32\":1,\"an_int32\":2}", "anInt32");
    refused("{\"aBranch\":{\"leaves\":[{},{\"tags\":[\"a\",5]}]}}", "aBranch.leaves[1].tags[1]");
    refused("{\"int32s\":[1,null]}", "int32s[1]");
    refused("{\"int32s\":1}", "int32s");
    refused("{\"aBranch\":[]}", "aBranch");
}

static void text_that_is_no_json_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "[]",
        "null",
        "1",
        "\"a\"",
        "{",
        "}",
        "{}}",
        "{} x",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":nul}",
        "{\"a\":True}",
        "{'a':1}",
        "{a:1}",
        "{\"a\":\"\\u\"}",
        "{\"a\":NaN}",
        "{\"a\":1}/**/",
        "\xef\xbb\xbf{}",
        "{\"a\":\"\x01\"}",
        "{\"a\":[}",
        "{\"a\":{]",
        "{\"a\":1",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        refused(texts[i], "");
    assert_false(read_exactly("{}\0", 3));
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct buf deep = BUF_INIT(1 << 20);
    static const char *const openings[] = { "{\"x\":[", "{\"aValue\":[", "{\"aStruct\":{\"a\":[" };

    for (size_t i = 0; i < ARRAY_LEN(openings); i++) {
        buf_clear(&deep);
        buf_append_str(&deep, openings[i]);
        for (int j = 0; j < 100000; j++)
            buf_append_byte(&deep, '[');
        assert_false(read_exactly((char *)deep.data, deep.len));
    }
    buf_free(&deep);
}

static void every_cut_of_a_text_is_refused(void **state)
{
    (void)state;
    static const char json[] = "{\"aDouble\":1.5,\"aString\":\"å\\ud83d\\ude00\",\"someBytes\":"
                               "\"AQID\",\"aBranch\":{\"leaf\":{\"tags\":[\"x\"]}},"
                               "\"leafMap\":{\"1\":{}},\"aTimestamp\":\"2026-11-21T10:00:00Z\","
                               "\"aValue\":[1,{\"a\":null}],\"u\":[1.5e3]}";
    for (size_t len = 0; len < sizeof(json) - 1; len++)
        assert_false(read_exactly(json, len));
    assert_true(read_exactly(json, sizeof(json) - 1));
}

static void scattered_fields_are_gathered(void **state)
{
    (void)state;
    buf_clear(&t.wire);
    put_bytes(&t.wire, 31,
              "\x0a\x03\x0a\x01"
              "a",
              5);
    put_number(&t.wire, 25, 1);
    put_text(&t.wire, 9, "first");
    put_bytes(&t.wire, 11,
              "\x0a\x03\x0a\x01"
              "a",
              5);
    put_bytes(&t.wire, 25, "\x02\x03", 2);
    put_text(&t.wire, 9, "last");
    put_bytes(&t.wire, 31, "", 0);
    put_bytes(&t.wire, 11, "\x0a\x02\x10\x05\x18\x07", 6);
    put_text(&t.wire, 61, "gone");
    put_bytes(&t.wire, 64,
              "\x0a\x01"
              "x",
              3);
    put_number(&t.wire, 63, 0);
    put_bytes(&t.wire, 64, "\x10\x01", 2);
    put_bytes(&t.wire, 64, "\x1a\x00", 2);
    put_bytes(&t.wire, 41, "\x0a\x01k\x12\x01v", 6);
    assert_string_equal(
        written(),
        "{\"aString\":\"last\",\"aBranch\":{\"leaf\":{\"name\":\"a\",\"count\":5},\"big\":\"7\"},"
        "\"int32s\":[1,2,3],\"branches\":[{\"leaf\":{\"name\":\"a\"}},{}],\"stringMap\":{\"k\":"
        "\"v\"},"
        "\"chosenLeaf\":{\"count\":1,\"tags\":[\"\"]}}");
}

static void writing_refuses_what_is_no_such_message(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } broken[] = {
        { "\x0a", 1 },
        { "\x48\x01", 2 },
        { "\x4a\x01\xff", 3 },
        { "\x4a\x05"
          "a",
          3 },
        { "\x28", 1 },
        { "\xaa\x01\x01\x00", 4 },
        { "\xba\x04\x02\x10\xff", 5 },
        { "\xca\x04\x04\x0a\x02"
          "aB",
          7 },
        { "\xca\x02\x02\x0a\x05", 5 },
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        buf_clear(&t.json);
        assert_int_equal(
            json_from_wire(t.all, (const uint8_t *)broken[i].bytes, broken[i].len, &t.json),
            -EBADMSG);
    }
}

static void a_full_buffer_is_said(void **state)
{
    (void)state;
    static const char json[] =
        "{\"aString\":\"abcdefghijklmnop\",\"int32s\":[1,2,3],\"aBranch\":{\"big\":\"1\"}}";
    assert_true(read_exactly(json, sizeof(json) - 1));
    for (size_t max = 0; max < sizeof(json) - 1; max++) {
        struct buf small = BUF_INIT(max);
        assert_int_equal(json_from_wire(t.all, t.wire.data, t.wire.len, &small), -ENOSPC);
        buf_free(&small);
    }
    for (size_t max = 0; max < t.wire.len; max++) {
        struct buf small = BUF_INIT(max);
        arena_reset(t.arena);
        t.status = (struct status) { .arena = t.arena };
        assert_false(json_to_wire(t.all, json, sizeof(json) - 1, &small, &t.status));
        assert_int_equal(t.status.code, CODE_RESOURCE_EXHAUSTED);
        buf_free(&small);
    }
}

static void strings_of_others_are_repaired(void **state)
{
    (void)state;
    buf_clear(&t.json);
    json_string(&t.json, "a\xff\"\0\xc3", 5);
    assert_int_equal(t.json.len, 17);
    assert_memory_equal(t.json.data, "\"a\xef\xbf\xbd\\\"\\u0000\xef\xbf\xbd\"", 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_number_survives),
        cmocka_unit_test(reals_are_as_short_as_they_can_be),
        cmocka_unit_test(text_keeps_every_character),
        cmocka_unit_test(bytes_are_base64_of_either_kind),
        cmocka_unit_test(enums_go_by_name),
        cmocka_unit_test(maps_have_keys_of_every_kind),
        cmocka_unit_test(of_a_oneof_one_member_is_given),
        cmocka_unit_test(well_known_messages_have_their_own_form),
        cmocka_unit_test(names_and_places_are_as_the_format_says),
        cmocka_unit_test(text_that_is_no_json_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(every_cut_of_a_text_is_refused),
        cmocka_unit_test(scattered_fields_are_gathered),
        cmocka_unit_test(writing_refuses_what_is_no_such_message),
        cmocka_unit_test(a_full_buffer_is_said),
        cmocka_unit_test(strings_of_others_are_repaired),
    };
    return cmocka_run_group_tests(tests, open_testing, close_testing);
}
