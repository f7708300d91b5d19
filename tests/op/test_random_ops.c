// SPDX-License-Identifier: Apache-2.0
// Random operators: shapes and types, distributions, and what a seed fixes.
#include "support/test.h"

#include <math.h>
#include <string.h>

#include "op/op_run.h"
#include "op/op_text.h"

#define MANY "shape=100,100"

static const whet_op *op_of(const char *name) { return whet_op_find(whet_ops_builtin(), name); }

// Runs an operator without inputs or with one.
static const whet_tensor *draw(op_run *r, const char *op, const char *attrs, const char *in) {
    whet_arena arena;
    whet_arena_init(&arena);
    whet_tensor x = {0};
    if (in) x = op_text_tensor(&arena, in);
    if (op_run_case(r, op_of(op), attrs, &x, in != NULL, 1, 0) != WHET_OK)
        fail_msg("%s %s: %s", op, attrs, r->error.text);
    whet_arena_fini(&arena);
    return &r->out[0];
}

static void moments(const whet_tensor *t, double *mean, double *deviation) {
    int64_t n = whet_tensor_count(t);
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        double v = whet_load_f64(t->data, t->dtype, i);
        sum += v;
        square += v * v;
    }
    *mean = sum / (double)n;
    *deviation = sqrt(square / (double)n - *mean * *mean);
}

static void check_moments(const whet_tensor *t, double mean, double deviation) {
    double m, d;
    moments(t, &m, &d);
    if (!(fabs(m - mean) < 0.05 * deviation && fabs(d - deviation) < 0.05 * deviation))
        fail_msg("mean %g, deviation %g; wanted %g and %g", m, d, mean, deviation);
}

static void distributions(void **state) {
    (void)state;
    op_run r;
    op_run_init(&r);
    for (int seeded = 0; seeded < 2; seeded++) {
        const char *seed = seeded ? " seed=7" : "";
        char attrs[80];
        snprintf(attrs, sizeof attrs, MANY " mean=3 scale=2%s", seed);
        check_moments(draw(&r, "random_normal", attrs, NULL), 3, 2);
        snprintf(attrs, sizeof attrs, MANY " low=-1 high=5%s dtype=11", seed);
        const whet_tensor *u = draw(&r, "random_uniform", attrs, NULL);
        check_moments(u, 2, 6 / sqrt(12));
        assert_int_equal(u->dtype, WHET_DTYPE_F64);
        snprintf(attrs, sizeof attrs, "dtype=9%s", seed);
        check_moments(draw(&r, "bernoulli", attrs, "f32[10000] 0.25"), 0.25, sqrt(0.1875));
        snprintf(attrs, sizeof attrs, "sample_size=10000%s", seed);
        // two classes, the second three times as likely
        check_moments(draw(&r, "multinomial", attrs, "f32[1,2] 0 1.0986123"), 0.75, sqrt(0.1875));
    }
    op_run_fini(&r);
}

static void narrow_types(void **state) {
    (void)state;
    op_run r;
    op_run_init(&r);
    static const char *const attrs[] = {"dtype=10", "dtype=16", "dtype=1"};
    for (int k = 0; k < 3; k++) {
        const whet_tensor *t = draw(&r, "random_uniform_like", attrs[k], "u8[100,100] 0");
        for (int64_t i = 0; i < 10000; i++) {
            double v = whet_load_f64(t->data, t->dtype, i);
            assert_true(v >= 0 && v < 1);
        }
    }
    op_run_fini(&r);
}

static bool same(const whet_tensor *a, const whet_tensor *b) {
    return a->bytes == b->bytes && !memcmp(a->data, b->data, a->bytes);
}

static void seeds(void **state) {
    (void)state;
    op_run a, b;
    op_run_init(&a);
    op_run_init(&b);
    const char *const in = "f32[64] 0.5";
    assert_true(same(draw(&a, "random_normal_like", "seed=3", in),
                     draw(&b, "random_normal_like", "seed=3", in)));
    assert_false(same(draw(&a, "random_normal_like", "seed=3", in),
                      draw(&b, "random_normal_like", "seed=4", in)));
    assert_false(same(draw(&a, "random_normal_like", "", in),
                      draw(&b, "random_normal_like", "", in)));
    assert_false(same(draw(&a, "bernoulli", "", in), draw(&b, "bernoulli", "", in)));
    op_run_fini(&a);
    op_run_fini(&b);
}

static void results(void **state) {
    (void)state;
    static const op_case cases[] = {
        // the first numbers of the generator for seed 0
        {"random_uniform", "shape=2 seed=0 dtype=11", {NULL},
         {"f64[2] 0.5488135039273248 0.7151893663724195"}},
        {"random_normal", "shape=3 seed=0 dtype=11", {NULL},
         {"f64[3] 1.764052345967664 0.4001572083672233 0.9787379841057392"}},
        {"random_uniform", "shape=2,0", {NULL}, {"f32[2,0] 0"}},
        {"bernoulli", "", {"f32[2] 0 1"}, {"f32[2] 0 1"}},
        {"bernoulli", "", {"f32[1] 1.5"}, {"f32[1] 0"}, WHET_E_RANGE, "no probability"},
        {"multinomial", "sample_size=2 dtype=7", {"f32[1,3] -inf 0 -inf"}, {"i64[1,2] 1 1"}},
        {"multinomial", "", {"f32[1,2] -inf -inf"}, {"i32[1,1] 0"}, WHET_E_RANGE, "no class"},
        {"multinomial", "", {"f32[1,0] 0"}, {"i32[1,1] 0"}, WHET_E_RANGE, "no class"},
        {"random_uniform_like", "", {"i32[2] 0"}, .status = WHET_E_DTYPE, .text = "another"},
        {"dropout", "", {"f32[3] 1 2 3"}, {"f32[3] 1 2 3", "bool[3] 1 1 1"}},
        {"dropout", "seed=0", {"f32[4] 1 2 3 4", "f32[] 0.6", "bool[] 1"},
         {"f32[4] 0 5 7.5 0", "bool[4] 0 1 1 0"}},
        {"dropout", "", {"f32[2] 1 2", "f32[] 0", "bool[] 1"}, {"f32[2] 1 2", "bool[2] 1 1"}},
        {"dropout", "", {"f32[2] 1 2", "f32[] 1", "bool[] 1"}, {"f32[2] 0"}, WHET_E_RANGE,
         "ratio"},
    };
    op_text_check(cases, COUNT(cases));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distributions),
        cmocka_unit_test(narrow_types),
        cmocka_unit_test(seeds),
        cmocka_unit_test(results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
