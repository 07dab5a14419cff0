/* decide_reference.c - imports reference data: care areas, rights, terms, regions, municipalities, healthcare regions and helplines.
 * What they share stands in import_rows.c. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "services/directory/reference.h"

/* ---- care areas ---- */

static const char *care_area_identity(struct arena *arena, const void *row)
{
    (void)arena; /* the slug is there already */
    return ((const CareArea *)row)->slug;
}

static void care_area_check(const struct rd *rd, const void *row, struct complaints *c)
{
    (void)rd; /* a care area points to nothing */
    const CareArea *area = row;
    need_slug(c, "slug", area->slug);
    need_line(c, "name_sv", area->name_sv, 100);
    need_line(c, "name_en", area->name_en, 100);
    allow_line(c, "description_sv", area->description_sv, 1000);
    allow_line(c, "npo", area->npo, 100);
    for (size_t i = 0; i < area->n_icd10_chapters; i++)
        need_line(c, "icd10_chapters", area->icd10_chapters[i], 20);
}

static int care_area_emit(struct outcome *out, const char *subject, const void *row)
{
    CareAreaRecorded event = CARE_AREA_RECORDED_INIT;
    event.care_area = (CareArea *)row;
    return emit_care_area_recorded(out, subject, &event);
}

int directory_import_care_areas(const struct decide_in *in, const ImportCareAreasRequest *req,
                                ImportCareAreasResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_CARE_AREA,
        .key_field = "slug",
        .identity = care_area_identity,
        .check = care_area_check,
        .emit = care_area_emit,
    };
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}

/* ---- patient rights ---- */

static const char *patient_right_identity(struct arena *arena, const void *row)
{
    return arena_printf(arena, "%" PRIu32, ((const PatientRight *)row)->number);
}

static void patient_right_key(const void *row, struct key *ret)
{
    *ret = KEY_INIT;
    key_u64(ret, ((const PatientRight *)row)->number);
}

static void patient_right_check(const struct rd *rd, const void *row, struct complaints *c)
{
    (void)rd; /* a right points to nothing */
    const PatientRight *right = row;
    if (right->number < 1 || right->number > 1000)
        complain(c, "number", "must be a number from 1 to 1000");
    need_slug(c, "slug", right->slug);
    need_line(c, "name_sv", right->name_sv, 100);
    need_line(c, "name_en", right->name_en, 100);
    need_line(c, "summary_sv", right->summary_sv, 1000);
    allow_line(c, "swedish_law", right->swedish_law, 500);
}

static int patient_right_emit(struct outcome *out, const char *subject, const void *row)
{
    PatientRightRecorded event = PATIENT_RIGHT_RECORDED_INIT;
    event.patient_right = (PatientRight *)row;
    return emit_patient_right_recorded(out, subject, &event);
}

int directory_import_patient_rights(const struct decide_in *in,
                                    const ImportPatientRightsRequest *req,
                                    ImportPatientRightsResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_PATIENT_RIGHT,
        .key_field = "number",
        .identity = patient_right_identity,
        .key = patient_right_key,
        .check = patient_right_check,
        .emit = patient_right_emit,
    };
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}

/* ---- glossary ---- */

/* The case of an abbreviation does not tell two terms apart, so that its correction is a revision. */
static const char *term_identity(struct arena *arena, const void *row)
{
    const Term *term = row;
    struct text_folded folded;
    text_fold(term->abbreviation, &folded);
    return arena_printf(arena, "%s: %s", folded.text, term->term_sv);
}

static void term_row_key(const void *row, struct key *ret)
{
    const Term *term = row;
    term_key(term->abbreviation, term->term_sv, ret);
}

static void term_check(const struct rd *rd, const void *row, struct complaints *c)
{
    (void)rd; /* a term points to nothing */
    const Term *term = row;
    need_line(c, "abbreviation", term->abbreviation, 60);
    need_line(c, "term_sv", term->term_sv, 120);
    if (strlen(term->term_sv) > 300)
        complain(c, "term_sv", "is too long");
    allow_line(c, "explanation_sv", term->explanation_sv, 1000);
    allow_line(c, "source", term->source, 1000);
}

