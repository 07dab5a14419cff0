/* core_replay.c - folds the log's records into tables.
 *
 * There is one fold: what a commit does to the tables live, a replay after a new schema number and verify's replay
 * do through the same functions. In a record the order is: due replies leave, events are applied, replies are stored.
 * Service tables and reply tables are disjoint, so that live code may store a command's reply right after its events.
 *
 * A replay in place runs in bounded transactions and notes its position in _meta with each, so that a killed one
 * goes on where it was. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "common/core_internal.h"

/* ---- progress ---- */

enum { PROGRESS_EVERY_MS = 250 };

void progress_show(struct progress *p, uint64_t done, uint64_t total)
{
    int64_t ms = p->call ? clock_ms() : 0;

    if (!p->call)
        return;
    if (done < total && ms - p->last_ms < PROGRESS_EVERY_MS)
        return;
    p->last_ms = ms;
    p->call(p->arg, done, total);
}

/* ---- stored replies ---- */

struct key *reply_key(struct key *k, const char *caller, const char *key)
{
    return key_text(key_text(k, caller), key);
}

struct key *expiry_key(struct key *k, int64_t expires_ms, const char *caller, const char *key)
{
    return reply_key(key_i64(k, expires_ms), caller, key);
}

enum { EXPIRY_TIME_BYTES = 8 }; /* an expiry's key is a time and then the reply's key */

void fold_expire(struct wr *wr, int64_t time_ms)
{
    struct key due[CORE_EXPIRE_AT_MOST], all = KEY_INIT;
    struct scan s;
    size_t n = 0;

    for (scan_prefix(&s, wr_rd(wr), &core_table_expiry, &all);
         n < CORE_EXPIRE_AT_MOST && scan_next(&s); n++) {
        struct key_reader reader = { .rest = s.key };
        int64_t expires_ms;
        if (!key_read_i64(&reader, &expires_ms) || s.key.len > KEY_MAX) {
            (void)scan_end(&s); /* the damage is the graver news */
            (void)wr_fail(wr, EBADMSG);
            return;
        }
        if (expires_ms > time_ms)
            break;
        due[n] = KEY_INIT;
        memcpy(due[n].bytes, s.key.data, s.key.len);
        due[n].len = (uint16_t)s.key.len;
    }
    int r = scan_end(&s);
    if (r < 0) {
        (void)wr_fail(wr, -r); /* the transaction carries it from here */
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct key reply = KEY_INIT;
        reply.len = (uint16_t)(due[i].len - EXPIRY_TIME_BYTES);
        memcpy(reply.bytes, due[i].bytes + EXPIRY_TIME_BYTES, reply.len);
        wr_delete(wr, &core_table_replies, &reply);
        wr_delete(wr, &core_table_expiry, &due[i]);
    }
}

void fold_reply(struct wr *wr, int64_t time_ms, const char *caller, const char *key,
                const void *packed, size_t len)
{
    struct key reply = KEY_INIT, expiry = KEY_INIT;

    wr_put_bytes(wr, &core_table_replies, reply_key(&reply, caller, key), packed, len);
    wr_put_bytes(wr, &core_table_expiry,
                 expiry_key(&expiry, time_ms + CORE_IDEMPOTENCY_MS, caller, key), NULL, 0);
}

/* ---- records ---- */

static int fold_event(const struct service_def *def, struct wr *wr,
                      const Fokus__Event__V1__Event *event, struct arena *fold, struct err *err)
{
    const struct fact fact = {
        .sequence = event->sequence,
        .time_ms = event->time_ms,
        .id = event->id,
        .type = event->type,
        .actor = event->actor,
        .subject = event->subject,
    };

    if (!def->contract->event)
        return err_set(err, EBADMSG, "event %" PRIu64 " in the log of a service without events",
                       event->sequence);
    arena_reset(fold);
    const void *message = protobuf_c_message_unpack(def->contract->event, arena_pb(fold),
                                                    event->data.len, event->data.data);
    if (!message)
        return err_set(err, arena_failed(fold) ? ENOMEM : EBADMSG,
                       "event %" PRIu64 " (%s) cannot be unpacked", event->sequence, event->type);
    int r = def->apply(wr, &fact, message);
    if (r < 0)
        return err_set(err, -r, "event %" PRIu64 " (%s) cannot be applied: %s", event->sequence,
                       event->type, strerror(-r));
    return 0;
}

