/* mail_send_test.c - the maildir over every disk fault and crash; the judgement of each reply, with a server of few words in a thread of
 * its own (tests/journeys/mail.test has the whole of one, with TLS). */
#include "common/mail_send.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/disk.h"
#include "common/fault.h"
#include "common/mail_internal.h"
#include "common/testing_names.h"
#include "common/testing_tree.h"

static const struct mail code = {
    .to.address = "anna@mottagaren.example",
    .subject = "Your code",
    .text = "Your code is 123456.\n.\n",
    .id = "id-1",
    .language = "en",
};

struct fixture {
    char home[64], url[50], password[100]; /* what the settings point to */
    struct mail_settings settings;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    (void)snprintf(f->home, sizeof(f->home), "/tmp/fokus-mail-XXXXXX");
    if (!mkdtemp(f->home))
        return -1;
    f->settings = (struct mail_settings) { .home = f->home, .timeout_ms = 20000 };
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int r = testing_remove_tree(f->home);

    free(f);
    return r;
}

static struct mail_transport *open_transport(const struct fixture *f)
{
    struct mail_transport *t = NULL;
    struct err err;

    if (mail_transport_open(&t, &f->settings, &err) < 0)
        fail_msg("%s", err.text);
    return t;
}

/* ---- the maildir ---- */

/* Counts the mails in a folder of the maildir; each must be whole. */
static unsigned count(const struct fixture *f, const char *folder, bool whole)
{
    static const char end[] = "\n\nYour code is 123456.\n.\n";
    char path[512], text[2000];
    unsigned n = 0;
    const struct dirent *entry;

    (void)snprintf(path, sizeof(path), "%s/mail/%s", f->home, folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        n++;
        (void)snprintf(path, sizeof(path), "%s/mail/%s/%s", f->home, folder, entry->d_name);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        size_t len = fread(text, 1, sizeof(text) - 1, file);
        fclose(file);
        text[len] = '\0';
        if (whole && (len < strlen(end) || strcmp(text + len - strlen(end), end) != 0))
            fail_msg("a mail in %s is not whole: %s", folder, text);
    }
    closedir(dir);
    return n;
}

static void mail_lies_in_the_maildir(void **state)
{
    const struct fixture *f = *state;
    struct mail_report report;
    struct stat st;
    char path[100];

    struct mail_transport *t = open_transport(f);
    (void)snprintf(path, sizeof(path), "%s/mail", f->home);
    assert_string_equal(mail_transport_where(t), path);
    assert_string_equal(mail_transport_from(t), "fokus@fokus.invalid");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(mail_send(t, &code, &report, NULL), 0);
        assert_int_equal(report.result, MAIL_SENT);
        assert_string_equal(report.text, "");
        assert_int_equal(count(f, "new", true), i);
        assert_int_equal(count(f, "tmp", true), 0);
    }
    struct mail bad = code;
    bad.to.address = "anna@mottagaren.example\r\nBcc: eve@example.net";
    assert_int_equal(mail_send(t, &bad, &report, NULL), -EINVAL);
    assert_int_equal(count(f, "new", true), 3);
    mail_transport_close(t);
    mail_transport_close(NULL);
}

static void half_a_mail_that_a_kill_left_is_taken_away(void **state)
{
    static const char *const names[] = { "1767268800.half.fokus", "another-programs" };
    const struct fixture *f = *state;
    char path[200];

    mail_transport_close(open_transport(f));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/mail/tmp/%s", f->home, names[i]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs("To: anna@mottagaren.example\n", file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    assert_int_equal(count(f, "tmp", false), 2);
    mail_transport_close(open_transport(f));
    assert_int_equal(count(f, "tmp", false), 1);
    assert_int_equal(access(path, F_OK), 0); /* that one is not ours */
}

static void a_maildir_for_others_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct mail_transport *t;
    struct err err;
    char path[100];

    mail_transport_close(open_transport(f));
    (void)snprintf(path, sizeof(path), "%s/mail/new", f->home);
    assert_int_equal(chmod(path, 0750), 0);
    assert_int_equal(mail_transport_open(&t, &f->settings, &err), -EACCES);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink(f->home, path), 0);
    assert_int_equal(mail_transport_open(&t, &f->settings, &err), -ENOTDIR);
    struct mail_settings s = f->settings;
    s.home = "/nowhere/at/all";
    assert_int_equal(mail_transport_open(&t, &s, &err), -ENOENT);
}

