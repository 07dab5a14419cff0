/* client.c - calls in flight to one service, over one DEALER an endpoint.
 *
 * A call is packed once, into its slot; a turn copies all that wait into one frame and hands that away. Its number
 * is slot and generation, so that a reply that comes too late finds nobody. What is due next stands on
 * top of a heap: deadlines of calls that were sent, retries of calls that could not be.
 *
 * ZeroMQ queues silently, so three things tell that a service is away: nothing can be sent (bus_send_buf
 * says -EAGAIN), a connection was lost after the call left (bus_losses counts), or no answer came in time.
 * A call that never left may always be sent again. One that left may have been carried out: only queries
 * and calls with an idempotency key are sent again, the others wait a little longer and are then unavailable. */
#include "common/client_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/packed.h"

enum {
    DEFAULT_IN_FLIGHT = 10000,
    MOST_IN_FLIGHT = 1000000,
    DEFAULT_TIMEOUT_MS = 10000,
    FRAME_BYTES = 1 << 20, /* a frame is closed once it is this long */
    PATIENCE_MS = 2000,    /* away longer than this: calls are refused at once */
    LOST_GRACE_MS =
        1000,     /* what a call that cannot be repeated still waits after its connection broke */
    LOOK_MS = 50, /* how often lost connections are looked for while calls are out */
    FIRST_CONNECT_MS = 2, /* first rest of a call that could not leave, */
    FIRST_RETRY_MS = 20,  /* and of one whose answer was lost or `unavailable` */
    MAX_RETRY_MS = 320,
    MAX_REFUSALS = 4, /* times a service may answer `unavailable` before the caller is told */
    CALL_ARENA = 1 << 20,
};

/* ---- how a call ends ---- */

/* The slot is free before the callback runs, which may make further calls. */
static void finish(struct client *c, uint32_t slot, const struct client_reply *reply)
{
    client_done *done = c->slots[slot].done;
    void *arg = c->slots[slot].arg;

    client_slot_release(c, slot);
    done(arg, reply);
}

__attribute__((format(printf, 4, 5))) static void
finish_with(struct client *c, uint32_t slot, enum code code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    const char *message = arena_vprintf(c->arena, format, args);
    va_end(args);
    finish(c, slot, &(struct client_reply) { .code = code, .message = message ? message : "" });
    arena_reset(c->arena);
}

static void finish_away(struct client *c, uint32_t slot)
{
    finish_with(c, slot, CODE_UNAVAILABLE,
                "The service %s cannot be reached right now. Try again in a moment.", c->service);
}

/* Rests a call before its next attempt, twice as long each time, never past its deadline. */
static void rest(struct client *c, uint32_t slot, int64_t first_ms)
{
    struct slot *s = &c->slots[slot];
    int64_t wait_ms = first_ms << (s->attempts < 5 ? s->attempts : 5);
    int64_t due_ms = c->now_ms + (wait_ms < MAX_RETRY_MS ? wait_ms : MAX_RETRY_MS);

    s->attempts++;
    s->state = SLOT_RESTING;
    client_due_at(c, slot, due_ms < s->deadline_ms ? due_ms : s->deadline_ms);
}

static void next_endpoint(struct client *c, size_t failed)
{
    if (c->preferred == failed)
        c->preferred = (failed + 1) % c->n_endpoints;
}

/* What was out on this endpoint will not be answered any more. */
static void endpoint_lost(struct client *c, size_t endpoint)
{
    next_endpoint(c, endpoint);
    for (uint32_t i = 0; i < c->n_slots; i++) {
        struct slot *s = &c->slots[i];
        if (s->state != SLOT_SENT || s->endpoint != endpoint || s->lost)
            continue;
        if (s->repeatable) {
            rest(c, i, FIRST_RETRY_MS);
        } else {
            s->lost = true;
            if (c->now_ms + LOST_GRACE_MS < s->deadline_ms)
                client_due_at(c, i, c->now_ms + LOST_GRACE_MS);
        }
    }
}

/* ---- reading replies ---- */

