/* schema_check.c - the one pass over bytes from outside.
 *
 * Two kinds of wrong are kept apart. Malformed bytes (cut off, wrong wire type, too deep, no UTF-8) end the walk at
 * once: nothing after them can be trusted. A value outside its limits is noted and the walk goes on, so that a person
 * sees every mistake at once.
 *
 * Per message the walk keeps one counter a field: how many items a repeated field has, and whether the last
 * occurrence of a singular one was present in the sense of `required`. They come from a block on the stack; only a
 * message of many hundred fields takes them from the status' arena.
 *
 * A singular message given twice is refused under SCHEMA_LIMITS: protobuf merges the two, and limits checked on each
 * half would not hold for the whole. No encoder writes such bytes. */
#include "common/schema.h"

#include <inttypes.h>
#include <string.h>

#include "common/format.h"
#include "common/packed.h"
#include "common/utf8.h"

enum { COUNTERS = 4096 };

struct step {
    const struct schema_field *field;
    uint32_t item; /* of a repeated field */
};

struct check {
    unsigned flags;
    unsigned depth; /* steps in use */
    struct status *status;
    size_t counters_used;
    bool refused; /* something was found */
    struct step path[SCHEMA_MAX_DEPTH + 1];
    uint32_t counters[COUNTERS];
};

/* ---- what was found ---- */

static const char *path_text(const struct check *c)
{
    struct arena *a = c->status->arena;
    const char *text = "";

    for (unsigned i = 0; i < c->depth && text; i++) {
        const struct step *s = &c->path[i];
        const char *dot = i ? "." : "";
        text = s->field->repeated && s->item != UINT32_MAX
                   ? arena_printf(a, "%s%s%s[%u]", text, dot, s->field->name, s->item)
                   : arena_printf(a, "%s%s%s", text, dot, s->field->name);
    }
    return text ? text : "";
}

/* Notes a violation at the present path. The path is only written when there is room for it to be read. */
#define found(c, ...)                                                                              \
    do {                                                                                           \
        (c)->refused = true;                                                                       \
        bool room_ = (c)->status->n_violations < STATUS_MAX_VIOLATIONS;                            \
        (void)status_violation((c)->status, room_ ? path_text(c) : "", __VA_ARGS__); /* is 0 */    \
    } while (0)

static bool malformed(struct check *c, const char *what)
{
    found(c, "%s", what);
    return false;
}

/* ---- single values ---- */

static void check_signed(struct check *c, const struct schema_rules *r, int64_t value)
{
    if (value < r->min || value > r->max)
        found(c, "must be from %" PRId64 " to %" PRId64 ", is %" PRId64, r->min, r->max, value);
}

static void check_unsigned(struct check *c, const struct schema_rules *r, uint64_t value)
{
    if ((r->min > 0 && value < (uint64_t)r->min) || r->max < 0 || value > (uint64_t)r->max)
        found(c, "must be from %" PRId64 " to %" PRId64 ", is %" PRIu64, r->min, r->max, value);
}

static void check_real(struct check *c, const struct schema_rules *r, double value)
{
    if (!(value >= (double)r->min && value <= (double)r->max))
        found(c, "must be from %" PRId64 " to %" PRId64 ", is %g", r->min, r->max, value);
}

static void check_range(struct check *c, const struct schema_field *f, uint64_t value)
{
    const struct schema_rules *r = &f->rules;
    float real32;
    double real64;

    switch (f->kind) {
    case KIND_INT32:
    case KIND_SFIXED32:
    case KIND_ENUM:
        check_signed(c, r, (int32_t)(uint32_t)value);
        break;
    case KIND_INT64:
    case KIND_SFIXED64:
        check_signed(c, r, (int64_t)value);
        break;
    case KIND_SINT32:
        check_signed(c, r, (int32_t)packed_unzigzag((uint32_t)value));
        break;
    case KIND_SINT64:
        check_signed(c, r, packed_unzigzag(value));
        break;
    case KIND_UINT32:
    case KIND_FIXED32:
        check_unsigned(c, r, (uint32_t)value);
        break;
    case KIND_UINT64:
    case KIND_FIXED64:
        check_unsigned(c, r, value);
        break;
    case KIND_FLOAT:
        memcpy(&real32, &(uint32_t) { (uint32_t)value }, sizeof(real32));
        check_real(c, r, (double)real32);
        break;
    case KIND_DOUBLE:
        memcpy(&real64, &value, sizeof(real64));
        check_real(c, r, real64);
        break;
    case KIND_BOOL:
    case KIND_STRING:
    case KIND_BYTES:
    case KIND_MESSAGE:
    case KIND_GROUP:
        break; /* have no range */
    }
}

/* Zero in a field without presence is the same as the field left out. */
static bool is_unset(const struct schema_field *f, uint64_t value_or_len)
{
    return value_or_len == 0 && !f->presence && !f->repeated;
}