#ifdef FOKUS_FAULTS
enum { ALL_POINTS = 50 };

struct order {
    unsigned written, synced;
    bool synced_last;
};

static void wrote(void *arg, int fd, const void *bytes, size_t len, uint64_t at)
{
    struct order *o = arg;

    (void)fd, (void)bytes, (void)len, (void)at;
    o->written++;
    o->synced_last = false;
}

static void synced(void *arg, int fd)
{
    struct order *o = arg;

    (void)fd;
    o->synced++;
    o->synced_last = true;
}

static void what_is_sent_is_durable(void **state)
{
    const struct fixture *f = *state;
    struct order order = { 0 };
    const struct disk_watch watch = { .wrote = wrote, .synced = synced, .arg = &order };
    struct mail_report report;

    struct mail_transport *t = open_transport(f);
    disk_set_watch(&watch);
    assert_int_equal(mail_send(t, &code, &report, NULL), 0);
    disk_set_watch(NULL);
    assert_int_equal(report.result, MAIL_SENT);
    assert_true(order.written == 1 && order.synced == 1 && order.synced_last);
    mail_transport_close(t);
}

static void every_disk_fault(void **state)
{
    const struct fixture *f = *state;
    struct mail_report report;
    unsigned before = 0, failed = 0;

    struct mail_transport *t = open_transport(f);
    for (unsigned long n = 1; n < ALL_POINTS; n++) {
        fault_arm(FAULT_DISK, n);
        assert_int_equal(mail_send(t, &code, &report, NULL), 0);
        bool hit = fault_count(FAULT_DISK) >= n;
        fault_arm(FAULT_DISK, 0);
        unsigned now = count(f, "new", true);
        if (!hit) {
            assert_int_equal(report.result, MAIL_SENT);
            assert_int_equal(now, before + 1);
            assert_in_range(failed, 6, ALL_POINTS); /* make, write, sync, name twice, sync folder */
            mail_transport_close(t);
            return;
        }
        failed++;
        assert_int_equal(report.result, MAIL_RETRY);
        assert_non_null(strstr(report.text, "maildir"));
        assert_in_range(now, before, before + 1); /* it may be there all the same */
        before = now;
    }
    fail_msg("no end of disk faults");
}

static void every_crash(void **state)
{
    const struct fixture *f = *state;
    unsigned before = 0;

    mail_transport_close(open_transport(f));
    for (unsigned long n = 1; n < ALL_POINTS; n++) {
        pid_t child = fork();
        assert_int_not_equal(child, -1);
        if (child == 0) {
            struct mail_transport *t;
            struct mail_report report;
            if (mail_transport_open(&t, &f->settings, NULL) < 0)
                _exit(2);
            fault_arm(FAULT_CRASH, n);
            _exit(mail_send(t, &code, &report, NULL) == 0 && report.result == MAIL_SENT ? 0 : 1);
        }
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        unsigned now = count(f, "new", true);
        if (WIFEXITED(how)) {
            assert_int_equal(WEXITSTATUS(how), 0);
            assert_int_equal(now, before + 1);
            assert_in_range(n, 5, ALL_POINTS);
            return;
        }
        assert_int_equal(WTERMSIG(how), SIGKILL);
        assert_in_range(now, before, before + 1);
        before = now;
    }
    fail_msg("no end of crashes");
}
#endif

/* ---- a server of few words ---- */

enum { COMMANDS_MAX = 2000 };

static const char secret[] = "AGZva3VzAHNlY3JldA=="; /* of PLAIN: NUL, fokus, NUL, secret */

/* Replies to one command out of its order; the others are well. */
struct server {
    int listener;
    const char *command; /* that goes wrong; ".": the message */
    const char *reply;   /* with its line's end; "": the connection ends */
    unsigned times;      /* how often it goes wrong */
    unsigned connections;
    char commands[COMMANDS_MAX]; /* all lines that came */
    pthread_t thread;
};

