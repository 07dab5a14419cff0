/* search_bench.c - the index against the goals and against other engines, as one line of JSON a figure.
 *
 *   search_bench DIR DOCUMENTS [ours|all] [ROUNDS]
 *   search_bench documents N           prints the corpus instead: name, tab, text
 *
 * Builds the corpus of search_corpus.h in DIR (an empty folder on a real disk), in one durable transaction; asks words,
 * three words, beginnings and typos, ours and those installed of SQLite's FTS5 and Xapian in turn; and edits documents, each
 * in a commit of its own. Of a small corpus there is a second index, with many synonyms, asked in turn as well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/search.h"
#include "tests/bench/search_peer.h"

enum {
    QUERIES = 400,
    ROUNDS_MAX = 16,
    EDITS = 200,
    LIMIT = 10,
    REGIONS = 21,
    AREAS = 25,
    SYNONYMS = 25000,
    SYNONYMS_UP_TO = 10000, /* documents: of more, a second index takes too long */
    PEER_ONE_IN = 4,        /* peers are slow: each gets a quarter of the queries */
};

static const struct table *const TABLES[] = { SEARCH_TABLES, NULL };
static const char *const EDIT = "one edit, own commit";

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

static void print_build(const char *engine, uint32_t documents, double s, double cpu_s,
                        uint64_t bytes)
{
    printf("{\"engine\":\"%s\",\"what\":\"build\",\"documents\":%u,\"s\":%.2f,\"cpu_s\":%.2f,"
           "\"mb\":%.1f}\n",
           engine, documents, s, cpu_s, (double)bytes / 1e6);
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

static void ours_close(struct ours *o)
{
    store_close(o->store);
    arena_free(o->arena);
}

static void ours_build(struct ours *o, const struct corpus *c, uint32_t documents,
                       const char *label)
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
    print_build(label, documents, s, cpu_s, stats.used_bytes);
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

static double ours_edit(struct ours *o, const struct corpus *c, uint32_t number, uint32_t edition)
{
    struct wr *wr;

    double start = now_us();
    if (wr_begin(o->store, o->arena, &wr) < 0)
        die("begin", "cannot");
    ours_put(wr, c, number, edition);
    ours_commit(wr);
    return now_us() - start;
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

/* ---- the others ---- */

struct compared {
    const struct peer *peer;
    void *engine;
    double times[KINDS][QUERIES * ROUNDS_MAX / PEER_ONE_IN], edits[EDITS];
};

static struct compared others[] = {
#ifdef HAVE_SQLITE
    { .peer = &PEER_FTS5 },
#endif
#ifdef HAVE_XAPIAN
    { .peer = &PEER_XAPIAN },
#endif
    { .peer = NULL },
};

static void build_other(struct compared *o, const char *dir, const struct corpus *c,
                        uint32_t documents)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", dir, o->peer->name);
    double start = now_us(), cpu_start = cpu_us();
    o->engine = o->peer->build(path, c, documents);
    double s = (now_us() - start) / 1e6, cpu_s = (cpu_us() - cpu_start) / 1e6;
    print_build(o->peer->name, documents, s, cpu_s, o->peer->size(path));
}

static double ask_other(const struct compared *o, enum kind kind, const char *text)
{
    double start = cpu_us();

    o->peer->ask(o->engine, text, kind == TYPE_AHEAD);
    return cpu_us() - start;
}

static double edit_other(const struct compared *o, const struct corpus *c, uint32_t number,
                         uint32_t edition)
{
    double start = now_us();

    o->peer->edit(o->engine, c, number, edition);
    return now_us() - start;
}

/* ---- the run ---- */

struct run {
    struct corpus *corpus;
    const char *dir;
    uint32_t documents;
    size_t rounds;
    struct ours ours, with_synonyms;
};

static double our_times[KINDS][QUERIES * ROUNDS_MAX], synonym_times[KINDS][QUERIES * ROUNDS_MAX];

static void build(struct run *r, bool compare)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/ours", r->dir);
    ours_open(&r->ours, path);
    ours_build(&r->ours, r->corpus, r->documents, "ours");
    if (r->documents <= SYNONYMS_UP_TO) {
        snprintf(path, sizeof(path), "%s/synonyms", r->dir);
        ours_open(&r->with_synonyms, path);
        ours_build(&r->with_synonyms, r->corpus, r->documents, "ours, with synonyms");
        ours_synonyms(&r->with_synonyms, r->corpus, r->documents);
    }
    for (struct compared *o = others; compare && o->peer; o++)
        build_other(o, r->dir, r->corpus, r->documents);
}

