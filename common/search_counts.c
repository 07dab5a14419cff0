/* search_counts.c - how many documents have each word, exactly, by the words' numbers.
 *
 * The dictionary tells it roughly (word_magnitude()), which is enough to prefer the more frequent of two words. An edit changes the
 * counts of dozens of words, whose entries there lie apart, a page for each; here the frequent words, which were met first, lie
 * together, so that a few pages hold most of what an edit changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"
#include "common/search_batch.h"

enum { EIGHTHS = 8 };

uint32_t word_magnitude(uint32_t documents)
{
    unsigned shift = 0;

    while (documents >> shift >= 2 * EIGHTHS)
        shift++;
    return documents >> shift << shift;
}

bool word_counts_read(struct slice bytes, uint32_t ret[COUNT_BLOCK_WORDS])
{
    const uint8_t *p = bytes.data,
                  *end = bytes.len ? p + bytes.len : p; /* of no bytes there is no address */
    uint64_t count;
    size_t i = 0;

    for (; p < end && i < COUNT_BLOCK_WORDS; i++) {
        if (!packed_varint(&p, end, &count) || count > UINT32_MAX)
            return false;
        ret[i] = (uint32_t)count;
    }
    memset(ret + i, 0, (COUNT_BLOCK_WORDS - i) * sizeof(*ret));
    return p == end;
}

size_t word_counts_write(const uint32_t counts[COUNT_BLOCK_WORDS], uint8_t to[COUNT_BLOCK_BYTES])
{
    size_t n = COUNT_BLOCK_WORDS;
    uint8_t *p = to;

    while (n > 0 && counts[n - 1] == 0)
        n--;
    for (size_t i = 0; i < n; i++)
        p = packed_put_varint(p, counts[i]);
    return (size_t)(p - to);
}

int word_count_find(const struct rd *rd, uint32_t number, uint32_t *ret)
{
    uint32_t counts[COUNT_BLOCK_WORDS];
    struct key k = KEY_INIT;
    struct slice bytes;

    int r = rd_get_bytes(rd, &T_SEARCH_WORD_COUNT, key_u32(&k, number / COUNT_BLOCK_WORDS), &bytes);
    if (r < 0)
        return r;
    if (!word_counts_read(bytes, counts))
        return -EBADMSG;
    *ret = counts[number % COUNT_BLOCK_WORDS];
    return *ret ? 0 : -ENOENT;
}

/* ---- writing ---- */

/* What the count of a number is to be. */
struct count_change {
    uint32_t number, documents;
};

static int compare_numbers(const void *a, const void *b)
{
    const struct count_change *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* Writes those of the changes that are in the block of the first; returns how many these are. */
static size_t write_block(struct wr *wr, const struct count_change *changes, size_t n)
{
    const uint32_t block = changes[0].number / COUNT_BLOCK_WORDS;
    uint32_t counts[COUNT_BLOCK_WORDS] = { 0 };
    uint8_t bytes[COUNT_BLOCK_BYTES];
    struct key k = KEY_INIT;
    struct slice old;
    size_t used = 0;

    int r = rd_get_bytes(wr_rd(wr), &T_SEARCH_WORD_COUNT, key_u32(&k, block), &old);
    if (r == 0 && !word_counts_read(old, counts))
        r = -EBADMSG;
    if (r < 0 && r != -ENOENT) {
        (void)wr_fail(wr, -r); /* and so ends the writing */
        return n;
    }
    for (; used < n && changes[used].number / COUNT_BLOCK_WORDS == block; used++)
        counts[changes[used].number % COUNT_BLOCK_WORDS] = changes[used].documents;
    size_t len = word_counts_write(counts, bytes);
    if (len > 0)
        wr_put_bytes(wr, &T_SEARCH_WORD_COUNT, &k, bytes, len);
    else
        wr_delete(wr, &T_SEARCH_WORD_COUNT, &k);
    return used;
}

int word_counts_change(struct wr *wr, const struct batch *b)
{
    size_t n = 0;

    struct count_change *all = malloc((2 * b->words.n + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < b->words.room; i++) {
        const struct word *w = (const struct word *)b->words.slots[i];
        if (w && w->stored_number && w->stored_number != w->number)
            all[n++] = (struct count_change) { w->stored_number, 0 };
        if (w && w->number &&
            (w->number != w->stored_number || w->documents != w->stored_documents))
            all[n++] = (struct count_change) { w->number, w->documents };
    }
    qsort(all, n, sizeof(*all), compare_numbers);
    for (size_t i = 0; i < n && wr_status(wr) == 0;)
        i += write_block(wr, all + i, n - i);
    free(all);
    return wr_status(wr);
}
