/* query_reference.c - reads the words, rights, areas, places and helplines. */
#include <errno.h>
#include <string.h>

#include "services/directory/tables.h"

enum { LOOK_UP_DEFAULT = 50, LIST_MAX = 10000 };

/* All messages of a small table, in order of key. */
static int read_all(const struct query_in *in, const struct table *t, const struct key *prefix,
                    void ***ret, size_t *ret_count)
{
    uint64_t count = rd_count(in->state, t);
    size_t room = count < LIST_MAX ? (size_t)count : LIST_MAX;
    void **all = arena_calloc(in->arena, room + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    size_t n = 0;
    struct scan s;
    for (scan_prefix(&s, in->state, t, prefix); n < room && scan_next(&s); n++) {
        int r = scan_message(&s, &all[n]);
        if (r < 0)
            return scan_give_up(&s, r);
    }
    int r = scan_end(&s);
    if (r == 0) {
        *ret = all;
        *ret_count = n;
    }
    return r;
}

int directory_look_up_terms(const struct query_in *in, const LookUpTermsRequest *req,
                            LookUpTermsResponse *res, struct status *status)
{
    struct text_folded query;
    text_fold(req->query, &query);
    if (*req->query && !*query.text)
        return status_violation(status, "query", "must hold a letter or a digit, or be empty");
    uint32_t limit = req->limit ? req->limit : LOOK_UP_DEFAULT;
    res->terms = arena_calloc(in->arena, limit, sizeof(*res->terms));
    if (!res->terms)
        return -ENOMEM;
    struct key prefix = KEY_INIT;
    if (*query.text)
        key_text_prefix(&prefix, query.text);
    struct scan s;
    for (scan_prefix(&s, in->state, &T_TERM, &prefix); res->n_terms < limit && scan_next(&s);) {
        int r = scan_message(&s, &res->terms[res->n_terms]);
        if (r < 0)
            return scan_give_up(&s, r);
        res->n_terms++;
    }
    return scan_end(&s);
}

int directory_list_care_areas(const struct query_in *in, const ListCareAreasRequest *req,
                              ListCareAreasResponse *res, struct status *status)
{
    (void)req, (void)status; /* nothing to ask, nothing to refuse */
    void **areas;
    size_t n;
    int r = read_all(in, &T_CARE_AREA, &KEY_INIT, &areas, &n);
    if (r < 0)
        return r;
    CareAreaCount *counts = arena_calloc(in->arena, n + 1, sizeof(*counts));
    res->care_areas = arena_calloc(in->arena, n + 1, sizeof(*res->care_areas));
    if (!counts || !res->care_areas)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        counts[i] = (CareAreaCount)CARE_AREA_COUNT_INIT;
        counts[i].care_area = areas[i];
        counts[i].organisation_count = live_count(in->state, counts[i].care_area->slug);
        res->care_areas[i] = &counts[i];
    }
    res->n_care_areas = n;
    return 0;
}

int directory_get_care_area(const struct query_in *in, const GetCareAreaRequest *req,
                            GetCareAreaResponse *res, struct status *status)
{
    int r = rd_get(in->state, &T_CARE_AREA, KEY_TEXT(req->slug), &res->care_area);
    if (r == -ENOENT)
        return status_refuse(status, CODE_NOT_FOUND, "slug: there is no care area '%s'", req->slug);
    res->organisation_count = live_count(in->state, req->slug);
    return r;
}

int directory_list_rights(const struct query_in *in, const ListRightsRequest *req,
                          ListRightsResponse *res, struct status *status)
{
    (void)req, (void)status; /* nothing to ask, nothing to refuse */
    void **all;
    int r = read_all(in, &T_PATIENT_RIGHT, &KEY_INIT, &all, &res->n_rights);
    if (r == 0)
        res->rights = (PatientRight **)all;
    return r;
}

int directory_get_right(const struct query_in *in, const GetRightRequest *req,
                        GetRightResponse *res, struct status *status)
{
    if (req->number == 0 && !*req->slug)
        return status_violation(status, "number", "give the number or the slug");
    void **rights;
    size_t n;
    int r = read_all(in, &T_PATIENT_RIGHT, &KEY_INIT, &rights, &n);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        PatientRight *right = rights[i];
        if ((req->number == 0 || right->number == req->number) &&
            (!*req->slug || strcmp(right->slug, req->slug) == 0)) {
            res->right = right;
            return 0;
        }
    }
    return status_refuse(status, CODE_NOT_FOUND, "there is no patient right with that %s",
                         req->number == 0 ? "slug" : "number");
}

int directory_list_regions(const struct query_in *in, const ListRegionsRequest *req,
                           ListRegionsResponse *res, struct status *status)
{
    (void)req, (void)status; /* nothing to ask, nothing to refuse */
    void **all;
    int r = read_all(in, &T_REGION, &KEY_INIT, &all, &res->n_regions);
    if (r == 0)
        res->regions = (Region **)all;
    return r;
}

int directory_list_healthcare_regions(const struct query_in *in,
                                      const ListHealthcareRegionsRequest *req,
                                      ListHealthcareRegionsResponse *res, struct status *status)
{
    (void)req, (void)status; /* nothing to ask, nothing to refuse */
    void **all;
    int r = read_all(in, &T_HEALTHCARE_REGION, &KEY_INIT, &all, &res->n_healthcare_regions);
    if (r == 0)
        res->healthcare_regions = (HealthcareRegion **)all;
    return r;
}

int directory_list_municipalities(const struct query_in *in, const ListMunicipalitiesRequest *req,
                                  ListMunicipalitiesResponse *res, struct status *status)
{
    if (*req->region_code && !rd_has(in->state, &T_REGION, KEY_TEXT(req->region_code)))
        return status_refuse(status, CODE_NOT_FOUND, "region_code: there is no region '%s'",
                             req->region_code);
    /* A municipality's code begins with its region's. */
    struct key prefix = KEY_INIT;
    if (*req->region_code)
        key_text_prefix(&prefix, req->region_code);
    void **all;
    int r = read_all(in, &T_MUNICIPALITY, &prefix, &all, &res->n_municipalities);
    if (r == 0)
        res->municipalities = (Municipality **)all;
    return r;
}

int directory_list_helplines(const struct query_in *in, const ListHelplinesRequest *req,
                             ListHelplinesResponse *res, struct status *status)
{
    (void)req, (void)status; /* nothing to ask, nothing to refuse */
    void **all;
    int r = read_all(in, &T_HELPLINE, &KEY_INIT, &all, &res->n_helplines);
    if (r == 0)
        res->helplines = (Helpline **)all;
    return r;
}
