/* json_write.c - packed protobuf to canonical proto3 JSON.
 *
 * Nearly all bytes come from encoders that write fields in order of number, each singular one once. Those are written
 * in one pass. Bytes in any other order are legal too, and then repeated fields must be gathered, the last of a
 * singular field wins and split messages merge. The first sign of that gives up the pass for the whole text, and
 * everything is written anew in the careful way, which looks for each field in turn through all parts of its message.
 * Giving up as a whole, rather than per message, keeps the work linear: no message is ever written more than twice. */
#include "common/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/json_text.h"
#include "common/packed.h"

enum { SMALL_MAP = 32 };

struct writer {
    struct buf *out;
    bool careful;
};

/* What a message consists of: one run of bytes, or several that merge. */
struct parts {
    const struct slice *runs;
    size_t n;
};

static int write_message(struct writer *w, const struct schema_message *m, struct parts parts,
                         unsigned depth);

/* ---- text and numbers ---- */

static void put_text(struct buf *out, const char *text, size_t len)
{
    uint8_t *to = json_room(out, len);
    if (!to)
        return;
    memcpy(to, text, len);
    out->len += len;
}

static void put_byte(struct buf *out, char byte)
{
    uint8_t *to = json_room(out, 1);
    if (!to)
        return;
    *to = (uint8_t)byte;
    out->len++;
}

static uint8_t *put_escape(uint8_t *to, uint8_t c)
{
    static const char short_form[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    static const char digits[] = "0123456789abcdef";

    *to++ = '\\';
    for (size_t i = 0; i < sizeof(short_form) - 1; i += 2) {
        if ((uint8_t)short_form[i] == c) {
            *to++ = (uint8_t)short_form[i + 1];
            return to;
        }
    }
    memcpy(to, "u00", 3);
    to[3] = (uint8_t)digits[c >> 4];
    to[4] = (uint8_t)digits[c & 15];
    return to + 5;
}

/* Writes a JSON string. Invalid UTF-8 becomes U+FFFD when `repair`, else false. */
static bool put_string(struct buf *out, const uint8_t *s, size_t len, bool repair)
{
    const uint8_t *end = s + len;
    uint8_t *to = json_room(out, len + 10); /* quotes, and a word may be stored past the end */

    if (!to)
        return true;
    *to++ = '"';
    while (s < end) {
        size_t n = (size_t)(end - s) < 8 ? (size_t)(end - s) : 8;
        uint64_t word = n == 8 ? utf8_word(s) : json_part(s, n);
        uint64_t special = json_special(word);
        if (n < 8)
            special &= (1ull << 8 * n) - 1;
        memcpy(to, &word, 8);
        if (special)
            n = (size_t)__builtin_ctzll(special) / 8;
        s += n;
        to += n;
        if (!special)
            continue;
        if (*s >= 0x80) {
            size_t sequence = utf8_sequence(s, end);
            if (sequence) {
                memcpy(to, s, sequence);
                to += sequence;
                s += sequence;
                continue;
            }
            if (!repair)
                return false;
        }
        out->len = (size_t)(to - out->data);
        to = json_room(out, (size_t)(end - s) + 16);
        if (!to)
            return true;
        if (*s >= 0x80) {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        } else {
            to = put_escape(to, *s);
        }
        s++;
    }
    *to++ = '"';
    out->len = (size_t)(to - out->data);
    return true;
}

void json_string(struct buf *out, const char *text, size_t len)
{
    (void)put_string(out, (const uint8_t *)text, len, true); /* a repairing writer never refuses */
}

static const char two_digits[] = "0001020304050607080910111213141516171819"
                                 "2021222324252627282930313233343536373839"
                                 "4041424344454647484950515253545556575859"
                                 "6061626364656667686970717273747576777879"
                                 "8081828384858687888990919293949596979899";

/* Decimal digits, at most 20. */
static void put_digits(struct buf *out, uint64_t value, bool negative, bool quoted)
{
    char digits[24], *p = digits + sizeof(digits);

    if (quoted)
        *--p = '"';
    while (value >= 100) {
        p -= 2;
        memcpy(p, two_digits + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        p -= 2;
        memcpy(p, two_digits + 2 * value, 2);
    } else {
        *--p = (char)('0' + value);
    }
    if (negative)
        *--p = '-';
    if (quoted)
        *--p = '"';
    put_text(out, p, (size_t)(digits + sizeof(digits) - p));
}

static void put_signed(struct buf *out, int64_t value, bool quoted)
{
    put_digits(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0, quoted);
}

/* The shortest of a few widths that reads back as the same number. */
static void put_real(struct buf *out, double value, bool single)
{
    char text[40];
    int len = 0;

    if (isnan(value)) {
        put_text(out, "\"NaN\"", 5);
        return;
    }
    if (isinf(value)) {
        put_text(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"", value < 0 ? 11 : 10);
        return;
    }
    if (fabs(value) < 1e15 && value == (double)(int64_t)value && !(value == 0 && signbit(value))) {
        put_signed(out, (int64_t)value, false);
        return;
    }
    for (int precision = single ? 6 : 15; precision <= (single ? 9 : 17); precision++) {
        len = snprintf(text, sizeof(text), "%.*g", precision, value);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)value : back == value)
            break;
    }
    put_text(out, text, (size_t)len);
}

