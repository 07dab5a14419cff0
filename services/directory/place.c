/* place.c - finds places in what people write.
 *
 * A name is kept as its words, folded, without what only says which kind it is ("län", "region", "sjukvårdsregionen") and without
 * an s at its end: so the genitive ("Skånes") and the county's own name ("Stockholms län") are the place's name. Queries go the same
 * way. The words left out decide where one name means several: "Uppsala län" the region, "Uppsala kommun" the municipality,
 * "norra sjukvårdsregionen" the healthcare region. Without them the municipality is meant, being nearer: its region's
 * organisations come right after its own.
 *
 * Some names are also words ("vara", "mark"), and some names written without dots look like others' words ("ange" for Ånge). Those
 * need a sign that a place is meant: a preposition, a capital letter, or that they end the query after a word that tells something. */
#include "services/directory/place.h"

#include <errno.h>
#include <string.h>

#include "common/search.h"

enum { NAME_WORDS = 3, NAME_BYTES = 160, CODE_BYTES = 101 };

/* ---- words around names ---- */

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}
#define IS_ONE_OF(word, words) is_one_of((word), (words), ARRAY_LEN(words))

static const char *const county_words[] = { "lan", "lans", "lanet" };
static const char *const region_words[] = { "region", "regionen" };
static const char *const municipality_words[] = { "kommun", "kommuns", "kommunen", "stad",
                                                  "stads" };
static const char *const prepositions[] = { "i",    "på",   "från", "till", "vid",    "kring",
                                            "nära", "runt", "hela", "inom", "utanför" };
static const char *const directions[] = { "norra", "sodra", "ostra", "vastra", "sydostra" };
/* Municipalities whose names are also words. */
static const char *const ambiguous[] = { "ale",  "berg", "boden", "eda",  "kil",   "lund", "mark",
                                         "mora", "nora", "orust", "sala", "salem", "vara", "ydre" };

static bool is_healthcare_word(const char *folded)
{
    return strncmp(folded, "sjukvardsregion", 15) == 0 ||
           strncmp(folded, "samverkansregion", 16) == 0;
}

/* The words joined, as the table holds them: the last one without its s. False: too long. */
static bool join(const struct text_token *tokens, size_t n, bool folded, char ret[NAME_BYTES + 1])
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *word = folded ? tokens[i].folded : tokens[i].word;
        size_t word_len = strlen(word);
        if (i + 1 == n && word_len > 2 && word[word_len - 1] == 's')
            word_len--;
        if (len + word_len + 1 > NAME_BYTES)
            return false;
        if (i > 0)
            ret[len++] = ' ';
        memcpy(ret + len, word, word_len);
        len += word_len;
    }
    ret[len] = '\0';
    return len > 0;
}

/* ---- keeping the table ---- */

static bool is_kind_word(EntryType type, const char *folded)
{
    if (type == ENTRY_TYPE_REGION)
        return IS_ONE_OF(folded, county_words) || IS_ONE_OF(folded, region_words);
    return type == ENTRY_TYPE_HEALTHCARE_REGION && is_healthcare_word(folded);
}

/* Of "Västra Götalandsregionen" the part before "regionen". False: it has no such ending. */
static bool cut_region(struct text_token *t, struct arena *a)
{
    static const char ending[] = "regionen";
    size_t len = strlen(t->word), folded_len = strlen(t->folded), cut = sizeof(ending) - 1;
    if (len <= cut || strcmp(t->word + len - cut, ending) != 0)
        return false;
    const char *word = arena_strndup(a, t->word, len - cut);
    const char *folded = arena_strndup(a, t->folded, folded_len - cut);
    if (!word || !folded)
        return false;
    t->word = word;
    t->folded = folded;
    return true;
}

static void keep_words(struct wr *wr, EntryType type, const struct text_token *tokens, size_t n,
                       const char *code, bool add)
{
    char folded[NAME_BYTES + 1], exact[NAME_BYTES + 1];
    struct key k = KEY_INIT;
    if (!join(tokens, n, true, folded) || !join(tokens, n, false, exact))
        return;
    key_text(key_u8(key_text(&k, folded), (uint8_t)type), code);
    if (add)
        wr_put_bytes(wr, &T_PLACE, &k, exact, strlen(exact));
    else
        wr_delete(wr, &T_PLACE, &k);
}

