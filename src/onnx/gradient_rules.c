// SPDX-License-Identifier: Apache-2.0
// Derivatives of single operators.
#include <math.h>
#include <string.h>

#include "onnx/gradient.h"
#include "ops/attrs.h"

#define PUSH whet_gradient_push
#define RULE(name) static void name##_rule(whet_tape *t, whet_node *f, whet_value *g)

static whet_value *op1(whet_tape *t, const char *op, whet_value *a) {
    return whet_import_emit(t->n, op, NULL, WHET_VALUES(a));
}
static whet_value *op2(whet_tape *t, const char *op, whet_value *a, whet_value *b) {
    return whet_import_emit(t->n, op, NULL, WHET_VALUES(a, b));
}
static whet_value *mul(whet_tape *t, whet_value *a, whet_value *b) { return op2(t, "mul", a, b); }
static whet_value *number(whet_tape *t, const whet_value *like, double v) {
    return whet_import_scalar(t->n, like ? like->type.dtype : WHET_DTYPE_F32, v);
}
static whet_value *cast(whet_tape *t, whet_value *v, whet_dtype dtype) {
    if (!v || v->type.dtype == dtype) return v;
    return whet_import_emit(t->n, "cast", WHET_SETS({"to", .number = dtype}), WHET_VALUES(v));
}

// ---- two inputs ----

RULE(add) {
    PUSH(t, f->in[0], g);
    PUSH(t, f->in[1], g);
}
RULE(sub) {
    PUSH(t, f->in[0], g);
    PUSH(t, f->in[1], op1(t, "neg", g));
}
RULE(mul) {
    PUSH(t, f->in[0], mul(t, g, f->in[1]));
    PUSH(t, f->in[1], mul(t, g, f->in[0]));
}
RULE(div) {
    whet_value *by = op2(t, "div", g, f->in[1]);
    PUSH(t, f->in[0], by);
    PUSH(t, f->in[1], op1(t, "neg", mul(t, by, f->out[0])));
}
RULE(pow) {
    whet_value *x = f->in[0], *y = f->in[1];
    whet_value *e = cast(t, y, x->type.dtype), *less = op2(t, "sub", e, number(t, e, 1));
    PUSH(t, x, mul(t, mul(t, g, e), op2(t, "pow", x, less)));
    if (y->id >= t->n_values || !t->depends[y->id]) return;
    PUSH(t, y, cast(t, mul(t, mul(t, g, f->out[0]), op1(t, "log", x)), y->type.dtype));
}
RULE(where) {
    whet_value *zero = number(t, g, 0);
    PUSH(t, f->in[1], whet_import_emit(t->n, "where", NULL, WHET_VALUES(f->in[0], g, zero)));
    PUSH(t, f->in[2], whet_import_emit(t->n, "where", NULL, WHET_VALUES(f->in[0], zero, g)));
}

// ---- one input ----

RULE(identity) { PUSH(t, f->in[0], g); }
RULE(neg) { PUSH(t, f->in[0], op1(t, "neg", g)); }
RULE(exp) { PUSH(t, f->in[0], mul(t, g, f->out[0])); }
RULE(log) { PUSH(t, f->in[0], op2(t, "div", g, f->in[0])); }
RULE(sin) { PUSH(t, f->in[0], mul(t, g, op1(t, "cos", f->in[0]))); }
RULE(cos) { PUSH(t, f->in[0], op1(t, "neg", mul(t, g, op1(t, "sin", f->in[0])))); }
RULE(abs) { PUSH(t, f->in[0], mul(t, g, op1(t, "sign", f->in[0]))); }
RULE(softplus) { PUSH(t, f->in[0], mul(t, g, op1(t, "sigmoid", f->in[0]))); }
RULE(cast) { PUSH(t, f->in[0], cast(t, g, f->in[0]->type.dtype)); }
RULE(sqrt) {
    PUSH(t, f->in[0], op2(t, "div", mul(t, g, number(t, g, 0.5)), f->out[0]));
}
RULE(reciprocal) {
    PUSH(t, f->in[0], op1(t, "neg", mul(t, g, mul(t, f->out[0], f->out[0]))));
}
RULE(tanh) {
    whet_value *y = f->out[0];
    PUSH(t, f->in[0], mul(t, g, op2(t, "sub", number(t, y, 1), mul(t, y, y))));
}
RULE(sigmoid) {
    whet_value *y = f->out[0];
    PUSH(t, f->in[0], mul(t, g, mul(t, y, op2(t, "sub", number(t, y, 1), y))));
}
RULE(relu) {
    whet_value *on = op2(t, "greater", f->in[0], number(t, f->in[0], 0));
    PUSH(t, f->in[0],
         whet_import_emit(t->n, "where", NULL, WHET_VALUES(on, g, number(t, g, 0))));
}
RULE(erf) {
    whet_value *x = f->in[0], *e = op1(t, "exp", op1(t, "neg", mul(t, x, x)));
    PUSH(t, x, mul(t, g, mul(t, e, number(t, e, 2 / sqrt(acos(-1))))));
}

// ---- the same elements in another shape ----

