/* vault_random_test.c - random operations against a plain model, with restarts, taken-back commits and rotations between; and
 * threads that read while one writes. FOKUS_SEED repeats a run. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "common/vault_testing.h"

enum { FOLK = 60, VALUES = 90, KINDS = 3, STEPS = 3000 };

struct model {
    struct vault_fixture *f;
    uint64_t random;
    bool there[FOLK];
    uint8_t owner[KINDS + 1][VALUES]; /* of a value: person + 1 */
    struct change {
        unsigned n;
        uint8_t kind; /* 0: the person */
        unsigned value;
    } unsettled[STEPS];
    size_t n_unsettled;
    bool synced;
};

static unsigned draw(struct model *m, unsigned below)
{
    m->random ^= m->random << 13; /* xorshift64 (Marsaglia 2003) */
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 32) % below);
}

static const char *value_text(unsigned value)
{
    return text_of("v", value);
}

static unsigned count_values(const struct model *m, unsigned n)
{
    unsigned count = 0;

    for (int kind = 1; kind <= KINDS; kind++)
        for (unsigned value = 0; value < VALUES; value++)
            count += m->owner[kind][value] == n + 1;
    return count;
}

static void forget(struct model *m, unsigned n)
{
    m->there[n] = false;
    for (int kind = 1; kind <= KINDS; kind++)
        for (unsigned value = 0; value < VALUES; value++)
            if (m->owner[kind][value] == n + 1)
                m->owner[kind][value] = 0;
}

static void note(struct model *m, unsigned n, uint8_t kind, unsigned value)
{
    m->unsettled[m->n_unsettled++] = (struct change) { n, kind, value };
    m->synced = false;
}

static void try_add(struct model *m, unsigned n)
{
    uint8_t kind = (uint8_t)(1 + draw(m, KINDS));
    unsigned value = draw(m, VALUES);
    struct vault_lookup l = { kind, text_slice(value_text(value)) };

    int r = vault_add(m->f->vault, person(n), &l, 1, &m->f->err);
    if (m->there[n] || m->owner[kind][value]) {
        assert_int_equal(r, -EEXIST);
        return;
    }
    must(m->f, r);
    m->there[n] = true;
    m->owner[kind][value] = (uint8_t)(n + 1);
    note(m, n, 0, 0);
}

static void try_add_lookup(struct model *m, unsigned n)
{
    uint8_t kind = (uint8_t)(1 + draw(m, KINDS));
    unsigned value = draw(m, VALUES), owner = m->owner[kind][value];

    int r =
        vault_add_lookup(m->f->vault, person(n), kind, text_slice(value_text(value)), &m->f->err);
    if (!m->there[n])
        assert_int_equal(r, -ENOENT);
    else if (owner == n + 1)
        assert_int_equal(r, 0);
    else if (owner)
        assert_int_equal(r, -EEXIST);
    else if (count_values(m, n) == VAULT_LOOKUPS)
        assert_int_equal(r, -E2BIG);
    else {
        must(m->f, r);
        m->owner[kind][value] = (uint8_t)(n + 1);
        note(m, n, kind, value);
    }
}

static void try_remove_lookup(struct model *m, unsigned n)
{
    uint8_t kind = (uint8_t)(1 + draw(m, KINDS));
    unsigned value = draw(m, VALUES);

    must(m->f, vault_remove_lookup(m->f->vault, person(n), kind, text_slice(value_text(value)),
                                   &m->f->err));
    if (m->owner[kind][value] == n + 1)
        m->owner[kind][value] = 0;
}

static void settle(struct model *m, bool committed)
{
    must(m->f, vault_sync(m->f->vault, &m->f->err));
    must(m->f, vault_settle(m->f->vault, committed, &m->f->err));
    while (!committed && m->n_unsettled > 0) {
        const struct change *c = &m->unsettled[--m->n_unsettled];
        if (c->kind == 0)
            forget(m, c->n);
        else if (m->owner[c->kind][c->value] == c->n + 1)
            m->owner[c->kind][c->value] = 0;
    }
    m->n_unsettled = 0;
    m->f->recorded = vault_generation(m->f->vault);
}

static bool exists(void *arg, const char *id)
{
    const struct model *m = arg;

    for (unsigned n = 0; n < FOLK; n++)
        if (strcmp(id, person(n)) == 0)
            return m->there[n];
    return false;
}

static void rotate(struct model *m)
{
    bool done;

    must(m->f, master_rotate(m->f->master, &m->f->err));
    must(m->f, vault_rotate(m->f->vault, m->f->master, draw(m, 200), &done, &m->f->err));
    if (done)
        must(m->f, master_rotated(m->f->master, &m->f->err));
}

static void do_something(struct model *m)
{
    unsigned n = draw(m, FOLK), what = draw(m, 100);
    const char *two[] = { person(n), person((n + 1) % FOLK) };
    uint64_t erased;

    if (what < 35)
        try_add(m, n);
    else if (what < 55)
        try_add_lookup(m, n);
    else if (what < 65)
        try_remove_lookup(m, n);
    else if (what < 80) {
        must(m->f, vault_erase(m->f->vault, two, 1 + what % 2, &m->f->err));
        forget(m, n);
        if (what % 2)
            forget(m, (n + 1) % FOLK);
    } else if (what < 90)
        settle(m, draw(m, 4) > 0);
    else if (what < 94)
        rotate(m);
    else if (what < 98) {
        settle(m, true);
        reopen(m->f);
    } else if (m->n_unsettled == 0) {
        m->there[n] = false;
        must(m->f, vault_sweep(m->f->vault, exists, m, &erased, &m->f->err));
        forget(m, n);
    }
}

