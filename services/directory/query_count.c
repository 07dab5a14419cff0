/* query_count.c - counts over everything, and pairs that look alike. Both are marked long_running in the proto. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/directory/filter.h"

/* ---- counts: a table of cells, indexed by region, area, level and kind; index 0 of region and area is "none stated" ---- */

enum {
    MAX_CELLS = 200000,
    MAX_VALUES = 400, /* regions or areas that one organisation can count in */
    N_LEVELS = ORGANISATION_LEVEL_LOCAL + 1,
    N_KINDS = ORGANISATION_KIND_OTHER + 1,
};

struct axis {
    const char **values; /* sorted; values[0] is "" */
    size_t n;            /* 1 when not counted by it */
};

struct counts {
    bool by_region, by_area, by_level, by_kind;
    struct axis regions, areas;
    size_t n_levels, n_kinds;
    uint64_t *cells;
    size_t n_cells;
    uint64_t total;
};

/* The keys of a table of one text each, with "" before them. */
static int read_axis(const struct query_in *in, const struct table *t, bool wanted,
                     struct axis *ret)
{
    size_t room = wanted ? (size_t)rd_count(in->state, t) + 1 : 1;
    ret->values = arena_calloc(in->arena, room, sizeof(*ret->values));
    if (!ret->values)
        return -ENOMEM;
    ret->values[0] = "";
    ret->n = 1;
    if (!wanted)
        return 0;
    struct scan s;
    for (scan_prefix(&s, in->state, t, &KEY_INIT); ret->n < room && scan_next(&s);) {
        char text[KEY_MAX];
        struct key_reader reader = { .rest = s.key };
        if (!key_read_text(&reader, text, sizeof(text)))
            return scan_give_up(&s, -EBADMSG);
        ret->values[ret->n] = arena_strdup(in->arena, text);
        if (!ret->values[ret->n])
            return scan_give_up(&s, -ENOMEM);
        ret->n++;
    }
    return scan_end(&s);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* 0 for a value that is not on the axis: it counts as none stated. */
static size_t axis_find(const struct axis *axis, const void *text, size_t len)
{
    char wanted[KEY_MAX];
    const char *key = wanted;
    if (axis->n <= 1 || len >= sizeof(wanted))
        return 0;
    memcpy(wanted, text, len);
    wanted[len] = '\0';
    const char **found = bsearch(&key, axis->values, axis->n, sizeof(*axis->values), by_text);
    return found ? (size_t)(found - axis->values) : 0;
}

/* A small set of places on an axis. */
struct places {
    size_t values[MAX_VALUES];
    size_t n;
};

static void places_add(struct places *p, size_t value)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->values[i] == value)
            return;
    }
    if (value > 0 && p->n < MAX_VALUES)
        p->values[p->n++] = value;
}

static void count_one(struct counts *c, struct slice facets)
{
    struct places regions = { .n = 0 }, areas = { .n = 0 };
    size_t level = 0, kind = 0;
    struct facet f;
    while (facets.len > 0 && facet_next(&facets, &f)) {
        if (f.number == FACET_REGION && c->by_region)
            places_add(&regions, axis_find(&c->regions, f.text.data, f.text.len));
        if (f.number == FACET_MUNICIPALITY && c->by_region && f.text.len >= 2)
            places_add(&regions, axis_find(&c->regions, f.text.data, 2));
        if (f.number == FACET_CARE_AREA && c->by_area)
            places_add(&areas, axis_find(&c->areas, f.text.data, f.text.len));
        if (f.number == FACET_LEVEL && c->by_level && f.value < N_LEVELS)
            level = (size_t)f.value;
        if (f.number == FACET_KIND && c->by_kind && f.value < N_KINDS)
            kind = (size_t)f.value;
    }
    if (regions.n == 0)
        regions.values[regions.n++] = 0;
    if (areas.n == 0)
        areas.values[areas.n++] = 0;
    for (size_t r = 0; r < regions.n; r++) {
        for (size_t a = 0; a < areas.n; a++) {
            size_t row = regions.values[r] * c->areas.n + areas.values[a];
            c->cells[(row * c->n_levels + level) * c->n_kinds + kind]++;
        }
    }
    c->total++;
}

static int count_all(const struct query_in *in, const struct filter *filter, struct counts *c)
{
    struct scan s;
    for (scan_prefix(&s, in->state, &T_ORGANISATION_ORDER, &KEY_INIT); scan_next(&s);) {
        bool fits;
        int r = filter_fits(filter, s.value, &fits);
        if (r < 0)
            return scan_give_up(&s, r);
        if (fits)
            count_one(c, s.value);
    }
    return scan_end(&s);
}

