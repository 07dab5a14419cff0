/* peers.c - clients of the other services, one each, made when asked for. */
#include "common/peers.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/caller.h"
#include "common/clock.h"
#include "common/name.h"
#include "common/pack.h"

enum {
    PROOF_MS = 60 * 1000, /* longer than a call that is made at once takes to arrive */
    MAX_BODY = 15 * 1024 * 1024,
};

struct peer {
    char name[SERVICE_NAME_MAX + 1];
    struct client *client;
};

struct peers {
    struct bus *bus;
    char home[PATH_MAX];
    char name[SERVICE_NAME_MAX + 2]; /* "@accounts" */
    bool has_key;
    uint8_t key[CALLER_KEY_BYTES];
    struct peer all[PEERS_MAX];
    size_t n;
};

struct peers *peers_new(struct bus *bus, const char *home, const char *name)
{
    struct peers *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->bus = bus;
    (void)snprintf(p->home, sizeof(p->home), "%.3800s", home);                      /* fits */
    (void)snprintf(p->name, sizeof(p->name), "@%.*s", (int)SERVICE_NAME_MAX, name); /* fits */
    return p;
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        client_free(p->all[i].client);
    sodium_memzero(p->key, sizeof(p->key));
    free(p);
}

/* ---- who is there ---- */

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;

    return strcmp(*left, *right);
}

/* "letters.call" is the socket of "letters". */
static bool is_another(const struct peers *p, const char *file, size_t *ret_len)
{
    const char *dot = strrchr(file, '.');

    if (!dot || strcmp(dot, ".call") != 0)
        return false;
    *ret_len = (size_t)(dot - file);
    return service_name_valid(file, *ret_len) &&
           !(strlen(p->name + 1) == *ret_len && memcmp(p->name + 1, file, *ret_len) == 0);
}

int peers_list(struct peers *p, struct arena *arena, const char *const **ret, size_t *ret_n)
{
    const char **names = arena_calloc(arena, PEERS_MAX, sizeof(*names));
    char path[PATH_MAX];
    size_t n = 0, len;
    int r = 0;

    (void)snprintf(path, sizeof(path), "%.3800s/run", p->home); /* fits */
    DIR *run = names ? opendir(path) : NULL;
    if (!run)
        return names ? -errno : -ENOMEM;
    for (const struct dirent *e; r == 0 && n < PEERS_MAX && (e = readdir(run));)
        if (is_another(p, e->d_name, &len)) {
            names[n] = arena_strndup(arena, e->d_name, len);
            r = names[n++] ? 0 : -ENOMEM;
        }
    (void)closedir(run); /* only read */
    if (r < 0)
        return r;
    qsort(names, n, sizeof(*names), compare_names);
    *ret = names;
    *ret_n = n;
    return 0;
}

/* ---- calling ---- */

/* NULL: `err` says why. */
static struct client *client_of(struct peers *p, const char *service, struct err *err)
{
    char endpoint[PATH_MAX];
    const char *const endpoints[] = { endpoint };

    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->all[i].name, service) == 0)
            return p->all[i].client;
    if (p->n == PEERS_MAX || !service_name_valid(service, strlen(service))) {
        (void)err_set(err, EINVAL, "There is no service \"%.40s\".", service);
        return NULL;
    }
    struct peer *peer = &p->all[p->n];
    (void)snprintf(peer->name, sizeof(peer->name), "%s", service); /* fits: it is valid */
    (void)snprintf(endpoint, sizeof(endpoint), "ipc://%.3800s/run/%s.call", p->home,
                   peer->name); /* fits */
    const struct client_config config = { .service = peer->name,
                                          .endpoints = endpoints,
                                          .n_endpoints = 1 };
    peer->client = client_new(p->bus, &config, err);
    return peer->client ? p->all[p->n++].client : NULL;
}

static int have_key(struct peers *p, struct err *err)
{
    if (p->has_key)
        return 0;
    int r = caller_key_open(p->home, getenv("CREDENTIALS_DIRECTORY"), p->key, err);
    p->has_key = r == 0;
    return r;
}

static void refuse(struct arena *arena, enum code code, const char *message,
                   struct client_reply *ret)
{
    const char *kept = arena_strdup(arena, message);

    *ret = (struct client_reply) { .code = code, .message = kept ? kept : "" };
}

/* As this service itself, proven for the other. */
static void call_as(struct peers *p, struct client *client, const struct peers_ask *ask,
                    struct slice body, struct arena *arena, struct client_reply *ret)
{
    uint8_t key[CALLER_KEY_BYTES], proof[CALLER_PROOF_BYTES];
    struct buf caller = BUF_INIT(1024);

    caller_put(&caller, p->name, NULL, 0, wall_ms() + PROOF_MS);
    caller_key_of(p->key, ask->service, key);
    const struct slice packed = { caller.data, caller.len };
    caller_prove(key, packed, (struct slice) { 0 }, proof);
    sodium_memzero(key, sizeof(key));
    const struct client_call call = {
        .method = ask->method,
        .body = body,
        .timeout_ms = ask->timeout_ms,
        .query = ask->query,
        .idempotency_key = ask->idempotency_key,
        .caller = packed,
        .proof = { proof, sizeof(proof) },
    };
    if (caller.failed)
        refuse(arena, CODE_RESOURCE_EXHAUSTED, "There is no memory for the call.", ret);
    else
        client_call_wait(client, &call, arena, ret);
    buf_free(&caller);
}

void peers_call(struct peers *p, const struct peers_ask *ask, struct arena *arena,
                struct client_reply *ret)
{
    struct err err = { "" };
    struct slice body;

    struct client *client = client_of(p, ask->service, &err);
    if (!client || have_key(p, &err) < 0)
        refuse(arena, CODE_UNAVAILABLE, err.text, ret);
    else if (!pack_in(arena, ask->request, MAX_BODY, &body))
        refuse(arena, CODE_RESOURCE_EXHAUSTED, "The request is too large.", ret);
    else
        call_as(p, client, ask, body, arena, ret);
}
