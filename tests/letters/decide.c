/* decide.c - the toy's commands. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "tests/letters/tables.h"

static struct slice slice_of(const char *text)
{
    return (struct slice) { (const uint8_t *)text, strlen(text) };
}

/* Refuses when a writer has the address. What a crash left of somebody else's is taken away. 0 and an outcome of success: it is free. */
static int claim_address(const struct decide_in *in, const char *address, struct outcome *out)
{
    const char *stale;
    Writer *other;

    int r = writer_with_address(in->state, in->arena, in->vault, in->key, address, &other, &stale);
    if (r == 0)
        return outcome_refuse(out, CODE_ALREADY_EXISTS, "Somebody has this address.");
    if (r != -ENOENT)
        return r;
    return stale ? lookup_free(in, stale, KIND_ADDRESS, slice_of(address)) : 0;
}

static int register_writer(const struct decide_in *in, const RegisterWriterRequest *req,
                           const char *id, WriterRegistered *registered)
{
    const struct vault_lookup lookup = { KIND_ADDRESS, slice_of(req->address) };
    struct err err = { "" };

    int r = vault_add(in->vault, id, &lookup, 1, &err);
    if (r == 0)
        r = vault_key(in->vault, id, in->key);
    if (r == 0)
        r = sealed_text(in->arena, in->key, &letters_address, req->address, &registered->address);
    if (r == 0)
        r = sealed_text(in->arena, in->key, &letters_name, req->name, &registered->name);
    return r;
}

int letters_register_writer(const struct decide_in *in, const RegisterWriterRequest *req,
                            RegisterWriterResponse *res, struct outcome *out)
{
    WriterRegistered *registered = arena_alloc(in->arena, sizeof(*registered));
    char *id = arena_alloc(in->arena, ID_CHARS + 1);

    if (!registered || !id)
        return -ENOMEM;
    int r = claim_address(in, req->address, out);
    if (r < 0 || out->status.code != CODE_OK)
        return r;
    *registered = (WriterRegistered)WRITER_REGISTERED_INIT;
    id_next(in->ids, in->now_ms, id);
    registered->writer = res->writer = id;
    res->name = req->name;
    r = register_writer(in, req, id, registered);
    if (r < 0)
        return r;
    if (strcmp(req->name, "refused") == 0)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION, "This name is refused.");
    if (strcmp(req->name, "fails") == 0)
        return -EIO;
    if (strcmp(req->name, "nothing") == 0)
        return 0;
    registered->broken = strcmp(req->name, "apply-fails") == 0;
    return emit_writer_registered(out, id, registered);
}

/* 0 with *ret NULL: refused. */
static int find_or_refuse(const struct decide_in *in, const char *id, Writer **ret,
                          struct outcome *out)
{
    int r = writer_find(in->state, id, ret);
    if (r == 0)
        r = vault_key(in->vault, id, in->key);
    if (r != -ENOENT)
        return r;
    *ret = NULL;
    return outcome_refuse(out, CODE_NOT_FOUND, "There is no such writer.");
}

int letters_move_writer(const struct decide_in *in, const MoveWriterRequest *req,
                        MoveWriterResponse *res, struct outcome *out)
{
    WriterMoved *moved = arena_alloc(in->arena, sizeof(*moved));
    struct err err = { "" };
    Writer *writer;
    char *old;

    (void)res; /* has no fields */
    int r = moved ? find_or_refuse(in, req->writer, &writer, out) : -ENOMEM;
    if (r < 0 || !writer)
        return r;
    r = opened_text(in->arena, in->key, &letters_address, writer->address, &old);
    if (r < 0 || strcmp(old, req->address) == 0)
        return r;
    r = claim_address(in, req->address, out);
    if (r < 0 || out->status.code != CODE_OK)
        return r;
    *moved = (WriterMoved)WRITER_MOVED_INIT;
    moved->writer = req->writer;
    r = vault_add_lookup(in->vault, req->writer, KIND_ADDRESS, slice_of(req->address), &err);
    if (r == 0)
        r = vault_key(in->vault, req->writer, in->key);
    if (r == 0)
        r = sealed_text(in->arena, in->key, &letters_address, req->address, &moved->address);
    if (r == 0)
        r = outcome_remove_lookup(out, req->writer, KIND_ADDRESS, slice_of(old));
    return r < 0 ? r : emit_writer_moved(out, req->writer, moved);
}

