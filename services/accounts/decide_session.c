/* decide_session.c - ending sessions, and what the service does each hour. A session that is not there any more is a success. */
#include <errno.h>
#include <string.h>

#include "services/accounts/keys.h"
#include "services/accounts/limits.h"
#include "services/accounts/sessions.h"
#include "services/accounts/sign_ins.h"
#include "services/accounts/uses.h"

enum { SWEPT_AN_HOUR = 5000 };

int accounts_sign_out(const struct decide_in *in, const SignOutRequest *req, SignOutResponse *res,
                      struct outcome *out)
{
    (void)req; /* asks nothing */
    (void)res; /* says nothing */
    struct session_at session = { .token_hash = in->origin->session };
    outcome_set_session(out, "", 0);
    int r = session.token_hash.len ? session_find(in->state, session.token_hash, &session.row)
                                   : -ENOENT;
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    return session_end(out, &session, SESSION_END_SIGNED_OUT);
}

static bool is_current(const struct decide_in *in, const struct session_at *session)
{
    return session->token_hash.len == in->origin->session.len &&
           memcmp(session->token_hash.data, in->origin->session.data, session->token_hash.len) == 0;
}

int accounts_end_session(const struct decide_in *in, const EndSessionRequest *req,
                         EndSessionResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    struct session_at session;
    struct key k;
    if (!came_in_person(in, out))
        return 0;
    key_of(in->caller.id, req->session, &k);
    int r = rd_get_bytes(in->state, &T_SESSION_OF, &k, &session.token_hash);
    if (r == 0)
        r = session_find(in->state, session.token_hash, &session.row);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (is_current(in, &session))
        outcome_set_session(out, "", 0);
    return session_end(out, &session, SESSION_END_ENDED);
}

int accounts_end_other_sessions(const struct decide_in *in, const EndOtherSessionsRequest *req,
                                EndOtherSessionsResponse *res, struct outcome *out)
{
    (void)req; /* asks nothing */
    struct session_at *sessions;
    size_t n;
    if (!came_in_person(in, out))
        return 0;
    int r = sessions_of(in->state, in->caller.id, &sessions, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (is_current(in, &sessions[i]))
            continue;
        r = session_end(out, &sessions[i], SESSION_END_ENDED);
        res->ended++;
    }
    return r;
}

/* Ends sessions past their last day. Idle ones do not count any more and go with their last day, too. */
static int sweep_sessions(const struct decide_in *in, struct outcome *out, uint32_t *ret_ended)
{
    struct scan s;
    for (scan_from(&s, in->state, &T_SESSION_ENDS, &KEY_INIT, NULL);
         *ret_ended < SWEPT_AN_HOUR && scan_next(&s); (*ret_ended)++) {
        struct key_reader reader = { .rest = s.key };
        struct session_at session;
        int64_t ends_ms;
        size_t len;
        uint8_t *hash = arena_alloc(in->arena, TOKEN_HASH_BYTES);
        if (!hash)
            return scan_give_up(&s, -ENOMEM);
        if (!key_read_i64(&reader, &ends_ms) ||
            !key_read_bytes(&reader, hash, TOKEN_HASH_BYTES, &len))
            return scan_give_up(&s, -EBADMSG);
        if (ends_ms > in->now_ms)
            break;
        session.token_hash = (struct slice) { hash, len };
        int r = session_find(in->state, session.token_hash, &session.row);
        if (r == 0)
            r = session_end(out, &session, SESSION_END_EXPIRED);
        if (r < 0)
            return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
    }
    return scan_end(&s);
}

int accounts_keep_house(const struct decide_in *in, const KeepHouseRequest *req,
                        KeepHouseResponse *res, struct outcome *out)
{
    int r = 0;
    if (req->n_sessions > 0 || req->n_keys > 0) {
        UsesRecorded event = USES_RECORDED_INIT;
        event.sessions = req->sessions;
        event.n_sessions = req->n_sessions;
        event.keys = req->keys;
        event.n_keys = req->n_keys;
        r = emit_uses_recorded(out, "", &event);
    }
    if (r == 0)
        r = sign_ins_sweep(in, out, SWEPT_AN_HOUR, &res->sign_ins_ended);
    if (r == 0)
        r = sweep_sessions(in, out, &res->sessions_ended);
    if (r == 0)
        r = keys_sweep(in, out, SWEPT_AN_HOUR);
    if (r == 0) /* also when nobody asks for a code */
        r = limit_key_renew(in, out);
    return r;
}
