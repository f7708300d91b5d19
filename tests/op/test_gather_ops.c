// SPDX-License-Identifier: Apache-2.0
// Operators led by indices: gather, scatter, selection, top_k, unpooling.
#include "support/test.h"

#include "op/op_text.h"

static void gathering(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"gather", "", {"f32[3,2] 1 2 3 4 5 6", "i64[2] 2 -3"}, {"f32[2,2] 5 6 1 2"}},
        {"gather", "axis=1", {"i8[2,2] 1 2 3 4", "i32[] 1"}, {"i8[2] 2 4"}},
        {"gather", "", {"f32[0,2] 0", "i64[0] 0"}, {"f32[0,2] 0"}},
        {"gather", "", {"f32[3] 0", "i64[1] 3"}, .status = WHET_E_RANGE, .text = "index 3"},
        {"gather", "", {"f32[3] 0", "i64[1] -4"}, .status = WHET_E_RANGE, .text = "index -4"},
        {"gather", "", {"f32[0] 0", "i64[1] 0"}, .status = WHET_E_RANGE, .text = "index 0"},
        {"gather", "", {"f32[3] 0", "i64[1] -9223372036854775808"}, .status = WHET_E_RANGE},
        {"gather", "", {"f32[] 0", "i64[1] 0"}, .status = WHET_E_RANGE, .text = "axis"},
        {"gather", "", {"f32[2] 0", "f32[1] 0"}, .status = WHET_E_DTYPE},
        {"gather_elements", "axis=1", {"f32[2,2] 1 2 3 4", "i64[2,1] 1 -2"}, {"f32[2,1] 2 3"}},
        {"gather_elements", "", {"f32[2,1] 0", "i64[1,2] 0"}, .status = WHET_E_SHAPE},
        {"gather_elements", "", {"f32[2] 0", "i64[1] 2"}, .status = WHET_E_RANGE},
        {"gather_nd", "", {"f32[2,2] 1 2 3 4", "i64[2,2] 0 1 -1 0"}, {"f32[2] 2 3"}},
        {"gather_nd", "", {"f32[2,2] 1 2 3 4", "i64[1,1] 1"}, {"f32[1,2] 3 4"}},
        {"gather_nd", "batch_dims=1", {"f32[2,2] 1 2 3 4", "i64[2,1] 1 0"}, {"f32[2] 2 3"}},
        {"gather_nd", "", {"f32[2,2] 0", "i64[1,2] 0 2"}, .status = WHET_E_RANGE,
         .text = "index 2"},
        {"gather_nd", "", {"f32[2,2] 0", "i64[1,3] 0"}, .status = WHET_E_SHAPE},
        {"gather_nd", "batch_dims=1", {"f32[2,2] 0", "i64[3,1] 0"}, .status = WHET_E_SHAPE},
        {"gather_nd", "batch_dims=-1", {"f32[2,2] 0", "i64[3,1] 0"}, .status = WHET_E_RANGE},
    };
    op_text_check(cases, COUNT(cases));
}

static void scattering(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"scatter_elements", "axis=1", {"f32[1,3] 1 2 3", "i64[1,2] 2 -3", "f32[1,2] 8 9"},
         {"f32[1,3] 9 2 8"}},
        {"scatter_elements", "reduction=add", {"i8[2] 100 1", "i64[2] 0 0", "i8[2] 100 1"},
         {"i8[2] -55 1"}},
        {"scatter_elements", "reduction=max", {"f32[2] 1 2", "i64[2] 0 1", "f32[2] nan 1"},
         {"f32[2] nan 2"}},
        {"scatter_elements", "reduction=min", {"u8[1] 200", "i64[1] 0", "u8[1] 100"},
         {"u8[1] 100"}},
        {"scatter_elements", "reduction=mul", {"f16[1] 3", "i64[1] 0", "f16[1] 5"}, {"f16[1] 15"}},
        {"scatter_elements", "", {"f32[2] 0", "i64[1] 2", "f32[1] 0"}, .status = WHET_E_RANGE,
         .text = "index 2"},
        {"scatter_elements", "", {"f32[2] 0", "i64[1] 0", "f32[2] 0"}, .status = WHET_E_SHAPE},
        {"scatter_elements", "", {"f32[1,1] 0", "i64[1,2] 0", "f32[1,2] 0"},
         .status = WHET_E_SHAPE, .text = "larger"},
        {"scatter_nd", "", {"f32[2,2] 1 2 3 4", "i64[1,1] -1", "f32[1,2] 8 9"},
         {"f32[2,2] 1 2 8 9"}},
        {"scatter_nd", "reduction=add", {"f32[2] 1 2", "i64[2,1] 1 1", "f32[2] 1 1"},
         {"f32[2] 1 4"}},
        {"scatter_nd", "", {"f32[2] 1 2", "i64[1,1] 2", "f32[1] 1"}, .status = WHET_E_RANGE},
        {"scatter_nd", "", {"f32[2] 1 2", "i64[1,2] 0 0", "f32[1] 1"}, .status = WHET_E_SHAPE},
        {"scatter_nd", "", {"f32[2] 1 2", "i64[1,1] 0", "f32[2] 1"}, .status = WHET_E_SHAPE},
        {"max_unpool", "kernel_shape=2 strides=2", {"f32[1,1,2] 5 6", "i64[1,1,2] 1 2"},
         {"f32[1,1,4] 0 5 6 0"}},
        {"max_unpool", "kernel_shape=2 strides=2", {"f32[1,1,1] 5", "i64[1,1,1] 1", "i64[3] 1 1 3"},
         {"f32[1,1,3] 0 5 0"}},
        {"max_unpool", "kernel_shape=2", {"f32[1,1,1] 5", "i64[1,1,1] 2"}, .status = WHET_E_RANGE},
        {"max_unpool", "kernel_shape=2", {"f32[1,1,1] 5", "i64[1,1,1] 0", "i64[3] 1 1 1"},
         .status = WHET_E_SHAPE, .text = "smaller"},
        {"max_unpool", "kernel_shape=2,2", {"f32[1,1,1] 5", "i64[1,1,1] 0"},
         .status = WHET_E_SHAPE},
        {"max_unpool", "kernel_shape=0", {"f32[1,1,1] 5", "i64[1,1,1] 0"}, .status = WHET_E_RANGE},
    };
    op_text_check(cases, COUNT(cases));
}

