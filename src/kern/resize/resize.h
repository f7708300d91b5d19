// SPDX-License-Identifier: Apache-2.0
// Resampling of f32, nearest and linear, seen as [n, c, d, h, w]. Where an output coordinate is
// taken from does not depend on the others: a table of two taps a dimension.
#ifndef WHET_KERN_RESIZE_H
#define WHET_KERN_RESIZE_H

#include "kern/kernel.h"

#define RESIZE_DIMS 5

typedef struct resize_tap {
    int32_t i0, i1; // both in the input
    float w0, w1;   // w1 = 0: i1 = i0
} resize_tap;

typedef struct resize_view {
    int64_t in[RESIZE_DIMS], out[RESIZE_DIMS];
    int64_t block, blocks;  // of channels; NHWC: all channels are one block
    resize_tap *taps[RESIZE_DIMS];
    float *row;             // an input row, plain layout
    bool spatial;           // batch and channels stay as they are
} resize_view;

bool whet_resize_accepts(const whet_problem *p);
size_t whet_resize_scratch(const whet_problem *p, const int32_t *params);
int64_t whet_resize_tasks(const whet_problem *p, const int32_t *params, int32_t phase);
// Makes the tables in the scratch. WHET_E_RANGE on a scale that is none.
whet_status whet_resize_view(const whet_call *c, resize_view *v);
// One output row (a task) the slow way, any dimension resized.
void whet_resize_row_any(const whet_call *c, const resize_view *v, int64_t task);

#endif
