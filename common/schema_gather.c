/* schema_gather.c - collects the messages, enums and methods that a descriptor set declares, under their full names. */
#include "common/schema_internal.h"

#include <errno.h>
#include <string.h>

bool schema_is_identifier(const char *s)
{
    if (!s || !*s || (*s >= '0' && *s <= '9') || strlen(s) > MAX_NAME)
        return false;
    for (; *s; s++)
        if (!(*s >= '0' && *s <= '9') && !(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z') &&
            *s != '_')
            return false;
    return true;
}

bool schema_is_json_name(const char *s)
{
    if (!*s || strlen(s) > MAX_NAME)
        return false;
    for (; *s; s++)
        if (*s < 0x20 || *s > 0x7e || *s == '"' || *s == '\\')
            return false;
    return true;
}

static void count_messages(Google__Protobuf__DescriptorProto *const *protos, size_t n,
                           size_t *messages, size_t *enums)
{
    *messages += n;
    for (size_t i = 0; i < n; i++) {
        *enums += protos[i]->n_enum_type;
        count_messages(protos[i]->nested_type, protos[i]->n_nested_type, messages, enums);
    }
}

static const char *join(struct builder *b, const char *scope, const char *name)
{
    if (scope[0])
        return arena_printf(b->keep, "%s.%s", scope, name);
    return arena_strdup(b->keep, name);
}

static int add_name(struct builder *b, const char *scope, const char *name, const char **ret)
{
    if (!schema_is_identifier(name))
        return err_set(b->err, EBADMSG, "a type in \"%.100s\" has a name that is no identifier",
                       scope);
    *ret = join(b, scope, name);
    if (!*ret)
        return err_set(b->err, ENOMEM, "no memory for the schema's names");
    if (strlen(*ret) > MAX_NAME)
        return err_set(b->err, EBADMSG, "the name %.100s... is longer than %d characters", *ret,
                       MAX_NAME);
    return 0;
}

static int gather_enums(struct builder *b, const char *scope,
                        Google__Protobuf__EnumDescriptorProto *const *protos, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct declared_enum *to = &b->enums[b->n_enums++];
        to->proto = protos[i];
        int rc = add_name(b, scope, protos[i]->name, &to->full_name);
        if (rc)
            return rc;
    }
    return 0;
}

static int gather_messages(struct builder *b, const char *scope,
                           const Google__Protobuf__FileDescriptorProto *file,
                           const struct place *above, int32_t tag,
                           Google__Protobuf__DescriptorProto *const *protos, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct declared_message *to = &b->messages[b->n_messages++];
        to->proto = protos[i];
        to->file = file;
        to->place = *above;
        to->place.steps[to->place.n++] = tag;
        to->place.steps[to->place.n++] = (int32_t)i;
        int rc = add_name(b, scope, protos[i]->name, &to->full_name);
        if (!rc)
            rc = gather_enums(b, to->full_name, protos[i]->enum_type, protos[i]->n_enum_type);
        if (!rc)
            rc = gather_messages(b, to->full_name, file, &to->place, 3, protos[i]->nested_type,
                                 protos[i]->n_nested_type);
        if (rc)
            return rc;
    }
    return 0;
}

static int gather_methods(struct builder *b, const char *package,
                          const Google__Protobuf__FileDescriptorProto *file)
{
    for (size_t i = 0; i < file->n_service; i++) {
        const Google__Protobuf__ServiceDescriptorProto *service = file->service[i];
        const char *service_name;
        int rc = add_name(b, package, service->name, &service_name);
        if (rc)
            return rc;
        for (size_t j = 0; j < service->n_method; j++) {
            struct declared_method *to = &b->methods[b->n_methods++];
            to->proto = service->method[j];
            to->file = file;
            to->place = (struct place) { { 6, (int32_t)i, 2, (int32_t)j }, 4 };
            if (!schema_is_identifier(to->proto->name))
                return err_set(b->err, EBADMSG, "a method of %s has a name that is no identifier",
                               service_name);
            to->full_name = arena_printf(b->keep, "%s/%s", service_name, to->proto->name);
            if (!to->full_name)
                return err_set(b->err, ENOMEM, "no memory for the schema's names");
        }
    }
    return 0;
}

int schema_gather(struct builder *b, const Google__Protobuf__FileDescriptorSet *set)
{
    size_t messages = 0, enums = 0, methods = 0;

    for (size_t i = 0; i < set->n_file; i++) {
        const Google__Protobuf__FileDescriptorProto *file = set->file[i];
        enums += file->n_enum_type;
        count_messages(file->message_type, file->n_message_type, &messages, &enums);
        for (size_t j = 0; j < file->n_service; j++)
            methods += file->service[j]->n_method;
    }
    if (messages > MAX_TYPES || enums > MAX_TYPES || methods > MAX_TYPES)
        return err_set(b->err, EBADMSG, "a schema may hold %d messages, enums and methods each",
                       MAX_TYPES);

    b->messages = arena_calloc(b->scratch, messages + 1, sizeof(*b->messages));
    b->enums = arena_calloc(b->scratch, enums + 1, sizeof(*b->enums));
    b->methods = arena_calloc(b->scratch, methods + 1, sizeof(*b->methods));
    if (!b->messages || !b->enums || !b->methods)
        return err_set(b->err, ENOMEM, "no memory to read the schema");

    for (size_t i = 0; i < set->n_file; i++) {
        const Google__Protobuf__FileDescriptorProto *file = set->file[i];
        const char *package = file->package ? file->package : "";
        const struct place top = { .n = 0 };
        int rc = schema_is_json_name(package[0] ? package : "-")
                     ? 0
                     : err_set(b->err, EBADMSG, "a package has a name that is no identifier");
        if (!rc)
            rc = gather_enums(b, package, file->enum_type, file->n_enum_type);
        if (!rc)
            rc = gather_messages(b, package, file, &top, 4, file->message_type,
                                 file->n_message_type);
        if (!rc)
            rc = gather_methods(b, package, file);
        if (rc)
            return rc;
    }
    return 0;
}
