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
 * Known and unknown addresses are counted alike. What is counted is named by keyed hashes alone. */
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

/* What is counted, in the arena. The parts say what the limit is about and may be empty. 0 or -ENOMEM. */
int limit_use(const struct sealing *s, enum limit_kind kind, struct slice a, struct slice b,
              LimitUse **ret) must_check;
/* Whether there is anything left at this time. 0 or a failure. */
int limit_left(const struct rd *rd, const LimitUse *use, int64_t now_ms, bool *ret) must_check;
/* Counts one. Only apply calls it. */
int limit_count(struct wr *wr, const LimitUse *use, int64_t now_ms) must_check;
