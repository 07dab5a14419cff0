/* decide_provider.c - signing in with an e-identification, and linking one to an account.
 *
 * Nothing is kept while the browser is away. What the attempt consists of (state, nonce, PKCE verifier) follows from a seed: a keyed hash of
 * the browser's cookie, of its session if it has one, of the provider and of the time when it began, which the state begins with. So an
 * answer counts only in the browser that was sent away, for the provider it was sent to, in the session it had: nobody can put a sign-in of
 * his own into another's browser, or link his e-identification to another's account. The key is the vault's.
 *
 * A provider's answer is used once: the provider gives one token for a code, and its state is counted here besides.
 *
 * Security: an e-identification is never joined to an account because of an e-mail address that the provider states: whoever runs a
 * mailbox would be whoever it once belonged to. She signs in and links it herself. No personal identity number is kept. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/trace.h"
#include "services/accounts/identities.h"
#include "services/accounts/limits.h"
#include "services/accounts/mails.h"
#include "services/accounts/persons.h"
#include "services/accounts/providers.h"
#include "services/accounts/sessions.h"

enum {
    TIME_BYTES = 6, /* of milliseconds since 1970 */
    TIME_CHARS = 8, /* so many of the state's 43; 210 bits of it stay a secret */
};

/* What is kept of what a provider says: all else of her is forgotten at once. */
struct proven {
    const char *issuer;
    unsigned level;
    char subject[OIDC_MAX_SUBJECT + 1];
};

/* ---- what goes before: asking the provider ---- */

static void put_time(int64_t ms, char state[])
{
    uint8_t bytes[TIME_BYTES];
    char text[TIME_CHARS + 1];
    for (size_t i = 0; i < TIME_BYTES; i++)
        bytes[i] = (uint8_t)(ms >> (8 * (TIME_BYTES - 1 - i)));
    sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    memcpy(state, text, TIME_CHARS);
}

static bool read_time(const char *state, int64_t *ret_ms)
{
    uint8_t bytes[TIME_BYTES];
    size_t len;
    if (sodium_base642bin(bytes, sizeof(bytes), state, TIME_CHARS, NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) < 0)
        return false;
    *ret_ms = 0;
    for (size_t i = 0; i < TIME_BYTES; i++)
        *ret_ms = *ret_ms << 8 | bytes[i];
    return true;
}

static int attempt_at(const struct prepare_in *in, const char *provider, int64_t ms,
                      struct oidc_attempt *ret)
{
    uint8_t key[32], seed[OIDC_SEED_BYTES];
    crypto_generichash_state hash;
    uint8_t session_len = (uint8_t)in->origin->session.len;
    int r = vault_derive(in->vault, "oidc-attempt", key);
    if (r < 0)
        return r;
    crypto_generichash_init(&hash, key, sizeof(key), sizeof(seed));
    crypto_generichash_update(&hash, in->origin->browser.data, in->origin->browser.len);
    crypto_generichash_update(&hash, &session_len, sizeof(session_len));
    if (session_len > 0)
        crypto_generichash_update(&hash, in->origin->session.data, session_len);
    crypto_generichash_update(&hash, (const uint8_t *)provider, strlen(provider) + 1);
    crypto_generichash_update(&hash, (const uint8_t *)&ms, sizeof(ms));
    crypto_generichash_final(&hash, seed, sizeof(seed));
    oidc_attempt_of(seed, ret);
    put_time(ms, ret->state);
    sodium_memzero(key, sizeof(key));
    sodium_memzero(seed, sizeof(seed));
    return 0;
}

/* False, and refused. */
static bool may_begin(const struct prepare_in *in, const char *provider, struct status *status)
{
    if (in->origin->browser.len == 0)
        (void)status_refuse(status, CODE_FAILED_PRECONDITION, /* returns 0 always */
                            "signing in needs cookies: allow them and try again");
    else if (!providers() || !oidc_provider_find(providers(), provider))
        (void)status_refuse(status, CODE_NOT_FOUND, /* likewise */
                            "provider: there is no such identity provider");
    return status->code == CODE_OK;
}

static ProtobufCBinaryData bytes_of(struct slice bytes)
{
    return (ProtobufCBinaryData) { bytes.len, (uint8_t *)bytes.data };
}

/* Security: whoever asks for a sign-in, or brings a code that she made up, makes us ask the provider. That is counted before, and
 * recorded, so that it is bounded also while nobody gets in. False, and refused. */
