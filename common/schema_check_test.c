#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/schema.h"
#include "common/testing_set.h"

static struct {
    struct schema *schema;
    struct arena *arena;
    struct buf bytes;
    struct status status;
} t;

static int open_testing(void **state)
{
    (void)state;
    t.schema = testing_schema();
    t.arena = arena_new(16 << 20);
    t.bytes = BUF_INIT(8 << 20);
    return t.arena ? 0 : -1;
}

static int close_testing(void **state)
{
    (void)state;
    schema_close(t.schema);
    arena_free(t.arena);
    buf_free(&t.bytes);
    return 0;
}

/* A Limits message with only what is required. */
static struct buf *limits(void)
{
    buf_clear(&t.bytes);
    put_text(&t.bytes, 1, "abc");
    return &t.bytes;
}

static bool check_as(const char *type, unsigned flags)
{
    arena_reset(t.arena);
    t.status = (struct status) { .arena = t.arena };
    return schema_check(schema_message(t.schema, type), t.bytes.data, t.bytes.len, flags,
                        &t.status);
}

static void passes(void)
{
    bool ok = check_as("fokus.testing.v1.Limits", SCHEMA_LIMITS);
    if (!ok)
        print_error("%s: %s\n", t.status.violations[0].field, t.status.violations[0].description);
    assert_true(ok);
    assert_int_equal(arena_used(t.arena), 0);
}

static void refused(const char *field, const char *description)
{
    assert_false(check_as("fokus.testing.v1.Limits", SCHEMA_LIMITS));
    assert_int_equal(t.status.code, CODE_INVALID_ARGUMENT);
    assert_int_equal(t.status.n_violations, 1);
    assert_string_equal(t.status.violations[0].field, field);
    assert_string_equal(t.status.violations[0].description, description);
}

static void text(uint32_t field, const char *value, bool good)
{
    put_text(limits(), field, value);
    bool ok = check_as("fokus.testing.v1.Limits", SCHEMA_LIMITS);
    if (ok != good)
        print_error("field %u, \"%s\" was %s\n", field, value, ok ? "accepted" : "refused");
    assert_int_equal(ok, good);
}

static void lengths_count_characters(void **state)
{
    (void)state;
    limits();
    passes();
    put_text(&t.bytes, 1, "åäöåä");
    passes();
    put_text(limits(), 1, "åäöåäö");
    refused("name", "must be at most 5 characters, has 6");
    put_text(limits(), 1, "a");
    refused("name", "must be at least 2 characters, has 1");
    put_bytes(limits(), 12, "abcde", 5);
    refused("blob", "must be at most 4 bytes, has 5");
    put_bytes(limits(), 12, "a", 1);
    refused("blob", "must be at least 2 bytes, has 1");
    put_bytes(limits(), 12, "a\0b\xff", 4);
    passes();
}

static void what_states_no_length_has_one_all_the_same(void **state)
{
    (void)state;
    char long_text[4098];
    memset(long_text, 'x', sizeof(long_text));
    put_bytes(limits(), 11, long_text, 4096);
    passes();
    put_bytes(limits(), 11, long_text, 4097);
    refused("unbounded", "must be at most 4096 bytes, has 4097");
    limits();
    for (int i = 0; i < 1000; i++)
        put_text(&t.bytes, 14, "");
    passes();
    put_text(&t.bytes, 14, "");
    refused("many", "must hold at most 1000 items, has 1001");
}

static void what_is_required_must_be_there(void **state)
{
    (void)state;
    buf_clear(&t.bytes);
    refused("name", "is required: must be given and not empty");
    put_text(limits(), 1, ""); /* the last one wins */
    refused("name", "is required: must be given and not empty");
    put_bytes(limits(), 2, "", 0);
    refused("rows[0].slug", "is required: must be given and not empty");
}

static void paths_lead_to_the_place(void **state)
{
    (void)state;
    struct buf row = BUF_INIT(1000);
    limits();
    for (int i = 0; i < 4; i++) {
        buf_clear(&row);
        put_text(&row, 1, "a");
        put_text(&row, 2, i == 3 ? "Not A Slug" : "b");
        put_bytes(&t.bytes, 2, row.data, row.len);
    }
    assert_false(check_as("fokus.testing.v1.Limits", SCHEMA_LIMITS));
    assert_string_equal(t.status.violations[0].field, "rows[3].care_areas[0]");
    put_bytes(&t.bytes, 2, row.data, row.len);
    assert_false(check_as("fokus.testing.v1.Limits", SCHEMA_LIMITS));
    assert_int_equal(t.status.n_violations, 3);
    assert_string_equal(t.status.violations[1].field, "rows[4].care_areas[0]");
    assert_string_equal(t.status.violations[2].field, "rows");
    assert_string_equal(t.status.violations[2].description, "must hold at most 4 items, has 5");
    buf_free(&row);
}

