/* tables.c - declares the tables and finds what is in them. */
#include "services/directory/searches.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "common/search.h"
#include "common/text.h"

#define TABLE(constant, text, message)                                                             \
    const struct table constant = { .name = (text),                                                \
                                    .type = &fokus__directory__v1__##message##__descriptor }
#define INDEX(constant, text) const struct table constant = { .name = (text) }

TABLE(T_ORGANISATION, "organisation", organisation);
TABLE(T_ORGANISATION_ORDER, "organisation_order", organisation_facets);
INDEX(T_ORGANISATION_NAME, "organisation_name");
TABLE(T_MERGE, "merge", merge_note);
INDEX(T_MERGED_INTO, "merged_into");
INDEX(T_BRANCH, "branch");
TABLE(T_HISTORY, "history", history_entry);
INDEX(T_LIVE_COUNT, "live_count");
TABLE(T_CARE_AREA, "care_area", care_area);
TABLE(T_PATIENT_RIGHT, "patient_right", patient_right);
TABLE(T_TERM, "term", term);
TABLE(T_REGION, "region", region);
TABLE(T_MUNICIPALITY, "municipality", municipality);
TABLE(T_HEALTHCARE_REGION, "healthcare_region", healthcare_region);
TABLE(T_HELPLINE, "helpline", helpline);
TABLE(T_SYNONYM, "synonym", synonym);
TABLE(T_CRISIS_WORD, "crisis_word", crisis_word);
INDEX(T_PLACE, "place");
TABLE(T_SEARCHES, "searches", searched_text);
TABLE(T_SUGGESTION, "suggestion", suggestion);
INDEX(T_SUGGESTION_OPEN, "suggestion_open");
TABLE(T_ERROR_REPORT, "error_report", error_report);
INDEX(T_ERROR_REPORT_OPEN, "error_report_open");
INDEX(T_OPEN_CONTENT, "open_content");

const struct table *const directory_tables[] = {
    &T_ORGANISATION,
    &T_ORGANISATION_ORDER,
    &T_ORGANISATION_NAME,
    &T_MERGE,
    &T_MERGED_INTO,
    &T_BRANCH,
    &T_HISTORY,
    &T_LIVE_COUNT,
    &T_CARE_AREA,
    &T_PATIENT_RIGHT,
    &T_TERM,
    &T_REGION,
    &T_MUNICIPALITY,
    &T_HEALTHCARE_REGION,
    &T_HELPLINE,
    &T_SYNONYM,
    &T_CRISIS_WORD,
    &T_PLACE,
    &T_SEARCHES,
    &T_SUGGESTION,
    &T_SUGGESTION_OPEN,
    &T_ERROR_REPORT,
    &T_ERROR_REPORT_OPEN,
    &T_OPEN_CONTENT,
    SEARCH_TABLES,
    NULL,
};

/* Another number replays the log. LAYOUT is to be raised with every change of the layout above, of apply() or of text_fold(). What
 * the search makes of texts (its own version, the lexicon, the stemmer), and ICU, whose sort keys stand in organisation_order, come
 * along by themselves. */
enum { LAYOUT = 6 };

const struct service_def directory_service = {
    .name = "directory",
    .schema = LAYOUT * 1000 + SEARCH_VERSION,
    .texts = text_version,
    .contract = &directory_contract,
    .tables = directory_tables,
    .apply = directory_apply,
    .chore = searches_chore,
};

int organisation_find(const struct rd *rd, const char *slug, Organisation **ret)
{
    return rd_get(rd, &T_ORGANISATION, KEY_TEXT(slug), ret);
}

int organisation_resolve(const struct rd *rd, const char *slug, Organisation **ret)
{
    Organisation *o = NULL;
    int r = organisation_find(rd, slug, &o);
    for (int i = 0; r == 0 && o->state == ORGANISATION_STATE_MERGED; i++) {
        if (i == MAX_REDIRECTS)
            return -EBADMSG;
        r = organisation_find(rd, o->merged_into, &o);
    }
    if (r == 0)
        *ret = o;
    return r;
}

bool organisation_is_live(const Organisation *o)
{
    return o->state == ORGANISATION_STATE_ACTIVE || o->state == ORGANISATION_STATE_DORMANT;
}

void organisation_order_key(const char *name, const char *slug, struct key *ret)
{
    uint8_t sort[TEXT_SORT_MAX];
    size_t len = text_sort_key(name, sort);
    *ret = KEY_INIT;
    key_text(key_bytes(ret, sort, len), slug);
}

static uint32_t unknown_bits(const Organisation *o)
{
    uint32_t bits = 0;
    if (!*o->website)
        bits |= 1U << UNKNOWN_FIELD_WEBSITE;
    if (o->n_care_areas == 0)
        bits |= 1U << UNKNOWN_FIELD_CARE_AREAS;
    if (o->n_region_codes == 0 && o->n_municipality_codes == 0)
        bits |= 1U << UNKNOWN_FIELD_REGION_CODES;
    if (!o->contact)
        bits |= 1U << UNKNOWN_FIELD_CONTACT;
    if (!*o->description)
        bits |= 1U << UNKNOWN_FIELD_DESCRIPTION;
    if (!*o->last_confirmed)
        bits |= 1U << UNKNOWN_FIELD_CONFIRMATION;
    return bits;
}

void organisation_facets(const Organisation *o, OrganisationFacets *ret)
{
    *ret = (OrganisationFacets)ORGANISATION_FACETS_INIT;
    ret->kind = o->kind;
    ret->level = o->level;
    ret->state = o->state;
    ret->unknown = unknown_bits(o);
    ret->n_region_codes = o->n_region_codes;
    ret->region_codes = o->region_codes;
    ret->n_municipality_codes = o->n_municipality_codes;
    ret->municipality_codes = o->municipality_codes;
    ret->n_care_areas = o->n_care_areas;
    ret->care_areas = o->care_areas;
    ret->parent_slug = o->parent_slug;
    ret->last_confirmed = o->last_confirmed;
}

void term_key(const char *abbreviation, const char *term, struct key *ret)
{
    struct text_folded folded;
    text_fold(abbreviation, &folded);
    *ret = KEY_INIT;
    key_text(key_text(ret, folded.text), term);
}

static uint64_t read_u64(struct slice bytes)
{
    uint64_t n = 0;
    for (size_t i = 0; i < bytes.len && i < 8; i++)
        n = n << 8 | bytes.data[i];
    return n;
}

uint64_t live_count(const struct rd *rd, const char *care_area)
{
    struct slice bytes;
    if (rd_get_bytes(rd, &T_LIVE_COUNT, KEY_TEXT(care_area), &bytes) < 0)
        return 0;
    return read_u64(bytes);
}

int next_number(const struct rd *rd, const struct table *t, uint64_t *ret)
{
    struct scan s;
    uint64_t last = 0;
    scan_backwards(&s, rd, t, &KEY_INIT);
    if (scan_next(&s)) {
        struct key_reader r = { .rest = s.key };
        if (!key_read_u64(&r, &last))
            return scan_give_up(&s, -EBADMSG);
    }
    int r = scan_end(&s);
    if (r == 0)
        *ret = last + 1;
    return r;
}

int content_key(struct arena *arena, uint8_t kind, const void *message, struct key *ret)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, len ? len : 1);
    if (!bytes)
        return -ENOMEM;
    protobuf_c_message_pack(message, bytes);
    uint8_t hash[CONTENT_HASH_BYTES];
    crypto_generichash(hash, sizeof(hash), bytes, len, NULL, 0);
    *ret = KEY_INIT;
    key_bytes(key_u8(ret, kind), hash, sizeof(hash));
    return 0;
}

int content_find(const struct rd *rd, const struct key *k, uint64_t *ret_number)
{
    struct slice bytes;
    int r = rd_get_bytes(rd, &T_OPEN_CONTENT, k, &bytes);
    if (r == 0)
        *ret_number = read_u64(bytes);
    return r;
}

int scan_give_up(struct scan *s, int r)
{
    (void)scan_end(s); /* what went wrong before is what is told */
    return r;
}
