/* search_bench.c - the index against the goals, as one line of JSON a figure.
 *
 *   search_bench DIR DOCUMENTS [ours|fts5|both] [ROUNDS]
 *
 * Builds the corpus of search_corpus.h in DIR (an empty folder on a real disk), in one durable transaction; asks words,
 * three words, beginnings and typos, ours and SQLite's FTS5 in turn; and edits documents, each in a commit of its own. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/search.h"
#include "tests/bench/search_corpus.h"
#ifdef HAVE_SQLITE
#include <sqlite3.h>
#endif

enum { QUERIES = 400, EDITS = 200, LIMIT = 10, REGIONS = 21, AREAS = 25, SYNONYMS = 25000 };

static const struct table *const TABLES[] = { SEARCH_TABLES, NULL };

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Of this thread's processor time: queries wait for nothing, and others on the machine are not to count. */
static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "search_bench: %s: %s\n", what, why);
    exit(1);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_times(const char *engine, const char *what, double *times, size_t n)
{
    qsort(times, n, sizeof(*times), compare_doubles);
    printf("{\"engine\":\"%s\",\"what\":\"%s\",\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
           engine, what, times[n / 2], times[n * 99 / 100], times[n - 1]);
    fflush(stdout);
}

/* ---- queries ---- */

enum kind { WORD, WORDS3, COMMON, TYPE_AHEAD, TYPO, FACETS, HOSTILE, KINDS };
static const char *const KIND_NAMES[KINDS] = { "word",           "three words", "common word",
                                               "type-ahead",     "typo",        "word, 46 counts",
                                               "made to be slow" };

/* Cuts a word after so many letters, not within one. */
static void cut_letters(char *word, size_t letters)
{
    size_t at = 0;

    for (; word[at] && letters > 0; letters--) {
        at++;
        while (((unsigned char)word[at] & 0xc0) == 0x80)
            at++;
    }
    word[at] = '\0';
}

/* A word of ASCII letters, so that any byte may be changed. */
static const char *long_word(const struct corpus *c, uint32_t documents, uint64_t *state)
{
    for (;;) {
        const char *word = corpus_word(c, documents, corpus_random(state));
        size_t len = strlen(word), i = 0;
        while (i < len && !(word[i] & 0x80))
            i++;
        if (i == len && len >= 6)
            return word;
    }
}

static void one_edit(char *word, uint64_t *state)
{
    size_t len = strlen(word), at = 1 + corpus_random(state) % (len - 2);
    char letter = (char)('a' + corpus_random(state) % 26);

    switch (corpus_random(state) % 4) {
    case 0:
        word[at] = letter;
        break;
    case 1:
        memmove(word + at, word + at + 1, len - at);
        break;
    case 2:
        memmove(word + at + 1, word + at, len - at + 1);
        word[at] = letter;
        break;
    case 3: {
        char swap = word[at];
        word[at] = word[at + 1];
        word[at + 1] = swap;
        break;
    }
    }
}

static void make_query(const struct corpus *c, uint32_t documents, enum kind kind, uint64_t number,
                       char ret[512])
{
    uint64_t state = number * 977 + (uint64_t)kind;

    switch (kind) {
    case WORD:
    case FACETS:
        snprintf(ret, 512, "%s", corpus_word(c, documents, corpus_random(&state)));
        return;
    case WORDS3:
        snprintf(ret, 512, "%s %s %s", corpus_word(c, documents, corpus_random(&state)),
                 corpus_word(c, documents, corpus_random(&state)),
                 corpus_word(c, documents, corpus_random(&state)));
        return;
    case COMMON:
        snprintf(ret, 512, "%s", number % 3 ? "förbundet" : "föreningen");
        return;
    case TYPE_AHEAD:
        snprintf(ret, 512, "%s", corpus_word(c, documents, corpus_random(&state)));
        cut_letters(ret, 2 + corpus_random(&state) % 4);
        return;
    case TYPO:
        snprintf(ret, 500, "%s", long_word(c, documents, &state));
        one_edit(ret, &state);
        return;
    case HOSTILE: { /* sixteen words, frequent and misspelt in turn, the last unfinished */
        size_t len = 0;
        for (int i = 0; i < 15; i++) {
            char word[64];
            snprintf(word, sizeof(word), "%s",
                     i % 2 ? long_word(c, documents, &state)
                           : corpus_word(c, documents, corpus_random(&state)));
            if (i % 2)
                one_edit(word, &state);
            len += (size_t)snprintf(ret + len, 512 - len, "%.28s ", word);
        }
        snprintf(ret + len, 512 - len, "st");
        return;
    }
    case KINDS:
        return;
    }
}

