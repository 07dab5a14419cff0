/* fault.h - makes the nth allocation, put or commit fail, so that tests can walk every n of a scenario.
 *
 * Compiled in only with -DFOKUS_FAULTS (presets dev, tsan); otherwise fault_hit() is a constant false. */
#pragma once
#include <stdbool.h>

enum fault_point {
    FAULT_ARENA,
    FAULT_PUT,
    FAULT_COMMIT,    /* nothing is written, the outcome is reported unknown */
    FAULT_COMMITTED, /* all is durable, but the outcome is reported unknown */
    FAULT_DISK,      /* a system call of disk.h fails with EIO */
    FAULT_CRASH,     /* the process ends by SIGKILL just before one, or before a commit */
    FAULT_POINTS,
};

#ifdef FOKUS_FAULTS
/* From now on the `nth` passage (1 = the next) of `point` fails once; 0 disarms. Process-wide. */
void fault_arm(enum fault_point point, unsigned long nth);
/* How many passages since the last arm; to learn when a scenario has no nth passage left. */
unsigned long fault_count(enum fault_point point);
bool fault_hit(enum fault_point point);
#else
static inline bool fault_hit(enum fault_point point)
{
    (void)point; /* faults are not compiled in */
    return false;
}
#endif