static void many_violations_are_counted_and_bounded(void **state)
{
    (void)state;
    limits();
    for (int i = 0; i < 100000; i++)
        put_number(&t.bytes, 3, 1000);
    assert_false(check_as("fokus.testing.v1.Limits", SCHEMA_LIMITS));
    assert_int_equal(t.status.n_violations, STATUS_MAX_VIOLATIONS);
    assert_int_equal(t.status.n_dropped, 100000 - STATUS_MAX_VIOLATIONS);
    status_finish(&t.status);
    assert_string_equal(t.status.message,
                        "percent: must be from 1 to 100, is 1000 (and 99999 more)");
}

static void ranges_hold_for_every_kind_of_number(void **state)
{
    (void)state;
    put_number(limits(), 3, 100);
    passes();
    put_number(limits(), 3, 0); /* the same as left out */
    passes();
    put_number(limits(), 3, 101);
    refused("percent", "must be from 1 to 100, is 101");
    put_number(limits(), 3, (uint64_t)-1);
    refused("percent", "must be from 1 to 100, is -1");
    put_number(limits(), 21, UINT64_MAX);
    refused("unsigned", "must be from 0 to 10, is 18446744073709551615");
    put_number(limits(), 22, packed_zigzag(-10));
    passes();
    put_number(limits(), 22, packed_zigzag(-11));
    refused("zigzag", "must be from -10 to 10, is -11");
    put_number(limits(), 23, 6);
    refused("audience", "must be from 0 to 5, is 6");
    put_number(limits(), 23, 1ull << 32);
    refused("audience", "must be an enum number within 32 bits");
    double nan = __builtin_nan("");
    put_varint(limits(), 20 << 3 | PACKED_FIXED64);
    buf_append(&t.bytes, &nan, 8);
    refused("real", "must be from 0 to 1, is nan");
}

static void packed_and_unpacked_numbers_are_items(void **state)
{
    (void)state;
    put_bytes(limits(), 13, "\x01\x02\x03", 3);
    passes();
    put_number(&t.bytes, 13, 4);
    passes();
    put_number(&t.bytes, 13, 6);
    refused("numbers[4]", "must be from -5 to 5, is 6");
    put_bytes(limits(), 13, "\x01\x07", 2);
    refused("numbers[1]", "must be from -5 to 5, is 7");
    put_bytes(limits(), 13, "\x01", 1);
    refused("numbers", "must hold at least 2 items, has 1");
    put_bytes(limits(), 13, "\x01\x80", 2);
    refused("numbers[1]", "holds packed numbers that are cut off");
    put_bytes(limits(), 24, "12345", 5);
    refused("fixed[0]", "holds packed numbers that are cut off");
    put_bytes(limits(), 24, "12345678", 8);
    passes();
}

static void of_a_oneof_the_last_one_counts(void **state)
{
    (void)state;
    put_text(limits(), 16, "abc");
    passes();
    put_text(limits(), 16, "");
    refused("one", "must be at least 3 characters, has 0");
    put_text(limits(), 16, "abc");
    put_bytes(&t.bytes, 17,
              "\x0a\x01"
              "a",
              3);
    passes();
    put_bytes(&t.bytes, 17,
              "\x0a\x01"
              "b",
              3);
    refused("two", "must be given once");
}

static void maps_are_bounded_and_checked(void **state)
{
    (void)state;
    put_bytes(limits(), 15, "\x0a\x01k\x12\x01v", 6);
    passes();
    put_bytes(limits(), 15, "\x0a\x01k\x12\x01\xff", 6);
    refused("labels[0].value", "must be valid UTF-8");
    limits();
    for (int i = 0; i < 3; i++)
        put_bytes(&t.bytes, 15, "", 0);
    refused("labels", "must hold at most 2 items, has 3");
}

static void times_stay_within_what_can_be_written(void **state)
{
    (void)state;
    struct buf time = BUF_INIT(100);
    put_number(&time, 1, 253402300799);
    put_number(&time, 2, 999999999);
    put_bytes(limits(), 18, time.data, time.len);
    passes();
    buf_clear(&time);
    put_number(&time, 1, 253402300800);
    put_bytes(limits(), 18, time.data, time.len);
    refused("time", "must be a time in the years 0001 to 9999");
    buf_clear(&time);
    put_number(&time, 1, 5);
    put_number(&time, 2, (uint64_t)-1);
    put_bytes(limits(), 19, time.data, time.len);
    refused("duration", "must be a duration of at most 315576000000 seconds either way");
    buf_free(&time);
}

