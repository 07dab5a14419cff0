/* networks.h - networks as people read them. */
#pragma once
#include "services/accounts/tables.h"

/* "192.0.2.7" or "2001:db8:1:2::/64" of an origin's 16 bytes; "" of nothing. NULL without memory. */
char *network_text(struct arena *arena, struct slice network) must_check;
