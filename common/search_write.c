/* search_write.c - writes what a transaction has gathered for the index, table by table and sorted.
 *
 * Each chunk, block and entry is written once, whatever the number of documents that change it, and each table is walked in the
 * order of its keys. What comes after all that is in a table is appended, so that pages get full. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"
#include "common/search_batch.h"

/* Whether nothing is in the table yet, so that all that comes in order can be appended: quicker, and pages get full. */
static bool is_fresh(struct wr *wr, const struct table *t)
{
    return rd_count(wr_rd(wr), t) == 0;
}

/* All changes, and room for one stretch of postings, grown as lists need it. */
struct bench {
    struct posting
        *changes; /* of all lists, each list's together and in the order in which they came */
    struct posting *old, *merged;
    size_t room_old, room_merged;
    uint8_t *bytes;
    size_t room_bytes;
    bool fresh; /* the table was empty */
};

static void bench_free(struct bench *w)
{
    free(w->old);
    free(w->merged);
    free(w->bytes);
}

static bool at_least(struct wr *wr, void *array, size_t *room, size_t n, size_t size)
{
    while (*room < n)
        if (!batch_room(wr, array, room, *room, size))
            return false;
    return true;
}

/* By document; of one document's, the older first, which qsort() alone would not promise. */
struct dated {
    struct posting posting;
    uint32_t order;
};

static int compare_dated(const void *a, const void *b)
{
    const struct dated *x = a, *y = b;

    if (x->posting.doc != y->posting.doc)
        return x->posting.doc < y->posting.doc ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static int sort_changes(struct posting *changes, size_t n)
{
    struct dated *dated = malloc(n * sizeof(*dated));

    if (!dated)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        dated[i] = (struct dated) { changes[i], (uint32_t)i };
    qsort(dated, n, sizeof(*dated), compare_dated);
    for (size_t i = 0; i < n; i++)
        changes[i] = dated[i].posting;
    free(dated);
    return 0;
}

/* A list's changes in ascending order, the last one of each document. */
static size_t take_changes(struct wr *wr, const struct changes *c, struct posting *changes)
{
    size_t n = 1;

    while (n < c->n && changes[n - 1].doc < changes[n].doc)
        n++;
    if (n == c->n)
        return n;
    int r = sort_changes(changes, c->n);
    if (r < 0) {
        (void)wr_fail(wr, -r); /* and so ends the writing */
        return 0;
    }
    n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (n > 0 && changes[n - 1].doc == changes[i].doc)
            n--;
        changes[n++] = changes[i];
    }
    return n;
}

/* Puts each list's changes together, which lie in the log as they came. Two walks through it and no more: it is far larger than the
 * processor's caches. NULL: no memory. */
static struct posting *gather_changes(const struct batch *b)
{
    struct posting *all = malloc((b->n_log + 1) * sizeof(*all));
    uint32_t *next = malloc((b->n_changed + 1) * sizeof(*next)), first = 0;

    for (size_t i = 0; all && next && i < b->n_changed; i++) {
        b->changed[i]->first = next[i] = first;
        first += b->changed[i]->n;
    }
    for (size_t i = 0; all && next && i < b->n_log; i++)
        all[next[b->log[i].list]++] = (struct posting) { b->log[i].doc, b->log[i].impact };
    if (!next) {
        free(all);
        all = NULL;
    }
    free(next);
    return all;
}

/* A stretch of a list: the chunks that changes fall into. */
struct stretch {
    uint32_t firsts[2]; /* the keys of the chunks it came from */
    size_t n_firsts;
    size_t n;  /* postings, in bench.old */
    bool ends; /* another chunk follows, as far as the changes go, at */
    uint32_t next;
};

static uint32_t key_tail(struct slice key)
{
    return __builtin_bswap32(packed_load32(key.data + key.len - sizeof(uint32_t)));
}