static bool may_ask(const struct prepare_in *in, const char *provider, struct status *status)
{
    CountProviderAttemptRequest request = COUNT_PROVIDER_ATTEMPT_REQUEST_INIT;
    struct client_reply reply;
    request.provider = (char *)provider;
    request.network = bytes_of(in->origin->network);
    request.browser = bytes_of(in->origin->browser);
    provider_ways->count(in->peers, in->arena, &request, &reply);
    if (reply.code != CODE_OK)
        (void)status_refuse(status, reply.code, "%s", /* returns 0 always */
                            reply.message ? reply.message : "");
    return reply.code == CODE_OK;
}

/* What browsers that have signed in with the provider are held to is a person's own, whoever she is now: a stranger's network does not
 * hinder her, and more browsers do not let her ask more. */
static int attempt_use(const struct decide_in *in, const CountProviderAttemptRequest *req,
                       struct outcome *out, LimitUse ***ret)
{
    struct limit_of of = { LIMIT_PROVIDER, slice_of(req->network), { 0 } };
    ProtobufCBinaryData hash;
    Device *device;
    int r = device_hash(&SEALING(in), req->provider, slice_of(req->browser), &hash);
    if (r == 0)
        r = hash.len ? rd_get(in->state, &T_DEVICE, KEY_BYTES(hash), &device) : -ENOENT;
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0)
        of = (struct limit_of) { LIMIT_PROVIDER_DEVICE, slice_text(device->person), { 0 } };
    return limit_uses(in, out, &of, 1, ret);
}

int accounts_count_provider_attempt(const struct decide_in *in,
                                    const CountProviderAttemptRequest *req,
                                    CountProviderAttemptResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    ProviderAttempted event = PROVIDER_ATTEMPTED_INIT;
    bool left = false;
    if (strcmp(in->caller.id, "@accounts") != 0)
        return outcome_refuse(out, CODE_PERMISSION_DENIED, "accounts tells this only itself");
    event.n_uses = 1;
    int r = attempt_use(in, req, out, &event.uses);
    if (r == 0)
        r = limit_left(in->state, event.uses[0], in->now_ms, &left);
    if (r < 0)
        return r;
    if (!left)
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED,
                              "too many sign-ins with an e-identification were begun: wait an "
                              "hour, or sign in with a browser that has signed in so before");
    return emit_provider_attempted(out, "", &event);
}

/* What is not hers to mend is the operator's: `why` is one of a few texts and says nothing of anybody. */
static int refuse(struct status *status, const char *provider, enum oidc_result result,
                  const char *why)
{
    if (result == OIDC_UNAVAILABLE || result == OIDC_FORGED || result == OIDC_BROKEN ||
        result == OIDC_FAILED)
        trace_log(TRACE_WARNING, "nobody was signed in with an identity provider's answer",
                  "provider", provider, "result", oidc_result_name(result), "why", why, NULL);
    return status_refuse(status, oidc_result_code(result), "%s", why);
}

int accounts_prepare_start_provider_sign_in(const struct prepare_in *in,
                                            const StartProviderSignInRequest *req,
                                            const void **ret_prepared, struct status *status)
{
    struct oidc_attempt attempt;
    const char *why = "";
    if (!may_begin(in, req->provider, status))
        return 0;
    char *url = arena_alloc(in->arena, OIDC_MAX_START_URL);
    int r = url ? attempt_at(in, req->provider, in->now_ms, &attempt) : -ENOMEM;
    if (r < 0)
        return r;
    enum oidc_result result = provider_ways->start(req->provider, &attempt, in->locale, url, &why);
    if (result == OIDC_NOT_READY && may_ask(in, req->provider, status)) {
        result = provider_ways->discover(req->provider, &why);
        if (result == OIDC_OK)
            result = provider_ways->start(req->provider, &attempt, in->locale, url, &why);
    }
    sodium_memzero(&attempt, sizeof(attempt));
    *ret_prepared = url;
    return result == OIDC_OK || status->code != CODE_OK
               ? 0
               : refuse(status, req->provider, result, why);
}

int accounts_start_provider_sign_in(const struct decide_in *in,
                                    const StartProviderSignInRequest *req,
                                    StartProviderSignInResponse *res, struct outcome *out)
{
    (void)req; /* was asked before */
    (void)out; /* records nothing */
    res->url = (char *)in->prepared;
    res->expires_ms = in->now_ms + PROVIDER_LASTS_MS;
    return 0;
}

/* The attempt of this browser whose state came back. -ENOENT: none of the last ten minutes'. */
static int find_attempt(const struct prepare_in *in, const char *provider, const char *state,
                        struct oidc_attempt *ret)
{
    int64_t began_ms;
    if (strlen(state) != sizeof(ret->state) - 1 || !read_time(state, &began_ms) ||
        began_ms > in->now_ms || began_ms <= in->now_ms - PROVIDER_LASTS_MS)
        return -ENOENT;
    int r = attempt_at(in, provider, began_ms, ret);
    if (r < 0 || sodium_memcmp(ret->state, state, sizeof(ret->state) - 1) == 0)
        return r;
    sodium_memzero(ret, sizeof(*ret));
    return -ENOENT;
}

