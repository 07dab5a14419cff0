/* search_random_test.c - what must hold for any sequence of puts, edits and deletes: the tables do not depend on how it was cut
 * into transactions; documents that come to the same are found the same; and ranking is that of a plain scorer that
 * knows no chunk, window, heap or batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/packed.h"
#include "common/search_internal.h"
#include "common/testing_tree.h"

#ifdef __SANITIZE_THREAD__
enum { STEPS = 600 }; /* here is one thread only, and it is slow */
#else
enum { STEPS = 1500 };
#endif
enum {
    DOCUMENTS = 400,
    STORES = 4,
    TEXT_BYTES = 600,
    RARE_WORDS = 3 * RECENT_COUNTS,
    COLUMN = 3,
    VALUES = 5,
};

static const struct table *const TABLES[] = { SEARCH_TABLES, NULL };

/* Simple words, and compounds of them. The frequent come first. */
static const char *const VOCABULARY[] = {
    "förening", "sjuk",        "hjärta",      "cancer", "bröst",     "lunga",
    "tinnitus", "barn",        "bröstcancer", "vård",   "patient",   "barnvård",
    "sorg",     "lungcancer",  "migrän",      "smärta", "hud",       "hudcancer",
    "öga",      "ögonsjukdom", "diabetes",    "astma",  "allergi",   "hjärtsjukdom",
    "må",       "ma",          "får",         "far",    "reumatism", "patientförening",
};

struct model_document {
    bool there;
    char name[TEXT_BYTES], text[TEXT_BYTES];
    char value[8];
};

struct fixture {
    char path[64];
    struct store *stores[STORES];
    struct arena *arena;
    struct model_document documents[DOCUMENTS];
    uint32_t numbers[DOCUMENTS]; /* of the index, in the order of first puts */
    uint32_t next_number;
    uint64_t random;
    struct err err;
};

static uint32_t draw(struct fixture *f, uint32_t below)
{
    f->random = f->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(f->random >> 33) % below;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char path[128];

    snprintf(f->path, sizeof(f->path), "search-random-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    f->arena = arena_new(64 << 20);
    f->random = 20261121;
    f->next_number = 1;
    *state = f;
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
    free(f);
    return 0;
}

/* ---- the sequence ---- */

/* Few words often, many seldom; and some of so many that more counts change than are recent. */
static void draw_text(struct fixture *f, size_t words, char *ret)
{
    size_t len = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < words; i++) {
        uint32_t below = 1 + draw(f, ARRAY_LEN(VOCABULARY));
        len += (size_t)snprintf(ret + len, TEXT_BYTES - len, "%s ", VOCABULARY[draw(f, below)]);
        if (i % 3 == 2)
            len += (size_t)snprintf(ret + len, TEXT_BYTES - len, "nr%u ", draw(f, RARE_WORDS));
    }
}

struct step {
    uint32_t document;
    struct model_document becomes;
};

static void draw_step(struct fixture *f, struct step *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->document = draw(f, DOCUMENTS);
    ret->becomes.there = draw(f, 5) > 0;
    draw_text(f, draw(f, 3), ret->becomes.name);
    draw_text(f, draw(f, 20), ret->becomes.text);
    snprintf(ret->becomes.value, sizeof(ret->becomes.value), "%u", draw(f, VALUES));
}

static struct slice key_of(uint32_t document, char room[16])
{
    int len = snprintf(room, 16, "d%u", document);

    return (struct slice) { (const uint8_t *)room, (size_t)len };
}

static void apply(struct wr *wr, const struct step *s)
{
    const struct model_document *d = &s->becomes;
    const struct search_field fields[] = { { d->name, strlen(d->name), 300, 4 },
                                           { d->text, strlen(d->text), 100, 60 } };
    const struct search_facet facet = { COLUMN, d->value };
    char room[16];

    if (!d->there) {
        search_delete(wr, key_of(s->document, room));
        return;
    }
    search_put(wr, &(struct search_document) { .key = key_of(s->document, room),
                                               .fields = fields,
                                               .n_fields = 2,
                                               .facets = &facet,
                                               .n_facets = 1 });
}

static void remember(struct fixture *f, const struct step *s)
{
    struct model_document *d = &f->documents[s->document];

    if (s->becomes.there && !d->there)
        f->numbers[s->document] = f->next_number++;
    *d = s->becomes;
}

