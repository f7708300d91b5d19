// SPDX-License-Identifier: Apache-2.0
// The convolution of the C references, in double: columns of the input times weights.
#ifndef WHET_OPS_CONV_REF_H
#define WHET_OPS_CONV_REF_H

#include "ops/window.h"

typedef struct whet_conv_ref {
    int64_t batch, group;
    int64_t c, m;       // channels of one group
    whet_window window; // expanded to three dimensions
} whet_conv_ref;

// Sizes from X [n, group c, in], W [group m, c, kernel] and Y.
void whet_conv_ref_init(whet_conv_ref *r, const whet_window_attrs *a, int64_t group,
                        const whet_tensor *x, const whet_tensor *w, const whet_tensor *y);
// y [n, group m, out] = conv(x, w) + bias; bias [group m] or NULL.
whet_status whet_conv_ref_run(whet_eval *e, const whet_conv_ref *r, const double *x,
                              const double *w, const double *bias, double *y);
// Shapes of X, W and output 0; channels, groups and window are checked. x, w: numbers of the
// inputs.
whet_status whet_conv_infer(whet_infer *ctx, const whet_window_attrs *a, int64_t group, int32_t x,
                            int32_t w);
// A bias input, when there, is [m].
whet_status whet_conv_infer_bias(whet_infer *ctx, int32_t bias, whet_dim m);
double whet_conv_flops(const whet_tensor *w, const whet_tensor *y);

#endif
