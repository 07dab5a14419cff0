/* seal.h - personal data as it may stand in log and tables: sealed under a key of the person it is about.
 *
 * A sealed value is opened only with that person's key, in the service that sealed it, as the field of the record it was
 * sealed for: put anywhere else it is refused, as is one that was altered. Erasing the person's key (vault.h) makes every
 * copy of it unreadable. `decide` seals, `query` opens, `apply` never does either.
 *
 *   XChaCha20-Poly1305 (libsodium; ChaCha20-Poly1305 of RFC 8439 with the 192-bit nonce of draft-irtf-cfrg-xchacha-03)
 *
 *   u8 version (1)   nonce (24, random)   ciphertext and tag of: the value, 0x80, zeros
 *
 * What it is bound to (associated data): version, service, person, field, record.
 * Lengths tell little: a value is padded (ISO/IEC 7816-4) to a multiple of 64 bytes up to 1 KiB, above that to a length of
 * Padmé's (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS 2019): a
 * longer one differs in the upper bits only, at most 12 % are added. So names, addresses and numbers all look alike.
 *
 * Key memory is libsodium's: locked out of swap, left out of core dumps, between guard pages, wiped. A thread that seals or
 * opens makes one key at its start and fills it from the vault for each person. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/id.h"

enum {
    SEAL_PAD_BYTES = 64,
    SEAL_NONCE_BYTES = 24,
    SEAL_TAG_BYTES = 16,
    SEAL_HASH_BYTES = 32,
    SEAL_ADDED_BYTES = 1 + SEAL_NONCE_BYTES + SEAL_TAG_BYTES, /* besides the padded value */
    SEAL_MIN_BYTES = SEAL_ADDED_BYTES + SEAL_PAD_BYTES,       /* the shortest sealed value */
    SEAL_MAX_BYTES = 16 * 1024 * 1024,                        /* of a value to seal */
    SEAL_MAX_NAME = 200,                                      /* characters of a field, a record */
};

/* A person's data key, with the person and service it is for. Belongs to one thread. */
struct seal_key;

/* An empty key, or NULL without memory. */
struct seal_key *seal_key_new(void) must_check;
/* Wipes and gives back. NULL is fine. */
void seal_key_free(struct seal_key *k);
/* Makes it an empty key again, with which nothing can be sealed or opened. */
void seal_key_wipe(struct seal_key *k);
/* Whose it is: a UUID in text, "" for an empty key. */
const char *seal_key_person(const struct seal_key *k);

/* Where a value stands. Both names are the caller's, fixed once used: "email" or "ContactGiven.phone"; the record's id where
 * a person has several, so that an older value of hers cannot take a newer one's place; "" where there is but one. */
struct seal_place {
    const char *field, *record;
};

/* A keyed hash of the value (BLAKE2b-256) under a key derived from hers for this: tells equal values as long as she is not erased.
 * -ENOKEY; -EINVAL: no purpose, or one longer than SEAL_MAX_NAME. */
int seal_hash(const struct seal_key *k, const char *purpose, struct slice value,
              uint8_t ret[SEAL_HASH_BYTES]) must_check;

/* Bytes of a sealed value of `len` bytes. */
size_t seal_size(size_t len);
/* Seals into `ret`, which has room for seal_size(plain.len) bytes. -ENOKEY: the key is empty; -EMSGSIZE: the value is longer than
 * SEAL_MAX_BYTES; -EINVAL: a name longer than SEAL_MAX_NAME, or no field. */
int seal_close(const struct seal_key *k, const struct seal_place *at, struct slice plain,
               uint8_t *ret) must_check;
/* Opens into `ret`, which has room for sealed.len bytes; the value's length goes to *ret_len. -EBADMSG: not sealed with this key for this
 * place, or altered; -ENOTSUP: a later version's; else as seal_close(). What is in `ret` after a failure means nothing. */
int seal_open(const struct seal_key *k, const struct seal_place *at, struct slice sealed,
              uint8_t *ret, size_t *ret_len) must_check;
