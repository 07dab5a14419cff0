/* findable.c - makes entries findable: puts a document for each into the search's tables, in the event's own transaction.
 *
 * A document is made of the tables as they are after the event, never of what came before: so it does not matter in which order
 * things were imported, or how often. Where an entry lends its words to others (an area to the organisations that work with it, a
 * region to those that serve it) a change of its words puts those others anew.
 *
 * Closed and merged organisations are not found; who asks for a merged one's slug is led on by GetOrganisation. */
#include "services/directory/findable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/directory/filter.h"
#include "services/directory/text.h"

enum {
    FIELDS_MAX = 8,
    NUMBER_CHARS = 12,
    REGION_CHARS = 3,
    LENT_ROOM = 4096, /* bytes of words that an organisation borrows from areas and places */
};

/* Weights in hundredths, and the words that such a field usually has. A name is worth more than a mention in a sentence; what
 * is borrowed makes an entry findable but hardly decides. */
#define FIELD_NAME        300, 4
#define FIELD_SHORT_NAME  300, 2
#define FIELD_FORMER_NAME 200, 4
#define FIELD_DESCRIPTION 100, 20
#define FIELD_LENT        40, 12

/* A document on its way. */
struct draft {
    struct search_field fields[FIELDS_MAX];
    struct search_facet facets[SEARCH_FACETS_MAX];
    size_t n_fields, n_facets;
};

static void add_field(struct draft *d, const char *text, uint32_t weight, uint32_t usual_words)
{
    if (*text && d->n_fields < FIELDS_MAX)
        d->fields[d->n_fields++] =
            (struct search_field) { text, strlen(text), weight, usual_words };
}

/* What has more values than fit goes without the last ones: municipalities, when an organisation names most of the country. */
static void add_facet(struct draft *d, uint8_t column, const char *value)
{
    for (size_t i = 0; i < d->n_facets; i++)
        if (d->facets[i].column == column && strcmp(d->facets[i].value, value) == 0)
            return;
    if (*value && d->n_facets < SEARCH_FACETS_MAX)
        d->facets[d->n_facets++] = (struct search_facet) { column, value };
}

static const char *number_text(char text[NUMBER_CHARS], int number)
{
    (void)snprintf(text, NUMBER_CHARS, "%d", number);
    return text;
}

static void put(struct wr *wr, const uint8_t *key, size_t key_len, const struct draft *d)
{
    search_put(wr, &(struct search_document) { .key = { key, key_len },
                                               .fields = d->fields,
                                               .n_fields = d->n_fields,
                                               .facets = d->facets,
                                               .n_facets = d->n_facets });
}

/* ---- keys: one byte of type, then what finds the entry in its table ---- */

size_t findable_key(EntryType type, const char *key, uint8_t ret[FINDABLE_KEY_MAX])
{
    size_t len = strlen(key);
    if (len > FINDABLE_KEY_MAX - 1)
        len = FINDABLE_KEY_MAX - 1;
    ret[0] = (uint8_t)type;
    memcpy(ret + 1, key, len);
    return len + 1;
}

/* A term's is the beginning of its key in T_TERM, nearly always all of it. */
static size_t term_document_key(const Term *term, uint8_t ret[FINDABLE_KEY_MAX])
{
    struct key k;
    term_key(term->abbreviation, term->term_sv, &k);
    size_t len = k.len < FINDABLE_KEY_MAX - 1 ? k.len : FINDABLE_KEY_MAX - 1;
    ret[0] = (uint8_t)ENTRY_TYPE_TERM;
    memcpy(ret + 1, k.bytes, len);
    return len + 1;
}

EntryType findable_type(struct slice key)
{
    return key.len > 0 && key.data[0] <= ENTRY_TYPE_HELPLINE ? (EntryType)key.data[0]
                                                             : ENTRY_TYPE_UNSPECIFIED;
}

static int read_term(const struct rd *rd, struct slice rest, const Term **ret)
{
    struct key prefix = KEY_INIT;
    memcpy(prefix.bytes, rest.data, rest.len);
    prefix.len = (uint16_t)rest.len;
    struct scan s;
    Term *term;
    scan_prefix(&s, rd, &T_TERM, &prefix);
    if (!scan_next(&s))
        return scan_give_up(&s, -ENOENT);
    int r = scan_message(&s, &term);
    if (r == 0)
        *ret = term;
    return scan_give_up(&s, r);
}

