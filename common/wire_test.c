#include "common/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "fokus/wire/v1/wire.pb-c.h"

static Fokus__Wire__V1__CallHeader sample_header(void)
{
    static Fokus__Wire__V1__Caller caller = FOKUS__WIRE__V1__CALLER__INIT;
    Fokus__Wire__V1__CallHeader h = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    caller.id = "someone";
    h.method = "a.v1.S/M";
    h.call_id = UINT64_MAX;
    h.timeout_ms = 5000;
    h.caller = &caller;
    h.locale = "en";
    h.traceparent = "00-x";
    h.idempotency_key = "key";
    h.min_sequence = 300;
    return h;
}

static void assert_slice(struct slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.data, text, s.len);
}

static size_t pack_calls(uint8_t *to, Fokus__Wire__V1__Call **calls, size_t n)
{
    Fokus__Wire__V1__Calls all = FOKUS__WIRE__V1__CALLS__INIT;
    all.calls = calls;
    all.n_calls = n;
    return fokus__wire__v1__calls__pack(&all, to);
}

static void calls_are_read_as_protobuf_wrote_them(void **state)
{
    (void)state;
    Fokus__Wire__V1__CallHeader h = sample_header();
    Fokus__Wire__V1__Call a = FOKUS__WIRE__V1__CALL__INIT, b = FOKUS__WIRE__V1__CALL__INIT;
    uint8_t frame[500];
    struct wire_call call;
    size_t n;

    a.header = &h;
    a.body = (ProtobufCBinaryData) { 4, (uint8_t *)"body" };
    struct slice rest = { frame, pack_calls(frame, (Fokus__Wire__V1__Call *[]) { &a, &b }, 2) };
    assert_int_equal(wire_count_calls(rest, &n), 0);
    assert_int_equal(n, 2);

    assert_int_equal(wire_next_call(&rest, &call), 1);
    assert_true(call.has_call_id && call.call_id == UINT64_MAX);
    assert_int_equal(call.timeout_ms, 5000);
    assert_int_equal(call.min_sequence, 300);
    assert_slice(call.method, "a.v1.S/M");
    assert_slice(call.locale, "en");
    assert_slice(call.traceparent, "00-x");
    assert_slice(call.idempotency_key, "key");
    assert_slice(call.body, "body");

    assert_int_equal(wire_next_call(&rest, &call), 1);
    assert_false(call.has_call_id);
    assert_slice(call.method, "");
    assert_int_equal(wire_next_call(&rest, &call), 0);
}

/* Every cut of a frame, held in a block of exactly its size: AddressSanitizer sees a read past it. */
static void a_truncated_frame_is_refused_and_never_read_past(void **state)
{
    (void)state;
    Fokus__Wire__V1__CallHeader h = sample_header();
    Fokus__Wire__V1__Call a = FOKUS__WIRE__V1__CALL__INIT;
    uint8_t frame[500];
    size_t n;

    a.header = &h;
    size_t len = pack_calls(frame, (Fokus__Wire__V1__Call *[]) { &a }, 1);
    for (size_t cut = 1; cut < len; cut++) {
        uint8_t *bytes = malloc(cut);
        assert_non_null(bytes);
        memcpy(bytes, frame, cut);
        assert_int_equal(wire_count_calls((struct slice) { bytes, cut }, &n), -EBADMSG);
        free(bytes);
    }
}

static int read_one(const char *bytes, size_t len, struct wire_call *ret)
{
    uint8_t frame[300] = { 0x0a, (uint8_t)len };
    memcpy(frame + 2, bytes, len);
    struct slice rest = { frame, len + 2 };
    return wire_next_call(&rest, ret);
}
#define READ_ONE(literal, ret) read_one(literal, sizeof(literal) - 1, ret)

static void malformed_calls_keep_their_number_when_it_was_readable(void **state)
{
    (void)state;
    struct wire_call call;
    size_t n;

    assert_int_equal(READ_ONE("\x0a\x04\x10\x07\x08\x01", &call), -EBADMSG); /* method: varint */
    assert_true(call.has_call_id && call.call_id == 7);
    assert_int_equal(READ_ONE("\x0a\x03\x10\x07\x0b", &call), -EBADMSG); /* a group */
    assert_true(call.has_call_id);
    assert_int_equal(READ_ONE("\x0a\x03\x12\x01\x61", &call), -EBADMSG); /* call_id: bytes */
    assert_false(call.has_call_id);
    assert_int_equal(READ_ONE("\x0a\x02\x00\x00", &call), -EBADMSG); /* field number 0 */
    assert_int_equal(READ_ONE("\x08\x01", &call), -EBADMSG);         /* header: varint */
    assert_int_equal(READ_ONE("\x0a\x0c\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", &call),
                     -EBADMSG);
    assert_int_equal(wire_count_calls((struct slice) { (const uint8_t *)"\x08\x01", 2 }, &n),
                     -EBADMSG);
}

