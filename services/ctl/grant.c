/* grant.c - fokusctl grant: the operator gives somebody a role, the first of all her own. Which service keeps roles is found by
 * its method. */
#include <ctype.h>
#include <string.h>

#include "common/caller.h"
#include "common/json.h"
#include "services/ctl/ctl.h"
#include "services/ctl/find.h"

enum { MAX_REQUEST = 64 * 1024, MAX_ROLE = 31 };

static bool is_role(const char *word)
{
    for (int role = 1; role <= MAX_ROLE; role++)
        if (role_word(role) && strcmp(role_word(role), word) == 0)
            return true;
    return false;
}

static void append_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    json_string(out, text, strlen(text));
}

int ctl_grant(struct ctl *ctl, int argc, char **argv)
{
    static const char *const options[] = { "--scope=", "--reason=", NULL };
    const char *values[2] = { NULL };
    struct buf json = BUF_INIT(MAX_REQUEST);

    argc = ctl_options(ctl, argc, argv, options, values);
    if (argc < 0)
        return CTL_USAGE;
    if (argc != 3)
        return ctl_usage(ctl, "grant", "grant takes a role and an e-mail address");
    if (!is_role(argv[1]))
        return ctl_usage(ctl, "grant", "there is no role %s", argv[1]);
    buf_append_str(&json, "{\"role\":\"ROLE_");
    for (const char *c = argv[1]; *c; c++)
        buf_append_byte(&json, (uint8_t)toupper((unsigned char)*c));
    buf_append_byte(&json, '"');
    append_text(&json, "address", argv[2]);
    append_text(&json, "reason", values[1] ? values[1] : "Granted by the operator with fokusctl.");
    if (values[0])
        append_text(&json, "scope", values[0]);
    buf_append_byte(&json, '}');
    int code = json.failed ? ctl_fail(ctl, CTL_USAGE, "the address or the reason is too long")
                           : call_named(ctl, "GrantByAddress", &json, CTL_CALL_MS, NULL);
    buf_free(&json);
    return code;
}
