/* testing.h - what the tests of accounts share: browsers, persons, signing in, and the mails that were queued. All names are invented.
 * Each test program includes it once. */
#pragma once
#include <stdio.h>
#include <string.h>

#include "common/given.h"
#include "fokus/v1/options.pb-c.h"
#include "services/accounts/seals.h"
#include "services/accounts/uses.h"

/* Not every program uses everything. */
#define HELPER __attribute__((unused)) static

#define ANNA  "anna@example.se"
#define BERTA "berta@example.se"

HELPER struct arena *test_arena;
__attribute__((constructor)) static void make_test_arena(void)
{
    test_arena = arena_new(64 * 1024 * 1024);
}
__attribute__((destructor)) static void free_test_arena(void)
{
    arena_free(test_arena);
}

HELPER struct sealing test_sealing(void)
{
    return (struct sealing) { given_vault(), given_key(), test_arena };
}

/* ---- where calls come from ---- */

struct browser {
    uint8_t cookie[CALLER_HASH_BYTES], network[CALLER_NETWORK_BYTES], session[TOKEN_HASH_BYTES];
    bool signed_in;
};

HELPER struct browser a_browser(uint8_t number)
{
    struct browser b = { .signed_in = false };
    memset(b.cookie, number, sizeof(b.cookie));
    memcpy(b.network, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02", 15);
    b.network[15] = number; /* 192.0.2.number */
    return b;
}

/* The calls from now on come from there. */
HELPER void from(const struct browser *b)
{
    given_origin(&(struct origin) {
        .network = { b->network, sizeof(b->network) },
        .browser = { b->cookie, sizeof(b->cookie) },
        .session = { b->session, b->signed_in ? sizeof(b->session) : 0 },
    });
}

/* The browser takes the session that the last command gave it, as the gateway would. */
HELPER void take_session(struct browser *b)
{
    const struct session_change *change = then_session();
    assert_true(change->change);
    b->signed_in = change->token[0] != '\0';
    if (b->signed_in)
        caller_hash_token(slice_text(change->token), b->session);
}

/* ---- signing in ---- */

HELPER const StartSignInResponse *start(const struct browser *b, const char *address)
{
    StartSignInRequest request = START_SIGN_IN_REQUEST_INIT;
    request.address = (char *)address;
    request.return_to = "/organisationer";
    from(b);
    when(anonymous(), "StartSignIn", &request);
    return then_response();
}

/* What the mail that the last command queued as its nth event says. */
HELPER MailContent *queued_mail(size_t n)
{
    const AccountsEvent *event = then_event(n, "MailQueued");
    MailContent *content;
    assert_int_equal(open_message(&(struct sealing) { given_vault(), given_key(), test_arena },
                                  event->mail_queued->slot, AT_MAIL(event->mail_queued->mail),
                                  event->mail_queued->sealed, MAIL_CONTENT_DESCRIPTOR, &content),
                     0);
    return content;
}

/* The last of its events. */
HELPER MailContent *last_mail(void)
{
    return queued_mail(then_event_count() - 1);
}

HELPER const FinishSignInResponse *finish(const struct browser *b, const char *sign_in,
                                          const char *code, const char *link_token)
{
    FinishSignInRequest request = FINISH_SIGN_IN_REQUEST_INIT;
    request.sign_in = (char *)sign_in;
    request.code = (char *)code;
    request.link_token = (char *)link_token;
    from(b);
    when(anonymous(), "FinishSignIn", &request);
    return then_response();
}

/* Another than the code. */
HELPER const char *not_code(const char *code)
{
    return strcmp(code, "000000") == 0 ? "000001" : "000000";
}

HELPER const Fokus__Runtime__V1__ResolveCallerResponse *resolve(const struct browser *b)
{
    Fokus__Runtime__V1__ResolveCallerRequest request =
        FOKUS__RUNTIME__V1__RESOLVE_CALLER_REQUEST__INIT;
    Fokus__Runtime__V1__ResolveCallerResponse *response;
    request.session = (ProtobufCBinaryData) { sizeof(b->session), (uint8_t *)b->session };
    ask(house_caller("@gateway"), "fokus.runtime.v1.RuntimeService/ResolveCaller", &request,
        &response);
    return response;
}

/* Signs in with the code; who she is. */
HELPER struct caller given_signed_in(struct browser *b, const char *address)
{
    const StartSignInResponse *started = start(b, address);
    const MailContent *mail = last_mail();
    const FinishSignInResponse *done = finish(b, started->sign_in, mail->code, "");
    assert_int_equal(done->outcome, SIGN_IN_OUTCOME_SIGNED_IN);
    take_session(b);
    from(b);
    const Fokus__Runtime__V1__ResolveCallerResponse *who = resolve(b);
    assert_non_null(who);
    return signed_in(who->id);
}
