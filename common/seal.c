/* seal.c - sealing and opening one value. The file format is the header's; the key comes from vault.c. */
#include "common/seal.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>

#include "common/seal_internal.h"

enum {
    VERSION = 1,
    AT_NONCE = 1,
    AT_VALUE = AT_NONCE + SEAL_NONCE_BYTES,
    PADME_FROM = 1024,
    BOUND_MAX = 1 + 2 + SERVICE_NAME_MAX + PERSON_BYTES + 2 * (2 + SEAL_MAX_NAME),
    NONCES = 32, /* fetched together */
};

_Static_assert(SEAL_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "the nonce");
_Static_assert(SEAL_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "the tag");
_Static_assert(DATA_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the key");

/* ---- libsodium, once ---- */

static int sodium_result = -EAGAIN;
static atomic_uint forks; /* a child must not use the nonces that its parent still holds */

static void forked(void)
{
    atomic_fetch_add(&forks, 1);
}

static void make_ready(void)
{
    sodium_result = sodium_init() < 0 ? -ENOSYS : -pthread_atfork(NULL, NULL, forked);
}

int seal_ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_ready);
    return sodium_result;
}

void seal_nonce(uint8_t ret[SEAL_NONCE_BYTES])
{
    static _Thread_local struct {
        uint8_t bytes[NONCES][SEAL_NONCE_BYTES];
        unsigned left, forks;
    } pool;

    unsigned now = atomic_load_explicit(&forks, memory_order_relaxed);
    if (pool.left == 0 || pool.forks != now) {
        randombytes_buf(pool.bytes, sizeof(pool.bytes));
        pool.left = NONCES;
        pool.forks = now;
    }
    memcpy(ret, pool.bytes[--pool.left], SEAL_NONCE_BYTES);
}

/* ---- keys ---- */

struct seal_key *seal_key_new(void)
{
    if (seal_ready() < 0)
        return NULL;
    struct seal_key *k = sodium_malloc(sizeof(*k));
    if (k)
        sodium_memzero(k, sizeof(*k));
    return k;
}

void seal_key_free(struct seal_key *k)
{
    sodium_free(k); /* wipes */
}

void seal_key_wipe(struct seal_key *k)
{
    sodium_memzero(k, sizeof(*k));
}

const char *seal_key_person(const struct seal_key *k)
{
    return k->person;
}

/* ---- lengths ---- */

/* The length to which `len` bytes and their end mark are padded. */
static size_t padded(size_t len)
{
    size_t step = SEAL_PAD_BYTES;

    len++; /* the end mark */
    if (len > PADME_FROM) {
        unsigned exponent = 63 - (unsigned)__builtin_clzll(len);
        unsigned digits = 32 - (unsigned)__builtin_clz(exponent); /* that Padmé lets differ */
        step = (size_t)1 << (exponent - digits);
    }
    return (len + step - 1) & ~(step - 1);
}

size_t seal_size(size_t len)
{
    return SEAL_ADDED_BYTES + padded(len);
}

/* Finds the value's end in `len` padded bytes. False: they were not padded by us. */
static bool unpad(const uint8_t *bytes, size_t len, size_t *ret)
{
    size_t end = len;

    while (end > 0 && bytes[end - 1] == 0)
        end--;
    if (end == 0 || bytes[end - 1] != 0x80 || padded(end - 1) != len)
        return false;
    *ret = end - 1;
    return true;
}

/* ---- what a value is bound to ---- */

struct bound {
    size_t len;
    uint8_t bytes[BOUND_MAX];
};

/* Each part with its length before it, so that no two places have the same bytes. */
static void bind_text(struct bound *b, const char *text, size_t len)
{
    b->bytes[b->len++] = (uint8_t)(len >> 8);
    b->bytes[b->len++] = (uint8_t)len;
    memcpy(b->bytes + b->len, text, len);
    b->len += len;
}

static int bind_place(struct bound *b, const struct seal_key *k, const struct seal_place *at)
{
    size_t field = strnlen(at->field, SEAL_MAX_NAME + 1);
    size_t record = strnlen(at->record, SEAL_MAX_NAME + 1);

    if (field == 0 || field > SEAL_MAX_NAME || record > SEAL_MAX_NAME)
        return -EINVAL;
    if (k->person[0] == '\0')
        return -ENOKEY;
    b->len = 0;
    b->bytes[b->len++] = VERSION;
    bind_text(b, k->service, strlen(k->service));
    memcpy(b->bytes + b->len, k->person_bytes, PERSON_BYTES);
    b->len += PERSON_BYTES;
    bind_text(b, at->field, field);
    bind_text(b, at->record, record);
    return 0;
}

/* ---- sealing and opening ---- */

int seal_close(const struct seal_key *k, const struct seal_place *at, struct slice plain,
               uint8_t *ret)
{
    struct bound b;

    int r = bind_place(&b, k, at);
    if (r < 0)
        return r;
    if (plain.len > SEAL_MAX_BYTES)
        return -EMSGSIZE;
    uint8_t *value = ret + AT_VALUE;
    size_t len = padded(plain.len);

    ret[0] = VERSION;
    seal_nonce(ret + AT_NONCE);
    if (plain.len > 0)
        memcpy(value, plain.data, plain.len);
    value[plain.len] = 0x80;
    memset(value + plain.len + 1, 0, len - plain.len - 1);
    crypto_aead_xchacha20poly1305_ietf_encrypt(value, NULL, value, len, b.bytes, b.len, NULL,
                                               ret + AT_NONCE, k->key); /* cannot fail */
    return 0;
}

int seal_open(const struct seal_key *k, const struct seal_place *at, struct slice sealed,
              uint8_t *ret, size_t *ret_len)
{
    struct bound b;

    int r = bind_place(&b, k, at);
    if (r < 0)
        return r;
    if (sealed.len > 0 && sealed.data[0] != VERSION)
        return -ENOTSUP;
    if (sealed.len < SEAL_MIN_BYTES)
        return -EBADMSG;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(ret, NULL, NULL, sealed.data + AT_VALUE,
                                                   sealed.len - AT_VALUE, b.bytes, b.len,
                                                   sealed.data + AT_NONCE, k->key) != 0)
        return -EBADMSG;
    return unpad(ret, sealed.len - SEAL_ADDED_BYTES, ret_len) ? 0 : -EBADMSG;
}

/* ---- hashing ---- */

int seal_hash(const struct seal_key *k, const char *purpose, struct slice value,
              uint8_t ret[SEAL_HASH_BYTES])
{
    crypto_generichash_state state;
    uint8_t key[32];

    size_t len = strnlen(purpose, SEAL_MAX_NAME + 1);
    if (len == 0 || len > SEAL_MAX_NAME)
        return -EINVAL;
    if (k->person[0] == '\0')
        return -ENOKEY;
    (void)crypto_kdf_derive_from_key(key, sizeof(key), 1, "fokushsh", k->key); /* cannot fail */
    crypto_generichash_init(&state, key, sizeof(key), SEAL_HASH_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)purpose, len + 1); /* its NUL parts them */
    crypto_generichash_update(&state, value.data, value.len);
    crypto_generichash_final(&state, ret, SEAL_HASH_BYTES);
    sodium_memzero(key, sizeof(key));
    sodium_memzero(&state, sizeof(state));
    return 0;
}