int findable_entry(const struct rd *rd, struct slice key, struct entry *ret)
{
    char text[FINDABLE_KEY_MAX + 1];
    struct slice rest = { key.data + 1, key.len - 1 };
    if (key.len < 2 || key.len > FINDABLE_KEY_MAX)
        return -EBADMSG;
    memcpy(text, rest.data, rest.len);
    text[rest.len] = '\0';
    *ret = (struct entry) { .type = findable_type(key) };
    int r = -EBADMSG;
    switch (ret->type) {
    case ENTRY_TYPE_ORGANISATION:
        r = rd_get(rd, &T_ORGANISATION, KEY_TEXT(text), &ret->organisation);
        break;
    case ENTRY_TYPE_CARE_AREA:
        r = rd_get(rd, &T_CARE_AREA, KEY_TEXT(text), &ret->care_area);
        break;
    case ENTRY_TYPE_PATIENT_RIGHT:
        r = rd_get(rd, &T_PATIENT_RIGHT, KEY_U64(strtoull(text, NULL, 10)), &ret->right);
        break;
    case ENTRY_TYPE_TERM:
        r = read_term(rd, rest, &ret->term);
        break;
    case ENTRY_TYPE_HELPLINE:
        r = rd_get(rd, &T_HELPLINE, KEY_TEXT(text), &ret->helpline);
        break;
    case ENTRY_TYPE_REGION:
    case ENTRY_TYPE_MUNICIPALITY:
    case ENTRY_TYPE_HEALTHCARE_REGION:
    case ENTRY_TYPE_UNSPECIFIED:
    case _ENTRY_TYPE_IS_INT_SIZE:
        break;
    }
    return r == -ENOENT ? -EBADMSG : r;
}

/* ---- organisations ---- */

/* Words of other entries, one after the other. */
struct lent {
    char text[LENT_ROOM];
    size_t len;
};

static void lend(struct lent *l, const char *words)
{
    size_t len = strlen(words);
    if (len == 0 || l->len + len + 2 > sizeof(l->text))
        return;
    memcpy(l->text + l->len, words, len);
    l->text[l->len + len] = '\n';
    l->len += len + 1;
    l->text[l->len] = '\0';
}

static int add_care_areas(struct wr *wr, const Organisation *o, struct draft *d, struct lent *lent)
{
    for (size_t i = 0; i < o->n_care_areas; i++) {
        const CareArea *area;
        int r = rd_get(wr_rd(wr), &T_CARE_AREA, KEY_TEXT(o->care_areas[i]), &area);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r == 0)
            lend(lent, area->name_sv);
        add_facet(d, COLUMN_CARE_AREA, o->care_areas[i]);
    }
    if (o->n_care_areas == 0)
        add_facet(d, COLUMN_CARE_AREA, VALUE_UNKNOWN);
    return 0;
}

/* Who names municipalities belongs to the healthcare regions of those, who names none to those of its regions: as in lists. */
static int add_region(struct wr *wr, const Organisation *o, const char *code, struct draft *d,
                      struct lent *lent)
{
    const Region *region;
    int r = rd_get(wr_rd(wr), &T_REGION, KEY_TEXT(code), &region);
    if (r == 0)
        lend(lent, region->name);
    for (size_t i = 0; r == 0 && o->n_municipality_codes == 0 && i < region->n_healthcare_region;
         i++)
        add_facet(d, COLUMN_HEALTHCARE_REGION, region->healthcare_region[i]);
    return r == -ENOENT ? 0 : r;
}

static int add_municipality(struct wr *wr, const char *code, struct draft *d, struct lent *lent)
{
    const Municipality *m;
    int r = rd_get(wr_rd(wr), &T_MUNICIPALITY, KEY_TEXT(code), &m);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    lend(lent, m->name);
    add_facet(d, COLUMN_HEALTHCARE_REGION, m->healthcare_region);
    return 0;
}

static bool lends_to_branches(const Organisation *o)
{
    return *o->description && o->kind == ORGANISATION_KIND_PATIENT_ASSOCIATION;
}

static void add_everywhere(struct draft *d, const char *value)
{
    add_facet(d, COLUMN_REGION, value);
    add_facet(d, COLUMN_HEALTHCARE_REGION, value);
}

