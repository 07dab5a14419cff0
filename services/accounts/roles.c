/* roles.c - see roles.h. */
#include "services/accounts/roles.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { SCOPE_ROOM = CALLER_MAX_SCOPE * 4 + 1 };

int roles_of(const struct rd *rd, const char *person, struct role_at **ret, size_t *ret_n)
{
    struct role_at *all = arena_calloc(rd_arena(rd), ROLES_MAX, sizeof(*all));
    struct scan s;
    size_t n = 0;
    if (!all)
        return -ENOMEM;
    for (scan_prefix(&s, rd, &T_ROLE, KEY_TEXT(person)); scan_next(&s);) {
        struct key_reader reader = { .rest = s.key };
        char owner[ID_CHARS + 1], scope[SCOPE_ROOM];
        uint8_t role;
        if (n == ROLES_MAX || !key_read_text(&reader, owner, sizeof(owner)) ||
            !key_read_u8(&reader, &role) || !key_read_text(&reader, scope, sizeof(scope)))
            return scan_give_up(&s, -EBADMSG);
        all[n].role = role;
        all[n].scope = arena_strdup(rd_arena(rd), scope);
        int r = all[n].scope ? scan_message(&s, &all[n].row) : -ENOMEM;
        if (r < 0)
            return scan_give_up(&s, r);
        n++;
    }
    int r = scan_end(&s);
    if (r == 0) {
        *ret = all;
        *ret_n = n;
    }
    return r;
}

char *role_text(struct arena *arena, int role, const char *scope)
{
    static const char prefix[] = "ROLE_";
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&fokus__v1__role__descriptor, role);
    if (!value)
        return arena_strdup(arena, "");
    char *text =
        arena_printf(arena, "%s%s%s", value->name + sizeof(prefix) - 1, *scope ? ":" : "", scope);
    for (char *c = text; c && *c && *c != ':'; c++)
        *c = (char)tolower((unsigned char)*c);
    return text;
}

bool roles_are_trusted(const struct role_at *roles, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (roles[i].role == FOKUS__V1__ROLE__ROLE_EDITOR ||
            roles[i].role == FOKUS__V1__ROLE__ROLE_MODERATOR ||
            roles[i].role == FOKUS__V1__ROLE__ROLE_OPERATOR)
            return true;
    }
    return false;
}

int role_show(const struct sealing *s, const char *person, const struct role_at *at, RoleHeld **ret)
{
    RoleHeld *shown = arena_alloc(s->arena, sizeof(*shown));
    char *record = role_text(s->arena, at->role, at->scope);
    if (!shown || !record)
        return -ENOMEM;
    *shown = (RoleHeld)ROLE_HELD_INIT;
    shown->role = (Fokus__V1__Role)at->role;
    shown->scope = at->scope;
    shown->granted_ms = at->row->granted_ms;
    *ret = shown;
    return open_text(s, person, AT_REASON(record), at->row->sealed_reason, &shown->reason);
}
