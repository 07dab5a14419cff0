#include "common/vault.h"

#include "common/vault_file.h"
#include "common/vault_testing.h"

static void opening_fails(struct vault_fixture *f, int errnum, const char *says)
{
    size_t before_len;
    uint8_t *before = read_whole(f->path, &before_len);

    assert_int_equal(try_open(f), -errnum);
    assert_null(f->vault);
    if (!strstr(f->err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", f->err.text, says);
    assert_untouched(f->path, before, before_len);
    free(before);
}

static void shut(struct vault_fixture *f)
{
    vault_close(f->vault);
    f->vault = NULL;
}

static struct vault_stats stats_of(struct vault_fixture *f)
{
    struct vault_stats stats;

    vault_stats(f->vault, &stats);
    return stats;
}

/* Where the file holds the person's slot now. */
static uint32_t slots_used(struct vault_fixture *f, uint32_t *ret_first)
{
    size_t len;
    uint8_t *bytes = read_whole(f->path, &len);
    uint32_t n = 0;

    for (uint32_t i = 0; slot_at(i) < len; i++)
        if (!slot_is_free(bytes + slot_at(i)) && n++ == 0 && ret_first)
            *ret_first = i;
    free(bytes);
    return n;
}

/* ---- persons ---- */

static void a_person_is_there_until_erased(void **state)
{
    struct vault_fixture *f = *state;

    assert_false(has(f, 1));
    add_durably(f, 1);
    add_durably(f, 2);
    assert_true(has(f, 1));
    assert_string_equal(seal_key_person(f->key), person(1));
    assert_int_equal(finds(f, MAIL, mail(1)), 1);
    assert_int_equal(finds(f, NUMBER, mail(1)), 0);
    reopen(f);
    assert_true(has(f, 1));
    assert_int_equal(stats_of(f).persons, 2);
    must(f, erase(f, 1));
    assert_false(has(f, 1));
    assert_string_equal(seal_key_person(f->key), "");
    assert_int_equal(finds(f, MAIL, mail(1)), 0);
    assert_true(has(f, 2));
    must(f, erase(f, 1)); /* again: nothing to do */
    reopen(f);
    assert_false(has(f, 1));
    assert_true(has(f, 2));
    assert_int_equal(stats_of(f).persons, 1);
}

static void a_data_key_stays_the_same_and_is_nobody_elses(void **state)
{
    struct vault_fixture *f = *state;
    static const struct seal_place at = { "email", "" };
    uint8_t sealed[SEAL_MIN_BYTES], back[SEAL_MIN_BYTES];
    struct slice s = { sealed, sizeof(sealed) };
    size_t len;

    add_durably(f, 1);
    assert_true(has(f, 1));
    assert_int_equal(seal_close(f->key, &at, SLICE_STR("a@a.example"), sealed), 0);
    must(f, vault_add_lookup(f->vault, person(1), NUMBER, SLICE_STR("1"), &f->err));
    must(f, vault_sync(f->vault, &f->err));
    reopen(f);
    assert_true(has(f, 1));
    assert_int_equal(seal_open(f->key, &at, s, back, &len), 0);
    /* Erased and made again under the same id: what was sealed stays closed. */
    must(f, erase(f, 1));
    add_durably(f, 1);
    assert_true(has(f, 1));
    assert_int_equal(seal_open(f->key, &at, s, back, &len), -EBADMSG);
}

static void erasing_leaves_zeros_where_the_slot_was(void **state)
{
    struct vault_fixture *f = *state;
    const char *both[] = { person(1), person(3), person(1), person(99) };
    size_t len;
    uint32_t first;

    for (unsigned i = 1; i <= 3; i++)
        add_durably(f, i);
    must(f, vault_add_lookup(f->vault, person(1), NUMBER, SLICE_STR("1"), &f->err));
    must(f, vault_sync(f->vault, &f->err));
    must(f, vault_settle(f->vault, true, &f->err));
    uint8_t *before = read_whole(f->path, &len);
    must(f, vault_erase(f->vault, both, 4, &f->err));
    uint8_t *after = read_whole(f->path, &len);
    assert_int_equal(slots_used(f, &first), 1);
    /* Nothing else than zeros was written, but for the header. */
    for (size_t at = SLOTS_AT; at < len; at++)
        if (after[at] != before[at])
            assert_int_equal(after[at], 0);
    free(before);
    free(after);
    assert_true(has(f, 2));
}

static void free_slots_are_used_again_and_the_file_grows_when_none_is_left(void **state)
{
    struct vault_fixture *f = *state;
    size_t first_len, len;

    free(read_whole(f->path, &first_len));
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 248; i++)
            must(f, add(f, i));
        must(f, vault_sync(f->vault, &f->err));
        must(f, vault_settle(f->vault, true, &f->err));
        for (unsigned i = 0; i < 248; i += 4) {
            const char *four[] = { person(i), person(i + 1), person(i + 2), person(i + 3) };
            must(f, vault_erase(f->vault, four, 4, &f->err));
        }
    }
    free(read_whole(f->path, &len));
    assert_int_equal(len, first_len);
    for (unsigned i = 0; i < 2500; i++)
        must(f, add(f, i));
    must(f, vault_sync(f->vault, &f->err));
    assert_int_equal(stats_of(f).slots, 2592);
    free(read_whole(f->path, &len));
    assert_int_equal(len, slot_at(2592));
    reopen(f);
    for (unsigned i = 0; i < 2500; i++) {
        assert_true(has(f, i));
        assert_int_equal(finds(f, MAIL, mail(i)), i);
    }
}

