/* query_mail.c - the outbox as the operator sees it: nothing of what mails say, nor where they go. */
#include <errno.h>

#include "services/accounts/tables.h"

enum { SHOWN = 100 };

int accounts_list_outbox(const struct query_in *in, const ListOutboxRequest *req,
                         ListOutboxResponse *res, struct status *status)
{
    (void)req;    /* asks nothing */
    (void)status; /* refuses nothing */
    struct scan s;
    res->waiting = rd_count(in->state, &T_MAIL);
    res->mails = arena_calloc(in->arena, SHOWN, sizeof(*res->mails));
    if (!res->mails)
        return -ENOMEM;
    for (scan_from(&s, in->state, &T_MAIL_DUE, &KEY_INIT, NULL);
         res->n_mails < SHOWN && scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        WaitingMail *mail = arena_alloc(in->arena, sizeof(*mail));
        char *id = arena_alloc(in->arena, ID_CHARS + 1);
        MailRow *row;
        int64_t due_ms;
        if (!mail || !id)
            return scan_give_up(&s, -ENOMEM);
        if (!key_read_i64(&reader, &due_ms) || !key_read_text(&reader, id, ID_CHARS + 1))
            return scan_give_up(&s, -EBADMSG);
        int r = rd_get(in->state, &T_MAIL, KEY_TEXT(id), &row);
        if (r < 0)
            return scan_give_up(&s, r == -ENOENT ? -EBADMSG : r);
        *mail = (WaitingMail)WAITING_MAIL_INIT;
        mail->mail = id;
        mail->kind = row->kind;
        mail->queued_ms = row->queued_ms;
        mail->due_ms = row->due_ms;
        mail->tries = row->tries;
        mail->reply_code = row->reply_code;
        res->mails[res->n_mails++] = mail;
    }
    return scan_end(&s);
}
