// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: operators that scale, fill in, threshold and pick features, made of general ones.
#include <math.h>
#include <string.h>

#include "onnx/ml.h"

// A constant that is one number or one a feature of x, of that type; NULL after a failure.
static whet_value *per_feature(whet_import_node *n, const char *what, const double *v,
                               int64_t count, whet_dtype dtype) {
    whet_tensor t = {.dtype = dtype, .rank = count == 1 ? 0 : 1, .dims = {count}};
    const whet_value *x = whet_import_in(n, 0);
    int32_t rank = whet_import_rank(x);
    whet_dim last = rank > 0 ? x->type.dims[rank - 1] : WHET_DIM_ERROR;
    if (count > 1 && whet_dim_is_const(last) && last != count) {
        whet_import_fail(n, WHET_E_MODEL, "%s has %lld elements for %lld features", what,
                         (long long)count, (long long)last);
        return NULL;
    }
    t.data = whet_arena_array(n->imp->arena, (size_t)count, 8);
    if (!t.data) n->failed = !whet_import_nomem(n->imp);
    if (n->failed) return NULL;
    whet_store_f64_array(t.data, dtype, v, count);
    return whet_import_helper(n, &t);
}

static whet_value *floats_per_feature(whet_import_node *n, const char *name) {
    whet_ml_numbers v = whet_ml_floats(n, name, false);
    return v.n ? per_feature(n, name, v.v, v.n, WHET_DTYPE_F32) : NULL;
}

static whet_value *input(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    if (!x) whet_import_fail(n, WHET_E_MODEL, "input X is missing");
    return x;
}

// (x - offset) scale
void whet_import_scaler(whet_import_node *n) {
    whet_value *x = whet_ml_cast(n, input(n), WHET_DTYPE_F32), *y = x;
    whet_value *offset = floats_per_feature(n, "offset"), *scale = floats_per_feature(n, "scale");
    if (offset) y = whet_import_emit(n, "sub", NULL, WHET_VALUES(y, offset));
    if (scale) y = whet_import_emit(n, "mul", NULL, WHET_VALUES(y, scale));
    whet_import_result(n, 0, y == x ? whet_ml_apply(n, "identity", x) : y);
}

// Rows over their greatest element, sum of absolute values, or length, where that is not 0.
void whet_import_normalizer(whet_import_node *n) {
    static const char *const norms[] = {"MAX", "L1", "L2", NULL};
    static const char *const ops[] = {"reduce_max", "reduce_l1", "reduce_l2"};
    int32_t norm = whet_ml_choice(n, "norm", "MAX", norms);
    whet_value *x = whet_ml_cast(n, input(n), WHET_DTYPE_F32);
    int64_t axis = -1;
    whet_value *size = whet_import_emit(n, ops[norm], NULL,
                                        WHET_VALUES(x, whet_import_i64(n, &axis, 1)));
    whet_value *zero = whet_ml_with(n, "equal", size, 0);
    size = whet_import_emit(
        n, "where", NULL, WHET_VALUES(zero, whet_import_scalar(n, WHET_DTYPE_F32, 1), size));
    whet_import_result(n, 0, whet_import_emit(n, "div", NULL, WHET_VALUES(x, size)));
}

// Doubles of an attribute of integers.
static whet_ml_numbers whole(whet_import_node *n, const char *name) {
    whet_ints v;
    whet_import_ints(n, name, &v);
    double *d = whet_arena_array(n->imp->arena, (size_t)v.n + 1, sizeof *d);
    if (!d) n->failed = !whet_import_nomem(n->imp);
    for (int32_t i = 0; d && i < v.n; i++) d[i] = (double)v.v[i];
    return (whet_ml_numbers){d, d ? v.n : 0, false};
}

void whet_import_imputer(whet_import_node *n) {
    whet_value *x = input(n), *missing;
    whet_ml_numbers floats = whet_ml_floats(n, "imputed_value_floats", false);
    whet_ml_numbers ints = whole(n, "imputed_value_int64s");
    double old_float = (double)whet_import_float(n, "replaced_value_float", 0);
    double old_int = (double)whet_import_int(n, "replaced_value_int64", 0);
    if (n->failed) return;
    whet_dtype dtype = x->type.dtype;
    bool is_float = whet_dtype_is_float(dtype), use_floats = ints.n ? is_float && floats.n : true;
    double old = use_floats ? old_float : old_int;
    whet_ml_numbers fresh = use_floats ? floats : ints;
    if (!fresh.n) {
        whet_import_fail(n, WHET_E_MODEL, "it has no imputed values");
        return;
    }
    if (isnan(old) && is_float) missing = whet_ml_apply(n, "is_nan", x);
    else missing = whet_ml_with(n, "equal", x, old);
    whet_value *v = per_feature(n, "imputed_value", fresh.v, fresh.n, dtype);
    whet_import_result(n, 0, whet_import_emit(n, "where", NULL, WHET_VALUES(missing, v, x)));
}

