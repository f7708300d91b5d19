// SPDX-License-Identifier: Apache-2.0
// bit_cast: the same bytes as another type of the same width. Bytes other than 0 and 1 are no
// bools.
#include <string.h>

#include "ops/op.h"

typedef struct bit_cast_attrs {
    int32_t to;
} bit_cast_attrs;

static whet_status bit_cast_infer(whet_infer *ctx) {
    whet_dtype from = ctx->in[0]->dtype, to = ctx->out[0].dtype;
    if (whet_dtype_bits(from) != whet_dtype_bits(to))
        WHET_FAIL(ctx->err, WHET_E_DTYPE, "%s and %s differ in width", whet_dtype_text(from),
                  whet_dtype_text(to));
    return whet_infer_same_as_input(ctx);
}

static whet_status bit_cast_eval(whet_eval *e) {
    int64_t n = whet_tensor_count(&e->in[0]);
    const uint8_t *v = e->in[0].data;
    for (int64_t i = 0; e->out[0].dtype == WHET_DTYPE_BOOL && i < n; i++)
        if (v[i] > 1)
            WHET_FAIL(e->err, WHET_E_RANGE, "element %lld is %u, which is no bool", (long long)i,
                      v[i]);
    if (n > 0) memmove(e->out[0].data, e->in[0].data, whet_tensor_bytes(e->in[0].dtype, n));
    return WHET_OK;
}

#define NUMBERS (WHET_DTYPES_TENSOR & ~WHET_DTYPES_STRING)

const whet_op whet_op_bit_cast = {
    .name = "bit_cast",
    WHET_IN({"input", NUMBERS}),
    WHET_OUT({"output", NUMBERS}),
    WHET_ATTRS(bit_cast_attrs,
               {"to", WHET_ATTR_DTYPE, offsetof(bit_cast_attrs, to), .required = true}),
    WHET_ONNX({"", "BitCast", 26, 0, NULL}),
    .infer = bit_cast_infer,
    .eval = bit_cast_eval,
};
