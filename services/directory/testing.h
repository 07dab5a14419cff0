/* testing.h - what the directory's tests share: callers, plainly invented entries, and the real files under deploy/data. Each test
 * program includes it once. */
#pragma once
#include <csv.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/given.h"
#include "fokus/v1/options.pb-c.h"
#include "services/directory/tables.h"

/* Not every program uses everything. */
#define HELPER __attribute__((unused)) static

HELPER struct caller editor(void)
{
    return with_role("editor-1", FOKUS__V1__ROLE__ROLE_EDITOR);
}

/* ---- rows of a CSV file, as fokusctl reads them: columns by name, | between several values, enum values by the lower-case end of
 * their names. Memory is a test program's own and lives as long as it. ---- */

struct rows {
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *columns[32];
    size_t n_columns, column, line;
    ProtobufCMessage *row;
    void **rows;
    size_t n;
    struct arena *arena;
};

static struct arena *rows_arena;
__attribute__((destructor)) static void free_rows(void)
{
    if (rows_arena)
        arena_free(rows_arena);
}

static void set_cell(struct rows *r, const ProtobufCFieldDescriptor *f, char *text)
{
    uint8_t *at = (uint8_t *)r->row + f->offset;
    if (!*text)
        return;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        char **values = arena_calloc(r->arena, 400, sizeof(*values));
        size_t n = 0;
        for (char *rest = text; rest;)
            values[n++] = strsep(&rest, "|");
        memcpy(at, &values, sizeof(values));
        memcpy((uint8_t *)r->row + f->quantifier_offset, &n, sizeof(n));
    } else if (f->type == PROTOBUF_C_TYPE_ENUM) {
        const ProtobufCEnumDescriptor *type = f->descriptor;
        for (unsigned i = 0; i < type->n_values; i++) {
            const char *name = type->values[i].name;
            size_t tail = strlen(name) - strlen(text);
            if (strlen(name) > strlen(text) && name[tail - 1] == '_' &&
                strcasecmp(name + tail, text) == 0)
                memcpy(at, &type->values[i].value, sizeof(int));
        }
    } else if (f->type == PROTOBUF_C_TYPE_UINT32) {
        uint32_t value = (uint32_t)strtoul(text, NULL, 10);
        memcpy(at, &value, sizeof(value));
    } else {
        memcpy(at, &text, sizeof(text));
    }
}

static void on_cell(void *bytes, size_t len, void *arg)
{
    struct rows *r = arg;
    char *text = arena_strndup(r->arena, bytes ? bytes : "", len);
    if (r->line == 0) {
        r->columns[r->n_columns] = protobuf_c_message_descriptor_get_field_by_name(r->type, text);
        assert_non_null(r->columns[r->n_columns]);
        r->n_columns++;
        return;
    }
    if (r->column == 0) {
        r->row = arena_alloc(r->arena, r->type->sizeof_message);
        protobuf_c_message_init(r->type, r->row);
    }
    set_cell(r, r->columns[r->column++], text);
}

static void on_row(int c, void *arg)
{
    (void)c; /* how the line ended */
    struct rows *r = arg;
    if (r->line++ > 0)
        r->rows[r->n++] = r->row;
    r->column = 0;
}

HELPER void **read_csv(const char *text, size_t len, const ProtobufCMessageDescriptor *type,
                       size_t *ret_count)
{
    if (!rows_arena)
        rows_arena = arena_new(1024 * 1024 * 1024);
    struct rows r = { .type = type, .arena = rows_arena };
    r.rows = arena_calloc(r.arena, 10000, sizeof(*r.rows));
    struct csv_parser parser;
    assert_int_equal(csv_init(&parser, CSV_STRICT | CSV_APPEND_NULL), 0);
    assert_int_equal(csv_parse(&parser, text, len, on_cell, on_row, &r), len);
    csv_fini(&parser, on_cell, on_row, &r);
    csv_free(&parser);
    *ret_count = r.n;
    return r.rows;
}

HELPER void **read_csv_file(const char *file, const ProtobufCMessageDescriptor *type,
                            size_t *ret_count)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/deploy/data/%s", FOKUS_SOURCE_DIR, file);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    static char text[1024 * 1024];
    size_t len = fread(text, 1, sizeof(text), f);
    fclose(f);
    return read_csv(text, len, type, ret_count);
}

