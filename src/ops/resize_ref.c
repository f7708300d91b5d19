// SPDX-License-Identifier: Apache-2.0
#include "ops/resize_ref.h"

#include <math.h>

// ---- coordinates ----

// Position in the input of position x in the output. Where corners are aligned ONNX's own data
// takes the exact product of scale and input size, not the output's size that it is rounded down
// to.
static double coordinate(const whet_resize_attrs *a, const whet_resize_dim *d, int64_t at) {
    double x = (double)at, in = (double)d->in, out = (double)d->out;
    double size = d->scale_is_ratio ? out : d->scale * in;
    double half = d->scale_is_ratio ? (x + 0.5) * in / out : (x + 0.5) / d->scale;
    switch (a->coordinate_mode) {
    case WHET_RESIZE_ASYMMETRIC: return d->scale_is_ratio ? x * in / out : x / d->scale;
    case WHET_RESIZE_ALIGN_CORNERS: return size == 1 ? 0 : x * (in - 1) / (size - 1);
    case WHET_RESIZE_PYTORCH_HALF_PIXEL: return d->out == 1 ? 0 : half - 0.5;
    case WHET_RESIZE_HALF_PIXEL_SYMMETRIC: return in / 2 * (1 - out / size) + half - 0.5;
    case WHET_RESIZE_TF_HALF_PIXEL_FOR_NN: return half;
    case WHET_RESIZE_TF_CROP_AND_RESIZE: {
        double width = d->roi_end - d->roi_begin;
        double offset = (d->out == 1 ? width / 2 : x * width / (out - 1)) * (in - 1);
        return offset + d->roi_begin * (in - 1);
    }
    default: return half - 0.5;
    }
}

// Keeps later conversions to integers defined, NaN included.
static double tame(double x) {
    const double limit = 0x1p40;
    return x > -limit && x < limit ? x : x >= limit ? limit : x <= -limit ? -limit : 0;
}

double whet_resize_position(const whet_resize_attrs *a, const whet_resize_dim *d, int64_t at) {
    return tame(coordinate(a, d, at));
}

int64_t whet_resize_nearest(const whet_resize_attrs *a, double scale, double x) {
    // a position that single precision takes for an integer is one: scales are rounded themselves
    x = (double)(float)x;
    switch (a->nearest_mode) {
    case WHET_RESIZE_ROUND_PREFER_CEIL: return (int64_t)floor(x + 0.5);
    case WHET_RESIZE_FLOOR: return (int64_t)floor(x);
    case WHET_RESIZE_CEIL: return (int64_t)ceil(x);
    case WHET_RESIZE_SIMPLE: return (int64_t)(scale < 1 ? ceil(x) : floor(x));
    default: return (int64_t)ceil(x - 0.5);
    }
}

// ---- weights ----

double whet_cubic_weight(double a, double x) {
    x = fabs(x);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((x - 5) * x + 8) * x * a - 4 * a : 0;
}

static double tap_weight(const whet_resize_attrs *a, double x) {
    if (a->mode == WHET_RESIZE_CUBIC) return whet_cubic_weight((double)a->cubic_coeff_a, x);
    x = 1 - fabs(x);
    return x > 0 ? x : 0;
}

// Weights of the taps around x; the first tap is at base + start, x - base in (0, 1].
static void weigh(const whet_resize_attrs *a, const whet_resize_dim *d, int64_t first, double x,
                  double stretch, double *w) {
    double sum = 0;
    for (int64_t i = 0; i < d->n; i++) {
        bool inside = first + i >= 0 && first + i < d->in;
        double distance = (double)(first + i) - x;
        w[i] = a->exclude_outside && !inside ? 0 : tap_weight(a, distance * stretch);
        sum += w[i];
    }
    if (sum != 0 && (a->antialias || a->exclude_outside))
        for (int64_t i = 0; i < d->n; i++) w[i] /= sum;
}

whet_status whet_resize_taps(whet_eval *e, const whet_resize_attrs *a, whet_resize_dim *d) {
    bool crop = a->coordinate_mode == WHET_RESIZE_TF_CROP_AND_RESIZE;
    d->identity = d->in == d->out && d->scale == 1 && !crop &&
                  a->coordinate_mode != WHET_RESIZE_TF_HALF_PIXEL_FOR_NN;
    if (d->identity) return WHET_OK;
    // antialiasing widens the filter by the factor of shrinking
    double stretch = a->antialias && d->scale < 1 ? d->scale : 1;
    int64_t start = (int64_t)floor((a->mode == WHET_RESIZE_CUBIC ? -2 : -1) / stretch) + 1;
    d->n = a->mode == WHET_RESIZE_NEAREST ? 1 : 2 - 2 * start;
    int64_t n_weights;
    if (d->in <= 0 || __builtin_mul_overflow(d->out, d->n, &n_weights))
        WHET_FAIL(e->err, WHET_E_SHAPE, "a dimension of %lld cannot be resized to %lld",
                  (long long)d->in, (long long)d->out);
    d->first = whet_eval_scratch_i64(e, d->out);
    d->weight = a->mode == WHET_RESIZE_NEAREST ? NULL : whet_eval_scratch_f64(e, n_weights);
    d->outside = crop ? WHET_NEW_ARRAY(e->scratch, bool, d->out) : NULL;
    if (!d->first || (!d->weight && a->mode != WHET_RESIZE_NEAREST) || (crop && !d->outside))
        return WHET_NOMEM(e->err);
    for (int64_t i = 0; i < d->out; i++) {
        double x = whet_resize_position(a, d, i);
        if (crop) d->outside[i] = x < 0 || x > (double)(d->in - 1);
        d->first[i] = a->mode == WHET_RESIZE_NEAREST ? whet_resize_nearest(a, d->scale, x)
                                                     : (int64_t)ceil(x) - 1 + start;
        if (d->weight) weigh(a, d, d->first[i], x, stretch, d->weight + i * d->n);
    }
    return WHET_OK;
}

void whet_resize_pass(const whet_resize_dim *d, int64_t outer, int64_t inner, const double *x,
                      double *y) {
    for (int64_t o = 0; o < outer; o++, x += d->in * inner)
        for (int64_t i = 0; i < d->out; i++, y += inner) {
            for (int64_t k = 0; k < inner; k++) y[k] = 0;
            for (int64_t t = 0; t < d->n; t++) {
                int64_t at = d->first[i] + t;
                at = at < 0 ? 0 : at >= d->in ? d->in - 1 : at;
                double w = d->weight[i * d->n + t];
                if (w == 0) continue; // an infinite neighbour must not count
                for (int64_t k = 0; k < inner; k++) y[k] += w * x[at * inner + k];
            }
        }
}
