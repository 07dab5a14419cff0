/* intake_caller.c - who makes a call, and from where.
 *
 * Security: whoever reaches the call socket can write any caller into a call's header. Only one that is proven (caller.h) is believed.
 * The admin socket's caller is the operator, whatever the header says. */
#include <sodium.h>
#include <string.h>

#include "common/process.h"

static bool is_proven(struct service *s, const struct wire_call *w)
{
    bool can_keep = !w->origin.len && w->caller.len > 0 && w->caller.len <= PROVEN_BYTES &&
                    w->proof.len == CALLER_PROOF_BYTES;
    struct proven *kept = can_keep ? &s->proven[w->proof.data[0] % PROVEN_KEPT] : NULL;

    /* Security: in constant time, as where it is made: who guesses learns nothing of a proof that is kept. */
    if (kept && kept->len == w->caller.len &&
        memcmp(kept->caller, w->caller.data, kept->len) == 0 &&
        sodium_memcmp(kept->proof, w->proof.data, CALLER_PROOF_BYTES) == 0)
        return true;
    if (!caller_proven(s->caller_key, w->caller, w->origin, w->proof))
        return false;
    if (kept) {
        kept->len = (uint16_t)w->caller.len;
        memcpy(kept->caller, w->caller.data, kept->len);
        memcpy(kept->proof, w->proof.data, CALLER_PROOF_BYTES);
    }
    return true;
}

bool caller_of_call(struct service *s, const struct door *d, const struct method *m,
                    const struct wire_call *w, struct caller *ret, struct origin *ret_origin)
{
    int64_t expires_ms;

    *ret = (struct caller) { .id = "" };
    if (d->admin)
        *ret = (struct caller) { .id = "operator", .roles = UINT32_MAX, .operator_socket = true };
    if (d->admin || (!w->caller.data && !w->origin.data))
        return true;
    arena_reset(s->who);
    if (!is_proven(s, w) || caller_read(w->caller, s->who, ret, &expires_ms) < 0 ||
        origin_read(w->origin, ret_origin) < 0 || expires_ms <= s->turn_ms ||
        expires_ms > s->turn_ms + CALLER_MAX_PROOF_MS)
        return false;
    if (!m->origin)
        *ret_origin = (struct origin) { 0 };
    return true;
}
