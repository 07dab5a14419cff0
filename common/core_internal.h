/* core_internal.h - what core.c, core_chain.c, core_commands.c, core_record.c, core_replay.c, core_rebuild.c, core_replies.c,
 * core_restored.c, core_vault.c and core_verify.c share. Nobody else includes it. */
#pragma once
#include <stdatomic.h>

#include "common/arena.h"
#include "common/core.h"

enum {
    CORE_EXPIRE_AT_MOST = 64,              /* due entries that leave with each record */
    CORE_REPLAY_ARENA = 512 * 1024 * 1024, /* one unpacked record; taken only as far as used */
    CORE_REPLAY_RECORDS = 1000,            /* of one transaction of a replay ... */
    CORE_REPLAY_BYTES = 32 * 1024 * 1024,  /* ... which ends early past so many bytes of log */
};

struct core {
    const struct service_def *def;
    const struct table **tables; /* the service's, the log's and the runtime's; NULL-terminated */
    struct store *store;
    struct schema *schema, *runtime_schema;
    const struct method **by_name; /* all methods, ordered by full name */
    const struct schema_message *
        *shapes; /* their requests: the service's methods in order, then the runtime's */
    size_t n_methods;
    char log_id[LOG_ID_CHARS + 1];

    /* Damage in the tables (core_rebuild.c): any thread may note it. */
    _Atomic int damage; /* enum core_tables */
    _Atomic unsigned rebuilt_percent;
    _Atomic int64_t mended_ms; /* when a rebuild last ended, on the monotonic clock; 0: none has */
    char not_rebuilt[256];     /* why; written before `damage` says so */

    /* The writer thread's. */
    struct arena *work; /* one command's request, decision and reads */
    struct arena *fold; /* one event's application */
    struct buf record;  /* the record of the batch at hand: its head, then its events */
    struct buf replies; /* its replies, which go behind the events */
    const struct method *
        *todo; /* by call of the batch: its method, NULL when it was refused at the door */
    size_t todo_room;
    core_feeder *feeder;
    void *feeder_arg;
    bool needs_reopen;
    char degraded[300]; /* "" when the store takes writes */
    /* Of a service with personal data (core_vault.c). */
    struct vault *vault;
    char *home, *credentials;  /* where its master key is; the latter may be NULL */
    struct seal_key *key;      /* the writer thread's */
    struct leaving **leavings; /* what leaves the vault after the commit at hand */
    size_t n_leavings, leavings_room;
    struct {
        int64_t days[8]; /* since 1970, of which there are keys in the vault (core_replies.c) */
        size_t n;
    } reply_keys;
    char vault_broken[300]; /* "", or why no command is taken until the next start */
    struct core_vault_start vault_start;
    /* A commit of unknown outcome whose end could not be read yet: number 0 for none. */
    uint64_t pending_record;
    uint8_t pending_hash[LOG_HASH_BYTES];
};

extern const struct table core_table_replies, core_table_expiry, core_table_meta;

/* The tables that `def` and the runtime fold from the log: NULL-terminated, from malloc(); NULL without memory. */
const struct table **core_folded_tables(const struct service_def *def) must_check;

/* Access, deadline and bytes: all that can be said before the handler runs. False: answered. */
bool core_admit(struct core *c, const struct method *m, int64_t now_ms,
                struct core_call *call) must_check;
/* A machine's failure as the caller sees it; why is for the log line, in call->failure. */
void core_fail(struct core_call *call, int errnum, const char *what);
/* The same where it was met while reading tables: damage is noted, so that they are rebuilt. */
void core_fail_reading(struct core *c, struct core_call *call, int errnum, const char *what);
extern const char core_damaged_message[];
/* A zeroed message of the type, initialised; NULL past the arena's cap. */
void *core_new_message(struct arena *arena, const ProtobufCMessageDescriptor *type) must_check;
/* Packs the response into the call's arena. False: answered with resource_exhausted. */
bool core_pack_reply(struct core_call *call, const ProtobufCMessage *response) must_check;

/* ---- a batch and its record (core_record.c) ---- */

/* The batch at hand. */
struct batch {
    struct core *c;
    struct core_call *const *calls;
    size_t n;
    int64_t now_ms;
    struct id_source *ids;
    struct arena *arena; /* what outlives the commit: events to be published */
    struct core_commit *ret;
    size_t events_room;

    /* the run's */
    struct wr *wr;
    struct log_head head;   /* as the transaction found it */
    uint64_t next_sequence; /* of the next event */
    size_t first_event;     /* of the run, in ret->events */
};

/* Begins the record's bytes after b->head. */
int batch_put_head(struct batch *b) must_check;
/* Records the events: numbers, ids and bytes, in the record and among those to be published. On failure the caller takes back. */
int batch_record_events(struct batch *b, const struct outcome *out, const char *caller_id,
                        const char *trace) must_check;
/* Applies what was just recorded: the last `out->n_events` of the commit. */
int batch_apply_events(struct batch *b, const struct outcome *out) must_check;
/* One more event to be published. */
int batch_keep_event(struct batch *b, Fokus__Event__V1__Event *event) must_check;
/* ---- stored replies: idempotency (core_replies.c) ---- */

