#include "common/schema.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/testing_set.h"
#include "fokus/v1/options.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"

static int open_testing(void **state)
{
    *state = testing_schema();
    return 0;
}

static int close_testing(void **state)
{
    schema_close(*state);
    return 0;
}

static void messages_are_found_by_their_full_name(void **state)
{
    const struct schema_message *m = schema_message(*state, "fokus.testing.v1.AllKinds");
    assert_non_null(m);
    assert_string_equal(m->full_name, "fokus.testing.v1.AllKinds");
    assert_null(schema_message(*state, "fokus.testing.v1.AllKind"));
    assert_null(schema_message(*state, ""));
}

static void fields_are_found_by_number_and_by_both_names(void **state)
{
    const struct schema_message *m = schema_message(*state, "fokus.testing.v1.AllKinds");

    for (size_t i = 0; i < m->n_fields; i++) {
        const struct schema_field *f = &m->fields[i];
        assert_ptr_equal(schema_field_by_number(m, f->number), f);
        assert_ptr_equal(schema_field_by_name(m, f->name, f->name_len), f);
        assert_ptr_equal(schema_field_by_name(m, f->json_name, f->json_name_len), f);
        if (i)
            assert_true(m->fields[i - 1].number < f->number);
    }
    assert_null(schema_field_by_name(m, "a_doubl", 7));
    assert_null(schema_field_by_name(m, "", 0));
    assert_null(schema_field_by_number(m, 0));
    assert_null(schema_field_by_number(m, 10));
    assert_null(schema_field_by_number(m, 536870910));
    assert_null(schema_field_by_number(m, UINT32_MAX));
    m = schema_message(*state, "fokus.testing.v1.Twenty");
    for (size_t i = 0; i < m->n_fields; i++)
        assert_ptr_equal(schema_field_by_number(m, m->fields[i].number), &m->fields[i]);
    assert_null(schema_field_by_number(m, 0));
    assert_null(schema_field_by_number(m, 21));
    assert_null(schema_field_by_number(m, 536870911));
}

static void fields_know_their_shape(void **state)
{
    const struct schema_message *m = schema_message(*state, "fokus.testing.v1.AllKinds");
    const struct schema_field *f = schema_field_by_name(m, "odd__name_2x", 12);
    assert_string_equal(f->json_name, "oddName2x");
    f = schema_field_by_name(m, "@other-name", 11);
    assert_string_equal(f->name, "renamed");
    f = schema_field_by_name(m, "leaf_map", 8);
    assert_true(f->map && f->repeated);
    assert_int_equal(f->message->n_fields, 2);
    f = schema_field_by_name(m, "int32s", 6);
    assert_true(f->packed);
    assert_memory_equal(f->tag, "\xca\x01", 2);
    f = schema_field_by_name(m, "unpacked", 8);
    assert_true(f->repeated && !f->packed);
    f = schema_field_by_name(m, "chosen_leaf", 11);
    assert_true(f->presence);
    assert_string_equal(m->oneofs[f->oneof], "choice");
    f = schema_field_by_name(m, "optional_int32", 14);
    assert_true(f->presence);
    assert_int_equal(f->oneof, -1);
    f = schema_field_by_name(m, "colour", 6);
    assert_string_equal(f->enumeration->full_name, "fokus.testing.v1.Colour");
    f = schema_field_by_name(m, "a_timestamp", 11);
    assert_int_equal(f->message->wellknown, WELLKNOWN_TIMESTAMP);
}

static void enum_values_are_found(void **state)
{
    const struct schema_message *m = schema_message(*state, "fokus.testing.v1.AllKinds");
    const struct schema_enum *e = schema_field_by_number(m, 14)->enumeration;

    for (size_t i = 0; i < e->n_values; i++) {
        const char *name = e->values[i].name;
        assert_string_equal(schema_enum_by_number(e, e->values[i].number)->name, name);
        assert_int_equal(schema_enum_by_name(e, name, strlen(name))->number, e->values[i].number);
        assert_null(schema_enum_by_name(e, name, strlen(name) - 1));
    }
    assert_null(schema_enum_by_number(e, 3));
    assert_null(schema_enum_by_number(e, -6));
    assert_null(schema_enum_by_number(e, INT32_MAX));
    assert_null(schema_enum_by_name(e, "COLOUR_REDDER", 13));
}

