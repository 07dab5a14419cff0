/* compound.c - takes Swedish compounds apart.
 *
 * All ways to cut the word into first, middle and last parts that the lexicon knows are weighed, from the end to the
 * beginning; the cheapest wins: the fewest parts, short ones dearer. A part that is itself a compound is then taken apart in
 * the same way. Some things are never cut: names and places, and what only looks like a compound (words.txt lists particles
 * and suffixes). A word that the dictionary has whole is cut only into parts long enough not to be chance.
 *
 * Work is bounded: a word has at most TEXT_WORD_MAX characters, and every walk through the lexicon ends where no word goes
 * on. */
#include <errno.h>
#include <string.h>

#include "common/lexicon.h"
#include "common/text_internal.h"

/* A part costs COST_PART, and more if it is short (three letters), shortest (two), weak (the dictionary does not mark it as a
 * part), or unlinked (inside the word, but in a form for its beginning). */
enum {
    COST_PART = 10,
    COST_SHORT = 6,
    COST_SHORTEST = 8,
    COST_WEAK = 3,
    COST_UNLINKED = 2,
    COST_UNKNOWN = 30, /* a first part that nobody knows */
    COST_NONE = 10000,
    DEPTH_MAX = 4, /* compounds within compounds */
};

/* The word, cut into characters, and for each place the cheapest way to the end. */
struct cutting {
    const char *word;
    size_t n;                              /* characters */
    uint16_t at[TEXT_WORD_MAX + 1];        /* where each begins, in bytes; the last is the length */
    uint16_t cost[TEXT_WORD_MAX + 1];      /* from there to the end, with known parts */
    uint8_t next[TEXT_WORD_MAX + 1];       /* where the part that begins there ends */
    uint16_t tail_cost[TEXT_WORD_MAX + 1]; /* the same, where the last part is a tail */
    uint8_t tail_next[TEXT_WORD_MAX + 1];
    bool is_known; /* the dictionary has the whole word */
};

/* The leaves found so far, as bytes of the whole word. */
struct leaves {
    uint16_t ends[TEXT_PARTS_MAX];
    size_t n;
};

static uint16_t length_cost(size_t characters)
{
    return (uint16_t)(COST_PART + (characters == 3 ? COST_SHORT : 0) +
                      (characters < 3 ? COST_SHORTEST : 0));
}

/* Inside a compound any noun may take an s: "små-kärl-s-vaskulit", though "kärlvaskulit" has none. */
static bool is_genitive(const struct cutting *c, size_t to, const struct lexicon_value *v)
{
    return v->flags & (LEXICON_LAST | LEXICON_WEAK_LAST) && v->lemma_strip == 1 &&
           v->lemma_add == 0 && c->word[c->at[to] - 1] == 's';
}

/* What it costs to let a part that is not the last stand at [from, to). */
static uint16_t first_cost(const struct cutting *c, size_t from, size_t to,
                           const struct lexicon_value *v)
{
    size_t characters = to - from, more = 0;
    bool short_first = from == 0 && v->flags & LEXICON_SHORT_FIRST;

    if (v->flags & LEXICON_NEVER_FIRST || (from > 0 && v->flags & LEXICON_NEVER_LAST) ||
        (characters < 3 && !short_first))
        return COST_NONE;
    if (v->flags & LEXICON_MIDDLE || (from == 0 && v->flags & LEXICON_FIRST))
        more = 0;
    else if (v->flags & LEXICON_FIRST || (from > 0 && is_genitive(c, to, v)))
        more = COST_UNLINKED;
    else if (v->flags & LEXICON_WEAK_FIRST)
        more = COST_WEAK;
    else
        return COST_NONE;
    return (uint16_t)(length_cost(characters) + more);
}

static uint16_t last_cost(const struct cutting *c, size_t from, const struct lexicon_value *v)
{
    size_t characters = c->n - from;
    if (!(v->flags & (LEXICON_LAST | LEXICON_WEAK_LAST)) || v->flags & LEXICON_NEVER_LAST ||
        characters < 3)
        return COST_NONE;
    return (uint16_t)(length_cost(characters) + (v->flags & LEXICON_LAST ? 0 : COST_WEAK));
}