/* ---- look-ups ---- */

static void a_look_up_is_added_and_taken_away(void **state)
{
    struct vault_fixture *f = *state;
    struct slice value = SLICE_STR("new@a.example");

    add_durably(f, 1);
    must(f, vault_add_lookup(f->vault, person(1), MAIL, value, &f->err));
    must(f, vault_sync(f->vault, &f->err));
    assert_int_equal(slots_used(f, NULL), 1); /* the older version is zeroed */
    must(f, vault_settle(f->vault, true, &f->err));
    assert_int_equal(finds(f, MAIL, "new@a.example"), 1);
    assert_int_equal(finds(f, MAIL, mail(1)), 1);
    uint64_t generation = vault_generation(f->vault);
    must(f, vault_add_lookup(f->vault, person(1), MAIL, value, &f->err)); /* she has it */
    assert_int_equal(vault_generation(f->vault), generation);
    must(f, vault_remove_lookup(f->vault, person(1), MAIL, text_slice(mail(1)), &f->err));
    must(f, vault_remove_lookup(f->vault, person(1), MAIL, text_slice(mail(1)), &f->err));
    must(f, vault_remove_lookup(f->vault, person(7), MAIL, value, &f->err));
    assert_int_equal(finds(f, MAIL, mail(1)), 0);
    reopen(f);
    assert_int_equal(finds(f, MAIL, "new@a.example"), 1);
    assert_int_equal(finds(f, MAIL, mail(1)), 0);
    assert_int_equal(slots_used(f, NULL), 1);
    assert_int_equal(stats_of(f).persons, 1);
}

static void a_value_finds_one_person_only(void **state)
{
    struct vault_fixture *f = *state;
    struct vault_lookup taken[] = { { NUMBER, SLICE_STR("7") }, { MAIL, text_slice(mail(1)) } };

    add_durably(f, 1);
    assert_int_equal(vault_add(f->vault, person(2), taken, 2, &f->err), -EEXIST);
    assert_false(has(f, 2));
    assert_int_equal(finds(f, NUMBER, "7"), 0);
    assert_int_equal(vault_add(f->vault, person(1), NULL, 0, &f->err), -EEXIST);
    must(f, vault_add(f->vault, person(2), taken, 1, &f->err));
    assert_int_equal(vault_add_lookup(f->vault, person(2), MAIL, text_slice(mail(1)), &f->err),
                     -EEXIST);
    assert_null(strstr(f->err.text, "a.example"));
    assert_int_equal(finds(f, MAIL, mail(1)), 1);
}