static void put_base64(struct buf *out, const uint8_t *p, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t size = (len + 2) / 3 * 4 + 2;
    uint8_t *to = json_room(out, size);

    if (!to)
        return;
    *to++ = '"';
    for (; len >= 3; len -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *to++ = (uint8_t)digits[v >> 18];
        *to++ = (uint8_t)digits[v >> 12 & 63];
        *to++ = (uint8_t)digits[v >> 6 & 63];
        *to++ = (uint8_t)digits[v & 63];
    }
    if (len) {
        uint32_t v = (uint32_t)p[0] << 16 | (len == 2 ? (uint32_t)p[1] << 8 : 0);
        *to++ = (uint8_t)digits[v >> 18];
        *to++ = (uint8_t)digits[v >> 12 & 63];
        *to++ = len == 2 ? (uint8_t)digits[v >> 6 & 63] : '=';
        *to++ = '=';
    }
    *to++ = '"';
    out->len += size;
}

/* ---- values ---- */

static void put_enum(struct buf *out, const struct schema_enum *e, int32_t number)
{
    const struct schema_enum_value *value = schema_enum_by_number(e, number);

    if (e->null_value) {
        put_text(out, "null", 4);
    } else if (value) {
        put_byte(out, '"');
        put_text(out, value->name, strlen(value->name));
        put_byte(out, '"');
    } else {
        put_signed(out, number, false);
    }
}

/* A number, bool or enum from its bits on the wire; as a map's key it is quoted whatever it is. */
static void put_scalar(struct buf *out, const struct schema_field *f, uint64_t bits, bool key)
{
    float real32;
    double real64;

    switch (f->kind) {
    case KIND_INT32:
    case KIND_SFIXED32:
        put_signed(out, (int32_t)(uint32_t)bits, key);
        break;
    case KIND_SINT32:
        put_signed(out, (int32_t)packed_unzigzag((uint32_t)bits), key);
        break;
    case KIND_UINT32:
    case KIND_FIXED32:
        put_digits(out, (uint32_t)bits, false, key);
        break;
    case KIND_INT64:
    case KIND_SFIXED64:
        put_signed(out, (int64_t)bits, true);
        break;
    case KIND_SINT64:
        put_signed(out, packed_unzigzag(bits), true);
        break;
    case KIND_UINT64:
    case KIND_FIXED64:
        put_digits(out, bits, false, true);
        break;
    case KIND_BOOL:
        if (key)
            put_text(out, bits ? "\"true\"" : "\"false\"", bits ? 6 : 7);
        else
            put_text(out, bits ? "true" : "false", bits ? 4 : 5);
        break;
    case KIND_ENUM:
        put_enum(out, f->enumeration, (int32_t)(uint32_t)bits);
        break;
    case KIND_FLOAT:
        memcpy(&real32, &(uint32_t) { (uint32_t)bits }, sizeof(real32));
        put_real(out, (double)real32, true);
        break;
    case KIND_DOUBLE:
        memcpy(&real64, &bits, sizeof(real64));
        put_real(out, real64, false);
        break;
    case KIND_STRING:
    case KIND_BYTES:
    case KIND_MESSAGE:
    case KIND_GROUP:
        break; /* no scalars */
    }
}

