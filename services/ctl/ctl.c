/* ctl.c - what the commands share. See ctl.h. */
#include "services/ctl/ctl.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/json.h"
#include "common/service.h"
#include "fokus/runtime/v1/runtime.fokus.h"

/* ---- saying things ---- */

static void say_error(const struct ctl *ctl, const char *code, const char *text)
{
    if (!ctl->json) {
        fprintf(stderr, "%serror:%s %s\n", ctl->colour_err ? "\033[31m" : "",
                ctl->colour_err ? "\033[0m" : "", text);
        return;
    }
    struct buf out = BUF_INIT(1024 * 1024);
    buf_printf(&out, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    json_string(&out, text, strlen(text));
    buf_append_str(&out, "}}\n");
    if (!out.failed)
        fwrite(out.data, 1, out.len, stderr);
    buf_free(&out);
}

static const char *exit_name(int code)
{
    return code == CTL_USAGE ? "usage" : code == CTL_UNREACHABLE ? "unavailable" : "failed";
}

int ctl_fail(const struct ctl *ctl, int code, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a longer text is cut */
    va_end(args);
    say_error(ctl, exit_name(code), text);
    return code;
}

int ctl_usage(const struct ctl *ctl, const char *command, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a longer text is cut */
    va_end(args);
    return ctl_fail(ctl, CTL_USAGE, "%s; see fokusctl help %s", text, command);
}

static void say_violations_as_json(const struct client_reply *reply, struct buf *out)
{
    for (size_t i = 0; i < reply->n_violations; i++) {
        const struct violation *v = &reply->violations[i];
        buf_append_str(out, i ? ",{\"field\":" : "{\"field\":");
        json_string(out, v->field, strlen(v->field));
        buf_append_str(out, ",\"description\":");
        json_string(out, v->description, strlen(v->description));
        buf_append_byte(out, '}');
    }
}

int ctl_refused(const struct ctl *ctl, const char *service, const struct client_reply *reply)
{
    const char *code = code_name(reply->code);

    if (ctl->json) {
        struct buf out = BUF_INIT(4 * 1024 * 1024);
        buf_printf(&out, "{\"error\":{\"service\":\"%s\",\"code\":\"%s\",\"message\":", service,
                   code);
        json_string(&out, reply->message, strlen(reply->message));
        buf_append_str(&out, ",\"violations\":[");
        say_violations_as_json(reply, &out);
        buf_append_str(&out, "]}}\n");
        if (!out.failed)
            fwrite(out.data, 1, out.len, stderr);
        buf_free(&out);
    } else {
        char text[1024];
        (void)snprintf(text, sizeof(text), "%s: %s: %s", service, code, reply->message);
        say_error(ctl, code, text);
        /* One alone is what the message says. */
        for (size_t i = 0; reply->n_violations > 1 && i < reply->n_violations; i++)
            fprintf(stderr, "  %s: %s\n", reply->violations[i].field,
                    reply->violations[i].description);
    }
    return reply->code == CODE_UNAVAILABLE ? CTL_UNREACHABLE : CTL_REFUSED;
}

/* The index of the option that `argument` is or begins, or -1. */
static int find_option(const char *argument, const char *const *options)
{
    for (int i = 0; options[i]; i++) {
        size_t len = strcspn(options[i], "=");
        if (strncmp(argument, options[i], len) == 0 &&
            (argument[len] == '\0' || argument[len] == '='))
            return i;
    }
    return -1;
}

int ctl_options(const struct ctl *ctl, int argc, char **argv, const char *const *options,
                const char **values)
{
    int kept = 1;

    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--") == 0) {
            while (++at < argc)
                argv[kept++] = argv[at];
            break;
        }
        if (strncmp(argv[at], "--", 2) != 0) {
            argv[kept++] = argv[at];
            continue;
        }
        int i = find_option(argv[at], options);
        if (i < 0)
            return ctl_usage(ctl, argv[0], "unknown option %s", argv[at]), -1;
        size_t len = strcspn(options[i], "=");
        const char *value = argv[at][len] == '=' ? argv[at] + len + 1 : NULL;
        if (options[i][len] != '=' && value)
            return ctl_usage(ctl, argv[0], "%s takes no value", options[i]), -1;
        if (options[i][len] == '=' && !value && ++at == argc)
            return ctl_usage(ctl, argv[0], "%.*s needs a value", (int)len, options[i]), -1;
        values[i] = options[i][len] != '=' ? "" : value ? value : argv[at];
    }
    return kept;
}

