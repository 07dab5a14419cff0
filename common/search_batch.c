/* search_batch.c - gathers a transaction's changes to the index, and writes them sorted at its end.
 *
 * A document of sixty words touches a hundred terms. Written one by one, a thousand documents would read and copy the chunks
 * of the frequent terms a thousand times; gathered, each chunk is written once and the tables are walked in order.
 *
 * What is gathered are changes, "document 7 is worth 93 for this term", in the order of the events; the last change of a
 * document wins. As chunks and blocks are functions of their members (search_postings.h), it makes no difference where
 * a batch ends: gathering may stop and write at any time, and does when it has grown large. */
#include "common/search_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"

enum {
    MEMORY_BYTES = 1 << 30,          /* caps; batch_ease() keeps far below */
    SCRATCH_BYTES = 256 << 20,       /* of one document of SEARCH_DOCUMENT_WORDS */
    EASE_CHANGES = 16 * 1000 * 1000, /* 192 MB, and EASE_BYTES */
    EASE_BYTES = 256 << 20,
    FIRST_SLOTS = 1024,
};

const struct table T_SEARCH_META = { "search_meta", NULL };
const struct table T_SEARCH_KEY = { "search_key", NULL };
const struct table T_SEARCH_DOCUMENT = { "search_document", NULL };
const struct table T_SEARCH_WORDS_OF = { "search_words_of", NULL };
const struct table T_SEARCH_TERM = { "search_term", NULL };
const struct table T_SEARCH_WORD = { "search_word", NULL };
const struct table T_SEARCH_WORD_TEXT = { "search_word_text", NULL };
const struct table T_SEARCH_FACET = { "search_facet", NULL };
const struct table T_SEARCH_SYNONYM = { "search_synonym", NULL };

static const char OWNER[] = "search";

/* ---- names ---- */

static uint32_t hash_of(const uint8_t *bytes, size_t len)
{
    uint64_t h = len;

    for (; len >= 8; bytes += 8, len -= 8)
        h = (h ^ packed_load64(bytes)) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 32;
    for (; len > 0; bytes++, len--)
        h = (h ^ *bytes) * UINT64_C(0x9e3779b97f4a7c15), h ^= h >> 32;
    return (uint32_t)h;
}

/* The slot of that name, or the free one where it belongs. */
static struct name **slot_of(const struct names *set, const uint8_t *bytes, size_t len,
                             uint32_t hash)
{
    size_t at = hash & (set->room - 1);

    for (; set->slots[at]; at = (at + 1) & (set->room - 1)) {
        const struct name *n = set->slots[at];
        if (n->hash == hash && n->len == len && memcmp(n->bytes, bytes, len) == 0)
            break;
    }
    return &set->slots[at];
}

static bool names_grow(struct names *set)
{
    struct names larger = { .n = set->n, .room = set->room ? set->room * 2 : FIRST_SLOTS };

    larger.slots = calloc(larger.room, sizeof(struct name *));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < set->room; i++) {
        struct name *n = set->slots[i];
        if (n)
            *slot_of(&larger, n->bytes, n->len, n->hash) = n;
    }
    free(set->slots);
    *set = larger;
    return true;
}

/* The thing of that name. A new one is zeroed but for its name, which is closed by NUL; *ret_new says so. */
static void *names_get(struct arena *memory, struct names *set, const void *bytes, size_t len,
                       size_t size, bool *ret_new)
{
    uint32_t hash = hash_of(bytes, len);

    if (set->n * 2 >= set->room && !names_grow(set))
        return NULL;
    struct name **slot = slot_of(set, bytes, len, hash);
    *ret_new = *slot == NULL;
    if (*slot)
        return *slot;
    struct name *made = arena_calloc(memory, 1, size);
    uint8_t *copy = arena_alloc(memory, len + 1);
    if (!made || !copy)
        return NULL;
    memcpy(copy, bytes, len);
    copy[len] = 0;
    *made = (struct name) { copy, (uint32_t)len, hash };
    *slot = made;
    set->n++;
    return made;
}

