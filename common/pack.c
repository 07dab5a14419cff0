/* pack.c - packs from the last byte to the first.
 *
 * The order of the bytes is protobuf-c's: fields in the descriptor's order, then what was unknown when the message was
 * unpacked. What is large, rare or of proto2 (required, explicit "has" flags, groups) is left to protobuf-c itself: a message of
 * ours has at most a few kilobytes, and a second way to do the same must stay small. */
#include "common/pack.h"

#include <string.h>

#include "common/packed.h"

struct packer {
    const uint8_t *start;
    uint8_t *at; /* what was laid down begins here */
    bool failed; /* sticky */
};

static bool take_room(struct packer *p, size_t len)
{
    if (p->failed || (size_t)(p->at - p->start) < len) {
        p->failed = true;
        return false;
    }
    p->at -= len;
    return true;
}

static void put_bytes(struct packer *p, const void *bytes, size_t len)
{
    if (len > 0 && take_room(p, len))
        memcpy(p->at, bytes, len);
}

static inline void put_varint(struct packer *p, uint64_t value)
{
    if (value < 0x80 && p->at > p->start)
        *--p->at = (uint8_t)value;
    else if (take_room(p, packed_varint_len(value)))
        (void)packed_put_varint(p->at, value); /* its end is known */
}

static void put_tag(struct packer *p, const ProtobufCFieldDescriptor *f, enum packed_type type)
{
    put_varint(p, (uint64_t)f->id << 3 | type);
}

static void put_message(struct packer *p, const ProtobufCMessage *m);

/* What a value is on the wire and in memory. */
static enum packed_type wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return PACKED_VARINT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PACKED_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PACKED_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PACKED_LEN;
    }
    return PACKED_LEN;
}

static size_t value_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    }
    return sizeof(void *);
}

/* A value without its tag. */
static void put_value(struct packer *p, ProtobufCType type, const void *member)
{
    const ProtobufCBinaryData *bytes = member;
    const char *text;
    const uint8_t *end;

    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        put_varint(p, (uint64_t)(int64_t)(int32_t)packed_load32(member));
        break;
    case PROTOBUF_C_TYPE_UINT32:
        put_varint(p, packed_load32(member));
        break;
    case PROTOBUF_C_TYPE_SINT32:
        put_varint(p, (uint32_t)packed_zigzag((int32_t)packed_load32(member)));
        break;
    case PROTOBUF_C_TYPE_SINT64:
        put_varint(p, packed_zigzag((int64_t)packed_load64(member)));
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        put_varint(p, packed_load64(member));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        put_varint(p, *(const protobuf_c_boolean *)member ? 1 : 0);
        break;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        put_bytes(p, member, sizeof(uint32_t));
        break;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        put_bytes(p, member, sizeof(uint64_t));
        break;
    case PROTOBUF_C_TYPE_STRING:
        text = *(const char *const *)member;
        if (text) {
            size_t len = strlen(text);
            put_bytes(p, text, len);
            put_varint(p, len);
        } else {
            put_varint(p, 0);
        }
        break;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(p, bytes->data, bytes->len);
        put_varint(p, bytes->len);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        end = p->at;
        if (*(const ProtobufCMessage *const *)member)
            put_message(p, *(const ProtobufCMessage *const *)member);
        put_varint(p, (uint64_t)(end - p->at));
        break;
    }
}

/* A field without presence is left out when it holds its type's zero. */
static bool is_zero(ProtobufCType type, const void *member)
{
    const char *text;
    float real32;
    double real64;

    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        return packed_load32(member) == 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
        return packed_load64(member) == 0;
    case PROTOBUF_C_TYPE_FLOAT: /* minus nought is nought to protobuf-c */
        memcpy(&real32, member, sizeof(real32));
        return real32 == 0;
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(&real64, member, sizeof(real64));
        return real64 == 0;
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)member == 0;
    case PROTOBUF_C_TYPE_STRING:
        text = *(const char *const *)member;
        return !text || !*text;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)member)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return !*(const void *const *)member;
    }
    return false;
}

static void put_repeated(struct packer *p, const ProtobufCFieldDescriptor *f, size_t n,
                         const uint8_t *items)
{
    size_t size = value_size(f->type);
    const uint8_t *end = p->at;
    bool packed = f->flags & PROTOBUF_C_FIELD_FLAG_PACKED;

    for (size_t i = n; i > 0 && !p->failed; i--) {
        put_value(p, f->type, items + (i - 1) * size);
        if (!packed)
            put_tag(p, f, wire_type(f->type));
    }
    if (packed && n > 0) {
        put_varint(p, (uint64_t)(end - p->at));
        put_tag(p, f, PACKED_LEN);
    }
}

