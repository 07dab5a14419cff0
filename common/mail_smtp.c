/* mail_smtp.c - a mail to an SMTP server by libcurl, and what became of it.
 *
 * libcurl's result alone does not say it: a refused greeting and a refused message have the same CURLcode, and a lost connection is
 * harmless before the last line and ambiguous after it. So the replies and the commands are watched, and the result follows from
 * the last command that went out and the first digit of its reply (RFC 5321, 4.2.1).
 *
 * Any trouble ends the connection: after a 421 libcurl would use it again and lose the next, innocent mail. A kept connection that
 * the server has closed meanwhile is tried once anew.
 *
 * The size is not announced: libcurl 7.88 counts the dots that it doubles and could then take a part for the whole. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/curl.h"
#include "common/mail_internal.h"

enum {
    CONNECT_MS = 10000,
    NAME_CHARS = 3, /* of an address's parts, shorter ones are in too many words */
    IDLE_SECONDS =
        60, /* a connection that rested longer is not used again: servers wait 5 minutes (RFC 5321, 4.5.3.2) */
    LIFETIME_SECONDS = 600,
};

static const char *const step_names[] = {
    [SMTP_CONNECTING] = "connecting",
    [SMTP_EHLO] = "EHLO",
    [SMTP_STARTTLS] = "STARTTLS",
    [SMTP_AUTH] = "AUTH",
    [SMTP_FROM] = "MAIL FROM",
    [SMTP_TO] = "RCPT TO",
    [SMTP_DATA] = "DATA",
    [SMTP_END] = "the message",
};

_Static_assert(SMTP_ERROR_BYTES >= CURL_ERROR_SIZE, "room for libcurl's words");

/* ---- what libcurl calls ---- */

static size_t read_message(char *to, size_t size, size_t n, void *arg)
{
    struct smtp_exchange *x = arg;
    size_t left = x->message->len - x->at, take = size * n < left ? size * n : left;

    x->begun = true;
    if (take == 0) { /* from here on the final dot may leave */
        x->step = SMTP_END;
        x->code = 0;
        return 0;
    }
    memcpy(to, x->message->data + x->at, take);
    x->at += take;
    return take;
}

/* Keeps the first line of the last reply, where the enhanced code stands. */
static size_t watch_reply(char *line, size_t size, size_t n, void *arg)
{
    struct smtp_exchange *x = arg;
    size_t len = size * n;

    if (x->over)
        return len;
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (len < 3 || strspn(line, "0123456789") != 3)
        return size * n;
    if (x->complete || x->code == 0) {
        size_t kept = len < SMTP_REPLY_MAX ? len : SMTP_REPLY_MAX;
        memcpy(x->reply, line, kept);
        x->reply[kept] = '\0';
        x->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    }
    x->complete = len == 3 || line[3] != '-';
    return size * n;
}

/* Security: sees passwords too, and keeps nothing but which command it was. */
static int watch_command(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    static const struct {
        const char *begin;
        enum smtp_step step;
    } commands[] = {
        { "EHLO ", SMTP_EHLO },  { "HELO ", SMTP_EHLO },      { "STARTTLS\r", SMTP_STARTTLS },
        { "AUTH ", SMTP_AUTH },  { "MAIL FROM:", SMTP_FROM }, { "RCPT TO:", SMTP_TO },
        { "DATA\r", SMTP_DATA },
    };
    struct smtp_exchange *x = arg;

    (void)easy;
    if (type != CURLINFO_HEADER_OUT)
        return 0;
    x->over = x->over || (size >= 4 && memcmp(data, "QUIT", 4) == 0);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        size_t len = strlen(commands[i].begin);
        if (size >= len && memcmp(data, commands[i].begin, len) == 0) {
            if (x->step != commands[i].step) /* HELO after a refused EHLO does not hide why */
                x->code = 0;
            x->step = commands[i].step;
        }
    }
    return 0;
}

static int look_for_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct smtp *s = arg;

    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&s->stop);
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

/* Security: what may go without TLS goes nowhere but to this machine, whatever the name resolves to. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    const struct smtp *s = arg;

    (void)purpose;
    if (s->settings.loopback && !is_loopback(&a->addr))
        return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

bool smtp_host_is_loopback(const char *host)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

/* ---- the handle ---- */

/* What is the same for every mail. A setting that libcurl has no memory for shows when it sends. */
static CURL *make_handle(struct smtp *s)
{
    const struct smtp_settings *x = &s->settings;
    CURL *easy = curl_new(x->ca_file[0] ? x->ca_file : NULL);

    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_URL, x->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     x->timeout_ms < CONNECT_MS ? x->timeout_ms : (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, x->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)LIFETIME_SECONDS);
    curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 1L);
    curl_easy_setopt(easy, CURLOPT_USE_SSL, (long)(x->tls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
    if (x->user[0]) {
        curl_easy_setopt(easy, CURLOPT_USERNAME, x->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, x->password);
        /* Under TLS nothing is gained by others, and libcurl would try Kerberos first. */
        curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
    }
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_message);
    curl_easy_setopt(easy, CURLOPT_READDATA, &s->exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, watch_reply);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &s->exchange);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L); /* calls the next, prints nothing */
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, watch_command);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, &s->exchange);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L); /* likewise */
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, look_for_stop);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, s);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, s->exchange.error);
    return easy;
}

