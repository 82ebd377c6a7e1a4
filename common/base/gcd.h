/*
 * gcd.h - the greatest common divisor: what weights are divided by and brought to a common denominator with.
 */
#ifndef WEIR_COMMON_BASE_GCD_H
#define WEIR_COMMON_BASE_GCD_H

#include <stdint.h>

/* gcd(a, 0) is a. */
static inline uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

#endif
