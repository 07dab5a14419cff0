/* vault.c - opens a vault, reading every slot once, and answers who is in it. How it is changed stands in vault_change.c. */
#include "common/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/disk.h"
#include "common/vault_internal.h"

enum { SCAN_SLOTS = 4096, PURPOSE_MAX = 64 };

/* What opening goes through. */
struct opening {
    struct vault *v;
    const struct vault_config *config;
    uint64_t size_bytes;
    struct numbers losers; /* older versions of a slot that was being changed */
    struct err *err;
};

int numbers_reserve(struct numbers *list, size_t more)
{
    if (list->room - list->n >= more)
        return 0;
    size_t room = list->n + more + list->room / 2;
    uint32_t *all = realloc(list->all, room * sizeof(*all));
    if (!all)
        return -ENOMEM;
    list->all = all;
    list->room = room;
    return 0;
}

void numbers_push(struct numbers *list, uint32_t number)
{
    list->all[list->n++] = number;
}

static int refuse(const struct opening *o, int errnum, const char *what)
{
    return err_set(o->err, errnum, "vault %s: %s", o->config->path, what);
}

/* ---- fingerprints ---- */

static uint32_t print_of_person(const struct vault *v, const uint8_t person[PERSON_BYTES])
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint32_t print;

    crypto_shorthash(hash, person, PERSON_BYTES, v->secrets->index_key);
    memcpy(&print, hash, sizeof(print));
    return print;
}

static uint32_t print_of_lookup(const struct hashed *lookup)
{
    uint32_t print;

    memcpy(&print, lookup->hash, sizeof(print)); /* a keyed hash already */
    return print;
}

void vault_index_slot(struct vault *v, const struct slot *s, uint32_t number)
{
    index_put(&v->persons, print_of_person(v, s->person), number);
    for (size_t i = 0; i < VAULT_LOOKUPS; i++)
        if (s->lookups[i].kind)
            index_put(&v->lookups, print_of_lookup(&s->lookups[i]), number);
}

void vault_unindex_slot(struct vault *v, const struct slot *s, uint32_t number)
{
    index_drop(&v->persons, print_of_person(v, s->person), number);
    for (size_t i = 0; i < VAULT_LOOKUPS; i++)
        if (s->lookups[i].kind)
            index_drop(&v->lookups, print_of_lookup(&s->lookups[i]), number);
}

/* ---- slots ---- */

struct hashed *slot_lookup(struct slot *s, const struct hashed *lookup)
{
    for (size_t i = 0; i < VAULT_LOOKUPS; i++)
        if (memcmp(&s->lookups[i], lookup, sizeof(*lookup)) == 0)
            return &s->lookups[i];
    return NULL;
}

int vault_read_slot(const struct vault *v, uint32_t number, struct slot *ret)
{
    uint8_t bytes[SLOT_BYTES];

    int r = disk_read_at(v->file.fd, bytes, sizeof(bytes), slot_at(number));
    if (r < 0)
        return r;
    if (slot_is_free(bytes))
        return -ENOENT;
    return slot_open(&v->file, number, bytes, ret) ? 0 : -EBADMSG;
}

int vault_slot_of(const struct vault *v, const uint8_t person[PERSON_BYTES], struct slot *ret,
                  uint32_t *ret_number)
{
    uint32_t print = print_of_person(v, person);

    for (size_t at = 0; index_next(&v->persons, print, &at, ret_number);) {
        int r = vault_read_slot(v, *ret_number, ret);
        if (r < 0)
            return r == -ENOENT ? -EBADMSG : r; /* zeroed behind our back */
        if (memcmp(ret->person, person, PERSON_BYTES) == 0)
            return 0;
    }
    return -ENOENT;
}

int vault_slot_with(const struct vault *v, const struct hashed *lookup, struct slot *ret,
                    uint32_t *ret_number)
{
    uint32_t print = print_of_lookup(lookup);

    for (size_t at = 0; index_next(&v->lookups, print, &at, ret_number);) {
        int r = vault_read_slot(v, *ret_number, ret);
        if (r < 0)
            return r == -ENOENT ? -EBADMSG : r;
        if (slot_lookup(ret, lookup))
            return 0;
    }
    return -ENOENT;
}

