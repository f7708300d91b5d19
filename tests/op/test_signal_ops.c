// SPDX-License-Identifier: Apache-2.0
// Fourier transforms, windows, mel bands; tensor_scatter.
#include "support/test.h"

#include <math.h>

#include "op/op_run.h"
#include "op/op_text.h"

static void transforms(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"dft", "", {"f32[4,1] 1 2 3 4", "", "i64[] 0"}, {"f32[4,2] 10 0 -2 2 -2 0 -2 -2"}},
        {"dft", "onesided=1", {"f32[4,1] 1 2 3 4"}, {"f32[3,2] 10 0 -2 2 -2 0"}},
        {"dft", "onesided=1 inverse=1", {"f32[3,2] 10 0 -2 2 -2 0"}, {"f32[4,1] 1 2 3 4"}},
        {"dft", "onesided=1 inverse=1", {"f32[2,2] 6 0 0 0", "i32[] 3"}, {"f32[3,1] 2 2 2"}},
        {"dft", "inverse=1", {"f32[2,2] 4 2 0 2"}, {"f32[2,2] 2 2 2 0"}},
        // padded with zeros, and cut
        {"dft", "", {"f32[1,1,1] 5", "i64[] 2"}, {"f32[1,2,2] 5 0 5 0"}},
        {"dft", "", {"f32[3,1] 5 1 7", "i64[1] 1"}, {"f32[1,2] 5 0"}},
        {"dft", "", {"f32[2,2,1] 1 2 3 4", "", "i64[] -3"}, {"f32[2,2,2] 4 0 6 0 -2 0 -2 0"}},
        {"dft", "", {"f32[0,4,1] 0"}, {"f32[0,4,2] 0"}},
        {"dft", "", {"f32[4] 0"}, .status = WHET_E_SHAPE},
        {"dft", "", {"f32[4,3] 0"}, .status = WHET_E_SHAPE, .text = "1 or 2"},
        {"dft", "", {"f32[4,1] 0", "i64[] 0"}, .status = WHET_E_RANGE, .text = "dft_length"},
        {"dft", "", {"f32[4,1] 0", "i64[] 9000000000000"}, .status = WHET_E_RANGE},
        {"dft", "", {"f32[4,1] 0", "", "i64[] 1"}, .status = WHET_E_RANGE, .text = "axis"},
        {"dft", "", {"f32[4,1] 0", "", "i64[] -3"}, .status = WHET_E_RANGE},
        {"dft", "onesided=1", {"f32[4,2] 0"}, .status = WHET_E_SHAPE},
        {"dft", "onesided=1 inverse=1", {"f32[1,2] 0"}, .status = WHET_E_RANGE},
        {"stft", "", {"f32[1,4,1] 1 2 3 4", "i64[] 2", "", "i64[] 2"},
         {"f32[1,2,2,2] 3 0 -1 0 7 0 -1 0"}},
        {"stft", "onesided=0", {"f32[1,3,2] 1 2 3 4 5 6", "i32[] 1", "f32[2] 1 0"},
         {"f32[1,2,2,2] 1 2 1 2 3 4 3 4"}},
        {"stft", "", {"f32[1,2,1] 1 2", "i64[] 1"}, {"f32[1,1,2,2] 3 0 -1 0"}},
        {"stft", "", {"f32[1,2,1] 1 2", "i64[] 1", "", "i64[] 3"}, {"f32[1,0,2,2] 0"}},
        {"stft", "", {"f32[1,4,1] 0", "i64[] 0", "", "i64[] 2"}, .status = WHET_E_RANGE},
        {"stft", "", {"f32[1,4,1] 0", "i64[] 1", "f32[3] 0", "i64[] 2"}, .status = WHET_E_SHAPE},
        {"stft", "", {"f32[1,4,2] 0", "i64[] 1"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

// Every length up to 70, and a long prime, against the sum that defines the transform.
static void lengths(void **state) {
    (void)state;
    op_run r;
    op_run_init(&r);
    for (int64_t n = 1; n <= 71; n++) {
        int64_t length = n > 70 ? 1009 : n;
        double x[2 * 1009];
        for (int64_t t = 0; t < length; t++) x[t] = sin((double)(t * t)) + (double)(t % 3);
        whet_tensor in = {WHET_DTYPE_F64, 2, {length, 1}, x, sizeof(double) * (size_t)length};
        const whet_op *dft = whet_op_find(whet_ops_builtin(), "dft");
        assert_int_equal(op_run_case(&r, dft, "", &in, 1, 1, 0), WHET_OK);
        const double *y = r.out[0].data;
        for (int64_t k = 0; k < length; k++) {
            double re = 0, im = 0;
            for (int64_t t = 0; t < length; t++) {
                double w = -2 * acos(-1) * (double)(k * t % length) / (double)length;
                re += x[t] * cos(w), im += x[t] * sin(w);
            }
            if (fabs(y[2 * k] - re) > 1e-9 || fabs(y[2 * k + 1] - im) > 1e-9)
                fail_msg("length %d, bin %d", (int)length, (int)k);
        }
    }
    op_run_fini(&r);
}

static void tables(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"hann_window", "", {"i64[] 4"}, {"f32[4] 0 0.5 1 0.5"}},
        {"hann_window", "periodic=0 output_datatype=6", {"i32[] 3"}, {"i32[3] 0 1 0"}},
        {"hann_window", "periodic=0", {"i32[1] 1"}, {"f32[1] 0"}},
        {"hann_window", "", {"i64[] 0"}, {"f32[0] 0"}},
        {"hamming_window", "", {"i64[] 2"}, {"f32[2] 0.086956522 1"}},
        {"blackman_window", "output_datatype=6", {"i64[] 2"}, {"i32[2] 0 1"}},
        {"blackman_window", "", {"i64[] -1"}, .status = WHET_E_RANGE},
        {"blackman_window", "", {"i64[2] 1"}, .status = WHET_E_SHAPE},
        {"mel_weight_matrix", "", {"i32[] 1", "i32[] 8", "i32[] 8", "f32[] 0", "f32[] 4"},
         {"f32[5,1] 0 1 0 0 0"}},
        {"mel_weight_matrix", "", {"i32[] 2", "i32[] 8", "i32[] 8", "f32[] 0", "f32[] 40"},
         {"f32[5,2] 0"}, WHET_E_RANGE, "outside"},
        {"mel_weight_matrix", "", {"i32[] 1", "i32[] 8", "i32[] 0", "f32[] 0", "f32[] 4"},
         {"f32[5,1] 0"}, WHET_E_RANGE},
    };
    op_text_check(cases, COUNT(cases));
}