static int term_emit(struct outcome *out, const char *subject, const void *row)
{
    (void)subject; /* the abbreviation as written reads better */
    const Term *term = row;
    TermRecorded event = TERM_RECORDED_INIT;
    event.term = (Term *)row;
    return emit_term_recorded(out, term->abbreviation, &event);
}

int directory_import_glossary(const struct decide_in *in, const ImportGlossaryRequest *req,
                              ImportGlossaryResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_TERM,
        .key_field = "term_sv",
        .identity = term_identity,
        .key = term_row_key,
        .check = term_check,
        .emit = term_emit,
    };
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}

/* ---- regions ---- */

static const char *region_identity(struct arena *arena, const void *row)
{
    (void)arena; /* the code is there already */
    return ((const Region *)row)->code;
}

static void region_check(const struct rd *rd, const void *row, struct complaints *c)
{
    const Region *region = row;
    if (!text_is_digits(region->code, 2))
        complain(c, "code", "must be two digits");
    need_line(c, "name", region->name, 100);
    need_line(c, "region_name", region->region_name, 100);
    if (region->n_healthcare_region == 0)
        complain(c, "healthcare_region", "must not be empty");
    for (size_t i = 0; i < region->n_healthcare_region; i++)
        need_known(rd, c, "healthcare_region", &T_HEALTHCARE_REGION, "healthcare region",
                   region->healthcare_region[i]);
}

static int region_emit(struct outcome *out, const char *subject, const void *row)
{
    RegionRecorded event = REGION_RECORDED_INIT;
    event.region = (Region *)row;
    return emit_region_recorded(out, subject, &event);
}

int directory_import_regions(const struct decide_in *in, const ImportRegionsRequest *req,
                             ImportRegionsResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_REGION,
        .key_field = "code",
        .identity = region_identity,
        .check = region_check,
        .emit = region_emit,
    };
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}

/* ---- municipalities ---- */

static const char *municipality_identity(struct arena *arena, const void *row)
{
    (void)arena; /* the code is there already */
    return ((const Municipality *)row)->code;
}

static void municipality_check(const struct rd *rd, const void *row, struct complaints *c)
{
    const Municipality *municipality = row;
    if (!text_is_digits(municipality->code, 4))
        complain(c, "code", "must be four digits");
    else if (strncmp(municipality->code, municipality->region_code, 2) != 0)
        complain(c, "region_code", "must be the first two digits of the code");
    need_line(c, "name", municipality->name, 100);
    need_known(rd, c, "region_code", &T_REGION, "region", municipality->region_code);
    need_known(rd, c, "healthcare_region", &T_HEALTHCARE_REGION, "healthcare region",
               municipality->healthcare_region);
}

static int municipality_emit(struct outcome *out, const char *subject, const void *row)
{
    MunicipalityRecorded event = MUNICIPALITY_RECORDED_INIT;
    event.municipality = (Municipality *)row;
    return emit_municipality_recorded(out, subject, &event);
}

int directory_import_municipalities(const struct decide_in *in,
                                    const ImportMunicipalitiesRequest *req,
                                    ImportMunicipalitiesResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_MUNICIPALITY,
        .key_field = "code",
        .identity = municipality_identity,
        .check = municipality_check,
        .emit = municipality_emit,
    };
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}

/* ---- healthcare regions: first of all imports, so their codes are only checked in form ---- */

static const char *healthcare_region_identity(struct arena *arena, const void *row)
{
    (void)arena; /* the slug is there already */
    return ((const HealthcareRegion *)row)->slug;
}

static void healthcare_region_check(const struct rd *rd, const void *row, struct complaints *c)
{
    (void)rd; /* regions come after it */
    const HealthcareRegion *region = row;
    need_slug(c, "slug", region->slug);
    need_line(c, "name", region->name, 100);
    need_line(c, "official_name", region->official_name, 100);
    need_codes(c, "region_codes", region->region_codes, region->n_region_codes, 2);
    need_codes(c, "municipality_codes", region->municipality_codes, region->n_municipality_codes,
               4);
}