static void names_empty(struct names *set)
{
    if (set->n > 0)
        memset(set->slots, 0, set->room * sizeof(struct name *));
    set->n = 0;
}

static int compare_names(const struct name *a, const struct name *b)
{
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int compare_changes(const void *a, const void *b)
{
    return compare_names(*(struct name *const *)a, *(struct name *const *)b);
}

/* By their keys in search_word. */
static int compare_words(const void *a, const void *b)
{
    const struct slice x = (*(struct word *const *)a)->key, y = (*(struct word *const *)b)->key;
    int order = memcmp(x.data, y.data, x.len < y.len ? x.len : y.len);

    return order ? order : (x.len > y.len) - (x.len < y.len);
}

/* All things of a set, sorted; to be freed. NULL with *ret_n == 0: none; with another: no memory. */
static void *names_sorted(const struct names *set, int (*compare)(const void *, const void *),
                          size_t *ret_n)
{
    *ret_n = set->n;
    struct name **all = set->n ? malloc(set->n * sizeof(struct name *)) : NULL;
    if (!all)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < set->room; i++)
        if (set->slots[i])
            all[n++] = set->slots[i];
    qsort(all, n, sizeof(struct name *), compare);
    return all;
}

/* ---- the batch ---- */

bool batch_room(struct wr *wr, void *array, size_t *room, size_t n, size_t size)
{
    void *old;

    if (n < *room)
        return true;
    size_t more = *room ? *room * 2 : 256;
    memcpy(&old, array, sizeof(old));
    void *grown = realloc(old, more * size);
    if (!grown) {
        (void)wr_fail(wr, ENOMEM); /* the caller's false says the same */
        return false;
    }
    memcpy(array, &grown, sizeof(grown));
    *room = more;
    return true;
}

static void drop(struct wr_deferred *d)
{
    struct batch *b = (struct batch *)d;

    arena_free(b->memory);
    arena_free(b->scratch);
    free(b->words.slots);
    free(b->terms.slots);
    free(b->facets.slots);
    free(b->log);
    free(b->document);
    free(b->gone);
    free(b);
}

/* The next number of a kind; they begin with 1. */
static int meta_get(const struct rd *rd, const char *what, uint32_t *ret)
{
    struct key k = KEY_INIT;
    struct slice bytes;

    int r = rd_get_bytes(rd, &T_SEARCH_META, key_text(&k, what), &bytes);
    *ret = 1;
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    if (bytes.len != sizeof(*ret))
        return -EBADMSG;
    *ret = packed_load32(bytes.data);
    return 0;
}

/* Little-endian, as the machines are (asserted in packed.c). */
static void meta_put(struct wr *wr, const char *what, uint32_t value)
{
    struct key k = KEY_INIT;

    wr_put_bytes(wr, &T_SEARCH_META, key_text(&k, what), &value, sizeof(value));
}

static void finish(struct wr *wr, struct wr_deferred *d);

struct batch *batch_of(struct wr *wr)
{
    struct wr_deferred *d = wr_deferred(wr, OWNER);

    if (wr_status(wr) < 0)
        return NULL;
    if (d)
        return (struct batch *)d;
    struct batch *b = calloc(1, sizeof(*b));
    if (!b) {
        (void)wr_fail(wr, ENOMEM); /* NULL says it */
        return NULL;
    }
    b->deferred = (struct wr_deferred) { .owner = OWNER, .finish = finish, .drop = drop };
    b->memory = arena_new(MEMORY_BYTES);
    b->scratch = arena_new(SCRATCH_BYTES);
    int r = b->memory && b->scratch ? 0 : -ENOMEM;
    if (r == 0)
        r = meta_get(wr_rd(wr), "next_document", &b->next_document);
    if (r == 0)
        r = meta_get(wr_rd(wr), "next_word", &b->next_word);
    if (r < 0) {
        (void)wr_fail(wr, -r); /* NULL says it */
        drop(&b->deferred);
        return NULL;
    }
    wr_defer(wr, &b->deferred);
    return b;
}

static struct changes *batch_term(struct wr *wr, struct batch *b, const char *word)
{
    struct key k;
    size_t folded_len;
    bool is_new;

