/* answer.c - makes hits of documents: what an entry shows, and what of it fits the query. */
#include "services/directory/answer.h"

#include <errno.h>
#include <string.h>

#include "services/directory/crisis.h"

enum {
    HIGHLIGHTS_MAX = 16, /* of a text */
    DESCRIPTION_BYTES = 240,
};

/* ---- places in texts ---- */

/* UTF-16 code units of the first `bytes` bytes. */
static uint32_t units(const char *text, size_t bytes)
{
    uint32_t n = 0;
    for (size_t i = 0; i < bytes && text[i]; i++) {
        uint8_t c = (uint8_t)text[i];
        n += (c & 0xc0) != 0x80;
        n += c >= 0xf0;
    }
    return n;
}

TextSpan *answer_span(struct arena *a, const char *text, uint32_t start, uint32_t end)
{
    TextSpan *span = arena_alloc(a, sizeof(*span));
    if (!span)
        return NULL;
    *span = (TextSpan)TEXT_SPAN_INIT;
    span->start = units(text, start);
    span->end = span->start + units(text + start, end - start);
    return span;
}

int answer_highlight(const struct seek *s, const char *text, TextSpan ***ret, size_t *ret_n)
{
    struct arena *a = s->in->arena;
    struct search_span *spans;
    size_t n;
    int r = search_highlight(a, &s->result, text, strlen(text), HIGHLIGHTS_MAX, &spans, &n);
    if (r < 0 || n == 0)
        return r;
    *ret = arena_calloc(a, n, sizeof(**ret));
    for (size_t i = 0; *ret && i < n; i++) {
        (*ret)[i] = answer_span(a, text, spans[i].start, spans[i].end);
        if (!(*ret)[i])
            return -ENOMEM;
    }
    *ret_n = n;
    return *ret ? 0 : -ENOMEM;
}

/* ---- hits ---- */

/* The beginning of a description, whole words: who wants more opens the entry. NULL past the arena's cap. */
static char *shorten(struct arena *a, char *text)
{
    size_t end = DESCRIPTION_BYTES;
    if (strnlen(text, DESCRIPTION_BYTES + 1) <= DESCRIPTION_BYTES)
        return text;
    while (end > DESCRIPTION_BYTES / 2 && text[end] != ' ' && text[end] != '\n')
        end--;
    while (((uint8_t)text[end] & 0xc0) == 0x80)
        end--;
    return arena_printf(a, "%.*s …", (int)end, text);
}

static bool is_one_of(const char *text, char *const *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(text, all[i]) == 0)
            return true;
    return false;
}

static bool in_region(const char *region, char *const *municipalities, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(region, municipalities[i], 2) == 0)
            return true;
    return false;
}

/* To one place; the enum's values are in order of nearness. */
static Closeness closeness_to(const struct place *p, const Organisation *o)
{
    bool national = o->level == ORGANISATION_LEVEL_NATIONAL;
    bool placeless = o->n_region_codes == 0 && o->n_municipality_codes == 0;
    char region[3] = { 0 };
    memcpy(region, p->key, strnlen(p->key, 2));

    if (p->type == ENTRY_TYPE_MUNICIPALITY &&
        is_one_of(p->key, o->municipality_codes, o->n_municipality_codes))
        return CLOSENESS_MUNICIPALITY;
    if (p->type != ENTRY_TYPE_HEALTHCARE_REGION &&
        (is_one_of(region, o->region_codes, o->n_region_codes) ||
         (p->type == ENTRY_TYPE_REGION &&
          in_region(region, o->municipality_codes, o->n_municipality_codes))))
        return o->n_municipality_codes > 0 && p->type == ENTRY_TYPE_MUNICIPALITY
                   ? CLOSENESS_ELSEWHERE_IN_REGION
                   : CLOSENESS_REGION;
    if (national)
        return CLOSENESS_NATIONAL;
    if (placeless)
        return CLOSENESS_UNKNOWN;
    return p->type == ENTRY_TYPE_HEALTHCARE_REGION ? CLOSENESS_HEALTHCARE_REGION
                                                   : CLOSENESS_ELSEWHERE_IN_REGION;
}

static Closeness closeness(const struct seek *s, const Organisation *o)
{
    Closeness best = CLOSENESS_UNSPECIFIED;
    for (size_t i = 0; i < s->n_places && !s->overridden; i++) {
        Closeness c = closeness_to(&s->places[i], o);
        if (best == CLOSENESS_UNSPECIFIED || c < best)
            best = c;
    }
    return best;
}

/* When neither name shows why the organisation was found, a former one may. */
static int show_former_name(const struct seek *s, const Organisation *o, SearchHit *hit)
{
    if (hit->n_name_highlights > 0)
        return 0;
    for (size_t i = 0; i < o->n_former_names; i++) {
        struct search_span *spans;
        size_t n;
        int r = search_highlight(s->in->arena, &s->result, o->former_names[i],
                                 strlen(o->former_names[i]), 1, &spans, &n);
        if (r < 0)
            return r;
        if (n > 0) {
            hit->former_name = o->former_names[i];
            break;
        }
    }
    return 0;
}

