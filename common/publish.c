/* publish.c - what each topic published last, and when the events of a commit leave.
 *
 * Commit, reply, publish: in this order everywhere. After a large commit its callers are about to send again, and what
 * each subscriber costs (two of its threads wake for each message) would stand in their way and in the writer's. So its
 * events leave when as many commands have come as it held, which is when the writer has enough to do and the others
 * have time; or after a millisecond; or before the next commit's. */
#include <errno.h>
#include <string.h>

#include "common/process.h"

enum {
    SEED_RECORDS = 20000, /* looked back through at start for each topic's last sequence */
    SEED_BYTES = 64 * 1024 * 1024,
    LARGE = 8,       /* commands: as many callers are worth it */
    LATER_US = 1000, /* at most */
};

/* ---- what each topic published last ---- */

/* The public event types whose last sequence is not known yet. */
struct seeding {
    struct service *s;
    size_t unknown;
    bool known[256]; /* by the oneof's arm */
};

static bool is_public(const struct event_kind *kind)
{
    return kind->name && kind->visibility == FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PUBLIC;
}

static void seed_event(struct seeding *g, const Fokus__Event__V1__Event *event)
{
    const struct contract *contract = g->s->def->contract;

    if (event->audience != FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PUBLIC)
        return;
    for (size_t i = 0; i < contract->n_events && i < ARRAY_LEN(g->known); i++) {
        const struct event_kind *kind = &contract->events[i];
        if (g->known[i] || !is_public(kind) || strcmp(kind->name, event->type) != 0)
            continue;
        g->known[i] = true;
        g->unknown--;
        stream_publisher_seed(g->s->publisher, event->type, event->sequence);
    }
}

static void seed_record(struct seeding *g, struct slice bytes)
{
    const Fokus__Event__V1__Record *record =
        fokus__event__v1__record__unpack(arena_pb(g->s->scratch), bytes.len, bytes.data);

    for (size_t i = record ? record->n_events : 0; i > 0; i--)
        seed_event(g, record->events[i - 1]);
    arena_reset(g->s->scratch);
}

/* Looks back through the log. A topic that is not met within the bound begins with `previous` 0, which makes its
 * subscribers read the log once more: more work, not less truth. */
static void seed_publisher(struct service *s, const struct rd *rd)
{
    const struct contract *contract = s->def->contract;
    struct seeding g = { .s = s };
    size_t bytes = 0;
    struct slice record;

    for (size_t i = 0; i < contract->n_events; i++)
        g.unknown += is_public(&contract->events[i]);
    for (uint64_t n = 0; n < SEED_RECORDS && n < s->last_record; n++) {
        if (g.unknown == 0 || bytes > SEED_BYTES)
            return;
        if (log_read(rd, s->last_record - n, &record) != LOG_OK)
            return;
        bytes += record.len;
        seed_record(&g, record);
    }
}

int publish_open(struct service *s, struct err *err)
{
    struct rd *rd;

    s->publisher = stream_publisher_new(s->def->name, s->events);
    s->figures = figures_new(s->def);
    if (!s->publisher || !s->figures)
        return err_set(err, ENOMEM, "no memory for publisher and figures");
    int r = rd_begin(core_store(s->core), s->scratch, &rd);
    if (r < 0)
        return err_set(err, -r, "cannot read the store: %s", strerror(-r));
    seed_publisher(s, rd);
    rd_end(rd);
    return 0;
}

/* ---- when events leave ---- */

static void publish(struct service *s, struct commit *c)
{
    size_t public_events = 0;
    bool for_gateway = false;

    for (size_t i = 0; i < c->made.n_events; i++) {
        Fokus__Event__V1__Audience audience = c->made.events[i]->audience;
        public_events += audience == FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PUBLIC;
        for_gateway |= audience == FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_GATEWAY;
    }
    stream_publish(s->publisher, c->made.events, c->made.n_events);
    if (for_gateway) /* it reads what it may not be sent */
        stream_heartbeat(s->publisher, core_log_id(s->core), s->last_sequence);
    figures_published(s->figures, public_events);
    if (s->def->effect)
        effects_committed(s, c);
    commit_free(c);
}

void publish_kept(struct service *s, bool anyway)
{
    struct commit *c = s->unpublished;

    if (!c)
        return;
    if (!anyway && s->commands_taken < s->publish_at_commands && s->turn_us < s->publish_at_us)
        return;
    s->unpublished = NULL;
    publish(s, c);
}

void publish_commit(struct service *s, struct commit *c)
{
    publish_kept(s, true);
    if (c->n < LARGE) {
        publish(s, c);
        return;
    }
    s->unpublished = c;
    s->publish_at_commands = s->commands_taken + c->n;
    s->publish_at_us = s->turn_us + LATER_US;
}
