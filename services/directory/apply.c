/* apply.c - what each event does to the tables. Runs live and on replay; no clock, no random, cannot refuse. An event about something
 * that is not there can only come from a broken log, and fails the transaction. */
#include <errno.h>
#include <string.h>

#include "common/pack.h"
#include "common/search.h"
#include "services/directory/crisis.h"
#include "services/directory/findable.h"
#include "services/directory/place.h"
#include "services/directory/rules.h"
#include "services/directory/text.h"

/* ---- organisations and their indexes ---- */

static void put_u64(struct wr *wr, const struct table *t, const struct key *k, uint64_t value)
{
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
    wr_put_bytes(wr, t, k, bytes, sizeof(bytes));
}

static void add_live(struct wr *wr, const char *care_area, int difference)
{
    uint64_t count = live_count(wr_rd(wr), care_area);
    put_u64(wr, &T_LIVE_COUNT, KEY_TEXT(care_area), count + (uint64_t)(int64_t)difference);
}

static void count_live(struct wr *wr, const Organisation *o, int difference)
{
    if (!organisation_is_live(o))
        return;
    add_live(wr, "", difference);
    for (size_t i = 0; i < o->n_care_areas; i++)
        add_live(wr, o->care_areas[i], difference);
}

static bool counts_alike(const Organisation *a, const Organisation *b)
{
    return organisation_is_live(a) == organisation_is_live(b) &&
           text_same_list(a->care_areas, a->n_care_areas, b->care_areas, b->n_care_areas);
}

static bool named_alike(const Organisation *a, const Organisation *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->short_name, b->short_name) == 0 &&
           text_same_list(a->former_names, a->n_former_names, b->former_names, b->n_former_names);
}

static void index_name(struct wr *wr, const char *name, const char *slug, bool add)
{
    struct text_folded folded;
    text_fold(name, &folded);
    for (size_t i = 0; i < folded.n_words; i++) {
        struct key k = KEY_INIT;
        key_u8(&k, folded.words[i] == 0 ? NAME_WHOLE : NAME_FROM_WORD);
        key_text(key_text(&k, folded.text + folded.words[i]), slug);
        if (add)
            wr_put_bytes(wr, &T_ORGANISATION_NAME, &k, name, strlen(name));
        else
            wr_delete(wr, &T_ORGANISATION_NAME, &k);
    }
}

static void index_names(struct wr *wr, const Organisation *o, bool add)
{
    /* The full name last: where two names share a key, it is the one shown. */
    for (size_t i = 0; i < o->n_former_names; i++)
        index_name(wr, o->former_names[i], o->slug, add);
    index_name(wr, o->short_name, o->slug, add);
    index_name(wr, o->name, o->slug, add);
}

static void index_parent(struct wr *wr, const Organisation *old, const Organisation *o)
{
    struct key before = KEY_INIT, k = KEY_INIT;
    if (old && strcmp(old->parent_slug, o->parent_slug) == 0)
        return;
    if (old && *old->parent_slug)
        wr_delete(wr, &T_BRANCH, key_text(key_text(&before, old->parent_slug), old->slug));
    if (*o->parent_slug)
        wr_put_bytes(wr, &T_BRANCH, key_text(key_text(&k, o->parent_slug), o->slug), "", 0);
}

/* Whether both stand at the same place in the order, with the same facets. */
static bool ordered_alike(const Organisation *a, const Organisation *b)
{
    uint8_t room_a[PACK_ROOM], room_b[PACK_ROOM];
    struct slice packed_a, packed_b;
    OrganisationFacets facets_a, facets_b;

    organisation_facets(a, &facets_a);
    organisation_facets(b, &facets_b);
    return strcmp(a->name, b->name) == 0 && pack_small(&facets_a.base, room_a, &packed_a) &&
           pack_small(&facets_b.base, room_b, &packed_b) && packed_a.len == packed_b.len &&
           memcmp(packed_a.data, packed_b.data, packed_a.len) == 0;
}

static void put_order(struct wr *wr, const Organisation *old, const Organisation *o)
{
    struct key place;
    OrganisationFacets facets;

    if (old && ordered_alike(old, o))
        return;
    if (old && strcmp(old->name, o->name) != 0) {
        organisation_order_key(old->name, old->slug, &place);
        wr_delete(wr, &T_ORGANISATION_ORDER, &place);
    }
    organisation_order_key(o->name, o->slug, &place);
    organisation_facets(o, &facets);
    wr_put(wr, &T_ORGANISATION_ORDER, &place, &facets);
}

