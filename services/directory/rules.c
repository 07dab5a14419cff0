/* rules.c - what an organisation must look like, whether it comes from a form, a file or a suggestion. */
#include "services/directory/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/format.h"
#include "common/utf8.h"
#include "fokus/v1/options.pb-c.h"

/* ---- telling what is wrong ---- */

__attribute__((format(printf, 4, 0))) static void
report(struct import *import, uint32_t row, const char *field, const char *format, va_list args)
{
    if (import->n_reports == IMPORT_MAX_REPORTS) {
        import->dropped++;
        return;
    }
    if (!import->reports)
        import->reports = arena_calloc(import->arena, IMPORT_MAX_REPORTS, sizeof(*import->reports));
    RowReport *r = arena_alloc(import->arena, sizeof(*r));
    char *message = utf8_mend(arena_vprintf(import->arena, format, args));
    if (!import->reports || !r || !message) {
        import->out_of_memory = true;
        return;
    }
    *r = (RowReport)ROW_REPORT_INIT;
    r->row = row;
    r->field = (char *)field;
    r->message = message;
    import->reports[import->n_reports++] = r;
}

void complain(struct complaints *c, const char *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    c->count++;
    if (c->import) {
        report(c->import, c->row, field, format, args);
    } else {
        char path[128], text[512];
        (void)snprintf(path, sizeof(path), "%s%s", c->prefix, field); /* our own short names */
        (void)vsnprintf(text, sizeof(text), format, args);   /* a cut text is still a text */
        (void)status_violation(c->status, path, "%s", text); /* returns 0 always */
    }
    va_end(args);
}

/* ---- what an organisation must look like ---- */

void need_format(struct complaints *c, const char *field, int format, const char *text,
                 size_t max_chars)
{
    const char *problem = format_problem(format, text, strlen(text));
    size_t length = text_length(text);
    if (problem)
        complain(c, field, "%s", problem);
    else if (length > max_chars)
        complain(c, field, "has %zu characters, may have %zu", length, max_chars);
}

void need_line(struct complaints *c, const char *field, const char *text, size_t max_chars)
{
    if (text_is_blank(text))
        complain(c, field, "must not be empty");
    else
        need_format(c, field, FORMAT(LINE), text, max_chars);
}

void allow_line(struct complaints *c, const char *field, const char *text, size_t max_chars)
{
    if (*text)
        need_line(c, field, text, max_chars);
}

void allow_website(struct complaints *c, const char *text)
{
    if (*text)
        need_format(c, "website", FORMAT(URL), text, 300);
}

void need_slug(struct complaints *c, const char *field, const char *slug)
{
    const char *problem = format_problem(FORMAT(SLUG), slug, strlen(slug));
    if (problem)
        complain(c, field, "'%.100s' %s", slug, problem);
}

/* A list of codes or slugs that must all be in a table, each once. */
static void check_listed(const struct rd *rd, struct complaints *c, const char *field,
                         char *const *values, size_t n, const struct table *t, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        bool before = false;
        for (size_t j = 0; j < i && !before; j++)
            before = strcmp(values[i], values[j]) == 0;
        if (before)
            complain(c, field, "'%.100s' is named twice", values[i]);
        else if (!rd_has(rd, t, KEY_TEXT(values[i])))
            complain(c, field, "there is no %s '%.100s'", what, values[i]);
    }
}

/* Whoever states regions states those of the municipalities, too. */
static void check_municipalities_lie_in_regions(struct complaints *c, const Organisation *o)
{
    for (size_t i = 0; i < o->n_municipality_codes && o->n_region_codes > 0; i++) {
        bool found = false;
        for (size_t j = 0; j < o->n_region_codes && !found; j++)
            found = strncmp(o->municipality_codes[i], o->region_codes[j], 2) == 0;
        if (!found)
            complain(c, c->import ? "municipality_code" : "municipality_codes",
                     "'%.40s' lies in region %.2s, which is not among the regions stated",
                     o->municipality_codes[i], o->municipality_codes[i]);
    }
}

static int by_slug(const void *key, const void *member)
{
    return strcmp(key, ((const struct batch_row *)member)->row->slug);
}

const struct batch_row *batch_find(const struct batch *b, const char *slug)
{
    if (!b || b->n_rows == 0)
        return NULL;
    const struct batch_row *found = bsearch(slug, b->rows, b->n_rows, sizeof(b->rows[0]), by_slug);
    while (found && found > b->rows && strcmp(found[-1].row->slug, slug) == 0)
        found--;
    return found;
}