static bool check_number(struct check *c, const struct schema_field *f, uint64_t value)
{
    if (f->kind == KIND_ENUM && (int64_t)value != (int32_t)(uint32_t)value)
        return malformed(c, "must be an enum number within 32 bits");
    if ((c->flags & SCHEMA_LIMITS) && f->rules.has_range && !is_unset(f, value))
        check_range(c, f, value);
    return true;
}

static void check_text_limits(struct check *c, const struct schema_field *f, const uint8_t *text,
                              size_t len, size_t chars)
{
    const struct schema_rules *r = &f->rules;

    if (is_unset(f, len))
        return;
    if (r->max_len_default ? len > r->max_len : chars > r->max_len)
        found(c, "must be at most %u %s, has %zu", r->max_len,
              r->max_len_default ? "bytes" : "characters", r->max_len_default ? len : chars);
    else if (chars < r->min_len)
        found(c, "must be at least %u characters, has %zu", r->min_len, chars);
    else if (r->format) {
        const char *problem = format_problem(r->format, (const char *)text, len);
        if (problem)
            found(c, "%s", problem);
    }
}

static bool check_string(struct check *c, const struct schema_field *f, const uint8_t *text,
                         size_t len)
{
    size_t chars;

    if (!utf8_check(text, len, &chars))
        return malformed(c, memchr(text, 0, len) ? "must not hold a NUL character"
                                                 : "must be valid UTF-8");
    if (c->flags & SCHEMA_LIMITS)
        check_text_limits(c, f, text, len, chars);
    return true;
}

static void check_bytes(struct check *c, const struct schema_field *f, size_t len)
{
    const struct schema_rules *r = &f->rules;

    if (!(c->flags & SCHEMA_LIMITS) || is_unset(f, len))
        return;
    if (len > r->max_len)
        found(c, "must be at most %u bytes, has %zu", r->max_len, len);
    else if (len < r->min_len)
        found(c, "must be at least %u bytes, has %zu", r->min_len, len);
}

/* ---- fields ---- */

static bool check_message(struct check *c, const struct schema_message *m, const uint8_t *p,
                          size_t len);

/* Values of a packed field; each counts as one item. */
static bool check_packed(struct check *c, const struct schema_field *f, const uint8_t *p,
                         size_t len, uint32_t *count)
{
    const uint8_t *end = p + len;
    struct packed_field value = { .type = f->wire_type };
    bool each = f->kind == KIND_ENUM || f->rules.has_range;

    if (f->wire_type != PACKED_VARINT && !each) {
        size_t size = f->wire_type == PACKED_FIXED64 ? 8 : 4;
        if (len % size)
            return malformed(c, "holds packed numbers that are cut off");
        *count += (uint32_t)(len / size);
        return true;
    }
    for (; p < end; ++*count) {
        c->path[c->depth - 1].item = *count;
        if (!packed_value(&p, end, &value))
            return malformed(c, "holds packed numbers that are cut off");
        if (each && !check_number(c, f, value.value))
            return false;
    }
    return true;
}

/* A message as a value: its counter tells a second occurrence of a singular one. */
static bool check_submessage(struct check *c, const struct schema_field *f,
                             const struct packed_field *w, const uint32_t *count)
{
    if (!f->repeated && *count && (c->flags & SCHEMA_LIMITS))
        found(c, "must be given once");
    return check_message(c, f->message, w->data, w->len);
}

/* Checks one occurrence and brings its counter up to date. */
static bool check_field(struct check *c, const struct schema_field *f, const struct packed_field *w,
                        uint32_t *count)
{
    c->path[c->depth++] = (struct step) { f, *count };
    bool ok = true, present = true;

    if (w->type != f->wire_type) {
        if (w->type != PACKED_LEN || !f->repeated)
            return malformed(c, "has the wrong type on the wire");
        ok = check_packed(c, f, w->data, w->len, count);
        c->depth--;
        return ok;
    }
    switch (f->kind) {
    case KIND_STRING:
        present = w->len > 0;
        ok = check_string(c, f, w->data, w->len);
        break;
    case KIND_BYTES:
        present = w->len > 0;
        check_bytes(c, f, w->len);
        break;
    case KIND_MESSAGE:
        ok = check_submessage(c, f, w, count);
        break;
    case KIND_DOUBLE:
    case KIND_FLOAT:
    case KIND_INT64:
    case KIND_UINT64:
    case KIND_INT32:
    case KIND_FIXED64:
    case KIND_FIXED32:
    case KIND_BOOL:
    case KIND_GROUP:
    case KIND_UINT32:
    case KIND_ENUM:
    case KIND_SFIXED32:
    case KIND_SFIXED64:
    case KIND_SINT32:
    case KIND_SINT64:
        present = w->value != 0;
        ok = check_number(c, f, w->value);
        break;
    }
    if (!ok)
        return false; /* the path stays where it broke; nobody walks on */
    *count = f->repeated ? *count + 1 : present;
    c->depth--;
    return true;
}

