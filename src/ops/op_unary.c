// SPDX-License-Identifier: Apache-2.0
// Descriptors of the pointwise functions of one input. Rows whose import is NULL hold for older
// spellings too: those only had fewer types, or consumed_inputs, which the importer drops.
#include <float.h>

#include "ops/attrs.h"
#include "ops/eval_pointwise.h"
#include "ops/move.h"
#include "ops/pointwise.h"

#define UNARY(op_name, PW, set)                                                                    \
    .name = op_name, WHET_IN({"X", set, 'T'}), WHET_OUT({"Y", set, 'T'}),                          \
    .flags = WHET_OP_POINTWISE | WHET_OP_INPLACE, .pw = WHET_PW_##PW,                              \
    .infer = whet_infer_elementwise, .eval = whet_pointwise_eval

// Without attributes, float types, one ONNX spelling.
#define FLOAT_UNARY(id, PW, onnx_name, since)                                                      \
    const whet_op whet_op_##id = {UNARY(#id, PW, WHET_DTYPES_FLOAT),                               \
                                  WHET_ONNX({"", onnx_name, since, 0, NULL})};

FLOAT_UNARY(acos, ACOS, "Acos", 7)
FLOAT_UNARY(acosh, ACOSH, "Acosh", 9)
FLOAT_UNARY(asin, ASIN, "Asin", 7)
FLOAT_UNARY(asinh, ASINH, "Asinh", 9)
FLOAT_UNARY(atan, ATAN, "Atan", 7)
FLOAT_UNARY(atanh, ATANH, "Atanh", 9)
FLOAT_UNARY(ceil, CEIL, "Ceil", 1)
FLOAT_UNARY(cos, COS, "Cos", 7)
FLOAT_UNARY(cosh, COSH, "Cosh", 9)
FLOAT_UNARY(exp, EXP, "Exp", 1)
FLOAT_UNARY(floor, FLOOR, "Floor", 1)
FLOAT_UNARY(log, LOG, "Log", 1)
FLOAT_UNARY(mish, MISH, "Mish", 18)
FLOAT_UNARY(reciprocal, RECIPROCAL, "Reciprocal", 1)
FLOAT_UNARY(round, ROUND, "Round", 11)
FLOAT_UNARY(sigmoid, SIGMOID, "Sigmoid", 1)
FLOAT_UNARY(sin, SIN, "Sin", 7)
FLOAT_UNARY(sinh, SINH, "Sinh", 9)
FLOAT_UNARY(softplus, SOFTPLUS, "Softplus", 1)
FLOAT_UNARY(softsign, SOFTSIGN, "Softsign", 1)
FLOAT_UNARY(sqrt, SQRT, "Sqrt", 1)
FLOAT_UNARY(tan, TAN, "Tan", 7)
FLOAT_UNARY(tanh, TANH, "Tanh", 1)

const whet_op whet_op_erf = {UNARY("erf", ERF, WHET_DTYPES_NUMERIC),
                             WHET_ONNX({"", "Erf", 9, 0, NULL})};
const whet_op whet_op_abs = {UNARY("abs", ABS, WHET_DTYPES_NUMERIC),
                             WHET_ONNX({"", "Abs", 1, 0, NULL})};
const whet_op whet_op_neg = {UNARY("neg", NEG, WHET_DTYPES_FLOAT | WHET_DTYPES_SIGNED),
                             WHET_ONNX({"", "Neg", 1, 0, NULL})};
const whet_op whet_op_sign = {UNARY("sign", SIGN, WHET_DTYPES_NUMERIC),
                              WHET_ONNX({"", "Sign", 9, 0, NULL})};
const whet_op whet_op_relu = {UNARY("relu", RELU, WHET_DTYPES_FLOAT | WHET_DTYPES_SIGNED),
                              WHET_ONNX({"", "Relu", 1, 0, NULL})};
const whet_op whet_op_not = {UNARY("not", NOT, WHET_DTYPES_BOOL),
                             WHET_ONNX({"", "Not", 1, 0, NULL})};
const whet_op whet_op_bitwise_not = {UNARY("bitwise_not", BITWISE_NOT, WHET_DTYPES_INT),
                                     WHET_ONNX({"", "BitwiseNot", 18, 0, NULL})};

const whet_op whet_op_identity = {
    .name = "identity",
    WHET_IN({"input", WHET_DTYPES_TENSOR | WHET_DTYPES_OBJECT, 'T'}),
    WHET_OUT({"output", WHET_DTYPES_TENSOR | WHET_DTYPES_OBJECT, 'T'}),
    .flags = WHET_OP_POINTWISE | WHET_OP_VIEW | WHET_OP_INPLACE,
    .pw = WHET_PW_IDENTITY,
    .infer = whet_infer_elementwise,
    .eval = whet_eval_copy,
    WHET_ONNX({"", "Identity", 1, 0, NULL}),
};

// ---- with parameters ----

typedef struct alpha_attrs {
    float alpha;
} alpha_attrs;
#define ALPHA(value) {"alpha", WHET_ATTR_FLOAT, offsetof(alpha_attrs, alpha), .def = value}
#define ALPHA_UNARY(id, PW, value, ...)                                                            \
    const whet_op whet_op_##id = {UNARY(#id, PW, WHET_DTYPES_FLOAT),                               \
                                  WHET_ATTRS(alpha_attrs, ALPHA(value)), WHET_ONNX(__VA_ARGS__)};

