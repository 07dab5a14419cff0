/* forms.c - about two million forms, with their strings in blocks that are given back at the end. */
#include "common/lexicon/forms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/lexicon.h"
#include "common/text.h"

enum { BLOCK_BYTES = 1 << 20 };

struct block {
    struct block *next;
    size_t used;
    char bytes[BLOCK_BYTES];
};

struct forms {
    struct form *all;
    size_t n, room;
    struct block *blocks;
};

struct forms *forms_new(void)
{
    return calloc(1, sizeof(struct forms));
}

void forms_free(struct forms *f)
{
    if (!f)
        return;
    while (f->blocks) {
        struct block *next = f->blocks->next;
        free(f->blocks);
        f->blocks = next;
    }
    free(f->all);
    free(f);
}

static const char *keep(struct forms *f, const char *text, size_t len)
{
    if (!f->blocks || f->blocks->used + len + 1 > BLOCK_BYTES) {
        struct block *b = malloc(sizeof *b);
        if (!b)
            return NULL;
        b->next = f->blocks;
        b->used = 0;
        f->blocks = b;
    }
    char *to = f->blocks->bytes + f->blocks->used;
    memcpy(to, text, len);
    to[len] = '\0';
    f->blocks->used += len + 1;
    return to;
}

/* Case folded, with or without its diacritics. NULL for NULL; `*ok` false without memory. */
static const char *keep_folded(struct forms *f, const char *text, bool diacritics, bool *ok)
{
    char bytes[TEXT_WORD_BYTES];
    if (!text)
        return NULL;
    const char *kept =
        keep(f, bytes, text_casefold(text, strlen(text), diacritics, bytes, sizeof bytes));
    *ok = *ok && kept;
    return kept;
}

static int append(struct forms *f, const struct form *form)
{
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 4096;
        struct form *larger = realloc(f->all, room * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        f->all = larger;
        f->room = room;
    }
    f->all[f->n++] = *form;
    return 0;
}

static bool is_letters(const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x80 && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            return false;
    }
    return *text != '\0';
}

int forms_add(struct forms *f, const char *key, const char *lemma, const char *base, uint16_t flags,
              uint32_t weight)
{
    bool ok = true;
    struct form form = { .flags = flags, .weight = weight };

    if (!is_letters(key) || (lemma && !is_letters(lemma)) || (base && !is_letters(base)) ||
        strlen(key) > TEXT_WORD_BYTES / 2)
        return 0;
    form.key = keep_folded(f, key, false, &ok);
    form.lemma = keep_folded(f, lemma, false, &ok);
    form.base = keep_folded(f, base, false, &ok);
    form.plain = form.lemma;
    int r = ok ? append(f, &form) : -ENOMEM;
    const char *folded = keep_folded(f, key, true, &ok);
    if (r < 0 || !ok || strcmp(folded, form.key) == 0)
        return ok ? r : -ENOMEM;
    form.key = folded;
    form.lemma = keep_folded(f, lemma, true, &ok);
    form.base = keep_folded(f, base, true, &ok);
    form.folded = true;
    return ok ? append(f, &form) : -ENOMEM;
}

/* By key; forms that are spelled so before those that only lost diacritics; then by weight of the lemma. */
static int compare(const void *left, const void *right)
{
    const struct form *a = left, *b = right;
    int order = strcmp(a->key, b->key);
    if (order == 0)
        order = a->folded - b->folded;
    if (order == 0)
        order = (a->weight < b->weight) - (a->weight > b->weight);
    if (order == 0)
        order = strcmp(a->lemma ? a->lemma : "", b->lemma ? b->lemma : "");
    if (order == 0)
        order = strcmp(a->base ? a->base : "", b->base ? b->base : "");
    return order ? order : (a->flags > b->flags) - (a->flags < b->flags);
}

/* Joins the forms [from, to), which have one key: all they may be, the first lemma and the first base that there is.
 * What only lost diacritics counts where nothing is spelled so. */
static struct form merge(const struct form *from, const struct form *to)
{
    struct form merged = *from;
    for (const struct form *f = from + 1; f < to && f->folded == from->folded; f++) {
        merged.flags |= f->flags;
        if (!merged.lemma) {
            merged.lemma = f->lemma;
            merged.plain = f->plain;
        }
        if (!merged.base)
            merged.base = f->base;
    }
    return merged;
}

int forms_merge(struct forms *f)
{
    size_t n = 0;

    if (f->n == 0)
        return -EINVAL;
    qsort(f->all, f->n, sizeof *f->all, compare);
    for (size_t i = 0, end; i < f->n; i = end) {
        for (end = i + 1; end < f->n && strcmp(f->all[i].key, f->all[end].key) == 0;)
            end++;
        f->all[n++] = merge(f->all + i, f->all + end);
    }
    f->n = n;
    return 0;
}

size_t forms_count(const struct forms *f)
{
    return f->n;
}

const struct form *forms_at(const struct forms *f, size_t i)
{
    return &f->all[i];
}

static int compare_key(const void *key, const void *form)
{
    return strcmp(key, ((const struct form *)form)->key);
}

const struct form *forms_find(const struct forms *f, const char *key)
{
    return f->n ? bsearch(key, f->all, f->n, sizeof *f->all, compare_key) : NULL;
}
