/* log.c - the log in the service's own store. Everything here goes through the store's API, inside the caller's
 * transaction: a record and what it does to the tables are durable together or not at all. */
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>

/* _log_head's value. */
enum {
    AT_RECORD = 0,
    AT_NEXT = 8,
    AT_HASH = 16,
    AT_ID = AT_HASH + LOG_HASH_BYTES,
    HEAD_BYTES = AT_ID + LOG_ID_CHARS,
};

const struct table log_tables_log = { "_log", &fokus__event__v1__record__descriptor };
const struct table log_tables_index = { "_log_ix", NULL };
const struct table log_tables_head = { "_log_head", NULL };

const char *log_rc_name(enum log_rc rc)
{
    switch (rc) {
    case LOG_OK:
        return "ok";
    case LOG_CONFLICT:
        return "conflict";
    case LOG_UNKNOWN:
        return "unknown";
    case LOG_TRIMMED:
        return "trimmed";
    case LOG_EMPTY:
        return "empty";
    case LOG_DIVERGED:
        return "diverged";
    case LOG_BROKEN:
        return "broken";
    }
    return "not a log result";
}

static void write_u64(uint8_t *to, uint64_t value)
{
    uint64_t big_endian = __builtin_bswap64(value);

    memcpy(to, &big_endian, sizeof(big_endian));
}

static uint64_t read_u64(const uint8_t *from)
{
    uint64_t big_endian;

    memcpy(&big_endian, from, sizeof(big_endian));
    return __builtin_bswap64(big_endian);
}

/* libsodium chooses its fastest BLAKE2b for the processor only here; without it hashing is right but slower. */
static void choose_implementation(void)
{
    if (sodium_init() < 0)
        return; /* the plain implementation stays */
}

void log_hash(const uint8_t *record, size_t len, uint8_t ret[LOG_HASH_BYTES])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, choose_implementation);
    crypto_generichash(ret, LOG_HASH_BYTES, record, len, NULL, 0); /* fails for bad lengths only */
}

/* ---- the head ---- */

enum log_rc log_head(const struct rd *rd, struct log_head *ret)
{
    struct key k = KEY_INIT;
    struct slice bytes;

    int r = rd_get_bytes(rd, &log_tables_head, &k, &bytes);
    if (r == -ENOENT)
        return LOG_EMPTY;
    if (r < 0)
        return LOG_BROKEN;
    if (bytes.len != HEAD_BYTES || memchr(bytes.data + AT_ID, 0, LOG_ID_CHARS))
        return LOG_DIVERGED;
    ret->record = read_u64(bytes.data + AT_RECORD);
    ret->next_sequence = read_u64(bytes.data + AT_NEXT);
    memcpy(ret->hash, bytes.data + AT_HASH, LOG_HASH_BYTES);
    memcpy(ret->log_id, bytes.data + AT_ID, LOG_ID_CHARS);
    ret->log_id[LOG_ID_CHARS] = '\0';
    return LOG_OK;
}

static void put_head(struct wr *wr, const struct log_head *head)
{
    struct key k = KEY_INIT;
    uint8_t bytes[HEAD_BYTES];

    write_u64(bytes + AT_RECORD, head->record);
    write_u64(bytes + AT_NEXT, head->next_sequence);
    memcpy(bytes + AT_HASH, head->hash, LOG_HASH_BYTES);
    memcpy(bytes + AT_ID, head->log_id, LOG_ID_CHARS);
    wr_put_bytes(wr, &log_tables_head, &k, bytes, sizeof(bytes));
}

enum log_rc log_create(struct wr *wr, const char *log_id)
{
    struct log_head head = { .next_sequence = 1 };

    enum log_rc rc = log_head(wr_rd(wr), &head);
    if (rc != LOG_EMPTY)
        return rc == LOG_OK ? LOG_CONFLICT : rc;
    if (strlen(log_id) != LOG_ID_CHARS) {
        wr_fail(wr, EINVAL);
        return LOG_BROKEN;
    }
    memcpy(head.log_id, log_id, LOG_ID_CHARS);
    put_head(wr, &head);
    return wr_status(wr) < 0 ? LOG_BROKEN : LOG_OK;
}

/* ---- appending ---- */