static const char *given(const char *text)
{
    return *text ? text : NULL;
}

int accounts_prepare_finish_provider_sign_in(const struct prepare_in *in,
                                             const FinishProviderSignInRequest *req,
                                             const void **ret_prepared, struct status *status)
{
    const struct oidc_callback callback = { req->provider, req->state, given(req->code),
                                            given(req->iss), given(req->error) };
    struct oidc_attempt attempt;
    struct oidc_identity identity = { 0 };
    const char *why = "";
    if (!may_begin(in, req->provider, status))
        return 0;
    struct proven *who = arena_calloc(in->arena, 1, sizeof(*who));
    int r = who ? find_attempt(in, req->provider, req->state, &attempt) : -ENOMEM;
    if (r == -ENOENT)
        return status_refuse(status, oidc_result_code(OIDC_STALE),
                             "this sign-in was begun in another browser or too long ago: start "
                             "anew");
    if (r < 0)
        return r;
    if (!may_ask(in, req->provider, status)) {
        sodium_memzero(&attempt, sizeof(attempt));
        return 0;
    }
    enum oidc_result result = provider_ways->finish(req->provider, &attempt, in->locale, &callback,
                                                    in->now_ms, &identity, &why);
    *who = (struct proven) { .issuer = identity.issuer, .level = identity.level };
    memcpy(who->subject, identity.subject, sizeof(who->subject));
    sodium_memzero(&attempt, sizeof(attempt));
    sodium_memzero(&identity, sizeof(identity));
    *ret_prepared = who;
    return result == OIDC_OK ? 0 : refuse(status, req->provider, result, why);
}

/* ---- whose it is ---- */

static int use_answer(const struct decide_in *in, struct outcome *out, const char *state,
                      bool *ret_fresh)
{
    ProviderAnswerUsed event = PROVIDER_ANSWER_USED_INIT;
    LimitUse *use;
    int r = limit_use_of_random(in->arena, LIMIT_ANSWER, slice_text(state), &use);
    if (r == 0)
        r = limit_left(in->state, use, in->now_ms, ret_fresh);
    if (r < 0 || !*ret_fresh)
        return r;
    event.uses = arena_memdup(in->arena, &use, sizeof(use));
    event.n_uses = 1;
    return event.uses ? emit_provider_answer_used(out, "", &event) : -ENOMEM;
}

static int link_identity(const struct decide_in *in, struct outcome *out, const char *person,
                         const char *provider, const struct proven *who)
{
    IdentityLinked event = IDENTITY_LINKED_INIT;
    Identity identity = IDENTITY_INIT;
    identity.issuer = (char *)who->issuer;
    identity.subject = (char *)who->subject;
    event.person = (char *)person;
    event.provider = (char *)provider;
    int r =
        seal_message(&SEALING(in), person, AT_IDENTITY(provider), &identity.base, &event.sealed);
    return r < 0 ? r : emit_identity_linked(out, person, &event);
}

/* Somebody who is signed in gets one more way in. */
static int link_to_caller(const struct decide_in *in, struct outcome *out, const char *provider,
                          const struct proven *who, const struct vault_lookup *lookup,
                          const PersonRow *row, FinishProviderSignInResponse *res)
{
    MailContent notice = MAIL_CONTENT_INIT;
    const struct oidc_provider *p = oidc_provider_find(providers(), provider);
    struct err err;
    struct key k;
    key_of(in->caller.id, provider, &k);
    if (rd_has(in->state, &T_IDENTITY, &k))
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "another e-identification of this provider belongs to the account: "
                              "take it away first");
    int r = lookups_free(in, lookup, 1);
    if (r == 0)
        r = vault_add_lookup(in->vault, in->caller.id, lookup->kind, lookup->value, &err);
    if (r == -E2BIG)
        return outcome_refuse(out, CODE_RESOURCE_EXHAUSTED,
                              "no more e-identifications can belong to the account");
    if (r == 0)
        r = link_identity(in, out, in->caller.id, provider, who);
    if (r < 0)
        return r;
    res->linked = true;
    bool english = strcmp(in->locale, "en") == 0;
    notice.name = (char *)(!p        ? provider
                           : english ? oidc_provider_settings(p)->name_en
                                     : oidc_provider_settings(p)->name_sv);
    return mail_notice(in, out, in->caller.id, row, MAIL_KIND_PROVIDER_LINKED, &notice);
}

