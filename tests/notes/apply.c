/* apply.c - what each event of the toy does to its tables. */
#include <errno.h>
#include <string.h>

#include "tests/notes/tables.h"

static int add(struct wr *wr, const struct fact *fact, const NoteAdded *e)
{
    Note note = NOTE_INIT;
    struct key k = KEY_INIT;

    if (strcmp(e->title, "apply-fails") == 0)
        return -EINVAL;
    note.slug = e->slug;
    note.title = e->title;
    note.text = e->text;
    note.level = e->level;
    note.changed_ms = fact->time_ms;
    wr_put(wr, &notes_table, key_text(&k, e->slug), &note);
    return wr_status(wr);
}

/* An event about a note that is not there changes nothing. */
static int change(struct wr *wr, const struct fact *fact, const char *slug, char *text,
                  unsigned signatures)
{
    Note *note;
    struct key k = KEY_INIT;

    int r = note_find(wr_rd(wr), slug, &note);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (text)
        note->text = text;
    note->signatures += signatures;
    note->changed_ms = fact->time_ms;
    wr_put(wr, &notes_table, key_text(&k, slug), note);
    return wr_status(wr);
}

static int sign(struct wr *wr, const struct fact *fact, const NoteSigned *e)
{
    struct key k = KEY_INIT;

    wr_put_bytes(wr, &signers_table, key_text(key_text(&k, e->slug), e->signer), NULL, 0);
    return change(wr, fact, e->slug, NULL, 1);
}

/* One signer of the note, as the key of its row. False: none left. */
static bool first_signer(struct wr *wr, const struct key *prefix, struct key *ret, int *ret_status)
{
    struct scan s;

    scan_prefix(&s, wr_rd(wr), &signers_table, prefix);
    bool found = scan_next(&s);
    if (found) {
        *ret = KEY_INIT;
        memcpy(ret->bytes, s.key.data, s.key.len);
        ret->len = (uint16_t)s.key.len;
    }
    *ret_status = scan_end(&s);
    return found && *ret_status == 0;
}

static int remove_note(struct wr *wr, const NoteRemoved *e)
{
    struct key k = KEY_INIT, row;
    int r = 0;

    key_text(&k, e->slug);
    wr_delete(wr, &notes_table, &k);
    while (wr_status(wr) == 0 && first_signer(wr, &k, &row, &r))
        wr_delete(wr, &signers_table, &row);
    return r < 0 ? r : wr_status(wr);
}

int notes_apply(struct wr *wr, const struct fact *fact, const void *event)
{
    const NotesEvent *e = event;

    switch (e->event_case) {
    case NOTES_EVENT_NOTE_ADDED:
        return add(wr, fact, e->note_added);
    case NOTES_EVENT_NOTE_REVISED:
        return change(wr, fact, e->note_revised->slug, e->note_revised->text, 0);
    case NOTES_EVENT_NOTE_SIGNED:
        return sign(wr, fact, e->note_signed);
    case NOTES_EVENT_NOTE_REMOVED:
        return remove_note(wr, e->note_removed);
    case NOTES_EVENT_NOT_SET:
    case NOTES_EVENT_SENTINEL:
        break;
    }
    return -EBADMSG;
}
