/* provider_test.c - signing in with an e-identification. What is asked of the provider over the network is put in its place here; that it
 * checks what it must is tests/journeys/oidc.test's business. */
#include "services/accounts/providers.h"

#include "services/accounts/testing.h"

/* ---- a provider that says what the test wants ---- */

static struct {
    struct oidc_attempt started; /* the last one the browser was sent away with */
    struct oidc_attempt finished;
    enum oidc_result result;
    const char *subject;
    unsigned level;
    int asked;
    enum code counted; /* what accounts says when the provider is about to be asked */
    struct browser counted_for;
    bool unknown; /* its discovery document is */
} idp;

static void fake_count(struct peers *peers, struct arena *arena,
                       const CountProviderAttemptRequest *request, struct client_reply *ret)
{
    (void)peers;
    (void)arena;
    assert_string_equal(request->provider, "bankid");
    assert_int_equal(request->browser.len, sizeof(idp.counted_for.cookie));
    assert_int_equal(request->network.len, sizeof(idp.counted_for.network));
    memcpy(idp.counted_for.cookie, request->browser.data, request->browser.len);
    memcpy(idp.counted_for.network, request->network.data, request->network.len);
    *ret = (struct client_reply) { .code = idp.counted, .message = "too many" };
}

static enum oidc_result fake_discover(const char *provider, const char **ret_why)
{
    (void)provider;
    (void)ret_why;
    idp.asked++;
    idp.unknown = false;
    return OIDC_OK;
}

static enum oidc_result fake_start(const char *provider, const struct oidc_attempt *attempt,
                                   const char *locale, char ret_url[OIDC_MAX_START_URL],
                                   const char **ret_why)
{
    (void)locale;
    (void)ret_why;
    if (idp.unknown)
        return OIDC_NOT_READY;
    idp.started = *attempt;
    (void)snprintf(ret_url, OIDC_MAX_START_URL, "https://idp.example.se/%s?state=%s", provider,
                   attempt->state);
    return OIDC_OK;
}

static enum oidc_result fake_finish(const char *provider, const struct oidc_attempt *attempt,
                                    const char *locale, const struct oidc_callback *callback,
                                    int64_t now_ms, struct oidc_identity *ret, const char **ret_why)
{
    (void)provider;
    (void)locale;
    (void)callback;
    (void)now_ms;
    idp.asked++;
    idp.finished = *attempt;
    *ret_why = "the provider says no";
    ret->issuer = "https://idp.example.se";
    (void)snprintf(ret->subject, sizeof(ret->subject), "%s", idp.subject);
    ret->level = idp.level;
    return idp.result;
}

static const struct provider_ways fake = { fake_count, fake_discover, fake_start, fake_finish };

static void given_provider(const char *subject, unsigned level)
{
    static const char settings[] =
        "{ \"providers\": [ { \"id\": \"bankid\", \"name\": { \"sv\": \"BankID\", \"en\": "
        "\"BankID\" },"
        " \"issuer\": \"https://idp.example.se\", \"client_id\": \"fokus\","
        " \"client_auth\": { \"method\": \"none\" },"
        " \"redirect_uri\": \"https://fokus.example.se/sign-in/bankid\" } ] }";
    char path[256];
    struct err err = { "" };
    (void)snprintf(path, sizeof(path), "%s/oidc.json", given_home());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(settings, 1, strlen(settings), file), strlen(settings));
    assert_int_equal(fclose(file), 0);
    if (providers_open(given_home(), &err) < 0)
        fail_msg("%s", err.text);
    provider_ways = &fake;
    idp.result = OIDC_OK;
    idp.subject = subject;
    idp.level = level;
    idp.asked = 0;
    idp.counted = CODE_OK;
    idp.unknown = false;
}

/* ---- the browser's way there and back ---- */

static const StartProviderSignInResponse *begin(const struct browser *b, struct caller who)
{
    StartProviderSignInRequest request = START_PROVIDER_SIGN_IN_REQUEST_INIT;
    request.provider = "bankid";
    from(b);
    when(who, "StartProviderSignIn", &request);
    return then_response();
}

