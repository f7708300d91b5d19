// SPDX-License-Identifier: Apache-2.0
#include "onnx/ml.h"

#include <string.h>

#include "onnx/onnx_tensor.h"

// ---- attributes ----

bool whet_ml_tensor(whet_import_node *n, const char *name, whet_tensor *tensor) {
    whet_importer *imp = n->imp;
    whet_onnx_tensor t;
    const whet_onnx_attr *a = whet_import_attr_of(n, name, WHET_ONNX_TENSOR);
    if (!a || n->failed) return false;
    whet_status status = whet_onnx_tensor_read(&imp->reader, a->t, &t);
    if (status != WHET_OK) {
        whet_import_fail(n, status, "%s", imp->reader.w.err->text);
        imp->stopped = true; // the reader does not go on after a failure
        return false;
    }
    status = whet_onnx_tensor_load(&t, imp->arena, &imp->import->external, tensor, imp->err);
    if (status != WHET_OK) whet_import_fail(n, status, "%s", imp->err->text);
    return status == WHET_OK;
}

static double *doubles(whet_import_node *n, int64_t count) {
    double *v = whet_arena_array(n->imp->arena, (size_t)count + 1, sizeof *v);
    if (!v) n->failed = !whet_import_nomem(n->imp);
    return v;
}

whet_ml_numbers whet_ml_floats(whet_import_node *n, const char *name, bool as_tensor) {
    const whet_onnx_attr *a = whet_import_attr_of(n, name, WHET_ONNX_FLOATS);
    whet_ml_numbers r = {0};
    whet_tensor t;
    const char *other = as_tensor ? whet_arena_printf(n->imp->arena, "%s_as_tensor", name) : NULL;
    if (other && whet_ml_tensor(n, other, &t) && whet_dims_count(t.dims, t.rank) > 0) {
        double *v = doubles(n, r.n = whet_dims_count(t.dims, t.rank));
        if (v) whet_load_f64_array(v, t.data, t.dtype, r.n);
        r.v = v;
        r.wide = t.dtype == WHET_DTYPE_F64;
    } else if (a && a->floats.n > 0) {
        double *v = doubles(n, r.n = a->floats.n);
        for (int64_t i = 0; v && i < r.n; i++) v[i] = (double)a->floats.v[i];
        r.v = v;
    }
    if (!r.v) r.n = 0;
    return r;
}

int32_t whet_ml_choice(whet_import_node *n, const char *name, const char *def,
                       const char *const *names) {
    const char *text = whet_import_string(n, name, def);
    for (int32_t i = 0; names[i]; i++)
        if (!strcmp(text, names[i])) return i;
    whet_import_fail(n, WHET_E_MODEL, "attribute '%s' has the unknown value %s", name, text);
    return 0;
}

// ---- making ----

whet_value *whet_ml_f32(whet_import_node *n, const double *v, int32_t rank, const int64_t *dims) {
    whet_tensor t = {.dtype = WHET_DTYPE_F32, .rank = rank};
    int64_t count = whet_dims_count(dims, rank);
    memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    float *f = whet_arena_array(n->imp->arena, (size_t)count, sizeof *f);
    if (!f) n->failed = !whet_import_nomem(n->imp);
    if (n->failed) return NULL;
    whet_store_f64_array(t.data = f, WHET_DTYPE_F32, v, count);
    return whet_import_helper(n, &t);
}

whet_value *whet_ml_i32(whet_import_node *n, const int32_t *v, int32_t rank, const int64_t *dims) {
    whet_tensor t = {.dtype = WHET_DTYPE_I32, .rank = rank, .data = (void *)(uintptr_t)v};
    memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    return whet_import_helper(n, &t);
}

whet_value *whet_ml_cast(whet_import_node *n, whet_value *v, whet_dtype dtype) {
    if (!v || v->type.dtype == dtype) return v;
    return whet_import_emit(n, "cast", WHET_SETS({"to", .number = dtype}), WHET_VALUES(v));
}

