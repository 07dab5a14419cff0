/* findable.h - what the search finds in the directory, and by which words and columns: the documents that apply.c puts, and how a
 * hit leads back to its entry. */
#pragma once
#include "common/search.h"
#include "services/directory/tables.h"

/* Facets of a document. Only organisations have others than the type; of those each has at least one value in every
 * column that is counted, so that no count loses an entry. */
enum {
    COLUMN_TYPE = 1, /* number of the EntryType */
    COLUMN_KIND,     /* number of the OrganisationKind */
    COLUMN_LEVEL,    /* number of the OrganisationLevel */
    COLUMN_REGION,   /* codes, also those of municipalities' regions; or one of those below */
    COLUMN_HEALTHCARE_REGION, /* slugs; likewise */
    COLUMN_MUNICIPALITY,      /* codes, if any */
    COLUMN_CARE_AREA,         /* slugs, or VALUE_UNKNOWN; a care area has itself */
    COLUMN_DORMANT,           /* "1" */
};
#define VALUE_UNKNOWN    "?"          /* it should have one, and nobody has said which */
#define VALUE_NATIONWIDE "nationwide" /* a national organisation, whatever else it names */
#define VALUE_EVERYWHERE "everywhere" /* what has no place: areas, rights, terms, helplines */

/* ---- for apply.c ---- */

/* Brings the search in step with an organisation that was `old` (NULL: new) and is `o`. */
int findable_organisation(struct wr *wr, const Organisation *old, const Organisation *o) must_check;
/* The same for entries that organisations name. Call after the entry was stored; `old` is what it was, NULL for a new one. */
int findable_care_area(struct wr *wr, const CareArea *old, const CareArea *area) must_check;
int findable_region(struct wr *wr, const Region *old, const Region *region) must_check;
int findable_municipality(struct wr *wr, const Municipality *old, const Municipality *m) must_check;
void findable_right(struct wr *wr, const PatientRight *right);
int findable_term(struct wr *wr, const Term *term) must_check;
void findable_helpline(struct wr *wr, const Helpline *helpline);

/* ---- for queries ---- */

/* The entry behind a hit: one of the pointers is set. */
struct entry {
    EntryType type;
    const Organisation *organisation;
    const CareArea *care_area;
    const PatientRight *right;
    const Term *term;
    const Helpline *helpline;
};
/* The type of what a document's key leads to. */
EntryType findable_type(struct slice key);
/* The key of an organisation's document: it reads as the type's letter and the slug. */
enum { FINDABLE_KEY_MAX = SEARCH_KEY_MAX };
size_t findable_key(EntryType type, const char *key, uint8_t ret[FINDABLE_KEY_MAX]);
/* 0 or a negative errno; -EBADMSG: there is no such entry, the tables do not belong together. */
int findable_entry(const struct rd *rd, struct slice key, struct entry *ret) must_check;
