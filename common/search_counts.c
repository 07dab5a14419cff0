/* search_counts.c - how many documents have each word, exactly, by the words' numbers.
 *
 * The dictionary tells it roughly (word_roughly()), which is enough to prefer the more frequent of two words. An edit changes the
 * counts of dozens of words, whose entries there lie apart, a page for each; and blocks of counts lie apart, too. So one entry of
 * search_meta says by how much counts differ from what the blocks say, until so many differ that the blocks are brought up to
 * date. When that is follows from the puts and deletes alone, not from where transactions end:
 *
 *   search_meta ("recent_counts") -> { varint distance to the number before, varint zigzag difference } ..., ascending; none is 0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"
#include "common/search_batch.h"

enum { EIGHTHS = 8 };

uint32_t word_roughly(uint32_t said, uint32_t documents)
{
    const uint32_t off = said > documents ? said - documents : documents - said;

    return documents > 0 && off <= said / EIGHTHS ? said : documents;
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

bool recent_counts_read(struct slice bytes, struct recent_count ret[RECENT_COUNTS], size_t *ret_n)
{
    const uint8_t *p = bytes.data,
                  *end = bytes.len ? p + bytes.len : p; /* of no bytes there is no address */
    uint64_t number = 0, distance, zigzag;
    size_t n = 0;

    for (; p < end && n < RECENT_COUNTS; n++) {
        if (!packed_varint(&p, end, &distance) || !packed_varint(&p, end, &zigzag))
            return false;
        if (distance == 0 || distance > UINT32_MAX - number || zigzag == 0 ||
            zigzag > 2 * (uint64_t)UINT32_MAX)
            return false;
        number += distance;
        ret[n] = (struct recent_count) { .number = (uint32_t)number,
                                         .difference = packed_unzigzag(zigzag) };
    }
    *ret_n = n;
    return p == end;
}

size_t recent_counts_write(const struct recent_count *recent, size_t n,
                           uint8_t to[RECENT_COUNTS_BYTES])
{
    uint32_t number = 0;
    uint8_t *p = to;

    for (size_t i = 0; i < n; i++) {
        p = packed_put_varint(p, recent[i].number - number);
        p = packed_put_varint(p, packed_zigzag(recent[i].difference));
        number = recent[i].number;
    }
    return (size_t)(p - to);
}

/* What a block says of a number. */
static int block_count(const struct rd *rd, uint32_t number, uint32_t *ret)
{
    uint32_t counts[COUNT_BLOCK_WORDS];
    struct key k = KEY_INIT;
    struct slice bytes;

    *ret = 0;
    int r = rd_get_bytes(rd, &T_SEARCH_WORD_COUNT, key_u32(&k, number / COUNT_BLOCK_WORDS), &bytes);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (!word_counts_read(bytes, counts))
        return -EBADMSG;
    *ret = counts[number % COUNT_BLOCK_WORDS];
    return 0;
}

/* ---- gathering ---- */

static struct key *recent_key(struct key *k)
{
    return key_text(k, "recent_counts");
}

int counts_begin(struct wr *wr, struct batch *b)
{
    struct key k = KEY_INIT;
    struct slice bytes;
    size_t n;

    int r = rd_get_bytes(wr_rd(wr), &T_SEARCH_META, recent_key(&k), &bytes);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (!recent_counts_read(bytes, b->recent, &n))
        return -EBADMSG;
    b->n_recent = b->n_differ = n;
    return 0;
}

