/* rules_test.c - the toy with personal data in given/when/then: what a decision does to the vault, and what comes of it. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/given.h"
#include "fokus/runtime/v1/runtime.fokus.h"
#include "tests/letters/tables.h"

static const char someone[] = "01900000-0000-7000-8000-000000000001";

static struct slice slice_of(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

static void when_registered(const char *address, const char *name)
{
    RegisterWriterRequest req = REGISTER_WRITER_REQUEST_INIT;

    req.address = (char *)address; /* only packed */
    req.name = (char *)name;
    when(anonymous(), "RegisterWriter", &req);
}

static const char *registered(const char *address)
{
    when_registered(address, "Siv Andersdotter");
    return ((const RegisterWriterResponse *)then_response())->writer;
}

static void when_moved(const char *writer, const char *address)
{
    MoveWriterRequest req = MOVE_WRITER_REQUEST_INIT;

    req.writer = (char *)writer;
    req.address = (char *)address;
    when(anonymous(), "MoveWriter", &req);
}

static void when_erased(const char *writer)
{
    EraseWriterRequest req = ERASE_WRITER_REQUEST_INIT;

    req.writer = (char *)writer;
    when(anonymous(), "EraseWriter", &req);
}

/* NULL: not found. */
static const GetWriterResponse *writer(const char *id)
{
    GetWriterRequest req = GET_WRITER_REQUEST_INIT;
    const GetWriterResponse *res;

    req.writer = (char *)id;
    ask(anonymous(), "GetWriter", &req, &res);
    return res;
}

/* "" for nobody. */
static const char *found(const char *address)
{
    FindWriterRequest req = FIND_WRITER_REQUEST_INIT;
    const FindWriterResponse *res;

    req.address = (char *)address;
    ask(anonymous(), "FindWriter", &req, &res);
    return res ? res->writer : "";
}

static uint64_t persons(void)
{
    struct vault_stats stats;

    vault_stats(given_vault(), &stats);
    return stats.persons;
}

TEST(what_is_sealed_is_opened_again)
{
    const char *id = registered("siv@post.example");

    const LettersEvent *e = then_event(0, "WriterRegistered");
    assert_int_equal(e->writer_registered->name.len, seal_size(strlen("Siv Andersdotter")));
    assert_null(memmem(e->writer_registered->name.data, e->writer_registered->name.len, "Siv", 3));
    assert_string_equal(writer(id)->address, "siv@post.example");
    assert_string_equal(writer(id)->name, "Siv Andersdotter");
    assert_string_equal(found("siv@post.example"), id);
    assert_string_equal(found("tor@post.example"), "");
}

TEST(a_given_person_is_like_a_registered_one)
{
    const struct vault_lookup lookup = { KIND_ADDRESS, slice_of("tor@post.example") };
    WriterRegistered e = WRITER_REGISTERED_INIT;
    LettersEvent event = LETTERS_EVENT_INIT;
    uint8_t address[200], name[200];

    given_person(someone, &lookup, 1);
    assert_int_equal(vault_key(given_vault(), someone, given_key()), 0);
    assert_int_equal(seal_close(given_key(), &letters_address, lookup.value, address), 0);
    assert_int_equal(seal_close(given_key(), &letters_name, slice_of("Tor"), name), 0);
    e.writer = (char *)someone;
    e.address = (ProtobufCBinaryData) { seal_size(lookup.value.len), address };
    e.name = (ProtobufCBinaryData) { seal_size(3), name };
    event.event_case = LETTERS_EVENT_WRITER_REGISTERED;
    event.writer_registered = &e;
    given(&event, someone);
    assert_string_equal(found("tor@post.example"), someone);
    assert_string_equal(writer(someone)->name, "Tor");
}

TEST(an_address_is_one_writers)
{
    (void)registered("siv@post.example");
    when_registered("siv@post.example", "Somebody Else");
    then_refused(CODE_ALREADY_EXISTS);
    assert_int_equal(persons(), 1);
}

