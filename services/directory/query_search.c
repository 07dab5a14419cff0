/* query_search.c - the search as a visitor sees it: hits with what of them fits, counts, what the query was taken to mean, and help
 * when there is nothing. What answers, and in which order, is decided in seek.c.
 *
 * Nothing of a query is kept or logged here but, in memory, its count (searches.h) and its answer (answers.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/pack.h"
#include "common/packed.h"
#include "services/directory/answer.h"
#include "services/directory/answers.h"
#include "services/directory/searches.h"

enum {
    LIMIT_DEFAULT = 10,
    TERMS_OF_A_WORD = 4, /* meanings of one abbreviation */
    ABBREVIATIONS_MAX = 16,
};

/* ---- counts ---- */

/* The list of a column, and what its values are called. */
struct counted {
    uint8_t column;
    const ProtobufCEnumDescriptor *type; /* of numbers */
    const struct table *table;           /* of codes and slugs */
};

/* The enum's constant for a number in a facet; "" for the 0 of what is not stated. */
static char *constant_name(const ProtobufCEnumDescriptor *type, const char *number)
{
    int value = (int)strtol(number, NULL, 10);
    const ProtobufCEnumValue *v =
        value > 0 ? protobuf_c_enum_descriptor_get_value(type, value) : NULL;
    return v ? (char *)v->name : "";
}

enum { FIELD_NAME = 2, FIELD_NAME_EN = 3 }; /* of CareArea; a Region has the first */

/* What the directory calls the region or the area; "" when it does not know it. An answer has dozens of them, so the name alone is
 * taken out of the stored bytes. */
static int look_up_name(const struct seek *s, const struct counted *c, const char *value,
                        char **ret)
{
    struct packed_field field = { 0 };
    struct slice stored;
    char *sv = "", *en = "";
    int r = rd_get_bytes(s->in->state, c->table, KEY_TEXT(value), &stored);
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    while ((r = packed_take(&stored, &field)) > 0) {
        bool english = field.number == FIELD_NAME_EN && c->table == &T_CARE_AREA;
        if (field.number != FIELD_NAME && !english)
            continue;
        if (field.type != PACKED_LEN)
            return -EBADMSG;
        char *text = arena_strndup(s->in->arena, (const char *)field.data, field.len);
        if (!text)
            return -ENOMEM;
        *(english ? &en : &sv) = text;
    }
    *ret = answer_name(s, sv, en);
    return r;
}

/* One value's count. What has no place at all is in no cell: `*ret` stays NULL. */
static int make_count(const struct seek *s, const struct counted *c,
                      const struct search_count *from, SearchCount **ret)
{
    const char *value = from->facet.value;
    if (strcmp(value, VALUE_EVERYWHERE) == 0)
        return 0;
    SearchCount *count = arena_alloc(s->in->arena, sizeof(*count));
    if (!count)
        return -ENOMEM;
    *count = (SearchCount)SEARCH_COUNT_INIT;
    count->count = from->documents;
    *ret = count;
    if (c->type) {
        count->value = constant_name(c->type, value);
        return 0;
    }
    count->nationwide = strcmp(value, VALUE_NATIONWIDE) == 0;
    if (count->nationwide || strcmp(value, VALUE_UNKNOWN) == 0)
        return 0;
    count->value = (char *)value;
    return look_up_name(s, c, value, &count->name);
}

