/* decide_import.c - imports organisations: all rows are stored or none.
 *
 * A row states the columns of the file whole, so an empty cell makes a field unknown; what the file has no column for, such as contact
 * ways, stays. Every mistake of every row is reported at once. Rows may point to each other in any order. A dry run
 * answers exactly what the real run would. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "services/directory/rules.h"

static int by_slug_then_number(const void *a, const void *b)
{
    const struct batch_row *x = a, *y = b;
    int order = strcmp(x->row->slug, y->row->slug);
    if (order != 0)
        return order;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int make_batch(struct arena *arena, const ImportOrganisationsRequest *req, struct batch *ret)
{
    struct batch_row *rows = arena_calloc(arena, req->n_rows ? req->n_rows : 1, sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    for (size_t i = 0; i < req->n_rows; i++)
        rows[i] = (struct batch_row) { .row = req->rows[i], .number = (uint32_t)i + 1 };
    qsort(rows, req->n_rows, sizeof(*rows), by_slug_then_number);
    *ret = (struct batch) { .rows = rows, .n_rows = req->n_rows };
    return 0;
}

static void take_row(Organisation *o, const OrganisationRow *row)
{
    o->slug = row->slug;
    o->name = row->name;
    o->short_name = row->short_name;
    o->kind = row->kind;
    o->level = row->level;
    o->n_region_codes = row->n_region_code;
    o->region_codes = row->region_code;
    o->n_municipality_codes = row->n_municipality_code;
    o->municipality_codes = row->municipality_code;
    o->n_care_areas = row->n_care_areas;
    o->care_areas = row->care_areas;
    o->parent_slug = row->parent_slug;
    o->website = row->website;
    o->description = row->description;
    o->source = row->source;
}

/* What a right row comes to. */
struct change {
    Organisation *organisation; /* NULL: the row changes nothing */
    bool is_new;
    char **changed_fields;
    size_t n_changed_fields;
};

static int check_row(const struct decide_in *in, const struct batch *batch,
                     const OrganisationRow *row, struct complaints *c, struct change *ret)
{
    Organisation *old = NULL;
    int r = organisation_find(in->state, row->slug, &old);
    if (r < 0 && r != -ENOENT && r != -EOVERFLOW)
        return r;
    Organisation *o = arena_alloc(in->arena, sizeof(*o));
    if (!o)
        return -ENOMEM;
    *o = (Organisation)ORGANISATION_INIT;
    if (old)
        *o = *old;
    else
        organisation_clear_own_fields(o);
    take_row(o, row);

    const struct batch_row *first = batch_find(batch, row->slug);
    if (first && first->number != c->row)
        complain(c, "slug", "row %u has the same slug", first->number);
    if (old && old->state == ORGANISATION_STATE_MERGED)
        complain(c, "slug",
                 "'%.100s' was merged into '%.100s': leave this row out, or undo the merge",
                 old->slug, old->merged_into);
    r = check_organisation(in->state, batch, o, c);
    if (r < 0)
        return r;

    *ret = (struct change) { .is_new = !old };
    if (!old) {
        ret->organisation = o;
        return 0;
    }
    r = changed_fields(in->arena, old, o, &ret->changed_fields, &ret->n_changed_fields);
    if (r == 0 && ret->n_changed_fields > 0) {
        o->revision = old->revision + 1;
        ret->organisation = o;
    }
    return r;
}

static int emit_change(struct outcome *out, const struct change *change)
{
    if (change->is_new) {
        OrganisationRegistered event = ORGANISATION_REGISTERED_INIT;
        event.organisation = change->organisation;
        return emit_organisation_registered(out, change->organisation->slug, &event);
    }
    OrganisationRevised event = ORGANISATION_REVISED_INIT;
    event.organisation = change->organisation;
    event.changed_fields = change->changed_fields;
    event.n_changed_fields = change->n_changed_fields;
    return emit_organisation_revised(out, change->organisation->slug, &event);
}

int directory_import_organisations(const struct decide_in *in,
                                   const ImportOrganisationsRequest *req,
                                   ImportOrganisationsResponse *res, struct outcome *out)
{
    struct batch batch;
    int r = make_batch(in->arena, req, &batch);
    if (r < 0)
        return r;
    struct change *changes =
        arena_calloc(in->arena, req->n_rows ? req->n_rows : 1, sizeof(*changes));
    if (!changes)
        return -ENOMEM;

    struct import import = { .arena = in->arena };
    for (size_t i = 0; i < req->n_rows; i++) {
        struct complaints c = { .import = &import, .row = (uint32_t)i + 1 };
        r = check_row(in, &batch, req->rows[i], &c, &changes[i]);
        if (r < 0)
            return r;
        if (!changes[i].organisation)
            import.unchanged++;
        else if (changes[i].is_new)
            import.registered++;
        else
            import.revised++;
    }
    if (import.out_of_memory)
        return -ENOMEM;
    IMPORT_ANSWER(res, &import);
    if (!res->accepted || req->dry_run)
        return 0;
    for (size_t i = 0; i < req->n_rows; i++) {
        r = changes[i].organisation ? emit_change(out, &changes[i]) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}
