/* json_read.c - proto3 JSON straight to packed protobuf, in the order of the text.
 *
 * The length of a message stands before it on the wire and is known only after it: one byte is left for it, and the
 * message moves on by a byte or two when it turns out to be longer than 127. Keys are first compared with the fields
 * that follow the last one, since writers keep that order; a hash finds the others. */
#include "common/json_reader.h"

enum { LOOK_AHEAD = 4 }; /* fields compared before the hash is asked */

static bool read_message(struct reader *r, const struct schema_message *m);

/* ---- fields ---- */

static bool read_wellknown(struct reader *r, const struct schema_message *m);

/* The content of a message, without tag and length. */
static bool read_content(struct reader *r, const struct schema_message *m)
{
    return m->wellknown == WELLKNOWN_NONE || m->wellknown == WELLKNOWN_EMPTY ? read_message(r, m)
                                                                             : read_wellknown(r, m);
}

static bool read_submessage(struct reader *r, const struct schema_field *f)
{
    if (r->depth >= SCHEMA_MAX_DEPTH)
        return refuse(r, "is nested too deep");
    put_tag(r->out, f);
    size_t from = begin_length(r->out);
    r->depth++;
    if (!read_content(r, f->message))
        return false;
    r->depth--;
    end_length(r->out, from);
    return true;
}

/* One value with its tag. A default is only written when it means something. */
static bool read_value(struct reader *r, const struct schema_field *f, bool keep_default)
{
    uint64_t bits;

    if (f->kind == KIND_STRING)
        return reader_string(r, f, keep_default);
    if (f->kind == KIND_MESSAGE)
        return read_submessage(r, f);
    if (f->kind == KIND_BYTES)
        return reader_bytes(r, f, keep_default);
    if (!reader_scalar(r, f, &bits))
        return false;
    if (bits || keep_default)
        put_scalar(r->out, f, bits, true);
    return true;
}

static bool read_wellknown(struct reader *r, const struct schema_message *m)
{
    switch (m->wellknown) {
    case WELLKNOWN_TIMESTAMP:
    case WELLKNOWN_DURATION:
        return reader_time(r, m);
    case WELLKNOWN_FIELD_MASK:
        return reader_field_mask(r);
    case WELLKNOWN_WRAPPER:
        return read_value(r, &m->fields[0], false);
    case WELLKNOWN_STRUCT:
        return json_peek(&r->c) == '{' ? reader_object(r) : refuse(r, "must be an object");
    case WELLKNOWN_LIST_VALUE:
        return json_peek(&r->c) == '[' ? reader_list(r) : refuse(r, "must be an array");
    case WELLKNOWN_VALUE:
        r->depth--; /* the Value is counted by its caller already */
        if (!reader_any(r))
            return false;
        r->depth++;
        return true;
    case WELLKNOWN_ANY:
    case WELLKNOWN_NONE:
    case WELLKNOWN_EMPTY:
        break;
    }
    return refuse(r, "is a %s, which is not supported in JSON", m->full_name);
}

static bool is_any_json(const struct schema_field *f)
{
    return f->message && f->message->wellknown == WELLKNOWN_VALUE;
}

static bool read_item(struct reader *r, const struct schema_field *f)
{
    uint64_t bits;

    if (json_peek(&r->c) == 'n' && !is_any_json(f))
        return refuse(r, "must not be null within a list");
    if (!f->packed)
        return read_value(r, f, true);
    if (!reader_scalar(r, f, &bits))
        return false;
    put_scalar(r->out, f, bits, false);
    return true;
}

static bool read_items(struct reader *r, const struct schema_field *f, struct step *step)
{
    for (step->item = 0;; step->item++) {
        if (!read_item(r, f))
            return false;
        bool more = false;
        if (!reader_next(r, ']', &more))
            return false;
        if (!more)
            return true;
    }
}

