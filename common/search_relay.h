/* search_relay.h - takes the search's share of a replay off the thread that replays: a second thread writes it, into a store that
 * holds the search's tables only.
 *
 * That is possible because apply() never reads those tables, and because they are a function of the sequence of puts and deletes,
 * not of where transactions end. It is as much work as all other tables together, so verify takes half the time. */
#pragma once
#include "common/macros.h"
#include "common/search.h"
#include "common/store.h"

struct search_relay;

/* Whether these are among a service's tables. */
bool search_has_tables(const struct table *const *tables);
bool search_is_table(const struct table *t);

/* Opens a store as `config` says, but with the search's tables, and starts the thread. */
int search_relay_new(struct search_relay **ret, const struct store_config *config,
                     struct err *err) must_check;
/* From here to the transaction's end all that apply() makes findable goes to the other thread. `again`: this one repeats what the
 * one before did, which was not committed; so what that one passed on already is not passed on twice. */
void search_relay_attach(struct search_relay *relay, struct wr *wr, bool again);
/* Waits until everything is written. Then the store may be read. */
int search_relay_finish(struct search_relay *relay, struct err *err) must_check;
struct store *search_relay_store(struct search_relay *relay);
/* Also before it has finished; NULL is allowed. */
void search_relay_free(struct search_relay *relay);

/* For search_index.c: the relay that the transaction is attached to, or NULL; and what goes over it. */
struct search_relay *search_relay_of(const struct wr *wr);
void search_relay_put(struct search_relay *relay, struct wr *wr, const struct search_document *d);
void search_relay_delete(struct search_relay *relay, struct wr *wr, struct slice key);
void search_relay_synonym(struct search_relay *relay, struct wr *wr, const char *words,
                          const char *const *expansions, size_t n_expansions);
