/* What is put, read and walked through. How a store grows, is shared, copied and fails is in store_life_test.c. */
#include "common/store_testing.h"

static void what_was_put_is_read_back(void **state)
{
    struct fixture *f = *state;
    Fokus__Event__V1__Event event = FOKUS__EVENT__V1__EVENT__INIT, *back;
    struct key k = text_key("one"), absent = text_key("two"), empty = KEY_INIT;
    struct slice bytes;

    event.sequence = 7;
    event.subject = (char *)"subject";
    struct wr *wr = begin(f);
    wr_put(wr, &T_EVENTS, &k, &event);
    wr_put_bytes(wr, &T_RAW, &k, NULL, 0);
    wr_put_bytes(wr, &T_RAW, &empty, "head", 4);
    assert_int_equal(rd_get(wr_rd(wr), &T_EVENTS, &k, &back), 0); /* sees its own writes */
    assert_int_equal(wr_status(wr), 0);
    assert_int_equal(commit(f, wr), 0);

    struct rd *rd = snapshot(f);
    assert_int_equal(rd_get(rd, &T_EVENTS, &k, &back), 0);
    assert_int_equal(back->sequence, 7);
    assert_string_equal(back->subject, "subject");
    assert_int_equal(rd_get(rd, &T_EVENTS, &absent, &back), -ENOENT);
    assert_int_equal(rd_get_bytes(rd, &T_RAW, &k, &bytes), 0);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(rd_get_bytes(rd, &T_RAW, &empty, &bytes), 0);
    assert_memory_equal(bytes.data, "head", 4);
    assert_true(rd_has(rd, &T_RAW, &k));
    assert_false(rd_has(rd, &T_RAW, &absent));
    assert_int_equal(rd_count(rd, &T_RAW), 2);
    assert_int_equal(rd_count(rd, &T_EMPTY), 0);
    rd_end(rd);
}

static void a_snapshot_does_not_see_later_commits(void **state)
{
    struct fixture *f = *state;

    struct rd *before = snapshot(f);
    struct wr *wr = begin(f);
    put_text(wr, "a", "1");
    struct rd *during = snapshot(f);
    assert_int_equal(commit(f, wr), 0);
    assert_holds(before, "a", NULL);
    assert_holds(during, "a", NULL);
    assert_store_holds(f, "a", "1");
    rd_end(before);
    rd_end(during);

    wr = begin(f);
    put_text(wr, "a", "2");
    wr_abort(wr);
    assert_store_holds(f, "a", "1");
}

static void bad_uses_are_refused_with_their_reason(void **state)
{
    struct fixture *f = *state;
    static const struct table stranger = { "stranger", NULL };
    static const struct table twin = { "raw", NULL };
    Fokus__Event__V1__Event *event;
    Fokus__Event__V1__Record record = FOKUS__EVENT__V1__RECORD__INIT;
    struct key k = text_key("k"), too_long = { .failed = true };
    struct slice bytes;

    struct wr *wr = begin(f);
    wr_put_bytes(wr, &T_EVENTS, &k, "\xff", 1);
    wr_put_bytes(wr, &twin, &k, "x", 1); /* another declaration of the same table */
    assert_int_equal(commit(f, wr), 0);
    struct rd *rd = snapshot(f);
    assert_int_equal(rd_get(rd, &T_EVENTS, &k, &event), -EBADMSG);
    assert_int_equal(rd_get(rd, &T_RAW, &k, &event), -EINVAL);
    assert_int_equal(rd_get_bytes(rd, &T_RAW, &too_long, &bytes), -EOVERFLOW);
    assert_int_equal(rd_get_bytes(rd, &stranger, &k, &bytes), -EINVAL);
    assert_int_equal(rd_get_bytes(rd, &twin, &k, &bytes), 0);
    rd_end(rd);

    wr = begin(f);
    wr_put(wr, &T_EVENTS, &k, &record);
    assert_int_equal(wr_status(wr), -EINVAL);
    wr_abort(wr);
    wr = begin(f);
    wr_put_bytes(wr, &stranger, &k, "x", 1);
    assert_int_equal(commit(f, wr), -EINVAL);
    wr = begin(f);
    wr_delete(wr, &T_RAW, &too_long);
    assert_int_equal(commit(f, wr), -EOVERFLOW);
    wr = begin(f);
    struct wr *second;
    assert_int_equal(wr_begin(f->store, f->arena, &second), -EDEADLK);
    struct key earlier = text_key("a");
    wr_append_bytes(wr, &T_RAW, &earlier, "x", 1);
    assert_int_equal(commit(f, wr), -EEXIST);
}

