#include "common/log.h"
#include "common/testing_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_ID "01890a5d-ac96-774b-bcce-b302099a8057"

static const struct table *const TABLES[] = { &log_tables_log, &log_tables_index, &log_tables_head,
                                              NULL };

struct fixture {
    char path[64];
    struct store *store;
    struct arena *arena;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->path, sizeof(f->path), "log-test-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    f->arena = arena_new(10 << 20);
    *state = f;
    struct store_config config = { .path = f->path, .tables = TABLES, .no_sync = true };
    return store_open(&f->store, &config, NULL);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    arena_free(f->arena);
    int r = testing_remove_tree(f->path);
    free(f);
    return r;
}

static struct wr *begin(struct fixture *f)
{
    struct wr *wr;

    assert_int_equal(wr_begin(f->store, f->arena, &wr), 0);
    return wr;
}

static void commit(struct wr *wr)
{
    bool unknown;
    struct err err;

    assert_int_equal(wr_commit(wr, &unknown, &err), 0);
}

static struct rd *snapshot(struct fixture *f)
{
    struct rd *rd;

    assert_int_equal(rd_begin(f->store, f->arena, &rd), 0);
    return rd;
}

static void create(struct fixture *f)
{
    struct wr *wr = begin(f);

    assert_int_equal(log_create(wr, LOG_ID), LOG_OK);
    commit(wr);
}

/* Packs the record that fits the head; the caller may have bent it by changing `head`. */
static size_t pack_record(const struct log_head *head, size_t n_events, uint8_t *bytes)
{
    Fokus__Event__V1__Event events[8];
    Fokus__Event__V1__Event *list[8];
    Fokus__Event__V1__Record record = FOKUS__EVENT__V1__RECORD__INIT;

    for (size_t i = 0; i < n_events; i++) {
        fokus__event__v1__event__init(&events[i]);
        events[i].sequence = head->next_sequence + i;
        events[i].subject = (char *)"something";
        list[i] = &events[i];
    }
    record.log_id = (char *)head->log_id;
    record.number = head->record + 1;
    record.first_sequence = head->next_sequence;
    record.previous_hash = (ProtobufCBinaryData) { LOG_HASH_BYTES, (uint8_t *)head->hash };
    record.n_events = n_events;
    record.events = list;
    return fokus__event__v1__record__pack(&record, bytes);
}

static void append(struct fixture *f, size_t n_events)
{
    struct log_head head;
    uint8_t bytes[2000];

    struct wr *wr = begin(f);
    assert_int_equal(log_head(wr_rd(wr), &head), LOG_OK);
    size_t len = pack_record(&head, n_events, bytes);
    assert_int_equal(log_append(wr, head.record, bytes, len, n_events), LOG_OK);
    commit(wr);
}

/* Walks the chain as verify does. Returns the number of the record it stopped at, 0 for none. */
static uint64_t walk(struct fixture *f, struct log_head *ret_head, struct err *err)
{
    struct log_head end, head = { .next_sequence = 1, .log_id = LOG_ID };
    uint64_t stopped_at = 0;

    struct rd *rd = snapshot(f);
    assert_int_equal(log_head(rd, &end), LOG_OK);
    while (head.record < end.record && !stopped_at) {
        Fokus__Event__V1__Record *record;
        struct slice bytes;
        uint64_t number = head.record + 1;

        arena_reset(f->arena);
        if (log_read(rd, number, &bytes) != LOG_OK)
            stopped_at = number;
        else if (!(record =
                       fokus__event__v1__record__unpack(arena_pb(f->arena), bytes.len, bytes.data)))
            stopped_at = number;
        else if (log_check(&head, record, bytes.data, bytes.len, err) != LOG_OK)
            stopped_at = number;
    }
    /* The last record has nobody after it who would tell: the head does. */
    if (!stopped_at && memcmp(head.hash, end.hash, LOG_HASH_BYTES) != 0)
        stopped_at = end.record;
    rd_end(rd);
    *ret_head = head;
    return stopped_at;
}

static void a_new_log_is_empty_until_created_once(void **state)
{
    struct fixture *f = *state;
    struct log_head head;
    struct slice bytes;
    uint64_t number;
    uint8_t record[100] = { 0 };

    struct rd *rd = snapshot(f);
    assert_int_equal(log_head(rd, &head), LOG_EMPTY);
    assert_int_equal(log_read(rd, 1, &bytes), LOG_EMPTY);
    assert_int_equal(log_find_event(rd, 1, &number), LOG_EMPTY);
    rd_end(rd);

    struct wr *wr = begin(f);
    assert_int_equal(log_append(wr, 0, record, 1, 0), LOG_EMPTY);
    assert_int_equal(log_create(wr, "too short"), LOG_BROKEN);
    assert_int_equal(wr_status(wr), -EINVAL);
    wr_abort(wr);
    create(f);
    wr = begin(f);
    assert_int_equal(log_create(wr, LOG_ID), LOG_CONFLICT);
    assert_int_equal(wr_status(wr), 0);
    wr_abort(wr);

    rd = snapshot(f);
    assert_int_equal(log_head(rd, &head), LOG_OK);
    assert_int_equal(head.record, 0);
    assert_int_equal(head.next_sequence, 1);
    assert_string_equal(head.log_id, LOG_ID);
    rd_end(rd);
}