static void a_person_has_only_so_many(void **state)
{
    struct vault_fixture *f = *state;
    struct vault_lookup many[VAULT_LOOKUPS + 1];

    for (unsigned i = 0; i <= VAULT_LOOKUPS; i++)
        many[i] = (struct vault_lookup) { (uint8_t)(i + 1), SLICE_STR("x") };
    assert_int_equal(vault_add(f->vault, person(1), many, VAULT_LOOKUPS + 1, &f->err), -E2BIG);
    assert_false(has(f, 1));
    many[8] = many[0]; /* given twice is once */
    must(f, vault_add(f->vault, person(1), many, VAULT_LOOKUPS + 1, &f->err));
    assert_int_equal(vault_add_lookup(f->vault, person(1), 9, SLICE_STR("x"), &f->err), -E2BIG);
    must(f, vault_sync(f->vault, &f->err));
    reopen(f);
    for (unsigned i = 1; i <= VAULT_LOOKUPS; i++)
        assert_int_equal(finds(f, (uint8_t)i, "x"), 1);
}

static void bad_input_is_refused(void **state)
{
    struct vault_fixture *f = *state;
    const char *wrong[] = { person(1), "Anna" };
    struct vault_lookup none = { 0, SLICE_STR("x") };

    add_durably(f, 1);
    assert_int_equal(vault_add(f->vault, "Anna", NULL, 0, &f->err), -EINVAL);
    assert_int_equal(vault_add(f->vault, person(2), &none, 1, &f->err), -EINVAL);
    assert_int_equal(vault_add_lookup(f->vault, person(1), 0, none.value, &f->err), -EINVAL);
    assert_int_equal(vault_add_lookup(f->vault, person(9), 1, none.value, &f->err), -ENOENT);
    assert_int_equal(vault_add_lookup(f->vault, "", 1, none.value, &f->err), -EINVAL);
    assert_int_equal(vault_remove_lookup(f->vault, "", 1, none.value, &f->err), -EINVAL);
    assert_int_equal(vault_erase(f->vault, wrong, 2, &f->err), -EINVAL);
    assert_int_equal(vault_key(f->vault, "Anna", f->key), -EINVAL);
    assert_int_equal(vault_find(f->vault, 0, none.value, f->key), -EINVAL);
    assert_true(has(f, 1)); /* one bad id: nothing is erased */
}

static void hashes_and_derived_keys_are_this_vaults_own(void **state)
{
    struct vault_fixture *f = *state;
    struct vault_config config = { .service = "others", .master = f->master };
    uint8_t a[2][16], b[2][16], x[32], y[32], z[32];
    char path[128], long_name[66];
    struct vault *other;

    assert_int_equal(master_vault_path(f->home, "others", path, sizeof(path)), 0);
    config.path = path;
    must(f, vault_open(&other, &config, &f->err));
    vault_hash(f->vault, MAIL, SLICE_STR("x"), a[0]);
    vault_hash(f->vault, NUMBER, SLICE_STR("x"), a[1]);
    vault_hash(other, MAIL, SLICE_STR("x"), b[0]);
    assert_memory_not_equal(a[0], a[1], 16);
    assert_memory_not_equal(a[0], b[0], 16);
    assert_int_equal(vault_derive(f->vault, "pseudonym", x), 0);
    assert_int_equal(vault_derive(f->vault, "pseudonyms", y), 0);
    assert_int_equal(vault_derive(other, "pseudonym", z), 0);
    assert_memory_not_equal(x, y, 32);
    assert_memory_not_equal(x, z, 32);
    memset(long_name, 'x', 65);
    long_name[65] = '\0';
    assert_int_equal(vault_derive(f->vault, long_name, x), -EINVAL);
    vault_close(other);
    reopen(f);
    vault_hash(f->vault, MAIL, SLICE_STR("x"), b[1]);
    assert_memory_equal(a[0], b[1], 16);
    assert_int_equal(vault_derive(f->vault, "pseudonyms", z), 0);
    assert_memory_equal(y, z, 32);
}

/* ---- between vault and log ---- */

static void a_secret_is_kept_as_long_as_its_slot(void **state)
{
    static const uint8_t secret[] = "thirty-two bytes that are secret";
    struct vault_fixture *f = *state;
    uint8_t kept[VAULT_SECRET_BYTES];

    must(f, vault_add_secret(f->vault, person(1), secret, &f->err));
    must(f, vault_sync(f->vault, &f->err));
    must(f, vault_settle(f->vault, true, &f->err));
    assert_int_equal(vault_add_secret(f->vault, person(1), secret, &f->err), -EEXIST);
    reopen(f);
    assert_int_equal(vault_secret(f->vault, person(1), f->key, kept), 0);
    assert_memory_equal(kept, secret, sizeof(kept));
    assert_string_equal(seal_key_person(f->key), "");
    must(f, erase(f, 1));
    assert_int_equal(vault_secret(f->vault, person(1), f->key, kept), -ENOENT);
}

