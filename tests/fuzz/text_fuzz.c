/* text_fuzz.c - words out of any bytes: spans lie in the text and in order, words are bounded UTF-8 without separators, and
 * what text.h promises of a word holds for each: cutting it again gives it again, its parts cover it. */
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

enum { TOKENS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_string(const char *text)
{
    size_t characters;
    check(utf8_check((const uint8_t *)text, strlen(text), &characters));
    check(strlen(text) <= TEXT_WORD_BYTES);
}

/* A stem may be longer than a word only by the ending that its base form has. */
static void check_compound(struct arena *a, const char *word)
{
    struct text_part *p;
    size_t n, at = 0, len = strlen(word);

    check(text_compound(a, word, &p, &n) == 0);
    for (size_t i = 0; i < n; i++) {
        check(p[i].start < p[i].end && p[i].end <= len && *p[i].word);
        check_string(p[i].word);
        check_string(p[i].folded);
        check_string(p[i].stem);
        check_string(p[i].folded_stem);
        if (p[i].leaf) {
            check(p[i].start == at);
            at = p[i].end;
        }
    }
    check(n == 0 || at == len);
}

static void check_token(struct arena *a, const struct text_token *t)
{
    struct text_token *again;
    size_t n;

    check(*t->word);
    check_string(t->word);
    check_string(t->folded);
    check_string(t->stem);
    check_string(t->folded_stem);
    check(text_tokens(a, t->word, strlen(t->word), 2, &again, &n) == 0);
    check(n == 1 && strcmp(again->word, t->word) == 0 && strcmp(again->stem, t->stem) == 0);
    check_compound(a, t->word);
    check_compound(a, t->folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct arena *a;
    struct text_token *t;
    size_t n;

    if (!a)
        a = arena_new(4 << 20);
    arena_reset(a);
    check(text_tokens(a, (const char *)data, len, TOKENS_MAX, &t, &n) == 0 && n <= TOKENS_MAX);
    for (size_t i = 0; i < n; i++) {
        check(t[i].start < t[i].end && t[i].end <= len && (i == 0 || t[i].start >= t[i - 1].end));
        check_token(a, &t[i]);
    }
    /* Any string without NUL may be asked for as a word. */
    char *word = strndup((const char *)data, len);
    check(word != NULL);
    char stem[TEXT_WORD_BYTES + 1];
    check(text_stem(word, stem) == strlen(stem));
    struct text_part *parts;
    check(text_compound(a, word, &parts, &n) == 0);
    free(word);
    return 0;
}
