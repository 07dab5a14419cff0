/* vault_change.c - adding and erasing persons and look-ups. All of it is the writer thread's.
 *
 * Written first, synced next, zeroed last: nothing that counts is overwritten, and a slot is reused only once its zeros were
 * written after what replaces it was durable. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/disk.h"
#include "common/vault_internal.h"

enum { SWEEP_PERSONS = 256 };

/* ---- writing ---- */

int vault_break(struct vault *v, int r, const char *what, struct err *err)
{
    v->broken = true;
    return err_set(err, -r,
                   "vault %s: %s: %s. It takes no changes until the service is started again",
                   v->path, what, strerror(-r));
}

int vault_refuse_broken(const struct vault *v, struct err *err)
{
    return v->broken ? err_set(err, EIO,
                               "vault %s: an earlier write failed; it takes no changes until the "
                               "service is started again",
                               v->path)
                     : 0;
}

static int write_in(const struct vault_file *f, uint32_t number, const struct slot *s)
{
    uint8_t bytes[SLOT_BYTES] = { 0 };

    if (s)
        slot_close(f, number, s, bytes);
    return disk_write_at(f->fd, bytes, sizeof(bytes), slot_at(number));
}

int vault_write_slot(struct vault *v, uint32_t number, const struct slot *s, struct err *err)
{
    v->dirty = true;
    int r = write_in(&v->file, number, s);
    if (r < 0)
        return vault_break(v, r, "a slot cannot be written", err);
    if (v->next.fd >= 0 && number < v->rotated && write_in(&v->next, number, s) < 0)
        vault_drop_rotation(v); /* it begins anew when asked again */
    return 0;
}

int vault_write_header(struct vault *v, struct err *err)
{
    struct vault_header *h = &v->secrets->header;
    uint8_t bytes[HEADER_BYTES];

    h->generation = v->generation;
    h->slots = v->n_slots;
    header_close(h, v->file.wrap, bytes);
    v->dirty = true;
    int r = disk_write_at(v->file.fd, bytes, sizeof(bytes), v->header_turn ? HEADER_COPY_AT : 0);
    v->header_turn = !v->header_turn;
    return r < 0 ? vault_break(v, r, "its header cannot be written", err) : 0;
}

int vault_sync_files(struct vault *v, struct err *err)
{
    if (!v->dirty)
        return 0;
    int r = disk_sync(v->file.fd);
    if (r < 0)
        return vault_break(v, r, "it cannot be synced", err);
    /* Security: what was erased must not stay in a file that is removed half done. */
    if (v->next.fd >= 0 && disk_sync(v->next.fd) < 0)
        vault_drop_rotation(v);
    v->dirty = false;
    return 0;
}

/* ---- room ---- */

static int grow_index(struct vault *v, struct vault_index *ix, size_t more)
{
    struct vault_index grown;

    int r = index_grow(ix, more, &grown);
    if (r < 0 || !grown.entries)
        return r;
    pthread_rwlock_wrlock(&v->lock);
    struct vault_index old = *ix;
    *ix = grown;
    pthread_rwlock_unlock(&v->lock);
    index_free(&old);
    return 0;
}

static uint32_t growth(const struct vault *v)
{
    return v->n_slots / 8 > GROW_SLOTS ? v->n_slots / 8 : GROW_SLOTS;
}

/* The room is there before the header says so: a header never promises slots that a crash took away. */
static int grow_file(struct vault *v, struct err *err)
{
    uint32_t more = growth(v);

    if (v->n_slots > UINT32_MAX / 2)
        return err_set(err, ENOSPC, "vault %s: it holds as many persons as it can", v->path);
    int r = disk_reserve(v->file.fd, slot_at(v->n_slots), (uint64_t)more * SLOT_BYTES);
    if (r < 0)
        return err_set(err, -r, "vault %s: it cannot grow: %s", v->path, strerror(-r));
    v->dirty = true;
    r = vault_sync_files(v, err);
    if (r < 0)
        return r;
    pthread_rwlock_wrlock(&v->lock);
    v->n_slots += more;
    pthread_rwlock_unlock(&v->lock);
    for (uint32_t i = 1; i <= more; i++)
        numbers_push(&v->free, v->n_slots - i);
    return vault_write_header(v, err);
}

