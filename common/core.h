/* core.h - a service without its sockets and threads: checks a call, decides, appends, applies, commits, answers.
 *
 * The process (service.c), the tests' given/when/then and verify all run this same code. A core belongs to one
 * writer thread; core_query() may be called by any thread with a snapshot of its own.
 *
 *   _replies    (caller, key)                  -> packed fokus.event.v1.StoredReply
 *   _expiry     (expires ms, caller, key)      -> nothing; at most 64 due entries leave with each record
 *   _meta       "schema"                       -> u32 schema number of the tables (big-endian)
 *               "replay"                       -> u32 schema number, u64 next record: only while a replay goes on
 *
 * These tables too are a function of the log alone. */
#pragma once
#include <stdint.h>

#include "common/log.h"
#include "common/schema.h"
#include "common/service.h"
#include "common/wire.h"

struct core;

enum {
    CORE_CALL_ARENA = 64 * 1024 * 1024, /* bytes one call's messages may take */
    CORE_MAX_BODY = 15 * 1024 * 1024,
    CORE_IDEMPOTENCY_MS = 24 * 3600 * 1000,
    CORE_MAX_IDEMPOTENCY_KEY = 64, /* visible ASCII characters */
    CORE_MAX_RECORD = 64 * 1024 * 1024,
};

/* A call as it came in and how it went. Texts and bytes of the reply live in `arena`. */
struct core_call {
    /* in */
    const char *method;
    struct slice body;
    struct caller caller;
    struct origin origin;        /* empty but for methods that may know it */
    const char *locale;          /* "sv" or "en" */
    const char *idempotency_key; /* "" for none */
    const char *trace_id;        /* 32 hexadecimal digits, or "" */
    int64_t deadline_ms;         /* on the clock of `now_ms`; 0 for none */
    struct arena *arena;         /* outlives the call: the reply goes here */
    void *owner;                 /* the caller's own */
    bool checked;                /* core_check() found the body good: it is not checked again */
    const void *request;         /* of a command: its body unpacked, for one use; NULL: not yet */
    bool
        takes_pieces; /* of a query: the answer may come in pieces, which last as long as the snapshot */
    bool may_pass_on; /* of a query: it may ask to be begun anew in another thread */
    struct seal_key *
        key; /* of a query or a preparation with personal data: the thread's own; wiped afterwards */
    /* out */
    struct status status;
    struct slice reply;        /* packed response */
    struct wire_pieces pieces; /* its end, when the caller takes them */
    uint64_t
        log_sequence; /* a query: set before to what its snapshot shows, or 0 to have it read */
    bool repeated;
    bool passed_on;       /* it does ask so; there is no answer */
    bool is_prepared;     /* by core_prepare() ... */
    const void *prepared; /* ... which left this, in `arena` */
    struct session_change session;
    const char *failure; /* for the log line: why the machine failed; NULL when it did not */
};

/* What one commit brought. */
struct core_commit {
    uint64_t record, last_sequence;
    Fokus__Event__V1__Event **events; /* in the batch's arena */
    size_t n_events;
};

/* Shows how far a replay has come; called a few times a second at most. */
typedef void core_progress(void *arg, uint64_t done, uint64_t total);

/* Opens the service's store (made when missing), checks the log's chain from its last `check_records` records (0: all), replays the
 * log when the schema number changed. -EBADMSG: the log was tampered with or is broken, `err` names the record. */
int core_open(struct core **ret, const struct service_def *def, const char *store_path,
              uint64_t check_records, core_progress *progress, void *progress_arg,
              struct err *err) must_check;
/* For tests: nothing is synced, all records are checked. */
int core_open_scratch(struct core **ret, const struct service_def *def, const char *store_path,
                      struct err *err) must_check;
/* Opens the vault of a service with personal data, HOME/vault/NAME.vault; nothing in others. To be called once, before the first command:
 * brings vault and log in step. Whoever is in the tables and no longer in the vault was erased since the backup that the store was restored
 * from: she is erased anew, with events; whoever is in the vault and not in the tables is erased from it. `credentials` as in master.h. Fails without
 * changing anything: -EKEYREJECTED, -EBADMSG, -ENOENT, -ESTALE, ... (vault.h), -EUCLEAN: the vault is older than the log's start. */
int core_open_vault(struct core *c, const char *home, const char *credentials,
                    struct err *err) must_check;
/* What core_open_vault() did. */
struct core_vault_start {
    uint64_t anew;  /* erased from the tables: not in the vault */
    uint64_t swept; /* erased from the vault: not in the tables */
};
struct core_vault_start core_vault_started(const struct core *c);
/* NULL in a service without personal data. */
struct vault *core_vault(struct core *c);
/* Takes the vault over to the newest master key, a slice; the writer thread's. As vault_rotate(). */
int core_rotate_vault(struct core *c, bool *ret_done, struct err *err) must_check;
/* Whether somebody in the vault is rightly there: known to the tables, or one of the runtime's own keys. 0, -ENOENT or a failure. */
int core_person_exists(struct core *c, struct rd *rd, int64_t now_ms,
                       const char *person) must_check;
