/* wire.c - see wire.h. */
#include "services/ctl/wire.h"

void wire_put_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_append_byte(out, (uint8_t)(value | 0x80));
    buf_append_byte(out, (uint8_t)value);
}

void wire_put_tag(struct buf *out, uint32_t field, enum packed_type type)
{
    wire_put_varint(out, (uint64_t)field << 3 | (uint64_t)type);
}

void wire_put_bytes(struct buf *out, uint32_t field, const void *bytes, size_t len)
{
    wire_put_tag(out, field, PACKED_LEN);
    wire_put_varint(out, len);
    buf_append(out, bytes, len);
}

void wire_put_fixed(struct buf *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        buf_append_byte(out, (uint8_t)(value >> (8 * i)));
}

bool wire_next(struct slice *rest, struct packed_field *ret)
{
    const uint8_t *at = rest->data, *end = rest->data + rest->len;

    if (rest->len == 0 || !packed_next(&at, end, ret))
        return false;
    *rest = (struct slice) { at, (size_t)(end - at) };
    return true;
}