ALPHA_UNARY(celu, CELU, 1, {"", "Celu", 12, 0, NULL})
ALPHA_UNARY(elu, ELU, 1, {"", "Elu", 1, 0, NULL})
ALPHA_UNARY(leaky_relu, LEAKY_RELU, 0.01, {"", "LeakyRelu", 1, 0, NULL})
// "quick_gelu": alpha defaults to 1.702 there.
ALPHA_UNARY(swish, SWISH, 1, {"", "Swish", 24, 0, NULL},
            {"com.microsoft", "QuickGelu", 1, 0, "quick_gelu"})
ALPHA_UNARY(thresholded_relu, THRESHOLDED_RELU, 1, {"", "ThresholdedRelu", 10, 0, NULL})

typedef struct slope_attrs {
    float alpha, beta;
} slope_attrs;
#define SLOPE(a, b)                                                                                \
    WHET_ATTRS(slope_attrs, {"alpha", WHET_ATTR_FLOAT, offsetof(slope_attrs, alpha), .def = a},    \
               {"beta", WHET_ATTR_FLOAT, offsetof(slope_attrs, beta), .def = b})

const whet_op whet_op_hard_sigmoid = {UNARY("hard_sigmoid", HARD_SIGMOID, WHET_DTYPES_FLOAT),
                                      SLOPE(0.2, 0.5),
                                      WHET_ONNX({"", "HardSigmoid", 1, 0, NULL})};
const whet_op whet_op_hard_swish = {UNARY("hard_swish", HARD_SWISH, WHET_DTYPES_FLOAT),
                                    SLOPE(1.0 / 6, 0.5),
                                    WHET_ONNX({"", "HardSwish", 14, 0, NULL})};

typedef struct selu_attrs {
    float alpha, gamma;
} selu_attrs;
const whet_op whet_op_selu = {
    UNARY("selu", SELU, WHET_DTYPES_FLOAT),
    WHET_ATTRS(selu_attrs,
               {"alpha", WHET_ATTR_FLOAT, offsetof(selu_attrs, alpha), .def = 1.67326319},
               {"gamma", WHET_ATTR_FLOAT, offsetof(selu_attrs, gamma), .def = 1.05070102}),
    // "selu_1": alpha defaults to 1.6732, gamma to 1.0507 there
    WHET_ONNX({"", "Selu", 1, 5, "selu_1"}, {"", "Selu", 6, 0, NULL}),
};

typedef struct shrink_attrs {
    float lambd, bias;
} shrink_attrs;
const whet_op whet_op_shrink = {
    UNARY("shrink", SHRINK, WHET_DTYPES_NUMERIC),
    WHET_ATTRS(shrink_attrs,
               {"lambd", WHET_ATTR_FLOAT, offsetof(shrink_attrs, lambd), .def = 0.5},
               {"bias", WHET_ATTR_FLOAT, offsetof(shrink_attrs, bias)}),
    WHET_ONNX({"", "Shrink", 9, 0, NULL}),
};

const whet_op whet_op_clip = {
    UNARY("clip", CLIP, WHET_DTYPES_FLOAT),
    WHET_ATTRS(whet_clip_attrs,
               {"min", WHET_ATTR_FLOAT, offsetof(whet_clip_attrs, min), .def = -FLT_MAX},
               {"max", WHET_ATTR_FLOAT, offsetof(whet_clip_attrs, max), .def = FLT_MAX}),
    // From opset 11 the bounds are inputs: see clip_t.
    WHET_ONNX({"", "Clip", 1, 10, NULL}),
};

static const char *const gelu_choices[] = {"none", "tanh", NULL};
typedef struct gelu_attrs {
    int32_t approximate;
} gelu_attrs;
const whet_op whet_op_gelu = {
    UNARY("gelu", GELU, WHET_DTYPES_FLOAT),
    WHET_ATTRS(gelu_attrs, {"approximate", WHET_ATTR_ENUM, offsetof(gelu_attrs, approximate),
                            .choices = gelu_choices}),
    // "bias_gelu": gelu(add(A, B)). "fast_gelu": approximate = tanh, of add(X, bias) where the
    // second input is there.
    WHET_ONNX({"", "Gelu", 20, 0, NULL}, {"com.microsoft", "Gelu", 1, 0, NULL},
              {"com.microsoft", "BiasGelu", 1, 0, "bias_gelu"},
              {"com.microsoft", "FastGelu", 1, 0, "fast_gelu"}),
};

// ---- predicates ----

#define PREDICATE(op_name, PW)                                                                     \
    .name = op_name, WHET_IN({"X", WHET_DTYPES_FLOAT | WHET_DTYPES_FLOAT8, 'T'}),                  \
    WHET_OUT({"Y", WHET_DTYPES_BOOL}),                                                             \
    .flags = WHET_OP_POINTWISE, .pw = WHET_PW_##PW, .infer = whet_infer_elementwise,               \
    .eval = whet_pointwise_eval

typedef struct is_inf_attrs {
    bool detect_negative, detect_positive;
} is_inf_attrs;
const whet_op whet_op_is_inf = {
    PREDICATE("is_inf", IS_INF),
    WHET_ATTRS(is_inf_attrs,
               {"detect_negative", WHET_ATTR_BOOL, offsetof(is_inf_attrs, detect_negative),
                .def = 1},
               {"detect_positive", WHET_ATTR_BOOL, offsetof(is_inf_attrs, detect_positive),
                .def = 1}),
    WHET_ONNX({"", "IsInf", 10, 0, NULL}),
};
const whet_op whet_op_is_nan = {PREDICATE("is_nan", IS_NAN), WHET_ONNX({"", "IsNaN", 9, 0, NULL})};
