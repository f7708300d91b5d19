// SPDX-License-Identifier: Apache-2.0
#include "ops/attrs.h"
#include "ops/conv_ref.h"
#include "ops/matrix.h"

static whet_status conv_infer(whet_infer *ctx) {
    const whet_conv_attrs *a = ctx->attrs;
    WHET_TRY(whet_conv_infer(ctx, &a->window, a->group, 0, 1));
    return whet_conv_infer_bias(ctx, 2, ctx->in[1]->dims[0]);
}

static whet_status conv_eval(whet_eval *e) {
    const whet_conv_attrs *a = e->attrs;
    whet_conv_ref r;
    whet_conv_ref_init(&r, &a->window, a->group, &e->in[0], &e->in[1], &e->out[0]);
    const double *x = whet_eval_f64(e, 0), *w = whet_eval_f64(e, 1), *bias = NULL;
    double *y = whet_eval_raw_f64(e, whet_tensor_count(&e->out[0]));
    if (whet_eval_has(e, 2) && !(bias = whet_eval_f64(e, 2))) return WHET_E_NOMEM;
    if (!x || !w || !y) return WHET_E_NOMEM;
    WHET_TRY(whet_conv_ref_run(e, &r, x, w, bias, y));
    whet_eval_store(e, 0, y);
    return WHET_OK;
}

static double conv_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                         const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return whet_conv_flops(&in[1], &out[0]);
}

static const whet_arg conv_in[] = {
    {"X", WHET_DTYPES_FLOAT, 'T'},
    {"W", WHET_DTYPES_FLOAT, 'T'},
    {"B", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL},
};
static const whet_arg conv_out[] = {{"Y", WHET_DTYPES_FLOAT, 'T'}};
static const whet_attr conv_attr_rows[] = {
    WHET_WINDOW_ROWS(whet_conv_attrs, false),
    {"group", WHET_ATTR_INT, offsetof(whet_conv_attrs, group), .def = 1, .min = 1,
     .max = INT32_MAX},
};
static const whet_onnx_row conv_onnx[] = {{"", "Conv", 1, 0, NULL}};

const whet_op whet_op_conv = {
    .name = "conv",
    .in = conv_in,
    .n_in = WHET_COUNT(conv_in),
    .out = conv_out,
    .n_out = WHET_COUNT(conv_out),
    .attrs = conv_attr_rows,
    .n_attrs = WHET_COUNT(conv_attr_rows),
    .attrs_size = sizeof(whet_conv_attrs),
    .onnx = conv_onnx,
    .n_onnx = WHET_COUNT(conv_onnx),
    .infer = conv_infer,
    .eval = conv_eval,
    .flops = conv_flops,
};
