/* main.c - compiles the lexicon: hunspell's Swedish dictionary, words.txt and the names of places become the table that
 * common/lexicon.h describes.
 *
 *   lexicon-compiler AFF DIC WORDS OUT CSV...
 *
 * Every word is inflected by the dictionary's own rules, and every form keeps the way back to its word. A spelling that may
 * come from several words belongs to that from which, or with which, most other words are made: "vården" to vård. The same
 * input gives the same bytes. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lexicon.h"
#include "common/lexicon/forms.h"
#include "common/lexicon/hunspell.h"
#include "common/lexicon/lists.h"
#include "common/lexicon/table.h"

/* The flags of the dictionary's .aff file. */
enum { FORBIDDEN = '%', FIRST = 'X', MIDDLE = 'U', LAST = 'Y', ONLY_IN_COMPOUND = 'Z' };
static const char link_flags[] = "zgyhxwvfuits7"; /* rules that make linking forms */

enum { WEIGHT_LISTED = UINT32_MAX, WEIGHT_SELF = UINT32_MAX - 1 };

/* How many other words must have a word as their first or last part for it to be one where the dictionary does not say so;
 * by its length in bytes. Short ones are often chance. */
enum { ATTESTED_LONG = 3, ATTESTED_SHORT = 10, SHORT_BYTES = 3 };

/* Any noun or name of some length may begin a compound, if no linking letter is known for it. Nouns are known by the flags of
 * their plurals and definite forms. */
enum { LONG_NOUN_BYTES = 6, LONG_NAME_BYTES = 5 };
static const char noun_flags[] = "BCDEFGHIJ";

struct compiler {
    struct dictionary d;
    struct lists lists;
    struct forms *forms;
    struct word **sorted;  /* the dictionary's words by text */
    const char **reversed; /* their texts backwards, sorted */
    uint32_t *as_first;    /* of each sorted word: how many others it begins, and ends, as a part */
    uint32_t *as_stem;     /* the same without its last letter, an a */
    uint32_t *as_last;
};

/* ---- how productive a word is ---- */

static int compare_words(const void *a, const void *b)
{
    const struct word *left = *(struct word *const *)a, *right = *(struct word *const *)b;
    int order = strcmp(left->text, right->text);
    return order ? order : strcmp(left->flags, right->flags);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *reverse(const char *text)
{
    size_t len = strlen(text);
    char *to = malloc(len + 1);
    for (size_t i = 0; to && i < len; i++)
        to[i] = text[len - 1 - i];
    if (to)
        to[len] = '\0';
    return to;
}

static int sort_words(struct compiler *c)
{
    size_t n = c->d.n_words;
    c->sorted = calloc(n + 1, sizeof *c->sorted);
    c->reversed = calloc(n + 1, sizeof *c->reversed);
    if (!c->sorted || !c->reversed)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        c->sorted[i] = &c->d.words[i];
        c->reversed[i] = reverse(c->d.words[i].text);
        if (!c->reversed[i])
            return -ENOMEM;
    }
    qsort(c->sorted, n, sizeof *c->sorted, compare_words);
    qsort(c->reversed, n, sizeof *c->reversed, compare_texts);
    return 0;
}

