/* uses.c - a table of fixed size. A hash has a place in one of its sets, found by its own first bytes: they are a hash of a random
 * token, which nobody can choose. When a set is full, what was not used for the longest gives way. */
#include "services/accounts/uses.h"

#include <pthread.h>
#include <string.h>

enum {
    SETS = 4096,
    PLACES = 8,       /* of a set */
    TAKEN_MAX = 5000, /* of each kind at once; the others stay here for the next time */
};

struct place {
    uint8_t hash[TOKEN_HASH_BYTES];
    int64_t used_ms; /* 0: free */
    uint8_t kind;
    bool recorded; /* nothing new since it was last taken */
};

static struct {
    pthread_mutex_t lock;
    struct place places[SETS][PLACES];
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The hash's place, or the one it would take; NULL for what is no hash. The lock is held. */
static struct place *find_place(enum uses_kind kind, struct slice hash)
{
    uint32_t number;
    if (hash.len != TOKEN_HASH_BYTES)
        return NULL;
    memcpy(&number, hash.data, sizeof(number));
    struct place *set = memory.places[number % SETS], *oldest = &set[0];
    for (size_t i = 0; i < PLACES; i++) {
        struct place *p = &set[i];
        if (p->used_ms > 0 && p->kind == kind && memcmp(p->hash, hash.data, hash.len) == 0)
            return p;
        if (p->used_ms < oldest->used_ms)
            oldest = p;
    }
    return oldest;
}

static bool is_it(const struct place *p, enum uses_kind kind, struct slice hash)
{
    return p && p->used_ms > 0 && p->kind == kind && memcmp(p->hash, hash.data, hash.len) == 0;
}

void uses_note(enum uses_kind kind, struct slice token_hash, int64_t now_ms)
{
    pthread_mutex_lock(&memory.lock);
    struct place *p = find_place(kind, token_hash);
    if (p) {
        *p = (struct place) { .kind = (uint8_t)kind, .used_ms = now_ms };
        memcpy(p->hash, token_hash.data, TOKEN_HASH_BYTES);
    }
    pthread_mutex_unlock(&memory.lock);
}

int64_t uses_last(enum uses_kind kind, struct slice token_hash)
{
    pthread_mutex_lock(&memory.lock);
    const struct place *p = find_place(kind, token_hash);
    int64_t used_ms = is_it(p, kind, token_hash) ? p->used_ms : 0;
    pthread_mutex_unlock(&memory.lock);
    return used_ms;
}

void uses_forget(void)
{
    pthread_mutex_lock(&memory.lock);
    memset(memory.places, 0, sizeof(memory.places));
    pthread_mutex_unlock(&memory.lock);
}

/* Copies one into the list; false when it is full or there is no memory. */
static bool take(struct arena *arena, const struct place *p, Use ***list, size_t *n)
{
    struct {
        Use use;
        uint8_t hash[TOKEN_HASH_BYTES];
    } * copy;
    if (*n == TAKEN_MAX)
        return false;
    if (!*list)
        *list = arena_calloc(arena, TAKEN_MAX, sizeof(**list));
    copy = arena_alloc(arena, sizeof(*copy));
    if (!*list || !copy)
        return false;
    copy->use = (Use)USE_INIT;
    memcpy(copy->hash, p->hash, TOKEN_HASH_BYTES);
    copy->use.token_hash = (ProtobufCBinaryData) { TOKEN_HASH_BYTES, copy->hash };
    copy->use.used_ms = p->used_ms;
    (*list)[(*n)++] = &copy->use;
    return true;
}

bool uses_chore(struct arena *arena, int64_t now_ms, struct chore *ret)
{
    static const KeepHouseRequest nothing = KEEP_HOUSE_REQUEST_INIT;
    KeepHouseRequest *request = arena_memdup(arena, &nothing, sizeof(nothing));
    (void)now_ms; /* each use has its own time */
    if (!request)
        return false;
    pthread_mutex_lock(&memory.lock);
    for (size_t i = 0; i < SETS * PLACES; i++) {
        struct place *p = &memory.places[i / PLACES][i % PLACES];
        if (p->used_ms > 0 && !p->recorded)
            p->recorded = p->kind == USES_SESSION
                              ? take(arena, p, &request->sessions, &request->n_sessions)
                              : take(arena, p, &request->keys, &request->n_keys);
    }
    pthread_mutex_unlock(&memory.lock);
    *ret = (struct chore) { "fokus.accounts.v1.AccountsService/KeepHouse", &request->base };
    return true;
}
