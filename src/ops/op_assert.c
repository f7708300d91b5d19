// SPDX-License-Identifier: Apache-2.0
// A value passed on under a condition. Not in ONNX; networks by hand use it.
#include <stddef.h>

#include "ops/move.h"

typedef struct assert_attrs {
    const char *message;
} assert_attrs;

static whet_status assert_eval(whet_eval *e) {
    const assert_attrs *a = e->attrs;
    const uint8_t *condition = e->in[1].data;
    int64_t n = whet_tensor_count(&e->in[1]);
    for (int64_t i = 0; i < n; i++)
        if (!condition[i])
            WHET_FAIL(e->err, WHET_E_RANGE, "assertion failed: %s",
                      a->message && *a->message ? a->message : "a condition does not hold");
    return whet_eval_copy(e);
}

const whet_op whet_op_assert = {
    .name = "assert",
    WHET_IN({"X", WHET_DTYPES_TENSOR, 'T'}, {"condition", WHET_DTYPES_BOOL}),
    WHET_OUT({"Y", WHET_DTYPES_TENSOR, 'T'}),
    WHET_ATTRS(assert_attrs, {"message", WHET_ATTR_STRING, offsetof(assert_attrs, message)}),
    .flags = WHET_OP_IMPURE,
    .infer = whet_infer_same_as_input,
    .eval = assert_eval,
};
