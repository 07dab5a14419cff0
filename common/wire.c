/* wire.c - protobuf's wire format by hand, for the two messages that every call passes through. */
#include "common/wire.h"

#include <errno.h>
#include <string.h>

#include "common/packed.h"

/* ---- reading ---- */

int wire_count_calls(struct slice frame, size_t *ret_count)
{
    struct packed_field field;
    size_t count = 0;
    int r;

    while ((r = packed_take(&frame, &field)) > 0) {
        if (field.number != 1)
            continue;
        if (field.type != PACKED_LEN)
            return -EBADMSG;
        count++;
    }
    if (r == 0)
        *ret_count = count;
    return r;
}

/* Stores a header's field; false when it has another wire type than the contract says. */
static bool header_field(const struct packed_field *field, struct wire_call *ret)
{
    struct slice *text = NULL;

    switch (field->number) {
    case 2:
        ret->call_id = field->value;
        ret->has_call_id = field->type == PACKED_VARINT;
        return field->type == PACKED_VARINT;
    case 3:
        ret->timeout_ms = (uint32_t)field->value;
        return field->type == PACKED_VARINT;
    case 8:
        ret->min_sequence = field->value;
        return field->type == PACKED_VARINT;
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
    case 4:
        text = &ret->caller;
        break;
    case 9:
        text = &ret->origin;
        break;
    case 10:
        text = &ret->proof;
        break;
    default:
        return true;
    }
    if (field->type == PACKED_LEN)
        *text = packed_bytes(field);
    return field->type == PACKED_LEN;
}

static int read_header(struct slice rest, struct wire_call *ret)
{
    struct packed_field field = { 0 };
    int r;

    while ((r = packed_take(&rest, &field)) > 0) {
        if (!header_field(&field, ret))
            return -EBADMSG;
    }
    return r;
}

static int read_call(struct slice rest, struct wire_call *ret)
{
    struct packed_field field = { 0 };
    int r;

    while ((r = packed_take(&rest, &field)) > 0) {
        if (field.number > 2)
            continue;
        if (field.type != PACKED_LEN)
            return -EBADMSG;
        if (field.number == 2)
            ret->body = packed_bytes(&field);
        else if (read_header(packed_bytes(&field), ret) < 0)
            return -EBADMSG;
    }
    return r;
}

int wire_next_call(struct slice *rest, struct wire_call *ret)
{
    struct packed_field field = { 0 };
    int r;

    do {
        r = packed_take(rest, &field);
        if (r <= 0)
            return r;
    } while (field.number != 1 || field.type != PACKED_LEN);
    *ret = (struct wire_call) { 0 };
    r = read_call(packed_bytes(&field), ret);
    return r < 0 ? r : 1;
}

/* ---- writing ---- */

static uint8_t *put_number(uint8_t *to, uint8_t field, uint64_t value)
{
    if (value == 0)
        return to;
    *to++ = (uint8_t)(field << 3 | PACKED_VARINT);
    return packed_put_varint(to, value);
}

static uint8_t *put_start(uint8_t *to, uint8_t field, size_t len)
{
    *to++ = (uint8_t)(field << 3 | PACKED_LEN);
    return packed_put_varint(to, len);
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
    return value == 0 ? 0 : 1 + packed_varint_len(value);
}

static size_t message_len(size_t len)
{
    return 1 + packed_varint_len(len) + len;
}

static size_t bytes_len(size_t len)
{
    return len == 0 ? 0 : message_len(len);
}

static size_t violation_len(const struct violation *v)
{
    return bytes_len(strlen(v->field)) + bytes_len(strlen(v->description));
}

/* Of the packed SessionChange. */
static size_t session_len(const struct wire_reply *r)
{
    return bytes_len(strlen(r->session_token)) + number_len((uint64_t)r->session_max_age_s);
}

static uint8_t *put_session(uint8_t *to, const struct wire_reply *r)
{
    to = put_start(to, 7, session_len(r));
    to = put_bytes(to, 1, r->session_token, strlen(r->session_token));
    return put_number(to, 2, (uint64_t)r->session_max_age_s);
}

static size_t header_len(const struct wire_reply *r)
{
    size_t len = number_len(r->call_id) + number_len(r->status) + number_len(r->log_sequence) +
                 number_len(r->repeated);

    if (r->message)
        len += bytes_len(strlen(r->message));
    if (r->session_token)
        len += message_len(session_len(r));
    for (size_t i = 0; i < r->n_violations; i++)
        len += message_len(violation_len(&r->violations[i]));
    return len;
}

size_t wire_pieces_len(const struct wire_pieces *pieces)
{
    size_t whole = pieces->whole.data ? message_len(pieces->whole.len) : 0;

    return whole + pieces->fields.len + pieces->n + pieces->bytes; /* a tag of one byte each */
}

uint8_t *wire_put_pieces(uint8_t *to, const struct wire_pieces *pieces)
{
    if (pieces->whole.data) {
        to = put_start(to, 1, pieces->whole.len);
        memcpy(to, pieces->whole.data, pieces->whole.len);
        to += pieces->whole.len;
    }
    if (pieces->fields.len > 0)
        memcpy(to, pieces->fields.data, pieces->fields.len);
    to += pieces->fields.len;
    for (size_t i = 0; i < pieces->n; i++) {
        *to++ = 1 << 3 | PACKED_LEN;
        memcpy(to, pieces->counted[i].data, pieces->counted[i].len);
        to += pieces->counted[i].len;
    }
    return to;
}

static size_t content_len(const struct wire_reply *r, size_t header)
{
    return message_len(header) + bytes_len(r->body.len + wire_pieces_len(&r->pieces));
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
    if (reply->session_token)
        to = put_session(to, reply);
    size_t body = reply->body.len + wire_pieces_len(&reply->pieces);
    if (body > 0) {
        to = put_start(to, 2, body);
        if (reply->body.len > 0)
            memcpy(to, reply->body.data, reply->body.len);
        (void)wire_put_pieces(to + reply->body.len, &reply->pieces); /* the end is known */
    }
    frame->len += message_len(content);
}
