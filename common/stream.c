/* stream.c - the public part of a log as a stream.
 *
 * One message a topic and commit: what costs is the message, not the event. A batch that grows past BATCH_BYTES leaves in
 * several messages; `previous` chains them like those of different commits. Whatever is not sent (no memory, an event too
 * large for a frame) still advances `previous` of the next one, so that a subscriber sees the gap and reads the log. */
#include "common/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_BYTES = 1024 * 1024,
    /* A batch up to this size is copied into the message and its buffer kept for the next. */
    KEEP_BYTES = 64 * 1024,
    FIRST_SLOTS = 64, /* a power of two */
};

/* What stands on one topic: the events of the commit in hand, packed, and the last sequence that went before them. */
struct topic {
    char *type;
    char *name; /* "directory.OrganisationRegistered." */
    uint64_t previous, last;
    bool touched; /* stands in stream_publisher.touched */
    struct buf batch;
};

struct stream_publisher {
    struct bus_socket *xpub;
    char *service;
    struct topic *
        *slots; /* open addressing by type; a power of two of them, at most half of them taken */
    size_t n_slots, n_topics;
    struct topic **touched; /* by the commit in hand; as many places as slots */
    size_t n_touched;
};

static size_t hash_text(const char *text)
{
    uint64_t h =
        0xcbf29ce484222325u; /* FNV-1a: types are our own, nobody chooses them to collide */
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return (size_t)(h ^ (h >> 32));
}

/* The slot where a topic of this type is, or would go. */
static struct topic **slot_of(struct topic **slots, size_t n_slots, const char *type)
{
    size_t at = hash_text(type) & (n_slots - 1);
    while (slots[at] && strcmp(slots[at]->type, type) != 0)
        at = (at + 1) & (n_slots - 1);
    return &slots[at];
}

static bool grow_slots(struct stream_publisher *p)
{
    size_t n = p->n_slots * 2;
    struct topic **slots = calloc(n, sizeof(*slots));
    struct topic **touched = realloc(p->touched, n * sizeof(*touched));

    if (touched)
        p->touched = touched;
    if (!slots || !touched) {
        free(slots);
        return false;
    }
    for (size_t i = 0; i < p->n_slots; i++)
        if (p->slots[i])
            *slot_of(slots, n, p->slots[i]->type) = p->slots[i];
    free(p->slots);
    p->slots = slots;
    p->n_slots = n;
    return true;
}

static void topic_free(struct topic *t)
{
    if (!t)
        return;
    buf_free(&t->batch);
    free(t->type);
    free(t->name);
    free(t);
}

static struct topic *topic_new(const char *service, const char *type)
{
    struct topic *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->batch = BUF_INIT(BUS_MAX_FRAME);
    t->type = strdup(type);
    if (asprintf(&t->name, "%s.%s.", service, type) < 0)
        t->name = NULL;
    if (!t->type || !t->name) {
        topic_free(t);
        return NULL;
    }
    return t;
}

/* Finds or makes the type's topic; NULL without memory. */
static struct topic *topic_of(struct stream_publisher *p, const char *type)
{
    struct topic **slot = slot_of(p->slots, p->n_slots, type);
    if (*slot)
        return *slot;
    if (2 * (p->n_topics + 1) > p->n_slots) {
        if (!grow_slots(p))
            return NULL;
        slot = slot_of(p->slots, p->n_slots, type);
    }
    *slot = topic_new(p->service, type);
    if (*slot)
        p->n_topics++;
    return *slot;
}

struct stream_publisher *stream_publisher_new(const char *service, struct bus_socket *xpub)
{
    struct stream_publisher *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    *p = (struct stream_publisher) {
        .xpub = xpub,
        .service = strdup(service),
        .slots = calloc(FIRST_SLOTS, sizeof(*p->slots)),
        .touched = calloc(FIRST_SLOTS, sizeof(*p->touched)),
        .n_slots = FIRST_SLOTS,
    };
    if (!p->service || !p->slots || !p->touched) {
        stream_publisher_free(p);
        return NULL;
    }
    return p;
}

