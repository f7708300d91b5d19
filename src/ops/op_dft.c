// SPDX-License-Identifier: Apache-2.0
// dft and stft: complex numbers are the last dimension, of 2 (real and imaginary part) or 1 (real).
#include <inttypes.h>

#include "ops/fft_ref.h"
#include "ops/lanes.h"
#include "ops/op.h"

typedef struct dft_attrs {
    bool inverse, onesided;
} dft_attrs;

#define LENGTH_TYPES (WHET_DTYPE_BIT(WHET_DTYPE_I32) | WHET_DTYPE_BIT(WHET_DTYPE_I64))

// Input i as one dimension: false when it is not there or unknown (*d is fresh then).
static bool length_of(whet_infer *ctx, int32_t i, whet_dim *d) {
    const whet_dim *v;
    int64_t n;
    if (!whet_infer_has(ctx, i)) return false;
    *d = whet_dim_fresh(ctx->dims);
    if (!whet_infer_value(ctx, i, &v, &n) || n != 1) return false;
    if (whet_dim_is_const(v[0]) || whet_dim_known_nonnegative(ctx->dims, v[0])) *d = v[0];
    return true;
}

static whet_status check_length(whet_infer *ctx, whet_dim n, const char *what) {
    if (whet_dim_is_const(n) && (n < 1 || n > WHET_FFT_MAX))
        WHET_FAIL(ctx->err, WHET_E_RANGE, "%s is %" PRId64, what, n);
    return WHET_OK;
}

static whet_status check_parts(whet_infer *ctx, const whet_type *x) {
    whet_dim parts = x->dims[x->rank - 1];
    if (whet_dim_is_const(parts) && parts != 1 && parts != 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "the last dimension is %" PRId64 ", it must be 1 or 2",
                  parts);
    return WHET_OK;
}

static whet_dim half_of(whet_infer *ctx, whet_dim n) {
    return whet_dim_add(ctx->dims, whet_dim_floordiv(ctx->dims, n, 2), 1);
}

// ---- dft ----

static whet_status dft_axis(whet_infer *ctx, int32_t *axis) {
    const int64_t *v;
    int64_t n, given = -2;
    int32_t rank = ctx->in[0]->rank;
    *axis = -1;
    if (whet_infer_has(ctx, 2)) {
        if (!whet_infer_ints(ctx, 2, &v, &n)) return WHET_OK;
        if (n != 1) WHET_FAIL(ctx->err, WHET_E_SHAPE, "axis must be a scalar");
        given = v[0];
    }
    WHET_TRY(whet_infer_axis(ctx, given, rank, axis));
    if (*axis == rank - 1)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "axis is the dimension of real and imaginary parts");
    return WHET_OK;
}

static whet_status dft_infer(whet_infer *ctx) {
    const dft_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    whet_dim dims[WHET_MAX_RANK], length, given;
    int32_t axis;
    if (x->rank < 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "the input has %d dimensions, 2 are needed", x->rank);
    WHET_TRY(check_parts(ctx, x));
    WHET_TRY(dft_axis(ctx, &axis));
    if (a->onesided && !a->inverse)
        WHET_TRY(whet_infer_same(ctx, x->dims[x->rank - 1], 1, "parts of a onesided input"));
    // asked for in any case, so that the run knows it
    length_of(ctx, 1, &given);
    whet_infer_unknown(ctx, 0, x->rank);
    for (int32_t i = 0; i < x->rank; i++) dims[i] = axis < 0 ? ctx->out[0].dims[i] : x->dims[i];
    dims[x->rank - 1] = a->inverse && a->onesided ? 1 : 2;
    if (axis >= 0) {
        length = dims[axis];
        if (a->inverse && a->onesided)
            length = whet_dim_mul(ctx->dims, 2, whet_dim_sub(ctx->dims, length, 1));
        if (whet_infer_has(ctx, 1)) length = given;
        WHET_TRY(check_length(ctx, length, "dft_length"));
        dims[axis] = a->onesided && !a->inverse ? half_of(ctx, length) : length;
    }
    whet_infer_shape(ctx, 0, x->rank, dims);
    return WHET_OK;
}

// One signal: strided numbers, each of `parts`.
typedef struct signal {
    const double *v;
    int64_t length, step, parts;
} signal;

