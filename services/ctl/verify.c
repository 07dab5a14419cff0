/* verify.c - fokusctl verify: the service replays its own log into a scratch store and compares. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "fokus/runtime/v1/runtime.pb-c.h"
#include "services/ctl/ctl.h"

static int print_json(struct ctl *ctl, const char *service,
                      const Fokus__Runtime__V1__VerifyResponse *v)
{
    struct buf out = BUF_INIT(1024 * 1024);

    buf_append_str(&out, "{\"service\":");
    json_string(&out, service, strlen(service));
    buf_printf(&out,
               ",\"identical\":%s,\"records\":%" PRIu64 ",\"events\":%" PRIu64
               ",\"duration_ms\":%" PRIu64 ",\"problem\":",
               v->identical ? "true" : "false", v->records, v->events, v->duration_ms);
    json_string(&out, v->problem, strlen(v->problem));
    buf_append_str(&out, ",\"tables\":[");
    for (size_t i = 0; i < v->n_tables; i++) {
        buf_append_str(&out, i ? ",{\"name\":" : "{\"name\":");
        json_string(&out, v->tables[i]->name, strlen(v->tables[i]->name));
        buf_printf(&out, ",\"entries\":%" PRIu64 ",\"identical\":%s}", v->tables[i]->entries,
                   v->tables[i]->identical ? "true" : "false");
    }
    buf_append_str(&out, "]}");
    int code = ctl_print_json(ctl, &out);
    buf_free(&out);
    return code;
}

static void print_table(const struct ctl *ctl, const char *service,
                        const Fokus__Runtime__V1__VerifyResponse *v)
{
    printf("%-28s %12s  %s\n", "TABLE", "ENTRIES", "REPLAYED");
    for (size_t i = 0; i < v->n_tables; i++)
        printf("%-28s %12" PRIu64 "  %s%s%s\n", v->tables[i]->name, v->tables[i]->entries,
               v->tables[i]->identical ? ctl_green(ctl) : ctl_red(ctl),
               v->tables[i]->identical ? "identical" : "DIFFERENT", ctl_plain(ctl));
    printf("%s: %" PRIu64 " records, %" PRIu64 " events, %.1f s: %s%s%s\n", service, v->records,
           v->events, (double)v->duration_ms / 1000.0, v->identical ? ctl_green(ctl) : ctl_red(ctl),
           v->identical ? "identical" : "DIFFERENT", ctl_plain(ctl));
    if (*v->problem)
        printf("%s\n", v->problem);
}

int ctl_verify(struct ctl *ctl, int argc, char **argv)
{
    static const char *const none[] = { NULL };
    Fokus__Runtime__V1__VerifyRequest request = FOKUS__RUNTIME__V1__VERIFY_REQUEST__INIT;
    const Fokus__Runtime__V1__VerifyResponse *v;
    struct remote r;

    argc = ctl_options(ctl, argc, argv, none, NULL);
    if (argc < 0)
        return CTL_USAGE;
    if (argc != 2)
        return ctl_usage(ctl, "verify", "verify takes one service");
    int code = remote_open(ctl, argv[1], &r);
    if (code == 0)
        code = remote_runtime(ctl, &r, "Verify", &request.base,
                              &fokus__runtime__v1__verify_response__descriptor, CTL_LONG_MS, &v);
    if (code == 0) {
        if (ctl->json)
            code = print_json(ctl, argv[1], v);
        else
            print_table(ctl, argv[1], v);
        if (!v->identical)
            code = CTL_REFUSED;
    }
    remote_close(&r);
    return code;
}