static void unknown_fields_are_skipped_and_the_last_value_holds(void **state)
{
    (void)state;
    struct wire_call call;

    assert_int_equal(READ_ONE("\x0a\x02\x10\x07"                        /* call_id 7 */
                              "\x0a\x02\x10\x08"                        /* again: 8 */
                              "\x7d\x01\x02\x03\x04"                    /* 15: fixed32 */
                              "\x79\x01\x02\x03\x04\x05\x06\x07\x08"    /* 15: fixed64 */
                              "\x7a\x01\x61\x78\x05\x12\x01x\x12\x01y", /* 15; body twice */
                              &call),
                     1);
    assert_int_equal(call.call_id, 8);
    assert_slice(call.body, "y");
}

static void replies_are_read_by_protobuf_as_we_wrote_them(void **state)
{
    (void)state;
    struct buf frame = BUF_INIT(100000);
    const struct violation violations[] = { { "name", "must not be empty" }, { "", "" } };
    char body[300];
    memset(body, 'b', sizeof(body));
    const struct wire_reply refused = {
        .call_id = 1ull << 60,
        .status = CODE_INVALID_ARGUMENT,
        .message = "name: must not be empty",
        .violations = violations,
        .n_violations = 2,
        .log_sequence = 127,
    };
    const struct wire_reply answered = {
        .call_id = 128,
        .log_sequence = 16384,
        .repeated = true,
        .body = { (const uint8_t *)body, sizeof(body) },
    };
    const struct wire_reply empty = { 0 };
    const struct slice counted[] = { { (const uint8_t *)"\3one", 4 },
                                     { (const uint8_t *)"\0", 1 } };
    const struct wire_reply in_pieces = {
        .body = { (const uint8_t *)"\x10\x05", 2 }, /* field 2 */
        .pieces = { .counted = counted, .n = 2, .bytes = 5 },
    };
    const struct wire_reply in_one_piece = {
        .body = { (const uint8_t *)"\x10\x05", 2 },
        .pieces = { .whole = { (const uint8_t *)body, 200 } },
    };
    const struct wire_reply of_nothing = { .pieces = { .whole = { (const uint8_t *)"", 0 } } };

    wire_put_reply(&frame, &refused);
    wire_put_reply(&frame, &answered);
    wire_put_reply(&frame, &empty);
    wire_put_reply(&frame, &in_pieces);
    wire_put_reply(&frame, &in_one_piece);
    wire_put_reply(&frame, &of_nothing);
    assert_false(frame.failed);
    Fokus__Wire__V1__Replies *all = fokus__wire__v1__replies__unpack(NULL, frame.len, frame.data);
    assert_non_null(all);
    assert_int_equal(all->n_replies, 6);
    const Fokus__Wire__V1__ReplyHeader *h = all->replies[0]->header;
    assert_true(h->call_id == 1ull << 60);
    assert_int_equal(h->status, 3);
    assert_string_equal(h->message, "name: must not be empty");
    assert_int_equal(h->n_violations, 2);
    assert_string_equal(h->violations[0]->field, "name");
    assert_string_equal(h->violations[0]->description, "must not be empty");
    assert_string_equal(h->violations[1]->field, "");
    assert_int_equal(h->log_sequence, 127);
    assert_int_equal(all->replies[1]->header->call_id, 128);
    assert_true(all->replies[1]->header->repeated);
    assert_int_equal(all->replies[1]->header->log_sequence, 16384);
    assert_int_equal(all->replies[1]->body.len, sizeof(body));
    assert_memory_equal(all->replies[1]->body.data, body, sizeof(body));
    assert_non_null(all->replies[2]->header);
    assert_int_equal(all->replies[3]->body.len, 9);
    assert_memory_equal(all->replies[3]->body.data, "\x10\x05\x0a\3one\x0a\0", 9);
    /* field 2, then field 1 of 200 bytes */
    assert_int_equal(all->replies[4]->body.len, 2 + 1 + 2 + 200);
    assert_memory_equal(all->replies[4]->body.data, "\x10\x05\x0a\xc8\x01", 5);
    assert_memory_equal(all->replies[4]->body.data + 5, body, 200);
    assert_int_equal(all->replies[5]->body.len, 2);
    assert_memory_equal(all->replies[5]->body.data, "\x0a\x00", 2);
    fokus__wire__v1__replies__free_unpacked(all, NULL);
    buf_free(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_read_as_protobuf_wrote_them),
        cmocka_unit_test(a_truncated_frame_is_refused_and_never_read_past),
        cmocka_unit_test(malformed_calls_keep_their_number_when_it_was_readable),
        cmocka_unit_test(unknown_fields_are_skipped_and_the_last_value_holds),
        cmocka_unit_test(replies_are_read_by_protobuf_as_we_wrote_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
