/* search_lists.c - reads postings, combines them, and ranks documents.
 *
 * Ranking goes through the documents a window of 4096 at a time: each list adds its part of the window to an array that stays
 * in the processor's cache, with counts that tell which entries are in use, and the best are kept in a heap. So two postings or two
 * hundred thousand take the same way, and memory for scores does not grow with the index. A query of one list, the
 * most frequent kind, needs no window: it looks only into chunks that can hold one of the best. */
#include "common/search_lists.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/packed.h"

enum {
    WINDOW = 4096,
    FIRST_ROOM = 8,   /* chunks */
    VARIANTS_MAX = 8, /* terms with the same letters but for their dots */
    /* What a posting of a variant counts, in hundredths. */
    SAME = 100,
    DOTS_LEFT_OUT = 95, /* the query has none: it may have been written in haste */
    OTHER_DOTS = 60,
};

int document_set_make(struct lists *ls, struct document_set *ret)
{
    uint32_t blocks = ls->next_document / FACET_BLOCK_DOCUMENTS + 1;

    ret->n_words = blocks * FACET_BLOCK_WORDS;
    ret->bits = arena_calloc(ls->work, ret->n_words, sizeof(uint64_t));
    return ret->bits ? 0 : -ENOMEM;
}

float list_rarity(const struct lists *ls, double documents)
{
    double all = ls->documents;

    if (documents > all)
        documents = all;
    return (float)log(1.0 + (all - documents + 0.5) / (documents + 0.5));
}

/* ---- reading ---- */

static int make_room(struct lists *ls, struct list *l, size_t *room)
{
    if (l->n_chunks < *room)
        return 0;
    size_t more = *room ? *room * 4 : FIRST_ROOM;
    struct chunk *grown = arena_alloc(ls->work, more * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    if (l->n_chunks > 0)
        memcpy(grown, l->chunks, l->n_chunks * sizeof(*grown));
    l->chunks = grown;
    *room = more;
    return 0;
}

/* Appends a chunk to the list it continues. */
static int append_chunk(struct lists *ls, struct list *l, size_t *room, uint32_t first,
                        struct slice bytes)
{
    struct chunk c;

    if (!postings_head(first, bytes.data, bytes.len, &c) || first >= ls->next_document)
        return -EBADMSG;
    if (c.n > ls->postings_left) {
        ls->postings_left = 0;
        ls->cut = true;
        return 0;
    }
    int r = make_room(ls, l, room);
    if (r < 0)
        return r;
    l->chunks[l->n_chunks++] = c;
    l->n += c.n;
    l->most = c.n > l->most ? c.n : l->most;
    ls->postings_left -= c.n;
    return 0;
}

/* A list on its way: a run of postings, [at, end), and what follows it. */
struct cursor {
    const struct list *list;
    const struct posting *at, *end; /* equal: the list is at its end */
    size_t next;                    /* chunk */
    struct posting *buffer;         /* for a chunk's postings */
};

/* Reads the next chunk. Its documents must lie before those of the one after it. */
static int cursor_refill(const struct lists *ls, struct cursor *c)
{
    if (c->next == c->list->n_chunks)
        return 0;
    const struct chunk *chunk = &c->list->chunks[c->next++];
    uint32_t past =
        c->next < c->list->n_chunks ? c->list->chunks[c->next].first : ls->next_document;
    int r = postings_read(chunk, c->buffer);
    if (r < 0)
        return r;
    c->at = c->buffer;
    c->end = c->buffer + chunk->n;
    return c->end[-1].doc < past ? 0 : -EBADMSG;
}

static int cursor_begin(struct lists *ls, const struct list *l, struct cursor *ret)
{
    *ret = (struct cursor) { .list = l, .at = l->postings, .end = l->postings };
    if (l->n_chunks == 0) {
        ret->end = l->postings ? l->postings + l->n : NULL;
        return 0;
    }
    ret->buffer = arena_alloc(ls->work, l->most * sizeof(struct posting));
    return ret->buffer ? cursor_refill(ls, ret) : -ENOMEM;
}

/* Moves on to the first posting at or after `doc`; chunks that end before it are not read. */
static int cursor_seek(const struct lists *ls, struct cursor *c, uint32_t doc)
{
    const struct list *l = c->list;

    for (;;) {
        /* Ever longer steps, then back by halves: of a list much longer than the others few postings are looked at. */
        size_t step = 1;
        for (; (size_t)(c->end - c->at) > step && c->at[step].doc < doc; step *= 2)
            c->at += step;
        for (; step > 0; step /= 2)
            if ((size_t)(c->end - c->at) > step && c->at[step].doc < doc)
                c->at += step;
        if (c->at < c->end && c->at->doc < doc)
            c->at++;
        if (c->at < c->end || c->next == l->n_chunks)
            return 0;
        while (c->next + 1 < l->n_chunks && l->chunks[c->next + 1].first <= doc)
            c->next++;
        int r = cursor_refill(ls, c);
        if (r < 0)
            return r;
    }
}

static uint8_t weigh(uint8_t impact, uint32_t percent)
{
    unsigned weighed = impact * percent / SAME;

    return (uint8_t)(weighed ? weighed : 1);
}

/* The list as postings that count in full. */
static int expand(struct lists *ls, const struct list *l, struct list *ret)
{
    struct posting *out = arena_alloc(ls->work, l->n * sizeof(*out));
    size_t n = 0;

    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < l->n_chunks; n += l->chunks[i++].n) {
        int r = postings_read(&l->chunks[i], out + n);
        if (r < 0)
            return r;
        uint32_t past = i + 1 < l->n_chunks ? l->chunks[i + 1].first : ls->next_document;
        if (out[n + l->chunks[i].n - 1].doc >= past)
            return -EBADMSG;
    }
    if (l->n_chunks == 0 && l->n > 0)
        memcpy(out, l->postings, l->n * sizeof(*out));
    for (uint32_t i = 0; l->percent != SAME && i < l->n; i++)
        out[i].impact = weigh(out[i].impact, l->percent);
    *ret = (struct list) { .postings = out, .n = l->n, .percent = SAME };
    return 0;
}

