/* known.c - see known.h. A person is one block of memory, in a chain by her token's hash, in another by her watch handle, and in a ring that
 * the hand of a clock goes round when there is no room. What a call looks at stands first in it; what goes to one service is a block of its
 * own, found by the service's number at once while there are few. */
#include "services/gateway/known.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"

enum { MAX_WATCH = 100, MAX_SERVICES = 60, PACK_PLACES = 8 /* a power of two */ };

/* A caller as it goes to one service. */
struct pack {
    struct pack *next;  /* of those with the same place */
    int64_t expires_ms; /* wall clock */
    uint16_t service;
    uint16_t room; /* of `caller` */
    uint16_t len;
    uint8_t proof[CALLER_PROOF_BYTES];
    uint8_t caller[];
};

struct person {
    struct credential credential;
    bool used; /* since the hand came by */
    bool queries_only;
    uint16_t n_roles, n_services;
    struct person *next_hash, *next_watch; /* in their chains */
    int64_t until_ms;                      /* monotonic clock */
    struct pack *packs[PACK_PLACES];       /* by service */
    struct person *next, *prev;            /* in the ring */
    size_t bytes;                          /* with its packs */
    uint8_t pseudonym_key[CALLER_KEY_BYTES];
    const char *id, *watch;
    const char **roles, **services;
};

struct known {
    struct person **by_hash, **by_watch;
    size_t n_chains; /* a power of two */
    size_t max_entries, max_bytes, n, n_bytes;
    struct person *hand; /* NULL: nobody is known */
    uint64_t evicted;
    uint8_t chain_key[crypto_shorthash_KEYBYTES];
};

struct known *known_new(size_t max_entries, size_t max_bytes)
{
    struct known *k = calloc(1, sizeof(*k));

    if (!k)
        return NULL;
    *k = (struct known) { .max_entries = max_entries, .max_bytes = max_bytes, .n_chains = 16 };
    while (k->n_chains < max_entries)
        k->n_chains *= 2;
    /* Memory that was never written to is an empty table: it costs nothing until it is used. */
    k->by_hash = calloc(k->n_chains, sizeof(struct person *));
    k->by_watch = calloc(k->n_chains, sizeof(struct person *));
    randombytes_buf(k->chain_key, sizeof(k->chain_key));
    if (k->by_hash && k->by_watch)
        return k;
    known_free(k);
    return NULL;
}

/* Security: whoever forges tokens cannot choose that they meet in one chain. */
static struct person **chain_of(const struct known *k, struct person **chains, const void *bytes,
                                size_t len)
{
    uint64_t hash;

    (void)crypto_shorthash((uint8_t *)&hash, bytes, len, k->chain_key); /* cannot fail */
    return &chains[hash & (k->n_chains - 1)];
}

static struct person **hash_chain(const struct known *k, const struct credential *c)
{
    return chain_of(k, k->by_hash, c->hash, sizeof(c->hash));
}

static struct person **watch_chain(const struct known *k, const char *watch)
{
    return chain_of(k, k->by_watch, watch, strlen(watch));
}

static struct person *find(const struct known *k, const struct credential *c)
{
    struct person *p = *hash_chain(k, c);

    while (p && (p->credential.kind != c->kind ||
                 memcmp(p->credential.hash, c->hash, sizeof(c->hash)) != 0))
        p = p->next_hash;
    return p;
}

/* ---- persons ---- */

static void person_free(struct person *p)
{
    for (size_t i = 0; i < PACK_PLACES; i++) {
        for (struct pack *pack = p->packs[i], *next; pack; pack = next) {
            next = pack->next;
            free(pack);
        }
    }
    sodium_memzero(p->pseudonym_key, sizeof(p->pseudonym_key));
    free(p);
}

static size_t texts_bytes(char *const *texts, size_t n)
{
    size_t bytes = n * sizeof(char *);

    for (size_t i = 0; i < n; i++)
        bytes += strlen(texts[i]) + 1;
    return bytes;
}

static const char *keep_text(char **to, const char *text)
{
    const char *kept = *to;
    size_t len = strlen(text) + 1;

    memcpy(*to, text, len);
    *to += len;
    return kept;
}

