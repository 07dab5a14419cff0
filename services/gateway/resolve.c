/* resolve.c - see resolve.h. A question is one ResolveCaller that is out, with the calls that wait for it. Its answer must be as new as what
 * was heard of the log by then, else it is put again: it could know a session that has been ended since. */
#include "services/gateway/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/trace.h"
#include "services/gateway/follow.h"

enum {
    CHAINS = 1024, /* of questions; a power of two */
    ATTEMPTS = 8,
    ANSWER_BYTES = 1 << 20,
    TELL_MS = 50, /* how often waits are looked through for those whose time is up */
};

static const char METHOD[] = "fokus.runtime.v1.RuntimeService/ResolveCaller";
static const char CALLER_ID[] = "@gateway";

struct resolver_wait {
    struct resolver_wait *next, **link;
    struct resolver *resolver;
    int64_t until_ms;
    uint32_t timeout_ms;
    resolver_done *done;
    void *arg;
};

struct question {
    struct question *next, **link;
    struct resolver *resolver;
    struct service *service; /* who is asked */
    struct credential credential;
    struct resolver_wait *waits;
    unsigned attempts;
    int64_t asked_ms, asked_wall_ms;
    uint64_t call;
};

struct resolver {
    struct bus *bus;
    struct registry *registry;
    struct service *service; /* NULL: none says that it resolves callers */
    struct follower *follower;
    struct known *known;
    struct arena *arena;
    struct question *chains[CHAINS];
    size_t n_questions, n_waits;
    int64_t now_ms, tell_at_ms;
    /* what makes a call the gateway's own */
    struct buf own;
    int64_t own_expires_ms;
    uint8_t own_proof[CALLER_PROOF_BYTES];
    bool complained;
    struct resolver_figures figures;
};

/* ---- the service that is asked ---- */

/* Lets a call say that the gateway itself calls. */
static void sign(void *arg, struct client_call *call)
{
    struct resolver *r = arg;
    int64_t left_ms = r->own_expires_ms - wall_ms();

    if (left_ms < KNOWN_PROOF_LEAST_MS || left_ms > KNOWN_PROOF_MS) {
        r->own_expires_ms = wall_ms() + KNOWN_PROOF_MS;
        buf_clear(&r->own);
        caller_put(&r->own, CALLER_ID, NULL, 0, r->own_expires_ms);
        caller_prove(r->service->caller_key, (struct slice) { r->own.data, r->own.len },
                     (struct slice) { 0 }, r->own_proof);
    }
    call->caller = (struct slice) { r->own.data, r->own.len };
    call->proof = (struct slice) { r->own_proof, CALLER_PROOF_BYTES };
}

static void event_came(void *arg, const char *subject)
{
    struct resolver *r = arg;

    r->figures.forgotten += known_forget(r->known, subject);
}

static void forget_all(void *arg)
{
    struct resolver *r = arg;

    r->figures.forgotten += known_count(r->known);
    known_forget_all(r->known);
}

static void leave(struct resolver *r)
{
    follower_free(r->follower);
    r->follower = NULL;
    r->service = NULL;
    r->own_expires_ms = 0;
    forget_all(r);
}

/* Keeps to one as long as it says that it resolves callers. */
static void choose_service(struct resolver *r)
{
    struct err err = { "" };

    if (r->service && r->service->resolves)
        return;
    if (r->service)
        leave(r);
    for (size_t i = 0; i < registry_count(r->registry) && !r->service; i++)
        if (registry_at(r->registry, i)->resolves)
            r->service = registry_at(r->registry, i);
    if (!r->service)
        return;
    const struct follow_config config = {
        .service = r->service->name,
        .client = r->service->client,
        .events = r->service->events,
        .sign = sign,
        .event = event_came,
        .restarted = forget_all,
        .arg = r,
    };
    if (follower_new(r->bus, &config, &r->follower, &err) == 0)
        return;
    if (!r->complained)
        trace_log(TRACE_ERROR, "the service that signs people in cannot be followed", "service",
                  r->service->name, "err", err.text, NULL);
    r->complained = true;
    r->service = NULL;
}

bool resolver_ready(const struct resolver *r, bool *ret_certain)
{
    *ret_certain = r->service || registry_all_described(r->registry);
    return r->service != NULL;
}

/* ---- questions ---- */

static struct question **chain_of(struct resolver *r, const struct credential *c)
{
    return &r->chains[(c->hash[0] | (unsigned)c->hash[1] << 8) & (CHAINS - 1)];
}

static void unlink_wait(struct resolver_wait *w)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->resolver->n_waits--;
}

static void tell(struct resolver_wait *w, const struct resolution *how)
{
    resolver_done *done = w->done;
    void *arg = w->arg;

    unlink_wait(w);
    free(w);
    done(arg, how);
}

/* The question is gone before those who waited are told, who may ask again. */
static void finish(struct question *q, struct resolution how)
{
    struct resolver *r = q->resolver;

    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
    r->n_questions--;
    how.credential = &q->credential;
    for (struct resolver_wait *w = q->waits, *next; w; w = next) {
        next = w->next;
        tell(w, &how);
    }
    free(q);
}

