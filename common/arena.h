/* arena.h - memory that lives as long as one call.
 *
 * Every call has one arena. Handlers, protobuf-c and the JSON codec take from it and nobody gives
 * back: the runtime resets it after the reply. An arena is capped, so one hostile frame cannot eat
 * the process: past the cap arena_alloc() returns NULL and arena_failed() stays true until reset.
 * Under AddressSanitizer blocks are fenced and poisoned on reset. */
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

struct arena;

/* Returns a new arena that hands out at most `cap_bytes` between two resets, or NULL without memory. */
struct arena *arena_new(size_t cap_bytes);
void arena_free(struct arena *a);

/* Forgets everything handed out since the last reset. Keeps the first chunk for the next call. */
void arena_reset(struct arena *a);

/* Returns `size` bytes aligned for any type, or NULL past the cap or without memory. */
void *arena_alloc(struct arena *a, size_t size) must_check;
/* The same, zeroed; `count * size` is checked for overflow. */
void *arena_calloc(struct arena *a, size_t count, size_t size) must_check;
/* Copies of bytes and text; text gets a closing NUL. NULL past the cap. */
void *arena_memdup(struct arena *a, const void *bytes, size_t len) must_check;
char *arena_strdup(struct arena *a, const char *text) must_check;
char *arena_strndup(struct arena *a, const char *text, size_t len) must_check;
char *arena_printf(struct arena *a, const char *format, ...) must_check
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *format, va_list args) must_check
    __attribute__((format(printf, 2, 0)));

/* Whether an allocation was refused since the last reset. */
bool arena_failed(const struct arena *a);
size_t arena_used(const struct arena *a);

/* The arena as protobuf-c's allocator: pass it to *__unpack(). Never call *__free_unpacked(). */
ProtobufCAllocator *arena_pb(struct arena *a);
