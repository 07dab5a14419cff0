/* key_fuzz.c - tuple keys: any tuple reads back as written, two keys sort as their tuples do, and reading arbitrary
 * bytes never goes astray. */
#include "common/key.h"

#include <stdlib.h>
#include <string.h>

struct tuple {
    int64_t number;
    uint8_t bytes[64];
    size_t len;
    uint64_t count;
    uint8_t tag;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Fills a tuple from the input; what is missing is zero. */
static struct tuple draw(const uint8_t **data, size_t *len)
{
    uint8_t raw[18] = { 0 };
    struct tuple t = { 0 };

    size_t n = *len < sizeof(raw) ? *len : sizeof(raw);
    if (n)
        memcpy(raw, *data, n);
    *data += n;
    *len -= n;
    memcpy(&t.number, raw, 8);
    memcpy(&t.count, raw + 8, 8);
    t.tag = raw[16];
    t.len = raw[17] % (sizeof(t.bytes) + 1);
    if (t.len > *len)
        t.len = *len;
    if (t.len)
        memcpy(t.bytes, *data, t.len);
    *data += t.len;
    *len -= t.len;
    return t;
}

static struct key encode(const struct tuple *t)
{
    struct key k = KEY_INIT;

    key_u8(key_u64(key_bytes(key_i64(&k, t->number), t->bytes, t->len), t->count), t->tag);
    check(!k.failed);
    return k;
}

static int compare_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order ? (order > 0) - (order < 0) : (a_len > b_len) - (a_len < b_len);
}

static int compare_tuples(const struct tuple *a, const struct tuple *b)
{
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    int order = compare_bytes(a->bytes, a->len, b->bytes, b->len);
    if (order)
        return order;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    return (a->tag > b->tag) - (a->tag < b->tag);
}

static void round_trip(const struct tuple *t, const struct key *k)
{
    struct key_reader r = { .rest = { k->bytes, k->len } };
    struct tuple back = { 0 };

    check(key_read_i64(&r, &back.number));
    check(key_read_bytes(&r, back.bytes, sizeof(back.bytes), &back.len));
    check(key_read_u64(&r, &back.count));
    check(key_read_u8(&r, &back.tag));
    check(r.rest.len == 0 && compare_tuples(t, &back) == 0);
}

/* Whatever reads as text must be written the same way again: there is one encoding of a text. */
static void read_anything(const uint8_t *data, size_t len)
{
    struct key_reader r = { .rest = { data, len } };
    char text[KEY_MAX];

    if (!key_read_text(&r, text, sizeof(text)))
        return;
    struct key k = KEY_INIT;
    key_text(&k, text);
    size_t taken = len - r.rest.len;
    check(k.failed || (k.len == taken && memcmp(k.bytes, data, taken) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    read_anything(data, len);
    struct tuple a = draw(&data, &len), b = draw(&data, &len);
    struct key ka = encode(&a), kb = encode(&b);
    round_trip(&a, &ka);
    round_trip(&b, &kb);
    check(compare_bytes(ka.bytes, ka.len, kb.bytes, kb.len) == compare_tuples(&a, &b));
    return 0;
}