static void ask_ours(struct run *r, struct ours *o, enum kind kind, double *times)
{
    char text[512];

    for (uint64_t i = 0; i < QUERIES && o->store; i++) {
        make_query(r->corpus, r->documents, kind, i, text);
        times[i] = ours_ask(o, kind, text);
    }
}

/* A kind's queries to one engine after the other, so that each finds the processor's caches as it left them. What has no typos is not
 * asked for any. */
static void ask_all(struct run *r, enum kind kind, size_t round)
{
    const size_t at = (round ? round - 1 : 0) * QUERIES; /* the first warms the pages */
    char text[512];

    for (size_t turn = 0; turn < 2; turn++) {
        if (turn == round % 2)
            ask_ours(r, &r->ours, kind, our_times[kind] + at);
        else
            ask_ours(r, &r->with_synonyms, kind, synonym_times[kind] + at);
    }
    for (struct compared *o = others; o->engine && kind < TYPO; o++) {
        for (uint64_t i = 0; i < QUERIES; i += PEER_ONE_IN) {
            make_query(r->corpus, r->documents, kind, i, text);
            o->times[kind][(at + i) / PEER_ONE_IN] = ask_other(o, kind, text);
        }
    }
}

/* Edits wait for the disk, which others use as well: each engine makes the same edit in turn. */
static void edit_all(struct run *r)
{
    static double ours[EDITS];
    uint64_t state = 5;

    for (uint32_t i = 0; i < EDITS; i++) {
        uint32_t number = (uint32_t)(corpus_random(&state) % r->documents);
        ours[i] = ours_edit(&r->ours, r->corpus, number, i + 1);
        for (struct compared *o = others; o->engine; o++)
            if (o->peer->edit)
                o->edits[i] = edit_other(o, r->corpus, number, i + 1);
    }
    print_times("ours", EDIT, ours, EDITS);
    for (struct compared *o = others; o->engine; o++)
        if (o->peer->edit)
            print_times(o->peer->name, EDIT, o->edits, EDITS);
}

static void print_all(struct run *r)
{
    size_t n = r->rounds * QUERIES;

    for (int kind = 0; kind < KINDS; kind++) {
        print_times("ours", KIND_NAMES[kind], our_times[kind], n);
        if (r->with_synonyms.store)
            print_times("ours, with synonyms", KIND_NAMES[kind], synonym_times[kind], n);
        for (struct compared *o = others; o->engine && kind < TYPO; o++)
            print_times(o->peer->name, KIND_NAMES[kind], o->times[kind], n / PEER_ONE_IN);
    }
}

static int print_documents(const struct corpus *c, uint32_t n)
{
    char name[CORPUS_NAME_BYTES], text[CORPUS_TEXT_BYTES];

    for (uint32_t i = 0; i < n; i++) {
        corpus_document(c, i, 0, name, text);
        printf("%s\t%s\n", name, text);
    }
    return ferror(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: search_bench DIR DOCUMENTS [ours|all] [ROUNDS]\n"
                        "       search_bench documents N\n");
        return 2;
    }
    struct run r = { .corpus = corpus_new("/usr/share/hunspell/sv_SE.dic"),
                     .dir = argv[1],
                     .documents = (uint32_t)strtoul(argv[2], NULL, 10),
                     .rounds = argc > 4 ? strtoul(argv[4], NULL, 10) : 3 };
    bool compare = argc > 3 && strcmp(argv[3], "all") == 0;

    if (!r.corpus)
        die("/usr/share/hunspell/sv_SE.dic", "missing: install hunspell-sv");
    if (r.rounds < 1 || r.rounds > ROUNDS_MAX || r.documents < 1)
        die("arguments", "at least one document, 1 to 16 rounds");
    if (strcmp(r.dir, "documents") == 0)
        return print_documents(r.corpus, r.documents);
    build(&r, compare);
    for (size_t round = 0; round <= r.rounds; round++)
        for (int kind = 0; kind < KINDS; kind++)
            ask_all(&r, (enum kind)kind, round);
    print_all(&r);
    edit_all(&r);
    ours_close(&r.ours);
    ours_close(&r.with_synonyms);
    corpus_free(r.corpus);
    return 0;
}
