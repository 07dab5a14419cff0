/* decide_mail.c - what came of handing a mail over. A mail that is not in the outbox any more changes nothing. */
#include <errno.h>

#include "services/accounts/tables.h"

/* After the first failure, the second, ...; then each hour, as long as the mail is worth sending. */
static const int64_t again_after_ms[] = { 15 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS,
                                          15 * MINUTE_MS };

static int64_t next_try_ms(const MailRow *row, int64_t now_ms)
{
    return now_ms + (row->tries < ARRAY_LEN(again_after_ms) ? again_after_ms[row->tries] : HOUR_MS);
}

static int drop(struct outcome *out, const RecordMailRequest *req)
{
    MailDropped event = MAIL_DROPPED_INIT;
    event.mail = req->mail;
    event.reply_code = req->reply_code;
    return emit_mail_dropped(out, req->mail, &event);
}

int accounts_record_mail(const struct decide_in *in, const RecordMailRequest *req,
                         RecordMailResponse *res, struct outcome *out)
{
    (void)res; /* says nothing */
    MailSent sent = MAIL_SENT_INIT;
    MailDeferred deferred = MAIL_DEFERRED_INIT;
    MailRow *row;
    int r = rd_get(in->state, &T_MAIL, KEY_TEXT(req->mail), &row);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    switch (req->result) {
    case MAIL_RESULT_SENT:
        sent.mail = req->mail;
        return emit_mail_sent(out, req->mail, &sent);
    case MAIL_RESULT_DEFERRED:
        deferred.mail = req->mail;
        deferred.next_ms = next_try_ms(row, in->now_ms);
        deferred.reply_code = req->reply_code;
        if (deferred.next_ms >= row->expires_ms)
            return drop(out, req);
        return emit_mail_deferred(out, req->mail, &deferred);
    case MAIL_RESULT_REFUSED:
        return drop(out, req);
    case MAIL_RESULT_UNSPECIFIED:
    case _MAIL_RESULT_IS_INT_SIZE:
        break;
    }
    return outcome_violation(out, "result", "must be one there is");
}
