/* json_read_value.c - single values of JSON: numbers, bools, enums, strings, bytes; and what was wrong with them. */
#include "common/json_reader.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "common/base64.h"

/* ---- what was wrong ---- */

const char *reader_path(const struct reader *r)
{
    struct arena *a = r->status->arena;
    const char *text = "";

    for (unsigned i = 0; i < r->steps && text; i++) {
        const struct step *s = &r->path[i];
        text = arena_printf(a, "%s%s%s", text, i ? "." : "", s->field->json_name);
        if (text && s->item >= 0)
            text = arena_printf(a, "%s[%" PRId64 "]", text, s->item);
        if (text && s->key.raw)
            text = arena_printf(a, "%s[\"%.*s\"]", text,
                                (int)(s->key.raw_len < 100 ? s->key.raw_len : 0),
                                (const char *)s->key.raw);
    }
    return text ? text : "";
}

bool reader_too_large(struct reader *r)
{
    (void)status_refuse(r->status, CODE_RESOURCE_EXHAUSTED, "the message is larger than %zu bytes",
                        r->out->max); /* is 0 */
    return false;
}

bool reader_syntax(struct reader *r, const char *what)
{
    return refuse(r, "the JSON text holds %s at byte %zu", what, (size_t)(r->c.p - r->c.start));
}

/* Passes on what a token was wrong with. */
bool reader_token(struct reader *r, bool ok)
{
    return ok || reader_syntax(r, r->c.wrong);
}

/* ---- numbers ---- */

static bool out_of_range(struct reader *r, const char *kind)
{
    return refuse(r, "must be %s", kind);
}