static void come_back(const struct browser *b, struct caller who, const char *state)
{
    FinishProviderSignInRequest request = FINISH_PROVIDER_SIGN_IN_REQUEST_INIT;
    request.provider = "bankid";
    request.state = (char *)state;
    request.code = "a-code";
    from(b);
    when(who, "FinishProviderSignIn", &request);
}

static const FinishProviderSignInResponse *sign_in(struct browser *b, struct caller who)
{
    begin(b, who);
    come_back(b, who, idp.started.state);
    const FinishProviderSignInResponse *response = then_response();
    take_session(b);
    return response;
}

static const ListMyProvidersResponse *mine(struct caller who)
{
    ListMyProvidersRequest request = LIST_MY_PROVIDERS_REQUEST_INIT;
    ListMyProvidersResponse *response;
    ask(who, "ListMyProviders", &request, &response);
    return response;
}

static void unlink_provider(struct caller who)
{
    UnlinkProviderRequest request = UNLINK_PROVIDER_REQUEST_INIT;
    request.provider = "bankid";
    when(who, "UnlinkProvider", &request);
}

TEST(an_e_identification_signs_in_and_its_level_stays_on_the_session)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1);
    const StartProviderSignInResponse *started = begin(&b, anonymous());
    then_no_event();
    assert_non_null(strstr(started->url, idp.started.state));
    assert_int_equal(started->expires_ms, given_now_ms() + PROVIDER_LASTS_MS);
    given_time_passes(MINUTE_MS);
    come_back(&b, anonymous(), idp.started.state);
    const FinishProviderSignInResponse *done = then_response();
    assert_true(done->first_time);
    assert_string_equal(done->level, "3");
    assert_memory_equal(&idp.started, &idp.finished, sizeof(idp.started));
    then_event(0, "ProviderAnswerUsed");
    then_event(1, "AccountOpened");
    const AccountsEvent *linked = then_event(2, "IdentityLinked");
    assert_null(memmem(linked->identity_linked->sealed.data, linked->identity_linked->sealed.len,
                       "anna", 4));
    const AccountsEvent *session = then_event(3, "SessionStarted");
    assert_string_equal(session->session_started->level, "3");
    assert_string_equal(session->session_started->provider, "bankid");
    take_session(&b);
    struct caller anna = signed_in(resolve(&b)->id);
    assert_int_equal(mine(anna)->n_providers, 1);

    given_time_passes(HOUR_MS);
    struct browser other = a_browser(2);
    assert_false(sign_in(&other, anonymous())->first_time);
    assert_string_equal(resolve(&other)->id, anna.id);
    idp.subject = "berta";
    struct browser third = a_browser(3);
    assert_true(sign_in(&third, anonymous())->first_time);
    assert_string_not_equal(resolve(&third)->id, anna.id);
}

TEST(an_answer_counts_only_in_the_browser_that_was_sent_and_for_ten_minutes)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1), other = a_browser(2);
    begin(&b, anonymous());
    struct oidc_attempt attempt = idp.started;
    come_back(&other, anonymous(), attempt.state);
    then_refused(oidc_result_code(OIDC_STALE));
    come_back(&b, anonymous(), "someone-elses-state-of-forty-three-characters");
    then_refused(oidc_result_code(OIDC_STALE));
    given_time_passes(-MINUTE_MS);
    come_back(&b, anonymous(), attempt.state); /* a clock that jumped back */
    then_refused(oidc_result_code(OIDC_STALE));
    given_time_passes(11 * MINUTE_MS);
    come_back(&b, anonymous(), attempt.state);
    then_refused(oidc_result_code(OIDC_STALE));
    assert_int_equal(idp.asked, 0); /* nobody was asked */
}

TEST(an_answer_is_used_once)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1);
    begin(&b, anonymous());
    come_back(&b, anonymous(), idp.started.state);
    then_ok();
    come_back(&b, anonymous(), idp.started.state);
    then_refused(oidc_result_code(OIDC_STALE));
    then_no_event();
    assert_false(then_session()->change);
}