/* A free slot, and room in memory for all that follows. The slot stays on the list until take_free(). */
static int make_room(struct vault *v, size_t lookups, uint32_t *ret_number, struct err *err)
{
    int r = grow_index(v, &v->persons, 1);
    if (r == 0)
        r = grow_index(v, &v->lookups, lookups);
    if (r == 0)
        r = numbers_reserve(&v->stale, 1);
    if (r == 0 && v->free.n == 0)
        r = numbers_reserve(&v->free, (size_t)v->n_slots + growth(v));
    if (r == 0 && v->n_unsettled + lookups + 1 > v->unsettled_room) {
        size_t room = 2 * v->unsettled_room + lookups + 1;
        struct unsettled *all = realloc(v->unsettled, room * sizeof(*all));
        if (!all)
            r = -ENOMEM;
        else {
            v->unsettled = all;
            v->unsettled_room = room;
        }
    }
    if (r < 0)
        return err_set(err, ENOMEM, "vault %s: no memory for another person", v->path);
    if (v->free.n == 0)
        r = grow_file(v, err);
    if (r == 0)
        *ret_number = v->free.all[v->free.n - 1];
    return r;
}

static void remember_unsettled(struct vault *v, const struct slot *s, const struct hashed *lookup)
{
    struct unsettled *u = &v->unsettled[v->n_unsettled++];

    *u = (struct unsettled) { 0 };
    memcpy(u->person, s->person, PERSON_BYTES);
    if (lookup)
        u->lookup = *lookup;
}

/* ---- adding ---- */

static int refuse_unreadable(const struct vault *v, int r, struct err *err)
{
    return err_set(err, -r, "vault %s: a slot cannot be read: %s", v->path, strerror(-r));
}

/* Puts a look-up into the slot, unless it is there. -EEXIST: it is somebody else's. */
static int put_lookup(struct vault *v, struct slot *s, const struct hashed *lookup, struct err *err)
{
    static const struct hashed none;
    struct hashed *place;
    uint32_t number;

    if (slot_lookup(s, lookup))
        return 0;
    int r = vault_slot_with(v, lookup, &v->secrets->other, &number);
    sodium_memzero(&v->secrets->other, sizeof(v->secrets->other));
    if (r == 0)
        return err_set(err, EEXIST, "vault: this look-up (kind %u) is somebody else's",
                       lookup->kind);
    if (r != -ENOENT)
        return refuse_unreadable(v, r, err);
    place = slot_lookup(s, &none);
    if (!place)
        return err_set(err, E2BIG, "vault: a person is found by at most %d look-ups",
                       VAULT_LOOKUPS);
    *place = *lookup;
    return 0;
}

static int hash_of(struct vault *v, uint8_t kind, struct slice value, struct hashed *ret,
                   struct err *err)
{
    if (kind == 0)
        return err_set(err, EINVAL, "vault: kinds of look-ups are numbered from 1");
    *ret = (struct hashed) { .kind = kind };
    vault_hash(v, kind, value, ret->hash);
    return 0;
}

static int read_person(const char *person, uint8_t ret[PERSON_BYTES], struct err *err)
{
    return id_read(person, ret)
               ? 0
               : err_set(err, EINVAL, "vault: a person's id must be a UUID in lower case");
}

/* Writes the writer's slot to `number`, the free one that make_room() gave, as a new generation. */
static int write_anew(struct vault *v, uint32_t number, struct err *err)
{
    struct slot *s = &v->secrets->slot;

    slot_set_generation(s, v->generation + 1);
    int r = vault_write_slot(v, number, s, err);
    if (r < 0)
        return r;
    v->generation++;
    v->free.n--;
    return 0;
}

/* `secret` is the data key, NULL: a random one. */
static int add(struct vault *v, const char *person, const uint8_t *secret,
               const struct vault_lookup *lookups, size_t n, struct err *err)
{
    struct slot *s = &v->secrets->slot;
    uint8_t id[PERSON_BYTES];
    struct hashed lookup;
    uint32_t number = 0;

    int r = vault_refuse_broken(v, err);
    if (r == 0)
        r = read_person(person, id, err);
    if (r < 0)
        return r;
    r = vault_slot_of(v, id, s, &number);
    if (r == 0)
        return err_set(err, EEXIST, "vault: there is a person with this id already");
    if (r != -ENOENT)
        return refuse_unreadable(v, r, err);
    *s = (struct slot) { .live = 1 };
    memcpy(s->person, id, PERSON_BYTES);
    if (secret)
        memcpy(s->key, secret, sizeof(s->key));
    else
        randombytes_buf(s->key, sizeof(s->key));
    r = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = hash_of(v, lookups[i].kind, lookups[i].value, &lookup, err);
        if (r == 0)
            r = put_lookup(v, s, &lookup, err);
    }
    if (r == 0)
        r = make_room(v, VAULT_LOOKUPS, &number, err);
    if (r == 0)
        r = write_anew(v, number, err);
    if (r == 0) {
        pthread_rwlock_wrlock(&v->lock);
        vault_index_slot(v, s, number);
        pthread_rwlock_unlock(&v->lock);
        remember_unsettled(v, s, NULL);
    }
    sodium_memzero(s, sizeof(*s));
    return r;
}

