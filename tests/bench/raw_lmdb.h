/* raw_lmdb.h - the limit that durable commands are held against: LMDB alone doing the same puts.
 *
 * "The same puts" are read from a store that the service wrote: every entry of every table of the service that belongs to an
 * invented organisation "bench-NNNNNNNNN" (the number stands in the key or the value) is a put of that command, and the
 * command's share of the log's bytes is one more, appended. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct raw_sample;

/* Reads the store (a folder with data.mdb) whose commands are numbered 0 to n-1. NULL with a line on stderr. */
struct raw_sample *raw_sample_read(const char *store, size_t n_commands);
void raw_sample_free(struct raw_sample *s);
/* Mean puts and bytes a command, for the report. */
double raw_sample_puts(const struct raw_sample *s);
double raw_sample_bytes(const struct raw_sample *s);

/* Puts commands first to first+calls-1 into the environment in `dir` (made when missing), `per_commit` a transaction, each
 * committed with LMDB's default durability. Returns commands per second, or -1 with a line on stderr. */
double raw_lmdb_run(const struct raw_sample *s, const char *dir, size_t first, size_t calls,
                    size_t per_commit);

/* Walks the log's records with a cursor, copying each out; returns events per second over `n_events`, or -1. */
double raw_lmdb_walk_log(const char *store, uint64_t n_events);
