/* service.h - the process around a service's three kinds of function (architecture, section 1):
 *
 *     decide   (command, state)  -> events + response | refusal      never writes
 *     apply    (event, tables)   -> tables                           the only code that writes tables
 *     query    (request, state)  -> response                         never writes
 *
 * The runtime checks the request's bytes, enforces the access rule, calls the handler, appends and applies its
 * events, commits, replies and publishes, in that order. Prototypes and tables below come from the proto by
 * common/codegen: a missing handler is a link error, a missing access rule means nobody.
 *
 * Handlers return 0 for an answer (success or refusal) and a negative errno for a failure of the machine. */
#pragma once
#include <errno.h>
#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/caller.h"
#include "common/id.h"
#include "common/status.h"
#include "common/store.h"
#include "common/vault.h"
#include "fokus/event/v1/event.pb-c.h"
#include "fokus/runtime/v1/runtime.pb-c.h"

struct service;

/* What a decision may look at. No clock, no random, no network: time and ids come in here. */
struct decide_in {
    const struct rd *state;
    struct arena *arena; /* for whatever the response and events point to */
    struct caller caller;
    int64_t now_ms;
    struct id_source *ids;
    const char *locale;          /* "sv" or "en" */
    const struct origin *origin; /* of a method with the option `origin`; else empty */
    /* Of a service with personal data, else NULL. The key is for vault_key() and vault_find(); it is wiped afterwards. */
    struct vault *vault;
    struct seal_key *key;
    bool uncommitted;              /* events of the same commit came before */
    const void *prepared;          /* by a long command's NAME_prepare_METHOD(), else NULL */
    struct core *core;             /* for the runtime's own methods only, as is */
    const struct service_def *def; /* likewise */
};

/* What goes before the decision of a long command, in a thread of its own: slow hashing, asking another service or the network. No
 * state: what was true then may not be when it is decided. Done anew when a call is repeated. */
struct prepare_in {
    struct arena *arena; /* for what is prepared; lives until the answer */
    struct caller caller;
    int64_t now_ms, deadline_ms; /* when nobody waits any longer; 0: never */
    const char *locale;
    const struct origin *origin; /* as in decide_in */
    struct vault *vault;         /* likewise, to read from only */
    struct seal_key *key;
    struct peers *peers; /* to call other services; NULL without a process */
};

struct wire_pieces;

/* What a query may return if it may_pass_on. */
enum { QUERY_PASS_ON = -EINPROGRESS };

struct query_in {
    const struct rd *state;
    struct arena *arena;
    struct caller caller;
    int64_t now_ms;
    const char *locale;
    const struct origin *origin;   /* of a method with the option `origin`; else empty */
    const struct service_def *def; /* for the runtime's own methods only, as is */
    struct core *core;             /* likewise */
    struct service *service;       /* likewise; NULL without a process */
    struct wire_pieces
        *pieces; /* what the answer carries besides the response, straight from the snapshot */
    /* Before it does what takes a tenth of a millisecond or more, it may return QUERY_PASS_ON: then it is begun anew in another
     * thread, and quick queries need not wait for it. False: it is there already, or nobody has time. */
    bool may_pass_on;
    /* As in decide_in, to read from only. A person who is in the snapshot may be gone from the vault: then she is erased. */
    struct vault *vault;
    struct seal_key *key;
};

/* Answers with a stored message, as the response's field 1, which the response itself leaves out. The bytes go from the snapshot
 * into the reply, neither unpacked nor packed again. */
void query_answer_stored(const struct query_in *in, struct slice packed);
/* Answers with a whole response that was packed before, in the arena; the response itself stays empty. */
void query_answer_packed(const struct query_in *in, struct slice response);

/* What becomes of the caller's session with the reply of a method with the option `origin`. */
struct session_change {
    bool change;
    const char *token; /* "": the session has ended, the browser forgets it */
    int64_t max_age_s; /* how long the browser keeps it */
};

/* What a decision came to: a refusal in `status`, or the events in order. A refusal drops its events. */
struct outcome {
    struct status status;
    struct emitted *events; /* growing array in the call's arena */
    size_t n_events, room;
    struct session_change session;
    struct leaving **leavings; /* likewise */
    size_t n_leavings, leavings_room;
};

enum { OUTCOME_MAX_EVENTS = 20000 }; /* a decision; more is resource_exhausted */