TEST(an_answer_is_used_once_also_when_the_key_of_limits_changes)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1);
    start(&b, BERTA);
    given_time_passes(7 * DAY_MS - 1);
    begin(&b, anonymous());
    come_back(&b, anonymous(), idp.started.state);
    then_ok();
    given_time_passes(1);
    KeepHouseRequest request = KEEP_HOUSE_REQUEST_INIT;
    when(operator_caller(), "KeepHouse", &request);
    assert_int_equal(then_events_of("LimitKeyMade"), 1);
    come_back(&b, anonymous(), idp.started.state);
    then_refused(oidc_result_code(OIDC_STALE));
    then_no_event();
}

TEST(two_that_begin_in_one_second_are_two)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1);
    begin(&b, anonymous());
    struct oidc_attempt first = idp.started;
    given_time_passes(1);
    begin(&b, anonymous());
    struct oidc_attempt second = idp.started;
    assert_string_not_equal(first.state, second.state);
    assert_string_not_equal(first.nonce, second.nonce);
    assert_string_not_equal(first.verifier, second.verifier);
    come_back(&b, anonymous(), second.state);
    then_ok();
    come_back(&b, anonymous(), first.state);
    then_ok();
    /* Another time, written over that of a good one, makes no good one. */
    memcpy(second.state, first.state, 8);
    come_back(&b, anonymous(), second.state);
    then_refused(oidc_result_code(OIDC_STALE));
    memset(second.state, '*', 8);
    come_back(&b, anonymous(), second.state);
    then_refused(oidc_result_code(OIDC_STALE));
    assert_int_equal(idp.asked, 2);
}

TEST(what_the_provider_refuses_is_refused)
{
    static const enum oidc_result ways[] = { OIDC_UNAVAILABLE, OIDC_DECLINED, OIDC_STALE,
                                             OIDC_TOO_LOW,     OIDC_FORGED,   OIDC_BROKEN };
    struct browser b = a_browser(1);
    given_provider("anna", 3);
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        begin(&b, anonymous());
        idp.result = ways[i];
        come_back(&b, anonymous(), idp.started.state);
        then_refused(oidc_result_code(ways[i]));
        then_no_event();
    }
}

TEST(who_is_signed_in_links_it_and_steps_up)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1), other = a_browser(2);
    struct caller anna = given_signed_in(&b, ANNA);
    const FinishProviderSignInResponse *done = sign_in(&b, anna);
    assert_true(done->linked);
    assert_false(done->first_time);
    assert_int_equal(then_events_of("IdentityLinked"), 1);
    assert_int_equal(then_events_of("MailQueued"), 1);
    assert_string_equal(resolve(&b)->id, anna.id);
    given_time_passes(HOUR_MS);
    sign_in(&other, anonymous());
    assert_string_equal(resolve(&other)->id, anna.id);
    idp.level = 4;
    done = sign_in(&other, anna); /* again, at a higher level */
    assert_false(done->linked);
    assert_string_equal(done->level, "4");
}

TEST(a_sign_in_that_began_without_a_session_links_nothing)
{
    given_provider("mallory", 3);
    struct browser b = a_browser(1);
    begin(&b, anonymous());
    struct oidc_attempt attempt = idp.started;
    struct caller anna = given_signed_in(&b, ANNA);
    come_back(&b, anna, attempt.state);
    then_refused(oidc_result_code(OIDC_STALE));
}

/* ---- how often a provider is asked ---- */

/* Whether there is anything left. */
static bool attempt(const struct browser *b)
{
    CountProviderAttemptRequest request = COUNT_PROVIDER_ATTEMPT_REQUEST_INIT;
    request.provider = "bankid";
    request.network = (ProtobufCBinaryData) { sizeof(b->network), (uint8_t *)b->network };
    request.browser = (ProtobufCBinaryData) { sizeof(b->cookie), (uint8_t *)b->cookie };
    when(house_caller("@accounts"), "CountProviderAttempt", &request);
    if (then_event_count() == 0)
        then_refused(CODE_RESOURCE_EXHAUSTED);
    else
        then_event(then_event_count() - 1, "ProviderAttempted");
    return then_event_count() > 0;
}

