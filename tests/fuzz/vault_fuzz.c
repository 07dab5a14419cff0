/* vault_fuzz.c - a sealed value, a slot, a header and a whole vault file of arbitrary bytes: whatever opens says what its bytes say, the rest is
 * refused, nothing is written to a file that is refused. Fuzzers forge no seals, so the first byte says what the others are made into:
 * raw bytes, or the content of something rightly sealed. */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/vault_file.h"

enum { SLOTS = 8, FILE_MAX = SLOTS_AT + SLOTS * SLOT_BYTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct seal_place PLACE = { "email", "" };
static const uint8_t wrap[MASTER_KEY_BYTES] = { 1 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void sealed_value(const uint8_t *data, size_t len)
{
    struct seal_key *k = seal_key_new();
    uint8_t *back = malloc(len ? len : 1), *sealed = malloc(seal_size(len));
    size_t back_len;

    check(k && back && sealed);
    (void)snprintf(k->person, sizeof(k->person), "x");
    /* As it is: nobody sealed it. */
    check(seal_open(k, &PLACE, (struct slice) { data, len }, back, &back_len) < 0);
    /* As what is sealed. */
    check(seal_close(k, &PLACE, (struct slice) { data, len }, sealed) == 0);
    free(back);
    back = malloc(seal_size(len));
    check(back &&
          seal_open(k, &PLACE, (struct slice) { sealed, seal_size(len) }, back, &back_len) == 0);
    check(back_len == len && (len == 0 || memcmp(back, data, len) == 0));
    free(back);
    free(sealed);
    seal_key_free(k);
}

static void slot_and_header(const uint8_t *data, size_t len)
{
    struct vault_file f = { .fd = -1, .wrap = wrap };
    uint8_t bytes[HEADER_BYTES] = { 0 };
    struct vault_header h;
    struct slot s;

    memcpy(bytes, data, len < sizeof(bytes) ? len : sizeof(bytes));
    check(!slot_open(&f, 3, bytes, &s));
    if (header_look(bytes, &h))
        check(!header_open(bytes, wrap, &h));
    memcpy(&s, bytes, sizeof(s));
    bool good = s.live == 1 && sodium_is_zero(s.zeros, sizeof(s.zeros));
    slot_close(&f, 3, &s, bytes);
    check(!slot_open(&f, 2, bytes, &s));
    check(slot_open(&f, 3, bytes, &s) == good);
}

/* ---- a file ---- */

struct home {
    char path[64], vault[128];
    struct master *master;
};

static struct home home;

static void remove_home(void)
{
    char path[128];

    master_close(home.master);
    (void)unlink(home.vault);
    (void)snprintf(path, sizeof(path), "%s/vault", home.path);
    (void)rmdir(path);
    (void)snprintf(path, sizeof(path), "%s/master.key", home.path);
    (void)unlink(path);
    (void)rmdir(home.path);
}

/* In memory where there is such a folder: nobody asks here whether a disk keeps it. */
static struct home *the_home(void)
{
    char folder[96];
    struct err err;

    if (home.master)
        return &home;
    (void)snprintf(home.path, sizeof(home.path), "%s/vault-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    check(mkdtemp(home.path) != NULL);
    (void)snprintf(folder, sizeof(folder), "%s/vault", home.path);
    check(mkdir(folder, 0700) == 0);
    check(master_open(&home.master, home.path, NULL, &err) == 0);
    check(master_vault_path(home.path, "fuzz", home.vault, sizeof(home.vault)) == 0);
    check(atexit(remove_home) == 0);
    return &home;
}

/* Headers and slots rightly sealed, with what the input says in them. */
static size_t build(const struct home *h, const uint8_t *data, size_t len, uint8_t *ret)
{
    static uint8_t key[MASTER_KEY_BYTES];
    struct vault_file f = { .fd = -1, .wrap = key };
    struct vault_header header = { .service = "fuzz", .slots = SLOTS };
    struct slot s;

    vault_wrap_key(master_current(h->master), "fuzz", key);
    memcpy(header.master_id, master_current(h->master)->id, MASTER_ID_BYTES);
    memset(ret, 0, FILE_MAX);
    if (len > 0)
        header.generation = data[0];
    header_close(&header, key, ret);
    header.slots = len > 1 ? data[1] % (SLOTS + 2) : SLOTS;
    header_close(&header, key, ret + HEADER_COPY_AT);
    for (uint32_t i = 0; i < SLOTS && len > 4; i++) {
        size_t take = data[2] % 64 + 1;
        data += 3;
        len -= 3;
        take = take < len ? take : len;
        s = (struct slot) { .live = 1 };
        memcpy(s.person, data, take < PERSON_BYTES ? take : PERSON_BYTES);
        memcpy(s.generation, data, take < 8 ? take : 8);
        memcpy(s.lookups, data, take);
        slot_close(&f, i, &s, ret + slot_at(i));
        data += take;
        len -= take;
    }
    return FILE_MAX;
}

static void check_opened(struct vault *v)
{
    struct seal_key *k = seal_key_new();
    struct vault_stats stats;
    struct err err;

    vault_stats(v, &stats);
    check(stats.persons <= SLOTS);
    check(vault_add(v, "01900000-0000-7000-8000-00000000ffff", NULL, 0, &err) == 0 || err.text[0]);
    check(vault_sync(v, &err) == 0);
    check(vault_key(v, "01900000-0000-7000-8000-00000000ffff", k) == 0);
    seal_key_free(k);
    vault_close(v);
}

static void whole_file(const uint8_t *data, size_t len, bool raw)
{
    static uint8_t bytes[FILE_MAX], after[FILE_MAX + 1];
    struct home *h = the_home();
    struct vault_config config = { .path = h->vault, .service = "fuzz", .master = h->master };
    struct vault *v;
    struct err err = { "" };
    size_t n = len < FILE_MAX ? len : FILE_MAX;

    if (raw && n > 0)
        memcpy(bytes, data, n);
    else if (!raw)
        n = build(h, data, len, bytes);
    int fd = open(h->vault, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    if (vault_open(&v, &config, &err) == 0)
        check_opened(v);
    else {
        check(err.text[0] != '\0');
        check(pread(fd, after, sizeof(after), 0) == (ssize_t)n && memcmp(after, bytes, n) == 0);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0 || seal_ready() < 0)
        return 0;
    data++;
    len--;
    switch (data[-1] % 4) {
    case 0:
        sealed_value(data, len);
        break;
    case 1:
        slot_and_header(data, len);
        break;
    case 2:
        whole_file(data, len, true);
        break;
    default:
        whole_file(data, len, false);
        break;
    }
    return 0;
}
