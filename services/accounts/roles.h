/* roles.h - roles as tables hold them and as calls carry them. */
#pragma once
#include "services/accounts/seals.h"

enum { ROLES_MAX = 100 }; /* a person holds at most */

struct role_at {
    int role; /* fokus.v1.Role */
    char *scope;
    RoleRow *row;
};
/* The roles a person holds. */
int roles_of(const struct rd *rd, const char *person, struct role_at **ret,
             size_t *ret_n) must_check;
/* As on the wire: "representative:nsph". NULL without memory. */
char *role_text(struct arena *arena, int role, const char *scope) must_check;
/* Whoever holds one of them may change what others see, so that her sessions last shorter. */
bool roles_are_trusted(const struct role_at *roles, size_t n);