RULE(reshape) {
    whet_value *shape = op1(t, "shape", f->in[0]);
    PUSH(t, f->in[0], whet_import_emit(t->n, "reshape", WHET_SETS({"allowzero", .number = 1}),
                                       WHET_VALUES(g, shape)));
}
RULE(transpose) {
    const whet_transpose_attrs *a = f->attrs;
    int64_t back[WHET_MAX_RANK] = {0};
    if (a->perm.v && a->perm.n != f->in[0]->type.rank) {
        whet_import_fail(t->n, WHET_E_UNSUPPORTED, "the rank of what %s turns must be known",
                         f->op->name);
        return;
    }
    for (int32_t i = 0; i < a->perm.n; i++) back[a->perm.v[i]] = i;
    if (!a->perm.v) PUSH(t, f->in[0], op1(t, "transpose", g));
    else
        PUSH(t, f->in[0],
             whet_import_emit(t->n, "transpose", WHET_SETS({"perm", .ints = {back, a->perm.n}}),
                              WHET_VALUES(g)));
}

// ---- sums ----

// The gradient of a sum in the shape of what was summed.
static whet_value *spread(whet_tape *t, const whet_node *f, whet_value *g) {
    const whet_reduce_attrs *a = f->attrs;
    whet_value *axes = f->n_in > 1 ? f->in[1] : NULL;
    if (axes && a->noop_with_empty_axes) {
        whet_import_fail(t->n, WHET_E_UNSUPPORTED,
                         "the derivative of %s with noop_with_empty_axes is not supported",
                         f->op->name);
        return NULL;
    }
    if (axes && !a->keepdims) g = op2(t, "unsqueeze", g, axes);
    return op2(t, "expand", g, op1(t, "shape", f->in[0]));
}
RULE(reduce_sum) { PUSH(t, f->in[0], spread(t, f, g)); }
RULE(reduce_mean) {
    whet_value *count = op2(t, "div", op1(t, "size", f->in[0]), op1(t, "size", f->out[0]));
    PUSH(t, f->in[0], op2(t, "div", spread(t, f, g), cast(t, count, g->type.dtype)));
}
static whet_value *sum_along(whet_tape *t, whet_value *v, int64_t axis) {
    return whet_import_emit(t->n, "reduce_sum", WHET_SETS({"keepdims", .number = 1}),
                            WHET_VALUES(v, whet_import_i64(t->n, &axis, 1)));
}
RULE(softmax) {
    const whet_softmax_attrs *a = f->attrs;
    whet_value *y = f->out[0], *sum = sum_along(t, mul(t, g, y), a->axis);
    PUSH(t, f->in[0], mul(t, y, op2(t, "sub", g, sum)));
}
RULE(log_softmax) {
    const whet_softmax_attrs *a = f->attrs;
    whet_value *sum = sum_along(t, g, a->axis);
    PUSH(t, f->in[0], op2(t, "sub", g, mul(t, op1(t, "exp", f->out[0]), sum)));
}

// ---- products ----

static whet_value *product(whet_tape *t, whet_value *a, whet_value *b, bool trans_a, bool trans_b,
                           double alpha) {
    return whet_import_emit(t->n, "matmul",
                            WHET_SETS({"transA", .number = trans_a}, {"transB", .number = trans_b},
                                      {"alpha", .number = alpha}),
                            WHET_VALUES(a, b));
}

// Of alpha A' B', both of two dimensions at least; ' transposes where it is said.
static void push_product(whet_tape *t, const whet_node *f, whet_value *g, bool trans_a,
                         bool trans_b, double alpha) {
    whet_value *a = f->in[0], *b = f->in[1];
    if (a->type.rank < 2 || b->type.rank < 2) {
        whet_import_fail(t->n, WHET_E_UNSUPPORTED,
                         "the derivative of %s is supported from two dimensions on", f->op->name);
        return;
    }
    PUSH(t, a, trans_a ? product(t, b, g, trans_b, true, alpha)
                       : product(t, g, b, false, !trans_b, alpha));
    PUSH(t, b, trans_b ? product(t, g, a, true, trans_a, alpha)
                       : product(t, a, g, !trans_a, false, alpha));
}
RULE(matmul) {
    const whet_matmul_attrs *a = f->attrs;
    push_product(t, f, g, a->trans_a, a->trans_b, (double)a->alpha);
    if (f->n_in > 2) PUSH(t, f->in[2], g);
}
RULE(gemm) {
    const whet_gemm_attrs *a = f->attrs;
    push_product(t, f, g, a->trans_a, a->trans_b, (double)a->alpha);
    if (f->n_in > 2) PUSH(t, f->in[2], mul(t, g, number(t, g, (double)a->beta)));
}

whet_gradient_rule whet_gradient_rule_find(const char *op) {
    static const struct {
        const char *op;
        whet_gradient_rule rule;
    } rows[] = {
#define ROW(name) {#name, name##_rule},
        ROW(abs) ROW(add) ROW(cast) ROW(cos) ROW(div) ROW(erf) ROW(exp) ROW(gemm) ROW(identity)
        ROW(log) ROW(log_softmax) ROW(matmul) ROW(mul) ROW(neg) ROW(pow) ROW(reciprocal)
        ROW(reduce_mean) ROW(reduce_sum) ROW(relu) ROW(reshape) ROW(sigmoid) ROW(sin) ROW(softmax)
        ROW(softplus) ROW(sqrt) ROW(sub) ROW(tanh) ROW(transpose) ROW(where)
#undef ROW
        {"expand", identity_rule}, {"flatten", reshape_rule}, {"squeeze", reshape_rule},
        {"unsqueeze", reshape_rule},
    };
    for (int32_t i = 0; i < WHET_COUNT(rows); i++)
        if (!strcmp(rows[i].op, op)) return rows[i].rule;
    return NULL;
}
