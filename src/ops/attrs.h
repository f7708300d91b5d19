// SPDX-License-Identifier: Apache-2.0
// Attribute structs that passes and kernels read. Those of other operators are in the operator's
// file.
#ifndef WHET_OPS_ATTRS_H
#define WHET_OPS_ATTRS_H

#include "ops/op.h"
#include "ops/window.h"

typedef struct whet_conv_attrs { // conv: X [n,c,spatial], W [m,c/group,kernel], B [m]
    whet_window_attrs window;
    int64_t group;
} whet_conv_attrs;

typedef struct whet_conv_transpose_attrs { // W [c, m/group, kernel]
    whet_window_attrs window;
    int64_t group;
    whet_ints output_padding, output_shape;
} whet_conv_transpose_attrs;

typedef struct whet_pool_attrs { // max_pool, average_pool, lp_pool
    whet_window_attrs window;
    bool ceil_mode;
    bool count_include_pad; // average_pool
    int64_t storage_order;  // max_pool indices: 0 row major, 1 column major
    int64_t p;              // lp_pool
} whet_pool_attrs;

typedef struct whet_matmul_attrs { // matmul: numpy rules after the transposes
    bool trans_a, trans_b;         // of the last two dimensions
    float alpha;                   // 1
} whet_matmul_attrs;

typedef struct whet_gemm_attrs { // gemm: alpha A' B' + beta C
    float alpha, beta;
    bool trans_a, trans_b;
} whet_gemm_attrs;

typedef struct whet_softmax_attrs { // softmax, log_softmax, hardmax: along one axis
    int64_t axis;
} whet_softmax_attrs;

// layer_norm (X, scale, bias?), rms_norm (X, scale): over axes >= axis
typedef struct whet_norm_attrs {
    int64_t axis;
    float epsilon;
    int64_t stash_type; // dtype number of the computation
} whet_norm_attrs;

typedef struct whet_batch_norm_attrs { // batch_norm: X, scale, bias, mean, var
    float epsilon, momentum;
    bool training_mode;
} whet_batch_norm_attrs;

// group_norm: X, scale [c], bias [c]; instance_norm: same inputs
typedef struct whet_group_norm_attrs {
    float epsilon;
    int64_t num_groups;
    int64_t stash_type;
} whet_group_norm_attrs;

typedef struct whet_axis_attrs { // concat, gather, gather_elements, scatter_elements, flatten, ...
    int64_t axis;
} whet_axis_attrs;

typedef struct whet_transpose_attrs {
    whet_ints perm; // absent: reversed
} whet_transpose_attrs;

typedef struct whet_reduce_attrs { // reduce_*: X, axes? (constant or computed)
    bool keepdims, noop_with_empty_axes;
} whet_reduce_attrs;

typedef struct whet_clip_attrs { // clip with constant bounds (the three-input form is clip_t)
    float min, max;
} whet_clip_attrs;

typedef struct whet_attention_attrs { // attention: Q, K, V, mask?, past_key?, past_value?, nonpad?
    bool is_causal;
    int64_t q_num_heads, kv_num_heads; // 0: 4-D inputs [b, heads, s, d]; else 3-D [b, s, heads d]
    float scale;                       // 0: 1 / sqrt(head size)
    float softcap;                     // 0: none; applied before the mask
    int64_t left_window_size, right_window_size; // keys that far from the query count; -1: all
    int64_t qk_matmul_output_mode;
    int64_t softmax_precision;         // dtype number, 0: that of the input
} whet_attention_attrs;

typedef struct whet_quantize_attrs { // quantize_linear: x, scale, zero?
    int64_t axis, block_size;
    int32_t output_dtype, precision; // NONE: u8 or that of the zero point; that of the scale
    bool saturate;                   // for floats of 8 bits
} whet_quantize_attrs;

typedef struct whet_dequantize_attrs { // dequantize_linear: x, scale, zero?
    int64_t axis, block_size;
    int32_t output_dtype; // NONE: that of the scale
} whet_dequantize_attrs;

enum { WHET_RNN_FORWARD, WHET_RNN_REVERSE, WHET_RNN_BIDIRECTIONAL };
typedef struct whet_rnn_attrs { // lstm, gru, rnn: inputs as in ONNX
    int32_t direction;
    int64_t hidden_size;
    int64_t layout;            // 0: [seq, batch, ..], 1: [batch, seq, ..]
    const char *activations;   // comma-separated, one list a direction after the other; "": default
    whet_floats activation_alpha, activation_beta;
    float clip;                // 0: none
    bool input_forget;         // lstm
    bool linear_before_reset;  // gru
} whet_rnn_attrs;

#endif
