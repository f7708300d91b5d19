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

whet_status whet_op_eval(whet_eval *e) {
    const char *node = e->node && *e->node ? e->node : e->op->name;
    if (!e->op->eval)
        WHET_FAIL(e->err, WHET_E_UNSUPPORTED, "%s: operator %s has no reference", node,
                  e->op->name);
    whet_status status = e->op->eval(e);
    if (status == WHET_OK || !e->err || !strncmp(e->err->text, node, strlen(node))) return status;
    return whet_error_prefix(e->err, status, "%s", node);
}
