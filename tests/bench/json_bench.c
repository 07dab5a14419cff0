/* json_bench.c - packed protobuf to JSON and back, for a message of twenty fields: our codec, which knows no message,
 * against code written by hand for this one.
 *
 * Both do the same work: strings are checked for UTF-8 and escaped, numbers are checked for their range, a key given
 * twice is refused, unknown keys are skipped (by the very function that the codec uses). Run in the build folder of the
 * release preset. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json.h"
#include "common/json_text.h"
#include "common/json_token.h"
#include "common/testing_set.h"

enum { ROUNDS = 9, TURNS = 20000 };

static const char sample[] = "{\"slug\":\"reumatikerforbundet-skane\",\"name\":\"Exempelförbundet "
                             "i Skåne\",\"shortName\":\"EFS\",\"kind\":2,"
                             "\"level\":3,\"website\":\"https://exempel.example/"
                             "skane\",\"email\":\"info@exempel.example\",\"phone\":"
                             "\"+46 40 123 45 "
                             "67\",\"careAreas\":[\"reumatologi\",\"smarta\"],\"place\":{"
                             "\"region\":\"skane\",\"municipality\":"
                             "\"malmo\"},\"description\":\"Stöd för patienter och "
                             "närstående.\",\"active\":true,\"revision\":\"17\",\"createdMs\":"
                             "\"1763719200000\",\"updatedMs\":\"1763719211000\",\"source\":"
                             "\"deploy/data\",\"confirmedOn\":\"2026-11-21\","
                             "\"members\":1250,\"score\":0.75,\"parent\":\"exempelforbundet\"}";

/* ---- by hand: wire to JSON ---- */

static void hand_text(struct buf *out, const char *key, size_t key_len,
                      const struct packed_field *v)
{
    uint8_t *to = json_room(out, key_len);
    memcpy(to, key, key_len);
    out->len += key_len;
    json_string(out, (const char *)v->data, v->len);
}

