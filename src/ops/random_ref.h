// SPDX-License-Identifier: Apache-2.0
// Random numbers of the C references: the Mersenne Twister (Matsumoto, Nishimura 1998) with 53-bit
// uniform numbers. The same seed gives the same numbers everywhere; without one, the system gives
// new ones each time.
#ifndef WHET_OPS_RANDOM_REF_H
#define WHET_OPS_RANDOM_REF_H

#include "ops/op.h"

typedef struct whet_random {
    uint32_t state[624];
    int32_t at;
    bool has_spare;
    double spare; // of a pair of normal numbers
} whet_random;

void whet_random_seed(whet_random *r, uint32_t seed);
// From a seed attribute; NaN (absent): from the system. In scratch; NULL: out of memory, error set.
whet_random *whet_random_make(whet_eval *e, double seed);
uint32_t whet_random_u32(whet_random *r);
double whet_random_uniform(whet_random *r); // in [0, 1)
double whet_random_normal(whet_random *r);  // mean 0, standard deviation 1

#endif
