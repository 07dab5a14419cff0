/* search_words.c - the dictionary of all words that documents have: what may follow a prefix, and what a misspelt word meant.
 *
 * The dictionary is sorted, so words that begin alike stand together. A misspelt word is compared with one after the other
 * (search_likeness.h); once a beginning is too far away, so is every word with that beginning, and the walk jumps over them: no
 * index beside the dictionary itself. */
#include <errno.h>
#include <string.h>

#include "common/packed.h"
#include "common/search_internal.h"
#include "common/search_likeness.h"

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

static size_t fold(const char *text, size_t len, char to[DICTIONARY_FOLDED_BYTES + 1])
{
    size_t n = text_casefold(text, len, true, to, DICTIONARY_FOLDED_BYTES);

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
    char folded[DICTIONARY_FOLDED_BYTES + 1];

    fold(word, strlen(word), folded);
    key_reset(ret);
    key_u8(key_text_prefix(ret, folded), 0);
    if (strcmp(folded, word) != 0)
        key_text_prefix(ret, word);
}

/* How much of the folded stem's start and end the stem has, each plus 1 so that no byte is zero, and what is between. */
static void put_difference(struct key *k, const char *folded, const char *stem)
{
    size_t folded_len = strlen(folded), len = strlen(stem), before = 0, after = 0;

    while (before < folded_len && before < len && folded[before] == stem[before])
        before++;
    while (after < folded_len - before && after < len - before &&
           folded[folded_len - 1 - after] == stem[len - 1 - after])
        after++;
    key_u8(key_u8(k, (uint8_t)(before + 1)), (uint8_t)(after + 1));
    for (size_t i = before; i < len - after; i++)
        key_u8(k, (uint8_t)stem[i]);
}

void search_stem_key(const char *stem, struct key *ret, size_t *ret_folded_len)
{
    char folded[DICTIONARY_FOLDED_BYTES + 1];

    fold(stem, strlen(stem), folded);
    key_reset(ret);
    key_u8(key_text_prefix(ret, folded), 0);
    *ret_folded_len = ret->len;
    if (strcmp(folded, stem) != 0)
        put_difference(ret, folded, stem);
    key_u8(ret, 0);
}

void search_term_key(const char *word, struct key *ret, size_t *ret_folded_len)
{
    char stem[TEXT_WORD_BYTES + 1];

    text_stem(word, stem);
    search_stem_key(stem, ret, ret_folded_len);
}

void search_plain_key(const char *word, struct key *ret)
{
    char folded[DICTIONARY_FOLDED_BYTES + 1];

    fold(word, strlen(word), folded);
    key_reset(ret);
    key_u8(key_text_prefix(ret, folded), 0);
}

/* ---- walking ---- */

/* Through the words of a dictionary in order: of T_SEARCH_WORD, or of T_SEARCH_SYNONYM as if each entry were a block of one. */
struct walk {
    struct scan scan;
    struct dictionary_block block; /* its current word */
    struct dictionary_budget *budget;
    int status;
};

enum { BLOCK_STEPS = 4 };

static bool spend(struct dictionary_budget *budget, uint32_t steps)
{
    if (budget->steps < steps) {
        budget->cut = true;
        return false;
    }
    budget->steps -= steps;
    return true;
}

/* A synonym's value begins with the words as given. */
static bool synonym_read(struct dictionary_block *b, struct slice key, struct slice value)
{
    const uint8_t *zero = value.len ? memchr(value.data, 0, value.len) : NULL;

    if (!zero || zero - value.data > SEARCH_WORD_BYTES || key.len > DICTIONARY_FOLDED_BYTES)
        return false;
    *b = (struct dictionary_block) {
        .number = 1,
        .documents = 1,
        .folded_len = key.len,
        .differs = true,
        .inside = { value.data, (size_t)(zero - value.data) },
    };
    memcpy(b->folded, key.data, key.len);
    return true;
}

/* Takes the scan's entry. */
static bool walk_enter(struct walk *w)
{
    bool good = w->scan.table == &T_SEARCH_SYNONYM
                    ? synonym_read(&w->block, w->scan.key, w->scan.value)
                    : dictionary_block_begin(&w->block, w->scan.key, w->scan.value);

    if (!good)
        w->status = -EBADMSG;
    return good;
}

/* To the next word of the block. */
static bool walk_inside(struct walk *w)
{
    bool good = dictionary_block_next(&w->block);

    if (!good)
        w->status = -EBADMSG;
    return good;
}

static bool walk_next(struct walk *w)
{
    if (w->block.at < w->block.end)
        return walk_inside(w);
    return scan_next(&w->scan) && walk_enter(w);
}

static int compare_folded(const struct dictionary_block *b, const struct key *to)
{
    int order = memcmp(b->folded, to->bytes, b->folded_len < to->len ? b->folded_len : to->len);

    return order ? order : (b->folded_len > to->len) - (b->folded_len < to->len);
}

