/* runtime.c - the methods that every service has: what it is, how it is, its log, its backup and its proof.
 *
 * Events leave as they lie in the log: their stored bytes are the answer's pieces (wire.h), neither unpacked nor packed
 * again, and copied once, from the snapshot's map into the frame. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/packed.h"
#include "common/process.h"
#include "fokus/runtime/v1/runtime.fokus.h"

enum {
    /* What ReadEvents and ReadRecords answer with at most, about. Less costs more wake-ups, more keeps others waiting. */
    ANSWER_BYTES = 1024 * 1024,
    SEARCH_BYTES = 8 * 1024 * 1024, /* what ReadEvents looks through for it at most */
    DEFAULT_LIMIT = 1000,
    RECORD_EVENTS = 6, /* field numbers of fokus.event.v1 */
    EVENT_SEQUENCE = 1,
    EVENT_ID = 2,
    EVENT_TYPE = 3,
    EVENT_AUDIENCE = 10,
    PAGE_BYTES = 1024 * 1024,
};

/* The process's own figures are known to a running service only, not to a core in a test. */
static int refuse_without_process(struct status *status)
{
    return status_refuse(status, CODE_UNAVAILABLE, "Only a running service can answer this.");
}

static char *text(const struct query_in *in, const char *from)
{
    return arena_strdup(in->arena, from);
}

int runtime_describe(const struct query_in *in, const DescribeRequest *req, DescribeResponse *res,
                     struct status *status)
{
    const struct service *s = in->service;

    (void)req; /* has no fields */
    if (!s)
        return refuse_without_process(status);
    const struct contract *contract = s->def->contract;
    res->service = text(in, s->def->name);
    res->version = text(in, FOKUS_VERSION);
    res->log_id = text(in, core_log_id(s->core));
    /* Packed before the handler's caller returns, and never written. */
    res->descriptor_set.data = (uint8_t *)contract->descriptor_set;
    res->descriptor_set.len = contract->descriptor_set_len;
    res->resolves_callers = s->def->resolve != NULL;
    return res->service && res->version && res->log_id ? 0 : -ENOMEM;
}

/* ---- reading the log ---- */

/* Stored events that the answer shall carry. */
struct splice {
    struct arena *arena;
    struct slice *counted;
    size_t n, room, bytes;
};

