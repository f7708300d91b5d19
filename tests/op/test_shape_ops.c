// SPDX-License-Identifier: Apache-2.0
// Operators of shapes and plain copies.
#include "support/test.h"

#include "op/op_text.h"

static void views(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"reshape", "", {"f32[2,3] 1 2 3 4 5 6", "i64[2] 3 -1"}, {"f32[3,2] 1 2 3 4 5 6"}},
        {"reshape", "", {"i8[2,3] 1 2 3 4 5 6", "i64[3] 0 1 3"}, {"i8[2,1,3] 1 2 3 4 5 6"}},
        {"reshape", "", {"f32[0,3] 0", "i64[2] 0 -1"}, {"f32[0,3] 0"}},
        {"reshape", "", {"f32[0,4] 0", "i64[3] 0 2 -1"}, {"f32[0,2,2] 0"}},
        {"reshape", "allowzero=1", {"f32[0,3] 0", "i64[2] 3 0"}, {"f32[3,0] 0"}},
        {"reshape", "", {"f32[1] 7", "i64[0] 0"}, {"f32[] 7"}},
        {"reshape", "", {"f32[2,3] 0", "i64[1] 5"}, .status = WHET_E_SHAPE, .text = "differ"},
        {"reshape", "", {"f32[2,3] 0", "i64[2] 4 -1"}, .status = WHET_E_SHAPE, .text = "fill"},
        {"reshape", "", {"f32[2,3] 0", "i64[2] -1 -1"}, .status = WHET_E_SHAPE, .text = "more"},
        {"reshape", "", {"f32[2,3] 0", "i64[2] 6 -2"}, .status = WHET_E_SHAPE, .text = "-2"},
        {"reshape", "", {"f32[6] 0", "i64[2] 6 0"}, .status = WHET_E_SHAPE, .text = "copied"},
        {"reshape", "allowzero=1", {"f32[0] 0", "i64[2] 0 -1"}, .status = WHET_E_SHAPE,
         .text = "of 0"},
        {"reshape", "", {"f32[6] 0", "i64[13] 1"}, .status = WHET_E_LIMIT, .text = "dimensions"},
        {"reshape", "", {"f32[6] 0", "i64[2] 4611686018427387904 8"}, .status = WHET_E_LIMIT},
        {"flatten", "axis=2", {"f32[1,2,3] 1 2 3 4 5 6"}, {"f32[2,3] 1 2 3 4 5 6"}},
        {"flatten", "axis=0", {"f32[] 5"}, {"f32[1,1] 5"}},
        {"flatten", "axis=-4", {"f32[1,2,3] 0"}, .status = WHET_E_RANGE, .text = "axis -4"},
        {"squeeze", "", {"f32[1,2,1] 3 4"}, {"f32[2] 3 4"}},
        {"squeeze", "", {"f32[1,2,1] 3 4", "i64[1] -1"}, {"f32[1,2] 3 4"}},
        {"squeeze", "", {"f32[1,2,1] 3 4", "i64[1] 1"}, .status = WHET_E_SHAPE, .text = "differ"},
        {"squeeze", "", {"f32[1,2,1] 3 4", "i64[1] 3"}, .status = WHET_E_RANGE, .text = "axis 3"},
        {"unsqueeze", "", {"f32[2] 3 4", "i64[2] 0 -1"}, {"f32[1,2,1] 3 4"}},
        {"unsqueeze", "", {"f32[2] 3 4", "i64[2] 1 -1"}, {"f32[2,1,1] 3 4"}},
        {"unsqueeze", "", {"f32[2] 3 4", "i64[2] 2 -1"}, .status = WHET_E_INVALID, .text = "twice"},
        {"unsqueeze", "", {"f32[2] 3 4", "i64[1] 2"}, .status = WHET_E_RANGE, .text = "axis 2"},
    };
    op_text_check(cases, COUNT(cases));
}