static void finish_failed(struct question *q, enum code code, const char *message)
{
    q->resolver->figures.failed++;
    finish(q, (struct resolution) { .code = code, .message = message });
}

static void finish_unavailable(struct question *q)
{
    char message[200];

    (void)snprintf(message, sizeof(message),
                   "The service %s cannot say right now who you are. Try again in a moment.",
                   q->resolver->service ? q->resolver->service->name : "that knows"); /* fits */
    finish_failed(q, CODE_UNAVAILABLE, message);
}

static void answered(void *arg, const struct client_reply *reply);

static bool put(struct question *q)
{
    struct resolver *r = q->resolver;
    Fokus__Runtime__V1__ResolveCallerRequest request =
        FOKUS__RUNTIME__V1__RESOLVE_CALLER_REQUEST__INIT;
    ProtobufCBinaryData hash = { CALLER_HASH_BYTES, q->credential.hash };
    struct client_call call = { .method = METHOD, .timeout_ms = RESOLVE_TIMEOUT_MS, .query = true };
    uint8_t body[2 * CALLER_HASH_BYTES];

    if (!r->service)
        return false;
    if (q->credential.kind == CREDENTIAL_KEY)
        request.key = hash;
    else
        request.session = hash;
    call.body.len = fokus__runtime__v1__resolve_caller_request__pack(&request, body);
    call.body.data = body;
    sign(r, &call);
    q->service = r->service;
    q->attempts++;
    q->asked_ms = r->now_ms;
    q->asked_wall_ms = wall_ms();
    q->call = client_call(r->service->client, &call, answered, q);
    return q->call != 0;
}

/* Somebody, as far as is known; he is kept. */
static void take_answer(struct question *q, const struct client_reply *reply)
{
    struct resolver *r = q->resolver;
    struct resolution how = { .code = CODE_OK };
    int rc = -EBADMSG;

    const Fokus__Runtime__V1__ResolveCallerResponse *said =
        fokus__runtime__v1__resolve_caller_response__unpack(arena_pb(r->arena), reply->body.len,
                                                            reply->body.data);
    if (said)
        rc = known_put(r->known, &q->credential, said, q->asked_ms, q->asked_wall_ms, &how.person);
    arena_reset(r->arena);
    if (rc == 0) {
        r->figures.known++;
        finish(q, how);
    } else if (rc == -ENOMEM) {
        finish_failed(q, CODE_RESOURCE_EXHAUSTED, "There is no memory for this call.");
    } else {
        trace_log(TRACE_ERROR, "what a service says of a caller cannot be read", "service",
                  r->service->name, NULL);
        finish_failed(q, CODE_INTERNAL, "The service's answer cannot be read. It was not you.");
    }
}

static void answered(void *arg, const struct client_reply *reply)
{
    struct question *q = arg;
    struct resolver *r = q->resolver;
    bool heard = reply->code == CODE_OK || reply->code == CODE_UNAUTHENTICATED;

    q->call = 0;
    if (q->service != r->service || (heard && reply->log_sequence < follower_heard(r->follower))) {
        if (q->service == r->service)
            follower_doubt(r->follower); /* a log that was put back would always be behind */
        if (q->attempts == ATTEMPTS || !put(q))
            finish_unavailable(q);
    } else if (reply->code == CODE_OK) {
        take_answer(q, reply);
    } else if (reply->code == CODE_UNAUTHENTICATED && follower_follows(r->follower)) {
        /* The same code says that the service does not believe the gateway (it has another key): then nothing can be followed, either, and
         * nobody's session must be taken for an unknown one. */
        known_drop(r->known, &q->credential);
        r->figures.unknown++;
        finish(q, (struct resolution) { .code = CODE_UNAUTHENTICATED, .message = reply->message });
    } else if (reply->code == CODE_UNAVAILABLE || reply->code == CODE_RESOURCE_EXHAUSTED) {
        finish_failed(q, reply->code, reply->message);
    } else {
        finish_unavailable(q);
    }
}

/* The question that is under way for this token, or a new one; NULL without room. */
static struct question *question_for(struct resolver *r, const struct credential *c)
{
    struct question **chain = chain_of(r, c);

    for (struct question *q = *chain; q; q = q->next)
        if (q->credential.kind == c->kind &&
            memcmp(q->credential.hash, c->hash, sizeof(c->hash)) == 0)
            return q;
    struct question *q = r->n_questions < RESOLVE_QUESTIONS ? calloc(1, sizeof(*q)) : NULL;
    if (!q)
        return NULL;
    q->resolver = r;
    q->credential = *c;
    if (!put(q)) {
        free(q);
        return NULL;
    }
    q->next = *chain;
    q->link = chain;
    if (q->next)
        q->next->link = &q->next;
    *chain = q;
    r->n_questions++;
    return q;
}

