/* known.h - whom the gateway knows: what the service that signs people in said of sessions and API keys, kept in memory so that a call
 * need not wait for it. When it still counts is resolve.h's to say.
 *
 * A table of at most `max_entries`, found by the token's hash, and within `max_bytes` in all; what was not used for longest gives way
 * (about: a second chance each round). To each service goes another caller, with the person's id in that service and a proof for it
 * (common/caller.h): each is packed once and used until its time runs short. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/caller.h"
#include "fokus/runtime/v1/runtime.pb-c.h"

enum {
    KNOWN_ENTRIES = 100000,
    KNOWN_BYTES = 128 << 20,
    KNOWN_PERSON_BYTES = 64 * 1024,       /* what is said of one caller at most */
    KNOWN_MAX_MS = 60 * 60 * 1000,        /* nothing counts for longer, whatever was said */
    KNOWN_PROOF_MS = 10 * 60 * 1000,      /* a proof made now */
    KNOWN_PROOF_LEAST_MS = 3 * 60 * 1000, /* one that counts shorter than this is made anew */
};

enum credential_kind { CREDENTIAL_SESSION = 1, CREDENTIAL_KEY };

/* What a request proves itself with: BLAKE2b-256 of the token as sent. A session's token is no key, and a key no session's token. */
struct credential {
    enum credential_kind kind;
    uint8_t hash[CALLER_HASH_BYTES];
};

struct known;
struct person;

/* NULL without memory. */
struct known *known_new(size_t max_entries, size_t max_bytes);
void known_free(struct known *k);

/* NULL: nothing is known, or no longer. Valid until the next known_put() or known_forget...(). `now_ms` is the monotonic clock's, so that
 * setting the machine's clock lengthens no session. */
struct person *known_find(struct known *k, const struct credential *c, int64_t now_ms);
/* Keeps an answer, in place of an older one; `now_ms` and `wall_ms` are of the time when it was asked for. As known_find(). -EBADMSG:
 * the answer is not one; -ENOMEM. */
int known_put(struct known *k, const struct credential *c,
              const Fokus__Runtime__V1__ResolveCallerResponse *said, int64_t now_ms,
              int64_t wall_ms, struct person **ret) must_check;
/* Drops it, if it is there. */
void known_drop(struct known *k, const struct credential *c);
/* Drops what an event names; returns how many entries that were. */
size_t known_forget(struct known *k, const char *watch);
void known_forget_all(struct known *k);

/* A service that is called. */
struct known_service {
    size_t index; /* below 65,536; the same for the process's life */
    const char *name;
    const uint8_t *key; /* its caller key */
    bool resolves;      /* it is the one that said who somebody is */
};
/* The packed caller for this service and its proof, as known_find(). -ENOMEM. */
int known_caller(struct known *k, struct person *p, const struct known_service *to, int64_t wall_ms,
                 struct slice *ret_caller, struct slice *ret_proof) must_check;
/* Whether the API key is limited to queries; whether it may call the service. A session is limited in neither way. */
bool known_only_asks(const struct person *p);
bool known_may_call(const struct person *p, const char *service);

size_t known_count(const struct known *k);
size_t known_bytes(const struct known *k);
uint64_t known_evicted(const struct known *k);