/* Stores the organisation in place of `old` (NULL: it is new) and keeps all indexes in step. */
static int put_organisation(struct wr *wr, const Organisation *old, const Organisation *o)
{
    wr_put(wr, &T_ORGANISATION, KEY_TEXT(o->slug), o);

    put_order(wr, old, o);
    if (!old || !named_alike(old, o)) {
        if (old)
            index_names(wr, old, false);
        index_names(wr, o, true);
    }
    if (!old || !counts_alike(old, o)) {
        if (old)
            count_live(wr, old, -1);
        count_live(wr, o, 1);
    }
    index_parent(wr, old, o);
    return findable_organisation(wr, old, o);
}

static void put_history(struct wr *wr, const struct fact *fact, const char *slug,
                        char *const *changed_fields, size_t n_changed_fields)
{
    HistoryEntry entry = HISTORY_ENTRY_INIT;
    entry.sequence = fact->sequence;
    entry.time_ms = fact->time_ms;
    entry.actor = (char *)fact->actor;
    entry.type = (char *)fact->type;
    entry.changed_fields = (char **)changed_fields;
    entry.n_changed_fields = n_changed_fields;
    struct key k = KEY_INIT;
    key_u64(key_text(&k, slug), fact->sequence);
    wr_put(wr, &T_HISTORY, &k, &entry);
}

static int find_organisation(struct wr *wr, const char *slug, Organisation **ret)
{
    int r = organisation_find(wr_rd(wr), slug, ret);
    return r == -ENOENT ? -EBADMSG : r;
}

static int registered(struct wr *wr, const struct fact *fact, const OrganisationRegistered *e)
{
    if (!e->organisation)
        return -EBADMSG;
    put_history(wr, fact, e->organisation->slug, NULL, 0);
    return put_organisation(wr, NULL, e->organisation);
}

static int revised(struct wr *wr, const struct fact *fact, const OrganisationRevised *e)
{
    if (!e->organisation)
        return -EBADMSG;
    Organisation *old;
    int r = find_organisation(wr, e->organisation->slug, &old);
    if (r < 0)
        return r;
    put_history(wr, fact, e->organisation->slug, e->changed_fields, e->n_changed_fields);
    return put_organisation(wr, old, e->organisation);
}

static int merged(struct wr *wr, const struct fact *fact, const OrganisationsMerged *e)
{
    Organisation *old;
    int r = find_organisation(wr, e->slug, &old);
    if (r < 0)
        return r;
    MergeNote note = MERGE_NOTE_INIT;
    note.into = e->into;
    note.state = old->state;
    wr_put(wr, &T_MERGE, KEY_TEXT(e->slug), &note);
    struct key k = KEY_INIT;
    wr_put_bytes(wr, &T_MERGED_INTO, key_text(key_text(&k, e->into), e->slug), "", 0);

    Organisation o = *old;
    o.state = ORGANISATION_STATE_MERGED;
    o.merged_into = e->into;
    o.revision = e->revision;
    put_history(wr, fact, e->slug, NULL, 0);
    put_history(wr, fact, e->into, NULL, 0);
    return put_organisation(wr, old, &o);
}

static int unmerged(struct wr *wr, const struct fact *fact, const OrganisationsUnmerged *e)
{
    Organisation *old;
    int r = find_organisation(wr, e->slug, &old);
    if (r < 0)
        return r;
    wr_delete(wr, &T_MERGE, KEY_TEXT(e->slug));
    struct key k = KEY_INIT;
    wr_delete(wr, &T_MERGED_INTO, key_text(key_text(&k, e->from), e->slug));

    Organisation o = *old;
    o.state = e->state;
    o.merged_into = "";
    o.revision = e->revision;
    put_history(wr, fact, e->slug, NULL, 0);
    put_history(wr, fact, e->from, NULL, 0);
    return put_organisation(wr, old, &o);
}

static int closed(struct wr *wr, const struct fact *fact, const OrganisationClosed *e)
{
    Organisation *old;
    int r = find_organisation(wr, e->slug, &old);
    if (r < 0)
        return r;
    Organisation o = *old;
    o.state = ORGANISATION_STATE_CLOSED;
    o.closed_on = e->closed_on;
    o.closing_reason = e->reason;
    o.revision = e->revision;
    put_history(wr, fact, e->slug, NULL, 0);
    return put_organisation(wr, old, &o);
}

static int confirmed(struct wr *wr, const struct fact *fact, const OrganisationConfirmed *e)
{
    Organisation *old;
    int r = find_organisation(wr, e->slug, &old);
    if (r < 0)
        return r;
    Organisation o = *old;
    o.last_confirmed = e->date;
    o.revision = e->revision;
    put_history(wr, fact, e->slug, NULL, 0);
    return put_organisation(wr, old, &o);
}

