/* source.c - writes x.fokus.c: thunks, emitters, the method and event tables and the descriptors of one service. */
#include "common/codegen/codegen.h"

#include <string.h>

/* A thunk a method: calling a typed handler through a cast pointer would be undefined. */
static void write_thunk(struct buf *b, const struct model *m, const FileProto *file,
                        const MethodProto *method, bool command)
{
    const char *name = text("%s_%s", package_word(file->package), lower_snake(method->name));

    (void)m;
    buf_printf(b,
               "\nstatic int %s_thunk(const struct %s *in, const void *req, void *res, struct %s)\n"
               "{\n    return %s(in, req, res, %s);\n}\n",
               name, command ? "decide_in" : "query_in",
               command ? "outcome *out" : "status *status", name, command ? "out" : "status");
}

/* What a long command does first. */
static void write_prepare_thunk(struct buf *b, const FileProto *file, const MethodProto *method)
{
    const char *word = package_word(file->package), *name = lower_snake(method->name);

    buf_printf(b,
               "\nstatic int %s_%s_prepare_thunk(const struct prepare_in *in, const void *req,\n"
               "    const void **ret_prepared, struct status *status)\n"
               "{\n    return %s_prepare_%s(in, req, ret_prepared, status);\n}\n",
               word, name, word, name);
}

