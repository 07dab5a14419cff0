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

static unsigned exchange_cost(uint8_t x, uint8_t y)
{
    if (x == y)
        return 0;
    if (!is_letter(x) || !is_letter(y))
        return LIKENESS_EDIT;
    if (SOUNDS[x - 'a'] && strchr(SOUNDS[x - 'a'], y))
        return LIKENESS_SOUND;
    return strchr(KEYS[x - 'a'], y) ? LIKENESS_SLIP : LIKENESS_EDIT;
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

/* Sets up what tells quickly that no group is at hand. */
static void index_groups(struct likeness *l)
{
    memset(l->groups_by_end, 0, sizeof(l->groups_by_end));
    l->inside = 0;
    for (unsigned g = 0; g < 2 * ARRAY_LEN(GROUPS); g++) {
        unsigned bit = g % 2 ? g / 2 + REVERSED : g / 2;
        const char *s = side(bit);
        for (; s[1]; s++)
            l->inside |= UINT32_C(1) << (*s - 'a');
        l->groups_by_end[*s - 'a'] |= UINT64_C(1) << bit;
    }
}

/* Which sides of groups end the word. */
static uint64_t ends_of(const struct likeness *l, const uint8_t *word, size_t len)
{
    uint64_t ends = 0;

    if (len == 0 || !is_letter(word[len - 1]))
        return 0;
    for (uint64_t left = l->groups_by_end[word[len - 1] - 'a']; left; left &= left - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(left);
        size_t n = strlen(side(bit));
        if (len >= n && memcmp(word + len - n, side(bit), n) == 0)
            ends |= UINT64_C(1) << bit;
    }
    return ends;
}

/* How much of the word's end may become a group with the next letter: 0, 1 or 2 letters. */
static unsigned opens(const struct likeness *l, const uint8_t *word, size_t len)
{
    unsigned most = 0;

    if (!is_letter(word[len - 1]) || !(l->inside >> (word[len - 1] - 'a') & 1))
        return 0;
    for (unsigned g = 0; g < 2 * ARRAY_LEN(GROUPS); g++) {
        const char *s = side(g % 2 ? g / 2 + REVERSED : g / 2);
        for (unsigned n = (unsigned)strlen(s) - 1; n > most; n--)
            if (len >= n && memcmp(word + len - n, s, n) == 0)
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
    index_groups(l);
    for (unsigned j = 0; j <= l->len; j++) {
        l->row[0][j] = (uint8_t)least(j * LIKENESS_EDIT, LIKENESS_FAR);
        l->query_ends[j] = 0;
        for (uint64_t ends = ends_of(l, l->query, j); ends; ends &= ends - 1)
            l->query_ends[j] |= UINT64_C(1) << other_side((unsigned)__builtin_ctzll(ends));
    }
    for (unsigned j = 0; j < l->len; j++)
        for (unsigned c = 0; c < LIKENESS_LETTERS; c++)
            l->exchange[j][c] = (uint8_t)exchange_cost(l->query[j], (uint8_t)('a' + c));
    return true;
}

/* The least cost of [0, i) of the word and [0, j) of the query, of which the last letters are groups that sound the same. */
static unsigned group_cost(const struct likeness *l, unsigned i, unsigned j, uint64_t groups)
{
    unsigned cost = LIKENESS_FAR;

    for (; groups; groups &= groups - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(groups);
        unsigned from_i = i - (unsigned)strlen(side(bit));
        unsigned from_j = j - (unsigned)strlen(side(other_side(bit)));
        if (from_i + l->band >= from_j && from_j + l->band >= from_i)
            cost = least(cost, l->row[from_i][from_j] + LIKENESS_SOUND);
    }
    return cost;
}

/* Row `i` from the rows before it, for letters within the band around the diagonal. */
static void next_row(struct likeness *l, unsigned i)
{
    const uint8_t letter = l->word[i - 1], before = i > 1 ? l->word[i - 2] : 0;
    const unsigned word_more = letter == before ? LIKENESS_SOUND : LIKENESS_EDIT;
    const uint64_t ends = ends_of(l, l->word, i);
    const uint8_t *above = l->row[i - 1];
    uint8_t *row = l->row[i];
    unsigned from = i > l->band ? i - l->band : 0;
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

/* Whether words that begin so may still be near: by this row, or past it by neighbours exchanged or a group of letters of which only
 * the first are there. */
static bool is_alive(const struct likeness *l, unsigned i)
{
    if (l->best[i] <= l->limit || least(l->best[i - 1] + LIKENESS_SLIP, LIKENESS_FAR) <= l->limit)
        return true;
    for (unsigned open = opens(l, l->word, i); open > 0; open--)
        if (least(l->best[i - open] + LIKENESS_SOUND, LIKENESS_FAR) <= l->limit)
            return true;
    return false;
}

/* Whether both begin with the same sound; groups that do so begin with letters that do. */
static bool starts_alike(const struct likeness *l, uint8_t letter)
{
    return letter == l->query[0] ||
           (is_letter(letter) && l->exchange[0][letter - 'a'] <= LIKENESS_SOUND);
}

unsigned likeness_cost(struct likeness *l, const uint8_t *word, size_t len, size_t *ret_dead)
{
    unsigned n = len < LIKENESS_ROWS ? (unsigned)len : LIKENESS_ROWS, i = 0;

    *ret_dead = 0;
    if (l->same_start && n > 0 && !starts_alike(l, word[0])) {
        *ret_dead = 1;
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
            *ret_dead = i;
            return LIKENESS_FAR;
        }
    }
    l->rows = i;
    if (i != len || i + l->band < l->len || i > l->len + l->band || l->row[i][l->len] > l->limit)
        return LIKENESS_FAR;
    return l->row[i][l->len];
}