int fold_record(const struct service_def *def, struct wr *wr,
                const Fokus__Event__V1__Record *record, struct arena *fold, struct err *err)
{
    rd_set_arena(wr_rd(wr), fold);
    fold_expire(wr, record->time_ms);
    for (size_t i = 0; i < record->n_events; i++) {
        int r = fold_event(def, wr, record->events[i], fold, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < record->n_replies; i++) {
        const Fokus__Event__V1__StoredReply *reply = record->replies[i];
        size_t len = fokus__event__v1__stored_reply__get_packed_size(reply);
        arena_reset(fold);
        uint8_t *packed = arena_alloc(fold, len ? len : 1);
        if (!packed)
            return err_set(err, ENOMEM, "no memory for a stored reply");
        fokus__event__v1__stored_reply__pack(reply, packed);
        fold_reply(wr, record->time_ms, reply->caller, reply->key, packed, len);
    }
    int r = wr_status(wr);
    return r < 0 ? err_set(err, -r, "record %" PRIu64 " cannot be stored: %s", record->number,
                           strerror(-r))
                 : 0;
}

/* ---- _meta ---- */

static void put_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static struct key *meta_key(struct key *k, const char *name)
{
    return key_text(k, name);
}

int meta_put_schema(struct wr *wr, uint32_t schema)
{
    struct key k = KEY_INIT;
    uint8_t bytes[4];

    put_u32(bytes, schema);
    wr_put_bytes(wr, &core_table_meta, meta_key(&k, "schema"), bytes, sizeof bytes);
    return wr_status(wr);
}

/* What the tables are: folded to the end under `schema`, or half way through a replay for it. */
struct mark {
    uint32_t schema;
    uint64_t next_record; /* of a replay that goes on; 0 when the tables are whole */
};

static int meta_read(const struct rd *rd, struct mark *ret)
{
    struct key k = KEY_INIT;
    struct slice value;

    int r = rd_get_bytes(rd, &core_table_meta, meta_key(&k, "replay"), &value);
    if (r == 0) {
        if (value.len != 12)
            return -EBADMSG;
        ret->schema = get_u32(value.data);
        ret->next_record = (uint64_t)get_u32(value.data + 4) << 32 | get_u32(value.data + 8);
        return 0;
    }
    if (r != -ENOENT)
        return r;
    k = KEY_INIT;
    r = rd_get_bytes(rd, &core_table_meta, meta_key(&k, "schema"), &value);
    if (r < 0)
        return r;
    if (value.len != 4)
        return -EBADMSG;
    *ret = (struct mark) { .schema = get_u32(value.data) };
    return 0;
}

static void meta_put_replay(struct wr *wr, uint32_t schema, uint64_t next_record)
{
    struct key k = KEY_INIT;
    uint8_t bytes[12];

    put_u32(bytes, schema);
    put_u32(bytes + 4, (uint32_t)(next_record >> 32));
    put_u32(bytes + 8, (uint32_t)next_record);
    wr_put_bytes(wr, &core_table_meta, meta_key(&k, "replay"), bytes, sizeof bytes);
}

/* ---- replay in place ---- */

int replay_begin(struct core *c, struct wr *wr)
{
    for (size_t i = 0; c->def->tables && c->def->tables[i]; i++)
        wr_clear(wr, c->def->tables[i]);
    wr_clear(wr, &core_table_replies);
    wr_clear(wr, &core_table_expiry);
    wr_clear(wr, &core_table_meta);
    meta_put_replay(wr, service_schema(c->def), 1);
    return wr_status(wr);
}

int replay_fold(struct core *c, struct wr *wr, uint64_t *next, uint64_t last, struct arena *arena,
                struct err *err)
{
    struct log_head end, head;
    size_t bytes = 0;

    enum log_rc rc = log_head(wr_rd(wr), &end);
    if (rc != LOG_OK)
        return err_set(err, EBADMSG, "the log's head cannot be read: %s", log_rc_name(rc));
    arena_reset(arena);
    int r = chain_prime(wr_rd(wr), &end, *next, arena, &head, err);
    for (unsigned n = 0;
         r == 0 && head.record < last && n < CORE_REPLAY_RECORDS && bytes < CORE_REPLAY_BYTES;
         n++) {
        Fokus__Event__V1__Record *record;
        struct slice packed;
        arena_reset(arena);
        r = chain_next(wr_rd(wr), &head, arena, &record, &packed, err);
        if (r < 0)
            break;
        bytes += packed.len;
        r = fold_record(c->def, wr, record, c->fold, err);
    }
    if (r == 0)
        *next = head.record + 1;
    return r;
}

/* Ends a transaction of a replay: commits what went well. -EAGAIN: the map has grown, redo it. */
static int end_step(struct wr *wr, int r, struct err *err)
{
    bool unknown = false;

    if (r == 0 || wr_status(wr) < 0)
        return wr_commit(wr, &unknown, err); /* says which, and grows a full map */
    wr_abort(wr);
    return r;
}

static int begin_step(struct core *c, struct wr **ret, struct err *err)
{
    arena_reset(c->work);
    int r = wr_begin(c->store, c->work, ret);
    return r < 0 ? err_set(err, -r, "cannot begin a transaction: %s", strerror(-r)) : 0;
}

int replay_end(struct core *c, struct wr *wr)
{
    struct key k = KEY_INIT;

    wr_delete(wr, &core_table_meta, meta_key(&k, "replay"));
    return meta_put_schema(wr, service_schema(c->def));
}

static int replay_step(struct core *c, uint64_t *next, uint64_t last, struct arena *arena,
                       struct err *err)
{
    struct wr *wr;
    uint64_t position = *next;

    int r = begin_step(c, &wr, err);
    if (r < 0)
        return r;
    r = replay_fold(c, wr, &position, last, arena, err);
    if (r == 0 && position > last) {
        r = replay_end(c, wr);
    } else if (r == 0) {
        meta_put_replay(wr, service_schema(c->def), position);
        r = wr_status(wr);
    }
    r = end_step(wr, r, err);
    if (r == 0)
        *next = position;
    return r;
}

static int replay_from(struct core *c, uint64_t next, uint64_t last, struct progress *p,
                       struct err *err)
{
    struct arena *arena = arena_new(CORE_REPLAY_ARENA);
    int r = 0;

    if (!arena)
        return err_set(err, ENOMEM, "no memory to replay the log");
    do {
        r = replay_step(c, &next, last, arena, err);
        progress_show(p, next - 1, last);
    } while (r == -EAGAIN || (r == 0 && next <= last));
    arena_free(arena);
    return r;
}

int core_bring_up(struct core *c, core_progress *progress, void *arg, struct err *err)
{
    struct progress p = { progress, arg, 0 };
    struct mark mark = { 0 };
    struct log_head end;
    struct rd *rd;
    struct wr *wr;

    int r = rd_begin(c->store, c->work, &rd);
    if (r < 0)
        return err_set(err, -r, "cannot read the store: %s", strerror(-r));
    r = meta_read(rd, &mark);
    enum log_rc rc = log_head(rd, &end);
    rd_end(rd);
    if (rc != LOG_OK)
        return err_set(err, EBADMSG, "the log's head cannot be read: %s", log_rc_name(rc));
    if (r < 0 && r != -ENOENT)
        return err_set(err, -r, "the schema number cannot be read: %s", strerror(-r));
    if (r == 0 && mark.schema == service_schema(c->def) && mark.next_record == 0)
        return 0;

    /* A replay for the same schema that was killed goes on; anything else begins anew. */
    bool resume =
        r == 0 && mark.schema == service_schema(c->def) && mark.next_record <= end.record + 1;
    if (!resume) {
        mark.next_record = 1;
        do {
            r = begin_step(c, &wr, err);
            if (r == 0)
                r = end_step(wr, replay_begin(c, wr), err);
        } while (r == -EAGAIN);
        if (r < 0)
            return r;
    }
    return replay_from(c, mark.next_record, end.record, &p, err);
}
