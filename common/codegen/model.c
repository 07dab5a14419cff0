/* model.c - finds the types of all files in protoc's request, and refuses what the runtime cannot carry.
 *
 * Only files of our own are held to our rules: google.protobuf's are as they are (Struct is recursive). */
#include "common/codegen/codegen.h"

#include <string.h>

static bool is_ours(const FileProto *file)
{
    return strncmp(file->name, "google/", 7) != 0;
}

static void add_type(struct model *m, struct type t, const char *outer_alias)
{
    const char *name = t.message ? t.message->name : t.enumeration->name;

    t.alias = text("%s%s", outer_alias, name);
    if (!t.nested && t.message && strcmp(name, "Event") == 0)
        t.alias = text("%sEvent", pascal(package_word(t.file->package)));
    m->types[m->n_types++] = t;
}

static void add_message(struct model *m, const FileProto *file, const MessageProto *message,
                        const char *scope, const char *outer_alias)
{
    const char *full = text("%s.%s", scope, message->name);
    const char *alias;

    add_type(m,
             (struct type) {
                 .full = full, .file = file, .message = message, .nested = *outer_alias != 0 },
             outer_alias);
    alias = m->types[m->n_types - 1].alias;
    for (size_t i = 0; i < message->n_enum_type; i++)
        add_type(m,
                 (struct type) { .full = text("%s.%s", full, message->enum_type[i]->name),
                                 .file = file,
                                 .enumeration = message->enum_type[i],
                                 .nested = true },
                 alias);
    for (size_t i = 0; i < message->n_nested_type; i++)
        add_message(m, file, message->nested_type[i], full, alias);
}

static size_t count_types(const MessageProto *message)
{
    size_t n = 1 + message->n_enum_type;

    for (size_t i = 0; i < message->n_nested_type; i++)
        n += count_types(message->nested_type[i]);
    return n;
}

static void find_types(struct model *m)
{
    size_t room = 0;

    for (size_t f = 0; f < m->request->n_proto_file; f++) {
        const FileProto *file = m->request->proto_file[f];
        room += file->n_enum_type;
        for (size_t i = 0; i < file->n_message_type; i++)
            room += count_types(file->message_type[i]);
    }
    m->types = zeroed(room, sizeof(*m->types));
    for (size_t f = 0; f < m->request->n_proto_file; f++) {
        const FileProto *file = m->request->proto_file[f];
        for (size_t i = 0; i < file->n_enum_type; i++)
            add_type(m,
                     (struct type) { .full = text("%s.%s", file->package, file->enum_type[i]->name),
                                     .file = file,
                                     .enumeration = file->enum_type[i] },
                     "");
        for (size_t i = 0; i < file->n_message_type; i++)
            add_message(m, file, file->message_type[i], file->package, "");
    }
}

struct type *model_type(const struct model *m, const char *full)
{
    if (full[0] == '.')
        full++;
    for (size_t i = 0; i < m->n_types; i++)
        if (strcmp(m->types[i].full, full) == 0)
            return &m->types[i];
    return NULL;
}

const struct type *model_event(const struct model *m, const char *package)
{
    const struct type *t = model_type(m, text("%s.Event", package));

    return t && t->message ? t : NULL;
}

const FileProto *model_file(const struct model *m, const char *name)
{
    for (size_t i = 0; i < m->request->n_proto_file; i++)
        if (strcmp(m->request->proto_file[i]->name, name) == 0)
            return m->request->proto_file[i];
    return NULL;
}

bool model_is_generated(const struct model *m, const FileProto *file)
{
    for (size_t i = 0; i < m->request->n_file_to_generate; i++)
        if (strcmp(m->request->file_to_generate[i], file->name) == 0)
            return true;
    return false;
}

/* protobuf-c unpacks without a limit of depth: a recursive message lets a small frame overflow the stack. */
static void check_recursion(struct model *m, struct type *t)
{
    if (!is_ours(t->file) || t->walk == LEFT)
        return;
    if (t->walk == ENTERED)
        refuse("%s: message %s contains itself: recursive messages are not allowed, refer by an id "
               "instead",
               t->file->name, t->full);
    t->walk = ENTERED;
    for (size_t i = 0; i < t->message->n_field; i++) {
        const FieldProto *field = t->message->field[i];
        struct type *inner = field->type_name ? model_type(m, field->type_name) : NULL;
        if (inner && inner->message)
            check_recursion(m, inner);
    }
    t->walk = LEFT;
}

