// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "op/op_text.h"

// Two keys with equal scores weigh one half each.
#define Q1 "f32[1,1,1,1] 0"
#define K2 "f32[1,1,2,1] 1 2"
#define V2 "f32[1,1,2,1] 10 20"

static void attention(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"attention", "", {Q1, K2, V2}, {"f32[1,1,1,1] 15"}},
        {"attention", "is_causal=1", {"f32[1,1,2,1] 0", K2, V2}, {"f32[1,1,2,1] 10 15"}},
        {"attention", "", {Q1, K2, V2, "bool[1,2] 0 1"}, {"f32[1,1,1,1] 20"}},
        {"attention", "", {Q1, K2, V2, "bool[1,2] 0 0"}, {"f32[1,1,1,1] 0"}},
        {"attention", "", {Q1, K2, V2, "f32[2] 0 -1000"}, {"f32[1,1,1,1] 10"}},
        {"attention", "", {Q1, K2, V2, "f32[1,1] 0"}, {"f32[1,1,1,1] 10"}},
        {"attention", "", {Q1, K2, V2, "", "", "", "i64[1] 1"}, {"f32[1,1,1,1] 10"}},
        {"attention", "is_causal=1", {Q1, K2, V2, "", "f32[1,1,1,1] 5", "f32[1,1,1,1] 30"},
         {"f32[1,1,1,1] 20", "f32[1,1,3,1] 5 1 2", "f32[1,1,3,1] 30 10 20"}},
        {"attention", "q_num_heads=2 kv_num_heads=1",
         {"f32[1,1,2] 0 0", "f32[1,2,1] 1 2", "f32[1,2,2] 1 2 3 4"}, {"f32[1,1,4] 2 3 2 3"}},
        {"attention", "scale=0.5 softcap=2", {"f32[1,1,1,1] 2", "f32[1,1,1,1] 4", Q1, "f32[1,1] 3"},
         {Q1, "", "", "f32[1,1,1,1] 4"}},
        {"attention", "scale=0.5 qk_matmul_output_mode=2",
         {"f32[1,1,1,1] 2", "f32[1,1,1,1] 4", Q1, "f32[1,1] 3"}, {Q1, "", "", "f32[1,1,1,1] 7"}},
        {"attention", "scale=0.5 qk_matmul_output_mode=1",
         {"f32[1,1,1,1] 2", "f32[1,1,1,1] 4", Q1, "f32[1,1] -4"}, {Q1, "", "", "f32[1,1,1,1] 4"}},
        {"attention", "scale=0 softcap=2 qk_matmul_output_mode=2",
         {Q1, "f32[1,1,1,1] 4", Q1, "f32[1,1] -4"}, {Q1, "", "", "f32[1,1,1,1] -4"}},
        // positions count from nonpad_kv_seqlen - q_len
        {"attention", "is_causal=1",
         {"f32[1,1,2,1] 0", "f32[1,1,3,1] 0", "f32[1,1,3,1] 10 20 90", "", "", "", "i64[1] 2"},
         {"f32[1,1,2,1] 10 15"}},
        {"attention", "is_causal=1",
         {"f32[1,1,2,1] 0", "f32[1,1,3,1] 0", "f32[1,1,3,1] 10 20 90", "", "", "", "i64[1] 1"},
         {"f32[1,1,2,1] 0 10"}},
        {"attention", "left_window_size=0",
         {"f32[1,1,3,1] 0", "f32[1,1,3,1] 0", "f32[1,1,3,1] 10 20 90"}, {"f32[1,1,3,1] 40 55 90"}},
        {"attention", "left_window_size=1 right_window_size=0",
         {"f32[1,1,3,1] 0", "f32[1,1,3,1] 0", "f32[1,1,3,1] 10 20 90"}, {"f32[1,1,3,1] 10 15 55"}},
        {"attention", "left_window_size=2147483647 right_window_size=1",
         {"f32[1,1,3,1] 0", "f32[1,1,3,1] 0", "f32[1,1,3,1] 10 20 90"}, {"f32[1,1,3,1] 15 40 40"}},
        // a mask of -infinity takes out any score
        {"attention", "", {"f32[1,1,1,1] 1", "f32[1,1,2,1] 1 inf", V2, "f32[2] 0 -inf"},
         {"f32[1,1,1,1] 10"}},
        {"attention", "qk_matmul_output_mode=3", {Q1, K2, V2}, {"", "", "", "f32[1,1,1,2] 0.5"}},
        {"rotary_embedding", "", {"f32[1,1,1,2] 3 5", "f32[2,1] 1 0", "f32[2,1] 0 1", "i64[1,1] 1"},
         {"f32[1,1,1,2] -5 3"}},
        {"rotary_embedding", "interleaved=1 num_heads=1 rotary_embedding_dim=2",
         {"f32[1,2,3] 1 2 3 4 5 6", "f32[3,1] 1 1 0", "f32[3,1] 0 0 1", "i64[1] 1"},
         {"f32[1,2,3] 1 2 3 -5 4 6"}},
        {"rotary_embedding", "", {"f32[1,1,4] 1 2 3 4", "f32[1,1,1] 0", "f32[1,1,1] 1"},
         {"f32[1,1,4] -2 1 -4 3"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void linear(void **state) {
    (void)state;
#define HEADS "q_num_heads=1 kv_num_heads=1 "
#define ROW(v) "f32[1,2,1] " v
    static const op_case cases[] = {
        {"linear_attention", HEADS "update_rule=linear", {ROW("1 1"), ROW("2 1"), ROW("3 4")},
         {ROW("6 10"), "f32[1,1,1,1] 10"}},
        {"linear_attention", HEADS "update_rule=linear scale=0.5",
         {ROW("1 1"), ROW("2 1"), ROW("3 4"), "f64[1,1,1,1] 2"}, {ROW("4 6"), "f64[1,1,1,1] 12"}},
        // exp(0.6931472) is 2
        {"linear_attention", HEADS "update_rule=gated",
         {ROW("1 1"), ROW("2 1"), ROW("3 4"), "", ROW("0 0.6931472")},
         {ROW("6 16"), "f32[1,1,1,1] 16"}},
        {"linear_attention", HEADS "update_rule=delta",
         {ROW("1 1"), ROW("2 1"), ROW("3 4"), "", "", "f32[1,2,1] 1 0.5"},
         {ROW("6 5"), "f32[1,1,1,1] 5"}},
        {"linear_attention", HEADS "", // the memory doubles before it is compared
         {ROW("1 1"), ROW("2 1"), ROW("3 4"), "", ROW("0 0.6931472"), "f32[1,2,1] 1 0.5"},
         {ROW("6 8"), "f32[1,1,1,1] 8"}},
        // two query heads share one of keys
        {"linear_attention", "q_num_heads=2 kv_num_heads=1 update_rule=linear",
         {"f32[1,1,2] 1 2", "f32[1,1,1] 3", "f32[1,1,2] 1 2"},
         {"f32[1,1,4] 3 6 6 12", "f32[1,1,1,2] 3 6"}},
        {"linear_attention", HEADS "", {ROW("1"), ROW("1"), ROW("1")}, .status = WHET_E_INVALID,
         .text = "needs decay"},
        {"linear_attention", HEADS "update_rule=linear", {ROW("1"), ROW("1"), "f32[1,3,1] 0"},
         .status = WHET_E_SHAPE},
        {"linear_attention", "q_num_heads=2 kv_num_heads=1 update_rule=linear",
         {ROW("1"), ROW("1"), ROW("1")}, .status = WHET_E_SHAPE, .text = "2 heads"},
        {"linear_attention", HEADS "update_rule=linear",
         {ROW("1"), ROW("1"), ROW("1"), "f32[1,1,2,1] 0"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

static void contributed(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"ms_multi_head_attention", "num_heads=1",
         {"f32[1,1,1] 0", "f32[1,2,1] 1 2", "f32[1,2,1] 10 20"},
         {"f32[1,1,1] 15", "f32[1,1,2,1] 1 2", "f32[1,1,2,1] 10 20"}},
        {"ms_multi_head_attention", "num_heads=1", {"f32[1,1,1] 0", "f32[1,2,1,2,1] 1 10 2 20"},
         {"f32[1,1,1] 15"}},
        {"ms_multi_head_attention", "num_heads=1 unidirectional=1",
         {"f32[1,2,1,3,1] 0 1 10 0 2 20"},
         {"f32[1,2,1] 10 15"}},
        {"ms_multi_head_attention", "num_heads=1",
         {"f32[1,1,1] 0", "f32[1,2,1] 1 2", "f32[1,2,1] 10 20", "f32[3] 0 0 5", "i32[1] 1"},
         {"f32[1,1,1] 15"}},
        {"ms_attention", "num_heads=1 unidirectional=1",
         {"f32[1,2,1] 1 3", "f32[1,3] 0 1 10", "f32[3] 0 0 1"},
         {"f32[1,2,1] 11 21", "f32[2,1,1,2,1] 1 3 11 31"}},
        // one cached key and one new one
        {"ms_group_query_attention", "num_heads=2 kv_num_heads=1",
         {"f32[1,1,2] 0 0", "f32[1,1,1] 2", "f32[1,1,1] 20", "f32[1,1,3,1] 1 9 9",
          "f32[1,1,3,1] 10 9 9", "i32[1] 1", "i32[1] 2"},
         {"f32[1,1,2] 15 15", "f32[1,1,3,1] 1 2 0", "f32[1,1,3,1] 10 20 0"}},
        // a prompt of two tokens, packed, whose cache is not read
        {"ms_group_query_attention", "num_heads=1 kv_num_heads=1",
         {"f32[1,2,3] 0 1 10 0 2 20", "", "", "f32[1,1,1,1] 9", "f32[1,1,1,1] 9", "i32[1] 1",
          "i32[] 2"},
         {"f32[1,2,1] 10 15", "f32[1,1,2,1] 1 2", "f32[1,1,2,1] 10 20"}},
        {"ms_group_query_attention", "num_heads=1 kv_num_heads=1 local_window_size=1",
         {"f32[1,2,3] 0 1 10 0 2 20", "", "", "", "", "i32[1] 1", "i32[] 2"}, {"f32[1,2,1] 10 20"}},
        {"ms_group_query_attention", "num_heads=1 kv_num_heads=1 smooth_softmax=1",
         {"f32[1,2,3] 0 1 10 0 2 20", "", "", "", "", "i32[1] 1", "i32[] 2"}, {"f32[1,2,1] 5 10"}},
        {"ms_group_query_attention", "num_heads=1 kv_num_heads=1",
         {"f32[1,1,3] 0", "", "", "f32[1,1,1,1] 9", "f32[1,1,1,1] 9", "i32[1] 2", "i32[] 3"},
         {"f32[1,1,1] 0"}, WHET_E_RANGE, "seqlens_k"},
        {"ms_group_query_attention", "num_heads=1 kv_num_heads=1",
         {"f32[1,1,3] 0", "", "", "", "", "i32[1] 0", "i32[] 0"}, {"f32[1,1,1] 0"}, WHET_E_RANGE},
        {"ms_group_query_attention", "num_heads=1 kv_num_heads=1 do_rotary=1",
         {"f32[1,1,6] 0", "", "", "", "", "i32[1] 0", "i32[] 1", "f32[1,1] 1", "f32[1,1] 0",
          "i64[1,1] 1"},
         {"f32[1,1,2] 0"}, WHET_E_RANGE, "position 1"},
    };
    op_text_check(cases, COUNT(cases));
}

static void failures(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"attention", "", {"f32[1,1,1] 0", "f32[1,1,1] 0", "f32[1,1,1] 0"},
         .status = WHET_E_INVALID, .text = "q_num_heads"},
        {"attention", "q_num_heads=2 kv_num_heads=1",
         {"f32[1,1,3] 0", "f32[1,1,1] 0", "f32[1,1,1] 0"},
         .status = WHET_E_SHAPE, .text = "2 heads"},
        {"attention", "", {"f32[1,3,1,1] 0", "f32[1,2,1,1] 0", "f32[1,2,1,1] 0"},
         .status = WHET_E_SHAPE, .text = "share"},
        {"attention", "", {Q1, "f32[1,1,1,2] 0", Q1}, .status = WHET_E_SHAPE, .text = "head sizes"},
        {"attention", "", {Q1, K2, Q1}, .status = WHET_E_SHAPE, .text = "lengths"},
        {"attention", "", {Q1, K2, V2, "", Q1}, .status = WHET_E_INVALID, .text = "together"},
        {"attention", "", {Q1, K2, V2, "f32[1,3] 0"}, .status = WHET_E_SHAPE},
        {"attention", "", {Q1, K2, V2, "f32[2,2] 0"}, .status = WHET_E_SHAPE},
        {"attention", "softmax_precision=7", {Q1, K2, V2}, .status = WHET_E_DTYPE},
        {"attention", "qk_matmul_output_mode=4", {Q1, K2, V2}, .status = WHET_E_RANGE},
        {"rotary_embedding", "", {"f32[1,1,1,2] 0", "f32[1,1] 0", "f32[1,1] 0", "i64[1,1] 1"},
         {"f32[1,1,1,2] 0"}, WHET_E_RANGE, "position 1"},
        {"rotary_embedding", "", {"f32[1,1,1,2] 0", "f32[1,1] 0", "f32[1,1] 0", "i64[1,1] -1"},
         {"f32[1,1,1,2] 0"}, WHET_E_RANGE},
        {"rotary_embedding", "", {"f32[1,1,1,4] 0", "f32[1,1,1] 0", "f32[1,1,1] 0"},
         .status = WHET_E_SHAPE},
        {"rotary_embedding", "rotary_embedding_dim=4",
         {"f32[1,1,1,2] 0", "f32[1,1,2] 0", "f32[1,1,2] 0"},
         .status = WHET_E_SHAPE},
        {"rotary_embedding", "", {"f32[1,1,3] 0", "f32[1,1,1] 0", "f32[1,1,1] 0"},
         .status = WHET_E_SHAPE},
        {"ms_multi_head_attention", "num_heads=2", {"f32[1,1,3] 0", "f32[1,1,3] 0", "f32[1,1,3] 0"},
         .status = WHET_E_SHAPE},
        {"ms_multi_head_attention", "num_heads=1",
         {"f32[1,1,1] 0", "f32[1,1,1] 0", "f32[1,1,1] 0", "", "i32[5] 0"},
         .status = WHET_E_UNSUPPORTED},
        {"ms_attention", "num_heads=1 do_rotary=1", {"f32[1,1,1] 0", "f32[1,3] 0"},
         .status = WHET_E_UNSUPPORTED},
        {"ms_attention", "num_heads=1 qkv_hidden_sizes=1,2,0", {"f32[1,1,1] 0", "f32[1,3] 0"},
         .status = WHET_E_INVALID},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention),
        cmocka_unit_test(linear),
        cmocka_unit_test(contributed),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
