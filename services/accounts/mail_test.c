/* mail_test.c - the outbox: what is queued, tried again and dropped; and what the mails say. */
#include <errno.h>

#include "services/accounts/testing.h"
#include "services/accounts/wording.h"

static const ListOutboxResponse *outbox(void)
{
    ListOutboxRequest request = LIST_OUTBOX_REQUEST_INIT;
    ListOutboxResponse *response;
    ask(operator_caller(), "ListOutbox", &request, &response);
    return response;
}

static void record(const char *mail, MailResult result, uint32_t code)
{
    RecordMailRequest request = RECORD_MAIL_REQUEST_INIT;
    request.mail = (char *)mail;
    request.result = result;
    request.reply_code = code;
    when(operator_caller(), "RecordMail", &request);
    then_ok();
}

TEST(a_mail_leaves_the_outbox_when_it_is_sent)
{
    struct browser b = a_browser(1);
    start(&b, ANNA);
    const ListOutboxResponse *waiting = outbox();
    assert_int_equal(waiting->waiting, 1);
    assert_int_equal(waiting->mails[0]->kind, MAIL_KIND_SIGN_IN);
    assert_int_equal(waiting->mails[0]->due_ms, given_now_ms());
    record(waiting->mails[0]->mail, MAIL_RESULT_SENT, 250);
    then_event(0, "MailSent");
    assert_int_equal(outbox()->waiting, 0);
    record(waiting->mails[0]->mail, MAIL_RESULT_SENT, 250); /* told twice, after a crash */
    then_no_event();
}

TEST(a_mail_that_is_not_taken_is_tried_again_while_it_is_worth_sending)
{
    static const int64_t waits_ms[] = { 15 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS };
    struct browser b = a_browser(1);
    start(&b, ANNA);
    const char *mail = outbox()->mails[0]->mail;
    for (size_t i = 0; i < ARRAY_LEN(waits_ms); i++) {
        record(mail, MAIL_RESULT_DEFERRED, 451);
        then_event(0, "MailDeferred");
        assert_int_equal(outbox()->mails[0]->due_ms, given_now_ms() + waits_ms[i]);
        assert_int_equal(outbox()->mails[0]->tries, i + 1);
        assert_int_equal(outbox()->mails[0]->reply_code, 451);
        given_time_passes(waits_ms[i]);
    }
    record(mail, MAIL_RESULT_DEFERRED, 451); /* the code would be too old by then */
    then_event(0, "MailDropped");
    assert_int_equal(outbox()->waiting, 0);
}

TEST(a_refused_mail_is_dropped)
{
    struct browser b = a_browser(1);
    start(&b, ANNA);
    record(outbox()->mails[0]->mail, MAIL_RESULT_REFUSED, 550);
    then_event(0, "MailDropped");
    assert_int_equal(outbox()->waiting, 0);
}

TEST(the_mail_of_a_sign_in_that_is_over_is_not_sent)
{
    struct browser b = a_browser(1);
    const StartSignInResponse *started = start(&b, ANNA);
    finish(&b, started->sign_in, last_mail()->code, "");
    assert_int_equal(outbox()->waiting, 0);
}

TEST(what_a_mail_says_is_nowhere_in_the_log)
{
    struct browser b = a_browser(1);
    start(&b, ANNA);
    const AccountsEvent *event = then_event(then_event_count() - 1, "MailQueued");
    const ProtobufCBinaryData sealed = event->mail_queued->sealed;
    assert_null(memmem(sealed.data, sealed.len, "anna", 4));
    const MailContent *mail = last_mail();
    assert_null(memmem(sealed.data, sealed.len, mail->code, 6));
}

/* ---- wording ---- */

static const char *site = "https://fokus.example";

static struct mail written(MailKind kind, MailContent *content, const char *language)
{
    struct mail mail = { .subject = NULL };
    content->language = (char *)language;
    assert_int_equal(wording_of(test_arena, kind, content, site, &mail), 0);
    mail.from.address = "fokus@fokus.example";
    mail.to.address = ANNA;
    mail.id = "0190163d-8694-739b-aea5-966c26f8ad91";
    mail.date_ms = given_now_ms();
    struct buf out = BUF_INIT(MAIL_MAX);
    struct err err = { "" };
    if (mail_compose(&mail, &out, &err) < 0)
        fail_msg("%s", err.text);
    buf_free(&out);
    return mail;
}

