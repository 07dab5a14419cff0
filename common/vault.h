/* vault.h - a service's vault: the keys that make its personal data readable, in a file of fixed slots beside the store
 * (architecture, section 5). One slot a person: her id, her data key, keyed hashes of what she is found by.
 *
 * A person exists in a service while her slot does. Erasing it makes every copy of what was sealed for her unreadable at once: in
 * log, tables, replicas, backups. (Not in LMDB: a key overwritten, committed and deleted there is still found in the file.)
 *
 * Order, for the writer thread. A slot is durable before the event that needs it, and goes after the event that ends it:
 *
 *     decide: vault_add(), vault_add_lookup(), sealing   ->  vault_sync()  ->  commit  ->  vault_settle(committed)
 *     an event that erases or takes a look-up away       ->  commit        ->  vault_erase(), vault_remove_lookup()
 *
 * A crash between leaves a slot that no event knows, or one that an event ended: at the next start vault_sweep() asks the caller
 * who exists and erases the others. A look-up is a hint for the same reason: whoever finds a person by it opens her sealed value
 * and compares. An outcome nobody knows yet is settled when it is known.
 *
 * Slots are sealed whole under a key derived from the master key and the service's name: who has the file alone learns how many
 * persons there are. Look-ups are BLAKE2b-128 (RFC 7693) under a key of this vault that no other has and no rotation changes.
 * The bytes are drawn in vault_file.h.
 *
 * Changes never overwrite what counts: a slot that changes is written anew elsewhere, made durable, then the old one is zeroed in
 * place and synced; the header has a copy. What a disk must promise is that a sector of 512 bytes, which no slot crosses, is
 * written whole or not at all. (A file system that copies on write, or a disk's own remapping, keeps old bytes for a while: they
 * are sealed, and rotating the master key makes them worthless.)
 *
 * Found at opening, and refused with the file untouched: another program's file, a cut or lengthened one, damaged slots (all are
 * counted, the first is named), slots moved or brought from another vault, another service's, one under another master key.
 * An older copy in its place, as far as can be: each change raises the vault's generation; the caller writes vault_generation()
 * with its own events and gives the last to vault_open(), which refuses a vault that is behind. A copy made since the last
 * recorded change is not told from the present one; a single slot brought back from an older copy is found by vault_sweep(), and
 * one zeroed by vault_key() of those who should be there.
 *
 * Threads: the writer thread does what changes the vault. Any thread may call vault_key(), vault_find(),
 * vault_hash(), vault_derive(), vault_generation(), vault_stats(); none waits for a sync. Once a write or sync failed, nothing more is changed until the
 * vault is opened anew (-EIO; disk.h says why); reading goes on.
 *
 * In memory: two indexes of 8 bytes an entry, of fingerprints; no key, id or hash. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/id.h"
#include "common/master.h"
#include "common/seal.h"
#include "common/status.h"

enum {
    VAULT_LOOKUPS = 8, /* a person has at most */
    VAULT_HASH_BYTES = 16,
    VAULT_SECRET_BYTES = 32,
};

struct vault;

struct vault_config {
    const char *path;    /* master_vault_path(); made (0600) when missing, with its folder */
    const char *service; /* its short name */
    const struct master *master;
    uint64_t
        recorded; /* the generation last recorded by the caller; 0: none, the vault may be new */
    bool
        leave_damaged; /* opens in spite of damaged slots: their persons are missing, the slots are left as they are */
};

/* Opens. -EBUSY: another process has it; -ENOENT: it is missing but should not be; -EKEYREJECTED: another master key's;
 * -EBADMSG: damaged; -ESTALE: an older copy; else as `err` says. The store is opened first: it keeps others out. */
int vault_open(struct vault **ret, const struct vault_config *config, struct err *err) must_check;
/* Wipes the keys. What was not synced may be lost; a rotation under way is dropped. NULL is fine. */
void vault_close(struct vault *v);

/* ---- reading: any thread ---- */

/* Gets the person's data key. -ENOENT: there is no such person (any more); -EINVAL: not a UUID in lower case; -EIO, -EBADMSG: her slot
 * cannot be read. On failure the key is empty. */
