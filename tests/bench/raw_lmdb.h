/* raw_lmdb.h - the limit that durable commands are held against: LMDB alone doing the same puts.
 *
 * "The same puts" are read from two copies of a store, one made before the service ran the commands and one after: every entry
 * of a table of the service that is new or another in the second is a put of the command on the invented organisation
 * "bench-NNNNNNNNN" whose number stands in its key or value, and the command's share of the log's bytes is one more,
 * appended. They are put into copies of the first. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct raw_sample;

/* Reads the two stores (folders with data.mdb); commands are numbered 0 to n-1. NULL with a line on stderr. */
struct raw_sample *raw_sample_read(const char *before, const char *after, size_t n_commands);
void raw_sample_free(struct raw_sample *s);
/* Mean puts and bytes a command, for the report. */
double raw_sample_puts(const struct raw_sample *s);
double raw_sample_bytes(const struct raw_sample *s);

/* Puts commands first to first+calls-1 into the environment in `dir`, a copy of the first store in which none of them was put yet,
 * `per_commit` a transaction, each committed with LMDB's default durability. Returns commands per second, or -1 with a
 * line on stderr. */
double raw_lmdb_run(const struct raw_sample *s, const char *dir, size_t first, size_t calls,
                    size_t per_commit);

/* Walks the log's records with a cursor, copying each out; returns events per second over `n_events`, or -1. */
double raw_lmdb_walk_log(const char *store, uint64_t n_events);
