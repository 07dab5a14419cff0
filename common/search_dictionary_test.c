/* search_dictionary_test.c - the dictionary's blocks against a plain table of words: the same words are found and walked whatever the
 * changes were, and the bytes do not depend on how these were cut into batches. */
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

#include "common/search_batch.h"
#include "common/testing_tree.h"

enum { WORDS = 1200, ROUNDS = 60, CHANGES = 120, STORES = 3 };

static const struct table *const TABLES[] = { SEARCH_TABLES, NULL };

struct model_word {
    char text[32];
    struct key key;
    uint32_t number, documents; /* number 0: not there */
};

struct fixture {
    char path[64];
    struct store *stores[STORES];
    struct arena *arena, *room;
    struct model_word words[WORDS]; /* by key */
    uint64_t random;
    struct err err;
};

static uint32_t draw(struct fixture *f, uint32_t below)
{
    f->random = f->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(f->random >> 33) % below;
}

static int by_key(const void *a, const void *b)
{
    const struct model_word *x = a, *y = b;
    size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
    int order = memcmp(x->key.bytes, y->key.bytes, len);

    return order ? order : (int)x->key.len - (int)y->key.len;
}

/* Words that begin alike, many of them the same but for their dots; all different. */
static void make_words(struct fixture *f)
{
    static const char *const letters[] = { "a", "å", "ä", "b", "ö", "o", "ss" };

    for (unsigned i = 0; i < WORDS; i++) {
        struct model_word *w = &f->words[i];
        unsigned left = i + 7;
        for (; left > 0; left /= ARRAY_LEN(letters))
            strncat(w->text, letters[left % ARRAY_LEN(letters)],
                    sizeof(w->text) - strlen(w->text) - 1);
        search_word_key(w->text, &w->key);
    }
    qsort(f->words, WORDS, sizeof(*f->words), by_key);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char path[128];

    snprintf(f->path, sizeof(f->path), "search-dictionary-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    f->arena = arena_new(64 << 20);
    f->room = arena_new(64 << 20);
    f->random = 20261122;
    *state = f;
    make_words(f);
    for (size_t i = 0; i < STORES; i++) {
        snprintf(path, sizeof(path), "%s/%zu", f->path, i);
        if (store_open(&f->stores[i],
                       &(struct store_config) { .path = path, .tables = TABLES, .no_sync = true },
                       &f->err) < 0)
            return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < STORES; i++)
        store_close(f->stores[i]);
    testing_remove_tree(f->path);
    arena_free(f->arena);
    arena_free(f->room);
    free(f);
    return 0;
}

/* Writes what the model says of those marked, as one batch, or one at a time. */
static void write_marked(struct fixture *f, size_t store, const bool *marked, bool singly)
{
    struct dictionary_entry changes[WORDS];
    size_t n = 0;
    struct wr *wr;
    bool unknown;

    assert_int_equal(wr_begin(f->stores[store], f->arena, &wr), 0);
    for (size_t i = 0; i < WORDS; i++) {
        const struct model_word *w = &f->words[i];
        if (!marked[i])
            continue;
        changes[n++] =
            (struct dictionary_entry) { { w->key.bytes, w->key.len }, w->number, w->documents };
        if (singly) {
            assert_int_equal(dictionary_write(wr, f->room, changes, n), 0);
            n = 0;
        }
    }
    assert_int_equal(dictionary_write(wr, f->room, changes, n), 0);
    assert_int_equal(wr_commit(wr, &unknown, &f->err), 0);
}

static void assert_same_bytes(struct fixture *f, size_t store)
{
    const struct key all = KEY_INIT;
    struct rd *a, *b;
    struct scan x, y;
    bool more;

    assert_int_equal(rd_begin(f->stores[0], f->arena, &a), 0);
    assert_int_equal(rd_begin(f->stores[store], f->arena, &b), 0);
    scan_prefix(&x, a, &T_SEARCH_WORD, &all);
    scan_prefix(&y, b, &T_SEARCH_WORD, &all);
    while ((more = scan_next(&x))) {
        assert_true(scan_next(&y));
        assert_int_equal(x.key.len, y.key.len);
        assert_memory_equal(x.key.data, y.key.data, x.key.len);
        assert_int_equal(x.value.len, y.value.len);
        assert_memory_equal(x.value.data, y.value.data, x.value.len);
    }
    assert_false(scan_next(&y));
    assert_int_equal(scan_end(&x), 0);
    assert_int_equal(scan_end(&y), 0);
    rd_end(a);
    rd_end(b);
}

static void assert_as_the_model(struct fixture *f)
{
    struct dictionary_block b = { .at = NULL };
    char word[DICTIONARY_FOLDED_BYTES + 1];
    const struct key all = KEY_INIT;
    uint32_t number, documents;
    struct scan s;
    struct rd *rd;

    assert_int_equal(rd_begin(f->stores[0], f->arena, &rd), 0);
    scan_prefix(&s, rd, &T_SEARCH_WORD, &all);
    for (size_t i = 0; i < WORDS; i++) {
        const struct model_word *w = &f->words[i];
        int r = dictionary_find(rd, &w->key, &number, &documents);
        assert_int_equal(r, w->number ? 0 : -ENOENT);
        if (!w->number)
            continue;
        assert_int_equal(number, w->number);
        assert_int_equal(documents, w->documents);
        if (b.at < b.end)
            assert_true(dictionary_block_next(&b));
        else
            assert_true(scan_next(&s) && dictionary_block_begin(&b, s.key, s.value));
        (void)dictionary_block_word(&b, word);
        assert_string_equal(word, w->text);
        assert_int_equal(b.number, w->number);
        assert_int_equal(b.documents, w->documents);
    }
    assert_true(b.at == b.end && !scan_next(&s));
    assert_int_equal(scan_end(&s), 0);
    rd_end(rd);
}

/* Store 0 takes each word by itself, 1 a round at a time, 2 all that is there in the end at once. */
static void test_any_changes(void **state)
{
    struct fixture *f = *state;
    bool marked[WORDS], there[WORDS] = { false };

    for (uint32_t round = 0; round < ROUNDS; round++) {
        memset(marked, 0, sizeof(marked));
        /* Now more come, now more go, and at the end there are few. */
        uint32_t stay = round % 20 < 10 && round + 5 < ROUNDS ? 4 : 1;
        uint32_t changes = 1 + draw(f, CHANGES);
        for (uint32_t i = 0; i < changes; i++) {
            struct model_word *w = &f->words[draw(f, WORDS)];
            bool stays = draw(f, 5) < stay;
            w->number = stays ? round * WORDS + i + 1 : 0;
            w->documents = stays ? 1 + draw(f, 300) : 0;
            marked[w - f->words] = true;
        }
        write_marked(f, 0, marked, true);
        write_marked(f, 1, marked, false);
        assert_same_bytes(f, 1);
        assert_as_the_model(f);
    }
    for (size_t i = 0; i < WORDS; i++)
        there[i] = f->words[i].number > 0;
    write_marked(f, 2, there, false);
    assert_same_bytes(f, 2);
    memset(marked, 1, sizeof(marked));
    for (size_t i = 0; i < WORDS; i++)
        f->words[i].number = 0;
    write_marked(f, 0, marked, true);
    write_marked(f, 2, marked, false);
    assert_same_bytes(f, 2);
    assert_as_the_model(f);
}

static void test_damaged_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        size_t key_len, value_len;
    } bad[] = {
        { "", "\1\1", 0, 2 },                      /* no key */
        { "ab", "\1\1", 2, 2 },                    /* that is not closed */
        { "ab\0", "", 3, 0 },                      /* no counts */
        { "ab\0", "\1", 3, 1 },                    /* one count */
        { "ab\0", "\0\1", 3, 2 },                  /* number 0 */
        { "ab\0", "\1\0", 3, 2 },                  /* nobody's */
        { "ab\0", "\1\1\3\1c\0\1\1", 3, 8 },       /* shares more than there is */
        { "ab\0", "\1\1\1\7c\0\1\1", 3, 8 },       /* longer than there is */
        { "ab\0", "\1\1\1\1c\4\0\0\1\1", 3, 10 },  /* keeps more than there is, */
        { "ab\0", "\1\1\1\1c\2\2\0\1\1", 3, 10 },  /* twice */
        { "ab\0", "\1\1\1\1c\2\1\5x\1\1", 3, 11 }, /* and puts in more than there is */
        { "ab\0", "\1\1\1\1c\0\1", 3, 7 },         /* cut off */
    };
    struct dictionary_block b;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        bool good = dictionary_block_begin(
            &b, (struct slice) { (const uint8_t *)bad[i].key, bad[i].key_len },
            (struct slice) { (const uint8_t *)bad[i].value, bad[i].value_len });
        while (good && b.at < b.end)
            good = dictionary_block_next(&b);
        assert_false(good);
    }
}

