/* vault_index.c - linear probing with backward-shift deletion (Knuth, The Art of Computer Programming, volume 3, 6.4, algorithms L
 * and R). */
#include "common/vault_index.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_ENTRIES = 1024 };

static size_t home(const struct vault_index *ix, uint64_t entry)
{
    return (size_t)(entry >> 32) & ix->mask;
}

static void put_entry(struct vault_index *ix, uint64_t entry)
{
    size_t i = home(ix, entry);

    while (ix->entries[i])
        i = (i + 1) & ix->mask;
    ix->entries[i] = entry;
    ix->n++;
}

int index_grow(const struct vault_index *ix, size_t more, struct vault_index *ret_grown)
{
    size_t room = ix->entries ? ix->mask + 1 : 0, wanted = room ? room : FIRST_ENTRIES;

    *ret_grown = (struct vault_index) { 0 };
    while (ix->n + more > wanted / 4 * 3)
        wanted *= 2;
    if (wanted == room)
        return 0;
    struct vault_index grown = { .entries = calloc(wanted, sizeof(uint64_t)), .mask = wanted - 1 };
    if (!grown.entries)
        return -ENOMEM;
    for (size_t i = 0; i < room; i++)
        if (ix->entries[i])
            put_entry(&grown, ix->entries[i]);
    *ret_grown = grown;
    return 0;
}

void index_free(struct vault_index *ix)
{
    free(ix->entries);
    *ix = (struct vault_index) { 0 };
}

void index_put(struct vault_index *ix, uint32_t fingerprint, uint32_t slot)
{
    put_entry(ix, (uint64_t)fingerprint << 32 | (slot + 1));
}

void index_drop(struct vault_index *ix, uint32_t fingerprint, uint32_t slot)
{
    uint64_t entry = (uint64_t)fingerprint << 32 | (slot + 1);

    if (!ix->entries)
        return;
    size_t hole = home(ix, entry);
    while (ix->entries[hole] != entry) {
        if (!ix->entries[hole])
            return;
        hole = (hole + 1) & ix->mask;
    }
    /* Those behind move up, unless that would put them before their home. */
    for (size_t i = (hole + 1) & ix->mask; ix->entries[i]; i = (i + 1) & ix->mask)
        if (((i - home(ix, ix->entries[i])) & ix->mask) >= ((i - hole) & ix->mask)) {
            ix->entries[hole] = ix->entries[i];
            hole = i;
        }
    ix->entries[hole] = 0;
    ix->n--;
}

bool index_next(const struct vault_index *ix, uint32_t fingerprint, size_t *at, uint32_t *ret_slot)
{
    if (!ix->entries)
        return false;
    for (size_t step = *at;; step++) {
        uint64_t entry = ix->entries[(fingerprint + step) & ix->mask];
        if (!entry)
            return false;
        if (entry >> 32 != fingerprint)
            continue;
        *at = step + 1;
        *ret_slot = (uint32_t)entry - 1;
        return true;
    }
}