/* From the block that has been found to the first word at or after `to`. */
static bool walk_to(struct walk *w, const struct key *to)
{
    if (!walk_enter(w))
        return false;
    while (compare_folded(&w->block, to) < 0)
        if (!walk_next(w))
            return false;
    return true;
}

static void walk_begin(struct walk *w, const struct rd *rd, const struct table *dictionary,
                       struct dictionary_budget *budget)
{
    const struct key all = KEY_INIT;

    w->budget = budget;
    w->status = 0;
    w->block.at = w->block.end = NULL;
    scan_prefix(&w->scan, rd, dictionary, &all);
}

static int walk_end(struct walk *w)
{
    int r = scan_end(&w->scan);

    return w->status < 0 ? w->status : r;
}

static bool begins_with(const struct dictionary_block *b, const struct key *prefix)
{
    return b->folded_len >= prefix->len && memcmp(b->folded, prefix->bytes, prefix->len) == 0;
}

/* To the first word past the current one that has its first `same` bytes and then a byte of `letter` or above, or that comes after all
 * that do. Within a block what a word shares with the one before tells it; where the next block begins before it, all blocks up to
 * it are jumped over. */
static bool walk_past(struct walk *w, size_t same, unsigned letter)
{
    struct key to = KEY_INIT;

    if (letter > 0xff)
        return false;
    memcpy(to.bytes, w->block.folded, same);
    while (w->block.at < w->block.end) {
        if (!walk_inside(w))
            return false;
        if (w->block.shared < same || w->block.folded[same] >= letter)
            return true;
    }
    if (!spend(w->budget, BLOCK_STEPS) || !scan_next(&w->scan) || !walk_enter(w))
        return false;
    to.bytes[same] = (uint8_t)letter;
    to.len = (uint16_t)(same + 1);
    if (compare_folded(&w->block, &to) >= 0)
        return true;
    if (!spend(w->budget, SEEK_STEPS))
        return false;
    bool there = w->scan.table == &T_SEARCH_SYNONYM ? scan_seek(&w->scan, &to)
                                                    : scan_seek_piece(&w->scan, &to);
    return there && walk_to(w, &to);
}

/* ---- the best candidates so far ---- */

/* The best first: nearer, then in more documents, then earlier in the dictionary. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->cost != b->cost)
        return a->cost < b->cost;
    return a->documents > b->documents;
}

/* Puts a word among the best `max`. Its text is copied into room of its own, which the one that drops out leaves it. */
static int keep(struct arena *a, const struct dictionary_block *w, unsigned cost, size_t max,
                struct candidate *best, size_t *n)
{
    struct candidate c = { .documents = w->documents, .cost = (uint8_t)cost };
    char *room;

    if (*n == max && !is_better(&c, &best[max - 1]))
        return 0;
    if (*n == max) {
        room = (char *)best[--*n].word;
    } else {
        room = arena_alloc(a, DICTIONARY_FOLDED_BYTES + 1);
        if (!room)
            return -ENOMEM;
    }
    (void)dictionary_block_word(w, room); /* its length is not needed */
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

int dictionary_prefix(const struct rd *rd, const struct table *dictionary, struct arena *a,
                      const char *prefix, size_t max, struct dictionary_budget *budget,
                      struct candidate *ret, size_t *ret_n)
{
    struct key k = KEY_INIT;
    struct walk w;
    size_t n = 0;
    int r = 0;

    key_text_prefix(&k, prefix);
    walk_begin(&w, rd, dictionary, budget);
    bool there = scan_seek_piece(&w.scan, &k) && walk_to(&w, &k);
    while (there && r == 0 && begins_with(&w.block, &k) && spend(budget, 1)) {
        r = keep(a, &w.block, 0, max, ret, &n);
        there = walk_next(&w);
    }
    int walk_r = walk_end(&w);
    *ret_n = n;
    return r < 0 ? r : walk_r;
}

/* ---- words that are alike ---- */

int dictionary_near(const struct rd *rd, const struct table *dictionary, struct arena *a,
                    const char *folded, unsigned cost, bool same_start, size_t max,
                    struct dictionary_budget *budget, struct candidate *ret, size_t *ret_n)
{
    struct likeness l;
    struct walk w;
    struct likeness_next next;
    size_t n = 0;
    int r = 0;

    *ret_n = 0;
    if (!likeness_begin(&l, folded, cost, same_start))
        return 0;
    walk_begin(&w, rd, dictionary, budget);
    for (bool there = walk_next(&w); there && r == 0 && spend(budget, 1);) {
        unsigned c = likeness_cost(&l, w.block.folded, w.block.folded_len, &next);
        if (c <= l.limit) {
            r = keep(a, &w.block, c, max, ret, &n);
            if (c + NEAR_SLACK < l.limit)
                l.limit = c + NEAR_SLACK;
        }
        there = next.letter > 0 ? walk_past(&w, next.same, next.letter) : walk_next(&w);
    }
    int walk_r = walk_end(&w);
    while (n > 0 && ret[n - 1].cost > ret[0].cost + NEAR_SLACK)
        n--;
    *ret_n = n;
    return r < 0 ? r : walk_r;
}
