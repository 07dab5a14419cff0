/* search_meaning.c - what the words of a query may mean.
 *
 * Neighbours that would be a word of the index if they were written as one are looked for so too. Then, for each word, in
 * this order, and no further than until something is found:
 *
 *   whole    the word in any inflection, with or without its dots, and what it is a synonym of;
 *   parts    where that is rare or absent: documents with all parts of the compound;
 *   sound    where it is absent: words that sound the same ("huvudverk"), unless it is a short word of the language;
 *   joined   documents with both of two words that were written as one ("noaksark");
 *   begin    words that begin with it;
 *   typo     the nearest words of the dictionary ("menade du"), unless it is a word of the language;
 *   some     documents with any part of the compound; of a dictionary word, which was hardly misspelt, before all the guesses.
 *
 * "Some parts" before "typo" was tried and is bad for other words: a misspelt compound usually has one part that is right.
 * A rare compound is looked for by its parts too: that somebody else wrote it in one word does not make theirs the answer. */
#include "common/search_meaning.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/search_guess.h"
#include "common/search_likeness.h"

enum {
    LISTS_MAX = 96, /* of a word */
    PHRASE_WORDS = SEARCH_SYNONYM_WORDS,
    PHRASE_SPAN = 8,    /* words of the query that a phrase is looked for in */
    RUN_WORDS = 3,      /* that may have been meant as one */
    RARE_AT_LEAST = 5,  /* documents; and */
    RARE_ONE_IN = 1000, /* of all documents */
    BEGIN_LETTERS = 3,
    JOINED_LETTERS = 3, /* of each of the two; bytes */
    TYPE_AHEAD_LETTERS = 2,
    STEMS_MAX = 96,
    SOME_PARTS = TEXT_PARTS_MAX * 2,
    AGREEING_MAX = 4, /* ways to a word's documents that are compared with one another */
};

/* What a document is worth by each of the ways, against the word itself. */
#define BY_WORD   1.0F
#define BY_PARTS  0.7F
#define BY_JOINED 0.7F
#define BY_REST   0.5F
#define BY_SOME   0.3F
/* And one that two ways lead to, against the sum of both. */
#define BY_AGREEMENT 0.85F

/* ---- building up ---- */

