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

/* Each byte that is there as a bit, told by its last five: all 26 letters are apart. */
static uint32_t letters_of(const char *word, size_t len)
{
    uint32_t letters = 0;

    for (size_t i = 0; i < len; i++)
        letters |= UINT32_C(1) << (word[i] & 31);
    return letters;
}

/* How much of a stem a word must hold: of a long one the last letter may be another ("hälso" and "hälsa"). */
static size_t needed(size_t len)
{
    return len > SHORT_STEM ? len - 1 : len;
}

struct search_stem search_stem_make(const char *folded, size_t len, bool prefix)
{
    return (struct search_stem) { folded, len, letters_of(folded, needed(len)), prefix };
}

static bool is_meant(const struct search_result *result, const char *stem, const char *folded)
{
    struct key term;
    size_t folded_len;

    search_stem_key(stem, &term, &folded_len);
    for (size_t i = 0; i < result->n_stems; i++) {
        const struct search_stem *s = &result->stems[i];
        if (s->prefix ? strncmp(folded, s->folded_stem, s->len) == 0
                      : s->len == folded_len - 1 && memcmp(term.bytes, s->folded_stem, s->len) == 0)
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
        if (!is_meant(result, parts[i].stem, parts[i].folded))
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

/* One word of the text, with its folded form. */
struct looked_at {
    const struct text_token *token;
    char folded[TEXT_CASEFOLD_MAX * 3 + 1];
    size_t len;
};

/* Whether it is known where a letter of the folded form stands in the text: each character became one byte. */
static bool is_aligned(const struct looked_at *w)
{
    const struct text_token *t = w->token;

    return strlen(t->word) == t->end - t->start && characters(t->word) == w->len;
}

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
    const uint32_t letters = letters_of(w->folded, w->len);
    enum verdict verdict = NOT_MEANT;

    for (size_t i = 0; i < result->n_stems; i++) {
        const struct search_stem *s = &result->stems[i];
        size_t len = s->len;
        const char *at =
            s->letters & ~letters ? NULL : memmem(w->folded, w->len, s->folded_stem, needed(len));
        if (!at)
            continue;
        size_t from = (size_t)(at - w->folded);
        bool whole = from + len <= w->len && w->len - from - len <= ENDING &&
                     memcmp(at, s->folded_stem, len) == 0;
        if (len <= SHORT_STEM || !whole || !is_aligned(w) || s->prefix)
            return PERHAPS_MEANT;
        struct search_span span = stretch(w, from);
        if (verdict == NOT_MEANT || span.start < ret->start)
            *ret = span;
        verdict = MEANT;
    }
    return verdict;
}

/* The stretch of one word that is meant, if any. */
static int highlight_word(struct arena *a, const struct search_result *result,
                          const struct text_token *word, struct search_span *ret, bool *ret_found)
{
    char stem[TEXT_WORD_BYTES + 1];
    struct looked_at w;

    w.token = word;
    w.len = text_casefold(word->word, strlen(word->word), true, w.folded, sizeof(w.folded) - 1);
    w.folded[w.len] = '\0';
    enum verdict verdict = judge(result, &w, ret);
    *ret_found = verdict == MEANT;
    if (verdict != PERHAPS_MEANT)
        return 0;
    (void)text_stem(word->word, stem); /* its length is not needed */
    *ret_found = is_meant(result, stem, w.folded);
    if (!*ret_found)
        return meant_parts(a, result, word, ret, ret_found);
    *ret = (struct search_span) { word->start, word->end };
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
        r = highlight_word(arena, result, &words[i], &spans[n_spans], &found);
        if (r < 0)
            return r;
        n_spans += found;
    }
    *ret = spans;
    *ret_n = n_spans;
    return 0;
}
