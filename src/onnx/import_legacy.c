// SPDX-License-Identifier: Apache-2.0
// Old spellings of operators that are the same today: attributes that became inputs, other
// defaults, other rules of broadcasting.
#include <math.h>
#include <string.h>

#include "onnx/importer.h"

// ---- broadcasting before opset 7 ----

// b with `count` dimensions of 1 behind its own.
static whet_value *add_trailing(whet_import_node *n, whet_value *b, int32_t count) {
    int64_t axes[WHET_MAX_RANK];
    if (count <= 0 || count > WHET_MAX_RANK) return b;
    for (int32_t i = 0; i < count; i++) axes[i] = whet_import_rank(b) + i;
    return whet_import_emit(n, "unsqueeze", NULL,
                            WHET_VALUES(b, whet_import_i64(n, axes, count)));
}

// With `axis`, dimension 0 of B stands for dimension `axis` of A; without, their ends meet.
void whet_import_legacy_broadcast(whet_import_node *n) {
    whet_value *a = whet_import_in(n, 0), *b = whet_import_in(n, 1);
    bool has_axis = whet_import_attr(n, "axis") != NULL;
    int64_t axis = whet_import_int(n, "axis", 0);
    if (whet_import_int(n, "broadcast", 0) && has_axis) {
        int32_t rank_a = whet_import_rank_known(n, a, "A");
        int32_t rank_b = whet_import_rank_known(n, b, "B");
        if (rank_a < 0 || rank_b < 0) return;
        int32_t at = whet_import_axis(n, axis, rank_a);
        if (rank_b + at > rank_a)
            whet_import_fail(n, WHET_E_SHAPE, "B does not fit into A at axis %d", at);
        b = add_trailing(n, b, rank_a - rank_b - at);
    }
    whet_import_own(n, NULL, WHET_VALUES(a, b));
}

// One dimension of slopes belongs to the channels.
void whet_import_prelu_1(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *slope = whet_import_in(n, 1);
    if (whet_import_rank(slope) == 1 && whet_value_count(slope) != 1) {
        int32_t rank = whet_import_rank_known(n, x, "X");
        if (rank > 2) slope = add_trailing(n, slope, rank - 2);
    }
    whet_import_own(n, NULL, WHET_VALUES(x, slope));
}

void whet_import_gemm_1(whet_import_node *n) {
    whet_import_ignore(n, "broadcast");
    whet_import_own(n, NULL, n->in, n->n_in);
}

// ---- attributes that became inputs ----

static void attr_to_input(whet_import_node *n, const char *name, bool required) {
    whet_value *v = whet_import_ints_constant(n, name);
    if (!v && required)
        whet_import_fail(n, WHET_E_MODEL, "the required attribute '%s' is missing", name);
    whet_import_own(n, NULL, WHET_VALUES(whet_import_in(n, 0), v));
}

void whet_import_reduce_axes(whet_import_node *n) { attr_to_input(n, "axes", false); }
void whet_import_reshape_1(whet_import_node *n) { attr_to_input(n, "shape", true); }
void whet_import_squeeze_1(whet_import_node *n) { attr_to_input(n, "axes", false); }
void whet_import_unsqueeze_1(whet_import_node *n) { attr_to_input(n, "axes", true); }

void whet_import_slice_1(whet_import_node *n) {
    whet_value *starts = whet_import_ints_constant(n, "starts");
    whet_value *ends = whet_import_ints_constant(n, "ends");
    if (!starts || !ends)
        whet_import_fail(n, WHET_E_MODEL, "the attributes 'starts' and 'ends' are required");
    whet_import_own(n, NULL, WHET_VALUES(whet_import_in(n, 0), starts, ends,
                                         whet_import_ints_constant(n, "axes")));
}

void whet_import_split_2(whet_import_node *n) {
    whet_value *split = whet_import_ints_constant(n, "split");
    if (!split) split = whet_import_in(n, 1);
    whet_import_own(n, NULL, WHET_VALUES(whet_import_in(n, 0), split));
}

