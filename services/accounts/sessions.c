/* sessions.c - see sessions.h. */
#include "services/accounts/sessions.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "services/accounts/keys.h"
#include "services/accounts/mails.h"

enum { TOKEN_BYTES = 32 };

int sessions_of(const struct rd *rd, const char *person, struct session_at **ret, size_t *ret_n)
{
    struct session_at *all = arena_calloc(rd_arena(rd), SESSIONS_MAX + 1, sizeof(*all));
    struct scan s;
    size_t n = 0;
    if (!all)
        return -ENOMEM;
    for (scan_prefix(&s, rd, &T_SESSION_OF, KEY_TEXT(person)); scan_next(&s);) {
        if (n == SESSIONS_MAX + 1)
            return scan_give_up(&s, -EBADMSG);
        all[n].token_hash = s.value;
        int r = session_find(rd, s.value, &all[n++].row);
        if (r < 0)
            return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
    }
    int r = scan_end(&s);
    if (r == 0) {
        *ret = all;
        *ret_n = n;
    }
    return r;
}

bool session_counts(const SessionRow *row, int64_t used_ms, bool trusted, int64_t now_ms)
{
    int64_t used = used_ms > row->used_ms ? used_ms : row->used_ms;
    int64_t idle = trusted ? SESSION_TRUSTED_IDLE_MS : SESSION_IDLE_MS;
    return counts_now(row->started_ms, row->expires_ms, now_ms) && now_ms < used + idle;
}

int device_hash(const struct sealing *s, const char *address, struct slice browser,
                ProtobufCBinaryData *ret)
{
    *ret = (ProtobufCBinaryData) { 0 };
    if (browser.len == 0)
        return 0;
    size_t len = strlen(address) + 1 + browser.len;
    char *text = arena_alloc(s->arena, len);
    uint8_t *hash = arena_alloc(s->arena, VAULT_HASH_BYTES);
    if (!text || !hash)
        return -ENOMEM;
    memcpy(text, address, strlen(address) + 1);
    memcpy(text + strlen(address) + 1, browser.data, browser.len);
    vault_hash(s->vault, HASH_DEVICE, (struct slice) { (const uint8_t *)text, len }, hash);
    *ret = (ProtobufCBinaryData) { VAULT_HASH_BYTES, hash };
    return 0;
}

int caller_forget(struct outcome *out, const char *watch)
{
    static const CallerForgotten event = CALLER_FORGOTTEN_INIT;
    return emit_caller_forgotten(out, watch, &event);
}

int session_end(struct outcome *out, const struct session_at *session, SessionEnd why)
{
    SessionEnded event = SESSION_ENDED_INIT;
    event.token_hash =
        (ProtobufCBinaryData) { session->token_hash.len, (uint8_t *)session->token_hash.data };
    event.person = session->row->person;
    event.why = why;
    int r = emit_session_ended(out, session->row->person, &event);
    return r < 0 ? r : caller_forget(out, session->row->watch);
}

int callers_forget(const struct rd *rd, struct outcome *out, const char *person)
{
    struct session_at *sessions;
    size_t n;
    int r = sessions_of(rd, person, &sessions, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = caller_forget(out, sessions[i].row->watch);
    struct key_at *keys;
    if (r == 0)
        r = keys_of(rd, person, &keys, &n);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = caller_forget(out, keys[i].row->watch);
    return r;
}

/* Ends the session the browser had, and the oldest of a person who has as many as one may. */
static int make_room(const struct decide_in *in, struct outcome *out, const char *person)
{
    struct session_at before = { .token_hash = in->origin->session }, *sessions;
    size_t n, replaced = 0;
    int r =
        before.token_hash.len ? session_find(in->state, before.token_hash, &before.row) : -ENOENT;
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0) {
        replaced = strcmp(before.row->person, person) == 0;
        r = session_end(out, &before, SESSION_END_REPLACED);
        if (r < 0)
            return r;
    }
    r = sessions_of(in->state, person, &sessions, &n);
    for (size_t i = 0; r == 0 && i < n && n - replaced >= SESSIONS_MAX; i++) {
        if (before.row && strcmp(sessions[i].row->session, before.row->session) == 0)
            continue;
        replaced++;
        r = session_end(out, &sessions[i], SESSION_END_REPLACED);
    }
    return r;
}

int token_make(struct arena *arena, const char *prefix, char **ret, ProtobufCBinaryData *ret_hash)
{
    enum {
        CHARS = sodium_base64_ENCODED_LEN(TOKEN_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
    };
    uint8_t random[TOKEN_BYTES];
    char text[CHARS];
    uint8_t *hash = arena_alloc(arena, TOKEN_HASH_BYTES);
    randombytes_buf(random, sizeof(random));
    sodium_bin2base64(text, sizeof(text), random, sizeof(random),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *token = arena_printf(arena, "%s%s", prefix, text);
    sodium_memzero(random, sizeof(random));
    sodium_memzero(text, sizeof(text));
    if (!token || !hash)
        return -ENOMEM;
    caller_hash_token(slice_text(token), hash);
    *ret = token;
    *ret_hash = (ProtobufCBinaryData) { TOKEN_HASH_BYTES, hash };
    return 0;
}

/* Two fresh ids: one the person sees, one the gateway does. */
static int name_session(const struct decide_in *in, SessionStarted *event)
{
    char *names = arena_alloc(in->arena, 2 * (ID_CHARS + 1));
    if (!names)
        return -ENOMEM;
    event->session = names;
    event->watch = names + ID_CHARS + 1;
    id_next(in->ids, in->now_ms, event->session);
    id_next(in->ids, in->now_ms, event->watch);
    return 0;
}

int session_start(const struct decide_in *in, struct outcome *out, const struct arrival *arrival)
{
    const struct sealing *sealing = &SEALING(in);
    SessionStarted event = SESSION_STARTED_INIT;
    char *token;
    int r = make_room(in, out, arrival->person);
    if (r == 0)
        r = token_make(in->arena, "", &token, &event.token_hash);
    if (r == 0)
        r = name_session(in, &event);
    if (r == 0)
        r = device_hash(sealing, *arrival->address ? arrival->address : arrival->person,
                        in->origin->browser, &event.device);
    if (r == 0 && *arrival->provider)
        r = device_hash(sealing, arrival->provider, in->origin->browser, &event.provider_device);
    if (r == 0)
        r = seal_bytes(sealing, arrival->person, AT_NETWORK(event.session), in->origin->network,
                       &event.sealed_network);
    if (r < 0)
        return r;
    event.person = (char *)arrival->person;
    event.method = arrival->method;
    event.level = (char *)arrival->level;
    event.provider = (char *)arrival->provider;
    event.new_device =
        event.device.len == 0 || !rd_has(in->state, &T_DEVICE, KEY_BYTES(event.device));
    event.expires_ms = in->now_ms + SESSION_LASTS_MS;
    r = emit_session_started(out, arrival->person, &event);
    if (r < 0)
        return r;
    outcome_set_session(out, token, SESSION_LASTS_MS / SECOND_MS);
    if (arrival->first_time || !event.new_device)
        return 0;
    MailContent notice = MAIL_CONTENT_INIT;
    return mail_notice(in, out, arrival->person, arrival->row, MAIL_KIND_NEW_DEVICE, &notice);
}

bool came_in_person(const struct decide_in *in, struct outcome *out)
{
    if (in->caller.operator_socket || in->origin->session.len > 0)
        return true;
    (void)outcome_refuse(out, CODE_PERMISSION_DENIED, /* returns 0 always */
                         "this is done in the browser, signed in: an API key may not");
    return false;
}
