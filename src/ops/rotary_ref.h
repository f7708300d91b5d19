// SPDX-License-Identifier: Apache-2.0
// Rotation of one vector by the angles of its position.
#ifndef WHET_OPS_ROTARY_REF_H
#define WHET_OPS_ROTARY_REF_H

#include <stdint.h>

// Rotates the pairs among the first 2 half numbers of x in place: (x[i], x[half + i]), or
// (x[2 i], x[2 i + 1]) when interleaved. cos, sin [half].
static inline void whet_rotary_apply(double *x, const double *cos, const double *sin, int64_t half,
                                     int interleaved) {
    for (int64_t i = 0; i < half; i++) {
        int64_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : half + i;
        double real = cos[i] * x[a] - sin[i] * x[b];
        x[b] = sin[i] * x[a] + cos[i] * x[b];
        x[a] = real;
    }
}

#endif
