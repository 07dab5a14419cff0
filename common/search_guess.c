/* search_guess.c - what a word may have meant that nothing has: a word that it begins, or one that it was written for by mistake. A word
 * found so is taken as if it had been written: with what it is a synonym of. */
#include "common/search_guess.h"

#include <errno.h>
#include <string.h>

enum {
    AKIN_STEPS = 50,         /* through the dictionary */
    TYPO_LETTERS = 4,        /* shorter words are taken as they are; */
    TYPO_TWO_LETTERS = 8,    /* from here on two letters may be wrong, */
    TYPO_THREE_LETTERS = 10, /* from here on three, if all else fails */
};

/* What a document is worth by each of the ways, against the word itself. */
#define BY_TYPO     0.7F
#define BY_TYPO_TWO 0.5F
#define BY_BEGIN    0.6F

/* Words of the dictionary as one thing: what they have together tells how rare it is. */
static int add_candidates(struct query *q, size_t at, const struct candidate *c, size_t n,
                          float weight, bool prefix)
{
    struct group *g = &q->groups[at];
    size_t before = g->n;
    double documents = 1;
    struct list l;

    for (size_t i = 0; i < n; i++) {
        int r = prefix ? list_read(&q->lists, c[i].word, &l) : meaning_read_word(q, c[i].word, &l);
        if (r == 0)
            r = meaning_add_list(q, g, l);
        if (r < 0)
            return r;
        if (l.documents > documents)
            documents = l.documents;
    }
    for (size_t i = before; i < g->n; i++)
        g->lists[i].factor =
            weight * list_rarity(&q->lists, documents) * (float)g->lists[i].percent / 100.0F;
    return 0;
}

/* Leaves one word for each term: inflections of one would count again and again. */
static int one_per_term(struct query *q, struct candidate *c, size_t *n)
{
    const struct term *terms[CANDIDATES_MAX];
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        const struct term *t = list_term(&q->lists, c[i].word, NULL);
        size_t j = 0;
        if (!t)
            return -ENOMEM;
        while (j < kept && (terms[j]->key.len != t->key.len ||
                            memcmp(terms[j]->key.data, t->key.data, t->key.len) != 0))
            j++;
        if (j < kept)
            continue;
        terms[kept] = t;
        c[kept++] = c[i];
    }
    *n = kept;
    return 0;
}

/* Leaves the words that begin with the token's very letters, if it is a word of the language with dots: "hår" is no beginning of "har". */
static size_t with_dots_of(const struct text_token *t, struct candidate *c, size_t n)
{
    size_t kept = 0, len = strlen(t->word);

    if (strcmp(t->word, t->folded) == 0 || !text_is_known(t->word))
        return n;
    for (size_t i = 0; i < n; i++)
        if (strncmp(c[i].word, t->word, len) == 0 ||
            strncmp(c[i].word, t->stem, strlen(t->stem)) == 0)
            c[kept++] = c[i];
    return kept;
}

/* Leaves out phrases: who has written "son" to the end did not begin "son dog". */
static size_t single_words(struct candidate *c, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (!strchr(c[i].word, ' '))
            c[kept++] = c[i];
    return kept;
}

int guess_begun(struct query *q, size_t at, const char *folded, bool unfinished)
{
    struct candidate found[CANDIDATES_MAX];
    size_t n = 0;

    int r = dictionary_prefix(q->lists.rd, &T_SEARCH_WORD, q->lists.work, folded, ARRAY_LEN(found),
                              &q->dictionary, found, &n);
    if (r < 0)
        return r;
    if (n == 0) {
        r = dictionary_prefix(q->lists.rd, &T_SEARCH_SYNONYM, q->lists.work, folded,
                              GUESSED_SYNONYMS, &q->dictionary, found, &n);
        if (r == 0 && !unfinished)
            n = single_words(found, n);
        return r < 0 ? r : meaning_add_synonyms_like(q, at, found, n, BY_BEGIN);
    }
    n = with_dots_of(&q->tokens[at], found, n);
    if (n == 0)
        return 0;
    r = meaning_add_stem(q, folded, strlen(folded), true);
    if (r < 0)
        return r;
    r = one_per_term(q, found, &n);
    return r < 0 ? r : add_candidates(q, at, found, n, BY_BEGIN, true);
}

/* What may follow the stem that two words have, when one is derived from the other: "hetsäter" and "hetsätning". */
static bool is_derivation(const char *rest)
{
    static const char *const endings[] = {
        "a",   "ad", "ande", "are", "at",  "ation", "else", "en",   "ende", "er", "era",
        "het", "ig", "ing",  "isk", "ism", "ist",   "lig",  "ning", "sam",  "sk", "tion",
    };

    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (strcmp(rest, endings[i]) == 0)
            return true;
    return *rest == '\0';
}

static bool is_vague(const char *rest)
{
    char stem[TEXT_WORD_BYTES + 1];

    text_stem(rest, stem);
    return search_is_vague(stem);
}

/* Words of the dictionary that begin so, as far as a short walk goes: what is derived from a stem stands near it. */
static int find_akin(struct query *q, const struct table *dictionary, const char *first,
                     struct candidate found[CANDIDATES_MAX], size_t *n)
{
    struct dictionary_budget walk = { .steps = AKIN_STEPS };

    return dictionary_prefix(q->lists.rd, dictionary, q->lists.work, first, CANDIDATES_MAX, &walk,
                             found, n);
}

