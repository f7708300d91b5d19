// SPDX-License-Identifier: Apache-2.0
// Tables of signal processing made from a few numbers: hann_window, hamming_window and
// blackman_window of a given length, mel_weight_matrix from DFT bins to mel bands.
#include <inttypes.h>
#include <math.h>

#include "ops/op.h"

#define SIZE_TYPES (WHET_DTYPE_BIT(WHET_DTYPE_I32) | WHET_DTYPE_BIT(WHET_DTYPE_I64))

typedef struct signal_attrs {
    int32_t dtype;
    bool periodic;
} signal_attrs;
#define DTYPE_ROW                                                                                  \
    {"output_datatype", WHET_ATTR_DTYPE, offsetof(signal_attrs, dtype), .def = WHET_DTYPE_F32}

// The one number of input i as a dimension; fresh when unknown.
static whet_status size_of(whet_infer *ctx, int32_t i, whet_dim *d) {
    const whet_dim *v;
    int64_t n;
    *d = whet_dim_fresh(ctx->dims);
    if (!whet_infer_value(ctx, i, &v, &n)) return WHET_OK;
    if (n != 1) WHET_FAIL(ctx->err, WHET_E_SHAPE, "%s must be a scalar", ctx->op->in[i].name);
    if (whet_dim_is_const(v[0]) || whet_dim_known_nonnegative(ctx->dims, v[0])) *d = v[0];
    if (whet_dim_is_const(*d) && *d < 0)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "%s is %" PRId64, ctx->op->in[i].name, *d);
    return WHET_OK;
}

// ---- windows ----

static whet_status window_infer(whet_infer *ctx) {
    whet_dim n;
    ctx->out[0].dtype = (whet_dtype)((const signal_attrs *)ctx->attrs)->dtype;
    WHET_TRY(size_of(ctx, 0, &n));
    whet_infer_shape(ctx, 0, 1, &n);
    return WHET_OK;
}

// a0 - a1 cos(w) + a2 cos(2 w), w once round the circle. A window of one point has w = 0.
static whet_status window_eval(whet_eval *e, double a0, double a1, double a2) {
    whet_tensor *y = &e->out[0];
    int64_t n = y->dims[0];
    double turn = (double)(((const signal_attrs *)e->attrs)->periodic || n < 2 ? n : n - 1);
    for (int64_t i = 0; i < n; i++) {
        double w = 2 * 3.14159265358979323846 * (double)i / turn;
        double v = a0 - a1 * cos(w) + a2 * cos(2 * w);
        // integers are taken from single precision, where the peak is 1
        whet_store_f64(y->data, y->dtype, i, y->dtype == WHET_DTYPE_F64 ? v : (double)(float)v);
    }
    return WHET_OK;
}
static whet_status hann_eval(whet_eval *e) { return window_eval(e, 0.5, 0.5, 0); }
static whet_status hamming_eval(whet_eval *e) {
    return window_eval(e, 25.0 / 46, 1 - 25.0 / 46, 0);
}
static whet_status blackman_eval(whet_eval *e) { return window_eval(e, 0.42, 0.5, 0.08); }

#define WINDOW(id, onnx_name, fn)                                                                  \
    const whet_op whet_op_##id = {                                                                 \
        .name = #id,                                                                               \
        WHET_IN({"size", SIZE_TYPES, 0, WHET_ARG_SHAPE | WHET_ARG_VALUE}),                         \
        WHET_OUT({"output", WHET_DTYPES_NUMERIC, 0}),                                              \
        WHET_ATTRS(signal_attrs, DTYPE_ROW,                                                        \
                   {"periodic", WHET_ATTR_BOOL, offsetof(signal_attrs, periodic), .def = 1}),      \
        WHET_ONNX({"", onnx_name, 17, 0, NULL}), .infer = window_infer, .eval = fn}
WINDOW(hann_window, "HannWindow", hann_eval);
WINDOW(hamming_window, "HammingWindow", hamming_eval);
WINDOW(blackman_window, "BlackmanWindow", blackman_eval);