static void formats_are_what_they_say(void **state)
{
    (void)state;
    static const struct {
        uint32_t field;
        const char *good[8], *bad[16];
    } formats[] = {
        { 4,
          { "https://a.se", "http://xn--bcher-kva.example/ä?b=c#d", "HTTPS://exempel.se:8080/",
            "https://[::1]/x", "https://räksmörgås.se" },
          { "a.se", "https://", "ftp://a.se", "https://u@a.se", "https://u:p@a.se/",
            "https://a b.se", "https://a.se:0/", "https://a.se:65536/", "https://.se",
            "https://a..se", "https://-a.se/", "javascript:alert(1)", "https://a.se/\"x",
            "https:///x" } },
        { 5,
          { "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31" },
          { "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "2024-4-1",
            "20240401", "0000-01-01", "2024-01-00", "2024-01-01 ", "+024-01-01" } },
        { 6,
          { "info@example.se", "a.b+c@xn--x.example.se", "åsa@räksmörgås.se" },
          { "info", "@example.se", "info@", "info@se", "a b@example.se", "a@@example.se",
            "a@b@example.se", ".a@example.se", "a.@example.se", "a..b@example.se", "a@example..se",
            "a@-x.se", "a@x.se\n" } },
        { 7,
          { "112", "08-123 456 78", "+46 (0)8 123 45", "1177" },
          { "1", "08-12a", "46+8", "1234567890123456", "()", "++46 8 123" } },
        { 8,
          { "en rad åäö", "\"'<>" },
          { "två\nrader", "tab\t", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "långrad utan\x01" } },
        { 9, { "två\n\n\tstycken" }, { "\r\n", "\x1b[0m", "\xc2\x80" } },
        { 10,
          { "01890a5d-ac96-774b-bcce-b302099a8057" },
          { "01890A5D-ac96-774b-bcce-b302099a8057", "01890a5dac96774bbcceb302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805", "g1890a5d-ac96-774b-bcce-b302099a8057" } },
    };
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        text(formats[i].field, "", true);
        for (size_t j = 0; j < ARRAY_LEN(formats[i].good) && formats[i].good[j]; j++)
            text(formats[i].field, formats[i].good[j], true);
        for (size_t j = 0; j < ARRAY_LEN(formats[i].bad) && formats[i].bad[j]; j++)
            text(formats[i].field, formats[i].bad[j], false);
    }
    put_bytes(limits(), 2,
              "\x0a\x03"
              "a-b",
              5);
    passes();
    static const char *const bad_slugs[] = { "-a", "a-", "a--b", "A", "å", "a_b" };
    for (size_t i = 0; i < ARRAY_LEN(bad_slugs); i++) {
        struct buf row = BUF_INIT(100);
        put_text(&row, 1, bad_slugs[i]);
        put_bytes(limits(), 2, row.data, row.len);
        assert_false(check_as("fokus.testing.v1.Limits", SCHEMA_LIMITS));
        buf_free(&row);
    }
}

