#include "common/search_postings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int read_bytes(uint32_t first, const void *bytes, size_t len, struct posting *ret,
                      size_t room)
{
    struct chunk c;

    if (!postings_head(first, bytes, len, &c))
        return -EBADMSG;
    assert_true(c.n <= room);
    int r = postings_read(&c, ret);
    return r < 0 ? r : (int)c.n;
}

static void test_round_trip(void **state)
{
    (void)state;
    const struct posting in[] = { { 7, 1 },      { 8, 255 },         { 136, 9 },       { 265, 8 },
                                  { 100000, 7 }, { 4000000000U, 6 }, { UINT32_MAX, 5 } };
    struct posting out[ARRAY_LEN(in)];
    uint8_t bytes[POSTINGS_HEAD_BYTES_MAX + ARRAY_LEN(in) * POSTING_BYTES_MAX];
    struct chunk c;

    for (size_t n = 1; n <= ARRAY_LEN(in); n++) {
        size_t len = postings_write(in, n, bytes);
        assert_true(len <= sizeof(bytes));
        assert_int_equal(read_bytes(7, bytes, len, out, ARRAY_LEN(out)), n);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(out[i].doc, in[i].doc);
            assert_int_equal(out[i].impact, in[i].impact);
        }
        assert_true(postings_head(7, bytes, len, &c));
        assert_int_equal(c.largest, n > 1 ? 255 : 1);
    }
}

/* Whatever bit is turned, in the bytes or in the key's document, is found. */
static void test_turned_bits(void **state)
{
    (void)state;
    struct posting in[130], out[ARRAY_LEN(in) * 2];
    uint8_t bytes[POSTINGS_HEAD_BYTES_MAX + ARRAY_LEN(in) * POSTING_BYTES_MAX];

    for (uint32_t i = 0; i < ARRAY_LEN(in); i++)
        in[i] = (struct posting) { 5 + i * 3 + i % 3, (uint8_t)(i % 5 ? 90 : 90 + i) };
    for (size_t n = 1; n <= ARRAY_LEN(in); n += 43) {
        size_t len = postings_write(in, n, bytes);
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(read_bytes(5, bytes, len, out, SIZE_MAX), -EBADMSG);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (unsigned bit = 0; bit < 32; bit++)
            assert_int_equal(read_bytes(5 ^ UINT32_C(1) << bit, bytes, len, out, SIZE_MAX),
                             -EBADMSG);
        assert_int_equal(read_bytes(5, bytes, len, out, ARRAY_LEN(out)), n);
    }
}