static void check_fields(const struct type *t)
{
    for (size_t i = 0; i < t->message->n_field; i++)
        if (t->message->field[i]->proto3_optional)
            refuse("%s: field %s.%s is proto3 optional, which protobuf-c 1.4 cannot read: use a "
                   "message or a oneof with one arm",
                   t->file->name, t->full, t->message->field[i]->name);
}

/* An event is exactly one oneof of messages, whose names are the arms' names in PascalCase: the stream's `type`
 * is then both the arm's and the message's name. */
static void check_event(const struct model *m, const struct type *event)
{
    const char *file = event->file->name;

    if (event->message->n_oneof_decl != 1)
        refuse("%s: message Event must have exactly one oneof", file);
    for (size_t i = 0; i < event->message->n_field; i++) {
        const FieldProto *arm = event->message->field[i];
        const struct type *body = arm->type_name ? model_type(m, arm->type_name) : NULL;
        if (!arm->has_oneof_index || !body || !body->message)
            refuse("%s: Event.%s must be an arm of the oneof and hold a message", file, arm->name);
        if (body->nested || strcmp(body->file->package, event->file->package) != 0)
            refuse("%s: Event.%s must hold a top-level message of package %s", file, arm->name,
                   event->file->package);
        if (strcmp(body->message->name, pascal(arm->name)) != 0)
            refuse("%s: Event.%s holds %s, but must hold a message of its own name, %s", file,
                   arm->name, body->message->name, pascal(arm->name));
        if (arm->number > MAX_ARM)
            refuse("%s: Event.%s has number %d: arms are numbered up to %d", file, arm->name,
                   (int)arm->number, MAX_ARM);
    }
}

static void check_file(const struct model *m, const FileProto *file)
{
    const char *last = file->package ? strrchr(file->package, '.') : NULL;

    if (!last || last[1] != 'v' || last[2] < '1' || last[2] > '9')
        refuse("%s: its package must end in a version, such as fokus.notes.v1", file->name);
    if (file->n_service > 1)
        refuse("%s: has %zu services: at most one a file", file->name, file->n_service);
    for (size_t s = 0; s < file->n_service; s++) {
        const ServiceProto *service = file->service[s];
        if (service->n_method == 0)
            refuse("%s: service %s has no methods", file->name, service->name);
        for (size_t i = 0; i < service->n_method; i++) {
            const MethodProto *method = service->method[i];
            if (method->client_streaming || method->server_streaming)
                refuse("%s: %s.%s streams, which the runtime does not carry: make it unary, with "
                       "pages",
                       file->name, service->name, method->name);
            if (!model_type(m, method->input_type) || !model_type(m, method->output_type))
                refuse("%s: %s.%s: a message type is missing from the request", file->name,
                       service->name, method->name);
        }
    }
}

static void check_aliases(const struct model *m)
{
    for (size_t i = 0; i < m->n_types; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(m->types[i].file->package, m->types[k].file->package) == 0 &&
                strcmp(m->types[i].alias, m->types[k].alias) == 0)
                refuse("%s: %s and %s would both be named %s in C: rename one",
                       m->types[i].file->name, m->types[k].full, m->types[i].full,
                       m->types[i].alias);
}

void model_build(struct model *m, const Request *request)
{
    *m = (struct model) { .request = request };
    for (size_t i = 0; i < request->n_proto_file; i++)
        if (!request->proto_file[i]->name || !request->proto_file[i]->package)
            refuse("%s: must declare a package", request->proto_file[i]->name);
    find_types(m);
    for (size_t i = 0; i < request->n_proto_file; i++)
        if (model_is_generated(m, request->proto_file[i]))
            check_file(m, request->proto_file[i]);
    for (size_t i = 0; i < m->n_types; i++) {
        struct type *t = &m->types[i];
        if (!t->message || !is_ours(t->file))
            continue;
        check_fields(t);
        check_recursion(m, t);
        if (model_is_generated(m, t->file) && model_event(m, t->file->package) == t)
            check_event(m, t);
    }
    check_aliases(m);
}
