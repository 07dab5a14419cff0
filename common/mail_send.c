/* mail_send.c - the settings, the password, and which way a mail goes. */
#include "common/mail_send.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/curl.h"
#include "common/disk.h"
#include "common/mail_internal.h"

enum { TIMEOUT_MS = 60000 };

static const char nobody[] = "fokus@fokus.invalid"; /* RFC 2606: never anybody's */

/* Holds a password: in libsodium's memory, which is wiped. */
struct mail_transport {
    struct smtp smtp;
    struct maildir maildir;
    struct mail_address from;
    bool to_maildir;
    char where[PATH_MAX];
};

struct mail_settings mail_settings_given(const char *home)
{
    return (struct mail_settings) {
        .home = home,
        .server = getenv("FOKUS_SMTP"),
        .from = getenv("FOKUS_MAIL_FROM"),
        .user = getenv("FOKUS_SMTP_USER"),
        .password_file = getenv("FOKUS_SMTP_PASSWORD_FILE"),
        .ca_file = getenv("FOKUS_SMTP_CA_FILE"),
        .credentials = getenv("CREDENTIALS_DIRECTORY"),
    };
}

static bool is_set(const char *setting)
{
    return setting && setting[0];
}

/* ---- the password ---- */

static int check_file(int fd, const char *path, bool credential, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, errno, "SMTP password %s: cannot look at it: %m", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, EACCES, "SMTP password %s: it is not a plain file", path);
    /* The service manager sees to its own files, and gives them owners and modes of its own. */
    if (!credential && (st.st_mode & 0177) != 0)
        return err_set(err, EACCES,
                       "SMTP password %s: its mode is %04o, wanted is 0600 or 0400: find out who "
                       "could read it, then chmod 600",
                       path, (unsigned)st.st_mode & 07777U);
    if (!credential && st.st_uid != geteuid())
        return err_set(err, EACCES, "SMTP password %s: it belongs to user %u, not to us (%u)", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_size < 1 || st.st_size > MAIL_PASSWORD_MAX)
        return err_set(err, EINVAL, "SMTP password %s: it must have 1 to %d bytes", path,
                       MAIL_PASSWORD_MAX);
    return (int)st.st_size;
}

static int read_password(struct smtp_settings *x, const char *path, bool credential,
                         struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (credential ? 0 : O_NOFOLLOW));

    if (fd < 0)
        return err_set(err, errno, "SMTP password %s: cannot read it: %m", path);
    int len = check_file(fd, path, credential, err), r = len;
    if (len > 0) {
        r = disk_read_at(fd, x->password, (size_t)len, 0);
        if (r < 0)
            (void)err_set(err, -r, "SMTP password %s: cannot read it: %s", path, strerror(-r));
    }
    close(fd);
    if (r < 0)
        return r;
    size_t n = (size_t)len;
    if (n > 0 && x->password[n - 1] == '\n')
        x->password[--n] = '\0';
    /* Security: PLAIN parts its values by NUL. */
    bool good = n > 0;
    for (size_t i = 0; i < n; i++)
        good = good && (uint8_t)x->password[i] >= 0x20 && x->password[i] != 0x7f;
    return good ? 0
                : err_set(err, EINVAL,
                          "SMTP password %s: it must be one line without control characters", path);
}

/* Who signs in, and with what. */
static int read_user(struct smtp_settings *x, const struct mail_settings *s, struct err *err)
{
    char path[PATH_MAX];
    bool credential = !is_set(s->password_file);

    if (!is_set(s->user))
        return 0;
    if (strlen(s->user) >= sizeof(x->user) || strpbrk(s->user, "\r\n"))
        return err_set(err, EINVAL, "FOKUS_SMTP_USER: must be one line of at most %zu bytes",
                       sizeof(x->user) - 1);
    if (credential && !is_set(s->credentials))
        return err_set(err, EINVAL,
                       "FOKUS_SMTP_USER needs FOKUS_SMTP_PASSWORD_FILE, or the credential "
                       "fokus-smtp-password");
    if (snprintf(path, sizeof(path), "%s%s", credential ? s->credentials : s->password_file,
                 credential ? "/fokus-smtp-password" : "") >= PATH_MAX)
        return err_set(err, ENAMETOOLONG, "SMTP password: the path is too long");
    memcpy(x->user, s->user, strlen(s->user) + 1);
    return read_password(x, path, credential, err);
}

/* ---- the server ---- */