static int open_for(const struct decide_in *in, struct outcome *out, const char *provider,
                    const struct proven *who, const struct vault_lookup *lookup, char **ret_person,
                    PersonRow *ret_row)
{
    Profile profile = PROFILE_INIT;
    profile.language = (char *)in->locale;
    int r = person_open(in, out, &profile, lookup, 1, true, ret_person, ret_row);
    return r < 0 ? r : link_identity(in, out, *ret_person, provider, who);
}

static int start_session(const struct decide_in *in, struct outcome *out, const char *person,
                         const PersonRow *row, const FinishProviderSignInRequest *req,
                         FinishProviderSignInResponse *res)
{
    Profile *profile;
    int r = person_profile(&SEALING(in), person, row, &profile);
    if (r < 0)
        return r;
    const struct arrival arrival = {
        .person = person,
        .row = row,
        .address = profile->address,
        .method = SIGN_IN_METHOD_PROVIDER,
        .level = res->level,
        .provider = req->provider,
        .first_time = row->signed_in_ms == 0,
    };
    res->first_time = arrival.first_time;
    return session_start(in, out, &arrival);
}

static int arrive(const struct decide_in *in, const FinishProviderSignInRequest *req,
                  const struct proven *who, FinishProviderSignInResponse *res, struct outcome *out)
{
    struct vault_lookup lookup = { .kind = FIND_IDENTITY };
    PersonRow fresh, *row = NULL;
    char *person = NULL;
    bool signed_in = in->origin->session.len > 0 && *in->caller.id;
    int r = identity_value(in->arena, who->issuer, who->subject, &lookup.value);
    if (r == 0)
        r = person_by_identity(&SEALING(in), in->state, who->issuer, who->subject, &person, &row);
    if (r < 0 && r != -ENOENT)
        return r;
    bool known = r == 0;
    if (known && signed_in && strcmp(person, in->caller.id) != 0)
        return outcome_refuse(out, CODE_ALREADY_EXISTS,
                              "this e-identification belongs to another account: sign out, and "
                              "sign in with it");
    if (known)
        return start_session(in, out, person, row, req, res);
    if (!signed_in) {
        r = open_for(in, out, req->provider, who, &lookup, &person, &fresh);
        return r < 0 ? r : start_session(in, out, person, &fresh, req, res);
    }
    r = caller_person(&SEALING(in), in->state, in->caller.id, &row, &out->status);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = link_to_caller(in, out, req->provider, who, &lookup, row, res);
    return r < 0 || out->status.code != CODE_OK
               ? r
               : start_session(in, out, in->caller.id, row, req, res);
}

int accounts_finish_provider_sign_in(const struct decide_in *in,
                                     const FinishProviderSignInRequest *req,
                                     FinishProviderSignInResponse *res, struct outcome *out)
{
    const struct proven *who = in->prepared;
    bool fresh = false;
    int r = use_answer(in, out, req->state, &fresh);
    if (r < 0)
        return r;
    if (!fresh)
        return outcome_refuse(out, oidc_result_code(OIDC_STALE),
                              "this sign-in was used already: start anew");
    res->level = who->level > 0 ? arena_printf(in->arena, "%u", who->level) : "";
    return res->level ? arrive(in, req, who, res, out) : -ENOMEM;
}

int accounts_unlink_provider(const struct decide_in *in, const UnlinkProviderRequest *req,
                             UnlinkProviderResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    IdentityUnlinked event = IDENTITY_UNLINKED_INIT;
    struct identity_at *all;
    struct slice value = { 0 };
    PersonRow *row;
    Profile *profile;
    size_t n = 0;
    if (!came_in_person(in, out))
        return 0;
    int r = caller_person(&SEALING(in), in->state, in->caller.id, &row, &out->status);
    if (r == 0)
        r = person_profile(&SEALING(in), in->caller.id, row, &profile);
    if (r == 0)
        r = identities_of(&SEALING(in), in->state, in->caller.id, &all, &n);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (size_t i = 0; r == 0 && i < n; i++)
        if (strcmp(all[i].provider, req->provider) == 0)
            r = identity_value(in->arena, all[i].identity->issuer, all[i].identity->subject,
                               &value);
    if (r < 0 || value.len == 0)
        return r;
    if (n == 1 && !*profile->address)
        return outcome_refuse(out, CODE_FAILED_PRECONDITION,
                              "this is the only way into the account");
    event.person = (char *)in->caller.id;
    event.provider = req->provider;
    r = emit_identity_unlinked(out, in->caller.id, &event);
    return r < 0 ? r : outcome_remove_lookup(out, in->caller.id, FIND_IDENTITY, value);
}