TEST(no_provider_is_asked_before_it_is_counted)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1);
    idp.counted_for = a_browser(9);
    begin(&b, anonymous()); /* all is known: the provider is not asked */
    assert_int_equal(idp.counted_for.cookie[0], 9);
    come_back(&b, anonymous(), idp.started.state);
    then_ok();
    assert_memory_equal(idp.counted_for.cookie, b.cookie, sizeof(b.cookie));
    assert_memory_equal(idp.counted_for.network, b.network, sizeof(b.network));
    assert_int_equal(idp.asked, 1);

    idp.counted = CODE_RESOURCE_EXHAUSTED;
    given_time_passes(SECOND_MS);
    begin(&b, anonymous());
    come_back(&b, anonymous(), idp.started.state);
    then_refused(CODE_RESOURCE_EXHAUSTED);
    then_no_event();
    StartProviderSignInRequest request = START_PROVIDER_SIGN_IN_REQUEST_INIT;
    request.provider = "bankid";
    idp.unknown = true;
    when(anonymous(), "StartProviderSignIn", &request);
    then_refused(CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(idp.asked, 1);
    idp.counted = CODE_OK;
    assert_non_null(begin(&b, anonymous()));
    assert_int_equal(idp.asked, 2);
}

TEST(a_network_has_a_provider_asked_so_often_and_hinders_no_other)
{
    given_provider("anna", 3);
    struct browser stranger = a_browser(1), neighbour = a_browser(2), other = a_browser(3);
    memcpy(neighbour.network, stranger.network, sizeof(stranger.network));
    for (int i = 0; i < 100; i++) {
        stranger.cookie[0] = (uint8_t)i; /* another browser each time */
        assert_true(attempt(&stranger));
    }
    assert_false(attempt(&stranger));
    assert_false(attempt(&neighbour));
    assert_true(attempt(&other));
    given_time_passes(HOUR_MS);
    assert_true(attempt(&neighbour));
}

TEST(who_has_signed_in_in_this_browser_is_not_hindered_by_her_network)
{
    given_provider("anna", 3);
    struct browser home = a_browser(1), phone = a_browser(2), stranger = a_browser(3);
    memcpy(stranger.network, home.network, sizeof(home.network));
    sign_in(&home, anonymous());
    idp.subject = "somebody else";
    given_time_passes(SECOND_MS);
    sign_in(&phone, anonymous());
    while (attempt(&stranger))
        ;
    idp.subject = "anna";
    for (int i = 0; i < 20; i++)
        assert_true(attempt(&home));
    given_time_passes(SECOND_MS);
    sign_in(&phone, anonymous()); /* hers from now on */
    for (int i = 0; i < 20; i++)
        assert_true(attempt(&phone));
    assert_false(attempt(&home)); /* hers, whatever the browser */
    assert_false(attempt(&phone));
    given_time_passes(HOUR_MS);
    assert_true(attempt(&home));
}

TEST(a_browser_that_changed_hands_goes_with_its_last_owner)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1);
    sign_in(&b, anonymous());
    struct caller anna = signed_in(resolve(&b)->id);
    b.signed_in = false; /* she signed out */
    idp.subject = "berta";
    given_time_passes(SECOND_MS);
    sign_in(&b, anonymous());
    struct caller berta = signed_in(resolve(&b)->id);
    given_time_passes(SECOND_MS);
    EraseAccountRequest request = ERASE_ACCOUNT_REQUEST_INIT;
    request.confirm = true;
    from(&b);
    when(anna, "EraseAccount", &request);
    then_ok();
    for (int i = 0; i < 40; i++)
        assert_true(attempt(&b));
    assert_false(attempt(&b)); /* still Berta's */
    Fokus__Runtime__V1__ExportPersonRequest hers = FOKUS__RUNTIME__V1__EXPORT_PERSON_REQUEST__INIT;
    Fokus__Runtime__V1__ExportPersonResponse *page;
    hers.person = (char *)berta.id;
    ask(house_caller("@accounts"), "fokus.runtime.v1.RuntimeService/ExportPerson", &hers, &page);
    assert_true(page->n_items > 0);
}