/* Each document of either, with the larger impact. */
static int unite(struct lists *ls, const struct list *x, const struct list *y, struct list *ret)
{
    struct posting *out = arena_alloc(ls->work, ((size_t)x->n + y->n) * sizeof(*out));
    struct list a, b;
    uint32_t i = 0, j = 0, n = 0;

    int r = out ? expand(ls, x, &a) : -ENOMEM;
    if (r == 0)
        r = expand(ls, y, &b);
    if (r < 0)
        return r;
    while (i < a.n || j < b.n) {
        if (j == b.n || (i < a.n && a.postings[i].doc < b.postings[j].doc)) {
            out[n++] = a.postings[i++];
        } else if (i == a.n || b.postings[j].doc < a.postings[i].doc) {
            out[n++] = b.postings[j++];
        } else {
            out[n++] = a.postings[i].impact > b.postings[j].impact ? a.postings[i] : b.postings[j];
            i++, j++;
        }
    }
    *ret = (struct list) { .postings = out, .n = n, .documents = n, .percent = SAME };
    return 0;
}

/* The word and its variants as one list. */
static int flatten(struct lists *ls, const struct list *word, struct list *ret)
{
    struct list all;

    *ret = *word;
    for (const struct list *v = word->variant; v; v = v->variant) {
        int r = unite(ls, ret, v, &all);
        if (r < 0)
            return r;
        *ret = all;
    }
    return 0;
}

/* One variant's entries follow each other in the table. */
struct variant {
    uint8_t text[KEY_MAX];
    size_t len; /* with the zero after it */
    struct list list;
    size_t room;
    bool exact; /* others do not count */
};