static const char *read_text(struct client *c, struct slice bytes)
{
    const char *text = arena_strndup(c->arena, (const char *)bytes.data, bytes.len);

    return text ? text : "";
}

static bool read_violation(struct client *c, struct slice bytes, struct client_reply *reply)
{
    struct violation *all = (struct violation *)reply->violations; /* made just below */
    struct packed_field f;
    int r;

    if (reply->n_violations == STATUS_MAX_VIOLATIONS)
        return true;
    if (!all)
        all = arena_calloc(c->arena, STATUS_MAX_VIOLATIONS, sizeof(*all));
    if (!all)
        return true;
    struct violation *v = &all[reply->n_violations];
    *v = (struct violation) { "", "" };
    while ((r = packed_take(&bytes, &f)) > 0) {
        if (f.number == 1 && f.type == PACKED_LEN)
            v->field = read_text(c, packed_bytes(&f));
        else if (f.number == 2 && f.type == PACKED_LEN)
            v->description = read_text(c, packed_bytes(&f));
    }
    reply->violations = all;
    reply->n_violations++;
    return r == 0;
}

static bool read_session_change(struct slice bytes, struct client_reply *reply)
{
    struct packed_field f;
    int r;

    reply->session_changed = true;
    while ((r = packed_take(&bytes, &f)) > 0) {
        if (f.number == 1 && f.type == PACKED_LEN)
            reply->session_token = packed_bytes(&f);
        else if (f.number == 2 && f.type == PACKED_VARINT)
            reply->session_max_age_s = (int64_t)f.value;
    }
    return r == 0;
}

static bool read_header(struct client *c, struct slice bytes, struct client_reply *reply,
                        uint64_t *ret_number)
{
    struct packed_field f;
    int r;

    while ((r = packed_take(&bytes, &f)) > 0) {
        bool text = f.type == PACKED_LEN;
        if (f.number == 1 && !text)
            *ret_number = f.value;
        else if (f.number == 2 && !text)
            reply->code = f.value <= CODE_UNAUTHENTICATED ? (enum code)f.value : CODE_UNKNOWN;
        else if (f.number == 3 && text)
            reply->message = read_text(c, packed_bytes(&f));
        else if (f.number == 4 && text && !read_violation(c, packed_bytes(&f), reply))
            return false;
        else if (f.number == 5 && !text)
            reply->log_sequence = f.value;
        else if (f.number == 6 && !text)
            reply->repeated = f.value != 0;
        else if (f.number == 7 && text && !read_session_change(packed_bytes(&f), reply))
            return false;
    }
    return r == 0;
}

/* Whether another attempt may do better than this answer. */
static bool worth_repeating(const struct client *c, const struct slot *s,
                            const struct client_reply *reply)
{
    return reply->code == CODE_UNAVAILABLE && s->repeatable && s->refusals < MAX_REFUSALS &&
           c->now_ms < s->deadline_ms;
}

static bool take_reply(struct client *c, size_t endpoint, struct slice bytes)
{
    struct client_reply reply = { .message = "" };
    struct packed_field f;
    uint64_t number = 0;
    int r;

    while ((r = packed_take(&bytes, &f)) > 0) {
        if (f.type != PACKED_LEN)
            continue;
        if (f.number == 1 && !read_header(c, packed_bytes(&f), &reply, &number))
            return false;
        if (f.number == 2)
            reply.body = packed_bytes(&f);
    }
    if (r < 0)
        return false;

    uint32_t slot = client_slot_find(c, number);
    struct slot *s = slot == NONE ? NULL : &c->slots[slot];
    if (!s || (s->state != SLOT_SENT && s->state != SLOT_RESTING))
        return true; /* too late: it was cancelled or its time was up */
    if (s->state == SLOT_SENT && worth_repeating(c, s, &reply)) {
        s->refusals++;
        next_endpoint(c, endpoint);
        rest(c, slot, FIRST_RETRY_MS);
    } else {
        finish(c, slot, &reply);
    }
    return true;
}