static void what_did_not_commit_is_taken_back(void **state)
{
    struct vault_fixture *f = *state;

    add_durably(f, 1);
    must(f, add(f, 2));
    must(f, vault_add_lookup(f->vault, person(1), NUMBER, SLICE_STR("1"), &f->err));
    must(f, vault_add_lookup(f->vault, person(2), NUMBER, SLICE_STR("2"), &f->err));
    must(f, vault_sync(f->vault, &f->err));
    must(f, vault_settle(f->vault, false, &f->err));
    assert_true(has(f, 1));
    assert_false(has(f, 2));
    assert_int_equal(finds(f, NUMBER, "1"), 0);
    assert_int_equal(finds(f, NUMBER, "2"), 0);
    assert_int_equal(finds(f, MAIL, mail(1)), 1);
    must(f, vault_settle(f->vault, false, &f->err)); /* nothing is left to settle */
    reopen(f);
    assert_true(has(f, 1));
    assert_false(has(f, 2));
    assert_int_equal(slots_used(f, NULL), 1);
}

static bool is_even(void *arg, const char *id)
{
    uint8_t bytes[ID_BYTES];

    ++*(unsigned *)arg;
    assert_true(id_read(id, bytes));
    return bytes[12] % 2 == 0;
}

static void a_sweep_erases_whom_nobody_knows(void **state)
{
    struct vault_fixture *f = *state;
    unsigned asked = 0;
    uint64_t erased = 0;

    for (unsigned i = 0; i < 1200; i++)
        must(f, add(f, i));
    must(f, vault_sync(f->vault, &f->err));
    assert_int_equal(vault_sweep(f->vault, is_even, &asked, &erased, &f->err), -EBUSY);
    assert_int_equal(asked, 0);
    must(f, vault_settle(f->vault, true, &f->err));
    must(f, vault_sweep(f->vault, is_even, &asked, &erased, &f->err));
    assert_int_equal(asked, 1200);
    assert_int_equal(erased, 600);
    for (unsigned i = 0; i < 1200; i++)
        assert_int_equal(has(f, i), i % 2 == 0);
    assert_int_equal(slots_used(f, NULL), 600);
    must(f, vault_sweep(f->vault, is_even, &asked, &erased, &f->err));
    assert_int_equal(erased, 0);
}

/* ---- damage ---- */

static void damage(struct vault_fixture *f, uint64_t at, size_t len)
{
    int fd = open(f->path, O_RDWR);
    uint8_t byte;

    assert_return_code(fd, errno);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(pread(fd, &byte, 1, (off_t)(at + i)), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)(at + i)), 1);
    }
    close(fd);
}

static void a_damaged_slot_is_named_and_nothing_overwritten(void **state)
{
    struct vault_fixture *f = *state;
    struct vault_config config = {
        .path = f->path, .service = "notes", .master = f->master, .leave_damaged = true
    };
    uint64_t erased;
    unsigned asked;
    uint32_t first = 0;
    bool done;

    add_durably(f, 2);
    must(f, vault_sync(f->vault, &f->err));
    slots_used(f, &first);
    shut(f);
    for (size_t at = 0; at < SLOT_BYTES; at += 51) {
        damage(f, slot_at(first) + at, 1);
        opening_fails(f, EBADMSG, "1 of 256 slots are damaged, the first is number 255");
        damage(f, slot_at(first) + at, 1);
    }
    damage(f, slot_at(first) + 100, 3);
    must(f, vault_open(&f->vault, &config, &f->err));
    assert_false(has(f, 2));
    assert_int_equal(stats_of(f).damaged, 1);
    add_durably(f, 4);
    must(f, master_rotate(f->master, &f->err));
    assert_int_equal(vault_rotate(f->vault, f->master, 5000, &done, &f->err), -EBADMSG);
    must(f, vault_sweep(f->vault, is_even, &asked, &erased, &f->err));
    assert_int_equal(erased, 0);
    shut(f);
    damage(f, slot_at(first) + 100, 3); /* mended: all of it is still there */
    must(f, try_open(f));
    assert_true(has(f, 2));
    assert_true(has(f, 4));
}