static void joining(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"concat", "axis=1", {"f32[2,1] 1 2", "f32[2,2] 3 4 5 6"}, {"f32[2,3] 1 3 4 2 5 6"}},
        {"concat", "axis=-1", {"i8[0] 0", "i8[2] 3 4"}, {"i8[2] 3 4"}},
        {"concat", "axis=0", {"f32[2,1] 0", "f32[2,2] 0"}, .status = WHET_E_SHAPE},
        {"concat", "axis=2", {"f32[2,1] 0"}, .status = WHET_E_RANGE, .text = "axis 2"},
        {"concat", "axis=0", {"f32[2] 0", "f32[1,2] 0"}, .status = WHET_E_SHAPE},
        {"concat", "axis=0", {"f32[2] 0", "i32[2] 0"}, .status = WHET_E_DTYPE},
        {"split", "", {"f32[4] 1 2 3 4"}, {"f32[2] 1 2", "f32[2] 3 4"}},
        {"split", "axis=1", {"f32[2,3] 1 2 3 4 5 6", "i64[2] 1 2"},
         {"f32[2,1] 1 4", "f32[2,2] 2 3 5 6"}},
        {"split", "num_outputs=2", {"f32[3] 1 2 3"}, {"f32[2] 1 2", "f32[1] 3"}},
        {"split", "", {"f32[3] 1 2 3", "i64[2] 0 3"}, {"f32[0] 0", "f32[3] 1 2 3"}},
        {"split", "", {"f32[3] 0"}, {"", "f32[1] 0"}, WHET_E_SHAPE, "equal parts"},
        {"split", "", {"f32[3] 0", "i64[2] 2 2"}, {"", "f32[1] 0"}, WHET_E_SHAPE, "differ"},
        {"split", "", {"f32[3] 0", "i64[2] 4 -1"}, {"", "f32[1] 0"}, WHET_E_SHAPE, "-1"},
        {"split", "", {"f32[3] 0", "i64[3] 1 1 1"}, {"", "f32[1] 0"}, WHET_E_SHAPE, "3 sizes"},
        {"split", "num_outputs=3", {"f32[4] 0"}, {"", "f32[1] 0"}, WHET_E_INVALID, "num_outputs"},
        {"transpose", "", {"f32[2,3] 1 2 3 4 5 6"}, {"f32[3,2] 1 4 2 5 3 6"}},
        {"transpose", "perm=1,0,2", {"u8[2,2,2] 1 2 3 4 5 6 7 8"}, {"u8[2,2,2] 1 2 5 6 3 4 7 8"}},
        {"transpose", "perm=0,0", {"f32[2,2] 0"}, .status = WHET_E_INVALID, .text = "permutation"},
        {"transpose", "perm=0", {"f32[2,2] 0"}, .status = WHET_E_SHAPE, .text = "perm"},
        {"expand", "", {"f32[2,1] 1 2", "i64[2] 1 3"}, {"f32[2,3] 1 1 1 2 2 2"}},
        {"expand", "", {"f32[2] 1 2", "i64[3] 2 1 1"}, {"f32[2,1,2] 1 2 1 2"}},
        {"expand", "", {"f32[2] 1 2", "i64[1] 3"}, .status = WHET_E_SHAPE},
        {"expand", "", {"f32[1] 1", "i64[1] -1"}, .status = WHET_E_SHAPE, .text = "-1"},
        {"tile", "", {"i16[1,2] 1 2", "i64[2] 2 2"}, {"i16[2,4] 1 2 1 2 1 2 1 2"}},
        {"tile", "", {"f32[2] 1 2", "i64[1] 0"}, {"f32[0] 0"}},
        {"tile", "", {"f32[2] 1 2", "i64[1] -1"}, .status = WHET_E_RANGE, .text = "-1"},
        {"tile", "", {"f32[2] 1 2", "i64[2] 1 1"}, .status = WHET_E_SHAPE, .text = "repeats"},
        {"tile", "", {"f32[2] 1 2", "i64[1] 4611686018427387904"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

static void slices(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"slice", "", {"f32[4] 1 2 3 4", "i64[1] 1", "i64[1] 3"}, {"f32[2] 2 3"}},
        {"slice", "", {"f32[4] 1 2 3 4", "i64[1] -1", "i64[1] -9223372036854775808", "i64[1] 0",
         "i64[1] -2"}, {"f32[2] 4 2"}},
        {"slice", "", {"f32[2,2] 1 2 3 4", "i32[1] 1", "i32[1] 2147483647", "i32[1] -1"},
         {"f32[2,1] 2 4"}},
        {"slice", "", {"f32[4] 1 2 3 4", "i64[1] 3", "i64[1] 1"}, {"f32[0] 0"}},
        {"slice", "", {"f32[4] 1 2 3 4", "i64[1] 0", "i64[1] 4", "i64[1] 0",
         "i64[1] 9223372036854775807"}, {"f32[1] 1"}},
        {"slice", "", {"f32[4] 1 2 3 4", "i64[1] 9223372036854775807", "i64[1] 0", "i64[1] 0",
         "i64[1] -9223372036854775808"}, {"f32[1] 4"}},
        {"slice", "", {"f32[4] 0", "i64[1] 0", "i64[1] 4", "i64[1] 0", "i64[1] 0"},
         .status = WHET_E_RANGE, .text = "step"},
        {"slice", "", {"f32[4] 0", "i64[1] 0", "i64[1] 4", "i64[1] 1"}, .status = WHET_E_RANGE,
         .text = "axis 1"},
        {"slice", "", {"f32[4] 0", "i64[2] 0", "i64[1] 4"}, .status = WHET_E_SHAPE,
         .text = "length"},
        {"slice", "", {"f32[4] 0", "i64[1] 0", "i32[1] 4"}, .status = WHET_E_DTYPE},
    };
    op_text_check(cases, COUNT(cases));
}

