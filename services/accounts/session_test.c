/* session_test.c - sessions: how they end, and that they end everywhere. */
#include "services/accounts/sessions.h"

#include "services/accounts/testing.h"

static const ListSessionsResponse *list(struct caller who)
{
    ListSessionsRequest request = LIST_SESSIONS_REQUEST_INIT;
    ListSessionsResponse *response;
    ask(who, "ListSessions", &request, &response);
    return response;
}

static void end(struct caller who, const char *session)
{
    EndSessionRequest request = END_SESSION_REQUEST_INIT;
    request.session = (char *)session;
    when(who, "EndSession", &request);
    then_ok();
}

static void sign_out(struct browser *b)
{
    SignOutRequest request = SIGN_OUT_REQUEST_INIT;
    from(b);
    when(anonymous(), "SignOut", &request);
    then_ok();
}

TEST(a_session_stands_for_the_person_until_she_signs_out)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    const Fokus__Runtime__V1__ResolveCallerResponse *who = resolve(&b);
    assert_string_equal(who->id, anna.id);
    assert_int_equal(who->pseudonym_key.len, CALLER_KEY_BYTES);
    assert_int_equal(who->n_roles, 1);
    assert_string_equal(who->roles[0], "member");
    assert_int_equal(who->expires_ms, given_now_ms() + 10 * MINUTE_MS);
    assert_false(who->queries_only);
    sign_out(&b);
    then_event(0, "SessionEnded");
    then_event(1, "CallerForgotten");
    assert_string_equal(then_session()->token, "");
    assert_null(resolve(&b));
    then_refused(CODE_UNAUTHENTICATED);
    sign_out(&b); /* and once more: the browser forgets whatever it has */
    then_no_event();
    assert_true(then_session()->change);
}

TEST(two_persons_have_unlike_pseudonym_keys)
{
    struct browser a = a_browser(1), b = a_browser(2);
    given_signed_in(&a, ANNA);
    given_signed_in(&b, BERTA);
    assert_memory_not_equal(resolve(&a)->pseudonym_key.data, resolve(&b)->pseudonym_key.data,
                            CALLER_KEY_BYTES);
}

TEST(what_never_was_a_session_stands_for_nobody)
{
    struct browser b = a_browser(1);
    memset(b.session, 9, sizeof(b.session));
    assert_null(resolve(&b));
    then_refused(CODE_UNAUTHENTICATED);
}

TEST(a_sign_in_gives_the_browser_a_new_session_and_ends_the_one_it_had)
{
    struct browser b = a_browser(1);
    given_signed_in(&b, ANNA);
    struct browser before = b;
    given_signed_in(&b, ANNA);
    assert_memory_not_equal(before.session, b.session, sizeof(b.session));
    assert_null(resolve(&before));
    before = b;
    given_signed_in(&b, BERTA); /* another person on a shared computer */
    assert_null(resolve(&before));
    assert_non_null(resolve(&b));
}

TEST(a_person_lists_her_sessions_and_ends_one)
{
    struct browser a = a_browser(1), b = a_browser(2), other = a_browser(3);
    given_signed_in(&a, ANNA);
    given_time_passes(HOUR_MS);
    struct caller anna = given_signed_in(&b, ANNA);
    struct caller berta = given_signed_in(&other, BERTA);
    from(&b);
    const ListSessionsResponse *sessions = list(anna);
    assert_int_equal(sessions->n_sessions, 2);
    assert_true(sessions->sessions[0]->current);
    assert_false(sessions->sessions[1]->current);
    assert_string_equal(sessions->sessions[0]->network, "192.0.2.2");
    assert_string_equal(sessions->sessions[1]->network, "192.0.2.1");
    assert_int_equal(sessions->sessions[1]->method, SIGN_IN_METHOD_CODE);
    assert_int_equal(sessions->sessions[1]->expires_ms - sessions->sessions[1]->started_ms,
                     30 * DAY_MS);
    const char *of_anna = sessions->sessions[1]->session;

    from(&other);
    end(berta, of_anna); /* not hers: nothing happens, and nothing is told */
    then_no_event();
    assert_non_null(resolve(&a));
    from(&b);
    end(anna, of_anna);
    then_event(0, "SessionEnded");
    assert_false(then_session()->change);
    assert_null(resolve(&a));
    assert_int_equal(list(anna)->n_sessions, 1);
    end(anna, of_anna);
    then_no_event();
    end(anna, list(anna)->sessions[0]->session); /* the one that asks */
    assert_string_equal(then_session()->token, "");
    assert_null(resolve(&b));
}

TEST(a_person_ends_all_her_other_sessions)
{
    struct browser a = a_browser(1), b = a_browser(2), c = a_browser(3);
    given_signed_in(&a, ANNA);
    given_signed_in(&b, ANNA);
    struct caller anna = given_signed_in(&c, ANNA);
    EndOtherSessionsRequest request = END_OTHER_SESSIONS_REQUEST_INIT;
    from(&c);
    when(anna, "EndOtherSessions", &request);
    assert_int_equal(((const EndOtherSessionsResponse *)then_response())->ended, 2);
    assert_int_equal(then_events_of("CallerForgotten"), 2);
    assert_null(resolve(&a));
    assert_null(resolve(&b));
    assert_non_null(resolve(&c));
}

