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

// Rows of the attribute table of an operator whose struct T has the member `window`.
#define WHET_WINDOW_ROWS(T, kernel_required)                                                       \
    {"auto_pad", WHET_ATTR_ENUM, offsetof(T, window.auto_pad), .choices = whet_auto_pad_choices},  \
        {"kernel_shape", WHET_ATTR_INTS, offsetof(T, window.kernel_shape), kernel_required,        \
         .min = 1, .max = INT32_MAX},                                                              \
        {"strides", WHET_ATTR_INTS, offsetof(T, window.strides), .min = 1, .max = INT32_MAX},      \
        {"dilations", WHET_ATTR_INTS, offsetof(T, window.dilations), .min = 1, .max = INT32_MAX},  \
        {"pads", WHET_ATTR_INTS, offsetof(T, window.pads), .min = 0, .max = INT32_MAX}

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
// Output sizes (symbolic), checking counts, positive kernel, strides, dilations, and that paddings
// and sizes are consistent. ceil_mode as in ONNX poolings (a window may not start in the end
// padding).
whet_status whet_window_infer(whet_infer *ctx, const whet_window_attrs *a, int32_t n,
                              const whet_dim *in, const whet_dim *kernel, bool ceil_mode,
                              whet_dim *out);

// The same for transposed convolution: `in` and `out` are those of the operator (out is the larger
// one). Paddings follow from output_shape when that is given. It may ask for less than a stride
// more than the input reaches, and SAME does when strides exceed the kernel: then paddings are 0
// and the end of the output is bias.
void whet_window_resolve_transposed(whet_window *w, const whet_window_attrs *a,
                                    whet_ints output_padding, whet_ints output_shape, int32_t n,
                                    const int64_t *in, const int64_t *out, const int64_t *kernel);
whet_status whet_window_infer_transposed(whet_infer *ctx, const whet_window_attrs *a,
                                         whet_ints output_padding, whet_ints output_shape,
                                         int32_t n, const whet_dim *in, const whet_dim *kernel,
                                         whet_dim *out);

// Three dimensions: leading ones of size 1 are added. For loops that are written once.
void whet_window_expand(whet_window *w);

#endif
