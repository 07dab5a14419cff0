/* bits.h - counting the bits of integers, and finding them. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many bits are set in each byte. */
static inline uint64_t bits_count_bytes(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    return (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
}

/* How many bits are set. Without the processor's own instruction, which the oldest of its kind lack, in steps that the compiler can
 * take for several words at once. */
static inline uint32_t bits_count(uint64_t x)
{
    x = bits_count_bytes(x);
    x += x >> 8;
    x += x >> 16;
    x += x >> 32;
    return (uint32_t)x & 0x7f;
}

/* How many are set in both of two arrays; `b` may lie anywhere. What is counted in a byte is added up for as long as it has room. */
static inline uint32_t bits_count_both(const uint64_t *a, const void *b, size_t n)
{
    const uint64_t low = UINT64_C(0x00ff00ff00ff00ff);
    uint32_t total = 0;

    for (size_t i = 0; i < n;) {
        uint64_t bytes = 0, word;
        for (const size_t stop = n - i < 16 ? n : i + 16; i < stop; i++) {
            memcpy(&word, (const char *)b + i * sizeof(word), sizeof(word));
            bytes += bits_count_bytes(a[i] & word);
        }
        bytes = (bytes & low) + (bytes >> 8 & low);
        total += (uint32_t)(bytes * UINT64_C(0x0001000100010001) >> 48);
    }
    return total;
}

/* The place of the bit that has `number` set bits below it; there is one. */
static inline uint32_t bits_place(uint64_t x, uint32_t number)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
    const uint64_t bytes =
        bits_count_bytes(x) * ones; /* each byte: how many are set up to its end, at most 64 */
    const uint64_t past = ((bytes | high) - (number + 1) * ones) & high;
    const uint32_t byte = (uint32_t)__builtin_ctzll(past) & ~7U;
    number -= (uint32_t)(bytes << 8 >> byte) & 0xff;
    for (x >>= byte; number > 0; number--)
        x &= x - 1;
    return byte + (uint32_t)__builtin_ctzll(x);
}
