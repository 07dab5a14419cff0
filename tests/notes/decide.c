/* decide.c - the toy's commands. */
#include <errno.h>
#include <string.h>

#include "tests/notes/tables.h"

/* The note, or a refusal. 0 with *ret NULL: refused. */
static int find_or_refuse(const struct decide_in *in, const char *slug, Note **ret,
                          struct outcome *out)
{
    int r = note_find(in->state, slug, ret);
    if (r != -ENOENT)
        return r;
    *ret = NULL;
    return outcome_refuse(out, CODE_NOT_FOUND, "There is no note \"%s\".", slug);
}

int notes_add_note(const struct decide_in *in, const AddNoteRequest *req, AddNoteResponse *res,
                   struct outcome *out)
{
    NoteAdded *added = arena_alloc(in->arena, sizeof *added);
    Note *note = arena_alloc(in->arena, sizeof *note), *old;

    if (!added || !note)
        return -ENOMEM;
    if (strcmp(req->title, "decide-fails") == 0)
        return -EIO;
    int r = note_find(in->state, req->slug, &old);
    if (r == 0)
        return outcome_refuse(out, CODE_ALREADY_EXISTS, "There is a note \"%s\" already.",
                              req->slug);
    if (r != -ENOENT)
        return r;
    *added = (NoteAdded)NOTE_ADDED_INIT;
    added->slug = req->slug;
    added->title = req->title;
    added->text = req->text;
    added->level = req->level;
    *note = (Note)NOTE_INIT;
    note->slug = req->slug;
    note->title = req->title;
    note->text = req->text;
    note->level = req->level;
    note->changed_ms = in->now_ms;
    res->note = note;
    return emit_note_added(out, req->slug, added);
}

int notes_add_many_notes(const struct decide_in *in, const AddManyNotesRequest *req,
                         AddManyNotesResponse *res, struct outcome *out)
{
    char *text = arena_alloc(in->arena, req->text_len + 1u);

    if (!text)
        return -ENOMEM;
    memset(text, 'x', req->text_len);
    text[req->text_len] = '\0';
    for (uint32_t i = 1; i <= req->count; i++) {
        NoteAdded *added = arena_alloc(in->arena, sizeof *added);
        if (!added)
            return -ENOMEM;
        *added = (NoteAdded)NOTE_ADDED_INIT;
        added->slug = arena_printf(in->arena, "%s-%u", req->prefix, i);
        added->title = "one of many";
        added->text = text;
        int r = added->slug ? emit_note_added(out, added->slug, added) : -ENOMEM;
        if (r < 0)
            return r;
    }
    res->added = req->count;
    return 0;
}

int notes_revise_note(const struct decide_in *in, const ReviseNoteRequest *req,
                      ReviseNoteResponse *res, struct outcome *out)
{
    NoteRevised *revised = arena_alloc(in->arena, sizeof *revised);
    Note *note;

    int r = revised ? find_or_refuse(in, req->slug, &note, out) : -ENOMEM;
    if (r < 0 || !note)
        return r;
    res->note = note;
    if (strcmp(note->text, req->text) == 0)
        return 0;
    note->text = req->text;
    note->changed_ms = in->now_ms;
    *revised = (NoteRevised)NOTE_REVISED_INIT;
    revised->slug = req->slug;
    revised->text = req->text;
    return emit_note_revised(out, req->slug, revised);
}

int notes_sign_note(const struct decide_in *in, const SignNoteRequest *req, SignNoteResponse *res,
                    struct outcome *out)
{
    NoteSigned *signature = arena_alloc(in->arena, sizeof *signature);
    char *signer = arena_strdup(in->arena, in->caller.id);
    Note *note;

    int r = signature && signer ? find_or_refuse(in, req->slug, &note, out) : -ENOMEM;
    if (r < 0 || !note)
        return r;
    res->signatures = note->signatures;
    if (note_is_signed(in->state, req->slug, signer))
        return 0;
    res->signatures++;
    *signature = (NoteSigned)NOTE_SIGNED_INIT;
    signature->slug = req->slug;
    signature->signer = signer;
    return emit_note_signed(out, req->slug, signature);
}

int notes_remove_note(const struct decide_in *in, const RemoveNoteRequest *req,
                      RemoveNoteResponse *res, struct outcome *out)
{
    NoteRemoved *removed = arena_alloc(in->arena, sizeof *removed);
    Note *note;

    (void)res; /* has no fields */
    int r = removed ? find_or_refuse(in, req->slug, &note, out) : -ENOMEM;
    if (r < 0 || !note)
        return r;
    if (!in->caller.operator_socket && !note_is_signed(in->state, req->slug, in->caller.id))
        return outcome_refuse(out, CODE_PERMISSION_DENIED, "Only who signed a note may remove it.");
    *removed = (NoteRemoved)NOTE_REMOVED_INIT;
    removed->slug = req->slug;
    return emit_note_removed(out, req->slug, removed);
}

/* Never reached: its method has no access rule. */
int notes_forget_rule(const struct decide_in *in, const ForgetRuleRequest *req,
                      ForgetRuleResponse *res, struct outcome *out)
{
    (void)in;
    (void)req;
    (void)res;
    (void)out;
    return -EPERM;
}
