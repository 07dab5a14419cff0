/* session_bench.c - what it costs the gateway to know a caller again: from the Cookie header to the packed caller with its proof, out of a table
 * of many. One line of JSON.
 *
 *   session_bench [SESSIONS [SECONDS]] */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "services/gateway/known.h"
#include "services/gateway/session.h"

enum { ROUND = 50, HEADER = 300, SERVICES = 5 };

struct bench {
    struct known *known;
    struct known_service services[SERVICES];
    char (*headers)[HEADER]; /* as browsers send them, with other cookies before and after */
    unsigned n;
    uint32_t seed;
    uint64_t checksum; /* so that nothing is left out */
};

static void fail(const char *what)
{
    fprintf(stderr, "session_bench: %s\n", what);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What gateway and identity.c do with a signed-in call that needs no asking. */
static void resolve_one(struct bench *b, const char *header, unsigned service)
{
    struct credential c = { .kind = CREDENTIAL_SESSION };
    struct cookies cookies;
    struct slice caller, proof;
    uint8_t call[512];

    session_cookies(header, &cookies);
    caller_hash_token(cookies.session, c.hash);
    struct person *p = known_find(b->known, &c, 1000);
    if (!p || known_caller(b->known, p, &b->services[service], 1800000000000, &caller, &proof) < 0)
        fail("a session is not known");
    memcpy(call, caller.data, caller.len);
    memcpy(call + caller.len, proof.data, proof.len);
    b->checksum += call[caller.len];
}

static void fill(struct bench *b)
{
    static const uint8_t key[CALLER_KEY_BYTES] = { 7 };
    static const char *const names[SERVICES] = { "mill", "bakery", "brewery", "dairy", "smithy" };
    uint8_t pseudonym_key[CALLER_KEY_BYTES];
    char token[SESSION_TOKEN_CHARS + 1], watch[32],
        *roles[] = { "member", "representative:a-group" };
    struct person *p;

    for (unsigned i = 0; i < SERVICES; i++)
        b->services[i] = (struct known_service) { .index = i, .name = names[i], .key = key };
    for (unsigned i = 0; i < b->n; i++) {
        Fokus__Runtime__V1__ResolveCallerResponse said =
            FOKUS__RUNTIME__V1__RESOLVE_CALLER_RESPONSE__INIT;
        struct credential c = { .kind = CREDENTIAL_SESSION };

        session_new_browser(token);
        randombytes_buf(pseudonym_key, sizeof(pseudonym_key));
        (void)snprintf(watch, sizeof(watch), "watch-%u", i);
        (void)snprintf(b->headers[i], HEADER,
                       "language=sv; __Host-fokus-browser=%s; __Host-fokus=%s; theme=dark", token,
                       token);
        caller_hash_token((struct slice) { (uint8_t *)token, SESSION_TOKEN_CHARS }, c.hash);
        said.id = "018f0000-0000-7000-8000-000000000001";
        said.pseudonym_key = (ProtobufCBinaryData) { sizeof(pseudonym_key), pseudonym_key };
        said.watch = watch;
        said.roles = roles;
        said.n_roles = 2;
        said.expires_ms = INT64_MAX;
        if (known_put(b->known, &c, &said, 0, 0, &p) < 0)
            fail("no memory");
        for (unsigned k = 0; k < SERVICES; k++)
            resolve_one(b, b->headers[i], k); /* packed for each service once */
    }
}

int main(int argc, char **argv)
{
    struct bench b = { .n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : KNOWN_ENTRIES,
                       .seed = 1 };
    double for_s = argc > 2 ? strtod(argv[2], NULL) : 2, begin, spent = 0;
    static char hot[ROUND][HEADER];
    uint64_t n = 0;

    b.known = known_new(KNOWN_ENTRIES, KNOWN_BYTES);
    b.headers = calloc(b.n ? b.n : 1, sizeof(*b.headers));
    if (!b.known || !b.headers || b.n == 0 || b.n > KNOWN_ENTRIES)
        fail("no memory, or no such number of sessions");
    fill(&b);
    /* A header has just been received when it is looked at, so copying it is not part of the time. */
    do {
        for (int i = 0; i < ROUND; i++) {
            b.seed = b.seed * 1664525 + 1013904223;
            memcpy(hot[i], b.headers[(b.seed >> 4) % b.n], HEADER);
        }
        begin = seconds();
        for (int i = 0; i < ROUND; i++)
            resolve_one(&b, hot[i], (unsigned)i % SERVICES);
        spent += seconds() - begin;
        n += ROUND;
    } while (spent < for_s);
    printf("{\"sessions\":%u,\"per_second\":%.0f,\"mb\":%.1f,\"evicted\":%llu,\"checksum\":%llu}\n",
           b.n, (double)n / spent, (double)known_bytes(b.known) / 1e6,
           (unsigned long long)known_evicted(b.known), (unsigned long long)b.checksum);
    free(b.headers);
    known_free(b.known);
    return 0;
}
