/* page.c - a token is base64url of 8 bytes that stand for the scope, then the last key. */
#include "common/page.h"

#include <sodium.h>
#include <string.h>

enum { SCOPE_BYTES = 8, TOKEN_BYTES = SCOPE_BYTES + KEY_MAX };

static void hash_scope(const char *scope, uint8_t ret[SCOPE_BYTES])
{
    uint8_t hash[crypto_generichash_BYTES_MIN];
    crypto_generichash(hash, sizeof(hash), (const uint8_t *)scope, strlen(scope), NULL, 0);
    memcpy(ret, hash, SCOPE_BYTES);
}

bool page_read(uint32_t size, const char *token, const char *scope, struct page *ret,
               struct status *status)
{
    *ret = (struct page) { .size = size ? size : PAGE_DEFAULT };
    if (!*token)
        return true;
    uint8_t bytes[TOKEN_BYTES], wanted[SCOPE_BYTES];
    size_t len = 0;
    hash_scope(scope, wanted);
    if (sodium_base642bin(bytes, sizeof(bytes), token, strlen(token), NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        len <= SCOPE_BYTES || memcmp(bytes, wanted, SCOPE_BYTES) != 0) {
        (void)status_violation(status, "page_token", /* returns 0 always */
                               "is not from a page of this list: take next_page_token from a "
                               "request with the same other fields, or leave it empty");
        return false;
    }
    ret->after.len = (uint16_t)(len - SCOPE_BYTES);
    memcpy(ret->after.bytes, bytes + SCOPE_BYTES, ret->after.len);
    return true;
}

char *page_token(struct arena *arena, const char *scope, struct slice last)
{
    uint8_t bytes[TOKEN_BYTES];
    hash_scope(scope, bytes);
    size_t len = last.len <= KEY_MAX ? last.len : KEY_MAX;
    memcpy(bytes + SCOPE_BYTES, last.data, len);
    len += SCOPE_BYTES;
    size_t room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = arena_alloc(arena, room);
    if (text)
        sodium_bin2base64(text, room, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return text;
}

void page_start(const struct page *p, struct key *ret)
{
    *ret = p->after;
    if (ret->len > 0 && ret->len < KEY_MAX)
        ret->bytes[ret->len++] = 0;
}
