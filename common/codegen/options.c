/* options.c - reads our own options (fokus/v1/options.proto) from the unknown fields of protoc's option messages. */
#include "common/codegen/codegen.h"

#include <string.h>

enum {
    ACCESS = 50001,
    LONG_RUNNING = 50002,
    ORIGIN = 50003,
    VISIBILITY = 50002,
};

/* The value of a varint as it stands in an unknown field; what does not fit is cut, protoc has checked it. */
static uint64_t varint(const ProtobufCMessageUnknownField *f)
{
    uint64_t value = 0;

    for (size_t i = 0; i < f->len && i < 10; i++)
        value |= (uint64_t)(f->data[i] & 0x7f) << (7 * i);
    return value;
}

static uint64_t last_varint(const ProtobufCMessage *options, uint32_t number)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < options->n_unknown_fields; i++)
        if (options->unknown_fields[i].tag == number &&
            options->unknown_fields[i].wire_type == PROTOBUF_C_WIRE_TYPE_VARINT)
            value = varint(&options->unknown_fields[i]);
    return value;
}

/* All occurrences of a message option joined: on the wire that is what merging means. */
static struct buf message_bytes(const ProtobufCMessage *options, uint32_t number)
{
    struct buf all = BUF_INIT(1024 * 1024);

    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *f = &options->unknown_fields[i];
        size_t prefix = 0;
        if (f->tag != number || f->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
            continue;
        /* protobuf-c keeps the length in front of the bytes. */
        while (prefix < f->len && (f->data[prefix++] & 0x80))
            ;
        buf_append(&all, f->data + prefix, f->len - prefix);
    }
    return all;
}

struct method_rules method_rules(const FileProto *file, const ServiceProto *service,
                                 const MethodProto *method)
{
    struct method_rules rules = { .command = true, .scope_field = "" };
    struct buf bytes;
    Fokus__V1__Access *access;

    if (!method->options)
        return rules;
    rules.command = method->options->idempotency_level !=
                    GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS;
    rules.long_running = last_varint(&method->options->base, LONG_RUNNING) != 0;
    rules.origin = last_varint(&method->options->base, ORIGIN) != 0;
    bytes = message_bytes(&method->options->base, ACCESS);
    access = fokus__v1__access__unpack(NULL, bytes.len, bytes.data);
    if (!access)
        refuse("%s: %s.%s: its access option cannot be read", file->name, service->name,
               method->name);
    rules.audience = (int)access->audience;
    for (size_t i = 0; i < access->n_roles; i++) {
        if (access->roles[i] < 1 || access->roles[i] > 31)
            refuse("%s: %s.%s: role %d cannot be used: roles are numbered 1 to 31", file->name,
                   service->name, method->name, (int)access->roles[i]);
        rules.roles |= 1U << access->roles[i];
    }
    if ((rules.audience == FOKUS__V1__AUDIENCE__AUDIENCE_ROLE) != (rules.roles != 0))
        refuse("%s: %s.%s: roles go with AUDIENCE_ROLE, and AUDIENCE_ROLE needs at least one role",
               file->name, service->name, method->name);
    rules.scope_field = access->scope_field;
    if (rules.scope_field[0] && !rules.roles)
        refuse("%s: %s.%s: scope_field goes with roles", file->name, service->name, method->name);
    return rules;
}

int arm_visibility(const FieldProto *arm)
{
    return arm->options ? (int)last_varint(&arm->options->base, VISIBILITY) : 0;
}