// Of one axis; both numbers may be computed. repeats are 1 elsewhere.
void whet_import_tile_1(whet_import_node *n) {
    static const int64_t one = 1;
    whet_value *x = whet_import_in(n, 0), *in[2];
    int32_t rank = whet_import_rank_known(n, x, "the input");
    int64_t each[WHET_MAX_RANK];
    if (rank < 0) return;
    for (int32_t i = 0; i < rank; i++) each[i] = i;
    for (int32_t i = 0; i < 2; i++) {
        in[i] = whet_import_in(n, 1 + i);
        if (!in[i]) whet_import_fail(n, WHET_E_MODEL, "tiles and axis are required");
        if (!in[i]) return;
        in[i] = whet_import_emit(n, "cast", WHET_SETS({"to", .number = WHET_DTYPE_I64}),
                                 WHET_VALUES(in[i]));
        in[i] = whet_import_emit(n, "reshape", NULL,
                                 WHET_VALUES(in[i], whet_import_i64(n, &one, 1)));
    }
    whet_value *unit = whet_import_i64(n, &one, 1);
    whet_value *here = whet_import_emit(n, "equal", NULL,
                                        WHET_VALUES(whet_import_i64(n, each, rank), in[1]));
    whet_import_own(n, NULL,
                    WHET_VALUES(x, whet_import_emit(n, "where", NULL,
                                                    WHET_VALUES(here, in[0], unit))));
}

// ---- other defaults and spellings of attributes ----

void whet_import_concat_1(whet_import_node *n) {
    int64_t axis = whet_import_int(n, "axis", 1);
    whet_import_own(n, WHET_SETS({"axis", .number = (double)axis}), n->in, n->n_in);
}

void whet_import_selu_1(whet_import_node *n) {
    float alpha = whet_import_float(n, "alpha", 1.6732f);
    float gamma = whet_import_float(n, "gamma", 1.0507f);
    whet_import_own(n, WHET_SETS({"alpha", .number = alpha}, {"gamma", .number = gamma}), n->in,
                    n->n_in);
}

// The type is given by its name.
void whet_import_cast_1(whet_import_node *n) {
    const char *to = whet_import_string(n, "to", "");
    int32_t type = 1;
    while (type < 32 && strcmp(whet_onnx_dtype_text(type), to)) type++;
    if (!whet_dtype_known(type)) {
        whet_import_fail(n, WHET_E_UNSUPPORTED, "attribute 'to': type '%s' is not supported", to);
        return;
    }
    whet_import_own(n, WHET_SETS({"to", .number = type}), n->in, n->n_in);
}

// (sum |x|^p)^(1/p) as the average, over all taps, times their number.
static void power_pool(whet_import_node *n, double p, const whet_ints *kernel) {
    whet_value *x = whet_import_in(n, 0), *y;
    whet_dtype dtype = x ? x->type.dtype : WHET_DTYPE_F32;
    double area = 1;
    for (int32_t i = 0; i < kernel->n; i++) area *= (double)kernel->v[i];
    whet_value *exponent = whet_import_scalar(n, dtype, p);
    y = whet_import_emit(n, "abs", NULL, WHET_VALUES(x));
    y = whet_import_emit(n, "pow", NULL, WHET_VALUES(y, exponent));
    y = whet_import_emit_table(n, "average_pool", WHET_SETS({"count_include_pad", .number = 1}),
                               &y, 1);
    y = whet_import_emit(n, "mul", NULL, WHET_VALUES(y, whet_import_scalar(n, dtype, area)));
    y = whet_import_emit(n, "pow", NULL, WHET_VALUES(y, whet_import_scalar(n, dtype, 1 / p)));
    whet_import_result(n, 0, y);
}

// (sum |x|^p)^(1/p) over all spatial dimensions.
static void power_global(whet_import_node *n, double p) {
    whet_value *x = whet_import_in(n, 0), *y;
    whet_dtype dtype = x ? x->type.dtype : WHET_DTYPE_F32;
    int64_t axes[WHET_MAX_RANK];
    int32_t rank = whet_import_rank_known(n, x, "the input");
    if (rank < 3) return;
    for (int32_t i = 2; i < rank; i++) axes[i - 2] = i;
    y = whet_import_emit(n, "abs", NULL, WHET_VALUES(x));
    y = whet_import_emit(n, "pow", NULL, WHET_VALUES(y, whet_import_scalar(n, dtype, p)));
    y = whet_import_emit(n, "reduce_sum", WHET_SETS({"keepdims", .number = 1}),
                         WHET_VALUES(y, whet_import_i64(n, axes, rank - 2)));
    y = whet_import_emit(n, "pow", NULL, WHET_VALUES(y, whet_import_scalar(n, dtype, 1 / p)));
    whet_import_result(n, 0, y);
}