static int write_value(struct writer *w, const struct schema_field *f, const struct packed_field *v,
                       unsigned depth)
{
    if (v->type != f->wire_type)
        return -EBADMSG;
    if (f->kind == KIND_STRING)
        return put_string(w->out, v->data, v->len, false) ? 0 : -EBADMSG;
    if (f->kind == KIND_MESSAGE)
        return write_message(w, f->message,
                             (struct parts) { &(struct slice) { v->data, v->len }, 1 }, depth + 1);
    if (f->kind == KIND_BYTES)
        put_base64(w->out, v->data, v->len);
    else
        put_scalar(w->out, f, v->value, false);
    return 0;
}

/* ---- going through parts ---- */

struct walk {
    struct parts parts;
    size_t run;
    const uint8_t *p;
};

static struct walk walk_start(struct parts parts)
{
    return (struct walk) { parts, 0, parts.n ? parts.runs[0].data : NULL };
}

/* The next field of any number: 1, or 0 at the end, or -EBADMSG. */
static int walk_next(struct walk *k, struct packed_field *ret)
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

static int walk_number(struct walk *k, uint32_t number, struct packed_field *ret)
{
    int rc;

    while ((rc = walk_next(k, ret)) == 1)
        if (ret->number == number)
            return 1;
    return rc;
}

static int write_packed(struct writer *w, const struct schema_field *f,
                        const struct packed_field *v, bool *some)
{
    const uint8_t *p = v->data, *end = p + v->len;
    struct packed_field one = { .type = f->wire_type };

    while (p < end) {
        if (!packed_value(&p, end, &one))
            return -EBADMSG;
        if (*some)
            put_byte(w->out, ',');
        *some = true;
        put_scalar(w->out, f, one.value, false);
    }
    return 0;
}

/* The array of all items of a repeated field in `parts`. `ret_some` tells whether there was one. */
static int write_array(struct writer *w, const struct schema_field *f, struct parts parts,
                       unsigned depth, bool *ret_some)
{
    struct walk k = walk_start(parts);
    struct packed_field v;
    bool some = false;
    int rc;

    put_byte(w->out, '[');
    while ((rc = walk_number(&k, f->number, &v)) == 1) {
        if (v.type == PACKED_LEN && f->wire_type != PACKED_LEN) {
            rc = write_packed(w, f, &v, &some);
        } else {
            if (some)
                put_byte(w->out, ',');
            some = true;
            rc = write_value(w, f, &v, depth);
        }
        if (rc)
            return rc;
    }
    put_byte(w->out, ']');
    *ret_some = some;
    return rc;
}

/* ---- maps ---- */

struct entry {
    struct packed_field key, value; /* type is left as declared when absent: zero, empty */
    bool has_value;
    bool dropped; /* a later entry has the same key */
    size_t place;
};

static int read_entry(const struct schema_field *f, const struct packed_field *v, struct entry *ret)
{
    const struct schema_field *key = &f->message->fields[0], *value = &f->message->fields[1];
    const uint8_t *p = v->data, *end = p + v->len;
    struct packed_field one;

    if (v->type != PACKED_LEN)
        return -EBADMSG;
    *ret = (struct entry) { .key = { .type = key->wire_type, .data = p },
                            .value = { .type = value->wire_type, .data = p } };
    while (p < end) {
        if (!packed_next(&p, end, &one))
            return -EBADMSG;
        if (one.number == 1)
            ret->key = one;
        if (one.number == 2)
            ret->value = one;
    }
    if (ret->key.type != key->wire_type || ret->value.type != value->wire_type)
        return -EBADMSG;
    return 0;
}

