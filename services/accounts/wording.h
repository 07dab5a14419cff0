/* wording.h - what the mails say, in Swedish and English, as plain text and as HTML. */
#pragma once
#include "common/mail.h"
#include "services/accounts/tables.h"

/* Fills subject, text, html and language. `site` is where people reach us, such as "https://fokus.example"; "":
 * nobody knows, and what leads there is left out. Texts live in the arena. 0;
 * -EINVAL: there is no such mail; -ENOMEM. */
int wording_of(struct arena *arena, MailKind kind, const MailContent *content, const char *site,
               struct mail *ret) must_check;
