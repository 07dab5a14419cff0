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

/* As its owner sees it. */
int role_show(const struct sealing *s, const char *person, const struct role_at *at,
              RoleHeld **ret) must_check;

/* Whether the caller may grant and withdraw the role: the one table of who may. False, and refused. */
bool role_may_be_granted(const struct caller *caller, int role, struct outcome *out) must_check;
/* Security: nobody raises herself. False, and refused, when the caller is the person. */
bool role_is_for_another(const struct caller *caller, const char *person,
                         struct outcome *out) must_check;
/* Grants it, tells the person by mail (unless `row` is NULL), and the gateway that what it knows of her does not hold. Held already: nothing. */
int role_grant(const struct decide_in *in, struct outcome *out, const char *person,
               const PersonRow *row, int role, const char *scope, const char *reason) must_check;