/* Store 0 commits each step, 1 every seventh, 2 all at once, 3 by chance. */
static bool commits(struct fixture *f, size_t store, size_t step)
{
    return step + 1 == STEPS || store == 0 || (store == 1 && step % 7 == 6) ||
           (store == 3 && draw(f, 40) == 0);
}

static void run(struct fixture *f)
{
    struct step *steps = calloc(STEPS, sizeof(*steps));

    for (size_t i = 0; i < STEPS; i++) {
        draw_step(f, &steps[i]);
        remember(f, &steps[i]);
    }
    for (size_t store = 0; store < STORES; store++) {
        struct wr *wr = NULL;
        for (size_t i = 0; i < STEPS; i++) {
            bool unknown;
            if (!wr)
                assert_int_equal(wr_begin(f->stores[store], f->arena, &wr), 0);
            apply(wr, &steps[i]);
            assert_int_equal(wr_status(wr), 0);
            if (!commits(f, store, i))
                continue;
            assert_int_equal(wr_commit(wr, &unknown, &f->err), 0);
            wr = NULL;
        }
    }
    free(steps);
}

/* ---- the tables ---- */

static void assert_same_table(struct rd *a, struct rd *b, const struct table *t)
{
    const struct key all = KEY_INIT;
    struct scan x, y;

    scan_prefix(&x, a, t, &all);
    scan_prefix(&y, b, t, &all);
    for (;;) {
        bool more = scan_next(&x);
        assert_int_equal(more, scan_next(&y));
        if (!more)
            break;
        assert_int_equal(x.key.len, y.key.len);
        assert_memory_equal(x.key.data, y.key.data, x.key.len);
        assert_int_equal(x.value.len, y.value.len);
        if (x.value.len)
            assert_memory_equal(x.value.data, y.value.data, x.value.len);
    }
    assert_int_equal(scan_end(&x), 0);
    assert_int_equal(scan_end(&y), 0);
}

static void test_same_tables(void **state)
{
    struct fixture *f = *state;
    struct rd *rd[STORES];

    run(f);
    for (size_t i = 0; i < STORES; i++)
        assert_int_equal(rd_begin(f->stores[i], f->arena, &rd[i]), 0);
    for (size_t i = 1; i < STORES; i++)
        for (size_t t = 0; TABLES[t]; t++)
            assert_same_table(rd[0], rd[i], TABLES[t]);
    for (size_t i = 0; i < STORES; i++)
        rd_end(rd[i]);
}

enum { DOCUMENT_WORDS = 200 };

/* The words that a document has, themselves or as parts. */
struct words {
    const char *all[DOCUMENT_WORDS];
    size_t n;
};

static void add_word(struct words *w, const char *word)
{
    assert_true(w->n < DOCUMENT_WORDS);
    w->all[w->n++] = word;
}

static void add_words(struct arena *arena, const char *text, struct words *ret)
{
    struct text_token *tokens;
    struct text_part *parts;
    size_t n, n_parts;

    assert_int_equal(text_tokens(arena, text, strlen(text), 1000, &tokens, &n), 0);
    for (size_t i = 0; i < n; i++) {
        add_word(ret, tokens[i].word);
        assert_int_equal(text_compound(arena, tokens[i].word, &parts, &n_parts), 0);
        for (size_t j = 0; j < n_parts; j++)
            add_word(ret, parts[j].word);
    }
}

static bool has_word(const struct words *w, const char *word)
{
    size_t i = 0;

    while (i < w->n && strcmp(w->all[i], word) != 0)
        i++;
    return i < w->n;
}

static size_t numbers_in_use(const struct rd *rd)
{
    const struct key all = KEY_INIT;
    struct slice texts[TEXT_BLOCK_WORDS];
    struct scan s;
    size_t n = 0;

    for (scan_prefix(&s, rd, &T_SEARCH_WORD_TEXT, &all); scan_next(&s);) {
        assert_true(word_text_read(s.value, texts));
        for (size_t i = 0; i < TEXT_BLOCK_WORDS; i++)
            n += texts[i].len > 0;
    }
    assert_int_equal(scan_end(&s), 0);
    return n;
}

enum { NUMBERS = 100000 };

