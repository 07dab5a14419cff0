/* schema_build.c - makes messages, enums and methods from what was gathered: fields with their rules, the ways into
 * a message by number and name, what is a map, and that nothing outside google.protobuf nests in itself. */
#include "common/schema_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"
#include "fokus/v1/options.pb-c.h"

/* ---- comments and options ---- */

static bool same_place(const struct place *place, const int32_t *more, size_t n_more,
                       const Google__Protobuf__SourceCodeInfo__Location *l)
{
    return l->n_path == place->n + n_more &&
           memcmp(l->path, place->steps, place->n * sizeof(int32_t)) == 0 &&
           (n_more == 0 || memcmp(l->path + place->n, more, n_more * sizeof(int32_t)) == 0);
}

/* The leading comment at a place, without the blanks around it; "" when there is none. */
static const char *comment_at(struct builder *b, const Google__Protobuf__FileDescriptorProto *file,
                              const struct place *place, const int32_t *more, size_t n_more)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;

    for (size_t i = 0; info && i < info->n_location; i++) {
        const Google__Protobuf__SourceCodeInfo__Location *l = info->location[i];
        if (!l->leading_comments || !same_place(place, more, n_more, l))
            continue;
        const char *from = l->leading_comments + strspn(l->leading_comments, " \n\t");
        size_t len = strlen(from);
        while (len && strchr(" \n\t", from[len - 1]))
            len--;
        const char *text = arena_strndup(b->keep, from, len);
        return text ? text : "";
    }
    return "";
}

/* One of our options; protobuf-c keeps extensions as unknown fields, a length-delimited one with its length before it. */
static bool find_option(const ProtobufCMessage *options, uint32_t number, struct slice *ret)
{
    bool found = false;

    for (unsigned i = 0; options && i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *u = &options->unknown_fields[i];
        if (u->tag != number)
            continue;
        const uint8_t *p = u->data, *end = p + u->len;
        if (u->wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
            uint64_t len;
            if (!packed_varint(&p, end, &len) || len > (size_t)(end - p))
                continue;
        }
        *ret = (struct slice) { p, (size_t)(end - p) };
        found = true; /* the last one counts */
    }
    return found;
}

static int read_rules(struct builder *b, const struct schema_message *m, struct schema_field *f,
                      const Google__Protobuf__FieldOptions *options)
{
    struct schema_rules *to = &f->rules;
    struct slice packed;

    *to = (struct schema_rules) { .max_len = DEFAULT_MAX_LEN,
                                  .max_items = DEFAULT_MAX_ITEMS,
                                  .max_len_default = true };
    if (!options || !find_option(&options->base, RULES_OPTION, &packed))
        return 0;
    const Fokus__V1__FieldRules *from =
        fokus__v1__field_rules__unpack(arena_pb(b->scratch), packed.len, packed.data);
    if (!from)
        return err_set(b->err, EBADMSG, "the rules of %s.%s cannot be read", m->full_name, f->name);
    to->required = from->required;
    to->has_range = from->has_range;
    to->personal = from->personal;
    to->min_len = from->min_len;
    to->min_items = from->min_items;
    to->min = from->min;
    to->max = from->max;
    to->format = (int)from->format;
    if (from->max_len) {
        to->max_len = from->max_len;
        to->max_len_default = false;
    }
    if (from->max_items)
        to->max_items = from->max_items;
    return 0;
}

/* ---- fields ---- */

static uint8_t wire_type_of(enum schema_kind kind)
{
    switch (kind) {
    case KIND_DOUBLE:
    case KIND_FIXED64:
    case KIND_SFIXED64:
        return PACKED_FIXED64;
    case KIND_FLOAT:
    case KIND_FIXED32:
    case KIND_SFIXED32:
        return PACKED_FIXED32;
    case KIND_STRING:
    case KIND_BYTES:
    case KIND_MESSAGE:
        return PACKED_LEN;
    case KIND_INT64:
    case KIND_UINT64:
    case KIND_INT32:
    case KIND_BOOL:
    case KIND_UINT32:
    case KIND_ENUM:
    case KIND_SINT32:
    case KIND_SINT64:
    case KIND_GROUP:
        break;
    }
    return PACKED_VARINT;
}

