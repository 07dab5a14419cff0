/* log.h - the service's append-only log: a chain of records, one a commit (architecture, section 4).
 *
 * The semantics are those of compare-and-append, so that another engine can stand behind the same interface:
 * a record goes to place expected+1 or nowhere. There is no "failed": UNKNOWN is resolved by looking at who
 * occupies the next place. With the LMDB backend (the only one here) the record goes into the caller's own
 * write transaction and its outcome is that of wr_commit().
 *
 * Invariants: record numbers run from 1 without gaps; event numbers likewise; each record holds the BLAKE2b-256
 * hash of the one before as stored; the log id is chosen once and stands in each record.
 *
 *   _log     u64 record number              -> packed fokus.event.v1.Record
 *   _log_ix  u64 first event sequence       -> u64 record number (big-endian); one row a record that holds events
 *   _log_head  (empty key)                  -> 84 bytes: u64 number of the last record and u64 next sequence
 *                                             (big-endian), hash of the last record (32), log id (36)  */
#pragma once
#include <stdint.h>

#include "common/store.h"
#include "fokus/event/v1/event.pb-c.h"

enum { LOG_HASH_BYTES = 32, LOG_ID_CHARS = 36 };

enum log_rc {
    LOG_OK = 0,
    LOG_CONFLICT, /* another record has the place: not stored, now or ever */
    LOG_UNKNOWN,  /* stored, or not, or later: read the next place */
    LOG_TRIMMED,  /* the record wanted was trimmed away */
    LOG_EMPTY,    /* nothing there yet */
    LOG_DIVERGED, /* another log id, a gap, or a hash that does not fit: stop serving */
    LOG_BROKEN,   /* the store failed; in a write transaction wr_status() says how */
};
const char *log_rc_name(enum log_rc rc);

/* The end of the log as a transaction sees it. */
struct log_head {
    uint64_t record;        /* last record's number, 0 for none */
    uint64_t next_sequence; /* of the next event; starts at 1 */
    uint8_t hash[LOG_HASH_BYTES];
    char log_id[LOG_ID_CHARS + 1];
};

extern const struct table log_tables_log, log_tables_index, log_tables_head;

/* Reads the head; a new store has none: LOG_EMPTY. */
enum log_rc log_head(const struct rd *rd, struct log_head *ret);
/* Gives a new store its log id (36 characters). LOG_CONFLICT if it has one. */
enum log_rc log_create(struct wr *wr, const char *log_id);

/* Appends the packed Record at place expected+1. `n_events` of it get the numbers from
 * head.next_sequence on; they already stand in the bytes. LOG_CONFLICT if the head is not at `expected`;
 * LOG_EMPTY if the log was never created. */
enum log_rc log_append(struct wr *wr, uint64_t expected, const uint8_t *record, size_t len,
                       uint64_t n_events);

/* Reads record `number` (from 1) as stored. LOG_EMPTY past the end; LOG_DIVERGED if it is missing from the middle. */
enum log_rc log_read(const struct rd *rd, uint64_t number, struct slice *ret);
/* The record that holds event `sequence`: its number in *ret. LOG_EMPTY past the end. */
enum log_rc log_find_event(const struct rd *rd, uint64_t sequence, uint64_t *ret);

void log_hash(const uint8_t *record, size_t len, uint8_t ret[LOG_HASH_BYTES]);
/* Checks one record against the head before it: number, log id, first sequence, event numbers, previous hash.
 * LOG_DIVERGED with `err`, or on LOG_OK advances *head past it. Used by verify, replicas and at start. */
enum log_rc log_check(struct log_head *head, const Fokus__Event__V1__Record *record,
                      const uint8_t *bytes, size_t len, struct err *err);
