/* limits.h - how often something may be done, counted in tables by event time.
 *
 * Security: what sends mail or guesses a secret is limited so that nobody can lock somebody else out.
 * - A network asks for codes at most so often, whatever the addresses; a network and address together more seldom.
 * - For one address strangers' browsers together ask only so often, so that nobody's mailbox is flooded, and guess wrong only so often;
 *   past that their codes do not count, only the link in the mail, which nobody can guess.
 * - A browser that has signed in to the address before (a "device cookie", OWASP) has limits of its own and is not held to those
 *   above: what others do does not hinder it.
 * - An identity provider is asked only so often for a network, so that nobody floods it through us; who has signed in with it in this
 *   browser before has a limit of her own, whatever her browsers.
 * Known and unknown addresses are counted alike.
 *
 * What is counted is named by hashes alone, which stay in the log. So that nobody, with log, vault and master key, finds out by trying
 * whose address they are once its owner is erased, they are made under a random key in a slot of the vault, which another replaces
 * after a week: then the hashes that were made under it say nothing any more. Counting begins anew with the new key. */
#pragma once
#include "services/accounts/seals.h"

enum limit_kind {                            /* fixed for ever: numbers stand in the log */
                  LIMIT_NETWORK = 1,         /* codes asked for from a network */
                  LIMIT_ADDRESS_NETWORK = 2, /* for one address from one network */
                  LIMIT_ADDRESS =
                      3, /* for one address by browsers that do not know it, in an hour */
                  LIMIT_ADDRESS_DAY = 4, /* the same in a day */
                  LIMIT_DEVICE = 5,      /* for one address by a browser that knows it */
                  LIMIT_GUESSES =
                      6, /* wrong codes for an address by browsers that do not know it */
                  LIMIT_DEVICE_GUESSES =
                      7,            /* wrong codes for an address by a browser that knows it */
                  LIMIT_ANSWER = 8, /* uses of an identity provider's answer */
                  LIMIT_PROVIDER =
                      9, /* identity providers asked from a network, by browsers that do not know one */
                  LIMIT_PROVIDER_DEVICE = 10, /* by browsers that a person has signed in with */
                  LIMIT_KINDS,
};

/* What a limit is about: parts that may be empty. */
struct limit_of {
    enum limit_kind kind;
    struct slice a, b;
};
/* What is counted, n of them, in the arena. Called once in a decision: makes a new key, with its event, when there is none that
 * counts. 0; -ENOMEM; else as the vault says. */
int limit_uses(const struct decide_in *in, struct outcome *out, const struct limit_of *of, size_t n,
               LimitUse ***ret) must_check;
/* The same of one that is about something random that nobody can guess: needs no key, so that counting never begins anew. */
int limit_use_of_random(struct arena *arena, enum limit_kind kind, struct slice random,
                        LimitUse **ret) must_check;
/* Replaces a key whose week is over, or whose slot is gone from the vault, as after a restore. */
int limit_key_renew(const struct decide_in *in, struct outcome *out) must_check;
/* Whether there is anything left at this time. 0 or a failure. */
int limit_left(const struct rd *rd, const LimitUse *use, int64_t now_ms, bool *ret) must_check;
/* Counts one. Only apply calls it. */
int limit_count(struct wr *wr, const LimitUse *use, int64_t now_ms) must_check;
/* Likewise. */
void limit_key_made(struct wr *wr, const struct fact *fact, const LimitKeyMade *e);
