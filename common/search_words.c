/* search_words.c - the dictionary of all words that documents have: what may follow a prefix, and what a misspelt word meant.
 *
 * The dictionary is sorted, so words that begin alike stand together. For a misspelt word one row of the Damerau-Levenshtein
 * matrix belongs to each letter of the dictionary word, and the rows of the beginning that a word shares with the word before
 * are still right. Once a whole row is too far away, so is every word with that beginning, and the scan seeks past them: no
 * index beside the dictionary itself. Lengths and distances are of bytes of the folded word, which is ASCII for Swedish. */
#include <errno.h>
#include <string.h>

#include "common/packed.h"
#include "common/search_internal.h"

enum {
    FOLDED_BYTES = SEARCH_WORD_BYTES + 40
}; /* folding may lengthen: ae for the letter for both */

size_t search_word_len(const char *word)
{
    size_t len = strnlen(word, SEARCH_WORD_BYTES + 1);

    if (len <= SEARCH_WORD_BYTES)
        return len;
    len = SEARCH_WORD_BYTES;
    while (len > 0 && ((uint8_t)word[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static size_t fold(const char *text, size_t len, char to[FOLDED_BYTES + 1])
{
    size_t n = text_casefold(text, len, true, to, FOLDED_BYTES);

    to[n] = '\0';
    return n;
}

static void key_reset(struct key *k)
{
    k->len = 0;
    k->failed = false;
}

void search_word_key(const char *word, struct key *ret)
{
    char folded[FOLDED_BYTES + 1];

    fold(word, strlen(word), folded);
    key_reset(ret);
    key_u8(key_text_prefix(ret, folded), 0);
    if (strcmp(folded, word) != 0)
        key_text_prefix(ret, word);
}

void search_term_key(const char *word, struct key *ret, size_t *ret_folded_len)
{
    char stem[TEXT_WORD_BYTES + 1], folded[FOLDED_BYTES + 1];

    fold(stem, text_stem(word, stem), folded);
    key_reset(ret);
    key_u8(key_text_prefix(ret, folded), 0);
    *ret_folded_len = ret->len;
    if (strcmp(folded, stem) != 0)
        key_text_prefix(ret, stem);
    key_u8(ret, 0);
}

void search_plain_key(const char *word, struct key *ret)
{
    char folded[FOLDED_BYTES + 1];

    fold(word, strlen(word), folded);
    key_reset(ret);
    key_u8(key_text_prefix(ret, folded), 0);
}

bool dictionary_read(struct slice key, struct slice value, struct dictionary_word *ret)
{
    const uint8_t *zero = memchr(key.data, 0, key.len);
    const uint8_t *p = value.data, *end = value.data + value.len;
    uint64_t number, documents;

    if (!zero || !packed_varint(&p, end, &number) || !packed_varint(&p, end, &documents) ||
        p != end || number > UINT32_MAX || documents > UINT32_MAX)
        return false;
    ret->number = (uint32_t)number;
    ret->documents = (uint32_t)documents;
    ret->folded = (struct slice) { key.data, (size_t)(zero - key.data) };
    ret->word = (struct slice) { zero + 1, key.len - ret->folded.len - 1 };
    if (ret->word.len == 0)
        ret->word = ret->folded;
    return ret->word.len <= SEARCH_WORD_BYTES && ret->folded.len <= FOLDED_BYTES;
}

/* The same of an entry of search_synonym, whose value begins with the words as given. */
static bool synonym_read(struct slice key, struct slice value, struct dictionary_word *ret)
{
    const uint8_t *zero = value.len ? memchr(value.data, 0, value.len) : NULL;

    if (!zero || zero - value.data > SEARCH_WORD_BYTES)
        return false;
    *ret = (struct dictionary_word) {
        .number = 1,
        .documents = 1,
        .folded = key,
        .word = { value.data, (size_t)(zero - value.data) },
    };
    return true;
}

static bool entry_read(const struct scan *s, struct dictionary_word *ret)
{
    return s->table == &T_SEARCH_SYNONYM ? synonym_read(s->key, s->value, ret)
                                         : dictionary_read(s->key, s->value, ret);
}

/* ---- the best candidates so far ---- */

/* The best first: nearer, then in more documents, then earlier in the dictionary. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->distance != b->distance)
        return a->distance < b->distance;
    return a->documents > b->documents;
}

/* Puts a word among the best `max`. Its text is copied into room of its own, which the one that drops out leaves it. */
static int keep(struct arena *a, const struct dictionary_word *w, unsigned distance, size_t max,
                struct candidate *best, size_t *n)
{
    struct candidate c = { .documents = w->documents, .distance = (uint8_t)distance };
    char *room;

    if (*n == max && !is_better(&c, &best[max - 1]))
        return 0;
    if (*n == max) {
        room = (char *)best[--*n].word;
    } else {
        room = arena_alloc(a, SEARCH_WORD_BYTES + 1);
        if (!room)
            return -ENOMEM;
    }
    memcpy(room, w->word.data, w->word.len);
    room[w->word.len] = '\0';
    c.word = room;
    size_t at = *n;
    while (at > 0 && is_better(&c, &best[at - 1])) {
        best[at] = best[at - 1];
        at--;
    }
    best[at] = c;
    ++*n;
    return 0;
}

static bool spend(struct dictionary_budget *budget, uint32_t steps)
{
    if (budget->steps < steps) {
        budget->cut = true;
        return false;
    }
    budget->steps -= steps;
    return true;
}

int dictionary_prefix(const struct rd *rd, const struct table *dictionary, struct arena *a,
                      const char *prefix, size_t max, struct dictionary_budget *budget,
                      struct candidate *ret, size_t *ret_n)
{
    struct dictionary_word w;
    struct key k = KEY_INIT;
    struct scan s;
    size_t n = 0;
    int r = 0;

    key_text_prefix(&k, prefix);
    for (scan_prefix(&s, rd, dictionary, &k); r == 0 && spend(budget, 1) && scan_next(&s);) {
        r = entry_read(&s, &w) ? keep(a, &w, 0, max, ret, &n) : -EBADMSG;
    }
    int scan_r = scan_end(&s);
    *ret_n = n;
    return r < 0 ? r : scan_r;
}

/* ---- words at a distance ---- */

enum {
    QUERY_MAX = 64, /* a longer word is not looked for */
    ROWS = QUERY_MAX + 4,
    FAR = 100,
    STEPS_BEFORE_SEEK = 4,
};

struct near {
    const uint8_t *query;
    unsigned len, distance;
    uint8_t word[ROWS]; /* the dictionary word that the rows are of */
    unsigned rows;      /* rows[0..rows] are right for word[0..rows) */
    uint8_t row[ROWS + 1][QUERY_MAX + 1];
};

static uint8_t least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* Row `i` from the rows before it, for letters at most `distance` off the diagonal. Returns its least value. */
static unsigned next_row(struct near *m, unsigned i)
{
    const uint8_t letter = m->word[i - 1];
    const uint8_t *above = m->row[i - 1];
    uint8_t *row = m->row[i];
    unsigned from = i > m->distance ? i - m->distance : 0;
    unsigned to = i + m->distance < m->len ? i + m->distance : m->len;
    uint8_t best = FAR;

    if (from > to)
        return FAR;
    if (from == 0) {
        best = row[0] = (uint8_t)i;
        from = 1;
    } else {
        row[from - 1] = FAR;
    }
    for (unsigned j = from; j <= to; j++) {
        uint8_t d = (uint8_t)(above[j - 1] + (m->query[j - 1] != letter));
        d = least(d, (uint8_t)(row[j - 1] + 1));
        if (j < i + m->distance)
            d = least(d, (uint8_t)(above[j] + 1));
        if (i > 1 && j > 1 && letter == m->query[j - 2] && m->word[i - 2] == m->query[j - 1])
            d = least(d, (uint8_t)(m->row[i - 2][j - 2] + 1));
        row[j] = d;
        best = least(best, d);
    }
    if (to < m->len)
        row[to + 1] = FAR;
    return best;
}

/* How far `word` is. FAR and the length of its first beginning that no near word has, or 0 if only this word is too far. */
static unsigned distance_of(struct near *m, struct slice word, size_t *ret_dead)
{
    unsigned len = word.len < ROWS ? (unsigned)word.len : ROWS, i = 0;

    *ret_dead = 0;
    while (i < m->rows && i < len && m->word[i] == word.data[i])
        i++;
    while (i < len) {
        m->word[i] = word.data[i];
        i++;
        if (next_row(m, i) > m->distance) {
            m->rows = i;
            *ret_dead = i;
            return FAR;
        }
    }
    m->rows = i;
    return i == word.len && i + m->distance >= m->len && m->row[i][m->len] <= m->distance
               ? m->row[i][m->len]
               : FAR;
}

/* Past all words that begin with the dead beginning: a few steps, and if that is not enough a seek. */
static bool skip(struct scan *s, struct slice dead, struct dictionary_budget *budget)
{
    struct key past = KEY_INIT;

    memcpy(past.bytes, dead.data, dead.len);
    past.len = (uint16_t)dead.len;
    for (unsigned i = 0; i < STEPS_BEFORE_SEEK; i++) {
        if (!spend(budget, 1) || !scan_next(s))
            return false;
        if (s->key.len < past.len || memcmp(s->key.data, past.bytes, past.len) != 0)
            return true;
    }
    while (past.len > 0 && past.bytes[past.len - 1] == 0xff)
        past.len--;
    if (past.len == 0 || !spend(budget, SEEK_STEPS))
        return false;
    past.bytes[past.len - 1]++;
    return scan_seek(s, &past);
}

int dictionary_near(const struct rd *rd, const struct table *dictionary, struct arena *a,
                    const char *folded, unsigned distance, size_t max,
                    struct dictionary_budget *budget, struct candidate *ret, size_t *ret_n)
{
    const struct key all = KEY_INIT;
    struct dictionary_word w;
    struct near m;
    struct scan s;
    size_t dead, n = 0;
    int r = 0;

    *ret_n = 0;
    m.query = (const uint8_t *)folded;
    m.len = (unsigned)strnlen(folded, QUERY_MAX + 1);
    m.distance = distance;
    m.rows = 0;
    if (m.len > QUERY_MAX)
        return 0;
    for (unsigned j = 0; j <= m.len; j++)
        m.row[0][j] = (uint8_t)j;

    scan_prefix(&s, rd, dictionary, &all);
    bool there = spend(budget, 1) && scan_next(&s);
    while (there && r == 0) {
        if (!entry_read(&s, &w)) {
            r = -EBADMSG;
            break;
        }
        unsigned d = distance_of(&m, w.folded, &dead);
        if (d <= distance)
            r = keep(a, &w, d, max, ret, &n);
        there = dead > 0 ? skip(&s, (struct slice) { w.folded.data, dead }, budget)
                         : spend(budget, 1) && scan_next(&s);
    }
    int scan_r = scan_end(&s);
    /* Only the nearest count. */
    while (n > 0 && ret[n - 1].distance > ret[0].distance)
        n--;
    *ret_n = n;
    return r < 0 ? r : scan_r;
}
