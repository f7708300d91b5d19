// SPDX-License-Identifier: Apache-2.0
// Constant, which is no operator here, and operators that change their form by their inputs.
#include <float.h>
#include <math.h>
#include <string.h>

#include "onnx/importer.h"
#include "onnx/onnx_tensor.h"

static void from_tensor(whet_import_node *n, whet_span span) {
    whet_importer *imp = n->imp;
    whet_onnx_tensor t;
    whet_tensor data;
    whet_status status = whet_onnx_tensor_read(&imp->reader, span, &t);
    if (status != WHET_OK) {
        whet_import_fail(n, status, "%s", imp->reader.w.err->text);
        imp->stopped = true; // the reader does not go on after a failure
        return;
    }
    status = whet_onnx_tensor_load(&t, imp->arena, &imp->import->external, &data, imp->err);
    if (status != WHET_OK) whet_import_fail(n, status, "%s", imp->err->text);
    else whet_import_result(n, 0, whet_import_constant(n, &data, false));
}

static void from_sparse(whet_import_node *n, whet_span span) {
    whet_importer *imp = n->imp;
    whet_onnx_sparse t;
    whet_tensor data;
    whet_status status = whet_onnx_sparse_read(&imp->reader, span, &t);
    if (status != WHET_OK) {
        whet_import_fail(n, status, "%s", imp->reader.w.err->text);
        imp->stopped = true;
        return;
    }
    status = whet_onnx_sparse_load(&t, imp->arena, &imp->import->external, &imp->sparse_room, &data,
                                   imp->err);
    if (status != WHET_OK) whet_import_fail(n, status, "%s", imp->err->text);
    else whet_import_result(n, 0, whet_import_constant(n, &data, false));
}

static void from_array(whet_import_node *n, whet_dtype dtype, int32_t rank, int64_t count,
                       const void *v) {
    whet_tensor t = {dtype, rank, {count}, (void *)(uintptr_t)v, 0};
    whet_import_result(n, 0, whet_import_constant(n, &t, true));
}

static void from_texts(whet_import_node *n, int32_t rank, const whet_span *v, int32_t count) {
    whet_text *texts = WHET_NEW_ARRAY(n->imp->graph->arena, whet_text, count);
    for (int32_t i = 0; texts && i < count; i++)
        texts[i] = (whet_text){(const char *)v[i].data, v[i].size};
    whet_tensor t = {WHET_DTYPE_STRING, rank, {count}, texts, 0};
    if (texts) whet_import_result(n, 0, whet_import_constant(n, &t, false));
    else whet_import_nomem(n->imp);
}

void whet_import_constant_op(whet_import_node *n) {
    if (n->onnx->n_attrs != 1) {
        whet_import_fail(n, WHET_E_MODEL, "a Constant has one attribute, this one %d",
                         n->onnx->n_attrs);
        return;
    }
    const char *name = n->onnx->attrs[0].name;
    const whet_onnx_attr *a;
    if (!strcmp(name, "value") && (a = whet_import_attr_of(n, name, WHET_ONNX_TENSOR)))
        from_tensor(n, a->t);
    else if (!strcmp(name, "sparse_value") &&
             (a = whet_import_attr_of(n, name, WHET_ONNX_SPARSE_TENSOR)))
        from_sparse(n, a->sparse);
    else if (!strcmp(name, "value_int") && (a = whet_import_attr_of(n, name, WHET_ONNX_INT)))
        from_array(n, WHET_DTYPE_I64, 0, 0, &a->i);
    else if (!strcmp(name, "value_float") && (a = whet_import_attr_of(n, name, WHET_ONNX_FLOAT)))
        from_array(n, WHET_DTYPE_F32, 0, 0, &a->f);
    else if (!strcmp(name, "value_ints") && (a = whet_import_attr_of(n, name, WHET_ONNX_INTS)))
        from_array(n, WHET_DTYPE_I64, 1, a->ints.n, a->ints.v);
    else if (!strcmp(name, "value_floats") && (a = whet_import_attr_of(n, name, WHET_ONNX_FLOATS)))
        from_array(n, WHET_DTYPE_F32, 1, a->floats.n, a->floats.v);
    else if (!strcmp(name, "value_string") && (a = whet_import_attr_of(n, name, WHET_ONNX_STRING)))
        from_texts(n, 0, &a->s, 1);
    else if (!strcmp(name, "value_strings") &&
             (a = whet_import_attr_of(n, name, WHET_ONNX_STRINGS)))
        from_texts(n, 1, a->strings, a->n_strings);
    else
        whet_import_fail(n, WHET_E_UNSUPPORTED, "constants given by '%s' are not supported", name);
}
// ---- operators with any number of inputs ----

