/* newer.c - compares a store with the copy of a backup.
 *
 * Both logs are chains of hashes: where two records are equal, so is all that came before. So the last that both have is found by
 * halving. */
#include "services/ctl/newer.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/packed.h"

enum {
    RECORD_FIRST_SEQUENCE = 3, /* field numbers of fokus.event.v1.Record */
    RECORD_TIME_MS = 5,
    ARENA_BYTES = 64 * 1024 * 1024,
};

struct side {
    struct store *store;
    struct rd *rd;
    struct log_head head;
};

static int open_side(struct side *s, const char *path, const struct table *const *tables,
                     struct arena *arena)
{
    const struct store_config config = { .path = path, .tables = tables };
    struct err err;

    int r = store_open(&s->store, &config, &err);
    if (r == 0)
        r = rd_begin(s->store, arena, &s->rd);
    if (r < 0)
        return r;
    enum log_rc rc = log_head(s->rd, &s->head); /* none was begun: nothing is there */
    return rc == LOG_OK || rc == LOG_EMPTY ? 0 : -EBADMSG;
}

static void close_side(struct side *s)
{
    if (s->rd)
        rd_end(s->rd);
    if (s->store)
        store_close(s->store);
}

static int same_record(const struct side *a, const struct side *b, uint64_t number, bool *ret)
{
    struct slice left, right;

    if (log_read(a->rd, number, &left) != LOG_OK || log_read(b->rd, number, &right) != LOG_OK)
        return -EBADMSG;
    *ret = left.len == right.len && memcmp(left.data, right.data, left.len) == 0;
    return 0;
}

/* The last record that both have; 0: none. */
static int last_common(const struct side *a, const struct side *b, uint64_t *ret)
{
    uint64_t low = 0, high = a->head.record < b->head.record ? a->head.record : b->head.record;
    int r = 0;

    while (r == 0 && low < high) {
        uint64_t middle = high - (high - low) / 2;
        bool same = false;
        r = same_record(a, b, middle, &same);
        if (same)
            low = middle;
        else
            high = middle - 1;
    }
    *ret = low;
    return r;
}

static int count_events(const struct side *store, uint64_t after, struct newer *n)
{
    struct packed_field field = { 0 };
    uint64_t first = store->head.next_sequence;
    struct slice record;
    int r;

    n->records = store->head.record - after;
    if (n->records == 0)
        return 0;
    if (log_read(store->rd, after + 1, &record) != LOG_OK)
        return -EBADMSG;
    while ((r = packed_take(&record, &field)) > 0) {
        if (field.number == RECORD_FIRST_SEQUENCE && field.type == PACKED_VARINT)
            first = field.value;
        if (field.number == RECORD_TIME_MS && field.type == PACKED_VARINT)
            n->since_ms = (int64_t)field.value;
    }
    n->events = store->head.next_sequence - first;
    return r;
}

static int compare_keys(const struct scan *a, const struct scan *b)
{
    size_t shorter = a->key.len < b->key.len ? a->key.len : b->key.len;
    int order = memcmp(a->key.data, b->key.data, shorter);

    return order ? order : (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

/* Walks both tables side by side. */
static int count_persons(const struct side *store, const struct side *copy, const struct table *t,
                         struct newer *n)
{
    struct key all = KEY_INIT;
    struct scan a, b;

    scan_prefix(&a, store->rd, t, &all);
    scan_prefix(&b, copy->rd, t, &all);
    bool more_a = scan_next(&a), more_b = scan_next(&b);
    while (more_a || more_b) {
        int order = !more_a ? 1 : !more_b ? -1 : compare_keys(&a, &b);
        n->persons += order < 0;
        n->erased += order > 0;
        if (order <= 0)
            more_a = scan_next(&a);
        if (order >= 0)
            more_b = scan_next(&b);
    }
    int r = scan_end(&a), r2 = scan_end(&b);
    return r < 0 ? r : r2;
}

static int compare(const char *store, const char *copy, const char *persons, struct newer *n)
{
    const struct table table = { .name = persons };
    const struct table *const tables[] = { &log_tables_log, &log_tables_index, &log_tables_head,
                                           *persons ? &table : NULL, NULL };
    struct arena *arena = arena_new(ARENA_BYTES);
    struct side a = { 0 }, b = { 0 };
    uint64_t common = 0;

    int r = arena ? open_side(&a, store, tables, arena) : -ENOMEM;
    if (r == 0)
        r = open_side(&b, copy, tables, arena);
    if (r == 0)
        r = last_common(&a, &b, &common);
    if (r == 0)
        r = count_events(&a, common, n);
    if (r == 0 && *persons)
        r = count_persons(&a, &b, &table, n);
    close_side(&a);
    close_side(&b);
    if (arena)
        arena_free(arena);
    return r;
}

/* The child's part: says what it found, or nothing. */
static void compare_and_say(const char *store, const char *copy, const char *persons, int to)
{
    struct newer n = { 0 };

    if (compare(store, copy, persons, &n) < 0)
        return;
    n.state = n.records > 0 ? NEWER_THERE : NEWER_NOTHING;
    if (write(to, &n, sizeof(n)) != sizeof(n))
        return; /* the parent takes silence for what it is */
}

static void compare_apart(const char *store, const char *copy, const char *persons,
                          struct newer *ret)
{
    int pipes[2];

    if (pipe(pipes) < 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG,
                    SIGKILL); /* or it would keep the store locked a moment longer */
        compare_and_say(store, copy, persons, pipes[1]);
        _exit(0);
    }
    (void)close(pipes[1]); /* the child's end */
    if (child > 0 && read(pipes[0], ret, sizeof(*ret)) != sizeof(*ret))
        *ret = (struct newer) { .state = NEWER_UNKNOWN };
    (void)close(pipes[0]); /* only read */
    if (child > 0)
        (void)waitpid(child, NULL, 0); /* it has ended, or is ending */
}

void newer_find(const char *store, const char *copy, const char *persons, const char *vault,
                struct newer *ret)
{
    bool has_vault = access(vault, F_OK) == 0;
    char data[PATH_MAX];

    *ret = (struct newer) { .state = NEWER_UNKNOWN };
    if (snprintf(data, sizeof(data), "%s/data.mdb", store) >= (int)sizeof(data))
        return;
    if (access(data, F_OK) == 0)
        compare_apart(store, copy, persons, ret);
    else
        ret->state = has_vault ? NEWER_VAULT_ONLY : NEWER_NOTHING;
    ret->persons_unknown = has_vault && !*persons;
}