/* Reads how many documents have the words of all numbers; returns how many words any has. */
static size_t read_counts(const struct rd *rd, int64_t ret[NUMBERS])
{
    static struct recent_count recent[RECENT_COUNTS];
    const struct key all = KEY_INIT;
    uint32_t counts[COUNT_BLOCK_WORDS];
    struct key k = KEY_INIT;
    struct slice bytes;
    struct scan s;
    size_t n = 0, n_recent;

    memset(ret, 0, NUMBERS * sizeof(*ret));
    for (scan_prefix(&s, rd, &T_SEARCH_WORD_COUNT, &all); scan_next(&s);) {
        uint32_t block = __builtin_bswap32(packed_load32(s.key.data));
        assert_true(block < NUMBERS / COUNT_BLOCK_WORDS && word_counts_read(s.value, counts));
        for (size_t i = 0; i < COUNT_BLOCK_WORDS; i++)
            ret[block * COUNT_BLOCK_WORDS + i] = counts[i];
    }
    assert_int_equal(scan_end(&s), 0);
    assert_int_equal(rd_get_bytes(rd, &T_SEARCH_META, key_text(&k, "recent_counts"), &bytes), 0);
    assert_true(recent_counts_read(bytes, recent, &n_recent));
    for (size_t i = 0; i < n_recent; i++)
        ret[recent[i].number] += recent[i].difference;
    for (size_t i = 0; i < NUMBERS; i++)
        n += ret[i] != 0;
    return n;
}

/* The dictionary has each word that a document has, with roughly the number of these documents, the counts have the number
 * itself, and neither has any other. */
static void test_dictionary(void **state)
{
    struct fixture *f = *state;
    const struct key all = KEY_INIT;
    static int64_t counts[NUMBERS];
    static struct words words[DOCUMENTS];
    char text[SEARCH_WORD_BYTES + 1], written[DICTIONARY_FOLDED_BYTES + 1];
    struct dictionary_block b = { .at = NULL };
    struct scan s;
    struct rd *rd;
    size_t n = 0;

    run(f);
    assert_int_equal(rd_begin(f->stores[0], f->arena, &rd), 0);
    const size_t n_counted = read_counts(rd, counts);
    for (size_t d = 0; d < DOCUMENTS; d++) {
        words[d].n = 0;
        if (!f->documents[d].there)
            continue;
        add_words(f->arena, f->documents[d].name, &words[d]);
        add_words(f->arena, f->documents[d].text, &words[d]);
    }
    scan_prefix(&s, rd, &T_SEARCH_WORD, &all);
    for (;; n++) {
        uint32_t documents = 0;
        if (b.at < b.end)
            assert_true(dictionary_block_next(&b));
        else if (scan_next(&s))
            assert_true(dictionary_block_begin(&b, s.key, s.value));
        else
            break;
        (void)dictionary_block_word(&b, written);
        assert_int_equal(word_text_find(rd, b.number, text), 0);
        assert_string_equal(text, written);
        for (size_t d = 0; d < DOCUMENTS; d++)
            documents += has_word(&words[d], written);
        assert_true(documents > 0);
        assert_int_equal(b.documents, word_roughly(b.documents, documents));
        assert_true(b.number < NUMBERS && counts[b.number] == documents);
    }
    assert_int_equal(scan_end(&s), 0);
    assert_true(n > RECENT_COUNTS);
    assert_true(rd_count(rd, &T_SEARCH_WORD_COUNT) > 0);
    assert_int_equal(numbers_in_use(rd), n);
    assert_int_equal(n_counted, n);
    rd_end(rd);
}

/* ---- the plain scorer ---- */

struct scored {
    uint32_t document;
    double score;
};

/* How much the text adds to the weight of a term, given as its key. */
static double weight_in(struct fixture *f, const char *text, double field, double usual,
                        const struct key *term)
{
    struct text_token *tokens;
    struct text_part *parts;
    size_t n, n_parts, folded_len;
    double sum = 0;
    struct key k;

    assert_int_equal(text_tokens(f->arena, text, strlen(text), 1000, &tokens, &n), 0);
    double weight = floor(field * 10000 * usual / (50 * usual + 50 * (double)n));
    for (size_t i = 0; i < n; i++) {
        search_term_key(tokens[i].word, &k, &folded_len);
        if (k.len == term->len && memcmp(k.bytes, term->bytes, k.len) == 0)
            sum += weight;
        assert_int_equal(text_compound(f->arena, tokens[i].word, &parts, &n_parts), 0);
        for (size_t j = 0; j < n_parts; j++) {
            search_term_key(parts[j].word, &k, &folded_len);
            if (k.len == term->len && memcmp(k.bytes, term->bytes, k.len) == 0)
                sum += floor(weight * 0.55);
        }
    }
    return sum;
}

