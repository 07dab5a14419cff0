/* client_wait.c - client.h for tools, which have nothing else to do than wait for one answer. */
#include <string.h>

#include "common/client.h"
#include "common/clock.h"

struct waiting {
    struct arena *arena;
    struct client_reply *reply;
    bool done;
};

static const char *keep_text(struct arena *arena, const char *text)
{
    const char *kept = arena_strdup(arena, text ? text : "");

    return kept ? kept : "";
}

static void wait_done(void *arg, const struct client_reply *reply)
{
    struct waiting *w = arg;

    w->done = true;
    *w->reply = *reply;
    w->reply->session_token = (struct slice) { 0 }; /* tools have no browser */
    w->reply->message = keep_text(w->arena, reply->message);
    w->reply->body.data = arena_memdup(w->arena, reply->body.data, reply->body.len);
    struct violation *violations =
        arena_calloc(w->arena, reply->n_violations ? reply->n_violations : 1, sizeof(*violations));
    for (size_t i = 0; violations && i < reply->n_violations; i++) {
        violations[i].field = keep_text(w->arena, reply->violations[i].field);
        violations[i].description = keep_text(w->arena, reply->violations[i].description);
    }
    w->reply->violations = violations;
    if (!violations || (reply->body.len && !w->reply->body.data))
        *w->reply = (struct client_reply) { .code = CODE_RESOURCE_EXHAUSTED,
                                            .message = "There is no memory for the answer." };
}

void client_call_wait(struct client *c, const struct client_call *call, struct arena *arena,
                      struct client_reply *ret)
{
    struct waiting w = { arena, ret, false };
    enum { ROOM = 16 };

    if (!client_call(c, call, wait_done, &w)) {
        *ret = (struct client_reply) { .code = CODE_RESOURCE_EXHAUSTED,
                                       .message = "There is no room for another call." };
        return;
    }
    for (client_turn(c, clock_ms()); !w.done; client_turn(c, clock_ms())) {
        struct bus_item items[ROOM];
        size_t n = client_items(c, items, ROOM);
        if (bus_poll(items, n, client_due_ms(c, clock_ms())) < 0)
            continue; /* interrupted: the turn's deadlines end the wait */
    }
}