static void test_damaged_bytes(void **state)
{
    (void)state;
    /* Sealed before they are read, so that it is not the checksum that tells. Its place is written 00 here. */
    static const struct {
        const char *bytes;
        size_t len;
        uint32_t first;
    } bad[] = {
        { "", 0, 1 },                                 /* nothing */
        { "\x05\x00", 2, 1 },                         /* no checksum */
        { "\x00\x00\x00", 3, 1 },                     /* no impact */
        { "\x04\x05\x05\x00\x00", 5, 1 },             /* a head alone */
        { "\x04\x05\x05\x00\x00\x00", 6, 1 },         /* without the bits */
        { "\x04\x05\x05\x00\x01\x00\x00", 7, 1 },     /* another impact, but which? */
        { "\x04\x05\x05\x00\x01\x00\x00\x00", 8, 1 }, /* 0 */
        { "\x04\x05\x05\x00\x01\x05\x00\x00", 8, 1 }, /* the most frequent, as if another */
        { "\x04\x05\x05\x00\x04\x04\x00\x00", 8, 1 }, /* of a third posting */
        { "\x02\x05\x05\x00\x00\x00", 6, 1 },         /* one posting needs no head */
        { "\x06\x05\x05\x00\x00\x00\x00", 7, 1 },     /* fewer than the head says */
        { "\x04\x05\x05\x00\x00\x00\x00\x00", 8, 1 }, /* more */
        { "\x04\x06\x05\x00\x00\x00\x00", 7, 1 },     /* none has the largest impact */
        { "\x04\x04\x05\x00\x00\x00\x00", 7, 1 },     /* one has a larger */
        { "\x04\x05\x00\x00\x00\x00\x00", 7, 1 },     /* the most frequent is 0 */
        { "\xfe\xff\xff\xff\x0f\x05\x05\x00\x00\x00\x00", 11,
          1 },                                        /* far more than there is room for */
        { "\x04\x07\x07\x81\x00\x00", 6, 1 },         /* a distance cut off */
        { "\x04\x07\x07\x81\x00\x00\x00\x00", 8, 1 }, /* a distance spelt too long */
        { "\x04\x07\x07\xff\xff\xff\xff\x1f\x00\x00\x00", 11, 1 }, /* a distance of 33 bits */
        { "\x04\x07\x07\xfe\xff\xff\xff\xff\xff\x07\x00\x00\x00", 13, 1 },
        { "\x04\x07\x07\x00\x00\x00\x00", 7, UINT32_MAX }, /* past the last document */
        { "\x04\x07\x07\xfe\xff\xff\xff\x0f\x00\x00\x00", 11, 2 },
        { "\x07\x07\x07\x00\x00\x00\x00", 7, 1 },              /* as bits, of no bytes */
        { "\x07\x07\x07\x02\x03\x00\x00", 7, 1 },              /* of more bytes than there are */
        { "\x07\x07\x07\x02\x03\x00\x00\x00\x00", 9, 1 },      /* a last byte without a document */
        { "\x07\x07\x07\x01\x07\x00\x00\x00", 8, 1 },          /* a bit too many */
        { "\x07\x07\x07\x01\x01\x00\x00\x00", 8, 1 },          /* a bit too few */
        { "\x17\x07\x07\x01\xff\x00\x00\x00\x00", 9, 1 },      /* more postings than bits */
        { "\x07\x07\x07\x01\x03\x00\x00\x00", 8, UINT32_MAX }, /* past the last document */
        { "\x07\x07\x07\x01\x03\x00\x00\x00", 8, UINT32_MAX - 1 },
    };
    struct posting out[16];
    uint8_t bytes[16];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        memcpy(bytes, bad[i].bytes, bad[i].len);
        if (bad[i].len > 1)
            postings_seal(bad[i].first, bytes, bad[i].len);
        assert_int_equal(read_bytes(bad[i].first, bytes, bad[i].len, out, ARRAY_LEN(out)),
                         -EBADMSG);
    }
    static const uint8_t good[] = { 4, 7, 7, 0x80, 1, 0, 0, 0 };
    memcpy(bytes, good, sizeof(good));
    postings_seal(1, bytes, sizeof(good));
    assert_int_equal(read_bytes(1, bytes, sizeof(good), out, ARRAY_LEN(out)), 2);
    assert_int_equal(out[1].doc, 1 + 128 + 1);
    static const uint8_t bits[] = { 7, 7, 7, 1, 0x82, 0, 0, 0 };
    memcpy(bytes, bits, sizeof(bits));
    postings_seal(1, bytes, sizeof(bits));
    assert_int_equal(read_bytes(1, bytes, sizeof(bits), out, ARRAY_LEN(out)), 3);
    assert_int_equal(out[1].doc, 1 + 2);
    assert_int_equal(out[2].doc, 1 + 8);
}

/* Reading those that are worth so much gives what reading all and leaving others out would. */
static void assert_same_from(struct chunk *c, const struct posting *all, size_t n, uint8_t least)
{
    static struct posting some[600];
    uint32_t n_some, at = 0;

    assert_int_equal(postings_read_from(c, least, some, &n_some), 0);
    for (size_t i = 0; i < n; i++) {
        if (all[i].impact < least)
            continue;
        assert_true(at < n_some);
        assert_int_equal(some[at].doc, all[i].doc);
        assert_int_equal(some[at++].impact, all[i].impact);
    }
    assert_int_equal(at, n_some);
}

/* As does looking documents up one by one, from the chunk's first on. */
static void assert_finds(struct chunk *c, const struct posting *all, uint32_t n)
{
    uint8_t impact;

    for (uint32_t i = 0, at = c->first; at < all[n - 1].doc + 20; at++) {
        assert_int_equal(postings_find(c, at, &impact), 0);
        assert_int_equal(impact, i < n && all[i].doc == at ? all[i].impact : 0);
        i += i < n && all[i].doc == at;
    }
    assert_int_equal(postings_find(c, UINT32_MAX, &impact), 0);
    assert_int_equal(impact, 0);
}

/* Marking a chunk and looking its impacts up says what reading it says, whatever its density and wherever it begins; and nothing is
 * marked that is not below the limit. */