TEST(a_writer_who_came_to_nothing_is_not_in_the_vault)
{
    const char *id = registered("siv@post.example");

    when_registered("tor@post.example", "refused");
    then_refused(CODE_FAILED_PRECONDITION);
    when_registered("tor@post.example", "fails");
    then_refused(CODE_UNAVAILABLE);
    when_registered("tor@post.example", "apply-fails");
    then_refused(CODE_UNAVAILABLE);
    when_registered("tor@post.example", "nothing");
    then_ok();
    then_no_event();
    assert_int_equal(persons(), 1);
    assert_int_equal(
        vault_find(given_vault(), KIND_ADDRESS, slice_of("tor@post.example"), given_key()),
        -ENOENT);
    assert_string_equal(writer(id)->name, "Siv Andersdotter");
    (void)registered("tor@post.example");
}

TEST(whoever_moves_is_found_by_the_new_address_only)
{
    const char *id = registered("siv@post.example");

    when_moved(id, "siv@ny.example");
    then_event(0, "WriterMoved");
    assert_string_equal(found("siv@ny.example"), id);
    assert_int_equal(
        vault_find(given_vault(), KIND_ADDRESS, slice_of("siv@post.example"), given_key()),
        -ENOENT);
    assert_string_equal(writer(id)->address, "siv@ny.example");
    when_moved(id, "siv@ny.example");
    then_ok();
    then_no_event();
    const char *other = registered("siv@post.example");
    assert_string_not_equal(other, id);
    when_moved(id, "siv@post.example");
    then_refused(CODE_ALREADY_EXISTS);
}

TEST(an_erased_writer_is_gone_from_tables_and_vault)
{
    const char *id = registered("siv@post.example");
    const char *other = registered("tor@post.example");

    when_erased(id);
    then_event(0, "WriterErased");
    assert_null(writer(id));
    then_refused(CODE_NOT_FOUND);
    assert_int_equal(vault_key(given_vault(), id, given_key()), -ENOENT);
    assert_string_equal(found("siv@post.example"), "");
    assert_int_equal(persons(), 1);
    when_erased(id);
    then_ok();
    then_no_event();
    assert_string_equal(found("tor@post.example"), other);
}

TEST(a_look_up_left_over_from_a_crash_hinders_nobody)
{
    const char *id = registered("siv@post.example");
    struct err err = { "" };

    assert_int_equal(
        vault_add_lookup(given_vault(), id, KIND_ADDRESS, slice_of("tor@post.example"), &err), 0);
    assert_int_equal(vault_sync(given_vault(), &err), 0);
    assert_int_equal(vault_settle(given_vault(), true, &err), 0);
    assert_string_equal(found("tor@post.example"), "");
    const char *other = registered("tor@post.example");
    assert_string_equal(found("tor@post.example"), other);
    assert_string_equal(found("siv@post.example"), id);
}

TEST(a_query_may_open_many_persons_values)
{
    CountWritersRequest req = COUNT_WRITERS_REQUEST_INIT;
    const CountWritersResponse *res;

    (void)registered("siv@post.example");
    (void)registered("tor@post.example");
    ask(anonymous(), "CountWriters", &req, &res);
    assert_int_equal(res->writers, 2);
    assert_int_equal(res->readable, 2);
}

/* ---- stored replies ---- */

static void when_registered_with_key(const char *address, const char *key)
{
    RegisterWriterRequest req = REGISTER_WRITER_REQUEST_INIT;

    req.address = (char *)address;
    req.name = "Siv Andersdotter";
    when_with_key(anonymous(), "RegisterWriter", &req, key);
}

static void when_erases_herself(const char *writer, const char *key)
{
    EraseWriterRequest req = ERASE_WRITER_REQUEST_INIT;

    req.writer = (char *)writer;
    when_with_key(signed_in(writer), "EraseWriter", &req, key);
}

static void when_moves_herself(const char *writer, const char *address, const char *key)
{
    MoveWriterRequest req = MOVE_WRITER_REQUEST_INIT;

    req.writer = (char *)writer;
    req.address = (char *)address;
    when_with_key(signed_in(writer), "MoveWriter", &req, key);
}

