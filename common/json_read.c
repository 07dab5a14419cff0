/* json_read.c - proto3 JSON straight to packed protobuf, in the order of the text.
 *
 * The length of a message stands before it on the wire and is known only after it: one byte is left for it, and the
 * message moves on by a byte or two when it turns out to be longer than 127. Keys are first compared with the fields
 * that follow the last one, since writers keep that order; a hash finds the others. */
#include "common/json.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "common/json_text.h"
#include "common/json_token.h"
#include "common/packed.h"

enum {
    SEEN_WORDS =
        512,        /* for all levels together; a message takes one word for 64 fields and oneofs */
    LOOK_AHEAD = 4, /* fields compared before the hash is asked */
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

static bool read_message(struct reader *r, const struct schema_message *m);
static bool read_json_value(struct reader *r);

/* ---- what was wrong ---- */

static const char *path_text(const struct reader *r)
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

#define refuse(r, ...)                                                                             \
    (r)->out->failed ? too_large(r)                                                                \
                     : (status_violation((r)->status, path_text(r), __VA_ARGS__) != 0)

static bool too_large(struct reader *r)
{
    (void)status_refuse(r->status, CODE_RESOURCE_EXHAUSTED, "the message is larger than %zu bytes",
                        r->out->max); /* is 0 */
    return false;
}

static bool refuse_syntax(struct reader *r, const char *what)
{
    return refuse(r, "the JSON text holds %s at byte %zu", what, (size_t)(r->c.p - r->c.start));
}

/* Passes on what a token was wrong with. */
static bool token(struct reader *r, bool ok)
{
    return ok || refuse_syntax(r, r->c.wrong);
}

/* ---- writing the wire ---- */

static void put_tag(struct buf *out, const struct schema_field *f)
{
    uint8_t *to = json_room(out, sizeof(f->tag));
    if (!to)
        return;
    memcpy(to, f->tag, sizeof(f->tag));
    out->len += f->tag_len;
}

static void put_byte(struct buf *out, uint8_t byte)
{
    uint8_t *to = json_room(out, 1);
    if (!to)
        return;
    *to = byte;
    out->len++;
}

/* Leaves a byte for the length; end_length() fills it in. */
static size_t begin_length(struct buf *out)
{
    put_byte(out, 0);
    return out->len;
}

static void end_length(struct buf *out, size_t from)
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

static void put_scalar(struct buf *out, const struct schema_field *f, uint64_t bits, bool tag)
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
        if (!token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return out_of_range(r, what);
    }
    return token(r, json_read_number(&r->c, false, n));
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

static bool text_is(const struct json_text *t, const char *word)
{
    return t->raw_len == strlen(word) && memcmp(t->raw, word, t->raw_len) == 0;
}

static bool read_real(struct reader *r, bool single, double *ret)
{
    const char *what =
        single ? "a number within single precision, or \"NaN\", \"Infinity\" or \"-Infinity\""
               : "a number within double precision, or \"NaN\", \"Infinity\" or \"-Infinity\"";
    struct json_cursor at = r->c;
    struct json_number n;
    struct json_text t;

    if (json_peek(&at) == '"' && json_read_text(&at, &t)) {
        bool nan = text_is(&t, "NaN"), minus = text_is(&t, "-Infinity");
        if (nan || minus || text_is(&t, "Infinity")) {
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

static bool read_bool(struct reader *r, uint64_t *ret)
{
    uint8_t first = json_peek(&r->c);

    if (first == 't' || first == 'f') {
        *ret = first == 't';
        return token(r, json_read_word(&r->c, first == 't' ? "true" : "false"));
    }
    if (!token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
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
    if (!token(r, json_read_text(&r->c, &t)))
        return false;
    const struct schema_enum_value *v = schema_enum_by_name(e, (const char *)t.raw, t.raw_len);
    if (!v)
        return refuse(r, "must be one of the values of %s, such as %s", e->full_name,
                      e->n_values ? e->values[e->n_values - 1].name : "0");
    *ret = (uint64_t)(int64_t)v->number;
    return true;
}

/* A number, bool or enum as its bits on the wire. */
static bool read_scalar(struct reader *r, const struct schema_field *f, uint64_t *ret)
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
        return read_bool(r, ret);
    case KIND_ENUM:
        return read_enum(r, f->enumeration, ret);
    case KIND_FLOAT:
        ok = read_real(r, true, &real);
        single = (float)real;
        memcpy(&bits32, &single, sizeof(bits32));
        *ret = bits32;
        return ok;
    case KIND_DOUBLE:
        ok = read_real(r, false, &real);
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
static bool read_text(struct reader *r, struct json_text *t, const char *what)
{
    if (json_peek(&r->c) != '"') {
        if (!token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return refuse(r, "must be %s", what);
    }
    return token(r, json_read_text(&r->c, t));
}

static bool read_string(struct reader *r, const struct schema_field *f, bool keep_empty)
{
    struct json_text t;

    if (!read_text(r, &t, "a string"))
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
static bool plain_text(struct reader *r, const struct json_text *t, struct slice *ret)
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

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return -1;
}

/* Standard or URL-safe, padded or not. Returns the bytes written, or -1. */
static ptrdiff_t decode_base64(struct slice text, uint8_t *to)
{
    const uint8_t *start = to;
    size_t n = text.len, padding = 0;
    uint32_t group = 0;

    while (n && padding < 2 && text.data[n - 1] == '=') {
        n--;
        padding++;
    }
    if (n % 4 == 1 || (padding && (n + padding) % 4 != 0))
        return -1;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0)
            return -1;
        group = group << 6 | (uint32_t)digit;
        if (i % 4 == 3) {
            *to++ = (uint8_t)(group >> 16);
            *to++ = (uint8_t)(group >> 8);
            *to++ = (uint8_t)group;
        }
    }
    if (n % 4 == 2) {
        *to++ = (uint8_t)(group >> 4);
    } else if (n % 4 == 3) {
        *to++ = (uint8_t)(group >> 10);
        *to++ = (uint8_t)(group >> 2);
    }
    return to - start;
}

static bool read_bytes(struct reader *r, const struct schema_field *f, bool keep_empty)
{
    struct json_text t;
    struct slice text;

    if (!read_text(r, &t, "a string in base64") || !plain_text(r, &t, &text))
        return false;
    if (text.len == 0 && !keep_empty)
        return true;
    put_tag(r->out, f);
    size_t from = begin_length(r->out);
    uint8_t *to = json_room(r->out, text.len / 4 * 3 + 3);
    if (!to)
        return true; /* said at the end */
    ptrdiff_t len = decode_base64(text, to);
    if (len < 0)
        return refuse(r, "must be base64");
    r->out->len += (size_t)len;
    end_length(r->out, from);
    return true;
}

/* ---- messages with a JSON form of their own ---- */

/* `n` digits as a number, or -1. */
static int64_t digits_at(const uint8_t *p, size_t n)
{
    int64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        value = value * 10 + (p[i] - '0');
    }
    return value;
}

static int64_t days_of_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool is_day(int64_t year, int64_t month, int64_t day)
{
    static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

/* ".123" of at most nine digits, from *p on. -1 when it is no such thing; 0 when there is none. */
static int64_t read_fraction(const uint8_t **p, const uint8_t *end)
{
    if (*p == end || **p != '.')
        return 0;
    const uint8_t *from = ++*p;
    int64_t nanos = 0;
    while (*p < end && **p >= '0' && **p <= '9' && *p - from < 9)
        nanos = nanos * 10 + (*(*p)++ - '0');
    ptrdiff_t digits = *p - from;
    if (digits == 0)
        return -1;
    for (; digits < 9; digits++)
        nanos *= 10;
    return nanos;
}

/* RFC 3339 with upper-case T and Z. */
static bool parse_timestamp(struct slice text, int64_t *ret_seconds, int64_t *ret_nanos)
{
    const uint8_t *s = text.data, *end = s + text.len, *p = s + 19;

    if (text.len < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':')
        return false;
    int64_t year = digits_at(s, 4), month = digits_at(s + 5, 2), day = digits_at(s + 8, 2);
    int64_t hour = digits_at(s + 11, 2), minute = digits_at(s + 14, 2),
            second = digits_at(s + 17, 2);
    if (year < 1 || !is_day(year, month, day) || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 59)
        return false;
    *ret_nanos = read_fraction(&p, end);
    if (*ret_nanos < 0 || p == end)
        return false;
    int64_t offset = 0;
    if (*p == '+' || *p == '-') {
        if (end - p != 6 || p[3] != ':')
            return false;
        int64_t off_hour = digits_at(p + 1, 2), off_minute = digits_at(p + 4, 2);
        if (off_hour < 0 || off_hour > 23 || off_minute < 0 || off_minute > 59)
            return false;
        offset = (off_hour * 60 + off_minute) * (*p == '-' ? -60 : 60);
    } else if (*p != 'Z' || p + 1 != end) {
        return false;
    }
    *ret_seconds =
        days_of_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    return *ret_seconds >= -62135596800 && *ret_seconds <= 253402300799;
}

static bool parse_duration(struct slice text, int64_t *ret_seconds, int64_t *ret_nanos)
{
    const uint8_t *p = text.data, *end = p + text.len;
    bool negative = p < end && *p == '-';

    p += negative;
    const uint8_t *from = p;
    int64_t seconds = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        seconds = seconds * 10 + (*p - '0');
        if (seconds > 315576000000)
            return false;
    }
    if (p == from)
        return false;
    int64_t nanos = read_fraction(&p, end);
    if (nanos < 0 || p == end || *p != 's' || p + 1 != end || (seconds == 315576000000 && nanos))
        return false;
    *ret_seconds = negative ? -seconds : seconds;
    *ret_nanos = negative ? -nanos : nanos;
    return true;
}

static bool read_time(struct reader *r, const struct schema_message *m)
{
    bool timestamp = m->wellknown == WELLKNOWN_TIMESTAMP;
    const char *what = timestamp
                           ? "a time such as \"2026-11-21T10:00:00Z\", in the years 0001 to 9999"
                           : "a duration in seconds such as \"1.500s\"";
    int64_t seconds, nanos;
    struct json_text t;
    struct slice text;

    if (!read_text(r, &t, what) || !plain_text(r, &t, &text))
        return false;
    if (!(timestamp ? parse_timestamp : parse_duration)(text, &seconds, &nanos))
        return refuse(r, "must be %s", what);
    if (seconds)
        put_scalar(r->out, &m->fields[0], (uint64_t)seconds, true);
    if (nanos)
        put_scalar(r->out, &m->fields[1], (uint64_t)nanos, true);
    return true;
}

/* One path in camelCase to snake_case. */
static bool put_mask_path(struct buf *out, const uint8_t *p, size_t len)
{
    put_byte(out, 1 << 3 | PACKED_LEN);
    size_t from = begin_length(out);
    for (size_t i = 0; i < len; i++) {
        bool upper = p[i] >= 'A' && p[i] <= 'Z';
        if (!upper && !(p[i] >= 'a' && p[i] <= 'z') && !(p[i] >= '0' && p[i] <= '9') && p[i] != '.')
            return false;
        if (upper)
            put_byte(out, '_');
        put_byte(out, upper ? (uint8_t)(p[i] - 'A' + 'a') : p[i]);
    }
    end_length(out, from);
    return len > 0;
}

static bool read_field_mask(struct reader *r)
{
    const char *what = "field names in camelCase with commas between, such as \"name,careAreas\"";
    struct json_text t;
    struct slice text;

    if (!read_text(r, &t, what) || !plain_text(r, &t, &text))
        return false;
    for (size_t from = 0, i = 0; text.len && i <= text.len; i++) {
        if (i < text.len && text.data[i] != ',')
            continue;
        if (!put_mask_path(r->out, text.data + from, i - from))
            return refuse(r, "must be %s", what);
        from = i + 1;
    }
    return true;
}

/* ---- google.protobuf.Value and its kin: any JSON ---- */

static bool read_json_list(struct reader *r)
{
    r->c.p++;
    if (json_peek(&r->c) == ']') {
        r->c.p++;
        return true;
    }
    for (;;) {
        put_byte(r->out, 1 << 3 | PACKED_LEN);
        size_t from = begin_length(r->out);
        if (!read_json_value(r))
            return false;
        end_length(r->out, from);
        uint8_t next = json_peek(&r->c);
        if (next != ',' && next != ']')
            return refuse_syntax(r, "no comma or closing bracket after a value");
        r->c.p++;
        if (next == ']')
            return true;
    }
}

/* A string under the given one-byte tag. */
static bool put_json_text(struct reader *r, uint8_t tag)
{
    struct json_text t;

    if (!read_text(r, &t, "a string"))
        return false;
    if (t.nul)
        return refuse(r, "must not hold a NUL character");
    uint8_t *to = json_room(r->out, 1 + PACKED_VARINT_MAX + t.len);
    if (!to)
        return true; /* said at the end */
    *to++ = tag;
    to = packed_put_varint(to, t.len);
    json_resolve(&t, to);
    r->out->len = (size_t)(to - r->out->data) + t.len;
    return true;
}

static bool read_json_object(struct reader *r)
{
    r->c.p++;
    if (json_peek(&r->c) == '}') {
        r->c.p++;
        return true;
    }
    for (;;) {
        if (json_peek(&r->c) != '"')
            return refuse_syntax(r, "an object key that is no string");
        put_byte(r->out, 1 << 3 | PACKED_LEN);
        size_t entry = begin_length(r->out);
        if (!put_json_text(r, 1 << 3 | PACKED_LEN))
            return false;
        if (json_peek(&r->c) != ':')
            return refuse_syntax(r, "a key without a colon behind it");
        r->c.p++;
        put_byte(r->out, 2 << 3 | PACKED_LEN);
        size_t value = begin_length(r->out);
        r->depth++;
        if (!read_json_value(r))
            return false;
        r->depth--;
        end_length(r->out, value);
        end_length(r->out, entry);
        uint8_t next = json_peek(&r->c);
        if (next != ',' && next != '}')
            return refuse_syntax(r, "no comma or closing brace after a value");
        r->c.p++;
        if (next == '}')
            return true;
    }
}

/* A Struct (5) or ListValue (6) within a Value. */
static bool read_json_inner(struct reader *r, uint8_t number)
{
    put_byte(r->out, (uint8_t)(number << 3 | PACKED_LEN));
    size_t from = begin_length(r->out);
    r->depth++;
    if (!(number == 5 ? read_json_object(r) : read_json_list(r)))
        return false;
    r->depth--;
    end_length(r->out, from);
    return true;
}

/* The content of a google.protobuf.Value from whatever stands there. */
static bool read_json_value(struct reader *r)
{
    uint64_t bits;
    double real;

    if (++r->depth >= SCHEMA_MAX_DEPTH)
        return refuse(r, "is nested too deep");
    bool ok;
    switch (json_peek(&r->c)) {
    case '{':
        ok = read_json_inner(r, 5);
        break;
    case '[':
        ok = read_json_inner(r, 6);
        break;
    case '"':
        ok = put_json_text(r, 3 << 3 | PACKED_LEN);
        break;
    case 't':
    case 'f':
        ok = read_bool(r, &bits);
        put_byte(r->out, 4 << 3 | PACKED_VARINT);
        put_byte(r->out, ok && bits);
        break;
    case 'n':
        ok = token(r, json_read_word(&r->c, "null"));
        put_byte(r->out, 1 << 3 | PACKED_VARINT);
        put_byte(r->out, 0);
        break;
    default:
        ok = read_real(r, false, &real);
        put_byte(r->out, 2 << 3 | PACKED_FIXED64);
        if (ok && json_room(r->out, 8)) {
            memcpy(r->out->data + r->out->len, &real, 8);
            r->out->len += 8;
        }
        break;
    }
    r->depth--;
    return ok;
}

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
        return read_string(r, f, keep_default);
    if (f->kind == KIND_MESSAGE)
        return read_submessage(r, f);
    if (f->kind == KIND_BYTES)
        return read_bytes(r, f, keep_default);
    if (!read_scalar(r, f, &bits))
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
        return read_time(r, m);
    case WELLKNOWN_FIELD_MASK:
        return read_field_mask(r);
    case WELLKNOWN_WRAPPER:
        return read_value(r, &m->fields[0], false);
    case WELLKNOWN_STRUCT:
        return json_peek(&r->c) == '{' ? read_json_object(r) : refuse(r, "must be an object");
    case WELLKNOWN_LIST_VALUE:
        return json_peek(&r->c) == '[' ? read_json_list(r) : refuse(r, "must be an array");
    case WELLKNOWN_VALUE:
        r->depth--; /* the Value is counted by its caller already */
        if (!read_json_value(r))
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
    if (!read_scalar(r, f, &bits))
        return false;
    put_scalar(r->out, f, bits, false);
    return true;
}

static bool read_items(struct reader *r, const struct schema_field *f, struct step *step)
{
    for (step->item = 0;; step->item++) {
        if (!read_item(r, f))
            return false;
        uint8_t next = json_peek(&r->c);
        if (next != ',' && next != ']')
            return refuse_syntax(r, "no comma or closing bracket after a value");
        r->c.p++;
        if (next == ']')
            return true;
    }
}

static bool read_array(struct reader *r, const struct schema_field *f, struct step *step)
{
    if (json_peek(&r->c) != '[') {
        if (!token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return refuse(r, "must be an array");
    }
    r->c.p++;
    if (json_peek(&r->c) == ']') {
        r->c.p++;
        return true;
    }
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
        return refuse_syntax(r, "an object key that is no string");
    if (!token(r, json_read_text(&at, &step->key)))
        return false;
    if (f->kind == KIND_STRING)
        return read_string(r, f, true);
    if (f->kind != KIND_BOOL) {
        if (!read_scalar(r, f, &bits))
            return false;
    } else {
        if (!text_is(&step->key, "true") && !text_is(&step->key, "false"))
            return refuse(r, "has a key that must be \"true\" or \"false\"");
        bits = text_is(&step->key, "true");
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
    if (json_peek(&r->c) != ':')
        return refuse_syntax(r, "a key without a colon behind it");
    r->c.p++;
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
        if (!token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
            return false;
        return refuse(r, "must be an object");
    }
    r->c.p++;
    if (json_peek(&r->c) == '}') {
        r->c.p++;
        return true;
    }
    for (;;) {
        if (!read_entry(r, f, step))
            return false;
        step->key.raw = NULL;
        uint8_t next = json_peek(&r->c);
        if (next != ',' && next != '}')
            return refuse_syntax(r, "no comma or closing brace after a value");
        r->c.p++;
        if (next == '}')
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
    if (!token(r, json_read_text(&r->c, &key)) || !plain_text(r, &key, &name))
        return false;
    if (json_peek(&r->c) != ':')
        return refuse_syntax(r, "a key without a colon behind it");
    r->c.p++;
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
        if (!token(r, json_read_word(&r->c, "null")))
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

    r->c.p++;
    if (json_peek(&r->c) == '}') {
        r->c.p++;
        return true;
    }
    for (;;) {
        const struct schema_field *f;
        if (json_peek(&r->c) != '"')
            return refuse_syntax(r, "an object key that is no string");
        if (!read_key(r, m, expected, &f))
            return false;
        if (f) {
            expected = f->index + 1u;
            if (!read_field(r, m, f, seen))
                return false;
        } else if (!token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH - r->depth))) {
            return false;
        }
        uint8_t next = json_peek(&r->c);
        if (next != ',' && next != '}')
            return refuse_syntax(r, "no comma or closing brace after a value");
        r->c.p++;
        if (next == '}')
            return true;
    }
}

static bool read_message(struct reader *r, const struct schema_message *m)
{
    size_t words = (m->n_fields + m->n_oneofs + 63) / 64, before = r->seen_used;
    uint64_t *seen;

    if (json_peek(&r->c) != '{') {
        if (!token(r, json_skip(&r->c, SCHEMA_MAX_DEPTH)))
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
        return refuse_syntax(&r, "something behind its end");
    return out->failed ? too_large(&r) : true;
}
