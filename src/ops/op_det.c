// SPDX-License-Identifier: Apache-2.0
// Determinants of the matrices in the last two dimensions, by elimination with row exchange.
#include <math.h>

#include "ops/op.h"

static whet_status infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    if (x->rank < 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "a tensor of %d dimensions holds no matrix", x->rank);
    WHET_TRY(whet_infer_same(ctx, x->dims[x->rank - 1], x->dims[x->rank - 2], "rows and columns"));
    whet_infer_shape(ctx, 0, x->rank - 2, x->dims);
    return WHET_OK;
}

static double determinant(double *a, int64_t n) {
    double result = 1;
    for (int64_t c = 0; c < n; c++) {
        int64_t pivot = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(a[r * n + c]) > fabs(a[pivot * n + c])) pivot = r;
        if (a[pivot * n + c] == 0) return 0;
        for (int64_t k = 0; pivot != c && k < n; k++) {
            double swap = a[c * n + k];
            a[c * n + k] = a[pivot * n + k];
            a[pivot * n + k] = swap;
        }
        result *= pivot == c ? a[c * n + c] : -a[c * n + c];
        for (int64_t r = c + 1; r < n; r++) {
            double factor = a[r * n + c] / a[c * n + c];
            for (int64_t k = c; k < n; k++) a[r * n + k] -= factor * a[c * n + k];
        }
    }
    return result;
}

static whet_status eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t n = x->dims[x->rank - 1], count = whet_tensor_count(y);
    double *a = whet_eval_scratch_f64(e, n * n);
    if (!a) return WHET_E_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t k = 0; k < n * n; k++) a[k] = whet_load_f64(x->data, x->dtype, i * n * n + k);
        whet_store_f64(y->data, y->dtype, i, determinant(a, n));
    }
    return WHET_OK;
}

static const whet_arg in[] = {{"X", WHET_DTYPES_FLOAT, 'T'}};
static const whet_arg out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
static const whet_onnx_row onnx[] = {{"", "Det", 11, 0, NULL}};
const whet_op whet_op_det = {
    .name = "det", .in = in, .n_in = 1, .out = out, .n_out = 1, .onnx = onnx, .n_onnx = 1,
    .infer = infer, .eval = eval};
