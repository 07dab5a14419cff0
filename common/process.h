/* process.h - what the files of the running process share: service.c (start, loop, stop), intake.c (frames in, replies
 * out), intake_caller.c (who calls), publish.c (what was published, and when events leave), workers.c (the writer and pool threads), effects.c (the thread for effects) and runtime.c (the methods every service has). Nobody else includes it.
 *
 * Everything here belongs to the I/O thread. The other two threads get a parcel or give one back, and touch only what
 * is in it, the core, and their own end of the socket pair. */
#pragma once
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/bus.h"
#include "common/core.h"
#include "common/figures.h"
#include "common/stream.h"
#include "common/trace.h"
#include "common/wire.h"

enum {
    MAX_PEER_ID = 255,
    MAX_COMMANDS_WAITING = 10000,
    MAX_BYTES_WAITING = 256 * 1024 * 1024,
    MAX_JOBS_WAITING = 64, /* of one thread */
    MAX_PASSED_ON = 32,    /* queries; while so many wait the next is answered on the loop */
    POOL_THREADS = 4,
    FIRST_PORTION = 16,   /* commands; then the writer gets them, although the turn goes on */
    PARCEL_COMMANDS = 64, /* the next portion is twice as large, up to this */
    PARCEL_ARENA = 256 * 1024 * 1024,
    COMMIT_COMMANDS = 1024, /* a commit takes no further parcel once it holds so many */
    FRAMES_A_TURN = 256,    /* read from one socket before the others get their turn */
    DEFAULT_TIMEOUT_MS = 10000,
    MAX_TIMEOUT_MS = 600000,
    DRAIN_MS = 5000,
    DEGRADED_CHARS = 256,
    PROVEN_KEPT = 64,   /* callers */
    PROVEN_BYTES = 254, /* of a packed caller; a longer one is hashed each time */
};

/* A caller that was proven lately, without an origin: whoever calls often is not hashed each time. */
struct proven {
    uint8_t proof[CALLER_PROOF_BYTES];
    uint16_t len;
    uint8_t caller[PROVEN_BYTES];
};

/* The replies of one turn to one peer. */
struct letter {
    uint8_t peer[MAX_PEER_ID];
    uint8_t peer_len;
    struct buf frame;
};

/* One of the two ROUTERs, with the replies that leave at the end of the turn. */
struct door {
    struct bus_socket *socket;
    bool admin;
    struct letter *letters; /* those past n_letters keep their buffers for the next turn */
    size_t n_letters, room;
};

/* A call on its way through another thread. Lives in its parcel's arena, with all it points to. */
struct command {
    struct command *next;
    struct core_call call;
    const struct method *method;
    struct door *door;
    struct slice peer;
    uint64_t call_id;
    int64_t received_us;
    char trace[TRACE_PARENT_CHARS + 1];
    bool passed_on; /* a query, begun on the loop and begun anew */
};

/* Commands of one turn, on their way to the writer and back. Or one long query, to the pool and back; or one long
 * command, to the pool, to the writer and back. */
struct parcel {
    struct parcel *next;
    struct arena *arena;
    struct command *first, **end;
    size_t n, bytes; /* that they take, of the limit on what waits */
    bool stop;       /* no commands: the thread shall end */
    bool effect;     /* one command, which the effects' thread waits for */
    bool mend;       /* no commands: the writer shall rebuild damaged tables */
};

/* What the writer gives back. */
struct commit {
    struct parcel *parcels;
    size_t n;
    struct arena *arena;
    struct core_commit made;
    uint64_t us;
    char degraded[DEGRADED_CHARS]; /* empty: the store takes writes */
};

/* A thread for what takes long. The first answers long queries, and those that are passed on; the others prepare long commands, if the
 * service has any: what waits for the network holds up nobody who only reads. */
struct pool_thread {
    struct service *s;
    struct bus_socket *ours, *theirs;
    size_t waiting;
    pthread_t thread;
};

/* The thread that carries out effects (effects.c). */
struct effects {
    struct bus_socket *ours, *theirs;
    int wake_fd;      /* an eventfd: something was committed, or `stop` */
    atomic_bool stop; /* finish what is in hand */
    bool running;     /* the loop's: its last parcel has not come yet */
    pthread_t thread;
};

