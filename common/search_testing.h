/* search_testing.h - an index in a scratch store, and short ways to fill and to ask it. For the tests of common/search; included once
 * by a test program. */
#pragma once
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
#include <time.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/search_internal.h"
#include "common/testing_tree.h"

enum { REGION = 1, KIND = 2, AREA = 3 };

static const struct table *const TABLES[] = { SEARCH_TABLES, NULL };

struct fixture {
    char path[64];
    struct store *store;
    struct arena *arena;
    struct search_result result;
    struct err err;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->path, sizeof(f->path), "search-test-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    f->arena = arena_new(16 << 20);
    *state = f;
    return store_open(&f->store,
                      &(struct store_config) { .path = f->path, .tables = TABLES, .no_sync = true },
                      &f->err);
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    testing_remove_tree(f->path);
    arena_free(f->arena);
    free(f);
    return 0;
}

static inline struct slice text_slice(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

static inline struct wr *begin(struct fixture *f)
{
    struct wr *wr;

    assert_int_equal(wr_begin(f->store, f->arena, &wr), 0);
    return wr;
}

static inline void commit(struct fixture *f, struct wr *wr)
{
    bool unknown;

    assert_int_equal(wr_status(wr), 0);
    assert_int_equal(wr_commit(wr, &unknown, &f->err), 0);
}

static inline void put_in(struct wr *wr, const char *key, const char *name, const char *text,
                          const char *region, const char *kind)
{
    const struct search_field fields[] = { { name, strlen(name), 300, 4 },
                                           { text, strlen(text), 100, 60 } };
    struct search_facet facets[2];
    size_t n = 0;

    if (region)
        facets[n++] = (struct search_facet) { REGION, region };
    if (kind)
        facets[n++] = (struct search_facet) { KIND, kind };
    search_put(wr, &(struct search_document) { .key = text_slice(key),
                                               .fields = fields,
                                               .n_fields = 2,
                                               .facets = facets,
                                               .n_facets = n });
}

static inline void put(struct fixture *f, const char *key, const char *name, const char *text)
{
    struct wr *wr = begin(f);

    put_in(wr, key, name, text, NULL, NULL);
    commit(f, wr);
}

static inline int ask_for(struct fixture *f, const struct search_request *request)
{
    struct rd *rd;

    assert_int_equal(rd_begin(f->store, f->arena, &rd), 0);
    int r = search_query(rd, f->arena, request, &f->result);
    rd_end(rd);
    return r;
}

static inline void ask(struct fixture *f, const char *text)
{
    assert_int_equal(
        ask_for(f, &(struct search_request) { .text = text, .len = strlen(text), .limit = 50 }), 0);
}

static inline const char *hit(struct fixture *f, size_t i)
{
    assert_true(i < f->result.n_hits);
    return arena_strndup(f->arena, (const char *)f->result.hits[i].key.data,
                         f->result.hits[i].key.len);
}

/* The keys found for a text, in order, with blanks between. */
static inline void expect(struct fixture *f, const char *text, const char *keys)
{
    struct buf found = BUF_INIT(4096);

    ask(f, text);
    for (size_t i = 0; i < f->result.n_hits; i++) {
        buf_append_str(&found, i ? " " : "");
        buf_append_str(&found, hit(f, i));
    }
    buf_append_byte(&found, 0);
    if (strcmp((char *)found.data, keys) != 0)
        print_error("\"%s\" found \"%s\", not \"%s\"\n", text, (char *)found.data, keys);
    assert_string_equal((char *)found.data, keys);
    buf_free(&found);
}

/* A few organisations as a directory has them; the names are of kinds, not of anybody. */
static inline void put_some(struct fixture *f)
{
    struct wr *wr = begin(f);

    put_in(wr, "brost", "Bröstcancerförbundet", "För dig som har eller har haft sjukdomen.", "01",
           "patient");
    put_in(wr, "prostata", "Prostatacancerförbundet", "Män och deras närstående.", "01", "patient");
    put_in(wr, "reuma-skane", "Reumatikerdistriktet Skåne", "Reumatism och värk i leder.", "12",
           "patient");
    put_in(wr, "reuma", "Reumatikerförbundet", "Hela landet.", "01", "patient");
    put_in(wr, "celiaki", "Celiakiförbundet", "Glutenfri mat.", "01", "patient");
    put_in(wr, "skold", "Sköldkörtelförbundet", "Ämnesomsättning.", "14", "patient");
    put_in(wr, "anhorig", "Anhörigas riksförbund", "Stöd till den som vårdar.", "08", "anhorig");
    commit(f, wr);
}

#define SEARCH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
