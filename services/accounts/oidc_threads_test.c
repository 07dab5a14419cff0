/* One provider, several threads: some fetch what has grown too old, some open tokens, some send browsers away. ThreadSanitizer looks on. */
#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "services/accounts/oidc_testing.h"

enum { FETCHERS = 3, OPENERS = 2, STARTERS = 2, ROUNDS = 40 };

/* The provider: one connection after the other, the document or the keys. */
static struct {
    pthread_t thread;
    int listener;
    char issuer[40];
    char document[400];
    char *keys;
    atomic_uint served;
} server;

static void answer(int fd)
{
    char request[2048], reply[4096];
    size_t len = 0;

    while (len < sizeof(request) - 1) {
        ssize_t n = read(fd, request + len, sizeof(request) - 1 - len);
        if (n <= 0)
            return;
        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    const char *body = strncmp(request, "GET /jwks ", 10) == 0 ? server.keys : server.document;
    int n = snprintf(reply, sizeof(reply),
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                     "%zu\r\nConnection: close\r\n\r\n%s",
                     strlen(body), body);
    if (n > 0 && (size_t)n < sizeof(reply) && send(fd, reply, (size_t)n, MSG_NOSIGNAL) == n)
        server.served++;
}

static void *serve(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
        answer(fd);
        close(fd);
    }
    return NULL;
}

static cjose_jwk_t *ec;
static char *genuine, *unknown;
static struct oidc_provider provider = {
    .settings = { .id = "one",
                  .client_id = CLIENT_ID,
                  .redirect_uri = "http://127.0.0.1:1/one",
                  .scope = "openid" },
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

static int start_server(void **state)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    (void)state;
    if (oidc_json_ready())
        return -1;
    ec = new_ec();
    json_t *jwk = jwk_json(ec, false, "{\"kid\":\"k\"}");
    server.keys = key_set(1, &jwk);
    genuine = sign_with(ec, "{\"alg\":\"ES256\",\"kid\":\"k\"}", "{}");
    unknown = sign_with(ec, "{\"alg\":\"ES256\",\"kid\":\"?\"}", "{}");
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server.listener < 0 || bind(server.listener, (struct sockaddr *)&at, len) ||
        getsockname(server.listener, (struct sockaddr *)&at, &len) || listen(server.listener, 64))
        return -1;
    (void)snprintf(server.issuer, sizeof(server.issuer), "http://127.0.0.1:%u", ntohs(at.sin_port));
    (void)snprintf(server.document, sizeof(server.document),
                   "{\"issuer\":\"%s\",\"authorization_endpoint\":\"%s/"
                   "auth\",\"token_endpoint\":\"%s/token\",\"jwks_uri\":\"%s/jwks\"}",
                   server.issuer, server.issuer, server.issuer, server.issuer);
    provider.settings.issuer = server.issuer;
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    shutdown(server.listener, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.listener);
    free(server.keys);
    free(genuine);
    free(unknown);
    cjose_jwk_release(ec);
    oidc_keys_free(provider.keys);
    return 0;
}

/* What a thread found wrong; NULL is nothing. */
static void *fetches(void *arg)
{
    const char *why = NULL;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&provider.lock);
        provider.document_until_ms = 0;
        provider.keys_until_ms = 0;
        provider.keys_anew_ms = 0;
        pthread_mutex_unlock(&provider.lock);
        if (oidc_discover(&provider, clock_ms() + 60000, &why) != OIDC_OK)
            return (void *)why;
    }
    return NULL;
}

static void *opens(void *arg)
{
    const char *why = NULL;
    const struct oidc_call call = { &provider, clock_ms() + 120000, &why };
    json_t *payload;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (oidc_open_token(&call, slice_of(genuine), &payload) != OIDC_OK)
            return (void *)why;
        json_decref(payload);
        if (oidc_open_token(&call, slice_of(unknown), &payload) != OIDC_FORGED)
            return "an unknown key was known";
    }
    return NULL;
}

static void *starts(void *arg)
{
    static const uint8_t seed[OIDC_SEED_BYTES];
    struct oidc_attempt attempt;
    struct oidc_wish wish = { 0 };
    char url[OIDC_MAX_START_URL];
    const char *why = NULL;

    (void)arg;
    oidc_attempt_of(seed, &attempt);
    struct oidc_callback callback = { .provider = "one", .state = attempt.state, .code = "x" };
    for (int i = 0; i < ROUNDS * 100; i++) {
        enum oidc_result result = oidc_start(&provider, &attempt, &wish, url, &why);
        if (result != OIDC_NOT_READY &&
            (result != OIDC_OK || strncmp(url, server.issuer, strlen(server.issuer)) != 0))
            return (void *)why;
        if (oidc_callback_check(&provider, &attempt, &callback, &why) != OIDC_OK)
            return (void *)why;
    }
    return NULL;
}

static void threads_share_a_provider(void **state)
{
    pthread_t threads[FETCHERS + OPENERS + STARTERS];
    void *problem;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i < FETCHERS             ? fetches
                                        : i < FETCHERS + OPENERS ? opens
                                                                 : starts,
                                        NULL),
                         0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &problem), 0);
        if (problem)
            fail_msg("thread %zu: %s", i, (const char *)problem);
    }
    assert_true(server.served >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_a_provider),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
