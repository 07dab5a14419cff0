/* search_peer.h - a search engine to compare ours with: one table of functions each, in search_fts5.c and search_xapian.cc, which are
 * built where the engine is installed. All of them exit the program when the engine fails. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/search_corpus.h"

struct peer {
    const char *name;
    /* Builds the first `documents` of the corpus at `path`, durably, and opens it for the rest. Never freed. */
    void *(*build)(const char *path, const struct corpus *c, uint32_t documents);
    /* Bytes on disk. */
    uint64_t (*size)(const char *path);
    /* The ten best for any of the words; the last is unfinished with `type_ahead`. */
    void (*ask)(void *engine, const char *words, bool type_ahead);
    /* Replaces one document, durably. */
    void (*edit)(void *engine, const struct corpus *c, uint32_t number, uint32_t edition);
};

extern const struct peer PEER_FTS5, PEER_XAPIAN;
