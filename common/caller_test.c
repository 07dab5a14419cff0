/* caller_test.c - callers on the wire, what proves them, and the key's file. */
#include "common/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/packed.h"
#include "common/testing_tree.h"
#include "fokus/v1/options.pb-c.h"
#include "fokus/wire/v1/wire.pb-c.h"

static const char person[] = "0190a1b2-c3d4-7e5f-8a6b-0123456789ab";

static struct {
    struct arena *arena;
    struct buf bytes;
    char home[64];
} t;

static int set_up(void **state)
{
    (void)state;
    t.arena = arena_new(1024 * 1024);
    t.bytes = BUF_INIT(64 * 1024);
    (void)snprintf(t.home, sizeof(t.home), "caller-test-XXXXXX");
    return t.arena && mkdtemp(t.home) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(t.arena);
    buf_free(&t.bytes);
    return testing_remove_tree(t.home);
}

static struct slice put(const char *id, const char *const *roles, size_t n, int64_t expires_ms)
{
    buf_clear(&t.bytes);
    caller_put(&t.bytes, id, roles, n, expires_ms);
    return (struct slice) { t.bytes.data, t.bytes.len };
}

/* ---- on the wire ---- */

static void what_is_put_is_read_and_is_protobuf(void **state)
{
    const char *const roles[] = { "editor", "representative:bris", "partner:a:b" };
    struct caller c;
    int64_t expires_ms;

    (void)state;
    struct slice packed = put(person, roles, ARRAY_LEN(roles), 1234567890123);
    assert_int_equal(caller_read(packed, t.arena, &c, &expires_ms), 0);
    assert_string_equal(c.id, person);
    assert_int_equal(expires_ms, 1234567890123);
    assert_int_equal(c.n_held, 3);
    assert_int_equal(c.roles, 1u << FOKUS__V1__ROLE__ROLE_EDITOR |
                                  1u << FOKUS__V1__ROLE__ROLE_REPRESENTATIVE |
                                  1u << FOKUS__V1__ROLE__ROLE_PARTNER);
    assert_false(c.operator_socket);
    assert_true(caller_holds(&c, FOKUS__V1__ROLE__ROLE_EDITOR, "whatever"));
    assert_true(caller_holds(&c, FOKUS__V1__ROLE__ROLE_REPRESENTATIVE, "bris"));
    assert_false(caller_holds(&c, FOKUS__V1__ROLE__ROLE_REPRESENTATIVE, "bri"));
    assert_false(caller_holds(&c, FOKUS__V1__ROLE__ROLE_REPRESENTATIVE, ""));
    assert_true(caller_holds(&c, FOKUS__V1__ROLE__ROLE_PARTNER, "a:b"));
    assert_false(caller_holds(&c, FOKUS__V1__ROLE__ROLE_OPERATOR, ""));

    Fokus__Wire__V1__Caller *same =
        fokus__wire__v1__caller__unpack(arena_pb(t.arena), packed.len, packed.data);
    assert_non_null(same);
    assert_string_equal(same->id, person);
    assert_int_equal(same->n_roles, 3);
    assert_int_equal(same->expires_ms, 1234567890123);

    struct caller copy;
    struct arena *other = arena_new(64 * 1024);
    assert_true(caller_copy(other, &c, &copy));
    buf_clear(&t.bytes);
    arena_reset(t.arena);
    assert_string_equal(copy.id, person);
    assert_string_equal(copy.held[1].scope, "bris");
    arena_free(other);
}

/* Security: neither lifts nobody into something. */
static void roles_unknown_or_without_their_scope_are_not_held(void **state)
{
    const char *const roles[] = { "admin",      "representative", "representative:",
                                  "editor:all", "EDITOR",         "",
                                  "editors",    "operator " };
    struct caller c;
    int64_t expires_ms;

    (void)state;
    assert_int_equal(caller_read(put(person, roles, ARRAY_LEN(roles), 1), t.arena, &c, &expires_ms),
                     0);
    assert_int_equal(c.n_held, 0);
    assert_int_equal(c.roles, 0);
}

