/* search_lists.c - reads postings, combines them, and ranks documents.
 *
 * Ranking goes through the documents a window of 4096 at a time: each list adds its part of the window to an array that stays
 * in the processor's cache, bits tell which entries are in use, and the best are kept in a heap. So two postings or two
 * hundred thousand take the same way, and memory for scores does not grow with the index. */
#include "common/search_lists.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum {
    WINDOW = 4096,
    WINDOW_WORDS = WINDOW / 64,
    FIRST_ROOM = 256,
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

static int make_room(struct lists *ls, struct list *l, size_t *room, size_t needed)
{
    if (needed <= *room)
        return 0;
    size_t more = *room ? *room : FIRST_ROOM;
    while (more < needed)
        more *= 2;
    struct posting *grown = arena_alloc(ls->work, more * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    if (l->n > 0)
        memcpy(grown, l->postings, l->n * sizeof(*grown));
    l->postings = grown;
    *room = more;
    return 0;
}

/* Appends a chunk to the list it continues. */
static int append_chunk(struct lists *ls, struct list *l, size_t *room, uint32_t first,
                        struct slice bytes)
{
    size_t most = postings_most(bytes.len);

    if (most > ls->postings_left) {
        most = ls->postings_left;
        ls->cut = true;
    }
    int r = make_room(ls, l, room, l->n + most);
    if (r < 0)
        return r;
    if (l->n > 0 && l->postings[l->n - 1].doc >= first)
        return -EBADMSG;
    r = postings_read(first, bytes.data, bytes.len, l->postings + l->n, most);
    if (r < 0)
        return r;
    l->n += (uint32_t)r;
    ls->postings_left -= (uint32_t)r;
    return l->n > 0 && l->postings[l->n - 1].doc >= ls->next_document ? -EBADMSG : 0;
}

static void weigh(struct list *l, unsigned percent)
{
    for (uint32_t i = 0; percent != SAME && i < l->n; i++) {
        unsigned impact = l->postings[i].impact * percent / 100;
        l->postings[i].impact = (uint8_t)(impact ? impact : 1);
    }
}

/* Each document of either, with the larger impact. */
static int unite(struct lists *ls, const struct list *a, const struct list *b, struct list *ret)
{
    struct posting *out = arena_alloc(ls->work, ((size_t)a->n + b->n) * sizeof(*out));
    uint32_t i = 0, j = 0, n = 0;

    if (!out)
        return -ENOMEM;
    while (i < a->n || j < b->n) {
        if (j == b->n || (i < a->n && a->postings[i].doc < b->postings[j].doc)) {
            out[n++] = a->postings[i++];
        } else if (i == a->n || b->postings[j].doc < a->postings[i].doc) {
            out[n++] = b->postings[j++];
        } else {
            out[n++] =
                a->postings[i].impact > b->postings[j].impact ? a->postings[i] : b->postings[j];
            i++, j++;
        }
    }
    *ret = (struct list) { .postings = out, .n = n };
    return 0;
}

/* One variant's entries follow each other in the table. */
struct variant {
    uint8_t text[KEY_MAX];
    size_t len; /* with the zero after it */
    struct list list;
    size_t room;
};

/* Adds what was read of a variant to the word's list. */
static int close_variant(struct lists *ls, struct variant *v, const struct key *term,
                         size_t folded_len, struct list *word)
{
    size_t own_len = term->len - folded_len;
    bool same = v->len == own_len && memcmp(v->text, term->bytes + folded_len, own_len) == 0;
    bool without_dots = own_len == 1;
    struct list all;

    if (v->list.n == 0)
        return 0;
    weigh(&v->list, same ? SAME : without_dots ? DOTS_LEFT_OUT : OTHER_DOTS);
    if (word->n == 0) {
        *word = v->list;
        return 0;
    }
    int r = unite(ls, word, &v->list, &all);
    if (r == 0)
        *word = all;
    return r;
}

int list_read(struct lists *ls, const char *word, struct list *ret)
{
    struct variant v = { .len = 0 };
    struct key term, prefix;
    size_t folded_len;
    unsigned variants = 0;
    struct scan s;
    int r = 0;

    *ret = (struct list) { 0 };
    if (ls->terms_left == 0) {
        ls->cut = true;
        return 0;
    }
    ls->terms_left--;
    search_term_key(word, &term, &folded_len);
    memcpy(prefix.bytes, term.bytes, folded_len);
    prefix.len = (uint16_t)folded_len;
    prefix.failed = term.failed;
    for (scan_prefix(&s, ls->rd, &T_SEARCH_TERM, &prefix);
         r == 0 && ls->postings_left > 0 && scan_next(&s);) {
        if (s.key.len < folded_len + 1 + sizeof(uint32_t)) {
            r = -EBADMSG;
            break;
        }
        const uint8_t *text = s.key.data + folded_len;
        size_t len = s.key.len - folded_len - sizeof(uint32_t);
        if (len != v.len || memcmp(text, v.text, len) != 0) {
            r = close_variant(ls, &v, &term, folded_len, ret);
            if (r < 0 || ++variants > VARIANTS_MAX)
                break;
            memcpy(v.text, text, len);
            v.len = len;
            v.list = (struct list) { 0 };
            v.room = 0;
        }
        uint32_t first;
        memcpy(&first, text + len, sizeof(first));
        r = append_chunk(ls, &v.list, &v.room, __builtin_bswap32(first), s.value);
    }
    int scan_r = scan_end(&s);
    if (r == 0)
        r = scan_r;
    if (r == 0 && variants <= VARIANTS_MAX)
        r = close_variant(ls, &v, &term, folded_len, ret);
    return r;
}

int list_intersect(struct lists *ls, const struct list *lists, size_t n, struct list *ret)
{
    uint32_t at[SEARCH_QUERY_WORDS] = { 0 }, least = 0, n_out = 0;

    *ret = (struct list) { 0 };
    if (n == 0)
        return 0;
    if (n > ARRAY_LEN(at))
        n = ARRAY_LEN(at);
    for (uint32_t i = 1; i < n; i++)
        if (lists[i].n < lists[least].n)
            least = i;
    if (lists[least].n == 0)
        return 0;
    struct posting *out = arena_alloc(ls->work, lists[least].n * sizeof(*out));
    if (!out)
        return -ENOMEM;
    for (uint32_t k = 0; k < lists[least].n; k++) {
        uint32_t doc = lists[least].postings[k].doc;
        unsigned sum = 0;
        size_t i = 0;
        for (; i < n; i++) {
            const struct list *l = &lists[i];
            while (at[i] < l->n && l->postings[at[i]].doc < doc)
                at[i]++;
            if (at[i] == l->n || l->postings[at[i]].doc != doc)
                break;
            sum += l->postings[at[i]].impact;
        }
        if (i == n)
            out[n_out++] = (struct posting) { doc, (uint8_t)(sum / n) };
    }
    *ret = (struct list) { .postings = out, .n = n_out };
    return 0;
}

/* ---- ranking ---- */

/* The scores of one window. What is not set in `used` is old. */
struct window {
    float score[WINDOW];
    uint8_t groups[WINDOW];
    uint64_t used[WINDOW_WORDS];
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

static void consider(struct best *b, const struct ranking *k, uint32_t doc, float score,
                     uint32_t *total)
{
    if (k->pass && !has(k->pass, doc))
        return;
    ++*total;
    for (size_t i = 0; i < k->n_boosts; i++)
        if (has(&k->boost_sets[i], doc))
            score *= (float)k->boosts[i].percent / 100.0F;
    offer(b, (struct ranked) { score, doc });
}

/* Adds one list's part of the window that begins at `start`. `at` is its place in the list. */
static void add_list(struct window *w, const struct list *l, uint32_t *at, uint32_t start)
{
    uint32_t i = *at;

    for (; i < l->n && l->postings[i].doc - start < WINDOW; i++) {
        uint32_t slot = l->postings[i].doc - start;
        uint64_t bit = UINT64_C(1) << slot % 64;
        float score = (float)l->postings[i].impact * l->factor;
        if (w->used[slot / 64] & bit) {
            w->score[slot] += score;
            w->groups[slot]++;
        } else {
            w->used[slot / 64] |= bit;
            w->score[slot] = score;
            w->groups[slot] = 1;
        }
    }
    *at = i;
}

/* The same where only a document's best list counts. */
static void max_list(struct window *w, const struct list *l, uint32_t *at, uint32_t start)
{
    uint32_t i = *at;

    for (; i < l->n && l->postings[i].doc - start < WINDOW; i++) {
        uint32_t slot = l->postings[i].doc - start;
        uint64_t bit = UINT64_C(1) << slot % 64;
        float score = (float)l->postings[i].impact * l->factor;
        if (!(w->used[slot / 64] & bit) || score > w->score[slot])
            w->score[slot] = score;
        w->used[slot / 64] |= bit;
    }
    *at = i;
}

/* Adds the best of a group's lists to the sums. */
static void add_group(struct window *sums, const struct window *group)
{
    for (uint32_t i = 0; i < WINDOW_WORDS; i++) {
        for (uint64_t left = group->used[i]; left; left &= left - 1) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(left);
            if (sums->used[i] & (left & -left)) {
                sums->score[slot] += group->score[slot];
                sums->groups[slot]++;
            } else {
                sums->score[slot] = group->score[slot];
                sums->groups[slot] = 1;
            }
        }
        sums->used[i] |= group->used[i];
    }
}

/* A list on its way through the windows. */
struct cursor {
    const struct list *list;
    uint32_t at;
};

/* The first window that any list has something in; false: none is left. */
static bool next_window(const struct cursor *cursors, size_t n, uint32_t *ret_start)
{
    uint32_t least = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        const struct list *l = cursors[i].list;
        if (cursors[i].at < l->n && l->postings[cursors[i].at].doc < least)
            least = l->postings[cursors[i].at].doc;
    }
    *ret_start = least / WINDOW * WINDOW;
    return least != UINT32_MAX;
}

