/* clock.h - what time it is: the monotonic clock for durations and deadlines, the wall clock for what is written down.
 *
 * decide and apply never look: `in->now_ms` comes in, so that a replay sees what the first run saw. */
#pragma once
#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_us(clockid_t clock)
{
    struct timespec t = { 0 };

    (void)clock_gettime(clock, &t); /* cannot fail for the two clocks below */
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Monotonic: only differences mean something. */
static inline int64_t clock_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

static inline int64_t clock_ms(void)
{
    return clock_us() / 1000;
}

/* Milliseconds since 1970. */
static inline int64_t wall_ms(void)
{
    return clock_read_us(CLOCK_REALTIME) / 1000;
}