/* ---- reference data ---- */

/* Reads what stands at the key: NULL when nothing does. */
static int read_old(struct wr *wr, const struct table *t, const struct key *k, void *ret)
{
    int r = rd_get(wr_rd(wr), t, k, ret);
    return r == -ENOENT ? 0 : r;
}

static int care_area_recorded(struct wr *wr, const CareArea *area)
{
    CareArea *old = NULL;
    int r = area ? read_old(wr, &T_CARE_AREA, KEY_TEXT(area->slug), &old) : -EBADMSG;
    if (r < 0)
        return r;
    wr_put(wr, &T_CARE_AREA, KEY_TEXT(area->slug), area);
    return findable_care_area(wr, old, area);
}

static int right_recorded(struct wr *wr, const PatientRight *right)
{
    if (!right)
        return -EBADMSG;
    wr_put(wr, &T_PATIENT_RIGHT, KEY_U64(right->number), right);
    findable_right(wr, right);
    return 0;
}

static int region_recorded(struct wr *wr, const Region *region)
{
    Region *old = NULL;
    int r = region ? read_old(wr, &T_REGION, KEY_TEXT(region->code), &old) : -EBADMSG;
    if (r < 0)
        return r;
    wr_put(wr, &T_REGION, KEY_TEXT(region->code), region);
    place_region(wr, old, region);
    return findable_region(wr, old, region);
}

static int municipality_recorded(struct wr *wr, const Municipality *m)
{
    Municipality *old = NULL;
    int r = m ? read_old(wr, &T_MUNICIPALITY, KEY_TEXT(m->code), &old) : -EBADMSG;
    if (r < 0)
        return r;
    wr_put(wr, &T_MUNICIPALITY, KEY_TEXT(m->code), m);
    place_municipality(wr, old, m);
    return findable_municipality(wr, old, m);
}

static int healthcare_region_recorded(struct wr *wr, const HealthcareRegion *h)
{
    HealthcareRegion *old = NULL;
    int r = h ? read_old(wr, &T_HEALTHCARE_REGION, KEY_TEXT(h->slug), &old) : -EBADMSG;
    if (r < 0)
        return r;
    wr_put(wr, &T_HEALTHCARE_REGION, KEY_TEXT(h->slug), h);
    place_healthcare_region(wr, old, h);
    return 0;
}

static int helpline_recorded(struct wr *wr, const Helpline *helpline)
{
    if (!helpline)
        return -EBADMSG;
    wr_put(wr, &T_HELPLINE, KEY_TEXT(helpline->slug), helpline);
    findable_helpline(wr, helpline);
    return 0;
}

static int term_recorded(struct wr *wr, const Term *term)
{
    if (!term)
        return -EBADMSG;
    struct key k;
    term_key(term->abbreviation, term->term_sv, &k);
    wr_put(wr, &T_TERM, &k, term);
    return findable_term(wr, term);
}

static int helpline_confirmed(struct wr *wr, const HelplineConfirmed *e)
{
    Helpline *helpline;
    int r = rd_get(wr_rd(wr), &T_HELPLINE, KEY_TEXT(e->slug), &helpline);
    if (r < 0)
        return r;
    helpline->last_confirmed = e->date;
    wr_put(wr, &T_HELPLINE, KEY_TEXT(e->slug), helpline);
    return 0;
}

/* ---- words that the search knows besides ---- */

static int synonym_put(struct wr *wr, const char *word, const Synonym *synonym)
{
    char *identity;
    int r = search_synonym_identity(rd_arena(wr_rd(wr)), word, &identity);
    if (r < 0)
        return r;
    if (synonym)
        wr_put(wr, &T_SYNONYM, KEY_TEXT(identity), synonym);
    else
        wr_delete(wr, &T_SYNONYM, KEY_TEXT(identity));
    search_synonym_put(wr, word, synonym ? (const char *const *)synonym->synonyms : NULL,
                       synonym ? synonym->n_synonyms : 0);
    return 0;
}

static int crisis_word_put(struct wr *wr, const char *word, WordLanguage language,
                           const CrisisWord *crisis_word)
{
    char *identity;
    int r = crisis_identity(rd_arena(wr_rd(wr)), word, language, &identity);
    if (r < 0)
        return r;
    if (crisis_word)
        wr_put(wr, &T_CRISIS_WORD, KEY_TEXT(identity), crisis_word);
    else
        wr_delete(wr, &T_CRISIS_WORD, KEY_TEXT(identity));
    return 0;
}