static void hand_number(struct buf *out, const char *key, size_t key_len, uint64_t value,
                        bool quoted)
{
    char digits[24], *p = digits + sizeof(digits);
    uint8_t *to = json_room(out, key_len + sizeof(digits));

    memcpy(to, key, key_len);
    if (quoted)
        *--p = '"';
    do {
        *--p = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    if (quoted)
        *--p = '"';
    size_t n = (size_t)(digits + sizeof(digits) - p);
    memcpy(to + key_len, p, n);
    out->len += key_len + n;
}

#define KEY(k)          k, sizeof(k) - 1
#define FIRST_KEY(k, f) ((f) ? k + 1 : k), sizeof(k) - 1 - ((f) ? 1u : 0u)

static bool hand_place(const struct packed_field *outer, struct buf *out)
{
    const uint8_t *p = outer->data, *end = p + outer->len;
    struct packed_field v;
    bool first = true;

    buf_append(out, ",\"place\":{", 10);
    while (p < end) {
        if (!packed_next(&p, end, &v))
            return false;
        if (v.number == 1)
            hand_text(out, FIRST_KEY(",\"region\":", first), &v);
        else if (v.number == 2)
            hand_text(out, FIRST_KEY(",\"municipality\":", first), &v);
        first = false;
    }
    buf_append_byte(out, '}');
    return true;
}

static bool hand_from_wire(const uint8_t *p, size_t len, struct buf *out)
{
    const uint8_t *end = p + len;
    struct packed_field v;
    bool areas = false;
    double real;
    uint32_t last = 0;

    buf_append_byte(out, '{');
    while (p < end) {
        if (!packed_next(&p, end, &v))
            return false;
        if (areas && v.number != 9) {
            buf_append_byte(out, ']');
            areas = false;
        }
        if (v.number < last || (v.number == last && last != 9))
            return false;
        last = v.number;
        switch (v.number) {
        case 1:
            hand_text(out, KEY("\"slug\":"), &v);
            break;
        case 2:
            hand_text(out, KEY(",\"name\":"), &v);
            break;
        case 3:
            hand_text(out, KEY(",\"shortName\":"), &v);
            break;
        case 4:
            hand_number(out, KEY(",\"kind\":"), v.value, false);
            break;
        case 5:
            hand_number(out, KEY(",\"level\":"), v.value, false);
            break;
        case 6:
            hand_text(out, KEY(",\"website\":"), &v);
            break;
        case 7:
            hand_text(out, KEY(",\"email\":"), &v);
            break;
        case 8:
            hand_text(out, KEY(",\"phone\":"), &v);
            break;
        case 9:
            if (areas)
                hand_text(out, KEY(","), &v);
            else
                hand_text(out, KEY(",\"careAreas\":["), &v);
            areas = true;
            break;
        case 10:
            if (!hand_place(&v, out))
                return false;
            break;
        case 11:
            hand_text(out, KEY(",\"description\":"), &v);
            break;
        case 12:
            buf_append_str(out, v.value ? ",\"active\":true" : ",\"active\":false");
            break;
        case 13:
            hand_number(out, KEY(",\"revision\":"), v.value, true);
            break;
        case 14:
            hand_number(out, KEY(",\"createdMs\":"), v.value, true);
            break;
        case 15:
            hand_number(out, KEY(",\"updatedMs\":"), v.value, true);
            break;
        case 16:
            hand_text(out, KEY(",\"source\":"), &v);
            break;
        case 17:
            hand_text(out, KEY(",\"confirmedOn\":"), &v);
            break;
        case 18:
            hand_number(out, KEY(",\"members\":"), v.value, false);
            break;
        case 19:
            memcpy(&real, &v.value, 8);
            buf_printf(out, ",\"score\":%.15g", real);
            break;
        case 20:
            hand_text(out, KEY(",\"parent\":"), &v);
            break;
        default:
            break;
        }
    }
    buf_append_byte(out, '}');
    return !out->failed;
}

/* ---- by hand: JSON to wire ---- */

static bool hand_read_text(struct json_cursor *c, struct buf *out, uint32_t number)
{
    struct json_text t;

    if (json_peek(c) != '"' || !json_read_text(c, &t) || t.nul)
        return false;
    uint8_t *to = json_room(out, 12 + t.len);
    if (!to)
        return false;
    to = packed_put_varint(to, number << 3 | PACKED_LEN);
    to = packed_put_varint(to, t.len);
    json_resolve(&t, to);
    out->len = (size_t)(to - out->data) + t.len;
    return true;
}

static bool hand_read_number(struct json_cursor *c, struct buf *out, uint32_t number, uint64_t max)
{
    struct json_number n;
    uint64_t value;
    bool quoted = json_peek(c) == '"';

    c->p += quoted;
    if (!json_read_number(c, quoted, &n) || !json_integer(&n, &value) || n.negative || value > max)
        return false;
    uint8_t *to = json_room(out, 20);
    if (!to)
        return false;
    to = packed_put_varint(to, number << 3 | PACKED_VARINT);
    out->len = (size_t)(packed_put_varint(to, value) - out->data);
    return true;
}

static bool hand_read_areas(struct json_cursor *c, struct buf *out)
{
    if (json_peek(c) != '[')
        return false;
    c->p++;
    for (;;) {
        if (!hand_read_text(c, out, 9))
            return false;
        uint8_t next = json_peek(c);
        c->p++;
        if (next == ']')
            return true;
        if (next != ',')
            return false;
    }
}

static bool hand_read_real(struct json_cursor *c, struct buf *out)
{
    struct json_number n;

    json_blanks(c);
    if (!json_read_number(c, false, &n))
        return false;
    double real = json_real(&n);
    put_varint(out, 19 << 3 | PACKED_FIXED64);
    buf_append(out, &real, 8);
    return true;
}

static bool hand_read_place(struct json_cursor *c, struct buf *out)
{
    struct json_text key;

    buf_append_byte(out, 10 << 3 | PACKED_LEN);
    buf_append_byte(out, 0);
    size_t from = out->len;
    if (json_peek(c) != '{')
        return false;
    c->p++;
    for (;;) {
        if (json_peek(c) != '"' || !json_read_text(c, &key) || json_peek(c) != ':')
            return false;
        c->p++;
        bool ok;
        if (key.raw_len == 6 && memcmp(key.raw, "region", 6) == 0)
            ok = hand_read_text(c, out, 1);
        else if (key.raw_len == 12 && memcmp(key.raw, "municipality", 12) == 0)
            ok = hand_read_text(c, out, 2);
        else
            ok = json_skip(c, 60);
        if (!ok)
            return false;
        uint8_t next = json_peek(c);
        c->p++;
        if (next == '}')
            break;
        if (next != ',')
            return false;
    }
    if (out->failed || out->len - from > 127)
        return false;
    out->data[from - 1] = (uint8_t)(out->len - from);
    return true;
}

#define IS(k) (key.raw_len == sizeof(k) - 1 && memcmp(key.raw, k, sizeof(k) - 1) == 0)

/* The field number of a key, 0 for an unknown one. */
static uint32_t hand_field(struct json_text key)
{
    switch (key.raw[0]) {
    case 's':
        return IS("slug") ? 1 : IS("shortName") ? 3 : IS("source") ? 16 : IS("score") ? 19 : 0;
    case 'n':
        return IS("name") ? 2 : 0;
    case 'k':
        return IS("kind") ? 4 : 0;
    case 'l':
        return IS("level") ? 5 : 0;
    case 'w':
        return IS("website") ? 6 : 0;
    case 'e':
        return IS("email") ? 7 : 0;
    case 'p':
        return IS("phone") ? 8 : IS("place") ? 10 : IS("parent") ? 20 : 0;
    case 'c':
        return IS("careAreas") ? 9 : IS("createdMs") ? 14 : IS("confirmedOn") ? 17 : 0;
    case 'd':
        return IS("description") ? 11 : 0;
    case 'a':
        return IS("active") ? 12 : 0;
    case 'r':
        return IS("revision") ? 13 : 0;
    case 'u':
        return IS("updatedMs") ? 15 : 0;
    case 'm':
        return IS("members") ? 18 : 0;
    default:
        return 0;
    }
}

static bool hand_value(struct json_cursor *c, uint32_t number, struct buf *out)
{
    switch (number) {
    case 0:
        return json_skip(c, 60);
    case 4:
    case 5:
    case 18:
        return hand_read_number(c, out, number, UINT32_MAX);
    case 13:
        return hand_read_number(c, out, number, UINT64_MAX);
    case 14:
    case 15:
        return hand_read_number(c, out, number, INT64_MAX);
    case 9:
        return hand_read_areas(c, out);
    case 10:
        return hand_read_place(c, out);
    case 12:
        put_number(out, 12, json_peek(c) == 't');
        return json_read_word(c, *c->p == 't' ? "true" : "false");
    case 19:
        return hand_read_real(c, out);
    default:
        return hand_read_text(c, out, number);
    }
}

static bool hand_to_wire(const char *json, size_t len, struct buf *out)
{
    const uint8_t *text = (const uint8_t *)json;
    struct json_cursor c = { text, text + len, text, NULL };
    struct json_text key;
    uint32_t seen = 0;

    if (json_peek(&c) != '{')
        return false;
    c.p++;
    for (;;) {
        if (json_peek(&c) != '"' || !json_read_text(&c, &key) || json_peek(&c) != ':')
            return false;
        c.p++;
        uint32_t number = hand_field(key);
        if (number && (seen >> number & 1))
            return false;
        seen |= 1u << number;
        if (!hand_value(&c, number, out))
            return false;
        uint8_t next = json_peek(&c);
        c.p++;
        if (next == '}')
            return !out->failed;
        if (next != ',')
            return false;
    }
}

/* ---- the race ---- */

struct both {
    const struct schema_message *m;
    struct arena *arena;
    struct buf wire, json, again;
};

static bool turn_of_hand(struct both *b)
{
    buf_clear(&b->json);
    buf_clear(&b->again);
    return hand_from_wire(b->wire.data, b->wire.len, &b->json) &&
           hand_to_wire((const char *)b->json.data, b->json.len, &b->again);
}

static bool turn_of_ours(struct both *b)
{
    struct status status = { .arena = b->arena };

    buf_clear(&b->json);
    buf_clear(&b->again);
    return json_from_wire(b->m, b->wire.data, b->wire.len, &b->json) == 0 &&
           json_to_wire(b->m, (const char *)b->json.data, b->json.len, &b->again, &status);
}

/* Nanoseconds of processor time a turn, or a negative number when a turn goes wrong. */
static double measure(struct both *b, bool (*turn)(struct both *))
{
    struct timespec from, to;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from); /* cannot fail for this clock */
    for (int i = 0; i < TURNS; i++)
        if (!turn(b))
            return -1;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    if (b->again.len != b->wire.len || memcmp(b->again.data, b->wire.data, b->wire.len) != 0)
        return -1;
    return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / TURNS;
}

