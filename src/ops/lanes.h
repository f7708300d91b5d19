// SPDX-License-Identifier: Apache-2.0
// A tensor as lanes along one axis: `n` lanes of `length` elements, `step` apart, in the order of
// the tensor without that axis.
#ifndef WHET_OPS_LANES_H
#define WHET_OPS_LANES_H

#include <whet/whet.h>

typedef struct whet_lanes {
    int64_t n, length, step;
} whet_lanes;

static inline void whet_lanes_init(whet_lanes *l, const whet_tensor *t, int32_t axis) {
    l->n = l->step = 1;
    l->length = t->dims[axis];
    for (int32_t k = 0; k < t->rank; k++) {
        if (k != axis) l->n *= t->dims[k];
        if (k > axis) l->step *= t->dims[k];
    }
}

// Index of the first element of lane i.
static inline int64_t whet_lanes_start(const whet_lanes *l, int64_t i) {
    return i / l->step * l->step * l->length + i % l->step;
}

#endif