/* ---- what people search for ---- */

static int searches_counted(struct wr *wr, const struct fact *fact, const SearchesCounted *e)
{
    struct arena *arena = rd_arena(wr_rd(wr));
    char *month;
    int r = date_of(arena, fact->time_ms, &month);
    if (r < 0)
        return r;
    month[sizeof("2026-01") - 1] = '\0';
    for (size_t i = 0; i < e->n_counts; i++) {
        SearchedText sum = *e->counts[i], *old;
        struct key k = KEY_INIT;
        key_text(key_text(&k, month), sum.text);
        r = rd_get(wr_rd(wr), &T_SEARCHES, &k, &old);
        if (r < 0 && r != -ENOENT)
            return r;
        if (r == 0)
            sum.asked += old->asked;
        wr_put(wr, &T_SEARCHES, &k, &sum);
    }
    return 0;
}

/* ---- suggestions and error reports ---- */

static int suggested(struct wr *wr, const struct fact *fact, const OrganisationSuggested *e)
{
    if (!e->organisation)
        return -EBADMSG;
    Suggestion suggestion = SUGGESTION_INIT;
    suggestion.number = e->number;
    suggestion.state = SUGGESTION_STATE_OPEN;
    suggestion.organisation = e->organisation;
    suggestion.suggested_ms = fact->time_ms;
    wr_put(wr, &T_SUGGESTION, KEY_U64(e->number), &suggestion);
    wr_put_bytes(wr, &T_SUGGESTION_OPEN, KEY_U64(e->number), "", 0);

    struct key k;
    int r = content_key(rd_arena(wr_rd(wr)), CONTENT_SUGGESTION, e->organisation, &k);
    if (r == 0)
        put_u64(wr, &T_OPEN_CONTENT, &k, e->number);
    return r;
}

static int suggestion_decided(struct wr *wr, const struct fact *fact, uint64_t number,
                              SuggestionState state, char *slug, char *reason)
{
    Suggestion *suggestion;
    int r = rd_get(wr_rd(wr), &T_SUGGESTION, KEY_U64(number), &suggestion);
    if (r < 0)
        return r;
    struct key k;
    r = content_key(rd_arena(wr_rd(wr)), CONTENT_SUGGESTION, suggestion->organisation, &k);
    if (r < 0)
        return r;
    suggestion->state = state;
    suggestion->slug = slug;
    suggestion->reason = reason;
    suggestion->decided_ms = fact->time_ms;
    wr_put(wr, &T_SUGGESTION, KEY_U64(number), suggestion);
    wr_delete(wr, &T_SUGGESTION_OPEN, KEY_U64(number));
    wr_delete(wr, &T_OPEN_CONTENT, &k);
    return 0;
}

/* The hash is taken of what the public wrote: without number and times. */
static int report_content_key(struct wr *wr, const ErrorReport *report, struct key *ret)
{
    ReportErrorRequest content = REPORT_ERROR_REQUEST_INIT;
    content.entry_type = report->entry_type;
    content.key = report->key;
    content.text = report->text;
    return content_key(rd_arena(wr_rd(wr)), CONTENT_ERROR_REPORT, &content, ret);
}

static int error_reported(struct wr *wr, const struct fact *fact, const ErrorReported *e)
{
    ErrorReport report = ERROR_REPORT_INIT;
    report.number = e->number;
    report.entry_type = e->entry_type;
    report.key = e->key;
    report.text = e->text;
    report.reported_ms = fact->time_ms;
    wr_put(wr, &T_ERROR_REPORT, KEY_U64(e->number), &report);
    wr_put_bytes(wr, &T_ERROR_REPORT_OPEN, KEY_U64(e->number), "", 0);
    struct key k;
    int r = report_content_key(wr, &report, &k);
    if (r == 0)
        put_u64(wr, &T_OPEN_CONTENT, &k, e->number);
    return r;
}

static int report_resolved(struct wr *wr, const struct fact *fact, const ErrorReportResolved *e)
{
    ErrorReport *report;
    int r = rd_get(wr_rd(wr), &T_ERROR_REPORT, KEY_U64(e->number), &report);
    if (r < 0)
        return r;
    struct key k;
    r = report_content_key(wr, report, &k);
    if (r < 0)
        return r;
    report->resolved = true;
    report->resolution = e->resolution;
    report->resolved_ms = fact->time_ms;
    wr_put(wr, &T_ERROR_REPORT, KEY_U64(e->number), report);
    wr_delete(wr, &T_ERROR_REPORT_OPEN, KEY_U64(e->number));
    wr_delete(wr, &T_OPEN_CONTENT, &k);
    return 0;
}