void stream_publisher_free(struct stream_publisher *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->slots && i < p->n_slots; i++)
        topic_free(p->slots[i]);
    free(p->slots);
    free(p->touched);
    free(p->service);
    free(p);
}

void stream_publisher_seed(struct stream_publisher *p, const char *type, uint64_t sequence)
{
    struct topic *t = topic_of(p, type);
    if (t && sequence > t->last)
        t->previous = t->last = sequence;
}

static void drop_subscriptions(struct stream_publisher *p)
{
    struct bus_message m = BUS_MESSAGE_INIT;
    while (bus_receive(p->xpub, &m) != -EAGAIN)
        bus_release(&m);
}

static void send_on(struct stream_publisher *p, const char *topic, struct buf *body)
{
    struct slice parts[2] = { { (const uint8_t *)topic, strlen(topic) },
                              { body->data, body->len } };

    int r = body->len > KEEP_BYTES ? bus_send_buf(p->xpub, parts, 1, body)
                                   : bus_send(p->xpub, parts, ARRAY_LEN(parts));
    (void)r; /* a message that cannot leave is one that a slow subscriber misses: the log has it */
    buf_clear(body);
    if (body->room > KEEP_BYTES)
        buf_free(body);
}

/* Packed messages put one behind the other are the packed form of their merger: so a batch grows event by event. */
static bool batch_append(struct topic *t, const Fokus__Event__V1__EventBatch *part)
{
    size_t len = fokus__event__v1__event_batch__get_packed_size(part);
    uint8_t *to = buf_reserve(&t->batch, len);
    if (!to)
        return false;
    t->batch.len += fokus__event__v1__event_batch__pack(part, to);
    return true;
}

static void batch_send(struct stream_publisher *p, struct topic *t)
{
    Fokus__Event__V1__EventBatch previous = FOKUS__EVENT__V1__EVENT_BATCH__INIT;
    previous.previous = t->previous;
    if (t->batch.len && batch_append(t, &previous))
        send_on(p, t->name, &t->batch);
    buf_clear(&t->batch);
    t->previous = t->last;
}

static void batch_event(struct stream_publisher *p, struct topic *t, Fokus__Event__V1__Event *event)
{
    Fokus__Event__V1__EventBatch one = FOKUS__EVENT__V1__EVENT_BATCH__INIT;
    one.events = &event;
    one.n_events = 1;
    if (!batch_append(t, &one)) {
        /* The events before it still go out; this one is a gap. */
        t->batch.failed = false;
        batch_send(p, t);
        t->previous = event->sequence;
    }
    t->last = event->sequence;
    if (t->batch.len >= BATCH_BYTES)
        batch_send(p, t);
}

void stream_publish(struct stream_publisher *p, Fokus__Event__V1__Event *const *events,
                    size_t n_events)
{
    drop_subscriptions(p);
    p->n_touched = 0;
    for (size_t i = 0; i < n_events; i++) {
        if (events[i]->audience != FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PUBLIC)
            continue;
        struct topic *t = topic_of(p, events[i]->type);
        if (!t)
            continue; /* no memory for a new topic: the heartbeat tells that something came */
        if (!t->touched)
            p->touched[p->n_touched++] = t;
        t->touched = true;
        batch_event(p, t, events[i]);
    }
    for (size_t i = 0; i < p->n_touched; i++) {
        batch_send(p, p->touched[i]);
        p->touched[i]->touched = false;
    }
}

void stream_heartbeat(struct stream_publisher *p, const char *log_id, uint64_t last_sequence)
{
    Fokus__Event__V1__Heartbeat beat = FOKUS__EVENT__V1__HEARTBEAT__INIT;
    struct buf body = BUF_INIT(1024);

    drop_subscriptions(p);
    beat.last_sequence = last_sequence;
    beat.log_id = (char *)log_id;
    uint8_t *to = buf_reserve(&body, fokus__event__v1__heartbeat__get_packed_size(&beat));
    struct topic *t = topic_of(p, "heartbeat");
    if (to && t) {
        body.len = fokus__event__v1__heartbeat__pack(&beat, to);
        send_on(p, t->name, &body);
    }
    buf_free(&body);
}