static void a_slot_is_nothing_elsewhere(void **state)
{
    struct vault_fixture *f = *state;
    uint8_t slot[SLOT_BYTES];
    uint32_t first = 0;

    add_durably(f, 1);
    add_durably(f, 2);
    slots_used(f, &first);
    shut(f);
    int fd = open(f->path, O_RDWR);
    assert_int_equal(pread(fd, slot, sizeof(slot), (off_t)slot_at(first)), sizeof(slot));
    assert_int_equal(pwrite(fd, slot, sizeof(slot), (off_t)slot_at(first - 3)), sizeof(slot));
    close(fd);
    opening_fails(f, EBADMSG, "1 of 256 slots are damaged");
}

static void one_damaged_header_does_not_matter_two_do(void **state)
{
    struct vault_fixture *f = *state;

    add_durably(f, 1);
    add_durably(f, 2);
    must(f, erase(f, 2));
    f->recorded = vault_generation(f->vault) - 1;
    for (unsigned copy = 0; copy < 2; copy++) {
        shut(f);
        damage(f, copy * HEADER_COPY_AT + 50, 1);
        must(f, try_open(f));
        assert_true(stats_of(f).header_damaged);
        assert_true(has(f, 1));
        add_durably(f, 3);
        must(f, erase(f, 3)); /* writes the damaged copy */
        reopen(f);
        assert_false(stats_of(f).header_damaged);
        f->recorded = vault_generation(f->vault);
    }
    shut(f);
    damage(f, 120, 1);
    damage(f, HEADER_COPY_AT + 180, 1);
    opening_fails(f, EBADMSG, "its header is damaged");
}

static void every_byte_of_the_headers_counts(void **state)
{
    struct vault_fixture *f = *state;

    shut(f);
    for (unsigned at = 0; at < 188; at += 3) {
        damage(f, at, 1);
        damage(f, HEADER_COPY_AT + at, 1);
        assert_int_equal(try_open(f), -EBADMSG);
        damage(f, at, 1);
        damage(f, HEADER_COPY_AT + at, 1);
    }
    must(f, try_open(f));
}

static void a_file_of_another_length_is_refused(void **state)
{
    struct vault_fixture *f = *state;
    size_t len;

    add_durably(f, 1);
    shut(f);
    uint8_t *bytes = read_whole(f->path, &len);
    for (size_t cut = 0; cut < len; cut += cut < 9000 ? 1023 : 37003) {
        write_whole(f->path, bytes, cut);
        opening_fails(f, EBADMSG, "cut short");
    }
    write_whole(f->path, bytes, len);
    int fd = open(f->path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "\0\0\0x", 4), 4);
    close(fd);
    opening_fails(f, EBADMSG, "after its last slot");
    write_whole(f->path, bytes, len);
    assert_int_equal(truncate(f->path, (off_t)len + 1000), 0); /* a growth that was cut off */
    must(f, try_open(f));
    for (unsigned i = 2; i < 1100; i++)
        must(f, add(f, i));
    must(f, vault_sync(f->vault, &f->err));
    reopen(f);
    free(bytes);
}

static void what_is_no_vault_of_ours_is_refused(void **state)
{
    struct vault_fixture *f = *state;
    struct vault_config config = { .path = f->path, .service = "others", .master = f->master };
    char text[10000];
    struct vault *none;
    size_t len;

    assert_int_equal(vault_open(&none, &config, &f->err), -EBUSY); /* before anything else */
    shut(f);
    assert_int_equal(vault_open(&none, &config, &f->err), -EBADMSG);
    assert_non_null(strstr(f->err.text, "it is the vault of \"notes\", not of \"others\""));
    config.service = "Notes";
    assert_int_equal(vault_open(&none, &config, &f->err), -EINVAL);
    uint8_t *bytes = read_whole(f->path, &len);
    assert_int_equal(chmod(f->path, 0644), 0);
    opening_fails(f, EACCES, "mode 0600");
    assert_int_equal(chmod(f->path, 0600), 0);
    memset(text, 'x', sizeof(text));
    write_whole(f->path, text, sizeof(text));
    opening_fails(f, EBADMSG, "this is no vault");
    write_whole(f->path, "", 0);
    opening_fails(f, EBADMSG, "cut short");
    write_whole(f->path, bytes, len);
    must(f, try_open(f));
    free(bytes);
}

