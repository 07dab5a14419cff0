/* search_relay.c - the two ends of the relay.
 *
 * The replaying thread copies what search_put() and the like are given into parcels and queues them. The writing thread calls the
 * same functions with the copies, in a transaction of its own; it keeps the parcels until that is committed, since a full map
 * means to do it all again. The queue is bounded, so that the faster thread waits for the slower one. */
#include "common/search_relay.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"

enum {
    PARCEL_BYTES = 512 * 1024,               /* a parcel this full leaves */
    PARCEL_ARENA_BYTES = 1024 * 1024 * 1024, /* one document more, however large */
    QUEUE_PARCELS = 16,
    COMMIT_PARCELS = 16, /* each commit sorts and merges; and for the last one the verdict waits */
    WORK_ARENA_BYTES = 64 * 1024 * 1024,
};

enum kind { PUT, DELETE, SYNONYM };

/* One call, with copies of all that it was given. */
struct step {
    struct step *next;
    enum kind kind;
    struct search_document document; /* PUT; of a DELETE its key */
    const char *words;               /* SYNONYM */
    const char *const *expansions;
    size_t n_expansions;
};

struct parcel {
    struct parcel *next;
    struct arena *arena;
    struct step *first, **end;
};

struct search_relay {
    struct store *store;
    pthread_t thread;
    bool started, joined;

    /* the replaying thread's */
    struct wr_deferred attached;
    struct parcel *filling;
    uint64_t seen, sent; /* steps of this transaction; of it and those that it repeats */

    /* the writing thread's */
    struct wr *wr;
    struct arena *work;
    struct parcel *held, **held_end;
    size_t n_held;
    struct err err;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct parcel *queue, **queue_end;
    size_t n_queue;
    bool ended, abandoned;
    int status;
};

static const char OWNER[] = "search_relay";

static const struct table *const search_tables[] = { SEARCH_TABLES, NULL };

bool search_is_table(const struct table *t)
{
    for (size_t i = 0; search_tables[i]; i++)
        if (search_tables[i] == t)
            return true;
    return false;
}

bool search_has_tables(const struct table *const *tables)
{
    for (size_t i = 0; tables && tables[i]; i++)
        if (search_is_table(tables[i]))
            return true;
    return false;
}

/* ---- parcels ---- */

static struct parcel *parcel_new(void)
{
    struct parcel *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->arena = arena_new(PARCEL_ARENA_BYTES);
    if (!p->arena) {
        free(p);
        return NULL;
    }
    p->end = &p->first;
    return p;
}

static void parcels_free(struct parcel *p)
{
    while (p) {
        struct parcel *next = p->next;
        arena_free(p->arena);
        free(p);
        p = next;
    }
}

/* ---- the replaying thread's end ---- */

/* Queues what was gathered, as soon as there is room. Returns what the writing thread came to. */
static int pass_on(struct search_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    while (relay->n_queue >= QUEUE_PARCELS && relay->status == 0)
        pthread_cond_wait(&relay->changed, &relay->lock);
    *relay->queue_end = relay->filling;
    relay->queue_end = &relay->filling->next;
    relay->n_queue++;
    relay->filling = NULL;
    int r = relay->status;
    pthread_cond_broadcast(&relay->changed);
    pthread_mutex_unlock(&relay->lock);
    return r;
}

/* Room for a step in the parcel being filled; NULL: this one was passed on before, or the transaction has failed. */
static struct step *step_new(struct search_relay *relay, struct wr *wr, enum kind kind)
{
    if (wr_status(wr) < 0 || relay->seen++ < relay->sent)
        return NULL;
    relay->sent = relay->seen;
    if (!relay->filling)
        relay->filling = parcel_new();
    struct step *s = relay->filling ? arena_calloc(relay->filling->arena, 1, sizeof(*s)) : NULL;
    if (!s) {
        (void)wr_fail(wr, ENOMEM); /* NULL says it */
        return NULL;
    }
    s->kind = kind;
    return s;
}

/* Puts the finished step into the parcel; `whole`: there was memory for all of it. */
static void step_add(struct search_relay *relay, struct wr *wr, struct step *s, bool whole)
{
    struct parcel *p = relay->filling;

    if (!whole) {
        (void)wr_fail(wr, ENOMEM); /* sticky */
        return;
    }
    *p->end = s;
    p->end = &s->next;
    int r = arena_used(p->arena) >= PARCEL_BYTES ? pass_on(relay) : 0;
    if (r < 0)
        (void)wr_fail(wr, -r); /* sticky */
}

/* Copies bytes with a NUL behind; none stay none. */
static bool copy_bytes(struct arena *a, const void *from, size_t len, const char **ret)
{
    *ret = arena_strndup(a, len > 0 ? from : "", len);
    return *ret != NULL;
}

