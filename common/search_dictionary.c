/* search_dictionary.c - the table of all words that documents have, in blocks of neighbours.
 *
 * Sorted words begin alike, so a block says of each only how much it shares with the one before and what is different: a third
 * of the space of an entry a word, and a walk through all words reads a few bytes of each. Like the chunks of postings, blocks
 * depend on nothing but the words in them: a word for whose key is_boundary() holds begins a block, one in 16, and so does the
 * first of all. A block is kept under the key of its first word (search_word_key()):
 *
 *   block   varint number, varint documents                                     of the first word, whose key is the block's
 *           { varint shared, varint len, rest of the folded word, varint before, [varint after, varint len, bytes],
 *             varint number, varint documents } ...
 *
 * `shared` bytes of the folded word before are kept. Where a word is not its folded form, that form is kept but for a stretch:
 * `before` - 1 bytes, then other bytes, then the last `after` bytes; else `before` is 0. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"
#include "common/search_batch.h"

enum { BLOCK_WORDS = 16 };

static bool is_boundary(struct slice key)
{
    uint32_t h = 2166136261U;

    for (size_t i = 0; i < key.len; i++)
        h = (h ^ key.data[i]) * 16777619U;
    return (h ^ h >> 15) % BLOCK_WORDS == 0;
}

/* ---- reading ---- */

static bool take_number(struct dictionary_block *b, uint32_t max, uint32_t *ret)
{
    uint64_t value;

    if (!packed_varint(&b->at, b->end, &value) || value > max)
        return false;
    *ret = (uint32_t)value;
    return true;
}

static bool take_bytes(struct dictionary_block *b, size_t len, struct slice *ret)
{
    if ((size_t)(b->end - b->at) < len)
        return false;
    *ret = (struct slice) { b->at, len };
    b->at += len;
    return true;
}

static bool take_counts(struct dictionary_block *b)
{
    return take_number(b, UINT32_MAX, &b->number) && take_number(b, UINT32_MAX, &b->documents) &&
           b->number > 0 && b->documents > 0;
}

bool dictionary_block_begin(struct dictionary_block *b, struct slice key, struct slice value)
{
    const uint8_t *zero = memchr(key.data, 0, key.len);

    if (!zero || zero - key.data > DICTIONARY_FOLDED_BYTES)
        return false;
    b->at = value.data;
    b->end = value.data + value.len;
    b->shared = 0;
    b->folded_len = (size_t)(zero - key.data);
    memcpy(b->folded, key.data, b->folded_len);
    b->folded[b->folded_len] = 0;
    b->before = b->after = 0;
    b->inside = (struct slice) { zero + 1, key.len - b->folded_len - 1 };
    b->differs = b->inside.len > 0;
    return b->inside.len <= SEARCH_WORD_BYTES && take_counts(b);
}

bool dictionary_block_next(struct dictionary_block *b)
{
    uint32_t len, before, inside_len;
    struct slice rest;

    if (!take_number(b, (uint32_t)b->folded_len, &b->shared) ||
        !take_number(b, DICTIONARY_FOLDED_BYTES - b->shared, &len) || !take_bytes(b, len, &rest) ||
        !take_number(b, b->shared + len + 1, &before))
        return false;
    b->folded_len = b->shared + len;
    memcpy(b->folded + b->shared, rest.data, len);
    b->folded[b->folded_len] = 0;
    b->differs = before > 0;
    if (b->differs) {
        b->before = before - 1;
        if (!take_number(b, (uint32_t)b->folded_len - b->before, &b->after) ||
            !take_number(b, SEARCH_WORD_BYTES, &inside_len) ||
            !take_bytes(b, inside_len, &b->inside) ||
            b->before + b->inside.len + b->after > SEARCH_WORD_BYTES)
            return false;
    }
    return take_counts(b);
}

size_t dictionary_block_word(const struct dictionary_block *b,
                             char ret[DICTIONARY_FOLDED_BYTES + 1])
{
    size_t len = b->folded_len;

    if (!b->differs) {
        memcpy(ret, b->folded, len);
    } else {
        memcpy(ret, b->folded, b->before);
        memcpy(ret + b->before, b->inside.data, b->inside.len);
        memcpy(ret + b->before + b->inside.len, b->folded + b->folded_len - b->after, b->after);
        len = b->before + b->inside.len + b->after;
    }
    ret[len] = '\0';
    return len;
}

