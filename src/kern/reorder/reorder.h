// SPDX-License-Identifier: Apache-2.0
// Conversions between layouts, in tasks of up to REORDER_CHANNELS channels by REORDER_PIXELS
// pixels.
#ifndef WHET_KERN_REORDER_H
#define WHET_KERN_REORDER_H

#include "kern/kernel.h"

#define REORDER_CHANNELS 16
#define REORDER_PIXELS 512

// Element (n, c, s) of a layout: n batch + c / block * group + c % block * lane + s * pixel.
typedef struct reorder_side {
    int64_t batch, group, lane, pixel, block;
} reorder_side;

typedef struct reorder_plan {
    int64_t n, c, s, channel_parts, pixel_parts;
    reorder_side from, to;
} reorder_plan;

typedef struct reorder_part { // of one task
    int64_t n, c, channels, s, pixels;
} reorder_part;

bool whet_reorder_accepts(const whet_problem *p);
void whet_reorder_prepare(const whet_problem *p, const int32_t *params, void *state);
int64_t whet_reorder_tasks(const whet_problem *p, const int32_t *params, int32_t phase);
reorder_part whet_reorder_part(const reorder_plan *plan, int64_t task);
static inline int64_t whet_reorder_at(const reorder_side *r, int64_t n, int64_t c, int64_t s) {
    return n * r->batch + c / r->block * r->group + c % r->block * r->lane + s * r->pixel;
}

#endif
