/* publish.c - when the events of a commit leave.
 *
 * Commit, reply, publish: in this order everywhere. After a large commit its callers are about to send again, and what
 * each subscriber costs (two of its threads wake for each message) would stand in their way and in the writer's. So its
 * events leave when as many commands have come as it held, which is when the writer has enough to do and the others
 * have time; or after a millisecond; or before the next commit's. */
#include "common/process.h"

enum {
    LARGE = 8,       /* commands: as many callers are worth it */
    LATER_US = 1000, /* at most */
};

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