static bool reply(int fd, const char *text)
{
    return *text && send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

static bool handle(struct server *s, int fd, const char *line, bool *in_message)
{
    const char *word = *in_message ? "." : line;

    if (*in_message && strcmp(line, ".") != 0)
        return true;
    *in_message = false;
    if (s->times > 0 && strncmp(word, s->command, strlen(s->command)) == 0) {
        s->times--;
        return reply(fd, s->reply);
    }
    if (strcmp(line, "QUIT") == 0)
        return false;
    if (strcmp(line, "DATA") == 0)
        *in_message = true;
    return reply(fd, *in_message                      ? "354 go on\r\n"
                     : strncmp(line, "EHLO ", 5) == 0 ? "250-hello\r\n250 AUTH PLAIN\r\n"
                     : strncmp(line, "AUTH ", 5) == 0 ? "334 \r\n"
                     : strcmp(line, secret) == 0      ? "235 2.7.0 welcome\r\n"
                                                      : "250 2.0.0 ok\r\n");
}

static void serve(struct server *s, int fd)
{
    char line[1000];
    size_t n = 0, kept = 0;
    bool in_message = false, on = reply(fd, "220 hello\r\n");

    while (on && n < sizeof(line) - 1 && recv(fd, line + n, 1, 0) == 1) {
        if (line[n++] != '\n')
            continue;
        if (!in_message && kept + n < COMMANDS_MAX) {
            memcpy(s->commands + kept, line, n);
            kept += n;
        }
        line[n >= 2 ? n - 2 : 0] = '\0';
        n = 0;
        on = handle(s, fd, line, &in_message);
    }
}

static void *run_server(void *arg)
{
    struct server *s = arg;

    for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0; close(fd)) {
        s->connections++;
        serve(s, fd);
    }
    return NULL;
}

/* Starts it and lets the settings point to it. */
static void start(struct server *s, struct fixture *f)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(a);

    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(s->listener, 5), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, run_server, s), 0);
    (void)snprintf(f->url, sizeof(f->url), "smtp://127.0.0.1:%u", ntohs(a.sin_port));
    f->settings.server = f->url;
    f->settings.from = "fokus@fokus.example";
}

static void stop(struct server *s)
{
    (void)shutdown(s->listener, SHUT_RDWR); /* ends accept() */
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static void replies(void **state)
{
    static const struct {
        const char *command, *reply;
        enum mail_result result;
        int code;
        const char *enhanced, *text;
    } cases[] = {
        { "MAIL", "451 4.3.0 later\r\n", MAIL_RETRY, 451, "4.3.0", "MAIL FROM: 451 4.3.0 later" },
        { "MAIL", "550 5.7.1 not from you\r\n", MAIL_RETRY, 550, "5.7.1",
          "MAIL FROM: 550 5.7.1 not from you" },
        { "MAIL", "552 5.3.4 large\r\n", MAIL_REFUSED, 552, "5.3.4", "MAIL FROM: 552 5.3.4 large" },
        { "RCPT", "550 5.1.1 <anna@mottagaren.example>: no\xc3\xa5\r\n", MAIL_REFUSED, 550, "5.1.1",
          "RCPT TO: 550 5.1.1 ... no??" },
        { "RCPT", "550 5.1.1 box of Anna\r\n", MAIL_REFUSED, 550, "5.1.1",
          "RCPT TO: 550 5.1.1 box of ..." },
        { "RCPT", "550-two\r\n550 lines\r\n", MAIL_REFUSED, 550, "", "RCPT TO: 550-two" },
        { "RCPT", "530 5.7.0 sign in\r\n", MAIL_RETRY, 530, "5.7.0", "RCPT TO: 530 5.7.0 sign in" },
        { "RCPT", "", MAIL_RETRY, 0, "", NULL },
        { "DATA", "554 5.5.1 no\r\n", MAIL_REFUSED, 554, "5.5.1", "DATA: 554 5.5.1 no" },
        { "DATA", "", MAIL_RETRY, 0, "", NULL },
        { ".", "554 5.6.0 no\r\n", MAIL_REFUSED, 554, "5.6.0", "the message: 554 5.6.0 no" },
        { ".", "421 4.3.2 going\r\n", MAIL_RETRY, 421, "4.3.2", "the message: 421 4.3.2 going" },
        { ".", "251 2.6.0 taken, in other words\r\n", MAIL_SENT, 251, "2.6.0", "" },
        { ".", "", MAIL_AMBIGUOUS, 0, "", NULL },
        { ".", "hello\r\n", MAIL_AMBIGUOUS, 0, "", NULL },
        { secret, "535 5.7.8 no\r\n", MAIL_RETRY, 535, "5.7.8", "AUTH: 535 5.7.8 no" },
    };
    struct fixture *f = *state;

    (void)snprintf(f->password, sizeof(f->password), "%s/password", f->home);
    int fd = -1;
    assert_int_equal(disk_make(f->password, &fd), 0);
    assert_int_equal(disk_write_at(fd, "secret\n", 7, 0), 0);
    close(fd);
    f->settings.user = "fokus";
    f->settings.password_file = f->password;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server s = { .command = cases[i].command, .reply = cases[i].reply, .times = 1 };
        struct mail_report report;
        start(&s, f);
        f->settings.timeout_ms = strcmp(cases[i].reply, "hello\r\n") == 0 ? 300 : 20000;
        struct mail_transport *t = open_transport(f);
        assert_string_equal(mail_transport_where(t), f->url);
        assert_int_equal(mail_send(t, &code, &report, NULL), 0);
        if (report.result != cases[i].result || report.code != cases[i].code)
            fail_msg("%s %s: %s %d %s", cases[i].command, cases[i].reply,
                     mail_result_name(report.result), report.code, report.text);
        assert_string_equal(report.enhanced, cases[i].enhanced);
        if (cases[i].text)
            assert_string_equal(report.text, cases[i].text);
        else
            assert_string_not_equal(report.text, "");
        /* What went wrong does not harm the next. */
        f->settings.timeout_ms = 20000;
        if (cases[i].reply[0] != 'h') {
            assert_int_equal(mail_send(t, &code, &report, NULL), 0);
            assert_int_equal(report.result, MAIL_SENT);
        }
        mail_transport_close(t);
        stop(&s);
    }
}