static void an_id_is_a_uuid_or_the_houses(void **state)
{
    static const struct {
        const char *id;
        int result;
    } cases[] = {
        { "", 0 },
        { "@gateway", 0 },
        { "operator", -EBADMSG }, /* as the admin socket's caller is called */
        { "service", -EBADMSG },
        { "@", -EBADMSG },
        { "@../x", -EBADMSG },
        { "0190A1B2-C3D4-7E5F-8A6B-0123456789AB", -EBADMSG },
        { "0190a1b2-c3d4-7e5f-8a6b-0123456789a", -EBADMSG },
    };
    struct caller c;
    int64_t expires_ms;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(caller_read(put(cases[i].id, NULL, 0, 1), t.arena, &c, &expires_ms),
                         cases[i].result);
    assert_int_equal(caller_read(put("@gateway", NULL, 0, 1), t.arena, &c, &expires_ms), 0);
    assert_true(caller_is_house(&c));
}

static void bent_bytes_are_refused(void **state)
{
    const char *const roles[] = { "editor" };
    struct caller c;
    struct origin origin;
    int64_t expires_ms;

    (void)state;
    struct slice whole = put(person, roles, 1, 1);
    size_t cut_off = 0;
    for (size_t len = 1; len < whole.len; len++)
        cut_off +=
            caller_read((struct slice) { whole.data, len }, t.arena, &c, &expires_ms) == -EBADMSG;
    assert_true(cut_off >= whole.len - 4); /* where a field ends, the rest is a shorter message */
    buf_clear(&t.bytes);
    for (size_t i = 0; i <= CALLER_MAX_ROLES; i++)
        packed_append_bytes(&t.bytes, 2, "editor", 6);
    assert_int_equal(
        caller_read((struct slice) { t.bytes.data, t.bytes.len }, t.arena, &c, &expires_ms),
        -EBADMSG);
    buf_clear(&t.bytes);
    packed_append_tag(&t.bytes, 1, PACKED_VARINT);
    packed_append_varint(&t.bytes, 7);
    assert_int_equal(
        caller_read((struct slice) { t.bytes.data, t.bytes.len }, t.arena, &c, &expires_ms),
        -EBADMSG);
    assert_int_equal(origin_read((struct slice) { t.bytes.data, t.bytes.len }, &origin), -EBADMSG);
    buf_clear(&t.bytes);
    packed_append_bytes(&t.bytes, 2, "short", 5);
    assert_int_equal(origin_read((struct slice) { t.bytes.data, t.bytes.len }, &origin), -EBADMSG);
}

static void an_origin_comes_back(void **state)
{
    static const uint8_t bytes[32] = { 1, 2, 3 };
    const struct origin from = { .network = { bytes, 16 }, .session = { bytes, 32 } };
    struct origin to;

    (void)state;
    buf_clear(&t.bytes);
    origin_put(&t.bytes, &from);
    assert_int_equal(origin_read((struct slice) { t.bytes.data, t.bytes.len }, &to), 0);
    assert_int_equal(to.network.len, 16);
    assert_int_equal(to.browser.len, 0);
    assert_memory_equal(to.session.data, bytes, 32);
}

/* ---- proof ---- */