static int compare_keys(const struct entry *a, const struct entry *b)
{
    if (a->key.type != PACKED_LEN)
        return a->key.value < b->key.value ? -1 : a->key.value > b->key.value;
    size_t len = a->key.len < b->key.len ? a->key.len : b->key.len;
    int order = len ? memcmp(a->key.data, b->key.data, len) : 0;
    return order ? order : a->key.len < b->key.len ? -1 : a->key.len > b->key.len;
}

static int by_key_then_place(const void *a, const void *b)
{
    const struct entry *one = a, *two = b;
    int order = compare_keys(one, two);
    return order ? order : one->place < two->place ? -1 : one->place > two->place;
}

/* Of several entries with one key the last counts. Large maps come out in the order of their keys. */
static void drop_doubles(struct entry *entries, size_t n)
{
    if (n > SMALL_MAP) {
        qsort(entries, n, sizeof(*entries), by_key_then_place);
        for (size_t i = 0; i + 1 < n; i++)
            entries[i].dropped = compare_keys(&entries[i], &entries[i + 1]) == 0;
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n && !entries[i].dropped; j++)
            entries[i].dropped = compare_keys(&entries[i], &entries[j]) == 0;
}

static int write_entries(struct writer *w, const struct schema_field *f,
                         const struct entry *entries, size_t n, unsigned depth)
{
    const struct schema_field *key = &f->message->fields[0], *value = &f->message->fields[1];
    bool some = false;

    put_byte(w->out, '{');
    for (size_t i = 0; i < n; i++) {
        const struct entry *e = &entries[i];
        if (e->dropped)
            continue;
        if (some)
            put_byte(w->out, ',');
        some = true;
        if (key->kind != KIND_STRING)
            put_scalar(w->out, key, e->key.value, true);
        else if (!put_string(w->out, e->key.data, e->key.len, false))
            return -EBADMSG;
        put_byte(w->out, ':');
        int rc = write_value(w, value, &e->value, depth + 1);
        if (rc)
            return rc;
    }
    put_byte(w->out, '}');
    return 0;
}

static int write_map(struct writer *w, const struct schema_field *f, struct parts parts,
                     unsigned depth, bool *ret_some)
{
    struct entry few[SMALL_MAP], *entries = few;
    struct walk k = walk_start(parts);
    struct packed_field v;
    size_t n = 0;
    int rc;

    if (depth >= SCHEMA_MAX_DEPTH)
        return -EBADMSG;
    while ((rc = walk_number(&k, f->number, &v)) == 1)
        n++;
    if (rc)
        return rc;
    if (n > SMALL_MAP) {
        entries = calloc(n, sizeof(*entries));
        if (!entries)
            return -ENOMEM;
    }
    k = walk_start(parts);
    for (size_t i = 0; i < n && rc == 0; i++) {
        if (walk_number(&k, f->number, &v) != 1)
            break; /* cannot be: counted above */
        rc = read_entry(f, &v, &entries[i]);
        entries[i].place = i;
    }
    if (rc == 0) {
        drop_doubles(entries, n);
        rc = write_entries(w, f, entries, n, depth);
    }
    *ret_some = n > 0;
    if (entries != few)
        free(entries);
    return rc;
}

/* ---- messages with a JSON form of their own ---- */

/* Days since 1970-01-01 to a date of the Gregorian calendar (Howard Hinnant's civil_from_days). */
static void date_of_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;

    *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

/* ".5" as .500, .500000 or .500000000, whichever holds it; nothing for zero. */
static void put_fraction(struct buf *out, int32_t nanos)
{
    char text[16];

    if (nanos == 0)
        return;
    int len = nanos % 1000000 == 0 ? snprintf(text, sizeof(text), ".%03d", nanos / 1000000)
              : nanos % 1000 == 0  ? snprintf(text, sizeof(text), ".%06d", nanos / 1000)
                                   : snprintf(text, sizeof(text), ".%09d", nanos);
    put_text(out, text, (size_t)len);
}