static void a_record_goes_to_the_place_expected_or_nowhere(void **state)
{
    struct fixture *f = *state;
    struct log_head head;
    struct slice found;
    uint8_t bytes[2000];

    create(f);
    append(f, 2);
    struct wr *wr = begin(f);
    assert_int_equal(log_head(wr_rd(wr), &head), LOG_OK);
    size_t len = pack_record(&head, 1, bytes);
    assert_int_equal(log_append(wr, 0, bytes, len, 1), LOG_CONFLICT);
    assert_int_equal(log_append(wr, 2, bytes, len, 1), LOG_CONFLICT);
    assert_int_equal(wr_status(wr), 0);
    assert_int_equal(log_append(wr, 1, bytes, len, 1), LOG_OK);
    commit(wr);

    struct rd *rd = snapshot(f);
    assert_int_equal(log_read(rd, 2, &found), LOG_OK);
    assert_int_equal(found.len, len);
    assert_memory_equal(found.data, bytes, len);
    assert_int_equal(log_read(rd, 3, &found), LOG_EMPTY);
    assert_int_equal(log_head(rd, &head), LOG_OK);
    assert_int_equal(head.record, 2);
    assert_int_equal(head.next_sequence, 4);
    rd_end(rd);
}

static void every_event_is_found_in_its_record(void **state)
{
    struct fixture *f = *state;
    static const size_t events[] = { 3, 0, 1, 0, 0, 5, 1 };
    static const uint64_t record_of[] = { 1, 1, 1, 3, 6, 6, 6, 6, 6, 7 };
    uint64_t number;

    create(f);
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        append(f, events[i]);
    struct rd *rd = snapshot(f);
    for (size_t i = 0; i < ARRAY_LEN(record_of); i++) {
        assert_int_equal(log_find_event(rd, i + 1, &number), LOG_OK);
        assert_int_equal(number, record_of[i]);
    }
    assert_int_equal(log_find_event(rd, 0, &number), LOG_EMPTY);
    assert_int_equal(log_find_event(rd, 11, &number), LOG_EMPTY);
    assert_int_equal(log_find_event(rd, UINT64_MAX, &number), LOG_EMPTY);
    rd_end(rd);
}

static void records_missing_are_trimmed_or_a_gap(void **state)
{
    struct fixture *f = *state;
    struct key first = KEY_INIT, middle = KEY_INIT, event = KEY_INIT;
    struct slice bytes;
    uint64_t number;

    create(f);
    for (int i = 0; i < 5; i++)
        append(f, 1);
    struct wr *wr = begin(f);
    wr_delete(wr, &log_tables_log, key_u64(&first, 1));
    wr_delete(wr, &log_tables_index, key_u64(&event, 1));
    wr_delete(wr, &log_tables_log, key_u64(&middle, 3));
    commit(wr);
    struct rd *rd = snapshot(f);
    assert_int_equal(log_read(rd, 1, &bytes), LOG_TRIMMED);
    assert_int_equal(log_read(rd, 2, &bytes), LOG_OK);
    assert_int_equal(log_read(rd, 3, &bytes), LOG_DIVERGED);
    assert_int_equal(log_read(rd, 6, &bytes), LOG_EMPTY);
    assert_int_equal(log_find_event(rd, 1, &number), LOG_TRIMMED);
    assert_int_equal(log_find_event(rd, 2, &number), LOG_OK);
    rd_end(rd);
}

static void an_untouched_chain_passes_the_check(void **state)
{
    struct fixture *f = *state;
    struct log_head head, end;
    struct err err;

    create(f);
    for (size_t i = 0; i < 20; i++)
        append(f, i % 4);
    assert_int_equal(walk(f, &head, &err), 0);
    struct rd *rd = snapshot(f);
    assert_int_equal(log_head(rd, &end), LOG_OK);
    rd_end(rd);
    assert_int_equal(head.record, end.record);
    assert_int_equal(head.next_sequence, end.next_sequence);
    assert_memory_equal(head.hash, end.hash, LOG_HASH_BYTES);
}

