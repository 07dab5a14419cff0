#include "common/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <string.h>

#include "common/fault.h"
#include "fokus/event/v1/event.pb-c.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

static void blocks_are_aligned_and_apart(void **state)
{
    (void)state;
    struct arena *a = arena_new(10 << 20);
    uint8_t *blocks[500];

    for (size_t i = 0; i < 500; i++) {
        blocks[i] = arena_alloc(a, i);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)i, i);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_equal(blocks[i][j], (uint8_t)i);
    arena_free(a);
}

static void past_the_cap_every_kind_of_request_is_refused_until_reset(void **state)
{
    (void)state;
    struct arena *a = arena_new(1000);

    assert_non_null(arena_alloc(a, 900));
    assert_false(arena_failed(a));
    assert_null(arena_alloc(a, 101));
    assert_true(arena_failed(a));
    assert_non_null(arena_alloc(a, 16));
    assert_true(arena_failed(a));
    arena_reset(a);
    assert_false(arena_failed(a));
    assert_int_equal(arena_used(a), 0);
    assert_null(arena_calloc(a, SIZE_MAX / 2, 3));
    assert_true(arena_failed(a));
    arena_reset(a);
    assert_null(arena_printf(a, "%2000d", 1));
    assert_true(arena_failed(a));
    arena_reset(a);
    assert_null(arena_alloc(a, SIZE_MAX));
    assert_non_null(arena_alloc(a, 992));
    assert_null(arena_alloc(a, 1)); /* 8 bytes are left, and blocks are rounded up to 16 */
    arena_free(a);
}

static void an_unlimited_cap_still_refuses_what_no_machine_has(void **state)
{
    (void)state;
    struct arena *a = arena_new(SIZE_MAX);

    assert_null(arena_alloc(a, SIZE_MAX));
    assert_null(arena_alloc(a, SIZE_MAX - 4));
    assert_non_null(arena_alloc(a, 64));
    arena_free(a);
}

static void blocks_larger_than_a_chunk_are_given(void **state)
{
    (void)state;
    struct arena *a = arena_new(64 << 20);

    for (int round = 0; round < 3; round++) {
        uint8_t *small = arena_strdup(a, "small") ? arena_alloc(a, 10) : NULL;
        uint8_t *big = arena_alloc(a, 20 << 20);
        uint8_t *after = arena_calloc(a, 100000, 8);
        assert_non_null(small);
        assert_non_null(big);
        assert_non_null(after);
        memset(big, 1, 20 << 20);
        assert_int_equal(after[799999], 0);
        assert_true(arena_used(a) > (20u << 20));
        arena_reset(a);
    }
    arena_free(a);
}

static void text_is_copied_whole_and_closed(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);

    assert_string_equal(arena_strdup(a, "räksmörgås"), "räksmörgås");
    assert_string_equal(arena_strndup(a, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(a, "ab", 10), "ab");
    assert_string_equal(arena_strdup(a, ""), "");
    assert_string_equal(arena_printf(a, "%s-%04d", "x", 42), "x-0042");
    assert_memory_equal(arena_memdup(a, "a\0b", 3), "a\0b", 3);
    assert_non_null(arena_memdup(a, NULL, 0));
    arena_free(a);
}

static void protobuf_messages_unpack_into_it(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    struct arena *tiny = arena_new(64);
    Fokus__Event__V1__Event event = FOKUS__EVENT__V1__EVENT__INIT;
    uint8_t bytes[256];

    event.sequence = 7;
    event.subject = (char *)"something";
    size_t len = fokus__event__v1__event__pack(&event, bytes);
    for (int i = 0; i < 100; i++) {
        Fokus__Event__V1__Event *back = fokus__event__v1__event__unpack(arena_pb(a), len, bytes);
        assert_non_null(back);
        assert_string_equal(back->subject, "something");
        arena_reset(a);
    }
    assert_null(fokus__event__v1__event__unpack(arena_pb(tiny), len, bytes));
    assert_true(arena_failed(tiny));
    arena_free(tiny);
    arena_free(a);
}

#ifdef __SANITIZE_ADDRESS__
static void bytes_not_handed_out_are_poisoned(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);
    uint8_t *block = arena_alloc(a, 21);
    uint8_t *next = arena_alloc(a, 1);

    assert_false(__asan_address_is_poisoned(block + 20));
    assert_true(__asan_address_is_poisoned(block + 21));
    assert_true(__asan_address_is_poisoned(next - 1));
    assert_false(__asan_address_is_poisoned(next));
    assert_non_null(arena_alloc(a, 100000)); /* leaves the first chunk */
    arena_reset(a);
    assert_true(__asan_address_is_poisoned(block));
    assert_true(__asan_address_is_poisoned(next));
    arena_free(a);
}
#endif

#ifdef FOKUS_FAULTS
static void the_armed_allocation_fails_once(void **state)
{
    (void)state;
    struct arena *a = arena_new(1 << 20);

    fault_arm(FAULT_ARENA, 2);
    assert_non_null(arena_alloc(a, 1));
    assert_null(arena_alloc(a, 1));
    assert_true(arena_failed(a));
    assert_non_null(arena_alloc(a, 1));
    assert_int_equal(fault_count(FAULT_ARENA), 3);
    fault_arm(FAULT_ARENA, 0);
    assert_non_null(arena_alloc(a, 1));
    assert_int_equal(fault_count(FAULT_ARENA), 1);
    arena_free(a);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_apart),
        cmocka_unit_test(past_the_cap_every_kind_of_request_is_refused_until_reset),
        cmocka_unit_test(an_unlimited_cap_still_refuses_what_no_machine_has),
        cmocka_unit_test(blocks_larger_than_a_chunk_are_given),
        cmocka_unit_test(text_is_copied_whole_and_closed),
        cmocka_unit_test(protobuf_messages_unpack_into_it),
#ifdef __SANITIZE_ADDRESS__
        cmocka_unit_test(bytes_not_handed_out_are_poisoned),
#endif
#ifdef FOKUS_FAULTS
        cmocka_unit_test(the_armed_allocation_fails_once),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
