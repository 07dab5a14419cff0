/* search_highlight.c - finds in a document's text the words that a query matched by. The same analysis as for the index, so
 * whatever made the document match is what gets marked. */
#include <errno.h>
#include <string.h>

#include "common/search_internal.h"

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

int search_highlight(struct arena *arena, const struct search_result *result, const char *text,
                     size_t len, size_t max, struct search_span **ret, size_t *ret_n)
{
    struct text_token *tokens;
    size_t n, n_spans = 0;
    bool found;

    int r = text_tokens(arena, text, len, SEARCH_DOCUMENT_WORDS, &tokens, &n);
    if (r < 0)
        return r;
    if (max > n)
        max = n;
    struct search_span *spans = arena_calloc(arena, max + 1, sizeof(*spans));
    if (!spans)
        return -ENOMEM;
    for (size_t i = 0; i < n && n_spans < max && result->n_stems > 0; i++) {
        struct search_span *span = &spans[n_spans];
        found = is_meant(result, tokens[i].word, tokens[i].folded);
        if (found)
            *span = (struct search_span) { tokens[i].start, tokens[i].end };
        else
            r = meant_parts(arena, result, &tokens[i], span, &found);
        if (r < 0)
            return r;
        n_spans += found;
    }
    *ret = spans;
    *ret_n = n_spans;
    return 0;
}