static unsigned impact_in(struct fixture *f, const struct model_document *d, const struct key *term)
{
    double weight = 0;

    arena_reset(f->arena);
    if (!d->there)
        return 0;
    weight = weight_in(f, d->name, 300, 4, term);
    weight += weight_in(f, d->text, 100, 60, term);
    if (weight == 0)
        return 0;
    return (unsigned)fmax(1, floor(255 * weight / (weight + 12000) + 0.5));
}

/* Scores of all documents for some words of the vocabulary, each known to be frequent enough to stand for itself. */
static void score_all(struct fixture *f, const char *const *words, size_t n, double *ret)
{
    static unsigned impacts[DOCUMENTS];
    unsigned matched[DOCUMENTS] = { 0 }, documents = 0;

    for (size_t d = 0; d < DOCUMENTS; d++) {
        ret[d] = 0;
        documents += f->documents[d].there;
    }
    for (size_t i = 0; i < n; i++) {
        struct key term;
        size_t folded_len, have = 0;
        search_term_key(words[i], &term, &folded_len);
        for (size_t d = 0; d < DOCUMENTS; d++) {
            impacts[d] = impact_in(f, &f->documents[d], &term);
            have += impacts[d] > 0;
        }
        double rarity = log(1 + ((double)documents - (double)have + 0.5) / ((double)have + 0.5));
        for (size_t d = 0; d < DOCUMENTS; d++) {
            ret[d] += impacts[d] * rarity;
            matched[d] += impacts[d] > 0;
        }
    }
    for (size_t d = 0; d < DOCUMENTS; d++)
        ret[d] *= (double)matched[d] / (double)n;
}

static uint32_t document_of(const struct search_hit *hit)
{
    char key[16];

    (void)snprintf(key, sizeof(key), "%.*s", (int)hit->key.len, (const char *)hit->key.data);
    return (uint32_t)strtoul(key + 1, NULL, 10);
}

/* Every hit has its score, no better one was left out, and none is missing. */
static void compare(struct fixture *f, const struct search_request *request,
                    const char *const *words, size_t n_words, const char *value)
{
    static double scores[DOCUMENTS];
    struct search_result result;
    struct arena *arena = arena_new(8 << 20);
    uint32_t total = 0;
    struct rd *rd;

    score_all(f, words, n_words, scores);
    assert_int_equal(rd_begin(f->stores[0], arena, &rd), 0);
    assert_int_equal(search_query(rd, arena, request, &result), 0);
    rd_end(rd);
    for (size_t d = 0; d < DOCUMENTS; d++) {
        if (value && strcmp(f->documents[d].value, value) != 0)
            scores[d] = 0;
        total += scores[d] > 0;
    }
    assert_int_equal(result.total, total);
    assert_int_equal(result.n_hits, total < request->limit ? total : request->limit);
    double last = INFINITY;
    for (size_t i = 0; i < result.n_hits; i++) {
        uint32_t d = document_of(&result.hits[i]);
        assert_true(d < DOCUMENTS && scores[d] > 0);
        assert_true(fabs(scores[d] - (double)result.hits[i].score) < 0.001 * scores[d]);
        assert_int_equal(result.hits[i].document, f->numbers[d]);
        assert_true((double)result.hits[i].score <= last);
        last = (double)result.hits[i].score;
        scores[d] = 0;
    }
    for (size_t d = 0; d < DOCUMENTS && result.n_hits > 0; d++)
        assert_true(scores[d] <= last * 1.001);
    arena_free(arena);
}

static void test_same_ranking(void **state)
{
    struct fixture *f = *state;

    run(f);
    for (size_t round = 0; round < 16; round++) {
        const char *words[3];
        char text[TEXT_BYTES] = "", value[8];
        size_t n = 1 + draw(f, 3), len = 0;
        for (size_t i = 0; i < n; i++) {
            /* Each once; without those that have a brother with other dots, and without the first, which tells nothing beside
             * other words (nor does the last). */
            words[i] = VOCABULARY[1 + draw(f, 7) * 3 + i];
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", words[i]);
        }
        snprintf(value, sizeof(value), "%u", draw(f, VALUES));
        const struct search_facet filter = { COLUMN, value };
        struct search_request request = { .text = text,
                                          .len = len,
                                          .limit = 1 + draw(f, round % 2 ? 12 : 500) };
        compare(f, &request, words, n, NULL);
        request.filters = &filter;
        request.n_filters = 1;
        compare(f, &request, words, n, value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_same_tables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dictionary, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_ranking, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
