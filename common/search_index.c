/* search_index.c - puts documents into the index and takes them out.
 *
 * Each document keeps the numbers of its text's words. Putting it anew compares these, and the parts they have, with those of
 * its new text: a word that stays is not touched in the dictionary, one that goes takes its term's posting with it. The parts
 * are not kept: they follow from the words, as long as text_version() is the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"
#include "common/search_batch.h"
#include "common/search_relay.h"

/* How much a word weighs. */
enum {
    PART_PERCENT = 55,        /* of a compound's part, against the word itself */
    FAR_PART_PERCENT = 40,    /* of a part that does not even stand next to the last one */
    USUAL_WORDS = 60,         /* of a field that does not say */
    SATURATION_PERCENT = 120, /* BM25's k1 */
    LENGTH_PERCENT = 50, /* BM25's b: how much of a word's weight depends on the field's length */
    WEIGHT_ONE = 10000,  /* the weight of a word in a field of weight 100 and of usual length */
    FIELD_WEIGHT_MAX = 10000,
    USUAL_WORDS_MAX = 10000,
};

/* What a word of the field weighs, by BM25F: each field is measured by its own usual length, so that a long text does not make
 * less of a name. Whole numbers only, here and below: it has to come out the same anywhere. */
static uint64_t word_weight(const struct search_field *f, size_t words)
{
    uint64_t usual = f->usual_words ? f->usual_words : USUAL_WORDS;
    uint64_t weight = (uint64_t)f->weight * 100 * WEIGHT_ONE * usual /
                      (((100 - LENGTH_PERCENT) * usual + LENGTH_PERCENT * words) * 100);

    return weight ? weight : 1;
}

/* BM25's share of the term in the document, 1 to 255. */
static uint8_t impact_of(uint64_t weight)
{
    uint64_t whole = weight + (uint64_t)SATURATION_PERCENT * WEIGHT_ONE / 100;
    uint64_t impact = (255 * weight + whole / 2) / whole;

    return (uint8_t)(impact < 1 ? 1 : impact);
}

/* ---- the document's record ---- */

/*   u8 facets, u16 key length (little-endian), key, { u8 column, u8 length, value } ...,
 *   { varint distance to the number before } ... of its words, ascending */
enum { RECORD_HEAD = 3, RECORD_FACET_HEAD = 2 };

bool document_read_key(struct slice value, struct slice *ret_key, struct slice *ret_facets,
                       uint8_t *ret_n_facets)
{
    if (value.len < RECORD_HEAD)
        return false;
    size_t key_len = (size_t)value.data[1] | (size_t)value.data[2] << 8;
    if (key_len == 0 || key_len > value.len - RECORD_HEAD)
        return false;
    *ret_n_facets = value.data[0];
    *ret_key = (struct slice) { value.data + RECORD_HEAD, key_len };
    *ret_facets =
        (struct slice) { value.data + RECORD_HEAD + key_len, value.len - RECORD_HEAD - key_len };
    return true;
}

struct facet {
    uint8_t column;
    struct slice value;
};

/* Takes the next facet off the front of a record's. */
static bool read_facet(struct slice *rest, struct facet *ret)
{
    if (rest->len < RECORD_FACET_HEAD || rest->len - RECORD_FACET_HEAD < rest->data[1])
        return false;
    ret->column = rest->data[0];
    ret->value = (struct slice) { rest->data + RECORD_FACET_HEAD, rest->data[1] };
    rest->data += RECORD_FACET_HEAD + ret->value.len;
    rest->len -= RECORD_FACET_HEAD + ret->value.len;
    return true;
}

static bool has_facet(const struct facet *facets, size_t n, const struct facet *f)
{
    for (size_t i = 0; i < n; i++)
        if (facets[i].column == f->column && facets[i].value.len == f->value.len &&
            memcmp(facets[i].value.data, f->value.data, f->value.len) == 0)
            return true;
    return false;
}

/* A document's facets: those it has, each once, and that of all documents. */
struct facets {
    struct facet all[SEARCH_FACETS_MAX + 1];
    size_t n;
};

static void add_facet(struct facets *set, const struct facet *f)
{
    if (set->n < ARRAY_LEN(set->all) && !has_facet(set->all, set->n, f))
        set->all[set->n++] = *f;
}

static const struct facet ALL = { FACET_ALL, { (const uint8_t *)"*", 1 } };