/* In a word that the dictionary has whole, what looks like short parts is often chance: "kon-takt". */
static bool is_chance(const struct cutting *c, size_t from, size_t to)
{
    size_t part = to - from, rest = c->n - part;

    if (!c->is_known)
        return part == 3 && rest == 3;
    if (part < 3)
        return rest < 7;
    return part == 3 && rest < (from == 0 ? 5 : 4);
}

static void consider(uint16_t *best, uint8_t *next, size_t cost, size_t to)
{
    if (cost < *best) {
        *best = (uint16_t)cost;
        *next = (uint8_t)to;
    }
}

/* All parts that begin at `from`, along one walk through the lexicon. */
static void weigh_from(struct cutting *c, size_t from)
{
    uint32_t node = lexicon_root();

    for (size_t to = from; to < c->n;) {
        for (size_t i = c->at[to]; i < c->at[to + 1]; i++) {
            if (!lexicon_step(&node, (uint8_t)c->word[i]))
                return;
        }
        to++;
        if (to < c->n && c->cost[to] >= COST_NONE && c->tail_cost[to] >= COST_NONE)
            continue; /* nothing may follow */
        const struct lexicon_value *v = lexicon_value_at(node);
        if (!v || (from == 0 && to == c->n) || is_chance(c, from, to))
            continue;
        if (to == c->n) {
            uint16_t cost = last_cost(c, from, v);
            consider(&c->cost[from], &c->next[from], cost, to);
            if (v->flags & LEXICON_TAIL)
                consider(&c->tail_cost[from], &c->tail_next[from], cost, to);
            continue;
        }
        uint16_t cost = first_cost(c, from, to, v);
        consider(&c->cost[from], &c->next[from], (size_t)cost + c->cost[to], to);
        consider(&c->tail_cost[from], &c->tail_next[from], (size_t)cost + c->tail_cost[to], to);
    }
}

/* Where an unknown first part may end, or 0: before a tail, and after four letters or more. */
static size_t unknown_first(const struct cutting *c)
{
    size_t best = 0;
    uint16_t cost = COST_NONE;
    for (size_t to = 4; to < c->n; to++) {
        if (c->tail_cost[to] < cost) {
            cost = c->tail_cost[to];
            best = to;
        }
    }
    return best;
}

static bool read_characters(struct cutting *c, const char *word, size_t len)
{
    c->word = word;
    for (size_t at = 0; at < len;) {
        if (c->n == TEXT_WORD_MAX)
            return false;
        c->at[c->n++] = (uint16_t)at;
        text_code_point(word, len, &at);
    }
    c->at[c->n] = (uint16_t)len;
    return true;
}

static void add_leaf(struct leaves *l, size_t end)
{
    if (l->n < TEXT_PARTS_MAX)
        l->ends[l->n++] = (uint16_t)end;
}

static void cut(const char *word, size_t len, size_t base, size_t end, unsigned depth,
                struct leaves *l);

/* The base form of a part that is not the last: of a linking form, or of an inner genitive. Returns 0 for none. */
static size_t find_base(const char *part, size_t len, char to[TEXT_WORD_BYTES + 1])
{
    const struct lexicon_value *v = lexicon_find(part, len);

    if (!v)
        return 0;
    if (v->flags & (LEXICON_FIRST | LEXICON_MIDDLE) || v->base_strip + v->base_add > 0)
        return lexicon_edit(part, len, v->base_strip, v->base_add, to, TEXT_WORD_BYTES + 1);
    return lexicon_edit(part, len, v->lemma_strip, v->lemma_add, to, TEXT_WORD_BYTES + 1);
}

/* A part that is not the last is itself a compound when its base form is: "sjukvårds" as "sjukvård". The base ends
 * otherwise than the part, and its cuts lie before that. */
static void cut_part(const char *word, size_t from, size_t to, size_t offset, bool last,
                     unsigned depth, struct leaves *l)
{
    char base[TEXT_WORD_BYTES + 1];
    size_t n = last ? 0 : find_base(word + from, to - from, base);

    if (n > 0)
        cut(base, n, offset + from, offset + to, depth + 1, l);
    else
        cut(word + from, to - from, offset + from, offset + to, depth + 1, l);
}

