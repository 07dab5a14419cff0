/* text_bench.c - what a word costs, in microseconds: cut out and stemmed, stemmed alone, and taken apart. One line of JSON.
 *
 *   text_bench WORDS [SECONDS]       a file of words, one a line, or "word<tab>..." as tests/search/compounds.tsv */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "common/text.h"

enum { WORDS_MAX = 4096 };

struct words {
    char *all[WORDS_MAX];
    size_t n;
    char *text; /* all of them, with spaces between */
};

/* The processor's time: what else runs on the machine does not count. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "text_bench: %s\n", what);
    exit(1);
}

static void read_words(const char *path, struct words *w)
{
    char line[512];
    size_t len = 0;
    FILE *f = fopen(path, "r");

    w->text = calloc(WORDS_MAX, sizeof line);
    if (!f || !w->text)
        fail("cannot read the words");
    while (w->n < WORDS_MAX && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\t\n")] = '\0';
        if (line[0] == '#' || line[0] == '\0')
            continue;
        w->all[w->n] = strdup(line);
        if (!w->all[w->n++])
            fail("no memory");
        len += (size_t)snprintf(w->text + len, sizeof line, "%s ", line);
    }
    fclose(f);
    if (w->n == 0)
        fail("no words");
}

static void tokens(struct arena *a, const struct words *w)
{
    struct text_token *found;
    size_t n;
    if (text_tokens(a, w->text, strlen(w->text), WORDS_MAX, &found, &n) < 0 || n < w->n)
        fail("the words are not found again");
}

static void stems(struct arena *a, const struct words *w)
{
    char stem[TEXT_WORD_BYTES + 1];
    (void)a; /* needs none */
    for (size_t i = 0; i < w->n; i++)
        text_stem(w->all[i], stem);
}

static void compounds(struct arena *a, const struct words *w)
{
    struct text_part *parts;
    size_t n;
    for (size_t i = 0; i < w->n; i++) {
        if (text_compound(a, w->all[i], &parts, &n) < 0)
            fail("no memory");
    }
}

static double microseconds(void (*work)(struct arena *, const struct words *),
                           const struct words *w, double seconds)
{
    struct arena *a = arena_new(64 << 20);
    double start = now_s(), end;
    size_t rounds = 0;

    if (!a)
        fail("no memory");
    do {
        arena_reset(a);
        work(a, w);
        rounds++;
        end = now_s();
    } while (end - start < seconds);
    arena_free(a);
    return (end - start) * 1e6 / (double)(rounds * w->n);
}

int main(int argc, char **argv)
{
    static struct words w;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: text_bench WORDS [SECONDS]\n");
        return 2;
    }
    double seconds = argc == 3 ? strtod(argv[2], NULL) : 1;
    read_words(argv[1], &w);
    double token = microseconds(tokens, &w, seconds), stem = microseconds(stems, &w, seconds);
    printf("{\"words\": %zu, \"token_us\": %.3f, \"stem_us\": %.3f, \"compound_us\": %.3f}\n", w.n,
           token, stem, microseconds(compounds, &w, seconds));
    for (size_t i = 0; i < w.n; i++)
        free(w.all[i]);
    free(w.text);
    return 0;
}