/* Brings the facet tables from one set of a document to another. */
static void change_facets(struct wr *wr, struct batch *b, uint32_t doc, const struct facets *from,
                          const struct facets *to)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct facet *f = &from->all[i];
        struct changes *c =
            has_facet(to->all, to->n, f) ? NULL : batch_facet(wr, b, f->column, f->value);
        if (c)
            batch_change(wr, b, c, doc, 0);
    }
    for (size_t i = 0; i < to->n; i++) {
        const struct facet *f = &to->all[i];
        struct changes *c =
            has_facet(from->all, from->n, f) ? NULL : batch_facet(wr, b, f->column, f->value);
        if (c)
            batch_change(wr, b, c, doc, 1);
    }
}

/* ---- the document's words ---- */

static bool touch(struct wr *wr, struct batch *b, struct word *w, uint64_t weight)
{
    if (w->put != b->puts) {
        if (!batch_room(wr, &b->document, &b->room_document, b->n_document, sizeof(struct word *)))
            return false;
        b->document[b->n_document++] = w;
        w->put = b->puts;
    }
    struct changes *term = w->term;
    if (term->put != b->puts) {
        term->put = b->puts;
        term->weight = 0;
        term->next = b->touched;
        b->touched = term;
    }
    term->weight += weight;
    return true;
}

/* What each part of a compound weighs. A compound is a kind of what its last part says, and what that is about stands before it:
 * Blodcancerförbundet is a federation about cancer, and of the blood only in so far. */
static uint32_t part_percent(const struct text_part *parts, size_t n, size_t at)
{
    size_t leaves = 0;

    while (leaves < n && parts[leaves].leaf)
        leaves++;
    return at + 2 < leaves ? FAR_PART_PERCENT : PART_PERCENT;
}

/* The parts of a compound, as words of the batch. */
static bool divide(struct wr *wr, struct batch *b, struct word *w)
{
    struct text_part *parts;
    size_t n = 0;

    if (w->divided)
        return true;
    if (text_compound(b->scratch, (const char *)w->name.bytes, &parts, &n) < 0) {
        (void)wr_fail(wr, ENOMEM); /* false says it */
        return false;
    }
    w->parts = n ? arena_calloc(b->memory, n, sizeof(*w->parts)) : NULL;
    if (n && !w->parts) {
        (void)wr_fail(wr, ENOMEM); /* false says it */
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (parts[i].word[0] == '\0')
            continue;
        struct word *part = batch_word(wr, b, parts[i].word);
        if (!part)
            return false;
        if (part != w)
            w->parts[w->n_parts++] = (struct word_part) { part, part_percent(parts, n, i) };
    }
    w->divided = true;
    return true;
}

/* Adds a field's words to the document. `*words` counts them. */
static bool add_field(struct wr *wr, struct batch *b, const struct search_field *f, size_t *words)
{
    struct text_token *tokens;
    size_t n = 0;

    if (f->len == 0 || *words >= SEARCH_DOCUMENT_WORDS)
        return true;
    if (text_words(b->scratch, f->text, f->len, SEARCH_DOCUMENT_WORDS - *words, &tokens, &n) < 0) {
        (void)wr_fail(wr, ENOMEM); /* false says it */
        return false;
    }
    *words += n;
    uint64_t weight = word_weight(f, n);
    for (size_t i = 0; i < n; i++) {
        if (tokens[i].word[0] == '\0')
            continue;
        struct word *w = batch_word(wr, b, tokens[i].word);
        if (!w || !touch(wr, b, w, weight) || !divide(wr, b, w))
            return false;
        w->own = b->puts;
        for (size_t j = 0; j < w->n_parts; j++) {
            struct word *part = w->parts[j].word;
            /* The word may have left the dictionary since this one was divided. */
            if (part->number == 0 && !batch_word(wr, b, (const char *)part->name.bytes))
                return false;
            if (!touch(wr, b, part, weight * w->parts[j].percent / 100))
                return false;
        }
    }
    return true;
}

static int compare_numbers(const void *a, const void *b)
{
    const struct word *x = *(struct word *const *)a, *y = *(struct word *const *)b;

    return (x->number > y->number) - (x->number < y->number);
}

/* The document had this word, in its text or as a part. */
static bool had(struct wr *wr, struct batch *b, struct word *w)
{
    if (w->old == b->puts)
        return true;
    w->old = b->puts;
    if (w->put == b->puts)
        return true;
    if (!batch_room(wr, &b->gone, &b->room_gone, b->n_gone, sizeof(struct word *)))
        return false;
    b->gone[b->n_gone++] = w;
    return true;
}

