/* vault_index.h - finds a slot by the fingerprint of a person or look-up: open addressing, 8 bytes an entry, at most 3/4 full.
 *
 * Fingerprints are 32 bits of a keyed hash, so that nobody outside can choose which collide. Two may be equal: whoever looks up
 * opens the slot and compares. An entry's place follows from its fingerprint, so deleting and growing need no slots read.
 * One thread changes; others read under the caller's lock. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

struct vault_index {
    uint64_t *entries; /* fingerprint << 32 | slot + 1; 0: empty */
    size_t mask, n;
};

/* Makes room for `more` entries. If it must grow, the new table goes to `ret_grown` instead, complete, for the caller to swap in
 * under its lock (else entries is NULL there). -ENOMEM. */
int index_grow(const struct vault_index *ix, size_t more, struct vault_index *ret_grown) must_check;
void index_free(struct vault_index *ix);
/* There is room. */
void index_put(struct vault_index *ix, uint32_t fingerprint, uint32_t slot);
/* The entry is there, or nothing is done. */
void index_drop(struct vault_index *ix, uint32_t fingerprint, uint32_t slot);
/* Walks the slots with this fingerprint. Start with *at = 0; false at the end. */
bool index_next(const struct vault_index *ix, uint32_t fingerprint, size_t *at, uint32_t *ret_slot);