whet_value *whet_ml_rows(whet_import_node *n, whet_dtype dtype) {
    whet_value *x = whet_import_in(n, 0);
    int64_t zero = 0;
    if (!x) {
        whet_import_fail(n, WHET_E_MODEL, "input X is missing");
        return NULL;
    }
    int32_t rank = whet_import_rank_known(n, x, "X");
    if (rank != 1 && rank != 2) {
        whet_import_fail(n, WHET_E_SHAPE, "X has %d dimensions, it must be [n, features]", rank);
        return NULL;
    }
    x = whet_ml_cast(n, x, dtype);
    if (rank == 2) return x;
    return whet_import_emit(n, "unsqueeze", NULL, WHET_VALUES(x, whet_import_i64(n, &zero, 1)));
}

whet_value *whet_ml_with(whet_import_node *n, const char *op, whet_value *v, double number) {
    if (!v) return NULL;
    return whet_import_emit(n, op, NULL,
                            WHET_VALUES(v, whet_import_scalar(n, v->type.dtype, number)));
}

whet_value *whet_ml_apply(whet_import_node *n, const char *op, whet_value *v) {
    return whet_import_emit(n, op, NULL, WHET_VALUES(v));
}

whet_value *whet_ml_linear(whet_import_node *n, whet_value *x, whet_ml_numbers w, int64_t targets,
                           whet_ml_numbers intercepts) {
    if (targets < 1 || w.n < targets || w.n % targets) {
        whet_import_fail(n, WHET_E_MODEL, "%lld coefficients are not for %lld targets",
                         (long long)w.n, (long long)targets);
        return NULL;
    }
    if (intercepts.n && intercepts.n != targets) {
        whet_import_fail(n, WHET_E_MODEL, "%lld intercepts are not for %lld targets",
                         (long long)intercepts.n, (long long)targets);
        return NULL;
    }
    int64_t dims[2] = {targets, w.n / targets};
    whet_value *c = intercepts.n ? whet_ml_f32(n, intercepts.v, 1, &targets) : NULL;
    return whet_import_emit(n, "gemm", WHET_SETS({"transB", .number = 1}),
                            WHET_VALUES(x, whet_ml_f32(n, w.v, 2, dims), c));
}

// ---- scores ----

int32_t whet_ml_post_transform(whet_import_node *n) {
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT",
                                        NULL};
    return whet_ml_choice(n, "post_transform", "NONE", names);
}

static whet_value *reduce(whet_import_node *n, const char *op, whet_value *v) {
    int64_t axis = -1;
    return whet_import_emit(n, op, NULL, WHET_VALUES(v, whet_import_i64(n, &axis, 1)));
}

// Softmax over the scores that are not 0; those stay (almost) 0.
static whet_value *softmax_zero(whet_import_node *n, whet_value *x) {
    whet_value *top = reduce(n, "reduce_max", x);
    whet_value *any = whet_ml_with(n, "greater", whet_ml_apply(n, "abs", x), 1e-7);
    whet_value *e = whet_ml_apply(n, "exp", whet_import_emit(n, "sub", NULL, WHET_VALUES(x, top)));
    whet_value *rest = whet_import_emit(
        n, "mul", NULL, WHET_VALUES(x, whet_ml_apply(n, "exp", whet_ml_apply(n, "neg", top))));
    whet_value *mask = x ? whet_ml_cast(n, any, x->type.dtype) : NULL;
    whet_value *sum = reduce(n, "reduce_sum", whet_import_emit(n, "mul", NULL,
                                                               WHET_VALUES(e, mask)));
    whet_value *y = whet_import_emit(n, "where", NULL, WHET_VALUES(any, e, rest));
    return whet_import_emit(n, "div", NULL, WHET_VALUES(y, sum));
}