// Its first numbers, zeros behind them.
static void signal_load(const signal *s, int64_t n, double *x) {
    for (int64_t t = 0; t < n; t++) {
        const double *v = s->v + t * s->step * s->parts;
        x[2 * t] = t < s->length ? v[0] : 0;
        x[2 * t + 1] = t < s->length && s->parts == 2 ? v[1] : 0;
    }
}

// The upper half of a spectrum whose signal is real.
static void mirror(double *x, int64_t n) {
    for (int64_t k = n / 2 + 1; k < n; k++) {
        x[2 * k] = x[2 * (n - k)];
        x[2 * k + 1] = -x[2 * (n - k) + 1];
    }
}

static whet_status dft_length(whet_eval *e, int32_t axis, int64_t *n) {
    const dft_attrs *a = e->attrs;
    *n = e->in[0].dims[axis];
    if (a->inverse && a->onesided) *n = 2 * (*n - 1);
    if (whet_eval_has(e, 1)) *n = whet_load_i64(e->in[1].data, e->in[1].dtype, 0);
    int64_t made = e->out[0].dims[axis];
    if (*n < 1 || *n > WHET_FFT_MAX || made != (a->onesided && !a->inverse ? *n / 2 + 1 : *n))
        WHET_FAIL(e->err, WHET_E_RANGE, "dft_length %" PRId64 " does not fit the output", *n);
    return WHET_OK;
}

static whet_status dft_eval(whet_eval *e) {
    const dft_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t n, given = -2, parts = y->dims[y->rank - 1];
    if (whet_eval_has(e, 2)) given = whet_load_i64(e->in[2].data, e->in[2].dtype, 0);
    if (given < -x->rank || given >= x->rank || whet_axis(given, x->rank) == x->rank - 1)
        WHET_FAIL(e->err, WHET_E_RANGE, "axis is %" PRId64, given);
    int32_t axis = whet_axis(given, x->rank);
    if (whet_tensor_count(y) == 0) return WHET_OK;
    WHET_TRY(dft_length(e, axis, &n));
    whet_tensor numbers = *x, made = *y; // without the parts
    numbers.rank--, made.rank--;
    whet_lanes from, to;
    whet_lanes_init(&from, &numbers, axis);
    whet_lanes_init(&to, &made, axis);
    whet_fft f;
    const double *v = whet_eval_f64(e, 0);
    double *row = whet_eval_scratch_f64(e, 2 * n), scale = a->inverse ? 1 / (double)n : 1;
    if (!v || !row) return WHET_E_NOMEM;
    WHET_TRY(whet_fft_init(e, &f, n));
    signal s = {NULL, from.length, from.step, x->dims[x->rank - 1]};
    for (int64_t i = 0; i < to.n; i++) {
        s.v = v + whet_lanes_start(&from, i) * s.parts;
        signal_load(&s, n, row);
        if (a->inverse && a->onesided) mirror(row, n);
        whet_fft_run(&f, row, a->inverse);
        for (int64_t k = 0; k < to.length * parts; k++) {
            int64_t at = whet_lanes_start(&to, i) + k / parts * to.step;
            whet_store_f64(y->data, y->dtype, at * parts + k % parts,
                           row[2 * (k / parts) + k % parts] * scale);
        }
    }
    return WHET_OK;
}

