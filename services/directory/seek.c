/* seek.c - from what a person wrote to documents in order.
 *
 *   places     "reumatism i Skåne": the place leaves the words and narrows what is found to the region, to what serves the whole
 *              country, and to what nobody has said the place of. Nearer ones are worth more, and so are those whose texts name
 *              the place.
 *   names      who writes a name, a short name or an abbreviation whole means that one: it comes first.
 *   areas      a query all of whose words are a care area's leads to the area, then to its organisations; with a place, to the
 *              nearest organisations, since then somebody is looked for. Words that stand for the area's make it and its
 *              organisations worth more.
 *   the rest   as common/search ranks it; national organisations a little before others, those of patients more so; dormant ones, those
 *              of no care area, and terms a little behind.
 *
 * The first WINDOW documents are put in order here, whatever page of them is asked for, so that pages fit together. */
#include "services/directory/seek.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 100,
    MENTIONS = 200,    /* documents that name the place, at most */
    NAMED_MAX = 16,    /* entries of exactly this name */
    AREAS_CHECKED = 4, /* of the best, whether the query means them */
    AREA_STEMS = 64,
    FIRST_LETTERS = 3, /* bytes */
    FILTERS_MAX = 600,
    BOOSTS_MAX = 24,
    NUMBER_CHARS = 12,
};

/* What a document's worth is multiplied with, in hundredths. */
enum {
    NATIONAL = 150,
    PATIENTS = 150, /* associations of patients and what they are members of: who is ill looks for
                       them rather than for funds and authorities */
    DORMANT = 80,
    UNCLASSIFIED = 75, /* organisations that nobody has said the care area of */
    TERM = 65,
    RIGHT = 150,    /* these are as good an answer as patients', */
    HELPLINE = 130, /* and before funds and authorities, too */
    AREA = 150,     /* what may lead to many organisations */
    IN_MUNICIPALITY = 200,
    IN_REGION = 500,
    IN_HEALTHCARE_REGION = 500,
    OF_THE_AREA = 130,
    AREA_MEANT = 150,
};
#define MENTIONS_PLACE 1.0F /* is added for the document that names it best, less for others */

struct plan {
    struct arena *arena;
    size_t n_filters, n_boosts;
    size_t area_boost; /* the one of care areas, where there is one */
    bool failed;
    struct search_boost boosts[BOOSTS_MAX];
    struct search_facet filters[FILTERS_MAX];
};

/* ---- what to filter by ---- */

static void add_filter(struct plan *p, uint8_t column, const char *value)
{
    if (p->n_filters < FILTERS_MAX)
        p->filters[p->n_filters++] = (struct search_facet) { column, value };
}

static void add_boost(struct plan *p, uint8_t column, const char *value, uint32_t percent)
{
    if (p->n_boosts < BOOSTS_MAX)
        p->boosts[p->n_boosts++] = (struct search_boost) { { column, value }, percent };
}

static const char *number_text(struct plan *p, int number)
{
    static const char digits[][2] = { "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" };
    if (number >= 0 && number <= 9)
        return digits[number];
    const char *text = arena_printf(p->arena, "%d", number);
    p->failed = p->failed || !text;
    return text ? text : "";
}

/* Enums are ints in protobuf-c. */
static void add_numbers(struct plan *p, uint8_t column, const void *values, size_t n)
{
    const int *numbers = values;
    for (size_t i = 0; i < n; i++)
        add_filter(p, column, number_text(p, numbers[i]));
}

static void add_texts(struct plan *p, uint8_t column, char *const *values, size_t n, bool national)
{
    for (size_t i = 0; i < n; i++)
        add_filter(p, column, values[i]);
    if (n > 0 && national)
        add_filter(p, column, VALUE_NATIONWIDE);
}

static bool names_place(const SearchFilter *f)
{
    return f &&
           (f->n_region_codes > 0 || f->n_municipality_codes > 0 || f->n_healthcare_regions > 0);
}

static void add_given(struct plan *p, const SearchFilter *f)
{
    if (!f)
        return;
    bool national = f->include_national;
    add_numbers(p, COLUMN_TYPE, f->entry_types, f->n_entry_types);
    add_numbers(p, COLUMN_KIND, f->kinds, f->n_kinds);
    add_numbers(p, COLUMN_LEVEL, f->levels, f->n_levels);
    add_texts(p, COLUMN_REGION, f->region_codes, f->n_region_codes, national);
    add_texts(p, COLUMN_MUNICIPALITY, f->municipality_codes, f->n_municipality_codes, national);
    add_texts(p, COLUMN_HEALTHCARE_REGION, f->healthcare_regions, f->n_healthcare_regions,
              national);
    add_texts(p, COLUMN_CARE_AREA, f->care_areas, f->n_care_areas, false);
}