static int read_time(struct parts parts, int64_t *ret_seconds, int32_t *ret_nanos)
{
    struct walk k = walk_start(parts);
    struct packed_field v;
    int rc;

    *ret_seconds = 0;
    *ret_nanos = 0;
    while ((rc = walk_next(&k, &v)) == 1) {
        if ((v.number == 1 || v.number == 2) && v.type != PACKED_VARINT)
            return -EBADMSG;
        if (v.number == 1)
            *ret_seconds = (int64_t)v.value;
        if (v.number == 2)
            *ret_nanos = (int32_t)(uint32_t)v.value;
    }
    return rc;
}

static int write_timestamp(struct writer *w, struct parts parts)
{
    int64_t seconds;
    int32_t nanos;
    int year, month, day, rc = read_time(parts, &seconds, &nanos);
    char text[80];

    if (rc)
        return rc;
    if (seconds < -62135596800 || seconds > 253402300799 || nanos < 0 || nanos > 999999999)
        return -EBADMSG;
    int64_t days = seconds / 86400 - (seconds % 86400 < 0);
    int of_day = (int)(seconds - days * 86400);
    date_of_days(days, &year, &month, &day);
    int len = snprintf(text, sizeof(text), "\"%04d-%02d-%02dT%02d:%02d:%02d", year, month, day,
                       of_day / 3600, of_day / 60 % 60, of_day % 60);
    put_text(w->out, text, (size_t)len);
    put_fraction(w->out, nanos);
    put_text(w->out, "Z\"", 2);
    return 0;
}

static int write_duration(struct writer *w, struct parts parts)
{
    int64_t seconds;
    int32_t nanos;
    int rc = read_time(parts, &seconds, &nanos);

    if (rc)
        return rc;
    if (seconds < -315576000000 || seconds > 315576000000 || nanos < -999999999 ||
        nanos > 999999999 || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0))
        return -EBADMSG;
    put_byte(w->out, '"');
    if (seconds < 0 || nanos < 0)
        put_byte(w->out, '-');
    put_signed(w->out, seconds < 0 ? -seconds : seconds, false);
    put_fraction(w->out, nanos < 0 ? -nanos : nanos);
    put_text(w->out, "s\"", 2);
    return 0;
}

/* snake_case to camelCase; refused where the way back would lead elsewhere. */
static int put_mask_path(struct buf *out, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = p[i];
        if (c == '_') {
            i++;
            if (i == len || p[i] < 'a' || p[i] > 'z')
                return -EBADMSG;
            c = (uint8_t)(p[i] - 'a' + 'A');
        } else if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '.') {
            return -EBADMSG;
        }
        put_byte(out, (char)c);
    }
    return len ? 0 : -EBADMSG;
}

static int write_field_mask(struct writer *w, struct parts parts)
{
    struct walk k = walk_start(parts);
    struct packed_field v;
    bool some = false;
    int rc;

    put_byte(w->out, '"');
    while ((rc = walk_number(&k, 1, &v)) == 1) {
        if (v.type != PACKED_LEN)
            return -EBADMSG;
        if (some)
            put_byte(w->out, ',');
        some = true;
        rc = put_mask_path(w->out, v.data, v.len);
        if (rc)
            return rc;
    }
    put_byte(w->out, '"');
    return rc;
}

/* A wrapper is written as what it wraps, zero or empty if need be. */
static int write_wrapper(struct writer *w, const struct schema_message *m, struct parts parts,
                         unsigned depth)
{
    const struct schema_field *f = &m->fields[0];
    struct packed_field last = { .type = f->wire_type, .data = (const uint8_t *)"" }, v;
    struct walk k = walk_start(parts);
    int rc;

    while ((rc = walk_number(&k, 1, &v)) == 1)
        last = v;
    return rc ? rc : write_value(w, f, &last, depth);
}

