/* mail.h - one e-mail to one person, composed: a sign-in code, a notice. (A newsletter to thousands has its own sender.)
 *
 * What comes out is a whole message of RFC 5322 and MIME: Date, From, To, Reply-To, Subject, Message-ID, Content-Language,
 * Auto-Submitted (RFC 3834: so that nobody's out-of-office answers), then the text, or text and HTML as alternatives, plain first
 * and HTML last (RFC 2046, 5.1.4). Lines end in CRLF and are at most 78 characters, but for an address or a word that is longer.
 * Texts are UTF-8 as quoted-printable, headers beyond ASCII are encoded words (RFC 2047). Dots at the beginning of a line are the
 * transport's to double. It is a function of `struct mail` alone, no clock, no chance: sending again after a crash sends the
 * same bytes with the same Message-ID, so that a second copy can be told and dropped.
 *
 * Security: no value can become a header of its own. Line breaks and every other control character, characters that turn the
 * direction of what stands after them, invalid UTF-8, overlong values and anything that is no address are refused, all of them
 * before the first byte is written, each with the name of its field and never with its content: `err` may be logged. NUL cannot
 * be in a C string; whoever has counted bytes looks for it (mail_address_read() and the schema's check do).
 *
 * What must not be here: nothing in `subject`, names or addresses may show a diagnosis, or anybody else's address. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/mail_address.h"
#include "common/status.h"

enum {
    MAIL_ID_MAX = 64,
    MAIL_NAME_MAX = 200,    /* bytes */
    MAIL_SUBJECT_MAX = 500, /* bytes */
    MAIL_TEXT_MAX = 256 * 1024,
    MAIL_VALUE_MAX = 900, /* bytes of a further header's value */
    MAIL_HEADERS_MAX = 16,
    MAIL_MAX = 4 * 1024 * 1024, /* no message becomes longer: BUF_INIT(MAIL_MAX) */
};

struct mail_party {
    const char *name;    /* NULL: none */
    const char *address; /* one that mail_address_read() takes; its domain goes out in ASCII */
};

struct mail_header {
    const char *name, *value;
};

/* Texts belong to the caller. */
struct mail {
    struct mail_party from, to;
    struct mail_party reply_to; /* address NULL: none */
    const char *subject;        /* one line */
    const char *text;           /* lines end in LF */
    const char *html;           /* the same content, a whole document; NULL: none */
    const char *
        id; /* a-z A-Z 0-9 - _: what stands before the sender's domain in the Message-ID. The event's id, say */
    int64_t date_ms;      /* when it was written, milliseconds since 1970 */
    const char *language; /* BCP 47: "sv", "en" */
    /* Few, ASCII: Auto-Submitted (in place of auto-generated), Feedback-ID, In-Reply-To, List-..., Precedence, References, X-... */
    const struct mail_header *headers;
    size_t n_headers;
};

/* Appends the message. -EINVAL: a value is refused, nothing was written; -ENOMEM: it did not fit into `ret`, which holds a part. */
int mail_compose(const struct mail *m, struct buf *ret, struct err *err) must_check;
