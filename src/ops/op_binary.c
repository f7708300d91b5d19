// SPDX-License-Identifier: Apache-2.0
// Descriptors of the pointwise functions of two inputs, and where. Import functions:
// "legacy_broadcast" (opset < 7): with broadcast = 1, B lies at dimension `axis` of A (absent: at
//   its end), so B gets rank(A) - axis - rank(B) trailing dimensions of 1; consumed_inputs is
//   dropped.
// "variadic": one input: identity; two: the operator; more: a chain from the left.
#include "base/texts.h"
#include "ops/broadcast.h"
#include "ops/eval_pointwise.h"
#include "ops/pointwise.h"

#define BINARY(op_name, PW, set)                                                                   \
    .name = op_name, WHET_IN({"A", set, 'T'}, {"B", set, 'T'}), WHET_OUT({"C", set, 'T'}),         \
    .flags = WHET_OP_POINTWISE | WHET_OP_INPLACE, .pw = WHET_PW_##PW,                              \
    .infer = whet_infer_elementwise, .eval = whet_pointwise_eval

#define LEGACY(onnx_name)                                                                          \
    {"", onnx_name, 1, 6, "legacy_broadcast"}, {"", onnx_name, 7, 0, NULL}

#define ARITHMETIC(id, PW, ...)                                                                    \
    const whet_op whet_op_##id = {BINARY(#id, PW, WHET_DTYPES_NUMERIC), WHET_ONNX(__VA_ARGS__)};
ARITHMETIC(add, ADD, LEGACY("Add"), {"", "Sum", 1, 0, "variadic"})
ARITHMETIC(sub, SUB, LEGACY("Sub"))
ARITHMETIC(mul, MUL, LEGACY("Mul"))
ARITHMETIC(div, DIV, LEGACY("Div"))
ARITHMETIC(max, MAX, {"", "Max", 1, 0, "variadic"})
ARITHMETIC(min, MIN, {"", "Min", 1, 0, "variadic"})

typedef struct mod_attrs {
    bool fmod;
} mod_attrs;
const whet_op whet_op_mod = {
    BINARY("mod", MOD, WHET_DTYPES_NUMERIC),
    WHET_ATTRS(mod_attrs, {"fmod", WHET_ATTR_BOOL, offsetof(mod_attrs, fmod)}),
    WHET_ONNX({"", "Mod", 10, 0, NULL}),
};

static const char *const shift_choices[] = {"LEFT", "RIGHT", NULL};
typedef struct shift_attrs {
    int32_t direction;
} shift_attrs;
const whet_op whet_op_bit_shift = {
    BINARY("bit_shift", BIT_SHIFT, WHET_DTYPES_INT),
    WHET_ATTRS(shift_attrs, {"direction", WHET_ATTR_ENUM, offsetof(shift_attrs, direction),
                             .required = true, .choices = shift_choices}),
    WHET_ONNX({"", "BitShift", 11, 0, NULL}),
};

// Result and base have one type, the exponent may have another.
const whet_op whet_op_pow = {
    .name = "pow",
    WHET_IN({"X", WHET_DTYPES_NUMERIC, 'T'}, {"Y", WHET_DTYPES_NUMERIC}),
    WHET_OUT({"Z", WHET_DTYPES_NUMERIC, 'T'}),
    .flags = WHET_OP_POINTWISE | WHET_OP_INPLACE,
    .pw = WHET_PW_POW,
    .infer = whet_infer_elementwise,
    .eval = whet_pointwise_eval,
    WHET_ONNX(LEGACY("Pow")),
};

// The slope broadcasts to X, never the other way round.
static whet_status prelu_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0], *slope = ctx->in[1];
    if (slope->rank > x->rank)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "the slope has more dimensions than X");
    for (int32_t i = 0; i < slope->rank; i++) {
        whet_dim d = slope->dims[i];
        if (d != 1)
            WHET_TRY(whet_infer_same(ctx, x->dims[x->rank - slope->rank + i], d,
                                     "the slope does not broadcast to X"));
    }
    return whet_infer_same_as_input(ctx);
}

