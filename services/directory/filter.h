/* filter.h - which organisations a list or count is about, decided on the packed facets beside each place in the alphabet, so that a
 * walk over all of them unpacks nothing. */
#pragma once
#include "services/directory/tables.h"

/* One field of packed OrganisationFacets: a number or a text. */
enum { /* field numbers in the proto */
       FACET_KIND = 1,
       FACET_LEVEL,
       FACET_STATE,
       FACET_UNKNOWN,
       FACET_REGION,
       FACET_MUNICIPALITY,
       FACET_CARE_AREA,
       FACET_PARENT,
       FACET_CONFIRMED,
};
struct facet {
    uint32_t number;
    uint64_t value;
    struct slice text;
};
/* Reads the next field and advances `rest`. False: the bytes are no facets. */
bool facet_next(struct slice *rest, struct facet *ret);

enum { FILTER_HASH_CHARS = 16 };

/* A filter made ready. Lives in the arena it was made with. */
struct filter {
    const OrganisationFilter *wanted;
    uint32_t kinds, levels, states, unknown; /* bits; 0: any */
    const char *confirmed_before;            /* "" for any */
    bool by_place;        /* limited to regions, municipalities or healthcare regions */
    const char **parents; /* the federation and all that were merged into it */
    size_t n_parents;
    const char **whole_regions; /* of the healthcare regions wanted */
    size_t n_whole_regions;
    const char **municipalities;
    size_t n_municipalities;
    char hash[FILTER_HASH_CHARS + 1]; /* tells whether a page token belongs to the same filter */
};

/* `wanted` may be NULL for no limits. 0 or a negative errno. */
int filter_make(const struct rd *rd, struct arena *arena, const OrganisationFilter *wanted,
                const char *confirmed_before, struct filter *ret) must_check;
/* Facets as stored. -EBADMSG: they are no facets. */
int filter_fits(const struct filter *f, struct slice facets, bool *ret) must_check;
/* Whether it asks for nothing but active and dormant ones, so that their number is known without a walk. */
bool filter_is_empty(const struct filter *f);
