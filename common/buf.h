/* buf.h - a growing run of bytes with a maximum, and a view of bytes somebody else owns. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

/* A view: valid as long as what it points into. */
struct slice {
    const uint8_t *data;
    size_t len;
};

#define SLICE_STR(s) ((struct slice) { (const uint8_t *)(s), sizeof(s) - 1 })

/* Growing bytes. Start with `BUF_INIT(max)`. Errors are sticky: once an append would pass `max` or memory
 * ends, `failed` is set and later appends do nothing, so that a writer checks once, at the end. */
struct buf {
    uint8_t *data;
    size_t len;
    size_t room;
    size_t max;
    bool failed;
};

#define BUF_INIT(max_bytes) ((struct buf) { .max = (max_bytes) })

void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_append_str(struct buf *b, const char *text);
void buf_append_byte(struct buf *b, uint8_t byte);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for `len` more bytes at data + len, to be written directly and then added with `b->len += n`; NULL on failure. */
uint8_t *buf_reserve(struct buf *b, size_t len) must_check;
/* Empties without giving memory back; clears `failed`. */
void buf_clear(struct buf *b);
/* Gives the memory back. */
void buf_free(struct buf *b);
