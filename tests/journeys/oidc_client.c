/* oidc_client.c - the OpenID Connect client of accounts as a filter, for oidc.test: what the service does with it, a line at a time.
 *
 *   oidc-client HOME        reads HOME/oidc.json; a mistake in it: one line on stderr, exit code 1
 *
 *   discover ID MS                                            ok | RESULT why
 *   start ID SEED LEVEL AGE                                   url URL | RESULT why
 *   finish ID SEED LEVEL AGE MS PROVIDER STATE CODE ISS ERROR
 *                                                             ok {"issuer":...} | RESULT why
 *
 * SEED is 64 hex digits; AGE is the wish's max_age_s, "-" for none; MS is the time there is; "-" is a parameter the browser did not bring.
 * Every other line is answered with "what?". */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "services/accounts/oidc.h"

enum { MAX_WORDS = 12 };

static const char *absent(const char *word)
{
    return strcmp(word, "-") == 0 ? NULL : word;
}

static struct oidc_wish wish_of(const char *level, const char *age)
{
    return (struct oidc_wish) {
        .min_level = (unsigned)strtoul(level, NULL, 10),
        .fresh = absent(age) != NULL,
        .max_age_s = strtoll(age, NULL, 10),
        .locale = "sv",
    };
}

static void tell(enum oidc_result result, const char *why)
{
    printf("%s %s\n", oidc_result_name(result), result == OIDC_OK ? "" : why);
}

static void member(struct buf *out, const char *name, const char *value)
{
    buf_append_byte(out, out->len == 0 ? '{' : ',');
    json_string(out, name, strlen(name));
    buf_append_byte(out, ':');
    json_string(out, value, strlen(value));
}

static void tell_identity(const struct oidc_identity *who)
{
    struct buf out = BUF_INIT(16384);
    char level[16];

    (void)snprintf(level, sizeof(level), "%u", who->level);
    member(&out, "issuer", who->issuer);
    member(&out, "subject", who->subject);
    member(&out, "level", level);
    member(&out, "name", who->name);
    member(&out, "email", who->email);
    member(&out, "emailVerified", who->email_verified ? "true" : "false");
    member(&out, "personalNumber", who->personal_number);
    member(&out, "orgNumber", who->org_number);
    printf("ok %.*s}\n", (int)out.len, (const char *)out.data);
    buf_free(&out);
}

static void start(struct oidc_provider *p, const struct oidc_attempt *attempt, char **w)
{
    struct oidc_wish wish = wish_of(w[3], w[4]);
    char url[OIDC_MAX_START_URL];
    const char *why = NULL;
    enum oidc_result result = oidc_start(p, attempt, &wish, url, &why);

    if (result == OIDC_OK)
        printf("url %s\n", url);
    else
        tell(result, why);
}

static void finish(struct oidc_provider *p, const struct oidc_attempt *attempt, char **w)
{
    struct oidc_wish wish = wish_of(w[3], w[4]);
    struct oidc_callback callback = {
        .provider = absent(w[6]),
        .state = absent(w[7]),
        .code = absent(w[8]),
        .iss = absent(w[9]),
        .error = absent(w[10]),
    };
    struct oidc_identity who;
    const char *why = NULL;
    enum oidc_result result = oidc_finish(p, attempt, &wish, &callback, wall_ms(),
                                          clock_ms() + strtoll(w[5], NULL, 10), &who, &why);

    if (result == OIDC_OK)
        tell_identity(&who);
    else
        tell(result, why);
}

/* False: not a line that means something. */
static bool obey(struct oidc *oidc, size_t n, char **w)
{
    struct oidc_provider *p = n > 1 ? oidc_provider_find(oidc, w[1]) : NULL;
    uint8_t seed[OIDC_SEED_BYTES];
    struct oidc_attempt attempt;
    const char *why = NULL;
    size_t len;

    if (p && n == 3 && strcmp(w[0], "discover") == 0) {
        enum oidc_result result = oidc_discover(p, clock_ms() + strtoll(w[2], NULL, 10), &why);
        tell(result, why);
        return true;
    }
    if (!p || n < 5 || sodium_hex2bin(seed, sizeof(seed), w[2], strlen(w[2]), NULL, &len, NULL) ||
        len != sizeof(seed))
        return false;
    oidc_attempt_of(seed, &attempt);
    if (n == 5 && strcmp(w[0], "start") == 0)
        start(p, &attempt, w);
    else if (n == 11 && strcmp(w[0], "finish") == 0)
        finish(p, &attempt, w);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct oidc *oidc;
    struct err err;
    char *line = NULL, *words[MAX_WORDS], *rest;
    size_t room = 0;

    if (argc != 2 || oidc_open(&oidc, argv[1], &err)) {
        fprintf(stderr, "%s\n", argc == 2 ? err.text : "usage: oidc-client HOME");
        return 1;
    }
    while (getline(&line, &room, stdin) > 0) {
        size_t n = 0;
        for (char *w = strtok_r(line, " \n", &rest); w && n < MAX_WORDS;
             w = strtok_r(NULL, " \n", &rest))
            words[n++] = w;
        if (!obey(oidc, n, words))
            printf("what?\n");
        fflush(stdout);
    }
    free(line);
    oidc_close(oidc);
    return 0;
}
