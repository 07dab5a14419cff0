/* rows.c - see rows.h. Limits of length, format and the like are the service's to check: it reports them by row as well. */
#include "services/ctl/rows.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"

enum { TEXT_MAX = 1000, NUMBER_MAX = 64 };

/* Can a cell hold it? */
static bool cell_kind(enum schema_kind kind)
{
    return kind != KIND_MESSAGE && kind != KIND_GROUP && kind != KIND_BYTES;
}

static void list_columns(const struct schema_message *m, struct buf *out)
{
    for (size_t i = 0; i < m->n_fields; i++) {
        if (!cell_kind(m->fields[i].kind))
            continue;
        buf_append_str(out, out->len ? ", " : "");
        buf_append_str(out, m->fields[i].name);
    }
    buf_append_byte(out, 0);
}

static int unknown_column(const struct schema_message *m, struct slice name, struct err *err)
{
    struct buf known = BUF_INIT(4096);

    list_columns(m, &known);
    int r = err_set(err, EINVAL, "there is no column \"%.*s\"; known are %s",
                    (int)(name.len < 60 ? name.len : 60), (const char *)name.data,
                    known.failed ? "too many to list" : (const char *)known.data);
    buf_free(&known);
    return r;
}

int rows_heading(struct rows_shape *ret, const struct schema_message *message,
                 const struct slice *cells, size_t n_cells, struct err *err)
{
    *ret = (struct rows_shape) { .message = message };
    for (size_t i = 0; i < n_cells; i++) {
        const struct schema_field *f =
            schema_field_by_name(message, (const char *)cells[i].data, cells[i].len);
        if (!f)
            return unknown_column(message, cells[i], err);
        if (!cell_kind(f->kind))
            return err_set(err, EINVAL, "column %s holds more than a cell can say", f->name);
        for (size_t k = 0; k < i; k++)
            if (ret->columns[k] == f)
                return err_set(err, EINVAL, "column %s is there twice", f->name);
        ret->columns[ret->n_columns++] = f;
    }
    return 0;
}

/* ---- values ---- */

/* "ORGANISATION_KIND_" of fokus.directory.v1.OrganisationKind: how long the names' prefix is. */
static size_t enum_prefix_len(const struct schema_enum *e)
{
    const char *dot = strrchr(e->full_name, '.');
    const char *name = dot ? dot + 1 : e->full_name;
    size_t len = 0;

    for (const char *p = name; *p; p++)
        len += isupper((unsigned char)*p) && p > name ? 2 : 1;
    return len + 1;
}

/* The name as it stands in a cell: without the prefix all of them share, which buf's rules ask for. */
static const char *enum_short_name(const struct schema_enum *e, const struct schema_enum_value *v)
{
    size_t prefix = enum_prefix_len(e);
    return strlen(v->name) > prefix && v->name[prefix - 1] == '_' ? v->name + prefix : v->name;
}

static bool parse_enum(const struct schema_enum *e, const char *text, int32_t *ret)
{
    for (size_t i = 0; i < e->n_values; i++) {
        const char *name = enum_short_name(e, &e->values[i]);
        size_t k = 0;
        while (name[k] && text[k] == tolower((unsigned char)name[k]))
            k++;
        if (name[k] || text[k])
            continue;
        *ret = e->values[i].number;
        return true;
    }
    return false;
}

static void describe_enum(const struct schema_enum *e, char *ret, size_t size)
{
    size_t n = (size_t)snprintf(ret, size, "must be one of ");

    for (size_t i = 0; i < e->n_values && n + 80 < size; i++) {
        if (e->values[i].number == 0)
            continue;
        const char *name = enum_short_name(e, &e->values[i]);
        if (n > strlen("must be one of "))
            n += (size_t)snprintf(ret + n, size - n, ", ");
        for (; *name && n + 1 < size; name++)
            ret[n++] = (char)tolower((unsigned char)*name);
    }
    ret[n] = '\0';
}

static bool parse_bool(const char *text, bool *ret)
{
    *ret = strcmp(text, "ja") == 0 || strcmp(text, "true") == 0;
    return *ret || strcmp(text, "nej") == 0 || strcmp(text, "false") == 0;
}