int letters_erase_person(const struct decide_in *in, const char *person, struct outcome *out)
{
    WriterErased *erased = arena_alloc(in->arena, sizeof(*erased));
    Writer *writer;

    int r = erased ? writer_find(in->state, person, &writer) : -ENOMEM;
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    *erased = (WriterErased)WRITER_ERASED_INIT;
    erased->writer = writer->id;
    r = outcome_erase_person(out, person);
    return r < 0 ? r : emit_writer_erased(out, person, erased);
}

int letters_erase_writer(const struct decide_in *in, const EraseWriterRequest *req,
                         EraseWriterResponse *res, struct outcome *out)
{
    (void)res; /* has no fields */
    return letters_erase_person(in, req->writer, out);
}

/* ---- letters ---- */

enum { STAMP_BYTES = 32, AGAIN_MS = 1000 };

/* The stamp: what only this service can make of the text, and what takes long in a real one. */
int letters_prepare_write_letter(const struct prepare_in *in, const WriteLetterRequest *req,
                                 const void **ret_prepared, struct status *status)
{
    uint8_t key[32], *stamp = arena_alloc(in->arena, STAMP_BYTES);

    if (!stamp)
        return -ENOMEM;
    if (strcmp(req->text, "fails") == 0)
        return -EIO;
    if (strcmp(req->text, "unfit") == 0)
        return status_refuse(status, CODE_FAILED_PRECONDITION, "This cannot be stamped.");
    int r = vault_derive(in->vault, "stamp", key);
    if (r < 0)
        return r;
    (void)crypto_generichash(stamp, STAMP_BYTES, (const uint8_t *)req->text, strlen(req->text), key,
                             sizeof(key)); /* the sizes are right */
    *ret_prepared = stamp;
    return 0;
}

int letters_write_letter(const struct decide_in *in, const WriteLetterRequest *req,
                         WriteLetterResponse *res, struct outcome *out)
{
    LetterWritten *written = arena_alloc(in->arena, sizeof(*written));
    char *id = arena_alloc(in->arena, ID_CHARS + 1);
    Writer *writer;

    int r = written && id ? find_or_refuse(in, req->writer, &writer, out) : -ENOMEM;
    if (r < 0 || !writer)
        return r;
    *written = (LetterWritten)LETTER_WRITTEN_INIT;
    id_next(in->ids, in->now_ms, id);
    written->letter = res->letter = id;
    written->writer = req->writer;
    written->stamp = (ProtobufCBinaryData) { STAMP_BYTES, (uint8_t *)in->prepared };
    res->stamp = written->stamp;
    const struct seal_place place = letters_text(id);
    r = sealed_text(in->arena, in->key, &place, req->text, &written->text);
    return r < 0 ? r : emit_letter_written(out, id, written);
}

int letters_record_posted(const struct decide_in *in, const RecordPostedRequest *req,
                          RecordPostedResponse *res, struct outcome *out)
{
    LetterPosted *posted = arena_alloc(in->arena, sizeof(*posted));
    LetterLost *lost = arena_alloc(in->arena, sizeof(*lost));
    Letter *letter;

    (void)res; /* has no fields */
    int r = posted && lost ? letter_find(in->state, req->writer, req->letter, &letter) : -ENOMEM;
    if (r == -ENOENT || (r == 0 && letter->due_ms == 0))
        return 0;
    if (r < 0)
        return r;
    *posted = (LetterPosted)LETTER_POSTED_INIT;
    *lost = (LetterLost)LETTER_LOST_INIT;
    posted->letter = lost->letter = req->letter;
    posted->writer = lost->writer = req->writer;
    lost->due_ms = in->now_ms + AGAIN_MS;
    return req->arrived ? emit_letter_posted(out, req->letter, posted)
                        : emit_letter_lost(out, req->letter, lost);
}