struct emitted {
    int kind;                      /* the arm of the service's Event oneof */
    const char *subject;           /* what the event is about, e.g. a slug */
    const ProtobufCMessage *event; /* the service's Event message */
};

#define outcome_refuse(out, ...)    status_refuse(&(out)->status, __VA_ARGS__)
#define outcome_violation(out, ...) status_violation(&(out)->status, __VA_ARGS__)
/* Called by the generated emit_x(). 0, or -ENOMEM, or -E2BIG past OUTCOME_MAX_EVENTS. */
int outcome_emit(struct outcome *out, int kind, const char *subject,
                 const ProtobufCMessage *event) must_check;

/* With the reply the browser gets a session, or with token "" loses it. `token` lives in the arena; it is written nowhere else: such a
 * reply is never stored, so that a command with an idempotency key is refused instead. */
static inline void outcome_set_session(struct outcome *out, const char *token, int64_t max_age_s)
{
    out->session = (struct session_change) { true, token, max_age_s };
}

/* ---- personal data: what a decision may do to the vault (vault.h says why in this order) ----
 *
 * A decision adds with vault_add() and vault_add_lookup(), at once; the runtime makes that durable before the commit, and takes
 * it back when nothing comes of it: a refusal, a failure, a decision without events. What shall go from the vault goes after the
 * commit of the decision's events, which must say so too: a crash between is made good at the next start (service_def.slots).
 *
 * A look-up that finds somebody of whom the tables say otherwise is left over from such a crash, or to be taken away by a
 * decision just before: it must be freed before it is added again, to whomever. */

/* Takes away a look-up that does not hold. 0; -EAGAIN, to be returned by the decision: it will be made anew once what was decided
 * before it is committed; else as vault_remove_lookup(). */
int lookup_free(const struct decide_in *in, const char *person, uint8_t kind,
                struct slice value) must_check;
/* Erases the person's key: everything sealed for her becomes unreadable. 0, or -ENOMEM; -EINVAL: not a UUID in lower case. */
int outcome_erase_person(struct outcome *out, const char *person) must_check;
/* She is found by this value no longer. 0, -ENOMEM, -EINVAL. */
int outcome_remove_lookup(struct outcome *out, const char *person, uint8_t kind,
                          struct slice value) must_check;

/* The outer facts of an event, as apply() gets them: the log's, never the clock's. */
struct fact {
    uint64_t sequence;
    int64_t time_ms;
    const char *id, *type, *actor, *subject;
};

struct method {
    const char *full_name; /* "fokus.directory.v1.DirectoryService/GetOrganisation" */
    bool command, long_running;
    bool origin;          /* learns where the call comes from, may change the session */
    int audience;         /* fokus.v1.Audience; 0 = nobody */
    uint32_t roles;       /* bit (1 << fokus.v1.Role) */
    uint32_t scope_field; /* number of the request's field that holds a role's scope; 0: none */
    const ProtobufCMessageDescriptor *request, *response;
    /* Of a command that is long: runs first. A refusal ends the call. */
    int (*prepare)(const struct prepare_in *, const void *request, const void **ret_prepared,
                   struct status *);
    int (*decide)(const struct decide_in *, const void *request, void *response, struct outcome *);
    int (*query)(const struct query_in *, const void *request, void *response, struct status *);
};

struct event_kind {   /* indexed by the oneof's arm number; a NULL name is no arm */
    const char *name; /* "OrganisationRegistered" */
    int visibility;   /* fokus.v1.Visibility; 0 = internal */
};

/* What codegen makes of a service's proto: `extern const struct contract directory_contract;` */
struct contract {
    const struct method *methods;
    size_t n_methods;
    const struct event_kind *events;
    size_t n_events;
    const ProtobufCMessageDescriptor
        *event;               /* the Event message, NULL for a service without events */
    size_t event_case_offset; /* of its oneof's case in the C struct */
    const uint8_t *descriptor_set;
    size_t descriptor_set_len;
};

/* A command that a service gives itself. */
struct chore {
    const char *method; /* its full name */
    const ProtobufCMessage *request;
};

/* What an effect is carried out with: no state, and as long as it takes. */
struct effect_in {
    struct arena *arena; /* lives until the effect is recorded */
    int64_t now_ms;
    const char *home;
    struct vault *vault; /* as in query_in */
    struct seal_key *key;
    struct peers *peers;         /* to call other services; NULL without a process */
    const atomic_bool *stopping; /* the process shall end: whatever waits looks at it */
};

