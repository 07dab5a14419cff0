/* packed.c - what of the wire format is too long to stand inline. */
#include "common/packed.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "packed_load32/64 read the machine's order");

bool packed_varint_long(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 70 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        if (shift == 63 && byte > 1) /* past 64 bits, or an eleventh byte would follow */
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

void packed_append_varint(struct buf *out, uint64_t value)
{
    uint8_t *to = buf_reserve(out, PACKED_VARINT_MAX);

    if (to)
        out->len += (size_t)(packed_put_varint(to, value) - to);
}

void packed_append_tag(struct buf *out, uint32_t number, enum packed_type type)
{
    packed_append_varint(out, (uint64_t)number << 3 | (uint64_t)type);
}

void packed_append_bytes(struct buf *out, uint32_t number, const void *bytes, size_t len)
{
    packed_append_tag(out, number, PACKED_LEN);
    packed_append_varint(out, len);
    buf_append(out, bytes, len);
}