// A chain of the two-input operator.
void whet_import_variadic(whet_import_node *n) {
    whet_value *v = whet_import_in(n, 0);
    if (n->n_in == 1) v = whet_import_emit(n, "identity", NULL, WHET_VALUES(v));
    for (int32_t i = 1; i < n->n_in; i++)
        v = whet_import_emit(n, n->op->name, NULL, WHET_VALUES(v, whet_import_in(n, i)));
    if (!n->n_in) whet_import_fail(n, WHET_E_MODEL, "it has no inputs");
    whet_import_result(n, 0, v);
}

// ---- clip with bounds as inputs ----

// The largest finite number of a type, which absent bounds are; NAN when float does not hold it.
static float largest(whet_dtype dtype) {
    switch (dtype) {
    case WHET_DTYPE_F32: return FLT_MAX;
    case WHET_DTYPE_F16: return 65504;
    case WHET_DTYPE_BF16: return 0x1.fep127f;
    default: return NAN;
    }
}

// Whether the bound is a number that the float attribute holds exactly.
static bool float_bound(const whet_value *v, float *bound) {
    double d;
    if (!v) return !isnan(*bound);
    if (!whet_value_scalar(v, &d) || (double)(float)d != d) return false;
    *bound = (float)d;
    return true;
}

void whet_import_clip(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0);
    float hi = x ? largest(x->type.dtype) : NAN, lo = -hi;
    bool plain = x && whet_dtype_is_float(x->type.dtype) &&
                 float_bound(whet_import_in(n, 1), &lo) && float_bound(whet_import_in(n, 2), &hi);
    if (!plain) {
        whet_import_own(n, NULL, n->in, n->n_in);
        return;
    }
    whet_value *y = whet_import_emit(
        n, "clip", WHET_SETS({"min", .number = lo}, {"max", .number = hi}), WHET_VALUES(x));
    whet_import_result(n, 0, y);
}

// ---- range ----

// Numbers are computed in double, which is wider than any stash_type asks for.
void whet_import_range_27(whet_import_node *n) {
    whet_import_ignore(n, "stash_type");
    whet_import_own(n, NULL, n->in, n->n_in);
}

// ---- dropout ----

// Before opset 7 an attribute tells; then nothing does until opset 12, where an input may.
static bool may_train(whet_import_node *n) {
    double training = 0, ratio = 0.5;
    if (n->version < 7) return whet_import_int(n, "is_test", 0) == 0;
    whet_value *mode = whet_import_in(n, 2), *rate = whet_import_in(n, 1);
    if (mode && !whet_value_scalar(mode, &training)) training = 1;
    if (rate && !whet_value_scalar(rate, &ratio)) ratio = 0.5;
    return training != 0 && ratio != 0; // a ratio of 0 drops nothing
}

static whet_value *whole_mask(whet_import_node *n, whet_value *x) {
    static const uint64_t one = 1;
    whet_tensor t = {WHET_DTYPE_BOOL, 1, {1}, (void *)(uintptr_t)&one, 1};
    whet_value *shape = whet_import_emit(n, "shape", NULL, WHET_VALUES(x));
    return whet_import_emit(n, "constant_of_shape", WHET_SETS({"value", .tensor = &t}),
                            WHET_VALUES(shape));
}

// Where it does not train the input goes through and the mask is true everywhere.
void whet_import_dropout(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *out[2] = {x, NULL};
    bool attribute = n->version < 12, wants = whet_import_wants(n, 1);
    float ratio = attribute ? whet_import_float(n, "ratio", 0.5f) : 0;
    if (!may_train(n)) {
        whet_import_ignore(n, "seed");
        out[0] = whet_import_emit(n, "identity", NULL, WHET_VALUES(x));
        if (wants) out[1] = whole_mask(n, x);
    } else if (!attribute) {
        whet_import_own(n, NULL, n->in, n->n_in);
        return;
    } else {
        whet_value *rate = whet_import_scalar(n, WHET_DTYPE_F32, (double)ratio);
        whet_value *yes = whet_import_scalar(n, WHET_DTYPE_BOOL, 1);
        whet_import_emit_many(n, "dropout", NULL, WHET_VALUES(x, rate, yes), out, 2);
    }
    // before opset 10 the mask has the type of the data
    if (n->version < 10 && wants && x)
        out[1] = whet_import_emit(n, "cast", WHET_SETS({"to", .number = x->type.dtype}),
                                  WHET_VALUES(out[1]));
    whet_import_result(n, 0, out[0]);
    if (wants) whet_import_result(n, 1, out[1]);
}
