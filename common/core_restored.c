/* core_restored.c - at the start: erases anew whoever was erased since the backup that the store was restored from.
 *
 * Such a store tells of persons as if nothing had happened. What was sealed for them stays unreadable: the vault is no part of a
 * backup, and their keys are gone. What is not sealed (ids, roles, claims, times) stands in the tables again, and no other service
 * sends the erasure a second time. So whoever is in the tables and not in the vault is erased by the same command as the first time,
 * and a record like any other tells of it: tables follow from the log as ever. A kill leaves the rest to the next start.
 *
 * Security: nobody may be erased because the vault is the wrong one. vault_open() has refused one that is older than the log, another
 * service's, or damaged. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/core_internal.h"
#include "common/pack.h"
#include "fokus/runtime/v1/runtime.fokus.h"

enum { AT_ONCE = 256 };

/* Those who are missing, found a few at a time. */
struct missing {
    char ids[AT_ONCE][ID_CHARS + 1];
    size_t n;
    size_t table;            /* of def->slots ... */
    char last[ID_CHARS + 1]; /* ... and the last id looked at there: "" for none yet */
};

/* Goes on in one table. -EAGAIN: there is more in it. */
static int look_on(struct core *c, const struct rd *rd, struct missing *m)
{
    struct key from = KEY_INIT;
    struct scan s;
    int r = 0;

    scan_from(&s, rd, c->def->slots[m->table], key_text(&from, m->last), NULL);
    while (r == 0 && scan_next(&s)) {
        struct key_reader reader = { .rest = s.key };
        char id[ID_CHARS + 1];
        r = key_read_text(&reader, id, sizeof(id)) ? 0 : -EBADMSG;
        if (r < 0 || strcmp(id, m->last) == 0)
            continue;
        if (m->n == AT_ONCE) {
            r = -EAGAIN;
            continue;
        }
        memcpy(m->last, id, sizeof(id));
        r = vault_key(c->vault, id, c->key);
        if (r == -ENOENT) {
            memcpy(m->ids[m->n++], id, sizeof(id));
            r = 0;
        }
    }
    int end = scan_end(&s);
    seal_key_wipe(c->key);
    return r < 0 ? r : end;
}

static int find_missing(struct core *c, struct missing *m)
{
    struct rd *rd;

    m->n = 0;
    arena_reset(c->work);
    int r = rd_begin(c->store, c->work, &rd);
    if (r < 0)
        return r;
    while (r == 0 && c->def->slots[m->table]) {
        r = look_on(c, rd, m);
        if (r == 0) {
            m->table++;
            m->last[0] = '\0';
        }
    }
    rd_end(rd);
    return r == -EAGAIN ? 0 : r;
}

static int command_of(const char *person, struct arena *arena, struct core_call *ret)
{
    ErasePersonRequest request = ERASE_PERSON_REQUEST_INIT;

    *ret = (struct core_call) {
        .method = "fokus.runtime.v1.RuntimeService/ErasePerson",
        .caller = { .id = "service", .roles = UINT32_MAX, .operator_socket = true },
        .locale = "sv",
        .idempotency_key = "",
        .trace_id = "",
        .arena = arena,
    };
    request.person = (char *)person; /* only packed */
    return pack_in(arena, &request.base, CORE_MAX_BODY, &ret->body) ? 0 : -ENOMEM;
}

/* Damage that was met on the way is mended by our caller, who then tries again. */
static int failed(struct core *c, const struct core_call *call, const char *person, struct err *err)
{
    char why[sizeof(err->text)];
    bool sound = core_tables_state(c, why, sizeof(why)) == CORE_TABLES_SOUND;

    return err_set(err, sound ? EIO : EUCLEAN,
                   "%s was erased since the backup and cannot be erased anew: %s", person,
                   call->status.message);
}

static int erase(struct core *c, const struct missing *m, struct id_source *ids,
                 struct arena *arena, struct err *err)
{
    struct core_call *calls = arena_calloc(arena, AT_ONCE, sizeof(*calls)), *list[AT_ONCE];
    struct core_commit commit;
    int r = calls ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < m->n; i++) {
        list[i] = &calls[i];
        r = command_of(m->ids[i], arena, list[i]);
    }
    if (r < 0)
        return err_set(err, -r, "no memory to erase anew");
    r = core_commands(c, list, m->n, wall_ms(), ids, arena, &commit, err);
    for (size_t i = 0; r == 0 && i < m->n; i++) {
        if (list[i]->status.code != CODE_OK)
            r = failed(c, list[i], m->ids[i], err);
        else
            c->vault_start.anew++;
    }
    return r;
}

int core_erase_anew(struct core *c, struct err *err)
{
    struct arena *arena = arena_new(CORE_CALL_ARENA);
    struct missing m = { .n = AT_ONCE };
    struct id_source ids = { 0 };
    int r = arena ? 0 : err_set(err, ENOMEM, "no memory to erase anew");

    while (r == 0 && m.n == AT_ONCE) {
        arena_reset(arena);
        r = find_missing(c, &m);
        if (r < 0)
            r = err_set(err, -r, "the tables do not tell who exists: %s", strerror(-r));
        else if (m.n > 0)
            r = erase(c, &m, &ids, arena, err);
    }
    if (arena)
        arena_free(arena);
    return r;
}
