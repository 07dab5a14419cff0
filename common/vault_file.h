/* vault_file.h - the bytes of a vault (vault.h): its header and its slots, under one master key. Used by vault.c, and by master.c to see
 * which key a vault lies under. All numbers are little-endian.
 *
 *   0      header, 256 bytes      its copy at 4096      slots of 256 bytes from 8192 on
 *
 *   header   "FOKVAULT", u32 version (1), u32 bytes of a slot, vault id (16), id of the master key (16), service (40, zeros after),
 *            nonce (24), sealed: root (32), u64 generation, u32 slots; tag (16); BLAKE2b-128 of all that; zeros
 *   slot     zeros: free. Else nonce (24), sealed: u8 1, person (16), data key (32), u64 generation, 8 look-ups of u8 kind and
 *            hash (16), zeros; tag (16). Bound to the vault's id and the slot's number: a slot moved elsewhere is refused.
 *
 * Everything sealed lies under BLAKE2b(master key, "fokus vault 1" service), XChaCha20-Poly1305: without the master key a vault
 * tells nothing but how many persons it holds. The plain checksum tells damage from a wrong key.
 * The headers are written in turn, so that one always is whole; the one with the higher generation counts. */
#pragma once
#include <stdint.h>

#include "common/master.h"
#include "common/seal_internal.h"
#include "common/vault.h"

enum {
    VAULT_VERSION = 1,
    VAULT_ID_BYTES = 16,
    VAULT_ROOT_BYTES = 32,
    HEADER_BYTES = 256,
    HEADER_COPY_AT = 4096,
    SLOTS_AT = 8192,
};

/* What a vault's header says. Holds the root key: only in libsodium's memory. */
struct vault_header {
    uint8_t id[VAULT_ID_BYTES];
    uint8_t master_id[MASTER_ID_BYTES];
    char service[SERVICE_NAME_MAX + 1];
    uint8_t root[VAULT_ROOT_BYTES];
    uint64_t generation;
    uint32_t slots;
};

/* What a slot holds, byte for byte as it is sealed. Holds a data key: only in libsodium's memory. */
struct slot {
    uint8_t live; /* 1 */
    uint8_t person[PERSON_BYTES];
    uint8_t key[DATA_KEY_BYTES];
    uint8_t generation[8];
    struct hashed {
        uint8_t kind; /* 0: none */
        uint8_t hash[VAULT_HASH_BYTES];
    } lookups[VAULT_LOOKUPS];
    uint8_t zeros[SLOT_BYTES - SEAL_NONCE_BYTES - SEAL_TAG_BYTES - 57 - VAULT_LOOKUPS * 17];
};

/* A file under one master key. */
struct vault_file {
    int fd;
    uint8_t id[VAULT_ID_BYTES];
    const uint8_t *wrap; /* the key that slots and header lie under; in libsodium's memory */
};

/* Derives the key that a service's vault lies under. */
void vault_wrap_key(const struct master_key *master, const char *service,
                    uint8_t ret[MASTER_KEY_BYTES]);

/* Whether the bytes are a whole header of a version we know; if so, whose. Needs no key: id, master_id and service are filled. */
bool header_look(const uint8_t bytes[HEADER_BYTES], struct vault_header *ret);
/* Opens the rest of it. False: altered, or of another key. */
bool header_open(const uint8_t bytes[HEADER_BYTES], const uint8_t *wrap, struct vault_header *ret);
void header_close(const struct vault_header *h, const uint8_t *wrap, uint8_t ret[HEADER_BYTES]);

bool slot_is_free(const uint8_t bytes[SLOT_BYTES]);
/* False: damaged, or another slot's. */
bool slot_open(const struct vault_file *f, uint32_t number, const uint8_t bytes[SLOT_BYTES],
               struct slot *ret);
void slot_close(const struct vault_file *f, uint32_t number, const struct slot *s,
                uint8_t ret[SLOT_BYTES]);

uint64_t slot_generation(const struct slot *s);
void slot_set_generation(struct slot *s, uint64_t generation);

static inline uint64_t slot_at(uint32_t number)
{
    return SLOTS_AT + (uint64_t)number * SLOT_BYTES;
}
