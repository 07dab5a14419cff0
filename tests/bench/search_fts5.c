/* search_fts5.c - SQLite's FTS5 as a peer: without positions, as small as it gets; no stemmer and no typos, since it has none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "tests/bench/search_peer.h"

struct fts5 {
    sqlite3 *db;
    sqlite3_stmt *insert, *ask;
};

static void die(sqlite3 *db, const char *what)
{
    fprintf(stderr, "search_fts5: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static void sql(sqlite3 *db, const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        die(db, text);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
        die(db, text);
    return s;
}

static void put(struct fts5 *f, const struct corpus *c, uint32_t number, uint32_t edition)
{
    char name[CORPUS_NAME_BYTES], text[CORPUS_TEXT_BYTES];

    corpus_document(c, number, edition, name, text);
    sqlite3_bind_int64(f->insert, 1, number + 1);
    sqlite3_bind_text(f->insert, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(f->insert, 3, text, -1, SQLITE_STATIC);
    if (sqlite3_step(f->insert) != SQLITE_DONE)
        die(f->db, "insert");
    sqlite3_reset(f->insert);
}

static void *fts5_build(const char *path, const struct corpus *c, uint32_t documents)
{
    struct fts5 *f = calloc(1, sizeof(*f));

    if (!f || sqlite3_open(path, &f->db) != SQLITE_OK)
        die(f ? f->db : NULL, path);
    sql(f->db, "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; PRAGMA cache_size=-200000");
    sql(f->db, "CREATE VIRTUAL TABLE t USING fts5(name, body, content='', detail=none, "
               "prefix='2 3', tokenize='unicode61 remove_diacritics 2')");
    f->insert = prepare(f->db, "INSERT INTO t(rowid, name, body) VALUES(?,?,?)");
    sql(f->db, "BEGIN");
    for (uint32_t i = 0; i < documents; i++)
        put(f, c, i, 0);
    sql(f->db, "COMMIT");
    f->ask = prepare(f->db, "SELECT rowid FROM t WHERE t MATCH ? ORDER BY bm25(t, 3, 1) LIMIT 10");
    return f;
}

static uint64_t fts5_size(const char *path)
{
    struct stat st;

    return stat(path, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

static void fts5_ask(void *engine, const char *words, bool type_ahead)
{
    struct fts5 *f = engine;
    char match[1024] = "", copy[512], *rest = copy, *word;
    size_t len = 0;

    snprintf(copy, sizeof(copy), "%s", words);
    while ((word = strsep(&rest, " ")))
        len += (size_t)snprintf(match + len, sizeof(match) - len, "%s\"%s\"%s", len ? " OR " : "",
                                word, type_ahead && !rest ? "*" : "");
    sqlite3_bind_text(f->ask, 1, match, -1, SQLITE_STATIC);
    while (sqlite3_step(f->ask) == SQLITE_ROW)
        ;
    sqlite3_reset(f->ask);
}

const struct peer PEER_FTS5 = {
    .name = "fts5", .build = fts5_build, .size = fts5_size, .ask = fts5_ask
};