static struct recent_count *recent_of(struct batch *b, uint32_t number)
{
    size_t low = 0, high = b->n_recent;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (b->recent[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->n_recent && b->recent[low].number == number ? &b->recent[low] : NULL;
}

static void differs(struct wr *wr, struct batch *b, struct word *w)
{
    if (batch_room(wr, &b->differ, &b->room_differ, b->n_listed, sizeof(struct word *)))
        b->differ[b->n_listed++] = w;
}

int batch_count(struct wr *wr, struct batch *b, struct word *w)
{
    if (w->counted)
        return 0;
    w->counted = true;
    if (w->stored_number == 0)
        return 0;
    int r = block_count(wr_rd(wr), w->stored_number, &w->stored_settled);
    if (r < 0)
        return r;
    struct recent_count *recent = recent_of(b, w->stored_number);
    const int64_t documents = w->stored_settled + (recent ? recent->difference : 0);
    if (documents <= 0 || documents > UINT32_MAX)
        return -EBADMSG;
    w->documents = (uint32_t)documents;
    w->settled = b->settled ? w->documents : w->stored_settled;
    if (recent)
        recent->difference = 0;
    if (w->settled != w->documents)
        differs(wr, b, w);
    return wr_status(wr);
}

void batch_recount(struct wr *wr, struct batch *b, struct word *w, int by)
{
    const bool differed = w->documents != w->settled;

    w->documents += (uint32_t)by;
    w->said = word_roughly(w->said, w->documents);
    if (w->documents == w->settled) {
        b->n_differ--; /* by one, it had to */
    } else if (!differed) {
        b->n_differ++;
        differs(wr, b, w);
    }
}

void batch_uncount(struct batch *b, struct word *w)
{
    b->n_differ -= w->settled > 0;
    w->settled = 0;
}

void batch_settle(struct batch *b)
{
    if (b->n_differ <= RECENT_COUNTS)
        return;
    for (size_t i = 0; i < b->n_listed; i++)
        b->differ[i]->settled = b->differ[i]->documents;
    b->n_listed = b->n_differ = 0;
    b->settled = true;
}

/* ---- writing ---- */

static int compare_numbers(const void *a, const void *b)
{
    const struct recent_count *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* Writes those of the changes that are in the block of the first; returns how many these are. */
static size_t write_block(struct wr *wr, const struct recent_count *changes, size_t n)
{
    const uint32_t block = changes[0].number / COUNT_BLOCK_WORDS;
    uint32_t counts[COUNT_BLOCK_WORDS] = { 0 };
    uint8_t bytes[COUNT_BLOCK_BYTES];
    struct key k = KEY_INIT;
    struct slice old;
    size_t used = 0;

    int r = rd_get_bytes(wr_rd(wr), &T_SEARCH_WORD_COUNT, key_u32(&k, block), &old);
    if (r == -ENOENT)
        r = 0;
    else if (r == 0 && !word_counts_read(old, counts))
        r = -EBADMSG;
    for (; r == 0 && used < n && changes[used].number / COUNT_BLOCK_WORDS == block; used++) {
        uint32_t *count = &counts[changes[used].number % COUNT_BLOCK_WORDS];
        const int64_t becomes = *count + changes[used].difference;
        if (becomes < 0 || becomes > UINT32_MAX)
            r = -EBADMSG;
        *count = (uint32_t)becomes;
    }
    if (r < 0) {
        (void)wr_fail(wr, -r); /* and so ends the writing */
        return n;
    }
    size_t len = word_counts_write(counts, bytes);
    if (len > 0)
        wr_put_bytes(wr, &T_SEARCH_WORD_COUNT, &k, bytes, len);
    else
        wr_delete(wr, &T_SEARCH_WORD_COUNT, &k);
    return used;
}

static int write_blocks(struct wr *wr, const struct batch *b)
{
    size_t n = 0;

    struct recent_count *all = malloc((2 * b->words.n + b->n_recent + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < b->words.room; i++) {
        const struct word *w = (const struct word *)b->words.slots[i];
        if (!w || !w->counted)
            continue;
        const bool same = w->number == w->stored_number;
        const int64_t more = (int64_t)w->settled - (same ? w->stored_settled : 0);
        if (!same && w->stored_settled > 0)
            all[n++] = (struct recent_count) { w->stored_number, -(int64_t)w->stored_settled };
        if (more != 0)
            all[n++] = (struct recent_count) { w->number, more };
    }
    for (size_t i = 0; i < b->n_recent && b->settled; i++)
        if (b->recent[i].difference != 0)
            all[n++] = b->recent[i];
    if (n > 0)
        qsort(all, n, sizeof(*all), compare_numbers);
    for (size_t i = 0; i < n && wr_status(wr) == 0;)
        i += write_block(wr, all + i, n - i);
    free(all);
    return wr_status(wr);
}

/* What differs now. There are n_differ of these, which is no more than there is room for. */
static void gather_recent(struct batch *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n_recent; i++)
        if (b->recent[i].difference != 0 && !b->settled)
            b->recent[n++] = b->recent[i];
    for (size_t i = 0; i < b->n_listed; i++) {
        struct word *w = b->differ[i];
        if (w->documents != w->settled)
            b->recent[n++] =
                (struct recent_count) { w->number, (int64_t)w->documents - w->settled };
        w->settled = w->documents; /* it may be listed again */
    }
    qsort(b->recent, n, sizeof(*b->recent), compare_numbers);
    b->n_recent = n;
}

int counts_write(struct wr *wr, struct batch *b)
{
    uint8_t bytes[RECENT_COUNTS_BYTES];
    struct key k = KEY_INIT;

    int r = write_blocks(wr, b);
    if (r < 0)
        return r;
    gather_recent(b);
    b->n_listed = 0;
    b->settled = false;
    size_t len = recent_counts_write(b->recent, b->n_recent, bytes);
    recent_key(&k);
    if (len > 0)
        wr_put_bytes(wr, &T_SEARCH_META, &k, bytes, len);
    else
        wr_delete(wr, &T_SEARCH_META, &k);
    return wr_status(wr);
}