static bool take_replies(struct client *c, size_t endpoint, struct slice bytes)
{
    struct packed_field f;
    int r;

    while ((r = packed_take(&bytes, &f)) > 0) {
        if (f.number != 1 || f.type != PACKED_LEN)
            continue;
        bool ok = take_reply(c, endpoint, packed_bytes(&f));
        if (arena_used(c->arena))
            arena_reset(c->arena);
        if (!ok)
            return false;
    }
    return r == 0;
}

static void receive(struct client *c, size_t endpoint)
{
    struct bus_message m = BUS_MESSAGE_INIT;

    for (;;) {
        int r = bus_receive(c->endpoints[endpoint].socket, &m);
        if (r == -EMSGSIZE)
            continue;
        if (r < 0)
            break;
        c->away_since_ms = 0;
        if (m.n_parts != 1 || !take_replies(c, endpoint, m.parts[0]))
            endpoint_lost(c, endpoint); /* it does not speak our language */
    }
    bus_release(&m);
}

/* ---- sending ---- */

static void append_text(struct buf *b, uint8_t field, const char *text)
{
    if (text && text[0])
        packed_append_bytes(b, field, text, strlen(text));
}

/* Packs what stays the same at each attempt. */
static bool slot_pack(struct slot *s, const struct client_call *call)
{
    struct buf *b = &s->packed;

    append_text(b, 1, call->method);
    if (call->caller.len)
        packed_append_bytes(b, 4, call->caller.data, call->caller.len);
    append_text(b, 5, call->locale);
    append_text(b, 6, call->traceparent);
    append_text(b, 7, call->idempotency_key);
    if (call->min_sequence) {
        packed_append_tag(b, 8, PACKED_VARINT);
        packed_append_varint(b, call->min_sequence);
    }
    if (call->origin.len)
        packed_append_bytes(b, 9, call->origin.data, call->origin.len);
    if (call->proof.len)
        packed_append_bytes(b, 10, call->proof.data, call->proof.len);
    s->header_len = b->len;
    buf_append(b, call->body.data, call->body.len);
    return !b->failed;
}

static void frame_failed(struct client *c)
{
    if (!c->away_since_ms)
        c->away_since_ms = c->now_ms;
    bool give_up = c->now_ms - c->away_since_ms >= PATIENCE_MS;
    size_t n = c->n_frame;

    c->n_frame = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t slot = c->frame_slots[i];
        if (c->slots[slot].state == SLOT_CANCELLED)
            client_slot_release(c, slot);
        else if (give_up)
            finish_away(c, slot);
        else
            rest(c, slot, FIRST_CONNECT_MS);
    }
}

/* Sends the frame to the first endpoint that takes it. */
static void frame_send(struct client *c)
{
    size_t len = c->frame.len;

    for (size_t i = 0; i < c->n_endpoints && c->n_frame; i++) {
        size_t endpoint = (c->preferred + i) % c->n_endpoints;
        if (bus_send_buf(c->endpoints[endpoint].socket, NULL, 0, &c->frame) < 0)
            continue;
        c->preferred = endpoint;
        c->away_since_ms = 0;
        c->usual_frame_bytes = len < FRAME_BYTES / 16 ? len : FRAME_BYTES / 16;
        for (size_t k = 0; k < c->n_frame; k++) {
            uint32_t slot = c->frame_slots[k];
            struct slot *s = &c->slots[slot];
            if (s->state == SLOT_CANCELLED) {
                client_slot_release(c, slot);
                continue;
            }
            s->state = SLOT_SENT;
            s->endpoint = (uint32_t)endpoint;
            client_due_at(c, slot, s->deadline_ms);
        }
        c->n_frame = 0;
    }
    if (c->n_frame)
        frame_failed(c);
    buf_clear(&c->frame);
}