/* ---- making ---- */

int vault_make_file(const char *path, const struct vault_header *header, const uint8_t *wrap,
                    int *ret_fd)
{
    uint8_t bytes[HEADER_BYTES];
    int fd;

    int r = disk_make(path, &fd);
    if (r < 0)
        return r;
    header_close(header, wrap, bytes);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        r = -errno;
    if (r == 0)
        r = disk_reserve(fd, 0, slot_at(header->slots));
    if (r == 0)
        r = disk_write_at(fd, bytes, sizeof(bytes), 0);
    if (r == 0)
        r = disk_write_at(fd, bytes, sizeof(bytes), HEADER_COPY_AT);
    if (r == 0)
        r = disk_sync(fd);
    if (r < 0) {
        close(fd);
        (void)!disk_remove(
            path); /* the failure before counts; a leftover goes at the next opening */
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int make_folder(const char *path)
{
    char folder[PATH_MAX];

    (void)snprintf(folder, sizeof(folder), "%s", path); /* its length was checked */
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    if (mkdir(folder, 0700) < 0)
        return errno == EEXIST ? 0 : -errno;
    return disk_sync_folder(folder);
}

static int make_vault(struct opening *o)
{
    struct vault *v = o->v;
    struct vault_header *h = &v->secrets->header;
    const struct master_key *master = master_newest(o->config->master);
    char fresh[PATH_MAX + 4];

    if (o->config->recorded > 0)
        return refuse(o, ENOENT,
                      "it is missing, but the service has recorded changes of it: what was sealed "
                      "cannot be read without it. Put it back; nothing was made");
    (void)snprintf(fresh, sizeof(fresh), "%s.new", v->path);
    (void)snprintf(h->service, sizeof(h->service), "%s", o->config->service);
    memcpy(h->master_id, master->id, sizeof(h->master_id));
    randombytes_buf(h->id, sizeof(h->id));
    randombytes_buf(h->root, sizeof(h->root));
    h->slots = GROW_SLOTS;
    h->generation = 1;
    v->generation = 1;
    vault_wrap_key(master, h->service, v->secrets->wrap[0]);

    int r = disk_remove(fresh); /* of a start that was cut off */
    if (r == 0)
        r = vault_make_file(fresh, h, v->secrets->wrap[0], &v->file.fd);
    if (r == 0)
        r = disk_name_anew(fresh, v->path);
    if (r == 0)
        r = disk_sync_folder(v->path);
    if (r < 0)
        return err_set(o->err, -r, "vault %s: cannot make it: %s", v->path, strerror(-r));
    return 0;
}

/* ---- opening: the header ---- */

static int open_file(struct opening *o)
{
    struct vault *v = o->v;
    struct stat st, named;

    int r = make_folder(v->path);
    if (r < 0)
        return err_set(o->err, -r, "vault %s: cannot make its folder: %s", v->path, strerror(-r));
    v->file.fd = open(v->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (v->file.fd < 0 && errno == ENOENT)
        r = make_vault(o);
    else if (v->file.fd < 0)
        r = err_set(o->err, errno, "vault %s: cannot open it: %m", v->path);
    if (r < 0)
        return r;
    if (flock(v->file.fd, LOCK_EX | LOCK_NB) < 0)
        return refuse(o, errno == EWOULDBLOCK ? EBUSY : errno, "another process has it open");
    if (fstat(v->file.fd, &st) < 0 || stat(v->path, &named) < 0)
        return err_set(o->err, errno, "vault %s: cannot look at it: %m", v->path);
    if (st.st_ino != named.st_ino || st.st_dev != named.st_dev)
        return refuse(o, EBUSY, "another process is just taking it over to another master key");
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return refuse(o, EACCES, "it is open to others: wanted is a file of mode 0600 (chmod 600)");
    o->size_bytes = (uint64_t)st.st_size;
    return 0;
}

/* The wrap key that a header lies under, or false: we do not have it. */
static bool find_key(const struct opening *o, const struct vault_header *h, uint8_t *ret_wrap)
{
    const struct master_key *keys[] = { master_current(o->config->master),
                                        master_next(o->config->master) };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i] && memcmp(keys[i]->id, h->master_id, MASTER_ID_BYTES) == 0) {
            vault_wrap_key(keys[i], h->service, ret_wrap);
            return true;
        }
    return false;
}

/* Tries one copy of the header. 0: it is good, and the better one so far is in the secrets. */
static int try_header(struct opening *o, unsigned copy, struct vault_header *scratch, bool *have)
{
    struct vault_secrets *x = o->v->secrets;
    uint8_t bytes[HEADER_BYTES];
    char id[2 * MASTER_ID_BYTES + 1], ours[2 * MASTER_ID_BYTES + 1];

    int r = disk_read_at(o->v->file.fd, bytes, sizeof(bytes), copy ? HEADER_COPY_AT : 0);
    if (r < 0)
        return refuse(o, -r, "its header cannot be read");
    if (!header_look(bytes, scratch))
        return refuse(o, EBADMSG,
                      "this is no vault of a version known here, or its header is damaged. "
                      "Nothing was changed");
    if (strcmp(scratch->service, o->config->service) != 0)
        return err_set(o->err, EBADMSG, "vault %s: it is the vault of \"%s\", not of \"%s\"",
                       o->v->path, scratch->service, o->config->service);
    if (!find_key(o, scratch, x->wrap[1])) {
        sodium_bin2hex(id, sizeof(id), scratch->master_id, 4);
        sodium_bin2hex(ours, sizeof(ours), master_current(o->config->master)->id, 4);
        return err_set(o->err, EKEYREJECTED,
                       "vault %s: it lies under the master key %s, the one given is %s: put the "
                       "right one back. Nothing was changed",
                       o->v->path, id, ours);
    }
    if (!header_open(bytes, x->wrap[1], scratch))
        return refuse(o, EBADMSG, "its header was altered. Nothing was changed");
    if (*have && scratch->generation <= x->header.generation)
        return 0;
    *have = true;
    memcpy(&x->header, scratch, sizeof(*scratch));
    memcpy(x->wrap[0], x->wrap[1], MASTER_KEY_BYTES);
    o->v->header_turn = !copy; /* the other is written next */
    return 0;
}

static int read_header(struct opening *o)
{
    struct vault *v = o->v;
    bool have = false;

    if (o->size_bytes < SLOTS_AT)
        return refuse(o, EBADMSG, "the file is cut short, or no vault. Nothing was changed");
    struct vault_header *scratch = sodium_malloc(sizeof(*scratch));
    if (!scratch)
        return refuse(o, ENOMEM, "no memory");
    int first = try_header(o, 0, scratch, &have);
    int second = try_header(o, 1, scratch, &have);
    sodium_free(scratch);
    if (!have)
        return first < 0 ? first : second;
    v->header_damaged = first < 0 || second < 0;
    if (first < 0)
        v->header_turn = 0; /* the damaged copy is the first to be written */
    if (second < 0)
        v->header_turn = 1;
    v->n_slots = v->secrets->header.slots;
    v->generation = v->secrets->header.generation;
    if (o->size_bytes < slot_at(v->n_slots))
        return refuse(o, EBADMSG,
                      "the file is cut short: slots at its end are missing. Nothing was changed");
    memcpy(v->file.id, v->secrets->header.id, VAULT_ID_BYTES);
    v->file.wrap = v->secrets->wrap[0];
    randombytes_buf(v->secrets->index_key, sizeof(v->secrets->index_key));
    return crypto_kdf_derive_from_key(v->secrets->lookup_key, sizeof(v->secrets->lookup_key), 1,
                                      "fokuslok", v->secrets->header.root) == 0
               ? 0
               : refuse(o, EINVAL, "no look-up key");
}

/* ---- opening: the slots ---- */

static int room_for_slot(struct vault *v)
{
    struct vault_index grown[2];

    int r = index_grow(&v->persons, 1, &grown[0]);
    if (r < 0)
        return r;
    if (grown[0].entries) {
        index_free(&v->persons);
        v->persons = grown[0];
    }
    r = index_grow(&v->lookups, VAULT_LOOKUPS, &grown[1]);
    if (r == 0 && grown[1].entries) {
        index_free(&v->lookups);
        v->lookups = grown[1];
    }
    return r;
}

/* A slot that was being changed when the process ended is there twice: the later version counts. */
static int take_slot_in(struct opening *o, uint32_t number, const struct slot *s)
{
    struct vault *v = o->v;
    struct slot *other = &v->secrets->other;
    uint32_t number_of_other;

    int r = vault_slot_of(v, s->person, other, &number_of_other);
    if (r == 0) {
        r = numbers_reserve(&o->losers, 1);
        if (r < 0)
            return r;
        if (slot_generation(other) >= slot_generation(s)) {
            numbers_push(&o->losers, number);
            return 0;
        }
        numbers_push(&o->losers, number_of_other);
        vault_unindex_slot(v, other, number_of_other);
    } else if (r != -ENOENT)
        return r;
    if (slot_generation(s) > v->generation)
        v->generation = slot_generation(s);
    vault_index_slot(v, s, number);
    return 0;
}

static int take_in(struct opening *o, uint32_t number, const uint8_t bytes[SLOT_BYTES])
{
    struct vault *v = o->v;
    struct slot *s = &v->secrets->slot;

    if (slot_is_free(bytes)) {
        numbers_push(&v->free, number);
        return 0;
    }
    if (!slot_open(&v->file, number, bytes, s)) {
        int r = numbers_reserve(&v->damaged, 1);
        if (r == 0)
            numbers_push(&v->damaged, number);
        return r;
    }
    int r = room_for_slot(v);
    return r < 0 ? r : take_slot_in(o, number, s);
}

static int scan_part(struct opening *o, uint32_t from, uint32_t n, uint8_t *bytes)
{
    int r = disk_read_at(o->v->file.fd, bytes, (size_t)n * SLOT_BYTES, slot_at(from));

    for (uint32_t i = 0; r == 0 && i < n; i++)
        r = take_in(o, from + i, bytes + (size_t)i * SLOT_BYTES);
    return r;
}

static int scan_slots(struct opening *o)
{
    struct vault *v = o->v;
    uint8_t *bytes = malloc((size_t)SCAN_SLOTS * SLOT_BYTES);

    int r = bytes ? numbers_reserve(&v->free, v->n_slots) : -ENOMEM;
    (void)posix_fadvise(v->file.fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a wish */
    for (uint32_t from = 0; r == 0 && from < v->n_slots; from += SCAN_SLOTS) {
        uint32_t left = v->n_slots - from;
        r = scan_part(o, from, left < SCAN_SLOTS ? left : SCAN_SLOTS, bytes);
    }
    (void)posix_fadvise(v->file.fd, 0, 0, POSIX_FADV_RANDOM);
    free(bytes);
    return r < 0 ? err_set(o->err, -r, "vault %s: its slots cannot be read: %s", v->path,
                           strerror(-r))
                 : 0;
}

/* Past the last slot there may be zeros: room made by a growth that was cut off. */
static int check_end(struct opening *o)
{
    uint8_t bytes[SLOT_BYTES] = { 0 };

    for (uint64_t at = slot_at(o->v->n_slots); at < o->size_bytes; at += sizeof(bytes)) {
        uint64_t left = o->size_bytes - at;
        memset(bytes, 0, sizeof(bytes));
        int r = disk_read_at(o->v->file.fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), at);
        if (r < 0)
            return refuse(o, -r, "its end cannot be read");
        if (!slot_is_free(bytes))
            return refuse(o, EBADMSG,
                          "something stands after its last slot that is not ours. Nothing was "
                          "changed");
    }
    return 0;
}

static int judge(struct opening *o)
{
    struct vault *v = o->v;

    if (v->damaged.n > 0 && !o->config->leave_damaged)
        return err_set(o->err, EBADMSG,
                       "vault %s: %zu of %u slots are damaged, the first is number %u: what was "
                       "sealed for those persons cannot be read. Nothing was changed; put a whole "
                       "copy back, or open it without them",
                       v->path, v->damaged.n, v->n_slots, v->damaged.all[0]);
    if (v->generation < o->config->recorded)
        return err_set(o->err, ESTALE,
                       "vault %s: an older copy was put in its place (generation %llu, recorded is "
                       "%llu): persons made since are missing, erased ones are back. Nothing was "
                       "changed",
                       v->path, (unsigned long long)v->generation,
                       (unsigned long long)o->config->recorded);
    return 0;
}

/* Ends the changes that a crash cut off. */
static int finish_changes(struct opening *o)
{
    struct vault *v = o->v;
    char next[PATH_MAX + 5];

    (void)snprintf(next, sizeof(next), "%s.next", v->path);
    int r = disk_scrub(next);
    if (r < 0)
        return err_set(o->err, -r, "vault %s: what a rotation left cannot be removed: %s", next,
                       strerror(-r));
    for (size_t i = 0; r == 0 && i < o->losers.n; i++)
        r = vault_write_slot(v, o->losers.all[i], NULL, o->err);
    if (r == 0 && o->losers.n > 0)
        r = vault_sync_files(v, o->err);
    for (size_t i = 0; r == 0 && i < o->losers.n; i++)
        numbers_push(&v->free, o->losers.all[i]);
    return r;
}

static struct vault *allocate(void)
{
    struct vault *v = calloc(1, sizeof(*v));
    pthread_rwlockattr_t fair;

    if (!v)
        return NULL;
    v->file.fd = v->next.fd = -1;
    v->secrets = sodium_malloc(sizeof(*v->secrets));
    if (!v->secrets) {
        free(v);
        return NULL;
    }
    sodium_memzero(v->secrets, sizeof(*v->secrets));
    pthread_rwlockattr_init(&fair);
    pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&v->lock, &fair);
    pthread_rwlockattr_destroy(&fair);
    return v;
}