// x > threshold; among integers that is x > floor(threshold).
void whet_import_binarizer(whet_import_node *n) {
    whet_value *x = input(n), *above;
    double threshold = (double)whet_import_float(n, "threshold", 0);
    if (n->failed) return;
    whet_dtype dtype = x->type.dtype;
    if (whet_dtype_is_float(dtype)) {
        above = whet_ml_with(n, "greater", x, threshold);
    } else {
        double end = ldexp(1, whet_dtype_bits(dtype) - 1), least = floor(threshold);
        if (isnan(threshold)) least = end;
        above = least < -end ? whet_ml_with(n, "greater_or_equal", x, -end)
                             : whet_ml_with(n, "greater", x, least);
    }
    whet_import_result(n, 0, whet_ml_cast(n, above, dtype));
}

// ---- picking and putting together ----

void whet_import_array_feature_extractor(whet_import_node *n) {
    whet_value *x = input(n), *index = whet_import_in(n, 1);
    int64_t flat = -1, zero = 0;
    int32_t rank = x ? whet_import_rank_known(n, x, "X") : -1;
    if (rank < 1 || !index) {
        if (!n->failed)
            whet_import_fail(n, WHET_E_MODEL, "it needs X of a dimension or more, and Y");
        return;
    }
    index = whet_import_emit(n, "reshape", NULL, WHET_VALUES(index, whet_import_i64(n, &flat, 1)));
    whet_value *y = whet_import_emit(n, "gather", WHET_SETS({"axis", .number = rank - 1}),
                                     WHET_VALUES(x, index));
    if (rank == 1)
        y = whet_import_emit(n, "unsqueeze", NULL, WHET_VALUES(y, whet_import_i64(n, &zero, 1)));
    whet_import_result(n, 0, y);
}

// Input i as f32 [n, width], cut or filled up with zeros to that width.
static whet_value *block_of(whet_import_node *n, int32_t i, int64_t width) {
    whet_value *x = whet_import_in(n, i);
    int32_t rank = x ? whet_import_rank_known(n, x, "X") : -1;
    if (rank < 1) {
        if (!n->failed) whet_import_fail(n, WHET_E_MODEL, "input %d has no dimensions", i);
        return NULL;
    }
    x = whet_ml_cast(n, x, WHET_DTYPE_F32);
    x = whet_import_emit(n, "flatten", WHET_SETS({"axis", .number = rank > 1 ? 1 : 0}),
                         WHET_VALUES(x));
    if (!x || width < 0 || x->type.dims[1] == width) return x;
    int64_t zero = 0, one = 1;
    x = whet_import_emit(n, "slice", NULL,
                         WHET_VALUES(x, whet_import_i64(n, &zero, 1),
                                     whet_import_i64(n, &width, 1), whet_import_i64(n, &one, 1)));
    whet_dim now = x ? x->type.dims[1] : width;
    if (now == width) return x;
    if (!whet_dim_is_const(now)) {
        whet_import_fail(n, WHET_E_UNSUPPORTED, "the number of features of input %d must be known",
                         i);
        return NULL;
    }
    int64_t pads[4] = {0, 0, 0, width - now};
    return whet_import_emit(n, "pad", NULL, WHET_VALUES(x, whet_import_i64(n, pads, 4)));
}

void whet_import_feature_vectorizer(whet_import_node *n) {
    whet_ints widths;
    whet_import_ints(n, "inputdimensions", &widths);
    whet_value **blocks = WHET_NEW_ARRAY(n->imp->arena, whet_value *, n->n_in + 1);
    if (!blocks) n->failed = !whet_import_nomem(n->imp);
    if (widths.n && widths.n != n->n_in)
        whet_import_fail(n, WHET_E_MODEL, "inputdimensions has %d elements for %d inputs",
                         widths.n, n->n_in);
    for (int32_t i = 0; i < n->n_in && !n->failed; i++) {
        if (widths.n && widths.v[i] < 1)
            whet_import_fail(n, WHET_E_MODEL, "inputdimensions[%d] is %lld", i,
                             (long long)widths.v[i]);
        blocks[i] = block_of(n, i, widths.n ? widths.v[i] : -1);
    }
    if (n->failed) return;
    whet_import_result(n, 0, whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 1}), blocks,
                                              n->n_in));
}
