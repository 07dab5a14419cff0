/* load.c - the closed loop. Uses libzmq directly: what it is compared with must not go through our own code. */
#include "tests/bench/load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum { MAX_IN_FLIGHT = 1024, MAX_BODY = 4096, FRAME = MAX_IN_FLIGHT * 256 + MAX_BODY * 64 };

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint8_t *put_varint(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

bool load_get_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static uint8_t *put_bytes(uint8_t *to, unsigned field, const void *bytes, size_t len)
{
    to = put_varint(to, (uint64_t)field << 3 | 2);
    to = put_varint(to, len);
    memcpy(to, bytes, len);
    return to + len;
}

/* One entry of Calls: { header { method, call_id, timeout_ms }, body }. */
static uint8_t *put_call(uint8_t *to, const struct load *load, uint64_t call_id, uint64_t number)
{
    uint8_t header[256], call[MAX_BODY + 512], body[MAX_BODY];
    uint8_t *h = put_bytes(header, 1, load->method, strlen(load->method));

    *h++ = 2 << 3;
    h = put_varint(h, call_id);
    *h++ = 3 << 3;
    h = put_varint(h, 30000);
    uint8_t *c = put_bytes(call, 1, header, (size_t)(h - header));
    c = put_bytes(c, 2, body, load->body(load->arg, number, body));
    return put_bytes(to, 1, call, (size_t)(c - call));
}

struct state {
    const struct load *load;
    void *socket;
    double *started; /* by call id */
    double *latencies;
    size_t n_latencies, room;
    uint64_t sent, done, reply_bytes;
    struct load_result *result;
};

static void finished(struct state *s, uint64_t call_id, double now)
{
    if (s->n_latencies == s->room) {
        s->room = s->room ? s->room * 2 : 65536;
        s->latencies = realloc(s->latencies, s->room * sizeof(double));
        if (!s->latencies)
            abort();
    }
    s->latencies[s->n_latencies++] = now - s->started[call_id];
    s->done++;
}

/* Reads the header of one Reply: its call id, status and message. */
static bool read_reply(const uint8_t *at, const uint8_t *end, uint64_t *ret_id,
                       uint64_t *ret_status, char *message, size_t size)
{
    uint64_t tag, len;

    *ret_id = *ret_status = 0;
    if (!load_get_varint(&at, end, &tag) || tag != (1 << 3 | 2) ||
        !load_get_varint(&at, end, &len) || len > (uint64_t)(end - at))
        return false;
    end = at + len;
    while (at < end) {
        if (!load_get_varint(&at, end, &tag) || !load_get_varint(&at, end, &len))
            return false;
        if ((tag & 7) == 2) {
            if (len > (uint64_t)(end - at))
                return false;
            if (tag >> 3 == 3)
                snprintf(message, size, "%.*s", (int)len, (const char *)at);
            at += len;
        } else if (tag >> 3 == 1) {
            *ret_id = len;
        } else if (tag >> 3 == 2) {
            *ret_status = len;
        }
    }
    return true;
}

static int take_replies(struct state *s, const uint8_t *at, size_t len, uint64_t *free_ids,
                        size_t *n_free)
{
    const uint8_t *end = at + len;
    double now = now_us();

    s->reply_bytes += len;
    if (s->load->echo) {
        uint64_t id;
        memcpy(&id, at, sizeof id);
        finished(s, id, now);
        free_ids[(*n_free)++] = id;
        return 0;
    }
    while (at < end) {
        uint64_t tag, size, id, status;
        char message[160] = "";

        if (!load_get_varint(&at, end, &tag) || tag != (1 << 3 | 2) ||
            !load_get_varint(&at, end, &size) || size > (uint64_t)(end - at) ||
            !read_reply(at, at + size, &id, &status, message, sizeof message) ||
            id >= MAX_IN_FLIGHT) {
            fprintf(stderr, "load: a reply is not what the wire says\n");
            return -1;
        }
        at += size;
        if (status != 0 && s->result->errors++ == 0)
            snprintf(s->result->first_error, sizeof s->result->first_error, "%u: %s",
                     (unsigned)status, message);
        finished(s, id, now);
        free_ids[(*n_free)++] = id;
    }
    return 0;
}

static void send_calls(struct state *s, const uint64_t *ids, size_t n)
{
    static uint8_t frame[FRAME];
    double now = now_us();

    if (s->load->echo) {
        for (size_t i = 0; i < n; i++) {
            memset(frame, 'x', s->load->echo_request);
            memcpy(frame, &ids[i], sizeof ids[i]);
            s->started[ids[i]] = now;
            s->sent++;
            (void)zmq_send(s->socket, frame, s->load->echo_request, 0); /* HWM 0: blocks never */
        }
        return;
    }
    uint8_t *to = frame;
    for (size_t i = 0; i < n; i++) {
        s->started[ids[i]] = now;
        to = put_call(to, s->load, ids[i], s->load->first + s->sent);
        s->sent++;
        if ((size_t)(to - frame) > FRAME - MAX_BODY - 1024) {
            (void)zmq_send(s->socket, frame, (size_t)(to - frame), 0); /* HWM 0 */
            to = frame;
        }
    }
    if (to > frame)
        (void)zmq_send(s->socket, frame, (size_t)(to - frame), 0); /* HWM 0 */
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int run(struct state *s)
{
    const struct load *load = s->load;
    uint64_t ids[MAX_IN_FLIGHT];
    size_t n_free = load->in_flight;
    double begin = now_us();

    for (size_t i = 0; i < n_free; i++)
        ids[i] = i;
    for (;;) {
        bool enough = (load->calls && s->sent >= load->calls) ||
                      (load->seconds > 0 && now_us() - begin > load->seconds * 1e6);
        if (!enough) {
            size_t n = n_free;
            if (load->calls && load->calls - s->sent < n)
                n = (size_t)(load->calls - s->sent);
            send_calls(s, ids + (n_free - n), n);
            n_free -= n;
        }
        if (s->done == s->sent)
            break;
        zmq_pollitem_t item = { .socket = s->socket, .events = ZMQ_POLLIN };
        if (zmq_poll(&item, 1, 10000) <= 0) {
            fprintf(stderr, "load: no answer from %s for 10 seconds\n", load->endpoint);
            return -1;
        }
        zmq_msg_t message;
        zmq_msg_init(&message);
        while (zmq_msg_recv(&message, s->socket, ZMQ_DONTWAIT) >= 0) {
            int r = take_replies(s, zmq_msg_data(&message), zmq_msg_size(&message), ids, &n_free);
            if (r < 0)
                return r;
        }
        zmq_msg_close(&message);
    }
    s->result->seconds = (now_us() - begin) / 1e6;
    return 0;
}

int load_run(const struct load *load, struct load_result *ret)
{
    struct state s = { .load = load, .result = ret };
    void *context = zmq_ctx_new();
    int zero = 0;

    *ret = (struct load_result) { 0 };
    if (load->in_flight > MAX_IN_FLIGHT || load->echo_request > MAX_BODY) {
        fprintf(stderr, "load: at most %d in flight and %d bytes\n", MAX_IN_FLIGHT, MAX_BODY);
        return -1;
    }
    s.started = calloc(MAX_IN_FLIGHT, sizeof(double));
    s.socket = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(s.socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(s.socket, ZMQ_SNDHWM, &zero, sizeof zero);
    zmq_setsockopt(s.socket, ZMQ_RCVHWM, &zero, sizeof zero);
    int r = zmq_connect(s.socket, load->endpoint);
    if (r == 0 && s.started)
        r = run(&s);
    if (r == 0 && s.n_latencies) {
        qsort(s.latencies, s.n_latencies, sizeof(double), by_value);
        ret->calls = s.done;
        ret->per_second = (double)s.done / ret->seconds;
        ret->p50_us = s.latencies[s.n_latencies / 2];
        ret->p99_us = s.latencies[s.n_latencies * 99 / 100];
        ret->reply_bytes = (double)s.reply_bytes / (double)s.done;
    }
    zmq_close(s.socket);
    zmq_ctx_term(context);
    free(s.latencies);
    free(s.started);
    return r;
}

int load_echo_server(const char *endpoint, size_t reply_bytes)
{
    pid_t child = fork();

    if (child != 0)
        return child;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    void *context = zmq_ctx_new();
    void *router = zmq_socket(context, ZMQ_ROUTER);
    int zero = 0;
    zmq_setsockopt(router, ZMQ_SNDHWM, &zero, sizeof zero);
    zmq_setsockopt(router, ZMQ_RCVHWM, &zero, sizeof zero);
    if (zmq_bind(router, endpoint) != 0)
        _exit(1);
    for (;;) {
        zmq_pollitem_t item = { .socket = router, .events = ZMQ_POLLIN };
        (void)zmq_poll(&item, 1, -1); /* killed by its parent */
        zmq_msg_t id, body;
        zmq_msg_init(&id);
        zmq_msg_init(&body);
        while (zmq_msg_recv(&id, router, ZMQ_DONTWAIT) >= 0 &&
               zmq_msg_recv(&body, router, ZMQ_DONTWAIT) >= 0) {
            zmq_msg_t reply;
            zmq_msg_init_size(&reply, reply_bytes);
            memset(zmq_msg_data(&reply), 'y', reply_bytes);
            memcpy(zmq_msg_data(&reply), zmq_msg_data(&body), sizeof(uint64_t));
            (void)zmq_msg_send(&id, router, ZMQ_SNDMORE); /* HWM 0 */
            (void)zmq_msg_send(&reply, router, 0);        /* HWM 0 */
        }
    }
}
