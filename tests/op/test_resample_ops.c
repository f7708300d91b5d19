// SPDX-License-Identifier: Apache-2.0
// Operators that resample: resize, grid_sample, roi_align, affine_grid; det and col2im.
#include "support/test.h"

#include "op/op_text.h"

static void resizing(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"resize", "", {"f32[2] 1 2", "", "f32[1] 2"}, {"f32[4] 1 1 2 2"}},
        {"resize", "", {"bool[2] 1 0", "", "", "i64[1] 3"}, {"bool[3] 1 1 0"}},
        {"resize", "mode=linear", {"f32[2] 0 4", "", "f32[1] 2"}, {"f32[4] 0 1 3 4"}},
        {"resize", "mode=linear", {"u8[2] 0 9", "", "f32[0] 0", "i64[1] 4"}, {"u8[4] 0 2 6 9"}},
        {"resize", "mode=linear coordinate_transformation_mode=align_corners",
         {"f32[2] 0 3", "", "", "i64[1] 4"}, {"f32[4] 0 1 2 3"}},
        {"resize", "mode=cubic coordinate_transformation_mode=asymmetric exclude_outside=1",
         {"f32[4] 1 1 1 1", "", "f32[1] 2"}, {"f32[8] 1 1 1 1 1 1 1 1"}},
        {"resize", "mode=linear antialias=1", {"f32[4] 1 2 3 4", "", "f32[1] 0.5"},
         {"f32[2] 1.625 3.375"}},
        // 1/3 in single precision is not quite 1/3
        {"resize", "coordinate_transformation_mode=asymmetric nearest_mode=floor",
         {"f32[10] 0 1 2 3 4 5 6 7 8 9", "", "f32[1] 0.333333333"}, {"f32[3] 0 3 6"}},
        {"resize", "coordinate_transformation_mode=asymmetric nearest_mode=simple",
         {"f32[4] 1 2 3 4", "", "f32[1] 0.6"}, {"f32[2] 1 3"}},
        {"resize", "axes=-1 keep_aspect_ratio_policy=not_larger", {"f32[1,2] 3 4", "", "",
         "i64[1] 4"}, {"f32[1,4] 3 3 4 4"}},
        {"resize", "coordinate_transformation_mode=tf_crop_and_resize extrapolation_value=7",
         {"f32[3] 1 2 3", "f32[2] 0.5 1.5", "", "i64[1] 3"}, {"f32[3] 2 3 7"}},
        {"resize", "", {"f32[2] 1 2"}, .status = WHET_E_INVALID, .text = "neither"},
        {"resize", "", {"f32[2] 1 2", "", "f32[1] -1"}, .status = WHET_E_RANGE, .text = "scale 0"},
        {"resize", "", {"f32[2] 1 2", "", "f32[1] nan"}, .status = WHET_E_RANGE},
        {"resize", "", {"f32[2] 1 2", "", "f32[2] 1 1"}, .status = WHET_E_SHAPE},
        {"resize", "", {"f32[2] 1 2", "", "", "i64[1] -4"}, .status = WHET_E_RANGE},
        {"resize", "", {"f32[0] 0", "", "", "i64[1] 2"}, .status = WHET_E_SHAPE},
        {"resize", "mode=linear", {"bool[2] 1 0", "", "f32[1] 2"}, .status = WHET_E_DTYPE},
        {"resize", "antialias=1", {"f32[2] 1 0", "", "f32[1] 2"}, .status = WHET_E_INVALID},
        {"resize", "axes=0,-1", {"f32[2] 1 0", "", "f32[2] 2"}, .status = WHET_E_INVALID},
        {"resize", "coordinate_transformation_mode=tf_crop_and_resize",
         {"f32[2] 1 0", "", "f32[1] 2"}, .status = WHET_E_INVALID, .text = "roi"},
        {"resize", "coordinate_transformation_mode=tf_crop_and_resize",
         {"f32[2] 1 0", "f32[1] 0", "f32[1] 2"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

static void sampling(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"grid_sample", "align_corners=1", {"f32[1,1,1,3] 1 2 3", "f32[1,1,3,2] -1 0 0.5 0 3 0"},
         {"f32[1,1,1,3] 1 2.5 0"}},
        {"grid_sample", "padding_mode=border mode=nearest",
         {"f32[1,1,1,2] 1 2", "f32[1,1,2,2] -9 nan 9 inf"}, {"f32[1,1,1,2] 1 2"}},
        {"grid_sample", "padding_mode=reflection align_corners=1",
         {"f32[1,1,1,3] 1 2 3", "f32[1,1,1,2] 1.5 0"}, {"f32[1,1,1,1] 2.5"}},
        {"grid_sample", "mode=bicubic", {"f32[1,1,2,2] 4 4 4 4", "f32[1,1,1,2] 0 0"},
         {"f32[1,1,1,1] 5.640625"}},
        {"grid_sample", "", {"f32[1,1,1,2] 1 2", "f32[1,1,1,3] 0"}, .status = WHET_E_SHAPE},
        {"grid_sample", "", {"f32[2,1,1,2] 1 2", "f32[1,1,1,2] 0"}, .status = WHET_E_SHAPE},
        {"grid_sample", "", {"f32[1,1,0,2] 1 2", "f32[1,1,1,2] 0"}, .status = WHET_E_SHAPE},
        {"grid_sample", "", {"f32[1,1] 1", "f32[1,0] 0"}, .status = WHET_E_SHAPE},
        {"affine_grid", "align_corners=1", {"f32[1,2,3] 1 0 0 0 1 5", "i64[4] 1 1 1 2"},
         {"f32[1,1,2,2] -1 5 1 5"}},
        {"affine_grid", "", {"f32[1,2,3] 0", "i64[5] 1 1 1 1 1"}, .status = WHET_E_SHAPE},
        {"affine_grid", "", {"f32[1,2,3] 0", "i64[4] 2 1 1 1"}, .status = WHET_E_SHAPE},
        {"affine_grid", "", {"f32[1,2,3] 0", "i64[4] 1 1 -1 1"}, .status = WHET_E_SHAPE},
        {"roi_align", "coordinate_transformation_mode=output_half_pixel sampling_ratio=1",
         {"f32[1,1,2,2] 1 2 3 4", "f32[1,4] 0 0 1 1", "i64[1] 0"}, {"f32[1,1,1,1] 2.5"}},
        {"roi_align", "", {"f32[1,1,2,2] 0", "f32[1,4] 0", "i64[1] 1"}, .status = WHET_E_RANGE,
         .text = "index 1"},
        {"roi_align", "", {"f32[1,1,2,2] 0", "f32[1,4] 0 0 1e30 1", "i64[1] 0"},
         .status = WHET_E_RANGE, .text = "too large"},
        {"roi_align", "", {"f32[1,1,2,2] 0", "f32[1,4] nan", "i64[1] 0"}, .status = WHET_E_RANGE},
        {"roi_align", "", {"f32[1,1,2,2] 0", "f32[2,4] 0", "i64[1] 0"}, .status = WHET_E_SHAPE},
        {"roi_align", "output_height=0", {"f32[1,1,2,2] 0", "f32[1,4] 0", "i64[1] 0"},
         .status = WHET_E_RANGE},
    };
    op_text_check(cases, COUNT(cases));
}

