/* id.h - UUIDv7 (RFC 9562, section 5.7): identifiers that sort by the time they were made. */
#pragma once
#include <stdint.h>

enum { ID_CHARS = 36, ID_POOL = 32 };

/* Where fresh ids come from; one a thread. Start with `{ 0 }`. Tests make a deterministic one, so that decide() needs no mocks. */
struct id_source {
    uint64_t last_ms;
    uint16_t counter; /* ids of one millisecond stay in order */
    uint64_t seed;    /* 0: random bits from the system; else a reproducible sequence (tests) */
    uint64_t pool[ID_POOL]; /* random words fetched together, one system call for ID_POOL ids */
    unsigned n_pool;
};

/* Writes a fresh UUIDv7 for `now_ms` in lower-case text, and a closing NUL. Ids of one source strictly increase. */
void id_next(struct id_source *ids, int64_t now_ms, char ret[ID_CHARS + 1]);