static void text_is_utf8_without_nul(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } texts[] = {
        { "\xc3\xa5", 2, true },
        { "\xf4\x8f\xbf\xbf", 4, true },
        { "\xed\x9f\xbf", 3, true },
        { "\xee\x80\x80", 3, true },
        { "\xc3", 1, false },
        { "\xc0\x80", 2, false },
        { "\xc1\xbf", 2, false },
        { "\xe0\x9f\xbf", 3, false },
        { "\xed\xa0\x80", 3, false },
        { "\xf0\x8f\xbf\xbf", 4, false },
        { "\xf4\x90\x80\x80", 4, false },
        { "\xf5\x80\x80\x80", 4, false },
        { "\x80", 1, false },
        { "\xe2\x82", 2, false },
        { "\xff", 1, false },
        { "a\0b", 3, false },
        { "12345678\0", 9, false },
        { "1234567\0", 8, false },
        { "12345678\xc3", 9, false },
        { "12345678\xc3\xa5", 10, true },
        { "\xc3\xa5\0", 3, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        put_bytes(limits(), 11, texts[i].bytes, texts[i].len);
        for (unsigned flags = 0; flags <= SCHEMA_LIMITS; flags++) {
            bool ok = check_as("fokus.testing.v1.Limits", flags);
            if (ok != texts[i].good)
                print_error("text %zu\n", i);
            assert_int_equal(ok, texts[i].good);
        }
    }
}

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } broken[] = {
        { "\x0a", 1 }, /* no length */
        { "\x0a\x05"
          "abc",
          5 },             /* cut off */
        { "\x80", 1 },     /* a cut-off tag */
        { "\x02\x00", 2 }, /* field number 0 */
        { "\x0b\x0c", 2 }, /* a group */
        { "\x0c", 1 },     /* a group's end */
        { "\x0e", 1 },
        { "\x0f", 1 },                                              /* no such wire types */
        { "\x08\x01", 2 },                                          /* a number for a string */
        { "\x1a\x00", 2 },                                          /* a string for a number */
        { "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12 }, /* eleven bytes */
        { "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11 },     /* past 64 bits */
        { "\xf8\xff\xff\xff\xff\x01\x00", 7 },                      /* a tag past 32 bits */
        { "\xa1\x01\x00\x00\x00", 5 },                              /* half a double */
        { "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11 },     /* a length past everything */
        { "\xfd\x07\x00\x00", 4 },                                  /* an unknown field, cut off */
    };
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        for (unsigned flags = 0; flags <= SCHEMA_LIMITS; flags++) {
            buf_clear(&t.bytes);
            buf_append(&t.bytes, broken[i].bytes, broken[i].len);
            bool ok = check_as("fokus.testing.v1.Limits", flags);
            if (ok)
                print_error("bytes %zu, flags %u\n", i, flags);
            assert_false(ok);
            assert_int_equal(t.status.n_violations, 1);
        }
    }
}

static void unknown_fields_pass_unless_refused(void **state)
{
    (void)state;
    put_text(limits(), 1000, "\xff");
    put_number(&t.bytes, 536870911, 5);
    passes();
    assert_false(check_as("fokus.testing.v1.Limits", SCHEMA_REFUSE_UNKNOWN));
    assert_int_equal(t.status.n_violations, 2);
    assert_string_equal(t.status.violations[0].description, "holds the unknown field number 1000");
}

/* A google.protobuf.Value that holds a list that holds a list ... */
static void nest_values(size_t depth)
{
    struct buf inner = BUF_INIT(1 << 20), outer = BUF_INIT(1 << 20);

    for (size_t i = 0; i < depth; i++) {
        buf_clear(&outer);
        put_bytes(&outer, i % 2 ? 1 : 6, inner.data, inner.len);
        buf_clear(&inner);
        buf_append(&inner, outer.data, outer.len);
    }
    buf_clear(&t.bytes);
    put_bytes(&t.bytes, 92, inner.data, inner.len);
    buf_free(&inner);
    buf_free(&outer);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    nest_values(SCHEMA_MAX_DEPTH - 1);
    assert_true(check_as("fokus.testing.v1.AllKinds", 0));
    nest_values(SCHEMA_MAX_DEPTH + 1);
    assert_false(check_as("fokus.testing.v1.AllKinds", 0));
    nest_values(5001);
    assert_false(check_as("fokus.testing.v1.AllKinds", 0));
    assert_string_equal(t.status.violations[0].description, "is nested too deep");
}

static void every_cut_of_a_message_is_safe(void **state)
{
    (void)state;
    struct buf whole = BUF_INIT(10000);
    put_text(limits(), 4, "https://a.se");
    put_bytes(&t.bytes, 2,
              "\x0a\x01"
              "a\x12\x01"
              "b",
              6);
    put_bytes(&t.bytes, 13, "\x01\x02", 2);
    buf_append(&whole, t.bytes.data, t.bytes.len);
    for (size_t len = 0; len <= whole.len; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* so that ASan sees a byte too far */
        memcpy(exact, whole.data, len);
        arena_reset(t.arena);
        t.status = (struct status) { .arena = t.arena };
        bool ok = schema_check(schema_message(t.schema, "fokus.testing.v1.Limits"), exact, len,
                               SCHEMA_LIMITS, &t.status);
        assert_true(ok == (t.status.code == CODE_OK));
        free(exact);
    }
    buf_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_count_characters),
        cmocka_unit_test(what_states_no_length_has_one_all_the_same),
        cmocka_unit_test(what_is_required_must_be_there),
        cmocka_unit_test(paths_lead_to_the_place),
        cmocka_unit_test(many_violations_are_counted_and_bounded),
        cmocka_unit_test(ranges_hold_for_every_kind_of_number),
        cmocka_unit_test(packed_and_unpacked_numbers_are_items),
        cmocka_unit_test(of_a_oneof_the_last_one_counts),
        cmocka_unit_test(maps_are_bounded_and_checked),
        cmocka_unit_test(times_stay_within_what_can_be_written),
        cmocka_unit_test(formats_are_what_they_say),
        cmocka_unit_test(text_is_utf8_without_nul),
        cmocka_unit_test(malformed_bytes_are_refused),
        cmocka_unit_test(unknown_fields_pass_unless_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(every_cut_of_a_message_is_safe),
    };
    return cmocka_run_group_tests(tests, open_testing, close_testing);
}