static void key_with(const struct name *name, uint32_t tail, struct key *ret)
{
    memcpy(ret->bytes, name->bytes, name->len);
    ret->len = (uint16_t)name->len;
    ret->failed = false;
    key_u32(ret, tail);
}

/* Reads a chunk to the front of the stretch. */
static int stretch_prepend(struct wr *wr, struct bench *w, struct stretch *st, struct chunk *c)
{
    if (!at_least(wr, &w->old, &w->room_old, st->n + c->n, sizeof(struct posting)))
        return -ENOMEM;
    memmove(w->old + c->n, w->old, st->n * sizeof(struct posting));
    int r = postings_read(c, w->old);
    if (r < 0)
        return r;
    st->firsts[st->n_firsts++] = c->first;
    st->n += c->n;
    return 0;
}

/* Whether the chunk says already what the change would make it say. */
static int is_so(struct chunk *c, const struct posting *change, bool *ret)
{
    uint8_t impact = 0;

    int r = change->doc < c->first ? 0 : postings_find(c, change->doc, &impact);
    *ret = impact == change->impact;
    return r;
}

/* Loads the chunk that the first of the changes falls into, or would: the one that begins at or before it; else the list's first, if
 * that one begins where it does only for want of anything before. Not if there is one change and it is made: an edit leaves most
 * words of a text as they were. */
static int stretch_load(struct wr *wr, const struct name *name, const struct posting *changes,
                        size_t n_changes, struct bench *w, struct stretch *ret, bool *ret_made)
{
    const uint32_t doc = changes[0].doc;
    struct key at, prefix;
    struct chunk c;
    struct scan s;
    int r = 0;

    *ret = (struct stretch) { 0 };
    *ret_made = false;
    key_with(name, doc, &at);
    prefix = at;
    prefix.len = (uint16_t)name->len;
    scan_from_piece(&s, wr_rd(wr), &T_SEARCH_TERM, &at, &prefix);
    if (scan_next(&s)) {
        uint32_t first = s.key.len == at.len ? key_tail(s.key) : 0;
        if (s.key.len != at.len || !postings_head(first, s.value.data, s.value.len, &c))
            r = -EBADMSG;
        else if (first > doc && postings_is_boundary(first))
            ret->ends = true, ret->next = first;
        else if (n_changes == 1)
            r = is_so(&c, changes, ret_made);
        if (r == 0 && !ret->ends && !*ret_made)
            r = stretch_prepend(wr, w, ret, &c);
        if (r == 0 && !ret->ends && n_changes > 1 && scan_next(&s))
            ret->ends = true, ret->next = key_tail(s.key);
    }
    int scan_r = scan_end(&s);
    return r < 0 ? r : scan_r;
}

/* The chunk before has to take in what follows when that no longer begins with a boundary. */
static int stretch_join_previous(struct wr *wr, const struct name *name, struct bench *w,
                                 struct stretch *st)
{
    struct key at, prefix;
    struct chunk c;
    struct scan s;
    int r = 0;

    if (st->n_firsts == 0 || st->firsts[0] == 0)
        return 0;
    key_with(name, st->firsts[0] - 1, &at);
    prefix = at;
    prefix.len = (uint16_t)name->len;
    scan_from_piece(&s, wr_rd(wr), &T_SEARCH_TERM, &at, &prefix);
    if (scan_next(&s) && s.key.len == at.len && key_tail(s.key) < st->firsts[0])
        r = postings_head(key_tail(s.key), s.value.data, s.value.len, &c)
                ? stretch_prepend(wr, w, st, &c)
                : -EBADMSG;
    int scan_r = scan_end(&s);
    return r < 0 ? r : scan_r;
}