static const struct schema_enum *find_enum(const struct schema *s, const char *full_name)
{
    for (size_t low = 0, high = s->n_enums; low < high;) {
        size_t middle = (low + high) / 2;
        int order = strcmp(full_name, s->enums[middle].full_name);
        if (order == 0)
            return &s->enums[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* foo_bar_2x becomes fooBar2x, as protoc does. */
static char *camel_case(struct arena *arena, const char *name)
{
    char *text = arena_strdup(arena, name), *to = text;
    bool upper = false;

    for (const char *p = name; text && *p; p++) {
        if (*p == '_') {
            upper = true;
            continue;
        }
        *to++ = upper && *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
        upper = false;
    }
    if (text)
        *to = '\0';
    return text;
}

static int name_field(struct builder *b, const struct schema_message *m, struct schema_field *f,
                      const Google__Protobuf__FieldDescriptorProto *proto)
{
    if (!schema_is_identifier(proto->name))
        return err_set(b->err, EBADMSG, "a field of %s has a name that is no identifier",
                       m->full_name);
    f->name = arena_strdup(b->keep, proto->name);
    f->json_name = proto->json_name ? arena_strdup(b->keep, proto->json_name)
                                    : camel_case(b->keep, proto->name);
    if (!f->name || !f->json_name)
        return err_set(b->err, ENOMEM, "no memory for the schema's names");
    if (!schema_is_json_name(f->json_name))
        return err_set(b->err, EBADMSG, "%s.%s has a json_name that is not plain ASCII",
                       m->full_name, f->name);
    f->json_key = arena_printf(b->keep, "\"%s\":", f->json_name);
    if (!f->json_key)
        return err_set(b->err, ENOMEM, "no memory for the schema's names");
    f->name_len = (uint16_t)strlen(f->name);
    f->json_name_len = (uint16_t)strlen(f->json_name);
    f->json_key_len = (uint16_t)strlen(f->json_key);
    return 0;
}

static int link_field(struct builder *b, const struct schema_message *m, struct schema_field *f,
                      const Google__Protobuf__FieldDescriptorProto *proto)
{
    if (f->kind != KIND_MESSAGE && f->kind != KIND_ENUM)
        return 0;
    const char *type = proto->type_name ? proto->type_name : "";
    if (type[0] == '.')
        type++;
    if (f->kind == KIND_ENUM)
        f->enumeration = find_enum(b->schema, type);
    else
        f->message = schema_find(b->schema, type);
    if (!f->enumeration && !f->message)
        return err_set(b->err, EBADMSG, "%s.%s is of type %.100s, which the schema does not hold",
                       m->full_name, f->name, type);
    return 0;
}

static bool is_packed(const struct schema_field *f, bool proto3,
                      const Google__Protobuf__FieldOptions *options)
{
    if (!f->repeated || f->wire_type == PACKED_LEN)
        return false;
    return options && options->has_packed ? options->packed : proto3;
}

static void encode_tag(struct schema_field *f)
{
    uint32_t tag = f->number << 3 | (f->packed ? PACKED_LEN : f->wire_type);
    f->tag_len = (uint8_t)(packed_put_varint(f->tag, tag) - f->tag);
}

static int build_field(struct builder *b, const struct declared_message *from,
                       const struct schema_message *m, size_t i, struct schema_field *f)
{
    const Google__Protobuf__FieldDescriptorProto *proto = from->proto->field[i];
    bool proto3 = from->file->syntax && strcmp(from->file->syntax, "proto3") == 0;

    int rc = name_field(b, m, f, proto);
    if (rc)
        return rc;
    if (proto->number < 1 || proto->number > (1 << 29) - 1)
        return err_set(b->err, EBADMSG, "%s.%s has the field number %d, outside 1 to 536870911",
                       m->full_name, f->name, proto->number);
    if ((int)proto->type < KIND_DOUBLE || (int)proto->type > KIND_SINT64 ||
        (int)proto->type == KIND_GROUP)
        return err_set(b->err, EBADMSG, "%s.%s has no known type", m->full_name, f->name);
    f->number = (uint32_t)proto->number;
    f->kind = (enum schema_kind)proto->type;
    f->wire_type = wire_type_of(f->kind);
    f->repeated = proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    f->packed = is_packed(f, proto3, proto->options);
    f->oneof = proto->has_oneof_index && !proto->proto3_optional ? proto->oneof_index : -1;
    if (f->oneof >= (int)m->n_oneofs || f->oneof < -1)
        return err_set(b->err, EBADMSG, "%s.%s is in a oneof that is not declared", m->full_name,
                       f->name);
    f->presence = !f->repeated && (f->kind == KIND_MESSAGE || proto->has_oneof_index || !proto3);
    encode_tag(f);
    rc = link_field(b, m, f, proto);
    if (rc)
        return rc;
    f->comment = comment_at(b, from->file, &from->place, (int32_t[]) { 2, (int32_t)i }, 2);
    return read_rules(b, m, f, proto->options);
}

static int by_number(const void *a, const void *b)
{
    const struct schema_field *one = a, *two = b;
    return one->number < two->number ? -1 : one->number > two->number;
}

/* The ways into a message: by number and by either name. */
static int index_fields(struct builder *b, struct schema_message *m, struct schema_field *fields)
{
    qsort(fields, m->n_fields, sizeof(*fields), by_number);
    uint32_t highest = m->n_fields ? fields[m->n_fields - 1].number : 0;
    if (highest < 4 * m->n_fields + 256) {
        uint16_t *dense = arena_calloc(b->keep, highest + 1, sizeof(*dense));
        if (!dense)
            return err_set(b->err, ENOMEM, "no memory for the schema");
        for (size_t i = 0; i < m->n_fields; i++)
            dense[fields[i].number] = (uint16_t)(i + 1);
        m->dense = dense;
        m->n_dense = highest + 1;
    }
    if (!schema_names_make(&m->names, b->keep, 2 * m->n_fields))
        return err_set(b->err, ENOMEM, "no memory for the schema");
    for (size_t i = 0; i < m->n_fields; i++) {
        fields[i].index = (uint16_t)i;
        if (i && fields[i].number == fields[i - 1].number)
            return err_set(b->err, EBADMSG, "%s has two fields with number %u", m->full_name,
                           fields[i].number);
        if (!schema_names_add(&m->names, fields[i].json_name, i))
            return err_set(b->err, EBADMSG, "%s has two fields with the JSON name %s", m->full_name,
                           fields[i].json_name);
    }
    for (size_t i = 0; i < m->n_fields; i++)
        (void)schema_names_add(&m->names, fields[i].name,
                               i); /* there already: another's JSON name wins */
    return 0;
}

/* ---- messages, enums, methods ---- */

/* The messages whose JSON is special must have the very fields that the codec reads. */
static const struct {
    const char *full_name;
    enum schema_wellknown wellknown;
    enum schema_kind kinds[7];
} wellknown_messages[] = {
    { "google.protobuf.Timestamp", WELLKNOWN_TIMESTAMP, { KIND_INT64, KIND_INT32 } },
    { "google.protobuf.Duration", WELLKNOWN_DURATION, { KIND_INT64, KIND_INT32 } },
    { "google.protobuf.FieldMask", WELLKNOWN_FIELD_MASK, { KIND_STRING } },
    { "google.protobuf.Empty", WELLKNOWN_EMPTY, { 0 } },
    { "google.protobuf.Any", WELLKNOWN_ANY, { KIND_STRING, KIND_BYTES } },
    { "google.protobuf.Struct", WELLKNOWN_STRUCT, { KIND_MESSAGE } },
    { "google.protobuf.Value",
      WELLKNOWN_VALUE,
      { KIND_ENUM, KIND_DOUBLE, KIND_STRING, KIND_BOOL, KIND_MESSAGE, KIND_MESSAGE } },
    { "google.protobuf.ListValue", WELLKNOWN_LIST_VALUE, { KIND_MESSAGE } },
    { "google.protobuf.DoubleValue", WELLKNOWN_WRAPPER, { KIND_DOUBLE } },
    { "google.protobuf.FloatValue", WELLKNOWN_WRAPPER, { KIND_FLOAT } },
    { "google.protobuf.Int64Value", WELLKNOWN_WRAPPER, { KIND_INT64 } },
    { "google.protobuf.UInt64Value", WELLKNOWN_WRAPPER, { KIND_UINT64 } },
    { "google.protobuf.Int32Value", WELLKNOWN_WRAPPER, { KIND_INT32 } },
    { "google.protobuf.UInt32Value", WELLKNOWN_WRAPPER, { KIND_UINT32 } },
    { "google.protobuf.BoolValue", WELLKNOWN_WRAPPER, { KIND_BOOL } },
    { "google.protobuf.StringValue", WELLKNOWN_WRAPPER, { KIND_STRING } },
    { "google.protobuf.BytesValue", WELLKNOWN_WRAPPER, { KIND_BYTES } },
};

static int recognise(struct builder *b, struct schema_message *m)
{
    for (size_t i = 0; i < ARRAY_LEN(wellknown_messages); i++) {
        if (strcmp(m->full_name, wellknown_messages[i].full_name) != 0)
            continue;
        const enum schema_kind *kinds = wellknown_messages[i].kinds;
        size_t n = 0;
        for (; kinds[n]; n++)
            if (n >= m->n_fields || m->fields[n].kind != kinds[n] || m->fields[n].number != n + 1)
                break;
        if (kinds[n] || n != m->n_fields)
            return err_set(b->err, EBADMSG, "%s is not the one that everybody knows", m->full_name);
        m->wellknown = wellknown_messages[i].wellknown;
        return 0;
    }
    return 0;
}

static int build_message(struct builder *b, const struct declared_message *from,
                         struct schema_message *m)
{
    size_t n = from->proto->n_field;

    if (n > MAX_FIELDS || from->proto->n_oneof_decl > MAX_FIELDS)
        return err_set(b->err, EBADMSG, "%s has more than %d fields", m->full_name, MAX_FIELDS);
    struct schema_field *fields = arena_calloc(b->keep, n + 1, sizeof(*fields));
    const char **oneofs = arena_calloc(b->keep, from->proto->n_oneof_decl + 1, sizeof(*oneofs));
    if (!fields || !oneofs)
        return err_set(b->err, ENOMEM, "no memory for the schema");
    m->fields = fields;
    m->n_fields = n;
    m->oneofs = oneofs;
    m->n_oneofs = from->proto->n_oneof_decl;
    for (size_t i = 0; i < m->n_oneofs; i++) {
        const char *name = from->proto->oneof_decl[i]->name;
        if (!schema_is_identifier(name))
            return err_set(b->err, EBADMSG, "a oneof of %s has a name that is no identifier",
                           m->full_name);
        oneofs[i] = arena_strdup(b->keep, name);
        if (!oneofs[i])
            return err_set(b->err, ENOMEM, "no memory for the schema's names");
    }
    for (size_t i = 0; i < n; i++) {
        int rc = build_field(b, from, m, i, &fields[i]);
        if (rc)
            return rc;
        m->has_floor |= fields[i].rules.required || fields[i].rules.min_items;
    }
    int rc = index_fields(b, m, fields);
    return rc ? rc : recognise(b, m);
}

/* A map is a repeated field of an entry message with the fields key = 1 and value = 2; all messages stand by now. */
static int mark_maps(struct builder *b, struct schema_message *m)
{
    for (size_t i = 0; i < m->n_fields; i++) {
        struct schema_field *f = (struct schema_field *)&m->fields[i]; /* ours until open is done */
        if (!f->message || !f->repeated)
            continue;
        const struct declared_message *entry = &b->messages[f->message - b->schema->messages];
        if (!entry->proto->options || !entry->proto->options->map_entry)
            continue;
        const struct schema_message *e = f->message;
        bool sound = e->n_fields == 2 && e->fields[0].number == 1 && e->fields[1].number == 2 &&
                     !e->fields[0].repeated && !e->fields[1].repeated &&
                     e->fields[0].kind != KIND_MESSAGE && e->fields[0].kind != KIND_BYTES &&
                     e->fields[0].kind != KIND_ENUM && e->fields[0].kind != KIND_DOUBLE &&
                     e->fields[0].kind != KIND_FLOAT;
        if (!sound)
            return err_set(b->err, EBADMSG, "%s is no sound map entry", e->full_name);
        f->map = true;
    }
    return 0;
}

static int by_value_number(const void *a, const void *b)
{
    const struct schema_enum_value *one = a, *two = b;
    return one->number < two->number ? -1 : one->number > two->number;
}

static int by_value_name(const void *a, const void *b)
{
    const struct schema_enum_value *one = a, *two = b;
    return strcmp(one->name, two->name);
}

/* Insertion keeps the order of aliases, which qsort need not. Enums are short. */
static void sort_values(struct schema_enum_value *v, size_t n,
                        int (*compare)(const void *, const void *))
{
    for (size_t i = 1; i < n; i++) {
        struct schema_enum_value value = v[i];
        size_t j = i;
        for (; j > 0 && compare(&v[j - 1], &value) > 0; j--)
            v[j] = v[j - 1];
        v[j] = value;
    }
}

static int build_enum(struct builder *b, const Google__Protobuf__EnumDescriptorProto *proto,
                      struct schema_enum *e)
{
    size_t n = proto->n_value;

    if (n > MAX_FIELDS)
        return err_set(b->err, EBADMSG, "%s has more than %d values", e->full_name, MAX_FIELDS);
    struct schema_enum_value *values = arena_calloc(b->keep, n + 1, sizeof(*values));
    if (!values)
        return err_set(b->err, ENOMEM, "no memory for the schema");
    for (size_t i = 0; i < n; i++) {
        if (!schema_is_identifier(proto->value[i]->name))
            return err_set(b->err, EBADMSG, "a value of %s has a name that is no identifier",
                           e->full_name);
        values[i].number = proto->value[i]->number;
        values[i].name = arena_strdup(b->keep, proto->value[i]->name);
        if (!values[i].name)
            return err_set(b->err, ENOMEM, "no memory for the schema's names");
    }
    struct schema_enum_value *numbers = arena_memdup(b->keep, values, (n + 1) * sizeof(*values));
    struct schema_enum_value *names = arena_memdup(b->keep, values, (n + 1) * sizeof(*values));
    if (!numbers || !names)
        return err_set(b->err, ENOMEM, "no memory for the schema");
    sort_values(numbers, n, by_value_number);
    sort_values(names, n, by_value_name);
    e->values = values;
    e->n_values = n;
    e->null_value = strcmp(e->full_name, "google.protobuf.NullValue") == 0;
    e->by_number = numbers;
    e->by_name = names;
    return 0;
}

static int read_access(struct builder *b, struct schema_method *m,
                       const Google__Protobuf__MethodOptions *options)
{
    struct slice packed;

    m->scope_field = "";
    if (!options)
        return 0;
    m->no_side_effects = options->idempotency_level ==
                         GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS;
    if (find_option(&options->base, LONG_RUNNING_OPTION, &packed))
        m->long_running = packed.len && packed.data[0];
    if (find_option(&options->base, ORIGIN_OPTION, &packed))
        m->origin = packed.len && packed.data[0];
    if (!find_option(&options->base, ACCESS_OPTION, &packed))
        return 0;
    const Fokus__V1__Access *access =
        fokus__v1__access__unpack(arena_pb(b->scratch), packed.len, packed.data);
    if (!access)
        return err_set(b->err, EBADMSG, "the access rule of %s cannot be read", m->full_name);
    m->audience = (int)access->audience;
    for (size_t i = 0; i < access->n_roles; i++)
        if ((int)access->roles[i] > 0 && (int)access->roles[i] < 32)
            m->roles |= 1u << access->roles[i];
    m->scope_field = arena_strdup(b->keep, access->scope_field);
    return m->scope_field ? 0 : err_set(b->err, ENOMEM, "no memory for the schema");
}

static int build_method(struct builder *b, const struct declared_method *from,
                        struct schema_method *m)
{
    const Google__Protobuf__MethodDescriptorProto *proto = from->proto;
    const char *input = proto->input_type ? proto->input_type : "";
    const char *output = proto->output_type ? proto->output_type : "";

    m->full_name = from->full_name;
    m->name = strchr(m->full_name, '/') + 1;
    m->input = schema_find(b->schema, input + (input[0] == '.'));
    m->output = schema_find(b->schema, output + (output[0] == '.'));
    if (!m->input || !m->output)
        return err_set(b->err, EBADMSG,
                       "%s takes or returns %.100s, which the schema does not hold", m->full_name,
                       m->input ? output : input);
    m->streaming = proto->client_streaming || proto->server_streaming;
    m->comment = comment_at(b, from->file, &from->place, NULL, 0);
    return read_access(b, m, proto->options);
}

/* ---- recursion ---- */

enum { UNSEEN, ON_THE_WAY, DONE };

static bool is_googles(const char *full_name)
{
    return strncmp(full_name, "google.protobuf.", 16) == 0;
}

/* Security: unpacking recurses as deep as the types do, so types that could go on for ever are refused. */
static int refuse_recursion(struct builder *b, const struct schema_message *m, uint8_t *seen,
                            unsigned depth)
{
    uint8_t *mine = &seen[m - b->schema->messages];

    if (*mine == DONE || is_googles(m->full_name))
        return 0;
    if (*mine == ON_THE_WAY)
        return err_set(b->err, EBADMSG,
                       "%s nests in itself; give such a message its parent's id instead",
                       m->full_name);
    if (depth > SCHEMA_MAX_DEPTH)
        return err_set(b->err, EBADMSG, "%s stands deeper than %d levels", m->full_name,
                       SCHEMA_MAX_DEPTH);
    *mine = ON_THE_WAY;
    for (size_t i = 0; i < m->n_fields; i++) {
        int rc =
            m->fields[i].message ? refuse_recursion(b, m->fields[i].message, seen, depth + 1) : 0;
        if (rc)
            return rc;
    }
    *mine = DONE;
    return 0;
}

/* ---- the whole ---- */

/* The three declared types begin with their full name, so one comparison orders them all. */
static int by_full_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int schema_sort_declared(struct builder *b, void *rows, size_t n, size_t size)
{
    qsort(rows, n, size, by_full_name);
    for (size_t i = 1; i < n; i++) {
        const char *const *one = (const void *)((char *)rows + (i - 1) * size);
        const char *const *two = (const void *)((char *)rows + i * size);
        if (strcmp(*one, *two) == 0)
            return err_set(b->err, EBADMSG, "%s is declared twice", *one);
    }
    return 0;
}

int schema_build(struct builder *b)
{
    struct schema *s = b->schema;
    int rc = schema_sort_declared(b, b->messages, b->n_messages, sizeof(*b->messages));

    if (!rc)
        rc = schema_sort_declared(b, b->enums, b->n_enums, sizeof(*b->enums));
    if (!rc)
        rc = schema_sort_declared(b, b->methods, b->n_methods, sizeof(*b->methods));
    if (rc)
        return rc;
    s->messages = arena_calloc(b->keep, b->n_messages + 1, sizeof(*s->messages));
    s->enums = arena_calloc(b->keep, b->n_enums + 1, sizeof(*s->enums));
    s->methods = arena_calloc(b->keep, b->n_methods + 1, sizeof(*s->methods));
    uint8_t *seen = arena_calloc(b->scratch, b->n_messages + 1, 1);
    if (!s->messages || !s->enums || !s->methods || !seen ||
        !schema_names_make(&s->method_names, b->keep, b->n_methods))
        return err_set(b->err, ENOMEM, "no memory for the schema");

    s->n_messages = b->n_messages;
    s->n_enums = b->n_enums;
    s->n_methods = b->n_methods;
    for (size_t i = 0; i < s->n_messages; i++)
        s->messages[i].full_name = b->messages[i].full_name;
    for (size_t i = 0; i < s->n_enums; i++)
        s->enums[i].full_name = b->enums[i].full_name;

    for (size_t i = 0; i < s->n_enums && !rc; i++)
        rc = build_enum(b, b->enums[i].proto, &s->enums[i]);
    for (size_t i = 0; i < s->n_messages && !rc; i++)
        rc = build_message(b, &b->messages[i], &s->messages[i]);
    for (size_t i = 0; i < s->n_messages && !rc; i++)
        rc = mark_maps(b, &s->messages[i]);
    for (size_t i = 0; i < s->n_messages && !rc; i++)
        rc = refuse_recursion(b, &s->messages[i], seen, 1);
    for (size_t i = 0; i < s->n_methods && !rc; i++) {
        rc = build_method(b, &b->methods[i], &s->methods[i]);
        if (!rc)
            (void)schema_names_add(&s->method_names, s->methods[i].full_name,
                                   i); /* unique: sorted above */
    }
    return rc;
}