// The inverse of the normal distribution by Winitzki's approximation of the inverse of erf, as
// ONNX's reference and onnxruntime have it: with u = 2x - 1, l = ln(1 - u^2) and
// v = 2 / (pi 0.147) + l / 2, sign(u) sqrt(2) sqrt(sqrt(v^2 - l / 0.147) - v).
static whet_value *probit(whet_import_node *n, whet_value *x) {
    const double a = 0.147, pi = 3.14159;
    whet_value *u = whet_ml_with(n, "add", whet_ml_with(n, "mul", x, 2), -1);
    whet_value *both = whet_ml_with(
        n, "add", whet_ml_apply(n, "neg", whet_import_emit(n, "mul", NULL, WHET_VALUES(u, u))), 1);
    whet_value *l = whet_ml_apply(n, "log", both);
    whet_value *v = whet_ml_with(n, "add", whet_ml_with(n, "mul", l, 0.5), 2 / (pi * a));
    whet_value *square = whet_import_emit(n, "mul", NULL, WHET_VALUES(v, v));
    whet_value *under = whet_import_emit(n, "sub", NULL,
                                         WHET_VALUES(square, whet_ml_with(n, "mul", l, 1 / a)));
    whet_value *size = whet_import_emit(n, "sub", NULL,
                                        WHET_VALUES(whet_ml_apply(n, "sqrt", under), v));
    size = whet_ml_with(n, "mul", whet_ml_apply(n, "sqrt", size), 1.41421356);
    return whet_import_emit(n, "mul", NULL, WHET_VALUES(size, whet_ml_apply(n, "sign", u)));
}

whet_value *whet_ml_transform(whet_import_node *n, whet_value *scores, int32_t transform) {
    switch (transform) {
    case WHET_ML_SOFTMAX:
        return whet_import_emit(n, "softmax", WHET_SETS({"axis", .number = -1}),
                                WHET_VALUES(scores));
    case WHET_ML_LOGISTIC: return whet_ml_apply(n, "sigmoid", scores);
    case WHET_ML_SOFTMAX_ZERO: return softmax_zero(n, scores);
    case WHET_ML_PROBIT: return probit(n, scores);
    default: return scores;
    }
}

// ---- labels ----

whet_ml_labels whet_ml_labels_of(whet_import_node *n, const char *ints, const char *strings) {
    whet_ml_labels l = {0};
    whet_tensor t;
    if (!whet_ml_texts(n, strings, &t) && !whet_ml_int64s(n, ints, &t))
        whet_import_fail(n, WHET_E_MODEL, "it has no class labels");
    else
        l = (whet_ml_labels){whet_import_helper(n, &t), t.dims[0]};
    whet_import_ignore(n, ints);
    return l;
}

void whet_ml_label_result(whet_import_node *n, whet_ml_labels labels, whet_value *index) {
    whet_import_result(n, 0, whet_import_emit(n, "gather", NULL, WHET_VALUES(labels.v, index)));
}

whet_value *whet_ml_best(whet_import_node *n, whet_value *scores) {
    return whet_import_emit(n, "arg_max",
                            WHET_SETS({"axis", .number = 1}, {"keepdims", .number = 0}),
                            WHET_VALUES(scores));
}

whet_value *whet_ml_above(whet_import_node *n, whet_value *score, double threshold) {
    int64_t axis = 1;
    whet_value *yes = whet_ml_cast(n, whet_ml_with(n, "greater", score, threshold), WHET_DTYPE_I64);
    return whet_import_emit(n, "squeeze", NULL, WHET_VALUES(yes, whet_import_i64(n, &axis, 1)));
}

whet_value *whet_ml_two(whet_import_node *n, whet_value *score, bool complement,
                        int32_t transform) {
    if (transform == WHET_ML_LOGISTIC) complement = false;
    if (transform == WHET_ML_PROBIT) complement = true;
    whet_value *other = whet_ml_apply(n, "neg", score);
    if (complement) other = whet_ml_with(n, "add", other, 1);
    whet_value *both = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 1}),
                                        WHET_VALUES(other, score));
    bool apply = transform == WHET_ML_LOGISTIC || transform == WHET_ML_PROBIT;
    return apply ? whet_ml_transform(n, both, transform) : both;
}
