/* json_reader.h - what the three parts of the JSON reader share: its state, and how it writes the wire.
 *
 * json_read.c reads messages, lists and maps; json_read_value.c single values; json_read_known.c the messages of
 * google.protobuf whose JSON has a form of its own. Nobody else includes this. A function that returns false has said
 * why in the status. */
#pragma once
#include "common/json.h"
#include "common/json_text.h"
#include "common/json_token.h"
#include "common/packed.h"

enum {
    SEEN_WORDS =
        512, /* for all levels together; a message takes one word for 64 fields and oneofs */
};

struct step {
    const struct schema_field *field;
    int64_t item;         /* of a list, -1 for none */
    struct json_text key; /* of a map; raw is NULL for none */
};

struct reader {
    struct json_cursor c;
    struct buf *out;
    struct status *status;
    unsigned depth; /* messages on the wire around the present one */
    unsigned steps;
    size_t seen_used;
    struct step path[SCHEMA_MAX_DEPTH + 2];
    uint64_t seen[SEEN_WORDS];
};

/* ---- what was wrong ---- */

/* Where the reader stands, such as "items[2].name". */
const char *reader_path(const struct reader *r);
bool reader_too_large(struct reader *r);
bool reader_syntax(struct reader *r, const char *what);
/* Passes on what a token was wrong with. */
bool reader_token(struct reader *r, bool ok);

#define refuse(r, ...)                                                                             \
    (r)->out->failed ? reader_too_large(r)                                                         \
                     : (status_violation((r)->status, reader_path(r), __VA_ARGS__) != 0)

/* ---- between values ---- */

/* Reads what stands between items: a comma, or `end`. */
static inline bool reader_next(struct reader *r, uint8_t end, bool *ret_more)
{
    uint8_t next = json_peek(&r->c);

    if (next != ',' && next != end)
        return reader_syntax(r, end == ']' ? "no comma or closing bracket after a value"
                                           : "no comma or closing brace after a value");
    r->c.p++;
    *ret_more = next == ',';
    return true;
}

/* Reads past the colon behind a key. */
static inline bool reader_colon(struct reader *r)
{
    if (json_peek(&r->c) != ':')
        return reader_syntax(r, "a key without a colon behind it");
    r->c.p++;
    return true;
}

/* Whether a list or object that has just been opened is empty; then its end is read too. */
static inline bool reader_empty(struct reader *r, uint8_t end)
{
    r->c.p++;
    if (json_peek(&r->c) != end)
        return false;
    r->c.p++;
    return true;
}

/* ---- single values ---- */

bool reader_real(struct reader *r, bool single, double *ret);
bool reader_bool(struct reader *r, uint64_t *ret);
/* A number, bool or enum as its bits on the wire. */
bool reader_scalar(struct reader *r, const struct schema_field *f, uint64_t *ret);
/* Reads a string, or says what would be right. */
bool reader_text(struct reader *r, struct json_text *t, const char *what);
/* The text without escapes; in the status' arena if it had some. */
bool reader_plain(struct reader *r, const struct json_text *t, struct slice *ret);
/* These two write their field, tag and all. */
bool reader_string(struct reader *r, const struct schema_field *f, bool keep_empty);
bool reader_bytes(struct reader *r, const struct schema_field *f, bool keep_empty);

static inline bool json_text_is(const struct json_text *t, const char *word)
{
    return t->raw_len == strlen(word) && memcmp(t->raw, word, t->raw_len) == 0;
}

/* ---- messages with a form of their own ---- */

/* A Timestamp or a Duration. */
bool reader_time(struct reader *r, const struct schema_message *m);
bool reader_field_mask(struct reader *r);
/* The content of a google.protobuf.ListValue, Struct and Value. */
bool reader_list(struct reader *r);
bool reader_object(struct reader *r);
bool reader_any(struct reader *r);

/* ---- writing the wire ---- */

static inline void put_tag(struct buf *out, const struct schema_field *f)
{
    uint8_t *to = json_room(out, sizeof(f->tag));
    if (!to)
        return;
    memcpy(to, f->tag, sizeof(f->tag));
    out->len += f->tag_len;
}

static inline void put_byte(struct buf *out, uint8_t byte)
{
    uint8_t *to = json_room(out, 1);
    if (!to)
        return;
    *to = byte;
    out->len++;
}

/* Leaves a byte for the length; end_length() fills it in. */
static inline size_t begin_length(struct buf *out)
{
    put_byte(out, 0);
    return out->len;
}

static inline void end_length(struct buf *out, size_t from)
{
    if (out->failed)
        return;
    size_t len = out->len - from;
    if (len < 0x80) {
        out->data[from - 1] = (uint8_t)len;
        return;
    }
    uint8_t bytes[PACKED_VARINT_MAX];
    size_t n = (size_t)(packed_put_varint(bytes, len) - bytes);
    if (!json_room(out, n - 1))
        return;
    memmove(out->data + from + n - 1, out->data + from, len);
    memcpy(out->data + from - 1, bytes, n);
    out->len += n - 1;
}

static inline void put_scalar(struct buf *out, const struct schema_field *f, uint64_t bits,
                              bool tag)
{
    uint8_t *to = json_room(out, sizeof(f->tag) + PACKED_VARINT_MAX);

    if (!to)
        return;
    if (tag) {
        memcpy(to, f->tag, sizeof(f->tag));
        to += f->tag_len;
    }
    switch (f->wire_type) {
    case PACKED_FIXED64:
        memcpy(to, &bits, 8);
        to += 8;
        break;
    case PACKED_FIXED32:
        memcpy(to, &(uint32_t) { (uint32_t)bits }, 4);
        to += 4;
        break;
    default:
        to = packed_put_varint(to, bits);
        break;
    }
    out->len = (size_t)(to - out->data);
}
