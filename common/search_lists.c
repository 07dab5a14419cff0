/* search_lists.c - reads a word's postings and combines lists. A list's chunks are noted as they lie in the table, and read only where
 * somebody looks into them. */
#include "common/search_lists.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum {
    FIRST_ROOM = 8,   /* chunks */
    VARIANTS_MAX = 8, /* terms with the same letters but for their dots */
    /* What a posting of a variant counts, in hundredths. */
    SAME = 100,
    DOTS_LEFT_OUT = 95, /* the query has none: it may have been written in haste */
    OTHER_DOTS = 40,
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

enum { LINE_BYTES = 64 };

/* A chunk is marked soon after it is found: its lines are asked for while the table is walked on. */
static void fetch(struct slice bytes)
{
    for (size_t i = LINE_BYTES; i < bytes.len; i += LINE_BYTES)
        __builtin_prefetch(bytes.data + i);
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
    fetch(bytes);
    l->chunks[l->n_chunks++] = c;
    l->n += c.n;
    l->most = c.n > l->most ? c.n : l->most;
    ls->postings_left -= c.n;
    return 0;
}

uint32_t list_chunk_end(const struct lists *ls, const struct list *l, size_t chunk)
{
    return chunk + 1 < l->n_chunks ? l->chunks[chunk + 1].first : ls->next_document;
}

int list_chunk_read(const struct lists *ls, const struct list *l, size_t chunk, struct posting *ret)
{
    struct chunk *c = &l->chunks[chunk];

    int r = postings_read(c, ret);
    return r == 0 && ret[c->n - 1].doc >= list_chunk_end(ls, l, chunk) ? -EBADMSG : r;
}

int list_chunk_read_from(const struct lists *ls, const struct list *l, size_t chunk, uint8_t least,
                         struct posting *ret, uint32_t *ret_n)
{
    int r = postings_read_from(&l->chunks[chunk], least, ret, ret_n);
    bool past = r == 0 && *ret_n > 0 && ret[*ret_n - 1].doc >= list_chunk_end(ls, l, chunk);

    return past ? -EBADMSG : r;
}

int list_mark(const struct lists *ls, const struct list *l, struct document_set *set)
{
    int r = 0;

    for (size_t i = 0; i < l->n_chunks && r == 0; i++)
        r = postings_mark(&l->chunks[i], list_chunk_end(ls, l, i), set->bits);
    for (uint32_t i = 0; l->n_chunks == 0 && i < l->n; i++)
        document_set_add(set, l->postings[i].doc);
    return r;
}

/* Of postings: ever longer steps, then back by halves, so that of a list much longer than the others few are looked at. */
static void go_to_posting(struct reader *r, uint32_t doc)
{
    const struct posting *all = r->list->postings;
    const size_t n = r->list->n;
    size_t step = 1;

    for (; n - r->at > step && all[r->at + step].doc < doc; step *= 2)
        r->at += step;
    for (; step > 0; step /= 2)
        if (n - r->at > step && all[r->at + step].doc < doc)
            r->at += step;
    if (r->at < n && all[r->at].doc < doc)
        r->at++;
}

int reader_impact(struct reader *r, uint32_t doc, uint8_t *ret)
{
    const struct list *l = r->list;

    *ret = 0;
    if (l->n_chunks == 0) {
        go_to_posting(r, doc);
        if (r->at < l->n && l->postings[r->at].doc == doc)
            *ret = l->postings[r->at].impact;
        return 0;
    }
    while (r->at + 1 < l->n_chunks && l->chunks[r->at + 1].first <= doc)
        r->at++;
    struct chunk *c = &l->chunks[r->at];
    if (doc < c->first)
        return 0;
    if (r->impacts.chunk != c && !impacts_begin(&r->impacts, c))
        return -EBADMSG;
    *ret = impacts_at(&r->impacts, doc);
    return 0;
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
        int r = list_chunk_read(ls, l, i, out + n);
        if (r < 0)
            return r;
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
    struct slice key; /* of its first entry */
    struct list list;
    size_t room;
    /* Who writes a word with its dots does not mean one without: "hår" is not "har". The word, if it may be such a one: it is looked up
     * only once there is another variant. */
    const char *dotted;
};

