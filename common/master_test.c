#include "common/master.h"

#include <fcntl.h>
#include <sodium.h>

#include "common/vault_testing.h"

struct masters {
    struct vault_fixture f; /* without vault and master */
    char key[128], next[128], given[128];
};

static int setup(void **state)
{
    struct masters *m = calloc(1, sizeof(*m));

    make_home(&m->f);
    (void)snprintf(m->key, sizeof(m->key), "%s/master.key", m->f.home);
    (void)snprintf(m->next, sizeof(m->next), "%s/master.key.next", m->f.home);
    (void)snprintf(m->given, sizeof(m->given), "%s/fokus-master-key", m->f.home);
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    struct masters *m = *state;

    vault_close(m->f.vault);
    master_close(m->f.master);
    remove_home(&m->f);
    free(m);
    return 0;
}

static void open_it(struct masters *m, const char *credentials)
{
    master_close(m->f.master);
    m->f.master = NULL;
    must(&m->f, master_open(&m->f.master, m->f.home, credentials, &m->f.err));
}

static void refused(struct masters *m, const char *credentials, int errnum, const char *says)
{
    struct master *none = NULL;

    assert_int_equal(master_open(&none, m->f.home, credentials, &m->f.err), -errnum);
    assert_null(none);
    if (!strstr(m->f.err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", m->f.err.text, says);
}

static void close_all(struct masters *m)
{
    vault_close(m->f.vault);
    m->f.vault = NULL;
    master_close(m->f.master);
    m->f.master = NULL;
}

static void the_first_start_makes_a_key_and_the_next_finds_it(void **state)
{
    struct masters *m = *state;
    struct master_key first;
    struct stat st;

    mode_t umask_before = umask(0);
    open_it(m, NULL);
    umask(umask_before);
    first = *master_current(m->f.master);
    assert_null(master_next(m->f.master));
    assert_ptr_equal(master_newest(m->f.master), master_current(m->f.master));
    assert_int_equal(stat(m->key, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    open_it(m, NULL);
    assert_memory_equal(&first, master_current(m->f.master), sizeof(first));
    /* Another home gets another. */
    assert_false(sodium_is_zero(first.bytes, sizeof(first.bytes)));
    assert_int_equal(unlink(m->key), 0);
    open_it(m, NULL);
    assert_memory_not_equal(&first, master_current(m->f.master), sizeof(first));
}

static void a_key_that_others_may_read_is_refused(void **state)
{
    struct masters *m = *state;
    size_t len;

    open_it(m, NULL);
    uint8_t *bytes = read_whole(m->key, &len);
    assert_int_equal(chmod(m->key, 0640), 0);
    refused(m, NULL, EACCES, "its mode is 0640, wanted is 0600");
    assert_int_equal(chmod(m->key, 0400), 0);
    refused(m, NULL, EACCES, "its mode is 0400");
    assert_int_equal(chmod(m->key, 0600), 0);
    open_it(m, NULL);
    assert_untouched(m->key, bytes, len);
    free(bytes);
}

static void a_damaged_key_is_refused_and_left(void **state)
{
    struct masters *m = *state;
    size_t len;

    open_it(m, NULL);
    uint8_t *bytes = read_whole(m->key, &len);
    for (size_t at = 0; at < len; at++) {
        uint8_t was = bytes[at];
        bytes[at] = was == '3' ? '4' : '3';
        write_whole(m->key, bytes, len);
        refused(m, NULL, EBADMSG, "its text is damaged");
        assert_untouched(m->key, bytes, len);
        bytes[at] = was;
    }
    for (size_t cut = 0; cut < len; cut += 7) {
        write_whole(m->key, bytes, cut);
        refused(m, NULL, EBADMSG, "cut short");
        assert_untouched(m->key, bytes, cut);
    }
    bytes[len] = 'x';
    write_whole(m->key, bytes, len + 1);
    refused(m, NULL, EBADMSG, "Put the right one back");
    write_whole(m->key, bytes, len);
    open_it(m, NULL);
    free(bytes);
}

static void what_is_no_plain_file_is_refused(void **state)
{
    struct masters *m = *state;

    assert_int_equal(mkdir(m->key, 0700), 0);
    refused(m, NULL, EACCES, "not a plain file");
    assert_int_equal(rmdir(m->key), 0);
    assert_int_equal(mkfifo(m->key, 0600), 0);
    refused(m, NULL, EACCES, "not a plain file");
    assert_int_equal(unlink(m->key), 0);
    assert_int_equal(symlink("elsewhere", m->key), 0);
    refused(m, NULL, ELOOP, "cannot read it");
    assert_int_equal(unlink(m->key), 0);
}

static void a_missing_key_is_not_made_anew_while_a_vault_exists(void **state)
{
    struct masters *m = *state;
    char away[160];
    struct stat st;

    open_it(m, NULL);
    must(&m->f, try_open(&m->f));
    close_all(m);
    (void)snprintf(away, sizeof(away), "%s.away", m->key);
    assert_int_equal(rename(m->key, away), 0);
    refused(m, NULL, ENOENT, "notes.vault");
    assert_int_equal(stat(m->key, &st), -1);
    assert_int_equal(rename(away, m->key), 0);
    open_it(m, NULL);
    must(&m->f, try_open(&m->f));
}

static void a_missing_key_is_not_made_anew_while_the_next_exists(void **state)
{
    struct masters *m = *state;

    must(&m->f, master_make_file(m->next, &m->f.err));
    refused(m, NULL, ENOENT, "master.key.next");
}

static void the_wrong_key_does_not_open_a_vault(void **state)
{
    struct masters *m = *state;
    size_t len;

    open_it(m, NULL);
    must(&m->f, try_open(&m->f));
    add_durably(&m->f, 1);
    close_all(m);
    uint8_t *bytes = read_whole(m->f.path, &len);
    assert_int_equal(unlink(m->key), 0);
    must(&m->f, master_make_file(m->key, &m->f.err));
    open_it(m, NULL);
    assert_int_equal(try_open(&m->f), -EKEYREJECTED);
    assert_non_null(strstr(m->f.err.text, "it lies under the master key"));
    assert_untouched(m->f.path, bytes, len);
    free(bytes);
}

static void a_key_file_is_never_overwritten(void **state)
{
    struct masters *m = *state;
    size_t len;

    must(&m->f, master_make_file(m->key, &m->f.err));
    uint8_t *bytes = read_whole(m->key, &len);
    assert_int_equal(master_make_file(m->key, &m->f.err), -EEXIST);
    assert_untouched(m->key, bytes, len);
    free(bytes);
}

static void a_credential_is_taken_and_no_file_made(void **state)
{
    struct masters *m = *state;
    struct master_key given;
    struct stat st;

    must(&m->f, master_make_file(m->given, &m->f.err));
    assert_int_equal(chmod(m->given, 0440), 0); /* as the service manager does */
    open_it(m, m->f.home);
    given = *master_current(m->f.master);
    assert_int_equal(stat(m->key, &st), -1);
    assert_int_equal(master_rotate(m->f.master, &m->f.err), -ENOTSUP);
    assert_non_null(strstr(m->f.err.text, "fokus-master-key.next"));
    /* The same key in both places is fine, two keys are not. */
    assert_int_equal(chmod(m->given, 0600), 0);
    assert_int_equal(link(m->given, m->key), 0);
    open_it(m, m->f.home);
    assert_int_equal(unlink(m->key), 0);
    must(&m->f, master_make_file(m->key, &m->f.err));
    refused(m, m->f.home, EEXIST, "another one is given as a credential");
    /* Other credentials than ours mean nothing. */
    assert_int_equal(unlink(m->given), 0);
    open_it(m, m->f.home);
    assert_memory_not_equal(&given, master_current(m->f.master), sizeof(given));
    open_it(m, "");
}

static void rotate_vault(struct masters *m)
{
    bool done = false;

    while (!done)
        must(&m->f, vault_rotate(m->f.vault, m->f.master, 100, &done, &m->f.err));
}

static void a_rotation_ends_when_no_vault_lies_under_the_old_key(void **state)
{
    struct masters *m = *state;
    struct master_key old, next;
    struct stat st;

    open_it(m, NULL);
    must(&m->f, try_open(&m->f));
    add_durably(&m->f, 1);
    old = *master_current(m->f.master);
    must(&m->f, master_rotated(m->f.master, &m->f.err)); /* none is under way */
    must(&m->f, master_rotate(m->f.master, &m->f.err));
    next = *master_next(m->f.master);
    assert_memory_not_equal(&old, &next, sizeof(old));
    must(&m->f, master_rotate(m->f.master, &m->f.err)); /* the same one */
    assert_memory_equal(master_next(m->f.master), &next, sizeof(next));
    assert_int_equal(master_rotated(m->f.master, &m->f.err), -EBUSY);
    assert_non_null(strstr(m->f.err.text, "notes.vault"));

    /* Both keys are there at a start in between. */
    open_it(m, NULL);
    assert_memory_equal(master_current(m->f.master), &old, sizeof(old));
    assert_memory_equal(master_next(m->f.master), &next, sizeof(next));
    reopen(&m->f);
    rotate_vault(m);
    reopen(&m->f);
    int fd = open(m->key, O_RDONLY);
    must(&m->f, master_rotated(m->f.master, &m->f.err));
    assert_memory_equal(master_current(m->f.master), &next, sizeof(next));
    assert_null(master_next(m->f.master));
    assert_int_equal(stat(m->next, &st), -1);
    /* The old key is gone from its file. */
    char was[200] = "x";
    ssize_t n = read(fd, was, sizeof(was));
    assert_true(n > 0 && sodium_is_zero((uint8_t *)was, (size_t)n));
    close(fd);
    open_it(m, NULL);
    assert_memory_equal(master_current(m->f.master), &next, sizeof(next));
    reopen(&m->f);
}

static void a_damaged_vault_keeps_the_old_key(void **state)
{
    struct masters *m = *state;

    open_it(m, NULL);
    must(&m->f, try_open(&m->f));
    must(&m->f, master_rotate(m->f.master, &m->f.err));
    rotate_vault(m);
    int fd = open(m->f.path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 4096 + 40), 1);
    close(fd);
    assert_int_equal(master_rotated(m->f.master, &m->f.err), -EBADMSG);
    assert_non_null(master_next(m->f.master));
}

static void nobody_ends_a_rotation_while_another_starts(void **state)
{
    struct masters *m = *state;
    struct master *other;

    open_it(m, NULL);
    must(&m->f, master_rotate(m->f.master, &m->f.err));
    must(&m->f, master_open(&other, m->f.home, NULL, &m->f.err));
    assert_int_equal(master_rotated(m->f.master, &m->f.err), -EBUSY);
    assert_non_null(strstr(m->f.err.text, "another process"));
    master_close(other);
    must(&m->f, master_rotated(m->f.master, &m->f.err));
}

static void a_new_vault_is_made_under_the_next_key(void **state)
{
    struct masters *m = *state;

    open_it(m, NULL);
    must(&m->f, master_rotate(m->f.master, &m->f.err));
    must(&m->f, try_open(&m->f));
    must(&m->f, master_rotated(m->f.master, &m->f.err));
    reopen(&m->f);
}

static void given_keys_rotate_too(void **state)
{
    struct masters *m = *state;
    char next[160];

    must(&m->f, master_make_file(m->given, &m->f.err));
    open_it(m, m->f.home);
    must(&m->f, try_open(&m->f));
    (void)snprintf(next, sizeof(next), "%s.next", m->given);
    must(&m->f, master_make_file(next, &m->f.err));
    open_it(m, m->f.home);
    assert_int_equal(master_rotated(m->f.master, &m->f.err), -EBUSY);
    rotate_vault(m);
    must(&m->f, master_rotated(m->f.master, &m->f.err));
    /* Ours to say, the operator's to do. */
    assert_int_equal(rename(next, m->given), 0);
    open_it(m, m->f.home);
    reopen(&m->f);
}

static void an_escrow_brings_the_key_back(void **state)
{
    struct masters *m = *state;
    uint8_t public_key[32], secret_key[32], others_public[32], others_secret[32];
    char escrow[MASTER_ESCROW_CHARS + 1], again[MASTER_ESCROW_CHARS + 1], path[160];
    size_t len;

    assert_int_equal(crypto_box_keypair(public_key, secret_key), 0);
    assert_int_equal(crypto_box_keypair(others_public, others_secret), 0);
    open_it(m, NULL);
    must(&m->f, master_escrow(m->f.master, public_key, escrow, &m->f.err));
    must(&m->f, master_escrow(m->f.master, public_key, again, &m->f.err));
    assert_int_equal(strlen(escrow), MASTER_ESCROW_CHARS);
    assert_string_not_equal(escrow, again);

    (void)snprintf(path, sizeof(path), "%s/recovered", m->f.home);
    assert_int_equal(master_recover(escrow, others_public, others_secret, path, &m->f.err),
                     -EBADMSG);
    for (size_t i = 0; i < MASTER_ESCROW_CHARS; i++) {
        memcpy(again, escrow, sizeof(again));
        again[i] = again[i] == '3' ? '4' : '3';
        assert_int_equal(master_recover(again, public_key, secret_key, path, &m->f.err), -EBADMSG);
        again[i] = '\0';
        assert_int_equal(master_recover(again, public_key, secret_key, path, &m->f.err), -EBADMSG);
    }
    uint8_t *key = read_whole(m->key, &len);
    assert_int_equal(master_recover(escrow, public_key, secret_key, m->key, &m->f.err), -EEXIST);
    assert_untouched(m->key, key, len);
    must(&m->f, master_recover(escrow, public_key, secret_key, path, &m->f.err));
    assert_untouched(path, key, len);
    free(key);

    memset(public_key, 0, sizeof(public_key)); /* a point of small order */
    assert_int_equal(master_escrow(m->f.master, public_key, escrow, &m->f.err), -EINVAL);
}

static void names_lead_nowhere_else(void **state)
{
    char path[32];

    (void)state;
    assert_int_equal(master_vault_path("home", "../notes", path, sizeof(path)), -EINVAL);
    assert_int_equal(master_vault_path("home", "notes", path, 10), -ENAMETOOLONG);
    assert_int_equal(master_vault_path("home", "notes", path, sizeof(path)), 0);
    assert_string_equal(path, "home/vault/notes.vault");
}

#define MASTER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MASTER_TEST(the_first_start_makes_a_key_and_the_next_finds_it),
        MASTER_TEST(a_key_that_others_may_read_is_refused),
        MASTER_TEST(a_damaged_key_is_refused_and_left),
        MASTER_TEST(what_is_no_plain_file_is_refused),
        MASTER_TEST(a_missing_key_is_not_made_anew_while_a_vault_exists),
        MASTER_TEST(a_missing_key_is_not_made_anew_while_the_next_exists),
        MASTER_TEST(the_wrong_key_does_not_open_a_vault),
        MASTER_TEST(a_key_file_is_never_overwritten),
        MASTER_TEST(a_credential_is_taken_and_no_file_made),
        MASTER_TEST(a_rotation_ends_when_no_vault_lies_under_the_old_key),
        MASTER_TEST(a_damaged_vault_keeps_the_old_key),
        MASTER_TEST(nobody_ends_a_rotation_while_another_starts),
        MASTER_TEST(a_new_vault_is_made_under_the_next_key),
        MASTER_TEST(given_keys_rotate_too),
        MASTER_TEST(an_escrow_brings_the_key_back),
        cmocka_unit_test(names_lead_nowhere_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