/* The document had this word in its text, and so its parts. */
static bool had_own(struct wr *wr, struct batch *b, struct word *w)
{
    if (!divide(wr, b, w) || !had(wr, b, w))
        return false;
    for (size_t i = 0; i < w->n_parts; i++)
        if (!had(wr, b, w->parts[i].word))
            return false;
    return true;
}

static int forget_word(struct wr *wr, struct batch *b, uint32_t doc, struct word *w)
{
    int r = w->number == 0 ? -EBADMSG : batch_count(wr, b, w);
    if (r == 0 && w->documents == 0)
        r = -EBADMSG;
    if (r < 0)
        return r;
    if (w->term->put != b->puts)
        batch_change(wr, b, w->term, doc, 0);
    batch_recount(wr, b, w, -1);
    if (w->documents == 0)
        batch_drop_word(b, w);
    return wr_status(wr);
}

/* Reads which words the document had, each followed by its parts. b->document ascends by number. */
static int read_old_words(struct wr *wr, struct batch *b, struct slice old)
{
    uint64_t number = 0, distance;
    const uint8_t *p = old.data;
    size_t i = 0;

    /* Of no bytes there is no address. */
    for (const uint8_t *end = old.len ? p + old.len : p; p < end;) {
        struct word *w;
        if (!packed_varint(&p, end, &distance) || distance == 0 || distance > UINT32_MAX)
            return -EBADMSG;
        number += distance;
        if (number > UINT32_MAX)
            return -EBADMSG;
        while (i < b->n_document && b->document[i]->number < number)
            i++;
        if (i < b->n_document && b->document[i]->number == number)
            w = b->document[i];
        else
            w = batch_word_numbered(wr, b, (uint32_t)number);
        if (!w || !had_own(wr, b, w))
            return wr_status(wr);
    }
    return 0;
}

/* Counts the document for the words that it has now and had not, and no longer for those it had and has not. */
static int change_words(struct wr *wr, struct batch *b, uint32_t doc, struct slice old)
{
    int r = read_old_words(wr, b, old);

    for (size_t i = 0; i < b->n_document && r == 0; i++) {
        struct word *w = b->document[i];
        if (w->old == b->puts)
            continue;
        r = batch_count(wr, b, w);
        if (r == 0)
            batch_recount(wr, b, w, 1);
    }
    for (size_t i = 0; i < b->n_gone && r == 0; i++)
        r = forget_word(wr, b, doc, b->gone[i]);
    batch_settle(b);
    return r;
}

static uint8_t *put_numbers(const struct batch *b, uint8_t *to)
{
    uint32_t previous = 0;

    for (size_t i = 0; i < b->n_document; i++) {
        if (b->document[i]->own != b->puts)
            continue;
        to = packed_put_varint(to, b->document[i]->number - previous);
        previous = b->document[i]->number;
    }
    return to;
}

static void put_record(struct wr *wr, struct batch *b, uint32_t doc, struct slice key,
                       const struct facets *facets, bool is_new)
{
    size_t room = RECORD_HEAD + key.len +
                  SEARCH_FACETS_MAX * (size_t)(RECORD_FACET_HEAD + SEARCH_FACET_MAX) +
                  b->n_document * PACKED_VARINT_MAX;
    uint8_t *bytes = arena_alloc(b->scratch, room);
    struct key k = KEY_INIT;

    if (!bytes) {
        (void)wr_fail(wr, ENOMEM); /* sticky */
        return;
    }
    bytes[0] = (uint8_t)(facets->n - 1); /* all but ALL, which is the first */
    bytes[1] = (uint8_t)key.len;
    bytes[2] = (uint8_t)(key.len >> 8);
    memcpy(bytes + RECORD_HEAD, key.data, key.len);
    uint8_t *end = bytes + RECORD_HEAD + key.len;
    for (size_t i = 1; i < facets->n; i++) {
        const struct facet *f = &facets->all[i];
        *end++ = f->column;
        *end++ = (uint8_t)f->value.len;
        memcpy(end, f->value.data, f->value.len);
        end += f->value.len;
    }
    end = put_numbers(b, end);
    key_u32(&k, doc);
    if (is_new)
        wr_append_bytes(wr, &T_SEARCH_DOCUMENT, &k, bytes, (size_t)(end - bytes));
    else
        wr_put_bytes(wr, &T_SEARCH_DOCUMENT, &k, bytes, (size_t)(end - bytes));
}

/* ---- put and delete ---- */