/* The current word's key. */
static size_t block_key(const struct dictionary_block *b, uint8_t ret[KEY_MAX])
{
    memcpy(ret, b->folded, b->folded_len + 1);
    return b->folded_len + 1 +
           (b->differs ? dictionary_block_word(b, (char *)ret + b->folded_len + 1) : 0);
}

int dictionary_find(const struct rd *rd, const struct key *key, uint32_t *ret_number,
                    uint32_t *ret_documents)
{
    const struct key all = KEY_INIT;
    uint8_t found[KEY_MAX];
    struct dictionary_block b;
    struct scan s;
    int r = -ENOENT;

    scan_from_piece(&s, rd, &T_SEARCH_WORD, key, &all);
    if (scan_next(&s)) {
        bool good = dictionary_block_begin(&b, s.key, s.value);
        for (; good; good = dictionary_block_next(&b)) {
            size_t len = block_key(&b, found);
            if (len == key->len && memcmp(found, key->bytes, len) == 0)
                r = 0;
            if (r == 0 || b.at == b.end)
                break;
        }
        if (!good)
            r = -EBADMSG;
    }
    int scan_r = scan_end(&s);
    if (scan_r < 0)
        return scan_r;
    if (r == 0) {
        *ret_number = b.number;
        *ret_documents = b.documents;
    }
    return r;
}

/* ---- the texts by number ---- */

bool word_text_read(struct slice bytes, struct slice ret[TEXT_BLOCK_WORDS])
{
    const uint8_t *p = bytes.data,
                  *end = bytes.len ? p + bytes.len : p; /* of no bytes there is no address */
    size_t i = 0;

    for (; p < end && i < TEXT_BLOCK_WORDS; i++) {
        size_t len = *p++;
        if (len > SEARCH_WORD_BYTES || len > (size_t)(end - p) || memchr(p, 0, len))
            return false;
        ret[i] = (struct slice) { p, len };
        p += len;
    }
    for (; i < TEXT_BLOCK_WORDS; i++)
        ret[i] = (struct slice) { 0 };
    return p == end;
}

size_t word_text_write(const struct slice texts[TEXT_BLOCK_WORDS], uint8_t to[TEXT_BLOCK_BYTES])
{
    uint8_t *p = to;
    size_t n = TEXT_BLOCK_WORDS;

    while (n > 0 && texts[n - 1].len == 0)
        n--;
    for (size_t i = 0; i < n; i++) {
        *p++ = (uint8_t)texts[i].len;
        if (texts[i].len > 0)
            memcpy(p, texts[i].data, texts[i].len);
        p += texts[i].len;
    }
    return (size_t)(p - to);
}

int word_text_find(const struct rd *rd, uint32_t number, char ret[SEARCH_WORD_BYTES + 1])
{
    struct slice texts[TEXT_BLOCK_WORDS], bytes;
    struct key k = KEY_INIT;

    int r = rd_get_bytes(rd, &T_SEARCH_WORD_TEXT, key_u32(&k, number / TEXT_BLOCK_WORDS), &bytes);
    if (r < 0)
        return r;
    if (!word_text_read(bytes, texts))
        return -EBADMSG;
    const struct slice text = texts[number % TEXT_BLOCK_WORDS];
    if (text.len == 0)
        return -ENOENT;
    memcpy(ret, text.data, text.len);
    ret[text.len] = '\0';
    return 0;
}

/* ---- writing ---- */

/* Words in order: what a stretch of blocks holds, and what it is to hold. */
struct entries {
    struct dictionary_entry *all;
    size_t n, room;
};

struct desk {
    struct wr *wr;
    struct arena *room; /* for the words of the stretch at hand */
    struct entries old, merged;
    uint8_t *bytes;
    size_t room_bytes;
    bool fresh; /* the table was empty */
};

static int compare_slices(struct slice x, struct slice y)
{
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);

    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static bool entries_add(struct wr *wr, struct entries *to, const struct dictionary_entry *e)
{
    if (!batch_room(wr, &to->all, &to->room, to->n, sizeof(*to->all)))
        return false;
    to->all[to->n++] = *e;
    return true;
}