/* ---- ours ---- */

struct ours {
    struct store *store;
    struct arena *arena;
};

static void ours_put(struct wr *wr, const struct corpus *c, uint32_t number, uint32_t edition)
{
    char name[CORPUS_NAME_BYTES], text[CORPUS_TEXT_BYTES], key[32], region[8], area[8];

    corpus_document(c, number, edition, name, text);
    int len = snprintf(key, sizeof(key), "organisation-%u", number);
    snprintf(region, sizeof(region), "%u", number * 31 % REGIONS);
    snprintf(area, sizeof(area), "%u", number * 17 % AREAS);
    search_put(wr, &(struct search_document) {
                       .key = { (const uint8_t *)key, (size_t)len },
                       .fields = (struct search_field[]) { { name, strlen(name), 300, 4 },
                                                           { text, strlen(text), 100, 60 } },
                       .n_fields = 2,
                       .facets = (struct search_facet[]) { { 1, region }, { 2, area } },
                       .n_facets = 2 });
}

static void ours_commit(struct wr *wr)
{
    struct err err = { 0 };
    bool unknown;

    int r = wr_commit(wr, &unknown, &err);
    if (r < 0)
        die("commit", strerror(-r));
}

static void ours_open(struct ours *o, const char *path)
{
    struct err err = { 0 };

    o->arena = arena_new(64 << 20);
    int r = store_open(
        &o->store,
        &(struct store_config) { .path = path, .tables = TABLES, .map_bytes = (size_t)2 << 30 },
        &err);
    if (r < 0)
        die(path, strerror(-r));
}

static void ours_build(struct ours *o, const struct corpus *c, uint32_t documents)
{
    struct store_stats stats = { 0 };
    struct wr *wr;

    double start = now_us(), cpu_start = cpu_us();
    if (wr_begin(o->store, o->arena, &wr) < 0)
        die("begin", "cannot");
    for (uint32_t i = 0; i < documents; i++)
        ours_put(wr, c, i, 0);
    ours_commit(wr);
    double s = (now_us() - start) / 1e6, cpu_s = (cpu_us() - cpu_start) / 1e6;
    if (store_stats(o->store, &stats) < 0)
        die("stats", "cannot");
    printf("{\"engine\":\"ours\",\"what\":\"build\",\"documents\":%u,\"s\":%.2f,\"cpu_s\":%.2f,"
           "\"mb\":%.1f}\n",
           documents, s, cpu_s, (double)stats.used_bytes / 1e6);
    fflush(stdout);
}

static double ours_ask(struct ours *o, enum kind kind, const char *text)
{
    struct search_result result;
    const uint8_t columns[] = { 1, 2 };
    struct search_request request = { .text = text,
                                      .len = strlen(text),
                                      .limit = LIMIT,
                                      .type_ahead = kind == TYPE_AHEAD || kind == HOSTILE,
                                      .count_columns = columns,
                                      .n_count_columns = kind == FACETS ? 2 : 0 };
    struct rd *rd;

    arena_reset(o->arena);
    double start = cpu_us();
    if (rd_begin(o->store, o->arena, &rd) < 0)
        die("snapshot", "cannot");
    int r = search_query(rd, o->arena, &request, &result);
    rd_end(rd);
    double us = cpu_us() - start;
    if (r < 0)
        die(text, strerror(-r));
    return us;
}