enum log_rc log_append(struct wr *wr, uint64_t expected, const uint8_t *record, size_t len,
                       uint64_t n_events)
{
    struct log_head head;
    struct key number = KEY_INIT;

    enum log_rc rc = log_head(wr_rd(wr), &head);
    if (rc != LOG_OK)
        return rc;
    if (head.record != expected)
        return LOG_CONFLICT;

    head.record++;
    key_u64(&number, head.record);
    wr_append_bytes(wr, &log_tables_log, &number, record, len);
    if (n_events > 0) {
        struct key first = KEY_INIT;
        key_u64(&first, head.next_sequence);
        wr_append_bytes(wr, &log_tables_index, &first, number.bytes, number.len);
    }
    head.next_sequence += n_events;
    log_hash(record, len, head.hash);
    put_head(wr, &head);
    return wr_status(wr) < 0 ? LOG_BROKEN : LOG_OK;
}

/* ---- reading ---- */

/* Why there is no record `number`. */
static enum log_rc explain_absence(const struct rd *rd, uint64_t number)
{
    struct log_head head;
    struct scan s;
    uint64_t first = 0;

    enum log_rc rc = log_head(rd, &head);
    if (rc != LOG_OK)
        return rc;
    if (number > head.record)
        return LOG_EMPTY;
    scan_prefix(&s, rd, &log_tables_log, NULL);
    if (scan_next(&s)) {
        struct key_reader r = { .rest = s.key };
        if (!key_read_u64(&r, &first))
            first = 0;
    }
    if (scan_end(&s) < 0)
        return LOG_BROKEN;
    return first > number ? LOG_TRIMMED : LOG_DIVERGED;
}

enum log_rc log_read(const struct rd *rd, uint64_t number, struct slice *ret)
{
    struct key k = KEY_INIT;

    key_u64(&k, number);
    int r = rd_get_bytes(rd, &log_tables_log, &k, ret);
    if (r == 0)
        return LOG_OK;
    return r == -ENOENT ? explain_absence(rd, number) : LOG_BROKEN;
}

enum log_rc log_find_event(const struct rd *rd, uint64_t sequence, uint64_t *ret)
{
    struct log_head head;
    struct key k = KEY_INIT;
    struct scan s;

    enum log_rc rc = log_head(rd, &head);
    if (rc != LOG_OK)
        return rc;
    if (sequence == 0 || sequence >= head.next_sequence)
        return LOG_EMPTY;
    /* The row of the record that holds it is the last whose first sequence is not past it. */
    key_u64(&k, sequence);
    scan_backwards_from(&s, rd, &log_tables_index, &k, NULL);
    rc = LOG_TRIMMED;
    if (scan_next(&s)) {
        rc = s.value.len == sizeof(*ret) ? LOG_OK : LOG_DIVERGED;
        if (rc == LOG_OK)
            *ret = read_u64(s.value.data);
    }
    return scan_end(&s) < 0 ? LOG_BROKEN : rc;
}

/* ---- checking ---- */

/* Fills `err` and is the answer of a record that does not fit. */
#define DIVERGED(err, ...) ((void)err_set((err), EBADMSG, __VA_ARGS__), LOG_DIVERGED)

enum log_rc log_check(struct log_head *head, const Fokus__Event__V1__Record *record,
                      const uint8_t *bytes, size_t len, struct err *err)
{
    uint64_t number = head->record + 1;

    if (record->number != number)
        return DIVERGED(err, "log record %llu: it calls itself number %llu",
                        (unsigned long long)number, (unsigned long long)record->number);
    if (strcmp(record->log_id, head->log_id) != 0)
        return DIVERGED(err, "log record %llu: it belongs to log \"%.40s\", not to \"%s\"",
                        (unsigned long long)number, record->log_id, head->log_id);
    if (record->previous_hash.len != LOG_HASH_BYTES ||
        memcmp(record->previous_hash.data, head->hash, LOG_HASH_BYTES) != 0)
        return DIVERGED(err,
                        "log record %llu: the hash in it does not fit the record before: one of "
                        "them was changed",
                        (unsigned long long)number);
    if (record->first_sequence != head->next_sequence)
        return DIVERGED(err, "log record %llu: it begins with event %llu, but %llu is next",
                        (unsigned long long)number, (unsigned long long)record->first_sequence,
                        (unsigned long long)head->next_sequence);
    for (size_t i = 0; i < record->n_events; i++)
        if (record->events[i]->sequence != head->next_sequence + i)
            return DIVERGED(err, "log record %llu: event %llu stands where %llu should",
                            (unsigned long long)number,
                            (unsigned long long)record->events[i]->sequence,
                            (unsigned long long)(head->next_sequence + i));
    head->record = number;
    head->next_sequence += record->n_events;
    log_hash(bytes, len, head->hash);
    return LOG_OK;
}
