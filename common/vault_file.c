/* vault_file.c - header and slots between bytes and what they say. Touches no file. */
#include "common/vault_file.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

static const uint8_t magic[8] = { 'F', 'O', 'K', 'V', 'A', 'U', 'L', 'T' };

enum {
    AT_VERSION = 8,
    AT_SLOT_BYTES = 12,
    AT_ID = 16,
    AT_MASTER = AT_ID + VAULT_ID_BYTES,
    AT_SERVICE = AT_MASTER + MASTER_ID_BYTES,
    AT_NONCE = AT_SERVICE + SERVICE_NAME_MAX, /* what comes before is bound to what is sealed */
    AT_SEALED = AT_NONCE + SEAL_NONCE_BYTES,
    SEALED_ROOT = 0,
    SEALED_GENERATION = VAULT_ROOT_BYTES,
    SEALED_SLOTS = SEALED_GENERATION + 8,
    SEALED_BYTES = SEALED_SLOTS + 4,
    AT_CHECKSUM = AT_SEALED + SEALED_BYTES + SEAL_TAG_BYTES,
    CHECKSUM_BYTES = 16,
    BOUND_BYTES = VAULT_ID_BYTES + 4,
};

_Static_assert(AT_CHECKSUM + CHECKSUM_BYTES <= HEADER_BYTES, "the header fits");
_Static_assert(sizeof(struct slot) == SLOT_BYTES - SEAL_NONCE_BYTES - SEAL_TAG_BYTES,
               "a slot is bytes without gaps");

static uint32_t get_u32(const uint8_t *from)
{
    uint32_t n;

    memcpy(&n, from, sizeof(n));
    return le32toh(n);
}

static void put_u32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static uint64_t get_u64(const uint8_t *from)
{
    uint64_t n;

    memcpy(&n, from, sizeof(n));
    return le64toh(n);
}

static void put_u64(uint8_t *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

void vault_wrap_key(const struct master_key *master, const char *service,
                    uint8_t ret[MASTER_KEY_BYTES])
{
    static const char what[] = "fokus vault 1"; /* its NUL parts it from the name */
    crypto_generichash_state state;

    crypto_generichash_init(&state, master->bytes, MASTER_KEY_BYTES, MASTER_KEY_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)what, sizeof(what));
    crypto_generichash_update(&state, (const uint8_t *)service, strlen(service));
    crypto_generichash_final(&state, ret, MASTER_KEY_BYTES);
    sodium_memzero(&state, sizeof(state));
}

/* ---- the header ---- */

static void checksum(const uint8_t bytes[HEADER_BYTES], uint8_t ret[CHECKSUM_BYTES])
{
    crypto_generichash(ret, CHECKSUM_BYTES, bytes, AT_CHECKSUM, NULL, 0); /* cannot fail */
}

bool header_look(const uint8_t bytes[HEADER_BYTES], struct vault_header *ret)
{
    uint8_t sum[CHECKSUM_BYTES];

    checksum(bytes, sum);
    if (memcmp(bytes, magic, sizeof(magic)) != 0 ||
        memcmp(bytes + AT_CHECKSUM, sum, sizeof(sum)) != 0 ||
        get_u32(bytes + AT_VERSION) != VAULT_VERSION ||
        get_u32(bytes + AT_SLOT_BYTES) != SLOT_BYTES)
        return false;
    memcpy(ret->id, bytes + AT_ID, VAULT_ID_BYTES);
    memcpy(ret->master_id, bytes + AT_MASTER, MASTER_ID_BYTES);
    memcpy(ret->service, bytes + AT_SERVICE, SERVICE_NAME_MAX);
    ret->service[SERVICE_NAME_MAX] = '\0';
    return service_name_valid(ret->service, strlen(ret->service));
}

bool header_open(const uint8_t bytes[HEADER_BYTES], const uint8_t *wrap, struct vault_header *ret)
{
    uint8_t *sealed = sodium_malloc(SEALED_BYTES);

    if (!sealed)
        return false;
    bool good = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, NULL, NULL, bytes + AT_SEALED,
                                                           SEALED_BYTES + SEAL_TAG_BYTES, bytes,
                                                           AT_NONCE, bytes + AT_NONCE, wrap) == 0;
    if (good) {
        memcpy(ret->root, sealed + SEALED_ROOT, VAULT_ROOT_BYTES);
        ret->generation = get_u64(sealed + SEALED_GENERATION);
        ret->slots = get_u32(sealed + SEALED_SLOTS);
    }
    sodium_free(sealed);
    return good;
}

void header_close(const struct vault_header *h, const uint8_t *wrap, uint8_t ret[HEADER_BYTES])
{
    uint8_t *sealed = ret + AT_SEALED;

    memset(ret, 0, HEADER_BYTES);
    memcpy(ret, magic, sizeof(magic));
    put_u32(ret + AT_VERSION, VAULT_VERSION);
    put_u32(ret + AT_SLOT_BYTES, SLOT_BYTES);
    memcpy(ret + AT_ID, h->id, VAULT_ID_BYTES);
    memcpy(ret + AT_MASTER, h->master_id, MASTER_ID_BYTES);
    memcpy(ret + AT_SERVICE, h->service, strlen(h->service));
    seal_nonce(ret + AT_NONCE);
    memcpy(sealed + SEALED_ROOT, h->root, VAULT_ROOT_BYTES);
    put_u64(sealed + SEALED_GENERATION, h->generation);
    put_u32(sealed + SEALED_SLOTS, h->slots);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, sealed, SEALED_BYTES, ret, AT_NONCE,
                                               NULL, ret + AT_NONCE, wrap); /* cannot fail */
    checksum(ret, ret + AT_CHECKSUM);
}

/* ---- a slot ---- */

static void slot_place(const struct vault_file *f, uint32_t number, uint8_t ret[BOUND_BYTES])
{
    memcpy(ret, f->id, VAULT_ID_BYTES);
    put_u32(ret + VAULT_ID_BYTES, number);
}

bool slot_is_free(const uint8_t bytes[SLOT_BYTES])
{
    return all_zero(bytes, SLOT_BYTES);
}

bool slot_open(const struct vault_file *f, uint32_t number, const uint8_t bytes[SLOT_BYTES],
               struct slot *ret)
{
    uint8_t bound[BOUND_BYTES];

    slot_place(f, number, bound);
    return crypto_aead_xchacha20poly1305_ietf_decrypt(
               (uint8_t *)ret, NULL, NULL, bytes + SEAL_NONCE_BYTES, SLOT_BYTES - SEAL_NONCE_BYTES,
               bound, sizeof(bound), bytes, f->wrap) == 0 &&
           ret->live == 1 && all_zero(ret->zeros, sizeof(ret->zeros));
}

void slot_close(const struct vault_file *f, uint32_t number, const struct slot *s,
                uint8_t ret[SLOT_BYTES])
{
    uint8_t bound[BOUND_BYTES];

    slot_place(f, number, bound);
    seal_nonce(ret);
    crypto_aead_xchacha20poly1305_ietf_encrypt(ret + SEAL_NONCE_BYTES, NULL, (const uint8_t *)s,
                                               sizeof(*s), bound, sizeof(bound), NULL, ret,
                                               f->wrap); /* cannot fail */
}

uint64_t slot_generation(const struct slot *s)
{
    return get_u64(s->generation);
}

void slot_set_generation(struct slot *s, uint64_t generation)
{
    put_u64(s->generation, generation);
}