static void the_first_error_stays_and_nothing_is_written(void **state)
{
    struct fixture *f = *state;
    struct key k = text_key("a"), too_long = { .failed = true };
    struct slice bytes;
    struct scan scan;

    struct wr *wr = begin(f);
    put_text(wr, "a", "1");
    assert_int_equal(wr_fail(wr, EBADMSG), -EBADMSG);
    wr_put_bytes(wr, &T_RAW, &too_long, "x", 1);
    assert_int_equal(wr_fail(wr, EIO), -EIO);
    assert_int_equal(wr_status(wr), -EBADMSG);
    assert_int_equal(rd_get_bytes(wr_rd(wr), &T_RAW, &k, &bytes), -EBADMSG);
    scan_prefix(&scan, wr_rd(wr), &T_RAW, NULL);
    assert_false(scan_next(&scan));
    assert_int_equal(scan_end(&scan), -EBADMSG);
    assert_int_equal(commit(f, wr), -EBADMSG);
    assert_store_holds(f, "a", NULL);
}

/* A value in pieces: "k" 10, "k" 20, "k" 30, between other keys. */
static struct key piece(const char *text, uint32_t at)
{
    struct key k = text_key(text);

    key_u32(&k, at);
    return k;
}

static void assert_piece(struct rd *rd, const char *text, uint32_t from, uint32_t expected)
{
    struct key prefix = text_key(text), at = piece(text, from), want = piece(text, expected);
    struct scan s;

    scan_from_piece(&s, rd, &T_RAW, &at, &prefix);
    assert_int_equal(scan_next(&s), expected > 0);
    if (expected > 0) {
        assert_int_equal(s.key.len, want.len);
        assert_memory_equal(s.key.data, want.bytes, want.len);
        /* A seek from anywhere comes to the same. */
        while (scan_next(&s))
            ;
        assert_true(scan_seek_piece(&s, &at));
        assert_memory_equal(s.key.data, want.bytes, want.len);
    }
    assert_int_equal(scan_end(&s), 0);
}

static void a_scan_begins_with_the_piece_that_holds_a_place(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = { "a", "k", "z" };
    struct wr *wr = begin(f);

    for (uint32_t i = 1; i <= 9; i++) {
        struct key k = piece(texts[(i - 1) / 3], 10 * ((i - 1) % 3 + 1));
        wr_put_bytes(wr, &T_RAW, &k, "x", 1);
    }
    assert_int_equal(commit(f, wr), 0);
    struct rd *rd = snapshot(f);
    for (size_t i = 0; i < 3; i++) {
        assert_piece(rd, texts[i], 5, 10); /* none before: the first */
        assert_piece(rd, texts[i], 10, 10);
        assert_piece(rd, texts[i], 19, 10);
        assert_piece(rd, texts[i], 20, 20);
        assert_piece(rd, texts[i], 99, 30);
    }
    assert_piece(rd, "b", 5, 0);
    assert_piece(rd, "zz", 5, 0);

    /* From there it goes forwards, to the end of the prefix. */
    struct key prefix = text_key("k"), at = piece("k", 25), too_long = { .failed = true };
    struct scan s;
    unsigned n = 0;
    for (scan_from_piece(&s, rd, &T_RAW, &at, &prefix); scan_next(&s);)
        n++;
    assert_int_equal(scan_end(&s), 0);
    assert_int_equal(n, 2);
    scan_from_piece(&s, rd, &T_RAW, &too_long, &prefix);
    assert_false(scan_next(&s));
    assert_int_equal(scan_end(&s), -EOVERFLOW);
    rd_end(rd);
}