/* Whether the log holds these bytes anywhere. */
static bool log_holds(const char *text)
{
    ReadRecordsRequest req = READ_RECORDS_REQUEST_INIT;
    const ReadRecordsResponse *res;

    ask(operator_caller(), "fokus.runtime.v1.RuntimeService/ReadRecords", &req, &res);
    assert_true(res->n_records > 0);
    for (size_t i = 0; i < res->n_records; i++)
        if (memmem(res->records[i].data, res->records[i].len, text, strlen(text)))
            return true;
    return false;
}

enum { HOUR_MS = 60 * 60 * 1000 };

TEST(a_stored_reply_is_sealed_and_repeated)
{
    when_registered_with_key("siv@post.example", "key-1");
    const char *id = ((const RegisterWriterResponse *)then_response())->writer;
    assert_int_equal(then_event_count(), 1);
    when_registered_with_key("siv@post.example", "key-1");
    assert_string_equal(((const RegisterWriterResponse *)then_response())->writer, id);
    assert_string_equal(((const RegisterWriterResponse *)then_response())->name,
                        "Siv Andersdotter");
    then_no_event();
    assert_false(log_holds("Andersdotter"));
    assert_true(log_holds("key-1"));
    assert_int_equal(persons(), 2); /* she, and the day's key */
}

/* Else the hash of a request would tell who it was about, by trying. */
TEST(a_stored_reply_does_not_confirm_a_guess_at_the_request)
{
    RegisterWriterRequest req = REGISTER_WRITER_REQUEST_INIT;
    static const char method[] = "fokus.letters.v1.LettersService/RegisterWriter";
    uint8_t bytes[500], hash[LOG_HASH_BYTES];
    char hex[2 * LOG_HASH_BYTES + 1], raw[LOG_HASH_BYTES + 1];

    when_registered_with_key("siv@post.example", "key-1");
    req.address = "siv@post.example";
    req.name = "Siv Andersdotter";
    memcpy(bytes, method, sizeof(method));
    size_t len = sizeof(method) + protobuf_c_message_pack(&req.base, bytes + sizeof(method));
    (void)crypto_generichash(hash, sizeof(hash), bytes, len, NULL, 0); /* the sizes are right */
    assert_false(log_holds(sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash))));
    memcpy(raw, hash, sizeof(hash));
    raw[8] = '\0'; /* as a text: its beginning is enough */
    assert_false(strlen(raw) == 8 && log_holds(raw));
}

TEST(a_stored_reply_counts_across_midnight)
{
    given_time_passes(11 * HOUR_MS); /* 23:00 */
    when_registered_with_key("siv@post.example", "key-1");
    const char *id = ((const RegisterWriterResponse *)then_response())->writer;
    given_time_passes(23 * HOUR_MS);
    when_registered_with_key("siv@post.example", "key-1");
    assert_string_equal(((const RegisterWriterResponse *)then_response())->writer, id);
    then_no_event();
}

TEST(a_persons_stored_reply_goes_with_her)
{
    const char *id = registered("siv@post.example");

    when_moves_herself(id, "siv@ny.example", "key-1");
    then_event(0, "WriterMoved");
    assert_int_equal(persons(), 1); /* sealed under her own key */
    when_moves_herself(id, "siv@ny.example", "key-1");
    then_ok();
    then_no_event();
    when_moves_herself(id, "siv@tredje.example", "key-1");
    then_violation("idempotency_key");
    when_erased(id);
    when_moves_herself(id, "siv@ny.example", "key-1");
    then_violation("idempotency_key");
}

TEST(whoever_erases_herself_may_ask_again)
{
    const char *id = registered("siv@post.example");

    when_erases_herself(id, "key-1");
    then_event(0, "WriterErased");
    assert_int_equal(vault_key(given_vault(), id, given_key()), -ENOENT);
    when_erases_herself(id, "key-1");
    then_ok();
    then_no_event();
}

TEST(a_days_key_is_erased_when_its_replies_have_expired)
{
    when_registered_with_key("siv@post.example", "key-1");
    given_time_passes(24 * HOUR_MS);
    when_registered_with_key("tor@post.example", "key-2");
    assert_int_equal(persons(), 4); /* two, and two days */
    given_time_passes(24 * HOUR_MS);
    when_registered("kim@post.example", "Kim");
    assert_int_equal(persons(), 4); /* three, and yesterday */
    given_time_passes(24 * HOUR_MS);
    when_registered("eva@post.example", "Eva");
    assert_int_equal(persons(), 4);
}

