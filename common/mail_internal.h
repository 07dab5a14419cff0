/* mail_internal.h - between mail_send.c and the two ways that a mail can go. */
#pragma once
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/id.h"
#include "common/mail_send.h"

enum { MAIL_PASSWORD_MAX = 256 };

/* ---- mail_maildir.c ---- */

struct maildir {
    char path[PATH_MAX];
    struct id_source ids;
};

/* HOME/mail and its three folders, mode 0700, made if they are missing. */
int maildir_open(struct maildir *ret, const char *home, struct err *err) must_check;
/* The message as a new file of mode 0600, lines ending in LF as in any maildir. Durable when it returns 0. After -EIO and the like it
 * may be there all the same. */
int maildir_put(struct maildir *d, const struct buf *message, struct err *err) must_check;

/* ---- mail_smtp.c ---- */

struct smtp_settings {
    char url[1200]; /* with the EHLO name as its path */
    bool tls;       /* wanted: STARTTLS, or from the beginning if the URL says so */
    bool loopback;  /* the connection must stay on this machine */
    char user[256], ca_file[PATH_MAX];
    char password[MAIL_PASSWORD_MAX + 1];
    long timeout_ms;
};

enum { SMTP_REPLY_MAX = 512, SMTP_ERROR_BYTES = 256 }; /* RFC 5321, 4.5.3.1.5; CURL_ERROR_SIZE */

enum smtp_step {
    SMTP_CONNECTING,
    SMTP_EHLO,
    SMTP_STARTTLS,
    SMTP_AUTH,
    SMTP_FROM,
    SMTP_TO,
    SMTP_DATA,
    SMTP_END
};

/* One attempt, as it went. */
struct smtp_exchange {
    const struct buf *message;
    size_t at;                      /* bytes of it handed to libcurl */
    enum smtp_step step;            /* the last command that went out */
    bool begun;                     /* bytes of the message have left */
    int code;                       /* of the reply to the last command; 0: none */
    bool complete;                  /* the reply had its last line */
    bool over;                      /* libcurl says goodbye: what is replied is no matter */
    char reply[SMTP_REPLY_MAX + 1]; /* its first line */
    char error[SMTP_ERROR_BYTES];   /* libcurl's words */
};

struct smtp {
    struct smtp_settings settings;
    struct smtp_exchange exchange; /* here, since libcurl keeps pointers to it */
    void *easy; /* libcurl's handle, kept with its connection while all goes well; NULL: none */
    atomic_bool stop; /* end what is under way */
};

/* Never fails: what went wrong is in the report. */
void smtp_send(struct smtp *s, const char *from, const char *to, const struct buf *message,
               struct mail_report *ret);
void smtp_close(struct smtp *s);
/* Whether a host as libcurl's URL parser gives it ("[::1]" with its brackets) is this machine, by its letters alone. */
bool smtp_host_is_loopback(const char *host) must_check;