int vault_open(struct vault **ret, const struct vault_config *config, struct err *err)
{
    struct opening o = { .config = config, .err = err };

    if (!service_name_valid(config->service, strlen(config->service)))
        return err_set(err, EINVAL, "vault: \"%.40s\" cannot be a service's name", config->service);
    if (strlen(config->path) >= PATH_MAX)
        return err_set(err, ENAMETOOLONG, "vault: the path is too long");
    int r = seal_ready();
    if (r < 0)
        return err_set(err, -r, "vault: libsodium cannot start");
    struct vault *v = o.v = allocate();
    if (!v)
        return err_set(err, ENOMEM, "vault %s: no memory", config->path);
    (void)snprintf(v->path, sizeof(v->path), "%s", config->path);
    r = open_file(&o);
    if (r == 0)
        r = read_header(&o);
    if (r == 0)
        r = scan_slots(&o);
    if (r == 0)
        r = check_end(&o);
    if (r == 0)
        r = judge(&o);
    if (r == 0)
        r = finish_changes(&o);
    free(o.losers.all);
    if (r < 0) {
        vault_close(v);
        return r;
    }
    *ret = v;
    return 0;
}

void vault_close(struct vault *v)
{
    if (!v)
        return;
    vault_drop_rotation(v);
    if (v->file.fd >= 0)
        close(v->file.fd);
    index_free(&v->persons);
    index_free(&v->lookups);
    free(v->free.all);
    free(v->stale.all);
    free(v->damaged.all);
    free(v->unsettled);
    pthread_rwlock_destroy(&v->lock);
    sodium_free(v->secrets); /* wipes */
    free(v);
}