static void add_place(struct plan *p, const struct place *place, uint8_t *ret_column)
{
    *ret_column = COLUMN_REGION;
    switch (place->type) {
    case ENTRY_TYPE_MUNICIPALITY: {
        const char *region = arena_strndup(p->arena, place->key, 2);
        p->failed = p->failed || !region;
        if (!region)
            break;
        add_filter(p, COLUMN_REGION, region);
        add_boost(p, COLUMN_REGION, region, IN_REGION);
        add_boost(p, COLUMN_MUNICIPALITY, place->key, IN_MUNICIPALITY);
        break;
    }
    case ENTRY_TYPE_REGION:
        add_filter(p, COLUMN_REGION, place->key);
        add_boost(p, COLUMN_REGION, place->key, IN_REGION);
        break;
    case ENTRY_TYPE_HEALTHCARE_REGION:
        *ret_column = COLUMN_HEALTHCARE_REGION;
        add_filter(p, COLUMN_HEALTHCARE_REGION, place->key);
        add_boost(p, COLUMN_HEALTHCARE_REGION, place->key, IN_HEALTHCARE_REGION);
        break;
    case ENTRY_TYPE_UNSPECIFIED:
    case ENTRY_TYPE_ORGANISATION:
    case ENTRY_TYPE_CARE_AREA:
    case ENTRY_TYPE_PATIENT_RIGHT:
    case ENTRY_TYPE_TERM:
    case ENTRY_TYPE_HELPLINE:
    case _ENTRY_TYPE_IS_INT_SIZE:
        break;
    }
}

/* Several places of one kind are alternatives. */
static void add_places(struct plan *p, const struct seek *s)
{
    bool in_column[COLUMN_HEALTHCARE_REGION + 1] = { false };
    for (size_t i = 0; i < s->n_places; i++) {
        uint8_t column;
        add_place(p, &s->places[i], &column);
        in_column[column] = true;
    }
    for (int c = COLUMN_REGION; c <= COLUMN_HEALTHCARE_REGION; c++) {
        if (!in_column[c])
            continue;
        add_filter(p, (uint8_t)c, VALUE_NATIONWIDE);
        add_filter(p, (uint8_t)c, VALUE_EVERYWHERE);
        add_filter(p, (uint8_t)c, VALUE_UNKNOWN);
    }
}

static void make_plan(struct plan *p, const struct seek *s, const struct seek_request *request)
{
    bool by_place = s->n_places > 0 && !s->overridden && !request->leave_places;

    add_given(p, request->filter);
    if (by_place)
        add_places(p, s);
    else
        add_boost(p, COLUMN_LEVEL, number_text(p, ORGANISATION_LEVEL_NATIONAL), NATIONAL);
    p->area_boost = p->n_boosts;
    if (!by_place)
        add_boost(p, COLUMN_TYPE, number_text(p, ENTRY_TYPE_CARE_AREA), AREA);
    add_boost(p, COLUMN_KIND, number_text(p, ORGANISATION_KIND_PATIENT_ASSOCIATION), PATIENTS);
    add_boost(p, COLUMN_KIND, number_text(p, ORGANISATION_KIND_UMBRELLA), PATIENTS);
    add_boost(p, COLUMN_DORMANT, "1", DORMANT);
    add_boost(p, COLUMN_CARE_AREA, VALUE_UNKNOWN, UNCLASSIFIED);
    add_boost(p, COLUMN_TYPE, number_text(p, ENTRY_TYPE_TERM), TERM);
    add_boost(p, COLUMN_TYPE, number_text(p, ENTRY_TYPE_PATIENT_RIGHT), RIGHT);
    add_boost(p, COLUMN_TYPE, number_text(p, ENTRY_TYPE_HELPLINE), HELPLINE);
}

/* ---- the text ---- */

static bool folds_alike(const char *a, size_t a_len, const char *b, size_t b_len)
{
    char x[TEXT_CASEFOLD_MAX * 3], y[TEXT_CASEFOLD_MAX * 3];
    size_t x_len = text_casefold(a, a_len, true, x, sizeof(x));
    size_t y_len = text_casefold(b, b_len, true, y, sizeof(y));
    return x_len == y_len && memcmp(x, y, x_len) == 0;
}