static void generated(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"shape", "", {"f32[2,3] 0"}, {"i64[2] 2 3"}},
        {"shape", "start=-1", {"f32[2,3] 0"}, {"i64[1] 3"}},
        {"shape", "start=1 end=-5", {"f32[2,3] 0"}, {"i64[0] 0"}},
        {"size", "", {"f32[2,3] 0"}, {"i64[] 6"}},
        {"constant_of_shape", "", {"i64[2] 2 1"}, {"f32[2,1] 0 0"}},
        {"constant_of_shape", "", {"i64[1] -1"}, .status = WHET_E_SHAPE, .text = "-1"},
        {"constant_of_shape", "", {"i64[2] 4611686018427387904 4"}, .status = WHET_E_LIMIT},
        {"range", "", {"i32[] 10", "i32[] 4", "i32[] -3"}, {"i32[2] 10 7"}},
        {"range", "", {"f32[] 0", "f32[] 1", "f32[] 0.25"}, {"f32[4] 0 0.25 0.5 0.75"}},
        {"range", "", {"i64[] 3", "i64[] 3", "i64[] 1"}, {"i64[0] 0"}},
        {"range", "", {"i64[] 0", "i64[] 3", "i64[] 0"}, .status = WHET_E_RANGE, .text = "delta"},
        {"range", "", {"f32[] 0", "f32[] inf", "f32[] 1"}, .status = WHET_E_RANGE,
         .text = "no end"},
        {"range", "", {"i64[] 0", "i64[] 9223372036854775807", "i64[] 1"}, .status = WHET_E_RANGE},
        {"range", "", {"i64[2] 0", "i64[] 3", "i64[] 1"}, .status = WHET_E_SHAPE, .text = "scalar"},
        {"eye_like", "k=1", {"i32[2,3] 0"}, {"i32[2,3] 0 1 0 0 0 1"}},
        {"eye_like", "k=-9223372036854775807", {"i32[1,1] 0"}, {"i32[1,1] 0"}},
        {"eye_like", "dtype=1", {"i32[1,2] 5"}, {"f32[1,2] 1 0"}},
        {"one_hot", "", {"i64[2] 1 -1", "i64[] 3", "f32[2] 0 5"}, {"f32[2,3] 0 5 0 0 0 5"}},
        {"one_hot", "axis=0", {"i64[2] 0 7", "f32[1] 2", "i8[2] 1 2"}, {"i8[2,2] 2 1 1 1"}},
        {"one_hot", "", {"i64[2] 1 1", "i64[] -3", "f32[2] 0"}, .status = WHET_E_RANGE},
        {"one_hot", "", {"i64[2] 1 1", "i64[] 3", "f32[3] 0"}, .status = WHET_E_SHAPE},
        {"trilu", "", {"f32[2,3] 1 2 3 4 5 6", "i64[] 1"}, {"f32[2,3] 0 2 3 0 0 6"}},
        {"trilu", "upper=0", {"f32[2,3] 1 2 3 4 5 6", "i64[] -9223372036854775808"},
         {"f32[2,3] 0 0 0 0 0 0"}},
        {"trilu", "", {"f32[3] 1 2 3"}, .status = WHET_E_SHAPE, .text = "triangle"},
    };
    op_text_check(cases, COUNT(cases));
}

