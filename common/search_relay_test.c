/* search_relay_test.c - what goes over the relay becomes the same tables, byte for byte, as what is put directly. */
#include "common/search_relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/testing_tree.h"

static const struct table *const TABLES[] = { SEARCH_TABLES, NULL };
/* The replayed store has no table of the search's in common with the relay's. */
static const struct table T_OTHER = { "other", NULL };
static const struct table *const OTHERS[] = { &T_OTHER, NULL };

struct fixture {
    char folder[64], direct_path[80], replay_path[80], relay_path[80];
    struct store *direct, *replay;
    struct search_relay *relay;
    struct arena *arena;
    struct err err;
};

static int open_at(struct store **ret, const char *path, const struct table *const *tables,
                   struct err *err)
{
    return store_open(
        ret, &(struct store_config) { .path = path, .tables = tables, .no_sync = true }, err);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->folder, sizeof(f->folder), "search-relay-test-XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->direct_path, sizeof(f->direct_path), "%s/direct", f->folder);
    snprintf(f->replay_path, sizeof(f->replay_path), "%s/replay", f->folder);
    snprintf(f->relay_path, sizeof(f->relay_path), "%s/relay", f->folder);
    f->arena = arena_new(16 << 20);
    *state = f;
    int r = open_at(&f->direct, f->direct_path, TABLES, &f->err);
    if (r == 0)
        r = open_at(&f->replay, f->replay_path, OTHERS, &f->err);
    /* As small a map as there is: it has to grow on the way. */
    return r ? r
             : search_relay_new(&f->relay,
                                &(struct store_config) {
                                    .path = f->relay_path, .map_bytes = 1, .no_sync = true },
                                &f->err);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    search_relay_free(f->relay);
    store_close(f->direct);
    store_close(f->replay);
    testing_remove_tree(f->folder);
    arena_free(f->arena);
    free(f);
    return 0;
}

static struct slice text_slice(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

/* What an apply() may do with its n-th event. The texts do not outlive the call. */
static void step(struct wr *wr, unsigned n)
{
    static const char *const expansions[] = { "påhittad förening", "hittepå" };
    char key[32], name[64], text[3000];

    snprintf(key, sizeof(key), "key-%u", n % 700);
    snprintf(name, sizeof(name), "Påhittad förening %u", n);
    memset(text, 0, sizeof(text));
    for (unsigned i = 0; i < 200; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "ord%u ", n * 7 + i * 31);
    const struct search_field fields[] = { { name, strlen(name), 300, 4 },
                                           { text, strlen(text), 100, 60 },
                                           { "", 0, 100, 60 } };
    const struct search_facet facets[] = { { 1, n % 2 ? "01" : "12" }, { 2, key } };
    const struct search_document d = { text_slice(key), fields, 3, facets, n % 3 };
    if (n % 17 == 5)
        search_delete(wr, d.key);
    else if (n % 101 == 7)
        search_synonym_put(wr, key, expansions, n % 3);
    else
        search_put(wr, &d);
    memset(name, 'x', sizeof(name));
    memset(text, 'x', sizeof(text));
    memset(key, 'x', sizeof(key));
}

static struct wr *begin(struct fixture *f, struct store *s)
{
    struct wr *wr;

    arena_reset(f->arena);
    assert_int_equal(wr_begin(s, f->arena, &wr), 0);
    return wr;
}

/* Steps [from, to) over the relay, in one transaction. */
static void replay(struct fixture *f, unsigned from, unsigned to, bool again, bool keep)
{
    bool unknown;
    struct wr *wr = begin(f, f->replay);

    search_relay_attach(f->relay, wr, again);
    for (unsigned n = from; n < to; n++)
        step(wr, n);
    assert_int_equal(wr_status(wr), 0);
    if (keep)
        assert_int_equal(wr_commit(wr, &unknown, &f->err), 0);
    else
        wr_abort(wr);
}

static void put_directly(struct fixture *f, unsigned from, unsigned to)
{
    bool unknown;
    struct wr *wr = begin(f, f->direct);

    for (unsigned n = from; n < to; n++)
        step(wr, n);
    assert_int_equal(wr_commit(wr, &unknown, &f->err), 0);
}

static void assert_same(const struct rd *a, const struct rd *b, const struct table *t)
{
    struct scan x, y;

    scan_prefix(&x, a, t, NULL);
    scan_prefix(&y, b, t, NULL);
    while (scan_next(&x)) {
        assert_true(scan_next(&y));
        assert_int_equal(x.key.len, y.key.len);
        assert_memory_equal(x.key.data, y.key.data, x.key.len);
        assert_int_equal(x.value.len, y.value.len);
        if (x.value.len > 0)
            assert_memory_equal(x.value.data, y.value.data, x.value.len);
    }
    assert_false(scan_next(&y));
    assert_int_equal(scan_end(&x), 0);
    assert_int_equal(scan_end(&y), 0);
}

static void what_goes_over_the_relay_is_what_is_put_directly(void **state)
{
    struct fixture *f = *state;
    struct rd *a, *b;

    for (unsigned n = 0; n < 4000; n += 500) {
        put_directly(f, n, n + 250);
        put_directly(f, n + 250, n + 500);
    }
    replay(f, 0, 1500, false, true);
    replay(f, 1500, 2600, false, false); /* broken off half way, then repeated whole */
    replay(f, 1500, 3000, true, true);
    replay(f, 3000, 3000, false, true);
    replay(f, 3000, 4000, false, true);
    assert_int_equal(search_relay_finish(f->relay, &f->err), 0);

    assert_int_equal(rd_begin(f->direct, f->arena, &a), 0);
    assert_int_equal(rd_begin(search_relay_store(f->relay), f->arena, &b), 0);
    assert_true(rd_count(a, &T_SEARCH_KEY) > 600);
    for (size_t i = 0; TABLES[i]; i++)
        assert_same(a, b, TABLES[i]);
    rd_end(b);
    rd_end(a);
}

static void a_document_that_is_none_is_told_at_the_end(void **state)
{
    struct fixture *f = *state;
    bool unknown;
    struct wr *wr = begin(f, f->replay);

    search_relay_attach(f->relay, wr, false);
    search_put(wr, &(struct search_document) { .key = { 0 } });
    assert_int_equal(wr_commit(wr, &unknown, &f->err), 0);
    assert_int_equal(search_relay_finish(f->relay, &f->err), -EINVAL);
    assert_true(f->err.text[0]);
}

static void a_failure_stops_the_replay_too(void **state)
{
    struct fixture *f = *state;
    bool unknown;
    int r = 0;

    for (unsigned n = 0; r == 0 && n < 1000; n++) {
        struct wr *wr = begin(f, f->replay);
        search_relay_attach(f->relay, wr, false);
        search_put(wr, &(struct search_document) { .key = { 0 } });
        r = wr_commit(wr, &unknown, &f->err); /* the queue fills, or the failure is known */
    }
    assert_int_equal(r, -EINVAL);
}

static void a_relay_may_be_left(void **state)
{
    struct fixture *f = *state;

    replay(f, 0, 1000, false, true);
    replay(f, 1000, 1100, false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_over_the_relay_is_what_is_put_directly, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_document_that_is_none_is_told_at_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_failure_stops_the_replay_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_relay_may_be_left, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