/* Adds the words of documents that are derived from the stem. */
static int add_derived(struct query *q, size_t at, const char *stem)
{
    struct candidate found[CANDIDATES_MAX];
    size_t n = 0, kept = 0, len = strlen(stem);

    int r = find_akin(q, &T_SEARCH_WORD, stem, found, &n);
    for (size_t i = 0; i < n; i++) {
        const struct term *t = list_term(&q->lists, found[i].word, NULL);
        if (!t)
            return -ENOMEM;
        const char *folded = (const char *)t->folded.data;
        if (strlen(folded) > len && is_derivation(folded + len))
            found[kept++] = found[i];
    }
    if (r == 0)
        r = one_per_term(q, found, &kept);
    return r < 0 ? r : add_candidates(q, at, found, kept, BY_BEGIN, true);
}

/* Takes the word for those with synonyms that begin with `first`, of which what follows is such that both mean the same. */
static int add_akin(struct query *q, size_t at, const char *first,
                    bool (*means_the_same)(const char *rest))
{
    struct candidate found[CANDIDATES_MAX];
    size_t n = 0, kept = 0, len = strlen(first);

    int r = find_akin(q, &T_SEARCH_SYNONYM, first, found, &n);
    for (size_t i = 0; i < n; i++) {
        struct text_token *word;
        size_t words;
        if (r == 0)
            r = text_tokens(q->lists.work, found[i].word, strlen(found[i].word), 2, &word, &words);
        if (r == 0 && words == 1 && strlen(word->folded) >= len &&
            means_the_same(word->folded + len))
            found[kept++] = found[i];
    }
    return r < 0 ? r : meaning_add_synonyms_like(q, at, found, kept, BY_BEGIN);
}

int guess_akin(struct query *q, size_t at, const struct text_part *vague)
{
    const struct text_token *t = &q->tokens[at];
    char first[TEXT_WORD_BYTES + 1];

    if (vague) {
        first[text_casefold(t->word, vague->start, true, first, TEXT_WORD_BYTES)] = '\0';
        return add_akin(q, at, first, is_vague);
    }
    if (strlen(t->folded_stem) < AKIN_LETTERS)
        return 0;
    int r = add_derived(q, at, t->folded_stem);
    return r < 0 ? r : add_akin(q, at, t->folded_stem, is_derivation);
}

static int add_correction(struct query *q, size_t at, const char *word)
{
    struct search_result *result = q->result;
    const struct text_token *t = &q->tokens[at];

    if (!result->corrections) {
        result->corrections =
            arena_calloc(q->arena, SEARCH_QUERY_WORDS, sizeof(*result->corrections));
        if (!result->corrections)
            return -ENOMEM;
    }
    char *copy = arena_strdup(q->arena, word);
    if (!copy)
        return -ENOMEM;
    result->corrections[result->n_corrections++] =
        (struct search_correction) { t->start, t->end, copy };
    return 0;
}

/* Leaves out words that differ from one of the language only in their dots: these were meant. */
static size_t other_letters(const struct text_token *t, struct candidate *c, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (c[i].cost > 0 || !text_is_known(t->word))
            c[kept++] = c[i];
    return kept;
}

int guess_find(struct query *q, size_t at, unsigned cost, struct guess *ret)
{
    const bool far = cost > LIKENESS_EDIT;
    const struct term *term = list_term(&q->lists, q->tokens[at].word, NULL);

    *ret = (struct guess) { .cost = LIKENESS_FAR };
    if (!term)
        return -ENOMEM;
    int r = dictionary_near(q->lists.rd, &T_SEARCH_WORD, q->lists.work, q->tokens[at].folded, cost,
                            far, GUESSED_WORDS, &q->dictionary, ret->words, &ret->n);
    if (r < 0)
        return r;
    ret->n = other_letters(&q->tokens[at], ret->words, ret->n);
    r = one_per_term(q, ret->words, &ret->n);
    if (ret->n > 0)
        ret->cost = ret->words[0].cost;
    if (cost > ret->cost + NEAR_SLACK)
        cost = ret->cost + NEAR_SLACK; /* what is farther is not meant, see below */
    if (r == 0)
        r = dictionary_near(q->lists.rd, &T_SEARCH_SYNONYM, q->lists.work,
                            (const char *)term->folded.data, cost, far, GUESSED_SYNONYMS,
                            &q->dictionary, ret->lay, &ret->n_lay);
    if (r < 0)
        return r;
    /* What it is easier to write the word for is meant. */
    if (ret->n_lay > 0 && ret->lay[0].cost < ret->cost) {
        ret->cost = ret->lay[0].cost;
        ret->n = 0;
    } else if (ret->n_lay > 0 && ret->lay[0].cost > ret->cost) {
        ret->n_lay = 0;
    }
    return 0;
}

int guess_take(struct query *q, size_t at, struct guess *g)
{
    const float weight = g->cost > LIKENESS_EDIT ? BY_TYPO_TWO : BY_TYPO;
    const size_t before = q->groups[at].n;

    int r = add_candidates(q, at, g->words, g->n, weight, false);
    memcpy(g->words + g->n, g->lay, g->n_lay * sizeof(*g->lay));
    size_t n = g->n + g->n_lay;
    if (r == 0)
        r = one_per_term(q, g->words, &n);
    if (r == 0)
        r = meaning_add_synonyms_like(q, at, g->words, n, weight);
    if (r == 0 && q->groups[at].n > before)
        r = add_correction(q, at, g->words[0].word);
    return r;
}

unsigned guess_letters(const char *folded)
{
    size_t letters = strlen(folded);

    if (letters < TYPO_LETTERS || strpbrk(folded, "0123456789"))
        return 0;
    return letters < TYPO_TWO_LETTERS ? 1 : letters < TYPO_THREE_LETTERS ? 2 : 3;
}