static void a_kept_connection(void **state)
{
    struct fixture *f = *state;
    struct server s = { .command = "MAIL", .reply = "", .times = 0 };
    struct mail_report report;

    start(&s, f);
    struct mail_transport *t = open_transport(f);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(mail_send(t, &code, &report, NULL), 0);
        assert_int_equal(report.result, MAIL_SENT);
    }
    mail_transport_stop(t);
    assert_int_equal(mail_send(t, &code, &report, NULL), 0);
    assert_int_equal(report.result, MAIL_RETRY);
    mail_transport_close(t);
    stop(&s);
    assert_int_equal(s.connections, 1);
    assert_non_null(strstr(s.commands, "EHLO fokus.example\r\n"));
    assert_non_null(strstr(s.commands, "MAIL FROM:<fokus@fokus.example>\r\n"));
    assert_non_null(strstr(s.commands, "RCPT TO:<anna@mottagaren.example>\r\n"));
    assert_null(strstr(s.commands, "AUTH"));
}

static void nobody_listens(void **state)
{
    struct fixture *f = *state;
    struct server s = { 0 };
    struct mail_report report;

    start(&s, f);
    stop(&s);
    struct mail_transport *t = open_transport(f);
    assert_int_equal(mail_send(t, &code, &report, NULL), 0);
    assert_int_equal(report.result, MAIL_RETRY);
    assert_int_equal(report.code, 0);
    assert_int_equal(strncmp(report.text, "connecting: ", 12), 0);
    mail_transport_close(t);
}

static void a_name_that_nobody_looks_up_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct mail_report report;

    f->settings.server = "smtp://mail.example";
    f->settings.from = "fokus@fokus.example";
    f->settings.timeout_ms = 150;
    struct mail_transport *t = open_transport(f);
    assert_true(testing_names_begin());
    assert_int_equal(mail_send(t, &code, &report, NULL), 0);
    mail_transport_close(t);
    assert_true(testing_names_end());
    assert_int_equal(report.result, MAIL_RETRY);
    assert_int_equal(strncmp(report.text, "connecting: ", 12), 0);
}

/* ---- settings ---- */