int vault_key(struct vault *v, const char *person, struct seal_key *ret) must_check;
/* The person who is found by this value, as her data key (seal_key_person() says who). A hint: compare. Same results. */
int vault_find(struct vault *v, uint8_t kind, struct slice value, struct seal_key *ret) must_check;
/* The keyed hash itself: of kind (1-255, the caller's numbering) and value (already brought to one form, such as
 * lower case). For what must outlive the person: a suppression. */
void vault_hash(struct vault *v, uint8_t kind, struct slice value, uint8_t ret[VAULT_HASH_BYTES]);
/* What vault_add_secret() keeps there. `key` is for reading, and empty afterwards. -ENOENT as vault_key(). */
int vault_secret(struct vault *v, const char *id, struct seal_key *key,
                 uint8_t ret[VAULT_SECRET_BYTES]) must_check;
/* A key of the caller's own, the same for ever in this vault, by its purpose: "pseudonym". -EINVAL: longer than 64 characters. */
int vault_derive(struct vault *v, const char *purpose, uint8_t ret[32]) must_check;

/* 1 for a new vault, raised by each change. Record it with the events of a commit that changed the vault. */
uint64_t vault_generation(struct vault *v);

struct vault_stats {
    uint64_t persons, slots, damaged;
    uint64_t generation;
    uint32_t rotated;                   /* slots taken over so far; 0 without a rotation */
    uint8_t master_id[MASTER_ID_BYTES]; /* of the key it lies under */
    bool
        header_damaged; /* one of its two copies was, at opening; the other is good, the next change mends it */
    bool broken; /* a write failed: no changes until it is opened anew */
};
void vault_stats(struct vault *v, struct vault_stats *ret);

/* ---- changing: the writer thread ---- */

struct vault_lookup {
    uint8_t kind;
    struct slice value;
};

/* A new person with a fresh data key. -EEXIST: the id, or a look-up's value, is somebody's; -E2BIG: more than VAULT_LOOKUPS;
 * -EINVAL. Durable after vault_sync(). */
int vault_add(struct vault *v, const char *person, const struct vault_lookup *lookups, size_t n,
              struct err *err) must_check;
/* A slot that keeps a secret of the caller's in a data key's place, where it outlives neither its erasure nor is in any backup. Nothing is to
 * be sealed under it. Same results. */
int vault_add_secret(struct vault *v, const char *id, const uint8_t secret[VAULT_SECRET_BYTES],
                     struct err *err) must_check;
/* One more value to find her by. 0 if she has it already; else as vault_add(). Durable after vault_sync(). */
int vault_add_lookup(struct vault *v, const char *person, uint8_t kind, struct slice value,
                     struct err *err) must_check;
/* Makes durable what was added. Costs nothing when nothing was. */
int vault_sync(struct vault *v, struct err *err) must_check;
/* The commit came off, or did not: then what was added since the last vault_settle() is taken back. */
int vault_settle(struct vault *v, bool committed, struct err *err) must_check;
/* How much was added since the last vault_settle(); and takes back what was added after that mark: by a decision that came to
 * nothing while others of its commit go on. */
size_t vault_unsettled(const struct vault *v);
int vault_take_back(struct vault *v, size_t mark, struct err *err) must_check;

/* Takes a value away. Durable when it returns; 0 also if she does not have it or is not there. */
int vault_remove_lookup(struct vault *v, const char *person, uint8_t kind, struct slice value,
                        struct err *err) must_check;
/* Erases persons: zeroes their slots in place and syncs, once for all of them. Those that are not there are skipped. A
 * seal_key that another thread already holds works until it is wiped. */
int vault_erase(struct vault *v, const char *const *persons, size_t n, struct err *err) must_check;
/* Erases everybody of whom `exists` says false; how many goes to *ret_erased. Reads every slot (about 1 µs each): at each start,
 * before anything is added, and after a restore. -EBUSY: something is not settled. */
int vault_sweep(struct vault *v, bool (*exists)(void *arg, const char *person), void *arg,
                uint64_t *ret_erased, struct err *err) must_check;

/* Takes the vault over to the master's next key, at most `slots` slots a call, so that the writer can do other work between;
 * *ret_done when it lies wholly under it. Until then the file stands as it was: the new one grows beside it ("PATH.next")
 * and takes its place in one step. After a failure (such as a full disk) nothing is changed, and it begins anew. -EBADMSG: a
 * damaged slot would be lost. */
int vault_rotate(struct vault *v, const struct master *master, uint32_t slots, bool *ret_done,
                 struct err *err) must_check;
