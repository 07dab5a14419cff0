/* core_vault.c - keeps the vault of a service with personal data in step with its log.
 *
 * vault.h draws the order: what was added is durable before the commit of the events that need it; what leaves goes after the
 * commit of the events that say so. A commit has one of three ends here: it is known to have come off, known not to, or not known
 * yet, and then the vault waits as it is until the log's end was read.
 *
 * What a crash leaves is made good at the start: whoever is in the vault and not in the tables is erased. (Whoever is in the tables and
 * not in the vault comes out of a restored store: core_restored.c, before that.) Security: that must never happen because the tables
 * are the wrong ones. Tables that cannot be read stop the sweep; a log that never recorded anything of this vault, although there are
 * persons in it, stops the start. So the first record that a log gets with a vault is written before the first person can be added.
 *
 * When the vault cannot be written any more, nothing is committed until the service starts anew; queries go on. An erasure that
 * was committed and could not be carried out is made good by that start's sweep. */
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/core_internal.h"
#include "common/packed.h"

enum {
    RECORD_TIME_MS = 5, /* field numbers of fokus.event.v1.Record */
    RECORD_VAULT_GENERATION = 8,
    ROTATE_SLOTS = 4096, /* a slice: a few milliseconds */
};

/* ---- what an outcome takes away ---- */

