// SPDX-License-Identifier: Apache-2.0
// What the pooling references share: sizes, and the valid taps of one window.
#ifndef WHET_OPS_POOL_REF_H
#define WHET_OPS_POOL_REF_H

#include "ops/attrs.h"

typedef struct whet_pool_ref {
    int64_t planes;     // batch times channels
    whet_window window; // expanded to three dimensions
} whet_pool_ref;

// Position of an output and, per dimension, taps [first, last) that lie in the input; start: input
// coordinate of tap 0, which may be negative.
typedef struct whet_pool_taps {
    int64_t start[WHET_WINDOW_MAX], first[WHET_WINDOW_MAX], last[WHET_WINDOW_MAX];
} whet_pool_taps;

// Attribute table rows common to all poolings.
#define WHET_POOL_ROWS                                                                             \
    WHET_WINDOW_ROWS(whet_pool_attrs, true),                                                       \
    {"ceil_mode", WHET_ATTR_BOOL, offsetof(whet_pool_attrs, ceil_mode)}

whet_status whet_pool_infer(whet_infer *ctx, int32_t out);
void whet_pool_ref_init(whet_pool_ref *r, const whet_eval *e);
// The taps of output `at` (an index into one plane).
void whet_pool_ref_taps(const whet_window *w, int64_t at, whet_pool_taps *taps);
static inline int64_t whet_pool_area(const int64_t *v) { return v[0] * v[1] * v[2]; }
// Index in the plane of tap (z, y, x).
static inline int64_t whet_pool_index(const whet_window *w, const whet_pool_taps *t, int64_t z,
                                      int64_t y, int64_t x) {
    int64_t iz = t->start[0] + z * w->dilation[0], iy = t->start[1] + y * w->dilation[1];
    return (iz * w->in[1] + iy) * w->in[2] + t->start[2] + x * w->dilation[2];
}
double whet_pool_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                       const whet_tensor *out, int32_t n_out);

#endif
