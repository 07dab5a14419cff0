/* search_damage_test.c - what goes wrong: bytes that are no longer what was written, transactions that end in nothing, writes that fail. */
#include "common/search_testing.h"

/* Damage in any table is told, not fallen over. */
static void damage(struct fixture *f, const struct table *t, const char *bytes, size_t len)
{
    const struct key all = KEY_INIT;
    struct scan s;
    struct wr *wr = begin(f);
    struct key keys[64];
    size_t n = 0;

    for (scan_prefix(&s, wr_rd(wr), t, &all); n < ARRAY_LEN(keys) && scan_next(&s); n++) {
        keys[n].failed = false;
        keys[n].len = (uint16_t)s.key.len;
        memcpy(keys[n].bytes, s.key.data, s.key.len);
    }
    assert_int_equal(scan_end(&s), 0);
    for (size_t i = 0; i < n; i++)
        wr_put_bytes(wr, t, &keys[i], bytes, len);
    commit(f, wr);
}

/* In all entries of the table, or in that of one key. */
static void assert_edit_finds(struct fixture *f, const struct table *t, const struct key *key,
                              const char *bytes, size_t len)
{
    bool unknown;

    struct wr *wr = begin(f);
    for (size_t i = 0; TABLES[i]; i++)
        wr_clear(wr, TABLES[i]);
    commit(f, wr);
    put_some(f);
    if (!key)
        damage(f, t, bytes, len);
    wr = begin(f);
    if (key)
        wr_put_bytes(wr, t, key, bytes, len);
    put_in(wr, "brost", "Cancer", "", NULL, NULL);
    assert_int_equal(wr_commit(wr, &unknown, &f->err), -EBADMSG);
}

static void test_damage(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const struct table *table;
        const char *bytes;
        size_t len;
    } damages[] = {
        { &T_SEARCH_TERM, "\x05\x81", 2 },
        { &T_SEARCH_TERM, "\x02\x05\x05\xf0\xff\x03\x05", 7 }, /* a document there never was */
        { &T_SEARCH_TERM, "", 0 },
        { &T_SEARCH_DOCUMENT, "\x00\xff\xff", 3 },
        { &T_SEARCH_DOCUMENT, "", 0 },
        { &T_SEARCH_FACET, "\xff\xff", 2 },
        { &T_SEARCH_FACET, "\x01", 1 },
        { &T_SEARCH_WORD, "\x80", 1 },
        { &T_SEARCH_META, "\x01", 1 },
        { &T_SEARCH_SYNONYM, "abc", 3 },
    };
    const uint8_t column = KIND;
    const char *const expansions[] = { "celiaki" };

    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        struct wr *wr = begin(f);
        for (size_t t = 0; TABLES[t]; t++)
            wr_clear(wr, TABLES[t]);
        commit(f, wr);
        put_some(f);
        wr = begin(f);
        search_synonym_put(wr, "cancer", expansions, 1);
        commit(f, wr);
        damage(f, damages[i].table, damages[i].bytes, damages[i].len);
        const char *text = "cancer reumatismm";
        int r = ask_for(f, &(struct search_request) { .text = text,
                                                      .len = strlen(text),
                                                      .limit = 10,
                                                      .count_columns = &column,
                                                      .n_count_columns = 1 });
        assert_int_equal(r, -EBADMSG);
    }
    /* Writing finds it, too. */
    struct key block = KEY_INIT, recent = KEY_INIT;
    key_u32(&block, 0);
    key_text(&recent, "recent_counts");
    assert_edit_finds(f, &T_SEARCH_TERM, NULL, "\x05\x81", 2);
    assert_edit_finds(f, &T_SEARCH_WORD_TEXT, NULL, "\xff", 1);
    assert_edit_finds(f, &T_SEARCH_WORD_COUNT, &block, "\x80", 1);
    assert_edit_finds(f, &T_SEARCH_META, &recent, "\x01", 1);
    assert_edit_finds(f, &T_SEARCH_META, &recent, "\x02\x02", 2); /* others are in use */
}

/* What a transaction that ends in nothing gathered is gone. */
static void test_abort(void **state)
{
    struct fixture *f = *state;

    put_some(f);
    struct wr *wr = begin(f);
    put_in(wr, "new", "Glutenfri", "", NULL, NULL);
    wr_abort(wr);
    expect(f, "glutenfri", "celiaki");
    put(f, "next", "Glutenfri", "");
    expect(f, "glutenfri", "next celiaki");
}

#ifdef FOKUS_FAULTS
/* Whichever write or allocation fails, the transaction fails as a whole. */
static void test_faults(void **state)
{
    struct fixture *f = *state;
    static const enum fault_point points[] = { FAULT_PUT, FAULT_ARENA };

    put_some(f);
    for (size_t p = 0; p < ARRAY_LEN(points); p++) {
        for (unsigned long nth = 1;; nth++) {
            struct wr *wr = begin(f);
            bool unknown;
            fault_arm(points[p], nth);
            put_in(wr, "brost", "Reumatiker och gluten", "Lungcancer", "05", "x");
            search_delete(wr, text_slice("celiaki"));
            int r = wr_commit(wr, &unknown, &f->err);
            bool done = fault_count(points[p]) < nth;
            fault_arm(points[p], 0);
            if (done) {
                assert_int_equal(r, 0);
                break;
            }
            assert_true(r < 0);
            expect(f, "celiaki", "celiaki");
        }
        struct wr *wr = begin(f);
        put_in(wr, "celiaki", "Celiakiförbundet", "Glutenfri mat.", "01", "patient");
        commit(f, wr);
    }
    for (unsigned long nth = 1;; nth++) {
        struct rd *rd;
        assert_int_equal(rd_begin(f->store, f->arena, &rd), 0);
        const uint8_t column = KIND;
        fault_arm(FAULT_ARENA, nth);
        int r = search_query(rd, f->arena,
                             &(struct search_request) { .text = "celaiki lungor",
                                                        .len = 14,
                                                        .limit = 10,
                                                        .count_columns = &column,
                                                        .n_count_columns = 1 },
                             &f->result);
        bool done = fault_count(FAULT_ARENA) < nth;
        fault_arm(FAULT_ARENA, 0);
        rd_end(rd);
        if (done) {
            assert_int_equal(r, 0);
            break;
        }
        assert_int_equal(r, -ENOMEM);
        arena_reset(f->arena);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        SEARCH_TEST(test_damage),
        SEARCH_TEST(test_abort),
#ifdef FOKUS_FAULTS
        SEARCH_TEST(test_faults),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