/* google.protobuf.Value: the last of its kinds, as the JSON value it stands for. */
static int write_any_json(struct writer *w, const struct schema_message *m, struct parts parts,
                          unsigned depth)
{
    struct walk k = walk_start(parts);
    const struct schema_field *f = NULL, *candidate;
    struct packed_field last = { 0 }, v;
    double number;
    int rc;

    while ((rc = walk_next(&k, &v)) == 1) {
        candidate = schema_field_by_number(m, v.number);
        if (!candidate)
            continue;
        f = candidate;
        last = v;
    }
    if (rc)
        return rc;
    if (!f) {
        put_text(w->out, "null", 4);
        return 0;
    }
    memcpy(&number, &last.value, sizeof(number));
    if (f->kind == KIND_DOUBLE && last.type == PACKED_FIXED64 && !isfinite(number))
        return -EBADMSG; /* JSON has no such number, and text would read back as text */
    return write_value(w, f, &last, depth);
}

static int write_wellknown(struct writer *w, const struct schema_message *m, struct parts parts,
                           unsigned depth)
{
    bool some;

    switch (m->wellknown) {
    case WELLKNOWN_TIMESTAMP:
        return write_timestamp(w, parts);
    case WELLKNOWN_DURATION:
        return write_duration(w, parts);
    case WELLKNOWN_FIELD_MASK:
        return write_field_mask(w, parts);
    case WELLKNOWN_WRAPPER:
        return write_wrapper(w, m, parts, depth);
    case WELLKNOWN_STRUCT:
        return write_map(w, &m->fields[0], parts, depth, &some);
    case WELLKNOWN_LIST_VALUE:
        return write_array(w, &m->fields[0], parts, depth, &some);
    case WELLKNOWN_VALUE:
        return write_any_json(w, m, parts, depth);
    case WELLKNOWN_EMPTY:
        put_text(w->out, "{}", 2);
        return 0;
    case WELLKNOWN_ANY:
    case WELLKNOWN_NONE:
        break;
    }
    return -EBADMSG;
}

/* ---- messages ---- */

static void put_key(struct buf *out, const struct schema_field *f, bool *some)
{
    uint8_t *to = json_room(out, f->json_key_len + 1u);
    if (!to)
        return;
    if (*some)
        *to++ = ',';
    memcpy(to, f->json_key, f->json_key_len);
    out->len += f->json_key_len + (*some ? 1u : 0u);
    *some = true;
}

/* A repeated field with its key; nothing at all when it turns out to be empty. */
static int write_repeated(struct writer *w, const struct schema_field *f, struct parts parts,
                          unsigned depth, bool *some)
{
    size_t before = w->out->len;
    bool before_some = *some, items = false;

    put_key(w->out, f, some);
    int rc =
        f->map ? write_map(w, f, parts, depth, &items) : write_array(w, f, parts, depth, &items);
    if (rc == 0 && !items) {
        w->out->len = before;
        *some = before_some;
    }
    return rc;
}

static bool is_default(const struct schema_field *f, const struct packed_field *v)
{
    return !f->presence && (v->type == PACKED_LEN ? v->len == 0 : v->value == 0);
}

/* One pass over fields in order of number. -EAGAIN: they are not. */
static int write_in_order(struct writer *w, const struct schema_message *m, struct slice bytes,
                          unsigned depth)
{
    const uint8_t *p = bytes.data, *end = p + bytes.len;
    uint32_t last = 0;
    uint64_t oneofs = 0;
    bool some = false;
    struct packed_field v;

    put_byte(w->out, '{');
    while (p < end) {
        const uint8_t *from = p;
        if (!packed_next(&p, end, &v))
            return -EBADMSG;
        const struct schema_field *f = schema_field_by_number(m, v.number);
        if (!f)
            continue;
        if (v.number <= last)
            return -EAGAIN;
        last = v.number;
        if (f->oneof >= 0) {
            if (f->oneof >= 64 || (oneofs >> f->oneof & 1))
                return -EAGAIN;
            oneofs |= 1ull << f->oneof;
        }
        int rc = 0;
        if (f->repeated) {
            const uint8_t *next = p;
            while (next < end && packed_next(&next, end, &v) && v.number == last)
                p = next;
            rc = write_repeated(w, f,
                                (struct parts) { &(struct slice) { from, (size_t)(p - from) }, 1 },
                                depth, &some);
        } else if (!is_default(f, &v)) {
            put_key(w->out, f, &some);
            rc = write_value(w, f, &v, depth);
        }
        if (rc)
            return rc;
    }
    put_byte(w->out, '}');
    return 0;
}

