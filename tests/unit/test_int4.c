// SPDX-License-Identifier: Apache-2.0
// Rounding to 4 bits: scales, and GPTQ against rounding to the nearest.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/dtype.h"
#include "build/int4.h"
#include "support/test.h"

enum { N = 12, K = 100, ROWS = 300, GROUP = 32, GROUPS = (K + GROUP - 1) / GROUP };

static float next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / (1 << 23) - 1;
}

// Rows whose numbers depend on each other, as those of a network do.
static void make_rows(float *x) {
    uint64_t state = 7;
    for (int r = 0; r < ROWS; r++) {
        float common = next(&state) * 3;
        for (int i = 0; i < K; i++)
            x[r * K + i] = common * (float)(i % 5) + next(&state) + (i % 7 ? 0 : 2 * common);
    }
}

// What the outputs lose on the rows.
static double lost(const float *x, const float *w, const whet_int4_matrix *m) {
    double sum = 0;
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < N; o++) {
            double e = 0;
            for (int i = 0; i < K; i++) {
                float q = (float)m->q[o * K + i] * m->scale[o * GROUPS + i / GROUP];
                e += (double)x[r * K + i] * (double)(w[o * K + i] - q);
            }
            sum += e * e;
        }
    return sum;
}

static void test_gptq_loses_less(void **state) {
    (void)state;
    static float x[ROWS * K], w[N * K], copy[N * K], scale[N * GROUPS], coef[K * WHET_INT4_ROWS];
    static int8_t q[N * K];
    whet_int4_moments s = {.k = K, .h = calloc(K * K, sizeof(float))};
    uint64_t seed = 1;
    make_rows(x);
    for (int i = 0; i < N * K; i++) w[i] = copy[i] = next(&seed) * 0.1f;
    whet_int4_matrix m = {.n = N, .k = K, .group = GROUP, .groups = GROUPS, .w = copy, .q = q,
                          .scale = scale, .half = true};
    whet_workers *workers;
    whet_error err;
    assert_int_equal(whet_workers_create(2, &workers, &err), WHET_OK);
    whet_int4_round(&m);
    double nearest = lost(x, w, &m);
    whet_add_rows_fn add = whet_add_rows_for(whet_cpu_features());
    whet_int4_observe(&s, x, 200, coef, add, workers, 2);
    whet_int4_observe(&s, x + 200 * K, ROWS - 200, coef, add, workers, 2);
    for (int i = 0; i < K; i++)
        for (int j = i; j < K; j++) {
            double sum = 0;
            for (int r = 0; r < ROWS; r++) sum += (double)x[r * K + i] * (double)x[r * K + j];
            assert_true(fabs(sum - (double)s.h[i * K + j]) < 1e-3 * (fabs(sum) + ROWS));
        }
    bool done;
    assert_int_equal(whet_int4_gptq(&m, &s, add, workers, 2, &done), WHET_OK);
    assert_true(done);
    assert_true(lost(x, w, &m) < 0.3 * nearest);
    for (int i = 0; i < N * GROUPS; i++)
        assert_true(whet_f16_to_f32(whet_f32_to_f16(scale[i])) == scale[i]);
    whet_workers_destroy(workers);
    free(s.h);
}

// Sums with nothing in them: no inverse, but damping gives none either.
static void test_gptq_of_nothing(void **state) {
    (void)state;
    float w[16] = {1, 2}, scale[2], h[64] = {0};
    int8_t q[16];
    whet_int4_moments s = {.k = 8, .rows = 1, .h = h};
    whet_int4_matrix m = {.n = 2, .k = 8, .group = 8, .groups = 1, .w = w, .q = q, .scale = scale};
    bool done = true;
    assert_int_equal(whet_int4_gptq(&m, &s, whet_add_rows_scalar, NULL, 1, &done), WHET_OK);
    assert_false(done);
    assert_true(w[0] == 1 && w[1] == 2);
}

static void test_scales(void **state) {
    (void)state;
    float zeros[4] = {0}, w[4] = {7, -8, 3, 1}, small[2] = {1e-9f, -1e-9f};
    assert_true(whet_int4_scale(zeros, 4, true) == 1);
    assert_true(whet_int4_scale(small, 2, true) == 1); // nothing of f16 is that small
    assert_true(whet_int4_scale(small, 2, false) < 1e-9f);
    float s = whet_int4_scale(w, 4, true);
    assert_true(s >= 0.9f && s <= 1.15f);
    assert_true(whet_int4_nearest(100, s) == 7 && whet_int4_nearest(-100, s) == -8);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gptq_loses_less),
                                       cmocka_unit_test(test_gptq_of_nothing),
                                       cmocka_unit_test(test_scales)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
