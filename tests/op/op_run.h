// SPDX-License-Identifier: Apache-2.0
// Runs one operator on tensors: attributes from text, inference with numbers and with symbols
// (which must agree), then the C reference into memory of exactly the right size.
#ifndef WHET_TESTS_OP_RUN_H
#define WHET_TESTS_OP_RUN_H

#include "ops/op.h"

#define OP_RUN_MAX 64

typedef struct op_run {
    whet_arena arena;
    whet_error error;
    whet_tensor out[OP_RUN_MAX]; // dtype NONE where not wanted
} op_run;

void op_run_init(op_run *r);
void op_run_fini(op_run *r);
// attrs: "axis=1 pads=0,1 mode=linear", "" for defaults. Inputs with dtype NONE are absent, as are
// outputs whose bit is clear in `wanted` (0: all n_out are wanted).
whet_status op_run_case(op_run *r, const whet_op *op, const char *attrs, const whet_tensor *in,
                        int32_t n_in, int32_t n_out, uint64_t wanted);

#endif
