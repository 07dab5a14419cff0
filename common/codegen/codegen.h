/* codegen.h - the protoc plugin protoc-gen-fokus: turns a service's proto into typed handler prototypes, short names for
 * protobuf-c's long ones, the method table, the event table and the descriptors that Describe answers.
 *
 *     main.c     reads the request from protoc, writes the response
 *     model.c    finds the types of all files, and refuses what the runtime cannot carry
 *     options.c  reads our own options, which protobuf-c keeps as unknown fields
 *     names.c    how protobuf-c and we spell things in C
 *     header.c   writes x.fokus.h
 *     source.c   writes x.fokus.c
 *
 * A process of one breath: memory is given back by its end, and the first mistake found in a proto ends it with a
 * sentence that protoc shows. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "fokus/v1/options.pb-c.h"
#include "google/protobuf/compiler/plugin.pb-c.h"

typedef Google__Protobuf__FileDescriptorProto FileProto;
typedef Google__Protobuf__DescriptorProto MessageProto;
typedef Google__Protobuf__EnumDescriptorProto EnumProto;
typedef Google__Protobuf__FieldDescriptorProto FieldProto;
typedef Google__Protobuf__MethodDescriptorProto MethodProto;
typedef Google__Protobuf__ServiceDescriptorProto ServiceProto;
typedef Google__Protobuf__Compiler__CodeGeneratorRequest Request;

enum {
    MAX_GENERATED = 32 * 1024 * 1024, /* bytes of one generated file */
    MAX_ARM = 1000,                   /* event arms index a table */
};

/* ---- model.c ---- */

/* A message or an enum, nested or not. */
struct type {
    const char *full;  /* "fokus.notes.v1.Note.Part" */
    const char *alias; /* "NotePart"; the message named Event is "NotesEvent" */
    const FileProto *file;
    const MessageProto *message;  /* or */
    const EnumProto *enumeration; /* one of the two */
    bool nested;
    enum { UNSEEN, ENTERED, LEFT } walk; /* of the search for recursion */
};

struct model {
    const Request *request;
    struct type *types;
    size_t n_types;
};

/* Finds all types and refuses what the runtime cannot carry: proto3 optional, recursive messages, streaming,
 * more than one service a file, two names with one alias, an Event that is more than one oneof of messages. */
void model_build(struct model *m, const Request *request);
/* By name with or without the leading dot; NULL when there is none. */
struct type *model_type(const struct model *m, const char *full);
/* The package's message named Event, or NULL. */
const struct type *model_event(const struct model *m, const char *package);
const FileProto *model_file(const struct model *m, const char *name);
bool model_is_generated(const struct model *m, const FileProto *file);
/* Ends the plugin with a sentence for the person who wrote the proto. */
_Noreturn void refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- options.c ---- */

struct method_rules {
    bool command, long_running;
    int audience; /* fokus.v1.Audience; 0, nobody, when nothing is said */
    uint32_t roles;
    const char *scope_field; /* "" for none */
    bool origin;
};
struct method_rules method_rules(const FileProto *file, const ServiceProto *service,
                                 const MethodProto *method);
/* fokus.v1.Visibility of an arm of the Event oneof. */
int arm_visibility(const FieldProto *arm);

/* ---- names.c: all return new text ---- */

char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *zeroed(size_t count, size_t size);
char *lower_snake(const char *camel);    /* "AddNote" -> "add_note", as protobuf-c does it */
char *upper_snake(const char *camel);    /* "AddNote" -> "ADD_NOTE" */
char *pascal(const char *snake);         /* "note_added" -> "NoteAdded" */
char *upper(const char *s);              /* "note_added" -> "NOTE_ADDED" */
char *pb_type(const char *full);         /* "Fokus__Notes__V1__AddNoteRequest" */
char *pb_constant(const char *full);     /* "FOKUS__NOTES__V1__ADD_NOTE_REQUEST" */
char *pb_function(const char *full);     /* "fokus__notes__v1__add_note_request" */
char *package_word(const char *package); /* "fokus.notes.v1" -> "notes" */
char *file_base(const FileProto *file);  /* without ".proto" */

/* ---- header.c, source.c ---- */

void write_header(struct buf *b, const struct model *m, const FileProto *file);
/* Only for a file with a service. */
void write_source(struct buf *b, const struct model *m, const FileProto *file);
/* The C type of a method's request or response: the alias of our own, protobuf-c's name of others'. */
const char *type_name(const struct model *m, const FileProto *file, const char *full);