/* What a service does to the world outside (mail, webhooks), driven by tables that its events fill: an outbox. A thread of its own
 * looks for the next thing due, does it, gives the command that records how it went, and looks again when that is
 * committed: what was recorded is not done again, what was done and not recorded (a kill between) is. When a record cannot be
 * made, nothing further is done until it is. */
struct effect {
    /* Finds the next thing due, in a snapshot: *ret_job is what carry_out() needs, in in->arena, the state is gone by then. NULL:
     * nothing is due before *ret_due_ms (INT64_MAX: never) or before something is committed. 0 or a negative errno. */
    int (*next)(const struct query_in *in, void **ret_job, int64_t *ret_due_ms);
    /* Does it. Always gives a command of the service's own (AUDIENCE_OPERATOR, not a long one), after which the thing is no longer
     * due, or not yet again. */
    void (*carry_out)(const struct effect_in *in, void *job, struct chore *ret);
};

struct person_export;

/* A service: filled in its main.c. */
struct service_def {
    const char *name; /* "directory": names the binary, the sockets and the topics */
    uint32_t schema;  /* of the tables; another number than the store's means: replay the log */
    /* What else the tables follow from that only the running program knows, such as text_version(): it becomes part of
     * the number in the store. NULL: nothing. */
    uint32_t (*texts)(void);
    const struct contract *contract;
    const struct table *const *tables; /* NULL-terminated */
    /* Folds one event into the tables. Deterministic; runs live and on replay; cannot refuse. 0 or a negative errno. */
    int (*apply)(struct wr *wr, const struct fact *fact, const void *event);
    /* What to tell itself; NULL: nothing ever. Asked each hour and once before the end, by the loop's thread; the request lives in the
     * arena. The command has the operator's rights, and nobody waits for its answer. False: nothing this time. */
    bool (*chore)(struct arena *arena, int64_t now_ms, struct chore *ret);
    /* Of the service that signs people in: RuntimeService/ResolveCaller, with its request and response; NULL: it is unimplemented. */
    int (*resolve)(const struct query_in *in, const Fokus__Runtime__V1__ResolveCallerRequest *req,
                   Fokus__Runtime__V1__ResolveCallerResponse *res, struct status *status);
    const struct effect *effect; /* NULL: none */
    /* Reads settings of the service's own, before anything is served; NULL: it has none. A failure, told in `err`, stops the start. */
    int (*start)(const char *home, struct err *err);
    /* It keeps personal data: it has a vault, and the two fields in decide_in and query_in. */
    bool personal;
    /* Of a service with personal data: the tables whose keys are the ids of those in the vault, NULL-terminated, persons first. At each
     * start whoever is in none of them is erased from the vault. Whoever is in one and not in the vault was erased since the backup
     * that the store was restored from: she gets erase_person() again. */
    const struct table *const *slots;
    /* Adds what the tables hold of her, opened, with export_add(); NULL: nothing but her events is shown. Somebody who is not there
     * is no failure. */
    int (*export_person)(const struct query_in *in, const char *person, struct person_export *to);
    /* As a command that erases all that is hers: events, and outcome_erase_person() if she is in the vault. Her key may be gone already,
     * as after a restore: it must not be needed. Whoever is not there is a success without events. Without personal data NULL:
     * nothing is erased. */
    int (*erase_person)(const struct decide_in *in, const char *person, struct outcome *out);
};

/* Adds a thing to a person's export: `what` names it, the message is one of the service's own, with what is sealed opened. 0;
 * -ENOMEM: the page is full. */
int export_add(struct person_export *to, const char *what,
               const ProtobufCMessage *message) must_check;

/* The number that stands in the store. */
static inline uint32_t service_schema(const struct service_def *def)
{
    return def->texts ? def->schema * 2654435761U ^ def->texts() : def->schema;
}

/* Runs the service until SIGTERM or SIGINT: the whole of main(). Returns the exit code.
 *
 *   --home DIR        where store, sockets and keys are (default: home.h)
 *   --call ENDPOINT   default ipc://HOME/run/NAME.call  (0660)
 *   --admin ENDPOINT  default ipc://HOME/run/NAME.admin (0600)
 *   --events ENDPOINT default ipc://HOME/run/NAME.events (0660)
 *   --version, --help
 * The store is HOME/store/NAME. Exit codes: 0 drained and stopped; 1 could not start or go on (the last log line says why); 2 usage. */
int service_main(const struct service_def *def, int argc, char **argv);