static void a_scan_seeks_both_ways(void **state)
{
    struct fixture *f = *state;
    struct key all = KEY_INIT, d = text_key("d"), b = text_key("b"), z = text_key("z");
    struct key too_long = { .failed = true };
    struct scan s;
    struct wr *wr = begin(f);

    put_text(wr, "a", "1");
    put_text(wr, "c", "2");
    put_text(wr, "e", "3");
    put_text(wr, "g", "4");
    assert_int_equal(commit(f, wr), 0);
    struct rd *rd = snapshot(f);
    scan_prefix(&s, rd, &T_RAW, &all);
    assert_true(scan_seek(&s, &d));
    assert_memory_equal(s.value.data, "3", 1);
    assert_true(scan_next(&s));
    assert_memory_equal(s.value.data, "4", 1);
    assert_false(scan_next(&s));
    assert_true(scan_seek(&s, &b)); /* back from the end */
    assert_memory_equal(s.value.data, "2", 1);
    assert_false(scan_seek(&s, &z));
    assert_int_equal(scan_end(&s), 0);
    scan_prefix(&s, rd, &T_RAW, &all);
    assert_false(scan_seek(&s, &too_long));
    assert_int_equal(scan_end(&s), -EOVERFLOW);
    scan_backwards(&s, rd, &T_RAW, &all);
    assert_false(scan_seek(&s, &d));
    assert_int_equal(scan_end(&s), -EINVAL);
    rd_end(rd);
}

/* Puts "late" at the end, or fails. */
struct late {
    struct wr_deferred deferred;
    unsigned finished, dropped;
    int errnum;
};

static void late_finish(struct wr *wr, struct wr_deferred *d)
{
    struct late *l = (struct late *)d;

    l->finished++;
    if (l->errnum)
        (void)wr_fail(wr, l->errnum); /* the commit tells it */
    put_text(wr, "late", "x");
}

static void late_drop(struct wr_deferred *d)
{
    ((struct late *)d)->dropped++;
}

static void what_is_put_off_is_written_before_the_commit_or_dropped(void **state)
{
    struct fixture *f = *state;
    static const char owner[] = "owner", other[] = "other";
    struct late l = { .deferred = { owner, late_finish, late_drop, NULL }, .errnum = EBADMSG };

    struct wr *wr = begin(f);
    wr_defer(wr, &l.deferred);
    assert_ptr_equal(wr_deferred(wr, owner), &l.deferred);
    assert_null(wr_deferred(wr, other));
    assert_int_equal(commit(f, wr), -EBADMSG);
    assert_int_equal(l.finished, 1);
    assert_int_equal(l.dropped, 1);
    assert_store_holds(f, "late", NULL);

    l.errnum = 0;
    wr = begin(f);
    assert_null(wr_deferred(wr, owner));
    wr_defer(wr, &l.deferred);
    wr_abort(wr);
    assert_int_equal(l.finished, 1);
    assert_int_equal(l.dropped, 2);

    wr = begin(f);
    wr_defer(wr, &l.deferred);
    assert_int_equal(wr_fail(wr, EINVAL), -EINVAL);
    assert_int_equal(commit(f, wr), -EINVAL); /* no use in writing more */
    assert_int_equal(l.finished, 1);
    assert_int_equal(l.dropped, 3);

    wr = begin(f);
    wr_defer(wr, &l.deferred);
    assert_int_equal(commit(f, wr), 0);
    assert_int_equal(l.finished, 2);
    assert_int_equal(l.dropped, 4);
    assert_store_holds(f, "late", "x");
}

