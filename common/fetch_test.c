#include "common/fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "common/clock.h"
#include "common/macros.h"
#include "common/testing_names.h"

/* A server that takes one connection, reads one request and says what it was told to, so many times; then it closes, or
 * waits for the other side to. */
struct server {
    pthread_t thread;
    int listener;
    uint16_t port;
    const char *says;
    size_t times;
    bool holds;
    char heard[8192];
    size_t heard_len;
};

/* Until a whole request is there: its headers, and of a POST as many bytes as it announces. */
static bool is_whole(const char *heard)
{
    const char *body = strstr(heard, "\r\n\r\n");
    const char *length = strcasestr(heard, "content-length: ");

    return body && (!length || strlen(body + 4) >= strtoul(length + 16, NULL, 10));
}

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->listener, NULL, NULL);

    if (fd < 0)
        return NULL; /* the test ended without a request */
    while (s->heard_len < sizeof(s->heard) - 1 && !is_whole(s->heard)) {
        ssize_t n = read(fd, s->heard + s->heard_len, sizeof(s->heard) - 1 - s->heard_len);
        if (n <= 0)
            break;
        s->heard_len += (size_t)n;
        s->heard[s->heard_len] = '\0';
    }
    for (size_t i = 0; i < s->times; i++)
        if (send(fd, s->says, strlen(s->says), MSG_NOSIGNAL) < 0)
            break;
    if (s->holds) {
        char byte;
        while (read(fd, &byte, 1) > 0)
            ;
    }
    close(fd);
    return NULL;
}

static void start(struct server *s, const char *says, size_t times, bool holds)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    *s = (struct server) { .says = says, .times = times, .holds = holds };
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
}

static struct fetch_answer answer;
static struct err err;

/* Asks such a server once. */
static int ask_with(struct server *s, const char *says, size_t times, bool holds,
                    struct fetch_request request)
{
    char url[64];

    start(s, says, times, holds);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/x?y=z", s->port);
    request.url = url;
    if (request.timeout_ms == 0)
        request.timeout_ms = 20000;
    if (request.max_bytes == 0)
        request.max_bytes = 1000;
    int r = fetch(&request, &answer, &err);
    stop(s);
    return r;
}

static int ask(const char *says)
{
    struct server s;

    return ask_with(&s, says, 1, false, (struct fetch_request) { 0 });
}

static void an_answer_comes_whole(void **state)
{
    struct server s;
    static const char *const headers[] = { "Accept: application/json" };

    (void)state;
    assert_int_equal(ask_with(&s,
                              "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
                              "Cache-Control: public, max-age=90\r\nContent-Length: 2\r\n\r\n{}",
                              1, false,
                              (struct fetch_request) { .headers = headers, .n_headers = 1 }),
                     0);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.content_type, "application/json");
    assert_int_equal(answer.max_age_s, 90);
    assert_int_equal(answer.body.len, 2);
    assert_memory_equal(answer.body.data, "{}", 2);
    assert_non_null(strstr(s.heard, "GET /x?y=z HTTP/1.1\r\n"));
    assert_non_null(strstr(s.heard, "Accept: application/json\r\n"));
    assert_null(strstr(s.heard, "Cookie"));
    fetch_answer_wipe(&answer);
    assert_null(answer.body.data);
}

static void a_body_is_posted(void **state)
{
    struct server s;
    struct fetch_request request = { .content_type = "application/x-www-form-urlencoded",
                                     .body = SLICE_STR("a=1&b=%20") };

    (void)state;
    assert_int_equal(ask_with(&s, "HTTP/1.1 204 No Content\r\n\r\n", 1, false, request), 0);
    assert_int_equal(answer.status, 204);
    assert_int_equal(answer.body.len, 0);
    assert_int_equal(answer.max_age_s, -1);
    assert_string_equal(answer.content_type, "");
    assert_non_null(strstr(s.heard, "POST /x?y=z HTTP/1.1\r\n"));
    assert_non_null(strstr(s.heard, "Content-Type: application/x-www-form-urlencoded\r\n"));
    assert_null(strstr(s.heard, "Expect"));
    assert_non_null(strstr(s.heard, "\r\n\r\na=1&b=%20"));
    fetch_answer_wipe(&answer);
}

