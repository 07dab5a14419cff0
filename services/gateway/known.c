/* known.c - see known.h. Entries stand in one array and in two sets of chains, by token's hash and by watch handle. Place 0 is nobody's,
 * so that memory that was never written to is an empty table: it costs nothing until it is used. */
#include "services/gateway/known.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/name.h"

enum { MAX_WATCH = 100, MAX_SERVICES = 60 };

/* A caller as it goes to one service. */
struct pack {
    struct pack *next;
    int64_t expires_ms; /* wall clock */
    uint16_t service;
    uint16_t room; /* of `caller` */
    uint16_t len;
    uint8_t proof[CALLER_PROOF_BYTES];
    uint8_t caller[];
};

struct person {
    size_t bytes;     /* with its packs */
    int64_t until_ms; /* monotonic clock */
    struct pack *packs;
    uint8_t pseudonym_key[CALLER_KEY_BYTES];
    bool queries_only;
    uint16_t n_roles, n_services;
    const char *id, *watch;
    const char **roles, **services;
};

struct entry {
    struct credential credential;
    uint32_t next_hash, next_watch; /* in their chains */
    bool used;                      /* since the hand came by */
    struct person *person;          /* NULL: free */
};

struct known {
    struct entry *entries; /* 1 to max_entries */
    uint32_t *by_hash, *by_watch;
    size_t n_chains; /* a power of two */
    size_t max_entries, max_bytes, n, n_bytes;
    uint32_t free_head; /* chained by next_hash */
    uint32_t fresh;     /* places from here on were never taken */
    uint32_t hand;
    uint64_t evicted;
    uint8_t chain_key[crypto_shorthash_KEYBYTES];
};

struct known *known_new(size_t max_entries, size_t max_bytes)
{
    struct known *k = calloc(1, sizeof(*k));

    if (!k)
        return NULL;
    *k = (struct known) {
        .max_entries = max_entries, .max_bytes = max_bytes, .n_chains = 16, .fresh = 1, .hand = 1
    };
    while (k->n_chains < max_entries)
        k->n_chains *= 2;
    k->entries = calloc(max_entries + 1, sizeof(*k->entries));
    k->by_hash = calloc(k->n_chains, sizeof(*k->by_hash));
    k->by_watch = calloc(k->n_chains, sizeof(*k->by_watch));
    randombytes_buf(k->chain_key, sizeof(k->chain_key));
    if (k->entries && k->by_hash && k->by_watch)
        return k;
    known_free(k);
    return NULL;
}

/* Security: whoever forges tokens cannot choose that they meet in one chain. */
static uint32_t *chain_of(const struct known *k, uint32_t *chains, const void *bytes, size_t len)
{
    uint64_t hash;

    (void)crypto_shorthash((uint8_t *)&hash, bytes, len, k->chain_key); /* cannot fail */
    return &chains[hash & (k->n_chains - 1)];
}

static uint32_t *hash_chain(const struct known *k, const struct credential *c)
{
    return chain_of(k, k->by_hash, c->hash, sizeof(c->hash));
}

static uint32_t *watch_chain(const struct known *k, const char *watch)
{
    return chain_of(k, k->by_watch, watch, strlen(watch));
}

static uint32_t find(const struct known *k, const struct credential *c)
{
    uint32_t at = *hash_chain(k, c);

    for (; at; at = k->entries[at].next_hash) {
        const struct entry *e = &k->entries[at];
        if (e->credential.kind == c->kind &&
            memcmp(e->credential.hash, c->hash, sizeof(c->hash)) == 0)
            break;
    }
    return at;
}

/* ---- persons ---- */

static void person_free(struct person *p)
{
    for (struct pack *pack = p->packs; pack;) {
        struct pack *next = pack->next;
        free(pack);
        pack = next;
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

/* ---- entries ---- */

static void leave_hash_chain(struct known *k, uint32_t at)
{
    uint32_t *link = hash_chain(k, &k->entries[at].credential);

    while (*link != at)
        link = &k->entries[*link].next_hash;
    *link = k->entries[at].next_hash;
}

static void leave_watch_chain(struct known *k, uint32_t at)
{
    uint32_t *link = watch_chain(k, k->entries[at].person->watch);

    while (*link != at)
        link = &k->entries[*link].next_watch;
    *link = k->entries[at].next_watch;
}

static void drop(struct known *k, uint32_t at)
{
    struct entry *e = &k->entries[at];

    leave_hash_chain(k, at);
    leave_watch_chain(k, at);
    k->n_bytes -= e->person->bytes;
    k->n--;
    person_free(e->person);
    *e = (struct entry) { .next_hash = k->free_head };
    k->free_head = at;
}

/* Drops others than `keep`, those not used for longest first, until so many bytes and places are free. */
static void make_room(struct known *k, size_t bytes, size_t places, const struct person *keep)
{
    while (k->n > (keep ? 1u : 0u) &&
           (k->n_bytes + bytes > k->max_bytes || k->n + places > k->max_entries)) {
        if (k->hand >= k->fresh)
            k->hand = 1;
        struct entry *e = &k->entries[k->hand];
        if (e->person && e->person != keep && !e->used) {
            drop(k, k->hand);
            k->evicted++;
        }
        e->used = false;
        k->hand++;
    }
}

struct person *known_find(struct known *k, const struct credential *c, int64_t now_ms)
{
    uint32_t at = find(k, c);
    struct entry *e = &k->entries[at];

    if (!at)
        return NULL;
    if (e->person->until_ms <= now_ms) {
        drop(k, at);
        return NULL;
    }
    e->used = true;
    return e->person;
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
    make_room(k, p->bytes, 1, NULL);
    uint32_t at = k->free_head ? k->free_head : k->fresh++;
    struct entry *e = &k->entries[at];
    k->free_head = k->free_head ? e->next_hash : 0;
    uint32_t *hash = hash_chain(k, c), *watch = watch_chain(k, p->watch);
    *e = (struct entry) { .credential = *c, .next_hash = *hash, .next_watch = *watch, .person = p };
    *hash = *watch = at;
    k->n++;
    k->n_bytes += p->bytes;
    *ret = p;
    return 0;
}

void known_drop(struct known *k, const struct credential *c)
{
    uint32_t at = find(k, c);

    if (at)
        drop(k, at);
}

size_t known_forget(struct known *k, const char *watch)
{
    size_t n = 0;

    for (uint32_t at = *watch_chain(k, watch), next; at; at = next) {
        next = k->entries[at].next_watch;
        if (strcmp(k->entries[at].person->watch, watch) != 0)
            continue;
        drop(k, at);
        n++;
    }
    return n;
}

void known_forget_all(struct known *k)
{
    for (uint32_t at = 1; at < k->fresh && k->n > 0; at++)
        if (k->entries[at].person)
            drop(k, at);
}

void known_free(struct known *k)
{
    if (!k)
        return;
    if (k->entries)
        known_forget_all(k);
    free(k->entries);
    free(k->by_hash);
    free(k->by_watch);
    free(k);
}

/* ---- callers ---- */

static struct pack *pack_for(const struct person *p, size_t service)
{
    struct pack *pack = p->packs;

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
    pack->next = p->packs; /* before one that is too small, which is not found any more */
    p->packs = pack;
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
