// SPDX-License-Identifier: Apache-2.0
// What a cmocka test includes first.
#ifndef WHET_TESTS_TEST_H
#define WHET_TESTS_TEST_H

// cmocka.h needs the first four before it
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Deterministic numbers: one 64-bit step of a linear generator, high half returned.
static inline uint32_t test_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 32);
}

#endif
