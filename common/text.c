/* text.c - cuts text into words.
 *
 * A word is a run of letters, digits, and marks after them. Within it a colon may begin an ending ("TLV:s", "RSMH:are"), and
 * dots between single letters make one word of an abbreviation ("S.P.E.S."). What cannot be seen (soft hyphens, joiners)
 * belongs to the word around it and vanishes when the word is normalised; anything else, invalid bytes too, separates. */
#include "common/text.h"

#include <errno.h>
#include <string.h>
#include <unicode/uchar.h>

#include "common/lexicon.h"
#include "common/text_internal.h"

enum class { SEPARATOR, LETTER, MARK, UNSEEN };

static enum class class_of(uint32_t c) {
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
        ? LETTER
        : SEPARATOR;
    if (c == TEXT_NO_CHARACTER) return SEPARATOR;
    uint32_t category = U_MASK(u_charType((UChar32)c));
    if (category & (U_GC_L_MASK | U_GC_N_MASK)) return LETTER;
    if (category & U_GC_M_MASK) return MARK;
    return category & U_GC_CF_MASK ? UNSEEN : SEPARATOR;
}

/* What the cutter reads: the text, and where it is. */
struct cutter {
    const char *text;
    size_t len;
    size_t at;
};

/* Where the next word begins, or `len`. */
static size_t find_start(struct cutter *c)
{
    while (c->at < c->len) {
        size_t start = c->at;
        if (class_of(text_code_point(c->text, c->len, &c->at)) == LETTER) {
            c->at = start;
            return start;
        }
    }
    return c->len;
}

/* Moves past letters, marks and what cannot be seen. Returns the number of letters. */
static size_t take_run(struct cutter *c)
{
    size_t letters = 0;
    while (c->at < c->len) {
        size_t next = c->at;
        enum class class = class_of(text_code_point(c->text, c->len, &next));
        if (class == SEPARATOR)
            break;
        letters += class == LETTER;
        c->at = next;
    }
    return letters;
}

/* Whether a letter stands at `at`. */
static bool is_letter_at(const struct cutter *c, size_t at)
{
    return at < c->len && class_of(text_code_point(c->text, c->len, &at)) == LETTER;
}

/* What follows the colon in "TLV:s", "RSMH:arna", "1:a": nothing else that is so short is dropped. */
static bool is_ending(const char *run, size_t len)
{
    static const char *const endings[] = { "a",    "ar",    "are", "aren", "arna", "arnas",
                                           "ars",  "e",     "en",  "ens",  "er",   "ers",
                                           "erna", "ernas", "et",  "ets",  "is",   "n",
                                           "na",   "or",    "s",   "t",    "ts",   "ns" };
    for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
        if (strlen(endings[i]) == len && memcmp(endings[i], run, len) == 0)
            return true;
    }
    return false;
}

/* Normalises what stands in the text and appends it to the word, whose length is `n`. Returns the new length. */
static size_t append_run(const char *run, size_t len, char word[TEXT_WORD_BYTES], size_t n)
{
    char bytes[TEXT_WORD_BYTES];
    size_t letters = 0, got = text_casefold(run, len, false, bytes, sizeof bytes);

    for (size_t i = 0; i < n; i++)
        letters += ((unsigned char)word[i] & 0xc0) != 0x80;
    for (size_t i = 0; i < got && letters < TEXT_WORD_MAX;) {
        size_t from = i;
        enum class class = class_of(text_code_point(bytes, got, &i));
        /* Normalising may bring in what is no letter, such as the spaces of some ligatures. */
        if (class != LETTER && (class != MARK || n == 0))
            continue;
        if (n + (i - from) > TEXT_WORD_BYTES)
            break;
        memcpy(word + n, bytes + from, i - from);
        n += i - from;
        letters++;
    }
    return n;
}

/* Whether a dot and a single letter follow. */
static bool goes_on_with_dot(const struct cutter *c, struct cutter *ret_after)
{
    if (c->at >= c->len || c->text[c->at] != '.' || !is_letter_at(c, c->at + 1))
        return false;
    *ret_after = (struct cutter) { c->text, c->len, c->at + 1 };
    return take_run(ret_after) == 1;
}

