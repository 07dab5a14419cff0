/* decide_reference.c - imports reference data: care areas, rights, terms, regions, municipalities, healthcare regions and helplines.
 *
 * One loop for all: a kind says what names a row, how to check it, where it is stored and which event records it. As with
 * organisations, all rows are stored or none, and a row that says what is known already changes nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "services/directory/rules.h"

/* How one kind of reference data is imported. */
struct reference {
    const struct table *table;
    const char *key_field; /* the column that names a row */
    const char *(*identity)(struct arena *arena, const void *row);
    void (*key)(const void *row, struct key *ret);
    void (*check)(const struct rd *rd, const void *row, struct complaints *c);
    /* Keeps what no column states; NULL: there is no such field. */
    void (*keep)(void *row, const void *old);
    int (*emit)(struct outcome *out, const char *subject, const void *row);
};

struct named_row {
    const char *identity;
    size_t index;
};

static int by_identity(const void *a, const void *b)
{
    const struct named_row *x = a, *y = b;
    int order = strcmp(x->identity, y->identity);
    if (order != 0)
        return order;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* For each row the index of the first row with the same identity. 0 or -ENOMEM. */
static int find_repeats(struct arena *arena, const char *const *identities, size_t n, size_t *first)
{
    struct named_row *rows = arena_calloc(arena, n ? n : 1, sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct named_row) { .identity = identities[i], .index = i };
    qsort(rows, n, sizeof(*rows), by_identity);
    for (size_t i = 0; i < n; i++) {
        bool same = i > 0 && strcmp(rows[i].identity, rows[i - 1].identity) == 0;
        first[rows[i].index] = same ? first[rows[i - 1].index] : rows[i].index;
    }
    return 0;
}

/* Counts the row as new, changed or the same; sets *ret_store when it is to be recorded. */
static int compare_row(const struct decide_in *in, const struct reference *kind, void *row,
                       struct import *import, bool *ret_store)
{
    struct key k;
    kind->key(row, &k);
    void *old = NULL;
    int r = rd_get(in->state, kind->table, &k, &old);
    if (r == -ENOENT) {
        import->registered++;
        *ret_store = true;
        return 0;
    }
    if (r < 0)
        return r;
    if (kind->keep)
        kind->keep(row, old);
    char **changed;
    size_t n_changed;
    r = changed_fields(in->arena, old, row, &changed, &n_changed);
    if (r < 0)
        return r;
    *ret_store = n_changed > 0;
    if (*ret_store)
        import->revised++;
    else
        import->unchanged++;
    return 0;
}

static int import_rows(const struct decide_in *in, const struct reference *kind, void **rows,
                       size_t n, bool dry_run, struct import *import, struct outcome *out)
{
    *import = (struct import) { .arena = in->arena };
    const char **identities = arena_calloc(in->arena, n ? n : 1, sizeof(*identities));
    size_t *first = arena_calloc(in->arena, n ? n : 1, sizeof(*first));
    bool *store = arena_calloc(in->arena, n ? n : 1, sizeof(*store));
    if (!identities || !first || !store)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        identities[i] = kind->identity(in->arena, rows[i]);
        if (!identities[i])
            return -ENOMEM;
    }
    int r = find_repeats(in->arena, identities, n, first);
    for (size_t i = 0; r == 0 && i < n; i++) {
        struct complaints c = { .import = import, .row = (uint32_t)i + 1 };
        if (first[i] != i)
            complain(&c, kind->key_field, "row %zu is about the same", first[i] + 1);
        kind->check(in->state, rows[i], &c);
        if (c.count == 0)
            r = compare_row(in, kind, rows[i], import, &store[i]);
    }
    if (r == 0 && import->out_of_memory)
        r = -ENOMEM;
    for (size_t i = 0; r == 0 && import->n_reports == 0 && !dry_run && i < n; i++) {
        if (store[i])
            r = kind->emit(out, identities[i], rows[i]);
    }
    return r;
}

/* ---- checks that several kinds share ---- */

static void need_line(struct complaints *c, const char *field, const char *text, size_t max_chars)
{
    if (!text_is_line(text))
        complain(c, field, "must be one line of visible text, and not empty");
    else if (text_length(text) > max_chars)
        complain(c, field, "has %zu characters, may have %zu", text_length(text), max_chars);
}

static void allow_line(struct complaints *c, const char *field, const char *text, size_t max_chars)
{
    if (*text)
        need_line(c, field, text, max_chars);
}

static void need_slug(struct complaints *c, const char *slug)
{
    if (!text_is_slug(slug))
        complain(c, "slug", "'%.100s' is no slug: 1 to 100 of a-z, 0-9 and single hyphens inside",
                 slug);
}

static void need_codes(struct complaints *c, const char *field, char *const *codes, size_t n,
                       size_t digits)
{
    for (size_t i = 0; i < n; i++) {
        if (!text_is_digits(codes[i], digits))
            complain(c, field, "'%.40s' is no code of %zu digits", codes[i], digits);
    }
}

static void need_known(const struct rd *rd, struct complaints *c, const char *field,
                       const struct table *t, const char *what, const char *key)
{
    if (!rd_has(rd, t, KEY_TEXT(key)))
        complain(c, field, "there is no %s '%.100s'; import those first", what, key);
}

/* ---- care areas ---- */

static const char *care_area_identity(struct arena *arena, const void *row)
{
    (void)arena; /* the slug is there already */
    return ((const CareArea *)row)->slug;
}

static void care_area_key(const void *row, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(ret, ((const CareArea *)row)->slug);
}

static void care_area_check(const struct rd *rd, const void *row, struct complaints *c)
{
    (void)rd; /* a care area points to nothing */
    const CareArea *area = row;
    need_slug(c, area->slug);
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
        .key = care_area_key,
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
    need_slug(c, right->slug);
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

static void region_key(const void *row, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(ret, ((const Region *)row)->code);
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
        .key = region_key,
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

static void municipality_key(const void *row, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(ret, ((const Municipality *)row)->code);
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
        .key = municipality_key,
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

static void healthcare_region_key(const void *row, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(ret, ((const HealthcareRegion *)row)->slug);
}

static void healthcare_region_check(const struct rd *rd, const void *row, struct complaints *c)
{
    (void)rd; /* regions come after it */
    const HealthcareRegion *region = row;
    need_slug(c, region->slug);
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
        .key = healthcare_region_key,
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

static void helpline_key(const void *row, struct key *ret)
{
    *ret = KEY_INIT;
    key_text(ret, ((const Helpline *)row)->slug);
}

static void helpline_check(const struct rd *rd, const void *row, struct complaints *c)
{
    const Helpline *helpline = row;
    need_slug(c, helpline->slug);
    need_line(c, "name_sv", helpline->name_sv, 100);
    if (!text_is_phone(helpline->phone) || strlen(helpline->phone) > 40)
        complain(c, "phone", "must be a telephone number of digits, spaces and hyphens");
    allow_line(c, "hours_sv", helpline->hours_sv, 200);
    need_line(c, "for_whom_sv", helpline->for_whom_sv, 300);
    allow_line(c, "source", helpline->source, 1000);
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
        .key = helpline_key,
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