/* One step up: the slug's parent, or the organisation it was merged into. -ENOENT when there is no such slug. */
static int step_up(const struct rd *rd, const struct batch *batch, const char *slug,
                   const char **ret)
{
    const struct batch_row *row = batch_find(batch, slug);
    if (row) {
        *ret = row->row->parent_slug;
        return 0;
    }
    Organisation *o;
    int r = organisation_find(rd, slug, &o);
    if (r == 0)
        *ret = o->state == ORGANISATION_STATE_MERGED ? o->merged_into : o->parent_slug;
    return r;
}

int stands_above(const struct rd *rd, const char *slug, const char *above, bool *ret)
{
    int r = 0;
    *ret = false;
    for (int steps = 0; r == 0 && *above && !*ret && steps < MAX_REDIRECTS; steps++) {
        *ret = strcmp(above, slug) == 0;
        r = step_up(rd, NULL, above, &above);
    }
    return r == -ENOENT ? 0 : r;
}

static int check_parent(const struct rd *rd, const struct batch *batch, const Organisation *o,
                        struct complaints *c)
{
    const char *above = o->parent_slug;
    size_t before = c->count;
    if (*above)
        need_slug(c, "parent_slug", above);
    if (c->count > before)
        return 0;
    for (int steps = 0; *above; steps++) {
        if (strcmp(above, o->slug) == 0) {
            complain(c, "parent_slug", "'%.100s' would be above itself", o->slug);
            return 0;
        }
        if (steps == MAX_PARENTS) {
            complain(c, "parent_slug", "there are more than %d organisations above this one",
                     MAX_PARENTS);
            return 0;
        }
        const char *next = "";
        int r = step_up(rd, batch, above, &next);
        if (r == -ENOENT && steps == 0) {
            complain(c, "parent_slug", "there is no organisation '%.100s'", above);
            return 0;
        }
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        above = next;
    }
    return 0;
}

int check_organisation(const struct rd *rd, const struct batch *batch, const Organisation *o,
                       struct complaints *c)
{
    need_slug(c, "slug", o->slug);
    need_line(c, "name", o->name, 200);
    allow_line(c, "short_name", o->short_name, 60);
    for (size_t i = 0; i < o->n_former_names; i++)
        need_line(c, "former_names", o->former_names[i], 200);
    if (o->kind < ORGANISATION_KIND_PATIENT_ASSOCIATION || o->kind > ORGANISATION_KIND_OTHER)
        complain(c, "kind",
                 "must be one of patient_association, network, umbrella, authority, region, "
                 "company_association, care_provider, foundation, other");
    if (o->level < ORGANISATION_LEVEL_NATIONAL || o->level > ORGANISATION_LEVEL_LOCAL)
        complain(c, "level", "must be one of national, regional, local");
    allow_website(c, o->website);
    need_format(c, "description", FORMAT(TEXT), o->description, 4000);
    allow_line(c, "source", o->source, 1000);

    check_listed(rd, c, c->import ? "region_code" : "region_codes", o->region_codes,
                 o->n_region_codes, &T_REGION, "region");
    check_listed(rd, c, c->import ? "municipality_code" : "municipality_codes",
                 o->municipality_codes, o->n_municipality_codes, &T_MUNICIPALITY, "municipality");
    check_municipalities_lie_in_regions(c, o);
    check_listed(rd, c, "care_areas", o->care_areas, o->n_care_areas, &T_CARE_AREA, "care area");
    return check_parent(rd, batch, o, c);
}

/* ---- fields in general: messages of the directory hold texts, lists of texts, numbers and messages ---- */

static size_t value_size(const ProtobufCFieldDescriptor *f)
{
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return sizeof(void *);
    if (f->type == PROTOBUF_C_TYPE_UINT64 || f->type == PROTOBUF_C_TYPE_INT64)
        return sizeof(uint64_t);
    return sizeof(int32_t); /* enum, uint32 and bool */
}

static bool same_value(const ProtobufCFieldDescriptor *f, const uint8_t *a, const uint8_t *b);

static bool same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    if (!a || !b)
        return a == b;
    const ProtobufCMessageDescriptor *type = a->descriptor;
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (!same_value(&type->fields[i], (const uint8_t *)a, (const uint8_t *)b))
            return false;
    }
    return true;
}

static bool same_list(const ProtobufCFieldDescriptor *f, const uint8_t *a, const uint8_t *b)
{
    size_t n_a = *(const size_t *)(a + f->quantifier_offset);
    size_t n_b = *(const size_t *)(b + f->quantifier_offset);
    char *const *texts_a = *(char *const *const *)(a + f->offset);
    char *const *texts_b = *(char *const *const *)(b + f->offset);
    if (n_a != n_b)
        return false;
    for (size_t i = 0; i < n_a; i++) {
        if (strcmp(texts_a[i], texts_b[i]) != 0)
            return false;
    }
    return true;
}

