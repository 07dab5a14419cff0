/* header.c - writes x.fokus.h: short names for the messages and enums of one proto file, and a service's prototypes. */
#include "common/codegen/codegen.h"

#include <string.h>

const char *type_name(const struct model *m, const FileProto *file, const char *full)
{
    const struct type *t = model_type(m, full);

    return strcmp(t->file->package, file->package) == 0 ? t->alias : pb_type(t->full);
}

/* The arms of a oneof. Those of the Event message leave out the oneof's name: NOTES_EVENT_NOTE_ADDED. */
static void write_oneof(struct buf *b, const struct model *m, const struct type *t, size_t index)
{
    const char *name = t->message->oneof_decl[index]->name;
    const char *from = text("%s__%s", pb_constant(t->full), upper(name));
    const char *to = upper_snake(t->alias);

    if (t != model_event(m, t->file->package))
        to = text("%s_%s", to, upper(name));
    buf_printf(b, "#define %s_NOT_SET %s__NOT_SET\n", to, from);
    for (size_t i = 0; i < t->message->n_field; i++) {
        const FieldProto *arm = t->message->field[i];
        if (arm->has_oneof_index && (size_t)arm->oneof_index == index)
            buf_printf(b, "#define %s_%s %s_%s\n", to, upper(arm->name), from, upper(arm->name));
    }
    buf_printf(b, "#define %s_SENTINEL _%s__CASE_IS_INT_SIZE\n", to, from);
    /* What PB_SENTINEL(NOTES_EVENT) of common/macros.h looks for. */
    buf_printf(b, "#define _%s_IS_INT_SIZE _%s__CASE_IS_INT_SIZE\n", to, from);
}

static void write_message(struct buf *b, const struct model *m, const struct type *t)
{
    buf_printf(b, "\ntypedef %s %s;\n", pb_type(t->full), t->alias);
    buf_printf(b, "#define %s_INIT %s__INIT\n", upper_snake(t->alias), pb_constant(t->full));
    buf_printf(b, "#define %s_DESCRIPTOR (&%s__descriptor)\n", upper_snake(t->alias),
               pb_function(t->full));
    for (size_t i = 0; i < t->message->n_oneof_decl; i++)
        write_oneof(b, m, t, i);
}

/* Constants of a nested enum carry the outer message's name: two messages may each have a Kind. */
static void write_enum(struct buf *b, const struct type *t)
{
    const EnumProto *e = t->enumeration;
    const char *outer = "";

    if (t->nested)
        outer = text("%.*s_", (int)(strlen(t->alias) - strlen(e->name)), t->alias);
    buf_printf(b, "\ntypedef %s %s;\n", pb_type(t->full), t->alias);
    for (size_t i = 0; i < e->n_value; i++)
        buf_printf(b, "#define %s%s %s__%s\n", t->nested ? upper_snake(outer) : "",
                   e->value[i]->name, pb_constant(t->full), e->value[i]->name);
    buf_printf(b, "#define _%s_IS_INT_SIZE _%s_IS_INT_SIZE\n", upper_snake(t->alias),
               pb_constant(t->full));
}

static void write_prototypes(struct buf *b, const struct model *m, const FileProto *file)
{
    const ServiceProto *service = file->service[0];
    const char *word = package_word(file->package);

    buf_printf(b, "\n/* The handlers: the service's code defines each. */\n");
    for (size_t i = 0; i < service->n_method; i++) {
        const MethodProto *method = service->method[i];
        bool command = method_rules(file, service, method).command;
        buf_printf(b, "int %s_%s(const struct %s *in, const %s *req, %s *res, struct %s);\n", word,
                   lower_snake(method->name), command ? "decide_in" : "query_in",
                   type_name(m, file, method->input_type), type_name(m, file, method->output_type),
                   command ? "outcome *out" : "status *status");
        if (command && method_rules(file, service, method).long_running)
            buf_printf(b,
                       "int %s_prepare_%s(const struct prepare_in *in, const %s *req, "
                       "const void **ret_prepared,\n    struct status *status);\n",
                       word, lower_snake(method->name), type_name(m, file, method->input_type));
    }
}

static void write_emitters(struct buf *b, const struct type *event)
{
    buf_printf(
        b,
        "\n/* Adds an event to the outcome. *body itself is copied; what it points to (texts, "
        "messages) must\n"
        " * outlive the decision: the request, the arena, the state. 0, -ENOMEM or -E2BIG. */\n");
    for (size_t i = 0; i < event->message->n_field; i++) {
        const char *arm = event->message->field[i]->name;
        buf_printf(b,
                   "int emit_%s(struct outcome *out, const char *subject, const %s *body) "
                   "must_check;\n",
                   arm, pascal(arm));
    }
}

static void write_includes(struct buf *b, const struct model *m, const FileProto *file)
{
    if (file->n_service)
        buf_printf(b, "#include \"common/service.h\"\n");
    buf_printf(b, "#include \"%s.pb-c.h\"\n", file_base(file));
    for (size_t i = 0; i < m->request->n_proto_file; i++) {
        const FileProto *other = m->request->proto_file[i];
        bool imported = file->n_service > 0;
        for (size_t k = 0; k < file->n_dependency; k++)
            imported |= strcmp(file->dependency[k], other->name) == 0;
        if (other != file && imported && strcmp(other->package, file->package) == 0 &&
            model_is_generated(m, other))
            buf_printf(b, "#include \"%s.fokus.h\"\n", file_base(other));
    }
}

void write_header(struct buf *b, const struct model *m, const FileProto *file)
{
    const struct type *event = model_event(m, file->package);

    buf_printf(b, "/* Generated by protoc-gen-fokus from %s. Do not edit. */\n#pragma once\n",
               file->name);
    write_includes(b, m, file);
    for (size_t i = 0; i < m->n_types; i++)
        if (m->types[i].file == file && m->types[i].enumeration)
            write_enum(b, &m->types[i]);
    for (size_t i = 0; i < m->n_types; i++)
        if (m->types[i].file == file && m->types[i].message)
            write_message(b, m, &m->types[i]);
    if (!file->n_service)
        return;
    write_prototypes(b, m, file);
    if (event)
        write_emitters(b, event);
    buf_printf(b, "\nextern const struct contract %s_contract;\n", package_word(file->package));
}
