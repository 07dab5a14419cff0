/* bits.h - counting the bits of integers, and finding them. */
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

/* The place of the bit that has `number` set bits below it; there is one. */
static inline uint32_t bits_place(uint64_t x, uint32_t number)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    uint64_t bytes = x - (x >> 1 & UINT64_C(0x5555555555555555));

    bytes = (bytes & UINT64_C(0x3333333333333333)) + (bytes >> 2 & UINT64_C(0x3333333333333333));
    bytes = (bytes + (bytes >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    bytes *= ones; /* each byte: how many are set up to its end, at most 64 */
    const uint64_t past = ((bytes | high) - (number + 1) * ones) & high;
    const uint32_t byte = (uint32_t)__builtin_ctzll(past) & ~7U;
    number -= (uint32_t)(bytes << 8 >> byte) & 0xff;
    for (x >>= byte; number > 0; number--)
        x &= x - 1;
    return byte + (uint32_t)__builtin_ctzll(x);
}