static void another_process_is_kept_out(void **state)
{
    struct vault_fixture *f = *state;
    struct vault *mine = f->vault;

    assert_int_equal(try_open(f), -EBUSY);
    assert_non_null(strstr(f->err.text, "another process has it open"));
    f->vault = mine;
}

/* ---- older copies ---- */

static void an_older_copy_is_found_by_its_generation(void **state)
{
    struct vault_fixture *f = *state;
    size_t len;

    add_durably(f, 1);
    uint8_t *older = read_whole(f->path, &len);
    f->recorded = vault_generation(f->vault);
    reopen(f);
    must(f, erase(f, 1));
    assert_true(vault_generation(f->vault) > f->recorded);
    f->recorded = vault_generation(f->vault);
    reopen(f); /* an erasure leaves its mark, though nothing of the slot */
    shut(f);
    write_whole(f->path, older, len);
    opening_fails(f, ESTALE, "an older copy");
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(try_open(f), -ENOENT);
    assert_non_null(strstr(f->err.text, "it is missing"));
    assert_int_equal(access(f->path, F_OK), -1);
    free(older);
}

static void a_slot_brought_back_is_found_by_the_sweep(void **state)
{
    struct vault_fixture *f = *state;
    uint8_t slot[SLOT_BYTES];
    unsigned asked = 0;
    uint64_t erased;
    uint32_t first = 0;

    add_durably(f, 1);
    slots_used(f, &first);
    int fd = open(f->path, O_RDWR);
    assert_int_equal(pread(fd, slot, sizeof(slot), (off_t)slot_at(first)), sizeof(slot));
    must(f, erase(f, 1));
    shut(f);
    assert_int_equal(pwrite(fd, slot, sizeof(slot), (off_t)slot_at(first)), sizeof(slot));
    close(fd);
    must(f, try_open(f));
    assert_true(has(f, 1));
    must(f, vault_sweep(f->vault, is_even, &asked, &erased, &f->err));
    assert_int_equal(erased, 1);
    assert_false(has(f, 1));
}

static void an_older_version_of_a_person_loses(void **state)
{
    struct vault_fixture *f = *state;
    uint8_t slot[SLOT_BYTES];
    uint32_t at[2] = { 0 };

    add_durably(f, 1);
    for (uint8_t i = 0; i < 2; i++) { /* it stands behind the newer one, then before it */
        slots_used(f, &at[i]);
        int fd = open(f->path, O_RDWR);
        assert_int_equal(pread(fd, slot, sizeof(slot), (off_t)slot_at(at[i])), sizeof(slot));
        must(f, vault_add_lookup(f->vault, person(1), 10 + i, SLICE_STR("x"), &f->err));
        must(f, vault_sync(f->vault, &f->err));
        shut(f);
        assert_int_equal(pwrite(fd, slot, sizeof(slot), (off_t)slot_at(at[i])), sizeof(slot));
        close(fd);
        assert_int_equal(slots_used(f, NULL), 2);
        must(f, try_open(f));
        assert_int_equal(stats_of(f).persons, 1);
        assert_int_equal(finds(f, 10 + i, "x"), 1);
        assert_int_equal(slots_used(f, NULL), 1);
    }
    assert_int_not_equal(at[0], at[1]);
}

/* ---- rotation ---- */

