/* call.c - fokusctl call: any method of any running service, JSON in and out over the service's own schema. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/id.h"
#include "common/json.h"
#include "services/ctl/ctl.h"
#include "services/ctl/find.h"

enum { MAX_REQUEST = 15 * 1024 * 1024, MAX_ANSWER = 128 * 1024 * 1024 };

static int read_all(struct ctl *ctl, int fd, struct buf *ret)
{
    for (;;) {
        uint8_t *to = buf_reserve(ret, 65536);
        if (!to)
            return ctl_fail(ctl, CTL_USAGE, "the request is longer than %d MiB",
                            MAX_REQUEST / 1024 / 1024);
        ssize_t n = read(fd, to, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ctl_fail(ctl, CTL_REFUSED, "cannot read standard input: %s", strerror(errno));
        if (n == 0)
            return 0;
        ret->len += (size_t)n;
    }
}

/* The request as wire bytes. A mistake in it is told with its path. */
static int pack_request(struct ctl *ctl, const struct schema_method *m, const struct buf *json,
                        struct buf *wire)
{
    struct status status = { .arena = ctl->arena };
    const char *text = json->len ? (const char *)json->data : "{}";

    if (json_to_wire(m->input, text, json->len ? json->len : 2, wire, &status))
        return 0;
    status_finish(&status);
    return ctl_refused(ctl, "request",
                       &(struct client_reply) { .code = status.code,
                                                .message = status.message,
                                                .violations = status.violations,
                                                .n_violations = status.n_violations });
}

static int show_answer(struct ctl *ctl, const struct schema_method *m, struct slice body)
{
    struct status status = { .arena = ctl->arena };
    struct buf json = BUF_INIT(MAX_ANSWER);
    int code;

    if (!schema_check(m->output, body.data, body.len, 0, &status)) {
        status_finish(&status);
        code = ctl_fail(ctl, CTL_REFUSED, "the answer is not a %s: %s", m->output->full_name,
                        status.message);
    } else if (json_from_wire(m->output, body.data, body.len, &json) < 0) {
        code = ctl_fail(ctl, CTL_REFUSED, "the answer cannot be shown as JSON");
    } else {
        code = ctl_print_json(ctl, &json);
    }
    buf_free(&json);
    return code;
}

static int call_method(struct ctl *ctl, struct found *f, const struct buf *json,
                       uint32_t timeout_ms, const char *key)
{
    struct client_reply reply;
    struct buf wire = BUF_INIT(MAX_REQUEST);

    int code = pack_request(ctl, f->method, json, &wire);
    if (code == 0) {
        remote_call(ctl, &f->remote,
                    &(struct client_call) { .method = f->method->full_name,
                                            .body = { wire.data, wire.len },
                                            .timeout_ms = timeout_ms,
                                            .query = f->method->no_side_effects,
                                            .idempotency_key = key },
                    &reply);
        code = reply.code == CODE_OK ? show_answer(ctl, f->method, reply.body)
                                     : ctl_refused(ctl, f->remote.name, &reply);
    }
    buf_free(&wire);
    return code;
}

int call_named(struct ctl *ctl, const char *method, const struct buf *json, uint32_t timeout_ms,
               const char *key)
{
    struct found found = { 0 };

    int code = find_method(ctl, method, &found);
    if (code == 0)
        code = call_method(ctl, &found, json, timeout_ms, key);
    remote_close(&found.remote);
    return code;
}

int ctl_call(struct ctl *ctl, int argc, char **argv)
{
    static const char *const options[] = { "--timeout=", "--key=", NULL };
    const char *values[2] = { NULL };
    long seconds = CTL_CALL_MS / 1000;

    argc = ctl_options(ctl, argc, argv, options, values);
    if (argc < 0)
        return CTL_USAGE;
    if (argc < 2 || argc > 3)
        return ctl_usage(ctl, "call", "call takes a method and perhaps a request");
    if (values[0]) {
        char *end;
        seconds = strtol(values[0], &end, 10);
        if (*end || seconds < 1 || seconds > 86400)
            return ctl_usage(ctl, "call", "--timeout is a number of seconds from 1 to 86400");
    }

    struct buf json = BUF_INIT(MAX_REQUEST);
    int code = 0;
    if (argc == 3 && strcmp(argv[2], "-") == 0)
        code = read_all(ctl, STDIN_FILENO, &json);
    else if (argc == 3)
        buf_append_str(&json, argv[2]);
    if (json.failed)
        code = ctl_fail(ctl, CTL_USAGE, "the request is too long");

    if (code == 0)
        code = call_named(ctl, argv[1], &json, (uint32_t)seconds * 1000, values[1]);
    buf_free(&json);
    return code;
}
