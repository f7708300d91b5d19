// SPDX-License-Identifier: Apache-2.0
// Resampling of one dimension after the other: where each output element is taken from, with which
// weights.
#ifndef WHET_OPS_RESIZE_REF_H
#define WHET_OPS_RESIZE_REF_H

#include "ops/op.h"

enum { WHET_RESIZE_NEAREST, WHET_RESIZE_LINEAR, WHET_RESIZE_CUBIC };
enum { // attribute coordinate_transformation_mode
    WHET_RESIZE_HALF_PIXEL,
    WHET_RESIZE_HALF_PIXEL_SYMMETRIC,
    WHET_RESIZE_PYTORCH_HALF_PIXEL,
    WHET_RESIZE_ALIGN_CORNERS,
    WHET_RESIZE_ASYMMETRIC,
    WHET_RESIZE_TF_HALF_PIXEL_FOR_NN,
    WHET_RESIZE_TF_CROP_AND_RESIZE,
};
enum { // attribute nearest_mode
    WHET_RESIZE_ROUND_PREFER_FLOOR,
    WHET_RESIZE_ROUND_PREFER_CEIL,
    WHET_RESIZE_FLOOR,
    WHET_RESIZE_CEIL,
    WHET_RESIZE_SIMPLE, // up when shrinking, else down: Upsample, and Resize before version 11
};

typedef struct whet_resize_attrs {
    bool antialias, exclude_outside;
    whet_ints axes; // absent: all
    int32_t coordinate_mode, aspect_policy, mode, nearest_mode;
    float cubic_coeff_a, extrapolation_value;
} whet_resize_attrs;

// One dimension of a resize.
typedef struct whet_resize_dim {
    int64_t in, out;
    double scale;          // out / in, as given
    bool scale_is_ratio;   // exactly out / in
    double roi_begin, roi_end;
    // filled by whet_resize_taps:
    int64_t n;             // taps an output element
    int64_t *first;        // [out] index of the first tap; neighbours follow, clamped to the input
    double *weight;        // [out, n]; NULL for nearest
    bool *outside;         // [out] takes the extrapolation value; NULL: none
    bool identity;         // nothing to do
} whet_resize_dim;

// Position in the input of output position `at`, within +-2^40; in, out, scale, scale_is_ratio and
// roi are used.
double whet_resize_position(const whet_resize_attrs *a, const whet_resize_dim *d, int64_t at);
// Index that mode nearest takes for a position, not clamped to the input.
int64_t whet_resize_nearest(const whet_resize_attrs *a, double scale, double x);
whet_status whet_resize_taps(whet_eval *e, const whet_resize_attrs *a, whet_resize_dim *d);
// x [outer, d->in, inner] to y [outer, d->out, inner], weighted sums.
void whet_resize_pass(const whet_resize_dim *d, int64_t outer, int64_t inner, const double *x,
                      double *y);

// Keys' cubic convolution at distance x from a sample, with parameter a.
double whet_cubic_weight(double a, double x);

#endif