/* Regions that are stated, then those of the municipalities. `regions` keeps the texts of the facets. */
static int add_places(struct wr *wr, const Organisation *o, struct draft *d, struct lent *lent,
                      char (*regions)[REGION_CHARS])
{
    int r = 0;
    for (size_t i = 0; i < o->n_region_codes && r == 0; i++) {
        add_facet(d, COLUMN_REGION, o->region_codes[i]);
        r = add_region(wr, o, o->region_codes[i], d, lent);
    }
    for (size_t i = 0; i < o->n_municipality_codes && r == 0; i++) {
        (void)snprintf(regions[i], REGION_CHARS, "%.2s", o->municipality_codes[i]);
        add_facet(d, COLUMN_REGION, regions[i]);
        r = add_municipality(wr, o->municipality_codes[i], d, lent);
    }
    for (size_t i = 0; i < o->n_municipality_codes; i++)
        add_facet(d, COLUMN_MUNICIPALITY, o->municipality_codes[i]);
    bool national = o->level == ORGANISATION_LEVEL_NATIONAL;
    if (national)
        add_everywhere(d, VALUE_NATIONWIDE);
    else if (o->n_region_codes == 0 && o->n_municipality_codes == 0)
        add_everywhere(d, VALUE_UNKNOWN);
    return r;
}

/* A branch is found by what its federation does: its own description is often no more than "our branch in Värmland". Members of
 * an umbrella have subjects of their own. */
static int add_federation(struct wr *wr, const Organisation *o, struct lent *lent)
{
    const Organisation *parent;
    if (!*o->parent_slug || o->level == ORGANISATION_LEVEL_NATIONAL)
        return 0;
    int r = rd_get(wr_rd(wr), &T_ORGANISATION, KEY_TEXT(o->parent_slug), &parent);
    if (r == 0 && lends_to_branches(parent))
        lend(lent, parent->description);
    return r == -ENOENT ? 0 : r;
}

/* Who is known by an abbreviation is found by what that is explained with: else a word of it led to the term alone. */
static int add_term(struct wr *wr, const Organisation *o, struct lent *lent)
{
    const Term *term;
    struct key k;
    if (!*o->short_name)
        return 0;
    term_key(o->short_name, o->name, &k);
    if (k.failed) /* no term has so long a name */
        return 0;
    int r = rd_get(wr_rd(wr), &T_TERM, &k, &term);
    if (r == 0)
        lend(lent, term->explanation_sv);
    return r == -ENOENT ? 0 : r;
}

static int put_organisation(struct wr *wr, const Organisation *o)
{
    struct draft d = { .n_fields = 0 };
    struct lent lent = { .len = 0 };
    char kind[NUMBER_CHARS], level[NUMBER_CHARS], type[NUMBER_CHARS];
    uint8_t key[FINDABLE_KEY_MAX];
    char(*regions)[REGION_CHARS] =
        arena_calloc(rd_arena(wr_rd(wr)), o->n_municipality_codes + 1, sizeof(*regions));
    if (!regions)
        return -ENOMEM;

    add_facet(&d, COLUMN_TYPE, number_text(type, ENTRY_TYPE_ORGANISATION));
    add_facet(&d, COLUMN_KIND, number_text(kind, (int)o->kind));
    add_facet(&d, COLUMN_LEVEL, number_text(level, (int)o->level));
    if (o->state == ORGANISATION_STATE_DORMANT)
        add_facet(&d, COLUMN_DORMANT, "1");
    int r = add_care_areas(wr, o, &d, &lent);
    if (r == 0)
        r = add_places(wr, o, &d, &lent, regions);
    if (r == 0)
        r = add_federation(wr, o, &lent);
    if (r == 0)
        r = add_term(wr, o, &lent);
    if (r < 0)
        return r;

    struct lent former = { .len = 0 };
    for (size_t i = 0; i < o->n_former_names; i++)
        lend(&former, o->former_names[i]);
    add_field(&d, o->name, FIELD_NAME);
    add_field(&d, o->short_name, FIELD_SHORT_NAME);
    add_field(&d, former.text, FIELD_FORMER_NAME);
    add_field(&d, o->description, FIELD_DESCRIPTION);
    add_field(&d, lent.text, FIELD_LENT);
    put(wr, key, findable_key(ENTRY_TYPE_ORGANISATION, o->slug, key), &d);
    return 0;
}

