// SPDX-License-Identifier: Apache-2.0
// Optionals. What is no optional counts as one that is there.
#include "ops/objects.h"

// The type is that of the input, or, without one, the chain of bytes of base/object.h.
typedef struct optional_attrs {
    int64_t elem;
} optional_attrs;

static whet_status optional_infer(whet_infer *ctx) {
    const optional_attrs *a = ctx->attrs;
    whet_elem elem = (whet_elem)a->elem, given = elem;
    if (whet_infer_has(ctx, 0) &&
        (!whet_elem_make(ctx->in[0]->dtype, ctx->in[0]->elem, &elem) ||
         !whet_elem_merge(elem, given, &elem)))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "its type is not that of its input");
    if (!whet_elem_valid(WHET_DTYPE_OPTIONAL, elem))
        WHET_FAIL(ctx->err, WHET_E_RANGE, "attribute elem is no type");
    whet_infer_object(ctx, 0, WHET_DTYPE_OPTIONAL, elem);
    return WHET_OK;
}

static whet_status optional_eval(whet_eval *e) {
    const optional_attrs *a = e->attrs;
    const whet_object *o;
    WHET_TRY(whet_object_make(e->objects, WHET_DTYPE_OPTIONAL, (whet_elem)a->elem, e->in,
                              whet_eval_has(e, 0), &o, e->err));
    whet_eval_put(e, 0, o);
    return WHET_OK;
}

const whet_op whet_op_optional = {
    .name = "optional",
    WHET_IN({"input", WHET_DTYPES_ANY & ~WHET_DTYPES_OPTIONAL, 0, WHET_ARG_OPTIONAL}),
    WHET_OUT({"output", WHET_DTYPES_OPTIONAL}),
    WHET_ATTRS(optional_attrs, {"elem", WHET_ATTR_INT, offsetof(optional_attrs, elem), .min = 0,
                                .max = UINT32_MAX}),
    WHET_ONNX({"", "Optional", 15, 0, "optional"}),
    .flags = WHET_OP_ANY_RANK, .infer = optional_infer, .eval = optional_eval,
};

static whet_status get_infer(whet_infer *ctx) { return whet_infer_item(ctx, 0, 0); }

static whet_status get_eval(whet_eval *e) {
    const whet_object *o = whet_eval_object(e, 0);
    if (!o) return WHET_E_INVALID;
    if (!o->n) WHET_FAIL(e->err, WHET_E_INVALID, "the optional is empty");
    return whet_eval_item(e, 0, &o->items[0]);
}

const whet_op whet_op_optional_get_element = {
    .name = "optional_get_element",
    WHET_IN({"input", WHET_DTYPES_OPTIONAL}), WHET_OUT({"output", WHET_DTYPES_ANY}),
    WHET_ONNX({"", "OptionalGetElement", 15, 0, "optional_get_element"}),
    .flags = WHET_OP_ANY_RANK | WHET_OP_DYNAMIC_OUT, .infer = get_infer, .eval = get_eval,
};

static whet_status has_infer(whet_infer *ctx) {
    whet_infer_shape(ctx, 0, 0, NULL);
    return WHET_OK;
}

static whet_status has_eval(whet_eval *e) {
    const whet_object *o = whet_eval_object(e, 0);
    if (!o) return WHET_E_INVALID;
    *(bool *)e->out[0].data = o->n != 0;
    return WHET_OK;
}

const whet_op whet_op_optional_has_element = {
    .name = "optional_has_element",
    WHET_IN({"input", WHET_DTYPES_OPTIONAL}), WHET_OUT({"output", WHET_DTYPES_BOOL}),
    WHET_ONNX({"", "OptionalHasElement", 15, 0, "optional_has_element"}),
    .infer = has_infer, .eval = has_eval,
};