static void holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected \"%s\" in:\n%s", part, text);
}

TEST(the_mail_with_the_code_holds_code_and_link_in_both_languages)
{
    MailContent content = MAIL_CONTENT_INIT;
    content.code = "012345";
    content.sign_in = "0190163d-8694-739b-aea5-966c26f8ad91";
    content.link_token = "AbC-_";
    static const char link[] =
        "https://fokus.example/logga-in/lank?id=0190163d-8694-739b-aea5-966c26f8ad91&token=AbC-_";
    struct mail mail = written(MAIL_KIND_SIGN_IN, &content, "sv");
    holds(mail.subject, "Din kod");
    assert_null(strstr(mail.subject, "012")); /* seen on a locked telephone */
    holds(mail.text, "\n\n012 345\n\n");
    holds(mail.text, "webbläsare:\n");
    holds(mail.text, link);
    holds(mail.html, ">012 345<");
    holds(mail.html, "token=AbC-_\">https://fokus.example/logga-in/lank?id=");
    holds(mail.html, "&amp;token=");
    holds(mail.html, "<html lang=\"sv\">");
    mail = written(MAIL_KIND_SIGN_IN, &content, "en");
    holds(mail.subject, "Your code");
    holds(mail.html, "<html lang=\"en\">");
}

TEST(without_a_site_no_mail_leads_anywhere)
{
    MailContent content = MAIL_CONTENT_INIT;
    content.code = "012345";
    content.link_token = "AbC-_";
    site = "";
    for (int kind = MAIL_KIND_SIGN_IN; kind <= MAIL_KIND_PROVIDER_LINKED; kind++) {
        for (int english = 0; english < 2; english++) {
            struct mail mail = written((MailKind)kind, &content, english ? "en" : "sv");
            static const char *const parts[] = { "http",          "href",         "AbC-_",
                                                 "/logga-in",     "/konto",       ":\n\nKoden",
                                                 ":\n\nThe code", ":\n\nVänliga", ":\n\nKind" };
            for (size_t i = 0; i < ARRAY_LEN(parts); i++)
                if (strstr(mail.text, parts[i]) || strstr(mail.html, parts[i]))
                    fail_msg("\"%s\" in:\n%s", parts[i], mail.text);
            if (kind == MAIL_KIND_SIGN_IN)
                holds(mail.text, "\n\n012 345\n\n");
        }
    }
    site = "https://fokus.example";
}

TEST(what_a_person_wrote_is_text_and_no_markup)
{
    MailContent content = MAIL_CONTENT_INIT;
    content.role = FOKUS__V1__ROLE__ROLE_REPRESENTATIVE;
    content.scope = "exempelforbundet";
    content.reason = "<script>alert(\"{code}\")</script>\n& mer";
    struct mail mail = written(MAIL_KIND_ROLE_GRANTED, &content, "sv");
    holds(mail.text, "Du är nu företrädare för exempelforbundet.");
    holds(mail.text, "<script>alert(\"{code}\")</script>\n& mer");
    holds(mail.html, "&lt;script&gt;alert(&quot;{code}&quot;)&lt;/script&gt;<br>\n&amp; mer");
    assert_null(strstr(mail.html, "<script"));
}

TEST(every_mail_can_be_written_in_both_languages_for_every_role)
{
    MailContent content = MAIL_CONTENT_INIT;
    content.reason = "Skäl";
    content.name = "Namn";
    for (int kind = MAIL_KIND_SIGN_IN; kind <= MAIL_KIND_PROVIDER_LINKED; kind++) {
        for (int role = FOKUS__V1__ROLE__ROLE_MEMBER; role <= FOKUS__V1__ROLE__ROLE_OPERATOR;
             role++) {
            content.role = (Fokus__V1__Role)role;
            content.scope = role_has_scope(role) ? "exempel" : "";
            struct mail sv = written((MailKind)kind, &content, "sv");
            struct mail en = written((MailKind)kind, &content, "en");
            assert_string_not_equal(sv.text, en.text);
            holds(sv.text, "Hej!\n\n");
            holds(en.text, "Hello,\n\n");
            assert_null(strchr(sv.text, '{'));
            assert_null(strchr(en.text, '{'));
        }
    }
    struct mail mail;
    assert_int_equal(wording_of(test_arena, (MailKind)99, &content, "", &mail), -EINVAL);
}

TESTS(&accounts_service)
