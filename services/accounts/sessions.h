/* sessions.h - beginning and ending sessions, wherever that is decided.
 *
 * A session is a token of 32 random bytes that the browser keeps; log and tables hold its BLAKE2b-256. It ends by itself after thirty
 * days, or when it was idle for a week; for who may change what others see (editor, moderator, operator) after half a day's idleness.
 * The gateway remembers who a session is and is told by the event CallerForgotten that this no longer holds. */
#pragma once
#include "services/accounts/seals.h"

#define SESSION_LASTS_MS        (30 * DAY_MS)
#define SESSION_IDLE_MS         (7 * DAY_MS)
#define SESSION_TRUSTED_IDLE_MS (12 * HOUR_MS)
enum { SESSIONS_MAX = 50 }; /* of a person; the oldest gives way */

struct session_at {
    struct slice token_hash;
    SessionRow *row;
};
/* A person's sessions, oldest first, also those that ran out and are not swept away yet. */
int sessions_of(const struct rd *rd, const char *person, struct session_at **ret,
                size_t *ret_n) must_check;
/* Counts now, used last at used_ms. */
bool session_counts(const SessionRow *row, int64_t used_ms, bool trusted, int64_t now_ms);

/* Who signed in, and how. */
struct arrival {
    const char *person;
    const PersonRow *row;
    const char *address; /* "" for none */
    SignInMethod method;
    const char *level, *provider; /* "" for e-mail */
    bool first_time;
};
/* Starts a session and hands its token to the browser, instead of the one it had. A new token each time: nobody can put another's
 * session, or a known one, into a browser that signs in. */
int session_start(const struct decide_in *in, struct outcome *out,
                  const struct arrival *arrival) must_check;
int session_end(struct outcome *out, const struct session_at *session, SessionEnd why) must_check;
/* A token of 32 random bytes after a prefix, and what log and tables hold of it. 0 or -ENOMEM. */
int token_make(struct arena *arena, const char *prefix, char **ret,
               ProtobufCBinaryData *ret_hash) must_check;
/* The gateway forgets what it knows of one session or key. */
int caller_forget(struct outcome *out, const char *watch) must_check;
/* The gateway forgets what it knows of all the person's sessions and keys, and asks anew. */
int callers_forget(const struct rd *rd, struct outcome *out, const char *person) must_check;

/* Keyed hash of browser and address, or provider: no id of one is an address. */
int device_hash(const struct sealing *s, const char *address, struct slice browser,
                ProtobufCBinaryData *ret) must_check;

/* Security: an API key, even a stolen one, must not change who somebody is or what she may do. True for a browser's session and the
 * operator; else `out` is refused. */
bool came_in_person(const struct decide_in *in, struct outcome *out) must_check;
