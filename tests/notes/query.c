/* query.c - the toy's queries. */
#include <errno.h>

#include "tests/notes/tables.h"

enum { DEFAULT_LIMIT = 100, MAX_SIGNERS = 1000 };

int notes_get_note(const struct query_in *in, const GetNoteRequest *req, GetNoteResponse *res,
                   struct status *status)
{
    int r = note_find(in->state, req->slug, &res->note);
    if (r == -ENOENT)
        return status_refuse(status, CODE_NOT_FOUND, "There is no note \"%s\".", req->slug);
    return r;
}

int notes_list_notes(const struct query_in *in, const ListNotesRequest *req, ListNotesResponse *res,
                     struct status *status)
{
    struct key prefix = KEY_INIT;
    struct scan s;
    size_t limit = req->limit ? req->limit : DEFAULT_LIMIT;
    int r = 0;

    (void)status; /* an empty list is an answer */
    res->notes = arena_calloc(in->arena, limit, sizeof(*res->notes));
    if (!res->notes)
        return -ENOMEM;
    key_text_prefix(&prefix, req->prefix);
    for (scan_prefix(&s, in->state, &notes_table, &prefix);
         r == 0 && res->n_notes < limit && scan_next(&s);)
        r = scan_message(&s, &res->notes[res->n_notes++]);
    int end = scan_end(&s);
    return r < 0 ? r : end;
}

int notes_count_notes(const struct query_in *in, const CountNotesRequest *req,
                      CountNotesResponse *res, struct status *status)
{
    struct key all = KEY_INIT;
    struct scan s;

    (void)req; /* has no fields */
    (void)status;
    for (scan_prefix(&s, in->state, &notes_table, &all); scan_next(&s);)
        res->notes++;
    return scan_end(&s);
}

int notes_list_signers(const struct query_in *in, const ListSignersRequest *req,
                       ListSignersResponse *res, struct status *status)
{
    struct key prefix = KEY_INIT;
    struct scan s;
    char slug[KEY_MAX], *signer;
    int r = 0;

    (void)status;
    res->signers = arena_calloc(in->arena, MAX_SIGNERS, sizeof(*res->signers));
    if (!res->signers)
        return -ENOMEM;
    for (scan_prefix(&s, in->state, &signers_table, key_text(&prefix, req->slug));
         r == 0 && res->n_signers < MAX_SIGNERS && scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        signer = arena_alloc(in->arena, KEY_MAX);
        if (!signer)
            r = -ENOMEM;
        else if (!key_read_text(&reader, slug, sizeof slug) ||
                 !key_read_text(&reader, signer, KEY_MAX))
            r = -EBADMSG;
        else
            res->signers[res->n_signers++] = signer;
    }
    int end = scan_end(&s);
    return r < 0 ? r : end;
}
