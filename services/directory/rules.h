/* rules.h - what decisions share: where mistakes are told, what an organisation must look like, and what changed. */
#pragma once
#include "services/directory/tables.h"

enum { IMPORT_MAX_REPORTS = 1000, MAX_PARENTS = 32 };

/* An import under way: what is wrong with its rows, and what it comes to. */
struct import {
    struct arena *arena;
    RowReport **reports;
    size_t n_reports;
    uint32_t dropped; /* reports past IMPORT_MAX_REPORTS */
    uint32_t registered, revised, unchanged;
    bool out_of_memory;
};

/* Fills the response of any import: all have the same fields. With a mistake anywhere nothing counts as done. */
#define IMPORT_ANSWER(res, import)                                                                 \
    do {                                                                                           \
        (res)->accepted = (import)->n_reports == 0;                                                \
        (res)->reports = (import)->reports;                                                        \
        (res)->n_reports = (import)->n_reports;                                                    \
        (res)->reports_dropped = (import)->dropped;                                                \
        (res)->registered = (res)->accepted ? (import)->registered : 0;                            \
        (res)->revised = (res)->accepted ? (import)->revised : 0;                                  \
        (res)->unchanged = (res)->accepted ? (import)->unchanged : 0;                              \
    } while (0)

/* Where mistakes are told: as violations of a call, or as reports of an import's row. */
struct complaints {
    struct status *status;
    const char *prefix; /* before the field's name: "organisation." */
    struct import *import;
    uint32_t row; /* from 1 */
    size_t count;
};
void complain(struct complaints *c, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- fields: each complains about what is wrong. Rows of an import have no formats in the proto, so that they are reported by row; they
 * are of the same formats as everywhere. ---- */

#define FORMAT(name) FOKUS__V1__STRING_FORMAT__STRING_FORMAT_##name /* for need_format() */

void need_format(struct complaints *c, const char *field, int format, const char *text,
                 size_t max_chars);
void need_line(struct complaints *c, const char *field, const char *text, size_t max_chars);
/* The same, but it may be empty. */
void allow_line(struct complaints *c, const char *field, const char *text, size_t max_chars);
void allow_website(struct complaints *c, const char *text);
void need_slug(struct complaints *c, const char *field, const char *slug);

/* The other rows of an import, which a row may point to: ordered by slug. */
struct batch_row {
    const OrganisationRow *row;
    uint32_t number; /* from 1 */
};
struct batch {
    const struct batch_row *rows;
    size_t n_rows;
};
/* The first row with this slug, or NULL. */
const struct batch_row *batch_find(const struct batch *b, const char *slug);

/* Complains about everything that is wrong with the organisation, including what it points to. `batch` may be NULL. */
int check_organisation(const struct rd *rd, const struct batch *batch, const Organisation *o,
                       struct complaints *c) must_check;

/* Whether the organisation is `above`, or stands above that one by parents and merges. */
int stands_above(const struct rd *rd, const char *slug, const char *above, bool *ret) must_check;

/* A copy whose fields may be changed; texts and lists are shared. NULL past the arena's cap. */
Organisation *organisation_copy(struct arena *arena, const Organisation *o) must_check;
/* What a person may write of `o`, with the fields that the directory itself sets as they are for a new organisation. */
void organisation_clear_own_fields(Organisation *o);
/* Copies the fields in the mask. Complains about those that are unknown or not for editing. */
void organisation_take(Organisation *to, const Organisation *from,
                       const Google__Protobuf__FieldMask *mask, struct complaints *c);

/* Names of the fields that differ, without "revision". 0 or -ENOMEM. */
int changed_fields(struct arena *arena, const void *a, const void *b, char ***ret,
                   size_t *ret_count) must_check;

/* YYYY-MM-DD in UTC. */
enum { DATE_CHARS = 10 };
int date_of(struct arena *arena, int64_t time_ms, char **ret) must_check;