static void an_arena_at_its_cap_is_no_bad_message(void **state)
{
    struct fixture *f = *state;
    Fokus__Event__V1__Event event = FOKUS__EVENT__V1__EVENT__INIT, *back;
    struct arena *tiny = arena_new(32);
    struct key k = text_key("k");

    event.subject = (char *)"subject";
    struct wr *wr = begin(f);
    wr_put(wr, &T_EVENTS, &k, &event);
    assert_int_equal(commit(f, wr), 0);
    struct rd *rd = snapshot(f);
    rd_set_arena(rd, tiny);
    assert_ptr_equal(rd_arena(rd), tiny);
    assert_int_equal(rd_get(rd, &T_EVENTS, &k, &back), -ENOMEM);
    rd_set_arena(rd, f->arena);
    assert_int_equal(rd_get(rd, &T_EVENTS, &k, &back), 0);
    rd_end(rd);
    arena_free(tiny);
}

/* Walks and writes what it saw as "key,key,". */
static void walk(struct scan *s, char *seen, size_t size)
{
    size_t len = 0;

    seen[0] = '\0';
    while (scan_next(s)) {
        for (size_t i = 0; i < s->key.len; i++)
            len += (size_t)snprintf(seen + len, size - len, "%02x", s->key.data[i]);
        len += (size_t)snprintf(seen + len, size - len, ",");
    }
    assert_false(scan_next(s));
    assert_int_equal(scan_end(s), 0);
    assert_int_equal(scan_end(s), 0);
}

static void assert_walks(const struct rd *rd, const struct key *prefix, const char *forwards,
                         const char *backwards)
{
    char seen[200];
    struct scan s;

    scan_prefix(&s, rd, &T_RAW, prefix);
    walk(&s, seen, sizeof(seen));
    assert_string_equal(seen, forwards);
    scan_from(&s, rd, &T_RAW, NULL, prefix);
    walk(&s, seen, sizeof(seen));
    assert_string_equal(seen, forwards);
    scan_backwards(&s, rd, &T_RAW, prefix);
    walk(&s, seen, sizeof(seen));
    assert_string_equal(seen, backwards);
}

static void assert_walks_from(const struct rd *rd, const struct key *from, const struct key *prefix,
                              const char *expected)
{
    char seen[200];
    struct scan s;

    scan_from(&s, rd, &T_RAW, from, prefix);
    walk(&s, seen, sizeof(seen));
    assert_string_equal(seen, expected);
}

static void assert_walks_back_from(const struct rd *rd, const struct key *from,
                                   const struct key *prefix, const char *expected)
{
    char seen[200];
    struct scan s;

    scan_backwards_from(&s, rd, &T_RAW, from, prefix);
    walk(&s, seen, sizeof(seen));
    assert_string_equal(seen, expected);
}