/* ---- reading ---- */

/* Turns the slot that was opened in the key's memory into the key. */
static int hand_out(const struct vault *v, int r, struct seal_key *k)
{
    struct slot *s = (struct slot *)k->slot;

    if (r == 0) {
        memcpy(k->person_bytes, s->person, PERSON_BYTES);
        memcpy(k->key, s->key, DATA_KEY_BYTES);
        (void)snprintf(k->service, sizeof(k->service), "%s", v->secrets->header.service);
        id_write(k->person_bytes, k->person);
    }
    sodium_memzero(k->slot, sizeof(k->slot));
    return r;
}

int vault_key(struct vault *v, const char *person, struct seal_key *ret)
{
    uint8_t id[PERSON_BYTES];
    uint32_t number;

    seal_key_wipe(ret);
    if (!id_read(person, id))
        return -EINVAL;
    pthread_rwlock_rdlock(&v->lock);
    int r = vault_slot_of(v, id, (struct slot *)ret->slot, &number);
    pthread_rwlock_unlock(&v->lock);
    return hand_out(v, r, ret);
}

int vault_secret(struct vault *v, const char *id, struct seal_key *key,
                 uint8_t ret[VAULT_SECRET_BYTES])
{
    _Static_assert((int)VAULT_SECRET_BYTES == (int)DATA_KEY_BYTES, "it lies in a data key's place");
    int r = vault_key(v, id, key);

    if (r == 0)
        memcpy(ret, key->key, VAULT_SECRET_BYTES);
    seal_key_wipe(key);
    return r;
}