/* Any JSON number or a number in quotes. `what` says what would be right. */
static bool read_number(struct reader *r, struct json_number *n, const char *what)
{
    uint8_t first = json_peek(&r->c);

    if (first == '"') {
        struct json_cursor inner = r->c;
        inner.p++;
        if (!json_read_number(&inner, true, n))
            return out_of_range(r, what);
        r->c.p = inner.p;
        return true;
    }
    if (first != '-' && (first < '0' || first > '9')) {
        if (!reader_token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return out_of_range(r, what);
    }
    return reader_token(r, json_read_number(&r->c, false, n));
}

static bool read_signed(struct reader *r, int64_t min, int64_t max, const char *what, int64_t *ret)
{
    struct json_number n;
    uint64_t magnitude;

    if (!read_number(r, &n, what))
        return false;
    if (!json_integer(&n, &magnitude) || magnitude > (uint64_t)max + n.negative)
        return out_of_range(r, what);
    *ret = (int64_t)(n.negative ? 0 - magnitude : magnitude);
    return *ret >= min || out_of_range(r, what);
}

static bool read_unsigned(struct reader *r, uint64_t max, const char *what, uint64_t *ret)
{
    struct json_number n;

    if (!read_number(r, &n, what))
        return false;
    if (!json_integer(&n, ret) || *ret > max || (n.negative && *ret))
        return out_of_range(r, what);
    return true;
}

bool reader_real(struct reader *r, bool single, double *ret)
{
    const char *what =
        single ? "a number within single precision, or \"NaN\", \"Infinity\" or \"-Infinity\""
               : "a number within double precision, or \"NaN\", \"Infinity\" or \"-Infinity\"";
    struct json_cursor at = r->c;
    struct json_number n;
    struct json_text t;

    if (json_peek(&at) == '"' && json_read_text(&at, &t)) {
        bool nan = json_text_is(&t, "NaN"), minus = json_text_is(&t, "-Infinity");
        if (nan || minus || json_text_is(&t, "Infinity")) {
            *ret = nan ? (double)NAN : minus ? -(double)INFINITY : (double)INFINITY;
            r->c.p = at.p;
            return true;
        }
    }
    if (!read_number(r, &n, what))
        return false;
    *ret = json_real(&n);
    if (!isfinite(*ret) || (single && !isfinite((float)*ret)))
        return out_of_range(r, what);
    return true;
}

bool reader_bool(struct reader *r, uint64_t *ret)
{
    uint8_t first = json_peek(&r->c);

    if (first == 't' || first == 'f') {
        *ret = first == 't';
        return reader_token(r, json_read_word(&r->c, first == 't' ? "true" : "false"));
    }
    if (!reader_token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
        return false;
    return out_of_range(r, "true or false");
}

static bool read_enum(struct reader *r, const struct schema_enum *e, uint64_t *ret)
{
    struct json_text t;
    int64_t number;

    if (json_peek(&r->c) != '"') {
        if (!read_signed(r, INT32_MIN, INT32_MAX, "the name of a value, or a number of 32 bits",
                         &number))
            return false;
        *ret = (uint64_t)number;
        return true;
    }
    if (!reader_token(r, json_read_text(&r->c, &t)))
        return false;
    const struct schema_enum_value *v = schema_enum_by_name(e, (const char *)t.raw, t.raw_len);
    if (!v)
        return refuse(r, "must be one of the values of %s, such as %s", e->full_name,
                      e->n_values ? e->values[e->n_values - 1].name : "0");
    *ret = (uint64_t)(int64_t)v->number;
    return true;
}

/* A number, bool or enum as its bits on the wire. */
bool reader_scalar(struct reader *r, const struct schema_field *f, uint64_t *ret)
{
    int64_t number = 0;
    double real = 0;
    float single;
    uint32_t bits32;
    bool ok;

    switch (f->kind) {
    case KIND_INT32:
    case KIND_SFIXED32:
    case KIND_SINT32:
        ok = read_signed(r, INT32_MIN, INT32_MAX, "a whole number from -2147483648 to 2147483647",
                         &number);
        *ret = f->kind == KIND_SINT32 ? packed_zigzag(number) : (uint64_t)number;
        return ok;
    case KIND_INT64:
    case KIND_SFIXED64:
    case KIND_SINT64:
        ok = read_signed(r, INT64_MIN, INT64_MAX, "a whole number within 64 bits", &number);
        *ret = f->kind == KIND_SINT64 ? packed_zigzag(number) : (uint64_t)number;
        return ok;
    case KIND_UINT32:
    case KIND_FIXED32:
        return read_unsigned(r, UINT32_MAX, "a whole number from 0 to 4294967295", ret);
    case KIND_UINT64:
    case KIND_FIXED64:
        return read_unsigned(r, UINT64_MAX, "a whole number from 0 to 18446744073709551615", ret);
    case KIND_BOOL:
        return reader_bool(r, ret);
    case KIND_ENUM:
        return read_enum(r, f->enumeration, ret);
    case KIND_FLOAT:
        ok = reader_real(r, true, &real);
        single = (float)real;
        memcpy(&bits32, &single, sizeof(bits32));
        *ret = bits32;
        return ok;
    case KIND_DOUBLE:
        ok = reader_real(r, false, &real);
        memcpy(ret, &real, sizeof(*ret));
        return ok;
    case KIND_STRING:
    case KIND_BYTES:
    case KIND_MESSAGE:
    case KIND_GROUP:
        break; /* no scalars */
    }
    return refuse(r, "must be a number");
}

/* ---- text and bytes ---- */

/* Reads a string, or says what would be right. */
bool reader_text(struct reader *r, struct json_text *t, const char *what)
{
    if (json_peek(&r->c) != '"') {
        if (!reader_token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return refuse(r, "must be %s", what);
    }
    return reader_token(r, json_read_text(&r->c, t));
}

bool reader_string(struct reader *r, const struct schema_field *f, bool keep_empty)
{
    struct json_text t;

    if (!reader_text(r, &t, "a string"))
        return false;
    if (t.nul)
        return refuse(r, "must not hold a NUL character");
    if (t.len == 0 && !keep_empty)
        return true;
    uint8_t *to = json_room(r->out, sizeof(f->tag) + PACKED_VARINT_MAX + t.len);
    if (!to)
        return true; /* said at the end */
    memcpy(to, f->tag, sizeof(f->tag));
    to = packed_put_varint(to + f->tag_len, t.len);
    json_resolve(&t, to);
    r->out->len = (size_t)(to - r->out->data) + t.len;
    return true;
}

/* The text without escapes; in the status' arena if it had some. */
bool reader_plain(struct reader *r, const struct json_text *t, struct slice *ret)
{
    if (!t->escaped) {
        *ret = (struct slice) { t->raw, t->raw_len };
        return true;
    }
    uint8_t *to = arena_alloc(r->status->arena, t->len + 1);
    if (!to) {
        (void)status_refuse(r->status, CODE_RESOURCE_EXHAUSTED,
                            "the message is too large"); /* is 0 */
        return false;
    }
    json_resolve(t, to);
    *ret = (struct slice) { to, t->len };
    return true;
}

bool reader_bytes(struct reader *r, const struct schema_field *f, bool keep_empty)
{
    struct json_text t;
    struct slice text;

    if (!reader_text(r, &t, "a string in base64") || !reader_plain(r, &t, &text))
        return false;
    if (text.len == 0 && !keep_empty)
        return true;
    put_tag(r->out, f);
    size_t from = begin_length(r->out);
    uint8_t *to = json_room(r->out, base64_decoded_max(text.len));
    if (!to)
        return true; /* said at the end */
    ptrdiff_t len = base64_decode(text, BASE64_ANY, to);
    if (len < 0)
        return refuse(r, "must be base64");
    r->out->len += (size_t)len;
    end_length(r->out, from);
    return true;
}
