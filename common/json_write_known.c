/* json_write_known.c - the messages of google.protobuf whose JSON has a form of its own: times, field masks, wrappers,
 * any JSON. */
#include "common/json_writer.h"

#include <math.h>
#include <stdio.h>

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
    writer_signed(w->out, seconds < 0 ? -seconds : seconds, false);
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
    return rc ? rc : writer_value(w, f, &last, depth);
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
    return writer_value(w, f, &last, depth);
}

int writer_wellknown(struct writer *w, const struct schema_message *m, struct parts parts,
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
        return writer_map(w, &m->fields[0], parts, depth, &some);
    case WELLKNOWN_LIST_VALUE:
        return writer_array(w, &m->fields[0], parts, depth, &some);
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