TEST(a_command_that_came_to_nothing_leaves_no_days_key)
{
    when_registered("siv@post.example", "Siv");
    when_registered_with_key("siv@post.example", "key-1");
    then_refused(CODE_ALREADY_EXISTS);
    assert_int_equal(persons(), 1);
}

/* ---- letters: prepared, and posted ---- */

static void when_written(const char *writer, const char *text)
{
    WriteLetterRequest req = WRITE_LETTER_REQUEST_INIT;

    req.writer = (char *)writer;
    req.text = (char *)text;
    when(anonymous(), "WriteLetter", &req);
}

/* What lies in the post, "" for nothing. */
static const char *posted(const char *letter)
{
    static char text[4096];
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/post/%s", given_home(), letter);
    FILE *f = fopen(path, "r");
    text[f ? fread(text, 1, sizeof(text) - 1, f) : 0] = '\0';
    if (f)
        (void)fclose(f); /* only read */
    return text;
}

static const Letter *letter_of(const char *writer)
{
    ListLettersRequest req = LIST_LETTERS_REQUEST_INIT;
    const ListLettersResponse *res;

    req.writer = (char *)writer;
    ask(anonymous(), "ListLetters", &req, &res);
    return res->n_letters ? res->letters[0] : NULL;
}

TEST(a_long_command_is_decided_with_what_was_prepared)
{
    const char *id = registered("siv@post.example");

    when_written(id, "Dear all");
    const WriteLetterResponse *res = then_response();
    const LettersEvent *e = then_event(0, "LetterWritten");
    assert_int_equal(e->letter_written->stamp.len, 32);
    assert_memory_equal(e->letter_written->stamp.data, res->stamp.data, 32);
    when_written(id, "Dear all");
    assert_memory_equal(((const WriteLetterResponse *)then_response())->stamp.data, res->stamp.data,
                        32);
}

TEST(what_cannot_be_prepared_is_not_decided)
{
    const char *id = registered("siv@post.example");

    when_written(id, "unfit");
    then_refused(CODE_FAILED_PRECONDITION);
    then_no_event();
    when_written(id, "fails");
    then_refused(CODE_UNAVAILABLE);
    when_written(id, "");
    then_violation("text");
    when_written(someone, "Dear all");
    then_refused(CODE_NOT_FOUND);
}

TEST(an_effect_is_carried_out_once_and_recorded)
{
    const char *id = registered("siv@post.example");

    when_written(id, "Dear all");
    const char *letter = ((const WriteLetterResponse *)then_response())->letter;
    assert_int_equal(when_effects_run(), 1);
    then_event(0, "LetterPosted");
    assert_string_equal(posted(letter), "siv@post.example: Dear all\n");
    assert_int_equal(letter_of(id)->due_ms, 0);
    assert_int_equal(when_effects_run(), 0);
}

TEST(an_effect_that_failed_is_tried_when_it_is_due_again)
{
    const char *id = registered("siv@post.example");

    when_written(id, "lost");
    const char *letter = ((const WriteLetterResponse *)then_response())->letter;
    assert_int_equal(when_effects_run(), 1);
    then_event(0, "LetterLost");
    assert_string_equal(posted(letter), "");
    assert_int_equal(when_effects_run(), 0);
    given_time_passes(1000);
    assert_int_equal(when_effects_run(), 1);
    assert_string_equal(posted(letter), "siv@post.example: lost\n");
    assert_int_equal(letter_of(id)->tries, 2);
}

TEST(whoever_is_erased_has_nothing_posted)
{
    const char *id = registered("siv@post.example");

    when_written(id, "Dear all");
    when_erased(id);
    assert_null(letter_of(id));
    assert_int_equal(when_effects_run(), 0);
}

/* ---- what is held of a person ---- */