static int add_one_list(struct query *q, struct group *g, struct list l)
{
    if (g->n == g->room) {
        if (g->n == LISTS_MAX) {
            q->lists.cut = true;
            return 0;
        }
        size_t more = g->room ? g->room * 2 : 4;
        struct list *grown = arena_alloc(q->lists.work, more * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        if (g->n > 0)
            memcpy(grown, g->lists, g->n * sizeof(*grown));
        g->lists = grown;
        g->room = more;
    }
    l.factor *= (float)l.percent / 100.0F;
    l.variant = NULL; /* it has an entry of its own */
    g->lists[g->n++] = l;
    return 0;
}

int meaning_add_list(struct query *q, struct group *g, struct list l)
{
    int r = l.n > 0 ? add_one_list(q, g, l) : 0;

    for (const struct list *v = l.n > 0 ? l.variant : NULL; v && r == 0; v = v->variant) {
        struct list variant = *v;
        variant.factor = l.factor;
        r = add_one_list(q, g, variant);
    }
    return r;
}

int meaning_add_stem(struct query *q, const char *folded, size_t len, bool prefix)
{
    struct search_result *result = q->result;

    if (!result->stems) {
        result->stems = arena_calloc(q->arena, STEMS_MAX, sizeof(*result->stems));
        if (!result->stems)
            return -ENOMEM;
    }
    for (size_t i = 0; i < result->n_stems; i++)
        if (result->stems[i].len == len && memcmp(result->stems[i].folded_stem, folded, len) == 0 &&
            result->stems[i].prefix == prefix)
            return 0;
    if (result->n_stems == STEMS_MAX)
        return 0;
    char *copy = arena_strndup(q->arena, folded, len);
    if (!copy)
        return -ENOMEM;
    result->stems[result->n_stems++] = search_stem_make(copy, len, prefix);
    return 0;
}

static int add_stem_of(struct query *q, const char *word)
{
    const struct term *term = list_term(&q->lists, word, NULL);

    if (!term)
        return -ENOMEM;
    return meaning_add_stem(q, (const char *)term->folded.data, term->folded.len, false);
}

int meaning_read_word(struct query *q, const char *word, struct list *ret)
{
    int r = list_read(&q->lists, word, ret);

    return r < 0 || ret->n == 0 ? r : add_stem_of(q, word);
}

/* Documents with all of the words, worth the average of them. */
static int read_all(struct query *q, const char *const *words, size_t n, float weight,
                    struct list *ret)
{
    struct list lists[SEARCH_QUERY_WORDS];
    float rarity = 0;

    *ret = (struct list) { 0 };
    if (n > ARRAY_LEN(lists))
        n = ARRAY_LEN(lists);
    for (size_t i = 0; i < n; i++) {
        int r = list_read(&q->lists, words[i], &lists[i]);
        if (r < 0 || lists[i].n == 0)
            return r;
        rarity += list_rarity(&q->lists, lists[i].documents) / (float)n;
    }
    int r = list_intersect(&q->lists, lists, n, ret);
    if (r < 0 || ret->n == 0)
        return r;
    ret->factor = weight * rarity;
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_stem_of(q, words[i]);
    return r;
}

/* ---- what a phrase is a synonym of ---- */

struct expansions {
    const char *at, *end;
};

/* Of a phrase of at most PHRASE_SPAN words. What is no synonym has no expansions. */
static int expansions_begin(struct query *q, const struct phrase *phrase, struct expansions *ret)
{
    const char *words[PHRASE_SPAN];
    struct slice folded[PHRASE_SPAN], value;
    struct key k;

    *ret = (struct expansions) { 0 };
    const size_t n = search_phrase_words(phrase, words);
    if (n > PHRASE_WORDS)
        return 0;
    for (size_t i = 0; i < n; i++) {
        const struct term *term = list_term(&q->lists, words[i], NULL);
        if (!term)
            return -ENOMEM;
        folded[i] = term->folded;
    }
    if (search_synonym_key(folded, n, &k) < 0)
        return 0;
    int r = rd_get_bytes(q->lists.rd, &T_SEARCH_SYNONYM, &k, &value);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    if (value.len == 0 || value.data[value.len - 1] != 0)
        return -EBADMSG;
    const char *given = (const char *)value.data; /* the words as given come first */
    *ret = (struct expansions) { given + strlen(given) + 1, given + value.len };
    return 0;
}

static const char *expansions_next(struct expansions *e)
{
    const char *one = e->at;

    if (one >= e->end)
        return NULL;
    e->at += strlen(one) + 1;
    return one;
}

/* ---- the ways to a word's documents ---- */

/* *ret_documents: how many have the word itself. */
static int add_whole(struct query *q, size_t at, uint32_t *ret_documents)
{
    struct list l;

    int r = meaning_read_word(q, q->tokens[at].word, &l);
    if (r < 0)
        return r;
    *ret_documents = l.documents;
    l.factor = BY_WORD * list_rarity(&q->lists, l.documents);
    return meaning_add_list(q, &q->groups[at], l);
}

/* The word is what the query's words [from, to) may have been written for together. */
static int add_one_word(struct query *q, size_t from, size_t to, const char *word)
{
    struct list l;

    int r = meaning_read_word(q, word, &l);
    l.factor = BY_WORD * list_rarity(&q->lists, l.documents);
    for (size_t i = from; i < to && r == 0; i++)
        if (q->counts[i])
            r = meaning_add_list(q, &q->groups[i], l);
    return r;
}

/* Appends to a word, unless that gets too long. */
static bool append(char word[SEARCH_WORD_BYTES + 1], const char *more)
{
    size_t len = strlen(word), more_len = strlen(more);

    if (len + more_len > SEARCH_WORD_BYTES)
        return false;
    memcpy(word + len, more, more_len + 1);
    return true;
}

/* Neighbours that are one word when written as one: "cancer fonden" is Cancerfonden before it is any fund with cancer in its name. */
static int add_run(struct query *q, size_t from, size_t to)
{
    char word[SEARCH_WORD_BYTES + 1] = "";
    bool counts = false;

    for (size_t i = from; i < to; i++) {
        if (!append(word, q->tokens[i].word))
            return 0;
        counts = counts || q->counts[i];
    }
    return counts ? add_one_word(q, from, to, word) : 0;
}

int meaning_add_runs(struct query *q)
{
    int r = 0;

    for (size_t from = 0; from < q->n_tokens; from++)
        for (size_t to = from + 2; to <= q->n_tokens && to - from <= RUN_WORDS && r == 0; to++)
            r = add_run(q, from, to);
    return r;
}

/* The words of a phrase that are looked for. */
static int phrase_words(struct query *q, const char *phrase, const char *ret[SEARCH_QUERY_WORDS],
                        size_t *ret_n)
{
    struct text_token *tokens;
    size_t n = 0;

    *ret_n = 0;
    int r = text_tokens(q->lists.work, phrase, strlen(phrase), SEARCH_QUERY_WORDS, &tokens, &n);
    for (size_t i = 0; i < n && r == 0; i++)
        if (!search_is_filler(tokens[i].word))
            ret[(*ret_n)++] = tokens[i].word;
    return r;
}

/* ---- compounds ---- */

struct compound {
    struct text_part *parts; /* the smallest first, then runs of them that are words of their own */
    size_t n;
};

/* Appends the smallest parts that are not within `but` (NULL: all of them). */
static size_t other_parts(const struct compound *c, const struct text_part *but,
                          const char *words[SEARCH_QUERY_WORDS + TEXT_PARTS_MAX], size_t n)
{
    for (size_t i = 0; i < c->n && n < SEARCH_QUERY_WORDS + TEXT_PARTS_MAX; i++) {
        const struct text_part *p = &c->parts[i];
        bool within = but && p->start >= but->start && p->end <= but->end;
        if (p->leaf && p->word[0] && !within)
            words[n++] = p->word;
    }
    return n;
}

/* Documents with all the parts; or, since a word may be cut in the wrong place, with a run of them and the others. */
static int add_parts(struct query *q, size_t at, const struct compound *c)
{
    const char *words[SEARCH_QUERY_WORDS + TEXT_PARTS_MAX];
    struct list l;

    int r = read_all(q, words, other_parts(c, NULL, words, 0), BY_PARTS, &l);
    if (r == 0)
        r = meaning_add_list(q, &q->groups[at], l);
    for (size_t i = 0; i < c->n && r == 0 && l.n == 0; i++) {
        if (c->parts[i].leaf)
            continue;
        words[0] = c->parts[i].word;
        r = read_all(q, words, other_parts(c, &c->parts[i], words, 1), BY_PARTS, &l);
        if (r == 0)
            r = meaning_add_list(q, &q->groups[at], l);
    }
    return r;
}

/* A compound also means what it would with one part said in other words: "äggstockscancer" is gynekologisk cancer. With `alone`, the
 * other parts are not asked for. */
static int add_parts_said_otherwise(struct query *q, size_t at, const struct compound *c,
                                    bool alone, float weight)
{
    const char *words[SEARCH_QUERY_WORDS + TEXT_PARTS_MAX];
    struct expansions e;
    struct list l;
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++) {
        const struct text_token part = { .word = c->parts[i].word };
        int r = expansions_begin(q, &(struct phrase) { &part, &(bool) { true }, 1 }, &e);
        for (const char *expansion; r == 0 && (expansion = expansions_next(&e));) {
            r = phrase_words(q, expansion, words, &n);
            if (r == 0 && !alone)
                n = other_parts(c, &c->parts[i], words, n);
            if (r == 0)
                r = read_all(q, words, n, weight, &l);
            if (r == 0)
                r = meaning_add_list(q, &q->groups[at], l);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* Documents with any part that tells what it is about, or with `vague` ones when none does. Where the other of two is in no document
 * at all, the one that is was all that could be found. */
static int add_some(struct query *q, size_t at, const struct compound *c, bool vague)
{
    struct list lists[SOME_PARTS] = { 0 };
    float weight = BY_SOME;
    size_t n = c->n < SOME_PARTS ? c->n : SOME_PARTS;
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        if (!vague && search_is_vague(c->parts[i].folded_stem))
            continue;
        r = meaning_read_word(q, c->parts[i].word, &lists[i]);
        if (lists[i].n == 0 && c->n == 2)
            weight = BY_REST;
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        lists[i].factor = weight * list_rarity(&q->lists, lists[i].documents);
        r = meaning_add_list(q, &q->groups[at], lists[i]);
    }
    return r < 0 ? r : add_parts_said_otherwise(q, at, c, true, weight);
}

/* Two words written as one, wherever both are in the same documents; `known`: only of two words of the language. */
static int add_joined(struct query *q, size_t at, bool known)
{
    const char *word = q->tokens[at].word;
    size_t len = strlen(word);
    struct list left, all;
    int r = 0;

    if (len > SEARCH_WORD_BYTES)
        return 0;
    for (size_t cut = JOINED_LETTERS; cut + JOINED_LETTERS <= len && r == 0; cut++) {
        char first[SEARCH_WORD_BYTES + 1];
        if (((uint8_t)word[cut] & 0xc0) == 0x80)
            continue;
        memcpy(first, word, cut);
        first[cut] = '\0';
        if (known && !(text_is_known(first) && text_is_known(word + cut)))
            continue;
        r = list_read(&q->lists, first, &left);
        if (r < 0 || left.n == 0)
            continue;
        r = read_all(q, (const char *const[]) { first, word + cut }, 2, BY_JOINED, &all);
        if (r == 0)
            r = meaning_add_list(q, &q->groups[at], all);
    }
    return r;
}

/* ---- synonyms ---- */

static int add_meaning(struct query *q, size_t from, size_t to, const char *expansion)
{
    struct search_result *result = q->result;
    const size_t most = SEARCH_QUERY_WORDS * 2;

    if (result->n_meanings == most)
        return 0;
    if (!result->meanings) {
        result->meanings = arena_calloc(q->arena, most, sizeof(*result->meanings));
        if (!result->meanings)
            return -ENOMEM;
    }
    char *copy = arena_strdup(q->arena, expansion);
    if (!copy)
        return -ENOMEM;
    result->meanings[result->n_meanings++] =
        (struct search_meaning) { q->tokens[from].start, q->tokens[to - 1].end, copy };
    return 0;
}

static bool has_meaning(const struct query *q, size_t from, size_t to, const char *expansion)
{
    for (size_t i = 0; i < q->result->n_meanings; i++) {
        const struct search_meaning *m = &q->result->meanings[i];
        if (m->start == q->tokens[from].start && m->end == q->tokens[to - 1].end &&
            strcmp(m->expansion, expansion) == 0)
            return true;
    }
    return false;
}

/* Documents with all words of an expansion count for each word of the phrase. */
static int add_expansion(struct query *q, size_t from, size_t to, const char *expansion,
                         float weight)
{
    const char *words[SEARCH_QUERY_WORDS];
    struct list l;
    size_t n_words;

    if (has_meaning(q, from, to, expansion))
        return 0;
    int r = phrase_words(q, expansion, words, &n_words);
    if (r < 0)
        return r;
    r = read_all(q, words, n_words, weight, &l);
    for (size_t i = from; i < to && r == 0; i++)
        if (q->counts[i])
            r = meaning_add_list(q, &q->groups[i], l);
    return r < 0 ? r : add_meaning(q, from, to, expansion);
}

/* What a phrase stands for, given as its words; it is in the place of the query's words [from, to). */
static int add_synonyms_of(struct query *q, const struct phrase *phrase, size_t from, size_t to,
                           float weight)
{
    struct expansions e;

    int r = expansions_begin(q, phrase, &e);
    for (const char *expansion; r == 0 && (expansion = expansions_next(&e));)
        r = add_expansion(q, from, to, expansion, weight);
    return r;
}

static int add_synonyms_of_word(struct query *q, const char *word, size_t from, size_t to,
                                float weight)
{
    const struct text_token token = { .word = word };

    return add_synonyms_of(q, &(struct phrase) { &token, &(bool) { true }, 1 }, from, to, weight);
}

int meaning_add_synonyms_like(struct query *q, size_t at, const struct candidate *c, size_t n,
                              float weight)
{
    struct text_token *words;
    bool tells[PHRASE_SPAN];
    size_t n_words;
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        r = text_tokens(q->lists.work, c[i].word, strlen(c[i].word), PHRASE_SPAN, &words, &n_words);
        for (size_t j = 0; j < n_words && r == 0; j++)
            tells[j] = search_tells(words[j].word);
        if (r == 0)
            r = add_synonyms_of(q, &(struct phrase) { words, tells, n_words }, at, at + 1, weight);
    }
    return r;
}

int meaning_add_synonyms(struct query *q)
{
    int r = 0;

    for (size_t from = 0; from < q->n_tokens; from++) {
        struct phrase p = { q->tokens + from, q->tells + from, q->counts[from] ? 1 : 2 };
        /* Alone, "men" is no form of "mens". */
        for (; p.n <= PHRASE_SPAN && from + p.n <= q->n_tokens && r == 0; p.n++)
            if (search_phrase_is_whole(&p))
                r = add_synonyms_of(q, &p, from, from + p.n, BY_WORD);
    }
    return r;
}

/* What a compound says in one word is also said in several: "cancer i magen", "barn med cancer". */
static int add_compound_of(struct query *q, size_t from, size_t to, const char *first,
                           const char *link, const char *last)
{
    char word[SEARCH_WORD_BYTES + 1] = "";

    if (!append(word, first) || !append(word, link) || !append(word, last))
        return 0;
    int r = add_one_word(q, from, to, word);
    return r < 0 ? r : add_synonyms_of_word(q, word, from, to, BY_WORD);
}

/* Of words [from, to), all between the first and the last are fillers. */
static int add_told_apart(struct query *q, size_t from, size_t to)
{
    static const char *const links[] = { "", "s", "a" };
    const struct text_token *first = &q->tokens[from], *last = &q->tokens[to - 1];
    int r = 0;

    if (strcmp(first[1].word, "med") == 0)
        return add_compound_of(q, from, to, first->stem, "", last->word);
    for (size_t i = 0; i < ARRAY_LEN(links) && r == 0; i++)
        r = add_compound_of(q, from, to, last->stem, links[i], first->word);
    return r;
}

int meaning_add_told_apart(struct query *q)
{
    int r = 0;

    for (size_t from = 0; from < q->n_tokens && r == 0; from++) {
        size_t to = from + 1;
        if (search_is_filler(q->tokens[from].word) || to == q->n_tokens ||
            !meaning_relates(q->tokens[to].word))
            continue;
        while (to < q->n_tokens && search_is_filler(q->tokens[to].word))
            to++;
        if (to < q->n_tokens && to - from < PHRASE_SPAN && q->counts[from] && q->counts[to])
            r = add_told_apart(q, from, to + 1);
    }
    return r;
}

/* Looks for words that this one was written for, and takes it for these. */
static int add_alike(struct query *q, size_t at, unsigned cost)
{
    struct guess guess;
    int r = guess_find(q, at, cost, &guess);

    return r < 0 ? r : guess_take(q, at, &guess);
}

/* Nothing has the word, nor all of its parts. `near` is what it may have been written for by one mistake. */
static int add_fallbacks(struct query *q, size_t at, const struct compound *c, struct guess *near)
{
    const struct group *g = &q->groups[at];
    const char *folded = q->tokens[at].folded;
    const char *stem = q->tokens[at].folded_stem;
    unsigned letters = guess_letters(folded);
    bool known = text_is_known(q->tokens[at].word);
    int r = 0;

    if (known)
        r = add_some(q, at, c, false);
    if (r == 0 && g->n == 0)
        r = add_joined(q, at, true);
    if (r == 0 && g->n == 0 && strlen(folded) >= BEGIN_LETTERS)
        r = guess_begun(q, at, folded, false);
    if (r == 0 && g->n == 0 && known && strlen(stem) >= AKIN_LETTERS)
        r = guess_begun(q, at, stem, false); /* "utmattad" is akin to "utmattning" */
    if (r < 0 || known)
        return r; /* a word of the language was meant as it stands */
    if (g->n == 0)
        r = guess_take(q, at, near);
    if (r == 0 && g->n == 0)
        r = add_joined(q, at, false);
    if (r == 0 && g->n == 0 && letters >= 2)
        r = add_alike(q, at, 2 * LIKENESS_EDIT);
    if (r == 0 && g->n == 0)
        r = add_some(q, at, c, false);
    if (r == 0 && g->n == 0 && letters >= 3)
        r = add_alike(q, at, 3 * LIKENESS_EDIT);
    return r;
}

static uint32_t documents_of(const struct group *g)
{
    uint32_t n = 0;

    for (size_t i = 0; i < g->n; i++)
        n += g->lists[i].n;
    return n;
}

/* Documents that two of the first `n` ways lead to are worth more than by the better one alone, if the other is not much worse. */
static int add_agreement(struct query *q, struct group *g, size_t n)
{
    struct list both;
    int r = 0;

    if (n > AGREEING_MAX)
        n = AGREEING_MAX;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n && r == 0; j++) {
            const struct list two[] = { g->lists[i], g->lists[j] };
            r = list_intersect(&q->lists, two, ARRAY_LEN(two), &both);
            both.factor = BY_AGREEMENT * (two[0].factor + two[1].factor);
            if (r == 0)
                r = meaning_add_list(q, g, both);
        }
    }
    return r;
}