int vault_add(struct vault *v, const char *person, const struct vault_lookup *lookups, size_t n,
              struct err *err)
{
    return add(v, person, NULL, lookups, n, err);
}

int vault_add_secret(struct vault *v, const char *id, const uint8_t secret[VAULT_SECRET_BYTES],
                     struct err *err)
{
    return add(v, id, secret, NULL, 0, err);
}

/* Writes the writer's slot, which stood at `old` with the look-ups of `before`, anew elsewhere. */
static int rewrite(struct vault *v, uint32_t old, const struct hashed before[VAULT_LOOKUPS],
                   struct err *err)
{
    struct slot *s = &v->secrets->slot;
    struct hashed after[VAULT_LOOKUPS];
    uint32_t number;

    int r = make_room(v, VAULT_LOOKUPS, &number, err);
    if (r == 0)
        r = write_anew(v, number, err);
    if (r < 0)
        return r;
    memcpy(after, s->lookups, sizeof(after));
    pthread_rwlock_wrlock(&v->lock);
    memcpy(s->lookups, before, sizeof(after));
    vault_unindex_slot(v, s, old);
    memcpy(s->lookups, after, sizeof(after));
    vault_index_slot(v, s, number);
    pthread_rwlock_unlock(&v->lock);
    numbers_push(&v->stale, old);
    return 0;
}

int vault_add_lookup(struct vault *v, const char *person, uint8_t kind, struct slice value,
                     struct err *err)
{
    struct slot *s = &v->secrets->slot;
    struct hashed lookup, before[VAULT_LOOKUPS];
    uint8_t id[PERSON_BYTES];
    uint32_t number;

    int r = vault_refuse_broken(v, err);
    if (r == 0)
        r = read_person(person, id, err);
    if (r == 0)
        r = hash_of(v, kind, value, &lookup, err);
    if (r < 0)
        return r;
    r = vault_slot_of(v, id, s, &number);
    if (r == -ENOENT)
        return err_set(err, ENOENT, "vault: there is no person with this id");
    if (r < 0)
        return refuse_unreadable(v, r, err);
    memcpy(before, s->lookups, sizeof(before));
    r = put_lookup(v, s, &lookup, err);
    if (r == 0 && memcmp(before, s->lookups, sizeof(before)) != 0) {
        r = rewrite(v, number, before, err);
        if (r == 0)
            remember_unsettled(v, s, &lookup);
    }
    sodium_memzero(s, sizeof(*s));
    return r;
}

/* ---- durable ---- */

/* Zeroes the slots on the stale list; they are free once that is synced or something newer is written there. */
static int zero_stale(struct vault *v, struct err *err)
{
    while (v->stale.n > 0) {
        uint32_t number = v->stale.all[v->stale.n - 1];
        int r = vault_write_slot(v, number, NULL, err);
        if (r < 0)
            return r;
        v->stale.n--;
        numbers_push(&v->free, number);
    }
    return 0;
}

int vault_sync(struct vault *v, struct err *err)
{
    int r = vault_refuse_broken(v, err);

    if (r == 0)
        r = vault_sync_files(v, err);
    /* These zeros need no sync: if they are lost, the older version loses at the next opening. */
    if (r == 0)
        r = zero_stale(v, err);
    return r;
}

size_t vault_unsettled(const struct vault *v)
{
    return v->n_unsettled;
}

int vault_take_back(struct vault *v, size_t mark, struct err *err)
{
    int r = vault_refuse_broken(v, err);

    while (r == 0 && v->n_unsettled > mark) {
        const struct unsettled *u = &v->unsettled[v->n_unsettled - 1];
        char person[ID_CHARS + 1];
        id_write(u->person, person);
        r = u->lookup.kind ? vault_take_lookup(v, u->person, &u->lookup, err)
                           : vault_erase(v, (const char *const[]) { person }, 1, err);
        if (r == 0)
            v->n_unsettled--;
    }
    return r;
}

int vault_settle(struct vault *v, bool committed, struct err *err)
{
    if (!committed)
        return vault_take_back(v, 0, err);
    v->n_unsettled = 0;
    return 0;
}

/* ---- taking away ---- */

int vault_take_lookup(struct vault *v, const uint8_t person[PERSON_BYTES],
                      const struct hashed *lookup, struct err *err)
{
    struct slot *s = &v->secrets->slot;
    struct hashed before[VAULT_LOOKUPS], *place;
    uint32_t number;

    int r = vault_sync(v, err);
    if (r < 0)
        return r;
    r = vault_slot_of(v, person, s, &number);
    if (r < 0)
        return r == -ENOENT ? 0 : refuse_unreadable(v, r, err);
    memcpy(before, s->lookups, sizeof(before));
    place = slot_lookup(s, lookup);
    if (place) {
        *place = (struct hashed) { 0 };
        r = rewrite(v, number, before, err);
    }
    sodium_memzero(s, sizeof(*s));
    if (r == 0 && place)
        r = vault_sync(v, err);
    return r == 0 ? vault_sync_files(v, err) : r; /* the zeros too */
}

