#include "common/seal.h"

#include <sodium.h>
#include <sys/wait.h>

#include "common/seal_internal.h"
#include "common/vault_testing.h"

static const struct seal_place EMAIL = { "email", "" };

static void use(struct vault_fixture *f, unsigned n)
{
    if (!has(f, n))
        add_durably(f, n);
    assert_int_equal(vault_key(f->vault, person(n), f->key), 0);
}

/* Seals into fresh memory of the exact size, so that ASan sees each byte too many. */
static struct slice sealed_with(const struct seal_key *k, const struct seal_place *at,
                                const void *value, size_t len)
{
    struct slice s = { malloc(seal_size(len)), seal_size(len) };

    assert_int_equal(seal_close(k, at, (struct slice) { value, len }, (uint8_t *)s.data), 0);
    return s;
}

static int open_result(const struct seal_key *k, const struct seal_place *at, struct slice sealed)
{
    uint8_t *to = malloc(sealed.len ? sealed.len : 1);
    size_t len = 12345;

    int r = seal_open(k, at, sealed, to, &len);
    if (r < 0)
        assert_int_equal(len, 12345);
    free(to);
    return r;
}

static void a_value_comes_back_whatever_its_length(void **state)
{
    struct vault_fixture *f = *state;
    uint8_t value[5000], back[6000];
    size_t len;

    use(f, 1);
    for (size_t i = 0; i < sizeof(value); i++)
        value[i] = (uint8_t)(i * 31 % 251);
    for (size_t n = 0; n <= sizeof(value); n += n < 1100 ? 1 : 97) {
        if (n > 0)
            value[n - 1] = n % 3 == 0 ? 0 : 0x80; /* what padding looks like */
        struct slice s = sealed_with(f->key, &EMAIL, value, n);
        assert_int_equal(seal_open(f->key, &EMAIL, s, back, &len), 0);
        assert_int_equal(len, n);
        assert_memory_equal(back, value, n);
        free((void *)s.data);
    }
}

static void the_same_value_never_looks_the_same(void **state)
{
    struct vault_fixture *f = *state;

    use(f, 1);
    struct slice a = sealed_with(f->key, &EMAIL, "a@a.example", 11);
    for (int i = 0; i < 100; i++) { /* past one pool of nonces */
        struct slice b = sealed_with(f->key, &EMAIL, "a@a.example", 11);
        assert_memory_not_equal(a.data + 1, b.data + 1, SEAL_NONCE_BYTES);
        assert_memory_not_equal(a.data + 25, b.data + 25, SEAL_PAD_BYTES);
        free((void *)b.data);
    }
    free((void *)a.data);
}

static void a_child_uses_other_nonces_than_its_parent(void **state)
{
    uint8_t ours[SEAL_NONCE_BYTES], theirs[SEAL_NONCE_BYTES];
    int pipes[2], status;

    (void)state;
    assert_int_equal(seal_ready(), 0);
    seal_nonce(ours); /* the pool is filled */
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        seal_nonce(theirs);
        _exit(write(pipes[1], theirs, sizeof(theirs)) != sizeof(theirs));
    }
    seal_nonce(ours);
    assert_int_equal(read(pipes[0], theirs, sizeof(theirs)), sizeof(theirs));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_memory_not_equal(ours, theirs, sizeof(ours));
    close(pipes[0]);
    close(pipes[1]);
}

static void lengths_tell_little(void **state)
{
    (void)state;
    /* All that is shorter than 64 bytes looks alike. */
    for (size_t n = 0; n < 64; n++)
        assert_int_equal(seal_size(n), SEAL_MIN_BYTES);
    assert_int_equal(seal_size(64), SEAL_ADDED_BYTES + 128);
    assert_int_equal(seal_size(1023), SEAL_ADDED_BYTES + 1024);
    assert_int_equal(seal_size(1024), SEAL_ADDED_BYTES + 1088);
    /* Padmé: always longer than the value, by at most 12 % (and the smallest step); few lengths in all. */
    size_t sizes = 0;
    for (size_t n = 0, last = 0; n < 3u << 20; n++) {
        size_t padded = seal_size(n) - SEAL_ADDED_BYTES;
        assert_true(padded > n && padded >= last);
        assert_true(padded <= n + n / 100 * 12 + 64 + 12);
        sizes += padded != last;
        last = padded;
    }
    assert_true(sizes < 300);
}

