// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "op/op_text.h"

static void products(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"matmul", "", {"f32[2,2] 1 2 3 4", "f32[2,2] 5 6 7 8"}, {"f32[2,2] 19 22 43 50"}},
        {"matmul", "", {"f32[2] 1 2", "f32[2] 5 6"}, {"f32[] 17"}},
        {"matmul", "", {"f32[2] 1 2", "f32[2,2,1] 1 2 3 4"}, {"f32[2,1] 5 11"}},
        {"matmul", "", {"f32[2,1,2] 1 2 3 4", "f32[2] 1 2"}, {"f32[2,1] 5 11"}},
        {"matmul", "", {"f32[2,1,1,2] 1 2 3 4", "f32[2,2,1] 1 0 0 1"}, {"f32[2,2,1,1] 1 2 3 4"}},
        {"matmul", "transA=1 transB=1 alpha=0.5",
         {"f32[2,1] 1 2", "f32[3,2] 1 2 3 4 5 6", "f32[3] 1 2 3"}, {"f32[1,3] 3.5 7.5 11.5"}},
        {"matmul", "", {"f32[1,0] 0", "f32[0,2] 0"}, {"f32[1,2] 0 0"}},
        {"matmul", "", {"i32[1,2] 2147483647 2", "i32[2,1] 2 1", "i32[1] 1"}, {"i32[1,1] 1"}},
        {"matmul", "", {"u64[1,1] 18446744073709551615", "u64[1,1] 3"},
         {"u64[1,1] 18446744073709551613"}},
        {"gemm", "alpha=0.5 beta=2", {"f32[1,2] 2 4", "f32[2,2] 1 2 3 4", "f32[] 1"},
         {"f32[1,2] 9 12"}},
        {"gemm", "transA=1 transB=1", {"f32[2,1] 2 4", "f32[2,2] 1 2 3 4", "f32[1,2] 1 2"},
         {"f32[1,2] 11 24"}},
        {"gemm", "beta=0", {"f32[1,1] 2", "f32[1,1] 3", "f32[1] nan"}, {"f32[1,1] 6"}},
        {"gemm", "alpha=1.5", {"i32[1,1] 3", "i32[1,1] 1", "i32[1,1] 10"}, {"i32[1,1] 14"}},
        {"matmul_integer", "", {"u8[2,2] 1 2 3 4", "i8[2,1] -1 2", "u8[2] 1 3", "i8[] 1"},
         {"i32[2,1] 1 1"}},
        {"matmul_integer", "",
         {"u8[2,1,2] 1 2 3 4", "i8[2,2,1] 1 2 3 4", "u8[2,1,1] 1 2", "i8[2,1,1] 0 1"},
         {"i32[2,1,1] 2 8"}},
        {"matmul_integer", "", {"u8[2,2] 1 2 3 4", "i8[2,2] 1 0 0 1", "u8[2] 1 2", "i8[2] 0 1"},
         {"i32[2,2] 0 0 1 -1"}},
        {"matmul_integer", "", {"u8[2,2] 1", "i8[2,2] 1", "u8[1,2] 1 2"}, .status = WHET_E_SHAPE},
        {"qlinear_matmul", "",
         {"u8[2,1,1] 10 20", "f32[2,1,1] 1 2", "u8[2,1,1] 0 10", "i8[2,1,1] 3 4", "f32[2,1,1] 1",
          "i8[2,1,1] 0", "f32[2,1,1] 1 10", "u8[] 1"},
         {"u8[2,1,1] 31 9"}},
        {"qlinear_matmul", "",
         {"f8e4m3fn[1,2] 1 2", "f32[] 1", "f8e4m3fn[] 0", "f8e5m2[2,1] 4 0.5", "f32[] 1",
          "f8e5m2[] 0", "f32[] 2", "f8e4m3fn[] 0"},
         {"f8e4m3fn[1,1] 2.5"}},
        {"qlinear_matmul", "",
         {"u8[1,2] 3 5", "f32[] 0.5", "u8[] 1", "i8[2,2] 1 2 3 100", "f32[2] 1 2", "i8[] 0",
          "f32[] 4", "u8[] 7"},
         {"u8[1,2] 9 108"}},
        {"qlinear_matmul", "",
         {"u8[1,2] 3 5", "f32[] 0.5", "u8[] 1", "i8[2,2] 1 2 3 100", "f32[2] 1 2", "i8[] 0",
          "f32[] 4"}, .status = WHET_E_INVALID},
        {"ms_matmul_nbits", "K=2 N=1 block_size=16",
         {"f32[1,2] 1 2", "u8[1,1,8] 169", "f32[1] 0.5"},
         {"f32[1,1] 2.5"}},
        {"ms_matmul_nbits", "K=2 N=1 block_size=16 bits=8",
         {"f16[2] 1 2", "u8[1,1,16] 3 5", "f16[1] 2", "u8[1] 1", "", "f16[1] 100"}, {"f16[1] 120"}},
        {"einsum", "equation=ij,jk", {"f32[1,2] 1 2", "f32[2,2] 1 2 3 4"}, {"f32[1,2] 7 10"}},
        {"einsum", "equation=...ii->...i", {"f32[1,2,2] 1 2 3 4"}, {"f32[1,2] 1 4"}},
        {"einsum", "equation=ii", {"i64[2,2] 1 2 3 4"}, {"i64[] 5"}},
        {"einsum", "equation=ba->", {"f32[2,2] 1 2 3 4"}, {"f32[] 10"}},
        {"einsum", "equation=a...,b->b...a", {"f32[2,1] 1 2", "f32[2] 3 4"},
         {"f32[2,1,2] 3 6 4 8"}},
        {"einsum", "equation=i,i,i->i", {"f32[2] 1 2", "f32[1] 3", "f32[2] 4 5"}, {"f32[2] 12 30"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void losses(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"negative_log_likelihood_loss", "reduction=none", {"f32[2,2] 1 2 3 4", "i64[2] 0 1"},
         {"f32[2] -1 -4"}},
        {"negative_log_likelihood_loss", "ignore_index=-1",
         {"f32[2,2,1] 1 2 3 4", "i32[2,1] -1 1", "f32[2] 5 2"}, {"f32[] -4"}},
        {"negative_log_likelihood_loss", "reduction=sum", {"f32[1,2,2] 1 2 3 4", "i64[1,2] 1 0"},
         {"f32[] -5"}},
        {"softmax_cross_entropy_loss", "", {"f32[1,2] 1000 1000", "i64[1] 1"},
         {"f32[] 0.69314718", "f32[1,2] -0.69314718"}},
        {"negative_log_likelihood_loss", "", {"f32[1,2] 0", "i64[1] 2"}, {"f32[] 0"}, WHET_E_RANGE,
         "target 2"},
        {"negative_log_likelihood_loss", "", {"f32[1,2] 0", "i64[1] -1"}, {"f32[] 0"},
         WHET_E_RANGE},
        {"negative_log_likelihood_loss", "", {"f32[1,2] 0", "i64[2] 0"}, .status = WHET_E_SHAPE},
        {"softmax_cross_entropy_loss", "", {"f32[1,2] 0", "i64[1] 0", "f32[3] 0"},
         .status = WHET_E_SHAPE, .text = "weights"},
    };
    op_text_check(cases, COUNT(cases));
}

