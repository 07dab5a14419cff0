/* stream.c - the public part of a log as a stream.
 *
 * One message a topic and commit: what costs is the message, not the event. A batch that would grow past BATCH_BYTES leaves in
 * several messages; `previous` chains them like those of different commits. Whatever is not sent (no memory, an event larger
 * than a message) still advances `previous` of the next one, so that a subscriber sees the gap and reads the log.
 *
 * Messages are small because their number is what ZeroMQ bounds: BUS_PUB_QUEUE of them is the most that one subscriber who
 * does not read costs us. */
#include "common/stream.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/macros.h"
#include "common/pack.h"
#include "common/packed.h"
#include "fokus/runtime/v1/runtime.pb-c.h"

enum {
    PREVIOUS_BYTES = 16, /* what `previous` takes at most, tag and all */
    BATCH_BYTES = STREAM_MAX_MESSAGE - PREVIOUS_BYTES,
    FIRST_SLOTS = 64, /* a power of two */
    SUBSCRIPTIONS_A_TURN = 1000,
    BATCH_EVENTS = 1, /* field numbers of fokus.event.v1.EventBatch */
    BATCH_PREVIOUS = 2,
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
    size_t subscribed; /* of STREAM_MAX_SUBSCRIBED */
    bool dropped;      /* the subscribers, and the socket is to be opened anew */
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
    t->batch = BUF_INIT(STREAM_MAX_MESSAGE);
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

/* Each part may be a subscription: ZeroMQ takes them in wherever they stand. */
static size_t cost_of(const struct bus_message *m)
{
    size_t cost = 0;

    for (size_t i = 0; i < m->n_parts; i++)
        if (m->parts[i].len > 0 && m->parts[i].data[0] == 1)
            cost += STREAM_SUBSCRIPTION_COST + m->parts[i].len;
    return cost;
}

bool stream_take_subscriptions(struct stream_publisher *p)
{
    struct bus_message m = BUS_MESSAGE_INIT;
    int r = 0;

    for (int i = 0; i < SUBSCRIPTIONS_A_TURN && r == 0; i++) {
        r = bus_receive(p->xpub, &m);
        p->subscribed += r == 0 ? cost_of(&m) : 0;
    }
    bus_release(&m);
    /* A message of many parts was dropped with the subscriptions in it; no honest subscriber sends one. */
    if (r == -EMSGSIZE)
        p->subscribed = STREAM_MAX_SUBSCRIBED + 1;
    if (p->subscribed <= STREAM_MAX_SUBSCRIBED || bus_drop_peers(p->xpub) < 0)
        return false;
    p->dropped = true;
    p->subscribed = 0;
    return true;
}

static void send_on(struct stream_publisher *p, const char *topic, struct buf *body)
{
    struct slice parts[2] = { { (const uint8_t *)topic, strlen(topic) },
                              { body->data, body->len } };

    int r = bus_send(p->xpub, parts, ARRAY_LEN(parts));
    (void)r; /* a message that cannot leave is one that a slow subscriber misses: the log has it */
    buf_clear(body);
}

/* Packed messages put one behind the other are the packed form of their merger: so a batch grows event by event. */
static bool batch_append(struct topic *t, const Fokus__Event__V1__Event *event)
{
    size_t before = t->batch.len;

    if (!pack_append(&t->batch, BATCH_EVENTS, &event->base))
        return false;
    if (t->batch.len <= BATCH_BYTES)
        return true;
    t->batch.len = before;
    return false;
}

static void batch_send(struct stream_publisher *p, struct topic *t)
{
    bool any = t->batch.len > 0;

    if (any && t->previous > 0) {
        packed_append_tag(&t->batch, BATCH_PREVIOUS, PACKED_VARINT);
        packed_append_varint(&t->batch, t->previous); /* PREVIOUS_BYTES were left for it */
    }
    if (any && !t->batch.failed)
        send_on(p, t->name, &t->batch);
    buf_clear(&t->batch);
    t->previous = t->last;
}

static void batch_event(struct stream_publisher *p, struct topic *t,
                        const Fokus__Event__V1__Event *event)
{
    if (!batch_append(t, event)) {
        batch_send(p, t);
        /* The events before it went out; if it does not fit alone, it is a gap. */
        if (!batch_append(t, event))
            t->previous = event->sequence;
    }
    t->last = event->sequence;
}

void stream_publish(struct stream_publisher *p, Fokus__Event__V1__Event *const *events,
                    size_t n_events)
{
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

    if (p->dropped) /* if the address is not free yet, the next one tries again */
        p->dropped = bus_rebind(p->xpub, NULL) < 0;
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

/* ---- the follower's side ---- */

enum {
    PAGE_EVENTS = 2500,
    PAGE_ARENA_BYTES = 64 * 1024 * 1024,
    READ_TIMEOUT_MS = 5000,
    /* Heartbeats come each second. After this long without one the log is asked, which shows whether the service is there. */
    SILENCE_MS = 3000,
};

struct stream_follower {
    struct client *client;
    struct bus_socket *bell; /* NULL: reads to the end only */
    char *heartbeat_topic;
    char **types;
    size_t n_types;
    struct arena *page;
    struct stream_cursor cursor;
    uint64_t heard; /* the log's last sequence as last heard of */
    char *log_id;   /* NULL until the first answer */
    bool behind;    /* something rang: read on */
    int64_t heard_at_ms;
};

static int subscribe_topic(struct stream_follower *f, const char *service, const char *type)
{
    char *topic = NULL;
    if (asprintf(&topic, "%s.%s.", service, type) < 0)
        return -ENOMEM;
    int r = bus_subscribe(f->bell, topic);
    free(topic);
    return r;
}

/* Listens to the types wanted, or to all, and to the heartbeat. */
static int connect_bell(struct stream_follower *f, struct bus *bus,
                        const struct stream_follow_config *config, struct err *err)
{
    int r = bus_connect(bus, BUS_SUB, config->events_endpoint, &f->bell, err);
    if (r < 0)
        return r;
    if (f->n_types == 0) {
        char *all = NULL;
        if (asprintf(&all, "%s.", config->service) < 0)
            return -ENOMEM;
        r = bus_subscribe(f->bell, all);
        free(all);
        return r;
    }
    r = subscribe_topic(f, config->service, "heartbeat");
    for (size_t i = 0; i < f->n_types && r == 0; i++)
        r = subscribe_topic(f, config->service, f->types[i]);
    return r;
}

static int copy_types(struct stream_follower *f, const char *const *types)
{
    size_t n = 0;
    while (types && types[n])
        n++;
    f->types = calloc(n + 1, sizeof(*f->types));
    if (!f->types)
        return -ENOMEM;
    for (; f->n_types < n; f->n_types++) {
        f->types[f->n_types] = strdup(types[f->n_types]);
        if (!f->types[f->n_types])
            return -ENOMEM;
    }
    return 0;
}

int stream_follower_new(struct bus *bus, const struct stream_follow_config *config,
                        struct stream_follower **ret, struct err *err)
{
    struct stream_follower *f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    *f = (struct stream_follower) {
        .cursor = config->from,
        .page = arena_new(PAGE_ARENA_BYTES),
        .behind = true,
    };
    if (f->cursor.next == 0)
        f->cursor.next = 1;
    int r = copy_types(f, config->types);
    if (r == 0 && (!f->page || asprintf(&f->heartbeat_topic, "%s.heartbeat.", config->service) < 0))
        r = -ENOMEM;
    if (r == 0) {
        f->client = client_new(bus,
                               &(struct client_config) { .service = config->service,
                                                         .endpoints = &config->call_endpoint,
                                                         .n_endpoints = 1 },
                               err);
        r = f->client ? 0 : -EIO;
    }
    /* The bell is connected before the first read, so that nothing falls between the two. */
    if (r == 0 && config->events_endpoint)
        r = connect_bell(f, bus, config, err);
    if (r < 0) {
        stream_follower_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void stream_follower_free(struct stream_follower *f)
{
    if (!f)
        return;
    if (f->client)
        client_free(f->client);
    if (f->bell)
        bus_close(f->bell);
    for (size_t i = 0; i < f->n_types; i++)
        free(f->types[i]);
    free(f->types);
    free(f->heartbeat_topic);
    free(f->log_id);
    arena_free(f->page);
    free(f);
}

const struct stream_cursor *stream_follower_cursor(const struct stream_follower *f)
{
    return &f->cursor;
}

bool stream_follower_caught_up(const struct stream_follower *f)
{
    return !f->behind && f->cursor.next > f->heard;
}

/* Is it still the log that the cursor belongs to? */
static int check_history(struct stream_follower *f, const char *log_id, uint64_t last_sequence,
                         struct err *err)
{
    if (!f->log_id) {
        f->log_id = strdup(log_id);
        if (!f->log_id)
            return -ENOMEM;
    }
    if (strcmp(f->log_id, log_id) != 0)
        return err_set(err, ECANCELED, "another log has taken this one's place: start over from 1");
    if (f->cursor.next > last_sequence + 1)
        return err_set(err, ECANCELED,
                       "the log ends at %llu, before %llu which is wanted next: it was restored "
                       "from a backup, or the cursor is another log's",
                       (unsigned long long)last_sequence, (unsigned long long)f->cursor.next);
    f->heard = last_sequence;
    return 0;
}

/* Asks for the next page; it lives in f->page. */
static int read_page(struct stream_follower *f, Fokus__Runtime__V1__ReadEventsResponse **ret,
                     struct err *err)
{
    Fokus__Runtime__V1__ReadEventsRequest request = FOKUS__RUNTIME__V1__READ_EVENTS_REQUEST__INIT;
    struct client_reply reply;
    struct slice body;

    arena_reset(f->page);
    request.from = f->cursor.next;
    request.after_id = f->cursor.after_id;
    request.types = f->types;
    request.n_types = f->n_types;
    request.limit = PAGE_EVENTS;
    body.len = fokus__runtime__v1__read_events_request__get_packed_size(&request);
    uint8_t *bytes = arena_alloc(f->page, body.len ? body.len : 1);
    if (!bytes)
        return -ENOMEM;
    fokus__runtime__v1__read_events_request__pack(&request, bytes);
    body.data = bytes;
    client_call_wait(f->client,
                     &(struct client_call) { .method = "fokus.runtime.v1.RuntimeService/ReadEvents",
                                             .body = body,
                                             .query = true,
                                             .timeout_ms = READ_TIMEOUT_MS },
                     f->page, &reply);
    if (reply.code == CODE_UNAVAILABLE || reply.code == CODE_DEADLINE_EXCEEDED)
        return err_set(err, EHOSTUNREACH, "%s", reply.message);
    if (reply.code == CODE_FAILED_PRECONDITION) /* of after_id */
        return err_set(err, ECANCELED, "%s", reply.message);
    if (reply.code != CODE_OK)
        return err_set(err, EPROTO, "%s: %s", code_name(reply.code), reply.message);
    *ret = fokus__runtime__v1__read_events_response__unpack(arena_pb(f->page), reply.body.len,
                                                            reply.body.data);
    if (!*ret)
        return err_set(err, EPROTO, "the answer to ReadEvents is not one");
    return 0;
}

static void move_to(struct stream_follower *f, uint64_t next, const char *after_id)
{
    f->cursor.next = next;
    /* Fits: it is a UUID, or nobody's and will be refused. */
    (void)snprintf(f->cursor.after_id, sizeof(f->cursor.after_id), "%s", after_id);
}

/* Delivers one page. Returns how many events it held; the cursor stands behind each before the next is delivered. */
static int deliver_page(struct stream_follower *f,
                        const Fokus__Runtime__V1__ReadEventsResponse *page, stream_each *each,
                        void *arg, struct err *err)
{
    int n = 0;
    for (size_t i = 0; i < page->n_events; i++) {
        const Fokus__Event__V1__Event *event = page->events[i];
        if (event->sequence < f->cursor.next || event->sequence > page->last_sequence)
            return err_set(err, EPROTO, "event %llu came out of order",
                           (unsigned long long)event->sequence);
        if (!each(arg, event))
            return -ESHUTDOWN;
        move_to(f, event->sequence + 1, event->id);
        n++;
    }
    if (page->next < f->cursor.next ||
        (page->next == f->cursor.next && n == 0 && f->cursor.next <= page->last_sequence))
        return err_set(err, EPROTO, "ReadEvents does not go on past %llu",
                       (unsigned long long)f->cursor.next);
    move_to(f, page->next, page->after_id);
    return n;
}

/* Reads up to the end that the first page tells of: a turn ends even under endless writing. */
static int read_on(struct stream_follower *f, stream_each *each, void *arg, struct err *err)
{
    uint64_t until = 0;
    int total = 0;
    do {
        Fokus__Runtime__V1__ReadEventsResponse *page;
        int r = read_page(f, &page, err);
        if (r < 0)
            return r;
        f->heard_at_ms = clock_ms();
        r = check_history(f, page->log_id, page->last_sequence, err);
        if (r < 0)
            return r;
        if (until == 0)
            until = page->last_sequence;
        r = deliver_page(f, page, each, arg, err);
        if (r < 0)
            return r;
        total = total > INT_MAX - r ? INT_MAX : total + r;
    } while (f->cursor.next <= until);
    f->behind = f->cursor.next <= f->heard;
    return total;
}

/* What one message at the bell means: something is new, or nothing is, or the log is another one. */
static int hear(struct stream_follower *f, const struct bus_message *m, struct err *err)
{
    if (m->n_parts != 2)
        return 0;
    if (m->parts[0].len != strlen(f->heartbeat_topic) ||
        memcmp(m->parts[0].data, f->heartbeat_topic, m->parts[0].len) != 0) {
        f->behind = true;
        return 0;
    }
    arena_reset(f->page);
    const Fokus__Event__V1__Heartbeat *beat =
        fokus__event__v1__heartbeat__unpack(arena_pb(f->page), m->parts[1].len, m->parts[1].data);
    if (!beat)
        return err_set(err, EPROTO, "a heartbeat is not one");
    if (f->log_id && strcmp(f->log_id, beat->log_id) != 0)
        return err_set(err, ECANCELED, "another log has taken this one's place: start over from 1");
    /* A smaller number may be an old beat, or a log that was put back to an earlier day: reading tells which. */
    if (beat->last_sequence != f->heard)
        f->behind = true;
    return 0;
}

/* Takes all that waits at the bell. */
static int listen(struct stream_follower *f, struct err *err)
{
    struct bus_message m = BUS_MESSAGE_INIT;
    int r = 0, got = 0;

    while (r == 0 && (got == 0 || got == -EMSGSIZE)) {
        got = bus_receive(f->bell, &m);
        if (got < 0)
            continue;
        f->heard_at_ms = clock_ms();
        r = hear(f, &m, err);
    }
    bus_release(&m);
    return r;
}

int stream_follower_turn(struct stream_follower *f, int timeout_ms, stream_each *each, void *arg,
                         struct err *err)
{
    int64_t now = clock_ms(), until = now + timeout_ms;

    for (;;) {
        int r = f->bell ? listen(f, err) : 0;
        if (r < 0)
            return r;
        if (f->behind || now - f->heard_at_ms > SILENCE_MS) {
            r = read_on(f, each, arg, err);
            if (r != 0)
                return r;
        }
        now = clock_ms();
        if (now >= until || !f->bell)
            return 0;
        int64_t silent_in = f->heard_at_ms + SILENCE_MS + 1 - now;
        int64_t wait = until - now < silent_in ? until - now : silent_in;
        struct bus_item item = { .socket = f->bell };
        r = bus_poll(&item, 1, wait < 0 ? 0 : (int)wait);
        if (r == -EINTR)
            return 0;
        if (r < 0)
            return r;
        now = clock_ms();
    }
}
