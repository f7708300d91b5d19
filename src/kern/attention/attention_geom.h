// SPDX-License-Identifier: Apache-2.0
// The numbers of scaled dot-product attention, checked.
#ifndef WHET_KERN_ATTENTION_GEOM_H
#define WHET_KERN_ATTENTION_GEOM_H

#include "kern/kernel.h"

// A matrix a head: element (batch, head, row, i) is at batch * by[0] + head * by[1] + row * by[2] +
// i.
typedef struct whet_attention_view {
    int64_t by[3];
} whet_attention_view;

typedef struct whet_attention_geom {
    int64_t batch, heads, kv_heads; // heads of Q; a head of K and V serves heads / kv_heads of them
    int64_t rows, keys;             // of Q; of K and V
    int64_t depth, width;           // of Q and K; of V
    whet_attention_view q, k, v, y, mask; // mask: steps of broadcast dimensions are 0
    bool masked, causal;
    float scale;
} whet_attention_geom;

// False unless this is f32 attention in plain layout with one output, 4-D or 3-D with head counts,
// no past, no soft cap, the mask (f32 or bool) full in its last dimension.
bool whet_attention_geom_init(whet_attention_geom *g, const whet_problem *p);
// The same with operands and result, and the mask or not, stored so.
bool whet_attention_geom_init_as(whet_attention_geom *g, const whet_problem *p, whet_dtype dtype);

#endif