/* The first of the sorted words that is not before `text`. */
static size_t lower_bound(const struct compiler *c, const char *text)
{
    size_t from = 0, to = c->d.n_words;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(c->sorted[middle]->text, text) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static uint32_t count_ends(const struct compiler *c, const char *text, size_t len)
{
    size_t from = 0, to = c->d.n_words;
    uint32_t n = 0;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(c->reversed[middle], text) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    for (; from < c->d.n_words && strncmp(c->reversed[from], text, len) == 0; from++)
        n++;
    return n;
}

/* How many words begin or end with this one. */
static int weigh(const struct compiler *c, const char *word, uint32_t *ret)
{
    size_t len = strlen(word);
    uint32_t n = 0;
    for (size_t i = lower_bound(c, word);
         i < c->d.n_words && strncmp(c->sorted[i]->text, word, len) == 0; i++)
        n++;
    char *backwards = reverse(word);
    if (!backwards)
        return -ENOMEM;
    *ret = n + count_ends(c, backwards, len);
    free(backwards);
    return 0;
}

/* ---- linking forms ---- */

static uint16_t link_flags_of(const char *flags)
{
    return (uint16_t)((strchr(flags, FIRST) ? LEXICON_FIRST : 0) |
                      (strchr(flags, MIDDLE) ? LEXICON_MIDDLE : 0));
}

static const struct word *find_word(const struct compiler *c, const char *text, char flag,
                                    char without)
{
    for (size_t i = lower_bound(c, text); i < c->d.n_words && strcmp(c->sorted[i]->text, text) == 0;
         i++) {
        const char *flags = c->sorted[i]->flags;
        if ((!flag || strchr(flags, flag)) && !strchr(flags, without))
            return c->sorted[i];
    }
    return NULL;
}

/* The word of which the dictionary lists a linking form by itself ("hälso", "hjärn"): that from which one of its linking rules
 * makes it, and of several the most productive. Itself when it is also a word, or when there is none. */
static int find_base(const struct compiler *c, const char *form, char base[128])
{
    uint32_t best = 0;
    snprintf(base, 128, "%s", form);
    if (find_word(c, form, '\0', ONLY_IN_COMPOUND))
        return 0;
    for (size_t i = 0; i < c->d.n_rules; i++) {
        const struct suffix_rule *rule = &c->d.rules[i];
        char candidate[128], made[128];
        size_t len = strlen(form), add = strlen(rule->add);
        if (!strchr(link_flags, rule->flag) || rule->flag == '7' || len <= add ||
            len + 24 >= sizeof candidate || strcmp(form + len - add, rule->add) != 0)
            continue;
        snprintf(candidate, sizeof candidate, "%.*s%s", (int)(len - add), form, rule->strip);
        if (!suffix_apply(rule, candidate, made, sizeof made) || strcmp(made, form) != 0 ||
            !find_word(c, candidate, LAST, ONLY_IN_COMPOUND))
            continue;
        uint32_t weight;
        int r = weigh(c, candidate, &weight);
        if (r < 0)
            return r;
        if (weight > best) {
            best = weight;
            snprintf(base, 128, "%s", candidate);
        }
    }
    return 0;
}

/* ---- parts that the dictionary does not mark as such ---- */

/* All that may begin a compound by the dictionary's marks. */
static int collect_firsts(const struct compiler *c, struct forms *firsts)
{
    char form[160];
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->d.n_words; i++) {
        const struct word *w = &c->d.words[i];
        if (strchr(w->flags, FORBIDDEN) || strlen(w->text) > 100)
            continue;
        if (link_flags_of(w->flags))
            r = forms_add(firsts, w->text, NULL, NULL, LEXICON_FIRST, 0);
        for (size_t at = 0; r == 0 && at < c->d.n_rules; at++) {
            const struct suffix_rule *rule = &c->d.rules[at];
            if (strchr(w->flags, rule->flag) && link_flags_of(rule->flags) &&
                suffix_apply(rule, w->text, form, sizeof form) > 0)
                r = forms_add(firsts, form, NULL, NULL, LEXICON_FIRST, 0);
        }
    }
    return r == 0 ? forms_merge(firsts) : r;
}

static void count(const struct compiler *c, uint32_t *counts, const char *text)
{
    if (find_word(c, text, '\0', FORBIDDEN))
        counts[lower_bound(c, text)]++;
}

/* Each way to cut a word of the dictionary in two words of the dictionary, one of which is marked as such a part, speaks for
 * the other. */
static void count_parts(const struct compiler *c, const struct forms *firsts, const char *text)
{
    char head[128];
    size_t len = strlen(text);
    for (size_t at = 3; at + 3 <= len && len < sizeof head; at++) {
        if (((unsigned char)text[at] & 0xc0) == 0x80)
            continue;
        snprintf(head, sizeof head, "%.*s", (int)at, text);
        if (find_word(c, text + at, LAST, FORBIDDEN)) {
            count(c, c->as_first, head);
            snprintf(head, sizeof head, "%.*sa", (int)at, text);
            count(c, c->as_stem, head);
            head[at] = '\0';
        }
        if (forms_find(firsts, head))
            count(c, c->as_last, text + at);
    }
}

