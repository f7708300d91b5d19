// SPDX-License-Identifier: Apache-2.0
// Helpers of the C references: typed whole-tensor access, scratch, outputs of late shape.
#include <string.h>

#include "ops/op.h"

static void *scratch(whet_eval *e, int64_t n, size_t size, bool zeroed) {
    size_t bytes;
    void *p = NULL;
    if (n >= 0 && !__builtin_mul_overflow((size_t)n, size, &bytes))
        p = zeroed ? whet_arena_alloc(e->scratch, bytes) : whet_arena_alloc_raw(e->scratch, bytes);
    if (!p) WHET_NOMEM(e->err);
    return p;
}

double *whet_eval_scratch_f64(whet_eval *e, int64_t n) {
    return scratch(e, n, sizeof(double), true);
}
int64_t *whet_eval_scratch_i64(whet_eval *e, int64_t n) {
    return scratch(e, n, sizeof(int64_t), true);
}

const double *whet_eval_f64(whet_eval *e, int32_t in) {
    const whet_tensor *t = &e->in[in];
    int64_t n = whet_tensor_count(t);
    if (t->dtype == WHET_DTYPE_F64 && n > 0) return t->data;
    double *v = scratch(e, n, sizeof *v, false);
    if (v) whet_load_f64_array(v, t->data, t->dtype, n);
    return v;
}

const double *whet_eval_parts(whet_eval *e, int32_t in) {
    const whet_tensor *t = &e->in[in];
    if (!whet_dtype_is_complex(t->dtype)) return whet_eval_f64(e, in);
    int64_t n = whet_tensor_count(t) * 2;
    double *v = scratch(e, n, sizeof *v, false);
    if (v) whet_load_f64_array(v, t->data, whet_dtype_part(t->dtype), n);
    return v;
}

const int64_t *whet_eval_i64(whet_eval *e, int32_t in) {
    const whet_tensor *t = &e->in[in];
    int64_t n = whet_tensor_count(t);
    if (t->dtype == WHET_DTYPE_I64 && n > 0) return t->data;
    int64_t *v = scratch(e, n, sizeof *v, false);
    for (int64_t i = 0; v && i < n; i++) v[i] = whet_load_i64(t->data, t->dtype, i);
    return v;
}

void whet_eval_store(whet_eval *e, int32_t out, const double *v) {
    whet_tensor *t = &e->out[out];
    whet_store_f64_array(t->data, t->dtype, v, whet_tensor_count(t));
}

whet_status whet_eval_output(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    if (!whet_eval_wants(e, i)) return WHET_OK;
    if (rank < 0 || rank > WHET_MAX_RANK || whet_dims_count(dims, rank) < 0)
        WHET_FAIL(e->err, WHET_E_LIMIT, "the shape of output %d is too large", i);
    whet_tensor *t = &e->out[i];
    t->rank = rank;
    if (rank) memcpy(t->dims, dims, (size_t)rank * sizeof *dims);
    if (!e->alloc)
        WHET_FAIL(e->err, WHET_E_INTERNAL, "no memory source for output %d", i);
    return e->alloc(e, i, rank, dims);
}

static bool is_packed(whet_dtype dtype) {
    return whet_dtype_known((int32_t)dtype) && WHET_DTYPES_PACKED >> dtype & 1;
}

// The tensor with an element a byte, in scratch.
static whet_status widen(whet_eval *e, whet_tensor *t, bool read) {
    int64_t n = whet_tensor_count(t);
    uint8_t *v = scratch(e, n, 1, false);
    if (!v) return WHET_E_NOMEM;
    if (read) whet_unpack(v, t->data, t->dtype, n);
    t->dtype = WHET_DTYPE_U8;
    t->data = v;
    t->bytes = (size_t)n;
    return WHET_OK;
}

// Runs the reference of an operator that only moves elements on bytes in place of packed elements.
static whet_status eval_packed(whet_eval *e) {
    whet_eval w = *e;
    whet_tensor *in = scratch(e, e->n_in, sizeof *in, false);
    whet_tensor *out = scratch(e, e->n_out, sizeof *out, false);
    if (!in || !out) return WHET_E_NOMEM;
    w.in = in;
    w.out = out;
    for (int32_t i = 0; i < e->n_in; i++) {
        in[i] = e->in[i];
        if (is_packed(in[i].dtype)) WHET_TRY(widen(e, &in[i], true));
    }
    for (int32_t i = 0; i < e->n_out; i++) {
        out[i] = e->out[i];
        if (is_packed(out[i].dtype)) WHET_TRY(widen(e, &out[i], false));
    }
    WHET_TRY(e->op->eval(&w));
    for (int32_t i = 0; i < e->n_out; i++)
        if (is_packed(e->out[i].dtype))
            whet_pack(e->out[i].data, e->out[i].dtype, out[i].data, whet_tensor_count(&out[i]));
    return WHET_OK;
}

static bool needs_widening(const whet_eval *e) {
    bool any = false;
    for (int32_t i = 0; i < e->n_in; i++) any = any || is_packed(e->in[i].dtype);
    return any && e->op->flags & WHET_OP_MOVES && !(e->op->flags & WHET_OP_DYNAMIC_OUT);
}

whet_status whet_op_eval(whet_eval *e) {
    const char *node = e->node && *e->node ? e->node : e->op->name;
    if (!e->op->eval)
        WHET_FAIL(e->err, WHET_E_UNSUPPORTED, "%s: operator %s has no reference", node,
                  e->op->name);
    whet_status status = needs_widening(e) ? eval_packed(e) : e->op->eval(e);
    if (status == WHET_OK || !e->err || !strncmp(e->err->text, node, strlen(node))) return status;
    return whet_error_prefix(e->err, status, "%s", node);
}