/* Only digits and a sign: no spaces, no other notations. */
static bool parse_signed(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    char *end;

    const char *digits = *text == '-' ? text + 1 : text;
    if (!*digits || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno == 0 && *ret >= min && *ret <= max;
}

static bool parse_unsigned(const char *text, uint64_t max, uint64_t *ret)
{
    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    *ret = strtoull(text, NULL, 10);
    return errno == 0 && *ret <= max;
}

static bool parse_real(const char *text, double *ret)
{
    char *end;

    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    errno = 0;
    *ret = strtod(text, &end);
    return errno == 0 && !*end;
}

/* ---- one value ---- */

struct cell {
    const struct schema_field *field;
    struct buf *out;
    char why[TEXT_MAX]; /* what would be right, when the value is not */
};

static bool put_varint(struct cell *c, uint64_t value)
{
    packed_append_tag(c->out, c->field->number, PACKED_VARINT);
    packed_append_varint(c->out, value);
    return true;
}

static bool put_fixed(struct cell *c, uint64_t value, size_t bytes)
{
    packed_append_tag(c->out, c->field->number, bytes == 8 ? PACKED_FIXED64 : PACKED_FIXED32);
    buf_append(c->out, &value, bytes); /* the wire is little-endian, as packed.c asserts of us */
    return true;
}

static bool put_real(struct cell *c, const char *text)
{
    double value;
    uint64_t bits = 0;

    if (!parse_real(text, &value)) {
        (void)snprintf(c->why, sizeof(c->why), "must be a number such as 1.5");
        return false;
    }
    if (c->field->kind == KIND_DOUBLE) {
        memcpy(&bits, &value, 8);
        return put_fixed(c, bits, 8);
    }
    float small = (float)value;
    uint32_t small_bits;
    memcpy(&small_bits, &small, 4);
    return put_fixed(c, small_bits, 4);
}

static bool put_unsigned(struct cell *c, const char *text)
{
    enum schema_kind kind = c->field->kind;
    uint64_t max = kind == KIND_UINT32 || kind == KIND_FIXED32 ? UINT32_MAX : UINT64_MAX;
    uint64_t value;

    if (!parse_unsigned(text, max, &value)) {
        (void)snprintf(c->why, sizeof(c->why), "must be a whole number from 0 to %" PRIu64, max);
        return false;
    }
    if (kind == KIND_FIXED32 || kind == KIND_FIXED64)
        return put_fixed(c, value, kind == KIND_FIXED64 ? 8 : 4);
    return put_varint(c, value);
}

static bool put_signed(struct cell *c, const char *text)
{
    enum schema_kind kind = c->field->kind;
    bool small = kind == KIND_INT32 || kind == KIND_SINT32 || kind == KIND_SFIXED32;
    int64_t min = small ? INT32_MIN : INT64_MIN, max = small ? INT32_MAX : INT64_MAX;
    int64_t value;

    if (!parse_signed(text, min, max, &value)) {
        (void)snprintf(c->why, sizeof(c->why),
                       "must be a whole number from %" PRId64 " to %" PRId64, min, max);
        return false;
    }
    if (kind == KIND_SFIXED32 || kind == KIND_SFIXED64)
        return put_fixed(c, (uint64_t)value, kind == KIND_SFIXED64 ? 8 : 4);
    if (kind == KIND_SINT32 || kind == KIND_SINT64) /* zigzag */
        return put_varint(c, (uint64_t)value << 1 ^ (value < 0 ? UINT64_MAX : 0));
    return put_varint(c, (uint64_t)value);
}

static bool put_choice(struct cell *c, const char *text)
{
    int32_t number;
    bool yes;

    if (c->field->kind == KIND_BOOL) {
        if (parse_bool(text, &yes))
            return put_varint(c, yes);
        (void)snprintf(c->why, sizeof(c->why), "must be ja, nej, true or false");
        return false;
    }
    if (parse_enum(c->field->enumeration, text, &number))
        return put_varint(c, (uint64_t)(int64_t)number);
    describe_enum(c->field->enumeration, c->why, sizeof(c->why));
    return false;
}

/* A value that is no text is short; a longer one is wrong in any case. */
static bool put_value(struct cell *c, struct slice value)
{
    char text[NUMBER_MAX + 1];
    size_t len = value.len < NUMBER_MAX ? value.len : NUMBER_MAX;

    memcpy(text, value.data, len);
    text[len] = '\0';
    switch (c->field->kind) {
    case KIND_STRING:
        packed_append_bytes(c->out, c->field->number, value.data, value.len);
        return true;
    case KIND_DOUBLE:
    case KIND_FLOAT:
        return put_real(c, text);
    case KIND_UINT32:
    case KIND_UINT64:
    case KIND_FIXED32:
    case KIND_FIXED64:
        return put_unsigned(c, text);
    case KIND_INT32:
    case KIND_INT64:
    case KIND_SINT32:
    case KIND_SINT64:
    case KIND_SFIXED32:
    case KIND_SFIXED64:
        return put_signed(c, text);
    case KIND_BOOL:
    case KIND_ENUM:
        return put_choice(c, text);
    case KIND_BYTES:
    case KIND_GROUP:
    case KIND_MESSAGE:
        break; /* refused with the heading */
    }
    return false;
}

static bool put_cell(struct cell *c, struct slice value)
{
    if (value.len == 0)
        return true;
    if (!c->field->repeated)
        return put_value(c, value);
    const uint8_t *end = value.data + value.len;
    for (const uint8_t *at = value.data; at <= end;) {
        const uint8_t *bar = at < end ? memchr(at, '|', (size_t)(end - at)) : NULL;
        size_t len = (size_t)((bar ? bar : end) - at);
        if (len == 0) {
            (void)snprintf(c->why, sizeof(c->why), "has an empty value beside a \"|\"");
            return false;
        }
        if (!put_value(c, (struct slice) { at, len }))
            return false;
        at += len + 1;
    }
    return true;
}

size_t rows_pack(const struct rows_shape *shape, const struct slice *cells, struct buf *out,
                 rows_problem *problem, void *arg)
{
    size_t bad = 0;

    for (size_t i = 0; i < shape->n_columns; i++) {
        struct cell c = { .field = shape->columns[i], .out = out };
        if (put_cell(&c, cells[i]))
            continue;
        bad++;
        problem(arg, c.field->name, c.why);
    }
    return bad;
}
