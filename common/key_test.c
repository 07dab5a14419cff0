#include "common/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

/* A small generator of its own, so that a failure is the same on each machine. */
static uint64_t random_state = 20260101;
static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}
static size_t below(size_t end)
{
    return (size_t)(random_u64() % end);
}

/* (i64, bytes, u64, u8): values drawn from few, so that equal parts and prefixes are common. */
struct tuple {
    int64_t number;
    uint8_t bytes[6];
    size_t len;
    uint64_t count;
    uint8_t tag;
};

static struct tuple random_tuple(void)
{
    static const int64_t numbers[] = { INT64_MIN, -256, -255, -1, 0, 1, 255, 256, INT64_MAX };
    static const uint8_t alphabet[] = { 0x00, 0x00, 0x01, 'a', 0xfe, 0xff };
    struct tuple t = {
        .number = numbers[below(9)],
        .len = below(7),
        .count = below(2) ? below(3) : random_u64(),
        .tag = (uint8_t)below(256),
    };
    for (size_t i = 0; i < t.len; i++)
        t.bytes[i] = alphabet[below(sizeof(alphabet))];
    return t;
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static int compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    size_t shorter = a_len < b_len ? a_len : b_len;
    int order = shorter ? memcmp(a, b, shorter) : 0;

    return order ? sign(order) : (a_len > b_len) - (a_len < b_len);
}

static int compare_tuples(const struct tuple *a, const struct tuple *b)
{
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    int order = compare_bytes(a->bytes, a->len, b->bytes, b->len);
    if (order)
        return order;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    return (a->tag > b->tag) - (a->tag < b->tag);
}

static struct key encode(const struct tuple *t)
{
    struct key k = KEY_INIT;

    key_u8(key_u64(key_bytes(key_i64(&k, t->number), t->bytes, t->len), t->count), t->tag);
    assert_false(k.failed);
    return k;
}

static void keys_sort_as_their_tuples_do(void **state)
{
    (void)state;
    for (int i = 0; i < 200000; i++) {
        struct tuple a = random_tuple(), b = random_tuple();
        if (below(2)) { /* else the first part nearly always decides */
            b.number = a.number;
            memcpy(b.bytes, a.bytes, sizeof(b.bytes));
        }
        struct key ka = encode(&a), kb = encode(&b);
        assert_int_equal(compare_bytes(ka.bytes, ka.len, kb.bytes, kb.len), compare_tuples(&a, &b));
    }
}

static void parts_read_back_as_written(void **state)
{
    (void)state;
    for (int i = 0; i < 50000; i++) {
        struct tuple t = random_tuple(), back = { 0 };
        struct key k = encode(&t);
        struct key_reader r = { .rest = { k.bytes, k.len } };

        assert_true(key_read_i64(&r, &back.number));
        assert_true(key_read_bytes(&r, back.bytes, sizeof(back.bytes), &back.len));
        assert_true(key_read_u64(&r, &back.count));
        assert_true(key_read_u8(&r, &back.tag));
        assert_int_equal(r.rest.len, 0);
        assert_int_equal(compare_tuples(&t, &back), 0);
    }
}

static void the_layout_is_as_documented(void **state)
{
    (void)state;
    struct key k = KEY_INIT;
    static const uint8_t expected[] = { 1, 0,   0, 0, 0,   0, 0,   1,   2, 0x80, 0, 0, 0, 0, 0,  0,
                                        0, 'a', 0, 0, 'b', 0, 255, 'c', 0, 0,    0, 0, 2, 3, 'd' };

    key_text(key_i64(key_u64(key_u8(&k, 1), 0x102), 0), "a");
    key_text_prefix(key_u32(key_bytes(&k, "b\0c", 3), 0x203), "d");
    assert_int_equal(k.len, sizeof(expected));
    assert_memory_equal(k.bytes, expected, sizeof(expected));
}

static void a_prefix_key_begins_all_keys_with_that_text(void **state)
{
    (void)state;
    struct key prefix = KEY_INIT, longer = KEY_INIT, same = KEY_INIT, other = KEY_INIT;

    key_text_prefix(key_text(&prefix, "se"), "reuma");
    key_text(key_text(&longer, "se"), "reumatiker");
    key_text(key_text(&same, "se"), "reuma");
    key_text(key_text(&other, "se"), "reum");
    assert_memory_equal(longer.bytes, prefix.bytes, prefix.len);
    assert_memory_equal(same.bytes, prefix.bytes, prefix.len);
    assert_true(compare_bytes(other.bytes, other.len, prefix.bytes, prefix.len) < 0);
}

static void a_key_too_long_fails_and_stays_failed(void **state)
{
    (void)state;
    struct key k = KEY_INIT, zeros = KEY_INIT, full = KEY_INIT;
    char text[KEY_MAX + 1];
    uint8_t many_zeros[300] = { 0 };

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    key_text(&k, text);
    assert_true(k.failed);
    key_u8(&k, 1);
    assert_true(k.failed);
    key_bytes(&zeros, many_zeros, sizeof(many_zeros)); /* each is written as two */
    assert_true(zeros.failed);
    key_text_prefix(&full, text);
    assert_false(full.failed);
    assert_int_equal(full.len, KEY_MAX);
    key_u8(&full, 0);
    assert_true(full.failed);
}

static bool reads_text(const char *bytes, size_t len, size_t room)
{
    char text[16];
    struct key_reader r = { .rest = { (const uint8_t *)bytes, len } };

    assert_true(room <= sizeof(text));
    bool ok = key_read_text(&r, text, room);
    assert_int_equal(ok, !r.failed);
    return ok;
}

static void bytes_that_are_no_such_part_are_refused(void **state)
{
    (void)state;
    uint64_t number;
    uint8_t byte;

    assert_true(reads_text("ab\0\0", 4, 3));
    assert_false(reads_text("ab\0\0", 4, 2)); /* no room for the closing NUL */
    assert_false(reads_text("ab\0\0", 4, 0));
    assert_false(reads_text("ab", 2, 16));           /* not closed */
    assert_false(reads_text("ab\0", 3, 16));         /* half closed */
    assert_false(reads_text("ab\0\1\0\0", 6, 16));   /* no such escape */
    assert_false(reads_text("a\0\377b\0\0", 6, 16)); /* text holds no NUL */
    assert_false(reads_text("", 0, 16));

    uint8_t bytes[8];
    size_t len;
    struct key_reader escape = { .rest = SLICE_STR("a\0\1\0\0") };
    assert_false(key_read_bytes(&escape, bytes, sizeof(bytes), &len));

    struct key_reader r = { .rest = SLICE_STR("1234567") };
    assert_false(key_read_u64(&r, &number));
    assert_false(key_read_u8(&r, &byte)); /* stays failed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_sort_as_their_tuples_do),
        cmocka_unit_test(parts_read_back_as_written),
        cmocka_unit_test(the_layout_is_as_documented),
        cmocka_unit_test(a_prefix_key_begins_all_keys_with_that_text),
        cmocka_unit_test(a_key_too_long_fails_and_stays_failed),
        cmocka_unit_test(bytes_that_are_no_such_part_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
