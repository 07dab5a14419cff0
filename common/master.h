/* master.h - the master key, under which every service's vault lies. Whoever holds it and a vault can read what is sealed;
 * whoever lost it can read nothing, ever: keep an escrow.
 *
 *   HOME/master.key        made at the first start, mode 0600: "fokus-master-key-1:<64 hex digits>:<16 of a checksum>\n"
 *   HOME/master.key.next   while a rotation is under way: the key that comes
 *   HOME/vault/            the vaults: NAME.vault
 *
 * Or from the service manager: $CREDENTIALS_DIRECTORY/fokus-master-key (and fokus-master-key.next), the same text (systemd.exec,
 * LoadCredentialEncrypted=). Then no file is made.
 *
 * Nothing here ever overwrites or guesses a key. A key that is missing while vaults exist, has another mode or owner, is cut
 * short or altered, stands in two places and differs: each is refused with what would put it right. The wrong key is told by the
 * vault, which holds the id of the one it lies under.
 *
 * Rotation, while everything runs: master_rotate() makes the next key; each service opens the master anew and takes its vault
 * over (vault_rotate()); master_rotated() makes the next one the current once no vault lies under the old. A crash anywhere
 * leaves both keys until then, each vault is wholly under one of them, and doing it again goes on. It is what makes old
 * copies of a vault worthless. (NIST SP 800-57 part 1, 5.3: how long a key is used.)
 *
 * Escrow: the key sealed to a public key (libsodium's crypto_box_seal: X25519 of RFC 7748, XSalsa20-Poly1305), so that the
 * machine that writes it cannot read it, it may lie with the backups, and the secret half lies in a safe, or on paper. Not a
 * passphrase: that would have to be typed on the machine at each escrow, and can be guessed. Not shares of one: libsodium has
 * none, and home-made ones are a risk of their own; split the secret half with a tool made for it if several must agree.
 *
 * Open it, open or rotate the vault, close it: while it is open no rotation can end. Keys lie in libsodium's memory (seal.h). */
#pragma once
#include <stdint.h>

#include "common/status.h"

enum {
    MASTER_KEY_BYTES = 32,
    MASTER_ID_BYTES = 16,
    MASTER_ESCROW_KEY_BYTES = 32,       /* of X25519, public and secret */
    MASTER_ESCROW_CHARS = 15 + 160 + 1, /* "fokus-escrow-1:", hex digits, newline */
};

struct master;

struct master_key {
    uint8_t bytes[MASTER_KEY_BYTES];
    uint8_t id[MASTER_ID_BYTES]; /* says which key it is, and nothing about it: a keyed hash */
};

/* Reads the key, or makes it when there is neither key nor vault. `credentials` is $CREDENTIALS_DIRECTORY, or NULL. Waits while
 * another process makes the key or ends a rotation. -ENOENT, -EACCES, -EBADMSG, ...: as `err` says. */
int master_open(struct master **ret, const char *home, const char *credentials,
                struct err *err) must_check;
/* Wipes. NULL is fine. */
void master_close(struct master *m);

const struct master_key *master_current(const struct master *m);
/* NULL unless a rotation is under way. */
const struct master_key *master_next(const struct master *m);
/* The one under which a new vault is made. */
const struct master_key *master_newest(const struct master *m);

/* The vault of a service, "HOME/vault/NAME.vault". -ENAMETOOLONG, -EINVAL. */
int master_vault_path(const char *home, const char *service, char *ret, size_t size) must_check;

/* Begins a rotation, or finds the one under way: then there is a next key, durably. -ENOTSUP: keys that come as credentials are
 * made with master_make_file() and given as fokus-master-key.next. */
int master_rotate(struct master *m, struct err *err) must_check;
/* Ends it. -EBUSY: a vault still lies under the old key, or another process has the master open; `err` names it. 0 also without
 * a rotation. The old key's bytes are overwritten in its file. With credentials it only says whether the operator may now
 * give the next as the current. */
int master_rotated(struct master *m, struct err *err) must_check;

/* Writes a new key's file. -EEXIST: there is one. */
int master_make_file(const char *path, struct err *err) must_check;

/* The newest key, sealed to a public key, as one line of text. */
int master_escrow(const struct master *m, const uint8_t public_key[MASTER_ESCROW_KEY_BYTES],
                  char ret[MASTER_ESCROW_CHARS + 1], struct err *err) must_check;
/* Writes the key out of an escrow to the file `path`, which must not exist. -EBADMSG: not an escrow, or for another key. */
int master_recover(const char *escrow, const uint8_t public_key[MASTER_ESCROW_KEY_BYTES],
                   const uint8_t secret_key[MASTER_ESCROW_KEY_BYTES], const char *path,
                   struct err *err) must_check;
