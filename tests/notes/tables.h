/* tables.h - the toy's tables and the service itself.
 *
 *   notes    (slug)            -> Note
 *   signers  (slug, signer)    -> nothing
 */
#pragma once
#include "common/service.h"
#include "fokus/notes/v1/notes.fokus.h"

extern const struct table notes_table, signers_table;
extern const struct service_def notes_service;

/* 0, -ENOENT or a failure. */
int note_find(const struct rd *rd, const char *slug, Note **ret) must_check;
bool note_is_signed(const struct rd *rd, const char *slug, const char *signer);

int notes_apply(struct wr *wr, const struct fact *fact, const void *event);