static void matrices(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"det", "", {"f32[2,2,2] 1 2 3 4 0 1 1 0"}, {"f32[2] -2 -1"}},
        {"det", "", {"f64[2,2] 1 2 2 4"}, {"f64[] 0"}},
        {"det", "", {"f32[2,3] 0"}, .status = WHET_E_SHAPE},
        {"col2im", "", {"f32[1,2,2] 1 2 3 4", "i64[1] 3", "i64[1] 2"}, {"f32[1,1,3] 1 5 4"}},
        {"col2im", "pads=1,0", {"f32[1,2,2] 1 2 3 4", "i64[1] 2", "i64[1] 2"},
         {"f32[1,1,2] 5 4"}},
        {"col2im", "", {"f32[1,2,3] 0", "i64[1] 3", "i64[1] 2"}, .status = WHET_E_SHAPE},
        {"col2im", "", {"f32[1,2,2] 0", "i64[1] 3", "i64[1] 0"}, .status = WHET_E_RANGE},
        {"col2im", "strides=0", {"f32[1,2,2] 0", "i64[1] 3", "i64[1] 2"}, .status = WHET_E_RANGE},
        {"col2im", "pads=0", {"f32[1,2,2] 0", "i64[1] 3", "i64[1] 2"}, .status = WHET_E_SHAPE},
        {"col2im", "dilations=9223372036854775807", {"f32[1,2,2] 0", "i64[1] 3", "i64[1] 2"},
         .status = WHET_E_RANGE},
    };
    op_text_check(cases, COUNT(cases));
}

static void crops(void **state) {
    (void)state;
#define MAP "f32[1,1,2,2] 1 2 3 4"
    static const op_case cases[] = {
        {"crop_and_resize", "", {MAP, "f32[1,4] 0 0 1 1", "i32[1] 0", "i32[2] 3 1"},
         {"f32[1,1,3,1] 1.5 2.5 3.5"}},
        {"crop_and_resize", "extrapolation_value=9",
         {MAP, "f32[1,4] -1 0 0 0", "i32[1] 0", "i64[2] 2 1"}, {"f32[1,1,2,1] 9 1"}},
        {"crop_and_resize", "mode=nearest", {MAP, "f32[1,4] 0.6 0.4 1 1", "i32[1] 0", "i32[2] 2 2"},
         {"f32[1,1,2,2] 3 4 3 4"}},
        {"crop_and_resize", "", {MAP, "f32[1,4] nan", "i32[1] 0", "i32[2] 1 1"},
         {"f32[1,1,1,1] 0"}},
        {"crop_and_resize", "", {MAP, "f32[0,4] 0", "i32[0] 0", "i32[2] 1 1"}, {"f32[0,1,1,1] 0"}},
        {"crop_and_resize", "", {MAP, "f32[1,4] 0", "i32[1] 1", "i32[2] 1 1"}, {"f32[1,1,1,1] 0"},
         WHET_E_RANGE, "image 1 of 1"},
        {"crop_and_resize", "", {MAP, "f32[1,4] 0", "i32[1] 0", "i32[2] 0 1"},
         .status = WHET_E_RANGE, .text = "crop_size"},
        {"crop_and_resize", "", {MAP, "f32[1,4] 0", "i32[2] 0", "i32[2] 1 1"},
         .status = WHET_E_SHAPE},
        {"inverse", "", {"f32[2,2] 0 2 4 0"}, {"f32[2,2] 0 0.25 0.5 0"}},
        {"inverse", "", {"f64[2,1,1] 2 4"}, {"f64[2,1,1] 0.5 0.25"}},
        {"inverse", "", {"f32[2,2] 1 2 2 4"}, {"f32[2,2] 0"}, WHET_E_RANGE, "no inverse"},
        {"inverse", "", {"f32[1,2] 0"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(resizing), cmocka_unit_test(sampling),
                                       cmocka_unit_test(matrices), cmocka_unit_test(crops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
