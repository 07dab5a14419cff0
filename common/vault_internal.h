/* vault_internal.h - what the files of the vault share: vault.c (opening, reading), vault_change.c (changing), vault_rotate.c
 * (another master key). Nobody else includes it.
 *
 * The lock guards the two indexes and which file stands. Only the writer thread changes them, so it reads them without. */
#pragma once
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/vault_file.h"
#include "common/vault_index.h"

enum { GROW_SLOTS = 256 }; /* at least; a large file grows by an eighth */

struct numbers {
    uint32_t *all;
    size_t n, room;
};

/* Something added since the last vault_settle(). */
struct unsettled {
    uint8_t person[PERSON_BYTES];
    struct hashed lookup; /* kind 0: the person herself */
};

/* In libsodium's memory. All but the slots is fixed once the vault is open (the wrap keys change with a rotation, under the
 * lock), so that any thread may read it. */
struct vault_secrets {
    struct vault_header header;
    uint8_t wrap[2][MASTER_KEY_BYTES]; /* of the file and of the one that takes its place */
    uint8_t lookup_key[32];
    uint8_t index_key[16];   /* fresh each time: for the fingerprints of persons */
    struct slot slot, other; /* the writer thread's */
};

struct vault {
    char path[PATH_MAX];
    struct vault_file file;
    struct vault_secrets *secrets;
    pthread_rwlock_t lock;
    struct vault_index persons, lookups;
    _Atomic uint64_t generation;
    atomic_bool broken;
    bool header_damaged; /* at opening */

    /* the writer thread's */
    uint32_t n_slots;
    unsigned header_turn;   /* which copy of the header is written next */
    bool dirty;             /* something is written but not synced */
    struct numbers free;    /* has room for every slot */
    struct numbers stale;   /* written anew elsewhere: to be zeroed once that is durable */
    struct numbers damaged; /* left as they are */
    struct unsettled *unsettled;
    size_t n_unsettled, unsettled_room;

    struct vault_file next; /* fd -1 without a rotation */
    uint8_t next_master_id[MASTER_ID_BYTES];
    _Atomic uint32_t rotated; /* slots of it that are written */
};

/* Room for `more`. */
int numbers_reserve(struct numbers *list, size_t more) must_check;
void numbers_push(struct numbers *list, uint32_t number);

/* Reads and opens one slot. */
int vault_read_slot(const struct vault *v, uint32_t number, struct slot *ret) must_check;
/* The slot of a person, of whoever has a look-up. -ENOENT. */
int vault_slot_of(const struct vault *v, const uint8_t person[PERSON_BYTES], struct slot *ret,
                  uint32_t *ret_number) must_check;
int vault_slot_with(const struct vault *v, const struct hashed *lookup, struct slot *ret,
                    uint32_t *ret_number) must_check;
struct hashed *slot_lookup(struct slot *s, const struct hashed *lookup);

/* Puts a slot into the indexes, which have room, or takes it out; with the lock held, or before anybody reads. */
void vault_index_slot(struct vault *v, const struct slot *s, uint32_t number);
void vault_unindex_slot(struct vault *v, const struct slot *s, uint32_t number);

/* Writes a slot, zeros for NULL: into the file, and into the one that takes its place if it is that far. A failure breaks the vault. */
int vault_write_slot(struct vault *v, uint32_t number, const struct slot *s,
                     struct err *err) must_check;
/* Writes the header copy whose turn it is. */
int vault_write_header(struct vault *v, struct err *err) must_check;
int vault_sync_files(struct vault *v, struct err *err) must_check;
/* Says why, and that nothing is changed any more. */
int vault_break(struct vault *v, int r, const char *what, struct err *err);
int vault_refuse_broken(const struct vault *v, struct err *err) must_check;

/* vault_remove_lookup() of what is hashed already. */
int vault_take_lookup(struct vault *v, const uint8_t person[PERSON_BYTES],
                      const struct hashed *lookup, struct err *err) must_check;

/* Gives up a rotation under way. */
void vault_drop_rotation(struct vault *v);
/* A new file under `wrap`, with the headers, all slots free, synced, locked. */
int vault_make_file(const char *path, const struct vault_header *header, const uint8_t *wrap,
                    int *ret_fd) must_check;
