/* search_highlight.c - finds in a document's text the words that a query matched by. The same analysis as for the index, so
 * whatever made the document match is what gets marked. That analysis takes some microseconds a word, and hardly any word of a
 * text is meant: so words without the first letters of any stem are passed over. */
#include <errno.h>
#include <string.h>

#include "common/search_internal.h"

enum { SHORT_STEM = 4 };

static bool is_meant(const struct search_result *result, const char *word, const char *folded)
{
    struct key term;
    size_t folded_len;

    search_term_key(word, &term, &folded_len);
    for (size_t i = 0; i < result->n_stems; i++) {
        const struct search_stem *s = &result->stems[i];
        size_t len = strlen(s->folded_stem);
        if (s->prefix ? strncmp(folded, s->folded_stem, len) == 0
                      : len == folded_len - 1 && memcmp(term.bytes, s->folded_stem, len) == 0)
            return true;
    }
    return false;
}

/* The stretch from the first to the last part that is meant. */
static int meant_parts(struct arena *a, const struct search_result *result,
                       const struct text_token *t, struct search_span *ret, bool *ret_found)
{
    struct text_part *parts;
    size_t n = 0;

    *ret_found = false;
    int r = text_compound(a, t->word, &parts, &n);
    if (r < 0)
        return r;
    /* Places in the normalised word are places in the text only if normalising changed no length. */
    bool exact = strlen(t->word) == t->end - t->start;
    for (size_t i = 0; i < n; i++) {
        if (!is_meant(result, parts[i].word, parts[i].folded))
            continue;
        uint32_t start = exact ? t->start + parts[i].start : t->start;
        uint32_t end = exact ? t->start + parts[i].end : t->end;
        if (!*ret_found || start < ret->start)
            ret->start = start;
        if (!*ret_found || end > ret->end)
            ret->end = end;
        *ret_found = true;
    }
    return 0;
}

/* Whether the folded word, or a part of it, may have one of the stems: it holds its first letters, which no inflection changes. (Of
 * short ones only two: "öga" becomes "ögon".) */
static bool may_be_meant(const struct search_result *result, const char *folded, size_t len)
{
    for (size_t i = 0; i < result->n_stems; i++) {
        const char *stem = result->stems[i].folded_stem;
        size_t stem_len = strlen(stem), letters = stem_len > SHORT_STEM ? 3 : 2;
        if (memmem(folded, len, stem, letters < stem_len ? letters : stem_len))
            return true;
    }
    return false;
}

/* The stretch of one word that is meant, if any. */
static int highlight_word(struct arena *a, const struct search_result *result, const char *text,
                          const struct text_token *word, struct search_span *ret, bool *ret_found)
{
    char folded[TEXT_CASEFOLD_MAX * 3];
    struct text_token *t;
    size_t n;

    *ret_found = false;
    size_t len = text_casefold(word->word, strlen(word->word), true, folded, sizeof(folded));
    if (!may_be_meant(result, folded, len))
        return 0;
    int r = text_tokens(a, text + word->start, word->end - word->start, 1, &t, &n);
    if (r < 0 || n == 0)
        return r;
    t->start += word->start;
    t->end += word->start;
    *ret_found = is_meant(result, t->word, t->folded);
    if (!*ret_found)
        return meant_parts(a, result, t, ret, ret_found);
    *ret = (struct search_span) { t->start, t->end };
    return 0;
}

int search_highlight(struct arena *arena, const struct search_result *result, const char *text,
                     size_t len, size_t max, struct search_span **ret, size_t *ret_n)
{
    struct text_token *words;
    size_t n = 0, n_spans = 0;
    bool found;

    int r =
        result->n_stems > 0 ? text_words(arena, text, len, SEARCH_DOCUMENT_WORDS, &words, &n) : 0;
    if (r < 0)
        return r;
    if (max > n)
        max = n;
    struct search_span *spans = arena_calloc(arena, max + 1, sizeof(*spans));
    if (!spans)
        return -ENOMEM;
    for (size_t i = 0; i < n && n_spans < max; i++) {
        r = highlight_word(arena, result, text, &words[i], &spans[n_spans], &found);
        if (r < 0)
            return r;
        n_spans += found;
    }
    *ret = spans;
    *ret_n = n_spans;
    return 0;
}
