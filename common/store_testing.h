/* store_testing.h - what the store's tests share: a store on a temporary folder with three tables, and short words for it. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fault.h"
#include "common/store.h"
#include "common/testing_tree.h"
#include "fokus/event/v1/event.pb-c.h"

static const struct table T_EVENTS = { "events", &fokus__event__v1__event__descriptor };
static const struct table T_RAW = { "raw", NULL };
static const struct table T_EMPTY = { "empty", NULL };
static const struct table *const TABLES[] = { &T_EVENTS, &T_RAW, &T_EMPTY, NULL };

struct fixture {
    char path[64];
    struct store *store;
    struct arena *arena;
    struct err err;
};

static inline int open_in(struct fixture *f, size_t map_bytes)
{
    struct store_config config = {
        .path = f->path, .tables = TABLES, .map_bytes = map_bytes, .no_sync = true
    };

    return store_open(&f->store, &config, &f->err);
}

static inline int setup_sized(void **state, size_t map_bytes)
{
    struct fixture *f = calloc(1, sizeof(*f));

    snprintf(f->path, sizeof(f->path), "store-test-XXXXXX");
    if (!mkdtemp(f->path))
        return -1;
    f->arena = arena_new(1 << 20);
    *state = f;
    return open_in(f, map_bytes);
}

static inline int setup(void **state)
{
    return setup_sized(state, 0);
}

static inline int setup_tiny(void **state)
{
    return setup_sized(state, 1);
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

#ifdef FOKUS_FAULTS
    for (int point = 0; point < FAULT_POINTS; point++)
        fault_arm((enum fault_point)point, 0);
#endif
    store_close(f->store);
    arena_free(f->arena);
    assert_return_code(testing_remove_tree(f->path), errno);
    free(f);
    return 0;
}

static inline struct key text_key(const char *text)
{
    struct key k = KEY_INIT;

    key_text(&k, text);
    return k;
}

static inline struct key raw_key(const char *bytes, size_t len)
{
    struct key k = KEY_INIT;

    memcpy(k.bytes, bytes, len);
    k.len = (uint16_t)len;
    return k;
}

static inline struct wr *begin(struct fixture *f)
{
    struct wr *wr;

    assert_int_equal(wr_begin(f->store, f->arena, &wr), 0);
    return wr;
}

static inline int commit(struct fixture *f, struct wr *wr)
{
    bool unknown;

    int r = wr_commit(wr, &unknown, &f->err);
    assert_false(unknown);
    return r;
}

static inline struct rd *snapshot(struct fixture *f)
{
    struct rd *rd;

    assert_int_equal(rd_begin(f->store, f->arena, &rd), 0);
    return rd;
}

static inline void put_text(struct wr *wr, const char *key, const char *value)
{
    struct key k = text_key(key);

    wr_put_bytes(wr, &T_RAW, &k, value, strlen(value));
}

static inline void assert_holds(const struct rd *rd, const char *key, const char *value)
{
    struct key k = text_key(key);
    struct slice found;

    int r = rd_get_bytes(rd, &T_RAW, &k, &found);
    if (!value) {
        assert_int_equal(r, -ENOENT);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(found.data, value, found.len);
}

static inline void assert_store_holds(struct fixture *f, const char *key, const char *value)
{
    struct rd *rd = snapshot(f);

    assert_holds(rd, key, value);
    rd_end(rd);
}