static void fill_window(const struct ranking *k, struct cursor *cursors, uint32_t start,
                        struct window *sums, struct window *group)
{
    struct cursor *c = cursors;

    memset(sums->used, 0, sizeof(sums->used));
    for (size_t g = 0; g < k->n_groups; g++) {
        size_t n = k->groups[g].n;
        if (n == 1)
            add_list(sums, c->list, &c->at, start);
        if (n > 1) {
            memset(group->used, 0, sizeof(group->used));
            for (size_t i = 0; i < n; i++)
                max_list(group, c[i].list, &c[i].at, start);
            add_group(sums, group);
        }
        c += n;
    }
}

static void rank_window(const struct ranking *k, const struct window *sums, uint32_t start,
                        struct best *b, uint32_t *total)
{
    for (uint32_t i = 0; i < WINDOW_WORDS; i++) {
        uint64_t left = sums->used[i];
        if (k->matches && left)
            k->matches->bits[start / 64 + i] |= left;
        for (; left; left &= left - 1) {
            uint32_t slot = i * 64 + (uint32_t)__builtin_ctzll(left);
            /* Who has two words of three is worth two thirds of the sum. */
            float share = (float)sums->groups[slot] / (float)k->n_groups;
            consider(b, k, start + slot, sums->score[slot] * share, total);
        }
    }
}

