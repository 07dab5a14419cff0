/* automaton.c - the incremental construction. A closed node is its run of edges in one growing array; the register of
 * closed nodes is a hash table of where they begin. */
#include "common/lexicon/automaton.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/lexicon.h"

enum { DEPTH_MAX = 128, NO_NODE = UINT32_MAX };

/* A node of the open path: its closed edges, then the open one, whose label is `open`. */
struct level {
    uint32_t edges[256]; /* without the mark of the last sibling */
    size_t n;
    uint8_t open;
};

struct automaton {
    uint32_t *edges;
    uint32_t n_edges, room_edges;
    uint32_t *slots; /* first edge of a closed node, or NO_NODE */
    uint32_t n_slots, n_nodes;
    struct level path[DEPTH_MAX + 1];
    char last[DEPTH_MAX + 1];
    size_t last_len;
};

struct automaton *automaton_new(void)
{
    struct automaton *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->n_slots = 1 << 16;
    a->slots = malloc(a->n_slots * sizeof *a->slots);
    if (!a->slots) {
        free(a);
        return NULL;
    }
    memset(a->slots, 0xff, a->n_slots * sizeof *a->slots);
    return a;
}

void automaton_free(struct automaton *a)
{
    if (!a)
        return;
    free(a->edges);
    free(a->slots);
    free(a);
}

static uint32_t hash(const uint32_t *edges, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ edges[i]) * 0x9e3779b1u ^ h >> 15;
    return h ^ h >> 13;
}

static size_t node_length(const struct automaton *a, uint32_t node)
{
    size_t n = 1;
    while (!(a->edges[node + n - 1] & LEXICON_LAST_SIBLING))
        n++;
    return n;
}

/* The slot of a node that is equal to `edges`, or a free one for it. */
static uint32_t *find_slot(const struct automaton *a, const uint32_t *edges, size_t n)
{
    uint32_t at = hash(edges, n) & (a->n_slots - 1);
    while (a->slots[at] != NO_NODE) {
        uint32_t node = a->slots[at];
        if (node + n <= a->n_edges && memcmp(a->edges + node, edges, n * sizeof *edges) == 0)
            break;
        at = (at + 1) & (a->n_slots - 1);
    }
    return &a->slots[at];
}

static int grow_slots(struct automaton *a)
{
    uint32_t *old = a->slots, n_old = a->n_slots;
    uint32_t *larger = malloc(2 * (size_t)n_old * sizeof *larger);
    if (!larger)
        return -ENOMEM;
    a->slots = larger;
    a->n_slots = 2 * n_old;
    memset(larger, 0xff, a->n_slots * sizeof *larger);
    for (uint32_t i = 0; i < n_old; i++) {
        if (old[i] != NO_NODE)
            *find_slot(a, a->edges + old[i], node_length(a, old[i])) = old[i];
    }
    free(old);
    return 0;
}

/* Finds or makes the closed node of a level without an open edge. */
static int close_level(struct automaton *a, struct level *level, uint32_t *ret_node)
{
    level->edges[level->n - 1] |= LEXICON_LAST_SIBLING;
    uint32_t *slot = find_slot(a, level->edges, level->n);
    if (*slot != NO_NODE) {
        *ret_node = *slot;
        return 0;
    }
    if (a->n_edges + level->n > LEXICON_TARGET)
        return -E2BIG;
    if (a->n_edges + level->n > a->room_edges) {
        uint32_t room = 2 * a->room_edges + 4096;
        uint32_t *larger = realloc(a->edges, room * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        a->edges = larger;
        a->room_edges = room;
    }
    memcpy(a->edges + a->n_edges, level->edges, level->n * sizeof *level->edges);
    *ret_node = *slot = a->n_edges;
    a->n_edges += (uint32_t)level->n;
    return ++a->n_nodes > a->n_slots / 2 ? grow_slots(a) : 0;
}

/* Closes the open path below `depth`, from its end upwards. */
static int close_below(struct automaton *a, size_t depth)
{
    for (size_t at = a->last_len; at > depth; at--) {
        uint32_t node;
        int r = close_level(a, &a->path[at], &node);
        if (r < 0)
            return r;
        struct level *above = &a->path[at - 1];
        above->edges[above->n++] = (uint32_t)above->open << 24 | node;
    }
    return 0;
}

int automaton_add(struct automaton *a, const char *word, uint32_t value)
{
    size_t len = strlen(word), shared = 0;

    if (len == 0 || (a->last_len > 0 && strcmp(word, a->last) <= 0))
        return -EINVAL;
    if (len > DEPTH_MAX || value > LEXICON_TARGET)
        return -E2BIG;
    while (shared < a->last_len && word[shared] == a->last[shared])
        shared++;
    int r = close_below(a, shared);
    if (r < 0)
        return r;
    for (size_t at = shared; at < len; at++) {
        a->path[at].open = (uint8_t)word[at];
        a->path[at + 1].n = 0;
    }
    a->path[len].edges[a->path[len].n++] = value; /* label 0 */
    memcpy(a->last, word, len + 1);
    a->last_len = len;
    return 0;
}

int automaton_finish(struct automaton *a, const uint32_t **ret_edges, uint32_t *ret_n,
                     uint32_t *ret_root)
{
    if (a->last_len == 0)
        return -EINVAL;
    int r = close_below(a, 0);
    a->last_len = 0;
    if (r < 0)
        return r;
    r = close_level(a, &a->path[0], ret_root);
    if (r < 0)
        return r;
    *ret_edges = a->edges;
    *ret_n = a->n_edges;
    return 0;
}