/* The number of the request's field that holds the scope; 0 for none. */
static int scope_field(const struct model *m, const FileProto *file, const MethodProto *method,
                       const struct method_rules *rules)
{
    const MessageProto *request = model_type(m, method->input_type)->message;

    if (!rules->scope_field[0])
        return 0;
    for (size_t i = 0; i < request->n_field; i++) {
        const FieldProto *f = request->field[i];
        if (strcmp(f->name, rules->scope_field) == 0 &&
            f->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING &&
            f->label != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
            return f->number;
    }
    refuse("%s: %s: its scope_field must be a string field of the request, not repeated",
           file->name, method->name);
}

static void write_methods(struct buf *b, const struct model *m, const FileProto *file)
{
    const ServiceProto *service = file->service[0];
    const char *word = package_word(file->package);

    for (size_t i = 0; i < service->n_method; i++) {
        struct method_rules rules = method_rules(file, service, service->method[i]);
        write_thunk(b, m, file, service->method[i], rules.command);
        if (rules.command && rules.long_running)
            write_prepare_thunk(b, file, service->method[i]);
    }
    buf_printf(b, "\nstatic const struct method methods[] = {\n");
    for (size_t i = 0; i < service->n_method; i++) {
        const MethodProto *method = service->method[i];
        struct method_rules rules = method_rules(file, service, method);
        buf_printf(b, "    { .full_name = \"%s.%s/%s\",\n", file->package, service->name,
                   method->name);
        buf_printf(b, "      .command = %d, .long_running = %d, .origin = %d, .audience = %d,\n",
                   rules.command, rules.long_running, rules.origin, rules.audience);
        buf_printf(b, "      .roles = 0x%x, .scope_field = %d,\n", rules.roles,
                   scope_field(m, file, method, &rules));
        buf_printf(b, "      .request = &%s__descriptor,\n      .response = &%s__descriptor,\n",
                   pb_function(method->input_type), pb_function(method->output_type));
        if (rules.command && rules.long_running)
            buf_printf(b, "      .prepare = %s_%s_prepare_thunk,\n", word,
                       lower_snake(method->name));
        buf_printf(b, "      .%s = %s_%s_thunk },\n", rules.command ? "decide" : "query", word,
                   lower_snake(method->name));
    }
    buf_printf(b, "};\n");
}

static void write_events(struct buf *b, const struct type *event)
{
    const char *constant = upper_snake(event->alias);
    const char *case_field = text("%s_case", event->message->oneof_decl[0]->name);

    for (size_t i = 0; i < event->message->n_field; i++) {
        const char *arm = event->message->field[i]->name;
        const char *body = pascal(arm);
        buf_printf(b,
                   "\nint emit_%s(struct outcome *out, const char *subject, const %s *body)\n{\n"
                   "    %s *event = arena_alloc(out->status.arena, sizeof(*event));\n"
                   "    %s *copy = arena_memdup(out->status.arena, body, sizeof(*body));\n\n"
                   "    if (!event || !copy)\n        return -ENOMEM;\n"
                   "    %s__init(event);\n"
                   "    event->%s = %s_%s;\n    event->%s = copy;\n"
                   "    return outcome_emit(out, %s_%s, subject, &event->base);\n}\n",
                   arm, body, event->alias, body, pb_function(event->full), case_field, constant,
                   upper(arm), arm, constant, upper(arm));
    }
    buf_printf(b, "\nstatic const struct event_kind events[] = {\n");
    for (size_t i = 0; i < event->message->n_field; i++) {
        const FieldProto *arm = event->message->field[i];
        buf_printf(b, "    [%s_%s] = { .name = \"%s\", .visibility = %d },\n", constant,
                   upper(arm->name), pascal(arm->name), arm_visibility(arm));
    }
    buf_printf(b, "};\n");
}

/* Leading comments are what tools show as help; the rest of the source's places would only make Describe large. */
static void trim_comments(FileProto *file)
{
    Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    size_t kept = 0;

    if (!info)
        return;
    if (strncmp(file->name, "google/", 7) == 0) {
        file->source_code_info = NULL;
        return;
    }
    for (size_t i = 0; i < info->n_location; i++) {
        Google__Protobuf__SourceCodeInfo__Location *place = info->location[i];
        if (!place->leading_comments)
            continue;
        place->trailing_comments = NULL;
        place->n_leading_detached_comments = 0;
        info->location[kept++] = place;
    }
    info->n_location = kept;
}

static void want_file(const struct model *m, const FileProto *file, bool *wanted)
{
    for (size_t i = 0; i < m->request->n_proto_file; i++) {
        if (m->request->proto_file[i] != file || wanted[i])
            continue;
        wanted[i] = true;
        for (size_t k = 0; k < file->n_dependency; k++)
            want_file(m, model_file(m, file->dependency[k]), wanted);
    }
}

/* The descriptors of the service's whole package and of everything it imports, each before what needs it, as protoc
 * ordered them. */
static struct buf descriptor_set(const struct model *m, const FileProto *file)
{
    Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    bool *wanted = zeroed(m->request->n_proto_file, sizeof(*wanted));
    struct buf bytes = BUF_INIT(MAX_GENERATED);
    uint8_t *out;

    for (size_t i = 0; i < m->request->n_proto_file; i++)
        if (strcmp(m->request->proto_file[i]->package, file->package) == 0)
            want_file(m, m->request->proto_file[i], wanted);
    set.file = zeroed(m->request->n_proto_file, sizeof(FileProto *));
    for (size_t i = 0; i < m->request->n_proto_file; i++) {
        if (!wanted[i])
            continue;
        trim_comments(m->request->proto_file[i]);
        set.file[set.n_file++] = m->request->proto_file[i];
    }
    out = buf_reserve(&bytes, google__protobuf__file_descriptor_set__get_packed_size(&set));
    if (!out)
        refuse("%s: its descriptors do not fit in %d bytes", file->name, MAX_GENERATED);
    bytes.len += google__protobuf__file_descriptor_set__pack(&set, out);
    return bytes;
}

static void write_descriptors(struct buf *b, const struct model *m, const FileProto *file)
{
    struct buf set = descriptor_set(m, file);

    buf_printf(b, "\nstatic const uint8_t descriptor_set[%zu] = {", set.len);
    for (size_t i = 0; i < set.len; i++)
        buf_printf(b, "%s%u,", i % 24 ? "" : "\n    ", set.data[i]);
    buf_printf(b, "\n};\n");
}

void write_source(struct buf *b, const struct model *m, const FileProto *file)
{
    const struct type *event = model_event(m, file->package);

    buf_printf(b, "/* Generated by protoc-gen-fokus from %s. Do not edit. */\n", file->name);
    buf_printf(b, "#include \"%s.fokus.h\"\n\n#include <errno.h>\n#include <stddef.h>\n",
               file_base(file));
    write_methods(b, m, file);
    if (event)
        write_events(b, event);
    write_descriptors(b, m, file);
    buf_printf(b,
               "\nconst struct contract %s_contract = {\n    .methods = methods,\n"
               "    .n_methods = sizeof(methods) / sizeof(methods[0]),\n",
               package_word(file->package));
    if (event)
        buf_printf(
            b,
            "    .events = events,\n    .n_events = sizeof(events) / sizeof(events[0]),\n"
            "    .event = &%s__descriptor,\n    .event_case_offset = offsetof(%s, %s_case),\n",
            pb_function(event->full), event->alias, event->message->oneof_decl[0]->name);
    buf_printf(b, "    .descriptor_set = descriptor_set,\n"
                  "    .descriptor_set_len = sizeof(descriptor_set),\n};\n");
}