void core_close(struct core *c);
struct store *core_store(struct core *c);
const struct schema *core_schema(const struct core *c);
const char *core_log_id(const struct core *c);

/* The method by its full name: the service's own or the runtime's; NULL for none. */
const struct method *core_method(const struct core *c, const char *full_name);
/* May the caller call it? Else `status` is permission_denied or unauthenticated. */
bool core_allowed(const struct method *m, const struct caller *caller,
                  struct status *status) must_check;
/* Of one who may, because of a role held for a scope: is the request, whose bytes were checked, within it? */
bool core_in_scope(const struct method *m, const struct caller *caller, struct slice body,
                   struct status *status) must_check;

/* Checks the body against the method's schema and limits, in any thread. False: `status` says what is wrong. */
bool core_check(struct core *c, const struct method *m, struct slice body,
                struct status *status) must_check;

/* Checks and answers one query on a snapshot. `scratch` is reset by the caller. */
void core_query(struct core *c, const struct method *m, const struct rd *state,
                struct arena *scratch, int64_t now_ms, struct service *service,
                struct core_call *call);

/* Checks a command that has a `prepare`, and runs that; in any thread but the writer's. Then the call is answered, with a refusal, or
 * goes to core_commands(). */
void core_prepare(struct core *c, const struct method *m, int64_t now_ms, struct peers *peers,
                  struct core_call *call);

/* Decides, appends and applies `n` commands in order in one transaction and one record, commits once. Every call gets its
 * answer; 0 unless the store is broken. If apply fails, the batch is redone one command at a time, so that only the culprit fails.
 * After a commit of unknown outcome the store is reopened and the log's end decides. If the store takes no writes,
 * all are answered `unavailable` and core_degraded() says why; the next batch tries again.
 * The commit's events live in `batch_arena`; first among them are those of an earlier commit whose good end is known only now. */
/* With core_feed() set, the batch grows while it runs: its calls lie in an array with room for more. */
int core_commands(struct core *c, struct core_call *const *calls, size_t n, int64_t now_ms,
                  struct id_source *ids, struct arena *batch_arena, struct core_commit *ret,
                  struct err *err) must_check;
/* Is asked when all `n` calls of a batch were run and nothing is committed yet: puts further ones behind them, in the same array, and
 * returns how many there are then. So decisions are made while others still arrive. NULL: batches stay as they begin. */
typedef size_t core_feeder(void *arg, size_t n);
void core_feed(struct core *c, core_feeder *feeder, void *arg);
/* For tests and golden logs: puts one event (the service's Event message) into log and tables, without a command. */
int core_append(struct core *c, const ProtobufCMessage *event, const char *subject, int64_t now_ms,
                struct id_source *ids, struct arena *batch_arena, struct err *err) must_check;
/* NULL, or why the store takes no writes. The writer thread's. */
const char *core_degraded(const struct core *c);

/* ---- damaged tables ---- */

/* A query or a command that meets bytes in a table that cannot be right is answered `unavailable`, and the damage noted. Whoever
 * runs the core has the writer thread rebuild the tables then. */
enum core_tables {
    CORE_TABLES_SOUND,   /* as far as anybody has seen */
    CORE_TABLES_DAMAGED, /* noted: somebody should take it */
    CORE_TABLES_TAKEN,   /* core_rebuild() is about to run, or does */
    CORE_TABLES_LOST, /* a rebuild failed or did not help; the next one is tried after some minutes */
};
/* Whether the failure means that tables are damaged; if so, notes it. Any thread may. */
bool core_note_damage(struct core *c, int errnum);
/* Any thread may ask. Writes into `ret_why`, unless they are sound, what is wrong and what is done about it. */
enum core_tables core_tables_state(const struct core *c, char *ret_why, size_t room);
/* The caller sees to it that core_rebuild() runs. */
void core_take_damage(struct core *c);
/* The writer thread's. Folds the whole log anew, in one transaction: readers see the tables as they were until they are whole
 * again, a process killed meanwhile finds them as they were, the log is only read. Then the tables are sound, or lost. */
int core_rebuild(struct core *c, core_progress *progress, void *progress_arg,
                 struct err *err) must_check;

/* May run beside the writer, in a thread of its own. Walks the chain, replays into scratch stores at `scratch_path` and, for the
 * search's tables, at `scratch_path`.search (both removed after), and compares every table byte for byte. */
struct core_verdict {
    bool identical;
    uint64_t records, events;
    struct {
        const char *table;
        uint64_t entries;
        bool identical;
    } tables[64];
    size_t n_tables;
    char problem[256];
};
int core_verify(const struct service_def *def, struct store *store, const char *scratch_path,
                struct core_verdict *ret, core_progress *progress, void *progress_arg,
                struct err *err) must_check;
