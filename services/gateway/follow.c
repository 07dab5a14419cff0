/* follow.c - see follow.h. One question at a time is out. An answer counts from when it was asked for, a heartbeat from when it came: the bell
 * is always emptied, so that old ones do not make a silent service look alive for longer than they wait. */
#include "services/gateway/follow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/name.h"
#include "common/trace.h"
#include "fokus/runtime/v1/runtime.pb-c.h"

enum {
    SILENCE_MS = 1500, /* after so long without a heartbeat it asks */
    WITHOUT_BELL_MS = 250,
    AGAIN_MS = 200, /* after a question that was not answered */
    ASK_TIMEOUT_MS = 1000,
    PAGE_EVENTS = 1000,
    PAGE_BYTES = 8 << 20,
    LOG_ID_MAX = 64,
    TOPIC_MAX = SERVICE_NAME_MAX + 16,
};

struct follower {
    struct follow_config config;
    char service[SERVICE_NAME_MAX + 1];
    char topic[TOPIC_MAX]; /* of its heartbeat */
    struct bus_socket *bell;
    struct arena *arena;
    char log_id[LOG_ID_MAX + 1]; /* "" until it follows */
    uint64_t next, heard;        /* the first sequence not dealt with; the last one heard of */
    char after_id[ID_CHARS + 1]; /* ReadEvents' name for the event before `next` */
    uint64_t asked_heard;        /* `heard` when the question was put */
    uint64_t question;           /* number of the call that is out, or 0 */
    bool doubt;                  /* something does not fit: ask */
    int64_t heard_at_ms, asked_at_ms, ask_not_before_ms, now_ms;
};

int follower_new(struct bus *bus, const struct follow_config *config, struct follower **ret,
                 struct err *err)
{
    struct follower *f = calloc(1, sizeof(*f));
    int r = 0;

