/* fetch.c - one bounded request by libcurl's easy interface. A handle a request: nothing (connection, cookie, credential) of one
 * request can reach another. The answer's body is taken whole before the request, so that nothing is copied while it grows. */
#include "common/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/curl.h"

static bool is_plain(const char *text, unsigned char lowest)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < lowest || *p >= 0x7f)
            return false;
    return true;
}

static bool is_local_host(const char *host)
{
    struct in_addr four;
    struct in6_addr six;
    char plain[INET6_ADDRSTRLEN];
    size_t len = strlen(host);

    if (strcasecmp(host, "localhost") == 0) /* libcurl never asks a name server for it */
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (len < 3 || host[0] != '[' || len - 2 >= sizeof(plain))
        return false;
    memcpy(plain, host + 1, len - 2);
    plain[len - 2] = '\0';
    return inet_pton(AF_INET6, plain, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool there = curl_url_get(url, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return there;
}

static const char *judge(CURLU *url, const char *text, bool *ret_local)
{
    char *host = NULL;
    const char *problem = NULL;

    if (curl_url_set(url, CURLUPART_URL, text, 0) || curl_url_get(url, CURLUPART_HOST, &host, 0))
        return "must be a whole web address";
    *ret_local = is_local_host(host);
    curl_free(host);
    bool https = strncasecmp(text, "https://", 8) == 0;
    bool http = strncasecmp(text, "http://", 7) == 0;

    if (!https && !(http && *ret_local))
        problem = "must begin with https:// (http:// only to this machine)";
    else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
        problem = "must not hold a user name or password";
    else if (strchr(text, '#'))
        problem = "must not have a fragment";
    return problem;
}

static const char *look(const char *text, bool *ret_local)
{
    *ret_local = false;
    if (strlen(text) > FETCH_MAX_URL)
        return "must have at most 2048 characters";
    if (!is_plain(text, 0x21) || strchr(text, '\\'))
        return "must be plain ASCII without spaces";
    CURLU *url = curl_url();
    const char *problem = url ? judge(url, text, ret_local) : "could not be looked at: no memory";
    curl_url_cleanup(url);
    return problem;
}

const char *fetch_url_problem(const char *url)
{
    bool local;

    return look(url, &local);
}

bool fetch_url_is_local(const char *url)
{
    bool local;

    (void)look(url, &local); /* says false when there is a problem with the host */
    return local;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct buf *body = arg;

    (void)size; /* always 1 */
    if (n > body->max - body->len) {
        body->failed = true;
        return 0;
    }
    memcpy(body->data + body->len, bytes, n);
    body->len += n;
    return n;
}

/* "max-age=60" in a list of directives (RFC 9111, 5.2). */
static int64_t read_max_age(const char *value)
{
    int64_t age = -1;

    for (const char *at = value; *at;) {
        size_t len = strcspn(at, ",");
        const char *name = at + strspn(at, " \t");
        if (strncasecmp(name, "max-age=", 8) == 0) {
            char *end;
            long long seconds = strtoll(name + 8, &end, 10);
            if (end != name + 8 && name[8] != '-')
                age = seconds > INT32_MAX ? INT32_MAX : seconds;
        } else if (strncasecmp(name, "no-store", 8) == 0 || strncasecmp(name, "no-cache", 8) == 0) {
            return 0;
        }
        at += len;
        at += *at == ',';
    }
    return age;
}

static void read_headers(CURL *curl, struct fetch_answer *answer)
{
    struct curl_header *header;

    answer->max_age_s = -1;
    if (curl_easy_header(curl, "Cache-Control", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        answer->max_age_s = read_max_age(header->value);
    answer->content_type[0] = '\0';
    if (curl_easy_header(curl, "Content-Type", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return;
    size_t len = strcspn(header->value, "; \t");
    if (len >= FETCH_MAX_TYPE)
        return;
    for (size_t i = 0; i < len; i++) {
        char c = header->value[i];
        answer->content_type[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    answer->content_type[len] = '\0';
}

static int errno_of(CURLcode code, const struct buf *body)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return ETIMEDOUT;
    case CURLE_FILESIZE_EXCEEDED:
        return EMSGSIZE;
    case CURLE_WRITE_ERROR:
        return body->failed ? EMSGSIZE : EPROTO;
    case CURLE_OUT_OF_MEMORY:
        return ENOMEM;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
        return EHOSTUNREACH;
    case CURLE_SSL_CACERT_BADFILE:
        return EIO;
    default:
        return EPROTO;
    }
}

/* Sets an option unless one before it could not be set. */
#define SET(option, value) (code = code ? code : curl_easy_setopt(curl, option, value))

/* What every request has. */
static CURLcode set_bounds(CURL *curl, const struct fetch_request *q, bool local)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_URL, q->url);
    SET(CURLOPT_PROTOCOLS_STR, local ? "http,https" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_TIMEOUT_MS, (long)q->timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)q->timeout_ms);
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)q->max_bytes);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, "fokus/" FOKUS_VERSION);
    if (q->content_type) {
        SET(CURLOPT_POSTFIELDS, (const char *)q->body.data);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
    }
    return code;
}

