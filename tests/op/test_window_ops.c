// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "op/op_text.h"

static void convolutions(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"conv", "", {"f32[1,1,3,3] 1 2 3 4 5 6 7 8 9", "f32[1,1,2,2] 1 2 3 4"},
         {"f32[1,1,2,2] 37 47 67 77"}},
        {"conv", "pads=1,0,0,1 strides=2,2",
         {"f32[1,1,3,3] 1 2 3 4 5 6 7 8 9", "f32[1,1,2,2] 1 2 3 4", "f32[1] 10"},
         {"f32[1,1,2,2] 21 19 77 43"}},
        {"conv", "group=2 dilations=2", {"f64[1,2,4] 1 2 3 4 5 6 7 8", "f64[2,1,2] 1 2 3 4"},
         {"f64[1,2,2] 7 10 43 50"}},
        {"conv", "auto_pad=SAME_LOWER strides=2", {"f32[1,1,4] 1 2 3 4", "f32[1,1,3] 1 2 3"},
         {"f32[1,1,2] 8 20"}},
        {"conv", "auto_pad=SAME_UPPER strides=2", {"f16[1,1,4] 1 2 3 4", "f16[1,1,3] 1 2 3"},
         {"f16[1,1,2] 14 11"}},
        {"conv", "auto_pad=VALID pads=9", {"bf16[1,1,4] 1 2 3 4", "bf16[1,1,3] 1 2 3"},
         {"bf16[1,1,2] 14 20"}},
        {"conv", "kernel_shape=1,2,2", {"f32[1,1,1,2,2] 1 2 3 4", "f32[1,1,1,2,2] 1 2 3 4"},
         {"f32[1,1,1,1,1] 30"}},
        {"conv", "", {"f32[0,1,3] 0", "f32[2,1,2] 1"}, {"f32[0,2,2] 0"}},
        {"conv", "", {"f32[1,0,3] 0", "f32[2,0,2] 1", "f32[2] 5 6"}, {"f32[1,2,2] 5 5 6 6"}},
        {"conv", "", {"f32[1,1,3] 0", "f32[0,1,2] 1"}, {"f32[1,0,2] 0"}},
        {"conv_integer", "pads=1,1", {"u8[1,1,2] 1 255", "i8[1,1,3] -1 2 3", "u8[] 1", "i8[] 1"},
         {"i32[1,1,2] 508 254"}},
        {"conv_integer", "", {"u8[1,1,1] 3", "u8[2,1,1] 5 7", "", "u8[2] 1 2"},
         {"i32[1,2,1] 12 15"}},
        {"qlinear_conv", "",
         {"u8[1,1,3] 2 4 250", "f32[] 0.5", "u8[] 2", "i8[2,1,1] 3 5", "f32[2] 1 2", "i8[] 0",
          "f32[] 2", "i8[] -1", "i32[2] 2 0"},
         {"i8[1,2,3] -1 1 127 -1 4 127"}},
        {"qlinear_conv", "",
         {"u8[1,1,3] 2", "f32[2] 0.5", "u8[] 2", "i8[2,1,1] 3", "f32[2] 1", "i8[] 0", "f32[] 2",
          "i8[] -1"}, .status = WHET_E_UNSUPPORTED, .text = "x_scale"},
        {"deform_conv", "", {"f32[1,1,1,3] 1 2 4", "f32[1,1,1,1] 2", "f32[1,2,1,3] 0 0 0 0.5 1 -9"},
         {"f32[1,1,1,3] 3 8 0"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void transposed(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"conv_transpose", "strides=2", {"f32[1,1,3] 1 2 3", "f32[1,1,2] 1 2"},
         {"f32[1,1,6] 1 2 2 4 3 6"}},
        {"conv_transpose", "strides=2 output_shape=6", {"f32[1,1,3] 1 2 3", "f32[1,1,3] 1 2 3"},
         {"f32[1,1,6] 2 5 4 9 6 9"}},
        {"conv_transpose", "strides=2 output_shape=6 auto_pad=SAME_UPPER",
         {"f32[1,1,3] 1 2 3", "f32[1,1,3] 1 2 3"}, {"f32[1,1,6] 1 2 5 4 9 6"}},
        {"conv_transpose", "pads=1,0,0,1",
         {"f32[1,1,2,2] 1 2 3 4", "f32[1,1,2,2] 1 2 3 4", "f32[1] 1"},
         {"f32[1,1,2,2] 7 21 10 25"}},
        {"conv_transpose", "group=2 output_padding=1 strides=2",
         {"f32[1,2,2] 1 2 3 4", "f32[2,1,2] 1 2 3 4"}, {"f32[1,2,5] 1 2 2 4 0 9 12 12 16 0"}},
        {"conv_transpose", "output_shape=8 strides=2", {"f32[1,1,3] 1 2 3", "f32[1,1,2] 1 2"},
         .status = WHET_E_SHAPE, .text = "reaches 6"},
        {"conv_transpose", "pads=3,3", {"f32[1,1,3] 1", "f32[1,1,2] 1"}, .status = WHET_E_SHAPE},
        {"conv_transpose", "output_padding=-1", {"f32[1,1,3] 1", "f32[1,1,2] 1"},
         .status = WHET_E_RANGE, .text = "output_padding"},
        {"conv_transpose", "group=2", {"f32[1,3,3] 1", "f32[3,1,2] 1"}, .status = WHET_E_SHAPE},
        {"conv_transpose", "", {"f32[1,3,3] 1", "f32[2,1,2] 1"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

static void poolings(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"max_pool", "kernel_shape=2,2 storage_order=1", {"f32[1,1,3,3] 1 2 3 4 5 6 7 8 9"},
         {"f32[1,1,2,2] 5 6 8 9", "i64[1,1,2,2] 4 7 5 8"}},
        {"max_pool", "kernel_shape=2 strides=2 ceil_mode=1", {"f32[1,2,5] 1 2 3 4 5 5 4 3 2 1"},
         {"f32[1,2,3] 2 4 5 5 3 1", "i64[1,2,3] 1 3 4 5 7 9"}},
        {"max_pool", "kernel_shape=2 strides=2 pads=0,1 ceil_mode=1", {"i8[1,1,4] -4 -3 -2 -1"},
         {"i8[1,1,2] -3 -1"}},
        {"max_pool", "kernel_shape=2", {"f32[1,1,3] nan 1 nan"}, {"f32[1,1,2] 1 1"}},
        {"max_pool", "kernel_shape=1 pads=1,0", {"u8[1,1,1] 3"}, {"u8[1,1,2] 0 3"}},
        {"max_pool", "kernel_shape=2", {"f32[1,1,2] 7 7"}, {"", "i64[1,1,1] 0"}},
        {"average_pool", "kernel_shape=3 pads=1,1 strides=2 ceil_mode=1", {"f32[1,1,4] 1 2 3 4"},
         {"f32[1,1,3] 1.5 3 4"}},
        {"average_pool", "kernel_shape=3 pads=1,1 strides=2 ceil_mode=1 count_include_pad=1",
         {"f32[1,1,4] 1 2 3 4"}, {"f32[1,1,3] 1 3 2"}},
        {"average_pool", "kernel_shape=2 dilations=2", {"f32[1,1,6] 1 2 3 4 5 6"},
         {"f32[1,1,4] 2 3 4 5"}},
        {"average_pool", "kernel_shape=1 pads=1,0", {"f32[1,1,1] 3"}, {"f32[1,1,2] 0 3"}},
        {"lp_pool", "kernel_shape=2 strides=2", {"f32[1,1,4] 3 4 0 -5"}, {"f32[1,1,2] 5 5"}},
        {"global_average_pool", "", {"f32[1,2,2] 1 3 5 9"}, {"f32[1,2,1] 2 7"}},
        {"global_max_pool", "", {"f32[1,2,1,2] 1 3 9 5"}, {"f32[1,2,1,1] 3 9"}},
        {"global_lp_pool", "p=1", {"f32[1,1,2] 1 -3"}, {"f32[1,1,1] 4"}},
        {"global_average_pool", "", {"f32[2,2] 1 2 3 4"}, {"f32[2,2] 1 2 3 4"}},
        {"max_roi_pool", "pooled_shape=1,2",
         {"f32[1,1,2,4] 1 2 3 4 5 6 7 8", "f32[2,5] 0 0 0 2 1 0 9 9 9 9"},
         {"f32[2,1,1,2] 6 7 0 0"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void failures(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"conv", "", {"f32[1,3] 0", "f32[1,3] 0"}, .status = WHET_E_SHAPE, .text = "rank 2"},
        {"conv", "", {"f32[1,1,1,1,1,1] 0", "f32[1,1,1,1,1,1] 0"}, .status = WHET_E_UNSUPPORTED,
         .text = "4 spatial"},
        {"conv", "", {"f32[1,2,3] 0", "f32[1,1,2] 0"}, .status = WHET_E_SHAPE, .text = "channels"},
        {"conv", "group=0", {"f32[1,2,3] 0", "f32[1,1,2] 0"}, .status = WHET_E_RANGE,
         .text = "group"},
        {"conv", "group=2", {"f32[1,2,3] 0", "f32[3,1,2] 0"}, .status = WHET_E_SHAPE,
         .text = "2 groups"},
        {"conv", "", {"f32[1,1,3] 0", "f32[1,1,0] 0"}, .status = WHET_E_RANGE, .text = "kernel"},
        {"conv", "", {"f32[1,1,3] 0", "f32[1,1,4] 0"}, .status = WHET_E_SHAPE, .text = "not fit"},
        {"conv", "", {"f32[1,1,3] 0", "f32[1,1,1] 0", "f32[2] 0"}, .status = WHET_E_SHAPE,
         .text = "bias"},
        {"conv", "kernel_shape=3", {"f32[1,1,3] 0", "f32[1,1,2] 0"}, .status = WHET_E_SHAPE,
         .text = "kernel_shape"},
        {"conv", "strides=0", {"f32[1,1,3] 0", "f32[1,1,2] 0"}, .status = WHET_E_RANGE,
         .text = "strides"},
        {"conv", "dilations=-9223372036854775808", {"f32[1,1,3] 0", "f32[1,1,2] 0"},
         .status = WHET_E_RANGE, .text = "dilations"},
        {"conv", "dilations=2147483647", {"f32[1,1,3] 0", "f32[1,1,2] 0"}, .status = WHET_E_SHAPE},
        {"conv", "pads=-1,0", {"f32[1,1,3] 0", "f32[1,1,2] 0"}, .status = WHET_E_RANGE,
         .text = "pads"},
        {"conv", "pads=0,9223372036854775807", {"f32[1,1,3] 0", "f32[1,1,2] 0"},
         .status = WHET_E_RANGE, .text = "pads"},
        {"conv", "pads=1", {"f32[1,1,3] 0", "f32[1,1,2] 0"}, .status = WHET_E_SHAPE,
         .text = "pads has 1"},
        {"conv", "", {"f32[1,1,3] 0", "f16[1,1,2] 0"}, .status = WHET_E_DTYPE},
        {"conv", "", {"i32[1,1,3] 0", "i32[1,1,2] 0"}, .status = WHET_E_DTYPE},
        {"deform_conv", "", {"f32[1,1,1,3] 0", "f32[1,1,1,1] 0", "f32[1,1,1,3] 0"},
         .status = WHET_E_SHAPE, .text = "offset"},
        {"deform_conv", "offset_group=2", {"f32[1,1,1,3] 0", "f32[1,1,1,1] 0", "f32[1,4,1,3] 0"},
         .status = WHET_E_SHAPE, .text = "offset groups"},
        {"max_pool", "", {"f32[1,1,3] 0"}, .status = WHET_E_RANGE, .text = "kernel_shape"},
        {"max_pool", "kernel_shape=2,2", {"f32[1,1,3] 0"}, .status = WHET_E_SHAPE},
        {"max_pool", "kernel_shape=0", {"f32[1,1,3] 0"}, .status = WHET_E_RANGE},
        {"max_pool", "kernel_shape=2 storage_order=2", {"f32[1,1,3] 0"}, .status = WHET_E_RANGE},
        {"average_pool", "kernel_shape=2", {"f32[1,3] 0"}, .status = WHET_E_SHAPE},
        {"lp_pool", "kernel_shape=2 p=0", {"f32[1,1,3] 0"}, .status = WHET_E_RANGE},
        {"global_max_pool", "", {"f32[3] 0"}, .status = WHET_E_SHAPE},
        {"max_roi_pool", "pooled_shape=1,1", {"f32[1,1,2,2] 0", "f32[1,5] 1 0 0 1 1"},
         {"f32[1,1,1,1] 0"}, WHET_E_RANGE, "image 1 of 1"},
        {"max_roi_pool", "pooled_shape=1,1", {"f32[1,1,2,2] 0", "f32[1,5] 0 0 nan 1 1"},
         {"f32[1,1,1,1] 0"}, WHET_E_RANGE, "roi 0"},
        {"max_roi_pool", "pooled_shape=1", {"f32[1,1,2,2] 0", "f32[1,5] 0"},
         .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(transposed),
        cmocka_unit_test(poolings),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
