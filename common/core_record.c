/* core_record.c - builds the record of a batch: its head, the events of each command. Stored replies are core_replies.c's.
 *
 * The bytes are put together as commands succeed, so that a commit copies nothing: head and events grow in one buffer,
 * replies in another that is added at the end. What does not fit is taken back by core_commands.c. */
#include <errno.h>
#include <string.h>

#include "common/core_internal.h"
#include "common/pack.h"

/* ---- emitting ---- */

int outcome_emit(struct outcome *out, int kind, const char *subject, const ProtobufCMessage *event)
{
    if (out->n_events >= OUTCOME_MAX_EVENTS)
        return -E2BIG;
    if (out->n_events == out->room) {
        size_t room = out->room ? out->room * 2 : 4;
        struct emitted *grown = arena_alloc(out->status.arena, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        if (out->n_events)
            memcpy(grown, out->events, out->n_events * sizeof *grown);
        out->events = grown;
        out->room = room;
    }
    out->events[out->n_events++] = (struct emitted) { kind, subject, event };
    return 0;
}

/* ---- the record ---- */

enum { RECORD_EVENTS = 6 }; /* field number of fokus.event.v1.Record */

int batch_put_head(struct batch *b)
{
    Fokus__Event__V1__Record head = FOKUS__EVENT__V1__RECORD__INIT;
    struct buf *record = &b->c->record;

    head.log_id = b->head.log_id;
    head.number = b->head.record + 1;
    head.first_sequence = b->head.next_sequence;
    head.previous_hash = (ProtobufCBinaryData) { LOG_HASH_BYTES, b->head.hash };
    head.time_ms = b->now_ms;
    buf_clear(record);
    buf_clear(&b->c->replies);
    size_t len = fokus__event__v1__record__get_packed_size(&head);
    uint8_t *to = buf_reserve(record, len);
    if (!to)
        return -ENOMEM;
    record->len = fokus__event__v1__record__pack(&head, to);
    return 0;
}

/* ---- events ---- */

int batch_keep_event(struct batch *b, Fokus__Event__V1__Event *event)
{
    struct core_commit *ret = b->ret;

    if (ret->n_events == b->events_room) {
        size_t room = b->events_room ? b->events_room * 2 : 64;
        Fokus__Event__V1__Event **grown = arena_alloc(b->arena, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        if (ret->n_events)
            memcpy(grown, ret->events, ret->n_events * sizeof(*grown));
        ret->events = grown;
        b->events_room = room;
    }
    ret->events[ret->n_events++] = event;
    return 0;
}

/* An event with its id beside it: one allocation. */
struct kept_event {
    Fokus__Event__V1__Event event;
    char id[ID_CHARS + 1];
};

static const struct event_kind *kind_of(const struct contract *contract, int kind)
{
    static const struct event_kind none = { 0 };

    if (kind <= 0 || (size_t)kind >= contract->n_events)
        return &none;
    return &contract->events[kind];
}

static Fokus__Event__V1__Audience audience_of(const struct event_kind *kind)
{
    /* Recorded numbers are those of the rule, with "nothing said" as internal. */
    return kind->visibility ? (Fokus__Event__V1__Audience)kind->visibility
                            : FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_INTERNAL;
}

/* Makes the outer event and puts it into record and commit. `actor` and `trace_id` live in the batch's arena. */
static int record_event(struct batch *b, const struct emitted *emitted, char *actor, char *trace_id)
{
    const struct event_kind *kind = kind_of(b->c->def->contract, emitted->kind);

    if (!kind->name)
        return -EBADMSG;
    struct kept_event *kept = arena_alloc(b->arena, sizeof *kept);
    struct slice data;
    bool packed = pack_in(b->arena, emitted->event, CORE_MAX_RECORD, &data);
    char *subject = arena_strdup(b->arena, emitted->subject ? emitted->subject : "");
    if (!kept || !packed || !subject)
        return -ENOMEM;

    Fokus__Event__V1__Event *event = &kept->event;
    fokus__event__v1__event__init(event);
    id_next(b->ids, b->now_ms, kept->id);
    event->sequence = b->next_sequence;
    event->id = kept->id;
    event->type = (char *)kind->name; /* protobuf-c's strings are not const; nobody writes them */
    event->time_ms = b->now_ms;
    event->actor = actor;
    event->subject = subject;
    event->trace_id = trace_id;
    event->data = (ProtobufCBinaryData) { data.len, (uint8_t *)data.data }; /* as type */
    event->audience = audience_of(kind);
    if (!pack_append(&b->c->record, RECORD_EVENTS, &event->base))
        return -ENOMEM;
    int r = batch_keep_event(b, event);
    if (r == 0)
        b->next_sequence++;
    return r;
}

int batch_record_events(struct batch *b, const struct outcome *out, const char *caller_id,
                        const char *trace)
{
    if (!out->n_events)
        return 0;
    char *actor = arena_strdup(b->arena, caller_id);
    char *trace_id = arena_strdup(b->arena, trace);
    int r = actor && trace_id ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < out->n_events; i++)
        r = record_event(b, &out->events[i], actor, trace_id);
    return r;
}

/* Applies what was just recorded: the last `out->n_events` of the commit. */
int batch_apply_events(struct batch *b, const struct outcome *out)
{
    struct core *c = b->c;
    Fokus__Event__V1__Event *const *events = b->ret->events + b->ret->n_events - out->n_events;

    rd_set_arena(wr_rd(b->wr), c->fold);
    for (size_t i = 0; i < out->n_events; i++) {
        const struct fact fact = {
            .sequence = events[i]->sequence,
            .time_ms = events[i]->time_ms,
            .id = events[i]->id,
            .type = events[i]->type,
            .actor = events[i]->actor,
            .subject = events[i]->subject,
        };
        arena_reset(c->fold);
        int r = c->def->apply(b->wr, &fact, out->events[i].event);
        if (r < 0)
            return r;
    }
    return wr_status(b->wr);
}
