// SPDX-License-Identifier: Apache-2.0
// Random tensors: random_normal, random_uniform and their forms with the shape of an input,
// bernoulli, multinomial, dropout. With a seed each run gives the same numbers, without one each
// run gives others. Integers hold what the operator draws (outcomes, zeros and ones).
#include <math.h>
#include <string.h>

#include "ops/move.h"
#include "ops/random_ref.h"

#define OUT_TYPES (WHET_DTYPES_NUMERIC | WHET_DTYPES_BOOL)

typedef struct random_attrs {
    int32_t dtype; // NONE: that of the input
    whet_ints shape;
    float seed;    // NaN: none
    float a, b;    // mean and scale, or low and high
    int64_t sample_size;
} random_attrs;

#define AT(field) offsetof(random_attrs, field)
#define SEED {"seed", WHET_ATTR_FLOAT, AT(seed), .def = NAN}
#define NORMAL {"mean", WHET_ATTR_FLOAT, AT(a)}, {"scale", WHET_ATTR_FLOAT, AT(b), .def = 1}
#define UNIFORM {"low", WHET_ATTR_FLOAT, AT(a)}, {"high", WHET_ATTR_FLOAT, AT(b), .def = 1}

// ---- normal and uniform ----

static whet_status shape_infer(whet_infer *ctx) {
    const random_attrs *a = ctx->attrs;
    if (a->shape.n > WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
    ctx->out[0].dtype = (whet_dtype)a->dtype;
    whet_infer_shape(ctx, 0, a->shape.n, a->shape.v);
    return WHET_OK;
}

static whet_status like_infer(whet_infer *ctx) {
    const random_attrs *a = ctx->attrs;
    whet_dtype dtype = a->dtype ? (whet_dtype)a->dtype : ctx->in[0]->dtype;
    if (!(ctx->op->out[0].dtypes >> dtype & 1))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "the result cannot have the input's type; dtype must "
                  "name another one");
    ctx->out[0].dtype = dtype;
    return whet_infer_same_as_input(ctx);
}

static whet_status normal_eval(whet_eval *e) {
    const random_attrs *a = e->attrs;
    whet_tensor *y = &e->out[0];
    int64_t n = whet_tensor_count(y);
    whet_random *r = whet_random_make(e, (double)a->seed);
    if (!r) return WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++)
        whet_store_f64(y->data, y->dtype, i, whet_random_normal(r) * (double)a->b + (double)a->a);
    return WHET_OK;
}

// Bits of the mantissa: a uniform number of no more of them is not rounded up to 1.
static double precision(whet_dtype dtype) {
    switch (dtype) {
    case WHET_DTYPE_F32: return 0x1p24;
    case WHET_DTYPE_F16: return 0x1p11;
    case WHET_DTYPE_BF16: return 0x1p8;
    default: return 0x1p53;
    }
}

static whet_status uniform_eval(whet_eval *e) {
    const random_attrs *a = e->attrs;
    whet_tensor *y = &e->out[0];
    int64_t n = whet_tensor_count(y);
    double steps = precision(y->dtype), low = (double)a->a, width = (double)a->b - low;
    whet_random *r = whet_random_make(e, (double)a->seed);
    if (!r) return WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        double u = floor(whet_random_uniform(r) * steps) / steps;
        whet_store_f64(y->data, y->dtype, i, low + width * u);
    }
    return WHET_OK;
}

#define SHAPED(id, onnx_name, ROWS, fn)                                                            \
    const whet_op whet_op_##id = {                                                                 \
        .name = #id, WHET_OUT({"output", WHET_DTYPES_FLOAT, 0}),                                   \
        WHET_ATTRS(random_attrs, ROWS, SEED,                                                       \
                   {"dtype", WHET_ATTR_DTYPE, AT(dtype), .def = WHET_DTYPE_F32},                   \
                   {"shape", WHET_ATTR_INTS, AT(shape), .required = true, .min = 0,                \
                    .max = 0x1p52}),                                                               \
        WHET_ONNX({"", onnx_name, 1, 0, NULL}), .flags = WHET_OP_IMPURE, .infer = shape_infer,     \
        .eval = fn}
