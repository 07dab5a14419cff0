/* search_testing.h - what the tests of the search over the directory share: asking, and entries to be found. */
#pragma once
#include "services/directory/findable.h"
#include "services/directory/testing.h"

/* ---- asking ---- */

HELPER const SearchDirectoryResponse *search_with(const char *query, SearchFilter *filter,
                                                  uint32_t limit, uint32_t offset)
{
    SearchDirectoryRequest request = SEARCH_DIRECTORY_REQUEST_INIT;
    request.query = (char *)query;
    request.filter = filter;
    request.limit = limit;
    request.offset = offset;
    SearchDirectoryResponse *response;
    ask(anonymous(), "SearchDirectory", &request, &response);
    then_ok();
    return response;
}

HELPER const SearchDirectoryResponse *search(const char *query)
{
    return search_with(query, NULL, 0, 0);
}

/* The place of an entry among the hits, from 1; 0: it is not there. */
HELPER size_t place_of(const SearchDirectoryResponse *res, const char *key)
{
    for (size_t i = 0; i < res->n_hits; i++)
        if (strcmp(res->hits[i]->key, key) == 0)
            return i + 1;
    return 0;
}

HELPER bool finds(const char *query, const char *key)
{
    return place_of(search(query), key) > 0;
}

HELPER void assert_first(const char *query, const char *key)
{
    const SearchDirectoryResponse *res = search(query);
    if (place_of(res, key) != 1)
        fail_msg("'%s' finds '%s' first, not '%s'", query, res->n_hits > 0 ? res->hits[0]->key : "",
                 key);
}

HELPER uint64_t count_of(SearchCount **counts, size_t n, const char *value)
{
    for (size_t i = 0; i < n; i++)
        if (!counts[i]->nationwide && strcmp(counts[i]->value, value) == 0)
            return counts[i]->count;
    return 0;
}

HELPER const CompleteSearchResponse *complete(const char *query)
{
    CompleteSearchRequest request = COMPLETE_SEARCH_REQUEST_INIT;
    request.query = (char *)query;
    CompleteSearchResponse *response;
    ask(anonymous(), "CompleteSearch", &request, &response);
    then_ok();
    return response;
}

/* ---- entries straight into the log, in any order ---- */

#define RECORDED(Body, BODY, arm, ARM, field, message)                                             \
    do {                                                                                           \
        Body body = BODY##_INIT;                                                                   \
        body.field = (message);                                                                    \
        DirectoryEvent event = DIRECTORY_EVENT_INIT;                                               \
        event.body_case = DIRECTORY_EVENT_##ARM;                                                   \
        event.arm = &body;                                                                         \
        given(&event, "x");                                                                        \
    } while (0)

HELPER void given_area(const char *slug, const char *name)
{
    CareArea area = CARE_AREA_INIT;
    area.slug = (char *)slug;
    area.name_sv = (char *)name;
    RECORDED(CareAreaRecorded, CARE_AREA_RECORDED, care_area_recorded, CARE_AREA_RECORDED,
             care_area, &area);
}

HELPER void given_region(const char *code, const char *name, const char *healthcare)
{
    char *slugs[] = { (char *)healthcare };
    Region region = REGION_INIT;
    region.code = (char *)code;
    region.name = (char *)name;
    region.healthcare_region = slugs;
    region.n_healthcare_region = 1;
    RECORDED(RegionRecorded, REGION_RECORDED, region_recorded, REGION_RECORDED, region, &region);
}

HELPER void given_municipality(const char *code, const char *name, const char *healthcare)
{
    Municipality m = MUNICIPALITY_INIT;
    m.code = (char *)code;
    m.name = (char *)name;
    m.region_code = "12";
    m.healthcare_region = (char *)healthcare;
    RECORDED(MunicipalityRecorded, MUNICIPALITY_RECORDED, municipality_recorded,
             MUNICIPALITY_RECORDED, municipality, &m);
}

HELPER void given_local(const char *slug, const char *name, const char *region,
                        const char *municipality, const char *area, const char *parent)
{
    char *regions[] = { (char *)region }, *municipalities[] = { (char *)municipality };
    char *areas[] = { (char *)area };
    Organisation o = an_organisation(slug, name);
    o.level = ORGANISATION_LEVEL_LOCAL;
    o.state = ORGANISATION_STATE_ACTIVE;
    o.revision = 1;
    o.region_codes = regions;
    o.n_region_codes = *region ? 1 : 0;
    o.municipality_codes = municipalities;
    o.n_municipality_codes = *municipality ? 1 : 0;
    o.care_areas = areas;
    o.n_care_areas = *area ? 1 : 0;
    o.parent_slug = (char *)parent;
    RECORDED(OrganisationRegistered, ORGANISATION_REGISTERED, organisation_registered,
             ORGANISATION_REGISTERED, organisation, &o);
}

HELPER void given_words(void)
{
    IMPORT_FILE("ImportSynonyms", IMPORT_SYNONYMS, ImportSynonymsRequest, ImportSynonymsResponse,
                "synonyms.csv", SYNONYM);
}
