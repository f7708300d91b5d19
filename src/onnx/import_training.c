// SPDX-License-Identifier: Apache-2.0
// Steps of optimizers (domain ai.onnx.preview.training) and batch normalization that trains, as
// arithmetic. An optimizer's inputs are the rate, the count of updates, then all tensors X, all
// gradients G and all states; its results all new X and all new states.
#include <string.h>

#include "onnx/importer.h"

static whet_value *op2(whet_import_node *n, const char *op, whet_value *a, whet_value *b) {
    return whet_import_emit(n, op, NULL, WHET_VALUES(a, b));
}
static whet_value *op1(whet_import_node *n, const char *op, whet_value *a) {
    return whet_import_emit(n, op, NULL, WHET_VALUES(a));
}
static whet_value *cast(whet_import_node *n, whet_value *v, whet_dtype dtype) {
    if (!v || v->type.dtype == dtype) return v;
    return whet_import_emit(n, "cast", WHET_SETS({"to", .number = dtype}), WHET_VALUES(v));
}
static whet_value *number(whet_import_node *n, const whet_value *like, double v) {
    return whet_import_scalar(n, like ? like->type.dtype : WHET_DTYPE_F32, v);
}
// v times a number
static whet_value *scaled(whet_import_node *n, whet_value *v, double by) {
    return by == 1 ? v : op2(n, "mul", v, number(n, v, by));
}
static whet_value *plus(whet_import_node *n, whet_value *v, double add) {
    return add == 0 ? v : op2(n, "add", v, number(n, v, add));
}

// How many tensors are optimized, each with its gradient and `states` more; 0 and a problem when
// the inputs are no whole number of these.
static int32_t count(whet_import_node *n, int32_t states) {
    int32_t sets = states + 2, inputs = n->n_in - 2;
    if (inputs < sets || inputs % sets) {
        whet_import_fail(n, WHET_E_MODEL, "%d inputs are no whole number of tensors with gradients "
                         "and states", n->n_in);
        return 0;
    }
    for (int32_t i = 0; i < n->n_in; i++)
        if (!n->in[i]) return whet_import_fail(n, WHET_E_MODEL, "input %d is missing", i), 0;
    return inputs / sets;
}

// G + norm_coefficient X
static whet_value *regularized(whet_import_node *n, whet_value *x, whet_value *g, double norm) {
    return norm == 0 ? g : op2(n, "add", scaled(n, x, norm), g);
}

void whet_import_adagrad(whet_import_node *n) {
    double norm = (double)whet_import_float(n, "norm_coefficient", 0);
    double decay = (double)whet_import_float(n, "decay_factor", 0);
    double epsilon = (double)whet_import_float(n, "epsilon", 1e-6f);
    int32_t k = count(n, 1);
    if (!k) return;
    whet_value *t = plus(n, scaled(n, cast(n, n->in[1], WHET_DTYPE_F64), decay), 1);
    whet_value *rate = op2(n, "div", cast(n, n->in[0], WHET_DTYPE_F64), t);
    for (int32_t i = 0; i < k; i++) {
        whet_value *x = n->in[2 + i], *g = regularized(n, x, n->in[2 + k + i], norm);
        whet_value *h = op2(n, "add", n->in[2 + 2 * k + i], op2(n, "mul", g, g));
        whet_value *step = op2(n, "mul", cast(n, rate, x->type.dtype), g);
        step = op2(n, "div", step, plus(n, op1(n, "sqrt", h), epsilon));
        whet_import_result(n, i, op2(n, "sub", x, step));
        whet_import_result(n, k + i, h);
    }
}

// R sqrt(1 - beta^T) / (1 - alpha^T), and R in the first step
static whet_value *adam_rate(whet_import_node *n, double alpha, double beta) {
    whet_value *r = cast(n, n->in[0], WHET_DTYPE_F64), *t = cast(n, n->in[1], WHET_DTYPE_F64);
    whet_value *one = whet_import_scalar(n, WHET_DTYPE_F64, 1);
    whet_value *b = op2(n, "sub", one, op2(n, "pow", number(n, t, beta), t));
    whet_value *a = op2(n, "sub", one, op2(n, "pow", number(n, t, alpha), t));
    whet_value *later = op2(n, "greater", t, number(n, t, 0));
    whet_value *adjusted = op2(n, "div", op2(n, "mul", r, op1(n, "sqrt", b)), a);
    return whet_import_emit(n, "where", NULL, WHET_VALUES(later, adjusted, r));
}