static void test_marks(void **state)
{
    (void)state;
    static struct posting in[600];
    static uint8_t bytes[POSTINGS_HEAD_BYTES_MAX + ARRAY_LEN(in) * POSTING_BYTES_MAX];
    static uint64_t bits[40000 / 64];
    uint32_t random = 1;
    bool dense = false, sparse = false;
    static struct posting read[ARRAY_LEN(in)];
    uint32_t len_read;
    uint8_t impact;

    for (uint32_t round = 0; round < 400; round++) {
        const bool far = round % 8 == 7; /* distances of one byte and two in one chunk */
        const uint32_t n = 1 + round * 7 % (far ? 90 : (uint32_t)ARRAY_LEN(in));
        const uint32_t apart = far ? 400 : 1 + round % 60;
        uint32_t doc = round * 13 % 200;
        for (uint32_t i = 0; i < n; i++) {
            random = random * 1664525 + 1013904223;
            in[i] =
                (struct posting) { doc, (uint8_t)(random >> 30 ? 40 : 1 + (random >> 20) % 250) };
            doc += 1 + (random >> 8) % apart;
        }
        struct chunk c;
        size_t len = postings_write(in, n, bytes);
        assert_true(postings_head(in[0].doc, bytes, len, &c));
        dense = dense || c.bits_len > 0;
        sparse = sparse || (n > 1 && c.bits_len == 0);
        memset(bits, 0, sizeof(bits));
        assert_int_equal(postings_mark(&c, in[n - 1].doc + 1, bits), 0);
        struct impacts impacts;
        assert_true(impacts_begin(&impacts, &c));
        for (uint32_t i = 0, at = 0; at < ARRAY_LEN(bits) * 64; at++) {
            bool there = i < n && in[i].doc == at;
            assert_int_equal(bits[at / 64] >> at % 64 & 1, there);
            if (at >= c.first)
                assert_int_equal(impacts_at(&impacts, at), there ? in[i].impact : 0);
            i += there;
        }
        assert_int_equal(postings_mark(&c, in[n - 1].doc, bits), -EBADMSG);
        for (unsigned least = 1; least <= UINT8_MAX; least += 1 + random % 40)
            assert_same_from(&c, in, n, (uint8_t)least);
        if (n <= 60)
            assert_finds(&c, in, n);
        bytes[len - 1] ^= 1;
        assert_true(postings_head(in[0].doc, bytes, len, &c));
        assert_int_equal(postings_mark(&c, in[n - 1].doc + 1, bits), -EBADMSG);
        assert_false(impacts_begin(&impacts, &c));
        assert_int_equal(postings_find(&c, in[0].doc, &impact), -EBADMSG);
        assert_int_equal(postings_read_from(&c, c.largest, read, &len_read), -EBADMSG);
    }
    assert_true(dense && sparse);
}

static void test_changes(void **state)
{
    (void)state;
    const struct posting old[] = { { 2, 20 }, { 4, 40 }, { 6, 60 } };
    const struct posting changes[] = { { 1, 1 }, { 2, 0 }, { 3, 0 }, { 4, 44 }, { 9, 9 } };
    struct posting out[8];

    size_t n = postings_change(old, 3, changes, 5, out);
    assert_int_equal(n, 4);
    const struct posting expected[] = { { 1, 1 }, { 4, 44 }, { 6, 60 }, { 9, 9 } };
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(out[i].doc, expected[i].doc);
        assert_int_equal(out[i].impact, expected[i].impact);
    }
}

/* Runs of any density are cut into chunks of a size that is neither tiny nor large. */
static void test_chunk_sizes(void **state)
{
    (void)state;
    static struct posting all[100000];

    for (uint32_t step = 1; step <= 7; step++) {
        size_t n = ARRAY_LEN(all), chunks = 0, largest = 0;
        for (uint32_t i = 0; i < n; i++)
            all[i] = (struct posting) { i * step + 1, 1 };
        for (size_t i = 0, len; i < n; i += len, chunks++) {
            len = postings_chunk(all + i, n - i);
            largest = len > largest ? len : largest;
            assert_true(i == 0 || postings_is_boundary(all[i].doc));
        }
        assert_in_range(n / chunks, 400, 640);
        assert_true(largest <= 4096);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_turned_bits),
        cmocka_unit_test(test_damaged_bytes), cmocka_unit_test(test_changes),
        cmocka_unit_test(test_chunk_sizes),   cmocka_unit_test(test_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