static void methods_carry_their_access_rule(void **state)
{
    size_t n;
    const struct schema_method *all = schema_methods(*state, &n);
    assert_int_equal(n, 2);
    assert_string_equal(all[0].name, "FollowLimits");
    assert_true(all[0].streaming);
    assert_int_equal(all[0].audience, 0);

    const struct schema_method *m =
        schema_method(*state, "fokus.testing.v1.LimitsService/GetLimits");
    assert_ptr_equal(m, &all[1]);
    assert_string_equal(m->input->full_name, "fokus.testing.v1.Limits");
    assert_string_equal(m->output->full_name, "fokus.testing.v1.Row");
    assert_true(m->no_side_effects && m->long_running && !m->streaming);
    assert_int_equal(m->audience, FOKUS__V1__AUDIENCE__AUDIENCE_ROLE);
    assert_int_equal(m->roles,
                     1u << FOKUS__V1__ROLE__ROLE_EDITOR | 1u << FOKUS__V1__ROLE__ROLE_MODERATOR);
    assert_string_equal(m->comment, "Looks something up.");
    assert_null(schema_method(*state, "fokus.testing.v1.LimitsService/GetLimit"));
    assert_null(schema_method(*state, ""));
}

static void rules_and_comments_are_read(void **state)
{
    const struct schema_message *m = schema_message(*state, "fokus.testing.v1.Limits");
    const struct schema_field *f = schema_field_by_number(m, 1);
    assert_true(f->rules.required);
    assert_int_equal(f->rules.min_len, 2);
    assert_int_equal(f->rules.max_len, 5);
    assert_string_equal(f->comment, "The name.\n On two lines.");
    f = schema_field_by_number(m, 14);
    assert_int_equal(f->rules.max_len, 4096);
    assert_int_equal(f->rules.max_items, 1000);
    assert_string_equal(f->comment, "");
    f = schema_field_by_number(m, 13);
    assert_int_equal(f->rules.min, -5);
    assert_int_equal(f->rules.max, 5);
}

/* ---- sets that are refused ---- */

static int open_set(Google__Protobuf__DescriptorProto **messages, size_t n, struct err *err)
{
    Google__Protobuf__FileDescriptorProto file = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    struct schema *s;

    file.name = "a.proto";
    file.package = "a";
    file.syntax = "proto3";
    file.message_type = messages;
    file.n_message_type = n;
    set.file = (Google__Protobuf__FileDescriptorProto *[]) { &file };
    set.n_file = 1;
    uint8_t bytes[4096];
    assert_true(google__protobuf__file_descriptor_set__get_packed_size(&set) <= sizeof(bytes));
    size_t len = google__protobuf__file_descriptor_set__pack(&set, bytes);
    int rc = schema_open(&s, bytes, len, err);
    if (rc == 0)
        schema_close(s);
    return rc;
}

static Google__Protobuf__FieldDescriptorProto field_of(char *name, int number, char *type)
{
    Google__Protobuf__FieldDescriptorProto f = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__INIT;
    f.name = name;
    f.has_number = f.has_label = f.has_type = 1;
    f.number = number;
    f.type = type ? GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE
                  : GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
    f.type_name = type;
    return f;
}

/* Opens a set of the messages a.A and a.B with one field each. */
static int open_two(Google__Protobuf__FieldDescriptorProto a,
                    Google__Protobuf__FieldDescriptorProto b, struct err *err)
{
    Google__Protobuf__DescriptorProto one = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__DescriptorProto two = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;

    one.name = "A";
    one.n_field = 1;
    one.field = (Google__Protobuf__FieldDescriptorProto *[]) { &a };
    two.name = "B";
    two.n_field = 1;
    two.field = (Google__Protobuf__FieldDescriptorProto *[]) { &b };
    return open_set((Google__Protobuf__DescriptorProto *[]) { &one, &two }, 2, err);
}

