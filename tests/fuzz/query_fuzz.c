/* query_fuzz.c - queries of any bytes against a small index: answered, in time, with results within the text; and documents of
 * any bytes can be put, found again by what they hold, and taken out without a trace. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/search.h"
#include "common/testing_tree.h"

enum { ARENA_BYTES = 64 << 20 };

static const struct table *const TABLES[] = { SEARCH_TABLES, NULL };

static struct store *store;
static struct arena *arena;
static char path[] = "/tmp/fokus-query-fuzz-XXXXXX";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void clean_up(void)
{
    testing_remove_tree(path);
}

static void put(struct wr *wr, const char *key, const char *text, size_t len)
{
    search_put(wr, &(struct search_document) {
                       .key = { (const uint8_t *)key, strlen(key) },
                       .fields = (struct search_field[]) { { text, len, 100, 10 } },
                       .n_fields = 1,
                       .facets = (struct search_facet[]) { { 1, "all" }, { 2, key } },
                       .n_facets = 2 });
}

static void commit(struct wr *wr)
{
    struct err err = { 0 };
    bool unknown;

    check(wr_commit(wr, &unknown, &err) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const texts[] = {
        "Bröstcancerförbundet stöd för kvinnor",
        "Reumatikerdistriktet Skåne värk i leder",
        "Celiakiförbundet glutenfri mat",
        "Anhörigas riksförbund",
        "Sköldkörtelförbundet ämnesomsättning trött",
        "Hjärnskadeförbundet hjärnskakning minne",
    };
    const char *const expansions[] = { "celiaki", "glutenfri mat" };
    struct err err = { 0 };
    struct wr *wr;
    char key[16];

    (void)argc;
    (void)argv;
    check(mkdtemp(path) != NULL);
    atexit(clean_up);
    arena = arena_new(ARENA_BYTES);
    check(arena &&
          store_open(&store,
                     &(struct store_config) { .path = path, .tables = TABLES, .no_sync = true },
                     &err) == 0);
    check(wr_begin(store, arena, &wr) == 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        snprintf(key, sizeof(key), "%zu", i);
        put(wr, key, texts[i], strlen(texts[i]));
    }
    search_synonym_put(wr, "glutenintolerans", expansions, 2);
    commit(wr);
    return 0;
}

static void ask(const char *text, size_t len, uint8_t flags)
{
    static const uint8_t columns[] = { 1, 2 };
    const struct search_facet filter = { 2, "3" };
    const struct search_boost boost = { { 1, "all" }, 150 };
    const struct search_request request = { .text = text,
                                            .len = len,
                                            .limit = 10,
                                            .offset = flags >> 4,
                                            .type_ahead = flags & 1,
                                            .filters = &filter,
                                            .n_filters = flags >> 1 & 1,
                                            .boosts = &boost,
                                            .n_boosts = flags >> 2 & 1,
                                            .count_columns = columns,
                                            .n_count_columns = flags & 8 ? 2 : 0 };
    struct search_result result;
    struct search_span *spans;
    struct rd *rd;
    size_t n;

    arena_reset(arena);
    check(rd_begin(store, arena, &rd) == 0);
    check(search_query(rd, arena, &request, &result) == 0);
    rd_end(rd);
    check(result.n_hits <= 10 && result.n_hits <= result.total);
    for (size_t i = 0; i < result.n_corrections; i++)
        check(result.corrections[i].start < result.corrections[i].end &&
              result.corrections[i].end <= len);
    for (size_t i = 0; i < result.n_meanings; i++)
        check(result.meanings[i].end <= len);
    check(search_highlight(arena, &result, text, len, 100, &spans, &n) == 0);
    for (size_t i = 0; i < n; i++)
        check(spans[i].start < spans[i].end && spans[i].end <= len &&
              (i == 0 || spans[i].start >= spans[i - 1].end));
}

static uint64_t entries(void)
{
    struct rd *rd;
    uint64_t n = 0;

    check(rd_begin(store, arena, &rd) == 0);
    for (size_t i = 0; TABLES[i]; i++)
        n += rd_count(rd, TABLES[i]);
    rd_end(rd);
    return n;
}

static void put_and_delete(const char *text, size_t len)
{
    const struct slice key = SLICE_STR("fuzz");
    struct wr *wr;

    arena_reset(arena);
    uint64_t before = entries();
    check(wr_begin(store, arena, &wr) == 0);
    put(wr, "fuzz", text, len);
    commit(wr);
    check(wr_begin(store, arena, &wr) == 0);
    put(wr, "fuzz", text, len / 2);
    search_delete(wr, key);
    commit(wr);
    check(entries() == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    /* A copy of its own size, so that reading past it is seen. */
    char *text = malloc(len);
    check(text != NULL);
    memcpy(text, data + 1, len - 1);
    ask(text, len - 1, data[0]);
    if (data[0] & 0x80)
        put_and_delete(text, len - 1);
    free(text);
    return 0;
}