/* Adds what was read of a variant to the word's list. */
static int close_variant(struct lists *ls, struct variant *v, const struct key *term,
                         size_t folded_len, struct list *word)
{
    bool same = v->key.len == term->len + sizeof(uint32_t) &&
                memcmp(v->key.data, term->bytes, term->len) == 0;
    bool without_dots = term->len == folded_len + 1;

    if (v->list.n == 0 || (!same && v->dotted && text_is_known(v->dotted)))
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

/* Whether an entry is the variant's next: it differs only in its document. */
static bool continues(const struct variant *v, struct slice key)
{
    return v->key.len == key.len && memcmp(v->key.data, key.data, key.len - sizeof(uint32_t)) == 0;
}

/* Reads all terms with this prefix of the key, variants of one folded stem; of a `dotted` word that is known none but the term itself. */
static int read_variants(struct lists *ls, const struct key *term, const struct key *prefix,
                         const char *dotted, struct list *ret)
{
    const size_t folded_len = prefix->len;
    struct variant v = { .dotted = dotted };
    unsigned variants = 0;
    struct scan *s = &ls->terms;
    int r = 0;

    bool there = seek_term(ls, prefix);
    for (; r == 0 && ls->postings_left > 0 && there; there = scan_next(s)) {
        if (!continues(&v, s->key)) {
            if (!begins_with(s->key, prefix))
                break;
            r = s->key.len < folded_len + 1 + sizeof(uint32_t)
                    ? -EBADMSG
                    : close_variant(ls, &v, term, folded_len, ret);
            if (r < 0 || ++variants > VARIANTS_MAX)
                break;
            v = (struct variant) { .key = s->key, .dotted = dotted };
        }
        uint32_t first;
        memcpy(&first, s->key.data + s->key.len - sizeof(first), sizeof(first));
        r = append_chunk(ls, &v.list, &v.room, __builtin_bswap32(first), s->value);
    }
    if (r == 0)
        r = s->status;
    if (r == 0 && variants <= VARIANTS_MAX)
        r = close_variant(ls, &v, term, folded_len, ret);
    return r;
}

struct term *list_term(struct lists *ls, const char *word, const char *stem)
{
    uint32_t h = 2166136261U;
    struct key key;
    size_t folded_len;

    for (const char *p = word; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619U;
    struct term **kept = &ls->kept[(h ^ h >> 15) % TERMS_KEPT];
    if (*kept && strcmp((*kept)->word, word) == 0)
        return *kept;
    if (stem)
        search_stem_key(stem, &key, &folded_len);
    else
        search_term_key(word, &key, &folded_len);
    struct term *term = arena_calloc(ls->work, 1, sizeof(*term));
    const char *copy = arena_strdup(ls->work, word);
    const uint8_t *bytes = arena_memdup(ls->work, key.bytes, key.len);
    if (!term || !copy || !bytes)
        return NULL;
    *term = (struct term) { copy, { bytes, key.len }, { bytes, folded_len - 1 }, .is_read = false };
    return *kept = term;
}

static void to_key(struct slice from, struct key *ret)
{
    memcpy(ret->bytes, from.data, from.len);
    ret->len = (uint16_t)from.len;
    ret->failed = false;
}

static int read_term(struct lists *ls, struct term *t)
{
    const bool has_dots = t->key.len > t->folded.len + 2;
    struct key term, prefix;

    to_key(t->key, &term);
    to_key((struct slice) { t->key.data, t->folded.len + 1 }, &prefix);
    int r = read_variants(ls, &term, &prefix, has_dots ? t->word : NULL, &t->list);
    if (r < 0 || t->list.n > 0)
        return r;
    /* Without its dots a word may look like an inflection: "liden" for "lidén", which is a stem. */
    for (const char *p = t->word; *p; p++)
        if ((uint8_t)*p >= 0x80)
            return 0;
    search_plain_key(t->word, &prefix);
    return prefix.len == t->folded.len + 1 ? 0
                                           : read_variants(ls, &prefix, &prefix, NULL, &t->list);
}

int list_read(struct lists *ls, const char *word, struct list *ret)
{
    struct term *term = list_term(ls, word, NULL);

    *ret = (struct list) { 0 };
    if (!term)
        return -ENOMEM;
    if (!term->is_read && ls->terms_left == 0) {
        ls->cut = true;
        return 0;
    }
    if (!term->is_read) {
        ls->terms_left--;
        int r = read_term(ls, term);
        if (r < 0)
            return r;
        term->is_read = true;
    }
    *ret = term->list;
    return 0;
}

/* A word's list and its variants, to look documents up in. */
struct all_variants {
    struct reader *readers;
    size_t n;
    struct document_set has; /* without bits: nobody has marked who is in them */
};

enum { MARKED_FOR_ONE = 64 }; /* documents that are marked in the time that one is looked up in */

/* `lookups`: in how many documents somebody is interested. */
static int variants_begin(struct lists *ls, const struct list *word, uint32_t lookups,
                          struct all_variants *ret)
{
    size_t n = 0;
    int r = 0;

    for (const struct list *v = word; v; v = v->variant)
        n++;
    *ret = (struct all_variants) { .readers = arena_calloc(ls->work, n, sizeof(struct reader)) };
    if (!ret->readers)
        return -ENOMEM;
    bool mark = word->documents / MARKED_FOR_ONE < lookups;
    if (mark)
        r = document_set_make(ls, &ret->has);
    for (const struct list *v = word; v && r == 0; v = v->variant) {
        ret->readers[ret->n++].list = v;
        if (mark)
            r = list_mark(ls, v, &ret->has);
    }
    return r;
}

/* *ret: the largest impact that a variant gives the document, 0 if it is in none. */
static int variants_impact(struct all_variants *v, uint32_t doc, uint8_t *ret)
{
    *ret = 0;
    if (v->has.bits && !document_set_has(&v->has, doc))
        return 0;
    for (size_t i = 0; i < v->n; i++) {
        uint8_t impact;
        int r = reader_impact(&v->readers[i], doc, &impact);
        if (r < 0)
            return r;
        if (impact > 0)
            impact = weigh(impact, v->readers[i].list->percent);
        *ret = impact > *ret ? impact : *ret;
    }
    return 0;
}

int list_intersect(struct lists *ls, const struct list *lists, size_t n, struct list *ret)
{
    struct all_variants others[SEARCH_QUERY_WORDS];
    size_t least = 0, n_others = 0;
    uint32_t n_out = 0;
    struct list lead, all;

    *ret = (struct list) { 0 };
    if (n > ARRAY_LEN(others))
        n = ARRAY_LEN(others);
    for (size_t i = 0; i < n; i++) {
        if (lists[i].n == 0)
            return 0;
        if (lists[i].documents < lists[least].documents)
            least = i;
    }
    if (n == 0)
        return 0;
    /* The shortest list leads: only its documents are looked up in the others. */
    int r = flatten(ls, &lists[least], &lead);
    if (r == 0)
        r = expand(ls, &lead, &all);
    for (size_t i = 0; i < n && r == 0; i++)
        if (i != least)
            r = variants_begin(ls, &lists[i], all.n, &others[n_others++]);
    struct posting *out = r == 0 ? arena_alloc(ls->work, all.n * sizeof(*out)) : NULL;
    if (r == 0 && !out)
        r = -ENOMEM;
    for (uint32_t i = 0; r == 0 && i < all.n; i++) {
        unsigned sum = all.postings[i].impact;
        uint8_t impact = 1;
        for (size_t j = 0; j < n_others && r == 0 && impact > 0; j++) {
            r = variants_impact(&others[j], all.postings[i].doc, &impact);
            sum += impact;
        }
        if (impact > 0)
            out[n_out++] = (struct posting) { all.postings[i].doc, (uint8_t)(sum / n) };
    }
    if (r == 0)
        *ret = (struct list) { .postings = out, .n = n_out, .documents = n_out, .percent = SAME };
    return r;
}
