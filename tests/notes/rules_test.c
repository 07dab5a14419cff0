/* rules_test.c - the toy's rules, told with given/when/then: these tests test that vocabulary. */
#include "common/given.h"

#include <string.h>

#include "fokus/runtime/v1/runtime.fokus.h"
#include "fokus/v1/options.pb-c.h"
#include "tests/notes/tables.h"

static const char slug[] = "a-note";

static NotesEvent *added(void)
{
    static NoteAdded body;
    static NotesEvent event;

    body = (NoteAdded)NOTE_ADDED_INIT;
    body.slug = (char *)slug;
    body.title = (char *)"Title";
    event = (NotesEvent)NOTES_EVENT_INIT;
    event.event_case = NOTES_EVENT_NOTE_ADDED;
    event.note_added = &body;
    return &event;
}

static ReviseNoteRequest *revise(const char *text)
{
    static ReviseNoteRequest req;

    req = (ReviseNoteRequest)REVISE_NOTE_REQUEST_INIT;
    req.slug = (char *)slug;
    req.text = (char *)text;
    return &req;
}

static SignNoteRequest *sign(void)
{
    static SignNoteRequest req;

    req = (SignNoteRequest)SIGN_NOTE_REQUEST_INIT;
    req.slug = (char *)slug;
    return &req;
}

static struct caller editor(void)
{
    return with_role("e", FOKUS__V1__ROLE__ROLE_EDITOR);
}

TEST(adding_a_note_says_so)
{
    AddNoteRequest req = ADD_NOTE_REQUEST_INIT;

    req.slug = (char *)slug;
    req.title = (char *)"Title";
    when(anonymous(), "fokus.notes.v1.NotesService/AddNote", &req);
    then_ok();
    const NotesEvent *e = then_event(0, "NoteAdded");
    assert_string_equal(e->note_added->title, "Title");
    const AddNoteResponse *res = then_response();
    assert_int_equal(res->note->changed_ms, given_now_ms());
}

TEST(a_note_is_added_once)
{
    AddNoteRequest req = ADD_NOTE_REQUEST_INIT;

    req.slug = (char *)slug;
    req.title = (char *)"Other";
    given(added(), slug);
    when(anonymous(), "AddNote", &req);
    then_refused(CODE_ALREADY_EXISTS);
    then_no_event();
}

TEST(a_note_needs_slug_and_title)
{
    AddNoteRequest req = ADD_NOTE_REQUEST_INIT;

    when(anonymous(), "AddNote", &req);
    then_refused(CODE_INVALID_ARGUMENT);
    then_violation("slug");
    then_violation("title");
}

TEST(revising_takes_an_editor)
{
    given(added(), slug);
    when(anonymous(), "ReviseNote", revise("text"));
    then_refused(CODE_PERMISSION_DENIED);
    when(editor(), "ReviseNote", revise("text"));
    then_event(0, "NoteRevised");
}

TEST(revising_to_the_same_text_changes_nothing)
{
    given(added(), slug);
    when(editor(), "ReviseNote", revise("text"));
    assert_int_equal(then_event_count(), 1);
    when(editor(), "ReviseNote", revise("text"));
    then_ok();
    then_no_event();
}

TEST(signing_takes_a_name_and_counts_once)
{
    given(added(), slug);
    when(anonymous(), "SignNote", sign());
    then_refused(CODE_UNAUTHENTICATED);
    when(with_role("p", FOKUS__V1__ROLE__ROLE_MEMBER), "SignNote", sign());
    then_event(0, "NoteSigned");
    when(with_role("p", FOKUS__V1__ROLE__ROLE_MEMBER), "SignNote", sign());
    then_no_event();
    const SignNoteResponse *res = then_response();
    assert_int_equal(res->signatures, 1);
}

