/* macros.h - the few words every file of ours needs. */
#pragma once

/* The result must be looked at; a deliberate (void) says why in a comment. */
#define must_check   __attribute__((warn_unused_result))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* AUTO(close_fd) int fd = -1;  Calls close_fd(&fd) when the scope ends. Initialise at declaration; never mix with goto. */
#define AUTO(fn) __attribute__((cleanup(fn)))
/* Ends a switch over a generated protobuf-c enum, which has a hidden member: `PB_SENTINEL(FOKUS__X__EVENT__BODY):`
 * Without `default`, a new arm in the .proto then breaks the build of every switch that ignores it. */
#define PB_SENTINEL(prefix) case _##prefix##_IS_INT_SIZE