    search_term_key(word, &k, &folded_len);
    struct changes *c =
        names_get(b->memory, &b->terms, k.bytes, k.len, sizeof(struct changes), &is_new);
    if (!c)
        (void)wr_fail(wr, ENOMEM); /* NULL says it */
    return c;
}

/* What search_word knows of a word that the batch meets for the first time. */
static int word_load(struct wr *wr, struct batch *b, struct word *w)
{
    struct dictionary_word known;
    struct slice value;
    struct key k;

    search_word_key((const char *)w->name.bytes, &k);
    w->key.data = arena_memdup(b->memory, k.bytes, k.len);
    w->key.len = k.len;
    w->term = batch_term(wr, b, (const char *)w->name.bytes);
    if (!w->key.data || !w->term)
        return -ENOMEM;
    int r = rd_get_bytes(wr_rd(wr), &T_SEARCH_WORD, &k, &value);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    if (!dictionary_read(w->key, value, &known) || known.number == 0)
        return -EBADMSG;
    w->number = w->stored_number = known.number;
    w->documents = w->stored_documents = known.documents;
    return 0;
}

struct word *batch_word(struct wr *wr, struct batch *b, const char *word)
{
    struct key k = KEY_INIT;
    bool is_new;

    struct word *w =
        names_get(b->memory, &b->words, word, search_word_len(word), sizeof(struct word), &is_new);
    int r = w ? 0 : -ENOMEM;
    if (r == 0 && is_new)
        r = word_load(wr, b, w);
    if (r == 0 && w->number == 0 && b->next_word == UINT32_MAX)
        r = -EOVERFLOW;
    if (r < 0) {
        (void)wr_fail(wr, -r); /* NULL says it */
        return NULL;
    }
    if (w->number == 0) {
        w->number = b->next_word++;
        wr_append_bytes(wr, &T_SEARCH_WORD_TEXT, key_u32(&k, w->number), w->name.bytes,
                        w->name.len);
    }
    return w;
}

struct changes *batch_facet(struct wr *wr, struct batch *b, uint8_t column, struct slice value)
{
    struct key k;
    bool is_new;

    facet_key(column, (const char *)value.data, value.len, &k);
    struct changes *c =
        names_get(b->memory, &b->facets, k.bytes, k.len, sizeof(struct changes), &is_new);
    if (!c)
        (void)wr_fail(wr, ENOMEM); /* NULL says it */
    return c;
}

void batch_change(struct wr *wr, struct batch *b, struct changes *c, uint32_t doc, uint8_t impact)
{
    if (!batch_room(wr, &b->log, &b->room_log, b->n_log, sizeof(*b->log)))
        return;
    b->log[b->n_log++] = (struct change) { c->last, doc, impact };
    c->last = (uint32_t)b->n_log;
    c->n++;
}

/* ---- writing ---- */

/* Whether nothing is in the table yet, so that all that comes in order can be appended: quicker, and pages get full. */
static bool is_fresh(struct wr *wr, const struct table *t)
{
    return rd_count(wr_rd(wr), t) == 0;
}

/* Room for one list's changes and one stretch of postings, grown as lists need it. */
struct bench {
    struct posting *changes, *old, *merged;
    size_t room_changes, room_old, room_merged;
    uint8_t *bytes, *old_bytes;
    size_t room_bytes, room_old_bytes;
    bool fresh; /* the table was empty */
};

