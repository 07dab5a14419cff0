/* id.h - UUIDv7 (RFC 9562, section 5.7): identifiers that sort by the time they were made; and any UUID between text and bytes. */
#pragma once
#include <stdbool.h>
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

enum { ID_BYTES = 16 };

/* Reads a UUID in lower-case text; false, and `ret` untouched, when the text is not exactly that. */
bool id_read(const char *text, uint8_t ret[ID_BYTES]);
/* Makes a UUIDv8 of 16 bytes of a hash: an id that follows from something. */
void id_make_custom(uint8_t id[ID_BYTES]);
/* Writes it as text, and a closing NUL. */
void id_write(const uint8_t id[ID_BYTES], char ret[ID_CHARS + 1]);
