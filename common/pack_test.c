#include "common/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "fokus/testing/v1/packing.pb-c.h"

#define PACKING  fokus__testing__v1__packing__descriptor
#define OLD      fokus__testing__v1__packing_of_old__descriptor
#define MESSAGES 20000

static uint64_t state_of_random = 1;

static uint64_t any(void)
{
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return state_of_random >> 20 ^ state_of_random << 33;
}

/* Small numbers and noughts are as likely as far ones. */
static uint64_t any_number(void)
{
    static const uint64_t edges[] = { 0, 1, 127, 128, UINT32_MAX, UINT64_MAX, UINT64_MAX >> 1 };
    return any() % 2 ? edges[any() % ARRAY_LEN(edges)] : any() >> any() % 64;
}

static ProtobufCMessage *any_message(struct arena *a, const ProtobufCMessageDescriptor *type);

static void fill_value(struct arena *a, const ProtobufCFieldDescriptor *f, void *to)
{
    size_t len = any() % 5 == 0 ? 130 : any() % 6;
    uint64_t number = any_number();
    char *text = arena_calloc(a, 1, len + 1);
    assert_non_null(text);

    memset(text, 'a' + (int)(any() % 26), len);
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        memcpy(to, &text, sizeof(text));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)to = (ProtobufCBinaryData) { len, (uint8_t *)text };
        break;
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage *m = any_message(a, f->descriptor);
        memcpy(to, &m, sizeof(m));
        break;
    }
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)to = (int)(any() % 2);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)to = any() % 4 ? (float)(int)any() : -0.0f;
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)to = any() % 4 ? (double)(int)any() : -0.0;
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
        memcpy(to, &number, sizeof(number));
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        memcpy(to, &(uint32_t) { (uint32_t)number }, sizeof(uint32_t));
        break;
    }
}

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    }
    return 0;
}

static void fill_field(struct arena *a, const ProtobufCFieldDescriptor *f, uint8_t *m)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = any() % 4, size = size_of(f->type);
        uint8_t *items = arena_calloc(a, n + 1, size);
        assert_non_null(items);
        for (size_t i = 0; i < n; i++)
            fill_value(a, f, items + i * size);
        memcpy(m + f->offset, &items, sizeof(items));
        memcpy(m + f->quantifier_offset, &n, sizeof(n));
        return;
    }
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t chosen;
        memcpy(&chosen, m + f->quantifier_offset, sizeof(chosen));
        if (chosen)
            return;
        memcpy(m + f->quantifier_offset, &f->id, sizeof(f->id));
    }
    fill_value(a, f, m + f->offset);
}

static ProtobufCMessage *any_message(struct arena *a, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *m = arena_calloc(a, 1, type->sizeof_message);
    assert_non_null(m);

    protobuf_c_message_init(type, m);
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (any() % 3 == 0)
            fill_field(a, &type->fields[i], (uint8_t *)m);
    }
    return m;
}

static void assert_packs_as_protobuf_c(const ProtobufCMessage *m)
{
    static uint8_t theirs[PACK_ROOM * 4], room[PACK_ROOM];
    struct slice ours;

    size_t len = protobuf_c_message_get_packed_size(m);
    assert_true(len < sizeof(theirs));
    (void)protobuf_c_message_pack(m, theirs); /* as many bytes as asked for */
    assert_true(pack_small(m, room, &ours));
    assert_int_equal(ours.len, len);
    assert_memory_equal(ours.data, theirs, len);
}

static void packs_the_bytes_that_protobuf_c_packs(void **state)
{
    struct arena *a = arena_new(1 << 20);
    (void)state;

    assert_non_null(a);
    for (int i = 0; i < MESSAGES; i++) {
        arena_reset(a);
        assert_packs_as_protobuf_c(any_message(a, &PACKING));
    }
    arena_free(a);
}

static void packs_what_was_unknown_when_unpacked(void **state)
{
    struct arena *a = arena_new(1 << 20);
    uint8_t room[PACK_ROOM];
    struct slice packed;
    (void)state;

    assert_non_null(a);
    for (int i = 0; i < MESSAGES / 10; i++) {
        arena_reset(a);
        assert_true(pack_small(any_message(a, &PACKING), room, &packed));
        const ProtobufCMessage *old =
            protobuf_c_message_unpack(&OLD, arena_pb(a), packed.len, packed.data);
        assert_non_null(old);
        assert_packs_as_protobuf_c(old);
    }
    arena_free(a);
}

/* A message with a text of so many bytes. */
static ProtobufCMessage *with_text(struct arena *a, size_t len)
{
    Fokus__Testing__V1__Packing *m = arena_calloc(a, 1, sizeof(*m));
    assert_non_null(m);

    fokus__testing__v1__packing__init(m);
    m->a_string = arena_calloc(a, 1, len + 1);
    assert_non_null(m->a_string);
    memset(m->a_string, 'x', len);
    m->far_away = 7;
    return &m->base;
}

static void packs_messages_of_any_size_into_an_arena(void **state)
{
    static const size_t lengths[] = { 0, 1, PACK_ROOM - 10, PACK_ROOM, 100000 };
    struct arena *a = arena_new(1 << 20);
    struct slice packed;
    (void)state;

    assert_non_null(a);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        arena_reset(a);
        const ProtobufCMessage *m = with_text(a, lengths[i]);
        size_t len = protobuf_c_message_get_packed_size(m);
        assert_true(pack_in(a, m, len, &packed));
        assert_int_equal(packed.len, len);
        const Fokus__Testing__V1__Packing *back =
            fokus__testing__v1__packing__unpack(arena_pb(a), packed.len, packed.data);
        assert_non_null(back);
        assert_int_equal(strlen(back->a_string), lengths[i]);
        assert_int_equal(back->far_away, 7);
        assert_false(pack_in(a, m, len - 1, &packed));
    }
    arena_reset(a);
    assert_false(pack_in(a, with_text(a, 600000), 1 << 20, &packed)); /* twice: past the cap */
    arena_free(a);
}

static void appends_a_field_or_nothing(void **state)
{
    static const size_t lengths[] = { 0, 200, 20000 };
    struct arena *a = arena_new(1 << 20);
    struct buf out = BUF_INIT(30000);
    (void)state;

    assert_non_null(a);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        Fokus__Testing__V1__Packing outer = FOKUS__TESTING__V1__PACKING__INIT;
        Fokus__Testing__V1__PackedLeaf leaf = FOKUS__TESTING__V1__PACKED_LEAF__INIT;
        leaf.name = arena_calloc(a, 1, lengths[i] + 1);
        assert_non_null(leaf.name);
        memset(leaf.name, 'y', lengths[i]);
        outer.leaf = &leaf;
        uint8_t *whole = arena_alloc(a, 30000);
        assert_non_null(whole);
        size_t len = fokus__testing__v1__packing__pack(&outer, whole);

        buf_clear(&out);
        assert_true(pack_append(&out, 10, &leaf.base));
        assert_int_equal(out.len, len);
        assert_memory_equal(out.data, whole, len);
    }
    size_t before = out.len;
    assert_false(pack_append(&out, 10, with_text(a, 20000)));
    assert_int_equal(out.len, before);
    assert_true(pack_append(&out, 10, with_text(a, 20)));
    buf_free(&out);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packs_the_bytes_that_protobuf_c_packs),
        cmocka_unit_test(packs_what_was_unknown_when_unpacked),
        cmocka_unit_test(packs_messages_of_any_size_into_an_arena),
        cmocka_unit_test(appends_a_field_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
