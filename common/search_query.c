/* search_query.c - answers a query: cuts it into words, has search_meaning.c find what they mean, and ranks, filters, counts and
 * reads the documents that follow. Work is bounded by three budgets: postings, terms, steps in the dictionary. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"
#include "common/search_meaning.h"

enum {
    WORK_BYTES = 64 << 20,
    POSTINGS_MAX = 600000,
    TERMS_MAX = 1000,
    DICTIONARY_STEPS = 40000,
};

#define ASIDE 0.5F /* what a word is worth that meaning_is_aside, against others */

/* ---- words ---- */

static bool is_repeated(const struct query *q, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(q->tokens[i].stem, q->tokens[at].stem) == 0)
            return true;
    return false;
}

/* Cuts the text into words and says which of them count. */
static int read_text(struct query *q)
{
    size_t len = q->request->len < SEARCH_QUERY_BYTES ? q->request->len : SEARCH_QUERY_BYTES;
    bool any = false;

    int r = text_tokens(q->lists.work, q->request->text, len, SEARCH_QUERY_WORDS, &q->tokens,
                        &q->n_tokens);
    if (r < 0)
        return r;
    for (size_t i = 0; i < q->n_tokens; i++) {
        if (!list_term(&q->lists, q->tokens[i].word, q->tokens[i].stem))
            return -ENOMEM;
        q->tells[i] = search_tells(q->tokens[i].word);
        q->counts[i] = !search_is_filler(q->tokens[i].word) && !is_repeated(q, i);
        any = any || q->counts[i];
    }
    for (size_t i = 0; i < q->n_tokens && !any; i++)
        q->counts[i] = !is_repeated(q, i);
    return 0;
}

/* Leaves out what only says that an organisation is looked for, where other words say which, unless it is one word with its
 * neighbour. */
static void leave_generic(struct query *q)
{
    bool telling = false;

    for (size_t i = 0; i < q->n_tokens; i++)
        telling = telling || (q->counts[i] && !meaning_is_generic(q->tokens[i].stem));
    for (size_t i = 0; i < q->n_tokens && telling; i++)
        if (q->groups[i].n == 0 && meaning_is_generic(q->tokens[i].stem))
            q->counts[i] = false;
}

/* Of "adhd vuxen" the adhd is what is looked for: who it is about, or that it is help, is worth half. */
static void weigh_asides(struct query *q)
{
    bool telling = false;

    for (size_t i = 0; i < q->n_tokens; i++)
        telling = telling || (q->groups[i].n > 0 && !meaning_is_aside(&q->tokens[i]));
    for (size_t i = 0; i < q->n_tokens && telling; i++) {
        struct group *g = &q->groups[i];
        const bool aside = meaning_is_aside(&q->tokens[i]);
        g->aside = aside && meaning_is_help(&q->tokens[i]);
        for (size_t l = 0; l < g->n && aside; l++)
            g->lists[l].factor *= ASIDE;
    }
}

static int find_words(struct query *q)
{
    int r = meaning_add_runs(q);

    leave_generic(q);
    if (r == 0)
        r = meaning_add_synonyms(q);
    if (r == 0)
        r = meaning_add_told_apart(q);
    for (size_t i = 0; i < q->n_tokens && r == 0; i++) {
        bool unfinished =
            q->request->type_ahead && i + 1 == q->n_tokens && q->tokens[i].end == q->request->len;
        if (unfinished && !is_repeated(q, i))
            q->counts[i] = true; /* "för" may become "förening" */
        if (q->counts[i])
            r = meaning_find_word(q, i, unfinished);
    }
    weigh_asides(q);
    return r;
}

/* ---- documents ---- */

/* The documents that have one of the column's values in the filters. */
static int column_set(struct query *q, uint8_t column, struct document_set *ret)
{
    int r = document_set_make(&q->lists, ret);

    for (size_t i = 0; i < q->request->n_filters && r == 0; i++)
        if (q->request->filters[i].column == column)
            r = facet_add(q->lists.rd, column, q->request->filters[i].value, ret);
    return r;
}