TEST(only_a_signer_or_the_operator_removes)
{
    RemoveNoteRequest req = REMOVE_NOTE_REQUEST_INIT;

    req.slug = (char *)slug;
    given(added(), slug);
    when(with_role("p", FOKUS__V1__ROLE__ROLE_MEMBER), "SignNote", sign());
    when(with_role("q", FOKUS__V1__ROLE__ROLE_MEMBER), "RemoveNote", &req);
    then_refused(CODE_PERMISSION_DENIED);
    when(operator_caller(), "RemoveNote", &req);
    then_event(0, "NoteRemoved");
    when(operator_caller(), "RemoveNote", &req);
    then_refused(CODE_NOT_FOUND);
}

TEST(a_key_repeats_its_answer_for_a_day)
{
    given(added(), slug);
    when_with_key(editor(), "ReviseNote", revise("text"), "key");
    assert_int_equal(then_event_count(), 1);
    when_with_key(editor(), "ReviseNote", revise("other"), "key");
    then_violation("idempotency_key");
    given_time_passes(CORE_IDEMPOTENCY_MS);
    when_with_key(editor(), "ReviseNote", revise("other"), "key");
    then_event(0, "NoteRevised");
}

TEST(notes_are_listed_in_order_and_counted)
{
    ListNotesRequest all = LIST_NOTES_REQUEST_INIT;
    CountNotesRequest count = COUNT_NOTES_REQUEST_INIT;
    ListSignersRequest signers = LIST_SIGNERS_REQUEST_INIT;
    ListNotesResponse *notes;
    CountNotesResponse *counted;
    ListSignersResponse *listed;
    AddNoteRequest req = ADD_NOTE_REQUEST_INIT;

    req.slug = (char *)"0-before";
    req.title = (char *)"Title";
    given(added(), slug);
    when(anonymous(), "AddNote", &req);
    ask(anonymous(), "ListNotes", &all, &notes);
    assert_int_equal(notes->n_notes, 2);
    assert_string_equal(notes->notes[0]->slug, "0-before");
    all.prefix = (char *)"a-";
    ask(anonymous(), "ListNotes", &all, &notes);
    assert_int_equal(notes->n_notes, 1);
    ask(anonymous(), "CountNotes", &count, &counted);
    assert_int_equal(counted->notes, 2);
    when(with_role("p", FOKUS__V1__ROLE__ROLE_MEMBER), "SignNote", sign());
    signers.slug = (char *)slug;
    ask(editor(), "ListSigners", &signers, &listed);
    assert_int_equal(listed->n_signers, 1);
    assert_string_equal(listed->signers[0], "p");
}

TEST(asking_for_a_note_that_is_not_there_is_refused)
{
    GetNoteRequest req = GET_NOTE_REQUEST_INIT;
    GetNoteResponse *res;

    req.slug = (char *)slug;
    ask(anonymous(), "GetNote", &req, &res);
    then_refused(CODE_NOT_FOUND);
    assert_null(res);
}

/* A service without personal data has nothing to erase, and what it shows are events. */
TEST(of_a_person_there_are_her_events_and_nothing_is_erased)
{
    static char person[] = "01900000-0000-7000-8000-000000000001";
    ExportPersonRequest export = EXPORT_PERSON_REQUEST_INIT;
    ErasePersonRequest erase = ERASE_PERSON_REQUEST_INIT;
    const ExportPersonResponse *res;

    given(added(), slug);
    when(signed_in(person), "fokus.notes.v1.NotesService/SignNote", sign());
    then_ok();
    export.person = erase.person = person;
    ask(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/ExportPerson", &export, &res);
    assert_int_equal(res->n_items, 1);
    assert_non_null(strstr(res->items[0], "\"type\":\"NoteSigned\""));
    assert_non_null(strstr(res->items[0], "\"signer\":\"01900000-"));
    when(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/ErasePerson", &erase);
    assert_false(((const ErasePersonResponse *)then_response())->erased);
    then_no_event();
}

TESTS(&notes_service)
