/* mails.h - what is to be sent, put into the log: so none is lost, and none is sent of what did not come about. */
#pragma once
#include "services/accounts/seals.h"

enum { MAIL_NOTICE_DAYS = 1 }; /* a notice is tried for so long */

/* Queues a mail: sealed for `slot`, which is a person or a sign-in. `content` has its address and language. */
int mail_queue(const struct decide_in *in, struct outcome *out, const char *slot, MailKind kind,
               const MailContent *content, int64_t expires_ms) must_check;
/* The same to a person, in her language; nothing when she has no address. `content` is filled in but for address and language. */
int mail_notice(const struct decide_in *in, struct outcome *out, const char *person,
                const PersonRow *row, MailKind kind, MailContent *content) must_check;
