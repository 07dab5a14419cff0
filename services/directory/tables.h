/* tables.h - every table of the directory, how its keys are laid out, and how to find what is in it.
 *
 * Finders read into the transaction's arena and answer 0, -ENOENT or another negative errno. Only apply.c writes. */
#pragma once
#include <stdint.h>

#include "common/service.h"
#include "common/store.h"
#include "fokus/directory/v1/directory.fokus.h"
#include "services/directory/text.h"

/*   organisation        (slug)                          -> Organisation: one look-up answers GetOrganisation
 *   organisation_order  (Swedish sort key, slug)        -> OrganisationFacets: lists and counts read only this
 *   organisation_name   (u8 0, folded name, slug)       -> the name as written   whole names, short names, former names
 *                       (u8 1, folded from a word, slug) -> the name as written  the same from their second word on
 *   merge               (slug of the duplicate)         -> MergeNote: where it went and its state before
 *   merged_into         (slug, slug of its duplicate)   -> nothing
 *   branch              (parent's slug, slug)           -> nothing
 *   history             (slug, u64 event sequence)      -> HistoryEntry
 *   live_count          ("" or a care area)             -> u64, how many active and dormant organisations
 *   care_area           (slug)                          -> CareArea
 *   patient_right       (u64 number)                    -> PatientRight
 *   term                (folded abbreviation, term)     -> Term
 *   region              (code)                          -> Region
 *   municipality        (code)                          -> Municipality
 *   healthcare_region   (slug)                          -> HealthcareRegion
 *   helpline            (slug)                          -> Helpline
 *   synonym             (search_synonym_identity())     -> Synonym
 *   crisis_word         (crisis_identity())             -> CrisisWord
 *   place               (folded name, u8 EntryType, code or slug) -> the name with its dots: place.c says what of it
 *   searches            (month "2026-01", text)         -> SearchedText
 *   suggestion          (u64 number)                    -> Suggestion
 *   suggestion_open     (u64 number)                    -> nothing
 *   error_report        (u64 number)                    -> ErrorReport
 *   error_report_open   (u64 number)                    -> nothing
 *   open_content        (u8 kind, 16-byte hash)         -> u64 number of the open suggestion or report with this content
 *   search_...          what common/search.h keeps; findable.c says of what */
extern const struct table T_ORGANISATION, T_ORGANISATION_ORDER, T_ORGANISATION_NAME, T_MERGE,
    T_MERGED_INTO, T_BRANCH, T_HISTORY, T_LIVE_COUNT, T_CARE_AREA, T_PATIENT_RIGHT, T_TERM,
    T_REGION, T_MUNICIPALITY, T_HEALTHCARE_REGION, T_HELPLINE, T_SYNONYM, T_CRISIS_WORD, T_SEARCHES,
    T_PLACE, T_SUGGESTION, T_SUGGESTION_OPEN, T_ERROR_REPORT, T_ERROR_REPORT_OPEN, T_OPEN_CONTENT;
extern const struct table *const directory_tables[];

extern const struct service_def directory_service;
int directory_apply(struct wr *wr, const struct fact *fact, const void *event);

enum { NAME_WHOLE = 0, NAME_FROM_WORD = 1 };
enum { CONTENT_SUGGESTION = 1, CONTENT_ERROR_REPORT = 2, CONTENT_HASH_BYTES = 16 };
enum { MAX_REDIRECTS = 10000 }; /* merges cannot make a circle; more than this is a broken store */

/* A key of one text or one number, for look-ups in passing. */
#define KEY_TEXT(text)  key_text(&KEY_INIT, (text))
#define KEY_U64(number) key_u64(&KEY_INIT, (number))

int organisation_find(const struct rd *rd, const char *slug, Organisation **ret) must_check;
/* The organisation that answers for the slug: itself, or the one it was merged into, through several merges. */
int organisation_resolve(const struct rd *rd, const char *slug, Organisation **ret) must_check;
bool organisation_is_live(const Organisation *o);
/* The Swedish place of an organisation in the alphabet. */
void organisation_order_key(const char *name, const char *slug, struct key *ret);
/* Points into the organisation. */
void organisation_facets(const Organisation *o, OrganisationFacets *ret);

void term_key(const char *abbreviation, const char *term, struct key *ret);
uint64_t live_count(const struct rd *rd, const char *care_area);

/* The next free number of suggestions or error reports: one more than the last. */
int next_number(const struct rd *rd, const struct table *t, uint64_t *ret) must_check;
/* What tells two suggestions or reports with the same content: 0, or -ENOMEM. */
int content_key(struct arena *arena, uint8_t kind, const void *message, struct key *ret) must_check;
int content_find(const struct rd *rd, const struct key *k, uint64_t *ret_number) must_check;

/* Ends a scan that met trouble and answers the trouble. */
int scan_give_up(struct scan *s, int r);