static int fill_organisation(const struct seek *s, const Organisation *o, SearchHit *hit)
{
    hit->key = o->slug;
    hit->name = o->name;
    hit->short_name = o->short_name;
    hit->description = o->description;
    hit->kind = o->kind;
    hit->level = o->level;
    hit->state = o->state;
    hit->region_codes = o->region_codes;
    hit->n_region_codes = o->n_region_codes;
    hit->municipality_codes = o->municipality_codes;
    hit->n_municipality_codes = o->n_municipality_codes;
    hit->care_areas = o->care_areas;
    hit->n_care_areas = o->n_care_areas;
    hit->website = o->website;
    hit->closeness = closeness(s, o);
    return 0;
}

static bool in_english(const struct seek *s)
{
    return strncmp(s->in->locale, "en", 2) == 0;
}

char *answer_name(const struct seek *s, char *sv, char *en)
{
    return in_english(s) && *en ? en : sv;
}

int answer_show(const struct seek *s, const struct entry *e, SearchHit *hit)
{
    int r = 0;
    hit->entry_type = e->type;
    switch (e->type) {
    case ENTRY_TYPE_ORGANISATION:
        r = fill_organisation(s, e->organisation, hit);
        break;
    case ENTRY_TYPE_CARE_AREA:
        hit->key = e->care_area->slug;
        hit->name = answer_name(s, e->care_area->name_sv, e->care_area->name_en);
        hit->description = e->care_area->description_sv;
        break;
    case ENTRY_TYPE_PATIENT_RIGHT:
        hit->key = e->right->slug;
        hit->name = answer_name(s, e->right->name_sv, e->right->name_en);
        hit->description = e->right->summary_sv;
        break;
    case ENTRY_TYPE_TERM:
        hit->key = hit->name = e->term->abbreviation;
        hit->short_name = e->term->term_sv;
        hit->description = e->term->explanation_sv;
        break;
    case ENTRY_TYPE_HELPLINE:
        hit->key = e->helpline->slug;
        hit->name = e->helpline->name_sv;
        hit->description = e->helpline->for_whom_sv;
        hit->phone = e->helpline->phone;
        hit->hours_sv = e->helpline->hours_sv;
        break;
    case ENTRY_TYPE_REGION:
    case ENTRY_TYPE_MUNICIPALITY:
    case ENTRY_TYPE_HEALTHCARE_REGION:
    case ENTRY_TYPE_UNSPECIFIED:
    case _ENTRY_TYPE_IS_INT_SIZE:
        return -EBADMSG;
    }
    hit->description = shorten(s->in->arena, hit->description);
    return hit->description ? r : -ENOMEM;
}

int answer_fill(const struct seek *s, const struct entry *e, SearchHit *hit)
{
    int r = answer_show(s, e, hit);
    if (r == 0)
        r = answer_highlight(s, hit->name, &hit->name_highlights, &hit->n_name_highlights);
    if (r == 0)
        r = answer_highlight(s, hit->description, &hit->description_highlights,
                             &hit->n_description_highlights);
    if (r == 0 && e->type == ENTRY_TYPE_ORGANISATION)
        r = show_former_name(s, e->organisation, hit);
    return r;
}

int answer_hits(const struct seek *s, SearchHit ***ret, size_t *ret_n)
{
    struct arena *a = s->in->arena;
    SearchHit *hits = arena_calloc(a, s->n_hits + 1, sizeof(*hits));
    SearchHit **list = arena_calloc(a, s->n_hits + 1, sizeof(*list));
    if (!hits || !list)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_hits; i++) {
        struct entry e;
        int r = findable_entry(s->in->state, s->hits[i].key, &e);
        hits[i] = (SearchHit)SEARCH_HIT_INIT;
        list[i] = &hits[i];
        if (r == 0)
            r = answer_fill(s, &e, &hits[i]);
        if (r < 0)
            return r;
    }
    *ret = list;
    *ret_n = s->n_hits;
    return 0;
}

/* ---- crisis ---- */

int answer_crisis(const struct query_in *in, const char *text, CrisisHelp **ret)
{
    Helpline **helplines;
    size_t n = 0;
    int r = crisis_help(in->state, in->arena, text, strlen(text), &helplines, &n);
    if (r < 0 || n == 0)
        return r;
    CrisisHelp *crisis = arena_alloc(in->arena, sizeof(*crisis));
    if (!crisis)
        return -ENOMEM;
    *crisis = (CrisisHelp)CRISIS_HELP_INIT;
    crisis->helplines = helplines;
    crisis->n_helplines = n;
    *ret = crisis;
    return 0;
}