static bool has_items(const ProtobufCFieldDescriptor *f, const uint8_t *message)
{
    return *(const size_t *)(message + f->quantifier_offset) > 0;
}

static void put_field(struct packer *p, const ProtobufCFieldDescriptor *f, const uint8_t *message)
{
    const uint8_t *member = message + f->offset, *quantifier = message + f->quantifier_offset;

    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        put_repeated(p, f, *(const size_t *)quantifier, *(const uint8_t *const *)member);
    } else if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        bool pointer = f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE;
        if (packed_load32(quantifier) != f->id)
            return;
        /* protobuf-c leaves an arm out that points to nothing, or to its default. */
        const void *to = pointer ? *(const void *const *)member : NULL;
        if (pointer && (!to || to == f->default_value))
            return;
        put_value(p, f->type, member);
        put_tag(p, f, wire_type(f->type));
    } else {
        p->failed = true; /* of proto2 */
    }
}

/* A field without presence: most fields, and most of them hold nothing, which is seen here at once. */
static void put_plain(struct packer *p, const ProtobufCFieldDescriptor *f, const void *member)
{
    const char *text;

    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        text = *(const char *const *)member;
        if (text && *text) {
            size_t len = strlen(text);
            put_bytes(p, text, len);
            put_varint(p, len);
            put_tag(p, f, PACKED_LEN);
        }
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (*(const void *const *)member) {
            put_value(p, f->type, member);
            put_tag(p, f, PACKED_LEN);
        }
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BYTES:
        if (!is_zero(f->type, member)) {
            put_value(p, f->type, member);
            put_tag(p, f, wire_type(f->type));
        }
        break;
    }
}

static void put_message(struct packer *p, const ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *type = m->descriptor;

    for (unsigned i = m->n_unknown_fields; i > 0; i--) {
        const ProtobufCMessageUnknownField *unknown = &m->unknown_fields[i - 1];
        put_bytes(p, unknown->data, unknown->len);
        put_varint(p, (uint64_t)unknown->tag << 3 | (unsigned)unknown->wire_type);
    }
    for (unsigned i = type->n_fields; i > 0 && !p->failed; i--) {
        const ProtobufCFieldDescriptor *f = &type->fields[i - 1];
        if (f->label == PROTOBUF_C_LABEL_NONE && !(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
            put_plain(p, f, (const uint8_t *)m + f->offset);
        else if (f->label != PROTOBUF_C_LABEL_REPEATED || has_items(f, (const uint8_t *)m))
            put_field(p, f, (const uint8_t *)m);
    }
}

bool pack_small(const ProtobufCMessage *message, uint8_t room[PACK_ROOM], struct slice *ret)
{
    struct packer p = { .start = room, .at = room + PACK_ROOM };

    put_message(&p, message);
    *ret = (struct slice) { p.at, (size_t)(room + PACK_ROOM - p.at) };
    return !p.failed;
}

bool pack_in(struct arena *arena, const ProtobufCMessage *message, size_t max, struct slice *ret)
{
    uint8_t room[PACK_ROOM];
    struct slice small;

    if (pack_small(message, room, &small)) {
        uint8_t *copy = small.len <= max ? arena_alloc(arena, small.len ? small.len : 1) : NULL;
        if (!copy)
            return false;
        memcpy(copy, small.data, small.len);
        *ret = (struct slice) { copy, small.len };
        return true;
    }
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = len <= max ? arena_alloc(arena, len ? len : 1) : NULL;
    if (!bytes)
        return false;
    (void)protobuf_c_message_pack(message, bytes); /* as many bytes as asked for above */
    *ret = (struct slice) { bytes, len };
    return true;
}

bool pack_append(struct buf *out, uint32_t number, const ProtobufCMessage *message)
{
    uint8_t room[PACK_ROOM];
    struct slice small;
    bool fits = pack_small(message, room, &small);
    size_t len = fits ? small.len : protobuf_c_message_get_packed_size(message);
    uint64_t tag = (uint64_t)number << 3 | PACKED_LEN;
    size_t whole = packed_varint_len(tag) + packed_varint_len(len) + len;
    uint8_t *to = buf_reserve(out, whole);

    if (!to) {
        out->failed = false;
        return false;
    }
    to = packed_put_varint(packed_put_varint(to, tag), len);
    if (fits)
        memcpy(to, small.data, len);
    else
        (void)protobuf_c_message_pack(message, to); /* as many bytes as asked for above */
    out->len += whole;
    return true;
}