static int attest(struct compiler *c)
{
    c->as_first = calloc(c->d.n_words + 1, sizeof *c->as_first);
    c->as_stem = calloc(c->d.n_words + 1, sizeof *c->as_stem);
    c->as_last = calloc(c->d.n_words + 1, sizeof *c->as_last);
    struct forms *firsts = forms_new();
    int r = c->as_first && c->as_stem && c->as_last && firsts ? collect_firsts(c, firsts) : -ENOMEM;
    for (size_t i = 0; r == 0 && i < c->d.n_words; i++) {
        const struct word *w = c->sorted[i];
        bool same = i > 0 && strcmp(w->text, c->sorted[i - 1]->text) == 0;
        if (!same && !strchr(w->flags, FORBIDDEN) && !strchr(w->flags, ONLY_IN_COMPOUND))
            count_parts(c, firsts, w->text);
    }
    forms_free(firsts);
    return r;
}

static bool is_attested(const uint32_t *counts, const struct compiler *c, const char *text)
{
    size_t i = lower_bound(c, text);
    return counts[i] >= (strlen(text) > SHORT_BYTES ? ATTESTED_LONG : ATTESTED_SHORT);
}

/* Nouns with these suffixes take an s before what follows: "säkerhets-lag", though the dictionary may not say so. */
static bool takes_s(const char *text)
{
    static const char *const suffixes[] = { "het",  "ning", "ling", "tion",
                                            "sion", "skap", "dom",  "itet" };
    size_t len = strlen(text);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        size_t n = strlen(suffixes[i]);
        if (len > n && strcmp(text + len - n, suffixes[i]) == 0)
            return true;
    }
    return false;
}

/* ---- all forms of a word ---- */

static bool is_capital(const char *text)
{
    unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];
    return (c >= 'A' && c <= 'Z') || (c == 0xc3 && next >= 0x80 && next < 0x9f);
}

static int add_inflection(struct compiler *c, const struct word *w, const char *form,
                          uint16_t flags, uint32_t weight)
{
    const char *irregular = lists_irregular(&c->lists, form);
    if (!irregular) /* "männen" from "män", itself from "man" */
        irregular = lists_irregular(&c->lists, w->text);
    if (irregular)
        return forms_add(c->forms, form, irregular, NULL, flags, WEIGHT_LISTED);
    return forms_add(c->forms, form, w->text, NULL, flags, weight);
}

