/* notify.h - tells systemd how the process is (sd_notify's protocol, without its library). */
#pragma once
#include <stdint.h>

/* Sends a message such as "READY=1" to $NOTIFY_SOCKET; does nothing when there is none. 0 or a negative errno. */
int notify_send(const char *message);
/* Milliseconds between two "WATCHDOG=1": half of what systemd waits; 0 when it watches nobody or somebody else. */
int64_t notify_watchdog_ms(void);