/* Cuts a word that stands in the whole at [offset, end); its last leaf ends there, whatever its base form's length. */
static void cut(const char *word, size_t len, size_t offset, size_t end, unsigned depth,
                struct leaves *l)
{
    struct cutting c = { 0 };
    const struct lexicon_value *whole = lexicon_find(word, len);
    uint16_t flags = whole ? whole->flags : 0;

    bool name = flags & LEXICON_NAME && !(flags & LEXICON_WORD);
    if (flags & LEXICON_PLACE || depth > DEPTH_MAX || !read_characters(&c, word, len) || c.n < 6) {
        add_leaf(l, end);
        return;
    }
    /* An inflection is cut where its base form is: "forskar" as "forska", not as fors-kar. */
    char lemma[TEXT_WORD_BYTES + 1];
    size_t n = 0;
    if (flags & LEXICON_WORD && whole->lemma_strip + whole->lemma_add > 0)
        n = lexicon_edit(word, len, whole->lemma_strip, whole->lemma_add, lemma, sizeof lemma);
    if (n > 0) {
        cut(lemma, n, offset, end, depth + 1, l);
        return;
    }
    c.is_known = flags & LEXICON_WORD;
    for (size_t i = 0; i <= c.n; i++)
        c.cost[i] = c.tail_cost[i] = COST_NONE;
    for (size_t from = c.n; from-- > 0;)
        weigh_from(&c, from);

    /* A name is no compound, unless it is an authority's: it has known parts, and what it is at the end. */
    const uint8_t *next = name ? c.tail_next : c.next;
    size_t cost = name ? c.tail_cost[0] : c.cost[0], at = 0;
    size_t head = depth == 0 && !flags ? unknown_first(&c) : 0;
    if (head > 0 && (size_t)COST_UNKNOWN + c.tail_cost[head] < cost) {
        add_leaf(l, offset + c.at[head]);
        next = c.tail_next;
        at = head;
    } else if (cost >= COST_NONE) {
        add_leaf(l, end);
        return;
    }
    for (; at < c.n; at = next[at]) {
        bool last = next[at] == c.n;
        size_t from = c.at[at], to = c.at[next[at]];
        cut_part(word, from, to, offset, last, depth, l);
        if (last)
            l->ends[l->n - 1] = (uint16_t)end;
    }
}

/* The part [from, to) in its base form: a linking form's when it is not the word's end. */
static int make_part(struct arena *a, const char *word, size_t from, size_t to, bool last,
                     struct text_part *ret)
{
    char base[TEXT_WORD_BYTES + 1];
    size_t n = last ? 0 : find_base(word + from, to - from, base);
    struct text_forms forms;

    *ret = (struct text_part) { .start = (uint16_t)from, .end = (uint16_t)to };
    ret->word = n ? arena_strndup(a, base, n) : arena_strndup(a, word + from, to - from);
    if (!ret->word)
        return -ENOMEM;
    int r = text_make_forms(a, ret->word, &forms);
    if (r < 0)
        return r;
    ret->folded = forms.folded;
    ret->stem = forms.stem;
    ret->folded_stem = forms.folded_stem;
    return 0;
}

int text_compound(struct arena *a, const char *word, struct text_part **ret, size_t *ret_n)
{
    struct leaves l = { 0 };
    size_t len = strnlen(word, TEXT_WORD_BYTES), n = 0;

    *ret = NULL;
    *ret_n = 0;
    cut(word, len, 0, len, 0, &l);
    if (l.n < 2)
        return 0;
    /* The leaves, and of three or more the runs that begin or end the word. */
    struct text_part *parts = arena_calloc(a, l.n + 2 * (l.n - 2), sizeof *parts);
    int r = parts ? 0 : -ENOMEM;
    for (size_t i = 0, from = 0; r == 0 && i < l.n; from = l.ends[i++]) {
        r = make_part(a, word, from, l.ends[i], i + 1 == l.n, &parts[n]);
        parts[n++].leaf = true;
    }
    for (size_t i = 1; r == 0 && i + 1 < l.n; i++)
        r = make_part(a, word, 0, l.ends[i], false, &parts[n++]);
    for (size_t i = 0; r == 0 && i + 2 < l.n; i++)
        r = make_part(a, word, l.ends[i], len, true, &parts[n++]);
    if (r < 0)
        return r;
    *ret = parts;
    *ret_n = n;
    return 0;
}