/* What another process says is checked, like what a stranger says. */
static bool is_answer(const Fokus__Runtime__V1__ResolveCallerResponse *said)
{
    uint8_t id[ID_BYTES];

    if (!id_read(said->id, id) || said->pseudonym_key.len != CALLER_KEY_BYTES ||
        said->n_roles > CALLER_MAX_ROLES || said->n_services > MAX_SERVICES || !said->watch[0] ||
        strlen(said->watch) > MAX_WATCH)
        return false;
    for (size_t i = 0; i < said->n_services; i++)
        if (!service_name_valid(said->services[i], strlen(said->services[i])))
            return false;
    return true;
}

static int person_new(const Fokus__Runtime__V1__ResolveCallerResponse *said, struct person **ret)
{
    if (!is_answer(said))
        return -EBADMSG;
    size_t bytes = sizeof(struct person) + texts_bytes(said->roles, said->n_roles) +
                   texts_bytes(said->services, said->n_services) + strlen(said->id) +
                   strlen(said->watch) + 2;
    if (bytes > KNOWN_PERSON_BYTES)
        return -EBADMSG;
    struct person *p = calloc(1, bytes);
    if (!p)
        return -ENOMEM;
    p->bytes = bytes;
    memcpy(p->pseudonym_key, said->pseudonym_key.data, CALLER_KEY_BYTES);
    p->queries_only = said->queries_only;
    p->n_roles = (uint16_t)said->n_roles;
    p->n_services = (uint16_t)said->n_services;
    p->roles = (const char **)(p + 1);
    p->services = p->roles + p->n_roles;
    char *to = (char *)(p->services + p->n_services);
    p->id = keep_text(&to, said->id);
    p->watch = keep_text(&to, said->watch);
    for (size_t i = 0; i < p->n_roles; i++)
        p->roles[i] = keep_text(&to, said->roles[i]);
    for (size_t i = 0; i < p->n_services; i++)
        p->services[i] = keep_text(&to, said->services[i]);
    *ret = p;
    return 0;
}

/* ---- the table ---- */

static void drop(struct known *k, struct person *p)
{
    struct person **link = hash_chain(k, &p->credential);

    while (*link != p)
        link = &(*link)->next_hash;
    *link = p->next_hash;
    link = watch_chain(k, p->watch);
    while (*link != p)
        link = &(*link)->next_watch;
    *link = p->next_watch;
    p->prev->next = p->next;
    p->next->prev = p->prev;
    if (k->hand == p)
        k->hand = p->next == p ? NULL : p->next;
    k->n_bytes -= p->bytes;
    k->n--;
    person_free(p);
}

/* Puts her where the hand will come by last. */
static void add(struct known *k, struct person *p)
{
    struct person **hash = hash_chain(k, &p->credential), **watch = watch_chain(k, p->watch);

    p->next_hash = *hash;
    p->next_watch = *watch;
    *hash = *watch = p;
    if (!k->hand)
        k->hand = p->next = p->prev = p;
    p->next = k->hand;
    p->prev = k->hand->prev;
    p->prev->next = p->next->prev = p;
    k->n++;
    k->n_bytes += p->bytes;
}

/* Drops others than `keep`, those not used for longest first, until so many bytes and places are free. */
static void make_room(struct known *k, size_t bytes, size_t places, const struct person *keep)
{
    while (k->n > (keep ? 1u : 0u) &&
           (k->n_bytes + bytes > k->max_bytes || k->n + places > k->max_entries)) {
        struct person *p = k->hand;
        k->hand = p->next;
        if (p != keep && !p->used) {
            drop(k, p);
            k->evicted++;
        } else {
            p->used = false;
        }
    }
}

struct person *known_find(struct known *k, const struct credential *c, int64_t now_ms)
{
    struct person *p = find(k, c);

    if (!p)
        return NULL;
    if (p->until_ms <= now_ms) {
        drop(k, p);
        return NULL;
    }
    p->used = true;
    return p;
}

int known_put(struct known *k, const struct credential *c,
              const Fokus__Runtime__V1__ResolveCallerResponse *said, int64_t now_ms,
              int64_t wall_ms, struct person **ret)
{
    struct person *p;

    known_drop(k, c);
    int r = person_new(said, &p);
    if (r < 0)
        return r;
    int64_t lasts_ms = said->expires_ms > wall_ms ? said->expires_ms - wall_ms : 0;
    p->until_ms = now_ms + (lasts_ms < KNOWN_MAX_MS ? lasts_ms : KNOWN_MAX_MS);
    p->credential = *c;
    make_room(k, p->bytes, 1, NULL);
    add(k, p);
    *ret = p;
    return 0;
}

