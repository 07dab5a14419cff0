/* answers.c - a table of fixed size, of sets of places: an answer's fingerprint tells its set, and there the place that was used least
 * lately gives way. Nobody can choose requests that crowd one set, since nobody knows the fingerprint's key. */
#include "services/directory/answers.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "services/directory/searches.h"

enum {
    SET = 16, /* of 8, one answer in 20 would find its set full while half of all places are free */
    LOCALE_BYTES = 8,
};

/* What a fingerprint is of: without gaps, of which nobody knows what they hold. */
struct asked {
    uint64_t commit;
    char log_id[LOG_ID_CHARS];
    uint8_t head[LOG_HASH_BYTES];
    char locale[LOCALE_BYTES];
    uint8_t request[ANSWERS_REQUEST_BYTES];
};

struct place {
    struct answer_key key;
    uint8_t *packed; /* NULL: free */
    size_t len;
    uint64_t found, used;
    bool counts;
    int64_t counted_ms; /* when it last did */
};

static struct {
    pthread_mutex_t lock;
    bool keyed;
    uint8_t key[crypto_shorthash_siphashx24_KEYBYTES];
    uint64_t clock;
    struct place places[ANSWERS_PLACES];
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

_Static_assert(sizeof(struct answer_key) == crypto_shorthash_siphashx24_BYTES, "one fingerprint");

bool answers_key(const struct query_in *in, const ProtobufCMessage *request, struct answer_key *ret)
{
    struct asked of = { .commit = rd_commit(in->state) };
    struct log_head head;
    size_t len = protobuf_c_message_get_packed_size(request);

    if (len > sizeof(of.request) || strlen(in->locale) > LOCALE_BYTES ||
        log_head(in->state, &head) != LOG_OK)
        return false;
    memcpy(of.log_id, head.log_id, sizeof(of.log_id));
    memcpy(of.head, head.hash, sizeof(of.head));
    memcpy(of.locale, in->locale, strlen(in->locale));
    (void)protobuf_c_message_pack(request, of.request); /* as long as was said */

    pthread_mutex_lock(&memory.lock);
    if (!memory.keyed) {
        randombytes_buf(memory.key, sizeof(memory.key));
        memory.keyed = true;
    }
    pthread_mutex_unlock(&memory.lock);
    (void)crypto_shorthash_siphashx24(ret->bytes, (const uint8_t *)&of,
                                      offsetof(struct asked, request) + len,
                                      memory.key); /* it cannot fail */
    return true;
}

/* With the lock held. */
static struct place *set_of(const struct answer_key *key)
{
    uint32_t number;
    memcpy(&number, key->bytes, sizeof(number));
    return &memory.places[number % (ANSWERS_PLACES / SET) * SET];
}

static bool is_at(const struct place *p, const struct answer_key *key)
{
    return p->packed && memcmp(&p->key, key, sizeof(*key)) == 0;
}

static bool counts_now(struct place *p, int64_t now_ms)
{
    if (!p->counts || !searches_once_over(p->counted_ms, now_ms))
        return false;
    p->counted_ms = now_ms;
    return true;
}

bool answers_find(const struct answer_key *key, struct arena *arena, int64_t now_ms,
                  struct kept_answer *ret)
{
    bool found = false;

    pthread_mutex_lock(&memory.lock);
    struct place *set = set_of(key);
    for (size_t i = 0; i < SET && !found; i++) {
        struct place *p = &set[i];
        if (!is_at(p, key))
            continue;
        *ret = (struct kept_answer) { { arena_memdup(arena, p->packed, p->len), p->len },
                                      p->found,
                                      false };
        p->used = ++memory.clock;
        found = ret->packed.data != NULL;
        ret->counts = found && counts_now(p, now_ms);
    }
    pthread_mutex_unlock(&memory.lock);
    return found;
}

void answers_keep(const struct answer_key *key, const struct kept_answer *answer, int64_t now_ms)
{
    uint8_t *copy = answer->packed.len <= ANSWERS_BYTES
                        ? malloc(answer->packed.len > 0 ? answer->packed.len : 1)
                        : NULL;
    if (!copy)
        return;
    if (answer->packed.len > 0)
        memcpy(copy, answer->packed.data, answer->packed.len);

    pthread_mutex_lock(&memory.lock);
    struct place *set = set_of(key), *p = &set[0];
    for (size_t i = 0; i < SET && !is_at(p, key); i++)
        if (is_at(&set[i], key) || set[i].used < p->used)
            p = &set[i];
    free(p->packed);
    *p = (struct place) { .key = *key,
                          .packed = copy,
                          .len = answer->packed.len,
                          .found = answer->found,
                          .used = ++memory.clock,
                          .counts = answer->counts,
                          .counted_ms = now_ms };
    pthread_mutex_unlock(&memory.lock);
}

size_t answers_kept(void)
{
    size_t n = 0;

    pthread_mutex_lock(&memory.lock);
    for (size_t i = 0; i < ANSWERS_PLACES; i++)
        n += memory.places[i].packed != NULL;
    pthread_mutex_unlock(&memory.lock);
    return n;
}
