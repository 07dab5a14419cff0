/* lists.c - reads words.txt, and place names out of a CSV file. */
#include "common/lexicon/lists.h"

#include <csv.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lexicon.h"

static const struct {
    const char *name;
    uint16_t flag;
} kinds[] = {
    { "irregular", 0 },
    { "tail", LEXICON_TAIL },
    { "never-first", LEXICON_NEVER_FIRST },
    { "never-last", LEXICON_NEVER_LAST },
    { "short-first", LEXICON_SHORT_FIRST },
    { "link", LEXICON_FIRST },
};

/* Whether a base form follows the word. */
static bool has_base(uint16_t flag)
{
    return flag == 0 || flag == LEXICON_FIRST;
}

static bool read_line(const char *line, struct listed *ret)
{
    char kind[16];
    int n = sscanf(line, "%15s %63s %63s", kind, ret->word, ret->base);
    for (size_t i = 0; n >= 2 && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kind, kinds[i].name) == 0) {
            ret->flag = kinds[i].flag;
            return n == (has_base(kinds[i].flag) ? 3 : 2);
        }
    }
    return false;
}

int lists_read(const char *path, struct lists *ret)
{
    char line[256];
    struct lists l = { 0 };
    int r = 0;
    FILE *f = fopen(path, "r");

    if (!f) {
        r = -errno;
        fprintf(stderr, "%s: cannot be read\n", path);
        return r;
    }
    for (size_t number = 1; r == 0 && fgets(line, sizeof line, f); number++) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        struct listed *larger = realloc(l.all, (l.n + 1) * sizeof *larger);
        if (!larger) {
            r = -ENOMEM;
            break;
        }
        l.all = larger;
        l.all[l.n] = (struct listed) { 0 };
        if (!read_line(line, &l.all[l.n++])) {
            fprintf(stderr,
                    "%s:%zu: want a kind, a word and, for irregular and link, its base form\n",
                    path, number);
            r = -EINVAL;
        }
    }
    fclose(f);
    if (r < 0)
        lists_free(&l);
    else
        *ret = l;
    return r;
}

void lists_free(struct lists *l)
{
    free(l->all);
    *l = (struct lists) { 0 };
}

uint16_t lists_flags(const struct lists *l, const char *word)
{
    uint16_t flags = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->all[i].word, word) == 0)
            flags |= l->all[i].flag;
    }
    return flags;
}

const char *lists_irregular(const struct lists *l, const char *form)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->all[i].flag == 0 && strcmp(l->all[i].word, form) == 0)
            return l->all[i].base;
    }
    return NULL;
}

/* ---- places ---- */

struct places {
    struct forms *forms;
    size_t row, column, name_column;
    bool found;
    int status;
};

/* A name that is one word may begin a compound, with or without an s; of "Östra Göinge" both words are only places. */
static int add_place(struct forms *f, const char *word, bool alone)
{
    uint16_t flags = LEXICON_PLACE | LEXICON_NAME;
    size_t len = strlen(word);
    char genitive[128], base[128];

    if (len < 3 || len > 100 || strcmp(word, "län") == 0)
        return 0;
    snprintf(base, sizeof base, "%s", word);
    snprintf(genitive, sizeof genitive, "%s", word);
    if (word[len - 1] == 's' && !alone) /* "Jönköpings län"; but "Borås" */
        base[len - 1] = '\0';
    else if (word[len - 1] != 's')
        snprintf(genitive, sizeof genitive, "%ss", word);
    int r = 0;
    if (alone)
        flags |= LEXICON_FIRST;
    r = forms_add(f, base, base, base, flags, UINT32_MAX);
    if (r == 0)
        r = forms_add(f, genitive, base, base, flags, UINT32_MAX - 1);
    return r;
}

static void on_field(void *text, size_t len, void *arg)
{
    struct places *p = arg;
    char name[128];
    size_t column = p->column++;

    if (len >= sizeof name || p->status < 0)
        return;
    memcpy(name, text ? text : "", len);
    name[len] = '\0';
    if (p->row == 0) {
        if (strcmp(name, "name") == 0) {
            p->name_column = column;
            p->found = true;
        }
        return;
    }
    if (!p->found || column != p->name_column)
        return;
    bool alone = !strpbrk(name, " -");
    char *rest = name;
    for (char *word = strsep(&rest, " -"); word && p->status == 0; word = strsep(&rest, " -"))
        p->status = add_place(p->forms, word, alone);
}

static void on_row(int end, void *arg)
{
    struct places *p = arg;
    (void)end; /* which character ended the row */
    p->row++;
    p->column = 0;
}

int places_add(struct forms *f, const char *csv_path)
{
    struct places p = { .forms = f };
    struct csv_parser parser;
    char bytes[4096];
    size_t n;

    FILE *file = fopen(csv_path, "r");
    if (!file) {
        int r = -errno;
        fprintf(stderr, "%s: cannot be read\n", csv_path);
        return r;
    }
    if (csv_init(&parser, CSV_STRICT) != 0) {
        fclose(file);
        return -ENOMEM;
    }
    while (p.status == 0 && (n = fread(bytes, 1, sizeof bytes, file)) > 0) {
        if (csv_parse(&parser, bytes, n, on_field, on_row, &p) != n)
            p.status = -EBADMSG;
    }
    if (p.status == 0 && csv_fini(&parser, on_field, on_row, &p) != 0)
        p.status = -EBADMSG;
    if (p.status == 0 && !p.found)
        p.status = -EBADMSG;
    if (p.status == -EBADMSG)
        fprintf(stderr, "%s: no CSV with a column 'name'\n", csv_path);
    csv_free(&parser);
    fclose(file);
    return p.status;
}
