/* search_batch.c - keeps a transaction's changes to the index until search_write.c writes them sorted at its end.
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
    EASE_CHANGES = 16 * 1000 * 1000, /* 128 MB, twice that while they are written, and EASE_BYTES */
    EASE_BYTES = 256 << 20,
    FIRST_SLOTS = 1024,
    LIST_NUMBERS = (1 << 24) - 1, /* more would not fit into MEMORY_BYTES */
};

const struct table T_SEARCH_META = { "search_meta", NULL };
const struct table T_SEARCH_KEY = { "search_key", NULL };
const struct table T_SEARCH_DOCUMENT = { "search_document", NULL };
const struct table T_SEARCH_TERM = { "search_term", NULL };
const struct table T_SEARCH_WORD = { "search_word", NULL };
const struct table T_SEARCH_WORD_TEXT = { "search_word_text", NULL };
const struct table T_SEARCH_WORD_COUNT = { "search_word_count", NULL };
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

/* The slot of that name, or the free one where it belongs. Names of other hashes are passed without a look at them: they lie all
 * over the memory. */
static size_t slot_of(const struct names *set, const uint8_t *bytes, size_t len, uint32_t hash)
{
    size_t at = hash & (set->room - 1);

    for (; set->slots[at]; at = (at + 1) & (set->room - 1)) {
        const struct name *n = set->slots[at];
        if (set->hashes[at] == hash && n->len == len && memcmp(n->bytes, bytes, len) == 0)
            break;
    }
    return at;
}

static bool names_grow(struct names *set)
{
    struct names larger = { .n = set->n, .room = set->room ? set->room * 2 : FIRST_SLOTS };

    larger.slots = calloc(larger.room, sizeof(*larger.slots) + sizeof(*larger.hashes));
    if (!larger.slots)
        return false;
    larger.hashes = (uint32_t *)(larger.slots + larger.room); /* one block */
    for (size_t i = 0; i < set->room; i++) {
        size_t at = set->slots[i] ? set->hashes[i] & (larger.room - 1) : 0;
        if (!set->slots[i])
            continue;
        while (larger.slots[at])
            at = (at + 1) & (larger.room - 1);
        larger.slots[at] = set->slots[i];
        larger.hashes[at] = set->hashes[i];
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
    size_t at = slot_of(set, bytes, len, hash);
    *ret_new = set->slots[at] == NULL;
    if (set->slots[at])
        return set->slots[at];
    struct name *made = arena_calloc(memory, 1, size);
    uint8_t *copy = arena_alloc(memory, len + 1);
    if (!made || !copy)
        return NULL;
    memcpy(copy, bytes, len);
    copy[len] = 0;
    *made = (struct name) { copy, (uint32_t)len };
    set->slots[at] = made;
    set->hashes[at] = hash;
    set->n++;
    return made;
}

void names_empty(struct names *set)
{
    if (set->n > 0)
        memset(set->slots, 0, set->room * sizeof(struct name *));
    set->n = 0;
}

int compare_names(const struct name *a, const struct name *b)
{
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

    return order ? order : (a->len > b->len) - (a->len < b->len);
}

void *names_sorted(const struct names *set, int (*compare)(const void *, const void *),
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
    free(b->documents.slots);
    free(b->by_number);
    free(b->log);
    free(b->changed);
    free(b->document);
    free(b->gone);
    free(b->differ);
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
    b->first_word = b->next_word;
    if (r == 0)
        r = counts_begin(wr, b);
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
    struct key k;

    search_word_key((const char *)w->name.bytes, &k);
    w->key.data = arena_memdup(b->memory, k.bytes, k.len);
    w->key.len = k.len;
    w->term = batch_term(wr, b, (const char *)w->name.bytes);
    if (!w->key.data || !w->term)
        return -ENOMEM;
    int r = dictionary_find(wr_rd(wr), &k, &w->stored_number, &w->stored_said);
    w->number = w->stored_number;
    w->said = w->stored_said;
    return r == -ENOENT ? 0 : r;
}

static int give_number(struct wr *wr, struct batch *b, struct word *w)
{
    if (b->next_word == UINT32_MAX)
        return -EOVERFLOW;
    if (!batch_room(wr, &b->by_number, &b->room_by_number, b->n_by_number, sizeof(struct word *)))
        return -ENOMEM;
    b->by_number[b->n_by_number++] = w;
    w->number = b->next_word++;
    return 0;
}

struct word *batch_word(struct wr *wr, struct batch *b, const char *word)
{
    bool is_new;

    struct word *w =
        names_get(b->memory, &b->words, word, search_word_len(word), sizeof(struct word), &is_new);
    int r = w ? 0 : -ENOMEM;
    if (r == 0 && is_new)
        r = word_load(wr, b, w);
    if (r == 0 && w->number == 0)
        r = give_number(wr, b, w);
    if (r < 0) {
        (void)wr_fail(wr, -r); /* NULL says it */
        return NULL;
    }
    return w;
}

void batch_drop_word(struct batch *b, struct word *w)
{
    if (w->number >= b->first_word)
        b->by_number[w->number - b->first_word] = NULL;
    w->number = 0;
    batch_uncount(b, w);
}

struct word *batch_word_numbered(struct wr *wr, struct batch *b, uint32_t number)
{
    char text[SEARCH_WORD_BYTES + 1];
    struct word *w = NULL;
    int r = 0;

    if (number >= b->first_word && number - b->first_word < b->n_by_number) {
        w = b->by_number[number - b->first_word];
    } else {
        r = word_text_find(wr_rd(wr), number, text);
        w = r == 0 ? batch_word(wr, b, text) : NULL;
    }
    if (!w || w->number != number) {
        (void)wr_fail(wr, r < 0 && r != -ENOENT ? -r : EBADMSG); /* NULL says it */
        return NULL;
    }
    return w;
}

struct document *batch_document(struct wr *wr, struct batch *b, struct slice key)
{
    struct key k = KEY_INIT;
    struct slice bytes;
    bool is_new;

    key_bytes(&k, key.data, key.len);
    struct document *d =
        names_get(b->memory, &b->documents, k.bytes, k.len, sizeof(struct document), &is_new);
    int r = d ? 0 : -ENOMEM;
    if (r == 0 && is_new)
        r = rd_get_bytes(wr_rd(wr), &T_SEARCH_KEY, &k, &bytes);
    if (r == 0 && is_new && bytes.len != sizeof(uint32_t))
        r = -EBADMSG;
    if (r < 0 && r != -ENOENT) {
        (void)wr_fail(wr, -r); /* NULL says it */
        return NULL;
    }
    if (r == 0 && is_new)
        d->number = d->stored_number = packed_load32(bytes.data);
    return d;
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
    if (!batch_room(wr, &b->log, &b->room_log, b->n_log, sizeof(*b->log)) ||
        !batch_room(wr, &b->changed, &b->room_changed, b->n_changed, sizeof(struct changes *)))
        return;
    if (c->n == 0) {
        c->number = (uint32_t)b->n_changed;
        b->changed[b->n_changed++] = c;
    }
    b->log[b->n_log++] = (struct change) { c->number & LIST_NUMBERS, impact, doc };
    c->n++;
}

static void finish(struct wr *wr, struct wr_deferred *d)
{
    int r = batch_write(wr, (struct batch *)d);

    if (r < 0)
        (void)wr_fail(wr, -r); /* the commit tells it */
}

void batch_ease(struct wr *wr, struct batch *b)
{
    if (b->n_log >= EASE_CHANGES || arena_used(b->memory) >= EASE_BYTES)
        finish(wr, &b->deferred);
}
