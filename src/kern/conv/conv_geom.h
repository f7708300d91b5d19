// SPDX-License-Identifier: Apache-2.0
// The numbers of a convolution, checked, as every conv kernel needs them.
#ifndef WHET_KERN_CONV_GEOM_H
#define WHET_KERN_CONV_GEOM_H

#include "kern/epilogue.h"

// Spatial dimensions are right-aligned: depth, height, width; absent ones are 1.
typedef struct whet_conv_geom {
    int64_t n, c, k;             // batch, input and output channels
    int64_t groups, cg, kg;      // and those of one group
    int64_t in[3], out[3], ker[3], stride[3], dil[3], pad[3], pad_end[3];
    int64_t taps;                // ker[0] ker[1] ker[2]
    int64_t in_size, out_size;   // products of in and out
} whet_conv_geom;

// False unless this is an f32 convolution ("conv" or "conv_transpose") that holds together:
// positive dimensions, channels and windows that fit, a bias of [k] if any, a known epilogue.
// Layouts are the caller's to check.
bool whet_conv_geom_init(whet_conv_geom *g, const whet_problem *p);
// The same of input and output stored as these; weights and bias are f32.
bool whet_conv_geom_init_as(whet_conv_geom *g, const whet_problem *p, whet_dtype in,
                            whet_dtype out);
// The same of any types and inputs behind the bias, the epilogue not looked at.
bool whet_conv_geom_sizes(whet_conv_geom *g, const whet_problem *p);
bool whet_conv_padded(const whet_conv_geom *g); // any padding

#endif