static void every_status_is_an_answer_and_no_redirect_is_followed(void **state)
{
    (void)state;
    assert_int_equal(
        ask("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), 0);
    assert_int_equal(answer.status, 302);
    fetch_answer_wipe(&answer);
    assert_int_equal(ask("HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nno!"), 0);
    assert_int_equal(answer.status, 500);
    fetch_answer_wipe(&answer);
}

static void an_answer_that_is_too_long_is_refused_whether_announced_or_not(void **state)
{
    struct server s;

    (void)state;
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\nx"), -EMSGSIZE);
    assert_string_equal(err.text, "Maximum file size exceeded");
    assert_int_equal(ask_with(&s, "HTTP/1.1 200 OK\r\n\r\n" /* and then the same text for ever */,
                              1 << 20, false, (struct fetch_request) { 0 }),
                     -EMSGSIZE);
    assert_string_equal(err.text, "the answer is too long");
    assert_int_equal(ask_with(&s,
                              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n",
                              1 << 16, false, (struct fetch_request) { 0 }),
                     -EMSGSIZE);
    assert_int_equal(ask("HTTP/1.1 200 OK\r\n\r\n"), 0);
    fetch_answer_wipe(&answer);
}

static void one_that_keeps_us_waiting_is_given_up(void **state)
{
    struct server s;

    (void)state;
    for (size_t i = 0; i < 2; i++) { /* without a word, and in the midst of it */
        int64_t began = clock_ms();
        assert_int_equal(ask_with(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", i, true,
                                  (struct fetch_request) { .timeout_ms = 150 }),
                         -ETIMEDOUT);
        assert_in_range(clock_ms() - began, 100, 15000);
    }
    assert_int_equal(fetch(&(struct fetch_request) { .url = "https://example.org/",
                                                     .timeout_ms = 0,
                                                     .max_bytes = 1 },
                           &answer, &err),
                     -ETIMEDOUT);
}

static void a_name_that_nobody_looks_up_is_not_waited_for(void **state)
{
    (void)state;
    assert_true(testing_names_begin());
    assert_int_equal(fetch(&(struct fetch_request) { .url = "https://idp.example.se/",
                                                     .timeout_ms = 150,
                                                     .max_bytes = 1 },
                           &answer, &err),
                     -ETIMEDOUT);
    assert_true(testing_names_end());
}

static void a_broken_connection_is_not_an_answer(void **state)
{
    struct server s;
    char url[64];

    (void)state;
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), -EHOSTUNREACH);
    assert_int_equal(ask_with(&s, "", 0, false, (struct fetch_request) { 0 }), -EHOSTUNREACH);
    assert_int_equal(ask("220 mail.example ESMTP\r\n"), -EPROTO);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", s.port); /* nobody there any more */
    assert_int_equal(
        fetch(&(struct fetch_request) { .url = url, .timeout_ms = 20000, .max_bytes = 1 }, &answer,
              &err),
        -EHOSTUNREACH);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", s.port);
    assert_int_equal(
        fetch(&(struct fetch_request) { .url = url, .timeout_ms = 20000, .max_bytes = 1 }, &answer,
              &err),
        -EHOSTUNREACH);
}