static bool is_plain(const struct seek_request *request, const struct place *p)
{
    for (size_t i = 0; i < request->n_plain_words; i++)
        if (folds_alike(request->text + p->start, p->end - p->start, request->plain_words[i],
                        strlen(request->plain_words[i])))
            return true;
    return false;
}

/* Cuts the text into words and takes the places out. */
static int read_text(struct seek *s, const struct seek_request *request)
{
    size_t n = 0, len = s->len < SEARCH_QUERY_BYTES ? s->len : SEARCH_QUERY_BYTES;
    struct arena *a = s->in->arena;

    int r = text_tokens(a, s->text, len, SEARCH_QUERY_WORDS, &s->tokens, &s->n_tokens);
    if (r == 0)
        r = place_find(s->in->state, a, s->text, s->tokens, s->n_tokens, s->places, &s->n_places);
    if (r < 0)
        return r;
    char *words = arena_strndup(a, s->text, len);
    if (!words)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_places; i++) {
        const struct place *p = &s->places[i];
        if (is_plain(request, p))
            continue;
        memset(words + p->start, ' ', p->end - p->start);
        s->places[n++] = *p;
    }
    s->n_places = n;
    s->words = words;
    s->overridden = names_place(request->filter);
    return 0;
}

/* ---- the order of the best ---- */

/* A document among the best, and why it may come before others. */
struct placed {
    struct search_hit hit;
    bool named, leads;
    float worth;
};

static int by_order(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->named != y->named)
        return x->named ? -1 : 1;
    if (x->leads != y->leads)
        return x->leads ? -1 : 1;
    if (x->worth != y->worth)
        return x->worth > y->worth ? -1 : 1;
    return x->hit.document < y->hit.document ? -1 : x->hit.document > y->hit.document;
}

static int mark_named(const struct seek *s, struct placed *best, size_t n, const uint8_t *key,
                      size_t len)
{
    uint32_t document;
    int r = search_document_of(s->in->state, (struct slice) { key, len }, &document);
    for (size_t i = 0; i < n && r == 0; i++)
        if (best[i].hit.document == document)
            best[i].named = true;
    return r == -ENOENT ? 0 : r; /* closed, or merged and so under another's key */
}

/* Organisations that the text is a name of. */
static int mark_named_organisations(const struct seek *s, const char *folded, struct placed *best,
                                    size_t n)
{
    struct key prefix = KEY_INIT;
    struct scan scan;
    int found = 0;

    key_text(key_u8(&prefix, NAME_WHOLE), folded);
    for (scan_prefix(&scan, s->in->state, &T_ORGANISATION_NAME, &prefix);
         found < NAMED_MAX && scan_next(&scan); found++) {
        struct key_reader reader = { .rest = { scan.key.data + prefix.len,
                                               scan.key.len - prefix.len } };
        char slug[101];
        Organisation *o;
        uint8_t key[FINDABLE_KEY_MAX];
        if (!key_read_text(&reader, slug, sizeof(slug)))
            return scan_give_up(&scan, -EBADMSG);
        int r = organisation_resolve(s->in->state, slug, &o);
        if (r < 0)
            return scan_give_up(&scan, r == -ENOENT ? -EBADMSG : r);
        r = mark_named(s, best, n, key, findable_key(ENTRY_TYPE_ORGANISATION, o->slug, key));
        if (r < 0)
            return scan_give_up(&scan, r);
    }
    return scan_end(&scan);
}

/* Terms that the text is the abbreviation of: their documents' keys are those of the table. */
static int mark_named_terms(const struct seek *s, const char *folded, struct placed *best, size_t n)
{
    struct key prefix = KEY_INIT;
    struct scan scan;
    int found = 0;

    key_text(&prefix, folded);
    for (scan_prefix(&scan, s->in->state, &T_TERM, &prefix); found < NAMED_MAX && scan_next(&scan);
         found++) {
        uint8_t key[FINDABLE_KEY_MAX] = { ENTRY_TYPE_TERM };
        size_t len =
            scan.key.len < FINDABLE_KEY_MAX - 1 ? scan.key.len : (size_t)FINDABLE_KEY_MAX - 1;
        memcpy(key + 1, scan.key.data, len);
        int r = mark_named(s, best, n, key, len + 1);
        if (r < 0)
            return scan_give_up(&scan, r);
    }
    return scan_end(&scan);
}

