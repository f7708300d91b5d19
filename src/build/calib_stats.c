// SPDX-License-Identifier: Apache-2.0
// Histograms that grow with what they count, in bounded memory.
#include <math.h>
#include <string.h>

#include "build/calib.h"

enum { HALF = WHET_CALIB_BINS / 2 };

bool whet_calib_stats_init(whet_calib_stats *s, whet_arena *arena) {
    *s = (whet_calib_stats){.bins = WHET_NEW_ARRAY(arena, uint64_t, WHET_CALIB_BINS)};
    return s->bins != NULL;
}

// Bins of twice the width.
static void widen(whet_calib_stats *s) {
    uint64_t old[WHET_CALIB_BINS];
    memcpy(old, s->bins, sizeof old);
    memset(s->bins, 0, sizeof old);
    for (int32_t i = 0; i < HALF; i++) {
        s->bins[HALF + i / 2] += old[HALF + i];
        s->bins[HALF - 1 - i / 2] += old[HALF - 1 - i];
    }
    s->width *= 2;
}

static void make_room(whet_calib_stats *s, double most) {
    int exponent;
    if (most == 0) return;
    if (s->width == 0) {
        frexp(most, &exponent); // most < 2^exponent
        s->width = ldexp(1, exponent) / HALF;
    }
    while (most >= s->width * HALF) widen(s);
}

void whet_calib_stats_add(whet_calib_stats *s, const float *x, int64_t n) {
    float low = 0, high = 0;
    for (int64_t i = 0; i < n; i++) {
        float v = isfinite(x[i]) ? x[i] : 0;
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    if ((double)low < s->min) s->min = (double)low;
    if ((double)high > s->max) s->max = (double)high;
    make_room(s, (double)(-low > high ? -low : high));
    double scale = s->width > 0 ? 1 / s->width : 0; // more than a float can be, for denormals
    for (int64_t i = 0; i < n; i++) {
        float v = x[i];
        if (!isfinite(v)) {
            s->bad++;
        } else if (v == 0) {
            s->zeros++;
        } else {
            s->bins[(int32_t)floor((double)v * scale) + HALF]++; // exact: a power of two
        }
    }
    s->n += n;
}
