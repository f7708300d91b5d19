// SPDX-License-Identifier: Apache-2.0
// Making, changing and reading sequences.
#include <string.h>

#include "ops/indices.h"
#include "ops/objects.h"

// ---- making ----

static whet_status construct_infer(whet_infer *ctx) {
    whet_elem elem;
    if (!whet_elem_make(ctx->in[0]->dtype, ctx->in[0]->elem, &elem))
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "sequences are nested too deeply");
    whet_infer_object(ctx, 0, WHET_DTYPE_SEQUENCE, elem);
    return WHET_OK;
}

static whet_status construct_eval(whet_eval *e) {
    const whet_object *o;
    WHET_TRY(whet_object_make(e->objects, WHET_DTYPE_SEQUENCE, 0, e->in, e->n_in, &o, e->err));
    whet_eval_put(e, 0, o);
    return WHET_OK;
}

const whet_op whet_op_sequence_construct = {
    .name = "sequence_construct",
    WHET_IN({"inputs", WHET_DTYPES_ANY, 'T', WHET_ARG_VARIADIC}),
    WHET_OUT({"output_sequence", WHET_DTYPES_SEQUENCE}),
    WHET_ONNX({"", "SequenceConstruct", 11, 0, "sequence_construct"}),
    .flags = WHET_OP_ANY_RANK, .infer = construct_infer, .eval = construct_eval,
};

typedef struct empty_attrs {
    int32_t dtype;
} empty_attrs;

static whet_status empty_infer(whet_infer *ctx) {
    const empty_attrs *a = ctx->attrs;
    whet_infer_object(ctx, 0, WHET_DTYPE_SEQUENCE, (whet_elem)a->dtype);
    return WHET_OK;
}

static whet_status empty_eval(whet_eval *e) {
    const empty_attrs *a = e->attrs;
    const whet_object *o;
    WHET_TRY(whet_object_make(e->objects, WHET_DTYPE_SEQUENCE, (whet_elem)a->dtype, NULL, 0, &o,
                              e->err));
    whet_eval_put(e, 0, o);
    return WHET_OK;
}

const whet_op whet_op_sequence_empty = {
    .name = "sequence_empty",
    WHET_OUT({"output", WHET_DTYPES_SEQUENCE}),
    WHET_ATTRS(empty_attrs, {"dtype", WHET_ATTR_DTYPE, offsetof(empty_attrs, dtype),
                             .def = WHET_DTYPE_F32}),
    WHET_ONNX({"", "SequenceEmpty", 11, 0, "sequence_empty"}),
    .infer = empty_infer, .eval = empty_eval,
};

// ---- changing ----

static whet_status insert_infer(whet_infer *ctx) {
    whet_elem item, elem;
    if (!whet_elem_make(ctx->in[1]->dtype, ctx->in[1]->elem, &item) ||
        !whet_elem_merge(ctx->in[0]->elem, item, &elem))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "%s cannot be put in a sequence of %s",
                  whet_dtype_text(ctx->in[1]->dtype),
                  whet_dtype_text(whet_elem_dtype(ctx->in[0]->elem)));
    whet_infer_object(ctx, 0, WHET_DTYPE_SEQUENCE, elem);
    return WHET_OK;
}

static whet_status insert_eval(whet_eval *e) {
    const whet_object *s = whet_eval_object(e, 0);
    int64_t at;
    if (!s) return WHET_E_INVALID;
    WHET_TRY(whet_eval_position(e, 2, s->n, s->n, &at));
    WHET_TRY(whet_object_insert(e->objects, s, at, &e->in[1], &s, e->err));
    whet_eval_put(e, 0, s);
    return WHET_OK;
}

const whet_op whet_op_sequence_insert = {
    .name = "sequence_insert",
    WHET_IN({"input_sequence", WHET_DTYPES_SEQUENCE}, {"tensor", WHET_DTYPES_ANY},
            {"position", WHET_DTYPES_INDEX, 0, WHET_ARG_OPTIONAL}),
    WHET_OUT({"output_sequence", WHET_DTYPES_SEQUENCE}),
    WHET_ONNX({"", "SequenceInsert", 11, 0, "sequence_insert"}),
    .flags = WHET_OP_ANY_RANK, .infer = insert_infer, .eval = insert_eval,
};

static whet_status erase_eval(whet_eval *e) {
    const whet_object *s = whet_eval_object(e, 0);
    int64_t at;
    if (!s) return WHET_E_INVALID;
    WHET_TRY(whet_eval_position(e, 1, s->n, s->n - 1, &at));
    WHET_TRY(whet_object_erase(e->objects, s, at, &s, e->err));
    whet_eval_put(e, 0, s);
    return WHET_OK;
}

const whet_op whet_op_sequence_erase = {
    .name = "sequence_erase",
    WHET_IN({"input_sequence", WHET_DTYPES_SEQUENCE},
            {"position", WHET_DTYPES_INDEX, 0, WHET_ARG_OPTIONAL}),
    WHET_OUT({"output_sequence", WHET_DTYPES_SEQUENCE}),
    WHET_ONNX({"", "SequenceErase", 11, 0, "sequence_erase"}),
    .flags = WHET_OP_ANY_RANK, .infer = whet_infer_same_object, .eval = erase_eval,
};

// ---- reading ----

static whet_status at_infer(whet_infer *ctx) { return whet_infer_item(ctx, 0, 0); }

static whet_status at_eval(whet_eval *e) {
    const whet_object *s = whet_eval_object(e, 0);
    int64_t at;
    if (!s) return WHET_E_INVALID;
    WHET_TRY(whet_eval_position(e, 1, s->n, s->n - 1, &at));
    return whet_eval_item(e, 0, &s->items[at]);
}

const whet_op whet_op_sequence_at = {
    .name = "sequence_at",
    WHET_IN({"input_sequence", WHET_DTYPES_SEQUENCE}, {"position", WHET_DTYPES_INDEX}),
    WHET_OUT({"tensor", WHET_DTYPES_ANY}),
    WHET_ONNX({"", "SequenceAt", 11, 0, "sequence_at"}),
    .flags = WHET_OP_ANY_RANK | WHET_OP_DYNAMIC_OUT, .infer = at_infer, .eval = at_eval,
};

static whet_status length_infer(whet_infer *ctx) {
    whet_infer_shape(ctx, 0, 0, NULL);
    return WHET_OK;
}

static whet_status length_eval(whet_eval *e) {
    const whet_object *s = whet_eval_object(e, 0);
    if (!s) return WHET_E_INVALID;
    whet_store_i64(e->out[0].data, WHET_DTYPE_I64, 0, s->n);
    return WHET_OK;
}

const whet_op whet_op_sequence_length = {
    .name = "sequence_length",
    WHET_IN({"input_sequence", WHET_DTYPES_SEQUENCE}),
    WHET_OUT({"length", WHET_DTYPE_BIT(WHET_DTYPE_I64)}),
    WHET_ONNX({"", "SequenceLength", 11, 0, "sequence_length"}),
    .infer = length_infer, .eval = length_eval,
};
