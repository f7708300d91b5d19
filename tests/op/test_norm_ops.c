// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "op/op_text.h"

static void normalizations(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"batch_norm", "epsilon=0",
         {"f32[1,2,2] 1 2 3 4", "f32[2] 2 1", "f32[2] 0 1", "f32[2] 1 3", "f32[2] 4 1"},
         {"f32[1,2,2] 0 1 1 2"}},
        {"batch_norm", "epsilon=0 training_mode=1 momentum=0.5",
         {"f32[2,1] 1 3", "f32[1] 2", "f32[1] 1", "f32[1] 0", "f32[1] 3"},
         {"f32[2,1] -1 3", "f32[1] 1", "f32[1] 2"}},
        {"layer_norm", "epsilon=0", {"f32[2,2] 1 3 5 5.5", "f32[2] 1 2", "f32[2] 0 1"},
         {"f32[2,2] -1 3 -1 3", "f32[2,1] 2 5.25", "f32[2,1] 1 4"}},
        {"layer_norm", "epsilon=0 axis=0", {"f32[2,2] 1 3 1 3", "f32[] 1"}, {"f32[2,2] -1 1 -1 1"}},
        {"rms_norm", "epsilon=0", {"f32[1,2] 1 7", "f32[2] 5 5"}, {"f32[1,2] 1 7"}},
        {"rms_norm", "epsilon=0", {"f32[1,2] 1 7", "f16[2] 5 5"}, {"f16[1,2] 1 7"}},
        {"group_norm", "epsilon=0 num_groups=1",
         {"f32[1,2,2] 0 2 0 2", "f32[2] 1 2", "f32[2] 0 1"}, {"f32[1,2,2] -1 1 -1 3"}},
        {"instance_norm", "epsilon=0", {"f32[1,2,2] 0 2 4 8", "f32[2] 1 2", "f32[2] 0 1"},
         {"f32[1,2,2] -1 1 -1 3"}},
        {"lp_norm", "", {"f32[2,2] 3 4 0 0"}, {"f32[2,2] 0.6 0.8 0 0"}},
        {"lp_norm", "p=1 axis=0", {"f32[2] -1 3"}, {"f32[2] -0.25 0.75"}},
        {"mean_variance_norm", "axes=0", {"f64[2,2] 1 10 3 30"},
         {"f64[2,2] -0.999999999 -0.9999999999 0.999999999 0.9999999999"}},
        {"lrn", "size=3 alpha=3 beta=1", {"f32[1,3,1] 1 2 3"},
         {"f32[1,3,1] 0.166666667 0.133333333 0.214285714"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void quantization(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"quantize_linear",
         "",
         {"f32[6] 0.5 1.5 2.5 -1 300 nan", "f32[] 1"},
         {"u8[6] 0 2 2 0 255 0"}},
        {"quantize_linear", "", {"f32[3] -300 3 5", "f32[] 2", "i8[] 1"}, {"i8[3] -128 3 3"}},
        {"quantize_linear",
         "axis=0",
         {"f32[2,2] 1 2 3 4", "f32[2] 1 2", "u8[2] 0 10"},
         {"u8[2,2] 1 2 12 12"}},
        {"quantize_linear",
         "block_size=2 output_dtype=5",
         {"f32[1,3] 1000 2000 -3000", "f32[1,2] 1 0.1"},
         {"i16[1,3] 1000 2000 -30000"}},
        {"dequantize_linear",
         "",
         {"u8[3] 0 128 255", "f32[] 2", "u8[] 128"},
         {"f32[3] -256 0 254"}},
        {"dequantize_linear",
         "axis=-1",
         {"i8[2,2] 1 2 3 4", "f16[2] 1 10"},
         {"f16[2,2] 1 20 3 40"}},
        {"dequantize_linear", "output_dtype=10", {"i32[1] 7", "f32[] 0.5"}, {"f16[1] 3.5"}},
        {"dequantize_linear",
         "block_size=2 axis=0",
         {"i8[3,1] 1 2 3", "f32[2,1] 1 10", "i8[2,1] 0 1"},
         {"f32[3,1] 1 2 20"}},
        {"dynamic_quantize_linear",
         "",
         {"f32[3] -1 0 1.55"},
         {"u8[3] 0 100 255", "f32[] 0.01", "u8[] 100"}},
        {"dynamic_quantize_linear", "", {"f32[0] 0"}, {"u8[0] 0", "f32[] 1", "u8[] 0"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void failures(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"batch_norm", "", {"f32[1,2] 0", "f32[3] 0", "f32[3] 0", "f32[3] 0", "f32[3] 0"},
         .status = WHET_E_SHAPE, .text = "2 and 3 differ"},
        {"batch_norm", "", {"f32[1,1] 0", "f32[1] 0", "f32[1] 0", "f32[1] 0", "f32[1] 0"},
         {"f32[1,1] 0", "f32[1] 0"}, WHET_E_INVALID, "training_mode"},
        {"layer_norm", "", {"f32[2,3] 0", "f32[2] 0"}, .status = WHET_E_SHAPE, .text = "Scale"},
        {"layer_norm", "axis=2", {"f32[2,3] 0", "f32[3] 0"}, .status = WHET_E_RANGE},
        {"layer_norm", "stash_type=7", {"f32[2,3] 0", "f32[3] 0"}, .status = WHET_E_UNSUPPORTED},
        {"group_norm", "num_groups=2", {"f32[1,3] 0", "f32[3] 0", "f32[3] 0"},
         .status = WHET_E_SHAPE, .text = "2 groups"},
        {"group_norm", "num_groups=0", {"f32[1,3] 0", "f32[3] 0", "f32[3] 0"},
         .status = WHET_E_RANGE, .text = "num_groups"},
        {"lp_norm", "p=3", {"f32[1,3] 0"}, .status = WHET_E_RANGE, .text = "attribute p is 3"},
        {"lrn", "size=0", {"f32[1,3] 0"}, .status = WHET_E_RANGE, .text = "size"},
        {"mean_variance_norm", "", {"f32[1,3] 0"}, .status = WHET_E_RANGE, .text = "axis 2"},
        {"quantize_linear", "", {"f32[2,3] 0", "f32[2] 1"}, .status = WHET_E_SHAPE},
        {"quantize_linear", "axis=2", {"f32[2,3] 0", "f32[3] 1"}, .status = WHET_E_RANGE},
        {"quantize_linear", "block_size=2", {"f32[1,3] 0", "f32[1,3] 1"}, .status = WHET_E_SHAPE},
        {"quantize_linear", "output_dtype=3", {"f32[1] 0", "f32[] 1", "u8[] 0"},
         .status = WHET_E_DTYPE, .text = "output_dtype is i8"},
        {"quantize_linear", "output_dtype=6", {"f32[1] 0", "f32[] 1"}, .status = WHET_E_DTYPE},
        {"dequantize_linear", "", {"u8[1] 0", "f32[] 1", "i8[] 0"}, .status = WHET_E_DTYPE},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalizations),
        cmocka_unit_test(quantization),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
