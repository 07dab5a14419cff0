/* newer.h - what a store holds that a backup of it does not, found before the one takes the other's place. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum newer_state {
    NEWER_NOTHING,    /* there is no store, or all of it is in the backup */
    NEWER_THERE,      /* as the numbers say */
    NEWER_VAULT_ONLY, /* there is no store, but a vault */
    NEWER_UNKNOWN,    /* the store cannot be read */
};

struct newer {
    enum newer_state state;
    uint64_t records, events; /* in the store and not in the backup */
    int64_t since_ms;         /* when the first of them was made */
    bool
        persons_unknown; /* there is a vault, and the backup does not name the table that tells of persons */
    uint64_t persons; /* likewise */
    uint64_t erased;  /* persons in the backup and not in the store */
};

/* Compares the store in the folder `store` with the copy of a backup in `copy`; nobody may have either open. `persons` is the table that
 * tells of persons, "" for none; `vault` is where their keys are. Done in a process of its own, so that a damaged store takes
 * nothing with it. */
void newer_find(const char *store, const char *copy, const char *persons, const char *vault,
                struct newer *ret);
