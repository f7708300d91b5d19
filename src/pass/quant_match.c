// SPDX-License-Identifier: Apache-2.0
#include "pass/quant_match.h"

#include <string.h>

static bool is_int8(const whet_value *v) {
    return v->type.dtype == WHET_DTYPE_U8 || v->type.dtype == WHET_DTYPE_I8;
}

static bool is_one(const whet_value *v) {
    return whet_value_is_const(v) && whet_value_count(v) == 1;
}

bool whet_dq_is_known(const whet_dq *d) {
    if (!is_int8(d->q) || d->q->type.rank < 0) return false;
    if (!whet_value_is_const(d->scale) || d->scale->type.dtype != WHET_DTYPE_F32) return false;
    if (d->zero && !whet_value_is_const(d->zero)) return false;
    return is_one(d->scale) ? d->scale->type.rank < 2 : d->scale->type.rank == 1;
}

bool whet_match_dq(const whet_value *v, whet_dq *d) {
    whet_node *n = v ? v->producer : NULL;
    if (!n || n->op != &whet_op_dequantize_linear || v->type.dtype != WHET_DTYPE_F32) return false;
    const whet_dequantize_attrs *a = n->attrs;
    *d = (whet_dq){n, n->in[0], n->in[1], whet_input(n, 2), 0};
    if (a->block_size || !whet_dq_is_known(d)) return false;
    if (!is_one(d->scale)) d->axis = whet_axis(a->axis, d->q->type.rank);
    return true;
}

bool whet_dq_is_activation(const whet_dq *d) {
    return is_one(d->scale) && (!d->zero || (is_one(d->zero) && d->zero->type.rank < 2)) &&
           !whet_value_is_const(d->q);
}

bool whet_dq_is_weight(const whet_dq *d) { return whet_value_is_const(d->q); }

static bool same_number(const whet_value *a, const whet_value *b) {
    double x = 0, y = 0;
    if (a == b) return true;
    return (!a || whet_value_scalar(a, &x)) && (!b || whet_value_scalar(b, &y)) && x == y;
}

bool whet_dq_same(const whet_dq *d, const whet_value *scale, const whet_value *zero) {
    return is_one(d->scale) && same_number(d->scale, scale) && same_number(d->zero, zero);
}

bool whet_is_quantize(const whet_node *n) {
    const whet_quantize_attrs *a = n->attrs;
    const whet_value *zero = whet_input(n, 2);
    return !a->block_size && is_int8(n->out[0]) && n->in[0]->type.dtype == WHET_DTYPE_F32 &&
           n->in[1]->type.dtype == WHET_DTYPE_F32 && is_one(n->in[1]) &&
           n->in[1]->type.rank < 2 && (!zero || (is_one(zero) && zero->type.rank < 2)) &&
           (!a->precision || a->precision == WHET_DTYPE_F32);
}

bool whet_is_settled(const whet_value *v) {
    if (!v || whet_value_is_const(v)) return true;
    const whet_node *n = v->producer;
    if (!whet_is(n, &whet_op_dequantize_linear)) return false;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] && !whet_value_is_const(n->in[i])) return false;
    return true;
}

static bool all_equal(const whet_value *v, int64_t want) {
    const whet_tensor *t = v->data;
    int64_t n = whet_tensor_count(t);
    whet_value_decide(v);
    for (int64_t i = 0; i < n; i++)
        if (whet_load_i64(t->data, t->dtype, i) != want) return false;
    return true;
}

static whet_value *cast(whet_value *v, whet_dtype to, whet_error *err) {
    struct { // as in op_cast.c: found by name
        char bytes[64];
    } attrs;
    memset(&attrs, 0, sizeof attrs);
    whet_op_attr_defaults(&whet_op_cast, &attrs);
    const whet_attr *a = whet_op_attr_find(&whet_op_cast, "to");
    memcpy(attrs.bytes + a->offset, &(int32_t){(int32_t)to}, sizeof(int32_t));
    return whet_graph_const_derive(v->graph, &whet_op_cast, &attrs, &v, 1, err);
}

whet_status whet_quant_weights(const whet_dq *w, whet_value **i8, whet_error *err) {
    bool is_signed = w->q->type.dtype == WHET_DTYPE_I8;
    *i8 = NULL;
    // the zero point is part of the type here: what it is decides which operator runs
    if (is_signed ? w->zero && !all_equal(w->zero, 0)
                  : !w->zero || !all_equal(w->zero, 128))
        return WHET_OK;
    *i8 = w->q;
    if (is_signed) return WHET_OK;
    whet_value *wide = cast(w->q, WHET_DTYPE_I32, err), *half = NULL;
    if (wide) half = whet_make_number(wide, "half", 128, err);
    if (half) wide = whet_derive(&whet_op_sub, wide, half, err);
    *i8 = half && wide ? cast(wide, WHET_DTYPE_I8, err) : NULL;
    return *i8 ? WHET_OK : whet_failed(err);
}

whet_status whet_quant_raised(whet_value *zero, whet_value **u8, whet_error *err) {
    whet_value *wide = cast(zero, WHET_DTYPE_I32, err), *half = NULL;
    if (wide) half = whet_make_number(wide, "half", 128, err);
    if (half) wide = whet_derive(&whet_op_add, wide, half, err);
    *u8 = half && wide ? cast(wide, WHET_DTYPE_U8, err) : NULL;
    return *u8 ? WHET_OK : whet_failed(err);
}

whet_status whet_quant_bias(whet_value *bias, whet_value *x_scale, whet_value *w_scale,
                            whet_value **f32, whet_error *err) {
    whet_value *scale = whet_derive(&whet_op_mul, w_scale, x_scale, err);
    whet_value *real = scale ? cast(bias, WHET_DTYPE_F32, err) : NULL;
    *f32 = real ? whet_derive(&whet_op_mul, real, scale, err) : NULL;
    return *f32 ? WHET_OK : whet_failed(err);
}
