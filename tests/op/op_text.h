// SPDX-License-Identifier: Apache-2.0
// Operator cases written as text. A tensor is "i32[2,3] 1 2 3 4 5 6" ("f32[] 1" a scalar; too few
// numbers repeat; "" is an absent input).
#ifndef WHET_TESTS_OP_TEXT_H
#define WHET_TESTS_OP_TEXT_H

#include "ops/op.h"

#define OP_TEXT_MAX 12

typedef struct op_case {
    const char *op, *attrs;
    const char *in[OP_TEXT_MAX];  // NULL ends them
    const char *out[OP_TEXT_MAX]; // expected; "" not wanted
    whet_status status;           // expected failure ...
    const char *text;             // ... and a part of its text
} op_case;

// Runs all cases; a mismatch fails the running test with the case's number, operator and values.
void op_text_check(const op_case *cases, int32_t n);
// Fails on malformed text.
whet_tensor op_text_tensor(whet_arena *arena, const char *text);

#endif