static bool copy_slice(struct arena *a, struct slice from, struct slice *ret)
{
    ret->len = from.len;
    ret->data =
        arena_memdup(a, from.len > 0 ? from.data : (const uint8_t *)"", from.len + !from.len);
    return ret->data != NULL;
}

static bool copy_fields(struct arena *a, const struct search_document *from,
                        struct search_document *to)
{
    struct search_field *fields = arena_calloc(a, from->n_fields + 1, sizeof(*fields));

    for (size_t i = 0; fields && i < from->n_fields; i++) {
        fields[i] = from->fields[i];
        if (!copy_bytes(a, fields[i].text, fields[i].len, &fields[i].text))
            return false;
    }
    to->fields = fields;
    to->n_fields = from->n_fields;
    return fields != NULL;
}

static bool copy_facets(struct arena *a, const struct search_document *from,
                        struct search_document *to)
{
    struct search_facet *facets = arena_calloc(a, from->n_facets + 1, sizeof(*facets));

    for (size_t i = 0; facets && i < from->n_facets; i++) {
        facets[i] = from->facets[i];
        facets[i].value = arena_strdup(a, facets[i].value);
        if (!facets[i].value)
            return false;
    }
    to->facets = facets;
    to->n_facets = from->n_facets;
    return facets != NULL;
}

void search_relay_put(struct search_relay *relay, struct wr *wr, const struct search_document *d)
{
    struct step *s = step_new(relay, wr, PUT);

    if (!s)
        return;
    struct arena *a = relay->filling->arena;
    step_add(relay, wr, s,
             copy_slice(a, d->key, &s->document.key) && copy_fields(a, d, &s->document) &&
                 copy_facets(a, d, &s->document));
}

void search_relay_delete(struct search_relay *relay, struct wr *wr, struct slice key)
{
    struct step *s = step_new(relay, wr, DELETE);

    if (s)
        step_add(relay, wr, s, copy_slice(relay->filling->arena, key, &s->document.key));
}

void search_relay_synonym(struct search_relay *relay, struct wr *wr, const char *words,
                          const char *const *expansions, size_t n_expansions)
{
    struct step *s = step_new(relay, wr, SYNONYM);

    if (!s)
        return;
    struct arena *a = relay->filling->arena;
    const char **copies = arena_calloc(a, n_expansions + 1, sizeof(*copies));
    bool whole = copies && copy_bytes(a, words, strlen(words), &s->words);
    for (size_t i = 0; whole && i < n_expansions; i++)
        whole = copy_bytes(a, expansions[i], strlen(expansions[i]), &copies[i]);
    s->expansions = copies;
    s->n_expansions = n_expansions;
    step_add(relay, wr, s, whole);
}

/* The transaction ends: what was gathered is on its way, so that the other thread need not wait for the commit. */
static void finish(struct wr *wr, struct wr_deferred *d)
{
    struct search_relay *relay =
        (struct search_relay *)((char *)d - offsetof(struct search_relay, attached));
    int r = relay->filling ? pass_on(relay) : 0;

    if (r < 0)
        (void)wr_fail(wr, -r); /* sticky */
}

static void drop(struct wr_deferred *d)
{
    (void)d; /* the relay lives on */
}

void search_relay_attach(struct search_relay *relay, struct wr *wr, bool again)
{
    relay->seen = 0;
    if (!again)
        relay->sent = 0;
    relay->attached = (struct wr_deferred) { .owner = OWNER, .finish = finish, .drop = drop };
    wr_defer(wr, &relay->attached);
}

struct search_relay *search_relay_of(const struct wr *wr)
{
    struct wr_deferred *d = wr_deferred(wr, OWNER);

    return d ? (struct search_relay *)((char *)d - offsetof(struct search_relay, attached)) : NULL;
}

/* ---- the writing thread's end ---- */

static void write_parcel(struct wr *wr, const struct parcel *p)
{
    for (const struct step *s = p->first; s && wr_status(wr) == 0; s = s->next) {
        switch (s->kind) {
        case PUT:
            search_put(wr, &s->document);
            break;
        case DELETE:
            search_delete(wr, s->document.key);
            break;
        case SYNONYM:
            search_synonym_put(wr, s->words, s->expansions, s->n_expansions);
            break;
        }
    }
}

static int begin(struct search_relay *relay)
{
    arena_reset(relay->work);
    int r = wr_begin(relay->store, relay->work, &relay->wr);
    return r < 0 ? err_set(&relay->err, -r, "cannot write the search's scratch store: %s",
                           strerror(-r))
                 : 0;
}