static int apply_event(struct wr *wr, const struct fact *fact, const DirectoryEvent *e)
{
    switch (e->body_case) {
    case DIRECTORY_EVENT_ORGANISATION_REGISTERED:
        return registered(wr, fact, e->organisation_registered);
    case DIRECTORY_EVENT_ORGANISATION_REVISED:
        return revised(wr, fact, e->organisation_revised);
    case DIRECTORY_EVENT_ORGANISATIONS_MERGED:
        return merged(wr, fact, e->organisations_merged);
    case DIRECTORY_EVENT_ORGANISATIONS_UNMERGED:
        return unmerged(wr, fact, e->organisations_unmerged);
    case DIRECTORY_EVENT_ORGANISATION_CLOSED:
        return closed(wr, fact, e->organisation_closed);
    case DIRECTORY_EVENT_ORGANISATION_CONFIRMED:
        return confirmed(wr, fact, e->organisation_confirmed);
    case DIRECTORY_EVENT_CARE_AREA_RECORDED:
        return care_area_recorded(wr, e->care_area_recorded->care_area);
    case DIRECTORY_EVENT_PATIENT_RIGHT_RECORDED:
        return right_recorded(wr, e->patient_right_recorded->patient_right);
    case DIRECTORY_EVENT_TERM_RECORDED:
        return term_recorded(wr, e->term_recorded->term);
    case DIRECTORY_EVENT_REGION_RECORDED:
        return region_recorded(wr, e->region_recorded->region);
    case DIRECTORY_EVENT_MUNICIPALITY_RECORDED:
        return municipality_recorded(wr, e->municipality_recorded->municipality);
    case DIRECTORY_EVENT_HEALTHCARE_REGION_RECORDED:
        return healthcare_region_recorded(wr, e->healthcare_region_recorded->healthcare_region);
    case DIRECTORY_EVENT_HELPLINE_RECORDED:
        return helpline_recorded(wr, e->helpline_recorded->helpline);
    case DIRECTORY_EVENT_HELPLINE_CONFIRMED:
        return helpline_confirmed(wr, e->helpline_confirmed);
    case DIRECTORY_EVENT_ORGANISATION_SUGGESTED:
        return suggested(wr, fact, e->organisation_suggested);
    case DIRECTORY_EVENT_SUGGESTION_ACCEPTED:
        return suggestion_decided(wr, fact, e->suggestion_accepted->number,
                                  SUGGESTION_STATE_ACCEPTED, e->suggestion_accepted->slug, "");
    case DIRECTORY_EVENT_SUGGESTION_DECLINED:
        return suggestion_decided(wr, fact, e->suggestion_declined->number,
                                  SUGGESTION_STATE_DECLINED, "", e->suggestion_declined->reason);
    case DIRECTORY_EVENT_ERROR_REPORTED:
        return error_reported(wr, fact, e->error_reported);
    case DIRECTORY_EVENT_ERROR_REPORT_RESOLVED:
        return report_resolved(wr, fact, e->error_report_resolved);
    case DIRECTORY_EVENT_SYNONYM_RECORDED:
        if (!e->synonym_recorded->synonym)
            return -EBADMSG;
        return synonym_put(wr, e->synonym_recorded->synonym->word, e->synonym_recorded->synonym);
    case DIRECTORY_EVENT_SYNONYM_WITHDRAWN:
        return synonym_put(wr, e->synonym_withdrawn->word, NULL);
    case DIRECTORY_EVENT_CRISIS_WORD_RECORDED:
        if (!e->crisis_word_recorded->crisis_word)
            return -EBADMSG;
        return crisis_word_put(wr, e->crisis_word_recorded->crisis_word->word,
                               e->crisis_word_recorded->crisis_word->language,
                               e->crisis_word_recorded->crisis_word);
    case DIRECTORY_EVENT_CRISIS_WORD_WITHDRAWN:
        return crisis_word_put(wr, e->crisis_word_withdrawn->word,
                               e->crisis_word_withdrawn->language, NULL);
    case DIRECTORY_EVENT_SEARCHES_COUNTED:
        return searches_counted(wr, fact, e->searches_counted);
    case DIRECTORY_EVENT_NOT_SET:
    case DIRECTORY_EVENT_SENTINEL:
        return -EBADMSG;
    }
    return -EBADMSG;
}

int directory_apply(struct wr *wr, const struct fact *fact, const void *event)
{
    int r = apply_event(wr, fact, event);
    if (r < 0)
        return wr_fail(wr, r == -ENOENT ? EBADMSG : -r);
    return wr_status(wr);
}