static void scans_meet_all_edges(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *bytes;
        size_t len;
    } keys[] = { { "\x01", 1 },      { "a", 1 },       { "a\x00", 2 },    { "a\xff", 2 },
                 { "a\xff\xff", 3 }, { "b", 1 },       { "\xfe\xff", 2 }, { "\xff", 1 },
                 { "\xff\x01", 2 },  { "\xff\xff", 2 } };
    struct key all = KEY_INIT, too_long = { .failed = true };
    struct key p_a = raw_key("a", 1), p_aff = raw_key("a\xff", 2), p_b = raw_key("b", 1);
    struct key p_c = raw_key("c", 1), p_fe = raw_key("\xfe", 1), p_ff = raw_key("\xff", 1);
    struct key p_ffff = raw_key("\xff\xff", 2), p_feff = raw_key("\xfe\xff", 2);
    struct key beyond = raw_key("\xff\xff\xff", 3);
    struct key p_00 = raw_key("\0", 1), p_a00 = raw_key("a\0", 2);
    struct scan s;

    struct rd *rd = snapshot(f);
    assert_walks(rd, NULL, "", "");
    assert_walks(rd, &p_a, "", "");
    assert_walks(rd, &p_ff, "", "");
    rd_end(rd);

    struct wr *wr = begin(f);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        struct key k = raw_key(keys[i].bytes, keys[i].len);
        wr_append_bytes(wr, &T_RAW, &k, "", 0);
    }
    assert_walks(wr_rd(wr), &p_a, "61,6100,61ff,61ffff,", "61ffff,61ff,6100,61,");
    assert_int_equal(commit(f, wr), 0);

    rd = snapshot(f);
    assert_walks(rd, &all, "01,61,6100,61ff,61ffff,62,feff,ff,ff01,ffff,",
                 "ffff,ff01,ff,feff,62,61ffff,61ff,6100,61,01,");
    assert_walks(rd, &p_a, "61,6100,61ff,61ffff,", "61ffff,61ff,6100,61,");
    assert_walks(rd, &p_aff, "61ff,61ffff,", "61ffff,61ff,");
    assert_walks(rd, &p_b, "62,", "62,");
    assert_walks(rd, &p_c, "", "");
    assert_walks(rd, &p_00, "", "");
    assert_walks(rd, &p_fe, "feff,", "feff,");
    assert_walks(rd, &p_feff, "feff,", "feff,");
    assert_walks(rd, &p_ff, "ff,ff01,ffff,", "ffff,ff01,ff,");
    assert_walks(rd, &p_ffff, "ffff,", "ffff,");

    assert_walks_from(rd, &p_aff, NULL, "61ff,61ffff,62,feff,ff,ff01,ffff,");
    assert_walks_from(rd, &p_a00, &p_a, "6100,61ff,61ffff,");
    assert_walks_from(rd, &p_00, &p_b, "62,"); /* from before the prefix */
    assert_walks_from(rd, &p_c, &p_b, "");     /* from past it */
    assert_walks_from(rd, &p_ffff, NULL, "ffff,");
    assert_walks_back_from(rd, &p_b, NULL, "62,61ffff,61ff,6100,61,01,");
    assert_walks_back_from(rd, &p_c, NULL, "62,61ffff,61ff,6100,61,01,");
    assert_walks_back_from(rd, &p_c, &p_a, "61ffff,61ff,6100,61,"); /* from past the prefix */
    assert_walks_back_from(rd, &p_aff, &p_a, "61ff,6100,61,");
    assert_walks_back_from(rd, &p_a, &p_a, "61,");
    assert_walks_back_from(rd, &p_00, NULL, "");
    assert_walks_back_from(rd, &p_a, &p_b, ""); /* from before the prefix */
    assert_walks_back_from(rd, &beyond, NULL, "ffff,ff01,ff,feff,62,61ffff,61ff,6100,61,01,");
    assert_walks_back_from(rd, &beyond, &p_ff, "ffff,ff01,ff,");

    scan_prefix(&s, rd, &T_RAW, &too_long);
    assert_false(scan_next(&s));
    assert_int_equal(scan_end(&s), -EOVERFLOW);
    scan_from(&s, rd, &T_RAW, &too_long, &p_a);
    assert_false(scan_next(&s));
    assert_int_equal(scan_end(&s), -EOVERFLOW);

    scan_prefix(&s, rd, &T_RAW, NULL); /* left early */
    assert_true(scan_next(&s));
    assert_int_equal(scan_end(&s), 0);
    assert_false(scan_next(&s));
    rd_end(rd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_is_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_does_not_see_later_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_uses_are_refused_with_their_reason, setup_tiny,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_first_error_stays_and_nothing_is_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(scans_meet_all_edges, setup, teardown),
        cmocka_unit_test_setup_teardown(a_scan_begins_with_the_piece_that_holds_a_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_scan_seeks_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_put_off_is_written_before_the_commit_or_dropped,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_arena_at_its_cap_is_no_bad_message, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
