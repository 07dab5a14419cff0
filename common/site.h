/* site.h - where people reach a system: what links in mails begin with.
 *
 * The operator says it (FOKUS_SITE). Else it is where the gateway listens, which the gateway alone knows when its port is any free one: it
 * tells so in HOME/run/gateway.http, as services tell by their sockets where they are. */
#pragma once
#include "common/macros.h"
#include "common/status.h"

enum { SITE_MAX = 512 }; /* bytes, with the NUL */

/* The gateway's: it listens at this address, "127.0.0.1:8080". */
int site_tell(const char *home, const char *address, struct err *err) must_check;

/* "https://fokus.example", without a slash at the end. "": nobody knows: the gateway has not been up yet, or listens at every address of its
 * machine, which names none. */
void site_find(const char *home, char ret[SITE_MAX]);
