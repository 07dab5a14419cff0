/* caller.h - who calls, and why a service may believe it.
 *
 * Whoever reaches a service's call socket could write any caller into a call's header. So the gateway, which resolved a session to
 * a person, proves what it writes: a keyed hash that only who has the house's caller key can make.
 *
 *   HOME/caller.key   32 random bytes in hexadecimal and a newline, mode 0600; made at the first start by whoever comes first.
 *                     Or $CREDENTIALS_DIRECTORY/fokus-caller-key, the same text; then no file is made.
 *   service's key     BLAKE2b-256 (RFC 7693) of the service's name, keyed with it: a proof for one service counts at no other
 *   proof             BLAKE2b-256, keyed with that, of: "fokus-caller-1", the length of the caller (u64, little-endian), the packed
 *                     fokus.wire.v1.Caller, the packed Origin, both as they stand on the wire
 *
 * The key signs nothing that lasts: who loses it makes a new one by deleting the file and starting the system again.
 *
 * A person has another id in each service: a UUIDv8 (RFC 9562, section 5.8) out of a key of hers that only the service that
 * signs people in and the gateway see. Two services' records of one person cannot be joined by them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/id.h"
#include "common/status.h"

enum {
    CALLER_KEY_BYTES = 32,
    CALLER_PROOF_BYTES = 32,
    CALLER_HASH_BYTES = 32,               /* of a session's token, an API key, a browser's cookie */
    CALLER_NETWORK_BYTES = 16,            /* an IPv6 address, or an IPv4 one as ::ffff:a.b.c.d */
    CALLER_MAX_PROOF_MS = 15 * 60 * 1000, /* how far ahead a caller's expiry may lie */
    CALLER_MAX_ROLES = 200,
    CALLER_MAX_SCOPE = 200, /* characters */
};

/* A role as it is held. */
struct held_role {
    uint8_t role;      /* fokus.v1.Role */
    const char *scope; /* "" for a role without scopes */
};

/* Who calls. */
struct caller {
    /* "" anonymous, "operator" on the admin socket, "@NAME" the house itself, else the person's id in this service */
    const char *id;
    uint32_t roles; /* bit (1 << fokus.v1.Role), whatever the scope; all set for the operator */
    bool operator_socket;
    const struct held_role *held; /* with their scopes */
    size_t n_held;
};

/* Where the call comes from, for methods with the option `origin`; what is not known is empty. Views. */
struct origin {
    struct slice network, browser, session;
};

/* The role as it stands on the wire, in tools and tables: "editor"; NULL for a number that is no role. */
const char *role_word(int role);
/* Whether the role is held for a scope: representative and partner of an organisation, professional of a care unit, jury of a round. */
bool role_has_scope(int role);
/* Whether she holds the role; one with scopes, for this one. The operator holds every role. */
bool caller_holds(const struct caller *c, int role, const char *scope);
/* The gateway, or another service: it speaks for nobody. */
static inline bool caller_is_house(const struct caller *c)
{
    return c->id[0] == '@';
}

/* Reads a packed fokus.wire.v1.Caller; texts go into the arena. Roles this build does not know are passed over, and
 * those with a scope where none belongs or without where one does. -EBADMSG: malformed, or an
 * id that is neither a UUID nor the house's; -ENOMEM. */
int caller_read(struct slice packed, struct arena *arena, struct caller *ret,
                int64_t *ret_expires_ms) must_check;
/* Appends it packed. `roles` as they stand on the wire. */
void caller_put(struct buf *out, const char *id, const char *const *roles, size_t n_roles,
                int64_t expires_ms);
/* Reads a packed fokus.wire.v1.Origin as views into it. -EBADMSG: a field has another length than it must. */
int origin_read(struct slice packed, struct origin *ret) must_check;
void origin_put(struct buf *out, const struct origin *origin);
/* The same caller with all it points to in another arena. False without memory. */
bool caller_copy(struct arena *arena, const struct caller *from, struct caller *ret) must_check;

/* Reads the house's caller key, or makes it. `credentials` is $CREDENTIALS_DIRECTORY, or NULL. -EACCES, -EBADMSG, ...: as `err` says. */
int caller_key_open(const char *home, const char *credentials, uint8_t ret[CALLER_KEY_BYTES],
                    struct err *err) must_check;
/* The service's own. */
void caller_key_of(const uint8_t key[CALLER_KEY_BYTES], const char *service,
                   uint8_t ret[CALLER_KEY_BYTES]);
void caller_prove(const uint8_t service_key[CALLER_KEY_BYTES], struct slice caller,
                  struct slice origin, uint8_t ret[CALLER_PROOF_BYTES]);
bool caller_proven(const uint8_t service_key[CALLER_KEY_BYTES], struct slice caller,
                   struct slice origin, struct slice proof) must_check;

/* What log and tables hold of a token: BLAKE2b-256. Tokens are random, so that it needs no salt. */
void caller_hash_token(struct slice token, uint8_t ret[CALLER_HASH_BYTES]);
/* The person's id in the service. */
void caller_person_id(const uint8_t pseudonym_key[CALLER_KEY_BYTES], const char *service,
                      char ret[ID_CHARS + 1]);