static void keep_common(struct document_set *set, const struct document_set *other)
{
    for (uint32_t i = 0; i < set->n_words; i++)
        set->bits[i] &= other->bits[i];
}

/* Leaves in `set` what passes the filters of all columns but one (FACET_ALL: of all). */
static int filter(struct query *q, struct document_set *set, uint8_t but)
{
    struct document_set column;

    for (size_t i = 0; i < q->request->n_filters; i++) {
        uint8_t c = q->request->filters[i].column;
        bool first = true;
        for (size_t j = 0; j < i; j++)
            first = first && q->request->filters[j].column != c;
        if (c == but || !first)
            continue;
        int r = column_set(q, c, &column);
        if (r < 0)
            return r;
        keep_common(set, &column);
    }
    return 0;
}

static int all_documents(struct query *q, struct document_set *ret)
{
    int r = document_set_make(&q->lists, ret);

    return r < 0 ? r : facet_add(q->lists.rd, FACET_ALL, "*", ret);
}

/* Counts facet values among `matches`, which no filter has touched. */
static int count(struct query *q, const struct document_set *matches)
{
    struct document_set some;
    size_t room = 0;

    for (size_t i = 0; i < q->request->n_count_columns; i++) {
        uint8_t column = q->request->count_columns[i];
        bool filtered = q->request->n_filters > 0;
        int r = filtered ? document_set_make(&q->lists, &some) : 0;
        if (r == 0 && filtered) {
            memcpy(some.bits, matches->bits, matches->n_words * sizeof(uint64_t));
            r = filter(q, &some, column);
        }
        if (r == 0)
            r = facet_count(q->lists.rd, q->arena, column, filtered ? &some : matches, q->result,
                            &room);
        if (r < 0)
            return r;
    }
    return 0;
}

int search_key(const struct rd *rd, struct arena *arena, struct search_hit *hit)
{
    struct slice value, key, facets;
    struct key k = KEY_INIT;
    uint8_t n_facets;

    if (hit->key.data)
        return 0;
    int r = rd_get_bytes(rd, &T_SEARCH_DOCUMENT, key_u32(&k, hit->document), &value);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    if (!document_read_key(value, &key, &facets, &n_facets))
        return -EBADMSG;
    hit->key = (struct slice) { arena_memdup(arena, key.data, key.len), key.len };
    return hit->key.data ? 0 : -ENOMEM;
}

int search_document_of(const struct rd *rd, struct slice key, uint32_t *ret)
{
    struct key k = KEY_INIT;
    struct slice number;

    int r = rd_get_bytes(rd, &T_SEARCH_KEY, key_bytes(&k, key.data, key.len), &number);
    if (r == 0 && number.len != sizeof(uint32_t))
        r = -EBADMSG;
    if (r == 0)
        *ret = packed_load32(number.data);
    return r;
}

static uint32_t boosts_of(const struct query *q, const struct document_set *sets, uint32_t doc)
{
    uint32_t boosts = 0;

    for (size_t i = 0; i < q->request->n_boosts && i < 32; i++)
        boosts |= (uint32_t)document_set_has(&sets[i], doc) << i;
    return boosts;
}

static int read_hits(struct query *q, const struct ranked *ranked, size_t n,
                     const struct document_set *boosts)
{
    q->result->hits = arena_calloc(q->arena, n + 1, sizeof(struct search_hit));
    if (!q->result->hits)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct search_hit *hit = &q->result->hits[i];
        *hit = (struct search_hit) { .document = ranked[i].doc,
                                     .boosts = boosts_of(q, boosts, ranked[i].doc),
                                     .score = ranked[i].score };
        int r = q->request->without_keys ? 0 : search_key(q->lists.rd, q->arena, hit);
        if (r < 0)
            return r;
        q->result->n_hits++;
    }
    return 0;
}

static int make_boosts(struct query *q, struct document_set **ret)
{
    const struct search_request *request = q->request;

    *ret = arena_calloc(q->lists.work, request->n_boosts + 1, sizeof(**ret));
    int r = *ret ? 0 : -ENOMEM;
    for (size_t i = 0; i < request->n_boosts && r == 0; i++) {
        r = document_set_make(&q->lists, &(*ret)[i]);
        if (r == 0)
            r = facet_add(q->lists.rd, request->boosts[i].facet.column,
                          request->boosts[i].facet.value, &(*ret)[i]);
    }
    return r;
}