/* Whether both make the same document. Most events of an organisation (a confirmation, another e-mail address) change none. */
static bool found_alike(const Organisation *a, const Organisation *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->short_name, b->short_name) == 0 &&
           strcmp(a->description, b->description) == 0 &&
           strcmp(a->parent_slug, b->parent_slug) == 0 && a->kind == b->kind &&
           a->level == b->level && a->state == b->state &&
           text_same_list(a->former_names, a->n_former_names, b->former_names, b->n_former_names) &&
           text_same_list(a->care_areas, a->n_care_areas, b->care_areas, b->n_care_areas) &&
           text_same_list(a->region_codes, a->n_region_codes, b->region_codes, b->n_region_codes) &&
           text_same_list(a->municipality_codes, a->n_municipality_codes, b->municipality_codes,
                          b->n_municipality_codes);
}

/* Puts anew the living organisations whose slugs follow the prefix, in order of slug; only those of this name, unless it is NULL. */
static int put_listed(struct wr *wr, const struct table *t, const struct key *prefix,
                      const char *name)
{
    struct scan s;
    int r = 0;

    for (scan_prefix(&s, wr_rd(wr), t, prefix); r == 0 && scan_next(&s);) {
        struct key_reader reader = { .rest = { s.key.data + prefix->len,
                                               s.key.len - prefix->len } };
        char slug[101];
        const Organisation *o;
        if (!key_read_text(&reader, slug, sizeof(slug)))
            return scan_give_up(&s, -EBADMSG);
        r = rd_get(wr_rd(wr), &T_ORGANISATION, KEY_TEXT(slug), &o);
        if (r == 0 && organisation_is_live(o) && (!name || strcmp(o->name, name) == 0))
            r = put_organisation(wr, o);
    }
    return r < 0 ? scan_give_up(&s, r) : scan_end(&s);
}

static int put_branches(struct wr *wr, const char *parent)
{
    return put_listed(wr, &T_BRANCH, KEY_TEXT(parent), NULL);
}

/* Whether branches borrow the same of both. A federation that was closed or merged goes on lending: it is still theirs. */
static bool lends_alike(const Organisation *a, const Organisation *b)
{
    return lends_to_branches(a) == lends_to_branches(b) &&
           (!lends_to_branches(a) || strcmp(a->description, b->description) == 0);
}

int findable_organisation(struct wr *wr, const Organisation *old, const Organisation *o)
{
    uint8_t key[FINDABLE_KEY_MAX];
    int r = 0;
    if (organisation_is_live(o))
        r = old && found_alike(old, o) ? 0 : put_organisation(wr, o);
    else if (old && organisation_is_live(old))
        search_delete(wr,
                      (struct slice) { key, findable_key(ENTRY_TYPE_ORGANISATION, o->slug, key) });
    /* A new one may have branches already: rows of an import name each other in any order. */
    if (r == 0 && (old ? !lends_alike(old, o) : lends_to_branches(o)))
        r = put_branches(wr, o->slug);
    return r;
}

/* ---- what organisations borrow from ---- */

static bool names(struct slice facets, uint32_t number, const char *value)
{
    size_t len = strlen(value);
    struct facet f;
    while (facets.len > 0 && facet_next(&facets, &f))
        if (f.number == number && f.text.len == len && memcmp(f.text.data, value, len) == 0)
            return true;
    return false;
}

/* Puts anew the organisations that name the value. */
static int put_those_with(struct wr *wr, uint32_t number, const char *value)
{
    const struct rd *rd = wr_rd(wr);
    struct scan s;
    int r = 0;

    for (scan_prefix(&s, rd, &T_ORGANISATION_ORDER, &KEY_INIT); r == 0 && scan_next(&s);) {
        uint8_t sort[TEXT_SORT_MAX];
        char slug[101];
        size_t n;
        const Organisation *o;
        struct key_reader reader = { .rest = s.key };
        if (!names(s.value, number, value))
            continue;
        if (!key_read_bytes(&reader, sort, sizeof(sort), &n) ||
            !key_read_text(&reader, slug, sizeof(slug)))
            return scan_give_up(&s, -EBADMSG);
        r = rd_get(rd, &T_ORGANISATION, KEY_TEXT(slug), &o);
        if (r == 0 && organisation_is_live(o))
            r = put_organisation(wr, o);
    }
    return r < 0 ? scan_give_up(&s, r) : scan_end(&s);
}