/* Adds what was read of a variant to the word's list. */
static int close_variant(struct lists *ls, struct variant *v, const struct key *term,
                         size_t folded_len, struct list *word)
{
    size_t own_len = term->len - folded_len;
    bool same = v->len == own_len && memcmp(v->text, term->bytes + folded_len, own_len) == 0;
    bool without_dots = own_len == 1;

    if (v->list.n == 0 || (v->exact && !same))
        return 0;
    v->list.percent = same ? SAME : without_dots ? DOTS_LEFT_OUT : OTHER_DOTS;
    v->list.documents = v->list.n + word->documents;
    if (word->n > 0) {
        v->list.variant = arena_memdup(ls->work, word, sizeof(*word));
        if (!v->list.variant)
            return -ENOMEM;
    }
    *word = v->list;
    return 0;
}

/* Moves to the first term at or after `key`: one scan serves all words of the query. */
static bool seek_term(struct lists *ls, const struct key *key)
{
    if (ls->scanning)
        return scan_seek(&ls->terms, key);
    ls->scanning = true;
    scan_from(&ls->terms, ls->rd, &T_SEARCH_TERM, key, NULL);
    return scan_next(&ls->terms);
}

void lists_end(struct lists *ls)
{
    if (ls->scanning)
        (void)scan_end(&ls->terms); /* every reader of it has looked at its status */
}

static bool begins_with(struct slice key, const struct key *prefix)
{
    return key.len >= prefix->len && memcmp(key.data, prefix->bytes, prefix->len) == 0;
}

/* Reads all terms with this prefix of the key, variants of one folded stem; with `exact` none but the term itself. */
static int read_variants(struct lists *ls, const struct key *term, const struct key *prefix,
                         bool exact, struct list *ret)
{
    const size_t folded_len = prefix->len;
    struct variant v = { .exact = exact };
    unsigned variants = 0;
    struct scan *s = &ls->terms;
    int r = 0;

    bool there = seek_term(ls, prefix);
    for (; r == 0 && ls->postings_left > 0 && there && begins_with(s->key, prefix);
         there = scan_next(s)) {
        if (s->key.len < folded_len + 1 + sizeof(uint32_t)) {
            r = -EBADMSG;
            break;
        }
        const uint8_t *text = s->key.data + folded_len;
        size_t len = s->key.len - folded_len - sizeof(uint32_t);
        if (len != v.len || memcmp(text, v.text, len) != 0) {
            r = close_variant(ls, &v, term, folded_len, ret);
            if (r < 0 || ++variants > VARIANTS_MAX)
                break;
            memcpy(v.text, text, len);
            v.len = len;
            v.list = (struct list) { 0 };
            v.room = 0;
        }
        uint32_t first;
        memcpy(&first, text + len, sizeof(first));
        r = append_chunk(ls, &v.list, &v.room, __builtin_bswap32(first), s->value);
    }
    if (r == 0)
        r = s->status;
    if (r == 0 && variants <= VARIANTS_MAX)
        r = close_variant(ls, &v, term, folded_len, ret);
    return r;
}

int list_read(struct lists *ls, const char *word, struct list *ret)
{
    struct key term, prefix;
    size_t folded_len;

    *ret = (struct list) { 0 };
    if (ls->terms_left == 0) {
        ls->cut = true;
        return 0;
    }
    ls->terms_left--;
    search_term_key(word, &term, &folded_len);
    prefix = term;
    prefix.len = (uint16_t)folded_len;
    /* Who writes a word with its dots does not mean one without: "hår" is not "har". */
    bool exact = term.len > folded_len + 1 && text_is_known(word);
    int r = read_variants(ls, &term, &prefix, exact, ret);
    if (r < 0 || ret->n > 0)
        return r;
    /* Without its dots a word may look like an inflection: "liden" for "lidén", which is a stem. */
    for (const char *p = word; *p; p++)
        if ((uint8_t)*p >= 0x80)
            return 0;
    search_plain_key(word, &prefix);
    return exact || prefix.len == folded_len ? 0 : read_variants(ls, &prefix, &prefix, false, ret);
}