/* Answers from the stored reply if there is one. 1: answered; 0: not seen before; negative: a failure. */
int reply_recall(struct batch *b, struct core_call *call) must_check;
/* Where fold_reply() shall put a reply: its owner lives in the call's arena, its bytes until the next one is recorded. */
struct reply_place {
    const char *owner;
    struct slice packed;
};
/* Puts the call's reply into the record's end. 0 or a negative errno: nothing is put. */
int reply_record(struct batch *b, struct core_call *call, struct reply_place *ret) must_check;
/* Erases the keys under which replies were sealed that have expired. Between batches. */
void reply_keys_expire(struct core *c, int64_t now_ms);
/* Whether a key in the vault is one of these: *ret_expired, whether it may go. */
bool reply_key_is_ours(struct core *c, const char *person, int64_t now_ms, bool *ret_expired);

/* ---- the vault (core_vault.c): nothing in a service without personal data ---- */

/* Something that shall go from the vault. In an outcome it lives in the arena, in the core in memory of its own. */
struct leaving {
    char person[ID_CHARS + 1];
    uint8_t kind; /* of the look-up, 0: the person herself */
    size_t len;
    uint8_t value[];
};

/* How far the run is: what later decisions add can be taken back, and what they take away be forgotten. */
struct core_vault_mark {
    size_t unsettled, leavings;
};
struct core_vault_mark core_vault_mark(const struct core *c);
void core_vault_back_to(struct core *c, const struct core_vault_mark *mark);
/* Keeps what the outcome takes away for after the commit of its events. -ENOMEM: nothing of it is kept. */
int core_vault_keep_leavings(struct core *c, const struct outcome *out) must_check;
/* Before a commit: makes durable what was added, and puts the vault's generation into the record. */
int core_vault_before_commit(struct core *c, struct err *err) must_check;
/* After a commit, or once it is known how one ended: what leaves goes, or what was added is taken back. */
void core_vault_after_commit(struct core *c, bool committed);
/* At the start: erases anew whoever is in the tables and no longer in the vault (core_restored.c). -EUCLEAN, -EBADMSG: tables are damaged. */
int core_erase_anew(struct core *c, struct err *err) must_check;
/* A record that holds no event, but all else that a record does. */
int core_append_nothing(struct core *c, int64_t now_ms, struct err *err) must_check;
/* Gives the memory back and wipes the keys. */
void core_vault_close(struct core *c);

/* ---- the log's chain (core_chain.c) ---- */

struct progress;

/* The head as it stood before record `from`. */
int chain_prime(const struct rd *rd, const struct log_head *end, uint64_t from, struct arena *arena,
                struct log_head *ret, struct err *err) must_check;
/* Reads and checks the record after *head, which it advances. `bytes` is valid until the next write. */
int chain_next(const struct rd *rd, struct log_head *head, struct arena *arena,
               Fokus__Event__V1__Record **ret, struct slice *ret_bytes, struct err *err) must_check;
/* -EBADMSG when the walk did not end where the stored head says. */
int chain_end(const struct rd *rd, const struct log_head *walked, const struct log_head *end,
              struct err *err) must_check;
/* All of it from record `from` up to the head `end`, in two threads when it is long. */
int chain_check(struct store *store, const struct rd *rd, const struct log_head *end, uint64_t from,
                struct progress *p, struct err *err) must_check;

/* ---- folding records into tables (core_replay.c): the same code live, on replay and in verify ---- */

/* Removes stored replies that are due at the record's time. */
void fold_expire(struct wr *wr, int64_t time_ms);
/* Stores a reply of a record made at `time_ms`; `packed` is the StoredReply. */
void fold_reply(struct wr *wr, int64_t time_ms, const char *caller, const char *key,
                const void *packed, size_t len);
/* Folds a whole record. `fold` is reset for each event. */
int fold_record(const struct service_def *def, struct wr *wr,
                const Fokus__Event__V1__Record *record, struct arena *fold,
                struct err *err) must_check;
/* The key of a stored reply, and that of its expiry, which is the longer one. */
struct key *reply_key(struct key *k, const char *caller, const char *key);
struct key *expiry_key(struct key *k, int64_t expires_ms, const char *caller, const char *key);

int meta_put_schema(struct wr *wr, uint32_t schema) must_check;
/* A replay within a write transaction: empties the folded tables; folds the records from *next on, as many as one transaction
 * should hold, and moves *next past them; marks the tables whole. */
int replay_begin(struct core *c, struct wr *wr) must_check;
int replay_fold(struct core *c, struct wr *wr, uint64_t *next, uint64_t last, struct arena *arena,
                struct err *err) must_check;
int replay_end(struct core *c, struct wr *wr) must_check;
/* Makes tables and schema number fit `def`: nothing, a new store's first marks, or a replay. */
int core_bring_up(struct core *c, core_progress *progress, void *arg, struct err *err) must_check;

/* Calls `progress` at most four times a second, and always at the end. */
struct progress {
    core_progress *call;
    void *arg;
    int64_t last_ms;
};
void progress_show(struct progress *p, uint64_t done, uint64_t total);
