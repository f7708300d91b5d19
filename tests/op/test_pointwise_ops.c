// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "op/op_text.h"

static void arithmetic(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"add", "", {"f32[2,3] 1 2 3 4 5 6", "f32[3] 10 20 30"}, {"f32[2,3] 11 22 33 14 25 36"}},
        {"add", "", {"i8[2] 127 -128", "i8[] 1"}, {"i8[2] -128 -127"}}, // wraps
        {"sub", "", {"u8[2] 1 5", "u8[2] 2 3"}, {"u8[2] 255 2"}},
        {"mul", "", {"u64[1] 18446744073709551615", "u64[1] 2"}, {"u64[1] 18446744073709551614"}},
        {"mul", "", {"f16[2] 300 -1", "f16[] 300"}, {"f16[2] inf -300"}},
        {"div", "", {"i32[4] 7 -7 7 -7", "i32[4] 2 2 -2 -2"}, {"i32[4] 3 -3 -3 3"}},
        {"div", "", {"f32[3] 1 -1 0", "f32[] 0"}, {"f32[3] inf -inf nan"}},
        {"mod", "", {"i32[4] 7 -7 7 -7", "i32[4] 3 3 -3 -3"}, {"i32[4] 1 2 -2 -1"}},
        {"mod", "fmod=1", {"i32[4] 7 -7 7 -7", "i32[4] 3 3 -3 -3"}, {"i32[4] 1 -1 1 -1"}},
        {"mod", "fmod=1", {"f32[2] -7.5 7", "f32[2] 2 0"}, {"f32[2] -1.5 nan"}},
        {"mod", "", {"i64[1] -9223372036854775808", "i64[1] -1"}, {"i64[1] 0"}},
        {"pow", "", {"i32[4] 2 -3 1 -1", "i64[4] 10 3 -5 -3"}, {"i32[4] 1024 -27 1 -1"}},
        {"pow", "", {"i32[2] 2 3", "f32[2] 0.5 2.5"}, {"i32[2] 1 15"}},
        {"pow", "", {"f32[2] 2 4", "i32[2] -1 3"}, {"f32[2] 0.5 64"}},
        {"min", "", {"f32[3] 1 nan 3", "f32[3] nan 1 2"}, {"f32[3] nan nan 2"}},
        {"max", "", {"i8[2] -1 4", "i8[] 0"}, {"i8[2] 0 4"}},
        {"bit_shift", "direction=LEFT", {"u8[3] 1 255 3", "u8[3] 1 4 200"}, {"u8[3] 2 240 0"}},
        {"bit_shift", "direction=RIGHT", {"u64[2] 256 1", "u64[2] 4 64"}, {"u64[2] 16 0"}},
        {"bit_shift", "direction=RIGHT", {"i8[5] -128 -1 64 -3 5", "i8[5] 2 8 2 -1 -1"},
         {"i8[5] -32 -1 16 -1 0"}},
        {"bit_shift", "direction=LEFT", {"i32[4] -1 1 1 -1", "i32[4] 31 31 32 -1"},
         {"i32[4] -2147483648 -2147483648 0 0"}},
        {"prelu", "", {"f32[2,2] -1 2 -3 4", "f32[2,1] 2 0.5"}, {"f32[2,2] -2 2 -1.5 4"}},
        {"mean", "", {"f32[2] 1 2", "f32[] 4", "f32[2] 1 0"}, {"f32[2] 2 2"}},
        {"add", "", {"f32[0,3] 0", "f32[1] 0"}, {"f32[0,3] 0"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void unary(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"abs", "", {"i8[2] -128 5"}, {"i8[2] -128 5"}},
        {"neg", "", {"f32[2] 0 nan"}, {"f32[2] -0 nan"}},
        {"sign", "", {"f32[4] -2 0 nan inf"}, {"f32[4] -1 0 nan 1"}},
        {"round", "", {"f32[4] 0.5 1.5 -2.5 2.6"}, {"f32[4] 0 2 -2 3"}},
        {"relu", "", {"i16[2] -5 5"}, {"i16[2] 0 5"}},
        {"clip", "min=-1 max=2", {"f32[4] -inf nan 1 9"}, {"f32[4] -1 nan 1 2"}},
        {"clip", "min=2 max=1", {"f32[1] 0"}, {"f32[1] 1"}},
        {"clip_t", "", {"u8[3] 0 5 255", "u8[] 1", "u8[] 200"}, {"u8[3] 1 5 200"}},
        {"clip_t", "", {"i64[2] -9 9", "", "i64[] 3"}, {"i64[2] -9 3"}},
        {"clip_t", "", {"f16[2] -inf inf", "", "f16[] 3"}, {"f16[2] -65504 3"}},
        {"sigmoid", "", {"f64[3] -1000 0 1000"}, {"f64[3] 0 0.5 1"}},
        {"softplus", "", {"f64[2] 1000 -1000"}, {"f64[2] 1000 0"}},
        {"shrink", "lambd=1.5 bias=1.5", {"f32[3] -2 1 2"}, {"f32[3] -0.5 0 0.5"}},
        {"hard_swish", "", {"f32[3] -4 0 4"}, {"f32[3] 0 0 4"}},
        {"gelu", "approximate=tanh", {"f32[1] 1"}, {"f32[1] 0.841191990609"}},
        {"gelu", "", {"f32[1] 1"}, {"f32[1] 0.841344746068"}},
        {"swish", "alpha=2", {"f32[1] 0.5"}, {"f32[1] 0.365529289315"}},
        {"not", "", {"bool[2] 0 1"}, {"bool[2] 1 0"}},
        {"is_inf", "detect_negative=0", {"f32[3] inf -inf nan"}, {"bool[3] 1 0 0"}},
        {"is_nan", "", {"f16[2] nan 1"}, {"bool[2] 1 0"}},
        {"bitwise_not", "", {"u8[1] 1"}, {"u8[1] 254"}},
        {"erf", "", {"f32[] 0.5"}, {"f32[] 0.520499877813"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void truth(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"equal", "", {"f32[2] nan 1", "f32[2] nan 1"}, {"bool[2] 0 1"}},
        {"less", "", {"u64[1] 18446744073709551615", "u64[1] 1"}, {"bool[1] 0"}},
        {"greater_or_equal", "", {"i32[3] 1 2 3", "i32[] 2"}, {"bool[3] 0 1 1"}},
        {"xor", "", {"bool[4] 0 0 1 1", "bool[4] 0 1 0 1"}, {"bool[4] 0 1 1 0"}},
        {"bitwise_xor", "", {"i8[1] -1", "i8[1] 1"}, {"i8[1] -2"}},
        {"where", "", {"bool[2,1] 1 0", "i64[3] 1 2 3", "i64[] 9"}, {"i64[2,3] 1 2 3 9 9 9"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void casts(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"cast", "to=2", {"f32[5] -5 300 nan inf 3.9"}, {"u8[5] 0 255 0 255 3"}},
        {"cast", "to=3", {"i32[2] 200 -200"}, {"i8[2] -56 56"}},
        {"cast", "to=9", {"f32[4] 0 -0 nan 0.1"}, {"bool[4] 0 0 1 1"}},
        {"cast", "to=10", {"f64[2] 65520 1e-9"}, {"f16[2] inf 0"}},
        {"cast", "to=1", {"u64[1] 18446744073709551615"}, {"f32[1] 18446744073709551616"}},
        {"cast", "to=7", {"bool[2] 1 0"}, {"i64[2] 1 0"}},
        {"cast_like", "", {"f32[2] 1.5 -1.5", "i8[0] 0"}, {"i8[2] 1 -1"}},
        {"identity", "", {"bf16[2] 1 nan"}, {"bf16[2] 1 nan"}},
        {"bit_cast", "to=6", {"f32[2] 1 -0"}, {"i32[2] 1065353216 -2147483648"}},
        {"bit_cast", "to=1", {"i64[1] 0"}, .status = WHET_E_DTYPE, .text = "width"},
        {"bit_cast", "to=9", {"u8[2] 1 0"}, {"bool[2] 1 0"}},
        {"bit_cast", "to=9", {"u8[1] 2"}, .status = WHET_E_RANGE, .text = "no bool"},
    };
    op_text_check(cases, COUNT(cases));
}

static void failures(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"div", "", {"i32[2] 1 2", "i32[2] 1 0"}, .status = WHET_E_RANGE,
         .text = "node: integer division by zero at element 1"},
        {"div", "", {"u8[1] 1", "u8[1] 0"}, .status = WHET_E_RANGE, .text = "by zero"},
        {"div", "", {"i8[1] -128", "i8[1] -1"}, .status = WHET_E_RANGE, .text = "overflow"},
        {"div", "", {"i64[1] -9223372036854775808", "i64[1] -1"}, .status = WHET_E_RANGE,
         .text = "node: integer overflow"},
        {"mod", "", {"i32[1] 1", "i32[1] 0"}, .status = WHET_E_RANGE, .text = "by zero"},
        {"mod", "fmod=1", {"u16[1] 1", "u16[1] 0"}, .status = WHET_E_RANGE, .text = "by zero"},
        {"pow", "", {"i32[1] 0", "i32[1] -1"}, .status = WHET_E_RANGE, .text = "negative power"},
        {"add", "", {"f32[2] 0", "f32[3] 0"}, .status = WHET_E_SHAPE, .text = "2 and 3 differ"},
        {"add", "", {"f32[2] 0", "i32[2] 0"}, .status = WHET_E_DTYPE, .text = "is i32 where f32"},
        {"add", "", {"f32[2] 0"}, .status = WHET_E_INVALID, .text = "at least 2 inputs"},
        {"add", "", {"f32[2] 0", ""}, .status = WHET_E_INVALID, .text = "input 1 (B) is missing"},
        {"sin", "", {"i32[2] 0"}, .status = WHET_E_DTYPE, .text = "cannot be i32"},
        {"prelu", "", {"f32[2] 0", "f32[2,2] 0"}, .status = WHET_E_SHAPE, .text = "slope"},
        {"clip_t", "", {"f32[2] 0", "f32[2] 0"}, .status = WHET_E_SHAPE, .text = "single number"},
        {"cast", "", {"f32[2] 0"}, .status = WHET_E_RANGE, .text = "to is missing"},
        {"cast", "to=29", {"f32[2] 0"}, .status = WHET_E_UNSUPPORTED, .text = "data type 29"},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic), cmocka_unit_test(unary), cmocka_unit_test(truth),
        cmocka_unit_test(casts),      cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