static void test_texts(void **state)
{
    (void)state;
    struct slice in[TEXT_BLOCK_WORDS] = { [3] = SLICE_STR("tre"), [9] = SLICE_STR("nio") };
    struct slice out[TEXT_BLOCK_WORDS];
    uint8_t bytes[TEXT_BLOCK_BYTES];

    size_t len = word_text_write(in, bytes);
    assert_int_equal(len, 10 + 6);
    assert_true(word_text_read((struct slice) { bytes, len }, out));
    for (size_t i = 0; i < TEXT_BLOCK_WORDS; i++) {
        assert_int_equal(out[i].len, in[i].len);
        assert_true(out[i].len == 0 || memcmp(out[i].data, in[i].data, in[i].len) == 0);
    }
    assert_false(word_text_read((struct slice) { bytes, len - 1 }, out));
    bytes[3] = 200;
    assert_false(word_text_read((struct slice) { bytes, len }, out));
    memset(bytes, 0, sizeof(bytes));
    assert_false(word_text_read((struct slice) { bytes, TEXT_BLOCK_WORDS + 1 }, out));
}

static void test_counts(void **state)
{
    (void)state;
    const uint32_t in[COUNT_BLOCK_WORDS] = { [0] = 1, [3] = 200, [9] = UINT32_MAX };
    uint32_t out[COUNT_BLOCK_WORDS];
    uint8_t bytes[COUNT_BLOCK_BYTES + 1] = { 0 };

    size_t len = word_counts_write(in, bytes);
    assert_int_equal(len, 8 + 2 + 5); /* eight of one byte */
    assert_true(word_counts_read((struct slice) { bytes, len }, out));
    assert_memory_equal(in, out, sizeof(in));
    assert_false(word_counts_read((struct slice) { bytes, len - 1 }, out));
    memset(bytes, 1, sizeof(bytes));
    assert_false(word_counts_read((struct slice) { bytes, COUNT_BLOCK_WORDS + 1 }, out));
    const struct recent_count recent[] = { { 1, 3 }, { 300, -1 }, { UINT32_MAX, UINT32_MAX } };
    static struct recent_count read[RECENT_COUNTS];
    static uint8_t differences[RECENT_COUNTS_BYTES];
    size_t n_read;
    len = recent_counts_write(recent, ARRAY_LEN(recent), differences);
    assert_true(recent_counts_read((struct slice) { differences, len }, read, &n_read));
    assert_int_equal(n_read, ARRAY_LEN(recent));
    for (size_t i = 0; i < n_read; i++)
        assert_true(read[i].number == recent[i].number &&
                    read[i].difference == recent[i].difference);
    assert_false(recent_counts_read((struct slice) { differences, len - 1 }, read, &n_read));
    memset(differences, 1, sizeof(differences));
    assert_true(
        recent_counts_read((struct slice) { differences, RECENT_COUNTS * 2 }, read, &n_read));
    assert_false(
        recent_counts_read((struct slice) { differences, RECENT_COUNTS * 2 + 2 }, read, &n_read));
    static const uint8_t bad[][2] = { { 0, 2 }, { 1, 0 } }; /* no number, no difference */
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(recent_counts_read((struct slice) { bad[i], 2 }, read, &n_read));
    /* In full while that is little, never more than an eighth off, and not changed for less. */
    for (uint32_t said = 0; said < 1000; said++) {
        for (uint32_t n = 1; n < 1200; n++) {
            uint32_t becomes = word_roughly(said, n), off = n > said ? n - said : said - n;
            assert_true(becomes == (off * 8 <= said ? said : n));
        }
        assert_int_equal(word_roughly(said, 0), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_changes, setup, teardown),
        cmocka_unit_test(test_damaged_blocks),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