/* Writes the merged postings as chunks, and takes out those of the old ones whose keys are gone. */
static int stretch_write(struct wr *wr, const struct name *name, struct bench *w,
                         const struct stretch *st, size_t n)
{
    bool kept[2] = { false, false };
    struct key k;

    for (size_t i = 0, len; i < n; i += len) {
        uint32_t first = w->merged[i].doc;
        len = postings_chunk(w->merged + i, n - i);
        if (!at_least(wr, &w->bytes, &w->room_bytes,
                      POSTINGS_HEAD_BYTES_MAX + len * POSTING_BYTES_MAX, 1))
            return -ENOMEM;
        size_t len_bytes = postings_write(w->merged + i, len, w->bytes);
        for (size_t j = 0; j < st->n_firsts; j++)
            kept[j] = kept[j] || st->firsts[j] == first;
        key_with(name, first, &k);
        if (w->fresh)
            wr_append_bytes(wr, &T_SEARCH_TERM, &k, w->bytes, len_bytes);
        else
            wr_put_bytes(wr, &T_SEARCH_TERM, &k, w->bytes, len_bytes);
    }
    for (size_t j = 0; j < st->n_firsts; j++) {
        key_with(name, st->firsts[j], &k);
        if (!kept[j])
            wr_delete(wr, &T_SEARCH_TERM, &k);
    }
    return wr_status(wr);
}

/* Whether the stretch is already as the changes would make it. */
static bool changes_nothing(const struct bench *w, const struct stretch *st,
                            const struct posting *changes, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        while (at < st->n && w->old[at].doc < changes[i].doc)
            at++;
        bool there = at < st->n && w->old[at].doc == changes[i].doc;
        if (changes[i].impact != (there ? w->old[at].impact : 0))
            return false;
    }
    return true;
}

/* Folds into one stretch those of the changes that fall into it. */
static int change_stretch(struct wr *wr, const struct name *name, struct bench *w,
                          const struct posting *changes, size_t n_changes, size_t *ret_used)
{
    struct stretch st = { 0 };
    bool made = false;
    size_t used = 1;

    int r = w->fresh ? 0 : stretch_load(wr, name, changes, n_changes, w, &st, &made);
    if (r < 0)
        return r;
    while (used < n_changes && (!st.ends || changes[used].doc < st.next))
        used++;
    *ret_used = used;
    if (made || changes_nothing(w, &st, changes, used))
        return 0;
    if (!at_least(wr, &w->merged, &w->room_merged, st.n + used, sizeof(struct posting)))
        return -ENOMEM;
    size_t n = postings_change(w->old, st.n, changes, used, w->merged);
    if (n > 0 && st.n > 0 && w->merged[0].doc > st.firsts[0] &&
        !postings_is_boundary(w->merged[0].doc)) {
        r = stretch_join_previous(wr, name, w, &st);
        if (r < 0)
            return r;
        if (!at_least(wr, &w->merged, &w->room_merged, st.n + used, sizeof(struct posting)))
            return -ENOMEM;
        n = postings_change(w->old, st.n, changes, used, w->merged);
    }
    return stretch_write(wr, name, w, &st, n);
}

static int write_term(struct wr *wr, const struct changes *c, struct bench *w)
{
    struct posting *changes = w->changes + c->first;
    size_t n = take_changes(wr, c, changes), used = 0;

    for (size_t i = 0; i < n; i += used) {
        int r = change_stretch(wr, &c->name, w, changes + i, n - i, &used);
        if (r < 0)
            return r;
    }
    return wr_status(wr);
}