static int splice_add(struct splice *to, struct slice counted)
{
    if (to->n == to->room) {
        size_t room = to->room ? to->room * 2 : 64;
        struct slice *grown = arena_alloc(to->arena, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        if (to->n > 0)
            memcpy(grown, to->counted, to->n * sizeof(*grown));
        to->counted = grown;
        to->room = room;
    }
    to->counted[to->n++] = counted;
    to->bytes += counted.len;
    return 0;
}

/* What of a stored event decides who sees it, and what it is called. */
struct glance {
    uint64_t sequence;
    struct slice id;
    struct slice type;
    uint64_t audience;
};

static int glance_at(struct slice event, struct glance *ret)
{
    struct packed_field field = { 0 };
    int r;

    *ret = (struct glance) { 0 };
    while ((r = packed_take(&event, &field)) > 0) {
        if (field.number == EVENT_SEQUENCE)
            ret->sequence = field.value;
        else if (field.number == EVENT_ID)
            ret->id = packed_bytes(&field);
        else if (field.number == EVENT_TYPE)
            ret->type = packed_bytes(&field);
        else if (field.number == EVENT_AUDIENCE)
            ret->audience = field.value;
    }
    return r;
}

/* One ReadEvents on its way through the log. */
struct reading {
    const struct query_in *in;
    const ReadEventsRequest *req;
    struct splice found;
    uint64_t next, end;   /* the first sequence not dealt with; the one after the last */
    struct slice last_id; /* of event next - 1 ... */
    bool last_seen;       /* ... which the caller may see */
    size_t limit, searched_bytes;
    bool put_back; /* event from - 1 is not the one that the caller has read */
    bool done;
};

static bool wanted_type(const ReadEventsRequest *req, struct slice type)
{
    if (req->n_types == 0)
        return true;
    for (size_t i = 0; i < req->n_types; i++) {
        if (strlen(req->types[i]) == type.len && memcmp(req->types[i], type.data, type.len) == 0)
            return true;
    }
    return false;
}

/* Security: the operator's tool sees all events; the house what is public or meant for the gateway; everybody else what was public when
 * it happened. */
static bool may_see(const struct reading *r, const struct glance *event)
{
    return r->in->caller.operator_socket ||
           event->audience == FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_PUBLIC ||
           (event->audience == FOKUS__EVENT__V1__AUDIENCE__AUDIENCE_GATEWAY &&
            caller_is_house(&r->in->caller));
}

/* Security: the id of an event tells when it happened. One that the caller may not see is called by a hash of its id. */
static void hidden_id(struct slice id, char ret[ID_CHARS + 1])
{
    uint8_t hash[ID_BYTES];

    crypto_generichash(hash, sizeof(hash), id.data, id.len, NULL,
                       0); /* fails for bad lengths only */
    id_make_custom(hash);
    id_write(hash, ret);
}

/* By either name: a cursor may come from where more is seen, or less. */
static bool is_called(struct slice id, const char *name)
{
    char hidden[ID_CHARS + 1];

    hidden_id(id, hidden);
    return strcmp(hidden, name) == 0 ||
           (id.len == strlen(name) && memcmp(id.data, name, id.len) == 0);
}

enum { LINE_BYTES = 64, AHEAD_BYTES = 4096 };

/* A log is longer than a processor's cache, and a glance touches few of its lines, in no pattern that the processor would
 * foresee. Asked for early, they come side by side; a place that is not there is no harm. */
static void fetch_ahead(struct slice event)
{
    for (size_t at = 0; at < event.len && at < AHEAD_BYTES; at += LINE_BYTES)
        __builtin_prefetch(event.data + AHEAD_BYTES + at);
}

/* `counted` is the event with its length before it, as an answer can carry it. */
static int take_event(struct reading *r, struct slice counted)
{
    bool room = r->found.bytes + counted.len <= ANSWER_BYTES || r->found.n == 0;

    if (r->found.n < r->limit && room)
        return splice_add(&r->found, counted);
    r->done = true;
    return 0;
}

/* Each in turn: those before event next - 1 are passed over, that one is compared with what the caller holds it for. */
static int read_event(struct reading *r, struct slice event_bytes, struct slice counted)
{
    struct glance event;

    fetch_ahead(event_bytes);
    if (glance_at(event_bytes, &event) < 0)
        return -EBADMSG;
    if (event.sequence + 1 < r->next)
        return 0;
    bool seen = may_see(r, &event);
    if (event.sequence + 1 == r->next) {
        r->put_back = *r->req->after_id && !is_called(event.id, r->req->after_id);
    } else {
        r->searched_bytes += counted.len;
        int rc = seen && wanted_type(r->req, event.type) ? take_event(r, counted) : 0;
        if (rc < 0 || r->done)
            return rc;
    }
    r->next = event.sequence + 1;
    r->last_id = event.id;
    r->last_seen = seen;
    r->done = r->put_back || r->next == r->end;
    return 0;
}

static int read_record(struct reading *r, struct slice record)
{
    const uint8_t *p = record.data, *end = p + record.len;
    struct packed_field field;
    int rc = 0;

    while (rc == 0 && !r->done && p < end) {
        if (!packed_tag(&p, end, &field))
            return -EBADMSG;
        const uint8_t *counted = p;
        if (!packed_value(&p, end, &field))
            return -EBADMSG;
        if (field.number == RECORD_EVENTS && field.type == PACKED_LEN)
            rc = read_event(r, packed_bytes(&field),
                            (struct slice) { counted, (size_t)(p - counted) });
    }
    /* The next call goes on in the middle of a record as well as at its start. */
    if (r->searched_bytes > SEARCH_BYTES)
        r->done = true;
    return rc;
}

static int read_records_from(struct reading *r, uint64_t number)
{
    struct key from = KEY_INIT;
    struct scan scan;
    int rc = 0;

    for (scan_from(&scan, r->in->state, &log_tables_log, key_u64(&from, number), NULL);
         rc == 0 && !r->done && scan_next(&scan);)
        rc = read_record(r, scan.value);
    int end = scan_end(&scan);
    return rc < 0 ? rc : end;
}

/* From event next - 1 on, whose id is looked at. Nothing trims logs yet; where that event is trimmed away, nobody can tell which it was. */
static int read_log(struct reading *r)
{
    uint64_t first = r->next > 1 ? r->next - 1 : 1, number;

    if (first >= r->end)
        return 0; /* there are no events yet */
    if (log_find_event(r->in->state, first, &number) != LOG_OK)
        return -EBADMSG;
    return read_records_from(r, number);
}

static char *after_id(const struct reading *r)
{
    char hidden[ID_CHARS + 1];

    if (r->last_id.len == 0)
        return text(r->in, "");
    if (r->last_seen)
        return arena_strndup(r->in->arena, (const char *)r->last_id.data, r->last_id.len);
    hidden_id(r->last_id, hidden);
    return text(r->in, hidden);
}

static int refuse_put_back(uint64_t from, struct status *status)
{
    unsigned long long before = from - 1;

    (void)status_refuse(status, CODE_FAILED_PRECONDITION,
                        "The log was put back by a restore: event %llu is no longer the one that "
                        "was read, and others before it may be gone as well. Read again after an "
                        "event that the log still holds, or from 1.",
                        before);
    return status_violation(status, "after_id", "is not the id of event %llu", before);
}

int runtime_read_events(const struct query_in *in, const ReadEventsRequest *req,
                        ReadEventsResponse *res, struct status *status)
{
    uint64_t from = req->from ? req->from : 1;
    struct reading r = {
        .in = in,
        .req = req,
        .found = { .arena = in->arena },
        .limit = req->limit ? req->limit : DEFAULT_LIMIT,
    };
    struct log_head head;

    if (from == 1 && *req->after_id)
        return status_violation(status, "after_id", "must be empty: nothing comes before event 1");
    if (log_head(in->state, &head) != LOG_OK)
        return -EIO;
    /* Past the end there is nothing; a reader of another history sees it by the log id, or by after_id. */
    r.end = head.next_sequence;
    r.next = from < r.end ? from : r.end;
    r.put_back = *req->after_id && from > r.end;
    int rc = r.put_back ? 0 : read_log(&r);
    if (rc < 0)
        return rc;
    if (r.put_back)
        return refuse_put_back(from, status);
    res->last_sequence = head.next_sequence - 1;
    res->log_id = text(in, head.log_id);
    res->after_id = after_id(&r);
    if (!res->log_id || !res->after_id)
        return -ENOMEM;
    res->next = r.next;
    *in->pieces =
        (struct wire_pieces) { .counted = r.found.counted, .n = r.found.n, .bytes = r.found.bytes };
    return 0;
}

int runtime_resolve_caller(const struct query_in *in, const ResolveCallerRequest *req,
                           ResolveCallerResponse *res, struct status *status)
{
    if (!in->def->resolve)
        return status_refuse(status, CODE_UNIMPLEMENTED, "The service %s signs nobody in.",
                             in->def->name);
    if ((req->session.len == CALLER_HASH_BYTES) == (req->key.len == CALLER_HASH_BYTES) ||
        (req->session.len && req->key.len))
        return status_violation(status, req->key.len ? "key" : "session",
                                "must be %d bytes, and the only one of the two", CALLER_HASH_BYTES);
    return in->def->resolve(in, req, res, status);
}

int runtime_read_records(const struct query_in *in, const ReadRecordsRequest *req,
                         ReadRecordsResponse *res, struct status *status)
{
    (void)status; /* whatever is asked for, there is an answer */
    uint64_t number = req->from ? req->from : 1;
    size_t limit = req->limit ? req->limit : DEFAULT_LIMIT, bytes = 0;
    struct log_head head;
    struct slice record;

    if (log_head(in->state, &head) != LOG_OK)
        return -EIO;
    if (number > head.record + 1)
        number = head.record + 1;
    uint64_t left = head.record + 1 - number;
    size_t most = left < limit ? (size_t)left : limit;
    res->records = arena_calloc(in->arena, most ? most : 1, sizeof(*res->records));
    if (!res->records)
        return -ENOMEM;
    for (; res->n_records < most; number++) {
        if (log_read(in->state, number, &record) != LOG_OK)
            return -EBADMSG;
        if (bytes + record.len > ANSWER_BYTES && res->n_records > 0)
            break;
        bytes += record.len;
        res->records[res->n_records++] =
            (ProtobufCBinaryData) { record.len, (uint8_t *)record.data }; /* only read */
    }
    res->next = number;
    res->last_record = head.record;
    return 0;
}

/* ---- how it is ---- */

int runtime_get_status(const struct query_in *in, const GetStatusRequest *req,
                       GetStatusResponse *res, struct status *status)
{
    const struct service *s = in->service;
    char why[DEGRADED_CHARS];
    struct figures_recent recent;
    struct store_stats stats;
    struct log_head head;

    (void)req; /* has no fields */
    if (!s)
        return refuse_without_process(status);
    if (log_head(in->state, &head) != LOG_OK || store_stats(core_store(s->core), &stats) < 0)
        return -EIO;
    figures_recent(s->figures, s->turn_us / 1000, &recent);
    res->service = text(in, s->def->name);
    res->version = text(in, FOKUS_VERSION);
    res->pid = (uint32_t)getpid();
    (void)snprintf(why, sizeof(why), "%s", s->degraded); /* as large */
    if (!why[0])
        (void)core_tables_state(s->core, why, sizeof(why)); /* its text tells all */
    res->state = text(in, s->drain_until_us ? "draining" : why[0] ? "degraded" : "serving");
    res->reason = text(in, s->drain_until_us ? "the service was told to stop" : why);
    res->last_sequence = head.next_sequence - 1;
    res->last_record = head.record;
    res->queue_depth = s->commands_waiting;
    res->calls_per_second = recent.calls_per_second;
    res->p99_ms = recent.p99_ms;
    res->calls_total = recent.calls_total;
    res->started_ms = (uint64_t)s->started_ms;
    res->log_id = text(in, head.log_id);
    res->schema = service_schema(s->def);
    res->store_bytes = stats.used_bytes;
    return res->service && res->version && res->state && res->reason && res->log_id ? 0 : -ENOMEM;
}

int runtime_get_metrics(const struct query_in *in, const GetMetricsRequest *req,
                        GetMetricsResponse *res, struct status *status)
{
    const struct service *s = in->service;
    struct buf page = BUF_INIT(PAGE_BYTES);
    struct store_stats stats;

    (void)req; /* has no fields */
    if (!s)
        return refuse_without_process(status);
    if (store_stats(core_store(s->core), &stats) < 0)
        return -EIO;
    const struct figures_gauges gauges = {
        .in_flight = s->commands_waiting + s->jobs_waiting,
        .queue_depth = s->commands_waiting,
        .last_sequence = s->last_sequence,
        .map_bytes = stats.map_bytes,
        .used_bytes = stats.used_bytes,
        .readers = stats.readers,
        .oldest_reader_age_txns = stats.oldest_reader_age_txns,
    };
    figures_page(s->figures, &gauges, &page);
    res->text = page.failed ? NULL : arena_strndup(in->arena, (const char *)page.data, page.len);
    buf_free(&page);
    return res->text ? 0 : -ENOMEM;
}

/* ---- backup: on the pool thread ---- */

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* what was written is synced already */
}

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir); /* only read */
}

