/* sign_ins.h - sign-ins that are under way, and how they end. */
#pragma once
#include "services/accounts/tables.h"

/* Ends one: its key is erased after the commit. `person`: whose address it was, or "". */
int sign_in_end(struct outcome *out, const char *sign_in, SignInEnd why,
                const char *person) must_check;
/* Ends those that ran out, at most so many. */
int sign_ins_sweep(const struct decide_in *in, struct outcome *out, size_t most,
                   uint32_t *ret_ended) must_check;
