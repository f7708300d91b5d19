// SPDX-License-Identifier: Apache-2.0
// Reading a plane between its pixels.
#ifndef WHET_PLUGIN_SAMPLE_H
#define WHET_PLUGIN_SAMPLE_H

#include "plugin_util.h"

// The four pixels around (y, x), which must be in [0, h - 1] and [0, w - 1], and their weights.
typedef struct plugin_corners {
    int64_t at[4];
    double weight[4];
} plugin_corners;

static inline plugin_corners plugin_corners_of(int64_t h, int64_t w, double y, double x) {
    int64_t top = (int64_t)y, left = (int64_t)x;
    int64_t bottom = top + 1 < h ? top + 1 : top, right = left + 1 < w ? left + 1 : left;
    double down = y - (double)top, along = x - (double)left;
    return (plugin_corners){
        {top * w + left, top * w + right, bottom * w + left, bottom * w + right},
        {(1 - down) * (1 - along), (1 - down) * along, down * (1 - along), down * along}};
}

static inline double plugin_bilinear(const float *plane, const plugin_corners *c) {
    double sum = 0;
    for (int32_t k = 0; k < 4; k++) sum += c->weight[k] * (double)plane[c->at[k]];
    return sum;
}

#endif
