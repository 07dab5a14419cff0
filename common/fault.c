/* fault.c - counts passages of the fault points and fails the one that a test armed. */
#include "common/fault.h"

#ifdef FOKUS_FAULTS
#include <stdatomic.h>

static atomic_ulong armed[FAULT_POINTS], passed[FAULT_POINTS];

void fault_arm(enum fault_point point, unsigned long nth)
{
    atomic_store(&armed[point], 0);
    atomic_store(&passed[point], 0);
    atomic_store(&armed[point], nth);
}

unsigned long fault_count(enum fault_point point)
{
    return atomic_load(&passed[point]);
}

bool fault_hit(enum fault_point point)
{
    return atomic_fetch_add(&passed[point], 1) + 1 == atomic_load(&armed[point]);
}
#endif