/* Takes the word at `c->at`, where a letter stands. Its normalised bytes go to `word`; returns how many. */
static size_t take_word(struct cutter *c, char word[TEXT_WORD_BYTES])
{
    size_t start = c->at;
    size_t letters = take_run(c);
    size_t n = append_run(c->text + start, c->at - start, word, 0);
    struct cutter after;

    while (letters == 1 && goes_on_with_dot(c, &after)) {
        n = append_run(c->text + c->at + 1, after.at - c->at - 1, word, n);
        c->at = after.at;
    }
    if (c->at < c->len && c->text[c->at] == ':' && is_letter_at(c, c->at + 1)) {
        after = (struct cutter) { c->text, c->len, c->at + 1 };
        take_run(&after);
        if (is_ending(c->text + c->at + 1, after.at - c->at - 1))
            c->at = after.at;
    }
    return n;
}

/* Makes room for one more token; the smaller array stays in the arena, unused. */
static struct text_token *grow(struct arena *a, struct text_token *tokens, size_t n, size_t *room)
{
    if (n < *room)
        return tokens;
    size_t larger = *room ? *room * 2 : 16;
    struct text_token *to = arena_calloc(a, larger, sizeof *to);
    if (to && n > 0)
        memcpy(to, tokens, n * sizeof *to);
    *room = larger;
    return to;
}

static int fill_token(struct arena *a, const char *word, size_t len, bool with_forms,
                      struct text_token *t)
{
    struct text_forms forms;

    t->word = arena_strndup(a, word, len);
    if (!t->word)
        return -ENOMEM;
    if (!with_forms)
        return 0;
    int r = text_make_forms(a, t->word, &forms);
    if (r < 0)
        return r;
    t->folded = forms.folded;
    t->stem = forms.stem;
    t->folded_stem = forms.folded_stem;
    return 0;
}

static int cut(struct arena *a, const char *text, size_t len, size_t max, bool with_forms,
               struct text_token **ret, size_t *ret_n)
{
    struct cutter c = { text, len < UINT32_MAX ? len : UINT32_MAX, 0 };
    struct text_token *tokens = NULL;
    size_t n = 0, room = 0;

    while (n < max) {
        char word[TEXT_WORD_BYTES];
        size_t start = find_start(&c);
        if (start == c.len)
            break;
        size_t word_len = take_word(&c, word);
        if (word_len == 0)
            continue;
        tokens = grow(a, tokens, n, &room);
        if (!tokens)
            return -ENOMEM;
        struct text_token *t = &tokens[n++];
        *t = (struct text_token) { .start = (uint32_t)start, .end = (uint32_t)c.at };
        int r = fill_token(a, word, word_len, with_forms, t);
        if (r < 0)
            return r;
    }
    *ret = tokens;
    *ret_n = n;
    return 0;
}

int text_tokens(struct arena *a, const char *text, size_t len, size_t max, struct text_token **ret,
                size_t *ret_n)
{
    return cut(a, text, len, max, true, ret, ret_n);
}

int text_words(struct arena *a, const char *text, size_t len, size_t max, struct text_token **ret,
               size_t *ret_n)
{
    return cut(a, text, len, max, false, ret, ret_n);
}

bool text_is_known(const char *word)
{
    const struct lexicon_value *v = lexicon_find(word, strlen(word));
    return v && v->flags & LEXICON_WORD;
}

bool text_is_place(const char *word)
{
    const struct lexicon_value *v = lexicon_find(word, strlen(word));
    return v && v->flags & LEXICON_PLACE;
}

/* Counts up when this code or that of text_fold.c, text_stem.c or compound.c gives other results. */
enum { RULES = 1 };

uint32_t text_version(void)
{
    UVersionInfo icu, unicode;
    uint32_t h = 2166136261u ^ RULES;

    u_getVersion(icu);
    u_getUnicodeVersion(unicode);
    for (size_t i = 0; i < U_MAX_VERSION_LENGTH; i++)
        h = ((h ^ icu[i]) * 16777619u ^ unicode[i]) * 16777619u;
    h = (h ^ lexicon_digest()) * 16777619u;
    return (h ^ text_stemmer_digest()) * 16777619u;
}