/* Takes FOKUS_SMTP apart with the parser that libcurl connects by, so that both mean the same host. */
static int read_parts(CURLU *url, const char *server, char **scheme, char **host, char **port)
{
    static const CURLUPart never[] = { CURLUPART_USER,  CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                       CURLUPART_QUERY, CURLUPART_FRAGMENT, CURLUPART_ZONEID };
    char *part = NULL;

    if (curl_url_set(url, CURLUPART_URL, server, 0) != CURLUE_OK)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        if (curl_url_get(url, never[i], &part, 0) == CURLUE_OK) {
            curl_free(part);
            return -EINVAL;
        }
    if (curl_url_get(url, CURLUPART_PATH, &part, 0) != CURLUE_OK)
        return -EINVAL;
    bool bare = strcmp(part, "/") == 0;
    curl_free(part);
    if (!bare || curl_url_get(url, CURLUPART_SCHEME, scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, host, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PORT, port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return -EINVAL;
    return strcmp(*scheme, "smtp") == 0 || strcmp(*scheme, "smtps") == 0 ? 0 : -EINVAL;
}

static int read_server(struct mail_transport *t, const struct mail_settings *s, struct err *err)
{
    struct smtp_settings *x = &t->smtp.settings;
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLU *url = curl_url();

    int r = url ? read_parts(url, s->server, &scheme, &host, &port) : -ENOMEM;
    if (r == 0 && (snprintf(t->where, sizeof(t->where), "%s://%s:%s", scheme, host, port) >= 600 ||
                   snprintf(x->url, sizeof(x->url), "%s/%s", t->where,
                            strchr(t->from.to, '@') + 1) >= (int)sizeof(x->url)))
        r = -EINVAL;
    if (r == 0) {
        x->loopback = smtp_host_is_loopback(host);
        x->tls = !x->loopback || is_set(s->ca_file) || strcmp(scheme, "smtps") == 0;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return r == -EINVAL ? err_set(err, EINVAL,
                                  "FOKUS_SMTP: must be smtp://HOST:PORT or smtps://HOST:PORT, and "
                                  "nothing more")
           : r < 0      ? err_set(err, -r, "FOKUS_SMTP: no memory")
                        : 0;
}

static int open_smtp(struct mail_transport *t, const struct mail_settings *s, struct err *err)
{
    struct smtp_settings *x = &t->smtp.settings;

    if (!is_set(s->from))
        return err_set(err, EINVAL, "FOKUS_MAIL_FROM: must be set when FOKUS_SMTP is");
    if (curl_ready() < 0)
        return err_set(err, EIO, "libcurl cannot be set up");
    int r = read_server(t, s, err);
    if (r == 0)
        r = read_user(x, s, err);
    if (r < 0)
        return r;
    x->timeout_ms = s->timeout_ms > 0 ? s->timeout_ms : TIMEOUT_MS;
    if (is_set(s->ca_file)) {
        if (access(s->ca_file, R_OK) < 0)
            return err_set(err, errno, "FOKUS_SMTP_CA_FILE %s: cannot read it: %m", s->ca_file);
        if (snprintf(x->ca_file, sizeof(x->ca_file), "%s", s->ca_file) >= PATH_MAX)
            return err_set(err, ENAMETOOLONG, "FOKUS_SMTP_CA_FILE: the path is too long");
    }
    return 0;
}

/* ---- the transport ---- */

static int open_transport(struct mail_transport *t, const struct mail_settings *s, struct err *err)
{
    const char *from = is_set(s->from) ? s->from : nobody;
    const char *problem = mail_address_read(from, strlen(from), &t->from);

    if (problem)
        return err_set(err, EINVAL, "FOKUS_MAIL_FROM: %s", problem);
    t->to_maildir = !is_set(s->server);
    if (!t->to_maildir)
        return open_smtp(t, s, err);
    int r = maildir_open(&t->maildir, s->home, err);
    if (r == 0)
        memcpy(t->where, t->maildir.path, sizeof(t->where));
    return r;
}

int mail_transport_open(struct mail_transport **ret, const struct mail_settings *s, struct err *err)
{
    struct mail_transport *t = sodium_init() < 0 ? NULL : sodium_malloc(sizeof(*t));

    if (!t)
        return err_set(err, ENOMEM, "mail: no memory");
    memset(t, 0, sizeof(*t));
    int r = open_transport(t, s, err);
    if (r < 0) {
        mail_transport_close(t);
        return r;
    }
    *ret = t;
    return 0;
}

void mail_transport_close(struct mail_transport *t)
{
    if (!t)
        return;
    smtp_close(&t->smtp);
    sodium_free(t); /* wipes */
}

const char *mail_transport_where(const struct mail_transport *t)
{
    return t->where;
}

const char *mail_transport_from(const struct mail_transport *t)
{
    return t->from.to;
}

void mail_transport_stop(struct mail_transport *t)
{
    atomic_store(&t->smtp.stop, true);
}

const char *mail_result_name(enum mail_result result)
{
    static const char *const names[] = { [MAIL_SENT] = "sent",
                                         [MAIL_RETRY] = "retry",
                                         [MAIL_REFUSED] = "refused",
                                         [MAIL_AMBIGUOUS] = "ambiguous" };

    return names[result];
}

static void put(struct mail_transport *t, const struct buf *message, struct mail_report *ret)
{
    struct err err;

    int r = maildir_put(&t->maildir, message, &err);
    *ret = (struct mail_report) { .result = r == 0 ? MAIL_SENT : MAIL_RETRY };
    if (r < 0)
        (void)snprintf(ret->text, sizeof(ret->text), "%.*s", (int)sizeof(ret->text) - 1, err.text);
}

int mail_send(struct mail_transport *t, const struct mail *m, struct mail_report *ret,
              struct err *err)
{
    struct buf message = BUF_INIT(MAIL_MAX);
    struct mail_address from, to;
    struct mail mail = *m;

    if (!mail.from.address)
        mail.from.address = t->from.to;
    int r = mail_compose(&mail, &message, err);
    if (r == 0 && t->to_maildir) {
        put(t, &message, ret);
    } else if (r == 0) {
        /* The same as in the message: mail_compose() has taken both. */
        if (mail_address_read(mail.from.address, strlen(mail.from.address), &from) ||
            mail_address_read(mail.to.address, strlen(mail.to.address), &to))
            r = -EINVAL;
        else
            smtp_send(&t->smtp, from.to, to.to, &message, ret);
    }
    buf_free(&message);
    return r;
}
