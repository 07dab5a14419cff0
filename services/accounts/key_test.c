/* key_test.c - API keys: shown once, bounded, ended. */
#include "services/accounts/keys.h"

#include "services/accounts/testing.h"

static const MakeApiKeyResponse *make(struct caller who, const char *name, uint32_t days)
{
    static char *services[] = { "directory" };
    MakeApiKeyRequest request = MAKE_API_KEY_REQUEST_INIT;
    request.name = (char *)name;
    request.services = services;
    request.n_services = 1;
    request.queries_only = true;
    request.days = days;
    when(who, "MakeApiKey", &request);
    return then_response();
}

static void revoke(struct caller who, const char *key)
{
    RevokeApiKeyRequest request = REVOKE_API_KEY_REQUEST_INIT;
    request.key = (char *)key;
    when(who, "RevokeApiKey", &request);
    then_ok();
}

static const ListApiKeysResponse *list(struct caller who)
{
    ListApiKeysRequest request = LIST_API_KEYS_REQUEST_INIT;
    ListApiKeysResponse *response;
    ask(who, "ListApiKeys", &request, &response);
    return response;
}

static const Fokus__Runtime__V1__ResolveCallerResponse *resolve_token(const char *token)
{
    uint8_t hash[TOKEN_HASH_BYTES];
    Fokus__Runtime__V1__ResolveCallerRequest request =
        FOKUS__RUNTIME__V1__RESOLVE_CALLER_REQUEST__INIT;
    Fokus__Runtime__V1__ResolveCallerResponse *response;
    caller_hash_token(slice_text(token), hash);
    request.key = (ProtobufCBinaryData) { sizeof(hash), hash };
    ask(house_caller("@gateway"), "fokus.runtime.v1.RuntimeService/ResolveCaller", &request,
        &response);
    return response;
}

TEST(a_key_stands_for_its_owner_within_what_it_is_for)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    const MakeApiKeyResponse *made = make(anna, "Kalendern", 30);
    const AccountsEvent *event = then_event(0, "KeyMade");
    assert_null(
        memmem(event->key_made->sealed_name.data, event->key_made->sealed_name.len, "Kalender", 8));
    assert_string_equal(last_mail()->name, "Kalendern");
    assert_memory_equal(made->token, "fokus_", 6);
    assert_int_equal(strlen(made->token), 6 + 43);
    const Fokus__Runtime__V1__ResolveCallerResponse *who = resolve_token(made->token);
    assert_string_equal(who->id, anna.id);
    assert_true(who->queries_only);
    assert_int_equal(who->n_services, 1);
    assert_string_equal(who->services[0], "directory");
    assert_memory_equal(who->pseudonym_key.data, resolve(&b)->pseudonym_key.data, CALLER_KEY_BYTES);
    assert_null(resolve_token("fokus_something-else"));
    then_refused(CODE_UNAUTHENTICATED);
}

TEST(a_key_ends_on_its_last_day_or_when_it_is_revoked)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    const MakeApiKeyResponse *first = make(anna, "A", 1);
    const MakeApiKeyResponse *second = make(anna, "B", 2);
    given_time_passes(DAY_MS - 1);
    assert_non_null(resolve_token(first->token));
    assert_int_equal(resolve_token(first->token)->expires_ms, given_now_ms() + 1);
    given_time_passes(1);
    assert_null(resolve_token(first->token));
    assert_int_equal(list(anna)->n_keys, 1);
    revoke(anna, second->key->key);
    then_event(0, "KeyRevoked");
    then_event(1, "CallerForgotten");
    assert_null(resolve_token(second->token));
    revoke(anna, second->key->key);
    then_no_event();
    KeepHouseRequest request = KEEP_HOUSE_REQUEST_INIT;
    when(operator_caller(), "KeepHouse", &request);
    assert_int_equal(then_events_of("KeyRevoked"), 1);
    assert_int_equal(list(anna)->n_keys, 0);
}

TEST(a_person_sees_her_keys_and_the_day_each_was_used_and_not_what_opens_with_them)
{
    uses_forget();
    struct browser a = a_browser(1), b = a_browser(2);
    struct caller anna = given_signed_in(&a, ANNA);
    const MakeApiKeyResponse *made = make(anna, "Kalendern", 30);
    assert_int_equal(list(anna)->keys[0]->used_ms, 0);
    given_time_passes(DAY_MS);
    resolve_token(made->token);
    assert_int_equal(list(anna)->keys[0]->used_ms, given_now_ms() - given_now_ms() % DAY_MS);
    struct chore chore;
    assert_true(uses_chore(test_arena, given_now_ms(), &chore));
    when(operator_caller(), "KeepHouse", chore.request);
    then_event(0, "UsesRecorded");
    uses_forget();
    const ListApiKeysResponse *keys = list(anna);
    assert_int_equal(keys->n_keys, 1);
    assert_int_equal(keys->keys[0]->used_ms, given_now_ms() - given_now_ms() % DAY_MS);
    assert_string_equal(keys->keys[0]->name, "Kalendern");
    struct caller berta = given_signed_in(&b, BERTA);
    assert_int_equal(list(berta)->n_keys, 0);
    revoke(berta, made->key->key); /* not hers */
    then_no_event();
}

TEST(a_key_makes_no_keys)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    make(anna, "A", 1);
    given_origin(&(struct origin) { 0 });
    static char *services[] = { "directory" };
    MakeApiKeyRequest request = MAKE_API_KEY_REQUEST_INIT;
    request.name = "B";
    request.services = services;
    request.n_services = 1;
    request.days = 1;
    when(anna, "MakeApiKey", &request);
    then_refused(CODE_PERMISSION_DENIED);
    RevokeApiKeyRequest revoking = REVOKE_API_KEY_REQUEST_INIT;
    revoking.key = "0190163d-8694-739b-aea5-966c26f8ad91";
    when(anna, "RevokeApiKey", &revoking);
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(a_key_is_for_named_services_some_days_and_there_are_twenty_at_most)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    static char *services[] = { "no-service" };
    MakeApiKeyRequest request = MAKE_API_KEY_REQUEST_INIT;
    request.name = "A";
    request.days = 1;
    when(anna, "MakeApiKey", &request);
    then_violation("services");
    request.services = services;
    request.n_services = 1;
    when(anna, "MakeApiKey", &request);
    then_violation("services");
    request.days = 0;
    when(anna, "MakeApiKey", &request);
    then_violation("days");
    request.days = 367;
    when(anna, "MakeApiKey", &request);
    then_violation("days");
    for (int i = 0; i < KEYS_MAX; i++)
        make(anna, "A", 1);
    services[0] = "directory";
    request.days = 1;
    when(anna, "MakeApiKey", &request);
    then_refused(CODE_RESOURCE_EXHAUSTED);
}

TEST(a_role_that_is_withdrawn_leaves_the_key_at_once)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    const MakeApiKeyResponse *made = make(anna, "A", 30);
    GrantByAddressRequest request = GRANT_BY_ADDRESS_REQUEST_INIT;
    request.address = ANNA;
    request.role = FOKUS__V1__ROLE__ROLE_EDITOR;
    request.reason = "Redaktör.";
    when(operator_caller(), "GrantByAddress", &request);
    assert_int_equal(then_events_of("CallerForgotten"), 2); /* of the session, of the key */
    assert_string_equal(resolve_token(made->token)->roles[1], "editor");
}

TESTS(&accounts_service)
