/* bits.h - counting the bits of integers. */
#pragma once
#include <stdint.h>

/* How many bits are set. Without the processor's own instruction, which the oldest of its kind lack, in steps that the compiler can
 * take for several words at once. */
static inline uint32_t bits_count(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    x += x >> 8;
    x += x >> 16;
    x += x >> 32;
    return (uint32_t)x & 0x7f;
}
