/* search_corpus.c - invents the corpus that search_corpus.h describes. Deterministic: no clock, no library's random. */
#include "tests/bench/search_corpus.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"

enum { TEXT_WORDS = 60, WORD_BYTES = 64 };

struct corpus {
    char (*words)[WORD_BYTES]; /* by rank */
    double *cumulative;        /* of the weights 1 / (rank + 2) */
    size_t n;
};

static const char *const TAILS[] = { "förbundet", "föreningen", "fonden", "nätverket", "rådet" };
static const char *const ENDINGS[] = { "en", "ens", "ar", "arna", "s", "er", "erna", "et" };
static const char *const PLACES[] = { "Arjeplog", "Borås",  "Kiruna", "Lund",    "Malmö",
                                      "Orsa",     "Skövde", "Umeå",   "Uppsala", "Ystad" };

uint64_t corpus_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Lower-case words of three letters and more. */
static size_t read_words(FILE *in, char (*words)[WORD_BYTES], size_t max)
{
    char line[512];
    size_t n = 0;

    while (n < max && fgets(line, sizeof(line), in)) {
        size_t len = strcspn(line, "/\r\n");
        bool plain = len >= 3 && len < 24;
        for (size_t i = 0; i < len && plain; i++)
            plain = (line[i] >= 'a' && line[i] <= 'z') || (line[i] & 0x80);
        if (!plain)
            continue;
        memcpy(words[n], line, len);
        words[n++][len] = '\0';
    }
    return n;
}

/* A dictionary is sorted; ranks must not be. */
static void shuffle(char (*words)[WORD_BYTES], size_t n)
{
    uint64_t state = 1;
    char hold[WORD_BYTES];

    for (size_t i = n - 1; i > 0; i--) {
        size_t j = corpus_random(&state) % (i + 1);
        memcpy(hold, words[i], WORD_BYTES);
        memcpy(words[i], words[j], WORD_BYTES);
        memcpy(words[j], hold, WORD_BYTES);
    }
}

struct corpus *corpus_new(const char *dictionary)
{
    struct corpus *c = calloc(1, sizeof(*c));
    FILE *in = fopen(dictionary, "r");
    uint64_t state = 2;
    double sum = 0;

    if (!c || !in) {
        free(c);
        if (in)
            fclose(in);
        return NULL;
    }
    c->words = calloc(CORPUS_WORDS, WORD_BYTES);
    c->cumulative = calloc(CORPUS_WORDS, sizeof(double));
    size_t n = c->words && c->cumulative ? read_words(in, c->words, CORPUS_WORDS) : 0;
    fclose(in);
    if (n < 1000) {
        corpus_free(c);
        return NULL;
    }
    shuffle(c->words, n);
    for (c->n = n; c->n < CORPUS_WORDS; c->n++) { /* inflections and compounds fill it up */
        const char *one = c->words[corpus_random(&state) % n];
        const char *two = c->words[corpus_random(&state) % n];
        bool inflected = corpus_random(&state) % 4 > 0;
        char made
            [WORD_BYTES]; /* apart, since the compiler cannot see that the words do not overlap */
        snprintf(made, sizeof made, "%.24s%.24s", one,
                 inflected ? ENDINGS[corpus_random(&state) % ARRAY_LEN(ENDINGS)] : two);
        memcpy(c->words[c->n], made, sizeof made);
    }
    for (size_t i = 0; i < c->n; i++)
        c->cumulative[i] = sum += 1.0 / (double)(i + 2);
    return c;
}

void corpus_free(struct corpus *c)
{
    if (!c)
        return;
    free(c->words);
    free(c->cumulative);
    free(c);
}

static const char *draw_word(const struct corpus *c, uint64_t *state)
{
    double at = (double)(corpus_random(state) >> 11) * 0x1p-53 * c->cumulative[c->n - 1];
    size_t low = 0, high = c->n - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->cumulative[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return c->words[low];
}

/* A document's own stream of chance, after its name. */
static uint64_t text_state(uint32_t number)
{
    return ((uint64_t)number << 20) + 7;
}

void corpus_document(const struct corpus *c, uint32_t number, uint32_t edition,
                     char name[CORPUS_NAME_BYTES], char text[CORPUS_TEXT_BYTES])
{
    uint64_t state = (uint64_t)number << 20, changed = state ^ (uint64_t)edition << 52 ^ edition;
    size_t len = 0;

    snprintf(name, CORPUS_NAME_BYTES, "%s%s %s", c->words[corpus_random(&state) % 60000],
             TAILS[number % 5], PLACES[corpus_random(&state) % 10]);
    state = text_state(number);
    for (unsigned i = 0; i < TEXT_WORDS; i++) {
        const char *kept = draw_word(c, &state), *other = draw_word(c, &changed);
        len += (size_t)snprintf(text + len, CORPUS_TEXT_BYTES - len, "%s ",
                                edition > 0 && i % 6 == edition % 6 ? other : kept);
    }
}

const char *corpus_word(const struct corpus *c, uint32_t documents, uint64_t number)
{
    uint64_t chance = number * 7919 + 3;
    uint64_t state = text_state((uint32_t)(corpus_random(&chance) % documents));
    const char *word = draw_word(c, &state);

    for (uint64_t skip = corpus_random(&chance) % TEXT_WORDS; skip > 0; skip--)
        word = draw_word(c, &state);
    return word;
}