int list_intersect(struct lists *ls, const struct list *lists, size_t n, struct list *ret)
{
    struct cursor cursors[SEARCH_QUERY_WORDS];
    struct list flat[SEARCH_QUERY_WORDS];
    uint32_t least = 0, n_out = 0, doc = 0;
    int r = 0;

    *ret = (struct list) { 0 };
    if (n == 0)
        return 0;
    if (n > ARRAY_LEN(cursors))
        n = ARRAY_LEN(cursors);
    for (size_t i = 0; i < n; i++)
        if (lists[i].n == 0)
            return 0;
    for (uint32_t i = 0; i < n && r == 0; i++) {
        r = flatten(ls, &lists[i], &flat[i]);
        if (r == 0 && flat[i].n < flat[least].n)
            least = i;
    }
    struct posting *out = r == 0 ? arena_alloc(ls->work, flat[least].n * sizeof(*out)) : NULL;
    for (size_t i = 0; i < n && r == 0; i++)
        r = out ? cursor_begin(ls, &flat[i], &cursors[i]) : -ENOMEM;
    while (r == 0) {
        unsigned sum = 0;
        size_t have = 0;
        /* The shortest list leads; who lags behind catches up, and `doc` is where all would have to meet. */
        r = cursor_seek(ls, &cursors[least], doc);
        if (r < 0 || cursors[least].at == cursors[least].end)
            break;
        doc = cursors[least].at->doc;
        for (; have < n && r == 0; have++) {
            struct cursor *c = &cursors[have];
            r = cursor_seek(ls, c, doc);
            if (r < 0 || c->at == c->end || c->at->doc != doc)
                break;
            sum += weigh(c->at->impact, c->list->percent);
        }
        if (have == n)
            out[n_out++] = (struct posting) { doc, (uint8_t)(sum / n) };
        if (have < n && r == 0 && cursors[have].at == cursors[have].end)
            break;
        if (doc == UINT32_MAX)
            break;
        doc++;
    }
    if (r == 0)
        *ret = (struct list) { .postings = out, .n = n_out, .documents = n_out, .percent = SAME };
    return r;
}

/* ---- ranking ---- */

/* The scores of one window, and of how many groups they are; 0 where there is no document. */
struct window {
    float score[WINDOW];
    uint8_t groups[WINDOW];
};

struct best {
    struct ranked *heap; /* the worst on top */
    size_t n, wanted;
};

static bool is_worse(const struct ranked *a, const struct ranked *b)
{
    return a->score != b->score ? a->score < b->score : a->doc > b->doc;
}

static void sift_down(struct ranked *heap, size_t n, size_t at)
{
    struct ranked moving = heap[at];

    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && is_worse(&heap[child + 1], &heap[child]))
            child++;
        if (!is_worse(&heap[child], &moving))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

static void offer(struct best *b, struct ranked r)
{
    if (b->n < b->wanted) {
        size_t at = b->n++;
        for (; at > 0 && is_worse(&r, &b->heap[(at - 1) / 2]); at = (at - 1) / 2)
            b->heap[at] = b->heap[(at - 1) / 2];
        b->heap[at] = r;
    } else if (b->n > 0 && is_worse(&b->heap[0], &r)) {
        b->heap[0] = r;
        sift_down(b->heap, b->n, 0);
    }
}

/* The best first, by taking the worst off the heap again and again. */
static void sort_best(struct best *b)
{
    for (size_t n = b->n; n > 1; n--) {
        struct ranked worst = b->heap[0];
        b->heap[0] = b->heap[n - 1];
        sift_down(b->heap, n - 1, 0);
        b->heap[n - 1] = worst;
    }
}

static bool has(const struct document_set *set, uint32_t doc)
{
    return set->bits[doc / 64] >> doc % 64 & 1;
}

/* A document's score with its boosts, into the heap if it is among the best. */
static void consider(struct best *b, const struct ranking *k, uint32_t doc, float score)
{
    for (size_t i = 0; i < k->n_boosts; i++)
        if (has(&k->boost_sets[i], doc))
            score *= (float)k->boosts[i].percent / 100.0F;
    offer(b, (struct ranked) { score, doc });
}

/* The score that no boost can lift above the worst of the best: who comes later and has no more need not be considered. */
static float bar(const struct best *b, const struct ranking *k)
{
    float most = 1.0F;

    if (b->n < b->wanted)
        return -1.0F;
    if (b->n == 0)
        return INFINITY; /* only counting */
    for (size_t i = 0; i < k->n_boosts; i++)
        if (k->boosts[i].percent > 100)
            most *= (float)k->boosts[i].percent / 100.0F;
    return b->heap[0].score / most;
}