static void a_moved_value_is_refused(void **state)
{
    struct vault_fixture *f = *state;
    static const struct seal_place other_field = { "phone", "" }, other_record = { "email", "7" },
                                   shifted = { "emai", "l" };

    use(f, 1);
    struct slice s = sealed_with(f->key, &EMAIL, "a@a.example", 11);
    assert_int_equal(open_result(f->key, &EMAIL, s), 0);
    assert_int_equal(open_result(f->key, &other_field, s), -EBADMSG);
    assert_int_equal(open_result(f->key, &other_record, s), -EBADMSG);
    assert_int_equal(open_result(f->key, &shifted, s), -EBADMSG);
    /* Another person, though she had the same key; another service, likewise. */
    f->key->person_bytes[15] ^= 1;
    assert_int_equal(open_result(f->key, &EMAIL, s), -EBADMSG);
    f->key->person_bytes[15] ^= 1;
    (void)snprintf(f->key->service, sizeof(f->key->service), "others");
    assert_int_equal(open_result(f->key, &EMAIL, s), -EBADMSG);
    use(f, 2);
    assert_int_equal(open_result(f->key, &EMAIL, s), -EBADMSG);
    use(f, 1);
    assert_int_equal(open_result(f->key, &EMAIL, s), 0);
    free((void *)s.data);
}

static void every_flipped_bit_is_seen(void **state)
{
    struct vault_fixture *f = *state;

    use(f, 1);
    struct slice s = sealed_with(f->key, &EMAIL, "a@a.example", 11);
    uint8_t *bytes = (uint8_t *)s.data;
    for (size_t bit = 0; bit < s.len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(open_result(f->key, &EMAIL, s), bit < 8 ? -ENOTSUP : -EBADMSG);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < s.len; len++)
        assert_int_equal(open_result(f->key, &EMAIL, (struct slice) { s.data, len }), -EBADMSG);
    free(bytes);
}

/* What was sealed with the right key but is not padded as we pad is refused too: there is one form of a value. */
static void other_padding_is_refused(void **state)
{
    struct vault_fixture *f = *state;
    static const uint8_t wrong[][4] = { { 0 }, { 0x80, 0, 0, 0 }, { 1, 2, 3, 4 } };
    uint8_t plain[192] = { 0 }, bound[64], sealed[1 + 24 + 192 + 16];
    size_t n = 0;

    use(f, 1);
    bound[n++] = 1;
    memcpy(bound + n, "\0\5notes", 7);
    n += 7;
    memcpy(bound + n, f->key->person_bytes, 16);
    n += 16;
    memcpy(bound + n, "\0\5email\0\0", 9);
    n += 9;
    for (size_t i = 0; i < ARRAY_LEN(wrong) + 1; i++) {
        size_t len = i == 1 ? 192 : 64; /* 64 or 128 zeros too many; or none at all */
        bool good = i == ARRAY_LEN(wrong);
        memset(plain, 0, sizeof(plain));
        memcpy(plain + (i == 2 ? 60 : 0), wrong[good ? 1 : i], 4);
        sealed[0] = 1;
        randombytes_buf(sealed + 1, 24);
        crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + 25, NULL, plain, len, bound, n, NULL,
                                                   sealed + 1, f->key->key);
        assert_int_equal(open_result(f->key, &EMAIL, (struct slice) { sealed, 25 + len + 16 }),
                         good ? 0 : -EBADMSG);
    }
}

