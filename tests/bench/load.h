/* load.h - a closed loop of calls against one ZeroMQ ROUTER: always `in_flight` of them under way.
 *
 * The same loop drives a service (calls of fokus.wire.v1, several in a frame) and a bare echo (one message a call), so that
 * the two differ only in what stands at the other end. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load {
    const char *endpoint;
    size_t in_flight;
    uint64_t calls; /* stop after so many; 0: no bound */
    double seconds; /* stop after so long; 0: no bound */
    bool echo;      /* one message a call, of `echo_request` bytes, without the wire's framing */
    size_t echo_request;
    const char *method;
    /* Writes the packed request of call `number` to `to` (4,096 bytes) and returns its length. */
    size_t (*body)(void *arg, uint64_t number, uint8_t *to);
    void *arg;
    uint64_t first; /* number of the first call */
};

struct load_result {
    uint64_t calls, errors;
    double seconds, per_second;
    double p50_us, p99_us;
    double reply_bytes; /* mean */
    char first_error[200];
};

/* Runs the loop in the calling thread. Returns 0, or -1 with a line on stderr when nothing answers for 10 seconds. */
int load_run(const struct load *load, struct load_result *ret);

/* Serves as the bare echo in a child process: answers each message with `reply_bytes` bytes. Returns the child's pid. */
int load_echo_server(const char *endpoint, size_t reply_bytes);

/* Reads a varint at *at and steps past it; false when the bytes end first. */
bool load_get_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret);