#define LIKE(id, onnx_name, ROWS, fn)                                                              \
    const whet_op whet_op_##id = {                                                                 \
        .name = #id, WHET_IN({"input", 0, 0}), WHET_OUT({"output", WHET_DTYPES_FLOAT, 0}),         \
        WHET_ATTRS(random_attrs, ROWS, SEED, {"dtype", WHET_ATTR_DTYPE, AT(dtype)}),               \
        WHET_ONNX({"", onnx_name, 1, 0, NULL}), .flags = WHET_OP_IMPURE, .infer = like_infer,      \
        .eval = fn}
#define ROWS_OF(...) __VA_ARGS__
SHAPED(random_normal, "RandomNormal", ROWS_OF(NORMAL), normal_eval);
SHAPED(random_uniform, "RandomUniform", ROWS_OF(UNIFORM), uniform_eval);
LIKE(random_normal_like, "RandomNormalLike", ROWS_OF(NORMAL), normal_eval);
LIKE(random_uniform_like, "RandomUniformLike", ROWS_OF(UNIFORM), uniform_eval);

// ---- bernoulli ----

static whet_status bernoulli_eval(whet_eval *e) {
    const random_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    whet_tensor *y = &e->out[0];
    int64_t n = whet_tensor_count(x);
    whet_random *r = whet_random_make(e, (double)a->seed);
    if (!r) return WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        double p = whet_load_f64(x->data, x->dtype, i);
        if (!(p >= 0 && p <= 1))
            WHET_FAIL(e->err, WHET_E_RANGE, "element %lld is %g, no probability", (long long)i, p);
        whet_store_i64(y->data, y->dtype, i, whet_random_uniform(r) < p);
    }
    return WHET_OK;
}

const whet_op whet_op_bernoulli = {
    .name = "bernoulli", WHET_IN({"input", WHET_DTYPES_FLOAT, 0}),
    WHET_OUT({"output", OUT_TYPES, 0}),
    WHET_ATTRS(random_attrs, SEED, {"dtype", WHET_ATTR_DTYPE, AT(dtype)}),
    WHET_ONNX({"", "Bernoulli", 15, 0, NULL}), .flags = WHET_OP_IMPURE, .infer = like_infer,
    .eval = bernoulli_eval};

// ---- multinomial ----

static whet_status multinomial_infer(whet_infer *ctx) {
    const random_attrs *a = ctx->attrs;
    ctx->out[0].dtype = (whet_dtype)a->dtype;
    WHET_TRY(whet_infer_rank(ctx, 0, 2));
    whet_infer_shape(ctx, 0, 2, (const whet_dim[]){ctx->in[0]->dims[0], a->sample_size});
    return WHET_OK;
}

// Sums of the probabilities up to each class; the logarithms have any base point.
static whet_status cumulate(whet_eval *e, const double *x, int64_t classes, double *sums) {
    double max = -INFINITY, sum = 0;
    for (int64_t c = 0; c < classes; c++)
        if (!(x[c] <= max)) max = x[c];
    if (!isfinite(max))
        WHET_FAIL(e->err, WHET_E_RANGE, "a row has no class of finite probability");
    for (int64_t c = 0; c < classes; c++) sums[c] = sum += exp(x[c] - max);
    return WHET_OK;
}

static int64_t draw(const double *sums, int64_t classes, double at) {
    int64_t lo = 0, hi = classes - 1; // the first class whose sum is above `at`
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (sums[mid] > at) hi = mid;
        else lo = mid + 1;
    }
    return lo;
}

static whet_status multinomial_eval(whet_eval *e) {
    const random_attrs *a = e->attrs;
    whet_tensor *y = &e->out[0];
    int64_t rows = e->in[0].dims[0], classes = e->in[0].dims[1];
    const double *x = whet_eval_f64(e, 0);
    double *sums = whet_eval_scratch_f64(e, classes);
    whet_random *r = whet_random_make(e, (double)a->seed);
    if (!x || !sums || !r) return WHET_E_NOMEM;
    for (int64_t i = 0; i < rows; i++) {
        WHET_TRY(cumulate(e, x + i * classes, classes, sums));
        for (int64_t s = 0; s < a->sample_size; s++) {
            double at = whet_random_uniform(r) * sums[classes - 1];
            whet_store_i64(y->data, y->dtype, i * a->sample_size + s, draw(sums, classes, at));
        }
    }
    return WHET_OK;
}