/* The facets and the words' numbers that a document has now; their bytes are copied to the scratch arena. */
static int stored_record(struct wr *wr, struct batch *b, uint32_t doc, struct facets *ret,
                         struct slice *ret_words)
{
    struct key k = KEY_INIT;
    struct slice bytes, key, rest;
    struct facet f;
    uint8_t n;

    int r = rd_get_bytes(wr_rd(wr), &T_SEARCH_DOCUMENT, key_u32(&k, doc), &bytes);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    uint8_t *copy = arena_memdup(b->scratch, bytes.data, bytes.len);
    if (!copy)
        return -ENOMEM;
    if (!document_read_key((struct slice) { copy, bytes.len }, &key, &rest, &n))
        return -EBADMSG;
    *ret = (struct facets) { .all = { ALL }, .n = 1 };
    for (; n > 0; n--) {
        if (!read_facet(&rest, &f))
            return -EBADMSG;
        add_facet(ret, &f);
    }
    *ret_words = rest;
    return 0;
}

static int check(const struct search_document *d)
{
    if (d->key.len == 0 || d->key.len > SEARCH_KEY_MAX || d->n_facets > SEARCH_FACETS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < d->n_fields; i++)
        if (d->fields[i].weight == 0 || d->fields[i].weight > FIELD_WEIGHT_MAX ||
            d->fields[i].usual_words > USUAL_WORDS_MAX)
            return -EINVAL;
    for (size_t i = 0; i < d->n_facets; i++) {
        size_t len = strlen(d->facets[i].value);
        if (len == 0 || len > SEARCH_FACET_MAX || d->facets[i].column == FACET_ALL)
            return -EINVAL;
    }
    return 0;
}

/* Begins another document: nothing is touched yet. */
static void begin(struct wr *wr, struct batch *b)
{
    batch_ease(wr, b);
    arena_reset(b->scratch);
    b->puts++;
    b->n_document = b->n_gone = 0;
    b->touched = NULL;
}

static int put(struct wr *wr, struct batch *b, const struct search_document *d)
{
    struct facets from = { .n = 0 }, to = { .all = { ALL }, .n = 1 };
    struct slice old = { 0 };
    size_t words = 0;
    int r = 0;

    struct document *document = batch_document(wr, b, d->key);
    if (!document)
        return wr_status(wr);
    bool is_new = document->number == 0;
    if (is_new && b->next_document == UINT32_MAX)
        return -EOVERFLOW;
    if (is_new)
        document->number = b->next_document++;
    else
        r = stored_record(wr, b, document->number, &from, &old);
    if (r < 0)
        return r;
    const uint32_t doc = document->number;

    for (size_t i = 0; i < d->n_fields; i++)
        if (!add_field(wr, b, &d->fields[i], &words))
            return wr_status(wr);
    if (b->n_document > 0)
        qsort(b->document, b->n_document, sizeof(struct word *), compare_numbers);
    r = change_words(wr, b, doc, old);
    if (r < 0)
        return r;
    for (struct changes *c = b->touched; c; c = c->next)
        batch_change(wr, b, c, doc, impact_of(c->weight));

    for (size_t i = 0; i < d->n_facets; i++)
        add_facet(&to, &(struct facet) {
                           d->facets[i].column,
                           { (const uint8_t *)d->facets[i].value, strlen(d->facets[i].value) } });
    change_facets(wr, b, doc, &from, &to);
    put_record(wr, b, doc, d->key, &to, is_new);
    return wr_status(wr);
}

void search_put(struct wr *wr, const struct search_document *document)
{
    struct search_relay *relay = search_relay_of(wr);
    struct batch *b = relay ? NULL : batch_of(wr);

    if (relay)
        search_relay_put(relay, wr, document);
    if (!b)
        return;
    begin(wr, b);
    int r = check(document);
    if (r == 0)
        r = put(wr, b, document);
    if (r < 0)
        (void)wr_fail(wr, -r); /* sticky: the caller asks wr_status() */
}

static int delete (struct wr *wr, struct batch *b, struct slice key)
{
    struct facets from, none = { .n = 0 };
    struct key k = KEY_INIT;
    struct slice old;

    struct document *document = batch_document(wr, b, key);
    if (!document || document->number == 0)
        return wr_status(wr);
    const uint32_t doc = document->number;
    int r = stored_record(wr, b, doc, &from, &old);
    if (r < 0)
        return r;
    r = change_words(wr, b, doc, old);
    if (r < 0)
        return r;
    change_facets(wr, b, doc, &from, &none);
    document->number = 0;
    wr_delete(wr, &T_SEARCH_DOCUMENT, key_u32(&k, doc));
    return wr_status(wr);
}

