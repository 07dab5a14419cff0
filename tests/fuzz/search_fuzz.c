/* search_fuzz.c - any text in the search box, and any bytes as its request, through the checks and the directory's own handlers: always
 * answered or refused, and what an answer says of stretches of texts lies within them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core.h"
#include "common/testing_tree.h"
#include "common/utf8.h"
#include "services/directory/searches.h"

enum { ARENA_BYTES = 64 << 20, QUERY_MAX = 12000 };
#define NOW_MS 1767268800000

static struct core *core;
static struct arena *scratch, *replies;
static char path[] = "/tmp/fokus-search-fuzz-XXXXXX";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void clean_up(void)
{
    core_close(core);
    arena_free(scratch);
    arena_free(replies);
    testing_remove_tree(path);
}

/* ---- a small directory ---- */

static void happen(DirectoryEvent *event)
{
    struct id_source ids = { 0 };
    struct err err = { "" };

    arena_reset(scratch);
    check(core_append(core, &event->base, "x", NOW_MS, &ids, scratch, &err) == 0);
}

/* Puts `message`, which stands under the event's arm `field` of type `Recorded`, into the log. */
#define RECORD(ARM, Recorded, RECORDED, arm, field, message)                                       \
    do {                                                                                           \
        Recorded recorded = RECORDED##_INIT;                                                       \
        DirectoryEvent event = DIRECTORY_EVENT_INIT;                                               \
        recorded.field = (message);                                                                \
        event.body_case = DIRECTORY_EVENT_##ARM;                                                   \
        event.arm = &recorded;                                                                     \
        happen(&event);                                                                            \
    } while (0)

static void organisation(const char *slug, const char *name, const char *short_name, char *region,
                         char *area)
{
    Organisation o = ORGANISATION_INIT;

    o.slug = (char *)slug;
    o.name = (char *)name;
    o.short_name = (char *)short_name;
    o.description = "Stöd till den som är sjuk, och till anhöriga.";
    o.revision = 1;
    o.kind = ORGANISATION_KIND_PATIENT_ASSOCIATION;
    o.level = region ? ORGANISATION_LEVEL_REGIONAL : ORGANISATION_LEVEL_NATIONAL;
    o.state = ORGANISATION_STATE_ACTIVE;
    o.region_codes = &region;
    o.n_region_codes = region != NULL;
    o.care_areas = &area;
    o.n_care_areas = area != NULL;
    RECORD(ORGANISATION_REGISTERED, OrganisationRegistered, ORGANISATION_REGISTERED,
           organisation_registered, organisation, &o);
}

static void reference_data(void)
{
    HealthcareRegion south = HEALTHCARE_REGION_INIT;
    south.slug = "sodra";
    south.name = "Södra sjukvårdsregionen";
    south.region_codes = (char *[]) { "12" };
    south.n_region_codes = 1;
    RECORD(HEALTHCARE_REGION_RECORDED, HealthcareRegionRecorded, HEALTHCARE_REGION_RECORDED,
           healthcare_region_recorded, healthcare_region, &south);
    Region skane = REGION_INIT;
    skane.code = "12";
    skane.name = "Skåne län";
    skane.region_name = "Region Skåne";
    RECORD(REGION_RECORDED, RegionRecorded, REGION_RECORDED, region_recorded, region, &skane);
    Municipality malmo = MUNICIPALITY_INIT;
    malmo.code = "1280";
    malmo.name = "Malmö";
    malmo.region_code = "12";
    malmo.healthcare_region = "sodra";
    RECORD(MUNICIPALITY_RECORDED, MunicipalityRecorded, MUNICIPALITY_RECORDED,
           municipality_recorded, municipality, &malmo);
    CareArea area = CARE_AREA_INIT;
    area.slug = "cancersjukdomar";
    area.name_sv = "Cancersjukdomar";
    area.name_en = "Cancer";
    RECORD(CARE_AREA_RECORDED, CareAreaRecorded, CARE_AREA_RECORDED, care_area_recorded, care_area,
           &area);
    Term term = TERM_INIT;
    term.abbreviation = "ME/CFS";
    term.term_sv = "myalgisk encefalomyelit";
    RECORD(TERM_RECORDED, TermRecorded, TERM_RECORDED, term_recorded, term, &term);
}

static void words(void)
{
    Helpline line = HELPLINE_INIT;
    line.slug = "sjalvmordslinjen";
    line.name_sv = "Självmordslinjen";
    line.phone = "90101";
    RECORD(HELPLINE_RECORDED, HelplineRecorded, HELPLINE_RECORDED, helpline_recorded, helpline,
           &line);
    static const char *const crisis[] = { "självmord", "vill inte leva", "våld", "ätit tabletter" };
    for (size_t i = 0; i < ARRAY_LEN(crisis); i++) {
        CrisisWord word = CRISIS_WORD_INIT;
        word.word = (char *)crisis[i];
        word.kind = CRISIS_KIND_SUICIDE;
        word.helplines = (char *[]) { "sjalvmordslinjen" };
        word.n_helplines = 1;
        RECORD(CRISIS_WORD_RECORDED, CrisisWordRecorded, CRISIS_WORD_RECORDED, crisis_word_recorded,
               crisis_word, &word);
    }
    Synonym synonym = SYNONYM_INIT;
    synonym.word = "knöl i bröstet";
    synonym.synonyms = (char *[]) { "bröstcancer" };
    synonym.n_synonyms = 1;
    RECORD(SYNONYM_RECORDED, SynonymRecorded, SYNONYM_RECORDED, synonym_recorded, synonym,
           &synonym);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct err err = { "" };

    (void)argc;
    (void)argv;
    check(mkdtemp(path) != NULL);
    scratch = arena_new(ARENA_BYTES);
    replies = arena_new(ARENA_BYTES);
    check(scratch && replies && core_open_scratch(&core, &directory_service, path, &err) == 0);
    atexit(clean_up);
    reference_data();
    words();
    organisation("brostcancerforbundet", "Bröstcancerförbundet", "BCF", NULL, "cancersjukdomar");
    organisation("reumatikerdistriktet-skane", "Reumatikerdistriktet Skåne", "", "12", NULL);
    organisation("rme", "Riksförbundet för ME-patienter", "RME", NULL, NULL);
    organisation("spes", "S.P.E.S. – stöd efter självmord", "SPES", NULL, NULL);
    return 0;
}