static int fill_counts(const struct seek *s, const struct counted *c, SearchCount ***ret,
                       size_t *ret_n)
{
    SearchCount **list = arena_calloc(s->in->arena, s->result.n_counts + 1, sizeof(*list));
    size_t n = 0;
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < s->result.n_counts; i++) {
        if (s->result.counts[i].facet.column != c->column)
            continue;
        int r = make_count(s, c, &s->result.counts[i], &list[n]);
        if (r < 0)
            return r;
        n += list[n] != NULL;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

static int make_counts(const struct seek *s, SearchCounts **ret)
{
    static const struct counted by_type = { COLUMN_TYPE,
                                            &fokus__directory__v1__entry_type__descriptor, NULL };
    static const struct counted by_kind = { COLUMN_KIND,
                                            &fokus__directory__v1__organisation_kind__descriptor,
                                            NULL };
    static const struct counted by_level = { COLUMN_LEVEL,
                                             &fokus__directory__v1__organisation_level__descriptor,
                                             NULL };
    static const struct counted by_region = { COLUMN_REGION, NULL, &T_REGION };
    static const struct counted by_area = { COLUMN_CARE_AREA, NULL, &T_CARE_AREA };
    SearchCounts *counts = arena_alloc(s->in->arena, sizeof(*counts));
    if (!counts)
        return -ENOMEM;
    *counts = (SearchCounts)SEARCH_COUNTS_INIT;
    int r = fill_counts(s, &by_type, &counts->entry_types, &counts->n_entry_types);
    if (r == 0)
        r = fill_counts(s, &by_kind, &counts->kinds, &counts->n_kinds);
    if (r == 0)
        r = fill_counts(s, &by_level, &counts->levels, &counts->n_levels);
    if (r == 0)
        r = fill_counts(s, &by_region, &counts->regions, &counts->n_regions);
    if (r == 0)
        r = fill_counts(s, &by_area, &counts->care_areas, &counts->n_care_areas);
    *ret = counts;
    return r;
}

/* ---- what the query was taken to mean ---- */

static int place_name(const struct seek *s, const struct place *p, char **ret)
{
    const struct table *t = p->type == ENTRY_TYPE_REGION         ? &T_REGION
                            : p->type == ENTRY_TYPE_MUNICIPALITY ? &T_MUNICIPALITY
                                                                 : &T_HEALTHCARE_REGION;
    void *entry;
    int r = rd_get(s->in->state, t, KEY_TEXT(p->key), &entry);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    if (p->type == ENTRY_TYPE_REGION)
        *ret = ((Region *)entry)->name;
    else if (p->type == ENTRY_TYPE_MUNICIPALITY)
        *ret = ((Municipality *)entry)->name;
    else
        *ret = ((HealthcareRegion *)entry)->name;
    return 0;
}

static int make_places(const struct seek *s, SearchDirectoryResponse *res)
{
    struct arena *a = s->in->arena;
    UnderstoodPlace *places = arena_calloc(a, s->n_places + 1, sizeof(*places));
    res->places = arena_calloc(a, s->n_places + 1, sizeof(*res->places));
    if (!places || !res->places)
        return -ENOMEM;
    for (size_t i = 0; i < s->n_places; i++) {
        const struct place *p = &s->places[i];
        UnderstoodPlace *u = &places[i];
        *u = (UnderstoodPlace)UNDERSTOOD_PLACE_INIT;
        u->entry_type = p->type;
        u->key = (char *)p->key;
        u->text = arena_strndup(a, s->text + p->start, p->end - p->start);
        u->span = answer_span(a, s->text, p->start, p->end);
        u->overridden = s->overridden;
        int r = u->text && u->span ? place_name(s, p, &u->name) : -ENOMEM;
        if (r < 0)
            return r;
        res->places[res->n_places++] = u;
    }
    return 0;
}

/* The query with the corrected words in it. */
static char *correct(const struct seek *s)
{
    const struct search_result *result = &s->result;
    const char *text = s->text, *done = "";
    uint32_t from = 0;
    for (size_t i = 0; i < result->n_corrections && done; i++) {
        const struct search_correction *c = &result->corrections[i];
        done = arena_printf(s->in->arena, "%s%.*s%s", done, (int)(c->start - from), text + from,
                            c->word);
        from = c->end;
    }
    return done ? arena_printf(s->in->arena, "%s%s", done, text + from) : NULL;
}

static int make_corrections(const struct seek *s, SearchDirectoryResponse *res)
{
    struct arena *a = s->in->arena;
    size_t n = s->result.n_corrections;
    if (n == 0)
        return 0;
    SearchCorrection *all = arena_calloc(a, n, sizeof(*all));
    res->corrections = arena_calloc(a, n, sizeof(*res->corrections));
    res->corrected_query = correct(s);
    if (!all || !res->corrections || !res->corrected_query)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const struct search_correction *c = &s->result.corrections[i];
        all[i] = (SearchCorrection)SEARCH_CORRECTION_INIT;
        all[i].text = arena_strndup(a, s->text + c->start, c->end - c->start);
        all[i].word = (char *)c->word;
        all[i].span = answer_span(a, s->text, c->start, c->end);
        if (!all[i].text || !all[i].span)
            return -ENOMEM;
        res->corrections[res->n_corrections++] = &all[i];
    }
    return 0;
}

static SearchMeaning *add_meaning(const struct seek *s, SearchDirectoryResponse *res,
                                  uint32_t start, uint32_t end)
{
    struct arena *a = s->in->arena;
    SearchMeaning *m = arena_alloc(a, sizeof(*m));
    if (!m)
        return NULL;
    *m = (SearchMeaning)SEARCH_MEANING_INIT;
    m->text = arena_strndup(a, s->text + start, end - start);
    m->span = answer_span(a, s->text, start, end);
    if (!m->text || !m->span)
        return NULL;
    res->meanings[res->n_meanings++] = m;
    return m;
}

/* What bytes [start, end) of the text are an abbreviation of. */
static int add_terms(const struct seek *s, SearchDirectoryResponse *res, uint32_t start,
                     uint32_t end, size_t room)
{
    char *written = arena_strndup(s->in->arena, s->text + start, end - start);
    struct text_folded folded;
    struct key prefix = KEY_INIT;
    struct scan scan;

    if (!written)
        return -ENOMEM;
    text_fold(written, &folded);
    if (!*folded.text)
        return 0;
    key_text(&prefix, folded.text);
    scan_prefix(&scan, s->in->state, &T_TERM, &prefix);
    for (size_t i = 0; i < TERMS_OF_A_WORD && res->n_meanings < room && scan_next(&scan); i++) {
        Term *term;
        int r = scan_message(&scan, &term);
        SearchMeaning *m = r == 0 ? add_meaning(s, res, start, end) : NULL;
        if (!m)
            return scan_give_up(&scan, r < 0 ? r : -ENOMEM);
        m->stands_for = term->term_sv;
        m->explanation_sv = term->explanation_sv;
        m->abbreviation = true;
    }
    return scan_end(&scan);
}