// ---- mel_weight_matrix ----

static whet_status mel_infer(whet_infer *ctx) {
    whet_dim bands, length;
    ctx->out[0].dtype = (whet_dtype)((const signal_attrs *)ctx->attrs)->dtype;
    WHET_TRY(size_of(ctx, 0, &bands));
    WHET_TRY(size_of(ctx, 1, &length));
    length = whet_dim_add(ctx->dims, whet_dim_floordiv(ctx->dims, length, 2), 1);
    whet_infer_shape(ctx, 0, 2, (const whet_dim[]){length, bands});
    return WHET_OK;
}

static double mel(double hertz) { return 2595 * log1p(hertz / 700) / log(10); }

// Bin of the lower edge of band i of `bands`; that of its peak is the next one's.
static double edge_bin(const double in[5], int64_t i) {
    double low = mel(in[3]), step = (mel(in[4]) - low) / (in[0] + 2);
    double hertz = 700 * expm1((low + (double)i * step) / 2595 * log(10));
    return floor((in[1] + 1) * hertz / in[2]);
}

// A triangle over bins [left, right) with its peak at `center`, as column i.
static void triangle(whet_tensor *y, int64_t i, int64_t left, int64_t center, int64_t right) {
    int64_t bands = y->dims[1];
    double rise = (double)(center - left), fall = (double)(right - center);
    for (int64_t k = left; k <= center; k++)
        whet_store_f64(y->data, y->dtype, k * bands + i,
                       rise > 0 ? (double)(k - left) / rise : 1);
    for (int64_t k = center; k < right; k++)
        whet_store_f64(y->data, y->dtype, k * bands + i, (double)(right - k) / fall);
}

static whet_status mel_eval(whet_eval *e) {
    whet_tensor *y = &e->out[0];
    double in[5];
    int64_t n = whet_tensor_count(y), bins = y->dims[0];
    for (int32_t i = 0; i < 5; i++) {
        if (whet_tensor_count(&e->in[i]) != 1)
            WHET_FAIL(e->err, WHET_E_SHAPE, "%s must be a scalar", e->op->in[i].name);
        in[i] = whet_load_f64(e->in[i].data, e->in[i].dtype, 0);
    }
    for (int64_t i = 0; i < n; i++) whet_store_i64(y->data, y->dtype, i, 0);
    for (int64_t i = 0; i < y->dims[1]; i++) {
        double edge[3];
        for (int k = 0; k < 3; k++) edge[k] = edge_bin(in, i + k);
        if (!(edge[0] >= 0 && edge[1] >= edge[0] && edge[2] >= edge[1] && edge[1] < (double)bins &&
              edge[2] <= (double)bins))
            WHET_FAIL(e->err, WHET_E_RANGE,
                      "band %" PRId64 " from bin %g over %g to %g lies outside the %" PRId64
                      " bins", i, edge[0], edge[1], edge[2], bins);
        triangle(y, i, (int64_t)edge[0], (int64_t)edge[1], (int64_t)edge[2]);
    }
    return WHET_OK;
}

const whet_op whet_op_mel_weight_matrix = {
    .name = "mel_weight_matrix",
    WHET_IN({"num_mel_bins", SIZE_TYPES, 'T', WHET_ARG_VALUE},
            {"dft_length", SIZE_TYPES, 'T', WHET_ARG_VALUE},
            {"sample_rate", SIZE_TYPES, 'T'}, {"lower_edge_hertz", WHET_DTYPES_FLOAT, 'F'},
            {"upper_edge_hertz", WHET_DTYPES_FLOAT, 'F'}),
    WHET_OUT({"output", WHET_DTYPES_NUMERIC, 0}),
    WHET_ATTRS(signal_attrs, DTYPE_ROW),
    WHET_ONNX({"", "MelWeightMatrix", 17, 0, NULL}), .infer = mel_infer, .eval = mel_eval};