/* Appends one call to the frame of this turn. */
static bool frame_append(struct client *c, uint32_t slot)
{
    const struct slot *s = &c->slots[slot];
    uint64_t number = client_slot_number(c, slot);
    uint64_t left_ms = (uint64_t)(s->deadline_ms - c->now_ms);
    size_t body_len = s->packed.len - s->header_len;
    size_t header_len =
        s->header_len + 1 + packed_varint_len(number) + 1 + packed_varint_len(left_ms);
    size_t call_len = 1 + packed_varint_len(header_len) + header_len;
    if (body_len)
        call_len += 1 + packed_varint_len(body_len) + body_len;

    if (c->n_frame && c->frame.len + call_len > FRAME_BYTES)
        frame_send(c);
    /* A new frame begins as long as the last one was, which saves growing step by step. */
    size_t room = call_len + 11;
    if (c->n_frame == 0 && room < c->usual_frame_bytes)
        room = c->usual_frame_bytes;
    uint8_t *to = buf_reserve(&c->frame, room);
    if (!to)
        return false;
    uint8_t *start = to;
    *to++ = 1 << 3 | 2; /* Calls.calls */
    to = packed_put_varint(to, call_len);
    *to++ = 1 << 3 | 2; /* Call.header */
    to = packed_put_varint(to, header_len);
    *to++ = 2 << 3; /* CallHeader.call_id */
    to = packed_put_varint(to, number);
    *to++ = 3 << 3; /* CallHeader.timeout_ms */
    to = packed_put_varint(to, left_ms);
    memcpy(to, s->packed.data, s->header_len);
    to += s->header_len;
    if (body_len) {
        *to++ = 2 << 3 | 2; /* Call.body */
        to = packed_put_varint(to, body_len);
        memcpy(to, s->packed.data + s->header_len, body_len);
        to += body_len;
    }
    c->frame.len += (size_t)(to - start);
    c->frame_slots[c->n_frame++] = slot;
    return true;
}

static void send_queued(struct client *c)
{
    uint32_t last = c->queue_tail;

    for (uint32_t slot = c->queue_head; slot != NONE; slot = c->queue_head) {
        struct slot *s = &c->slots[slot];
        (void)client_queue_pop(c); /* it is `slot` */
        if (s->state == SLOT_CANCELLED) {
            client_slot_release(c, slot);
        } else {
            if (!s->started) {
                s->started = true;
                s->deadline_ms = c->now_ms + s->timeout_ms;
            }
            if (!frame_append(c, slot))
                finish_with(c, slot, CODE_RESOURCE_EXHAUSTED, "There is no memory for this call.");
        }
        if (c->n_frame == FRAME_CALLS)
            frame_send(c);
        if (slot == last)
            break; /* what callbacks queue meanwhile leaves with the next turn */
    }
    if (c->n_frame)
        frame_send(c);
}

/* ---- the caller's side ---- */

struct client *client_new(struct bus *bus, const struct client_config *config, struct err *err)
{
    struct client *c = calloc(1, sizeof(*c));

    if (!c)
        goto no_memory;
    c->free_head = c->queue_head = c->queue_tail = NONE;
    c->max_slots = config->max_in_flight ? config->max_in_flight : DEFAULT_IN_FLIGHT;
    if (c->max_slots > MOST_IN_FLIGHT)
        c->max_slots = MOST_IN_FLIGHT;
    c->frame = BUF_INIT(BUS_MAX_FRAME);
    c->service = strdup(config->service);
    c->arena = arena_new(CALL_ARENA);
    c->endpoints = calloc(config->n_endpoints ? config->n_endpoints : 1, sizeof(*c->endpoints));
    if (!c->service || !c->arena || !c->endpoints)
        goto no_memory;
    if (config->n_endpoints == 0) {
        (void)err_set(err, EINVAL, "no endpoint is known for %s", config->service);
        goto fail;
    }
    for (size_t i = 0; i < config->n_endpoints; i++, c->n_endpoints++)
        if (bus_connect(bus, BUS_DEALER, config->endpoints[i], &c->endpoints[i].socket, err) < 0)
            goto fail;
    return c;

no_memory:
    (void)err_set(err, ENOMEM, "no memory for a client of %s", config->service);
fail:
    client_free(c);
    return NULL;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->n_slots; i++) {
        struct slot *s = &c->slots[i];
        if (s->state != SLOT_FREE && s->state != SLOT_CANCELLED)
            s->done(s->arg, &(struct client_reply) {
                                .code = CODE_CANCELED,
                                .message = "The call was ended because this side is stopping." });
        buf_free(&s->packed);
    }
    for (size_t i = 0; i < c->n_endpoints; i++)
        bus_close(c->endpoints[i].socket);
    buf_free(&c->frame);
    arena_free(c->arena);
    free(c->endpoints);
    free(c->slots);
    free(c->heap);
    free(c->service);
    free(c);
}