struct service {
    const struct service_def *def;
    struct core *core;
    struct bus *bus;
    struct figures *figures;
    struct stream_publisher *publisher;
    struct door call, admin;
    struct door own; /* without a socket: where the service's own commands come from */
    struct bus_socket *events;
    struct bus_socket *writer, *writer_end; /* our end, its */
    struct pool_thread pool[POOL_THREADS];
    size_t n_pool;
    struct effects effects;
    struct bus_message message; /* the one being read */

    /* the turn's */
    int64_t turn_us, turn_ms; /* monotonic and wall clock at its start */
    int64_t now_us;           /* monotonic, as last looked at */
    struct arena *scratch;    /* reset after each query */
    struct arena *who;        /* the caller of the call in hand */
    struct seal_key *key;     /* for queries, where the service keeps personal data */
    struct rd *snapshot;      /* begun by its first query */
    uint64_t snapshot_sequence;
    struct parcel *parcel; /* begun by its first command */
    size_t portion;        /* commands at which the parcel is given on */

    size_t commands_waiting, bytes_waiting, jobs_waiting;
    uint64_t commands_taken;      /* so far */
    struct commit *unpublished;   /* a large one whose events have not left; they do when */
    uint64_t publish_at_commands; /* so many are taken, or */
    int64_t publish_at_us;
    size_t passed_on; /* of the jobs: what was begun on the loop */
    uint64_t last_sequence, last_record;
    char degraded[DEGRADED_CHARS];
    int64_t started_ms, drain_until_us; /* the latter 0 until SIGTERM */
    char home[PATH_MAX], store_path[PATH_MAX];
    uint8_t caller_key[CALLER_KEY_BYTES]; /* this service's */
    struct proven proven[PROVEN_KEPT];
};

/* ---- intake_caller.c ---- */

/* Who makes the call, and from where if the method may know it; valid until the next call is looked at. False: not proven. */
bool caller_of_call(struct service *s, const struct door *d, const struct method *m,
                    const struct wire_call *w, struct caller *ret,
                    struct origin *ret_origin) must_check;

/* ---- intake.c ---- */

/* Reads the frames that wait at a door, at most FRAMES_A_TURN, and answers or passes on their calls. */
void intake_turn(struct service *s, struct door *d);
/* Sends what turn and commits answered; passes the turn's commands on; ends its snapshot. */
void intake_end_turn(struct service *s);
/* Answers what the writer committed, then lets its events be published. */
void intake_committed(struct service *s, struct commit *c);
/* Queues the command that the service gives itself, if there is one now. */
void intake_chore(struct service *s);
/* Answers a long query, or passes a prepared command on to the writer. */
void intake_job_done(struct service *s, struct pool_thread *from, struct parcel *p);
/* Has the writer rebuild the tables if somebody met damage. */
void intake_mend(struct service *s);
void door_close(struct door *d);

/* ---- publish.c ---- */

/* Makes the publisher, and looks back through the log for what each topic published last. */
int publish_open(struct service *s, struct err *err) must_check;
/* Takes over a commit that is answered: publishes its events at once, or keeps a large one. */
void publish_commit(struct service *s, struct commit *c);
/* Publishes the kept one if it is time, or anyway. */
void publish_kept(struct service *s, bool anyway);

/* ---- workers.c ---- */

struct parcel *parcel_new(void);
void parcel_free(struct parcel *p);
void commit_free(struct commit *c);
void *writer_run(void *service);
void *pool_run(void *pool_thread);

/* ---- effects.c ---- */

/* Its sockets and eventfd. */
int effects_open(struct service *s, struct err *err) must_check;
void effects_close(struct service *s);
/* Passes on what the thread wants recorded. */
void effects_turn(struct service *s);
/* Takes its parcels out of the commit, for they are its own, and wakes it. */
void effects_committed(struct service *s, struct commit *c);
/* It ends after what it has in hand; its last parcel says so. */
void effects_stop(struct service *s);
void *effects_run(void *service);
