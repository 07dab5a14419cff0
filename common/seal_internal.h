/* seal_internal.h - what seal.c, master.c and the vault share. Nobody else includes it. */
#pragma once
#include <stdint.h>

#include "common/name.h"
#include "common/seal.h"

enum { PERSON_BYTES = 16, DATA_KEY_BYTES = 32, SLOT_BYTES = 256 };

/* Lives in libsodium's memory only. */
struct seal_key {
    char person[ID_CHARS + 1]; /* "" for an empty key */
    char service[SERVICE_NAME_MAX + 1];
    uint8_t person_bytes[PERSON_BYTES];
    uint8_t key[DATA_KEY_BYTES];
    uint8_t slot[SLOT_BYTES]; /* the vault opens a slot here, so that no key ever lies on a stack */
};

/* libsodium is ready, with its fastest code for this processor. Negative errno when it has no source of randomness. */
int seal_ready(void) must_check;
/* A nonce that nobody used: 24 random bytes. They come from a pool, one system call for many. */
void seal_nonce(uint8_t ret[SEAL_NONCE_BYTES]);