int ctl_print_json(const struct ctl *ctl, struct buf *json)
{
    buf_append_byte(json, '\n');
    if (json->failed)
        return ctl_fail(ctl, CTL_REFUSED, "the answer is too large to be shown");
    if (fwrite(json->data, 1, json->len, stdout) != json->len || fflush(stdout) != 0)
        return CTL_REFUSED;
    return CTL_OK;
}

bool ctl_json_member(const char *json, const char *name, char *ret, size_t size)
{
    char key[64];

    (void)snprintf(key, sizeof(key), "\"%s\"", name); /* names are ours and short */
    const char *at = strstr(json, key);
    if (!at)
        return false;
    at += strlen(key);
    at += strspn(at, " \t\n\r");
    if (*at++ != ':')
        return false;
    at += strspn(at, " \t\n\r");
    size_t len = *at == '"' ? strcspn(at + 1, "\"\\") : strcspn(at, ",} \t\n\r");
    if (*at == '"' && *++at && at[len] != '"')
        return false;
    if (len >= size)
        return false;
    memcpy(ret, at, len);
    ret[len] = '\0';
    return true;
}

const char *ctl_green(const struct ctl *ctl)
{
    return ctl->colour_out ? "\033[32m" : "";
}

const char *ctl_red(const struct ctl *ctl)
{
    return ctl->colour_out ? "\033[31m" : "";
}

const char *ctl_yellow(const struct ctl *ctl)
{
    return ctl->colour_out ? "\033[33m" : "";
}

const char *ctl_plain(const struct ctl *ctl)
{
    return ctl->colour_out ? "\033[0m" : "";
}

/* ---- services ---- */

struct bus *ctl_bus(struct ctl *ctl)
{
    if (!ctl->bus)
        ctl->bus = bus_new();
    return ctl->bus;
}

bool ctl_name_valid(const char *name)
{
    return service_name_valid(name, strlen(name));
}

char *ctl_socket_path(struct ctl *ctl, const char *service, const char *socket)
{
    return arena_printf(ctl->arena, "%s/run/%s.%s", ctl->home, service, socket);
}

bool ctl_socket_alive(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(address.sun_path))
        return false;
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool alive = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN;
    close(fd);
    return alive;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

size_t ctl_services(struct ctl *ctl, char names[CTL_MAX_SERVICES][SERVICE_NAME_MAX + 1])
{
    static const char suffix[] = ".admin";
    size_t n = 0;
    char *path = arena_printf(ctl->arena, "%s/run", ctl->home);
    DIR *folder = path ? opendir(path) : NULL;
    const struct dirent *entry;

    while (folder && n < CTL_MAX_SERVICES && (entry = readdir(folder))) {
        size_t len = strlen(entry->d_name);
        if (len < sizeof(suffix) || len - (sizeof(suffix) - 1) > SERVICE_NAME_MAX ||
            strcmp(entry->d_name + len - (sizeof(suffix) - 1), suffix) != 0)
            continue;
        memcpy(names[n], entry->d_name, len - (sizeof(suffix) - 1));
        names[n][len - (sizeof(suffix) - 1)] = '\0';
        if (ctl_name_valid(names[n]))
            n++;
    }
    if (folder)
        closedir(folder);
    qsort(names, n, sizeof(names[0]), compare_names);
    return n;
}

