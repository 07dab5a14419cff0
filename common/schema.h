/* schema.h - the shape of messages, read from a FileDescriptorSet at run time, and the one check of bytes from
 * outside: depth, wire types, UTF-8, NUL and the limits of (fokus.v1.rules), in one pass over the wire bytes,
 * before anything is unpacked. protobuf-c has no depth limit and accepts invalid text; nothing reaches it unchecked.
 *
 * A schema is immutable after schema_open() and may be read from several threads. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"

enum schema_kind {
    KIND_DOUBLE = 1,
    KIND_FLOAT,
    KIND_INT64,
    KIND_UINT64,
    KIND_INT32,
    KIND_FIXED64,
    KIND_FIXED32,
    KIND_BOOL,
    KIND_STRING,
    KIND_GROUP,
    KIND_MESSAGE,
    KIND_BYTES,
    KIND_UINT32,
    KIND_ENUM,
    KIND_SFIXED32,
    KIND_SFIXED64,
    KIND_SINT32,
    KIND_SINT64, /* numbers as in google.protobuf.FieldDescriptorProto.Type */
};

/* Messages whose JSON is special (protocols, section 1.7). */
enum schema_wellknown {
    WELLKNOWN_NONE,
    WELLKNOWN_TIMESTAMP,
    WELLKNOWN_DURATION,
    WELLKNOWN_FIELD_MASK,
    WELLKNOWN_EMPTY,
    WELLKNOWN_ANY,
    WELLKNOWN_STRUCT,
    WELLKNOWN_VALUE,
    WELLKNOWN_LIST_VALUE,
    WELLKNOWN_WRAPPER, /* google.protobuf.StringValue and its kin */
};

struct schema_rules { /* fokus.v1.FieldRules, resolved: defaults filled in */
    bool required, has_range, personal;
    bool max_len_default; /* no max_len was stated: it is in bytes, also for a string */
    uint32_t min_len, max_len, min_items, max_items;
    int64_t min, max;
    int format; /* fokus.v1.StringFormat */
};

struct schema_enum_value {
    const char *name;
    int32_t number;
};

struct schema_enum {
    const char *full_name;
    const struct schema_enum_value *values; /* in order of declaration */
    size_t n_values;
    bool null_value; /* google.protobuf.NullValue, which JSON writes as null */
    /* private to schema.c: the same, sorted; of several names for one number the first declared comes first */
    const struct schema_enum_value *by_number, *by_name;
};

struct schema_message;

/* A hash table from names to positions; private to schema.c. */
struct schema_names {
    const struct schema_name *slots;
    size_t mask;
};

struct schema_field {
    uint32_t number;
    const char *name;      /* as declared: "care_areas" */
    const char *json_name; /* "careAreas" */
    enum schema_kind kind;
    bool repeated, packed, map;
    bool presence; /* message, oneof arm: written when set, even if default */
    int oneof;     /* index within its message, -1 for none */
    const struct schema_message
        *message; /* of KIND_MESSAGE; of a map: its entry (fields 1 and 2) */
    const struct schema_enum *enumeration; /* of KIND_ENUM */
    struct schema_rules rules;
    const char *comment; /* leading comment in the proto, or "" */

    /* Made ready for the codecs. */
    uint16_t index;    /* its place in the message's `fields` */
    uint8_t wire_type; /* of one value: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes */
    uint8_t tag_len;   /* the tag as it stands on the wire before one value, packed or not */
    uint8_t tag[5];
    uint16_t name_len, json_name_len;
    uint16_t json_key_len;
    const char *json_key; /* "\"careAreas\":" */
};

struct schema_message {
    const char *full_name;             /* "fokus.directory.v1.Organisation" */
    const struct schema_field *fields; /* in order of number */
    size_t n_fields;
    const char *const *oneofs;
    size_t n_oneofs;
    enum schema_wellknown wellknown;
    bool has_floor; /* a field is required or has min_items */

    /* private to schema.c */
    const uint16_t *dense; /* number -> index + 1 */
    uint32_t n_dense;
    struct schema_names names;
};

struct schema_method {
    const char *full_name; /* "fokus.directory.v1.DirectoryService/GetOrganisation" */
    const char *name;      /* "GetOrganisation" */
    const struct schema_message *input, *output;
    bool no_side_effects; /* a query */
    bool streaming;       /* client or server streaming: not for unary calls */
    bool long_running;
    bool origin;             /* begins, changes or ends a sign-in */
    int audience;            /* fokus.v1.Audience */
    uint32_t roles;          /* bit (1 << fokus.v1.Role) */
    const char *scope_field; /* of the input, for roles held for a scope; "" for none */
    const char *comment;
};

struct schema;

/* Reads a packed FileDescriptorSet (all imports included, json_name set; copied, so the bytes may go). -EBADMSG with
 * a text when it is no such set, when a type is missing or when a message type is recursive outside google.protobuf. */
int schema_open(struct schema **ret, const uint8_t *set, size_t len, struct err *err) must_check;
void schema_close(struct schema *s);

/* NULL when there is none. Names without a leading dot or slash. */
const struct schema_message *schema_message(const struct schema *s, const char *full_name);
const struct schema_method *schema_method(const struct schema *s, const char *full_name);
/* All methods, ordered by full name. */
const struct schema_method *schema_methods(const struct schema *s, size_t *ret_count);
const struct schema_field *schema_field_by_number(const struct schema_message *m, uint32_t number);
/* By declared or JSON name; NULL when there is none. */
const struct schema_field *schema_field_by_name(const struct schema_message *m, const char *name,
                                                size_t len);

/* NULL when the enum has no value with the number, or no value with the name. */
const struct schema_enum_value *schema_enum_by_number(const struct schema_enum *e, int32_t number);
const struct schema_enum_value *schema_enum_by_name(const struct schema_enum *e, const char *name,
                                                    size_t len);

enum { SCHEMA_MAX_DEPTH = 64 };

enum schema_check_flags {
    SCHEMA_LIMITS =
        1, /* also the limits of (fokus.v1.rules); without: only what makes unpacking safe */
    SCHEMA_REFUSE_UNKNOWN = 2, /* unknown fields are violations (never over the wire; for tests) */
};

/* Checks packed bytes of message `m`. Fills `status` with invalid_argument and violations (paths in declared names:
 * "rows[3].care_areas[0]"); malformed bytes are one violation at the innermost path reached. Returns whether it is OK.
 * Work is linear in `len`; memory is bounded. */
bool schema_check(const struct schema_message *m, const uint8_t *bytes, size_t len, unsigned flags,
                  struct status *status) must_check;