uint64_t client_call(struct client *c, const struct client_call *call, client_done *done, void *arg)
{
    if (c->free_head == NONE && client_more_slots(c) < 0)
        return 0;
    uint32_t slot = c->free_head;
    struct slot *s = &c->slots[slot];

    if (!slot_pack(s, call)) {
        buf_free(&s->packed);
        buf_clear(&s->packed);
        return 0;
    }
    c->free_head = s->next;
    c->in_flight++;
    s->timeout_ms = call->timeout_ms ? call->timeout_ms : DEFAULT_TIMEOUT_MS;
    s->repeatable = call->query || (call->idempotency_key && call->idempotency_key[0]);
    s->started = s->lost = false;
    s->attempts = s->refusals = 0;
    s->done = done;
    s->arg = arg;
    client_queue_push(c, slot);
    return client_slot_number(c, slot);
}

void client_cancel(struct client *c, uint64_t number)
{
    uint32_t slot = client_slot_find(c, number);

    if (slot == NONE || c->slots[slot].state == SLOT_FREE)
        return;
    if (c->slots[slot].state == SLOT_QUEUED)
        c->slots[slot].state = SLOT_CANCELLED; /* the queue gives it back */
    else if (c->slots[slot].state != SLOT_CANCELLED)
        client_slot_release(c, slot);
}

/* A broken connection is the only sign of a killed service that comes before the deadline. */
static void look_for_losses(struct client *c)
{
    c->looked_ms = c->now_ms;
    for (size_t i = 0; i < c->n_endpoints; i++) {
        uint64_t losses = bus_losses(c->endpoints[i].socket);
        if (losses == c->endpoints[i].losses)
            continue;
        c->endpoints[i].losses = losses;
        endpoint_lost(c, i);
    }
}

static void fall_due(struct client *c, uint32_t slot)
{
    struct slot *s = &c->slots[slot];

    client_heap_remove(c, slot);
    if (s->state == SLOT_RESTING && c->now_ms < s->deadline_ms)
        client_queue_push(c, slot);
    else if (s->state == SLOT_RESTING && !s->refusals)
        finish_away(c, slot);
    else if (s->lost)
        finish_with(
            c, slot, CODE_UNAVAILABLE,
            "The connection to the service %s was lost before it answered, so it is unknown "
            "whether this was carried out. Look first, then try again.",
            c->service);
    else
        finish_with(c, slot, CODE_UNAVAILABLE,
                    "The service %s did not answer within %u ms. Try again in a moment.",
                    c->service, s->timeout_ms);
}

void client_turn(struct client *c, int64_t now_ms)
{
    c->now_ms = now_ms;
    for (size_t i = 0; i < c->n_endpoints; i++)
        receive(c, i);
    if (c->n_heap && now_ms - c->looked_ms >= LOOK_MS)
        look_for_losses(c);
    while (c->n_heap && c->slots[c->heap[0]].due_ms <= now_ms)
        fall_due(c, c->heap[0]);
    if (c->queue_head != NONE)
        send_queued(c);
}

size_t client_items(struct client *c, struct bus_item *items, size_t room)
{
    size_t n = 0;

    for (; n < c->n_endpoints && n < room; n++)
        items[n] = (struct bus_item) { .socket = c->endpoints[n].socket };
    return n;
}

int client_due_ms(const struct client *c, int64_t now_ms)
{
    if (c->queue_head != NONE)
        return 0;
    if (!c->n_heap)
        return -1;
    int64_t due_ms = c->slots[c->heap[0]].due_ms - now_ms;
    int64_t look_ms = c->looked_ms + LOOK_MS - now_ms;
    if (due_ms > look_ms)
        due_ms = look_ms;
    return due_ms < 0 ? 0 : (int)due_ms;
}

size_t client_in_flight(const struct client *c)
{
    return c->in_flight;
}
