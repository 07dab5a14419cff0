/* hunspell.c - the two files of a hunspell dictionary. A .dic line is "word/FLAGS"; an .aff rule is
 * "SFX flag strip add[/FLAGS] condition", where 0 means nothing. */
#include "common/lexicon/hunspell.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 512 };

/* Makes room for one more element. */
static int grow(void **array, size_t n, size_t size)
{
    if (n & (n - 1) || (n > 0 && n < 64))
        return 0;
    void *larger = realloc(*array, (n ? 2 * n : 64) * size);
    if (!larger)
        return -ENOMEM;
    *array = larger;
    return 0;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", strcmp(from, "0") == 0 ? "" : from);
}

/* A rule has five words; the header of its group ("SFX A Y 1") four. */
static int read_rule(struct dictionary *d, char *line)
{
    char flag[8], strip[24], add[32], condition[64];
    if (sscanf(line, "SFX %7s %23s %31s %63s", flag, strip, add, condition) != 4)
        return 0;
    int r = grow((void **)&d->rules, d->n_rules, sizeof *d->rules);
    if (r < 0)
        return r;
    struct suffix_rule *rule = &d->rules[d->n_rules++];
    *rule = (struct suffix_rule) { .flag = flag[0] };
    char *slash = strchr(add, '/');
    if (slash) {
        *slash = '\0';
        copy(rule->flags, sizeof rule->flags, slash + 1);
    }
    copy(rule->strip, sizeof rule->strip, strip);
    copy(rule->add, sizeof rule->add, add);
    copy(rule->condition, sizeof rule->condition, condition);
    return 0;
}

static int read_word(struct dictionary *d, char *line)
{
    line[strcspn(line, " \t\r\n")] = '\0';
    size_t slash = strcspn(line, "/");
    if (slash == 0)
        return 0;
    int r = grow((void **)&d->words, d->n_words, sizeof *d->words);
    if (r < 0)
        return r;
    struct word *w = &d->words[d->n_words];
    w->text = strdup(line);
    if (!w->text)
        return -ENOMEM;
    d->n_words++;
    w->flags = w->text + slash;
    if (*w->flags)
        *w->flags++ = '\0';
    return 0;
}

static int read_lines(const char *path, struct dictionary *d, bool words)
{
    char line[LINE_MAX_BYTES];
    FILE *f = fopen(path, "r");
    if (!f) {
        int r = -errno;
        fprintf(stderr, "%s: cannot be read\n", path);
        return r;
    }
    int r = 0;
    for (size_t number = 1; r == 0 && fgets(line, sizeof line, f); number++) {
        if (!strchr(line, '\n') && !feof(f)) {
            fprintf(stderr, "%s:%zu: longer than %d bytes\n", path, number, LINE_MAX_BYTES);
            r = -E2BIG;
        } else if (words && number > 1) { /* the first line is a count */
            r = read_word(d, line);
        } else if (!words && strncmp(line, "SFX ", 4) == 0) {
            r = read_rule(d, line);
        }
    }
    fclose(f);
    return r;
}

int dictionary_read(const char *aff_path, const char *dic_path, struct dictionary *ret)
{
    struct dictionary d = { 0 };

    int r = read_lines(aff_path, &d, false);
    if (r == 0)
        r = read_lines(dic_path, &d, true);
    if (r < 0)
        dictionary_free(&d);
    else
        *ret = d;
    return r;
}

void dictionary_free(struct dictionary *d)
{
    for (size_t i = 0; i < d->n_words; i++)
        free(d->words[i].text);
    free(d->words);
    free(d->rules);
    *d = (struct dictionary) { 0 };
}

/* The length in bytes of the character that begins at `p`. */
static size_t character(const char *p)
{
    unsigned char c = (unsigned char)*p;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Compares one place of a condition ("e", ".", "[aeo]", "[^aeo]") with one character; moves past the place. */
static bool matches_place(const char **condition, const char *letter, size_t len)
{
    const char *p = *condition;
    if (*p != '[') {
        size_t n = character(p);
        *condition = p + n;
        return *p == '.' || (n == len && memcmp(p, letter, n) == 0);
    }
    p++;
    bool negated = *p == '^', found = false;
    for (p += negated; *p && *p != ']'; p += character(p))
        found = found || (character(p) == len && memcmp(p, letter, len) == 0);
    *condition = *p ? p + 1 : p;
    return found != negated;
}

static size_t count_places(const char *condition)
{
    size_t n = 0;
    for (const char *p = condition; *p; n++) {
        if (*p == '[') {
            p += strcspn(p, "]");
            p += *p != '\0';
        } else {
            p += character(p);
        }
    }
    return n;
}

/* Whether the end of the word is as the condition says. */
static bool fits(const char *condition, const char *word)
{
    const char *at = word + strlen(word);
    if (strcmp(condition, ".") == 0)
        return true;
    for (size_t places = count_places(condition); places > 0; places--) {
        if (at == word)
            return false;
        do
            at--;
        while (at > word && ((unsigned char)*at & 0xc0) == 0x80);
    }
    while (*condition) {
        size_t n = character(at);
        if (!matches_place(&condition, at, n))
            return false;
        at += n;
    }
    return true;
}

size_t suffix_apply(const struct suffix_rule *rule, const char *word, char *to, size_t size)
{
    size_t len = strlen(word), strip = strlen(rule->strip), add = strlen(rule->add);

    if (strip > len || memcmp(word + len - strip, rule->strip, strip) != 0)
        return 0;
    if (len - strip + add >= size || len - strip + add == 0 || !fits(rule->condition, word))
        return 0;
    memcpy(to, word, len - strip);
    memcpy(to + len - strip, rule->add, add + 1);
    return len - strip + add;
}
