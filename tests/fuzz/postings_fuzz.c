/* postings_fuzz.c - chunks of postings: arbitrary bytes never lead astray, what is read ascends and is the same when it was written
 * and read again, and a change does to a chunk what it does to a plain array. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bits.h"
#include "common/search_internal.h"

enum { POSTINGS = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Marking a chunk and looking its impacts up says what reading it said. */
static void mark(struct chunk *c, const struct posting *postings)
{
    static uint64_t bits[1024];
    const uint32_t past = ARRAY_LEN(bits) * 64;
    struct impacts impacts;
    uint32_t n = 0;

    memset(bits, 0, sizeof(bits));
    if (postings[c->n - 1].doc >= past) {
        check(c->first >= past || postings_mark(c, past, bits) == -EBADMSG);
        return;
    }
    check(postings_mark(c, past, bits) == 0 && impacts_begin(&impacts, c));
    for (uint32_t i = 0; i < ARRAY_LEN(bits); i++)
        n += bits_count(bits[i]);
    check(n == c->n);
    for (uint32_t i = 0; i < n; i++) {
        check(bits[postings[i].doc / 64] >> postings[i].doc % 64 & 1);
        check(impacts_at(&impacts, postings[i].doc) == postings[i].impact);
    }
}

/* Looking any document up gives what reading all said. */
static void find(struct chunk *c, const struct posting *postings)
{
    uint8_t impact;

    for (uint32_t i = 0; i < c->n; i++) {
        const uint32_t after = i + 1 < c->n ? postings[i + 1].doc : UINT32_MAX;
        check(postings_find(c, postings[i].doc, &impact) == 0 && impact == postings[i].impact);
        if (postings[i].doc + 1 < after)
            check(postings_find(c, postings[i].doc + 1, &impact) == 0 && impact == 0);
    }
}

/* Reading those that are worth so much gives these of all. */
static void check_from(struct chunk *c, const struct posting *postings, uint8_t least)
{
    static struct posting some[POSTINGS];
    uint32_t n = 0, n_some;

    check(postings_read_from(c, least, some, &n_some) == 0);
    for (uint32_t i = 0; i < c->n; i++)
        if (postings[i].impact >= least)
            check(n < n_some && some[n].doc == postings[i].doc &&
                  some[n++].impact == postings[i].impact);
    check(n == n_some);
}

static void read_back(uint32_t first, const uint8_t *data, size_t len)
{
    static struct posting postings[POSTINGS], again[POSTINGS];
    static uint8_t sealed[65536];
    static uint8_t bytes[POSTINGS_HEAD_BYTES_MAX + POSTINGS * POSTING_BYTES_MAX];
    struct chunk c;
    uint8_t impact;

    if (len < 2 || len > sizeof(sealed))
        return;
    memcpy(sealed, data, len);
    postings_seal(first, sealed, len);
    if (!postings_head(first, sealed, len, &c))
        return;
    check(c.n <= len * 8);
    (void)postings_find(&c, first | data[1], &impact); /* whatever the bytes are */
    if (c.n > POSTINGS || postings_read(&c, postings) < 0)
        return;
    check(postings[0].doc == first);
    for (uint32_t i = 0; i < c.n; i++) {
        check(postings[i].impact > 0 && postings[i].impact <= c.largest);
        check(i == 0 || postings[i].doc > postings[i - 1].doc);
    }
    mark(&c, postings);
    find(&c, postings);
    check_from(&c, postings, len > 3 ? data[3] : 1);
    uint32_t n = c.n;
    size_t written = postings_write(postings, n, bytes);
    check(written <= len); /* the most frequent impact may have been another */
    check(postings_head(first, bytes, written, &c) && c.n == n && postings_read(&c, again) == 0);
    for (uint32_t i = 0; i < n; i++)
        check(postings[i].doc == again[i].doc && postings[i].impact == again[i].impact);
}

/* Two ascending runs from the input; the merged one must be the plain union with the second winning. */
static void change(const uint8_t *data, size_t len)
{
    static struct posting old[256], changes[256], merged[512];
    static uint8_t plain[65536];
    size_t n[2] = { 0, 0 };
    uint32_t doc[2] = { 0, 0 };

    memset(plain, 0, sizeof(plain));
    for (; len >= 3; data += 3, len -= 3) {
        int which = data[0] & 1;
        doc[which] += 1 + data[1];
        if (n[which] == 256 || doc[which] >= sizeof(plain))
            break;
        if (which == 0)
            old[n[0]++] = (struct posting) { doc[0], data[2] ? data[2] : 1 };
        else
            changes[n[1]++] = (struct posting) { doc[1], data[2] };
    }
    for (size_t i = 0; i < n[0]; i++)
        plain[old[i].doc] = old[i].impact;
    for (size_t i = 0; i < n[1]; i++)
        plain[changes[i].doc] = changes[i].impact;
    size_t out = postings_change(old, n[0], changes, n[1], merged), i = 0;
    for (uint32_t d = 0; d < sizeof(plain); d++) {
        if (plain[d] == 0)
            continue;
        check(i < out && merged[i].doc == d && merged[i].impact == plain[d]);
        i++;
    }
    check(i == out);
    for (i = 0; i < out;) {
        size_t chunk = postings_chunk(merged + i, out - i);
        check(chunk >= 1 && i + chunk <= out);
        i += chunk;
    }
}

static void facet(const uint8_t *data, size_t len)
{
    uint64_t bits[FACET_BLOCK_WORDS], again[FACET_BLOCK_WORDS];
    uint8_t bytes[FACET_BLOCK_BYTES];

    if (!facet_block_read((struct slice) { data, len }, bits))
        return;
    size_t written = facet_block_write(bits, bytes);
    if (written == 0)
        return;
    check(facet_block_read((struct slice) { bytes, written }, again));
    check(memcmp(bits, again, sizeof(bits)) == 0);
}

static void dictionary(struct slice key, struct slice value)
{
    struct slice texts[TEXT_BLOCK_WORDS];
    char word[DICTIONARY_FOLDED_BYTES + 1];
    uint8_t bytes[TEXT_BLOCK_BYTES], counted[COUNT_BLOCK_BYTES];
    uint32_t counts[COUNT_BLOCK_WORDS];
    static struct recent_count recent[RECENT_COUNTS];
    static uint8_t differences[RECENT_COUNTS_BYTES];
    struct dictionary_block b;
    size_t n_recent;

    for (bool good = dictionary_block_begin(&b, key, value); good && b.at < b.end;
         good = dictionary_block_next(&b))
        check(dictionary_block_word(&b, word) <= DICTIONARY_FOLDED_BYTES);
    if (word_text_read(value, texts))
        check(word_text_write(texts, bytes) <= value.len);
    if (word_counts_read(value, counts))
        check(word_counts_write(counts, counted) <= value.len);
    if (recent_counts_read(value, recent, &n_recent))
        check(recent_counts_write(recent, n_recent, differences) <= value.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice key, facets;
    uint32_t first;
    uint8_t n;

    if (len < sizeof(first))
        return 0;
    memcpy(&first, data, sizeof(first));
    read_back(first, data + sizeof(first), len - sizeof(first));
    read_back(1, data, len);
    change(data, len);
    facet(data, len);
    dictionary((struct slice) { data, len / 2 }, (struct slice) { data + len / 2, len - len / 2 });
    if (document_read_key((struct slice) { data, len }, &key, &facets, &n))
        check(key.len + facets.len < len);
    return 0;
}
