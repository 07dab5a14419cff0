/* arena.c - a bump allocator over a list of chunks.
 *
 * The first chunk is small and stays, so that an idle process holds little and a common call allocates nothing
 * from the system. Further chunks double up to a maximum and are given back on reset.
 *
 * The cap counts what callers asked for, rounded up to the alignment; it bounds the chunks too, to less than twice
 * the cap plus one largest chunk. Under AddressSanitizer every byte that is not handed out is poisoned, and a red
 * zone follows each block, so that an overrun or a use after reset is found as with malloc. */
#include "common/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif

#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE_BYTES = 16 };
#define POISON(p, n)   poison((p), (n))
#define UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
/* Not inlined: gcc 12 takes the const parameter of the real one for a read of fresh memory and warns. */
static __attribute__((noinline)) void poison(void *bytes, size_t len)
{
    __asan_poison_memory_region(bytes, len);
}
#else
enum { RED_ZONE_BYTES = 0 };
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

enum {
    ALIGN = 16,
    FIRST_CHUNK_BYTES = 16 * 1024,
    LARGEST_CHUNK_BYTES = 1024 * 1024, /* a larger block gets a chunk of its own size */
};

struct chunk {
    struct chunk *next;
    size_t room;
    _Alignas(ALIGN) uint8_t data[];
};

struct arena {
    ProtobufCAllocator pb;
    struct chunk *first;  /* kept over resets */
    struct chunk *latest; /* the one that blocks come from */
    size_t at;            /* bytes taken of latest->data */
    size_t used, cap;
    bool failed;
};

static void *pb_alloc(void *data, size_t size)
{
    return arena_alloc(data, size);
}

/* The arena is forgotten as a whole. */
static void pb_free(void *data, void *block)
{
    (void)data;
    (void)block;
}

static struct chunk *chunk_new(size_t room)
{
    struct chunk *c = malloc(sizeof(*c) + room);

    if (!c)
        return NULL;
    c->next = NULL;
    c->room = room;
    POISON(c->data, room);
    return c;
}

static void chunk_free(struct chunk *c)
{
    UNPOISON(c->data, c->room);
    free(c);
}

struct arena *arena_new(size_t cap_bytes)
{
    struct arena *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    a->first = chunk_new(FIRST_CHUNK_BYTES);
    if (!a->first) {
        free(a);
        return NULL;
    }
    a->latest = a->first;
    a->cap = cap_bytes;
    a->pb = (ProtobufCAllocator) { .alloc = pb_alloc, .free = pb_free, .allocator_data = a };
    return a;
}

void arena_reset(struct arena *a)
{
    while (a->first->next) {
        struct chunk *c = a->first->next;
        a->first->next = c->next;
        chunk_free(c);
    }
    /* Only what was taken can be unpoisoned; of a chunk that was left for the next one, all may be. */
    POISON(a->first->data, a->latest == a->first ? a->at : a->first->room);
    a->latest = a->first;
    a->at = 0;
    a->used = 0;
    a->failed = false;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    arena_reset(a);
    chunk_free(a->first);
    free(a);
}

/* Starts a chunk with room for `need` bytes. What is left of the one before is given up. */
static bool grow(struct arena *a, size_t need)
{
    size_t room = a->latest->room * 2;

    if (room > LARGEST_CHUNK_BYTES)
        room = LARGEST_CHUNK_BYTES;
    if (room < need)
        room = need;
    struct chunk *c = chunk_new(room);
    if (!c)
        return false;
    a->latest->next = c;
    a->latest = c;
    a->at = 0;
    return true;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (fault_hit(FAULT_ARENA) || size > a->cap - a->used) {
        a->failed = true;
        return NULL;
    }
    /* No overflow: size is at most the cap, and a cap near SIZE_MAX could not have been used up to here. */
    size_t rounded = size ? (size + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if (rounded < size || rounded > a->cap - a->used ||
        rounded > SIZE_MAX - sizeof(struct chunk) - RED_ZONE_BYTES) {
        a->failed = true;
        return NULL;
    }
    size_t need = rounded + RED_ZONE_BYTES;
    if (need > a->latest->room - a->at && !grow(a, need)) {
        a->failed = true;
        return NULL;
    }
    uint8_t *block = a->latest->data + a->at;
    a->at += need;
    a->used += rounded;
    UNPOISON(block, size);
    return block;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total)) {
        a->failed = true;
        return NULL;
    }
    void *block = arena_alloc(a, total);
    return block ? memset(block, 0, total) : NULL;
}

void *arena_memdup(struct arena *a, const void *bytes, size_t len)
{
    void *block = arena_alloc(a, len);

    if (block && len)
        memcpy(block, bytes, len);
    return block;
}

char *arena_strndup(struct arena *a, const char *text, size_t len)
{
    size_t n = strnlen(text, len);
    char *copy = arena_alloc(a, n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
    return arena_memdup(a, text, strlen(text) + 1);
}

char *arena_vprintf(struct arena *a, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0) {
        a->failed = true;
        return NULL;
    }
    char *text = arena_alloc(a, (size_t)len + 1);
    if (text)
        (void)vsnprintf(text, (size_t)len + 1, format, args); /* measured above */
    return text;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = arena_vprintf(a, format, args);
    va_end(args);
    return text;
}

bool arena_failed(const struct arena *a)
{
    return a->failed;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

ProtobufCAllocator *arena_pb(struct arena *a)
{
    return &a->pb;
}