/* Appends a block's words. */
static int read_block(struct desk *d, struct slice key, struct slice value)
{
    struct dictionary_block b;
    uint8_t bytes[KEY_MAX];

    for (bool good = dictionary_block_begin(&b, key, value);; good = dictionary_block_next(&b)) {
        if (!good)
            return -EBADMSG;
        size_t len = block_key(&b, bytes);
        struct dictionary_entry e = { { arena_memdup(d->room, bytes, len), len },
                                      b.number,
                                      b.documents };
        if (!e.key.data || !entries_add(d->wr, &d->old, &e))
            return -ENOMEM;
        if (b.at == b.end)
            return 0;
    }
}

/* A stretch of the table: the blocks that changes fall into. */
struct reach {
    struct slice firsts[2]; /* keys of the blocks it came from */
    size_t n_firsts;
    struct slice next; /* the block after it; empty: there is none */
};

static int keep_key(struct desk *d, struct slice key, struct slice *ret)
{
    *ret = (struct slice) { arena_memdup(d->room, key.data, key.len), key.len };
    return ret->data ? 0 : -ENOMEM;
}

static void to_key(struct slice from, struct key *ret)
{
    memcpy(ret->bytes, from.data, from.len);
    ret->len = (uint16_t)from.len;
    ret->failed = false;
}

/* Loads the block that `key` falls into, or would: the one that begins at or before it, else the table's first if that one
 * begins where it does only for want of anything before. */
static int reach_load(struct desk *d, struct slice key, struct reach *ret)
{
    const struct key all = KEY_INIT;
    struct key at;
    struct scan s;
    int r = 0;

    *ret = (struct reach) { .n_firsts = 0 };
    to_key(key, &at);
    scan_from_piece(&s, wr_rd(d->wr), &T_SEARCH_WORD, &at, &all);
    if (scan_next(&s)) {
        bool before = compare_slices(s.key, key) > 0 && is_boundary(s.key);
        if (before) {
            r = keep_key(d, s.key, &ret->next);
        } else {
            r = keep_key(d, s.key, &ret->firsts[ret->n_firsts++]);
            if (r == 0)
                r = read_block(d, s.key, s.value);
        }
        if (r == 0 && !before && scan_next(&s))
            r = keep_key(d, s.key, &ret->next);
    }
    int scan_r = scan_end(&s);
    return r < 0 ? r : scan_r;
}

/* The block before has to take in what follows when that no longer begins with a boundary. */
static int reach_join_previous(struct desk *d, struct reach *reach)
{
    const struct key all = KEY_INIT;
    struct entries later = d->old;
    struct key at;
    struct scan s;
    int r = 0;

    to_key(reach->firsts[0], &at);
    scan_backwards_from(&s, wr_rd(d->wr), &T_SEARCH_WORD, &at, &all);
    if (scan_next(&s) && scan_next(&s)) {
        d->old = (struct entries) { 0 };
        r = keep_key(d, s.key, &reach->firsts[reach->n_firsts++]);
        if (r == 0)
            r = read_block(d, s.key, s.value);
        for (size_t i = 0; i < later.n && r == 0; i++)
            if (!entries_add(d->wr, &d->old, &later.all[i]))
                r = -ENOMEM;
        free(later.all);
    }
    int scan_r = scan_end(&s);
    return r < 0 ? r : scan_r;
}

static int merge(struct desk *d, const struct dictionary_entry *changes, size_t n)
{
    size_t i = 0, j = 0;

    d->merged.n = 0;
    while (i < d->old.n || j < n) {
        int order = i == d->old.n ? 1
                    : j == n      ? -1
                                  : compare_slices(d->old.all[i].key, changes[j].key);
        const struct dictionary_entry *e = order < 0 ? &d->old.all[i] : &changes[j];
        i += order <= 0;
        j += order >= 0;
        if (e->number > 0 && !entries_add(d->wr, &d->merged, e))
            return -ENOMEM;
    }
    return 0;
}

enum { ENTRY_BYTES_MAX = 8 * PACKED_VARINT_MAX + 2 * KEY_MAX };

static size_t common_start(struct slice a, struct slice b)
{
    size_t n = 0;

    while (n < a.len && n < b.len && a.data[n] == b.data[n])
        n++;
    return n;
}

static struct slice folded_of(struct slice key)
{
    const uint8_t *zero = memchr(key.data, 0, key.len);

    return (struct slice) { key.data, (size_t)(zero - key.data) };
}

