/* uses.h - when sessions and API keys were last used, in the memory of this process until the hourly chore records it.
 *
 * A query cannot write, and who a session stands for is asked by a query. So what was used is noted here. A crash loses the last
 * hour's notes, no more; then a session counts as idle since the hour before. All functions may be called by any thread. */
#pragma once
#include "services/accounts/tables.h"

enum uses_kind { USES_SESSION, USES_KEY };

/* Notes that it was used now. */
void uses_note(enum uses_kind kind, struct slice token_hash, int64_t now_ms);
/* When it was last used as far as noted here; 0: not. */
int64_t uses_last(enum uses_kind kind, struct slice token_hash);
/* Forgets everything: for tests. */
void uses_forget(void);
/* What the service tells itself each hour and at its end (service.h): KeepHouse with what was noted since. */
bool uses_chore(struct arena *arena, int64_t now_ms, struct chore *ret);