static int grow_leavings(struct outcome *out)
{
    size_t room = out->leavings_room ? 2 * out->leavings_room : 4;

    if (out->n_leavings < out->leavings_room)
        return 0;
    struct leaving **grown = arena_alloc(out->status.arena, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    if (out->n_leavings > 0)
        memcpy(grown, out->leavings, out->n_leavings * sizeof(*grown));
    out->leavings = grown;
    out->leavings_room = room;
    return 0;
}

static int add_leaving(struct outcome *out, const char *person, uint8_t kind, struct slice value)
{
    uint8_t id[ID_BYTES];

    if (!id_read(person, id))
        return -EINVAL;
    struct leaving *leaving = arena_calloc(out->status.arena, 1, sizeof(*leaving) + value.len);
    if (!leaving || grow_leavings(out) < 0)
        return -ENOMEM;
    (void)snprintf(leaving->person, sizeof(leaving->person), "%s", person); /* fits */
    leaving->kind = kind;
    leaving->len = value.len;
    if (value.len > 0)
        memcpy(leaving->value, value.data, value.len);
    out->leavings[out->n_leavings++] = leaving;
    return 0;
}

int outcome_erase_person(struct outcome *out, const char *person)
{
    return add_leaving(out, person, 0, (struct slice) { 0 });
}

int outcome_remove_lookup(struct outcome *out, const char *person, uint8_t kind, struct slice value)
{
    return kind ? add_leaving(out, person, kind, value) : -EINVAL;
}

int lookup_free(const struct decide_in *in, const char *person, uint8_t kind, struct slice value)
{
    struct err err = { "" };

    /* Whoever has it may have lost it by an event that is not committed yet, and perhaps never is. */
    return in->uncommitted ? -EAGAIN : vault_remove_lookup(in->vault, person, kind, value, &err);
}

/* ---- a run ---- */

static void drop_leavings(struct core *c, size_t from)
{
    for (size_t i = from; i < c->n_leavings; i++) {
        sodium_memzero(c->leavings[i], sizeof(*c->leavings[i]) + c->leavings[i]->len);
        free(c->leavings[i]);
    }
    c->n_leavings = from;
}

static void note_broken(struct core *c, const struct err *err)
{
    (void)snprintf(c->vault_broken, sizeof(c->vault_broken), "%s",
                   err->text); /* a text cut short is as true */
}

struct core_vault_mark core_vault_mark(const struct core *c)
{
    return (struct core_vault_mark) { c->vault ? vault_unsettled(c->vault) : 0, c->n_leavings };
}

void core_vault_back_to(struct core *c, const struct core_vault_mark *mark)
{
    struct err err = { "" };

    drop_leavings(c, mark->leavings);
    /* What cannot be taken back breaks the vault: then the run is not committed either. */
    if (c->vault && vault_unsettled(c->vault) > mark->unsettled &&
        vault_take_back(c->vault, mark->unsettled, &err) < 0)
        note_broken(c, &err);
}

int core_vault_keep_leavings(struct core *c, const struct outcome *out)
{
    size_t before = c->n_leavings, wanted = before + out->n_leavings;

    if (!c->vault || out->n_leavings == 0 || out->n_events == 0)
        return 0;
    if (wanted > c->leavings_room) {
        struct leaving **grown = realloc(c->leavings, 2 * wanted * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        c->leavings = grown;
        c->leavings_room = 2 * wanted;
    }
    for (size_t i = 0; i < out->n_leavings; i++) {
        size_t size = sizeof(*out->leavings[i]) + out->leavings[i]->len;
        struct leaving *kept = malloc(size);
        if (!kept) {
            drop_leavings(c, before);
            return -ENOMEM;
        }
        memcpy(kept, out->leavings[i], size);
        c->leavings[c->n_leavings++] = kept;
    }
    return 0;
}

int core_vault_before_commit(struct core *c, struct err *err)
{
    if (!c->vault)
        return 0;
    int r = vault_sync(c->vault, err);
    if (r < 0)
        return r;
    packed_append_tag(&c->record, RECORD_VAULT_GENERATION, PACKED_VARINT);
    packed_append_varint(&c->record, vault_generation(c->vault));
    return 0; /* a record without room is told by the append */
}

/* Erases all who leave with one sync, then takes away look-ups: of those who stay. */
static int carry_out(struct core *c, struct err *err)
{
    const char **persons = calloc(c->n_leavings, sizeof(*persons));
    size_t n = 0;

    if (!persons)
        return err_set(err, ENOMEM, "no memory to erase %zu persons from the vault", c->n_leavings);
    for (size_t i = 0; i < c->n_leavings; i++)
        if (c->leavings[i]->kind == 0)
            persons[n++] = c->leavings[i]->person;
    int r = n > 0 ? vault_erase(c->vault, persons, n, err) : 0;
    free(persons);
    for (size_t i = 0; r == 0 && i < c->n_leavings; i++) {
        const struct leaving *l = c->leavings[i];
        if (l->kind)
            r = vault_remove_lookup(c->vault, l->person, l->kind,
                                    (struct slice) { l->value, l->len }, err);
    }
    return r;
}

void core_vault_after_commit(struct core *c, bool committed)
{
    struct err err = { "" };

    if (!c->vault)
        return;
    int r = vault_settle(c->vault, committed, &err);
    if (r == 0 && committed && c->n_leavings > 0)
        r = carry_out(c, &err);
    if (r < 0)
        note_broken(c, &err);
    drop_leavings(c, 0);
}

/* ---- opening ---- */

/* What the last record says. */
struct last_record {
    uint64_t generation; /* of the vault; 0: none */
    int64_t time_ms;
};

static int read_recorded(const struct rd *rd, struct last_record *ret)
{
    struct packed_field field = { 0 };
    struct log_head head;
    struct slice record;
    int r;

    *ret = (struct last_record) { 0 };
    if (log_head(rd, &head) != LOG_OK)
        return -EIO;
    if (head.record == 0)
        return 0;
    if (log_read(rd, head.record, &record) != LOG_OK)
        return -EIO;
    while ((r = packed_take(&record, &field)) > 0) {
        if (field.number == RECORD_VAULT_GENERATION && field.type == PACKED_VARINT)
            ret->generation = field.value;
        if (field.number == RECORD_TIME_MS && field.type == PACKED_VARINT)
            ret->time_ms = (int64_t)field.value;
    }
    return r;
}

static int find_recorded(struct core *c, struct last_record *ret, struct err *err)
{
    struct rd *rd;

    arena_reset(c->work);
    int r = rd_begin(c->store, c->work, &rd);
    if (r == 0) {
        r = read_recorded(rd, ret);
        rd_end(rd);
    }
    return r < 0 ? err_set(err, -r, "the log's end cannot be read: %s", strerror(-r)) : 0;
}

static int open_vault(struct core *c, uint64_t recorded, struct err *err)
{
    char path[PATH_MAX];
    struct master *master;

    int r = master_vault_path(c->home, c->def->name, path, sizeof(path));
    if (r < 0)
        return err_set(err, -r, "the vault's path: %s", strerror(-r));
    r = master_open(&master, c->home, c->credentials, err);
    if (r < 0)
        return r;
    const struct vault_config config = {
        .path = path, .service = c->def->name, .master = master, .recorded = recorded
    };
    r = vault_open(&c->vault, &config, err);
    master_close(master);
    return r;
}

/* ---- the sweep ---- */

struct sweep {
    struct core *c;
    struct rd *rd;
    int64_t now_ms;   /* the log's */
    bool look_only;   /* nobody is erased */
    uint64_t known;   /* of those in the vault: who is in the tables ... */
    uint64_t unknown; /* ... and who should not be in it */
    int failed;       /* the tables could not be read: nobody more is erased */
};

static int in_tables(const struct core *c, const struct rd *rd, const char *person)
{
    int r = -ENOENT;

    for (const struct table *const *t = c->def->slots; r == -ENOENT && *t; t++) {
        struct key k = KEY_INIT;
        struct slice row;
        r = rd_get_bytes(rd, *t, key_text(&k, person), &row);
    }
    return r;
}

int core_person_exists(struct core *c, struct rd *rd, int64_t now_ms, const char *person)
{
    bool expired;

    if (reply_key_is_ours(c, person, now_ms, &expired))
        return expired ? -ENOENT : 0;
    return in_tables(c, rd, person);
}

static bool is_there(void *arg, const char *person)
{
    struct sweep *s = arg;
    bool expired;

    if (s->failed < 0)
        return true;
    bool ours = reply_key_is_ours(s->c, person, s->now_ms, &expired);
    int r = ours ? expired ? -ENOENT : 0 : in_tables(s->c, s->rd, person);
    s->known += r == 0 && !ours;
    s->unknown += r == -ENOENT;
    if (r < 0 && r != -ENOENT)
        s->failed = r;
    return s->look_only || r != -ENOENT;
}

/* Goes through the vault. *ret_in_step: whoever should be in it is, and nobody else. */
static int sweep(struct core *c, int64_t now_ms, bool look_only, bool *ret_in_step, struct err *err)
{
    struct sweep s = { .c = c, .now_ms = now_ms, .look_only = look_only };
    uint64_t rows = 0, erased = 0;

    arena_reset(c->work);
    int r = rd_begin(c->store, c->work, &s.rd);
    if (r < 0)
        return err_set(err, -r, "cannot read the store: %s", strerror(-r));
    r = vault_sweep(c->vault, is_there, &s, &erased, err);
    for (const struct table *const *t = c->def->slots; *t; t++)
        rows += rd_count(s.rd, *t);
    rd_end(s.rd);
    if (r == 0 && s.failed < 0)
        r = err_set(err, -s.failed, "the tables do not tell who exists: %s", strerror(-s.failed));
    c->vault_start.swept += erased;
    *ret_in_step = s.unknown == 0 && s.known == rows;
    return r;
}

/* As a rule they are, and one look at each slot shows it. */
static int bring_in_step(struct core *c, int64_t now_ms, struct err *err)
{
    bool in_step;

    int r = sweep(c, now_ms, true, &in_step, err);
    if (r < 0 || in_step)
        return r;
    r = core_erase_anew(c, err);
    return r < 0 ? r : sweep(c, now_ms, false, &in_step, err);
}

static int bring_in_step_mending(struct core *c, int64_t now_ms, struct err *err)
{
    int r = bring_in_step(c, now_ms, err);

    if (r < 0 && core_note_damage(c, -r)) {
        r = core_rebuild(c, NULL, NULL, err);
        if (r == 0)
            r = bring_in_step(c, now_ms, err);
    }
    return r;
}

int core_open_vault(struct core *c, const char *home, const char *credentials, struct err *err)
{
    struct last_record last = { 0 };
    struct vault_stats stats;

    if (!c->def->personal)
        return 0;
    c->key = seal_key_new();
    c->home = strdup(home);
    c->credentials = credentials ? strdup(credentials) : NULL;
    if (!c->key || !c->home || (credentials && !c->credentials))
        return err_set(err, ENOMEM, "no memory for keys");
    int r = find_recorded(c, &last, err);
    if (r == 0)
        r = open_vault(c, last.generation, err);
    if (r < 0)
        return r;
    vault_stats(c->vault, &stats);
    if (last.generation == 0 && stats.persons > 0)
        return err_set(err, EUCLEAN,
                       "the vault holds %" PRIu64
                       " persons of whom this store's log knows nothing: "
                       "the store is missing, or another one. Put it back; nothing was erased",
                       stats.persons);
    r = bring_in_step_mending(c, last.time_ms, err);
    if (r == 0 && last.generation == 0)
        r = core_append_nothing(c, wall_ms(), err);
    return r;
}

int core_rotate_vault(struct core *c, bool *ret_done, struct err *err)
{
    struct master *master;

    int r = master_open(&master, c->home, c->credentials, err);
    if (r < 0)
        return r;
    r = vault_rotate(c->vault, master, ROTATE_SLOTS, ret_done, err);
    master_close(master);
    return r;
}

struct core_vault_start core_vault_started(const struct core *c)
{
    return c->vault_start;
}

struct vault *core_vault(struct core *c)
{
    return c->vault;
}

void core_vault_close(struct core *c)
{
    drop_leavings(c, 0);
    free(c->leavings);
    vault_close(c->vault);
    seal_key_free(c->key);
    free(c->home);
    free(c->credentials);
}