static uint8_t *put_word(uint8_t *to, struct slice folded, struct slice word)
{
    size_t before = common_start(folded, word), after = 0;

    if (word.len == 0)
        return packed_put_varint(to, 0);
    while (after < folded.len - before && after < word.len - before &&
           folded.data[folded.len - 1 - after] == word.data[word.len - 1 - after])
        after++;
    size_t inside = word.len - before - after;
    to = packed_put_varint(to, before + 1);
    to = packed_put_varint(to, after);
    to = packed_put_varint(to, inside);
    memcpy(to, word.data + before, inside);
    return to + inside;
}

static uint8_t *put_entry(uint8_t *to, const struct dictionary_entry *previous,
                          const struct dictionary_entry *e)
{
    if (previous) {
        struct slice folded = folded_of(e->key);
        size_t shared = common_start(folded_of(previous->key), folded);
        to = packed_put_varint(to, shared);
        to = packed_put_varint(to, folded.len - shared);
        memcpy(to, folded.data + shared, folded.len - shared);
        to += folded.len - shared;
        to = put_word(to, folded,
                      (struct slice) { folded.data + folded.len + 1, e->key.len - folded.len - 1 });
    }
    return packed_put_varint(packed_put_varint(to, e->number), e->documents);
}

/* Writes a block that begins with the first of the entries; returns how many it took. */
static size_t write_block(struct desk *d, const struct dictionary_entry *all, size_t n)
{
    struct key k;
    size_t taken = 0, len = 0;

    do {
        while (d->room_bytes < len + ENTRY_BYTES_MAX)
            if (!batch_room(d->wr, &d->bytes, &d->room_bytes, d->room_bytes, 1))
                return n;
        len = (size_t)(put_entry(d->bytes + len, taken > 0 ? &all[taken - 1] : NULL, &all[taken]) -
                       d->bytes);
        taken++;
    } while (taken < n && !is_boundary(all[taken].key));
    to_key(all[0].key, &k);
    if (d->fresh)
        wr_append_bytes(d->wr, &T_SEARCH_WORD, &k, d->bytes, len);
    else
        wr_put_bytes(d->wr, &T_SEARCH_WORD, &k, d->bytes, len);
    return taken;
}

/* Writes the merged words, and takes out those of the old blocks whose keys begin none any more. */
static int write_merged(struct desk *d, const struct reach *reach)
{
    bool kept[2] = { false, false };
    struct key k;

    for (size_t i = 0; i < d->merged.n && wr_status(d->wr) == 0;) {
        for (size_t j = 0; j < reach->n_firsts; j++)
            kept[j] = kept[j] || compare_slices(reach->firsts[j], d->merged.all[i].key) == 0;
        i += write_block(d, d->merged.all + i, d->merged.n - i);
    }
    for (size_t j = 0; j < reach->n_firsts; j++) {
        to_key(reach->firsts[j], &k);
        if (!kept[j])
            wr_delete(d->wr, &T_SEARCH_WORD, &k);
    }
    return wr_status(d->wr);
}

/* Folds into one stretch those of the changes that fall into it. */
static int change_reach(struct desk *d, const struct dictionary_entry *changes, size_t n,
                        size_t *ret_used)
{
    struct reach reach = { .n_firsts = 0 };
    size_t used = 1;

    arena_reset(d->room);
    d->old.n = 0;
    int r = d->fresh ? 0 : reach_load(d, changes[0].key, &reach);
    if (r < 0)
        return r;
    while (used < n && (reach.next.len == 0 || compare_slices(changes[used].key, reach.next) < 0))
        used++;
    *ret_used = used;
    r = merge(d, changes, used);
    if (r == 0 && d->merged.n > 0 && reach.n_firsts > 0 &&
        compare_slices(d->merged.all[0].key, reach.firsts[0]) > 0 &&
        !is_boundary(d->merged.all[0].key)) {
        r = reach_join_previous(d, &reach);
        if (r == 0)
            r = merge(d, changes, used);
    }
    return r < 0 ? r : write_merged(d, &reach);
}

int dictionary_write(struct wr *wr, struct arena *room, const struct dictionary_entry *changes,
                     size_t n)
{
    struct desk d = { .wr = wr, .room = room, .fresh = rd_count(wr_rd(wr), &T_SEARCH_WORD) == 0 };
    size_t used = 0;
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i += used)
        r = change_reach(&d, changes + i, n - i, &used);
    free(d.old.all);
    free(d.merged.all);
    free(d.bytes);
    return r;
}
