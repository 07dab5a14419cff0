/* table.c - turns merged forms into the bytes of the lexicon: the automaton, its values, and the strings that edits append. */
#include "common/lexicon/table.h"

#include <errno.h>
#include <libstemmer.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lexicon.h"
#include "common/lexicon/automaton.h"
#include "common/text.h"

struct table {
    struct lexicon_value *values;
    uint32_t n_values, room;
    uint32_t slots[1 << 14]; /* a hash table: numbers of values plus one */
    char strings[256][LEXICON_ADD_BYTES];
    uint32_t n_strings;
};

static int find_string(struct table *t, const char *text, uint8_t *ret)
{
    for (uint32_t i = 0; i < t->n_strings; i++) {
        if (t->strings[i][0] == text[0] && strncmp(t->strings[i], text, LEXICON_ADD_BYTES) == 0) {
            *ret = (uint8_t)i;
            return 0;
        }
    }
    if (t->n_strings == ARRAY_LEN(t->strings) || strlen(text) > LEXICON_ADD_BYTES)
        return -E2BIG;
    memcpy(t->strings[t->n_strings], text, strlen(text));
    *ret = (uint8_t)t->n_strings++;
    return 0;
}

/* How a key becomes its base form; a base that has too little in common with it is left out. */
static void make_edit(struct table *t, const char *key, const char *base, uint8_t *strip,
                      uint8_t *add)
{
    size_t shared = 0;
    if (!base)
        return;
    while (key[shared] && key[shared] == base[shared])
        shared++;
    while ((unsigned char)(key[shared] & 0xc0) == 0x80 ||
           (unsigned char)(base[shared] & 0xc0) == 0x80)
        shared--; /* never half a character */
    if (strlen(base + shared) <= LEXICON_ADD_BYTES && find_string(t, base + shared, add) == 0)
        *strip = (uint8_t)strlen(key + shared);
}

static uint32_t digest(uint32_t h, const void *bytes, size_t len)
{
    for (const unsigned char *p = bytes; len > 0; p++, len--)
        h = (h ^ *p) * 16777619u;
    return h;
}

static int find_value(struct table *t, const struct lexicon_value *v, uint32_t *ret)
{
    uint32_t mask = ARRAY_LEN(t->slots) - 1, at = digest(2166136261u, v, sizeof *v) & mask;
    for (; t->slots[at] > 0; at = (at + 1) & mask) {
        if (memcmp(&t->values[t->slots[at] - 1], v, sizeof *v) == 0) {
            *ret = t->slots[at] - 1;
            return 0;
        }
    }
    if (t->n_values > mask / 2)
        return -E2BIG;
    if (t->n_values == t->room) {
        uint32_t room = t->room ? 2 * t->room : 256;
        struct lexicon_value *larger = realloc(t->values, room * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        t->values = larger;
        t->room = room;
    }
    t->values[t->n_values] = *v;
    *ret = t->n_values++;
    t->slots[at] = t->n_values;
    return 0;
}

/* The stem of all forms of a word is that of its base form. A form without diacritics has it without them: the stemmer would
 * make something else of the bare letters ("rad" for "råd" ends in -ad). */
static int find_stem(struct sb_stemmer *stemmer, const struct form *form,
                     char stem[TEXT_WORD_BYTES + 1])
{
    const char *lemma = form->plain ? form->plain : form->key;
    const sb_symbol *bytes = sb_stemmer_stem(stemmer, (const sb_symbol *)lemma, (int)strlen(lemma));
    if (!bytes)
        return -ENOMEM;
    size_t n = text_casefold((const char *)bytes, (size_t)sb_stemmer_length(stemmer), form->folded,
                             stem, TEXT_WORD_BYTES);
    stem[n] = '\0';
    return 0;
}

static int add_form(struct sb_stemmer *stemmer, const struct form *form, struct automaton *a,
                    struct table *t)
{
    struct lexicon_value v = { .flags = form->flags };
    char stem[TEXT_WORD_BYTES + 1];
    uint32_t value;

    make_edit(t, form->key, form->lemma, &v.lemma_strip, &v.lemma_add);
    make_edit(t, form->key, form->base, &v.base_strip, &v.base_add);
    int r = find_stem(stemmer, form, stem);
    if (r < 0)
        return r;
    make_edit(t, form->key, stem, &v.stem_strip, &v.stem_add);
    r = find_value(t, &v, &value);
    return r < 0 ? r : automaton_add(a, form->key, value);
}

static int fill(const struct forms *forms, struct automaton *a, struct table *t)
{
    int r = 0;
    struct sb_stemmer *stemmer = sb_stemmer_new("swedish", "UTF_8");
    if (!stemmer)
        return -ENOMEM;
    t->n_strings = 1; /* number 0 is empty */
    for (size_t i = 0; r == 0 && i < forms_count(forms); i++)
        r = add_form(stemmer, forms_at(forms, i), a, t);
    sb_stemmer_delete(stemmer);
    return r;
}

static int write_file(const char *path, struct automaton *a, const struct table *t)
{
    struct lexicon_header h = { .n_values = t->n_values, .n_strings = t->n_strings };
    const uint32_t *edges;
    int r = automaton_finish(a, &edges, &h.n_edges, &h.root);
    if (r < 0)
        return r;
    h.digest = digest(2166136261u, &h, sizeof h);
    h.digest = digest(h.digest, edges, h.n_edges * sizeof *edges);
    h.digest = digest(h.digest, t->values, t->n_values * sizeof *t->values);
    h.digest = digest(h.digest, t->strings, t->n_strings * sizeof *t->strings);

    FILE *f = fopen(path, "w");
    if (!f)
        return -errno;
    fwrite(&h, sizeof h, 1, f);
    fwrite(edges, sizeof *edges, h.n_edges, f);
    fwrite(t->values, sizeof *t->values, t->n_values, f);
    fwrite(t->strings, sizeof *t->strings, t->n_strings, f);
    bool failed = ferror(f);
    if (fclose(f) != 0 || failed)
        return -EIO;
    printf("lexicon: %u edges, %u values, %u strings\n", h.n_edges, h.n_values, h.n_strings);
    return 0;
}

int table_write(const struct forms *forms, const char *path)
{
    struct table *t = calloc(1, sizeof *t);
    struct automaton *a = automaton_new();
    int r = a && t ? fill(forms, a, t) : -ENOMEM;

    if (r == 0)
        r = write_file(path, a, t);
    automaton_free(a);
    if (t)
        free(t->values);
    free(t);
    return r;
}