void known_drop(struct known *k, const struct credential *c)
{
    struct person *p = find(k, c);

    if (p)
        drop(k, p);
}

size_t known_forget(struct known *k, const char *watch)
{
    size_t n = 0;

    for (struct person *p = *watch_chain(k, watch), *next; p; p = next) {
        next = p->next_watch;
        if (strcmp(p->watch, watch) != 0)
            continue;
        drop(k, p);
        n++;
    }
    return n;
}

void known_forget_all(struct known *k)
{
    while (k->hand)
        drop(k, k->hand);
}

void known_free(struct known *k)
{
    if (!k)
        return;
    known_forget_all(k);
    free(k->by_hash);
    free(k->by_watch);
    free(k);
}

/* ---- callers ---- */

static struct pack *pack_for(const struct person *p, size_t service)
{
    struct pack *pack = p->packs[service & (PACK_PLACES - 1)];

    while (pack && pack->service != service)
        pack = pack->next;
    return pack;
}

/* A place for `len` bytes: the old one, if they fit. */
static struct pack *pack_place(struct known *k, struct person *p, size_t service, size_t len)
{
    struct pack *pack = pack_for(p, service);
    size_t bytes = sizeof(*pack) + len;

    if (pack && pack->room >= len)
        return pack;
    if (len > UINT16_MAX)
        return NULL;
    make_room(k, bytes, 0, p);
    pack = calloc(1, bytes);
    if (!pack)
        return NULL;
    pack->service = (uint16_t)service;
    pack->room = (uint16_t)len;
    struct pack **place = &p->packs[service & (PACK_PLACES - 1)];
    pack->next = *place; /* before one that is too small, which is not found any more */
    *place = pack;
    p->bytes += bytes;
    k->n_bytes += bytes;
    return pack;
}

static struct pack *pack_make(struct known *k, struct person *p, const struct known_service *to,
                              int64_t wall_ms)
{
    char id[ID_CHARS + 1];
    struct buf packed = BUF_INIT(KNOWN_PERSON_BYTES);
    int64_t expires_ms = wall_ms + KNOWN_PROOF_MS;

    if (!to->resolves)
        caller_person_id(p->pseudonym_key, to->name, id);
    caller_put(&packed, to->resolves ? p->id : id, p->roles, p->n_roles, expires_ms);
    struct pack *pack = packed.failed ? NULL : pack_place(k, p, to->index, packed.len);
    if (pack) {
        memcpy(pack->caller, packed.data, packed.len);
        pack->len = (uint16_t)packed.len;
        pack->expires_ms = expires_ms;
        caller_prove(to->key, (struct slice) { pack->caller, pack->len }, (struct slice) { 0 },
                     pack->proof);
    }
    buf_free(&packed);
    return pack;
}

int known_caller(struct known *k, struct person *p, const struct known_service *to, int64_t wall_ms,
                 struct slice *ret_caller, struct slice *ret_proof)
{
    struct pack *pack = pack_for(p, to->index);

    /* One that counts for longer than it may was made before the clock was set back. */
    if (!pack || pack->expires_ms - wall_ms < KNOWN_PROOF_LEAST_MS ||
        pack->expires_ms - wall_ms > KNOWN_PROOF_MS)
        pack = pack_make(k, p, to, wall_ms);
    if (!pack)
        return -ENOMEM;
    *ret_caller = (struct slice) { pack->caller, pack->len };
    *ret_proof = (struct slice) { pack->proof, CALLER_PROOF_BYTES };
    return 0;
}

bool known_only_asks(const struct person *p)
{
    return p->queries_only;
}

bool known_may_call(const struct person *p, const char *service)
{
    for (size_t i = 0; i < p->n_services; i++)
        if (strcmp(p->services[i], service) == 0)
            return true;
    return p->n_services == 0;
}

/* ---- figures ---- */

size_t known_count(const struct known *k)
{
    return k->n;
}

size_t known_bytes(const struct known *k)
{
    return k->n_bytes;
}

uint64_t known_evicted(const struct known *k)
{
    return k->evicted;
}
