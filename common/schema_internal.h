/* schema_internal.h - what the parts of the schema share; nobody else includes this.
 *
 * schema.c opens a schema; schema_find.c finds things in it; schema_gather.c collects what a descriptor set declares;
 * schema_build.c makes messages, enums and methods of it. */
#pragma once
#include "common/schema.h"
#include "google/protobuf/descriptor.pb-c.h"

enum {
    MAX_SET_BYTES = 16 * 1024 * 1024,
    MAX_NESTING = 16,   /* of message declarations in each other */
    MAX_TYPES = 10000,  /* messages, and as many enums and methods */
    MAX_FIELDS = 10000, /* of one message */
    MAX_NAME = 500,     /* a full name */
    DEFAULT_MAX_LEN = 4096,
    DEFAULT_MAX_ITEMS = 1000,
    RULES_OPTION = 50001,        /* (fokus.v1.rules) of a field */
    ACCESS_OPTION = 50001,       /* (fokus.v1.access) of a method */
    LONG_RUNNING_OPTION = 50002, /* (fokus.v1.long_running) of a method */
    ORIGIN_OPTION = 50003,       /* (fokus.v1.origin) of a method */
};

/* Place of a declaration in its file, as SourceCodeInfo writes it. */
struct place {
    int32_t steps[2 * MAX_NESTING + 4];
    size_t n;
};

/* A message as declared; `to` is what becomes of it. */
struct declared_message {
    const char *full_name;
    const Google__Protobuf__DescriptorProto *proto;
    const Google__Protobuf__FileDescriptorProto *file;
    struct place place;
};

struct declared_enum {
    const char *full_name;
    const Google__Protobuf__EnumDescriptorProto *proto;
};

struct declared_method {
    const char *full_name;
    const Google__Protobuf__MethodDescriptorProto *proto;
    const Google__Protobuf__FileDescriptorProto *file;
    struct place place;
};

struct schema_name {
    const char *text; /* NULL: a free slot */
    uint32_t len;
    uint32_t position;
};

struct schema {
    struct arena *arena;
    struct schema_message *messages; /* by full name, as the two below */
    size_t n_messages;
    struct schema_enum *enums;
    size_t n_enums;
    struct schema_method *methods;
    size_t n_methods;
    struct schema_names method_names;
};

struct builder {
    struct schema *schema;
    struct arena *keep, *scratch;
    struct err *err;
    struct declared_message *messages;
    struct declared_enum *enums;
    struct declared_method *methods;
    size_t n_messages, n_enums, n_methods;
};

/* Room for `n` names; at most half of the slots fill, so that a search ends soon. */
bool schema_names_make(struct schema_names *names, struct arena *arena, size_t n);
/* False when the name is there already. */
bool schema_names_add(struct schema_names *names, const char *text, size_t position);
struct schema_message *schema_find(const struct schema *s, const char *full_name);

bool schema_is_identifier(const char *s);
/* Printable ASCII that needs no escape in JSON. */
bool schema_is_json_name(const char *s);
/* Collects all that the set declares, with full names, into the builder. */
int schema_gather(struct builder *b, const Google__Protobuf__FileDescriptorSet *set);

/* Makes the schema's messages, enums and methods from what was gathered. */
int schema_build(struct builder *b);
