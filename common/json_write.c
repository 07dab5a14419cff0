/* json_write.c - packed protobuf to canonical proto3 JSON.
 *
 * Nearly all bytes come from encoders that write fields in order of number, each singular one once. Those are written
 * in one pass. Bytes in any other order are legal too, and then repeated fields must be gathered, the last of a
 * singular field wins and split messages merge. The first sign of that gives up the pass for the whole text, and
 * everything is written anew in the careful way, which looks for each field in turn through all parts of its message.
 * Giving up as a whole, rather than per message, keeps the work linear: no message is ever written more than twice. */
#include "common/json_writer.h"

#include <stdlib.h>

enum { SMALL_MAP = 32 };

static int write_message(struct writer *w, const struct schema_message *m, struct parts parts,
                         unsigned depth);

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
        writer_signed(out, number, false);
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
        writer_signed(out, (int32_t)(uint32_t)bits, key);
        break;
    case KIND_SINT32:
        writer_signed(out, (int32_t)packed_unzigzag((uint32_t)bits), key);
        break;
    case KIND_UINT32:
    case KIND_FIXED32:
        writer_digits(out, (uint32_t)bits, false, key);
        break;
    case KIND_INT64:
    case KIND_SFIXED64:
        writer_signed(out, (int64_t)bits, true);
        break;
    case KIND_SINT64:
        writer_signed(out, packed_unzigzag(bits), true);
        break;
    case KIND_UINT64:
    case KIND_FIXED64:
        writer_digits(out, bits, false, true);
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
        writer_real(out, (double)real32, true);
        break;
    case KIND_DOUBLE:
        memcpy(&real64, &bits, sizeof(real64));
        writer_real(out, real64, false);
        break;
    case KIND_STRING:
    case KIND_BYTES:
    case KIND_MESSAGE:
    case KIND_GROUP:
        break; /* no scalars */
    }
}

int writer_value(struct writer *w, const struct schema_field *f, const struct packed_field *v,
                 unsigned depth)
{
    if (v->type != f->wire_type)
        return -EBADMSG;
    if (f->kind == KIND_STRING)
        return writer_string(w->out, v->data, v->len, false) ? 0 : -EBADMSG;
    if (f->kind == KIND_MESSAGE)
        return write_message(w, f->message,
                             (struct parts) { &(struct slice) { v->data, v->len }, 1 }, depth + 1);
    if (f->kind == KIND_BYTES)
        writer_base64(w->out, v->data, v->len);
    else
        put_scalar(w->out, f, v->value, false);
    return 0;
}

/* ---- lists ---- */

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
int writer_array(struct writer *w, const struct schema_field *f, struct parts parts, unsigned depth,
                 bool *ret_some)
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
            rc = writer_value(w, f, &v, depth);
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
    struct packed_field one;

    if (v->type != PACKED_LEN)
        return -EBADMSG; /* has no bytes to point to */
    const uint8_t *p = v->data, *end = p + v->len;
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
        else if (!writer_string(w->out, e->key.data, e->key.len, false))
            return -EBADMSG;
        put_byte(w->out, ':');
        int rc = writer_value(w, value, &e->value, depth + 1);
        if (rc)
            return rc;
    }
    put_byte(w->out, '}');
    return 0;
}

int writer_map(struct writer *w, const struct schema_field *f, struct parts parts, unsigned depth,
               bool *ret_some)
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
        f->map ? writer_map(w, f, parts, depth, &items) : writer_array(w, f, parts, depth, &items);
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
            rc = writer_value(w, f, &v, depth);
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
                                                      : writer_value(w, f, &v, depth);
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
        return writer_wellknown(w, m, parts, depth);
    if (w->careful || parts.n != 1)
        return write_carefully(w, m, parts, depth);
    return write_in_order(w, m, parts.runs[0], depth);
}

int json_from_wire(const struct schema_message *m, const uint8_t *bytes, size_t len,
                   struct buf *out)
{
    static const uint8_t none[1];
    struct writer w = { .out = out };
    /* An empty message may have no address. */
    struct parts whole = { &(struct slice) { len ? bytes : none, len }, 1 };
    size_t before = out->len;

    int rc = write_message(&w, m, whole, 0);
    if (rc == -EAGAIN) {
        out->len = before;
        w.careful = true;
        rc = write_message(&w, m, whole, 0);
    }
    return rc ? rc : out->failed ? -ENOSPC : 0;
}
