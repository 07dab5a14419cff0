/* client_slots.c - the calls of a client as slots, with the queue and the heap they stand in. */
#include "common/client_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { KEPT_BYTES = 1024 }; /* a slot keeps its buffer up to this size for its next call */

/* ---- the heap of what is due ---- */

static void heap_place(struct client *c, size_t at, uint32_t slot)
{
    c->heap[at] = slot;
    c->slots[slot].heap_at = (uint32_t)at;
}

static void heap_up(struct client *c, size_t at, uint32_t slot)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (c->slots[c->heap[parent]].due_ms <= c->slots[slot].due_ms)
            break;
        heap_place(c, at, c->heap[parent]);
        at = parent;
    }
    heap_place(c, at, slot);
}

static void heap_down(struct client *c, size_t at, uint32_t slot)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= c->n_heap)
            break;
        if (child + 1 < c->n_heap &&
            c->slots[c->heap[child + 1]].due_ms < c->slots[c->heap[child]].due_ms)
            child++;
        if (c->slots[slot].due_ms <= c->slots[c->heap[child]].due_ms)
            break;
        heap_place(c, at, c->heap[child]);
        at = child;
    }
    heap_place(c, at, slot);
}

void client_heap_remove(struct client *c, uint32_t slot)
{
    size_t at = c->slots[slot].heap_at;

    if (at == NONE)
        return;
    c->slots[slot].heap_at = NONE;
    uint32_t last = c->heap[--c->n_heap];
    if (last == slot)
        return;
    if (at > 0 && c->slots[last].due_ms < c->slots[c->heap[(at - 1) / 2]].due_ms)
        heap_up(c, at, last);
    else
        heap_down(c, at, last);
}

void client_due_at(struct client *c, uint32_t slot, int64_t due_ms)
{
    client_heap_remove(c, slot);
    c->slots[slot].due_ms = due_ms;
    heap_up(c, c->n_heap++, slot);
}

/* ---- slots ---- */

int client_more_slots(struct client *c)
{
    size_t n = c->n_slots ? c->n_slots * 2 : 64;

    if (n > c->max_slots)
        n = c->max_slots;
    if (n == c->n_slots)
        return -EAGAIN;
    struct slot *slots = realloc(c->slots, n * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    c->slots = slots;
    uint32_t *heap = realloc(c->heap, n * sizeof(*heap));
    if (!heap)
        return -ENOMEM;
    c->heap = heap;
    for (size_t i = n; i-- > c->n_slots;) {
        slots[i] = (struct slot) { .generation = 1,
                                   .next = c->free_head,
                                   .heap_at = NONE,
                                   .packed = BUF_INIT(CLIENT_MAX_BODY + 65536) };
        c->free_head = (uint32_t)i;
    }
    c->n_slots = n;
    return 0;
}

void client_slot_release(struct client *c, uint32_t slot)
{
    struct slot *s = &c->slots[slot];

    client_heap_remove(c, slot);
    if (s->packed.room > KEPT_BYTES)
        buf_free(&s->packed);
    buf_clear(&s->packed);
    s->state = SLOT_FREE;
    if (++s->generation == 0)
        s->generation = 1; /* a number is never 0 */
    s->next = c->free_head;
    c->free_head = slot;
    c->in_flight--;
}

uint64_t client_slot_number(const struct client *c, uint32_t slot)
{
    return (uint64_t)c->slots[slot].generation << 32 | slot;
}

uint32_t client_slot_find(const struct client *c, uint64_t number)
{
    uint32_t slot = (uint32_t)number;

    if (slot >= c->n_slots || c->slots[slot].generation != number >> 32)
        return NONE;
    return slot;
}

void client_queue_push(struct client *c, uint32_t slot)
{
    c->slots[slot].state = SLOT_QUEUED;
    c->slots[slot].next = NONE;
    if (c->queue_head == NONE)
        c->queue_head = slot;
    else
        c->slots[c->queue_tail].next = slot;
    c->queue_tail = slot;
}

uint32_t client_queue_pop(struct client *c)
{
    uint32_t slot = c->queue_head;

    if (slot != NONE)
        c->queue_head = c->slots[slot].next;
    return slot;
}