int remote_open(struct ctl *ctl, const char *service, struct remote *ret)
{
    struct err err = { "" };

    *ret = (struct remote) { 0 };
    if (!ctl_name_valid(service))
        return ctl_fail(ctl, CTL_USAGE, "\"%s\" is no service's name; fokusctl status lists them",
                        service);
    memcpy(ret->name, service, strlen(service) + 1);
    char *path = ctl_socket_path(ctl, service, "admin");
    ret->endpoint = path ? arena_printf(ctl->arena, "ipc://%s", path) : NULL;
    if (!ret->endpoint)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    /* A socket nobody listens on is told at once; ZeroMQ would wait for somebody to come. */
    if (!ctl_socket_alive(path))
        return ctl_fail(ctl, CTL_UNREACHABLE,
                        "%s does not run in %s (nobody listens on %s); fokusctl status shows what "
                        "does",
                        service, ctl->home, path);
    if (!ctl_bus(ctl))
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    ret->client = client_new(ctl->bus,
                             &(struct client_config) {
                                 .service = ret->name,
                                 .endpoints = (const char *const *)&ret->endpoint,
                                 .n_endpoints = 1,
                             },
                             &err);
    if (!ret->client)
        return ctl_fail(ctl, CTL_UNREACHABLE, "%s: %s", service, err.text);
    return 0;
}

void remote_close(struct remote *r)
{
    if (r->client)
        client_free(r->client);
    if (r->schema)
        schema_close(r->schema);
    if (r->runtime)
        schema_close(r->runtime);
    *r = (struct remote) { 0 };
}

void remote_call(struct ctl *ctl, struct remote *r, const struct client_call *call,
                 struct client_reply *ret)
{
    struct client_call full = *call;
    full.locale = "en"; /* the tool speaks English, so do the refusals it shows */
    client_call_wait(r->client, &full, ctl->arena, ret);
}

int remote_runtime(struct ctl *ctl, struct remote *r, const char *method,
                   const ProtobufCMessage *request, const ProtobufCMessageDescriptor *response,
                   uint32_t timeout_ms, void *ret)
{
    struct client_reply reply;
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *body = arena_alloc(ctl->arena, len ? len : 1);
    char *name = arena_printf(ctl->arena, "fokus.runtime.v1.RuntimeService/%s", method);

    if (!body || !name)
        return ctl_fail(ctl, CTL_REFUSED, "out of memory");
    protobuf_c_message_pack(request, body);
    remote_call(
        ctl, r,
        &(struct client_call) {
            .method = name, .body = { body, len }, .timeout_ms = timeout_ms, .query = true },
        &reply);
    if (reply.code != CODE_OK)
        return ctl_refused(ctl, r->name, &reply);
    ProtobufCMessage *message =
        protobuf_c_message_unpack(response, arena_pb(ctl->arena), reply.body.len, reply.body.data);
    if (!message)
        return ctl_fail(ctl, CTL_REFUSED, "%s: the answer to %s is not one", r->name, method);
    *(ProtobufCMessage **)ret = message;
    return 0;
}

int remote_describe(struct ctl *ctl, struct remote *r)
{
    Fokus__Runtime__V1__DescribeRequest request = FOKUS__RUNTIME__V1__DESCRIBE_REQUEST__INIT;
    const Fokus__Runtime__V1__DescribeResponse *d;
    struct err err = { "" };

    int code = remote_runtime(ctl, r, "Describe", &request.base,
                              &fokus__runtime__v1__describe_response__descriptor, CTL_CALL_MS, &d);
    if (code != 0)
        return code;
    if (schema_open(&r->schema, d->descriptor_set.data, d->descriptor_set.len, &err) < 0)
        return ctl_fail(ctl, CTL_REFUSED, "%s: its description cannot be used: %s", r->name,
                        err.text);
    if (schema_open(&r->runtime, runtime_contract.descriptor_set,
                    runtime_contract.descriptor_set_len, &err) < 0)
        return ctl_fail(ctl, CTL_REFUSED, "the runtime's description cannot be used: %s", err.text);
    return 0;
}