/* Adds one list's part of the window that begins at `start`: to the sums, or where only a document's best list counts, to the
 * largest. Nothing here branches on what was there before. */
static inline int take_list(const struct lists *ls, struct window *w, struct cursor *c,
                            uint32_t start, bool add)
{
    const float factor = c->list->factor;

    while (c->at < c->end && c->at->doc - start < WINDOW) {
        const struct posting *p = c->at;
        for (; p < c->end && p->doc - start < WINDOW; p++) {
            uint32_t slot = p->doc - start;
            float score = (float)p->impact * factor;
            w->score[slot] = add                      ? w->score[slot] + score
                             : score > w->score[slot] ? score
                                                      : w->score[slot];
            w->groups[slot] = add ? (uint8_t)(w->groups[slot] + 1) : 1;
        }
        c->at = p;
        int r = p == c->end ? cursor_refill(ls, c) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_list(const struct lists *ls, struct window *w, struct cursor *c, uint32_t start)
{
    return take_list(ls, w, c, start, true);
}

static int max_list(const struct lists *ls, struct window *w, struct cursor *c, uint32_t start)
{
    return take_list(ls, w, c, start, false);
}

/* Which of 64 places hold a document, as bits. */
static uint64_t used_places(const uint8_t groups[64])
{
    uint64_t used = 0;

    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t eight = packed_load64(groups + i);
        /* No count is above 127, so that adding 127 sets a byte's highest bit unless it is 0; the product gathers these bits. */
        uint64_t high = (eight + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7 & UINT64_C(0x0101010101010101);
        used |= (high * UINT64_C(0x0102040810204080) >> 56) << i;
    }
    return used;
}

static void empty_places(struct window *w, uint32_t first)
{
    memset(w->score + first, 0, 64 * sizeof(w->score[0]));
    memset(w->groups + first, 0, 64);
}

/* Adds the best of a group's lists to the sums, and empties them. */
static void add_group(struct window *sums, struct window *group)
{
    for (uint32_t i = 0; i < WINDOW; i += 64) {
        uint64_t used = used_places(group->groups + i);
        if (!used)
            continue;
        for (uint32_t k = i; k < i + 64; k++) {
            sums->score[k] += group->score[k];
            sums->groups[k] = (uint8_t)(sums->groups[k] + group->groups[k]);
        }
        empty_places(group, i);
    }
}

/* The first window that any list has something in; false: none is left. */
static bool next_window(const struct cursor *cursors, size_t n, uint32_t *ret_start)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < n; i++)
        if (cursors[i].at < cursors[i].end && cursors[i].at->doc < least)
            least = cursors[i].at->doc;
    *ret_start = least / WINDOW * WINDOW;
    return least != UINT32_MAX;
}

static int fill_window(const struct lists *ls, const struct ranking *k, struct cursor *cursors,
                       uint32_t start, struct window *sums, struct window *group)
{
    struct cursor *c = cursors;
    int r = 0;

    for (size_t g = 0; g < k->n_groups && r == 0; g++) {
        size_t n = k->groups[g].n;
        if (n == 1)
            r = add_list(ls, sums, c, start);
        if (n > 1 && k->n_groups == 1) {
            for (size_t i = 0; i < n && r == 0; i++)
                r = max_list(ls, sums, &c[i], start);
        } else if (n > 1) {
            for (size_t i = 0; i < n && r == 0; i++)
                r = max_list(ls, group, &c[i], start);
            add_group(sums, group);
        }
        c += n;
    }
    return r;
}

