/* vault_testing.h - what the tests of seal, vault and master key share: a temporary FOKUS_HOME with a vault in it, and invented
 * persons by number. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/testing_tree.h"
#include "common/vault.h"

enum { MAIL = 1, NUMBER = 2 };

struct vault_fixture {
    char home[64], path[128];
    struct master *master;
    struct vault *vault;
    struct seal_key *key;
    uint64_t recorded;
    struct err err;
};

/* In memory where there is such a folder: these tests sync thousands of times, and what they ask is in which order. */
static inline void make_home(struct vault_fixture *f)
{
    bool in_memory = access("/dev/shm", W_OK) == 0;

    (void)snprintf(f->home, sizeof(f->home), "%svault-test-XXXXXX", in_memory ? "/dev/shm/" : "");
    assert_non_null(mkdtemp(f->home));
    assert_int_equal(master_vault_path(f->home, "notes", f->path, sizeof(f->path)), 0);
}

static inline void remove_home(const struct vault_fixture *f)
{
    assert_return_code(testing_remove_tree(f->home), errno);
}

static inline int try_open(struct vault_fixture *f)
{
    struct vault_config config = {
        .path = f->path, .service = "notes", .master = f->master, .recorded = f->recorded
    };

    f->vault = NULL;
    return vault_open(&f->vault, &config, &f->err);
}

static inline void must(struct vault_fixture *f, int r)
{
    if (r < 0)
        fail_msg("%d: %s", r, f->err.text);
}

static inline void open_master(struct vault_fixture *f)
{
    must(f, master_open(&f->master, f->home, NULL, &f->err));
}

static inline void reopen(struct vault_fixture *f)
{
    vault_close(f->vault);
    must(f, try_open(f));
}

static inline int vault_setup(void **state)
{
    struct vault_fixture *f = calloc(1, sizeof(*f));

    make_home(f);
    open_master(f);
    f->key = seal_key_new();
    must(f, try_open(f));
    *state = f;
    return 0;
}

static inline int vault_teardown(void **state)
{
    struct vault_fixture *f = *state;

#ifdef FOKUS_FAULTS
    for (int point = 0; point < FAULT_POINTS; point++)
        fault_arm((enum fault_point)point, 0);
#endif
    vault_close(f->vault);
    master_close(f->master);
    seal_key_free(f->key);
    remove_home(f);
    free(f);
    return 0;
}

#define VAULT_TEST(test) cmocka_unit_test_setup_teardown(test, vault_setup, vault_teardown)

/* Texts that live until the next few calls. */
static inline const char *text_of(const char *format, unsigned n)
{
    static char texts[16][64];
    static unsigned turn;
    char *text = texts[turn++ % 16];

    uint8_t id[ID_BYTES] = { 0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80 };
    if (format) {
        (void)snprintf(text, sizeof(texts[0]), "%s%u@a.example", format, n);
        return text;
    }
    memcpy(id + 12, &n, sizeof(n));
    id_write(id, text);
    return text;
}

static inline const char *person(unsigned n)
{
    return text_of(NULL, n);
}

static inline const char *mail(unsigned n)
{
    return text_of("mail", n);
}

static inline struct slice text_slice(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

static inline int add(struct vault_fixture *f, unsigned n)
{
    struct vault_lookup l = { MAIL, text_slice(mail(n)) };

    return vault_add(f->vault, person(n), &l, 1, &f->err);
}

static inline void add_durably(struct vault_fixture *f, unsigned n)
{
    must(f, add(f, n));
    must(f, vault_sync(f->vault, &f->err));
    must(f, vault_settle(f->vault, true, &f->err));
}

static inline int erase(struct vault_fixture *f, unsigned n)
{
    return vault_erase(f->vault, (const char *const[]) { person(n) }, 1, &f->err);
}

static inline bool has(struct vault_fixture *f, unsigned n)
{
    int r = vault_key(f->vault, person(n), f->key);

    if (r < 0 && r != -ENOENT)
        fail_msg("person %u: %d", n, r);
    return r == 0;
}

/* Whom a value finds: her number, or 0. */
static inline unsigned finds(struct vault_fixture *f, uint8_t kind, const char *value)
{
    uint8_t id[ID_BYTES];
    unsigned n;

    int r = vault_find(f->vault, kind, text_slice(value), f->key);
    if (r == -ENOENT)
        return 0;
    assert_int_equal(r, 0);
    assert_true(id_read(seal_key_person(f->key), id));
    memcpy(&n, id + 12, sizeof(n));
    return n;
}

/* Reads a whole file, and writes one. */
static inline uint8_t *read_whole(const char *path, size_t *ret_len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_return_code(fd, errno);
    assert_int_equal(fstat(fd, &st), 0);
    uint8_t *bytes = malloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
    close(fd);
    *ret_len = (size_t)st.st_size;
    return bytes;
}

static inline void write_whole(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_return_code(fd, errno);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

/* The file is byte for byte this. */
static inline void assert_untouched(const char *path, const uint8_t *bytes, size_t len)
{
    size_t now_len;
    uint8_t *now = read_whole(path, &now_len);

    assert_int_equal(now_len, len);
    assert_memory_equal(now, bytes, len);
    free(now);
}
