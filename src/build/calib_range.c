// SPDX-License-Identifier: Apache-2.0
// From a histogram to the range that 8 bits shall span. Wide: all numbers, coarsely; narrow: most
// numbers, finely, the others clipped. Each method weighs these in its own way.
#include <math.h>
#include <string.h>

#include "build/calib.h"

enum { BINS = WHET_CALIB_BINS, HALF = BINS / 2 };

static double center(const whet_calib_stats *s, int32_t i) {
    return ((double)(i - HALF) + 0.5) * s->width;
}

static double clamp(double v, double low, double high) {
    return v < low ? low : v > high ? high : v;
}

// ---- mean squared error ----

static double levels(double low, bool symmetric) { return symmetric && low < 0 ? 254 : 255; }

// Sum of squared errors with the range [low, high].
static double squared_error(const whet_calib_stats *s, double low, double high, bool symmetric) {
    double step = (high - low) / levels(low, symmetric), sum = 0;
    if (!(step > 0)) return INFINITY;
    double zero = nearbyint(-low / step), lowest = -zero * step;
    double highest = lowest + levels(low, symmetric) * step;
    for (int32_t i = 0; i < BINS; i++) {
        if (!s->bins[i]) continue;
        double v = center(s, i);
        double q = clamp(nearbyint(v / step) * step, lowest, highest);
        sum += (double)s->bins[i] * (v - q) * (v - q);
    }
    return sum;
}

// One bound after the other is moved inwards as long as the error falls.
static whet_calib_range least_squares(const whet_calib_stats *s, bool symmetric) {
    enum { STEPS = 64 };
    double low = s->min, high = s->max;
    if (symmetric) {
        high = -low > high ? -low : high;
        low = s->min < 0 ? -high : 0;
    }
    double best_low = low, best_high = high, best = squared_error(s, low, high, symmetric);
    for (int32_t round = 0; round < (symmetric ? 1 : 2); round++)
        for (int32_t side = 0; side < (symmetric ? 1 : 2); side++) {
            double from_low = best_low, from_high = best_high;
            for (int32_t i = 1; i < STEPS - 4; i++) {
                double part = 1 - (double)i / STEPS;
                double a = symmetric || side ? low * part : from_low;
                double b = symmetric || !side ? high * part : from_high;
                double e = squared_error(s, a, b, symmetric);
                if (e < best) best = e, best_low = a, best_high = b;
            }
        }
    return (whet_calib_range){(float)best_low, (float)best_high};
}

// ---- magnitudes ----

// Counts of |x|.
static void fold(const whet_calib_stats *s, double out[HALF]) {
    for (int32_t i = 0; i < HALF; i++)
        out[i] = (double)s->bins[HALF + i] + (double)s->bins[HALF - 1 - i];
}

// Divergence of n bins, in which what lies outside is at the end, from the same in `parts` steps.
static double divergence(const double *h, int32_t n, double outside, int32_t parts, double total) {
    double sum = 0;
    for (int32_t k = 0; k < parts; k++) {
        int32_t from = (int32_t)((int64_t)n * k / parts);
        int32_t to = (int32_t)((int64_t)n * (k + 1) / parts);
        double mass = 0;
        int32_t filled = 0;
        for (int32_t i = from; i < to; i++) {
            double p = h[i] + (i == n - 1 ? outside : 0);
            mass += h[i];
            filled += p > 0;
        }
        for (int32_t i = from; i < to; i++) {
            double p = h[i] + (i == n - 1 ? outside : 0);
            if (p == 0) continue;
            double q = mass > 0 ? mass / filled : 1e-3; // of total - outside
            sum += p / total * log((p / total) / (q / (total - outside)));
        }
    }
    return sum;
}

static double least_divergence(const whet_calib_stats *s, int32_t parts) {
    double h[HALF], total = 0, outside = 0, best = INFINITY;
    int32_t used = 0, chosen;
    fold(s, h);
    for (int32_t i = 0; i < HALF; i++) {
        total += h[i];
        if (h[i] > 0) used = i + 1;
    }
    chosen = used;
    for (int32_t n = used; n >= parts && total > outside; n--) {
        if ((used - n) % 8 == 0) {
            double d = divergence(h, n, outside, parts, total);
            if (d < best) best = d, chosen = n;
        }
        outside += h[n - 1];
    }
    return chosen * s->width;
}

// Below which a part of all |x| lies.
static double quantile(const whet_calib_stats *s, double part) {
    double h[HALF], total = (double)s->zeros, seen;
    fold(s, h);
    for (int32_t i = 0; i < HALF; i++) total += h[i];
    seen = (double)s->zeros;
    for (int32_t i = 0; i < HALF; i++) {
        seen += h[i];
        if (seen >= part * total) return (i + 1) * s->width;
    }
    return HALF * s->width;
}

// Ends outside of which a part of 1 - part of all x lies on either side.
static void tails(const whet_calib_stats *s, double part, double *low, double *high) {
    double most = (1 - part) * (double)(s->n - s->bad), cut = 0;
    int32_t i = 0, k = BINS - 1;
    while (i < HALF && cut + (double)s->bins[i] <= most) cut += (double)s->bins[i++];
    cut = 0;
    while (k >= HALF && cut + (double)s->bins[k] <= most) cut += (double)s->bins[k--];
    *low = (double)(i - HALF) * s->width;
    *high = (double)(k + 1 - HALF) * s->width;
}

whet_calib_range whet_calib_range_find(const whet_calib_stats *s, whet_calib_method method,
                                       double percentile, bool symmetric) {
    double low = s->min, high = s->max, top = 0;
    if (s->width == 0) return (whet_calib_range){0, 0};
    switch (method) {
    case WHET_CALIB_MSE: return least_squares(s, symmetric);
    case WHET_CALIB_ENTROPY: top = least_divergence(s, s->min < 0 ? 128 : 256); break;
    case WHET_CALIB_LEGACY: top = quantile(s, percentile / 100); break;
    case WHET_CALIB_PERCENTILE: tails(s, percentile / 100, &low, &high); break;
    case WHET_CALIB_MINMAX: break;
    }
    if (top > 0) low = low < -top ? -top : low, high = high > top ? top : high;
    if (low < s->min) low = s->min; // the end of a bin
    if (high > s->max) high = s->max;
    if (symmetric) {
        high = -low > high ? -low : high;
        low = s->min < 0 ? -high : 0;
    }
    return (whet_calib_range){(float)low, (float)high};
}

double whet_calib_range_noise(const whet_calib_stats *s, const whet_calib_range *r) {
    double low = (double)r->low, high = (double)r->high, signal = 0;
    if (!s->bins || s->width == 0) return 0;
    for (int32_t i = 0; i < BINS; i++) signal += (double)s->bins[i] * center(s, i) * center(s, i);
    double noise = squared_error(s, low, high, low == -high);
    return isfinite(noise) && signal > 0 ? noise / signal : 1;
}
