/* client_internal.h - a client's calls in flight: slots, the queue of those that wait to leave, the heap of what is due.
 *
 * Shared by client.c, which speaks with the service, and client_slots.c; nobody else includes this. */
#pragma once
#include "common/client.h"

enum { FRAME_CALLS = 1024, CLIENT_MAX_BODY = 15 * 1024 * 1024 }; /* calls of one frame */

enum { NONE = UINT32_MAX };

enum slot_state { SLOT_FREE, SLOT_QUEUED, SLOT_CANCELLED, SLOT_RESTING, SLOT_SENT };

struct slot {
    enum slot_state state;
    uint32_t generation;
    uint32_t next;    /* in the free list or the queue */
    uint32_t heap_at; /* place in the heap, or NONE */
    uint32_t endpoint, timeout_ms, attempts, refusals;
    bool repeatable, started, lost;
    int64_t deadline_ms, due_ms;
    client_done *done;
    void *arg;
    struct buf packed; /* the header without number and time, then the body */
    size_t header_len;
};

struct endpoint {
    struct bus_socket *socket;
    uint64_t losses;
};

struct client {
    char *service;
    struct endpoint *endpoints;
    size_t n_endpoints, preferred;
    struct slot *slots;
    size_t n_slots, max_slots, in_flight;
    uint32_t free_head, queue_head, queue_tail;
    uint32_t *heap;
    size_t n_heap;
    uint32_t frame_slots[FRAME_CALLS];
    size_t n_frame, usual_frame_bytes;
    struct buf frame;
    int64_t now_ms, away_since_ms, looked_ms;
    struct arena *arena;
};

/* Makes room for more calls. -EAGAIN: there are as many as may be. */
int client_more_slots(struct client *c);
/* Gives a call's slot back; its number finds nobody from now on. */
void client_slot_release(struct client *c, uint32_t slot);
uint64_t client_slot_number(const struct client *c, uint32_t slot);
/* The slot of a number, or NONE when that call has ended. */
uint32_t client_slot_find(const struct client *c, uint64_t number);

void client_queue_push(struct client *c, uint32_t slot);
uint32_t client_queue_pop(struct client *c);

/* Puts a slot into the heap, or moves it there. */
void client_due_at(struct client *c, uint32_t slot, int64_t due_ms);
void client_heap_remove(struct client *c, uint32_t slot);