static int add_word(struct compiler *c, const struct word *w)
{
    uint16_t listed = lists_flags(&c->lists, w->text);
    uint16_t spelling = listed & (LEXICON_NEVER_FIRST | LEXICON_SHORT_FIRST);
    uint16_t inflected = listed & (LEXICON_NEVER_LAST | LEXICON_TAIL);
    bool compound_only = strchr(w->flags, ONLY_IN_COMPOUND);
    uint32_t weight;
    char form[160], base[128];

    if (strchr(w->flags, FORBIDDEN) || strlen(w->text) > 100)
        return 0;
    if (!compound_only)
        inflected |= is_capital(w->text) ? LEXICON_NAME : LEXICON_WORD;
    bool is_short = strlen(w->text) <= SHORT_BYTES; /* "jour-nal": only what other words end in */
    if ((strchr(w->flags, LAST) && (!is_short || is_attested(c->as_last, c, w->text))) ||
        inflected & LEXICON_TAIL)
        inflected |= LEXICON_LAST;
    bool noun = strpbrk(w->flags, noun_flags), name = inflected & LEXICON_NAME;
    bool long_noun = noun && strlen(w->text) >= LONG_NOUN_BYTES && !strpbrk(w->flags, link_flags);
    if (!compound_only && (noun || strlen(w->text) > SHORT_BYTES) &&
        is_attested(c->as_last, c, w->text))
        inflected |= LEXICON_WEAK_LAST;
    if (name && strlen(w->text) >= LONG_NAME_BYTES)
        inflected |= LEXICON_WEAK_FIRST;
    bool with_s = long_noun && takes_s(w->text);
    if (is_attested(c->as_first, c, w->text) || (long_noun && !with_s))
        spelling |= LEXICON_WEAK_FIRST;
    int r = weigh(c, w->text, &weight);
    if (r == 0 && with_s) {
        snprintf(form, sizeof form, "%ss", w->text);
        r = forms_add(c->forms, form, NULL, w->text, LEXICON_WEAK_FIRST, 0);
    }
    if (r == 0 && inflected)
        r = add_inflection(c, w, w->text, inflected | spelling, WEIGHT_SELF);

    uint16_t links = link_flags_of(w->flags);
    if (r == 0 && links)
        r = find_base(c, w->text, base);
    if (r == 0 && links)
        r = forms_add(c->forms, w->text, NULL, base, links | spelling, WEIGHT_SELF);

    /* A noun's -a falls away in many compounds: "lymf-ödem". */
    size_t len = strlen(w->text);
    if (r == 0 && noun && len > SHORT_BYTES + 1 && w->text[len - 1] == 'a' &&
        is_attested(c->as_stem, c, w->text)) {
        snprintf(form, sizeof form, "%.*s", (int)len - 1, w->text);
        r = forms_add(c->forms, form, NULL, w->text, LEXICON_WEAK_FIRST, 0);
    }

    for (size_t i = 0; r == 0 && i < c->d.n_rules; i++) {
        const struct suffix_rule *rule = &c->d.rules[i];
        if (!strchr(w->flags, rule->flag) || suffix_apply(rule, w->text, form, sizeof form) == 0)
            continue;
        links = link_flags_of(rule->flags);
        if (links)
            r = forms_add(c->forms, form, NULL, w->text, links, weight);
        else if (inflected)
            r = add_inflection(c, w, form, inflected, weight);
    }
    return r;
}

/* What words.txt says of a spelling holds whether or not that is a word of the dictionary by itself. */
static int add_listed(struct compiler *c)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->lists.n; i++) {
        const struct listed *l = &c->lists.all[i];
        uint16_t flags =
            l->flag == LEXICON_SHORT_FIRST ? LEXICON_SHORT_FIRST | LEXICON_FIRST : l->flag;
        const char *base = l->flag == LEXICON_FIRST ? l->base : NULL;
        if (l->flag != LEXICON_TAIL && l->flag != 0)
            r = forms_add(c->forms, l->word, NULL, base, flags, 0);
    }
    return r;
}

static int compile(struct compiler *c, int n_places, char **places, const char *out)
{
    int r = sort_words(c);
    if (r == 0)
        r = attest(c);
    if (r == 0)
        r = add_listed(c);
    for (size_t i = 0; r == 0 && i < c->d.n_words; i++)
        r = add_word(c, &c->d.words[i]);
    for (int i = 0; r == 0 && i < n_places; i++)
        r = places_add(c->forms, places[i]);
    if (r == 0)
        r = forms_merge(c->forms);
    return r == 0 ? table_write(c->forms, out) : r;
}

int main(int argc, char **argv)
{
    struct compiler c = { 0 };

    if (argc < 5) {
        fprintf(stderr, "usage: lexicon-compiler AFF DIC WORDS OUT CSV...\n");
        return 2;
    }
    int r = dictionary_read(argv[1], argv[2], &c.d);
    if (r == 0)
        r = lists_read(argv[3], &c.lists);
    c.forms = forms_new();
    if (r == 0)
        r = c.forms ? compile(&c, argc - 5, argv + 5, argv[4]) : -ENOMEM;
    for (size_t i = 0; c.reversed && i < c.d.n_words; i++)
        free((char *)c.reversed[i]);
    free(c.reversed);
    free(c.as_first);
    free(c.as_stem);
    free(c.as_last);
    free(c.sorted);
    forms_free(c.forms);
    lists_free(&c.lists);
    dictionary_free(&c.d);
    if (r < 0) {
        fprintf(stderr, "lexicon-compiler: %s\n", strerror(-r));
        return 1;
    }
    return 0;
}
