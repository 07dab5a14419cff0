#include "common/packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#define BYTES(s) ((struct slice) { (const uint8_t *)(s), sizeof(s) - 1 })

static void numbers_come_back_as_they_were_written(void **state)
{
    static const uint64_t numbers[] = { 0,         1,     127,        128,
                                        16383,     16384, UINT32_MAX, UINT64_MAX >> 1,
                                        UINT64_MAX };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uint8_t bytes[PACKED_VARINT_MAX];
        uint8_t *end = packed_put_varint(bytes, numbers[i]);
        assert_int_equal(end - bytes, packed_varint_len(numbers[i]));
        const uint8_t *p = bytes;
        uint64_t value;
        assert_true(packed_varint(&p, end, &value));
        assert_true(value == numbers[i] && p == end);
        for (const uint8_t *cut = bytes; cut < end; cut++) {
            p = bytes;
            assert_false(packed_varint(&p, cut, &value));
        }
        assert_true(packed_unzigzag(packed_zigzag((int64_t)numbers[i])) == (int64_t)numbers[i]);
    }
}

static void fields_come_back_as_they_were_appended(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(100);
    struct packed_field f;

    packed_append_bytes(&out, 2, "text", 4);
    packed_append_tag(&out, 1000, PACKED_VARINT);
    packed_append_varint(&out, 300);
    packed_append_tag(&out, 3, PACKED_FIXED32);
    buf_append(&out, "\x01\x00\x00\x80", 4);
    packed_append_tag(&out, 4, PACKED_FIXED64);
    buf_append(&out, "\x02\x00\x00\x00\x00\x00\x00\x80", 8);
    packed_append_bytes(&out, 5, "", 0);
    assert_false(out.failed);

    struct slice rest = { out.data, out.len };
    assert_int_equal(packed_take(&rest, &f), 1);
    assert_true(f.number == 2 && f.type == PACKED_LEN && f.len == 4);
    assert_memory_equal(packed_bytes(&f).data, "text", 4);
    assert_int_equal(packed_take(&rest, &f), 1);
    assert_true(f.number == 1000 && f.type == PACKED_VARINT && f.value == 300);
    assert_int_equal(packed_take(&rest, &f), 1);
    assert_true(f.number == 3 && f.type == PACKED_FIXED32 && f.value == 0x80000001);
    assert_int_equal(packed_take(&rest, &f), 1);
    assert_true(f.number == 4 && f.type == PACKED_FIXED64 && f.value == 0x8000000000000002);
    assert_int_equal(packed_take(&rest, &f), 1);
    assert_true(f.number == 5 && f.len == 0);
    assert_int_equal(packed_take(&rest, &f), 0);

    /* Cut anywhere but between fields, the bytes are refused and never read past. */
    for (size_t len = 0; len < out.len; len++) {
        uint8_t *cut = malloc(len ? len : 1);
        memcpy(cut, out.data, len);
        rest = (struct slice) { cut, len };
        while (packed_take(&rest, &f) > 0)
            ;
        assert_true(len == 0 || rest.len || len == 6 || len == 10 || len == 15 || len == 24);
        free(cut);
    }
    buf_free(&out);
}

static void what_no_encoder_writes_is_refused(void **state)
{
    (void)state;
    const struct slice bad[] = {
        BYTES("\x00\x01"),                                         /* field number 0 */
        BYTES("\x0b"),                                             /* a group begins */
        BYTES("\x0c"),                                             /* a group ends */
        BYTES("\x0e\x01"),                                         /* no such wire type */
        BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),     /* 65 bits */
        BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), /* eleven bytes */
        BYTES("\x88\x80\x80\x80\x10\x01"),                         /* a tag past 32 bits */
        BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),     /* longer than anything */
        BYTES("\x0a\x02x"),                                        /* shorter than it says */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct slice rest = bad[i];
        struct packed_field f;
        assert_int_equal(packed_take(&rest, &f), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back_as_they_were_written),
        cmocka_unit_test(fields_come_back_as_they_were_appended),
        cmocka_unit_test(what_no_encoder_writes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
