// SPDX-License-Identifier: Apache-2.0
// Optimization profiles as an engine holds them: boxes of input shapes, each with the point that
// it is tuned at. A profile is added tuning: an engine runs at any shape.
#ifndef WHET_ENGINE_BOXES_H
#define WHET_ENGINE_BOXES_H

#include "engine/pgraph.h"

// Bounds of the dimensions of an input, or of its contents where those decide shapes.
typedef struct whet_range {
    int32_t input; // number among the graph's inputs
    bool contents;
    int32_t n;
    int64_t *min, *opt, *max; // [n]
} whet_range;

// The dimensions of every input in order, then contents.
typedef struct whet_box {
    whet_range *v;
    int32_t n;
} whet_box;

typedef struct whet_boxes {
    whet_box *v;
    int32_t n;
} whet_boxes;

#define WHET_MAX_PROFILES 512

// The bounds of an input's dimensions or contents; NULL: the profile has none.
const whet_range *whet_box_find(const whet_box *b, int32_t input, bool contents);
// 0 when the inputs lie inside, else how far outside (powers of two, summed). Contents count where
// they are given.
double whet_box_distance(const whet_box *b, const whet_tensor *inputs);
// For whet_dim_lookup with user = a whet_box_names: what the tuned point gives a named dimension.
typedef struct whet_box_names {
    const whet_pgraph *g;
    const whet_box *b;
} whet_box_names;
int64_t whet_box_dim(void *user, const char *name);

// ---- as bytes (docs/engine-format.md, PROFILES) ----

void whet_boxes_encode(const whet_boxes *p, whet_writer *w);
// Checks ranges, ranks and order against the graph, in whose arena the profiles live. WHET_E_PARSE.
whet_status whet_boxes_decode(const void *data, size_t size, whet_pgraph *g, whet_boxes *p,
                              whet_error *err);

#endif