static void keep(struct wr *wr, EntryType type, const char *name, const char *code, bool add)
{
    struct arena *a = rd_arena(wr_rd(wr));
    struct text_token *tokens;
    size_t n, kept = 0;

    int r = text_tokens(a, name, strlen(name), NAME_WORDS * 2, &tokens, &n);
    if (r < 0) {
        (void)wr_fail(wr, -r);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (!is_kind_word(type, tokens[i].folded))
            tokens[kept++] = tokens[i];
    if (kept == 0 || kept > NAME_WORDS)
        return;
    keep_words(wr, type, tokens, kept, code, add);
    if (type == ENTRY_TYPE_REGION && cut_region(&tokens[kept - 1], a))
        keep_words(wr, type, tokens, kept, code, add);
}

static void keep_region(struct wr *wr, const Region *region, bool add)
{
    keep(wr, ENTRY_TYPE_REGION, region->name, region->code, add);
    keep(wr, ENTRY_TYPE_REGION, region->region_name, region->code, add);
}

void place_region(struct wr *wr, const Region *old, const Region *region)
{
    if (old)
        keep_region(wr, old, false);
    keep_region(wr, region, true);
}

void place_municipality(struct wr *wr, const Municipality *old, const Municipality *m)
{
    if (old)
        keep(wr, ENTRY_TYPE_MUNICIPALITY, old->name, old->code, false);
    keep(wr, ENTRY_TYPE_MUNICIPALITY, m->name, m->code, true);
}

static void keep_healthcare_region(struct wr *wr, const HealthcareRegion *h, bool add)
{
    keep(wr, ENTRY_TYPE_HEALTHCARE_REGION, h->name, h->slug, add);
    keep(wr, ENTRY_TYPE_HEALTHCARE_REGION, h->official_name, h->slug, add);
}

void place_healthcare_region(struct wr *wr, const HealthcareRegion *old, const HealthcareRegion *h)
{
    if (old)
        keep_healthcare_region(wr, old, false);
    keep_healthcare_region(wr, h, true);
}

/* ---- finding ---- */

struct sentence {
    const struct rd *rd;
    struct arena *arena;
    const char *text;
    const struct text_token *tokens;
    size_t n;
};

/* What the words before and after [from, to) say. */
struct cues {
    bool county, municipality, healthcare;
    bool before, after; /* where the telling word stands: it belongs to the place */
    bool preposition;
};

static void read_cues(const struct sentence *s, size_t from, size_t to, struct cues *ret)
{
    const char *before = from > 0 ? s->tokens[from - 1].folded : "";
    const char *after = to < s->n ? s->tokens[to].folded : "";

    *ret = (struct cues) { .preposition =
                               from > 0 && IS_ONE_OF(s->tokens[from - 1].word, prepositions) };
    ret->county = ret->after = IS_ONE_OF(after, county_words);
    if (!ret->after)
        ret->municipality = ret->after = IS_ONE_OF(after, municipality_words);
    if (!ret->after)
        ret->healthcare = ret->after = is_healthcare_word(after);
    if (IS_ONE_OF(before, region_words))
        ret->county = ret->before = true;
    if (is_healthcare_word(before))
        ret->healthcare = ret->before = true;
}

/* Whether the word begins with a capital letter and goes on in small ones. */
static bool is_capital(const struct sentence *s, const struct text_token *t)
{
    const char *written = s->text + t->start;
    size_t len = t->end - t->start, first = 1;
    if (strlen(t->word) != len)
        return false;
    while (first < len && ((uint8_t)t->word[first] & 0xc0) == 0x80)
        first++;
    return memcmp(written, t->word, first) != 0 &&
           memcmp(written + first, t->word + first, len - first) == 0;
}

/* Whether the words are meant as a place, if they could be something else. */
static bool is_meant(const struct sentence *s, size_t from, size_t to, bool exact,
                     const struct cues *cues)
{
    const struct text_token *t = &s->tokens[from];
    bool doubtful =
        to - from == 1 && (exact ? IS_ONE_OF(t->folded, ambiguous) : text_is_known(t->word));
    if (!doubtful || cues->preposition || cues->county || cues->municipality || is_capital(s, t))
        return true;
    return exact && to == s->n && from > 0 && !search_is_filler(s->tokens[from - 1].word);
}

/* How well a place of the type fits what is around it; 0: not at all. */
static int fitness(EntryType type, const struct cues *cues, const char *folded, bool exact)
{
    int fit = exact ? 2 : 1;
    switch (type) {
    case ENTRY_TYPE_MUNICIPALITY:
        return cues->municipality ? fit + 10 : fit + 4;
    case ENTRY_TYPE_REGION:
        return cues->county ? fit + 10 : fit + 2;
    case ENTRY_TYPE_HEALTHCARE_REGION:
        if (cues->healthcare)
            return fit + 20;
        return IS_ONE_OF(folded, directions) ? 0 : fit;
    case ENTRY_TYPE_ORGANISATION:
    case ENTRY_TYPE_CARE_AREA:
    case ENTRY_TYPE_PATIENT_RIGHT:
    case ENTRY_TYPE_TERM:
    case ENTRY_TYPE_HELPLINE:
    case ENTRY_TYPE_UNSPECIFIED:
    case _ENTRY_TYPE_IS_INT_SIZE:
        break;
    }
    return 0;
}

/* The place that the words [from, to) name best, if any: `ret->type` is unspecified when there is none. */
static int find_here(const struct sentence *s, size_t from, size_t to, struct place *ret)
{
    char folded[NAME_BYTES + 1], exact[NAME_BYTES + 1], code[CODE_BYTES];
    struct key prefix = KEY_INIT;
    struct cues cues;
    struct scan scan;
    int best = 0;

    *ret = (struct place) { .from = from, .to = to };
    if (!join(s->tokens + from, to - from, true, folded) ||
        !join(s->tokens + from, to - from, false, exact))
        return 0;
    read_cues(s, from, to, &cues);
    for (scan_prefix(&scan, s->rd, &T_PLACE, key_text(&prefix, folded)); scan_next(&scan);) {
        struct key_reader reader = { .rest = { scan.key.data + prefix.len,
                                               scan.key.len - prefix.len } };
        uint8_t type = 0;
        if (!key_read_u8(&reader, &type) || !key_read_text(&reader, code, sizeof(code)))
            return scan_give_up(&scan, -EBADMSG);
        bool same =
            scan.value.len == strlen(exact) && memcmp(scan.value.data, exact, scan.value.len) == 0;
        int fit =
            is_meant(s, from, to, same, &cues) ? fitness((EntryType)type, &cues, folded, same) : 0;
        if (fit <= best)
            continue;
        best = fit;
        ret->type = (EntryType)type;
        ret->key = arena_strdup(s->arena, code);
        if (!ret->key)
            return scan_give_up(&scan, -ENOMEM);
    }
    if (best > 0) {
        ret->from -= cues.before;
        ret->to += cues.after;
        ret->start = s->tokens[ret->from].start;
        ret->end = s->tokens[ret->to - 1].end;
    }
    return scan_end(&scan);
}

int place_find(const struct rd *rd, struct arena *a, const char *text,
               const struct text_token *tokens, size_t n_tokens, struct place ret[PLACES_MAX],
               size_t *ret_n)
{
    struct sentence s = { .rd = rd, .arena = a, .text = text, .tokens = tokens, .n = n_tokens };
    size_t n = 0;

    for (size_t from = 0; from < n_tokens && n < PLACES_MAX;) {
        size_t next = from + 1;
        for (size_t words = NAME_WORDS; words > 0; words--) {
            struct place p;
            if (from + words > n_tokens)
                continue;
            int r = find_here(&s, from, from + words, &p);
            if (r < 0)
                return r;
            if (p.type == ENTRY_TYPE_UNSPECIFIED)
                continue;
            ret[n++] = p;
            next = p.to;
            break;
        }
        from = next;
    }
    *ret_n = n;
    return 0;
}