/* Level and kind are always stated, so their index 0 is no cell. */
static int show_cells(const struct query_in *in, const struct counts *c,
                      CountOrganisationsResponse *res)
{
    CountCell *cells = arena_calloc(in->arena, c->n_cells, sizeof(*cells));
    res->cells = arena_calloc(in->arena, c->n_cells, sizeof(*res->cells));
    if (!cells || !res->cells)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_cells; i++) {
        size_t kind = i % c->n_kinds, rest = i / c->n_kinds;
        size_t level = rest % c->n_levels;
        rest /= c->n_levels;
        if ((c->by_kind && kind == 0) || (c->by_level && level == 0))
            continue;
        CountCell *cell = &cells[res->n_cells];
        *cell = (CountCell)COUNT_CELL_INIT;
        cell->region_code = (char *)c->regions.values[rest / c->areas.n];
        cell->care_area = (char *)c->areas.values[rest % c->areas.n];
        cell->level = (OrganisationLevel)level;
        cell->kind = (OrganisationKind)kind;
        cell->count = c->cells[i];
        res->cells[res->n_cells++] = cell;
    }
    return 0;
}

int directory_count_organisations(const struct query_in *in, const CountOrganisationsRequest *req,
                                  CountOrganisationsResponse *res, struct status *status)
{
    struct counts c = { 0 };
    for (size_t i = 0; i < req->n_group_by; i++) {
        CountDimension by = req->group_by[i];
        c.by_region |= by == COUNT_DIMENSION_REGION;
        c.by_area |= by == COUNT_DIMENSION_CARE_AREA;
        c.by_level |= by == COUNT_DIMENSION_LEVEL;
        c.by_kind |= by == COUNT_DIMENSION_KIND;
        if (by < COUNT_DIMENSION_REGION || by > COUNT_DIMENSION_KIND)
            return status_violation(status, "group_by",
                                    "must be of region, care area, level and kind");
    }
    struct filter filter;
    int r = filter_make(in->state, in->arena, req->filter, "", &filter);
    if (r == 0)
        r = read_axis(in, &T_REGION, c.by_region, &c.regions);
    if (r == 0)
        r = read_axis(in, &T_CARE_AREA, c.by_area, &c.areas);
    if (r < 0)
        return r;
    c.n_levels = c.by_level ? N_LEVELS : 1;
    c.n_kinds = c.by_kind ? N_KINDS : 1;
    c.n_cells = c.regions.n * c.areas.n * c.n_levels * c.n_kinds;
    if (c.n_cells > MAX_CELLS)
        return status_refuse(status, CODE_RESOURCE_EXHAUSTED,
                             "group_by: too many cells; count by fewer at a time");
    c.cells = arena_calloc(in->arena, c.n_cells, sizeof(*c.cells));
    if (!c.cells)
        return -ENOMEM;
    r = count_all(in, &filter, &c);
    res->total = c.total;
    if (r < 0 || req->n_group_by == 0)
        return r;
    return show_cells(in, &c, res);
}

/* ---- duplicates: what organisations share is sorted, so that those alike stand side by side ---- */

enum { DUPLICATES_DEFAULT = 200, SCRATCH_BYTES = 1024 * 1024 };

struct trait {
    int rank; /* 0 surest */
    DuplicateReason reason;
    const char *value;
    OrganisationLevel
        level; /* with `name`, what must be alike besides: a website alone is shared by whole federations */
    const char *name;
    const char *slug;
};

static int by_trait(const void *a, const void *b)
{
    const struct trait *x = a, *y = b;
    if (x->rank != y->rank)
        return x->rank - y->rank;
    int order = strcmp(x->value, y->value);
    if (order == 0 && x->level != y->level)
        order = x->level < y->level ? -1 : 1;
    if (order == 0)
        order = strcmp(x->name, y->name);
    return order ? order : strcmp(x->slug, y->slug);
}

/* Of two that are sorted: names that begin alike stand behind the one they begin with. */
static bool is_alike(const struct trait *a, const struct trait *b)
{
    return a->rank == b->rank && strcmp(a->value, b->value) == 0 && a->level == b->level &&
           strncmp(a->name, b->name, strlen(a->name)) == 0;
}

struct traits {
    struct arena *arena;
    struct trait *all;
    size_t n, room;
};

static int add_trait(struct traits *t, struct trait trait)
{
    if (!*trait.value || t->n == t->room)
        return 0;
    trait.value = arena_strdup(t->arena, trait.value);
    trait.name = trait.name ? arena_strdup(t->arena, trait.name) : "";
    if (!trait.value || !trait.name)
        return -ENOMEM;
    t->all[t->n++] = trait;
    return 0;
}