int findable_care_area(struct wr *wr, const CareArea *old, const CareArea *area)
{
    struct draft d = { .n_fields = 0 };
    char type[NUMBER_CHARS];
    uint8_t key[FINDABLE_KEY_MAX];

    add_facet(&d, COLUMN_TYPE, number_text(type, ENTRY_TYPE_CARE_AREA));
    add_everywhere(&d, VALUE_EVERYWHERE);
    add_facet(&d, COLUMN_CARE_AREA, area->slug);
    add_field(&d, area->name_sv, FIELD_NAME);
    add_field(&d, area->name_en, FIELD_NAME);
    add_field(&d, area->description_sv, FIELD_DESCRIPTION);
    put(wr, key, findable_key(ENTRY_TYPE_CARE_AREA, area->slug, key), &d);
    if (old && strcmp(old->name_sv, area->name_sv) == 0)
        return 0;
    return put_those_with(wr, FACET_CARE_AREA, area->slug);
}

int findable_region(struct wr *wr, const Region *old, const Region *region)
{
    if (old && strcmp(old->name, region->name) == 0 &&
        text_same_list(old->healthcare_region, old->n_healthcare_region, region->healthcare_region,
                       region->n_healthcare_region))
        return 0;
    return put_those_with(wr, FACET_REGION, region->code);
}

int findable_municipality(struct wr *wr, const Municipality *old, const Municipality *m)
{
    if (old && strcmp(old->name, m->name) == 0 &&
        strcmp(old->healthcare_region, m->healthcare_region) == 0)
        return 0;
    return put_those_with(wr, FACET_MUNICIPALITY, m->code);
}

/* ---- what stands alone ---- */

void findable_right(struct wr *wr, const PatientRight *right)
{
    struct draft d = { .n_fields = 0 };
    char type[NUMBER_CHARS], number[NUMBER_CHARS];
    uint8_t key[FINDABLE_KEY_MAX];

    (void)snprintf(number, sizeof(number), "%u", right->number);
    add_facet(&d, COLUMN_TYPE, number_text(type, ENTRY_TYPE_PATIENT_RIGHT));
    add_everywhere(&d, VALUE_EVERYWHERE);
    add_field(&d, right->name_sv, FIELD_NAME);
    add_field(&d, right->name_en, FIELD_NAME);
    add_field(&d, right->summary_sv, FIELD_DESCRIPTION);
    add_field(&d, right->swedish_law, FIELD_LENT);
    put(wr, key, findable_key(ENTRY_TYPE_PATIENT_RIGHT, number, key), &d);
}

/* Puts anew the organisations that the term stands for. */
static int put_those_named(struct wr *wr, const char *name)
{
    struct key prefix = KEY_INIT;
    struct text_folded folded;

    text_fold(name, &folded);
    key_text(key_u8(&prefix, NAME_WHOLE), folded.text);
    return put_listed(wr, &T_ORGANISATION_NAME, &prefix, name);
}

int findable_term(struct wr *wr, const Term *term)
{
    struct draft d = { .n_fields = 0 };
    char type[NUMBER_CHARS];
    uint8_t key[FINDABLE_KEY_MAX];

    add_facet(&d, COLUMN_TYPE, number_text(type, ENTRY_TYPE_TERM));
    add_everywhere(&d, VALUE_EVERYWHERE);
    add_field(&d, term->abbreviation, FIELD_SHORT_NAME);
    add_field(&d, term->term_sv, FIELD_FORMER_NAME);
    add_field(&d, term->explanation_sv, FIELD_DESCRIPTION);
    put(wr, key, term_document_key(term, key), &d);
    return put_those_named(wr, term->term_sv);
}

void findable_helpline(struct wr *wr, const Helpline *helpline)
{
    struct draft d = { .n_fields = 0 };
    char type[NUMBER_CHARS];
    uint8_t key[FINDABLE_KEY_MAX];

    add_facet(&d, COLUMN_TYPE, number_text(type, ENTRY_TYPE_HELPLINE));
    add_everywhere(&d, VALUE_EVERYWHERE);
    add_field(&d, helpline->name_sv, FIELD_NAME);
    add_field(&d, helpline->for_whom_sv, FIELD_DESCRIPTION);
    put(wr, key, findable_key(ENTRY_TYPE_HELPLINE, helpline->slug, key), &d);
}
