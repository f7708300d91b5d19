// SPDX-License-Identifier: Apache-2.0
// Elements of 8 bits and fewer through the operators that move and convert them. Odd counts, so
// that packed elements do not fill their last byte.
#include "op/op_text.h"
#include "support/test.h"

static void packed_elements_move(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"transpose", "perm=1,0", {"u4[3,3] 1 2 3 4 5 6 7 8 9"}, {"u4[3,3] 1 4 7 2 5 8 3 6 9"}},
        {"transpose", "perm=1,0", {"i2[3,1] 1 -2 -1"}, {"i2[1,3] 1 -2 -1"}},
        {"concat", "axis=1", {"i4[1,3] -8 7 1", "i4[1,2] -1 3"}, {"i4[1,5] -8 7 1 -1 3"}},
        {"concat", "axis=0", {"u2[3] 1 2 3", "u2[2] 3 0"}, {"u2[5] 1 2 3 3 0"}},
        {"slice", "", {"u4[5] 1 2 3 4 5", "i64[1] 1", "i64[1] 4"}, {"u4[3] 2 3 4"}},
        {"slice", "", {"i2[5] 1 0 -1 -2 1", "i64[1] -1", "i64[1] -9", "i64[1] 0", "i64[1] -2"},
         {"i2[3] 1 -1 1"}},
        {"split", "", {"i4[3] 1 2 3", "i64[2] 1 2"}, {"i4[1] 1", "i4[2] 2 3"}},
        {"gather", "", {"u4[2,3] 1 2 3 4 5 6", "i64[2] 1 0"}, {"u4[2,3] 4 5 6 1 2 3"}},
        {"gather_elements", "", {"i4[3] 1 -2 3", "i64[2] 2 1"}, {"i4[2] 3 -2"}},
        {"gather_nd", "", {"u2[2,2] 0 1 2 3", "i64[2,2] 1 0 0 1"}, {"u2[2] 2 1"}},
        {"scatter_elements", "", {"u4[3] 1 2 3", "i64[1] 1", "u4[1] 9"}, {"u4[3] 1 9 3"}},
        {"scatter_elements", "reduction=add", {"u4[3] 1 2 3", "i64[1] 1", "u4[1] 9"},
         .status = WHET_E_UNSUPPORTED, .text = "reduced"},
        {"scatter_nd", "", {"i2[3] 1 0 1", "i64[1,1] 2", "i2[1] -2"}, {"i2[3] 1 0 -2"}},
        {"pad", "", {"u4[2] 7 8", "i64[2] 1 2", "u4[] 5"}, {"u4[5] 5 7 8 5 5"}},
        {"pad", "", {"f4e2m1[2] 6 -0.5", "i64[2] 1 0"}, {"f4e2m1[3] 0 6 -0.5"}},
        {"expand", "", {"i4[1,3] 1 -2 3", "i64[2] 2 1"}, {"i4[2,3] 1 -2 3 1 -2 3"}},
        {"tile", "", {"u2[3] 1 2 3", "i64[1] 3"}, {"u2[9] 1 2 3 1 2 3 1 2 3"}},
        {"reshape", "", {"u4[3,1] 1 2 3", "i64[1] 3"}, {"u4[3] 1 2 3"}},
        {"unsqueeze", "", {"i2[3] 1 -1 0", "i64[1] 0"}, {"i2[1,3] 1 -1 0"}},
        {"identity", "", {"f4e2m1[3] 1.5 -6 0.5"}, {"f4e2m1[3] 1.5 -6 0.5"}},
        {"shape", "", {"u4[3,2] 1"}, {"i64[2] 3 2"}},
        {"concat", "axis=0", {"f6e2m3[2] 1 7.5", "f6e2m3[3] -1 2 3"}, {"f6e2m3[5] 1 7.5 -1 2 3"}},
        {"trilu", "", {"u4[2,2] 1 2 3 4"}, {"u4[2,2] 1 2 0 4"}},
        {"transpose", "perm=1,0", {"f8e5m2[1,2] 2 -inf"}, {"f8e5m2[2,1] 2 -inf"}},
        {"where", "", {"bool[3] 1 0 1", "u4[3] 1 2 3", "u4[] 9"}, {"u4[3] 1 9 3"}},
        {"relu", "", {"i4[1] 1"}, .status = WHET_E_DTYPE},
        {"add", "", {"u4[1] 1", "u4[1] 1"}, .status = WHET_E_DTYPE},
        {"compress", "", {"u4[3] 1 2 3", "bool[3] 1 0 1"}, .status = WHET_E_DTYPE},
    };
    op_text_check(cases, COUNT(cases));
}