static bool same_value(const ProtobufCFieldDescriptor *f, const uint8_t *a, const uint8_t *b)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return same_list(f, a, b);
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return strcmp(*(char *const *)(a + f->offset), *(char *const *)(b + f->offset)) == 0;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return same_message(*(ProtobufCMessage *const *)(a + f->offset),
                            *(ProtobufCMessage *const *)(b + f->offset));
    return memcmp(a + f->offset, b + f->offset, value_size(f)) == 0;
}

static void copy_value(const ProtobufCFieldDescriptor *f, uint8_t *to, const uint8_t *from)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        memcpy(to + f->quantifier_offset, from + f->quantifier_offset, sizeof(size_t));
        memcpy(to + f->offset, from + f->offset, sizeof(void *));
        return;
    }
    memcpy(to + f->offset, from + f->offset, value_size(f));
}

int changed_fields(struct arena *arena, const void *a, const void *b, char ***ret,
                   size_t *ret_count)
{
    const ProtobufCMessageDescriptor *type = ((const ProtobufCMessage *)a)->descriptor;
    char **names = arena_calloc(arena, type->n_fields, sizeof(*names));
    if (!names)
        return -ENOMEM;
    size_t n = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &type->fields[i];
        if (!same_value(f, a, b) && strcmp(f->name, "revision") != 0)
            names[n++] = (char *)f->name;
    }
    *ret = names;
    *ret_count = n;
    return 0;
}

/* ---- organisations as values ---- */

Organisation *organisation_copy(struct arena *arena, const Organisation *o)
{
    return arena_memdup(arena, o, sizeof(*o));
}

static void drop_empty_contact(Organisation *o)
{
    static const Contact nothing = CONTACT_INIT;
    if (o->contact && same_message(&o->contact->base, &nothing.base))
        o->contact = NULL;
}

void organisation_clear_own_fields(Organisation *o)
{
    o->revision = 1;
    o->state = ORGANISATION_STATE_ACTIVE;
    o->merged_into = "";
    o->last_confirmed = "";
    o->closed_on = "";
    o->closing_reason = "";
    drop_empty_contact(o);
}

static bool is_editable(const char *field)
{
    static const char *const editable[] = {
        "name",         "short_name",         "former_names", "kind",        "level",
        "region_codes", "municipality_codes", "care_areas",   "parent_slug", "website",
        "contact",      "description",        "source",       "state",
    };
    for (size_t i = 0; i < ARRAY_LEN(editable); i++) {
        if (strcmp(field, editable[i]) == 0)
            return true;
    }
    return false;
}

static void take_state(Organisation *to, const Organisation *from, struct complaints *c)
{
    if (from->state != ORGANISATION_STATE_ACTIVE && from->state != ORGANISATION_STATE_DORMANT) {
        complain(c, "state",
                 "may be set to active or dormant; to close or merge there are calls of their own");
        return;
    }
    to->state = from->state;
    to->closed_on = "";
    to->closing_reason = "";
}

void organisation_take(Organisation *to, const Organisation *from,
                       const Google__Protobuf__FieldMask *mask, struct complaints *c)
{
    static const Organisation nothing = ORGANISATION_INIT;
    if (!from)
        from = &nothing;
    for (size_t i = 0; mask && i < mask->n_paths; i++) {
        const char *path = mask->paths[i];
        if (!is_editable(path)) {
            struct complaints of_mask = { .status = c->status, .prefix = "" };
            complain(&of_mask, "update_mask",
                     "'%.60s' cannot be changed; these can: name, short_name, former_names, kind, "
                     "level, region_codes, municipality_codes, care_areas, parent_slug, website, "
                     "contact, description, source, state",
                     path);
            c->count++;
        } else if (strcmp(path, "state") == 0) {
            take_state(to, from, c);
        } else {
            const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(
                &fokus__directory__v1__organisation__descriptor, path);
            copy_value(f, (uint8_t *)to, (const uint8_t *)from);
        }
    }
    drop_empty_contact(to);
}

int date_of(struct arena *arena, int64_t time_ms, char **ret)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm))
        return -EOVERFLOW;
    char text[64];
    if (strftime(text, sizeof(text), "%Y-%m-%d", &tm) != DATE_CHARS)
        return -EOVERFLOW;
    *ret = arena_strdup(arena, text);
    return *ret ? 0 : -ENOMEM;
}