static void what_is_this_machine(void **state)
{
    static const char *const here[] = { "127.0.0.1", "127.255.255.254", "localhost", "LocalHost",
                                        "[::1]" };
    static const char *const elsewhere[] = { "128.0.0.1",          "126.255.255.255", "0.0.0.0",
                                             "localhost.example",  "127.0.0.1.",      "[::]",
                                             "[::ffff:127.0.0.1]", "127.example",     "" };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(here); i++)
        assert_true(smtp_host_is_loopback(here[i]));
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
        assert_false(smtp_host_is_loopback(elsewhere[i]));
}

static void refused(const struct mail_settings *s, int errnum, const char *says)
{
    struct mail_transport *t;
    struct err err = { "" };

    assert_int_equal(mail_transport_open(&t, s, &err), -errnum);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
}

static void settings(void **state)
{
    struct fixture *f = *state;
    char password[100];
    int fd = -1;

    struct mail_settings s = f->settings;
    s.server = "smtp://127.0.0.1:2525";
    refused(&s, EINVAL, "FOKUS_MAIL_FROM: must be set");
    s.from = "fokus";
    refused(&s, EINVAL, "FOKUS_MAIL_FROM: must");
    s.from = "fokus@fokus.example";
    s.server = "imap://127.0.0.1";
    refused(&s, EINVAL, "FOKUS_SMTP: must be");
    s.server = "smtp://u@127.0.0.1";
    refused(&s, EINVAL, "FOKUS_SMTP: must be");
    s.server = "smtp://127.0.0.1/x";
    refused(&s, EINVAL, "FOKUS_SMTP: must be");
    s.server = "smtp://127.0.0.1:2525";
    s.ca_file = "/nowhere";
    refused(&s, ENOENT, "FOKUS_SMTP_CA_FILE");
    s.ca_file = NULL;
    s.user = "fokus";
    refused(&s, EINVAL, "needs FOKUS_SMTP_PASSWORD_FILE");
    s.credentials = f->home;
    refused(&s, ENOENT, "fokus-smtp-password");
    (void)snprintf(password, sizeof(password), "%s/fokus-smtp-password", f->home);
    assert_int_equal(disk_make(password, &fd), 0);
    refused(&s, EINVAL, "1 to 256 bytes");
    assert_int_equal(disk_write_at(fd, "a\nb", 3, 0), 0);
    refused(&s, EINVAL, "one line");
    assert_int_equal(disk_write_at(fd, "abc", 3, 0), 0);
    struct mail_transport *t;
    assert_int_equal(fchmod(fd, 0440), 0); /* as the service manager gives it */
    assert_int_equal(mail_transport_open(&t, &s, NULL), 0);
    mail_transport_close(t);
    s.password_file = password;
    refused(&s, EACCES, "mode is 0440");
    s.password_file = f->home;
    refused(&s, EACCES, "plain file");
    s.user = "a\r\nb";
    refused(&s, EINVAL, "FOKUS_SMTP_USER");
    close(fd);
}

static void the_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("FOKUS_SMTP", "smtp://mail.example", 1), 0);
    assert_int_equal(setenv("FOKUS_MAIL_FROM", "fokus@fokus.example", 1), 0);
    struct mail_settings s = mail_settings_given("/home");
    assert_string_equal(s.server, "smtp://mail.example");
    assert_string_equal(s.from, "fokus@fokus.example");
    struct mail_transport *t;
    assert_int_equal(mail_transport_open(&t, &s, NULL), 0);
    assert_string_equal(mail_transport_where(t), "smtp://mail.example:25");
    mail_transport_close(t);
    assert_int_equal(unsetenv("FOKUS_SMTP") + unsetenv("FOKUS_MAIL_FROM"), 0);
}

#define WITH_HOME(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HOME(mail_lies_in_the_maildir),
        WITH_HOME(half_a_mail_that_a_kill_left_is_taken_away),
        WITH_HOME(a_maildir_for_others_is_refused),
#ifdef FOKUS_FAULTS
        WITH_HOME(what_is_sent_is_durable),
        WITH_HOME(every_disk_fault),
        WITH_HOME(every_crash),
#endif
        WITH_HOME(replies),
        WITH_HOME(a_kept_connection),
        WITH_HOME(nobody_listens),
        WITH_HOME(a_name_that_nobody_looks_up_is_not_waited_for),
        cmocka_unit_test(what_is_this_machine),
        WITH_HOME(settings),
        cmocka_unit_test(the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