static int write_facet(struct wr *wr, const struct changes *c, struct bench *w)
{
    struct posting *changes = w->changes + c->first;
    size_t n = take_changes(wr, c, changes);
    uint64_t bits[FACET_BLOCK_WORDS];
    uint8_t bytes[FACET_BLOCK_BYTES];
    struct slice old;
    struct key k;

    for (size_t i = 0; i < n;) {
        uint32_t block = changes[i].doc / FACET_BLOCK_DOCUMENTS;
        key_with(&c->name, block, &k);
        memset(bits, 0, sizeof(bits));
        int r = rd_get_bytes(wr_rd(wr), &T_SEARCH_FACET, &k, &old);
        if (r == 0 && !facet_block_read(old, bits))
            r = -EBADMSG;
        if (r < 0 && r != -ENOENT)
            return r;
        for (; i < n && changes[i].doc / FACET_BLOCK_DOCUMENTS == block; i++) {
            unsigned member = changes[i].doc % FACET_BLOCK_DOCUMENTS;
            if (changes[i].impact)
                bits[member / 64] |= UINT64_C(1) << member % 64;
            else
                bits[member / 64] &= ~(UINT64_C(1) << member % 64);
        }
        size_t len = facet_block_write(bits, bytes);
        if (len > 0)
            wr_put_bytes(wr, &T_SEARCH_FACET, &k, bytes, len);
        else
            wr_delete(wr, &T_SEARCH_FACET, &k);
    }
    return wr_status(wr);
}

static int compare_by_name(const void *a, const void *b)
{
    return compare_names(*(struct name *const *)a, *(struct name *const *)b);
}

static int write_lists(struct wr *wr, const struct names *set, struct posting *changes, bool fresh,
                       int (*write)(struct wr *, const struct changes *, struct bench *))
{
    struct bench w = { .changes = changes, .fresh = fresh };
    size_t n;
    int r = 0;

    struct changes **all = names_sorted(set, compare_by_name, &n);
    if (!all)
        return n ? -ENOMEM : 0;
    for (size_t i = 0; i < n && r == 0; i++)
        if (all[i]->n > 0)
            r = write(wr, all[i], &w);
    bench_free(&w);
    free(all);
    return r;
}

/* Little-endian, as the machines are (asserted in packed.c). */
static void meta_put(struct wr *wr, const char *what, uint32_t value)
{
    struct key k = KEY_INIT;

    wr_put_bytes(wr, &T_SEARCH_META, key_text(&k, what), &value, sizeof(value));
}

static int compare_words(const void *a, const void *b)
{
    const struct dictionary_entry *x = a, *y = b;
    int order = memcmp(x->key.data, y->key.data, x->key.len < y->key.len ? x->key.len : y->key.len);

    return order ? order : (x->key.len > y->key.len) - (x->key.len < y->key.len);
}

/* The words whose entries change, sorted by key. */
static int write_words(struct wr *wr, struct batch *b)
{
    size_t n = 0;

    if (b->words.n == 0)
        return 0;
    struct dictionary_entry *all = malloc(b->words.n * sizeof(*all));
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < b->words.room; i++) {
        const struct word *w = (const struct word *)b->words.slots[i];
        if (w && w->counted && (w->number != w->stored_number || w->said != w->stored_said))
            all[n++] = (struct dictionary_entry) { w->key, w->number, w->said };
    }
    qsort(all, n, sizeof(*all), compare_words);
    int r = dictionary_write(wr, b->scratch, all, n);
    free(all);
    return r;
}

/* ---- the texts of numbered words ---- */

/* A word that gets a number, or one that loses it. */
struct text_change {
    uint32_t number;
    struct slice text; /* empty: nobody has the number any more */
};