int vault_find(struct vault *v, uint8_t kind, struct slice value, struct seal_key *ret)
{
    struct hashed lookup = { .kind = kind };
    uint32_t number;

    seal_key_wipe(ret);
    if (kind == 0)
        return -EINVAL;
    vault_hash(v, kind, value, lookup.hash);
    pthread_rwlock_rdlock(&v->lock);
    int r = vault_slot_with(v, &lookup, (struct slot *)ret->slot, &number);
    pthread_rwlock_unlock(&v->lock);
    return hand_out(v, r, ret);
}

void vault_hash(struct vault *v, uint8_t kind, struct slice value, uint8_t ret[VAULT_HASH_BYTES])
{
    crypto_generichash_state state;

    crypto_generichash_init(&state, v->secrets->lookup_key, sizeof(v->secrets->lookup_key),
                            VAULT_HASH_BYTES);
    crypto_generichash_update(&state, &kind, 1);
    crypto_generichash_update(&state, value.data, value.len);
    crypto_generichash_final(&state, ret, VAULT_HASH_BYTES);
    sodium_memzero(&state, sizeof(state));
}

int vault_derive(struct vault *v, const char *purpose, uint8_t ret[32])
{
    static const char what[] = "fokus vault derived"; /* its NUL parts it from the purpose */
    crypto_generichash_state state;

    size_t len = strnlen(purpose, PURPOSE_MAX + 1);
    if (len > PURPOSE_MAX)
        return -EINVAL;
    crypto_generichash_init(&state, v->secrets->header.root, VAULT_ROOT_BYTES, 32);
    crypto_generichash_update(&state, (const uint8_t *)what, sizeof(what));
    crypto_generichash_update(&state, (const uint8_t *)purpose, len);
    crypto_generichash_final(&state, ret, 32);
    sodium_memzero(&state, sizeof(state));
    return 0;
}

uint64_t vault_generation(struct vault *v)
{
    return v->generation;
}

void vault_stats(struct vault *v, struct vault_stats *ret)
{
    pthread_rwlock_rdlock(&v->lock);
    *ret = (struct vault_stats) {
        .persons = v->persons.n,
        .slots = v->n_slots,
        .damaged = v->damaged.n,
        .generation = v->generation,
        .rotated = v->rotated,
        .header_damaged = v->header_damaged,
        .broken = v->broken,
    };
    memcpy(ret->master_id, v->secrets->header.master_id, sizeof(ret->master_id));
    pthread_rwlock_unlock(&v->lock);
}