/* Whether the word's end looks like an organisation. */
static bool may_name(const struct text_token *t)
{
    static const char *const ends[] = { "forbund", "forening", "organisation" };
    const size_t len = strlen(t->folded_stem);

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        const size_t end = strlen(ends[i]);
        if (len > end && strcmp(t->folded_stem + len - end, ends[i]) == 0)
            return true;
    }
    return false;
}

/* What a compound is about, when its last part says little: who looks for a "pensionärsförening" looks for any organisation of
 * "pensionärer". */
static int add_subject(struct query *q, size_t at, const struct compound *c,
                       const struct text_part *last, float weight)
{
    const char *words[SEARCH_QUERY_WORDS + TEXT_PARTS_MAX];
    struct list l;
    int r = 0;

    for (size_t i = 0; i < c->n && r == 0; i++) {
        const struct text_part *p = &c->parts[i];
        if (p->start == 0 && p->end == last->start)
            r = add_synonyms_of_word(q, p->word, at, at + 1, weight);
    }
    if (r == 0)
        r = read_all(q, words, other_parts(c, last, words, 0), weight, &l);
    return r < 0 ? r : meaning_add_list(q, &q->groups[at], l);
}

/* The last part of a compound, if it is vague. */
static const struct text_part *vague_part(const struct compound *c)
{
    const struct text_part *last = NULL;

    for (size_t i = 0; i < c->n; i++)
        last = c->parts[i].leaf ? &c->parts[i] : last;
    return last && search_is_vague(last->folded_stem) ? last : NULL;
}

