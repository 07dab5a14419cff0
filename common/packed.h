/* packed.h - the protobuf wire format, field by field: read from bytes that are not trusted, and written.
 *
 * Stricter than protobuf asks for, where leniency only serves attackers: a varint has at most ten bytes and fits in
 * 64 bits, a tag fits in 32, field number 0 and groups do not exist. */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"
#include "common/macros.h"

enum packed_type { PACKED_VARINT = 0, PACKED_FIXED64 = 1, PACKED_LEN = 2, PACKED_FIXED32 = 5 };

struct packed_field {
    uint32_t number;
    uint8_t type;        /* enum packed_type */
    uint64_t value;      /* of a varint or fixed field; fixed ones as unsigned little-endian */
    const uint8_t *data; /* of a length-delimited field */
    size_t len;
};

bool packed_varint_long(const uint8_t **p, const uint8_t *end, uint64_t *ret) must_check;

/* Reads one varint and moves *p past it. False when it is cut off or too long. */
static inline bool packed_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    if (*p < end && **p < 0x80) {
        *ret = *(*p)++;
        return true;
    }
    return packed_varint_long(p, end, ret);
}

static inline uint64_t packed_load64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof(value));
    return value; /* x86-64 and arm64 are little-endian, as the wire is; asserted in packed.c */
}

static inline uint32_t packed_load32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

/* Reads one value of the given wire type. False when it is cut off or of no wire type that exists. */
static inline bool packed_value(const uint8_t **p, const uint8_t *end, struct packed_field *ret)
{
    switch (ret->type) {
    case PACKED_VARINT:
        return packed_varint(p, end, &ret->value);
    case PACKED_LEN:
        if (!packed_varint(p, end, &ret->value) || ret->value > (uint64_t)(end - *p))
            return false;
        ret->data = *p;
        ret->len = (size_t)ret->value;
        *p += ret->len;
        return true;
    case PACKED_FIXED64:
        if (end - *p < 8)
            return false;
        ret->value = packed_load64(*p);
        *p += 8;
        return true;
    case PACKED_FIXED32:
        if (end - *p < 4)
            return false;
        ret->value = packed_load32(*p);
        *p += 4;
        return true;
    }
    return false;
}

static inline bool packed_tag(const uint8_t **p, const uint8_t *end, struct packed_field *ret)
{
    uint64_t tag;

    if (!packed_varint(p, end, &tag) || tag > UINT32_MAX || tag < 8)
        return false;
    ret->number = (uint32_t)tag >> 3;
    ret->type = tag & 7;
    return true;
}

/* Reads the next field and moves *p past it; `*p < end`. False when the bytes are malformed. */
static inline bool packed_next(const uint8_t **p, const uint8_t *end, struct packed_field *ret)
{
    return packed_tag(p, end, ret) && packed_value(p, end, ret);
}

/* Takes the next field off `rest`: 1, 0 at the end, or -EBADMSG for malformed bytes. */
static inline int packed_take(struct slice *rest, struct packed_field *ret)
{
    if (rest->len == 0)
        return 0;
    const uint8_t *p = rest->data, *end = p + rest->len;
    if (!packed_next(&p, end, ret))
        return -EBADMSG;
    *rest = (struct slice) { p, (size_t)(end - p) };
    return 1;
}

/* The content of a field that packed_next() read as PACKED_LEN. */
static inline struct slice packed_bytes(const struct packed_field *f)
{
    return (struct slice) { f->data, f->len };
}

enum { PACKED_VARINT_MAX = 10 };

/* Bytes that a varint takes. */
static inline size_t packed_varint_len(uint64_t value)
{
    return (70 - (unsigned)__builtin_clzll(value | 1)) / 7;
}

/* Writes a varint (up to PACKED_VARINT_MAX bytes) and returns the place after it. */
static inline uint8_t *packed_put_varint(uint8_t *to, uint64_t value)
{
    while (value >= 0x80) {
        *to++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *to++ = (uint8_t)value;
    return to;
}

void packed_append_varint(struct buf *out, uint64_t value);
void packed_append_tag(struct buf *out, uint32_t number, enum packed_type type);
/* Appends a length-delimited field, tag and all. */
void packed_append_bytes(struct buf *out, uint32_t number, const void *bytes, size_t len);

static inline int64_t packed_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1 ^ -(value & 1));
}

static inline uint64_t packed_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}
