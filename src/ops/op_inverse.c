// SPDX-License-Identifier: Apache-2.0
// inverse of each matrix in the last two dimensions, by elimination with row pivots.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ops/move.h"

static whet_status inverse_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    if (x->rank < 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "a tensor of %d dimensions is no matrix", x->rank);
    WHET_TRY(whet_infer_same(ctx, x->dims[x->rank - 2], x->dims[x->rank - 1],
                             "rows and columns of a matrix to invert"));
    return whet_infer_same_as_input(ctx);
}

static void swap_rows(double *a, int64_t n, int64_t i, int64_t k) {
    for (int64_t j = 0; j < n && i != k; j++) {
        double t = a[i * n + j];
        a[i * n + j] = a[k * n + j];
        a[k * n + j] = t;
    }
}

// a [n, n] to the identity, b from the identity to the inverse; false when a is singular.
static bool invert(double *a, double *b, int64_t n) {
    for (int64_t c = 0; c < n; c++) {
        int64_t pivot = c;
        for (int64_t i = c; i < n; i++)
            if (fabs(a[i * n + c]) > fabs(a[pivot * n + c])) pivot = i;
        double p = a[pivot * n + c];
        if (!(fabs(p) > 0)) return false;
        swap_rows(a, n, c, pivot);
        swap_rows(b, n, c, pivot);
        for (int64_t j = 0; j < n; j++) a[c * n + j] /= p, b[c * n + j] /= p;
        for (int64_t i = 0; i < n; i++) {
            double f = a[i * n + c];
            for (int64_t j = 0; j < n && i != c && f != 0; j++) {
                a[i * n + j] -= f * a[c * n + j];
                b[i * n + j] -= f * b[c * n + j];
            }
        }
    }
    return true;
}

static whet_status inverse_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0];
    int64_t n = x->dims[x->rank - 1], count = whet_dims_product(x->dims, 0, x->rank - 2);
    if (whet_tensor_count(x) == 0) return WHET_OK;
    double *a = whet_eval_scratch_f64(e, n * n), *b = whet_eval_scratch_f64(e, n * n);
    if (!a || !b) return WHET_E_NOMEM;
    for (int64_t m = 0; m < count; m++) {
        for (int64_t i = 0; i < n * n; i++) {
            a[i] = whet_load_f64(x->data, x->dtype, m * n * n + i);
            b[i] = i % (n + 1) == 0;
        }
        if (!invert(a, b, n))
            WHET_FAIL(e->err, WHET_E_RANGE, "matrix %" PRId64 " has no inverse", m);
        for (int64_t i = 0; i < n * n; i++)
            whet_store_f64(e->out[0].data, x->dtype, m * n * n + i, b[i]);
    }
    return WHET_OK;
}

const whet_op whet_op_inverse = {
    .name = "inverse",
    WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}),
    WHET_OUT({"Y", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ONNX({"com.microsoft", "Inverse", 1, 0, NULL}),
    .infer = inverse_infer,
    .eval = inverse_eval,
};
