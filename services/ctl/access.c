/* access.c - fokusctl access: one table of every method and who may call it, as the services enforce it. */
#include <stdio.h>
#include <string.h>

#include "common/caller.h"
#include "common/json.h"
#include "fokus/v1/options.pb-c.h"
#include "services/ctl/ctl.h"

enum { MAX_TABLE = 4 * 1024 * 1024, MAX_ROLE = 31 };

static const char *audience_word(int audience)
{
    switch (audience) {
    case FOKUS__V1__AUDIENCE__AUDIENCE_PUBLIC:
        return "public";
    case FOKUS__V1__AUDIENCE__AUDIENCE_SIGNED_IN:
        return "signed_in";
    case FOKUS__V1__AUDIENCE__AUDIENCE_ROLE:
        return "role";
    case FOKUS__V1__AUDIENCE__AUDIENCE_HANDLER:
        return "handler";
    case FOKUS__V1__AUDIENCE__AUDIENCE_OPERATOR:
        return "operator";
    case FOKUS__V1__AUDIENCE__AUDIENCE_HOUSE:
        return "house";
    }
    return "nobody";
}

/* "editor,representative(slug)" */
static void append_roles(struct buf *out, const struct schema_method *m)
{
    bool any = false;

    for (int role = 1; role <= MAX_ROLE; role++) {
        const char *word = role_word(role);
        if (!word || !(m->roles & (1u << role)))
            continue;
        buf_printf(out, "%s%s", any ? "," : "", word);
        if (role_has_scope(role) && m->scope_field[0])
            buf_printf(out, "(%s)", m->scope_field);
        any = true;
    }
}

static void append_json(struct buf *out, const struct schema_method *m)
{
    const char *comma = "";

    buf_printf(out, "{\"method\":\"%s\",\"query\":%s,\"audience\":\"%s\",\"roles\":[", m->full_name,
               m->no_side_effects ? "true" : "false", audience_word(m->audience));
    for (int role = 1; role <= MAX_ROLE; role++) {
        if (!role_word(role) || !(m->roles & (1u << role)))
            continue;
        buf_printf(out, "%s\"%s\"", comma, role_word(role));
        comma = ",";
    }
    buf_printf(out, "],\"scope_field\":\"%s\"}", m->scope_field);
}

static void append_schema(const struct ctl *ctl, struct buf *out, const struct schema *schema)
{
    size_t n;

    const struct schema_method *methods = schema_methods(schema, &n);
    for (size_t i = 0; i < n; i++) {
        if (ctl->json) {
            buf_append_str(out, i ? "," : "");
            append_json(out, &methods[i]);
            continue;
        }
        buf_printf(out, "%-64s %-8s %-10s ", methods[i].full_name,
                   methods[i].no_side_effects ? "query" : "command",
                   audience_word(methods[i].audience));
        append_roles(out, &methods[i]);
        buf_append_byte(out, '\n');
    }
}

/* The methods of one service; those that every service has once, with the first. */
static int append_service(struct ctl *ctl, const char *name, bool first, struct buf *out)
{
    struct remote r;

    int code = remote_open(ctl, name, &r);
    if (code == 0)
        code = remote_describe(ctl, &r);
    if (code == 0 && first)
        append_schema(ctl, out, r.runtime);
    if (code == 0) {
        if (ctl->json && first)
            buf_append_byte(out, ',');
        append_schema(ctl, out, r.schema);
    }
    remote_close(&r);
    return code;
}

int ctl_access(struct ctl *ctl, int argc, char **argv)
{
    static const char *const none[] = { NULL };
    char names[CTL_MAX_SERVICES][SERVICE_NAME_MAX + 1];
    struct buf out = BUF_INIT(MAX_TABLE);
    size_t asked = 0;
    int code = CTL_OK;

    argc = ctl_options(ctl, argc, argv, none, NULL);
    if (argc < 0)
        return CTL_USAGE;
    if (argc > 1)
        return ctl_usage(ctl, "access", "access takes no arguments");
    if (ctl->json)
        buf_append_byte(&out, '[');
    size_t n = ctl_services(ctl, names);
    for (size_t i = 0; i < n && code == CTL_OK; i++) {
        char *path = ctl_socket_path(ctl, names[i], "admin");
        if (!path || !ctl_socket_alive(path))
            continue;
        if (ctl->json && asked)
            buf_append_byte(&out, ',');
        code = append_service(ctl, names[i], asked++ == 0, &out);
    }
    if (code == CTL_OK && asked == 0)
        code = ctl_fail(ctl, CTL_UNREACHABLE, "no system runs in %s; fokusctl run starts one",
                        ctl->home);
    if (ctl->json)
        buf_append_byte(&out, ']');
    if (code == CTL_OK && out.failed)
        code = ctl_fail(ctl, CTL_REFUSED, "the table is too large");
    if (code == CTL_OK && ctl->json)
        code = ctl_print_json(ctl, &out);
    else if (code == CTL_OK)
        (void)fwrite(out.data, 1, out.len, stdout); /* a closed stdout is its owner's wish */
    buf_free(&out);
    return code;
}