static void what_cannot_be_sealed_is_said(void **state)
{
    struct vault_fixture *f = *state;
    uint8_t room[SEAL_MIN_BYTES] = { 1 };
    char name[SEAL_MAX_NAME + 2];
    struct slice value = SLICE_STR("x");

    assert_int_equal(seal_close(f->key, &EMAIL, value, room), -ENOKEY);
    assert_int_equal(open_result(f->key, &EMAIL, (struct slice) { room, sizeof(room) }), -ENOKEY);
    use(f, 1);
    assert_string_equal(seal_key_person(f->key), person(1));
    memset(name, 'x', sizeof(name));
    name[SEAL_MAX_NAME + 1] = '\0';
    struct seal_place long_field = { name, "" }, long_record = { "x", name }, none = { "", "" };
    assert_int_equal(seal_close(f->key, &long_field, value, room), -EINVAL);
    assert_int_equal(seal_close(f->key, &long_record, value, room), -EINVAL);
    assert_int_equal(seal_close(f->key, &none, value, room), -EINVAL);
    name[SEAL_MAX_NAME] = '\0';
    struct seal_place longest = { name, name };
    assert_int_equal(seal_close(f->key, &longest, value, room), 0);
    value.len = SEAL_MAX_BYTES + 1u;
    assert_int_equal(seal_close(f->key, &EMAIL, value, room), -EMSGSIZE);
    seal_key_wipe(f->key);
    assert_string_equal(seal_key_person(f->key), "");
    value.len = 1;
    assert_int_equal(seal_close(f->key, &EMAIL, value, room), -ENOKEY);
}

/* Written down once: a value sealed by an earlier release opens for ever. */
static void the_format_stands(void **state)
{
    struct vault_fixture *f = *state;
    static const char golden[] = "01"
                                 "000102030405060708090a0b0c0d0e0f1011121314151617"
                                 "c957caab9f643ac855abe4c7e6e2afac5fd6381714f73771f31db7819acc9497"
                                 "033e8f6cf5945ef016e1347d37acf0fcfe774bcc847000dad800affdaa81ca99"
                                 "d4e37ff400ed89f1f5f00326a7627f8b";
    uint8_t sealed[SEAL_MIN_BYTES], back[SEAL_MIN_BYTES];
    size_t len;

    use(f, 1);
    memset(f->key->key, 7, sizeof(f->key->key));
    assert_int_equal(
        sodium_hex2bin(sealed, sizeof(sealed), golden, strlen(golden), NULL, &len, NULL), 0);
    assert_int_equal(len, sizeof(sealed));
    assert_int_equal(seal_open(f->key, &EMAIL, (struct slice) { sealed, len }, back, &len), 0);
    assert_int_equal(len, 11);
    assert_memory_equal(back, "a@a.example", 11);
}

static void a_hash_tells_equal_values_of_one_person_for_one_purpose(void **state)
{
    struct vault_fixture *f = *state;
    uint8_t first[SEAL_HASH_BYTES], second[SEAL_HASH_BYTES];
    struct slice value = text_slice("a@a.example");

    use(f, 1);
    assert_int_equal(seal_hash(f->key, "request", value, first), 0);
    assert_int_equal(seal_hash(f->key, "request", value, second), 0);
    assert_memory_equal(first, second, sizeof(first));
    assert_int_equal(seal_hash(f->key, "other", value, second), 0);
    assert_memory_not_equal(first, second, sizeof(first));
    assert_int_equal(seal_hash(f->key, "request", text_slice("b@a.example"), second), 0);
    assert_memory_not_equal(first, second, sizeof(first));
    use(f, 2);
    assert_int_equal(seal_hash(f->key, "request", value, second), 0);
    assert_memory_not_equal(first, second, sizeof(first));
    assert_int_equal(seal_hash(f->key, "", value, second), -EINVAL);
    seal_key_wipe(f->key);
    assert_int_equal(seal_hash(f->key, "request", value, second), -ENOKEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VAULT_TEST(a_value_comes_back_whatever_its_length),
        VAULT_TEST(the_same_value_never_looks_the_same),
        cmocka_unit_test(a_child_uses_other_nonces_than_its_parent),
        cmocka_unit_test(lengths_tell_little),
        VAULT_TEST(a_moved_value_is_refused),
        VAULT_TEST(every_flipped_bit_is_seen),
        VAULT_TEST(other_padding_is_refused),
        VAULT_TEST(what_cannot_be_sealed_is_said),
        VAULT_TEST(the_format_stands),
        VAULT_TEST(a_hash_tells_equal_values_of_one_person_for_one_purpose),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
