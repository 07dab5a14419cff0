/* json_writer.h - what the three parts of the JSON writer share: its state, and how it walks through a message.
 *
 * json_write.c writes messages, lists and maps; json_write_value.c single values; json_write_known.c the messages of
 * google.protobuf whose JSON has a form of its own. Nobody else includes this. Room that is missing shows in the buffer;
 * -EBADMSG: the bytes are no such message. */
#pragma once
#include <errno.h>

#include "common/json.h"
#include "common/json_text.h"
#include "common/packed.h"

struct writer {
    struct buf *out;
    bool careful;
};

/* What a message consists of: one run of bytes, or several that merge. */
struct parts {
    const struct slice *runs;
    size_t n;
};

/* ---- single values ---- */

/* Writes a JSON string. Invalid UTF-8 becomes U+FFFD when `repair`, else false. */
bool writer_string(struct buf *out, const uint8_t *s, size_t len, bool repair);
/* Decimal digits, at most 20. */
void writer_digits(struct buf *out, uint64_t value, bool negative, bool quoted);
void writer_signed(struct buf *out, int64_t value, bool quoted);
void writer_real(struct buf *out, double value, bool single);
void writer_base64(struct buf *out, const uint8_t *p, size_t len);

/* ---- fields ---- */

int writer_value(struct writer *w, const struct schema_field *f, const struct packed_field *v,
                 unsigned depth);
/* The array or object of all items of a repeated field in `parts`. `ret_some` tells whether there was one. */
int writer_array(struct writer *w, const struct schema_field *f, struct parts parts, unsigned depth,
                 bool *ret_some);
int writer_map(struct writer *w, const struct schema_field *f, struct parts parts, unsigned depth,
               bool *ret_some);
/* A message with a JSON form of its own. */
int writer_wellknown(struct writer *w, const struct schema_message *m, struct parts parts,
                     unsigned depth);

/* ---- text ---- */

static inline void put_text(struct buf *out, const char *text, size_t len)
{
    uint8_t *to = json_room(out, len);
    if (!to)
        return;
    memcpy(to, text, len);
    out->len += len;
}

static inline void put_byte(struct buf *out, char byte)
{
    uint8_t *to = json_room(out, 1);
    if (!to)
        return;
    *to = (uint8_t)byte;
    out->len++;
}

/* ---- going through parts ---- */

struct walk {
    struct parts parts;
    size_t run;
    const uint8_t *p;
};

static inline struct walk walk_start(struct parts parts)
{
    return (struct walk) { parts, 0, parts.n ? parts.runs[0].data : NULL };
}

/* The next field of any number: 1, or 0 at the end, or -EBADMSG. */
static inline int walk_next(struct walk *k, struct packed_field *ret)
{
    while (k->run < k->parts.n) {
        const uint8_t *end = k->parts.runs[k->run].data + k->parts.runs[k->run].len;
        if (k->p < end)
            return packed_next(&k->p, end, ret) ? 1 : -EBADMSG;
        if (++k->run < k->parts.n)
            k->p = k->parts.runs[k->run].data;
    }
    return 0;
}

static inline int walk_number(struct walk *k, uint32_t number, struct packed_field *ret)
{
    int rc;

    while ((rc = walk_next(k, ret)) == 1)
        if (ret->number == number)
            return 1;
    return rc;
}
