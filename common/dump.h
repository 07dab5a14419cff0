/* dump.h - for a process in whose memory people's data passes: it leaves no core file, which nobody would erase with the person. */
#pragma once
#include <sys/resource.h>

/* One byte: too little for a file, and the kernel's sign to start no program that takes cores (core(5)). A process that is attached to
 * is debugged as ever. Lowering a limit cannot fail. */
static inline void leave_no_core(void)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit) { 1, 1 });
}