    if (!f)
        return err_set(err, ENOMEM, "no memory to follow %.40s", config->service);
    f->config = *config;
    f->arena = arena_new(PAGE_BYTES);
    (void)snprintf(f->service, sizeof(f->service), "%s", config->service); /* fits: it is a name */
    (void)snprintf(f->topic, sizeof(f->topic), "%s.heartbeat.", f->service); /* likewise */
    if (!f->arena)
        r = err_set(err, ENOMEM, "no memory to follow %.40s", config->service);
    if (r == 0 && config->events)
        r = bus_connect(bus, BUS_SUB, config->events, &f->bell, err);
    if (r == 0 && f->bell && bus_subscribe(f->bell, f->topic) < 0)
        r = err_set(err, EIO, "cannot subscribe to the heartbeat of %.40s", config->service);
    if (r < 0) {
        follower_free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void follower_free(struct follower *f)
{
    if (!f)
        return;
    if (f->question)
        client_cancel(f->config.client, f->question);
    bus_close(f->bell);
    if (f->arena)
        arena_free(f->arena);
    free(f);
}

/* ---- what it hears ---- */

/* Whatever was known may be wrong: it begins anew at the log's end. */
static void start_over(struct follower *f)
{
    trace_log(TRACE_WARNING,
              "a log that is followed is another one now: who is known is asked again", "service",
              f->service, NULL);
    f->log_id[0] = '\0';
    f->after_id[0] = '\0';
    f->next = f->heard = 0;
    f->heard_at_ms = 0;
    f->config.restarted(f->config.arg);
}

static void move_on(struct follower *f, const Fokus__Runtime__V1__ReadEventsResponse *page)
{
    f->next = page->next;
    /* Fits: it is a UUID, or nobody's and will be refused. */
    (void)snprintf(f->after_id, sizeof(f->after_id), "%s", page->after_id);
}

static void begin(struct follower *f, const Fokus__Runtime__V1__ReadEventsResponse *page)
{
    (void)snprintf(f->log_id, sizeof(f->log_id), "%s", page->log_id); /* its length was looked at */
    move_on(f, page);
    f->heard = page->last_sequence;
    f->heard_at_ms = f->asked_at_ms;
    f->config.restarted(f->config.arg);
}

static void take_page(struct follower *f, const Fokus__Runtime__V1__ReadEventsResponse *page)
{
    f->doubt = false;
    if (!page->log_id[0] || strlen(page->log_id) > LOG_ID_MAX)
        return;
    if (!f->log_id[0]) {
        begin(f, page);
        return;
    }
    /* A log that ends before what was heard of it was put back to an earlier day. */
    if (strcmp(f->log_id, page->log_id) != 0 || page->last_sequence < f->asked_heard ||
        page->next < f->next) {
        start_over(f);
        return;
    }
    for (size_t i = 0; i < page->n_events; i++)
        if (page->events[i]->audience == FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_GATEWAY)
            f->config.event(f->config.arg, page->events[i]->subject);
    move_on(f, page);
    f->heard_at_ms = f->asked_at_ms;
    if (f->heard < page->last_sequence)
        f->heard = page->last_sequence;
}

static void answered(void *arg, const struct client_reply *reply)
{
    struct follower *f = arg;
    const Fokus__Runtime__V1__ReadEventsResponse *page = NULL;

    f->question = 0;
    if (reply->code == CODE_OK)
        page = fokus__runtime__v1__read_events_response__unpack(arena_pb(f->arena), reply->body.len,
                                                                reply->body.data);
    if (page) {
        take_page(f, page);
    } else if (reply->code == CODE_FAILED_PRECONDITION) { /* of after_id */
        f->doubt = false;
        start_over(f);
    } else {
        f->ask_not_before_ms = f->now_ms + AGAIN_MS;
    }
    arena_reset(f->arena);
}

static void hear(struct follower *f, const struct bus_message *m)
{
    if (m->n_parts != 2 || m->parts[0].len != strlen(f->topic) ||
        memcmp(m->parts[0].data, f->topic, m->parts[0].len) != 0)
        return;
    const Fokus__Event__V1__Heartbeat *beat =
        fokus__event__v1__heartbeat__unpack(arena_pb(f->arena), m->parts[1].len, m->parts[1].data);
    if (beat && f->log_id[0]) {
        if (strcmp(f->log_id, beat->log_id) != 0 || beat->last_sequence + 1 < f->next) {
            f->doubt = true; /* an old beat, or another log: reading tells which */
        } else {
            f->heard_at_ms = f->now_ms;
            follower_tell(f, beat->last_sequence);
        }
    }
    arena_reset(f->arena);
}

static void listen(struct follower *f)
{
    struct bus_message m = BUS_MESSAGE_INIT;

    for (int r = 0; r == 0 || r == -EMSGSIZE;) {
        r = bus_receive(f->bell, &m);
        if (r == 0)
            hear(f, &m);
    }
    bus_release(&m);
}

/* ---- asking ---- */

static int64_t silence_ms(const struct follower *f)
{
    return f->bell ? SILENCE_MS : WITHOUT_BELL_MS;
}

/* When it asks next: at once if something is new. */
static int64_t ask_at_ms(const struct follower *f)
{
    int64_t at_ms = f->heard_at_ms + silence_ms(f);

    if (!f->log_id[0] || f->doubt || f->next <= f->heard)
        at_ms = 0;
    return at_ms > f->ask_not_before_ms ? at_ms : f->ask_not_before_ms;
}

static void ask(struct follower *f)
{
    Fokus__Runtime__V1__ReadEventsRequest request = FOKUS__RUNTIME__V1__READ_EVENTS_REQUEST__INIT;
    struct client_call call = { .method = "fokus.runtime.v1.RuntimeService/ReadEvents",
                                .timeout_ms = ASK_TIMEOUT_MS,
                                .query = true };
    uint8_t body[64]; /* two numbers and an id */

    request.from = f->log_id[0] ? f->next : UINT64_MAX; /* which is past its end */
    request.after_id = f->after_id;
    request.limit = PAGE_EVENTS;
    call.body.len = fokus__runtime__v1__read_events_request__pack(&request, body);
    call.body.data = body;
    f->config.sign(f->config.arg, &call);
    f->asked_at_ms = f->now_ms;
    f->asked_heard = f->heard;
    f->question = client_call(f->config.client, &call, answered, f);
    if (!f->question)
        f->ask_not_before_ms = f->now_ms + AGAIN_MS;
}

void follower_turn(struct follower *f, int64_t now_ms)
{
    f->now_ms = now_ms;
    if (f->bell)
        listen(f);
    if (!f->question && now_ms >= ask_at_ms(f))
        ask(f);
}

bool follower_item(const struct follower *f, struct bus_item *ret)
{
    if (f->bell)
        *ret = (struct bus_item) { .socket = f->bell };
    return f->bell != NULL;
}

int follower_due_ms(const struct follower *f, int64_t now_ms)
{
    if (f->question)
        return -1; /* the client's turn brings the answer, or the end of its time */
    int64_t due_ms = ask_at_ms(f) - now_ms;
    return due_ms < 0 ? 0 : (int)due_ms;
}

/* ---- what it knows ---- */

bool follower_fresh(const struct follower *f, int64_t now_ms)
{
    return f->log_id[0] && !f->doubt && f->next > f->heard &&
           now_ms - f->heard_at_ms <= FOLLOW_FRESH_MS;
}

uint64_t follower_heard(const struct follower *f)
{
    return f->heard;
}

bool follower_follows(const struct follower *f)
{
    return f->log_id[0] != '\0';
}

void follower_doubt(struct follower *f)
{
    f->doubt = true;
}

void follower_tell(struct follower *f, uint64_t sequence)
{
    if (f->log_id[0] && sequence > f->heard)
        f->heard = sequence;
}
