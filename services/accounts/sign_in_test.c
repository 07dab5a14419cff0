/* sign_in_test.c - signing in with a code or a link, and the attacks on it. */
#include "services/accounts/testing.h"

TEST(the_code_in_the_mail_signs_in)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, " Anna@Example.SE ");
    then_event(0, "LimitKeyMade");
    then_event(1, "SignInStarted");
    then_event(2, "MailQueued");
    const MailContent *mail = queued_mail(2);
    assert_string_equal(mail->address, ANNA);
    assert_int_equal(strlen(mail->code), 6);
    assert_string_equal(mail->sign_in, started->sign_in);
    assert_int_equal(started->expires_ms, given_now_ms() + 10 * MINUTE_MS);

    char spaced[8];
    (void)snprintf(spaced, sizeof(spaced), "%.3s %s", mail->code, mail->code + 3);
    const FinishSignInResponse *done = finish(&b, started->sign_in, spaced, "");
    assert_int_equal(done->outcome, SIGN_IN_OUTCOME_SIGNED_IN);
    assert_true(done->first_time);
    assert_string_equal(done->return_to, "/organisationer");
    then_event(0, "SignInEnded");
    then_event(1, "AccountOpened");
    const AccountsEvent *event = then_event(2, "SessionStarted");
    assert_true(event->session_started->new_device);
    assert_int_equal(then_event_count(), 3);
    take_session(&b);
    assert_memory_equal(event->session_started->token_hash.data, b.session, TOKEN_HASH_BYTES);
}

TEST(the_link_in_the_mail_signs_in)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, ANNA);
    const FinishSignInResponse *done = finish(&b, started->sign_in, "", last_mail()->link_token);
    assert_int_equal(done->outcome, SIGN_IN_OUTCOME_SIGNED_IN);
}

TEST(the_same_person_comes_back_to_the_same_account)
{
    struct browser a = a_browser(1), b = a_browser(2);
    struct caller first = given_signed_in(&a, ANNA);
    const StartSignInResponse *started = start(&b, "ANNA@example.se");
    const FinishSignInResponse *done = finish(&b, started->sign_in, last_mail()->code, "");
    assert_false(done->first_time);
    then_event(1, "SessionStarted");
    assert_int_equal(last_mail()->code[0], '\0'); /* tells of the new browser */
    take_session(&b);
    assert_string_equal(resolve(&b)->id, first.id);
    assert_string_not_equal(given_signed_in(&a, BERTA).id, first.id);
}

TEST(nothing_tells_a_known_address_from_an_unknown_one)
{
    struct browser a = a_browser(1), b = a_browser(2);
    given_signed_in(&a, ANNA);
    const StartSignInResponse *known = start(&b, ANNA);
    size_t n_events = then_event_count();
    const AccountsEvent *of_known = then_event(0, "SignInStarted");
    const StartSignInResponse *unknown = start(&b, BERTA);
    const AccountsEvent *of_unknown = then_event(0, "SignInStarted");
    assert_int_equal(then_event_count(), n_events);
    assert_int_equal(known->expires_ms, unknown->expires_ms);
    assert_int_equal(strlen(known->sign_in), strlen(unknown->sign_in));
    assert_int_equal(of_known->sign_in_started->sealed.len,
                     of_unknown->sign_in_started->sealed.len);
    assert_int_equal(of_known->sign_in_started->n_uses, of_unknown->sign_in_started->n_uses);
    assert_false(of_known->sign_in_started->known_device);
}

TEST(a_code_is_used_once)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, ANNA);
    const MailContent *mail = last_mail();
    finish(&b, started->sign_in, mail->code, "");
    const FinishSignInResponse *again = finish(&b, started->sign_in, mail->code, "");
    assert_int_equal(again->outcome, SIGN_IN_OUTCOME_ENDED);
    then_no_event();
    assert_false(then_session()->change);
    assert_int_equal(finish(&b, started->sign_in, "", mail->link_token)->outcome,
                     SIGN_IN_OUTCOME_ENDED);
}

TEST(five_wrong_codes_end_the_sign_in)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, ANNA);
    const MailContent *mail = last_mail();
    for (uint32_t left = 4; left > 0; left--) {
        const FinishSignInResponse *wrong = finish(&b, started->sign_in, not_code(mail->code), "");
        assert_int_equal(wrong->outcome, SIGN_IN_OUTCOME_WRONG_CODE);
        assert_int_equal(wrong->tries_left, left);
    }
    assert_int_equal(finish(&b, started->sign_in, "1234567", "")->outcome, SIGN_IN_OUTCOME_ENDED);
    then_event(0, "SignInTried");
    then_event(1, "SignInEnded");
    assert_int_equal(finish(&b, started->sign_in, mail->code, "")->outcome, SIGN_IN_OUTCOME_ENDED);
    then_no_event();
}

TEST(the_last_try_may_be_right)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, ANNA);
    const MailContent *mail = last_mail();
    for (int i = 0; i < 4; i++)
        finish(&b, started->sign_in, not_code(mail->code), "");
    assert_int_equal(finish(&b, started->sign_in, mail->code, "")->outcome,
                     SIGN_IN_OUTCOME_SIGNED_IN);
}

