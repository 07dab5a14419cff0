/* limits_bench.c - one measurement a run, as one line of JSON: a figure of ours, or the limit it is held against. tests/bench/run calls it.
 *
 *   limits_bench call ENDPOINT get|register|revise IN_FLIGHT FIRST SPACE CALLS SECONDS
 *   limits_bench echo IN_FLIGHT REQUEST_BYTES REPLY_BYTES SECONDS
 *   limits_bench raw BEFORE AFTER COMMANDS DIR FIRST CALLS PER_COMMIT
 *   limits_bench cursor STORE EVENTS
 *   limits_bench events ENDPOINT
 *   limits_bench listen ENDPOINT */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "common/bus.h"
#include "fokus/directory/v1/directory.pb-c.h"
#include "fokus/runtime/v1/runtime.pb-c.h"
#include "fokus/wire/v1/wire.pb-c.h"
#include "tests/bench/load.h"
#include "tests/bench/raw_lmdb.h"

#define SERVICE "fokus.directory.v1.DirectoryService/"

static size_t body_get(void *arg, uint64_t number, uint8_t *to)
{
    Fokus__Directory__V1__GetOrganisationRequest request =
        FOKUS__DIRECTORY__V1__GET_ORGANISATION_REQUEST__INIT;
    char slug[32];
    uint64_t space = *(uint64_t *)arg;

    /* A stride that meets every number of the space, in no order of the keys. */
    snprintf(slug, sizeof slug, "bench-%09lu", (unsigned long)(number * 7919 % space));
    request.slug = slug;
    return fokus__directory__v1__get_organisation_request__pack(&request, to);
}

/* About 300 bytes: what a well-described organisation takes. */
static void fill(Fokus__Directory__V1__Organisation *o, uint64_t number, char *name, size_t size)
{

    snprintf(name, size, "Påhittad förening bench-%09lu", (unsigned long)number);
    o->name = name;
    o->kind = FOKUS__DIRECTORY__V1__ORGANISATION_KIND__ORGANISATION_KIND_PATIENT_ASSOCIATION;
    o->level = (Fokus__Directory__V1__OrganisationLevel)(1 + number % 3);
    o->website = "https://www.bench.example/om-oss";
    o->description =
        "En påhittad förening för mätningar. Den hjälper ingen, men den har en beskrivning som "
        "är så lång som en riktig förenings och några ord om vad den inte gör.";
}

static size_t body_register(void *arg, uint64_t number, uint8_t *to)
{
    Fokus__Directory__V1__RegisterOrganisationRequest request =
        FOKUS__DIRECTORY__V1__REGISTER_ORGANISATION_REQUEST__INIT;
    Fokus__Directory__V1__Organisation organisation = FOKUS__DIRECTORY__V1__ORGANISATION__INIT;
    char slug[32], name[80];

    (void)arg;
    fill(&organisation, number, name, sizeof name);
    snprintf(slug, sizeof slug, "bench-%09lu", (unsigned long)number);
    organisation.slug = slug;
    request.organisation = &organisation;
    return fokus__directory__v1__register_organisation_request__pack(&request, to);
}

/* Tells where it is known from: what nobody searches for. Each organisation of the space gets its n-th revision before any gets
 * another, so the revision is known. */
static size_t body_revise(void *arg, uint64_t number, uint8_t *to)
{
    Fokus__Directory__V1__ReviseOrganisationRequest request =
        FOKUS__DIRECTORY__V1__REVISE_ORGANISATION_REQUEST__INIT;
    Fokus__Directory__V1__Organisation organisation = FOKUS__DIRECTORY__V1__ORGANISATION__INIT;
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    char slug[32], source[80], *path = "source";
    uint64_t space = *(uint64_t *)arg;

    snprintf(slug, sizeof slug, "bench-%09lu", (unsigned long)(number % space));
    snprintf(source, sizeof source, "En påhittad förenings webbplats, läst gång %09lu",
             (unsigned long)number);
    organisation.source = source;
    mask.n_paths = 1;
    mask.paths = &path;
    request.slug = slug;
    request.revision = 1 + number / space;
    request.organisation = &organisation;
    request.update_mask = &mask;
    return fokus__directory__v1__revise_organisation_request__pack(&request, to);
}

static int print(const struct load_result *r)
{
    printf("{\"calls\":%lu,\"errors\":%lu,\"first_error\":\"%s\",\"per_second\":%.1f,\"p50_us\":%."
           "1f,\"p99_us\":%.1f,\"reply_bytes\":%.1f}\n",
           (unsigned long)r->calls, (unsigned long)r->errors, r->first_error, r->per_second,
           r->p50_us, r->p99_us, r->reply_bytes);
    return 0;
}