TEST(a_program_with_a_key_cannot_end_sessions)
{
    struct browser b = a_browser(1), none = a_browser(9);
    struct caller anna = given_signed_in(&b, ANNA);
    EndOtherSessionsRequest request = END_OTHER_SESSIONS_REQUEST_INIT;
    from(&none);
    when(anna, "EndOtherSessions", &request);
    then_refused(CODE_PERMISSION_DENIED);
}

TEST(a_session_lasts_thirty_days_if_it_is_used_each_week)
{
    struct browser b = a_browser(1);
    given_signed_in(&b, ANNA);
    for (int week = 0; week < 4; week++) {
        given_time_passes(7 * DAY_MS - 1);
        assert_non_null(resolve(&b));
    }
    const Fokus__Runtime__V1__ResolveCallerResponse *who = resolve(&b);
    given_time_passes(2 * DAY_MS - 60 * SECOND_MS);
    who = resolve(&b);
    assert_int_equal(who->expires_ms, given_now_ms() + 60 * SECOND_MS + 4); /* its last minute */
    given_time_passes(60 * SECOND_MS + 4);
    assert_null(resolve(&b));
}

TEST(an_idle_session_ends_after_a_week)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    given_time_passes(7 * DAY_MS);
    assert_null(resolve(&b));
    from(&b);
    assert_int_equal(list(anna)->n_sessions, 0);
}

/* What the service does each hour. */
static const KeepHouseResponse *keep_house(void)
{
    struct chore chore;
    assert_true(uses_chore(test_arena, given_now_ms(), &chore));
    when(operator_caller(), "KeepHouse", chore.request);
    return then_response();
}

TEST(when_a_session_was_last_used_survives_a_restart_as_of_the_hour)
{
    uses_forget();
    struct browser b = a_browser(1);
    given_signed_in(&b, ANNA);
    given_time_passes(6 * DAY_MS);
    assert_non_null(resolve(&b));
    keep_house();
    then_event(0, "UsesRecorded");
    keep_house();
    then_no_event(); /* nothing was used since */
    uses_forget();
    given_time_passes(6 * DAY_MS);
    assert_non_null(resolve(&b));
    uses_forget();
    given_time_passes(DAY_MS);
    assert_null(resolve(&b)); /* the crash took the last use with it */
}

TEST(sessions_past_their_last_day_leave_the_tables)
{
    uses_forget();
    struct browser a = a_browser(1), b = a_browser(2);
    given_signed_in(&a, ANNA);
    given_time_passes(DAY_MS);
    given_signed_in(&b, ANNA);
    given_time_passes(29 * DAY_MS);
    assert_int_equal(keep_house()->sessions_ended, 1);
    assert_int_equal(then_events_of("CallerForgotten"), 1);
    given_time_passes(DAY_MS);
    assert_int_equal(keep_house()->sessions_ended, 1);
}

TEST(a_clock_that_jumps_back_makes_no_session_last_longer)
{
    struct browser b = a_browser(1);
    given_signed_in(&b, ANNA);
    given_time_passes(-HOUR_MS);
    assert_null(resolve(&b));
    given_time_passes(HOUR_MS);
    assert_non_null(resolve(&b));
}

TEST(the_oldest_of_fifty_sessions_gives_way)
{
    struct browser first = a_browser(1), second = a_browser(2);
    given_signed_in(&first, ANNA);
    given_signed_in(&second, ANNA);
    for (uint8_t i = 3; i <= SESSIONS_MAX + 1; i++) {
        struct browser b = a_browser(i);
        given_time_passes(2 * HOUR_MS);
        given_signed_in(&b, ANNA);
    }
    assert_null(resolve(&first));
    assert_non_null(resolve(&second));
}

/* ---- the account ---- */

static const GetMeResponse *get_me(struct caller who)
{
    GetMeRequest request = GET_ME_REQUEST_INIT;
    GetMeResponse *response;
    ask(who, "GetMe", &request, &response);
    return response;
}

static void revise(struct caller who, const char *display_name, const char *language)
{
    ReviseProfileRequest request = REVISE_PROFILE_REQUEST_INIT;
    request.display_name = (char *)display_name;
    request.language = (char *)language;
    when(who, "ReviseProfile", &request);
}

TEST(a_person_calls_herself_what_she_likes)
{
    struct browser b = a_browser(1);
    struct caller anna = given_signed_in(&b, ANNA);
    const GetMeResponse *me = get_me(anna);
    assert_string_equal(me->person, anna.id);
    assert_string_equal(me->address, ANNA);
    assert_string_equal(me->display_name, "");
    assert_string_equal(me->language, "sv");
    revise(anna, "Blåklint", "en");
    const AccountsEvent *event = then_event(0, "ProfileRevised");
    assert_null(memmem(event->profile_revised->sealed_profile.data,
                       event->profile_revised->sealed_profile.len, "klint", 5));
    assert_string_equal(get_me(anna)->display_name, "Blåklint");
    assert_string_equal(get_me(anna)->language, "en");
    assert_string_equal(get_me(anna)->address, ANNA);
    revise(anna, "Blåklint", "en");
    then_ok();
    then_no_event();
    revise(anna, "Blåklint", "de");
    then_violation("language");
}

TEST(who_is_not_signed_in_has_no_account_to_see)
{
    assert_null(get_me(anonymous()));
    then_refused(CODE_UNAUTHENTICATED);
    assert_null(get_me(signed_in("0190163d-8694-739b-aea5-966c26f8ad91")));
    then_refused(CODE_FAILED_PRECONDITION);
    assert_null(get_me(operator_caller()));
    then_refused(CODE_FAILED_PRECONDITION);
}

TESTS(&accounts_service)