/* The last member of a oneof wins: the others are absent from here on. */
static void clear_siblings(const struct schema_message *m, const struct schema_field *f,
                           uint32_t *counts)
{
    for (size_t i = 0; i < m->n_fields; i++)
        if (m->fields[i].oneof == f->oneof && &m->fields[i] != f)
            counts[i] = 0;
}

/* What can only be known at a message's end: what is missing, too few, too many. */
static void check_counts(struct check *c, const struct schema_message *m, const uint32_t *counts)
{
    for (size_t i = 0; i < m->n_fields; i++) {
        const struct schema_field *f = &m->fields[i];
        const struct schema_rules *r = &f->rules;
        c->path[c->depth++] = (struct step) { f, UINT32_MAX };
        if (r->required && counts[i] == 0)
            found(c, "%s",
                  f->repeated ? "must hold at least one item"
                              : "is required: must be given and not empty");
        else if (f->repeated && counts[i] > r->max_items)
            found(c, "must hold at most %u items, has %u", r->max_items, counts[i]);
        else if (f->repeated && counts[i] && counts[i] < r->min_items)
            found(c, "must hold at least %u items, has %u", r->min_items, counts[i]);
        c->depth--;
    }
}

/* Timestamp and Duration have bounds of their own, beyond which they cannot be written as JSON. */
static void check_time(struct check *c, const struct schema_message *m, const uint8_t *p,
                       size_t len)
{
    const uint8_t *end = p + len;
    struct packed_field f;
    int64_t seconds = 0;
    int32_t nanos = 0;

    while (p < end && packed_next(&p, end, &f)) {
        if (f.number == 1)
            seconds = (int64_t)f.value;
        if (f.number == 2)
            nanos = (int32_t)(uint32_t)f.value;
    }
    if (m->wellknown == WELLKNOWN_TIMESTAMP) {
        if (seconds < -62135596800 || seconds > 253402300799 || nanos < 0 || nanos > 999999999)
            found(c, "must be a time in the years 0001 to 9999");
        return;
    }
    if (seconds < -315576000000 || seconds > 315576000000 || nanos < -999999999 ||
        nanos > 999999999 || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0))
        found(c, "must be a duration of at most 315576000000 seconds either way");
}

static bool check_fields(struct check *c, const struct schema_message *m, const uint8_t *p,
                         size_t len, uint32_t *counts)
{
    const uint8_t *end = p + len;
    bool over = false;
    struct packed_field w;

    while (p < end) {
        if (!packed_tag(&p, end, &w))
            return malformed(c, "is malformed: a field's tag is cut off or invalid");
        if (!packed_value(&p, end, &w))
            return malformed(c, "is malformed: a field's value is cut off or of an unknown type");
        const struct schema_field *f = schema_field_by_number(m, w.number);
        if (!f) {
            if (c->flags & SCHEMA_REFUSE_UNKNOWN)
                found(c, "holds the unknown field number %u", w.number);
            continue;
        }
        uint32_t *count = &counts[f->index];
        if (!check_field(c, f, &w, count))
            return false;
        if (f->oneof >= 0 && m->has_floor)
            clear_siblings(m, f, counts);
        over |= *count > f->rules.max_items;
    }
    if ((c->flags & SCHEMA_LIMITS) && (m->has_floor || over))
        check_counts(c, m, counts);
    return true;
}

static bool check_message(struct check *c, const struct schema_message *m, const uint8_t *p,
                          size_t len)
{
    size_t before = c->counters_used;
    uint32_t *counts;

    if (c->depth > SCHEMA_MAX_DEPTH)
        return malformed(c, "is nested too deep");
    if (m->n_fields <= COUNTERS - before) {
        counts = &c->counters[before];
        memset(counts, 0, m->n_fields * sizeof(*counts));
        c->counters_used += m->n_fields;
    } else {
        counts = arena_calloc(c->status->arena, m->n_fields, sizeof(*counts));
        if (!counts) {
            c->refused = true;
            (void)status_refuse(c->status, CODE_RESOURCE_EXHAUSTED,
                                "the message is too large to be checked"); /* is 0 */
            return false;
        }
    }
    bool ok = check_fields(c, m, p, len, counts);
    c->counters_used = before;
    if (ok && (c->flags & SCHEMA_LIMITS) &&
        (m->wellknown == WELLKNOWN_TIMESTAMP || m->wellknown == WELLKNOWN_DURATION))
        check_time(c, m, p, len);
    return ok;
}

bool schema_check(const struct schema_message *m, const uint8_t *bytes, size_t len, unsigned flags,
                  struct status *status)
{
    static const uint8_t none[1];
    struct check c;

    if (len == 0)
        bytes = none; /* an empty message may have no address */
    c.flags = flags;
    c.depth = 0;
    c.status = status;
    c.counters_used = 0;
    c.refused = false;
    (void)check_message(&c, m, bytes, len); /* `refused` says more: it also knows of limits */
    return !c.refused;
}