static void ours_edits(struct ours *o, const struct corpus *c, uint32_t documents)
{
    static double times[EDITS];
    uint64_t state = 5;

    for (size_t i = 0; i < EDITS; i++) {
        struct wr *wr;
        uint32_t number = (uint32_t)(corpus_random(&state) % documents);
        double start = now_us();
        if (wr_begin(o->store, o->arena, &wr) < 0)
            die("begin", "cannot");
        ours_put(wr, c, number, (uint32_t)i + 1);
        ours_commit(wr);
        times[i] = now_us() - start;
    }
    print_times("ours", "one edit, own commit", times, EDITS);
}

/* Each puts a word that documents have in the place of another. */
static void ours_synonyms(struct ours *o, const struct corpus *c, uint32_t documents)
{
    struct wr *wr;

    if (wr_begin(o->store, o->arena, &wr) < 0)
        die("begin", "cannot");
    for (uint64_t i = 0; i < SYNONYMS; i++) {
        char word[64];
        const char *expansion = corpus_word(c, documents, i * 3 + 1);
        snprintf(word, sizeof(word), "ordnummer%c%c%c%c", 'a' + (int)(i % 26),
                 'a' + (int)(i / 26 % 26), 'a' + (int)(i / 676 % 26), 'a' + (int)(i / 17576));
        search_synonym_put(wr, word, &expansion, 1);
    }
    ours_commit(wr);
}

/* ---- SQLite's FTS5 ---- */

#ifdef HAVE_SQLITE
struct fts5 {
    sqlite3 *db;
    sqlite3_stmt *ask;
};

static void sql(sqlite3 *db, const char *text)
{
    char *message;

    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        die(text, message);
}