/* Abbreviations word by word; of several words ("Lex Maria", "ME/CFS") when they are next to each other. */
static int add_abbreviations(const struct seek *s, SearchDirectoryResponse *res, size_t room)
{
    int r = 0;
    for (size_t i = 0; i < s->n_tokens && r == 0; i++) {
        const struct text_token *t = &s->tokens[i];
        size_t before = res->n_meanings;
        if (i + 1 < s->n_tokens)
            r = add_terms(s, res, t->start, t[1].end, room);
        if (r == 0 && res->n_meanings == before && !search_is_filler(t->word))
            r = add_terms(s, res, t->start, t->end, room);
    }
    return r;
}

static int make_meanings(const struct seek *s, SearchDirectoryResponse *res)
{
    size_t n = s->result.n_meanings, room = n + ABBREVIATIONS_MAX;
    res->meanings = arena_calloc(s->in->arena, room, sizeof(*res->meanings));
    if (!res->meanings)
        return -ENOMEM;
    int r = add_abbreviations(s, res, ABBREVIATIONS_MAX);
    for (size_t i = 0; i < n && r == 0; i++) {
        const struct search_meaning *from = &s->result.meanings[i];
        SearchMeaning *m = add_meaning(s, res, from->start, from->end);
        if (!m)
            return -ENOMEM;
        m->stands_for = (char *)from->expansion;
    }
    return r;
}

/* ---- all together ---- */

/* Counts what is typed into the box, not how its answer is leafed through or narrowed; and never a crisis. A guess is no find. */
static void say_what_counts(const struct seek *s, const SearchDirectoryRequest *req,
                            const SearchDirectoryResponse *res, struct kept_answer *ret)
{
    bool narrowed = req->filter && protobuf_c_message_get_packed_size(&req->filter->base) > 0;
    ret->counts = !res->crisis && req->offset == 0 && !narrowed && req->n_plain_words == 0;
    ret->found = s->result.n_corrections > 0 ? 0 : s->result.total;
}

static void count(const struct query_in *in, const SearchDirectoryRequest *req,
                  const struct kept_answer *answer)
{
    if (answer->counts)
        searches_count(in->arena, req->query, strlen(req->query), answer->found, in->now_ms);
}

static int make_answer(const struct query_in *in, const SearchDirectoryRequest *req,
                       SearchDirectoryResponse *res, struct kept_answer *ret)
{
    struct query_in as = *in;
    struct seek s;

    if (*req->locale)
        as.locale = req->locale;
    int r = answer_crisis(in, req->query, &res->crisis);
    if (r == 0)
        r = seek(&as,
                 &(struct seek_request) { .text = req->query,
                                          .filter = req->filter,
                                          .plain_words = req->plain_words,
                                          .n_plain_words = req->n_plain_words,
                                          .limit = req->limit ? req->limit : LIMIT_DEFAULT,
                                          .offset = req->offset,
                                          .counts = true },
                 &s);
    if (r < 0)
        return r;
    say_what_counts(&s, req, res, ret);
    res->total = s.result.total;
    res->total_is_a_minimum = s.result.cut;
    r = answer_hits(&s, &res->hits, &res->n_hits);
    if (r == 0)
        r = make_counts(&s, &res->counts);
    if (r == 0)
        r = make_places(&s, res);
    if (r == 0)
        r = make_corrections(&s, res);
    if (r == 0)
        r = make_meanings(&s, res);
    if (r == 0 && req->offset == 0 && search_needs_help(&s, res))
        r = search_help(&s, req, res);
    return r;
}

/* Keeps the answer for who asks the same, unless it is to somebody in need. */
static void keep(const struct query_in *in, const struct answer_key *key,
                 SearchDirectoryResponse *res, struct kept_answer *answer)
{
    if (res->crisis || !pack_in(in->arena, &res->base, ANSWERS_BYTES, &answer->packed))
        return;
    answers_keep(key, answer, in->now_ms);
    *res = (SearchDirectoryResponse)SEARCH_DIRECTORY_RESPONSE_INIT;
    query_answer_packed(in, answer->packed);
}

int directory_search_directory(const struct query_in *in, const SearchDirectoryRequest *req,
                               SearchDirectoryResponse *res, struct status *status)
{
    (void)status; /* whatever the query is, it is answered */
    struct answer_key key;
    struct kept_answer answer;

    bool may_keep = answers_key(in, &req->base, &key);
    if (may_keep && answers_find(&key, in->arena, in->now_ms, &answer)) {
        count(in, req, &answer);
        query_answer_packed(in, answer.packed);
        return 0;
    }
    if (in->may_pass_on)
        return QUERY_PASS_ON;
    int r = make_answer(in, req, res, &answer);
    if (r < 0)
        return r;
    count(in, req, &answer);
    if (may_keep)
        keep(in, &key, res, &answer);
    return 0;
}