/* Ranks what the words found, or all documents when there is no word. */
static int rank(struct query *q)
{
    const struct search_request *request = q->request;
    struct document_set pass, matches, *boosts;
    struct group groups[SEARCH_QUERY_WORDS];
    struct ranking k = { .groups = groups,
                         .boosts = request->boosts,
                         .n_boosts = request->n_boosts,
                         .wanted = (size_t)request->offset + request->limit };
    size_t n = 0;

    for (size_t i = 0; i < q->n_tokens; i++)
        if (q->counts[i])
            groups[k.n_groups++] = q->groups[i];
    int r = make_boosts(q, &boosts);
    k.boost_sets = boosts;
    if (r == 0 && (request->n_filters > 0 || k.n_groups == 0)) {
        k.pass = &pass;
        r = all_documents(q, &pass);
        if (r == 0)
            r = filter(q, &pass, FACET_ALL);
    }
    if (r == 0 && request->n_count_columns > 0) {
        k.matches = k.n_groups > 0 ? &matches : NULL;
        r = k.n_groups > 0 ? document_set_make(&q->lists, &matches) : all_documents(q, &matches);
    }
    struct ranked *ranked = arena_alloc(q->lists.work, (k.wanted + 1) * sizeof(*ranked));
    if (r == 0 && !ranked)
        r = -ENOMEM;
    if (r == 0)
        r = list_rank(&q->lists, &k, ranked, &n, &q->result->total);
    if (r == 0 && n > request->offset)
        r = read_hits(q, ranked + request->offset, n - request->offset, boosts);
    if (r == 0 && request->n_count_columns > 0)
        r = count(q, &matches);
    return r;
}

static int check(const struct search_request *request)
{
    if ((uint64_t)request->limit + request->offset > SEARCH_HITS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < request->n_filters; i++)
        if (strlen(request->filters[i].value) > SEARCH_FACET_MAX)
            return -EINVAL;
    for (size_t i = 0; i < request->n_boosts; i++)
        if (strlen(request->boosts[i].facet.value) > SEARCH_FACET_MAX)
            return -EINVAL;
    return 0;
}

/* How many documents there are and have been. */
static int read_size(struct lists *ls)
{
    struct key k = KEY_INIT;
    struct slice bytes;

    int r = rd_get_bytes(ls->rd, &T_SEARCH_META, key_text(&k, "next_document"), &bytes);
    if (r == -ENOENT)
        return 0;
    if (r == 0 && bytes.len != sizeof(uint32_t))
        r = -EBADMSG;
    if (r < 0)
        return r;
    ls->next_document = packed_load32(bytes.data);
    uint64_t documents = rd_count(ls->rd, &T_SEARCH_DOCUMENT);
    ls->documents = documents < ls->next_document ? (uint32_t)documents : ls->next_document;
    return 0;
}

int search_query(const struct rd *rd, struct arena *arena, const struct search_request *request,
                 struct search_result *ret)
{
    struct search_result result = { 0 };
    struct query q = { .arena = arena,
                       .request = request,
                       .result = &result,
                       .dictionary = { .steps = DICTIONARY_STEPS } };

    int r = check(request);
    if (r < 0)
        return r;
    struct arena *work = arena_new(WORK_BYTES);
    if (!work)
        return -ENOMEM;
    q.lists = (struct lists) {
        .rd = rd, .work = work, .postings_left = POSTINGS_MAX, .terms_left = TERMS_MAX
    };
    r = read_size(&q.lists);
    if (r == 0)
        r = read_text(&q);
    if (r == 0)
        r = find_words(&q);
    if (r == 0)
        r = rank(&q);
    lists_end(&q.lists);
    arena_free(work);
    if (r < 0)
        return r;
    result.cut = q.lists.cut || q.dictionary.cut;
    *ret = result;
    return 0;
}