static void padding(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"pad", "", {"f32[2] 1 2", "i64[2] 1 2", "f32[] 9"}, {"f32[5] 9 1 2 9 9"}},
        {"pad", "", {"f32[4] 1 2 3 4", "i64[2] -1 -1"}, {"f32[2] 2 3"}},
        {"pad", "", {"f32[3] 1 2 3", "i64[2] -5 4"}, {"f32[2] 0 0"}},
        {"pad", "mode=reflect", {"f32[3] 1 2 3", "i64[2] 2 3"}, {"f32[8] 3 2 1 2 3 2 1 2"}},
        {"pad", "mode=edge", {"f32[2] 1 2", "i64[2] 2 1"}, {"f32[5] 1 1 1 2 2"}},
        {"pad", "mode=wrap", {"f32[3] 1 2 3", "i64[2] 1 4"}, {"f32[8] 3 1 2 3 1 2 3 1"}},
        {"pad", "", {"i8[1,2] 1 2", "i64[2] 1 0", "", "i64[1] -1"}, {"i8[1,3] 0 1 2"}},
        {"pad", "mode=edge", {"f32[0] 0", "i64[2] 1 0"}, .status = WHET_E_SHAPE,
         .text = "continue"},
        {"pad", "", {"f32[2] 1 2", "i64[2] -2 -1"}, .status = WHET_E_SHAPE, .text = "-1"},
        {"pad", "", {"f32[2] 1 2", "i64[3] 0"}, .status = WHET_E_SHAPE, .text = "3 pads"},
        {"pad", "", {"f32[1,2] 1 2", "i64[4] 0", "", "i64[2] 0 -2"}, .status = WHET_E_INVALID,
         .text = "twice"},
        {"pad", "", {"f32[2] 1 2", "i64[2] 9223372036854775807 1"}, .status = WHET_E_SHAPE},
        {"center_crop_pad", "", {"f32[4] 1 2 3 4", "i64[1] 2"}, {"f32[2] 2 3"}},
        {"center_crop_pad", "axes=1", {"f32[1,1] 5", "i64[1] 3"}, {"f32[1,3] 0 5 0"}},
        {"center_crop_pad", "", {"f32[4] 0", "i64[1] -2"}, .status = WHET_E_SHAPE, .text = "-2"},
        {"center_crop_pad", "", {"f32[4] 0", "i64[2] 1 1"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

static void rearranged(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"depth_to_space", "blocksize=2", {"f32[1,4,1,1] 1 2 3 4"}, {"f32[1,1,2,2] 1 2 3 4"}},
        {"depth_to_space", "blocksize=2 mode=CRD", {"f32[1,8,1,1] 1 2 3 4 5 6 7 8"},
         {"f32[1,2,2,2] 1 2 3 4 5 6 7 8"}},
        {"depth_to_space", "blocksize=2", {"f32[1,8,1,1] 1 2 3 4 5 6 7 8"},
         {"f32[1,2,2,2] 1 3 5 7 2 4 6 8"}},
        {"depth_to_space", "blocksize=2", {"f32[1,3,1,1] 0"}, .status = WHET_E_SHAPE},
        {"depth_to_space", "blocksize=0", {"f32[1,4,1,1] 0"}, .status = WHET_E_RANGE},
        {"space_to_depth", "blocksize=2", {"f32[1,2,2,2] 1 3 5 7 2 4 6 8"},
         {"f32[1,8,1,1] 1 2 3 4 5 6 7 8"}},
        {"space_to_depth", "blocksize=2 mode=CRD", {"f32[1,2,2,2] 1 2 3 4 5 6 7 8"},
         {"f32[1,8,1,1] 1 2 3 4 5 6 7 8"}},
        {"space_to_depth", "blocksize=2", {"f32[1,1,3,2] 0"}, .status = WHET_E_SHAPE},
        {"reverse_sequence", "batch_axis=0 time_axis=1", {"f32[2,3] 1 2 3 4 5 6", "i64[2] 2 3"},
         {"f32[2,3] 2 1 3 6 5 4"}},
        {"reverse_sequence", "", {"f32[2,2] 0", "i64[2] 3 1"}, .status = WHET_E_RANGE,
         .text = "length 3"},
        {"reverse_sequence", "batch_axis=0", {"f32[2,2] 0", "i64[2] 1 1"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views),     cmocka_unit_test(joining), cmocka_unit_test(slices),
        cmocka_unit_test(generated), cmocka_unit_test(padding), cmocka_unit_test(rearranged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