/* One page; returns how many items. */
static size_t exported(const char *person, uint64_t from, const ExportPersonResponse **ret)
{
    ExportPersonRequest req = EXPORT_PERSON_REQUEST_INIT;

    req.person = (char *)person;
    req.from = from;
    ask(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/ExportPerson", &req, ret);
    then_ok();
    return (*ret)->n_items;
}

static void expect_item(const ExportPersonResponse *res, size_t i, const char *part)
{
    assert_true(i < res->n_items);
    if (!strstr(res->items[i], part))
        fail_msg("item %zu holds no %s: %s", i, part, res->items[i]);
}

TEST(an_export_shows_what_tables_and_log_hold_of_her)
{
    const char *id = registered("siv@post.example");
    const ExportPersonResponse *res;

    (void)registered("tor@post.example");
    when_written(id, "Dear all");
    when_moves_herself(id, "siv@ny.example", "key-1");
    assert_int_equal(exported(id, 0, &res), 4);
    assert_int_equal(res->next, 0);
    expect_item(res, 0, "{\"kind\":\"record\",\"what\":\"writer\",\"data\":{");
    expect_item(res, 0, "\"address\":\"siv@ny.example\",\"name\":\"Siv Andersdotter\"");
    expect_item(res, 1, "\"what\":\"letter\"");
    expect_item(res, 1, "\"text\":\"Dear all\"");
    expect_item(res, 2,
                "{\"kind\":\"event\",\"sequence\":1,\"time\":\"2026-01-01T12:00:00Z\","
                "\"type\":\"WriterRegistered\",\"subject\":\"");
    expect_item(res, 2, "\"data\":{\"writerRegistered\":{\"writer\":\"");
    expect_item(res, 3, "\"type\":\"WriterMoved\"");
    for (size_t i = 2; i < res->n_items; i++)
        assert_null(strstr(res->items[i], "\"address\"")); /* sealed */
    assert_int_equal(exported(id, 2, &res), 1);
    expect_item(res, 0, "\"type\":\"WriterMoved\"");
}

TEST(an_export_of_nobody_is_empty)
{
    const ExportPersonResponse *res;

    (void)registered("siv@post.example");
    assert_int_equal(exported(someone, 0, &res), 0);
    assert_int_equal(res->next, 0);
}

TEST(only_the_operator_looks_at_the_vault_and_rotates_it)
{
    GetVaultRequest look = GET_VAULT_REQUEST_INIT;
    RotateVaultRequest rotate = ROTATE_VAULT_REQUEST_INIT;
    const GetVaultResponse *res;

    (void)registered("siv@post.example");
    ask(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/GetVault", &look, &res);
    then_refused(CODE_PERMISSION_DENIED);
    when(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/RotateVault", &rotate);
    then_refused(CODE_PERMISSION_DENIED);
    ask(operator_caller(), "fokus.runtime.v1.RuntimeService/GetVault", &look, &res);
    assert_true(res->personal);
    assert_int_equal(res->persons, 1);
    assert_int_equal(strlen(res->master_key), 8);
    when(operator_caller(), "fokus.runtime.v1.RuntimeService/RotateVault", &rotate);
    assert_true(
        ((const RotateVaultResponse *)then_response())->done); /* under the newest already */
    then_no_event();
}

TEST(only_the_house_exports_and_erases)
{
    ExportPersonRequest export = EXPORT_PERSON_REQUEST_INIT;
    ErasePersonRequest erase = ERASE_PERSON_REQUEST_INIT;
    const ExportPersonResponse *res;
    const char *id = registered("siv@post.example");

    export.person = erase.person = (char *)id;
    ask(signed_in(id), "fokus.runtime.v1.RuntimeService/ExportPerson", &export, &res);
    then_refused(CODE_PERMISSION_DENIED);
    when(signed_in(id), "fokus.runtime.v1.RuntimeService/ErasePerson", &erase);
    then_refused(CODE_PERMISSION_DENIED);
    when(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/ErasePerson", &erase);
    assert_true(((const ErasePersonResponse *)then_response())->erased);
    then_event(0, "WriterErased");
    assert_int_equal(vault_key(given_vault(), id, given_key()), -ENOENT);
    when(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/ErasePerson", &erase);
    assert_false(((const ErasePersonResponse *)then_response())->erased);
    then_no_event();
}

TESTS(&letters_service)