static int mark_named_so(const struct seek *s, const char *name, struct placed *best, size_t n)
{
    struct text_folded folded;
    text_fold(name, &folded);
    /* A name this long was cut: it tells nothing. */
    if (!*folded.text || strlen(folded.text) >= TEXT_FOLD_MAX)
        return 0;
    int r = mark_named_organisations(s, folded.text, best, n);
    return r < 0 ? r : mark_named_terms(s, folded.text, best, n);
}

/* Words that only ask what something is. */
static bool asks(const char *word)
{
    static const char *const words[] = { "betyder", "betyda", "förkortning", "förkortningen",
                                         "står" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return search_is_filler(word);
}

/* What the whole text names, and what is left of a question: "Vad betyder NPF?" */
static int mark_all_named(const struct seek *s, struct placed *best, size_t n)
{
    const char *rest = "";
    size_t words = 0;
    for (size_t i = 0; i < s->n_tokens && rest; i++) {
        if (asks(s->tokens[i].word))
            continue;
        rest = arena_printf(s->in->arena, "%s%s%s", rest, words > 0 ? " " : "", s->tokens[i].word);
        words++;
    }
    int r = rest ? mark_named_so(s, s->text, best, n) : -ENOMEM;
    return r == 0 && words < s->n_tokens ? mark_named_so(s, rest, best, n) : r;
}

/* Documents whose own words name the place: looked for as plain words, within the same limits. */
static int weigh_mentions(const struct seek *s, struct placed *best, size_t n)
{
    for (size_t p = 0; p < s->n_places; p++) {
        struct search_result mentions;
        int r =
            search_query(s->in->state, s->in->arena,
                         &(struct search_request) { .text = s->text + s->places[p].start,
                                                    .len = s->places[p].end - s->places[p].start,
                                                    .limit = MENTIONS,
                                                    .without_keys = true },
                         &mentions);
        if (r < 0)
            return r;
        for (size_t i = 0; i < mentions.n_hits; i++)
            for (size_t j = 0; j < n; j++)
                if (best[j].hit.document == mentions.hits[i].document)
                    best[j].worth *=
                        1.0F + MENTIONS_PLACE * mentions.hits[i].score / mentions.hits[0].score;
    }
    return 0;
}

/* ---- areas ---- */

struct stems {
    const char *all[AREA_STEMS];
    size_t n;
};

static void add_stem(struct stems *s, const char *stem)
{
    if (s->n < AREA_STEMS)
        s->all[s->n++] = stem;
}

static bool has_stem(const struct stems *s, const char *stem)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->all[i], stem) == 0)
            return true;
    return false;
}

/* The stems of a name's words and of their parts. */
static int read_stems(struct arena *a, const char *name, struct stems *stems)
{
    struct text_token *tokens;
    size_t n;
    int r = text_tokens(a, name, strlen(name), SEARCH_QUERY_WORDS, &tokens, &n);
    for (size_t i = 0; i < n && r == 0; i++) {
        struct text_part *parts;
        size_t n_parts = 0;
        add_stem(stems, tokens[i].folded_stem);
        r = text_compound(a, tokens[i].word, &parts, &n_parts);
        for (size_t j = 0; r == 0 && j < n_parts; j++)
            add_stem(stems, parts[j].folded_stem);
    }
    return r;
}

/* What an area's name need not say: "cancervård" is about cancer. */
static bool is_generic_part(const char *stem)
{
    static const char *const stems[] = { "sjukdom", "vard", "besvar", "problem", "behandling" };
    for (size_t i = 0; i < ARRAY_LEN(stems); i++)
        if (strcmp(stem, stems[i]) == 0)
            return true;
    return false;
}

/* Whether all that a word says is among the stems. */
static int word_is_covered(struct arena *a, const struct text_token *t, const struct stems *stems,
                           bool *ret)
{
    struct text_part *parts;
    size_t n = 0, told = 0;

    *ret = has_stem(stems, t->folded_stem);
    if (*ret)
        return 0;
    int r = text_compound(a, t->word, &parts, &n);
    if (r < 0 || n == 0)
        return r;
    *ret = true;
    for (size_t i = 0; i < n && *ret; i++) {
        bool covered = has_stem(stems, parts[i].folded_stem);
        told += parts[i].leaf && covered;
        *ret = !parts[i].leaf || covered || is_generic_part(parts[i].folded_stem);
    }
    *ret = *ret && told > 0;
    return 0;
}