static int by_size(const void *a, const void *b)
{
    double one = *(const double *)a, two = *(const double *)b;
    return one < two ? -1 : one > two;
}

int main(void)
{
    struct schema *schema = testing_schema();
    struct both b = { .m = schema_message(schema, "fokus.testing.v1.Twenty"),
                      .arena = arena_new(1 << 20),
                      .wire = BUF_INIT(1 << 16),
                      .json = BUF_INIT(1 << 16),
                      .again = BUF_INIT(1 << 16) };
    struct status status = { .arena = b.arena };
    double hand[ROUNDS], ours[ROUNDS];

    if (!b.arena || !json_to_wire(b.m, sample, sizeof(sample) - 1, &b.wire, &status)) {
        fprintf(stderr, "json_bench: the sample cannot be read\n");
        return 1;
    }
    for (int i = 0; i < ROUNDS; i++) {
        hand[i] = measure(&b, turn_of_hand);
        ours[i] = measure(&b, turn_of_ours);
        if (hand[i] < 0 || ours[i] < 0) {
            fprintf(stderr, "json_bench: the round trip does not come back to the same bytes\n");
            return 1;
        }
    }
    qsort(hand, ROUNDS, sizeof(hand[0]), by_size);
    qsort(ours, ROUNDS, sizeof(ours[0]), by_size);
    double ratio = ours[ROUNDS / 2] / hand[ROUNDS / 2];
    fprintf(stderr, "%zu bytes packed, %zu bytes of JSON; by hand %.0f ns, ours %.0f ns\n",
            b.wire.len, b.json.len, hand[ROUNDS / 2], ours[ROUNDS / 2]);
    printf("json round trip, 20 fields: ratio %.2f (limit <= 1.5)\n", ratio);
    buf_free(&b.wire);
    buf_free(&b.json);
    buf_free(&b.again);
    arena_free(b.arena);
    schema_close(schema);
    return ratio > 1.5;
}
