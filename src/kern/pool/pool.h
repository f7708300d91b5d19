// SPDX-License-Identifier: Apache-2.0
// What the pooling kernels of all instruction sets share: shapes, valid taps, checks.
#ifndef WHET_KERN_POOL_H
#define WHET_KERN_POOL_H

#include "kern/kernel.h"

typedef struct pool_plan {
    whet_window w; // expanded to three dimensions; global poolings: the window is the input
    int64_t batch, channels;
    int64_t groups; // planes (plain), channel blocks, or batch images (nhwc)
    int64_t pixel;  // floats between neighbours in a row
    int64_t lanes;  // channels handled together at one pixel
    bool include_pad;
} pool_plan;

// Taps [first, last) of dimension d of output o that lie in the input, and the coordinate of tap 0.
typedef struct pool_taps {
    int64_t start, first, last;
    int64_t counted; // taps in input and paddings
} pool_taps;
static inline pool_taps whet_pool_taps_at(const whet_window *w, int32_t d, int64_t o) {
    int64_t step = w->dilation[d], start = o * w->stride[d] - w->pad_begin[d];
    int64_t room = w->in[d] - start, padded = room + w->pad_end[d];
    // most windows lie inside; divisions are slow
    if (start >= 0 && (w->kernel[d] - 1) * step < room)
        return (pool_taps){start, 0, w->kernel[d], w->kernel[d]};
    pool_taps t = {.start = start, .first = start < 0 ? (-start + step - 1) / step : 0};
    t.last = room > 0 ? (room - 1) / step + 1 : 0;
    t.counted = padded > 0 ? (padded - 1) / step + 1 : 0;
    if (t.last > w->kernel[d]) t.last = w->kernel[d];
    if (t.first > t.last) t.first = t.last;
    if (t.counted > w->kernel[d]) t.counted = w->kernel[d];
    return t;
}

// Checks what the kernels rely on. `width`: lanes of a vector, which must divide a channel block.
bool whet_pool_accepts(const whet_problem *p, whet_dtype dtype, int64_t width);
bool whet_pool_global(const whet_problem *p);
bool whet_pool_max(const whet_problem *p);
void whet_pool_prepare(const whet_problem *p, const int32_t *params, void *state);
int64_t whet_pool_tasks(const whet_problem *p, const int32_t *params, int32_t phase);
size_t whet_pool_scratch(const whet_problem *p, const int32_t *params);

#endif