static void failures(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"matmul", "", {"f32[] 1", "f32[2] 1"}, .status = WHET_E_SHAPE, .text = "scalars"},
        {"matmul", "", {"f32[2,3] 1", "f32[2,3] 1"}, .status = WHET_E_SHAPE, .text = "3 and 2"},
        {"matmul", "", {"f32[2,1,1] 1", "f32[3,1,1] 1"}, .status = WHET_E_SHAPE},
        {"matmul", "", {"f32[1,1] 1", "f32[1,2] 1", "f32[1] 1"}, .status = WHET_E_SHAPE,
         .text = "bias"},
        {"matmul", "alpha=2", {"i32[1,1] 1", "i32[1,1] 1"}, {"i32[1,1] 0"}, WHET_E_UNSUPPORTED,
         "alpha"},
        {"gemm", "", {"f32[1,1,1] 1", "f32[1,1] 1"}, .status = WHET_E_SHAPE},
        {"gemm", "", {"f32[2,1] 1", "f32[1,3] 1", "f32[2] 1"}, .status = WHET_E_SHAPE},
        {"gemm", "", {"f32[1,1] 1", "f32[1,1] 1", "f32[1,1,1] 1"}, .status = WHET_E_SHAPE},
        {"gemm", "", {"f32[1,1] 1", "f32[1,1] 1", "f32[2,1] 1"}, .status = WHET_E_SHAPE},
        {"matmul_integer", "", {"u8[2,2] 0", "u8[2,2] 0", "u8[3] 0"}, .status = WHET_E_SHAPE},
        {"matmul_integer", "", {"u8[2,2] 0", "u8[2,2] 0", "u8[1,2,1] 0"},
         .status = WHET_E_SHAPE, .text = "a_zero_point"},
        {"ms_matmul_nbits", "K=2 N=1 block_size=24", {"f32[1,2] 0", "u8[1,1,8] 0", "f32[1] 0"},
         .status = WHET_E_UNSUPPORTED, .text = "blocks of 24"},
        {"ms_matmul_nbits", "K=2 N=1 block_size=16", {"f32[1,2] 0", "u8[1,1,7] 0", "f32[1] 0"},
         .status = WHET_E_SHAPE, .text = "B"},
        {"ms_matmul_nbits", "K=3 N=1 block_size=16", {"f32[1,2] 0", "u8[1,1,8] 0", "f32[1] 0"},
         .status = WHET_E_SHAPE, .text = "columns of A"},
        {"einsum", "", {"f32[1] 0"}, .status = WHET_E_RANGE, .text = "equation"},
        {"einsum", "equation=i->j", {"f32[1] 0"}, .status = WHET_E_INVALID},
        {"einsum", "equation=i->ii", {"f32[1] 0"}, .status = WHET_E_INVALID, .text = "twice"},
        {"einsum", "equation=ij", {"f32[1] 0"}, .status = WHET_E_SHAPE},
        {"einsum", "equation=i,i,i", {"f32[1] 0"}, .status = WHET_E_INVALID, .text = "more than 1"},
        {"einsum", "equation=i", {"f32[1] 0", "f32[1] 0"}, .status = WHET_E_INVALID},
        {"einsum", "equation=i,i", {"f32[2] 0", "f32[3] 0"}, .status = WHET_E_SHAPE},
        {"einsum", "equation=i$", {"f32[1] 0"}, .status = WHET_E_INVALID, .text = "'$'"},
        {"einsum", "equation=i....", {"f32[1] 0"}, .status = WHET_E_INVALID},
        {"einsum", "equation=i-i", {"f32[1] 0"}, .status = WHET_E_INVALID},
        {"einsum", "equation=abcdefghijklm", {"f32[1] 0"}, .status = WHET_E_LIMIT},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(losses),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
