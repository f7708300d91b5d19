// SPDX-License-Identifier: Apache-2.0
#include "ops/random_ref.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

enum { N = 624, M = 397 };

void whet_random_seed(whet_random *r, uint32_t seed) {
    r->state[0] = seed;
    for (uint32_t i = 1; i < N; i++)
        r->state[i] = 1812433253u * (r->state[i - 1] ^ (r->state[i - 1] >> 30)) + i;
    r->at = N;
    r->has_spare = false;
}

// Words that nobody foresees; the clock stands in where the system has none.
static void seed_from_system(whet_random *r) {
    struct timespec now = {0};
    whet_random_seed(r, 5489);
    if (getentropy(r->state, 256) == 0) {
        r->state[0] |= 0x80000000u; // never all zero
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    whet_random_seed(r, (uint32_t)now.tv_nsec ^ (uint32_t)now.tv_sec << 20);
}

whet_random *whet_random_make(whet_eval *e, double seed) {
    whet_random *r = whet_arena_alloc(e->scratch, sizeof *r);
    if (!r) WHET_NOMEM(e->err);
    else if (isnan(seed)) seed_from_system(r);
    else whet_random_seed(r, fabs(seed) < 0x1p62 ? (uint32_t)(int64_t)seed : 0);
    return r;
}

static void refill(whet_random *r) {
    for (int32_t i = 0; i < N; i++) {
        uint32_t y = (r->state[i] & 0x80000000u) | (r->state[(i + 1) % N] & 0x7fffffffu);
        r->state[i] = r->state[(i + M) % N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->at = 0;
}

uint32_t whet_random_u32(whet_random *r) {
    if (r->at >= N) refill(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

double whet_random_uniform(whet_random *r) {
    uint32_t high = whet_random_u32(r) >> 5, low = whet_random_u32(r) >> 6;
    return ((double)high * 67108864 + (double)low) * 0x1p-53;
}

// Marsaglia's polar method.
double whet_random_normal(whet_random *r) {
    if (r->has_spare) {
        r->has_spare = false;
        return r->spare;
    }
    for (;;) {
        double x = 2 * whet_random_uniform(r) - 1, y = 2 * whet_random_uniform(r) - 1;
        double square = x * x + y * y;
        if (square >= 1 || square == 0) continue;
        double f = sqrt(-2 * log(square) / square);
        r->spare = f * x;
        r->has_spare = true;
        return f * y;
    }
}