static void scatter(void **state) {
    (void)state;
    static const op_case cases[] = {
        {"tensor_scatter", "", {"f32[2,3,1] 1 2 3 4 5 6", "f32[2,2,1] 7 8 9 10", "i64[2] 0 1"},
         {"f32[2,3,1] 7 8 3 4 9 10"}},
        {"tensor_scatter", "axis=1", {"i8[1,3] 1 2 3", "i8[1,1] 9"}, {"i8[1,3] 9 2 3"}},
        {"tensor_scatter", "axis=1 mode=circular", {"i8[1,3] 1 2 3", "i8[1,2] 8 9", "i64[1] 5"},
         {"i8[1,3] 9 2 8"}},
        {"tensor_scatter", "axis=1 mode=circular", {"i8[1,3] 1 2 3", "i8[1,1] 8", "i64[1] -1"},
         {"i8[1,3] 1 2 8"}},
        {"tensor_scatter", "axis=1", {"i8[1,3] 1 2 3", "i8[1,2] 8 9", "i64[1] 2"}, {"i8[1,3] 0"},
         WHET_E_RANGE, "write_indices"},
        {"tensor_scatter", "axis=1", {"i8[1,3] 1 2 3", "i8[1,1] 8", "i64[1] 9223372036854775807"},
         {"i8[1,3] 0"}, WHET_E_RANGE},
        {"tensor_scatter", "axis=1", {"i8[1,3] 1 2 3", "i8[1,1] 8", "i64[1] -1"}, {"i8[1,3] 0"},
         WHET_E_RANGE},
        {"tensor_scatter", "axis=0", {"i8[1,3] 0", "i8[1,3] 0"}, .status = WHET_E_RANGE},
        {"tensor_scatter", "axis=1", {"i8[1,3] 0", "i8[1,4] 0"}, .status = WHET_E_SHAPE},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transforms),
        cmocka_unit_test(lengths),
        cmocka_unit_test(tables),
        cmocka_unit_test(scatter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