void search_delete(struct wr *wr, struct slice key)
{
    struct search_relay *relay = search_relay_of(wr);
    struct batch *b = relay ? NULL : batch_of(wr);

    if (relay)
        search_relay_delete(relay, wr, key);
    if (!b)
        return;
    begin(wr, b);
    int r = key.len == 0 || key.len > SEARCH_KEY_MAX ? -EINVAL : delete (wr, b, key);
    if (r < 0)
        (void)wr_fail(wr, -r); /* sticky: the caller asks wr_status() */
}

/* ---- synonyms ---- */

int search_synonym_key(const struct slice *folded, size_t n, struct key *ret)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        if (len + folded[i].len + 1 > KEY_MAX)
            return -EINVAL;
        if (i > 0)
            ret->bytes[len++] = ' ';
        memcpy(ret->bytes + len, folded[i].data, folded[i].len);
        len += folded[i].len;
    }
    ret->len = (uint16_t)len;
    ret->failed = false;
    return len == 0 ? -EINVAL : 0;
}

/* Key of the words in search_synonym, or -EINVAL. */
static int identify(struct arena *arena, const char *words, struct key *ret)
{
    const char *telling[SEARCH_SYNONYM_WORDS];
    bool tells[SEARCH_SYNONYM_WORDS];
    struct slice folded[SEARCH_SYNONYM_WORDS];
    struct key terms[SEARCH_SYNONYM_WORDS];
    struct text_token *tokens;
    size_t n;

    if (strlen(words) >= SEARCH_WORD_BYTES)
        return -EINVAL;
    int r = text_words(arena, words, strlen(words), SEARCH_SYNONYM_WORDS + 1, &tokens, &n);
    if (r < 0)
        return r;
    if (n > SEARCH_SYNONYM_WORDS)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        tells[i] = search_tells(tokens[i].word);
    n = search_phrase_words(&(struct phrase) { tokens, tells, n }, telling);
    for (size_t i = 0; i < n; i++) {
        search_term_key(telling[i], &terms[i], &folded[i].len);
        folded[i].data = terms[i].bytes;
        folded[i].len--; /* the zero after it */
    }
    return search_synonym_key(folded, n, ret);
}

int search_synonym_identity(struct arena *arena, const char *words, char **ret)
{
    struct key k;

    int r = identify(arena, words, &k);
    if (r < 0)
        return r;
    *ret = arena_strndup(arena, (const char *)k.bytes, k.len);
    return *ret ? 0 : -ENOMEM;
}

static int synonym_put(struct wr *wr, struct batch *b, const char *words,
                       const char *const *expansions, size_t n_expansions)
{
    struct key k;

    if (n_expansions > SEARCH_EXPANSIONS_MAX)
        return -EINVAL;
    int r = identify(b->scratch, words, &k);
    if (r < 0)
        return r;
    if (n_expansions == 0) {
        wr_delete(wr, &T_SEARCH_SYNONYM, &k);
        return wr_status(wr);
    }
    size_t len = strlen(words) + 1;
    char *value = arena_alloc(b->scratch, len + n_expansions * (SEARCH_EXPANSION_BYTES + 1));
    if (!value)
        return -ENOMEM;
    memcpy(value, words, len);
    for (size_t i = 0; i < n_expansions; i++) {
        size_t expansion_len = strlen(expansions[i]);
        if (expansion_len == 0 || expansion_len > SEARCH_EXPANSION_BYTES)
            return -EINVAL;
        memcpy(value + len, expansions[i], expansion_len + 1);
        len += expansion_len + 1;
    }
    wr_put_bytes(wr, &T_SEARCH_SYNONYM, &k, value, len);
    return wr_status(wr);
}

void search_synonym_put(struct wr *wr, const char *words, const char *const *expansions,
                        size_t n_expansions)
{
    struct search_relay *relay = search_relay_of(wr);
    struct batch *b = relay ? NULL : batch_of(wr);

    if (relay)
        search_relay_synonym(relay, wr, words, expansions, n_expansions);
    if (!b)
        return;
    begin(wr, b);
    int r = synonym_put(wr, b, words, expansions, n_expansions);
    if (r < 0)
        (void)wr_fail(wr, -r); /* sticky: the caller asks wr_status() */
}
