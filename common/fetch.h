/* fetch.h - one HTTP request to a server of somebody else's, with every bound that such a request needs: time, bytes, one server,
 * no redirects, no proxy, no cookies, TLS verified. Blocks until it is done, so it belongs on a pool thread.
 *
 * Only https; plain http only to this machine (localhost, 127.0.0.0/8, ::1): a local provider, tests. What comes back is
 * a stranger's: a redirect or a 500 is a result like any other, to be judged by the caller.
 *
 *     struct fetch_answer answer;
 *     int r = fetch(&(struct fetch_request) { .url = url, .timeout_ms = 5000, .max_bytes = 65536 }, &answer, err);
 *     if (r == 0 && answer.status == 200) ...
 *     fetch_answer_wipe(&answer);
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/status.h"

enum { FETCH_MAX_URL = 2048, FETCH_MAX_TYPE = 80 };

struct fetch_request {
    const char *url;
    const char *const
        *headers; /* "Accept: application/json", ...; no CR, LF or other control character */
    size_t n_headers;
    const char *content_type; /* of `body`: then it is a POST, else a GET */
    struct slice body;
    const char *ca_file; /* the only certificates trusted (PEM); NULL: those the system trusts */
    int64_t timeout_ms;  /* for all of it, from looking up the name to the last byte */
    size_t max_bytes;    /* of the answer's body */
};

struct fetch_answer {
    int status; /* 100 to 599 */
    char content_type
        [FETCH_MAX_TYPE]; /* media type in lower case, without parameters; "" when missing or longer */
    int64_t
        max_age_s; /* of Cache-Control; 0 also for no-store and no-cache; -1 when it says nothing */
    struct buf body; /* one block, never moved: wiping it leaves no copy of ours */
};

/* NULL when a URL may be fetched, else what is wrong with it: "must begin with https://", ... Plain ASCII without a user name
 * and without a fragment. */
const char *fetch_url_problem(const char *url);
/* Whether the URL's host is this machine, by its name or number alone. False for what is no URL. */
bool fetch_url_is_local(const char *url);

/* 0: there is an answer, whatever its status; wipe it. Else nothing to wipe:
 * -EINVAL the request is not one (URL, header, timeout); -ETIMEDOUT; -EMSGSIZE more than max_bytes; -EHOSTUNREACH nobody there, or
 * the connection broke; -EPROTO TLS or HTTP not as it must be (a certificate that is not trusted, no HTTP); -ENOMEM; -EIO.
 * `err` says why without URL, header or body. */
int fetch(const struct fetch_request *request, struct fetch_answer *ret,
          struct err *err) must_check;

/* Overwrites the body with zeros and gives it back. */
void fetch_answer_wipe(struct fetch_answer *answer);
