/* json_read_known.c - the messages of google.protobuf whose JSON has a form of its own: times, field masks, any JSON. */
#include "common/json_reader.h"

/* ---- times and field masks ---- */

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

bool reader_time(struct reader *r, const struct schema_message *m)
{
    bool timestamp = m->wellknown == WELLKNOWN_TIMESTAMP;
    const char *what = timestamp
                           ? "a time such as \"2026-11-21T10:00:00Z\", in the years 0001 to 9999"
                           : "a duration in seconds such as \"1.500s\"";
    int64_t seconds, nanos;
    struct json_text t;
    struct slice text;

    if (!reader_text(r, &t, what) || !reader_plain(r, &t, &text))
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

bool reader_field_mask(struct reader *r)
{
    const char *what = "field names in camelCase with commas between, such as \"name,careAreas\"";
    struct json_text t;
    struct slice text;

    if (!reader_text(r, &t, what) || !reader_plain(r, &t, &text))
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

bool reader_list(struct reader *r)
{
    if (reader_empty(r, ']'))
        return true;
    for (;;) {
        put_byte(r->out, 1 << 3 | PACKED_LEN);
        size_t from = begin_length(r->out);
        if (!reader_any(r))
            return false;
        end_length(r->out, from);
        bool more = false;
        if (!reader_next(r, ']', &more))
            return false;
        if (!more)
            return true;
    }
}

/* A string under the given one-byte tag. */
static bool put_json_text(struct reader *r, uint8_t tag)
{
    struct json_text t;

    if (!reader_text(r, &t, "a string"))
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

bool reader_object(struct reader *r)
{
    if (reader_empty(r, '}'))
        return true;
    for (;;) {
        if (json_peek(&r->c) != '"')
            return reader_syntax(r, "an object key that is no string");
        put_byte(r->out, 1 << 3 | PACKED_LEN);
        size_t entry = begin_length(r->out);
        if (!put_json_text(r, 1 << 3 | PACKED_LEN))
            return false;
        if (!reader_colon(r))
            return false;
        put_byte(r->out, 2 << 3 | PACKED_LEN);
        size_t value = begin_length(r->out);
        r->depth++;
        if (!reader_any(r))
            return false;
        r->depth--;
        end_length(r->out, value);
        end_length(r->out, entry);
        bool more = false;
        if (!reader_next(r, '}', &more))
            return false;
        if (!more)
            return true;
    }
}

/* A Struct (5) or ListValue (6) within a Value. */
static bool read_json_inner(struct reader *r, uint8_t number)
{
    put_byte(r->out, (uint8_t)(number << 3 | PACKED_LEN));
    size_t from = begin_length(r->out);
    r->depth++;
    if (!(number == 5 ? reader_object(r) : reader_list(r)))
        return false;
    r->depth--;
    end_length(r->out, from);
    return true;
}

/* The content of a google.protobuf.Value from whatever stands there. */
bool reader_any(struct reader *r)
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
        ok = reader_bool(r, &bits);
        put_byte(r->out, 4 << 3 | PACKED_VARINT);
        put_byte(r->out, ok && bits);
        break;
    case 'n':
        ok = reader_token(r, json_read_word(&r->c, "null"));
        put_byte(r->out, 1 << 3 | PACKED_VARINT);
        put_byte(r->out, 0);
        break;
    default:
        ok = reader_real(r, false, &real);
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