/* Whether the word may be a mistake: no word of the language, and long enough to tell. */
static bool may_be_mistaken(const struct text_token *t)
{
    return guess_letters(t->folded) > 0 && !text_is_known(t->word);
}

/* What the word may have been written for by one mistake, if nothing else has been found; by the sound alone, if it is a long word of
 * the language (few of these sound like another) or has a meaning as a compound. Takes it for what sounds the same. */
static int find_near(struct query *q, size_t at, struct guess *ret)
{
    const struct text_token *t = &q->tokens[at];
    bool mistaken = may_be_mistaken(t);

    *ret = (struct guess) { .cost = LIKENESS_FAR };
    if (!mistaken && guess_letters(t->folded) < 2)
        return 0;
    int r =
        guess_find(q, at, mistaken && q->groups[at].n == 0 ? LIKENESS_EDIT : LIKENESS_SOUND, ret);
    return r < 0 || ret->cost > LIKENESS_SOUND ? r : guess_take(q, at, ret);
}

int meaning_find_word(struct query *q, size_t at, bool unfinished)
{
    struct compound c = { 0 };
    struct guess near = { .cost = LIKENESS_FAR };
    struct group *g = &q->groups[at];
    uint32_t documents = 0, rare = q->lists.documents / RARE_ONE_IN;

    if (rare < RARE_AT_LEAST)
        rare = RARE_AT_LEAST;
    const size_t otherwise = g->n; /* ways by synonyms, or with its neighbours */
    int r = add_whole(q, at, &documents);
    if (r == 0 && otherwise > 0)
        r = add_agreement(q, g, g->n > otherwise ? otherwise + 1 : otherwise);
    if (r == 0 && unfinished && strlen(q->tokens[at].folded) >= TYPE_AHEAD_LETTERS)
        r = guess_begun(q, at, q->tokens[at].folded, true);
    if (r < 0 || (documents > rare && !may_name(&q->tokens[at])))
        return r;
    bool told = g->n > 0; /* by the word itself or a synonym */
    r = text_compound(q->lists.work, q->tokens[at].word, &c.parts, &c.n);
    const struct text_part *vague = vague_part(&c);
    const bool names = vague && meaning_is_generic(vague->stem);
    if (r == 0 && vague && (names || !told))
        r = add_subject(q, at, &c, vague, names ? BY_WORD : BY_PARTS);
    if (r < 0 || documents > rare)
        return r;
    if (r == 0 && c.n > 0)
        r = add_parts(q, at, &c);
    if (r == 0 && c.n > 0)
        r = add_parts_said_otherwise(q, at, &c, false, BY_PARTS);
    if (r == 0 && otherwise == 0)
        r = guess_akin(q, at, vague);
    if (r == 0 && !told)
        r = find_near(q, at, &near);
    if (r == 0 && told && otherwise == 0 && c.n == 0 && may_be_mistaken(&q->tokens[at]))
        r = add_joined(q, at, true); /* that somebody else wrote it so, too, need not be all */
    bool guessed = r == 0 && g->n == 0;
    if (guessed)
        r = add_fallbacks(q, at, &c, &near);
    if (r == 0 && g->n == 0)
        r = add_some(q, at, &c, true);
    else if (r == 0 && !guessed && !told && documents_of(g) < rare)
        /* That a document has both parts by chance is no answer yet. */
        r = add_some(q, at, &c, false);
    return r;
}