static void what_is_said_in_the_clear_to_others_is_refused(void **state)
{
    static const struct {
        const char *url;
        bool ok;
    } urls[] = {
        { "https://idp.example.se/", true },
        { "https://idp.example.se:8443/x?y=z", true },
        { "HTTPS://idp.example.se", true },
        { "http://localhost:1/", true },
        { "http://127.9.8.7/", true },
        { "http://[::1]:80/x", true },
        { "http://idp.example.se/", false },
        { "http://localhost.example.se/", false },
        { "http://127.0.0.1.example.se/", false },
        { "http://128.0.0.1/", false },
        { "http://[::2]/", false },
        { "http://localhost@idp.example.se/", false },
        { "https://user@idp.example.se/", false },
        { "https://user:word@idp.example.se/", false },
        { "https://idp.example.se/#x", false },
        { "https://idp.example.se/ x", false },
        { "https://idp.example.se/\r\nHost: x", false },
        { "https://idp.example.se\\@x", false },
        { "https://sjukv\xc3\xa5rd.example.se/", false },
        { "https://", false },
        { "idp.example.se", false },
        { "file:///etc/passwd", false },
        { "ftp://localhost/", false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        const char *problem = fetch_url_problem(urls[i].url);
        if (!problem != urls[i].ok)
            fail_msg("%s: %s", urls[i].url, problem ? problem : "nothing wrong");
        if (!urls[i].ok)
            assert_int_equal(fetch(&(struct fetch_request) { .url = urls[i].url,
                                                             .timeout_ms = 1000,
                                                             .max_bytes = 1 },
                                   &answer, &err),
                             -EINVAL);
    }
    assert_true(fetch_url_is_local("https://127.0.0.1/"));
    assert_false(fetch_url_is_local("https://idp.example.se/"));
    assert_false(fetch_url_is_local("nothing"));
}

static void a_header_cannot_bring_another(void **state)
{
    static const char *const bent[] = { "A: b\r\nC: d", "A: b\nC: d", "no colon", "A: \xc3\xa5" };
    struct fetch_request request = {
        .url = "http://127.0.0.1:1/", .timeout_ms = 1000, .max_bytes = 1, .n_headers = 1
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bent); i++) {
        request.headers = &bent[i];
        assert_int_equal(fetch(&request, &answer, &err), -EINVAL);
    }
    request.n_headers = 0;
    request.content_type = "text/plain\r\nX: y";
    assert_int_equal(fetch(&request, &answer, &err), -EINVAL);
}

static void how_long_an_answer_may_be_kept_is_read(void **state)
{
    static const struct {
        const char *header;
        int64_t age;
    } cases[] = {
        { "", -1 },
        { "Cache-Control: max-age=0\r\n", 0 },
        { "Cache-Control: MAX-AGE=7 , private\r\n", 7 },
        { "Cache-Control: max-age=60, no-store\r\n", 0 },
        { "Cache-Control: no-cache\r\n", 0 },
        { "Cache-Control: max-age=-5\r\n", -1 },
        { "Cache-Control: max-age=x\r\n", -1 },
        { "Cache-Control: s-maxage=9\r\n", -1 },
        { "Cache-Control: max-age=99999999999999999999\r\n", INT32_MAX },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char says[200];
        (void)snprintf(says, sizeof(says), "HTTP/1.1 200 OK\r\n%sContent-Length: 0\r\n\r\n",
                       cases[i].header);
        assert_int_equal(ask(says), 0);
        assert_int_equal(answer.max_age_s, cases[i].age);
        fetch_answer_wipe(&answer);
    }
}

static void a_proxy_of_the_environment_is_not_asked(void **state)
{
    (void)state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(ask("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 0);
    fetch_answer_wipe(&answer);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_whole),
        cmocka_unit_test(a_body_is_posted),
        cmocka_unit_test(every_status_is_an_answer_and_no_redirect_is_followed),
        cmocka_unit_test(an_answer_that_is_too_long_is_refused_whether_announced_or_not),
        cmocka_unit_test(one_that_keeps_us_waiting_is_given_up),
        cmocka_unit_test(a_name_that_nobody_looks_up_is_not_waited_for),
        cmocka_unit_test(a_broken_connection_is_not_an_answer),
        cmocka_unit_test(what_is_said_in_the_clear_to_others_is_refused),
        cmocka_unit_test(a_header_cannot_bring_another),
        cmocka_unit_test(how_long_an_answer_may_be_kept_is_read),
        cmocka_unit_test(a_proxy_of_the_environment_is_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