static void recursive_messages_are_refused(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(open_two(field_of("b", 1, ".a.B"), field_of("x", 1, NULL), &err), 0);
    assert_int_equal(open_two(field_of("b", 1, ".a.B"), field_of("a", 1, ".a.A"), &err), -EBADMSG);
    assert_non_null(strstr(err.text, "a.A nests in itself"));
    assert_int_equal(open_two(field_of("a", 1, ".a.A"), field_of("x", 1, NULL), &err), -EBADMSG);
}

static void unsound_sets_are_refused_with_a_reason(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(open_two(field_of("b", 1, ".a.C"), field_of("x", 1, NULL), &err), -EBADMSG);
    assert_non_null(strstr(err.text, "a.C, which the schema does not hold"));
    assert_int_equal(open_two(field_of("b\"", 1, NULL), field_of("x", 1, NULL), &err), -EBADMSG);
    assert_int_equal(open_two(field_of("b", 0, NULL), field_of("x", 1, NULL), &err), -EBADMSG);
    assert_int_equal(open_two(field_of("b", 536870912, NULL), field_of("x", 1, NULL), &err),
                     -EBADMSG);
    Google__Protobuf__FieldDescriptorProto f = field_of("b", 1, NULL);
    f.json_name = "a\"b";
    assert_int_equal(open_two(f, field_of("x", 1, NULL), &err), -EBADMSG);
    f = field_of("b", 1, NULL);
    f.has_oneof_index = 1;
    f.oneof_index = 3;
    assert_int_equal(open_two(f, field_of("x", 1, NULL), &err), -EBADMSG);
    f = field_of("b", 1, NULL);
    f.type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
    assert_int_equal(open_two(f, field_of("x", 1, NULL), &err), -EBADMSG);
}

static void cut_off_sets_are_refused(void **state)
{
    (void)state;
    struct buf set = BUF_INIT(1 << 20);
    testing_read("gen/testing.fds", &set);
    for (size_t len = 1; len < set.len; len += 97) {
        struct schema *s;
        struct err err;
        int rc = schema_open(&s, set.data, len, &err);
        if (rc == 0)
            schema_close(s); /* cut between two files */
        else
            assert_int_equal(rc, -EBADMSG);
    }
    buf_free(&set);
}

static void deeply_nested_declarations_are_refused(void **state)
{
    (void)state;
    struct buf inner = BUF_INIT(1 << 20), outer = BUF_INIT(1 << 20);
    struct schema *s;
    struct err err;

    for (int i = 0; i < 200; i++) {
        buf_clear(&outer);
        put_bytes(&outer, 3, inner.data, inner.len);
        buf_clear(&inner);
        buf_append(&inner, outer.data, outer.len);
    }
    buf_clear(&outer);
    put_bytes(&outer, 4, inner.data, inner.len);
    buf_clear(&inner);
    put_bytes(&inner, 1, outer.data, outer.len);
    assert_int_equal(schema_open(&s, inner.data, inner.len, &err), -EBADMSG);
    buf_free(&inner);
    buf_free(&outer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_found_by_their_full_name),
        cmocka_unit_test(fields_are_found_by_number_and_by_both_names),
        cmocka_unit_test(fields_know_their_shape),
        cmocka_unit_test(enum_values_are_found),
        cmocka_unit_test(methods_carry_their_access_rule),
        cmocka_unit_test(rules_and_comments_are_read),
        cmocka_unit_test(recursive_messages_are_refused),
        cmocka_unit_test(unsound_sets_are_refused_with_a_reason),
        cmocka_unit_test(cut_off_sets_are_refused),
        cmocka_unit_test(deeply_nested_declarations_are_refused),
    };
    return cmocka_run_group_tests(tests, open_testing, close_testing);
}
