/* place.h - names of regions, municipalities and healthcare regions as people write them: "i Skåne", "Skånes", "Skåne län",
 * "goteborg", "norra sjukvårdsregionen". apply.c keeps the table, the search reads it. */
#pragma once
#include "common/text.h"
#include "services/directory/tables.h"

/* ---- for apply.c: call after the entry was stored; `old` is what it was, NULL for a new one ---- */

void place_region(struct wr *wr, const Region *old, const Region *region);
void place_municipality(struct wr *wr, const Municipality *old, const Municipality *m);
void place_healthcare_region(struct wr *wr, const HealthcareRegion *old, const HealthcareRegion *h);

/* ---- for queries ---- */

enum { PLACES_MAX = 4 }; /* of a query; further ones are plain words */

struct place {
    EntryType type; /* region, municipality or healthcare region */
    const char *key;
    size_t from, to;     /* tokens of the query, words such as "län" included */
    uint32_t start, end; /* bytes of the query */
};

/* The places that the words of `text` name, in order. */
int place_find(const struct rd *rd, struct arena *a, const char *text,
               const struct text_token *tokens, size_t n_tokens, struct place ret[PLACES_MAX],
               size_t *ret_n) must_check;
