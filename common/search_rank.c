/* search_rank.c - counts the documents that a query's lists hold, and finds the best of them.
 *
 * How many there are, each posting tells by its document alone: lists are read into bitmaps, one for each word of the query. Which
 * are the best, few postings tell. A chunk says what it can be worth at most; and of several words, the bitmaps say which documents
 * have how many. Those that have most of them come first, and once the best of these are worth more than fewer words can be, the
 * rest need no scores: the long lists of frequent words are counted, but hardly read.
 *
 * Of the word that can be worth most, only documents are looked at that are worth enough for it: those among a frequent word's that
 * stand out are few, and told by their chunk's other impacts without reading it.
 *
 * Scores are the same whatever is left out, bit for bit: a bound is made by the additions and multiplications that make a score, in
 * their order, so rounding cannot lift a score above it. Where the order must differ, a bound is taken a little higher. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/bits.h"
#include "common/search_lists.h"

enum {
    BATCH = 32,    /* documents that get their scores together */
    AT_ONCE = 16,  /* words of bits that are looked through */
    LOOKED_AT = 4, /* lists of a word of whose chunks the bounds are looked at */
};
#define A_LITTLE_HIGHER 1.00001F

/* ---- the best ---- */

struct best {
    struct ranked *heap; /* the worst on top */
    size_t n, wanted;
    const struct ranking *ranking;
    float most_boosted; /* what boosts can make of a score of 1 */
    struct document_set
        *held; /* NULL, or who is in the heap: then a document may be offered again */
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

static void flip(struct document_set *set, uint32_t doc)
{
    set->bits[doc / 64] ^= UINT64_C(1) << doc % 64;
}

/* A document that is in the heap is worth more than it seemed. */
static void lift(struct best *b, struct ranked r)
{
    size_t at = 0;

    while (at < b->n && b->heap[at].doc != r.doc)
        at++;
    if (at < b->n && is_worse(&b->heap[at], &r)) {
        b->heap[at] = r;
        sift_down(b->heap, b->n, at);
    }
}

static void offer(struct best *b, struct ranked r)
{
    bool full = b->n == b->wanted;

    if (b->held && document_set_has(b->held, r.doc)) {
        lift(b, r);
        return;
    }
    if (b->wanted == 0 || (full && !is_worse(&b->heap[0], &r)))
        return;
    if (b->held) {
        if (full)
            flip(b->held, b->heap[0].doc);
        flip(b->held, r.doc);
    }
    if (full) {
        b->heap[0] = r;
        sift_down(b->heap, b->n, 0);
        return;
    }
    size_t at = b->n++;
    for (; at > 0 && is_worse(&r, &b->heap[(at - 1) / 2]); at = (at - 1) / 2)
        b->heap[at] = b->heap[(at - 1) / 2];
    b->heap[at] = r;
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

/* Whether documents from `doc` on, worth `most` before boosts, may be among the best. */
static bool may_rank(const struct best *b, float most, uint32_t doc)
{
    if (b->n < b->wanted || b->wanted == 0)
        return b->wanted > 0;
    most *= b->most_boosted;
    return most > b->heap[0].score || (most == b->heap[0].score && doc < b->heap[0].doc);
}

/* The least impact in the list with which a document may be among the best, when all else gives it `rest`; 256: none is enough. */
static unsigned least_impact(const struct best *b, const struct list *l, float rest, float share)
{
    unsigned least = 1, past = UINT8_MAX + 1;

    while (least < past) {
        unsigned middle = (least + past) / 2;
        if (may_rank(b, ((float)middle * l->factor + rest) * share * A_LITTLE_HIGHER, 0))
            past = middle;
        else
            least = middle + 1;
    }
    return least;
}

/* Offers a document with its score and its boosts, if it passes. */
static void consider(struct best *b, uint32_t doc, float score)
{
    const struct ranking *k = b->ranking;

    if (!may_rank(b, score, doc) || (k->pass && !document_set_has(k->pass, doc)))
        return;
    for (size_t i = 0; i < k->n_boosts; i++)
        if (document_set_has(&k->boost_sets[i], doc))
            score *= (float)k->boosts[i].percent / 100.0F;
    offer(b, (struct ranked) { score, doc });
}

static float most_boosted(const struct ranking *k)
{
    float most = 1.0F;

    for (size_t i = 0; i < k->n_boosts; i++)
        if (k->boosts[i].percent > 100)
            most *= (float)k->boosts[i].percent / 100.0F;
    return most > 1.0F ? most * A_LITTLE_HIGHER : most;
}

/* ---- words ---- */

/* A group with what the ranking knows of it. */
struct word {
    const struct list *lists;
    struct reader *readers; /* of each list, for scores; */
    size_t *looked;         /* the chunk where the document is that is looked at; */
    size_t *marked; /* and how many of the first chunks or postings are marked in several.able */
    size_t n;
    bool aside;
    struct document_set has; /* who is in any of the lists */
    float most;              /* what a document is worth for it, at most */
};

static uint8_t largest_impact(const struct list *l)
{
    uint8_t largest = 0;

    for (size_t i = 0; i < l->n_chunks; i++)
        largest = l->chunks[i].largest > largest ? l->chunks[i].largest : largest;
    for (uint32_t i = 0; l->n_chunks == 0 && i < l->n; i++)
        largest = l->postings[i].impact > largest ? l->postings[i].impact : largest;
    return largest;
}

/* How many postings the largest chunk of all lists has. */
static uint32_t largest_chunk(const struct ranking *k)
{
    uint32_t most = 1;

    for (size_t g = 0; g < k->n_groups; g++)
        for (size_t i = 0; i < k->groups[g].n; i++)
            most = k->groups[g].lists[i].most > most ? k->groups[g].lists[i].most : most;
    return most;
}

static int word_begin(struct lists *ls, const struct group *g, struct word *ret)
{
    *ret = (struct word) { .lists = g->lists, .n = g->n, .aside = g->aside };
    ret->readers = arena_calloc(ls->work, g->n + 1, sizeof(*ret->readers));
    ret->looked = arena_calloc(ls->work, 2 * (g->n + 1), sizeof(*ret->looked));
    ret->marked = ret->looked ? ret->looked + g->n + 1 : NULL;
    int r = ret->readers && ret->looked ? document_set_make(ls, &ret->has) : -ENOMEM;
    for (size_t i = 0; i < g->n && r == 0; i++) {
        float most = (float)largest_impact(&g->lists[i]) * g->lists[i].factor;
        ret->most = most > ret->most ? most : ret->most;
        ret->readers[i].list = &g->lists[i];
        r = list_mark(ls, &g->lists[i], &ret->has);
    }
    return r;
}

/* Counts who is in any word; notes them as the matches. Plain loops over arrays, which the compiler takes several words at a time. */
static int count_words(struct lists *ls, const struct ranking *k, const struct word *words,
                       uint32_t *total)
{
    struct document_set own, *any = k->matches ? k->matches : &own;
    int r = k->matches ? 0 : document_set_make(ls, &own);

    if (r < 0)
        return r;
    const uint32_t n = any->n_words;
    for (size_t w = 0; w < k->n_groups; w++)
        for (uint32_t i = 0; i < n; i++)
            any->bits[i] |= words[w].has.bits[i];
    *total = bits_count_both(any->bits, k->pass ? k->pass->bits : any->bits, n);
    return 0;
}

/* ---- several words ---- */

/* The words of a query, and what goes on with them. */
struct several {
    const struct lists *ls;
    struct best *best;
    struct word *words;
    struct word *by_most[SEARCH_QUERY_WORDS];        /* who can be worth most first, */
    const uint64_t *has_by_most[SEARCH_QUERY_WORDS]; /* and their bits */
    const uint64_t *counted[SEARCH_QUERY_WORDS];     /* the bits of those that are no asides */
    size_t n, n_counted;
    struct document_set able; /* who is worth enough for the word that leads */
    struct posting *buffer;   /* for a chunk's */
    uint32_t n_bits;          /* of 64 documents each */
    uint32_t docs[BATCH];     /* ascending; */
    size_t n_docs;
    float
        most[BATCH]; /* what each can be worth, before its share and boosts; below 0: not enough; */
    float worth[SEARCH_QUERY_WORDS][BATCH]; /* what it is, or can be, worth for each word */
};

/* What a document that has the word can be worth for it. Of a few lists their chunks tell. */
static float most_here(struct word *w, uint32_t doc)
{
    float most = 0;

    if (w->n > LOOKED_AT)
        return w->most;
    for (size_t i = 0; i < w->n; i++) {
        const struct list *l = &w->lists[i];
        size_t *at = &w->looked[i];
        if (l->n_chunks == 0)
            return w->most;
        while (*at + 1 < l->n_chunks && l->chunks[*at + 1].first <= doc)
            ++*at;
        float here = (float)l->chunks[*at].largest * l->factor;
        most = here > most ? here : most;
    }
    return most;
}

/* What the batch's documents are worth for a word: what the best of its lists gives. Who is too far behind by then is left out. */
static int score_word(struct several *s, struct word *w, float share)
{
    float *worth = s->worth[w - s->words];
    uint8_t impact;

    for (size_t i = 0; i < s->n_docs; i++) {
        const float could = worth[i];
        if (could == 0)
            continue;
        if (!may_rank(s->best, s->most[i] * share * A_LITTLE_HIGHER, s->docs[i]))
            s->most[i] = -1;
        if (s->most[i] < 0)
            continue;
        worth[i] = 0;
        for (size_t l = 0; l < w->n; l++) {
            int r = reader_impact(&w->readers[l], s->docs[i], &impact);
            if (r < 0)
                return r;
            float one = (float)impact * w->lists[l].factor;
            worth[i] = one > worth[i] ? one : worth[i];
        }
        s->most[i] -= could - worth[i];
    }
    return 0;
}

static int take_batch(struct several *s, float share)
{
    for (size_t w = 0; w < s->n; w++) {
        int r = score_word(s, s->by_most[w], share);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < s->n_docs; i++) {
        float sum = 0;
        for (size_t w = 0; w < s->n; w++)
            sum += s->worth[w][i];
        if (s->most[i] >= 0)
            consider(s->best, s->docs[i], sum * share);
    }
    s->n_docs = 0;
    return 0;
}

/* Puts a document into the batch, unless even what it can be worth by its words is not enough. */
static void look_at(struct several *s, uint32_t doc, float share)
{
    const size_t i = s->n_docs;
    float most = 0;

    for (size_t w = 0; w < s->n; w++)
        most += s->worth[w][i] =
            document_set_has(&s->words[w].has, doc) ? most_here(&s->words[w], doc) : 0;
    if (!may_rank(s->best, most * share, doc))
        return;
    s->docs[i] = doc;
    s->most[i] = most;
    s->n_docs++;
}

/* Which of 64 documents have exactly so many of the words, asides not counted: each document's count is a number across these integers'
 * bits. */
static uint64_t with_exactly(const struct several *s, size_t n_words, uint32_t at)
{
    uint64_t ones = 0, twos = 0, fours = 0, eights = 0, sixteens = 0;

    for (size_t w = 0; w < s->n_counted; w++) {
        uint64_t one = s->counted[w][at], two = ones & one;
        ones ^= one;
        uint64_t four = twos & two;
        twos ^= two;
        if (s->n_counted < 4)
            continue;
        uint64_t eight = fours & four;
        fours ^= four;
        sixteens |= eights & eight;
        eights ^= eight;
    }
    return (n_words & 1 ? ones : ~ones) & (n_words & 2 ? twos : ~twos) &
           (n_words & 4 ? fours : ~fours) & (n_words & 8 ? eights : ~eights) &
           (n_words & 16 ? sixteens : ~sixteens);
}

/* Of so many words, and asides, what those from this one on, in order of what they can be worth, can be worth together. Below 0: there
 * are not so many. */
static float most_from(const struct several *s, size_t from, size_t n_words)
{
    float most = 0;

    for (size_t w = from; w < s->n; w++) {
        if (!s->by_most[w]->aside && n_words == 0)
            continue;
        n_words -= !s->by_most[w]->aside;
        most += s->by_most[w]->most;
    }
    return n_words > 0 ? -1 : most;
}

static void rewind_words(struct several *s)
{
    for (size_t w = 0; w < s->n; w++) {
        for (size_t l = 0; l < s->words[w].n; l++) {
            s->words[w].looked[l] = s->words[w].marked[l] = 0;
            s->words[w].readers[l] = (struct reader) { .list = &s->words[w].lists[l] };
        }
    }
}

static int mark_able_of_chunk(struct several *s, const struct list *l, size_t chunk, unsigned least)
{
    struct chunk *c = &l->chunks[chunk];
    uint32_t n;

    if (least > c->largest)
        return 0;
    if (least <= c->common)
        return postings_mark(c, list_chunk_end(s->ls, l, chunk), s->able.bits);
    int r = list_chunk_read_from(s->ls, l, chunk, (uint8_t)least, s->buffer, &n);
    for (uint32_t i = 0; r == 0 && i < n; i++)
        document_set_add(&s->able, s->buffer[i].doc);
    return r;
}

/* Marks the leader's documents that may be among the best when the other words give them `rest`, in all chunks that begin before
 * `past`. What the best are worth grows on the way, so the rest waits. *ret_next: where it begins. */
static int mark_able(struct several *s, struct word *leader, uint32_t past, float rest, float share,
                     uint32_t *ret_next)
{
    int r = 0;

    *ret_next = UINT32_MAX;
    for (size_t i = 0; i < leader->n && r == 0; i++) {
        const struct list *l = &leader->lists[i];
        size_t *at = &leader->marked[i];
        unsigned least = 0;
        uint32_t next = UINT32_MAX;
        for (; *at < l->n_chunks && (next = l->chunks[*at].first) < past && r == 0; ++*at) {
            least = least ? least : least_impact(s->best, l, rest, share);
            r = mark_able_of_chunk(s, l, *at, least);
        }
        for (; l->n_chunks == 0 && *at < l->n && (next = l->postings[*at].doc) < past; ++*at) {
            least = least ? least : least_impact(s->best, l, rest, share);
            if (l->postings[*at].impact >= least)
                document_set_add(&s->able, l->postings[*at].doc);
        }
        *ret_next = next >= past && next < *ret_next ? next : *ret_next;
    }
    return r;
}

/* Looks at those of 64 documents that are worth enough for the leader, have none of the words that can be worth more, exactly so many
 * words in all, and pass. */
static int look_at_64(struct several *s, uint32_t at, size_t n_words, size_t leader, float share)
{
    const struct document_set *pass = s->best->ranking->pass;
    uint64_t led = s->able.bits[at];
    int r = 0;

    s->able.bits[at] = 0; /* it is as empty in the end as it was */
    for (size_t w = 0; w < leader; w++)
        led &= ~s->has_by_most[w][at];
    led &= pass ? pass->bits[at] : led;
    for (led &= with_exactly(s, n_words, at); led && r == 0; led &= led - 1) {
        look_at(s, at * 64 + (uint32_t)__builtin_ctzll(led), share);
        if (s->n_docs == BATCH)
            r = take_batch(s, share);
    }
    return r;
}

/* The first 64 documents from these on, and before `stop`, of which some are able. */
static uint32_t next_able(const struct several *s, uint32_t at, uint32_t stop)
{
    const uint64_t *bits = s->able.bits;

    for (uint64_t any = 0; at + AT_ONCE <= stop; at += AT_ONCE) {
        for (unsigned i = 0; i < AT_ONCE; i++)
            any |= bits[at + i];
        if (any)
            break;
    }
    while (at < stop && !bits[at])
        at++;
    return at;
}

/* Ranks the documents that have exactly so many of the words, and of these this one can be worth most. */
static int rank_led(struct several *s, size_t n_words, size_t leader, float share)
{
    struct word *w = s->by_most[leader];
    const float rest = most_from(s, leader + 1, n_words - !w->aside);
    int r = 0;

    rewind_words(s);
    for (uint32_t at = 0, next; r == 0 && at < s->n_bits;) {
        r = mark_able(s, w, w->n > LOOKED_AT ? UINT32_MAX : at * 64 + 64, rest, share, &next);
        const uint32_t stop = next / 64 < s->n_bits ? next / 64 : s->n_bits;
        while (r == 0 && (at = next_able(s, at, stop)) < stop)
            r = look_at_64(s, at, n_words, leader, share);
    }
    return r < 0 ? r : take_batch(s, share);
}

/* Ranks the documents that have exactly so many of the words. False in `ret_more`: fewer words are not worth enough. */
static int rank_with(struct several *s, size_t n_words, bool *ret_more)
{
    /* Two words of three: two thirds of the sum. Asides alone: half of what one word gives. */
    const float words = n_words > 0 ? (float)n_words : 0.5F;
    const float share = words / (float)s->n_counted;
    size_t leader = 0;
    int r = 0;

    for (; leader < s->n && r == 0; leader++) {
        const float most = most_from(s, leader, n_words);
        if (most < 0 || !may_rank(s->best, most * share * A_LITTLE_HIGHER, 0))
            break;
        if (n_words > 0 || s->by_most[leader]->aside)
            r = rank_led(s, n_words, leader, share);
    }
    *ret_more = leader > 0;
    return r;
}

static int rank_several(struct lists *ls, const struct ranking *k, struct best *b, uint32_t *total)
{
    struct several s = { .ls = ls, .best = b, .n = k->n_groups };
    bool more = true;
    int r = 0;

    s.words = arena_calloc(ls->work, k->n_groups, sizeof(*s.words));
    if (!s.words)
        return -ENOMEM;
    for (size_t w = 0; w < s.n && r == 0; w++) {
        r = word_begin(ls, &k->groups[w], &s.words[w]);
        size_t at = w;
        for (; at > 0 && s.by_most[at - 1]->most < s.words[w].most; at--)
            s.by_most[at] = s.by_most[at - 1];
        s.by_most[at] = &s.words[w];
    }
    for (size_t w = 0; w < s.n && r == 0; w++) {
        s.has_by_most[w] = s.by_most[w]->has.bits;
        if (!s.by_most[w]->aside)
            s.counted[s.n_counted++] = s.has_by_most[w];
    }
    s.n_bits = s.words[0].has.n_words;
    s.buffer = arena_alloc(ls->work, largest_chunk(k) * sizeof(*s.buffer));
    if (r == 0)
        r = s.buffer ? document_set_make(ls, &s.able) : -ENOMEM;
    if (r == 0)
        r = count_words(ls, k, s.words, total);
    const size_t least = s.n_counted < s.n ? 0 : 1;
    for (size_t n = s.n_counted + 1; n-- > least && r == 0 && more;)
        r = rank_with(&s, n, &more);
    return r;
}

/* ---- one word ---- */

/* A document is worth what the best of the word's lists gives, so each list may be gone through by itself; and of a list only
 * the chunks that can hold one of the best. */
static int rank_list(const struct lists *ls, struct best *b, const struct list *l,
                     struct posting *buffer)
{
    for (size_t i = 0; i < l->n_chunks; i++) {
        const struct chunk *c = &l->chunks[i];
        uint32_t n;
        if (!may_rank(b, (float)c->largest * l->factor, c->first))
            continue;
        unsigned least = least_impact(b, l, 0, 1.0F);
        int r = list_chunk_read_from(ls, l, i, (uint8_t)least, buffer, &n);
        if (r < 0)
            return r;
        for (uint32_t j = 0; j < n; j++)
            consider(b, buffer[j].doc, (float)buffer[j].impact * l->factor);
    }
    for (uint32_t i = 0; l->n_chunks == 0 && i < l->n; i++)
        consider(b, l->postings[i].doc, (float)l->postings[i].impact * l->factor);
    return 0;
}

static int count_one(struct lists *ls, const struct ranking *k, uint32_t *total)
{
    const struct group *g = &k->groups[0];
    struct word word = { .n = g->n };

    if (g->n == 1 && !k->pass && !k->matches) {
        *total = g->lists[0].n;
        return 0;
    }
    int r = document_set_make(ls, &word.has);
    for (size_t i = 0; i < g->n && r == 0; i++)
        r = list_mark(ls, &g->lists[i], &word.has);
    if (r == 0)
        r = count_words(ls, k, &word, total);
    return r;
}

static int rank_one(struct lists *ls, const struct ranking *k, struct best *b, uint32_t *total)
{
    const struct group *g = &k->groups[0];
    struct document_set held;
    struct posting *buffer = arena_alloc(ls->work, largest_chunk(k) * sizeof(*buffer));
    int r = buffer ? count_one(ls, k, total) : -ENOMEM;
    if (r == 0 && g->n > 1) {
        r = document_set_make(ls, &held);
        b->held = &held;
    }
    for (size_t i = 0; i < g->n && r == 0; i++)
        r = rank_list(ls, b, &g->lists[i], buffer);
    b->held = NULL;
    return r;
}

/* ---- all together ---- */

static void rank_all(const struct ranking *k, struct best *b, uint32_t *total)
{
    *total = bits_count_both(k->pass->bits, k->pass->bits, k->pass->n_words);
    for (uint32_t i = 0; i < k->pass->n_words; i++)
        for (uint64_t left = k->pass->bits[i]; left && may_rank(b, 1.0F, i * 64); left &= left - 1)
            consider(b, i * 64 + (uint32_t)__builtin_ctzll(left), 1.0F);
}

int list_rank(struct lists *ls, const struct ranking *k, struct ranked *ret, size_t *ret_n,
              uint32_t *ret_total)
{
    struct best b = {
        .heap = ret, .wanted = k->wanted, .ranking = k, .most_boosted = most_boosted(k)
    };
    int r = 0;

    *ret_total = 0;
    if (k->n_groups > 1)
        r = rank_several(ls, k, &b, ret_total);
    else if (k->n_groups == 1)
        r = rank_one(ls, k, &b, ret_total);
    else
        rank_all(k, &b, ret_total);
    sort_best(&b);
    *ret_n = b.n;
    return r;
}
