/* keys.h - API keys, wherever they are looked at. */
#pragma once
#include "services/accounts/seals.h"

enum { KEYS_MAX = 20 }; /* of a person */

struct key_at {
    struct slice token_hash;
    KeyRow *row;
};
int key_find(const struct rd *rd, struct slice token_hash, KeyRow **ret) must_check;
/* A person's keys, oldest first, also those that ran out and are not swept away yet. */
int keys_of(const struct rd *rd, const char *person, struct key_at **ret, size_t *ret_n) must_check;
/* Ends keys that ran out, at most so many. */
int keys_sweep(const struct decide_in *in, struct outcome *out, size_t most) must_check;
