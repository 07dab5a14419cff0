/* search_highlight.c - finds in a document's text the words that a query matched by. The same analysis as for the index, so
 * whatever made the document match is what gets marked. That analysis takes some microseconds a word, and most words can be
 * told by their letters: they hold none of the stems, or a long one. */
#include <errno.h>
#include <string.h>

#include "common/search_internal.h"

enum {
    SHORT_STEM = 4, /* letters */
    ENDING = 4,     /* letters that an inflection may add */
};

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

/* The byte of the word where its nth character begins. */
static uint32_t byte_of(const char *word, size_t character)
{
    uint32_t at = 0;
    for (; word[at]; at++)
        if (((uint8_t)word[at] & 0xc0) != 0x80 && character-- == 0)
            break;
    return at;
}

static size_t characters(const char *word)
{
    size_t n = 0;
    for (; *word; word++)
        n += ((uint8_t)*word & 0xc0) != 0x80;
    return n;
}

/* One word of the text, with its folded form: where a letter of that stands is known only if each character became one byte. */
struct looked_at {
    const struct text_token *token;
    char folded[TEXT_CASEFOLD_MAX * 3];
    size_t len;
    bool aligned;
};

/* The stretch from a long stem to the word's end: all of it, or the last part of a compound. */
static struct search_span stretch(const struct looked_at *w, size_t at)
{
    const struct text_token *t = w->token;

    return (struct search_span) { t->start + (at > 0 ? byte_of(t->word, at) : 0), t->end };
}

/* What the stems say of a word. A long one that only an inflection follows is what is meant; of short ones ("art", "hud"), of those
 * that another part follows, and of words whose letters do not stand where they stood, the analysis must tell. */
enum verdict { NOT_MEANT, MEANT, PERHAPS_MEANT };

static enum verdict judge(const struct search_result *result, const struct looked_at *w,
                          struct search_span *ret)
{
    enum verdict verdict = NOT_MEANT;
    for (size_t i = 0; i < result->n_stems; i++) {
        const struct search_stem *s = &result->stems[i];
        size_t len = strlen(s->folded_stem);
        size_t letters = len > SHORT_STEM ? len - 1 : len;
        const char *at = memmem(w->folded, w->len, s->folded_stem, letters);
        if (!at)
            continue;
        size_t from = (size_t)(at - w->folded);
        bool whole = from + len <= w->len && w->len - from - len <= ENDING &&
                     memcmp(at, s->folded_stem, len) == 0;
        if (len <= SHORT_STEM || !whole || !w->aligned || s->prefix)
            return PERHAPS_MEANT;
        struct search_span span = stretch(w, from);
        if (verdict == NOT_MEANT || span.start < ret->start)
            *ret = span;
        verdict = MEANT;
    }
    return verdict;
}

/* The stretch of one word that is meant, if any. */
static int highlight_word(struct arena *a, const struct search_result *result, const char *text,
                          const struct text_token *word, struct search_span *ret, bool *ret_found)
{
    struct looked_at w;
    struct text_token *t;
    size_t n, len = strlen(word->word);

    w.token = word;
    w.len = text_casefold(word->word, len, true, w.folded, sizeof(w.folded));
    w.aligned = len == word->end - word->start && characters(word->word) == w.len;
    enum verdict verdict = judge(result, &w, ret);
    *ret_found = verdict == MEANT;
    if (verdict != PERHAPS_MEANT)
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
