// SPDX-License-Identifier: Apache-2.0
// Sliding windows of convolutions and poolings: attributes, defaults, paddings, output sizes.
#ifndef WHET_OPS_WINDOW_H
#define WHET_OPS_WINDOW_H

#include "ops/op.h"

enum { WHET_PAD_NOTSET, WHET_PAD_SAME_UPPER, WHET_PAD_SAME_LOWER, WHET_PAD_VALID };
extern const char *const whet_auto_pad_choices[]; // in that order, NULL-terminated

#define WHET_WINDOW_MAX 3 // spatial dimensions

// Leading member of the attribute structs of convolutions and poolings.
typedef struct whet_window_attrs {
    int32_t auto_pad;
    whet_ints kernel_shape, strides, dilations, pads; // absent: from the weights, 1, 1, 0
} whet_window_attrs;

// Numbers for one call; dimension d of n spatial ones.
typedef struct whet_window {
    int32_t n;
    int64_t in[WHET_WINDOW_MAX], out[WHET_WINDOW_MAX], kernel[WHET_WINDOW_MAX];
    int64_t stride[WHET_WINDOW_MAX], dilation[WHET_WINDOW_MAX];
    int64_t pad_begin[WHET_WINDOW_MAX], pad_end[WHET_WINDOW_MAX];
} whet_window;

// in, out, kernel: spatial sizes, n of them (n <= WHET_WINDOW_MAX; kernel from weights or
// attributes). Resolves SAME paddings with the known output. Inputs must have passed infer.
void whet_window_resolve(whet_window *w, const whet_window_attrs *a, int32_t n, const int64_t *in,
                         const int64_t *out, const int64_t *kernel);
// Output sizes (symbolic), checking counts, positive kernel, strides, dilations, and that paddings and
// sizes are consistent. ceil_mode as in ONNX poolings (a window may not start in the end padding).
whet_status whet_window_infer(whet_infer *ctx, const whet_window_attrs *a, int32_t n,
                              const whet_dim *in, const whet_dim *kernel, bool ceil_mode,
                              whet_dim *out);
// The same for transposed convolution: pads resolved per output_shape / output_padding.
#endif