static int rank_groups(struct lists *ls, const struct ranking *k, struct best *b, uint32_t *total)
{
    struct window *windows = arena_alloc(ls->work, 2 * sizeof(*windows));
    size_t n = 0, i = 0;
    uint32_t start;

    for (size_t g = 0; g < k->n_groups; g++)
        n += k->groups[g].n;
    struct cursor *cursors = arena_calloc(ls->work, n + 1, sizeof(*cursors));
    if (!windows || !cursors)
        return -ENOMEM;
    for (size_t g = 0; g < k->n_groups; g++)
        for (size_t j = 0; j < k->groups[g].n; j++)
            cursors[i++].list = &k->groups[g].lists[j];
    while (next_window(cursors, n, &start)) {
        fill_window(k, cursors, start, &windows[0], &windows[1]);
        rank_window(k, &windows[0], start, b, total);
    }
    return 0;
}

int list_rank(struct lists *ls, const struct ranking *k, struct ranked *ret, size_t *ret_n,
              uint32_t *ret_total)
{
    struct best b = { .heap = ret, .wanted = k->wanted };
    int r = 0;

    *ret_total = 0;
    if (k->n_groups > 0)
        r = rank_groups(ls, k, &b, ret_total);
    else
        for (uint32_t i = 0; i < k->pass->n_words; i++)
            for (uint64_t left = k->pass->bits[i]; left; left &= left - 1)
                consider(&b, k, i * 64 + (uint32_t)__builtin_ctzll(left), 1.0F, ret_total);
    sort_best(&b);
    *ret_n = b.n;
    return r;
}