void whet_import_adam(whet_import_node *n) {
    double norm = (double)whet_import_float(n, "norm_coefficient", 0);
    double post = (double)whet_import_float(n, "norm_coefficient_post", 0);
    double alpha = (double)whet_import_float(n, "alpha", 0.9f);
    double beta = (double)whet_import_float(n, "beta", 0.999f);
    double epsilon = (double)whet_import_float(n, "epsilon", 1e-6f);
    int32_t k = count(n, 2);
    if (!k) return;
    whet_value *rate = adam_rate(n, alpha, beta);
    for (int32_t i = 0; i < k; i++) {
        whet_value *x = n->in[2 + i], *g = regularized(n, x, n->in[2 + k + i], norm);
        whet_value *v = op2(n, "add", scaled(n, n->in[2 + 2 * k + i], alpha),
                            scaled(n, g, 1 - alpha));
        whet_value *h = op2(n, "add", scaled(n, n->in[2 + 3 * k + i], beta),
                            scaled(n, op2(n, "mul", g, g), 1 - beta));
        whet_value *step = op2(n, "mul", cast(n, rate, x->type.dtype), v);
        step = op2(n, "div", step, plus(n, op1(n, "sqrt", h), epsilon));
        whet_import_result(n, i, scaled(n, op2(n, "sub", x, step), 1 - post));
        whet_import_result(n, k + i, v);
        whet_import_result(n, 2 * k + i, h);
    }
}

void whet_import_momentum(whet_import_node *n) {
    double norm = (double)whet_import_float(n, "norm_coefficient", 0);
    double alpha = (double)whet_import_float(n, "alpha", 0);
    double beta = (double)whet_import_float(n, "beta", 0);
    const char *mode = whet_import_string(n, "mode", "");
    bool nesterov = !strcmp(mode, "nesterov");
    int32_t k = count(n, 1);
    if (!nesterov && strcmp(mode, "standard") != 0)
        whet_import_fail(n, WHET_E_UNSUPPORTED, "mode '%s' is neither standard nor nesterov", mode);
    if (!k) return;
    whet_value *t = cast(n, n->in[1], WHET_DTYPE_F64);
    whet_value *first = op2(n, "greater", t, number(n, t, 0));
    whet_value *factor = whet_import_emit(
        n, "where", NULL, WHET_VALUES(first, number(n, t, beta), number(n, t, 1)));
    for (int32_t i = 0; i < k; i++) {
        whet_value *x = n->in[2 + i], *g = regularized(n, x, n->in[2 + k + i], norm);
        whet_value *v = op2(n, "add", scaled(n, n->in[2 + 2 * k + i], alpha),
                            op2(n, "mul", cast(n, factor, x->type.dtype), g));
        whet_value *step = nesterov ? op2(n, "add", g, scaled(n, v, alpha)) : v;
        step = op2(n, "mul", cast(n, n->in[0], x->type.dtype), step);
        whet_import_result(n, i, op2(n, "sub", x, step));
        whet_import_result(n, k + i, v);
    }
}

// ---- batch normalization ----

static whet_value *flat(whet_import_node *n, whet_value *v) {
    static const int64_t all = -1;
    return op2(n, "reshape", v, whet_import_i64(n, &all, 1));
}

// Statistics of each activation instead of each channel: X as [n, rest].
static void flatten_inputs(whet_import_node *n, whet_value *in[5]) {
    in[0] = whet_import_emit(n, "flatten", WHET_SETS({"axis", .number = 1}), WHET_VALUES(in[0]));
    for (int32_t i = 1; i < 5; i++) in[i] = flat(n, in[i]);
}

static void set_like(whet_import_node *n, int32_t i, whet_value *v, whet_value *like, bool flat) {
    if (!whet_import_wants(n, i)) return;
    if (flat) v = op2(n, "reshape", v, op1(n, "shape", like));
    whet_import_result(n, i, v);
}

// Opset < 14: training is is_test = 0 (opset < 7) or the use of a result but the first. Results 1
// and 2 are the running statistics, 3 and 4 those of the batch.
void whet_import_batch_norm_1(whet_import_node *n) {
    bool flat = n->version < 9 && !whet_import_int(n, "spatial", 1), training = false;
    if (n->version < 7) training = !whet_import_int(n, "is_test", 0);
    for (int32_t i = 1; i < n->onnx->n_out; i++)
        training = training || whet_import_wants(n, i);
    double momentum = (double)whet_import_float(n, "momentum", 0.9f);
    double epsilon = (double)whet_import_float(n, "epsilon", 1e-5f);
    whet_value *in[5], *out[3] = {NULL}, *batch[3] = {NULL};
    for (int32_t i = 0; i < 5; i++) in[i] = whet_import_in(n, i);
    if (flat) flatten_inputs(n, in);
    whet_import_emit_many(n, "batch_norm",
                          WHET_SETS({"epsilon", .number = epsilon},
                                    {"momentum", .number = momentum},
                                    {"training_mode", .number = training}),
                          in, 5, out, training ? 3 : 1);
    if (whet_import_wants(n, 3) || whet_import_wants(n, 4))
        whet_import_emit_many(n, "batch_norm",
                              WHET_SETS({"momentum", .number = 0}, {"training_mode", .number = 1}),
                              in, 5, batch, 3);
    set_like(n, 0, out[0], whet_import_in(n, 0), flat);
    for (int32_t i = 1; i < 3; i++) {
        set_like(n, i, out[i], whet_import_in(n, 2 + i), flat);
        set_like(n, 2 + i, batch[i], whet_import_in(n, 2 + i), flat);
    }
}
