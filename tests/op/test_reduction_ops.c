// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "op/op_text.h"

static void reductions(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"reduce_sum", "", {"f32[2,3] 1 2 3 4 5 6", "i64[1] -1"}, {"f32[2,1] 6 15"}},
        {"reduce_sum", "keepdims=0", {"f32[2,3] 1 2 3 4 5 6"}, {"f32[] 21"}},
        {"reduce_sum", "", {"i32[2,2] 1 2 3 4", "i64[0] 0"}, {"i32[1,1] 10"}},
        {"reduce_sum", "noop_with_empty_axes=1", {"i32[2] 1 2", "i64[0] 0"}, {"i32[2] 1 2"}},
        {"reduce_sum_square", "noop_with_empty_axes=1", {"f32[2] -2 3"}, {"f32[2] 4 9"}},
        {"reduce_prod", "keepdims=0", {"f32[2,2] 1 2 3 4", "i64[2] 0 1"}, {"f32[] 24"}},
        {"reduce_l1", "", {"i32[3] -1 2 -3"}, {"i32[1] 6"}},
        {"reduce_l2", "", {"f32[2] 3 4"}, {"f32[1] 5"}},
        {"reduce_mean", "", {"i32[3] -1 -2 -2"}, {"i32[1] -1"}},
        {"reduce_mean", "keepdims=0", {"f32[2,2] 1 2 3 4", "i64[1] 0"}, {"f32[2] 2 3"}},
        {"reduce_max", "", {"f32[3] 1 nan 2"}, {"f32[1] nan"}},
        {"reduce_max", "", {"bool[3] 0 1 0"}, {"bool[1] 1"}},
        {"reduce_min", "", {"bool[2] 1 1"}, {"bool[1] 1"}},
        {"reduce_min", "", {"u64[2] 18446744073709551615 9223372036854775808"},
         {"u64[1] 9223372036854775808"}},
        {"reduce_log_sum_exp", "", {"f32[2] 1000 1000"}, {"f32[1] 1000.693147"}},
        {"reduce_log_sum", "", {"f32[2] 1 1"}, {"f32[1] 0.69314718"}},
    };
    op_text_check(cases, COUNT(cases));
}

// What remains of nothing.
static void empty(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"reduce_sum", "", {"f32[2,0,2] 0", "i64[1] 1"}, {"f32[2,1,2] 0"}},
        {"reduce_prod", "", {"i32[0] 0"}, {"i32[1] 1"}},
        {"reduce_max", "", {"f32[0] 0"}, {"f32[1] -inf"}},
        {"reduce_min", "", {"i8[0] 0"}, {"i8[1] 127"}},
        {"reduce_max", "", {"i64[0] 0"}, {"i64[1] -9223372036854775808"}},
        {"reduce_min", "", {"bool[0] 0"}, {"bool[1] 1"}},
        {"reduce_log_sum_exp", "", {"f32[0] 0"}, {"f32[1] -inf"}},
        {"reduce_mean", "", {"f32[0] 0"}, {"f32[1] nan"}},
        {"reduce_mean", "", {"i32[0] 0"}, .status = WHET_E_RANGE, .text = "no elements"},
        {"reduce_sum", "", {"f32[2,0] 0", "i64[1] 0"}, {"f32[1,0] 0"}},
        {"softmax", "", {"f32[0,3] 0"}, {"f32[0,3] 0"}},
        {"arg_max", "", {"f32[0,3] 0"}, .status = WHET_E_SHAPE, .text = "empty"},
    };
    op_text_check(cases, COUNT(cases));
}

static void along_axis(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"arg_max", "", {"f32[2,2] 1 5 3 2"}, {"i64[1,2] 1 0"}},
        {"arg_max", "axis=1 keepdims=0", {"i32[2,2] 4 4 1 2"}, {"i64[2] 0 1"}},
        {"arg_max", "axis=1 keepdims=0 select_last_index=1", {"i32[1,3] 4 4 1"}, {"i64[1] 1"}},
        {"arg_min", "axis=-1", {"f32[3] 2 nan 1"}, {"i64[1] 1"}},
        {"arg_min", "", {"u64[2] 18446744073709551615 1"}, {"i64[1] 1"}},
        {"cum_sum", "", {"f32[2,2] 1 2 3 4", "i32[] 0"}, {"f32[2,2] 1 2 4 6"}},
        {"cum_sum", "exclusive=1 reverse=1", {"i64[3] 1 2 3", "i64[] -1"}, {"i64[3] 5 3 0"}},
        {"cum_prod", "exclusive=1", {"i32[3] 2 3 4", "i64[] 0"}, {"i32[3] 1 2 6"}},
        {"softmax", "axis=0", {"f32[2,2] 0 1 0 1"}, {"f32[2,2] 0.5"}},
        {"softmax", "", {"f32[2] 1000 -1000"}, {"f32[2] 1 0"}},
        {"log_softmax", "", {"f64[2] 1000 0"}, {"f64[2] 0 -1000"}},
        {"hardmax", "", {"f32[2,3] 1 3 3 2 1 0"}, {"f32[2,3] 0 1 0 1 0 0"}},
    };
    op_text_check(cases, COUNT(cases));
}

static void failures(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"reduce_sum", "", {"f32[2] 0", "i64[1] 1"}, .status = WHET_E_RANGE, .text = "axis 1"},
        {"reduce_sum", "", {"f32[2] 0", "i64[2] 0 -1"}, .status = WHET_E_INVALID, .text = "twice"},
        {"reduce_sum", "", {"bool[2] 0"}, .status = WHET_E_DTYPE, .text = "cannot be bool"},
        {"arg_max", "axis=2", {"f32[2] 0"}, .status = WHET_E_RANGE, .text = "axis 2"},
        {"cum_sum", "", {"f32[2] 0", "i64[] 7"}, .status = WHET_E_RANGE, .text = "axis 7"},
        {"cum_sum", "", {"f32[2] 0", "i64[2] 0"}, .status = WHET_E_SHAPE, .text = "single number"},
        {"softmax", "", {"f32[] 0"}, .status = WHET_E_RANGE, .text = "axis -1"},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reductions),
        cmocka_unit_test(empty),
        cmocka_unit_test(along_axis),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