TEST(only_the_browser_that_asked_may_finish)
{
    struct browser hers = a_browser(1), other = a_browser(2);
    const StartSignInResponse *started = start(&hers, ANNA);
    const MailContent *mail = last_mail();
    assert_int_equal(finish(&other, started->sign_in, mail->code, "")->outcome,
                     SIGN_IN_OUTCOME_OTHER_BROWSER);
    then_no_event();
    assert_int_equal(finish(&other, started->sign_in, "", mail->link_token)->outcome,
                     SIGN_IN_OUTCOME_OTHER_BROWSER);
    given_origin(&(struct origin) { 0 });
    FinishSignInRequest request = FINISH_SIGN_IN_REQUEST_INIT;
    request.sign_in = started->sign_in;
    request.code = mail->code;
    when(anonymous(), "FinishSignIn", &request);
    assert_int_equal(((const FinishSignInResponse *)then_response())->outcome,
                     SIGN_IN_OUTCOME_OTHER_BROWSER);
    assert_int_equal(finish(&hers, started->sign_in, mail->code, "")->outcome,
                     SIGN_IN_OUTCOME_SIGNED_IN);
}

TEST(a_code_counts_for_ten_minutes)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, ANNA);
    const MailContent *mail = last_mail();
    given_time_passes(10 * MINUTE_MS);
    assert_int_equal(finish(&b, started->sign_in, mail->code, "")->outcome, SIGN_IN_OUTCOME_ENDED);
    started = start(&b, ANNA);
    mail = last_mail();
    given_time_passes(10 * MINUTE_MS - 1);
    assert_int_equal(finish(&b, started->sign_in, mail->code, "")->outcome,
                     SIGN_IN_OUTCOME_SIGNED_IN);
}

TEST(a_clock_that_jumps_back_makes_no_code_last_longer)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, ANNA);
    const MailContent *mail = last_mail();
    given_time_passes(-HOUR_MS);
    assert_int_equal(finish(&b, started->sign_in, mail->code, "")->outcome, SIGN_IN_OUTCOME_ENDED);
    given_time_passes(HOUR_MS - MINUTE_MS); /* a clock that is put right by a little */
    assert_int_equal(finish(&b, started->sign_in, mail->code, "")->outcome,
                     SIGN_IN_OUTCOME_SIGNED_IN);
}

TEST(sign_ins_that_ran_out_leave_the_vault)
{
    struct browser b = a_browser(1);
    struct vault_stats stats;
    start(&b, ANNA);
    start(&b, BERTA);
    given_time_passes(10 * MINUTE_MS);
    KeepHouseRequest request = KEEP_HOUSE_REQUEST_INIT;
    when(operator_caller(), "KeepHouse", &request);
    assert_int_equal(((const KeepHouseResponse *)then_response())->sign_ins_ended, 2);
    vault_stats(given_vault(), &stats);
    assert_int_equal(stats.persons, 1); /* the key of limits */
    when(operator_caller(), "KeepHouse", &request);
    then_ok();
    then_no_event();
    start(&b, ANNA);
    given_time_passes(10 * MINUTE_MS);
    start(&b, ANNA); /* ends the one before, too */
    assert_int_equal(then_events_of("SignInEnded"), 1);
}

TEST(a_browser_without_cookies_is_told)
{
    StartSignInRequest request = START_SIGN_IN_REQUEST_INIT;
    request.address = ANNA;
    when(anonymous(), "StartSignIn", &request);
    then_refused(CODE_FAILED_PRECONDITION);
}

static void start_badly(const char *address, const char *return_to, const char *field)
{
    struct browser b = a_browser(1);
    StartSignInRequest request = START_SIGN_IN_REQUEST_INIT;
    request.address = (char *)address;
    request.return_to = (char *)return_to;
    from(&b);
    when(anonymous(), "StartSignIn", &request);
    then_refused(CODE_INVALID_ARGUMENT);
    then_violation(field);
    then_no_event();
}

TEST(addresses_that_are_none_or_look_like_anothers_are_refused)
{
    start_badly("anna", "", "address");
    start_badly("anna@example.se\r\nbcc: x@example.org", "", "address");
    start_badly("anna@ex\xd0\xb0mple.se", "", "address"); /* with a Cyrillic a */
    start_badly("\"anna b\"@example.se", "", "address");
    char overlong[400] = "a";
    memset(overlong, 'a', 300);
    memcpy(overlong + 300, "@example.se", sizeof("@example.se"));
    start_badly(overlong, "", "address");
}

TEST(the_page_afterwards_is_one_of_ours)
{
    start_badly(ANNA, "https://example.org/", "return_to");
    start_badly(ANNA, "//example.org/", "return_to");
    start_badly(ANNA, "/\\example.org/", "return_to");
    start_badly(ANNA, "\\/example.org", "return_to");
    start_badly(ANNA, "javascript:alert(1)", "return_to");
    start_badly(ANNA, "organisationer", "return_to");
}

