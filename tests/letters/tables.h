/* tables.h - the toy's tables and the service itself.
 *
 *   writers  (id)                      -> Writer
 *   letters  (writer, id)              -> Letter
 *   outbox   (due ms, writer, letter)  -> nothing: letters that are not posted
 */
#pragma once
#include "common/sealed.h"
#include "common/service.h"
#include "fokus/letters/v1/letters.fokus.h"

enum { KIND_ADDRESS = 1 }; /* of look-ups */

extern const struct table writers_table, letters_table, outbox_table;
extern const struct effect letters_posting;
extern const struct service_def letters_service;

/* Where the sealed fields stand. */
extern const struct seal_place letters_address, letters_name;
struct seal_place letters_text(const char *letter);

/* 0, -ENOENT or a failure. */
int writer_find(const struct rd *rd, const char *id, Writer **ret) must_check;
int letter_find(const struct rd *rd, const char *writer, const char *id, Letter **ret) must_check;
struct key *letter_key(struct key *k, const char *writer, const char *letter);
/* The writer whom this address finds, compared with what is sealed for her; her key is in `key` then. 0, -ENOENT or a failure.
 * *ret_stale is somebody whom the vault gives for it although her address is another one, else NULL. */
int writer_with_address(const struct rd *rd, struct arena *arena, struct vault *vault,
                        struct seal_key *key, const char *address, Writer **ret,
                        const char **ret_stale) must_check;

int letters_export_person(const struct query_in *in, const char *person, struct person_export *to);
int letters_erase_person(const struct decide_in *in, const char *person, struct outcome *out);
int letters_apply(struct wr *wr, const struct fact *fact, const void *event);