static void fts5_build(struct fts5 *f, const char *path, const struct corpus *c, uint32_t documents)
{
    char name[CORPUS_NAME_BYTES], text[CORPUS_TEXT_BYTES];
    sqlite3_stmt *insert;
    struct stat st;

    if (sqlite3_open(path, &f->db) != SQLITE_OK)
        die(path, sqlite3_errmsg(f->db));
    sql(f->db, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; PRAGMA cache_size=-200000");
    sql(f->db, "CREATE VIRTUAL TABLE t USING fts5(name, body, content='', detail=none, "
               "prefix='2 3', tokenize='unicode61 remove_diacritics 2')");
    if (sqlite3_prepare_v2(f->db, "INSERT INTO t(rowid, name, body) VALUES(?,?,?)", -1, &insert,
                           NULL) != SQLITE_OK)
        die("prepare", sqlite3_errmsg(f->db));
    double start = now_us(), cpu_start = cpu_us();
    sql(f->db, "BEGIN");
    for (uint32_t i = 0; i < documents; i++) {
        corpus_document(c, i, 0, name, text);
        sqlite3_bind_int64(insert, 1, i + 1);
        sqlite3_bind_text(insert, 2, name, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 3, text, -1, SQLITE_STATIC);
        if (sqlite3_step(insert) != SQLITE_DONE)
            die("insert", sqlite3_errmsg(f->db));
        sqlite3_reset(insert);
    }
    sql(f->db, "COMMIT");
    double s = (now_us() - start) / 1e6, cpu_s = (cpu_us() - cpu_start) / 1e6;
    sqlite3_finalize(insert);
    if (stat(path, &st) < 0)
        die(path, strerror(errno));
    printf("{\"engine\":\"fts5\",\"what\":\"build\",\"documents\":%u,\"s\":%.2f,\"cpu_s\":%.2f,"
           "\"mb\":%.1f}\n",
           documents, s, cpu_s, (double)st.st_size / 1e6);
    fflush(stdout);
    if (sqlite3_prepare_v2(f->db,
                           "SELECT rowid FROM t WHERE t MATCH ? ORDER BY bm25(t, 3, 1) LIMIT 10",
                           -1, &f->ask, NULL) != SQLITE_OK)
        die("prepare", sqlite3_errmsg(f->db));
}

/* Words become OR, the last of a type-ahead a prefix. It knows no typos: that kind is not asked. */
static double fts5_ask(struct fts5 *f, enum kind kind, const char *text)
{
    char match[1024] = "", copy[512], *rest = copy, *word;
    size_t len = 0;

    snprintf(copy, sizeof(copy), "%s", text);
    while ((word = strsep(&rest, " ")))
        len += (size_t)snprintf(match + len, sizeof(match) - len, "%s\"%s\"%s", len ? " OR " : "",
                                word, kind == TYPE_AHEAD ? "*" : "");
    double start = cpu_us();
    sqlite3_bind_text(f->ask, 1, match, -1, SQLITE_STATIC);
    while (sqlite3_step(f->ask) == SQLITE_ROW)
        ;
    sqlite3_reset(f->ask);
    return cpu_us() - start;
}
#endif

/* ---- the run ---- */

int main(int argc, char **argv)
{
    static double ours_times[KINDS][QUERIES * 16];
    struct ours o = { 0 };
    char path[1024];

    if (argc < 3) {
        fprintf(stderr, "usage: search_bench DIR DOCUMENTS [ours|fts5|both] [ROUNDS]\n");
        return 2;
    }
    const char *engines = argc > 3 ? argv[3] : "ours";
    uint32_t documents = (uint32_t)strtoul(argv[2], NULL, 10);
    size_t rounds = argc > 4 ? strtoul(argv[4], NULL, 10) : 3, n = 0;
    if (rounds < 1 || rounds > 16 || documents < 1)
        die("arguments", "at least one document, 1 to 16 rounds");
    struct corpus *c = corpus_new("/usr/share/hunspell/sv_SE.dic");
    if (!c)
        die("/usr/share/hunspell/sv_SE.dic", "missing: install hunspell-sv");
    snprintf(path, sizeof(path), "%s/ours", argv[1]);
    ours_open(&o, path);
    ours_build(&o, c, documents);
#ifdef HAVE_SQLITE
    static double fts5_times[KINDS][QUERIES * 16];
    bool compare = strcmp(engines, "ours") != 0;
    struct fts5 f = { 0 };
    if (compare) {
        snprintf(path, sizeof(path), "%s/fts5.db", argv[1]);
        fts5_build(&f, path, c, documents);
    }
#else
    if (strcmp(engines, "ours") != 0)
        die(engines, "built without SQLite: install libsqlite3-dev");
#endif
    for (size_t round = 0; round <= rounds; round++) { /* the first warms the pages */
        for (int kind = 0; kind < KINDS; kind++) {
            for (uint64_t i = 0; i < QUERIES; i++) {
                char text[512];
                make_query(c, documents, (enum kind)kind, i, text);
                ours_times[kind][n + i] = ours_ask(&o, (enum kind)kind, text);
#ifdef HAVE_SQLITE
                if (compare && kind < TYPO && i % 4 == 0)
                    fts5_times[kind][(n + i) / 4] = fts5_ask(&f, (enum kind)kind, text);
#endif
            }
        }
        n = round == 0 ? 0 : n + QUERIES;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        print_times("ours", KIND_NAMES[kind], ours_times[kind], n);
#ifdef HAVE_SQLITE
        if (compare && kind < TYPO)
            print_times("fts5", KIND_NAMES[kind], fts5_times[kind], n / 4);
#endif
    }
    ours_edits(&o, c, documents);
    ours_synonyms(&o, c, documents);
    for (int kind = 0; kind <= WORDS3; kind++) {
        char text[512], what[64];
        for (uint64_t i = 0; i < QUERIES; i++) {
            make_query(c, documents, (enum kind)kind, i, text);
            ours_times[kind][i] = ours_ask(&o, (enum kind)kind, text);
        }
        snprintf(what, sizeof(what), "%s, with 25000 synonyms", KIND_NAMES[kind]);
        print_times("ours", what, ours_times[kind], QUERIES);
    }
#ifdef HAVE_SQLITE
    if (compare) {
        sqlite3_finalize(f.ask);
        sqlite3_close(f.db);
    }
#endif
    store_close(o.store);
    arena_free(o.arena);
    corpus_free(c);
    return 0;
}