/* Whether the word stands for something else that is among the stems: "onkologi" for cancer. */
static int meaning_is_covered(const struct seek *s, const struct text_token *t,
                              const struct stems *stems, bool *ret)
{
    struct arena *a = s->in->arena;
    int r = 0;
    for (size_t i = 0; i < s->result.n_meanings && r == 0 && !*ret; i++) {
        const struct search_meaning *m = &s->result.meanings[i];
        struct text_token *words;
        size_t n = 0;
        if (m->start > t->start || m->end < t->end)
            continue;
        r = text_tokens(a, m->expansion, strlen(m->expansion), SEARCH_QUERY_WORDS, &words, &n);
        *ret = n > 0;
        for (size_t j = 0; j < n && r == 0 && *ret; j++)
            if (!search_is_filler(words[j].word))
                r = word_is_covered(a, &words[j], stems, ret);
    }
    return r;
}

static bool is_in_place(const struct seek *s, const struct text_token *t)
{
    for (size_t i = 0; i < s->n_places; i++)
        if (s->places[i].start <= t->start && t->end <= s->places[i].end)
            return true;
    return false;
}

/* Whether each word of the query may be covered, by the looks of it: the name holds its first letters. Spares nearly all areas the
 * analysis, which takes some microseconds a word. */
static bool has_meaning(const struct seek *s, const struct text_token *t)
{
    for (size_t i = 0; i < s->result.n_meanings; i++)
        if (s->result.meanings[i].start <= t->start && t->end <= s->result.meanings[i].end)
            return true;
    return false;
}

static bool looks_covered(const struct seek *s, const CareArea *area)
{
    struct text_folded sv, en;
    text_fold(area->name_sv, &sv);
    text_fold(area->name_en, &en);
    for (size_t i = 0; i < s->n_tokens; i++) {
        const struct text_token *t = &s->tokens[i];
        char first[FIRST_LETTERS + 1];
        if (search_is_filler(t->word) || has_meaning(s, t))
            continue;
        (void)snprintf(first, sizeof(first), "%s", t->folded_stem);
        if (!strstr(sv.text, first) && !strstr(en.text, first))
            return false;
    }
    return true;
}

/* Whether the query speaks of the area and of nothing else; `*ret_named`: in words of the area's name, not others that stand for them. */
static int area_is_meant(const struct seek *s, const CareArea *area, bool *ret, bool *ret_named)
{
    struct arena *a = s->in->arena;
    struct stems stems = { .n = 0 };
    size_t words = 0;
    bool covered = true, named = true;

    *ret = *ret_named = false;
    if (!looks_covered(s, area))
        return 0;
    int r = read_stems(a, area->name_sv, &stems);
    if (r == 0)
        r = read_stems(a, area->name_en, &stems);
    for (size_t i = 0; i < s->n_tokens && r == 0 && covered; i++) {
        const struct text_token *t = &s->tokens[i];
        if (search_is_filler(t->word) || is_in_place(s, t))
            continue;
        words++;
        r = word_is_covered(a, t, &stems, &covered);
        named = named && covered;
        if (r == 0 && !covered)
            r = meaning_is_covered(s, t, &stems, &covered);
    }
    *ret = covered && words > 0;
    *ret_named = *ret && named;
    return r;
}

/* Marks the areas that lead; `ret_slug` is the first of them, or NULL. Which hits are areas, their boost tells; keys are read of no
 * others. */
static int mark_areas(const struct seek *s, const struct plan *p, struct placed *best, size_t n,
                      const char **ret_slug)
{
    size_t checked = 0;
    for (size_t i = 0; i < n && checked < AREAS_CHECKED; i++) {
        struct entry e;
        bool meant = false;
        if (!(best[i].hit.boosts >> p->area_boost & 1))
            continue;
        int r = search_key(s->in->state, s->in->arena, &best[i].hit);
        if (r == 0)
            r = findable_entry(s->in->state, best[i].hit.key, &e);
        if (r == 0 && !e.care_area)
            r = -EBADMSG;
        if (r == 0)
            r = area_is_meant(s, e.care_area, &meant, &best[i].leads);
        if (r < 0)
            return r;
        if (meant)
            best[i].worth *= AREA_MEANT / 100.0F;
        if (meant && !*ret_slug)
            *ret_slug = e.care_area->slug;
        checked++;
    }
    return 0;
}

