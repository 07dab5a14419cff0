/* wire.c - protobuf's wire format by hand, for the two messages that every call passes through. */
#include "common/wire.h"

#include <errno.h>
#include <string.h>

/* ---- reading ---- */

static bool take_varint(struct slice *rest, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 10 && i < rest->len; i++) {
        uint8_t byte = rest->data[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        *ret = value;
        rest->data += i + 1;
        rest->len -= i + 1;
        return true;
    }
    return false;
}

static bool take_bytes(struct slice *rest, uint64_t len, struct slice *ret)
{
    if (len > rest->len)
        return false;
    *ret = (struct slice) { rest->data, (size_t)len };
    rest->data += len;
    rest->len -= (size_t)len;
    return true;
}

static bool take_counted(struct slice *rest, struct wire_field *ret)
{
    const uint8_t *start = rest->data;
    uint64_t len;

    if (!take_varint(rest, &len) || !take_bytes(rest, len, &ret->bytes))
        return false;
    ret->counted = (struct slice) { start, (size_t)(rest->data - start) };
    return true;
}

int wire_next_field(struct slice *rest, struct wire_field *ret)
{
    struct slice fixed;
    uint64_t tag;

    if (rest->len == 0)
        return 0;
    if (!take_varint(rest, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return -EBADMSG;
    ret->number = (uint32_t)(tag >> 3);
    ret->type = (enum wire_type)(tag & 7);

    bool good = false;
    switch (tag & 7) {
    case WIRE_VARINT:
        good = take_varint(rest, &ret->value);
        break;
    case WIRE_FIXED64:
        good = take_bytes(rest, 8, &fixed);
        break;
    case WIRE_BYTES:
        good = take_counted(rest, ret);
        break;
    case WIRE_FIXED32:
        good = take_bytes(rest, 4, &fixed);
        break;
    }
    return good ? 1 : -EBADMSG;
}

int wire_count_calls(struct slice frame, size_t *ret_count)
{
    struct wire_field field;
    size_t count = 0;
    int r;

    while ((r = wire_next_field(&frame, &field)) > 0) {
        if (field.number != 1)
            continue;
        if (field.type != WIRE_BYTES)
            return -EBADMSG;
        count++;
    }
    if (r == 0)
        *ret_count = count;
    return r;
}

/* Stores a header's field; false when it has another wire type than the contract says. */
static bool header_field(const struct wire_field *field, struct wire_call *ret)
{
    struct slice *text = NULL;

    switch (field->number) {
    case 2:
        ret->call_id = field->value;
        ret->has_call_id = field->type == WIRE_VARINT;
        return field->type == WIRE_VARINT;
    case 3:
        ret->timeout_ms = (uint32_t)field->value;
        return field->type == WIRE_VARINT;
    case 8:
        ret->min_sequence = field->value;
        return field->type == WIRE_VARINT;
    case 1:
        text = &ret->method;
        break;
    case 5:
        text = &ret->locale;
        break;
    case 6:
        text = &ret->traceparent;
        break;
    case 7:
        text = &ret->idempotency_key;
        break;
    default:
        return true;
    }
    if (field->type == WIRE_BYTES)
        *text = field->bytes;
    return field->type == WIRE_BYTES;
}

static int read_header(struct slice rest, struct wire_call *ret)
{
    struct wire_field field = { 0 };
    int r;

    while ((r = wire_next_field(&rest, &field)) > 0) {
        if (!header_field(&field, ret))
            return -EBADMSG;
    }
    return r;
}

static int read_call(struct slice rest, struct wire_call *ret)
{
    struct wire_field field = { 0 };
    int r;

    while ((r = wire_next_field(&rest, &field)) > 0) {
        if (field.number > 2)
            continue;
        if (field.type != WIRE_BYTES)
            return -EBADMSG;
        if (field.number == 2)
            ret->body = field.bytes;
        else if (read_header(field.bytes, ret) < 0)
            return -EBADMSG;
    }
    return r;
}

int wire_next_call(struct slice *rest, struct wire_call *ret)
{
    struct wire_field field = { 0 };
    int r;

    do {
        r = wire_next_field(rest, &field);
        if (r <= 0)
            return r;
    } while (field.number != 1 || field.type != WIRE_BYTES);
    *ret = (struct wire_call) { 0 };
    r = read_call(field.bytes, ret);
    return r < 0 ? r : 1;
}

/* ---- writing ---- */

static size_t varint_len(uint64_t value)
{
    return (70 - (unsigned)__builtin_clzll(value | 1)) / 7;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

static uint8_t *put_number(uint8_t *to, uint8_t field, uint64_t value)
{
    if (value == 0)
        return to;
    *to++ = (uint8_t)(field << 3 | WIRE_VARINT);
    return put_varint(to, value);
}

static uint8_t *put_start(uint8_t *to, uint8_t field, size_t len)
{
    *to++ = (uint8_t)(field << 3 | WIRE_BYTES);
    return put_varint(to, len);
}

static uint8_t *put_bytes(uint8_t *to, uint8_t field, const void *bytes, size_t len)
{
    if (len == 0)
        return to;
    to = put_start(to, field, len);
    memcpy(to, bytes, len);
    return to + len;
}

static size_t number_len(uint64_t value)
{
    return value == 0 ? 0 : 1 + varint_len(value);
}

static size_t message_len(size_t len)
{
    return 1 + varint_len(len) + len;
}

static size_t bytes_len(size_t len)
{
    return len == 0 ? 0 : message_len(len);
}

static size_t violation_len(const struct violation *v)
{
    return bytes_len(strlen(v->field)) + bytes_len(strlen(v->description));
}

static size_t header_len(const struct wire_reply *r)
{
    size_t len = number_len(r->call_id) + number_len(r->status) + number_len(r->log_sequence) +
                 number_len(r->repeated);

    if (r->message)
        len += bytes_len(strlen(r->message));
    for (size_t i = 0; i < r->n_violations; i++)
        len += message_len(violation_len(&r->violations[i]));
    return len;
}

static size_t content_len(const struct wire_reply *r, size_t header)
{
    return message_len(header) + bytes_len(r->body.len);
}

size_t wire_reply_len(const struct wire_reply *reply)
{
    return message_len(content_len(reply, header_len(reply)));
}

void wire_put_reply(struct buf *frame, const struct wire_reply *reply)
{
    size_t header = header_len(reply);
    size_t content = content_len(reply, header);
    uint8_t *to = buf_reserve(frame, message_len(content));

    if (!to)
        return;
    to = put_start(to, 1, content);
    to = put_start(to, 1, header);
    to = put_number(to, 1, reply->call_id);
    to = put_number(to, 2, reply->status);
    if (reply->message)
        to = put_bytes(to, 3, reply->message, strlen(reply->message));
    for (size_t i = 0; i < reply->n_violations; i++) {
        const struct violation *v = &reply->violations[i];
        to = put_start(to, 4, violation_len(v));
        to = put_bytes(to, 1, v->field, strlen(v->field));
        to = put_bytes(to, 2, v->description, strlen(v->description));
    }
    to = put_number(to, 5, reply->log_sequence);
    to = put_number(to, 6, reply->repeated);
    (void)put_bytes(to, 2, reply->body.data, reply->body.len); /* the end is known */
    frame->len += message_len(content);
}