static int measure_call(char **a)
{
    uint64_t space = strtoull(a[4], NULL, 10);
    struct load load = { .endpoint = a[0],
                         .in_flight = strtoul(a[2], NULL, 10),
                         .first = strtoull(a[3], NULL, 10),
                         .arg = &space,
                         .calls = strtoull(a[5], NULL, 10),
                         .seconds = strtod(a[6], NULL) };
    struct load_result result;

    if (strcmp(a[1], "get") == 0) {
        load.method = SERVICE "GetOrganisation";
        load.body = body_get;
    } else if (strcmp(a[1], "revise") == 0) {
        load.method = SERVICE "ReviseOrganisation";
        load.body = body_revise;
    } else {
        load.method = SERVICE "RegisterOrganisation";
        load.body = body_register;
    }
    return load_run(&load, &result) == 0 ? print(&result) : 1;
}

static int measure_echo(char **a)
{
    char endpoint[64];
    struct load load = { .endpoint = endpoint,
                         .echo = true,
                         .in_flight = strtoul(a[0], NULL, 10),
                         .echo_request = strtoul(a[1], NULL, 10),
                         .seconds = strtod(a[3], NULL) };
    struct load_result result;

    snprintf(endpoint, sizeof endpoint, "ipc:///tmp/fokus-echo-%d", (int)getpid());
    pid_t server = load_echo_server(endpoint, strtoul(a[2], NULL, 10));
    int r = load_run(&load, &result);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    unlink(endpoint + strlen("ipc://"));
    return r == 0 ? print(&result) : 1;
}

