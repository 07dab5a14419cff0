/* search_likeness.c - the distance of search_likeness.h, row by row along a dictionary's word. Letters are bytes of folded words,
 * which are ASCII for Swedish: ä and å are an a here, ö is an o. */
#include "common/search_likeness.h"

#include <string.h>

/* Letters that are written for one another because they sound the same: "huvudverk" for huvudvärk, "jikt" for gikt. */
static const char *const SOUNDS[26] = {
    ['a' - 'a'] = "eo", ['c' - 'a'] = "ks", ['e' - 'a'] = "ai", ['g' - 'a'] = "j",
    ['i' - 'a'] = "ye", ['j' - 'a'] = "g",  ['k' - 'a'] = "cq", ['o' - 'a'] = "au",
    ['q' - 'a'] = "k",  ['s' - 'a'] = "cz", ['u' - 'a'] = "o",  ['v' - 'a'] = "w",
    ['w' - 'a'] = "v",  ['y' - 'a'] = "i",  ['z' - 'a'] = "s",
};

/* The keys around each. */
static const char *const KEYS[26] = {
    "qwsz",   "vghn",  "xdfv", "serfcx", "wrsd", "drtgvc", "ftyhbv", "gyujnb", "uojk",
    "huikmn", "jiolm", "kop",  "njk",    "bhjm", "ipkl",   "ol",     "wa",     "etdf",
    "awedxz", "ryfg",  "yihj", "cfgb",   "qeas", "zsdc",   "tugh",   "asx",
};

/* Groups of letters that sound the same. */
static const struct {
    const char *a, *b;
} GROUPS[] = {
    { "ph", "f" },  { "sch", "sk" }, { "sch", "sj" }, { "stj", "sj" }, { "skj", "sj" },
    { "sh", "sj" }, { "ch", "sj" },  { "ch", "k" },   { "ck", "k" },   { "ks", "x" },
    { "ts", "z" },  { "tz", "z" },   { "tz", "s" },   { "qu", "kv" },  { "kj", "tj" },
    { "th", "t" },  { "rh", "r" },   { "hj", "j" },   { "dj", "j" },   { "lj", "j" },
    { "gj", "j" },
};
enum { REVERSED = 32 }; /* a group's bit when the word has its other side */
_Static_assert(ARRAY_LEN(GROUPS) <= REVERSED, "each has two bits");