static bool add_header(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);

    if (longer)
        *list = longer;
    return longer != NULL;
}

static void wipe_headers(struct curl_slist *list)
{
    for (struct curl_slist *at = list; at; at = at->next)
        sodium_memzero(at->data, strlen(at->data));
    curl_slist_free_all(list);
}

static int add_headers(struct curl_slist **list, const struct fetch_request *q, struct err *err)
{
    char type[FETCH_MAX_TYPE + 16];

    for (size_t i = 0; i < q->n_headers; i++) {
        if (!is_plain(q->headers[i], 0x20) || !strchr(q->headers[i], ':'))
            return err_set(err, EINVAL, "a header of the request is not one");
        if (!add_header(list, q->headers[i]))
            return err_set(err, ENOMEM, "no memory for the request");
    }
    if (!q->content_type)
        return 0;
    int len = snprintf(type, sizeof(type), "Content-Type: %s", q->content_type);
    if (len < 0 || (size_t)len >= sizeof(type) || !is_plain(type, 0x20))
        return err_set(err, EINVAL, "the request's content type is not one");
    /* With "Expect:" empty a POST does not wait for a 100 Continue that may never come. */
    if (!add_header(list, type) || !add_header(list, "Expect:"))
        return err_set(err, ENOMEM, "no memory for the request");
    return 0;
}

static int ask(CURL *curl, const struct fetch_request *q, struct fetch_answer *answer,
               struct err *err)
{
    CURLcode code = CURLE_OK;
    long status = 0;

    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, &answer->body);
    if (!code)
        code = set_bounds(curl, q, fetch_url_is_local(q->url));
    if (!code)
        code = curl_easy_perform(curl);
    SET(CURLOPT_HTTPHEADER, NULL);
    if (code)
        return err_set(err, errno_of(code, &answer->body), "%s",
                       answer->body.failed ? "the answer is too long" : curl_easy_strerror(code));
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status); /* known after a success */
    answer->status = (int)status;
    read_headers(curl, answer);
    return 0;
}

int fetch(const struct fetch_request *request, struct fetch_answer *ret, struct err *err)
{
    struct fetch_answer answer = { .body = BUF_INIT(request->max_bytes) };
    struct curl_slist *headers = NULL;
    const char *problem = fetch_url_problem(request->url);

    if (problem)
        return err_set(err, EINVAL, "the address %s", problem);
    if (request->timeout_ms <= 0)
        return err_set(err, ETIMEDOUT, "no time is left for it");
    if (curl_ready())
        return err_set(err, EIO, "libcurl cannot be set up");
    int r = add_headers(&headers, request, err);
    CURL *curl = NULL;
    if (r == 0 &&
        (!buf_reserve(&answer.body, request->max_bytes) || !(curl = curl_new(request->ca_file))))
        r = err_set(err, ENOMEM, "no memory for the request");
    if (r == 0 && headers && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers))
        r = err_set(err, ENOMEM, "no memory for the request");
    if (r == 0)
        r = ask(curl, request, &answer, err);
    curl_easy_cleanup(curl);
    wipe_headers(headers);
    if (r)
        fetch_answer_wipe(&answer);
    else
        *ret = answer;
    return r;
}

void fetch_answer_wipe(struct fetch_answer *answer)
{
    if (answer->body.data)
        sodium_memzero(answer->body.data, answer->body.room);
    buf_free(&answer->body);
}
