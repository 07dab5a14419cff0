/* reference.h - what the imports of reference data share: one loop for all kinds, and the checks of their columns. */
#pragma once
#include "services/directory/rules.h"

/* How one kind of reference data is imported: what names a row, how to check it, where it is stored and which event records it. */
struct reference {
    const struct table *table;
    const char *key_field;                                         /* the column that names a row */
    const char *(*identity)(struct arena *arena, const void *row); /* NULL past the arena's cap */
    /* NULL: the identity, as a text, is the key. Asked only for rows without a mistake. */
    void (*key)(const void *row, struct key *ret);
    void (*check)(const struct rd *rd, const void *row, struct complaints *c);
    /* Keeps what no column states; NULL: there is no such field. */
    void (*keep)(void *row, const void *old);
    /* Whether the row takes its entry out; NULL: no row of this kind does. */
    bool (*withdraws)(const void *row);
    int (*emit)(struct outcome *out, const char *subject, const void *row);
};

/* Checks all rows and emits what they come to, or nothing when a row is wrong or the run is a dry one. */
int import_rows(const struct decide_in *in, const struct reference *kind, void **rows, size_t n,
                bool dry_run, struct import *import, struct outcome *out) must_check;

/* ---- columns: each complains about what is wrong ---- */

void need_codes(struct complaints *c, const char *field, char *const *codes, size_t n,
                size_t digits);
void need_known(const struct rd *rd, struct complaints *c, const char *field, const struct table *t,
                const char *what, const char *key);
