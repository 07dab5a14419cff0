/* seal_bench.c - what sealing costs against bare libsodium, and a vault of many persons: opening, memory, erasing one. One line of JSON.
 *
 *   seal_bench FOLDER [PERSONS [SECONDS]]       an empty folder on the disk to be measured */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/vault.h"

enum { VALUE_BYTES = 1024, ROUND = 500, ERASED = 50, MAIL = 1 };

static const struct seal_place PLACE = { "description", "" };

struct figures {
    double bare, ours, bare_nonce, open_s, open_cpu_s, erase_ms, erase_worst_ms, rss_mb;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "seal_bench: %s: %s\n", what, why);
    exit(1);
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void person(unsigned n, char ret[ID_CHARS + 1])
{
    uint8_t id[ID_BYTES] = { 1, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80 };
    memcpy(id + 12, &n, sizeof n);
    id_write(id, ret);
}

/* ---- sealing: processor time of a value sealed and opened again ---- */

static void bare(const uint8_t *key, const uint8_t *value, bool fresh_nonce)
{
    static uint8_t nonce[24], to[VALUE_BYTES + 16], back[VALUE_BYTES];
    static const uint8_t bound[40];

    if (fresh_nonce)
        randombytes_buf(nonce, sizeof nonce);
    crypto_aead_xchacha20poly1305_ietf_encrypt(to, NULL, value, VALUE_BYTES, bound, sizeof bound,
                                               NULL, nonce, key);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(back, NULL, NULL, to, sizeof to, bound,
                                                   sizeof bound, nonce, key) != 0)
        fail("libsodium", "does not open what it sealed");
}

static void ours(const struct seal_key *key, const uint8_t *value)
{
    static uint8_t to[2 * VALUE_BYTES], back[2 * VALUE_BYTES];
    struct slice plain = { value, VALUE_BYTES }, sealed = { to, seal_size(VALUE_BYTES) };
    size_t len;

    if (seal_close(key, &PLACE, plain, to) < 0 || seal_open(key, &PLACE, sealed, back, &len) < 0)
        fail("seal", "does not open what it sealed");
}

/* In turns, so that whatever disturbs the machine disturbs all. */
static void measure_sealing(const struct seal_key *key, double for_s, struct figures *ret)
{
    uint8_t value[VALUE_BYTES], bare_key[32];
    double spent[3] = { 0 }, begin = seconds(CLOCK_MONOTONIC);
    size_t n = 0;

    randombytes_buf(value, sizeof value);
    randombytes_buf(bare_key, sizeof bare_key);
    do {
        for (int what = 0; what < 3; what++) {
            double from = seconds(CLOCK_THREAD_CPUTIME_ID);
            for (int i = 0; i < ROUND; i++)
                if (what == 2)
                    ours(key, value);
                else
                    bare(bare_key, value, what == 1);
            spent[what] += seconds(CLOCK_THREAD_CPUTIME_ID) - from;
        }
        n += ROUND;
    } while (seconds(CLOCK_MONOTONIC) - begin < for_s);
    ret->bare = (double)n / spent[0];
    ret->bare_nonce = (double)n / spent[1];
    ret->ours = (double)n / spent[2];
}

/* ---- the vault ---- */

static struct vault *open_vault(const char *home, const char *path)
{
    struct vault_config config = { .path = path, .service = "bench" };
    struct master *master;
    struct vault *v;
    struct err err;

    if (master_open(&master, home, NULL, &err) < 0)
        fail("the master key", err.text);
    config.master = master;
    if (vault_open(&v, &config, &err) < 0)
        fail("the vault", err.text);
    master_close(master);
    return v;
}

static void fill(struct vault *v, unsigned persons)
{
    char id[ID_CHARS + 1], mail[64];
    struct err err;

    for (unsigned i = 0; i < persons; i++) {
        person(i, id);
        int len = snprintf(mail, sizeof mail, "bench-%u@a.example", i);
        struct vault_lookup lookup = { MAIL, { (const uint8_t *)mail, (size_t)len } };
        if (vault_add(v, id, &lookup, 1, &err) < 0 ||
            (i % 1000 == 999 && vault_settle(v, true, &err) < 0))
            fail("adding", err.text);
    }
    if (vault_sync(v, &err) < 0 || vault_settle(v, true, &err) < 0)
        fail("adding", err.text);
}

static double resident_mb(void)
{
    char line[128];
    double kb = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtod(line + 6, NULL);
    if (f)
        fclose(f);
    return kb / 1024;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_erasing(struct vault *v, unsigned persons, struct figures *ret)
{
    double took[ERASED];
    char id[ID_CHARS + 1];
    struct err err;

    for (unsigned i = 0; i < ERASED; i++) {
        person((unsigned)((uint64_t)i * 7919 % persons), id);
        double from = seconds(CLOCK_MONOTONIC);
        if (vault_erase(v, (const char *const[]) { id }, 1, &err) < 0)
            fail("erasing", err.text);
        took[i] = (seconds(CLOCK_MONOTONIC) - from) * 1e3;
    }
    qsort(took, ERASED, sizeof took[0], by_size);
    ret->erase_ms = took[ERASED / 2];
    ret->erase_worst_ms = took[ERASED - 1];
}

int main(int argc, char **argv)
{
    struct figures figures = { 0 };
    char path[4096], first[ID_CHARS + 1];

    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: seal_bench FOLDER [PERSONS [SECONDS]]\n");
        return 2;
    }
    unsigned persons = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000000;
    if (master_vault_path(argv[1], "bench", path, sizeof path) < 0 || persons < 2)
        fail("FOLDER, PERSONS", "too long or too few");
    struct vault *v = open_vault(argv[1], path);
    double filled = seconds(CLOCK_MONOTONIC);
    fill(v, persons);
    filled = seconds(CLOCK_MONOTONIC) - filled;
    vault_close(v);

    double before_mb = resident_mb(), from = seconds(CLOCK_MONOTONIC);
    double cpu_from = seconds(CLOCK_PROCESS_CPUTIME_ID);
    v = open_vault(argv[1], path);
    figures.open_cpu_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_from;
    figures.open_s = seconds(CLOCK_MONOTONIC) - from;
    figures.rss_mb = resident_mb();
    struct seal_key *key = seal_key_new();
    person(1, first);
    if (!key || vault_key(v, first, key) < 0)
        fail("a person's key", "is not there");
    measure_sealing(key, argc > 3 ? strtod(argv[3], NULL) : 2, &figures);
    seal_key_free(key);
    measure_erasing(v, persons, &figures);
    vault_close(v);
    printf("{\"persons\": %u, \"fill_s\": %.2f, \"open_s\": %.3f, \"open_cpu_s\": %.3f, "
           "\"rss_mb\": %.1f, "
           "\"rss_before_mb\": %.1f, \"erase_ms\": %.2f, \"erase_worst_ms\": %.2f, "
           "\"bare_per_second\": %.0f, \"bare_with_nonce_per_second\": %.0f, "
           "\"per_second\": %.0f}\n",
           persons, filled, figures.open_s, figures.open_cpu_s, figures.rss_mb, before_mb,
           figures.erase_ms, figures.erase_worst_ms, figures.bare, figures.bare_nonce,
           figures.ours);
    return 0;
}
