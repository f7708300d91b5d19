// SPDX-License-Identifier: Apache-2.0
// cast and cast_like. Integers keep their low bits; reals are cut toward zero and saturate, NaN
// becomes 0; anything but zero is true.
#include <string.h>

#include "ops/number_text.h"
#include "ops/op.h"

typedef struct cast_attrs {
    int32_t to, round_mode; // a whet_e8m0_round, for f8e8m0
    bool saturate;          // for floats of 8 bits
} cast_attrs;

static whet_status cast_infer(whet_infer *ctx) {
    if (ctx->n_in > 1) ctx->out[0].dtype = ctx->in[1]->dtype;
    whet_infer_copy_shape(ctx, 0, 0);
    return whet_infer_pass_value(ctx, 0, 0);
}

// Integers of 4 and 2 bits keep the low bits of what is cut toward zero, as ONNX's cases want.
static void store_real(const cast_attrs *a, whet_tensor *out, int64_t i, double v) {
    if (out->dtype == WHET_DTYPE_F8E8M0)
        ((uint8_t *)out->data)[i] =
            whet_e8m0_store(v, a->saturate, (whet_e8m0_round)a->round_mode);
    else if (WHET_DTYPES_FLOAT8 >> out->dtype & 1)
        ((uint8_t *)out->data)[i] = whet_float8_store(out->dtype, v, a->saturate);
    else if ((WHET_DTYPES_INT4 | WHET_DTYPES_INT2) >> out->dtype & 1)
        whet_store_i64(out->data, out->dtype, i, whet_load_i64(&v, WHET_DTYPE_F64, 0));
    else whet_store_f64(out->data, out->dtype, i, v);
}

static whet_status print_texts(whet_eval *e, int64_t n) {
    const whet_tensor *in = &e->in[0];
    whet_text *out = e->out[0].data;
    for (int64_t i = 0; i < n; i++) {
        char text[WHET_NUMBER_TEXT];
        out[i].size = whet_number_print(text, in->data, in->dtype, i);
        char *copy = e->objects ? whet_arena_alloc_raw(e->objects, out[i].size + 1) : NULL;
        if (!copy) return e->objects ? whet_arena_failure(e->objects, e->err) : WHET_NOMEM(e->err);
        memcpy(copy, text, out[i].size);
        copy[out[i].size] = 0;
        out[i].data = copy;
    }
    return WHET_OK;
}

static whet_status parse_texts(whet_eval *e, int64_t n) {
    const whet_text *in = e->in[0].data;
    whet_tensor *out = &e->out[0];
    for (int64_t i = 0; i < n; i++)
        if (!whet_number_parse(in[i], out->data, out->dtype, i))
            WHET_FAIL(e->err, WHET_E_RANGE, "element %lld, \"%.*s\", is no number", (long long)i,
                      in[i].size > 40 ? 40 : (int)in[i].size, in[i].data ? in[i].data : "");
    return WHET_OK;
}

static whet_status cast_eval(whet_eval *e) {
    const whet_tensor *in = &e->in[0];
    whet_tensor *out = &e->out[0];
    int64_t n = whet_tensor_count(in);
    if (in->dtype == out->dtype) {
        if (n > 0) memmove(out->data, in->data, whet_tensor_bytes(in->dtype, n));
        return WHET_OK;
    }
    if (out->dtype == WHET_DTYPE_STRING) return print_texts(e, n);
    if (in->dtype == WHET_DTYPE_STRING) return parse_texts(e, n);
    for (int64_t i = 0; i < n; i++) {
        if (whet_dtype_is_float(in->dtype))
            store_real(e->attrs, out, i, whet_load_f64(in->data, in->dtype, i));
        else if (WHET_DTYPES_SMALL >> out->dtype & 1 && whet_dtype_is_float(out->dtype))
            store_real(e->attrs, out, i, whet_load_f64(in->data, in->dtype, i));
        else if (in->dtype == WHET_DTYPE_U64)
            whet_store_u64(out->data, out->dtype, i, whet_load_u64(in->data, in->dtype, i));
        else whet_store_i64(out->data, out->dtype, i, whet_load_i64(in->data, in->dtype, i));
    }
    return WHET_OK;
}

#define TYPES (WHET_DTYPES_ALL | WHET_DTYPES_SMALL | WHET_DTYPES_STRING)

static const char *const round_choices[] = {"up", "down", "nearest", NULL};
#define SATURATE                                                                                   \
    {"saturate", WHET_ATTR_BOOL, offsetof(cast_attrs, saturate), .def = 1},                        \
    {"round_mode", WHET_ATTR_ENUM, offsetof(cast_attrs, round_mode), .choices = round_choices}

const whet_op whet_op_cast = {
    .name = "cast",
    WHET_IN({"input", TYPES}),
    WHET_OUT({"output", TYPES}),
    WHET_ATTRS(cast_attrs,
               {"to", WHET_ATTR_DTYPE, offsetof(cast_attrs, to), .required = true},
               SATURATE),
    // "cast_1": `to` is the name of a TensorProto data type, such as "FLOAT"
    WHET_ONNX({"", "Cast", 1, 5, "cast_1"}, {"", "Cast", 6, 0, NULL}),
    .flags = WHET_OP_MONOTONE, .infer = cast_infer,
    .eval = cast_eval,
};

const whet_op whet_op_cast_like = {
    .name = "cast_like",
    WHET_IN({"input", TYPES}, {"target_type", TYPES, 'T', WHET_ARG_SHAPE}),
    WHET_OUT({"output", TYPES, 'T'}),
    WHET_ATTRS(cast_attrs, SATURATE),
    WHET_ONNX({"", "CastLike", 15, 0, NULL}),
    .flags = WHET_OP_MONOTONE, .infer = cast_infer,
    .eval = cast_eval,
};