/* Finds what a singular field comes to: its last value, or for a message every part since its oneof last changed.
 * `runs` has room for one more than the occurrences counted before; *ret_n is how many there are. */
static int find_singular(const struct schema_message *m, const struct schema_field *f,
                         struct parts parts, struct packed_field *ret, struct slice *runs,
                         size_t *ret_n)
{
    struct walk k = walk_start(parts);
    struct packed_field v;
    size_t n = 0;
    int rc;

    while ((rc = walk_next(&k, &v)) == 1) {
        if (v.number == f->number) {
            if (v.type != f->wire_type)
                return -EBADMSG;
            *ret = v;
            if (runs)
                runs[n] = (struct slice) { v.data, v.len };
            n++;
        } else if (f->oneof >= 0) {
            const struct schema_field *other = schema_field_by_number(m, v.number);
            if (other && other->oneof == f->oneof)
                n = 0;
        }
    }
    *ret_n = n;
    return rc;
}

static int write_merged(struct writer *w, const struct schema_message *m,
                        const struct schema_field *f, struct parts parts, size_t n, unsigned depth)
{
    struct packed_field v;
    /* A oneof may have changed in between, so more runs may pass through the array than stay. */
    struct walk k = walk_start(parts);
    size_t all = 0;
    while (walk_number(&k, f->number, &v) == 1)
        all++;
    struct slice *runs = calloc(all + 1, sizeof(*runs));
    if (!runs)
        return -ENOMEM;
    int rc = find_singular(m, f, parts, &v, runs, &n);
    if (rc == 0)
        rc = write_message(w, f->message, (struct parts) { runs, n }, depth + 1);
    free(runs);
    return rc;
}

/* Looks for each field in turn: right for any order. */
static int write_carefully(struct writer *w, const struct schema_message *m, struct parts parts,
                           unsigned depth)
{
    bool some = false;

    put_byte(w->out, '{');
    for (size_t i = 0; i < m->n_fields; i++) {
        const struct schema_field *f = &m->fields[i];
        struct packed_field v = { 0 };
        size_t n = 0;
        int rc;
        if (f->repeated) {
            rc = write_repeated(w, f, parts, depth, &some);
        } else {
            rc = find_singular(m, f, parts, &v, NULL, &n);
            if (rc == 0 && n && !is_default(f, &v)) {
                put_key(w->out, f, &some);
                rc = f->kind == KIND_MESSAGE && n > 1 ? write_merged(w, m, f, parts, n, depth)
                                                      : write_value(w, f, &v, depth);
            }
        }
        if (rc)
            return rc;
    }
    put_byte(w->out, '}');
    return 0;
}

static int write_message(struct writer *w, const struct schema_message *m, struct parts parts,
                         unsigned depth)
{
    if (depth > SCHEMA_MAX_DEPTH)
        return -EBADMSG;
    if (w->out->failed)
        return -ENOSPC;
    if (m->wellknown != WELLKNOWN_NONE)
        return write_wellknown(w, m, parts, depth);
    if (w->careful || parts.n != 1)
        return write_carefully(w, m, parts, depth);
    return write_in_order(w, m, parts.runs[0], depth);
}

int json_from_wire(const struct schema_message *m, const uint8_t *bytes, size_t len,
                   struct buf *out)
{
    struct writer w = { .out = out };
    struct parts whole = { &(struct slice) { bytes, len }, 1 };
    size_t before = out->len;

    int rc = write_message(&w, m, whole, 0);
    if (rc == -EAGAIN) {
        out->len = before;
        w.careful = true;
        rc = write_message(&w, m, whole, 0);
    }
    return rc ? rc : out->failed ? -ENOSPC : 0;
}