static void bench_free(struct bench *w)
{
    free(w->changes);
    free(w->old);
    free(w->merged);
    free(w->bytes);
    free(w->old_bytes);
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
static size_t take_changes(struct wr *wr, const struct batch *b, const struct changes *c,
                           struct bench *w)
{
    bool sorted = true;
    size_t n = 0;

    if (!at_least(wr, &w->changes, &w->room_changes, c->n, sizeof(struct posting)))
        return 0;
    for (uint32_t at = c->last, i = c->n; at > 0; at = b->log[at - 1].previous) {
        w->changes[--i] = (struct posting) { b->log[at - 1].doc, b->log[at - 1].impact };
        if (i + 1 < c->n && w->changes[i].doc >= w->changes[i + 1].doc)
            sorted = false;
    }
    if (sorted)
        return c->n;
    int r = sort_changes(w->changes, c->n);
    if (r < 0) {
        (void)wr_fail(wr, -r); /* and so ends the writing */
        return 0;
    }
    for (size_t i = 0; i < c->n; i++) {
        if (n > 0 && w->changes[n - 1].doc == w->changes[i].doc)
            n--;
        w->changes[n++] = w->changes[i];
    }
    return n;
}

/* A stretch of a list: the chunks that changes fall into. */
struct stretch {
    uint32_t firsts[2]; /* the keys of the chunks it came from */
    size_t n_firsts;
    size_t n;         /* postings, in bench.old */
    size_t len_bytes; /* of its one chunk, in bench.old_bytes */
    bool ends;        /* another chunk follows, at */
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
static int stretch_prepend(struct wr *wr, struct bench *w, struct stretch *st, uint32_t first,
                           struct slice bytes)
{
    struct chunk c;

    if (!postings_head(first, bytes.data, bytes.len, &c))
        return -EBADMSG;
    if (!at_least(wr, &w->old, &w->room_old, st->n + c.n, sizeof(struct posting)) ||
        !at_least(wr, &w->old_bytes, &w->room_old_bytes, bytes.len, 1))
        return -ENOMEM;
    memmove(w->old + c.n, w->old, st->n * sizeof(struct posting));
    int r = postings_read(&c, w->old);
    if (r < 0)
        return r;
    st->firsts[st->n_firsts++] = first;
    st->n += c.n;
    memcpy(w->old_bytes, bytes.data, bytes.len);
    st->len_bytes = bytes.len;
    return 0;
}

/* The chunk that `doc` falls into, or would: the one that begins at or before it; else the list's first, if that one begins
 * where it does only for want of anything before. */
static int stretch_load(struct wr *wr, const struct name *name, uint32_t doc, struct bench *w,
                        struct stretch *ret)
{
    struct key at, prefix;
    struct scan s;
    int r = 0;

    *ret = (struct stretch) { 0 };
    key_with(name, doc, &at);
    prefix = at;
    prefix.len = (uint16_t)name->len;
    scan_from_piece(&s, wr_rd(wr), &T_SEARCH_TERM, &at, &prefix);
    if (scan_next(&s)) {
        uint32_t first = s.key.len == at.len ? key_tail(s.key) : 0;
        if (s.key.len != at.len)
            r = -EBADMSG;
        else if (first > doc && postings_is_boundary(first))
            ret->ends = true, ret->next = first;
        else
            r = stretch_prepend(wr, w, ret, first, s.value);
        if (r == 0 && !ret->ends && scan_next(&s))
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
    struct scan s;
    int r = 0;

    if (st->n_firsts == 0 || st->firsts[0] == 0)
        return 0;
    key_with(name, st->firsts[0] - 1, &at);
    prefix = at;
    prefix.len = (uint16_t)name->len;
    scan_from_piece(&s, wr_rd(wr), &T_SEARCH_TERM, &at, &prefix);
    if (scan_next(&s) && s.key.len == at.len && key_tail(s.key) < st->firsts[0])
        r = stretch_prepend(wr, w, st, key_tail(s.key), s.value);
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
        if (st->n_firsts == 1 && st->firsts[0] == first && len_bytes == st->len_bytes &&
            memcmp(w->bytes, w->old_bytes, len_bytes) == 0)
            continue;
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

/* Folds into one stretch those of the changes that fall into it. */
static int change_stretch(struct wr *wr, const struct name *name, struct bench *w,
                          const struct posting *changes, size_t n_changes, size_t *ret_used)
{
    struct stretch st = { 0 };
    size_t used = 1;

    int r = w->fresh ? 0 : stretch_load(wr, name, changes[0].doc, w, &st);
    if (r < 0)
        return r;
    while (used < n_changes && (!st.ends || changes[used].doc < st.next))
        used++;
    *ret_used = used;
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

static int write_term(struct wr *wr, const struct batch *b, const struct changes *c,
                      struct bench *w)
{
    size_t n = take_changes(wr, b, c, w), used = 0;

    for (size_t i = 0; i < n; i += used) {
        int r = change_stretch(wr, &c->name, w, w->changes + i, n - i, &used);
        if (r < 0)
            return r;
    }
    return wr_status(wr);
}

static int write_facet(struct wr *wr, const struct batch *b, const struct changes *c,
                       struct bench *w)
{
    size_t n = take_changes(wr, b, c, w);
    uint64_t bits[FACET_BLOCK_WORDS];
    uint8_t bytes[FACET_BLOCK_BYTES];
    struct slice old;
    struct key k;

    for (size_t i = 0; i < n;) {
        uint32_t block = w->changes[i].doc / FACET_BLOCK_DOCUMENTS;
        key_with(&c->name, block, &k);
        memset(bits, 0, sizeof(bits));
        int r = rd_get_bytes(wr_rd(wr), &T_SEARCH_FACET, &k, &old);
        if (r == 0 && !facet_block_read(old, bits))
            r = -EBADMSG;
        if (r < 0 && r != -ENOENT)
            return r;
        for (; i < n && w->changes[i].doc / FACET_BLOCK_DOCUMENTS == block; i++) {
            unsigned member = w->changes[i].doc % FACET_BLOCK_DOCUMENTS;
            if (w->changes[i].impact)
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

static int write_lists(struct wr *wr, const struct batch *b, const struct names *set,
                       int (*write)(struct wr *, const struct batch *, const struct changes *,
                                    struct bench *))
{
    struct bench w = { .fresh = set == &b->terms && is_fresh(wr, &T_SEARCH_TERM) };
    size_t n;
    int r = 0;

    struct changes **all = names_sorted(set, compare_changes, &n);
    if (!all)
        return n ? -ENOMEM : 0;
    for (size_t i = 0; i < n && r == 0; i++)
        if (all[i]->n > 0)
            r = write(wr, b, all[i], &w);
    bench_free(&w);
    free(all);
    return r;
}

static int write_words(struct wr *wr, const struct batch *b)
{
    const bool fresh = is_fresh(wr, &T_SEARCH_WORD);
    struct key k = KEY_INIT;
    size_t n;

    struct word **all = names_sorted(&b->words, compare_words, &n);
    if (!all)
        return n ? -ENOMEM : 0;
    for (size_t i = 0; i < n; i++) {
        const struct word *w = all[i];
        uint8_t value[2 * PACKED_VARINT_MAX];
        if (w->number == w->stored_number && w->documents == w->stored_documents)
            continue;
        memcpy(k.bytes, w->key.data, w->key.len);
        k.len = (uint16_t)w->key.len;
        if (w->number == 0) {
            wr_delete(wr, &T_SEARCH_WORD, &k);
            continue;
        }
        uint8_t *end = packed_put_varint(packed_put_varint(value, w->number), w->documents);
        if (fresh)
            wr_append_bytes(wr, &T_SEARCH_WORD, &k, value, (size_t)(end - value));
        else
            wr_put_bytes(wr, &T_SEARCH_WORD, &k, value, (size_t)(end - value));
    }
    free(all);
    return wr_status(wr);
}

static int write_all(struct wr *wr, struct batch *b)
{
    int r = write_lists(wr, b, &b->terms, write_term);
    if (r == 0)
        r = write_lists(wr, b, &b->facets, write_facet);
    if (r == 0)
        r = write_words(wr, b);
    meta_put(wr, "next_document", b->next_document);
    meta_put(wr, "next_word", b->next_word);
    names_empty(&b->words);
    names_empty(&b->terms);
    names_empty(&b->facets);
    arena_reset(b->memory);
    b->n_log = 0;
    return r;
}

static void finish(struct wr *wr, struct wr_deferred *d)
{
    int r = write_all(wr, (struct batch *)d);

    if (r < 0)
        (void)wr_fail(wr, -r); /* the commit tells it */
}

void batch_ease(struct wr *wr, struct batch *b)
{
    if (b->n_log >= EASE_CHANGES || arena_used(b->memory) >= EASE_BYTES)
        finish(wr, &b->deferred);
}