static int measure_raw(char **a)
{
    struct raw_sample *sample = raw_sample_read(a[0], a[1], strtoul(a[2], NULL, 10));

    if (!sample)
        return 1;
    double rate = raw_lmdb_run(sample, a[3], strtoul(a[4], NULL, 10), strtoul(a[5], NULL, 10),
                               strtoul(a[6], NULL, 10));
    if (rate >= 0)
        printf("{\"per_second\":%.1f,\"puts\":%.2f,\"bytes\":%.0f}\n", rate,
               raw_sample_puts(sample), raw_sample_bytes(sample));
    raw_sample_free(sample);
    return rate >= 0 ? 0 : 1;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Steps into the length-delimited field at *at: *at to *ret_end is its content. */
static bool enter(const uint8_t **at, const uint8_t *end, const uint8_t **ret_end)
{
    uint64_t tag, len;

    if (!load_get_varint(at, end, &tag) || (tag & 7) != 2 || !load_get_varint(at, end, &len) ||
        len > (uint64_t)(end - *at))
        return false;
    *ret_end = *at + len;
    return true;
}

struct events_answer {
    uint64_t call_id, events, next, last;
};

/* Takes one answer off the frame. Counts without unpacking, so that the subscriber's own work is not what is measured. */
static bool read_answer(const uint8_t **frame, const uint8_t *frame_end, struct events_answer *ret)
{
    const uint8_t *at = *frame, *end, *header_end, *event_end;
    uint64_t tag, value;

    *ret = (struct events_answer) { 0 };
    if (!enter(&at, frame_end, &end))
        return false;
    *frame = end;
    if (!enter(&at, end, &header_end))
        return false;
    /* The call id comes first, and 0 is not written. */
    if (at < header_end && *at == 1 << 3 &&
        (!load_get_varint(&at, end, &tag) || !load_get_varint(&at, end, &ret->call_id)))
        return false;
    at = header_end;
    if (!enter(&at, end, &end))
        return false;
    while (at < end) {
        const uint8_t *field = at;
        if (!load_get_varint(&at, end, &tag))
            return false;
        if ((tag & 7) == 2) {
            at = field;
            if (!enter(&at, end, &event_end))
                return false;
            at = event_end;
            ret->events += tag >> 3 == 1;
        } else if (!load_get_varint(&at, end, &value)) {
            return false;
        } else if (tag >> 3 == 2) {
            ret->next = value;
        } else if (tag >> 3 == 3) {
            ret->last = value;
        }
    }
    return true;
}

static void ask_events(void *socket, uint64_t call_id, uint64_t from, uint64_t end)
{
    Fokus__Runtime__V1__ReadEventsRequest request = FOKUS__RUNTIME__V1__READ_EVENTS_REQUEST__INIT;
    Fokus__Wire__V1__CallHeader header = FOKUS__WIRE__V1__CALL_HEADER__INIT;
    Fokus__Wire__V1__Call call = FOKUS__WIRE__V1__CALL__INIT, *list[] = { &call };
    Fokus__Wire__V1__Calls calls = FOKUS__WIRE__V1__CALLS__INIT;
    uint8_t body[64], frame[512];

    request.from = from;
    request.limit = (uint32_t)(end - from);
    header.method = "fokus.runtime.v1.RuntimeService/ReadEvents";
    header.call_id = call_id;
    call.header = &header;
    call.body =
        (ProtobufCBinaryData) { fokus__runtime__v1__read_events_request__pack(&request, body),
                                body };
    calls.calls = list;
    calls.n_calls = 1;
    (void)zmq_send(socket, frame, fokus__wire__v1__calls__pack(&calls, frame),
                   0); /* an empty queue */
}

/* Ranges of so many events, nearly as much as one answer carries, are asked for, three at a time: one is made, one travels, one
 * is read. */
enum { RANGE_EVENTS = 2400, RANGES = 3 };

struct range {
    uint64_t from, end;
};

struct reader {
    void *socket;
    struct range ranges[RANGES];
    uint64_t next, events, bytes;
    size_t under_way;
};

static void begin_range(struct reader *r, size_t i)
{
    r->ranges[i] = (struct range) { r->next, r->next + RANGE_EVENTS };
    r->next += RANGE_EVENTS;
}

/* A range whose answer was cut short is asked for again from there; one that was answered makes room for the next. */
static bool take_answer(struct reader *r, const struct events_answer *answer)
{
    if (answer->call_id >= RANGES)
        return false;
    struct range *range = &r->ranges[answer->call_id];
    if (answer->next <= range->from && range->from <= answer->last)
        return false;
    r->events += answer->events;
    range->from = answer->next;
    if (range->from >= range->end)
        begin_range(r, answer->call_id);
    if (range->from <= answer->last)
        ask_events(r->socket, answer->call_id, range->from, range->end);
    else
        r->under_way--;
    return true;
}

static bool take_frame(struct reader *r)
{
    struct events_answer answer;
    zmq_msg_t message;

    zmq_msg_init(&message);
    int size = zmq_msg_recv(&message, r->socket, 0);
    const uint8_t *at = zmq_msg_data(&message), *end = at + (size > 0 ? size : 0);
    bool good = size > 0;
    r->bytes += (uint64_t)(end - at);
    while (good && at < end)
        good = read_answer(&at, end, &answer) && take_answer(r, &answer);
    zmq_msg_close(&message);
    return good;
}

/* Waits until the connection stands: opening a store is not counted with the cursor either. */
static bool meet(void *socket)
{
    zmq_msg_t message;

    ask_events(socket, 0, 1, 2);
    zmq_msg_init(&message);
    bool good = zmq_msg_recv(&message, socket, 0) > 0;
    zmq_msg_close(&message);
    return good;
}

/* Gets all events of a log, as a subscriber does that begins at 1. */
static bool get_all_events(struct reader *r)
{
    for (size_t i = 0; i < RANGES; i++) {
        begin_range(r, i);
        ask_events(r->socket, i, r->ranges[i].from, r->ranges[i].end);
    }
    while (r->under_way > 0)
        if (!take_frame(r))
            return false;
    return r->events > 0;
}

static int measure_events(char **a)
{
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    int zero = 0;

    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_connect(socket, a[0]);
    bool good = meet(socket);
    double begin = now_s();
    struct reader reader = { .socket = socket, .next = 1, .under_way = RANGES };
    good = good && get_all_events(&reader);
    double seconds = now_s() - begin;
    if (good)
        printf("{\"per_second\":%.1f,\"events\":%lu,\"range_events\":%d,\"range_bytes\":%.0f}\n",
               (double)reader.events / seconds, (unsigned long)reader.events, RANGE_EVENTS,
               (double)reader.bytes * RANGE_EVENTS / (double)reader.events);
    else
        fprintf(stderr, "limits_bench: ReadEvents does not get on\n");
    zmq_close(socket);
    zmq_ctx_term(context);
    return good ? 0 : 1;
}

/* A subscriber that takes everything and does nothing with it. */
static int listen_for_ever(char **a)
{
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_SUB);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    zmq_connect(socket, a[0]);
    zmq_msg_t message;
    zmq_msg_init(&message);
    while (zmq_msg_recv(&message, socket, 0) >= 0)
        ;
    return 1;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    bus_keep_memory(); /* as every process that uses common/bus */
    if (strcmp(what, "call") == 0 && argc == 9)
        return measure_call(argv + 2);
    if (strcmp(what, "echo") == 0 && argc == 6)
        return measure_echo(argv + 2);
    if (strcmp(what, "raw") == 0 && argc == 9)
        return measure_raw(argv + 2);
    if (strcmp(what, "cursor") == 0 && argc == 4) {
        double rate = raw_lmdb_walk_log(argv[2], strtoull(argv[3], NULL, 10));
        printf("{\"per_second\":%.1f}\n", rate);
        return rate >= 0 ? 0 : 1;
    }
    if (strcmp(what, "events") == 0 && argc == 3)
        return measure_events(argv + 2);
    if (strcmp(what, "listen") == 0 && argc == 3)
        return listen_for_ever(argv + 2);
    fprintf(stderr, "limits_bench: see the head of limits_bench.c; tests/bench/run calls it\n");
    return 2;
}