/* Each byte of a record in the middle and of the last one. */
static void a_flipped_byte_is_found(void **state)
{
    struct fixture *f = *state;
    struct log_head head;
    struct err err;

    create(f);
    for (int i = 0; i < 5; i++)
        append(f, 1);
    for (uint64_t number = 3; number <= 5; number += 2) {
        struct key k = KEY_INIT;
        uint8_t bytes[2000];
        struct slice stored;

        struct rd *rd = snapshot(f);
        assert_int_equal(log_read(rd, number, &stored), LOG_OK);
        size_t len = stored.len;
        memcpy(bytes, stored.data, len);
        rd_end(rd);
        key_u64(&k, number);
        for (size_t i = 0; i < len; i++) {
            bytes[i] ^= 0x01;
            struct wr *wr = begin(f);
            wr_put_bytes(wr, &log_tables_log, &k, bytes, len);
            commit(wr);
            uint64_t stopped_at = walk(f, &head, &err);
            assert_true(stopped_at == number || stopped_at == number + 1);
            bytes[i] ^= 0x01;
        }
        struct wr *wr = begin(f);
        wr_put_bytes(wr, &log_tables_log, &k, bytes, len);
        commit(wr);
        assert_int_equal(walk(f, &head, &err), 0);
    }
}

/* Checks a record that was made for `bent` against `head`. */
static void assert_diverges(const struct log_head *head, const struct log_head *bent,
                            const char *reason)
{
    struct log_head after = *head;
    struct err err = { "" };
    uint8_t bytes[2000];

    size_t len = pack_record(bent, 2, bytes);
    Fokus__Event__V1__Record *record = fokus__event__v1__record__unpack(NULL, len, bytes);
    assert_int_equal(log_check(&after, record, bytes, len, &err), LOG_DIVERGED);
    assert_non_null(strstr(err.text, reason));
    assert_memory_equal(&after, head, sizeof(after));
    fokus__event__v1__record__free_unpacked(record, NULL);
}

static void each_rule_of_the_chain_is_checked(void **state)
{
    (void)state;
    struct log_head head = { .record = 6, .next_sequence = 20, .hash = { 1 }, .log_id = LOG_ID };
    struct err err;
    uint8_t bytes[2000];

    struct log_head bent = head;
    bent.record = 7;
    assert_diverges(&head, &bent, "number 8");
    bent = head;
    bent.next_sequence = 21;
    assert_diverges(&head, &bent, "begins with event 21");
    bent = head;
    bent.hash[31] = 1;
    assert_diverges(&head, &bent, "hash");
    bent = head;
    bent.log_id[0] = 'f';
    assert_diverges(&head, &bent, "belongs to log");

    size_t len = pack_record(&head, 2, bytes);
    Fokus__Event__V1__Record *record = fokus__event__v1__record__unpack(NULL, len, bytes);
    record->events[1]->sequence = 22;
    assert_int_equal(log_check(&head, record, bytes, len, &err), LOG_DIVERGED);
    assert_string_equal(err.text, "log record 7: event 22 stands where 21 should");
    record->events[1]->sequence = 21;
    assert_int_equal(log_check(&head, record, bytes, len, &err), LOG_OK);
    assert_int_equal(head.record, 7);
    assert_int_equal(head.next_sequence, 22);
    fokus__event__v1__record__free_unpacked(record, NULL);
}

static void a_damaged_head_is_no_head(void **state)
{
    struct fixture *f = *state;
    struct log_head head;
    struct key k = KEY_INIT;

    create(f);
    struct wr *wr = begin(f);
    wr_put_bytes(wr, &log_tables_head, &k, "short", 5);
    commit(wr);
    struct rd *rd = snapshot(f);
    assert_int_equal(log_head(rd, &head), LOG_DIVERGED);
    rd_end(rd);
    assert_string_equal(log_rc_name(LOG_DIVERGED), "diverged");
}

/* BLAKE2b-256 of "abc", from another implementation (Python's hashlib). */
static void the_hash_is_blake2b_256(void **state)
{
    (void)state;
    static const uint8_t expected[LOG_HASH_BYTES] = { 0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39,
                                                      0x72, 0x31, 0x71, 0xef, 0x3f, 0xee, 0x98,
                                                      0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1,
                                                      0xcb, 0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0,
                                                      0x68, 0xd5, 0x23, 0x19 };
    uint8_t hash[LOG_HASH_BYTES];

    log_hash((const uint8_t *)"abc", 3, hash);
    assert_memory_equal(hash, expected, LOG_HASH_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_log_is_empty_until_created_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_goes_to_the_place_expected_or_nowhere, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_event_is_found_in_its_record, setup, teardown),
        cmocka_unit_test_setup_teardown(records_missing_are_trimmed_or_a_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(an_untouched_chain_passes_the_check, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flipped_byte_is_found, setup, teardown),
        cmocka_unit_test(each_rule_of_the_chain_is_checked),
        cmocka_unit_test_setup_teardown(a_damaged_head_is_no_head, setup, teardown),
        cmocka_unit_test(the_hash_is_blake2b_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
