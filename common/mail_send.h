/* mail_send.h - one mail on its way: to an SMTP server (a relay, which queues to the world and signs), or into a maildir when there is
 * none, where an operator, a test or a developer reads it.
 *
 *   FOKUS_SMTP                smtp://HOST[:PORT] (25) or smtps://HOST[:PORT] (465). Unset: mail goes to HOME/mail
 *   FOKUS_MAIL_FROM           the sender's address; must be set with FOKUS_SMTP. Its domain is said at EHLO
 *   FOKUS_SMTP_USER           who signs in there (PLAIN or LOGIN). Unset: nobody does
 *   FOKUS_SMTP_PASSWORD_FILE  a file of mode 0600 or 0400 with the password. Unset: $CREDENTIALS_DIRECTORY/fokus-smtp-password
 *   FOKUS_SMTP_CA_FILE        whose certificates are believed (PEM). Unset: the system's
 *
 * Security: mail and password travel under TLS 1.2 or later with a verified certificate: over smtp:// STARTTLS must succeed, and is not
 * optional. Only a server on this machine may do without: one whose host is written localhost, 127.x.y.z or ::1 (as libcurl's own
 * reading of the address has it), and the connection must then go to such an address. A name that merely resolves to one does not
 * count, nor does 0.0.0.0. With FOKUS_SMTP_CA_FILE TLS is wanted there too. No proxy is used, whatever the environment says.
 *
 * It blocks, up to the time limit: call it from a thread of its own, after the event that asks for the mail is durable. */
#pragma once
#include "common/mail.h"

struct mail_settings {
    const char *home;
    const char *server, *from, *user, *password_file, *ca_file; /* NULL or "": not set */
    const char *credentials;                                    /* $CREDENTIALS_DIRECTORY */
    int timeout_ms;                                             /* of one mail; 0: 60,000 */
};

/* What the environment says; its texts live there. */
struct mail_settings mail_settings_given(const char *home);

struct mail_transport;

/* Checks the settings, reads the password, makes the maildir. Connects to nobody. -EINVAL, -EACCES, ...: a setting is wrong, as
 * `err` says. Texts of `s` need not outlive the call. */
int mail_transport_open(struct mail_transport **ret, const struct mail_settings *s,
                        struct err *err) must_check;
/* Says goodbye to the server, without waiting for its answer. NULL is fine. */
void mail_transport_close(struct mail_transport *t);

/* "smtp://mail.example:587" or the maildir's path: for the operator. */
const char *mail_transport_where(const struct mail_transport *t);
/* The sender's address: FOKUS_MAIL_FROM, or for a maildir without one "fokus@fokus.invalid". */
const char *mail_transport_from(const struct mail_transport *t);

enum mail_result {
    MAIL_SENT,  /* the server took it over, or it lies in the maildir, durably */
    MAIL_RETRY, /* not taken, and later may be: 4xx, no connection, or we are not let in (TLS, sign-in): the operator's to mend */
    MAIL_REFUSED, /* 5xx about this mail: it will never be taken. `enhanced` says whose fault (RFC 3463): 5.1.x the address's,
                     * 5.7.x the policy's, and so on */
    MAIL_AMBIGUOUS, /* the connection was lost between the last byte and the answer: taken, or not. Sent again, the same Message-ID
                     * tells a second copy */
};

struct mail_report {
    enum mail_result result;
    int code;          /* the reply that decided, such as 550; 0: none, or a maildir */
    char enhanced[12]; /* its enhanced code, such as "5.1.1"; "" without */
    /* For the log, when it was not sent: where it ended, and the server's words, ASCII, without those that hold the recipient's
     * or any other address. */
    char text[200];
};

/* "sent", "retry", "refused", "ambiguous". */
const char *mail_result_name(enum mail_result result);

/* Composes and sends; `m->from.address` NULL stands for the transport's. One thread at a time. Connections are kept and used again.
 * 0: see `ret`. -EINVAL: nothing was sent, the mail is none (mail_compose()); -ENOMEM. */
int mail_send(struct mail_transport *t, const struct mail *m, struct mail_report *ret,
              struct err *err) must_check;

/* From any thread: the mail under way ends within about a second (MAIL_RETRY or MAIL_AMBIGUOUS), and so does every later one. */
void mail_transport_stop(struct mail_transport *t);