/* Imports a file under deploy/data; all of it must be right. */
#define IMPORT_FILE(method, REQUEST, Request, Response, file, TYPE)                                \
    do {                                                                                           \
        Request request = REQUEST##_REQUEST_INIT;                                                  \
        void **rows = read_csv_file(file, TYPE##_DESCRIPTOR, &request.n_rows);                     \
        request.rows = (void *)rows;                                                               \
        when(editor(), method, &request);                                                          \
        const Response *response = then_response();                                                \
        if (response->n_reports > 0)                                                               \
            fail_msg("%s row %u %s: %s", file, response->reports[0]->row,                          \
                     response->reports[0]->field, response->reports[0]->message);                  \
        assert_true(response->accepted);                                                           \
    } while (0)

/* Everything but organisations and helplines, in the order that deploy/data/README.md states. */
HELPER void given_reference_data(void)
{
    IMPORT_FILE("ImportHealthcareRegions", IMPORT_HEALTHCARE_REGIONS,
                ImportHealthcareRegionsRequest, ImportHealthcareRegionsResponse,
                "healthcare_regions.csv", HEALTHCARE_REGION);
    IMPORT_FILE("ImportRegions", IMPORT_REGIONS, ImportRegionsRequest, ImportRegionsResponse,
                "regions.csv", REGION);
    IMPORT_FILE("ImportMunicipalities", IMPORT_MUNICIPALITIES, ImportMunicipalitiesRequest,
                ImportMunicipalitiesResponse, "municipalities.csv", MUNICIPALITY);
    IMPORT_FILE("ImportCareAreas", IMPORT_CARE_AREAS, ImportCareAreasRequest,
                ImportCareAreasResponse, "care_areas.csv", CARE_AREA);
    IMPORT_FILE("ImportPatientRights", IMPORT_PATIENT_RIGHTS, ImportPatientRightsRequest,
                ImportPatientRightsResponse, "patient_rights.csv", PATIENT_RIGHT);
    IMPORT_FILE("ImportGlossary", IMPORT_GLOSSARY, ImportGlossaryRequest, ImportGlossaryResponse,
                "glossary.csv", TERM);
}

HELPER void given_real_organisations(void)
{
    given_reference_data();
    IMPORT_FILE("ImportOrganisations", IMPORT_ORGANISATIONS, ImportOrganisationsRequest,
                ImportOrganisationsResponse, "organisations.csv", ORGANISATION_ROW);
}

HELPER void given_helplines(void)
{
    IMPORT_FILE("ImportHelplines", IMPORT_HELPLINES, ImportHelplinesRequest,
                ImportHelplinesResponse, "helplines.csv", HELPLINE);
}

/* ---- plainly invented organisations ---- */

HELPER Organisation an_organisation(const char *slug, const char *name)
{
    Organisation o = ORGANISATION_INIT;
    o.slug = (char *)slug;
    o.name = (char *)name;
    o.kind = ORGANISATION_KIND_PATIENT_ASSOCIATION;
    o.level = ORGANISATION_LEVEL_NATIONAL;
    return o;
}

HELPER void register_organisation(Organisation *o)
{
    RegisterOrganisationRequest request = REGISTER_ORGANISATION_REQUEST_INIT;
    request.organisation = o;
    when(editor(), "RegisterOrganisation", &request);
}

HELPER void given_organisation(const char *slug, const char *name)
{
    Organisation o = an_organisation(slug, name);
    register_organisation(&o);
    then_ok();
}

/* NULL when it is refused. */
HELPER const GetOrganisationResponse *get_organisation(const char *slug)
{
    GetOrganisationRequest request = GET_ORGANISATION_REQUEST_INIT;
    request.slug = (char *)slug;
    GetOrganisationResponse *response;
    ask(anonymous(), "GetOrganisation", &request, &response);
    return response;
}

/* Revises one field. */
HELPER void revise(const char *slug, uint64_t revision, const char *field, Organisation *values)
{
    char *paths[] = { (char *)field };
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    mask.paths = paths;
    mask.n_paths = 1;
    ReviseOrganisationRequest request = REVISE_ORGANISATION_REQUEST_INIT;
    request.slug = (char *)slug;
    request.revision = revision;
    request.organisation = values;
    request.update_mask = &mask;
    when(editor(), "ReviseOrganisation", &request);
}

HELPER void merge(const char *slug, const char *into)
{
    MergeOrganisationsRequest request = MERGE_ORGANISATIONS_REQUEST_INIT;
    request.slug = (char *)slug;
    request.into = (char *)into;
    when(editor(), "MergeOrganisations", &request);
}

HELPER void unmerge(const char *slug)
{
    UnmergeOrganisationsRequest request = UNMERGE_ORGANISATIONS_REQUEST_INIT;
    request.slug = (char *)slug;
    when(editor(), "UnmergeOrganisations", &request);
}

HELPER void close_organisation(const char *slug, const char *reason)
{
    CloseOrganisationRequest request = CLOSE_ORGANISATION_REQUEST_INIT;
    request.slug = (char *)slug;
    request.reason = (char *)reason;
    request.closed_on = "2025-12-31";
    when(editor(), "CloseOrganisation", &request);
}