TEST(one_of_code_and_link_is_given)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, ANNA);
    FinishSignInRequest request = FINISH_SIGN_IN_REQUEST_INIT;
    request.sign_in = started->sign_in;
    when(anonymous(), "FinishSignIn", &request);
    then_violation("code");
    request.code = "123456";
    request.link_token = "x";
    when(anonymous(), "FinishSignIn", &request);
    then_violation("code");
}

TEST(a_sign_in_that_never_was_has_ended)
{
    struct browser b = a_browser(1);
    assert_int_equal(finish(&b, "0190163d-8694-739b-aea5-966c26f8ad91", "123456", "")->outcome,
                     SIGN_IN_OUTCOME_ENDED);
    then_no_event();
}

/* ---- limits ---- */

static void start_is_limited(const struct browser *b, const char *address)
{
    StartSignInRequest request = START_SIGN_IN_REQUEST_INIT;
    request.address = (char *)address;
    from(b);
    when(anonymous(), "StartSignIn", &request);
    then_refused(CODE_RESOURCE_EXHAUSTED);
    then_no_event();
}

TEST(a_network_gets_five_codes_an_hour_for_an_address)
{
    struct browser b = a_browser(1), elsewhere = a_browser(2);
    for (int i = 0; i < 5; i++)
        start(&b, ANNA);
    start_is_limited(&b, ANNA);
    start(&b, BERTA);
    start(&elsewhere, ANNA);
    given_time_passes(HOUR_MS);
    start(&b, ANNA);
}

TEST(strangers_together_cannot_flood_a_mailbox_and_do_not_hinder_a_browser_that_knows_it)
{
    struct browser hers = a_browser(1);
    given_signed_in(&hers, ANNA);
    for (uint8_t i = 0; i < 7; i++) { /* hers was the first of eight an hour */
        struct browser b = a_browser((uint8_t)(100 + i));
        start(&b, ANNA);
    }
    struct browser b = a_browser(200), new_one = a_browser(1);
    start_is_limited(&b, ANNA);
    memset(new_one.cookie, 77, sizeof(new_one.cookie)); /* from her network, another browser */
    start_is_limited(&new_one, ANNA);
    const StartSignInResponse *started = start(&hers, ANNA);
    assert_int_equal(finish(&hers, started->sign_in, last_mail()->code, "")->outcome,
                     SIGN_IN_OUTCOME_SIGNED_IN);
    for (int day = 0; day < 2; day++) { /* and twenty a day */
        for (uint8_t i = 0; i < 6; i++) {
            struct browser c = a_browser((uint8_t)(110 + i));
            given_time_passes(HOUR_MS);
            start(&c, ANNA);
        }
    }
    given_time_passes(HOUR_MS);
    start_is_limited(&b, ANNA);
    start(&hers, ANNA);
    given_time_passes(DAY_MS);
    start(&b, ANNA);
}

TEST(a_network_gets_a_hundred_codes_an_hour)
{
    struct browser b = a_browser(1), elsewhere = a_browser(2);
    char address[64];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(address, sizeof(address), "person-%d@example.se", i);
        start(&b, address);
    }
    start_is_limited(&b, ANNA);
    start(&elsewhere, ANNA);
}

TEST(after_twenty_wrong_codes_by_strangers_only_the_link_counts_for_them)
{
    struct browser hers = a_browser(1);
    given_signed_in(&hers, ANNA);
    for (uint8_t i = 0; i < 4; i++) {
        struct browser b = a_browser((uint8_t)(100 + i));
        const StartSignInResponse *started = start(&b, ANNA);
        const char *code = last_mail()->code;
        for (int j = 0; j < 5; j++)
            finish(&b, started->sign_in, not_code(code), "");
    }
    struct browser b = a_browser(200);
    const StartSignInResponse *started = start(&b, ANNA);
    const MailContent *mail = last_mail();
    assert_int_equal(finish(&b, started->sign_in, mail->code, "")->outcome,
                     SIGN_IN_OUTCOME_LINK_NEEDED);
    then_no_event();
    assert_int_equal(finish(&b, started->sign_in, "", mail->link_token)->outcome,
                     SIGN_IN_OUTCOME_SIGNED_IN);
    started = start(&hers, ANNA);
    assert_int_equal(finish(&hers, started->sign_in, last_mail()->code, "")->outcome,
                     SIGN_IN_OUTCOME_SIGNED_IN);
}

TEST(limits_that_ran_out_leave_the_tables_and_a_clock_put_right_locks_nobody_out)
{
    struct browser b = a_browser(1);
    start(&b, BERTA);
    given_time_passes(HOUR_MS); /* the key of limits is older than what is counted */
    for (int i = 0; i < 5; i++)
        start(&b, ANNA);
    start_is_limited(&b, ANNA);
    given_time_passes(-10 * MINUTE_MS);
    start_is_limited(&b, ANNA); /* jumped back within the hour: still counted */
    given_time_passes(-30 * DAY_MS);
    start(&b, ANNA); /* the clock was a month ahead */
}

TESTS(&accounts_service)
