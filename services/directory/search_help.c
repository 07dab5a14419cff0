/* search_help.c - what to try when a search finds nothing, or nothing in the place asked for: the nearest elsewhere, the federations,
 * and suggesting what is missing. */
#include <errno.h>
#include <string.h>

#include "services/directory/answer.h"

enum { NEAREST_MAX = 5, PARENTS_MAX = 3 };

static bool serves_the_place(const SearchHit *hit)
{
    return hit->closeness >= CLOSENESS_MUNICIPALITY &&
           hit->closeness <= CLOSENESS_HEALTHCARE_REGION;
}

/* Whether nothing was found for the place asked for, or nothing at all. */
bool search_needs_help(const struct seek *s, const SearchDirectoryResponse *res)
{
    if (res->n_hits == 0)
        return true;
    bool found = s->n_places == 0 || s->overridden;
    for (size_t i = 0; i < res->n_hits && !found; i++)
        found = serves_the_place(res->hits[i]);
    return !found;
}

static bool is_among(SearchHit *const *hits, size_t n, const char *slug)
{
    for (size_t i = 0; i < n; i++)
        if (hits[i]->entry_type == ENTRY_TYPE_ORGANISATION && strcmp(hits[i]->key, slug) == 0)
            return true;
    return false;
}

/* The federations of the hits, through merges, each once and none that is a hit itself. */
static int add_parents(const struct seek *s, SearchHit *const *hits, size_t n, SearchHelp *help)
{
    for (size_t i = 0; i < n && help->n_parents < PARENTS_MAX; i++) {
        Organisation *o, *parent;
        if (hits[i]->entry_type != ENTRY_TYPE_ORGANISATION)
            continue;
        int r = organisation_find(s->in->state, hits[i]->key, &o);
        if (r == 0 && !*o->parent_slug)
            continue;
        if (r == 0)
            r = organisation_resolve(s->in->state, o->parent_slug, &parent);
        if (r == -ENOENT)
            continue;
        if (r < 0)
            return r;
        if (!organisation_is_live(parent) || is_among(hits, n, parent->slug) ||
            is_among(help->parents, help->n_parents, parent->slug))
            continue;
        SearchHit *hit = arena_alloc(s->in->arena, sizeof(*hit));
        if (!hit)
            return -ENOMEM;
        *hit = (SearchHit)SEARCH_HIT_INIT;
        r = answer_fill(
            s, &(struct entry) { .type = ENTRY_TYPE_ORGANISATION, .organisation = parent }, hit);
        if (r < 0)
            return r;
        help->parents[help->n_parents++] = hit;
    }
    return 0;
}

/* The healthcare regions of the places of the text, or of the filter. */
static int add_healthcare_regions(const struct seek *s, const char *region_code, char **slugs,
                                  size_t *n, size_t room)
{
    Region *region;
    int r = rd_get(s->in->state, &T_REGION, KEY_TEXT(region_code), &region);
    for (size_t i = 0; r == 0 && i < region->n_healthcare_region && *n < room; i++)
        slugs[(*n)++] = region->healthcare_region[i];
    return r == -ENOENT ? 0 : r;
}

static int neighbours(const struct seek *s, const SearchFilter *filter, char **slugs, size_t *n,
                      size_t room)
{
    int r = 0;
    char code[3] = { 0 };
    for (size_t i = 0; i < s->n_places && r == 0; i++) {
        memcpy(code, s->places[i].key, strnlen(s->places[i].key, 2));
        if (s->places[i].type != ENTRY_TYPE_HEALTHCARE_REGION)
            r = add_healthcare_regions(s, code, slugs, n, room);
    }
    for (size_t i = 0; filter && i < filter->n_region_codes && r == 0; i++)
        r = add_healthcare_regions(s, filter->region_codes[i], slugs, n, room);
    for (size_t i = 0; filter && i < filter->n_municipality_codes && r == 0; i++) {
        memcpy(code, filter->municipality_codes[i], 2);
        r = add_healthcare_regions(s, code, slugs, n, room);
    }
    return r;
}

static int seek_near(const struct seek *s, const SearchDirectoryRequest *req, char **slugs,
                     size_t n, SearchHelp *help)
{
    static const SearchFilter none = SEARCH_FILTER_INIT;
    SearchFilter filter = req->filter ? *req->filter : none;
    struct seek near;

    filter.n_region_codes = filter.n_municipality_codes = 0;
    filter.healthcare_regions = slugs;
    filter.n_healthcare_regions = n;
    int r = seek(s->in,
                 &(struct seek_request) { .text = req->query,
                                          .filter = &filter,
                                          .plain_words = req->plain_words,
                                          .n_plain_words = req->n_plain_words,
                                          .limit = NEAREST_MAX,
                                          .leave_places = true },
                 &near);
    return r < 0 ? r : answer_hits(&near, &help->nearest, &help->n_nearest);
}

/* What there is in the healthcare region; failing that, anywhere. */
int search_help(const struct seek *s, const SearchDirectoryRequest *req,
                SearchDirectoryResponse *res)
{
    char *slugs[PLACES_MAX * 4];
    size_t n = 0;
    SearchHelp *help = arena_alloc(s->in->arena, sizeof(*help));
    if (!help)
        return -ENOMEM;
    *help = (SearchHelp)SEARCH_HELP_INIT;
    help->may_suggest = true;
    help->parents = arena_calloc(s->in->arena, PARENTS_MAX, sizeof(*help->parents));
    int r = help->parents ? neighbours(s, req->filter, slugs, &n, ARRAY_LEN(slugs)) : -ENOMEM;
    bool placed = s->n_places > 0 || n > 0;
    if (r == 0 && n > 0)
        r = seek_near(s, req, slugs, n, help);
    if (r == 0 && placed && help->n_nearest == 0 && res->n_hits == 0)
        r = seek_near(s, req, NULL, 0, help);
    if (r == 0)
        r = add_parents(s, res->hits, res->n_hits, help);
    if (r == 0)
        r = add_parents(s, help->nearest, help->n_nearest, help);
    res->help = help;
    return r;
}