struct resolver_wait *resolver_ask(struct resolver *r, const struct credential *c,
                                   uint32_t timeout_ms, resolver_done *done, void *arg)
{
    struct resolver_wait *w = r->n_waits < RESOLVE_WAITS ? calloc(1, sizeof(*w)) : NULL;
    struct question *q = w ? question_for(r, c) : NULL;

    if (!q) {
        free(w);
        return NULL;
    }
    *w = (struct resolver_wait) {
        .next = q->waits,
        .link = &q->waits,
        .resolver = r,
        .until_ms = r->now_ms + timeout_ms,
        .timeout_ms = timeout_ms,
        .done = done,
        .arg = arg,
    };
    if (w->next)
        w->next->link = &w->next;
    q->waits = w;
    r->n_waits++;
    return w;
}

void resolver_cancel(struct resolver_wait *w)
{
    unlink_wait(w);
    free(w);
}

/* Those whose own time is up before the answer came. */
static void tell_late(struct resolver *r)
{
    char message[200];

    r->tell_at_ms = r->now_ms + TELL_MS;
    for (size_t i = 0; i < CHAINS; i++) {
        for (struct question *q = r->chains[i]; q; q = q->next) {
            for (struct resolver_wait *w = q->waits, *next; w; w = next) {
                next = w->next;
                if (w->until_ms > r->now_ms)
                    continue;
                (void)snprintf(
                    message, sizeof(message),
                    "The service %s did not say within %u ms who you are. Try again in a "
                    "moment.",
                    r->service ? r->service->name : "that knows", w->timeout_ms); /* fits */
                tell(w, &(struct resolution) { .code = CODE_UNAVAILABLE,
                                               .message = message,
                                               .credential = &q->credential });
            }
        }
    }
}

/* ---- memory ---- */

struct person *resolver_find(struct resolver *r, const struct credential *c)
{
    struct person *p = NULL;

    if (r->follower && follower_fresh(r->follower, r->now_ms))
        p = known_find(r->known, c, r->now_ms);
    r->figures.from_memory += p != NULL;
    return p;
}

int resolver_caller(struct resolver *r, struct person *p, const struct service *to,
                    struct slice *ret_caller, struct slice *ret_proof)
{
    const struct known_service service = {
        .index = to->index, .name = to->name, .key = to->caller_key, .resolves = to == r->service
    };

    return known_caller(r->known, p, &service, wall_ms(), ret_caller, ret_proof);
}

void resolver_saw(struct resolver *r, const struct service *s, uint64_t log_sequence)
{
    if (s == r->service)
        follower_tell(r->follower, log_sequence);
}

/* ---- the loop's side ---- */

int resolver_new(struct bus *bus, struct registry *registry, struct resolver **ret, struct err *err)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (r) {
        r->bus = bus;
        r->registry = registry;
        r->own = BUF_INIT(256);
        r->known = known_new(KNOWN_ENTRIES, KNOWN_BYTES);
        r->arena = arena_new(ANSWER_BYTES);
    }
    if (r && r->known && r->arena) {
        *ret = r;
        return 0;
    }
    resolver_free(r);
    return err_set(err, ENOMEM, "no memory for the list of sessions");
}

static void question_free(struct question *q)
{
    if (q->call)
        client_cancel(q->service->client, q->call);
    for (struct resolver_wait *w = q->waits, *next; w; w = next) {
        next = w->next;
        resolver_cancel(w);
    }
    free(q);
}

void resolver_free(struct resolver *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < CHAINS; i++) {
        for (struct question *q = r->chains[i], *next; q; q = next) {
            next = q->next;
            question_free(q);
        }
    }
    follower_free(r->follower);
    known_free(r->known);
    buf_free(&r->own);
    if (r->arena)
        arena_free(r->arena);
    free(r);
}

void resolver_turn(struct resolver *r, int64_t now_ms)
{
    r->now_ms = now_ms;
    choose_service(r);
    if (r->follower)
        follower_turn(r->follower, now_ms);
    if (r->n_waits && now_ms >= r->tell_at_ms)
        tell_late(r);
}

bool resolver_item(const struct resolver *r, struct bus_item *ret)
{
    return r->follower && follower_item(r->follower, ret);
}

int resolver_due_ms(const struct resolver *r, int64_t now_ms)
{
    int due_ms = r->follower ? follower_due_ms(r->follower, now_ms) : -1;

    if (r->n_waits) {
        int tell_ms = r->tell_at_ms > now_ms ? (int)(r->tell_at_ms - now_ms) : 0;
        if (due_ms < 0 || tell_ms < due_ms)
            due_ms = tell_ms;
    }
    return due_ms;
}

struct resolver_figures resolver_figures(const struct resolver *r)
{
    struct resolver_figures figures = r->figures;

    figures.entries = known_count(r->known);
    figures.bytes = known_bytes(r->known);
    figures.evicted = known_evicted(r->known);
    figures.waiting = r->n_waits;
    figures.ready = r->service != NULL;
    figures.fresh = r->follower && follower_fresh(r->follower, r->now_ms);
    return figures;
}