const whet_op whet_op_dft = {
    .name = "dft",
    WHET_IN({"input", WHET_DTYPES_FLOAT, 'T'},
            {"dft_length", LENGTH_TYPES, 0, WHET_ARG_OPTIONAL | WHET_ARG_VALUE},
            {"axis", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL | WHET_ARG_VALUE}),
    WHET_OUT({"output", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(dft_attrs, {"inverse", WHET_ATTR_BOOL, offsetof(dft_attrs, inverse)},
               {"onesided", WHET_ATTR_BOOL, offsetof(dft_attrs, onesided)}),
    // "dft_17": the axis was an attribute, 1 unless given
    WHET_ONNX({"", "DFT", 17, 19, "dft_17"}, {"", "DFT", 20, 0, NULL}),
    .infer = dft_infer, .eval = dft_eval};

// ---- stft ----

typedef struct stft_attrs {
    bool onesided;
} stft_attrs;

static whet_status frame_length(whet_infer *ctx, whet_dim *length) {
    whet_dim window = 0;
    *length = ctx->in[0]->dims[1];
    if (whet_infer_has(ctx, 2)) {
        WHET_TRY(whet_infer_rank(ctx, 2, 1));
        *length = window = ctx->in[2]->dims[0];
    }
    if (whet_infer_has(ctx, 3) && length_of(ctx, 3, length) && whet_infer_has(ctx, 2))
        WHET_TRY(whet_infer_same(ctx, *length, window, "frame_length and window"));
    return check_length(ctx, *length, "frame_length");
}

static whet_status stft_infer(whet_infer *ctx) {
    const stft_attrs *a = ctx->attrs;
    whet_dim length, step, frames;
    WHET_TRY(whet_infer_rank(ctx, 0, 3));
    WHET_TRY(check_parts(ctx, ctx->in[0]));
    if (a->onesided)
        WHET_TRY(whet_infer_same(ctx, ctx->in[0]->dims[2], 1, "parts of a onesided input"));
    WHET_TRY(frame_length(ctx, &length));
    frames = whet_dim_fresh(ctx->dims);
    if (length_of(ctx, 1, &step)) {
        WHET_TRY(check_length(ctx, step, "frame_step"));
        whet_dim rest = whet_dim_sub(ctx->dims, ctx->in[0]->dims[1], length);
        if (whet_dim_is_const(step))
            frames = whet_dim_add(ctx->dims, whet_dim_floordiv(ctx->dims, rest, step), 1);
        if (!whet_dim_known_nonnegative(ctx->dims, frames))
            frames = whet_dim_max(ctx->dims, frames, 0);
    }
    whet_infer_shape(ctx, 0, 4, (const whet_dim[]){ctx->in[0]->dims[0], frames,
                                                   a->onesided ? half_of(ctx, length) : length, 2});
    return WHET_OK;
}

static int64_t eval_length(const whet_eval *e) {
    if (whet_eval_has(e, 2)) return e->in[2].dims[0];
    if (whet_eval_has(e, 3)) return whet_load_i64(e->in[3].data, e->in[3].dtype, 0);
    return e->in[0].dims[1];
}

static whet_status stft_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *y = &e->out[0];
    int64_t n = eval_length(e), step = whet_load_i64(e->in[1].data, e->in[1].dtype, 0);
    int64_t frames = y->dims[1], bins = y->dims[2], length = x->dims[1];
    whet_fft f;
    if (whet_tensor_count(y) == 0) return WHET_OK;
    if (n < 1 || step < 1 || n > length || frames - 1 > (length - n) / step || bins > n ||
        y->dims[0] != x->dims[0])
        WHET_FAIL(e->err, WHET_E_RANGE, "frames of %" PRId64 ", %" PRId64 " apart, do not fit", n,
                  step);
    const double *v = whet_eval_f64(e, 0), *window = NULL;
    double *row = whet_eval_scratch_f64(e, 2 * n);
    if (whet_eval_has(e, 2) && !(window = whet_eval_f64(e, 2))) return WHET_E_NOMEM;
    if (!v || !row) return WHET_E_NOMEM;
    WHET_TRY(whet_fft_init(e, &f, n));
    signal s = {NULL, n, 1, x->dims[2]};
    for (int64_t i = 0; i < x->dims[0] * frames; i++) {
        s.v = v + (i / frames * length + i % frames * step) * s.parts;
        signal_load(&s, n, row);
        for (int64_t t = 0; window && t < 2 * n; t++) row[t] *= window[t / 2];
        whet_fft_run(&f, row, false);
        for (int64_t k = 0; k < 2 * bins; k++)
            whet_store_f64(y->data, y->dtype, i * 2 * bins + k, row[k]);
    }
    return WHET_OK;
}

const whet_op whet_op_stft = {
    .name = "stft",
    WHET_IN({"signal", WHET_DTYPES_FLOAT, 'T'}, {"frame_step", LENGTH_TYPES, 0, WHET_ARG_VALUE},
            {"window", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
            {"frame_length", LENGTH_TYPES, 0, WHET_ARG_OPTIONAL | WHET_ARG_VALUE}),
    WHET_OUT({"output", WHET_DTYPES_FLOAT, 'T'}),
    WHET_ATTRS(stft_attrs, {"onesided", WHET_ATTR_BOOL, offsetof(stft_attrs, onesided), .def = 1}),
    WHET_ONNX({"", "STFT", 17, 0, NULL}),
    .infer = stft_infer, .eval = stft_eval};