static bool is_letter(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

/* What it costs to write this letter for each of a to z. */
static void exchange_costs(uint8_t letter, uint8_t ret[LIKENESS_LETTERS])
{
    memset(ret, LIKENESS_EDIT, LIKENESS_LETTERS);
    if (!is_letter(letter))
        return;
    for (const char *key = KEYS[letter - 'a']; *key; key++)
        ret[*key - 'a'] = LIKENESS_SLIP;
    for (const char *sound = SOUNDS[letter - 'a']; sound && *sound; sound++)
        ret[*sound - 'a'] = LIKENESS_SOUND;
    ret[letter - 'a'] = 0;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* A side of a group: bit g is its side `a`, bit g + REVERSED its side `b`. */
static const char *side(unsigned bit)
{
    return bit < REVERSED ? GROUPS[bit].a : GROUPS[bit - REVERSED].b;
}

static unsigned other_side(unsigned bit)
{
    return bit < REVERSED ? bit + REVERSED : bit - REVERSED;
}

/* The length of a side: one to three letters. */
static unsigned side_len(const char *s)
{
    return !s[1] ? 1 : !s[2] ? 2 : 3;
}

static bool ends_with(const uint8_t *word, size_t len, const char *letters, size_t n)
{
    if (len < n)
        return false;
    while (n > 0 && word[len - 1] == (uint8_t)letters[n - 1])
        len--, n--;
    return n == 0;
}

static void index_groups(struct likeness *l)
{
    memset(l->groups_by_end, 0, sizeof(l->groups_by_end));
    for (unsigned g = 0; g < 2 * ARRAY_LEN(GROUPS); g++) {
        unsigned bit = g % 2 ? g / 2 + REVERSED : g / 2;
        const char *s = side(bit);
        l->groups_by_end[s[side_len(s) - 1] - 'a'] |= UINT64_C(1) << bit;
    }
}

/* Which of these sides of groups end the word. */
static uint64_t ends_of(const struct likeness *l, const uint8_t *word, size_t len, uint64_t groups)
{
    uint64_t ends = 0;

    if (len == 0 || !is_letter(word[len - 1]))
        return 0;
    for (uint64_t left = l->groups_by_end[word[len - 1] - 'a'] & groups; left; left &= left - 1) {
        const char *s = side((unsigned)__builtin_ctzll(left));
        if (ends_with(word, len, s, side_len(s)))
            ends |= left & -left;
    }
    return ends;
}

/* How much of the word's end may become a group of the query's with the next letter: 0, 1 or 2 letters. */
static unsigned opens(const struct likeness *l, const uint8_t *word, size_t len)
{
    unsigned most = 0;

    if (!is_letter(word[len - 1]) || !(l->inside >> (word[len - 1] - 'a') & 1))
        return 0;
    for (uint64_t left = l->groups; left && most < 2; left &= left - 1) {
        const char *s = side((unsigned)__builtin_ctzll(left));
        for (unsigned n = side_len(s) - 1; n > most; n--)
            if (ends_with(word, len, s, n))
                most = n;
    }
    return most;
}

bool likeness_begin(struct likeness *l, const char *query, unsigned limit, bool same_start)
{
    size_t len = strlen(query);

    if (len > LIKENESS_QUERY_MAX || len == 0)
        return false;
    l->query = (const uint8_t *)query;
    l->len = (unsigned)len;
    l->limit = limit;
    l->band = limit / LIKENESS_EDIT + 1;
    l->same_start = same_start;
    l->rows = 0;
    l->best[0] = 0;
    l->groups = 0;
    l->inside = 0;
    index_groups(l);
    for (unsigned j = 0; j <= l->len; j++) {
        l->row[0][j] = (uint8_t)least(j * LIKENESS_EDIT, LIKENESS_FAR);
        l->query_ends[j] = 0;
        for (uint64_t ends = ends_of(l, l->query, j, UINT64_MAX); ends; ends &= ends - 1)
            l->query_ends[j] |= UINT64_C(1) << other_side((unsigned)__builtin_ctzll(ends));
        l->groups |= l->query_ends[j];
    }
    for (uint64_t left = l->groups; left; left &= left - 1)
        for (const char *s = side((unsigned)__builtin_ctzll(left)); s[1]; s++)
            l->inside |= UINT32_C(1) << (*s - 'a');
    for (unsigned j = 0; j < l->len; j++)
        exchange_costs(l->query[j], l->exchange[j]);
    return true;
}

/* The least cost of [0, i) of the word and [0, j) of the query, of which the last letters are groups that sound the same. */
static unsigned group_cost(const struct likeness *l, unsigned i, unsigned j, uint64_t groups)
{
    unsigned cost = LIKENESS_FAR;

    for (; groups; groups &= groups - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(groups);
        unsigned from_i = i - side_len(side(bit));
        unsigned from_j = j - side_len(side(other_side(bit)));
        if (from_i + l->band >= from_j && from_j + l->band >= from_i)
            cost = least(cost, l->row[from_i][from_j] + LIKENESS_SOUND);
    }
    return cost;
}

/* The first place of row `i` within the band around the diagonal. */
static unsigned first_in_band(const struct likeness *l, unsigned i)
{
    return i > l->band ? i - l->band : 0;
}

/* Row `i` from the rows before it, for letters within the band. */
static void next_row(struct likeness *l, unsigned i)
{
    const uint8_t letter = l->word[i - 1], before = i > 1 ? l->word[i - 2] : 0;
    const unsigned word_more = letter == before ? LIKENESS_SOUND : LIKENESS_EDIT;
    const uint64_t ends = ends_of(l, l->word, i, l->groups);
    const uint8_t *above = l->row[i - 1];
    uint8_t *row = l->row[i];
    unsigned from = first_in_band(l, i);
    unsigned to = i + l->band < l->len ? i + l->band : l->len;

    l->best[i] = LIKENESS_FAR;
    if (from > to)
        return;
    if (from == 0) {
        row[0] = (uint8_t)least(i * LIKENESS_EDIT, LIKENESS_FAR);
        l->best[i] = row[0];
        from = 1;
    } else {
        row[from - 1] = LIKENESS_FAR;
    }
    for (unsigned j = from; j <= to; j++) {
        const uint8_t asked = l->query[j - 1], asked_before = j > 1 ? l->query[j - 2] : 0;
        unsigned exchange = is_letter(letter) ? l->exchange[j - 1][letter - 'a']
                            : letter == asked ? 0
                                              : LIKENESS_EDIT;
        unsigned d = least(LIKENESS_FAR, above[j - 1] + exchange);
        const unsigned asked_more = asked == asked_before ? LIKENESS_SOUND : LIKENESS_EDIT;
        d = least(d, row[j - 1] + asked_more);
        if (j < i + l->band)
            d = least(d, above[j] + word_more);
        if (letter == asked_before && before == asked && i > 1 && j > 1)
            d = least(d, l->row[i - 2][j - 2] + LIKENESS_SLIP);
        if (ends & l->query_ends[j])
            d = least(d, group_cost(l, i, j, ends & l->query_ends[j]));
        row[j] = (uint8_t)d;
        l->best[i] = (uint8_t)least(l->best[i], d);
    }
}

static bool may_cost(const struct likeness *l, unsigned so_far, unsigned more)
{
    return so_far + more <= l->limit;
}

/* Whether a word that begins so may be near past this row: by neighbours exchanged, or a group, of which only the first letters are
 * there. */
static bool may_leap(const struct likeness *l, unsigned i)
{
    for (unsigned open = opens(l, l->word, i); open > 0; open--)
        if (may_cost(l, l->best[i - open], LIKENESS_SOUND))
            return true;
    if (!may_cost(l, l->best[i - 1], LIKENESS_SLIP))
        return false;
    for (unsigned j = first_in_band(l, i - 1); j + 1 < l->len && j <= i - 1 + l->band; j++)
        if (l->query[j + 1] == l->word[i - 1] && may_cost(l, l->row[i - 1][j], LIKENESS_SLIP))
            return true;
    return false;
}

static bool is_alive(const struct likeness *l, unsigned i)
{
    return l->best[i] <= l->limit || may_leap(l, i);
}

/* The least letter above this one that may follow the first `i` of the word; 256: none. Where nothing but the query's own letters may
 * follow, because anything else costs too much, there are few. */
static unsigned letter_after(const struct likeness *l, unsigned i, uint8_t letter)
{
    unsigned next = 256;

    if (i == 0 || may_cost(l, l->best[i], LIKENESS_SOUND) || may_leap(l, i))
        return letter + 1U;
    for (unsigned j = first_in_band(l, i); j < l->len && j <= i + l->band; j++)
        if (l->row[i][j] <= l->limit && l->query[j] > letter)
            next = least(next, l->query[j]);
    return next;
}

/* After a word whose beginning of `i` letters is too far away. */
static struct likeness_next next_after(const struct likeness *l, unsigned i)
{
    unsigned letter = 256;

    while (i > 0 && letter > 255)
        i--, letter = letter_after(l, i, l->word[i]);
    return (struct likeness_next) { i, letter };
}

/* Whether both begin with the same sound; groups that do so begin with letters that do. */
static bool starts_alike(const struct likeness *l, uint8_t letter)
{
    return letter == l->query[0] ||
           (is_letter(letter) && l->exchange[0][letter - 'a'] <= LIKENESS_SOUND);
}

unsigned likeness_cost(struct likeness *l, const uint8_t *word, size_t len,
                       struct likeness_next *ret_next)
{
    unsigned n = len < LIKENESS_ROWS ? (unsigned)len : LIKENESS_ROWS, i = 0;

    *ret_next = (struct likeness_next) { 0 };
    if (l->same_start && n > 0 && !starts_alike(l, word[0])) {
        *ret_next = (struct likeness_next) { 0, word[0] + 1U };
        return LIKENESS_FAR;
    }
    while (i < l->rows && i < n && l->word[i] == word[i])
        i++;
    while (i < n) {
        l->word[i] = word[i];
        i++;
        next_row(l, i);
        if (!is_alive(l, i)) {
            l->rows = i;
            *ret_next = next_after(l, i);
            return LIKENESS_FAR;
        }
    }
    l->rows = i;
    if (i != len || i + l->band < l->len || i > l->len + l->band || l->row[i][l->len] > l->limit)
        return LIKENESS_FAR;
    return l->row[i][l->len];
}