void smtp_close(struct smtp *s)
{
    curl_socket_t socket = CURL_SOCKET_BAD;

    if (!s->easy)
        return;
    /* libcurl says QUIT and waits up to two minutes for the answer: here it finds the end at once. */
    if (curl_easy_getinfo(s->easy, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
        socket != CURL_SOCKET_BAD)
        (void)shutdown(socket, SHUT_RD); /* a connection that is gone already needs none */
    curl_easy_cleanup(s->easy);
    s->easy = NULL;
}

/* ---- what became of it ---- */

static bool same_part(const char *word, size_t len, const char *part, size_t part_len)
{
    for (size_t i = 0; part_len > 0 && i + part_len <= len; i++)
        if (strncasecmp(word + i, part, part_len) == 0)
            return true;
    return false;
}

/* Whether a word holds an address, either half of this one, or a name that it is made of. */
static bool shows_address(const char *word, size_t len, const char *address)
{
    const char *at = strchr(address, '@');

    if (memchr(word, '@', len) || same_part(word, len, at + 1, strlen(at + 1)) ||
        same_part(word, len, address, (size_t)(at - address)))
        return true;
    for (const char *p = address; p < at;) {
        size_t n = strcspn(p, "!#$%&'*+-/=?^_`{|}~.@");
        if (n >= NAME_CHARS && same_part(word, len, p, n))
            return true;
        p += n + 1;
    }
    return false;
}

/* Security: appends a server's words as ASCII, without those that show the address. */
static void append_words(char *ret, size_t size, const char *words, const char *address)
{
    size_t n = strlen(ret);

    while (*(words += strspn(words, " ")) && n + 2 < size) {
        size_t len = strcspn(words, " ");
        bool shows = shows_address(words, len, address);
        if (n > 0)
            ret[n++] = ' ';
        for (size_t i = 0; i < (shows ? 3 : len) && n + 1 < size; i++)
            ret[n++] = shows ? '.' : words[i] > ' ' && words[i] <= '~' ? words[i] : '?';
        words += len;
    }
    ret[n] = '\0';
}

/* "5.1.1" at the beginning of a reply's text, of the reply's class (RFC 2034). */
static void read_enhanced(const char *reply, char ret[12])
{
    unsigned class, subject, detail;
    int end = 0;

    if (strlen(reply) > 4 &&
        sscanf(reply + 4, "%1u.%3u.%3u%n", &class, &subject, &detail, &end) == 3 &&
        (reply[4 + end] == ' ' || reply[4 + end] == '\0') && (char)('0' + class) == reply[0])
        (void)snprintf(ret, 12, "%u.%u.%u", class, subject, detail);
}

/* Whether a 5xx reply is about this mail. Before MAIL it is about us, and so is one that wants us to sign in, or dislikes the sender:
 * the operator can mend that, and no mail shall be lost by it. */
static bool is_about_mail(const struct smtp_exchange *x)
{
    switch (x->code) {
    case 530: /* sign in first, or STARTTLS first (RFC 4954, 3207) */
    case 534:
    case 535:
    case 538:
        return false;
    case 552: /* too large */
        return x->step >= SMTP_FROM;
    default:
        return x->step >= SMTP_TO;
    }
}

static enum mail_result judge(const struct smtp_exchange *x)
{
    int class = x->code / 100;

    if (x->step == SMTP_END && class == 2)
        return MAIL_SENT;
    if (class == 4)
        return MAIL_RETRY;
    if (class == 5)
        return is_about_mail(x) ? MAIL_REFUSED : MAIL_RETRY;
    return x->step == SMTP_END ? MAIL_AMBIGUOUS : MAIL_RETRY;
}

static void report(const struct smtp_exchange *x, CURLcode rc, const char *to,
                   struct mail_report *ret)
{
    *ret = (struct mail_report) { .result = judge(x) };
    if (x->step == SMTP_END ? x->code > 0 : x->code >= 400) {
        ret->code = x->code;
        read_enhanced(x->reply, ret->enhanced);
    }
    if (ret->result == MAIL_SENT)
        return;
    (void)snprintf(ret->text, sizeof(ret->text), "%s:", step_names[x->step]);
    append_words(ret->text, sizeof(ret->text),
                 ret->code     ? x->reply
                 : x->error[0] ? x->error
                               : curl_easy_strerror(rc),
                 to);
}

/* ---- sending ---- */

/* Returns whether it failed on a kept connection before anything of the message had left. */
static bool try_once(struct smtp *s, const char *from, const char *to, const struct buf *message,
                     struct mail_report *ret)
{
    struct smtp_exchange *x = &s->exchange;
    long connections = 1;
    CURLcode rc = CURLE_OUT_OF_MEMORY;

    *x = (struct smtp_exchange) { .message = message };
    if (!s->easy)
        s->easy = make_handle(s);
    struct curl_slist *recipients = s->easy ? curl_slist_append(NULL, to) : NULL;
    if (recipients) {
        curl_easy_setopt(s->easy, CURLOPT_MAIL_FROM, from);
        curl_easy_setopt(s->easy, CURLOPT_MAIL_RCPT, recipients);
        rc = curl_easy_perform(s->easy);
        (void)curl_easy_getinfo(s->easy, CURLINFO_NUM_CONNECTS, &connections); /* else it stays 1 */
        curl_easy_setopt(s->easy, CURLOPT_MAIL_RCPT, NULL);
        curl_slist_free_all(recipients);
    }
    report(x, rc, to, ret);
    if (rc != CURLE_OK || ret->result != MAIL_SENT)
        smtp_close(s);
    return ret->result == MAIL_RETRY && connections == 0 && !x->begun &&
           (ret->code == 0 || ret->code == 421) && !atomic_load(&s->stop);
}

void smtp_send(struct smtp *s, const char *from, const char *to, const struct buf *message,
               struct mail_report *ret)
{
    if (try_once(s, from, to, message, ret))
        (void)try_once(s, from, to, message, ret); /* on a new connection: its report stands */
}