static void a_proof_counts_for_its_service_caller_and_origin_only(void **state)
{
    uint8_t house[CALLER_KEY_BYTES] = { 7 }, other_house[CALLER_KEY_BYTES] = { 8 };
    uint8_t key[CALLER_KEY_BYTES], other[CALLER_KEY_BYTES], proof[CALLER_PROOF_BYTES];
    const struct slice a = SLICE_STR("caller"), b = SLICE_STR("origin"), none = { 0 };
    struct slice p = { proof, sizeof(proof) };

    (void)state;
    caller_key_of(house, "directory", key);
    caller_prove(key, a, b, proof);
    assert_true(caller_proven(key, a, b, p));
    assert_false(caller_proven(key, a, none, p));
    assert_false(
        caller_proven(key, SLICE_STR("callero"), SLICE_STR("rigin"), p)); /* the border counts */
    assert_false(caller_proven(key, b, a, p));
    assert_false(caller_proven(key, a, b, (struct slice) { proof, 31 }));
    assert_false(caller_proven(key, a, b, none));
    caller_key_of(house, "forum", other);
    assert_false(caller_proven(other, a, b, p));
    caller_key_of(other_house, "directory", other);
    assert_false(caller_proven(other, a, b, p));
    for (size_t bit = 0; bit < 8 * sizeof(proof); bit++) {
        proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(caller_proven(key, a, b, p));
        proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_person_has_another_id_in_each_service(void **state)
{
    uint8_t hers[CALLER_KEY_BYTES] = { 1 }, his[CALLER_KEY_BYTES] = { 2 }, bytes[ID_BYTES];
    char a[ID_CHARS + 1], again[ID_CHARS + 1], b[ID_CHARS + 1], c[ID_CHARS + 1];

    (void)state;
    caller_person_id(hers, "directory", a);
    caller_person_id(hers, "directory", again);
    caller_person_id(hers, "forum", b);
    caller_person_id(his, "directory", c);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a, c);
    assert_true(id_read(a, bytes));
    assert_int_equal(a[14], '8'); /* UUIDv8 */
    assert_non_null(strchr("89ab", a[19]));
}

/* ---- the key's file ---- */

static void write_key_file(const char *text, mode_t mode)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/caller.key", t.home);
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void the_key_is_made_once_and_is_ours_alone(void **state)
{
    uint8_t first[CALLER_KEY_BYTES], again[CALLER_KEY_BYTES], zeros[CALLER_KEY_BYTES] = { 0 };
    char path[128];
    struct stat st;
    struct err err;

    (void)state;
    assert_int_equal(caller_key_open(t.home, NULL, first, &err), 0);
    assert_int_equal(caller_key_open(t.home, NULL, again, &err), 0);
    assert_memory_equal(first, again, sizeof(first));
    assert_memory_not_equal(first, zeros, sizeof(first));
    (void)snprintf(path, sizeof(path), "%s/caller.key", t.home);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_key_that_others_could_read_or_that_is_none_is_refused(void **state)
{
    static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    uint8_t key[CALLER_KEY_BYTES];
    struct err err;

    (void)state;
    write_key_file(hex, 0640);
    assert_int_equal(caller_key_open(t.home, NULL, key, &err), -EACCES);
    assert_non_null(strstr(err.text, "0640"));
    write_key_file("0011\n", 0600);
    assert_int_equal(caller_key_open(t.home, NULL, key, &err), -EBADMSG);
    write_key_file("zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0600);
    assert_int_equal(caller_key_open(t.home, NULL, key, &err), -EBADMSG);
    write_key_file(hex, 0600);
    assert_int_equal(caller_key_open(t.home, NULL, key, &err), 0);
    assert_int_equal(key[1], 0x11);
}

static void credentials_come_before_the_file(void **state)
{
    uint8_t key[CALLER_KEY_BYTES];
    char path[128];
    struct err err;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/fokus-caller-key", t.home);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", f) >=
                0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(caller_key_open("nowhere", t.home, key, &err), 0);
    assert_int_equal(key[0], 0xff);
    assert_int_equal(caller_key_open("nowhere", NULL, key, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_read_and_is_protobuf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(roles_unknown_or_without_their_scope_are_not_held, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_id_is_a_uuid_or_the_houses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bent_bytes_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_origin_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_proof_counts_for_its_service_caller_and_origin_only,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_person_has_another_id_in_each_service, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_key_is_made_once_and_is_ours_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_key_that_others_could_read_or_that_is_none_is_refused,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(credentials_come_before_the_file, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