/* ---- all together ---- */

static const uint8_t counted[] = { COLUMN_TYPE, COLUMN_KIND, COLUMN_LEVEL, COLUMN_REGION,
                                   COLUMN_CARE_AREA };

static int ask(struct seek *s, const struct plan *p, const struct seek_request *request,
               bool in_window)
{
    uint32_t end = request->offset + request->limit;
    return search_query(s->in->state, s->in->arena,
                        &(struct search_request) {
                            .text = s->words,
                            .len = strlen(s->words),
                            .filters = p->filters,
                            .n_filters = p->n_filters,
                            .boosts = p->boosts,
                            .n_boosts = p->n_boosts,
                            .count_columns = counted,
                            .n_count_columns = request->counts ? ARRAY_LEN(counted) : 0,
                            .limit = !in_window     ? request->limit
                                     : end > WINDOW ? end
                                                    : WINDOW,
                            .offset = in_window ? 0 : request->offset,
                            .without_keys = true, /* of most in the window nobody asks for it */
                        },
                        &s->result);
}

static struct placed *take_best(const struct seek *s, size_t *ret_n)
{
    size_t n = s->result.n_hits < WINDOW ? s->result.n_hits : WINDOW;
    struct placed *best = arena_calloc(s->in->arena, n + 1, sizeof(*best));
    for (size_t i = 0; best && i < n; i++)
        best[i] = (struct placed) { .hit = s->result.hits[i], .worth = s->result.hits[i].score };
    *ret_n = n;
    return best;
}

static int put_in_order(struct seek *s, struct plan *p, const struct seek_request *request)
{
    bool somewhere = s->n_places > 0 && !request->leave_places;
    const char *area = NULL;
    size_t n;

    struct placed *best = take_best(s, &n);
    int r = best ? 0 : -ENOMEM;
    if (r == 0 && !somewhere)
        r = mark_areas(s, p, best, n, &area);
    if (r == 0 && area) {
        /* Once more, with the area's organisations before others that have the same words. Counts stay what they are. */
        const struct search_result before = s->result;
        struct seek_request again = *request;
        again.counts = false;
        add_boost(p, COLUMN_CARE_AREA, area, OF_THE_AREA);
        r = ask(s, p, &again, true);
        s->result.counts = before.counts;
        s->result.n_counts = before.n_counts;
        if (r == 0)
            best = take_best(s, &n);
        area = NULL;
        if (r == 0)
            r = best ? mark_areas(s, p, best, n, &area) : -ENOMEM;
    }
    if (r == 0 && !s->overridden && !request->leave_places)
        r = weigh_mentions(s, best, n);
    if (r == 0)
        r = mark_all_named(s, best, n);
    if (r < 0)
        return r;
    qsort(best, n, sizeof(*best), by_order);
    for (size_t i = 0; i < n; i++)
        s->result.hits[i] = best[i].hit;
    return 0;
}

int seek(const struct query_in *in, const struct seek_request *request, struct seek *ret)
{
    bool in_window = request->offset < WINDOW;
    struct plan *p = arena_alloc(in->arena, sizeof(*p)); /* its lists need no zeros */

    *ret = (struct seek) { .in = in, .text = request->text, .len = strlen(request->text) };
    if (!p)
        return -ENOMEM;
    p->arena = in->arena;
    p->n_filters = p->n_boosts = 0;
    p->failed = false;
    int r = read_text(ret, request);
    if (r == 0)
        make_plan(p, ret, request);
    if (r == 0 && p->failed)
        r = -ENOMEM;
    if (r == 0)
        r = ask(ret, p, request, in_window);
    if (r == 0 && in_window)
        r = put_in_order(ret, p, request);
    if (r < 0)
        return r;
    size_t skip = in_window ? request->offset : 0;
    if (skip > ret->result.n_hits)
        skip = ret->result.n_hits;
    ret->hits = skip ? ret->result.hits + skip : ret->result.hits;
    ret->n_hits = ret->result.n_hits - skip;
    if (ret->n_hits > request->limit)
        ret->n_hits = request->limit;
    for (size_t i = 0; i < ret->n_hits && r == 0; i++)
        r = search_key(in->state, in->arena, &ret->hits[i]);
    return r;
}