/* Refuses a folder that is not there, not empty or not absolute. Returns whether it is fit. */
static bool check_folder(const char *path, struct status *status)
{
    if (path[0] != '/') {
        status_violation(status, "directory", "must be an absolute path, beginning with /");
        return false;
    }
    AUTO(close_dir) DIR *dir = opendir(path);
    if (!dir) {
        status_violation(status, "directory", "cannot be opened by the service: %s",
                         strerror(errno));
        return false;
    }
    for (const struct dirent *e; (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        status_violation(status, "directory", "must be empty; give a new folder");
        return false;
    }
    return true;
}

/* Hashes the file as lower-case hexadecimal; the copy was just synced. */
static int file_checksum(const char *path, char ret[2 * LOG_HASH_BYTES + 1], uint64_t *ret_size)
{
    crypto_generichash_state hash;
    unsigned char sum[LOG_HASH_BYTES];
    uint8_t block[64 * 1024];
    ssize_t n;
    AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    (void)crypto_generichash_init(&hash, NULL, 0, sizeof(sum)); /* cannot fail with these sizes */
    *ret_size = 0;
    while ((n = read(fd, block, sizeof(block))) > 0) {
        (void)crypto_generichash_update(&hash, block, (size_t)n); /* cannot fail */
        *ret_size += (uint64_t)n;
    }
    if (n < 0)
        return -errno;
    (void)crypto_generichash_final(&hash, sum, sizeof(sum)); /* cannot fail */
    (void)sodium_bin2hex(ret, 2 * sizeof(sum) + 1, sum, sizeof(sum));
    return 0;
}

/* The copy is newer than the call's snapshot, so its own head is read, from the copy. */
static int copied_head(const char *directory, struct arena *arena, struct log_head *ret,
                       struct err *err)
{
    static const struct table *const tables[] = { &log_tables_log, &log_tables_index,
                                                  &log_tables_head, NULL };
    const struct store_config config = { .path = directory, .tables = tables };
    struct store *copy;
    struct rd *rd;

    int r = store_open(&copy, &config, err);
    if (r < 0)
        return r;
    r = rd_begin(copy, arena, &rd);
    if (r == 0) {
        r = log_head(rd, ret) == LOG_OK ? 0 : -EBADMSG;
        rd_end(rd);
    }
    store_close(copy);
    return r;
}

static int write_description(const char *path, const struct service *s, const BackupResponse *res,
                             int64_t now_ms)
{
    struct buf json = BUF_INIT(4096);

    /* No text here needs escaping: names and ids are ours, in plain ASCII. */
    buf_printf(&json,
               "{\"service\":\"%s\",\"version\":\"%s\",\"log_id\":\"%s\",\"schema\":%u,"
               "\"last_record\":%llu,\"last_sequence\":%llu,\"checksum\":\"%s\","
               "\"size_bytes\":%llu,\"created_ms\":%lld",
               s->def->name, FOKUS_VERSION, res->log_id, res->schema,
               (unsigned long long)res->last_record, (unsigned long long)res->last_sequence,
               res->checksum, (unsigned long long)res->size_bytes, (long long)now_ms);
    if (s->def->slots) /* for whoever restores it: which table tells of persons */
        buf_printf(&json, ",\"persons_table\":\"%s\"", s->def->slots[0]->name);
    buf_append_str(&json, "}\n");
    AUTO(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : 0;
    if (r == 0 && (json.failed || write(fd, json.data, json.len) != (ssize_t)json.len))
        r = -EIO;
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    buf_free(&json);
    return r;
}

/* The files of a backup folder. */
struct backup_paths {
    char data[PATH_MAX], lock[PATH_MAX], owner[PATH_MAX], description[PATH_MAX];
};

static bool backup_paths(const char *directory, struct backup_paths *ret)
{
    if (strlen(directory) > PATH_MAX - 20)
        return false;
    (void)snprintf(ret->data, PATH_MAX, "%s/data.mdb", directory);           /* fits */
    (void)snprintf(ret->lock, PATH_MAX, "%s/lock.mdb", directory);           /* fits */
    (void)snprintf(ret->owner, PATH_MAX, "%s/owner", directory);             /* fits */
    (void)snprintf(ret->description, PATH_MAX, "%s/backup.json", directory); /* fits */
    return true;
}

static int make_backup(const struct query_in *in, const char *directory,
                       const struct backup_paths *paths, BackupResponse *res, struct err *err)
{
    const struct service *s = in->service;
    char checksum[2 * LOG_HASH_BYTES + 1];
    struct log_head head;

    int r = store_copy(core_store(s->core), directory, err);
    if (r < 0)
        return r;
    r = copied_head(directory, in->arena, &head, err);
    (void)unlink(paths->lock);  /* these two were made by looking; */
    (void)unlink(paths->owner); /* a copy needs neither */
    if (r == 0)
        r = file_checksum(paths->data, checksum, &res->size_bytes);
    if (r < 0)
        return r;
    res->last_record = head.record;
    res->last_sequence = head.next_sequence - 1;
    res->schema = service_schema(s->def);
    res->log_id = text(in, head.log_id);
    res->checksum = text(in, checksum);
    if (!res->log_id || !res->checksum)
        return -ENOMEM;
    return write_description(paths->description, s, res, in->now_ms);
}

int runtime_backup(const struct query_in *in, const BackupRequest *req, BackupResponse *res,
                   struct status *status)
{
    struct backup_paths paths;
    struct err err = { "" };

    if (!in->service)
        return refuse_without_process(status);
    if (!check_folder(req->directory, status))
        return 0;
    if (!backup_paths(req->directory, &paths))
        return status_violation(status, "directory", "is too long a path");
    int r = make_backup(in, req->directory, &paths, res, &err);
    if (r == 0)
        return 0;
    /* Half a backup must not be taken for one. */
    (void)unlink(paths.data);
    (void)unlink(paths.description);
    trace_log(TRACE_ERROR, "a backup failed", "err", err.text[0] ? err.text : strerror(-r), NULL);
    return status_refuse(status, CODE_UNAVAILABLE, "The backup could not be written: %s",
                         err.text[0] ? err.text : strerror(-r));
}

/* ---- verify: on the pool thread ---- */

int runtime_verify(const struct query_in *in, const VerifyRequest *req, VerifyResponse *res,
                   struct status *status)
{
    struct service *s = in->service;
    char scratch[PATH_MAX + 16];
    struct err err = { "" };
    int64_t begun_us = clock_us();

    (void)req; /* has no fields */
    if (!s)
        return refuse_without_process(status);
    struct core_verdict *v = arena_calloc(in->arena, 1, sizeof(*v));
    if (!v)
        return -ENOMEM;
    (void)snprintf(scratch, sizeof(scratch), "%s.verify", s->store_path); /* fits */
    int r = core_verify(s->def, core_store(s->core), scratch, v, NULL, NULL, &err);
    if (r < 0) {
        trace_log(TRACE_ERROR, "verify could not finish", "err", err.text, NULL);
        return status_refuse(status, CODE_UNAVAILABLE, "The log could not be verified: %s",
                             err.text[0] ? err.text : strerror(-r));
    }
    res->identical = v->identical;
    res->records = v->records;
    res->events = v->events;
    res->problem = text(in, v->problem);
    res->tables = arena_calloc(in->arena, v->n_tables ? v->n_tables : 1, sizeof(*res->tables));
    TableReport *reports = arena_calloc(in->arena, v->n_tables ? v->n_tables : 1, sizeof(*reports));
    if (!res->problem || !res->tables || !reports)
        return -ENOMEM;
    for (size_t i = 0; i < v->n_tables; i++) {
        reports[i] = (TableReport)TABLE_REPORT_INIT;
        reports[i].name = text(in, v->tables[i].table);
        reports[i].entries = v->tables[i].entries;
        reports[i].identical = v->tables[i].identical;
        if (!reports[i].name)
            return -ENOMEM;
        res->tables[res->n_tables++] = &reports[i];
    }
    res->duration_ms = (uint64_t)(clock_us() - begun_us) / 1000;
    return 0;
}
