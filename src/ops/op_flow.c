// SPDX-License-Identifier: Apache-2.0
// Control flow: operators with blocks, which the executor runs (run/flow.c).
#include <stddef.h>

#include "ops/flow.h"

#define ANY (WHET_DTYPES_TENSOR | WHET_DTYPES_OBJECT)

static const char *const if_blocks[] = {"then", "else"};
static const char *const body[] = {"body"};

const whet_op whet_op_if = {
    .name = "if",
    WHET_IN({"cond", WHET_DTYPE_BIT(WHET_DTYPE_BOOL), 0, 0},
            {"captured", ANY, 0, WHET_ARG_OPTIONAL | WHET_ARG_VARIADIC}),
    WHET_OUT({"outputs", ANY, 0, WHET_ARG_VARIADIC}),
    WHET_ONNX({"", "If", 1, 0, "if"}),
    .min_in = 1,
    .flags = WHET_OP_DYNAMIC_OUT | WHET_OP_ANY_RANK,
    .n_blocks = 2,
    .blocks = if_blocks,
    .infer = whet_flow_infer,
};

#define CARRIED                                                                                    \
    {.name = "carried", .type = WHET_ATTR_INT, .offset = offsetof(whet_flow_attrs, carried),       \
     .def = 0, .min = 0, .max = 1 << 20}
#define LIST(text, field)                                                                          \
    {.name = text, .type = WHET_ATTR_INTS, .offset = offsetof(whet_flow_attrs, field)}

const whet_op whet_op_loop = {
    .name = "loop",
    WHET_IN({"count", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL},
            {"cond", WHET_DTYPE_BIT(WHET_DTYPE_BOOL), 0, WHET_ARG_OPTIONAL},
            {"values", ANY, 0, WHET_ARG_OPTIONAL | WHET_ARG_VARIADIC}),
    WHET_OUT({"outputs", ANY, 0, WHET_ARG_VARIADIC}),
    WHET_ATTRS(whet_flow_attrs, CARRIED),
    WHET_ONNX({"", "Loop", 1, 0, "loop"}),
    .min_in = 2,
    .flags = WHET_OP_DYNAMIC_OUT | WHET_OP_ANY_RANK,
    .n_blocks = 1,
    .blocks = body,
    .infer = whet_flow_infer,
};

const whet_op whet_op_scan = {
    .name = "scan",
    WHET_IN({"lengths", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0, WHET_ARG_OPTIONAL},
            {"values", ANY, 0, WHET_ARG_OPTIONAL | WHET_ARG_VARIADIC}),
    WHET_OUT({"outputs", ANY, 0, WHET_ARG_VARIADIC}),
    WHET_ATTRS(whet_flow_attrs, CARRIED,
               {.name = "scanned", .type = WHET_ATTR_INT,
                .offset = offsetof(whet_flow_attrs, scanned), .def = 1, .min = 1, .max = 1 << 20},
               LIST("in_axes", in_axes), LIST("in_directions", in_directions),
               LIST("out_axes", out_axes), LIST("out_directions", out_directions),
               {.name = "batched", .type = WHET_ATTR_BOOL,
                .offset = offsetof(whet_flow_attrs, batched), .def = 0}),
    WHET_ONNX({"", "Scan", 8, 8, "scan_8"}, {"", "Scan", 9, 0, "scan"}),
    .min_in = 2,
    .flags = WHET_OP_DYNAMIC_OUT | WHET_OP_ANY_RANK,
    .n_blocks = 1,
    .blocks = body,
    .infer = whet_flow_infer,
};