int vault_remove_lookup(struct vault *v, const char *person, uint8_t kind, struct slice value,
                        struct err *err)
{
    uint8_t id[PERSON_BYTES];
    struct hashed lookup;

    int r = vault_refuse_broken(v, err);
    if (r == 0)
        r = read_person(person, id, err);
    if (r == 0)
        r = hash_of(v, kind, value, &lookup, err);
    return r == 0 ? vault_take_lookup(v, id, &lookup, err) : r;
}

/* Takes a person out of the indexes and puts her slot on the stale list, which has room. *ret_newer: the slot is newer than what the
 * header says. */
static int forget_person(struct vault *v, const uint8_t person[PERSON_BYTES], bool *ret_newer,
                         struct err *err)
{
    struct slot *s = &v->secrets->slot;
    uint32_t number;

    int r = vault_slot_of(v, person, s, &number);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return refuse_unreadable(v, r, err);
    pthread_rwlock_wrlock(&v->lock);
    vault_unindex_slot(v, s, number);
    pthread_rwlock_unlock(&v->lock);
    if (slot_generation(s) > v->secrets->header.generation)
        *ret_newer = true;
    sodium_memzero(s, sizeof(*s));
    numbers_push(&v->stale, number);
    v->generation++;
    return 0;
}

/* Zeroes what was forgotten, durably. A newer slot may be all that shows the generation that was recorded: cut off after it was zeroed,
 * the file would look like an older copy. So the header, durable, comes first. */
static int zero_forgotten(struct vault *v, bool newer, struct err *err)
{
    int r = newer ? vault_write_header(v, err) : 0;

    if (r == 0 && newer)
        r = vault_sync_files(v, err);
    if (r == 0)
        r = zero_stale(v, err);
    if (r == 0)
        r = vault_write_header(v, err);
    return r == 0 ? vault_sync_files(v, err) : r;
}

int vault_erase(struct vault *v, const char *const *persons, size_t n, struct err *err)
{
    uint8_t id[PERSON_BYTES];
    bool newer = false;

    int r = vault_sync(v, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = read_person(persons[i], id, err);
    if (r == 0 && numbers_reserve(&v->stale, n) < 0)
        r = err_set(err, ENOMEM, "vault %s: no memory to erase %zu persons", v->path, n);
    if (r < 0)
        return r;
    for (size_t i = 0; r == 0 && i < n; i++) {
        (void)id_read(persons[i], id); /* looked at above */
        r = forget_person(v, id, &newer, err);
    }
    if (v->stale.n == 0)
        return r;
    /* Those before one that cannot be erased are erased all the same. */
    int done = zero_forgotten(v, newer, err);
    return r < 0 ? r : done;
}

/* ---- sweeping ---- */

static bool is_damaged(const struct vault *v, uint32_t number)
{
    for (size_t i = 0; i < v->damaged.n; i++)
        if (v->damaged.all[i] == number)
            return true;
    return false;
}

int vault_sweep(struct vault *v, bool (*exists)(void *arg, const char *person), void *arg,
                uint64_t *ret_erased, struct err *err)
{
    char ids[SWEEP_PERSONS][ID_CHARS + 1];
    const char *orphans[SWEEP_PERSONS];
    uint64_t erased = 0;
    size_t n = 0;

    if (v->n_unsettled > 0)
        return err_set(err, EBUSY, "vault %s: something added is not settled yet", v->path);
    int r = vault_refuse_broken(v, err);
    for (uint32_t number = 0; r == 0 && number < v->n_slots; number++) {
        struct slot *s = &v->secrets->slot;
        r = vault_read_slot(v, number, s);
        if (r == 0) {
            id_write(s->person, ids[n]);
            if (!exists(arg, ids[n])) {
                orphans[n] = ids[n];
                n++;
            }
        } else if (r == -ENOENT || is_damaged(v, number))
            r = 0;
        else
            r = refuse_unreadable(v, r, err);
        if (r == 0 && n > 0 && (n == SWEEP_PERSONS || number == v->n_slots - 1)) {
            r = vault_erase(v, orphans, n, err);
            erased += n;
            n = 0;
        }
    }
    sodium_memzero(&v->secrets->slot, sizeof(v->secrets->slot));
    if (r == 0)
        *ret_erased = erased;
    return r;
}
