/* vault_rotate.c - takes a vault over to another master key, slot by slot, into a file beside it that takes its place at the end.
 *
 * Until then every change goes into both files (vault_write_slot), as far as the new one has come; so at each moment one whole
 * file stands under one key, and a crash leaves the old one. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/disk.h"
#include "common/vault_internal.h"

static void next_path(const struct vault *v, char ret[PATH_MAX + 5])
{
    (void)snprintf(ret, PATH_MAX + 5, "%s.next", v->path);
}

void vault_drop_rotation(struct vault *v)
{
    char path[PATH_MAX + 5];

    if (v->next.fd < 0)
        return;
    close(v->next.fd);
    v->next.fd = -1;
    v->rotated = 0;
    next_path(v, path);
    (void)!disk_scrub(path); /* what stays goes at the next opening */
}

static int begin(struct vault *v, const struct master_key *to, struct err *err)
{
    char path[PATH_MAX + 5];

    if (v->damaged.n > 0)
        return err_set(err, EBADMSG, "vault %s: %zu damaged slots would be lost: mend them first",
                       v->path, v->damaged.n);
    struct vault_header *h = sodium_malloc(sizeof(*h));
    if (!h)
        return err_set(err, ENOMEM, "vault %s: no memory", v->path);
    memcpy(h, &v->secrets->header, sizeof(*h));
    memcpy(h->master_id, to->id, MASTER_ID_BYTES);
    h->generation = v->generation;
    h->slots = v->n_slots;
    vault_wrap_key(to, h->service, v->secrets->wrap[1]);
    next_path(v, path);
    int r = disk_scrub(path);
    if (r == 0)
        r = vault_make_file(path, h, v->secrets->wrap[1], &v->next.fd);
    sodium_free(h);
    if (r < 0)
        return err_set(err, -r, "vault %s: cannot make the file for the next master key: %s",
                       v->path, strerror(-r));
    memcpy(v->next.id, v->file.id, VAULT_ID_BYTES);
    memcpy(v->next_master_id, to->id, MASTER_ID_BYTES);
    v->next.wrap = v->secrets->wrap[1];
    v->rotated = 0;
    return 0;
}

static int take_over(struct vault *v, uint32_t number)
{
    struct slot *s = &v->secrets->slot;
    uint8_t bytes[SLOT_BYTES] = { 0 };

    int r = vault_read_slot(v, number, s);
    if (r == 0)
        slot_close(&v->next, number, s, bytes);
    sodium_memzero(s, sizeof(*s));
    if (r < 0 && r != -ENOENT)
        return r;
    return disk_write_at(v->next.fd, bytes, sizeof(bytes), slot_at(number));
}

/* Others ask under which key the vault lies (vault_stats). */
static void set_master_id(struct vault *v, const uint8_t id[MASTER_ID_BYTES])
{
    pthread_rwlock_wrlock(&v->lock);
    memcpy(v->secrets->header.master_id, id, MASTER_ID_BYTES);
    pthread_rwlock_unlock(&v->lock);
}

/* The new file is whole: it gets its final header, then the name. */
static int end(struct vault *v, struct err *err)
{
    struct vault_secrets *x = v->secrets;
    struct vault_header *h = &x->header;
    uint8_t bytes[HEADER_BYTES], old_id[MASTER_ID_BYTES];
    char path[PATH_MAX + 5];

    memcpy(old_id, h->master_id, sizeof(old_id));
    set_master_id(v, v->next_master_id);
    h->generation = v->generation;
    h->slots = v->n_slots;
    header_close(h, v->next.wrap, bytes);
    next_path(v, path);
    int r = disk_write_at(v->next.fd, bytes, sizeof(bytes), 0);
    if (r == 0)
        r = disk_write_at(v->next.fd, bytes, sizeof(bytes), HEADER_COPY_AT);
    if (r == 0)
        r = disk_sync(v->next.fd);
    if (r == 0)
        r = disk_replace(path, v->path);
    if (r < 0) {
        set_master_id(v, old_id);
        vault_drop_rotation(v);
        return err_set(err, -r, "vault %s: cannot end the rotation: %s", v->path, strerror(-r));
    }
    pthread_rwlock_wrlock(&v->lock);
    close(v->file.fd);
    memcpy(x->wrap[0], x->wrap[1], MASTER_KEY_BYTES);
    v->file.fd = v->next.fd;
    pthread_rwlock_unlock(&v->lock);
    v->next.fd = -1;
    v->rotated = 0;
    v->header_turn = 0;
    r = disk_sync_folder(v->path);
    return r < 0 ? vault_break(v, r, "its folder cannot be synced", err) : 0;
}

int vault_rotate(struct vault *v, const struct master *master, uint32_t slots, bool *ret_done,
                 struct err *err)
{
    const struct master_key *to = master_newest(master);

    *ret_done = false;
    int r = vault_refuse_broken(v, err);
    if (r < 0)
        return r;
    if (memcmp(v->secrets->header.master_id, to->id, MASTER_ID_BYTES) == 0) {
        *ret_done = true;
        return 0;
    }
    if (v->next.fd >= 0 && memcmp(v->next_master_id, to->id, MASTER_ID_BYTES) != 0)
        vault_drop_rotation(v); /* towards a key that is no longer wanted */
    if (v->next.fd < 0)
        r = begin(v, to, err);
    if (r < 0)
        return r;
    for (uint32_t i = 0; r == 0 && i < slots && v->rotated < v->n_slots; i++) {
        r = take_over(v, v->rotated);
        if (r == 0)
            v->rotated++;
    }
    if (r < 0) {
        vault_drop_rotation(v);
        return err_set(err, -r, "vault %s: cannot take a slot over to the next master key: %s",
                       v->path, strerror(-r));
    }
    if (v->rotated < v->n_slots)
        return 0;
    r = end(v, err);
    *ret_done = r == 0;
    return r;
}