const whet_op whet_op_multinomial = {
    .name = "multinomial", WHET_IN({"input", WHET_DTYPES_FLOAT, 0}),
    WHET_OUT({"output", WHET_DTYPE_BIT(WHET_DTYPE_I32) | WHET_DTYPE_BIT(WHET_DTYPE_I64), 0}),
    WHET_ATTRS(random_attrs, SEED, {"dtype", WHET_ATTR_DTYPE, AT(dtype), .def = WHET_DTYPE_I32},
               {"sample_size", WHET_ATTR_INT, AT(sample_size), .def = 1, .min = 0, .max = 0x1p52}),
    WHET_ONNX({"", "Multinomial", 7, 0, NULL}), .flags = WHET_OP_IMPURE,
    .infer = multinomial_infer, .eval = multinomial_eval};

// ---- dropout ----

typedef struct dropout_attrs {
    int64_t seed; // ABSENT: none
} dropout_attrs;

static whet_status dropout_infer(whet_infer *ctx) {
    whet_infer_copy_shape(ctx, 0, 0);
    whet_infer_copy_shape(ctx, 1, 0);
    return WHET_OK;
}

// Input i must be one number.
static whet_status dropout_scalar(whet_eval *e, int32_t i, double *v) {
    if (!whet_eval_has(e, i)) return WHET_OK;
    if (whet_tensor_count(&e->in[i]) != 1)
        WHET_FAIL(e->err, WHET_E_SHAPE, "%s must be a scalar", e->op->in[i].name);
    *v = whet_load_f64(e->in[i].data, e->in[i].dtype, 0);
    return WHET_OK;
}

// Infinity stays what it is.
static void dropout_store(const whet_tensor *t, int64_t i, double v) {
    if (WHET_DTYPES_FLOAT8 >> t->dtype & 1)
        ((uint8_t *)t->data)[i] = whet_float8_store(t->dtype, v, isfinite(v));
    else whet_store_f64(t->data, t->dtype, i, v);
}

static whet_status dropout_eval(whet_eval *e) {
    const dropout_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[0];
    double ratio = 0.5, training = 0;
    int64_t n = whet_tensor_count(x);
    WHET_TRY(dropout_scalar(e, 1, &ratio));
    WHET_TRY(dropout_scalar(e, 2, &training));
    if (training != 0 && !(ratio >= 0 && ratio < 1))
        WHET_FAIL(e->err, WHET_E_RANGE, "ratio is %g, it must be in [0, 1)", ratio);
    whet_random *r = whet_random_make(e, a->seed == WHET_ATTR_ABSENT ? NAN : (double)a->seed);
    if (!r) return WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        bool keep = training == 0 || ratio == 0 || whet_random_uniform(r) >= ratio;
        double v = whet_load_f64(x->data, x->dtype, i);
        if (training != 0) v = keep ? v / (1 - ratio) : v * 0; // NaN stays NaN
        if (whet_eval_wants(e, 0)) dropout_store(&e->out[0], i, v);
        if (whet_eval_wants(e, 1)) whet_store_i64(e->out[1].data, WHET_DTYPE_BOOL, i, keep);
    }
    return WHET_OK;
}

#define DROPPED (WHET_DTYPES_FLOAT | WHET_DTYPES_FLOAT8)

const whet_op whet_op_dropout = {
    .name = "dropout",
    WHET_IN({"data", DROPPED, 'T'},
            {"ratio", DROPPED, 0, WHET_ARG_OPTIONAL},
            {"training_mode", WHET_DTYPES_BOOL, 0, WHET_ARG_OPTIONAL}),
    WHET_OUT({"output", DROPPED, 'T'},
             {"mask", WHET_DTYPES_BOOL, 0, WHET_ARG_OPTIONAL}),
    WHET_ATTRS(dropout_attrs, {"seed", WHET_ATTR_INT, offsetof(dropout_attrs, seed),
                               .def = -0x1p63}),
    // "dropout": a plain copy where it is known not to train
    WHET_ONNX({"", "Dropout", 1, 0, "dropout"}), .flags = WHET_OP_IMPURE,
    .infer = dropout_infer, .eval = dropout_eval};