/* `share` tells what the sum counts of a document that has so many of the words. Empties the window. */
static void rank_window(const struct ranking *k, struct window *sums, uint32_t start,
                        const float *share, struct best *b, uint32_t *total)
{
    float least = bar(b, k);

    for (uint32_t i = 0; i < WINDOW; i += 64) {
        uint64_t left = used_places(sums->groups + i);
        unsigned above = 0;
        if (!left)
            continue;
        if (k->matches)
            k->matches->bits[(start + i) / 64] |= left;
        if (k->pass)
            left &= k->pass->bits[(start + i) / 64];
        *total += (uint32_t)__builtin_popcountll(left);
        /* A share is at most 1: where no sum is enough, and soon that is so nearly everywhere, no score is. */
        for (uint32_t at = i; at < i + 64; at++)
            above |= sums->score[at] > least;
        for (; above && left; left &= left - 1) {
            uint32_t slot = i + (uint32_t)__builtin_ctzll(left);
            float score = sums->score[slot] * share[sums->groups[slot]];
            if (score > least) {
                consider(b, k, start + slot, score);
                least = bar(b, k);
            }
        }
        empty_places(sums, i);
    }
}

static int rank_groups(struct lists *ls, const struct ranking *k, struct best *b, uint32_t *total)
{
    struct window *windows = arena_calloc(ls->work, 2, sizeof(*windows));
    float share[SEARCH_QUERY_WORDS + 1];
    size_t n = 0, i = 0;
    uint32_t start;
    int r = 0;

    for (size_t g = 0; g < k->n_groups; g++)
        n += k->groups[g].n;
    for (size_t g = 0; g <= k->n_groups; g++)
        share[g] = (float)g / (float)k->n_groups; /* two words of three: two thirds of the sum */
    struct cursor *cursors = arena_calloc(ls->work, n + 1, sizeof(*cursors));
    if (!windows || !cursors)
        return -ENOMEM;
    for (size_t g = 0; g < k->n_groups; g++)
        for (size_t j = 0; j < k->groups[g].n && r == 0; j++)
            r = cursor_begin(ls, &k->groups[g].lists[j], &cursors[i++]);
    while (r == 0 && next_window(cursors, n, &start)) {
        r = fill_window(ls, k, cursors, start, &windows[0], &windows[1]);
        if (r == 0)
            rank_window(k, &windows[0], start, share, b, total);
    }
    return r;
}

/* One list of chunks and nothing to filter: a chunk whose largest impact is not enough is counted and left out. */
static int rank_chunks(struct lists *ls, const struct ranking *k, const struct list *l,
                       struct best *b, uint32_t *total)
{
    struct cursor c;
    int r = cursor_begin(ls, l, &c);

    for (c.next = 0; r == 0 && c.next < l->n_chunks;) {
        const struct chunk *chunk = &l->chunks[c.next];
        float least = bar(b, k);
        *total += chunk->n;
        if ((float)chunk->largest * l->factor <= least) {
            c.next++;
            continue;
        }
        r = cursor_refill(ls, &c);
        for (; r == 0 && c.at < c.end; c.at++) {
            float score = (float)c.at->impact * l->factor;
            if (score > least) {
                consider(b, k, c.at->doc, score);
                least = bar(b, k);
            }
        }
    }
    return r;
}

static void rank_all(const struct ranking *k, struct best *b, uint32_t *total)
{
    for (uint32_t i = 0; i < k->pass->n_words; i++) {
        *total += (uint32_t)__builtin_popcountll(k->pass->bits[i]);
        for (uint64_t left = k->pass->bits[i]; left; left &= left - 1)
            if (1.0F > bar(b, k))
                consider(b, k, i * 64 + (uint32_t)__builtin_ctzll(left), 1.0F);
    }
}

int list_rank(struct lists *ls, const struct ranking *k, struct ranked *ret, size_t *ret_n,
              uint32_t *ret_total)
{
    struct best b = { .heap = ret, .wanted = k->wanted };
    bool plain = k->n_groups == 1 && k->groups[0].n == 1 && k->groups[0].lists[0].n_chunks > 0 &&
                 !k->pass && !k->matches;
    int r = 0;

    *ret_total = 0;
    if (plain)
        r = rank_chunks(ls, k, &k->groups[0].lists[0], &b, ret_total);
    else if (k->n_groups > 0)
        r = rank_groups(ls, k, &b, ret_total);
    else
        rank_all(k, &b, ret_total);
    sort_best(&b);
    *ret_n = b.n;
    return r;
}