static void compare(struct model *m)
{
    struct vault_stats stats;
    unsigned persons = 0;

    for (unsigned n = 0; n < FOLK; n++) {
        assert_int_equal(has(m->f, n), m->there[n]);
        persons += m->there[n];
    }
    for (uint8_t kind = 1; kind <= KINDS; kind++)
        for (unsigned value = 0; value < VALUES; value++) {
            unsigned owner = m->owner[kind][value];
            int r = vault_find(m->f->vault, kind, text_slice(value_text(value)), m->f->key);
            assert_int_equal(r, owner ? 0 : -ENOENT);
            if (owner)
                assert_string_equal(seal_key_person(m->f->key), person(owner - 1));
        }
    vault_stats(m->f->vault, &stats);
    assert_int_equal(stats.persons, persons);
}

static void random_operations_do_what_a_model_does(void **state)
{
    static struct model m;
    const char *seed = getenv("FOKUS_SEED");

    m = (struct model) { .f = *state };
    m.random = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
    m.random |= 1; /* never all zeros */
    print_message("seed %llu\n", (unsigned long long)m.random);
    for (int i = 0; i < STEPS; i++) {
        do_something(&m);
        if (i % 20 == 0)
            compare(&m);
    }
    settle(&m, true);
    reopen(m.f);
    compare(&m);
}

/* ---- threads ---- */

enum { STAY = 40, COME_AND_GO = 20, READERS = 3, ROUNDS = 40 };

struct shared {
    struct vault_fixture *f;
    uint8_t sealed[STAY][SEAL_MIN_BYTES];
    atomic_bool stop;
    atomic_uint wrong, opened;
};

static const struct seal_place PLACE = { "email", "" };

static void text_to(char *to, const char *what, unsigned n)
{
    uint8_t id[ID_BYTES] = { 0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80 };

    if (what) {
        (void)snprintf(to, 64, "%s%u@a.example", what, n);
        return;
    }
    memcpy(id + 12, &n, sizeof(n));
    id_write(id, to);
}

/* Those who stay are always there and their seals open; the others are there or not, and nothing between. */
static void read_one(struct shared *s, struct seal_key *key, unsigned n)
{
    uint8_t back[SEAL_MIN_BYTES];
    char id[64], by[64];
    size_t len;

    text_to(id, NULL, n);
    text_to(by, "mail", n);
    int r = vault_key(s->f->vault, id, key);
    if (n < STAY) {
        struct slice sealed = { s->sealed[n], SEAL_MIN_BYTES };
        if (r != 0 || seal_open(key, &PLACE, sealed, back, &len) != 0 || len != strlen(by) ||
            memcmp(back, by, len) != 0)
            atomic_fetch_add(&s->wrong, 1);
        else
            atomic_fetch_add(&s->opened, 1);
    } else if (r != 0 && r != -ENOENT)
        atomic_fetch_add(&s->wrong, 1);
    r = vault_find(s->f->vault, MAIL, text_slice(by), key);
    if ((r != 0 && (n < STAY || r != -ENOENT)) || (r == 0 && strcmp(seal_key_person(key), id) != 0))
        atomic_fetch_add(&s->wrong, 1);
}

static void *read_all(void *arg)
{
    struct shared *s = arg;
    struct seal_key *key = seal_key_new();
    struct vault_stats stats;

    while (!atomic_load(&s->stop)) {
        for (unsigned n = 0; n < STAY + COME_AND_GO; n++)
            read_one(s, key, n);
        vault_stats(s->f->vault, &stats);
        if (vault_generation(s->f->vault) < stats.generation)
            atomic_fetch_add(&s->wrong, 1);
    }
    seal_key_free(key);
    return NULL;
}

static void write_all(struct shared *s)
{
    struct vault_fixture *f = s->f;
    bool done;

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned n = STAY; n < STAY + COME_AND_GO; n++)
            must(f, add(f, n));
        for (unsigned i = 0; i < 70; i++)
            must(f, add(f, 1000 + round * 70 + i)); /* the indexes and the file grow */
        must(f, vault_add_lookup(f->vault, person(round % STAY), NUMBER, text_slice(mail(round)),
                                 &f->err));
        must(f, vault_sync(f->vault, &f->err));
        must(f, vault_settle(f->vault, true, &f->err));
        must(f, vault_remove_lookup(f->vault, person(round % STAY), NUMBER, text_slice(mail(round)),
                                    &f->err));
        for (unsigned n = STAY; n < STAY + COME_AND_GO; n++)
            must(f, erase(f, n));
        must(f, master_rotate(f->master, &f->err));
        must(f, vault_rotate(f->vault, f->master, 400, &done, &f->err));
        if (done)
            must(f, master_rotated(f->master, &f->err));
    }
}

static void threads_read_while_one_writes(void **state)
{
    static struct shared s;
    pthread_t readers[READERS];

    s.f = *state;
    for (unsigned n = 0; n < STAY; n++) {
        add_durably(s.f, n);
        assert_true(has(s.f, n));
        assert_int_equal(seal_close(s.f->key, &PLACE, text_slice(mail(n)), s.sealed[n]), 0);
    }
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_all, &s), 0);
    while (atomic_load(&s.opened) == 0) /* they are under way before the writer begins */
        sched_yield();
    write_all(&s);
    atomic_store(&s.stop, true);
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(s.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VAULT_TEST(random_operations_do_what_a_model_does),
        VAULT_TEST(threads_read_while_one_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