const whet_op whet_op_prelu = {
    .name = "prelu",
    WHET_IN({"X", WHET_DTYPES_NUMERIC, 'T'}, {"slope", WHET_DTYPES_NUMERIC, 'T'}),
    WHET_OUT({"Y", WHET_DTYPES_NUMERIC, 'T'}),
    .flags = WHET_OP_POINTWISE | WHET_OP_INPLACE,
    .pw = WHET_PW_PRELU,
    .infer = prelu_infer,
    .eval = whet_pointwise_eval,
    // "prelu_1": a slope of one dimension belongs to the channels, so it gets rank(X) - 2 trailing
    // dimensions of 1; one of a single element stays.
    WHET_ONNX({"", "PRelu", 1, 6, "prelu_1"}, {"", "PRelu", 7, 0, NULL}),
};

// ---- truth ----

static whet_status equal_eval(whet_eval *e) {
    whet_broadcast b;
    if (e->in[0].dtype != WHET_DTYPE_STRING) return whet_pointwise_eval(e);
    whet_broadcast_init(&b, &e->out[0], e->in, 2);
    while (whet_broadcast_next(&b)) {
        const whet_text *x = e->in[0].data, *y = e->in[1].data;
        bool *out = (bool *)e->out[0].data + b.out;
        for (int64_t i = 0; i < b.length; i++)
            out[i] = whet_text_equal(x[b.in[0] + i * b.step[0]], y[b.in[1] + i * b.step[1]]);
    }
    return WHET_OK;
}

#define COMPARE(id, PW, set, evaluate, ...)                                                        \
    const whet_op whet_op_##id = {                                                                 \
        .name = #id,                                                                               \
        WHET_IN({"A", set, 'T'}, {"B", set, 'T'}),                                                 \
        WHET_OUT({"C", WHET_DTYPES_BOOL}),                                                         \
        .flags = WHET_OP_POINTWISE,                                                                \
        .pw = WHET_PW_##PW,                                                                        \
        .infer = whet_infer_elementwise,                                                           \
        .eval = evaluate,                                                                          \
        WHET_ONNX(__VA_ARGS__),                                                                    \
    };
COMPARE(equal, EQUAL, WHET_DTYPES_ALL | WHET_DTYPES_STRING, equal_eval, LEGACY("Equal"))
COMPARE(less, LESS, WHET_DTYPES_NUMERIC, whet_pointwise_eval, LEGACY("Less"))
COMPARE(greater, GREATER, WHET_DTYPES_NUMERIC, whet_pointwise_eval, LEGACY("Greater"))
COMPARE(less_or_equal, LESS_OR_EQUAL, WHET_DTYPES_NUMERIC, whet_pointwise_eval,
        {"", "LessOrEqual", 12, 0, NULL})
COMPARE(greater_or_equal, GREATER_OR_EQUAL, WHET_DTYPES_NUMERIC, whet_pointwise_eval,
        {"", "GreaterOrEqual", 12, 0, NULL})

#define LOGIC(id, PW, set, ...)                                                                    \
    const whet_op whet_op_##id = {BINARY(#id, PW, set), WHET_ONNX(__VA_ARGS__)};
LOGIC(and, AND, WHET_DTYPES_BOOL, LEGACY("And"))
LOGIC(or, OR, WHET_DTYPES_BOOL, LEGACY("Or"))
LOGIC(xor, XOR, WHET_DTYPES_BOOL, LEGACY("Xor"))
LOGIC(bitwise_and, BITWISE_AND, WHET_DTYPES_INT, {"", "BitwiseAnd", 18, 0, NULL})
LOGIC(bitwise_or, BITWISE_OR, WHET_DTYPES_INT, {"", "BitwiseOr", 18, 0, NULL})
LOGIC(bitwise_xor, BITWISE_XOR, WHET_DTYPES_INT, {"", "BitwiseXor", 18, 0, NULL})

const whet_op whet_op_where = {
    .name = "where",
    WHET_IN({"condition", WHET_DTYPES_BOOL}, {"X", 0, 'T'}, {"Y", 0, 'T'}),
    WHET_OUT({"output", 0, 'T'}),
    .flags = WHET_OP_POINTWISE | WHET_OP_MOVES,
    .pw = WHET_PW_WHERE,
    .infer = whet_infer_elementwise,
    .eval = whet_pointwise_eval,
    WHET_ONNX({"", "Where", 9, 0, NULL}),
};