static void pairs_move(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"transpose", "perm=1,0", {"c128[2,2] 1 2 3 4"}, {"c128[2,2] 1 3 2 4"}},
        {"gather", "", {"c128[3] 1 2 3", "i64[2] 2 0"}, {"c128[2] 3 1"}},
        {"concat", "axis=0", {"c64[1] 1", "c64[2] 2 3"}, {"c64[3] 1 2 3"}},
        {"pad", "", {"c128[1] 7", "i64[2] 1 1"}, {"c128[3] 0 7 0"}},
        {"resize", "mode=linear", {"c64[2] 1 3", "", "", "i64[1] 3"}, {"c64[3] 1 2 3"}},
        {"scatter_elements", "reduction=add", {"c64[2] 1 2", "i64[1] 1", "c64[1] 5"},
         {"c64[2] 1 7"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void casts(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"cast", "to=22", {"f32[4] 7.9 -8 8 -9"}, {"i4[4] 7 -8 -8 7"}},
        {"cast", "to=21", {"i32[3] 15 16 -1"}, {"u4[3] 15 0 15"}},
        {"cast", "to=26", {"i8[3] 1 2 -3"}, {"i2[3] 1 -2 1"}},
        {"cast", "to=25", {"u4[3] 1 6 15"}, {"u2[3] 1 2 3"}},
        {"cast", "to=3", {"i4[3] -8 7 -1"}, {"i8[3] -8 7 -1"}},
        {"cast", "to=1", {"f4e2m1[3] -6 0.5 3"}, {"f32[3] -6 0.5 3"}},
        {"cast", "to=23", {"i32[3] 5 -9 2"}, {"f4e2m1[3] 4 -6 2"}},
        {"cast", "to=27", {"f32[5] 100 -0.1 3.3 -7.75 1"}, {"f6e2m3[5] 7.5 -0.125 3.25 -7.5 1"}},
        {"cast", "to=28", {"f32[5] -100 0.1 5.5 30 0.5"}, {"f6e3m2[5] -28 0.125 6 28 0.5"}},
        {"cast", "to=11", {"f6e2m3[5] 7.5 -0.125 3.25 -7.5 1"}, {"f64[5] 7.5 -0.125 3.25 -7.5 1"}},
        {"cast", "to=17", {"f32[4] 500 nan -inf 0.0009765625"}, {"f8e4m3fn[4] 448 nan -448 0"}},
        {"cast", "to=17 saturate=0", {"f32[2] 500 460"}, {"f8e4m3fn[2] nan 448"}},
        {"cast", "to=19 saturate=0", {"f32[2] 1e6 -1e6"}, {"f8e5m2[2] inf -inf"}},
        {"cast", "to=18", {"i64[2] 241 -3"}, {"f8e4m3fnuz[2] 240 -3"}},
        {"cast", "to=24", {"f32[3] 3 4 0"}, {"f8e8m0[3] 4 4 0"}},
        {"cast", "to=24 round_mode=down", {"f32[2] 3 5"}, {"f8e8m0[2] 2 4"}},
        {"cast", "to=24 round_mode=nearest", {"f32[3] 2.9 3 inf"}, {"f8e8m0[3] 2 4 inf"}},
        {"cast", "to=9", {"u4[3] 0 1 15"}, {"bool[3] 0 1 1"}},
        {"cast", "to=1", {"c64[1] 0"}, .status = WHET_E_DTYPE},
        {"cast_like", "", {"f32[3] 1 2.5 -3", "i4[1] 0"}, {"i4[3] 1 2 -3"}},
        {"bit_cast", "to=22", {"u4[3] 15 7 8"}, {"i4[3] -1 7 -8"}},
        {"bit_cast", "to=2", {"f8e5m2[2] 1 -2"}, {"u8[2] 60 192"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void quantization(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"quantize_linear", "", {"f32[5] 1 2.5 -30 40 0", "f32[] 1", "i4[] 1"},
         {"i4[5] 2 3 -8 7 1"}},
        {"quantize_linear", "output_dtype=25", {"f32[3] 1 9 -1", "f32[] 2"}, {"u2[3] 0 3 0"}},
        {"quantize_linear", "axis=0 block_size=2",
         {"f32[3,1] 1 2 3", "f32[2,1] 1 3", "u4[2,1] 1 2"}, {"u4[3,1] 2 3 3"}},
        {"quantize_linear", "output_dtype=17", {"f32[3] 1 1000 0.3", "f32[] 1"},
         {"f8e4m3fn[3] 1 448 0.3125"}},
        {"quantize_linear", "output_dtype=17 saturate=0", {"f32[1] 1000", "f32[] 1"},
         {"f8e4m3fn[1] nan"}},
        {"quantize_linear", "output_dtype=23", {"f32[3] 1 -20 2.5", "f32[] 2"},
         {"f4e2m1[3] 0.5 -6 1"}},
        {"quantize_linear", "output_dtype=28", {"f32[3] 1 -200 5", "f32[] 2"},
         {"f6e3m2[3] 0.5 -28 2.5"}},
        {"dequantize_linear", "", {"f6e2m3[5] 1 -0.5 7.5 0 2", "f32[] 2"}, {"f32[5] 2 -1 15 0 4"}},
        {"quantize_linear", "output_dtype=3", {"f32[2] 7 -9", "f8e8m0[] 4"}, {"i8[2] 2 -2"}},
        {"dequantize_linear", "", {"i4[3] -8 7 1", "f32[] 0.5", "i4[] 1"}, {"f32[3] -4.5 3 0"}},
        {"dequantize_linear", "output_dtype=10", {"u2[3] 0 3 1", "f8e8m0[] 4"},
         {"f16[3] 0 12 4"}},
        {"dequantize_linear", "", {"f8e5m2[2] 3 -0.5", "f32[] 2"}, {"f32[2] 6 -1"}},
        {"dequantize_linear", "", {"f4e2m1[3] 6 -0.5 1", "f16[] 2"}, {"f16[3] 12 -1 2"}},
        {"dequantize_linear", "", {"u4[1] 3", "f8e8m0[] 4"}, .status = WHET_E_DTYPE},
    };
    op_text_check(cases, COUNT(cases));
}

static void texts(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"cast", "to=8", {"f32[9] 1 0.1 1e-5 -2.5e20 nan -inf 16777216 1e-4 -0"},
         {"string[9] 1.0 0.1 1e-05 -2.5e+20 nan -inf 16777216.0 0.0001 -0.0"}},
        {"cast", "to=8", {"f64[4] 0.1 1e15 1e16 123456.789"},
         {"string[4] 0.1 1000000000000000.0 1e+16 123456.789"}},
        {"cast", "to=8", {"f16[2] 0.1 65504"}, {"string[2] 0.1 65500.0"}},
        {"cast", "to=8", {"u64[1] 18446744073709551615"}, {"string[1] 18446744073709551615"}},
        {"cast", "to=8", {"bool[2] 1 0"}, {"string[2] True False"}},
        {"cast", "to=8", {"i4[2] -8 7"}, {"string[2] -8 7"}},
        {"cast", "to=1", {"string[7] 3.14 1e-5 1E8 +INF -inf NaN .5"},
         {"f32[7] 3.14 1e-5 1e8 inf -inf nan 0.5"}},
        {"cast", "to=7", {"string[4] 100.5 -9223372036854775808 1e30 -7"},
         {"i64[4] 100 -9223372036854775808 9223372036854775807 -7"}},
        {"cast", "to=13", {"string[2] 18446744073709551615 -3"}, {"u64[2] 18446744073709551615 0"}},
        {"cast", "to=3", {"string[2] 300 -1"}, {"i8[2] 127 -1"}},
        {"cast", "to=9", {"string[4] True 0 1 false"}, {"bool[4] 1 0 1 0"}},
        {"cast", "to=8", {"string[2] a b"}, {"string[2] a b"}},
        {"cast", "to=1", {"string[1] Hello"}, .status = WHET_E_RANGE, .text = "Hello"},
        {"cast", "to=1", {"string[1] 0x10"}, .status = WHET_E_RANGE},
        {"equal", "", {"string[3] a bc d", "string[1] bc"}, {"bool[3] 0 1 0"}},
        {"where", "", {"bool[2] 1 0", "string[2] a b", "string[1] z"}, {"string[2] a z"}},
        {"gather", "", {"string[3] a b c", "i64[2] 2 0"}, {"string[2] c a"}},
        {"unique", "", {"string[4] b a b c"}, {"string[3] a b c", "i64[3] 1 0 3"}},
        {"non_zero", "", {"c64[3] 0 1 0"}, {"i64[1,1] 1"}},
        {"resize", "mode=nearest", {"string[2] a b", "", "", "i64[1] 4"}, {"string[4] a a b b"}},
        {"resize", "mode=linear", {"string[2] a b", "", "", "i64[1] 4"}, .status = WHET_E_DTYPE},
        {"less", "", {"string[1] a", "string[1] b"}, .status = WHET_E_DTYPE},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_elements_move),
        cmocka_unit_test(pairs_move),
        cmocka_unit_test(casts),
        cmocka_unit_test(quantization),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
