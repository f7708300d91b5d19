// SPDX-License-Identifier: Apache-2.0
#include "ops/quant_ref.h"

#include <math.h>

#include "ops/matrix.h"

whet_status whet_quant_check(whet_infer *ctx, int32_t i, whet_dim n) {
    if (!whet_infer_has(ctx, i)) return WHET_OK;
    const whet_type *t = ctx->in[i];
    if (t->rank == 0 || (t->rank == 1 && t->dims[0] == 1)) return WHET_OK;
    if (t->rank > 1)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED,
                  "input %d (%s) has %d dimensions; a scalar or a vector is supported", (int)i,
                  ctx->op->in[i].name, (int)t->rank);
    if (n == 0 && whet_dim_is_const(t->dims[0]))
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "input %d (%s) must be one number", (int)i,
                  ctx->op->in[i].name);
    return whet_infer_same(ctx, t->dims[0], n ? n : 1, ctx->op->in[i].name);
}

double whet_quant_param(const whet_eval *e, int32_t i, int64_t k, double absent) {
    if (!whet_eval_has(e, i)) return absent;
    int64_t at = whet_tensor_count(&e->in[i]) == 1 ? 0 : k;
    return whet_load_f64(e->in[i].data, e->in[i].dtype, at);
}

double *whet_quant_load(whet_eval *e, int32_t i, int32_t zero, int64_t step) {
    const whet_tensor *t = &e->in[i];
    int64_t n = whet_tensor_count(t);
    int64_t zeros = whet_eval_has(e, zero) ? whet_tensor_count(&e->in[zero]) : 1;
    double *v = whet_eval_raw_f64(e, n);
    if (!v) return NULL;
    whet_load_f64_array(v, t->data, t->dtype, n);
    if (zeros == 0) return v; // then t is empty too
    for (int64_t at = 0; at < n; at++)
        v[at] -= whet_quant_param(e, zero, at / step % zeros, 0);
    return v;
}

void whet_quant_store(const whet_tensor *t, int64_t i, double v, double zero) {
    whet_store_f64(t->data, t->dtype, i, (whet_dtype_is_float(t->dtype) ? v : nearbyint(v)) + zero);
}
