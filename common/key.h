/* key.h - the one encoder of table keys: tuples whose bytes sort as their parts do.
 *
 *   u64, i64   8 bytes big-endian (i64 with the sign bit flipped)
 *   u32        4 bytes big-endian
 *   u8         1 byte
 *   text       the bytes, 0x00 written as 0x00 0xff, closed by 0x00 0x00 (so "a" sorts before "ab" before "b",
 *              and a shorter tuple before a longer one)
 *   bytes      as text
 *
 * A key holds at most KEY_MAX bytes (LMDB's limit). Past it `failed` is set and every use of the key is refused
 * with -EOVERFLOW: limits in proto keep names below it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum { KEY_MAX = 511 };

struct key {
    uint16_t len;
    bool failed;
    uint8_t bytes[KEY_MAX];
};

#define KEY_INIT ((struct key) { 0 }) /* an empty key: as a prefix it means the whole table */

/* Each appends one part and returns `k`, so that calls chain. */
struct key *key_u8(struct key *k, uint8_t value);
struct key *key_u32(struct key *k, uint32_t value);
struct key *key_u64(struct key *k, uint64_t value);
struct key *key_i64(struct key *k, int64_t value);
struct key *key_text(struct key *k, const char *text);
struct key *key_bytes(struct key *k, const void *bytes, size_t len);
/* A text part without its closing bytes: only as the last part of a scan prefix ("all that begin with"). */
struct key *key_text_prefix(struct key *k, const char *text);

/* Reads parts back, in order. Each returns false (and stays false) when the bytes are not such a part. */
struct key_reader {
    struct slice rest;
    bool failed;
};
bool key_read_u8(struct key_reader *r, uint8_t *ret);
bool key_read_u64(struct key_reader *r, uint64_t *ret);
bool key_read_i64(struct key_reader *r, int64_t *ret);
/* Unescaped into `ret`, which has room for `size` bytes; text also gets a closing NUL and must hold no other. */
bool key_read_text(struct key_reader *r, char *ret, size_t size);
bool key_read_bytes(struct key_reader *r, uint8_t *ret, size_t size, size_t *ret_len);