static int add_short_name(struct traits *t, const Organisation *o, const char *slug)
{
    struct text_folded folded;
    text_fold(o->short_name, &folded);
    if (!*folded.text)
        return 0;
    char value[TEXT_FOLD_MAX + 16];
    (void)snprintf(value, sizeof(value), "%s%s%.8s", folded.text, o->n_region_codes ? " " : "",
                   o->n_region_codes ? o->region_codes[0] : ""); /* both parts are bounded */
    return add_trait(
        t, (struct trait) {
               .rank = 2, .reason = DUPLICATE_REASON_SHORT_NAME, .value = value, .slug = slug });
}

static int add_traits(struct traits *t, const Organisation *o)
{
    if (!organisation_is_live(o))
        return 0;
    const char *slug = arena_strdup(t->arena, o->slug);
    if (!slug)
        return -ENOMEM;
    struct text_folded folded;
    char host[TEXT_FOLD_MAX + 1];
    text_fold(o->name, &folded);
    text_host(o->website, host);
    int r = add_trait(
        t, (struct trait) {
               .rank = 0, .reason = DUPLICATE_REASON_NAME, .value = folded.text, .slug = slug });
    if (r == 0)
        r = add_trait(t, (struct trait) { .rank = 1,
                                          .reason = DUPLICATE_REASON_WEBSITE,
                                          .value = host,
                                          .level = o->level,
                                          .name = folded.text,
                                          .slug = slug });
    if (r == 0)
        r = add_short_name(t, o, slug);
    return r;
}

static void free_scratch(struct arena **arena)
{
    arena_free(*arena);
}

/* Whole organisations are unpacked here, into an arena that is emptied after each. */
static int collect_traits(const struct query_in *in, struct traits *t)
{
    AUTO(free_scratch) struct arena *scratch = arena_new(SCRATCH_BYTES);
    if (!scratch)
        return -ENOMEM;
    struct scan s;
    for (scan_prefix(&s, in->state, &T_ORGANISATION, &KEY_INIT); scan_next(&s);) {
        Organisation *o = (Organisation *)protobuf_c_message_unpack(
            ORGANISATION_DESCRIPTOR, arena_pb(scratch), s.value.len, s.value.data);
        int r = o ? add_traits(t, o) : -EBADMSG;
        if (r < 0)
            return scan_give_up(&s, r);
        arena_reset(scratch);
    }
    return scan_end(&s);
}

static bool is_known_pair(const FindDuplicatesResponse *res, const char *a, const char *b)
{
    for (size_t i = 0; i < res->n_pairs; i++) {
        if (strcmp(res->pairs[i]->slug, a) == 0 && strcmp(res->pairs[i]->other_slug, b) == 0)
            return true;
    }
    return false;
}

/* Each of a group is paired with the group's first, so that a group of n makes n - 1 pairs. */
static int show_pairs(struct arena *arena, const struct traits *t, uint32_t limit,
                      FindDuplicatesResponse *res)
{
    size_t first = 0;
    for (size_t i = 1; i < t->n && !res->more; i++) {
        const struct trait *a = &t->all[first], *b = &t->all[i];
        if (!is_alike(a, b)) {
            first = i;
            continue;
        }
        if (strcmp(a->slug, b->slug) == 0 || is_known_pair(res, a->slug, b->slug))
            continue;
        if (res->n_pairs == limit) {
            res->more = true;
            continue;
        }
        DuplicatePair *pair = arena_alloc(arena, sizeof(*pair));
        if (!pair)
            return -ENOMEM;
        *pair = (DuplicatePair)DUPLICATE_PAIR_INIT;
        pair->slug = (char *)a->slug;
        pair->other_slug = (char *)b->slug;
        pair->reason = a->reason;
        pair->value = (char *)a->value;
        res->pairs[res->n_pairs++] = pair;
    }
    return 0;
}

int directory_find_duplicates(const struct query_in *in, const FindDuplicatesRequest *req,
                              FindDuplicatesResponse *res, struct status *status)
{
    (void)status; /* nothing can be refused */
    uint32_t limit = req->limit ? req->limit : DUPLICATES_DEFAULT;
    struct traits t = { .arena = in->arena };
    t.room = (size_t)rd_count(in->state, &T_ORGANISATION) * 3;
    t.all = arena_calloc(in->arena, t.room + 1, sizeof(*t.all));
    res->pairs = arena_calloc(in->arena, limit, sizeof(*res->pairs));
    if (!t.all || !res->pairs)
        return -ENOMEM;
    int r = collect_traits(in, &t);
    if (r < 0)
        return r;
    qsort(t.all, t.n, sizeof(*t.all), by_trait);
    return show_pairs(in->arena, &t, limit, res);
}