static int compare_numbers(const void *a, const void *b)
{
    const struct text_change *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* Writes those of the changes that are in the block of the first; returns how many these are. Blocks from `first_new` on hold
 * nothing yet and lie behind all others. */
static size_t write_text_block(struct wr *wr, const struct text_change *changes, size_t n,
                               uint32_t first_new)
{
    const uint32_t block = changes[0].number / TEXT_BLOCK_WORDS;
    uint8_t bytes[TEXT_BLOCK_BYTES];
    struct slice texts[TEXT_BLOCK_WORDS] = { { 0 } }, old = { 0 };
    struct key k = KEY_INIT;
    size_t used = 0;
    int r = 0;

    key_u32(&k, block);
    if (block < first_new)
        r = rd_get_bytes(wr_rd(wr), &T_SEARCH_WORD_TEXT, &k, &old);
    if (r == -ENOENT)
        r = 0;
    if (r == 0 && !word_text_read(old, texts))
        r = -EBADMSG;
    if (r < 0) {
        (void)wr_fail(wr, -r); /* and so ends the writing */
        return n;
    }
    for (; used < n && changes[used].number / TEXT_BLOCK_WORDS == block; used++)
        texts[changes[used].number % TEXT_BLOCK_WORDS] = changes[used].text;
    size_t len = word_text_write(texts, bytes);
    if (len == 0)
        wr_delete(wr, &T_SEARCH_WORD_TEXT, &k);
    else if (block >= first_new)
        wr_append_bytes(wr, &T_SEARCH_WORD_TEXT, &k, bytes, len);
    else
        wr_put_bytes(wr, &T_SEARCH_WORD_TEXT, &k, bytes, len);
    return used;
}

static int write_texts(struct wr *wr, const struct batch *b)
{
    /* The first block of which no number was given before. */
    const uint32_t first_new = (b->first_word + TEXT_BLOCK_WORDS - 1) / TEXT_BLOCK_WORDS;
    size_t n = 0;

    struct text_change *all = malloc((b->words.n + b->n_by_number + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < b->words.room; i++) {
        const struct word *w = (const struct word *)b->words.slots[i];
        if (w && w->stored_number && w->stored_number != w->number)
            all[n++] = (struct text_change) { w->stored_number, { 0 } };
    }
    for (size_t i = 0; i < b->n_by_number; i++) {
        const struct word *w = b->by_number[i];
        if (w)
            all[n++] = (struct text_change) { w->number, { w->name.bytes, w->name.len } };
    }
    qsort(all, n, sizeof(*all), compare_numbers);
    for (size_t i = 0; i < n && wr_status(wr) == 0;)
        i += write_text_block(wr, all + i, n - i, first_new);
    free(all);
    return wr_status(wr);
}

/* ---- documents ---- */

static int write_documents(struct wr *wr, const struct batch *b)
{
    const bool fresh = is_fresh(wr, &T_SEARCH_KEY);
    struct key k = KEY_INIT;
    size_t n;

    struct document **all = names_sorted(&b->documents, compare_by_name, &n);
    if (!all)
        return n ? -ENOMEM : 0;
    for (size_t i = 0; i < n; i++) {
        const struct document *d = all[i];
        if (d->number == d->stored_number)
            continue;
        memcpy(k.bytes, d->name.bytes, d->name.len);
        k.len = (uint16_t)d->name.len;
        if (d->number == 0)
            wr_delete(wr, &T_SEARCH_KEY, &k);
        else if (fresh)
            wr_append_bytes(wr, &T_SEARCH_KEY, &k, &d->number, sizeof(d->number));
        else
            wr_put_bytes(wr, &T_SEARCH_KEY, &k, &d->number, sizeof(d->number));
    }
    free(all);
    return wr_status(wr);
}

int batch_write(struct wr *wr, struct batch *b)
{
    struct posting *changes = gather_changes(b);

    int r = changes ? 0 : -ENOMEM;
    if (r == 0)
        r = write_lists(wr, &b->terms, changes, is_fresh(wr, &T_SEARCH_TERM), write_term);
    if (r == 0)
        r = write_lists(wr, &b->facets, changes, false, write_facet);
    free(changes);
    if (r == 0)
        r = write_texts(wr, b);
    if (r == 0)
        r = counts_write(wr, b);
    if (r == 0)
        r = write_words(wr, b);
    if (r == 0)
        r = write_documents(wr, b);
    meta_put(wr, "next_document", b->next_document);
    meta_put(wr, "next_word", b->next_word);
    b->first_word = b->next_word;
    b->n_by_number = 0;
    names_empty(&b->words);
    names_empty(&b->terms);
    names_empty(&b->facets);
    names_empty(&b->documents);
    arena_reset(b->memory);
    b->n_log = b->n_changed = 0;
    return r;
}
