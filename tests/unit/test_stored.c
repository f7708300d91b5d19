// SPDX-License-Identifier: Apache-2.0
// The reference kernel on values of f32 that are stored as bf16: operators, chains, conversions.
#include <string.h>

#include "plan/plan.h"
#include "support/test.h"

#define N 24

static whet_error err;

static whet_port port(whet_layout layout, bool stored) {
    whet_port p = {.dtype = stored ? WHET_DTYPE_BF16 : WHET_DTYPE_F32, .layout = layout, .rank = 4,
                   .type = stored ? WHET_DTYPE_F32 : WHET_DTYPE_NONE};
    memcpy(p.dims, (int64_t[]){1, 3, 2, 4}, 4 * sizeof(int64_t));
    return p;
}

static float value(int32_t i) { return (float)(i * 7 % 11 - 5) + 0.375f; }

static void run(const whet_problem *p, const void *in, void *out, const void *other) {
    whet_arena arena;
    whet_arena_init(&arena);
    static const int32_t params[WHET_MAX_PARAMS];
    whet_call c = {.p = p, .params = params, .in = (const void *const[]){in},
                   .out = (void *const[]){out}, .other = other, .err = &err, .node = "test",
                   .arena = &arena};
    assert_int_equal(whet_kernel_reference.run(&c, 0, 0, 1), WHET_OK);
    whet_arena_fini(&arena);
}

// Input, operand and output stored as bf16 in C16.
static void run_stored(whet_problem *p, const float *in, float *out, const float *other) {
    uint16_t x[2 * 16 * 8], o[2 * 16 * 8], y[2 * 16 * 8];
    whet_port plain = port(WHET_LAYOUT_PLAIN, false), from = port(WHET_LAYOUT_C16, true);
    whet_port to = from;
    whet_reorder_ref(&plain, in, &from, x);
    if (other) whet_reorder_ref(&plain, other, &from, o);
    p->in = &from, p->out = &to;
    if (other) p->epi.other = from;
    run(p, x, y, other ? o : NULL);
    whet_reorder_ref(&to, y, &plain, out);
}

static void test_operators(void **state) {
    (void)state;
    whet_problem p = {.op = "relu", .n_in = 1, .n_out = 1,
                      .desc = whet_op_find(whet_ops_builtin(), "relu"),
                      .epi = {.binary = WHET_PW_ADD}};
    float in[N], other[N], out[N];
    for (int32_t i = 0; i < N; i++) in[i] = value(i), other[i] = value(i + 3);
    run_stored(&p, in, out, other);
    for (int32_t i = 0; i < N; i++) {
        float want = (in[i] > 0 ? in[i] : 0) + other[i];
        assert_float_equal(out[i], whet_bf16_to_f32(whet_f32_to_bf16(want)), 0);
    }
}

static void test_chains(void **state) {
    (void)state;
    whet_chain chain = {.n_in = 1, .n_ops = 1, .n_out = 1, .out = {1}};
    chain.ops[0].f = WHET_PW_NEG;
    whet_problem p = {.op = "chain", .chain = &chain, .n_in = 1, .n_out = 1};
    float in[N], out[N];
    for (int32_t i = 0; i < N; i++) in[i] = value(i);
    run_stored(&p, in, out, NULL);
    for (int32_t i = 0; i < N; i++) assert_float_equal(out[i], -in[i], 0);
}

static void test_conversions(void **state) {
    (void)state;
    float in[N], out[N];
    uint16_t stored[16 * 8];
    whet_port plain = port(WHET_LAYOUT_PLAIN, false), blocked = port(WHET_LAYOUT_C16, true);
    whet_problem there = {.op = "reorder", .n_in = 1, .n_out = 1, .in = &plain, .out = &blocked};
    whet_problem back = {.op = "reorder", .n_in = 1, .n_out = 1, .in = &blocked, .out = &plain};
    for (int32_t i = 0; i < N; i++) in[i] = 1 + (float)i * 0x1p-9f; // to even
    run(&there, in, stored, NULL);
    run(&back, stored, out, NULL);
    for (int32_t i = 0; i < N; i++)
        assert_float_equal(out[i], whet_bf16_to_f32(whet_f32_to_bf16(in[i])), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operators),
                                       cmocka_unit_test(test_chains),
                                       cmocka_unit_test(test_conversions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