static void a_rotation_takes_everybody_over_while_others_come_and_go(void **state)
{
    struct vault_fixture *f = *state;
    char next[160];
    bool done = false;
    unsigned n = 1500;

    for (unsigned i = 0; i < n; i++)
        must(f, add(f, i));
    must(f, vault_sync(f->vault, &f->err));
    must(f, vault_settle(f->vault, true, &f->err));
    must(f, master_rotate(f->master, &f->err));
    for (unsigned step = 0; !done; step++) {
        must(f, vault_rotate(f->vault, f->master, 37, &done, &f->err));
        must(f, add(f, n++));
        must(f, vault_add_lookup(f->vault, person(3 * step + 1), NUMBER, text_slice(mail(step)),
                                 &f->err));
        must(f, vault_sync(f->vault, &f->err));
        must(f, vault_settle(f->vault, true, &f->err));
        must(f, erase(f, 3 * step));
        assert_true(stats_of(f).rotated > 0 || done);
    }
    (void)snprintf(next, sizeof(next), "%s.next", f->path);
    assert_int_equal(access(next, F_OK), -1);
    must(f, vault_rotate(f->vault, f->master, 37, &done, &f->err)); /* nothing is left to do */
    assert_true(done);
    f->recorded = vault_generation(f->vault);
    shut(f);
    must(f, master_rotated(f->master, &f->err));
    must(f, try_open(f));
    unsigned steps = n - 1500;
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(has(f, i), i % 3 != 0 || i >= 3 * steps);
    for (unsigned step = 0; step < steps; step++)
        assert_int_equal(finds(f, NUMBER, mail(step)), 3 * step + 1);
}

static void a_copy_from_before_a_rotation_is_worthless_after_it(void **state)
{
    struct vault_fixture *f = *state;
    bool done;
    size_t len;

    add_durably(f, 1);
    uint8_t *older = read_whole(f->path, &len);
    must(f, master_rotate(f->master, &f->err));
    must(f, vault_rotate(f->vault, f->master, 5000, &done, &f->err));
    assert_true(done);
    shut(f);
    must(f, master_rotated(f->master, &f->err));
    write_whole(f->path, older, len);
    opening_fails(f, EKEYREJECTED, "the right one back");
    free(older);
}

static void a_rotation_cut_off_leaves_nothing(void **state)
{
    struct vault_fixture *f = *state;
    char next[160];
    bool done;

    add_durably(f, 1);
    must(f, master_rotate(f->master, &f->err));
    must(f, vault_rotate(f->vault, f->master, 10, &done, &f->err));
    assert_false(done);
    (void)snprintf(next, sizeof(next), "%s.next", f->path);
    assert_int_equal(access(next, F_OK), 0);
    shut(f);
    assert_int_equal(access(next, F_OK), -1);
    write_whole(next, "left over", 9); /* of a crash */
    must(f, try_open(f));
    assert_int_equal(access(next, F_OK), -1);
    assert_true(has(f, 1));
    must(f, vault_rotate(f->vault, f->master, 5000, &done, &f->err));
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VAULT_TEST(a_person_is_there_until_erased),
        VAULT_TEST(a_data_key_stays_the_same_and_is_nobody_elses),
        VAULT_TEST(erasing_leaves_zeros_where_the_slot_was),
        VAULT_TEST(free_slots_are_used_again_and_the_file_grows_when_none_is_left),
        VAULT_TEST(a_look_up_is_added_and_taken_away),
        VAULT_TEST(a_value_finds_one_person_only),
        VAULT_TEST(a_person_has_only_so_many),
        VAULT_TEST(bad_input_is_refused),
        VAULT_TEST(hashes_and_derived_keys_are_this_vaults_own),
        VAULT_TEST(a_secret_is_kept_as_long_as_its_slot),
        VAULT_TEST(what_did_not_commit_is_taken_back),
        VAULT_TEST(a_sweep_erases_whom_nobody_knows),
        VAULT_TEST(a_damaged_slot_is_named_and_nothing_overwritten),
        VAULT_TEST(a_slot_is_nothing_elsewhere),
        VAULT_TEST(one_damaged_header_does_not_matter_two_do),
        VAULT_TEST(every_byte_of_the_headers_counts),
        VAULT_TEST(a_file_of_another_length_is_refused),
        VAULT_TEST(what_is_no_vault_of_ours_is_refused),
        VAULT_TEST(another_process_is_kept_out),
        VAULT_TEST(an_older_copy_is_found_by_its_generation),
        VAULT_TEST(a_slot_brought_back_is_found_by_the_sweep),
        VAULT_TEST(an_older_version_of_a_person_loses),
        VAULT_TEST(a_rotation_takes_everybody_over_while_others_come_and_go),
        VAULT_TEST(a_copy_from_before_a_rotation_is_worthless_after_it),
        VAULT_TEST(a_rotation_cut_off_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