static int healthcare_region_emit(struct outcome *out, const char *subject, const void *row)
{
    HealthcareRegionRecorded event = HEALTHCARE_REGION_RECORDED_INIT;
    event.healthcare_region = (HealthcareRegion *)row;
    return emit_healthcare_region_recorded(out, subject, &event);
}

int directory_import_healthcare_regions(const struct decide_in *in,
                                        const ImportHealthcareRegionsRequest *req,
                                        ImportHealthcareRegionsResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_HEALTHCARE_REGION,
        .key_field = "slug",
        .identity = healthcare_region_identity,
        .check = healthcare_region_check,
        .emit = healthcare_region_emit,
    };
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}

/* ---- helplines ---- */

static const char *helpline_identity(struct arena *arena, const void *row)
{
    (void)arena; /* the slug is there already */
    return ((const Helpline *)row)->slug;
}

static void helpline_check(const struct rd *rd, const void *row, struct complaints *c)
{
    const Helpline *helpline = row;
    need_slug(c, "slug", helpline->slug);
    need_line(c, "name_sv", helpline->name_sv, 100);
    need_format(c, "phone", FORMAT(PHONE), helpline->phone, 40);
    allow_line(c, "hours_sv", helpline->hours_sv, 200);
    need_line(c, "for_whom_sv", helpline->for_whom_sv, 300);
    allow_line(c, "source", helpline->source, 1000);
    allow_website(c, helpline->website);
    if (*helpline->organisation_slug)
        need_known(rd, c, "organisation_slug", &T_ORGANISATION, "organisation",
                   helpline->organisation_slug);
}

/* A new number or new hours have not been confirmed by anybody. */
static void helpline_keep(void *row, const void *old)
{
    Helpline *helpline = row;
    const Helpline *before = old;
    bool same = strcmp(helpline->phone, before->phone) == 0 &&
                strcmp(helpline->hours_sv, before->hours_sv) == 0;
    helpline->last_confirmed = same ? before->last_confirmed : "";
}

static int helpline_emit(struct outcome *out, const char *subject, const void *row)
{
    HelplineRecorded event = HELPLINE_RECORDED_INIT;
    event.helpline = (Helpline *)row;
    return emit_helpline_recorded(out, subject, &event);
}

int directory_import_helplines(const struct decide_in *in, const ImportHelplinesRequest *req,
                               ImportHelplinesResponse *res, struct outcome *out)
{
    static const struct reference kind = {
        .table = &T_HELPLINE,
        .key_field = "slug",
        .identity = helpline_identity,
        .check = helpline_check,
        .keep = helpline_keep,
        .emit = helpline_emit,
    };
    /* Confirming is a command of its own; a file cannot do it. The rows are this call's own. */
    for (size_t i = 0; i < req->n_rows; i++)
        req->rows[i]->last_confirmed = "";
    struct import import;
    int r = import_rows(in, &kind, (void **)req->rows, req->n_rows, req->dry_run, &import, out);
    IMPORT_ANSWER(res, &import);
    return r;
}

int directory_confirm_helpline(const struct decide_in *in, const ConfirmHelplineRequest *req,
                               ConfirmHelplineResponse *res, struct outcome *out)
{
    Helpline *helpline;
    int r = rd_get(in->state, &T_HELPLINE, KEY_TEXT(req->slug), &helpline);
    if (r == -ENOENT)
        return outcome_refuse(out, CODE_NOT_FOUND, "slug: there is no helpline '%s'", req->slug);
    if (r < 0)
        return r;
    char *today;
    r = date_of(in->arena, in->now_ms, &today);
    if (r < 0)
        return r;
    res->helpline = helpline;
    if (strcmp(helpline->last_confirmed, today) == 0)
        return 0;
    helpline->last_confirmed = today;
    HelplineConfirmed event = HELPLINE_CONFIRMED_INIT;
    event.slug = helpline->slug;
    event.date = today;
    return emit_helpline_confirmed(out, helpline->slug, &event);
}