// p is a float there, and kernel_shape need not be given.
void whet_import_lp_pool_1(whet_import_node *n) {
    float p = whet_import_float(n, "p", 2);
    whet_ints kernel = {NULL, 0};
    bool global = strcmp(n->op->name, "lp_pool") != 0;
    if (!(p > 0 && p < 0x1p24f)) {
        whet_import_fail(n, WHET_E_RANGE, "p is %g", p);
    } else if (!global && !whet_import_ints(n, "kernel_shape", &kernel)) {
        whet_import_fail(n, WHET_E_MODEL, "kernel_shape must be given");
    } else if (floorf(p) == p) {
        whet_import_own(n, WHET_SETS({"p", .number = p}), n->in, n->n_in);
    } else if (global) {
        power_global(n, (double)p);
    } else {
        power_pool(n, (double)p, &kernel);
    }
}

void whet_import_rnn_1(whet_import_node *n) {
    whet_import_ignore(n, "output_sequence"); // only says whether Y is given
    whet_import_own(n, NULL, n->in, n->n_in);
}

void whet_import_top_k_1(whet_import_node *n) {
    const whet_onnx_attr *k = whet_import_attr_of(n, "k", WHET_ONNX_INT);
    if (!k) whet_import_fail(n, WHET_E_MODEL, "the required attribute 'k' is missing");
    whet_import_own(n, NULL,
                    WHET_VALUES(whet_import_in(n, 0), k ? whet_import_i64(n, &k->i, 1) : NULL));
}

void whet_import_pad_2(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    whet_value *pads = whet_import_ints_constant(n, n->version < 2 ? "paddings" : "pads");
    float value = whet_import_float(n, "value", 0);
    if (!pads || !x) {
        whet_import_fail(n, WHET_E_MODEL, "the input and the attribute of paddings are required");
        return;
    }
    whet_import_own(n, NULL,
                    WHET_VALUES(x, pads, whet_import_scalar(n, x->type.dtype, value)));
}

// ---- resizing before opset 11: in - index / scale, no roi ----

static void old_resize(whet_import_node *n, whet_value *scales) {
    const char *mode = whet_import_string(n, "mode", "nearest");
    if (!strcmp(mode, "bilinear")) mode = "linear";
    whet_value *v = whet_import_emit(
        n, "resize",
        WHET_SETS({"coordinate_transformation_mode", .text = "asymmetric"},
                  {"nearest_mode", .text = "simple"}, {"mode", .text = mode}),
        WHET_VALUES(whet_import_in(n, 0), NULL, scales));
    whet_import_result(n, 0, v);
}

void whet_import_upsample_9(whet_import_node *n) { old_resize(n, whet_import_in(n, 1)); }

void whet_import_upsample_7(whet_import_node *n) {
    const whet_onnx_attr *a = whet_import_attr_of(n, "scales", WHET_ONNX_FLOATS);
    float four[4] = {1, 1, whet_import_float(n, "height_scale", 1),
                     whet_import_float(n, "width_scale", 1)};
    whet_tensor t = {WHET_DTYPE_F32, 1, {a ? a->floats.n : 4},
                     (void *)(uintptr_t)(a ? a->floats.v : four), 0};
    if (!a && n->version >= 7)
        whet_import_fail(n, WHET_E_MODEL, "the required attribute 'scales' is missing");
    old_resize(n, whet_import_constant(n, &t, true));
}

void whet_import_roi_align_10(whet_import_node *n) {
    whet_import_own(n, WHET_SETS({"coordinate_transformation_mode", .text = "output_half_pixel"}),
                    n->in, n->n_in);
}

// ---- softmax before opset 13: over all dimensions from `axis` on, as if they were one ----

void whet_import_softmax_1(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    int64_t axis = whet_import_int(n, "axis", 1);
    int32_t rank = whet_import_rank_known(n, x, "the input");
    if (rank < 0) return;
    int32_t at = rank ? whet_import_axis(n, axis, rank) : 0;
    if (at >= rank - 1) {
        whet_import_own(n, WHET_SETS({"axis", .number = -1}), n->in, n->n_in);
        return;
    }
    whet_value *flat = whet_import_emit(n, "flatten", WHET_SETS({"axis", .number = at}),
                                        WHET_VALUES(x));
    whet_value *y = whet_import_emit(n, n->op->name, WHET_SETS({"axis", .number = -1}),
                                     WHET_VALUES(flat));
    whet_value *shape = whet_import_emit(n, "shape", NULL, WHET_VALUES(x));
    whet_import_result(n, 0, whet_import_emit(n, "reshape", WHET_SETS({"allowzero", .number = 1}),
                                              WHET_VALUES(y, shape)));
}

// The axis was an attribute.
void whet_import_dft_17(whet_import_node *n) {
    int64_t axis = whet_import_int(n, "axis", 1);
    whet_import_own(n, NULL, WHET_VALUES(whet_import_in(n, 0), whet_import_in(n, 1),
                                         whet_import_i64(n, &axis, -1)));
}