/* Commits what the held parcels hold; while the map is too small, all of it again. */
static int commit(struct search_relay *relay)
{
    bool unknown = false;
    int r = 0;

    while (relay->wr) {
        r = wr_commit(relay->wr, &unknown, &relay->err);
        relay->wr = NULL;
        if (r != -EAGAIN)
            break;
        r = begin(relay);
        for (const struct parcel *p = r == 0 ? relay->held : NULL; p; p = p->next)
            write_parcel(relay->wr, p);
    }
    parcels_free(relay->held);
    relay->held = NULL;
    relay->held_end = &relay->held;
    relay->n_held = 0;
    return r;
}

/* Takes ownership. */
static int take_parcel(struct search_relay *relay, struct parcel *p)
{
    *relay->held_end = p;
    relay->held_end = &p->next;
    relay->n_held++;
    int r = relay->wr ? 0 : begin(relay);
    if (r < 0)
        return r;
    write_parcel(relay->wr, p);
    return relay->n_held >= COMMIT_PARCELS || wr_status(relay->wr) < 0 ? commit(relay) : 0;
}

/* The next parcel; NULL: there will be none. */
static struct parcel *next_parcel(struct search_relay *relay)
{
    pthread_mutex_lock(&relay->lock);
    while (!relay->queue && !relay->ended && !relay->abandoned)
        pthread_cond_wait(&relay->changed, &relay->lock);
    struct parcel *p = relay->abandoned ? NULL : relay->queue;
    if (p) {
        relay->queue = p->next;
        if (!relay->queue)
            relay->queue_end = &relay->queue;
        relay->n_queue--;
        p->next = NULL;
        pthread_cond_broadcast(&relay->changed);
    }
    pthread_mutex_unlock(&relay->lock);
    return p;
}

static void *write_all(void *arg)
{
    struct search_relay *relay = arg;
    struct parcel *p;
    int r = 0;

    while (r == 0 && (p = next_parcel(relay)))
        r = take_parcel(relay, p);
    if (r == 0)
        r = commit(relay);
    if (relay->wr)
        wr_abort(relay->wr);
    relay->wr = NULL;
    pthread_mutex_lock(&relay->lock);
    relay->status = r;
    pthread_cond_broadcast(&relay->changed);
    pthread_mutex_unlock(&relay->lock);
    return NULL;
}

/* ---- life ---- */

static int start(struct search_relay *relay, struct err *err)
{
    relay->work = arena_new(WORK_ARENA_BYTES);
    if (!relay->work)
        return err_set(err, ENOMEM, "no memory for the search's relay");
    int r = pthread_create(&relay->thread, NULL, write_all, relay);
    if (r != 0)
        return err_set(err, r, "cannot start a thread: %s", strerror(r));
    relay->started = true;
    return 0;
}

int search_relay_new(struct search_relay **ret, const struct store_config *config, struct err *err)
{
    struct search_relay *relay = calloc(1, sizeof(*relay));
    struct store_config own = *config;

    if (!relay)
        return err_set(err, ENOMEM, "no memory for the search's relay");
    own.tables = search_tables;
    relay->queue_end = &relay->queue;
    relay->held_end = &relay->held;
    pthread_mutex_init(&relay->lock, NULL);
    pthread_cond_init(&relay->changed, NULL);
    int r = store_open(&relay->store, &own, err);
    if (r == 0)
        r = start(relay, err);
    if (r < 0) {
        search_relay_free(relay);
        return r;
    }
    *ret = relay;
    return 0;
}

static void end(struct search_relay *relay, bool abandon)
{
    if (!relay->started || relay->joined)
        return;
    pthread_mutex_lock(&relay->lock);
    relay->ended = true;
    relay->abandoned = abandon;
    pthread_cond_broadcast(&relay->changed);
    pthread_mutex_unlock(&relay->lock);
    (void)pthread_join(relay->thread, NULL); /* it is ours, and not this one */
    relay->joined = true;
}

int search_relay_finish(struct search_relay *relay, struct err *err)
{
    end(relay, false);
    if (relay->status < 0 && relay->err.text[0])
        return err_set(err, -relay->status, "%s", relay->err.text);
    return relay->status < 0 ? err_set(err, -relay->status, "the search cannot be replayed: %s",
                                       strerror(-relay->status))
                             : 0;
}

struct store *search_relay_store(struct search_relay *relay)
{
    return relay->store;
}

void search_relay_free(struct search_relay *relay)
{
    if (!relay)
        return;
    end(relay, true);
    parcels_free(relay->filling);
    parcels_free(relay->queue);
    parcels_free(relay->held);
    arena_free(relay->work);
    if (relay->store)
        store_close(relay->store);
    pthread_cond_destroy(&relay->changed);
    pthread_mutex_destroy(&relay->lock);
    free(relay);
}