static bool read_array(struct reader *r, const struct schema_field *f, struct step *step)
{
    if (json_peek(&r->c) != '[') {
        if (!reader_token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return refuse(r, "must be an array");
    }
    if (reader_empty(r, ']'))
        return true;
    if (!f->packed)
        return read_items(r, f, step);
    put_tag(r->out, f);
    size_t from = begin_length(r->out);
    if (!read_items(r, f, step))
        return false;
    end_length(r->out, from);
    return true;
}

/* A map's key is always a string; for numbers and bools its content is the value. */
static bool read_map_key(struct reader *r, const struct schema_field *f, struct step *step)
{
    struct json_cursor at = r->c;
    uint64_t bits = 0;

    if (json_peek(&at) != '"')
        return reader_syntax(r, "an object key that is no string");
    if (!reader_token(r, json_read_text(&at, &step->key)))
        return false;
    if (f->kind == KIND_STRING)
        return reader_string(r, f, true);
    if (f->kind != KIND_BOOL) {
        if (!reader_scalar(r, f, &bits))
            return false;
    } else {
        if (!json_text_is(&step->key, "true") && !json_text_is(&step->key, "false"))
            return refuse(r, "has a key that must be \"true\" or \"false\"");
        bits = json_text_is(&step->key, "true");
        r->c.p = at.p;
    }
    put_scalar(r->out, f, bits, true);
    return true;
}

static bool read_entry(struct reader *r, const struct schema_field *f, struct step *step)
{
    const struct schema_field *value = &f->message->fields[1];

    put_tag(r->out, f);
    size_t from = begin_length(r->out);
    if (!read_map_key(r, &f->message->fields[0], step))
        return false;
    if (!reader_colon(r))
        return false;
    if (json_peek(&r->c) == 'n' && !is_any_json(value))
        return refuse(r, "must not be null within a map");
    r->depth++;
    if (!read_value(r, value, true))
        return false;
    r->depth--;
    end_length(r->out, from);
    return true;
}

/* Of equal keys the last counts: both are written, and whoever reads the wire keeps the last. */
static bool read_map(struct reader *r, const struct schema_field *f, struct step *step)
{
    if (r->depth >= SCHEMA_MAX_DEPTH)
        return refuse(r, "is nested too deep");
    if (json_peek(&r->c) != '{') {
        if (!reader_token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return refuse(r, "must be an object");
    }
    if (reader_empty(r, '}'))
        return true;
    for (;;) {
        if (!read_entry(r, f, step))
            return false;
        step->key.raw = NULL;
        bool more = false;
        if (!reader_next(r, '}', &more))
            return false;
        if (!more)
            return true;
    }
}

/* ---- messages ---- */

/* Finds the field of the key that the cursor stands on and moves past key and colon. *ret is NULL for an unknown one. */
static bool read_key(struct reader *r, const struct schema_message *m, size_t expected,
                     const struct schema_field **ret)
{
    size_t left = (size_t)(r->c.end - r->c.p);

    for (size_t i = expected; i < m->n_fields && i < expected + LOOK_AHEAD; i++) {
        const struct schema_field *f = &m->fields[i];
        if (f->json_key_len <= left && memcmp(r->c.p, f->json_key, f->json_key_len) == 0) {
            r->c.p += f->json_key_len;
            *ret = f;
            return true;
        }
    }
    struct json_text key;
    struct slice name;
    if (!reader_token(r, json_read_text(&r->c, &key)) || !reader_plain(r, &key, &name))
        return false;
    if (!reader_colon(r))
        return false;
    *ret = schema_field_by_name(m, (const char *)name.data, name.len);
    return true;
}

static bool mark(uint64_t *seen, size_t i)
{
    uint64_t bit = 1ull << (i & 63);
    bool before = seen[i >> 6] & bit;

    seen[i >> 6] |= bit;
    return before;
}

static bool read_field(struct reader *r, const struct schema_message *m,
                       const struct schema_field *f, uint64_t *seen)
{
    struct step *step = &r->path[r->steps++];

    step->field = f;
    step->item = -1;
    step->key.raw = NULL;
    if (mark(seen, f->index))
        return refuse(r, "must be given once");
    if (json_peek(&r->c) == 'n' && !(is_any_json(f) && !f->repeated)) {
        if (!reader_token(r, json_read_word(&r->c, "null")))
            return false;
        r->steps--;
        return true;
    }
    if (f->oneof >= 0 && mark(seen, m->n_fields + (size_t)f->oneof))
        return refuse(r, "cannot be given beside another member of %s", m->oneofs[f->oneof]);
    bool ok = f->map        ? read_map(r, f, step)
              : f->repeated ? read_array(r, f, step)
                            : read_value(r, f, f->presence);
    if (ok)
        r->steps--;
    return ok;
}

static bool read_members(struct reader *r, const struct schema_message *m, uint64_t *seen)
{
    size_t expected = 0;

    if (reader_empty(r, '}'))
        return true;
    for (;;) {
        const struct schema_field *f;
        if (json_peek(&r->c) != '"')
            return reader_syntax(r, "an object key that is no string");
        if (!read_key(r, m, expected, &f))
            return false;
        if (f) {
            expected = f->index + 1u;
            if (!read_field(r, m, f, seen))
                return false;
        } else if (!reader_token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH - r->depth))) {
            return false;
        }
        bool more = false;
        if (!reader_next(r, '}', &more))
            return false;
        if (!more)
            return true;
    }
}

static bool read_message(struct reader *r, const struct schema_message *m)
{
    size_t words = (m->n_fields + m->n_oneofs + 63) / 64, before = r->seen_used;
    uint64_t *seen;

    if (json_peek(&r->c) != '{') {
        if (!reader_token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return refuse(r, "must be an object");
    }
    if (words <= SEEN_WORDS - before) {
        seen = &r->seen[before];
        memset(seen, 0, words * sizeof(*seen));
        r->seen_used += words;
    } else {
        seen = arena_calloc(r->status->arena, words, sizeof(*seen));
        if (!seen) {
            (void)status_refuse(r->status, CODE_RESOURCE_EXHAUSTED,
                                "the message is too large"); /* is 0 */
            return false;
        }
    }
    bool ok = read_members(r, m, seen);
    r->seen_used = before;
    return ok;
}

bool json_to_wire(const struct schema_message *m, const char *json, size_t len, struct buf *out,
                  struct status *status)
{
    const uint8_t *text = (const uint8_t *)json;
    struct reader r;

    r.c = (struct json_cursor) { text, text + len, text, NULL };
    r.out = out;
    r.status = status;
    r.depth = 0;
    r.steps = 0;
    r.seen_used = 0;
    if (!read_content(&r, m))
        return false;
    if (json_peek(&r.c) != 0 || r.c.p != r.c.end)
        return reader_syntax(&r, "something behind its end");
    return out->failed ? reader_too_large(&r) : true;
}
