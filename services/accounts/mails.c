/* mails.c - see mails.h. */
#include "services/accounts/mails.h"

#include <errno.h>

int mail_queue(const struct decide_in *in, struct outcome *out, const char *slot, MailKind kind,
               const MailContent *content, int64_t expires_ms)
{
    char *id = arena_alloc(in->arena, ID_CHARS + 1);
    if (!id)
        return -ENOMEM;
    id_next(in->ids, in->now_ms, id);
    MailQueued event = MAIL_QUEUED_INIT;
    event.mail = id;
    event.slot = (char *)slot;
    event.kind = kind;
    event.expires_ms = expires_ms;
    int r = seal_message(&SEALING(in), slot, AT_MAIL(id), &content->base, &event.sealed);
    return r < 0 ? r : emit_mail_queued(out, id, &event);
}

int mail_notice(const struct decide_in *in, struct outcome *out, const char *person,
                const PersonRow *row, MailKind kind, MailContent *content)
{
    Profile *profile;
    int r = person_profile(&SEALING(in), person, row, &profile);
    if (r < 0)
        return r;
    if (!*profile->address)
        return 0;
    content->address = profile->address;
    content->language = profile->language;
    return mail_queue(in, out, person, kind, content, in->now_ms + MAIL_NOTICE_DAYS * DAY_MS);
}