static void selecting(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"non_zero", "", {"f32[2,2] 1 0 nan -0"}, {"i64[2,2] 0 1 0 0"}},
        {"non_zero", "", {"bool[] 1"}, {"i64[0,1] 0"}},
        {"compress", "axis=1", {"f32[2,2] 1 2 3 4", "bool[2] 0 1"}, {"f32[2,1] 2 4"}},
        {"compress", "", {"f32[2,2] 1 2 3 4", "bool[3] 1 0 1"}, {"f32[2] 1 3"}},
        {"compress", "", {"f32[2] 1 2", "bool[3] 0 0 1"}, .status = WHET_E_RANGE, .text = "beyond"},
        {"unique", "", {"i32[5] 3 1 3 2 1"},
         {"i32[3] 1 2 3", "i64[3] 1 3 0", "i64[5] 2 0 2 1 0", "i64[3] 2 1 2"}},
        {"unique", "sorted=0", {"f32[4] 3 nan 3 nan"}, {"f32[2] 3 nan", "", "", "i64[2] 2 2"}},
        {"unique", "axis=1", {"f32[2,3] 1 0 1 2 0 2"}, {"f32[2,2] 0 1 0 2", "i64[2] 1 0"}},
        {"unique", "", {"u64[2] 18446744073709551615 1"}, {"u64[2] 1 18446744073709551615"}},
        {"unique", "axis=1", {"f32[2] 0"}, .status = WHET_E_RANGE, .text = "axis 1"},
        {"top_k", "", {"f32[5] 1 5 5 nan 2", "i64[1] 3"}, {"f32[3] nan 5 5", "i64[3] 3 1 2"}},
        {"top_k", "largest=0 axis=0", {"u8[3,1] 9 1 9", "i64[1] 3"},
         {"u8[3,1] 1 9 9", "i64[3,1] 1 0 2"}},
        {"top_k", "", {"i64[2] -9223372036854775808 9223372036854775807", "i64[1] 1"},
         {"i64[1] 9223372036854775807", "i64[1] 1"}},
        {"top_k", "", {"u64[2] 18446744073709551615 1", "i64[1] 1"},
         {"u64[1] 18446744073709551615", "i64[1] 0"}},
        {"top_k", "", {"f32[2] 0", "i64[1] 0"}, {"f32[0] 0", "i64[0] 0"}},
        {"top_k", "", {"f32[2] 0", "i64[1] 3"}, .status = WHET_E_RANGE, .text = "K is 3"},
        {"top_k", "", {"f32[2] 0", "i64[1] -1"}, .status = WHET_E_RANGE, .text = "K is -1"},
        {"top_k", "", {"f32[2] 0", "i64[2] 1 1"}, .status = WHET_E_SHAPE},
        {"non_max_suppression", "",
         {"f32[1,3,4] 0 0 1 1 0 0.1 1 1.1 0 10 1 11", "f32[1,1,3] 0.7 0.8 0.6", "i64[1] 5",
          "f32[1] 0.5", "f32[1] 0"}, {"i64[2,3] 0 0 1 0 0 2"}},
        {"non_max_suppression", "", {"f32[1,1,4] 0", "f32[1,1,1] 1"}, {"i64[0,3] 0"}},
        {"non_max_suppression", "", {"f32[1,1,4] 0", "f32[1,1,2] 1"}, .status = WHET_E_SHAPE},
        {"non_max_suppression", "", {"f32[1,1,4] 0", "f32[1,1,1] 1", "i64[] 1", "f32[] nan"},
         .status = WHET_E_RANGE, .text = "iou"},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gathering), cmocka_unit_test(scattering),
                                       cmocka_unit_test(selecting)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