/* ---- asking ---- */

/* The answer, or NULL when the call was refused. */
static void *ask(const char *name, struct slice body)
{
    const struct method *m = core_method(core, name);
    struct core_call call = {
        .method = name,
        .body = body,
        .caller = { .id = "" },
        .locale = "sv",
        .idempotency_key = "",
        .trace_id = "",
        .arena = scratch,
    };
    struct rd *rd = NULL;

    check(m && rd_begin(core_store(core), scratch, &rd) == 0);
    core_query(core, m, rd, scratch, NOW_MS, NULL, &call);
    check(!call.failure && call.status.code != CODE_INTERNAL);
    void *answer = NULL;
    if (call.status.code == CODE_OK) {
        answer = protobuf_c_message_unpack(m->response, arena_pb(replies), call.reply.len,
                                           call.reply.data);
        check(answer != NULL);
    }
    rd_end(rd);
    return answer;
}

static void *ask_message(const char *name, const ProtobufCMessage *request)
{
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = arena_alloc(replies, len + 1);

    check(bytes && protobuf_c_message_pack(request, bytes) == len);
    return ask(name, (struct slice) { bytes, len });
}

static size_t units_of(const char *text)
{
    size_t n = 0;

    for (const uint8_t *p = (const uint8_t *)text; *p; p++)
        n += (*p & 0xc0) != 0x80 ? 1U + (*p >= 0xf0) : 0U;
    return n;
}

static void check_spans(TextSpan **spans, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        check(spans[i]->start < spans[i]->end && spans[i]->end <= units_of(text) &&
              (i == 0 || spans[i - 1]->end <= spans[i]->start));
}

static void check_crisis(const CrisisHelp *crisis)
{
    if (crisis)
        check(crisis->n_helplines >= 2 && strcmp(crisis->helplines[0]->phone, "112") == 0 &&
              strcmp(crisis->helplines[1]->phone, "1177") == 0);
}

static void check_found(const SearchDirectoryResponse *r, const char *query)
{
    check(r->n_hits <= r->total && r->n_hits <= 50);
    check_crisis(r->crisis);
    for (size_t i = 0; i < r->n_hits; i++) {
        const SearchHit *hit = r->hits[i];
        check(*hit->key && *hit->name);
        check_spans(hit->name_highlights, hit->n_name_highlights, hit->name);
        check_spans(hit->description_highlights, hit->n_description_highlights, hit->description);
    }
    for (size_t i = 0; i < r->n_places; i++)
        check_spans(&r->places[i]->span, 1, query);
    for (size_t i = 0; i < r->n_corrections; i++)
        check_spans(&r->corrections[i]->span, 1, query);
    for (size_t i = 0; i < r->n_meanings; i++)
        check_spans(&r->meanings[i]->span, 1, query);
}

static void search(const char *query, uint8_t flags)
{
    SearchDirectoryRequest request = SEARCH_DIRECTORY_REQUEST_INIT;
    SearchFilter filter = SEARCH_FILTER_INIT;
    char *plain[] = { "skåne" };

    filter.region_codes = (char *[]) { "12" };
    filter.n_region_codes = 1;
    request.query = (char *)query;
    request.limit = flags & 15;
    request.offset = flags & 16 ? 2 : 0;
    request.filter = flags & 32 ? &filter : NULL;
    request.plain_words = plain;
    request.n_plain_words = flags & 64 ? 1 : 0;
    SearchDirectoryResponse *found =
        ask_message("fokus.directory.v1.DirectoryService/SearchDirectory", &request.base);
    if (found)
        check_found(found, query);

    CompleteSearchRequest begun = COMPLETE_SEARCH_REQUEST_INIT;
    begun.query = (char *)query;
    CompleteSearchResponse *completed =
        ask_message("fokus.directory.v1.DirectoryService/CompleteSearch", &begun.base);
    if (completed) {
        check_crisis(completed->crisis);
        for (size_t i = 0; i < completed->n_entries; i++)
            check_spans(completed->entries[i]->name_highlights,
                        completed->entries[i]->n_name_highlights, completed->entries[i]->name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char query[QUERY_MAX + 1];

    if (len == 0)
        return 0;
    uint8_t flags = *data++;
    len = len - 1 < QUERY_MAX ? len - 1 : QUERY_MAX;
    arena_reset(scratch);
    arena_reset(replies);
    if (flags & 128) {
        (void)ask("fokus.directory.v1.DirectoryService/SearchDirectory",
                  (struct slice) { data, len }); /* answered or refused */
        return 0;
    }
    memcpy(query, data, len);
    query[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (query[i] == '\0')
            query[i] = ' ';
    search(utf8_mend(query), flags);
    return 0;
}