TEST(only_accounts_itself_counts)
{
    CountProviderAttemptRequest request = COUNT_PROVIDER_ATTEMPT_REQUEST_INIT;
    request.provider = "bankid";
    when(house_caller("@gateway"), "CountProviderAttempt", &request);
    then_refused(CODE_PERMISSION_DENIED);
    when(anonymous(), "CountProviderAttempt", &request);
    then_refused(CODE_PERMISSION_DENIED);
    when(signed_in("019b0000-0000-7000-8000-000000000001"), "CountProviderAttempt", &request);
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(an_e_identification_belongs_to_one_account)
{
    given_provider("anna", 3);
    struct browser a = a_browser(1), b = a_browser(2);
    sign_in(&a, anonymous());
    struct caller berta = given_signed_in(&b, BERTA);
    begin(&b, berta);
    come_back(&b, berta, idp.started.state);
    then_refused(CODE_ALREADY_EXISTS);
    then_no_event();
    idp.subject = "berta";
    given_time_passes(SECOND_MS);
    assert_true(sign_in(&b, berta)->linked);
    idp.subject = "berta-2";
    given_time_passes(SECOND_MS);
    begin(&b, berta);
    come_back(&b, berta, idp.started.state);
    then_refused(CODE_FAILED_PRECONDITION); /* one of a provider's */
}

TEST(an_e_identification_is_taken_away_unless_it_is_the_last_way_in)
{
    given_provider("anna", 3);
    struct browser a = a_browser(1), b = a_browser(2);
    sign_in(&a, anonymous());
    struct caller without_address = signed_in(resolve(&a)->id);
    from(&a);
    unlink_provider(without_address);
    then_refused(CODE_FAILED_PRECONDITION);

    idp.subject = "berta";
    struct caller berta = given_signed_in(&b, BERTA);
    sign_in(&b, berta);
    from(&b);
    unlink_provider(berta);
    then_event(0, "IdentityUnlinked");
    assert_int_equal(mine(berta)->n_providers, 0);
    unlink_provider(berta);
    then_ok();
    then_no_event();
    given_time_passes(SECOND_MS);
    struct browser c = a_browser(3);
    assert_true(sign_in(&c, anonymous())->first_time); /* nobody's any more */
    assert_string_not_equal(resolve(&c)->id, berta.id);
}

TEST(an_erased_person_leaves_her_e_identification)
{
    given_provider("anna", 3);
    struct browser b = a_browser(1);
    sign_in(&b, anonymous());
    struct caller anna = signed_in(resolve(&b)->id);
    EraseAccountRequest request = ERASE_ACCOUNT_REQUEST_INIT;
    request.confirm = true;
    from(&b);
    when(anna, "EraseAccount", &request);
    then_ok();
    b.signed_in = false;
    given_time_passes(SECOND_MS);
    assert_true(sign_in(&b, anonymous())->first_time);
    assert_string_not_equal(resolve(&b)->id, anna.id);
}

TEST(providers_are_listed_and_others_are_refused)
{
    given_provider("anna", 3);
    ListProvidersRequest listing = LIST_PROVIDERS_REQUEST_INIT;
    ListProvidersResponse *listed;
    ask(anonymous(), "ListProviders", &listing, &listed);
    assert_int_equal(listed->n_providers, 1);
    assert_string_equal(listed->providers[0]->provider, "bankid");
    assert_string_equal(listed->providers[0]->name, "BankID");
    StartProviderSignInRequest request = START_PROVIDER_SIGN_IN_REQUEST_INIT;
    struct browser b = a_browser(1);
    request.provider = "another";
    from(&b);
    when(anonymous(), "StartProviderSignIn", &request);
    then_refused(CODE_NOT_FOUND);
    request.provider = "bankid";
    given_origin(&(struct origin) { 0 });
    when(anonymous(), "StartProviderSignIn", &request);
    then_refused(CODE_FAILED_PRECONDITION);
}

TESTS(&accounts_service)
