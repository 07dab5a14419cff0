/* process_testing.h - the toy as a child process, and its notes. */
#pragma once
#define TOY "notes"
#include "tests/process_testing.h"

#include "fokus/notes/v1/notes.fokus.h"

#define NOTES "fokus.notes.v1.NotesService/"

static inline const AddNoteRequest *note(const struct process *p, const char *slug)
{
    AddNoteRequest *request = arena_alloc(p->arena, sizeof(*request));
    assert_non_null(request);
    *request = (AddNoteRequest)ADD_NOTE_REQUEST_INIT;
    request->slug = arena_strdup(p->arena, slug);
    request->title = "A title";
    return request;
}

static inline bool note_exists(struct process *p, const char *slug)
{
    GetNoteRequest get = GET_NOTE_REQUEST_INIT;
    get.slug = (char *)slug;
    return call(p, p->call, NOTES "GetNote", &get).header->status == CODE_OK;
}
