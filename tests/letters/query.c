/* query.c - the toy's queries. */
#include <errno.h>

#include "tests/letters/tables.h"

int letters_get_writer(const struct query_in *in, const GetWriterRequest *req,
                       GetWriterResponse *res, struct status *status)
{
    Writer *writer;

    int r = writer_find(in->state, req->writer, &writer);
    if (r == 0)
        r = vault_key(in->vault, req->writer, in->key);
    if (r == -ENOENT)
        return status_refuse(status, CODE_NOT_FOUND, "There is no such writer.");
    if (r == 0)
        r = opened_text(in->arena, in->key, &letters_address, writer->address, &res->address);
    if (r == 0)
        r = opened_text(in->arena, in->key, &letters_name, writer->name, &res->name);
    return r;
}

int letters_find_writer(const struct query_in *in, const FindWriterRequest *req,
                        FindWriterResponse *res, struct status *status)
{
    const char *stale;
    Writer *writer;

    int r = writer_with_address(in->state, in->arena, in->vault, in->key, req->address, &writer,
                                &stale);
    if (r == -ENOENT)
        return status_refuse(status, CODE_NOT_FOUND, "No writer has this address.");
    if (r == 0)
        res->writer = writer->id;
    return r;
}

int letters_count_writers(const struct query_in *in, const CountWritersRequest *req,
                          CountWritersResponse *res, struct status *status)
{
    struct key all = KEY_INIT;
    struct scan s;
    int r = 0;

    (void)req; /* has no fields */
    (void)status;
    for (scan_prefix(&s, in->state, &writers_table, &all); r == 0 && scan_next(&s);) {
        Writer *writer;
        char *name;
        res->writers++;
        r = scan_message(&s, &writer);
        if (r == 0)
            r = vault_key(in->vault, writer->id, in->key);
        if (r == 0)
            r = opened_text(in->arena, in->key, &letters_name, writer->name, &name);
        if (r == 0)
            res->readable++;
        r = r == -ENOENT ? 0 : r; /* erased */
    }
    int end = scan_end(&s);
    return r < 0 ? r : end;
}

enum { MAX_LETTERS = 1000 };

int letters_list_letters(const struct query_in *in, const ListLettersRequest *req,
                         ListLettersResponse *res, struct status *status)
{
    struct key prefix = KEY_INIT;
    struct scan s;
    int r = 0;

    (void)status; /* no letters are an answer */
    res->letters = arena_calloc(in->arena, MAX_LETTERS, sizeof(*res->letters));
    if (!res->letters)
        return -ENOMEM;
    for (scan_prefix(&s, in->state, &letters_table, key_text(&prefix, req->writer));
         r == 0 && res->n_letters < MAX_LETTERS && scan_next(&s);)
        r = scan_message(&s, &res->letters[res->n_letters++]);
    int end = scan_end(&s);
    return r < 0 ? r : end;
}

/* ---- what is held of a writer ---- */

static int export_letter(const struct query_in *in, const Letter *letter, struct person_export *to)
{
    const struct seal_place place = letters_text(letter->id);
    OpenedLetter opened = OPENED_LETTER_INIT;

    opened.id = letter->id;
    int r = opened_text(in->arena, in->key, &place, letter->text, &opened.text);
    return r < 0 ? r : export_add(to, "letter", &opened.base);
}

int letters_export_person(const struct query_in *in, const char *person, struct person_export *to)
{
    GetWriterResponse shown = GET_WRITER_RESPONSE_INIT;
    struct key prefix = KEY_INIT;
    struct scan s;
    Writer *writer;

    int r = writer_find(in->state, person, &writer);
    if (r == 0)
        r = vault_key(in->vault, person, in->key);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = opened_text(in->arena, in->key, &letters_address, writer->address, &shown.address);
    if (r == 0)
        r = opened_text(in->arena, in->key, &letters_name, writer->name, &shown.name);
    if (r == 0)
        r = export_add(to, "writer", &shown.base);
    for (scan_prefix(&s, in->state, &letters_table, key_text(&prefix, person));
         r == 0 && scan_next(&s);) {
        Letter *letter;
        r = scan_message(&s, &letter);
        if (r == 0)
            r = export_letter(in, letter, to);
    }
    int end = scan_end(&s);
    return r < 0 ? r : end;
}
